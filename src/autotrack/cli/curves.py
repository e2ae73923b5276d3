"""Curves drawn with characters: braille dots (2 x 4 to a cell), or plain letters where the terminal has no Unicode.

Several curves in one picture need colours to be told apart in braille; without colours each has a letter of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from autotrack.cli.printing import is_unicode
from autotrack.words import clean, number

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from autotrack.views import RunView, Series

COLOURS = ("cyan", "yellow", "green", "magenta", "red", "blue")
LETTERS = "*+ox#@"
MOST = 6  # curves in one picture
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of a braille cell, by row and column


def measures(run: RunView) -> list[list[str]]:
    """The series of a run that make a picture, at most six; see ``glance.measures``."""
    from autotrack import glance

    return [group[:MOST] for group in glance.measures(run.statistics)]


def picture(to: Console, curves: Sequence[Series], *, width: int, height: int = 10) -> list[Text]:
    """A legend and the picture below it; no lines if no point is finite."""
    coloured = to.color_system is not None and not to.no_color
    braille = is_unicode() and (coloured or len(curves) == 1)
    lines = draw(curves, width=width, height=height, braille=braille)
    return [legend(curves, braille=braille), *lines] if lines else []


def draw(curves: Sequence[Series], *, width: int, height: int = 10, braille: bool = True) -> list[Text]:
    """The lines of a picture of these curves, ``width`` characters wide: values upward, steps to the right.

    What is not finite is a gap. There must be a finite point in one of them at least, else there are no lines.
    """
    from rich.text import Text

    kept = [[(float(x), float(y)) for x, y in zip(curve.steps, curve.values, strict=True)] for curve in curves]
    finite = [y for points in kept for _, y in points if math.isfinite(y)]
    if not finite:
        return []
    low, high = min(finite), max(finite)
    first, last = min(x for points in kept for x, _ in points), max(x for points in kept for x, _ in points)
    labels = [number(high), number(low)] if high > low else [number(high)]
    margin = max(map(len, labels))
    columns = max(width - margin - 2, 8)
    across, down = (2, 4) if braille else (1, 1)
    canvas: dict[tuple[int, int], tuple[int, int]] = {}  # (row, column) → bits of the cell, the curve that was there last

    for which, points in enumerate(kept):
        right, bottom = columns * across - 1, height * down - 1
        placed = [
            None
            if not math.isfinite(y)
            else (round((x - first) / (last - first) * right) if last > first else right // 2, bottom - round(ratio(y, low, high) * bottom))
            for x, y in points
        ]
        for column, row in strokes(placed):
            cell = row // down, column // across
            bits = canvas.get(cell, (0, 0))[0]
            canvas[cell] = bits | DOTS[row % down][column % across] if braille else 1, which

    lines = []
    for row in range(height):
        label = labels[0] if row == 0 else labels[-1] if row == height - 1 and len(labels) > 1 else ""
        line = Text(end="", no_wrap=True)
        line.append(f"{label:>{margin}} {'│' if braille else '|'}", "dim")
        for column in range(columns):
            bits, which = canvas.get((row, column), (0, 0))
            letter = " " if not bits else chr(0x2800 + bits) if braille else LETTERS[which % len(LETTERS)]
            line.append(letter, COLOURS[which % len(COLOURS)] if bits else "")
        line.rstrip()
        lines.append(line)
    start, end = number(first), number(last)
    axis = f"{start}{end:>{columns - len(start)}}" if last > first else f"{start:^{columns}}".rstrip()
    lines.append(Text(" " * (margin + 2) + axis, style="dim", end="", no_wrap=True))
    return lines


def legend(curves: Sequence[Series], *, braille: bool = True) -> Text:
    """The names of the curves with their last values, in their colours or after their letters."""
    from rich.text import Text

    line = Text(end="", no_wrap=True, overflow="ellipsis")
    for which, curve in enumerate(curves):
        mark = "" if braille else f"{LETTERS[which % len(LETTERS)]} "
        line.append("   " if which else "")
        line.append(f"{mark}{clean(curve.key)} {number(float(curve.values[-1]))}", COLOURS[which % len(COLOURS)])
    return line


def ratio(value: float, low: float, high: float) -> float:
    """Where a value lies between two others; halved first, so that the widest range of floats does not overflow."""
    return (value / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.5


def strokes(points: Sequence[tuple[int, int] | None]) -> Iterator[tuple[int, int]]:
    """The dots of the line through the points; None is a gap."""
    before = None
    for point in points:
        if point is None:
            before = None
            continue
        if before is None:
            yield point
        else:
            (x0, y0), (x1, y1) = before, point
            steps = max(abs(x1 - x0), abs(y1 - y0))
            for i in range(1, steps + 1):
                yield round(x0 + (x1 - x0) * i / steps), round(y0 + (y1 - y0) * i / steps)
        before = point
