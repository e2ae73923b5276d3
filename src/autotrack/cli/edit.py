"""``autotrack tag``, ``rename``, ``note``, ``rm``: changing what is said of runs, never what they measured.

An edit is a batch of records of a writer of its own. It is in the store when the command returns.
"""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from autotrack import words
from autotrack.cli import printing
from autotrack.cli.doors import complete_run, find_run, prints, store
from autotrack.errors import BackendUnavailable
from autotrack.records import AnyRecord, Batch, RunNoted, TagsSet

if TYPE_CHECKING:
    from autotrack.backends.protocol import Backend
    from autotrack.views import RunView

PATIENCE_S = (0.2, 0.5, 1.0, 2.0, 4.0)  # a training run may be holding the store just now


@click.command(short_help="Set tags of a run.")
@click.argument("run", shell_complete=complete_run)
@click.argument("tags", nargs=-1, metavar="KEY=VALUE…")
@click.option("-d", "--delete", "removed", multiple=True, metavar="KEY", help="Take this tag off.")
@prints
def tag(run: str, tags: tuple[str, ...], removed: tuple[str, ...], form: str) -> None:
    """Set tags of a run, or take them off.

    \b
    autotrack tag Ridge-12 team=nlp baseline
    autotrack tag Ridge-12 -d baseline
    """
    if not tags and not removed:
        raise click.UsageError("Say which tags: KEY=VALUE, KEY, or -d KEY")
    backend = store().backend
    view = find_run(run)
    values: dict[str, str | None] = dict.fromkeys(removed)
    for word in tags:
        key, _, value = word.partition("=")
        if not key:
            raise click.UsageError(f"{word!r} has no key; write KEY=VALUE")
        values[key] = value
    apply(backend, [TagsSet(view.id, time.time(), values)])
    told(backend, [view.id], form)


@click.command(short_help="Give a run another name.")
@click.argument("run", shell_complete=complete_run)
@click.argument("name")
@prints
def rename(run: str, name: str, form: str) -> None:
    """Give a run another name."""
    if not name.strip():
        raise click.UsageError("A name has at least one character")
    backend = store().backend
    view = find_run(run)
    apply(backend, [RunNoted(view.id, time.time(), "name", name)])
    told(backend, [view.id], form)


@click.command(short_help="Write a run's notes.")
@click.argument("run", shell_complete=complete_run)
@click.argument("text", nargs=-1)
@click.option("--append", is_flag=True, help="Add below what is there.")
@prints
def note(run: str, text: tuple[str, ...], append: bool, form: str) -> None:
    """Write a run's notes; without TEXT in your editor, with - from standard input."""
    backend = store().backend
    view = find_run(run)
    if not text:
        written = click.edit(view.notes)
        if written is None:
            raise click.UsageError("nothing was saved; the notes are as they were")
        notes = written.strip()
    else:
        notes = sys.stdin.read().strip() if text == ("-",) else " ".join(text)
        if append and view.notes:
            notes = f"{view.notes}\n{notes}"
    apply(backend, [RunNoted(view.id, time.time(), "notes", notes)])
    told(backend, [view.id], form)


@click.command(short_help="Delete runs; --undo brings them back.")
@click.argument("runs", nargs=-1, required=True, shell_complete=complete_run)
@click.option("--undo", is_flag=True, help="Bring deleted runs back.")
@prints
def rm(runs: tuple[str, ...], undo: bool, form: str) -> None:
    """Delete runs, with the runs inside them; --undo brings them back until `autotrack gc`."""
    backend = store().backend
    views = [find_run(run) for run in runs]
    ids = list(dict.fromkeys(view.id for view in views))
    for one in ids:  # grows while it is walked: children of children
        ids += [child.id for child in children(one) if child.id not in ids]
    changed = backend.delete(ids, undo=undo)
    if form == "text":
        word = "brought back" if undo else "deleted"
        click.echo(f"{words.plural(changed, 'run')} {word}")
        if changed and not undo:
            click.echo(f"To bring back: autotrack rm --undo {shlex.join(runs)}", err=True)
        return
    told(backend, ids, form)


def children(run_id: str) -> Sequence[RunView]:
    from autotrack.search import search_runs

    return search_runs(f"parent = '{run_id}'", limit=None, deleted=True)


def apply(backend: Backend, records: Sequence[AnyRecord]) -> None:
    """Write records as one batch; wait a little if the store is busy.   Raises: BackendUnavailable."""
    batch = Batch(os.urandom(8).hex(), 1, tuple(records))
    for pause_s in PATIENCE_S:
        try:
            return backend.write(batch)
        except BackendUnavailable:
            time.sleep(pause_s)
    return backend.write(batch)


def told(backend: Backend, ids: Sequence[str], form: str) -> None:
    """Print the runs as they are now."""
    from autotrack.cli.rows import flat_run, run_as_dict

    runs = [backend.run(one) for one in ids]
    if form == "json":
        printing.print_json([run_as_dict(run) for run in runs])
    elif form == "csv":
        printing.print_csv([flat_run(run) for run in runs])
    else:
        for run in runs:
            tags = " ".join(f"{key}={value}" if value else key for key, value in sorted(run.tags.items()))
            first = run.notes.splitlines()[0] if run.notes else ""
            printing.print_line(printing.console(), printing.styled("  ".join(filter(None, [run.id, run.name, tags, first]))))
