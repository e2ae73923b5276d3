"""How long a reading may take: whoever asks for others says it, and the store that reads keeps to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic

from autotrack.errors import TooSlow

_until: ContextVar[float | None] = ContextVar("autotrack_reading_until", default=None)  # by time.monotonic


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """What is read in this block, by this thread, ends after so many seconds by TooSlow."""
    before = _until.set(monotonic() + seconds)
    try:
        yield
    finally:
        _until.reset(before)


def is_set() -> bool:
    """Whether there is an end."""
    return _until.get() is not None


def is_over() -> bool:
    """Whether the time is over."""
    until = _until.get()
    return until is not None and monotonic() > until


def left_s(most: float) -> float:
    """The seconds that are left, ``most`` at most."""
    until = _until.get()
    return most if until is None else max(0.0, min(most, until - monotonic()))


def check() -> None:
    """Raises: TooSlow if the time is over."""
    if is_over():
        raise TooSlow("the question took too long; ask for fewer runs, or in a narrower way")
