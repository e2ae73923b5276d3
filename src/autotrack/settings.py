"""Every knob: arguments of ``autotrack.configure`` > ``AUTOTRACK_*`` > ``[tool.autotrack]`` of the nearest ``pyproject.toml``.

Each value keeps where it came from (``origins``), so that an error or ``autotrack doctor`` can name the place.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from autotrack.errors import SettingsError

STORE = ".autotrack"
DATABASE = "autotrack.db"
PREFIX = "AUTOTRACK_"
INTERNAL = frozenset({"AUTOTRACK_RUN", "AUTOTRACK_RUN_PYTHONPATH"})  # between `autotrack run` and what it starts
TESTS = "AUTOTRACK_TEST_"
TRUE, FALSE = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:")


@dataclass(frozen=True, slots=True)
class Settings:
    """What is in force, and where each value came from. ``uri`` is absolute."""

    uri: str = "memory:"
    experiment: str = ""  # "": the script's name, the notebook's, or "interactive"
    disabled: bool = False
    quiet: bool = False
    strict: bool = False
    children: bool = False
    journal: Literal["auto", "append"] = "auto"
    system_metrics: bool = True
    console: bool = True
    models: bool = True
    datasets: bool = True
    plots: bool = True
    checkpoints: bool = True
    every_n_steps: int = 1
    origins: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def folder(self) -> Path | None:
        """Where a SQLite store keeps its journals and artifacts; None of any other store.

        Beside ``autotrack.db`` in its own folder; of ``x.db`` in ``x.autotrack/``, so that two stores never share them.
        """
        path = database(self.uri)
        if path is None:
            return None
        return path.parent if path.name == DATABASE else path.with_suffix(".autotrack")

    @property
    def local(self) -> Path | None:
        """The folder on this machine for what waits to be stored; None if it waits in memory."""
        if self.uri.startswith("memory:"):
            return None
        if self.folder is not None:
            return self.folder
        import hashlib  # only a store that is not a file pays

        return find_store(here()) / "waiting" / hashlib.sha256(self.uri.encode()).hexdigest()[:16]


NAMES = tuple(f.name for f in fields(Settings) if f.name != "origins")
DEFAULTS = Settings()


class Given(NamedTuple):
    """A value as it was said, and where."""

    value: Any
    origin: str
    base: Path | None  # what a relative path in it is relative to; None: the working directory


def load(**arguments: Any) -> Settings:
    """The settings in force here and now; an argument that is None says nothing.

    Raises: SettingsError for a name or a value that makes no sense, naming the place where it is said.
    """
    for name in arguments:
        if name not in NAMES:
            raise SettingsError(f"unknown setting {name!r}{near(name)}")
    try:
        return read(arguments)
    except SettingsError:
        if os.environ.get("AUTOTRACK_DISABLED", "").lower() not in TRUE:
            raise
        return Settings(disabled=True, origins=MappingProxyType({"disabled": "AUTOTRACK_DISABLED"}))


def read(arguments: Mapping[str, Any]) -> Settings:
    """All three places, the stronger over the weaker."""
    given: dict[str, Given] = {}
    try:
        given.update(from_pyproject(here()))
    except FileNotFoundError:
        given.clear()  # the working directory is gone: what is said elsewhere may do
    given.update(from_environment())
    given.update({name: Given(value, "argument", None) for name, value in arguments.items() if value is not None})
    values = {name: checked(name, said) for name, said in given.items()}
    origins = {name: said.origin for name, said in given.items()}
    if "uri" not in values:
        values["uri"], origins["uri"] = default_uri(is_needed=not values.get("disabled", False))
    return Settings(**values, origins=MappingProxyType(origins))


def here() -> Path:
    """The working directory.   Raises: FileNotFoundError if it was deleted."""
    return Path(os.getcwd())


def default_uri(*, is_needed: bool) -> tuple[str, str]:
    """The store that is found from here, and how it was found."""
    try:
        folder = find_store(here())
    except FileNotFoundError as error:
        if not is_needed:
            return "memory:", "default"
        raise SettingsError("the working directory is gone, so there is no place for a store; set AUTOTRACK_URI") from error
    return f"sqlite:///{folder / DATABASE}", f"found from {here()}" if folder.exists() else "default"


def find_store(start: Path) -> Path:
    """The nearest ``.autotrack`` upward; else a new one beside the nearest ``.git`` or ``pyproject.toml``; else one in ``start``."""
    places = (start, *start.parents)
    for place in places:
        if (place / STORE).is_dir():
            return place / STORE
    for place in places:
        if (place / ".git").exists() or (place / "pyproject.toml").is_file():
            return place / STORE
    return start / STORE


def database(uri: str) -> Path | None:
    """The file of a ``sqlite:///path`` (a fourth slash makes it absolute); None of any other URI."""
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def from_environment() -> Iterator[tuple[str, Given]]:
    """What ``AUTOTRACK_*`` variables say; an empty one says nothing."""
    for variable, text in os.environ.items():
        if not variable.startswith(PREFIX) or variable in INTERNAL or variable.startswith(TESTS):
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name not in NAMES or variable != variable.upper():
            raise SettingsError(f"unknown setting {variable} in the environment{near(name, PREFIX)}")
        if text:
            yield name, Given(text, variable, None)


def from_pyproject(start: Path) -> Iterator[tuple[str, Given]]:
    """What ``[tool.autotrack]`` of the nearest ``pyproject.toml`` says."""
    path = next((place / "pyproject.toml" for place in (start, *start.parents) if (place / "pyproject.toml").is_file()), None)
    if path is None:
        return
    try:
        written = path.read_bytes()
    except OSError:
        return  # not ours to complain about
    if b"autotrack" not in written:
        return
    for name, value in table(path, written).items():
        if name not in NAMES:
            raise SettingsError(f"unknown setting {name!r} in [tool.autotrack] of {path}{near(name)}")
        if name == "strict":
            raise SettingsError(f"strict in [tool.autotrack] of {path} has no effect; it is for the environment: AUTOTRACK_STRICT=1")
        yield name, Given(value, f"[tool.autotrack] of {path}", path.parent)


def table(path: Path, written: bytes) -> Mapping[str, Any]:
    """The table ``tool.autotrack`` of a ``pyproject.toml``; empty if it has none."""
    if sys.version_info >= (3, 11):
        import tomllib  # only where the file speaks of us
    else:
        import tomli as tomllib

    try:
        tool = tomllib.loads(written.decode()).get("tool", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from error
    found = tool.get("autotrack", {}) if isinstance(tool, dict) else {}
    if not isinstance(found, dict):
        raise SettingsError(f"tool.autotrack in {path} is no table")
    return found


def near(name: str, prefix: str = "") -> str:
    """The known setting that may have been meant, or all of them."""
    import difflib  # only an error pays

    close = difflib.get_close_matches(name.lower(), NAMES, n=1)
    known = [f"{prefix}{known.upper()}" if prefix else known for known in close or NAMES]
    return f"; did you mean {known[0]}?" if close else f"; known: {', '.join(known)}"


def checked(name: str, said: Given) -> Any:
    """The value of a setting as it is kept.   Raises: SettingsError."""
    value, default = said.value, getattr(DEFAULTS, name)
    if name == "uri":
        return checked_uri(said)
    if name == "journal":
        if value not in ("auto", "append"):
            raise SettingsError(f"{said.origin}: {name}={value!r} is neither 'auto' nor 'append'")
        return value
    if name == "experiment":
        return checked_experiment(value, said.origin)
    if isinstance(default, bool):
        return checked_bool(name, said)
    return checked_count(name, said)


def checked_bool(name: str, said: Given) -> bool:
    """True or False."""
    if isinstance(said.value, bool):
        return said.value
    word = str(said.value).strip().lower()
    if word not in TRUE | FALSE:
        raise SettingsError(f"{said.origin}: {name}={said.value!r} is neither true nor false; write 1 or 0")
    return word in TRUE


def checked_count(name: str, said: Given) -> int:
    """A whole number, at least 1."""
    try:
        count = int(said.value)
    except (TypeError, ValueError):
        count = 0
    if count < 1 or isinstance(said.value, bool | float):
        raise SettingsError(f"{said.origin}: {name}={said.value!r} is no whole number of at least 1")
    return count


def checked_experiment(value: object, origin: str) -> str:
    """An experiment's name, without blanks around its levels.   Raises: SettingsError for an empty level."""
    levels = [level.strip() for level in value.split("/")] if isinstance(value, str) else [""]
    if not all(levels) or not str(value).isprintable():
        raise SettingsError(f"{origin}: experiment={value!r} is no name; write words, and / between levels: 'sentiment/bert'")
    return "/".join(levels)


def checked_uri(said: Given) -> str:
    """The address of a store, its path made absolute."""
    uri = os.fspath(said.value) if isinstance(said.value, str | os.PathLike) else ""
    if not SCHEME.match(uri):
        raise SettingsError(
            f"{said.origin}: uri={said.value!r} has no scheme; write sqlite:///path/to/{DATABASE} (a fourth slash for an absolute path) or memory:"
        )
    if not uri.startswith("sqlite:"):
        return uri
    path = uri.removeprefix("sqlite:///")
    if path == uri or not path or path.endswith("/"):
        raise SettingsError(f"{said.origin}: uri={uri!r} names no file; write sqlite:///path/to/{DATABASE}")
    try:
        place = Path(os.path.expanduser(path))
        return f"sqlite:///{os.path.normpath(place if place.is_absolute() else Path(said.base or here(), place))}"
    except FileNotFoundError as error:
        raise SettingsError(f"{said.origin}: uri={uri!r} is relative, but the working directory is gone") from error
