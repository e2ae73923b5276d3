"""What is new, to everybody who listens, as server-sent events.

One task watches the store while somebody listens: ten times a second it asks whether anything was written, and only then what. The
event is made once and the same bytes go to all. Its id is the store's own cursor, so a page goes on exactly where it was, also with a server that was
started anew. A page that was away is told from the last events or, beyond them, from the store; where that is not possible, it is told
to read everything again.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from starlette.concurrency import run_in_threadpool

from autotrack.backends.protocol import Backend, Tail
from autotrack.errors import BackendError, CursorLost, StoreGone
from autotrack.server.answers import brief, exact, measured, stats, to_json

LOOK_S = 0.1
REFRESH_S = 5.0
ALIVE_S = 15.0
RING = 300  # events that are kept for who comes back
WAITING = 300  # events that a slow listener may be behind
LISTENERS = 200
POINTS = 20_000  # of one event
ROUNDS = 10  # of catching up, then everything is read again


@dataclass(slots=True)
class Event:
    """What came between two cursors, as it is sent."""

    before: str
    after: str
    text: bytes


@dataclass(eq=False, slots=True)
class Listener:
    """One open page."""

    events: asyncio.Queue[bytes | None] = field(default_factory=lambda: asyncio.Queue(WAITING + ROUNDS))


class Live:
    """The watcher and those who listen. ``refresh`` is called now and then while somebody listens, to bring in what dead programs left."""

    def __init__(self, backend: Backend, refresh: Callable[[], None] | None = None) -> None:
        self._backend, self._refresh = backend, refresh
        self._listeners: set[Listener] = set()
        self._ring: deque[Event] = deque(maxlen=RING)
        self._cursor = ""
        self._reading = asyncio.Lock()
        self._watch: asyncio.Task[None] | None = None
        self._is_over = False

    @property
    def is_full(self) -> bool:
        """Whether nobody more is listened to."""
        return len(self._listeners) >= LISTENERS

    async def listen(self, cursor: str) -> AsyncIterator[bytes]:
        """The events after a cursor, for as long as they are read."""
        listener = Listener()
        try:
            yield b"retry: 1000\n\n"
            with suppress(BackendError):  # the store is busy or gone: it ends here, and the page asks again in a second
                await self._join(listener, cursor)
            while listener in self._listeners and not self._is_over:
                try:
                    text = await asyncio.wait_for(listener.events.get(), ALIVE_S)
                except asyncio.TimeoutError:
                    text = b": alive\n\n"
                if text is None:
                    return
                yield text
        finally:
            self._listeners.discard(listener)

    def stop(self) -> None:
        """No more events: the server ends."""
        self._is_over = True
        for listener in [*self._listeners]:
            _hang_up(listener)

    async def _join(self, listener: Listener, cursor: str) -> None:
        """Tell what is new since the cursor; from then on the listener gets what all get."""
        async with self._reading:
            if not self._listeners:
                self._ring.clear()
                self._cursor = (await run_in_threadpool(self._backend.tail, None)).cursor
            for text in await self._missed(cursor):
                listener.events.put_nowait(text)
            self._listeners.add(listener)
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._watching())

    async def _missed(self, cursor: str) -> list[bytes]:
        """Events from the cursor to where all are."""
        texts: list[bytes] = []
        for _ in range(ROUNDS):
            await self._advance()
            if cursor == self._cursor:
                return texts
            kept = list(self._ring)
            start = next((i for i, event in enumerate(kept) if event.before == cursor), None)
            if start is not None:
                return texts + [event.text for event in kept[start:]][-WAITING:]
            try:
                event = await self._read(cursor)
            except CursorLost:
                break
            texts += [event.text] if event.text else []
            cursor = event.after
        return [reset(self._cursor)]

    async def _watching(self) -> None:
        """Tell what is new while somebody listens."""
        loop, news = asyncio.get_running_loop(), asyncio.Event()
        looking: asyncio.Future[None] | None = None
        try:
            while self._listeners and not self._is_over:
                if looking is None or looking.done():  # it ends when nobody listened for a moment
                    if looking is not None:
                        looking.result()
                    looking = loop.run_in_executor(None, self._look, lambda: loop.call_soon_threadsafe(news.set))
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(news.wait(), 1.0)
                if news.is_set():
                    news.clear()
                    try:
                        async with self._reading:
                            await self._advance()
                    except BackendError:  # the store is busy or gone: the next time may find it
                        await asyncio.sleep(1.0)
                        news.set()
        except StoreGone:  # nothing is live any more
            return
        finally:  # whatever ended it: who listens comes back, and is told again what is new
            for listener in [*self._listeners]:
                _hang_up(listener)

    def _look(self, tell: Callable[[], object]) -> None:
        """In a thread of its own, which wakes nobody while nothing is new.   Raises: StoreGone."""
        pulse, rounds = -1, 0
        while self._listeners and not self._is_over:
            try:
                if self._refresh is not None and rounds % round(REFRESH_S / LOOK_S) == 0:
                    self._refresh()
                now = self._backend.pulse()
                if now != pulse:
                    tell()
                    pulse = now
            except StoreGone:
                tell()
                raise
            except BackendError:  # busy
                pass
            rounds += 1
            time.sleep(LOOK_S)

    async def _advance(self) -> None:
        """Read what is new and tell it to all."""
        while True:
            try:
                event = await self._read(self._cursor)
            except CursorLost:  # another store has taken its place
                self._cursor = (await run_in_threadpool(self._backend.tail, None)).cursor
                event = Event("", self._cursor, reset(self._cursor))
            if event.after == event.before:
                return
            self._cursor = event.after
            self._ring.append(event)
            if event.text:
                self._tell(event.text)

    def _tell(self, text: bytes) -> None:
        for listener in [*self._listeners]:
            if listener.events.qsize() >= WAITING:
                self._listeners.discard(listener)
                _hang_up(listener)  # it comes back with the id of the last event that it has read
            else:
                listener.events.put_nowait(text)

    async def _read(self, cursor: str) -> Event:
        return await run_in_threadpool(read, self._backend, cursor)


def reset(cursor: str) -> bytes:
    """The event by which everything is read again; what is new goes on from the cursor."""
    return f"id: {cursor}\nevent: reset\ndata: {{}}\n\n".encode()


def read(backend: Backend, cursor: str) -> Event:
    """What is new since a cursor, as an event; its text is empty if that is nothing.   Raises: CursorLost."""
    new = backend.tail(cursor, limit=POINTS)
    if not (new.runs or new.points or new.stale):
        return Event(cursor, new.cursor, b"")
    return Event(cursor, new.cursor, b"id: %s\nevent: change\ndata: %s\n\n" % (new.cursor.encode(), to_json(told(new))))


def told(new: Tail) -> dict[str, Any]:
    """What is new as it is sent."""
    return {
        "runs": [
            {**brief(run), "params": exact(run.params), "tags": run.tags, "metrics": measured(run.metrics), "notes": run.notes} for run in new.runs
        ],
        "points": [
            [c.run_id, c.key, c.steps.tolist(), c.values.tolist(), c.times.tolist(), _stats(new, c.run_id, c.key)] for c in new.points
        ],
        "stale": [[run_id, key, _stats(new, run_id, key)] for run_id, key in new.stale],
    }


def _stats(new: Tail, run_id: str, key: str) -> list[Any] | None:
    amounts = new.statistics.get((run_id, key))
    return None if amounts is None else stats(amounts)


def _hang_up(listener: Listener) -> None:
    """End its answer, whatever still waits for it."""
    with suppress(asyncio.QueueEmpty):
        while listener.events.full():
            listener.events.get_nowait()
    listener.events.put_nowait(None)
