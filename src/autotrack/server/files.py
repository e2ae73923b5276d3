"""What runs kept as files: as downloads, never shown by the browser; and previews of texts, tables and pictures, as far as they are small.

What a file is, its own bytes say, not its name. A picture is one of four kinds that hold no program (SVG can). Everything else
is text for the page, which shows it as text.
"""

from __future__ import annotations

import io
import json
from typing import Any
from urllib.parse import quote

from autotrack.artifacts import ArtifactStore
from autotrack.errors import ArtifactNotFound
from autotrack.server.answers import exact
from autotrack.server.asking import Refused
from autotrack.views import ArtifactView, RunView

TEXT = 256 << 10  # bytes of a text that are shown
TABLE = 1 << 20  # bytes of a table that are read for its first rows
ROWS = 500  # of a table, or as many as have CELLS: a curve is to be seen whole
CELLS = 30_000
COLUMNS = 200
PICTURE = 20 << 20  # bytes
DIFF = "uncommitted.diff"
TABLES = (".jsonl", ".csv")
_SIGNS = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF87a", "image/gif"), (b"GIF89a", "image/gif"))
_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp")
_TEXTS = (
    *(".txt", ".log", ".md", ".json", ".jsonl", ".csv", ".tsv", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".py", ".ipynb", ".sh", ".diff"),
    *(".patch", ".html", ".xml", ".svg", ".tex", ".r", ".sql", ".js"),
)


def shown(artifact: ArtifactView) -> str | None:
    """How its name promises that it can be shown: ``image``, ``table``, ``text``, or None."""
    name = artifact.name.lower()
    if name.endswith(_PICTURES):
        return "image" if artifact.size <= PICTURE else None
    if artifact.kind == "table" or name.endswith(TABLES):
        return "table"
    return "text" if artifact.kind in ("text", "diff") or name.endswith(_TEXTS) else None


def head(store: ArtifactStore, artifact: ArtifactView, most: int) -> bytes:
    """Its first bytes, one more than ``most`` if there are."""
    with store.open(artifact.digest) as file:
        return file.read(most + 1)


def preview(store: ArtifactStore, artifact: ArtifactView) -> dict[str, Any]:
    """What the page shows of it.   Raises: Refused, ArtifactNotFound."""
    start = head(store, artifact, 64)
    kind = picture_type(start)
    if kind is not None:
        if artifact.size > PICTURE:
            raise Refused(415, "this picture is too large to be shown; download it")
        return {"shown": "image", "type": kind, "src": f"/api/picture?run={quote(artifact.run_id, safe='')}&name={quote(artifact.name, safe='')}"}
    if shown(artifact) == "table":
        table = rows_of(head(store, artifact, TABLE), artifact)
        if table is not None:
            return table
    return {"shown": "text", **text_of(head(store, artifact, TEXT), TEXT)}


def text_of(content: bytes, most: int) -> dict[str, Any]:
    """Bytes as text.   Raises: Refused if they are none."""
    if b"\0" in content[:8192]:
        raise Refused(415, "this is neither text nor a picture; download it")
    text = content[:most].decode("utf-8", errors="replace")
    if text.count("\ufffd") > 20 + len(text) // 10:
        raise Refused(415, "this is neither text nor a picture; download it")
    return {"text": text, "cut": len(content) > most}


def picture_type(start: bytes) -> str | None:
    """The kind of picture that begins so; None if it is none."""
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for sign, kind in _SIGNS if start.startswith(sign)), None)


def rows_of(content: bytes, artifact: ArtifactView) -> dict[str, Any] | None:
    """The first rows of a table of JSON lines or of CSV; None if it is not one."""
    if not content.strip():
        return {"shown": "table", "columns": [], "rows": [], "total": 0, "cut": False}
    is_cut = len(content) > TABLE
    lines = io.StringIO(content[:TABLE].decode("utf-8-sig", errors="replace"), newline="").readlines()  # only \n, \r\n and \r end lines
    if is_cut and lines:
        lines.pop()  # it may end anywhere
    found = _csv(lines) if artifact.name.lower().endswith(".csv") else _json_lines(lines)
    if found is None:
        return None
    columns, rows, there = found
    total = artifact.meta.get("rows")
    whole = total if isinstance(total, int) else there if not is_cut else None
    is_part = is_cut or there > len(rows) or len(columns) > COLUMNS
    return {"shown": "table", "columns": columns[:COLUMNS], "rows": rows, "total": whole, "cut": is_part}


def _json_lines(lines: list[str]) -> tuple[list[str], list[list[Any]], int] | None:
    """Columns, the first rows, and how many there are."""
    try:
        found = [json.loads(line) for line in lines[:CELLS] if line.strip()]
    except (ValueError, RecursionError):
        return None
    if not found or not all(isinstance(row, dict) for row in found):
        return None
    columns = list({str(name): None for row in found for name in row})
    rows = [[exact(row.get(name)) for name in columns[:COLUMNS]] for row in found[: _room(columns)]]
    return columns, rows, len(found) + sum(1 for line in lines[CELLS:] if line.strip())


def _csv(lines: list[str]) -> tuple[list[str], list[list[Any]], int] | None:
    """Columns, the first rows, and how many there are. A row may take several lines, and more columns than the head names."""
    import csv

    try:
        found = [row for row in csv.reader(lines) if row]
    except csv.Error:
        return None
    if not found or len(found[0]) < 2:
        return None
    wide = max(len(row) for row in found)
    columns = found[0] + [""] * (wide - len(found[0]))
    rows = [(row + [None] * COLUMNS)[: min(wide, COLUMNS)] for row in found[1 : 1 + _room(columns)]]
    return columns, rows, len(found) - 1


def _room(columns: list[str]) -> int:
    return max(ROWS, CELLS // max(len(columns), 1))


def named(run: RunView, name: str) -> ArtifactView:
    """The run's file of this name.   Raises: ArtifactNotFound."""
    for artifact in run.artifacts:
        if artifact.name == name:
            return artifact
    raise ArtifactNotFound("the run has no such file")


def disposition(name: str) -> str:
    """The header by which a browser saves it under the last part of its name; no character of that reaches the header as it is."""
    last = name.replace("\\", "/").rpartition("/")[2] or "file"
    plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._- ") else "_" for letter in last)[:200]
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(last[:200], safe='')}"
