"""What a search means on every store: seven runs that differ in all that can be asked for, expressions, and the runs that fit."""

from __future__ import annotations

import math
from typing import Any

from autotrack.records import AnyRecord, MetricsLogged, ParamsSet, RunEnded, RunNoted, RunStarted, SummarySet, TagsSet

T = 1_767_225_600.0  # 2026-01-01T00:00:00 UTC
DAY = 86_400.0


def started(run_id: str, at: float = T, **more: Any) -> RunStarted:
    """A run of the experiment ``digits``, unless said otherwise."""
    return RunStarted(run_id, at, **{"experiment": "digits", **more})


def logged(run_id: str, key: str, values: list[float], steps: list[int] | None = None, at: float = T) -> MetricsLogged:
    """A stretch of one key, a second a point."""
    steps = list(range(len(values))) if steps is None else steps
    return MetricsLogged(run_id, at, (key,), steps, [at + i for i in range(len(values))], [values])


# Seven runs that differ in everything that can be asked for; a day apart, ``a`` the oldest. Run ``g`` is deleted.
EXAMPLES: tuple[AnyRecord, ...] = (
    started("a", T, name="alpha", kind="sklearn", session="s1", call_site="train.py:3:main", host="node1", user="ann"),
    ParamsSet("a", T, {"lr": 0.1, "depth": 3, "opt": "adam", "flag": True, "seed": 2**60 + 1, "a key": 1, "null": None}),
    logged("a", "val/acc", [0.5, 0.7, 0.9]),
    logged("a", "loss", [3.0, 1.0, 2.0]),
    TagsSet("a", T, {"team": "nlp", "fold": "1", "empty": ""}),
    RunNoted("a", T, "notes", "the first try"),
    RunEnded("a", T + 60, "finished"),
    started("b", T + DAY, name="Beta", kind="xgboost", session="s1", call_site="train.py:9:main", host="node2"),
    ParamsSet("b", T + DAY, {"lr": "0.1", "depth": 5.0, "opt": "SGD", "flag": False, "seed": 2**60}),
    logged("b", "val/acc", [0.95, 0.6]),
    TagsSet("b", T + DAY, {"team": "vision", "fold": "2"}),
    RunEnded("b", T + DAY + 7200, "failed", "ValueError: no"),
    started("c", T + 2 * DAY, name="50% of gamma", experiment="digits/deep"),
    ParamsSet("c", T + 2 * DAY, {"lr": 0.01, "depth": None, "layers": [64, 64]}),
    logged("c", "val/acc", [0.8, math.nan]),
    RunEnded("c", T + 2 * DAY + 1, "interrupted"),
    started("d", T + 3 * DAY, name="delta", parent_id="a"),
    SummarySet("d", T + 3 * DAY, {"val/acc": 0.99, "verdict": "good", "stopped": True, "nothing": None}),
    logged("d", "val/acc", [0.1]),
    logged("d", "a.min", [5.0]),
    TagsSet("d", T + 3 * DAY, {"team": "NLP"}),
    RunEnded("d", T + 3 * DAY + 5, "finished"),
    started("e", T + 4 * DAY, name="épsilon"),
    ParamsSet("e", T + 4 * DAY, {"lr": math.nan, "depth": 2, "opt": "Ädam_x", "quote": "it's"}),
    logged("e", "val/acc", [math.inf]),
    RunEnded("e", T + 4 * DAY + 5, "lost"),
    started("f", T + 5 * DAY, name="zeta"),
    started("g", T + 6 * DAY, name="gone"),
    ParamsSet("g", T + 6 * DAY, {"lr": 0.1}),
)

# What a search means: an expression, and the runs that fit, oldest first.
MEANINGS: tuple[tuple[str, str], ...] = (
    ("", "abcdef"),
    # metrics: the last value, and what was set as summary, which wins
    ("metrics.val/acc > 0.7", "ade"),
    ("metrics.val/acc >= 0.9 and metrics.val/acc < 1", "ad"),
    ("metrics.val/acc.max > 0.9", "b"),
    ("metrics.val/acc.min <= 0.5", "ad"),
    ("metrics.val/acc.first = 0.8", "c"),
    ("metrics.val/acc.last = 0.6", "b"),
    ("metrics.loss.mean = 2", "a"),
    ("metrics.val/acc.count between 2 and 3", "abc"),
    ('metrics."val/acc" = 0.9', "a"),
    ("metrics.`val/acc`.first = 0.95", "b"),
    ('metrics."a.min" = 5', "d"),
    ("metrics.a.min = 5", ""),
    ("metrics.verdict = 'good'", "d"),
    ("metrics.verdict like 'GO%'", "d"),
    ("metrics.stopped = true", "d"),
    ("metrics.unknown > 0", ""),
    # params are typed
    ("params.lr = 0.1", "a"),
    ("params.lr = '0.1'", "ab"),
    ("params.lr = '1e-1'", "a"),
    ("params.lr < 0.05", "c"),
    ("params.depth = 5", "b"),
    ("params.depth in (2, 3, 9)", "ae"),
    ("params.depth not in (2, 3)", "b"),
    ("params.depth between 3 and 5", "ab"),
    ("params.depth not between 3 and 5", "e"),
    ("params.opt = 'adam'", "a"),
    ("params.opt in ('adam', 'SGD', 7)", "ab"),
    ("params.opt like '%ADAM%'", "a"),
    ("params.opt like '_gd'", "b"),
    ("params.opt not like 's%'", "ae"),
    ("params.opt contains 'DA'", "ae"),
    ("params.opt > 'a'", "ae"),
    ("params.flag = true", "a"),
    ("params.flag = FALSE", "b"),
    ("params.flag = 'True'", "a"),
    ("params.flag != true", "b"),
    ("params.flag = 1", ""),
    ("params.seed = 1152921504606846977", "a"),
    ("params.seed != 1152921504606846977", "b"),
    ("params.seed > 1", "ab"),
    ('params."a key" = 1', "a"),
    ("params.layers = '[64, 64]'", "c"),
    ("params.layers contains '64'", "c"),
    ("params.quote = 'it''s'", "e"),
    ('params.quote = "it\'s"', "e"),
    # missing, None, NaN, infinite
    ("params.opt is null", "cdf"),
    ("params.depth is null", "cdf"),
    ("params.depth is not null", "abe"),
    ("params.unknown is null", "abcdef"),
    ("params.unknown != 1", ""),
    ("not (params.opt = 'adam')", "be"),
    ("not params.opt = 'adam'", "be"),
    ("params.opt != 'adam'", "be"),
    ("not (params.opt = 'adam' and params.depth = 3)", "be"),
    ("not (params.opt = 'adam' or metrics.val/acc < 0.7)", "e"),
    ("not not params.opt = 'adam'", "a"),
    ("not (params.opt is null)", "abe"),
    ("params.opt is null or params.opt = 'SGD'", "bcdf"),
    ("metrics.val/acc = 'nan'", "c"),
    ("metrics.val/acc = nan", "c"),
    ("metrics.val/acc != 0.9", "bcde"),
    ("metrics.val/acc is null", "f"),
    ("metrics.val/acc = inf", "e"),
    ("metrics.val/acc < inf", "abd"),
    ("not metrics.val/acc < 0.7", "acde"),
    ("metrics.val/acc.max is null", "ef"),
    ("metrics.nothing is null", "abcdef"),
    ("params.lr = nan", "e"),
    ("params.lr in ('nan', 0.01)", "ce"),
    # tags are text
    ("tags.team = 'nlp'", "a"),
    ("tags.team like 'nlp'", "ad"),
    ("tags.team != 'nlp'", "bd"),
    ("tags.fold = 1", "a"),
    ("tags.fold in ('1', 2)", "ab"),
    ("tags.fold >= '2'", "b"),
    ("tags.empty = ''", "a"),
    ("tags.empty is not null", "a"),
    ("tags.team is null", "cef"),
    # attributes
    ("status = 'finished'", "ad"),
    ("status in ('failed', 'lost')", "be"),
    ("status != 'finished'", "bcef"),
    ("id = 'c'", "c"),
    ("name = 'Beta'", "b"),
    ("name like 'beta'", "b"),
    ("name like '50%%'", "c"),
    ("name contains '%'", "c"),
    ("name contains 'É'", ""),  # only ASCII letters match in either case
    ("name > 'a'", "adef"),
    ("experiment = 'digits'", "abdef"),
    ("experiment like 'digits/%'", "c"),
    ("error contains 'valueerror'", "b"),
    ("error is null", "acdef"),
    ("started < '2026-01-03'", "ab"),
    ("started >= '2026-01-04T00:00:00Z'", "def"),
    ("started = '2026-01-02T01:00+01:00'", "b"),
    ("started between 1767225600 and 1767312000", "ab"),
    ("started > 1d ago", ""),
    ("started < 1w ago", "abcdef"),
    ("ended > '2026-01-05'", "e"),
    ("ended is null", "f"),
    ("duration > 59", "ab"),
    ("duration >= 2h", "b"),
    ("parent = 'a'", "d"),
    ("parent is null", "abcef"),
    ("kind = 'sklearn'", "a"),
    ("kind != 'sklearn'", "bcdef"),
    ("kind is null", "cdef"),
    ("session = 's1' and call_site like 'train.py:9%'", "b"),
    ("host in ('node1', 'node2')", "ab"),
    ("user = 'ann'", "a"),
    ("notes contains 'First'", "a"),
    ("deleted = true", "g"),
    ("deleted is not null and params.lr = 0.1", "g"),
    ("deleted = false", "abcdef"),
    # and, or, not, parentheses
    ("params.lr = 0.1 or params.lr = 0.01 and params.depth = 3", "a"),
    ("(params.lr = 0.1 or params.lr = 0.01) and params.depth is null", "c"),
    ("params.opt = 'adam' or tags.team = 'vision' or metrics.loss > 9", "ab"),
    ("params.lr < 1 and params.unknown is null and metrics.val/acc.min < 1", "ac"),
    ("NOT status IN ('finished') AND params.depth IS NOT NULL", "be"),
)

ORDERS: tuple[tuple[str, str], ...] = (
    ("", "fedcba"),
    ("started", "abcdef"),
    ("name", "cbadfe"),  # text is ordered by code points
    ("metrics.val/acc desc", "edabfc"),
    ("metrics.val/acc", "badefc"),
    ("params.depth, started", "eabcdf"),
    ("params.lr asc, name desc", "cabefd"),
    ("params.opt desc", "eabfdc"),
    ("experiment desc, started desc", "cfedba"),
    ("duration desc", "baedcf"),
    ("tags.team, id desc", "dabfec"),
)
