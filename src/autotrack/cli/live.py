"""Runs kept up to date by the store's tail: what did not change is not read again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from autotrack.query import Order, Query, among, parse

if TYPE_CHECKING:
    from autotrack.recording.tracker import Tracker
    from autotrack.views import RunView, Series

CATCH_UP_S = 5.0  # how often it is looked for what dead processes left behind, and for writers that fell silent
POINTS = 800  # of a curve that is kept; it is thinned again at twice as many


class Live:
    """The runs that fit a query, ordered and cut by it (``rows``), and the curves of one of them."""

    def __init__(self, tracker: Tracker, filter: str, limit: int) -> None:
        self._tracker = tracker
        self._limit = limit
        self.rows: list[RunView] = []
        self.filter = ""
        self.order: tuple[Order, ...] = ()
        self._query = Query(limit=limit)
        self._known: dict[str, RunView] = {}  # with their metrics
        self._watched = ""
        self._curves: dict[str, Series] = {}
        self._due = 0.0
        tracker.catch_up()
        self._cursor = tracker.backend.tail(None).cursor  # before the first read: what comes between is told twice, never missed
        self.ask(filter)

    def ask(self, filter: str, order: Sequence[Order] = ()) -> None:
        """Show other runs, or in another order.   Raises: QueryError; then all stays as it was."""
        self._query = replace(parse(filter, limit=self._limit), order=tuple(order))
        self.filter, self.order = filter, tuple(order)
        self._read(set())

    def look(self) -> bool:
        """Read what changed since the last look; whether anything did."""
        now = time.monotonic()
        is_due = now >= self._due
        if is_due:
            self._due = now + CATCH_UP_S
            self._tracker.catch_up()
        told = self._tracker.backend.tail(self._cursor)
        self._cursor = told.cursor
        for series in told.points:
            if series.run_id == self._watched and series.key in self._curves:
                self._curves[series.key] = _longer(self._curves[series.key], series)
        for run_id, key in told.stale:
            if run_id == self._watched:
                self._curves.pop(key, None)
        changed = {run.id for run in told.runs} | {series.run_id for series in told.points} | {run_id for run_id, _ in told.stale}
        if changed or is_due:
            self._read(changed)
        return bool(changed)

    def curves(self, run_id: str, keys: Sequence[str]) -> list[Series]:
        """Curves of one run, thinned; those of another one are forgotten."""
        if run_id != self._watched:
            self._watched, self._curves = run_id, {}
        missing = [key for key in keys if key not in self._curves]
        if missing:
            self._curves |= {series.key: series for series in self._tracker.backend.series([run_id], missing, points=POINTS)}
        return [self._curves[key].last_wins() for key in keys if key in self._curves]

    def _read(self, changed: set[str]) -> None:
        rows = self._tracker.backend.runs(self._query, fields=())
        self._known = {row.id: self._known[row.id] for row in rows if row.id in self._known and row.id not in changed}
        ids = [row.id for row in rows if row.id not in self._known]
        if ids:
            self._known |= {run.id: run for run in self._tracker.backend.runs(among("id", ids), fields=("metrics",))}
        parts = [(row, self._known.get(row.id, row)) for row in rows]
        self.rows = [replace(row, metrics=known.metrics, statistics=known.statistics) for row, known in parts]


def _longer(curve: Series, more: Series) -> Series:
    """A curve with what came since; what was known of the new steps already is replaced."""
    import numpy as np  # reading only

    from autotrack.backends.thinning import kept

    if not len(more):
        return curve
    old = curve.steps < more.steps[0]
    steps, times, values = (
        np.concatenate((before[old], after)) for before, after in ((curve.steps, more.steps), (curve.times, more.times), (curve.values, more.values))
    )
    if len(steps) > 2 * POINTS:
        keep = kept(steps, values, POINTS)
        steps, times, values = steps[keep], times[keep], values[keep]
    return replace(curve, steps=steps, times=times, values=values, total=max(curve.total, len(steps)))
