"""Which parameters go with a metric, each by itself.

The runs are grouped by the values of a parameter (numbers with many different values in up to eight groups of one size), and the share
of the target's variance that lies between the groups is taken, corrected for what chance alone would give (omega squared, never below 0). It sees
a best value in the middle, and words; it does not see what two parameters do together. The direction is Spearman's rank correlation.

Sources: W. Hays, Statistics (1963), omega squared; C. Spearman, The proof and measurement of association between two things (1904).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from autotrack.backends.protocol import Column
from autotrack.server.answers import word
from autotrack.values import as_float

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

GROUPS = 8
LEAST = 5  # runs


def importance(target: Column, params: Mapping[str, Column]) -> tuple[int, list[dict[str, Any]]]:
    """How many runs have a finite target, and of each param its importance, direction and runs, the largest first."""
    import numpy as np  # reading only

    wanted = {n: float(v) for n, v in zip(target.numbers, target.values, strict=True) if type(v) in (int, float) and np.isfinite(as_float(v))}
    found = []
    for key, column in params.items():
        pairs = [(value, wanted[number]) for number, value in zip(column.numbers, column.values, strict=True) if number in wanted]
        if len(pairs) < LEAST:
            continue
        values = [value for value, _ in pairs]
        y = np.array([one for _, one in pairs], np.float64)
        is_numeric = all(type(value) in (int, float) for value in values)
        x = np.array([as_float(value) for value in values], np.float64) if is_numeric else None
        if x is not None and not np.isfinite(x).all():
            x = None
        groups = _by_number(x) if x is not None else np.unique([word(value) for value in values], return_inverse=True)[1]
        share = omega_squared(groups, y)
        if share is not None:
            found.append({"key": key, "importance": share, "direction": None if x is None else spearman(x, y), "runs": len(pairs)})
    return len(wanted), sorted(found, key=lambda one: (-one["importance"], one["key"]))


def _by_number(x: Array) -> Array:
    """Groups of runs with like values: one for each different value, or of about one size if those are many."""
    import numpy as np  # reading only

    values, groups = np.unique(x, return_inverse=True)
    if len(values) <= GROUPS:
        return groups
    return np.minimum((_ranks(x) - 0.5) * GROUPS / len(x), GROUPS - 1).astype(np.int64)


def omega_squared(groups: Array, y: Array) -> float | None:
    """The share of the variance of ``y`` between groups, 0 to 1; None where there is nothing to explain, or each run is its own group."""
    import numpy as np  # reading only

    _, groups, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    n, k = len(y), len(sizes)
    scale = np.abs(y).max() or 1.0
    y = y / scale - (y / scale).mean()  # large numbers stay within float64
    total = float((y**2).sum())
    if k < 2 or k >= n or total <= 1e-24 * n:
        return None
    between = float((np.bincount(groups, y) ** 2 / sizes).sum())
    within = (total - between) / (n - k)
    return float(np.clip((between - (k - 1) * within) / (total + within), 0.0, 1.0))


def spearman(x: Array, y: Array) -> float | None:
    """The correlation of ranks; None if one of both never changes."""
    import numpy as np  # reading only

    a, b = _ranks(x), _ranks(y)
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return None if norm == 0 else float(np.clip((a * b).sum() / norm, -1.0, 1.0))


def _ranks(x: Array) -> Array:
    """From 1; equal values share the mean of theirs."""
    import numpy as np  # reading only

    _, places, counts = np.unique(x, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return ((ends - counts + 1 + ends) / 2)[places]
