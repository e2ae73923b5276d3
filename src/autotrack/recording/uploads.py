"""Files on their way into the artifact store, and whatever else is done once in the background.

``log_artifact`` copies the file into a staging folder of this process and returns. One thread then hashes it, moves it
into the store by its content, and tells the run; it ends when there is nothing to do. Beside each staged file lies a note
of what it is (``.json``). After a death whoever opens the store next does the rest, each file once: the folder's lock tells
who is alive, and the note's name holds the digest from before the move on.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import itertools
import json
import os
import queue
import shutil
import stat
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from time import sleep, time
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

from autotrack.artifacts import CHUNK, ArtifactStore, checked_name, digest_of
from autotrack.backends.accept import to_ms
from autotrack.errors import BackendError, BackendUnavailable, RunNotFound
from autotrack.guard import guard
from autotrack.recording import environment
from autotrack.recording.mounts import is_network
from autotrack.recording.replay import replay
from autotrack.records import ArtifactStored, Batch

if TYPE_CHECKING:
    from autotrack.backends.protocol import Backend
    from autotrack.recording.tracker import Tracker

try:
    import fcntl
except ImportError:  # not everywhere; there nobody recovers what others staged
    fcntl = None  # type: ignore[assignment]

IDLE_S = 1.0  # after which the thread ends
GATHER_S = 0.02  # a loop of quick fits wakes the thread once for many
ABANDONED_S = 60.0  # a staging folder without a lock is being made, or if it is older a leftover
LOCK = "lock"
REFUSALS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}  # of a disk that is full, or read-only

Task = Callable[[], None]


class Uploads:
    """The background thread of a tracker. Every method may be called from any thread."""

    tokens: ClassVar[set[str]] = set()  # staging folders of this process: opening their locks would drop them

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._queue: queue.SimpleQueue[Task] = queue.SimpleQueue()
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._noted: deque[str] = deque()  # runs that do not know their environment yet
        self._gathering = threading.Lock()  # held while a task for them waits
        self._numbers = itertools.count()
        self._staging: Path | None = None
        self._lock_file: int | None = None
        self._queue.put(self._recover)

    def note_environment(self, run_id: str) -> None:
        """Tell a run where it runs, as soon as that is known."""
        self._noted.append(run_id)
        if self._gathering.acquire(blocking=False):  # else the task that takes them all is on its way
            self._soon(self._note_environments)

    def take_file(self, run_id: str, source: Path, name: str, *, kind: str, step: int | None = None) -> None:
        """Stage a copy of a file.   Raises: OSError if it cannot be read."""
        about = source.stat()
        if not stat.S_ISREG(about.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(source))
        with source.open("rb") as file:
            self._take(run_id, functools.partial(copy, file), name, kind, step, {})

    def take_bytes(self, run_id: str, content: bytes | bytearray, name: str, *, kind: str, meta: dict[str, Any] | None = None) -> None:
        """Stage a file of this content."""
        self._take(run_id, lambda sink: sink.write(content), name, kind, None, meta or {})

    def take_soon(self, run_id: str, make: Callable[[], tuple[bytes, dict[str, Any]]], name: str, *, kind: str) -> None:
        """As ``take_bytes`` of a content and its meta that the thread makes: for who must not be kept waiting. A kill meanwhile loses it."""

        def take() -> None:
            self.upload_bytes(run_id, *make(), name, kind)

        self._soon(take)

    def draft(self) -> tempfile.TemporaryDirectory[str]:
        """A folder for files in the making, where ``take_draft`` needs not copy them.   Raises: OSError, BackendUnavailable if it cannot be made."""
        return tempfile.TemporaryDirectory(prefix="draft-", dir=self._place(), ignore_cleanup_errors=True)

    def take_draft(self, run_id: str, source: Path, name: str, *, kind: str, step: int | None) -> None:
        """Stage a file that was made in ``draft()``: it is moved, unless it is a link to a file that somebody else has as well."""
        if source.is_symlink() or source.stat().st_nlink > 1:
            self.take_file(run_id, source, name, kind=kind, step=step)
            return
        with guard("keeping an artifact"):
            path = self._place() / f"{next(self._numbers)}.file"
            os.replace(source, path)
            self.later(functools.partial(self.upload, self._annotated(path, run_id, name, kind, step, {})))

    def rename(self, note: Path, name: str, meta: dict[str, Any]) -> None:
        """Have a file that was held go by another name."""
        _write_whole(note, {**json.loads(note.read_text()), "name": name, "meta": meta})

    def drop(self, note: Path) -> None:
        """Forget a file that was held."""
        note.unlink(missing_ok=True)
        note.with_suffix(".file").unlink(missing_ok=True)

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until all that was asked so far is done; False if it took longer."""
        done = threading.Event()
        self.later(done.set)
        return done.wait(timeout_s)

    def close(self, timeout_s: float = 5.0) -> bool:
        """Finish what is waiting, then end the thread."""
        finished = self.flush(timeout_s)
        thread = self._thread
        if thread is not None and finished:
            self._queue.put(_stop)
            thread.join(timeout_s)
        with self._lock:
            if finished and self._staging is not None:
                self._let_go()
        return finished

    def later(self, task: Task) -> None:
        """Have something done by the thread. What a task adds itself comes after a flush that waits for the task."""
        self._queue.put(task)
        if self._thread is None:
            self._start()

    def _soon(self, task: Task) -> None:
        """As ``later``; the thread is started by another one, for that takes 0.2 ms."""
        self._queue.put(task)
        if self._thread is None and not self._tracker.writer.soon(self._start):
            self._start()

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None or self._queue.empty():
                return
            thread = threading.Thread(target=self._work, name="autotrack-uploads", daemon=True)
            self._thread = thread
            try:
                thread.start()
                return
            except RuntimeError:  # the interpreter is ending: no new threads
                self._thread = None
        while True:
            try:
                self._do(self._queue.get_nowait())
            except queue.Empty:
                return

    def _work(self) -> None:
        while True:
            try:
                task = self._queue.get(timeout=IDLE_S)
            except queue.Empty:
                task = _stop
            if task is not _stop:
                self._do(task)
                continue
            with self._lock:
                if self._queue.empty():
                    self._thread = None
                    return

    def _do(self, task: Task) -> None:
        with guard("working in the background"):
            task()

    def _note_environments(self) -> None:
        sleep(GATHER_S)
        self._gathering.release()
        while self._noted:
            with guard("reading the environment"):
                environment.tell(self._tracker, self._noted.popleft())

    def _recover(self) -> None:
        local = self._tracker.local
        if local is not None and not is_network(local):  # there only who reads touches the store
            recover(local / "staging", self._tracker.backend, self._tracker.artifacts)

    # Staging

    def _take(self, run_id: str, write: Callable[[Any], object], name: str, kind: str, step: int | None, meta: dict[str, Any]) -> None:
        with guard("keeping an artifact"):
            self.later(functools.partial(self.upload, self.stage(run_id, write, name, kind, step, meta)))

    def stage(self, run_id: str, write: Callable[[Any], object], name: str, kind: str, step: int | None, meta: dict[str, Any]) -> Path:
        """Stage a file; its note, for ``upload`` or ``drop``. After a death it is brought into the store."""
        path = self._place() / f"{next(self._numbers)}.file"
        try:
            with path.open("xb") as sink:
                write(sink)
        except OSError as error:
            path.unlink(missing_ok=True)  # no room is left for what nobody will take further
            raise self._explained(error, name) from error
        return self._annotated(path, run_id, name, kind, step, meta)

    def _annotated(self, path: Path, run_id: str, name: str, kind: str, step: int | None, meta: dict[str, Any]) -> Path:
        """Write beside a staged file what it is."""
        note = path.with_suffix(".json")
        about = {"run_id": run_id, "name": name, "kind": kind, "step": step, "meta": meta, "time": time()}
        _write_whole(note, {**about, "writer": self._tracker.journal.writer})
        return note

    def _place(self) -> Path:
        """The staging folder of this process, with a lock on it for as long as it lives."""
        with self._lock:
            if self._staging is None:
                token = os.urandom(8).hex()
                self.tokens.add(token)
                made = self._tracker.folder / "staging" / f".{token}"  # by this name nobody looks at it
                try:
                    made.mkdir(parents=True, mode=0o700)
                except OSError as error:
                    raise self._explained(error) from error
                self._lock_file = os.open(made / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                if fcntl is not None:
                    fcntl.lockf(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._staging = made.rename(made.with_name(token))
            return self._staging

    def _explained(self, error: OSError, name: str = "") -> Exception:
        """The error of a file; that of a place which takes no files is the same sentence for all of them."""
        if error.errno not in REFUSALS:
            return OSError(error.errno, f"{error.strerror} ({name!r})") if name else error
        return BackendUnavailable(
            f"no file can be kept in {self._tracker.folder} ({error.strerror}). Free some space, or set AUTOTRACK_URI to a place that can be written."
        )

    def _let_go(self) -> None:
        """Remove the staging folder, if all of it is done."""
        staging, self._staging = self._staging, None
        if staging is not None and not any(staging.glob("*.json")):
            _remove(staging)
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None
        if staging is not None:
            self.tokens.discard(staging.name)

    def upload_bytes(self, run_id: str, content: bytes, meta: dict[str, Any], name: str, kind: str) -> None:
        """Bring a file of this content into the store, in this thread."""
        self.upload(self.stage(run_id, lambda sink: sink.write(content), name, kind, None, meta))

    def upload(self, note: Path) -> None:
        """Bring a staged file into the store, in this thread."""
        record, note = stored(note, self._tracker.artifacts)
        if record is not None:
            self._tracker.journal.put(record)
        note.unlink(missing_ok=True)


def copy(source: BinaryIO, sink: BinaryIO) -> None:
    """All that is left of an open file."""
    while block := source.read(CHUNK):
        sink.write(block)


def _remove_if_old(folder: Path) -> None:
    """Remove a folder that somebody began to make and did not finish."""
    try:
        age_s = time() - folder.stat().st_mtime
    except OSError:
        return  # finished, or removed by another
    if age_s > ABANDONED_S:
        _remove(folder)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _stop() -> None:
    """The task after which the thread ends."""


def _write_whole(path: Path, value: dict[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(value))
    os.replace(partial, path)


def stored(note: Path, artifacts: ArtifactStore) -> tuple[ArtifactStored | None, Path]:
    """Bring a staged file into the store; what its run is to be told (None: the file is not there), and the note's new place."""
    about = json.loads(note.read_text())
    number, *digests = note.name.removesuffix(".json").split(".")
    path = note.with_name(f"{number}.file")
    if digests:  # somebody died after the move, or just before it
        digest = f"sha256:{digests[0]}"
    elif path.exists():
        digest, _ = digest_of(path)
        marked = note.with_name(f"{number}.{digest.removeprefix('sha256:')}.json")
        os.replace(note, marked)
        note = marked
    else:
        return None, note
    if path.exists():
        artifacts.take_file(path, digest)
    elif not artifacts.has(digest):
        return None, note
    name, kind, step = checked_name(about["name"]), about["kind"], about["step"]
    return ArtifactStored(about["run_id"], about["time"], name, digest, artifacts.size(digest), kind, step, about["meta"]), note


def recover(staging: Path, backend: Backend, artifacts: ArtifactStore) -> int:
    """Finish what dead processes had staged, in the order in which they did; how many files that were.

    What the journal of such a process holds comes before: it knows of the files that were done, and of how its runs ended.
    """
    count = 0
    with _recovering.lock:
        for folder in _left_behind(staging):
            notes = sorted(folder.glob("*.json"), key=_number)
            if notes:
                replay(staging.parent / "journal", backend)
            for note in notes:
                with guard("recovering a staged artifact"):
                    if _is_told_later(note, staging.parent / "journal"):
                        break
                    record, note = stored(note, artifacts)
                    if record is not None:
                        count += _tell(record, backend)
                    note.unlink(missing_ok=True)
            if not any(folder.glob("*.json")):
                _remove(folder)
    return count


class _Recovering:
    """One thread of this process at a time: to the other the lock of a folder is no hindrance."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def after_fork(self) -> None:
        self.lock = threading.Lock()


_recovering = _Recovering()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_recovering.after_fork)


def _number(note: Path) -> int:
    return int(note.name.partition(".")[0])


def _is_told_later(note: Path, journal: Path) -> bool:
    """Whether the note's process has a journal yet: another process is replaying it, or the store takes nothing just now."""
    writer = json.loads(note.read_text()).get("writer")
    return bool(writer) and any(path.suffix[1:].isdigit() for path in journal.glob(f"{writer}.*"))


def _left_behind(staging: Path) -> Iterator[Path]:
    """Staging folders whose process is gone; locked by us while they are in use."""
    if fcntl is None or not staging.is_dir():
        return
    for folder in sorted(staging.iterdir()):
        if folder.name in Uploads.tokens:
            continue
        if folder.name.startswith("."):
            _remove_if_old(folder)
            continue
        try:
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            _remove_if_old(folder)
            continue
        except OSError:
            continue  # of somebody else
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            continue  # alive, or being recovered by another
        try:
            if (folder / LOCK).exists():
                yield folder
        finally:
            os.close(lock)


def _tell(record: ArtifactStored, backend: Backend) -> int:
    """Tell a run of a file, once."""
    with contextlib.suppress(RunNotFound):
        if any((a.name, a.digest, to_ms(a.time)) == (record.name, record.digest, to_ms(record.time)) for a in backend.run(record.run_id).artifacts):
            return 0
    for pause_s in (0.1, 0.5, 2.0, None):
        try:
            backend.write(Batch(os.urandom(8).hex(), 1, (record,)))
            return 1
        except BackendError:
            if pause_s is None:
                raise
            sleep(pause_s)
    return 0
