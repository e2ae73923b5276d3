"""Runs, as the user holds them: every method makes a record and puts it into the journal.

The current run is a ContextVar. Where that is lost (the next cell of a notebook, the end of an event loop) the tracker
remembers what a plain ``start_run()`` opened in this thread.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import linecache
import logging
import os
import sys
import threading
import weakref
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from pathlib import Path
from time import time
from types import FrameType, TracebackType
from typing import Any, NoReturn, TypeVar, cast

from autotrack import values as kept
from autotrack.artifacts import checked_name
from autotrack.errors import AutotrackError, RunIdTaken, RunNotFound
from autotrack.guard import guard, report
from autotrack.recording import endings, tables
from autotrack.recording.checkpoints import TABLE, Checkpoints
from autotrack.recording.journal import Pen
from autotrack.recording.place import experiment_here, host, in_child_process, in_notebook, is_first_rank, is_silent_rank, script, user
from autotrack.recording.tracker import Tracker, existing, tracker
from autotrack.records import AnyRecord, ParamsSet, RunEnded, RunNoted, RunStarted, SummarySet, TagsSet, new_run_id
from autotrack.settings import Settings, checked_experiment
from autotrack.values import Status
from autotrack.views import RunView

F = TypeVar("F", bound=Callable[..., Any])

logger = logging.getLogger("autotrack")

SHORTEST_BEGINNING = 6  # characters of an id that may stand for it
ID_LENGTH = 26

_OFF = Settings(disabled=True)

_current: ContextVar[Run | None] = ContextVar("autotrack_run", default=None)


class Run:
    """One execution of training code. Made by ``start_run``; a context manager, a decorator, or simply current until it is finished."""

    is_silent = False

    def __init__(self, tracker: Tracker, run_id: str, experiment: str, *, name: str = "", stem: str = "run", parent_id: str | None = None) -> None:
        self.id = run_id
        self.experiment = experiment
        self.parent_id = parent_id
        self.kind = ""
        self.call_site = ""
        self.started = 0.0
        self._name = name
        self._stem = stem
        self._status: Status = "running"
        self._tracker = tracker
        self._pid = os.getpid()
        self._steps = itertools.count()
        self._params: dict[str, str] = {}
        self._warned: set[str] = set()  # of what
        self._notes = ""
        self._token: Token[Run | None] | None = None
        self._outer: Run | None = None
        self._announce: Callable[[], None] | None = None  # what is yet to be told, of a run that may turn out to be a decorator
        self._log: Pen | None = None
        self._last_words: list[Callable[[], float | None]] = []
        self.claimed: set[str] = set()  # names of metrics that a fit logs
        self._checkpoints: Checkpoints | None = None
        self._saved_before: str | None = None  # the digest of the table of checkpoints that it had when it was resumed
        self._task: Callable[[], object] | None = None  # of asyncio, in which a plain start_run() opened it; weak
        self.thread = 0  # of a run that lives alone: the thread that it dies with

    # What was measured

    def log(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Record metrics at a step; without one, each call of the run counts one further.

        A value is a number or something with one (a one-element array, a tensor on any device); a nested mapping is
        flattened with ``/``. Legal after the end of the run too.   Raises: TypeError, naming the metric; then nothing is recorded.
        """
        (self._log or self._lane())(metrics, step)

    def pen(self) -> Pen:
        """What ``log`` does with a step, without its way there: for who logs at every step of a training."""
        return self._log or self._lane()

    def curve(self, key: str) -> Callable[[float, int], float]:
        """A way in for one metric whose every point is one float: ``say(value, step)``; it returns the time."""
        self._tell()
        return self._tracker.journal.lane(self.id).curve(key)

    def log_metric(self, key: str, value: Any, step: int | None = None) -> None:
        """Record one metric; see ``log``."""
        self.log({key: value}, step)

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """The same as ``log``."""
        self.log(metrics, step)

    def summary(self, values: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        """Set values that stand for the whole run: numbers, texts, booleans. Each wins over the last value of a metric of its name.

        Other values are left out, with a warning.   Raises: TypeError if they are no mapping.
        """
        if values is not None and not kept.is_mapping(values):
            raise TypeError(f"a summary is a mapping from names to values, not a {type(values).__name__}")
        said, left = kept.summary_values({**(values or {}), **more})
        if left:
            self._warn_once("summary", f"summary values that are no single number, text or boolean are left out: {', '.join(left)}")
        if said:
            self._put(SummarySet(self.id, time(), said))

    # What it was told

    def log_param(self, name: str, value: Any) -> None:
        """Set one parameter; see ``log_params``."""
        self.log_params({name: value})

    def log_params(self, values: Any, /) -> None:
        """Set parameters: a mapping (nested ones are flattened with ``.``), a dataclass or an ``argparse.Namespace``.

        Numbers, booleans and short lists stay what they are; other objects are described. A text whose name says
        that it is secret is masked. Of one set twice the last value wins; the earlier one is kept and shown.
        """
        self._set_params(kept.flatten_params(values, kept.LONG))

    def note_params(self, values: Mapping[str, Any]) -> None:
        """Set parameters that nobody typed: as ``log_params``, with texts cut shorter."""
        self._set_params(kept.flatten_params(values, kept.SHORT))

    def set_tag(self, key: str, value: Any = "") -> None:
        """Set one tag; None takes it off."""
        self.set_tags({key: value})

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags, which are texts; None takes a tag off.   Raises: TypeError if they are no mapping."""
        said = _tags(tags)
        if said:
            self._put(TagsSet(self.id, time(), said))

    def note(self, text: str) -> None:
        """Add a line to the run's notes."""
        self._notes = f"{self._notes}\n{text}" if self._notes else str(text)
        self._put(RunNoted(self.id, time(), "notes", kept.cut(self._notes, 1_000_000)))

    def note_stem(self, stem: str) -> None:
        """Name a run that has no name: the store appends a number that counts within the experiment."""
        self._stem = stem
        if not self._name:
            self._put(RunNoted(self.id, time(), "stem", stem))

    def note_environment(self, facts: Mapping[str, Any]) -> None:
        """Add to what is known of where and on what it runs; of a fact told twice the last one stands."""
        self._put(RunNoted(self.id, time(), "environment", kept.plain(facts, kept.SHORT)))

    # What it made

    def log_artifact(self, path: str | os.PathLike[str], name: str | None = None, kind: str = "file", step: int | None = None) -> None:
        """Keep a file (or all files of a folder) under a name, by default its own.

        When this returns the bytes are safe: the file may be changed or deleted.
        Raises: OSError if it cannot be read, ValueError for a name that leads out of the run, TypeError for a wrong kind or step.
        """
        kind, step = _checked(kind, step)
        source = Path(path)
        if source.is_dir():
            self.log_artifacts(source, source.resolve().name if name is None else name, kind=kind, step=step)
            return
        self._tracker_for_files().uploads.take_file(self.id, source, checked_name(source.name if name is None else name), kind=kind, step=step)

    def note_content(self, content: bytes | bytearray, name: str, *, kind: str) -> None:
        """Keep a file of this content."""
        self._tracker_for_files().uploads.take_bytes(self.id, content, checked_name(name), kind=kind)

    def note_made(self, write: Callable[[Path], object], name: str, *, kind: str, step: int | None = None) -> None:
        """Keep the file (or all files of the folder) that ``write(path)`` makes now, without copying it."""
        name = checked_name(name)
        uploads = self._tracker_for_files().uploads
        with uploads.draft() as folder:
            path = Path(folder) / Path(name).name
            write(path)
            if not path.is_dir():
                uploads.take_draft(self.id, path, name, kind=kind, step=step)
                return
            for file in sorted(each for each in path.rglob("*") if each.is_file()):
                uploads.take_draft(self.id, file, checked_name(f"{name}/{file.relative_to(path).as_posix()}"), kind=kind, step=step)

    def log_artifacts(self, folder: str | os.PathLike[str], name: str = "", kind: str = "file", step: int | None = None) -> None:
        """Keep all files of a folder, by their paths within it (below ``name``, if given); not those of a store in it.

        What cannot be read (a link to nothing, a pipe) keeps the others from nothing: it is said when they are kept.
        Raises: OSError, ValueError, TypeError; see ``log_artifact``.
        """
        kind, step = _checked(kind, step)
        root = Path(folder)
        if not root.is_dir():
            raise NotADirectoryError(f"{root} is no folder; log_artifact takes a file")
        uploads = self._tracker_for_files().uploads
        found = _files_below(root, self._tracker.folder)
        names = [checked_name("/".join(filter(None, (name.strip("/"), kept.cut(path.relative_to(root).as_posix(), 10_000))))) for path in found]
        failed: OSError | None = None
        for path, each in sorted(zip(found, names, strict=True)):
            try:
                uploads.take_file(self.id, path, each, kind=kind, step=step)
            except OSError as error:
                failed = failed or error
        if failed is not None:
            raise failed

    def note_saved(self, path: str, *, step: int, score: float | None, about: dict[str, Any], name: str = "", file: Any = None) -> None:
        """The program saved a file; see ``Checkpoints``."""
        if self._checkpoints is None:
            self._checkpoints = Checkpoints(self._tracker_for_files(), self.id, self._saved_before)
        self._checkpoints.saved(path, step=step, name=name, score=score, about=about, file=file)

    def log_text(self, name: str, text: str) -> None:
        """Keep a text as a file.   Raises: ValueError for a name that leads out of the run."""
        self._tracker_for_files().uploads.take_bytes(self.id, str(text).encode("utf-8", "replace"), checked_name(name), kind="text")

    def log_table(self, name: str, rows: Any) -> None:
        """Keep a table as a file of JSON lines: an object for each row, its keys the columns.

        ``rows`` is an iterable of mappings, a mapping from columns to lists, or a data frame.   Raises: TypeError, ValueError.
        """
        content, meta = tables.written(tables.frozen(rows))
        self._tracker_for_files().uploads.take_bytes(self.id, content, tables.named(name), kind="table", meta=meta)

    def note_table(self, name: str, rows: Any) -> None:
        """As ``log_table``, for a table that nobody logged himself: its file is written in the background."""
        write = functools.partial(tables.written, tables.frozen(rows))
        self._tracker_for_files().uploads.take_soon(self.id, write, tables.named(name), kind="table")

    # Its life

    @property
    def name(self) -> str:
        """The run's name: what it was given, or a stem and a number, which the store counts."""
        if not self._name:
            with guard("asking the store for a run's name"):
                self._tracker.flush()
                self._name = self._tracker.backend.run(self.id).name
        return self._name or self._stem

    @property
    def status(self) -> Status:
        """How it goes, as far as this process knows."""
        return self._status

    def finish(self, status: Status = "finished", error: BaseException | str | None = None) -> None:
        """End the run; metrics may still follow. Ending it twice is no error."""
        if status not in kept.STATUSES or status in ("running", "lost"):
            raise ValueError(f"a run ends finished, failed or interrupted, not {status!r}")
        self._tell()
        self.end(status, error)
        leave(self)

    def end(self, status: Status, error: BaseException | str | None = None, *, ended: float | None = None) -> None:
        """End the run without touching what is current; ``ended`` in UTC seconds if it was earlier."""
        if self._status != "running" or self._pid != os.getpid():
            return  # a forked child never ends its parent's run
        words, self._last_words = self._last_words, []
        for call in words:
            with guard("asking for a run's last words"):
                last = call()
                if self.kind and ended is None:
                    ended = last
        self._status = status
        at = time() if ended is None else ended
        if isinstance(error, BaseException):
            self._put(RunNoted(self.id, at, "traceback", endings.traceback_of(error)))
            error = endings.in_a_line(error)
        self._put(RunEnded(self.id, at, status, error))
        if self._checkpoints is not None:
            self._checkpoints.finish()
        self._tracker.console.close(self.id)
        self._tracker.open.pop(self.id, None)
        if self._tracker.alone.pop(self.id, None) is not None:
            self._tracker.unwatch()
        elif self.kind:
            self._tracker.last_fit.run = self

    def at_end(self, call: Callable[[], float | None]) -> None:
        """Have something called just before the run ends: it may record, and says when a run of its own had ended, if it knows."""
        self._last_words.append(call)

    def live_alone(self) -> None:
        """No block or call ends it: it ends with this thread at the latest, and what this thread logs outside of runs is its own."""
        if self.is_silent:
            return
        self.thread = threading.get_ident()
        self._tracker.last_fit.run = self
        self._tracker.alone[self.id] = self
        endings.watch()

    def resume(self) -> None:
        """Go on with a run of a fit that was ended."""
        if self.is_silent or self._status == "running":
            return
        self._status = "running"
        self._put(_beginning(self, time(), resumed=True))
        _open_console(self)
        self._tracker.open[self.id] = self
        endings.expect(self._tracker)
        self.live_alone()

    def attach(self) -> Token[Run | None]:
        """Make it the current run here, until ``detach``."""
        return _current.set(self)

    def detach(self, token: Token[Run | None] | None) -> None:
        """Take back an ``attach``, in whatever context that is."""
        if token is None or _current.get() is not self:
            return  # a generator's block may end inside another one that began later and lasts
        try:
            _current.reset(token)
        except ValueError:  # another context than that of attach: an async generator, a callback
            _current.set(None if token.old_value is Token.MISSING else token.old_value)

    def __enter__(self) -> Run:
        self._tell()
        self._forget_plain()
        if self._token is None or _current.get() is not self:
            self._token = self.attach()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        status, said = endings.outcome_of(error)
        self.end(status, said)
        self.detach(self._token)
        self._token = None

    def __call__(self, function: F) -> F:
        """Decorate a function: each call of it is a run of its own."""
        anew = self._again
        first = iter(() if self._announce is not None else (self,))  # told already (no source to see the @ in): the first call's
        self._announce = None
        leave(self)

        def opened() -> Run:
            return next(first, None) or anew()

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def call_async(*args: Any, **kwargs: Any) -> Any:
                with opened():
                    return await function(*args, **kwargs)

            return cast(F, call_async)
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{function.__qualname__} is a generator; use 'with autotrack.start_run():' inside it")

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with opened():
                return function(*args, **kwargs)

        return cast(F, call)

    def __repr__(self) -> str:
        return f"<Run {self._name or self._stem} {self.id} {self._status}>"

    def __copy__(self) -> Run:
        return self

    def __deepcopy__(self, _memo: Any) -> Run:
        """A model that holds its run is copied, the run is not."""
        return self

    def __reduce_ex__(self, _protocol: Any) -> NoReturn:
        raise TypeError(f"a run stays in its process; keep its id ({self.id!r}) and go on with it by autotrack.start_run(run_id=...)")

    def _repr_html_(self) -> str | None:
        """The run as the store knows it by now; nothing but its ``repr`` where that cannot be asked."""
        if self.is_silent or self._announce is not None:
            return None
        from autotrack.notebook import run_html  # a notebook's display alone pays
        from autotrack.recording.reading import reading_of

        try:
            return run_html(reading_of(self._tracker).run(self.id))
        except AutotrackError:
            return None

    # Inside

    _again: Callable[[], Run]  # how start_run was called; set by it

    def _put(self, _record: AnyRecord) -> None:
        if self._announce is not None:
            self._tell()
        self._tracker.journal.put(_record)

    def _tell(self) -> None:
        """Announce the run, if it is not yet."""
        announce, self._announce = self._announce, None
        if announce is not None:
            announce()

    def _lane(self) -> Pen:
        self._tell()
        self._log = self._tracker.journal.lane(self.id, self._steps).log
        return self._log

    def _tracker_for_files(self) -> Tracker:
        self._tell()
        return self._tracker

    def _set_params(self, flat: dict[str, Any]) -> None:
        if not flat:
            return
        for name, value in flat.items():
            text = repr(value)
            before = self._params.setdefault(name, text)
            if before != text:
                self._params[name] = text
                said = f"was {kept.cut(before, 60)} and is now {kept.cut(text, 60)}; both are kept, the last one counts"
                self._warn_once("parameters", f"parameter {name!r} {said}")
        self._put(ParamsSet(self.id, time(), flat))

    def _warn_once(self, of: str, text: str) -> None:
        if of not in self._warned:
            self._warned.add(of)
            logger.warning("autotrack: run %s: %s", self._name or self.id, text)

    def _forget_plain(self) -> None:
        for runs in list(self._tracker.plain.values()):
            if self in runs:
                runs.remove(self)
        self._tracker.unwatch()


class SilentRun(Run):
    """A run that swallows everything: on a rank that is not the first, and where recording is switched off."""

    is_silent = True

    def log(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Nothing."""

    def log_artifact(self, path: str | os.PathLike[str], name: str | None = None, kind: str = "file", step: int | None = None) -> None:
        """Nothing."""

    def log_artifacts(self, folder: str | os.PathLike[str], name: str = "", kind: str = "file", step: int | None = None) -> None:
        """Nothing."""

    def note_saved(self, path: str, *, step: int, score: float | None, about: dict[str, Any], name: str = "", file: Any = None) -> None:
        """Nothing."""

    def log_text(self, name: str, text: str) -> None:
        """Nothing."""

    def log_table(self, name: str, rows: Any) -> None:
        """Nothing."""

    def note_table(self, name: str, rows: Any) -> None:
        """Nothing."""

    def note_content(self, content: bytes | bytearray, name: str, *, kind: str) -> None:
        """Nothing."""

    def note_made(self, write: Callable[[Path], object], name: str, *, kind: str, step: int | None = None) -> None:
        """Nothing."""

    @property
    def name(self) -> str:
        """What it would be called."""
        return self._name or self._stem

    def _put(self, _record: AnyRecord) -> None:
        return


def start_run(
    name: str = "",
    *,
    experiment: str | None = None,
    params: Any = None,
    tags: Mapping[str, Any] | None = None,
    notes: str = "",
    run_id: str | None = None,
    parent: Run | RunView | str | None = None,
) -> Run:
    """Start a run, or go on with the one of ``run_id``; inside another one it is its child.

    >>> with start_run("baseline", params={"lr": 3e-4}) as run:
    ...     run.log({"train/loss": 0.31}, step=7)

    As ``@start_run("baseline")`` each call of the function is a run. Called plainly, it is current until ``run.finish()``,
    the next plain ``start_run()`` is its child, and the end of the program ends it truthfully.

    Raises: RunNotFound if there is no run of ``run_id`` or ``parent`` is no id, SettingsError for an experiment that is no name,
    TypeError for parameters or tags that are no mapping and a parent that is no run; then no run was started.
    """
    frame = sys._getframe(1)
    call_site = site_of(frame)
    here = tracker()
    outer = current_run()
    if parent is None and outer is not None and outer._tracker is here and not outer.is_silent:
        parent = outer
    parent_id = None if parent is None else _parent_id(parent)
    flat = {} if params is None else kept.flatten_params(params, kept.LONG)
    said = {} if tags is None else _tags(tags)

    def opened() -> Run:
        return _opened(here, name, experiment, parent_id, run_id)

    run = opened()
    run.call_site = kept.cut(call_site, 1_000)
    run._again = lambda: start_run(name, experiment=experiment, params=params, tags=tags, notes=notes, run_id=run_id, parent=parent)
    run._outer = outer

    def announce() -> None:
        _started(run, resumed=run_id is not None)
        run._set_params(flat)
        if said:
            run._put(TagsSet(run.id, time(), said))
        if notes:
            run.note(notes)

    if is_decorator(frame):
        run._announce = announce
        return run
    announce()
    keep_current(run)
    return run


def _parent_id(parent: Run | RunView | str) -> str:
    """Its id; of what may be in no store yet only the form can be checked."""
    if isinstance(parent, Run | RunView):
        return parent.id
    if not isinstance(parent, str):
        raise TypeError(f"parent is a run or the id of one, not a {type(parent).__name__}")
    wanted = parent.strip().upper()
    if len(wanted) != ID_LENGTH or not (wanted.isascii() and wanted.isalnum()):
        raise RunNotFound(f"parent={parent!r} is no run id; one has {ID_LENGTH} characters")
    return wanted


def _tags(tags: Mapping[str, Any]) -> dict[str, str | None]:
    if not kept.is_mapping(tags):
        raise TypeError(f"tags are a mapping from names to texts, not a {type(tags).__name__}")
    return {kept.name_of(key): None if value is None else str(kept.param(kept.name_of(key), value)) for key, value in tags.items()}


def _opened(here: Tracker, name: str, experiment: str | None, parent_id: str | None, run_id: str | None) -> Run:
    if experiment is not None:
        experiment = checked_experiment(experiment, "start_run")
    name = kept.name_of(name) if name else ""
    silent = here.settings.disabled or is_silent_rank()
    kind = SilentRun if silent else Run
    if run_id is None or silent:
        return kind(here, run_id or new_run_id(), experiment or _experiment(here), name=name, parent_id=parent_id)
    view = get_run(run_id)
    run = Run(here, view.id, view.experiment, name=name or view.name, parent_id=view.parent_id)
    run._notes = view.notes
    run._params = {key: repr(value) for key, value in view.params.items()}
    steps = [stats.last_step for key, stats in view.statistics.items() if not key.startswith("system/")]
    run._saved_before = next((each.digest for each in view.artifacts if each.name == TABLE), None)
    run._steps = itertools.count(max(steps, default=-1) + 1)
    if name and name != view.name:
        run._put(RunNoted(run.id, time(), "name", name))
    return run


def open_run(
    kind: str,
    *,
    experiment: str = "",
    stem: str = "run",
    call_site: str = "",
    parent: Run | None = None,
    name: str = "",
    started: float | None = None,
    run_id: str | None = None,
) -> Run:
    """A run that a fit opens (``kind`` is the integration's name), not current yet; or that of ``run_id``, to go on with. Never raises.

    It swallows everything on a silent rank, in a child process, and where recording is off or cannot begin.
    """
    try:
        here = tracker()
        if here.settings.disabled or is_silent_rank() or (in_child_process() and not here.settings.children and not is_first_rank()):
            return SilentRun(here, new_run_id(), "", name=name, stem=stem)
        if run_id is not None:
            run = _opened(here, "", None, None, run_id)
            run._warned.add("parameters")  # the program that goes on has said its new parameters; nothing is to be said of them
            run.kind = kind
            run.call_site = kept.cut(call_site, 1_000)
            _started(run, resumed=True)
            return run
        run = Run(
            here,
            new_run_id(),
            experiment or (parent.experiment if parent is not None else _experiment(here)),
            name=name,
            stem=stem,
            parent_id=None if parent is None else parent.id,
        )
        run.kind = kind
        run.call_site = kept.cut(call_site, 1_000)
        _started(run, at=started)
    except (AutotrackError, OSError) as error:
        report("opening a run", error)
        return SilentRun(Tracker(_OFF), new_run_id(), "", name=name, stem=stem)
    return run


def _started(run: Run, *, at: float | None = None, resumed: bool = False) -> None:
    if run.is_silent:
        return
    here = run._tracker
    run.started = time() if at is None else at
    here.journal.put(_beginning(run, run.started, resumed=resumed))
    _open_console(run)
    here.open[run.id] = run
    here.recorded += 1
    endings.expect(here)
    if run.parent_id is None or run.parent_id not in here.open:
        if here.told and not resumed:
            run.note_params(here.told)
        script()  # remembered: the environment is read in the background, where a short program may be over
        here.uploads.note_environment(run.id)


def _open_console(run: Run) -> None:
    here = run._tracker
    if here.settings.console and run.parent_id not in here.open:
        with guard("listening to what the program prints"):
            here.console.open(run.id)


def _beginning(run: Run, at: float, *, resumed: bool) -> RunStarted:
    return RunStarted(
        run.id,
        at,
        run.experiment,
        "" if resumed else run._name,
        run.parent_id,
        run._tracker.session,
        run.call_site,
        host(),
        os.getpid(),
        user(),
        run.kind,
        resumed,
        "" if resumed or run._name else run._stem,
    )


def tell_all(params: Mapping[str, Any]) -> None:
    """Set parameters of all runs of this process: of those that are open, and of those to come; not of runs inside them."""
    here = tracker()
    here.told.update(params)
    for run in list(here.open.values()):
        if run.parent_id not in here.open:
            run.note_params(params)


def _experiment(here: Tracker) -> str:
    return here.settings.experiment or kept.name_of(experiment_here())


def current_run() -> Run | None:
    """The run that is open here: of this block, this fit, or what a plain ``start_run()`` of this thread left open."""
    run = _current.get()
    while run is not None and run._status != "running":
        run = run._outer
    if run is not None:
        return run
    here = existing()
    if here is None:
        return None
    mine = here.plain.get(threading.get_ident())
    if not mine:
        return None
    task = running_task()
    return next((run for run in reversed(mine) if task is None or run._task is None or run._task() is task), None)


def running_task() -> object | None:
    """The task of asyncio that runs here; None where there is none, and in a notebook, where each cell may be one."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None or asyncio._get_running_loop() is None or in_notebook():
        return None
    task: object | None = asyncio.current_task()
    return task


def keep_current(run: Run) -> None:
    """Make it the current run of this thread until it is finished, also where a ContextVar is lost: in the next cell of a notebook."""
    if run._outer is None:
        run._outer = current_run()
    run._token = run.attach()
    task = running_task()
    run._task = None if task is None else weakref.ref(task)
    run._tracker.plain.setdefault(threading.get_ident(), []).append(run)
    if not run.is_silent:
        endings.watch()


def leave(run: Run) -> None:
    """It is no longer current, ended or not; what was before it is."""
    run._forget_plain()
    if _current.get() is run:
        _current.set(run._outer)
    run._token = None


def run_to_log() -> Run:
    """The run that ``autotrack.log`` means: the current one, else the last that a fit of this thread ended, else a new one.

    In another thread than the main one: the process's only open run.   Raises: AutotrackError if it has none, or several.
    """
    run = run_to_join()
    if run is not None:
        return run
    here = tracker()
    if threading.current_thread() is not threading.main_thread():
        if len(here.open) == 1:
            return next(iter(here.open.values()))
        many = f"{len(here.open)} runs are open" if here.open else "no run is open"
        raise AutotrackError(f"autotrack.log in a thread of its own cannot know its run ({many}); keep the run and call run.log")
    return start_run()


def run_to_join() -> Run | None:
    """The run that ``autotrack.log`` would mean, if it is there already."""
    run = current_run()
    if run is not None:
        return run
    here = existing()
    return None if here is None else getattr(here.last_fit, "run", None)


def get_run(run_id: str) -> RunView:
    """The run of this id, or of a beginning of it (6 characters or more), as it is now.   Raises: RunNotFound, RunIdTaken."""
    from autotrack.recording.reading import reading

    wanted = run_id.strip().upper() if isinstance(run_id, str) else ""
    if len(wanted) < SHORTEST_BEGINNING:
        raise RunNotFound(f"{run_id!r} is no run id; one has {ID_LENGTH} characters, and at least the first {SHORTEST_BEGINNING} are needed")
    store = reading()
    if len(wanted) >= ID_LENGTH:
        return store.run(wanted)
    found = store.beginning_with(wanted)
    if not found:
        raise RunNotFound(f"no run's id begins with {run_id!r}")
    if len(found) > 1:
        raise RunIdTaken(f"{run_id!r} begins the ids of {len(found)} runs; give more characters: {', '.join(found[:5])}")
    return store.run(found[0])


# The same on the current run


def log(metrics: Mapping[str, Any], step: int | None = None) -> None:
    """Record metrics on the current run; without one, on the run that a fit ended last, else on a new one. See ``Run.log``."""
    run_to_log().log(metrics, step)


def log_metric(key: str, value: Any, step: int | None = None) -> None:
    """Record one metric on the current run; see ``log``."""
    run_to_log().log({key: value}, step)


def log_metrics(metrics: Mapping[str, Any], step: int | None = None) -> None:
    """The same as ``log``."""
    run_to_log().log(metrics, step)


def log_param(name: str, value: Any) -> None:
    """Set one parameter of the current run; see ``Run.log_params``."""
    run_to_log().log_param(name, value)


def log_params(values: Any, /) -> None:
    """Set parameters of the current run; see ``Run.log_params``."""
    run_to_log().log_params(values)


def set_tag(key: str, value: Any = "") -> None:
    """Set one tag of the current run; None takes it off."""
    run_to_log().set_tag(key, value)


def set_tags(tags: Mapping[str, Any]) -> None:
    """Set tags of the current run; None takes a tag off."""
    run_to_log().set_tags(tags)


def summary(values: Mapping[str, Any] | None = None, /, **more: Any) -> None:
    """Set values that stand for the whole current run; see ``Run.summary``."""
    run_to_log().summary(values, **more)


def log_artifact(path: str | os.PathLike[str], name: str | None = None, kind: str = "file", step: int | None = None) -> None:
    """Keep a file of the current run; see ``Run.log_artifact``."""
    run_to_log().log_artifact(path, name, kind, step)


def log_artifacts(folder: str | os.PathLike[str], name: str = "", kind: str = "file", step: int | None = None) -> None:
    """Keep all files of a folder for the current run; see ``Run.log_artifacts``."""
    run_to_log().log_artifacts(folder, name, kind, step)


def log_text(name: str, text: str) -> None:
    """Keep a text as a file of the current run."""
    run_to_log().log_text(name, text)


def log_table(name: str, rows: Any) -> None:
    """Keep a table as a file of the current run; see ``Run.log_table``."""
    run_to_log().log_table(name, rows)


def is_decorator(frame: FrameType) -> bool:
    """Whether the line that is running begins with ``@``; False where there is no source to see."""
    return linecache.getline(frame.f_code.co_filename, frame.f_lineno, frame.f_globals).lstrip().startswith("@")


def site_of(frame: FrameType | None) -> str:
    """``file:line:function`` of the innermost frame that is not ours."""
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "autotrack" and frame.f_back is not None:
        frame = frame.f_back
    return "" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}:{frame.f_code.co_name}"


def _checked(kind: Any, step: Any) -> tuple[str, int | None]:
    if not isinstance(kind, str) or not kind:
        raise TypeError(f"the kind of an artifact is a text that is not empty, not {kind!r}")
    return kind, None if step is None else kept.checked_step(step)


def _files_below(root: Path, store: Path) -> list[Path]:
    """All files of a folder, but those of the store: copies of them would be files of it."""
    found: list[Path] = []
    for where, folders, files in os.walk(root, onerror=_raise):
        folders[:] = [each for each in folders if not (each == store.name and store.exists() and store.samefile(Path(where, each)))]
        found += [Path(where, file) for file in files]
    return found


def _raise(error: OSError) -> None:
    raise error
