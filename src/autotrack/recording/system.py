"""What the process uses of its machine, every few seconds while a run is open: CPU, memory and GPUs."""

from __future__ import annotations

from time import monotonic, process_time, time
from typing import TYPE_CHECKING

from autotrack.guard import asked
from autotrack.recording.gpus import Gpus, busy

if TYPE_CHECKING:
    from autotrack.recording.tracker import Tracker


class SystemMetrics:
    """``system/cpu_percent`` (of one core; above 100 with several), ``system/rss_bytes``, and what ``Gpus`` tells.

    The step is the run's age in seconds.
    """

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._gpus = Gpus()
        self._before: tuple[float, float] | None = None  # when it was last asked, and the CPU seconds until then

    def sample(self) -> None:
        """Tell the open runs; those inside another open run are left out. Called by the writer's thread, the first time for nothing but a start."""
        before, self._before = self._before, (monotonic(), process_time())
        runs = [run for run in list(self._tracker.open.values()) if run.parent_id not in self._tracker.open]
        if before is None or not runs:
            return
        with busy:
            import psutil  # some 10 ms, and only a program that runs for long pays

        passed_s, used_s = self._before[0] - before[0], self._before[1] - before[1]
        values = {"system/cpu_percent": 100 * used_s / max(passed_s, 1e-3)}
        rss: int | None = asked(lambda: psutil.Process().memory_info().rss, None)
        if rss is not None:
            values["system/rss_bytes"] = float(rss)
        values |= self._gpus.values()
        now = time()
        for run in runs:
            run.log(values, step=max(0, int(now - run.started)))
