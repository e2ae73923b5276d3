"""One estimator, one fit: what a run of scikit-learn says."""

import gc
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.cluster import DBSCAN, KMeans
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import Lasso, LogisticRegression, Ridge, SGDClassifier
from sklearn.neighbors import KernelDensity, KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder, StandardScaler
from sklearn.svm import SVC

import autotrack
from autotrack.instrument import loader
from autotrack.integrations.sklearn import fits
from autotrack.testing.integration_contract import IntegrationContract

X = np.random.RandomState(0).randn(120, 4)
y = (X[:, 0] + 0.3 * np.random.RandomState(1).randn(120) > 0).astype(int)


class TestContract(IntegrationContract):
    name = "sklearn"
    targets = ("sklearn.linear_model._logistic:LogisticRegression.fit", "sklearn.base:BaseEstimator")

    def train(self):
        return LogisticRegression(C=0.5).fit(X, y)

    def fingerprint(self, model):
        return model.coef_.tobytes(), model.intercept_.tobytes()

    def params(self, model):
        return {"C": 0.5, "solver": "lbfgs", "fit_intercept": True, "class_weight": None}


class TestContractOfABoostedModel(IntegrationContract):
    name = "sklearn"
    targets = ("sklearn.ensemble._gb:BaseGradientBoosting.fit",)
    test_autolog_before_the_import_is_as_after_it = None  # a process of its own: once is enough

    def train(self):
        from sklearn.ensemble import GradientBoostingClassifier

        return GradientBoostingClassifier(n_estimators=5, max_depth=1).fit(X, y)

    def fingerprint(self, model):
        return model.predict_proba(X).tobytes()

    def curves(self, model):
        return {"train/loss": model.train_score_}


@pytest.fixture
def observed(tracked):
    fits.CHEAP_TABLES.clear()
    loader.autolog("sklearn")
    yield tracked
    loader.disable()


def table(run, name):
    import json

    return [json.loads(line) for line in run.artifact(f"{name}.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    "estimator",
    [LogisticRegression(), Ridge(), SVC(), KNeighborsClassifier(), KMeans(2, n_init=1), DBSCAN(), IsolationForest(n_estimators=3), KernelDensity()],
    ids=lambda estimator: type(estimator).__name__,
)
def test_a_predictor_a_clusterer_a_detector_and_a_density_is_a_run(observed, estimator):
    estimator.fit(X, y)
    assert observed.tree() == {type(estimator).__name__: []}
    assert observed.run().status == "finished"


def test_a_scaler_an_encoder_a_vectorizer_a_selector_and_a_decomposition_is_none(observed):
    StandardScaler().fit_transform(X)
    LabelEncoder().fit(y)
    TfidfVectorizer().fit_transform(["a bird", "a plane"])
    PCA(2).fit(X)
    SelectFromModel(RandomForestClassifier(2)).fit(X, y)
    make_pipeline(StandardScaler(), PCA(2)).fit_transform(X)
    assert observed.runs() == []


def test_parameters_keep_their_types(observed):
    SVC(C=2, kernel="linear", class_weight={0: 1.0, 1: 2.5}, random_state=None).fit(X, y)
    params = observed.run().params
    assert (params["C"], params["kernel"], params["shrinking"], params["random_state"]) == (2, "linear", True, None)
    assert {key: value for key, value in params.items() if key.startswith("class_weight")} == {"class_weight.0": 1.0, "class_weight.1": 2.5}


def test_a_pipeline_is_one_run_with_the_parameters_and_the_time_of_each_step(observed):
    make_pipeline(StandardScaler(), LogisticRegression(C=3)).fit(X, y)
    run = observed.run()
    assert observed.tree() == {"Pipeline": []}
    assert run.params["steps"] == ["standardscaler", "logisticregression"]
    assert run.params["logisticregression"] == "LogisticRegression"
    assert run.params["logisticregression__C"] == 3
    assert run.metrics["time/n_fits/logisticregression"] == 1
    assert run.metrics["time/fit_s/standardscaler"] > 0
    assert len(run.history("train/loss")) == run.metrics["n_iter"]


def test_fit_predict_and_fit_transform_are_one_fit(observed):
    KMeans(2, n_init=1, random_state=0).fit_predict(X)
    KMeans(2, n_init=1, random_state=0).fit_transform(X)
    assert observed.tree() == {"KMeans-1": [], "KMeans-2": []}


def test_fitted_numbers_are_summary(observed):
    model = KMeans(2, n_init=1, random_state=0).fit(X)
    metrics = observed.run().metrics
    assert metrics["inertia"] == model.inertia_
    assert metrics["n_iter"] == model.n_iter_
    assert metrics["n_features_in"] == 4
    assert metrics["time/fit_s"] > 0


def test_an_iteration_count_by_class_is_the_largest(observed):
    model = SVC(max_iter=1000).fit(X, y)
    assert observed.run().metrics["n_iter"] == model.n_iter_.max()


def test_coefficients_are_a_table_with_the_heaviest_first(observed):
    model = Ridge().fit(pd.DataFrame(X, columns=["a", "b", "c", "d"]), X @ [0, 3, -5, 1])
    rows = table(observed.run(), "feature_importance")
    assert [row["feature"] for row in rows] == ["c", "b", "d", "a"]
    assert rows[0]["coef"] == model.coef_[2]


def test_a_forests_importances_are_a_table(observed):
    model = RandomForestClassifier(3, random_state=0).fit(X, y)
    rows = table(observed.run(), "feature_importance")
    assert rows[0] == {"feature": "x0", "importance": model.feature_importances_[0]}


def test_only_the_first_200_features_stand_in_the_table(observed):
    Ridge().fit(np.eye(300), np.arange(300))
    assert len(table(observed.run(), "feature_importance")) == 200


def test_what_is_known_of_the_data(observed):
    LogisticRegression().fit(X, y)
    facts = observed.run().environment["datasets"]["train"]
    assert (facts["type"], facts["dtype"]) == ("ndarray", "float64")
    assert facts["shape"] == [120, 4]
    assert facts["hash_mode"] == "full"
    assert facts["target"]["shape"] == [120]


def test_the_same_data_has_the_same_hash_and_other_data_another(observed):
    large = np.random.RandomState(0).randn(20_000, 8)
    changed = large.copy()
    changed[0, 0] += 1
    for data in (large, large.copy(), changed):
        Ridge().fit(data, data[:, 0])
    first, second, third = [run.environment["datasets"]["train"] for run in observed.runs()]
    assert first["hash_mode"] == "sample"
    assert first["hash"] == second["hash"] != third["hash"]


def test_columns_of_a_frame_are_known_and_a_sparse_matrix_stays_sparse(observed):
    Ridge().fit(pd.DataFrame({"height": X[:, 0], "age": X[:, 1]}), y)
    Ridge().fit(scipy.sparse.csr_matrix(X), y)
    frame, sparse = [run.environment["datasets"]["train"] for run in observed.runs()]
    assert frame["columns"] == ["height", "age"]
    assert (sparse["type"], sparse["shape"]) == ("csr_matrix", [120, 4])


def test_data_sets_can_be_left_out(observed):
    loader.autolog("sklearn", datasets=False)
    Ridge().fit(X, y)
    assert "datasets" not in observed.run().environment


def test_lists_are_data_too(observed):
    Ridge().fit([[0.0], [1.0]], [0, 1])
    assert observed.run().environment["datasets"]["train"]["shape"] == [2]


def test_the_users_own_estimator_is_a_run_like_any_other(observed):
    class Mean(Ridge):
        def fit(self, X, y):
            self.mean_ = np.mean(y)
            return super().fit(X, y)

    Mean(alpha=2).fit(X, y)
    assert observed.tree() == {"Mean": []}
    assert observed.run().params["alpha"] == 2


def test_a_transformed_target_is_one_run_with_the_regressors_numbers(observed):
    TransformedTargetRegressor(Lasso(alpha=0.1), func=np.log1p, inverse_func=np.expm1).fit(X, np.exp(X[:, 0]))
    run = observed.run()
    assert run.params["regressor__alpha"] == 0.1
    assert run.metrics["n_iter"] >= 1


def test_an_exception_is_the_users_and_the_run_failed(observed):
    with pytest.raises(ValueError, match="Found input variables with inconsistent numbers"):
        Ridge().fit(X, y[:5])
    run = observed.run()
    assert run.status == "failed"
    assert "inconsistent numbers" in run.error


def test_a_score_that_the_user_asks_for_is_told_to_the_models_run(observed):
    X_test, y_test = X[:30], y[:30]
    model = LogisticRegression().fit(X, y)
    on_training, on_test = model.score(X, y), model.score(X_test, y_test)
    metrics = observed.run().metrics
    assert metrics["train/score"] == on_training
    assert metrics["test/score"] == on_test


def test_a_score_of_an_expression_has_no_data_set(observed):
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    value = model.score(X[:30], y[:30])
    assert observed.run().metrics["score"] == value


def test_two_scores_in_one_line_are_told_apart(observed):
    valid, test = X[:30], X[30:60]
    model = Ridge().fit(X, y)
    scores = model.score(valid, y[:30]), model.score(test, y[30:60])
    assert len(scores) == 2
    assert {"valid/score", "test/score"} <= set(observed.run().metrics)


def test_a_score_without_a_fit_is_nothing(observed):
    model = LogisticRegression().fit(X, y)
    import pickle

    pickle.loads(pickle.dumps(model)).score(X, y)
    assert "train/score" not in observed.run().metrics


def test_a_stream_of_partial_fits_is_one_run_with_a_step_for_each_call(observed):
    model = SGDClassifier(random_state=0)
    for part in range(5):
        model.partial_fit(X[part * 20 : (part + 1) * 20], y[part * 20 : (part + 1) * 20], classes=[0, 1])
    run = observed.run()
    assert run.name.startswith("SGDClassifier")
    assert run.history("n_samples_seen").values.tolist() == [20, 40, 60, 80, 100]
    assert run.history("time/call_s").steps.tolist() == [0, 1, 2, 3, 4]
    assert run.status == "running"
    del model
    gc.collect()
    assert observed.run().status == "finished"


def test_a_fit_ends_the_stream_and_is_a_run_of_its_own(observed):
    model = SGDClassifier(random_state=0).partial_fit(X, y, classes=[0, 1])
    model.fit(X, y)
    assert [run.status for run in observed.runs()] == ["finished", "finished"]
    assert model is not None


def test_two_streams_are_two_runs(observed):
    first, second = SGDClassifier(), SGDClassifier()
    for _ in range(2):
        first.partial_fit(X, y, classes=[0, 1])
        second.partial_fit(X, y, classes=[0, 1])
    assert [len(run.history("time/call_s")) for run in observed.runs()] == [2, 2]


def test_a_stream_has_the_loss_of_a_network(observed):
    model = MLPClassifier((3,), random_state=0)
    for _ in range(3):
        model.partial_fit(X, y, classes=[0, 1])
    assert observed.run().history("train/loss").values.tolist() == model.loss_curve_


def test_a_scaler_in_a_stream_is_none(observed):
    StandardScaler().partial_fit(X)
    assert observed.runs() == []


def test_a_preprocessor_fitted_after_the_model_changes_nothing(observed):
    model = LogisticRegression().fit(X, y)
    LabelEncoder().fit(y)
    StandardScaler().fit(X)
    assert observed.tree() == {"LogisticRegression": []}
    assert model.classes_.tolist() == [0, 1]


def test_what_is_logged_after_a_fit_lands_on_its_run(observed):
    LogisticRegression().fit(X, y)
    autotrack.log({"test/f1": 0.5})
    assert observed.run().metrics["test/f1"] == 0.5


def test_a_loop_of_small_fits_is_a_run_each_and_tables_for_the_first(observed, monkeypatch):
    monkeypatch.setattr(fits, "CHEAP_S", 60)
    for alpha in range(30):
        Ridge(alpha=alpha).fit(X, y)
    runs = observed.runs()
    assert [run.params["alpha"] for run in runs] == list(range(30))
    assert len({(run.session, run.call_site) for run in runs}) == 1
    assert sum(any(artifact.kind == "table" for artifact in run.artifacts) for run in runs) == 20


def test_warnings_of_the_framework_stay_what_they_are(observed):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        LogisticRegression(max_iter=1).fit(X, y)
    assert [warning.category.__name__ for warning in caught] == ["ConvergenceWarning"]
