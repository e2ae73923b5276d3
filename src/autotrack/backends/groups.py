"""The points of a batch as a store keeps them: series in the order of their steps, and what each adds to its summary.

This is worked out before the store is locked: other processes wait for the lock.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from autotrack.records import AnyRecord, MetricsLogged


@dataclass(slots=True)
class Group:
    """Series of one run that were logged together, in the order of their steps; of one step in the order of their logging."""

    uid: str
    keys: tuple[str, ...]
    steps: list[int]
    times_ms: list[int]
    columns: list[list[float]]
    is_rising: bool  # no step twice
    sums: list[tuple[Any, ...]] = field(init=False)  # of each column, see ``_summed``

    def __post_init__(self) -> None:
        self.sums = [_summed(self, column) for column in self.columns]


def groups_of(records: Iterable[AnyRecord]) -> list[Group]:
    """All series that records tell of, by run."""
    stretches: dict[str, list[MetricsLogged]] = {}
    for record in records:
        if isinstance(record, MetricsLogged):
            stretches.setdefault(record.run_id, []).append(record)
    return [group for uid, told in stretches.items() for group in _merged(uid, told)]


def _merged(uid: str, stretches: list[MetricsLogged]) -> Iterator[Group]:
    """Merge stretches of one key set; where a key is in two sets, each key for itself. The stretches stay as they are."""
    sets: dict[tuple[str, ...], list[MetricsLogged]] = {}
    for stretch in stretches:
        if stretch.steps:
            sets.setdefault(stretch.keys, []).append(stretch)
    if len(set(chain.from_iterable(sets))) < sum(map(len, sets)):
        alone: dict[str, list[MetricsLogged]] = {}
        for s in filter(lambda s: s.steps, stretches):
            for key, column in zip(s.keys, s.columns, strict=True):
                alone.setdefault(key, []).append(MetricsLogged(uid, s.time, (key,), s.steps, s.times, [column]))
        sets = {(key,): parts for key, parts in alone.items()}
    for keys, parts in sets.items():
        steps = _joined([part.steps for part in parts])
        times_ms = [round(time * 1000) for time in _joined([part.times for part in parts])]
        columns = [_joined([part.columns[i] for part in parts]) for i in range(len(keys))]
        if all(map(operator.lt, steps, steps[1:])):
            yield Group(uid, keys, steps, times_ms, columns, True)
            continue
        order = sorted(range(len(steps)), key=steps.__getitem__)
        steps = [steps[i] for i in order]
        yield Group(
            uid,
            keys,
            steps,
            [times_ms[i] for i in order],
            [[column[i] for i in order] for column in columns],
            all(map(operator.lt, steps, steps[1:])),
        )


def _joined(parts: list[list[Any]]) -> list[Any]:
    return parts[0] if len(parts) == 1 else list(chain.from_iterable(parts))


def _summed(group: Group, column: list[float]) -> tuple[Any, ...]:
    """What a summary adds: count, nonfinite, first step, first, last step, last, min, max, sum, last time."""
    steps = group.steps
    finite: Sequence[float] = column
    total = sum(column)
    if not math.isfinite(total):
        finite = [value for value in column if math.isfinite(value)]
        total = sum(finite)
    low, high = (min(finite), max(finite)) if finite else (None, None)
    count = len(column)
    return count, count - len(finite), steps[0], column[0], steps[-1], column[-1], low, high, total, group.times_ms[-1]
