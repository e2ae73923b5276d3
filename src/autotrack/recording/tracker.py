"""The process's tracker: settings, store, journal, writer, artifacts; made at first use.

Making one costs little: nothing is on disk before the first record, and the store is opened by the writer's thread.
"""

from __future__ import annotations

import atexit
import importlib
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from autotrack import settings as knobs
from autotrack.artifacts import ArtifactStore
from autotrack.backends import sqlite as _sqlite  # noqa: F401 - not by a thread: see load
from autotrack.backends.opening import open_backend
from autotrack.guard import guard
from autotrack.recording import endings
from autotrack.recording.console import EVERY_S as CONSOLE_EVERY_S
from autotrack.recording.console import Console
from autotrack.recording.journal import Journal
from autotrack.recording.replay import replay
from autotrack.recording.system import SystemMetrics
from autotrack.recording.uploads import Uploads, recover
from autotrack.recording.writer import Writer
from autotrack.settings import Settings

if TYPE_CHECKING:
    from autotrack.backends.protocol import Backend
    from autotrack.recording.runs import Run

SYSTEM_EVERY_S = 10.0
FIXED = ("uri", "journal", "system_metrics", "console")  # another value of these is another tracker


class Deferred:
    """A store that its first call opens: that of the writer's thread, as a rule."""

    def __init__(self, opened: Callable[[], Backend]) -> None:
        self._opened = opened

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._opened(), name)


class Tracker:
    """What one process records with. Thread-safe; a forked child goes on with a fresh one of the same settings."""

    def __init__(self, settings: Settings, arguments: dict[str, Any] | None = None) -> None:
        self.settings = settings
        self.arguments = arguments or {}
        self.local = settings.local  # the folder on this machine; None of a store in memory
        self.session = os.urandom(8).hex()
        self.open: dict[str, Run] = {}  # runs that this process started and has not ended
        self.plain: dict[int, list[Run]] = {}  # by thread: runs opened by a plain start_run(), for where a ContextVar is lost
        self.alone: dict[str, Run] = {}  # those of them that no block or call stands around
        self.last_fit = threading.local()  # .run: the last one that a fit of the thread ended, or began with no call around it
        self.told: dict[str, Any] = {}  # parameters of the program: of all its runs
        self.recorded = 0
        self._lock = threading.RLock()
        self._backend: Backend | None = None
        self._journal: Journal | None = None
        self._writer: Writer | None = None
        self._artifacts: ArtifactStore | None = None
        self._uploads: Uploads | None = None
        self._opening = threading.Lock()  # of the store: takes long, and nobody who records waits for it
        self._scratch: Path | None = None
        self._is_new = False  # whether we made its folder, and git does not know yet
        self.console = Console(self)
        if not settings.uri.startswith(("sqlite:", "memory:")):
            _ = self.backend  # a scheme that nobody knows is said at once

    @property
    def backend(self) -> Backend:
        """The store, opened by the first who asks.   Raises: SettingsError, BackendError."""
        if self._backend is None:
            with self._opening:
                if self._backend is None:
                    self._make_folder()
                    self._hide_from_git()
                    self._backend = open_backend(self.settings.uri)
                    if self._journal is None:  # of who only reads or edits
                        atexit.register(self._let_go, os.getpid())
        return self._backend

    @property
    def journal(self) -> Journal:
        """The process's journal; its files are made at the first record."""
        if self._journal is None:
            self.prepare()
        return cast(Journal, self._journal)

    @property
    def writer(self) -> Writer:
        """The thread that empties the journal into the store."""
        if self._writer is None:
            self.prepare()
        return cast(Writer, self._writer)

    @property
    def uploads(self) -> Uploads:
        """The thread that brings files from the staging folder into the artifact store."""
        if self._uploads is None:
            with self._lock:
                if self._uploads is None:
                    self._uploads = Uploads(self)
        return self._uploads

    @property
    def folder(self) -> Path:
        """The folder on this machine where files are kept; a temporary one, gone with the process, of a store in memory."""
        if self.local is not None:
            return self.local
        with self._lock:
            if self._scratch is None:
                self._scratch = Path(tempfile.mkdtemp(prefix="autotrack-"))
            return self._scratch

    @property
    def artifacts(self) -> ArtifactStore:
        """The content of files, by digest."""
        if self._artifacts is None:
            with self._lock:
                if self._artifacts is None:
                    self._artifacts = ArtifactStore(str(self.folder / "artifacts"))
        return self._artifacts

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until all that was recorded so far is in the store; False if it took longer."""
        until = monotonic() + timeout_s
        done = self._uploads is None or self._uploads.flush(timeout_s)
        if self._writer is None:
            return done
        return self._writer.flush(max(0.05, until - monotonic())) and done

    def catch_up(self, timeout_s: float = 5.0) -> None:
        """Before a read: bring into the store what this process recorded and what dead ones left behind."""
        self.flush(timeout_s)
        local = self.local
        if local is None or not local.is_dir():
            return
        for other in endings.awaited():
            if other is not self and other.settings.uri == self.settings.uri:  # ``configure`` went to another store and came back
                other.flush(timeout_s)
        with guard("replaying what dead processes recorded"):
            replay(local / "journal", self.backend)
            recover(local / "staging", self.backend, self.artifacts)

    def reopens(self, gone: Backend) -> bool:
        """Whether another store is in the place of one that is gone; it is opened at the next use. For who records nothing."""
        path = knobs.database(self.settings.uri)
        if path is None or not path.exists():
            return False
        with self._opening:
            if self._backend is gone:
                self._backend = None
        gone.close()
        return True

    def close(self, timeout_s: float = 5.0) -> None:
        """Flush, then stop the threads and let go of the store. What is recorded later starts them again."""
        until = monotonic() + timeout_s
        self.finish_uploads(timeout_s)
        if self._writer is not None:
            self._writer.close(max(0.05, until - monotonic()))
        with self._opening:
            backend, self._backend = self._backend, None
        if backend is not None:
            backend.close()
        self.tidy()
        endings.forget(self)

    def unwatch(self) -> None:
        """Give back what was watched for runs whose end nobody says, if there is none left."""
        if not self.alone and not any(self.plain.values()):
            endings.unwatch()

    def finish_uploads(self, timeout_s: float) -> None:
        """Bring the files that wait into the store, and end the thread that does it."""
        if self._uploads is not None:
            self._uploads.close(timeout_s)

    def tidy(self) -> None:
        """Remove the temporary folder, if there was one."""
        with self._lock:
            scratch, self._scratch, self._artifacts = self._scratch, None, None
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)

    def prepare(self) -> None:
        """Have the journal and the writer made; nothing is on disk, and no thread runs, before the first record."""
        with self._lock:
            if self._journal is not None:
                return
            local = self.local
            load(self.settings.uri)
            atexit.register(self._let_go, os.getpid())  # before the writer does the same, so that it comes after
            journal = Journal(None if local is None else local / "journal", append=self.settings.journal == "append")
            writer = Writer(journal, cast("Backend", Deferred(lambda: self.backend)))
            if self.settings.system_metrics:
                writer.every(SYSTEM_EVERY_S, SystemMetrics(self).sample)
            if self.settings.console:
                writer.every(CONSOLE_EVERY_S, self.console.drain)
            self._writer, self._journal = writer, journal

    def _let_go(self, pid: int) -> None:
        """Close the store at exit, so that its file is whole without the one beside it."""
        if self._backend is not None and pid == os.getpid():
            with suppress(KeyboardInterrupt), guard("closing the store at exit"):
                self._backend.close()

    def _make_folder(self) -> None:
        local = self.local
        if local is None:
            return
        with suppress(OSError):  # where it cannot be made, the journal and the store say why
            if not os.path.isdir(local):
                os.makedirs(local, exist_ok=True)
                self._is_new = True

    def _hide_from_git(self) -> None:
        """In a folder that we made; whatever else lies in another is not ours to have ignored."""
        is_new = self._is_new or (self._journal is not None and self._journal.has_made_its_place)
        if is_new and self.local is not None:
            with guard("having git ignore the store"):
                (self.local / ".gitignore").write_bytes(b"*\n")
                self._is_new = False

    def _after_fork(self) -> None:
        """In a child: its own session, locks and threads; the parent's runs stay the parent's to end."""
        self.session = os.urandom(8).hex()
        self._lock, self._opening = threading.RLock(), threading.Lock()
        self.open, self.plain, self.alone, self.last_fit, self.recorded = {}, {}, {}, threading.local(), 0
        self._uploads = None
        if self._scratch is not None:  # the folder is the parent's
            self._scratch = self._artifacts = None


def load(uri: str) -> None:
    """Import what the threads will need, before they begin.

    A thread that imports is a danger to others: a child that is forked meanwhile finds half a module, and its lock taken
    for ever; and an import that makes a dataclass after Ctrl-C has python forget that it was interrupted (exit code 1, not -2).
    """
    if uri.startswith("memory:"):
        importlib.import_module("autotrack.backends.memory")


class _Process:
    """The one tracker of this process."""

    def __init__(self) -> None:
        self.tracker: Tracker | None = None
        self.lock = threading.RLock()

    def after_fork(self) -> None:
        self.lock = threading.RLock()
        if self.tracker is not None:
            self.tracker._after_fork()


_process = _Process()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_process.after_fork)


def tracker() -> Tracker:
    """The process's tracker.   Raises: SettingsError at its making, if a setting makes no sense."""
    found = _process.tracker
    if found is not None:
        return found
    with _process.lock:
        if _process.tracker is None:
            _process.tracker = Tracker(knobs.load())
        return _process.tracker


def existing() -> Tracker | None:
    """The process's tracker, if one was made."""
    return _process.tracker


def configure(**arguments: Any) -> Tracker:
    """Change settings from here on; those that are not named stay. Another ``uri`` is another store.

    Runs that are open go on in the store that they were started in.   Raises: SettingsError.
    """
    with _process.lock:
        old = _process.tracker
        said = {**(old.arguments if old is not None else {}), **{k: v for k, v in arguments.items() if v is not None}}
        settings = knobs.load(**said)
        if old is not None and all(getattr(settings, name) == getattr(old.settings, name) for name in FIXED):
            old.settings, old.arguments = settings, said
            return old
        _process.tracker = Tracker(settings, said)
        new = _process.tracker
        new.told = {} if old is None else old.told
    if old is not None:
        old.close() if not old.open else old.flush()
    return new


def in_memory() -> Tracker:
    """A tracker that keeps everything in memory."""
    arguments: dict[str, Any] = {"uri": "memory:", "system_metrics": False, "console": False, "quiet": True}
    return Tracker(knobs.load(**arguments), arguments)


def swap(new: Tracker | None) -> Tracker | None:
    """Put another tracker (or none: one is made at the next use) in place of the process's; return the one that was there."""
    with _process.lock:
        old, _process.tracker = _process.tracker, new
        return old
