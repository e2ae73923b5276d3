"""Where trainings begin: ``Trainer.train``, and what may come after it or stand alone: ``evaluate``, ``predict``, a search."""

from __future__ import annotations

import contextlib
import sys
import weakref
from collections.abc import Iterator
from typing import Any

from autotrack import imports
from autotrack.instrument import Call, Fit, Observed, asked
from autotrack.instrument.fits import users_fit
from autotrack.instrument.loader import wants
from autotrack.integrations.transformers import facts
from autotrack.integrations.transformers.checkpoints import resumed_run
from autotrack.integrations.transformers.declaration import integration
from autotrack.integrations.transformers.training import Training

TRAINER = "transformers.trainer:Trainer"
HANDLER = "transformers.trainer_callback:CallbackHandler"  # no callback of ours: one costs some 4 us a step, by being asked


class Trainings:
    """The last training of each trainer, and of its CallbackHandler, for as long as they live. By identity; nothing is written on them."""

    def __init__(self) -> None:
        self._trainings: dict[int, tuple[weakref.ref[Any], Training]] = {}

    def note(self, trainer: Any, training: Training) -> None:
        identity = id(trainer)

        def forget(_ref: Any) -> None:
            self._trainings.pop(identity, None)

        self._trainings[identity] = weakref.ref(trainer, forget), training

    def of(self, trainer: Any) -> Training | None:
        found = self._trainings.get(id(trainer))
        return found[1] if found is not None and found[0]() is trainer else None

    def fit_of(self, trainer: Any) -> Fit | None:
        training = self.of(trainer)
        return None if training is None else training.fit


TRAININGS = Trainings()
HEARD: dict[int, Training] = {}  # by the identity of the trainer's CallbackHandler, while it trains, evaluates or predicts


def callback_class() -> type | None:
    """Ours, once it was loaded."""
    module = sys.modules.get("autotrack.integrations.transformers.callback")
    return getattr(module, "AutotrackCallback", None)


def callback_in(trainer: Any) -> Any:
    """The callback that the user gave the trainer, if he did."""
    ours = callback_class()
    callbacks = getattr(getattr(trainer, "callback_handler", None), "callbacks", ())
    return None if ours is None else next((callback for callback in callbacks if isinstance(callback, ours)), None)


def is_observed(trainer: Any) -> bool:
    """Whether this process is the one of a training's that speaks, and is asked to: for all trainers, or by this one's callback."""
    return asked(trainer.is_world_process_zero, True) and (wants(integration.name) or callback_in(trainer) is not None)


@contextlib.contextmanager
def heard(trainer: Any, training: Training) -> Iterator[None]:
    """For a block, what the trainer tells its callbacks is told to a training as well: before them, for some change what they are told."""
    handler = id(trainer.callback_handler)
    before = HEARD.get(handler)
    HEARD[handler] = training
    try:
        yield
    finally:
        if before is None:
            HEARD.pop(handler, None)
        else:
            HEARD[handler] = before


def afterwards(handler: Any) -> Training | None:
    """Who is told what the user logs after a training: that one, or the run that he has opened since."""
    training = TRAININGS.of(handler)
    return training if training is None or training.fit.goes_on else Training(users_fit())


@integration.fit_family(TRAINER, "train", when=is_observed, by_instance=True, resumes=resumed_run)
def train(fit: Fit, call: Call) -> Observed:
    trainer = call.instance
    trial = call.get("trial")
    training = Training(fit)
    training.folder = asked(lambda: trainer._get_output_dir(trial), None)
    TRAININGS.note(trainer, training)
    TRAININGS.note(trainer.callback_handler, training)
    training.describe(trainer)
    imports.rest()
    try:
        with heard(trainer, training):
            yield
        if trial is not None:
            fit.summary(objective=getattr(trainer, "objective", None))
    except GeneratorExit as closing:  # it did not return
        if trial is not None and type(closing.__context__).__name__ == "TrialPruned":
            fit.outcome("finished")  # Optuna's way to end a trial that promises nothing
            fit.tags({"pruned": "true"})
        raise
    finally:
        imports.wake()
        training.let_go()
        if not training.attempts:  # it failed before its first step
            fit.params(facts.arguments(trainer.args))


@integration.watch(f"{TRAINER}.evaluate", f"{TRAINER}._save_checkpoint")  # a private name: without it the pace includes saving
def pause(trainer: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Observed:
    training = HEARD.get(id(trainer.callback_handler))
    if training is None or training.pace is None:
        yield
        return
    with training.pace.paused():
        yield


@integration.watch(f"{HANDLER}.on_train_begin")
def on_train_begin(handler: Any, told: tuple[Any, ...], _named: dict[str, Any]) -> None:
    training = HEARD.get(id(handler))
    if training is not None:
        training.begin(told[0], told[1], handler)


@integration.watch(f"{HANDLER}.on_log")
def on_log(handler: Any, told: tuple[Any, ...], named: dict[str, Any]) -> None:
    training = HEARD.get(id(handler)) or afterwards(handler)
    if training is not None:
        training.log(told[1], told[3] if len(told) > 3 else named["logs"])


@integration.watch(f"{HANDLER}.on_predict")
def on_predict(handler: Any, told: tuple[Any, ...], named: dict[str, Any]) -> None:
    training = HEARD.get(id(handler))
    if training is not None:
        training.predicted(told[1], told[3] if len(told) > 3 else named["metrics"])


@integration.watch(f"{HANDLER}.on_save")
def on_save(handler: Any, told: tuple[Any, ...], _named: dict[str, Any]) -> None:
    training = HEARD.get(id(handler))
    if training is not None:
        training.saved(told[0], told[1])


@integration.watch(f"{HANDLER}.on_train_end")
def on_train_end(handler: Any, told: tuple[Any, ...], _named: dict[str, Any]) -> None:
    training = HEARD.get(id(handler))
    if training is not None:
        training.end(told[1])


@integration.fit(f"{TRAINER}.evaluate", f"{TRAINER}.predict", when=is_observed, by_instance=True, goes_on=TRAININGS.fit_of)
def evaluate(fit: Fit, call: Call) -> Observed:
    trainer = call.instance
    training = TRAININGS.of(trainer)
    if training is None or training.fit.run_id != fit.run_id:  # no training that it belongs to: a run of its own, or the user's
        training = Training(fit)
        training.describe(trainer)
        fit.name(f"{facts.name_of(trainer)}.{call.method}")
        fit.params(facts.arguments(trainer.args))
    with heard(trainer, training):
        yield


@integration.fit(f"{TRAINER}.hyperparameter_search", when=is_observed, by_instance=True)
def search(fit: Fit, call: Call) -> Observed:
    trainer = call.instance
    fit.host(itself=True)
    fit.name(f"{facts.name_of(trainer)}.hyperparameter_search")
    fit.params({**facts.arguments(trainer.args), **call.select("n_trials", "direction", "backend")})

    best = yield

    if isinstance(best, list):  # of several objectives: none is the best
        fit.table("best_trials", [{"trial": run.run_id, "objective": run.objective, **run.hyperparameters} for run in best])
    elif best is not None:
        fit.summary({"best_objective": best.objective, "best_trial": best.run_id, **{f"best/{k}": v for k, v in best.hyperparameters.items()}})
