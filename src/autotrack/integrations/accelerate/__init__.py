"""Hugging Face Accelerate: what a loop logs through ``Accelerator(log_with="autotrack")``, and what was prepared.

What the user logs through his accelerator is a run (``tracker``, loaded with Accelerate's own trackers). With ``autolog()`` the run
also knows what was prepared (``prepared``). A loop without a tracker is a plain PyTorch loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autotrack.integrations.accelerate import prepared
from autotrack.integrations.accelerate.declaration import RECORDS, integration

if TYPE_CHECKING:
    from autotrack.integrations.accelerate.tracker import AutotrackTracker

__all__ = ["RECORDS", "AutotrackTracker", "integration", "prepared"]


def __getattr__(name: str) -> Any:
    if name != "AutotrackTracker":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from autotrack.integrations.accelerate import tracker  # imports a part of accelerate

    return tracker.AutotrackTracker
