"""Files that a program saves while its run is open: each is told by its content, the newest and the best are kept.

All of it is done by the thread of the uploads; whoever saves pays for opening the file. A file that was changed or written over
before it was read whole is told without its content. What is kept lies in the staging folder until the run ends, with a note for whoever
opens the store after a death; then it goes the way of all artifacts.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep, time
from typing import TYPE_CHECKING, Any, BinaryIO

from autotrack.artifacts import CHUNK
from autotrack.recording import tables
from autotrack.values import cut

if TYPE_CHECKING:
    from autotrack.recording.tracker import Tracker

KIND = "checkpoint"
TABLE = "checkpoints.jsonl"
MOST_BYTES = 4 << 30  # of a file that is kept
MOST_ROWS = 10_000
MOST_OPEN = 16  # files that wait, open; of others only the path is told
CLOSING_S = 1.0  # for which a file that was handed over open is awaited
LOOK_S = 0.02


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
    was: tuple[int, int] | None = None  # size and time of its last change
    still: Callable[[], Any] | None = None  # a weak reference to a file that the program has not closed yet
    size: int | None = None
    digest: str | None = None
    note: Path | None = None  # of the copy that is kept


@dataclass(slots=True)
class _Kept:
    newest: Saved | None = None
    best: Saved | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)


class Checkpoints:
    """Those of one run."""

    def __init__(self, tracker: Tracker, run_id: str) -> None:
        self._tracker = tracker
        self._run_id = run_id
        self._kept = _Kept()
        self._open = 0
        self._is_over = False

    def saved(self, path: str, *, step: int, score: float | None, about: dict[str, Any], name: str = "", file: Any = None) -> None:
        """A file was saved. ``file``: the program's own, if it is open still."""
        each = Saved(path, step, name or os.path.basename(path), score, about, time())
        if file is not None:
            with contextlib.suppress(TypeError):
                each.still = weakref.ref(file)
        elif self._open < MOST_OPEN:
            with contextlib.suppress(OSError):
                each.file = open(path, "rb")  # noqa: SIM115 - read and closed by the thread: the file may be renamed or removed until then
                each.was = _state(each.file)
                self._open += 1
        self._tracker.uploads.later(functools.partial(self._look, each))

    def finish(self) -> None:
        """The run has ended: what is kept goes into the store, and the table of all of them."""
        self._tracker.uploads.later(self._settle)

    def _look(self, each: Saved) -> None:
        try:
            self._wait_for(each)
            if each.file is not None:
                self._read(each)
        finally:
            if each.file is not None:
                each.file.close()
                self._open -= each.still is None
        if len(self._kept.rows) < MOST_ROWS:
            about = {"path": cut(each.path, 4_000), "step": each.step, **each.about, "size": each.size, "digest": each.digest, "time": each.time}
            self._kept.rows.append({key: value for key, value in about.items() if value is not None})
        if self._is_over:
            self._settle()

    def _wait_for(self, each: Saved) -> None:
        """Until the program has closed the file that it wrote to."""
        if each.still is None:
            return
        until = monotonic() + CLOSING_S
        while (file := each.still()) is not None and not file.closed:
            del file
            if monotonic() > until:
                return
            sleep(LOOK_S)
        with contextlib.suppress(OSError):
            each.file = open(each.path, "rb")  # noqa: SIM115 - closed by the caller
            each.was = _state(each.file)

    def _read(self, each: Saved) -> None:
        """Its digest; and a copy, if it is to be kept."""
        assert each.file is not None
        each.size = each.was[0] if each.was is not None else None
        kept, best = self._kept, self._kept.best
        is_best = each.score is not None and (best is None or best.score is None or each.score < best.score)
        digest = hashlib.sha256()
        uploads = self._tracker.uploads
        if self._tracker.settings.checkpoints and each.size is not None and each.size <= MOST_BYTES:
            meta = {**each.about, "path": cut(each.path, 4_000), **({"best": True} if is_best else {})}
            name = f"checkpoints/{each.name}"
            each.note = uploads.stage(self._run_id, functools.partial(_copied, each.file, digest), name, KIND, each.step, meta)
        else:
            _copied(each.file, digest, None)
        if _state(each.file) != each.was:  # it was written over meanwhile
            if each.note is not None:
                uploads.drop(each.note)
                each.note = None
            return
        each.digest = f"sha256:{digest.hexdigest()}"
        if each.note is None:
            return
        before = [kept.newest, kept.best]
        kept.newest = each
        if is_best:
            kept.best = each
        for other in before:
            if other is not None and other is not kept.newest and other is not kept.best and other.note is not None:
                uploads.drop(other.note)
                other.note = None

    def _settle(self) -> None:
        self._is_over = True
        kept, self._kept = self._kept, _Kept()
        for saved in (kept.best, kept.newest if kept.newest is not kept.best else None):
            if saved is not None and saved.note is not None:
                self._tracker.uploads.upload(saved.note)
        if kept.rows:
            self._tracker.uploads.upload_bytes(self._run_id, *tables.written(tables.frozen(kept.rows)), TABLE, "table")


def _state(file: BinaryIO) -> tuple[int, int]:
    about = os.fstat(file.fileno())
    return about.st_size, about.st_mtime_ns


def _copied(file: BinaryIO, digest: Any, sink: Any) -> None:
    """Read all of a file, into a sink if there is one."""
    while block := file.read(CHUNK):
        digest.update(block)
        if sink is not None:
            sink.write(block)
