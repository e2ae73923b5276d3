"""``autotrack ls``, ``search``, ``show``, ``compare``: reading what was recorded."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from autotrack.cli import printing
from autotrack.cli.doors import chosen_run, complete_run, find_run, prints, store
from autotrack.cli.printing import Column

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from autotrack.query import Field
    from autotrack.search import Comparison, Fold
    from autotrack.views import RunView, Series

PAGE = 1000  # runs read at once for a folded list
CHILDREN = 20  # runs inside a run that show lists
PLOTS = 6  # pictures that show draws unasked


@click.command(short_help="List runs, newest first.")
@click.argument("filter", default="")
@click.option("-n", "--limit", default=20, show_default=True, type=click.IntRange(min=1), help="Lines to show.")
@click.option("--all", "unfold", is_flag=True, help="One line for every run: neither folded nor without the runs inside runs.")
@click.option("--experiment", metavar="NAME", help="Only this experiment.")
@click.option("--deleted", is_flag=True, help="Deleted runs too.")
@prints
def ls(filter: str, limit: int, unfold: bool, experiment: str | None, deleted: bool, form: str) -> None:
    """List runs, newest first; runs that a loop repeated are one line.

    \b
    autotrack ls
    autotrack ls "status = 'failed' and started > 2d ago"
    autotrack ls --experiment iris --all
    """
    store()
    query = narrowed(filter, experiment)
    if unfold:
        from autotrack.search import fold, search_runs

        lines = [one for run in search_runs(query, limit=limit, deleted=deleted) for one in fold([run])]
        more = False
    else:
        lines, more = folded(query, limit, deleted)
    if form == "json":
        printing.print_json([fold_as_dict(line) for line in lines])
    elif form == "csv":
        printing.print_csv([flat_run(line.first) | {"runs": len(line.runs)} for line in lines])
    elif not lines:
        click.echo("No run fits." if query else "No run was recorded yet: autotrack run train.py", err=True)
    else:
        print_folds(printing.console(), lines)
        if more:
            click.echo(f"… and older ones: autotrack ls -n {limit * 5}", err=True)


@click.command(short_help="Find runs by a query.")
@click.argument("filter", default="")
@click.option("--order-by", default="", metavar="KEYS", help='For example "metrics.f1 desc, params.lr"; default: newest first.')
@click.option("-n", "--limit", default=100, show_default=True, type=click.IntRange(min=1), help="Runs to show.")
@click.option("--columns", default="", metavar="KEYS", help='Columns to add, for example "params.lr, metrics.f1".')
@click.option("--deleted", is_flag=True, help="Deleted runs too.")
@prints
def search(filter: str, order_by: str, limit: int, columns: str, deleted: bool, form: str) -> None:
    """Find runs by a query; what the query names is shown as columns.

    \b
    autotrack search "metrics.val/acc > 0.9 and params.lr < 0.01" --order-by "metrics.val/acc desc"
    autotrack search "tags.team = 'nlp'" --columns "params.lr, metrics.loss" --csv
    """
    from autotrack.search import search_runs

    store()
    runs = search_runs(filter, order_by=order_by, limit=limit, deleted=deleted)
    if form == "json":
        printing.print_json([run_as_dict(run) for run in runs])
    elif form == "csv":
        printing.print_csv([flat_run(run) for run in runs])
    elif not runs:
        click.echo("No run fits.", err=True)
    else:
        print_runs(printing.console(), runs, spoken_of(filter, order_by, columns))


@click.command(short_help="Show one run.")
@click.argument("run", required=False, shell_complete=complete_run)
@click.option("--last", is_flag=True, help="The run that started last.")
@click.option("--curve", "curves", multiple=True, metavar="KEY", help="Draw this metric; several go into one picture.")
@prints
def show(run: str | None, last: bool, curves: tuple[str, ...], form: str) -> None:
    """Show one run: parameters, metrics, curves, environment, traceback, artifacts, runs inside it.

    RUN is its id, the beginning of it, or its name. With --csv: the points of its curves.
    """
    store()
    view = chosen_run(run, last)
    if form == "json":
        printing.print_json(whole_run(view))
    elif form == "csv":
        printing.print_csv(points(view, curves))
    else:
        print_run(printing.console(), view, curves)


@click.command(short_help="Show where runs differ.")
@click.argument("runs", nargs=-1, required=True, shell_complete=complete_run)
@prints
def compare(runs: tuple[str, ...], form: str) -> None:
    """Show where runs differ: parameters, metrics, tags, code, environment, data sets.

    RUNS are two or more ids, beginnings of ids, or names.
    """
    from autotrack import search

    if len(runs) < 2:
        raise click.UsageError("Name two runs or more")
    store()
    found = search.compare(*(find_run(run) for run in runs))
    if form == "text":
        print_comparison(printing.console(), found)
        return
    rows = [
        {"section": section, "key": key} | {run.id: None if value is search.ABSENT else value for run, value in zip(found.runs, values, strict=True)}
        for section, differences in found
        for key, values in differences.items()
    ]
    if form == "csv":
        printing.print_csv(rows)
        return
    sections: dict[str, Any] = {"runs": [{"id": run.id, "name": run.name} for run in found.runs]}
    for row in rows:
        sections.setdefault(str(row.pop("section")), {})[row.pop("key")] = row
    printing.print_json(sections)


# --- lists


def narrowed(filter: str, experiment: str | None) -> str:
    if experiment is None:
        return filter
    from autotrack.query import parse

    parse(filter)  # what is wrong with it is pointed at in its own text
    quoted = "'" + experiment.replace("'", "''") + "'"
    return f"({filter}) and experiment = {quoted}" if filter.strip() else f"experiment = {quoted}"


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
        Column("NAME", 0, least=12),
        Column("STATUS", 1),
        Column("STARTED", 3),
        Column("TIME", 4, right=True),
        Column("EXPERIMENT", 5 if several else 6, least=10),
        Column("METRICS", 2, least=16),
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
                printing.styled(printing.moment(run.started)),
                printing.styled(printing.span(took(line))),
                printing.styled(run.experiment, "dim"),
                printing.styled(metrics_of(line)),
            ]
        )
    printing.print_table(to, columns, rows)


def print_runs(to: Console, runs: Sequence[RunView], fields: Sequence[Field]) -> None:
    width = id_width([run.id for run in runs])
    columns = [Column("ID"), Column("NAME", 0, least=12), Column("STATUS", 7), Column("STARTED", 8)]
    columns += [Column(printing.clean(title_of(field)), 2 + (i > 2), right=True) for i, field in enumerate(fields)]
    if not fields:
        columns.append(Column("METRICS", 2, least=16))
    rows = []
    for run in runs:
        start = [
            printing.styled(run.id[:width], "dim" if run.deleted else "bold"),
            printing.styled(run.name),
            printing.styled(run.status, printing.STATUS_STYLES[run.status]),
            printing.styled(printing.moment(run.started)),
        ]
        rest = [printing.styled(printing.number(value_of(run, field))) for field in fields]
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


def took(line: Fold) -> float | None:
    """Seconds that the runs took together; until now, of those that run."""
    import time

    return sum(max((time.time() if run.ended is None else run.ended) - run.started, 0.0) for run in line.runs)


def metrics_of(line: Fold) -> str:
    return few_metrics(line.runs)


def few_metrics(runs: Sequence[RunView], most: int = 3) -> str:
    """The metrics that say most of the runs; of several runs, from lowest to highest."""
    from autotrack.search import telling

    values: dict[str, list[float]] = {}
    for run in runs:
        for key, value in run.metrics.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                values.setdefault(key, []).append(float(value))
    parts = []
    for key in telling(values)[:most]:
        low, high = min(values[key]), max(values[key])
        dots = "…" if printing.is_unicode() else ".."
        spread = printing.number(low) if low == high or math.isnan(low) else f"{printing.number(low)}{dots}{printing.number(high)}"
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
    return printing.moment(value) if field.nature == "time" else printing.span(value) if field.name == "duration" else value


# --- one run


def print_run(to: Console, run: RunView, wanted: Sequence[str]) -> None:
    from rich.text import Text

    title = printing.styled(run.name, "bold")
    title.append(f"  {run.status}", printing.STATUS_STYLES[run.status])
    title.append(f"  {printing.span(run.duration_s)}" if run.duration_s is not None else "")
    printing.print_line(to, title)
    print_pairs(to, [(key, value) for key, value in facts(run) if value])
    if run.notes:
        heading(to, "NOTES")
        for line in printing.clean_lines(run.notes).splitlines():
            to.print(Text("  " + line))
    if run.traceback:
        heading(to, "TRACEBACK")
        for line in printing.clean_lines(run.traceback).splitlines():
            to.print(Text("  " + line, style="red"), soft_wrap=True)
    if run.params:
        heading(to, "PARAMETERS")
        unset = [key for key, value in run.params.items() if value is None]
        few = len(unset) < 6
        print_pairs(to, [(key, printing.number(run.params[key])) for key in sorted(run.params) if few or key not in unset])
        if not few:
            printing.print_line(to, printing.styled(f"  {len(unset)} more are None: {', '.join(sorted(unset))}", "dim"))
        for key, earlier in run.params_before.items():
            printing.print_line(to, printing.styled(f"  {key} was set before, to: {', '.join(map(printing.number, earlier))}", "yellow"))
    if run.metrics:
        heading(to, "METRICS")
        print_metrics(to, run)
    if run.dropped:
        printing.print_line(to, printing.styled(f"  {run.dropped} points are missing: there was no room for them", "yellow"))
    print_curves(to, run, wanted)
    if run.artifacts:
        heading(to, "ARTIFACTS")
        rows = [
            [printing.styled("  " + a.name), printing.styled(a.kind), printing.styled(printing.size(a.size)), printing.styled(a.digest[:19], "dim")]
            for a in run.artifacts
        ]
        printing.print_table(to, [Column("  NAME", least=20), Column("KIND", 2), Column("SIZE", 1, right=True), Column("CONTENT", 3)], rows)
    children = run.children()
    if children:
        from autotrack.search import fold

        heading(to, f"RUNS INSIDE ({len(children)})")
        print_folds(to, [one for child in children[:CHILDREN] for one in fold([child])])
        if len(children) > CHILDREN:
            printing.print_line(to, printing.styled(f"… and {len(children) - CHILDREN} more: autotrack search \"parent = '{run.id}'\"", "dim"))
    if run.environment:
        heading(to, "ENVIRONMENT")
        print_pairs(to, environment(run.environment))


def facts(run: RunView) -> Iterator[tuple[str, str]]:
    yield "id", run.id
    yield "experiment", run.experiment
    yield "error", run.error or ""
    yield "started", printing.moment(run.started)
    yield "ended", printing.moment(run.ended)
    yield "from", run.call_site
    yield "observed", run.kind
    yield "inside", run.parent_id or ""
    yield "deleted", printing.moment(run.deleted)
    yield "tags", ", ".join(f"{key}={value}" if value else key for key, value in sorted(run.tags.items()))


def environment(tree: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The environment in lines; the packages in one, all else as it was recorded."""
    from autotrack.search import flattened

    lines = []
    for key, value in tree.items():
        if key == "packages" and isinstance(value, Mapping):
            lines.append((key, ", ".join(f"{name} {version}" for name, version in sorted(value.items()))))
        elif isinstance(value, Mapping):
            lines += [(f"{key}.{inner}", printing.number(leaf)) for inner, leaf in flattened(value) if leaf not in (None, "")]
        elif value not in (None, "", [], {}):
            lines.append((key, " ".join(map(str, value)) if isinstance(value, (list, tuple)) else printing.number(value)))
    return [(key, value if len(value) < 400 else f"{value[:399]}…") for key, value in lines]


def heading(to: Console, title: str) -> None:
    to.print()
    printing.print_line(to, printing.styled(title, "bold"))


def print_pairs(to: Console, pairs: Sequence[tuple[str, str]]) -> None:
    """Names and values, the values in one column; long ones go on below themselves."""
    from rich.text import Text

    left = min(max((len(key) for key, _ in pairs), default=0), max(to.width // 2 - 4, 8))
    for key, value in pairs:
        name = Text("  " + printing.clean(key), "dim")
        name.truncate(left + 2, overflow="ellipsis", pad=True)
        lines = Text(printing.clean(value)).wrap(to, max(to.width - left - 4, 8), overflow="fold") or [Text("")]
        for number_of_it, line in enumerate(lines):
            line.rstrip()
            to.print((name if number_of_it == 0 else Text(" " * (left + 2))) + Text("  ") + line)


def print_metrics(to: Console, run: RunView) -> None:
    rows = []
    for key in sorted(run.metrics):
        stats = run.statistics.get(key)
        cells = [f"  {key}", printing.number(run.metrics[key])]
        cells += [printing.number(stats.min), printing.number(stats.max), str(stats.count)] if stats else ["", "", ""]
        rows.append([printing.styled("" if cell == "None" else cell) for cell in cells])
    right = [Column(title, rank, right=True) for title, rank in (("LAST", 0), ("MIN", 1), ("MAX", 1), ("POINTS", 2))]
    printing.print_table(to, [Column("  KEY", least=16), *right], rows)


def print_curves(to: Console, run: RunView, wanted: Sequence[str]) -> None:
    """One picture of the wanted series; else pictures of all with two points or more, those of one measure (train/loss, val/loss) in one."""
    from autotrack.cli.curves import draw, legend
    from autotrack.search import weight

    for key in wanted:
        run.stats(key)  # says which there are
    keys = sorted((key for key, stats in run.statistics.items() if stats.count > 1 and not key.startswith("system/")), key=weight)
    pictures: dict[str, list[str]] = {"": list(wanted)} if wanted else {}
    for key in [] if wanted else keys:
        pictures.setdefault(key.rpartition("/")[2], []).append(key)
    width = min(to.width, 100) if to.width < 1000 else 80
    coloured = to.color_system is not None and not to.no_color
    for number_of_it, group in enumerate(pictures.values()):
        if number_of_it == PLOTS and not wanted:
            heading(to, f"… and {len(pictures) - PLOTS} more: --curve KEY draws one")
            return
        shown = list(wanted) or sorted(group)[:6]
        series: list[Series] = [run.history(key, points=max(width * 4, 400)).last_wins() for key in shown]
        braille = printing.is_unicode() and (coloured or len(series) == 1)
        lines = draw(series, width=width - 2, braille=braille)
        if lines:
            to.print()
            printing.print_line(to, printing.styled("  "), legend(series, braille=braille))
        for line in lines:
            printing.print_line(to, printing.styled("  "), line)


def print_comparison(to: Console, found: Comparison) -> None:
    from autotrack.search import ABSENT

    names = [run.name for run in found.runs]
    if len(set(names)) < len(names):
        names = [f"{run.name} {run.id[-6:]}" for run in found.runs]
    for run in found.runs:
        printing.print_line(to, printing.styled(f"{run.id}  {run.name}  {run.status}  {printing.moment(run.started)}"))
    sections = list(found)
    if not sections:
        to.print("No difference: parameters, metrics, tags, code, environment and data sets are the same.")
        return
    for section, differences in sections:
        heading(to, {"datasets": "DATA SETS", "params": "PARAMETERS"}.get(section, section.upper()))
        absent = "–" if printing.is_unicode() else "-"
        rows = [
            [printing.styled(f"  {key}"), *(printing.styled(absent if value is ABSENT else printing.number(value)) for value in values)]
            for key, values in differences.items()
            if not any("\n" in str(value) for value in values)
        ]
        if rows:
            printing.print_table(to, [Column("  KEY", least=10), *(Column(printing.clean(name), least=8) for name in names)], rows)
        for key, values in differences.items():
            if any("\n" in str(value) for value in values):
                print_texts(to, key, names, ["" if value is ABSENT else str(value) for value in values])


def print_texts(to: Console, key: str, names: Sequence[str], texts: Sequence[str], most: int = 60) -> None:
    """Long texts (uncommitted changes) as a unified diff against the first."""
    from difflib import unified_diff

    from rich.text import Text

    printing.print_line(to, printing.styled(f"  {key}"))
    for name, text in zip(names[1:], texts[1:], strict=True):
        lines = list(unified_diff(texts[0].splitlines(), text.splitlines(), names[0], name, lineterm="", n=1))
        for line in lines[:most]:
            style = "green" if line.startswith("+") else "red" if line.startswith("-") else "dim"
            to.print(Text("    " + printing.clean_lines(line), style=style), soft_wrap=True)
        if len(lines) > most:
            printing.print_line(to, printing.styled(f"    … {len(lines) - most} more lines; --json has all", "dim"))


# --- JSON and CSV


def run_as_dict(run: RunView) -> dict[str, Any]:
    """A run as it is printed and exported; times are ISO 8601 in UTC."""
    return {
        "id": run.id,
        "name": run.name,
        "experiment": run.experiment,
        "status": run.status,
        "error": run.error,
        "started": printing.iso(run.started),
        "ended": printing.iso(run.ended),
        "duration_s": run.duration_s,
        "parent_id": run.parent_id,
        "kind": run.kind,
        "session": run.session,
        "call_site": run.call_site,
        "host": run.host,
        "user": run.user,
        "deleted": printing.iso(run.deleted),
        "notes": run.notes,
        "params": dict(run.params),
        "metrics": dict(run.metrics),
        "tags": dict(run.tags),
        "artifacts": [
            {"name": a.name, "kind": a.kind, "size": a.size, "digest": a.digest, "step": a.step, "time": printing.iso(a.time), "meta": dict(a.meta)}
            for a in run.artifacts
        ],
    }


def whole_run(run: RunView) -> dict[str, Any]:
    """The same, with what only the whole view has."""
    return run_as_dict(run) | {
        "pid": run.pid,
        "traceback": run.traceback,
        "environment": dict(run.environment),
        "params_before": {key: list(values) for key, values in run.params_before.items()},
        "dropped": run.dropped,
        "statistics": {
            key: {name: getattr(stats, name) for name in ("count", "first", "first_step", "last", "last_step", "min", "max", "mean", "nonfinite")}
            for key, stats in run.statistics.items()
        },
        "children": [child.id for child in run.children()],
    }


def flat_run(run: RunView) -> dict[str, Any]:
    """A run as a row of a table."""
    plain = ("id", "name", "experiment", "status", "error", "started", "ended", "duration_s", "parent_id", "call_site", "notes")
    whole = run_as_dict(run)
    row = {key: whole[key] for key in plain}
    for part in ("params", "metrics", "tags"):
        row |= {f"{part}.{key}": value for key, value in whole[part].items()}
    return row


def fold_as_dict(line: Fold) -> dict[str, Any]:
    return {"title": line.title, "count": len(line.runs), "runs": [run.id for run in line.runs], "first": run_as_dict(line.first)}


def points(run: RunView, wanted: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """Every point of the run's curves."""
    for key in wanted or sorted(run.statistics):
        curve = run.history(key)
        for step, time, value in zip(curve.steps.tolist(), curve.times.tolist(), curve.values.tolist(), strict=True):
            yield {"key": key, "step": step, "time": printing.iso(time), "value": value}
