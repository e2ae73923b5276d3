"""Many runs as columns: what a table of ten thousand runs is made of, without a view for each."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Sequence
from typing import Any

from autotrack.backends.protocol import Column, Keys, Table
from autotrack.backends.sql import ATTRIBUTES, STATISTICS, decoded
from autotrack.backends.sqlite_read import find
from autotrack.query import Field, Query

_EVERY = 2_000  # runs from which on a key's rows are read all, and those of other runs left out
_ASKED = "in (select value from json_each(:runs))"


def table(db: sqlite3.Connection, query: Query, fields: Sequence[Field], now_ms: int) -> Table:
    """See Backend.table."""
    numbers = find(db, query, now_ms)
    asked = json.dumps(numbers)
    attributes = _attributes(db, [field.name for field in fields if field.group == "run"], asked, now_ms) if numbers else {}
    columns = _Columns(db, numbers, asked)
    return Table(numbers, tuple(_in_order(attributes[f.name], numbers) if f.group == "run" and numbers else columns.of(f) for f in fields))


def _attributes(db: sqlite3.Connection, names: Sequence[str], asked: str, now_ms: int) -> dict[str, dict[int, Any]]:
    """Of each attribute, the values of the runs by their numbers."""
    if not names:
        return {}
    columns = ", ".join(ATTRIBUTES[name] for name in names)
    text = f"""select r.id, {columns} from run r join experiment e on e.id = r.experiment_id left join writers w on w.id = r.writer
        where r.id {_ASKED}""".replace("{now}", ":now")
    values: dict[str, dict[int, Any]] = {name: {} for name in names}
    found = db.execute(text, {"runs": asked, "now": now_ms}).fetchall()
    if found:
        ids, *columns_found = zip(*found, strict=True)
        values = {name: dict(zip(ids, column, strict=True)) for name, column in zip(names, columns_found, strict=True)}
    return values


def _in_order(values: dict[int, Any], numbers: Sequence[int]) -> Column:
    there = [number for number in numbers if values.get(number) is not None]
    return Column(there, [values[number] for number in there])


class _Columns:
    """Columns of keys."""

    def __init__(self, db: sqlite3.Connection, numbers: Sequence[int], asked: str) -> None:
        self._db, self._asked = db, asked
        self._numbers = frozenset(numbers)

    def of(self, field: Field) -> Column:
        """The values of a key."""
        kind = {"params": "param", "tags": "tag", "metrics": "metric"}.get(field.group, "")
        found = self._db.execute("select id from key where kind = ? and name = ?", (kind, field.name)).fetchone()
        if found is None or not self._numbers:
            return Column([], [])
        if field.group == "tags":
            return self._column("tag", found[0], "value")
        if field.group == "params":
            return self._typed("param", found[0])
        return self._metric(found[0], field.statistic)

    def _metric(self, key_id: int, statistic: str) -> Column:
        expression = STATISTICS.get(statistic, "{0}." + statistic).format("t")
        column = self._column("metric_summary", key_id, expression)
        if statistic in ("last", "first"):
            column = Column(column.numbers, [math.nan if value is None else value for value in column.values])
        else:
            there = [at for at, value in enumerate(column.values) if value is not None]
            if len(there) < len(column.values):
                column = Column([column.numbers[at] for at in there], [column.values[at] for at in there])
        if statistic != "last":
            return column
        own = self._typed("summary", key_id)
        if not own.numbers:
            return column
        merged = dict(zip(column.numbers, column.values, strict=True)) | dict(zip(own.numbers, own.values, strict=True))
        return Column(list(merged), list(merged.values()))

    def _typed(self, table: str, key_id: int) -> Column:
        rows = self._rows(table, key_id, "t.type, t.num, t.txt")
        return Column([row[0] for row in rows], [row[2] if row[1] == "f" and row[2] is not None else decoded(*row[1:]) for row in rows])

    def _column(self, table: str, key_id: int, expression: str) -> Column:
        rows = self._rows(table, key_id, expression)
        return Column([row[0] for row in rows], [row[1] for row in rows])

    def _rows(self, table: str, key_id: int, columns: str) -> list[tuple[Any, ...]]:
        text = f"select t.run_id, {columns} from {table} t where t.key_id = :key"
        if len(self._numbers) < _EVERY:
            return self._db.execute(f"{text} and t.run_id {_ASKED}", {"key": key_id, "runs": self._asked}).fetchall()
        numbers = self._numbers
        return [row for row in self._db.execute(text, {"key": key_id}) if row[0] in numbers]


def keys(db: sqlite3.Connection, query: Query, now_ms: int) -> Keys:
    """See Backend.keys."""
    numbers = find(db, query, now_ms)
    asked = {"runs": json.dumps(numbers)}
    text = f"""select k.name, count(*), min(p.type) <> max(p.type) or min(p.num) is not max(p.num) or min(p.txt) is not max(p.txt)
        or count(p.num) not in (0, count(*)) from param p join key k on k.id = p.key_id where p.run_id {_ASKED} group by p.key_id"""
    params = db.execute(text, asked).fetchall()

    def names(table: str) -> list[str]:
        found = f"select distinct key_id from {table} where run_id {_ASKED}"
        return [name for (name,) in db.execute(f"select name from key where id in ({found})", asked)]

    curves = names("metric_summary")
    return Keys(
        params=sorted(name for name, _, _ in params),
        metrics=sorted({*curves, *names("summary")}),
        tags=sorted(names("tag")),
        varying=sorted(name for name, count, differs in params if differs or count < len(numbers)),
        curves=sorted(curves),
    )
