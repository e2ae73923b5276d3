"""Files that a program saves while its run is open: each is told by its content, the newest and the best are kept.

All of it is done by the thread of the uploads; whoever saves pays for opening the file. A file that was changed or written over
before it was read whole is told without its content, and says so. One that was renamed in its folder since, as whoever writes
``model.pt.tmp`` first does, goes by its new name. What is kept lies in the staging folder until the run ends, with a note for whoever
opens the store after a death; then it goes the way of all artifacts.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import stat
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep, time
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from autotrack.artifacts import CHUNK
from autotrack.guard import guard
from autotrack.recording import tables
from autotrack.values import cut

if TYPE_CHECKING:
    from autotrack.recording.tracker import Tracker

KIND = "checkpoint"
TABLE = "checkpoints.jsonl"
MOST_BYTES = 4 << 30  # of a file that is kept
MOST_ROWS = 10_000
MOST_OPEN = 16  # files that wait, open; others are opened when it is their turn, if they are there and unchanged
CLOSING_S = 1.0  # for which a file that was handed over open is awaited
LOOK_S = 0.02
OVER = "written over"


class State(NamedTuple):
    """Of a file: which it is, and whether it is as it was."""

    device: int
    number: int
    size: int
    changed_ns: int


@dataclass(slots=True)
class Saved:
    """One file, as it was when it was saved."""

    path: str
    step: int
    name: str  # what it is kept as
    score: float | None  # lower is better; None where nothing was evaluated
    about: dict[str, Any]
    time: float
    file: BinaryIO | None = None
    was: State | None = None
    waits: bool = False  # open, from when it was saved on
    still: Callable[[], Any] | None = None  # a weak reference to a file that the program has not closed yet
    digest: str | None = None
    unread: str | None = None  # why there is no digest
    note: Path | None = None  # of the copy that is kept

    def row(self) -> dict[str, Any]:
        size = None if self.was is None else self.was.size
        about = {"path": cut(self.path, 4_000), "step": self.step, **self.about, "size": size, "digest": self.digest, "unread": self.unread}
        return {key: value for key, value in {**about, "time": self.time}.items() if value is not None}

    def meta(self, *, is_best: bool) -> dict[str, Any]:
        return {**self.about, "path": cut(self.path, 4_000), **({"best": True} if is_best else {})}


@dataclass(slots=True)
class _Kept:
    newest: Saved | None = None
    best: Saved | None = None
    rows: list[Saved] = field(default_factory=list)


class Checkpoints:
    """Those of one run."""

    def __init__(self, tracker: Tracker, run_id: str, before: str | None = None) -> None:
        """``before``: the digest of the table that the run has from an earlier process, or from earlier in this one."""
        self._tracker = tracker
        self._run_id = run_id
        self._before = before
        self._kept = _Kept()
        self._listed = 0  # rows of the table in the store
        self._open = 0
        self._is_over = False

    def saved(self, path: str, *, step: int, score: float | None, about: dict[str, Any], name: str = "", file: Any = None) -> None:
        """A file was saved. ``file``: the program's own, if it is open still."""
        each = Saved(path, step, name or os.path.basename(path), score, about, time())
        if file is not None:
            with contextlib.suppress(TypeError):
                each.still = weakref.ref(file)
        with contextlib.suppress(OSError):
            each.was = _state(path)
            if each.was is not None and self._open < MOST_OPEN:
                each.file = open(path, "rb")  # noqa: SIM115 - read and closed by the thread: the file may be renamed or removed until then
                each.waits = True
                self._open += 1
        self._tracker.uploads.later(functools.partial(self._look, each))

    def finish(self) -> None:
        """The run has ended: what is kept goes into the store, and the table of all of them."""
        self._tracker.uploads.later(self._settle)

    def _look(self, each: Saved) -> None:
        try:
            each.unread = self._reopened(each) or self._read(each)
        finally:
            if each.file is not None:
                each.file.close()
            self._open -= each.waits
        if len(self._kept.rows) < MOST_ROWS:
            self._kept.rows.append(each)
        if self._is_over:
            self._settle()

    def _reopened(self, each: Saved) -> str | None:
        """Have it open, and know how it was when it was whole; else why not."""
        if each.was is None:
            return "no file"
        if each.still is not None and not _is_closed(each.still):
            return "not closed yet"
        if each.still is not None and each.file is not None:
            each.was = _state(each.file.fileno()) or each.was
        follow(each, Folders())
        try:
            if each.file is None:
                each.file = open(each.path, "rb")  # noqa: SIM115 - closed by the caller
        except FileNotFoundError:
            return "gone"
        except OSError as error:
            return error.strerror
        now = _state(each.file.fileno())
        if each.still is not None and now is not None and now[:2] == each.was[:2]:
            each.was = now
        return None if now == each.was else OVER

    def _read(self, each: Saved) -> str | None:
        """Its digest, and a copy, if it is to be kept; else why not."""
        assert each.file is not None
        assert each.was is not None
        kept, best = self._kept, self._kept.best
        is_best = each.score is not None and (best is None or best.score is None or each.score < best.score)
        digest = hashlib.sha256()
        uploads = self._tracker.uploads
        if self._tracker.settings.checkpoints and each.was.size <= MOST_BYTES:
            write = functools.partial(_copied, each.file, digest)
            each.note = uploads.stage(self._run_id, write, f"checkpoints/{each.name}", KIND, each.step, each.meta(is_best=is_best))
        else:
            _copied(each.file, digest, None)
        if _state(each.file.fileno()) != each.was:
            if each.note is not None:
                uploads.drop(each.note)
                each.note = None
            return OVER
        each.digest = f"sha256:{digest.hexdigest()}"
        if each.note is None:
            return None
        before = [kept.newest, kept.best]
        kept.newest = each
        if is_best:
            kept.best = each
        for other in before:
            if other is not None and other is not kept.newest and other is not kept.best and other.note is not None:
                uploads.drop(other.note)
                other.note = None
        return None

    def _settle(self) -> None:
        self._is_over = True
        kept = self._kept
        folders = Folders()
        for each in kept.rows:
            if follow(each, folders) and each.note is not None:
                self._tracker.uploads.rename(each.note, f"checkpoints/{each.name}", each.meta(is_best=each is kept.best))
        for saved in (kept.best, kept.newest if kept.newest is not kept.best else None):
            if saved is not None and saved.note is not None:
                self._tracker.uploads.upload(saved.note)
                saved.note = None
        if len(kept.rows) > self._listed:
            self._listed = len(kept.rows)
            rows = [*self._earlier(), *tables.frozen([each.row() for each in kept.rows])]
            self._tracker.uploads.upload_bytes(self._run_id, *tables.written(rows[-MOST_ROWS:]), TABLE, "table")

    def _earlier(self) -> list[dict[str, Any]]:
        if self._before is None:
            return []
        with guard("reading the table of earlier checkpoints"), self._tracker.artifacts.open(self._before) as file:
            return [json.loads(line) for line in file]
        return []


class Folders(dict[str, dict[str, int]]):
    """The names in folders, with the numbers of their files; each folder is read once."""

    def __missing__(self, folder: str) -> dict[str, int]:
        held: dict[str, int] = {}
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            held = {entry.name: entry.inode() for entry in entries}
        self[folder] = held
        return held


def follow(each: Saved, folders: Folders) -> bool:
    """Whether a file goes by a new name from here on: its own is gone, and beside it lies the file, as it was."""
    if each.was is None or os.path.lexists(each.path):
        return False
    folder, old = os.path.split(each.path)
    for name, number in folders[folder].items():
        if number != each.was.number:
            continue
        with contextlib.suppress(OSError):
            if _state(os.path.join(folder, name)) == each.was:
                each.path, each.name = os.path.join(folder, name), name if each.name == old else each.name
                return True
    return False


def _is_closed(still: Callable[[], Any]) -> bool:
    """Whether the program has closed the file that it wrote to; it is awaited for a moment."""
    until = monotonic() + CLOSING_S
    while (file := still()) is not None and not file.closed:
        del file
        if monotonic() > until:
            return False
        sleep(LOOK_S)
    return True


def _state(path: str | int) -> State | None:
    """Of a path, or of an open file; None if it is no regular one.   Raises: OSError."""
    about = os.stat(path)
    return State(about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns) if stat.S_ISREG(about.st_mode) else None


def _copied(file: BinaryIO, digest: Any, sink: Any) -> None:
    """Read all of a file, into a sink if there is one."""
    while block := file.read(CHUNK):
        digest.update(block)
        if sink is not None:
            sink.write(block)
