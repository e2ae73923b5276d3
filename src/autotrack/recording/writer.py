"""The one background thread: takes what is in the journal and brings it into the store.

It looks every 50 ms. What comes to a quiet journal is in the store within about that; beside a stream of calls it looks
less often (waking costs 0.1 ms) and commits every 0.8 s, up to 50,000 records at a time, so that it asks seldom for the
interpreter's lock. While the store cannot be reached it waits, a little longer each time, and the journal grows.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic, sleep
from typing import TYPE_CHECKING

from autotrack.errors import BackendError, BackendUnavailable, StoreGone
from autotrack.guard import guard
from autotrack.recording.mounts import is_network
from autotrack.recording.replay import deliver, replay

if TYPE_CHECKING:
    from autotrack.backends.protocol import Backend
    from autotrack.recording.journal import Journal
    from autotrack.records import Batch

logger = logging.getLogger("autotrack")

LOOK_S = 0.05
STREAM_LOOK_S = 0.25  # between two commits of a stream
COMMIT_S = 0.8  # what is logged is on a screen within a second, with 0.1 s to get there
HEARTBEAT_S = 30.0
REPLAY_S = 10.0
SEAL_S = 10.0  # what a power cut may cost while the store is away
IDLE_S = 60.0
EXIT_S = 5.0
_LONGEST_WAIT_S = 1.0  # between two attempts to reach the store
_FORK_S = 0.5  # at most, that a fork waits for a commit
_MOST_BATCHES = 8  # at a look; then it looks after the rest


@dataclass(slots=True)
class _Due:
    """When something comes that is done again and again."""

    every_s: float
    at: float = 0.0

    def comes(self, now: float) -> bool:
        """Whether it is time; then the next time is set."""
        if now < self.at:
            return False
        self.at = now + self.every_s
        return True


class Writer:
    """Brings the journal's records into the backend. Its thread begins by itself when there is something to do, and ends when there is not."""

    def __init__(self, journal: Journal, backend: Backend, *, idle_s: float = IDLE_S) -> None:
        self._journal = journal
        self._backend = backend
        self._idle_s = idle_s
        self._hooks: list[tuple[_Due, Callable[[], object]]] = []
        self.refused = 0  # records that the store will never take
        self._said: set[str] = set()
        # On a network file system nothing is brought into the store (SQLite's locks cannot be trusted there) but by who reads.
        self._is_remote = journal.folder is not None and is_network(journal.folder)
        self._fresh()
        journal.attendant = self
        atexit.register(self._at_exit)

    def _fresh(self) -> None:
        self._lock = threading.Lock()  # over the beginning and the end of the thread
        self._turn = threading.RLock()  # held by who reads the journal
        self._thread: threading.Thread | None = None
        self._awake = threading.Event()
        self._committed = threading.Condition()
        self._hurried = 0  # how many wait for a flush
        self._errands: deque[Callable[[], object]] = deque()
        self._until: float | None = None  # when to end, drained or not
        self._committed_at = 0.0
        self._busy_at = monotonic()
        self._wait_s, self._not_before = 0.0, 0.0
        self._is_exiting = self._is_without_thread = self._is_pausing = self._fork_waits = False
        self._forking: set[int] = set()  # the threads that hold the turn while they fork
        self._heartbeat = _Due(HEARTBEAT_S, monotonic() + HEARTBEAT_S)
        self._replays, self._seals, self._room = _Due(REPLAY_S), _Due(SEAL_S), _Due(COMMIT_S)

    @property
    def open_runs(self) -> set[str]:
        """The ids of the runs that this process started and has not ended."""
        return self._journal.open_runs

    def every(self, seconds: float, call: Callable[[], object]) -> None:
        """Have something called again and again by the thread while a run is open."""
        self._hooks.append((_Due(seconds), call))

    def soon(self, errand: Callable[[], object]) -> bool:
        """Have the thread do something at its next look; False if it does not run."""
        with self._lock:
            if self._thread is None or self._until is not None:
                return False
            self._errands.append(errand)
            return True

    def start(self) -> None:
        """Have the thread run. Costs nothing if it does."""
        if self._thread is not None:
            return
        if self._is_exiting:
            self._close_again()
            return
        with self._lock:
            if self._thread is not None or self._is_without_thread:
                return
            self._until = None
            self._busy_at = monotonic()
            thread = threading.Thread(target=self._run, name="autotrack-writer", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the interpreter is ending, or the system has no more threads: what is in the files is replayed
                return
            self._thread = thread
            self._finish_with_the_child()

    def _finish_with_the_child(self) -> None:
        """A child of multiprocessing ends by ``os._exit``, without atexit; its own list of last things is run."""
        mp = sys.modules.get("multiprocessing.util")
        process = sys.modules.get("multiprocessing.process")
        if mp is None or process is None or process.parent_process() is None:
            return
        mp.Finalize(None, self._at_exit, exitpriority=10)

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until all that was recorded before is in the store; False if it took longer."""
        mark = self._journal.mark()
        waits = self._journal.has_waiting
        until = monotonic() + timeout_s
        if self._journal.is_stopped:
            return False
        if not waits and self._journal.has_passed(mark):
            return True
        self.start()
        if self._thread is None or self._thread is threading.current_thread():
            return self._drain_here(until) and self._journal.has_passed(mark)
        with self._committed:
            self._hurried += 1
            try:
                while True:
                    if waits and not self._journal.has_waiting:
                        mark, waits = self._journal.mark(), False
                    if self._journal.is_stopped:
                        return False
                    if not waits and self._journal.has_passed(mark):
                        return True
                    left = until - monotonic()
                    if left <= 0:
                        return False
                    self._awake.set()
                    self._committed.wait(min(left, 0.5))
            finally:
                self._hurried -= 1

    def close(self, timeout_s: float = EXIT_S) -> None:
        """Bring what there is into the store, end the thread, remove the journal's files.

        What is not in the store when the time is up stays in the files, and is replayed when the process is gone.
        What is recorded later begins anew.
        """
        until = monotonic() + timeout_s
        with self._lock:
            thread = self._thread
            self._until = until
        if thread is threading.current_thread():
            return
        self._awake.set()
        if thread is not None:
            thread.join(timeout_s + 0.5)
            if thread.is_alive():
                return
        with self._turn:
            self._journal.make_room()
        if self._is_remote and self._journal.has_news:
            return
        if self._drain_here(until):
            with self._turn:
                self._journal.close()

    def _at_exit(self) -> None:
        with suppress(KeyboardInterrupt):  # once more, by who wants to leave: what is in the files is replayed
            self.close()
        if self._journal.is_lost_with_us:
            self._say("lost", "autotrack: the store took nothing more until the end; what waited in memory is lost. Is its disk full, or read-only?")
        self._is_exiting = True

    def _close_again(self) -> None:
        """Somebody's last words, after ours: bring them home without a thread, once the last run has ended."""
        if self._journal.open_runs or threading.current_thread() is not threading.main_thread():
            return
        self._is_exiting = False
        self._is_without_thread = True
        try:
            self.close()
        finally:
            self._is_without_thread = False
            self._is_exiting = True

    # Around a fork

    def before_fork(self) -> None:
        """Be nowhere in the store: SQLite's own locks would stay locked in the child. Have no thread where Python warns of forks beside one."""
        thread = self._thread
        if sys.version_info >= (3, 12) and thread is not None and thread is not threading.current_thread():
            self._is_pausing = True
            self._awake.set()
            _wait_for_end(thread)
        self._fork_waits = True  # a drain stops after its batch
        if self._turn.acquire(timeout=_FORK_S):
            self._forking.add(threading.get_ident())

    def in_parent(self) -> None:
        """Go on. Python 3.13 counts the threads after this: there the next record starts the thread."""
        if threading.get_ident() in self._forking:
            self._forking.discard(threading.get_ident())
            self._turn.release()
        self._fork_waits = False
        if not self._is_pausing:
            return
        self._is_pausing = False
        if sys.version_info < (3, 13):
            self.start()
        elif self._thread is None:
            self._journal.retire()

    def in_child(self) -> None:
        """The thread and the hooks are the parent's."""
        self._hooks = []
        self._fresh()

    # The thread

    def _run(self) -> None:
        wait_s = LOOK_S
        while True:
            self._awake.wait(wait_s)
            self._awake.clear()
            if self._is_pausing:
                with self._lock:
                    self._thread = None
                return
            now = monotonic()
            with self._turn:
                self._look(now)
            if self._is_done(now):
                return
            wait_s = self._next_look_s(now)

    def _next_look_s(self, now: float) -> float:
        """Beside a stream there is nothing to do before its next commit but to keep room ahead of it."""
        if self._until is not None or self._journal.fills() or not self._journal.has_news:
            return LOOK_S
        return min(max(LOOK_S, self._committed_at + COMMIT_S - now), STREAM_LOOK_S)

    def _is_done(self, now: float) -> bool:
        """Whether the thread is to end; then it counts as ended: whoever records next starts another."""
        journal = self._journal
        if self._until is not None:
            if now < self._until and (journal.has_waiting or (journal.has_news and not self._is_remote)):
                return False
        elif journal.open_runs or now - self._busy_at < self._idle_s:
            return False
        else:
            journal.retire()
            with self._turn:
                self._drain(now)
        with self._lock:
            thread, self._thread = self._thread, None  # first this, then the look: whoever records sees the one, or we see his record
            if self._errands or (self._until is None and (journal.has_segments or journal.has_waiting)):
                self._thread = thread
                return False
        return True

    def _look(self, now: float) -> None:
        journal = self._journal
        while self._errands:
            with guard("doing an errand"):
                self._errands.popleft()()
        journal.tend()
        if self._room.comes(now):
            journal.make_room()
        if journal.has_news:
            self._busy_at = now
            if self._is_remote:
                is_due = bool(self._hurried) or journal.is_half_full
            else:
                is_due = bool(self._hurried) or self._until is not None or journal.is_behind or now - self._committed_at >= COMMIT_S
            if is_due:
                self._drain(now)
        if self._until is not None:
            return
        if self._hurried:
            with self._committed:
                self._committed.notify_all()
        if self._wait_s and self._seals.comes(now):
            journal.seal()
        if journal.open_runs and not journal.is_stopped:
            self._look_after_runs(now)
        if journal.folder is not None and not self._is_remote and not self._wait_s and self._replays.comes(now):
            replay(journal.folder, self._backend)

    def _look_after_runs(self, now: float) -> None:
        if self._heartbeat.comes(now) and not self._wait_s:
            batch = self._journal.alive()
            if not self._is_remote:
                self._commit(batch, now)
        for due, call in self._hooks:
            if due.comes(now):
                with guard("sampling while a run is open"):
                    call()

    def _drain(self, now: float) -> None:
        """Bring what is there into the store, as far as it takes it."""
        if now < self._not_before:
            return
        for _ in range(_MOST_BATCHES):
            batch = self._journal.read()
            if batch is None or not self._commit(batch, now):
                return
            self._journal.acknowledge(batch)
            self._committed_at = now
            if self._fork_waits:
                return

    def _commit(self, batch: Batch, now: float) -> bool:
        """Whether the store has it now."""
        with guard("writing to the store"):
            try:
                refused = deliver(batch, self._backend)
            except StoreGone:
                self._journal.stop()
                self._say("gone", "the store was deleted; recording stopped. Start the program anew to record again.")
                return False
            except BackendUnavailable as error:
                logger.debug("the store cannot be written just now", exc_info=error)
            except BackendError as error:  # a newer schema, an older SQLite: it may be put right while we wait
                self._say("unfit", "autotrack cannot record: %s", error)
            else:
                self._wait_s = 0.0
                if refused:
                    self.refused += refused
                    self._say("refused", "the store did not accept a record, which is missing now; %d so far", self.refused)
                return True
        self._wait_s = min(max(LOOK_S, self._wait_s * 2), _LONGEST_WAIT_S)
        self._not_before = now + self._wait_s
        return False

    def _say(self, what: str, text: str, *values: object) -> None:
        """Tell the user, once."""
        if what not in self._said:
            self._said.add(what)
            logger.warning(text, *values)

    def _drain_here(self, until: float) -> bool:
        """Without a thread: bring all into the store now; False if it took longer."""
        journal = self._journal
        while True:
            now = monotonic()
            if not self._turn.acquire(timeout=max(0.0, until - now)):
                return False
            try:
                journal.tend()
                self._drain(now)
            finally:
                self._turn.release()
            if not journal.has_news and not journal.has_waiting:
                return True
            if now >= until:
                return False
            sleep(min(LOOK_S, max(0.0, until - now)))


def _wait_for_end(thread: threading.Thread) -> None:
    """Wait until the system does not count the thread any more: Python 3.12 lets ``join`` return a little before."""
    until = monotonic() + _FORK_S
    thread.join(_FORK_S)
    while monotonic() < until and os.path.exists(f"/proc/self/task/{thread.native_id}"):
        sleep(0.0001)
