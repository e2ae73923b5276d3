"""What dead processes left behind: applied to the store in their names, once, and removed.

A batch goes to the store until it is applied; one that the store rejects is cut in halves, so that one bad record costs
itself alone. Replaying is safe to be killed and begun again by anyone: the records keep the numbers that they were
stored under, and the store applies each once.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from time import time
from typing import TYPE_CHECKING

from autotrack.errors import BackendError, RecordRejected
from autotrack.guard import guard
from autotrack.recording.liveness import own, owner, was_terminated
from autotrack.recording.mounts import is_network
from autotrack.recording.segments import BOOT, HEADER, HEADER_BYTES, MAGIC, Words
from autotrack.records import AnyRecord, Batch, MetricsLogged, WriterEnded
from autotrack.values import Status

if TYPE_CHECKING:
    from autotrack.backends.protocol import Backend

logger = logging.getLogger("autotrack")

LAST = 1 << 62  # the number of a writer's end: above that of any record
SILENT_S = 3600.0  # a writer on another host is dead after so long without a sign of life
_BATCH = 50_000
_OURS = re.compile(r"[0-9a-f]{16}\.(lock|[0-9]{6,})")


def deliver(batch: Batch, backend: Backend) -> int:
    """Give a batch to the store; return how many of its records the store refused for good.   Raises: BackendUnavailable, StoreGone."""
    try:
        backend.write(batch)
    except RecordRejected as error:
        if len(batch.records) == 1 and batch.records[0].count == 1:
            logger.debug("the store refused %r", batch.records[0], exc_info=error)
            return 1
        return sum(deliver(half, backend) for half in _halves(batch))
    return 0


def _halves(batch: Batch) -> tuple[Batch, Batch]:
    middle = (batch.last - batch.first + 1) // 2
    front: list[AnyRecord] = []
    left = middle
    for record in batch.records:
        if left <= 0:
            break
        front.append(_start(record, left) if isinstance(record, MetricsLogged) and record.count > left else record)
        left -= front[-1].count
    split = batch.first + sum(record.count for record in front)
    return Batch(batch.writer, batch.first, tuple(front)), Batch(batch.writer, split, batch.after(split - 1))


def _start(record: MetricsLogged, count: int) -> MetricsLogged:
    columns = [column[:count] for column in record.columns]
    return MetricsLogged(record.run_id, record.time, record.keys, record.steps[:count], record.times[:count], columns)


def replay(folder: Path, backend: Backend) -> int:
    """Apply what the dead writers of the folder left; return how many of them there were.

    Writers of other processes that are being replayed just now are left to those. Where the store cannot be reached,
    the rest stays for another time. On a network file system the living do not write to the store: what they
    have told so far is applied too.
    """
    done = 0
    is_remote = is_network(folder)
    for writer in _writers(folder):
        with guard("replaying what a dead process left"):
            try:
                with _orphan(folder, writer) as orphan:
                    if orphan is not None:
                        orphan.apply(backend)
                        done += 1
                    elif is_remote:
                        _Orphan(folder, writer).glimpse(backend)
            except BackendError:  # out of reach, gone, or of a newer schema: another time
                return done
    return done


def _writers(folder: Path) -> list[str]:
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    return sorted({name.partition(".")[0] for name in names if _OURS.fullmatch(name)} - own)


@contextlib.contextmanager
def _orphan(folder: Path, writer: str) -> Iterator[_Orphan | None]:
    """The writer's files, locked by us; None if it lives, or if somebody else has them."""
    try:
        fd = os.open(folder / f"{writer}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        yield None  # a folder that we may only read
        return
    try:
        yield _Orphan(folder, writer, "interrupted" if was_terminated(fd) else "lost") if _is_dead(folder, fd) else None
    finally:
        os.close(fd)


def _is_dead(folder: Path, fd: int) -> bool:
    """Whether the owner of the lock file is gone; then the lock is ours."""
    if owner(fd):
        return False
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    status = os.fstat(fd)
    if not status.st_nlink:  # somebody replayed it meanwhile
        return False
    if is_network(folder) and not os.pread(fd, 32, 0).decode("ascii", "replace").startswith(BOOT.hex()):
        return time() - status.st_mtime > SILENT_S  # a lock may not be seen from another host
    return True


class _Orphan:
    """The files of a dead writer."""

    def __init__(self, folder: Path, writer: str, status: Status = "lost") -> None:
        self.folder, self.writer, self.status = folder, writer, status
        self.lock = folder / f"{writer}.lock"
        self.seen = 0.0  # when it was last known to live

    def apply(self, backend: Backend) -> None:
        """Apply its segments, in order, then its end; remove each file when it is in the store."""
        refused = 0
        for path in self._segments():
            for batch in self._batches(path):
                refused += deliver(batch, backend)
            path.unlink(missing_ok=True)
        deliver(Batch(self.writer, LAST, (WriterEnded("", self._died(), self.status),)), backend)
        self.lock.unlink(missing_ok=True)
        if refused:
            logger.warning("autotrack: %d records of a process that had died were not understood by the store and are missing", refused)

    def glimpse(self, backend: Backend) -> None:
        """Apply what a living writer has told so far; its files are its own."""
        for path in self._segments():
            words = believed(path.read_bytes())
            while words is not None:
                first, records = words.read(words.size, _BATCH)
                if not records:
                    break  # not to be skipped: it may be in the midst of writing
                deliver(Batch(self.writer, first, tuple(records)), backend)

    def _segments(self) -> list[Path]:
        numbers = {}
        for path in self.folder.glob(f"{self.writer}.*"):
            if path.suffix[1:].isdigit():
                numbers[int(path.suffix[1:])] = path
        return [numbers[number] for number in sorted(numbers)]

    def _batches(self, path: Path) -> Iterator[Batch]:
        words = believed(path.read_bytes())
        if words is None:
            return
        while True:
            first, records = words.read(words.size, _BATCH)
            if records:
                last = records[-1]
                self.seen = max(self.seen, last.times[-1] if isinstance(last, MetricsLogged) else last.time)
                yield Batch(self.writer, first, tuple(records))
            elif not words.skip_hole(words.size):
                return

    def _died(self) -> float:
        """When it was last known to live, in UTC seconds."""
        with contextlib.suppress(OSError):
            self.seen = max(self.seen, self.lock.stat().st_mtime)
        return min(self.seen, time()) or time()


def believed(content: bytes) -> Words | None:
    """The part of a segment's file that can be believed, or None.

    Of a file of this boot it is all: memory that a process stored into is the file's content, however the process died.
    After a reboot only what was sealed is known to have reached the disk.
    """
    if len(content) < HEADER_BYTES:
        return None
    magic, nonce, number, _, boot, sealed, crc = HEADER.unpack_from(content)
    if magic != MAGIC:
        return None
    if boot != BOOT:
        if sealed > len(content) or zlib.crc32(memoryview(content)[HEADER_BYTES:sealed]) != crc:
            return None
        content = content[:sealed]
    else:
        content = content[: len(content.rstrip(b"\0")) + 7 & ~7]  # a trailer does not end with a zero: what follows was never stored
    return Words(content, float(nonce << 32), number)
