"""A batch becomes rows of the SQLite store, within a transaction that the caller opened.

Few statements a batch, never one step a row: ``sqlite3`` gives up the GIL at every step, and beside a training loop in pure Python each
can then wait for the switch interval (5 ms). So rows go by multi-row statements of a few sizes, and are looked up as one JSON value.
A large statement is worth its making (2,048 rows: 10 ms and megabytes, once a connection) only where many rows come at once.
"""

from __future__ import annotations

import functools
import hashlib
import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from autotrack.backends import migrations
from autotrack.backends.accept import to_ms
from autotrack.backends.groups import Group, groups_of
from autotrack.backends.sql import RECENT, Typed, encoded
from autotrack.errors import SchemaTooNew
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

_SIZES = (2048, 128, 32, 8, 4, 2, 1)  # rows of a statement
_MANY = 8192  # rows from which on the largest is used
_VARIABLES = 32_766  # SQLite's limit
_KNOWN = 200_000

POINTS = "insert into metric_point(run_id, key_id, step, seq, time_ms, value) values {rows}"
SUMMARIES = f"""insert into metric_summary
(key_id, run_id, count, nonfinite, first_step, first, last_step, last, min, max, sum, last_ms, change, recent)
values {{rows}} on conflict(key_id, run_id) do update set
count = count + excluded.count, nonfinite = nonfinite + excluded.nonfinite,
first = case when excluded.first_step < first_step then excluded.first else first end, first_step = min(first_step, excluded.first_step),
last = case when excluded.last_step >= last_step then excluded.last else last end, last_step = max(last_step, excluded.last_step),
last_ms = case when excluded.last_step >= last_step then excluded.last_ms else last_ms end,
min = coalesce(min(min, excluded.min), min, excluded.min), max = coalesce(max(max, excluded.max), max, excluded.max), sum = sum + excluded.sum,
change = excluded.change,
recent = excluded.recent || case when excluded.first_step < last_step then '!' else '' end || ' ' || substr(recent, 1, {RECENT})"""
PARAMS = """insert into param(key_id, run_id, type, num, txt) values {rows}
on conflict(key_id, run_id) do update set type = excluded.type, num = excluded.num, txt = excluded.txt"""
PARAM_CHANGES = "insert into param_change(run_id, key_id, type, num, txt, time_ms) values {rows}"
SUMMARY_VALUES = """insert into summary(key_id, run_id, type, num, txt) values {rows}
on conflict(key_id, run_id) do update set type = excluded.type, num = excluded.num, txt = excluded.txt"""
TAGS = "insert into tag(key_id, run_id, value) values {rows} on conflict(key_id, run_id) do update set value = excluded.value"
ARTIFACTS = "insert into artifact(run_id, name, kind, digest, size, time_ms, step, meta) values {rows}"
# So many points of one series, each the first of its step; the series is named once: less to bind.
_STRETCH = 128
STRETCHES = f"""insert into metric_point(run_id, key_id, step, seq, time_ms, value)
select ?, ?, column1, 0, column2, column3 from (values {",".join(["(?, ?, ?)"] * _STRETCH)})"""
KEYS = "insert into key(kind, name) values {rows} on conflict do nothing"


@dataclass(slots=True)
class Known:
    """What one connection has learned; nothing here is needed, and all is dropped when a transaction fails."""

    keys: dict[tuple[str, str], int] = field(default_factory=dict)
    experiments: dict[str, int] = field(default_factory=dict)
    last_steps: dict[tuple[int, int], int] = field(default_factory=dict)  # of (run, key); another writer may have gone further

    def clear(self) -> None:
        self.keys.clear()
        self.experiments.clear()
        self.last_steps.clear()


@dataclass(slots=True)
class _Run:
    """A run's row, in its order; what is changed here is written back whole."""

    uid: str
    id: int | None = None
    experiment: str = ""
    name: str = ""
    status: str = "running"
    error: str | None = None
    started_ms: int = 0
    opened_ms: int = 0  # when it was last started or resumed
    ended_ms: int | None = None
    parent_uid: str | None = None
    kind: str = ""
    session: str = ""
    call_site: str = ""
    host: str = ""
    pid: int = 0
    user_name: str = ""
    writer: str | None = None  # the last that started or resumed it; None of a stub
    seen_ms: int = 0
    dropped: int = 0
    environment_id: int | None = None
    change: int = 0
    notes: str = ""
    traceback: str | None = None
    stem: str = ""  # what is to be named with a number
    environment: dict[str, Any] = field(default_factory=dict)  # what is to be merged
    is_dirty: bool = False


_READ = [name for name in _Run.__slots__ if name not in ("experiment", "stem", "environment", "is_dirty")]
_WRITTEN = [*(name for name in _READ if name != "id"), "experiment_id"]
RUNS = f"""insert into run({", ".join(_WRITTEN)}) values {{rows}}
on conflict(uid) do update set {", ".join(f"{name} = excluded.{name}" for name in _WRITTEN if name != "uid")}"""
# All runs asked for as one JSON value: one step.
_RUNS = f"""select json_group_array(json_object({", ".join(f"'{name}', r.{name}" for name in _READ)}, 'experiment', e.name))
from run r join experiment e on e.id = r.experiment_id where r.uid in (select value from json_each(?))"""


@functools.cache
def _statement(text: str, width: int, rows: int) -> str:
    return text.replace("{rows}", ",".join([f"({','.join('?' * width)})"] * rows))


class Rows:
    """Collects rows of one table and writes them by a few statements."""

    def __init__(self, db: sqlite3.Connection, text: str, width: int) -> None:
        self._db, self._text, self._width = db, text, width
        self._values: list[Any] = []
        self._sizes = [size for size in _SIZES if size * width <= _VARIABLES]

    def add(self, values: Iterable[Any]) -> None:
        """Add rows, flat."""
        self._values.extend(values)
        if len(self._values) >= _MANY * self._width:
            self._write(self._sizes[:1])

    def finish(self) -> None:
        """Write what is left."""
        self._write(self._sizes[1:])

    def _write(self, sizes: Sequence[int]) -> None:
        values, width, start = self._values, self._width, 0
        for size in sizes:
            while len(values) - start >= size * width:
                self._db.execute(_statement(self._text, width, size), values[start : start + size * width])
                start += size * width
        del values[:start]


def write_batch(db: sqlite3.Connection, batch: Batch, groups: Sequence[Group], known: Known, now_ms: int) -> list[int]:
    """Write what the store lacks of a batch of accepted records, whose points are ``groups``; return the ids of the runs that are new."""
    asked = "select (select last_record from writers where id = ?), (select value from meta where name = 'min_writer')"
    last, oldest = db.execute(asked, (batch.writer,)).fetchone()
    if oldest > migrations.VERSION:
        raise SchemaTooNew("the store was upgraded by a newer autotrack meanwhile, and this one may not write it any more: upgrade it")
    records: Sequence[AnyRecord] = batch.records
    if last is not None and last >= batch.first:
        records = batch.after(last)
        groups = groups_of(records)
    new: list[int] = []
    if records:
        change = db.execute("update meta set value = value + 1 where name = 'change' returning value").fetchall()[0][0]
        new = _Writing(db, batch.writer, known, now_ms, change).write(records, groups)
    db.execute(
        """insert into writers(id, last_record, seen_ms) values (?, ?, ?)
        on conflict(id) do update set last_record = max(last_record, excluded.last_record), seen_ms = max(seen_ms, excluded.seen_ms)""",
        (batch.writer, batch.last, now_ms),
    )
    return new


class _Writing:
    """The records of one batch on their way into rows."""

    def __init__(self, db: sqlite3.Connection, writer: str, known: Known, now_ms: int, change: int) -> None:
        self._db, self._writer, self._known, self._now_ms, self._change = db, writer, known, now_ms, change
        self._runs: dict[str, _Run] = {}
        self._params: dict[tuple[str, str], list[tuple[Typed, int]]] = {}
        self._summary: dict[tuple[str, str], Typed] = {}
        self._tags: dict[tuple[str, str], str | None] = {}
        self._artifacts: list[ArtifactStored] = []
        self._writer_ended: WriterEnded | None = None

    def write(self, records: Sequence[AnyRecord], groups: Sequence[Group]) -> list[int]:
        purged = self._fetch({record.run_id for record in records})
        for record in records:
            if isinstance(record, WriterEnded):
                self._writer_ended = self._writer_ended or record  # its last word, wherever it stands
            elif record.run_id not in purged:
                self._take(record)
        new = self._write_runs()
        self._intern(chain((("param", key) for _, key in self._params), (("tag", key) for _, key in self._tags)))
        self._intern(("metric", key) for _, key in self._summary)
        self._write_params()
        self._write_tags()
        self._write_summary()
        self._write_artifacts()
        self._write_metrics([group for group in groups if group.uid not in purged], {run.uid for run in new})
        if self._writer_ended is not None:
            self._end_writer(self._writer_ended)
        return [run.id for run in new if run.id is not None]

    # The records, one by one.

    def _take(self, record: AnyRecord) -> None:
        run = self._runs.get(record.run_id)
        if run is None:
            run = self._runs[record.run_id] = _Run(record.run_id, started_ms=to_ms(record.time), seen_ms=self._now_ms)
            run.change, run.is_dirty = self._change, True
        self._revive(run, record)
        if isinstance(record, MetricsLogged):
            return
        run.change, run.is_dirty = self._change, True
        match record:
            case RunStarted():
                self._start(run, record)
            case ParamsSet():
                at = to_ms(record.time)
                for key, value in record.values.items():
                    self._params.setdefault((run.uid, key), []).append((encoded(value), at))
            case SummarySet():
                for key, value in record.values.items():
                    self._summary[run.uid, key] = encoded(value)
            case TagsSet():
                for key, tag in record.values.items():
                    self._tags[run.uid, key] = tag
            case ArtifactStored():
                self._artifacts.append(record)
            case RunNoted():
                _note(run, record)
            case RunEnded():
                self._end(run, record)

    def _revive(self, run: _Run, record: AnyRecord) -> None:
        """A run that tells something lives. (Someone else may label a lost run, and finish its uploads.)"""
        is_own = run.writer == self._writer
        if not is_own and isinstance(record, (TagsSet, RunNoted, ArtifactStored)):
            return
        if run.status == "lost":
            run.status, run.error, run.ended_ms = "running", None, None
            run.change, run.is_dirty = self._change, True
        if run.status == "running" and not is_own:
            run.seen_ms, run.is_dirty = self._now_ms, True

    def _start(self, run: _Run, record: RunStarted) -> None:
        at = to_ms(record.time)
        if run.writer is None or not record.resumed:
            run.started_ms, run.experiment, run.kind, run.session = at, record.experiment or run.experiment, record.kind, record.session
            run.call_site, run.user_name, run.parent_uid = record.call_site, record.user, record.parent_id
        if run.writer is not None:
            run.status, run.error, run.ended_ms = "running", None, None
        run.name, run.stem = record.name or run.name, record.stem or run.stem
        run.host, run.pid, run.writer, run.opened_ms = record.host, record.pid, self._writer, at

    def _end(self, run: _Run, record: RunEnded) -> None:
        """An end that an earlier starter told late does not end a run that was resumed since."""
        at = to_ms(record.time)
        if run.writer in (None, self._writer) or at >= run.opened_ms:
            run.status, run.error, run.ended_ms = record.status, record.error, at

    def _end_writer(self, record: WriterEnded) -> None:
        self._db.execute(
            "update run set status = ?, error = coalesce(?, error), ended_ms = ?, change = ? where writer = ? and status = 'running'",
            (record.status, record.error, to_ms(record.time), self._change, self._writer),
        )

    # Runs.

    def _fetch(self, uids: set[str]) -> set[str]:
        """Read the rows of the runs that are there; return those that were purged."""
        asked = json.dumps(sorted(uids - {""}))
        for row in _as_one(self._db, _RUNS, asked):
            self._runs[row["uid"]] = _Run(**row)
        missing = json.dumps(sorted(uids - self._runs.keys() - {""}))
        return set(_as_one(self._db, "select json_group_array(uid) from purged where uid in (select value from json_each(?))", missing))

    def _write_runs(self) -> list[_Run]:
        dirty = [run for run in self._runs.values() if run.is_dirty]
        if not dirty:
            return []
        self._find_experiments({run.experiment for run in dirty})
        self._name_runs(dirty)
        self._write_environments(dirty)
        rows = Rows(self._db, RUNS, len(_WRITTEN))
        for run in dirty:
            rows.add(getattr(run, name) if name != "experiment_id" else self._known.experiments[run.experiment] for name in _WRITTEN)
        rows.finish()
        new = [run for run in dirty if run.id is None]
        if new:
            asked = "select json_group_array(json_array(uid, id)) from run where uid in (select value from json_each(?))"
            for uid, number in _as_one(self._db, asked, json.dumps([run.uid for run in new])):
                self._runs[uid].id = number
        return new

    def _find_experiments(self, names: set[str]) -> None:
        for name in sorted(names - self._known.experiments.keys()):
            self._db.execute("insert into experiment(name) values (?) on conflict do nothing", (name,))
            self._known.experiments[name] = self._db.execute("select id from experiment where name = ?", (name,)).fetchone()[0]

    def _name_runs(self, runs: Iterable[_Run]) -> None:
        """Number the runs that have only a stem, in the order in which they came."""
        counted: dict[tuple[int, str], list[_Run]] = {}
        for run in runs:
            if run.stem and not run.name:
                counted.setdefault((self._known.experiments[run.experiment], run.stem), []).append(run)
        for (experiment, stem), named in counted.items():
            asked = """insert into stem(experiment_id, stem, last) values (?, ?, ?)
                on conflict do update set last = last + excluded.last returning last"""
            last = self._db.execute(asked, (experiment, stem, len(named))).fetchall()[0][0]
            for number, run in enumerate(named, last - len(named) + 1):
                run.name = f"{stem}-{number}"

    def _write_environments(self, runs: Iterable[_Run]) -> None:
        """One row for each different environment: the runs of a process share theirs."""
        found: dict[str, int] = {}
        for run in runs:
            if not run.environment:
                continue
            merged = run.environment
            if run.environment_id is not None:
                (before,) = self._db.execute("select txt from environment where id = ?", (run.environment_id,)).fetchone()
                merged = json.loads(before) | merged
            text = json.dumps(merged, sort_keys=True)
            digest = hashlib.sha256(text.encode()).hexdigest()
            if digest not in found:
                self._db.execute("insert into environment(digest, txt) values (?, ?) on conflict do nothing", (digest, text))
                found[digest] = self._db.execute("select id from environment where digest = ?", (digest,)).fetchone()[0]
            run.environment_id = found[digest]

    # Keys and their values.

    def _intern(self, keys: Iterable[tuple[str, str]]) -> None:
        missing = list(dict.fromkeys(key for key in keys if key not in self._known.keys))  # in the order of their first use
        if not missing:
            return
        rows = Rows(self._db, KEYS, 2)
        rows.add(chain.from_iterable(missing))
        rows.finish()
        asked = """select json_group_array(json_array(k.kind, k.name, k.id)) from json_each(?) j
            join key k on k.kind = json_extract(j.value, '$[0]') and k.name = json_extract(j.value, '$[1]')"""
        for kind, name, number in _as_one(self._db, asked, json.dumps(missing)):
            self._known.keys[kind, name] = number

    def _ids(self, kind: str, uid: str, key: str) -> tuple[int, int]:
        """(key, run) as the tables that are led by the key have it."""
        run_id = self._runs[uid].id
        assert run_id is not None
        return self._known.keys[kind, key], run_id

    def _write_params(self) -> None:
        if not self._params:
            return
        placed = {self._ids("param", uid, key): told for (uid, key), told in self._params.items()}
        asked = """select p.key_id, p.run_id, p.type, p.num, p.txt from json_each(?) j
            join param p on p.key_id = json_extract(j.value, '$[0]') and p.run_id = json_extract(j.value, '$[1]')"""
        before = {row[:2]: row[2:] for row in self._db.execute(asked, (json.dumps(list(placed)),))}
        rows, changes = Rows(self._db, PARAMS, 5), Rows(self._db, PARAM_CHANGES, 6)
        for (key_id, run_id), told in placed.items():
            value: Typed | None = before.get((key_id, run_id))
            for later, at in told:
                if value is not None and value != later:
                    changes.add((run_id, key_id, *value, at))
                value = later
            rows.add((key_id, run_id, *told[-1][0]))
        rows.finish()
        changes.finish()

    def _write_tags(self) -> None:
        rows = Rows(self._db, TAGS, 3)
        taken_off = []
        for (uid, key), value in self._tags.items():
            ids = self._ids("tag", uid, key)
            if value is None:
                taken_off.append(ids)
            else:
                rows.add((*ids, value))
        rows.finish()
        if taken_off:
            asked = "select json_extract(value, '$[0]'), json_extract(value, '$[1]') from json_each(?)"
            self._db.execute(f"delete from tag where (key_id, run_id) in ({asked})", (json.dumps(taken_off),))

    def _write_summary(self) -> None:
        rows = Rows(self._db, SUMMARY_VALUES, 5)
        for (uid, key), value in self._summary.items():
            rows.add((*self._ids("metric", uid, key), *value))
        rows.finish()

    def _write_artifacts(self) -> None:
        rows = Rows(self._db, ARTIFACTS, 8)
        for one in self._artifacts:
            meta = json.dumps(one.meta) if one.meta else None
            rows.add((self._runs[one.run_id].id, one.name, one.kind, one.digest, one.size, to_ms(one.time), one.step, meta))
        rows.finish()

    # Points.

    def _write_metrics(self, groups: Sequence[Group], new: set[str]) -> None:
        self._intern(("metric", key) for group in groups for key in group.keys)
        self._find_last_steps(groups, new)
        points, summaries = Rows(self._db, POINTS, 6), Rows(self._db, SUMMARIES, 14)
        for group in groups:
            for key, column, sums in zip(group.keys, group.columns, group.sums, strict=True):
                key_id, run_id = self._ids("metric", group.uid, key)
                last = self._known.last_steps.get((run_id, key_id))
                self._write_points(points, run_id, key_id, group, column, last)
                summaries.add((key_id, run_id, *sums, self._change, f"{self._change}:{group.steps[0]}"))
                self._known.last_steps[run_id, key_id] = group.steps[-1] if last is None else max(last, group.steps[-1])
        points.finish()
        summaries.finish()
        if len(self._known.last_steps) > _KNOWN:
            self._known.last_steps.clear()

    def _find_last_steps(self, groups: Sequence[Group], new: set[str]) -> None:
        """Where the series end that this connection has not written yet."""
        pairs = [self._ids("metric", group.uid, key) for group in groups if group.uid not in new for key in group.keys]
        unknown = [pair for pair in pairs if pair[::-1] not in self._known.last_steps]
        if not unknown:
            return
        asked = """select json_group_array(json_array(m.run_id, m.key_id, m.last_step)) from json_each(?) j
            join metric_summary m on m.key_id = json_extract(j.value, '$[0]') and m.run_id = json_extract(j.value, '$[1]')"""
        for run_id, key_id, last in _as_one(self._db, asked, json.dumps(unknown)):
            self._known.last_steps[run_id, key_id] = last

    def _write_points(self, rows: Rows, run_id: int, key_id: int, group: Group, column: list[float], last: int | None) -> None:
        """Points beyond the end of what is stored and at rising steps are the first of their step; else it is looked up how many there are."""
        steps, times = group.steps, group.times_ms
        seqs: list[int] | None = None
        if not group.is_rising or (last is not None and steps[0] <= last):
            seqs = self._numbered(run_id, key_id, steps, last)
        whole = self._write_stretches(run_id, key_id, (steps, times, column)) if seqs is None and len(steps) < 2 * _MANY else 0
        for start in range(whole, len(steps), _SIZES[0]):
            part = slice(start, start + _SIZES[0])
            block: list[Any] = [run_id, key_id, 0, 0, 0, 0.0] * len(steps[part])
            block[2::6] = steps[part]
            if seqs is not None:
                block[3::6] = seqs[part]
            block[4::6] = times[part]
            block[5::6] = column[part]  # NaN becomes NULL
            rows.add(block)

    def _write_stretches(self, run_id: int, key_id: int, columns: tuple[Sequence[Any], ...]) -> int:
        """Write points as far as they fill whole statements; return how many."""
        whole = len(columns[0]) // _STRETCH * _STRETCH
        flat: list[Any] = [0] * (3 * whole)
        for n, column in enumerate(columns):
            flat[n::3] = column[:whole]
        for start in range(0, len(flat), 3 * _STRETCH):
            self._db.execute(STRETCHES, [run_id, key_id, *flat[start : start + 3 * _STRETCH]])
        return whole

    def _numbered(self, run_id: int, key_id: int, steps: list[int], last: int | None) -> list[int]:
        """For each point its number among those of its step."""
        count: dict[int, int] = {}
        stored = sorted({step for step in steps if step <= last}) if last is not None else []
        if stored:
            asked = """select step, max(seq) from metric_point where run_id = ? and key_id = ? and step in (select value from json_each(?))
                group by step"""
            count = {step: seq + 1 for step, seq in self._db.execute(asked, (run_id, key_id, json.dumps(stored)))}
        seqs = []
        for step in steps:
            seq = count.get(step, 0)
            seqs.append(seq)
            count[step] = seq + 1
        return seqs


def _as_one(db: sqlite3.Connection, text: str, asked: str) -> list[Any]:
    """The rows that a query gives as one JSON value: one step, however many there are."""
    if asked == "[]":
        return []
    found: list[Any] = json.loads(db.execute(text, (asked,)).fetchone()[0])
    return found


def _note(run: _Run, record: RunNoted) -> None:
    match record.field:
        case "environment":
            run.environment = run.environment | record.value
        case "dropped":
            run.dropped += record.value
        case "stem":
            run.stem = record.value
        case other:  # name, experiment, notes, traceback
            setattr(run, other, record.value)
