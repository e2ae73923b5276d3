"""The callback that a user passes. It is a sign: what a marked trainer does is heard where all trainers are heard (``trainings``)."""

from __future__ import annotations

from transformers.trainer_callback import TrainerCallback

from autotrack.instrument.loader import wake


class AutotrackCallback(TrainerCallback):  # type: ignore[misc,unused-ignore]  # untyped where transformers is not installed
    """Records the trainings of the trainer that it is given to, whether or not ``autotrack.autolog()`` was called.

    >>> Trainer(..., callbacks=[AutotrackCallback()])

    The same as ``TrainingArguments(report_to="autotrack")``.
    """

    def __init__(self) -> None:
        wake("transformers")
