"""Checkpoints: what lies in one, and which run wrote it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from autotrack.instrument import Call, asked, runs_tagged
from autotrack.integrations.transformers.declaration import integration
from autotrack.integrations.transformers.training import WRITES_TO, name_of

STATE = "trainer_state.json"


def resumed_run(call: Call) -> str | None:
    """The id of the run whose checkpoint ``train(resume_from_checkpoint=)`` goes on with; None if the store does not know it.

    Runs that wrote into the checkpoint's folder are looked at, newest first; it is the one whose curve is what the checkpoint
    remembers of it.
    """
    given = call.get("resume_from_checkpoint")
    folder = newest_in(call.instance.args.output_dir) if given is True else given
    if not isinstance(folder, str | os.PathLike):
        return None
    path = os.path.abspath(os.fspath(folder))
    remembered = list(losses(path))
    if not remembered:
        return None
    for run in runs_tagged(integration.name, WRITES_TO, os.path.dirname(path)):
        if all(told(run, key, step) == value for key, step, value in remembered):
            return str(run.id)
    return None


def newest_in(folder: str) -> str | None:
    """The checkpoint that ``train(resume_from_checkpoint=True)`` takes."""
    from transformers.trainer_utils import get_last_checkpoint  # loaded with the trainer

    found: str | None = asked(lambda: get_last_checkpoint(folder), None)
    return found


def losses(checkpoint: str) -> Iterator[tuple[str, int, float]]:
    """The last loss, and the last of an evaluation, that a checkpoint remembers: the curve's name, the step, the value."""
    path = os.path.join(checkpoint, STATE)
    if not os.path.isfile(path):
        return  # the trainer will say so
    with open(path, encoding="utf-8") as file:
        history = json.load(file).get("log_history") or []
    for key in ("loss", "eval_loss"):
        entry: Mapping[str, Any] | None = next((entry for entry in reversed(history) if key in entry), None)
        if entry is not None:
            yield name_of(key, ""), entry["step"], entry[key]


def told(run: Any, key: str, step: int) -> float | None:
    """What a run has of a curve at a step, the last if there are several."""
    if key not in run.statistics:
        return None
    series = run.history(key)
    values = series.values[series.steps == step]
    return float(values[-1]) if len(values) else None
