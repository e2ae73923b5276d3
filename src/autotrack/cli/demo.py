"""``autotrack demo``: train real models with unchanged scripts, then show what was recorded."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autotrack.cli import printing
from autotrack.cli.launch import injected
from autotrack.errors import AutotrackError

if TYPE_CHECKING:
    from autotrack.views import RunView

NEEDED = {"sklearn": "scikit-learn", "xgboost": "xgboost"}


@click.command()
@click.argument("folder", default="autotrack-demo", type=click.Path(file_okay=False, path_type=Path))
def demo(folder: Path) -> None:
    """Train a few scikit-learn and XGBoost models and show what was recorded.

    The scripts are copied to FOLDER (default: autotrack-demo) and run there, unchanged, as `autotrack run` does it.
    """
    missing = [name for module, name in NEEDED.items() if find_spec(module) is None]
    if missing:
        raise AutotrackError(f"the demo trains with {' and '.join(missing)}, which {sys.executable} has not: pip install 'autotrack-ml[demo]'")
    folder.mkdir(parents=True, exist_ok=True)
    uri = f"sqlite:///{folder.resolve() / '.autotrack' / 'autotrack.db'}"
    to = printing.console()
    printing.print_line(to, printing.styled(f"Training in {folder}/ with scripts that do not know autotrack:", "bold"))
    failed = [script.name for script in scripts() if not trained(script, folder, uri)]
    report(folder, uri)
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


def trained(script: Path, folder: Path, uri: str) -> bool:
    """Run one script observed; whether it went well."""
    shutil.copy(script, folder / script.name)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AUTOTRACK_")}
    environment |= {"AUTOTRACK_URI": uri, "AUTOTRACK_QUIET": "1"}
    environment.setdefault("OMP_NUM_THREADS", "1")  # the data is small: more threads than free cores would only wait
    click.echo(f"  autotrack run {script.name:<28}", nl=False)
    started = time.monotonic()
    command = [sys.executable, script.name]
    done = subprocess.run(command, cwd=folder, env=injected(environment), capture_output=True, text=True, errors="replace", check=False)
    click.echo(f"{time.monotonic() - started:5.1f} s" + ("" if done.returncode == 0 else f"  exit code {done.returncode}"))
    if done.returncode:
        click.echo(printing.clean_lines("\n".join(done.stderr.splitlines()[-5:])), err=True)
    return done.returncode == 0


def report(folder: Path, uri: str) -> None:
    """The table of runs, one curve, and what to type next."""
    from autotrack.cli.runs import folded, print_curves, print_folds
    from autotrack.recording.tracker import configure

    configure(uri=uri)
    lines, _ = folded("", 20, False)
    to = printing.console()
    to.print()
    print_folds(to, lines)
    curved = [line.first for line in lines if has_curve(whole(line.first.id))]
    if curved:
        run = whole(max(curved, key=lambda run: (any(key.startswith("val/") for key in run.metrics), run.started)).id)
        key = next((key for key in sorted(run.statistics) if key.startswith("val/")), "")
        measure = key.rpartition("/")[2]
        to.print()
        printing.print_line(to, printing.styled(run.name, "bold"))
        print_curves(to, run, [key for key in sorted(run.statistics) if measure and key.rpartition("/")[2] == measure])
    newest = lines[0].first.name if lines else "RUN"
    to.print()
    click.echo(f"The store: {folder / '.autotrack' / 'autotrack.db'}")
    printing.print_line(to, printing.styled("What to type next:", "bold"))
    words = [
        (f"cd {folder}", ""),
        ("autotrack ls", "all runs"),
        (f"autotrack show {newest}", "one run: parameters, curves, environment, code"),
        ('autotrack search "duration < 5" --order-by "duration desc"', "find runs"),
        (f"autotrack compare {' '.join(line.first.name for line in lines[:2])}", "where two differ"),
        ("autotrack run your_script.py", "record your own program, unchanged"),
    ]
    for word, why in words:
        printing.print_line(to, printing.styled(f"  {word:<58}"), printing.styled(why, "dim"))


def has_curve(run: RunView) -> bool:
    return any(stats.count > 2 for key, stats in run.statistics.items() if not key.startswith("system/"))


def whole(run_id: str) -> RunView:
    from autotrack.recording.runs import get_run

    return get_run(run_id)
