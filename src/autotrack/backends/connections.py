"""The connections of one process to one SQLite file: one that writes, under a lock, and a few that read beside it.

A forked child must not use, close or even finalise a connection of its parent: it makes its own.
Source: https://www.sqlite.org/howtocorrupt.html section 2.6
"""

from __future__ import annotations

import ctypes
import os
import random
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

from autotrack.backends import deadline
from autotrack.backends.migrations import committing, fill_in, is_readable, is_writable, prepare, to_read
from autotrack.errors import BackendError, BackendUnavailable, RecordRejected, StoreGone

LOCK_S = 1.0  # how long we wait for another writer before we say so; our own writer tries again
TRY_MS = 10  # how long SQLite does: it sleeps 1, 2, 5 ... 100 ms between its looks, while the lock lies idle before many writers
OPENING_S = 15.0  # many processes may make or upgrade one store at once
_IDLE_READERS = 4
_INSTRUCTIONS = 20_000  # of SQLite's machine, a millisecond or so, after which the time is looked at
_OLDEST = (3, 37, 0)  # STRICT tables
_WRITER = (
    "synchronous = normal", "foreign_keys = on", "cache_size = -8192", "temp_store = memory", "journal_size_limit = 67108864",
    f"busy_timeout = {TRY_MS}",
)  # fmt: skip
_READER = ("cache_size = -8192", "temp_store = memory")
# What SQLite's own words say of a store that may be there again in a moment. (Codes come with Python 3.11.)
_PASSING = ("locked", "busy", "full", "readonly", "disk i/o", "unable to open", "interrupted")
_DAMAGED = ("malformed", "not a database", "corrupt", "encrypted")


class Connections:
    """Opened at the first use, in this process alone. ``identity`` is the file's, if it is known already: another is not touched."""

    def __init__(self, path: Path, identity: tuple[int, int] | None = None) -> None:
        self.path = path
        self.pid = os.getpid()
        self.identity = identity
        self._lock = threading.Lock()  # of the writing connection
        self._opening = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._idle: list[sqlite3.Connection] = []
        self._can_read = False
        self._can_write = True  # else it is opened for each question anew: somebody else may write it
        self._closed = False
        self._listening = threading.Lock()  # of the connection that is asked whether there is news
        self._listener: sqlite3.Connection | None = None

    @property
    def can_write(self) -> bool:
        """Whether the store may be written."""
        return self._can_write

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The connection that writes, alone."""
        with _in_our_words(self.path), self._lock:
            if self._writer is None:
                self._writer = self._open_writer()
            self._check_file()
            yield self._writer

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that reads one state of the store, whatever is written meanwhile."""
        with _in_our_words(self.path):
            self._open_for_reading()
            self._check_file()
            db = self._take_reader()
            try:
                db.execute("begin")
                with _ending_in_time(db):
                    yield db
            finally:
                self._put_back(db)

    def sync(self) -> None:
        """Wait until all that is committed is on the disk: what ``synchronous = full`` does, but nobody else waits for it meanwhile.

        Source: https://www.sqlite.org/pragma.html#pragma_synchronous
        """
        with _in_our_words(self.path), suppress(FileNotFoundError):  # a file system without WAL: the commit has waited itself
            _sync(f"{self.path}-wal")
            _sync(self.path.parent)  # the file may be new

    def pulse(self) -> int:
        """A number that changes with every commit of any other connection, of this process or another. Reads no table.

        Source: https://www.sqlite.org/pragma.html#pragma_data_version
        """
        with _in_our_words(self.path), self._listening:
            self._open_for_reading()
            self._check_file()
            if self._listener is None:
                self._listener = self._connect_reader()
            return int(self._listener.execute("pragma data_version").fetchone()[0])

    def _take_reader(self) -> sqlite3.Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect_reader()

    def _put_back(self, db: sqlite3.Connection) -> None:
        is_sound = True
        try:
            if db.in_transaction:
                db.execute("rollback")
        except sqlite3.Error:  # the file is damaged or gone, which was said already
            is_sound = False
        if is_sound and self._can_write and not self._closed and len(self._idle) < _IDLE_READERS:
            self._idle.append(db)
        else:
            _close(db)

    def close(self) -> None:
        """Close all that this process opened. A later use opens again."""
        if self.pid != os.getpid():
            return
        self._closed = True
        with self._lock:
            writer, self._writer = self._writer, None
            if writer is not None:
                _close(writer)
        with self._listening:
            listener, self._listener = self._listener, None
            if listener is not None:
                _close(listener)
        while self._idle:
            _close(self._idle.pop())

    def _open_writer(self) -> sqlite3.Connection:
        if sqlite3.sqlite_version_info < _OLDEST:
            raise BackendError(f"autotrack needs SQLite 3.37 or newer, this Python has {sqlite3.sqlite_version}")
        if self.identity is not None:
            self._check_file()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        db = self._prepared()
        for pragma in _WRITER:
            db.execute(f"pragma {pragma}")
        self._identify()
        self._closed = False
        return db

    def _prepared(self) -> sqlite3.Connection:
        """A connection to a store of our version; while others make or upgrade it, we try again."""
        until = monotonic() + OPENING_S
        while True:
            db, is_ready = _connect(str(self.path), LOCK_S), False
            try:
                prepare(db, self.path)
                is_ready = True
                return db
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or monotonic() > until:
                    raise
            finally:
                if not is_ready:
                    _close(db)
            sleep(random.SystemRandom().uniform(0.005, 0.05))  # the user's own generators are not drawn from

    def _open_for_reading(self) -> None:
        if self._can_read:
            return
        with self._opening:
            if self._can_read:
                return
            self._can_write = not self.path.exists() or is_writable(self.path)
            if not self._is_ready():
                if not self._can_write:
                    raise BackendError(f"{self.path} holds no store, and none can be made there: it cannot be written")
                with self._lock:
                    if self._writer is None:
                        self._writer = self._open_writer()
            self._identify()
            self._can_read = True

    def _is_ready(self) -> bool:
        """Whether there is a store that can be read as it is; a new or an older one must be made ready first, which is writing."""
        if self.identity is None and not self.path.exists():
            return False
        self._check_file()
        db = self._connect_reader()
        try:
            return is_readable(db, self.path)
        finally:
            _close(db)

    def _connect_reader(self) -> sqlite3.Connection:
        db = _connect(f"{self.path.absolute().as_uri()}?mode=rw" if self._can_write else to_read(self.path), 5.0)
        for pragma in _READER:
            db.execute(f"pragma {pragma}")
        if not self._can_write:
            fill_in(db, self.path)
        db.execute("pragma query_only = on")
        return db

    def _identify(self) -> None:
        found = os.stat(self.path)
        if self.identity is None:
            self.identity = found.st_dev, found.st_ino

    def _check_file(self) -> None:
        """A file that was deleted or replaced takes writes without a word, and nobody ever reads them."""
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            raise _gone(self.path) from None
        if self.identity not in (None, (found.st_dev, found.st_ino)):
            raise _gone(self.path)


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, with the write lock from the start: a transaction that begins by reading could find itself refused to write."""
    until = monotonic() + LOCK_S
    while not _begins(db, until):
        pass
    with committing(db):
        yield


def _begins(db: sqlite3.Connection, until: float) -> bool:
    try:
        db.execute("begin immediate")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error) or monotonic() >= until:
            raise
        return False
    return True


def _gone(path: Path) -> StoreGone:
    return StoreGone(f"the store {path} was deleted, moved or replaced while it was in use; what is recorded now is not kept there")


def _sync(path: str | Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _connect(where: str, timeout_s: float) -> sqlite3.Connection:
    is_uri = where.startswith("file:")
    db = sqlite3.connect(where, timeout=timeout_s, isolation_level=None, check_same_thread=False, cached_statements=256, uri=is_uri)
    if hasattr(ctypes, "pythonapi"):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(db))  # never finalised, only closed: a forked child must do neither
    return db


def _close(db: sqlite3.Connection) -> None:
    db.close()
    if hasattr(ctypes, "pythonapi"):
        ctypes.pythonapi.Py_DecRef(ctypes.py_object(db))


@contextmanager
def _ending_in_time(db: sqlite3.Connection) -> Iterator[None]:
    """What is read ends when the time for it is over.   Raises: TooSlow."""
    if not deadline.is_set():
        yield
        return
    db.set_progress_handler(deadline.is_over, _INSTRUCTIONS)
    try:
        yield
    except sqlite3.OperationalError as error:
        if "interrupted" in str(error):
            deadline.check()
        raise
    finally:
        db.set_progress_handler(None, 0)


@contextmanager
def _in_our_words(path: Path) -> Iterator[None]:
    """What SQLite and the file system say, as errors of a store."""
    try:
        yield
    except sqlite3.Error as error:
        raise explained(error, path) from error
    except OSError as error:
        raise BackendUnavailable(f"the store {path} cannot be reached: {error}") from error


def explained(error: sqlite3.Error, path: Path) -> BackendError:
    """An error of SQLite as one of a store."""
    words = str(error).lower()
    if any(word in words for word in _DAMAGED):
        return BackendError(
            f"the store {path} is damaged ({error}): set it aside with its -wal and -shm, and put a copy in its place, "
            f'or save what can be read with: sqlite3 "{path}" .recover | sqlite3 recovered.db'
        )
    if isinstance(error, sqlite3.OperationalError) and any(word in words for word in _PASSING):
        if path.exists() and not is_writable(path):
            return BackendUnavailable(f"the store {path} can be read, but not written: it is read-only, or not this user's ({error})")
        return BackendUnavailable(f"the store {path} cannot be used just now: {error}")
    if isinstance(error, sqlite3.OperationalError):
        return BackendError(f"the store {path} does not answer: {error}")
    return RecordRejected(f"the store {path} does not take this: {error}")
