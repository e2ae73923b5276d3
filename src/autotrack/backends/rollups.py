"""Sums of long series, kept beside their points, so that a curve of a million points is drawn from a thousand rows.

They are made when somebody looks (never while a training writes), grow with the series, and are droppable at any time. Rows of
``rollup`` sum up a bucket of the grid (``grid``), for six shifts four-fold apart. ``rollup_end`` says up to which step, how many points
are summed up, and the smallest shift. A program that writes points knows nothing of all this: that a point was written behind the end is seen
by the count of the series' points, and the buckets that it concerns are made anew.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from autotrack.backends.grid import NotReady, Sums, joined, summed, together
from autotrack.backends.sqlite_read import FROM_POINTS, Place, arrays
from autotrack.backends.sqlite_write import Rows

if TYPE_CHECKING:
    import numpy as np

LONG = 5_000  # points from which on a series is summed up
_TAIL = 2_000  # points after the end that are read as they are
_PIECE = 250_000  # points that are summed up at once
_LEVELS = 6
_COUNT = 128  # rows of a table that counts from 0; two of it count to 16,384

_COUNTED = f"""from temp.place a cross join temp.place b cross join metric_point where a.i * {_COUNT} < :buckets
and b.i < :buckets - a.i * {_COUNT} and run_id = :run and key_id = :key and step between max(:low, (:first + a.i * {_COUNT} + b.i) << :shift)
and min(:high, ((:first + a.i * {_COUNT} + b.i) << :shift) + :width)"""
_KEPT = """insert into rollup(run_id, key_id, shift, bucket, count, odd, low, high, total, last_step, last_ms, last) values {rows}
on conflict(run_id, key_id, shift, bucket) do update set count = count + excluded.count, odd = odd + excluded.odd,
low = coalesce(min(low, excluded.low), low, excluded.low), high = coalesce(max(high, excluded.high), high, excluded.high),
total = total + excluded.total, last_step = excluded.last_step, last_ms = excluded.last_ms, last = excluded.last"""
_END = """insert into rollup_end(run_id, key_id, shift, step, points) values (?, ?, ?, ?, ?)
on conflict(run_id, key_id) do update set step = excluded.step, points = excluded.points"""


class End(NamedTuple):
    """How far a series is summed up: to ``step``, which are ``points`` points; ``shift`` is the smallest."""

    shift: int
    step: int
    points: int


Door = Callable[[], AbstractContextManager[sqlite3.Connection]]  # a connection, in a transaction


def grow(curve: SqliteCurve, reading: Door, writing: Door, until: float) -> bool:
    """Sum up what is not summed up yet of a series; whether that was done by ``until`` (of time.monotonic)."""
    end, is_whole, after = End(0, 0, 0), False, 0
    while monotonic() < until:
        with reading() as db:
            if curve.end(db) != end:  # at first, and when another program has done a part
                end, is_whole, after = curve.state(db)
            if is_whole and after <= _TAIL:
                return True
            piece = curve.piece(db, end) if is_whole else None
            touched = [] if is_whole else curve.behind(db)
        with writing() as db:
            if curve.end(db) != end:
                continue
            if piece is not None:
                sums, step, points = piece
                keep(db, curve, end.shift, sums)
                end, after = End(end.shift, step, end.points + points), after - points
                db.execute(_END, (*curve.place, *end))
            else:
                repair(db, curve, end, touched)
                end = End(0, 0, 0)
    return False


def repair(db: sqlite3.Connection, curve: SqliteCurve, end: End, touched: Iterable[int]) -> None:
    """Make those of the widest buckets anew in which points are missing."""
    top = end.shift + 2 * (_LEVELS - 1)
    for bucket in touched:
        low, high = bucket << top, min((bucket + 1 << top) - 1, end.step)
        for shift in range(end.shift, top + 1, 2):
            text = "delete from rollup where run_id = ? and key_id = ? and shift = ? and bucket between ? and ?"
            db.execute(text, (*curve.place, shift, low >> shift, high >> shift))
        keep(db, curve, end.shift, curve.of_points(db, low, high, end.shift, with_ends=True))
    text = "select coalesce(sum(count + odd), 0) from rollup where run_id = ? and key_id = ? and shift = ?"
    (points,) = db.execute(text, (*curve.place, top)).fetchone()
    db.execute(_END, (*curve.place, end.shift, end.step, points))


def keep(db: sqlite3.Connection, curve: SqliteCurve, smallest: int, sums: Sums) -> None:
    """Add sums to the rows of all shifts."""
    rows = Rows(db, _KEPT, 12)
    for shift in range(smallest, smallest + 2 * _LEVELS, 2):
        sums = together(sums, shift)
        columns = ((sums.step >> shift).tolist(), *(part.tolist() for part in (sums.count, sums.odd, sums.low, sums.high, sums.total)))
        last = (sums.step.tolist(), (sums.time * 1000).round().tolist(), sums.value.tolist())
        for bucket, count, odd, low, high, total, step, ms, value in zip(*columns, *last, strict=True):
            rows.add((*curve.place, shift, bucket, int(count), int(odd), low, high, total, step, int(ms), value))
    rows.finish()


class SqliteCurve:
    """One series of the SQLite store (``grid.Source``)."""

    def __init__(self, db: sqlite3.Connection, place: Place, *, may_keep: bool, with_ends: bool) -> None:
        run, key, ends = place
        self._db, self._may_keep = db, may_keep
        self._with_ends = with_ends
        number, self.run_id, self.started = run
        key_id, self.key = key
        self.place = number, key_id
        self.first, self.last, self.total = ends
        self.is_behind = False  # whether sums were asked for that are not made yet

    def few(self, low: int, high: int, most: int) -> bool:
        """See Source."""
        if self.total <= most:
            return True
        text = f"select count(*) from (select 1 {FROM_POINTS} limit :most)"
        return bool(self._db.execute(text, {**self._range(low, high), "most": most + 1}).fetchone()[0] <= most)

    def read(self, low: int, high: int, shift: int) -> int:
        """See Source."""
        if self.total < LONG or not self._may_keep or shift >= self.end(self._db).shift:
            return 0
        return round(self.total * max(0, high - low + 1) / (self.last - self.first + 1))

    def before(self, step: int) -> int:
        """See Source."""
        text = f"select step {FROM_POINTS} order by step desc limit 1"
        found = self._db.execute(text, self._range(self.first, max(step, self.first))).fetchone()
        return self.first if found is None else int(found[0])

    def sums(self, low: int, high: int, shift: int) -> Sums:
        """See Source."""
        if shift:
            low, high = low >> shift << shift, ((high >> shift) + 1 << shift) - 1
        low, high = max(low, self.first), min(high, self.last)
        if not shift or self.total < LONG or not self._may_keep or shift < self.end(self._db).shift:
            return self.of_points(self._db, low, high, shift, with_ends=self._with_ends)
        end, is_whole, after = self.state(self._db, 2 * _TAIL + 1)
        if not is_whole or after > 2 * _TAIL:
            if self.few(low, high, LONG):
                return self.of_points(self._db, low, high, shift, with_ends=self._with_ends)
            self.is_behind = True
            raise NotReady
        kept = self._of_rollups(low, high, shift, end)
        rest = self.of_points(self._db, max(low, end.step + 1), high, shift, with_ends=self._with_ends) if high > end.step else None
        return kept if rest is None else together(joined([kept, rest]), shift)

    def _of_rollups(self, low: int, high: int, shift: int, end: End) -> Sums:
        level = min(shift, end.shift + 2 * (_LEVELS - 1))
        text = """select last_step, last_ms, last, count, total, low, high, odd from rollup
            where run_id = ? and key_id = ? and shift = ? and bucket between ? and ?"""
        found = self._db.execute(text, (*self.place, level, low >> level, high >> level)).fetchall()
        return together(_sums(found), shift)

    def of_points(self, db: sqlite3.Connection, low: int, high: int, shift: int, *, with_ends: bool) -> Sums:
        """The sums as the points themselves say; ``with_ends``: and the time and value of the last point of each bucket."""
        return self._in_sql(db, low, high, shift, with_ends) if shift else self._in_arrays(db, low, high, shift)

    def _in_sql(self, db: sqlite3.Connection, low: int, high: int, shift: int, with_ends: bool) -> Sums:
        """SQLite adds up; buckets with an infinite value, which it takes for a number, are added up anew.

        It cannot know that ``step >> shift`` ascends as step does, and sorts. Where a bucket holds eight points or more, going from bucket to
        bucket and counting them costs less than sorting does (half as much at 64 points).
        """
        last = "where p.run_id = :run and p.key_id = :key and p.step = g.last order by p.seq desc limit 1"
        ends = f"(select time_ms from metric_point p {last}), (select value from metric_point p {last})" if with_ends else "null, null"
        first, buckets = low >> shift, (high >> shift) - (low >> shift) + 1
        asked, grouped = {**self._range(low, high), "shift": shift}, f"{FROM_POINTS} group by step >> :shift"
        if shift < 62 and buckets <= _COUNT**2 and self.total * (high - low + 1) >= 8 * buckets * (self.last - self.first + 1):
            _count(db)
            asked, grouped = {**asked, "first": first, "buckets": buckets, "width": (1 << shift) - 1}, f"{_COUNTED} group by a.i, b.i"
        text = f"""select last, {ends}, finite, total, low, high, total_count - finite from
            (select max(step) as last, count(*) as total_count, count(value) as finite, total(value) as total, min(value) as low,
            max(value) as high {grouped}) g"""
        sums = _sums(db.execute(text, asked).fetchall())
        for at in _infinite(sums):
            bucket = int(sums.step[at]) >> shift
            one = self._in_arrays(db, max(low, bucket << shift), min(high, (bucket + 1 << shift) - 1), shift)
            for name in Sums.__slots__:
                getattr(sums, name)[at] = getattr(one, name)[0]
        return sums

    def _in_arrays(self, db: sqlite3.Connection, low: int, high: int, shift: int) -> Sums:
        steps, ms, values = arrays(db.execute(f"select step, time_ms, value {FROM_POINTS} order by step, seq", self._range(low, high)))
        return summed(steps, ms / 1000, values, shift)

    def end(self, db: sqlite3.Connection) -> End:
        """How far it is summed up."""
        found = db.execute("select shift, step, points from rollup_end where run_id = ? and key_id = ?", self.place).fetchone()
        return End(self._smallest(), self.first - 1 if self.first > -(2**63) else self.first, 0) if found is None else End(*found)

    def _smallest(self) -> int:
        """The shift whose buckets hold at least four points or so, and 64 steps."""
        apart = max(1, (self.last - self.first) // max(1, self.total - 1))
        shift = 6
        while 1 << shift < 4 * apart:
            shift += 2
        return shift

    def state(self, db: sqlite3.Connection, most: int = 2**62) -> tuple[End, bool, int]:
        """How far it is summed up, whether all points up to there are, and how many come after; counted up to ``most``."""
        end = self.end(db)
        number, key_id = self.place
        (total,) = db.execute("select count from metric_summary where key_id = ? and run_id = ?", (key_id, number)).fetchone()
        if not end.points:
            return end, True, int(total)
        text = f"select count(*) from (select 1 {FROM_POINTS} limit :most)"
        after = int(db.execute(text, {**self._range(end.step + 1, 2**63 - 1), "most": most}).fetchone()[0])
        return end, end.points + after == total, after

    def behind(self, db: sqlite3.Connection) -> list[int]:
        """The widest buckets whose points are not those that were summed up."""
        end = self.end(db)
        top = end.shift + 2 * (_LEVELS - 1)
        asked = {**self._range(-(2**63), end.step), "top": top}
        there = dict(db.execute(f"select step >> :top, count(*) {FROM_POINTS} group by 1", asked).fetchall())
        text = "select bucket, count + odd from rollup where run_id = :run and key_id = :key and shift = :top"
        kept = dict(db.execute(text, {"run": self.place[0], "key": self.place[1], "top": top}).fetchall())
        return [bucket for bucket in sorted({*there, *kept}) if there.get(bucket, 0) != kept.get(bucket, 0)]

    def piece(self, db: sqlite3.Connection, end: End) -> tuple[Sums, int, int]:
        """The sums of the next points after the end, the step of the last of them, and how many they are."""
        asked = self._range(end.step + 1, 2**63 - 1)
        cut = db.execute(f"select step {FROM_POINTS} order by step limit 1 offset {_PIECE}", asked).fetchone()
        (last,) = cut or db.execute(f"select max(step) {FROM_POINTS}", asked).fetchone()
        sums = self.of_points(db, end.step + 1, last, end.shift, with_ends=True)
        return sums, int(sums.step[-1]), int(sums.count.sum() + sums.odd.sum())

    def _range(self, low: int, high: int) -> dict[str, int]:
        return {"run": self.place[0], "key": self.place[1], "low": low, "high": high}


def _count(db: sqlite3.Connection) -> None:
    """Make the table that counts, which is the connection's own."""
    if db.execute("select 1 from temp.sqlite_master where name = 'place'").fetchone():
        return
    (is_reader,) = db.execute("pragma query_only").fetchone()  # which says no to temporary tables too
    db.execute("pragma query_only = off")
    try:
        db.execute("create temp table place(i integer primary key)")
        db.execute(f"insert into temp.place(i) values {', '.join(f'({i})' for i in range(_COUNT))}")
    finally:
        db.execute(f"pragma query_only = {is_reader}")


def _infinite(sums: Sums) -> list[int]:
    """Where a bucket holds an infinite value, or a sum that is none."""
    import numpy as np  # reading only

    return np.flatnonzero(np.isinf(sums.low) | np.isinf(sums.high) | ~np.isfinite(sums.total)).tolist()


def _sums(rows: list[tuple[Any, ...]]) -> Sums:
    import numpy as np  # reading only

    if not rows:
        none: np.ndarray[Any, Any] = np.empty(0)
        return Sums(none.astype(np.int64), *([none] * 7))
    step, ms, value, count, total, low, high, odd = zip(*rows, strict=True)
    numbers = (np.array(part, np.float64) for part in (ms, value, count, total, low, high, odd))
    time, *rest = numbers
    return Sums(np.array(step, np.int64), time / 1000, *rest)
