"""kill -9 at any moment: every call of ``log`` that has returned is in the store, once; the run is ``lost``; the store opens."""

import itertools
import mmap
import os
import random
import signal
import sqlite3
import struct
import subprocess
import sys
import threading
import time

import pytest

from autotrack.backends.sqlite import SqliteBackend
from autotrack.recording.journal import Journal
from autotrack.recording.replay import replay
from autotrack.recording.writer import Writer
from autotrack.records import RunStarted


def record_until_killed(store, shared, threads, append):
    """In the child. Each thread counts its returned calls in memory that the test shares: that outlives the process as well."""
    journal = Journal(store / "journal", append=append)
    Writer(journal, SqliteBackend(store / "autotrack.db"))
    journal.put(RunStarted("run", time.time(), "exp"))

    def work(n):
        lane, name, count = journal.lane("run"), f"t{n}", struct.Struct("=Q").pack_into
        for step in itertools.count():
            lane.log({name: step + 0.5} if step % 50 else {name: step + 0.5, f"rare{step % 350}": 1.0}, step)
            count(shared, 8 * n, step + 1)
            if step % 20 == 19:
                time.sleep(0.0005)

    for n in range(1, threads):
        threading.Thread(target=work, args=(n,), daemon=True).start()
    struct.pack_into("=Q", shared, 800, 1)
    work(0)


def killed(store, threads, after_s, append=False):
    """Fork a child, kill it, return how many calls each of its threads saw return."""
    store.mkdir()
    with mmap.mmap(-1, 4096) as shared:
        child = os.fork()
        if not child:
            try:
                record_until_killed(store, shared, threads, append)
            finally:
                os._exit(1)
        try:
            until = time.monotonic() + 30
            while not shared[800] and time.monotonic() < until:
                time.sleep(0.001)
            time.sleep(after_s)
        finally:
            os.kill(child, signal.SIGKILL)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        return [struct.unpack_from("=Q", shared, 8 * n)[0] for n in range(threads)]


def check(store, returned):
    backend = SqliteBackend(store / "autotrack.db")
    assert replay(store / "journal", backend) <= 1
    for n, count in enumerate(returned):
        (series,) = backend.series(["run"], [f"t{n}"]) if count else [None]
        if series is None:
            continue
        steps = list(map(int, series.steps))
        assert steps == list(range(len(steps)))  # each once, none missing in between
        assert count <= len(steps) <= count + 1  # one more may have been stored and not have returned
        assert list(series.values) == [step + 0.5 for step in steps]  # none in part
    view = backend.run("run")
    assert view.status == "lost"
    assert view.ended >= view.started
    backend.close()
    assert os.listdir(store / "journal") == []
    with sqlite3.connect(store / "autotrack.db") as db:
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)
    db.close()


@pytest.mark.slow
@pytest.mark.parametrize("append", [False, True], ids=["mapped", "appended"])
@pytest.mark.parametrize("threads", [1, 8])
def test_no_returned_call_is_lost_by_a_kill(tmp_path, threads, append):
    dice = random.Random(threads + append)
    total = 0
    for n in range(8 if append else 26):
        store = tmp_path / str(n)
        returned = killed(store, threads, dice.choice([0.0, 0.02, 0.1, 0.4]) * dice.random(), append)
        check(store, returned)
        total += sum(returned)
    assert total > 1000


@pytest.mark.slow
def test_a_kill_long_into_a_run_loses_nothing(tmp_path):
    returned = killed(tmp_path / "store", 4, 3.0)
    check(tmp_path / "store", returned)
    assert min(returned) > 100


REPLAYING = """
import sys, time
from pathlib import Path
from autotrack.backends.sqlite import SqliteBackend
from autotrack.recording.replay import replay
store = Path(sys.argv[1])
backend = SqliteBackend(store / "autotrack.db")
write = backend.write
def slowly(batch):
    time.sleep(0.02)
    write(batch)
    print("wrote", flush=True)
    time.sleep(0.02)
backend.write = slowly
replay(store / "journal", backend)
"""

FLAT_OUT = """
import os, sys, time
from pathlib import Path
from autotrack.recording.journal import Journal
from autotrack.records import RunStarted
journal = Journal(Path(sys.argv[1]) / "journal")
journal.put(RunStarted("run", time.time(), "exp"))
lane = journal.lane("run")
for step in range(150_000):
    lane.log({"t0": step + 0.5}, step)
os._exit(0)
"""


@pytest.mark.slow
def test_a_kill_in_the_midst_of_a_replay_loses_and_doubles_nothing(tmp_path):
    store = tmp_path / "store"
    store.mkdir()
    subprocess.run([sys.executable, "-c", FLAT_OUT, str(store)], check=True)
    dice = random.Random(5)
    kills = 0
    while list((store / "journal").iterdir()) and kills < 5:
        child = subprocess.Popen([sys.executable, "-c", REPLAYING, str(store)], stdout=subprocess.PIPE)
        for _ in range(dice.randrange(1, 4)):
            child.stdout.readline()
        time.sleep(dice.random() * 0.03)
        child.kill()
        child.wait()
        child.stdout.close()
        kills += 1
    assert kills >= 2
    check(store, [150_000])
