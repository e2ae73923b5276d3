"""For who wants to pass something himself: a callback that records one Trainer's fits, and a logger.

Both are built on the classes of whichever of Lightning's names the program has imported, of both if it has both: a Trainer of 2.1
takes no callback of the other name.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotrack.instrument import Fit, guarded
from autotrack.integrations.lightning.declaration import ROOTS
from autotrack.integrations.lightning.ears import EARS
from autotrack.integrations.lightning.fits import FITTED, datamodule_of, deserves_a_run, introduce, lightning, pytorch_lightning
from autotrack.integrations.lightning.listening import LISTENERS, Listener, plain_metric

NAMES = [name for name in ROOTS if name in sys.modules] or ["lightning"]
NAME = NAMES[0]

if TYPE_CHECKING:
    from lightning.pytorch import Callback
    from lightning.pytorch.loggers import Logger
else:
    Callback = type("Callback", tuple(import_module(ROOTS[name]).Callback for name in NAMES), {})
    Logger = type("Logger", tuple(import_module(f"{ROOTS[name]}.loggers").Logger for name in NAMES), {})

INTEGRATIONS = {"lightning": lightning, "pytorch_lightning": pytorch_lightning}


class AutotrackCallback(Callback):  # type: ignore[misc]  # whether it is installed or not
    """Records the fits of the Trainers that it is passed to, as ``autotrack.autolog()`` does; beside it, nothing twice.

    >>> trainer = Trainer(callbacks=[AutotrackCallback()])
    """

    def __init__(self) -> None:
        self._fit: Fit | None = None
        self._leave: Callable[[], None] | None = None

    @guarded
    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """The run begins, unless it has begun with the call of the Trainer's method."""
        if LISTENERS.even_muted(trainer) is not None or not deserves_a_run(trainer):
            return
        name = name_of(trainer)
        earlier = FITTED.get(trainer) if stage != "fit" else None
        handed = next((logger._hand_over() for logger in trainer.loggers if isinstance(logger, AutotrackLogger)), None)
        fit = earlier or handed or INTEGRATIONS[name].begin(type(pl_module).__name__)
        if fit.is_silent:
            return
        listener = Listener(fit, trainer, trains=stage == "fit")
        take_off = EARS[name].put_on()
        LISTENERS.add(trainer, listener)
        within = (Fit(fit.integration) if earlier else fit).within()
        within.__enter__()

        def leave() -> None:
            within.__exit__(None, None, None)
            LISTENERS.remove(trainer)
            take_off()
            listener.close()
            if earlier is None:
                fit.end()

        self._fit, self._leave = fit, leave
        introduce(listener, trainer)
        if stage == "fit":
            FITTED[trainer] = fit
        if earlier is None:
            listener.told(pl_module, datamodule_of(trainer.datamodule, None))

    @guarded
    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:  # noqa: ARG002 - as Callback has it
        """It is over."""
        self._end()

    @guarded
    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:  # noqa: ARG002 - as Callback has it
        """It is over, by an exception."""
        if self._fit is not None:
            self._fit.outcome("interrupted" if is_interruption(exception) else "failed", exception)
        self._end()

    def _end(self) -> None:
        leave, self._leave, self._fit = self._leave, None, None
        if leave is not None:
            leave()

    def __getstate__(self) -> dict[str, Any]:
        """What is open here does not travel to another process."""
        return {**vars(self), "_fit": None, "_leave": None}


class AutotrackLogger(Logger):  # type: ignore[misc]  # the same
    """Records what a Trainer (or a Fabric) gives its loggers: hyperparameters, metrics, checkpoints, and how it ended.

    >>> trainer = Trainer(logger=AutotrackLogger())

    Beside ``autotrack.autolog()`` or ``AutotrackCallback``, which record more, it speaks to their run. By itself it opens one at the
    first thing that it is told, and goes on with it. Alone in a Trainer it leaves checkpoints where they are without a
    logger; with ``save_dir`` they lie in ``save_dir/name/<run id>/checkpoints``.
    """

    def __init__(self, name: str = "", save_dir: str | Path | None = None) -> None:
        super().__init__()
        self._name = name
        self._save_dir = None if save_dir is None else str(save_dir)
        self._fit: Fit | None = None
        self._owns = False
        self._early: dict[str, Any] = {}  # hyperparameters that it was told before it knew of a run
        self._epoch_told: tuple[Any, ...] = ()  # in which run, at which step, which

    @property
    def name(self) -> str:
        """As it was given; a part of the path of checkpoints."""
        return self._name

    @property
    def version(self) -> str:
        """The run's id if checkpoints are to lie under ``save_dir``, else ""."""
        return "" if self._save_dir is None else self.run_id or ""

    @property
    def save_dir(self) -> str | None:
        """As it was given."""
        return self._save_dir

    @property
    def run_id(self) -> str | None:
        """The run that it speaks to; None on a rank that is silent."""
        return self._speaking().run_id

    @property
    def experiment(self) -> Any:
        """The autotrack run, for what a logger has no method for: ``self.logger.experiment.log_figure(...)``."""
        return self._speaking().run

    @guarded
    def log_hyperparams(self, params: Mapping[str, Any] | Namespace | None = None, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002 - as Logger has it
        """Hyperparameters, by their names."""
        told = dict(vars(params) if isinstance(params, Namespace) else params or {})
        if self._fit is None:
            self._early |= told
        else:
            self._fit.params(told)

    @guarded
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Metrics at a step; where nobody says one, they stand for the whole run."""
        fit = self._speaking()
        if step is None:
            fit.summary(metrics)
            return
        told = dict(metrics)
        epoch = (fit.run_id, step, told.get("epoch"))
        if epoch == self._epoch_told:  # Lightning says it again with all that it logs at a step
            del told["epoch"]
        elif "epoch" in told:
            self._epoch_told = epoch
        if told:
            fit.log(told, step=step)

    @guarded
    def after_save_checkpoint(self, checkpoint_callback: Any) -> None:
        """The best checkpoint so far."""
        if self._owns and checkpoint_callback.best_model_path:
            score = plain_metric(checkpoint_callback.best_model_score)
            self._speaking().summary(best_model_path=checkpoint_callback.best_model_path, best_model_score=score)

    @guarded
    def finalize(self, status: str) -> None:
        """How it ended; what is told later is still recorded."""
        fit = self._fit
        if fit is None or not self._owns:
            return
        error = sys.exc_info()[1]
        if status != "success":
            fit.outcome("interrupted" if is_interruption(error) else "failed", error)
        self._owns = False
        fit.end()

    def _speaking(self) -> Fit:
        fit = self._fit
        if fit is None:
            self._fit = fit = INTEGRATIONS[NAME].begin(self._name or "lightning")
            self._owns = True
            fit.params(self._early)
        return fit

    def _hand_over(self) -> Fit | None:
        """The run that it has opened, to be ended by who asks; None if it has none."""
        fit = self._fit if self._owns else None
        self._owns = False
        return fit

    def _autotrack_speak_to(self, fit: Fit) -> None:
        """From now on it speaks to the run of this fit, which somebody else ends."""
        opened = self._hand_over()
        if opened is not None and opened is not fit:
            opened.end()
        if self._fit is None:
            fit.params(self._early)
        self._fit = fit

    def __getstate__(self) -> dict[str, Any]:
        """The run does not travel to another process, nor into a checkpoint."""
        return {**vars(self), "_fit": None, "_owns": False}


def name_of(trainer: Any) -> str:
    """By which of its names Lightning brought this Trainer, or the class that the user built his on."""
    roots = (cls.__module__.partition(".")[0] for cls in type(trainer).__mro__)
    return next((root for root in roots if root in INTEGRATIONS), NAME)


def is_interruption(error: BaseException | None) -> bool:
    """Ctrl-C, or SIGTERM as Lightning raises it."""
    return isinstance(error, KeyboardInterrupt) or type(error).__name__ == "SIGTERMException"
