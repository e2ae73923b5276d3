"""Functions that fit an estimator several times: cross-validation, learning curves, permutations. One run each, no orphans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from autotrack.instrument import Call, Fit, Observed
from autotrack.instrument.integration import always
from autotrack.integrations.sklearn.curves import tell
from autotrack.integrations.sklearn.datasets import facts_of
from autotrack.integrations.sklearn.declaration import integration
from autotrack.integrations.sklearn.estimators import parameters
from autotrack.integrations.sklearn.searches import number

MODULE = "sklearn.model_selection._validation"
PUBLIC = "sklearn.model_selection"
SETTINGS = ("cv", "scoring", "method", "n_permutations", "n_repeats", "max_samples", "shuffle", "random_state")


def opened(fit: Fit, call: Call) -> None:
    """What is the same of all of them: the estimator, its parameters, the call's own, the data."""
    estimator = call["estimator"]
    fit.name(f"{call.method}({type(estimator).__name__})")
    inner = parameters(estimator) if hasattr(estimator, "get_params") else {}
    fit.params({"estimator": type(estimator).__name__, **{f"estimator__{name}": value for name, value in inner.items()}})
    fit.params(call.select(*SETTINGS))
    fit.dataset("train", {**facts_of(call["X"]), "target": facts_of(call["y"])})


def spread_of(name: str, values: Any) -> dict[str, float | int | None]:
    """The mean and the deviation, as scikit-learn names them in ``cv_results_``."""
    return {f"mean_{name}": number(np.mean(values)), f"std_{name}": number(np.std(values))}


@integration.fit(f"{MODULE}:cross_validate", f"{PUBLIC}:cross_validate", mutes=always)
def cross_validate(fit: Fit, call: Call) -> Observed:
    opened(fit, call)

    results: Mapping[str, Any] = yield

    scores = {name: values for name, values in results.items() if name.startswith(("test_", "train_"))}
    tell(fit, {name.replace("_", "/", 1): values for name, values in scores.items()})
    tell(fit, {f"time/fold_{name.removesuffix('_time')}_s": results[name] for name in ("fit_time", "score_time")})
    for name, values in {**scores, "fit_time": results["fit_time"], "score_time": results["score_time"]}.items():
        fit.summary(spread_of(name, values))
    fit.summary(n_fits=len(results["fit_time"]))


@integration.fit(f"{MODULE}:cross_val_score", f"{PUBLIC}:cross_val_score", mutes=always)
def cross_val_score(fit: Fit, call: Call) -> Observed:
    opened(fit, call)

    scores = yield

    tell(fit, {"test/score": scores})
    fit.summary({**spread_of("test_score", scores), "n_fits": len(scores)})


@integration.fit(f"{MODULE}:cross_val_predict", f"{PUBLIC}:cross_val_predict", mutes=always)
def cross_val_predict(fit: Fit, call: Call) -> Observed:
    opened(fit, call)

    yield


@integration.fit(f"{MODULE}:learning_curve", f"{PUBLIC}:learning_curve", mutes=always)
def learning_curve(fit: Fit, call: Call) -> Observed:
    opened(fit, call)

    results = yield

    tell_curve(fit, "n_samples", results[0], results[1], results[2], steps=results[0])


@integration.fit(f"{MODULE}:validation_curve", f"{PUBLIC}:validation_curve", mutes=always)
def validation_curve(fit: Fit, call: Call) -> Observed:
    opened(fit, call)
    fit.params(call.select("param_name"))

    results = yield

    tell_curve(fit, str(call["param_name"]), call["param_range"], results[0], results[1])


def tell_curve(fit: Fit, name: str, points: Any, train: Any, test: Any, steps: Any = None) -> None:
    """Scores over sizes or values, by mean over the folds: as curves, and as a table."""
    means = {"train/score": np.mean(train, axis=1), "test/score": np.mean(test, axis=1)}
    deviations = {"train/score_std": np.std(train, axis=1), "test/score_std": np.std(test, axis=1)}
    columns = {**means, **deviations}
    tell(fit, columns, steps)
    fit.table(
        "curve", [{name: point, **{key: float(values[place]) for key, values in columns.items()}} for place, point in enumerate(points)]
    )
    fit.summary(n_fits=int(np.size(test)))


@integration.fit(f"{MODULE}:permutation_test_score", f"{PUBLIC}:permutation_test_score", mutes=always)
def permutation_test_score(fit: Fit, call: Call) -> Observed:
    opened(fit, call)

    score, permuted, pvalue = yield

    tell(fit, {"permutation/score": permuted})
    fit.summary(score=float(score), pvalue=float(pvalue), n_fits=len(permuted) + 1)


@integration.fit(
    "sklearn.inspection._permutation_importance:permutation_importance", "sklearn.inspection:permutation_importance", mutes=always
)
def permutation_importance(fit: Fit, call: Call) -> Observed:
    opened(fit, call)

    result = yield

    several = {"": result} if "importances_mean" in result else result
    features = [str(name) for name in getattr(call["X"], "columns", ())]
    rows = []
    for scorer, found in several.items():
        means, deviations = found["importances_mean"].tolist(), found["importances_std"].tolist()
        for place, (mean, deviation) in enumerate(zip(means, deviations, strict=True)):
            feature = features[place] if place < len(features) else f"x{place}"
            rows.append({**({"score": scorer} if scorer else {}), "feature": feature, "importance": mean, "std": deviation})
    fit.table("permutation_importance", sorted(rows, key=lambda row: -row["importance"]))
