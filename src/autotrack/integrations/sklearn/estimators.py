"""What an estimator is: whether it deserves a run, what it is made of, and its parameters, read without drawing.

XGBoost's ``get_params`` draws from a ``random_state`` that is a generator; its state is put back, so that reading
parameters never moves the user's random numbers.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping
from types import FunctionType
from typing import Any

from sklearn.base import BaseEstimator

MOST_PARTS = 100  # so many items of a list are looked at
ATOMS = frozenset({bool, int, float, str, type(None)})  # what most parameters are
_GET_PARAM_NAMES = getattr(BaseEstimator._get_param_names, "__func__", None)
MOST_DEPTH = 8  # of estimators within estimators


def is_model(estimator: Any) -> bool:
    """Predictors, clusterers, detectors, densities and searches deserve a run; scalers, encoders, selectors and decompositions do not."""
    while is_pipeline(estimator):
        estimator = last_step(estimator)
    kind = type(estimator)
    return hasattr(kind, "predict") or hasattr(kind, "fit_predict") or (hasattr(kind, "score_samples") and not hasattr(kind, "transform"))


def fits_many(estimator: Any) -> bool:
    """Whether it fits others, or itself, several times: their curves are not its own. A pipeline fits its last step once."""
    if is_pipeline(estimator) or transforms_target(estimator) or type(estimator).__name__ == "FixedThresholdClassifier":
        return False
    names = parameter_names(estimator.__class__)
    if "cv" in names:
        return True
    held = vars(estimator) if hasattr(estimator, "__dict__") else {}
    return any(
        any(is_estimator(part) for part in flattened([value])) for name, value in held.items() if type(value) not in ATOMS and name in names
    )


def is_pipeline(estimator: Any) -> bool:
    return is_a(estimator, "sklearn.pipeline", "Pipeline")


def transforms_target(estimator: Any) -> bool:
    return is_a(estimator, "sklearn.compose", "TransformedTargetRegressor")


def is_a(estimator: Any, module: str, name: str) -> bool:
    """Whether it is an instance of scikit-learn's class, whose module is not imported for the question: it takes some 20 ms."""
    kind = getattr(sys.modules.get(module), name, None)
    return kind is not None and isinstance(estimator, kind)


def is_estimator(part: Any) -> bool:
    return hasattr(part, "fit") and not isinstance(part, type)


def flattened(values: Iterable[Any]) -> Iterator[Any]:
    """The values, and what lies in lists and tuples among them (``estimators=[("a", SVC())]``)."""
    for value in values:
        if isinstance(value, list | tuple):
            yield from flattened(value[:MOST_PARTS])
        else:
            yield value


def last_step(pipeline: Any) -> Any:
    steps = getattr(pipeline, "steps", None)
    return steps[-1][-1] if steps else None


def trained(estimator: Any) -> Any:
    """The estimator whose training is what the run shows: a pipeline's last step, a search's refitted best."""
    for _ in range(MOST_DEPTH):
        own = vars(estimator) if hasattr(estimator, "__dict__") else {}
        if is_pipeline(estimator):
            inner = last_step(estimator)
        elif transforms_target(estimator):
            inner = own.get("regressor_")
        else:
            inner = own.get("best_estimator_")
        if not hasattr(inner, "fit"):
            return estimator
        estimator = inner
    return estimator


def parameters(estimator: Any, *, depth: int = 0) -> dict[str, Any]:
    """As ``get_params(deep=True)``, without drawing; of a list of named estimators, the names."""
    found: dict[str, Any] = {}
    for name, value in own_parameters(estimator).items():
        named = named_parts(value)
        found[name] = value if named is None else list(named)
        inside = {name: value} if named is None else named
        for inner_name, inner in inside.items():
            if inner is not value:
                found[inner_name] = inner
            if depth < MOST_DEPTH and hasattr(inner, "get_params") and not isinstance(inner, type):
                found.update({f"{inner_name}__{key}": kept for key, kept in parameters(inner, depth=depth + 1).items()})
    return found


def own_parameters(estimator: Any) -> Mapping[str, Any]:
    kind: Any = type(estimator)
    if getattr(kind, "get_params", None) is BaseEstimator.get_params:
        return {name: getattr(estimator, name, None) for name in parameter_names(kind)}
    with undrawn(getattr(estimator, "random_state", None)):
        told: Mapping[str, Any] = estimator.get_params(deep=False)
        return told


@functools.lru_cache(maxsize=256)
def parameter_names(kind: Any) -> tuple[str, ...]:
    """The names of the constructor's parameters, as scikit-learn reads them; none where a class breaks its rules."""
    init, asks = kind.__init__, getattr(kind, "_get_param_names", None)
    if type(init) is FunctionType and not vars(init) and getattr(asks, "__func__", None) is _GET_PARAM_NAMES:
        code = init.__code__  # a plain function, which takes no ``inspect.signature`` (0.1 ms) to be read as they do
        if not code.co_flags & inspect.CO_VARARGS:
            return tuple(sorted(code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]))
    try:
        return tuple(kind._get_param_names())
    except (AttributeError, RuntimeError, TypeError, ValueError):
        return ()


def named_parts(value: Any) -> dict[str, Any] | None:
    """What ``steps``, ``transformers`` or ``estimators`` hold, by name; None of anything else."""
    if not isinstance(value, list | tuple) or not all(isinstance(item, tuple) and len(item) >= 2 and isinstance(item[0], str) for item in value):
        return None
    if not any(is_estimator(item[1]) for item in value):
        return None
    return {item[0]: item[1] for item in value}


@contextlib.contextmanager
def undrawn(source: Any) -> Iterator[None]:
    """Whatever is drawn from a random generator inside the block is put back."""
    generator = getattr(source, "bit_generator", None)
    if generator is not None:
        state = generator.state
        yield
        generator.state = state
    elif hasattr(source, "get_state") and hasattr(source, "set_state"):
        state = source.get_state()
        yield
        source.set_state(state)
    else:
        yield
