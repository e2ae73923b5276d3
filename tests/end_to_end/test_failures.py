"""The trouble a store can have, one by one: what the user sees, and what is lost (nothing, or what was counted)."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap
import time

import pytest

from autotrack.backends.sqlite import SqliteBackend
from autotrack.recording.replay import replay

PRELUDE = """
import os, shutil, sqlite3, subprocess, sys, time
from pathlib import Path
from autotrack.backends.sqlite import SqliteBackend
from autotrack.recording import journal as journals
from autotrack.recording.journal import Journal
from autotrack.recording.writer import Writer
from autotrack.records import ParamsSet, RunEnded, RunStarted

STORE, JOURNAL, APPEND = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "append"
journal = Journal(JOURNAL, append=APPEND)
backend = SqliteBackend(STORE / "autotrack.db")
writer = Writer(journal, backend)
journal.put(RunStarted("run", time.time(), "exp"))
lane = journal.lane("run")
slowest = 0.0

def steps(count, first=0):
    global slowest
    for step in range(first, first + count):
        began = time.perf_counter()
        lane.log({"x": step + 0.5}, step)
        slowest = max(slowest, time.perf_counter() - began)

def end():
    journal.put(ParamsSet("run", time.time(), {"last": 1}))
    journal.put(RunEnded("run", time.time(), "finished"))

"""


@pytest.fixture(params=["map", "append"])
def way(request):
    return request.param


def ran(tmp_path, body, way, *, store=None, journal=None):
    store = store or tmp_path / "store"
    store.mkdir(exist_ok=True)
    journal = journal or store / "journal"
    path = tmp_path / "train.py"
    path.write_text(PRELUDE + textwrap.dedent(body))
    done = subprocess.run([sys.executable, str(path), str(store), str(journal), way], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done


def found(store, journal=None):
    """The steps that are there, and the run's view."""
    backend = SqliteBackend(store / "autotrack.db")
    replay(journal or store / "journal", backend)
    series = backend.series(["run"], ["x"])
    steps = list(map(int, series[0].steps)) if series else []
    assert not series or list(series[0].values) == [step + 0.5 for step in steps]
    view = backend.run("run")
    backend.close()
    with contextlib.closing(sqlite3.connect(store / "autotrack.db")) as db:
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)
    return steps, view


@contextlib.contextmanager
def mounted(path, *options):
    path.mkdir()
    made = shutil.which("mount") and subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(path)], capture_output=True)
    if not made or made.returncode:
        pytest.skip("a small file system cannot be mounted here: that takes root")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.mark.slow
def test_a_store_that_is_locked_for_long_costs_nothing(tmp_path, way):
    body = """
        writer.flush()
        other = sqlite3.connect(STORE / "autotrack.db")
        other.execute("begin immediate")
        until, step = time.monotonic() + 3, 0
        while time.monotonic() < until:
            steps(20, step)
            step += 20
            time.sleep(0.01)
        other.rollback()
        began = time.monotonic()
        assert writer.flush(10)
        print(step, time.monotonic() - began, slowest)
        end()
        """
    done = ran(tmp_path, body, way)
    count, caught_up_s, slowest_s = done.stdout.split()
    assert done.stderr == ""
    assert float(caught_up_s) < 3
    assert float(slowest_s) < 0.5  # no call waited for the store
    steps, view = found(tmp_path / "store")
    assert steps == list(range(int(count)))
    assert (view.status, view.dropped) == ("finished", 0)


@pytest.mark.slow
def test_a_store_that_is_away_for_long_costs_what_is_beyond_the_cap(tmp_path, way):
    body = """
        journals.CAP_BYTES, journals.SEGMENT_BYTES = 2 << 20, 1 << 20
        writer.flush()
        other = sqlite3.connect(STORE / "autotrack.db")
        other.execute("begin immediate")
        steps(80_000)
        other.rollback()
        end()
        assert writer.flush(20)
        steps(10, 80_000)
        """
    done = ran(tmp_path, body, way)
    assert "dropped and counted" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    steps, view = found(tmp_path / "store")
    assert len(set(steps)) == len(steps) > 20_000
    assert len(steps) + view.dropped == 80_010
    assert steps[-10:] == list(range(80_000, 80_010))
    assert (view.status, view.params) == ("finished", {"last": 1})


@pytest.mark.slow
def test_a_full_disk_costs_what_has_no_room_in_memory_and_that_is_counted(tmp_path, way):
    with mounted(tmp_path / "store", "size=6m"):
        body = """
            journals.SEGMENT_BYTES = 1 << 20
            steps(3_000)
            assert writer.flush()
            disk = os.open(STORE / "filling", os.O_WRONLY | os.O_CREAT)
            try:
                while True: os.write(disk, bytes(4096))
            except OSError: pass
            steps(150_000, 3_000)
            time.sleep(0.5)
            mine = journal.writer
            os.close(disk)
            subprocess.run(["mount", "-o", "remount,size=200m", str(STORE)], check=True)
            assert writer.flush(30)
            time.sleep(1.2)
            steps(10, 153_000)
            end()
            """
        done = ran(tmp_path, body, way)
        lines = done.stderr.splitlines()
        assert sorted("AUTOTRACK_URI" in line for line in lines) == [False, True], done.stderr
        assert sorted("dropped and counted" in line for line in lines) == [False, True]
        steps, view = found(tmp_path / "store")
        assert len(set(steps)) == len(steps)
        assert len(steps) + view.dropped == 153_010
        assert len(steps) > 80_000  # four segments in memory
        assert (view.status, view.params) == ("finished", {"last": 1})


@pytest.mark.slow
def test_a_disk_that_fills_up_does_not_kill_who_is_storing(tmp_path):
    with mounted(tmp_path / "store", "size=4m"):
        body = """
            steps(100)
            disk = os.open(STORE / "filling", os.O_WRONLY | os.O_CREAT)
            try:
                while True: os.write(disk, bytes(4096))
            except OSError: pass
            steps(20_000, 100)
            os._exit(0)
            """
        ran(tmp_path, body, "map")
        os.unlink(tmp_path / "store" / "filling")
        steps, view = found(tmp_path / "store")
        assert steps[:6_000] == list(range(6_000))  # the first segment's room was there
        assert view.status == "lost"


@pytest.mark.slow
def test_a_folder_that_is_read_only_is_said_at_once_and_what_it_cost_at_the_end(tmp_path, way):
    """With the store in the same place nothing can be kept; the program does not suffer."""
    with mounted(tmp_path / "store", "size=4m", "ro"):
        done = ran(tmp_path, "steps(1_000); end(); print(slowest)", way)
        assert len(done.stderr.splitlines()) == 2
        assert "AUTOTRACK_URI" in done.stderr
        assert "what waited in memory is lost" in done.stderr
        assert "Read-only file system" in done.stderr
        assert os.listdir(tmp_path / "store") == []


@pytest.mark.slow
def test_a_journal_that_is_read_only_costs_nothing_while_the_process_lives(tmp_path, way):
    with mounted(tmp_path / "journal", "size=4m", "ro"):
        done = ran(tmp_path, "steps(30_000); end()", way, journal=tmp_path / "journal" / "journal")
        assert len(done.stderr.splitlines()) == 1
    steps, view = found(tmp_path / "store")
    assert steps == list(range(30_000))
    assert view.status == "finished"


@pytest.mark.slow
@pytest.mark.parametrize("gone", ["shutil.rmtree(STORE)", "os.rename(STORE, str(STORE) + '-elsewhere')", "(STORE / 'autotrack.db').unlink()"])
def test_a_store_that_is_taken_away_is_said_and_recording_stops(tmp_path, way, gone):
    body = f"""
        steps(100)
        writer.flush()
        {gone}
        steps(5_000, 100)
        time.sleep(1.5)
        steps(5_000, 5_100)
        end()
        print(journal.is_stopped)
        """
    done = ran(tmp_path, body, way)
    assert done.stdout == "True\n"
    assert [line for line in done.stderr.splitlines() if "the store was deleted" in line] == done.stderr.splitlines() != []
    if "rename" in gone:
        steps, _ = found(tmp_path / "store-elsewhere")
        assert steps[:100] == list(range(100))
    assert not (tmp_path / "store" / "autotrack.db").exists()  # nothing is made anew behind the user's back


@pytest.mark.slow
def test_segments_that_are_removed_while_in_use_do_no_harm(tmp_path):
    body = """
        for first in range(0, 60_000, 1_000):
            steps(1_000, first)
            for path in JOURNAL.glob(journal.writer + ".0*"):
                path.unlink(missing_ok=True)
        end()
        """
    done = ran(tmp_path, body, "map")
    assert done.stderr == ""
    assert found(tmp_path / "store")[0] == list(range(60_000))


@pytest.mark.slow
def test_a_store_that_stays_locked_to_the_end_delays_the_exit_by_seconds_only(tmp_path, way):
    body = """
        writer.flush()
        steps(10)
        other = subprocess.Popen([sys.executable, "-c", "import sqlite3, sys, time; c = sqlite3.connect(sys.argv[1]); c.execute('begin immediate');"
                                  "print(flush=True); time.sleep(9)", str(STORE / "autotrack.db")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        other.stdout.readline()
        steps(10, 10)
        end()
        """
    began = time.monotonic()
    ran(tmp_path, body, way)
    assert time.monotonic() - began < 10
    time.sleep(3)
    steps, view = found(tmp_path / "store")
    assert steps == list(range(20))
    assert view.status == "finished"


@pytest.mark.slow
def test_a_store_on_a_read_only_medium_can_be_looked_at_and_copied(tmp_path):
    def autotrack(*words, code=0):
        done = subprocess.run([sys.executable, "-m", "autotrack", *words], cwd=tmp_path / "store", env=env, capture_output=True, text=True)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    env = {**os.environ, "AUTOTRACK_QUIET": "1", "AUTOTRACK_STRICT": "0"}
    with mounted(tmp_path / "store", "size=400m"):
        (tmp_path / "store" / "pyproject.toml").write_text("")
        program = "import autotrack\nwith autotrack.start_run('a') as run: run.log({'x': 1.0})"
        subprocess.run([sys.executable, "-c", program], cwd=tmp_path / "store", env=env, check=True)
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path / "store")], check=True)

        assert "x 1" in autotrack("ls").stdout
        autotrack("export", "--db", "-o", str(tmp_path / "copy.db"))
        said = autotrack("doctor", code=1).stdout
        assert "damaged" not in said
        assert "1 thing to see to:\n  writable: False" in said
        assert "can be read, but not written" in autotrack("tag", "a", "b=c", code=1).stderr
    with contextlib.closing(sqlite3.connect(tmp_path / "copy.db")) as db:
        assert db.execute("select name, status from runs").fetchall() == [("a", "finished")]


@pytest.mark.slow
@pytest.mark.parametrize("place", ["folder", "store"])
def test_a_program_in_a_read_only_place_is_told_in_words_and_not_hurt(tmp_path, place):
    """The journal that has no place, the files that have none, and at the end what that cost: a line each, no traceback."""
    pytest.importorskip("sklearn")
    program = """
        import autotrack
        autotrack.autolog()
        from sklearn.linear_model import Ridge
        print(Ridge().fit([[1.0], [2.0]], [1.0, 2.0]).coef_.shape)
        with autotrack.start_run("a") as run:
            print("kept", "nowhere")
            run.log({"x": 1.0})
            run.log_text("a.txt", "a")
            run.log_text("b.txt", "b")
        """
    env = {**os.environ, "AUTOTRACK_STRICT": "0"}
    with mounted(tmp_path / "here", "size=20m"):
        (tmp_path / "here" / "pyproject.toml").write_text("")
        if place == "store":
            subprocess.run([sys.executable, "-c", "import autotrack; autotrack.start_run().finish()"], cwd=tmp_path / "here", env=env, check=True)
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path / "here")], check=True)
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], cwd=tmp_path / "here", env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "(1,)\nkept nowhere\n")
    journal, files, end = done.stderr.splitlines()
    assert "cannot write its journal" in journal
    assert "no file can be kept" in files
    assert "what waited in memory is lost" in end
