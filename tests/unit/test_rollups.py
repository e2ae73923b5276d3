"""Sums that the SQLite store keeps say what its points say, however they came about: the memory store, which keeps none, is the measure."""

import contextlib
import math
import sqlite3
import threading
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autotrack.backends import grid, rollups
from autotrack.backends.memory import MemoryBackend
from autotrack.backends.sqlite import SqliteBackend
from autotrack.errors import BackendUnavailable
from autotrack.testing.backend_contract import Teller
from autotrack.testing.searches import logged, started

values = st.one_of(st.floats(-1e6, 1e6), st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 1e300]))
stretches = st.lists(
    st.tuples(st.integers(0, 3_000), st.sampled_from([1, 1, 2, 7, 100]), st.lists(values, min_size=1, max_size=60)), min_size=1, max_size=12
)
questions = st.lists(
    st.tuples(
        st.integers(2, 80),
        st.sampled_from(["step", "time", "relative", ("metric", "e")]),
        st.none() | st.tuples(st.integers(-100, 4_000), st.integers(0, 4_000)),
        st.sampled_from([0, 0, 30, 2_000]),
    ),
    min_size=1,
    max_size=4,
)


@pytest.fixture
def small(monkeypatch):
    """As if long were short."""
    for name, number in (("LONG", 20), ("_TAIL", 5), ("_PIECE", 40)):
        monkeypatch.setattr(rollups, name, number)


def asked(store, points, x, window, lead=0):
    curves = store.buckets(["r"], ["x"], points=points, x=x, window=window, lead=lead, patience_s=30)
    assert not any(curve.pending for curve in curves)
    parts = [(c.x, c.low, c.high, c.odd, c.step, *([c.value] if x != "step" else [])) for c in curves]
    told = [(c.key, c.shift, c.total, c.first, c.last, *((part + 0.0).tolist() for part in some)) for c, some in zip(curves, parts, strict=True)]
    return repr(told), [c.mean for c in curves], [np.fmax(abs(c.low), abs(c.high)) for c in curves]


@given(told=stretches, then=questions)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_question_is_answered_as_the_points_would(small, tmp_path_factory, told, then):
    kept, plain = SqliteBackend(tmp_path_factory.mktemp("store") / "autotrack.db"), MemoryBackend()
    tellers = [Teller(kept), Teller(plain)]
    for teller in tellers:
        teller.tell(started("r"), logged("r", "e", [0.0, 1.0, 2.0], [0, 500, 2_000]))
    try:
        for start, apart, numbers in told:
            for teller in tellers:
                teller.tell(logged("r", "x", numbers, [start + apart * i for i in range(len(numbers))]))
            for points, x, window, lead in then:
                ends = None
                if window is not None:
                    base = {"step": 0.0, "time": 1_767_225_600.0, "relative": 0.0}.get(x, 0.0)
                    ends = (base + window[0], base + window[0] + window[1])
                (told_by_sums, means, sizes), (told_by_points, exact, _) = (asked(store, points, x, ends, lead) for store in (kept, plain))
                assert told_by_sums == told_by_points
                for one, other, size in zip(means, exact, sizes, strict=True):  # added up in another order
                    assert (np.isnan(one) == np.isnan(other)).all()
                    assert not (abs(one - other) > 1e-9 * size).any()
    finally:
        kept.close()


@pytest.fixture
def long(tmp_path):
    store = SqliteBackend(tmp_path / "autotrack.db")
    writer = Teller(store)
    writer.tell(started("r"), logged("r", "x", [float(i % 100) for i in range(30_000)]))
    yield store, writer
    store.close()


def rows(store, text="select count(*) from rollup"):
    with contextlib.closing(sqlite3.connect(store.path)) as db:
        return db.execute(text).fetchone()[0]


def test_sums_are_made_when_somebody_looks_and_may_be_dropped(long):
    store, _ = long
    assert rows(store) == 0
    before, _, _ = asked(store, 100, "step", None)
    assert rows(store) > 469
    with contextlib.closing(sqlite3.connect(store.path)) as db:
        db.execute("delete from rollup")
        db.execute("delete from rollup_end")
        db.commit()
    assert asked(store, 100, "step", None)[0] == before


def test_the_next_wider_buckets_are_given_where_very_many_points_would_be_added_up(long, monkeypatch):
    store, _ = long
    assert store.buckets(["r"], ["x"], points=100, window=(1_000, 2_500), patience_s=30)[0].shift == 4
    monkeypatch.setattr(grid, "_READ", 1_000)
    (curve,) = store.buckets(["r"], ["x"], points=100, window=(1_000, 2_500))
    assert (curve.shift, curve.x[0], curve.total) == (6, 1_023.0, 25 * 64)


def test_what_leads_to_a_window_is_read_from_sums_that_are_kept(long, monkeypatch):
    store, _ = long
    asked(store, 100, "step", None)
    read = []
    of_points = rollups.SqliteCurve.of_points

    def counted(self, db, low, high, *more, **rest):
        read.append(high - low)
        return of_points(self, db, low, high, *more, **rest)

    monkeypatch.setattr(rollups.SqliteCurve, "of_points", counted)
    (curve,) = store.buckets(["r"], ["x"], points=100, window=(20_000, 20_500), lead=15_000)
    assert (curve.shift, curve.x[0] < 6_100, len(curve.x) < 180) == (4, True, True)
    assert sum(read) < 2_500


def test_sums_go_with_their_run(long):
    store, _ = long
    asked(store, 100, "step", None)
    store.delete(["r"])
    store.purge(0)
    assert (rows(store), rows(store, "select count(*) from rollup_end")) == (0, 0)


def test_sums_of_a_run_that_an_older_program_removed_go_with_the_next_purge(long):
    store, _ = long
    asked(store, 100, "step", None)
    with contextlib.closing(sqlite3.connect(store.path)) as db:
        db.execute("delete from metric_summary")
        db.execute("delete from run")
        db.commit()
    store.purge(0)
    assert (rows(store), rows(store, "select count(*) from rollup_end")) == (0, 0)


def test_while_somebody_else_writes_sums_wait(long):
    store, _ = long
    with contextlib.closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("begin immediate")
        (curve,) = store.buckets(["r"], ["x"], points=100)
        assert (curve.pending, len(curve.x)) == (True, 0)
        other.execute("rollback")
    (curve,) = store.buckets(["r"], ["x"], points=100)
    assert (curve.pending, curve.total) == (False, 30_000)


def test_patience_is_kept(long):
    store, _ = long
    (curve,) = store.buckets(["r"], ["x"], points=100, patience_s=0.0)
    assert curve.pending


def test_a_store_that_cannot_be_written_is_read_from_its_points(long, monkeypatch):
    store, _ = long
    store.close()
    other = SqliteBackend(store.path)
    other.runs()
    monkeypatch.setattr(other._connections, "_can_write", False)
    (curve,) = other.buckets(["r"], ["x"], points=100)
    assert (curve.pending, curve.total, rows(other)) == (False, 30_000, 0)
    other.close()


def patiently(writer, *records):
    """As a program's writer does: while others write, it tries again."""
    for _ in range(20):
        with contextlib.suppress(BackendUnavailable):
            writer.tell(*records)
            return
    raise AssertionError("the store was never free")


def test_two_who_look_at_once_sum_up_once(long):
    store, writer = long
    others = [SqliteBackend(store.path) for _ in range(3)]
    stop, wrong = threading.Event(), []

    def look(one):
        while not stop.is_set():
            (curve,) = one.buckets(["r"], ["x"], points=64)
            if not curve.pending and (curve.low.min() < 0 or curve.high.max() > 99):
                wrong.append(curve)

    threads = [threading.Thread(target=look, args=(one,)) for one in others]
    for thread in threads:
        thread.start()
    for i in range(15):
        patiently(writer, logged("r", "x", [float(j % 100) for j in range(2_500)], list(range(30_000 + 2_500 * i, 32_500 + 2_500 * i))))
        patiently(writer, logged("r", "x", [5.0], [10 * i + 1]))
        time.sleep(0.02)
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    (curve,) = store.buckets(["r"], ["x"], points=64, patience_s=20)
    assert curve.total == 30_000 + 15 * 2_501
    with contextlib.closing(sqlite3.connect(store.path)) as db:
        sums = db.execute("select shift, sum(count) from rollup group by shift").fetchall()
        end = db.execute("select points from rollup_end").fetchone()
    assert {total for _, total in sums} == set(end)
    for one in others:
        one.close()
