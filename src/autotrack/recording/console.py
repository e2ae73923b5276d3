"""What the program prints while a run is open, taken down as it is written.

The streams stay the same objects and write the same bytes at the same time; while a run is open the ``write`` of each is ours, which calls
their own and remembers the text: a call of Python, and nothing else is done by who prints. (Taken down below, at the file, it would cost
less still; but text that Python holds back until a run has ended would then be nobody's, or another run's.) So what does not pass
``sys.stdout`` and ``sys.stderr`` as text is not seen: bytes written to ``sys.stdout.buffer``, other processes, C code.

A thread brings the text into files, four times a second; there it survives the death of the process. They lie in the staging
folder, whence they go the way of all artifacts at the run's end, or after a death.
"""

from __future__ import annotations

import io
import os
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotrack.guard import guard
from autotrack.printed import KIND, Printed, PrintedFile
from autotrack.recording.place import in_notebook

if TYPE_CHECKING:
    from autotrack.recording.tracker import Tracker

EVERY_S = 0.25
MOST_WRITES = 20_000  # that wait for the thread; of more the oldest are lost, and that is told
LONG = 20_000  # characters of one write, of which the two ends are kept
TOO_FAST = "\n… lines left out: they came too fast to be counted …\n"


class _Mark(str):
    """Stands in the queue where it was emptied last: when it is gone, so is what came after it."""


_SEEN = _Mark()


class Console:
    """The consoles of a tracker's open runs. A run inside another one has none: what it prints is the outer one's."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._fresh()
        _consoles.add(self)

    def _fresh(self) -> None:
        self._lock = threading.RLock()
        self._runs: dict[str, _RunPrinted] = {}
        self._streams: list[_Stream] = []
        self._waiting: deque[str] = deque([_SEEN], MOST_WRITES)
        self._cells: tuple[Any, Callable[[object], None]] | None = None  # IPython's, and what it calls before a cell

    def open(self, run_id: str) -> None:
        """From here on what is printed is this run's."""
        with self._lock:
            self._gather()
            self._runs[run_id] = _RunPrinted(self._tracker, run_id)
            if not self._streams:
                self._listen()
                self._watch_cells()

    def close(self, run_id: str) -> None:
        """What is printed from here on is not this run's any more."""
        with self._lock:
            if run_id not in self._runs:
                return
            self._gather()
            run = self._runs.pop(run_id)
            if not self._runs:
                self._let_go()
        if run.has_text:
            self._tracker.uploads.later(run.finish)

    def drain(self) -> None:
        """Bring into the files what was printed. Called by the writer's thread."""
        self._gather()
        for run in list(self._runs.values()):
            run.write()

    def _gather(self) -> None:
        """Give what waits to the runs that are open."""
        with self._lock:
            waiting = self._waiting
            if len(waiting) == 1 and waiting[0] is _SEEN:
                return
            texts = _taken(waiting)
            waiting.append(_SEEN)
            text = "".join(texts)
            if len(texts) >= MOST_WRITES and not any(each is _SEEN for each in texts):
                text = TOO_FAST + text
            for run in self._runs.values():
                run.add(text)

    def _listen(self) -> None:
        for stream in _streams():
            self._streams.append(_Stream(stream, self._waiting))

    def _let_go(self) -> None:
        streams, self._streams = self._streams, []
        for stream in streams:
            stream.let_go()
        if self._cells is not None:
            shell, call = self._cells
            self._cells = None
            shell.events.unregister("pre_run_cell", call)

    def _watch_cells(self) -> None:
        """IPython has its own ``write`` there while a cell runs, and puts back what was there before it: ours is gone with each cell."""
        if not in_notebook():
            return
        shell = sys.modules["IPython"].get_ipython()

        def pre_run_cell(_: object) -> None:
            with self._lock, guard("listening to what a cell prints"):
                streams, self._streams = self._streams, []
                for stream in streams:
                    stream.let_go()
                self._listen()

        shell.events.register("pre_run_cell", pre_run_cell)
        self._cells = shell, pre_run_cell

    def after_fork(self) -> None:
        """In a child: what it prints is not the parent's run's."""
        streams = self._streams
        self._fresh()
        for stream in streams:
            stream.let_go()


_consoles: weakref.WeakSet[Console] = weakref.WeakSet()


def _after_fork() -> None:
    for console in list(_consoles):
        console.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _taken(waiting: deque[str]) -> list[str]:
    """What waits, taken out; others may add to it meanwhile."""
    return list(islice(iter(waiting.popleft, None), len(waiting)))


def _streams() -> list[Any]:
    """Where the program's text goes: standard output and error, as they are now.

    Of streams that may be pickled, copied or read back (a ``StringIO``) none is touched.
    """
    found: list[Any] = []
    for stream in (sys.stdout, sys.stderr):
        is_console = isinstance(stream, io.TextIOWrapper) or type(stream).__module__.startswith("ipykernel.")
        if is_console and not any(stream is other for other in found):
            found.append(stream)
    return found


class _Stream:
    """A stream whose ``write`` is ours."""

    def __init__(self, stream: Any, waiting: deque[str]) -> None:
        self._stream = stream
        self._before = vars(stream).get("write")
        self._write, self._stop = _observed(stream.write, waiting.append)
        stream.write = self._write

    def let_go(self) -> None:
        """Have it be the stream's own again. Where somebody has put another in front of ours, ours stays and only passes on."""
        self._stop()
        if vars(self._stream).get("write") is not self._write:
            return
        if self._before is None:
            del self._stream.write
        else:
            self._stream.write = self._before


def _observed(original: Callable[[str], Any], take: Callable[[str], object]) -> tuple[Callable[[str], Any], Callable[[], None]]:
    """The stream's own ``write``, which has each text that was written taken down; and what makes it stop doing so."""

    def write(text: str, /) -> Any:
        written = original(text)
        try:
            if written > LONG:
                text = f"{text[: LONG // 2]}\n… {len(text) - LONG} characters left out …\n{text[-LONG // 2 :]}"
        except TypeError:
            pass  # somebody's own write, which does not say how much it wrote
        take(text)
        return written

    def stop() -> None:
        nonlocal take
        take = id  # which keeps nothing

    return write, stop


class _RunPrinted:
    """What one run printed: what waits to be looked at, what is kept of it, and the file."""

    def __init__(self, tracker: Tracker, run_id: str) -> None:
        self._tracker = tracker
        self._run_id = run_id
        self._lock = threading.Lock()  # over the file
        self._waiting: deque[str] = deque()
        self._printed: Printed | None = None
        self._note: Path | None = None
        self._file: PrintedFile | None = None

    @property
    def has_text(self) -> bool:
        """Whether anything was printed."""
        return bool(self._waiting) or self._note is not None

    def add(self, text: str) -> None:
        self._waiting.append(text)

    def write(self) -> None:
        """Bring the file up to date."""
        with self._lock, guard("keeping what the program prints"):
            if not self._waiting:
                return
            if self._printed is None:
                self._printed = Printed()
            self._printed.add("".join(_taken(self._waiting)))
            if self._file is None:
                name = f"console/{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{os.getpid()}.txt"
                content = self._printed.content.encode("utf-8", "replace")
                self._note = self._tracker.uploads.stage(self._run_id, lambda file: file.write(content), name, KIND, None, {})
                self._file = PrintedFile(self._note.with_suffix(".file"), self._printed)
            else:
                self._file.save()

    def finish(self) -> None:
        """The run has ended: the file goes into the store."""
        self.write()
        if self._note is not None:
            self._tracker.uploads.upload(self._note)
