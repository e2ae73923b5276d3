"""``autotrack where`` and ``gc``: the store's place, and room in it."""

from __future__ import annotations

import re
import time
from typing import Any

import click

from autotrack import words
from autotrack.cli import printing
from autotrack.cli.doors import prints, store
from autotrack.settings import database

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@click.command(short_help="Print where the store is.")
@prints
def where(form: str) -> None:
    """Print where the store is, or would be."""
    from autotrack.recording.tracker import tracker

    settings = tracker().settings
    path = database(settings.uri)
    exists = path is None or path.exists()
    if form == "text":
        click.echo(path or settings.uri)
        if not exists:
            click.echo("(not there yet: the first run makes it)", err=True)
        return
    said = {"uri": settings.uri, "database": path and str(path), "folder": str(settings.folder) if settings.folder else None, "exists": exists}
    if form == "json":
        printing.print_json(said)
    else:
        printing.print_csv([said])


@click.command(short_help="Remove deleted runs for good.")
@click.option("--older-than", default="30d", show_default=True, metavar="AGE", help="Only runs deleted longer ago than this (90s, 12h, 30d, 0d).")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@prints
def gc(older_than: str, dry_run: bool, form: str) -> None:
    """Remove deleted runs for good, and the files that no run needs any more."""
    from autotrack.search import search_runs

    age_s = seconds(older_than)
    found = store()
    before = time.time() - age_s
    going = search_runs(f"deleted <= {before}", limit=None)
    said: dict[str, Any] = {"runs": len(going), "files": 0, "bytes": 0}
    if not dry_run:
        said["runs"] = found.backend.purge(age_s)
        said["files"], said["bytes"] = swept(found)
    if form == "json":
        printing.print_json(said)
    elif form == "csv":
        printing.print_csv([said])
    elif dry_run:
        for run in going:
            click.echo(f"{run.id}  {words.clean(run.name)}")
        click.echo(f"{words.plural(len(going), 'run')} would be removed")
    else:
        click.echo(f"{words.plural(said['runs'], 'run')} and {words.plural(said['files'], 'file')} removed")
        click.echo(f"{words.size(said['bytes'])} freed")


def seconds(age: str) -> float:
    """``30d`` in seconds; not more than have passed since 1970."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhdw])\s*", age)
    if match is None:
        raise click.BadParameter(f"{age!r} is no age; write 90s, 15m, 12h, 30d or 2w", param_hint="--older-than")
    return min(float(match[1]) * UNITS_S[match[2]], time.time())


def swept(found: Any) -> tuple[int, int]:
    """Remove the artifacts that no run has; how many, and their bytes. What was stored within a day stays: its record may be on the way."""
    count, freed = found.artifacts.sweep(found.backend.digests())
    return count, freed
