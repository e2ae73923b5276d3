"""The search language: ``metrics.val/loss < 0.2 and params.lr >= 1e-3`` becomes a frozen tree, which each store evaluates.

A recursive descent over a dozen rules:

    or         = and {"or" and}
    and        = not {"and" not}
    not        = "not" not | "(" or ")" | condition
    condition  = field ("=" | "!=" | "<" | "<=" | ">" | ">=") value
               | field ["not"] "in" "(" value {"," value} ")"  | field ["not"] "between" value "and" value
               | field ["not"] ("like" | "contains") value     | field "is" ["not"] "null"

What it means, on every store:

- A run that lacks the key (or has None there) fits ``is null`` and nothing else, under ``not`` too: negation is pushed down
  to the conditions, and a negated condition asks for a value that does not fit.
- Values compare with their own kind: numbers with numbers, text with text, booleans with booleans. Quoted text that reads as a
  number or a boolean stands for both: ``params.lr = '0.1'`` fits 0.1 and "0.1".
- NaN is a value: ``= nan`` fits it, ``!=`` anything else fits it, no order does.
- ``like`` (``%`` and ``_``) and ``contains`` are about text and ignore the case of ASCII letters.
"""

from __future__ import annotations

import difflib
import math
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Literal, get_args

from autotrack.errors import QueryError
from autotrack.values import STATUSES

# Far beyond what a person writes; within what a store's own limits (64 joined tables, 32,766 variables) can take.
MAX_LENGTH = 10_000
MAX_DEPTH = 50
MAX_CONDITIONS = 200
MAX_VALUES = 500
MAX_KEYS = 25
MAX_WILDCARDS = 10  # each doubles the ways in which a pattern can fail

Group = Literal["metrics", "params", "tags", "run"]
Statistic = Literal["last", "min", "max", "first", "mean", "count"]
Operator = Literal["=", "<", "<=", ">", ">=", "in", "between", "like", "contains", "null"]
Nature = Literal["typed", "number", "time", "text"]  # what a field can hold

GROUPS: dict[str, Group] = {"metrics": "metrics", "params": "params", "tags": "tags"}
STATISTICS: tuple[Statistic, ...] = get_args(Statistic)
ATTRIBUTES: dict[str, Nature] = {
    "id": "text",
    "name": "text",
    "experiment": "text",
    "status": "text",
    "error": "text",
    "started": "time",
    "ended": "time",
    "duration": "number",
    "parent": "text",
    "kind": "text",
    "session": "text",
    "call_site": "text",
    "host": "text",
    "user": "text",
    "notes": "text",
    "deleted": "time",
}


@dataclass(frozen=True, slots=True)
class Field:
    """What a condition or an order is about: a key of a group, or an attribute of the run (group ``run``)."""

    group: Group
    name: str
    statistic: Statistic = "last"  # of metrics; ``last`` also sees what was set as summary

    @property
    def nature(self) -> Nature:
        """What it can hold: ``typed`` is a number, a boolean or text."""
        if self.group == "run":
            return ATTRIBUTES[self.name]
        if self.group == "tags":
            return "text"
        return "typed" if self.statistic in ("last", "first") else "number"  # the others are never NaN


@dataclass(frozen=True, slots=True)
class Value:
    """What a field is compared with. Each face is compared with values of its kind, and None with nothing."""

    number: float | int | None = None  # an int only beyond 2**53, where a float is not exact
    text: str | None = None
    truth: bool | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """One field compared. ``negated``: the field has a value and the comparison does not hold (of ``null``: it has a value)."""

    field: Field
    operator: Operator
    values: tuple[Value, ...] = ()
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Every:
    """All parts hold."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """At least one part holds."""

    parts: tuple[Node, ...]


Node = Condition | Every | Either


@dataclass(frozen=True, slots=True)
class Order:
    """Sort by a field: numbers and booleans, then texts, then runs without it (NaN among them), in either direction."""

    field: Field
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """Which runs, in which order. Equals are ordered newest first, and so is everything without ``order``."""

    where: Node | None = None
    order: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int = 0
    deleted: bool = False  # deleted runs, too


ALL = Query()


def parse(text: str = "", order_by: str = "", limit: int | None = None, offset: int = 0) -> Query:
    """Understand a search.   Raises: QueryError, which says where it went wrong and what was expected there.

    ``text`` empty is every run that is not deleted; one that speaks of ``deleted`` sees deleted runs as well.
    """
    for what, number in (("limit", limit), ("offset", offset)):
        if number is not None and (not isinstance(number, int) or number < 0):
            raise QueryError(f"{what} must be a whole number of at least 0, not {number!r}", str(number), 0)
    for what, asked in (("filter", text), ("order_by", order_by)):
        if not isinstance(asked, str):
            raise QueryError(f"{what} must be a text, not {asked!r}; '' stands for none", str(asked), 0)
    where = _Parser(text).expression()
    order = _Parser(order_by).order()
    conditions = list(conditions_of(where))
    fields = {condition.field for condition in conditions} | {by.field for by in order}
    if len(conditions) > MAX_CONDITIONS:
        raise QueryError(f"a search may have {MAX_CONDITIONS} conditions, this one has {len(conditions)}", text, 0)
    if sum(field.group != "run" for field in fields) > MAX_KEYS:
        raise QueryError(f"a search may speak of {MAX_KEYS} different keys", text, 0)
    return Query(where, order, limit, offset, deleted=any(field == Field("run", "deleted") for field in fields))


def conditions_of(node: Node | None) -> Iterator[Condition]:
    """All conditions of a tree, from left to right."""
    if isinstance(node, Condition):
        yield node
    elif node is not None:
        for part in node.parts:
            yield from conditions_of(part)


def quoted(text: str) -> str:
    """A text as a search writes it."""
    return "'" + text.replace("'", "''") + "'"


def among(attribute: str, texts: Iterable[str]) -> Query:
    """The runs, deleted ones too, whose attribute (``id``, ``parent``) is one of these texts."""
    return Query(Condition(Field("run", attribute), "in", tuple(Value(text=text) for text in texts)), deleted=True)


def seconds_of(text: str) -> float | None:
    """The seconds of ``90s``, ``15m``, ``2h``, ``30d`` or ``1w``; None if it is no such span."""
    span = _SPAN.fullmatch(text)
    return None if span is None else float(span[1]) * _SECONDS[span[2]]


def negated(node: Node) -> Node:
    """The tree that holds where this one's values do not fit."""
    if isinstance(node, Condition):
        return replace(node, negated=not node.negated)
    parts = tuple(map(negated, node.parts))
    return Either(parts) if isinstance(node, Every) else Every(parts)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: Literal["operator", "mark", "quoted", "word", "end"]
    text: str  # of a quoted one: without its quotes
    start: int
    end: int

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else f"'{self.text}'"


_TOKEN = re.compile(
    r"""(?P<operator> <= | >= | != | <> | == | = | < | > )
      | (?P<mark> [(),] )
      | (?P<quoted> '(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*` )
      | (?P<word> [^\s()'"`,=<>!]+ )""",
    re.VERBOSE,
)
_SPACE = re.compile(r"\s*")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?inf|nan", re.IGNORECASE | re.ASCII)
_SPAN = re.compile(r"(\d+(?:\.\d*)?)([smhdw])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_TRUTHS = {"true": True, "false": False}
_ORDERS: dict[str, Operator] = {"=": "=", "==": "=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_OPERATORS = "an operator (=, !=, <, <=, >, >=, in, between, like, contains, is null)"


class _Parser:
    """Walks the tokens of one text; each method takes what it names."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._depth = 0
        if len(text) > MAX_LENGTH:
            raise QueryError(f"a search may have {MAX_LENGTH:,} characters, this one has {len(text):,}", text, MAX_LENGTH)
        if "\0" in text:
            raise self._error("a search cannot hold the character NUL", text.index("\0"))
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise self._error("a search cannot hold half a character (a lone surrogate)", error.start) from error
        self._tokens = list(self._read())
        self._next = 0

    def expression(self) -> Node | None:
        if self._peek().kind == "end":
            return None
        node = self._either()
        self._finish("'and', 'or' or the end")
        return node

    def order(self) -> tuple[Order, ...]:
        orders: list[Order] = []
        while self._peek().kind != "end":
            field = self._field()
            descending = self._take_word("desc")
            if not descending:
                self._take_word("asc")
            orders.append(Order(field, descending))
            if not self._take_mark(","):
                break
            if self._peek().kind == "end":
                raise self._error("expected a field after ','")
        self._finish("'asc', 'desc', ',' or the end")
        return tuple(orders)

    # The grammar.

    def _either(self) -> Node:
        parts = self._chain("or", self._every)
        return parts[0] if len(parts) == 1 else Either(parts)

    def _every(self) -> Node:
        parts = self._chain("and", self._term)
        return parts[0] if len(parts) == 1 else Every(parts)

    def _chain(self, word: str, part: Callable[[], Node]) -> tuple[Node, ...]:
        parts = [part()]
        while self._take_word(word):
            parts.append(part())
        return tuple(parts)

    def _term(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error(f"a search may be nested {MAX_DEPTH} deep")
        if self._take_word("not"):
            node = negated(self._term())
        elif self._take_mark("("):
            node = self._either()
            self._expect_mark(")")
        else:
            node = self._condition()
        self._depth -= 1
        return node

    def _condition(self) -> Node:
        start = self._peek().start
        field = self._field()
        token = self._peek()
        if token.kind == "operator":
            self._next += 1
            unequal = token.text in ("!=", "<>")
            operator = "=" if unequal else _ORDERS[token.text]
            return self._made(field, operator, (self._value(field, operator),), unequal, start)
        if self._take_word("is"):
            unequal = self._take_word("not")
            self._expect_word("null")
            return Condition(field, "null", negated=unequal)
        unequal = self._take_word("not")
        if self._take_word("in"):
            return self._made(field, "in", self._list(field), unequal, start)
        if self._take_word("between"):
            low = self._value(field, "between")
            self._expect_word("and")
            return self._made(field, "between", (low, self._value(field, "between")), unequal, start)
        for operator in ("like", "contains"):
            if self._take_word(operator):
                return self._made(field, operator, (self._pattern(field, operator),), unequal, start)
        raise self._error(f"expected {'in, between, like or contains' if unequal else _OPERATORS}, found {self._peek()}")

    def _made(self, field: Field, operator: Operator, values: tuple[Value, ...], unequal: bool, start: int) -> Condition:
        if field == Field("run", "status") and operator in ("=", "in"):
            for value in values:
                if value.text not in STATUSES:
                    raise self._error(f"there is no status {value.text!r}, there are {', '.join(STATUSES)}", start)
        if field == Field("run", "deleted") and values[0].truth is not None:  # a time, asked as yes or no
            return Condition(field, "null", negated=values[0].truth != unequal)
        return Condition(field, operator, values, unequal)

    def _field(self) -> Field:
        token = self._peek()
        if token.kind != "word":
            raise self._error(f"expected a field (metrics.x, params.x, tags.x, or one of {', '.join(ATTRIBUTES)}), found {token}")
        self._next += 1
        word, dot, key = token.text.partition(".")
        if not dot:
            return self._attribute(token)
        group = GROUPS.get(word)
        if group is None:
            raise self._unknown(token, word, list(GROUPS))
        if not key:
            return self._quoted_key(group, token)
        name, dot, statistic = key.rpartition(".")
        if group == "metrics" and name and statistic in STATISTICS:
            return Field(group, name, statistic)
        return Field(group, key)

    def _quoted_key(self, group: Group, before: _Token) -> Field:
        """``metrics."val acc".min``: the key is all of what is quoted, and a statistic may follow without a space."""
        token = self._peek()
        if token.kind != "quoted" or token.start != before.end:
            raise self._error(f"expected a key after '{before.text}'", before.end)
        self._next += 1
        after = self._peek()
        if after.kind != "word" or after.start != token.end:
            return Field(group, token.text)
        self._next += 1
        statistic = after.text[1:]
        if group != "metrics" or after.text[0] != "." or statistic not in STATISTICS:
            raise self._error(f"expected {_OPERATORS}, found {after}", after.start)
        return Field(group, token.text, statistic)

    def _attribute(self, token: _Token) -> Field:
        if token.text not in ATTRIBUTES:
            raise self._unknown(token, token.text, list(ATTRIBUTES))
        return Field("run", token.text)

    def _unknown(self, token: _Token, word: str, known: list[str]) -> QueryError:
        close = difflib.get_close_matches(word, known, 1)
        if close:
            hint = f"did you mean {close[0]}{token.text[len(word) :]}?"
        elif "." in token.text:
            hint = "fields are metrics.x, params.x, tags.x and attributes of the run"
        else:
            hint = f"did you mean metrics.{word} or params.{word}? Attributes of a run are {', '.join(ATTRIBUTES)}"
        return self._error(f"there is no field '{token.text}'; {hint}", token.start)

    def _list(self, field: Field) -> tuple[Value, ...]:
        self._expect_mark("(")
        values = [self._value(field, "in")]
        while self._take_mark(","):
            values.append(self._value(field, "in"))
            if len(values) > MAX_VALUES:
                raise self._error(f"a list may have {MAX_VALUES} values")
        self._expect_mark(")")
        return tuple(values)

    def _pattern(self, field: Field, operator: Operator) -> Value:
        token = self._peek()
        if field.nature in ("number", "time"):
            raise self._error(f"{operator} is about text, and {field.name} is not", token.start)
        if token.kind != "quoted":
            raise self._error(f"expected text in quotes, found {token}")
        self._next += 1
        if operator == "like" and token.text.count("%") > MAX_WILDCARDS:
            raise self._error(f"a pattern may have {MAX_WILDCARDS} times '%'", token.start)
        return Value(text=token.text)

    def _value(self, field: Field, operator: Operator) -> Value:
        token = self._peek()
        if token.kind not in ("quoted", "word"):
            raise self._error(f"expected a value (a number, 'text', true or false), found {token}")
        self._next += 1
        if field.nature == "text":
            return self._text_value(token, operator)
        if field.nature == "typed":
            return self._typed_value(token)
        if field == Field("run", "deleted") and operator == "=" and token.text.lower() in _TRUTHS:
            return Value(truth=_TRUTHS[token.text.lower()])
        return self._number_value(field, token)

    def _text_value(self, token: _Token, operator: Operator) -> Value:
        if token.kind == "quoted":
            return Value(text=token.text)
        if token.text.lower() not in _TRUTHS and not _NUMBER.fullmatch(token.text):
            raise self._error(f"expected text in quotes, found {token}: write '{token.text}' with quotes", token.start)
        if operator not in ("=", "in"):
            raise self._error(f"this field holds text, which is ordered as text: write {token} with quotes", token.start)
        return Value(text=token.text)

    def _typed_value(self, token: _Token) -> Value:
        number, truth = _number(token.text), _TRUTHS.get(token.text.lower())
        if token.kind == "quoted":
            return Value(number, token.text, truth)
        if number is None and truth is None:
            raise self._error(f"expected a value (a number, 'text', true or false), found {token}: text needs quotes", token.start)
        return Value(number, truth=truth)

    def _number_value(self, field: Field, token: _Token) -> Value:
        """A number or, where a time or a duration is meant, ``2h``, ``7d ago`` or an ISO date."""
        number = _number(token.text)
        if number is not None:
            return Value(number)
        if field.group == "run" and token.kind == "word" and (seconds := seconds_of(token.text)) is not None:
            if field.nature == "number":
                return Value(seconds)
            if not self._take_word("ago"):
                raise self._error(f"expected 'ago' after {token}, found {self._peek()}")
            return Value(time.time() - seconds)
        if field.nature != "time":
            raise self._error(f"expected a number, found {token}", token.start)
        moment = _moment(token.text) if token.kind == "quoted" else None
        if moment is None:
            raise self._error(f"expected a time ('2026-01-31', '2026-01-31T18:30', 7d ago, or seconds since 1970), found {token}", token.start)
        return Value(moment)

    # The tokens.

    def _read(self) -> Iterator[_Token]:
        position = 0
        while (position := _SPACE.match(self._text, position).end()) < len(self._text):  # type: ignore[union-attr]
            found = _TOKEN.match(self._text, position)
            if found is None:
                what = "expected '!='" if self._text[position] == "!" else f"this {self._text[position]} is not closed"
                raise self._error(what, position)
            kind, text = found.lastgroup, found[0]
            if kind == "quoted":
                text = text[1:-1].replace(text[0] * 2, text[0])
            yield _Token(kind, text, found.start(), found.end())  # type: ignore[arg-type]
            position = found.end()
        yield _Token("end", "", len(self._text), len(self._text))

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take_word(self, word: str) -> bool:
        token = self._peek()
        taken = token.kind == "word" and token.text.lower() == word
        self._next += taken
        return taken

    def _take_mark(self, mark: str) -> bool:
        token = self._peek()
        taken = token.kind == "mark" and token.text == mark
        self._next += taken
        return taken

    def _expect_word(self, word: str) -> None:
        if not self._take_word(word):
            raise self._error(f"expected '{word}', found {self._peek()}")

    def _expect_mark(self, mark: str) -> None:
        if not self._take_mark(mark):
            raise self._error(f"expected '{mark}', found {self._peek()}")

    def _finish(self, expected: str) -> None:
        if self._peek().kind != "end":
            raise self._error(f"expected {expected}, found {self._peek()}")

    def _error(self, what: str, position: int | None = None) -> QueryError:
        if position is None:
            position = self._peek().start
        shown = self._text if len(self._text) <= 200 else f"{self._text[:position][-80:]}…"
        return QueryError(f"{what} (at position {position} of: {shown})", self._text, position)


def _number(text: str) -> float | int | None:
    """The number that a text reads as; None if it is none."""
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    if text.lstrip("+-").isdecimal() and abs(value) >= 2**53 and math.isfinite(value):
        return int(text)
    return value


def _moment(text: str) -> float | None:
    """UTC seconds of an ISO date or time (without a zone: UTC); None if it is none."""
    try:
        moment = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text))
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        return None
