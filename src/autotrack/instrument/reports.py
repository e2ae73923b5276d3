"""What a program reports to TensorBoard by itself: taken along under its names, at its steps.

It goes where the user's own ``autotrack.log`` would go, but opens no run: before the first one it waits for the training that
comes (``tell_early``). Inside a framework's fit it is the framework that reports, and its integration knows it first hand; a fit that
only stays current is around a loop of the user's own.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Mapping
from time import time
from typing import Any

from autotrack.guard import guard
from autotrack.instrument.fits import Fit, current_fit, users_fit
from autotrack.instrument.integration import Integration
from autotrack.recording import runs

MOST_EARLY = 20_000  # reports of a thread that wait

_early = threading.local()  # what a thread has reported goes with it


def tell_early(fit: Fit) -> None:
    """Tell a training what this thread has reported while there was no run; nothing if that is the user's own, which he opened later."""
    waiting, lost = vars(_early).pop("reports", ()), vars(_early).pop("lost", 0)
    if fit.own_run is None:
        return
    for report in waiting:
        with guard("telling what was reported before the training"):
            report(fit)
    if lost:
        fit.summary({"loop/lost_reports": lost})


def forget_early() -> None:
    """What waits is told to nobody."""
    global _early
    _early = threading.local()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_early)


def tell(report: Callable[[Fit], None]) -> None:
    """Tell it to the run that the user's own ``autotrack.log`` would mean; while there is none it waits."""
    if runs.run_to_join() is not None:
        report(users_fit())
        return
    waiting = vars(_early).setdefault("reports", deque(maxlen=MOST_EARLY))
    if len(waiting) == MOST_EARLY:
        _early.lost = getattr(_early, "lost", 0) + 1
    waiting.append(report)


def watch_writer(integration: Integration, owner: str) -> None:
    """Declare what is heard of a ``SummaryWriter``; ``owner`` is its ``module:Class``."""
    counts: dict[str, int] = {}

    def log(metrics: Mapping[str, Any], step: Any) -> None:
        if not is_users():
            return
        at = time()
        points = {}
        for tag, value in metrics.items():
            counted = counts[tag] = counts.get(tag, -1) + 1
            points[tag] = value.item() if hasattr(value, "item") else value, counted if step is None else int(step)

        def report(fit: Fit) -> None:
            for tag, (value, step) in points.items():
                fit.log({f"tensorboard/{tag}" if fit.is_claimed(tag) else tag: value}, step=step, at=at)

        tell(report)

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
        if not isinstance(values, Mapping) or not is_users():
            return
        params = dict(values)
        summary = {str(name): value for name, value in (metrics if isinstance(metrics, Mapping) else {}).items() if isinstance(value, int | float)}

        def report(fit: Fit) -> None:
            fit.params(params, under="hparams")
            fit.summary(summary)

        tell(report)


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
