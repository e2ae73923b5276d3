"""What every store accepts: a record of the right types comes through (as it can be stored), any other is rejected by name.

One rule for all stores, so that a record means the same on each. Numbers are float64 and steps int64; times are kept in
milliseconds; text is Unicode without NUL and lone surrogates, which are replaced by U+FFFD.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, cast

from autotrack.errors import RecordRejected
from autotrack.records import AnyRecord, ArtifactStored, MetricsLogged, ParamsSet, RunEnded, RunNoted, RunStarted, SummarySet, TagsSet, WriterEnded
from autotrack.values import STATUSES, Scalar

NOTED = ("name", "stem", "experiment", "notes", "environment", "traceback", "dropped")
_FLOATS = frozenset({float})
_INTS = frozenset({int})
_TEXTS = ("experiment", "name", "session", "call_site", "host", "user", "kind", "stem")


def accept(record: AnyRecord) -> AnyRecord:
    """The record as it can be stored.   Raises: RecordRejected, naming what is wrong with it."""
    try:
        if not isinstance(record.run_id, str) or not (record.run_id or isinstance(record, WriterEnded)):
            raise TypeError(f"a run id must be text, not {record.run_id!r}")
        if clean(record.run_id) != record.run_id:
            raise ValueError(f"a run id cannot be {record.run_id!r}")
        to_ms(record.time)
        return _accepted(record)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise RecordRejected(f"{type(record).__name__} record of run {record.run_id!r} cannot be stored: {error}") from error


def _accepted(record: AnyRecord) -> AnyRecord:
    match record:
        case MetricsLogged():
            return _metrics(record)
        case ParamsSet():
            return replace(record, values={_key(key): plain(value) for key, value in record.values.items()})
        case SummarySet():
            return replace(record, values={_key(key): _scalar(key, value) for key, value in record.values.items()})
        case TagsSet():
            return replace(record, values={_key(key): value if value is None else clean(value) for key, value in record.values.items()})
        case RunStarted():
            parent = record.parent_id if record.parent_id is None else clean(record.parent_id)
            texts: dict[str, Any] = {name: clean(getattr(record, name)) for name in _TEXTS}
            return replace(record, parent_id=parent, pid=_step(record.pid), resumed=bool(record.resumed), **texts)
        case ArtifactStored():
            step = record.step if record.step is None else _step(record.step)
            texts = {name: clean(getattr(record, name)) for name in ("name", "digest", "kind")}
            return replace(record, step=step, size=_step(record.size), meta=plain(dict(record.meta)), **texts)
        case RunNoted():
            return replace(record, value=_noted(record))
        case RunEnded() | WriterEnded():
            if record.status not in STATUSES or record.status == "running":
                raise ValueError(f"a run cannot end as {record.status!r}")
            return record if record.error is None else replace(record, error=clean(record.error))
    raise TypeError("its kind is not known")


def _metrics(record: MetricsLogged) -> MetricsLogged:
    """Columns of one length, all floats; nothing is copied where nothing is to be changed."""
    steps, times, columns = record.steps, record.times, record.columns
    if not len(steps) == len(times) == (len(columns[0]) if columns else len(steps)) or len(columns) != len(record.keys):
        raise ValueError("its columns differ in length")
    if len(set(record.keys)) != len(record.keys):
        raise ValueError("it has a key twice")
    changed: dict[str, Any] = {}
    if not _INTS.issuperset(map(type, steps)):
        changed["steps"] = [_step(step) for step in steps]
    if steps and not -(2**63) <= min(steps) <= max(steps) < 2**63:
        raise OverflowError("a step is beyond 64 bits")
    if not all(map(math.isfinite, times)):
        raise ValueError("a time is not a number")
    if any(len(column) != len(steps) for column in columns):
        raise ValueError("its columns differ in length")
    if not all(_FLOATS.issuperset(map(type, column)) for column in columns):
        changed["columns"] = [_floats(column) for column in columns]
    keys = tuple(map(_key, record.keys))
    if keys != record.keys:
        changed["keys"] = keys
    return replace(record, **changed) if changed else record


def _floats(column: Iterable[Any]) -> list[float]:
    if any(isinstance(value, str) for value in column):
        raise TypeError("a metric is text")
    return [float(value) for value in column]


def _noted(record: RunNoted) -> Any:
    if record.field not in NOTED:
        raise ValueError(f"a run has no field {record.field!r}")
    if record.field == "dropped":
        return _step(record.value)
    if record.field == "environment":
        if not isinstance(record.value, dict):
            raise TypeError("an environment is a dict")
        return plain(record.value)
    if record.field == "traceback" and record.value is None:
        return None
    return clean(record.value)


def _scalar(key: str, value: Any) -> Scalar:
    if not isinstance(value, (float, int, str, type(None))):
        raise TypeError(f"the summary {key!r} is a {type(value).__name__}")
    return cast(Scalar, plain(value))


def _key(key: Any) -> str:
    if not isinstance(key, str) or not key:
        raise TypeError(f"a key must be text and not empty, not {key!r}")
    return clean(key)


def _step(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r} is not a whole number")
    if not -(2**63) <= value < 2**63:
        raise OverflowError(f"{value} is beyond 64 bits")
    return int(value)


def to_ms(seconds: float) -> int:
    """A time as it is kept: whole milliseconds."""
    ms = round(seconds * 1000)
    if not -(2**53) < ms < 2**53:
        raise OverflowError(f"the time {seconds} is out of range")
    return ms


def clean(text: Any) -> str:
    """Text that any store can hold."""
    if not isinstance(text, str):
        raise TypeError(f"{text!r} is not text")
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode(errors="replace").decode() if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return str(text.replace("\0", "\N{REPLACEMENT CHARACTER}"))


def plain(value: Any) -> Any:
    """The value in Python's own JSON types, shared with nobody."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, (list, tuple, dict)):
        return json.loads(clean(json.dumps(value, ensure_ascii=True)))
    raise TypeError(f"a {type(value).__name__} is not a scalar, a list or a dict")
