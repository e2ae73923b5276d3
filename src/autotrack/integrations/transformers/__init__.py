"""Hugging Face Transformers: what every ``Trainer`` was told and logs, its model and adapters, its pace, its checkpoints.

Observes ``Trainer`` and everything built on it (``Seq2SeqTrainer``, TRL, sentence-transformers), and what a trainer tells its
callbacks (``trainings``). A callback of ours (``callback``) is a sign for one trainer: ``Trainer(callbacks=[AutotrackCallback()])``, or
``report_to="autotrack"``. No trainer is recorded twice.

Nothing here imports Transformers before the user has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autotrack.integrations.transformers import trainings
from autotrack.integrations.transformers.declaration import RECORDS, integration

if TYPE_CHECKING:
    from autotrack.integrations.transformers.callback import AutotrackCallback

__all__ = ["RECORDS", "AutotrackCallback", "integration", "trainings"]


def __getattr__(name: str) -> Any:
    if name != "AutotrackCallback":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from autotrack.integrations.transformers import callback  # imports a part of transformers

    return callback.AutotrackCallback
