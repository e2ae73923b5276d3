"""Runs of before, for a training that goes on where one of them stopped."""

from __future__ import annotations

from autotrack.query import parse, quoted
from autotrack.recording.reading import reading
from autotrack.views import RunView

MOST = 20


def runs_tagged(framework: str, tag: str, value: str) -> list[RunView]:
    """The runs of a framework whose tag has this value, newest first, at most 20.

    Asks the store, so it is for what happens once a training.   Raises: BackendError.
    """
    found = reading().runs(parse(f"kind = '{framework}' and tags.{tag} = {quoted(value)}", order_by="started desc", limit=MOST), fields=())
    return [reading().run(view.id) for view in found]
