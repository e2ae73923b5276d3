"""Alive or dead: a lock that falls with its process, and a word on how it died.

A writer keeps ``<writer>.lock`` locked for life. It is a POSIX lock: a forked child does not hold it, so the dead do not
look alive through their children (``flock`` would). Its trap: whoever closes any descriptor of the file in the owning
process drops the lock. So nothing here opens a lock file of this process (``own``).

It holds a line that says whose it is, and more if the process was ended by SIGTERM: ``faulthandler`` writes there from C and
lets the default action follow at once. For the program nothing changes: no Python function is called, ``getsignal`` says SIG_DFL.
"""

from __future__ import annotations

import contextlib
import errno
import faulthandler
import fcntl
import os
import signal
import socket
import struct
import sys
from pathlib import Path

from autotrack.recording.segments import BOOT

_FLOCK = struct.Struct("hhqqi4x")  # struct flock of Linux on 64 bits: type, whence, start, length, pid

# The writers that this process is or was, for as long as their lock files are open.
own: set[str] = set()


class Claim:
    """A process's name in the folder, for as long as it lives.   Raises: OSError if the folder cannot be written."""

    def __init__(self, folder: Path) -> None:
        self.has_made_place = False  # the folder that the folder is in
        self._make(folder)
        self.folder = folder
        self.writer = ""
        self._lock = self._take()
        self._is_watching = False
        self.watch()

    def path(self, suffix: str) -> str:
        """The path of one of the writer's files."""
        return str(self.folder / f"{self.writer}.{suffix}")

    def _make(self, folder: Path) -> None:
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            pass
        except FileNotFoundError:
            os.makedirs(folder.parent, exist_ok=True)
            self.has_made_place = True
            with contextlib.suppress(FileExistsError):  # somebody was quicker
                os.mkdir(folder, 0o700)

    def _take(self) -> int:
        while True:
            self.writer = os.urandom(8).hex()
            fd = os.open(self.path("lock"), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(fd).st_nlink:
                    os.write(fd, f"{BOOT.hex()} {os.getpid()} {socket.gethostname()}\n".encode())
                    own.add(self.writer)
                    return fd
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EACCES):
                    os.close(fd)
                    with contextlib.suppress(OSError):
                        os.unlink(self.path("lock"))
                    raise
            os.close(fd)  # somebody who looks for orphans was quicker: another name

    def watch(self) -> None:
        """Have a SIGTERM leave its trace, if it would end the process and nobody else looks at it."""
        if self._is_watching or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL or _is_caught_in_c(signal.SIGTERM):
            return
        faulthandler.register(signal.SIGTERM, file=self._lock, all_threads=False, chain=True)
        self._is_watching = True

    def pause(self) -> bool:
        """While the process forks: a child that is ended at once must not leave its trace in our file. Whether it did watch."""
        was_watching, self._is_watching = self._is_watching, False
        if was_watching:
            faulthandler.unregister(signal.SIGTERM)
        return was_watching

    def touch(self) -> None:
        """Note that the process lives: the time of the lock file is when it was last known to."""
        with contextlib.suppress(OSError):
            os.utime(self._lock)

    def release(self) -> None:
        """Remove the files and let go: everything is in the store."""
        self.pause()
        with contextlib.suppress(OSError):  # the folder may be gone
            for name in sorted(os.listdir(self.folder)):
                if name.startswith(f"{self.writer}."):
                    os.unlink(self.folder / name)
        os.close(self._lock)
        own.discard(self.writer)

    def abandon(self) -> None:
        """In a forked child: let go of what is the parent's. Closing drops no lock, a child does not have it."""
        self.pause()
        os.close(self._lock)


def _is_caught_in_c(number: int) -> bool:
    """Whether somebody catches the signal though Python does not know: the user's own ``faulthandler``, a library."""
    try:
        fd = os.open("/proc/self/status", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        status = os.read(fd, 8192)  # some 1,500 bytes; ``open`` would ask the system six things more
    finally:
        os.close(fd)
    caught = status.partition(b"SigCgt:")[2].split(maxsplit=1)
    return bool(caught) and bool(int(caught[0], 16) >> number - 1 & 1)


def was_terminated(fd: int) -> bool:
    """Whether the owner of this open lock file, which is dead, was ended by SIGTERM."""
    return bool(os.pread(fd, 1024, 0).partition(b"\n")[2])


def owner(fd: int) -> int:
    """The pid of the process that holds the lock of this open lock file (-1 if the system does not say), or 0. Takes nothing."""
    if sys.platform != "linux":
        return 0
    asked = _FLOCK.pack(fcntl.F_WRLCK, 0, 0, 0, 0)
    kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(fd, fcntl.F_GETLK, asked))
    return 0 if kind == fcntl.F_UNLCK else pid or -1
