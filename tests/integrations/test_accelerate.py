"""Hugging Face Accelerate: a tracker by name, beside autolog and without it."""

import contextlib
import importlib
import inspect
import logging
import os
import sqlite3
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from accelerate import Accelerator  # noqa: E402
from accelerate.tracking import GeneralTracker  # noqa: E402

from autotrack import imports  # noqa: E402
from autotrack.instrument import current_fit, loader  # noqa: E402
from autotrack.integrations.accelerate import AutotrackTracker  # noqa: E402
from autotrack.recording.runs import Run, current_run, start_run  # noqa: E402
from autotrack.testing.integration_contract import FIT_METHODS, IntegrationContract  # noqa: E402

ROWS = torch.randn(16, 4, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield
    assert current_fit() is None, "a tracker was left current"


def points(run, key):
    series = run.history(key)
    return dict(zip(series.steps.tolist(), series.values.tolist(), strict=True))


def trained(accelerator=None, *, project="toys", log=None, **more):
    """A loop of four steps, as a user writes it: the losses that he logged."""
    torch.manual_seed(0)
    accelerator = accelerator or Accelerator(log_with="autotrack", cpu=True)
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2)
    loader_ = torch.utils.data.DataLoader(ROWS, batch_size=4)
    model, optimizer, loader_, schedule = accelerator.prepare(model, optimizer, loader_, schedule)
    accelerator.init_trackers(project, config={"lr": 0.1, "net": {"layers": 1}}, **more)
    losses = []
    for step, batch in enumerate(loader_):
        loss = model(batch).pow(2).mean()
        accelerator.backward(loss)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        if log is None:
            accelerator.log({"train_loss": loss.item()}, step=step)
        else:
            log(accelerator, step)
    accelerator.end_training()
    return losses


def test_by_name_a_loop_is_a_run_with_what_the_user_logs(tracked):
    losses = trained()
    run = tracked.run()
    assert (run.name, run.experiment, run.status) == ("accelerate-1", "toys", "finished")
    assert points(run, "train_loss") == dict(enumerate(losses))
    assert (run.params["lr"], run.params["net.layers"]) == (0.1, 1)
    assert (run.params["accelerator.mixed_precision"], run.params["accelerator.num_processes"]) == ("no", 1)
    assert run.params["accelerator.device"] == "cpu"
    assert __file__ in run.call_site
    assert "autotrack.accelerate_version" in run.tags


def test_with_autolog_it_is_the_same_run_and_knows_what_was_prepared(tracked):
    loader.autolog("accelerate")
    losses = trained()
    run = tracked.run()
    assert points(run, "train_loss") == dict(enumerate(losses))
    expected = {"model_class": "Linear", "n_params": 5, "n_params_trainable": 5, "optimizer": "SGD", "optimizer.momentum": 0.9, "total_batch_size": 4}
    assert {name: run.params.get(name) for name in expected} == expected
    assert run.params["lr_scheduler"] == "StepLR"


def test_groups_of_parameters_have_what_they_are_trained_with(tracked):
    loader.autolog("accelerate")
    accelerator = Accelerator(log_with="autotrack", cpu=True)
    accelerator.init_trackers("toys")
    first, second = torch.nn.Linear(4, 1).parameters()
    groups = [{"params": [first], "weight_decay": 0.1}, {"params": [second], "weight_decay": 0.0, "lr": 0.5}]
    optimizer = torch.optim.AdamW(groups, lr=0.25, eps=1e-6)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, step / 5))  # it warms up: now the rates are 0
    accelerator.prepare(optimizer, schedule)
    accelerator.end_training()
    told = tracked.run().params
    assert (told["optimizer.weight_decay"], told["optimizer.lr"]) == ([0.1, 0.0], [0.25, 0.5])
    assert (told["optimizer.eps"], told["optimizer.betas"]) == (1e-6, [0.9, 0.999])
    assert not [name for name in told if "params" in name or "initial" in name]


def test_what_is_prepared_later_is_known_too(tracked):
    loader.autolog("accelerate")
    accelerator = Accelerator(log_with="autotrack", cpu=True)
    accelerator.init_trackers("toys")
    accelerator.prepare(torch.nn.Linear(4, 1))
    accelerator.end_training()
    assert tracked.run().params["n_params"] == 5


def test_its_run_can_have_a_name_and_tags_and_is_handed_out(tracked):
    accelerator = Accelerator(log_with=["autotrack"], cpu=True)
    accelerator.init_trackers("a / b", init_kwargs={"autotrack": {"name": "baseline", "tags": {"team": "nlp"}}})
    run = accelerator.get_tracker("autotrack", unwrap=True)
    assert isinstance(run, Run)
    assert current_run() is run
    run.log_text("note.txt", "mine")
    accelerator.end_training()
    view = tracked.run()
    assert (view.name, view.experiment, view.tags["team"], view.id) == ("baseline-1", "a/b", "nlp", run.id)
    assert view.artifact("note.txt").read_text() == "mine"


def test_a_tracker_that_is_handed_over_works_alike(tracked):
    losses = trained(Accelerator(log_with=AutotrackTracker("mine"), cpu=True))
    assert points(tracked.run(), "train_loss") == dict(enumerate(losses))
    assert tracked.run().experiment == "mine"


def test_values_of_all_kinds(tracked):
    def log(accelerator, step):
        accelerator.log({"tensor": torch.tensor(0.5), "array": np.float32(2), "flag": True, "text": f"step {step}", "part": {"a": step}, "list": [1]})

    trained(log=log)
    run = tracked.run()
    assert points(run, "tensor") == {0: 0.5, 1: 0.5, 2: 0.5, 3: 0.5}  # without a step: one after another
    assert points(run, "part/a") == {0: 0.0, 1: 1.0, 2: 2.0, 3: 3.0}
    assert (run.metrics["array"], run.metrics["flag"], run.metrics["text"]) == (2.0, 1.0, "step 3")
    assert "list" not in run.metrics
    assert run.tags["autotrack.steps"] == "inferred"


def test_one_number_in_an_array_is_a_number(tracked):
    accelerator = Accelerator(cpu=True, log_with="autotrack")
    accelerator.init_trackers("p")
    accelerator.log({"loss": torch.tensor([3.0]), "norm": np.array([[2.0]]), "several": torch.ones(2), "none": torch.ones(0)}, step=1)
    accelerator.end_training()
    run = tracked.run()
    assert {name: run.metrics.get(name) for name in ("loss", "norm", "several", "none")} == {"loss": 3.0, "norm": 2.0, "several": None, "none": None}


def test_without_a_step_it_goes_on_after_the_last(tracked):
    accelerator = Accelerator(log_with="autotrack", cpu=True)
    accelerator.init_trackers("toys")
    accelerator.log({"loss": 1.0}, step=10)
    accelerator.log({"loss": 0.5})
    accelerator.end_training()
    assert points(tracked.run(), "loss") == {10: 1.0, 11: 0.5}


def test_inside_an_open_run_it_joins(tracked):
    with start_run("theirs"):
        losses = trained()
    run = tracked.run()
    assert (run.name, run.status, points(run, "train_loss")) == ("theirs", "finished", dict(enumerate(losses)))


def test_folds_with_one_accelerator_are_runs_of_their_own(tracked):
    accelerator = Accelerator(log_with="autotrack", cpu=True)
    folds = [trained(accelerator) for _ in range(3)]  # each time, its old trackers are told as well
    assert [points(run, "train_loss") for run in tracked.runs()] == [dict(enumerate(losses)) for losses in folds]


def test_a_loop_that_fails_is_failed_where_it_is_ended(tracked):
    accelerator = Accelerator(log_with="autotrack", cpu=True)
    with pytest.raises(ValueError, match="theirs"):
        accelerator.init_trackers("toys")
        try:
            raise ValueError("theirs")
        finally:
            accelerator.end_training()
    run = tracked.run()
    assert (run.status, run.error) == ("failed", "ValueError: theirs")


def test_one_that_is_ended_while_another_error_is_handled_is_finished(tracked):
    try:
        raise MemoryError
    except MemoryError:
        trained()
    assert tracked.run().status == "finished"


def test_one_that_nobody_ended_makes_way_for_the_next(tracked):
    first = Accelerator(log_with="autotrack", cpu=True)
    first.init_trackers("toys")
    losses = trained()
    first.log({"late": 1.0}, step=0)
    assert current_fit() is None
    assert current_run() is None
    one, other = tracked.runs()
    assert (one.status, one.parent_id, points(one, "late")) == ("running", None, {0: 1.0})
    assert (other.status, other.parent_id, points(other, "train_loss")) == ("finished", None, dict(enumerate(losses)))
    first.end_training()
    assert tracked.runs()[0].status == "finished"


def test_all_takes_what_it_took_before():
    accelerator = Accelerator(log_with="all", cpu=True, project_dir=".")
    assert "autotrack" not in [str(each) for each in accelerator.log_with]


def test_it_is_a_tracker_like_the_others():
    assert issubclass(AutotrackTracker, GeneralTracker)
    for method in {"start", "store_init_configuration", "finish"} & set(vars(GeneralTracker)):  # older ones have no start
        assert list(inspect.signature(getattr(AutotrackTracker, method)).parameters) == list(
            inspect.signature(getattr(GeneralTracker, method)).parameters
        )


def test_a_failure_of_ours_lets_the_loop_go_on(tracked, monkeypatch, caplog):
    from autotrack.instrument import Fit, Integration

    monkeypatch.setenv("AUTOTRACK_STRICT", "0")
    plain = trained()

    def fail(*_args, **_kwargs):
        raise RuntimeError("ours")

    for broken, name in ((Fit, "log"), (Fit, "params"), (Integration, "begin_current")):
        with monkeypatch.context() as patched:
            patched.setattr(broken, name, fail)
            assert trained() == plain, name


def test_the_loss_is_the_same_bit_for_bit_and_nothing_is_said(tracked, capfd, caplog):
    plain = trained(Accelerator(cpu=True))
    caplog.set_level(logging.WARNING)
    loader.autolog("accelerate")
    assert trained() == plain
    assert capfd.readouterr() == ("", "")
    assert caplog.messages == []


class TestContract(IntegrationContract):
    name = "accelerate"
    targets = ("accelerate.accelerator:Accelerator.prepare",)

    # Its own target opens no fit: a loop is one between two calls.
    test_the_users_exception_passes_as_it_is = None
    # These train unobserved first; a loop with a tracker never is.
    test_a_dead_store_changes_nothing_and_loses_nothing = None
    test_a_foreign_wrapper_on_top_survives_disable = None
    # Accelerate would wait for the other process; see test_two_processes_are_one_run.
    test_a_silent_rank_records_nothing = None

    @pytest.mark.parametrize("method", [name for name in FIT_METHODS if name != "end"])  # which alone ends what is current
    def test_a_failure_of_ours_changes_nothing(self, monkeypatch, method):
        super().test_a_failure_of_ours_changes_nothing(monkeypatch, method)

    def test_every_method_of_the_tracker_is_guarded(self):
        methods = [AutotrackTracker.start, AutotrackTracker.store_init_configuration, AutotrackTracker.log, AutotrackTracker.finish]
        assert [method for method in methods if not hasattr(method, "__autotrack_guarded__")] == []  # wraps() hands the mark on

    def train(self):
        self.losses = trained()
        return torch.tensor(self.losses)

    def fingerprint(self, model):
        return model.numpy().tobytes(), torch.get_rng_state().numpy().tobytes()

    def curves(self, model):
        return {"train_loss": self.losses}

    def params(self, model):
        return {"lr": 0.1, "optimizer": "SGD"}


# --- beside the plain loop -------------------------------------------------------------------------------------------


@pytest.fixture
def torch_observed(tracked):
    loader.autolog("torch", "accelerate")
    yield tracked
    loader.disable()


def test_a_loop_with_a_tracker_is_not_a_plain_loop_as_well(torch_observed):
    losses = trained()
    trained()
    runs = torch_observed.runs()
    assert [(run.name, run.parent_id) for run in runs] == [("accelerate-1", None), ("accelerate-2", None)]
    assert points(runs[0], "train_loss") == dict(enumerate(losses))
    assert "train/loss" not in runs[0].statistics


def test_a_loop_without_one_is_a_plain_loop_once(torch_observed):
    losses = trained(Accelerator(cpu=True))
    run = torch_observed.run()
    assert list(points(run, "train/loss").values()) == losses
    assert "train_loss" not in run.statistics


def test_while_it_trains_no_finder_of_ours_is_asked_for_modules(torch_observed, monkeypatch, tmp_path):
    (tmp_path / "toylate.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    told = []
    imports.when_imported("toylate", told.append)
    accelerator = Accelerator(log_with="autotrack", cpu=True)
    assert imports._finder in sys.meta_path
    accelerator.init_trackers("toys")
    accelerator.log({"loss": 1.0}, step=0)
    assert imports._finder not in sys.meta_path
    module = importlib.import_module("toylate")
    assert told == []
    accelerator.log({"loss": 1.0}, step=1)
    assert told == [module]
    imports.when_imported("a_module_that_nobody_has", print)
    accelerator.end_training()
    assert imports._finder in sys.meta_path
    imports.forget("a_module_that_nobody_has", print)
    del sys.modules["toylate"]


@pytest.fixture
def writer(tmp_path):
    made = pytest.importorskip("torch.utils.tensorboard").SummaryWriter(str(tmp_path / "board"))
    yield made
    made.close()


@pytest.mark.filterwarnings("ignore")
def test_what_the_user_gives_to_tensorboard_beside_the_tracker_is_taken_along(torch_observed, writer):
    def log(accelerator, step):
        accelerator.log({"train_loss": step / 2}, step=step)
        writer.add_scalar("accuracy", step / 4, 10 * step)
        writer.add_scalar("train_loss", step / 8, step)

    trained(log=log)
    run = torch_observed.run()
    assert points(run, "accuracy") == {0: 0.0, 10: 0.25, 20: 0.5, 30: 0.75}
    assert points(run, "train_loss") == {0: 0.0, 1: 0.5, 2: 1.0, 3: 1.5}
    assert points(run, "tensorboard/train_loss") == {0: 0.0, 1: 0.125, 2: 0.25, 3: 0.375}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("order", [["autotrack", "tensorboard"], ["tensorboard", "autotrack"]])
def test_what_the_tracker_of_tensorboard_is_told_as_well_is_told_once(torch_observed, tmp_path, order):
    pytest.importorskip("torch.utils.tensorboard")

    def log(accelerator, step):
        accelerator.log({"train_loss": step / 2, "part": {"a": 1.0}}, step=step)
        accelerator.get_tracker("tensorboard", unwrap=True).add_scalar("mine", 1.0, step)
        accelerator.get_tracker("tensorboard").log({"alone": 2.0}, step=step)

    made = Accelerator(log_with=order, cpu=True, project_dir=str(tmp_path))
    torch.manual_seed(0)
    made.init_trackers("toys", config={"lr": 0.1})
    for step in range(4):
        log(made, step)
    made.end_training()
    run = torch_observed.run()
    assert [(key, told.count) for key, told in sorted(run.statistics.items())] == [("alone", 4), ("mine", 4), ("part/a", 4), ("train_loss", 4)]
    assert points(run, "train_loss") == {0: 0.0, 1: 0.5, 2: 1.0, 3: 1.5}
    assert {name for name in run.params if "lr" in name} == {"lr"}


@pytest.mark.filterwarnings("ignore")
def test_what_goes_to_tensorboard_beside_a_plain_loop_is_taken_along(torch_observed, writer):
    trained(Accelerator(cpu=True), log=lambda _, step: writer.add_scalar("mine", step / 2, step))
    assert points(torch_observed.run(), "mine") == {0: 0.0, 1: 0.5, 2: 1.0, 3: 1.5}


def test_a_plain_loop_after_one_with_a_tracker_is_heard(torch_observed):
    trained()
    losses = trained(Accelerator(cpu=True))
    assert [list(points(run, "train/loss").values()) for run in torch_observed.runs() if "train/loss" in run.statistics] == [losses]


def test_a_loop_whose_tracker_nobody_ended_does_not_silence_the_next_one_with_a_tracker(torch_observed):
    first = Accelerator(log_with="autotrack", cpu=True)
    first.init_trackers("toys")
    losses = trained()
    first.end_training()
    assert points(torch_observed.runs()[1], "train_loss") == dict(enumerate(losses))


PROGRAM = """
import sys
import autotrack
{line}
import torch
from accelerate import Accelerator
accelerator = Accelerator(cpu=True, log_with="autotrack")
accelerator.init_trackers("toys", config={{"lr": 0.1}})
model = torch.nn.Linear(4, 1)
model, optimizer = accelerator.prepare(model, torch.optim.SGD(model.parameters(), lr=0.1))
for step in range(4):
    loss = model(torch.ones(8, 4)).pow(2).mean()
    accelerator.backward(loss)
    optimizer.step()
    accelerator.log({{"train_loss": loss.item()}}, step=step)
{end}
"""


def statuses(folder, end, *, line="", python=(sys.executable,)):
    """How the runs of a program ended."""
    (folder / "pyproject.toml").write_text("")
    (folder / "train.py").write_text(PROGRAM.format(line=line, end=end))
    env = {key: value for key, value in os.environ.items() if not key.startswith("AUTOTRACK")}
    done = subprocess.run([*python, "train.py"], cwd=folder, env=env, capture_output=True, text=True)
    with contextlib.closing(sqlite3.connect(folder / ".autotrack" / "autotrack.db")) as store:
        found = [status for (status,) in store.execute("select status from runs")]
    assert (done.returncode == 0) == (found == ["finished"]), done.stderr
    return found


@pytest.mark.parametrize(
    ("end", "status"),
    [("", "finished"), ("raise ValueError('theirs')", "failed"), ("sys.exit(3)", "failed"), ("raise KeyboardInterrupt", "interrupted")],
    ids=["the end", "an error", "sys.exit", "Ctrl-C"],
)
def test_one_that_nobody_ended_ends_as_its_program_does(tmp_path, end, status):
    assert statuses(tmp_path, end) == [status]


def test_two_processes_are_one_run(tmp_path):
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--master_port=29518")
    assert statuses(tmp_path, "accelerator.end_training()", line="autotrack.autolog()", python=torchrun) == ["finished"]
