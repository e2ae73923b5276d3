"""``autotrack run``: run an unchanged program observed, as if ``autotrack.autolog()`` stood on its first line.

The interpreter itself is executed, with one injected file in front of ``PYTHONPATH`` (``inject/sitecustomize.py``), so
that tracebacks, exit codes, ``__main__`` and ``sys.argv`` are those of plain python.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from autotrack.errors import SettingsError
from autotrack.settings import load

INJECTED = str(Path(__file__).with_name("inject"))
BLIND = {"I": "ignores PYTHONPATH", "E": "ignores PYTHONPATH", "S": "skips site"}  # python's options that keep us out


class Launch(click.Command):
    """Takes its own options from the front of the line and leaves the rest, ``--`` included, as it is."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = 0
        while own < len(args) and (args[own] == "--help" or args[own].split("=")[0] in ("--experiment", "--uri")):
            own += 1 if args[own] == "--help" or "=" in args[own] else 2
        ctx.meta["program"] = args[own:]
        return super().parse_args(ctx, args[:own])


@click.command("run", cls=Launch, options_metavar="[--experiment NAME] [--uri URL]", short_help="Run an unchanged program observed.")
@click.option("--experiment", metavar="NAME", help="Experiment of the runs it opens (AUTOTRACK_EXPERIMENT).")
@click.option("--uri", metavar="URL", help="Store to record into (AUTOTRACK_URI).")
@click.pass_context
def run(ctx: click.Context, experiment: str | None, uri: str | None) -> None:
    """Run an unchanged program observed.

    \b
    autotrack run train.py --lr 0.1          a script
    autotrack run -m package.train           a module
    autotrack run -O -W error train.py       options of python come first
    autotrack run -- torchrun train.py       any other command that starts python
    """
    words: list[str] = ctx.meta["program"]
    if not words or words == ["--"]:
        raise click.UsageError("Say what to run: autotrack run train.py, autotrack run -m package, autotrack run -- command", ctx)
    if words[0] == "--":
        command = words[1:]
        options = command[1:] if Path(command[0]).name.startswith("python") else []
    else:
        point_to_dashes(words)
        command = [interpreter(), *words]
        options = words
    environment = dict(os.environ)
    if experiment is not None:
        environment["AUTOTRACK_EXPERIMENT"] = experiment
    if uri is not None:
        environment["AUTOTRACK_URI"] = uri
    try:
        is_off = load(experiment=experiment, uri=uri).disabled
        if uri is not None:
            from autotrack.backends.opening import check  # a start without it is quicker

            check(uri)
    except SettingsError as error:
        if experiment is not None or uri is not None:
            raise
        click.echo(f"autotrack: {error}: the program runs unobserved", err=True)
        is_off = True
    blind = [f"python -{letter} {reason}" for letter, reason in BLIND.items() if letter in interpreter_flags(options)]
    if blind and not is_off:
        click.echo(f"autotrack: {', '.join(blind)}: the program runs unobserved", err=True)
    replace_process(command, environment if is_off or blind else injected(environment))


def interpreter() -> str:
    """Python of the active virtual environment, else ours."""
    active = os.environ.get("VIRTUAL_ENV")
    if active:
        for place in ("bin/python", "Scripts/python.exe"):
            if (Path(active) / place).exists():
                return str(Path(active) / place)
    return plain_name(sys.executable)


def plain_name(executable: str) -> str:
    """The ``python`` beside a ``python3`` that is the same: what a user would have typed, and reads in messages."""
    usual = Path(executable).with_name("python")
    return str(usual) if usual.exists() and usual.samefile(executable) else executable


def interpreter_flags(words: Sequence[str]) -> str:
    """The single letters among python's own options, those before the script, ``-m`` or ``-c``."""
    letters = ""
    rest = iter(words)
    for word in rest:
        if not word.startswith("-") or word == "-":
            return letters
        if word.startswith("--"):
            continue
        for position, letter in enumerate(word[1:], 2):
            if letter in "mc":
                return letters
            letters += letter
            if letter in "WX":
                if not word[position:]:
                    next(rest, "")
                break
    return letters


def point_to_dashes(words: Sequence[str]) -> None:
    """A command that python would look for as a script: say how to write it."""
    import shutil

    first = words[0]
    if first.startswith("-") or os.path.exists(first) or first.endswith(".py") or shutil.which(first) is None:
        return
    raise click.UsageError(f"{first!r} is a command and not a script; write: autotrack run -- {' '.join(words)}")


def injected(environment: dict[str, str]) -> dict[str, str]:
    """The environment with our folder in front of PYTHONPATH, and what the user had put aside."""
    before = environment.get("PYTHONPATH")
    folders = [folder for folder in (before or "").split(os.pathsep) if folder != INJECTED] if before else []
    made = {**environment, "PYTHONPATH": os.pathsep.join([INJECTED, *folders]), "AUTOTRACK_RUN": "1"}
    if before is not None:
        made["AUTOTRACK_RUN_PYTHONPATH"] = os.pathsep.join(folders)
    return made


def replace_process(command: Sequence[str], environment: dict[str, str]) -> NoReturn:
    """Become the command (Linux), or run it and end as it ended."""
    sys.stdout.flush()
    sys.stderr.flush()
    if not sys.platform.startswith("linux"):
        wait_for(command, environment)
    for name in ("SIGPIPE", "SIGXFSZ"):  # python ignores them, and what is ignored stays so through exec
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        os.execvpe(command[0], list(command), environment)
    except OSError as error:
        fail(command, error)


def wait_for(command: Sequence[str], environment: dict[str, str]) -> NoReturn:
    """Run the command as a child and pass its end on; Ctrl-C is the child's."""
    try:
        child = subprocess.Popen(list(command), env=environment)
    except OSError as error:
        fail(command, error)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    code = child.wait()
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


def fail(command: Sequence[str], error: OSError) -> NoReturn:
    """End as a shell does when it cannot run a command: 127 not found, 126 not permitted."""
    click.echo(f"autotrack: cannot run {command[0]}: {error.strerror}", err=True)
    sys.exit(127 if isinstance(error, FileNotFoundError) else 126)
