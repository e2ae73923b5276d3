"""What may be typed next in the query box, by the grammar of ``autotrack.query``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from autotrack.backends.protocol import Keys
from autotrack.errors import QueryError
from autotrack.query import ATTRIBUTES, GROUPS, STATISTICS, Field, parse, quoted
from autotrack.server.answers import word
from autotrack.values import STATUSES

MOST = 50
OPERATORS = ("=", "!=", "<", "<=", ">", ">=", "in (", "between", "like '%", "contains '", "is null", "is not null")
_KEY = r"""(?:metrics|params|tags)\.(?:"(?:[^"]|"")*"|`(?:[^`]|``)*`)?[^\s()'"`,=<>!]*"""
_FIELD = rf"(?<![\w.])(?P<field>{_KEY}|(?:{'|'.join(ATTRIBUTES)})(?![\w.]))"
_COMPARES = r"(?:not\s+)?(?:==|!=|<>|<=|>=|=|<|>|(?:like|contains|between)\b|in\s*\((?:[^()]*,)?)"
_VALUE = re.compile(rf"{_FIELD}\s*{_COMPARES}\s*(?P<begun>'(?:[^']|'')*|[^\s()'\"`,=<>!]*)$", re.IGNORECASE)
_AFTER_FIELD = re.compile(rf"{_FIELD}\s+(?P<begun>[a-z!<>=]*)$", re.IGNORECASE)
_AFTER_CONDITION = re.compile(r"(?:\)|'|null|[=<>]\s*[^\s()'\"`,=<>!]+)\s+(?P<begun>[a-z]*)$", re.IGNORECASE)
_NAME = re.compile(r"""(?:(?:metrics|params|tags)\.["`](?:[^"`])*|[^\s()'"`,=<>!]*)$""", re.IGNORECASE)

Values = Callable[[Field], Iterable[Any]]


def choices(text: str, keys: Keys, values: Values) -> tuple[int, list[dict[str, str]]]:
    """What may stand at the end of ``text``, and from where on it would replace what is there. ``values`` gives those that runs have."""
    found = _VALUE.search(text)
    field = _field(found["field"]) if found else None
    if found and field is not None:
        return found.start("begun"), _matching(found["begun"].lstrip("'"), _values(field, values), "value")
    found = _AFTER_FIELD.search(text)
    if found and _field(found["field"]) is not None:
        return found.start("begun"), _matching(found["begun"], OPERATORS, "word")
    found = _AFTER_CONDITION.search(text)
    if found:
        return found.start("begun"), _matching(found["begun"], ("and", "or"), "word")
    found = _NAME.search(text)
    assert found is not None
    return found.start(), _names(found[0], keys)


def _names(begun: str, keys: Keys) -> list[dict[str, str]]:
    group, dot, key = begun.partition(".")
    kinds = {"metrics": ("metric", keys.metrics), "params": ("param", keys.params), "tags": ("tag", keys.tags)}
    if dot and group.lower() in kinds:
        kind, names = kinds[group.lower()]
        name, _, statistic = key.rpartition(".")
        if kind == "metric" and name in names:
            return _matching(f"{group}.{key}", [written("metrics", name, one) for one in STATISTICS if one.startswith(statistic)], "statistic")
        return _matching(key.lstrip('"`'), names, kind, lambda one: written(group.lower(), one))
    made = _matching(begun, ATTRIBUTES, "attribute") + _matching(begun, [f"{one}." for one in GROUPS], "word")
    if begun:
        for group, (kind, names) in kinds.items():
            made += _matching(begun, names, kind, lambda one, group=group: written(group, one))  # type: ignore[misc]
        made += _matching(begun, ("not",), "word")
    return made[:MOST]


def written(group: str, key: str, statistic: str = "") -> str:
    """A key as a search writes it: in quotes where it would be read as something else."""
    field = Field(group, key)  # type: ignore[arg-type]
    plain = f"{group}.{key}"
    if _field(plain) != field:
        doubled = key.replace('"', '""')
        plain = f'{group}."{doubled}"'
    return f"{plain}.{statistic}" if statistic else plain


def _field(text: str) -> Field | None:
    try:
        order = parse(order_by=text).order
    except QueryError:
        return None
    return order[0].field if len(order) == 1 and not order[0].descending else None


def _values(field: Field, values: Values) -> list[str]:
    """The most frequent first."""
    if field == Field("run", "status"):
        return [f"'{status}'" for status in STATUSES]
    counted = Counter(_literal(value) for value in values(field))
    return sorted(counted, key=lambda text: (-counted[text], text))


def _literal(value: Any) -> str:
    """A value as a search writes it."""
    if isinstance(value, (bool, int, float)):
        return word(value) if isinstance(value, bool) or value == value else "nan"
    return quoted(word(value)[:200])


def _matching(begun: str, texts: Iterable[str], kind: str, as_written: Callable[[str], str] = str) -> list[dict[str, str]]:
    """Those that begin so, then those that contain it."""
    wanted = begun.lower()
    ranked = []
    for text in texts:
        at = text.lower().lstrip("'").find(wanted)
        if at >= 0:
            ranked.append((at > 0, text))
    ranked.sort(key=lambda one: one[0])
    return [{"text": as_written(text), "kind": kind} for _, text in ranked[:MOST]]
