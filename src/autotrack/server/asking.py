"""What a request says, checked: each argument has a kind and a bound, and what does not fit is refused in a sentence."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from autotrack.errors import AutotrackError
from autotrack.query import STATISTICS, Every, Field, Node, Query, conditions_of, parse, quoted

NAME = 1_000  # characters of a key, a name, an id
TEXT = 100_000  # of notes


class Refused(AutotrackError):
    """The request cannot be answered; ``status`` is HTTP's."""

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(problem)
        self.status = status


class Ask:
    """A request's arguments: of ``GET`` a query string, of ``POST`` a JSON object; and the parts of its path that are names."""

    def __init__(self, given: Mapping[str, Sequence[Any]], path: Mapping[str, str]) -> None:
        self._given, self.path = given, path

    @staticmethod
    def of_json(body: bytes, path: Mapping[str, str]) -> Ask:
        """The arguments of a body.   Raises: Refused."""
        try:
            given = json.loads(body, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise Refused(400, "the body is not JSON") from error
        if not isinstance(given, dict):
            raise Refused(400, "the body is not a JSON object")
        return Ask({name: [value] for name, value in given.items()}, path)

    def one(self, name: str, default: Any = None) -> Any:
        """The argument as it was given; ``default`` if it was not."""
        values = self._given.get(name)
        return default if not values or values[0] is None else values[0]

    def all(self, name: str, most: int) -> list[str]:
        """An argument that may be given more than once."""
        values = list(self._given.get(name, ()))
        return [_text(name, value, NAME) for value in _counted(name, values, most)]

    def text(self, name: str, most: int = NAME, default: str | None = None) -> str:
        """A text of at most so many characters."""
        value = self.one(name, default)
        if value is None:
            raise Refused(400, f"{name} is missing")
        return _text(name, value, most)

    def texts(self, name: str, most: int, least: int = 1) -> list[str]:
        """A list of texts, each once."""
        values = self.list(name, most)
        if len(values) < least:
            raise Refused(400, f"{name} has at least {least} entries")
        return list(dict.fromkeys(_text(name, value, NAME) for value in values))

    def list(self, name: str, most: int) -> list[Any]:
        """A list of at most so many entries."""
        value = self.one(name)
        if not isinstance(value, list):
            raise Refused(400, f"{name} is a list")
        return list(_counted(name, value, most))

    def whole(self, name: str, least: int, most: int, default: int | None = None) -> int:
        """A whole number within bounds."""
        value = self.one(name, default)
        if isinstance(value, str) and len(value) <= 20 and value.isascii() and value.isdecimal():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise Refused(400, f"{name} is a whole number from {least} to {most}")
        return value

    def number(self, name: str) -> float | None:
        """A finite number; None if it was not given."""
        value = self.one(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise Refused(400, f"{name} is a number")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise Refused(400, f"{name} is a finite number")
        return number

    def flag(self, name: str) -> bool:
        """Yes or no."""
        value = self.one(name, False)
        if isinstance(value, str):
            value = {"1": True, "0": False, "true": True, "false": False, "": False}.get(value.lower())
        if not isinstance(value, bool):
            raise Refused(400, f"{name} is true or false")
        return value

    def query(self, text: str = "") -> Query:
        """The runs of the branch ``experiment`` that fit a search.   Raises: QueryError, which knows the place in the text."""
        query, branch = parse(text), branch_of(self.text("experiment", default=""))
        where = Every((branch, query.where)) if branch is not None and query.where is not None else branch or query.where
        return Query(where, deleted=query.deleted or self.flag("deleted"))


def branch_of(experiment: str) -> Node | None:
    """The condition that a run is in the experiment or below it; None for all."""
    if not experiment:
        return None
    first, end = quoted(f"{experiment}/"), quoted(f"{experiment}0")  # 0 comes after /
    beneath = parse(f"experiment = {quoted(experiment)} or (experiment >= {first} and experiment < {end})").where
    assert beneath is not None
    assert all(condition.field.name == "experiment" for condition in conditions_of(beneath))
    return beneath


def column(given: Any) -> Field:
    """The field that a column's name says.   Raises: Refused."""
    words = given if isinstance(given, list) and 2 <= len(given) <= 3 and all(isinstance(word, str) for word in given) else [""]
    if words == ["run", "notes"]:
        return Field("run", "notes")
    group, statistic = words[0], words[2] if len(words) == 3 else "last"
    if group not in ("params", "tags", "metrics") or statistic not in STATISTICS or (len(words) == 3 and group != "metrics"):
        raise Refused(400, f"a column is named [group, key] or [metrics, key, statistic]; the statistics are {', '.join(STATISTICS)}")
    return Field(group, _text("a key", words[1], NAME), statistic)  # type: ignore[arg-type]


def _text(name: str, value: Any, most: int) -> str:
    if not isinstance(value, str):
        raise Refused(400, f"{name} is a text")
    if len(value) > most:
        raise Refused(400, f"{name} has at most {most} characters")
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise Refused(400, f"{name} is not Unicode")
    return value


def _counted(name: str, values: Sequence[Any], most: int) -> Sequence[Any]:
    if len(values) > most:
        raise Refused(400, f"{name} has at most {most} entries")
    return values


def _no_constant(word: str) -> Any:
    raise ValueError(word)
