import asyncio
import contextlib
import copy
import logging
import os
import pickle
import sys
import threading
import types

import numpy as np
import pytest

import autotrack
from autotrack.errors import AutotrackError, RunIdTaken, RunNotFound, SettingsError
from autotrack.recording import runs
from autotrack.recording.runs import current_run, get_run, open_run, start_run

# A run and what it is told


def test_a_run_keeps_what_it_is_told(tracked):
    params = {"lr": 3e-4, "opt": {"b": [1, 2]}}
    with start_run("baseline", experiment="sentiment/bert", params=params, tags={"team": "nlp", "n": 1}, notes="first") as run:
        run.log({"train/loss": 0.5}, step=7)
        run.log_metric("val/acc", np.float32(0.5), step=7)
        run.log_metrics({"val/acc": 0.75}, step=8)
        run.log_param("seed", 1)
        run.set_tag("flag")
        run.set_tags({"n": None})
        run.summary({"best": 0.75}, rounds=np.array([3]))
        run.note("second")
    view = tracked.run()
    assert (view.id, view.name, view.experiment, view.status, view.error, view.kind) == (run.id, "baseline", "sentiment/bert", "finished", None, "")
    assert dict(view.params) == {"lr": 3e-4, "opt.b": [1, 2], "seed": 1}
    assert dict(view.metrics) == {"train/loss": 0.5, "val/acc": 0.75, "best": 0.75, "rounds": 3}
    assert dict(view.tags) == {"team": "nlp", "flag": ""}
    assert view.notes == "first\nsecond"
    assert view.history("val/acc").steps.tolist() == [7, 8]
    assert view.call_site == f"{__file__}:{view.call_site.split(':')[-2]}:test_a_run_keeps_what_it_is_told"
    assert (view.pid, view.host, view.parent_id) == (os.getpid(), os.uname().nodename, None)
    assert view.started <= view.ended


def test_runs_without_a_name_are_numbered_within_their_experiment(tracked):
    for _ in range(2):
        with start_run(experiment="a"):
            pass
    with start_run(experiment="b") as run:
        assert run.name == "run-1"
    assert [view.name for view in tracked.runs()] == ["run-1", "run-2", "run-1"]


def test_without_a_step_each_call_counts_one_further(tracked):
    with start_run() as run:
        for value in (1.0, 2.0):
            run.log({"x": value})
        run.log({"y": 1.0}, step=50)
        run.log({"x": 3.0})
    view = tracked.run()
    assert view.history("x").steps.tolist() == [0, 1, 2]
    assert view.history("y").steps.tolist() == [50]


def test_a_refused_call_counts_no_step(tracked):
    with start_run() as run:
        for value in ("nothing", 1.0, None, 2.0):
            with contextlib.suppress(TypeError):
                run.log({"x": value})
    assert tracked.run().history("x").steps.tolist() == [0, 1]


def test_metrics_after_the_end_are_legal(tracked):
    with start_run() as run:
        pass
    run.log({"late": 1.0}, step=0)
    assert (tracked.run().status, tracked.run().metrics["late"]) == ("finished", 1.0)


@pytest.mark.parametrize("metrics", [{"x": "0.5"}, {"x": None}, {"x": [1]}, {"x": np.zeros(2)}])
def test_what_is_no_number_is_the_users_error(tracked, metrics):
    with start_run() as run, pytest.raises(TypeError, match="'x'"):
        run.log(metrics)


def test_a_parameter_set_twice_keeps_both_and_warns_once(tracked, caplog):
    with start_run() as run, caplog.at_level(logging.WARNING, "autotrack"):
        run.log_params({"lr": 0.1, "same": float("nan")})
        run.log_params({"lr": 0.2, "same": float("nan")})
        run.log_params({"lr": 0.3})
    assert [record.message for record in caplog.records] == [
        f"autotrack: run {run.id}: parameter 'lr' was 0.1 and is now 0.2; both are kept, the last one counts"
    ]
    assert tracked.run().params["lr"] == 0.3
    assert list(tracked.run().params_before["lr"]) == [0.1, 0.2]


def test_secrets_are_masked_in_params_and_tags(tracked):
    with start_run(params={"api_key": "s3cr3t", "max_new_tokens": 5}, tags={"hf_token": "s3cr3t"}) as run:
        run.summary(password="s3cr3t")
    view = tracked.run()
    assert (dict(view.params), dict(view.tags), dict(view.metrics)) == (
        {"api_key": "***", "max_new_tokens": 5}, {"hf_token": "***"}, {"password": "***"}
    )  # fmt: skip


def test_a_summary_leaves_out_what_is_no_scalar_and_says_so(tracked, caplog):
    with start_run() as run:
        run.summary(a=1, b=np.zeros(3))
    assert dict(tracked.run().metrics) == {"a": 1}
    assert "are left out: b" in caplog.text


# Nesting and what is current


def test_a_run_inside_another_is_its_child(tracked):
    with start_run("outer", experiment="x") as outer:
        assert current_run() is outer
        with start_run("inner") as inner:
            assert current_run() is inner
            autotrack.log({"a": 1.0})
        assert current_run() is outer
        autotrack.log({"b": 1.0})
    assert current_run() is None
    assert tracked.tree() == {"outer": ["inner"]}
    assert dict(tracked.view(inner.id).metrics) == {"a": 1.0}
    assert dict(tracked.view(outer.id).metrics) == {"b": 1.0}
    assert [child.id for child in get_run(outer.id).children()] == [inner.id]


def test_a_plain_run_is_current_until_it_is_finished(tracked):
    first = start_run("first")
    second = start_run("second")
    assert current_run() is second
    second.finish()
    assert current_run() is first
    first.finish()
    assert current_run() is None
    assert tracked.tree() == {"first": ["second"]}


def test_a_plain_run_is_found_where_the_context_variable_is_lost(tracked):
    run = asyncio.run(opened("cell"))  # a notebook runs a cell in a context of its own
    assert current_run() is run
    autotrack.log({"x": 1.0})
    run.finish()
    assert current_run() is None
    assert tracked.run().metrics["x"] == 1.0


async def opened(name):
    return start_run(name)


def test_a_parent_can_be_named(tracked):
    with start_run("a") as a:
        pass
    with start_run("b", parent=a), start_run("c", parent=a.id):
        pass
    assert tracked.tree() == {"a": ["b", "c"]}


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"params": [("lr", 0.1)]}, TypeError),
        ({"params": 5}, TypeError),
        ({"tags": ["baseline"]}, TypeError),
        ({"tags": "baseline"}, TypeError),
        ({"parent": 5}, TypeError),
        ({"parent": "baseline"}, RunNotFound),
        ({"parent": "01ARZ3NDEK"}, RunNotFound),
        ({"experiment": "a//b"}, SettingsError),
    ],
    ids=str,
)
def test_where_starting_is_refused_no_run_is_left(tracked, wrong, error):
    with pytest.raises(error, match=r"mapping|is no run id|is no name|is a run or the id of one, not a int"):
        start_run("refused", **wrong)
    assert tracked.runs() == []
    assert current_run() is None


def test_tags_are_a_mapping(tracked):
    with start_run() as run, pytest.raises(TypeError, match="tags are a mapping from names to texts, not a list"):
        run.set_tags(["baseline"])


def test_finishing_twice_is_no_error_and_the_first_counts(tracked):
    with start_run() as run:
        run.finish("failed", "out of coffee")
        run.finish()
    assert (tracked.run().status, tracked.run().error, run.status) == ("failed", "out of coffee", "failed")
    with pytest.raises(ValueError, match="a run ends finished, failed or interrupted, not 'lost'"):
        run.finish("lost")


# How it ends


@pytest.mark.parametrize(
    ("raised", "status", "error"),
    [
        (ValueError("no\nsecond line"), "failed", "ValueError: no"),
        (KeyboardInterrupt(), "interrupted", "KeyboardInterrupt"),
        (SystemExit(0), "finished", None),
        (SystemExit(), "finished", None),
        (SystemExit(3), "failed", "SystemExit: 3"),
        (SystemExit("words"), "failed", "SystemExit: words"),
    ],
    ids=repr,
)
def test_a_block_ends_as_what_it_raises_says(tracked, raised, status, error):
    with pytest.raises(type(raised)) as caught, start_run():
        raise raised
    assert caught.value is raised
    view = tracked.run()
    assert (view.status, view.error) == (status, error)
    assert bool(view.traceback) == (status != "finished" and not isinstance(raised, SystemExit))


def test_the_traceback_is_kept(tracked):
    with pytest.raises(ZeroDivisionError), start_run():
        1 / 0
    assert tracked.run().traceback.startswith("Traceback (most recent call last):")
    assert tracked.run().traceback.endswith("ZeroDivisionError: division by zero\n")


def test_an_exception_that_cannot_be_said_is_no_trouble(tracked):
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError

    with pytest.raises(Mute), start_run():
        raise Mute
    assert tracked.run().status == "failed"


# Decorator


def test_as_a_decorator_each_call_is_a_run(tracked):
    @start_run("train", params={"lr": 1})
    def train(x):
        """Words."""
        autotrack.log({"x": x})
        return x * 2

    assert (tracked.runs(), current_run()) == ([], None)
    assert (train(1), train(x=2), train.__name__, train.__doc__) == (2, 4, "train", "Words.")
    assert [(run.name, run.params["lr"], run.metrics["x"], run.status) for run in tracked.runs()] == [
        ("train", 1, 1.0, "finished"), ("train", 1, 2.0, "finished"),
    ]  # fmt: skip


def test_so_are_coroutines(tracked):
    @start_run("async")
    async def train(x):
        await asyncio.sleep(0)
        autotrack.log({"x": x})

    async def both():
        await asyncio.gather(train(1), train(2))

    asyncio.run(both())
    assert sorted(run.metrics["x"] for run in tracked.runs()) == [1.0, 2.0]
    assert [run.parent_id for run in tracked.runs()] == [None, None]


def test_tasks_that_start_runs_plainly_are_not_each_others_children(tracked):
    async def train(x):
        run = autotrack.start_run(f"task {x}")
        await asyncio.sleep(0)
        autotrack.log({"x": x})
        inner = autotrack.start_run(f"inner {x}")
        await asyncio.sleep(0)
        inner.finish()
        run.finish()

    async def both():
        await asyncio.gather(train(1.0), train(2.0))

    asyncio.run(both())
    names = {run.id: run.name for run in tracked.runs()}
    assert sorted((run.name, names.get(run.parent_id)) for run in tracked.runs()) == [
        ("inner 1.0", "task 1.0"), ("inner 2.0", "task 2.0"), ("task 1.0", None), ("task 2.0", None),
    ]  # fmt: skip
    assert {run.name: run.metrics["x"] for run in tracked.runs() if "x" in run.metrics} == {"task 1.0": 1.0, "task 2.0": 2.0}


def test_a_decorator_without_source_to_see_it_makes_one_run_a_call_too(tracked):
    names = {"start_run": start_run}
    exec("@start_run('x')\ndef train(): pass\ntrain(); train()", names)
    assert [(run.name, run.status) for run in tracked.runs()] == [("x", "finished"), ("x", "finished")]
    assert current_run() is None


def test_a_generator_cannot_be_decorated(tracked):
    with pytest.raises(TypeError, match="is a generator"):

        @start_run()
        def train():
            yield


# Going on with a run


def test_a_run_is_resumed_after_its_largest_step(tracked):
    with start_run("a", params={"lr": 1}) as first:
        first.log({"x": 1.0}, step=41)
        first.note("one")
    with start_run(run_id=first.id) as again:
        assert (again.id, again.name) == (first.id, "a")
        again.log({"x": 2.0})
        again.note("two")
        assert tracked.run().status == "running"
    view = tracked.run()
    assert view.history("x").steps.tolist() == [41, 42]
    assert (view.status, view.notes, view.name) == ("finished", "one\ntwo", "a")


def test_an_unknown_id_is_an_error_and_a_unique_beginning_is_enough(tracked):
    with pytest.raises(RunNotFound, match="01AAAAAAAAAAAAAAAAAAAAAAAA"):
        start_run(run_id="01AAAAAAAAAAAAAAAAAAAAAAAA")
    with start_run("a") as a, start_run("b"):
        pass
    common = a.id[:25]  # they are counted
    assert get_run(a.id.lower()).name == "a"
    with pytest.raises(RunIdTaken, match="begins the ids of 2 runs"):
        get_run(common)
    for wrong in ("", "01", a.id[:5], "zzzzzzzz", "%%%%%%%", "' or 1=1", None, a.id + "0"):
        with pytest.raises(RunNotFound):
            get_run(wrong)


def test_an_experiment_that_is_no_name_is_an_error(tracked):
    with pytest.raises(SettingsError, match="start_run: experiment='a//b' is no name"):
        start_run(experiment="a//b")
    assert tracked.runs() == []


# Where autotrack.log goes


def test_log_goes_to_the_run_that_a_fit_of_this_thread_ended_last(tracked):
    fit = open_run("sklearn", stem="Ridge", call_site="here", parent=None)
    token = fit.attach()
    assert current_run() is fit
    fit.detach(token)
    fit.end("finished", None)
    autotrack.log({"test/acc": 0.5})
    view = tracked.run()
    assert (view.name, view.kind, view.call_site, dict(view.metrics)) == ("Ridge-1", "sklearn", "here", {"test/acc": 0.5})


def test_log_without_any_run_opens_one(tracked):
    autotrack.log({"x": 1.0})
    autotrack.log({"x": 2.0})
    autotrack.log_params({"lr": 1})
    autotrack.set_tags({"a": "b"})
    autotrack.summary(best=1)
    view = tracked.run()
    assert (view.history("x").steps.tolist(), view.params["lr"], view.tags["a"], view.metrics["best"], view.status) == ([0, 1], 1, "b", 1, "running")
    current_run().finish()


def in_thread(function):
    result = []

    def work():
        try:
            result.append(function())
        except Exception as error:
            result.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return result[0]


def test_in_a_thread_it_goes_to_the_only_open_run_or_is_an_error(tracked):
    error = in_thread(lambda: autotrack.log({"x": 1.0}))
    assert isinstance(error, AutotrackError)
    assert "no run is open); keep the run and call run.log" in str(error)
    with start_run() as run:
        assert in_thread(lambda: autotrack.log({"x": 1.0})) is None
        assert tracked.run().metrics["x"] == 1.0
        with start_run():
            assert "2 runs are open" in str(in_thread(lambda: autotrack.log({"x": 1.0})))
    assert run.status == "finished"


def test_a_thread_does_not_inherit_the_current_run(tracked):
    plain = start_run("plain")
    assert in_thread(current_run) is None
    plain.finish()


# Who records


def test_where_recording_is_off_everything_is_swallowed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUTOTRACK_DISABLED", "1")
    with start_run("x", params={"a": 1}, tags={"b": 2}, notes="c") as run:
        run.log({"x": "not a number"})
        run.log_artifact("missing")
        run.log_artifacts("missing")
        run.log_text("../x", "y")
        run.log_table("t", 3)
        run.summary(a=1)
        autotrack.log({"x": 1})
        assert (run.is_silent, run.name, current_run()) == (True, "x", run)
        with start_run():
            pass
    autotrack.log({"x": 1})
    assert open_run("sklearn", stem="Ridge").is_silent
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("variables", "silent"),
    [
        ({}, False),
        ({"RANK": "1"}, False),
        ({"WORLD_SIZE": "1", "RANK": "1"}, False),
        ({"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "1"}, False),
        ({"WORLD_SIZE": "2", "RANK": "1"}, True),
        ({"WORLD_SIZE": "2", "LOCAL_RANK": "1"}, True),
        ({"WORLD_SIZE": "2", "NODE_RANK": "1", "LOCAL_RANK": "0"}, True),
        ({"WORLD_SIZE": "2"}, False),
        ({"WORLD_SIZE": "many", "RANK": "1"}, False),
        ({"SLURM_PROCID": "3", "SLURM_NTASKS": "4"}, False),
        ({"OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "4"}, False),
    ],
    ids=str,
)
def test_only_another_rank_of_the_same_training_is_silent(tracked, monkeypatch, variables, silent):
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "NODE_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with start_run() as run:
        run.log({"x": 1.0})
    assert (run.is_silent, open_run("sklearn", stem="Ridge").is_silent, bool(tracked.runs())) == (silent, silent, not silent)


@pytest.mark.parametrize(("rank", "silent"), [(0, False), (1, True)])
def test_torch_says_the_rank_where_it_is_initialised(tracked, monkeypatch, rank, silent):
    distributed = types.SimpleNamespace(is_available=lambda: True, is_initialized=lambda: True, get_rank=lambda: rank)
    monkeypatch.setitem(sys.modules, "torch.distributed", distributed)
    with start_run() as run:
        assert run.is_silent is silent


def test_opening_a_run_for_a_fit_never_raises(monkeypatch, caplog):
    monkeypatch.setenv("AUTOTRACK_URI", "nonsense")
    run = open_run("sklearn", stem="Ridge")
    run.log({"x": 1.0})
    run.log_params({"a": 1})
    run.end("finished")
    assert run.is_silent
    assert "autotrack failed while opening a run" in caplog.text
    with pytest.raises(SettingsError, match="AUTOTRACK_URI: uri='nonsense' has no scheme"):
        start_run()


def test_a_run_told_after_the_event_has_its_own_times(tracked):
    run = open_run("sklearn", stem="", name="C=1", started=1000.0)
    run.end("finished", None, ended=1002.5)
    view = tracked.run()
    assert (view.name, view.started, view.ended, view.duration_s) == ("C=1", 1000.0, 1002.5, 2.5)


def test_sys_exit_is_watched_only_while_a_plainly_opened_run_lives(tracked):
    original = sys.exit
    with start_run():
        assert sys.exit is original
    run = start_run()
    assert sys.exit is not original
    with pytest.raises(SystemExit) as caught:
        sys.exit(3)
    assert caught.value.code == 3
    run.finish()
    assert sys.exit is original


def test_nothing_is_drawn_from_the_global_generators(tracked):
    import random

    random.seed(1)
    np.random.seed(1)
    before = random.getstate(), np.random.get_state()[1].tolist()
    with start_run() as run:
        run.log({"x": 1.0})
        run.log_text("a", "b")
    assert before == (random.getstate(), np.random.get_state()[1].tolist())


def test_nothing_is_written_to_the_standard_streams(tracked, capfd):
    with start_run(params={"a": 1}) as run:
        run.log({"x": 1.0})
    tracked.run()
    assert capfd.readouterr() == ("", "")


def test_configure_changes_what_it_names_and_keeps_the_store(tracked):
    from autotrack.recording.tracker import tracker

    before = tracker()
    autotrack.configure(every_n_steps=5)
    autotrack.configure(models=False)
    assert tracker() is before
    assert (before.settings.every_n_steps, before.settings.models, before.settings.uri) == (5, False, "memory:")
    with pytest.raises(SettingsError, match="argument: every_n_steps=0"):
        autotrack.configure(every_n_steps=0)


def test_another_uri_is_another_store_and_open_runs_stay_in_theirs(store, tmp_path):
    autotrack.configure(uri=f"sqlite:///{tmp_path}/a/autotrack.db")
    with start_run("a") as a:
        autotrack.configure(uri=f"sqlite:///{tmp_path}/b/autotrack.db")
        a.log({"x": 1.0})
        with start_run("b") as b:
            pass
        a.log_text("a.txt", "in the store of a")
    assert [run.name for run in autotrack.search_runs()] == ["b"]
    assert b.status == "finished"
    autotrack.configure(uri=f"sqlite:///{tmp_path}/a/autotrack.db")
    assert [(run.name, run.status, run.metrics["x"]) for run in autotrack.search_runs()] == [("a", "finished", 1.0)]
    assert autotrack.get_run(a.id).artifact("a.txt").read_text() == "in the store of a"
    a._tracker.close()
    assert not store.exists()


def test_a_folder_that_was_there_is_not_ignored(store):
    autotrack.configure(uri="sqlite:///autotrack.db")
    with start_run():
        pass
    autotrack.flush()
    assert (store.parent / "autotrack.db").exists()
    assert not (store.parent / ".gitignore").exists()


def test_reading_where_nothing_was_recorded_makes_nothing(store):
    assert autotrack.search_runs() == []
    with pytest.raises(RunNotFound):
        get_run("01AAAAAAAAAAAAAAAAAAAAAAAA")
    assert not store.exists()


def test_a_run_is_thin_and_weakly_referable(tracked):
    import weakref

    run = open_run("sklearn", stem="Ridge")
    assert weakref.ref(run)() is run
    assert run in {run}
    run.end("finished")
    assert runs._current.get() is None


def test_a_generator_that_ends_inside_another_block_leaves_that_run_current(tracked):
    def inside():
        with start_run("generator") as run:
            yield run

    generator = inside()
    next(generator)
    with start_run("block") as block:
        generator.close()
        assert autotrack.current_run() is block
        autotrack.log({"x": 1.0})
    assert autotrack.current_run() is None
    assert {run.name for run in tracked.runs()} == {"generator", "block"}


def test_what_holds_a_run_can_be_copied_and_is_told_why_it_cannot_be_pickled(tracked):
    class Model:
        pass

    with start_run() as run:
        model = Model()
        model.run = run
        assert copy.deepcopy(model).run is copy.copy(run) is run
        with pytest.raises(TypeError, match=f"keep its id \\('{run.id}'\\) and go on with it by autotrack.start_run"):
            pickle.dumps(run)


def test_what_a_summary_leaves_out_is_said_also_after_another_warning(tracked, caplog):
    with start_run() as run:
        run.log_params({"a": 1})
        run.log_params({"a": 2})
        run.summary({"best": 0.9, "confusion": [[1, 2], [3, 4]]})
    assert ["parameter 'a' was 1" in caplog.messages[0], "left out: confusion" in caplog.messages[1]] == [True, True]
    assert tracked.run().metrics["best"] == 0.9


@pytest.mark.parametrize("wrong", [None, 5, "loss", [("loss", 1.0)]])
def test_what_is_no_mapping_is_said_to_be_none(tracked, wrong):
    with start_run() as run:
        with pytest.raises(TypeError, match=f"metrics are a mapping from names to numbers, not a {type(wrong).__name__}"):
            run.log(wrong)
        if wrong is not None:
            with pytest.raises(TypeError, match=f"a summary is a mapping from names to values, not a {type(wrong).__name__}"):
                run.summary(wrong)
