"""scikit-learn: every estimator's parameters, curves and fitted numbers; searches with a run a candidate, cross-validation, scores.

Observes the fits of every estimator (``fits``), functions that fit several times (``validation``), trainings that come in
calls (``streams``), and the scores that the user asks a fitted model for (``scores``).
"""

from autotrack.integrations.sklearn import curves, fits, scores, streams, validation
from autotrack.integrations.sklearn.declaration import RECORDS, integration

__all__ = ["RECORDS", "curves", "fits", "integration", "scores", "streams", "validation"]
