"""The reference: the contract of a store in its plainest form. It lives as long as the object; tests use it, and ``uri="memory:"``."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from time import time
from typing import Any, cast

from autotrack.backends import deadline, grid, matching, thinning
from autotrack.backends.accept import accept, clean, to_ms
from autotrack.backends.migrations import LOST_AFTER_S
from autotrack.backends.protocol import DEFAULT_FIELDS, FIELDS, Axis, Buckets, Column, Cursor, Keys, SavedView, Table, Tail
from autotrack.errors import CursorLost, RunNotFound
from autotrack.query import ALL, Condition, Every, Field, Node, Query
from autotrack.records import (
    AnyRecord,
    ArtifactStored,
    Batch,
    MetricsLogged,
    ParamsSet,
    RunEnded,
    RunNoted,
    RunStarted,
    SummarySet,
    TagsSet,
    WriterEnded,
)
from autotrack.values import Status
from autotrack.views import ArtifactView, Frozen, RunView, Series, Stats

_Point = tuple[int, float, float, int]  # step, time, value, change number


@dataclass
class _Run:
    id: str
    started: float
    number: int
    experiment: str = ""
    name: str = ""
    status: Status = "running"
    error: str | None = None
    opened: float = 0.0
    ended: float | None = None
    parent: str | None = None
    kind: str = ""
    session: str = ""
    call_site: str = ""
    host: str = ""
    pid: int = 0
    user: str = ""
    writer: str | None = None
    seen: float = 0.0
    dropped: int = 0
    deleted: float | None = None
    change: int = 0
    notes: str = ""
    traceback: str | None = None
    stem: str = ""
    environment: dict[str, Any] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    params_before: dict[str, list[Any]] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    artifacts: dict[str, ArtifactView] = field(default_factory=dict)
    all_digests: set[str] = field(default_factory=set)
    points: dict[str, list[_Point]] = field(default_factory=dict)  # in the order of writing

    def curve(self, key: str) -> list[_Point]:
        """By step; of one step in the order of writing."""
        return sorted(self.points[key], key=lambda point: point[0])

    def stats(self, key: str) -> Stats:
        curve = self.curve(key)
        finite = [value for _, _, value, _ in curve if math.isfinite(value)]
        low, high, mean = (min(finite), max(finite), sum(finite) / len(finite)) if finite else (None, None, None)
        return Stats(len(curve), curve[-1][2], curve[-1][0], curve[0][2], curve[0][0], low, high, mean, len(curve) - len(finite))


class MemoryBackend:
    """See ``autotrack.backends.protocol.Backend``."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._runs: dict[str, _Run] = {}
        self._purged: set[str] = set()
        self._last_record: dict[str, int] = {}  # by writer
        self._seen: dict[str, float] = {}  # by writer
        self._numbers: dict[tuple[str, str], int] = {}  # by experiment and stem
        self._change = self._number = 0
        self._born = os.urandom(8).hex()
        self._views: dict[str, SavedView] = {}

    # The writing stair.

    def write(self, batch: Batch) -> None:
        accepted = Batch(batch.writer, batch.first, tuple(map(accept, batch.records)))  # nothing can fail after this
        with self._lock:
            last = self._last_record.get(batch.writer)
            self._change += 1
            records = accepted.records if last is None else accepted.after(last)
            touched = [self._take(batch.writer, r) for r in records if not isinstance(r, WriterEnded) and r.run_id not in self._purged]
            for run in touched:
                self._name(run)
            for record in [r for r in records if isinstance(r, WriterEnded)][:1]:  # its last word, wherever it stands
                self._end_writer(batch.writer, record)
            self._last_record[batch.writer] = batch.last if last is None else max(last, batch.last)
            self._seen[batch.writer] = time()

    def _take(self, writer: str, record: AnyRecord) -> _Run:
        run = self._runs.get(record.run_id)
        if run is None:
            self._number += 1
            run = self._runs[record.run_id] = _Run(record.run_id, _kept(record.time), self._number, seen=time(), change=self._change)
        if run.writer == writer or not isinstance(record, (TagsSet, RunNoted, ArtifactStored)):  # those someone else may bring to a lost run
            if run.status == "lost":
                run.status, run.error, run.ended, run.change = "running", None, None, self._change
            if run.writer != writer:
                run.seen = time()
        if not isinstance(record, MetricsLogged):
            run.change = self._change
        match record:
            case RunStarted():
                self._start(run, writer, record)
            case ParamsSet():
                for key, value in record.values.items():
                    if key in run.params and not _same(run.params[key], value):
                        run.params_before.setdefault(key, []).append(run.params[key])
                    run.params[key] = value
            case MetricsLogged():
                for key, column in zip(record.keys, record.columns, strict=True):
                    new = [(s, _kept(t), v, self._change) for s, t, v in zip(record.steps, record.times, column, strict=True)]
                    if new:
                        run.points.setdefault(key, []).extend(new)
            case SummarySet():
                run.summary.update(record.values)
            case TagsSet():
                run.tags = {key: tag for key, tag in (run.tags | record.values).items() if tag is not None}
            case ArtifactStored(_, at, name, digest, size, kind, step, meta):
                run.artifacts.pop(name, None)  # the last version stands where it was stored
                run.artifacts[name] = ArtifactView(run.id, name, kind, digest, size, _kept(at), step, Frozen(meta))
                run.all_digests.add(digest)
            case RunNoted(_, _, "environment", value):
                run.environment = run.environment | value
            case RunNoted(_, _, "dropped", value):
                run.dropped += value
            case RunNoted():
                setattr(run, record.field, record.value)
            case RunEnded():
                if run.writer in (None, writer) or _kept(record.time) >= run.opened:  # else it was resumed since
                    run.status, run.error, run.ended = record.status, record.error, _kept(record.time)
        return run

    def _start(self, run: _Run, writer: str, record: RunStarted) -> None:
        if run.writer is None or not record.resumed:
            run.started, run.experiment, run.kind, run.session = _kept(record.time), record.experiment or run.experiment, record.kind, record.session
            run.call_site, run.user, run.parent = record.call_site, record.user, record.parent_id
        if run.writer is not None:
            run.status, run.error, run.ended = "running", None, None
        run.name, run.stem = record.name or run.name, record.stem or run.stem
        run.host, run.pid, run.writer, run.opened = record.host, record.pid, writer, _kept(record.time)

    def _name(self, run: _Run) -> None:
        if run.stem and not run.name:
            place = run.experiment, run.stem
            self._numbers[place] = number = self._numbers.get(place, 0) + 1
            run.name = f"{run.stem}-{number}"

    def _end_writer(self, writer: str, record: WriterEnded) -> None:
        for run in self._runs.values():
            if run.writer == writer and run.status == "running":
                run.status, run.error, run.ended = record.status, record.error or run.error, _kept(record.time)
                run.change = self._change

    def delete(self, run_ids: Collection[str], *, undo: bool = False) -> int:
        with self._lock:
            self._change += 1
            changed = [run for uid in set(run_ids) if (run := self._runs.get(uid)) and (run.deleted is None) != undo]
            for run in changed:
                run.deleted, run.change = None if undo else _kept(time()), self._change
            return len(changed)

    def purge(self, older_than_s: float) -> int:
        with self._lock:
            before = _kept(time() - older_than_s)
            gone = [uid for uid, run in self._runs.items() if run.deleted is not None and run.deleted <= before]
            for uid in gone:
                del self._runs[uid]
            self._purged.update(gone)
            return len(gone)

    # The reading stair.

    def run(self, run_id: str) -> RunView:
        with self._lock:
            if run_id not in self._runs:
                raise RunNotFound(f"there is no run {run_id!r} in this memory")
            return self._view(self._runs[run_id], FIELDS)

    def runs(self, query: Query = ALL, *, fields: Collection[str] | None = None) -> list[RunView]:
        with self._lock:
            return [self._view(run, DEFAULT_FIELDS if fields is None else fields) for run in self._found(query)]

    def _found(self, query: Query) -> list[_Run]:
        """The runs that fit, ordered and cut."""
        found = []
        for run in self._runs.values():
            deadline.check()
            if (query.deleted or run.deleted is None) and self._fits(query.where, run):
                found.append(run)
        found.sort(key=lambda run: (run.started, run.id), reverse=True)
        for by in reversed(query.order):
            for place in (1, 0):
                found = _sorted(found, lambda run, field=by.field, place=place: matching.ranks(self._value(run, field))[place], by.descending)  # type: ignore[misc]
        return found[query.offset : None if query.limit is None else query.offset + query.limit]

    def series(self, run_ids: Sequence[str], keys: Sequence[str], *, points: int | None = None, steps: tuple[int, int] | None = None) -> list[Series]:
        if points is not None:
            thinning.buckets(points)
        with self._lock:
            wanted = [(run, key) for uid in run_ids if (run := self._runs.get(uid)) for key in keys if key in run.points]
            curves = [_series(run.id, key, [p for p in run.curve(key) if steps is None or steps[0] <= p[0] <= steps[1]]) for run, key in wanted]
        if points is None:
            return curves
        thinned = [(c, thinning.kept(c.steps, c.values, points)) for c in curves]
        return [Series(c.run_id, c.key, c.steps[at], c.times[at], c.values[at], c.total) for c, at in thinned]

    def tail(self, cursor: Cursor | None, *, limit: int = 5_000) -> Tail:
        with self._lock:
            if cursor is None:
                return Tail(self._cursor(self._change), [], [], [])
            runs, points, stale = [], [], []
            since, until = self._since(cursor), self._change
            changes = sorted(p[3] for run in self._runs.values() for curve in run.points.values() for p in curve if p[3] > since)
            if len(changes) > limit:
                until = changes[limit - 1]  # all of that change, which may be more
            for run in self._runs.values():
                if since < run.change <= until:
                    runs.append(self._view(run, FIELDS))
                for key, curve in run.points.items():
                    before = [p[0] for p in curve if p[3] <= since]
                    new = [p for p in curve if since < p[3] <= until]
                    if new and before and min(new)[0] < max(before):
                        stale.append((run.id, key))
                    elif new:
                        points.append(_series(run.id, key, sorted(new, key=lambda p: p[0])))
            told = [*((curve.run_id, curve.key) for curve in points), *stale]
            statistics = {(uid, key): self._runs[uid].stats(key) for uid, key in told}
            return Tail(self._cursor(until), runs, points, stale, until < self._change, statistics)

    def _cursor(self, change: int) -> str:
        return f"{self._born}.{change}"

    def _since(self, cursor: Cursor) -> int:
        born, _, change = cursor.partition(".")
        if born != self._born or not change.isdecimal() or int(change) > self._change:
            raise CursorLost("this cursor is of another store")
        return int(change)

    def pulse(self) -> int:
        return self._change

    def table(self, query: Query, fields: Sequence[Field] = ()) -> Table:
        with self._lock:
            found = self._found(query)
            columns = []
            for asked in fields:
                deadline.check()
                has = [(run.number, self._value(run, asked)) for run in found if self._has(run, asked)]
                if asked.group == "run" or (asked.group == "metrics" and asked.statistic not in ("last", "first")):
                    has = [(number, value) for number, value in has if value is not None]
                columns.append(Column([number for number, _ in has], [_copied(value) for _, value in has]))
            return Table([run.number for run in found], tuple(columns))

    def _has(self, run: _Run, field: Field) -> bool:
        if field.group == "metrics":
            return field.name in run.points or (field.statistic == "last" and field.name in run.summary)
        return field.group == "run" or field.name in (run.params if field.group == "params" else run.tags)

    def keys(self, query: Query = ALL) -> Keys:
        with self._lock:
            found = self._found(query)
            params = {key for run in found for key in run.params}
            first = found[0].params if found else {}
            return Keys(
                sorted(params),
                sorted({key for run in found for key in (*run.points, *run.summary)}),
                sorted({key for run in found for key in run.tags}),
                sorted(key for key in params if not all(key in run.params and key in first and _same(run.params[key], first[key]) for run in found)),
                sorted({key for run in found for key in run.points}),
            )

    def buckets(
        self,
        run_ids: Sequence[str],
        keys: Sequence[str],
        *,
        points: int,
        x: Axis = "step",
        window: tuple[float, float] | None = None,
        lead: float = 0.0,
        patience_s: float = 1.0,  # noqa: ARG002 - there is nothing to be made first
    ) -> list[Buckets]:
        with self._lock:
            sources: list[grid.Source] = [_Curve(run, key) for uid in run_ids if (run := self._runs.get(uid)) for key in keys if key in run.points]
            others: dict[str, grid.Source] = {}
            if isinstance(x, tuple):
                others = {uid: _Curve(run, x[1]) for uid in run_ids if (run := self._runs.get(uid)) and x[1] in run.points}
            return grid.buckets(sources, others, points, x, window, lead)

    def saved_views(self) -> list[SavedView]:
        with self._lock:
            return [self._views[name] for name in sorted(self._views)]

    def save_view(self, name: str, query: str | None) -> None:
        with self._lock:
            self._change += 1
            self._views.pop(name, None)
            if query is not None:
                self._views[clean(name)] = SavedView(clean(name), clean(query), _kept(time()))

    def digests(self) -> set[str]:
        with self._lock:
            return set().union(*(run.all_digests for run in self._runs.values()))

    def close(self) -> None:
        return

    def _view(self, run: _Run, fields: Collection[str]) -> RunView:
        params = "params" in fields
        statistics = {key: run.stats(key) for key in run.points} if "metrics" in fields else {}
        summary = run.summary if "metrics" in fields else {}
        last = {key: stats.last for key, stats in statistics.items()}
        return RunView(
            id=run.id,
            name=run.name,
            experiment=run.experiment,
            status=self._status(run),
            error=run.error,
            started=run.started,
            ended=self._ended(run),
            parent_id=run.parent,
            params=_frozen(run.params if params else {}),
            metrics=_frozen({key: value for key, value in last.items() if not key.startswith("system/")} | summary),
            tags=_frozen(run.tags if "tags" in fields else {}),
            notes=run.notes if "notes" in fields else "",
            artifacts=tuple(run.artifacts.values()) if "artifacts" in fields else (),
            environment=_frozen(run.environment if "environment" in fields else {}),
            traceback=run.traceback if "traceback" in fields else None,
            kind=run.kind,
            session=run.session,
            call_site=run.call_site,
            host=run.host,
            pid=run.pid,
            user=run.user,
            seen=_kept(self._last_sign(run)),
            deleted=run.deleted,
            dropped=run.dropped,
            system=_frozen({key: value for key, value in last.items() if key.startswith("system/")}),
            params_before=_frozen({key: tuple(before) for key, before in run.params_before.items()} if params else {}),
            statistics=_frozen(statistics),
            number=run.number,
        )

    def _last_sign(self, run: _Run) -> float:
        return max(run.seen, self._seen.get(run.writer or "", 0.0))

    def _is_lost(self, run: _Run) -> bool:
        return run.status == "running" and self._last_sign(run) < time() - LOST_AFTER_S

    def _status(self, run: _Run) -> Status:
        return "lost" if self._is_lost(run) else run.status

    def _ended(self, run: _Run) -> float | None:
        return _kept(self._last_sign(run)) if self._is_lost(run) else run.ended

    # The query, evaluated as it reads.

    def _fits(self, node: Node | None, run: _Run) -> bool:
        if node is None:
            return True
        if isinstance(node, Condition):
            return matching.holds(node, self._value(run, node.field))
        together = all if isinstance(node, Every) else any
        return together(self._fits(part, run) for part in node.parts)

    def _value(self, run: _Run, field: Field) -> Any:
        """What the run has there; None if it lacks it."""
        if field.group == "params":
            return run.params.get(field.name)
        if field.group == "tags":
            return run.tags.get(field.name)
        if field.group == "metrics":
            if field.statistic == "last" and field.name in run.summary:
                return run.summary[field.name]
            return getattr(run.stats(field.name), field.statistic) if field.name in run.points else None
        ended = self._ended(run)
        derived = {"status": self._status(run), "ended": ended, "duration": None if ended is None else max(0.0, ended - run.started)}
        return derived[field.name] if field.name in derived else getattr(run, field.name)


class _Curve:
    """One series, summed up from its points whenever it is asked for (``grid.Source``)."""

    def __init__(self, run: _Run, key: str) -> None:
        import numpy as np  # reading only

        self.run_id, self.key, self.started = run.id, key, run.started
        steps, times, values, _ = zip(*run.curve(key), strict=True)
        self._points = np.array(steps, np.int64), np.array(times, np.float64), np.array(values, np.float64)
        self.first, self.last, self.total = steps[0], steps[-1], len(steps)

    def few(self, low: int, high: int, most: int) -> bool:
        return bool(self._within(low, high).sum() <= most)

    def read(self, low: int, high: int, shift: int) -> int:  # noqa: ARG002 (nothing has to be read)
        return 0

    def before(self, step: int) -> int:
        found = self._points[0][self._points[0] <= step]
        return int(found[-1]) if len(found) else self.first

    def sums(self, low: int, high: int, shift: int) -> grid.Sums:
        deadline.check()
        keep = self._within(low >> shift << shift, ((high >> shift) + 1 << shift) - 1)
        steps, times, values = (column[keep] for column in self._points)
        return grid.summed(steps, times, values, shift)

    def _within(self, low: int, high: int) -> Any:
        return (self._points[0] >= max(low, self.first)) & (self._points[0] <= min(high, self.last))


def _sorted(runs: list[_Run], rank: Callable[[_Run], Any], descending: bool) -> list[_Run]:
    """Stable, and those without a rank last in either direction."""
    ranked = [run for run in runs if rank(run) is not None]
    return sorted(ranked, key=rank, reverse=descending) + [run for run in runs if rank(run) is None]


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and (one == other or (matching.is_nan(one) and matching.is_nan(other)))


def _kept(seconds: float) -> float:
    return to_ms(seconds) / 1000


def _frozen(values: dict[str, Any]) -> Frozen:
    return Frozen(cast(dict[str, Any], _copied(values)))


def _copied(value: Any) -> Any:
    """Containers that nobody else holds."""
    if isinstance(value, dict):
        return {key: _copied(one) for key, one in value.items()}
    return [_copied(one) for one in value] if isinstance(value, list) else value


def _series(run_id: str, key: str, points: list[_Point]) -> Series:
    import numpy as np  # reading only

    steps, times, values = ([p[i] for p in points] for i in (0, 1, 2))
    return Series(run_id, key, np.array(steps, np.int64), np.array(times, np.float64), np.array(values, np.float64), len(points))
