"""Values as people read them: text that is only shown, moments, durations, sizes, numbers."""

from __future__ import annotations

import math
import unicodedata
from datetime import datetime, timezone

# Characters that turn the direction of what follows: they make text read as something that it is not.
BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean(text: object) -> str:
    """One line of text that a terminal only shows: control characters become visible escapes."""
    return "".join(visible(letter) for letter in str(text))


def clean_lines(text: object) -> str:
    """The same, with line breaks and tabs kept."""
    return "".join(letter if letter in "\n\t" else visible(letter) for letter in str(text).replace("\r\n", "\n"))


def visible(letter: str) -> str:
    if " " <= letter <= "~":
        return letter
    if letter in BIDI or unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp"):
        return letter.encode("unicode_escape").decode("ascii")
    return letter


def moment(seconds: float | None) -> str:
    """A moment in UTC to the second; a query takes it in quotes."""
    if seconds is None:
        return ""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%SZ")


def iso(seconds: float | None) -> str | None:
    """A moment as ISO 8601 in UTC, to the millisecond."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def span(seconds: float | None) -> str:
    """A duration in at most two units."""
    if seconds is None:
        return ""
    if seconds < 10:
        return f"{max(seconds, 0):.2f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} m {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02d} m"
    return f"{hours // 24} d {hours % 24} h"


def size(count: int) -> str:
    """A number of bytes."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def number(value: object) -> str:
    """A value for people: floats to four significant digits, all else as it is."""
    if isinstance(value, bool) or not isinstance(value, float):
        return clean(value)
    if value == int(value) if math.isfinite(value) else False:
        return str(int(value)) if abs(value) < 1e9 else f"{value:.4g}"
    return f"{value:.4g}"


def plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
