"""Modules that are waited for: whoever waits is told once, right after the import, and nothing is imported for it.

A finder that finds nothing itself stands first among python's own, and only while somebody waits: a framework may look for a package
that is not there at every step (Accelerate does, twice), and each finder is asked then. So is the one of wrapt, which never leaves.
While such a framework trains it rests, for what is fitted meanwhile is no run of its own; what was imported then is told later.
"""

from __future__ import annotations

import os
import sys
from _thread import RLock, get_ident

TYPE_CHECKING = False  # as typing has it, which would take most of the time
if TYPE_CHECKING:
    from collections.abc import Callable, Container
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any


class Finder:
    """Hears of an import before it begins, and has the module's own loader tell when it has loaded."""

    def __init__(self) -> None:
        self.waiting: dict[str, list[Callable[[ModuleType], object]]] = {}
        self._looking: set[tuple[int, str]] = set()  # which thread looks for what
        self._resting = 0  # trainings that it rests for
        self._past: set[str] = set()  # what may have gone past this finder: another thread was looking for it already
        self.renew_lock()

    def renew_lock(self) -> None:
        """Also in a forked child: a thread that held it is not there to let go."""
        self._lock = RLock()

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        """What the other finders find, of a module that is waited for; None of any other."""
        if self._past:  # most modules import others
            self._past = {each for each in self._past if each not in sys.modules and each in being_imported}
            self.look()
        if name not in self.waiting:
            return None
        looking = get_ident(), name
        if looking in self._looking:
            return None
        from importlib.util import find_spec  # only where it matters

        self._looking.add(looking)
        try:
            spec = find_spec(name)
        finally:
            self._looking.discard(looking)
        if spec is not None and spec.loader is not None:
            self._hear(name, spec.loader)
        return spec

    def _hear(self, name: str, loader: object) -> None:
        load = getattr(loader, "exec_module", None)
        if load is None or isinstance(loader, type):
            return

        def exec_module(module: ModuleType) -> None:
            if module.__name__ == name:  # one loader may load several
                vars(loader).pop("exec_module", None)
            load(module)
            if module.__name__ == name:
                self.tell(name, module)

        try:
            loader.exec_module = exec_module  # type: ignore[attr-defined]  # of this one object, which loads once as a rule
        except (AttributeError, TypeError):  # it takes no attributes
            return

    def tell(self, name: str, module: ModuleType) -> None:
        """It is imported: nobody waits for it any more."""
        with self._lock:
            calls = self.waiting.pop(name, [])
            self._stand()
        for call in calls:
            call(module)

    def wait(self, name: str, call: Callable[[ModuleType], object]) -> None:
        """Have it called; once, however often it is asked for."""
        with self._lock:
            calls = self.waiting.setdefault(name, [])
            if call not in calls:
                calls.append(call)
            self._stand()
            if name in being_imported:
                self._past.add(name)

    def forget(self, name: str, call: Callable[[ModuleType], object]) -> None:
        """Do not have it called."""
        with self._lock:
            calls = [each for each in self.waiting.pop(name, []) if each != call]
            if calls:
                self.waiting[name] = calls
            self._stand()

    def rest(self) -> None:
        """Do not be asked from here on, until as many trainings have ended as began."""
        with self._lock:
            self._resting += 1
            self._stand()

    def wake(self) -> None:
        """A training has ended. Who waits for what was imported meanwhile is told."""
        with self._lock:
            self._resting = max(0, self._resting - 1)
            self._stand()
        self.look()

    def look(self) -> None:
        """Who waits for what was imported while nobody was asked is told."""
        if self.waiting.keys().isdisjoint(sys.modules.keys()):
            return
        with self._lock:
            there = [(name, self.waiting.pop(name)) for name in list(self.waiting) if name in sys.modules]
            self._stand()
        for name, calls in there:
            for call in calls:
                when_imported(name, call)

    def begin_child(self) -> None:
        """In a forked child no training of its parent's goes on."""
        self.renew_lock()
        self._resting = 0
        self._stand()

    def _stand(self) -> None:
        """Be there while somebody waits. The lock is held. The list is never cut short: another thread may be going through it."""
        is_needed = self.waiting and not self._resting
        if is_needed and self not in sys.meta_path:
            sys.meta_path.insert(0, self)
        elif not is_needed and self in sys.meta_path:
            sys.meta_path = [finder for finder in sys.meta_path if finder is not self]


being_imported: Container[str] = getattr(sys.modules["_frozen_importlib"], "_module_locks", ())  # the names, of all threads
_finder = Finder()
forget, rest, look, wake = _finder.forget, _finder.rest, _finder.look, _finder.wake
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_finder.begin_child)


class Unfinished(type(sys.__spec__)):  # type: ignore[misc]  # ModuleSpec, without importing where it lies
    """The spec of a module that is being imported, until python says that it no longer is."""

    @property
    def _initializing(self) -> bool:
        return bool(self.__dict__.get("_initializing"))

    @_initializing.setter
    def _initializing(self, value: bool) -> None:
        self.__dict__["_initializing"] = value
        if not value:
            finished(self)


def finished(spec: Any) -> None:
    """Tell of the module; one that failed is no longer there."""
    spec.__class__ = type(sys.__spec__)
    module = sys.modules.get(spec.name)
    if module is not None:
        _finder.tell(spec.name, module)


def when_imported(name: str, call: Callable[[ModuleType], object]) -> None:
    """Call with the module: now if it is there, else once it is, unless ``forget`` is called with the same.

    One that is just being imported, in another thread or further up in this one, is not there yet: half of it may be missing.
    What ``call`` raises would rise out of the import, so it is guarded.
    """
    module = sys.modules.get(name)
    if module is not None and not is_unfinished(name, module):
        call(module)
        return
    _finder.wait(name, call)
    module = sys.modules.get(name)
    if module is not None and not follow(name, module):  # it was finished meanwhile
        _finder.tell(name, module)


def is_unfinished(name: str, module: ModuleType) -> bool:
    """Whether it is being imported, in a way that tells when it no longer is."""
    spec: Any = getattr(module, "__spec__", None)
    return bool(getattr(spec, "_initializing", False)) and type(spec) in (type(sys.__spec__), Unfinished) and spec.name == name


def follow(name: str, module: ModuleType) -> bool:
    """Have who waits told when it is imported; False if it is."""
    if not is_unfinished(name, module):
        return False
    spec: Any = module.__spec__
    spec.__class__ = Unfinished
    if not spec._initializing:  # it was finished meanwhile
        finished(spec)
    return True
