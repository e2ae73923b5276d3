"""``partial_fit``: a training that comes in calls. One run for each estimator, a step for each call.

The run ends when the estimator is gone or is fitted anew; else with the process.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

from autotrack.instrument import Fit, Observed, current_fit
from autotrack.integrations.sklearn.curves import is_heard
from autotrack.integrations.sklearn.datasets import facts_of
from autotrack.integrations.sklearn.declaration import integration
from autotrack.integrations.sklearn.estimators import is_model, parameters
from autotrack.integrations.sklearn.fits import FITS, STREAMS
from autotrack.integrations.sklearn.memory import Stream


@integration.watch_family("sklearn.base:BaseEstimator", "partial_fit")
def partial_fit(estimator: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Observed:
    if current_fit() is not None:
        yield
        return
    features = args[0] if args else kwargs.get("X")
    stream = None
    if is_model(estimator):
        stream = STREAMS.of(estimator) or opened(estimator, features)
    began = perf_counter()

    with Fit(integration.name).within() if stream is None else stream.fit.within():
        yield

    if stream is not None:
        told(stream, estimator, features, perf_counter() - began)


def opened(estimator: Any, features: Any) -> Stream | None:
    fit = integration.begin(type(estimator).__name__)
    stream = STREAMS.open(estimator, fit)
    if stream is None:
        fit.end()
        return None
    fit.params(parameters(estimator))
    fit.dataset("train", facts_of(features))
    FITS.note(estimator, fit, None)
    return stream


def told(stream: Stream, estimator: Any, features: Any, took_s: float) -> None:
    shape = getattr(features, "shape", None)
    stream.rows += int(shape[0]) if shape else len(features) if hasattr(features, "__len__") else 0
    values: dict[str, Any] = {"time/call_s": took_s, "n_samples_seen": stream.rows}
    for attribute, key in (("loss_", "train/loss"), ("inertia_", "train/inertia")):
        value = vars(estimator).get(attribute)
        if isinstance(value, int | float) and not is_heard(estimator):
            values[key] = float(value)
    stream.fit.log(values, step=stream.calls)
    stream.calls += 1
