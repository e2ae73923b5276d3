"""The declaration of what is observed in one framework, and the observing itself.

The framework's function is called once, by the wrapper, outside every guard. Only our lines stand inside a guard: what a
hook does before its ``yield``, and what it does after. A hook is never given the function, so it cannot call it twice,
replace its result or swallow its exception.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import logging
import re
import sys
import types
from collections.abc import Callable, Generator, Iterable, Mapping
from operator import eq, ge, gt, le, lt
from time import perf_counter
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

from autotrack.errors import IntegrationError, TargetMissing, UnsupportedVersion
from autotrack.guard import failures, guard, guarded
from autotrack.imports import forget, when_imported
from autotrack.instrument.calls import ArgumentMissing, Call
from autotrack.instrument.fits import QUIET, Fit, Within, _current, begin_fit, close_fit, open_fit, stay
from autotrack.instrument.patches import Around, Make, Observe, Patch, Patches, Unchanged, note_aliases, rebind_aliases
from autotrack.recording.runs import tell_all

Observed: TypeAlias = Generator[None, Any, None]  # what a hook is: it yields once, and is sent what the framework returned
Hook = Callable[[Fit, Call], Observed]
Watcher = Callable[[Any, tuple[Any, ...], dict[str, Any]], Any]
Predicate = Callable[[Any], bool]

logger = logging.getLogger("autotrack")

TOO_OFTEN = 10  # so many failures of ours at one place, and its patch goes dormant


def always(_instance: object) -> bool:
    return True


def never(_instance: object) -> bool:
    return False


class Integration:
    """What is observed in one framework: its name (the import's), the versions it is tested with, its patches.

    ``requires`` is a distribution with its oldest version, ``"scikit-learn>=1.5"``; what is compared is the module's
    ``__version__``. ``engine_of`` names the integrations whose run it adds to when it is called inside their fits.
    """

    def __init__(self, name: str, *, requires: str, engine_of: Iterable[str] = ()) -> None:
        self.name = name
        self.requires = requires
        self.engine_of = frozenset(engine_of)
        self.missing: list[TargetMissing] = []
        self.is_enabled = False
        self._version: str | None = None
        self._declared: list[_Declared] = []
        self._late: list[_Declared] = []
        self._is_late = False  # they are on
        self._registers: list[Callable[[], Callable[[], None]]] = []
        self._undo: list[Callable[[], None]] = []

    @property
    def package(self) -> str:
        """The framework's top module."""
        return self.name.partition(".")[0]

    @property
    def targets(self) -> list[str]:
        """Everything that it observes, as ``module:name``."""
        return [target for declared in self._declared for target in declared.targets]

    @property
    def version(self) -> str:
        """The framework's, as its module says; "" where nobody says it."""
        if self._version is None:
            self._version = version_of(self.package, self.requires)
        return self._version

    def fit(
        self,
        *targets: str,
        when: Predicate = always,
        mutes: Predicate = never,
        by_instance: bool = False,
        goes_on: Callable[[Any], Fit | None] | None = None,
    ) -> Callable[[Hook], Hook]:
        """Declare a training entry point: ``module:function`` or ``module:Class.method``, under all its names.

        ``when(instance)`` says no of what deserves no run (a scaler): the call is silent, and so is what it fits inside.
        ``mutes(instance)`` says yes where what is fitted inside is silent, engines too (searches, ensembles). Both are
        asked before any hook; what they say of an instance holds for its class, unless they are to be asked ``by_instance``,
        at each call. ``goes_on(instance)`` is the earlier fit whose run the call adds to (an evaluation after a training), or None.
        """

        def declare(hook: Hook) -> Hook:
            entry = _Entry(self, _generator_function(hook), when, mutes, by_instance, goes_on)
            self._declared.append(_Functions(targets, entry.observe))
            return hook

        return declare

    def fit_family(
        self,
        base: str,
        *methods: str,
        when: Predicate = always,
        mutes: Predicate = never,
        by_instance: bool = False,
        resumes: Callable[[Call], str | None] | None = None,
    ) -> Callable[[Hook], Hook]:
        """Declare methods as training entry points on all classes built on ``module:Class``, present and future.

        ``resumes(call)`` is the id of the run that an outermost call goes on with (a training from a checkpoint), or None; it is
        asked before the run is opened, and never inside another run.
        """

        def declare(hook: Hook) -> Hook:
            entry = _Entry(self, _generator_function(hook), when, mutes, by_instance, resumes=resumes)
            self._declared.append(_Family(base, methods, entry.observe))
            return hook

        return declare

    def watch(self, *targets: str) -> Callable[[Watcher], Watcher]:
        """Declare a light call that is looked at: ``before(instance, args, kwargs)``; a function has the instance None.

        A generator function is resumed with what the call returned: ``result = yield``. It opens no fit.
        """

        def declare(watcher: Watcher) -> Watcher:
            watch = _Watch(self, watcher)
            self._declared.append(_Functions(targets, watch.observe))
            return watcher

        return declare

    def watch_family(self, base: str, *methods: str) -> Callable[[Watcher], Watcher]:
        """As ``watch``, for methods on all classes built on ``module:Class``, present and future."""

        def declare(watcher: Watcher) -> Watcher:
            watch = _Watch(self, watcher)
            self._declared.append(_Family(base, methods, watch.observe))
            return watcher

        return declare

    def wrap(self, *targets: str, late: bool = False) -> Callable[[Make], Make]:
        """Declare a wrapper that is written out, for what is called so often that ``watch`` would be felt.

        ``make(patch, original)`` returns it, with ``patch`` and ``original`` in its closure: it calls the original once,
        outside every guard, with what it was given, and does no more than that where ``patch.on`` is False. One of a method
        may be ``late``: it is not there before ``wrap_late()`` is called, so that who never needs it never pays.
        """

        def declare(make: Make) -> Make:
            (self._late if late else self._declared).append(_Written(targets, make))
            return make

        return declare

    def wrap_late(self) -> None:
        """Have the late wrappers there from now on."""
        if not self._is_late and self.is_enabled:
            self._is_late = True
            self._put_on(self._late)

    def on_enable(self, register: Callable[[], Callable[[], None]]) -> Callable[[], Callable[[], None]]:
        """Declare official global hooks: ``register()`` puts them on, and returns how to take them off."""
        self._registers.append(register)
        return register

    def begin(self, name: str, *, started: float | None = None, site: str = "") -> Fit:
        """A fit without a call to wrap; the caller ends it with ``fit.end()``. It is silent where a call's would be.

        ``started`` in UTC seconds, if it began before now; ``site`` is the user's line, ``file:line:function``, if it is not running now.
        """
        return begin_fit(self, name, started, site)

    def tell_runs(self, params: Mapping[str, Any]) -> None:
        """Parameters of the program, not of one training: of every run of this process that is open or is opened later, children aside."""
        tell_all(params)

    def begin_current(self, name: str, *, experiment: str = "") -> Fit:
        """As ``begin``, and what is fitted until its end is inside it; one that nobody ended makes way for the next.

        ``experiment``: the user's own word for what the run belongs to, if the framework asks him for one.
        """
        return stay(self, name, experiment)

    def enable(self, *, sweep: bool = True) -> None:
        """Put the patches on: now in modules that are there, in others when they are imported. Never imports one.

        ``sweep``: look in all modules for names that were imported from the framework before. A target that is not where
        it was is logged, kept in ``missing``, and costs itself alone.   Raises: UnsupportedVersion.
        """
        if self.is_enabled:
            return
        self._version = None  # asked anew: another one may have been installed since
        require(self.package, self.requires, self.version)
        self.is_enabled = True
        self.missing.clear()
        self._put_on(self._declared)
        if sweep:
            rebind_aliases(self.package, self._functions())
        for register in self._registers:
            with guard(f"registering with {self.name}"):
                self._undo.append(register())

    def _put_on(self, declarations: list[_Declared]) -> None:
        for declared in declarations:
            for module in declared.modules:
                patch = functools.partial(self._patch, declared)
                when_imported(module, patch)
                self._undo.append(functools.partial(forget, module, patch))

    def disable(self) -> None:
        """Take all patches off; see Patch.restore."""
        if not self.is_enabled:
            return
        self.is_enabled = self._is_late = False
        for undo in reversed(self._undo):
            with guard(f"unregistering from {self.name}"):
                undo()
        self._undo.clear()
        with guard(f"taking the patches of {self.name} off"):
            note_aliases(self.package, self._functions())
            for declared in reversed([*self._declared, *self._late]):
                declared.patches.restore()
                declared.done.clear()

    def _functions(self) -> list[Patch]:
        return [patch for declared in self._declared for patch in declared.patches.functions]

    def _patch(self, declared: _Declared, module: types.ModuleType) -> None:
        name = module.__name__
        if not self.is_enabled or name in declared.done:
            return
        declared.done.add(name)
        with guard(f"patching {name}"):
            for error in declared.patch(module):
                self.missing.append(error)
                logger.warning("autotrack does not find what it observes in %s %s: %s; the rest is observed", self.name, self.version, error)


class _Declared:
    """One declaration: its targets, and the patches that are on for it."""

    def __init__(self, targets: Iterable[str], observe: Observe) -> None:
        self.targets = tuple(targets)
        self.observe = observe
        self.patches = Patches()
        self.done: set[str] = set()  # modules
        for target in self.targets:
            if not re.fullmatch(r"[\w.]+:[\w.]+", target):
                raise IntegrationError(f"a target is written module:name, not {target!r}")

    @property
    def modules(self) -> list[str]:
        return list(dict.fromkeys(target.partition(":")[0] for target in self.targets))

    def patch(self, module: types.ModuleType) -> list[TargetMissing]:
        """Patch what is declared of one module; return what is not there."""
        missing = []
        for target in self.targets:
            where, _, path = target.partition(":")
            if where == module.__name__:
                try:
                    self.patch_one(module, path)
                except TargetMissing as error:
                    missing.append(error)
        return missing

    def patch_one(self, module: types.ModuleType, path: str) -> None:
        raise NotImplementedError


class _Functions(_Declared):
    def patch_one(self, module: types.ModuleType, path: str) -> None:
        self.patches.wrap_target(module, path, self.observe)


class _Written(_Functions):
    """Wrappers that the integration wrote out itself."""

    def __init__(self, targets: Iterable[str], make: Make) -> None:
        def observe(_patch: Patch, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> None:
            """Never asked; tells these wrappers from those of other declarations."""

        super().__init__(targets, observe)
        self.patches = Patches(make)


class _Family(_Declared):
    def __init__(self, base: str, methods: tuple[str, ...], observe: Observe) -> None:
        super().__init__([base], observe)
        self.methods = methods

    def patch_one(self, module: types.ModuleType, path: str) -> None:
        base: Any = module
        for name in path.split("."):
            base = getattr(base, name, None)
        if not isinstance(base, type):
            raise TargetMissing(f"{module.__name__} has no class {path}")
        self.patches.wrap_family(base, self.methods, self.observe)


class _Entry:
    """A training entry point: its hook, and what is known of the classes that were fitted through it."""

    def __init__(
        self,
        integration: Integration,
        hook: Hook,
        when: Predicate,
        mutes: Predicate,
        by_instance: bool,
        goes_on: Callable[[Any], Fit | None] | None = None,
        resumes: Callable[[Call], str | None] | None = None,
    ) -> None:
        self._when = when
        self._mutes = mutes
        self._by_instance = by_instance
        self._answers: WeakKeyDictionary[type, tuple[bool, bool]] = WeakKeyDictionary()

        place = f"observing {integration.name}"

        def observe(patch: Patch, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Around | None:
            if failures and _fails_too_often(place, patch):
                return None
            instance = args[0] if patch.is_method and args else None
            speaks, mutes = self._answers.get(type(instance)) or self._ask(instance)
            before = None if resumes is None else functools.partial(_asked, resumes, patch, instance, args, kwargs)
            fit = open_fit(integration, instance, speaks, mutes, earlier=goes_on, resumes=before)
            if fit.is_silent:
                return _Silent(fit, instance, args, kwargs)
            return _Heard(fit, hook, patch, instance, args, kwargs)

        observe.__qualname__ = place
        self.observe: Observe = guarded(observe)

    def _ask(self, instance: object) -> tuple[bool, bool]:
        answer = (False, True)  # where a predicate fails: silence
        with guard(f"asking what a {type(instance).__qualname__} is"):
            answer = (bool(self._when(instance)), bool(self._mutes(instance)))
        if not self._by_instance:
            self._answers[type(instance)] = answer
        return answer


def _asked(
    resumes: Callable[[Call], str | None], patch: Patch, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> str | None:
    with Within(QUIET):
        return resumes(Call(patch.original, instance, args, kwargs))


class _Silent(Within):
    """Around a call that is not heard: only its time is told to the fit that it is part of."""

    __slots__ = ("_began", "_instance", "_ledger", "args", "kwargs", "result")

    def __init__(self, fit: Fit, instance: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.args, self.kwargs = args, kwargs
        self.result: Any = None
        self._fit = fit
        self._run = None
        self._instance = instance
        self._ledger = None if fit.is_again else fit.ledger

    def __enter__(self) -> None:
        self._began = perf_counter()
        self._fit_before = _current.set(self._fit)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None) -> None:
        took_s = perf_counter() - self._began
        _current.reset(self._fit_before)
        if self._ledger is not None:
            self._ledger.note(self._instance, took_s)


class _Heard:
    """Around a call that is heard: the hook's two parts, each under guard, and the fit's beginning and end."""

    __slots__ = ("_began", "_fit", "_hook", "_patch", "_within", "args", "kwargs", "result")

    def __init__(self, fit: Fit, hook: Hook, patch: Patch, instance: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.args, self.kwargs = args, kwargs
        self.result: Any = None
        self._fit = fit
        self._patch = patch
        self._hook: Observed | None = None
        reached = False
        try:
            with Within(QUIET), guard(patch.place), contextlib.suppress(ArgumentMissing):
                call = Call(patch.original, instance, args, kwargs)
                observed = hook(fit, call)
                next(observed, None)
                self.args, self.kwargs = call.args, call.kwargs
                self._hook = observed
            reached = True
        finally:
            if not reached:  # Ctrl-C while the hook read the call
                close_fit(fit, sys.exc_info()[1], None)

    def __enter__(self) -> None:
        self._within = Within(self._fit, self._fit.own_run)
        self._within.__enter__()
        self._began = perf_counter()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None) -> None:
        took_s = perf_counter() - self._began
        try:
            with Within(QUIET), guard(self._patch.place):
                self._finish(error)
        finally:
            self._within.__exit__(None, None, None)
            close_fit(self._fit, error, took_s)
            _fails_too_often(self._patch.place, self._patch)

    def _finish(self, error: BaseException | None) -> None:
        observed, self._hook = self._hook, None
        if observed is None:
            return
        if error is not None:
            observed.close()  # not thrown into: our frames would stand in the user's traceback
            return
        try:
            observed.send(self.result)
        except StopIteration:
            return
        observed.close()
        raise IntegrationError(f"a hook yields once; that of {self._patch.place} yields again")


class _Watch:
    """A light call that is looked at."""

    def __init__(self, integration: Integration, watcher: Watcher) -> None:
        resumes = inspect.isgeneratorfunction(watcher)
        place = f"watching {integration.name} by {watcher.__qualname__}"

        def observe(patch: Patch, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Around | None:
            if failures and _fails_too_often(place, patch):
                return None
            instance, rest = (args[0], args[1:]) if patch.is_method and args else (None, args)
            watched = watcher(instance, rest, kwargs)
            return _Watched(watched, patch, args, kwargs) if resumes else None

        observe.__qualname__ = place
        self.observe: Observe = guarded(observe)


class _Watched(Unchanged):
    """Around a call that a generator looks at."""

    __slots__ = ("_patch", "_watched")

    def __init__(self, watched: Observed, patch: Patch, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        super().__init__(args, kwargs)
        self._patch = patch
        self._watched = watched
        next(watched, None)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None) -> None:
        with guard(self._patch.place):
            if error is not None:
                self._watched.close()
                return
            try:
                self._watched.send(self.result)
            except StopIteration:
                return
            self._watched.close()


def _fails_too_often(place: str, patch: Patch) -> bool:
    """Whether a place has failed so often that its patch is dormant from now on."""
    if failures.get(place, 0) < TOO_OFTEN:
        return False
    patch.on = False
    return True


def _generator_function(hook: Hook) -> Hook:
    if not inspect.isgeneratorfunction(hook):
        raise IntegrationError(f"{hook.__qualname__} is no generator function: a hook has one `yield`, where the framework runs")
    return hook


def version_of(package: str, requires: str) -> str:
    """A framework's version: what its module says (another distribution may bring the same module), else the distribution's."""
    version = getattr(sys.modules.get(package), "__version__", None)
    if isinstance(version, str):
        return version
    from importlib import metadata  # a few ms, and only for a module that does not say it

    try:
        return metadata.version(re.split(r"[<>=!~ ,;\[]", requires, maxsplit=1)[0])
    except metadata.PackageNotFoundError:
        return ""


def require(name: str, requires: str, version: str) -> None:
    """Raises: UnsupportedVersion if a version is not what ``requires`` says; an unknown version passes."""
    for relation, wanted in re.findall(r"(>=|<=|<|>|==)\s*([\w.]+)", requires):
        if version and not _RELATIONS[relation](numbers_of(version), numbers_of(wanted)):
            raise UnsupportedVersion(f"{name} {version} is not observed: this autotrack is tested with {requires}")


def numbers_of(version: str) -> tuple[int, ...]:
    """The release numbers of a version, padded: ``1.5.dev0`` is ``(1, 5, 0, 0)``."""
    release = re.match(r"\d+(\.\d+)*", version)
    numbers = [int(part) for part in release.group().split(".")] if release else []
    return (*numbers, 0, 0, 0, 0)[:4]


_RELATIONS = {">=": ge, "<=": le, "<": lt, ">": gt, "==": eq}
