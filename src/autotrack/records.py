"""What happens in training, as immutable facts: the records, the batch that carries them, and their wire form.

A record is told once and never changed. Time is UTC in seconds since the epoch. The wire form is plain JSON
(Python's: NaN and infinities are allowed); the same form lies in the journal and crosses the network.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from time import time
from typing import Any, ClassVar

from autotrack.errors import RecordRejected
from autotrack.values import Scalar, Status

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


_entropy: list[bytes] = []  # asked for in advance: ``os.urandom`` lets go of the interpreter's lock, and gets it back late beside a busy thread
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_entropy.clear)


def new_run_id() -> str:
    """Make a ULID: 26 characters, sortable by time; its randomness is ``os.urandom``'s, never a global generator's.

    Source: https://github.com/ulid/spec
    """
    try:
        drawn = _entropy.pop()
    except IndexError:
        pool = os.urandom(640)
        drawn = pool[:10]
        _entropy.extend(pool[start : start + 10] for start in range(10, 640, 10))
    number = int(time() * 1000) << 80 | int.from_bytes(drawn, "big")
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


@dataclass(frozen=True, slots=True)
class Record:
    """One fact about one run."""

    run_id: str
    time: float

    @property
    def count(self) -> int:
        """How many records it stands for: one, except for a stretch of metrics."""
        return 1


@dataclass(frozen=True, slots=True)
class RunStarted(Record):
    """A run began, or was resumed. The batch's writer becomes the run's writer.

    ``name`` is what the user gave, or "": then it is named by its ``stem`` and a number that counts within the experiment.
    ``session`` is one per process; ``call_site`` is ``file:line:function`` of the user's code.
    """

    experiment: str
    name: str = ""
    parent_id: str | None = None
    session: str = ""
    call_site: str = ""
    host: str = ""
    pid: int = 0
    user: str = ""
    kind: str = ""  # what opened it: the integration's name, or "" for the user's own start_run
    resumed: bool = False
    stem: str = ""


@dataclass(frozen=True, slots=True)
class ParamsSet(Record):
    """Parameters, flat, each a scalar or a JSON-safe list or dict."""

    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class MetricsLogged(Record):
    """A stretch of ``log`` calls with one set of keys, as columns.

    ``steps``, ``times`` and every one of ``columns`` have one length, the count of records; ``columns`` go with ``keys``.
    ``time`` is that of the first. A stretch can be cut at any record (``tail``).
    """

    keys: tuple[str, ...]
    steps: list[int]
    times: list[float]
    columns: list[list[float]]

    @property
    def count(self) -> int:
        """How many ``log`` calls the stretch holds."""
        return len(self.steps)

    def tail(self, start: int) -> MetricsLogged:
        """The same stretch without its first ``start`` records."""
        return MetricsLogged(
            self.run_id, self.times[start], self.keys, self.steps[start:], self.times[start:], [column[start:] for column in self.columns]
        )


@dataclass(frozen=True, slots=True)
class SummarySet(Record):
    """Values that stand for the whole run; each wins over the last value of a series of its name."""

    values: dict[str, Scalar]


@dataclass(frozen=True, slots=True)
class TagsSet(Record):
    """Tags; None takes a tag off."""

    values: dict[str, str | None]


@dataclass(frozen=True, slots=True)
class ArtifactStored(Record):
    """A file of the run is in the artifact store.

    ``name`` is its path within the run (``/`` separates), ``digest`` is ``sha256:<hex>``, ``size`` is in bytes.
    The same name again is a new version: the last one is shown.
    """

    name: str
    digest: str
    size: int
    kind: str = "file"  # file, text, table, model, checkpoint, figure
    step: int | None = None
    meta: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunNoted(Record):
    """One field of the run: ``name``, ``stem``, ``experiment``, ``notes``, ``environment``, ``traceback`` or ``dropped``.

    ``stem`` is another one than it started with.
    ``environment`` is merged into what is there; ``dropped`` is added to it.
    """

    field: str
    value: Any


@dataclass(frozen=True, slots=True)
class RunEnded(Record):
    """The run ended; metrics may still follow."""

    status: Status
    error: str | None = None  # the exception's type and message, one line


@dataclass(frozen=True, slots=True)
class WriterEnded(Record):
    """The batch's writer is gone: each run that it was the last to start and that still runs ends so (``run_id`` is "")."""

    status: Status = "lost"
    error: str | None = None


AnyRecord = RunStarted | ParamsSet | MetricsLogged | SummarySet | TagsSet | ArtifactStored | RunNoted | RunEnded | WriterEnded


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive records of one writer; the first has the number ``first``, each further one the next.

    Numbers of a writer only rise, and may have gaps between batches. An empty batch is a sign of life.
    """

    writer: str
    first: int
    records: tuple[AnyRecord, ...]

    @property
    def last(self) -> int:
        """The number of its last record (``first - 1`` if it is empty)."""
        return self.first + sum(record.count for record in self.records) - 1

    def after(self, number: int) -> tuple[AnyRecord, ...]:
        """Its records with a number above ``number``: what a store that has applied ``number`` still lacks."""
        skip = number - self.first + 1
        if skip <= 0:
            return self.records
        left: list[AnyRecord] = []
        for record in self.records:
            if skip >= record.count:
                skip -= record.count
            elif isinstance(record, MetricsLogged) and skip:
                left.append(record.tail(skip))
                skip = 0
            else:
                left.append(record)
        return tuple(left)


class Wire:
    """The wire form: a dict with the record's class under ``is``."""

    kinds: ClassVar[dict[str, type[Any]]] = {
        kind.__name__: kind
        for kind in (RunStarted, ParamsSet, MetricsLogged, SummarySet, TagsSet, ArtifactStored, RunNoted, RunEnded, WriterEnded)
    }
    names: ClassVar[dict[type[Any], tuple[str, ...]]] = {kind: tuple(f.name for f in fields(kind)) for kind in kinds.values()}


def to_wire(record: AnyRecord) -> dict[str, Any]:
    """A record as a JSON-safe dict."""
    kind = type(record)
    return {"is": kind.__name__, **{name: getattr(record, name) for name in Wire.names[kind]}}


def from_wire(wire: dict[str, Any]) -> AnyRecord:
    """The record of a wire form.   Raises: RecordRejected if it is none."""
    values = dict(wire)
    kind = Wire.kinds.get(values.pop("is", ""))
    if kind is None:
        raise RecordRejected(f"record of an unknown kind {wire.get('is')!r}; it was written by a newer autotrack or is damaged")
    if kind is MetricsLogged:
        values["keys"] = tuple(values["keys"])
    try:
        record: AnyRecord = kind(**values)
    except TypeError as error:
        raise RecordRejected(f"malformed {kind.__name__} record: {error}") from error
    return record
