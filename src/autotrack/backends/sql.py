"""What SQL stores share: a query becomes SQL with bound values, typed values become columns, and rows become views.

A typed value lies in three columns: ``type`` (i, f, b, s, j for JSON, n for None), ``num`` (a number or a boolean; NULL is NaN) and
``txt`` (text, JSON, and the digits of an integer that a float cannot hold).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from autotrack.backends.migrations import ENDED, STATUS
from autotrack.query import Condition, Every, Field, Node, Query, Value, conditions_of
from autotrack.values import as_float
from autotrack.views import Stats

Typed = tuple[str, float | None, str | None]
RECENT = 240  # characters by which a series remembers its last 15 or so batches, for ``tail``

ATTRIBUTES = {
    "id": "r.uid",
    "name": "r.name",
    "experiment": "e.name",
    "status": STATUS,
    "error": "r.error",
    "started": "r.started_ms / 1000.0",
    "ended": f"({ENDED}) / 1000.0",
    "duration": f"max(0.0, ({ENDED} - r.started_ms) / 1000.0)",
    "parent": "r.parent_uid",
    "kind": "r.kind",
    "session": "r.session",
    "call_site": "r.call_site",
    "host": "r.host",
    "user": "r.user_name",
    "notes": "r.notes",
    "deleted": "r.deleted_ms / 1000.0",
}
_EXPERIMENT = Field("run", "experiment")
STATISTICS = {
    "min": "{0}.min",
    "max": "{0}.max",
    "count": "{0}.count",
    "mean": "{0}.sum / nullif({0}.count - {0}.nonfinite, 0)",
}


def encoded(value: Any) -> Typed:
    """A typed value as its three columns."""
    if value is None:
        return "n", None, None
    if isinstance(value, bool):
        return "b", float(value), None
    if isinstance(value, int):
        return ("i", float(value), None) if abs(value) < 2**53 else ("i", as_float(value), str(value))
    if isinstance(value, float):
        return "f", None if math.isnan(value) else value, None
    if isinstance(value, str):
        return "s", None, value
    return "j", None, json.dumps(value)


def decoded(kind: str, num: float | None, txt: str | None) -> Any:
    """The value of three columns."""
    if kind == "f":
        return math.nan if num is None else num
    if kind == "s":
        return txt
    if kind == "i":
        return int(txt) if txt is not None else int(num)  # type: ignore[arg-type]
    if kind == "b":
        return bool(num)
    return None if txt is None else json.loads(txt)


class Statistics(Mapping[str, Stats]):
    """What each series of a run amounts to; a ``Stats`` is made when it is asked for, since most are not."""

    __slots__ = ("_rows",)

    def __init__(self, rows: dict[str, tuple[Any, ...]]) -> None:
        self._rows = rows  # count, last, last_step, first, first_step, min, max, sum, nonfinite

    def __getitem__(self, key: str) -> Stats:
        count, last, last_step, first, first_step, low, high, total, nonfinite = self._rows[key]
        finite = count - nonfinite
        return Stats(count, nan(last), last_step, nan(first), first_step, low, high, total / finite if finite else None, nonfinite)

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return repr(dict(self))


def nan(value: float | None) -> float:
    """A number as SQL gave it back: NULL is NaN."""
    return math.nan if value is None else value


class Selection:
    """The SQL that selects the ``id`` of the runs that fit a query, in its order; its values are bound by name.

    Every key that the query speaks of is one join, led by the key: inner where a run without it cannot fit, else left.
    ``keys`` are the ids of the keys there are, and ``summaries`` the metric keys that some run has as summary.
    """

    def __init__(self, query: Query, keys: Mapping[tuple[str, str], int], summaries: frozenset[int], now_ms: int) -> None:
        self.values: dict[str, Any] = {"now": now_ms}
        self._keys = keys
        self._summaries = summaries
        self._aliases: dict[tuple[str, str], str] = {}
        self._joins: list[str] = []
        self._inner = {place for field in _needed(query.where) if (place := self._place(field)) is not None}
        where = [] if query.deleted else ["r.deleted_ms is null"]
        if query.where is not None:
            where.append(self._node(query.where))
        order = [part for by in query.order for part in self._order(by.field, "desc" if by.descending else "asc")]
        order += ["r.started_ms desc", "r.uid desc"]
        self.text = " ".join(
            [
                "select r.id from run r",
                "join experiment e on e.id = r.experiment_id" if any(by.field == _EXPERIMENT for by in query.order) else "",
                "left join writers w on w.id = r.writer",
                *self._joins,
                f"where {' and '.join(where)}" if where else "",
                f"order by {', '.join(order)} limit {self._bind(-1 if query.limit is None else min(query.limit, 2**62))}",
                f"offset {self._bind(min(query.offset, 2**62))}",
            ]
        ).replace("{now}", ":now")

    def _node(self, node: Node) -> str:
        if isinstance(node, Condition):
            return self._condition(node)
        word = " and " if isinstance(node, Every) else " or "
        return f"({word.join(map(self._node, node.parts))})"

    def _condition(self, condition: Condition) -> str:
        if condition.field.nature == "typed":
            return self._typed(condition)
        fits = self._plain(condition, self._column(condition.field))
        if condition.field != _EXPERIMENT:
            return fits
        one = condition.operator == "=" and not condition.negated  # then the index gives the newest first
        return f"r.experiment_id {'=' if one else 'in'} (select e.id from experiment e where {fits})"

    def _plain(self, condition: Condition, column: str) -> str:
        """The condition on one column, which is NULL where the run lacks it."""
        field = condition.field
        if condition.operator == "null":
            empty = f"coalesce({column}, '') = ''" if field.group == "run" and field.nature == "text" else f"{column} is null"
            return f"not ({empty})" if condition.negated else f"({empty})"
        face = "text" if field.nature == "text" else "number"
        fits = self._compared(condition, column, face) or "0"
        return f"({column} is not null and ({fits}) is not true)" if condition.negated else f"({fits})"

    def _typed(self, condition: Condition) -> str:
        """A key's value, which is a number, a boolean or text: each is compared with the faces of its kind."""
        kind, num, txt = self._typed_columns(condition.field)
        has = f"coalesce({kind}, 'n') <> 'n'"
        if condition.operator == "null":
            return f"({has})" if condition.negated else f"not ({has})"
        faces = [
            (f"{kind} in ('i', 'f')", self._number(condition, kind, num, txt)),
            (f"{kind} = 'b'", self._compared(condition, num, "truth")),
            (f"{kind} in ('s', 'j')", self._compared(condition, txt, "text")),
        ]
        fits = " or ".join(f"{of} and ({fits})" for of, fits in faces if fits) or "0"
        return f"({has} and ({fits}) is not true)" if condition.negated else f"({fits})"

    def _number(self, condition: Condition, kind: str, num: str, txt: str) -> str:
        """As ``_compared``, where a number may be NaN, or an integer that is exact only as text."""
        if condition.operator not in ("=", "in"):
            return self._compared(condition, num, "number")
        numbers = [value.number for value in condition.values if value.number is not None]
        parts = [f"{num} = {self._bind(number)}" for number in numbers if isinstance(number, float) and not math.isnan(number)]
        parts += [f"{txt} = {self._bind(str(number))}" for number in numbers if isinstance(number, int)]
        parts += [f"{kind} = 'f' and {num} = {self._bind(as_float(number))}" for number in numbers if isinstance(number, int)]
        if any(isinstance(number, float) and math.isnan(number) for number in numbers):
            parts.append(f"{kind} = 'f' and {num} is null")
        return " or ".join(parts)

    def _compared(self, condition: Condition, column: str, face: str) -> str:
        """The comparison with the values' faces of one kind; "" if they have none."""
        values = [_face(value, face) for value in condition.values]
        operator = condition.operator
        if operator == "in":
            members = [value for value in values if value is not None and value == value]
            return f"{column} in ({', '.join(map(self._bind, members))})" if members else ""
        if None in values:
            return ""
        if any(value != value for value in values):
            return "0"  # NaN: no order fits it, and columns without types hold none
        if operator == "between":
            return f"{column} between {self._bind(values[0])} and {self._bind(values[1])}"
        if operator == "like":
            return f"{column} like {self._bind(values[0])}"
        if operator == "contains":
            return f"instr(lower({column}), lower({self._bind(values[0])})) > 0"
        return f"{column} {operator} {self._bind(values[0])}"

    def _order(self, field: Field, direction: str) -> list[str]:
        if field.nature == "typed":
            _, num, txt = self._typed_columns(field)
            return [f"{num} {direction} nulls last", f"{txt} {direction} nulls last"]
        column = self._column(field)
        return [f"{column} {direction} nulls last"]

    def _column(self, field: Field) -> str:
        """What holds a field that is not typed; NULL where the run lacks it."""
        if field.group == "run":
            return f"({ATTRIBUTES[field.name]})"
        alias = self._join(*_table(field), field)
        if alias is None:
            return "null"
        return f"{alias}.value" if field.group == "tags" else f"({STATISTICS[field.statistic].format(alias)})"

    def _typed_columns(self, field: Field) -> tuple[str, str, str]:
        """Type, number and text of a param or of a metric; a summary stands for the last value of a metric of its name."""
        alias = self._join(*_table(field), field)
        if alias is None:
            return "null", "null", "null"
        if field.group == "params":
            return f"{alias}.type", f"{alias}.num", f"{alias}.txt"
        kind = "'f'" if ("metric_summary", field.name) in self._inner else f"case when {alias}.key_id is not null then 'f' end"
        num = f"{alias}.{field.statistic}"
        if not self._has_summary(field):
            return kind, num, "null"
        own = self._join("summary", "metric", field)
        return f"coalesce({own}.type, {kind})", f"case when {own}.key_id is null then {num} else {own}.num end", f"{own}.txt"

    def _has_summary(self, field: Field) -> bool:
        return field.statistic == "last" and self._keys.get(("metric", field.name)) in self._summaries

    def _place(self, field: Field) -> tuple[str, str] | None:
        """The table and key where a run has the field; None if that is not one row alone."""
        if field.group == "run" or (field.group == "metrics" and self._has_summary(field)):
            return None
        return _table(field)[0], field.name

    def _join(self, table: str, kind: str, field: Field) -> str | None:
        """The alias under which a key's rows of a table are joined; None if there is no such key."""
        key_id = self._keys.get((kind, field.name))
        if key_id is None:
            return None
        alias = self._aliases.get((table, field.name))
        if alias is None:
            alias = self._aliases[table, field.name] = f"k{len(self._aliases)}"
            how = "join" if (table, field.name) in self._inner else "left join"
            self._joins.append(f"{how} {table} {alias} on {alias}.key_id = {self._bind(key_id)} and {alias}.run_id = r.id")
        return alias

    def _bind(self, value: Any) -> str:
        name = f"v{len(self.values)}"
        self.values[name] = as_float(value) if isinstance(value, int) and not -(2**63) <= value < 2**63 else value
        return f":{name}"


def _face(value: Value, face: str) -> Any:
    if face == "number":
        return None if value.number is None else as_float(value.number)
    return value.text if face == "text" else value.truth


def _needed(node: Node | None) -> frozenset[Field]:
    """The fields that a run must have to fit: those of conditions that all must hold."""
    if isinstance(node, Condition):
        return frozenset() if node.operator == "null" and not node.negated else frozenset({node.field})
    if isinstance(node, Every):
        return frozenset().union(*map(_needed, node.parts))
    return frozenset()


def keys_of(query: Query) -> list[tuple[str, str]]:
    """The keys (kind and name) that a query speaks of."""
    fields = {condition.field for condition in conditions_of(query.where)} | {by.field for by in query.order}
    return sorted({(_table(field)[1], field.name) for field in fields if field.group != "run"})


def _table(field: Field) -> tuple[str, str]:
    """The table and the kind of key in which a group's values lie."""
    return {"params": ("param", "param"), "metrics": ("metric_summary", "metric"), "tags": ("tag", "tag")}[field.group]
