import functools
import math
import pickle
import sys
import threading
import types

import joblib
import pytest

from autotrack.instrument import Integration, current_fit
from autotrack.instrument.patches import Patches
from autotrack.instrument.threads import TARGET, Task, belonging, spread


class Ensemble:
    def __init__(self, task=None, parallel=None):
        self.task, self.parallel = task or member, parallel or joblib.Parallel(2, backend="threading")

    def fit(self):
        self.seen = self.parallel(joblib.delayed(self.task)() for _ in range(4))
        return self


class Member:
    def fit(self):
        return threading.get_ident()


def member():
    return Member().fit()


@pytest.fixture(autouse=True)
def observed(monkeypatch):
    framework = types.ModuleType("toythreads")
    framework.Ensemble, framework.Member = Ensemble, Member
    monkeypatch.setitem(sys.modules, "toythreads", framework)
    integration = Integration("toythreads", requires="toythreads")

    @integration.fit("toythreads:Ensemble.fit", "toythreads:Member.fit")
    def observe(fit, call):
        yield

    integration.enable()
    patches = Patches()
    patches.wrap_target(joblib.parallel, TARGET, spread)
    yield
    patches.restore()
    integration.disable()


@pytest.mark.parametrize("n_jobs", [1, 2, 4])
def test_a_fit_that_joblib_spreads_over_threads_is_one_run(tracked, n_jobs):
    Ensemble(parallel=joblib.Parallel(n_jobs, backend="threading")).fit()
    run = tracked.run()
    assert run.name.startswith("Ensemble")
    assert run.metrics["time/n_fits/Member"] == 4


def test_the_threads_of_joblib_do_not_keep_the_fit(tracked):
    meeting = threading.Barrier(2)

    def in_a_fit():
        meeting.wait(5)  # so that each of the two threads has tasks
        return current_fit() is not None

    with joblib.Parallel(2, backend="threading", batch_size=1) as parallel:
        assert Ensemble(in_a_fit, parallel).fit().seen == [True] * 4
        assert parallel(joblib.delayed(in_a_fit)() for _ in range(4)) == [False] * 4


def test_without_a_fit_the_tasks_are_left_alone(tracked):
    assert len(set(joblib.Parallel(n_jobs=2, backend="threading")(joblib.delayed(len)([1] * n) for n in range(4)))) == 4
    assert tracked.runs() == []


def test_each_task_of_a_users_parallel_call_is_a_run_of_its_own(tracked):
    joblib.Parallel(n_jobs=2, backend="threading")(joblib.delayed(member)() for _ in range(3))
    assert len(tracked.runs()) == 3


def test_processes_get_the_tasks_without_anything_of_ours(tracked):
    assert Ensemble(functools.partial(math.sqrt, 9), joblib.Parallel(2, backend="loky")).fit().seen == [3.0] * 4
    tracked.run()


def test_a_task_pickles_as_a_partial_of_the_function():
    assert b"autotrack" not in pickle.dumps(Task(len, None, None))
    assert isinstance(pickle.loads(pickle.dumps(Task(len, None, None))), functools.partial)


def test_a_task_answers_for_the_function():
    def work():
        return 1

    work.config = {"a": 1}
    assert Task(work, None, None).config == {"a": 1}


def test_tasks_are_taken_lazily_and_a_list_keeps_its_length():
    taken = []

    def tasks():
        for n in range(3):
            taken.append(n)
            yield len, ([1],), {}

    lazily = belonging(tasks(), None, None)
    next(iter(lazily))
    assert taken == [0]
    assert len(belonging([(len, ([1],), {})] * 3, None, None)) == 3


def test_an_error_in_a_task_is_the_users_own(tracked):
    with pytest.raises(ZeroDivisionError):
        Ensemble(functools.partial(divmod, 1, 0)).fit()
    assert current_fit() is None
