"""A hook around a framework's call: what it may do, and what cannot go wrong."""

import logging
import sys
import types

import pytest

from autotrack import guard as ground
from autotrack.errors import IntegrationError, UnsupportedVersion
from autotrack.instrument import Integration, current_fit, guarded, runs_tagged
from autotrack.instrument.integration import TOO_OFTEN, numbers_of, require
from autotrack.recording.runs import start_run


class Trainer:
    def __init__(self, result="model"):
        self.result = result
        self.calls = []

    def train(self, params=None, callbacks=None):
        self.calls.append((params, callbacks))
        for callback in callbacks or ():
            callback()
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result


@pytest.fixture
def toy(monkeypatch):
    module = types.ModuleType("toytrainer")
    module.__version__ = "2.1.0"
    module.Trainer = type("Trainer", (Trainer,), {"train": lambda self, params=None, callbacks=None: Trainer.train(self, params, callbacks)})
    module.Trainer.__module__ = "toytrainer"
    monkeypatch.setitem(sys.modules, "toytrainer", module)
    return module


@pytest.fixture
def lenient(monkeypatch):
    monkeypatch.setenv("AUTOTRACK_STRICT", "0")
    monkeypatch.setattr(ground, "failures", {})
    monkeypatch.setattr("autotrack.instrument.integration.failures", ground.failures)


@pytest.fixture
def enabled():
    """Enable an integration for a test."""
    awake = []

    def enable(hook, target="toytrainer:Trainer.train", **more):
        integration = Integration("toytrainer", requires="toytrainer>=2", **more)
        integration.fit(target)(hook)
        integration.enable()
        awake.append(integration)
        return integration

    yield enable
    for integration in reversed(awake):
        integration.disable()


def test_a_hook_reads_the_call_adds_to_it_and_reads_the_result(tracked, toy, enabled):
    rung = []

    def observe(fit, call):
        fit.params(call["params"])
        call.append("callbacks", lambda: rung.append(current_fit()))
        result = yield
        fit.summary(result=result)

    enabled(observe)
    theirs = []
    assert toy.Trainer("model").train({"lr": 0.1}, theirs) == "model"
    run = tracked.run()
    assert (run.params, run.metrics["result"], run.status, run.kind) == ({"lr": 0.1}, "model", "finished", "toytrainer")
    assert run.tags["autotrack.toytrainer_version"] == "2.1.0"
    assert len(rung) == 1
    assert theirs == []


def test_the_original_is_called_once_with_the_users_own_objects(tracked, toy, enabled):
    def observe(fit, call):
        yield

    enabled(observe)
    params, callbacks = {"lr": 1}, []
    trainer = toy.Trainer()
    trainer.train(params, callbacks=callbacks)
    ((given, listed),) = trainer.calls
    assert given is params
    assert listed is callbacks


def test_a_hook_that_fails_before_lets_the_call_through_without_its_edits(tracked, toy, enabled, lenient, caplog):
    def observe(fit, call):
        call.append("callbacks", lambda: 1 / 0)
        raise RuntimeError("ours")
        yield

    enabled(observe)
    trainer = toy.Trainer()
    assert trainer.train() == "model"
    assert trainer.calls == [(None, None)]
    assert tracked.run().status == "finished"
    (said,) = caplog.records
    assert said.getMessage().startswith("autotrack failed while observing")
    assert said.exc_info[1].args == ("ours",)


def test_a_hook_that_fails_after_changes_nothing(tracked, toy, enabled, lenient):
    def observe(fit, call):
        fit.params({"lr": 1})
        yield
        raise RuntimeError("ours")

    enabled(observe)
    assert toy.Trainer().train() == "model"
    assert (tracked.run().status, tracked.run().params) == ("finished", {"lr": 1})


def test_a_hook_that_ends_before_its_yield_is_no_failure(tracked, toy, enabled):
    def observe(fit, call):
        if call["params"] is None:
            return
        yield

    enabled(observe)
    assert toy.Trainer().train() == "model"
    assert tracked.run().status == "finished"


def test_a_hook_yields_once(tracked, toy, enabled):
    def observe(fit, call):
        yield
        yield

    enabled(observe)
    with pytest.raises(IntegrationError, match="a hook yields once"):
        toy.Trainer().train()
    assert current_fit() is None


def test_a_hook_is_a_generator_function():
    with pytest.raises(IntegrationError, match="plain is no generator function"):

        @Integration("x", requires="x").fit("x:train")
        def plain(fit, call):
            return None


def test_a_target_is_written_module_colon_name():
    with pytest.raises(IntegrationError, match=r"module:name, not 'x\.train'"):
        Integration("x", requires="x").fit("x.train")(_nothing)


def _nothing(fit, call):
    yield


def test_a_hook_is_closed_not_thrown_into_when_the_framework_raises(tracked, toy, enabled):
    seen = []

    def observe(fit, call):
        try:
            yield
            seen.append("went on")
        except BaseException as error:
            seen.append(type(error))
            raise
        finally:
            seen.append("finally")

    enabled(observe)
    error = ValueError("theirs")
    with pytest.raises(ValueError) as caught:
        toy.Trainer(error).train()
    assert caught.value is error
    assert seen == [GeneratorExit, "finally"]
    assert (tracked.run().status, tracked.run().error) == ("failed", "ValueError: theirs")


def test_ctrl_c_in_a_hook_passes_and_leaves_nothing_open(tracked, toy, enabled):
    def observe(fit, call):
        raise KeyboardInterrupt
        yield

    enabled(observe)
    with pytest.raises(KeyboardInterrupt):
        toy.Trainer().train()
    assert tracked.run().status == "interrupted"
    assert current_fit() is None


def test_what_a_hook_fits_while_it_reads_is_silent(tracked, toy, enabled):
    def observe(fit, call):
        toy.Trainer("inner").train()
        yield
        toy.Trainer("inner").train()

    enabled(observe)
    toy.Trainer().train()
    tracked.run()


def test_after_ten_failures_a_patch_goes_dormant(tracked, toy, enabled, lenient, caplog):
    asked = []

    def observe(fit, call):
        asked.append(1)
        raise RuntimeError
        yield

    enabled(observe)
    for _ in range(TOO_OFTEN + 5):
        assert toy.Trainer().train() == "model"
    assert len(asked) == TOO_OFTEN
    assert len(caplog.records) == 1


def test_where_no_fit_can_be_opened_the_patch_goes_dormant_too(tracked, toy, enabled, lenient, monkeypatch):
    asked = []

    def broken(*_args, **_more):
        asked.append(1)
        raise RuntimeError("ours")

    monkeypatch.setattr("autotrack.instrument.integration.open_fit", broken)
    enabled(_nothing)
    for _ in range(TOO_OFTEN + 5):
        assert toy.Trainer().train() == "model"
    assert len(asked) == TOO_OFTEN


def test_a_predicate_that_fails_makes_the_fit_silent(tracked, toy, lenient):
    integration = Integration("toytrainer", requires="toytrainer")
    integration.fit("toytrainer:Trainer.train", when=lambda trainer: 1 / 0)(_nothing)
    integration.enable()
    assert toy.Trainer().train() == "model"
    integration.disable()
    assert tracked.runs() == []


def test_predicates_are_asked_once_a_class(tracked, toy):
    asked = []
    integration = Integration("toytrainer", requires="toytrainer")
    integration.fit("toytrainer:Trainer.train", when=lambda trainer: not asked.append(trainer))(_nothing)
    integration.enable()
    for _ in range(3):
        toy.Trainer().train()
    integration.disable()
    assert len(asked) == 1
    assert len(tracked.runs()) == 3


def test_predicates_can_be_asked_of_each_instance(tracked, toy):
    integration = Integration("toytrainer", requires="toytrainer")
    integration.fit("toytrainer:Trainer.train", when=lambda trainer: trainer.result == "model", by_instance=True)(_nothing)
    integration.enable()
    for result in ("model", "nothing", "model"):
        toy.Trainer(result).train()
    integration.disable()
    assert len(tracked.runs()) == 2


def test_a_callback_of_ours_that_fails_is_guarded(tracked, toy, enabled, lenient, caplog):
    class Curves:
        @guarded
        def __call__(self):
            raise RuntimeError("ours")

    def observe(fit, call):
        call.append("callbacks", Curves())
        yield

    enabled(observe)
    assert toy.Trainer().train() == "model"
    assert "Curves.__call__" in caplog.records[0].getMessage()


def test_the_version_is_said_by_the_module_or_by_its_distribution(toy):
    assert Integration("toytrainer", requires="toytrainer").version == "2.1.0"
    del toy.__version__
    assert Integration("toytrainer", requires="pytest>=1").version == pytest.__version__
    assert Integration("toytrainer", requires="a-distribution-that-is-not-there").version == ""


# --- watching --------------------------------------------------------------------------------------------------------


@pytest.fixture
def watched(toy):
    integration = Integration("toytrainer", requires="toytrainer")
    yield integration
    integration.disable()


def test_a_call_can_be_watched(tracked, toy, watched):
    seen = []

    @watched.watch("toytrainer:Trainer.train")
    def before(trainer, args, kwargs):
        seen.append((trainer.result, args, kwargs))

    watched.enable()
    assert toy.Trainer().train({"a": 1}, callbacks=None) == "model"
    assert seen == [("model", ({"a": 1},), {"callbacks": None})]
    assert tracked.runs() == []


def test_a_watcher_can_wait_for_the_result(toy, watched):
    seen = []

    @watched.watch("toytrainer:Trainer.train")
    def around(trainer, args, kwargs):
        result = yield
        seen.append(result)

    watched.enable()
    toy.Trainer("one").train()
    with pytest.raises(ValueError):
        toy.Trainer(ValueError()).train()
    assert seen == ["one"]


def test_a_family_can_be_watched(toy, watched):
    seen = []

    @watched.watch_family("toytrainer:Trainer", "train", "score")
    def before(trainer, args, kwargs):
        seen.append(type(trainer).__name__)

    watched.enable()

    class Late(toy.Trainer):
        def score(self):
            return 1

    assert (toy.Trainer().train(), Late().score()) == ("model", 1)
    assert seen == ["Trainer", "Late"]


def test_a_watcher_that_fails_changes_nothing(toy, watched, lenient, caplog):
    @watched.watch("toytrainer:Trainer.train")
    def before(trainer, args, kwargs):
        raise RuntimeError("ours")

    watched.enable()
    for _ in range(TOO_OFTEN + 5):
        assert toy.Trainer().train() == "model"
    assert len(caplog.records) == 1
    assert list(ground.failures.values()) == [TOO_OFTEN]


# --- putting on and taking off ---------------------------------------------------------------------------------------


def test_official_hooks_are_registered_and_taken_off(watched):
    seen = []

    @watched.on_enable
    def register():
        seen.append("on")
        return lambda: seen.append("off")

    watched.enable()
    watched.enable()
    watched.disable()
    watched.disable()
    assert seen == ["on", "off"]


def test_a_missing_target_costs_itself_alone(tracked, toy, caplog):
    integration = Integration("toytrainer", requires="toytrainer>=2")
    integration.fit("toytrainer:Trainer.train", "toytrainer:Trainer.renamed")(_nothing)
    with caplog.at_level(logging.WARNING):
        integration.enable()
    assert [str(error) for error in integration.missing] == ["toytrainer has no Trainer.renamed"]
    assert "toytrainer 2.1.0: toytrainer has no Trainer.renamed; the rest is observed" in caplog.text
    toy.Trainer().train()
    integration.disable()
    tracked.run()


def test_a_module_that_is_not_there_yet_is_patched_when_it_comes(tracked, toy, tmp_path, monkeypatch):
    (tmp_path / "toylate.py").write_text("def train():\n    return 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    integration = Integration("toytrainer", requires="toytrainer")
    integration.fit("toylate:train")(_nothing)
    integration.enable()
    assert "toylate" not in sys.modules
    import toylate

    assert toylate.train() == 1
    integration.disable()
    assert toylate.train() == 1
    tracked.run()
    monkeypatch.delitem(sys.modules, "toylate")


def test_a_module_that_comes_after_disable_is_left_alone(toy, tmp_path, monkeypatch):
    (tmp_path / "toylater.py").write_text("def train():\n    return 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    integration = Integration("toytrainer", requires="toytrainer")
    integration.fit("toylater:train")(_nothing)
    integration.enable()
    integration.disable()
    import toylater

    assert type(toylater.train) is types.FunctionType
    monkeypatch.delitem(sys.modules, "toylater")


def test_it_can_be_put_on_again(tracked, toy):
    integration = Integration("toytrainer", requires="toytrainer")
    integration.fit("toytrainer:Trainer.train")(_nothing)
    for _ in range(3):
        integration.enable()
        toy.Trainer().train()
        integration.disable()
        toy.Trainer().train()
    assert len(tracked.runs()) == 3


def test_an_older_framework_is_refused(toy):
    toy.__version__ = "1.9.3"
    integration = Integration("toytrainer", requires="toytrainer>=2.0")
    with pytest.raises(UnsupportedVersion, match=r"toytrainer 1\.9\.3 is not observed: this autotrack is tested with toytrainer>=2\.0"):
        integration.enable()
    assert not integration.is_enabled


@pytest.mark.parametrize(
    ("requires", "version", "fits"),
    [
        ("x>=1.5", "1.5", True),
        ("x>=1.5", "1.5.dev0", True),
        ("x>=1.5", "1.4.9", False),
        ("x>=1.5", "1.10", True),
        ("x>=1.5,<3", "3.0.1", False),
        ("x", "0.1", True),
        ("x>=1.5", "", True),
        ("x>=2.1", "2.1.0+cpu", True),
    ],
)
def test_versions_are_compared_as_numbers(requires, version, fits):
    if fits:
        require("x", requires, version)
    else:
        with pytest.raises(UnsupportedVersion):
            require("x", requires, version)


def test_the_release_numbers_of_a_version():
    assert [numbers_of(v) for v in ("1.5", "2.13.0a1", "nightly")] == [(1, 5, 0, 0), (2, 13, 0, 0), (0, 0, 0, 0)]


def test_a_wrapper_can_be_written_out(toy):
    integration, seen = Integration("toytrainer", requires="toytrainer"), []

    @integration.wrap("toytrainer:Trainer.train")
    def written(patch, original):
        def train(self, params=None, callbacks=None):
            if patch.on:
                seen.append(params)
            return original(self, params, callbacks)

        return train

    plain = vars(toy.Trainer)["train"]
    integration.enable()
    observed = vars(toy.Trainer)["train"]
    assert (observed.__name__, observed.__qualname__, observed.__wrapped__) == (plain.__name__, plain.__qualname__, plain)
    assert toy.Trainer().train(3) == "model"
    integration.disable()
    assert vars(toy.Trainer)["train"] is plain
    assert observed(toy.Trainer(), 4) == "model"
    assert seen == [3]


def test_a_training_can_go_on_in_the_run_that_it_goes_on_from(tracked, toy, monkeypatch):
    integration = Integration("toytrainer", requires="toytrainer")

    def run_of(call):
        found = runs_tagged("toytrainer", "autotrack.wrote", "it's here")
        return found[0].id if found and call.get("missing") is None else None

    @integration.fit_family("toytrainer:Trainer", "train", resumes=run_of)
    def train(fit, call):
        fit.params({"epochs": 1 if fit.run.id == first else 2})
        fit.tags({"autotrack.wrote": "it's here"})
        fit.log({"loss": 1.0}, step=0 if fit.run.id != first else 1)
        yield

    first = ""
    integration.enable()
    try:
        toy.Trainer().train()
        first = tracked.run().id
        toy.Trainer().train()
        run = tracked.run()
        assert (run.id, run.status, run.history("loss").steps.tolist()) == (first, "finished", [0, 1])
        assert run.params["epochs"] == 1
        with start_run("theirs"):
            toy.Trainer().train()
        assert [each.name for each in tracked.runs()][1:] == ["theirs"]
    finally:
        integration.disable()
