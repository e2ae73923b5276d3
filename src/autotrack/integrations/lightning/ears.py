"""Where a Trainer is heard. Whoever listens puts the ears on, and takes them off; without a listener they hear nothing.

Lightning has no official place to hear what ``self.log`` logged but its loggers, and a logger in the Trainer's list decides
where checkpoints go, what ``self.logger`` is and which warnings come. So the one method through which all of it passes is
watched, and three that say when a batch or an epoch begins or ends; they are private, and are there in all versions from 2.1 to 2.6.
Where one is gone, ``status()`` says so, and what it told is not recorded.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

from autotrack.guard import failed
from autotrack.instrument import Integration, Observed, guarded
from autotrack.instrument.patches import Patch
from autotrack.integrations.lightning.declaration import OLDEST, ROOTS
from autotrack.integrations.lightning.listening import LISTENERS

NEVER = sys.maxsize


def ears_of(name: str) -> Integration:
    root = ROOTS[name]
    ears = Integration(name, requires=f"{name}>={OLDEST}")
    connector = f"{root}.trainer.connectors.logger_connector.logger_connector:_LoggerConnector"

    @ears.watch(f"{connector}.log_metrics")
    def log_metrics(connector: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        listener = LISTENERS.of(connector.trainer)
        if listener is not None:
            metrics = args[0] if args else kwargs["metrics"]
            listener.logged(metrics, args[1] if len(args) > 1 else kwargs.get("step"))

    @ears.wrap(f"{connector}.on_batch_start")
    def at_batch_start(patch: Patch, original: Callable[..., Any]) -> Callable[..., Any]:
        listening = LISTENERS.by_trainer

        def on_batch_start(connector: Any, *args: Any, **kwargs: Any) -> Any:
            started = original(connector, *args, **kwargs)
            try:
                trainer = connector.trainer
                if patch.on and id(trainer) in listening:
                    step = trainer.fit_loop.epoch_loop._batches_that_stepped + 1
                    if not step % (trainer.log_every_n_steps or NEVER):
                        batch_starts(trainer, args, kwargs)
            except Exception as error:  # noqa: BLE001 - at every step, where a guard would be felt; see guard.failed
                failed("hearing that a batch begins", error)
            return started

        return on_batch_start

    @ears.watch(f"{root}.loops.fit_loop:_FitLoop.on_advance_start")
    def on_advance_start(loop: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> None:
        listener = LISTENERS.of(loop.trainer)
        if listener is not None:
            listener.epoch_begins()

    @ears.watch(f"{connector}.update_train_epoch_metrics")
    def update_train_epoch_metrics(connector: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> None:
        listener = LISTENERS.of(connector.trainer)
        if listener is not None:
            listener.epoch_ends()

    @ears.watch(f"{root}.trainer.trainer:Trainer.save_checkpoint")
    def save_checkpoint(trainer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Observed:
        yield
        listener = LISTENERS.of(trainer)
        if listener is not None:
            listener.saved(args[0] if args else kwargs["filepath"])

    @ears.watch(f"{root}.callbacks.lr_finder:LearningRateFinder.lr_find", f"{root}.callbacks.batch_size_finder:BatchSizeFinder.scale_batch_size")
    def tune(_callback: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Observed:
        listener = LISTENERS.even_muted(args[0] if args else kwargs["trainer"])
        if listener is None:
            yield
            return
        listener.muted += 1
        try:
            yield
        finally:
            listener.muted -= 1

    @ears.wrap("torch.nn.utils.clip_grad:clip_grad_norm_", "torch.nn.utils:clip_grad_norm_")
    def at_clipping(patch: Patch, original: Callable[..., Any]) -> Callable[..., Any]:
        import torch  # it is there by now

        def clip_grad_norm_(*args: Any, **kwargs: Any) -> Any:
            norm = original(*args, **kwargs)
            if not torch.compiler.is_compiling() and patch.on:
                clipped(name, norm)
            return norm

        return clip_grad_norm_

    return ears


def batch_starts(trainer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """A batch is there, of any loop, before a step that will be logged; of no other anything is noted."""
    listener = LISTENERS.of(trainer)
    if listener is not None:
        listener.step_begins(args[0] if args else kwargs["batch"])


@guarded
def clipped(name: str, norm: Any) -> None:
    """Gradients were clipped, perhaps by a Trainer, and perhaps by one of this name."""
    listener = LISTENERS.here()
    if listener is not None and listener.fit.integration == name:
        listener.clipped(norm)


class Ears:
    """The ears of one of Lightning's names, on for as long as anybody listens."""

    def __init__(self, name: str) -> None:
        self.integration = ears_of(name)
        self._users = 0
        self._lock = threading.Lock()

    def put_on(self) -> Callable[[], None]:
        """Returns how to take them off."""
        with self._lock:
            self._users += 1
            self.integration.enable(sweep=False)
        return self._take_off

    def _take_off(self) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                self.integration.disable()


EARS = {name: Ears(name) for name in ROOTS}
