"""What a program reports by itself: arguments of its command line, what it gives to TensorBoard."""

import argparse
import threading

import pytest

from autotrack.instrument import Fit, loader, reports
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


@pytest.mark.parametrize("module", writers())
def test_what_goes_to_tensorboard_before_a_training_is_the_trainings(observed, module, tmp_path):
    torch = pytest.importorskip("torch")
    writer = pytest.importorskip(module).SummaryWriter(str(tmp_path))
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    told = torch.tensor(7.0)
    writer.add_scalar("reward", told, 100)
    told += 1  # it is what it was
    writer.add_scalars("before", {"train": 0.5, "val": 0.25}, 0)
    writer.add_scalar("lr", 0.1, 0)
    for step in range(3):
        loss = model(torch.ones(4, 2)).square().mean()
        loss.backward()
        writer.add_scalar("loss", loss.item(), step)
        optimizer.step()
    writer.close()
    loader.disable()
    run = observed.run()
    assert [run.history("reward").steps.tolist(), run.history("reward").values.tolist()] == [[100], [7.0]]
    assert [run.metrics["before/train"], run.metrics["before/val"]] == [0.5, 0.25]
    assert run.history("loss").steps.tolist() == [0, 1, 2]
    assert [len(run.history("lr")), len(run.history("tensorboard/lr"))] == [1, 1]


def test_how_many_early_reports_were_too_many_is_told(observed, tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(reports, "MOST_EARLY", 3)
    writer = pytest.importorskip("tensorboardX").SummaryWriter(str(tmp_path))
    for step in range(5):
        writer.add_scalar("reward", float(step), step)
    optimizer = torch.optim.SGD(torch.nn.Linear(2, 1).parameters(), lr=0.1)
    optimizer.param_groups[0]["params"][0].sum().backward()
    optimizer.step()
    writer.close()
    loader.disable()
    run = observed.run()
    assert run.history("reward").steps.tolist() == [2, 3, 4]
    assert run.metrics["loop/lost_reports"] == 2


@pytest.mark.parametrize("module", writers())
def test_what_another_thread_reported_is_not_of_a_training_that_comes_after_it(observed, module, tmp_path):
    torch = pytest.importorskip("torch")
    writer = pytest.importorskip(module).SummaryWriter(str(tmp_path))

    def train():
        optimizer = torch.optim.SGD(torch.nn.Linear(2, 1).parameters(), lr=0.1)
        writer.add_scalar("mine", 1.0, 0)
        optimizer.param_groups[0]["params"][0].sum().backward()
        optimizer.step()

    for work in (lambda: writer.add_scalar("theirs", 1.0, 0), train):  # the system gives the second the identity of the first
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    writer.close()
    loader.disable()
    run = observed.run()
    assert "mine" in run.statistics
    assert "theirs" not in run.statistics


@pytest.mark.parametrize("module", writers())
def test_what_a_framework_reports_counts_no_step_of_the_users(observed, module, tmp_path):
    writer = pytest.importorskip(module).SummaryWriter(str(tmp_path))
    with runs.start_run("mine"):
        with Fit("another").within():
            writer.add_scalar("counted", 1.0)
        writer.add_scalar("counted", 2.0)
    writer.close()
    assert observed.run().history("counted").steps.tolist() == [0]


def test_what_is_evaluated_and_reported_under_one_name_is_two_curves(observed, tmp_path):
    torch = pytest.importorskip("torch")
    writer = pytest.importorskip("tensorboardX").SummaryWriter(str(tmp_path))
    batches = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(8, 2), torch.ones(8, 1)), batch_size=4)
    model, criterion = torch.nn.Linear(2, 1), torch.nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    evaluated = []
    for epoch in range(2):
        for x, y in batches:
            optimizer.zero_grad()
            criterion(model(x), y).backward()
            optimizer.step()
        writer.add_scalar("epoch", epoch, epoch)
        model.eval()
        with torch.no_grad():
            val_loss = criterion(model(torch.ones(4, 2)), torch.zeros(4, 1)).item()
        model.train()
        writer.add_scalar("val/loss", val_loss, epoch)
        evaluated.append(val_loss)
    writer.close()
    loader.disable()
    run = observed.run()
    assert [run.history("val/loss").steps.tolist(), run.history("val/loss").values.tolist()] == [[1, 3], evaluated]
    assert run.history("tensorboard/val/loss").steps.tolist() == [0, 1]
    assert run.history("epoch").steps.tolist() == [1, 3]
    assert run.history("tensorboard/epoch").steps.tolist() == [0, 1]
