"""XGBoost: its own trainings, and its scikit-learn estimators, which are one run of both integrations."""

import copy
import json
import pickle
import time

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from sklearn.model_selection import GridSearchCV
from xgboost import train as train_imported_before

import autotrack
from autotrack.instrument import loader
from autotrack.testing.integration_contract import IntegrationContract

X = np.random.RandomState(0).randn(150, 4)
y = (X[:, 0] + 0.5 * np.random.RandomState(1).randn(150) > 0).astype(int)
DTRAIN, DVALID = xgb.DMatrix(X[:100], y[:100]), xgb.DMatrix(X[100:], y[100:])
PARAMS = {"objective": "binary:logistic", "max_depth": 2, "nthread": 1, "eval_metric": ["logloss", "auc"]}


class TestContract(IntegrationContract):
    name = "xgboost"
    targets = ("xgboost.training:train", "xgboost:train", "xgboost.sklearn:train")

    def train(self):
        self.history = {}
        evals = [(DTRAIN, "train"), (DVALID, "valid")]
        return xgb.train(PARAMS, DTRAIN, 5, evals=evals, evals_result=self.history, verbose_eval=False)

    def fingerprint(self, model):
        return bytes(model.save_raw("ubj"))

    def curves(self, model):
        return {f"{part}/{metric}": values for part, metrics in self.history.items() for metric, values in metrics.items()}

    def params(self, model):
        return {"max_depth": 2, "eta": 0.3, "objective": "binary:logistic", "eval_metric": ["logloss", "auc"], "num_boost_round": 5}


class TestContractOfAnEstimator(IntegrationContract):
    name = "xgboost"
    joins = ("sklearn",)
    targets = ("xgboost.sklearn:XGBClassifier.fit", "xgboost.training:train", "xgboost.sklearn:train")
    test_autolog_before_the_import_is_as_after_it = None  # a process of its own: once is enough

    def train(self):
        return xgb.XGBClassifier(n_estimators=5, max_depth=2, n_jobs=1).fit(X, y, eval_set=[(X, y)], verbose=False)

    def fingerprint(self, model):
        return bytes(model.get_booster().save_raw("ubj"))

    def curves(self, model):
        return {"train/logloss": model.evals_result()["validation_0"]["logloss"]}

    def params(self, model):
        return {"max_depth": 2, "n_estimators": 5, "learning_rate": 0.3}


@pytest.fixture
def observed(tracked):
    loader.autolog("sklearn", "xgboost")
    yield tracked
    loader.disable()


def trained(rounds=5, **more):
    evals = more.pop("evals", [(DTRAIN, "train"), (DVALID, "valid")])
    return xgb.train({**PARAMS, **more.pop("params", {})}, DTRAIN, rounds, evals=evals, verbose_eval=False, **more)


def points(run, key):
    series = run.history(key)
    assert len(set(series.steps.tolist())) == len(series)
    return series.values.tolist()


def test_every_round_has_its_point_and_its_time(observed):
    history = {}
    trained(7, evals_result=history)
    run = observed.run()
    assert run.name.startswith("xgboost")
    assert points(run, "valid/auc") == history["valid"]["auc"]
    assert points(run, "train/logloss") == history["train"]["logloss"]
    assert len(points(run, "time/round_s")) == 7
    assert run.metrics["rounds"] == 7
    assert run.metrics["time/rounds_per_s"] > 0


def test_rounds_that_are_told_together_have_each_its_own_time(observed):
    trained(300)
    series = observed.run().history("time/round_s")
    assert series.steps.tolist() == list(range(300))
    np.testing.assert_allclose(np.diff(series.times), series.values[1:], atol=0.002)  # the store keeps milliseconds


def test_a_long_round_is_told_at_its_end(observed):
    class Slow(xgb.callback.TrainingCallback):
        def before_iteration(self, model, epoch, evals_log):
            if epoch == 3:
                (run,) = autotrack.search_runs("status = 'running'")
                seen.append([len(run.history(key)) for key in ("train/auc", "time/round_s")])
            autotrack.flush(10)
            time.sleep(0.03)
            return False

    seen = []
    trained(4, callbacks=[Slow()])
    assert seen == [[3, 3]]


def test_without_a_data_set_to_evaluate_there_are_times_alone(observed):
    trained(4, evals=())
    assert [key for key in observed.run().statistics if not key.startswith("system/")] == ["time/round_s"]


def test_a_training_that_stops_early_has_as_many_points_as_rounds_ran(observed):
    callbacks = [xgb.callback.EarlyStopping(rounds=3)]
    booster = trained(200, callbacks=callbacks)
    run = observed.run()
    assert len(callbacks) == 1
    assert len(points(run, "valid/auc")) == booster.num_boosted_rounds() == run.metrics["rounds"] < 200
    assert run.metrics["best_round"] == booster.best_iteration
    assert run.metrics["best_score"] == booster.best_score
    assert run.metrics["best/valid/auc"] == points(run, "valid/auc")[booster.best_iteration]


def test_early_stopping_by_argument_and_with_the_best_rounds_kept(observed):
    booster = trained(200, early_stopping_rounds=3)
    trained(200, callbacks=[xgb.callback.EarlyStopping(rounds=3, save_best=True)])
    first, second = observed.runs()
    assert first.metrics["rounds"] == second.metrics["rounds"] == booster.num_boosted_rounds()
    assert first.params["early_stopping_rounds"] == 3


def test_a_callback_of_the_user_that_stops_at_once_leaves_its_round(observed):
    class Stop(xgb.callback.TrainingCallback):
        def after_iteration(self, model, epoch, evals_log):
            return epoch == 2

    trained(50, callbacks=[Stop()])
    assert len(points(observed.run(), "valid/auc")) == 3


def test_a_training_that_goes_on_goes_on_in_its_steps(observed):
    first = trained(5, early_stopping_rounds=3)
    trained(4, xgb_model=first)
    run = observed.runs()[1]
    start = first.num_boosted_rounds()
    assert run.history("valid/auc").steps.tolist() == list(range(start, start + 4))
    assert run.metrics["rounds"] == 4
    assert "best_round" not in run.metrics  # that of the first training stands in the booster still


def test_a_round_that_raises_keeps_those_before_it(observed):
    class Broken(xgb.callback.TrainingCallback):
        def after_iteration(self, model, epoch, evals_log):
            if epoch == 3:
                raise RuntimeError("the user's")
            return False

    with pytest.raises(RuntimeError, match="the user's"):
        trained(50, callbacks=[Broken()])
    run = observed.run()
    assert len(points(run, "valid/auc")) == 4
    assert (run.status, run.error) == ("failed", "RuntimeError: the user's")


def test_parameters_as_given_and_else_as_settled(observed):
    trained(params={"eta": 0.1, "max_bin": 64})
    params = observed.run().params
    assert (params["eta"], params["max_bin"], params["max_depth"]) == (0.1, 64, 2)
    assert (params["tree_method"], params["lambda"], params["subsample"], params["booster"]) == ("auto", 1, 1, "gbtree")
    assert not {"learning_rate", "reg_lambda", "min_split_loss", "n_jobs"} & set(params)


def test_another_spelling_of_a_parameter_is_not_there_twice(observed):
    trained(params={"learning_rate": 0.1, "reg_lambda": 2})
    params = observed.run().params
    assert (params["learning_rate"], params["reg_lambda"]) == (0.1, 2)
    assert not {"eta", "lambda"} & set(params)


def test_a_learning_rate_that_a_callback_moves_is_not_told_as_the_parameter(observed):
    falling = xgb.callback.LearningRateScheduler(lambda epoch: 0.3 * 0.9**epoch)
    xgb.train({"max_depth": 2}, DTRAIN, 5, callbacks=[falling])
    xgb.train({"max_depth": 2, "eta": 0.3}, DTRAIN, 5, callbacks=[falling])
    xgb.XGBClassifier(n_estimators=5, n_jobs=1, callbacks=[falling]).fit(X, y)
    alone, given, estimator = sorted(observed.runs(), key=lambda run: run.started)
    assert (alone.params.get("eta"), alone.params.get("learning_rate")) == (None, None)
    assert given.params["eta"] == 0.3
    assert estimator.params["learning_rate"] is None


def test_parameters_as_a_list_of_pairs(observed):
    pairs = [("objective", "binary:logistic"), ("eval_metric", "logloss"), ("eval_metric", "auc"), ("max_depth", 3)]
    xgb.train(pairs, DTRAIN, 2, evals=[(DVALID, "valid")], verbose_eval=False)
    run = observed.run()
    assert run.params["eval_metric"] == ["logloss", "auc"]
    assert run.params["max_depth"] == 3
    assert len(points(run, "valid/auc")) == 2


def test_an_objective_and_a_metric_of_the_users_own_have_their_names(observed):
    def squared(predictions, matrix):
        return predictions - matrix.get_label(), np.ones_like(predictions)

    def mine(predictions, matrix):
        return "mine", 0.5

    xgb.train({"disable_default_eval_metric": 1}, DTRAIN, 2, obj=squared, custom_metric=mine, evals=[(DVALID, "valid")], verbose_eval=False)
    run = observed.run()
    assert run.params["objective"].endswith("squared")
    assert run.params["custom_metric"].endswith("mine")
    assert points(run, "valid/mine") == [0.5, 0.5]


def test_what_a_feature_weighs(observed):
    booster = trained(3)
    rows = [json.loads(line) for line in observed.run().artifact("feature_importance.jsonl").read_text().splitlines()]
    gain, cover = booster.get_score(importance_type="gain"), booster.get_score(importance_type="cover")
    assert [row["feature"] for row in rows] == sorted(gain, key=lambda name: -gain[name])
    assert rows[0]["gain"] == gain["f0"]
    assert rows[0]["cover"] == cover["f0"]


@pytest.mark.parametrize("booster", ["gblinear", "dart"])
def test_other_boosters(observed, booster):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trained(3, params={"booster": booster, "objective": "multi:softprob", "num_class": 2, "eval_metric": "mlogloss"})
    run = observed.run()
    assert run.params["booster"] == booster
    assert len(points(run, "valid/mlogloss")) == 3
    assert run.artifact("feature_importance.jsonl").meta["rows"] >= 1


def test_the_booster_is_kept_as_it_was_when_the_training_ended(observed, tmp_path):
    booster = trained(3)
    before = booster.predict(DVALID)
    booster.update(DTRAIN, 3)
    artifact = observed.run().artifact("booster.ubj")
    loaded = xgb.Booster(model_file=str(artifact.download(tmp_path / "booster.ubj")))
    assert artifact.kind == "model"
    assert loaded.predict(DVALID).tolist() == before.tolist()


def test_models_can_be_left_out(observed):
    loader.autolog("xgboost", models=False)
    trained(3)
    assert "booster.ubj" not in [artifact.name for artifact in observed.run().artifacts]


def test_what_is_known_of_the_matrices(observed):
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    xgb.train(PARAMS, xgb.DMatrix(frame, y), 1, evals=[(xgb.DMatrix(frame[:50], y[:50]), "valid")], verbose_eval=False)
    sets = observed.run().environment["datasets"]
    assert sets["train"] == {"type": "DMatrix", "shape": [150, 4], "nonmissing": 600, "columns": ["a", "b", "c", "d"]}
    assert sets["valid"]["shape"] == [50, 4]


def test_a_cross_validation_is_one_run_with_mean_and_deviation(observed):
    results = xgb.cv(PARAMS, DTRAIN, 6, nfold=3, metrics=["logloss"], seed=1)
    run = observed.run()
    assert run.name.startswith("xgboost.cv")
    assert points(run, "test/logloss") == results["test-logloss-mean"].tolist()
    assert points(run, "train/logloss_std") == results["train-logloss-std"].tolist()
    assert run.params["nfold"] == 3


def test_a_cross_validation_that_stops_early_has_all_rounds_that_ran(observed):
    results = xgb.cv(PARAMS, DTRAIN, 100, nfold=3, metrics=["auc"], early_stopping_rounds=3)
    run = observed.run()
    assert run.metrics["best_round"] == len(results) - 1
    assert len(points(run, "test/auc")) == len(results) + 3
    assert run.metrics["best/test/auc"] == results["test-auc-mean"].iloc[-1]


def test_an_estimator_is_one_run_of_both(observed):
    model = xgb.XGBClassifier(n_estimators=6, max_depth=2, early_stopping_rounds=50, n_jobs=1)
    model.fit(X[:100], y[:100], eval_set=[(X[:100], y[:100]), (X[100:], y[100:])], verbose=False)
    run = observed.run()
    assert observed.tree() == {"XGBClassifier": []}
    assert (run.params["max_depth"], run.params["n_estimators"], run.params["learning_rate"]) == (2, 6, 0.3)
    history = model.evals_result()
    assert points(run, "val/logloss") == history["validation_0"]["logloss"]  # a second slice is another object, so another set
    assert points(run, "val2/logloss") == history["validation_1"]["logloss"]
    assert run.artifact("booster.ubj").kind == "model"


def test_the_training_data_among_the_sets_is_called_train(observed):
    model = xgb.XGBRegressor(n_estimators=3, n_jobs=1).fit(X, y, eval_set=[(X[:50], y[:50]), (X, y), (X[50:], y[50:])], verbose=False)
    run, history = observed.run(), model.evals_result()
    assert points(run, "train/rmse") == history["validation_1"]["rmse"]
    assert points(run, "val/rmse") == history["validation_0"]["rmse"]
    assert points(run, "val2/rmse") == history["validation_2"]["rmse"]


@pytest.mark.parametrize("kind", [xgb.XGBRegressor, xgb.XGBRFRegressor, xgb.XGBRanker])
def test_other_estimators(observed, kind):
    more = {"qid": np.repeat([0, 1, 2], 50)} if kind is xgb.XGBRanker else {}
    kind(n_estimators=3, n_jobs=1).fit(X, y, **more)
    assert list(observed.tree()) == [kind.__name__]


def test_a_search_over_it_is_one_run_and_its_refit_has_the_curve(observed):
    search = GridSearchCV(xgb.XGBClassifier(n_estimators=3, n_jobs=1), {"max_depth": [1, 2]}, cv=2)
    search.fit(X, y, eval_set=[(X, y)], verbose=False)
    run = observed.run()
    assert observed.tree() == {"GridSearchCV": ["max_depth=1", "max_depth=2"]}
    assert len(run.history("time/round_s")) == 3
    assert len([artifact for artifact in run.artifacts if artifact.kind == "model"]) == 1


def test_reading_parameters_does_not_draw_from_the_users_generator(observed):
    def state(source):
        return xgb.XGBClassifier(n_estimators=2, n_jobs=1, random_state=source).fit(X, y) and source.get_state()[2]

    seen = state(np.random.RandomState(3))
    loader.disable()
    assert seen == state(np.random.RandomState(3))


def test_a_worker_of_a_collective_is_silent(observed, monkeypatch):
    from xgboost import collective

    monkeypatch.setattr(collective, "is_distributed", lambda: True)
    trained(2)
    assert observed.runs() == []


def test_names_imported_before_are_observed_and_put_back(observed):
    train_imported_before(PARAMS, DTRAIN, 2, evals=[(DVALID, "valid")], verbose_eval=False)
    assert len(observed.runs()) == 1
    assert pickle.loads(pickle.dumps(train_imported_before)) is xgb.train
    assert copy.deepcopy(xgb.train) is xgb.train
    loader.disable()
    assert type(xgb.train).__name__ == "function"


def test_the_users_dictionaries_and_lists_stay_his(observed):
    params, evals, callbacks = dict(PARAMS), [(DVALID, "valid")], [xgb.callback.EarlyStopping(rounds=3)]
    before = copy.copy(params), list(evals), list(callbacks)
    for _ in range(2):
        xgb.train(params, DTRAIN, 3, evals=evals, callbacks=[*callbacks], verbose_eval=False)
    assert (params, evals, callbacks) == before


def test_sets_to_evaluate_that_can_be_read_once_reach_xgboost_whole(observed):
    history = {}
    xgb.train(PARAMS, DTRAIN, 2, evals=zip([DTRAIN, DVALID], ["train", "valid"], strict=True), evals_result=history, verbose_eval=False)
    assert set(history) == {"train", "valid"}
    assert observed.run().metrics["valid/logloss"] == history["valid"]["logloss"][-1]


def test_a_wrong_call_fails_in_xgboosts_words_alone(observed, caplog):
    with pytest.raises(TypeError):
        xgb.train(PARAMS, X)
    with pytest.raises(TypeError, match="missing 2 required positional arguments"):
        xgb.train()
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        xgb.cv(PARAMS)
    assert caplog.messages == []
    assert [run.status for run in observed.runs()] == ["failed"] * 3


def test_what_xgboost_prints_stays_the_same(observed, capsys):
    xgb.train(PARAMS, DTRAIN, 2, evals=[(DVALID, "valid")])
    seen = capsys.readouterr().out
    loader.disable()
    xgb.train(PARAMS, DTRAIN, 2, evals=[(DVALID, "valid")])
    assert seen == capsys.readouterr().out


def test_a_callbacks_list_in_get_params_and_clone_is_the_users_own(observed):
    from sklearn.base import clone

    callback = xgb.callback.EarlyStopping(rounds=2)
    model = xgb.XGBClassifier(n_estimators=5, callbacks=[callback], n_jobs=1).fit(X, y, eval_set=[(X, y)], verbose=False)
    assert model.get_params()["callbacks"] == [callback]
    assert len(clone(model).get_params()["callbacks"]) == 1
