"""``autotrack where``, ``doctor``, ``gc``, ``export``: the store itself."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from autotrack.cli import printing
from autotrack.cli.doors import NoStore, complete_run, find_run, prints, store
from autotrack.cli.launch import interpreter
from autotrack.errors import ArtifactNotFound, AutotrackError
from autotrack.settings import database

NETWORK = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "lustre", "glusterfs", "ceph", "fuse.sshfs")  # file systems
RECOVER = "the file is damaged; copy it away, then: sqlite3 autotrack.db .recover"
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


@click.command(short_help="Check settings, store and frameworks.")
@prints
def doctor(form: str) -> None:
    """Check settings, store and frameworks, and say what is wrong.

    Exit code 1 if something is.
    """
    findings = [*settings_findings(), *store_findings(), *framework_findings()]
    if form == "json":
        printing.print_json(findings)
    elif form == "csv":
        printing.print_csv(findings)
    else:
        print_findings(findings)
    if any(not finding["ok"] for finding in findings):
        raise click.exceptions.Exit(1)


@click.command(short_help="Remove deleted runs for good.")
@click.option("--older-than", default="30d", show_default=True, metavar="AGE", help="Only runs deleted longer ago than this (90s, 12h, 30d, 0d).")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@prints
def gc(older_than: str, dry_run: bool, form: str) -> None:
    """Remove deleted runs for good, and the files that no run needs any more."""
    import time

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
            click.echo(f"{run.id}  {printing.clean(run.name)}")
        click.echo(f"{printing.plural(len(going), 'run')} would be removed")
    else:
        click.echo(f"{printing.plural(said['runs'], 'run')} and {printing.plural(said['files'], 'file')} removed")
        click.echo(f"{printing.size(said['bytes'])} freed")


@click.command(short_help="Write runs as folders, or copy the store.")
@click.argument("runs", nargs=-1, shell_complete=complete_run)
@click.option("--where", "filter", metavar="QUERY", help="Every run that fits a query.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="PATH", help="Folder (autotrack-export), with --db file, to write.")
@click.option("--db", is_flag=True, help="A copy of the whole SQLite store, whole and consistent while runs go on.")
@click.option("--force", is_flag=True, help="Write over what is there.")
@prints
def export(runs: tuple[str, ...], filter: str | None, output: Path | None, db: bool, force: bool, form: str) -> None:
    """Write runs as folders: run.json, metrics.csv and artifacts.

    \b
    autotrack export Ridge-12
    autotrack export --where "experiment = 'iris'" -o iris
    autotrack export --db -o backup.db
    """
    from autotrack.search import search_runs

    found = store()
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
        folder = output or Path("autotrack-export")
        written = [{"id": view.id, "path": str(export_run(view.id, folder, force))} for view in views]
    if form == "json":
        printing.print_json(written)
    elif form == "csv":
        printing.print_csv(written)
    else:
        for one in written:
            click.echo(printing.clean(one["path"]))


# --- export


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
    """Copy a SQLite database through its backup API: one moment of it, whatever is being written."""
    import sqlite3
    from contextlib import closing

    try:
        with closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as read, closing(sqlite3.connect(target)) as written:
            read.backup(written)
    except sqlite3.Error as error:
        raise AutotrackError(f"{source} could not be copied to {target}: {error}") from error


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
            click.echo(f"autotrack: {printing.clean(error)}", err=True)
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


# --- gc


def seconds(age: str) -> float:
    """``30d`` in seconds."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhdw])\s*", age)
    if match is None:
        raise click.BadParameter(f"{age!r} is no age; write 90s, 15m, 12h, 30d or 2w", param_hint="--older-than")
    return float(match[1]) * UNITS_S[match[2]]


def swept(found: Any) -> tuple[int, int]:
    """Remove the artifacts that no run has; how many, and their bytes. What was stored within a day stays: its record may be on the way."""
    count, freed = found.artifacts.sweep(found.backend.digests())
    return count, freed


# --- doctor


def finding(about: str, name: str, value: object, ok: bool = True, advice: str = "") -> dict[str, Any]:
    return {"about": about, "name": name, "value": value, "ok": ok, "advice": advice}


def settings_findings() -> Iterator[dict[str, Any]]:
    from dataclasses import fields

    from autotrack.recording.tracker import tracker

    settings = tracker().settings
    for field in fields(settings):
        if field.name == "origins" or field.name.startswith("_"):
            continue
        value = getattr(settings, field.name)
        plain = value if isinstance(value, (bool, int, float)) else str(value)
        yield finding("setting", field.name, plain, advice=settings.origins.get(field.name, "default"))


def store_findings() -> Iterator[dict[str, Any]]:
    from autotrack.recording.tracker import tracker

    settings = tracker().settings
    if settings.disabled:
        yield finding("store", "recording", "off", advice="AUTOTRACK_DISABLED is set: nothing is recorded")
    path, folder = database(settings.uri), settings.folder
    if path is None or folder is None:
        yield finding("store", "kind", settings.uri)
        return
    yield finding("store", "folder", str(folder))
    there = next((parent for parent in (folder, *folder.parents) if parent.exists()), Path("/"))
    writable = os.access(there, os.W_OK | os.X_OK)
    yield finding("store", "writable", writable, writable, "" if writable else f"{there} cannot be written; set AUTOTRACK_URI to another place")
    kind = file_system(there)
    network = kind in NETWORK
    yield finding(
        "store", "file system", kind or "unknown", not network, "SQLite is not safe on it; set AUTOTRACK_URI to a local disk" if network else ""
    )
    free = shutil.disk_usage(there).free
    scarce = free < 200 << 20
    yield finding("store", "free space", printing.size(free), not scarce, "the journal needs room: free some space" if scarce else "")
    try:
        found = store()
    except NoStore:
        yield finding("store", "database", "not there yet", advice="the first run makes it")
        return
    yield from database_findings(path)
    try:
        count = len(found.backend.runs(fields=()))
    except AutotrackError as error:
        yield finding("store", "runs", "cannot be read", False, str(error))
        return
    yield finding("store", "runs", count)
    waiting = sorted(folder.glob("journal/*.lock"))
    yield finding("store", "journals", len(waiting), advice="of processes that are recording, or died and are replayed now" if waiting else "")


def database_findings(path: Path) -> Iterator[dict[str, Any]]:
    import sqlite3
    from contextlib import closing

    yield finding("store", "database", f"{path} ({printing.size(path.stat().st_size)})")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
            health = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    except sqlite3.Error as error:
        yield finding("store", "health", str(error), False, RECOVER)
        return
    yield finding("store", "health", health, health == "ok", "" if health == "ok" else RECOVER)
    yield finding("store", "journal mode", mode)


# What a program under autolog would see of the frameworks; printed as JSON, on the last line.
PROBE = """
import importlib, json
import autotrack
from autotrack.guard import failures, guard
autotrack.autolog()
for one in autotrack.status():
    if one.reason != "not installed":
        with guard(one.name):
            importlib.import_module(one.name)
found = {one.name: (one.version, one.observed, "" if one.reason == "observed" else one.reason) for one in autotrack.status()}
found |= {name: ("", False, "its import fails") for name in failures.keys() & found.keys()}
print(json.dumps(found))
"""


def framework_findings() -> Iterator[dict[str, Any]]:
    """Each framework imported under autolog, in the python that `autotrack run` takes."""
    import json
    import subprocess

    python = interpreter()
    environment = {key: value for key, value in os.environ.items() if key != "AUTOTRACK_STRICT"} | {
        "AUTOTRACK_URI": "memory:",
        "AUTOTRACK_QUIET": "1",
    }
    try:
        done = subprocess.run([python, "-c", PROBE], env=environment, capture_output=True, text=True, errors="replace", timeout=300, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        yield finding("framework", "python", python, False, str(error))
        return
    if done.returncode:
        yield finding("framework", "python", python, False, (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
        return
    yield finding("framework", "python", python)
    for name, (version, is_observed, reason) in json.loads(done.stdout.strip().splitlines()[-1]).items():
        yield finding("framework", f"{name} {version}".strip(), "observed" if is_observed else "not observed", advice=reason)


def file_system(path: Path) -> str:
    """The type of the file system that a path lies on; "" where that cannot be known."""
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return ""
    best, kind = "", ""
    resolved = path.resolve()
    for line in lines:
        left, _, right = line.partition(" - ")
        mount = left.split()[4].encode().decode("unicode_escape")
        if resolved.is_relative_to(mount) and len(mount) >= len(best):
            best, kind = mount, right.split()[0]
    return kind


def print_findings(findings: list[dict[str, Any]]) -> None:
    to = printing.console()
    titles = {"setting": "SETTINGS", "store": "STORE", "framework": "FRAMEWORKS"}
    for about, title in titles.items():
        rows = []
        for one in findings:
            if one["about"] != about:
                continue
            value = "yes" if one["value"] is True else "no" if one["value"] is False else one["value"]
            style = "" if one["ok"] else "red"
            rows.append([printing.styled(f"  {one['name']}", "dim"), printing.styled(value, style), printing.styled(one["advice"], style or "dim")])
        if rows:
            printing.print_line(to, printing.styled(title, "bold"))
            printing.print_table(to, [printing.Column(""), printing.Column("", least=20), printing.Column("", 1, least=20)], rows)
    wrong = [one for one in findings if not one["ok"]]
    if not wrong:
        printing.print_line(to, printing.styled("All is well.", "green"))
        return
    click.echo(f"\n{printing.plural(len(wrong), 'thing')} to see to:")
    for one in wrong:
        click.echo(f"  {one['name']}: {printing.clean(one['value'])}" + (f"\n    {printing.clean(one['advice'])}" if one["advice"] else ""))
