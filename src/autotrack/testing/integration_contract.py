"""What every integration must keep, as tests: subclass ``IntegrationContract``, say how to train, and run pytest.

It needs the ``tracked`` fixture of ``autotrack.testing.fixtures``. A training takes a second at most; it is run some
sixty times.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import importlib
import inspect
import json
import os
import pickle
import random
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from autotrack import guard
from autotrack.errors import BackendUnavailable
from autotrack.instrument import Fit, Integration, current_fit, loader
from autotrack.instrument.patches import FRAME, family
from autotrack.recording.runs import start_run
from autotrack.recording.tracker import tracker

ABSENT = "absent"
FIT_METHODS = sorted(name for name, value in vars(Fit).items() if inspect.isfunction(value) and not name.startswith("_"))


class IntegrationContract:
    """Set ``name`` and ``targets``, write ``train`` and ``fingerprint``; ``curves`` and ``params`` where there are such."""

    name: str  # of the integration, as autolog() takes it
    targets: Sequence[str]  # "module:function" or "module:Class.method"; the training goes through the first of them
    joins: Sequence[str] = ()  # integrations to be observed as well (an engine's host)

    def train(self) -> Any:
        """Train once, by one call of the first target (however it is reached), and return the model."""
        raise NotImplementedError

    def fingerprint(self, model: Any) -> Any:
        """What is equal if and only if two models are bit-identical (``predict`` of something, a serialized form)."""
        raise NotImplementedError

    def curves(self, model: Any) -> Mapping[str, Sequence[float]]:  # noqa: ARG002 - for subclasses
        """The framework's own history, by the names under which the integration records it."""
        return {}

    def params(self, model: Any) -> Mapping[str, Any]:  # noqa: ARG002 - for subclasses
        """Some parameters that the run must have."""
        return {}

    # --- what the tests stand on -------------------------------------------------------------------------------------

    @pytest.fixture(autouse=True)
    def _alone(self, tracked: Any) -> Iterator[None]:  # noqa: ARG002 - each test has a store of its own
        """Nothing is observed before and after; a failure of ours counts from zero."""
        loader.disable()
        for target in self.targets:
            importlib.import_module(target.partition(":")[0])
        failed = dict(guard.failures)
        guard.failures.clear()
        yield
        loader.disable()
        guard.failures.clear()
        guard.failures.update(failed)

    def observe(self) -> None:
        """As the user's ``autotrack.autolog(name)``."""
        loader.autolog(*self.joins, self.name)

    @property
    def integration(self) -> Integration:
        """The declaration itself."""
        return loader.load(loader.LOADER.known[self.name])

    def seeded(self) -> Any:
        """Train from the same state of the global generators."""
        random.seed(7)
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed(7)
        return self.train()

    def result(self) -> tuple[Any, ...]:
        """The model's fingerprint, its attributes, and where the global generators stand after the training."""
        model = self.seeded()
        drawn: list[Any] = [random.getstate()]
        if "numpy" in sys.modules:
            drawn.append(str(sys.modules["numpy"].random.get_state()))
        return self.fingerprint(model), sorted(getattr(model, "__dict__", ())), drawn

    def picture(self) -> dict[str, Any]:
        """What stands at every place that the integration could touch: targets, their classes' families."""
        places: dict[str, Any] = {}
        for target in [*self.targets, *self.integration.targets]:
            owner, name = _place(target)
            if owner is None:
                continue
            held = vars(owner).get(name, ABSENT)
            places[target] = held
            if isinstance(held, type):
                for cls in family(held):
                    places.update({f"{cls.__module__}.{cls.__qualname__}.{key}": value for key, value in vars(cls).items() if callable(value)})
                    places[f"{cls.__module__}.{cls.__qualname__}.__init_subclass__"] = vars(cls).get("__init_subclass__", ABSENT)
        return places

    def raising(self, error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make the first target raise, as if the framework (or the user's callback in it) did."""
        owner, name = _place(self.targets[0])
        original = getattr(owner, name)

        @functools.wraps(original)
        def broken(*_args: Any, **_kwargs: Any) -> Any:
            raise error

        for target in self.targets:
            place, called = _place(target)
            if place is not None and vars(place).get(called, ABSENT) is original:
                monkeypatch.setattr(place, called, broken)

    # --- what is recorded --------------------------------------------------------------------------------------------

    def test_each_fit_is_one_run(self, tracked: Any) -> None:
        self.observe()
        self.seeded()
        assert len(tracked.runs()) == 1, f"one training made {len(tracked.runs())} runs: {[run.name for run in tracked.runs()]}"
        self.seeded()
        assert len(tracked.runs()) == 2, "a second training must be a second run"
        assert {run.status for run in tracked.runs()} == {"finished"}

    def test_the_run_has_the_parameters(self, tracked: Any) -> None:
        self.observe()
        model = self.seeded()
        run = tracked.run()
        assert run.params, "the run has no parameters"
        wrong = {name: (value, run.params.get(name)) for name, value in self.params(model).items() if run.params.get(name) != value}
        assert not wrong, f"parameters that differ, as (expected, recorded): {wrong}"

    def test_the_curves_are_the_frameworks_own(self, tracked: Any) -> None:
        self.observe()
        model = self.seeded()
        run = tracked.run()
        for key, values in self.curves(model).items():
            assert key in run.statistics, f"there is no curve {key!r}; the run has: {', '.join(run.statistics)}"
            recorded = run.history(key).values.tolist()
            assert recorded == pytest.approx(list(values), nan_ok=True), f"{key} differs from the framework's own history"

    def test_each_step_of_a_curve_is_distinct(self, tracked: Any) -> None:
        self.observe()
        self.seeded()
        run = tracked.run()
        for key in run.statistics:
            steps = run.history(key).steps.tolist()
            assert len(set(steps)) == len(steps), f"{key} has a step more than once: {steps}"

    def test_the_run_says_version_time_and_place(self, tracked: Any) -> None:
        self.observe()
        self.seeded()
        run = tracked.run()
        assert any(tag.startswith("autotrack.") and tag.endswith("_version") for tag in run.tags), "no tag says the framework's version"
        assert run.metrics.get("time/fit_s", 0) > 0, "the summary lacks time/fit_s"
        assert __file__ in run.call_site or inspect.getfile(type(self)) in run.call_site, f"the call site is {run.call_site}, not in the test"

    def test_inside_a_users_run_the_fit_joins_it(self, tracked: Any) -> None:
        self.observe()
        with start_run("theirs"):
            model = self.seeded()
        run = tracked.run()
        assert run.name == "theirs"
        assert set(self.curves(model)) <= set(run.statistics), "the curves are not on the user's run"

    def test_two_threads_are_two_runs(self, tracked: Any) -> None:
        self.observe()
        threads = [threading.Thread(target=self.train) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(tracked.runs()) == 2, f"two threads with a training each made {len(tracked.runs())} runs"

    def test_twice_is_once(self, tracked: Any) -> None:
        self.observe()
        self.observe()
        self.seeded()
        assert len(tracked.runs()) == 1, "a second autolog() must change nothing"

    # --- the user's program is left alone ----------------------------------------------------------------------------

    def test_the_result_is_bit_identical_with_without_and_after(self) -> None:
        plain = self.result()
        assert self.result() == plain, "the training is not reproducible by itself: set its seeds"
        self.observe()
        assert self.result() == plain, "with autolog the model, its attributes or the global random state differ"
        loader.disable()
        assert self.result() == plain, "after disable() the model, its attributes or the global random state differ"

    def test_disable_restores_every_place(self) -> None:
        before = self.picture()
        for _ in range(2):
            self.observe()
            assert any(self.picture()[target] is not held for target, held in before.items()), "autolog() replaced nothing"
            self.seeded()
            loader.disable()
            after = self.picture()
            changed = [place for place in {*before, *after} if before.get(place, ABSENT) is not after.get(place, ABSENT)]
            assert not changed, f"not restored as they were: {changed}"

    def test_what_is_observed_looks_as_before(self) -> None:
        def looks() -> list[tuple[Any, ...]]:
            found = [getattr(owner, name) for owner, name in map(_place, self.targets) if owner is not None]
            return [(f.__name__, f.__qualname__, f.__module__, f.__doc__, str(inspect.signature(f)), inspect.isfunction(f)) for f in found]

        plain = looks()
        self.observe()
        assert looks() == plain, "signature, name or docs of a target differ"

    def test_the_users_arguments_are_not_changed(self) -> None:
        self.observe()
        changed: list[str] = []
        owner, name = _place(self.targets[0])
        observed = getattr(owner, name)

        @functools.wraps(observed)
        def looking(*args: Any, **kwargs: Any) -> Any:
            given = [*args, *kwargs.values()]
            before = [_contents(value) for value in given]
            try:
                return observed(*args, **kwargs)
            finally:
                changed.extend(repr(value) for value, held in zip(given, before, strict=True) if _contents(value) != held)

        with _standing(looking, owner, name):
            self.seeded()
        assert not changed, f"these arguments of the user's were changed: {changed}"

    def test_the_clocks_that_a_test_of_the_users_may_set_are_not_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A mocked ``time.perf_counter`` may have one answer for each look of the user's; ours are by ``from time import perf_counter``."""
        self.observe()
        self.seeded()  # what a first training imports is there
        ours = ("autotrack", loader.LOADER.known[self.name].partition(":")[0].partition(".")[0])
        looks: list[str] = []

        def watched(name: str) -> Callable[[], float]:
            clock: Callable[[], float] = getattr(time, name)

            def looked() -> float:
                module = sys._getframe(1).f_globals.get("__name__", "")
                if module.partition(".")[0] in ours:
                    looks.append(f"{module} at time.{name}()")
                return clock()

            return looked

        with monkeypatch.context() as clocks:
            for name in ("time", "monotonic", "perf_counter"):
                clocks.setattr(time, name, watched(name))
            self.seeded()
        assert not looks, f"looked at the user's clock: {sorted(set(looks))}"

    @pytest.mark.parametrize(
        ("error", "status"),
        [(ValueError("theirs"), "failed"), (KeyboardInterrupt(), "interrupted"), (SystemExit(3), "failed")],
        ids=["an error", "Ctrl-C", "sys.exit"],
    )
    def test_the_users_exception_passes_as_it_is(self, tracked: Any, monkeypatch: pytest.MonkeyPatch, error: BaseException, status: str) -> None:
        self.raising(error, monkeypatch)
        self.observe()
        with pytest.raises(type(error)) as caught:
            self.train()
        assert caught.value is error, "another exception object came out"
        frames = traceback.extract_tb(error.__traceback__)
        assert not [f for f in frames if f.filename != FRAME and f"autotrack{os.sep}instrument" in f.filename], "frames of ours in the traceback"
        assert tracked.run().status == status
        if isinstance(error, ValueError):
            assert tracked.run().error == "ValueError: theirs"
        assert current_fit() is None, "the fit was left open"

    @pytest.mark.parametrize("method", FIT_METHODS)
    def test_a_failure_of_ours_changes_nothing(self, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
        plain = self.result()
        monkeypatch.setenv("AUTOTRACK_STRICT", "0")
        self.observe()

        def fail(*_args: Any, **_kwargs: Any) -> Any:
            raise RuntimeError(f"Fit.{method} was made to fail")

        monkeypatch.setattr(Fit, method, fail)
        assert self.result() == plain, f"a failing Fit.{method} changed the result"
        assert current_fit() is None

    def test_a_dead_store_changes_nothing_and_loses_nothing(self, tracked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        plain = self.result()
        monkeypatch.setenv("AUTOTRACK_STRICT", "0")
        self.observe()

        def dead(_batch: Any) -> None:
            raise BackendUnavailable("the store is away")

        with monkeypatch.context() as away:
            away.setattr(tracker().backend, "write", dead)
            assert self.result() == plain, "with a dead store the result differs"
        model = self.train()
        runs = tracked.runs()
        assert len(runs) == 2, f"the store is back, and has {len(runs)} of 2 runs"
        for key, values in self.curves(model).items():
            assert all(len(run.history(key)) == len(values) for run in runs), f"points of {key} were lost"

    def test_a_silent_rank_records_nothing(self, tracked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        plain = self.result()
        monkeypatch.setenv("WORLD_SIZE", "2")
        monkeypatch.setenv("RANK", "1")
        self.observe()
        assert self.result() == plain
        assert tracked.runs() == []

    def test_autotrack_disabled_is_as_if_it_were_not_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        before = self.picture()
        monkeypatch.setenv("AUTOTRACK_DISABLED", "1")
        self.observe()
        after = self.picture()
        assert all(after[place] is held for place, held in before.items()), "AUTOTRACK_DISABLED=1, and something is patched"

    def test_every_method_that_the_framework_calls_back_is_guarded(self) -> None:
        module = sys.modules[_module_of(self.integration)]
        bare = [
            f"{cls.__name__}.{name}"
            for cls in vars(module).values()
            if inspect.isclass(cls) and cls.__module__ == module.__name__
            for name, method in vars(cls).items()
            if inspect.isfunction(method) and _is_called_back(cls, name) and not hasattr(method, "__autotrack_guarded__")
        ]
        assert not bare, f"put @guarded on {', '.join(bare)}"

    # --- copies, other processes, other libraries --------------------------------------------------------------------

    def test_model_and_method_pickle_copy_and_load_where_autotrack_is_absent(self, tmp_path: Any) -> None:
        self.observe()
        model = self.seeded()
        owner, name = _place(self.targets[0])
        things = [model, getattr(owner, name)]
        if inspect.isclass(owner) and isinstance(model, owner):
            things.append(getattr(model, name))
        loader.disable()
        plain = [_pickled(thing) for thing in things]
        self.observe()
        for thing, unobserved in zip(things, plain, strict=True):
            if unobserved is None:
                continue  # the framework's own objects do not pickle
            copy.deepcopy(thing)
            packed = pickle.dumps(thing)
            assert b"autotrack" not in packed, f"the pickle of {thing!r} names autotrack"
            (tmp_path / "thing.pickle").write_bytes(packed)
            program = (
                "import pickle, sys; sys.modules['autotrack'] = None\n"
                f"thing = pickle.load(open({str(tmp_path / 'thing.pickle')!r}, 'rb'))\n"
                "print('loaded')"
            )
            assert _python(program) == "loaded\n"

    def test_autolog_before_the_import_is_as_after_it(self) -> None:
        told = [self._told_by_a_process(order) for order in ("import after", "import before")]
        assert told[0] == told[1], "autolog() before and after the import of the framework record different things"
        assert len(told[0]) == 1, f"one training made {len(told[0])} runs"

    def _told_by_a_process(self, order: str) -> Any:
        modules = [target.partition(":")[0] for target in self.targets]
        imports = "; ".join(f"importlib.import_module({module!r})" for module in modules)
        program = f"""
import importlib, importlib.util, json, sys
from autotrack.instrument import loader
from autotrack.recording.tracker import tracker
{imports if order == "import before" else ""}
loader.autolog(*{[*self.joins, self.name]!r})
spec = importlib.util.spec_from_file_location("the_test", {inspect.getfile(type(self))!r})
the_test = importlib.util.module_from_spec(spec)
sys.modules["the_test"] = the_test
spec.loader.exec_module(the_test)
getattr(the_test, {type(self).__qualname__!r})().seeded()
tracker().flush()
told = []
for run in tracker().backend.runs():
    keys = sorted(key for key in run.statistics if not key.startswith(("time/", "system/")))
    series = tracker().backend.series([run.id], keys)
    told.append([run.status, sorted(run.params), {{s.key: [s.steps.tolist(), s.values.tolist()] for s in series}}])
print(json.dumps(told))
"""
        return json.loads(_python(program, AUTOTRACK_URI="memory:", AUTOTRACK_QUIET="1").splitlines()[-1])

    def test_a_foreign_wrapper_on_top_survives_disable(self, tracked: Any) -> None:
        plain = self.result()
        self.observe()
        owner, name = _place(self.targets[0])
        ours = getattr(owner, name)

        @functools.wraps(ours)
        def foreign(*args: Any, **kwargs: Any) -> Any:
            return ours(*args, **kwargs)

        with _standing(foreign, owner, name):
            loader.disable()
            assert vars(owner)[name] is foreign, "disable() took another library's wrapper away"
            assert self.result() == plain
            assert tracked.runs() == [], "a wrapper that is left under another one must be dormant"
        self.observe()  # a dormant wrapper makes way for its original
        loader.disable()


def _place(target: str) -> tuple[Any, str]:
    """The class that defines a target (or its module), and its name there."""
    module, _, path = target.partition(":")
    owner: Any = sys.modules.get(module)
    *parts, name = path.split(".")
    for part in parts:
        owner = getattr(owner, part, None)
    if inspect.isclass(owner):
        owner = next((cls for cls in owner.__mro__ if name in vars(cls)), owner)
    return owner, name


@contextlib.contextmanager
def _standing(thing: Any, owner: Any, name: str) -> Iterator[None]:
    """Put something under a name for a block."""
    held = vars(owner)[name]
    setattr(owner, name, thing)
    try:
        yield
    finally:
        setattr(owner, name, held)


def _module_of(integration: Integration) -> str:
    """The module that declares it."""
    return loader.LOADER.known[integration.name].partition(":")[0]


def _is_called_back(cls: type, name: str) -> bool:
    """Whether a framework calls this method: it is a ``__call__``, or overrides one of a class that is not ours."""
    if name == "__call__":
        return True
    if name.startswith("__"):
        return False
    return any(name in vars(base) for base in cls.__mro__[1:] if base is not object and base.__module__ != cls.__module__)


def _contents(value: Any) -> Any:
    """What a container holds, by identity."""
    if isinstance(value, dict):
        return [(key, id(item)) for key, item in value.items()]
    if isinstance(value, list | tuple | set | frozenset):
        return [id(item) for item in value]
    return None


def _pickled(thing: Any) -> bytes | None:
    try:
        return pickle.dumps(thing)
    except (pickle.PicklingError, TypeError, AttributeError):
        return None


def _python(program: str, **environment: str) -> str:
    """What a fresh process prints.   Fails with what it said if it fails."""
    path = os.pathsep.join(folder for folder in sys.path if folder)
    env = {**os.environ, "PYTHONPATH": path, **environment}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True)
    assert done.returncode == 0, f"the process failed:\n{done.stderr}"
    return done.stdout


