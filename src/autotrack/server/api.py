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
    {"kind": "word",   "rows": [7, 9], "words": ["adam", "sgd"], "codes": [0, 1]}     texts; booleans, None, lists and dicts as JSON
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
     "headline": [≤ 4 metrics that say most]}
POST /api/columns {"experiment", "deleted", "columns": [column ≤ 200]}
    {"columns": [as asked, in that order]}; a key that no run has is {"kind": "number", "rows": [], "values": []}.
GET /api/search?experiment&q&deleted
    {"rows": [numbers of the runs that fit]}, or {"problem", "at": character index in q where it went wrong}
GET /api/complete?experiment&q&at
    {"from", "to", "choices": [{"text", "kind"} ≤ 50]}: what may stand at the cursor ``at``; a choice replaces q[from:to].
    ``kind`` is metric, param, tag, attribute, statistic, value or word.
POST /api/series {"runs": [id ≤ 1000], "keys": [KEY ≤ 8], "points": 16…5000, "x", "from", "to", "lead"}
    ``x`` is "step" (default), "time" (UTC seconds), "relative" (seconds since the run began) or {"metric": KEY}. ``from`` and ``to`` (in units
    of x, both ends belong) cut a window; ``lead`` ≥ 0 asks for so much more before ``from``. ``points`` is how many buckets the window may have.
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
    Values of params are as JSON has them: number, text, true, null, list, dict.
GET /api/run/ID/diff
    {"text", "cut"}: the uncommitted changes with which it ran; 404 if there were none.
GET /api/run/ID/console?after
    {"text", "next", "cut"}: the end of what it printed, from character ``after``; 404 if none was kept.
GET /api/file?run&name
    The artifact as a download (never shown by the browser).
GET /api/preview?run&name
    {"shown": "text", "text", "cut"}, {"shown": "table", "columns", "rows": [[…]] (≤ 500), "total", "cut"}, or
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
