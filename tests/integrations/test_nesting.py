"""The outermost fit owns the run; an engine joins its host; everything else inside is silent. With real frameworks."""

import threading

import joblib
import numpy as np
import pytest
import xgboost as xgb
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    GradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import RFE, SelectFromModel
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.tree import DecisionTreeClassifier

import autotrack
from autotrack.instrument import loader

X = np.random.RandomState(0).randn(120, 4)
y = (X[:, 0] + 0.5 * np.random.RandomState(1).randn(120) > 0).astype(int)


def booster(**more):
    return xgb.XGBClassifier(n_estimators=3, max_depth=2, n_jobs=1, **more)


@pytest.fixture
def observed(tracked):
    loader.autolog("sklearn", "xgboost")
    yield tracked
    loader.disable()


def curves(run):
    return [key for key in run.statistics if not key.startswith("system/")]


def test_a_booster_in_a_pipeline_keeps_its_curve(observed):
    pipe = Pipeline([("scale", StandardScaler()), ("model", booster())])
    pipe.fit(X, y, model__eval_set=[(X, y)], model__verbose=False)
    run = observed.run()
    assert observed.tree() == {"Pipeline": []}
    assert len(run.history("val/logloss")) == 3  # inside, the training data is scaled: another object
    assert run.params["model__max_depth"] == 2


@pytest.mark.parametrize(
    "ensemble",
    [
        VotingClassifier([("a", booster()), ("b", LogisticRegression())]),
        StackingClassifier([("a", booster()), ("b", LogisticRegression())], cv=2),
        BaggingClassifier(booster(), n_estimators=2),
        AdaBoostClassifier(DecisionTreeClassifier(max_depth=1), n_estimators=2),
        CalibratedClassifierCV(booster(), cv=2),
        RFE(booster(), n_features_to_select=2),
        SelfTrainingClassifier(booster()),
        RandomForestClassifier(3),
    ],
    ids=lambda ensemble: type(ensemble).__name__,
)
def test_an_ensemble_is_one_run_and_its_members_have_no_curves_there(observed, ensemble):
    target = np.where(np.arange(120) % 4, y, -1) if isinstance(ensemble, SelfTrainingClassifier) else y
    ensemble.fit(X, target)
    assert observed.tree() == {type(ensemble).__name__: []}
    assert "time/round_s" not in curves(observed.run())


@pytest.mark.parametrize(
    ("backend", "kind"), [("threading", OneVsRestClassifier), ("threading", MultiOutputClassifier), ("loky", OneVsRestClassifier)]
)
def test_so_it_is_when_joblib_spreads_it(observed, backend, kind):
    target = np.c_[y, 1 - y] if kind is MultiOutputClassifier else np.arange(120) % 3
    with joblib.parallel_backend(backend, n_jobs=2):
        kind(booster(), n_jobs=2).fit(X, target)
    assert observed.tree() == {kind.__name__: []}


def test_a_selector_silences_the_forest_in_it(observed):
    SelectFromModel(RandomForestClassifier(2)).fit(X, y)
    assert observed.runs() == []


def test_a_pipeline_tells_how_long_its_steps_took_and_an_ensemble_its_members(observed):
    make_pipeline(StandardScaler(), VotingClassifier([("a", Ridge()), ("b", LogisticRegression())][1:])).fit(X, y)
    metrics = observed.run().metrics
    assert metrics["time/n_fits/votingclassifier"] == 1
    assert metrics["time/n_fits/LogisticRegression"] == 1


def test_a_search_over_a_pipeline_with_a_booster(observed):
    pipe = make_pipeline(StandardScaler(), booster())
    GridSearchCV(pipe, {"xgbclassifier__max_depth": [1, 2]}, cv=2).fit(X, y)
    run = observed.run()
    assert observed.tree() == {"GridSearchCV": ["xgbclassifier__max_depth=1", "xgbclassifier__max_depth=2"]}
    assert len(run.history("time/round_s")) == 3


def test_a_cross_validation_of_a_booster_has_scores_and_no_curves(observed):
    cross_val_score(booster(), X, y, cv=2)
    assert curves(observed.run()) == ["test/score"]


def test_the_users_own_estimator_that_trains_a_booster_is_its_host(observed):
    class Mine(ClassifierMixin, BaseEstimator):
        def __init__(self, depth=2):
            self.depth = depth

        def fit(self, X, y):
            self.booster_ = xgb.train({"max_depth": self.depth, "nthread": 1}, xgb.DMatrix(X, y), 4)
            return self

        def predict(self, X):
            return self.booster_.predict(xgb.DMatrix(X))

    Mine(depth=1).fit(X, y)
    run = observed.run()
    assert observed.tree() == {"Mine": []}
    assert run.params["depth"] == 1
    assert len(run.history("time/round_s")) == 4


def test_super_fit_is_part_of_the_same_fit(observed):
    class Louder(GradientBoostingClassifier):
        def fit(self, X, y):
            return super().fit(X, y)

    Louder(n_estimators=4, max_depth=1).fit(X, y)
    assert observed.tree() == {"Louder": []}
    assert len(observed.run().history("train/loss")) == 4


def test_the_first_fit_in_a_users_run_is_the_run_and_the_next_is_a_child(observed):
    with autotrack.start_run("mine"):
        LogisticRegression(C=3).fit(X, y)
        booster().fit(X, y)
    run = observed.run()
    assert run.name == "mine"
    assert run.params["C"] == 3
    assert [child.params["max_depth"] for child in run.children()] == [2]


def test_a_search_in_a_users_run_has_its_candidates_there(observed):
    with autotrack.start_run("mine"):
        GridSearchCV(LogisticRegression(), {"C": [1, 2]}, cv=2).fit(X, y)
    assert observed.tree() == {"mine": ["C=1", "C=2"]}


def test_three_threads_of_the_user_are_three_whole_runs(observed):
    def work(depth):
        booster().set_params(max_depth=depth).fit(X, y, eval_set=[(X, y)], verbose=False)

    threads = [threading.Thread(target=work, args=(depth,)) for depth in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    runs = observed.runs()
    assert sorted(run.params["max_depth"] for run in runs) == [1, 2, 3]
    assert [len(run.history("train/logloss")) for run in runs] == [3, 3, 3]
    assert {run.status for run in runs} == {"finished"}


def test_xgboost_alone_is_observed_where_scikit_learn_is_not(tracked):
    loader.autolog("xgboost")
    booster().fit(X, y, eval_set=[(X, y)], verbose=False)
    assert len(tracked.run().history("train/logloss")) == 3
    loader.disable()


def test_a_fit_that_fails_inside_a_search_leaves_nothing_open(observed):
    class Sometimes(LogisticRegression):
        def fit(self, X, y):
            if self.C == 2:
                raise ValueError("not this one")
            return super().fit(X, y)

    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        GridSearchCV(Sometimes(), {"C": [1, 2]}, cv=2).fit(X, y)
    LogisticRegression().fit(X, y)
    assert observed.tree() == {"GridSearchCV": ["C=1", "C=2"], "LogisticRegression": []}
    assert [run.status for run in observed.runs() if run.parent_id is None] == ["finished", "finished"]


def test_a_clone_of_a_fitted_model_is_a_model_of_its_own(observed):
    model = Ridge(alpha=2).fit(X, y)
    clone(model).fit(X, y)
    assert [run.params["alpha"] for run in observed.runs()] == [2, 2]
