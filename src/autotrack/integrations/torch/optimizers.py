"""An optimizer that has stepped: what it was told, what it trains, and its learning rates."""

from __future__ import annotations

import sys
import weakref
from typing import TYPE_CHECKING, Any

from autotrack.guard import guard
from autotrack.instrument.groups import group_values
from autotrack.integrations.torch.ears import DEAF, Ear, ears

if TYPE_CHECKING:
    from autotrack.integrations.torch.loops import Loop

MOST_GROUPS = 50  # of which the learning rate is told


class Stepper:
    """One optimizer. Held weakly; its loop ends when its last optimizer is gone."""

    __slots__ = (
        "born", "fast", "is_fed", "kind", "loop", "lr", "noted", "number", "optimizer", "params", "per_step", "place", "steps", "version",
        "watched",
    )  # fmt: skip

    def __init__(self, optimizer: Any) -> None:
        key, steppers, is_ending = id(optimizer), ears.steppers, sys.is_finalizing

        def gone(_: Any) -> None:
            if is_ending():  # modules are taken apart, and what was open was told at exit
                return
            if steppers.get(key) is self:
                del steppers[key]
            if self.loop is not None and not self.loop.is_over:
                with guard("ending the run of an optimizer that is gone"):
                    self.loop.lost_one()

        self.optimizer = weakref.ref(optimizer, gone)
        self.kind = type(optimizer).__name__
        self.born, self.place = ears.born.pop(key, (0.0, None))  # before everything, if it was built before we listened
        self.params = [weakref.ref(param) for group in optimizer.param_groups for param in group["params"]]
        self.watched = self.params[0] if self.params else lambda: None
        self.version = -1  # of the watched parameter, after the step of the iteration that is noted beside it
        self.noted = -1
        self.per_step: int | None = None  # how many versions each step makes; -1 if that differs
        self.loop: Loop | None = None
        self.steps = 0
        self.number = 0  # of its role in the loop, from 1; who succeeds another takes his
        self.is_fed = False  # a backward came before its last step
        self.lr: Any = None
        self.fast: Ear = DEAF  # the thread in which nothing is unusual about it

    def trains_the_same(self, other: Stepper) -> bool:
        """Whether they have the very same parameters."""
        return len(self.params) == len(other.params) and all(a() is b() for a, b in zip(self.params, other.params, strict=True))

    @property
    def suffix(self) -> str:
        """What its names end with: the first one's are bare."""
        return "" if self.number <= 1 else f"_{self.number}"

    def has_gradients(self) -> bool:
        """Whether any of its parameters has one."""
        return any((param := ref()) is not None and param.grad is not None for ref in self.params)

    def note_version(self, step: int) -> None:
        """After a step of an iteration. Those between, which went the short way, are taken to have made as many versions each."""
        param = self.watched()
        version = -1 if param is None else param._version
        passed = step - self.noted
        if self.version >= 0 and passed > 0:
            made = version - self.version
            if self.per_step is None and passed == 1:
                self.per_step = made
            elif self.per_step is not None and made != passed * self.per_step:
                self.per_step = -1
        self.version, self.noted = version, step

    def is_rewritten(self, step: int) -> bool:
        """Whether somebody else wrote the watched parameter since the last step, which was in this iteration."""
        param = self.watched()
        passed = step - self.noted
        if param is None or self.version < 0 or (passed and (self.per_step is None or self.per_step < 0)):
            return False
        return bool(param._version != self.version + passed * (self.per_step or 0))


def parameters(optimizer: Any) -> dict[str, Any]:
    """Its class, and every hyperparameter: once where all groups have the same, else by group."""
    groups = optimizer.param_groups
    told: dict[str, Any] = {"": type(optimizer).__name__}
    for name, found in group_values(groups).items():
        values = [plain(value) for value in found]
        if all(value == values[0] for value in values):
            if values[0] is not None:
                told[f".{name}"] = values[0]
        else:
            told.update({f".groups.{number}.{name}": value for number, value in enumerate(values[:MOST_GROUPS]) if value is not None})
    if len(groups) > 1:
        told[".n_groups"] = len(groups)
    return told


def plain(value: Any) -> Any:
    """A hyperparameter that is a tensor, as a number, where that needs no device."""
    if hasattr(value, "item") and hasattr(value, "is_cpu"):
        return value.item() if value.is_cpu and value.numel() == 1 else f"<tensor on {value.device}>"
    return value


def learning_rates(optimizer: Any) -> list[float | None]:
    """Of its groups; None of one that is a tensor on a device, or no number."""
    return [number(group.get("lr")) for group in optimizer.param_groups[:MOST_GROUPS]]


def number(value: Any) -> float | None:
    value = plain(value)
    return float(value) if isinstance(value, int | float) else None


def is_told(name: str, value: Any) -> bool:
    """Of a scheduler's attributes: whether it is what the user said, and not how far it is."""
    if name.startswith("_") or name in ("last_epoch", "verbose", "best", "num_bad_epochs", "cooldown_counter"):
        return False
    return isinstance(value, int | float | str | bool) or (isinstance(value, list | tuple) and len(value) <= MOST_GROUPS)


def scheduler_of(optimizer: Any) -> dict[str, Any]:
    """The class of its newest scheduler, and what that was told, as far as it keeps it in plain attributes."""
    for scheduler_ref, optimizer_ref in reversed(ears.schedulers):
        scheduler = scheduler_ref()
        if scheduler is not None and optimizer_ref() is optimizer:
            told: dict[str, Any] = {"": type(scheduler).__name__}
            told.update({f".{name}": value for name, value in vars(scheduler).items() if is_told(name, value)})
            return told
    return {}
