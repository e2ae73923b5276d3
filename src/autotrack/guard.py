"""Our failures stop here: the only place with a blind ``except``.

A block under ``guard`` or a method under ``guarded`` never lets an error of autotrack reach the user's program.
Each place warns once. ``AUTOTRACK_STRICT=1`` (our own tests) lets errors rise instead.
"""

from __future__ import annotations

import functools
import logging
import os
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar, cast

from autotrack.errors import AutotrackError

F = TypeVar("F", bound=Callable[..., object])
T = TypeVar("T")

logger = logging.getLogger("autotrack")

# A place (its words) and how often it failed: a place warns once, and a patch that failed ten times goes dormant.
failures: dict[str, int] = {}
_lock = threading.Lock()


def _renew_lock() -> None:
    """In a forked child: a thread that held it is not there to let go."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def is_strict() -> bool:
    """Whether our own errors rise, as they do in our tests."""
    return os.environ.get("AUTOTRACK_STRICT", "") not in ("", "0")


def report(what: str, error: BaseException) -> None:
    """Count a failure of ours; say it in one sentence, with its traceback, the first time it happens there.

    An error that we raise on purpose says it all in its own words: without a traceback, and once for all places.
    """
    is_told = isinstance(error, AutotrackError)
    said = str(error) if is_told else what
    with _lock:
        for key in {what, said}:
            failures[key] = failures.get(key, 0) + 1
        if failures[said] > 1:
            return
    if is_told:
        logger.warning("autotrack failed while %s; your program goes on, this is not recorded: %s", what, error)
    else:
        logger.warning(
            "autotrack failed while %s; your program goes on, this is not recorded (%s: %s)",
            what,
            type(error).__name__,
            error,
            exc_info=(type(error), error, error.__traceback__),
        )


def failed(what: str, error: Exception) -> None:
    """As ``report``, or raise where our own errors rise: for an ``except`` in a place where a ``with guard(...)`` would be felt."""
    if is_strict():
        raise error
    report(what, error)


class guard:  # noqa: N801 - reads as a statement: ``with guard("reading the model's size"):``
    """Swallow and report an ``Exception`` of the block; ``KeyboardInterrupt`` and ``SystemExit`` pass."""

    __slots__ = ("what",)

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        if error is None or not isinstance(error, Exception) or is_strict():
            return False
        report(self.what, error)
        return True


def guarded(method: F) -> F:
    """Guard a method that a framework calls back; it answers None where it failed."""

    @functools.wraps(method)
    def call(*args: object, **kwargs: object) -> object:
        try:
            return method(*args, **kwargs)
        except Exception as error:
            if is_strict():
                raise
            report(method.__qualname__, error)
            return None

    call.__autotrack_guarded__ = True  # type: ignore[attr-defined]  # the contract suite looks for it
    return cast(F, call)


def asked(question: Callable[[], T], otherwise: T) -> T:
    """The answer of an object that is not ours (its ``repr``, its ``shape``), or ``otherwise`` if it raises: nobody's failure."""
    try:
        return question()
    except Exception:
        return otherwise
