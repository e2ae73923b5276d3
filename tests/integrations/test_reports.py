"""What a program reports by itself: arguments of its command line, what it gives to TensorBoard."""

import argparse

import pytest

from autotrack.instrument import Fit, loader
from autotrack.recording import runs


@pytest.fixture
def observed(tracked):
    loader.autolog()
    yield tracked
    loader.disable()


def parser():
    made = argparse.ArgumentParser()
    made.add_argument("--lr", type=float, default=0.1)
    made.add_argument("--hf-token", default="")
    inner = made.add_subparsers(dest="command").add_parser("train")
    inner.add_argument("--epochs", type=int, default=3)
    return made


def test_parsed_arguments_are_parameters_of_every_run(observed):
    with runs.start_run("before"):
        args = parser().parse_args(["--lr", "0.5", "--hf-token", "s3cret", "train", "--epochs", "7"])
    with runs.start_run("after"):
        with runs.start_run("inside"):
            pass
    told = {run.name: dict(run.params) for run in observed.runs()}
    expected = {"args.lr": 0.5, "args.command": "train", "args.epochs": 7}
    assert told["before"] == told["after"] == {**expected, "args.hf_token": told["after"]["args.hf_token"]}
    assert "s3cret" not in str(told)
    assert told["inside"] == {}
    assert args == argparse.Namespace(lr=0.5, hf_token="s3cret", command="train", epochs=7)


def test_a_wrong_command_line_is_said_in_argparses_words(observed, capsys):
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(["--no"])
    assert ended.value.code == 2
    assert "unrecognized arguments: --no" in capsys.readouterr().err


def writers():
    return [
        pytest.param("torch.utils.tensorboard", marks=pytest.mark.filterwarnings("ignore")),
        pytest.param("tensorboardX", marks=pytest.mark.filterwarnings("ignore")),
    ]


@pytest.mark.parametrize("module", writers())
def test_what_goes_to_tensorboard_is_taken_along(observed, module, tmp_path):
    writer = pytest.importorskip(module).SummaryWriter(str(tmp_path))
    writer.add_scalar("early", 1.0, 0)
    assert observed.runs() == []
    with runs.start_run("mine"):
        for step in range(0, 30, 10):
            writer.add_scalar("Loss/train", step / 2, global_step=step)
        writer.add_scalars("accuracy", {"train": 0.5, "val": 0.25}, 10)
        with Fit("another").within():
            writer.add_scalar("theirs", 1.0, 0)
        writer.add_hparams({"lr": 0.1, "bn": True}, {"hparam/accuracy": 0.5})
    writer.close()
    run = observed.run()
    assert run.history("Loss/train").steps.tolist() == [0, 10, 20]
    assert run.history("Loss/train").values.tolist() == [0.0, 5.0, 10.0]
    assert [run.metrics["accuracy/train"], run.metrics["accuracy/val"], run.metrics["hparam/accuracy"]] == [0.5, 0.25, 0.5]
    assert run.params == {"hparams.lr": 0.1, "hparams.bn": True}
    assert not {"early", "theirs"} & set(run.statistics)
