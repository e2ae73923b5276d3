"""What is done to a loss before its backward and to gradients after it: mixed precision's scale, clipping's norm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from autotrack.guard import guard
from autotrack.instrument import current_fit
from autotrack.instrument.patches import Patch
from autotrack.integrations.torch.declaration import integration
from autotrack.integrations.torch.devices import number_of
from autotrack.integrations.torch.ears import ears

MOST_NORMS = 8  # between two steps


@integration.wrap("torch.amp.grad_scaler:GradScaler.scale")
def scale_of_a_scaler(patch: Patch, original: Callable[..., Any]) -> Callable[..., Any]:
    def scale(self: Any, outputs: Any) -> Any:
        scaled = original(self, outputs)
        if torch.compiler.is_compiling() or not patch.on:
            return scaled
        with guard("noting a scaled loss"):
            if scaled is not outputs and isinstance(scaled, torch.Tensor) and current_fit() is None:
                ear = ears.here()
                ear.scaled = scaled, outputs.detach()
                ear.look_up()
                if ear.loop is not None:
                    ear.loop.fact("loop/amp", "GradScaler")
        return scaled

    return scale


@integration.wrap("torch.amp.grad_scaler:GradScaler.step")
def step_of_a_scaler(patch: Patch, original: Callable[..., Any]) -> Callable[..., Any]:
    def step(self: Any, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, optimizer, *args, **kwargs)
        if torch.compiler.is_compiling() or not patch.on:
            return result
        with guard("noting whether a scaler has skipped a step"):
            ear = ears.here()
            ear.gather()
            if ear.pending and current_fit() is None and not args and not kwargs:
                ear.pending.clear()  # gradients overflowed, and nothing was stepped: the losses are no part of the next step's
                if ear.loop is not None:
                    ear.loop.fact("loop/skipped_steps", ear.loop.facts.get("loop/skipped_steps", 0) + 1)
        return result

    return step


@integration.wrap("torch.nn.utils.clip_grad:clip_grad_norm_", "torch.nn.utils:clip_grad_norm_")
def clipping(patch: Patch, original: Callable[..., Any]) -> Callable[..., Any]:
    def clip_grad_norm_(*args: Any, **kwargs: Any) -> Any:
        norm = original(*args, **kwargs)
        if current_fit() is not None or torch.compiler.is_compiling() or not patch.on:
            return norm
        with guard("noting a gradient's norm"):
            ear = ears.here()
            if len(ear.norms) < MOST_NORMS and (ear.loop is None or not ear.loop.is_silent):
                value = number_of(norm)
                if value is not None:
                    ear.norms.append(value)
                    ear.look_up()
        return norm

    return clip_grad_norm_
