"""What a recorded step of a plain PyTorch loop costs, inside a real step: beside the user's own list, CSVLogger and MLflow called by hand.

Blocks of bare and of watched steps alternate in one loop; ``thread`` is the median over pairs of blocks of how much more CPU of the
training thread a step took than in the bare block before it. ``all`` adds what every other thread (the writer) used a step while
watched steps ran for some seconds on end. In bare blocks what ``autolog()`` put in place is taken out, and put back afterwards.
"""

from __future__ import annotations

import functools
import itertools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from listeners import Listeners
from measure import folder, has, show, verdict

sys.path.pop(0)  # this folder: its lightning.py is not Lightning

Step = Callable[[int], Any]
STRETCH_S = 4.0
INSTANCES = 6
LOADERS = {"autotrack, a DataLoader gives the batches": False, "autotrack, a DataLoader puts 64 rows together": True}


def small() -> tuple[Any, Any, Any, Any]:
    return network(64, (32, 64, 64, 10))


def large() -> tuple[Any, Any, Any, Any]:
    return network(256, (512, 1024, 1024, 10))


def network(batch: int, widths: tuple[int, ...]) -> tuple[Any, Any, Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(0)
    layers: list[Any] = []
    for into, out in itertools.pairwise(widths):
        layers += [nn.Linear(into, out), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    return model, torch.optim.SGD(model.parameters(), lr=1e-3), torch.randn(batch, widths[0]), torch.randint(0, widths[-1], (batch,))


def plain_step(made: tuple[Any, Any, Any, Any], after: Callable[[Any, int], None] | None) -> Step:
    """The user's step; a tracker called by hand is called at its end, as he would."""
    from torch.nn.functional import cross_entropy

    model, optimizer, x, y = made

    def bare(_: int) -> None:
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()

    def told(step: int) -> None:
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        after(loss, step)  # type: ignore[misc]

    return bare if after is None else told


def loader_step(made: tuple[Any, Any, Any, Any], *, collated: bool) -> Step:
    """The same with batches out of a DataLoader: 500 of a small step, 20 of a large one; put together by it, or as they are."""
    from torch.nn.functional import cross_entropy
    from torch.utils.data import DataLoader, TensorDataset

    model, optimizer, x, y = made
    times = 500 if x.numel() < 10_000 else 20
    if collated:
        loader: DataLoader[Any] = DataLoader(TensorDataset(x.repeat(times, 1), y.repeat(times)), batch_size=len(x), shuffle=True)
    else:
        loader = DataLoader([(x, y)] * times, batch_size=None)  # type: ignore[arg-type]  # a list is a data set

    def batches() -> Iterator[Any]:
        while True:
            yield from loader

    following = batches()

    def step(_: int) -> None:
        x, y = next(following)
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()

    return step


def trackers(base: Path) -> dict[str, Callable[[Any, int], None]]:
    """Those that the user calls by hand, with what stands in his loop for it."""
    losses: list[float] = []
    found: dict[str, Callable[[Any, int], None]] = {"losses.append(loss.item())": lambda loss, _: losses.append(loss.item())}
    if has("lightning"):
        from lightning.pytorch.loggers import CSVLogger

        logger = CSVLogger(base / "csv")
        found["CSVLogger.log_metrics by hand"] = lambda loss, step: logger.log_metrics({"train/loss": loss.item()}, step=step)
    else:
        print("  CSVLogger: lightning is not installed")
    if has("mlflow"):
        import logging

        import mlflow

        logging.getLogger("mlflow").setLevel(logging.ERROR)
        mlflow.set_tracking_uri(f"sqlite:///{base}/mlflow.db")
        mlflow.start_run()
        found["mlflow.log_metric by hand"] = lambda loss, step: mlflow.log_metric("train/loss", loss.item(), step=step)
    else:
        print("  MLflow is not installed")
    return found


class Pairs:
    """Pairs of blocks of steps: a bare one, and one that is looked at."""

    def __init__(self, listeners: Listeners) -> None:
        self.listeners = listeners
        self.steps = 0
        self.bare: list[float] = []

    def block(self, step: Step, length: int) -> float:
        """CPU seconds of this thread a step."""
        clock, first = time.thread_time, self.steps
        self.steps += length
        began = clock()
        for number in range(first, first + length):
            step(number)
        return (clock() - began) / length

    def measure(self, steps: Callable[[], tuple[Step, Step]], *, length: int, pairs: int, observed: bool) -> tuple[float, float]:
        """Microseconds more a step: of this thread (median of the pairs), and of all other threads.

        Of several models: how one happens to lie in memory makes a step a microsecond or two slower or faster, observed or not.
        """
        import autotrack

        more = []
        for instance in range(INSTANCES):
            bare, watched = steps()
            if observed:  # the run is opened, and the environment read, once: not what a step costs
                self.listeners.back()
                self.block(watched, 30)
                self.listeners.out()
                time.sleep(0.5 if instance else 3)
            for number in range(pairs // INSTANCES + 5):
                bare_s = self.block(bare, length)
                self.listeners.back() if observed else self.listeners.out()  # either way types are changed, which the next lookups pay for
                watched_s = self.block(watched, length)
                self.listeners.out()
                if number >= 5:  # caches, and first steps, are warm
                    more.append(watched_s - bare_s)
                    self.bare.append(bare_s)
        if observed:
            self.listeners.back()
        autotrack.flush(30)
        others = time.process_time() - time.thread_time()
        on_end = int(STRETCH_S / watched_s)
        self.block(watched, on_end)
        autotrack.flush(30)
        others = time.process_time() - time.thread_time() - others
        self.listeners.out()
        return 1e6 * statistics.median(more), 1e6 * others / on_end


def figures(make: Callable[[], tuple[Any, Any, Any, Any]], base: Path, *, length: int, pairs: int) -> tuple[float, dict[str, tuple[float, float]]]:
    """The bare step in microseconds, and what each way of recording adds to it."""
    import autotrack

    autotrack.configure(uri=f"sqlite:///{base}/store/autotrack.db", quiet=True, system_metrics=False)

    from torch.utils.data import DataLoader

    autotrack.autolog("torch")
    next(iter(DataLoader([0], batch_size=None)))  # type: ignore[arg-type]  # what waits for a first pass is there now, too
    listeners = Listeners()
    listeners.out()
    run = Pairs(listeners)

    def two(step: Callable[[Any], Step], other: Callable[[Any], Step] | None = None) -> Callable[[], tuple[Step, Step]]:
        return lambda: (step(make()), (other or step)(make()))

    def bare(made: Any) -> Step:
        return plain_step(made, None)

    found = {"control: bare beside bare": run.measure(two(bare), length=length, pairs=pairs, observed=False)}
    found["autotrack"] = run.measure(two(bare), length=length, pairs=pairs, observed=True)
    for name, collated in LOADERS.items():
        found[name] = run.measure(two(functools.partial(loader_step, collated=collated)), length=length, pairs=pairs, observed=True)
    for name, after in trackers(base).items():
        few = 5 if name.startswith("mlflow") else 1  # some ten milliseconds a call
        told = functools.partial(plain_step, after=after)
        found[name] = run.measure(two(bare, told), length=max(1, length // few // 2), pairs=max(20, pairs // few // 2), observed=False)
    if has("mlflow"):
        import mlflow

        mlflow.end_run()
    listeners.back()
    return 1e6 * statistics.median(run.bare), found


def main(pairs: int, which: str) -> None:
    import torch

    torch.set_num_threads(1)
    with folder() as base:
        if which == "small":
            bare, found = figures(small, base, length=200, pairs=pairs)
        else:
            bare, found = figures(large, base, length=4, pairs=pairs)
    show(f"A step of {bare / 1000:.2f} ms: CPU more a step, in us (median of pairs)", [
        (name, f"thread {thread:9.1f}   all {thread + others:9.1f}") for name, (thread, others) in found.items()
    ])  # fmt: skip
    if which == "large":
        verdict("autotrack: writer included, of a long step", 100 * sum(found["autotrack"]) / bare, 0.5, "%")
        return
    for name in ("autotrack", *LOADERS):
        verdict(f"{name}: training thread, more a step", found[name][0], 13, "us")
        verdict(f"{name}: writer included, more a step", sum(found[name]), 18, "us")


if __name__ == "__main__":
    if len(sys.argv) > 2:
        main(int(sys.argv[1]), sys.argv[2])
    else:
        for length in ("small", "large"):  # each in a process of its own: what one leaves would weigh on the other
            subprocess.run([sys.executable, __file__, *(sys.argv[1:] or ["60"]), length], check=True)
