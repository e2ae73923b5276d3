"""The SQLite store: what the contract does not see. Plain SQL reads it; many write it; what can go wrong with a file is said in words."""

import ctypes
import math
import os
import pickle
import re
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autotrack.backends import migrations, sqlite, sqlite_read, thinning
from autotrack.backends.memory import MemoryBackend
from autotrack.backends.sqlite import SqliteBackend
from autotrack.errors import BackendError, BackendUnavailable, QueryError, RecordRejected, SchemaTooNew, StoreGone
from autotrack.query import parse
from autotrack.records import Batch, MetricsLogged, ParamsSet, RunEnded, RunNoted, RunStarted, SummarySet, TagsSet, WriterEnded
from autotrack.testing.backend_contract import Teller
from autotrack.testing.searches import EXAMPLES, MEANINGS, T, logged, started


@pytest.fixture
def path(tmp_path):
    return tmp_path / "autotrack.db"


@pytest.fixture
def store(path):
    store = SqliteBackend(path)
    yield store
    store.close()


@pytest.fixture
def writer(store):
    return Teller(store)


def ask(path, text, *values):
    db = sqlite3.connect(path)
    try:
        return db.execute(text, values).fetchall()
    finally:
        db.close()


def recounted(path):
    """Summaries that are not what their points amount to."""
    return ask(
        path,
        """with counted as (select key_id, run_id, count(*) as count, sum(value is null or abs(value) = 9e999) as nonfinite,
            min(step) as first_step, max(step) as last_step, min(iif(abs(value) = 9e999, null, value)) as low,
            max(iif(abs(value) = 9e999, null, value)) as high from metric_point group by key_id, run_id)
        select * from metric_summary m full join counted c on c.key_id = m.key_id and c.run_id = m.run_id
        where m.count is not c.count or m.nonfinite is not c.nonfinite or m.first_step is not c.first_step or m.last_step is not c.last_step
        or m.min is not c.low or m.max is not c.high"""
        if sqlite3.sqlite_version_info >= (3, 39)
        else "select 1 where 0",
    )


# What plain SQL reads.


def test_the_views_read_as_documented(store, writer, path):
    writer.tell(*EXAMPLES)
    store.delete(["g"])
    assert ask(path, "select id, name, experiment, status, error, started, ended, duration_s, kind, parent from runs order by started limit 2") == [
        ("a", "alpha", "digits", "finished", None, "2026-01-01 00:00:00.000", "2026-01-01 00:01:00.000", 60.0, "sklearn", None),
        ("b", "Beta", "digits", "failed", "ValueError: no", "2026-01-02 00:00:00.000", "2026-01-02 02:00:00.000", 7200.0, "xgboost", None),
    ]
    assert ask(path, "select key, value, type from params where run = 'a'") == [
        ("lr", 0.1, "float"), ("depth", 3, "int"), ("opt", "adam", "str"), ("flag", "true", "bool"), ("seed", str(2**60 + 1), "int"),
        ("a key", 1, "int"), ("null", None, "none"),
    ]  # fmt: skip
    assert ask(path, "select value, type from params where key = 'layers'") == [("[64, 64]", "json")]
    assert ask(path, "select step, seq, time, value from metrics where run_name = 'Beta' and key = 'val/acc'") == [
        (0, 0, T, 0.95),
        (1, 0, T + 1, 0.6),
    ]
    assert ask(path, "select key, last, last_step, min, max, mean, first, first_step, count, nonfinite from metric_summaries where run = 'a'") == [
        ("val/acc", 0.9, 2, 0.5, 0.9, pytest.approx(0.7), 0.5, 0, 3, 0),
        ("loss", 2.0, 2, 1.0, 3.0, 2.0, 3.0, 0, 3, 0),
    ]
    assert ask(path, "select key, last, count from metric_summaries where run = 'd' order by key") == [
        ("a.min", 5.0, 1), ("nothing", None, 0), ("stopped", "true", 0), ("val/acc", 0.99, 1), ("verdict", "good", 0),
    ]  # fmt: skip
    assert ask(path, "select key, value from tags where run_name = 'alpha' order by key") == [("empty", ""), ("fold", "1"), ("team", "nlp")]
    assert ask(path, "select count(*) from runs") == [(6,)]
    assert ask(path, "select count(*) from params where run = 'g'") == [(0,)]


def test_a_silent_writer_is_lost_in_the_view_too(store, writer, path):
    writer.tell(started("r", time.time() - 9_000))
    assert ask(path, "select status, ended from runs") == [("running", None)]
    db = sqlite3.connect(path)
    db.execute("update writers set seen_ms = seen_ms - 3700000")
    db.execute("update run set seen_ms = 0")
    db.commit()
    db.close()
    ((status, ended, duration),) = ask(path, "select status, ended is not null, duration_s from runs")
    assert (status, ended) == ("lost", 1)
    assert 5_200 < duration < 5_400
    assert store.run("r").status == "lost"


def test_tables_are_strict_and_points_have_no_rowid(store, writer, path):
    writer.tell(started("r"))
    tables = dict(ask(path, "select name, sql from sqlite_master where type = 'table' and name not like 'sqlite_%'"))
    assert [name for name, text in tables.items() if "strict" not in text] == []
    assert {"metric_point", "metric_summary", "param", "tag", "summary", "writers"} <= {n for n, text in tables.items() if "without rowid" in text}
    assert ask(path, "pragma journal_mode") == [("wal",)]
    assert ask(path, "pragma auto_vacuum") == [(2,)]


def test_runs_of_a_process_share_one_environment(store, writer, path):
    for i in range(3):
        writer.tell(started(f"r{i}"), RunNoted(f"r{i}", T, "environment", {"packages": ["numpy 2.0"]}))
    assert ask(path, "select count(*) from environment") == [(1,)]
    writer.tell(RunNoted("r1", T, "environment", {"git": "abc"}))
    assert dict(store.run("r1").environment) == {"packages": ["numpy 2.0"], "git": "abc"}
    assert dict(store.run("r0").environment) == {"packages": ["numpy 2.0"]}


def test_a_point_takes_few_bytes_with_its_summary(store, writer, path):
    keys = tuple(f"train/metric_{i}" for i in range(10))
    steps = list(range(5_000))
    column = [math.sin(step) for step in steps]
    writer.tell(started("r"), MetricsLogged("r", T, keys, steps, [T + step * 0.1 for step in steps], [column] * 10))
    pages = ask(path, "select sum(pgsize) from dbstat where name in ('metric_point', 'metric_summary', 'metric_summary_run')")
    assert pages[0][0] / 50_000 < 47  # MLflow's table of metrics: 277


def test_queries_are_planned_anew_as_the_store_grows(store, writer, path):
    for start in range(0, 1_100, 100):
        writer.tell(*(started(f"r{i}", T + i) for i in range(start, start + 100)))
    assert ask(path, "select count(*) > 0 from sqlite_stat1") == [(1,)]


# Many who write.


def test_few_statements_write_a_batch_of_many_runs(store, writer):
    """Each step of a statement may wait for the GIL: see sqlite_write."""
    writer.tell(started("first"))
    records = []
    for i in range(200):
        run = f"r{i}"
        records += [started(run, parent_id="first"), RunNoted(run, T, "stem", "Ridge"), RunNoted(run, T, "environment", {"python": "3"})]
        records += [ParamsSet(run, T, {f"p{k}": k for k in range(20)}), logged(run, "loss", [1.0, 2.0]), TagsSet(run, T, {"a": "b"})]
        records += [SummarySet(run, T, {"score": 1.0}), RunEnded(run, T, "finished")]
    statements = []
    store._connections._writer.set_trace_callback(statements.append)
    writer.tell(*records)
    store._connections._writer.set_trace_callback(None)
    assert len(statements) < 90
    assert store.run("r199").name == "Ridge-200"


def test_what_ended_and_each_ten_seconds_reach_the_disk(store, writer, monkeypatch):
    said = []
    writer.tell(started("r"))
    with store._ours().writing() as db:
        db.set_trace_callback(said.append)
    fsync = os.fsync

    def spied(fd):
        said.append(Path(os.readlink(f"/proc/self/fd/{fd}")).name)
        fsync(fd)

    monkeypatch.setattr(os, "fsync", spied)

    def synced():
        kept = [text for text in said if text == "commit" or text.endswith("-wal")]
        said.clear()
        return kept

    writer.tell(logged("r", "loss", [0.5]))
    assert synced() == ["commit"]
    writer.tell(RunEnded("r", T, "finished", None))
    assert synced() == ["commit", f"{store.path.name}-wal"]
    with monkeypatch.context() as often:
        often.setattr(sqlite, "_SYNC_S", 0.0)
        writer.tell(logged("r", "loss", [0.5], steps=[1]))
    assert synced() == ["commit", f"{store.path.name}-wal"]
    writer.tell(logged("r", "loss", [0.5], steps=[2]))
    assert synced() == ["commit"]


def test_two_stores_on_one_file_number_points_of_one_step(path):
    """Each believes to know where the series ends: the second one's guess fails, and is made good."""
    one, two = Teller(SqliteBackend(path), "one"), Teller(SqliteBackend(path), "two")
    one.tell(started("r"))
    for step in range(20):
        one.tell(logged("r", "x", [float(step)], [step]))
        two.tell(logged("r", "x", [-float(step)], [step]))
    (curve,) = one.store.series(["r"], ["x"])
    assert curve.steps.tolist() == sorted([*range(20), *range(20)])
    assert curve.last_wins().values.tolist() == [-float(step) for step in range(20)]
    assert recounted(path) == []


OPENS = """
import sys, time
from autotrack.backends.sqlite import SqliteBackend
from autotrack.errors import BackendUnavailable
from autotrack.records import Batch, MetricsLogged, RunStarted
path, number = sys.argv[1:]
sys.stdin.readline()  # all at once
store = SqliteBackend(path)
store.runs()
batches = [Batch(number, 1, (RunStarted(f"r{number}", 1e9, "e"),))]
for i in range(10):
    own = MetricsLogged(f"r{number}", 1e9, ("own",), list(range(5 * i, 5 * i + 5)), [1e9] * 5, [[1.0] * 5])
    batches.append(Batch(number, 2 + 6 * i, (own, MetricsLogged("r0", 1e9, ("shared",), [i], [1e9], [[0.5]]))))
while batches:
    try:
        store.write(batches[0])
    except BackendUnavailable:  # locked for a second: the machine is busy
        continue
    del batches[0]
    time.sleep(0.02)
"""


@pytest.mark.slow
def test_sixteen_processes_open_a_new_store_at_once(tmp_path):
    path = tmp_path / "new" / "autotrack.db"
    programs = [subprocess.Popen([sys.executable, "-c", OPENS, path, str(i)], stdin=subprocess.PIPE, stderr=subprocess.PIPE) for i in range(16)]
    time.sleep(1)
    for program in programs:
        program.stdin.write(b"go\n")
        program.stdin.flush()
    said = [program.communicate(timeout=120)[1].decode() for program in programs]
    assert said == [""] * 16
    store = SqliteBackend(path)
    assert len(store.runs()) == 16
    assert {run.stats("own").count for run in store.runs()} == {50}
    assert store.run("r0").stats("shared").count == 160
    assert recounted(path) == []
    assert ask(path, "pragma integrity_check") == [("ok",)]
    assert ask(path, "pragma foreign_key_check") == []


def test_a_long_read_does_not_hold_up_the_writer(store, writer):
    writer.tell(started("r"), logged("r", "x", [float(i) for i in range(1_000)]))
    with store._connections.reading() as db:
        cursor = db.execute("select * from metric_point")
        cursor.fetchone()
        began = time.monotonic()
        writer.tell(logged("r", "x", [1.0], [1_000]))
        assert time.monotonic() - began < 1
        assert len(cursor.fetchall()) == 999
    assert store.run("r").stats("x").count == 1_001


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_forked_child_makes_its_own_connections(store, writer, path):
    writer.tell(started("r"), logged("r", "x", [1.0]))
    store.runs()
    inherited = store._connections
    child = os.fork()
    if child == 0:
        status = 1
        try:
            Teller(store, "child").tell(logged("r", "x", [2.0], [1]))
            status = 0 if store.run("r").stats("x").count == 2 and store._connections is not inherited else 2
            store.close()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    writer.tell(logged("r", "x", [3.0], [1]))
    assert store._connections is inherited
    assert store.series(["r"], ["x"])[0].values.tolist() == [1.0, 2.0, 3.0]
    assert ask(path, "pragma integrity_check") == [("ok",)]


@pytest.mark.skipif(not hasattr(ctypes, "pythonapi"), reason="CPython's")
def test_connections_are_closed_but_never_finalised(store, writer):
    writer.tell(started("r"))
    db = store._connections._writer
    assert sys.getrefcount(db) >= 4  # ours, the frame's, the call's, and the one too many
    store.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        db.execute("select 1")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_fork_while_another_thread_writes_does_not_block_the_child(store, writer):
    writer.tell(started("r"))
    with store._connections._lock:  # as a thread that writes holds it
        child = os.fork()
        if child == 0:
            try:
                Teller(store, "child").tell(logged("r", "x", [2.0]))
                os._exit(0)
            finally:
                os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_store_is_pickled_as_its_path(store, writer, path):
    writer.tell(started("r"))
    assert pickle.loads(pickle.dumps(store)).run("r").id == "r"


# What goes wrong with a file.


def test_a_locked_store_is_unavailable_and_can_be_read(store, writer, path):
    writer.tell(started("r"))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("begin immediate")
    batch = writer.batch(logged("r", "x", [1.0]))
    began = time.monotonic()
    with pytest.raises(BackendUnavailable, match="locked"):
        store.write(batch)
    assert time.monotonic() - began < 3
    assert store.run("r").status == "running"
    other.execute("rollback")
    other.close()
    store.write(batch)
    assert store.run("r").metrics["x"] == 1.0


def test_a_full_disk_is_unavailable_and_the_batch_goes_through_later(store, writer, path):
    writer.tell(started("r"))
    db = store._connections._writer
    (pages,) = db.execute("pragma page_count").fetchone()
    db.execute(f"pragma max_page_count = {pages}")
    batch = writer.batch(logged("r", "x", [float(i) for i in range(20_000)]))
    with pytest.raises(BackendUnavailable, match="full"):
        store.write(batch)
    assert "x" not in store.run("r").statistics
    db.execute("pragma max_page_count = 1073741823")
    store.write(batch)
    assert store.run("r").stats("x").count == 20_000
    assert ask(path, "pragma integrity_check") == [("ok",)]


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BackendUnavailable, match="cannot be reached"):
        SqliteBackend(tmp_path / "file" / "autotrack.db").write(Batch("w", 1, ()))


@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_a_store_that_is_gone_takes_nothing(store, writer, path, how):
    writer.tell(started("r"))
    path.rename(path.with_name("moved.db"))
    if how == "replaced":
        SqliteBackend(path).write(Batch("other", 1, (started("other"),)))
    for use in (lambda: writer.tell(logged("r", "x", [1.0])), store.runs):
        with pytest.raises(StoreGone, match="deleted, moved or replaced"):
            use()
    assert how == "replaced" or not path.exists()
    store.close()
    with pytest.raises(StoreGone):
        writer.tell(started("s"))
    assert [run.id for run in SqliteBackend(path).runs()] == (["other"] if how == "replaced" else [])


@pytest.mark.parametrize("what", ["nothing like it", "overwritten"])
def test_a_damaged_file_is_said_to_be(path, what):
    if what == "overwritten":
        store = SqliteBackend(path)
        Teller(store).tell(*EXAMPLES, logged("a", "x", [1.0] * 5_000))
        store.close()
        content = bytearray(path.read_bytes())
        for start in range(4096, len(content), 4096):
            content[start : start + 200] = b"x" * 200
        path.write_bytes(content)
    else:
        path.write_text("these are my notes\n" * 100)
    for use in (lambda: SqliteBackend(path).runs(), lambda: Teller(SqliteBackend(path)).tell(started("r"))):
        with pytest.raises(BackendError, match=r"damaged.*recover") as caught:
            use()
        assert str(path) in str(caught.value)
        assert not isinstance(caught.value, (BackendUnavailable, RecordRejected))


def test_another_programs_database_is_left_alone(path):
    db = sqlite3.connect(path)
    db.execute("create table recipe(name text)")
    db.close()
    with pytest.raises(BackendError, match="not autotrack's"):
        SqliteBackend(path).runs()
    assert ask(path, "select name from sqlite_master") == [("recipe",)]


def test_a_newer_store_is_refused(store, writer, path):
    writer.tell(started("r"))
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("update meta set value = ? where name in ('schema_version', 'min_writer')", (migrations.VERSION + 1,))
    with pytest.raises(SchemaTooNew, match="upgrade"):
        writer.tell(started("s"))  # it was upgraded while we wrote
    with pytest.raises(SchemaTooNew, match="may not write"):
        SqliteBackend(path).write(Batch("w", 1, (started("s"),)))
    assert [run.id for run in SqliteBackend(path).runs()] == ["r"]  # reading is allowed
    db.execute("update meta set value = ? where name = 'min_reader'", (migrations.VERSION + 1,))
    with pytest.raises(SchemaTooNew, match="may not read"):
        SqliteBackend(path).runs()
    db.close()


def test_a_store_on_a_read_only_medium_is_read(store, writer, path, monkeypatch):
    writer.tell(*EXAMPLES)
    store.close()
    monkeypatch.setattr(os, "access", lambda *_: False)
    files = sorted(path.parent.iterdir())
    again = SqliteBackend(path)
    assert len(again.runs()) == 7
    assert sorted(path.parent.iterdir()) == files  # nothing was made beside it
    writer.tell(started("later"))  # someone else can write it
    assert len(again.runs()) == 8
    again.close()


def test_an_empty_file_on_a_read_only_medium_is_no_store(path, monkeypatch):
    path.touch()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(BackendError, match="holds no store"):
        SqliteBackend(path).runs()


def test_a_rejected_batch_leaves_no_key_half_known(store, writer, path):
    with pytest.raises(RecordRejected):
        store.write(Batch("w", 1, (started("r"), ParamsSet("r", T, {"lr": 1}), TagsSet("r", T, {"x": 3}))))
    writer.tell(started("r"), ParamsSet("r", T, {"lr": 1}))
    assert dict(store.run("r").params) == {"lr": 1}
    assert ask(path, "pragma foreign_key_check") == []


def test_a_new_store_needs_no_sqlite_utils(tmp_path):
    code = "import sys; from autotrack.backends.sqlite import SqliteBackend; SqliteBackend(sys.argv[1]).runs(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "a.db"], capture_output=True, text=True, check=True)
    assert {"sqlite_utils", "numpy", "pandas"} & set(done.stdout.split()) == set()


# Deleting for good.


def test_purge_goes_in_pieces_and_a_death_in_between_is_made_good(store, writer, path, monkeypatch):
    monkeypatch.setattr(sqlite, "_PURGE", 100)
    for run in "abc":
        writer.tell(
            started(run), logged(run, "x", [1.0] * 450), ParamsSet(run, T, {"lr": 1}), SummarySet(run, T, {"s": 1}), TagsSet(run, T, {"t": ""})
        )
    store.delete(["a", "b"])
    pieces = SqliteBackend._purge_points
    told = []
    monkeypatch.setattr(SqliteBackend, "_purge_points", lambda self: told.append(1) or (len(told) < 4 and pieces(self)))
    assert store.purge(0) == 2
    assert ask(path, "select count(*) from metric_point") == [(450 * 3 - 300,)]
    monkeypatch.setattr(SqliteBackend, "_purge_points", pieces)
    assert store.purge(0) == 0
    assert ask(path, "select count(*) from metric_point") == [(450,)]
    for table in ("run", "param", "tag", "summary", "metric_summary"):
        assert ask(path, f"select count(*) from {table}") == [(1,)]
    assert recounted(path) == []


def test_a_purged_store_gives_its_pages_back(store, writer, path):
    writer.tell(started("r"), logged("r", "x", [float(i) for i in range(60_000)]))
    before = ask(path, "pragma page_count")[0][0]
    store.delete(["r"])
    store.purge(0)
    assert ask(path, "pragma freelist_count") == [(0,)]
    assert ask(path, "pragma page_count")[0][0] < before / 5


# The same as the reference.


@pytest.mark.parametrize("text", [text for text, _ in MEANINGS if "'" in text][:20])
def test_text_of_a_query_is_bound_never_executed(store, writer, path, text):
    writer.tell(*EXAMPLES)
    evil = "'); drop table run; --"
    for hostile in (text.replace("'", f"'{evil.replace(chr(39), chr(39) * 2)}", 1), f'params."{evil}" = 1', f"metrics.`{evil}` is null or {text}"):
        try:
            store.runs(parse(hostile))
        except QueryError:
            continue
    assert ask(path, "select count(*) from run") == [(7,)]


numbers = st.one_of(
    st.integers(-3, 3), st.sampled_from([0.5, 1e300, -math.inf, math.inf, math.nan, 2**53, 2**53 + 1, -(2**64), 10**400]), st.floats()
)
texts = st.one_of(
    st.sampled_from(["", "a", "A", "ä", "1", "0.5", "nan", "true", "a%b", "[1]"]), st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
)
scalars = st.one_of(numbers, texts, st.booleans(), st.none())
keys = st.sampled_from(["x", "y", "z"])
run_ids = st.sampled_from(["r1", "r2", "r3"])
times = st.integers(0, 10**6).map(lambda ms: T + ms / 1000)


@st.composite
def stretches(draw):
    chosen = tuple(draw(st.lists(keys, unique=True, min_size=1, max_size=3)))
    count = draw(st.integers(1, 6))
    columns = [draw(st.lists(st.floats(), min_size=count, max_size=count)) for _ in chosen]
    steps = draw(st.lists(st.integers(-4, 4) | st.integers(-(2**63), 2**63 - 1), min_size=count, max_size=count))
    return MetricsLogged(draw(run_ids), T, chosen, steps, [draw(times) for _ in steps], columns)


records = st.one_of(
    stretches(),
    st.builds(RunStarted, run_ids, times, st.sampled_from(["", "e"]), texts, st.none() | run_ids, resumed=st.booleans(), kind=texts),
    st.builds(ParamsSet, run_ids, times, st.dictionaries(keys, scalars | st.lists(scalars, max_size=2), max_size=3)),
    st.builds(SummarySet, run_ids, times, st.dictionaries(keys, scalars, max_size=2)),
    st.builds(TagsSet, run_ids, times, st.dictionaries(keys, texts | st.none(), max_size=3)),
    st.builds(RunNoted, run_ids, times, st.sampled_from(["name", "stem", "notes"]), texts),
    st.builds(RunEnded, run_ids, times, st.sampled_from(["finished", "failed", "lost"]), st.none() | texts),
    st.builds(WriterEnded, st.just(""), times),
)
batches = st.lists(st.tuples(st.sampled_from(["w1", "w2"]), st.lists(records, max_size=6)), min_size=1, max_size=5)


@st.composite
def searches(draw):
    def value():
        one = draw(scalars)
        if one is None or isinstance(one, str):
            return "'" + (one or "").replace("'", "''").replace("\0", "") + "'"
        return str(one).lower()

    def condition():
        field = draw(st.sampled_from(["metrics.x", "metrics.y.min", "metrics.x.first", "metrics.z.mean", "params.x", "params.y", "params.z"]))
        text = draw(st.sampled_from(["params.x", "tags.x", "tags.y", "name", "notes", "kind", "parent", "error"]))
        return draw(
            st.sampled_from(
                [
                    f"{field} {draw(st.sampled_from(['=', '!=', '<', '<=', '>', '>=']))} {value()}",
                    f"{field} in ({value()}, {value()})",
                    f"{field} not between {value()} and {value()}",
                    f"{draw(st.sampled_from([field, text]))} is {draw(st.sampled_from(['', 'not ']))}null",
                    f"params.x {draw(st.sampled_from(['like', 'contains']))} '%a_'",
                    f"{text} {draw(st.sampled_from(['=', '!=', '<', 'like', 'contains']))} '{draw(st.sampled_from(['a', 'A', '', '%', 'ä']))}'",
                    f"status {draw(st.sampled_from(['=', '!=']))} 'lost'",
                    f"duration >= {draw(st.integers(-5, 5))}",
                ]
            )
        )

    parts = [("not " if draw(st.booleans()) else "") + condition() for _ in range(draw(st.integers(1, 4)))]
    text = parts[0]
    for part in parts[1:]:
        text = f"{draw(st.sampled_from(['', 'not ']))}({text} {draw(st.sampled_from(['and', 'or']))} {part})"
    return text, draw(st.sampled_from(["", "metrics.x desc", "params.x, tags.y desc", "params.y desc", "metrics.y.min, name", "duration desc"]))


def unsigned(text):
    """SQLite keeps a whole number as an integer, which has no negative zero."""
    return re.sub(r"-0\.0(?!\d)", "0.0", text)


def plainly(run):
    """All of a view that does not depend on the clock or is the store's own to choose; NaN as text, so that it equals itself."""
    left_out = ("seen", "number", "_reader", "statistics", "params", "metrics", "tags", "params_before", "system", "environment")
    plain = {name: getattr(run, name) for name in run.__slots__ if name not in left_out}
    parts = {name: sorted(getattr(run, name).items(), key=repr) for name in left_out[4:]}
    stats = {key: (s.count, s.last, s.last_step, s.first, s.first_step, s.min, s.max, s.nonfinite) for key, s in sorted(run.statistics.items())}
    return unsigned(repr((plain, parts, stats)))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches, st.lists(searches(), max_size=6))
def test_the_store_and_the_reference_never_differ(tmp_path_factory, told, asked):
    memory, sqlite = MemoryBackend(), SqliteBackend(tmp_path_factory.mktemp("same") / "a.db")
    numbers = {"w1": 1, "w2": 1}
    for name, records in told:
        batch = Batch(name, numbers[name], tuple(records))
        numbers[name] = batch.last + 1
        outcomes = []
        for store in (memory, sqlite):
            try:
                store.write(batch)
                outcomes.append("written")
            except RecordRejected:
                outcomes.append("rejected")
        assert outcomes[0] == outcomes[1]
    everything = parse("", order_by="id")
    assert list(map(plainly, memory.runs(everything))) == list(map(plainly, sqlite.runs(everything)))
    for uid in ("r1", "r2", "r3"):
        curves = [
            [(c.key, c.steps.tolist(), c.times.tolist(), unsigned(repr(c.values.tolist()))) for c in store.series([uid], ["x", "y", "z"])]
            for store in (memory, sqlite)
        ]
        assert curves[0] == curves[1]
    for text, order_by in asked:
        try:
            query = parse(text, order_by=order_by)
        except QueryError:
            continue
        assert [run.id for run in memory.runs(query)] == [run.id for run in sqlite.runs(query)], text
    sqlite.close()


@pytest.mark.parametrize("spread", [1, 10, 10**15])
def test_thinning_in_sql_is_thinning_in_arrays(store, writer, monkeypatch, spread):
    rng = np.random.default_rng(spread)
    steps = np.sort(rng.integers(-3_000, 3_000, 4_000) * spread)
    values = np.round(rng.normal(size=4_000), 2)
    values[::17], values[1::117], values[2::119] = np.nan, np.inf, -np.inf
    writer.tell(started("r"), MetricsLogged("r", T, ("x",), steps.tolist(), [T] * 4_000, [values.tolist()]))
    monkeypatch.setattr(sqlite_read, "_IN_ARRAYS", 0)
    for points in (4, 50, 333):
        keep = thinning.kept(steps, values, points)
        (curve,) = store.series(["r"], ["x"], points=points)
        assert curve.total == 4_000
        assert curve.steps.tolist() == steps[keep].tolist()
        np.testing.assert_array_equal(curve.values, values[keep])


@pytest.mark.slow
def test_readers_see_whole_batches_while_threads_write(store):
    writers = [Teller(store, f"w{i}") for i in range(3)]
    for i, writer in enumerate(writers):
        writer.tell(started(f"r{i}"))
    stop = threading.Event()
    torn = []

    def write(i):
        for step in range(60):
            writers[i].tell(logged(f"r{i}", "a", [0.0] * 7, list(range(7 * step, 7 * step + 7))), logged(f"r{i}", "b", [0.0] * 7))

    def read():
        while not stop.is_set():
            torn.extend(run.id for run in store.runs() if run.statistics and run.stats("a").count % 7)
            torn.extend(c.key for c in store.series(["r0", "r1"], ["a", "b"]) if len(c) % 7)

    reader = threading.Thread(target=read)
    threads = [threading.Thread(target=write, args=(i,)) for i in range(3)]
    for thread in [reader, *threads]:
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    reader.join()
    assert torn == []
    assert [run.stats("a").count for run in store.runs()] == [420] * 3
