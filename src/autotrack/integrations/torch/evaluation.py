"""Losses that are computed while nothing is trained on: validation and test losses, one point for each pass.

torch's loss functions are watched from the moment when a module is put into evaluation (``eval()``), or a loader other than
the primary one is iterated with gradients off or under a telling name, until the next backward. Training never pays for it.

What is heard with gradients on, in evaluation mode, is taken back if it is then trained on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import time
from types import FrameType
from typing import Any

import torch
from torch.nn import functional

from autotrack.guard import guard
from autotrack.instrument import current_fit
from autotrack.instrument.patches import Patch, passed_over
from autotrack.integrations.torch import names
from autotrack.integrations.torch.declaration import integration
from autotrack.integrations.torch.devices import Promise, known, number_of
from autotrack.integrations.torch.ears import Ear, ears
from autotrack.integrations.torch.loaders import Pass, finish_epoch
from autotrack.integrations.torch.loops import Loop
from autotrack.integrations.torch.places import key_of

LOSSES = (
    "cross_entropy", "nll_loss", "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits",
    "kl_div", "ctc_loss", "cosine_embedding_loss", "margin_ranking_loss", "hinge_embedding_loss", "triplet_margin_loss", "multi_margin_loss",
    "multilabel_margin_loss", "multilabel_soft_margin_loss", "soft_margin_loss", "gaussian_nll_loss", "poisson_nll_loss",
)  # fmt: skip
MOST_PARTS = 1_000_000


class Evaluation:
    """The losses of one pass, by the name of their series; each part is a value, how many samples it is of, and whether it is their sum."""

    def __init__(self, group: tuple[Any, ...], step: int) -> None:
        self.group = group
        self.step = step
        self.parts: dict[str, list[tuple[Any, int, bool]]] = {}
        self.places: dict[str, tuple[int, ...]] = {}
        self.with_gradients = 0  # the identity of the newest result that has some


class Criteria:
    """torch's loss functions, and the wrappers that stand in their places meanwhile."""

    def __init__(self) -> None:
        self.originals: dict[str, Callable[..., Any]] = {}
        self.wrappers: dict[str, Callable[..., Any]] = {}
        self.are_watched = False

    def watch(self) -> None:
        if not self.wrappers:
            self.originals = {name: getattr(functional, name) for name in LOSSES if hasattr(functional, name)}
            self.wrappers = {name: watched(name, original) for name, original in self.originals.items()}
        for name, original in self.originals.items():
            if getattr(functional, name) is original:
                setattr(functional, name, self.wrappers[name])
        self.are_watched = True

    def unwatch(self) -> None:
        if self.are_watched:
            self.are_watched = False
            for name, wrapper in self.wrappers.items():
                if getattr(functional, name) is wrapper:
                    setattr(functional, name, self.originals[name])


criteria = Criteria()


@integration.on_enable
def stand_by() -> Callable[[], None]:
    return criteria.unwatch


def watched(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def criterion(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
            return result
        with guard("listening to a loss function"):
            hear(name, result, args, kwargs, sys._getframe(1))
        return result

    criterion.__code__ = passed_over(criterion.__code__)
    wrapper: Any = criterion
    for attribute in ("__module__", "__name__", "__qualname__", "__doc__", "__annotations__"):
        setattr(wrapper, attribute, getattr(original, attribute, None))
    wrapper.__wrapped__ = original
    wrapper.__script_if_tracing_wrapper = True  # by these two torch.jit.script knows to compile the original
    wrapper.__original_fn = original
    return criterion


@integration.wrap("torch.nn.modules.module:Module.train", late=True)
def train_of_a_module(patch: Patch, original: Callable[..., Any]) -> Callable[..., Any]:
    local = ears.local

    def train(self: Any, mode: bool = True) -> Any:
        if not mode and patch.on and not torch.compiler.is_compiling():
            with guard("noting that a module is evaluated"):
                ear: Ear | None = getattr(local, "ear", None)
                if ear is not None and ear.loop is not None and not ear.is_evaluating and current_fit() is None:
                    begin(ear)
        return original(self, mode)

    return train


def begin(ear: Ear) -> None:
    """From here to the next backward of this thread loss functions are heard."""
    loop = ear.loop
    if loop is None or loop.is_silent:
        return
    finish_epoch(ear)
    ear.is_evaluating = True
    ear.look_up()
    criteria.watch()


def end(ear: Ear, root: Any) -> None:
    """A backward has come."""
    ear.is_evaluating = False
    loop = ear.loop
    if loop is not None and loop.evaluation is not None:
        doubted = loop.evaluation.with_gradients
        if doubted and (doubted == id(root) or not any(model.training for ref in loop.models if (model := ref()) is not None)):
            loop.evaluation = None  # it is trained on after all
        tell(loop)
    if not any(other.is_evaluating for other in list(ears.threads.values())):
        criteria.unwatch()


def hear(name: str, result: Any, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType) -> None:
    ear: Ear | None = getattr(ears.local, "ear", None)
    if ear is None or not ear.is_evaluating or ear.loop is None or current_fit() is not None or not isinstance(result, torch.Tensor):
        return
    loop = ear.loop
    with_gradients = result.requires_grad
    if with_gradients and any(model.training for ref in loop.models if (model := ref()) is not None):
        return
    reduction = kwargs.get("reduction", "mean")
    if reduction == "none" or "none" in [arg for arg in args if type(arg) is str] or result.numel() != 1:
        return
    user = names.user_frame(frame)
    value = number_of(result.detach())
    if user is None or value is None:
        return
    scores = args[0] if args else kwargs.get("input", kwargs.get("input1", kwargs.get("anchor")))
    samples = int(scores.shape[0]) if isinstance(scores, torch.Tensor) and scores.dim() else 1
    is_sum = reduction == "sum" or "sum" in [arg for arg in args if type(arg) is str]
    parts = parts_for(ear, loop, name, user)
    if len(parts) < MOST_PARTS:
        parts.append((value, samples, is_sum))
        loop.last = time()
        if with_gradients and loop.evaluation is not None:
            loop.evaluation.with_gradients = id(result)


def parts_for(ear: Ear, loop: Loop, name: str, user: FrameType) -> list[tuple[Any, int, bool]]:
    """Where a value belongs: the pass that it is part of, and the name of its series."""
    each: Pass | None = next((p for p in reversed(ear.passes) if not p.is_trained), None) or ear.closing
    variable, is_sum = names.stored_as(user)
    if each is not None and each.loader() is not None:
        each.has_losses = True
        split = names.split_of(each.name, _function(each.function)) or "val"
        group: tuple[Any, ...] = (loop.step, id(each))
    else:
        split = names.split_of(variable, _function(user.f_code.co_name)) or "val"
        outer = user.f_back
        group = (loop.step, split, key_of(outer, 1) if outer is not None else ())
    split = "train_eval" if split == "train" else split
    evaluation = loop.evaluation
    if evaluation is None or evaluation.group != group:
        tell(loop)
        evaluation = loop.evaluation = Evaluation(group, loop.step)
    is_whole = not is_sum and (variable is None or is_general(variable))
    place = key_of(user, 1)
    key = f"{split}/loss" if is_whole else f"{split}/{name}"
    if evaluation.places.setdefault(key, place) != place:
        key = f"{split}/{name}"
        number = 1
        while evaluation.places.setdefault(key, place) != place:
            number += 1
            key = f"{split}/{name}_{number}"
    return evaluation.parts.setdefault(key, [])


def is_general(variable: str) -> bool:
    low = variable.lower()
    return names.is_loss(variable) or low in ("l", "total", "running", "val", "test", "result", "out", "value", "v")


def _function(name: str | None) -> str:
    return "" if name is None or name == "<module>" else name.replace("eval", "val")


def tell(loop: Loop) -> None:
    """One point for each series of an evaluation: the mean, weighted by the sizes of the batches."""
    evaluation, loop.evaluation = loop.evaluation, None
    if evaluation is None:
        return
    at = loop.last
    for key, parts in evaluation.parts.items():
        if parts:
            loop.infer(key)
            _say_mean(loop, key, parts, evaluation.step, at)


def score_of(loop: Loop) -> float | None:
    """The newest validation loss, also of an evaluation that is not told yet; None where there is none, or it is not known yet."""
    if loop.evaluation is not None:
        for key, parts in loop.evaluation.parts.items():
            if key.startswith("val/") and parts:
                is_known = not any(isinstance(value, Promise) and value.value is None for value, _, _ in parts)
                return mean_of(parts) if is_known else None
    return next((score for key, score in loop.scores.items() if key.startswith("val/")), None)


def _say_mean(loop: Loop, key: str, parts: list[tuple[Any, int, bool]], step: int, at: float) -> None:
    waiting = [value for value, _, _ in parts if isinstance(value, Promise) and value.value is None]
    left = [len(waiting)]

    def one_more(_value: float) -> None:
        left[0] -= 1
        if left[0] <= 0:
            loop.scores[key] = score = mean_of(parts)
            loop.say({key: score}, step, at)

    if not waiting:
        one_more(0.0)
    for value in waiting:
        value.then(one_more)


def mean_of(parts: list[tuple[Any, int, bool]]) -> float:
    total = sum(known(value) * (1 if is_sum else samples) for value, samples, is_sum in parts)
    count = sum(samples for _, samples, _ in parts)
    return float(total / count) if count else float("nan")


