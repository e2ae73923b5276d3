"""What is read back: frozen views of runs, series and artifacts. Never written.

A view carries a private reader that search gives it; it serves ``history``, ``children`` and the opening of artifacts.
numpy and pandas are imported where they are asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, Protocol, overload

from autotrack.errors import ArtifactNotFound, NotFound
from autotrack.values import Scalar, Status

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


class Frozen(dict[str, Any]):
    """A dict that nobody changes; it prints, compares, pickles and becomes JSON as any other."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("what is read back never changes; copy it with dict(...)")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return Frozen, (dict(self),)


def _none() -> Mapping[str, Any]:
    return Frozen()


@dataclass(frozen=True, slots=True)
class Stats:
    """What a whole series amounts to. ``min``, ``max`` and ``mean`` are of its finite values (None if it has none)."""

    count: int
    last: float
    last_step: int
    first: float
    first_step: int
    min: float | None
    max: float | None
    mean: float | None
    nonfinite: int = 0


@dataclass(frozen=True, slots=True)
class Series:
    """One curve: ``steps`` (int64), ``times`` (UTC seconds, float64) and ``values`` (float64) are 1-d and of one length.

    ``total`` is how many points the range holds; fewer are here if it was thinned. A step logged twice is here twice
    (unless thinned); ``last_wins`` keeps the later one.
    """

    run_id: str
    key: str
    steps: np.ndarray[Any, np.dtype[np.int64]]
    times: np.ndarray[Any, np.dtype[np.float64]]
    values: np.ndarray[Any, np.dtype[np.float64]]
    total: int

    def __len__(self) -> int:
        return len(self.steps)

    def last_wins(self) -> Series:
        """The curve as charts show it: of a step logged more than once, the last value."""
        import numpy as np  # reading only

        if len(self.steps) < 2:
            return self
        keep = np.append(self.steps[1:] != self.steps[:-1], True)
        if keep.all():
            return self
        return Series(self.run_id, self.key, self.steps[keep], self.times[keep], self.values[keep], self.total)

    def _repr_html_(self) -> str:
        from autotrack.notebook import series_html  # a notebook's display alone pays

        return series_html(self)

    def to_pandas(self) -> pd.DataFrame:
        """A frame with the columns ``step``, ``time`` (UTC) and ``value``."""
        import pandas as pd  # extra

        times = pd.to_datetime(self.times, unit="s", utc=True).round("us")  # without the noise of large floats
        return pd.DataFrame({"step": self.steps, "time": times, "value": self.values})


class Reader(Protocol):
    """What a view asks for later: the store that it came from."""

    def series(self, run_ids: Sequence[str], keys: Sequence[str], *, points: int | None = None, steps: tuple[int, int] | None = None) -> list[Series]:
        """See Backend.series."""

    def children(self, run_id: str) -> list[RunView]:
        """The runs whose parent it is, oldest first."""

    def open(self, artifact: ArtifactView) -> BinaryIO:
        """The artifact's bytes."""


@dataclass(frozen=True, slots=True)
class ArtifactView:
    """A file of a run: ``name`` (its path within the run), ``kind``, ``size`` in bytes, ``digest`` (``sha256:<hex>``)."""

    run_id: str
    name: str
    kind: str
    digest: str
    size: int
    time: float
    step: int | None = None
    meta: Mapping[str, Any] = field(default_factory=_none)
    _reader: Reader | None = field(default=None, repr=False, compare=False)

    def open(self) -> BinaryIO:
        """Its bytes, as a binary file to be closed by the caller."""
        if self._reader is None:
            raise ArtifactNotFound(f"artifact {self.name!r} was read without its store; read the run with autotrack.get_run")
        return self._reader.open(self)

    def read_text(self, encoding: str = "utf-8") -> str:
        """Its content as text."""
        with self.open() as file:
            return file.read().decode(encoding)

    def download(self, to: str | Path = ".") -> Path:
        """Copy it to a folder (under its own last name) or to a file path; return the path.

        An existing folder is a folder; anything else is the file's path. Raises: ArtifactNotFound, OSError.
        """
        import shutil

        target = Path(to)
        if target.is_dir():
            target = target / Path(self.name).name
        with self.open() as source, target.open("wb") as sink:
            shutil.copyfileobj(source, sink)
        return target


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as it was when it was read."""

    id: str
    name: str
    experiment: str
    status: Status
    error: str | None
    started: float  # UTC seconds
    ended: float | None
    parent_id: str | None
    params: Mapping[str, Any] = field(default_factory=_none)
    metrics: Mapping[str, Scalar] = field(default_factory=_none)  # last values, and what was set as summary
    tags: Mapping[str, str] = field(default_factory=_none)
    notes: str = ""
    artifacts: tuple[ArtifactView, ...] = ()
    environment: Mapping[str, Any] = field(default_factory=_none)
    traceback: str | None = None
    kind: str = ""
    session: str = ""
    call_site: str = ""
    host: str = ""
    pid: int = 0
    user: str = ""
    seen: float = 0.0  # when its writer last gave a sign of life, UTC seconds
    deleted: float | None = None
    dropped: int = 0  # metric points that had no room and are missing
    system: Mapping[str, float] = field(default_factory=_none)  # last values of the process's own metrics
    params_before: Mapping[str, Sequence[Any]] = field(default_factory=_none)  # earlier values of parameters set more than once
    statistics: Mapping[str, Stats] = field(default_factory=_none, repr=False)  # by series, system metrics included
    number: int = 0  # a whole number that the store gave it, and gives to no other
    _reader: Reader | None = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        return f"<RunView {self.name} {self.id} {self.status}>"

    def _repr_html_(self) -> str:
        from autotrack.notebook import run_html  # a notebook's display alone pays

        return run_html(self)

    @property
    def duration_s(self) -> float | None:
        """Seconds from start to end, 0 where the clock was set back meanwhile; None while it runs."""
        return None if self.ended is None else max(0.0, round(self.ended - self.started, 6))  # without the noise of two large floats

    @property
    def inferred(self) -> frozenset[str]:
        """The series whose numbers, or steps, were concluded from what the program did; all others are as it said or measured them."""
        return frozenset(self.tags.get("autotrack.inferred", "").split(", ")) & self.statistics.keys()

    def stats(self, key: str) -> Stats:
        """What the series ``key`` amounts to.   Raises: NotFound, naming the keys there are."""
        try:
            return self.statistics[key]
        except KeyError:
            raise NotFound(f"run {self.id} has no metric {key!r}; it has: {', '.join(sorted(self.statistics)) or 'none'}") from None

    @overload
    def history(self, keys: str, *, points: int | None = None) -> Series: ...  # type: ignore[overload-overlap]  # a str is a Sequence[str] too
    @overload
    def history(self, keys: Sequence[str] | None = None, *, points: int | None = None) -> pd.DataFrame: ...

    def history(self, keys: str | Sequence[str] | None = None, *, points: int | None = None) -> Series | pd.DataFrame:
        """One key: its Series (numpy arrays ``steps``, ``times``, ``values``). Several or None (all): a data frame.

        The frame's index is ``step`` and its columns are the keys; of a step logged twice it has the last value.
        Raises: NotFound if the run has no such metric.
        """
        wanted = [keys] if isinstance(keys, str) else list(keys) if keys is not None else [k for k in self.statistics if not k.startswith("system/")]
        for key in wanted:
            self.stats(key)
        if self._reader is None:
            raise NotFound(f"run {self.id} was read without its store; read it with autotrack.get_run")
        curves = self._reader.series([self.id], wanted, points=points)
        if isinstance(keys, str):
            return curves[0]
        import pandas as pd  # extra

        columns = {c.key: pd.Series(c.values, index=c.steps) for c in map(Series.last_wins, curves)}
        frame = pd.DataFrame(columns, columns=wanted)
        frame.index.name = "step"
        return frame

    def children(self) -> list[RunView]:
        """The runs that ran inside it, oldest first."""
        return [] if self._reader is None else self._reader.children(self.id)

    def artifact(self, name: str) -> ArtifactView:
        """The artifact of this name.   Raises: ArtifactNotFound, naming those there are."""
        for artifact in self.artifacts:
            if artifact.name == name:
                return artifact
        known = ", ".join(a.name for a in self.artifacts) or "none"
        raise ArtifactNotFound(f"run {self.id} has no artifact {name!r}; it has: {known}")
