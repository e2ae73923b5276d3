"""Curves: exactly what the estimator itself noted, at its own steps, without a second evaluation."""

import warnings

import numpy as np
import pytest
from sklearn.cluster import MiniBatchKMeans
from sklearn.ensemble import AdaBoostClassifier, GradientBoostingClassifier, GradientBoostingRegressor, HistGradientBoostingClassifier
from sklearn.feature_selection import RFECV
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.linear_model import (
    BayesianRidge,
    ElasticNetCV,
    HuberRegressor,
    LassoCV,
    LassoLarsCV,
    LogisticRegression,
    LogisticRegressionCV,
    PoissonRegressor,
    RidgeCV,
)
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from autotrack.instrument import loader

X = np.random.RandomState(0).randn(150, 4)
y = (X[:, 0] + 0.5 * np.random.RandomState(1).randn(150) > 0).astype(int)


@pytest.fixture
def observed(tracked):
    loader.autolog("sklearn")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ConvergenceWarning: these are short trainings
        yield tracked
    loader.disable()


def curve(run, key):
    series = run.history(key)
    assert series.steps.tolist() == sorted(set(series.steps.tolist()))
    return series.values.tolist()


def test_gradient_boosting_tells_each_round(observed):
    model = GradientBoostingClassifier(n_estimators=7, max_depth=1, random_state=0).fit(X, y)
    assert curve(observed.run(), "train/loss") == model.train_score_.tolist()


def test_gradient_boosting_tells_what_was_out_of_the_bag(observed):
    model = GradientBoostingRegressor(n_estimators=7, max_depth=1, subsample=0.5, random_state=0).fit(X, y)
    assert curve(observed.run(), "oob/loss") == model.oob_scores_.tolist()
    assert curve(observed.run(), "oob/improvement") == model.oob_improvement_.tolist()


def test_gradient_boosting_tells_its_validation_loss(observed):
    model = GradientBoostingClassifier(n_estimators=60, max_depth=1, n_iter_no_change=2, random_state=0).fit(X, y)
    run = observed.run()
    assert len(curve(run, "train/loss")) == model.n_estimators_ == run.metrics["n_estimators"]
    assert len(curve(run, "val/loss")) == model.n_estimators_ - 1  # the monitor comes before the last validation


def test_the_users_monitor_is_asked_too_and_may_stop(observed):
    asked = []
    GradientBoostingClassifier(n_estimators=50, max_depth=1).fit(X, y, monitor=lambda i, model, local: asked.append(i) or i == 3)
    assert asked == [0, 1, 2, 3]
    assert len(curve(observed.run(), "train/loss")) == 4


def test_a_round_that_fails_keeps_the_rounds_before_it(observed):
    def broken(i, model, local):
        if i == 5:
            raise RuntimeError("the user's")
        return False

    with pytest.raises(RuntimeError, match="the user's"):
        GradientBoostingClassifier(n_estimators=50, max_depth=1).fit(X, y, monitor=broken)
    assert len(curve(observed.run(), "train/loss")) == 6
    assert observed.run().status == "failed"


def test_histogram_boosting_with_early_stopping_leaves_its_losses(observed):
    model = HistGradientBoostingClassifier(max_iter=5, early_stopping=True, random_state=0).fit(X, y)
    run = observed.run()
    assert curve(run, "train/loss") == (-model.train_score_).tolist()
    assert curve(run, "val/loss") == (-model.validation_score_).tolist()
    assert run.metrics["n_iter"] == 5


def test_histogram_boosting_with_a_score_leaves_scores(observed):
    model = HistGradientBoostingClassifier(max_iter=5, early_stopping=True, scoring="accuracy", random_state=0).fit(X, y)
    assert curve(observed.run(), "val/score") == model.validation_score_.tolist()


def test_histogram_boosting_without_early_stopping_has_no_curve_and_costs_no_evaluation(observed):
    HistGradientBoostingClassifier(max_iter=5, early_stopping=False).fit(X, y)
    assert [key for key in observed.run().statistics if not key.startswith("system/")] == []


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_a_network_tells_each_epoch(observed, solver):
    model = MLPClassifier((4,), solver=solver, max_iter=6, random_state=0).fit(X, y)
    run = observed.run()
    assert curve(run, "train/loss") == model.loss_curve_
    assert len(curve(run, "lr")) == 6
    assert run.metrics["best_loss"] == model.best_loss_


def test_a_network_that_stops_early_tells_its_validation_score(observed):
    model = MLPRegressor(hidden_layer_sizes=(4,), early_stopping=True, max_iter=6, random_state=0).fit(X, y)
    assert curve(observed.run(), "val/score") == model.validation_scores_


def test_a_network_in_a_pipeline_tells_the_same(observed):
    model = make_pipeline(StandardScaler(), MLPClassifier((4,), max_iter=6, random_state=0)).fit(X, y)
    assert curve(observed.run(), "train/loss") == model[-1].loss_curve_


@pytest.mark.parametrize(
    "model",
    [LogisticRegression(), HuberRegressor(), PoissonRegressor(alpha=0.1), MLPClassifier((3,), solver="lbfgs", max_iter=20, random_state=0)],
    ids=lambda model: type(model).__name__,
)
def test_what_scipy_minimises_falls(observed, model):
    model.fit(X, y)
    losses = curve(observed.run(), "train/loss")
    assert len(losses) >= 2
    assert losses[-1] <= losses[0]


def test_the_last_loss_of_an_lbfgs_network_is_its_loss(observed):
    model = MLPClassifier((3,), solver="lbfgs", max_iter=5, random_state=0).fit(X, y)
    assert curve(observed.run(), "train/loss")[-1] == model.loss_


def test_a_gaussian_process_tells_each_restart_by_itself(observed):
    GaussianProcessRegressor(RBF() + WhiteKernel(), n_restarts_optimizer=2, random_state=0).fit(X[:40], X[:40, 0])
    keys = [key for key in observed.run().statistics if key.startswith("train/")]
    assert keys == ["train/loss", "train/loss_2", "train/loss_3"]
    assert "log_marginal_likelihood_value" in observed.run().metrics


def test_the_users_own_minimisation_is_left_alone(observed):
    import scipy.optimize

    result = scipy.optimize.minimize(lambda x: float(x @ x), [1.0, 2.0])
    assert result.success
    assert observed.runs() == []


def test_mini_batches_tell_their_inertia(observed):
    MiniBatchKMeans(2, batch_size=50, n_init=1, max_iter=4, random_state=0).fit(X)
    run = observed.run()
    assert len(curve(run, "train/inertia")) == run.metrics["n_steps"]


def test_ada_boost_leaves_errors_and_weights(observed):
    model = AdaBoostClassifier(DecisionTreeClassifier(max_depth=1), n_estimators=5, random_state=0).fit(X, y)
    assert curve(observed.run(), "train/error") == model.estimator_errors_[: len(model.estimators_)].tolist()
    assert curve(observed.run(), "train/weight") == model.estimator_weights_[: len(model.estimators_)].tolist()


def test_a_mixture_leaves_its_lower_bounds(observed):
    model = GaussianMixture(2, max_iter=20, random_state=0).fit(X)
    if hasattr(model, "lower_bounds_"):
        assert curve(observed.run(), "train/lower_bound") == list(model.lower_bounds_)
    assert observed.run().metrics["lower_bound"] == model.lower_bound_
    assert observed.run().metrics["converged"] == bool(model.converged_)


def test_bayesian_ridge_leaves_its_scores_if_asked(observed):
    model = BayesianRidge(compute_score=True).fit(X, y)
    assert curve(observed.run(), "train/score") == list(model.scores_)


@pytest.mark.parametrize("model", [LassoCV(cv=3, alphas=np.logspace(-3, 0, 10)), LassoLarsCV(cv=3)], ids=lambda model: type(model).__name__)
def test_a_path_of_regularisations_is_a_curve_and_a_table(observed, model):
    model.fit(X, y)
    run = observed.run()
    assert curve(run, "val/mse") == pytest.approx(model.mse_path_.mean(axis=1).tolist())
    assert run.artifact("path.jsonl").meta["columns"] == ["alpha", "val/mse", "val/mse_std"]
    assert run.metrics["alpha"] == model.alpha_


def test_several_paths_at_once_are_left_out(observed):
    ElasticNetCV(l1_ratio=[0.2, 0.8], cv=3, alphas=[0.01, 0.1]).fit(X, y)
    assert "l1_ratio" in observed.run().metrics
    assert "val/mse" not in observed.run().statistics


def test_a_logistic_path_is_a_curve_and_its_many_solves_are_none(observed):
    newer = {"use_legacy_attributes": False, "l1_ratios": (0,)} if "use_legacy_attributes" in LogisticRegressionCV().get_params() else {}
    LogisticRegressionCV(Cs=4, cv=3, scoring="accuracy", **newer).fit(X, y)
    run = observed.run()
    assert "train/loss" not in run.statistics
    assert len(curve(run, "val/score")) == 4


def test_ridge_cv_leaves_its_choice(observed):
    model = RidgeCV(alphas=[0.1, 1, 10]).fit(X, y)
    assert observed.run().metrics["alpha"] == model.alpha_
    assert observed.run().metrics["best_score"] == model.best_score_


def test_feature_elimination_is_a_curve_by_number_of_features(observed):
    model = RFECV(LogisticRegression(), cv=3).fit(X, y)
    series = observed.run().history("val/score")
    assert series.steps.tolist() == [1, 2, 3, 4]
    assert series.values.tolist() == model.cv_results_["mean_test_score"].tolist()


def test_the_refit_of_a_search_has_its_curve_and_the_candidates_have_none(observed):
    search = GridSearchCV(MLPClassifier((3,), max_iter=5, random_state=0), {"alpha": [0.1, 0.2]}, cv=2).fit(X, y)
    assert curve(observed.run(), "train/loss") == search.best_estimator_.loss_curve_


def test_a_curve_can_be_thinned(observed):
    loader.autolog("sklearn", every_n_steps=3)
    GradientBoostingClassifier(n_estimators=10, max_depth=1).fit(X, y)
    assert observed.run().history("train/loss").steps.tolist() == [0, 3, 6, 9]


def test_private_names_that_are_observed_are_where_they_were():
    import inspect

    from sklearn.neural_network._multilayer_perceptron import BaseMultilayerPerceptron

    names = ["self", "step", "n_steps", "n_samples", "centers_squared_diff", "batch_inertia"]
    assert list(inspect.signature(MiniBatchKMeans._mini_batch_convergence).parameters) == names
    assert "early_stopping" in inspect.signature(BaseMultilayerPerceptron._update_no_improvement_count).parameters
    loader.autolog("sklearn")
    assert [status.reason for status in loader.status() if status.name == "sklearn"] == ["observed"]
    loader.disable()
