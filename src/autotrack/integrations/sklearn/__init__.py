"""scikit-learn: what an estimator was told, and what it says of its own training.

Observes the fits of every estimator (``fits``), functions that fit several times (``validation``), trainings that come in
calls (``streams``), and the scores that the user asks a fitted model for (``scores``).
"""

from autotrack.integrations.sklearn import curves, fits, scores, streams, validation
from autotrack.integrations.sklearn.declaration import RECORDS, integration

__all__ = ["RECORDS", "curves", "fits", "integration", "scores", "streams", "validation"]
