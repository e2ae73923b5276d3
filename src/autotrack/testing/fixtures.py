"""A pytest plugin for whoever tests what is recorded: ``pytest_plugins = ["autotrack.testing.fixtures"]``.

``tracked`` records into memory and reads it back::

    def test_a_fit_is_a_run(tracked):
        LogisticRegression().fit(X, y)
        assert tracked.run().status == "finished"
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from autotrack.recording import environment, runs, tracker
from autotrack.recording.reading import reading
from autotrack.views import RunView


class Tracked:
    """What was recorded since the test began."""

    def runs(self) -> list[RunView]:
        """All runs, oldest first."""
        from autotrack.query import parse

        return [self.view(run.id) for run in reading().runs(parse("", "started, id"))]

    def run(self) -> RunView:
        """The only run that is not inside another."""
        found = [run for run in self.runs() if run.parent_id is None]
        assert len(found) == 1, f"one run was expected; there are {[run.name for run in found]}"
        return found[0]

    def view(self, run_id: str) -> RunView:
        """The whole view of a run."""
        return reading().run(run_id)

    def tree(self) -> dict[str, list[str]]:
        """The names of the outer runs, each with those inside it. A number that the store appended is left out where nothing else has the name."""
        runs = self.runs()
        outer = [run for run in runs if run.parent_id is None]
        inner = {run.id: bare([child.name for child in runs if child.parent_id == run.id]) for run in outer}
        return dict(zip(bare([run.name for run in outer]), inner.values(), strict=True))


def bare(names: list[str]) -> list[str]:
    """The names without their numbers, where they stay different."""
    short = [stem if stem and number.isdigit() else name for name in names for stem, _, number in [name.rpartition("-")]]
    return [name if short.count(brief) > 1 else brief for name, brief in zip(names, short, strict=True)]


@pytest.fixture
def tracked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Tracked]:
    """Records into memory for one test; what was set before stands again afterwards.

    Ids are counted, and the repository that the tests stand in is not told.
    """
    numbers = itertools.count(1)
    monkeypatch.setattr(runs, "new_run_id", lambda: f"01TEST{next(numbers):020d}")
    monkeypatch.setattr(environment, "repository", lambda *_: environment.NOTHING)
    before = tracker.swap(tracker.in_memory())
    try:
        yield Tracked()
    finally:
        ours = tracker.swap(before)
        if ours is not None:
            for run in list(ours.alone.values()):  # whose end nobody else would say
                run.end("finished")
            ours.close()
