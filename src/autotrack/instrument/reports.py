"""What a program reports to TensorBoard by itself: taken along under its names, at its steps.

It goes where the user's own ``autotrack.log`` would go, but opens no run. Inside a framework's fit it is the framework that
reports, and its integration knows it first hand; a fit that only stays current is around a loop of the user's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autotrack.instrument.fits import current_fit, users_fit
from autotrack.instrument.integration import Integration


def watch_writer(integration: Integration, owner: str) -> None:
    """Declare what is heard of a ``SummaryWriter``; ``owner`` is its ``module:Class``."""
    counts: dict[str, int] = {}

    def log(metrics: Mapping[str, Any], step: Any) -> None:
        if not is_users():
            return
        fit = users_fit()
        for tag, value in metrics.items():
            counted = counts[tag] = counts.get(tag, -1) + 1
            name = f"tensorboard/{tag}" if fit.is_claimed(tag) else tag
            fit.log({name: value}, step=counted if step is None else int(step))

    @integration.watch(f"{owner}.add_scalar")
    def add_scalar(_writer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        tag, value, step = told(args, kwargs, "tag", "scalar_value", "global_step")
        if isinstance(tag, str) and is_number(value):
            log({tag: value}, step)

    @integration.watch(f"{owner}.add_scalars")
    def add_scalars(_writer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        tag, values, step = told(args, kwargs, "main_tag", "tag_scalar_dict", "global_step")
        if isinstance(tag, str) and isinstance(values, Mapping):
            log({f"{tag}/{name}": value for name, value in values.items() if is_number(value)}, step)

    @integration.watch(f"{owner}.add_hparams")
    def add_hparams(_writer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        values, metrics, _ = told(args, kwargs, "hparam_dict", "metric_dict", "")
        if is_users() and isinstance(values, Mapping):
            users_fit().params(values, under="hparams")
            if isinstance(metrics, Mapping):
                users_fit().summary({str(name): value for name, value in metrics.items() if isinstance(value, int | float)})


def is_users() -> bool:
    """Whether it is the user who reports here, not a framework that he called."""
    fit = current_fit()
    return fit is None or bool(fit.stays)


def told(args: tuple[Any, ...], kwargs: Mapping[str, Any], *names: str) -> list[Any]:
    """The first arguments of a call, by position or by name; None of one that was not given."""
    return [args[place] if place < len(args) else kwargs.get(name) for place, name in enumerate(names)]


def is_number(value: Any) -> bool:
    """Whether it has one number; a ``SummaryWriter`` takes more (names of Caffe2's blobs)."""
    if isinstance(value, str | bytes) or value is None:
        return False
    return isinstance(value, int | float) or (hasattr(value, "item") and getattr(value, "size", None) is not None)
