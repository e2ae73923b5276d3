"""What a user asks of the process's tracker itself."""

from __future__ import annotations

import os
from typing import Literal

from autotrack.recording import tracker


def configure(
    *,
    uri: str | os.PathLike[str] | None = None,
    experiment: str | None = None,
    disabled: bool | None = None,
    quiet: bool | None = None,
    children: bool | None = None,
    journal: Literal["auto", "append"] | None = None,
    system_metrics: bool | None = None,
    console: bool | None = None,
    models: bool | None = None,
    datasets: bool | None = None,
    plots: bool | None = None,
    checkpoints: bool | None = None,
    every_n_steps: int | None = None,
) -> None:
    """Change settings from here on; what is None stays as it is. An argument wins over environment and ``pyproject.toml``.

    Runs that are open go on in the store in which they were started.   Raises: SettingsError.
    """
    tracker.configure(
        uri=uri,
        experiment=experiment,
        disabled=disabled,
        quiet=quiet,
        children=children,
        journal=journal,
        system_metrics=system_metrics,
        console=console,
        models=models,
        datasets=datasets,
        plots=plots,
        checkpoints=checkpoints,
        every_n_steps=every_n_steps,
    )


def flush(timeout_s: float = 5.0) -> bool:
    """Wait until all that was recorded so far is in the store; False if it took longer than ``timeout_s`` seconds."""
    found = tracker.existing()
    return found is None or found.flush(timeout_s)
