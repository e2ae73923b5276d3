"""Who speaks to which run: the table of nesting, on a framework that is made of a few lines."""

import os
import threading
import time
import types
from pathlib import Path

import pytest

import autotrack
from autotrack.instrument import Call, Fit, Integration, Observed, current_fit
from autotrack.instrument.fits import call_site, of_pairs

# --- two frameworks: estimators (some made of others), and an engine that boosts -------------------------------------


class Estimator:
    def __init__(self, **params):
        self.params = params

    def fit(self, X=None):
        return self

    def fit_predict(self, X=None):
        self.fit(X)
        return 1

    def evaluate(self, X=None):
        return 0.5


class Ridge(Estimator):
    pass


class Scaler(Estimator):
    pass


class Booster(Estimator):
    def fit(self, X=None):
        boosting.train({"eta": 0.1, "depth": 3, "seed": None})
        return self


class Pipeline(Estimator):
    def fit(self, X=None):
        for step in self.params["steps"]:
            step.fit(X)
        return self


class Selector(Pipeline):
    """It is no model, and fits one to select by."""


class Voting(Pipeline):
    pass


class Search(Estimator):
    def fit(self, X=None):
        for candidate in self.params["candidates"]:
            candidate.fit(X)
        self.best = type(candidate)(**candidate.params)
        self.best.fit(X)
        return self


class Hooked(Estimator):
    """Calls what it is given from inside its fit."""

    def fit(self, X=None):
        self.params["call"]()
        return self


class Searching(Estimator):
    """Looks for the best by training itself again and again."""

    def fit_predict(self, X=None):
        return [self.fit(X) for _ in range(2)]


def train(params, callbacks=()):
    for callback in callbacks:
        callback()
    return 3


boosting = types.ModuleType("toyboosting")
boosting.train = train
estimators = types.ModuleType("toyestimators")
vars(estimators).update({cls.__name__: cls for cls in (Estimator,)})


@pytest.fixture(autouse=True)
def frameworks(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "toyboosting", boosting)
    monkeypatch.setitem(__import__("sys").modules, "toyestimators", estimators)
    models = Integration("toyestimators", requires="toyestimators")
    engine = Integration("toyboosting", requires="toyboosting", engine_of=["toyestimators"])

    fitted = {}

    @models.fit("toyestimators:Estimator.evaluate", goes_on=fitted.get)
    def evaluate(fit: Fit, call: Call) -> Observed:
        fit.params({"eta": 7.0, "told": "late"})
        score = yield
        fit.summary(score=score)

    @models.fit_family(
        "toyestimators:Estimator",
        "fit",
        "fit_predict",
        when=lambda model: not isinstance(model, Scaler | Selector),
        mutes=lambda model: isinstance(model, Voting | Search),
    )
    def observe(fit: Fit, call: Call) -> Observed:
        fit.name(type(call.instance).__name__)
        fitted[call.instance] = fit
        fit.params({"eta": None, **{name: value for name, value in call.instance.params.items() if isinstance(value, float)}})
        if isinstance(call.instance, Search):
            fit.unmute(lambda model: model is getattr(call.instance, "best", None))
        if isinstance(call.instance, Hooked) and call.instance.params.get("hosts"):
            fit.host()
        if isinstance(call.instance, Searching):
            fit.host(itself=call.method == "fit_predict")
        yield
        if isinstance(call.instance, Search):
            for candidate in call.instance.params["candidates"]:
                fit.child(params=candidate.params, summary={"score": 0.5, "nothing": None}, name=f"C={candidate.params['C']}", duration_s=2.0)

    @engine.fit("toyboosting:train")
    def boost(fit: Fit, call: Call) -> Observed:
        fit.params(call["params"])
        rounds = yield
        for step in range(rounds):
            fit.log({"train/loss": 1 / (step + 1)}, step=step)
        fit.summary(rounds=rounds, best=None)

    models.enable()
    engine.enable()
    yield models
    engine.disable()
    models.disable()


def story(tracked):
    """Every run as ``name``, whether it has the engine's curve, and its children by name (a clock may stand still)."""
    runs = tracked.runs()

    def tell(run):
        inside = sorted(tell(child) for child in runs if child.parent_id == run.id)
        name = run.name.rpartition("-")[0] or run.name
        return name + ("~" if "train/loss" in run.metrics else "") + (f"({', '.join(inside)})" if inside else "")

    return [tell(run) for run in runs if run.parent_id is None]


SITUATIONS = [
    ("a fit is a run", lambda: Ridge().fit(), ["Ridge"]),
    ("fit_predict calls fit: one run", lambda: Ridge().fit_predict(), ["Ridge"]),
    ("an engine speaks to its host's run", lambda: Booster().fit(), ["Booster~"]),
    ("an engine alone has its own run", lambda: boosting.train({}), ["toyboosting~"]),
    ("an engine in a step of a pipeline", lambda: Pipeline(steps=[Scaler(), Booster()]).fit(), ["Pipeline~"]),
    ("a pipeline in a pipeline", lambda: Pipeline(steps=[Pipeline(steps=[Booster()])]).fit(), ["Pipeline~"]),
    ("members of an ensemble are silent, engines too", lambda: Voting(steps=[Booster(), Ridge()]).fit(), ["Voting"]),
    ("an ensemble in a pipeline is silent inside too", lambda: Pipeline(steps=[Voting(steps=[Booster()])]).fit(), ["Pipeline"]),
    ("a scaler alone is nothing", lambda: Scaler().fit(), []),
    ("what a selector fits is nothing", lambda: Selector(steps=[Ridge(), Booster()]).fit(), []),
    ("nor within a pipeline", lambda: Pipeline(steps=[Selector(steps=[Booster()])]).fit(), ["Pipeline"]),
    ("a search tells of its candidates, its refit has a voice", lambda: Search(candidates=[Booster(C=1), Booster(C=2)]).fit(), ["Search~(C=1, C=2)"]),
    ("a search in a pipeline does not tell", lambda: Pipeline(steps=[Search(candidates=[Booster(C=1)])]).fit(), ["Pipeline"]),
    ("a loop is many runs", lambda: [Ridge().fit() for _ in range(3)], ["Ridge", "Ridge", "Ridge"]),
    ("what a host fits is its child", lambda: Hooked(call=lambda: [Booster().fit(), Ridge().fit()], hosts=1).fit(), ["Hooked(Booster~, Ridge)"]),
    ("what trains itself again is its own child", lambda: Searching().fit_predict(), ["Searching(Searching, Searching)"]),
    ("a stranger inside is silent", lambda: boosting.train({}, [Booster().fit]), ["toyboosting~"]),
]


@pytest.mark.parametrize(("act", "expected"), [case[1:] for case in SITUATIONS], ids=[case[0] for case in SITUATIONS])
def test_who_speaks_to_which_run(tracked, act, expected):
    act()
    assert story(tracked) == expected
    assert {run.status for run in tracked.runs()} <= {"finished"}
    assert current_fit() is None


def test_the_first_fit_in_a_users_run_is_part_of_it_and_each_further_one_a_child(tracked):
    with autotrack.start_run("mine"):
        Booster(lr=0.5).fit()
        Ridge(alpha=1.0).fit()
        Booster().fit()
    assert story(tracked) == ["mine~(Booster~, Ridge)"]
    mine = next(run for run in tracked.runs() if run.name == "mine")
    assert mine.params == {"lr": 0.5, "eta": 0.1, "depth": 3, "seed": None}
    assert mine.status == "finished"


def scored(tracked):
    return {run.name.rpartition("-")[0] or run.name: run.metrics["score"] for run in tracked.runs() if "score" in run.metrics}


def test_an_evaluation_adds_to_the_run_of_its_fit(tracked):
    model = Ridge(eta=0.1)
    model.fit()
    ended = tracked.run().ended
    model.evaluate()
    run = tracked.run()
    assert (run.metrics["score"], run.status, run.ended) == (0.5, "finished", ended)
    assert run.params == {"eta": 0.1, "told": "late"}


def test_an_evaluation_without_a_fit_has_a_run_of_its_own(tracked):
    Ridge().evaluate()
    assert tracked.run().metrics["score"] == 0.5


def test_an_evaluation_in_a_run_of_the_users_is_in_the_fits_run_if_that_lies_there(tracked):
    first, second = Ridge(), Ridge()
    with autotrack.start_run("mine"):
        first.fit()
        second.fit()
        second.evaluate()
    assert scored(tracked) == {"Ridge": 0.5}
    with autotrack.start_run("another"):
        first.evaluate()
    assert scored(tracked) == {"Ridge": 0.5, "another": 0.5}


def test_an_evaluation_of_what_a_host_fitted_adds_to_that_run(tracked):
    def trial():
        model = Booster()
        model.fit()
        model.evaluate()

    Hooked(call=trial, hosts=1).fit()
    assert story(tracked) == ["Hooked(Booster~)"]
    assert scored(tracked) == {"Booster": 0.5}


def test_ctrl_c_that_a_framework_turned_into_an_exit_is_an_interruption(tracked):
    def leave():
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            raise SystemExit(1)

    with pytest.raises(SystemExit):
        Hooked(call=leave).fit()
    assert (tracked.run().status, tracked.run().error) == ("interrupted", "KeyboardInterrupt")


def test_a_run_that_the_user_opens_inside_a_fit_is_fitted_into(tracked):
    def open_one():
        with autotrack.start_run("inside"):
            Ridge().fit()

    Hooked(call=open_one).fit()
    assert story(tracked) == ["Hooked(inside)"]
    assert all("time/fit_s" in run.metrics for run in tracked.runs())


def test_what_the_user_logs_inside_a_fit_lands_in_its_run(tracked):
    Hooked(call=lambda: autotrack.log({"mine": 1.0}, step=0)).fit()
    assert tracked.run().metrics["mine"] == 1.0


def test_what_the_user_logs_after_a_search_lands_in_the_search_not_in_a_child(tracked):
    with autotrack.start_run("mine"):
        Search(candidates=[Ridge(C=1)]).fit()
    Search(candidates=[Ridge(C=2)]).fit()
    autotrack.log({"test/acc": 1.0}, step=0)
    (logged,) = [run.name for run in tracked.runs() if "test/acc" in run.metrics]
    assert logged.startswith("Search")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_that_is_forked_inside_a_fit_is_silent(tracked):
    def fork():
        child = os.fork()
        if child == 0:
            try:
                boosting.train({})
                Ridge().fit()
            finally:
                os._exit(0 if current_fit().is_silent and current_fit().reach is None else 1)
        assert os.waitpid(child, 0)[1] == 0

    Hooked(call=fork).fit()
    assert story(tracked) == ["Hooked"]


def test_three_threads_are_three_full_runs(tracked):
    together = threading.Barrier(3)
    threads = [threading.Thread(target=Hooked(call=lambda: (together.wait(), boosting.train({}))).fit) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert story(tracked) == ["Hooked~"] * 3


# --- what is told ----------------------------------------------------------------------------------------------------


def test_the_hosts_parameters_win_over_its_engines_unless_they_are_none(tracked):
    Booster(depth=9.0).fit()
    assert tracked.run().params == {"depth": 9.0, "eta": 0.1, "seed": None}


def test_a_parameter_given_twice_is_a_list():
    assert of_pairs([("metric", "auc"), ("eta", 1), ("metric", "logloss"), ("metric", "error")]) == {"metric": ["auc", "logloss", "error"], "eta": 1}


def test_the_times_of_a_fit_and_of_what_it_is_made_of(tracked):
    def sleep():
        time.sleep(0.01)

    Pipeline(steps=[Scaler(), Hooked(call=sleep), Hooked(call=sleep)]).fit()
    told = tracked.run().metrics
    assert {name for name in told if name.startswith("time/")} == {
        "time/fit_s", "time/fit_s/Scaler", "time/fit_s/Hooked", "time/n_fits/Scaler", "time/n_fits/Hooked",
    }  # fmt: skip
    assert (told["time/n_fits/Scaler"], told["time/n_fits/Hooked"]) == (1, 2)
    assert 0.02 <= told["time/fit_s/Hooked"] <= told["time/fit_s"] < 1


def test_a_fit_of_the_same_instance_inside_is_not_counted_as_another(tracked):
    Pipeline(steps=[Ridge()]).fit_predict()
    assert tracked.run().metrics["time/n_fits/Ridge"] == 1
    assert "time/n_fits/Pipeline" not in tracked.run().metrics


def test_parts_can_have_names(tracked, frameworks):
    fit = frameworks.begin("Named")
    ledger, step = fit.ledger, Ridge()
    fit.part("ridge step", step)
    ledger.note(step, 1.0)
    fit.end()
    assert tracked.run().metrics["time/fit_s/ridge step"] == 1.0


def test_many_nested_fits_stay_few_entries(tracked, frameworks):
    fit = frameworks.begin("Many")
    for index in range(25_000):
        fit.ledger.note(type(f"C{index % 200}", (), {})(), 0.001)
    fit.end()
    told = tracked.run().metrics
    counts = [value for name, value in told.items() if name.startswith("time/n_fits/")]
    assert (len(counts), sum(counts)) == (101, 25_000)


def test_a_fit_without_a_call(tracked, frameworks):
    fit = frameworks.begin("Loop")
    assert current_fit() is None
    fit.params({"lr": 0.1}, under="optimizer")
    fit.log({"loss": 1.0}, step=0, inferred=True)
    assert tracked.run().status == "running"
    fit.end()
    run = tracked.run()
    assert (run.name, run.params, run.metrics["loss"], run.status) == ("Loop-1", {"optimizer.lr": 0.1}, 1.0, "finished")
    assert run.tags["autotrack.steps"] == "inferred"


def test_a_fit_without_a_call_can_be_made_current(tracked, frameworks):
    fit = frameworks.begin("Loop")
    with fit.within():
        Ridge().fit()
    fit.end()
    assert story(tracked) == ["Loop"]
    assert tracked.run().metrics["time/n_fits/Ridge"] == 1


def test_silence_can_be_kept_for_a_block(tracked):
    with autotrack.start_run("mine"), Fit("toyestimators").within():
        Booster().fit()
    assert story(tracked) == ["mine"]


def test_what_is_known_of_the_data_sets_is_noted(tracked, frameworks):
    fit = frameworks.begin("Loop")
    fit.dataset("train", {"shape": [3, 2]})
    fit.dataset("val", {"shape": [1, 2]})
    fit.end()
    assert tracked.run().environment["datasets"] == {"train": {"shape": [3, 2]}, "val": {"shape": [1, 2]}}


def test_the_framework_can_hide_how_it_ended(tracked, frameworks):
    fit = frameworks.begin("Loop")
    fit.outcome("interrupted")
    fit.end()
    assert tracked.run().status == "interrupted"


def test_files_are_kept_unless_they_are_not_wanted(tracked, frameworks, monkeypatch):
    from autotrack.recording.tracker import configure

    def write(path):
        Path(path).write_text("weights")

    fit = frameworks.begin("Files")
    fit.checkpoint("model.txt", write=write, step=3)
    fit.artifact("plot.svg", write=write, kind="figure")
    fit.content("weights.bin", of=lambda: bytearray(b"weights"), kind="model")
    configure(checkpoints=False, plots=False, models=False)
    fit.content("second.bin", of=lambda: 1 / 0, kind="model")
    fit.checkpoint("second.txt", write=write)
    fit.artifact("second.svg", write=write, kind="figure")
    configure(checkpoints=True, plots=True, models=True)
    fit.end()
    kept = [artifact for artifact in tracked.run().artifacts if artifact.kind != "diff"]
    assert sorted((a.name, a.kind, a.step, a.read_text()) for a in kept) == [
        ("model.txt", "checkpoint", 3, "weights"),
        ("plot.svg", "figure", None, "weights"),
        ("weights.bin", "model", None, "weights"),
    ]


def test_a_file_that_cannot_be_written_costs_itself_alone(tracked, frameworks, monkeypatch):
    monkeypatch.setenv("AUTOTRACK_STRICT", "0")

    def fail(path):
        raise OSError("disk full")

    fit = frameworks.begin("Files")
    fit.checkpoint("model.txt", write=fail)
    fit.summary(rounds=3)
    fit.end()
    assert tracked.run().metrics["rounds"] == 3


def test_curves_can_be_thinned(tracked, frameworks):
    from autotrack.recording.tracker import configure

    configure(every_n_steps=10)
    fit = frameworks.begin("Long")
    for step in range(100):
        fit.log({"loss": float(step)}, step=step)
    fit.end()
    configure(every_n_steps=1)
    assert list(tracked.run().history("loss").steps) == list(range(0, 100, 10))


def test_a_silent_fit_takes_everything_and_tells_nothing(tracked, frameworks):
    silent = Fit("toyestimators")
    silent.name("x")
    silent.params({"a": 1})
    silent.log({"a": 1.0}, step=0)
    silent.summary(a=1)
    silent.tags({"a": "b"})
    silent.table("t", [])
    silent.checkpoint("c", write=lambda path: 1 / 0)
    silent.artifact("c", write=lambda path: 1 / 0, kind="model")
    silent.content("c", of=lambda: 1 / 0, kind="model")
    silent.child(params={}, summary={})
    silent.unmute(Ridge())
    silent.part("a", Ridge())
    silent.host()
    silent.outcome("failed")
    silent.end()
    assert (silent.is_silent, silent.run_id, tracked.runs()) == (True, None, [])


# --- how it ends -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("no"), "failed"),
        (KeyboardInterrupt(), "interrupted"),
        (SystemExit(3), "failed"),
        (SystemExit("why"), "failed"),
        (SystemExit(0), "finished"),
        (SystemExit(), "finished"),
        (GeneratorExit(), "interrupted"),
    ],
    ids=repr,
)
def test_how_a_fit_ended(tracked, error, status):
    def fail():
        raise error

    with pytest.raises(type(error)) as caught:
        Hooked(call=fail).fit()
    assert caught.value is error
    assert tracked.run().status == status
    assert current_fit() is None


def test_an_error_inside_that_is_caught_inside_does_not_fail_the_fit(tracked):
    def tolerant():
        with pytest.raises(ZeroDivisionError):
            Hooked(call=lambda: 1 / 0).fit()

    Hooked(call=tolerant).fit()
    assert tracked.run().status == "finished"


def test_a_failing_engine_keeps_the_hosts_run(tracked):
    with pytest.raises(ZeroDivisionError):
        Hooked(call=lambda: boosting.train({}, [lambda: 1 / 0])).fit()
    run = tracked.run()
    assert (run.status, run.error) == ("failed", "ZeroDivisionError: division by zero")


# --- where it was called ---------------------------------------------------------------------------------------------


def test_the_call_site_is_the_users_line(tracked):
    Ridge().fit()
    file, line, function = tracked.run().call_site.rsplit(":", 2)
    assert (file, function) == (__file__, "test_the_call_site_is_the_users_line")
    assert Path(file).read_text().splitlines()[int(line) - 1].strip() == "Ridge().fit()"


def test_frames_of_the_framework_of_joblib_and_of_python_are_passed_over():
    def through(module, call):
        namespace = {"__name__": module, "call": call}
        exec("def go():\n    return call()", namespace)
        return namespace["go"]

    inner = types.FunctionType((lambda: call_site("toyestimators")).__code__, {"call_site": call_site, "__name__": "toyestimators.inner"})
    ask = through("toyestimators", through("joblib.parallel", through("threading", inner)))
    assert ask().startswith(f"{__file__}:")
