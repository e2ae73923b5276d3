"""The journal's segments: 8-byte words that are written by storing and read as columns.

A segment is a header of eight words and then records. A record is head, body, trailer:

* head: u32 (number of the key set, length in bytes, or length in words), u16 count of values, u16 kind;
* body: for metrics the step (i64), the time (f64) and the values (f64 each); for an object or a key set, JSON padded with zeros;
* trailer: the float ``nonce * 2**32 + offset of the head``. It is stored last, so where it stands the record is whole.

A file is never used twice: a new one is all zeros, so nothing in it can be taken for a trailer. Its space is allocated
before it is mapped, because storing into a hole of a full disk kills the process (SIGBUS).
"""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import mmap
import os
import struct
import zlib
from typing import Any

from autotrack.errors import RecordRejected
from autotrack.records import AnyRecord, MetricsLogged, from_wire

MAGIC = int.from_bytes(b"ATJRNL1\0", "little")
HEADER = struct.Struct("=4Q16s2Q")  # magic, nonce, number of the segment, size, boot id, sealed bytes, their crc32
HEADER_BYTES = HEADER.size
SEAL = struct.Struct("=2Q")
SEAL_AT = HEADER_BYTES - SEAL.size

# The kinds stand in a float's sign and exponent: those of an ordinary number, so that a head can be stored as a float.
METRICS, OBJECT, KEYS, VOID = 0x4154, 0x4155, 0x4156, 0x4157
HEAD = struct.Struct("=IHH")
WORD = struct.Struct("=d")
MOST_KEYS = 4096  # of one record; a larger call is cut into several

FIRST_BYTES = 512 << 10  # most processes never need more
SEGMENT_BYTES = 4 << 20  # they grow to it fourfold: a page that is made ready costs 0.6 us, used or not

_POPULATE_WRITE = 23  # MADV_POPULATE_WRITE, Linux 5.14; Python has no name for it
_POPULATE_BYTES = 512 << 10  # in pieces: the call holds the interpreter's lock


def _boot_id() -> bytes:
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return bytes.fromhex(file.read().strip().replace("-", ""))
    except (OSError, ValueError):
        return bytes(16)


BOOT = _boot_id()


def head(low: int, count: int, kind: int) -> float:
    """A head, as the float that has its bits."""
    word: float = WORD.unpack(HEAD.pack(low, count, kind))[0]
    return word


@functools.lru_cache(maxsize=64)
def layout(count: int) -> struct.Struct:
    """How a call with so many values is packed: head, step, time, values, trailer."""
    return struct.Struct(f"=dq{count + 2}d")


_written = json.JSONEncoder(separators=(",", ":"), default=str).encode  # made once: ``json.dumps`` makes one a call


def packed_json(kind: int, thing: dict[str, Any]) -> bytes:
    """Head and body of an object or a key set."""
    text = _written(thing).encode()
    return HEAD.pack(len(text), 0, kind) + text + bytes(-len(text) % 8)


class Words:
    """Reads the whole records of a segment in order, and remembers where it stopped.

    ``index`` counts the records read: with the segment's number it numbers them. Key sets and voids do not count.
    """

    __slots__ = ("base", "doubles", "index", "keysets", "number", "pos", "size", "steps", "unknown", "view", "words")

    def __init__(self, memory: mmap.mmap | bytes, base: float, number: int) -> None:
        self.base, self.number = base, number
        self.pos, self.index, self.unknown = HEADER_BYTES, 0, 0
        self.keysets: dict[int, tuple[str, tuple[str, ...]]] = {}
        self.attach(memory)

    def attach(self, memory: mmap.mmap | bytes) -> None:
        """Read on in this memory, which holds the same."""
        self.view = memoryview(memory)
        self.size = len(self.view) & ~7
        view = self.view[: self.size]
        self.doubles: Any = view.cast("d")  # Any: what a cast view holds is not known to its type
        self.words: Any = view.cast("Q")
        self.steps: Any = view.cast("q")

    def release(self) -> None:
        """Let go of the memory."""
        for view in (self.doubles, self.words, self.steps, self.view):
            view.release()

    def is_whole(self, word: int, end: int) -> int:
        """The length in words of the record that begins at ``word``, or 0 where no whole record begins."""
        bits: int = self.words[word]
        kind, count, low = bits >> 48, bits >> 32 & 0xFFFF, bits & 0xFFFFFFFF
        if kind == METRICS:
            length = count + 4
        elif kind in (OBJECT, KEYS):
            length = 2 + (low + 7) // 8
        elif kind == VOID and low >= 2:
            length = low
        else:
            return 0
        if word + length > end or self.doubles[word + length - 1] != self.base + (word << 3):
            return 0
        return length

    def read(self, stop: int, most: int) -> tuple[int, list[AnyRecord]]:
        """Up to ``most`` records from where it stopped, as far as they are whole and lie below the byte ``stop``.

        Returns them with the number of the first. One that cannot be understood (a newer autotrack wrote it) costs itself alone.
        """
        found: list[AnyRecord] = []
        first = self.number << 32 | self.index
        left, end = most, min(stop, self.size) >> 3
        word = self.pos >> 3
        while word < end and left > 0:
            length = self.is_whole(word, end)
            if not length:
                break
            bits = self.words[word]
            kind, low, rows = bits >> 48, bits & 0xFFFFFFFF, 1
            try:
                if kind != METRICS:
                    record = self._object(word, kind, low)
                elif word + length >= end or self.words[word + length] != bits:
                    record = self._single(word, low)
                else:
                    rows = self._rows(word, end, length, bits, left)
                    record = self._stretch(word, rows, length, low)
            except (RecordRejected, ValueError, KeyError, TypeError):
                if found:
                    break  # the numbers of a batch have no gap
                self.index += rows
                self.unknown += rows
                first = self.number << 32 | self.index
            else:
                if record is not None:
                    found.append(record)
                    self.index += record.count
                    left -= record.count
            word += rows * length
            self.pos = word << 3
        return first, found

    def skip_hole(self, stop: int) -> bool:
        """Step over what a dying thread reserved and never filled; False if no whole record follows."""
        end = min(stop, self.size) >> 3
        for word in range((self.pos >> 3) + 1, end):
            if self.words[word] >> 48 in (METRICS, OBJECT, KEYS, VOID) and self.is_whole(word, end):
                self.pos = word << 3
                return True
        return False

    def whole_end(self, start: int, stop: int) -> int:
        """The byte up to which all records from ``start`` on are whole."""
        word, end = start >> 3, min(stop, self.size) >> 3
        while word < end:
            length = self.is_whole(word, end)
            if not length:
                break
            rows = self._rows(word, end, length, self.words[word], end) if self.words[word] >> 48 == METRICS else 1
            word += rows * length
        return word << 3

    def _rows(self, word: int, end: int, length: int, bits: int, most: int) -> int:
        """How many whole records with the same head follow one another, the first (known to be whole) included."""
        most = min((end - word) // length, most)
        rows, guess = 1, 16  # galloping: to guess "all the rest" at every short stretch would be quadratic
        base = int(self.base)
        while rows < most:
            start = word + rows * length
            if self.words[start] != bits:
                break
            rest = start + min(guess, most - rows) * length
            heads = self.words[start:rest:length].tolist()
            trailers = self.doubles[start + length - 1 : rest : length].tolist()
            wanted = list(range(base + (start << 3), base + (rest << 3), length << 3))
            if trailers == wanted and heads.count(bits) == len(heads):
                rows += len(heads)
                guess *= 4
                continue
            return rows + next(n for n, (h, t, w) in enumerate(zip(heads, trailers, wanted, strict=True)) if h != bits or t != w)
        return rows

    def _single(self, word: int, keyset: int) -> MetricsLogged:
        run_id, keys = self.keysets[keyset]
        _, step, when, *values, _ = layout(len(keys)).unpack_from(self.view, word << 3)
        return MetricsLogged(run_id, when, keys, [step], [when], [[value] for value in values])

    def _stretch(self, word: int, rows: int, length: int, keyset: int) -> MetricsLogged:
        run_id, keys = self.keysets[keyset]
        end = word + rows * length
        times = self.doubles[word + 2 : end : length].tolist()
        columns = [self.doubles[word + 3 + n : end : length].tolist() for n in range(len(keys))]
        return MetricsLogged(run_id, times[0], keys, self.steps[word + 1 : end : length].tolist(), times, columns)

    def _object(self, word: int, kind: int, low: int) -> AnyRecord | None:
        if kind == VOID:
            return None
        at = (word << 3) + 8
        thing = json.loads(bytes(self.view[at : at + low]))
        if kind == KEYS:
            self.keysets[thing["set"]] = (thing["run"], tuple(thing["keys"]))
            return None
        return from_wire(thing)


class Segment:
    """A stretch of memory, mapped from a file or anonymous (``path`` None), into which any thread stores records without a lock.

    ``off`` is where the next record goes; a record is stored only where its end is below ``limit``, which closing sets to 0.
    ``stop`` is where the first refused record would have stood: nothing is beyond it. ``sets`` numbers the key sets.
    """

    __slots__ = ("base", "closed", "crc", "freed", "limit", "memory", "number", "off", "path", "reader", "sealed", "sets", "size", "stop")

    memory: mmap.mmap

    def __init__(self, number: int, size: int, path: str | None) -> None:
        self.number, self.size, self.path = number, size, path
        self.memory = self._allocate()
        nonce = int.from_bytes(os.urandom(3), "little") & 0xFFFFF | 1
        self._begin(HEADER.pack(MAGIC, nonce, number, size, BOOT, 0, 0))
        self.base = float(nonce << 32)
        self.off, self.limit, self.stop = HEADER_BYTES, size, size
        self.sets: dict[tuple[str, tuple[str, ...]], int] = {}
        self.sealed, self.crc = HEADER_BYTES, 0
        self.reader = Words(self.memory, self.base, number)
        self.closed = self.freed = False

    def _begin(self, header: bytes) -> None:
        self.memory[:HEADER_BYTES] = header

    def _allocate(self) -> mmap.mmap:
        """Map a new file whose space is there.   Raises: OSError; then no file is left."""
        if self.path is None:
            return mmap.mmap(-1, self.size)
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        is_made = False
        try:
            os.posix_fallocate(fd, 0, self.size)
            memory = mmap.mmap(fd, self.size)
            self._populate(fd, memory)
            is_made = True
        finally:
            os.close(fd)
            if not is_made:
                os.unlink(self.path)
        return memory

    def _populate(self, fd: int, memory: mmap.mmap) -> None:
        """Have the pages ready, so that no call waits for one (some 2.5 us); where storing would kill, fail here.

        Zeros are written first: a page that is made by a write costs a quarter of one that is made by a fault, and the first
        fault reads ahead, for 0.2 ms. Of the smallest file an eighth is made ready: the first record waits for it.
        """
        end = self.size if self.size > FIRST_BYTES else self.size // 8
        for start in range(0, end, _POPULATE_BYTES):
            size = min(_POPULATE_BYTES, end - start)
            os.pwrite(fd, bytes(size), start)
            try:
                memory.madvise(_POPULATE_WRITE, start, size)
            except OSError as error:
                if error.errno == errno.EINVAL:  # an older kernel does not know it
                    return
                raise

    def add(self, body: bytes) -> bool:
        """Store a record of this head and body; False if it has no room. The journal's lock is held."""
        size = len(body) + 8
        is_settled = False
        try:
            self.off = end = (off := self.off) + size  # as in Lane.log: other threads go on reserving meanwhile
            if end > self.limit:
                self.stop = min(self.stop, off)
                is_settled = True
                return False
            self.memory[off : end - 8] = body
            WORD.pack_into(self.memory, end - 8, self.base + off)
            is_settled = True
        finally:
            if not is_settled:
                self.spoil(off, size)
        return True

    def spoil(self, off: int, size: int) -> None:
        """Make good a reservation that was not filled, or may not have been: a void record. The journal's lock is held."""
        if self.freed or off >= self.stop:
            return
        if off + size > self.size:
            self.stop = off
        elif WORD.unpack_from(self.memory, off + size - 8)[0] != self.base + off:
            HEAD.pack_into(self.memory, off, size >> 3, 0, VOID)
            WORD.pack_into(self.memory, off + size - 8, self.base + off)

    def close(self) -> None:
        """Take no more records; those that are being stored come through. The journal's lock is held."""
        self.limit = 0
        self.closed = True
        self.stop = min(self.stop, self.off)

    @property
    def end(self) -> int:
        """Nothing is stored from this byte on, so far."""
        return min(self.off, self.stop, self.size)

    @property
    def is_read(self) -> bool:
        """Whether it is closed and read to its end."""
        return self.closed and self.reader.pos >= self.end

    def seal(self) -> bool:
        """Note in the header how many bytes are whole, and their checksum; True if there is more than before.

        After a power cut only sealed bytes are believed: pages may have reached the disk in any order.
        """
        end = self.reader.whole_end(self.sealed, self.end)
        if end <= self.sealed:
            return False
        self.crc = zlib.crc32(self.reader.view[self.sealed : end], self.crc)
        self.sealed = end
        self._renew(SEAL.pack(end, self.crc))
        return True

    def _renew(self, seal: bytes) -> None:
        self.memory[SEAL_AT:HEADER_BYTES] = seal

    def sync(self) -> None:
        """Have the file reach the disk. By a descriptor: a mapping's own flush holds the interpreter's lock."""
        if self.path is None:
            return
        fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.fdatasync(fd)
        finally:
            os.close(fd)

    def free(self) -> None:
        """Let go of the memory; remove the file."""
        self.forget()
        self.unlink()

    def unlink(self) -> None:
        """Remove the file."""
        if self.path is not None:
            with contextlib.suppress(OSError):  # somebody removed it, or the folder: it is gone
                os.unlink(self.path)

    def forget(self) -> None:
        """Let go of the memory; leave the file."""
        if self.freed:
            return
        self.limit = 0
        self.closed = self.freed = True
        self.reader.release()
        self.memory.close()

    def abandon(self) -> None:
        """In a forked child: it is the parent's. Not unmapped by force, a thread that is no more may have been reading."""


class Appended(Segment):
    """The same bytes where no mapping is safe: each record is one system call, under the journal's lock.

    What is in memory is a copy for the reader. ``limit`` is 0 from the start, so that no lane stores past ``add``.
    """

    __slots__ = ("fd", "is_complete", "is_loaded", "trouble")

    def __init__(self, number: int, size: int, path: str) -> None:
        super().__init__(number, size, path)
        self.limit = 0
        self.trouble: OSError | None = None
        self.is_complete = self.is_loaded = True

    def _allocate(self) -> mmap.mmap:
        assert self.path is not None
        self.fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        return mmap.mmap(-1, self.size)

    def _begin(self, header: bytes) -> None:
        super()._begin(header)
        try:
            _write_whole(self.fd, header)
        except OSError:
            os.close(self.fd)
            os.unlink(str(self.path))
            raise

    def add(self, body: bytes) -> bool:
        """Store and write a record. Where the writing fails it is in memory only, nothing follows it, and ``trouble`` says why."""
        off = self.off
        end = off + len(body) + 8
        if self.closed or end > self.size:
            return False
        record = body + WORD.pack(self.base + off)
        self.memory[off:end] = record
        self.off = end
        self.is_complete = False
        try:
            _write_whole(self.fd, record)
            self.is_complete = True
        except OSError as error:
            self.trouble = error
        finally:
            if not self.is_complete:  # after Ctrl-C too: written or not, who knows
                self.close()
        return True

    def unload(self) -> None:
        """Let go of the copy, which is closed and in the file. The journal's lock is held."""
        self.reader.release()
        self.memory.close()
        self.is_loaded = False

    def load(self) -> None:
        """Have a copy again, for reading.   Raises: OSError."""
        with open(str(self.path), "rb") as file:
            self.reader.attach(file.read())
        self.is_loaded = True

    def _renew(self, seal: bytes) -> None:
        fd = os.open(str(self.path), os.O_WRONLY | os.O_CLOEXEC)  # the other descriptor can only append
        try:
            os.pwrite(fd, seal, SEAL_AT)
        finally:
            os.close(fd)

    def forget(self) -> None:
        """Let go of the memory and the descriptor; leave the file."""
        if not self.freed:
            os.close(self.fd)
        super().forget()

    def abandon(self) -> None:
        """In a forked child: it is the parent's."""
        os.close(self.fd)


def _write_whole(fd: int, record: bytes) -> None:
    if os.write(fd, record) != len(record):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
