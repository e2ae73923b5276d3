"""``fit`` on every class built on ``BaseEstimator``: scikit-learn's and anyone's, imported already or still to come.

The outermost call owns the run. Steps of a pipeline, members of an ensemble and candidates of a search are silent.

Source: https://scikit-learn.org/stable/developers/develop.html
"""

from __future__ import annotations

import weakref
from collections import Counter
from time import perf_counter, time
from typing import Any

from autotrack.instrument import Call, Fit, Observed
from autotrack.integrations.sklearn.curves import Monitor, importances_of, numbers_of, tell_curves
from autotrack.integrations.sklearn.datasets import facts_of
from autotrack.integrations.sklearn.declaration import integration
from autotrack.integrations.sklearn.estimators import fits_many, is_model, is_pipeline, parameters, trained
from autotrack.integrations.sklearn.memory import LastFits, Streams
from autotrack.integrations.sklearn.searches import is_search, tell_search

FITS = LastFits()
STREAMS = Streams()

# A table is a file: half a millisecond. Where a loop fits the same class over and over, and each fit takes less than this,
# only the first ones get theirs.
CHEAP_S = 0.02
MOST_CHEAP_TABLES = 20
CHEAP_TABLES: Counter[str] = Counter()


@integration.fit_family("sklearn.base:BaseEstimator", "fit", "fit_transform", "fit_predict", when=is_model, mutes=fits_many, by_instance=True)
def observe(fit: Fit, call: Call) -> Observed:
    estimator = call.instance
    STREAMS.close(estimator)
    fit.name(type(estimator).__name__)
    fit.params(parameters(estimator))
    tell_data(fit, call)
    if is_pipeline(estimator):
        for name, step in estimator.steps:
            fit.part(name, step)
    searching = weakref.ref(estimator)  # weakly: what is remembered of a fit must not keep its estimator
    fit.unmute(lambda other: other is getattr(searching(), "best_estimator_", None))
    monitor = monitored(fit, call)
    started, began = time(), perf_counter()

    yield

    FITS.note(estimator, fit, features_of(call))
    tell_fitted(fit, estimator, heard=monitor is not None and monitor.has_spoken, took_s=perf_counter() - began)
    if is_search(estimator):
        tell_search(fit, estimator, began=started)


def features_of(call: Call) -> Any:
    """What it is fitted on, or None where that has another name than ``X``."""
    return call["X"] if "X" in call else None  # noqa: SIM401 - a call is no mapping


def tell_data(fit: Fit, call: Call) -> None:
    features = features_of(call)
    if features is None:
        return
    facts = facts_of(features)
    if "y" in call and call["y"] is not None:
        facts["target"] = facts_of(call["y"])
    fit.dataset("train", facts)


def tell_fitted(fit: Fit, estimator: Any, *, heard: bool, took_s: float) -> None:
    """What it knows now, and what the estimator knows that did the training, if it is another."""
    inner = trained(estimator)
    if not hasattr(inner, "__dict__"):
        return
    if inner is not estimator:
        FITS.note(inner, fit, None)
    tell_curves(fit, inner, heard=heard)
    fit.summary(numbers_of(inner))
    if took_s < CHEAP_S:
        CHEAP_TABLES[type(inner).__qualname__] += 1
        if CHEAP_TABLES[type(inner).__qualname__] > MOST_CHEAP_TABLES:
            return
    rows = importances_of(inner)
    if rows:
        fit.table("feature_importance", rows)


def monitored(fit: Fit, call: Call) -> Monitor | None:
    """Hear gradient boosting round by round, through the argument that it has for that."""
    if call.method != "fit" or not call.instance.__class__.__module__.startswith("sklearn.") or "monitor" not in call:
        return None
    monitor = Monitor(fit, call["monitor"])
    call.replace("monitor", monitor)
    return monitor
