"""The journal by itself: what is recorded comes out as it went in, once, in order, whatever comes between."""

import contextlib
import faulthandler
import itertools
import os
import random
import signal
import stat
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from autotrack.recording import journal as journals
from autotrack.recording.journal import Journal
from autotrack.recording.mounts import file_system, file_system_of
from autotrack.recording.replay import believed
from autotrack.recording.segments import BOOT, FIRST_BYTES, HEADER_BYTES, SEGMENT_BYTES, Segment
from autotrack.records import MetricsLogged, ParamsSet, RunEnded, RunNoted, RunStarted, TagsSet


@pytest.fixture(params=["mapped", "appended", "memory"])
def journal(request, tmp_path):
    ours = Journal(None if request.param == "memory" else tmp_path / "journal", append=request.param == "appended")
    yield ours
    finish(ours)


@pytest.fixture
def mapped(tmp_path):
    ours = Journal(tmp_path / "journal")
    yield ours
    finish(ours)


def finish(journal):
    journal.open_runs.clear()
    journal.make_room()
    batches(journal)
    assert journal.close(), (journal._segments, journal._aside, journal._waiting)


def batches(journal):
    """All that is there, acknowledged."""
    found = []
    while (batch := journal.read()) is not None:
        found.append(batch)
        journal.acknowledge(batch)
    return found


@pytest.fixture
def closes_strays():
    """A Ctrl-C between ``os.open`` and the storing of what it returned loses the descriptor: too many of them for the tests after this one."""
    before = set(os.listdir("/proc/self/fd"))
    yield
    for name in set(os.listdir("/proc/self/fd")) - before:
        with contextlib.suppress(OSError):
            os.close(int(name))


def records(journal):
    return [record for batch in batches(journal) for record in batch.records]


def points(found):
    """Each call as (step, {key: value}), in order."""
    return [
        (step, dict(zip(record.keys, values)))
        for record in found
        if isinstance(record, MetricsLogged)
        for step, *values in zip(record.steps, *record.columns)
    ]


def test_what_is_logged_comes_out(journal):
    lane = journal.lane("run")
    before = time.time()
    for step in range(3):
        lane.log({"loss": 0.5 * step, "acc": 1.0}, step)
    lane.log({"loss": 9.0}, -7)
    (batch,) = batches(journal)
    first, second = batch.records
    assert (first.run_id, first.keys, first.steps, first.columns) == ("run", ("loss", "acc"), [0, 1, 2], [[0.0, 0.5, 1.0], [1.0, 1.0, 1.0]])
    assert (second.keys, second.steps, second.columns) == (("loss",), [-7], [[9.0]])
    assert before <= first.time == first.times[0] <= first.times[2] <= time.time()
    assert (batch.writer, batch.first, batch.last) == (journal.writer, 1 << 32, (1 << 32) + 3)


def test_objects_come_out_in_their_place(journal):
    told = [RunStarted("run", 1.0, "exp", "näme"), ParamsSet("run", 2.0, {"lr": 0.1, "on": True, "n": None, "ß\0\ud800": [1, float("inf")]})]
    journal.put(told[0])
    journal.put(told[1])
    journal.lane("run").log({"loss": 1.0}, 0)
    journal.put(RunEnded("run", 3.0, "failed", "boom"))
    found = records(journal)
    assert found[:2] == told
    assert found[3] == RunEnded("run", 3.0, "failed", "boom")
    assert points(found) == [(0, {"loss": 1.0})]


def test_open_runs_are_known(journal):
    journal.put(RunStarted("a", 1.0, "exp"))
    journal.put(RunStarted("b", 1.0, "exp"))
    journal.put(RunEnded("a", 1.0, "finished"))
    assert journal.open_runs == {"b"}


@pytest.mark.parametrize("rounds", [1, 3])  # the first call of a key set takes another way than the later ones
@pytest.mark.parametrize(
    "value", [3, True, np.float32(0.5), np.float64(0.5), np.int8(-3), np.bool_(True), np.array(0.5), np.array([0.5]), float("inf")], ids=repr
)
def test_numbers_of_all_kinds(journal, value, rounds):
    lane = journal.lane("run")
    for step in range(rounds):
        lane.log({"x": value}, step)
        lane.log({"a": 1.0, "b": value, "c": 0.0, "d": 2, "e": 0.5, "f": 1.0}, step)
    expected = float(np.asarray(value).item())
    assert [found.get("x", found.get("b")) for _, found in points(records(journal))] == [expected] * 2 * rounds


def test_nan_comes_back(journal):
    journal.lane("run").log({"x": float("nan")}, 0)
    ((_, found),) = points(records(journal))
    assert found["x"] != found["x"]


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("0.5", "'x' is a str"),
        (None, "'x' is a NoneType"),
        ([1.0], "'x' is a list"),
        (1j, "'x' is a complex"),
        (b"1", "'x' is a bytes"),
        (np.zeros(3), "'x' is a ndarray of shape"),
        (np.complex64(1), "'x' is a complex64"),
        (10**400, "'x' is an int of 1329 bits"),
        (object(), "'x' is a object"),
    ],
)
def test_what_is_no_number_is_said_by_name(journal, value, words, known, many):
    lane = journal.lane("run")
    others = dict.fromkeys("abcdefg", 1.0) if many else {}
    if known:
        lane.log({**others, "x": 1.0}, 0)
    with pytest.raises(TypeError, match=words):
        lane.log({**others, "x": value}, 1)
    lane.log({**others, "x": 2.0}, 2)
    assert [step for step, _ in points(records(journal))] == ([0, 2] if known else [2])


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize(
    ("step", "words"), [(3.0, "is a float"), ("3", "is a str"), (2**63, "beyond 64 bits"), (-(2**63) - 1, "beyond")]
)
def test_a_wrong_step_is_said_and_costs_nothing_else(journal, step, words, known):
    lane = journal.lane("run")
    if known:
        lane.log({"x": 1.0}, 0)
    with pytest.raises(TypeError, match=words):
        lane.log({"x": 1.0}, step)
    lane.log({"x": 1.0}, np.int64(1))
    lane.log({"x": 1.0}, 2**63 - 1)
    (batch,) = batches(journal)
    assert [step for step, _ in points(batch.records)] == [*([0] if known else []), 1, 2**63 - 1]
    assert batch.last == batch.first + len(points(batch.records)) - 1  # a void has no number


@pytest.mark.parametrize("known", [False, True])
def test_a_refused_call_counts_no_step_and_leaves_no_part_of_itself(journal, known):
    lane = journal.lane("run")
    lane.log({"x": 1.0}, None)
    for wrong in ({"x": "0.5"}, {"x" if known else "y": None}, {**{f"k{n}": 1.0 for n in range(5000)}, "last": "0.5"}):
        with pytest.raises(TypeError):
            lane.log(wrong, None)
    lane.log({"x": 2.0}, None)
    assert points(records(journal)) == [(0, {"x": 1.0}), (1, {"x": 2.0})]


@pytest.mark.parametrize("metrics", [[("x", 1.0)], {"x"}, "x", np.zeros(1)])
def test_metrics_are_a_mapping(journal, metrics):
    with pytest.raises(TypeError, match=f"mapping from names to numbers, not a {type(metrics).__name__}"):
        journal.lane("run").log(metrics, 0)


@pytest.mark.parametrize("key", [3, "", None, ("a", "b")])
def test_a_name_is_text(journal, key):
    with pytest.raises(TypeError, match="name is text"):
        journal.lane("run").log({key: 1.0}, 0)


def test_a_whole_number_beyond_floats_warns_once(journal, caplog):
    lane = journal.lane("run")
    for step in range(3):
        lane.log({"big": 2**53 + 1}, step)
        lane.log({"exact": 2**60}, step)
    assert points(records(journal))[0] == (0, {"big": 2.0**53})
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_nested_metrics_are_flattened(journal):
    lane = journal.lane("run")
    lane.log({"train": {"loss": 1.0, "layer": {"0": 2}}, "lr": 0.1}, 0)
    lane.log({"lr": 0.1}, 1)
    lane.log({"lr": {"head": 0.2}}, 2)  # the same names as before, but no number
    lane.log({}, 3)
    lane.log({"a": {}}, 4)
    assert points(records(journal)) == [(0, {"train/loss": 1.0, "train/layer/0": 2.0, "lr": 0.1}), (1, {"lr": 0.1}), (2, {"lr/head": 0.2})]


def test_a_nest_without_end_is_refused(journal):
    nest = {}
    nest["a"] = nest
    with pytest.raises(TypeError, match="nested too deep"):
        journal.lane("run").log(nest, 0)


def test_ten_thousand_names(journal):
    lane = journal.lane("run")
    lane.log({f"layer/{n}/weight": float(n) for n in range(10_000)}, 0)  # in one call
    for n in range(10_000):  # and one a call
        lane.log({f"k{n}": float(n)}, n)
    found = [each for _, each in points(records(journal))]
    assert {key: value for each in found for key, value in each.items() if "/" in key} == {f"layer/{n}/weight": float(n) for n in range(10_000)}
    assert found[-10_000:] == [{f"k{n}": float(n)} for n in range(10_000)]


def test_names_in_any_script(journal):
    names = ["потери", "损失", "a b", "loss%", "🦆", "x" * 1000, 'quo"te\\', "new\nline"]
    lane = journal.lane("run")
    for _ in range(2):
        lane.log(dict.fromkeys(names, 1.0), 0)
    assert [set(each) for _, each in points(records(journal))] == [set(names)] * 2


def test_segments_grow_and_go(mapped, tmp_path):
    lane = mapped.lane("run")
    sizes = set()
    for step in range(120_000):
        lane.log({"x": 0.5}, step)
        if step % 5_000 == 0:
            sizes |= {path.stat().st_size for path in files(tmp_path)}
    assert sizes == {FIRST_BYTES, 4 * FIRST_BYTES, SEGMENT_BYTES}
    assert len(files(tmp_path)) == 3
    found = batches(mapped)
    assert [step for batch in found for step, _ in points(batch.records)] == list(range(120_000))
    assert len(files(tmp_path)) == 1  # what is read is removed
    for batch in found:
        assert batch.first >> 32 == batch.last >> 32  # none spans two segments
        assert batch.last - batch.first < 50_000
    for earlier, later in itertools.pairwise(found):
        assert earlier.last < later.first


def files(tmp_path):
    return [path for path in (tmp_path / "journal").iterdir() if path.suffix[1:].isdigit()]


def test_a_record_larger_than_a_segment_has_one_of_its_size(journal):
    large = {"text": "x" * (5 << 20)}
    journal.put(ParamsSet("run", 1.0, {"small": 1}))
    journal.put(ParamsSet("run", 1.0, large))
    journal.lane("run").log({"y" * (5 << 20): 1.0}, 0)
    journal.put(ParamsSet("run", 1.0, {"small": 2}))
    found = records(journal)
    assert [record.values for record in found if isinstance(record, ParamsSet)] == [{"small": 1}, large, {"small": 2}]
    assert [len(key) for _, each in points(found) for key in each] == [5 << 20]


def test_a_batch_stays_the_same_until_it_is_acknowledged(journal):
    lane = journal.lane("run")
    lane.log({"x": 1.0}, 0)
    batch = journal.read()
    lane.log({"x": 2.0}, 1)
    assert journal.read() is batch
    assert batch.last == batch.first
    mark = journal.mark()
    journal.acknowledge(batch)
    assert not journal.has_passed(mark)
    assert points(records(journal)) == [(1, {"x": 2.0})]
    assert journal.has_passed(mark)


def test_a_batch_has_at_most_so_many(journal):
    lane = journal.lane("run")
    for step in range(25):
        lane.log({"x": 1.0}, step)
    sizes = []
    while (batch := journal.read(10)) is not None:
        sizes.append(batch.last - batch.first + 1)
        journal.acknowledge(batch)
    assert sizes == [10, 10, 5]


def test_the_reader_waits_at_a_reservation_until_it_is_filled(mapped):
    lane = mapped.lane("run")
    lane.log({"x": 0.0}, 0)
    size, pack_into, first, segment, *_ = lane._known[("x",)]
    hole, segment.off = segment.off, segment.off + size  # another thread is in the midst of a call
    lane.log({"x": 2.0}, 2)
    assert [step for step, _ in points(records(mapped))] == [0]
    mapped.retire()
    lane.log({"x": 3.0}, 3)
    assert records(mapped) == []
    pack_into(segment.memory, hole, first, 1, 1.0, 1.0, segment.base + hole)
    assert [step for step, _ in points(records(mapped))] == [1, 2, 3]


def test_replay_steps_over_a_hole_and_numbers_as_the_living_would(mapped, tmp_path):
    lane = mapped.lane("run")
    lane.log({"x": 0.0}, 0)
    with pytest.raises(TypeError):
        lane.log({"x": 0.0}, "no")  # a void
    mapped.put(TagsSet("run", 1.0, {"a": "b"}))
    lane.segment.off += 40  # a thread that died here
    lane.log({"x": 2.0}, 2)
    words = believed(files(tmp_path)[0].read_bytes())
    first, before = words.read(words.size, 100)
    assert words.skip_hole(words.size)
    after, beyond = words.read(words.size, 100)
    assert (first, after) == (1 << 32, (1 << 32) + 2)
    assert [step for step, _ in points([*before, *beyond])] == [0, 2]
    assert not words.skip_hole(words.size)
    lane.segment.spoil(lane.segment.off - 80, 40)
    assert [batch.first for batch in batches(mapped)] == [first]


@pytest.mark.parametrize("by", ["log", "curve"])
def test_an_exception_out_of_nowhere_loses_no_returned_call(closes_strays, mapped, by):
    """Ctrl-C at any moment of a call: the calls that returned are there, and the reader is never stuck."""
    lane = mapped.lane("run")
    curve = lane.curve("x")
    say = (lambda step: curve(0.5, step)) if by == "curve" else (lambda step: lane.log({"x": 1.0, "new" if step % 97 == 0 else "y": 0.5}, step))
    curve(0.5, 0)  # what is done once is done
    done, interrupted = [], 0

    def interrupt(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        until, step = time.monotonic() + 1.5, 0
        while time.monotonic() < until:
            try:
                signal.setitimer(signal.ITIMER_REAL, random.random() * 3e-4 + 1e-6)
                while True:
                    step += 1
                    say(step)
                    done.append(step)
            except KeyboardInterrupt:
                interrupted += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    mapped.tend()
    found = [step for step, _ in points(records(mapped))]
    assert interrupted > 100
    assert len(found) == len(set(found))
    assert set(done) <= set(found)
    assert len(found) - len(done) <= interrupted


@pytest.mark.slow
def test_eight_threads_and_a_signal_function_that_logs(journal):
    """The reservation without a lock: nothing lost, nothing wrong, with threads switched every microsecond."""
    interval = sys.getswitchinterval()
    stop = threading.Event()
    signalled = itertools.count()
    aside = journal.lane("signal")
    per_thread = 4_000

    def on_signal(number, frame):
        aside.log({f"s{random.randrange(40)}": 1.0}, next(signalled))
        signal.setitimer(signal.ITIMER_REAL, 0.0005)

    def work(n):
        lane = journal.lane(f"run{n % 3}")
        for step in range(per_thread):
            lane.log({f"t{n}": float(step), "k": float(n)} if step % 9 else {f"t{n}": float(step), f"k{step}": float(n)}, step)

    def read(found):
        while not stop.is_set():
            found.extend(records(journal))
            time.sleep(0.001)

    found = []
    before = signal.signal(signal.SIGALRM, on_signal)
    sys.setswitchinterval(1e-6)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0005)
        reader = threading.Thread(target=read, args=(found,))
        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in [reader, *threads]:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            threads[0].join(0.001)
            aside.log({"main": 1.0}, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        sys.setswitchinterval(interval)
        stop.set()
        reader.join()
        for thread in threads:
            thread.join()
    found.extend(records(journal))
    told = points(found)
    for n in range(8):
        mine = [(step, each[f"t{n}"]) for step, each in told if f"t{n}" in each]
        assert mine == [(step, float(step)) for step in range(per_thread)]
    assert sorted(step for record in found if record.run_id == "signal" and "main" not in record.keys for step in record.steps) == list(
        range(next(signalled))
    )


def test_appended_bytes_are_the_mapped_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(journals, "time", lambda: 1.5)
    monkeypatch.setattr(os, "urandom", lambda count: b"\7" * count)
    contents = []
    for name in ("mapped", "appended"):
        journal = Journal(tmp_path / name, append=name == "appended")
        lane = journal.lane("run")
        for step in range(100):
            lane.log({"a": 0.5, "b": float(step)} if step % 7 else {"c": 1.0}, step)
        journal.put(TagsSet("run", 1.0, {"x": "y"}))
        ((path),) = [path for path in (tmp_path / name).iterdir() if path.suffix == ".000001"]
        contents.append(path.read_bytes().rstrip(b"\0"))
        finish(journal)
    assert contents[0] == contents[1]


class Tensor:
    """Looks like one on a device."""

    def __init__(self, cell, device="cuda"):
        self.cell, self.device, self.reads = cell, SimpleNamespace(type=device), 0

    def detach(self):
        return self

    def clone(self):
        return Tensor(list(self.cell), self.device.type)

    def item(self):
        if threading.current_thread() is not threading.main_thread() or self.device.type == "cpu" or READING:
            return self.cell[0]
        raise AssertionError("read on the caller's thread")

    __float__ = item


READING = []


def test_a_value_on_a_device_is_read_later_as_it_was(journal):
    lane = journal.lane("run")
    total = Tensor([0.5])
    lane.log({"loss": total, "lr": 0.1}, 4)
    before = time.time()
    total.cell[0] = 99.0  # total += loss, in place
    assert journal.read() is None
    assert journal.has_waiting
    READING.append(True)
    journal.tend()
    READING.clear()
    (record,) = records(journal)
    assert points([record]) == [(4, {"loss": 0.5, "lr": 0.1})]
    assert record.time <= before


def test_a_tensor_on_the_cpu_is_read_at_once(journal):
    lane = journal.lane("run")
    for step in range(3):
        lane.log({"loss": Tensor([0.25], "cpu")}, step)
    assert points(records(journal)) == [(step, {"loss": 0.25}) for step in range(3)]


def test_a_value_that_cannot_be_read_from_its_device_costs_itself_alone(journal, caplog):
    class Broken(Tensor):
        def item(self):
            raise RuntimeError("device lost")

        __float__ = item

        def clone(self):
            return self

    lane = journal.lane("run")
    for step in range(2):
        lane.log({"loss": Broken([0.5]), "lr": 0.1}, step)
    journal.tend()
    assert points(records(journal)) == [(step, {"lr": 0.1}) for step in range(2)]
    assert len(caplog.records) == 1


def test_at_the_cap_metrics_are_dropped_and_counted_and_objects_are_kept(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(journals, "CAP_BYTES", FIRST_BYTES)
    journal = Journal(tmp_path / "journal")
    lane, other = journal.lane("run"), journal.lane("other")
    for step in range(20_000):
        lane.log({"x": 1.0}, step)
    other.log({"x": 1.0}, 0)
    journal.put(RunEnded("run", 1.0, "finished"))
    found = records(journal)
    kept = len(points(found))
    assert kept == pytest.approx((FIRST_BYTES - 200) / 40, abs=5)
    assert found[-1] == RunEnded("run", 1.0, "finished")
    journal.make_room()
    noted = [(record.run_id, record.field, record.value) for record in records(journal) if isinstance(record, RunNoted)]
    assert noted == [("run", "dropped", 20_000 - kept), ("other", "dropped", 1)]
    lane.log({"x": 1.0}, 7)  # there is room again
    assert points(records(journal)) == [(7, {"x": 1.0})]
    assert ["dropped and counted" in record.getMessage() for record in caplog.records] == [True]
    finish(journal)


def test_numbers_rise_though_a_spare_was_laid_out_before_the_room_ended(mapped, tmp_path):
    lane = mapped.lane("run")
    while mapped._spare is None:
        lane.log({"x": 1.0}, 0)
        mapped.tend()
    mapped.is_full = True
    for _ in range(3):
        mapped.put(TagsSet("run", 1.0, {"large": "x" * FIRST_BYTES}))  # in memory, for it is kept
    mapped.is_full = False
    for step in range(20_000):
        lane.log({"x": 1.0}, step)
    found = batches(mapped)
    assert all(earlier.last < later.first for earlier, later in itertools.pairwise(found))
    assert points([record for batch in found for record in batch.records])[-1] == (19_999, {"x": 1.0})
    assert len(files(tmp_path)) <= 1


def test_a_folder_that_cannot_be_made_is_said_once_and_memory_is_used(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(journals, "SEGMENT_BYTES", FIRST_BYTES)
    (tmp_path / "file").write_text("")
    journal = Journal(tmp_path / "file" / "journal")
    lane = journal.lane("run")
    for step in range(60_000):
        lane.log({"x": 1.0}, step)
    messages = [record.getMessage() for record in caplog.records]
    assert ["AUTOTRACK_URI" in message for message in messages] == [True, False]
    found = records(journal)
    assert len(points(found)) == pytest.approx(4 * FIRST_BYTES / 40, rel=0.01)  # four segments
    journal.make_room()
    (noted,) = records(journal)
    assert noted.value == 60_000 - len(points(found))
    finish(journal)


def test_files_are_for_their_owner_and_not_for_child_programs(tmp_path):
    journal = Journal(tmp_path / "journal")
    journal.lane("run").log({"x": 1.0}, 0)
    assert stat.S_IMODE((tmp_path / "journal").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "journal").iterdir()} == {0o600}
    ours = [fd for fd in map(int, os.listdir("/proc/self/fd")) if link(fd).startswith(str(tmp_path))]
    assert ours
    assert not any(map(os.get_inheritable, ours))
    finish(journal)


def link(fd):
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return ""


def test_a_journal_that_is_closed_leaves_nothing_and_begins_anew(journal, tmp_path):
    lane = journal.lane("run")
    lane.log({"x": 1.0}, 0)
    before = journal.writer
    assert not journal.close()  # not all is acknowledged
    batches(journal)
    assert journal.close()
    assert list(tmp_path.glob("journal/*")) == []
    lane.log({"x": 2.0}, 1)
    assert journal.writer != before
    assert points(records(journal)) == [(1, {"x": 2.0})]


def test_a_sigterm_is_watched_and_nobody_sees_it(mapped, tmp_path):
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    mapped.lane("run").log({"x": 1.0}, 0)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert [path.suffix for path in sorted(tmp_path.glob("journal/*"))] == [".000001", ".lock"]


def test_a_sigterm_that_the_user_treats_is_his(tmp_path):
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        journal = Journal(tmp_path / "journal")
        journal.lane("run").log({"x": 1.0}, 0)
        assert not faulthandler.unregister(signal.SIGTERM)
        finish(journal)
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


def test_after_a_reboot_only_what_was_sealed_is_believed(journal, tmp_path):
    if journal.folder is None:
        return
    lane = journal.lane("run")
    for step in range(10):
        lane.log({"x": 1.0}, step)
    journal.seal()
    for step in range(10, 13):
        lane.log({"x": 1.0}, step)
    (path,) = files(tmp_path)
    content = path.read_bytes()
    assert len(points(believed(content).read(1 << 30, 100)[1])) == 13
    other = content.replace(BOOT, bytes(16))
    assert len(points(believed(other).read(1 << 30, 100)[1])) == 10
    damaged = bytearray(other)
    damaged[HEADER_BYTES + 150] ^= 1
    assert believed(bytes(damaged)) is None
    journal.seal()
    assert len(points(believed(path.read_bytes().replace(BOOT, bytes(16))).read(1 << 30, 100)[1])) == 13
    assert believed(b"") is None
    assert believed(b"x" * 400) is None


def test_a_forked_child_begins_its_own(mapped, tmp_path):
    lane = mapped.lane("run")
    lane.log({"x": 1.0}, 0)
    parent = mapped.writer
    pid = os.fork()
    if not pid:
        try:
            lane.log({"x": 2.0}, 1)
            (batch,) = batches(mapped)
            fine = points(batch.records) == [(1, {"x": 2.0})] and batch.writer != parent and len(list(tmp_path.glob("journal/*.lock"))) == 2
            os._exit(0 if fine and mapped.close() else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    lane.log({"x": 3.0}, 2)
    assert points(records(mapped)) == [(0, {"x": 1.0}), (2, {"x": 3.0})]
    assert len(list(tmp_path.glob("journal/*.lock"))) == 1


def test_a_file_system_that_cannot_promise_space_is_never_mapped(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    journal = Journal(tmp_path / "journal")
    lane = journal.lane("run")
    for step in range(100):
        lane.log({"x": 1.0}, step)
    assert str(tmp_path) not in Path("/proc/self/maps").read_text()
    (path,) = files(tmp_path)
    assert path.stat().st_size < 8_000
    assert len(points(records(journal))) == 100
    finish(journal)


MOUNTS = r"""22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw
23 22 0:21 / /proc rw,nosuid - proc proc rw
30 22 0:40 / /dev/shm rw - tmpfs tmpfs rw
41 22 0:50 / /home/ann rw,relatime master:3 propagate_from:1 - nfs4 srv:/home rw,vers=4.2
42 22 0:51 / /mnt/my\040disk rw - fuse.sshfs host:/ rw
43 22 0:52 / /data rw - xfs /dev/sdb rw
44 43 0:53 / /data rw - cifs //srv/data rw
bad line
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/root/x", "ext4"),
        ("/dev/shm/j", "tmpfs"),
        ("/home/ann", "nfs4"),
        ("/home/ann/a/.autotrack/journal", "nfs4"),
        ("/home/annette", "ext4"),
        ("/mnt/my disk/x", "fuse.sshfs"),
        ("/data/x", "cifs"),  # mounted over the other
    ],
)
def test_the_file_system_of_a_folder(folder, kind):
    assert file_system(Path(folder), MOUNTS) == kind
    assert file_system(Path(folder), "") == ""


def test_the_file_system_of_a_folder_that_is_not_there_yet(tmp_path):
    assert file_system_of(str(tmp_path / "a" / "b")) == file_system_of(str(tmp_path)) != ""


def test_a_segment_of_another_version_is_left_out():
    segment = Segment(1, 4096, None)
    content = bytes(segment.memory)
    assert believed(content[:8].replace(b"1", b"2") + content[8:]) is None
    segment.free()


def test_a_curve_is_as_log_of_one_float(journal):
    lane = journal.lane("run")
    say, before = lane.curve("loss"), time.time()
    times = [say(step / 2, step) for step in range(3)]
    say(7, 3)  # a whole number, as log takes one
    say(float("nan"), 4)
    lane.log({"loss": 9.0}, 5)
    say(1.5, 6)
    found = records(journal)
    assert [step for step, _ in points(found)] == list(range(7))
    values = [value["loss"] for _, value in points(found)]
    assert values[:4] + values[5:] == [0.0, 0.5, 1.0, 7.0, 9.0, 1.5]
    assert values[4] != values[4]
    told = [at for record in found for at in record.times]
    assert told[:3] == pytest.approx(times, abs=0.01)
    assert before <= times[0] <= times[-1] <= time.time()
    with pytest.raises(TypeError, match="metric 'loss' is a str"):
        say("much", 8)


def test_curves_go_on_over_segments_beside_other_calls(journal):
    lane, other = journal.lane("run"), journal.lane("another")
    say, count = lane.curve("loss"), FIRST_BYTES // 20
    for step in range(count):
        say(float(step), step)
        if step % 100 == 0:
            other.log({"x": 1.0}, step)
            journal.tend()
    found = records(journal)
    assert [step for record in found if record.run_id == "run" for step in record.steps] == list(range(count))
    assert sum(record.count for record in found if record.run_id == "another") == -(-count // 100)


def test_a_forked_child_goes_on_with_a_curve_in_its_own(mapped):
    say = mapped.lane("run").curve("x")
    say(1.0, 0)
    pid = os.fork()
    if not pid:
        try:
            say(2.0, 1)
            (batch,) = batches(mapped)
            os._exit(0 if points(batch.records) == [(1, {"x": 2.0})] and mapped.close() else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    say(3.0, 2)
    assert points(records(mapped)) == [(0, {"x": 1.0}), (2, {"x": 3.0})]


def test_what_was_measured_before_keeps_its_time(journal):
    journal.lane("run").log({"loss": 0.5}, 3, 1000.0)
    (record,) = records(journal)
    assert (record.steps, record.times, record.columns) == ([3], [1000.0], [[0.5]])
