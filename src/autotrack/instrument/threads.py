"""A task that joblib runs in a thread for a fit belongs to that fit.

``joblib.Parallel`` is observed once it is imported, never imported by us. Each task is put into a small callable that
makes the caller's fit and run the current ones for its duration. To another process it travels as ``functools.partial``
of the task: nothing of ours is needed there. The user's own threads are left alone, and are fits of their own.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from autotrack.guard import guarded
from autotrack.instrument.fits import Fit, Within, current_fit
from autotrack.instrument.patches import Patch, Unchanged
from autotrack.recording.runs import Run, current_run

MODULE, TARGET = "joblib.parallel", "Parallel.__call__"


class Task:
    """A function to be called as part of a fit."""

    __slots__ = ("_fit", "_function", "_run")

    def __init__(self, function: Callable[..., Any], fit: Fit, run: Run | None) -> None:
        self._function = function
        self._fit = fit
        self._run = run

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with Within(self._fit, self._run):
            return self._function(*args, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        return functools.partial, (self._function,)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._function, name)


@guarded
def spread(_patch: Patch, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Unchanged | None:
    """Let the tasks of a parallel call belong to the fit that is open here; without one, leave the call alone."""
    fit = current_fit()
    if fit is None:
        return None
    run = current_run()
    if len(args) == 2:
        return Unchanged((args[0], belonging(args[1], fit, run)), kwargs)
    if "iterable" in kwargs:
        return Unchanged(args, {**kwargs, "iterable": belonging(kwargs["iterable"], fit, run)})
    return None


def belonging(tasks: Iterable[Any], fit: Fit, run: Run | None) -> Iterable[Any]:
    """The tasks, lazily, unless they are a list: joblib asks for a length if there is one."""
    each = _each(tasks, fit, run)
    return list(each) if isinstance(tasks, list | tuple) else each


def _each(tasks: Iterable[Any], fit: Fit, run: Run | None) -> Iterator[Any]:
    for task in tasks:
        if isinstance(task, tuple) and len(task) == 3 and callable(task[0]):
            function, args, kwargs = task
            yield Task(function, fit, run), args, kwargs
        else:
            yield task
