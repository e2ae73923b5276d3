"""Many processes, one store: each short, each with a few points; all of them are there."""

import os
import time

import pytest

from autotrack.backends.sqlite import SqliteBackend
from autotrack.recording.journal import Journal
from autotrack.recording.replay import replay
from autotrack.recording.writer import Writer
from autotrack.records import RunEnded, RunStarted


def record(store, n, append):
    journal = Journal(store / "journal", append=append)
    writer = Writer(journal, SqliteBackend(store / "autotrack.db"))
    journal.put(RunStarted(f"run{n}", time.time(), "exp"))
    lane = journal.lane(f"run{n}")
    for step in range(20):
        lane.log({"loss": n + step / 100}, step)
        time.sleep(0.01)
    journal.put(RunEnded(f"run{n}", time.time(), "finished"))
    writer.close()


def forked(store, n, append):
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        record(store, n, append)
        code = 0
    finally:
        os._exit(code)


@pytest.mark.slow
@pytest.mark.parametrize(("processes", "append"), [(64, False), (16, True)])
def test_nothing_is_lost_among_many_processes(tmp_path, processes, append):
    children = [forked(tmp_path, n, append) for n in range(processes)]
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * processes
    backend = SqliteBackend(tmp_path / "autotrack.db")
    replay(tmp_path / "journal", backend)  # of those who could not wait at their end
    found = backend.series([f"run{n}" for n in range(processes)], ["loss"])
    assert {series.run_id: list(series.values) for series in found} == {f"run{n}": [n + step / 100 for step in range(20)] for n in range(processes)}
    assert {view.status for view in backend.runs()} == {"finished"}
    backend.close()
    assert os.listdir(tmp_path / "journal") == []
