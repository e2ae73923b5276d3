"""From a URL to a store: its scheme is a built-in one, or the name of an entry point of the group ``autotrack.backends``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from autotrack.backends.protocol import Backend
from autotrack.errors import SettingsError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "autotrack.backends"
BUILTIN = ("memory", "sqlite")


def open_backend(url: str) -> Backend:
    """Open the store at ``sqlite:///path.db``, ``memory:``, or whatever an installed package knows.

    As everywhere, ``sqlite:///a.db`` is relative to the working directory, and ``sqlite:////tmp/a.db`` is absolute.
    The imports are here because a process has one store, and loads one.

    Raises: SettingsError if nothing knows the URL's scheme.
    """
    scheme = scheme_of(url)
    if scheme == "sqlite":
        from autotrack.backends.sqlite import SqliteBackend

        return SqliteBackend(path_of(url))
    if scheme == "memory":
        from autotrack.backends.memory import MemoryBackend

        return MemoryBackend()
    return _registered(url)


def check(url: str) -> None:
    """Open nothing.   Raises: SettingsError if nothing knows the URL's scheme."""
    if scheme_of(url) not in BUILTIN:
        _point(url)


def scheme_of(url: str) -> str:
    """What stands before the colon."""
    found = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", url)
    return found[1].lower() if found else ""


def path_of(url: str) -> str:
    """The file of an ``sqlite:`` URL.   Raises: SettingsError if it names none."""
    found = re.fullmatch(r"sqlite:///(?P<path>.+)", url, re.IGNORECASE | re.DOTALL)
    if found is None:
        raise SettingsError(f"{url!r} names no file: write sqlite:///folder/name.db, or sqlite:////folder/name.db for an absolute path")
    return found["path"]


def _registered(url: str) -> Backend:
    point = _point(url)
    try:
        opened = point.load()
    except (ImportError, AttributeError) as error:
        raise SettingsError(f"the store for {url!r} cannot be loaded: entry point {point.value!r}: {error}") from error
    backend: Backend = opened(url)
    return backend


def _point(url: str) -> EntryPoint:
    from importlib.metadata import entry_points  # only a store that is not built in pays

    points = {point.name.lower(): point for point in entry_points(group=GROUP)}
    try:
        return points[scheme_of(url)]
    except KeyError:
        known = ", ".join(sorted({*BUILTIN, *points}))
        raise SettingsError(
            f"no store is known for {url!r}; known schemes: {known} (a package may add one by an entry point of the group {GROUP})"
        ) from None
