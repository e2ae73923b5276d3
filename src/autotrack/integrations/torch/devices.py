"""Numbers that lie on a device, read without a wait on the training thread.

A loss is kept as a detached alias. Once a step the training thread looks whether a copy that is under way has come true, and
starts at most one: all that wait, stacked on a stream of its own and copied into pinned memory. Only the training thread
touches the device, because even a query by another one would break a graph that is being captured. While a graph is being captured
nothing is put on the device: it would be replayed.

Source: CUDA streams and graphs as https://docs.pytorch.org/docs/stable/notes/cuda.html has them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from threading import get_ident
from time import monotonic, sleep
from typing import Any, Protocol

import torch

from autotrack.guard import guard
from autotrack.integrations.torch.ears import ears

MOST_AT_ONCE = 64  # numbers of one copy
OLDEST_S = 0.25  # after which a copy is started with fewer
MOST_WAITING = 4096
FLUSH_S = 5.0  # at the end of a run


class Promise:
    """A number that will be known; ``then`` is told of it once it is. A number that is lost is told to nobody."""

    __slots__ = ("_told", "value")

    def __init__(self) -> None:
        self.value: float | None = None
        self._told: list[Callable[[float], None]] = []

    def then(self, call: Callable[[float], None]) -> None:
        if self.value is not None:
            call(self.value)
        else:
            self._told.append(call)

    def keep(self, value: float) -> None:
        self.value = value
        told, self._told = self._told, []
        for call in told:
            call(value)


def known(value: Any) -> float:
    """A number, or one that was a promise."""
    return float((value.value or 0.0) if isinstance(value, Promise) else value)


class Mean(Promise):
    """The mean of several numbers, once all are known."""

    __slots__ = ("_left", "_values")

    def __init__(self, values: list[Any]) -> None:
        super().__init__()
        self._values = values
        waiting = [value for value in values if isinstance(value, Promise)]
        self._left = len(waiting)
        for value in waiting:
            value.then(self._one_more)

    def _one_more(self, _value: float) -> None:
        self._left -= 1
        if self._left == 0:
            self.keep(sum(known(value) for value in self._values) / len(self._values))


class Times(Promise):
    """A number that will be known, times another one."""

    __slots__ = ()

    def __init__(self, value: Promise, factor: float) -> None:
        super().__init__()
        value.then(lambda number: self.keep(number * factor))


class Device(Protocol):
    """What a reader asks of a device."""

    def is_capturing(self) -> bool: ...
    def is_overwritten(self) -> bool: ...
    def snapshot(self, tensor: Any) -> Any: ...
    def copy(self, tensors: list[Any]) -> tuple[Any, Any]: ...


class Reader:
    """Reads the numbers of one device. Used by one thread at a time."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.waiting: list[tuple[Promise, Any, int]] = []
        self.oldest = 0.0
        self.flying: tuple[Any, Any, list[Promise], list[Any]] | None = None  # event, memory, promises, what is copied
        self.lost = 0

    def put(self, tensor: Any) -> Promise:
        """A promise of its number: no wait, and as a rule nothing is asked of the device."""
        promise = Promise()
        if self.device.is_capturing():
            self.lost += 1
            return promise
        if not self.waiting:
            self.oldest = monotonic()
        alias = tensor.detach()
        if self.device.is_overwritten():  # by the next replay of a graph
            alias = self.device.snapshot(alias)
        self.waiting.append((promise, alias, alias._version))
        if len(self.waiting) > MOST_WAITING:
            del self.waiting[0]
            self.lost += 1
        return promise

    def poll(self) -> None:
        """Once a step: hand over what has come true, start a copy if it is time."""
        if self.flying is not None:
            if not self.flying[0].query():
                return
            self._land()
        if self.waiting and (len(self.waiting) >= MOST_AT_ONCE or monotonic() - self.oldest > OLDEST_S) and not self.device.is_capturing():
            self._launch()

    def flush(self, timeout_s: float = FLUSH_S) -> None:
        """Wait for all of it, at most so long; the rest is lost."""
        until = monotonic() + timeout_s
        while (self.waiting or self.flying is not None) and monotonic() < until:
            if self.flying is None:
                if self.device.is_capturing():
                    break
                self._launch()
            elif self.flying[0].query():
                self._land()
            else:
                sleep(0.001)
        self.lost += len(self.waiting) + (len(self.flying[2]) if self.flying is not None else 0)
        self.waiting.clear()
        self.flying = None

    def _launch(self) -> None:
        taken, self.waiting = self.waiting[:MOST_AT_ONCE], self.waiting[MOST_AT_ONCE:]
        whole = [(promise, tensor) for promise, tensor, version in taken if tensor._version == version]
        self.lost += len(taken) - len(whole)  # changed in place since: not what was trained on
        self.oldest = monotonic()
        if whole:
            tensors = [tensor for _, tensor in whole]
            event, memory = self.device.copy(tensors)
            self.flying = event, memory, [promise for promise, _ in whole], tensors

    def _land(self) -> None:
        assert self.flying is not None
        _, memory, promises, _ = self.flying
        self.flying = None  # what was copied lives until here, so its memory is not given to others before the copy is done
        for promise, value in zip(promises, memory.tolist(), strict=True):
            promise.keep(value)


class Cuda:
    """A CUDA (or ROCm) device."""

    def __init__(self, device: Any) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device)
        self.memory = torch.empty(MOST_AT_ONCE, dtype=torch.float64, pin_memory=True)  # once: its allocation may wait for the device

    def is_capturing(self) -> bool:
        return bool(torch.cuda.is_current_stream_capturing())

    def is_overwritten(self) -> bool:
        """Whether outputs may lie in static memory: ``torch.compile(mode="reduce-overhead")`` replays into it."""
        return "torch._inductor.cudagraph_trees" in sys.modules

    def snapshot(self, tensor: Any) -> Any:
        with torch.no_grad():
            return tensor.clone()

    def copy(self, tensors: list[Any]) -> tuple[Any, Any]:
        with torch.cuda.device(self.device), torch.no_grad():
            self.stream.wait_stream(torch.cuda.current_stream(self.device))
            with torch.cuda.stream(self.stream):
                stacked = torch.stack([tensor.reshape(()).double() for tensor in tensors])
                memory = self.memory[: len(tensors)]
                memory.copy_(stacked, non_blocking=True)
                event = torch.cuda.Event()
                event.record(self.stream)
        return event, memory


class Waiting:
    """Another device (MPS, XPU), of which little is known here: its numbers are read all at once, once there are many, with a wait."""

    def is_capturing(self) -> bool:
        return False

    def is_overwritten(self) -> bool:
        return False

    def snapshot(self, tensor: Any) -> Any:
        return tensor

    def copy(self, tensors: list[Any]) -> tuple[Any, Any]:
        with torch.no_grad():
            stacked = torch.stack([tensor.reshape(()).float() for tensor in tensors])
        return _Done(), stacked.cpu()


class _Done:
    def query(self) -> bool:
        return True


class Readers:
    """One reader for each device that a loss was on."""

    def __init__(self) -> None:
        self.readers: dict[tuple[Any, int], Reader] = {}
        self.is_pretending = False  # that the CPU is far away: for tests
        self.opened: Callable[[Any], Device] = lambda device: Cuda(device) if device.type == "cuda" else Waiting()

    def of(self, device: Any, thread: int) -> Reader:
        found = self.readers.get((device, thread))
        if found is None:
            found = self.readers[device, thread] = Reader(self.opened(device))
        return found


readers = Readers()


def poll() -> None:
    """Once a step, in the training thread."""
    if readers.readers:
        thread = get_ident()
        for (_, owner), reader in list(readers.readers.items()):
            if owner == thread:
                reader.poll()


def flush(thread: int) -> int:
    """Wait for all numbers of a thread, five seconds at most; how many were lost so far."""
    lost = 0
    for key, reader in list(readers.readers.items()):
        if key[1] == thread:
            with guard("reading the last numbers from a device"):
                reader.flush()
                lost += reader.lost
                reader.lost = 0
    return lost


ears.at_fork.append(readers.readers.clear)


def number_of(tensor: Any) -> Any:
    """A number, or a promise of one; None of what must not be touched: several elements, a distributed or another special tensor."""
    if type(tensor) is not torch.Tensor or tensor.numel() != 1 or tensor.is_complex():
        return None
    if tensor.is_cpu and not readers.is_pretending:
        return float(tensor.item())
    if tensor.is_meta:
        return None
    return readers.of(tensor.device, get_ident()).put(tensor)


def mean(values: list[Any]) -> Any:
    """The mean of numbers, of which some may be promises."""
    if all(isinstance(value, float) for value in values):
        return sum(values) / len(values)
    return Mean(values)


def times(value: Any, factor: float) -> Any:
    """A number, or a promise of one, times another."""
    return Times(value, factor) if isinstance(value, Promise) else value * factor


def total(values: list[Any]) -> Any:
    """The sum of numbers, of which some may be promises; None if one of them is not to be had."""
    if not values or any(value is None for value in values):
        return None
    return values[0] if len(values) == 1 else times(mean(values), float(len(values)))
