"""How a run ends when nobody says it: the process's exit, and what can be known of its reason.

An uncaught exception is in ``sys.last_exc`` by then. The code of ``sys.exit`` is nowhere to be had, so ``sys.exit`` (and
``exit``) is watched while a run lives that no block or call stands around, and restored afterwards; a bare ``raise SystemExit(3)`` is
not seen. What a thread dies of is told to ``threading.excepthook``, which is watched likewise. SIGTERM and SIGKILL are found by the
journal's replay.
"""

from __future__ import annotations

import atexit
import builtins
import os
import sys
import threading
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from autotrack.guard import asked, guard
from autotrack.recording.place import in_child_process, in_notebook, is_interactive
from autotrack.values import Status, cut

if TYPE_CHECKING:
    from autotrack.recording.tracker import Tracker

MOST_TRACEBACK = 200_000  # characters
LAST_UPLOADS_S = 10.0  # what is still to be uploaded at exit may take so long; the rest is done by whoever opens the store next

Outcome = tuple[Status, BaseException | str | None]


def outcome_of(error: BaseException | None) -> Outcome:
    """How a block ended, by what it raised."""
    if error is None:
        return "finished", None
    if isinstance(error, KeyboardInterrupt | GeneratorExit) or _is_cancelled(error):  # cut short from outside; nothing failed
        return "interrupted", error
    if isinstance(error, SystemExit):
        if isinstance(error.__context__, KeyboardInterrupt):  # who caught Ctrl-C and left in good order (Lightning)
            return "interrupted", error.__context__
        return outcome_of_exit(error.code)
    return "failed", error


def outcome_of_exit(code: object) -> Outcome:
    """How a program ended, by what it gave to ``sys.exit``."""
    if code is None or code == 0:
        return "finished", None
    return "failed", cut(f"SystemExit: {asked(lambda: str(code), '?')}", 500)


def _is_cancelled(error: BaseException) -> bool:
    """Whether an event loop cancelled the task: so does asyncio at Ctrl-C."""
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and isinstance(error, asyncio.CancelledError)


def in_a_line(error: BaseException) -> str:
    """The exception's type and the first line of its message."""
    lines = asked(lambda: str(error), "").strip().splitlines()
    return cut(f"{type(error).__qualname__}: {lines[0]}" if lines else type(error).__qualname__, 1_000)


def traceback_of(error: BaseException) -> str:
    """The traceback as python prints it; of a very long one the end."""
    text = asked(lambda: "".join(traceback.format_exception(type(error), error, error.__traceback__)), in_a_line(error))
    text = text if len(text) <= MOST_TRACEBACK else f"…{text[-MOST_TRACEBACK:]}"
    return text.encode("utf-8", "replace").decode()


class _Exit:
    """What is known of the end of this process."""

    def __init__(self) -> None:
        self.trackers: list[Tracker] = []
        self.calls: list[Callable[[], object]] = []
        self.pid = 0  # of the process in which the end is awaited
        self.error_before: BaseException | None = None
        self.code: object = None
        self.watched: list[tuple[Any, str, Callable[..., Any], Callable[..., Any]]] = []  # where, its name, the original, ours
        self.shell: tuple[Any, Callable[..., Any]] | None = None  # IPython's, and what it calls after a cell
        self.lock = threading.RLock()

    def after_fork(self) -> None:
        self.lock = threading.RLock()


_exit = _Exit()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_exit.after_fork)


def expect(tracker: Tracker) -> None:
    """End the runs of this tracker when the process ends. To be called after its writer expects the same, so that it comes first."""
    with _exit.lock:
        if _exit.pid != os.getpid():
            _exit.trackers.clear()
            _exit.error_before = last_error()
            if _exit.pid == 0:
                atexit.register(at_exit)
            if in_child_process():  # ends without atexit, but runs these
                from multiprocessing import util

                util.Finalize(None, at_exit, exitpriority=1_000)
            _exit.pid = os.getpid()
        if tracker not in _exit.trackers:
            _exit.trackers.append(tracker)


def awaited() -> list[Tracker]:
    """The trackers of this process that recorded something and are not closed."""
    with _exit.lock:
        return list(_exit.trackers) if _exit.pid == os.getpid() else []


def before_exit(call: Callable[[], object]) -> None:
    """Have something called before the runs that are open are ended with the process, if any was."""
    if call not in _exit.calls:
        _exit.calls.append(call)


def forget(tracker: Tracker) -> None:
    """It is closed: nothing is left to be ended."""
    with _exit.lock:
        if tracker in _exit.trackers and not tracker.open:
            _exit.trackers.remove(tracker)


def last_error() -> BaseException | None:
    """The exception that python printed last, because nobody caught it."""
    found = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    return found if isinstance(found, BaseException) else None


def outcome_of_process() -> Outcome:
    """How this process is ending."""
    if is_interactive():
        return "finished", None
    error = sys.exc_info()[1]  # a child of multiprocessing finishes while it still has it
    if error is None and last_error() is not _exit.error_before:
        error = last_error()
    return outcome_of(error) if error is not None else outcome_of_exit(_exit.code)


def at_exit() -> None:
    """End the runs that are open, bring the last files into the store, and say what was recorded."""
    if _exit.pid != os.getpid():
        return  # a forked child that recorded nothing
    status, error = outcome_of_process()
    for call in _exit.calls:
        with guard("telling what was held back until the process ends"):
            call()
    trackers, _exit.trackers = _exit.trackers, []
    _exit.error_before = last_error()
    for tracker in trackers:
        with guard("ending runs at exit"):
            for run in reversed(list(tracker.open.values())):
                run.end(status, error)
            tracker.finish_uploads(LAST_UPLOADS_S)
            if tracker.local is None:
                tracker.tidy()
        with guard("saying what was recorded"):
            tell(tracker)
    _exit.pid = -1 if _exit.pid else 0  # what is recorded from here on is expected anew


def tell(tracker: Tracker) -> None:
    """One line for whoever sits in front of it."""
    if tracker.settings.quiet or not tracker.recorded or in_child_process() or sys.stderr is None or not sys.stderr.isatty():
        return
    runs = "1 run" if tracker.recorded == 1 else f"{tracker.recorded} runs"
    place = tracker.settings.folder or tracker.settings.uri
    print(f"autotrack: {runs} recorded in {place}; see them with: autotrack ls", file=sys.stderr)  # noqa: T201 - the one line


def watch() -> None:
    """See how this thread ends: what it dies of, or the code that ``sys.exit`` or ``exit`` is given, from here on."""
    with _exit.lock:
        if threading.current_thread() is not threading.main_thread():
            _watch_threads()
        elif in_notebook():
            _watch_cells()
        elif not is_interactive():
            _watch_exits()


def _watch_threads() -> None:
    if _is_watched(threading, "excepthook"):
        return
    original = threading.excepthook

    def excepthook(args: Any, /) -> None:
        with guard("ending the runs of a thread"):
            _end_runs_of(threading.get_ident(), args.exc_value)
        original(args)

    _replace(threading, "excepthook", excepthook)


def _end_runs_of(thread: int, error: BaseException | None) -> None:
    for tracker in list(_exit.trackers):
        for run in list(tracker.alone.values()):
            if run.thread == thread:
                run.end(*outcome_of(error))


def _watch_cells() -> None:
    """In IPython a cell ends, and its error with it, not the process: what no block or call stands around ends with its cell."""
    shell = sys.modules["IPython"].get_ipython()
    if _exit.shell is not None or shell is None:
        return

    def post_run_cell(result: Any) -> None:
        with guard("ending the runs of a cell"):
            for call in _exit.calls:
                call()
            _end_runs_of(threading.get_ident(), result.error_before_exec or result.error_in_exec)

    shell.events.register("post_run_cell", post_run_cell)
    _exit.shell = shell, post_run_cell


def _watch_exits() -> None:
    if not _is_watched(sys, "exit"):
        original = sys.exit

        def exit(status: object = None, /) -> None:
            _note_code(status)
            original(status)  # type: ignore[arg-type]

        exit.__doc__ = original.__doc__
        _exit.code = None
        _replace(sys, "exit", exit)
        quitter = type(getattr(builtins, "exit", None))  # of ``exit`` and ``quit``
        if quitter.__name__ == "Quitter":
            quit_original = quitter.__call__

            def call(self: object, code: object = None) -> None:
                _note_code(code)
                quit_original(self, code)

            _replace(quitter, "__call__", call)


def _is_watched(where: Any, name: str) -> bool:
    return any(each[:2] == (where, name) for each in _exit.watched)


def _note_code(code: object) -> None:
    if threading.current_thread() is threading.main_thread():
        _exit.code = code


def _replace(where: Any, name: str, ours: Callable[..., Any]) -> None:
    _exit.watched.append((where, name, getattr(where, name), ours))
    setattr(where, name, ours)


def unwatch() -> None:
    """Give them back, unless somebody has wrapped one meanwhile."""
    with _exit.lock:
        for each in list(_exit.watched):
            where, name, original, ours = each
            if getattr(where, name) is ours:
                setattr(where, name, original)
                _exit.watched.remove(each)
        if _exit.shell is not None:
            shell, call = _exit.shell
            _exit.shell = None
            shell.events.unregister("post_run_cell", call)
