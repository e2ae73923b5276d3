"""Lists of runs, as tables: folded for ``ls``, with the columns of a query for ``search``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from autotrack import words
from autotrack.cli import printing
from autotrack.cli.printing import Column

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from autotrack.query import Field
    from autotrack.search import Fold
    from autotrack.views import RunView

PAGE = 1000  # runs read at once for a folded list


def narrowed(filter: str, experiment: str | None) -> str:
    if experiment is None:
        return filter
    from autotrack.query import parse, quoted

    parse(filter)  # what is wrong with it is pointed at in its own text
    inside = f"experiment = {quoted(experiment)}"
    return f"({filter}) and {inside}" if filter.strip() else inside


def folded(query: str, limit: int, deleted: bool) -> tuple[list[Fold], bool]:
    """The newest ``limit`` lines, each with all of its runs, and whether there are more.

    Runs are read page by page until the lines are there and a page brought no run of their processes any more.
    Runs inside runs are left out.
    """
    from autotrack.search import fold, search_runs

    runs: list[RunView] = []
    offset = 0
    while True:
        page = search_runs(query, limit=PAGE, offset=offset, deleted=deleted)
        offset += PAGE
        runs += [run for run in page if run.parent_id is None]
        folds = fold(runs)
        sessions = {line.first.session for line in folds[:limit]}
        if len(page) < PAGE or (len(folds) > limit and not any(run.session in sessions for run in page)):
            return folds[:limit], len(folds) > limit


def print_folds(to: Console, lines: Sequence[Fold]) -> None:
    several = len({line.first.experiment for line in lines}) > 1
    columns = [
        Column("ID", 0),
        Column("NAME", 0, least=12, good=24),
        Column("STATUS", 0, least=8),
        Column("STARTED", 4),
        Column("TIME", 3, right=True),
        Column("EXPERIMENT", 5 if several else 6, least=10),
        Column("METRICS", 2, least=12, good=18),
    ]
    width = id_width([line.first.id for line in lines])
    rows = []
    for line in lines:
        run = line.first
        rows.append(
            [
                printing.styled(run.id[:width], "dim" if run.deleted else "bold"),
                printing.styled(line.title),
                status(line),
                printing.styled(words.moment(run.started)),
                printing.styled(words.span(took(line))),
                printing.styled(run.experiment, "dim"),
                printing.styled(few_metrics(line.runs)),
            ]
        )
    printing.print_table(to, columns, rows)


def print_runs(to: Console, runs: Sequence[RunView], fields: Sequence[Field]) -> None:
    width = id_width([run.id for run in runs])
    columns = [Column("ID"), Column("NAME", 0, least=12, good=24), Column("STATUS", 7), Column("STARTED", 8)]
    columns += [Column(words.clean(title_of(field)), 2 + (i > 2), right=True) for i, field in enumerate(fields)]
    if not fields:
        columns.append(Column("METRICS", 2, least=16))
    rows = []
    for run in runs:
        start = [
            printing.styled(run.id[:width], "dim" if run.deleted else "bold"),
            printing.styled(run.name),
            printing.styled(run.status, printing.STATUS_STYLES[run.status]),
            printing.styled(words.moment(run.started)),
        ]
        rest = [printing.styled(words.number(value_of(run, field))) for field in fields]
        rows.append(start + (rest or [printing.styled(few_metrics([run]))]))
    printing.print_table(to, columns, rows)


def id_width(ids: Sequence[str]) -> int:
    """How much of an id is shown: twelve characters (the time to the millisecond and two), more where they do not tell two apart."""
    width = 12
    while width < 26 and len({one[:width] for one in ids}) < len(ids):
        width += 2
    return width


def status(line: Fold) -> Text:
    """The status; of several runs the count of each, worst first."""
    if len(line.runs) == 1:
        return printing.styled(line.first.status, printing.STATUS_STYLES[line.first.status])
    counts = {name: sum(run.status == name for run in line.runs) for name in ("failed", "lost", "interrupted", "running", "finished")}
    there = [(name, count) for name, count in counts.items() if count]
    if len(there) == 1:
        return printing.styled(there[0][0], printing.STATUS_STYLES[there[0][0]])
    return printing.styled(", ".join(f"{count} {name}" for name, count in there[:2]), printing.STATUS_STYLES[there[0][0]])


def took(line: Fold) -> float:
    """Seconds that the runs took together; until now, of those that run."""
    import time

    return sum(max((time.time() if run.ended is None else run.ended) - run.started, 0.0) for run in line.runs)


def few_metrics(runs: Sequence[RunView], most: int = 3) -> str:
    """The metrics that say most of the runs; of several runs, from lowest to highest."""
    from autotrack.glance import telling

    values: dict[str, list[float]] = {}
    for run in runs:
        for key, value in run.metrics.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                values.setdefault(key, []).append(float(value))
    parts = []
    for key in telling(values)[:most]:
        low, high = min(values[key]), max(values[key])
        dots = "…" if printing.is_unicode() else ".."
        spread = words.number(low) if low == high or math.isnan(low) else f"{words.number(low)}{dots}{words.number(high)}"
        parts.append(f"{key} {spread}")
    return "  ".join(parts)


def spoken_of(filter: str, order_by: str, columns: str) -> list[Field]:
    """What the columns ask for, then what the query names, without what every list shows."""
    from autotrack.query import conditions_of, parse

    asked = [order.field for order in parse(order_by=columns).order]
    query = parse(filter, order_by)
    named = [condition.field for condition in conditions_of(query.where)] + [order.field for order in query.order]
    known = {"id", "name", "status", "started", "experiment"}
    return list(dict.fromkeys([*asked, *(field for field in named if field.group != "run" or field.name not in known)]))


def title_of(field: Field) -> str:
    return field.name if field.statistic == "last" else f"{field.name}.{field.statistic}"


def value_of(run: RunView, field: Field) -> Any:
    """What a run has in a field, for people; "" if it has nothing."""
    if field.group == "metrics" and field.statistic != "last":
        return getattr(run.statistics.get(field.name), field.statistic, "")
    if field.group != "run":
        values: Mapping[str, Any] = getattr(run, field.group)
        return values.get(field.name, "")
    value = getattr(run, {"duration": "duration_s", "parent": "parent_id"}.get(field.name, field.name))
    if value is None:
        return ""
    return words.moment(value) if field.nature == "time" else words.span(value) if field.name == "duration" else value
