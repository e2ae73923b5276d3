"""Rows of the SQLite store become views and curves. All of it reads one state of the store: the caller opened a transaction."""

from __future__ import annotations

import json
import math
import re
import sqlite3
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from autotrack.backends import thinning
from autotrack.backends.migrations import ENDED, SEEN, STATUS
from autotrack.backends.protocol import FIELDS, Tail
from autotrack.backends.sql import RECENT, Selection, Statistics, decoded, keys_of
from autotrack.errors import CursorLost
from autotrack.query import Query
from autotrack.views import ArtifactView, Frozen, RunView, Series, Stats

if TYPE_CHECKING:
    import numpy as np

SYSTEM = "system/"  # metrics of the process itself are shown apart
_IN_ARRAYS = 50_000  # points up to which a curve is thinned in NumPy; SQLite is quicker beyond
_CHUNK = 65_536

FROM_POINTS = "from metric_point where run_id = :run and key_id = :key and step between :low and :high"

_RUN_COLUMNS = f"""r.id, r.uid, r.name, e.name, {STATUS}, r.error, r.started_ms, {ENDED}, r.parent_uid, r.kind, r.session, r.call_site, r.host, r.pid,
    r.user_name, {SEEN}, r.deleted_ms, r.dropped, r.environment_id"""
_RUN_TABLES = "run r join experiment e on e.id = r.experiment_id left join writers w on w.id = r.writer"
_IN_RUNS = "in (select value from json_each(?))"


def find(db: sqlite3.Connection, query: Query, now_ms: int) -> list[int]:
    """The ids of the rows of the runs that fit."""
    keys: dict[tuple[str, str], int] = {}
    for kind, name in keys_of(query):
        found = db.execute("select id from key where kind = ? and name = ?", (kind, name)).fetchone()
        if found is not None:
            keys[kind, name] = found[0]
    metrics = [number for (kind, _), number in keys.items() if kind == "metric"]
    summaries = frozenset(number for number in metrics if db.execute("select 1 from summary where key_id = ? limit 1", (number,)).fetchone())
    selection = Selection(query, keys, summaries, now_ms)
    return [number for (number,) in db.execute(selection.text, selection.values)]


def views(db: sqlite3.Connection, ids: Sequence[int], fields: Collection[str], names: Names, now_ms: int) -> list[RunView]:
    """The views of runs, in the order of their ids, with the parts that are asked for."""
    asked = json.dumps(ids)
    parts = _Parts(db, asked, fields, names)
    made = {}
    columns = f"{_RUN_COLUMNS}, {'r.notes' if 'notes' in fields else repr('')}, {'r.traceback' if 'traceback' in fields else 'null'}"
    text = f"select {columns} from {_RUN_TABLES} where r.id in (select value from json_each(:ids))".replace("{now}", ":now")
    for row in db.execute(text, {"ids": asked, "now": now_ms}):
        number, uid, name, experiment, status, error, started, ended, parent, kind, session, call_site, host, pid, user = row[:15]
        seen, deleted, dropped, environment_id, notes, traceback = row[15:]
        made[number] = RunView(
            id=uid,
            name=name,
            experiment=experiment,
            status=status,
            error=error,
            started=started / 1000,
            ended=None if ended is None else ended / 1000,
            parent_id=parent,
            params=Frozen(parts.params.get(number, {})),
            metrics=Frozen(parts.metrics.get(number, {})),
            tags=Frozen(parts.tags.get(number, {})),
            notes=notes,
            artifacts=tuple(parts.artifacts(number, uid)),
            environment=Frozen(parts.environment(environment_id)),
            traceback=traceback,
            kind=kind,
            session=session,
            call_site=call_site,
            host=host,
            pid=pid,
            user=user,
            seen=seen / 1000,
            deleted=None if deleted is None else deleted / 1000,
            dropped=dropped,
            system=Frozen(parts.system.get(number, {})),
            params_before=Frozen(parts.params_before.get(number, {})),
            statistics=Statistics(parts.statistics.get(number, {})),
            number=number,
        )
    return [made[number] for number in ids if number in made]


class Names:
    """The names of keys by their ids; keys are never changed nor removed."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}

    def of(self, db: sqlite3.Connection) -> dict[int, str]:
        """All names that this state of the store knows. (A dictionary is replaced, never changed: other threads may be reading it.)"""
        newest = max(self._names, default=0)
        more = db.execute("select id, name from key where id > ?", (newest,)).fetchall()
        if more:
            self._names = {**self._names, **dict(more)}
        return self._names


class _Parts:
    """What runs hold beside their rows, by the run's row id: one query a table."""

    def __init__(self, db: sqlite3.Connection, asked: str, fields: Collection[str], names: Names) -> None:
        self._db, self._asked, self._names = db, asked, names.of(db)
        self._fields = fields
        self.params: dict[int, dict[str, Any]] = {}
        self.params_before: dict[int, dict[str, tuple[Any, ...]]] = {}
        self.metrics: dict[int, dict[str, Any]] = {}
        self.system: dict[int, dict[str, float]] = {}
        self.statistics: dict[int, dict[str, tuple[Any, ...]]] = {}
        self.tags: dict[int, dict[str, str]] = {}
        self._artifacts: dict[int, dict[str, tuple[Any, ...]]] = {}
        self._environments: dict[int, dict[str, Any]] = {}
        readers: dict[str, Callable[[], None]] = {
            "params": self._read_params,
            "metrics": self._read_metrics,
            "tags": self._read_tags,
            "artifacts": self._read_artifacts,
        }
        for field, read in readers.items():
            if field in fields:
                read()

    def _rows(self, text: str) -> Iterable[Any]:
        return self._db.execute(text.format(runs=_IN_RUNS), (self._asked,))

    def _read_params(self) -> None:
        names, params = self._names, self.params
        for run_id, key_id, kind, num, txt in self._rows("select run_id, key_id, type, num, txt from param where run_id {runs}"):
            value = txt if kind == "s" else num if kind == "f" and num is not None else decoded(kind, num, txt)
            try:
                params[run_id][names[key_id]] = value
            except KeyError:
                params[run_id] = {names[key_id]: value}
        for run_id, key_id, *value in self._rows("select run_id, key_id, type, num, txt from param_change where run_id {runs} order by id"):
            before = self.params_before.setdefault(run_id, {})
            before[names[key_id]] = (*before.get(names[key_id], ()), decoded(*value))

    def _read_metrics(self) -> None:
        names = self._names
        columns = f"run_id, key_id, {_AMOUNTS}"
        of_system = {key_id for key_id, name in names.items() if name.startswith(SYSTEM)}
        for row in self._rows(f"select {columns} from metric_summary where run_id {{runs}}"):
            run_id, key_id, last = row[0], row[1], row[3]
            if run_id not in self.statistics:
                self.statistics[run_id], self.metrics[run_id], self.system[run_id] = {}, {}, {}
            name = names[key_id]
            self.statistics[run_id][name] = row[2:]
            (self.system if key_id in of_system else self.metrics)[run_id][name] = math.nan if last is None else last
        for run_id, key_id, *value in self._rows("select run_id, key_id, type, num, txt from summary where run_id {runs}"):
            self.metrics.setdefault(run_id, {})[names[key_id]] = decoded(*value)

    def _read_tags(self) -> None:
        for run_id, key_id, value in self._rows("select run_id, key_id, value from tag where run_id {runs}"):
            self.tags.setdefault(run_id, {})[self._names[key_id]] = value

    def _read_artifacts(self) -> None:
        columns = "run_id, name, kind, digest, size, time_ms, step, meta"
        for run_id, name, *rest in self._rows(f"select {columns} from artifact where run_id {{runs}} order by id"):
            named = self._artifacts.setdefault(run_id, {})
            named.pop(name, None)  # the last version stands where it was stored
            named[name] = tuple(rest)

    def artifacts(self, number: int, uid: str) -> Iterable[ArtifactView]:
        for name, (kind, digest, size, time_ms, step, meta) in self._artifacts.get(number, {}).items():
            yield ArtifactView(uid, name, kind, digest, size, time_ms / 1000, step, Frozen(json.loads(meta) if meta else {}))

    def environment(self, number: int | None) -> dict[str, Any]:
        """Shared by the runs of a process, and read once."""
        if number is None or "environment" not in self._fields:
            return {}
        if number not in self._environments:
            (text,) = self._db.execute("select txt from environment where id = ?", (number,)).fetchone()
            self._environments[number] = json.loads(text)
        return self._environments[number]


def curves(db: sqlite3.Connection, run_ids: Sequence[str], keys: Sequence[str], points: int | None, steps: tuple[int, int] | None) -> list[Series]:
    """See Backend.series."""
    if points is not None:
        thinning.buckets(points)
    return [_Curve(db, place, steps).read(points) for place in places(db, run_ids, keys)]


# Of a series: its run's number, id and start; its key's id and name; its first and last step and its count.
Place = tuple[tuple[int, str, float], tuple[int, str], tuple[int, int, int]]


def places(db: sqlite3.Connection, run_ids: Sequence[str], keys: Sequence[str]) -> list[Place]:
    """The series that exist, by run then key as asked."""
    asked = (json.dumps(list(run_ids)),)
    runs = {uid: (number, uid, ms / 1000) for number, uid, ms in db.execute(f"select id, uid, started_ms from run where uid {_IN_RUNS}", asked)}
    text = f"select name, id from key where kind = 'metric' and name {_IN_RUNS}"
    key_ids = dict(db.execute(text, (json.dumps(list(keys)),)).fetchall())
    text = f"select run_id, first_step, last_step, count from metric_summary where key_id = ? and run_id {_IN_RUNS}"
    numbers = json.dumps([number for number, _, _ in runs.values()])
    ends = {key: {number: tuple(rest) for number, *rest in db.execute(text, (key_id, numbers))} for key, key_id in key_ids.items()}
    wanted = [(runs[uid], key) for uid in run_ids if uid in runs for key in keys if key in ends and runs[uid][0] in ends[key]]
    return [(run, (key_ids[key], key), ends[key][run[0]]) for run, key in wanted]


class _Curve:
    """One series within a range of steps."""

    def __init__(self, db: sqlite3.Connection, place: Place, steps: tuple[int, int] | None) -> None:
        (run_id, self._uid, _), (key_id, self._key), (first, last, total) = place
        self._db = db
        low, high = (first, last) if steps is None else (max(first, steps[0]), min(last, steps[1]))
        self._range = {"run": run_id, "key": key_id, "low": low, "high": high}
        self.total = total if (low, high) == (first, last) else self._one(f"select count(*) {FROM_POINTS}")[0]

    def _one(self, text: str, **more: Any) -> Any:
        return self._db.execute(text, {**self._range, **more}).fetchone()

    def read(self, points: int | None) -> Series:
        if points is None or self.total <= points:
            return self._series(*self._arrays())
        first, last = self._one(f"select min(step), max(step) {FROM_POINTS}")
        if self.total <= _IN_ARRAYS or last - first >= 2**62:
            steps, times, values = self._arrays()
            keep = thinning.kept(steps, values, points)
            return self._series(steps[keep], times[keep], values[keep])
        return self._thinned(first, thinning.bucket_size(last - first + 1, points))

    def _series(self, steps: Any, times: Any, values: Any) -> Series:
        return Series(self._uid, self._key, steps, times, values, self.total)

    def _arrays(self) -> tuple[np.ndarray[Any, Any], ...]:
        steps, ms, values = arrays(self._db.execute(f"select step, time_ms, value {FROM_POINTS} order by step, seq", self._range))
        return steps, ms / 1000, values

    def _thinned(self, first: int, size: int) -> Series:
        """As ``thinning.kept``: one pass finds each bucket's bounds, and each bucket is then asked for the four points."""
        import numpy as np  # reading only

        text = f"select min(step), max(step), min(value), max(value) {FROM_POINTS} group by (step - :first) / :size"
        found = self._db.execute(text, {**self._range, "first": first, "size": size}).fetchall()
        kept: set[tuple[int, int, int, float | None]] = set()
        columns = "select step, seq, time_ms, value"
        for low, high, smallest, largest in found:
            bounds = {"low": low, "high": high}
            kept.add(self._one(f"{columns} {FROM_POINTS} order by step, seq limit 1", **bounds))
            kept.add(self._one(f"{columns} {FROM_POINTS} order by step desc, seq desc limit 1", **bounds))
            if smallest is not None:
                for extreme in (smallest, largest):
                    kept.add(self._one(f"{columns} {FROM_POINTS} and value = :extreme order by step, seq limit 1", **bounds, extreme=extreme))
        rows = sorted(kept, key=lambda row: row[:2])
        steps, _, times, values = zip(*rows, strict=True)
        return self._series(np.array(steps, np.int64), np.array(times, np.float64) / 1000, np.array(values, np.float64))


def arrays(cursor: sqlite3.Cursor) -> tuple[np.ndarray[Any, Any], ...]:
    """Rows of step, milliseconds and value as three arrays, read in pieces."""
    import numpy as np  # reading only

    chunks = []
    while rows := cursor.fetchmany(_CHUNK):
        step, time_ms, value = zip(*rows, strict=True)
        chunks.append((np.array(step, np.int64), np.array(time_ms, np.float64), np.array(value, np.float64)))  # None becomes NaN
    if not chunks:
        return np.empty(0, np.int64), np.empty(0), np.empty(0)
    return tuple(np.concatenate(column) for column in zip(*chunks, strict=True))


def tail(db: sqlite3.Connection, cursor: str | None, limit: int, names: Names, now_ms: int) -> Tail:
    """What changed after the cursor, in the order of change numbers.

    The cursor is ``born.since.until``: of a store of that birth, all that changed up to ``until`` was told; of what changed again later,
    points are told from ``since`` on, because a series remembers its recent batches by their change numbers and first steps, and no more.
    """
    born, newest = (value for _, value in db.execute("select name, value from meta where name in ('born', 'change') order by name"))
    if cursor is None:
        return Tail(f"{born}.{newest}.{newest}", [], [], [])
    since, until = _place(cursor, born, newest)
    run_ids: list[int] = []
    points: list[Series] = []
    stale: list[tuple[str, str]] = []
    statistics: dict[tuple[str, str], Stats] = {}
    room, told = limit, until
    for change, run_id, uid, key_id, recent, *amounts in db.execute(_CHANGED, (until, until)):
        if room <= 0 and change > told:
            return Tail(f"{born}.{since}.{told}", views(db, run_ids, FIELDS, names, now_ms), points, stale, True, statistics)
        told = change
        room -= 1
        if key_id is None:
            run_ids.append(run_id)
            continue
        key, start = names.of(db)[key_id], _first_new_step(recent, since)
        statistics[uid, key] = Statistics({key: tuple(amounts)})[key]
        ends = (amounts[4], amounts[2], amounts[0])
        curve = None if start is None else _Curve(db, ((run_id, uid, 0.0), (key_id, key), ends), (start, 2**63 - 1))
        if curve is None or curve.total > limit:
            stale.append((uid, key))
        else:
            points.append(curve.read(None))
            room -= curve.total
    return Tail(f"{born}.{newest}.{newest}", views(db, run_ids, FIELDS, names, now_ms), points, stale, False, statistics)


_AMOUNTS = "count, last, last_step, first, first_step, min, max, sum, nonfinite"  # as Statistics has them
_CHANGED = f"""select change, id, uid, null, null, {", ".join(["null"] * 9)} from run where change > ?
union all select m.change, m.run_id, r.uid, m.key_id, m.recent, {_AMOUNTS} from metric_summary m join run r on r.id = m.run_id
where m.change > ? order by 1"""


def _place(cursor: str, born: int, newest: int) -> tuple[int, int]:
    """From where to tell.   Raises: CursorLost."""
    found = re.fullmatch(r"(\d{1,19})\.(\d{1,19})\.(\d{1,19})", cursor, re.ASCII)
    if found is None or int(found[1]) != born or not int(found[2]) <= int(found[3]) <= newest:
        raise CursorLost("this cursor is of another store, or of what this one was before it was set back")
    return int(found[2]), int(found[3])


def _first_new_step(recent: str, since: int) -> int | None:
    """The smallest step that the batches after ``since`` wrote; None if one wrote into the past, or if that is not known any more."""
    batches = recent.split(" ")
    is_whole = len(recent) <= RECENT
    start: int | None = None
    for batch in batches if is_whole else batches[:-1]:
        change, _, step = batch.partition(":")
        if int(change) <= since:
            return start
        if step.endswith("!"):
            return None
        start = int(step) if start is None else min(start, int(step))
    return start if is_whole else None
