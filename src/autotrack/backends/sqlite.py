"""The default store: one SQLite file in WAL mode, a transaction a batch, and rows that plain SQL reads (``docs/store.md``).

Made lazily, at the first use; may be shared by threads; a forked child makes its own connections.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, time
from typing import Any

from autotrack.backends import deadline, grid, rollups, sqlite_read, sqlite_table
from autotrack.backends.accept import accept, clean
from autotrack.backends.connections import LOCK_S, TRY_MS, Connections, transaction
from autotrack.backends.groups import Group, groups_of
from autotrack.backends.protocol import DEFAULT_FIELDS, FIELDS, Axis, Buckets, Cursor, Keys, SavedView, Table, Tail
from autotrack.backends.sqlite_write import Known, write_batch
from autotrack.errors import BackendUnavailable, RecordRejected, RunNotFound
from autotrack.query import ALL, Field, Query
from autotrack.records import Batch, RunEnded
from autotrack.views import RunView, Series

_ANALYZED = (1_000, 10_000, 100_000)  # with so many runs the query planner looks at the tables again: 1 ms
_SYNC_S = 10.0  # from one commit that waits for the disk to the next
_PURGE = 5_000  # points a transaction, so that writers wait for milliseconds; and so the others
_PURGE_RUNS = 100
_SHRINK = 2_000  # pages


class SqliteBackend:
    """See ``autotrack.backends.protocol.Backend``."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._connections = Connections(self.path)
        self._inherited: list[Connections] = []  # a parent's: kept, never used
        self._known = Known()
        self._names = sqlite_read.Names()
        self._synced = monotonic()

    # The writing stair.

    def write(self, batch: Batch) -> None:
        accepted = Batch(batch.writer, batch.first, tuple(map(accept, batch.records)))
        with _rejecting(batch):
            groups = groups_of(accepted.records)
        with self._ours().writing() as db:
            try:
                new = self._write_once(db, accepted, groups)
            except sqlite3.IntegrityError:
                new = self._write_once(db, accepted, groups)  # another writer took a step of a series that we thought we knew: now it is looked up
            if any(min(new, default=0) <= count <= max(new, default=0) for count in _ANALYZED):
                with contextlib.suppress(sqlite3.OperationalError), transaction(db):  # the next who passes a mark does it
                    db.execute("pragma analysis_limit = 1000")
                    db.execute("analyze")
        self._reach_the_disk(accepted)

    def _write_once(self, db: sqlite3.Connection, batch: Batch, groups: list[Group]) -> list[int]:
        is_written = False
        try:
            with _rejecting(batch), transaction(db):
                new = write_batch(db, batch, groups, self._known, _now_ms())
            is_written = True
            return new
        finally:
            if not is_written:
                self._known.clear()

    def _reach_the_disk(self, batch: Batch) -> None:
        """Wait for the disk when a run has ended, and every ten seconds; the rest is left to the system, and a power cut may undo it."""
        now = monotonic()
        if now - self._synced >= _SYNC_S or any(type(record) is RunEnded for record in batch.records):
            self._ours().sync()
            self._synced = now

    def delete(self, run_ids: Collection[str], *, undo: bool = False) -> int:
        text = """update run set deleted_ms = ?, change = (select value from meta where name = 'change')
            where uid in (select value from json_each(?)) and (deleted_ms is null) = ?"""
        with self._ours().writing() as db, transaction(db):
            db.execute("update meta set value = value + 1 where name = 'change'")
            return db.execute(text, (None if undo else _now_ms(), json.dumps(list(run_ids)), not undo)).rowcount

    def purge(self, older_than_s: float) -> int:
        """See Backend.purge. First the runs go, then their points, all in pieces; what a death leaves, the next purge removes."""
        before, count = _now_ms() - round(older_than_s * 1000), 0
        while gone := self._purge_runs(before):
            count += gone
        while self._purge_points():
            pass
        self._shrink()
        return count

    def _purge_runs(self, before: int) -> int:
        """Remove some runs; return how many."""
        with self._ours().writing() as db, transaction(db):
            found = db.execute("select id from run where deleted_ms <= ? limit ?", (before, _PURGE_RUNS)).fetchall()
            asked = (json.dumps([number for (number,) in found]),)
            db.execute("insert into purged(uid, run_id, has_points) select uid, id, 1 from run where id in (select value from json_each(?))", asked)
            for derived in ("metric_summary", "rollup", "rollup_end"):
                db.execute(f"delete from {derived} where run_id in (select value from json_each(?))", asked)
            db.execute("delete from run where id in (select value from json_each(?))", asked)  # and, by cascade, what refers to it
            if not found:
                db.execute("delete from environment where id not in (select environment_id from run where environment_id is not null)")
                gone = "run_id in (select run_id from rollup_end where run_id not in (select id from run))"
                db.execute(f"delete from rollup where {gone}")  # of runs that a program removed that knew nothing of sums
                db.execute(f"delete from rollup_end where {gone}")
        return len(found)

    def _purge_points(self) -> bool:
        """Remove some points of one purged run; whether there may be more."""
        points = "select run_id, key_id, step, seq from metric_point where run_id = ? limit ?"
        with self._ours().writing() as db, transaction(db):
            run = db.execute("select run_id from purged where has_points limit 1").fetchone()
            if run is None:
                return False
            gone = db.execute(f"delete from metric_point where (run_id, key_id, step, seq) in ({points})", (*run, _PURGE)).rowcount
            if gone < _PURGE:
                db.execute("update purged set has_points = 0 where run_id = ?", run)
        return True

    def _shrink(self) -> None:
        """Give freed pages back to the file system."""
        left = -1
        while left != 0:
            with self._ours().writing() as db:
                # by ``execute`` it frees one page; a transaction of ours it ends
                db.executescript(f"pragma busy_timeout = {LOCK_S * 1000:.0f}; pragma incremental_vacuum({_SHRINK}); pragma busy_timeout = {TRY_MS}")
                before, left = left, db.execute("pragma freelist_count").fetchone()[0]
            if left == before:  # a store without auto_vacuum keeps them for later
                return

    # The reading stair.

    def run(self, run_id: str) -> RunView:
        with self._ours().reading() as db:
            found = db.execute("select id from run where uid = ?", (run_id,)).fetchone()
            if found is None:
                raise RunNotFound(f"there is no run {run_id!r} in {self.path}")
            return sqlite_read.views(db, found, FIELDS, self._names, _now_ms())[0]

    def runs(self, query: Query = ALL, *, fields: Collection[str] | None = None) -> list[RunView]:
        with self._ours().reading() as db:
            now_ms = _now_ms()
            found = sqlite_read.find(db, query, now_ms)
            return sqlite_read.views(db, found, DEFAULT_FIELDS if fields is None else fields, self._names, now_ms)

    def series(self, run_ids: Sequence[str], keys: Sequence[str], *, points: int | None = None, steps: tuple[int, int] | None = None) -> list[Series]:
        with self._ours().reading() as db:
            return sqlite_read.curves(db, run_ids, keys, points, steps)

    def tail(self, cursor: Cursor | None, *, limit: int = 5_000) -> Tail:
        with self._ours().reading() as db:
            return sqlite_read.tail(db, cursor, limit, self._names, _now_ms())

    def pulse(self) -> int:
        return self._ours().pulse()

    def table(self, query: Query, fields: Sequence[Field] = ()) -> Table:
        with self._ours().reading() as db:
            return sqlite_table.table(db, query, fields, _now_ms())

    def keys(self, query: Query = ALL) -> Keys:
        with self._ours().reading() as db:
            return sqlite_table.keys(db, query, _now_ms())

    def buckets(
        self,
        run_ids: Sequence[str],
        keys: Sequence[str],
        *,
        points: int,
        x: Axis = "step",
        window: tuple[float, float] | None = None,
        lead: float = 0.0,
        patience_s: float = 1.0,
    ) -> list[Buckets]:
        until = monotonic() + deadline.left_s(patience_s)
        connections = self._ours()

        def read() -> tuple[list[Buckets], list[rollups.SqliteCurve]]:
            with connections.reading() as db:

                def curves_of(keys: Sequence[str]) -> list[rollups.SqliteCurve]:
                    places = sqlite_read.places(db, run_ids, keys)
                    return [rollups.SqliteCurve(db, place, may_keep=connections.can_write, with_ends=x != "step") for place in places]

                curves, others = curves_of(keys), curves_of([x[1]]) if isinstance(x, tuple) else []
                made = grid.buckets(curves, {other.run_id: other for other in others}, points, x, window, lead)
                return made, [curve for curve in [*curves, *others] if curve.is_behind]

        made, behind = read()
        if behind and self._grow(behind, until):
            made, _ = read()
        return made

    def _grow(self, curves: Sequence[rollups.SqliteCurve], until: float) -> bool:
        """Sum up series; whether some of them are now."""
        connections, count = self._ours(), 0

        @contextmanager
        def writing() -> Iterator[sqlite3.Connection]:
            with connections.writing() as db, transaction(db):
                yield db

        with contextlib.suppress(BackendUnavailable):  # somebody else writes: the next who asks finds them behind again
            for curve in curves:
                if not rollups.grow(curve, connections.reading, writing, until):
                    break
                count += 1
        return count > 0

    def saved_views(self) -> list[SavedView]:
        with self._ours().reading() as db:
            found = db.execute("select name, query, saved_ms from saved_view order by name")
            return [SavedView(name, query, ms / 1000) for name, query, ms in found]

    def save_view(self, name: str, query: str | None) -> None:
        with self._ours().writing() as db, transaction(db):
            if query is None:
                db.execute("delete from saved_view where name = ?", (name,))
            else:
                db.execute("insert or replace into saved_view(name, query, saved_ms) values (?, ?, ?)", (clean(name), clean(query), _now_ms()))

    def digests(self) -> set[str]:
        with self._ours().reading() as db:
            return {digest for (digest,) in db.execute("select distinct digest from artifact")}

    def close(self) -> None:
        self._connections.close()

    def _ours(self) -> Connections:
        """The connections of this process; a forked child's are new ones to the same file."""
        connections = self._connections
        if connections.pid != os.getpid():
            self._inherited.append(connections)
            self._known, self._names = Known(), sqlite_read.Names()
            self._connections = connections = Connections(self.path, connections.identity)
        return connections

    def __repr__(self) -> str:
        return f"SqliteBackend({str(self.path)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return SqliteBackend, (self.path,)


def _now_ms() -> int:
    return round(time() * 1000)


@contextmanager
def _rejecting(batch: Batch) -> Iterator[None]:
    """What comes of values that no rule foresaw is the batch's fault."""
    try:
        yield
    except (TypeError, ValueError, OverflowError) as error:
        raise RecordRejected(f"the batch of writer {batch.writer!r} cannot be stored: {error}") from error
