"""The tracker: a run from ``init_trackers`` to ``end_training``.

Meanwhile the user's own loop is not recorded a second time as a plain PyTorch loop: what he logs is the record.

Source: https://huggingface.co/docs/accelerate/usage_guides/tracking
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from accelerate.state import AcceleratorState
from accelerate.tracking import GeneralTracker, on_main_process

from autotrack.instrument import Fit, asked, guarded
from autotrack.integrations.accelerate.declaration import integration

FACTS = ("mixed_precision", "num_processes", "distributed_type", "device")


class AutotrackTracker(GeneralTracker):  # type: ignore[misc,unused-ignore]  # untyped where accelerate is not installed
    """Records what is logged through an ``Accelerator``.

    >>> accelerator = Accelerator(log_with="autotrack")
    >>> accelerator.init_trackers("sentiment/bert", config={"lr": 3e-4}, init_kwargs={"autotrack": {"name": "baseline"}})

    The project is the run's experiment. ``init_kwargs`` may give the run a ``name`` and ``tags``.
    ``accelerator.get_tracker("autotrack", unwrap=True)`` is the run itself.
    """

    name = "autotrack"
    requires_logging_directory = False
    main_process_only = True

    def __init__(self, run_name: str = "", *, name: str = "", tags: Mapping[str, str] | None = None, **_others: Any) -> None:
        super().__init__()
        self.fit: Fit | None = None
        self._project = run_name
        self._run_name = name
        self._tags = tags
        self._next_step = 0
        self._is_over = False
        self._error_before: BaseException | None = None
        if not hasattr(GeneralTracker, "start"):  # of an older Accelerate, where a tracker begins when it is made
            self.start()

    @property
    def tracker(self) -> Any:
        """The run; None before it is started, and where nothing is recorded."""
        return None if self.fit is None else self.fit.run

    @on_main_process  # type: ignore[untyped-decorator,unused-ignore]
    @guarded
    def start(self) -> None:
        """Begin the run. A tracker that was never finished is current no longer; its run ends with the process."""
        if self.fit is not None or self._is_over:
            return
        self._error_before = sys.exc_info()[1]
        self.fit = fit = integration.begin_current("accelerate", experiment=experiment_of(self._project))
        if self._run_name:
            fit.name(self._run_name)
        if self._tags:
            fit.tags(self._tags)
        fit.params(asked(facts, dict[str, Any]()), under="accelerator")

    @on_main_process  # type: ignore[untyped-decorator,unused-ignore]
    @guarded
    def store_init_configuration(self, values: Mapping[str, Any]) -> None:
        """The user's configuration, as parameters."""
        fit = None if self._is_over else self._begun()
        if fit is not None:
            fit.params(values)

    @guarded
    def log(self, values: Mapping[str, Any], step: int | None = None, **_more: Any) -> None:
        """Numbers at a step, by default the one after the last; texts stand for the whole run.

        Nothing once it is finished: an accelerator that begins anew goes on telling its old trackers.
        """
        if self._is_over:
            return
        fit = self._begun()
        if fit is None:
            return
        at = self._next_step if step is None else int(step)
        self._next_step = at + 1
        numbers: dict[str, Any] = {}
        texts: dict[str, str] = {}
        sort_out(values, "", numbers, texts)
        fit.claim(numbers)
        fit.log(numbers, step=at, inferred=step is None)
        if texts:
            fit.summary(texts)
        fit.rest()  # its optimizers look for a module at every step

    @on_main_process  # type: ignore[untyped-decorator,unused-ignore]
    @guarded
    def finish(self) -> None:
        """End the run. In the ``finally`` of a loop that failed it is failed."""
        if self.fit is not None and not self._is_over:
            error = sys.exc_info()[1]
            if error is not None and error is not self._error_before:
                self.fit.outcome("interrupted" if isinstance(error, KeyboardInterrupt) else "failed", error)
            self.fit.end()
        self._is_over = True

    def _begun(self) -> Fit | None:
        """The fit; None in a process that is not the main one."""
        if self.fit is None:
            type(self).start(self)
        return self.fit


def experiment_of(project: str) -> str:
    """The project's name as an experiment's; "" if nothing is left of it."""
    levels = ("".join(letter if letter.isprintable() else " " for letter in level).strip() for level in str(project).split("/"))
    return "/".join(filter(None, levels))


def facts() -> dict[str, Any]:
    """What the accelerator knows of where it runs."""
    state = AcceleratorState()
    return {name: str(value) if not isinstance(value, int) else value for name in FACTS if (value := getattr(state, name, None)) is not None}


def sort_out(values: Mapping[str, Any], under: str, numbers: dict[str, Any], texts: dict[str, str]) -> None:
    """Numbers and texts by name; those in a dict under ``{its name}/{their name}``. What is neither is left out."""
    for name, value in values.items():
        key = f"{under}{name}"
        if type(value) is float:
            numbers[key] = value
        elif isinstance(value, str):
            texts[key] = value
        elif isinstance(value, Mapping):
            sort_out(value, f"{key}/", numbers, texts)
        elif is_number(only := alone(value)):
            numbers[key] = only


def alone(value: Any) -> Any:
    """The only number of an array or a tensor, unread; else as it is."""
    shape = getattr(value, "shape", ())
    is_one = isinstance(shape, tuple) and shape and all(size == 1 for size in shape)
    return value.reshape(()) if is_one else value


def is_number(value: Any) -> bool:
    """Whether it is one number: python's, NumPy's or a tensor's."""
    return isinstance(value, int | float) or (getattr(value, "shape", None) == () and hasattr(value, "item"))
