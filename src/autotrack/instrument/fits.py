"""Who speaks to which run: the one rule of nesting, and the fit as an integration sees it.

The outermost fit owns the run; an engine joins its host; everything else inside is silent. A silent fit costs
microseconds: its hook is not run, only its time is added to the fit that it is part of.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from pathlib import Path
from time import perf_counter, time
from types import FunctionType, MethodType, TracebackType
from typing import Any, Protocol
from weakref import WeakSet

from autotrack import imports
from autotrack.guard import guard, guarded
from autotrack.recording import runs
from autotrack.recording.endings import Outcome, outcome_of
from autotrack.recording.journal import Pen
from autotrack.recording.runs import Run
from autotrack.recording.tracker import tracker
from autotrack.values import Scalar, Status

_current: ContextVar[Fit | None] = ContextVar("autotrack_fit", default=None)

# The user's runs that a fit has spoken to: the first fit in such a run is part of it, each further one is a child.
_adopted: WeakSet[Run] = WeakSet()
_adopting = threading.Lock()

# Which setting keeps which kind of artifact; kinds that are not here are always kept.
KEPT_BY = {"model": "models", "checkpoint": "checkpoints", "figure": "plots", "dataset": "datasets"}

ANY = object()  # of a fit that was not opened by the rule: whatever is current inside it, it stays silent

MOST_PARTS = 100  # of the nested fits, so many different names are told; more are added to "other"


# The innermost fit that is open here; None outside of all. No function of its own: it is asked at every step of a loop.
current_fit: Callable[[], Fit | None] = _current.get


class Framework(Protocol):
    """What the rule of nesting asks of an integration."""

    name: str
    engine_of: frozenset[str]

    @property
    def version(self) -> str: ...


class Ledger:
    """How long the fits inside a fit took, by step or class. Threads of one fit share it; noting one costs some 0.2 µs."""

    __slots__ = ("_lock", "_noted", "_parts", "_totals")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._noted: deque[tuple[str, float]] = deque()  # appended to without a lock
        self._totals: dict[str, tuple[int, float]] = {}
        self._parts: dict[int, str] = {}

    def call(self, instance: object, part: str) -> None:
        """From now on an instance goes by this name (a pipeline's step) instead of its class's."""
        self._parts[id(instance)] = part

    def note(self, instance: object, took_s: float) -> None:
        noted = self._noted
        noted.append(((self._parts and self._parts.get(id(instance))) or type(instance).__name__, took_s))
        if len(noted) > 10_000:
            self._sum_up()

    def _sum_up(self) -> None:
        with self._lock:
            for _ in range(len(self._noted)):
                name, took_s = self._noted.popleft()
                if name not in self._totals and len(self._totals) >= MOST_PARTS:
                    name = "other"
                count, total_s = self._totals.get(name, (0, 0.0))
                self._totals[name] = (count + 1, total_s + took_s)

    def summary(self) -> dict[str, Scalar]:
        """``time/fit_s/<part>`` and ``time/n_fits/<part>``; where parts have parts, each has its whole time."""
        self._sum_up()
        told: dict[str, Scalar] = {}
        for name, (count, took_s) in self._totals.items():
            told[f"time/fit_s/{name}"] = took_s
            told[f"time/n_fits/{name}"] = count
        return told


class Voice:
    """What one run is told by one fit and by the engines that joined it."""

    __slots__ = ("_every", "_told", "_unsaid", "began", "datasets", "inferred", "ledger", "log", "opened", "run", "stem")

    def __init__(self, run: Run, *, opened: bool, stem: str) -> None:
        self.run = run
        self.opened = opened  # by the fit, which ends it; else it is the user's own
        self.stem = stem
        self.ledger = Ledger()
        self.began = perf_counter()
        self.datasets: dict[str, Any] = {}
        self.inferred = False
        self._told: set[str] = set()
        self._unsaid: dict[str, Any] = {}  # parameters that are None: an engine may still know better
        self._every = max(1, tracker().settings.every_n_steps)
        self.log: Pen = run.pen() if self._every == 1 else self._thinned

    def params(self, values: Mapping[str, Any], *, engine: bool) -> None:
        said = {}
        for name, value in values.items():
            if engine and name in self._told:
                continue
            if value is None:
                self._unsaid.setdefault(name, None)
            else:
                said[name] = value
                self._told.add(name)
                self._unsaid.pop(name, None)
        if said:
            self.run.note_params(said)

    def _thinned(self, metrics: Mapping[str, Any], step: int | None, at: float | None = None) -> None:
        if step is None or step % self._every == 0:
            self.run.pen()(metrics, step, at)

    def curve(self, key: str) -> Callable[[float, int], float]:
        """As ``log``, of one float."""
        say, every = self.run.curve(key), self._every
        if every == 1:
            return say
        return lambda value, step: say(value, step) if step % every == 0 else time()

    def close(self, took_s: float | None) -> None:
        """Tell how long it took, and what was held back."""
        unsaid, self._unsaid = self._unsaid, {}
        if unsaid:
            self.run.note_params(unsaid)
        self.run.summary({"time/fit_s": perf_counter() - self.began if took_s is None else took_s, **self.ledger.summary()})


class Fit:
    """One observed call of a training entry point, and the run (or silence) it speaks to.

    Every method is a no-op when the fit is silent, and never raises (but with ``AUTOTRACK_STRICT=1``). A fit can still
    be told something after it ended; its run takes it.
    """

    __slots__ = (
        "_around", "_joined", "_outcome", "_rests", "_spared", "_voice", "base", "home", "hosts", "integration", "is_again", "ledger", "outer",
        "reach", "stays", "who",
    )  # fmt: skip

    def __init__(self, integration: str, who: int = 0, reach: Voice | None = None, ledger: Ledger | None = None) -> None:
        self.integration = integration
        self.who = who  # identity of the instance; 0 of a function
        self.reach = reach  # what an engine inside may speak to
        self.home: Voice | None = None  # the reach that it would have, did it not mute
        self.ledger = ledger
        self.hosts = False
        self.base: object = ANY  # the current run inside it; where there is another, the user opened one in there
        self.is_again = False  # the same instance as the fit outside
        self.outer: Fit | None = None
        self._voice: Voice | None = None
        self._spared: list[Callable[[Any], bool]] | None = None
        self._joined = False  # an engine: its host's run is told
        self._outcome: Outcome | None = None  # what the framework hides
        self._around: Run | None = None  # the run that was current when it began
        self.stays: bool | None = None  # current without a block around it; False once it left
        self._rests = False

    @property
    def is_here(self) -> bool:
        """Of a begun fit: whether the user opened or closed no run around it since."""
        return runs.current_run() is self._around

    @property
    def goes_on(self) -> bool:
        """Whether what is told now, after it ended, may belong to its run still: the user has no other one open."""
        return self._voice is not None and _goes_on(self._voice, runs.current_run())

    @property
    def is_silent(self) -> bool:
        """Whether nothing that it is told is recorded."""
        return self._voice is None

    @property
    def run_id(self) -> str | None:
        """The run that it speaks to."""
        return None if self._voice is None else self._voice.run.id

    @property
    def run(self) -> Run | None:
        """The run that it speaks to, for an object of the user's that is to lead to it."""
        return None if self._voice is None else self._voice.run

    @property
    def own_run(self) -> Run | None:
        """The run that this fit opened, and ends."""
        voice = self._voice
        return voice.run if voice is not None and voice.opened and not self._joined else None

    @guarded
    def name(self, name: str) -> None:
        """Name the run, if this fit opened it; the store adds a number that counts within the experiment."""
        voice = self._voice
        if voice is None or self._joined or not voice.opened or name == voice.stem:
            return
        voice.stem = name
        voice.run.note_stem(name)

    @guarded
    def params(self, values: Mapping[str, Any] | Iterable[tuple[str, Any]], *, under: str = "") -> None:
        """Parameters. Of pairs, a name given twice is a list. What the host said wins over its engine, unless it said None."""
        if self._voice is None:
            return
        flat = dict(values) if isinstance(values, Mapping) else of_pairs(values)
        if under:
            flat = {f"{under}.{name}": value for name, value in flat.items()}
        self._voice.params(flat, engine=self._joined)

    @guarded
    def log(self, metrics: Mapping[str, Any], *, step: int, inferred: bool = False, at: float | None = None) -> None:
        """Metrics at a step, which is the framework's own count; ``inferred`` if it is ours. ``at``: UTC seconds, if it was earlier."""
        voice = self._voice
        if voice is None:
            return
        voice.log(metrics, step, at)
        if inferred and not voice.inferred:
            voice.inferred = True
            voice.run.set_tags({"autotrack.steps": "inferred"})

    def pen(self) -> Pen:
        """What ``log`` does, without its way there: ``say(metrics, step, at)``, for who is guarded himself and logs at every step."""
        voice = self._voice
        return _unsaid if voice is None else voice.log

    def claim(self, keys: Iterable[str]) -> None:
        """Names of metrics that are this fit's: what others report under one of them goes by another name."""
        if self._voice is not None:
            self._voice.run.claimed.update(keys)

    def is_claimed(self, key: str) -> bool:
        """Whether a fit has claimed this name in its run."""
        return self._voice is not None and key in self._voice.run.claimed

    def curve(self, key: str) -> Callable[[float, int], float]:
        """A way in for one metric whose every point is one float: ``say(value, step)``, for where each microsecond counts.

        It returns the time, in UTC seconds.
        """
        voice = self._voice
        return _unheard if voice is None else voice.curve(key)

    @guarded
    def summary(self, values: Mapping[str, Scalar] | None = None, /, **more: Scalar) -> None:
        """Values that stand for the whole run; None is left out."""
        if self._voice is None:
            return
        told = {name: value for name, value in {**(values or {}), **more}.items() if value is not None}
        if told:
            self._voice.run.summary(told)

    @guarded
    def tags(self, values: Mapping[str, str | None]) -> None:
        """Tags; None takes a tag off."""
        if self._voice is not None:
            self._voice.run.set_tags(dict(values))

    @guarded
    def dataset(self, name: str, facts: Mapping[str, Any]) -> None:
        """What is known of a data set (shape, dtype, columns, hash), under its name ("train"), unless data sets are not wanted."""
        if self._voice is not None and tracker().settings.datasets:
            told = self._voice.datasets
            told.setdefault(name, dict(facts))  # the host's own before its engine's
            self._voice.run.note_environment({"datasets": dict(told)})

    @guarded
    def table(self, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Rows, kept as an artifact of kind ``table``."""
        if self._voice is not None:
            self._voice.run.note_table(name, rows)

    @guarded
    def text(self, filename: str, text: str) -> None:
        """A text, kept as a file."""
        if self._voice is not None:
            self._voice.run.log_text(filename, text)

    @guarded
    def checkpoint(self, filename: str, *, write: Callable[[Path], object], step: int | None = None) -> None:
        """A state of the model: ``write(path)`` is called now, in this thread, unless checkpoints are not wanted."""
        self._keep(filename, write, "checkpoint", step)

    @guarded
    def saved(
        self,
        path: str,
        *,
        step: int,
        name: str = "",
        score: float | None = None,
        about: Mapping[str, Any] | None = None,
        file: Any = None,
    ) -> None:
        """The program saved a file of its own: it is told by its content, and the newest and the best are kept, all in the background.

        ``name``: what it is kept as, if not as the file is called. ``score``: what it was evaluated with, lower is better.
        ``file``: what it was written to, if that is not closed yet.
        """
        if self._voice is not None:
            self._voice.run.note_saved(path, step=step, name=name, score=score, about=dict(about or {}), file=file)

    @guarded
    def artifact(self, filename: str, *, write: Callable[[Path], object], kind: str) -> None:
        """A file (or folder) of this kind: ``write(path)`` is called now, in this thread, unless the kind is not wanted."""
        self._keep(filename, write, kind, None)

    @guarded
    def content(self, filename: str, *, of: Callable[[], bytes | bytearray], kind: str) -> None:
        """As ``artifact``, of a file whose bytes ``of()`` returns: nothing is drafted and moved."""
        run = self._taking(kind)
        if run is not None:
            run.note_content(of(), filename, kind=kind)

    def _keep(self, filename: str, write: Callable[[Path], object], kind: str, step: int | None) -> None:
        run = self._taking(kind)
        if run is not None:
            run.note_made(write, filename, kind=kind, step=step)

    def _taking(self, kind: str) -> Run | None:
        """The run that takes files of this kind; None of a silent fit, and where they are not wanted."""
        run = self.run
        return run if run is not None and getattr(tracker().settings, KEPT_BY.get(kind, ""), True) else None

    @guarded
    def child(
        self,
        *,
        params: Mapping[str, Any],
        summary: Mapping[str, Scalar],
        name: str = "",
        started: float | None = None,
        duration_s: float | None = None,
        status: Status = "finished",
        error: str | None = None,
    ) -> None:
        """A run inside this one, told after the event. ``started`` is in UTC seconds."""
        if self._voice is None:
            return
        last = tracker().last_fit
        before = getattr(last, "run", None)
        run = runs.open_run(self.integration, stem="", call_site=self._voice.run.call_site, parent=self._voice.run, name=name, started=started)
        run.note_params(params)
        told = {key: value for key, value in summary.items() if value is not None}
        if duration_s is not None:
            told.setdefault("time/fit_s", duration_s)
        run.summary(told)
        run.end(status, error, ended=None if started is None or duration_s is None else started + duration_s)
        last.run = before  # what the user logs next belongs to the fit, not to the last of its children

    @guarded
    def unmute(self, instance: object) -> None:
        """Inside a fit that mutes, one instance keeps its voice: engines that it fits speak to this fit's run.

        A search's final refit is known only when it happens: instead of the instance, give a predicate of it.
        """
        if self._spared is not None:
            self._spared.append(instance if isinstance(instance, FunctionType | MethodType) else lambda other: other is instance)

    @guarded
    def part(self, name: str, instance: object) -> None:
        """A fit of this instance inside goes by ``name`` (a pipeline's step) in the times, instead of its class."""
        if self.ledger is not None:
            self.ledger.call(instance, name)

    @guarded
    def host(self, *, itself: bool = False) -> None:
        """Whatever is fitted inside is a run of its own, a child of this one.

        ``itself``: also what this very instance fits inside, as a trainer does that searches by training itself again.
        """
        self.hosts = self._voice is not None
        if itself:
            self.who = 0

    @guarded
    def outcome(self, status: Status, error: BaseException | None = None) -> None:
        """How it ended, where the framework hides it: wins over what the call's return says."""
        self._outcome = (status, error)

    def within(self) -> Within:
        """Make a fit that ``begin`` began the current one, for a block."""
        return Within(self, self.own_run)

    def _stay(self) -> None:
        """Be the current one from here on, until the end."""
        if self.own_run is not None:
            runs.keep_current(self.own_run)
        self.stays = True
        _current.set(self)

    def rest(self) -> None:
        """Of one around a loop that looks for modules at each step: until it is left imports are heard of only when this is called again."""
        if self._rests:
            imports.look()
        elif self.stays:
            self._rests = True
            imports.rest()

    def _leave(self) -> None:
        """Be current no longer; nothing if it did not stay."""
        if not self.stays:
            return
        self.stays = False
        if self._rests:
            imports.wake()
        if self.own_run is not None:
            runs.leave(self.own_run)
        if _current.get() is self:
            _current.set(still_open(self.outer))

    def end(self, status: Status = "finished", error: BaseException | str | None = None, *, ended: float | None = None) -> None:
        """End a fit that ``begin`` began; ``ended`` in UTC seconds, if that was earlier."""
        self._leave()
        if self._outcome is None:
            self._outcome = (status, error)
        close_fit(self, None, None, ended)

    @guarded
    def at_end(self, call: Callable[[], float | None]) -> None:
        """Have something called before the run of a begun fit ends otherwise: with the process, or because the user ends it.

        It tells what was held back, and may return when the last thing happened, in UTC seconds: then the run ended.
        """
        if self._voice is not None:
            self._voice.run.at_end(call)

    @guarded
    def resume(self) -> None:
        """Go on with a begun fit that was ended."""
        voice = self._voice
        if voice is not None and voice.opened:
            self._outcome = None
            voice.run.resume()


def _unsaid(_metrics: Mapping[str, Any], _step: int | None, _at: float | None = None) -> None:
    """What a silent fit logs."""


def _unheard(_value: float, _step: int) -> float:
    """What a silent fit says."""
    return time()


def still_open(fit: Fit | None) -> Fit | None:
    """The innermost fit that did not leave while another one, or a copy of the context, had it still."""
    while fit is not None and fit.stays is False:
        fit = fit.outer
    return fit


def stay(framework: Framework, stem: str, experiment: str) -> Fit:
    """A fit that is current from here on until it is ended: of a loop that no block can be put around.

    One of the same framework that nobody ended makes way: it is not ended by that, but current no longer.
    """
    before = _current.get()
    if before is not None and before.stays and before.integration == framework.name:
        before._leave()
    fit = open_fit(framework, None, True, False, stem, experiment=experiment)
    fit._stay()
    return fit


def of_pairs(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Pairs as a mapping; a name that comes more than once is a list of its values."""
    values: dict[str, Any] = {}
    several: set[str] = set()
    for name, value in pairs:
        if name not in values:
            values[name] = value
        elif name in several:
            values[name].append(value)
        else:
            several.add(name)
            values[name] = [values[name], value]
    return values


def open_fit(
    framework: Framework,
    instance: object,
    speaks: bool,
    mutes: bool,
    stem: str = "",
    *,
    earlier: Callable[[Any], Fit | None] | None = None,
    resumes: Callable[[], str | None] | None = None,
    experiment: str = "",
    started: float | None = None,
    site: str = "",
) -> Fit:
    """The rule of nesting. The fit is not current yet: see ``Within``.

    ``speaks``: it is something that deserves a run (no scaler); ``mutes``: what it fits inside is silent (searches, ensembles).
    ``earlier``: the fit of an instance whose run this call adds to (an evaluation after a training), unless the user has opened another run.
    ``resumes``: the id of the run that an outermost fit goes on with, if it is known (a training from a checkpoint).
    """
    outer = still_open(_current.get())
    base = runs.current_run()
    name = framework.name
    who = 0 if instance is None else id(instance)

    if outer is None or (outer.hosts and outer.who != who) or (outer.base is not base and outer.base is not ANY):
        fit = Fit(name, who)  # outermost, or hosted, or in a run that the user opened inside a fit: owns a run
        fit.base = base
        before = _voice_before(earlier, instance, base) if speaks and earlier is not None else None
        if before is not None:
            fit._voice, fit._joined = before, True
        elif speaks:
            stem = stem or (name if instance is None else type(instance).__name__)
            voice = _voice_for(framework, base, outer, stem, resumes, experiment=experiment, started=started, site=site)
            if voice is not None:
                fit._voice = fit.reach = voice
                fit.ledger = voice.ledger
                fit.base = voice.run
                fit._spared = []
    elif outer.integration == name:  # part of it: silent, but engines below are still heard
        fit = Fit(name, who, outer.reach if speaks else None, outer.ledger)
        if who and outer.who == who:  # super().fit, fit_transform -> fit
            fit.is_again = True
            fit.home, fit.hosts, fit._spared = outer.home, outer.hosts, outer._spared
        elif outer._spared and outer.reach is None and speaks and _is_spared(outer._spared, instance):
            fit.reach = outer.home
    elif outer.reach is not None and speaks and outer.integration in framework.engine_of:  # an engine of its host
        fit = Fit(name, who)
        fit._voice = outer.reach
        fit._joined = True
        _tell_version(framework, outer.reach)
    else:  # a stranger inside
        fit = Fit(name, who)
    fit.outer = outer
    if fit.base is ANY:
        fit.base = base
    if mutes and fit.reach is not None:
        fit.home, fit.reach = fit.reach, None
    return fit


def begin_fit(framework: Framework, stem: str, started: float | None, site: str) -> Fit:
    """A fit that no call stands around: what the user logs meanwhile outside of all runs belongs to it, and it dies with its thread."""
    around = runs.current_run()
    fit = open_fit(framework, None, True, False, stem, started=started, site=site)
    fit._around = around
    if fit.own_run is not None:
        fit.own_run.live_alone()
    return fit


def users_fit() -> Fit:
    """A fit that speaks to the run that the user's own ``autotrack.log`` would mean; silent if there is none yet."""
    fit, run = Fit(""), runs.run_to_join()
    if run is not None and not run.is_silent:
        fit._voice = Voice(run, opened=False, stem="")
    return fit


def _voice_before(earlier: Callable[[Any], Fit | None], instance: object, current: Run | None) -> Voice | None:
    """The voice of an earlier fit that a call goes on with; None where there is none, or the user has another run open."""
    with guard("asking which fit a call goes on with"):
        known = earlier(instance)
        voice = None if known is None else known._voice
        if voice is not None and _goes_on(voice, current):
            return voice
    return None


def _goes_on(voice: Voice, current: Run | None) -> bool:
    """Whether an earlier fit may be added to where this run is current: its own, the one around it, or none."""
    return current is None or current is voice.run or current.id == voice.run.parent_id


def _voice_for(
    framework: Framework,
    parent: Run | None,
    host: Fit | None,
    stem: str,
    resumes: Callable[[], str | None] | None = None,
    *,
    experiment: str = "",
    started: float | None = None,
    site: str = "",
) -> Voice | None:
    """Join the user's run, or open one; None on a rank or in a child process that is to be silent."""
    hosting = None if host is None or host._voice is None else host._voice.run
    if parent is not None and parent is not hosting and _adopt(parent):
        run, opened = parent, False
    else:
        parent = hosting if parent is None else parent
        site = site or call_site(framework.name)
        before = None
        if resumes is not None and parent is None:
            with guard("looking for the run that a training goes on with"):
                before = resumes()
        run = runs.open_run(framework.name, experiment=experiment, stem=stem, call_site=site, parent=parent, started=started, run_id=before)
        opened = True
    if run.is_silent:
        return None
    voice = Voice(run, opened=opened, stem=stem)
    _tell_version(framework, voice)
    return voice


def _tell_version(framework: Framework, voice: Voice) -> None:
    version = framework.version
    if version:
        voice.run.set_tags({f"autotrack.{framework.name}_version": version})


def _adopt(run: Run) -> bool:
    """Whether no fit has spoken to this run of the user's before."""
    with _adopting:
        if run in _adopted:
            return False
        _adopted.add(run)
        return True


def _is_spared(spared: list[Callable[[Any], bool]], instance: object) -> bool:
    with guard("asking whether an inner fit keeps its voice"):
        return any(matches(instance) for matches in spared)
    return False


class Within:
    """A fit (and a run) made current for a block, in this thread."""

    __slots__ = ("_fit", "_fit_before", "_run", "_run_before")

    def __init__(self, fit: Fit, run: Run | None = None) -> None:
        self._fit = fit
        self._run = run

    def __enter__(self) -> None:
        self._run_before = None if self._run is None else self._run.attach()
        self._fit_before = _current.set(self._fit)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        _current.reset(self._fit_before)
        if self._run is not None:
            self._run.detach(self._run_before)


QUIET = Fit("")  # current while a hook reads: reading a result can fit something, and that is nobody's business


def close_fit(fit: Fit, error: BaseException | None, took_s: float | None, ended: float | None = None) -> None:
    """Tell how it ended; end the run if this fit opened it. ``ended`` in UTC seconds, if it was before now."""
    voice = fit._voice
    if voice is None or fit._joined:
        return
    status, said = fit._outcome or outcome_of(error)
    if took_s is None and ended is not None and voice.opened:
        took_s = ended - voice.run.started
    try:
        with guard("closing a fit"):
            voice.close(took_s)
    finally:
        if voice.opened:
            with guard("ending a run"):
                voice.run.end(status, said, ended=ended)


def _silence_after_fork() -> None:
    """In a child that was forked inside a fit: the fit is its parent's, and only the parent tells of it."""
    fit = _current.get()
    while fit is not None:
        fit._voice = fit.reach = fit.home = None
        fit.base = ANY
        fit.hosts = False
        fit = fit.outer


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_silence_after_fork)


def call_site(package: str) -> str:
    """``file:line:function`` of the user's line: the innermost frame that is neither ours, nor the framework's, nor Python's own."""
    passed = {"autotrack", package, "joblib"} | _PYTHON
    frame = sys._getframe(1)
    ours: Any = None
    found: Any = frame
    while found is not None:
        root = found.f_globals.get("__name__", "").partition(".")[0]
        if root not in passed:
            break
        if ours is None and root != "autotrack":
            ours = found
        found = found.f_back
    frame = found or ours or frame
    return f"{frame.f_code.co_filename}:{frame.f_lineno}:{frame.f_code.co_name}"


_PYTHON = sys.stdlib_module_names
