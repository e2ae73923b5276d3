"""A store that nobody made yet: looking at it makes none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from autotrack.backends.memory import MemoryBackend
from autotrack.backends.protocol import Backend

WRITING = ("write", "delete", "purge", "save_view")
_OTHER = 1 << 40  # of the pulse: nobody takes the empty store's for the real one's


class Awaited:
    """A backend that is empty until its file is there, and from then on the real one,
    which ``find`` gives. What is written goes to that, and makes it.

    A page that listens meanwhile is told to read everything again: its cursor is not of that store.
    """

    def __init__(self, path: Path, find: Callable[[], Backend]) -> None:
        self._path, self._find, self._empty = path, find, MemoryBackend()
        self._is_there = False

    def pulse(self) -> int:
        """See Backend.pulse."""
        now = self._now()
        return now.pulse() + (0 if now is self._empty else _OTHER)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._find() if name in WRITING else self._now(), name)

    def _now(self) -> Backend:
        self._is_there = self._is_there or self._path.exists()
        return self._find() if self._is_there else self._empty
