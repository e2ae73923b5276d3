"""Curves for a screen: which buckets of steps they are summed up in, and what is told of each.

One grid for all runs and every zoom: the bucket of a step is ``step >> shift``, for an even shift. So curves of many runs have their
buckets at the same places, zooming in and out moves nothing, and sums that a store keeps serve every question. A store brings a
``Source`` for each series; what is common to stores is here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from autotrack.backends.protocol import Axis, Buckets
from autotrack.errors import QueryError

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

MOST_POINTS = 5_000
_COARSE = 1_024  # buckets by which the steps of a window of time or of a metric are found
_ROUNDS = 6
_LEAD = 4  # what leads to a window has a quarter of its buckets: it is never seen, only smoothed from
_READ = 500_000  # points that are added up for one answer, some 0.2 s of SQLite; beyond that the buckets are those that a store keeps


@dataclass(frozen=True, slots=True)
class Sums:
    """What lies in each bucket, ascending: the last point's ``step`` (int64), ``time`` (UTC seconds) and ``value``; of the finite values
    their ``count``, ``total``, ``low`` and ``high`` (NaN if none); ``odd`` counts the other values.
    """

    step: Array
    time: Array
    value: Array
    count: Array
    total: Array
    low: Array
    high: Array
    odd: Array

    def __len__(self) -> int:
        return len(self.step)

    def __getitem__(self, which: Any) -> Sums:
        return Sums(*(getattr(self, name)[which] for name in Sums.__slots__))


class NotReady(Exception):
    """The sums of a long series are not made yet, and the time for making them is over."""


class Source(Protocol):
    """One series of a store."""

    run_id: str
    key: str
    started: float  # UTC seconds, of the run
    first: int  # step
    last: int
    total: int

    def few(self, low: int, high: int, most: int) -> bool:
        """Whether there are at most ``most`` points with low <= step <= high."""

    def read(self, low: int, high: int, shift: int) -> int:
        """About how many points are read for these sums; 0 if the store keeps them."""

    def before(self, step: int) -> int:
        """The step of the last point at or before ``step``; the first step if there is none."""

    def sums(self, low: int, high: int, shift: int) -> Sums:
        """The buckets that hold steps from ``low`` to ``high``; those at the ends are whole. With shift 0: the steps, each once.

        Raises: NotReady.
        """


def buckets(
    sources: Sequence[Source], others: dict[str, Source], points: int, x: Axis, window: tuple[float, float] | None, lead: float
) -> list[Buckets]:
    """See Backend.buckets. ``others`` are the series of the metric that is x, by run.   Raises: QueryError."""
    if not 2 <= points <= MOST_POINTS:
        raise QueryError(f"a curve for a screen has 2 to {MOST_POINTS} buckets, not {points}", str(points), 0)
    if window is not None and not (math.isfinite(window[0]) and math.isfinite(window[1])):
        raise QueryError("the ends of a window are numbers")
    if not (math.isfinite(lead) and lead >= 0):
        raise QueryError("what leads to a window is a number of at least 0")
    axes = [_Axis(source, x, others.get(source.run_id)) for source in sources]
    spans = [_span(axis, window, lead) for axis in axes]
    shift = shift_for([span for span in spans if span is not None], points, window, x)
    shift = _affordable([(axis.source, span) for axis, span in zip(axes, spans, strict=True) if span is not None], shift)
    return [_bucketed(axis, span, shift, points, window, lead) for axis, span in zip(axes, spans, strict=True)]


def _affordable(asked: Sequence[tuple[Source, tuple[int, int]]], shift: int) -> int:
    """The shift, or the next wider one whose sums a store keeps, if too many points lie in between."""
    for wider in range(shift, shift + 8, 2):
        if sum(source.read(low, high, wider) for source, (low, high) in asked) <= _READ:
            return wider
    return shift


def shift_for(spans: Sequence[tuple[int, int]], points: int, window: tuple[float, float] | None, x: Axis) -> int:
    """The smallest even shift by which the steps from the first to the last lie in at most ``points`` buckets."""
    if not spans:
        return 0
    if window is not None and x == "step":  # what leads to it needs more buckets, not wider ones
        low, high = math.ceil(window[0]), math.floor(window[1])
    else:
        low, high = min(span[0] for span in spans), max(span[1] for span in spans)
    shift = 0
    while (high >> shift) - (low >> shift) >= points:
        shift += 2
    return shift


def _span(axis: _Axis, window: tuple[float, float] | None, lead: float) -> tuple[int, int] | None:
    """The steps, first and last, in which the window lies; None if that cannot be told yet. What leads to it belongs to it, but for steps."""
    source = axis.source
    if window is None:
        return source.first, source.last
    low, high = window
    if axis.x == "step":
        return max(source.first, _whole(math.ceil(low))), min(source.last, _whole(math.floor(high)))
    low -= lead
    try:
        return axis.span(low, high)
    except NotReady:
        return None


def _whole(step: int) -> int:
    return max(-(2**63), min(2**63 - 1, step))


def _bucketed(axis: _Axis, span: tuple[int, int] | None, shift: int, points: int, window: tuple[float, float] | None, lead: float) -> Buckets:
    source = axis.source
    try:
        if span is None:
            raise NotReady
        low, high = span
        begin = low if window is None or axis.x != "step" else max(source.first, _whole(math.ceil(window[0] - lead)))
        if source.few(begin, high, points):
            own, sums = 0, source.sums(begin, high, 0)
        elif begin < low:
            own, sums = _led(source, begin, low, high, shift, points)
        else:
            own, sums = shift, source.sums(low, high, shift)
        x = axis.along(sums, low, high, own)
        first, last = axis.ends()
    except NotReady:
        return _made(source, shift, None, None, math.nan, math.nan)
    import numpy as np  # reading only

    keep = ~np.isnan(x)
    if window is not None:
        ends = x
        if own and isinstance(axis.x, str):  # the bucket in which the window ends reaches beyond it
            ends = np.concatenate(([-np.inf], x[:-1]))
        keep &= (x >= window[0] - lead) & (ends <= window[1])
    if not keep.all():
        sums, x = sums[keep], x[keep]
    return _made(source, own, sums, x, first, last)


def _led(source: Source, begin: int, low: int, high: int, shift: int, points: int) -> tuple[int, Sums]:
    """The shift and the sums from ``low`` to ``high``; and before them, in buckets that may be wider, from ``begin``."""
    wide = max(shift, shift_for([(begin, low)], max(2, points // _LEAD), None, "step"))
    edge = (low >> shift) - 1 << shift >> wide << wide  # of both grids, and a bucket before the window, where its line comes from
    own = 0 if source.few(max(edge, begin), high, points) else shift
    parts = [source.sums(max(edge, begin), high, own)]
    if begin < edge:
        parts.insert(0, source.sums(begin, edge - 1, wide))
    return own, joined(parts)


def _made(source: Source, shift: int, sums: Sums | None, x: Array | None, first: float, last: float) -> Buckets:
    import numpy as np  # reading only

    if sums is None or x is None:
        none = np.empty(0)
        return Buckets(source.run_id, source.key, shift, none, none, none, none, none, none, none, 0, first, last, pending=True)
    with np.errstate(invalid="ignore", over="ignore"):
        mean = np.where(sums.count > 0, sums.total / np.maximum(sums.count, 1), np.nan)
        mean = np.clip(mean, sums.low, sums.high)  # a sum that overflowed; NaN stays
    total = int(sums.count.sum() + sums.odd.sum())
    x, step = np.asarray(x, np.float64), sums.step.astype(np.float64)
    return Buckets(source.run_id, source.key, shift, x, mean, sums.low, sums.high, sums.odd, step, sums.value, total, first, last)


class _Axis:
    """What a series is drawn over."""

    def __init__(self, source: Source, x: Axis, other: Source | None) -> None:
        self.source, self.x, self._other = source, x, other

    def along(self, sums: Sums, low: int, high: int, shift: int) -> Array:
        """The x of each bucket; NaN where there is none."""
        import numpy as np  # reading only

        if self.x == "step":
            return sums.step.astype(np.float64)
        if self.x == "time":
            return sums.time
        if self.x == "relative":
            return sums.time - self.source.started
        if self._other is None or not len(sums):
            return np.full(len(sums), np.nan)
        other = self._other.sums(self._other.before(low), high, shift)
        at = np.searchsorted(other.step, sums.step, side="right") - 1  # the value it had last
        if shift:  # the bucket's last x, though it was logged after the bucket's last point
            bucket = other.step >> shift
            at = np.searchsorted(bucket, sums.step >> shift, side="right") - 1
        return np.where(at >= 0, other.value[np.maximum(at, 0)] if len(other) else np.nan, np.nan)

    def span(self, low: float, high: float) -> tuple[int, int]:
        """The steps that may have an x from ``low`` to ``high``: looked for in ever finer buckets."""
        import numpy as np  # reading only

        start, end = self.source.first, self.source.last
        for _ in range(_ROUNDS):
            shift = 0 if self.source.few(start, end, _COARSE) else shift_for([(start, end)], _COARSE, None, "step")
            sums = self.source.sums(start, end, shift)
            x = self.along(sums, start, end, shift)
            before = np.concatenate(([-np.inf], x[:-1]))
            may = np.flatnonzero((np.fmax(before, x) >= low) & (np.fmin(before, x) <= high))
            if not len(may):
                return start, start - 1
            first, last = int(sums.step[may[0]]), int(sums.step[may[-1]])
            start, end = max(start, first >> shift << shift), min(end, ((last >> shift) + 1 << shift) - 1)
            if not shift:
                break
        return start, end

    def ends(self) -> tuple[float, float]:
        """The x of the series' first and last point."""
        import numpy as np  # reading only

        source = self.source
        if self.x == "step":
            return float(source.first), float(source.last)
        ends = [self.along(source.sums(step, step, 0), step, step, 0) for step in (source.first, source.last)]
        first, last = (float(end[-1]) for end in ends)
        if math.isfinite(first) and math.isfinite(last):
            return first, last
        coarse, shift = self._coarse()
        x = self.along(coarse, source.first, source.last, shift)
        x = x[np.isfinite(x)]
        return (float(x[0]), float(x[-1])) if len(x) else (math.nan, math.nan)

    def _coarse(self) -> tuple[Sums, int]:
        shift = 0 if self.source.total <= _COARSE else shift_for([(self.source.first, self.source.last)], _COARSE, None, "step")
        return self.source.sums(self.source.first, self.source.last, shift), shift


def summed(steps: Array, times: Array, values: Array, shift: int) -> Sums:
    """The sums of points in ascending order of steps (of one step: in the order of writing)."""
    import numpy as np  # reading only

    bucket = steps >> shift
    if not len(steps):
        none = np.empty(0)
        return Sums(steps, *([none] * 7))
    ends = np.flatnonzero(np.append(bucket[1:] != bucket[:-1], True))
    if not shift:
        steps, times, values = steps[ends], times[ends], values[ends]
        ends = np.arange(len(steps))
    starts = np.append(0, ends[:-1] + 1)
    finite = np.isfinite(values)
    with np.errstate(over="ignore"):
        total = np.add.reduceat(np.where(finite, values, 0.0), starts)
    low = np.minimum.reduceat(np.where(finite, values, np.inf), starts)
    high = np.maximum.reduceat(np.where(finite, values, -np.inf), starts)
    count = np.add.reduceat(finite.astype(np.float64), starts)
    low, high = np.where(count > 0, low, np.nan), np.where(count > 0, high, np.nan)
    return Sums(steps[ends], times[ends], values[ends], count, total, low, high, ends - starts + 1.0 - count)


def together(sums: Sums, shift: int) -> Sums:
    """The same in wider buckets; neighbours that lie in one are joined."""
    import numpy as np  # reading only

    if len(sums) < 2:
        return sums
    bucket = sums.step >> shift
    ends = np.flatnonzero(np.append(bucket[1:] != bucket[:-1], True))
    if len(ends) == len(bucket):
        return sums
    starts = np.append(0, ends[:-1] + 1)
    low = np.fmin.reduceat(sums.low, starts)
    high = np.fmax.reduceat(sums.high, starts)
    count, total, odd = (np.add.reduceat(part, starts) for part in (sums.count, sums.total, sums.odd))
    return Sums(sums.step[ends], sums.time[ends], sums.value[ends], count, total, low, high, odd)


def joined(parts: Sequence[Sums]) -> Sums:
    """Sums of one series, one after the other."""
    import numpy as np  # reading only

    parts = [part for part in parts if len(part)] or list(parts[:1])
    if len(parts) == 1:
        return parts[0]
    return Sums(*(np.concatenate([getattr(part, name) for part in parts]) for name in Sums.__slots__))
