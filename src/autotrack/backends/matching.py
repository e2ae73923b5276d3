"""Whether a value fits a condition, and how values are ordered: for a store that evaluates a query as the tree that it is."""

from __future__ import annotations

import json
import math
import re
from operator import ge, gt, le, lt
from typing import Any

from autotrack.query import Condition, Value
from autotrack.values import as_float

_ORDERS = {"<": lt, "<=": le, ">": gt, ">=": ge}


def holds(condition: Condition, value: Any) -> bool:
    """Whether a run's value fits; a missing one (None) fits ``is null`` alone."""
    if condition.operator == "null":
        is_missing = value is None or (value == "" and condition.field.group == "run")
        return is_missing != condition.negated
    return value is not None and _compares(condition, value) != condition.negated


def ranks(value: Any) -> tuple[float | None, str | None]:
    """A number or a boolean orders by the first, text by the second; an integer that a float does not hold by both."""
    if value is None or is_nan(value):
        return None, None
    if isinstance(value, int) and abs(value) >= 2**53:
        return as_float(value), str(value)
    if isinstance(value, (int, float)):
        return float(value), None
    return None, _text(value)


def is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _compares(condition: Condition, value: Any) -> bool:
    operator, values = condition.operator, condition.values
    if operator == "in":
        return any(_is_equal(value, one) for one in values)
    if operator == "between":
        return _is_ordered(">=", value, values[0]) and _is_ordered("<=", value, values[1])
    if operator == "=":
        return _is_equal(value, values[0])
    if operator in ("like", "contains"):
        return isinstance(value, (str, list, dict)) and _matches(operator, _text(value), values[0].text or "")
    return _is_ordered(operator, value, values[0])


def _is_equal(value: Any, asked: Value) -> bool:
    if isinstance(value, bool):
        return asked.truth is value
    if isinstance(value, (int, float)):
        number = asked.number
        if isinstance(number, int) and isinstance(value, int):
            return value == number
        return number is not None and (as_float(value) == as_float(number) or (is_nan(value) and is_nan(number)))
    return asked.text is not None and _text(value) == asked.text


def _is_ordered(operator: str, value: Any, asked: Value) -> bool:
    compares = _ORDERS[operator]
    if isinstance(value, bool):
        return asked.truth is not None and compares(value, asked.truth)
    if isinstance(value, (int, float)):
        return asked.number is not None and compares(as_float(value), as_float(asked.number))
    return asked.text is not None and compares(_text(value), asked.text)


def _matches(operator: str, text: str, asked: str) -> bool:
    """ASCII letters match in either case, others in their own."""
    if operator == "contains":
        return re.search(re.escape(asked), text, re.IGNORECASE | re.ASCII) is not None
    pattern = "".join({"%": ".*", "_": "."}.get(letter) or re.escape(letter) for letter in asked)
    return re.fullmatch(pattern, text, re.IGNORECASE | re.ASCII | re.DOTALL) is not None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
