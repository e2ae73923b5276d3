"""Stores for the page's benchmarks and tests, written through the backend's own `write`: many runs, long curves, names that are hostile.

    python benchmarks/page_store.py FOLDER runs 1000        runs x 50 params x 20 metrics, curves of 120 points
    python benchmarks/page_store.py FOLDER curves 100 1000000   runs with one long curve each
"""

from __future__ import annotations

import math
import random
import sys
import time
from pathlib import Path

import numpy as np

from autotrack.backends.opening import open_backend
from autotrack.records import Batch, MetricsLogged, ParamsSet, RunEnded, RunStarted, SummarySet, TagsSet

MODELS = ("resnet18", "resnet50", "vit-s", "convnext", "mobilenet")
METRICS = (
    *("train/loss", "val/loss", "train/acc", "val/acc", "val/f1", "val/auc", "lr", "grad_norm", "optim/weight_norm", "optim/update", "optim/clip"),
    *("speed/samples_per_second", "speed/step_s", "data/wait_s", "data/queue", "layers/l1", "layers/l2", "layers/l3", "system/cpu_percent", "epoch"),
)


def write(folder: Path, runs: int, points: int = 120, experiment: str = "vision/imagenet", start: float | None = None) -> None:
    """Runs of a make-believe search: the learning rate decides, the others matter a little; some fail, some diverge to NaN."""
    folder.mkdir(parents=True, exist_ok=True)
    backend = open_backend(f"sqlite:///{folder / 'autotrack.db'}")
    chance = random.Random(7)
    now = time.time() if start is None else start
    number = 1
    for i in range(runs):
        records = run_of(i, runs, points, experiment, now, chance)
        backend.write(Batch("benchmark", number, tuple(records)))
        number += sum(record.count for record in records)
    backend.close()


def run_of(i: int, runs: int, points: int, experiment: str, now: float, chance: random.Random) -> list:
    run_id = f"{i:08x}{chance.getrandbits(64):016x}"
    began = now - (runs - i) * 420 - 600
    lr, model, batch = 10 ** chance.uniform(-5, -0.5), chance.choice(MODELS), chance.choice((16, 32, 64, 128))
    optimizer, dropout = chance.choice(("adam", "adamw", "sgd", "lion")), round(chance.uniform(0, 0.6), 3)
    params = {"lr": lr, "model": model, "batch_size": batch, "optimizer": optimizer, "dropout": dropout, "seed": i % 5, "amp": chance.random() < 0.5}
    params |= {"epochs": 90, "data.root": "/data/imagenet", "data.workers": 8}
    params |= {f"config.layer{k}.width": chance.choice((64, 128, 256)) if k < 4 else 128 for k in range(40)}
    quality = math.exp(-((math.log10(lr) + 2.7) ** 2) / 1.2) * (1 - 0.25 * dropout) * (0.9 if optimizer == "sgd" else 1) + chance.gauss(0, 0.02)
    best, diverges = 0.45 + 0.5 * max(0.02, min(1, quality)), lr > 0.1 and chance.random() < 0.5
    status = "failed" if diverges or chance.random() < 0.03 else "finished"
    steps, tau, noise = list(range(0, points * 10, 10)), points * chance.uniform(1.2, 3), chance.uniform(0.004, 0.02)
    columns: dict[str, list[float]] = {key: [] for key in METRICS}
    for n, step in enumerate(steps):
        gone = math.exp(-step / tau)
        loss = 0.3 + 6 * (1 - best) * (0.15 + gone) + chance.gauss(0, noise * 6)
        if diverges and n > points // 2:
            loss = math.nan
        acc = best * (1 - gone) + chance.gauss(0, noise)
        values = (loss, loss * 1.15 + 0.05, acc + 0.03, acc, acc * 0.98, 0.5 + acc / 2, lr * (1 - n / points), abs(chance.gauss(1, 0.4)))
        values += (12 + n * 0.02, 0.01 * gone, 0.1, 900 + chance.gauss(0, 40), 0.07, 0.004, 3, gone, gone * 2, gone * 3)
        values += (60 + chance.gauss(0, 9), n / (points / 90))
        for key, value in zip(METRICS, values, strict=True):
            columns[key].append(value)
    times = [began + 5 + step * 0.35 for step in steps]
    name = f"{model}-{i + 1}"
    error = "FloatingPointError: the loss is NaN" if diverges else "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.50 GiB"
    return [
        RunStarted(run_id, began, experiment, name, host=f"gpu-{i % 4}", user="ada", pid=1000 + i, kind="torch"),
        ParamsSet(run_id, began, params),
        TagsSet(run_id, began, {"team": "vision" if i % 3 else "nlp"}),
        MetricsLogged(run_id, times[-1], tuple(columns), steps, times, list(columns.values())),
        SummarySet(run_id, times[-1], {"best/val/acc": best}),
        RunEnded(run_id, times[-1] + 3, status, error if status == "failed" else None),
    ]


def write_curves(folder: Path, runs: int, points: int, experiment: str = "long") -> None:
    """One curve a run, noisy, with one wrong step in it."""
    folder.mkdir(parents=True, exist_ok=True)
    backend = open_backend(f"sqlite:///{folder / 'autotrack.db'}")
    number, lot = 1, 20_000
    for i in range(runs):
        run_id, began = f"c{i:07x}", time.time() - 86_400
        told = RunStarted(run_id, began, experiment, f"long-{i + 1}", kind="torch"), ParamsSet(run_id, began, {"lr": 10 ** -(1 + i % 5)})
        backend.write(Batch("benchmark", number, told))
        number += 2
        values = curve(i, points)
        for start in range(0, points, lot):
            steps = list(range(start, min(points, start + lot)))
            times = [began + step * 0.05 for step in steps]
            logged = MetricsLogged(run_id, began, ("train/loss",), steps, times, [values[start : start + lot].tolist()])
            backend.write(Batch("benchmark", number, (logged,)))
            number += logged.count
        backend.write(Batch("benchmark", number, (RunEnded(run_id, began + points * 0.05, "finished"),)))
        number += 1
    backend.close()


def curve(i: int, points: int) -> np.ndarray:
    """The values of the i-th long curve, at the steps 0, 1, 2 …"""
    chance = np.random.default_rng(i)
    values = 3 / (1 + np.arange(points) / (points / 12)) + 0.1 * (i % 10) + chance.normal(0, 0.03, points)
    values[chance.integers(points)] = 9.0
    return values


if __name__ == "__main__":
    place, kind, *counts = sys.argv[1:]
    {"runs": write, "curves": write_curves}[kind](Path(place), *map(int, counts))
