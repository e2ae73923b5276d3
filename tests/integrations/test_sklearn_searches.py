"""Searches and cross-validations: one run, a child for each candidate, no orphans, whatever the backend of joblib."""

import json
import warnings

import joblib
import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - it is what makes the halving searches importable
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    validation_curve,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from autotrack.instrument import loader

X = np.random.RandomState(0).randn(120, 4)
y = (X[:, 0] + 0.5 * np.random.RandomState(1).randn(120) > 0).astype(int)


@pytest.fixture
def observed(tracked):
    loader.autolog("sklearn")
    yield tracked
    loader.disable()


def table(run, name):
    return [json.loads(line) for line in run.artifact(f"{name}.jsonl").read_text().splitlines()]


def test_a_search_is_one_run_with_a_child_per_candidate(observed):
    GridSearchCV(LogisticRegression(), {"C": [1, 2]}, cv=2).fit(X, y)
    assert observed.tree() == {"GridSearchCV": ["C=1", "C=2"]}


@pytest.mark.parametrize(("backend", "n_jobs"), [("loky", 2), ("threading", 2)])
def test_so_it_is_in_other_processes_and_threads(observed, backend, n_jobs):
    with joblib.parallel_backend(backend):
        GridSearchCV(LogisticRegression(), {"C": [1, 2]}, cv=2, n_jobs=n_jobs).fit(X, y)
    assert observed.tree() == {"GridSearchCV": ["C=1", "C=2"]}


def test_the_search_says_what_was_best_and_how_much_was_tried(observed):
    search = GridSearchCV(LogisticRegression(), {"C": [0.01, 1, 100]}, cv=3).fit(X, y)
    run = observed.run()
    assert run.params["estimator"] == "LogisticRegression"
    assert run.params["estimator__C"] == 1.0
    assert run.params["param_grid.C"] == [0.01, 1, 100]
    assert run.metrics["best_score"] == search.best_score_
    assert run.metrics["best/C"] == search.best_params_["C"]
    assert (run.metrics["n_candidates"], run.metrics["n_splits"], run.metrics["n_fits"]) == (3, 3, 9)
    assert run.metrics["time/refit_s"] == search.refit_time_


def test_a_child_has_all_that_the_search_knows_of_its_candidate(observed):
    search = GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 3]}, cv=2, return_train_score=True).fit(X, y)
    child = observed.run().children()[1]
    assert child.params == {"max_depth": 3}
    wanted = {name: values[1] for name, values in search.cv_results_.items() if name.startswith(("mean_", "std_", "rank_"))}
    assert len(wanted) == 9
    assert {name: child.metrics[name] for name in wanted} == wanted


def test_a_childs_time_is_what_its_fits_took(observed):
    search = GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 3]}, cv=2).fit(X, y)
    run = observed.run()
    first, second = run.children()
    results = search.cv_results_
    for place, child in enumerate((first, second)):
        assert child.duration_s == pytest.approx(2 * (results["mean_fit_time"][place] + results["mean_score_time"][place]), abs=2e-3)
    assert run.started - 0.01 <= first.started <= second.started
    assert second.ended <= run.ended + 0.01


def test_all_candidates_are_rows_and_the_best_hundred_are_children(observed):
    search = GridSearchCV(DummyClassifier(), {"random_state": list(range(130))}, cv=2, refit=False).fit(X, y)
    run = observed.run()
    assert len(table(run, "cv_results")) == 130
    assert len(run.children()) == 100
    assert table(run, "cv_results")[7]["random_state"] == 7
    assert table(run, "cv_results")[7]["split1_test_score"] == search.cv_results_["split1_test_score"][7]


def test_the_hundred_are_the_best_by_rank(observed):
    grid = {"strategy": ["constant"], "constant": [0] * 60 + [1] * 60}
    GridSearchCV(DummyClassifier(), grid, cv=2, refit=False).fit(X, np.r_[np.zeros(100, int), np.ones(20, int)])
    constants = [child.params["constant"] for child in observed.run().children()]
    assert constants == [0] * 60 + [1] * 40


def test_a_candidate_that_fails_is_a_failed_child_and_the_search_goes_on(observed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        GridSearchCV(SVC(), {"C": [1, -1]}, cv=2).fit(X, y)
    run = observed.run()
    assert run.status == "finished"
    assert [child.status for child in run.children()] == ["finished", "failed"]
    assert np.isnan(run.children()[1].metrics["mean_test_score"])


def test_a_search_where_all_fail_is_failed_with_the_frameworks_words(observed):
    with pytest.raises(ValueError, match="All the 2 fits failed"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        GridSearchCV(SVC(), {"C": [-1]}, cv=2).fit(X, y)
    assert observed.run().status == "failed"


def test_a_search_by_several_scores_has_them_all(observed):
    GridSearchCV(LogisticRegression(), {"C": [1, 2]}, cv=2, scoring=["accuracy", "roc_auc"], refit="roc_auc").fit(X, y)
    assert {"mean_test_accuracy", "mean_test_roc_auc", "rank_test_roc_auc"} <= set(observed.run().children()[0].metrics)


def test_a_randomized_search_tells_its_distributions_and_draws_as_before(observed):
    import scipy.stats

    def search():
        return RandomizedSearchCV(LogisticRegression(), {"C": scipy.stats.uniform(0.1, 2)}, n_iter=3, cv=2, random_state=7).fit(X, y)

    seen = search().cv_results_["params"]
    loader.disable()
    assert seen == search().cv_results_["params"]
    assert [child.params for child in observed.run().children()] == seen


def test_a_halving_search_has_a_child_for_each_candidate_of_each_round(observed):
    HalvingGridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": [1, 2, 3, 4]}, cv=2, factor=2, min_resources=20).fit(X, y)
    run = observed.run()
    children = run.children()
    assert run.metrics["n_iterations"] == 3
    assert [child.metrics["iter"] for child in children] == [0] * 4 + [1] * 2 + [2] * 1
    assert {child.metrics["n_resources"] for child in children} == {20, 40, 80}


def test_estimators_among_the_candidates_have_their_names(observed):
    pipe = make_pipeline(StandardScaler(), LogisticRegression())
    GridSearchCV(pipe, {"logisticregression": [SVC(), DecisionTreeClassifier()]}, cv=2).fit(X, y)
    assert observed.tree() == {"GridSearchCV": ["logisticregression=SVC", "logisticregression=DecisionTreeClassifier"]}
    assert observed.run().children()[0].params["logisticregression"] == "SVC"


def test_a_search_inside_a_search_is_part_of_it(observed):
    inner = GridSearchCV(LogisticRegression(), {"C": [1, 2]}, cv=2)
    cross_val_score(inner, X, y, cv=2)
    assert observed.tree() == {"cross_val_score(GridSearchCV)": []}


def test_cross_validate_is_one_run_with_a_point_for_each_fold(observed):
    results = cross_validate(LogisticRegression(C=2), X, y, cv=3, scoring=["accuracy", "roc_auc"], return_train_score=True)
    run = observed.run()
    assert observed.tree() == {"cross_validate(LogisticRegression)": []}
    assert (run.params["estimator"], run.params["estimator__C"], run.params["cv"]) == ("LogisticRegression", 2, 3)
    assert run.history("test/accuracy").values.tolist() == results["test_accuracy"].tolist()
    assert run.history("test/accuracy").steps.tolist() == [0, 1, 2]
    assert run.history("train/roc_auc").values.tolist() == results["train_roc_auc"].tolist()
    assert run.metrics["mean_test_accuracy"] == results["test_accuracy"].mean()
    assert run.metrics["std_test_accuracy"] == results["test_accuracy"].std()
    assert run.history("time/fold_fit_s").values.tolist() == results["fit_time"].tolist()


@pytest.mark.parametrize("backend", ["sequential", "loky", "threading"])
def test_cross_val_score_is_one_run_though_it_calls_cross_validate(observed, backend):
    with joblib.parallel_backend(backend, n_jobs=2 if backend != "sequential" else 1):
        scores = cross_val_score(LogisticRegression(), X, y, cv=3)
    run = observed.run()
    assert observed.tree() == {"cross_val_score(LogisticRegression)": []}
    assert run.history("test/score").values.tolist() == scores.tolist()
    assert run.metrics["mean_test_score"] == scores.mean()
    assert run.metrics["n_fits"] == 3


def test_cross_val_predict_is_one_run(observed):
    cross_val_predict(LogisticRegression(), X, y, cv=2, method="predict_proba")
    assert observed.tree() == {"cross_val_predict(LogisticRegression)": []}
    assert observed.run().params["method"] == "predict_proba"


def test_a_learning_curve_goes_by_number_of_samples(observed):
    sizes, train, test = learning_curve(LogisticRegression(), X, y, cv=3, train_sizes=[0.5, 1.0])
    run = observed.run()
    assert run.history("test/score").steps.tolist() == sizes.tolist()
    assert run.history("test/score").values.tolist() == test.mean(axis=1).tolist()
    assert run.history("train/score").values.tolist() == train.mean(axis=1).tolist()
    assert run.artifact("curve.jsonl").meta["rows"] == 2


def test_a_validation_curve_has_the_values_in_its_table(observed):
    validation_curve(LogisticRegression(), X, y, param_name="C", param_range=[0.1, 1.0], cv=2)
    run = observed.run()
    assert run.params["param_name"] == "C"
    assert [row["C"] for row in table(run, "curve")] == [0.1, 1.0]


def test_a_permutation_test_has_its_score_and_p_value(observed):
    score, permuted, pvalue = permutation_test_score(LogisticRegression(), X, y, cv=2, n_permutations=5, random_state=0)
    run = observed.run()
    assert (run.metrics["score"], run.metrics["pvalue"]) == (score, pvalue)
    assert run.history("permutation/score").values.tolist() == permuted.tolist()


def test_a_permutation_importance_is_a_table(observed):
    model = LogisticRegression().fit(X, y)
    result = permutation_importance(model, X, y, n_repeats=2, random_state=0)
    last = observed.runs()[-1]
    rows = table(last, "permutation_importance")
    assert last.name.startswith("permutation_importance(LogisticRegression)")
    assert rows[0] == {"feature": "x0", "importance": result.importances_mean[0], "std": result.importances_std[0]}


def test_a_name_imported_before_is_observed_too(observed):
    assert cross_val_score.__module__ == "sklearn.model_selection._validation"
    cross_val_score(DummyClassifier(), X, y, cv=2)
    assert len(observed.runs()) == 1


def test_a_generator_of_folds_is_not_consumed(observed):
    folds = (fold for fold in [(np.arange(60), np.arange(60, 120)), (np.arange(60, 120), np.arange(60))])
    cross_val_score(DummyClassifier(), X, y, cv=folds)
    assert observed.run().metrics["n_fits"] == 2
