"""``log_with="autotrack"``: our tracker among those that Accelerate knows by name."""

from __future__ import annotations

import functools
import sys
from typing import Any


def register(tracking: Any) -> None:
    """Register it, by the public function where there is one (1.14)."""
    from autotrack.integrations.accelerate.tracker import AutotrackTracker

    if AutotrackTracker.name in tracking.LOGGER_TYPE_TO_CLASS:
        return
    if hasattr(tracking, "register_tracker_class"):
        tracking.register_tracker_class(AutotrackTracker)
        return
    tracking.LOGGER_TYPE_TO_CLASS[AutotrackTracker.name] = AutotrackTracker
    original = tracking.filter_trackers

    @functools.wraps(original)
    def filter_trackers(log_with: Any, *args: Any, **kwargs: Any) -> Any:  # an older one takes no name that it does not bring itself
        given = log_with if isinstance(log_with, list | tuple) else [log_with]
        others = [each for each in given if str(each) != AutotrackTracker.name]
        if len(others) == len(given):
            return original(log_with, *args, **kwargs)
        return [*original(others, *args, **kwargs), AutotrackTracker.name]

    tracking.filter_trackers = filter_trackers
    accelerator: Any = sys.modules.get("accelerate.accelerator")
    if accelerator is not None and getattr(accelerator, "filter_trackers", None) is original:
        accelerator.filter_trackers = filter_trackers
