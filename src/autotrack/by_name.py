"""The names by which frameworks' own options take autotrack: ``report_to="autotrack"`` of Transformers, ``log_with="autotrack"`` of Accelerate.

They are known from ``import autotrack`` on, whether or not ``autolog()`` is called, so that an option that was read from a file
works. A framework is not imported for it: its module is waited for. This is done without wrapt, whose import takes 80 ms.
"""

from __future__ import annotations

import importlib
import sys

TYPE_CHECKING = False  # as typing has it, which would take most of the time
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType

# A framework's module with the table of names, and ours with a function ``register(module)``.
TABLES = {
    "accelerate.tracking": "autotrack.integrations.accelerate.named",
    "transformers.integrations.integration_utils": "autotrack.integrations.transformers.named",
}


class Waiting:
    """A finder that finds nothing itself: it hears of the import of the tables' modules, and registers our names in them."""

    def __init__(self) -> None:
        self._looking: set[str] = set()

    def find_spec(self, name: str, *_where: object) -> ModuleSpec | None:
        """What the other finders find, with a loader that tells us when it has loaded."""
        if name not in TABLES or name in self._looking:
            return None
        from importlib.util import find_spec  # only where it matters

        self._looking.add(name)
        try:
            spec = find_spec(name)
        finally:
            self._looking.discard(name)
        if spec is not None and spec.loader is not None:
            _tell_when_loaded(spec.loader)
        return spec


def _tell_when_loaded(loader: object) -> None:
    load = loader.exec_module  # type: ignore[attr-defined]

    def exec_module(module: ModuleType) -> None:
        del loader.exec_module  # type: ignore[attr-defined]  # of this one loader, which loads once
        load(module)
        register(module)

    loader.exec_module = exec_module  # type: ignore[attr-defined]


def register(module: ModuleType) -> None:
    """Put our name into a framework's table."""
    from autotrack.guard import guard

    with guard(f"naming autotrack in {module.__name__}"):
        importlib.import_module(TABLES[module.__name__]).register(module)


def wait() -> None:
    """Register in what is imported already; wait for the rest."""
    for name in TABLES:
        if name in sys.modules:
            register(sys.modules[name])
    sys.meta_path.insert(0, Waiting())
