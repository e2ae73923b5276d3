"""``autotrack where`` and ``gc``: the store's place, and room in it."""

from __future__ import annotations

from typing import Any

import click

from autotrack import words
from autotrack.cli import printing
from autotrack.cli.doors import prints, store
from autotrack.settings import database


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
    import time

    from autotrack.query import seconds_of
    from autotrack.search import search_runs

    age_s = seconds_of("".join(older_than.split()))
    if age_s is None:
        raise click.BadParameter(f"{older_than!r} is no age; write 90s, 15m, 12h, 30d or 2w", param_hint="--older-than")
    found = store()
    before = time.time() - age_s
    going = search_runs(f"deleted <= {before}", limit=None)
    said: dict[str, Any] = {"runs": len(going), "files": 0, "bytes": 0}
    if not dry_run:
        said["runs"] = found.backend.purge(age_s)
        said["files"], said["bytes"] = found.artifacts.sweep(found.backend.digests())
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
