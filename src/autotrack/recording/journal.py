"""The process's journal: what was recorded and is not yet in the store. It is the queue as well; nothing is held twice.

A call of ``log`` stores its numbers into mapped memory, without a lock or a system call, and a call that has returned
survives the death of the process. Everything else (a new key set, the end of a segment, objects) is ``_place``, under a lock.

Without a lock this is right because CPython with its global lock switches threads only at calls and backward jumps, and
runs signal functions there too: between reading ``off`` and storing the new one there is neither.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import itertools
import logging
import mmap
import os
import struct
import threading
import weakref
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from time import time
from typing import Any, Protocol

from autotrack.recording.liveness import Claim, own
from autotrack.recording.mounts import MAPPED, PROBED, file_system_of
from autotrack.recording.segments import (
    FIRST_BYTES,
    HEADER_BYTES,
    KEYS,
    METRICS,
    MOST_KEYS,
    OBJECT,
    SEGMENT_BYTES,
    Appended,
    Segment,
    head,
    layout,
    packed_json,
)
from autotrack.records import AnyRecord, Batch, RunEnded, RunNoted, RunStarted, to_wire
from autotrack.values import checked_step, frozen_number, is_mapping

logger = logging.getLogger("autotrack")

CAP_BYTES = 1 << 30  # of files of one process: some 26 million calls
MOST_MEMORY = 4  # segments in memory when the disk has no room
EXACT = 2**53  # whole numbers beyond it are not all floats

_NAN = float("nan")
_ONE = 40  # bytes of a record of one metric
_Keys = tuple[str, ...]


# How a known key set is stored: its record's size, how to pack it, its head, and the segment (with its memory and base) that has
# the set. All in one tuple, so that a set's number never meets another segment.
_Known = tuple[int, Callable[..., None], float, Segment, mmap.mmap, float]


class Pen(Protocol):
    """``Lane.log``."""

    def __call__(self, metrics: Mapping[str, Any], step: int | None, at: float | None = None, /) -> None: ...


class Lane:
    """What one run logs with. ``steps`` counts for calls that name no step."""

    __slots__ = ("__weakref__", "_journal", "_known", "_last", "_steps", "dropped", "run_id", "segment")

    def __init__(self, journal: Journal, run_id: str, steps: Iterator[int]) -> None:
        self._journal = journal
        self._steps = steps
        self._known: dict[tuple[Any, ...], _Known] = {}
        self._last: tuple[tuple[Any, ...], _Known | None] = ((), None)
        self.run_id = run_id
        self.segment: Segment | None = None  # whose sets are known
        self.dropped = 0  # calls for which there was no room, not yet noted

    def log(self, metrics: Mapping[str, Any], step: int | None, at: float | None = None) -> None:
        """Record metrics at a step; None is the next one. Nested mappings are flattened with ``/``. ``at``: when, in UTC seconds, if not now.

        Raises: TypeError, naming the key and the type of what is not one number; for a step that is no whole number of 64 bits.
        A call that raises has recorded nothing and counted no step.
        """
        try:
            keys = tuple(metrics)
        except TypeError:  # no mapping: said below
            self._slow(metrics, step)
            return
        last, known = self._last  # comparing costs half of hashing
        if keys != last:
            known = self._known.get(keys)
            self._last = keys, known
        if known is None:
            self._slow(metrics, step, at)
            return
        size, pack_into, first, segment, memory, base = known
        values: Collection[Any] = metrics.values()
        if size > 64:  # Beyond four keys a sum is the quickest check: what is no float would make it one of its own kind.
            try:  # It begins with NaN, for then nothing overflows or is invalid, and no library has cause to warn.
                is_plain = type(sum(values, _NAN)) is float
            except (TypeError, ValueError, OverflowError, RuntimeError):
                is_plain = False
            if not is_plain:
                frozen = _frozen(values)
                if frozen is None:
                    self._slow(metrics, step, at)
                    return
                values = frozen
        else:
            for value in values:
                if type(value) is not float:
                    frozen = _frozen(values)
                    if frozen is None:
                        self._slow(metrics, step, at)
                        return
                    values = frozen
                    value = frozen[0]
                    break
        if step is None:
            step = next(self._steps)
        now = time() if at is None else at
        is_settled = False
        try:
            # Reserve first, then look: no call and no jump within the line. One line, for a tracer runs between lines.
            segment.off = end = (off := segment.off) + size
            if end > segment.limit:
                self._refused(segment, off, metrics, step, now)
                is_settled = True
                return
            if size == _ONE:  # without a tuple of arguments to be made
                pack_into(memory, off, first, step, now, value, base + off)
            else:
                pack_into(memory, off, first, step, now, *values, base + off)
            is_settled = True
            return
        except struct.error:
            pass
        finally:
            if not is_settled:  # whatever it was, Ctrl-C too
                self._journal._spoil(segment, off, size)
        self._slow(dict(metrics), step, at)  # says what is wrong with it

    def curve(self, key: str) -> Callable[[float, int], float]:
        """A way in for one metric, where each microsecond counts: ``say(value, step)`` is ``log({key: value}, step)`` of a float.

        It returns the time, which was noted with the value.
        """
        keys, known = (key,), self._known.get((key,))

        def say(value: float, step: int) -> float:
            nonlocal known
            now = time()
            is_settled = False
            if known is not None and type(value) is float:
                _, pack_into, first, segment, memory, base = known
                try:
                    segment.off = end = (off := segment.off) + _ONE  # as in ``log``: one line, for a tracer runs between lines
                    if end <= segment.limit:
                        pack_into(memory, off, first, step, now, value, base + off)
                        is_settled = True
                        return now
                    with self._journal._lock:
                        segment.stop = min(segment.stop, off)
                    is_settled = True
                finally:
                    if not is_settled:
                        self._journal._spoil(segment, off, _ONE)
            self._slow({key: value}, step)
            known = self._known.get(keys)
            return now

        return say

    def _refused(self, segment: Segment, off: int, metrics: Mapping[str, Any], step: int, at: float) -> None:
        """The segment is full, closed, or the parent's: nothing is at ``off`` or beyond it."""
        journal = self._journal
        with journal._lock:
            segment.stop = min(segment.stop, off)
        self._slow(metrics, step, at)

    def _slow(self, metrics: Mapping[str, Any], step: int | None, at: float | None = None) -> None:
        journal = self._journal
        if journal.is_full:
            if step is None:
                next(self._steps)  # what is missing has its place
            self._drop()
            return
        if step is not None:
            step = checked_step(step)
        flat = {key: value if _is_on_device(value) else journal._number(key, value) for key, value in _flattened(metrics).items()}
        if step is None:
            step = next(self._steps)
        now = time() if at is None else at
        for start in range(0, len(flat), MOST_KEYS):
            part = flat if len(flat) <= MOST_KEYS else dict(list(flat.items())[start : start + MOST_KEYS])
            if any(map(_is_on_device, part.values())):
                journal._wait(self, part, step, now)
            else:
                journal._place((self, tuple(part), list(part.values()), step, now))

    def _drop(self) -> None:
        self._known, self._last = {}, ((), None)  # the next one comes here without trying
        self.dropped += 1
        if self.dropped == 1:
            self._journal._lossy.append(self)


_Metrics = tuple[Lane, _Keys, list[float], int, float]


class Attendant(Protocol):
    """Who empties the journal."""

    def start(self) -> None:
        """There is something to do."""

    def before_fork(self) -> None:
        """Be nowhere that a child could not get out of."""

    def in_parent(self) -> None:
        """Go on."""

    def in_child(self) -> None:
        """Begin anew, with nothing of the parent's."""


class Journal:
    """All segments of one process; the lock and the name by which others know whether it lives.

    Any thread records (``lane``, ``put``). One thread at a time reads, acknowledges and tends: the writer's.
    ``folder`` None keeps everything in memory; ``append`` writes with a system call a record instead of mapping.
    """

    def __init__(self, folder: Path | None, *, append: bool = False) -> None:
        self._folder = folder
        self._append = append
        self.attendant: Attendant | None = None
        self._said: set[str] = set()
        self._lock = threading.RLock()
        self.is_stopped = False
        self.open_runs: set[str] = set()  # started here and not ended
        self._fresh()
        _journals.add(self)

    def _fresh(self) -> None:
        """Begin as somebody new: at first, in a forked child, and after a close."""
        self._claim: Claim | None = None
        self._resume = False  # after a fork, to watch for SIGTERM again
        self._writer = os.urandom(8).hex()
        self._segment: Segment | None = None
        self._segments: list[Segment] = []
        self._spare: Segment | None = None
        self._looked_at: tuple[Segment | None, int] = None, 0
        self._last_number = 0
        self._aside: deque[_Metrics | AnyRecord] = deque()
        self._is_placing = False
        self._waiting: deque[tuple[Lane, dict[str, Any], int, float]] = deque()
        self._lossy: deque[Lane] = deque()
        self._pending: Batch | None = None
        self._acknowledged = (0, 0)
        self._last_record = 0
        self.is_full = self.is_stopped

    @property
    def writer(self) -> str:
        """The name of this process in the store: 16 hex digits."""
        return self._writer

    @property
    def has_made_its_place(self) -> bool:
        """Whether the folder was not there that its own is in."""
        return self._claim is not None and self._claim.has_made_place

    @property
    def folder(self) -> Path | None:
        """Where its files are."""
        return self._folder

    @property
    def has_waiting(self) -> bool:
        """Whether values wait for a device."""
        return bool(self._waiting)

    def lane(self, run_id: str, steps: Iterator[int] | None = None) -> Lane:
        """A way in for one run's metrics; ``steps`` are those of calls that name none, 0, 1, … if not given."""
        return Lane(self, run_id, itertools.count() if steps is None else steps)

    def put(self, record: AnyRecord) -> None:
        """Record an object. Never raises for trouble with the disk; an object is never dropped."""
        if self.is_stopped:
            return
        if type(record) is RunStarted:
            self.open_runs.add(record.run_id)
        elif type(record) is RunEnded:
            self.open_runs.discard(record.run_id)
        self._place(record)

    # Writing, under the lock

    def _place(self, entry: _Metrics | AnyRecord) -> None:
        self._aside.append(entry)
        self._settle()
        if self.attendant is not None:
            self.attendant.start()

    def _settle(self) -> None:
        with self._lock:
            if self._is_placing:  # by this very thread, further out: a signal function or finaliser records. The outer call places it
                return
            try:
                self._is_placing = True
                while self._aside:
                    self._place_one(self._aside.popleft())
            finally:
                self._is_placing = False

    def _place_one(self, entry: _Metrics | AnyRecord) -> None:
        if self.is_stopped:
            return
        if isinstance(entry, tuple):
            self._place_metrics(*entry)
            return
        body = packed_json(OBJECT, to_wire(entry))
        while self._segment is None or not self._segment.add(body):
            self._roll(len(body), keep=True)
        self._after_add(self._segment)

    def _place_metrics(self, lane: Lane, keys: _Keys, values: list[float], step: int, now: float) -> None:
        """Store one call, and its key set before it where the segment does not have it."""
        if self.is_full:
            lane._drop()
            return
        packing = layout(len(keys))
        while True:
            segment = self._segment
            number = 0 if segment is None else segment.sets.get((lane.run_id, keys), 0)
            added: bytes | None = None
            if segment is not None and not number:
                number = len(segment.sets) + 1
                added = packed_json(KEYS, {"set": number, "run": lane.run_id, "keys": keys})
                if segment.add(added):
                    segment.sets[lane.run_id, keys] = number
                else:
                    segment = None
            if segment is not None and segment.add(packing.pack(head(number, len(keys), METRICS), step, now, *values, 0.0)[:-8]):
                break
            if not self._roll(packing.size + len(added or packed_json(KEYS, {"set": 1 << 31, "run": lane.run_id, "keys": keys})) + 64, keep=False):
                lane._drop()
                return
        if segment.limit:
            if lane.segment is not segment:
                lane.segment, lane._known = segment, {}
            known = lane._known[keys] = (packing.size, packing.pack_into, head(number, len(keys), METRICS), segment, segment.memory, segment.base)
            lane._last = keys, known
        self._after_add(segment)

    def _after_add(self, segment: Segment) -> None:
        if isinstance(segment, Appended) and segment.trouble is not None:
            self._say_disk(segment.trouble)
            segment.trouble = None

    def _spoil(self, segment: Segment, off: int, size: int) -> None:
        with self._lock:
            segment.spoil(off, size)

    def _roll(self, need: int, *, keep: bool) -> bool:
        """Go on in a new segment that has room for ``need`` bytes; False if there is no room for more metrics.

        With ``keep`` there always is, in memory: ends and parameters are few and must not be lost.
        """
        if self._segment is not None:
            self._segment.close()
        least = -(-(need + HEADER_BYTES + 64) // 4096) * 4096
        segment = None if self.is_full else self._next(max(self._usual_bytes(), least))
        if segment is None:
            if not keep:
                self._say_full()
                return False
            segment = Segment(self._take_number(), max(FIRST_BYTES, least), None)
        if self._spare is not None and self._spare.number < segment.number:  # numbers only rise: it cannot be used later
            self._spare.free()
            self._spare = None
        self._segment = segment
        self._segments.append(segment)
        return True

    def _next(self, size: int) -> Segment | None:
        """The spare, or a new segment in a file, or one in memory; None if the bounds are reached."""
        files = self._file_bytes()
        if files + size > CAP_BYTES:
            return None
        if self._folder is None:
            return Segment(self._take_number(), size, None)
        spare, self._spare = self._spare, None
        if spare is not None:
            if spare.size >= size:
                return spare
            spare.free()
        try:
            return self._file(self._take_number(), size)
        except OSError as error:
            self._say_disk(error)
        if sum(segment.path is None for segment in self._segments) >= MOST_MEMORY:
            return None
        return Segment(self._take_number(), size, None)

    def _usual_bytes(self) -> int:
        """The size of the next segment."""
        return min(FIRST_BYTES << 2 * min(self._last_number, 8), SEGMENT_BYTES)

    def _take_number(self) -> int:
        self._last_number += 1
        return self._last_number

    def _file(self, number: int, size: int) -> Segment:
        assert self._folder is not None
        if self._claim is None:
            self._claim = Claim(self._folder)
            self._writer = self._claim.writer
            kind = file_system_of(str(self._folder))
            self._append = self._append or not (kind in MAPPED or kind in PROBED)
        self._check_room(size)
        path = self._claim.path(f"{number:06d}")
        if self._append:
            return Appended(number, size, path)
        try:
            return Segment(number, size, path)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.EFAULT, errno.ENODEV, errno.ENOSYS):
                raise
        self._append = True  # this file system cannot promise the space: never map it
        return Appended(number, size, path)

    def _check_room(self, size: int) -> None:
        """Leave most of the disk to others: a quarter of what is free is ours.   Raises: OSError."""
        assert self._folder is not None
        disk = os.statvfs(self._folder)
        used = self._file_bytes()
        if used + size > (disk.f_bavail * disk.f_frsize + used) // 4:
            raise OSError(errno.ENOSPC, "less than a quarter of the disk's free space would do", str(self._folder))

    def _file_bytes(self) -> int:
        return sum(segment.size for segment in self._segments if self._folder is None or segment.path is not None)

    # What is told to the user, once each

    def _say_disk(self, error: OSError) -> None:
        if "disk" in self._said:
            return
        self._said.add("disk")
        logger.warning(
            "autotrack cannot write its journal in %s (%s); what is recorded waits in memory and is lost if the process is killed. "
            "Free some space, or set AUTOTRACK_URI to a place that can be written.",
            self._folder,
            error.strerror or error,
        )

    def _say_full(self) -> None:
        self.is_full = True
        if "full" in self._said:
            return
        self._said.add("full")
        logger.warning(
            "autotrack has no more room for metrics that the store has not taken yet (%d MB wait); new ones are dropped and counted "
            "until there is. Is the store in reach, and its disk not full?",
            sum(segment.size for segment in self._segments) >> 20,
        )

    # Reading, by one thread at a time

    def read(self, most: int = 50_000) -> Batch | None:
        """The next records that are not acknowledged; the same batch until it is."""
        while self._pending is None:
            with self._lock:
                segment = self._segments[0] if self._segments else None
            if segment is None:
                return None
            if isinstance(segment, Appended) and not segment.is_loaded and not self._load(segment):
                continue
            first, records = segment.reader.read(segment.end, most)
            if records:
                self._pending = Batch(self._writer, first, tuple(records))
            elif not self._drop_read():
                return None
        return self._pending

    def _load(self, segment: Appended) -> bool:
        """Have a segment in memory again; without it, if somebody took its file away."""
        try:
            segment.load()
        except OSError as error:
            self._say_disk(error)
            with self._lock:
                self._segments.remove(segment)
                segment.free()
            return False
        return True

    def acknowledge(self, batch: Batch) -> None:
        """The batch is in the store: forget it, and remove the segments that are read to their end."""
        assert batch is self._pending
        head_segment = self._segments[0]
        self._acknowledged = (head_segment.number, head_segment.reader.pos)
        self._last_record = batch.last
        self._pending = None
        self._drop_read()

    def _drop_read(self) -> bool:
        dropped = False
        with self._lock:
            while self._segments and self._segments[0].is_read:
                segment = self._segments.pop(0)
                if segment is self._segment:
                    self._segment = None
                segment.free()
                dropped = True
            if dropped:
                self.is_full = self.is_stopped  # there is room again
        return dropped

    def alive(self) -> Batch:
        """An empty batch, a sign of life; and the same sign for who looks at the folder."""
        if self._claim is not None:
            self._claim.touch()
        return Batch(self._writer, self._last_record + 1, ())

    @property
    def has_news(self) -> bool:
        """Whether there is something to read, or in hand."""
        segments = self._segments
        if self._pending is not None or len(segments) > 1:
            return True
        return bool(segments) and segments[0].reader.pos < segments[0].end

    @property
    def is_lost_with_us(self) -> bool:
        """Whether something waits in memory alone, of a journal that is to be in files."""
        if self._folder is None or self.is_stopped or not self.has_news:
            return False
        return any(segment.path is None for segment in self._segments)

    @property
    def is_half_full(self) -> bool:
        """Whether half of what may wait in files does."""
        return self._file_bytes() * 2 > CAP_BYTES

    @property
    def has_segments(self) -> bool:
        """Whether anything is begun: a call may store into it and wake nobody."""
        return bool(self._segments)

    def fills(self) -> bool:
        """Whether an eighth of a segment was filled since this was asked last."""
        segment, (before, off) = self._segment, self._looked_at
        self._looked_at = segment, 0 if segment is None else segment.off
        return segment is not before or (segment is not None and (segment.off - off) * 8 > segment.size)

    @property
    def is_behind(self) -> bool:
        """Whether a second segment has been begun."""
        return len(self._segments) > 1

    def mark(self) -> tuple[int, int]:
        """The place where the next record goes: what was recorded before lies below it."""
        with self._lock:
            return (self._segments[-1].number, self._segments[-1].end) if self._segments else (0, 0)

    def has_passed(self, mark: tuple[int, int]) -> bool:
        """Whether all below the mark is acknowledged."""
        with self._lock:
            if not self._segments or self._segments[0].number > mark[0] or self._acknowledged >= mark:
                return True
            first = self._segments[0]
            return self._pending is None and (first.number, first.reader.pos) >= mark

    # Housekeeping, by the thread that reads

    def tend(self) -> None:
        """Read what waits on devices, lay out the next segment, hold nothing twice."""
        self.read_devices()
        if self._aside:  # of a call that was interrupted (Ctrl-C)
            self._settle()
        self._lay_out()
        self._unload()

    def make_room(self) -> None:
        """Note what was dropped, and look for room again at the next call."""
        if self.is_stopped:
            return
        self._note_dropped()
        self.is_full = False

    def _wait(self, lane: Lane, metrics: dict[str, Any], step: int, now: float) -> None:
        """Keep values that lie on a device, for a thread that may wait for it. Cloned there, since a loop may add to them in place."""
        kept = {key: _detached(value) if _is_on_device(value) else value for key, value in metrics.items()}
        self._waiting.append((lane, kept, step, now))
        if self.attendant is not None:
            self.attendant.start()

    def _number(self, key: str, value: Any) -> float:
        """A value as a float.   Raises: TypeError, naming the key."""
        if not isinstance(value, int) or -EXACT <= value <= EXACT:
            return frozen_number(key, value)
        try:
            number = float(value)
        except OverflowError:
            raise TypeError(f"metric {key!r} is an int of {value.bit_length()} bits; a metric is a 64-bit float") from None
        if int(number) != value and "inexact" not in self._said:
            self._said.add("inexact")
            logger.warning("autotrack: metric %r: whole numbers beyond 2**53 are kept as the nearest 64-bit float (%.17g)", key, number)
        return number

    def read_devices(self) -> None:
        """Journal the values that waited on a device."""
        while self._waiting:
            lane, metrics, step, now = self._waiting[0]  # taken off when it is journalled: a flush waits for that
            keys: list[str] = []
            values: list[float] = []
            for key, value in metrics.items():
                try:
                    values.append(frozen_number(key, value))
                except TypeError as error:
                    self._say_unread(error)
                else:
                    keys.append(key)
            if keys:
                self._place((lane, tuple(keys), values, step, now))
            self._waiting.popleft()

    def _say_unread(self, error: TypeError) -> None:
        if "device" not in self._said:
            self._said.add("device")
            logger.warning("autotrack could not read a value from its device: %s", error)

    def _note_dropped(self) -> None:
        """Store with each run how many of its calls are missing."""
        for _ in range(len(self._lossy)):
            lane = self._lossy.popleft()
            count = lane.dropped
            self.put(RunNoted(lane.run_id, time(), "dropped", count))
            lane.dropped -= count
            if lane.dropped:
                self._lossy.append(lane)

    def _lay_out(self) -> None:
        """Have the next file ready when this one is half full, so that a caller only swaps (0.2 ms at most, else 3)."""
        segment, claim = self._segment, self._claim
        if segment is None or segment.path is None or self._append or self._spare is not None or segment.off * 2 < segment.size:
            return
        size = self._usual_bytes()
        if claim is None or self._file_bytes() + size > CAP_BYTES:
            return
        with self._lock:
            number = self._take_number()
        try:
            self._check_room(size)
            spare = Segment(number, size, claim.path(f"{number:06d}"))
        except OSError:
            return  # whoever needs it will meet the same, and say it
        with self._lock:
            if self._segment is segment and self._spare is None:
                self._spare = spare
                return
        spare.free()

    def _unload(self) -> None:
        """Let go of what is in memory beside its file, of segments that wait."""
        with self._lock:
            waiting = [segment for segment in self._segments[1:] if isinstance(segment, Appended) and segment.closed]
        for segment in waiting:
            if segment.is_loaded and segment.is_complete:
                with contextlib.suppress(OSError):
                    segment.seal()
                with self._lock:
                    segment.unload()

    def seal(self) -> None:
        """Have what waits reach the disk, so that it outlasts a power cut; costs its writing."""
        with self._lock:
            segments = list(self._segments)
        for segment in segments:
            if segment.path is not None and not (isinstance(segment, Appended) and not segment.is_loaded):
                with contextlib.suppress(OSError):
                    if segment.seal():
                        segment.sync()

    def retire(self) -> None:
        """Close the current segment; the next record begins another."""
        with self._lock:
            if self._segment is not None:
                self._segment.close()
            spare, self._spare = self._spare, None
        if spare is not None:
            spare.free()

    def close(self) -> bool:
        """Begin anew if all is acknowledged: no file is left. Else leave what there is to be replayed when the process is gone."""
        self.retire()
        self._drop_read()
        with self._lock:
            claim = self._claim
            if self._segments or self._aside or self._waiting:
                return False
            if self.open_runs:
                return True  # the lock says how their process ends
            if claim is not None:
                claim.release()
            self._fresh()
        return True

    def stop(self) -> None:
        """The store is gone: take nothing more, and keep nothing."""
        with self._lock:
            self.is_stopped = True
            for segment in self._segments:
                segment.close()
                segment.unlink()  # not unmapped: a thread may be storing
                if isinstance(segment, Appended):
                    segment.free()
            if self._spare is not None:
                self._spare.free()
            if self._claim is not None:
                self._claim.release()
            self._fresh()

    def _in_child(self) -> None:
        """After a fork: nothing of the parent's is written to; an own name, lock and segment at the first record."""
        for segment in [*self._segments, *([self._spare] if self._spare is not None else [])]:
            segment.limit = segment.stop = 0
            segment.closed = segment.freed = True
            segment.abandon()
        if self._claim is not None:
            self._claim.abandon()
        self._lock = threading.RLock()
        self.open_runs = set()
        self._fresh()
        if self.attendant is not None:
            self.attendant.in_child()


_journals: weakref.WeakSet[Journal] = weakref.WeakSet()  # for forks only


def _before_fork() -> None:
    for journal in list(_journals):
        if journal.attendant is not None:
            journal.attendant.before_fork()
        if journal._claim is not None:
            journal._resume = journal._claim.pause()


def _in_parent() -> None:
    for journal in list(_journals):
        if journal._resume and journal._claim is not None:
            journal._claim.watch()
        if journal.attendant is not None:
            journal.attendant.in_parent()


def _in_child() -> None:
    own.clear()
    for journal in list(_journals):
        journal._in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)


def _flattened(metrics: Mapping[str, Any]) -> dict[str, Any]:
    if not is_mapping(metrics):
        raise TypeError(f"metrics are a mapping from names to numbers, not a {type(metrics).__name__}") from None
    flat: dict[str, Any] = {}
    _flatten(metrics, "", flat, 0)
    return flat


def _flatten(metrics: Mapping[str, Any], prefix: str, flat: dict[str, Any], depth: int) -> None:
    for key, value in metrics.items():
        if not isinstance(key, str) or not key:
            raise TypeError(f"a metric's name is text that is not empty, not {key!r}")
        if is_mapping(value):
            if depth > 30:
                raise TypeError(f"metric {prefix + key!r} is nested too deep")
            _flatten(value, f"{prefix}{key}/", flat, depth + 1)
        else:
            flat[prefix + key] = value


@functools.lru_cache(maxsize=256)
def _is_plain(kind: type) -> bool:
    """Whether it is a real NumPy scalar."""
    return kind.__module__ == "numpy" and kind.__name__.startswith(("float", "int", "uint", "bool", "longdouble", "longlong", "ulonglong"))


def _frozen(values: Collection[Any]) -> list[float] | None:
    """The values as floats, or None where one needs a closer look."""
    frozen: list[float] = []
    for value in values:
        kind = type(value)
        if kind is float:
            frozen.append(value)
        elif kind is int or kind is bool:
            if not -EXACT <= value <= EXACT:
                return None
            frozen.append(float(value))
        elif _is_plain(kind):  # type: ignore[arg-type]  # a type is hashable
            frozen.append(float(value))
        elif getattr(getattr(value, "device", None), "type", "") == "cpu":  # a tensor; item() says nothing about gradients, float() would
            try:
                frozen.append(float(value.item()))
            except (RuntimeError, TypeError, ValueError):
                return None
        else:
            return None
    return frozen


def _is_on_device(value: Any) -> bool:
    """Whether reading the value would wait for a device: a tensor that is not on the CPU."""
    if type(value) is float:
        return False
    device = getattr(value, "device", None)
    kind = getattr(device, "type", None) or getattr(device, "platform", "cpu")
    return kind != "cpu"


def _detached(value: Any) -> Any:
    for step in ("detach", "clone"):
        if hasattr(value, step):
            value = getattr(value, step)()
    return value
