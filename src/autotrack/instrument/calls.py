"""One observed call: its arguments by name, and what we would add to them.

The user's own objects are never changed: an addition goes into a copy of a list, and the copy into a new set of arguments.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from inspect import Parameter
from typing import Any


@functools.lru_cache(maxsize=1024)
def parameters_of(function: Callable[..., Any]) -> tuple[Parameter, ...]:
    """The parameters as ``inspect.signature`` shows them, so a decorated function has those it decorates."""
    return tuple(inspect.signature(function).parameters.values())


class ArgumentMissing(KeyError):
    """A call without an argument that its function needs: it is about to fail, in the function's own words."""


class Call:
    """One observed call.

    ``instance`` is what the method was called on (the class, of a class method; None, of a function); ``method`` is the name
    it was called by. ``call["X"]`` is the argument ``X``, given by position or by name or by default.
    """

    __slots__ = ("_arguments", "_function", "_given", "args", "instance", "kwargs", "method")

    def __init__(self, function: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.instance = instance
        self.method: str = getattr(function, "__name__", "")
        self.args = args
        self.kwargs = kwargs
        self._function = function
        self._arguments: dict[str, Any] | None = None
        self._given: frozenset[str] = frozenset()

    def __getitem__(self, name: str) -> Any:
        """The argument of this name, its default included.   Raises: KeyError if the function has none."""
        arguments = self._by_name()
        if name not in arguments:
            if any(parameter.name == name for parameter in parameters_of(self._function)):
                raise ArgumentMissing(name)
            raise KeyError(f"{self.method} has no argument {name!r}; it has: {', '.join(arguments)}")
        return arguments[name]

    def __contains__(self, name: str) -> bool:
        return name in self._by_name()

    def get(self, name: str) -> Any:
        """The argument of this name; None if there is none, as in a subclass with a signature of its own."""
        return self._by_name().get(name)

    def select(self, *names: str) -> dict[str, Any]:
        """Those of the arguments that were given and are not None."""
        arguments = self._by_name()
        return {name: arguments[name] for name in names if name in self._given and arguments[name] is not None}

    def prepend(self, name: str, value: Any) -> None:
        """One more item at the head of a copy of a list argument (None is an empty list).

        Raises: TypeError if the argument is something else than a list, a tuple or None.
        """
        self._replace(name, [value, *self._items(name)])

    def append(self, name: str, value: Any) -> None:
        """As ``prepend``, at the end."""
        self._replace(name, [*self._items(name), value])

    def replace(self, name: str, value: Any) -> None:
        """Another value for an argument: one that does what the user's own did, and more (a callback around his)."""
        position = self._position(name)
        if position is None:
            self.kwargs = {**self.kwargs, name: value}
        else:
            self.args = (*self.args[:position], value, *self.args[position + 1 :])
        self._arguments = None

    def _items(self, name: str) -> tuple[Any, ...]:
        held = self[name]
        if held is None:
            return ()
        if not isinstance(held, list | tuple):
            raise TypeError(f"the argument {name!r} of {self.method} is a {type(held).__name__}, and only a list can be added to")
        return tuple(held)

    def _replace(self, name: str, items: list[Any]) -> None:
        self.replace(name, tuple(items) if isinstance(self[name], tuple) else items)

    def _position(self, name: str) -> int | None:
        """Where among the positional arguments it was given; None if it was not."""
        if name in self.kwargs:
            return None
        names = [p.name for p in parameters_of(self._function) if p.kind is not Parameter.VAR_KEYWORD]
        position = names.index(name) if name in names else len(self.args)
        return position if position < len(self.args) else None

    def _by_name(self) -> Mapping[str, Any]:
        if self._arguments is None:
            self._arguments, self._given = by_name(parameters_of(self._function), self.args, self.kwargs)
        return self._arguments


def by_name(parameters: tuple[Parameter, ...], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[dict[str, Any], frozenset[str]]:
    """Every argument by name, defaults included, and the names of those that were given.

    More lenient than ``Signature.bind``: frameworks let arguments that became keyword-only still come by position, and a
    call that is wrong fails in the framework, with the framework's words, not here.
    """
    arguments: dict[str, Any] = {}
    given: set[str] = set()
    left = list(args)
    for parameter in parameters:
        name = parameter.name
        if parameter.kind is Parameter.VAR_KEYWORD:
            continue
        if parameter.kind is Parameter.VAR_POSITIONAL:
            arguments[name], left = tuple(left), []
        elif left:
            arguments[name] = left.pop(0)
            given.add(name)
        elif name in kwargs:
            arguments[name] = kwargs[name]
            given.add(name)
        elif parameter.default is not Parameter.empty:
            arguments[name] = parameter.default
    arguments.update(kwargs)
    given.update(kwargs)
    return arguments, frozenset(given)
