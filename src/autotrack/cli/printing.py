"""What every command prints with: styled lines, tables that fit, JSON and CSV. How a value reads is in ``words``.

Text of users (names, notes, tags, values) is never interpreted: neither rich's markup nor a terminal's escapes.
"""

from __future__ import annotations

import csv
import errno
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autotrack.words import clean

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

GAP = 2  # blanks between the columns of a table
STATUS_STYLES = {"running": "cyan", "finished": "green", "failed": "red", "interrupted": "yellow", "lost": "magenta"}


def console() -> Console:
    """Standard output: as wide as the terminal, or without limit (and plain) where it is a pipe or a file."""
    from rich.console import Console  # 0.1 s

    class Output(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError(errno.EPIPE, "the reader has gone")  # rich would end the process with 1

    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal without UTF-8 shows ? for what it lacks
    made = Output(highlight=False, markup=False, emoji=False, soft_wrap=False)
    if not made.is_terminal and "COLUMNS" not in made._environ:
        made.width = 100_000
    return made


def is_unicode() -> bool:
    """Whether standard output takes more than ASCII."""
    try:
        "⣿…–".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def styled(text: object, style: str = "") -> Text:
    """Text of a user, on one line."""
    from rich.text import Text

    return Text(clean(text), style=style, no_wrap=True, overflow="ellipsis", end="")


def print_line(to: Console, *parts: Text) -> None:
    """One line; what does not fit the terminal is cut with an ellipsis."""
    from rich.text import Text

    line = Text.assemble(*parts)
    line.rstrip()
    to.print(line, no_wrap=True, overflow="ellipsis", crop=True)


@dataclass(frozen=True)
class Column:
    """``rank``: where the terminal is too narrow, columns of the highest rank go first; of rank 0 none goes."""

    title: str
    rank: int = 0
    least: int = 0  # below this width it is no use; 0: it is shown whole or not at all
    good: int = 0  # before it is cut below this width, columns of a higher rank go
    right: bool = False

    def needs(self, width: int) -> int:
        """The width below which another column goes before this one, if its cells are so wide."""
        return min(width, max(self.good, self.least) or width)


def print_table(to: Console, columns: Sequence[Column], rows: Sequence[Sequence[Text]]) -> None:
    """A table without lines that fits the terminal: columns of little weight go, long cells end in an ellipsis."""
    from rich.text import Text

    full = [max(len(column.title), *(row[i].cell_len for row in rows), 0) for i, column in enumerate(columns)]
    shown = fitting(columns, full, [i for i, column in enumerate(columns) if column.rank == 0 or any(row[i].plain for row in rows)], to.width)
    widths = {i: full[i] for i in shown}
    for floor in (Column.needs, lambda column, _: column.least):
        while sum(widths.values()) + GAP * (len(shown) - 1) > to.width:
            wide = [i for i in shown if columns[i].least and widths[i] > floor(columns[i], full[i])]
            if not wide:
                break
            widths[max(wide, key=lambda i: widths[i])] -= 1  # the widest gives way
    for row in [[Text(column.title, "bold") for column in columns], *rows] if any(column.title.strip() for column in columns) else rows:
        line = Text(no_wrap=True, overflow="ellipsis")
        for i in shown:
            cell = row[i].copy()
            cell.truncate(widths[i], overflow="ellipsis")
            pad = cell.pad_left if columns[i].right else cell.pad_right
            pad(widths[i] - cell.cell_len)
            line.append_text(cell)
            line.append(" " * GAP)
        print_line(to, line)


def fitting(columns: Sequence[Column], full: Sequence[int], there: Sequence[int], width: int) -> list[int]:
    """Which of the columns are shown: as many as have room beside those of a lower rank."""
    chosen: set[int] = set()
    left = width + GAP
    for i in sorted(there, key=lambda i: columns[i].rank):
        need = columns[i].needs(full[i]) + GAP
        if columns[i].rank == 0 or need <= left:
            chosen.add(i)
            left -= need
    return [i for i in there if i in chosen]


def as_json(value: Any) -> Any:
    """A value that strict JSON can hold: NaN and infinities become the strings "NaN", "Infinity", "-Infinity"."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {str(key): as_json(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [as_json(inner) for inner in value]
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def print_json(value: Any) -> None:
    """Strict JSON, in ASCII where standard output is."""
    sys.stdout.write(json.dumps(as_json(value), indent=2, ensure_ascii=not is_unicode()) + "\n")


def print_csv(rows: Iterable[Mapping[str, Any]]) -> None:
    """Rows as CSV with a header of all keys that occur, in order of appearance."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    rows = list(rows)
    keys = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.DictWriter(sys.stdout, keys, lineterminator="\n")
    if keys:
        writer.writeheader()
    for row in rows:
        writer.writerow({key: cell(value) for key, value in row.items()})


def cell(value: Any) -> Any:
    """A CSV cell: nothing for None, JSON for what is no scalar."""
    return json.dumps(as_json(value)) if isinstance(value, (Mapping, list, tuple)) else value
