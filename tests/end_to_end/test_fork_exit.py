"""However a process ends and whatever it forks: what ``log`` was told is in the store, once, and the run's status is the truth."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from autotrack.backends.sqlite import SqliteBackend
from autotrack.recording.replay import replay

PRELUDE = """
import atexit, faulthandler, multiprocessing, os, signal, subprocess, sys, threading, time
from pathlib import Path
from autotrack.backends.sqlite import SqliteBackend
from autotrack.recording.journal import Journal
from autotrack.recording.writer import Writer
from autotrack.records import RunEnded, RunStarted

STORE, APPEND = Path(sys.argv[1]), sys.argv[2] == "append"
journal = Journal(STORE / "journal", append=APPEND)
if sys.argv[3] == "thread":
    writer = Writer(journal, SqliteBackend(STORE / "autotrack.db"))

def start(run="run"):
    journal.put(RunStarted(run, time.time(), "exp"))
    return journal.lane(run)

def steps(lane, count, first=0, key="x"):
    for step in range(first, first + count):
        lane.log({key: step + 0.5}, step)

def end(run="run"):
    journal.put(RunEnded(run, time.time(), "finished"))

if __name__ == "__main__":
    signal.alarm(60)
    lane = start()
    steps(lane, 10)
"""
WAYS = [("map", "thread"), ("append", "thread"), ("map", "none")]


@pytest.fixture(params=WAYS, ids="-".join)
def way(request):
    return request.param


def program(tmp_path, body):
    path = tmp_path / "train.py"
    path.write_text(PRELUDE + textwrap.indent(textwrap.dedent(body), "    "))
    return path


def ran(tmp_path, body, way, code=0):
    """Run a program to its end; its store, with all replayed."""
    done = subprocess.run([sys.executable, str(program(tmp_path, body)), str(tmp_path), *way], capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stderr
    return Found(tmp_path, done.stdout, done.stderr)


class Found:
    def __init__(self, store, out="", err=""):
        self.out, self.err = out, err
        self.left = os.listdir(store / "journal")
        backend = SqliteBackend(store / "autotrack.db")
        self.replayed = replay(store / "journal", backend)
        self.views = {view.id: view for view in backend.runs()}
        self.status = {run: view.status for run, view in self.views.items()}
        self.steps = {}
        for run, view in self.views.items():
            for series in backend.series([run], sorted(view.metrics)):
                steps = list(map(int, series.steps))
                assert list(series.values) == [step + 0.5 for step in steps]
                self.steps[run, series.key] = steps
        backend.close()
        assert os.listdir(store / "journal") == []


ENDINGS = [
    ("end(); steps(lane, 1, 10)", 0, "finished"),
    ("end(); steps(lane, 1, 10); sys.exit(3)", 3, "finished"),
    ("steps(lane, 1, 10); raise ValueError('boom')", 1, "lost"),
    ("steps(lane, 1, 10); os.kill(os.getpid(), signal.SIGINT); time.sleep(5)", -signal.SIGINT, "lost"),
    ("steps(lane, 1, 10); os._exit(4)", 4, "lost"),
    ("end(); steps(lane, 1, 10); os._exit(4)", 4, "finished"),
    ("steps(lane, 1, 10); os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, "lost"),
    ("steps(lane, 1, 10); faulthandler._sigsegv()", -signal.SIGSEGV, "lost"),
    ("steps(lane, 1, 10); os.abort()", -signal.SIGABRT, "lost"),
    ("steps(lane, 1, 10); os.kill(os.getpid(), signal.SIGTERM); time.sleep(5)", -signal.SIGTERM, "interrupted"),
    ("steps(lane, 1, 10); signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); os.kill(os.getpid(), signal.SIGTERM); time.sleep(5)", 7, "lost"),
    ("signal.signal(signal.SIGTERM, signal.SIG_IGN); os.kill(os.getpid(), signal.SIGTERM); steps(lane, 1, 10); end()", 0, "finished"),
    ("threading.Thread(target=steps, args=(lane, 1, 10)).start(); end()", 0, "finished"),
    ("steps(lane, 1, 10); os.execv('/bin/true', ['true'])", 0, "lost"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("body", "code", "status"), ENDINGS, ids=[body[:70] for body, _, _ in ENDINGS])
def test_endings(tmp_path, body, code, status, way):
    found = ran(tmp_path, body, way, code)
    assert found.steps == {("run", "x"): list(range(11))}
    assert found.status == {"run": status}
    if status == "finished" and "_exit" not in body and way[1] == "thread":
        assert found.left == []  # nothing is left behind by a clean end


def test_last_words_after_the_writers_own_end_come_home(tmp_path):
    body = """
        import atexit
        def last_words():
            steps(lane, 1, 10)
            end()
        atexit.unregister(writer._at_exit)
        atexit.register(last_words)
        atexit.register(writer._at_exit)  # runs first
        """
    found = ran(tmp_path, body, WAYS[0])
    assert (found.left, found.err) == ([], "")
    assert found.steps == {("run", "x"): list(range(11))}
    assert found.status == {"run": "finished"}


def test_a_traceback_is_pythons_own(tmp_path):
    plain = subprocess.run([sys.executable, "-c", "raise ValueError('boom')"], capture_output=True, text=True).stderr
    found = ran(tmp_path, "raise ValueError('boom')", WAYS[0], 1)
    assert found.err.splitlines()[-1] == plain.splitlines()[-1]
    assert len(found.err.splitlines()) == 4


def test_a_sigterm_in_a_long_c_call_takes_effect_at_once(tmp_path):
    path = program(tmp_path, "print('ready', flush=True); sum(range(10**11))")
    child = subprocess.Popen([sys.executable, str(path), str(tmp_path), *WAYS[0]], stdout=subprocess.PIPE)
    child.stdout.readline()
    began = time.monotonic()
    child.terminate()
    assert child.wait(10) == -signal.SIGTERM
    assert time.monotonic() - began < 1
    child.stdout.close()
    found = Found(tmp_path)
    assert (found.status, found.steps) == ({"run": "interrupted"}, {("run", "x"): list(range(10))})


def test_the_users_own_fault_file_is_his(tmp_path):
    body = "f = open(STORE / 'mine', 'w'); os.kill(os.getpid(), signal.SIGTERM); time.sleep(5)"
    source = program(tmp_path, body).read_text()
    register = "    faulthandler.register(signal.SIGTERM, file=open(Path(sys.argv[1]) / 'mine', 'w'), chain=True)\n"
    (tmp_path / "train.py").write_text(source.replace("    signal.alarm(60)\n", register).replace("f = open(STORE / 'mine', 'w'); ", ""))
    done = subprocess.run([sys.executable, str(tmp_path / "train.py"), str(tmp_path), *WAYS[0]], capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGTERM
    assert "train.py" in (tmp_path / "mine").read_text()


FORKS = {
    "a child that ends by _exit": """
        if not os.fork():
            steps(lane, 5, 10, "child")
            os._exit(0)
        os.wait()
        steps(lane, 5, 10); end()
        """,
    "a child that ends as a program does": """
        if not os.fork():
            steps(lane, 5, 10, "child")
            sys.exit()
        os.wait()
        steps(lane, 5, 10); end()
        """,
    "a child that outlives its parent": """
        if not os.fork():
            time.sleep(0.7)
            steps(lane, 5, 10, "child")
            os._exit(0)
        steps(lane, 5, 10); end()
        """,
    "a child of multiprocessing": """
        child = multiprocessing.get_context("fork").Process(target=steps, args=(lane, 5, 10, "child"))
        child.start(); child.join()
        assert child.exitcode == 0
        steps(lane, 5, 10); end()
        """,
    "a grandchild": """
        if not os.fork():
            if not os.fork():
                steps(lane, 5, 10, "child")
                os._exit(0)
            os.wait()
            os._exit(0)
        os.wait()
        steps(lane, 5, 10); end()
        """,
    "a child that is killed": """
        reader, writer_end = os.pipe()
        pid = os.fork()
        if not pid:
            steps(lane, 5, 10, "child")
            os.write(writer_end, b".")
            time.sleep(30)
        os.read(reader, 1)
        os.kill(pid, signal.SIGKILL); os.wait()
        steps(lane, 5, 10); end()
        """,
}


@pytest.mark.slow
@pytest.mark.parametrize("body", FORKS.values(), ids=FORKS.keys())
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_forks_that_log(tmp_path, body, way):
    done = subprocess.run([sys.executable, str(program(tmp_path, body)), str(tmp_path), *way], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    if "outlives" in body or "0.7" in body:
        time.sleep(1.5)
    found = Found(tmp_path)
    assert found.steps == {("run", "x"): list(range(15)), ("run", "child"): list(range(10, 15))}
    assert found.status == {"run": "finished"}  # a dead child changes nothing about its parent's run


def test_a_fork_is_no_cause_for_a_warning(tmp_path):
    """Python 3.12 and later warn of a fork beside a thread; ours is not there at that moment."""
    body = """
        import warnings
        warnings.simplefilter("always")
        time.sleep(0.3)
        for child in range(3):
            if not os.fork(): os._exit(0)
            os.wait()
            steps(lane, 5, 10 + 5 * child)
        assert writer.flush()
        end()
        """
    found = ran(tmp_path, body, WAYS[0])
    assert found.err == ""
    assert found.steps == {("run", "x"): list(range(25))}


@pytest.mark.slow
def test_children_that_log_nothing_leave_nothing(tmp_path, way):
    """The workers of a DataLoader: forked, ended by their parent."""
    body = """
        children = [multiprocessing.get_context("fork").Process(target=time.sleep, args=(30,)) for _ in range(4)]
        for child in children: child.start()
        steps(lane, 5, 10)
        before = sorted(os.listdir(STORE / "journal"))
        for child in children: child.terminate()
        for child in children: child.join()
        print([child.exitcode for child in children])
        assert {name.partition(".")[0] for name in os.listdir(STORE / "journal")} == {journal.writer}
        assert list(STORE.glob("journal/*.lock"))[0].read_text().count("\\n") == 1
        end()
        """
    found = ran(tmp_path, body, way)
    assert found.out == "[-15, -15, -15, -15]\n"
    assert found.steps == {("run", "x"): list(range(15))}
    assert found.status == {"run": "finished"}


@pytest.mark.slow
def test_forks_amid_logging_threads(tmp_path, way):
    body = """
        stop = threading.Event()
        def work(n):
            mine, step = journal.lane("run"), 0
            while not stop.is_set():
                mine.log({f"t{n}": step + 0.5, f"k{step % 40}of{n}": step + 0.5}, step)
                step += 1
                if step % 20 == 0: time.sleep(0.001)
            counts[n] = step
        counts = {}
        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads: thread.start()
        for child in range(8):
            if not os.fork():
                steps(journal.lane("run"), 5, 0, f"child{child}")
                os._exit(0)
            time.sleep(0.02)
        for child in range(8): assert os.wait()[1] == 0
        stop.set()
        for thread in threads: thread.join()
        end()
        print([counts[n] for n in range(4)])
        """
    found = ran(tmp_path, body, way)
    for n, count in enumerate(eval(found.out)):
        assert found.steps["run", f"t{n}"] == list(range(count))
    for child in range(8):
        assert found.steps["run", f"child{child}"] == list(range(5))
    assert found.status == {"run": "finished"}


@pytest.mark.slow
def test_a_spawned_child_records_on_its_own(tmp_path):
    path = program(
        tmp_path,
        """
        child = multiprocessing.get_context("spawn").Process(target=in_child)
        child.start(); child.join()
        assert child.exitcode == 0
        steps(lane, 5, 10); end()
        """,
    )
    path.write_text(
        path.read_text().replace(
            'if __name__ == "__main__":', 'def in_child():\n    steps(journal.lane("run"), 5, 10, "child")\n\nif __name__ == "__main__":'
        )
    )
    done = subprocess.run([sys.executable, str(path), str(tmp_path), *WAYS[0]], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found = Found(tmp_path)
    assert found.left == []
    assert found.steps == {("run", "x"): list(range(15)), ("run", "child"): list(range(10, 15))}


LIVING = {
    "os.fork": "os.fork() or (time.sleep(30), os._exit(0))",
    "multiprocessing": "multiprocessing.get_context('fork').Process(target=time.sleep, args=(30,)).start()",
    "a fork in C": "import ctypes; ctypes.CDLL(None).fork() or (time.sleep(30), os._exit(0))",
    "a subprocess": "subprocess.Popen(['sleep', '30'], stdout=-3, stderr=-3)",
    "a subprocess that keeps descriptors": "subprocess.Popen(['sleep', '30'], close_fds=False, stdout=-3, stderr=-3)",
}


@pytest.mark.slow
@pytest.mark.parametrize("make", LIVING.values(), ids=LIVING.keys())
def test_the_dead_do_not_look_alive_through_their_children(tmp_path, make):
    path = program(tmp_path, f"me = os.getpid(); {make}\nif os.getpid() == me: print('ready', flush=True)\ntime.sleep(30)")
    child = subprocess.Popen([sys.executable, str(path), str(tmp_path), *WAYS[2]], stdout=subprocess.PIPE, start_new_session=True)
    try:
        child.stdout.readline()
        backend = SqliteBackend(tmp_path / "autotrack.db")
        assert replay(tmp_path / "journal", backend) == 0  # it lives
        backend.close()
        child.kill()
        child.wait()
        found = Found(tmp_path)
        assert (found.replayed, found.status, found.steps) == (1, {"run": "lost"}, {("run", "x"): list(range(10))})
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.stdout.close()


def test_what_daemon_threads_log_to_the_very_end_is_there(tmp_path):
    body = """
        counter = open(STORE / "count", "wb", buffering=0)
        def work():
            step = 10
            while True:
                lane.log({"x": step + 0.5}, step)
                step += 1
                os.pwrite(counter.fileno(), step.to_bytes(8, "little"), 0)
                if step % 50 == 0: time.sleep(0.001)
        threading.Thread(target=work, daemon=True).start()
        time.sleep(0.3)
        """
    found = ran(tmp_path, body, WAYS[0])
    count = int.from_bytes((tmp_path / "count").read_bytes(), "little")
    steps = found.steps["run", "x"]
    assert steps == list(range(len(steps)))
    assert count <= len(steps) <= count + 1
