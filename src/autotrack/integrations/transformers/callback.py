"""The callback. Its methods tell a ``Training``; without one (outside of what is observed) they do nothing.

Source: https://huggingface.co/docs/transformers/main_classes/callback
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers.trainer_callback import TrainerCallback

from autotrack.instrument import guarded
from autotrack.instrument.loader import wake
from autotrack.integrations.transformers.training import Training


class AutotrackCallback(TrainerCallback):  # type: ignore[misc,unused-ignore]  # untyped where transformers is not installed
    """Records the trainings of the trainer that it is given to, whether or not ``autotrack.autolog()`` was called.

    >>> Trainer(..., callbacks=[AutotrackCallback()])

    The same as ``TrainingArguments(report_to="autotrack")``.
    """

    def __init__(self) -> None:
        self.training: Training | None = None  # set for as long as the trainer trains, evaluates or predicts
        wake("transformers")

    def __reduce__(self) -> tuple[Any, ...]:
        return AutotrackCallback, ()  # a copy has nothing to tell yet

    @guarded
    def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        if self.training is not None and state.is_world_process_zero:
            self.training.begin(args, state, more.get("optimizer"), more.get("lr_scheduler"))

    @guarded
    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        if self.training is not None:
            self.training.leave_step()

    @guarded
    def on_epoch_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        if self.training is not None:
            self.training.leave_step()

    @guarded
    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **more: Any) -> None:
        if self.training is not None and logs and state.is_world_process_zero:
            self.training.log(state, logs)

    @guarded
    def on_evaluate(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        if self.training is not None:
            self.training.resume()

    @guarded
    def on_predict(self, args: Any, state: Any, control: Any, metrics: Mapping[str, Any] | None = None, **more: Any) -> None:
        if self.training is not None and metrics and state.is_world_process_zero:
            self.training.predicted(state, metrics)

    @guarded
    def on_save(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        if self.training is not None:
            self.training.resume()
            if state.is_world_process_zero:
                self.training.saved(args, state)

    @guarded
    def on_train_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        if self.training is not None and state.is_world_process_zero:
            self.training.end(state)
