"""How runs, curves and lists show themselves in a notebook: static HTML, complete in itself.

No script, no style sheet, no address: it is the same offline, exported by nbconvert, and in a notebook that is not trusted. Text
takes the page's own colour and lines are half transparent, so that it reads on light and dark; the colours of the curves have a contrast
of 3:1 or more on both. Every text is a user's: it passes ``_text``, and no other way leads into the markup.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, Any

from autotrack.difference import ABSENT
from autotrack.glance import measures, telling, weight
from autotrack.words import clean, clean_lines, moment, number, plural, size, span

if TYPE_CHECKING:
    from autotrack.views import RunView, Series

COLOURS = ("#4678d8", "#b9652e", "#2f8f5b", "#a355b5", "#8a7d1c", "#d0487e")
STATUS_COLOURS = {"running": "#4678d8", "finished": "#2f8f5b", "failed": "#d9435f", "interrupted": "#a8770a", "lost": "#a355b5"}
ODD = "#d9435f"  # marks where a value is not finite
WIDTH, HEIGHT = 400, 150  # of a picture, in its own units
LEFT, BOTTOM, TOP = 58, 18, 6  # room for the labels
POINTS = 400  # of a curve in a picture, in which the extremes are kept
PICTURES = 6  # of a run
MOST_ROWS = 100  # of a table; of parameters the rest opens with a click
MOST_TEXT = 300  # characters of one value
LINE = "rgba(128,128,128,.35)"
CELL = f"padding:2px 10px 2px 0;text-align:left;vertical-align:top;border-bottom:1px solid {LINE}"
RIGHT = CELL.replace("text-align:left", "text-align:right;font-variant-numeric:tabular-nums")


def run_html(run: RunView) -> str:
    """A run: how it went, its curves, metrics, parameters and files."""
    took = span(run.duration_s) if run.duration_s is not None else "running"
    head = f"<b>{_text(run.name)}</b> {_status(run.status)} {_soft(' · '.join([took, run.experiment, moment(run.started), run.id]))}"
    parts = [f"<div>{head}</div>"]
    if run.error:
        parts.append(f'<div style="color:{ODD}">{_text(run.error)}</div>')
    if run.tags:
        parts.append(f"<div>{_soft(', '.join(f'{key}={value}' if value else key for key, value in sorted(run.tags.items())))}</div>")
    if run.notes:
        parts.append(f'<div style="white-space:pre-wrap">{_text(run.notes, lines=True)}</div>')
    parts.append(_pictures(run))
    if run.metrics:
        rows = [[key, run.metrics[key], *_bounds(run, key)] for key in sorted(run.metrics, key=weight)]
        parts.append(_folded("metrics", len(rows), _table(["metric", "last", "min", "max", "points"], rows), is_open=True))
    if run.params:
        rows = [[key, run.params[key]] for key in sorted(run.params)]
        parts.append(_folded("parameters", len(rows), _table(["parameter", "value"], rows), is_open=len(rows) <= 20))
    if run.artifacts:
        rows = [[a.name, a.kind, size(a.size)] for a in run.artifacts]
        parts.append(_folded("artifacts", len(rows), _table(["artifact", "kind", "size"], rows)))
    if run.traceback:
        parts.append(_folded("traceback", 0, f'<pre style="background:none">{_text(run.traceback[-20_000:], 20_000, lines=True)}</pre>'))
    return _framed(parts)


def series_html(curve: Series) -> str:
    """One curve, with what it amounts to."""
    thinned = f", {len(curve)} of them shown" if len(curve) < curve.total else ""
    said = f"{plural(curve.total, 'point')}{thinned} · run {curve.run_id}"
    return _framed([f"<div>{_soft(said)}</div>", picture([_few(curve.last_wins())])])


def runs_html(runs: Sequence[RunView]) -> str:
    """A list of runs: the metrics that most of them have, and the parameters in which they differ."""
    shown = runs[:MOST_ROWS]
    often = len(shown) / 2
    metrics = [key for key in telling({key for run in shown for key in run.metrics}) if sum(key in run.metrics for run in shown) >= often][:4]
    params = [key for key in sorted({key for run in shown for key in run.params}) if _varies(run.params.get(key, ABSENT) for run in shown)][:6]
    head = ["run", "status", "started", "took", "experiment", *metrics, *params]
    rows = [
        [run.name, _Status(run.status), moment(run.started), span(run.duration_s), run.experiment]
        + [run.metrics.get(key, "") for key in metrics]
        + [run.params.get(key, "") for key in params]
        for run in shown
    ]
    more = [f"<div>{_soft(f'… and {len(runs) - len(shown)} more')}</div>"] if len(runs) > len(shown) else []
    return _framed([f"<div><b>{plural(len(runs), 'run')}</b></div>", _table(head, rows) if runs else "", *more])


def comparison_html(runs: Sequence[RunView], sections: Iterable[tuple[str, Mapping[str, tuple[Any, ...]]]]) -> str:
    """Where runs differ: a column a run."""
    names = [run.name if sum(other.name == run.name for other in runs) == 1 else f"{run.name} {run.id[-6:]}" for run in runs]
    parts = []
    for title, differences in sections:
        rows = [[key, *("–" if value is ABSENT else value for value in values)] for key, values in differences.items()]
        parts.append(_folded(title, len(rows), _table([title, *names], rows), is_open=True))
    return _framed(parts or [f"<div>{_soft('no difference between')} {_text(', '.join(names))}</div>"])


def picture(curves: Sequence[Series]) -> str:
    """Curves of one measure as an inline SVG, with a legend; what is not finite is a gap, and marked on the axis.

    A text if no point is finite.
    """
    kept = [_plain(curve) for curve in curves]
    finite = [(x, y) for points in kept for x, y in points if math.isfinite(y)]
    if not finite:
        return f"<div>{_soft(', '.join(curve.key for curve in curves) + ': no finite value')}</div>"
    xs = [x for points in kept for x, _ in points]
    left, right = min(xs), max(xs)
    low, high = min(y for _, y in finite), max(y for _, y in finite)

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - left) / (right - left) if right > left else 0.5
        up = (y / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.5  # halves: the widest range does not overflow
        return round(LEFT + across * (WIDTH - LEFT - 6), 1), round(TOP + (1 - up) * (HEIGHT - TOP - BOTTOM), 1)

    marks = [_lines(points, place, COLOURS[i % len(COLOURS)], i >= len(COLOURS)) for i, points in enumerate(kept)]
    floor = HEIGHT - BOTTOM
    odd = sorted({place(x, low)[0] for points in kept for x, y in points if not math.isfinite(y)})
    marks += [f'<path d="M{x} {floor - 7}l4 7h-8z" fill="{ODD}"><title>not finite</title></path>' for x in odd[:200]]
    words = [(LEFT - 5, TOP + 8, "end", number(high)), (LEFT, HEIGHT - 4, "start", number(left))]
    words += [(LEFT - 5, floor, "end", number(low))] if high > low else []
    words += [(WIDTH - 6, HEIGHT - 4, "end", number(right))] if right > left else []
    texts = [f'<text x="{x}" y="{y}" text-anchor="{anchor}">{_text(word)}</text>' for x, y, anchor, word in words]
    legend = " &nbsp; ".join(
        f'<span style="color:{COLOURS[i % len(COLOURS)]}">&#9644;</span> {_text(curve.key)} {_soft(number(float(curve.values[-1])))}'
        for i, curve in enumerate(curves)
    )
    label = escape(clean(", ".join(f"{curve.key} from step {number(left)} to {number(right)}" for curve in curves))[:MOST_TEXT], quote=True)
    return (
        f'<div style="display:inline-block;margin:6px 14px 0 0;max-width:100%"><div>{legend}</div>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" style="max-width:100%" role="img" aria-label="{label}" '
        f'font-size="10" font-family="sans-serif" fill="currentColor">'
        f'<path d="M{LEFT} {TOP}V{floor}H{WIDTH - 6}" fill="none" stroke="{LINE}"/>{"".join(marks)}{"".join(texts)}</svg></div>'
    )


def _few(curve: Series) -> Series:
    """The curve as a picture needs it: its extremes are kept."""
    if len(curve) <= POINTS:
        return curve
    import numpy as np  # reading only

    places, values = np.arange(len(curve)), curve.values
    blocks = np.array_split(places, POINTS // 4)
    ends = [place for block in blocks for place in (block[0], block[-1])]
    finite = [block[np.isfinite(values[block])] for block in blocks]
    extremes = [part[extreme(values[part])] for part in finite if len(part) for extreme in (np.argmin, np.argmax)]
    odd = places[~np.isfinite(values)][:POINTS]
    keep = np.unique(np.concatenate((ends, extremes, odd)).astype(np.int64))
    return replace(curve, steps=curve.steps[keep], times=curve.times[keep], values=values[keep])


def _plain(curve: Series) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in zip(curve.steps.tolist(), curve.values.tolist(), strict=True)]


def _lines(points: Sequence[tuple[float, float]], place: Any, colour: str, is_dashed: bool) -> str:
    """The stretches of finite points, each a line; one that is alone is a dot."""
    stretches: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if math.isfinite(y):
            stretches[-1].append(place(x, y))
        elif stretches[-1]:
            stretches.append([])
    dash = ' stroke-dasharray="5 3"' if is_dashed else ""
    drawn = [
        f'<circle cx="{stretch[0][0]}" cy="{stretch[0][1]}" r="2.2" fill="{colour}"/>'
        if len(stretch) == 1
        else f'<polyline points="{" ".join(f"{x},{y}" for x, y in stretch)}" fill="none" stroke="{colour}" stroke-width="1.4"{dash}/>'
        for stretch in stretches
        if stretch
    ]
    return "".join(drawn)


def _pictures(run: RunView) -> str:
    if run._reader is None:
        return ""
    groups = measures(run.statistics)
    drawn = [picture([run.history(key, points=POINTS).last_wins() for key in keys[:8]]) for keys in groups[:PICTURES]]
    more = len(groups) - PICTURES
    return "".join(drawn) + (f"<div>{_soft(f'… and {more} more: run.history(key)')}</div>" if more > 0 else "")


def _bounds(run: RunView, key: str) -> list[Any]:
    stats = run.statistics.get(key)
    return ["", "", ""] if stats is None else ["" if stats.min is None else stats.min, "" if stats.max is None else stats.max, stats.count]


def _varies(values: Iterable[Any]) -> bool:
    return len({repr(value) for value in values}) > 1


class _Status(str):
    """A status among the cells of a table."""


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    titles = "".join(f'<th style="{CELL}">{_text(title)}</th>' for title in head)
    lines = [f'<tr style="background:none">{"".join(map(_cell, row))}</tr>' for row in rows[:MOST_ROWS]]
    more = f"<div>{_soft(f'… and {len(rows) - MOST_ROWS} more')}</div>" if len(rows) > MOST_ROWS else ""
    return f'<table style="border-collapse:collapse"><thead><tr>{titles}</tr></thead><tbody>{"".join(lines)}</tbody></table>{more}'


def _cell(value: Any) -> str:
    if isinstance(value, _Status):
        return f'<td style="{CELL};white-space:nowrap">{_status(value)}</td>'
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    text = _text(number(value) if is_number else value)
    whole = ";white-space:nowrap" if len(text) < 30 else ""
    return f'<td style="{RIGHT if is_number else CELL}{whole}">{text}</td>'


def _folded(title: str, count: int, inside: str, *, is_open: bool = False) -> str:
    counted = f" {_soft(str(count))}" if count else ""
    return f"<details{' open' if is_open else ''}><summary>{_text(title)}{counted}</summary>{inside}</details>"


def _status(status: str) -> str:
    return f'<span style="color:{STATUS_COLOURS.get(status, "inherit")}">&#9679;</span> {_text(status)}'


def _soft(text: str) -> str:
    return f'<span style="opacity:.7">{_text(text)}</span>'


def _text(value: object, most: int = MOST_TEXT, *, lines: bool = False) -> str:
    """A user's text, which is only shown: no markup, no control characters, no turned direction."""
    text = str(value)
    text = text if len(text) <= most else f"{text[: most - 1]}…"
    made = escape(clean_lines(text) if lines else clean(text), quote=True)
    return made.replace("$", "<span>$</span>").replace("\\", "<span>\\</span>")  # alone in an element it begins no formula


def _framed(parts: Iterable[str]) -> str:
    return f'<div class="tex2jax_ignore mathjax_ignore" style="font-size:13px;line-height:1.5;overflow-x:auto">{"".join(parts)}</div>'
