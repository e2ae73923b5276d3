"""Values as they are kept: parameters become flat and JSON-safe, numbers become floats, secrets are masked.

Nothing here raises for a strange object (but for a metric, whose value must be a number), calls ``str`` on anything
large, or imports numpy: arrays are known by their ``shape`` and ``dtype``.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import functools
import itertools
import json
import math
import os
import re
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, cast

from autotrack.guard import asked

Status = Literal["running", "finished", "failed", "interrupted", "lost"]
STATUSES: tuple[Status, ...] = ("running", "finished", "failed", "interrupted", "lost")
Scalar = float | int | str | bool | None

SHORT = 500  # characters of a text that was found by itself
LONG = 10_000  # characters of a text that a user gave on purpose
MOST_NAME = 1_000  # characters of a name
MOST_ENTRIES = 1_000  # of a dict that is flattened; a larger one is one value
MOST_DEPTH = 8
MOST_VALUES = 50_000  # that are looked at for one object: one that holds itself, or the same parts again and again, has no end
MOST_BITS = 4_096  # of an int that is kept as a number

MASK = "***"
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SECRET = frozenset({"token", "password", "passwd", "secret", "credential", "auth"})
_SECRET_PAIRS = frozenset({("api", "key"), ("access", "key")})
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_NAMED = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, type)


@functools.lru_cache(maxsize=4096)
def is_secret(name: str) -> bool:
    """Whether a whole word of the name says that its text is to be kept secret: ``hf_token``, not ``tokenizer``."""
    words = [word.lower() for word in _WORDS.findall(name)]
    return not _SECRET.isdisjoint(words) or not _SECRET_PAIRS.isdisjoint(itertools.pairwise(words))


def name_of(key: object) -> str:
    """A name as text. A very long one is cut, with a digest, so that two never become one."""
    text = key if type(key) is str else str(plain(key, SHORT))
    if len(text) > MOST_NAME:
        import hashlib  # such a name is rare

        digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]
        text = f"{text[: MOST_NAME - 20]}…{digest}"
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def cut(text: str, most: int) -> str:
    """The text, or its beginning with a mark that says how long it was; always encodable as UTF-8."""
    if len(text) > most:
        text = f"{text[:most]}… ({len(text)} characters)"
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def flatten_params(values: object, most: int = LONG) -> dict[str, Any]:
    """Parameters as flat names (nested by ``.``) and JSON-safe values; texts have at most ``most`` characters.

    ``values`` is a mapping, a dataclass, a named tuple or an ``argparse.Namespace``.   Raises: TypeError if it is none of them.
    """
    mapping = fields_of(values)
    if mapping is None:
        raise TypeError(f"parameters are a mapping from names to values, a dataclass or a Namespace, not {type(values).__name__}")
    flat: dict[str, Any] = {}
    outer, inner = _Walk(values), _Walk()
    for name, value in _leaves(mapping, "", outer):
        inner.left = outer.left
        flat[name] = param(name, value, most, inner)
        outer.left = inner.left
    return flat


class _Walk:
    """What is being described, from the outside in, and how many values may still be looked at."""

    __slots__ = ("inside", "left")

    def __init__(self, *outermost: object) -> None:
        self.inside = [id(value) for value in outermost]
        self.left = MOST_VALUES

    def may_enter(self, value: object) -> bool:
        """Whether it is neither too deep, nor inside itself, nor one too many."""
        return len(self.inside) <= MOST_DEPTH and self.left > 0 and id(value) not in self.inside


def _leaves(mapping: Mapping[Any, Any], under: str, walk: _Walk) -> Iterator[tuple[str, Any]]:
    for key, value in list(mapping.items()):
        walk.left -= 1
        name = under + name_of(key)
        if type(value) in _ATOMS:
            yield name, value
            continue
        inner = asked(functools.partial(fields_of, value), None)
        if inner and len(inner) <= MOST_ENTRIES and walk.may_enter(value):
            walk.inside.append(id(value))
            yield from _leaves(inner, f"{name}.", walk)
            walk.inside.pop()
        elif inner and id(value) in walk.inside:
            yield name, f"<{type(value).__qualname__} that holds itself>"
        else:
            yield name, value if inner is None else dict(inner)


_ATOMS = frozenset({str, int, float, bool, type(None), list, tuple})


def is_mapping(value: object) -> bool:
    """``isinstance(value, Mapping)``, which costs 0.1 ms of a kind that it was not asked of before."""
    return isinstance(value, dict) or (hasattr(type(value), "keys") and isinstance(value, Mapping))


def fields_of(value: object) -> Mapping[Any, Any] | None:
    """The named parts of a mapping, dataclass, named tuple or Namespace; None of anything else."""
    if isinstance(value, dict):
        return value
    if is_mapping(value):
        return asked(lambda: dict(cast(Mapping[Any, Any], value)), None)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return asked(lambda: dict(value._asdict()), None)
    if isinstance(value, types.SimpleNamespace) or any(
        kind.__name__ == "Namespace" and kind.__module__ == "argparse" for kind in type(value).__mro__
    ):
        return vars(value)
    return None


def param(name: str, value: object, most: int = LONG, walk: _Walk | None = None) -> Any:
    """One parameter as a JSON-safe value: scalars and short lists and dicts as they are, everything else as a short text."""
    kept = plain(value, most, walk)
    if isinstance(kept, list | dict):
        written = json.dumps(kept, default=str)
        if len(written) > most:
            kept = f"{written[:most]}… ({asked(lambda: len(value), len(kept))} entries)"  # type: ignore[arg-type]  # most have a length
    return masked(kept) if is_secret(name) else kept


def masked(value: Any) -> Any:
    """The value with a mask in the place of every text that is not empty."""
    if isinstance(value, str):
        return MASK if value else value
    if isinstance(value, list):
        return [masked(item) for item in value]
    if isinstance(value, dict):
        return {key: masked(item) for key, item in value.items()}
    return value


def plain(value: object, most: int, walk: _Walk | None = None) -> Any:
    """A JSON-safe value that says as much of any object as fits. Never raises."""
    kind = type(value)
    if value is None or kind is bool or kind is float:
        return value
    if kind is str:
        return cut(value, most)  # type: ignore[arg-type]
    if kind is int:
        return value if value.bit_length() <= MOST_BITS else f"<int of {value.bit_length()} bits>"  # type: ignore[attr-defined]
    return asked(functools.partial(_described, value, most, walk or _Walk()), f"<{kind.__qualname__}>")


def _described(value: Any, most: int, walk: _Walk) -> Any:
    if type(value) in _PLAIN_CONTAINERS:
        return _container(value, most, walk, value)
    if isinstance(value, enum.Enum):
        return plain(value.value, most) if isinstance(value.value, str | int | float) else value.name
    if isinstance(value, list | tuple | set | frozenset) or is_mapping(value):
        return _container(value, most, walk, value)
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return _array(value, most, walk)
    for kinds, told in _TOLD:
        if isinstance(value, kinds):
            return plain(told(value), most)
    if hasattr(type(value), "__float__") and not hasattr(value, "shape"):  # Decimal, Fraction
        return float(value)
    if isinstance(value, _NAMED) or isinstance(getattr(value, "__qualname__", None), str):
        return qualified(value)
    if isinstance(value, functools.partial):
        return f"functools.partial({qualified(value.func)})"
    parts = fields_of(value)
    if parts is not None:
        return _container(parts, most, walk, value)
    return _object(value, most)


_PLAIN_CONTAINERS = frozenset({dict, list, tuple})  # the usual ones first: asking for a Mapping is slow

# Subclasses of the plain kinds (numpy's scalars among them), and the standard library's values; the first that fits.
_TOLD: list[tuple[Any, Callable[[Any], Any]]] = [
    (str, str.__str__),
    (bool, bool),
    (int, int),
    (float, float),
    (datetime.date | datetime.time, lambda value: value.isoformat()),
    (datetime.timedelta, lambda value: value.total_seconds()),
    (complex, lambda value: str(complex(value))),
    (bytes | bytearray | memoryview, lambda value: f"<{type(value).__name__} of {len(value)} bytes>"),
    (os.PathLike, lambda value: os.fsdecode(os.fspath(value))),
    (re.Pattern, lambda value: str(value.pattern)),
    (range, repr),
]


def _container(value: Any, most: int, walk: _Walk, whole: Any) -> Any:
    """What is in ``value``, the parts of ``whole``."""
    if not walk.may_enter(whole):
        return f"<{type(whole).__qualname__} of {len(value)}>"
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _container(value._asdict(), most, walk, value)
    is_named = is_mapping(value)
    shown = list(value.items() if is_named else value)[: most + 1]  # each takes a character at least
    walk.left -= len(shown)
    walk.inside.append(id(whole))
    try:
        if is_named:
            return {name_of(key): plain(item, most, walk) for key, item in shown}
        shown = [plain(item, most, walk) for item in shown]
    finally:
        walk.inside.pop()
    if isinstance(value, set | frozenset):
        shown.sort(key=lambda item: (isinstance(item, str), item if isinstance(item, int | float) else 0, str(item)))
    return shown


def _array(value: Any, most: int, walk: _Walk) -> Any:
    """A number if it has one element that can be read without waiting for a device; else its kind, shape and type."""
    shape, dtype = tuple(value.shape), str(value.dtype).removeprefix("torch.")
    if math.prod(shape) == 1 and not is_elsewhere(value) and walk.may_enter(value) and hasattr(value, "item"):
        walk.inside.append(id(value))
        try:
            return plain(value.item(), most, walk)
        finally:
            walk.inside.pop()
    place = f" {value.device}" if is_elsewhere(value) else ""
    return f"<{type(value).__name__} {shape} {dtype}{place}>"


def is_elsewhere(value: Any) -> bool:
    """Whether it lies on a device, where reading would wait for all that was asked of it."""
    device = getattr(value, "device", None)
    return device is not None and str(getattr(device, "type", device)) != "cpu"


def _object(value: Any, most: int) -> str:
    kind = type(value)
    if hasattr(value, "shape"):  # a data frame: no repr of what is large
        return f"<{kind.__name__} {tuple(value.shape)}>"
    if hasattr(kind, "get_params") and hasattr(kind, "fit"):  # an estimator: its parameters have names of their own
        return kind.__name__
    if getattr(kind, "__repr__", None) is object.__repr__ or callable(value) or hasattr(kind, "__len__") or hasattr(kind, "__next__"):
        return qualified(kind)
    return cut(_ADDRESS.sub("", repr(value)), most)


def qualified(thing: Any) -> str:
    """``module.qualname`` of a function or class."""
    name = getattr(thing, "__qualname__", None) or getattr(thing, "__name__", None) or type(thing).__qualname__
    module = getattr(thing, "__module__", None) or type(thing).__module__
    return str(name) if module in (None, "builtins") else f"{module}.{name}"


def frozen_number(key: object, value: Any) -> float:
    """A metric's value as a float.   Raises: TypeError, naming the key and the type, if it is no number."""
    kind = type(value)
    if kind is float:
        return value  # type: ignore[no-any-return]
    if kind is int or kind is bool:
        return as_float(value)
    if isinstance(value, int):
        return as_float(int(value))
    number = asked(lambda: _read(value), None)
    if number is None:
        shape = asked(lambda: f" of shape {tuple(value.shape)}", "")
        raise TypeError(f"metric {key!r} is a {kind.__name__}{shape}; a metric is one number")
    return number


def _read(value: Any) -> float | None:
    if isinstance(value, str | bytes | bytearray | complex):
        return None
    if hasattr(value, "item") and math.prod(getattr(value, "shape", ())) == 1:
        return float(value.item())
    return float(value) if hasattr(type(value), "__float__") or hasattr(type(value), "__index__") else None


def as_float(number: float | int) -> float:
    """The number as float64; an integer beyond its range is infinite."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def summary_values(values: Mapping[str, Any], walk: _Walk | None = None) -> tuple[dict[str, Scalar], list[str]]:
    """Values that stand for a whole run: scalars by flat names (nested by ``/``), and the names of what is none and is left out."""
    kept: dict[str, Scalar] = {}
    left: list[str] = []
    walk = walk or _Walk(values)
    for key, value in values.items():
        walk.left -= 1
        name = name_of(key)
        if is_mapping(value) and walk.may_enter(value):
            walk.inside.append(id(value))
            inner, left_inside = summary_values({f"{name}/{name_of(k)}": v for k, v in value.items()}, walk)
            walk.inside.pop()
            kept.update(inner)
            left += left_inside
            continue
        said = plain(value, SHORT)
        if isinstance(said, list | dict) or (isinstance(said, str) and asked(functools.partial(hasattr, value, "shape"), False)):
            left.append(name)
        else:
            kept[name] = masked(said) if is_secret(name) else said
    return kept, left
