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
    runs = _Runs(db, numbers)
    attributes = _attributes(db, [field.name for field in fields if field.group == "run"], runs.asked, now_ms) if numbers else {}
    columns = _Columns(db, runs)
    return Table(numbers, tuple(_in_order(attributes[f.name], numbers) if f.group == "run" and numbers else columns.of(f) for f in fields))


class _Runs:
    """Which runs are asked for, as conditions of SQL."""

    def __init__(self, db: sqlite3.Connection, numbers: Sequence[int]) -> None:
        self.asked = json.dumps(numbers)
        self.are_few = len(numbers) < _EVERY
        self.are_none = not numbers
        self._are_all = not self.are_few and len(numbers) == db.execute("select count(*) from run").fetchone()[0]

    def condition(self, column: str) -> str:
        """That a row is of one of the runs: nothing if all are asked for; of many, rows are read in the order of keys (the ``+``)."""
        if self._are_all:
            return "1"
        return f"{'' if self.are_few else '+'}{column} {_ASKED}"


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

    def __init__(self, db: sqlite3.Connection, runs: _Runs) -> None:
        self._db, self._runs = db, runs

    def of(self, field: Field) -> Column:
        """The values of a key."""
        kind = {"params": "param", "tags": "tag", "metrics": "metric"}.get(field.group, "")
        found = self._db.execute("select id from key where kind = ? and name = ?", (kind, field.name)).fetchone()
        if found is None or self._runs.are_none:
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
        if not rows:
            return Column([], [])
        numbers, kinds, nums, txts = zip(*rows, strict=True)
        alike = {*kinds}
        if alike == {"s"}:
            return Column(numbers, txts)
        if alike == {"f"}:
            return Column(numbers, nums if None not in nums else [math.nan if num is None else num for num in nums])
        return Column(numbers, [decoded(*one) for one in zip(kinds, nums, txts, strict=True)])

    def _column(self, table: str, key_id: int, expression: str) -> Column:
        rows = self._rows(table, key_id, expression)
        return Column([row[0] for row in rows], [row[1] for row in rows])

    def _rows(self, table: str, key_id: int, columns: str) -> list[tuple[Any, ...]]:
        text = f"select t.run_id, {columns} from {table} t where t.key_id = :key and {self._runs.condition('t.run_id')}"
        return self._db.execute(text, {"key": key_id, "runs": self._runs.asked}).fetchall()


def keys(db: sqlite3.Connection, query: Query, now_ms: int) -> Keys:
    """See Backend.keys."""
    numbers = find(db, query, now_ms)
    runs = _Runs(db, numbers)
    asked = {"runs": runs.asked}
    known = dict(db.execute("select id, name from key").fetchall())
    text = f"""select p.key_id, count(*), min(p.type) <> max(p.type) or min(p.num) is not max(p.num) or min(p.txt) is not max(p.txt)
        or count(p.num) not in (0, count(*)) from param p where {runs.condition("p.run_id")} group by p.key_id"""
    params = [(known[key_id], count, differs) for key_id, count, differs in db.execute(text, asked)] if numbers else []

    def names(table: str) -> list[str]:
        found = db.execute(f"select distinct key_id from {table} where run_id {_ASKED}", asked)
        return [known[key_id] for (key_id,) in found]

    curves = names("metric_summary")
    return Keys(
        params=sorted(name for name, _, _ in params),
        metrics=sorted({*curves, *names("summary")}),
        tags=sorted(names("tag")),
        varying=sorted(name for name, count, differs in params if differs or count < len(numbers)),
        curves=sorted(curves),
    )
