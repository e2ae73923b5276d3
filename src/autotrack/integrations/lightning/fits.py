"""``Trainer.fit``, ``validate``, ``test`` and ``predict``: each call that deserves a run, from its beginning to its end."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any
from weakref import WeakKeyDictionary

from autotrack.instrument import Call, Fit, Integration, Observed
from autotrack.integrations.lightning.declaration import OLDEST, ROOTS
from autotrack.integrations.lightning.ears import EARS
from autotrack.integrations.lightning.listening import LISTENERS, Listener

FITTED: WeakKeyDictionary[Any, Fit] = WeakKeyDictionary()  # by Trainer: its last fit, to whose run an evaluation adds


def deserves_a_run(trainer: Any) -> bool:
    """Not a trial run (``fast_dev_run``), not a bare one for timing, and not what a tuner tries."""
    is_tuned = any(getattr(callback, "_early_exit", False) for callback in trainer.callbacks)
    return not (is_tuned or trainer.fast_dev_run or trainer.barebones)


def train(fit: Fit, call: Call) -> Observed:
    trainer = call.instance
    listener = Listener(fit, trainer, trains=True)
    LISTENERS.add(trainer, listener)
    try:
        FITTED[trainer] = fit
        introduce(listener, trainer)
        model = uncompiled(call["model"])
        fit.name(type(model).__name__)
        listener.told(model, datamodule_of(call["datamodule"], call["train_dataloaders"]))

        yield

        if trainer.interrupted:  # before 2.5 Ctrl-C ends in a call that returns
            fit.outcome("interrupted")
    finally:
        LISTENERS.remove(trainer)
        if trainer.received_sigterm:  # its exception is a SystemExit without a code
            fit.outcome("interrupted")
        listener.close()


def evaluate(fit: Fit, call: Call) -> Observed:
    """Any of the three others."""
    trainer = call.instance
    listener = Listener(fit, trainer, trains=False)
    LISTENERS.add(trainer, listener)
    began = perf_counter()
    try:
        introduce(listener, trainer)
        model = trainer.lightning_module if call["model"] is None else uncompiled(call["model"])
        if FITTED.get(trainer) is None or FITTED[trainer].run_id != fit.run_id:
            fit.name(type(model).__name__)
            fit.tags({"autotrack.stage": call.method})
            listener.told(model, datamodule_of(call["datamodule"], call["dataloaders"]))

        yield

        if trainer.interrupted:
            fit.outcome("interrupted")
    finally:
        LISTENERS.remove(trainer)
        fit.summary({f"time/{call.method}_s": perf_counter() - began})


def introduce(listener: Listener, trainer: Any) -> None:
    """Loggers of ours that the user passed speak to the run of this fit."""
    for logger in trainer.loggers:
        speak_to = getattr(logger, "_autotrack_speak_to", None)
        if speak_to is not None:
            speak_to(listener.fit)
            listener.tells_metrics = False


def uncompiled(model: Any) -> Any:
    """The module in what ``torch.compile`` made of it."""
    return getattr(model, "_orig_mod", model)


def datamodule_of(datamodule: Any, loaders: Any) -> Any:
    """The data module, which may come in the place of the loaders."""
    return datamodule if datamodule is not None else loaders if hasattr(loaders, "prepare_data_per_node") else None


def integration_of(name: str) -> Integration:
    root = ROOTS[name]
    integration = Integration(name, requires=f"{name}>={OLDEST}")
    integration.fit(f"{root}.trainer.trainer:Trainer.fit", when=deserves_a_run, by_instance=True)(train)
    others = [f"{root}.trainer.trainer:Trainer.{method}" for method in ("validate", "test", "predict")]
    integration.fit(*others, when=deserves_a_run, by_instance=True, goes_on=FITTED.get)(evaluate)

    @integration.on_enable
    def put_ears_on() -> Callable[[], None]:
        take_off = EARS[name].put_on()
        integration.missing += EARS[name].integration.missing
        return take_off

    return integration


lightning = integration_of("lightning")
pytorch_lightning = integration_of("pytorch_lightning")
