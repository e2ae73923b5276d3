"""Which loop an optimizer's step belongs to, and which iteration; what the losses before it come to.

1. An optimizer that shares a parameter with a known loop belongs to it, unless the weights were rewritten in between.
2. One that shares none, was built before the loop's first step, and is fed from a place that has fed no other: likewise (a GAN).
3. Any other begins a loop of its own, held back for 16 steps. If the loop before steps meanwhile, it was part of that.
"""

from __future__ import annotations

from threading import get_ident
from time import time
from typing import Any

from autotrack.integrations.torch import loaders, optimizers
from autotrack.integrations.torch.devices import Promise, mean, poll, times
from autotrack.integrations.torch.ears import Ear, ears
from autotrack.integrations.torch.loops import PROBATION, Loop
from autotrack.integrations.torch.optimizers import Stepper
from autotrack.integrations.torch.places import Place


def count(ear: Ear, stepper: Stepper, optimizer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """An optimizer has stepped."""
    ear.look_up()
    ear.gather()
    ear.is_careful, ear.witness = ear.accumulates, None
    pending = ear.pending
    place = pending[-1][0] if pending else None
    loop = stepper.loop
    if loop is not None and loop.is_over and not _may_resume(loop):
        loop = stepper.loop = None
    if loop is None:
        _assign(ear, stepper, place)
    loop = stepper.loop
    assert loop is not None
    _enter(ear, loop)
    loop.catch_up()
    if stepper.number in loop.stepped:
        if stepper.is_fed and not pending:
            return  # a subclass whose step() calls that of its parent, or a second step on the same gradients
        loop.step += 1
        loop.stepped.clear()
    loop.stepped.add(stepper.number)
    stepper.steps += 1
    stepper.is_fed = bool(pending)
    loop.last = time()
    loaders.enter_epoch(ear, loop)
    has_closure = (len(args) > 1 and args[1] is not None) or kwargs.get("closure") is not None
    if pending:
        settle(loop, stepper, pending, has_closure)
        quicken(ear, loop, stepper, optimizer, has_closure)
        pending.clear()
    if ear.norms:
        tell_norms(ear, loop)
    note_learning_rates(loop, stepper, optimizer)
    loop.newest = stepper
    stepper.note_version(loop.step)
    poll()
    if loop.fit is None and (loop.before is None or loop.step + 1 >= PROBATION):
        _announce(loop)


def _announce(loop: Loop) -> None:
    """It is no part of those before it: they have ended."""
    before = loop.before
    while before is not None:
        following = before.before
        before.end()
        before = following
    loop.announce()


def _may_resume(loop: Loop) -> bool:
    """Whether a loop that ended goes on in its own run; one that was part of the user's run, which he ended, does not."""
    return loop.fit is not None and loop.fit.own_run is not None and loop.fit.is_here


def _assign(ear: Ear, stepper: Stepper, place: Place | None) -> None:
    """The loop that an optimizer belongs to, at its first step."""
    shared = _owner(stepper)
    current = ear.loop if ear.loop is not None and ear.loop.may_go_on() and ear.loop.is_here else None
    rewritten, ear.rewritten = ear.rewritten, False
    if shared is not None and not rewritten:
        if stepper.born > shared.first and shared.stepped:  # it succeeds another
            shared.catch_up()
            shared.step += 1
            shared.stepped.clear()
            if shared.newest is not None:
                stepper.number, stepper.lr = shared.newest.number, shared.newest.lr
        twin = next((other for other in shared.steppers if other.trains_the_same(stepper)), None)
        if twin is not None:  # another thread's, or in its place
            stepper.number, stepper.lr = twin.number, twin.lr
        shared.adopt(stepper)
        shared.infer("optimizers")
        return
    if shared is None and current is not None and current.thread == get_ident():
        if stepper.place is not None and stepper.place in ears.inner:
            current.adopt(stepper)
            return
        if stepper.born < current.first and (place is None or place.fed is None):
            current.adopt(stepper)
            current.infer("optimizers")
            return
    before = current if shared is None else None
    if ear.loop is not None and before is None:
        ear.loop.end()
    ear.loop = Loop(place, before)
    ear.loop.adopt(stepper)


def _owner(stepper: Stepper) -> Loop | None:
    """A loop that trains one of its parameters, where the user has opened no run since."""
    for ref in stepper.params:
        found = ears.owners.get(id(ref()))
        if found is not None and found[0]() is ref():
            loop = found[1]()
            if loop is not None and loop.is_here and (not loop.is_over or _may_resume(loop)):
                return loop
    return None


def _enter(ear: Ear, loop: Loop) -> None:
    """The loop of this step is another than that of the last."""
    if loop is ear.loop:
        if loop.is_over:
            loop.resume()
        return
    chain: list[Loop] = []
    each = ear.loop
    while each is not None and each is not loop:
        chain.insert(0, each)
        each = each.before
    if each is loop:
        for part in chain:
            if part.fit is None:
                part.fold_into(loop)
    elif ear.loop is not None:
        inner = ear.loop
        if inner.first > loop.first:  # the outer one goes on: what else is built where the inner's optimizers were is part of it
            ears.inner.update(stepper.place for stepper in inner.steppers if stepper.place is not None)
        inner.end()
    if loop.is_over:
        loop.resume()
    ear.loop = loop


def settle(loop: Loop, stepper: Stepper | None, pending: list[tuple[Place, Any]], has_closure: bool) -> None:
    """The losses since the last step: of each place one value, the first of a closure's, else the mean."""
    values: dict[Place, list[Any]] = {}
    for place, value in pending:
        values.setdefault(place, []).append(value)
        place.fed = stepper
    for place, heard in values.items():
        said = [value for value in heard if value is not None]
        if not said:
            continue
        if has_closure:
            loop.fact("loop/closure_calls", max(len(said), loop.facts.get("loop/closure_calls", 1)))
            value = said[0]
        elif len(said) == 1:
            value = said[0]
        else:
            loop.fact("loop/backward_calls_per_step", max(len(said), loop.facts.get("loop/backward_calls_per_step", 1)))
            value = mean(said)
        undivided = _undivided(loop, place, value, 0 if has_closure else len(heard))
        key = _speak(loop, place, stepper, undivided)
        if undivided is not value or stepper is None:  # multiplied back, or at a step that was concluded
            loop.infer(key)


def _undivided(loop: Loop, place: Place, value: Any, calls: int) -> Any:
    """What was divided by the number of backward calls in a step (``loss / 4``), multiplied back; also in a last, smaller window."""
    if not place.accumulates:
        return value
    divisors, place.divisors = place.divisors, []
    divisor = divisors[0] if divisors else 1.0
    if divisor == 1.0 or not calls or any(each != divisor for each in divisors):
        return value
    if divisor == calls:
        place.window = divisor
    if divisor != place.window:
        return value
    loop.infer("undivided losses")
    return times(value, divisor)


def _speak(loop: Loop, place: Place, stepper: Stepper | None, value: Any) -> str:
    """Tell it; the name of the series that it is told in."""
    voice = loop.voice(place, stepper)
    voice.series.last_step, voice.series.last_voice = loop.step, voice
    tell_later(loop, voice.series.key, value, loop.step, loop.last)
    return voice.series.key


def tell_later(loop: Loop, key: str, value: Any, step: int, at: float) -> None:
    """A point; of a number that is promised, once it is known."""
    if isinstance(value, Promise):
        value.then(lambda number: loop.say({key: number}, step, at))
    else:
        loop.say({key: value}, step, at)


def tell_norms(ear: Ear, loop: Loop) -> None:
    """The norms of gradients that were clipped since the last step; where there are several, the first and the others apart."""
    norms, ear.norms = ear.norms, []
    for value in norms[:4]:
        series = loop.free("grad_norm", loop.step)
        series.last_step = loop.step
        tell_later(loop, series.key, value, loop.step, loop.last)


def quicken(ear: Ear, loop: Loop, stepper: Stepper, optimizer: Any, has_closure: bool) -> None:
    """From the next step on a step like this one goes the short way: one optimizer, one loss, nothing unusual."""
    place, value = ear.pending[0]
    groups = optimizer.param_groups
    if (
        len(ear.pending) == 1
        and type(value) is float
        and not has_closure
        and not place.accumulates
        and place.is_direct
        and loop.fit is not None
        and len(loop.steppers) == 1
        and len(groups) == 1
        and type(groups[0].get("lr")) is float
    ):
        loop.fast = voice = loop.voice(place, stepper)
        ear.code, ear.instruction = place.codes[0], place.instruction
        ear.place, ear.say = place, loop.fit.curve(voice.series.key)
        ear.stepper, stepper.fast = stepper, ear


def note_learning_rates(loop: Loop, stepper: Stepper, optimizer: Any) -> None:
    """Those that changed, by optimizer and group."""
    groups = optimizer.param_groups
    if len(groups) == 1:
        rate = groups[0].get("lr")
        if rate is stepper.lr and type(rate) is float:
            return
        told = optimizers.number(rate)
        if told is not None and (stepper.lr is None or told != optimizers.number(stepper.lr)):
            loop.say({f"lr{stepper.suffix}": told}, loop.step)
        stepper.lr = rate if type(rate) is float else told  # a tensor is changed in place: its number is kept
        return
    rates = optimizers.learning_rates(optimizer)
    before = stepper.lr if isinstance(stepper.lr, list) else [None] * len(rates)
    for number, rate in enumerate(rates):
        if rate is not None and (number >= len(before) or rate != before[number]):
            loop.say({f"lr{stepper.suffix}/{number}": rate}, loop.step)
    stepper.lr = rates
