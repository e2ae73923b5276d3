"""What an estimator says of its own training: curves, fitted numbers, the weight of each feature.

Most of it is left on the estimator once it is fitted, and is read from there; nothing here costs a second evaluation. Four
kinds of training can be heard while they run: gradient boosting by its official ``monitor``, everything that is solved by
``scipy.optimize.minimize`` by its official ``callback``, and two by a private method each (named below; where a later
scikit-learn has renamed it, that one curve is read afterwards, or is missing).
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from autotrack.instrument import Fit, current_fit, guarded
from autotrack.instrument.fits import Voice
from autotrack.integrations.sklearn.declaration import integration

# Fitted numbers that stand for the whole run, without their underscore.
NUMBERS = (
    "n_iter_", "n_steps_", "n_trials_", "n_estimators_", "n_clusters_", "loss_", "best_loss_", "best_validation_score_", "best_score_", "inertia_",
    "oob_score_", "lower_bound_", "converged_", "alpha_", "lambda_", "C_", "l1_ratio_", "dual_gap_", "best_threshold_",
    "log_marginal_likelihood_value_", "n_features_in_", "n_features_",
)  # fmt: skip

MOST_FEATURES = 200
MOST_POSITIONAL = 10  # arguments of `minimize` before its callback
MOST_SOLVES = 9  # curves of one fit that is solved several times: restarts, classes

CURVES = {"loss_curve_": "train/loss", "validation_scores_": "val/score", "lower_bounds_": "train/lower_bound"}
GRADIENT_BOOSTING = {"train_score_": "train/loss", "oob_scores_": "oob/loss", "oob_improvement_": "oob/improvement"}
ADA_BOOST = {"estimator_errors_": "train/error", "estimator_weights_": "train/weight"}


def tell_curves(fit: Fit, estimator: Any, *, heard: bool) -> None:
    """The curves that it left; ``heard`` if its own were told while they came."""
    own = vars(estimator)
    curves: dict[str, Any] = {}
    if "train_score_" in own and "validation_score_" in own:
        curves.update(of_histograms(estimator, own))
    elif "train_score_" in own and not heard:
        curves.update(picked(own, GRADIENT_BOOSTING))
    if "estimator_errors_" in own:
        members = len(own.get("estimators_", ()))
        curves.update({key: values[:members] for key, values in picked(own, ADA_BOOST).items()})
    if not is_heard(estimator):
        curves.update(picked(own, CURVES))
    if type(estimator).__name__ in ("BayesianRidge", "ARDRegression") and "scores_" in own:
        curves["train/score"] = own["scores_"]
    tell(fit, curves)
    tell_path(fit, own)


def picked(own: Mapping[str, Any], keys: Mapping[str, str]) -> dict[str, Any]:
    return {key: own[attribute] for attribute, key in keys.items() if own.get(attribute) is not None}


def of_histograms(estimator: Any, own: Mapping[str, Any]) -> dict[str, Any]:
    """Histogram boosting leaves scores, the first of them before any round; with its default they are losses with a minus."""
    sign, name = (-1, "loss") if getattr(estimator, "scoring", None) == "loss" else (1, "score")
    return {f"{part}/{name}": sign * np.asarray(own[f"{word}_score_"]) for part, word in (("train", "train"), ("val", "validation"))}


def tell(fit: Fit, curves: Mapping[str, Any], steps: Iterable[int] | None = None) -> None:
    """Curves that share their steps, a call for each step. What is no row of numbers is left out."""
    columns = {key: np.asarray(values, dtype=float).tolist() for key, values in curves.items() if is_row(values)}
    if not columns:
        return
    counted = range(max(map(len, columns.values()))) if steps is None else steps
    for place, step in enumerate(counted):
        fit.log({key: column[place] for key, column in columns.items() if place < len(column)}, step=int(step))


def is_row(values: Any) -> bool:
    if isinstance(values, np.ndarray):
        return values.ndim == 1 and values.dtype.kind in "fiub"
    return isinstance(values, list | tuple) and all(isinstance(value, numbers.Real) for value in values)


def tell_path(fit: Fit, own: Mapping[str, Any]) -> None:
    """The scores of a model that chose its own regularisation, or its number of features, by cross-validation."""
    if "mse_path_" in own and ("alphas_" in own or "cv_alphas_" in own):
        errors = np.asarray(own["mse_path_"])
        alphas = np.asarray(own.get("cv_alphas_", own.get("alphas_")))
        if errors.ndim != 2 or alphas.shape != errors.shape[:1]:
            return  # several l1_ratio: a path each
        tell_points(fit, "alpha", alphas, {"val/mse": errors.mean(axis=1), "val/mse_std": errors.std(axis=1)})
    elif isinstance(own.get("scores_"), dict | np.ndarray) and "Cs_" in own:
        told = own["scores_"]  # folds first; by class, in a dict, before scikit-learn 1.10
        scores = np.concatenate([np.asarray(of_class) for of_class in told.values()]) if isinstance(told, dict) else told
        scores = scores.reshape(len(scores), -1)
        if scores.shape[1] == len(own["Cs_"]):
            tell_points(fit, "C", own["Cs_"], {"val/score": scores.mean(axis=0), "val/score_std": scores.std(axis=0)})
    elif isinstance(own.get("cv_results_"), dict) and "n_features" in own["cv_results_"]:
        results = own["cv_results_"]
        curves = {"val/score": results["mean_test_score"], "val/score_std": results["std_test_score"]}
        tell_points(fit, "n_features", results["n_features"], curves, steps=results["n_features"])


def tell_points(fit: Fit, name: str, points: Any, curves: Mapping[str, Any], steps: Any = None) -> None:
    """A curve over the values of one parameter: by index (or by the value, where it counts), and as a table."""
    tell(fit, curves, steps)
    columns = [np.asarray(points).tolist(), *(np.asarray(values).tolist() for values in curves.values())]
    fit.table("path", [dict(zip((name, *curves), row, strict=True)) for row in zip(*columns, strict=True)])


def numbers_of(estimator: Any) -> dict[str, float | int | bool]:
    """What it knows of itself as single numbers; of several (iterations by class) the largest."""
    own = vars(estimator)
    found: dict[str, float | int | bool] = {}
    for name in NUMBERS:
        value = own.get(name)
        if value is None and name == "n_iter_" and type(estimator).__module__.startswith("sklearn."):
            value = getattr(estimator, name, None)  # of histogram boosting it is a property: the number of its rounds
        if value is None:
            continue
        if isinstance(value, np.ndarray) and value.size and value.dtype.kind in "fiub" and (value.size == 1 or name == "n_iter_"):
            value = value.max()
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, bool | int | float):
            found[name.rstrip("_")] = value
    return found


def importances_of(estimator: Any) -> list[dict[str, Any]]:
    """The features that weigh most, with the weight that the model gives them: rows of ``feature``, ``importance`` or ``coef``."""
    name, weights = weights_of(estimator)
    if weights is None or weights.ndim > 2 or not weights.size or weights.dtype.kind not in "fiu":
        return []
    size = np.abs(weights) if weights.ndim == 1 else np.abs(weights).mean(axis=0)
    if weights.ndim == 2:
        weights = weights[0] if len(weights) == 1 else size
    features = vars(estimator).get("feature_names_in_")
    best = np.argsort(-size, kind="stable")[:MOST_FEATURES]
    named = [f"x{place}" for place in best] if features is None or len(features) != len(size) else [str(features[place]) for place in best]
    return [{"feature": feature, name: value} for feature, value in zip(named, weights[best].tolist(), strict=True)]


def weights_of(estimator: Any) -> tuple[str, Any]:
    own = vars(estimator)
    if isinstance(own.get("coef_"), np.ndarray):
        return "coef", own["coef_"]
    if type(estimator).__module__.startswith("sklearn.") and cheap_importance(own):
        return "importance", getattr(estimator, "feature_importances_", None)
    return "", None


def cheap_importance(own: Mapping[str, Any]) -> bool:
    """Whether asking for importances takes far less than the fit took: it sums over trees, and starts threads where it may."""
    return "tree_" in own or ("estimators_" in own and own.get("n_jobs") in (None, 1))


class Monitor:
    """Gradient boosting's own ``monitor``: tells each round, then asks the user's."""

    def __init__(self, fit: Fit, users: Callable[..., Any] | None) -> None:
        self._fit = fit
        self._users = users
        self.has_spoken = False

    def __call__(self, i: int, estimator: Any, local: Mapping[str, Any]) -> Any:
        self.told(i, estimator, local)
        return False if self._users is None else self._users(i, estimator, local)

    @guarded
    def told(self, i: int, estimator: Any, local: Mapping[str, Any]) -> None:
        self.has_spoken = True
        values = {"train/loss": float(estimator.train_score_[i])}
        if estimator.subsample < 1.0:
            values["oob/loss"] = float(estimator.oob_scores_[i])
            values["oob/improvement"] = float(estimator.oob_improvement_[i])
        self._fit.log(values, step=i)
        validated = local.get("validation_loss")  # of the round before: this round's comes after the monitor
        if validated is not None and i:
            self._fit.log({"val/loss": float(validated)}, step=i - 1)


class Objective:
    """SciPy's own ``callback``: the value of what is minimised, which is computed anyway."""

    def __init__(self, voice: Voice, key: str) -> None:
        self._voice = voice
        self._key = key
        self._step = 0

    @guarded
    def __call__(self, intermediate_result: Any) -> None:  # the name is how SciPy knows what to pass
        value = getattr(intermediate_result, "fun", None)
        if value is not None:
            self._voice.log({self._key: float(value)}, self._step)
            self._step += 1


_solves: WeakKeyDictionary[Any, int] = WeakKeyDictionary()  # how often the solver was called, by run


@integration.watch("scipy.optimize:minimize")
def minimize(_instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    voice = speaking()
    if voice is None or len(args) > MOST_POSITIONAL or kwargs.get("callback") is not None:
        return
    count = _solves[voice.run] = _solves.get(voice.run, 0) + 1
    if count <= MOST_SOLVES:
        kwargs["callback"] = Objective(voice, "train/loss" if count == 1 else f"train/loss_{count}")


@integration.watch("sklearn.cluster._kmeans:MiniBatchKMeans._mini_batch_convergence")
def batch(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Private: the one place that knows the inertia of a batch. It is called once a batch."""
    voice = speaking()
    if voice is not None:
        said = dict(zip(("step", "n_steps", "n_samples", "centers_squared_diff", "batch_inertia"), args, strict=False)) | kwargs
        voice.log({"train/inertia": float(said["batch_inertia"]) / model._batch_size}, int(said["step"]))


EPOCH = "_update_no_improvement_count"


@integration.watch(f"sklearn.neural_network._multilayer_perceptron:BaseMultilayerPerceptron.{EPOCH}")
def epoch(model: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Any:
    """Private: called once an epoch, when its loss is known; its score on the validation part is known afterwards."""
    yield
    voice = speaking()
    if voice is None:
        return
    values = {"train/loss": float(model.loss_curve_[-1])}
    if getattr(model, "validation_scores_", None):
        values["val/score"] = float(model.validation_scores_[-1])
    rate = getattr(model._optimizer, "learning_rate", None)
    if rate is not None:
        values["lr"] = float(rate)
    voice.log(values, int(model.n_iter_) - 1)


def is_heard(estimator: Any) -> bool:
    """Whether its curve was told epoch by epoch, so that it is not to be read again."""
    return hasattr(getattr(type(estimator), EPOCH, None), "__wrapped__")


def speaking() -> Voice | None:
    """What hears a curve that is told here: also of a pipeline's step and a search's refit, not of candidates and ensembles."""
    fit = current_fit()
    return None if fit is None or fit.integration != integration.name else fit.reach
