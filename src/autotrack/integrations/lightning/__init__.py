"""Lightning, by both of its names: what a Trainer was told, what ``self.log`` logged, how long it took, what it kept.

``Trainer.fit``, ``validate``, ``test`` and ``predict`` open and end a run (``fits``). Between, the Trainer is listened to
(``ears``), and nothing is added to it: no callback, no logger, for the user would see them, in his lists, in his profile and
in the folder of his checkpoints. Who wants to pass something himself has ``AutotrackCallback`` and ``AutotrackLogger``.

Neither ``lightning`` nor ``pytorch_lightning`` is imported here: a program has the one or the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autotrack.integrations.lightning.declaration import RECORDS
from autotrack.integrations.lightning.fits import lightning as integration
from autotrack.integrations.lightning.fits import pytorch_lightning

if TYPE_CHECKING:
    from autotrack.integrations.lightning.explicit import AutotrackCallback, AutotrackLogger

__all__ = ["RECORDS", "AutotrackCallback", "AutotrackLogger", "integration", "pytorch_lightning"]


def __getattr__(name: str) -> Any:
    if name in ("AutotrackCallback", "AutotrackLogger"):
        from autotrack.integrations.lightning import explicit  # imports the framework

        return getattr(explicit, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
