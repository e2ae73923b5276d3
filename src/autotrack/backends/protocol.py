"""The contract of a tracking store. ``autotrack.testing.backend_contract`` is its test suite.

Plain values cross it: no cursor, SQL, row id or connection. A third party registers a store by an entry point
of the group ``autotrack.backends`` whose name is the URL scheme and whose object is ``open(url: str) -> Backend``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from autotrack.query import ALL, Query
from autotrack.records import Batch
from autotrack.views import RunView, Series

Cursor = str  # opaque; made by ``tail`` of one store and given back to it

# The parts of a RunView that cost a read each. ``runs(fields=None)`` reads those of DEFAULT_FIELDS.
FIELDS = ("params", "metrics", "tags", "artifacts", "notes", "environment", "traceback")
DEFAULT_FIELDS = ("params", "metrics", "tags", "artifacts", "notes")


@dataclass(frozen=True, slots=True)
class Tail:
    """What is new since a cursor.

    ``points`` are new points of series, ``runs`` the runs whose other facts changed (whole views), ``stale`` names
    (run id, key) of series into whose past a point was written: read those again. ``more`` says that the limit cut it.
    """

    cursor: Cursor
    runs: list[RunView]
    points: list[Series]
    stale: list[tuple[str, str]]
    more: bool = False


class Backend(Protocol):
    """A tracking store. Thread-safe. What it returns never changes afterwards."""

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
        """What is new since the cursor (None: since now), by change number. Never skips, may repeat."""

    def digests(self) -> set[str]:
        """The digests of all artifacts that a run, deleted or not, still has: what garbage collection must keep."""

    def close(self) -> None:
        """Let go of files and connections; closing twice is no error."""
