"""Runs as one page of HTML that needs no server: the dashboard's own modules, and what they would have asked for as data beside them.

Every module stands in the import map as a ``data:`` URL, with ``api.js`` replaced by ``kept.js``, which answers from the data. The page's
policy lets only its two inline scripts run, by their hashes, and what they load themselves (``strict-dynamic``, CSP level 3); nothing can
be connected to. Curves are the store's buckets: mean, least and most, so what is thinned still shows its extremes; with the time and the
value of each bucket's last point, by which the page itself puts curves over time and over other metrics.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotrack.backends.protocol import Backend, Buckets
from autotrack.errors import AutotrackError
from autotrack.glance import telling
from autotrack.query import among
from autotrack.server import answers
from autotrack.server.api import side_by_side
from autotrack.server.page import STATIC, packed

if TYPE_CHECKING:
    import numpy as np

MOST = 50  # runs
BYTES = 1_000_000
POINTS = (1_000, 700, 500, 350, 250, 175, 120, 80, 50)  # of a curve: the first with which the page stays below BYTES
WAIT_S = 120.0  # for the store to sum up long curves
LIBRARIES = {"preact": "preact", "preact/hooks": "hooks", "@preact/signals": "signals", "@preact/signals-core": "signals-core", "htm": "htm"}
SHEETS = ("style.css", "views.css", "more.css")
IMPORT = re.compile(r"(\bfrom |\bimport\(|^import )'\./([\w-]+\.js)'", re.MULTILINE)


def portable(backend: Backend, ids: Sequence[str], version: str, folder: Path = STATIC) -> bytes:
    """The page with these runs, at most 50, which must be there.

    Values and times are kept to 7 significant digits (float32) where they fit into its range. Curves have at most 1,000 points, fewer if
    the page would else be larger than 1 MB; with names and values alone beyond that it is larger.   Raises: AutotrackError.
    """
    if not 1 <= len(ids) <= MOST:
        raise AutotrackError(f"a page holds 1 to {MOST} runs; these are {len(ids)}")
    frame, told = shell(folder), _told(backend, ids, version)
    for points in POINTS:
        data = answers.to_json({**told, "points": points, **curves(backend, ids, told["names"]["curves"], points)})
        page = frame.replace(b"@DATA@", data.replace(b"<", b"\\u003c"), 1)
        if len(page) <= BYTES:
            break
    return page


def _told(backend: Backend, ids: Sequence[str], version: str) -> dict[str, Any]:
    """All of the runs but their curves, as the server would answer."""
    query = among("id", ids)
    table, keys = backend.table(query, answers.BRIEF_FIELDS), backend.keys(query)
    views = [backend.run(one) for one in ids]
    metrics = [key for key in keys.metrics if not key.startswith("system/")]
    names = {"params": keys.params, "metrics": keys.metrics, "tags": keys.tags, "varying": keys.varying, "curves": keys.curves}
    return {
        "version": version, "now": time.time(), "names": {**names, "headline": telling(metrics)[:4]},
        "runs": answers.briefs(table.numbers, table.columns),
        "compare": {"runs": [answers.brief(view) for view in views], "sections": side_by_side(views)},
        "stats": {view.id: {key: answers.stats(view.statistics[key]) for key in view.statistics} for view in views},
    }  # fmt: skip


def curves(backend: Backend, ids: Sequence[str], keys: Sequence[str], points: int) -> dict[str, Any]:
    """The curves, and the steps and seconds since the start that many of them share, as base64 of little endian numbers."""
    found: list[Buckets] = []
    until = time.monotonic() + WAIT_S
    while keys:
        found = backend.buckets(ids, keys, points=points, x="relative", patience_s=5.0)
        if not any(curve.pending for curve in found):
            break
        if time.monotonic() > until:
            raise AutotrackError("the store is still summing up long curves; try again in a minute")
    shared: dict[str, int] = {}
    series = []
    for curve in found:
        columns = answers.columns_of(curve)
        if len(columns) > 1:
            columns.append(curve.value)
        exact = bool((abs(curve.step) < 1e7).all())  # whole numbers of 7 digits
        series.append({
            **answers.head_of(curve, columns),
            "odd": (curve.odd > 0).nonzero()[0][: answers.ODD].tolist(),
            "step": shared.setdefault(_column(curve.step, is_small=exact), len(shared)),
            "time": shared.setdefault(_column(curve.x, is_small=_fits(curve.x)), len(shared)),
            "columns": [_column(column, is_small=_fits(column)) for column in columns],
        })  # fmt: skip
    return {"shared": list(shared), "series": series}


def _column(column: np.ndarray[Any, Any], *, is_small: bool) -> str:
    """``f`` and float32, or ``d`` and float64."""
    return "fd"[not is_small] + base64.b64encode(column.astype("<f4" if is_small else "<f8").tobytes()).decode()


def _fits(column: np.ndarray[Any, Any]) -> bool:
    """Whether float32 holds the values to its 7 digits."""
    sizes = abs(column[(column == column) & (column != 0)])
    return not len(sizes) or bool(sizes.max() < 3e38 and sizes.min() > 1.2e-38)


def shell(folder: Path) -> bytes:
    """The page with ``@DATA@`` where its data go."""
    files = {name.lstrip("/"): file.content.decode() for name, file in packed(folder).items()}
    imports = {name: _url(files[f"vendor/{file}.js"]) for name, file in LIBRARIES.items()}
    for name in sorted(_needed("portable.js", files, set())):
        text = files["kept.js" if name == "api.js" else name]
        imports[f"autotrack/{name}"] = _url(IMPORT.sub(r"\1'autotrack/\2'", text))
    style = "\n".join(files[name] for name in SHEETS)
    modules = json.dumps({"imports": imports}, separators=(",", ":"))
    start = _url("import 'autotrack/portable.js'")
    boot = f"document.head.append(Object.assign(document.createElement('script'),{{type:'module',src:'{start}'}}))"
    licences = "\n".join(path.read_text(encoding="utf-8") for path in sorted((folder / "vendor").glob("*.LICENSE")) if path.stem != "htm")
    policy = (
        f"default-src 'none'; script-src 'strict-dynamic' {_hash(modules)} {_hash(boot)}; style-src {_hash(style)}; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{html.escape(policy)}">
<title>autotrack</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<!-- Preact and signals, https://preactjs.com:
{licences.replace("--", "- -")}
htm: Apache License 2.0, Copyright 2018 Google Inc. -->
<style>{style}</style>
<script type="importmap">{modules}</script>
</head>
<body>
<div id="app"></div>
<noscript>This page needs JavaScript, and nothing else: it asks no server.</noscript>
<script type="application/json" id="data">@DATA@</script>
<script>{boot}</script>
</body>
</html>
""".encode()


def _needed(name: str, files: Mapping[str, str], met: set[str]) -> set[str]:
    """A module and all that it imports, added to those met."""
    met.add(name)
    for _, source in IMPORT.findall(files["kept.js" if name == "api.js" else name]):
        if source not in met:
            _needed(source, files, met)
    return met


def _url(text: str) -> str:
    return "data:text/javascript;base64," + base64.b64encode(text.encode()).decode()


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
