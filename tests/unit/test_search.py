"""Searching, comparing, folding."""

import math

import numpy as np
import pytest

import autotrack
from autotrack.difference import ABSENT, differing
from autotrack.errors import QueryError, RunNotFound
from autotrack.glance import stem
from autotrack.recording.tracker import tracker
from autotrack.search import RunList, compare, fold, search_runs
from autotrack.views import RunView


def made(id, name="r", **more):
    return RunView(id, name, more.pop("experiment", "e"), more.pop("status", "finished"), None, 10.0, 12.0, more.pop("parent_id", None), **more)


# --- against a store


@pytest.fixture
def three(tracked):
    for i, lr in enumerate([0.1, 0.01, 0.001]):
        with autotrack.start_run(f"run-{i}", params={"lr": lr, "kind": "net"}, tags={"team": "nlp"}) as run:
            run.log({"val/acc": 0.7 + i / 10}, step=0)
            run.log({"val/acc": 0.8 + i / 10}, step=1)
    return tracked


def test_a_search_sees_what_was_logged_on_the_line_before(tracked):
    with autotrack.start_run("now") as run:
        run.log({"loss": 0.25}, step=3)
        assert [(found.id, found.metrics["loss"]) for found in search_runs("metrics.loss < 1")] == [(run.id, 0.25)]


def test_a_search_filters_orders_and_cuts(three):
    assert [run.name for run in search_runs("metrics.val/acc > 0.85 and params.lr < 0.05", order_by="metrics.val/acc desc")] == ["run-2", "run-1"]
    assert [run.name for run in search_runs(order_by="params.lr", limit=2)] == ["run-2", "run-1"]
    assert [run.name for run in search_runs(order_by="params.lr", limit=2, offset=2)] == ["run-0"]
    assert [run.name for run in search_runs()] == ["run-2", "run-1", "run-0"]


def test_what_is_found_shows_in_a_line(three):
    (found,) = search_runs("params.lr = 0.1")
    assert repr(found) == f"<RunView run-0 {found.id} finished>"
    assert found.duration_s == round(found.duration_s, 6)


def test_what_is_found_reads_on(three):
    (found,) = search_runs("params.lr = 0.1")
    assert found.history("val/acc").values.tolist() == [0.7, 0.8]
    assert found.stats("val/acc").max == 0.8
    with autotrack.start_run(run_id=found.id), autotrack.start_run("inside"):
        pass
    assert [child.name for child in search_runs("params.lr = 0.1")[0].children()] == ["inside"]


def test_deleted_runs_are_seen_only_if_asked_for(three):
    (found,) = search_runs("params.lr = 0.1")
    tracker().backend.delete([found.id])
    assert len(search_runs()) == 2
    assert len(search_runs(deleted=True)) == 3


def test_a_query_that_cannot_be_read_says_where(tracked):
    with pytest.raises(QueryError) as error:
        search_runs("params.lr <")
    assert error.value.position == 11


def test_comparing_shows_only_what_differs(three):
    newest, middle, _ = search_runs()
    found = compare(newest, middle.id)
    assert found.params == {"lr": (0.001, 0.01)}
    assert found.metrics == {"val/acc": (1.0, 0.9)}
    assert found.tags == {}
    assert [name for name, _ in found][:2] == ["params", "metrics"]
    assert "lr: 0.001  |  0.01" in repr(found)


def test_comparing_takes_two_that_exist(three):
    with pytest.raises(ValueError, match="two runs"):
        compare(search_runs()[0])
    with pytest.raises(RunNotFound):
        compare("01NOSUCH", search_runs()[0])


def test_a_data_frame_has_a_column_for_every_key(three):
    frame = search_runs().to_pandas()
    assert frame["params.lr"].tolist() == [0.001, 0.01, 0.1]
    assert frame["metrics.val/acc"].tolist() == [1.0, 0.9, 0.8]
    assert frame["tags.team"].tolist() == ["nlp"] * 3
    assert str(frame["started"].dtype).startswith("datetime64")
    assert "UTC" in str(frame["started"].dtype)
    assert (frame["started"].dt.nanosecond == 0).all()
    assert (search_runs()[0].history("val/acc").to_pandas()["time"].dt.nanosecond == 0).all()


# --- without one


def test_differences_know_absence_nan_and_kinds():
    assert differing([{"a": 1, "b": math.nan, "c": True, "d": None}, {"a": 1.0, "b": math.nan, "c": 1}]) == {"c": (True, 1), "d": (None, ABSENT)}
    assert differing([{"x": [1, 2]}, {"x": [1, 2]}, {"x": [2, 1]}]) == {"x": ([1, 2], [1, 2], [2, 1])}


def test_fits_of_one_line_of_one_process_are_one():
    here = {"session": "s", "call_site": "a.py:3:main", "kind": "sklearn"}
    runs = [made("3", "Ridge-3", **here), made("x", "net"), made("2", "Ridge-2", **here), made("1", "Lasso-1", **here)]
    assert [(one.title, [run.id for run in one.runs]) for one in fold(runs)] == [("Ridge, Lasso x 3", ["3", "2", "1"]), ("net", ["x"])]


@pytest.mark.parametrize(
    "other",
    [{"session": "t"}, {"call_site": "a.py:4:main"}, {"kind": ""}, {"parent_id": "p"}, {"experiment": "f"}, {"session": ""}],
)
def test_what_differs_in_origin_stays_apart(other):
    here = {"session": "s", "call_site": "a.py:3:main", "kind": "sklearn"}
    assert len(fold([made("1", **here), made("2", **{**here, **other})])) == 2


def test_a_default_name_has_a_stem():
    assert [stem(name) for name in ("Ridge-12", "my-run", "x-1-2", "-3", "7")] == ["Ridge", "my-run", "x-1", "-3", "7"]


def test_a_list_of_runs_prints_readably():
    runs = RunList([made("01A", "net", metrics={"val/acc": 0.93456, "train/loss": 0.1}), made("01B", "longer name", status="failed")])
    assert repr(runs) == "2 runs\n01A  net          finished  e  val/acc=0.9346  train/loss=0.1\n01B  longer name  failed    e"
    assert repr(RunList()) == "no runs"
    assert repr(RunList([made(str(i)) for i in range(30)])).endswith("… and 10 more")
    assert isinstance(runs[:1], RunList)
    assert runs[0].id == "01A"


def test_an_empty_list_is_an_empty_frame():
    frame = RunList().to_pandas()
    assert len(frame) == 0
    assert "status" in frame.columns


def test_a_frame_of_nothing_but_nan():
    assert np.isnan(RunList([made("1", metrics={"a": math.nan})]).to_pandas()["metrics.a"][0])


def test_a_view_is_plain_to_copy_print_and_send_away_but_not_to_change(tracked):
    import copy
    import json
    import pickle

    with autotrack.start_run(params={"lr": 0.1, "layers": [1, 2]}, tags={"team": "nlp"}) as run:
        run.log({"loss": 0.5}, step=0)
    view = autotrack.get_run(run.id)
    assert json.loads(json.dumps(view.params)) == {"lr": 0.1, "layers": [1, 2]}
    assert repr(view.tags) == "{'team': 'nlp'}"
    for again in (pickle.loads(pickle.dumps(view)), copy.deepcopy(view)):
        assert again == view
        assert again.history("loss").values.tolist() == [0.5]
    with pytest.raises(TypeError, match="never changes"):
        view.params["lr"] = 1
