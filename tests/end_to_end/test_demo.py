"""``autotrack demo`` trains real models with unchanged scripts and shows them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sklearn")
pytest.importorskip("xgboost")

from autotrack.cli.demo import missing

EXAMPLES = Path(__file__).parents[2] / "examples"


def autotrack(*words, cwd):
    env = {k: v for k, v in os.environ.items() if not k.startswith("AUTOTRACK_")} | {"OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, "-m", "autotrack", *words], cwd=cwd, env=env, capture_output=True, text=True, timeout=150)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    place = tmp_path_factory.mktemp("demo")
    done = autotrack("demo", cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    return place, done.stdout


def test_it_trains_with_every_example_and_draws_a_curve(done):
    _, shown = done
    for script in EXAMPLES.glob("*.py"):
        assert f"autotrack run {script.name}" in shown or (missing(script) and f"left out {script.name}" in shown)
    assert "XGB" in shown
    assert re.search(r"[*+]{3}|[\u2801-\u28ff]{3}", shown)


def test_it_says_where_the_store_is_and_what_to_type_next(done):
    place, shown = done
    assert "autotrack-demo/.autotrack/autotrack.db" in shown
    commands = [line.strip() for line in shown.split("What to type next:")[1].splitlines() if line.strip().startswith("autotrack ")]
    for line in commands[:-1]:  # the last is about the reader's own script
        command = line.split("  ")[0]
        if command == "autotrack ui":  # ends with Ctrl-C
            continue
        done_too = subprocess.run(
            ["bash", "-c", command.replace("autotrack", f"{sys.executable} -m autotrack", 1)],
            cwd=place / "autotrack-demo",
            capture_output=True,
            text=True,
        )
        assert done_too.returncode == 0, (command, done_too.stderr)


def test_what_it_recorded_is_there(done):
    place, _ = done
    runs = json.loads(autotrack("ls", "--all", "--json", "-n", "500", cwd=place / "autotrack-demo").stdout)
    assert len(runs) >= 3
    assert {run["first"]["status"] for run in runs} <= {"finished", "failed"}
    assert any("loss" in key or "rmse" in key for run in runs for key in run["first"]["metrics"])


def test_the_scripts_that_it_ran_are_the_examples(done):
    place, _ = done
    for script in filter(lambda path: not missing(path), EXAMPLES.glob("*.py")):
        assert (place / "autotrack-demo" / script.name).read_text() == script.read_text()


def test_it_leaves_nothing_else_behind(done):
    place, _ = done
    assert [p.name for p in place.iterdir()] == ["autotrack-demo"]


def test_a_script_whose_framework_is_not_installed_is_left_out(tmp_path):
    program = """
from importlib.util import find_spec
from autotrack.cli import demo, main
demo.find_spec = lambda name: None if name == "xgboost" else find_spec(name)
demo.scripts = lambda real=demo.scripts: [path for path in real() if path.name in ("iris_classifier.py", "diabetes_boosting.py")]
main.cli.main(["demo"])
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "autotrack run iris_classifier.py" in done.stdout
    assert re.search(r"left out diabetes_boosting.py +without xgboost", done.stdout)
    assert not (tmp_path / "autotrack-demo" / "diabetes_boosting.py").exists()


def test_what_a_script_lacks_is_read_from_its_text(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import os, no_such.part as x\nfrom json import loads\nfrom . import y\ndef f():\n    from not_there.deep import z\n")
    assert missing(script) == ["no_such", "not_there"]


def test_without_any_framework_it_says_what_to_install(tmp_path):
    program = "from autotrack.cli import demo, main\ndemo.find_spec = lambda name: None\nmain.cli.main(['demo'])"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "pip install 'autotrack-ml[demo]'" in done.stderr
    assert "scikit-learn" in done.stderr
    assert list(tmp_path.iterdir()) == []
