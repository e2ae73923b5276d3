"""The writer's thread: what is in the journal comes into the store, soon, once, whatever the store does."""

import logging
import os
import subprocess
import sys
import threading
import time

import pytest

from autotrack import guard
from autotrack.backends.memory import MemoryBackend
from autotrack.errors import BackendUnavailable, RecordRejected, SchemaTooNew, StoreGone
from autotrack.recording import journal as journals
from autotrack.recording import replay as replays
from autotrack.recording import writer as writers
from autotrack.recording.journal import Journal
from autotrack.recording.replay import deliver, replay
from autotrack.recording.segments import FIRST_BYTES
from autotrack.recording.writer import Writer
from autotrack.records import Batch, MetricsLogged, ParamsSet, RunEnded, RunNoted, RunStarted, TagsSet


class Store(MemoryBackend):
    """Counts and can fail."""

    def __init__(self):
        super().__init__()
        self.batches, self.attempts, self.trouble, self.poison = [], 0, None, None

    def write(self, batch):
        self.attempts += 1
        if self.trouble is not None:
            raise self.trouble
        if self.poison is not None and any(map(self.poison, batch.records)):
            raise RecordRejected("it has a record that no store takes")
        super().write(batch)
        self.batches.append((time.time(), batch))

    def steps(self, key="x", run="run"):
        found = self.series([run], [key])
        return list(found[0].steps) if found else []


@pytest.fixture(params=[False, True], ids=["mapped", "appended"])
def recorder(request, tmp_path):
    ours = Recorder(tmp_path / "journal", append=request.param)
    yield ours
    ours.close()


class Recorder:
    def __init__(self, folder, **settings):
        idle_s = settings.pop("idle_s", 60.0)
        self.folder = folder
        self.store = Store()
        self.journal = Journal(folder, **settings)
        self.writer = Writer(self.journal, self.store, idle_s=idle_s)
        self.journal.put(RunStarted("run", time.time(), "exp"))
        self.lane = self.journal.lane("run")

    def close(self):
        self.store.trouble = None
        self.journal.put(RunEnded("run", time.time(), "finished"))
        self.writer.close()
        assert threads() == []
        assert not self.folder or not self.folder.exists() or os.listdir(self.folder) == []


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "autotrack-writer"]


def eventually(condition, within_s=5.0):
    until = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.005)


def test_a_point_of_a_quiet_journal_is_soon_in_the_store(recorder):
    recorder.writer.flush()
    time.sleep(1.1)
    began = time.monotonic()
    recorder.lane.log({"x": 1.0}, 0)
    eventually(recorder.store.steps)
    assert time.monotonic() - began < 0.5  # 0.05 s and the machine's noise


def test_beside_a_stream_of_calls_it_commits_once_a_second(recorder):
    until, step = time.monotonic() + 2.5, 0
    while time.monotonic() < until:
        recorder.lane.log({"x": 1.0}, step)
        step += 1
        time.sleep(0.002)
    assert recorder.writer.flush()
    times = [when for when, batch in recorder.store.batches if batch.records]
    assert 3 <= len(times) <= 6
    assert recorder.store.steps() == list(range(step))


def test_flush_waits_for_all_that_was_before(recorder):
    for step in range(1000):
        recorder.lane.log({"x": 1.0}, step)
        if step % 100 == 0:
            assert recorder.writer.flush()
            assert recorder.store.steps() == list(range(step + 1))


def test_flush_says_when_the_store_is_away(recorder):
    recorder.writer.flush()
    recorder.store.trouble = BackendUnavailable("locked")
    recorder.lane.log({"x": 1.0}, 0)
    began = time.monotonic()
    assert not recorder.writer.flush(timeout_s=0.3)
    assert 0.25 < time.monotonic() - began < 1
    recorder.store.trouble = None
    assert recorder.writer.flush()


def test_flush_with_nothing_to_do_starts_nothing(tmp_path):
    writer = Writer(Journal(tmp_path / "journal"), Store())
    assert writer.flush()
    writer.close()
    assert threads() == []
    assert not (tmp_path / "journal").exists()


def test_what_waits_while_the_store_is_away_comes_when_it_is_back(recorder):
    recorder.store.trouble = BackendUnavailable("locked")
    for step in range(20_000):
        recorder.lane.log({"x": 1.0}, step)
    time.sleep(1.0)
    attempts = recorder.store.attempts
    assert 2 <= attempts <= 10  # it waits a little longer each time
    recorder.store.trouble = None
    assert recorder.writer.flush()
    assert recorder.store.steps() == list(range(20_000))


def test_what_waits_is_sealed_against_a_power_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(writers, "SEAL_S", 0.1)
    ours = Recorder(tmp_path / "journal")
    ours.store.trouble = BackendUnavailable("locked")
    ours.lane.log({"x": 1.0}, 0)
    eventually(lambda: ours.journal._segments[0].sealed > 64)
    ours.close()


def test_a_record_that_is_refused_costs_itself_alone(recorder, caplog):
    recorder.store.poison = lambda record: isinstance(record, TagsSet) or (isinstance(record, MetricsLogged) and 617 in record.steps)
    for step in range(1000):
        recorder.lane.log({"x": 1.0}, step)
        if step == 500:
            recorder.journal.put(TagsSet("run", 1.0, {"bad": "tag"}))
    recorder.journal.put(ParamsSet("run", 1.0, {"lr": 0.1}))
    assert recorder.writer.flush()
    assert recorder.store.steps() == [step for step in range(1000) if step != 617]
    assert recorder.store.run("run").params == {"lr": 0.1}
    assert recorder.writer.refused == 2
    assert ["did not accept" in record.getMessage() for record in caplog.records] == [True]
    assert "2 so far" in caplog.text or "1 so far" in caplog.text


def test_halves_keep_the_numbers():
    taken = []

    class Picky:
        def write(self, batch):
            if sum(record.count for record in batch.records) > 1:
                raise RecordRejected("too many")
            taken.append((batch.first, batch.records[0]))

    stretch = MetricsLogged("run", 1.0, ("x",), [1, 2, 3], [1.0, 2.0, 3.0], [[0.1, 0.2, 0.3]])
    assert deliver(Batch("w", 10, (stretch, TagsSet("run", 4.0, {}), TagsSet("run", 5.0, {}))), Picky()) == 0
    assert [number for number, _ in taken] == [10, 11, 12, 13, 14]
    assert [record.time for _, record in taken] == [1.0, 2.0, 3.0, 4.0, 5.0]


@pytest.mark.parametrize("away", [False, True])
def test_a_store_that_is_gone_stops_the_recording(recorder, caplog, away):
    recorder.writer.flush()
    recorder.store.trouble = StoreGone("deleted")
    recorder.lane.log({"x": 1.0}, 0)
    if not away:
        assert not recorder.writer.flush(timeout_s=2)
    eventually(lambda: recorder.journal.is_stopped)
    for step in range(1000):
        recorder.lane.log({"x": 1.0, "new": 2.0}, step)
        recorder.journal.put(TagsSet("run", 1.0, {}))
    assert not recorder.writer.flush()
    eventually(lambda: caplog.records)  # the thread stops the journal first, and says so then
    assert ["the store was deleted; recording stopped" in record.getMessage() for record in caplog.records] == [True]
    assert os.listdir(recorder.folder) == []
    recorder.journal.open_runs.clear()


def test_a_store_that_is_too_new_is_said_once(recorder, caplog):
    recorder.store.trouble = SchemaTooNew("written by autotrack 9")
    recorder.lane.log({"x": 1.0}, 0)
    assert not recorder.writer.flush(timeout_s=0.5)
    assert [record.getMessage() for record in caplog.records] == ["autotrack cannot record: written by autotrack 9"]


def test_a_store_that_fails_in_its_own_way_is_reported_and_tried_again(recorder, caplog, monkeypatch):
    monkeypatch.setenv("AUTOTRACK_STRICT", "")
    monkeypatch.setattr(guard, "failures", {})
    recorder.writer.flush()
    recorder.store.trouble = ZeroDivisionError("a fault of the store's")
    recorder.lane.log({"x": 1.0}, 0)
    assert not recorder.writer.flush(timeout_s=0.3)
    recorder.store.trouble = None
    assert recorder.writer.flush()
    assert recorder.store.steps() == [0]
    assert "writing to the store" in caplog.text


def test_a_sign_of_life_while_a_run_is_open(tmp_path, monkeypatch):
    monkeypatch.setattr(writers, "HEARTBEAT_S", 0.1)
    ours = Recorder(tmp_path / "journal")
    assert ours.writer.open_runs == {"run"}
    eventually(lambda: sum(not batch.records for _, batch in ours.store.batches) >= 2)
    empty = [batch for _, batch in ours.store.batches if not batch.records][-1]
    assert empty.last == ours.store.batches[0][1].last
    lock = next((tmp_path / "journal").glob("*.lock"))
    os.utime(lock, (1, 1))
    eventually(lambda: lock.stat().st_mtime > 1)
    ours.close()


def test_something_is_done_regularly_while_a_run_is_open(recorder, caplog, monkeypatch):
    monkeypatch.setenv("AUTOTRACK_STRICT", "")
    calls = []

    def sample():
        calls.append(threading.current_thread().name)
        recorder.lane.log({"system/cpu": 1.0}, len(calls))
        if len(calls) == 2:
            raise ValueError("a fault of the sampling")

    recorder.writer.every(0.1, sample)
    eventually(lambda: len(calls) >= 4)
    recorder.journal.put(RunEnded("run", time.time(), "finished"))
    time.sleep(0.2)
    count = len(calls)
    time.sleep(0.3)
    assert len(calls) == count
    assert set(calls) == {"autotrack-writer"}


def test_an_idle_thread_ends_and_begins_again(tmp_path):
    ours = Recorder(tmp_path / "journal", idle_s=0.2)
    ours.lane.log({"x": 1.0}, 0)
    assert ours.writer.flush()
    time.sleep(0.5)
    assert threads()  # a run is open
    ours.journal.put(RunEnded("run", 1.0, "finished"))
    eventually(lambda: not threads())
    assert [path.suffix for path in sorted((tmp_path / "journal").iterdir())] == [".lock"]
    for step in range(1, 200):
        ours.lane.log({"x": 1.0}, step)
    eventually(lambda: ours.store.steps() == list(range(200)))
    ours.close()


def test_no_record_is_left_when_the_thread_ends_just_now(tmp_path):
    ours = Recorder(tmp_path / "journal", idle_s=0.0)
    ours.journal.put(RunEnded("run", 1.0, "finished"))
    for step in range(40):
        time.sleep(0.02 + step % 7 * 0.01)
        ours.lane.log({"x": 1.0}, step)
    eventually(lambda: ours.store.steps() == list(range(40)))
    eventually(lambda: not threads())
    ours.close()


def test_after_a_close_it_begins_anew(recorder):
    recorder.lane.log({"x": 1.0}, 0)
    recorder.journal.open_runs.clear()
    recorder.writer.close()
    assert os.listdir(recorder.folder) == []
    assert threads() == []
    recorder.lane.log({"x": 2.0}, 1)
    assert recorder.writer.flush()
    assert recorder.store.steps() == [0, 1]


def test_a_close_while_the_store_is_away_takes_no_longer_than_allowed(tmp_path):
    ours = Recorder(tmp_path / "journal")
    ours.store.trouble = BackendUnavailable("locked")
    ours.lane.log({"x": 1.0}, 0)
    began = time.monotonic()
    ours.writer.close(timeout_s=0.5)
    assert time.monotonic() - began < 1.6
    assert list((tmp_path / "journal").glob("*.000001"))  # for the replay
    ours.close()
    assert ours.store.steps() == [0]


def test_values_on_a_device_are_read_by_the_thread(recorder):
    read_by = []

    class Tensor:
        class device:
            type = "cuda"

        def detach(self):
            return self

        def clone(self):
            return self

        def item(self):
            read_by.append(threading.current_thread().name)
            return 0.5

    for step in range(5):
        recorder.lane.log({"x": Tensor()}, step)
    assert recorder.writer.flush()
    assert recorder.store.steps() == list(range(5))
    assert set(read_by) == {"autotrack-writer"}


def test_what_was_dropped_is_stored_with_the_run(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(journals, "CAP_BYTES", FIRST_BYTES)
    ours = Recorder(tmp_path / "journal")
    ours.store.trouble = BackendUnavailable("locked")
    for step in range(20_000):
        ours.lane.log({"x": 1.0}, step)
    time.sleep(1.2)
    ours.store.trouble = None
    ours.close()
    stored = len(ours.store.steps())
    assert FIRST_BYTES // 45 < stored < 20_000
    assert ours.store.run("run").dropped == 20_000 - stored
    assert ours.store.run("run").status == "finished"
    assert len(caplog.records) == 1


def test_a_dropped_call_costs_little(tmp_path, monkeypatch):
    monkeypatch.setattr(journals, "CAP_BYTES", FIRST_BYTES)
    journal = Journal(tmp_path / "journal")
    lane = journal.lane("run")
    for step in range(20_000):
        lane.log({"x": 1.0}, step)
    assert journal.is_full
    began = time.perf_counter()
    for step in range(20_000):
        lane.log({"x": 1.0}, step)
    assert (time.perf_counter() - began) / 20_000 < 12e-6
    while (batch := journal.read()) is not None:
        journal.acknowledge(batch)
    journal.make_room()
    while (batch := journal.read()) is not None:
        assert all(isinstance(record, RunNoted) for record in batch.records)
        journal.acknowledge(batch)
    assert journal.close()


def test_a_busy_loop_of_python_does_not_keep_the_writer_from_its_work(recorder):
    until, step, late = time.monotonic() + 3, 0, 0.0
    told = {}
    while (now := time.monotonic()) < until:
        if now * 20 > step:
            recorder.lane.log({"x": 1.0}, step)
            told[step] = time.time()
            step = int(now * 20) + 1
        sum(range(100))
    recorder.writer.flush()
    for when, batch in recorder.store.batches:
        for record in batch.records:
            if isinstance(record, MetricsLogged):
                late = max([late, *(when - told[step] for step in record.steps)])
    assert late < 2.0


DYING = """
import os, sys, time
from pathlib import Path
from autotrack.recording.journal import Journal
from autotrack.records import RunStarted, RunEnded
journal = Journal(Path(sys.argv[1]), append=sys.argv[2] == "appended")
journal.put(RunStarted("run", time.time(), "exp"))
lane = journal.lane("run")
for step in range(10_000):
    lane.log({"x": 1.0, **({"y": 2.0} if step % 3 else {})}, step)
os._exit(0)
"""


@pytest.fixture(params=["mapped", "appended"])
def left(request, tmp_path):
    """What a dead process left."""
    subprocess.run([sys.executable, "-c", DYING, str(tmp_path / "journal"), request.param], check=True)
    return tmp_path / "journal"


def test_what_a_dead_process_left_is_replayed(left):
    store = Store()
    began = time.time()
    assert replay(left, store) == 1
    assert store.steps() == list(range(10_000))
    assert store.steps("y") == [step for step in range(10_000) if step % 3]
    view = store.run("run")
    assert (view.status, os.listdir(left)) == ("lost", [])
    assert view.started <= view.ended <= began + 1
    assert replay(left, store) == 0


def test_it_is_interrupted_if_it_was_terminated(left):
    with next(left.glob("*.lock")).open("a") as lock:
        lock.write("Current thread …")
    store = Store()
    replay(left, store)
    assert store.run("run").status == "interrupted"


def test_a_replay_that_dies_at_any_place_is_taken_up_by_the_next(left):
    class Dies(Store):
        def __init__(self, after):
            super().__init__()
            self.after = after

        def write(self, batch):
            super().write(batch)
            self.after -= 1
            if self.after == 0:
                raise KeyboardInterrupt

    store = Dies(0)
    rounds = 0
    while os.listdir(left):
        store.after = rounds + 1
        try:
            replay(left, store)
        except KeyboardInterrupt:
            rounds += 1
        assert rounds < 20
    assert rounds >= 2
    assert store.steps() == list(range(10_000))
    assert store.run("run").status == "lost"


def test_while_the_store_is_away_all_stays(left):
    store = Store()
    store.trouble = BackendUnavailable("locked")
    before = sorted(os.listdir(left))
    assert replay(left, store) == 0
    assert sorted(os.listdir(left)) == before
    store.trouble = None
    assert replay(left, store) == 1


def replayed_elsewhere(folder):
    """What another process gets out of the folder."""
    code = "import sys; from pathlib import Path; from autotrack.backends.memory import MemoryBackend; from autotrack.recording.replay import replay"
    code += "; print(replay(Path(sys.argv[1]), MemoryBackend()))"
    return int(subprocess.run([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, check=True).stdout)


def test_two_that_replay_at_once_apply_it_once(left):
    writes = []

    class Slow(Store):
        def write(self, batch):
            writes.append(os.getpid())
            time.sleep(0.3)
            super().write(batch)

    store = Slow()
    thread = threading.Thread(target=replay, args=(left, store))
    thread.start()
    eventually(lambda: writes)
    assert replayed_elsewhere(left) == 0
    thread.join()
    assert store.steps() == list(range(10_000))


def test_the_living_are_left_alone(recorder):
    recorder.lane.log({"x": 1.0}, 0)
    other = Store()
    assert replay(recorder.folder, other) == 0  # of this very process: to look at its lock would drop it
    for _ in range(2):
        assert replayed_elsewhere(recorder.folder) == 0
    recorder.lane.log({"x": 1.0}, 1)
    recorder.writer.flush()
    assert recorder.store.steps() == [0, 1]


def test_the_thread_replays_what_others_left(left, tmp_path):
    ours = Recorder(left)
    eventually(lambda: ours.store.steps() == list(range(10_000)))
    ours.close()


REMOTE = """
import os, sys, time
from pathlib import Path
from autotrack.recording import writer as writers
from autotrack.recording.journal import Journal
from autotrack.records import RunEnded, RunStarted
writers.is_network = lambda folder: True
class Store:
    def write(self, batch):
        print("the store was opened", flush=True)
journal = Journal(Path(sys.argv[1]), append=True)
writer = writers.Writer(journal, Store())
journal.put(RunStarted("run", time.time(), "exp"))
lane = journal.lane("run")
for step in range(10):
    lane.log({"x": 1.0}, step)
time.sleep(0.3)
print("ready", flush=True)
sys.stdin.readline()
lane.log({"x": 1.0}, 10)
journal.put(RunEnded("run", time.time(), "finished"))
"""


def test_on_a_network_file_system_who_reads_replays(tmp_path, monkeypatch):
    monkeypatch.setattr(replays, "is_network", lambda folder: True)
    store = Store()
    child = subprocess.Popen([sys.executable, "-c", REMOTE, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "ready\n"  # it does not open the store
    assert replay(tmp_path, store) == 0
    assert (store.steps(), store.run("run").status) == (list(range(10)), "running")
    out, _ = child.communicate("\n", timeout=20)
    assert out == ""
    assert replay(tmp_path, store) == 1
    assert (store.steps(), store.run("run").status) == (list(range(11)), "finished")
    assert os.listdir(tmp_path) == []


def test_what_waits_in_files_is_not_held_in_memory_too(tmp_path):
    ours = Recorder(tmp_path / "journal", append=True)
    ours.writer.flush()
    ours.store.trouble = BackendUnavailable("locked")
    ours.journal.put(ParamsSet("run", 1.0, {"large": "x" * (5 << 20)}))
    for step in range(3):
        ours.journal.put(TagsSet("run", 1.0, {str(step): "x" * (5 << 20)}))
    ours.lane.log({"x": 1.0}, 0)
    eventually(lambda: [segment.is_loaded for segment in ours.journal._segments].count(False) >= 2)
    ours.close()
    assert len(ours.store.run("run").tags) == 3
    assert ours.store.steps() == [0]


def test_a_folder_that_is_not_there_has_nothing(tmp_path):
    assert replay(tmp_path / "none", Store()) == 0
    assert not (tmp_path / "none").exists()


def test_strange_files_are_left_alone(tmp_path, caplog):
    (tmp_path / "README").write_text("")
    (tmp_path / ".hidden").write_text("")
    (tmp_path / "notes.txt").write_text("")
    assert replay(tmp_path, Store()) == 0
    assert sorted(os.listdir(tmp_path)) == [".hidden", "README", "notes.txt"]


def test_the_logger_says_nothing_without_trouble(recorder, caplog):
    caplog.set_level(logging.INFO)
    recorder.lane.log({"x": 1.0}, 0)
    recorder.writer.flush()
    assert caplog.records == []
