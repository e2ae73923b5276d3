"""The contract of a tracking store. ``autotrack.testing.backend_contract`` is its test suite.

Plain values cross it: no cursor, SQL, row id or connection. A third party registers a store by an entry point
of the group ``autotrack.backends`` whose name is the URL scheme and whose object is ``open(url: str) -> Backend``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from autotrack.query import ALL, Field, Query
from autotrack.records import Batch
from autotrack.views import RunView, Series, Stats

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, np.dtype[np.float64]]

Cursor = str  # opaque; made by ``tail`` of one store and given back to it

# The parts of a RunView that cost a read each. ``runs(fields=None)`` reads those of DEFAULT_FIELDS.
FIELDS = ("params", "metrics", "tags", "artifacts", "notes", "environment", "traceback")
DEFAULT_FIELDS = ("params", "metrics", "tags", "artifacts", "notes")


@dataclass(frozen=True, slots=True)
class Tail:
    """What is new since a cursor.

    ``points`` are new points of series, ``runs`` the runs whose other facts changed (whole views), ``stale`` names
    (run id, key) of series into whose past a point was written: read those again. ``statistics`` has what each series of
    ``points`` and ``stale`` now amounts to, by (run id, key). ``more`` says that the limit cut it.
    """

    cursor: Cursor
    runs: list[RunView]
    points: list[Series]
    stale: list[tuple[str, str]]
    more: bool = False
    statistics: Mapping[tuple[str, str], Stats] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Column:
    """One field of many runs: the numbers of the runs that have it, in no promised order, and their values (None is a value of a param)."""

    numbers: Sequence[int]
    values: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Table:
    """Runs by their numbers, in the order of the query, and the columns that were asked for.

    A run's number is a whole number that the store gave it, once and for all and to no other.
    """

    numbers: Sequence[int]
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that some of the runs have, sorted. ``varying`` are the params that are not the same in all of them.

    ``curves`` are the metrics that were logged at steps, not only set as summary.
    """

    params: Sequence[str]
    metrics: Sequence[str]
    tags: Sequence[str]
    varying: Sequence[str]
    curves: Sequence[str] = ()


Axis = Literal["step", "time", "relative"] | tuple[Literal["metric"], str]  # what a curve is drawn over


@dataclass(frozen=True, slots=True)
class Buckets:
    """A curve for a screen. All arrays are float64 and of one length.

    With ``shift`` > 0 an entry is what lies in a bucket of the grid, the steps ``k << shift`` to ``((k + 1) << shift) - 1``, and ``x`` is
    that of its last point. With 0 an entry is a step; of one logged twice the last value. ``mean``, ``low`` and ``high`` are of finite
    values, NaN where there are none; ``odd`` counts the others. ``step`` and ``value`` are those of the last point; where x is the step,
    a store may leave the value out (NaN). ``total`` is how many points were summed up, ``first`` and ``last`` the x of the whole series'
    ends. Of a ``pending`` one nothing is here yet: the store is still summing it up.
    """

    run_id: str
    key: str
    shift: int
    x: Numbers
    mean: Numbers
    low: Numbers
    high: Numbers
    odd: Numbers
    step: Numbers
    value: Numbers
    total: int
    first: float
    last: float
    pending: bool = False


@dataclass(frozen=True, slots=True)
class SavedView:
    """A way of looking at runs that somebody named: ``query`` is the page's own, ``saved`` is UTC seconds."""

    name: str
    query: str
    saved: float


class Backend(Protocol):
    """A tracking store. Thread-safe. What it returns never changes afterwards.

    A reading within ``deadline.within(seconds)`` ends by TooSlow when its time is over.
    """

    def write(self, batch: Batch) -> None:
        """Apply all records of the batch or none.

        Records that this writer had applied already are dropped from its front, so any regrouping or retry is safe.
        A record of a run not seen yet makes a stub that its RunStarted fills; one of a purged run is skipped.
        WriterEnded touches only runs whose last starter was this writer and that still run. Any later record of a
        run that is ``lost`` revives it, except tags, notes and files from another writer, who may label it or finish
        its uploads. A running run whose writer gave no sign of life for an hour is shown as ``lost``.

        Raises: BackendUnavailable (try again), RecordRejected (never will), SchemaTooNew.
        """

    def delete(self, run_ids: Collection[str], *, undo: bool = False) -> int:
        """Hide runs (or show them again); return how many changed."""

    def purge(self, older_than_s: float) -> int:
        """Remove for good the runs that have been deleted for ``older_than_s`` seconds; return how many."""

    def run(self, run_id: str) -> RunView:
        """The whole view of a run, all fields, deleted or not.   Raises: RunNotFound."""

    def runs(self, query: Query = ALL, *, fields: Collection[str] | None = None) -> list[RunView]:
        """The runs that fit the query, ordered and cut by it (default: newest first); see ``FIELDS``."""

    def series(self, run_ids: Sequence[str], keys: Sequence[str], *, points: int | None = None, steps: tuple[int, int] | None = None) -> list[Series]:
        """The curves of these runs and keys that exist, ordered by run then key as asked.

        ``steps`` keeps first <= step <= last. With ``points`` (at least 4) each curve has at most so many, thinned by
        buckets that keep first, last, smallest and largest. Without it every point is there, a step logged twice too
        (the later one later).
        """

    def tail(self, cursor: Cursor | None, *, limit: int = 5_000) -> Tail:
        """What is new since the cursor (None: since now), by change number. Never skips, may repeat.

        Raises: CursorLost if the cursor is not of this store, or the store was set back.
        """

    def pulse(self) -> int:
        """A number that is another one when something was written since the last time. Reads no table: it may be asked ten times a second."""

    def table(self, query: Query, fields: Sequence[Field] = ()) -> Table:
        """The runs that fit, and of each field a column: what a table of ten thousand runs shows, without a view for each.

        Attributes of the run (group ``run``) have a value for every run that has one; ``deleted`` is a time.
        """

    def keys(self, query: Query = ALL) -> Keys:
        """Which keys the runs have that fit. (The query's order says nothing here.)"""

    def buckets(
        self,
        run_ids: Sequence[str],
        keys: Sequence[str],
        *,
        points: int,
        x: Axis = "step",
        window: tuple[float, float] | None = None,
        lead: float = 0.0,
        patience_s: float = 1.0,
    ) -> list[Buckets]:
        """The curves of these runs and keys that exist, ordered by run then key as asked, in about ``points`` buckets or fewer.

        ``window`` cuts x, both ends included; ``lead`` asks for so much more before it, in buckets that may be wider. The buckets are those
        of one grid of steps, for all runs, at every zoom; a series with at most ``points`` points in the window is given as it is. A metric
        as x has at each step the value it had last. A store may keep sums of long series to answer quickly, give the next wider buckets where
        it keeps none and very many points lie in the window, and may spend ``patience_s`` seconds on making sums; they are
        derived, and never say what the points do not.
        """

    def saved_views(self) -> list[SavedView]:
        """The named ways of looking at runs, by name."""

    def save_view(self, name: str, query: str | None) -> None:
        """Keep a query under a name, in place of what had the name; None forgets it."""

    def digests(self) -> set[str]:
        """The digests of all artifacts that a run, deleted or not, still has: what garbage collection must keep."""

    def close(self) -> None:
        """Let go of files and connections; closing twice is no error."""
