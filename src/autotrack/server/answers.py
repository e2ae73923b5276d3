"""Runs and columns as they are sent. JSON has no NaN and no infinity: ``null`` and ``1e999`` stand for them."""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from autotrack.backends.protocol import Buckets, Column
from autotrack.glance import repeats
from autotrack.query import Field
from autotrack.views import RunView, Stats

if TYPE_CHECKING:
    import numpy as np

# What a brief of a run is made of, in the order in which the store is asked for it.
BRIEF = ("id", "name", "experiment", "status", "error", "started", "ended", "parent", "kind", "session", "call_site", "host", "deleted")
BRIEF_FIELDS = tuple(Field("run", name) for name in BRIEF)
CODED = ("experiment", "status", "kind", "fold", "host")  # few different words in many runs
EXACT = 2**53  # integers beyond it are not numbers of JavaScript's
_INFINITE = {math.inf: "\0inf", -math.inf: "\0-inf"}  # no text of a store holds NUL
ODD = 200  # places of values that are not finite that are told of a curve


def to_json(value: Any) -> bytes:
    """JSON; what JSON does not have is looked for only if it is there."""
    try:
        return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
    except (ValueError, UnicodeEncodeError):
        text = json.dumps(plain(value), separators=(",", ":"))
        return text.replace('"\\u0000inf"', "1e999").replace('"\\u0000-inf"', "-1e999").encode()


def plain(value: Any) -> Any:
    """The value without NaN and infinities."""
    if isinstance(value, float):
        return None if value != value else _INFINITE.get(value, value)
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def exact(value: Any) -> Any:
    """A param's value: integers that JavaScript would round are text, and so is NaN, because null is None."""
    if isinstance(value, float) and value != value:
        return "NaN"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > EXACT:
        return str(value)
    if isinstance(value, Mapping):
        return {key: exact(one) for key, one in value.items()}
    return [exact(one) for one in value] if isinstance(value, (list, tuple)) else value


def measured(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Values of metrics for columns, as ``column`` gives them: NaN is null, and None a word."""
    return {key: value if value != value else "None" if value is None else exact(value) for key, value in metrics.items()}


def word(value: Any) -> str:
    """A value that is no number as the query box writes it."""
    if value is True or value is False:
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(exact(value), ensure_ascii=False)


def column(found: Column) -> dict[str, Any]:
    """A column as it is sent."""
    values, rows = found.values, list(found.numbers)
    kinds = set(map(type, values))
    if kinds <= {int, float}:
        if int in kinds and any(isinstance(value, int) and abs(value) > EXACT for value in values):
            return {"kind": "mixed", "rows": rows, "values": [exact(value) for value in values]}
        return {"kind": "number", "rows": rows, "values": [value if value == value else None for value in values]}
    if not kinds & {int, float}:
        return {"kind": "word", "rows": rows, **coded(values if kinds == {str} else [_said(value) for value in values])}
    return {"kind": "mixed", "rows": rows, "values": [exact(v) if type(v) in (int, float) else _said(v) for v in values]}


def _said(value: Any) -> str:
    return "None" if value is None else word(value)


def coded(words: Sequence[str]) -> dict[str, Any]:
    """Words by their places in a list."""
    places: dict[str, int] = {}
    codes = [places.setdefault(one, len(places)) for one in words]
    return {"words": list(places), "codes": codes}


def briefs(numbers: Sequence[int], columns: Sequence[Column]) -> dict[str, list[Any]]:
    """The columns of briefs, aligned, from a table of BRIEF_FIELDS."""
    made: dict[str, list[Any]] = {"number": list(numbers)}
    for name, found in zip(BRIEF, columns, strict=True):
        if len(found.values) == len(numbers):
            made[name] = list(found.values)
        else:
            values = dict(zip(found.numbers, found.values, strict=True))
            made[name] = [values.get(number) for number in numbers]
    made["name"] = [shown(*one) for one in zip(made["name"], made["id"], strict=True)]
    alike = zip(made["kind"], made.pop("session"), made.pop("call_site"), made["parent"], made["experiment"], strict=True)
    made["fold"] = [fold(*one) for one in alike]
    return made


def rows(columns: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Briefs one by one."""
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def brief(run: RunView) -> dict[str, Any]:
    """A run in short."""
    same = fold(run.kind, run.session, run.call_site, run.parent_id, run.experiment)
    taken = {name: getattr(run, name) for name in ("number", "id", "name", "experiment", "status", "error", "started", "ended")}
    taken["name"] = shown(run.name, run.id)
    return {**taken, "parent": run.parent_id, "kind": run.kind, "host": run.host, "deleted": run.deleted, "fold": same}


def shown(name: str | None, run_id: str) -> str:
    """A run's name; of one that nobody could see or click, the start of its id."""
    return name if name and any(one.isprintable() and not one.isspace() for one in name) else run_id[:12]


def fold(kind: str, session: str, call_site: str, parent: str | None, experiment: str) -> str:
    """What repeated fits of one line share, as a short text; "" of a run that stands alone."""
    shared = repeats(kind or "", session or "", call_site or "", parent, experiment or "")
    return hashlib.sha256("\0".join(shared).encode()).hexdigest()[:12] if shared else ""


def stats(amounts: Stats) -> list[Any]:
    """What a series amounts to, as a list."""
    ends = (amounts.count, amounts.last, amounts.last_step, amounts.first, amounts.first_step)
    return [*ends, amounts.min, amounts.max, amounts.mean, amounts.nonfinite]


def series(curves: Iterable[Buckets], cursor: str) -> bytes:
    """Curves as numbers behind a head of JSON."""
    heads, bodies, pending = [], [], 0
    for curve in curves:
        if curve.pending:
            pending += 1
            continue
        columns = columns_of(curve)
        heads.append(head_of(curve, columns))
        bodies += [curve.x, *columns]
    head = to_json({"series": heads, "pending": pending, "cursor": cursor})
    head += b" " * (-(4 + len(head)) % 8)
    return b"".join([struct.pack("<I", len(head)), head, *(body.astype("<f8", copy=False).tobytes() for body in bodies)])


def head_of(curve: Buckets, columns: Sequence[Any]) -> dict[str, Any]:
    """What is said of a curve before its columns."""
    return {
        "run": curve.run_id, "key": curve.key, "n": len(curve.x), "shift": curve.shift, "flat": len(columns) == 1,
        "odd": curve.x[curve.odd > 0][:ODD].tolist(), "odds": int(curve.odd.sum()), "count": curve.total, "first": curve.first, "last": curve.last,
    }  # fmt: skip


def columns_of(curve: Buckets) -> list[np.ndarray[Any, Any]]:
    """Its mean, least and most; the mean alone where they are the same.

    And where its window holds points as they are: of the wider buckets that may lead to it, and are not looked at, smoothing needs no more.
    """
    is_flat = not curve.shift or (same(curve.low, curve.mean) and same(curve.high, curve.mean))
    return [curve.mean] if is_flat else [curve.mean, curve.low, curve.high]


def same(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    """Equality of columns in which NaN is NaN."""
    return bool(((one == other) | ((one != one) & (other != other))).all())
