import copy
import gc
import inspect
import itertools
import logging
import pickle
import subprocess
import sys
import textwrap
import traceback
import types
import warnings
from unittest import mock

import cloudpickle
import pytest
from sklearn.linear_model import Ridge
from sklearn.utils.metaestimators import available_if

from autotrack.errors import TargetMissing
from autotrack.instrument import patches
from autotrack.instrument.patches import Patches, is_observed, note_aliases, patch_of, rebind_aliases

FRAMEWORK = '''
import logging, warnings

def train(x, *, rounds=1):
    """Train."""
    return ("trained", x, rounds)

def score(x):
    return x

def grumble():
    warnings.warn("old", DeprecationWarning, stacklevel=2)
    logging.getLogger("toy").warning("here", stacklevel=2)

class Base:
    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        cls.made = True

    def fit(self, X, y=None):
        """Fit."""
        return self

class Child(Base):
    def fit(self, X, y=None):
        return super().fit(X, y)

class Heir(Base):
    pass

class Tools:
    @staticmethod
    def still(x):
        return x

    @classmethod
    def made_of(cls, x):
        return cls, x
'''


class Around:
    """Notes a call, and leaves it as it is."""

    def __init__(self, seen, args, kwargs):
        self.seen, self.args, self.kwargs, self.result = seen, args, kwargs, None

    def __enter__(self):
        self.seen.append("before")

    def __exit__(self, kind, error, trace):
        self.seen.append(type(error).__name__ if error else "after")


@pytest.fixture
def toy():
    """A framework of two modules: the one that defines, and the one that shows."""
    inner, outer = types.ModuleType("toyframework.inner"), types.ModuleType("toyframework")
    sys.modules.update({"toyframework": outer, "toyframework.inner": inner})
    exec(textwrap.dedent(FRAMEWORK), vars(inner))
    vars(outer).update(inner=inner, train=inner.train, score=inner.score)
    yield outer
    del sys.modules["toyframework"], sys.modules["toyframework.inner"]


@pytest.fixture
def seen():
    return []


@pytest.fixture
def observe(seen):
    return lambda patch, args, kwargs: Around(seen, args, kwargs)


@pytest.fixture
def ours():
    held = Patches()
    yield held
    held.restore()


def test_a_method_is_wrapped_and_restored(toy, ours, observe, seen):
    original = vars(toy.inner.Base)["fit"]
    ours.wrap_target(toy.inner, "Base.fit", observe)
    model = toy.inner.Base()
    assert model.fit([1]) is model
    assert seen == ["before", "after"]
    ours.restore()
    assert vars(toy.inner.Base)["fit"] is original


def test_an_inherited_method_is_wrapped_where_it_is_defined(toy, ours, observe, seen):
    ours.wrap_target(toy.inner, "Heir.fit", observe)
    assert "fit" not in vars(toy.inner.Heir)
    toy.inner.Heir().fit([1])
    ours.restore()
    assert "fit" not in vars(toy.inner.Heir)
    assert seen == ["before", "after"]


def test_a_wrapped_method_looks_as_the_original(toy, ours, observe):
    before = [inspect.signature(toy.inner.Base.fit), toy.inner.Base.fit.__doc__, toy.inner.Base.fit.__qualname__, toy.inner.Base.fit.__module__]
    ours.wrap_target(toy.inner, "Base.fit", observe)
    fit = toy.inner.Base.fit
    assert [inspect.signature(fit), fit.__doc__, fit.__qualname__, fit.__module__] == before
    assert inspect.isfunction(fit)
    assert inspect.ismethod(toy.inner.Base().fit)
    assert inspect.unwrap(fit) is fit.__wrapped__


def test_static_and_class_methods_stay_what_they_are(toy, ours, observe, seen):
    held = dict(vars(toy.inner.Tools))
    ours.wrap_target(toy.inner, "Tools.still", observe)
    ours.wrap_target(toy.inner, "Tools.made_of", observe)
    assert (toy.inner.Tools.still(1), toy.inner.Tools().still(1), toy.inner.Tools.made_of(2)) == (1, 1, (toy.inner.Tools, 2))
    assert isinstance(vars(toy.inner.Tools)["still"], staticmethod)
    assert isinstance(vars(toy.inner.Tools)["made_of"], classmethod)
    ours.restore()
    assert all(vars(toy.inner.Tools)[name] is held[name] for name in ("still", "made_of"))


def test_an_available_if_method_is_there_only_when_it_was(ours, observe, seen):
    class Meta:
        def __init__(self, able):
            self.able = able

        @available_if(lambda self: self.able)
        def predict(self, X):
            return X

    held = vars(Meta)["predict"]
    inner = held.fn
    ours.wrap_method(Meta, "predict", observe)
    assert vars(Meta)["predict"] is held
    assert (hasattr(Meta(True), "predict"), hasattr(Meta(False), "predict")) == (True, False)
    assert Meta(True).predict(3) == 3
    assert seen == ["before", "after"]
    ours.restore()
    assert held.fn is inner


def test_a_compiled_function_is_wrapped_in_the_module_that_uses_it(ours, observe, seen):
    import math

    user = types.ModuleType("compiled_user")
    user.gcd = math.gcd
    ours.wrap_target(user, "gcd", observe)
    assert (user.gcd(4, 6), math.gcd(4, 6), seen) == (2, 2, ["before", "after"])
    ours.restore()
    assert user.gcd is math.gcd


def test_one_wrapper_stands_under_all_names_of_a_function(toy, ours, observe, seen):
    original = toy.train
    ours.wrap_target(toy.inner, "train", observe)
    ours.wrap_target(toy, "train", observe)
    assert toy.train is toy.inner.train
    assert toy.train(1, rounds=3) == ("trained", 1, 3)
    assert seen == ["before", "after"]
    ours.restore()
    assert toy.train is toy.inner.train is original


def test_a_name_imported_from_the_wrapper_is_restored_as_well(toy, ours, observe):
    original = toy.inner.train
    ours.wrap_target(toy.inner, "train", observe)
    user = sys.modules["patches_user"] = types.ModuleType("patches_user")
    user.train = toy.inner.train
    note_aliases("toyframework", ours.functions)
    ours.restore()
    del sys.modules["patches_user"]
    assert user.train is original


def test_a_name_that_a_user_bound_before_is_rebound_and_restored(toy, ours, observe, seen):
    original = toy.train
    user = sys.modules["patches_user"] = types.ModuleType("patches_user")
    user.learn = toy.train
    ours.wrap_target(toy, "train", observe)
    rebind_aliases("toyframework", ours.functions)
    user.learn(1)
    assert seen == ["before", "after"]
    assert toy.inner.train is original, "inside the framework only the named targets change"
    ours.restore()
    del sys.modules["patches_user"]
    assert user.learn is toy.train is original


def test_modules_may_come_while_names_are_looked_for(toy, ours, observe):
    """A collection may begin anywhere, and what it finalises may import."""
    coming = (f"late_{number}" for number in itertools.count())
    many = {f"early_{number}": types.ModuleType("early") for number in range(5_000)}  # more than tuples are kept for reuse

    def come(phase, info):
        sys.modules[next(coming)] = types.ModuleType("late")

    thresholds = gc.get_threshold()
    with mock.patch.dict(sys.modules, many):
        gc.callbacks.append(come)
        gc.set_threshold(1)
        try:
            found = list(patches.names_outside("toy", {id(many)}))
        finally:
            gc.set_threshold(*thresholds)
            gc.callbacks.remove(come)
    assert found == []
    assert next(coming) != "late_0"


def test_looking_for_names_loads_no_lazy_module(toy, ours, observe, tmp_path, monkeypatch):
    from importlib import util

    (tmp_path / "patches_lazy.py").write_text("raise AssertionError('loaded')")
    monkeypatch.syspath_prepend(tmp_path)
    spec = util.find_spec("patches_lazy")
    spec.loader = util.LazyLoader(spec.loader)
    module = util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "patches_lazy", module)
    spec.loader.exec_module(module)
    ours.wrap_target(toy, "train", observe)
    rebind_aliases("toyframework", ours.functions)


@pytest.mark.parametrize("where", [("inner", "shown"), ("shown",)], ids=["wherever it is", "in the public namespace only"])
def test_a_wrapped_function_pickles_as_the_original(toy, ours, observe, where):
    original = toy.train
    for place in where:
        ours.wrap_target({"inner": toy.inner, "shown": toy}[place], "train", observe)
    assert b"autotrack" not in pickle.dumps(toy.train)
    assert pickle.loads(pickle.dumps(toy.train)) is toy.inner.train
    assert pickle.loads(pickle.dumps(original)) is toy.inner.train if "inner" not in where else True
    assert copy.deepcopy(toy.train) is toy.train is copy.copy(toy.train)
    assert b"autotrack" not in cloudpickle.dumps(toy.train)
    assert repr(toy.train) == repr(original)
    assert (inspect.isfunction(toy.train), inspect.signature(toy.train), toy.train.__doc__) == (True, inspect.signature(original), "Train.")


def test_a_bound_method_pickles_and_copies(ours, observe):
    ours.wrap_target(sys.modules["sklearn.linear_model"], "Ridge.fit", observe)
    plain, bound = pickle.dumps(Ridge.fit), pickle.dumps(Ridge(alpha=2).fit)
    assert b"autotrack" not in plain + bound
    assert pickle.loads(plain) is Ridge.fit
    assert pickle.loads(bound).__self__.alpha == 2
    assert copy.deepcopy(Ridge(alpha=2).fit).__self__.alpha == 2


def test_a_class_that_travels_by_value_works_where_autotrack_is_absent(ours, observe, tmp_path):
    namespace = {"__name__": "__main__"}
    exec("class Mine:\n    def fit(self, X):\n        return ('fitted', X)\n", namespace)
    Mine = namespace["Mine"]
    ours.wrap_method(Mine, "fit", observe)
    (tmp_path / "mine.pickle").write_bytes(cloudpickle.dumps(Mine().fit))
    code = f"""
import sys
sys.modules['autotrack'] = None  # importing it raises ImportError
import pickle
fit = pickle.load(open({str(tmp_path / "mine.pickle")!r}, 'rb'))
print(fit(3))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "('fitted', 3)\n", done.stderr


def test_a_family_is_its_present_and_future_classes_each_with_its_own_methods(toy, ours, observe, seen):
    Base, Child, Heir = toy.inner.Base, toy.inner.Child, toy.inner.Heir
    held = {cls: dict(vars(cls)) for cls in (Base, Child, Heir)}
    ours.wrap_family(Base, ["fit", "fit_predict"], observe)

    class Late(Child):
        def fit(self, X):
            return self

        def fit_predict(self, X):
            return self.fit(X)

    Late().fit_predict(1)
    Heir().fit(1)
    assert Late.made, "the framework's own __init_subclass__ has run"
    assert seen == ["before", "before", "after", "after", "before", "after"], "fit inside fit_predict, then an inherited one"
    late_fit = vars(Late)["fit"]
    ours.restore()
    assert all(vars(cls).get(name) is value for cls, names in held.items() for name, value in names.items())
    assert "__init_subclass__" not in vars(Heir)
    assert vars(Late)["fit"] is late_fit.__wrapped__


def test_a_family_whose_base_has_no_hook_of_its_own_gets_one_and_loses_it(ours, observe, seen):
    class Base:
        pass

    ours.wrap_family(Base, ["fit"], observe)

    class Late(Base):
        def fit(self):
            return 1

    assert Late().fit() == 1
    assert seen == ["before", "after"]
    ours.restore()
    assert "__init_subclass__" not in vars(Base)


def test_what_is_no_method_in_a_family_is_left_alone(ours, observe):
    class Base:
        fit = None

    class Odd(Base):
        fit = property(lambda self: None)

    ours.wrap_family(Base, ["fit"], observe)
    assert (Base.fit, Odd().fit) == (None, None)


def test_what_is_called_without_the_instance_is_left_alone(ours, observe):
    class Base: ...

    class Bound(Base):
        fit = [].append

    class Method(Base):
        fit = types.MethodType(lambda one, X: (one, X), "one")

    class Mocked(Base):
        fit = mock.Mock(return_value="fitted")

    ours.wrap_family(Base, ["fit"], observe)
    assert (Bound().fit(1), Method().fit(2), Mocked().fit(3)) == (None, ("one", 2), "fitted")
    Mocked.fit.assert_called_once_with(3)


def test_a_class_that_nobody_holds_any_more_is_let_go(ours, observe):
    import gc
    import weakref

    class Base:
        pass

    ours.wrap_family(Base, ["fit"], observe)

    def make():
        class Late(Base):
            def fit(self):
                return super()

        Late().fit()
        return weakref.ref(Late)

    late = make()
    gc.collect()
    assert late() is None


@pytest.mark.parametrize("path", ["Base.fit", "train"])
def test_an_exception_passes_as_it_is_with_one_frame_of_ours(toy, ours, observe, seen, path):
    error = KeyError("theirs")

    def failing(*args):
        raise error

    owner = toy.inner.Base if path == "Base.fit" else toy.inner
    setattr(owner, path.split(".")[-1], failing)
    ours.wrap_target(toy.inner, path, observe)
    with pytest.raises(KeyError) as caught:
        owner.fit(1, 2) if path == "Base.fit" else toy.inner.train(1)
    assert caught.value is error
    assert error.__context__ is None
    assert [frame.name for frame in traceback.extract_tb(error.__traceback__)] == [
        "test_an_exception_passes_as_it_is_with_one_frame_of_ours",
        "observed",
        "failing",
    ]
    assert seen == ["before", "KeyError"]


def test_a_warning_with_a_stacklevel_lands_on_the_users_line(toy, ours, observe, caplog):
    ours.wrap_target(toy.inner, "grumble", observe)
    with warnings.catch_warnings(record=True) as caught, caplog.at_level(logging.WARNING):
        warnings.simplefilter("always")
        toy.inner.grumble()
    assert caught[0].filename == __file__
    if sys.version_info >= (3, 11):  # logging steps over such frames since then
        assert caplog.records[0].pathname == __file__


def test_a_foreign_wrapper_on_top_stays_and_ours_goes_dormant(toy, ours, observe, seen):
    ours.wrap_target(toy.inner, "Base.fit", observe)
    wrapped = toy.inner.Base.fit
    toy.inner.Base.fit = foreign = lambda self, X: wrapped(self, X)
    ours.restore()
    assert vars(toy.inner.Base)["fit"] is foreign
    toy.inner.Base().fit(1)
    assert seen == []
    assert not is_observed(wrapped)


def test_what_had_to_go_dormant_makes_way_for_its_original_the_next_time(toy, ours, observe, seen):
    original = toy.inner.Base.fit
    ours.wrap_target(toy.inner, "Base.fit", observe)
    dormant = toy.inner.Base.fit
    toy.inner.Base.fit = lambda self, X: dormant(self, X)
    ours.restore()
    toy.inner.Base.fit = dormant  # the foreign one is taken off
    ours.wrap_target(toy.inner, "Base.fit", observe)
    toy.inner.Base().fit(1)
    assert seen == ["before", "after"]
    ours.restore()
    assert toy.inner.Base.fit is original


def test_wrapping_twice_is_wrapping_once(toy, ours, observe, seen):
    for _ in range(2):
        ours.wrap_target(toy.inner, "Base.fit", observe)
        ours.wrap_target(toy.inner, "train", observe)
    toy.inner.Base().fit(1)
    toy.inner.train(1)
    assert seen == ["before", "after"] * 2


def test_two_integrations_may_observe_one_function(toy, ours, observe, seen):
    other, also = Patches(), []
    original, fit = toy.inner.train, toy.inner.Base.fit
    for path in ("train", "Base.fit"):
        ours.wrap_target(toy.inner, path, observe)
        other.wrap_target(toy.inner, path, lambda patch, args, kwargs: Around(also, args, kwargs))
    toy.inner.train(1)
    toy.inner.Base().fit(1)
    assert seen == also == ["before", "after"] * 2
    assert pickle.loads(pickle.dumps(toy.inner.train)) is toy.inner.train
    other.restore()
    ours.restore()
    assert (toy.inner.train, toy.inner.Base.fit) == (original, fit)
    assert type(toy.inner.train) is types.FunctionType


def test_a_foreign_wrapper_that_tells_what_it_wraps_is_not_wrapped_again(toy, ours, observe, seen):
    import functools

    ours.wrap_target(toy.inner, "Base.fit", observe)
    wrapped = toy.inner.Base.fit
    toy.inner.Base.fit = functools.wraps(wrapped)(lambda self, X: wrapped(self, X))
    ours.wrap_target(toy.inner, "Base.fit", observe)
    toy.inner.Base().fit(1)
    assert seen == ["before", "after"]


def test_where_nothing_is_asked_the_call_goes_through(toy, ours):
    ours.wrap_target(toy.inner, "train", lambda patch, args, kwargs: None)
    assert toy.inner.train(1) == ("trained", 1, 1)


@pytest.mark.parametrize("path", ["lost", "Lost.fit", "Base.lost"])
def test_a_target_that_is_not_there_is_said_to_be_missing(toy, ours, observe, path):
    with pytest.raises(TargetMissing, match=f"toyframework.inner has no {path}"):
        ours.wrap_target(toy.inner, path, observe)


def test_what_cannot_be_wrapped_is_said_to_be_missing(toy, ours, observe):
    with pytest.raises(TargetMissing, match="is a class, not a function"):
        ours.wrap_target(toy.inner, "Base", observe)
    with pytest.raises(TargetMissing, match=r"builtins\.list\.append cannot be replaced"):
        ours.wrap_target(sys.modules["builtins"], "list.append", observe)


def test_only_our_wrappers_are_taken_for_ours(toy, ours, observe):
    ours.wrap_target(toy.inner, "Base.fit", observe)
    ours.wrap_target(toy.inner, "train", observe)
    assert patch_of(toy.inner.Base.fit).original is toy.inner.Base.fit.__wrapped__
    assert patch_of(toy.inner.train).is_method is False
    assert [patch_of(thing) for thing in (toy.inner.score, print, 3, patches.closure)] == [None] * 4


@pytest.mark.slow
def test_patching_two_hundred_classes_takes_milliseconds(ours, observe):
    import time

    class Base:
        pass

    classes = [type(f"C{i}", (Base,), {"fit": lambda self: 1, "fit_predict": lambda self: 2}) for i in range(200)]
    began = time.perf_counter()
    ours.wrap_family(Base, ["fit", "fit_transform", "fit_predict"], observe)
    assert time.perf_counter() - began < 0.1, "some 4 ms when nothing else runs"
    assert all(is_observed(cls.fit) for cls in classes)
