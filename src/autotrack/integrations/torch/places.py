"""Places in the user's code that call ``backward``, and the series in which each of them speaks.

A *voice* is a place together with the optimizer that it feeds. Voices share a name, and so a series, unless two speak in one
iteration: then the second has ``loss_2``. A phase of fine-tuning goes on in ``loss``; a GAN with one variable name has two series.
"""

from __future__ import annotations

from types import CodeType, FrameType
from typing import Any

from autotrack.integrations.torch import names

MOST_DEPTH = 40  # frames between the user's line and torch
MOST_CALLERS = 4  # of a place, by which it is told apart from itself


class Series:
    """One curve of a run."""

    __slots__ = ("key", "last_step", "last_voice")

    def __init__(self, key: str) -> None:
        self.key = key
        self.last_step = -1
        self.last_voice: Voice | None = None


class Place:
    """A line that calls ``backward``, with as many of its callers as decide the name of what it says."""

    __slots__ = ("accumulates", "callers", "codes", "divisors", "fed", "instruction", "is_direct", "name", "site", "window")

    def __init__(self, name: str | None, site: str, codes: list[CodeType]) -> None:
        self.name = name or "loss"
        self.site = site  # file:line:function
        self.codes = codes  # kept, for they are known by identity
        self.callers: Key = ()  # how it was reached when it was seen first
        self.instruction = -1  # in the first of them
        self.is_direct = False  # that alone tells it from others
        self.accumulates = False  # several of its losses have met in one step
        self.divisors: list[float] = []  # then: by what those since the last step were divided
        self.window = 0.0  # and by what a whole window is
        self.fed: Any = None  # the optimizer that stepped on it last


class Voice:
    """Who speaks: a place, and the optimizer that it feeds."""

    __slots__ = ("series",)

    def __init__(self, series: Series) -> None:
        self.series = series


Key = tuple[int, ...]


class Places:
    """All places, by the identity of their code and the instruction; an ``int`` says how many frames make the key."""

    def __init__(self) -> None:
        self.table: dict[Key, Place | int] = {}

    def at(self, frame: FrameType) -> Place:
        """The place that runs in a frame, which is what called torch."""
        found = self.table.get((id(frame.f_code), frame.f_lasti))
        if isinstance(found, int):
            found = self.table.get(key_of(frame, found))
        return found if isinstance(found, Place) else self._add(frame)

    def tell_apart(self, place: Place, frame: FrameType) -> bool:
        """A place that speaks again before its first step: whether other lines of the user's have called it than the first time.

        Then they are two places from here on: a function that calls ``backward`` for one network and for another.
        """
        frames = frames_from(frame, len(place.callers) // 2)
        now = key_of(frame, len(frames))
        if place.fed is not None or len(now) != len(place.callers) or now == place.callers:
            return False
        depth = next(number for number, (one, other) in enumerate(zip(now, place.callers, strict=True)) if one != other) // 2 + 1
        if names.is_librarys(frames[depth - 1]):  # a closure, which an optimizer calls from here and from there
            return False
        self.table[now[:2]] = depth
        self.table[place.callers[: 2 * depth]] = place
        place.is_direct = False
        self._add(frame, depth)
        return True

    def _add(self, frame: FrameType, least: int = 1) -> Place:
        user, passed, each = names.user_frame(frame), 0, frame
        while user is not None and each is not user and each.f_back is not None and passed < MOST_DEPTH:
            each, passed = each.f_back, passed + 1
        name, depth = names.name_at(user) if user is not None else (None, 1)
        depth = max(depth + passed, least)
        place = Place(name, site_of(user or frame), [each.f_code for each in frames_from(frame, depth + MOST_CALLERS)])
        place.callers = key_of(frame, depth + MOST_CALLERS)
        place.instruction, place.is_direct = frame.f_lasti, depth == 1
        if depth > 1:
            self.table[key_of(frame, 1)] = depth
        self.table[key_of(frame, depth)] = place
        return place


def frames_from(frame: FrameType | None, depth: int) -> list[FrameType]:
    found: list[FrameType] = []
    while frame is not None and len(found) < depth:
        found.append(frame)
        frame = frame.f_back
    return found


def key_of(frame: FrameType | None, depth: int) -> Key:
    """A frame and its callers, as the identities of their code and where each stands."""
    return tuple(number for each in frames_from(frame, depth) for number in (id(each.f_code), each.f_lasti))


def site_of(frame: FrameType) -> str:
    """``file:line:function``."""
    return f"{frame.f_code.co_filename}:{frame.f_lineno}:{frame.f_code.co_name}"
