"""What is heard at every step of a loop: a backward and an optimizer's step. This is the path that is to be felt by nobody.

A loss is heard when its backward has returned, read at once where it lies on the CPU (a detached alias would have to be read by
another thread, and could be changed in place until then), and told when an optimizer has stepped. From the second such step on
nothing is looked up but the place in the code and the optimizer, each by identity.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from autotrack.guard import failed, guard
from autotrack.instrument import current_fit
from autotrack.instrument.patches import Patch, passed_over
from autotrack.integrations.torch import by_hand, dynamo, evaluation, loaders, rules
from autotrack.integrations.torch.declaration import integration
from autotrack.integrations.torch.devices import number_of, total
from autotrack.integrations.torch.ears import Ear, ears
from autotrack.integrations.torch.optimizers import Stepper

Tensor = torch.Tensor
TENSOR_BACKWARD = Tensor.backward.__code__
OPTIMIZER = torch.optim.Optimizer.profile_hook_step.__code__.co_filename
MOST_PENDING = 10_000
MOST_FRAMES = 50
MOST_FACTORS = 4  # of a loss, that are looked at
BACKWARD = "listening to backward"
STEP = "listening to an optimizer's step"


@integration.wrap("torch.autograd:backward")
def backward_of_autograd(patch: Patch, original: Callable[..., Any]) -> Callable[..., Any]:
    # The parameters are spelled out, for packing them costs more than all the rest; what is common stands here for the same reason.
    local, getframe = ears.local, sys._getframe

    def backward(
        tensors: Any, grad_tensors: Any = None, retain_graph: Any = None, create_graph: Any = False, grad_variables: Any = None, inputs: Any = None
    ) -> None:
        if current_fit() is not None:  # the loop of a framework, which is heard elsewhere
            original(tensors, grad_tensors, retain_graph, create_graph, grad_variables, inputs)
            return
        try:
            ear = local.ear
            if ear.code is None or ear.ready is not None:
                look_ahead(ear, tensors, getframe(1))
        except AttributeError:
            ear = ears.here()
        except Exception as error:  # noqa: BLE001 - at every step, where a guard would be felt; see guard.failed
            ear = ears.here()
            failed(BACKWARD, error)
        original(tensors, grad_tensors, retain_graph, create_graph, grad_variables, inputs)
        try:
            frame: Any = getframe(2)  # below Tensor.backward, as a rule; the instruction says whether it is
            if (
                frame.f_lasti == ear.instruction
                and frame.f_code is ear.code
                and type(tensors) is Tensor
                and tensors.is_cpu
                and inputs is None
            ):
                ear.ready = tensors.item()
                return
        except (ValueError, RuntimeError):  # there is no such frame, or several elements
            pass
        try:
            if patch.on:
                frame = getframe(1)
                hear(ear, tensors, frame.f_back if frame.f_code is TENSOR_BACKWARD else frame, inputs)
        except Exception as error:  # noqa: BLE001 - the same
            failed(BACKWARD, error)

    backward.__code__ = passed_over(backward.__code__)
    dynamo.step_over(backward)  # else it is compiled as a frame of its own, inside a compiled step
    return backward


def look_ahead(ear: Ear, root: Any, frame: Any) -> None:
    """What must be seen before the graph is freed and the weights move."""
    ear.gather()
    if not (ear.pending or ear.is_careful) or torch._C._current_graph_task_id() != -1:
        return
    loop = ear.loop
    if ear.has_newborn:
        ear.has_newborn = False
        ear.rewritten = loop is not None and loop.newest is not None and loop.newest.is_rewritten(loop.step)
    if type(root) is not Tensor:
        return
    if ear.pending and were_thrown_away(ear, frame):
        ear.pending.clear()  # attacks, a first pass
    elif len(ear.pending) > MOST_PENDING:
        del ear.pending[:-1]  # nobody steps
    frame = frame.f_back if frame.f_code is TENSOR_BACKWARD else frame
    place = ears.places.at(frame)
    if not place.accumulates and any(each is place for each, _ in ear.pending):
        if ears.places.tell_apart(place, frame):
            place = ears.places.at(frame)
        else:
            place.accumulates = ear.accumulates = ear.is_careful = True
    if place.accumulates:
        place.divisors.append(divisor_of(root, ear))
    if ear.pending:
        ear.look_up()
    elif ear.is_careful and not place.accumulates:
        weight = by_hand.weight_of(root)
        ear.witness = None if weight is None else weakref.ref(weight)


def were_thrown_away(ear: Ear, frame: Any) -> bool:
    """Whether the losses that wait have fed nothing: the gradients that they gave are gone, and no step was between."""
    weight = ear.witness() if ear.witness is not None else None
    is_gone = ear.has_fed and ear.loop is not None and not ear.loop.has_gradients() if weight is None else weight.grad is None
    return is_gone and not is_in_a_step(frame)


def is_in_a_step(frame: Any) -> bool:
    """Whether an optimizer is stepping, and has called what calls backward: its closure may throw gradients away."""
    for _ in range(MOST_FRAMES):
        if frame is None:
            return False
        code = frame.f_code
        if code.co_name == "wrapper" and code.co_filename == OPTIMIZER:  # of Optimizer.profile_hook_step
            return True
        frame = frame.f_back
    return False


def divisor_of(root: Any, ear: Ear) -> float:
    """The whole number by which a loss was divided last, before its backward; 1.0 if it was by none.

    Read from the graph, beneath a scaler's factor and divisions by one. A product is none: ``(real + fake) * 0.5``, twice for a step, is as it is.
    """
    node = root.grad_fn
    if node is not None and ear.scaled is not None and ear.scaled[0] is root:
        node = following(node)
    for _ in range(MOST_FACTORS):
        if node is None or node.name() != "DivBackward0":
            break
        other = getattr(node, "_saved_other", None)
        if not isinstance(other, Tensor) or not other.is_cpu or other.numel() != 1 or other.is_complex():
            break
        value = float(other.item())
        if value != 1.0:
            return float(round(value)) if value > 1.5 and abs(value - round(value)) < 1e-4 * value else 1.0
        node = following(node)
    return 1.0


def following(node: Any) -> Any:
    """What a node of a graph was computed of first."""
    return node.next_functions[0][0] if node.next_functions else None


def hear(ear: Ear, root: Any, frame: Any, inputs: Any) -> None:
    """A backward has returned that is not like the last one."""
    if torch._C._current_graph_task_id() != -1:
        return  # another one is running: reentrant checkpointing
    if inputs is None or reaches_a_parameter(inputs):
        take(ear, root, frame)
    if ears.stepped_inside:
        step_afterwards(ear)


def take(ear: Ear, root: Any, frame: Any) -> None:
    """A loss is one that waits for its step."""
    place = ears.places.at(frame)
    ear.gather()
    has_evaluated = ear.is_evaluating
    if has_evaluated:
        evaluation.end(ear, root)
    loaders.finish_epoch(ear, at_a_loss=True)
    if ear.scaled is not None:
        scaled, own = ear.scaled
        ear.scaled = None
        if scaled is root:
            root = own
    loaders.trained(ear, has_evaluated=has_evaluated)
    value = None
    if ear.loop is None or not ear.loop.is_silent:
        roots = [root] if isinstance(root, Tensor) else list(root) if isinstance(root, list | tuple) else []
        value = total([number_of(each) for each in roots])
    ear.pending.append((place, value))
    ear.has_fed = ear.loop is not None and ear.loop.has_gradients()
    if ear.unfed and isinstance(root, Tensor):
        by_hand.look(ear, root)


def reaches_a_parameter(inputs: Any) -> bool:
    """Whether gradients are asked for of a parameter, and not only of an input that is attacked."""
    wanted = inputs if isinstance(inputs, list | tuple) else [inputs]
    return any(isinstance(each, torch.nn.Parameter) or id(each) in ears.owners for each in wanted)


def step_afterwards(ear: Ear) -> None:
    """Optimizers have stepped in hooks while a backward was running: together one step, counted now that it is back."""
    optimizers = list(dict.fromkeys(ears.stepped_inside))
    ears.stepped_inside.clear()
    first = optimizers[0]
    count(ear, first, (), {})
    leader = ears.steppers.get(id(first))
    if leader is None or leader.loop is None:
        return
    for optimizer in optimizers[1:]:
        stepper = ears.steppers.get(id(optimizer)) or known(optimizer)
        if stepper.loop is None:
            leader.loop.adopt(stepper)
        stepper.steps += 1


def known(optimizer: Any) -> Stepper:
    """An optimizer's first step."""
    for ear in list(ears.threads.values()):
        ear.unfed = False
    stepper = ears.steppers[id(optimizer)] = Stepper(optimizer)
    return stepper


def count(ear: Ear, optimizer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    rules.count(ear, ears.steppers.get(id(optimizer)) or known(optimizer), optimizer, args, kwargs)


@integration.on_enable
def hear_steps() -> Callable[[], None]:
    steppers = ears.steppers

    def after_step(optimizer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        try:
            stepper = steppers.get(id(optimizer)) if steppers else None
            if stepper is not None:
                ear = stepper.fast
                value = ear.ready
                if value is not None and optimizer.param_groups[0]["lr"] is stepper.lr:
                    loop: Any = ear.loop
                    loop.step = step = loop.step + 1
                    ear.ready = None
                    loop.last = ear.say(value, step)
                    return
        except Exception as error:  # noqa: BLE001 - the same as in backward
            failed(STEP, error)
        try:
            if current_fit() is not None:
                return
            ear = ears.here()
            if torch._C._current_graph_task_id() != -1:
                ears.stepped_inside.append(optimizer)
                ear.look_up()
            else:
                count(ear, optimizer, args, kwargs)
        except Exception as error:  # noqa: BLE001 - the same as in backward
            failed(STEP, error)

    dynamo.leave_alone(after_step, look_ahead, hear, take, step_afterwards, count, rules.count, failed, ears.here)
    handle = register_optimizer_step_post_hook(after_step)

    def off() -> None:
        handle.remove()
        with guard("ending the runs of loops"):
            ears.deaf()

    return off
