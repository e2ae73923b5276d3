"""Passes over a DataLoader: epochs, their times, how long the training waited for its batches.

An epoch is a pass with a backward in it, over the loop's primary loader: the first that it was fed from, and once that is gone the
next. A pass that was exhausted before its last batch was trained on (wrappers that fetch ahead) still counts for that batch.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from time import perf_counter, time
from types import FrameType
from typing import Any

import torch
from torch.utils.data import BatchSampler, dataloader

from autotrack.guard import failed, guard
from autotrack.instrument import current_fit
from autotrack.instrument.patches import Patch
from autotrack.integrations.torch import names
from autotrack.integrations.torch.declaration import integration
from autotrack.integrations.torch.ears import Ear, ears
from autotrack.integrations.torch.loops import Loop
from autotrack.integrations.torch.places import key_of

SAMPLERS = "torch.utils.data.sampler"
MOST_CALLERS = 4  # that tell one pass over a loader from another
MOST_PASSES = 8  # that are open in a thread at a time


class Pass:
    """One iteration over a DataLoader."""

    __slots__ = (
        "batch_size", "batches", "began", "ear", "epoch", "fetches_ahead", "first_step", "function", "has_losses", "is_exhausted", "is_trained",
        "iterator", "loader", "loop", "name", "others", "place", "samples", "used", "wait_s",
    )  # fmt: skip

    def __init__(self, iterator: Any, loader: Any, ear: Ear, frame: FrameType | None) -> None:
        self.iterator = weakref.ref(iterator)
        self.loader = weakref.ref(loader)
        self.ear = ear
        self.name = names.name_at(frame)[0] if frame is not None else None
        self.function = frame.f_code.co_name if frame is not None else None
        self.place = key_of(frame, MOST_CALLERS)  # and who called for it
        self.began = time()
        self.batches = 0
        self.wait_s = 0.0
        self.used = 0  # batches, of which is known whether a backward came after them
        self.others = batches_given(ear)  # that other passes had given when it began; once it is exhausted, when it was
        self.is_trained = False  # a backward came after a batch of it
        self.is_exhausted = False
        self.fetches_ahead = False  # a batch, before the last one is trained on: the last one comes after the end
        self.has_losses = False  # it was evaluated on
        self.epoch: int | None = None  # -1: a second pass of the same steps, or one that is told
        self.first_step = 0
        self.batch_size: int | None = None
        self.samples: int | None = None  # of a whole pass
        self.loop: weakref.ref[Loop] | None = None


def batches_given(ear: Ear) -> dict[int, int]:
    """How many batches each pass has given."""
    return {id(each): each.batches for each in ear.passes}


@integration.wrap("torch.utils.data.dataloader:DataLoader.__iter__")
def iter_of_a_loader(patch: Patch, original: Callable[..., Any]) -> Callable[..., Any]:
    def __iter__(self: Any) -> Any:
        iterator = original(self)
        if patch.on and not torch.compiler.is_compiling() and current_fit() is None:
            with guard("noting a pass over a loader"):
                begin(iterator, self, sys._getframe(1))
        return iterator

    return __iter__


@integration.wrap("torch.utils.data.dataloader:_BaseDataLoaderIter.__next__", late=True)
def next_of_a_loader(patch: Patch, original: Callable[..., Any]) -> Callable[..., Any]:
    passes, clock = ears.passes, perf_counter

    def __next__(self: Any) -> Any:
        each = passes.get(id(self))
        if each is None:  # in the loop of a framework
            return original(self)
        began = clock()
        try:
            batch = original(self)
        except StopIteration:
            if patch.on:
                with guard("noting the end of a pass over a loader"):
                    end(passes.pop(id(self), None))
            raise
        try:
            each.wait_s += clock() - began
            each.batches += 1
            open_passes = each.ear.passes
            if not open_passes or open_passes[-1] is not each:
                bring_forward(each)
        except Exception as error:  # noqa: BLE001 - at every step, where a guard would be felt; see guard.failed
            failed("noting a batch of a loader", error)
        return batch

    return __next__


def begin(iterator: Any, loader: Any, frame: FrameType | None) -> None:
    if not isinstance(iterator, dataloader._BaseDataLoaderIter):
        return
    integration.wrap_late()
    ear = ears.here()
    if ear.unfed:
        by_hands_step(ear)
    finish_epoch(ear)
    leave_epoch(ear)
    ear.closing = None
    for other in ear.passes:
        if other.loader() is loader:
            other.used = other.batches
    each = Pass(iterator, loader, ear, names.user_frame(frame))
    key = id(iterator)
    ears.passes[key] = each
    weakref.finalize(iterator, ears.passes.pop, key, None).atexit = False
    loop = ear.loop
    if loop is None or ear.is_evaluating or loop.primary is None or loop.primary() is loader:
        return
    if not torch.is_grad_enabled() or names.split_of(each.name) in ("val", "test"):
        from autotrack.integrations.torch import evaluation  # which asks for passes

        evaluation.begin(ear)


def bring_forward(each: Pass) -> None:
    """A batch was taken from another pass than the last one."""
    ear = each.ear
    if each in ear.passes:
        ear.passes.remove(each)
    ear.passes.append(each)
    del ear.passes[:-MOST_PASSES]
    ear.is_due = True
    ear.look_up()


def end(each: Pass | None) -> None:
    if each is None:
        return
    each.is_exhausted = True
    ear = each.ear
    if ear.unfed:
        by_hands_step(ear)
    each.others = batches_given(ear)
    if each in ear.passes:
        ear.passes.remove(each)
    if each.epoch is not None and each.epoch >= 0:
        ear.finished = each
    ear.closing = None if each.is_trained else each
    ear.look_up()


def by_hands_step(ear: Ear) -> None:
    from autotrack.integrations.torch import by_hand  # which asks for epochs

    by_hand.catch_up(ear)


def trained(ear: Ear, *, has_evaluated: bool) -> None:
    """A backward has come: the newest pass is trained on, and those that gave a batch beside it since the last one.

    If something was evaluated meanwhile, they may have been part of that, unless they are over the primary loader.
    """
    primary = ear.loop.primary() if ear.loop is not None and ear.loop.primary is not None else None
    while ear.passes and ear.passes[-1].has_losses and ear.passes[-1].iterator() is None:
        del ear.passes[-1]  # an evaluation that was left before its end
    if ear.passes:
        newest = ear.passes[-1]
        ours = {id(each): primary is not None and each.loader() is primary for each in ear.passes}
        fed = [
            each
            for each in ear.passes
            if each is newest or ((ours[id(each)] or not has_evaluated) and is_beside(each, newest, is_primary=ours[id(each)]))
        ]
        for each in fed:
            if not each.is_trained:
                each.fetches_ahead = each.batches == 2
            each.is_trained = True
        for each in [each for each in fed if primary is None or ours[id(each)]][1:]:
            if each.epoch is None:
                each.epoch = -1  # ``zip(loader, loader)``
        for each in ear.passes:
            each.used = each.batches
    elif ear.closing is not None:
        each, ear.closing = ear.closing, None
        if not each.has_losses:
            each.is_trained = True
            ear.passes.append(each)
            ear.is_due = True


def is_beside(each: Pass, newest: Pass, *, is_primary: bool) -> bool:
    """Whether a pass gave a batch for the same step as the newest one: after that began, or that is a single batch's (``next(iter(loader))``).

    Over the primary loader a batch since the last step will do: both may begin anew for it.
    """
    if each.batches <= each.used or each.has_losses or each.iterator() is None:
        return False
    return is_primary or each.batches > newest.others.get(id(each), 0) or newest.iterator() is None


def enter_epoch(ear: Ear, loop: Loop) -> None:
    """At a step: the passes that it was trained on, if they are new, are epochs; of several that which gave its batch first."""
    if not ear.is_due:
        return
    ear.is_due = False
    for each in [each for each in ear.passes if each.is_trained]:
        if each.epoch is None:
            _enter(ear, loop, each)
        if each.is_exhausted:
            ear.passes.remove(each)


def _enter(ear: Ear, loop: Loop, each: Pass) -> None:
    loader = each.loader()
    primary = None if loop.primary is None else loop.primary()
    if primary is not None and primary is not loader:
        each.epoch = -1
        return
    if primary is None and loader is not None:
        loop.primary = each.loader
        with guard("describing a loader"):
            if loop.epochs == 0:
                describe(loop, loader)
    if loop.open_epoch is not None:  # it was left by a break
        tell(loop.open_epoch, loop.step - 1, each.began)
    each.epoch, each.loop, each.first_step = loop.epochs, weakref.ref(loop), loop.step
    if loader is not None:
        each.batch_size, each.samples = batches_of(loader).batch_size, samples_of(loader)
    loop.epochs += 1
    loop.infer("epochs")
    loop.open_epoch = each
    if each.is_exhausted:
        ear.finished = each


def finish_epoch(ear: Ear, *, at_a_loss: bool = False) -> None:
    """The next thing begins: an epoch that is over is told. The loss of its last batch, if that was fetched ahead, is a part of it."""
    each = ear.finished
    if each is not None and at_a_loss and each.fetches_ahead:
        each.fetches_ahead = False
        return
    ear.finished = None
    if each is not None:
        tell(each)


def leave_epoch(ear: Ear) -> None:
    """Something else begins: an epoch that was left by a break is told."""
    each = ear.loop.open_epoch if ear.loop is not None else None
    if each is not None and each.iterator() is None and not each.is_exhausted:
        tell(each)


def evaluated(ear: Ear) -> Pass | None:
    """The pass that a loss is of which is evaluated now: the newest that is not trained on, or one that is over, until another gives a batch."""
    each = next((each for each in reversed(ear.passes) if not each.is_trained), None)
    if each is None and ear.closing is not None and not any(other.batches > ear.closing.others.get(id(other), 0) for other in ear.passes):
        each = ear.closing
    return each


def tell(each: Pass, step: int | None = None, until: float | None = None) -> None:
    """The times of an epoch, at its last step; once."""
    loop = each.loop() if each.loop is not None else None
    if loop is None or each.epoch is None or each.epoch < 0:
        return
    number, each.epoch = each.epoch, -1
    step = loop.step if step is None else max(step, each.first_step)
    took_s, steps = (loop.last if until is None else until) - each.began, step + 1 - each.first_step
    told = {"epoch": float(number), "time/epoch_s": took_s, "time/data_wait_s": each.wait_s}
    if took_s > 0 and steps > 0:
        told["time/step_s"] = took_s / steps
        samples = each.samples if each.is_exhausted and each.samples else each.batches * (each.batch_size or 0)
        if samples:
            told["time/samples_per_s"] = samples / took_s
    loop.infer(*told)  # they rest on where the epoch began and ended
    loop.say(told, step)


def batches_of(loader: Any) -> Any:
    """What says its batch size, sampler and whether an incomplete batch is dropped: the loader itself, or torch's own sampler of batches."""
    batches = loader.batch_sampler
    return batches if loader.batch_size is None and type(batches) is BatchSampler else loader


def samples_of(loader: Any) -> int | None:
    """How many samples a whole pass gives, where torch's own samplers know it: others are not asked."""
    batches = batches_of(loader)
    if batches.batch_size is None and loader.batch_sampler is not None:
        return None  # a sampler of batches of the user's
    if type(batches.sampler).__name__ not in ("SequentialSampler", "RandomSampler") or type(batches.sampler).__module__ != SAMPLERS:
        return None
    count, size = len(batches.sampler), batches.batch_size
    return count - count % size if batches.drop_last and size else count


def describe(loop: Loop, loader: Any) -> None:
    """What a loader was told, and how many samples it goes over, where its sampler is torch's own and knows it."""
    batches = batches_of(loader)
    is_of_batches = batches.batch_size is None and loader.batch_sampler is not None  # a sampler of the user's: what the loader has is unused
    told = {
        "loader.batch_size": batches.batch_size,
        "loader.workers": loader.num_workers,
        "loader.drop_last": None if is_of_batches else batches.drop_last,
        "loader.sampler": type(loader.batch_sampler if is_of_batches else batches.sampler).__name__,
    }
    loop.tell({name: value for name, value in told.items() if value is not None})
    facts: dict[str, Any] = {"type": type(loader.dataset).__name__}
    samples = samples_of(loader)
    if samples is not None:
        facts["samples"] = samples
        loop.tell({"loader.samples": samples})
    loop.datasets["train"] = facts
    if loop.fit is not None:
        loop.fit.dataset("train", facts)
