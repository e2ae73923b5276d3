"""What a run printed: how much of it is kept, in what form it lies in a file, and how it is read, while it is being written too.

Kept are the beginning and the end; what was left out between them is counted and told. The file grows by appending and is now and then
replaced whole, so that whoever reads it sees something whole at any time. A line that was written over (a progress bar) is kept as it
stood last. ANSI escapes are kept; of texts that a name says are secret, a mask.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from autotrack.values import MASK, is_secret

if TYPE_CHECKING:
    from autotrack.views import ArtifactView, RunView

KIND = "console"  # of the artifacts
HEAD, TAIL = 20_000, 100_000  # characters of the beginning and the end that are kept at least, where there is more
LINE = 10_000  # characters of one line without an end
MARK = "\x1e"  # around what is told of the part that was left out; nothing else in the file contains it
_GAP = re.compile(MARK + r"… (\d+) characters, (\d+) lines left out …" + MARK + "\n")
_HINTS = ("token", "passw", "secret", "credential", "auth", "key")  # a line without them has nothing to mask
_VALUE = r"""(?P<value>"[^"\n]*"|'[^'\n]*'|[^\s,;&)\]}"']+)"""
_NAMED = re.compile(r"""(?<![\w-])(?P<name>-{0,2}[A-Za-z_][\w-]{0,100})(?P<between>["']?\s*[=:]\s*)""" + _VALUE)
_OPTION = re.compile(r"(?<![\w-])(?P<name>--[A-Za-z_][\w-]{0,100})(?P<between>\s+)(?!-)" + _VALUE)
_PLAIN = re.compile(r"[-+]?[\d.]+(e[-+]?\d+)?%?|true|false|none|null|nan", re.I)  # no text: numbers and the like stay


class Printed:
    """The text of one run, kept within bounds. Not thread-safe."""

    def __init__(self) -> None:
        self.head = ""
        self.tail = ""
        self.open = ""  # the line in the making, as it was written
        self.left_out = (0, 0)  # characters and lines between head and tail

    def add(self, text: str) -> None:
        """Take in what was written next."""
        text = text.replace(MARK, "")
        if len(text) > HEAD + 2 * TAIL:  # no more than can be kept is looked at
            text = self._without_middle(text)
        whole, end, rest = (self.open + text).rpartition("\n")
        if end:
            self._take(cleared(whole) + "\n")
        self.open = rest if len(rest) <= LINE else (folded(rest) if "\r" in rest else rest)[-LINE:]

    def _without_middle(self, text: str) -> str:
        room = max(HEAD - len(self.head), 0)
        start = text.find("\n", room) + 1 or room
        end = text.rfind("\n", 0, len(text) - TAIL) + 1 or len(text) - TAIL
        if start >= end:
            return text
        if start:
            self.add(text[:start])
        self._drop(self.tail + text[start:end])
        self.tail = ""
        return text[end:]

    def _take(self, lines: str) -> None:
        if not self.tail and self.left_out == (0, 0) and len(self.head) < HEAD:
            start = lines.find("\n", HEAD - len(self.head)) + 1 or len(lines)
            self.head, lines = self.head + lines[:start], lines[start:]
        self.tail += lines
        if len(self.tail) > 2 * TAIL:
            start = self.tail.find("\n", len(self.tail) - TAIL) + 1 or len(self.tail) - TAIL
            self._drop(self.tail[:start])
            self.tail = self.tail[start:]

    def _drop(self, text: str) -> None:
        characters, lines = self.left_out
        self.left_out = characters + len(text), lines + text.count("\n")

    @property
    def content(self) -> str:
        """All that is kept, as it lies in the file."""
        gap = f"{MARK}… {self.left_out[0]} characters, {self.left_out[1]} lines left out …{MARK}\n" if self.left_out[0] else ""
        return f"{self.head}{gap}{self.tail}{masked(folded(self.open))}"


class PrintedFile:
    """A file that is kept up to date with a text that grows; at first it holds the text's ``content``."""

    def __init__(self, path: Path, printed: Printed) -> None:
        self._path = path
        self._printed = printed
        self._written = len(printed.head), len(printed.tail), printed.left_out[0]
        self._end = len(_encoded(printed.content)) - len(_encoded(masked(folded(printed.open))))  # bytes of whole lines

    def save(self) -> None:
        """Bring the file up to date.   Raises: OSError."""
        kept = self._printed
        head, tail, gap = self._written
        line = _encoded(masked(folded(kept.open)))
        if gap != kept.left_out[0]:
            partial = self._path.with_suffix(".partial")
            partial.write_bytes(_encoded(kept.content))
            os.replace(partial, self._path)
            self._end = self._path.stat().st_size - len(line)
        else:
            whole = _encoded(kept.head[head:] + kept.tail[tail:])
            with self._path.open("r+b") as file:
                file.seek(self._end)
                file.write(whole + line)
                file.truncate()
            self._end += len(whole)
        self._written = len(kept.head), len(kept.tail), kept.left_out[0]


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def folded(line: str) -> str:
    """A line as it stands after all that was written over it."""
    return line if "\r" not in line else next((part for part in reversed(line.split("\r")) if part), "")


def cleared(lines: str) -> str:
    """Lines, each folded and masked; quick where there is nothing to do."""
    if "\r" not in lines and not _is_suspect(lines):
        return lines
    return "\n".join(masked(folded(line)) for line in lines.split("\n"))


def _is_suspect(text: str) -> bool:
    low = text.lower()
    return any(hint in low for hint in _HINTS)


def masked(line: str) -> str:
    """A line with a mask for each text that stands behind a secret's name: ``token=abc``, ``"api_key": "x"``, ``--password x``."""
    return _OPTION.sub(_mask, _NAMED.sub(_mask, line)) if _is_suspect(line) else line


def _mask(found: re.Match[str]) -> str:
    name, between, value = found.groups()
    bare = value.strip("\"'")
    if not bare or _PLAIN.fullmatch(bare) or not is_secret(name):
        return found[0]
    return f"{name}{between}{value.replace(bare, MASK)}"


class Piece(NamedTuple):
    """What a run printed from some character on: keep what stood before ``next`` at the last question, and put ``text`` behind it.

    ``next`` is where the line in the making begins: that line comes again, as it then is. ``cut``: something was left out.
    """

    text: str
    next: int
    cut: bool


def read(run: RunView, opened: Callable[[ArtifactView], BinaryIO], staging: Path | None, after: int = 0) -> Piece | None:
    """What a run printed, from character ``after`` on; None if nothing was kept.

    ``opened`` gives an artifact's content. ``staging`` is the folder in which living processes keep their files, or None. Characters are
    counted as they were written, those that were left out too.   Raises: ArtifactNotFound, OSError.
    """
    stored = sorted((artifact for artifact in run.artifacts if artifact.kind == KIND), key=lambda artifact: artifact.name)
    texts = []
    for artifact in stored:
        with opened(artifact) as file:
            texts.append(file.read().decode("utf-8", "replace"))
    for path in [] if staging is None else _living(run.id, staging, {artifact.name for artifact in stored}):
        try:
            texts.append(path.read_text("utf-8", "replace"))
        except FileNotFoundError:  # it is being brought into the store: there the next question finds it
            return Piece("", after, False)
    return _piece(texts, after) if texts else None


def _living(run_id: str, staging: Path, stored: set[str]) -> list[Path]:
    """The files that processes are writing, or left when they died, in their order."""
    found = []
    for note in staging.glob("*/*.json"):
        try:
            about = json.loads(note.read_text())
        except (OSError, ValueError):
            continue  # it has just been moved on
        if about.get("run_id") == run_id and about.get("kind") == KIND and about.get("name") not in stored:
            found.append((about["name"], note.with_name(f"{note.name.partition('.')[0]}.file")))
    return [path for _, path in sorted(found)]


def _piece(texts: list[str], after: int) -> Piece:
    shown, position, cut = [], 0, False
    for number, text in enumerate(texts):
        if number and texts[number - 1] and not texts[number - 1].endswith("\n"):
            text = f"\n{text}"  # the run went on in another process
        start = 0
        for gap in _GAP.finditer(text):
            shown.append(text[start : gap.start()][max(after - position, 0) :])
            position += gap.start() - start
            left_out = int(gap[1])
            if after < position + left_out:
                shown.append(f"… {gap[2]} lines left out …\n")
                cut = True
            position, start = position + left_out, gap.end()
        shown.append(text[start:][max(after - position, 0) :])
        position += len(text) - start
    line = texts[-1].rpartition("\n")[2]
    return Piece("".join(shown), position - len(line), cut)
