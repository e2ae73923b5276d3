"""An estimator that trains itself by ``train``."""

import warnings

from toylearn.training import train


class Line:
    def __init__(self, rounds=5, rate=0.05):
        self.rounds = rounds
        self.rate = rate

    def fit(self, x, y, callbacks=None):
        """Fit the line."""
        if self.rounds > 1000:
            warnings.warn("so many rounds", UserWarning, stacklevel=2)
        fitted = train({"rounds": self.rounds, "rate": self.rate}, x, y, callbacks=callbacks)
        self.slope_, self.losses_ = fitted["slope"], fitted["losses"]
        return self
