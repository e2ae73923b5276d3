"""The module that an optimizer's parameters belong to, found without looking into the user's variables.

torch tells of each parameter and each module that a module takes in. The first to take it in is remembered, weakly; the root is
the topmost one below a wrapper such as DistributedDataParallel. Modules built before autolog, unpickled or deep-copied are
not told of: of them only the parameters are known.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from torch.nn.modules.module import register_module_module_registration_hook, register_module_parameter_registration_hook

from autotrack.guard import guard
from autotrack.integrations.torch import dynamo
from autotrack.integrations.torch.declaration import integration
from autotrack.integrations.torch.ears import ears

WRAPPERS = frozenset({"DistributedDataParallel", "DataParallel", "OptimizedModule", "FullyShardedDataParallel", "_FabricModule"})
MOST_TEXT = 200_000  # characters of a module's description


@integration.on_enable
def listen() -> Callable[[], None]:
    dynamo.leave_alone(note)  # else compiled autograd traces it, and fails
    handles = [register_module_parameter_registration_hook(note), register_module_module_registration_hook(note)]

    def off() -> None:
        for handle in handles:
            handle.remove()

    return off


def note(module: Any, _name: str, child: Any) -> None:
    """A module takes in a parameter or a module; the first that does so has it."""
    if child is None or id(child) in ears.holders:
        return
    with guard("noting the parts of a module"):
        key = id(child)
        holders = ears.holders
        holders[key] = weakref.ref(child, lambda _: holders.pop(key, None) and None), weakref.ref(module)


def holder_of(thing: Any) -> Any:
    """The module that took it in first; None if nobody did, or that one is gone."""
    found = ears.holders.get(id(thing))
    return found[1]() if found is not None and found[0]() is thing else None


def root_of(param: Any) -> tuple[Any, str | None]:
    """The topmost module around a parameter, and the class of the wrapper that is around that."""
    module = holder_of(param)
    while module is not None:
        outer = holder_of(module)
        if outer is None:
            return module, None
        if type(outer).__name__ in WRAPPERS:
            return module, type(outer).__name__
        module = outer
    return None, None


def facts_of(parameters: Iterable[Any]) -> dict[str, Any]:
    """How many, how many of them are trained, their bytes, and of what kind most are."""
    total = trainable = size = 0
    kinds: Counter[tuple[str, str]] = Counter()
    for param in parameters:
        count = param.numel()
        total += count
        trainable += count if param.requires_grad else 0
        size += count * param.element_size()
        kinds[str(param.dtype).removeprefix("torch."), str(param.device)] += count
    told: dict[str, Any] = {".parameters": total, ".trainable": trainable, ".bytes": size}
    if kinds:
        (told[".dtype"], told[".device"]), _ = kinds.most_common(1)[0]
        if len({dtype for dtype, _ in kinds}) > 1:
            told[".dtypes"] = sorted({dtype for dtype, _ in kinds})
        if len({device for _, device in kinds}) > 1:
            told[".devices"] = sorted({device for _, device in kinds})
    return told


def tree_of(module: Any) -> str:
    """The module and all within it, as it describes itself."""
    text = repr(module)
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}\n… ({len(text)} characters)"
