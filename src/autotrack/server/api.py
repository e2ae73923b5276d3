"""What the page asks, and what it is answered. Each route is bounded; what is asked beyond a bound is answered 400 with what to do.

General. ``GET`` takes its arguments from the query string, ``POST`` takes one JSON object (``Content-Type: application/json``, from
the page's own origin). Answers are JSON, but for ``series``, ``live`` and files. Times are UTC seconds. In JSON a number that is
NaN is ``null``, and an infinite one ``1e999`` or ``-1e999`` (``JSON.parse`` makes ``±Infinity`` of it). An integer beyond 2**53 is text.
An error has a status of 400 and above and ``{"problem": "a sentence"}``; a 404 means that what was asked for is not there, 503 that the
store is busy (ask again), 504 that the question took too long. A run is named by its ``id``; ``number`` is a whole number that the store
gave it once and for all, by which columns name it: small to send, never in a URL. ``experiment`` in a question is a branch of the tree:
``a`` is ``a`` and all of ``a/…``; without it, or empty: all runs. Deleted runs are in no answer unless ``deleted=1`` is said.

A *column* is named by a list: ``["params", KEY]``, ``["tags", KEY]``, ``["metrics", KEY, STATISTIC]`` where STATISTIC is one of
``last`` (which also sees what was set as summary), ``min``, ``max``, ``mean``, ``first``, ``count``, or ``["run", "notes"]``.
It is answered as an object, with the runs that have it in ``rows`` (numbers of runs, in no promised order):

    {"kind": "number", "rows": [7, 9], "values": [0.1, null]}
    {"kind": "word",   "rows": [7, 9], "words": ["adam", "sgd"], "codes": [0, 1]}     texts; None; booleans, lists and dicts as JSON
    {"kind": "mixed",  "rows": [7, 9], "values": [0.1, "auto"]}                       both

A *brief* is one run in short, and the row that ``live`` brings:

    {"number", "id", "name", "experiment", "status", "error", "started", "ended", "parent", "kind", "fold", "host", "deleted"}

``status`` is running, finished, failed, interrupted or lost. ``error``, ``ended``, ``parent``, ``deleted`` may be null. ``fold`` is a text
that the repeated fits of one line of one process share, and "" of a run that stands alone.
*Stats* are a list: ``[count, last, last_step, first, first_step, min, max, mean, nonfinite]``; min, max and mean are of finite values.

GET /api/home
    {"store", "version", "cursor", "now", "runs", "running": [brief ≤ 50], "failed": [brief ≤ 20, newest first],
     "experiments": [{"name", "runs", "running", "failed" (in the last 24 hours), "newest" (time), "days": [30 counts of runs started a day,
     today last]}]}, newest first; experiments with no run that is not deleted are left out.
GET /api/runs?experiment&deleted
    {"cursor", "now", "experiment", "runs": {each field of a brief: a list, newest run first; "experiment", "status", "kind", "fold", "host" are
     {"words", "codes"}}, "params": [KEY], "metrics": [KEY], "tags": [KEY] (those in use, sorted), "varying": [params that differ between runs],
     "headline": [≤ 4 metrics that say most],
     "curves": [metrics that were logged at steps, system metrics too]}
POST /api/columns {"experiment", "deleted", "columns": [column ≤ 200]}
    {"columns": [as asked, in that order]}; a key that no run has is {"kind": "number", "rows": [], "values": []}.
GET /api/search?experiment&q&deleted
    {"rows": [numbers of the runs that fit]}, or {"problem", "at": character index in q where it went wrong}
GET /api/complete?experiment&q&at
    {"from", "to", "choices": [{"text", "kind"} ≤ 50]}: what may stand at the cursor ``at``; a choice replaces q[from:to].
    ``kind`` is metric, param, tag, attribute, statistic, value or word.
POST /api/series {"runs": [id ≤ 1000], "keys": [KEY ≤ 8], "points": 16…5000, "x", "from", "to", "lead"}
    ``x`` is "step" (default), "time" (UTC seconds), "relative" (seconds since the run began) or {"metric": KEY}. ``from`` and ``to`` (in units
    of x, both ends belong) cut a window; ``lead`` ≥ 0 asks for so much more before ``from``, in buckets that may
    be wider (``shift`` is the window's). ``points`` is how many buckets the window may have.
    The body: u32 (little endian) L, then L bytes of JSON (padded by blanks so that 4 + L is a multiple of 8), then float64 (little endian).
    The JSON: {"series": [head], "pending": n, "cursor"}. A head: {"run": id, "key", "n", "shift", "flat", "odd": [x ≤ 200], "odds", "count",
    "first", "last"}. For each head in order the numbers are x[n], mean[n] and, unless ``flat``, min[n], max[n].
    With ``shift`` s > 0 an entry is a bucket of the steps k·2**s … (k+1)·2**s - 1, the same grid for all runs, and x is that of its last point; with
    0 an entry is a step (of a step logged twice: the last value). mean, min, max are of the finite values, NaN where there are none. ``odd``
    is where values were NaN or infinite, ``odds`` how many such points there are. ``count`` is the points in the window, ``first`` and
    ``last`` the x of the whole series' first and last point. Series that do not exist are left out. ``pending`` series are still being
    summed up: ask again in a second.
GET /api/run/ID
    A brief, and: {"cursor", "duration_s", "user", "pid", "call_site", "session", "seen", "dropped", "notes", "traceback", "tags": {},
     "params": {KEY: value}, "params_before": {KEY: [values]}, "metrics": {KEY: value} (last values, and what was set), "stats": {KEY: stats}
     (system metrics too),
     "environment": {} (nested), "parents": [brief, outermost first], "children": [brief ≤ 1000, oldest first],
     "artifacts": [{"name", "kind", "digest", "size", "time", "step", "meta", "shown": "image" | "text" | "table" | null}]}
    Values of params and metrics are as JSON has them: number, text, true, null (None), list, dict; NaN is the text "NaN", in tables and
    comparisons too.
GET /api/run/ID/diff
    {"text", "cut"}: the uncommitted changes with which it ran; 404 if there were none.
GET /api/run/ID/console?after
    {"text", "next", "cut", "kept"}: what it printed, from character ``after`` on; ask on from ``next``. ``next`` is where its last line begins
    if that has no end yet: that line comes again, as it then is, in place of what stood behind the last line break. ``cut`` says that something
    was left out; ``kept`` is false if nothing that it prints is kept.
GET /api/file?run&name
    The artifact as a download (never shown by the browser).
GET /api/preview?run&name
    {"shown": "text", "text", "cut"}, {"shown": "table", "columns", "rows": [[…]] (≤ 500, or ≤ 30,000 cells), "total", "cut"}, or
    {"shown": "image", "type", "src"}: ``src`` is the address of the picture (png, jpeg, gif, webp). ``cut`` says that there is more.
    415 if it is none of these or too large.
GET /api/picture?run&name
    The bytes of an artifact that is a picture by its content.
GET /api/compare?run=ID&run=ID… (2 … 50)
    {"runs": [brief], "sections": [{"name", "rows": [{"key", "differs": bool, "cells": [value or {"absent": true}]}]}]}; sections are params, metrics,
    tags, code, environment, datasets. Beside it ``/api/run/ID/diff`` tells of the code.
POST /api/importance {"experiment", "q", "target": column}
    {"runs": n that have the target, "params": [{"key", "importance", "direction", "runs"}] (largest first)}. ``importance`` is the share of
    the target's variance that the param explains by itself (0 … 1), ``direction`` its rank correlation (-1 … 1; null for words).
POST /api/edit {"runs": [id ≤ 1000], "name"?, "notes"?, "tags"?: {KEY: text, or null to take it off}}
    {"runs": [brief]}: as they are now.
POST /api/delete {"runs": [id ≤ 1000], "undo": false}
    {"runs": [id]}: which it was, with the runs inside them.
GET /api/views
    {"views": [{"name", "query", "saved" (time)}]}, by name. ``query`` is the page's own query string.
POST /api/views {"name", "query"}      {"views"}: saved; the name again replaces it.
POST /api/views/delete {"name"}        {"views"}
GET /api/live?cursor                   (text/event-stream)
    What is new since ``cursor`` (from home, runs, series, run), in the order in which it came. ``Last-Event-ID`` wins over ``cursor``.
    event: change   id: the cursor after it   {"runs": [brief with "params", "tags", "metrics", "notes"], "points": [[run id, KEY, [steps],
                    [values], [times], stats]], "stale": [[run id, KEY, stats]]}. A point of a step that is there replaces it. ``stale`` series
                    got points in their past, or too many: ask ``series`` again.
    event: reset    {}  what is new cannot be told from there: load ``runs`` again, and go on from its cursor.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

from autotrack import printed
from autotrack.artifacts import ArtifactStore
from autotrack.backends.protocol import Axis, Backend, Keys
from autotrack.difference import PER_PROCESS, area, flattened, same
from autotrack.errors import BackendUnavailable, NotFound, QueryError, RecordRejected
from autotrack.glance import natural, telling
from autotrack.query import Field, Query, among, parse, quoted
from autotrack.records import AnyRecord, Batch, RunNoted, TagsSet
from autotrack.server import answers, completing, files
from autotrack.server.asking import TEXT, Ask, Refused, column
from autotrack.server.importance import importance
from autotrack.views import RunView

RUNS, KEYS, COLUMNS, COMPARED = 1_000, 8, 200, 50
LISTED = 1_000  # children of a run
DAYS = 30
FRESH_S = 20.0  # how long an answer may be given again while nothing was written: a run may have fallen silent
KEPT = 16  # answers
PAUSES_S = (0.1, 0.3, 0.6, 1.0)  # a training may be writing just now
ABSENT = {"absent": True}

T = TypeVar("T")


class Api:
    """The answers to what the page asks, from one store. Each method is a route and runs in a thread."""

    def __init__(self, backend: Backend, artifacts: ArtifactStore, staging: Path | None = None, place: str = "", version: str = "") -> None:
        self._backend, self._artifacts, self._staging = backend, artifacts, staging
        self._place, self._version = place, version
        self._kept: dict[tuple[Any, ...], tuple[int, float, Any]] = {}

    def home(self, _: Ask) -> bytes:
        """All experiments, what runs, what failed last."""
        return self._unless_changed(("home",), lambda: answers.to_json(self._home()))

    def _home(self) -> dict[str, Any]:
        cursor, now = self._cursor(), time.time()
        table = self._backend.table(Query(), answers.BRIEF_FIELDS)
        runs = answers.briefs(table.numbers, table.columns)
        today = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
        days = [(today - timedelta(days=back)).timestamp() for back in range(DAYS - 1, -1, -1)]
        experiments: dict[str, dict[str, Any]] = {}
        live, failed = [], []
        for at, (name, status, started, ended) in enumerate(zip(runs["experiment"], runs["status"], runs["started"], runs["ended"], strict=True)):
            one = experiments.setdefault(name, {"name": name, "runs": 0, "running": 0, "failed": 0, "newest": started, "days": [0] * DAYS})
            one["runs"] += 1
            one["newest"] = max(one["newest"], started)
            if status == "running":
                one["running"] += 1
                live.append(at)
            elif status in ("failed", "lost"):
                one["failed"] += (ended or started) > now - 86_400
                failed.append(at)
            if started >= days[0]:
                one["days"][next(back for back in range(DAYS - 1, -1, -1) if started >= days[back])] += 1
        failed.sort(key=lambda at: runs["ended"][at] or runs["started"][at], reverse=True)

        def rows(places: Sequence[int]) -> list[dict[str, Any]]:
            return answers.rows({name: [values[at] for at in places] for name, values in runs.items()})

        return {
            "store": self._place, "version": self._version, "cursor": cursor, "now": now, "runs": len(table.numbers),
            "experiments": sorted(experiments.values(), key=lambda one: one["newest"], reverse=True),
            "running": rows(live[:50]),
            "failed": rows(failed[:20]),
        }

    def runs(self, ask: Ask) -> bytes:
        """The runs of an experiment, and the names of what they hold."""
        experiment, query = ask.text("experiment", default=""), ask.query()
        return self._unless_changed(("runs", experiment, query.deleted), lambda: answers.to_json(self._runs(experiment, query)))

    def _runs(self, experiment: str, query: Query) -> dict[str, Any]:
        cursor = self._cursor()
        table = self._backend.table(query, answers.BRIEF_FIELDS)
        runs: dict[str, Any] = answers.briefs(table.numbers, table.columns)
        for name in answers.CODED:
            runs[name] = answers.coded([value or "" for value in runs[name]])
        keys = self._backend.keys(query)
        metrics = [key for key in keys.metrics if not key.startswith("system/")]
        return {
            "cursor": cursor, "now": time.time(), "experiment": experiment, "runs": runs,
            "params": keys.params, "metrics": keys.metrics, "tags": keys.tags, "varying": keys.varying,
            "headline": telling(metrics)[:4], "curves": keys.curves,
        }

    def columns(self, ask: Ask) -> Any:
        """Columns of a table."""
        fields = [column(one) for one in ask.list("columns", COLUMNS)]
        table = self._backend.table(ask.query(), fields)
        return {"columns": [answers.column(found) for found in table.columns]}

    def search(self, ask: Ask) -> Any:
        """Which runs fit."""
        try:
            query = ask.query(ask.text("q", 10_000, default=""))
        except QueryError as error:
            return {"problem": str(error).rpartition(" (at position ")[0] or str(error), "at": error.position}
        return {"rows": list(self._backend.table(query).numbers)}

    def complete(self, ask: Ask) -> Any:
        """What may be typed next."""
        text = ask.text("q", 10_000, default="")
        at = min(ask.whole("at", 0, 10_000, default=len(text)), len(text))
        query = ask.query()
        start, found = completing.choices(text[:at], self._keys(ask), lambda field: self._backend.table(query, [field]).columns[0].values)
        return {"from": start, "to": at, "choices": found}

    def series(self, ask: Ask) -> bytes:
        """Curves for a screen."""
        start, end, lead = ask.number("from"), ask.number("to"), ask.number("lead") or 0.0
        if (start is None) != (end is None) or lead < 0 or (start is not None and end is not None and start > end):
            raise Refused(400, "a window has from and to, and lead is at least 0")
        cursor = self._cursor()
        curves = self._backend.buckets(
            ask.texts("runs", RUNS),
            ask.texts("keys", KEYS),
            points=ask.whole("points", 16, 5_000),
            x=_axis(ask.one("x", "step")),
            window=None if start is None or end is None else (start, end),
            lead=lead,
        )
        return answers.series(curves, cursor)

    def run(self, ask: Ask) -> Any:
        """All of a run."""
        cursor = self._cursor()
        run = self._backend.run(ask.path["id"])
        children = self._briefs(parse(f"parent = {quoted(run.id)}", "started", LISTED))
        told = ("duration_s", "user", "pid", "call_site", "session", "seen", "dropped", "notes", "traceback", "tags")
        return {
            **answers.brief(run),
            **{name: getattr(run, name) for name in told},
            "cursor": cursor,
            "params": answers.exact(run.params),
            "params_before": answers.exact(run.params_before),
            "metrics": answers.exact(run.metrics),
            "stats": {key: answers.stats(run.statistics[key]) for key in run.statistics},
            "environment": answers.exact(run.environment),
            "parents": self._parents(run),
            "children": children,
            "artifacts": [
                {**{name: getattr(a, name) for name in ("name", "kind", "digest", "size", "time", "step", "meta")}, "shown": files.shown(a)}
                for a in run.artifacts
            ],
        }

    def _parents(self, run: RunView) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        met = {run.id}
        while run.parent_id is not None and len(found) < 20 and run.parent_id not in met:
            met.add(run.parent_id)
            try:
                run = self._backend.run(run.parent_id)
            except NotFound:
                break
            found.insert(0, answers.brief(run))
        return found

    def diff(self, ask: Ask) -> Any:
        """The uncommitted changes with which a run ran."""
        artifact = files.named(self._backend.run(ask.path["id"]), files.DIFF)
        return files.text_of(files.head(self._artifacts, artifact, 1 << 20), 1 << 20)

    def console(self, ask: Ask) -> Any:
        """What a run printed."""
        run, after = self._backend.run(ask.path["id"]), ask.whole("after", 0, 2**53, default=0)
        piece = printed.read(run, lambda artifact: self._artifacts.open(artifact.digest), self._staging, after)
        return {"text": "", "next": 0, "cut": False, "kept": False} if piece is None else {**piece._asdict(), "kept": True}

    def file(self, ask: Ask) -> tuple[str, Any]:
        """A file of a run, to be saved: what its header says, and its content."""
        artifact = files.named(self._backend.run(ask.text("run")), ask.text("name"))
        return files.disposition(artifact.name), self._artifacts.open(artifact.digest)

    def preview(self, ask: Ask) -> Any:
        """A file of a run, as far as it can be shown."""
        return files.preview(self._artifacts, files.named(self._backend.run(ask.text("run")), ask.text("name")))

    def picture(self, ask: Ask) -> tuple[str, bytes]:
        """A picture's type and bytes."""
        artifact = files.named(self._backend.run(ask.text("run")), ask.text("name"))
        kind = files.picture_type(files.head(self._artifacts, artifact, 64))
        if kind is None or artifact.size > files.PICTURE:
            raise Refused(415, "this is no picture that can be shown; download it")
        return kind, files.head(self._artifacts, artifact, files.PICTURE)

    def compare(self, ask: Ask) -> Any:
        """Runs side by side."""
        ids = list(dict.fromkeys(ask.all("run", COMPARED)))
        if len(ids) < 2:
            raise Refused(400, "name at least two runs")
        runs = [self._backend.run(one) for one in ids]
        return {"runs": [answers.brief(run) for run in runs], "sections": side_by_side(runs)}

    def importance(self, ask: Ask) -> Any:
        """Which params go with a target."""
        query, target = ask.query(ask.text("q", 10_000, default="")), column(ask.one("target"))
        params = list(self._keys(ask).varying)[: 2 * COLUMNS]
        found, *columns = self._backend.table(query, [target, *(Field("params", key) for key in params)]).columns
        count, told = importance(found, dict(zip(params, columns, strict=True)))
        return {"runs": count, "params": told}

    def edit(self, ask: Ask) -> Any:
        """Change what is said of runs."""
        ids, now = self._known(ask.texts("runs", RUNS)), time.time()
        records: list[AnyRecord] = []
        for name, most in (("name", 500), ("notes", TEXT)):
            if ask.one(name) is not None:
                text = ask.text(name, most)
                if name == "name" and not text.strip():
                    raise Refused(400, "a name has at least one character")
                records += [RunNoted(one, now, name, text) for one in ids]
        if ask.one("tags") is not None:
            tags = _tags(ask.one("tags"))
            records += [TagsSet(one, now, tags) for one in ids]
        if not records:
            raise Refused(400, "say what to change: name, notes or tags")
        _patiently(lambda: self._backend.write(Batch(os.urandom(8).hex(), 1, tuple(records))))
        return {"runs": [answers.brief(self._backend.run(one)) for one in ids]}

    def delete(self, ask: Ask) -> Any:
        """Hide runs with those inside them, or show them again."""
        ids, undo = self._known(ask.texts("runs", RUNS)), ask.flag("undo")
        last = ids
        while last:  # children of children
            known = set(ids)
            last = [one for one in self._ids("parent", last) if one not in known]
            ids = ids + last
        _patiently(lambda: self._backend.delete(ids, undo=undo))
        return {"runs": ids}

    def views(self, _: Ask) -> Any:
        """The saved views."""
        return {"views": [{"name": view.name, "query": view.query, "saved": view.saved} for view in self._backend.saved_views()]}

    def save_view(self, ask: Ask) -> Any:
        """Keep a view under a name."""
        name, query = ask.text("name", 200).strip(), ask.text("query", 8_000)
        if not name:
            raise Refused(400, "a view's name has at least one character")
        if len(self._backend.saved_views()) >= 1_000:
            raise Refused(400, "a store keeps a thousand views; delete some")
        _patiently(lambda: self._backend.save_view(name, query))
        return self.views(ask)

    def delete_view(self, ask: Ask) -> Any:
        """Forget a view."""
        name = ask.text("name", 200)
        _patiently(lambda: self._backend.save_view(name, None))
        return self.views(ask)

    def _cursor(self) -> str:
        """From where ``live`` goes on after this answer; asked for before anything is read."""
        return self._backend.tail(None).cursor

    def _briefs(self, query: Query) -> list[dict[str, Any]]:
        table = self._backend.table(query, answers.BRIEF_FIELDS)
        return answers.rows(answers.briefs(table.numbers, table.columns))

    def _known(self, ids: list[str]) -> list[str]:
        """The ids, which are all of runs that there are.   Raises: Refused."""
        known = set(self._ids("id", ids))
        missing = [one for one in ids if one not in known]
        if missing:
            raise Refused(404, f"there is no run {missing[0][:40]!r}")
        return ids

    def _ids(self, attribute: str, texts: Sequence[str]) -> list[str]:
        """The ids of the runs whose attribute is one of these texts, each once."""
        parts = [among(attribute, texts[start : start + 500]) for start in range(0, len(texts), 500)]
        return list(dict.fromkeys(one for part in parts for one in self._backend.table(part, [Field("run", "id")]).columns[0].values))

    def _unless_changed(self, key: tuple[Any, ...], make: Callable[[], T]) -> T:
        """What was made last for this key, if nothing was written since; else it is made again."""
        pulse, now = self._backend.pulse(), time.monotonic()
        kept = self._kept.get(key)
        if kept is not None and kept[0] == pulse and now - kept[1] < FRESH_S:
            return cast(T, kept[2])
        made = make()
        while len(self._kept) >= KEPT:
            self._kept.pop(next(iter(self._kept), key), None)
        self._kept[key] = pulse, now, made
        return made

    def _keys(self, ask: Ask) -> Keys:
        """The keys of an experiment's runs."""
        query = ask.query()
        return self._unless_changed(("keys", ask.text("experiment", default=""), query.deleted), lambda: self._backend.keys(query))


def _axis(given: Any) -> Axis:
    if given in ("step", "time", "relative"):
        return given  # type: ignore[no-any-return]
    key = given.get("metric") if isinstance(given, dict) and len(given) == 1 else None
    if not isinstance(key, str) or len(key) > 1_000:
        raise Refused(400, 'x is "step", "time", "relative" or {"metric": KEY}')
    return "metric", key


def _tags(given: Any) -> dict[str, str | None]:
    if not isinstance(given, dict) or not 1 <= len(given) <= 100:
        raise Refused(400, "tags is an object of 1 to 100 keys")
    for key, value in given.items():
        if not key.strip() or len(key) > 250 or not (value is None or (isinstance(value, str) and len(value) <= 5_000)):
            raise Refused(400, "a tag is a text of at most 5000 characters, or null to take it off; its key has at most 250")
    return given


def side_by_side(runs: Sequence[RunView]) -> list[dict[str, Any]]:
    """The sections of a comparison of runs, or of one run alone."""
    around = [{key: value for key, value in flattened(run.environment) if key not in PER_PROCESS} for run in runs]
    sides = {"params": [run.params for run in runs], "metrics": [run.metrics for run in runs], "tags": [run.tags for run in runs]}
    for name in ("code", "environment", "datasets"):
        sides[name] = [{key: value for key, value in side.items() if area(key) == name} for side in around]
    return [{"name": name, "rows": _rows(side)} for name, side in sides.items()]


def _rows(sides: Sequence[Any]) -> list[dict[str, Any]]:
    """Every key of any side with its value on each."""
    rows = []
    for key in sorted({key for side in sides for key in side}, key=natural):
        there = [key in side for side in sides]
        values = [side.get(key) for side in sides]
        differs = not all(there) or not all(same(values[0], value) for value in values[1:])
        cells = [answers.exact(value) if has else ABSENT for has, value in zip(there, values, strict=True)]
        rows.append({"key": key, "differs": differs, "cells": cells})
    return rows


def _patiently(write: Callable[[], Any]) -> None:
    """Write; wait a little if the store is busy.   Raises: BackendUnavailable."""
    for pause_s in PAUSES_S:
        try:
            write()
            return
        except BackendUnavailable:
            time.sleep(pause_s)
        except RecordRejected as error:
            raise Refused(400, str(error)) from error
    write()
