"""Tables as files of JSON lines: an object for each row, its keys the columns."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, cast

from autotrack import values as kept
from autotrack.artifacts import checked_name


def named(name: str) -> str:
    """The name of a table's file.   Raises: ValueError for a name that leads out of the run."""
    return checked_name(name if name.endswith(".jsonl") else f"{name}.jsonl")


def frozen(rows: Any) -> list[dict[str, Any]]:
    """A table's rows as they are now, in JSON's types.

    ``rows`` is an iterable of mappings, a mapping from columns to lists, or a data frame.   Raises: TypeError, ValueError.
    """
    return [{kept.name_of(key): kept.plain(value, kept.LONG) for key, value in row.items()} for row in rows_of(rows)]


def written(rows: list[dict[str, Any]]) -> tuple[bytes, dict[str, Any]]:
    """The content of a table's file, and what is said of it: its columns, and how many rows it has."""
    columns = dict.fromkeys(name for row in rows for name in row)
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode(), {"columns": list(columns), "rows": len(rows)}


def rows_of(table: Any) -> Iterable[Mapping[Any, Any]]:
    """The rows of a table.   Raises: TypeError."""
    if hasattr(table, "to_dict") and hasattr(table, "columns"):  # a data frame
        return cast(Iterable[Mapping[Any, Any]], table.to_dict("records") if hasattr(table, "iloc") else table.to_dicts())
    if kept.is_mapping(table):
        lengths = {len(column) for column in table.values()}
        if len(lengths) > 1:
            raise ValueError(f"the columns of a table have one length; these have {sorted(lengths)}")
        return [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    rows = list(table)
    for row in rows:
        if not kept.is_mapping(row):
            raise TypeError(f"a row of a table is a mapping from columns to values, not {type(row).__name__}")
    return rows
