"""toylearn: its parameters and its loss in each round. As another package would write it."""

from __future__ import annotations

from toylearn.training import Callback

from autotrack.instrument import Call, Fit, Integration, Observed, guarded

integration = Integration("toylearn", requires="toylearn>=1.2")

# One function under the names that the framework itself gives it.
TRAIN = ("toylearn.training:train", "toylearn:train", "toylearn.model:train")


@integration.fit("toylearn.model:Line.fit")
def fit(fit: Fit, call: Call) -> Observed:
    """The estimator: inside it, ``train`` is part of the same fit."""
    line = call.instance
    fit.params({"rounds": line.rounds, "rate": line.rate})
    call.prepend("callbacks", Curve(fit))

    yield

    fit.summary(slope=line.slope_)
    fit.checkpoint("slope.txt", write=lambda path: path.write_text(repr(line.slope_)))


@integration.fit(*TRAIN)
def train(fit: Fit, call: Call) -> Observed:
    """The function, called by itself."""
    fit.params(call["params"])
    call.prepend("callbacks", Curve(fit))

    fitted = yield

    fit.summary(slope=fitted["slope"])


class Curve(Callback):
    """Record the loss of each round."""

    def __init__(self, fit: Fit) -> None:
        self._fit = fit

    @guarded
    def after_round(self, number: int, loss: float) -> bool:
        self._fit.log({"train/loss": loss}, step=number)
        return False
