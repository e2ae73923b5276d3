"""What has been heard and is not told yet: by thread, and of all the process's optimizers, modules and loaders.

Everything that is the user's is held weakly. A forked child begins with nothing: a worker of a DataLoader has nothing to
tell, a training process its own runs.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from types import CodeType
from typing import TYPE_CHECKING, Any

from autotrack.instrument import before_exit, reports
from autotrack.integrations.torch.places import Place, Places

if TYPE_CHECKING:
    from autotrack.integrations.torch.loaders import Pass
    from autotrack.integrations.torch.loops import Loop
    from autotrack.integrations.torch.optimizers import Stepper

MOST_BORN = 1_000  # optimizers that were built and have not stepped


class Ear:
    """What one thread has heard since its last step."""

    __slots__ = (
        "accumulates", "closing", "code", "finished", "has_fed", "has_newborn", "instruction", "is_careful", "is_due", "is_evaluating",
        "leaf", "loop", "norms", "passes", "pending", "place", "ready", "rewritten", "say", "scaled", "stepper", "unfed", "witness",
    )  # fmt: skip

    def __init__(self, *, unfed: bool) -> None:
        self.loop: Loop | None = None
        self.pending: list[tuple[Place, Any]] = []  # losses that wait for their step: the place, and a number or a promise of one
        self.has_fed = False  # they gave gradients to what is trained here
        self.norms: list[Any] = []  # of gradients that were clipped
        self.passes: list[Pass] = []  # over loaders, the newest last
        self.closing: Pass | None = None  # exhausted before it was trained on: prefetching
        self.finished: Pass | None = None  # an epoch that is over and not told
        self.scaled: tuple[Any, Any] | None = None  # a scaled loss, and the user's own
        self.is_careful = True  # it is to be looked at before its graph is freed: no step was yet, an optimizer was built, losses meet
        self.witness: weakref.ref[Any] | None = None  # a weight that the first of those that wait gave a gradient
        self.accumulates = False  # there are places here whose losses meet in one step
        self.is_due = True  # a pass is new since the last step
        # While nothing is unusual: where the one backward is, that feeds the one optimizer; its loss, until the step; and how it is told.
        self.code: CodeType | None = None
        self.instruction = -1
        self.place: Place | None = None
        self.stepper: Stepper | None = None
        self.ready: float | None = None
        self.say: Callable[[float, int], float] = _nothing
        self.is_evaluating = False
        self.has_newborn = False  # an optimizer was built since the last backward
        self.rewritten = False  # weights were changed between two optimizers' steps
        self.unfed = unfed  # no optimizer was ever built
        self.leaf: tuple[weakref.ref[Any], Any] | None = None  # then: a weight, and how it looked

    def gather(self) -> None:
        """The loss that is ready is one of those that wait."""
        if self.ready is not None and self.place is not None:
            self.pending.append((self.place, self.ready))
            self.has_fed = True
        self.ready = None

    def look_up(self) -> None:
        """The next backward and the next step go the long way: something is not as it was (a new pass, an evaluation, a scaled loss)."""
        self.code = None
        stepper, self.stepper = self.stepper, None
        if stepper is not None:
            stepper.fast = DEAF


def _nothing(_value: float, _step: int) -> float:
    """Said while all goes the long way."""
    return 0.0


DEAF = Ear(unfed=False)  # of an optimizer that goes the long way


class Ears:
    """The process's."""

    def __init__(self) -> None:
        self.local = threading.local()
        self.threads: dict[int, Ear] = {}
        self.steppers: dict[int, Stepper] = {}  # optimizers that have stepped, by identity
        self.born: dict[int, tuple[float, Any]] = {}  # those that have not: when, and at which place
        self.owners: dict[int, tuple[weakref.ref[Any], weakref.ref[Loop]]] = {}  # of parameters
        self.holders: dict[int, tuple[weakref.ref[Any], weakref.ref[Any]]] = {}  # the module that has a parameter, or a module
        self.schedulers: list[tuple[weakref.ref[Any], weakref.ref[Any]]] = []  # with their optimizers
        self.passes: dict[int, Pass] = {}  # by the identity of the iterator
        self.inner: set[Any] = set()  # places where optimizers of inner loops are built
        self.stepped_inside: list[Any] = []  # optimizers that stepped while a backward was running
        self.places = Places()
        self.at_fork: list[Callable[[], None]] = []

    def here(self) -> Ear:
        """The ear of the thread that asks."""
        ear: Ear | None = getattr(self.local, "ear", None)
        if ear is None:
            ear = self.local.ear = Ear(unfed=not self.steppers and not self.born)
            self.threads[threading.get_ident()] = ear
        return ear

    def tell_held(self) -> None:
        """Loops that were held back are loops of their own: nothing follows that they could be part of."""
        for ear in list(self.threads.values()):
            if ear.loop is not None:
                ear.loop.announce()
                if ear.loop.is_over:  # what was evaluated since has no end of a run to be told at
                    ear.loop.complete()

    def deaf(self) -> None:
        """Nothing is heard from here on: what is open ends."""
        for ear in list(self.threads.values()):
            ear.look_up()
            ear.ready = None
            ear.pending.clear()
            ear.norms.clear()
            ear.is_due = True
            ear.is_evaluating = False
            ear.passes.clear()
            ear.closing = None
            loop, ear.loop = ear.loop, None
            while loop is not None:
                before = loop.before
                loop.end()
                loop = before
        self.stepped_inside.clear()
        self.born.clear()
        reports.forget_early()

    def forget(self) -> None:
        """Begin with nothing."""
        for table in (self.threads, self.steppers, self.born, self.owners, self.passes):
            table.clear()
        self.stepped_inside.clear()
        self.local.__dict__.clear()
        for call in self.at_fork:
            call()


ears = Ears()
before_exit(ears.tell_held)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=ears.forget)
