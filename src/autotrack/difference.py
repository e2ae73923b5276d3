"""Where runs differ: the arithmetic of it, without a store."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any


class Absent(Enum):
    """What a run has where others have a value."""

    ABSENT = "–"

    def __repr__(self) -> str:
        return "absent"

    def __str__(self) -> str:
        return self.value


ABSENT = Absent.ABSENT

PER_PROCESS = frozenset({"pid"})  # of the environment: differs always, says nothing


def area(key: str) -> str:
    """The section of a key of the environment."""
    first = key.split(".")[0]
    if first in ("git", "script", "argv", "command", "notebook"):
        return "code"
    return "datasets" if first == "datasets" else "environment"


def differing(sides: Sequence[Mapping[str, Any]]) -> dict[str, tuple[Any, ...]]:
    """The keys, sorted, whose values are not the same on all sides."""
    keys = sorted({key for side in sides for key in side})
    rows = {key: tuple(side.get(key, ABSENT) for side in sides) for key in keys}
    return {key: row for key, row in rows.items() if not all(same(row[0], other) for other in row[1:])}


def same(a: Any, b: Any) -> bool:
    """Equality in which NaN is NaN, and True is not 1."""
    if isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b):
        return True
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)


def flattened(tree: Mapping[str, Any], under: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested dicts by their paths, joined with dots."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from flattened(value, f"{under}{key}.")
        else:
            yield f"{under}{key}", value
