"""A framework of a third party, with an integration of a third party, found through a real entry point."""

import importlib
import random
import sys
from pathlib import Path

import pytest

from autotrack.instrument import loader
from autotrack.testing.integration_contract import IntegrationContract

HERE = Path(__file__).parent / "third_party"
sys.path.append(str(HERE))  # as if the two packages were installed there

X, Y = [0.0, 1.0, 2.0, 3.0], [1.0, 3.0, 5.0, 7.0]


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    """Entry points are listed once a process: let this process list them with the third party's."""
    monkeypatch.setattr(loader, "LOADER", loader.Loader())
    importlib.invalidate_caches()


class TestEstimator(IntegrationContract):
    name = "toylearn"
    targets = ("toylearn.model:Line.fit",)

    def train(self):
        from toylearn import Line

        random.seed(1)
        return Line(rounds=4).fit(X, Y)

    def fingerprint(self, model):
        return repr(model.slope_)

    def curves(self, model):
        return {"train/loss": model.losses_}

    def params(self, model):
        return {"rounds": 4, "rate": 0.05}


class TestFunction(IntegrationContract):
    name = "toylearn"
    targets = ("toylearn.training:train", "toylearn:train", "toylearn.model:train")

    def train(self):
        import toylearn

        random.seed(1)
        return toylearn.train({"rounds": 6, "rate": 0.01}, X, Y, callbacks=[])

    def fingerprint(self, model):
        return repr(model["slope"])

    def curves(self, model):
        return {"train/loss": model["losses"]}

    def params(self, model):
        return {"rounds": 6, "rate": 0.01}


def test_it_is_listed_among_what_is_known():
    assert loader.LOADER.known["toylearn"] == "autotrack_toylearn:integration"


def test_the_status_says_how_it_is_observed(tracked):
    import toylearn

    loader.autolog("toylearn")
    (said,) = [status for status in loader.status() if status.name == "toylearn"]
    loader.disable()
    assert (said.version, said.observed, said.reason) == (toylearn.__version__, True, "observed")


def files(run):
    return [artifact for artifact in run.artifacts if artifact.kind != "diff"]  # of the repository that the tests run in


def test_what_was_written_is_kept_with_the_run(tracked):
    loader.autolog("toylearn")
    model = TestEstimator().train()
    loader.disable()
    (kept,) = files(tracked.run())
    assert (kept.name, kept.kind, kept.read_text()) == ("slope.txt", "checkpoint", repr(model.slope_))


def test_checkpoints_can_be_left_out(tracked):
    loader.autolog("toylearn", checkpoints=False)
    TestEstimator().train()
    loader.disable()
    loader.tracker.configure(checkpoints=True)
    assert files(tracked.run()) == []


def test_a_warning_of_the_framework_points_at_the_users_line(tracked):
    from toylearn import Line

    loader.autolog("toylearn")
    with pytest.warns(UserWarning, match="so many rounds") as caught:
        Line(rounds=1001).fit(X, Y)
    loader.disable()
    assert caught[0].filename == __file__
