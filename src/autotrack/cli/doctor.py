"""``autotrack doctor``: what is set, how the store does, what would be observed; and what to do about it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from autotrack import words
from autotrack.cli import printing
from autotrack.cli.doors import NoStore, prints, store
from autotrack.cli.launch import interpreter
from autotrack.errors import AutotrackError
from autotrack.settings import NAMES, database

RECOVER = "the file is damaged; copy it away, then: sqlite3 autotrack.db .recover"


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


def finding(about: str, name: str, value: object, ok: bool = True, advice: str = "") -> dict[str, Any]:
    return {"about": about, "name": name, "value": value, "ok": ok, "advice": advice}


def settings_findings() -> Iterator[dict[str, Any]]:
    from autotrack.recording.tracker import tracker

    settings = tracker().settings
    for name in NAMES:
        yield finding("setting", name, getattr(settings, name), advice=settings.origins.get(name, "default"))


def store_findings() -> Iterator[dict[str, Any]]:
    from autotrack.recording import mounts
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
    kind, shared = mounts.file_system_of(str(there)), mounts.is_network(there)
    unsafe = "SQLite is not safe on it; set AUTOTRACK_URI to a local disk" if shared else ""
    yield finding("store", "file system", kind or "unknown", not shared, unsafe)
    free = shutil.disk_usage(there).free
    scarce = free < 200 << 20
    yield finding("store", "free space", words.size(free), not scarce, "the journal needs room: free some space" if scarce else "")
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

    from autotrack.backends.migrations import to_read

    yield finding("store", "database", f"{path} ({words.size(path.stat().st_size)})")
    try:
        with closing(sqlite3.connect(to_read(path), uri=True, timeout=5)) as connection:
            health = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    except sqlite3.Error as error:
        is_damaged = not isinstance(error, sqlite3.OperationalError)  # which is of the moment: locked, out of reach
        yield finding("store", "health", str(error), False, RECOVER if is_damaged else "")
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
    click.echo(f"\n{words.plural(len(wrong), 'thing')} to see to:")
    for one in wrong:
        click.echo(f"  {one['name']}: {words.clean(one['value'])}" + (f"\n    {words.clean(one['advice'])}" if one["advice"] else ""))
