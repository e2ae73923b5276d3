"""What ``accelerator.prepare`` was given, told to the run of the accelerator's own tracker."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

from autotrack.instrument import Fit, Observed, current_fit
from autotrack.instrument.groups import group_values
from autotrack.instrument.patches import Patch
from autotrack.integrations.accelerate.declaration import integration

ACCELERATOR = "accelerate.accelerator:Accelerator"


def fit_of(accelerator: Any) -> Fit | None:
    """The open fit of its tracker; None if it has none of ours."""
    for tracker in getattr(accelerator, "trackers", ()):
        if getattr(tracker, "name", "") == "autotrack":
            fit = getattr(tracker, "fit", None)
            return fit if isinstance(fit, Fit) else None
    return None


@integration.watch(f"{ACCELERATOR}.prepare", f"{ACCELERATOR}.init_trackers")
def prepare(accelerator: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Observed:
    yield
    fit = fit_of(accelerator)
    if fit is not None:
        fit.params({name: value for facts in described(accelerator) for name, value in facts.items()})


@integration.watch(f"{ACCELERATOR}.save_state")
def save_state(accelerator: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Observed:
    folder = yield
    fit = fit_of(accelerator)
    if fit is not None and folder is not None:
        fit.summary(last_checkpoint=os.path.abspath(folder))


@integration.wrap(f"{ACCELERATOR}.log")
def log_of_an_accelerator(patch: Patch, original: Callable[..., Any]) -> Callable[..., Any]:
    """What goes to our tracker is told; what goes to TensorBoard's beside it is the same."""

    def log(self: Any, *args: Any, **kwargs: Any) -> Any:
        trackers = getattr(self, "trackers", None)
        if type(trackers) is not list or len(trackers) < 2 or not patch.on or fit_of(self) is None:
            return original(self, *args, **kwargs)
        with Fit(integration.name).within():
            return original(self, *args, **kwargs)

    return log


@integration.watch("accelerate.tracking:TensorBoardTracker.store_init_configuration")
def configure(_tracker: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Observed:
    with Fit(integration.name).within() if current_fit() is not None else contextlib.nullcontext():
        yield


def described(accelerator: Any) -> Iterator[dict[str, Any]]:
    """Facts of the first model, optimizer, scheduler and loader: those of a GAN's others have the same names, and would replace them."""
    for model in accelerator._models[:1]:
        base = accelerator.unwrap_model(model)
        sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
        yield {
            "model_class": type(base).__name__,
            "n_params": sum(size for size, _ in sizes),
            "n_params_trainable": sum(size for size, trains in sizes if trains),
        }
    for optimizer in accelerator._optimizers[:1]:
        inner = getattr(optimizer, "optimizer", optimizer)
        found = group_values(inner.param_groups)
        alike = {name: values[0] if all(value is values[0] or value == values[0] for value in values) else values for name, values in found.items()}
        yield {"optimizer": type(inner).__name__, **{f"optimizer.{name}": value for name, value in alike.items()}}
    for scheduler in accelerator._schedulers[:1]:
        yield {"lr_scheduler": type(getattr(scheduler, "scheduler", scheduler)).__name__}
    for loader in accelerator._dataloaders[:1]:
        size = getattr(loader, "total_batch_size", None)
        yield {"total_batch_size": size} if size is not None else {}
