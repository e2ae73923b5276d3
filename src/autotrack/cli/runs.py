"""``autotrack ls``, ``search``, ``show``, ``compare``: reading what was recorded."""

from __future__ import annotations

from typing import Any

import click

from autotrack import words
from autotrack.cli import printing
from autotrack.cli.details import print_comparison, print_console, print_run
from autotrack.cli.doors import chosen_run, complete_experiment, complete_run, find_run, prints, store, why_empty
from autotrack.cli.listing import folded, narrowed, print_folds, print_runs, spoken_of
from autotrack.cli.rows import flat_run, fold_as_dict, points, run_as_dict, whole_run
from autotrack.errors import AutotrackError


@click.command(short_help="List runs, newest first.")
@click.argument("filter", default="")
@click.option("-n", "--limit", default=20, show_default=True, type=click.IntRange(min=1), help="Lines to show.")
@click.option("--all", "unfold", is_flag=True, help="One line for every run: neither folded nor without the runs inside runs.")
@click.option("--experiment", metavar="NAME", help="Only this experiment.", shell_complete=complete_experiment)
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
        click.echo("No run fits." if query else why_empty().capitalize(), err=True)
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
@click.option("--console", "only_console", is_flag=True, help="What it printed, and nothing else.")
@prints
def show(run: str | None, last: bool, curves: tuple[str, ...], only_console: bool, form: str) -> None:
    """Show one run: parameters, metrics, curves, environment, traceback, artifacts, runs inside it.

    RUN is its id, the beginning of it, or its name. With --csv: the points of its curves.
    """
    store()
    view = chosen_run(run, last)
    if only_console:
        if not print_console(printing.console(), view):
            raise AutotrackError(f"of {words.clean(view.name)} no console was kept: it printed nothing, or it was switched off")
        return
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
    from autotrack.difference import ABSENT

    if len(runs) < 2:
        raise click.UsageError("Name two runs or more")
    store()
    found = search.compare(*(find_run(run) for run in runs))
    if form == "text":
        print_comparison(printing.console(), found)
        return
    rows = [
        {"section": section, "key": key} | {run.id: None if value is ABSENT else value for run, value in zip(found.runs, values, strict=True)}
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
