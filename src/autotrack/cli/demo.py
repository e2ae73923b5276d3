"""``autotrack demo``: train real models with unchanged scripts, then show what was recorded."""

from __future__ import annotations

import ast
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autotrack import words
from autotrack.cli import printing
from autotrack.cli.launch import injected
from autotrack.errors import AutotrackError

if TYPE_CHECKING:
    from autotrack.search import Fold
    from autotrack.views import RunView

INSTALLED_AS = {"sklearn": "scikit-learn"}  # where a module's distribution has another name


@click.command(short_help="Train real models and show the result.")
@click.argument("folder", default="autotrack-demo", type=click.Path(file_okay=False, path_type=Path))
def demo(folder: Path) -> None:
    """Train a few real models and show what was recorded.

    The scripts are copied to FOLDER (default: autotrack-demo) and run there, unchanged, as `autotrack run` does it.
    Scripts whose frameworks are not installed are left out.
    """
    lacks = {script: missing(script) for script in scripts()}
    able = [script for script, modules in lacks.items() if not modules]
    if not able:
        needed = ", ".join(sorted({INSTALLED_AS.get(module, module) for modules in lacks.values() for module in modules}))
        raise AutotrackError(f"the demo trains with frameworks that {sys.executable} has not ({needed}): pip install 'autotrack-ml[demo]'")
    folder.mkdir(parents=True, exist_ok=True)
    uri = f"sqlite:///{folder.resolve() / '.autotrack' / 'autotrack.db'}"
    to = printing.console()
    printing.print_line(to, printing.styled(f"Training in {folder}/ with scripts that do not know autotrack:", "bold"))
    started = time.time()
    failed = train_all(able, folder, uri)
    for script, modules in lacks.items():
        if modules:
            names = ", ".join(INSTALLED_AS.get(module, module) for module in modules)
            printing.print_line(to, printing.styled(f"  left out {script.name:<33}without {names}", "dim"))
    click.echo()
    report(folder, uri, started)
    if failed:
        raise AutotrackError(f"{', '.join(failed)} failed; what was recorded until then is there")


def scripts() -> list[Path]:
    """The example scripts: inside the wheel, or beside ``src`` in a clone."""
    package = Path(__file__).parents[1]
    for place in (package / "examples", package.parents[1] / "examples"):
        found = sorted(place.glob("*.py"))
        if found:
            return found
    raise AutotrackError(f"the example scripts are not installed beside {package}")


def missing(script: Path) -> list[str]:
    """The modules that a script imports and that are not installed, as its text says."""
    wanted: dict[str, None] = {}
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            wanted.update((alias.name.partition(".")[0], None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            wanted[node.module.partition(".")[0]] = None
    return [module for module in wanted if find_spec(module) is None]


def train_all(scripts: Sequence[Path], folder: Path, uri: str) -> list[str]:
    """Run the scripts observed, as many at once as there are cores (at most four); the names of those that failed."""
    from concurrent.futures import ThreadPoolExecutor

    failed = []
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 4)) as pool:
        for script, seconds, done in pool.map(lambda script: train(script, folder, uri), scripts):
            click.echo(f"  autotrack run {script:<28}{seconds:5.1f} s" + (f"  exit code {done.returncode}" if done.returncode else ""))
            if done.returncode:
                click.echo(words.clean_lines("\n".join(done.stderr.splitlines()[-5:])), err=True)
                failed.append(script)
    return failed


def train(script: Path, folder: Path, uri: str) -> tuple[str, float, subprocess.CompletedProcess[str]]:
    """Run one script observed: its name, the seconds it took, how it ended."""
    shutil.copy(script, folder / script.name)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AUTOTRACK_")}
    environment |= {"AUTOTRACK_URI": uri, "AUTOTRACK_QUIET": "1"}
    environment.setdefault("OMP_NUM_THREADS", "1")  # the data is small: more threads than free cores would only wait
    started = time.monotonic()
    command = [sys.executable, script.name]
    done = subprocess.run(command, cwd=folder, env=injected(environment), capture_output=True, text=True, errors="replace", check=False)
    return script.name, time.monotonic() - started, done


def report(folder: Path, uri: str, started: float) -> None:
    """The table of runs, one curve, and what to type next."""
    from autotrack.cli.details import print_curves
    from autotrack.cli.listing import folded, print_folds
    from autotrack.recording.runs import get_run
    from autotrack.recording.tracker import configure
    from autotrack.search import search_runs

    configure(uri=uri)
    runs = search_runs(limit=None)
    lines, _ = folded("", 20, False)
    to = printing.console()
    click.echo(f"{words.plural(sum(run.started >= started for run in runs), 'run')} recorded:\n")
    print_folds(to, lines)
    curved = [(run, keys) for line in lines for run in [get_run(line.first.id)] if (keys := curves_of(run))]
    if curved:
        run, keys = max(curved, key=lambda found: (len(found[1]), found[0].started))
        click.echo()
        printing.print_line(to, printing.styled(run.name, "bold"))
        print_curves(to, run, keys)
    click.echo(f"\nThe store: {folder / '.autotrack' / 'autotrack.db'}")
    click.echo("What to type next:")
    for command, why in suggestions(folder, lines, runs):
        printing.print_line(to, printing.styled(f"  {command:<58}  "), printing.styled(why, "dim"))


def curves_of(run: RunView) -> list[str]:
    """The curves of one measure that say most of a run: of held-out data, and of training beside it."""
    long = [key for key, stats in run.statistics.items() if stats.count > 2 and not key.startswith(("system/", "lr", "epoch"))]
    falling = [key for key in long if any(word in key for word in ("loss", "rmse", "error"))] or long
    held_out = [key for key in falling if key.startswith(("val/", "test/"))]
    measure = min(held_out or falling, default="").rpartition("/")[2]
    return sorted(key for key in long if key.rpartition("/")[2] == measure)


def suggestions(folder: Path, lines: Sequence[Fold], runs: Sequence[RunView]) -> Iterator[tuple[str, str]]:
    names = [run.name for run in runs]

    def call(run: RunView) -> str:
        return shlex.quote(run.name) if names.count(run.name) == 1 else run.id[:14]

    yield f"cd {shlex.quote(str(folder))}", ""
    yield "autotrack ui", "all runs in the browser, live"
    yield "autotrack ls", "all runs"
    if lines:
        yield f"autotrack show {call(lines[0].first)}", "one run: parameters, curves, environment, code"
        repeated = next((line.runs for line in lines if len(line.runs) > 1), tuple(line.first for line in lines))
        if len(repeated) > 1:
            yield f"autotrack compare {call(repeated[0])} {call(repeated[-1])}", "where two differ"
    yield 'autotrack search "duration < 5" --order-by "duration desc"', "find runs"
    yield "autotrack run your_script.py", "record your own program, unchanged"
