"""The names by which frameworks' own options take autotrack: ``report_to="autotrack"`` of Transformers, ``log_with="autotrack"`` of Accelerate.

They are known from ``import autotrack`` on, whether or not ``autolog()`` is called, so that an option that was read from a file
works. A framework is not imported for it: its module is waited for.
"""

from __future__ import annotations

from autotrack.imports import when_imported

TYPE_CHECKING = False  # as typing has it, which would take most of the time
if TYPE_CHECKING:
    from types import ModuleType

# A framework's module with the table of names, and ours with a function ``register(module)``.
TABLES = {
    "accelerate.tracking": "autotrack.integrations.accelerate.named",
    "transformers.integrations.integration_utils": "autotrack.integrations.transformers.named",
}


def register(module: ModuleType) -> None:
    """Put our name into a framework's table."""
    from importlib import import_module

    from autotrack.guard import guard

    with guard(f"naming autotrack in {module.__name__}"):
        import_module(TABLES[module.__name__]).register(module)


def wait() -> None:
    """Register in what is imported already; wait for the rest."""
    for name in TABLES:
        when_imported(name, register)
