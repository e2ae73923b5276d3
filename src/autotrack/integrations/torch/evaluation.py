"""Losses that are computed while nothing is trained on: validation and test losses, one point for each pass.

torch's loss functions are watched from the moment when a module is put into evaluation (``eval()``), or a loader other than
the primary one is iterated with gradients off or under a telling name, until the next backward. Training never pays for it.

What is heard with gradients on, in evaluation mode, is taken back if it is then trained on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from time import time
from types import FrameType
from typing import Any, TypeVar

import torch
from torch.nn import functional

from autotrack.guard import guard
from autotrack.instrument import current_fit
from autotrack.instrument.patches import Patch, passed_over
from autotrack.integrations.torch import by_hand, names
from autotrack.integrations.torch.declaration import integration
from autotrack.integrations.torch.devices import Promise, known, number_of
from autotrack.integrations.torch.ears import Ear, ears
from autotrack.integrations.torch.loaders import Pass, evaluated, finish_epoch, leave_epoch
from autotrack.integrations.torch.loops import Loop
from autotrack.integrations.torch.places import frames_from, key_of

LOSSES = (
    "cross_entropy", "nll_loss", "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits",
    "kl_div", "ctc_loss", "cosine_embedding_loss", "margin_ranking_loss", "hinge_embedding_loss", "triplet_margin_loss", "multi_margin_loss",
    "multilabel_margin_loss", "multilabel_soft_margin_loss", "soft_margin_loss", "gaussian_nll_loss", "poisson_nll_loss",
)  # fmt: skip
MOST_PARTS = 1_000_000
MOST_ALIKE = 20  # series of one name
MOST_CALLERS = 8  # with torch's own between them
WHOLE = frozenset({"loss", "val", "valid", "validation", "dev", "eval", "test", "train", "total", "running", "epoch", "batch", "sum", "mean", "avg"})
GENERAL = WHOLE | {  # words that a loss goes by which is the only one
    "losses", "vloss", "tloss", "l", "v", "t", "cost", "err", "error", "objective", "criterion", "average", "tot", "cur", "current", "cum", "all",
    "this", "new", "step", "iter", "mini", "item", "value", "values", "out", "result", "res", "per", "sample",
}  # fmt: skip

Answer = TypeVar("Answer")
Values = list[tuple[Any, int, bool]]  # each with how many samples it is of, and whether it is their sum


class Part:
    """What one call of a loss function has given in a pass."""

    def __init__(self, split: str, function: str, variable: str | None, *, is_summand: bool) -> None:
        self.split = split
        self.function = function
        self.may_be_whole = not is_summand and (variable is None or is_general(variable))
        self.is_whole = self.may_be_whole and variable is not None and set(names.words_of(variable)) <= WHOLE
        self.values: Values = []


class Evaluation:
    """The losses of one pass, by place and function."""

    def __init__(self, group: tuple[Any, ...], step: int, each: Pass | None) -> None:
        self.group = group
        self.step = step
        self.each = each  # the pass over a loader, if there is one
        self.source = group[1:] if each is None else (each.loader, each.place)  # what it is of, and who asked for it
        self.parts: dict[tuple[Any, ...], Part] = {}
        self.with_gradients = 0  # the identity of the newest result that has some

    def series(self) -> Iterator[tuple[str, Values]]:
        """What each part is told as: ``loss`` if it is alone or the variable says so, else by the name of its function."""
        told: set[str] = set()
        for part in self.parts.values():
            is_alone = all(other is part or other.split != part.split for other in self.parts.values())
            key = f"{part.split}/loss"
            if key in told or not (part.is_whole or (part.may_be_whole and is_alone)):
                key = f"{part.split}/{part.function}"
            number, name = 1, key
            while key in told:
                number += 1
                key = f"{name}_{number}"
            told.add(key)
            yield key, part.values


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
    if ear.unfed:
        by_hand.catch_up(ear)
    finish_epoch(ear)
    leave_epoch(ear)
    ear.is_evaluating = True
    ear.look_up()
    criteria.watch()


def end(ear: Ear, root: Any) -> None:
    """A backward has come."""
    ear.is_evaluating = False
    loop = ear.loop
    if loop is not None and loop.evaluation is not None:
        doubted = loop.evaluation.with_gradients
        if doubted and (doubted == id(root) or not is_training(loop)):
            loop.evaluation = None  # it is trained on after all
        elif ear.passes and loop.evaluation.each is ear.passes[-1] and may_be_trained_on(loop, ear.passes[-1]):
            loop.evaluation = None  # of the batch that is trained on (a teacher's)
        tell(loop)
    if not any(other.is_evaluating for other in list(ears.threads.values())):
        criteria.unwatch()


def hear(name: str, result: Any, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType) -> None:
    ear: Ear | None = getattr(ears.local, "ear", None)
    if ear is None or not ear.is_evaluating or ear.loop is None or current_fit() is not None or not isinstance(result, torch.Tensor):
        return
    loop = ear.loop
    with_gradients = result.requires_grad
    if with_gradients and is_training(loop):
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
    values = values_for(ear, loop, name, user)
    if values is not None and len(values) < MOST_PARTS:
        values.append((value, samples, is_sum))
        loop.last = time()
        if with_gradients and loop.evaluation is not None:
            loop.evaluation.with_gradients = id(result)


def values_for(ear: Ear, loop: Loop, name: str, user: FrameType) -> Values | None:
    """Where a value belongs: the pass that it is part of, and the place of its call; None where nothing says that it is of an evaluation."""
    each = evaluated(ear)
    variable, is_summand = said(loop, user, names.stored_as)
    if each is not None and each.loader() is not None:
        each.has_losses = True
        split = names.split_of(each.name, names.said_by_function(each.function))
        if split is None and loop.primary is not None and loop.primary() is each.loader():
            split = "train"
        group: tuple[Any, ...] = (loop.step, id(each))
    else:
        split = said(loop, user, names.split_at)
        if split == names.SEVERAL or (split is None and each is None and is_training(loop)):
            return None
        outer = user.f_back
        group = (loop.step, split, key_of(outer, 1) if outer is not None else ())
    split = "train_eval" if split == "train" else split or "val"
    evaluation = loop.evaluation
    if evaluation is None or evaluation.group != group:
        tell(loop)
        evaluation = loop.evaluation = Evaluation(group, loop.step, each)
    place = name, *key_of(user, 1)
    part = evaluation.parts.get(place)
    if part is None:
        part = evaluation.parts[place] = Part(split, name, variable, is_summand=is_summand)
        if loop.fit is not None:
            loop.fit.claim((f"{split}/loss", f"{split}/{name}"))  # it is told later, and what the user reports of it meanwhile is his own
    return part.values


def said(loop: Loop, user: FrameType, ask: Callable[[list[FrameType]], Answer]) -> Answer:
    """What the user's frames that led to a call answer; asked once for each such way."""
    key = ask, key_of(user, MOST_CALLERS)
    if key not in loop.callers:
        frames = frames_from(user, MOST_CALLERS)
        loop.callers[key] = ask([frame for frame in frames if not names.is_librarys(frame)]), [frame.f_code for frame in frames]
    answer: Answer = loop.callers[key][0]
    return answer


def is_training(loop: Loop) -> bool:
    """Whether a module that is trained here stands so."""
    return any(model.training for ref in loop.models if (model := ref()) is not None)


def may_be_trained_on(loop: Loop, each: Pass) -> bool:
    """Whether a pass that goes on may be an epoch: over the loader that the loop is fed from, or the next one if that is gone."""
    if not loop.epochs or each.iterator() is None:
        return False
    primary = None if loop.primary is None else loop.primary()
    return primary is None or primary is each.loader()


def is_general(variable: str) -> bool:
    """Whether a variable may stand for the whole loss: a word that tells of a part (``kl_loss``, ``loss_1``) is not in its name."""
    return set(names.words_of(variable)) <= GENERAL


def tell(loop: Loop) -> None:
    """One point for each series of an evaluation: the mean, weighted by the sizes of the batches."""
    evaluation, loop.evaluation = loop.evaluation, None
    if evaluation is None:
        return
    at = loop.last
    for key, values in evaluation.series():
        if values:
            name = _free(loop, key, evaluation)
            loop.infer(name)
            _say_mean(loop, name, values, evaluation.step, at)


def _free(loop: Loop, key: str, evaluation: Evaluation) -> str:
    """The first series of this name in which nothing else was told at this step: two loaders are two curves, and so are two models."""
    number, name, said = 1, key, (evaluation.step, evaluation.source)
    while (told := loop.evaluated.get(name, said)) != said and told[0] == evaluation.step and number < MOST_ALIKE:
        number += 1
        name = f"{key}_{number}"
    loop.evaluated[name] = said
    return name


def score_of(loop: Loop) -> float | None:
    """The newest validation loss, also of an evaluation that is not told yet; None where there is none, or it is not known yet."""
    if loop.evaluation is not None:
        for key, values in loop.evaluation.series():
            if key.startswith("val/") and values:
                is_known = not any(isinstance(value, Promise) and value.value is None for value, _, _ in values)
                return mean_of(values) if is_known else None
    return next((score for key, score in loop.scores.items() if key.startswith("val/")), None)


def _say_mean(loop: Loop, key: str, values: Values, step: int, at: float) -> None:
    waiting = [value for value, _, _ in values if isinstance(value, Promise) and value.value is None]
    left = [len(waiting)]

    def one_more(_value: float) -> None:
        left[0] -= 1
        if left[0] <= 0:
            loop.scores[key] = score = mean_of(values)
            loop.say({key: score}, step, at)

    if not waiting:
        one_more(0.0)
    for value in waiting:
        value.then(one_more)


def mean_of(values: Values) -> float:
    total = sum(known(value) * (1 if is_sum else samples) for value, samples, is_sum in values)
    count = sum(samples for _, samples, _ in values)
    return float(total / count) if count else float("nan")


