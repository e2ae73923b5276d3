"""Which points of a long curve to keep so that it looks the same: of each bucket of steps the first, last, smallest and largest.

Source: min-max decimation, e.g. Jugel et al., M4, VLDB 2014.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autotrack.errors import QueryError

if TYPE_CHECKING:
    import numpy as np


def buckets(points: int) -> int:
    """How many buckets a curve of at most ``points`` points has.   Raises: QueryError if that is none."""
    if points < 4:
        raise QueryError(f"a thinned curve has at least 4 points, not {points}", str(points), 0)
    return points // 4


def bucket_size(width: int, points: int) -> int:
    """How many steps a bucket spans, for a curve that spans ``width``."""
    return -(-width // buckets(points))


def kept(steps: np.ndarray[Any, np.dtype[np.int64]], values: np.ndarray[Any, np.dtype[np.float64]], points: int) -> np.ndarray[Any, Any]:
    """The places of the points to keep. ``steps`` ascend; buckets are equal stretches of steps; NaN is never smallest or largest."""
    import numpy as np  # reading only

    if len(steps) <= points:
        return np.arange(len(steps))
    low, width = int(steps[0]), int(steps[-1]) - int(steps[0]) + 1
    apart = (steps if width < 2**62 else steps.astype(object)) - low  # beyond 64 bits: Python's own integers
    bucket = (apart // bucket_size(width, points)).astype(np.int64)
    starts = np.flatnonzero(np.append(True, bucket[1:] != bucket[:-1]))
    ends = np.append(starts[1:], len(steps)) - 1
    places, missing = np.arange(len(steps)), np.isnan(values)
    smallest = np.lexsort((places, np.where(missing, np.inf, values), missing, bucket))[starts]
    largest = np.lexsort((places, np.where(missing, np.inf, -values), missing, bucket))[starts]
    return np.unique(np.concatenate((starts, ends, smallest[~missing[smallest]], largest[~missing[largest]])))
