"""Finding runs again: search by a query, compare, and fold what a loop repeated into one line.

What is found is whole and current: the process's own records are flushed first, and what dead processes
left in their journals is applied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

from autotrack.difference import PER_PROCESS, area, differing, flattened
from autotrack.glance import repeats, stem, telling
from autotrack.query import parse
from autotrack.recording.reading import reading
from autotrack.recording.runs import get_run
from autotrack.views import RunView

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Comparison", "Fold", "RunList", "compare", "fold", "search_runs"]

SHOWN = 20  # lines of a list's repr
ATTRIBUTES = (
    *("id", "name", "experiment", "status", "error", "started", "ended", "duration_s"),
    *("parent_id", "kind", "call_site", "host", "user", "notes"),
)


class RunList(list[RunView]):
    """Runs as a search found them; a list with a readable repr and ``to_pandas``."""

    def to_pandas(self) -> pd.DataFrame:
        """A row per run: its attributes, then ``params.X``, ``metrics.X`` and ``tags.X`` for every key that one of them has.

        ``started`` and ``ended`` are UTC times.
        """
        import pandas as pd  # extra

        rows = [{key: getattr(run, key) for key in ATTRIBUTES} | flat(run) for run in self]
        keys = sorted({key for row in rows for key in row} - set(ATTRIBUTES))
        frame = pd.DataFrame(rows, columns=[*ATTRIBUTES, *keys])
        for key in ("started", "ended"):
            frame[key] = pd.to_datetime(frame[key], unit="s", utc=True).dt.round("us")  # without the noise of large floats
        return frame

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> RunView: ...
    @overload
    def __getitem__(self, index: slice, /) -> RunList: ...

    def __getitem__(self, index: Any, /) -> Any:
        found = super().__getitem__(index)
        return RunList(found) if isinstance(index, slice) else found

    def __repr__(self) -> str:
        if not self:
            return "no runs"
        lines = [(run.id, run.name, run.status, run.experiment, brief(run.metrics)) for run in list(self)[:SHOWN]]
        widths = [max(len(line[i]) for line in lines) for i in range(4)]
        texts = ["  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[4]]).rstrip() for line in lines]
        more = [f"… and {len(self) - SHOWN} more"] if len(self) > SHOWN else []
        return "\n".join([f"{len(self)} run{'s' * (len(self) != 1)}", *texts, *more])

    def _repr_html_(self) -> str:
        from autotrack.notebook import runs_html  # a notebook's display alone pays

        return runs_html(self)


def search_runs(filter: str = "", *, order_by: str = "", limit: int | None = 100, offset: int = 0, deleted: bool = False) -> RunList:
    """The runs that fit ``filter``, newest first or by ``order_by``; all of the store with ``limit=None``.

    >>> search_runs("metrics.val/acc > 0.9 and params.lr < 0.01 and tags.team = 'nlp'", order_by="metrics.f1 desc")

    With ``deleted`` also those that were deleted.   Raises: QueryError, which knows the position in the text.
    """
    query = parse(filter, order_by, limit, offset)
    if deleted:
        query = replace(query, deleted=True)
    return RunList(reading().runs(query))


Differences = Mapping[str, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Where runs differ: by key, the value of each run in the order of ``runs``; ``ABSENT`` where it has none.

    What is the same in all of them is left out.
    """

    runs: tuple[RunView, ...]
    params: Differences = field(default_factory=dict)
    metrics: Differences = field(default_factory=dict)
    tags: Differences = field(default_factory=dict)
    code: Differences = field(default_factory=dict)  # commit, uncommitted changes, script, arguments
    environment: Differences = field(default_factory=dict)  # python, packages, host, devices
    datasets: Differences = field(default_factory=dict)

    SECTIONS = ("params", "metrics", "tags", "code", "environment", "datasets")

    def __iter__(self) -> Iterator[tuple[str, Differences]]:
        """The sections with a difference, each with its name."""
        return ((name, getattr(self, name)) for name in Comparison.SECTIONS if getattr(self, name))

    def __repr__(self) -> str:
        lines = ["  vs  ".join(f"{run.name} ({run.id})" for run in self.runs)]
        for name, differences in self:
            lines.append(f"{name}:")
            lines += [f"  {key}: " + "  |  ".join(shortened(value) for value in values) for key, values in differences.items()]
        return "\n".join(lines if len(lines) > 1 else [*lines, "no difference"])

    def _repr_html_(self) -> str:
        from autotrack.notebook import comparison_html  # a notebook's display alone pays

        return comparison_html(self.runs, self)


def compare(*runs: RunView | str) -> Comparison:
    """Where two or more runs (or ids) differ: parameters, metrics, tags, code, environment, data sets.

    Raises: RunNotFound, ValueError for fewer than two.
    """
    if len(runs) < 2:
        raise ValueError("compare takes two runs or more")
    views = tuple(get_run(run if isinstance(run, str) else run.id) for run in runs)  # whole: a search leaves the environment out
    surroundings = [{key: value for key, value in flattened(view.environment) if key not in PER_PROCESS} for view in views]

    def part(belongs: Callable[[str], bool]) -> Differences:
        return differing([{key: value for key, value in each.items() if belongs(key)} for each in surroundings])

    return Comparison(
        views,
        params=differing([view.params for view in views]),
        metrics=differing([view.metrics for view in views]),
        tags=differing([view.tags for view in views]),
        code=part(lambda key: area(key) == "code"),
        environment=part(lambda key: area(key) == "environment"),
        datasets=part(lambda key: area(key) == "datasets"),
    )


@dataclass(frozen=True, slots=True)
class Fold:
    """Runs that one line of a list stands for; ``first`` is the one that came first in the list."""

    first: RunView
    runs: tuple[RunView, ...]

    @property
    def title(self) -> str:
        """The run's name; of several, what their names begin with and how many they are: ``Ridge x 200``."""
        if len(self.runs) == 1:
            return self.first.name
        stems = list(dict.fromkeys(stem(run.name) for run in self.runs))
        return f"{', '.join(stems[:3])}{', …' if len(stems) > 3 else ''} x {len(self.runs)}"


def fold(runs: Iterable[RunView]) -> list[Fold]:
    """Runs that the same line of the same process opened by itself become one; the user's own ``start_run`` stays alone."""
    groups: dict[tuple[str, ...], list[RunView]] = {}
    for run in runs:
        groups.setdefault(repeats(run.kind, run.session, run.call_site, run.parent_id, run.experiment) or (run.id,), []).append(run)
    return [Fold(group[0], tuple(group)) for group in groups.values()]


def flat(run: RunView) -> dict[str, Any]:
    parts = {"params": run.params, "metrics": run.metrics, "tags": run.tags}
    return {f"{part}.{key}": value for part, values in parts.items() for key, value in values.items()}


def brief(metrics: Mapping[str, Any], most: int = 3) -> str:
    """A few metrics on a line, those of held-out data and totals first."""
    keys = [key for key, value in metrics.items() if isinstance(value, (int, float))]
    return "  ".join(f"{key}={metrics[key]:.4g}" for key in telling(keys)[:most])


def shortened(value: Any, most: int = 60) -> str:
    text = value if isinstance(value, str) else repr(value)
    text = text.replace("\n", "\\n")
    return text if len(text) <= most else text[: most - 1] + "…"
