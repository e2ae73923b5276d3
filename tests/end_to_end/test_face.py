"""The face, as a user meets it: its names, what they cost to import, and that nothing is left behind."""

import ast
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import autotrack

ROOT = Path(__file__).parents[2]


def output(program, cwd, *options):
    done = subprocess.run([sys.executable, *options, "-c", textwrap.dedent(program)], cwd=cwd, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_name_is_there_and_documented():
    for name in autotrack.__all__:
        thing = getattr(autotrack, name)
        assert name == "__version__" or thing.__doc__, name
    assert set(autotrack.__all__) <= set(dir(autotrack))
    with pytest.raises(AttributeError, match="module 'autotrack' has no attribute 'nonsense'"):
        _ = autotrack.nonsense


def test_the_version_is_the_distributions():
    assert f'\nversion = "{autotrack.__version__}"\n' in (ROOT / "pyproject.toml").read_text()


def test_the_import_loads_nothing_but_itself(tmp_path):
    program = """
        import sys
        before = set(sys.modules)
        import autotrack
        print(sorted(set(sys.modules) - before))
    """
    loaded = ast.literal_eval(output(program, tmp_path))
    assert [name for name in loaded if name.partition(".")[0] not in ("importlib", "warnings", "__future__")] == [
        "autotrack",
        "autotrack.by_name",
        "autotrack.imports",
    ]


def test_the_type_checker_agrees():
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "tests/typing/api.py"], cwd=ROOT, capture_output=True, text=True, timeout=170
    )
    assert done.returncode == 0, done.stdout


def test_the_first_steps(store):
    with autotrack.start_run("baseline", experiment="sentiment/bert", params={"lr": 3e-4}) as run:
        for step in range(100):
            run.log({"train/loss": 1 / (step + 1)}, step=step)
        run.log_text("notes.txt", "a first try")
    (found,) = autotrack.search_runs("params.lr < 1 and metrics.train/loss < 0.5 and status = 'finished'")
    assert (found.id, found.experiment, found.params["lr"], found.metrics["train/loss"]) == (run.id, "sentiment/bert", 3e-4, 0.01)
    assert autotrack.get_run(run.id[:25]).id == run.id
    assert found.stats("train/loss").min == 0.01
    assert found.artifact("notes.txt").read_text() == "a first try"


def test_nothing_of_ours_is_left_in_the_process(tmp_path):
    program = """
        import logging, os, random, signal, sys, threading, warnings
        def state():
            return (
                dict(os.environ), list(logging.getLogger().handlers), logging.getLogger().level, list(warnings.filters), sys.excepthook,
                threading.excepthook, sys.exit, sys.stdout, sys.stderr, random.getstate(), os.getcwd(), sys.path[:],
                [signal.getsignal(number) for number in signal.valid_signals()],
            )
        before = state()
        import autotrack
        with autotrack.start_run() as run:
            run.log({"x": 1.0})
            run.log_text("a.txt", "b")
        autotrack.flush()
        for then, now in zip(before, state()):
            assert then == now, (then, now)
        assert sorted(os.listdir()) == [".autotrack"], os.listdir()
        assert sum(thread.name.startswith("autotrack") for thread in threading.enumerate()) <= 2
        assert all(thread.daemon for thread in threading.enumerate() if thread.name.startswith("autotrack"))
    """
    assert output(program, tmp_path, "-W", "error") == ""


def test_our_threads_import_and_execute_nothing(tmp_path):
    """A child that is forked meanwhile would find half a module; and after Ctrl-C any ``exec`` makes python forget that it was interrupted."""
    program = """
        import autotrack, sys, threading, time
        seen = []
        def look(event, arguments):
            if event in ("import", "exec", "compile") and threading.current_thread() is not threading.main_thread():
                seen.append((threading.current_thread().name, event, str(arguments)[:200]))
        import autotrack.recording.runs, autotrack.recording.face
        sys.addaudithook(look)
        run = autotrack.start_run("a", params={"lr": 1})
        run.log({"x": 1.0})
        run.log_text("a.txt", "b")
        autotrack.flush()
        time.sleep(0.5)
        run.finish()
        print(seen)
    """
    assert output(program, tmp_path) == "[]\n"


def test_switched_off_nothing_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOTRACK_DISABLED", "1")
    program = """
        import autotrack, os, sys, threading
        autotrack.autolog()
        with autotrack.start_run("x", params={"a": 1}) as run:
            run.log({"x": 1.0})
            autotrack.log({"y": 1.0})
        assert os.listdir() == []
        assert threading.active_count() == 1
    """
    assert output(program, tmp_path) == ""


def test_a_read_only_place_warns_and_the_program_goes_on(tmp_path):
    program = """
        import autotrack, os
        real = os.mkdir
        def refused(path, *rest, **more):
            if ".autotrack" in str(path):
                raise PermissionError(13, "Permission denied", str(path))
            return real(path, *rest, **more)
        os.mkdir = refused
        with autotrack.start_run() as run:
            run.log({"x": 1.0})
            run.log_text("a.txt", "b")
            run.log_artifact(__import__("autotrack").__file__)
        print("done")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], cwd=tmp_path, env=plain(), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    assert "Permission denied" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_deleted_working_directory_is_no_trouble_for_fits_and_said_to_the_user(tmp_path):
    program = """
        import os, autotrack
        from autotrack.recording.runs import open_run
        os.mkdir("gone"); os.chdir("gone"); os.rmdir("../gone")
        open_run("sklearn", stem="Ridge").end("finished")
        try:
            autotrack.start_run()
        except autotrack.SettingsError as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], cwd=tmp_path, env=plain(), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "the working directory is gone, so there is no place for a store; set AUTOTRACK_URI\n"), done.stderr


def plain():
    import os

    return {key: value for key, value in os.environ.items() if not key.startswith("AUTOTRACK_")}
