"""Tables as files of JSON lines: an object for each row, its keys the columns."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, cast

from autotrack import values as kept
from autotrack.artifacts import checked_name


def table_of(name: str, rows: Any) -> tuple[str, bytes, dict[str, Any]]:
    """The name of a table's file, its content, and what is said of it: its columns, and how many rows it has.

    ``rows`` is an iterable of mappings, a mapping from columns to lists, or a data frame.   Raises: TypeError, ValueError.
    """
    name = checked_name(name if name.endswith(".jsonl") else f"{name}.jsonl")
    columns: dict[str, None] = {}
    lines = []
    for row in rows_of(rows):
        line = {kept.name_of(key): kept.plain(value, kept.LONG) for key, value in row.items()}
        columns.update(dict.fromkeys(line))
        lines.append(json.dumps(line))
    return name, "".join(f"{line}\n" for line in lines).encode(), {"columns": list(columns), "rows": len(lines)}


def rows_of(table: Any) -> Iterable[Mapping[Any, Any]]:
    """The rows of a table.   Raises: TypeError."""
    if hasattr(table, "to_dict") and hasattr(table, "columns"):  # a data frame
        return cast(Iterable[Mapping[Any, Any]], table.to_dict("records") if hasattr(table, "iloc") else table.to_dicts())
    if isinstance(table, Mapping):
        lengths = {len(column) for column in table.values()}
        if len(lengths) > 1:
            raise ValueError(f"the columns of a table have one length; these have {sorted(lengths)}")
        return [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    rows = list(table)
    for row in rows:
        if not isinstance(row, Mapping):
            raise TypeError(f"a row of a table is a mapping from columns to values, not {type(row).__name__}")
    return rows
