"""``autotrack export``: runs as folders or as one page, or the whole store as a copy."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import click

from autotrack import words
from autotrack.cli import printing
from autotrack.cli.doors import complete_run, find_run, prints, store
from autotrack.errors import ArtifactNotFound, AutotrackError
from autotrack.settings import database


@click.command(short_help="Write runs as folders or a page, or copy the store.")
@click.argument("runs", nargs=-1, shell_complete=complete_run)
@click.option("--where", "filter", metavar="QUERY", help="Every run that fits a query.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="PATH", help="Folder to write (autotrack-export); with --html, --db a file.")
@click.option("--html", is_flag=True, help="One page of HTML with the charts of up to 50 runs, to open or send anywhere.")
@click.option("--db", is_flag=True, help="A copy of the whole SQLite store, whole and consistent while runs go on.")
@click.option("--force", is_flag=True, help="Write over what is there.")
@prints
def export(runs: tuple[str, ...], filter: str | None, output: Path | None, html: bool, db: bool, force: bool, form: str) -> None:
    """Write runs as folders: run.json, metrics.csv and artifacts.

    \b
    autotrack export Ridge-12
    autotrack export --where "experiment = 'iris'" -o iris
    autotrack export --where "experiment = 'iris'" --html -o iris.html
    autotrack export --db -o backup.db
    """
    from autotrack.search import search_runs

    found = store()
    if html and db:
        raise click.UsageError("--html and --db are two different files")
    if db:
        if runs or filter is not None:
            raise click.UsageError("--db copies the whole store; leave RUNS and --where out")
        source = database(found.settings.uri)
        if source is None:
            raise AutotrackError(f"--db copies a SQLite store; this one is {found.settings.uri}")
        target = output or Path("autotrack-backup.db")
        make_room(target, force)
        back_up(source, target)
        written = [{"path": str(target), "bytes": target.stat().st_size}]
    else:
        if bool(runs) == (filter is not None):
            raise click.UsageError("Name the runs, or say --where QUERY, or --db for the whole store")
        views = [find_run(run) for run in runs] if filter is None else list(search_runs(filter, limit=None))
        if html:
            written = [write_page([view.id for view in views], output or Path("autotrack-export.html"), force)]
        else:
            folder = output or Path("autotrack-export")
            written = [{"id": view.id, "path": str(export_run(view.id, folder, force))} for view in views]
    if form == "json":
        printing.print_json(written)
    elif form == "csv":
        printing.print_csv(written)
    else:
        for one in written:
            click.echo(words.clean(one["path"]))


def make_room(target: Path, force: bool) -> None:
    """Refuse to write over what is there, unless that is wanted."""
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        return
    if not force:
        raise AutotrackError(f"{target} is there already; --force writes over it")
    if target.is_dir():
        shutil.rmtree(target)
    else:
        target.unlink()


def back_up(source: Path, target: Path) -> None:
    """Copy a SQLite store whole.   Raises: AutotrackError if it cannot be read."""
    import sqlite3

    from autotrack.backends.migrations import copy

    try:
        copy(source, target)
    except sqlite3.Error as error:
        raise AutotrackError(f"{source} could not be copied to {target}: {error}") from error


def write_page(ids: list[str], target: Path, force: bool) -> dict[str, object]:
    """Write runs, each once, as one page; return where and how large."""
    from autotrack import __version__
    from autotrack.cli.ui import check_page
    from autotrack.recording.tracker import tracker
    from autotrack.server.portable import BYTES, portable

    check_page("an exported page")
    page = portable(tracker().backend, list(dict.fromkeys(ids)), __version__)
    make_room(target, force)
    target.write_bytes(page)
    if len(page) > BYTES:
        click.echo(f"autotrack: the page has {len(page) / 1e6:.1f} MB; name fewer runs for a smaller one", err=True)
    return {"path": str(target), "bytes": len(page)}


def export_run(run_id: str, folder: Path, force: bool) -> Path:
    """Write one run into a folder of its own, below ``folder``; return it."""
    import csv
    import json

    from autotrack.cli.rows import points, whole_run
    from autotrack.recording.runs import get_run

    view = get_run(run_id)
    target = folder / f"{safe_name(view.name)}-{view.id}"
    make_room(target, force)
    target.mkdir(parents=True)
    (target / "run.json").write_text(json.dumps(printing.as_json(whole_run(view)), indent=2, ensure_ascii=False) + "\n", "utf-8", "backslashreplace")
    with (target / "metrics.csv").open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.DictWriter(file, ("key", "step", "time", "value"), lineterminator="\n")
        writer.writeheader()
        writer.writerows(points(view))
    for artifact in view.artifacts:
        place = inside(target / "artifacts", artifact.name)
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            artifact.download(place)
        except ArtifactNotFound as error:
            click.echo(f"autotrack: {words.clean(error)}", err=True)
    return target


def safe_name(name: str) -> str:
    """A run's name as part of a file name."""
    return re.sub(r"[^\w.=+-]+", "_", name).strip("._")[:80] or "run"


def inside(folder: Path, name: str) -> Path:
    """The path of ``name`` below ``folder``.   Raises: AutotrackError if it would lie elsewhere."""
    place = folder.joinpath(*Path(name).parts) if not Path(name).is_absolute() else folder / ".."
    if ".." in Path(name).parts or not place.resolve().is_relative_to(folder.resolve()):
        raise AutotrackError(f"artifact {name!r} would be written outside {folder}; it was left out")
    return place
