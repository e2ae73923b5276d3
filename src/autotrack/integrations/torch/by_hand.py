"""Loops without an optimizer: backward after backward, and a weight that changes between them.

Looked at only while no optimizer was ever built in this process. An attack on inputs changes no weight, and makes no run.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from time import time
from typing import Any

import torch

from autotrack.integrations.torch import devices, loaders, rules
from autotrack.integrations.torch.ears import Ear
from autotrack.integrations.torch.loops import Loop
from autotrack.integrations.torch.places import Place

MOST_NODES = 500  # of a graph
MOST_WAITING = 1_000  # losses, of which nobody knows yet what they are for
COMPARED = 4  # elements of the weight


def look(ear: Ear, root: Any) -> None:
    """A backward has returned, and is the newest of those that wait."""
    leaf = ear.leaf[0]() if ear.leaf is not None else None
    if leaf is None:
        if ear.loop is not None and ear.loop.is_by_hand:
            _end(ear, ear.loop)
        found = weight_of(root)
        if found is not None and found.is_cpu:
            ear.leaf = weakref.ref(found), picture(found)
        del ear.pending[:-MOST_WAITING]
        return
    assert ear.leaf is not None
    now = picture(leaf)
    has_moved, ear.leaf = now != ear.leaf[1], (ear.leaf[0], now)
    if not has_moved:
        del ear.pending[:-MOST_WAITING]
        return
    if ear.loop is None:
        ear.loop = _begin(ear, leaf)
    if ear.loop.is_by_hand:
        done, ear.pending = ear.pending[:-1], ear.pending[-1:]
        _step(ear, ear.loop, done)


def catch_up(ear: Ear) -> None:
    """Something else begins: if the weight has moved since the newest backward, all that was heard was a step."""
    leaf = ear.leaf[0]() if ear.leaf is not None else None
    if leaf is None or ear.leaf is None or ear.loop is None or not ear.loop.is_by_hand:
        return
    now = picture(leaf)
    if now != ear.leaf[1]:
        ear.leaf = ear.leaf[0], now
        done, ear.pending = ear.pending, []
        _step(ear, ear.loop, done)


def _begin(ear: Ear, leaf: Any) -> Loop:
    loop = Loop(ear.pending[0][0], None)
    loop.is_by_hand = True
    loop.step = -1
    loop.fact("loop/update", "by hand")
    loop.infer("updates by hand")
    loop.leftover = lambda: _last(ear, loop)
    loop.tell_models([leaf])
    loop.announce()
    return loop


def _step(ear: Ear, loop: Loop, done: list[tuple[Place, Any]]) -> None:
    """The weight has moved: these losses were a step."""
    if not done:
        return
    loop.step += 1
    loop.last = time()
    loaders.enter_epoch(ear, loop)
    rules.settle(loop, None, done, False)
    if ear.norms:
        rules.tell_norms(ear, loop)
    devices.poll()


def _end(ear: Ear, loop: Loop) -> None:
    """Its weight is gone: the newest loss is another one's."""
    done, ear.pending = ear.pending[:-1], ear.pending[-1:]
    _step(ear, loop, done)
    newest, ear.pending = ear.pending, []
    loop.end()
    ear.loop, ear.pending = None, newest


def _last(ear: Ear, loop: Loop) -> None:
    """The last backward of such a loop is followed by none that would tell it."""
    if ear.leaf is not None and ear.leaf[0]() is not None:
        catch_up(ear)
    else:
        done, ear.pending = ear.pending, []
        _step(ear, loop, done)


def weight_of(root: Any) -> Any:
    """A tensor that the graph is trained by: a parameter, if there is one, else any leaf."""
    found = list(leaves(root))
    return next((leaf for leaf in found if isinstance(leaf, torch.nn.Parameter)), found[0] if found else None)


def leaves(root: Any) -> Iterator[Any]:
    """The trained tensors of a graph, as far as they are found near its root."""
    waiting, seen = [root.grad_fn], 0
    while waiting and seen < MOST_NODES:
        node = waiting.pop()
        seen += 1
        if node is None:
            continue
        variable = getattr(node, "variable", None)
        if variable is not None:
            yield variable
        waiting += [following for following, _ in node.next_functions]


def picture(leaf: Any) -> tuple[int, tuple[float, ...]]:
    """How its first elements look."""
    with torch.no_grad():
        return leaf._version, tuple(leaf.detach().reshape(-1)[:COMPARED].tolist())
