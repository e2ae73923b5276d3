"""``autolog``, ``disable``, ``status``: which integrations are awake, and what wakes them.

A framework is never imported here. Each integration sleeps as ``module:name`` until the import that it is listed under
has happened; only then is it loaded itself. Built-in ones are listed in a dict, others by the entry points of the group
``autotrack.integrations`` (listed once, and only when they could matter).
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
import threading
import types
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from autotrack.backends import opening
from autotrack.errors import IntegrationError
from autotrack.guard import guard
from autotrack.imports import forget, when_imported
from autotrack.instrument import threads
from autotrack.instrument.integration import Integration, version_of
from autotrack.instrument.patches import Patches
from autotrack.recording import place, tracker
from autotrack.recording.mounts import file_system_of
from autotrack.settings import Settings
from autotrack.settings import load as load_settings

logger = logging.getLogger("autotrack")

GROUP = "autotrack.integrations"
BUILTIN = {
    "argparse": "autotrack.integrations.command_line:integration",
    "lightning": "autotrack.integrations.lightning:integration",
    "pytorch_lightning": "autotrack.integrations.lightning:pytorch_lightning",
    "accelerate": "autotrack.integrations.accelerate:integration",
    "sklearn": "autotrack.integrations.sklearn:integration",
    "tensorboardX": "autotrack.integrations.tensorboardx:integration",
    "torch": "autotrack.integrations.torch:integration",
    "transformers": "autotrack.integrations.transformers:integration",
    "xgboost": "autotrack.integrations.xgboost:integration",
}


@dataclass(frozen=True, slots=True)
class IntegrationStatus:
    """What is to be said of one integration: ``version`` is the framework's, "" if it is not known without importing it."""

    name: str
    version: str
    observed: bool
    reason: str


class Loader:
    """The integrations of this process."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._wanted: set[str] = set()
        self._awake: dict[str, Integration] = {}  # in the order of their waking
        self._errors: dict[str, Exception] = {}
        self._joblib = Patches()
        self._third_party: dict[str, str] | None = None
        self._excluded: set[str] = set()

    @property
    def known(self) -> dict[str, str]:
        """Where each integration lives, by the import that wakes it. Lists the entry points, some 6 ms the first time."""
        if self._third_party is None:
            from importlib import metadata  # for this alone

            self._third_party = {}
            with guard("listing the integrations of other packages"):
                self._third_party = {point.name: point.value for point in metadata.entry_points(group=GROUP)}
        return {**self._third_party, **BUILTIN}

    def want(self, names: Iterable[str], *, named: bool) -> None:
        """Observe these from now on. ``named`` by the user: what stands against one is raised once all are awake."""
        self._spread_over_threads()
        against: list[Exception] = []
        for name in names:
            self._want(name)
            if named:
                against += self._against(name)
        if against:
            raise against[0]

    def _want(self, name: str) -> None:
        with self._lock:
            self._excluded.discard(name)
            self._errors.pop(name, None)
            self._wanted.add(name)
        if name in sys.modules:
            self._wake(name, sweep=True)
        else:  # installed or not: it may be, in the next cell of a notebook
            when_imported(name, self._imported)

    def _against(self, name: str) -> list[Exception]:
        if name in self._errors:
            return [self._errors[name]]
        if name in self._awake:
            return list(self._awake[name].missing)
        return [] if is_installed(name) else [IntegrationError(f"{name} is not installed, so it cannot be observed yet")]

    def wake(self, name: str) -> None:
        """Observe one framework as far as the user asks for it in the framework's own words (a callback, ``report_to=``)."""
        if name not in self._awake and not is_off():
            self._wake(name, sweep=True)

    def wants(self, name: str) -> bool:
        """Whether ``autolog()`` was called for it."""
        return name in self._wanted

    def drop(self, names: Collection[str]) -> None:
        """Observe these no longer."""
        with self._lock:
            for name in reversed(list(self._awake)):
                if name in names:
                    self._awake.pop(name).disable()
            self._wanted -= set(names)
            for name in names:
                forget(name, self._imported)
            if not self._wanted:
                self._joblib.restore()
                forget(threads.MODULE, self._wrap_joblib)

    def exclude(self, names: Collection[str]) -> None:
        """Drop these, and say so in the status."""
        self.drop(names)
        self._excluded |= set(names)

    def status(self) -> list[IntegrationStatus]:
        """What is observed, and why something is not."""
        with self._lock:
            return [self._status(name) for name in sorted(self.known)]

    def _status(self, name: str) -> IntegrationStatus:
        integration = self._awake.get(name)
        if integration is not None:
            missing = "; ".join(str(error) for error in integration.missing)
            if name not in self._wanted:
                return IntegrationStatus(name, integration.version, True, "observed where its callback is used; autolog() was not called for it")
            return IntegrationStatus(name, integration.version, True, f"observed, except: {missing}" if missing else "observed")
        version = version_of(name, "") if name in sys.modules else ""
        if not is_installed(name):
            return IntegrationStatus(name, version, False, "not installed")
        if name in self._errors:
            return IntegrationStatus(name, version, False, str(self._errors[name]))
        if name in self._wanted:
            return IntegrationStatus(name, version, False, "not imported yet; will be observed from its import on")
        if name in self._excluded:
            return IntegrationStatus(name, version, False, "excluded")
        if is_off():
            return IntegrationStatus(name, version, False, "AUTOTRACK_DISABLED is set")
        return IntegrationStatus(name, version, False, "autolog() was not called for it")

    def _imported(self, module: types.ModuleType) -> None:
        if module.__name__ in self._wanted:
            self._wake(module.__name__, sweep=False)

    def _wake(self, name: str, *, sweep: bool) -> None:
        # Without the lock: an integration imports, and a thread that imports may be waiting for us.
        if name in self._awake:
            return
        with guard(f"waking the integration of {name}"):
            try:
                integration = load(BUILTIN.get(name) or self.known[name])
                integration.enable(sweep=sweep)
            except (IntegrationError, ImportError, AttributeError) as error:
                self._errors[name] = error
                self._wanted.discard(name)
                logger.warning("autotrack does not observe %s: %s", name, error)
                return
            with self._lock:
                self._awake[name] = integration

    def _spread_over_threads(self) -> None:
        when_imported(threads.MODULE, self._wrap_joblib)

    def _wrap_joblib(self, module: types.ModuleType) -> None:
        with guard("observing joblib"):
            self._joblib.wrap_target(module, threads.TARGET, threads.spread)


def load(where: str) -> Integration:
    """The integration at ``module:name``.   Raises: ImportError, AttributeError, IntegrationError."""
    module, _, name = where.partition(":")
    found: Any = importlib.import_module(module)
    for part in (name or "integration").split("."):
        found = getattr(found, part)
    if not isinstance(found, Integration):
        raise IntegrationError(f"{where} is a {type(found).__name__}, not an Integration")
    return found


def wake(name: str) -> None:
    """Observe one framework for a callback of ours that the user handed to it; see Loader.wake."""
    LOADER.wake(name)


def wants(name: str) -> bool:
    """Whether ``autolog()`` was called for a framework."""
    return LOADER.wants(name)


def is_installed(name: str) -> bool:
    """Whether a module could be imported; looks for it without importing it."""
    if name in sys.modules:
        return True
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def prepare(settings: Settings) -> None:
    """Ask what is asked once a process: now rather than in its first fit."""
    place.host()
    place.user()
    here = tracker.existing()
    local = settings.local if here is None else here.local
    if local is not None:
        file_system_of(str(local / "journal"))
        tracker.tracker().prepare()


def is_off() -> bool:
    """Whether everything is switched off (``AUTOTRACK_DISABLED``)."""
    return load_settings().disabled


LOADER = Loader()


def autolog(
    *frameworks: str,
    exclude: Collection[str] = (),
    models: bool | None = None,
    datasets: bool | None = None,
    plots: bool | None = None,
    checkpoints: bool | None = None,
    every_n_steps: int | None = None,
) -> None:
    """Observe training in these frameworks, or in all that are known; imported already or later.

    ``models``, ``datasets``, ``plots`` and ``checkpoints`` say which files are kept, ``every_n_steps`` thins curves; None
    leaves them as they are set elsewhere (all are kept, every step). Calling it again changes only what it says.

    Raises: IntegrationError for a framework that is named and is unknown, not installed or too old. Without names, what
    cannot be observed is logged, and ``autotrack.status()`` says why. SettingsError for a setting that makes no sense.
    """
    said = {"models": models, "datasets": datasets, "plots": plots, "checkpoints": checkpoints, "every_n_steps": every_n_steps}
    chosen = {name: value for name, value in said.items() if value is not None}
    excluded = {exclude} if isinstance(exclude, str) else set(exclude)
    unknown = [name for name in (*frameworks, *excluded) if name not in BUILTIN and name not in LOADER.known]
    if unknown:
        raise IntegrationError(f"autotrack has no integration {unknown[0]!r}; it has: {', '.join(sorted(LOADER.known))}")
    settings = load_settings()
    if settings.disabled:
        return
    if tracker.existing() is None:
        opening.check(settings.uri)
    prepare(settings)
    if chosen:
        tracker.configure(**chosen)
    LOADER.exclude(excluded)
    LOADER.want([name for name in frameworks or LOADER.known if name not in excluded], named=bool(frameworks))


def disable() -> None:
    """Take every patch off. What was recorded stays; runs that are open go on."""
    LOADER.drop(set(LOADER.known))


def status() -> list[IntegrationStatus]:
    """What is observed, in which version, and why something is not."""
    return LOADER.status()
