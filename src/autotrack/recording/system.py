"""What the process uses of its machine, every few seconds while a run is open: CPU and memory."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any

from autotrack.guard import asked

if TYPE_CHECKING:
    from autotrack.recording.tracker import Tracker


# Held while psutil is imported: a child that is forked meanwhile would find half a module, and its lock taken for ever.
_importing = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_importing.acquire, after_in_parent=_importing.release, after_in_child=_importing.release)


class SystemMetrics:
    """``system/cpu_percent`` (of one core; above 100 with several) and ``system/rss_bytes``; the step is the run's age in seconds."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._process: Any = None

    def sample(self) -> None:
        """Tell the open runs; those inside another open run are left out. Called by the writer's thread."""
        runs = [run for run in list(self._tracker.open.values()) if run.parent_id not in self._tracker.open]
        if not runs:
            return
        with _importing:
            import psutil  # some 10 ms, and only a program that runs for long pays

        if self._process is None or self._process.pid != psutil.Process().pid:
            self._process = psutil.Process()
            asked(lambda: self._process.cpu_percent(None), 0.0)  # the first call only starts the clock
            return
        cpu: float | None = asked(lambda: self._process.cpu_percent(None), None)
        rss: int | None = asked(lambda: self._process.memory_info().rss, None)
        told = {"system/cpu_percent": cpu, "system/rss_bytes": rss}
        values = {key: float(value) for key, value in told.items() if value is not None}
        now = time.time()
        for run in runs:
            if values:
                run.log(values, step=max(0, int(now - run.started)))
