"""What ``autolog()`` put in place, to be taken out and put back within microseconds: so blocks with and without it alternate in one loop."""

from __future__ import annotations

import gc
from typing import Any


class Listeners:
    """The wrappers that stand now and are not of the making of classes, and the hook of optimizers' steps. ``of``: only wrappers of this package."""

    def __init__(self, of: str = "") -> None:
        from torch.optim import optimizer

        from autotrack.instrument.patches import ABSENT, Patch

        patches = [each for each in gc.get_objects() if type(each) is Patch and each.on and (each.original.__module__ or "").startswith(of)]
        self.places = [
            (owner, name, held, placed)
            for patch in patches
            for owner_of, name, held, placed in patch.bindings
            if held is not ABSENT and (owner := owner_of()) is not None and vars(owner).get(name) is placed
        ]
        self.hooks: dict[Any, Any] = optimizer._global_optimizer_post_hooks
        self.hooked = dict(self.hooks)

    def out(self) -> None:
        for owner, name, held, _ in self.places:
            setattr(owner, name, held)
        self.hooks.clear()

    def back(self) -> None:
        for owner, name, _, placed in self.places:
            setattr(owner, name, placed)
        self.hooks.update(self.hooked)
