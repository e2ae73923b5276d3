"""What one ``run.log`` costs its caller: against packing the same record and one ``os.write``, tight and inside a real step."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable
from pathlib import Path

from measure import folder, has, show, verdict

Call = Callable[[dict[str, float], int], None]


def percentile(values: list[int], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def raw(path: Path, count: int) -> Call:
    """The bare work: the same record packed (head, step, time, values, trailer), and one write to a file."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    pack, write, now = struct.Struct(f"=dq{count + 2}d").pack, os.write, time.time

    def log(metrics: dict[str, float], step: int) -> None:
        write(fd, pack(1.0, step, now(), *metrics.values(), 0.0))

    return log


def peers(base: Path) -> dict[str, Call]:
    found: dict[str, Call] = {}
    if has("mlflow"):
        import mlflow

        mlflow.set_tracking_uri(f"sqlite:///{base}/mlflow.db")
        mlflow.start_run()
        found["mlflow.log_metrics"] = lambda metrics, step: mlflow.log_metrics(metrics, step=step)
    if has("trackio"):
        os.environ["TRACKIO_DIR"] = str(base / "trackio")
        import trackio

        trackio.init(project="bench", embed=False)
        found["trackio.log"] = lambda metrics, step: trackio.log(metrics, step=step)
    return found


def tight(calls: dict[str, Call], metrics: dict[str, float], rounds: int, block: int) -> dict[str, list[int]]:
    clock = time.perf_counter_ns
    times: dict[str, list[int]] = {name: [] for name in calls}
    step = 0
    for _ in range(rounds):
        for name, log in calls.items():
            out = times[name].append
            few = block if not name.startswith(("mlflow", "trackio")) else 20
            for step in range(step, step + few):
                began = clock()
                log(metrics, step)
                out(clock() - began)
    timer = []
    for _ in range(50_000):
        began = clock()
        timer.append(clock() - began)
    off = int(percentile(timer, 0.5))
    return {name: [max(0, t - off) for t in values] for name, values in times.items()}


def numpy_step() -> Callable[[], float]:
    """A small network's training step of some 300 µs, whose memory traffic empties the caches as a real one does."""
    import numpy as np

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 64)), rng.normal(size=(64, 1))
    w1, w2 = rng.normal(size=(64, 192)) / 8, rng.normal(size=(192, 1)) / 14

    def step() -> float:
        nonlocal w1, w2
        hidden = np.tanh(x @ w1)
        error = hidden @ w2 - y
        w2 = w2 - 1e-3 * (hidden.T @ error)
        w1 = w1 - 1e-3 * (x.T @ ((error @ w2.T) * (1 - hidden**2)))
        return float((error**2).mean())

    return step


def torch_step() -> Callable[[], float]:
    import torch

    torch.set_num_threads(1)
    model = torch.nn.Sequential(torch.nn.Linear(32, 64), torch.nn.ReLU(), torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    x, y = torch.randn(64, 32), torch.randint(0, 10, (64,))

    def step() -> float:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return 0.5

    return step


def inside_a_step(calls: dict[str, Call], step_once: Callable[[], float], steps: int) -> dict[str, list[int]]:
    clock = time.perf_counter_ns
    times: dict[str, list[int]] = {name: [] for name in calls}
    lengths = []
    names = list(calls)
    for i in range(steps):
        began = clock()
        loss = step_once()
        lengths.append(clock() - began)
        name = names[i // 50 % len(names)]
        log, metrics = calls[name], {"loss": loss}
        began = clock()
        log(metrics, i)
        times[name].append(clock() - began)
    print(f"  the step itself: median {percentile(lengths, 0.5) / 1000:.0f} us")
    return times


def main() -> None:
    with folder() as base:
        import autotrack

        autotrack.configure(uri=f"sqlite:///{base}/store/autotrack.db", quiet=True)
        run = autotrack.start_run("bench")
        for count, limit in ((1, 0.8), (20, 1.0)):
            metrics = {"loss" if count == 1 else f"train/metric_{i}": i * 0.5 for i in range(count)}
            calls = {"autotrack": run.log, "raw": raw(base / "raw.bin", count), **(peers(base) if count == 1 else {})}
            times = tight(calls, metrics, rounds=30, block=5_000)
            show(f"log() of {count} metric(s), ns a call, tight loop", [
                (name, f"p50 {percentile(t, 0.5):9.0f}   p99 {percentile(t, 0.99):9.0f}") for name, t in times.items()
            ])  # fmt: skip
            verdict(f"p50, {count} metric(s), autotrack / raw", percentile(times["autotrack"], 0.5) / percentile(times["raw"], 0.5), limit)
            verdict(f"p99, {count} metric(s), autotrack / raw p99", percentile(times["autotrack"], 0.99) / percentile(times["raw"], 0.99), 3)
        for name, make in (("NumPy", numpy_step), *([("torch", torch_step)] if has("torch") else [])):
            print(f"\nlog() of 1 metric inside a {name} step")
            times = inside_a_step({"autotrack": run.log, "raw": raw(base / "raw.bin", 1)}, make(), 12_000)
            show("  ns a call", [(n, f"p50 {percentile(t, 0.5):9.0f}   p99 {percentile(t, 0.99):9.0f}") for n, t in times.items()])
            verdict(f"p50 inside a {name} step, autotrack / raw", percentile(times["autotrack"], 0.5) / percentile(times["raw"], 0.5), 0.9)
        run.finish()
        autotrack.flush()


if __name__ == "__main__":
    main()
