"""What is built before a loop begins: optimizers, and the schedulers of their learning rates."""

from __future__ import annotations

import sys
import weakref
from time import time
from typing import Any

from autotrack.instrument import Observed, current_fit
from autotrack.integrations.torch import by_hand, names
from autotrack.integrations.torch.declaration import integration
from autotrack.integrations.torch.ears import MOST_BORN, ears


@integration.watch("torch.optim.optimizer:Optimizer.__init__")
def an_optimizer(optimizer: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> None:
    """When and where it is built; what it trains is looked at when it steps."""
    user = names.user_frame(sys._getframe(1))
    ears.born[id(optimizer)] = time(), (user.f_code, user.f_lasti) if user is not None else None
    if len(ears.born) > MOST_BORN:
        del ears.born[next(iter(ears.born))]
    for ear in list(ears.threads.values()):
        if ear.unfed:
            by_hand.catch_up(ear)
            ear.pending.clear()  # what was before the first optimizer has not fed it
            ear.norms.clear()
        ear.unfed = False
        ear.has_newborn = ear.is_careful = True
        ear.look_up()


@integration.watch("torch.optim.lr_scheduler:LRScheduler.__init__", "torch.optim.lr_scheduler:ReduceLROnPlateau.__init__")
def a_scheduler(scheduler: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Observed:
    yield
    optimizer = args[0] if args else kwargs.get("optimizer")
    if optimizer is None or any(known() is scheduler for known, _ in ears.schedulers):
        return
    ears.schedulers[:] = [each for each in ears.schedulers if each[0]() is not None and each[1]() is not None][-100:]
    ears.schedulers.append((weakref.ref(scheduler), weakref.ref(optimizer)))
    stepper = ears.steppers.get(id(optimizer))
    if stepper is not None and stepper.loop is not None and current_fit() is None:
        stepper.loop.tell_scheduler(stepper)
