"""What a loop saves with ``torch.save``: where, at which step, of which kind."""

from __future__ import annotations

import os
from collections.abc import Callable
from time import time
from typing import Any

import torch

from autotrack.guard import guard
from autotrack.instrument import current_fit
from autotrack.instrument.patches import Patch
from autotrack.integrations.torch import by_hand, evaluation
from autotrack.integrations.torch.declaration import integration
from autotrack.integrations.torch.ears import Ear, ears

MOST_KEYS = 8  # of a checkpoint's parts


@integration.wrap("torch.serialization:save", "torch:save")  # one function under two names
def save_of_torch(patch: Patch, original: Callable[..., Any]) -> Callable[..., Any]:
    def save(obj: Any, f: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(obj, f, *args, **kwargs)
        if patch.on and current_fit() is None:
            with guard("noting what was saved"):
                note(obj, f)
        return result

    return save


def note(obj: Any, where: Any) -> None:
    ear: Ear | None = getattr(ears.local, "ear", None)
    loop = ear.loop if ear is not None else None
    if loop is None or loop.fit is None or loop.fit.is_silent:
        return
    if ear is not None and ear.unfed:
        by_hand.catch_up(ear)
    is_path = isinstance(where, str | os.PathLike)
    path = os.fspath(where) if is_path else getattr(where, "name", None)
    if not isinstance(path, str):
        return  # into memory
    about = {"kind": kind_of(obj), "keys": keys_of(obj), "epoch": loop.epochs - 1 if loop.epochs else None}
    loop.last = time()
    loop.fit.saved(
        os.path.abspath(path),
        step=loop.step,
        score=evaluation.score_of(loop),
        about={key: value for key, value in about.items() if value is not None},
        file=None if is_path else where,
    )


def kind_of(obj: Any) -> str:
    """``module``, ``state_dict``, ``checkpoint`` of a dict of several things, or the class."""
    if isinstance(obj, torch.nn.Module):
        return "module"
    if isinstance(obj, dict):
        if obj and all(isinstance(value, torch.Tensor) for value in obj.values()):
            return "state_dict"
        return "checkpoint"
    return type(obj).__name__


def keys_of(obj: Any) -> list[str] | None:
    """What is in a checkpoint."""
    return [str(key)[:100] for key in list(obj)[:MOST_KEYS]] if kind_of(obj) == "checkpoint" else None
