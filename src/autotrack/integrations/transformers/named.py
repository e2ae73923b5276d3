"""``report_to="autotrack"``: our callback in Transformers' table of reporting integrations."""

from __future__ import annotations

from types import ModuleType


def register(integration_utils: ModuleType) -> None:
    """Put it there, under the name that ``TrainingArguments`` takes."""
    from autotrack.integrations.transformers.callback import AutotrackCallback

    integration_utils.INTEGRATION_TO_CALLBACK["autotrack"] = AutotrackCallback
