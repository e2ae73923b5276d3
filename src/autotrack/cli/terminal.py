"""The terminal while a program draws on its other screen: what is written to it, and the keys that come from it.

It is given back as it was: at the end, at Ctrl-C, at SIGTERM and SIGHUP, and while it is stopped by Ctrl-Z.
"""

from __future__ import annotations

import codecs
import os
import re
import select
import signal
import sys
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any

ESCAPE_S = 0.05  # in which the rest of an arrow key comes, over a slow line too


class Terminal:
    """Standard input and output, within a ``with``."""

    def __init__(self) -> None:
        self._fd = sys.stdin.fileno()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._shown: list[str] = []
        self._signals: dict[int, Any] = {}
        self.size = os.terminal_size((0, 0))

    def __enter__(self) -> Terminal:
        import termios

        self._before = termios.tcgetattr(self._fd)
        for number, call in ((signal.SIGTERM, self._end), (signal.SIGHUP, self._end), (signal.SIGTSTP, self._pause)):
            self._signals[number] = signal.signal(number, call)
        self._take()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._give_back()
        for number, call in self._signals.items():
            signal.signal(number, call)

    def _take(self) -> None:
        import tty

        tty.setcbreak(self._fd)
        self._shown, self.size = [], os.terminal_size((0, 0))
        self._write("\x1b[?1049h\x1b[?25l")

    def _give_back(self) -> None:
        import termios

        with suppress(OSError):  # it may be gone
            self._write("\x1b[0m\x1b[?25h\x1b[?1049l")
        with suppress(OSError, termios.error):
            termios.tcsetattr(self._fd, termios.TCSAFLUSH, self._before)

    def _end(self, number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)
        raise SystemExit(128 + number)

    def _pause(self, number: int, _frame: FrameType | None) -> None:
        self._give_back()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)  # stops here, until somebody says to go on
        signal.signal(number, self._pause)
        self._take()

    def draw(self, lines: list[str], size: os.terminal_size) -> None:
        """Show these lines; only those that differ from what is there are written."""
        if size != self.size:
            self._write("\x1b[2J")
            self._shown, self.size = [], size
        shown, self._shown = self._shown, lines
        parts = [f"\x1b[{row + 1};1H{line}\x1b[0m\x1b[K" for row, line in enumerate(lines[: size.lines]) if row >= len(shown) or shown[row] != line]
        if len(lines) < min(len(shown), size.lines):
            parts.append(f"\x1b[{len(lines) + 1};1H\x1b[J")
        if parts:
            self._write("".join(parts))

    def keys(self, timeout_s: float) -> list[str]:
        """The keys that were pressed, each as the characters that it sends.   Raises: SystemExit when the terminal has gone."""
        if not select.select([self._fd], [], [], timeout_s)[0]:
            return []
        read = os.read(self._fd, 4096)
        if read.endswith(b"\x1b") and select.select([self._fd], [], [], ESCAPE_S)[0]:
            read += os.read(self._fd, 4096)
        if not read:
            raise SystemExit(0)
        return re.findall(r"\x1b[\[O][0-9;]*[A-Za-z~]|.", self._decoder.decode(read), re.S)

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()
