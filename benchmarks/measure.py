"""What every benchmark here shares: CPU of fresh programs, interleaved rounds, verdicts as ratios."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

Figures = dict[str, list[float]]


def run(program: str, *arguments: object, cwd: str | Path | None = None, **environment: str) -> tuple[float, str]:
    """Run a program text in a fresh interpreter; return its CPU seconds (user and system) and what it printed."""
    env = {**os.environ, "AUTOTRACK_QUIET": "1", "OMP_NUM_THREADS": "1", **environment}
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # else a source tree is compiled at every import, which no installed package is
    child = subprocess.Popen([sys.executable, "-c", program, *map(str, arguments)], stdout=subprocess.PIPE, text=True, cwd=cwd, env=env)
    assert child.stdout
    printed = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"a benchmark's program failed ({child.returncode}):\n{program}")
    return usage.ru_utime + usage.ru_stime, printed


def interleaved(variants: dict[str, Callable[[], float]], rounds: int) -> Figures:
    """Measure each variant once a round, so that a change of the machine's pace hits all alike."""
    figures: Figures = {name: [] for name in variants}
    for _ in range(rounds):
        for name, measure in variants.items():
            figures[name].append(measure())
    return figures


def ratio(figures: Figures, one: str, other: str) -> float:
    """Median over the rounds of one variant's figure over the other's in the same round."""
    return statistics.median(a / b for a, b in zip(figures[one], figures[other], strict=True))


def extra(figures: Figures, one: str, other: str) -> float:
    """Median over the rounds of one variant's figure minus the other's in the same round."""
    return statistics.median(a - b for a, b in zip(figures[one], figures[other], strict=True))


def show(title: str, rows: Iterable[tuple[str, str]]) -> None:
    print(f"\n{title}")
    for name, text in rows:
        print(f"  {name:<52} {text}")


def verdict(what: str, figure: float, limit: float, unit: str = "x", at_least: bool = False) -> None:
    """One line: a figure, its limit, and whether it holds."""
    holds = figure >= limit if at_least else figure <= limit
    print(f"  {'ok  ' if holds else 'OVER'} {what:<66} {figure:8.2f} {unit:<6} ({'>=' if at_least else '<='} {limit:g})")


@contextmanager
def folder() -> Iterator[Path]:
    """A folder on a real disk (not tmpfs), removed afterwards."""
    base = Path(__file__).parents[1] / ".bench"
    base.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=base) as path:
        yield Path(path)


def has(module: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(module) is not None
