"""``model.score(X_test, y_test)``: what the user computes of a fitted model is told to the run that fitted it.

It is called ``train/score`` for the data that it was fitted on, ``test/score`` for a variable called ``X_test``, and
``score`` where the call does not say. The name is read from the source line of the call, never from the frame's variables.
"""

from __future__ import annotations

import ast
import itertools
import linecache
import sys
import types
from typing import Any

from autotrack.instrument import Fit, Observed, current_fit
from autotrack.integrations.sklearn.declaration import integration
from autotrack.integrations.sklearn.fits import FITS
from autotrack.integrations.sklearn.memory import Trained

MOST_LINES = 20  # of one call


@integration.watch_family("sklearn.base:BaseEstimator", "score")
@integration.watch_family("sklearn.base:ClassifierMixin", "score")
@integration.watch_family("sklearn.base:RegressorMixin", "score")
def scored(estimator: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Observed:
    known = FITS.of(estimator) if current_fit() is None else None
    if known is None:
        yield
        return
    name = part_of(known, args[0] if args else kwargs.get("X"))

    with Fit(integration.name).within():  # a score may score, or fit, others
        value = yield

    if hasattr(value, "__float__"):
        known.fit.summary({f"{name}/score" if name else "score": float(value)})


def part_of(known: Trained, features: Any) -> str:
    """``train`` for the very object that it was fitted on; else what the variable is called, without its ``X``."""
    if features is not None and known.features is not None and known.features() is features:
        return "train"
    words = [word for word in called_with(calling_frame()).split("_") if word not in ("", "X", "x")]
    return "_".join(words)


def calling_frame() -> types.FrameType | None:
    """The innermost frame that is not ours."""
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("autotrack."):
        frame = frame.f_back
    return frame


def called_with(frame: types.FrameType | None) -> str:
    """The name of the variable that the call being made in a frame passes first; "" where its source does not say."""
    positions = getattr(frame and frame.f_code, "co_positions", None)  # Python 3.11 or newer
    if frame is None or positions is None:
        return ""
    line, last_line, column, last_column = next(itertools.islice(positions(), frame.f_lasti // 2, None), (None,) * 4)
    if line is None or last_line is None or column is None or last_column is None or last_line - line > MOST_LINES:
        return ""
    lines = [linecache.getline(frame.f_code.co_filename, number, frame.f_globals).encode() for number in range(line, last_line + 1)]
    lines[-1] = lines[-1][:last_column]  # columns count bytes
    lines[0] = lines[0][column:]
    try:
        call = ast.parse(b"(" + b"".join(lines) + b")", mode="eval").body
    except (SyntaxError, ValueError):
        return ""
    if not isinstance(call, ast.Call):
        return ""
    given = [*call.args, *(word.value for word in call.keywords if word.arg == "X")]
    return given[0].id if given and isinstance(given[0], ast.Name) else ""
