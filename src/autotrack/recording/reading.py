"""The reading stair's foot: the process's store, with everything in it that is known so far."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from autotrack import printed
from autotrack.artifacts import ArtifactStore
from autotrack.backends.protocol import Backend
from autotrack.query import ALL, Query, parse
from autotrack.recording.tracker import Tracker, tracker
from autotrack.settings import database
from autotrack.views import ArtifactView, RunView, Series


class StoreReader:
    """Reads a store; the views that it returns can go on asking it (``views.Reader``)."""

    def __init__(self, backend: Backend, artifacts: ArtifactStore, staging: Path | None = None) -> None:
        self.backend = backend
        self.artifacts = artifacts
        self._staging = staging

    def __reduce__(self) -> tuple[Any, ...]:
        return reading, ()  # a view that is unpickled reads its process's own store

    def attach(self, view: RunView) -> RunView:
        """The view, able to give its history, its children and the content of its artifacts."""
        artifacts = tuple(dataclasses.replace(artifact, _reader=self) for artifact in view.artifacts)
        return dataclasses.replace(view, artifacts=artifacts, _reader=self)

    def run(self, run_id: str) -> RunView:
        """The whole view of a run.   Raises: RunNotFound."""
        return self.attach(self.backend.run(run_id))

    def runs(self, query: Query = ALL, *, fields: Collection[str] | None = None) -> list[RunView]:
        """The runs that fit; see ``Backend.runs``."""
        return [self.attach(view) for view in self.backend.runs(query, fields=fields)]

    def beginning_with(self, beginning: str) -> list[str]:
        """The ids that begin so, those of deleted runs too."""
        if not beginning.isalnum() or not beginning.isascii():
            return []
        query = dataclasses.replace(parse(f"id like '{beginning}%'", limit=10), deleted=True)
        return [view.id for view in self.backend.runs(query, fields=())]

    def series(self, run_ids: Sequence[str], keys: Sequence[str], *, points: int | None = None, steps: tuple[int, int] | None = None) -> list[Series]:
        """See ``Backend.series``."""
        return self.backend.series(run_ids, keys, points=points, steps=steps)

    def children(self, run_id: str) -> list[RunView]:
        """The runs inside it, oldest first."""
        return self.runs(parse(f"parent = '{run_id}'", order_by="started"))

    def open(self, artifact: ArtifactView) -> BinaryIO:
        """The content of an artifact.   Raises: ArtifactNotFound."""
        return self.artifacts.open(artifact.digest)

    def printed(self, run: RunView, after: int = 0) -> printed.Piece | None:
        """What the run printed, from character ``after`` on, while it runs too; see ``autotrack.printed.read``."""
        return printed.read(run, self.open, self._staging, after)


def reading() -> StoreReader:
    """The process's store, after all that this process recorded and that dead ones left behind has come into it.

    Where there is no store yet nothing is made: it reads as an empty one.   Raises: SettingsError, BackendError.
    """
    here = tracker()
    path = database(here.settings.uri)
    if path is not None and not here.recorded and not path.exists() and not (here.folder / "journal").exists():
        from autotrack.backends.memory import MemoryBackend  # rare

        return StoreReader(MemoryBackend(), here.artifacts)
    return reading_of(here)


def reading_of(here: Tracker) -> StoreReader:
    """The store of a tracker, with all that this process recorded in it so far."""
    here.catch_up()
    return StoreReader(here.backend, here.artifacts, None if here.local is None else here.local / "staging")
