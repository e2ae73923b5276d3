"""How an autologger hurts its user, and must not: each with the real framework. "Plain" is without autolog."""

import copy
import gc
import inspect
import io
import logging
import pickle
import random
import re
import subprocess
import sys
import textwrap
import threading
import warnings
import weakref

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import xgboost as xgb
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.cluster import KMeans
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import LabelEncoder, StandardScaler
from sklearn.utils.validation import has_fit_parameter

from autotrack.instrument import loader
from autotrack.recording.tracker import tracker

X = np.random.RandomState(0).randn(120, 4)
y = (X[:, 0] + 0.5 * np.random.RandomState(1).randn(120) > 0).astype(int)


@pytest.fixture
def observed(tracked):
    loader.autolog("sklearn", "xgboost")
    yield tracked
    loader.disable()


def plainly(function):
    """What a function gives without autolog."""
    loader.disable()
    try:
        return function()
    finally:
        loader.autolog("sklearn", "xgboost")


MODELS = [
    lambda: LogisticRegression(random_state=np.random.RandomState(5)),
    lambda: SGDClassifier(random_state=np.random.RandomState(5), max_iter=5, tol=None),
    lambda: RandomForestClassifier(3, random_state=np.random.RandomState(5)),
    lambda: GradientBoostingClassifier(n_estimators=3, subsample=0.5, random_state=np.random.RandomState(5)),
    lambda: MLPClassifier((3,), max_iter=3, random_state=np.random.RandomState(5)),
    lambda: KMeans(2, n_init=1, random_state=np.random.RandomState(5)),
    lambda: xgb.XGBClassifier(n_estimators=3, subsample=0.5, n_jobs=1, random_state=np.random.RandomState(5)),
    lambda: xgb.XGBClassifier(n_estimators=3, subsample=0.5, n_jobs=1, random_state=np.random.default_rng(5)),
    lambda: make_pipeline(StandardScaler(), xgb.XGBClassifier(n_estimators=3, n_jobs=1, random_state=np.random.RandomState(5))),
    lambda: GridSearchCV(
        xgb.XGBClassifier(n_estimators=2, n_jobs=1, subsample=0.5, random_state=np.random.RandomState(5)), {"max_depth": [1, 2]}, cv=2
    ),
    lambda: RandomForestClassifier(3),
    lambda: MLPClassifier((3,), max_iter=3),
]


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_random_state_and_result_are_those_of_the_plain_program(observed, make):
    def program():
        random.seed(3)
        np.random.seed(3)
        model = make()
        model.fit(X, y)
        source = model.get_params().get("random_state")
        drawn = source.integers(1 << 30) if isinstance(source, np.random.Generator) else source.randint(1 << 30) if hasattr(source, "randint") else 0
        return model.predict(X).tolist(), random.random(), np.random.rand(), drawn

    assert program() == plainly(program)


def test_the_original_is_called_once_with_the_users_own_objects(observed):
    seen = []

    class Mine(ClassifierMixin, BaseEstimator):
        def fit(self, X, y, **more):
            seen.append((X, y, more))
            return "what it returned"

        def predict(self, X):
            raise AssertionError("nobody asked")

        score = predict_proba = transform = predict

    extra = object()
    assert Mine().fit(X, y, extra=extra) == "what it returned"
    assert len(seen) == 1
    assert seen[0][0] is X
    assert seen[0][1] is y
    assert seen[0][2] == {"extra": extra}


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit(3)], ids=lambda error: type(error).__name__)
def test_an_exception_is_the_same_object(observed, error):
    class Mine(Ridge):
        def fit(self, X, y):
            raise error

    with pytest.raises(type(error)) as caught:
        Mine().fit(X, y)
    assert caught.value is error
    assert error.__context__ is None
    assert observed.run().status == ("interrupted" if isinstance(error, KeyboardInterrupt) else "failed")


@pytest.mark.parametrize("model", [LogisticRegression(), KMeans(2, n_init=1), xgb.XGBClassifier(n_estimators=2, n_jobs=1)])
def test_no_attribute_is_added_to_an_estimator(observed, model):
    seen = sorted(vars(clone(model).fit(X, y)))
    assert seen == plainly(lambda: sorted(vars(clone(model).fit(X, y))))


def test_no_mark_on_matrices_and_boosters(observed):
    matrix = xgb.DMatrix(X, y)
    before = dict(vars(matrix))
    booster = xgb.train({"nthread": 1}, matrix, 2)
    assert vars(matrix) == before
    assert booster.attributes() == {}


def test_joblibs_hash_of_a_model_stays(observed):
    hashed = joblib.hash(Ridge().fit(X, y))
    assert hashed == plainly(lambda: joblib.hash(Ridge().fit(X, y)))


def test_a_pipelines_cache_is_found_again(observed, tmp_path):
    calls = []

    class Counted(StandardScaler):
        def fit(self, X, y=None):
            calls.append(1)
            return super().fit(X, y)

    # memory keys are the transformer and its data: both programs ask for the same
    def program():
        Pipeline([("scale", StandardScaler()), ("model", Ridge())], memory=joblib.Memory(tmp_path, verbose=0)).fit(X, y)
        return len(list(tmp_path.rglob("output.pkl")))

    assert program() == 1
    assert plainly(program) == 1
    assert calls == []


def test_no_thread_no_variable_no_handler_no_filter_is_left(observed):
    def surroundings():
        return list(logging.getLogger().handlers), logging.getLogger().level, list(warnings.filters)

    before, threads = surroundings(), set(threading.enumerate())
    LogisticRegression().fit(X, y)
    xgb.train({"nthread": 1}, xgb.DMatrix(X, y), 2)
    assert surroundings() == before
    assert [thread.name for thread in threading.enumerate() if thread not in threads and not thread.daemon] == []


@pytest.mark.parametrize("cls", [LogisticRegression, Ridge, KMeans, GradientBoostingClassifier, Pipeline, GridSearchCV, xgb.XGBClassifier])
def test_signatures_names_and_docs_stay(observed, cls):
    def looks():
        return inspect.signature(cls.fit), cls.fit.__name__, cls.fit.__qualname__, cls.fit.__doc__, cls.fit.__module__

    assert looks() == plainly(looks)


def test_what_asks_for_parameters_of_fit_gets_them(observed):
    assert has_fit_parameter(Ridge(), "sample_weight")
    assert not has_fit_parameter(KMeans(2), "weights")
    assert hasattr(Ridge(), "set_fit_request")
    assert list(inspect.signature(xgb.train).parameters)[:3] == ["params", "dtrain", "num_boost_round"]


def test_metadata_routing_is_built_from_the_signature(observed):
    class Mine(Ridge):
        def fit(self, X, y, sample_weight=None, flavour=None):
            return super().fit(X, y, sample_weight)

    assert "flavour" in inspect.signature(Mine().set_fit_request).parameters


def test_methods_that_are_only_there_sometimes_are_so_still(observed):
    assert not hasattr(make_pipeline(StandardScaler()), "fit_predict")
    assert hasattr(make_pipeline(StandardScaler(), KMeans(2)), "fit_predict")
    assert not hasattr(OneVsRestClassifier(KMeans(2)), "partial_fit")
    assert hasattr(OneVsRestClassifier(SGDClassifier()), "partial_fit")


def test_an_estimator_that_is_no_base_estimator_is_let_alone(observed):
    class Duck:
        def fit(self, X, y):
            return self

        def predict(self, X):
            return np.zeros(len(X))

        def get_params(self, deep=True):
            return {}

    Duck().fit(X, y)
    assert observed.runs() == []


@pytest.mark.parametrize(
    "model", [LogisticRegression(), xgb.XGBClassifier(n_estimators=2, n_jobs=1), make_pipeline(StandardScaler(), Ridge())], ids=str
)
def test_models_and_their_methods_pickle_copy_and_clone(observed, model):
    model = clone(model).fit(X, y)
    for thing in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model), copy.copy(model), clone(model).fit(X, y)):
        assert thing.predict(X).tolist() == model.predict(X).tolist()
    assert pickle.loads(pickle.dumps(model.fit)).__self__.get_params().keys() == model.get_params().keys()
    assert copy.deepcopy(model.fit).__name__ == "fit"
    assert b"autotrack" not in pickle.dumps(model) + pickle.dumps(model.fit) + pickle.dumps(xgb.train)


def test_a_pickled_monitor_or_callback_is_nowhere_in_a_model(observed):
    model = GradientBoostingClassifier(n_estimators=2).fit(X, y)
    assert b"autotrack" not in pickle.dumps(model)
    booster = xgb.train({"nthread": 1}, xgb.DMatrix(X, y), 2, callbacks=[xgb.callback.EvaluationMonitor()], evals=())
    assert b"autotrack" not in pickle.dumps(booster)


def test_a_model_that_is_let_go_is_let_go(observed):
    model = GradientBoostingClassifier(n_estimators=2).fit(X, y)
    data = np.random.RandomState(0).randn(50, 2)
    other = Ridge().fit(data, data[:, 0])
    gone, gone_data = weakref.ref(model), weakref.ref(data)
    del model, data, other
    gc.collect()
    assert gone() is None
    assert gone_data() is None


def test_a_list_of_callbacks_used_three_times_stays_and_each_run_has_its_points(observed):
    callbacks = [xgb.callback.LearningRateScheduler(lambda epoch: 0.1)]
    matrix = xgb.DMatrix(X, y)
    for _ in range(3):
        xgb.train({"nthread": 1}, matrix, 4, evals=[(matrix, "train")], callbacks=callbacks, verbose_eval=False)
    assert len(callbacks) == 1
    assert [len(run.history("train/rmse")) for run in observed.runs()] == [4, 4, 4]


def test_warnings_are_the_same_at_the_same_place(observed):
    def program():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            LogisticRegression(max_iter=1).fit(X, y)
            GridSearchCV(LogisticRegression(max_iter=1), {"C": [1, -1]}, cv=2).fit(X, y)
            xgb.train({"nthread": 1, "nonsense": 1}, xgb.DMatrix(X, y), 1)
        return [(warning.category, re.sub(r"\d\d:\d\d:\d\d", "", str(warning.message))[:200], warning.filename, warning.lineno) for warning in caught]

    assert program() == plainly(program)


def test_logging_that_the_user_sets_up_afterwards_works(observed):
    LogisticRegression().fit(X, y)
    stream = io.StringIO()
    logger = logging.getLogger("of.the.user")
    logger.addHandler(logging.StreamHandler(stream))
    logger.warning("hello")
    assert stream.getvalue() == "hello\n"
    assert logging.getLogger().handlers == plainly(lambda: logging.getLogger().handlers)


def test_a_one_shot_iterator_of_data_reaches_the_framework_whole(observed):
    class Rows(xgb.DataIter):
        def __init__(self):
            super().__init__()
            self.at = 0

        def next(self, input_data):
            if self.at == 3:
                return False
            part = slice(self.at * 40, (self.at + 1) * 40)
            input_data(data=X[part], label=y[part])
            self.at += 1
            return True

        def reset(self):
            self.at = 0

    matrix = xgb.QuantileDMatrix(Rows())
    xgb.train({"nthread": 1}, matrix, 2)
    assert observed.run().environment["datasets"]["train"]["shape"] == [120, 4]


def test_a_generator_as_data_is_not_consumed(observed):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.naive_bayes import MultinomialNB

    texts = (text for text in ["a bird", "a plane", "a bird"])
    make_pipeline(TfidfVectorizer(), MultinomialNB()).fit(texts, [0, 1, 0])
    assert observed.run().status == "finished"
    assert observed.run().environment["datasets"]["train"]["type"] == "generator"


def test_data_and_estimators_that_answer_no_question_are_no_failure(observed, caplog):
    class Mute:
        def __getattr__(self, name):
            raise RuntimeError(name)

        def __len__(self):
            raise RuntimeError

    class Curt(BaseEstimator):
        def __getattr__(self, name):
            raise RuntimeError(name)

        def fit(self, X, y=None):
            self.n_iter_ = 3
            return self

        def predict(self, X):
            return X

    model = Curt()
    assert model.fit(Mute(), Mute()) is model
    assert observed.run().metrics["n_iter"] == 3
    assert observed.run().environment["datasets"]["train"] == {"type": "Mute", "target": {"type": "Mute"}}
    assert caplog.messages == []


class Unread(BaseEstimator):
    """An estimator that does not look at its data."""

    def fit(self, X, y=None):
        return self

    def predict(self, X):
        return X


def test_objects_in_a_table_are_not_written_out(observed):
    class Cell:
        def __repr__(self):
            pytest.fail("written out")

    hashes = []
    for _ in range(2):
        Unread().fit(pd.DataFrame({"cell": [Cell() for _ in range(3)], "text": ["a", "b", "x" * 5_000]}), y[:3])
        hashes.append(observed.runs()[-1].environment["datasets"]["train"]["hash"])
    assert hashes[0] == hashes[1]


def test_sparse_input_is_never_made_dense(observed, monkeypatch):
    matrix = scipy.sparse.random(200, 5_000, 0.01, format="csr", random_state=0)
    for name in ("toarray", "todense"):
        monkeypatch.setattr(type(matrix), name, lambda self, *args, **kwargs: pytest.fail("made dense"))
    Ridge(solver="sag", max_iter=2, tol=1).fit(matrix, np.arange(200))
    assert observed.run().environment["datasets"]["train"]["shape"] == [200, 5_000]


def test_data_is_not_copied_nor_changed(observed):
    class Mine(Ridge):
        def fit(self, X, y):
            assert X is frame
            return super().fit(X, y)

    frame = pd.DataFrame(X)
    before = frame.copy()
    Mine().fit(frame, y)
    pd.testing.assert_frame_equal(frame, before)


def test_the_trackers_own_trouble_never_surfaces(observed, monkeypatch):
    from autotrack.errors import BackendUnavailable

    def dead(batch):
        raise BackendUnavailable("away")

    monkeypatch.setattr(tracker().backend, "write", dead)
    model = LogisticRegression().fit(X, y)
    assert model.coef_.tolist() == plainly(lambda: LogisticRegression().fit(X, y)).coef_.tolist()
    monkeypatch.undo()
    assert tracker().flush()
    assert observed.run().status == "finished"


def test_strange_parameters_are_kept_and_are_no_error(observed):
    class Strange(Ridge):
        def __init__(self, alpha=1.0, many=None, table=None, call=None, inner=None, number=None, text=None, words=None):
            super().__init__(alpha=alpha)
            self.many, self.table, self.call, self.inner, self.number, self.text, self.words = many, table, call, inner, number, text, words

        def fit(self, X, y):
            self.coef_ = np.zeros(4)
            return self

    Strange(
        many={3, 1, 2}, table=pd.DataFrame(X), call=np.mean, inner=LabelEncoder(), number=np.float32(0.5), text="x" * 5_000, words=None
    ).fit(X, y)
    params = observed.run().params
    assert params["number"] == 0.5
    assert params["many"] == [1, 2, 3]
    assert params["inner"] == "LabelEncoder"
    assert params["words"] is None
    assert len(params["text"]) < 600


def test_arguments_given_by_position_are_read_by_name(observed):
    matrix = xgb.DMatrix(X, y)
    xgb.train({"nthread": 1}, matrix, 7)
    Ridge().fit(X, y, np.ones(120))
    assert observed.runs()[0].params["num_boost_round"] == 7


def test_forked_and_spawned_workers_open_no_runs(observed):
    with joblib.parallel_backend("loky", n_jobs=2):
        GridSearchCV(LogisticRegression(), {"C": [1, 2]}, cv=2, n_jobs=2).fit(X, y)
        joblib.Parallel(n_jobs=2)(joblib.delayed(Ridge().fit)(X, y) for _ in range(2))
    assert observed.tree() == {"GridSearchCV": ["C=1", "C=2"]}


def test_a_spawned_worker_that_imports_the_program_opens_no_run_for_its_fits(tmp_path):
    (tmp_path / "train.py").write_text(
        textwrap.dedent("""
            import autotrack; autotrack.autolog()
            import multiprocessing
            from sklearn.linear_model import Ridge
            Ridge().fit([[1.0], [2.0]], [1.0, 2.0])  # again in each worker

            if __name__ == "__main__":
                with multiprocessing.get_context("spawn").Pool(2) as pool:
                    assert pool.map(abs, [-1, 1]) == [1, 1]
                autotrack.flush()
                print([run.name for run in autotrack.search_runs()])
        """)
    )
    done = subprocess.run([sys.executable, "train.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "['Ridge-1']\n", done.stderr


def test_a_fitted_model_of_a_program_that_observed_loads_in_one_without_autotrack(tmp_path):
    path = tmp_path / "model.pkl"
    write = f"""
        import os; os.environ["AUTOTRACK_URI"] = "memory:"
        import autotrack; autotrack.autolog()
        import pickle, numpy as np, xgboost as xgb
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        X = np.random.RandomState(0).randn(50, 3); y = X[:, 0] > 0
        model = make_pipeline(StandardScaler(), xgb.XGBClassifier(n_estimators=2, n_jobs=1)).fit(X, y)
        open({str(path)!r}, "wb").write(pickle.dumps([model, model.fit, xgb.train]))
    """
    read = f"""
        import sys; sys.modules["autotrack"] = None
        import pickle
        model, fit, train = pickle.loads(open({str(path)!r}, "rb").read())
        print(type(model).__name__, fit.__name__, train.__module__)
    """
    for program in (write, read):
        command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["Pipeline", "fit", "xgboost.training"]
