"""A store for who looks on for long: where another one has taken its place, that one is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autotrack.backends.protocol import Backend
from autotrack.errors import StoreGone


class Following:
    """A backend that asks ``now()`` for one. ``renew(gone)`` says whether there is another one than the one that is gone."""

    def __init__(self, now: Callable[[], Backend], renew: Callable[[Backend], bool]) -> None:
        self._now, self._renew = now, renew
        self._renewed = 0

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def call(*args: Any, **kwargs: Any) -> Any:
            backend = self._now()
            try:
                return getattr(backend, name)(*args, **kwargs)
            except StoreGone:
                if not self._renew(backend):
                    raise
                self._renewed += 1
                return getattr(self._now(), name)(*args, **kwargs)

        return call

    def pulse(self) -> int:
        """See ``Backend.pulse``; another one for another store."""
        pulse: int = self.__getattr__("pulse")()
        return pulse + (self._renewed << 40)
