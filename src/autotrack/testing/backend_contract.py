"""What every tracking store must do: subclass ``BackendContract``, give it ``open``, and pytest runs all of this on your store.

    class TestMyStore(BackendContract):
        def open(self, folder):
            return MyStore(folder / "store")

``open`` gives a store that is empty, or the same one again if it is given the same folder (a store that keeps nothing beyond
its object sets ``persistent = False``). Times below are whole milliseconds, as stores keep them.
"""

from __future__ import annotations

import math
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autotrack.backends import deadline
from autotrack.backends.protocol import Backend, Buckets, Column
from autotrack.errors import CursorLost, QueryError, RecordRejected, RunNotFound, TooSlow
from autotrack.query import ALL, Field, parse
from autotrack.records import (
    AnyRecord,
    ArtifactStored,
    Batch,
    MetricsLogged,
    ParamsSet,
    RunEnded,
    RunNoted,
    RunStarted,
    SummarySet,
    TagsSet,
    WriterEnded,
)
from autotrack.testing.searches import EXAMPLES, MEANINGS, ORDERS, T, logged, started
from autotrack.views import RunView, Series


class Teller:
    """A writer: numbers its records and gives them to a store."""

    def __init__(self, store: Backend, name: str = "writer") -> None:
        self.store, self.name, self.next = store, name, 1

    def batch(self, *records: AnyRecord) -> Batch:
        """A batch with the next numbers, not written."""
        batch = Batch(self.name, self.next, records)
        self.next = batch.last + 1
        return batch

    def tell(self, *records: AnyRecord) -> None:
        """Write the records as one batch."""
        self.store.write(self.batch(*records))


def ids(runs: list[RunView]) -> list[str]:
    """Which runs, in their order."""
    return [run.id for run in runs]


class BackendContract:
    """Subclass it and give ``open``. ``store`` is a new store, ``examples`` one that holds ``EXAMPLES``."""

    persistent = True  # whether what was written is there when it is opened again

    def open(self, folder: Path) -> Backend:
        """The store that lies in a folder; a new folder is an empty store."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Backend]:
        store = self.open(tmp_path)
        yield store
        store.close()

    @pytest.fixture
    def writer(self, store: Backend) -> Teller:
        return Teller(store)

    @pytest.fixture
    def examples(self, store: Backend, writer: Teller) -> Backend:
        writer.tell(*EXAMPLES)
        store.delete(["g"])
        return store

    # Batches.

    def test_a_run_comes_back_as_it_was_told(self, store: Backend, writer: Teller) -> None:
        writer.tell(
            started("r", name="baseline", parent_id="p", session="s", call_site="a.py:1:f", host="h", pid=7, user="u", kind="sklearn"),
            ParamsSet("r", T, {"lr": 0.1, "n": 3, "opt": "adam", "flag": True, "none": None, "layers": [1, {"a": 2}], "big": 2**70}),
            logged("r", "loss", [3.0, 2.0]),
            logged("r", "system/cpu", [50.0]),
            SummarySet("r", T, {"best": 1, "loss": 1.5}),
            TagsSet("r", T, {"team": "nlp"}),
            RunNoted("r", T, "notes", "a note"),
            RunNoted("r", T, "environment", {"python": "3.11", "packages": ["a"]}),
            RunNoted("r", T, "environment", {"git": "abc"}),
            RunNoted("r", T, "traceback", "Traceback"),
            RunNoted("r", T, "dropped", 2),
            RunNoted("r", T, "dropped", 3),
            ArtifactStored("r", T + 1, "plots/roc.png", "sha256:aa", 10, kind="figure", step=4, meta={"w": 3}),
            RunEnded("r", T + 2.5, "failed", "ValueError: no"),
        )
        run = store.run("r")
        assert (run.id, run.name, run.experiment, run.status, run.error) == ("r", "baseline", "digits", "failed", "ValueError: no")
        assert (run.started, run.ended, run.duration_s, run.parent_id) == (T, T + 2.5, 2.5, "p")
        assert (run.session, run.call_site, run.host, run.pid, run.user, run.kind) == ("s", "a.py:1:f", "h", 7, "u", "sklearn")
        assert dict(run.params) == {"lr": 0.1, "n": 3, "opt": "adam", "flag": True, "none": None, "layers": [1, {"a": 2}], "big": 2**70}
        assert [type(run.params[key]) for key in ("lr", "n", "flag", "big")] == [float, int, bool, int]
        assert (dict(run.metrics), dict(run.system)) == ({"loss": 1.5, "best": 1}, {"system/cpu": 50.0})
        assert (dict(run.tags), run.notes, run.traceback, run.dropped, run.deleted) == ({"team": "nlp"}, "a note", "Traceback", 5, None)
        assert dict(run.environment) == {"python": "3.11", "packages": ["a"], "git": "abc"}
        (artifact,) = run.artifacts
        assert (artifact.run_id, artifact.name, artifact.kind, artifact.digest) == ("r", "plots/roc.png", "figure", "sha256:aa")
        assert (artifact.size, artifact.time, artifact.step, dict(artifact.meta)) == (10, T + 1, 4, {"w": 3})
        assert abs(run.seen - time.time()) < 60

    def test_a_batch_sent_twice_is_applied_once(self, store: Backend, writer: Teller) -> None:
        batch = writer.batch(started("r"), logged("r", "loss", [1.0, 2.0]), RunNoted("r", T, "dropped", 1))
        store.write(batch)
        store.write(batch)
        assert (store.run("r").stats("loss").count, store.run("r").dropped) == (2, 1)

    def test_records_regrouped_into_other_batches_are_applied_once(self, store: Backend) -> None:
        told = logged("r", "loss", [float(i) for i in range(10)])
        store.write(Batch("w", 1, (started("r"), told.tail(0))))
        store.write(Batch("w", 6, (told.tail(4), TagsSet("r", T, {"a": "b"}))))
        (curve,) = store.series(["r"], ["loss"])
        assert curve.values.tolist() == list(range(10))
        assert dict(store.run("r").tags) == {"a": "b"}

    def test_numbers_of_a_writer_may_have_gaps(self, store: Backend) -> None:
        store.write(Batch("w", 1, (started("r"),)))
        store.write(Batch("w", 1 << 32, (TagsSet("r", T, {"a": "1"}),)))
        store.write(Batch("w", (1 << 32) + 7, (TagsSet("r", T, {"b": "2"}),)))
        assert dict(store.run("r").tags) == {"a": "1", "b": "2"}

    def test_writing_changes_no_batch(self, store: Backend) -> None:
        def batch() -> Batch:
            return Batch("w", 1, (started("r"), logged("r", "x", [3.0, 1.0], [5, 2]), logged("r", "x", [2.0], [3]), ParamsSet("r", T, {"a": [1]})))

        told = batch()
        store.write(told)
        assert told == batch()

    def test_a_batch_with_a_bad_record_leaves_nothing(self, store: Backend, writer: Teller) -> None:
        writer.tell(started("before"))
        with pytest.raises(RecordRejected):
            store.write(Batch("other", 1, (started("r"), ParamsSet("before", T, {"lr": 1}), RunNoted("r", T, "nonsense", 1))))
        assert ids(store.runs()) == ["before"]
        assert dict(store.run("before").params) == {}
        store.write(Batch("other", 1, (started("r"),)))
        assert sorted(ids(store.runs())) == ["before", "r"]

    @pytest.mark.parametrize(
        "bad",
        [
            logged("r", "x", ["text"]),  # type: ignore[list-item]
            logged("r", "x", [1.0], [0.5]),  # type: ignore[list-item]
            logged("r", "x", [1.0], [2**63]),
            MetricsLogged("r", T, ("x", "y"), [0], [T], [[1.0]]),
            MetricsLogged("r", T, ("x",), [0, 1], [T, T], [[1.0]]),
            MetricsLogged("r", T, ("x", "x"), [0], [T], [[1.0], [2.0]]),
            ParamsSet("r", T, {"x": object()}),
            ParamsSet("r", T, {3: "x"}),  # type: ignore[dict-item]
            ParamsSet("r", math.nan, {"x": 1}),
            SummarySet("r", T, {"x": [1]}),  # type: ignore[dict-item]
            TagsSet("r", T, {"x": 3}),  # type: ignore[dict-item]
            RunEnded("r", T, "running"),
            RunEnded("r", T, "dead"),  # type: ignore[arg-type]
            RunStarted("", T, "digits"),
            RunStarted("r", T, None),  # type: ignore[arg-type]
            ArtifactStored("r", T, "x", "sha256:aa", 1.5),  # type: ignore[arg-type]
        ],
        ids=lambda record: re.sub(r" at 0x\w+", "", repr(record)),  # the same in every process
    )
    def test_a_record_that_cannot_be_stored_is_rejected(self, store: Backend, bad: AnyRecord) -> None:
        with pytest.raises(RecordRejected):
            store.write(Batch("w", 1, (started("other"), bad)))
        assert store.runs() == []

    def test_two_writers_interleave(self, store: Backend) -> None:
        one, two = Teller(store, "one"), Teller(store, "two")
        one.tell(started("r"))
        for i in range(5):
            one.tell(logged("r", "loss", [float(i)], [2 * i]))
            two.tell(logged("r", "loss", [float(-i)], [2 * i + 1]))
            two.tell(logged("r", "loss", [9.0], [2 * i]))
        (curve,) = store.series(["r"], ["loss"])
        assert curve.steps.tolist() == [0, 0, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7, 8, 8, 9]
        assert curve.last_wins().values.tolist() == [9, 0, 9, -1, 9, -2, 9, -3, 9, -4]
        assert store.run("r").stats("loss").count == 15

    def test_threads_may_write_at_once(self, store: Backend) -> None:
        def tell(number: int) -> None:
            writer = Teller(store, f"w{number}")
            writer.tell(started(f"r{number}"))
            for i in range(10):
                writer.tell(logged(f"r{number}", "x", [float(i)], [i]), RunNoted(f"r{number}", T, "dropped", 1))

        threads = [threading.Thread(target=tell, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted((run.id, run.stats("x").count, run.dropped) for run in store.runs()) == [(f"r{i}", 10, 10) for i in range(4)]

    def test_what_was_written_is_there_when_it_is_opened_again(self, store: Backend, writer: Teller, tmp_path: Path) -> None:
        if not self.persistent:
            pytest.skip("it keeps nothing beyond its object")
        writer.tell(started("r"), logged("r", "loss", [1.0]))
        store.close()
        store.close()
        again = self.open(tmp_path)
        assert again.run("r").metrics["loss"] == 1.0
        again.close()

    def test_an_empty_batch_is_a_sign_of_life(self, store: Backend, writer: Teller) -> None:
        writer.tell(started("r"))
        seen = store.run("r").seen
        time.sleep(0.01)
        writer.tell()
        assert store.run("r").seen > seen

    # Runs.

    def test_a_run_not_seen_yet_is_a_stub_that_its_start_fills(self, store: Backend) -> None:
        child, parent = Teller(store, "child"), Teller(store, "parent")
        child.tell(logged("r", "loss", [1.0]), ParamsSet("r", T, {"lr": 1}))
        assert store.run("r").status == "running"
        parent.tell(started("r", name="told late", experiment="deep"))
        run = store.run("r")
        assert (run.name, run.experiment, run.status, run.metrics["loss"], run.params["lr"]) == ("told late", "deep", "running", 1.0, 1)

    def test_a_resumed_run_keeps_what_it_was(self, store: Backend) -> None:
        Teller(store, "first").tell(started("r", name="one", host="a", session="s1"), RunEnded("r", T + 1, "failed", "no"))
        Teller(store, "second").tell(started("r", T + 100, experiment="else", host="b", session="s2", resumed=True))
        run = store.run("r")
        assert (run.status, run.error, run.ended, run.started) == ("running", None, None, T)
        assert (run.name, run.experiment, run.session, run.host) == ("one", "digits", "s1", "b")

    def test_a_stem_is_numbered_within_the_experiment(self, store: Backend, writer: Teller) -> None:
        def stemmed(run_id: str, experiment: str) -> tuple[AnyRecord, ...]:
            return started(run_id, experiment=experiment), RunNoted(run_id, T, "stem", "Ridge")

        writer.tell(*stemmed("r1", "x"), *stemmed("r2", "x"), *stemmed("r3", "y"))
        writer.tell(*stemmed("r4", "x"), started("r5", name="mine", experiment="x"), RunNoted("r5", T, "stem", "Ridge"))
        assert [store.run(f"r{i}").name for i in range(1, 6)] == ["Ridge-1", "Ridge-2", "Ridge-1", "Ridge-3", "mine"]

    def test_a_run_can_be_renamed_and_moved(self, store: Backend, writer: Teller) -> None:
        writer.tell(started("r", name="one"))
        writer.tell(RunNoted("r", T, "name", "two"), RunNoted("r", T, "experiment", "deep"), RunNoted("r", T, "notes", "why"))
        run = store.run("r")
        assert (run.name, run.experiment, run.notes) == ("two", "deep", "why")

    def test_a_param_set_twice_keeps_its_earlier_value(self, store: Backend, writer: Teller) -> None:
        writer.tell(started("r"), ParamsSet("r", T, {"lr": 0.1, "n": 1}))
        writer.tell(ParamsSet("r", T, {"lr": 0.1}), ParamsSet("r", T, {"lr": "high"}), ParamsSet("r", T, {"lr": 0.3}))
        run = store.run("r")
        assert dict(run.params) == {"lr": 0.3, "n": 1}
        assert {key: list(before) for key, before in run.params_before.items()} == {"lr": [0.1, "high"]}

    def test_a_tag_is_replaced_and_taken_off(self, store: Backend, writer: Teller) -> None:
        writer.tell(started("r"), TagsSet("r", T, {"a": "1", "b": "2"}))
        writer.tell(TagsSet("r", T, {"a": None, "b": "3", "never": None}))
        assert dict(store.run("r").tags) == {"b": "3"}

    def test_of_an_artifact_stored_twice_the_last_is_shown_and_both_are_kept(self, store: Backend, writer: Teller) -> None:
        writer.tell(started("r"), ArtifactStored("r", T, "m", "sha256:aa", 1), ArtifactStored("r", T, "n", "sha256:bb", 1))
        writer.tell(ArtifactStored("r", T, "m", "sha256:cc", 2))
        assert [(artifact.name, artifact.digest) for artifact in store.run("r").artifacts] == [("n", "sha256:bb"), ("m", "sha256:cc")]
        assert store.digests() == {"sha256:aa", "sha256:bb", "sha256:cc"}

    def test_an_unknown_run_is_not_found(self, store: Backend) -> None:
        with pytest.raises(RunNotFound, match="nobody"):
            store.run("nobody")

    def test_any_text_can_be_stored(self, store: Backend, writer: Teller) -> None:
        text = "naïve ☃ 😀 'quoted' \"twice\"; drop table run; -- % _ \\ \n\t"
        writer.tell(
            started("r", name=text, experiment=text), ParamsSet("r", T, {text: text}), logged("r", text, [1.0]), TagsSet("r", T, {text: text})
        )
        run = store.run("r")
        assert (run.name, run.experiment, dict(run.params), dict(run.tags), dict(run.metrics)) == (
            text,
            text,
            {text: text},
            {text: text},
            {text: 1.0},
        )
        assert store.series(["r"], [text])[0].values.tolist() == [1.0]

    def test_text_that_no_store_can_hold_is_stored_all_the_same(self, store: Backend, writer: Teller) -> None:
        writer.tell(started("r", name="a\0b"), ParamsSet("r", T, {"x": "a\ud800b", "y": ["\udcff"]}))
        assert store.run("r").name == "a\N{REPLACEMENT CHARACTER}b"
        assert "a" in store.run("r").params["x"]

    # How a run ends.

    def test_a_gone_writer_ends_the_runs_it_started_last(self, store: Backend) -> None:
        one, two = Teller(store, "one"), Teller(store, "two")
        one.tell(started("open"), started("done"), RunEnded("done", T + 1, "finished"), started("taken"))
        two.tell(started("taken", T + 5, resumed=True), started("other"))
        one.tell(WriterEnded("", T + 9, "interrupted", "SIGTERM"))
        assert {run.id: run.status for run in store.runs()} == {"open": "interrupted", "done": "finished", "taken": "running", "other": "running"}
        assert (store.run("open").error, store.run("open").ended) == ("SIGTERM", T + 9)

    def test_a_gone_writer_ends_no_stub(self, store: Backend) -> None:
        Teller(store, "child").tell(logged("r", "loss", [1.0]), WriterEnded("", T))
        assert store.run("r").status == "running"

    def test_a_lost_run_that_tells_something_lives_again(self, store: Backend) -> None:
        one, two = Teller(store, "one"), Teller(store, "two")
        one.tell(started("r"), WriterEnded("", T))
        assert store.run("r").status == "lost"
        two.tell(TagsSet("r", T, {"why": "power cut"}), RunNoted("r", T, "notes", "by someone"), ArtifactStored("r", T, "a.txt", "sha256:aa", 1))
        assert store.run("r").status == "lost"
        two.tell(logged("r", "loss", [1.0]))
        assert (store.run("r").status, store.run("r").ended) == ("running", None)
        two.tell(RunEnded("r", T + 3, "finished"))
        assert store.run("r").status == "finished"

    def test_a_finished_run_stays_so_when_metrics_follow(self, store: Backend, writer: Teller) -> None:
        writer.tell(started("r"), RunEnded("r", T + 1, "finished"), logged("r", "test/acc", [0.9]))
        assert (store.run("r").status, store.run("r").metrics["test/acc"]) == ("finished", 0.9)

    def test_an_end_told_late_does_not_end_a_resumed_run(self, store: Backend) -> None:
        Teller(store, "one").tell(started("r"))
        Teller(store, "two").tell(started("r", T + 100, resumed=True))
        store.write(Batch("one", 2, (RunEnded("r", T + 50, "failed", "found in an old journal"),)))
        assert store.run("r").status == "running"

    def test_a_writer_silent_for_an_hour_is_shown_as_lost(self, store: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
        one, two = Teller(store, "one"), Teller(store, "two")
        one.tell(started("r", time.time()), started("child", time.time()))
        clock, later = time.time, time.time() + 3_700
        for module in list(sys.modules.values()):  # who took it by ``from time import time`` as well
            if getattr(module, "__dict__", {}).get("time") is clock:
                monkeypatch.setattr(module, "time", lambda: later)
        assert store.run("r").status == "lost"
        assert ids(store.runs(parse("status = 'lost'"))) == ids(store.runs())
        assert store.runs(parse("status = 'running' or ended is null")) == []
        view = store.run("r")
        assert view.duration_s == pytest.approx(view.seen - view.started, abs=0.002)
        two.tell(logged("child", "loss", [1.0]))
        assert (store.run("child").status, store.run("r").status) == ("running", "lost")
        one.tell()
        assert store.run("r").status == "running"

    # Metrics.

    def test_nan_and_infinities_come_back(self, store: Backend, writer: Teller) -> None:
        writer.tell(started("r"), logged("r", "loss", [1.0, math.nan, math.inf, -math.inf]))
        (curve,) = store.series(["r"], ["loss"])
        assert [repr(value) for value in curve.values.tolist()] == ["1.0", "nan", "inf", "-inf"]
        stats = store.run("r").stats("loss")
        assert (stats.count, stats.nonfinite, stats.min, stats.max, stats.mean, stats.last) == (4, 3, 1.0, 1.0, 1.0, -math.inf)

    def test_a_diverged_loss_is_nan_not_missing(self, store: Backend, writer: Teller) -> None:
        writer.tell(started("r"), logged("r", "loss", [math.nan]))
        stats = store.run("r").stats("loss")
        assert repr(store.run("r").metrics["loss"]) == "nan"
        assert (math.isnan(stats.last), math.isnan(stats.first), stats.min, stats.mean) == (True, True, None, None)

    def test_points_come_back_by_step_and_exactly(self, store: Backend, writer: Teller) -> None:
        writer.tell(started("r"), logged("r", "x", [0.1, 1e-300, 5e-324], [7, -3, 2**62]))
        writer.tell(MetricsLogged("r", T, ("x",), [0], [T + 0.25], [[1 / 3]]))
        (curve,) = store.series(["r"], ["x"])
        assert (curve.steps.tolist(), curve.values.tolist(), curve.times[1]) == ([-3, 0, 7, 2**62], [1e-300, 1 / 3, 0.1, 5e-324], T + 0.25)
        assert (str(curve.steps.dtype), str(curve.times.dtype), str(curve.values.dtype)) == ("int64", "float64", "float64")

    def test_a_step_logged_twice_keeps_both_and_the_later_is_last(self, store: Backend, writer: Teller) -> None:
        writer.tell(started("r"), logged("r", "x", [1.0, 2.0, 3.0], [0, 1, 1]))
        writer.tell(logged("r", "x", [4.0, 5.0], [1, 0]))
        (curve,) = store.series(["r"], ["x"])
        assert (curve.steps.tolist(), curve.values.tolist()) == ([0, 0, 1, 1, 1], [1, 5, 2, 3, 4])
        stats = store.run("r").stats("x")
        assert (stats.last, stats.last_step, stats.first, stats.first_step) == (4.0, 1, 1.0, 0)

    def test_the_last_value_is_that_of_the_largest_step(self, store: Backend, writer: Teller) -> None:
        writer.tell(started("r"), logged("r", "x", [10.0], [10]))
        writer.tell(logged("r", "x", [5.0, 6.0], [5, 6]))
        stats = store.run("r").stats("x")
        assert (store.run("r").metrics["x"], stats.last_step, stats.first, stats.first_step, stats.count) == (10.0, 10, 5.0, 5, 3)

    def test_key_sets_that_overlap_are_one_series_a_key(self, store: Backend, writer: Teller) -> None:
        both = MetricsLogged("r", T, ("a", "b"), [0, 1], [T, T], [[1.0, 2.0], [3.0, 4.0]])
        writer.tell(started("r"), both, logged("r", "a", [9.0], [1]), MetricsLogged("r", T, ("b", "a"), [2], [T], [[5.0], [6.0]]))
        a, b = store.series(["r"], ["a", "b"])
        assert (a.steps.tolist(), a.values.tolist()) == ([0, 1, 1, 2], [1, 2, 9, 6])
        assert (b.steps.tolist(), b.values.tolist()) == ([0, 1, 2], [3, 4, 5])

    def test_series_come_by_run_then_key_as_asked_and_only_those_there_are(self, store: Backend, writer: Teller) -> None:
        writer.tell(started("r1"), started("r2"), logged("r1", "a", [1.0]), logged("r2", "a", [2.0]), logged("r2", "b", [3.0]))
        curves = store.series(["r2", "r1", "nobody"], ["b", "a", "c"])
        assert [(curve.run_id, curve.key, curve.values.tolist()) for curve in curves] == [("r2", "b", [3]), ("r2", "a", [2]), ("r1", "a", [1])]

    def test_a_range_of_steps_is_read(self, store: Backend, writer: Teller) -> None:
        writer.tell(started("r"), logged("r", "x", [float(i) for i in range(100)]))
        (curve,) = store.series(["r"], ["x"], steps=(10, 12))
        assert (curve.steps.tolist(), curve.total) == ([10, 11, 12], 3)
        (nothing,) = store.series(["r"], ["x"], steps=(500, 600))
        assert (len(nothing), nothing.total) == (0, 0)

    def test_a_thinned_series_keeps_its_extremes(self, store: Backend, writer: Teller) -> None:
        values = [math.sin(i / 50) for i in range(5_000)]
        values[1234], values[3210], values[4000] = 50.0, -60.0, math.nan
        writer.tell(started("r"), logged("r", "x", values))
        (curve,) = store.series(["r"], ["x"], points=100)
        assert len(curve) <= 100
        assert curve.total == 5_000
        assert {1234, 3210, 0, 4999} <= set(curve.steps.tolist())
        assert all(values[step] == value or step == 4000 for step, value in zip(curve.steps.tolist(), curve.values.tolist(), strict=True))
        (zoomed,) = store.series(["r"], ["x"], points=40, steps=(1200, 1300))
        assert (len(zoomed) <= 40, zoomed.total, 1234 in zoomed.steps.tolist()) == (True, 101, True)

    def test_a_short_series_is_not_thinned(self, store: Backend, writer: Teller) -> None:
        writer.tell(started("r"), logged("r", "x", [1.0, 2.0, 3.0]))
        assert len(store.series(["r"], ["x"], points=4)[0]) == 3
        with pytest.raises(QueryError, match="4 points"):
            store.series(["r"], ["x"], points=3)

    # Searching.

    @pytest.mark.parametrize(("text", "fit"), MEANINGS, ids=[text or "everything" for text, _ in MEANINGS])
    def test_a_query_means_the_same_on_every_store(self, examples: Backend, text: str, fit: str) -> None:
        assert "".join(ids(examples.runs(parse(text, order_by="started")))) == fit

    @pytest.mark.parametrize(("order_by", "order"), ORDERS, ids=[order_by or "newest first" for order_by, _ in ORDERS])
    def test_an_order_means_the_same_on_every_store(self, examples: Backend, order_by: str, order: str) -> None:
        assert "".join(ids(examples.runs(parse("", order_by=order_by)))) == order

    def test_a_search_is_cut_by_limit_and_offset(self, examples: Backend) -> None:
        assert ids(examples.runs(parse("", order_by="started", limit=2))) == ["a", "b"]
        assert ids(examples.runs(parse("", order_by="started", limit=2, offset=3))) == ["d", "e"]
        assert ids(examples.runs(parse("", order_by="started", offset=4))) == ["e", "f"]
        assert examples.runs(parse("", limit=0)) == []

    def test_only_the_parts_asked_for_are_read(self, store: Backend, writer: Teller) -> None:
        artifact = ArtifactStored("r", T, "m", "sha256:aa", 1)
        notes = [RunNoted("r", T, "notes", "n"), RunNoted("r", T, "environment", {"a": 1}), RunNoted("r", T, "traceback", "t")]
        writer.tell(started("r"), ParamsSet("r", T, {"lr": 1}), logged("r", "x", [1.0]), TagsSet("r", T, {"t": "1"}), artifact, *notes)
        parts = ("params", "metrics", "tags", "artifacts", "notes", "environment", "traceback")

        def read(run: RunView) -> set[str]:
            return {part for part in parts if getattr(run, part)}

        assert read(store.runs()[0]) == {"params", "metrics", "tags", "artifacts", "notes"}
        assert read(store.run("r")) == set(parts)
        for part in parts:
            assert read(store.runs(fields=[part])[0]) == {part}
        assert read(store.runs(fields=[])[0]) == set()

    def test_many_keys_can_be_asked_for_at_once(self, examples: Backend) -> None:
        keys = [f"params.k{i} = {i}" for i in range(12)] + ["params.lr = 0.1"] + [f"metrics.m{i} > 0" for i in range(12)]
        assert ids(examples.runs(parse(" or ".join(keys)))) == ["a"]
        assert examples.runs(parse(" and ".join(keys))) == []

    # Views and what follows.

    def test_views_do_not_change_after_later_writes(self, store: Backend, writer: Teller) -> None:
        writer.tell(started("r"), ParamsSet("r", T, {"lr": 0.1, "l": [1]}), logged("r", "x", [1.0]), TagsSet("r", T, {"a": "1"}))
        run, (curve,), (listed,) = store.run("r"), store.series(["r"], ["x"]), store.runs()
        writer.tell(ParamsSet("r", T, {"lr": 0.2, "l": [2]}), logged("r", "x", [9.0], [1]), TagsSet("r", T, {"a": "2"}), RunEnded("r", T, "failed"))
        for view in (run, listed):
            assert (dict(view.params), dict(view.metrics), dict(view.tags), view.status) == ({"lr": 0.1, "l": [1]}, {"x": 1.0}, {"a": "1"}, "running")
            assert view.stats("x").last == 1.0
        assert curve.values.tolist() == [1.0]

    def test_delete_hides_and_undo_shows(self, examples: Backend) -> None:
        assert examples.delete(["a", "b", "nobody", "g"]) == 2
        assert ids(examples.runs(parse("", order_by="started"))) == ["c", "d", "e", "f"]
        assert examples.run("a").deleted is not None
        assert examples.delete(["a", "c"], undo=True) == 1
        assert ids(examples.runs(parse("", order_by="started"))) == ["a", "c", "d", "e", "f"]

    def test_purge_removes_all_and_later_records_are_skipped(self, store: Backend, writer: Teller) -> None:
        writer.tell(
            started("r"), ParamsSet("r", T, {"lr": 1}), logged("r", "x", [1.0]), ArtifactStored("r", T, "m", "sha256:aa", 1), started("stays")
        )
        store.delete(["r"])
        assert store.purge(3_600) == 0
        assert store.digests() == {"sha256:aa"}
        assert store.purge(0) == 1
        assert (store.digests(), store.series(["r"], ["x"]), store.runs(parse("deleted = true"))) == (set(), [], [])
        with pytest.raises(RunNotFound):
            store.run("r")
        writer.tell(logged("r", "x", [2.0], [1]), started("next"), TagsSet("r", T, {"a": "b"}))
        assert sorted(ids(store.runs())) == ["next", "stays"]
        assert store.series(["r"], ["x"]) == []

    # Following.

    def test_tail_begins_now_and_tells_what_is_new(self, store: Backend, writer: Teller) -> None:
        writer.tell(started("r"), logged("r", "x", [1.0, 2.0]))
        now = store.tail(None)
        assert (now.runs, now.points, now.stale, now.more) == ([], [], [], False)
        writer.tell(logged("r", "x", [3.0], [2]))
        new = store.tail(now.cursor)
        assert [(c.run_id, c.key, c.steps.tolist(), c.values.tolist()) for c in new.points] == [("r", "x", [2], [3.0])]
        assert (new.runs, new.stale, new.more) == ([], [], False)
        assert store.tail(new.cursor).points == []
        writer.tell(RunEnded("r", T + 1, "finished"), started("s"))
        assert {run.id: run.status for run in store.tail(new.cursor).runs} == {"r": "finished", "s": "running"}

    def test_tail_names_series_into_whose_past_a_point_was_written(self, store: Backend, writer: Teller) -> None:
        writer.tell(started("r"), logged("r", "x", [1.0, 2.0], [0, 100]), logged("r", "y", [1.0]))
        cursor = store.tail(None).cursor
        writer.tell(logged("r", "x", [5.0], [50]), logged("r", "y", [2.0], [1]))
        new = store.tail(cursor)
        assert new.stale == [("r", "x")]
        assert [curve.key for curve in new.points] == ["y"]
        cursor = new.cursor
        writer.tell(logged("r", "x", [6.0], [101]))
        new = store.tail(cursor)
        assert (new.stale, [c.values.tolist() for c in new.points]) == ([], [[6.0]])

    def test_tail_tells_of_deletions(self, examples: Backend) -> None:
        cursor = examples.tail(None).cursor
        examples.delete(["a"])
        (run,) = examples.tail(cursor).runs
        assert run.id == "a"
        assert run.deleted is not None

    @pytest.mark.parametrize("limit", [1, 3, 7, 5_000])
    def test_tail_skips_nothing_while_writers_interleave(self, store: Backend, limit: int) -> None:
        writers = [Teller(store, f"w{i}") for i in range(3)]
        told: dict[tuple[str, str], dict[int, float]] = {}
        statuses: dict[str, str] = {}
        cursor = store.tail(None).cursor

        def follow() -> bool:
            nonlocal cursor
            new = store.tail(cursor, limit=limit)
            cursor = new.cursor
            statuses.update({run.id: run.status for run in new.runs})
            again = [curve for run_id, key in new.stale for curve in store.series([run_id], [key])]
            for curve in [*new.points, *again]:
                told.setdefault((curve.run_id, curve.key), {}).update(zip(curve.steps.tolist(), curve.values.tolist(), strict=True))
            return new.more

        for i, writer in enumerate(writers):
            writer.tell(started(f"r{i}"))
        for step in range(40):
            writer, run = writers[step % 3], f"r{step * 7 % 3}"
            writer.tell(logged(run, "x", [float(step), step + 0.5], [2 * step, 2 * step + 1]), logged(run, "y", [float(step)], [step // 5]))
            if step % 6 == 0:
                follow()
        writers[0].tell(RunEnded("r1", time.time(), "finished"))
        while follow():
            pass
        assert statuses == {run.id: run.status for run in store.runs()}
        for curve in map(Series.last_wins, store.series(["r0", "r1", "r2"], ["x", "y"])):
            assert told[curve.run_id, curve.key] == dict(zip(curve.steps.tolist(), curve.values.tolist(), strict=True))

    def test_a_reader_that_was_away_for_long_misses_nothing(self, store: Backend, writer: Teller) -> None:
        writer.tell(started("r"))
        cursor = store.tail(None).cursor
        for step in range(60):
            writer.tell(logged("r", "x", [float(step)], [step]))
        new = store.tail(cursor)
        told = new.points or store.series(*map(list, zip(*new.stale, strict=True)))
        assert [curve.values.tolist() for curve in told] == [[float(step) for step in range(60)]]

    def test_tail_says_what_the_series_amount_to(self, store: Backend, writer: Teller) -> None:
        writer.tell(started("r"), logged("r", "x", [1.0, 4.0]), logged("r", "y", [1.0], [5]))
        cursor = store.tail(None).cursor
        writer.tell(logged("r", "x", [math.nan, 2.0], [2, 3]), logged("r", "y", [7.0], [4]))
        new = store.tail(cursor)
        run = store.run("r")
        assert new.statistics == {("r", "x"): run.stats("x"), ("r", "y"): run.stats("y")}
        assert (run.stats("x").count, run.stats("x").max) == (4, 4.0)

    def test_a_cursor_of_another_store_is_lost(self, store: Backend, writer: Teller, tmp_path: Path) -> None:
        writer.tell(started("r"))
        other = self.open(tmp_path / "other")
        for _ in range(3):
            Teller(other, os.urandom(4).hex()).tell(started("s"))
        for cursor in (other.tail(None).cursor, "", "nonsense", "1.2", f"{store.tail(None).cursor}9"):
            with pytest.raises(CursorLost):
                store.tail(cursor)
        other.close()

    def test_the_pulse_changes_when_something_is_written(self, store: Backend, writer: Teller) -> None:
        writer.tell(started("r"))
        pulses = [store.pulse(), store.pulse()]
        writer.tell(logged("r", "x", [1.0]))
        pulses += [store.pulse(), store.pulse()]
        store.delete(["r"])
        pulses += [store.pulse(), store.pulse()]
        assert [pulses[i] == pulses[i + 1] for i in range(5)] == [True, False, True, False, True]

    # Runs as columns.

    def test_a_table_has_the_runs_of_a_query_in_its_order(self, examples: Backend) -> None:
        names = dict(zip(*_columns(examples, Field("run", "id")), strict=True))
        assert sorted(names.values()) == list("abcdef")
        assert {names[run.number] for run in examples.runs()} == set("abcdef")
        for expression, expected in MEANINGS[:30]:
            assert sorted(names[number] for number in examples.table(parse(expression)).numbers if number in names) == list(expected)
        for order, expected in ORDERS:
            assert [names[number] for number in examples.table(parse(order_by=order)).numbers] == list(expected)

    def test_a_tables_columns_are_what_runs_say(self, examples: Backend) -> None:
        names = dict(zip(*_columns(examples, Field("run", "id")), strict=True))

        def column(group: Any, key: str, statistic: Any = "last") -> dict[str, Any]:
            numbers, values = _columns(examples, Field(group, key, statistic))
            return {names[number]: value for number, value in sorted(zip(numbers, values, strict=True), key=lambda one: names[one[0]])}

        assert repr(column("params", "lr")) == repr({"a": 0.1, "b": "0.1", "c": 0.01, "e": math.nan})
        assert column("params", "seed") == {"a": 2**60 + 1, "b": 2**60}
        assert column("params", "flag") == {"a": True, "b": False}
        assert column("params", "layers") == {"c": [64, 64]}
        assert column("params", "depth") == {"a": 3, "b": 5.0, "c": None, "e": 2}
        assert column("tags", "team") == {"a": "nlp", "b": "vision", "d": "NLP"}
        assert repr(column("metrics", "val/acc")) == repr({"a": 0.9, "b": 0.6, "c": math.nan, "d": 0.99, "e": math.inf})
        assert column("metrics", "val/acc", "max") == {"a": 0.9, "b": 0.95, "c": 0.8, "d": 0.1}
        assert column("metrics", "val/acc", "mean") == pytest.approx({"a": 0.7, "b": 0.775, "c": 0.8, "d": 0.1})
        assert column("metrics", "val/acc", "count") == {"a": 3, "b": 2, "c": 2, "d": 1, "e": 1}
        assert repr(column("metrics", "val/acc", "first")) == repr({"a": 0.5, "b": 0.95, "c": 0.8, "d": 0.1, "e": math.inf})
        assert column("metrics", "verdict") == {"d": "good"}
        assert column("metrics", "verdict", "min") == column("metrics", "nothing at all") == column("params", "val/acc") == {}
        assert column("run", "error") == {"b": "ValueError: no"}
        assert column("run", "parent") == {"d": "a"}
        assert column("run", "duration")["a"] == 60.0
        assert column("run", "experiment")["c"] == "digits/deep"
        assert column("run", "status")["c"] == "interrupted"

    def test_a_clock_that_was_set_back_makes_no_negative_duration(self, store: Backend, writer: Teller) -> None:
        writer.tell(started("r", T), RunEnded("r", T - 60, "finished"), started("open", T))
        assert (store.run("r").ended, store.run("r").duration_s) == (T - 60, 0)
        found = store.table(parse("duration <= 0"), [Field("run", "duration"), Field("run", "id")])
        assert [list(column.values) for column in found.columns] == [[0], ["r"]]

    def test_a_column_holds_only_the_runs_of_the_query(self, examples: Backend) -> None:
        table = examples.table(parse("params.lr = 0.1"), [Field("params", "lr"), Field("run", "name"), Field("metrics", "loss", "min")])
        assert [list(column.values) for column in table.columns] == [[0.1], ["alpha"], [1.0]]
        assert [list(column.numbers) for column in table.columns] == [list(table.numbers)] * 3
        empty = examples.table(parse("params.lr > 9"), [Field("params", "lr"), Field("run", "name")])
        assert (list(empty.numbers), [list(column.values) for column in empty.columns]) == ([], [[], []])

    def test_a_deleted_run_is_in_a_table_only_if_it_is_asked_for(self, examples: Backend) -> None:
        assert len(examples.table(ALL).numbers) == 6
        table = examples.table(parse("deleted = true"), [Field("run", "id"), Field("run", "deleted")])
        assert list(table.columns[0].values) == ["g"]
        assert abs(table.columns[1].values[0] - time.time()) < 60

    def test_a_number_is_of_one_run_for_good(self, store: Backend, writer: Teller) -> None:
        writer.tell(started("a"), started("b"))
        before = dict(zip(*_columns(store, Field("run", "id")), strict=True))
        store.delete(["a", "b"])
        store.purge(0)
        writer.tell(started("c"))
        assert _columns(store, Field("run", "id"))[0][0] not in before

    def test_keys_are_those_of_the_runs(self, examples: Backend) -> None:
        keys = examples.keys(parse("experiment = 'digits'"))
        assert list(keys.params) == ["a key", "depth", "flag", "lr", "null", "opt", "quote", "seed"]
        assert list(keys.metrics) == ["a.min", "loss", "nothing", "stopped", "val/acc", "verdict"]
        assert list(keys.tags) == ["empty", "fold", "team"]
        assert list(keys.varying) == list(keys.params)
        assert (list(examples.keys(parse("id = 'f'")).params), list(examples.keys(parse("id = 'c'")).varying)) == ([], [])

    @pytest.mark.parametrize(
        ("one", "other", "varies"),
        [
            *((1, 1, False), (1, 2, True), ("a", "a", False), ("a", "b", True), (math.nan, math.nan, False), (math.nan, 1.0, True)),
            *((None, None, False), (None, 1, True), ([1], [1], False), ([1], [2], True), (1, "1", True), (2**60, 2**60 + 1, True)),
        ],
    )
    def test_a_param_varies_where_its_values_differ(self, store: Backend, writer: Teller, one: Any, other: Any, varies: bool) -> None:
        writer.tell(started("r"), ParamsSet("r", T, {"p": one}), started("s"), ParamsSet("s", T, {"p": other}))
        assert list(store.keys().varying) == ["p"] * varies

    def test_a_param_that_some_runs_lack_varies(self, store: Backend, writer: Teller) -> None:
        writer.tell(started("r"), ParamsSet("r", T, {"p": 1}), started("s"))
        assert list(store.keys().varying) == ["p"]

    # Curves for a screen.

    def test_a_short_curve_is_given_as_it_is(self, store: Backend, writer: Teller) -> None:
        values = [3.0, math.nan, 1.0, math.inf, 2.0]
        writer.tell(started("r"), logged("r", "x", [*values, 9.0], [0, 1, 2, 30, 40, 40]))
        (curve,) = store.buckets(["r", "nobody"], ["x", "nothing"], points=16)
        assert (curve.run_id, curve.key, curve.shift, curve.first, curve.last) == ("r", "x", 0, 0.0, 40.0)
        assert curve.x.tolist() == [0, 1, 2, 30, 40]  # of a step that was logged twice the last
        assert repr(curve.mean.tolist()) == repr([3.0, math.nan, 1.0, math.nan, 9.0])
        assert repr(curve.low.tolist()) == repr(curve.high.tolist()) == repr(curve.mean.tolist())
        assert curve.odd.tolist() == [0, 1, 0, 1, 0]
        assert repr(curve.value.tolist()) == repr([*values[:4], 9.0])
        assert curve.step.tolist() == [0, 1, 2, 30, 40]

    def test_a_long_curve_keeps_every_spike(self, store: Backend, writer: Teller) -> None:
        values = [math.sin(i / 500) for i in range(20_000)]
        values[12_345], values[777], values[5_000] = 1e6, -1e6, math.nan
        writer.tell(started("r"), logged("r", "x", values))
        curve = _made(store, ["r"], ["x"], points=100)[0]
        assert (curve.shift, curve.total, len(curve.x)) == (8, 20_000, 79)
        assert curve.x.tolist() == [min(255 + 256 * i, 19_999) for i in range(79)]
        assert (curve.high[12_345 >> 8], curve.low[777 >> 8], curve.odd[5_000 >> 8]) == (1e6, -1e6, 1)
        assert (sum(curve.high > 2), sum(curve.low < -2), curve.odd.sum()) == (1, 1, 1)
        assert curve.mean[0] == pytest.approx(sum(values[:256]) / 256)
        assert curve.mean[12_345 >> 8] == pytest.approx(sum(values[48 * 256 : 49 * 256]) / 256)
        timed = _made(store, ["r"], ["x"], points=100, x="time")[0]
        assert timed.step.tolist() == curve.step.tolist() == curve.x.tolist()
        assert timed.value.tolist() == [values[int(step)] for step in timed.step]

    def test_one_grid_for_all_runs_at_every_zoom(self, store: Backend, writer: Teller) -> None:
        writer.tell(started("r"), started("s"), logged("r", "x", [1.0] * 9_000), logged("s", "x", [2.0] * 7_000, list(range(1_000, 8_000))))
        wide = _made(store, ["r", "s"], ["x"], points=64)
        assert [curve.shift for curve in wide] == [8, 8]
        buckets = [{int(x) >> 8 for x in curve.x} for curve in wide]
        assert buckets[1] <= buckets[0]
        narrow = _made(store, ["r"], ["x"], points=64, window=(1_000.0, 2_000.0))[0]
        assert narrow.shift == 4
        assert (narrow.x[0], narrow.x[-1]) == (1_007.0, 2_015.0)  # the bucket in which the window ends is whole
        assert _made(store, ["r"], ["x"], points=64, window=(1_000.0, 1_050.0))[0].x.tolist() == list(range(1_000, 1_051))

    def test_a_window_may_lead_in(self, store: Backend, writer: Teller) -> None:
        writer.tell(started("r"), logged("r", "x", [1.0] * 9_000))
        curve = _made(store, ["r"], ["x"], points=64, window=(4_000.0, 5_000.0), lead=1_000.0)[0]
        before, within = curve.x[curve.x < 4_000], curve.x[curve.x >= 4_000]
        assert curve.shift == 4
        assert within.tolist() == list(range(4_015 - 4_000 % 16, 5_016, 16))
        assert before[0] <= 3_000 + 255  # wider, and as far back as was asked
        assert (before[-1], len(before) < 32, curve.total) == (3_999.0, True, 5_008 - (int(before[0]) >> 8 << 8))

    @pytest.mark.parametrize("count", [50, 20_000])
    def test_a_curve_over_time_or_another_metric(self, store: Backend, writer: Teller, count: int) -> None:
        steps = list(range(count))
        epochs = [float(step // 10) for step in steps]
        writer.tell(started("r", T - 5), logged("r", "x", [float(s) for s in steps]), logged("r", "epoch", epochs[::10], steps[::10]))
        over = {x: _made(store, ["r"], ["x"], points=32, x=x)[0] for x in ("time", "relative")}
        assert (over["time"].first, over["time"].last) == (T, T + count - 1)
        assert (over["relative"].first, over["relative"].last) == (5.0, count + 4.0)
        assert (over["relative"].x - over["time"].x).tolist() == pytest.approx([5 - T] * len(over["time"].x))
        assert over["time"].x[-1] == T + count - 1
        metric = _made(store, ["r"], ["x"], points=64, x=("metric", "epoch"))[0]
        assert (metric.first, metric.x[-1], metric.last) == (0.0, epochs[-1], epochs[-1])
        assert (metric.x[1:] >= metric.x[:-1]).all()
        window = (T + count // 2, T + count // 2 + 20.0)
        part = _made(store, ["r"], ["x"], points=32, x="time", window=window)[0]
        assert part.x.tolist() == [T + i for i in range(count // 2, min(count // 2 + 21, count))]
        assert part.mean.tolist() == [float(i) for i in range(count // 2, min(count // 2 + 21, count))]
        assert len(_made(store, ["r"], ["x"], points=32, x=("metric", "nothing"))[0].x) == 0

    def test_a_metric_as_x_has_the_value_it_had_last_however_long_ago(self, store: Backend, writer: Teller) -> None:
        writer.tell(started("r"), logged("r", "x", [1.0] * 20_000), logged("r", "e", [7.0, 8.0], [10, 19_000]))
        for window, points in ((None, 32), ((7.0, 7.0), 32), ((7.5, 9.0), 5_000)):
            curve = _made(store, ["r"], ["x"], points=points, x=("metric", "e"), window=window)[0]
            assert set(curve.x.tolist()) == {7.0, 8.0} & {x for x in (7.0, 8.0) if window is None or window[0] <= x <= window[1]}
            assert curve.total == {None: 20_000, (7.0, 7.0): curve.total, (7.5, 9.0): 1_000}[window]

    @pytest.mark.parametrize("steps", [[0, 10**12], [5], [-(2**63), 2**63 - 1], [2**62, 2**62 + 1], list(range(0, 10**12, 10**9))])
    def test_steps_may_be_far_apart(self, store: Backend, writer: Teller, steps: list[int]) -> None:
        writer.tell(started("r"), logged("r", "x", [1.0] * len(steps), steps))
        for points in (2, 16, 5_000):
            (curve,) = _made(store, ["r"], ["x"], points=points)
            assert curve.total == len(steps)
            assert 1 <= len(curve.x) <= points
            assert (curve.x[-1], curve.first) == (float(steps[-1]), float(steps[0]))

    def test_a_window_in_which_nothing_lies_is_an_empty_curve(self, store: Backend, writer: Teller) -> None:
        writer.tell(started("r"), logged("r", "x", [1.0, 2.0], [0, 1_000]))
        for window in ((10.0, 20.0), (2_000.0, 1e300), (-1e300, -5.0), (20.0, 20.0)):
            (curve,) = _made(store, ["r"], ["x"], points=16, window=window)
            assert (len(curve.x), curve.total) == (0, 0)

    def test_a_curve_grows_and_is_mended_when_points_come_into_its_past(self, store: Backend, writer: Teller) -> None:
        writer.tell(started("r"), logged("r", "x", [1.0] * 20_000, list(range(0, 40_000, 2))))
        assert _made(store, ["r"], ["x"], points=64)[0].total == 20_000
        writer.tell(logged("r", "x", [1.0] * 6_000, list(range(40_000, 52_000, 2))))
        assert _made(store, ["r"], ["x"], points=64)[0].total == 26_000
        writer.tell(logged("r", "x", [-7.0, 8.0], [3, 20_001]))
        curve = _made(store, ["r"], ["x"], points=64)[0]
        assert (curve.total, curve.low.min(), curve.high.max(), curve.low[0], curve.high[20_001 >> curve.shift]) == (26_002, -7.0, 8.0, -7.0, 8.0)
        writer.tell(logged("r", "x", [math.nan, -9.0], [-100, 60_000]))
        curve = _made(store, ["r"], ["x"], points=64)[0]
        assert (curve.total, curve.odd[0], curve.low[-1], curve.first, curve.last) == (26_004, 1, -9.0, -100.0, 60_000.0)

    @pytest.mark.parametrize("asked", [{"points": 1}, {"points": 10**6}, {"points": 16, "window": (math.nan, 1.0)}, {"points": 16, "lead": -1.0}])
    def test_a_curve_that_cannot_be_is_refused(self, examples: Backend, asked: dict[str, Any]) -> None:
        with pytest.raises(QueryError):
            examples.buckets(["a"], ["loss"], **asked)

    # Saved views, and an end to questions.

    def test_views_are_saved_by_name(self, store: Backend) -> None:
        assert store.saved_views() == []
        store.save_view("β", "q=1")
        store.save_view("a", "q=2")
        store.save_view("β", "q=3&x='é")
        assert [(view.name, view.query) for view in store.saved_views()] == [("a", "q=2"), ("β", "q=3&x='é")]
        assert abs(store.saved_views()[0].saved - time.time()) < 60
        store.save_view("β", None)
        store.save_view("nobody", None)
        assert [view.name for view in store.saved_views()] == ["a"]

    def test_a_question_ends_when_its_time_is_over(self, store: Backend, writer: Teller) -> None:
        writer.tell(*(record for i in range(3_000) for record in (started(f"r{i}"), ParamsSet(f"r{i}", T, {"p": f"{'a' * 200}{i}"}))))
        with deadline.within(60):
            assert len(store.table(parse("params.p contains 'aaaab'")).numbers) == 0
        with pytest.raises(TooSlow), deadline.within(0.0):
            store.table(parse("params.p contains 'aaaab' or params.p like '%a%a%a%b%' or params.p like '%b%a%b%'"))
        assert len(store.table(ALL).numbers) == 3_000


def _columns(store: Backend, field: Field) -> tuple[list[int], list[Any]]:
    column: Column = store.table(ALL, [field]).columns[0]
    return list(column.numbers), list(column.values)


def _made(store: Backend, run_ids: list[str], keys: list[str], **asked: Any) -> list[Buckets]:
    """The curves, when the store has made what it makes for them."""
    for _ in range(100):
        curves = store.buckets(run_ids, keys, **asked)
        if not any(curve.pending for curve in curves):
            break
    assert not any(curve.pending for curve in curves)
    return curves
