"""``AutotrackCallback`` and ``AutotrackLogger``, passed by hand: without autolog, and beside it."""

import contextlib
import copy
import inspect
import os
import pickle
import signal

import pytest

from autotrack.instrument import current_fit, loader

torch = pytest.importorskip("torch")
lightning = pytest.importorskip("lightning.pytorch")
other = pytest.importorskip("pytorch_lightning")

from autotrack.integrations.lightning import AutotrackCallback, AutotrackLogger  # noqa: E402 - it imports the framework
from autotrack.integrations.lightning.ears import EARS  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's own: few workers, few batches

QUIET = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu", "num_sanity_val_steps": 0}


class Net(lightning.LightningModule):
    def __init__(self, hidden=4):
        super().__init__()
        self.save_hyperparameters()
        self.net = torch.nn.Linear(6, 2)

    def training_step(self, batch, index):
        loss = torch.nn.functional.cross_entropy(self.net(batch[0]), batch[1])
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, index):
        self.log("val_loss", torch.nn.functional.cross_entropy(self.net(batch[0]), batch[1]))

    def test_step(self, batch, index):
        self.log("test_loss", torch.nn.functional.cross_entropy(self.net(batch[0]), batch[1]))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def batches():
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(20, 6), torch.arange(20) % 2), batch_size=4)


def trainer_of(**more):
    return lightning.Trainer(**{"max_epochs": 2, "log_every_n_steps": 2, "logger": False, "enable_checkpointing": False, **QUIET, **more})


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


class Raising(lightning.Callback):
    def __init__(self, error):
        self.error = error

    def on_train_batch_start(self, trainer, module, batch, index):
        if trainer.global_step == 3:
            raise self.error


def points(run, key):
    series = run.history(key)
    return list(zip(series.steps.tolist(), series.values.tolist(), strict=True))


# --- the callback -----------------------------------------------------------------------------------------------------


def test_the_callback_records_what_autolog_records(tracked):
    def keys(run):
        return {key for key in run.statistics if not key.startswith("system/")}, set(run.params), sorted(each.name for each in run.artifacts)

    trainer_of(callbacks=[AutotrackCallback()]).fit(Net(), batches(), batches())
    loader.autolog("lightning")
    trainer_of().fit(Net(), batches(), batches())
    by_hand, by_itself = tracked.runs()
    assert keys(by_hand) == keys(by_itself)
    assert points(by_hand, "train_loss")[0][0] == 1
    assert by_hand.name.startswith("Net")
    assert (by_hand.status, by_hand.params["hidden"]) == ("finished", 4)
    assert current_fit() is None


def test_beside_autolog_nothing_is_recorded_twice(tracked):
    loader.autolog("lightning")
    trainer_of(callbacks=[AutotrackCallback()], logger=AutotrackLogger()).fit(Net(), batches(), batches())
    run = tracked.run()
    assert len(tracked.runs()) == 1
    assert [step for step, _ in points(run, "train_loss")] == [1, 3, 5, 7, 9]
    assert [step for step, _ in points(run, "val_loss")] == [4, 9]
    steps = [step for step, _ in points(run, "lr")]
    assert steps == sorted(set(steps))


def test_one_callback_for_several_trainers_and_fits(tracked):
    callback = AutotrackCallback()
    trainer = trainer_of(callbacks=[callback], max_epochs=1)
    trainer.fit(Net(), batches())
    trainer.fit_loop.max_epochs = 2
    trainer.fit(Net(hidden=5), batches())
    trainer_of(callbacks=[callback]).fit(Net(hidden=6), batches())
    assert [run.params["hidden"] for run in tracked.runs()] == [4, 5, 6]
    assert {run.status for run in tracked.runs()} == {"finished"}


def test_a_test_after_the_fit_is_in_its_run(tracked):
    trainer, net = trainer_of(callbacks=[AutotrackCallback()]), Net()
    trainer.fit(net, batches())
    trainer.test(net, batches(), verbose=False)
    assert [step for step, _ in points(tracked.run(), "test_loss")] == [10]


def test_a_test_alone_is_a_run(tracked):
    trainer_of(callbacks=[AutotrackCallback()]).test(Net(), batches(), verbose=False)
    assert tracked.run().metrics["test_loss"] > 0
    assert tracked.run().status == "finished"


@pytest.mark.parametrize(("error", "status"), [(ValueError("theirs"), "failed"), (KeyboardInterrupt(), "interrupted")], ids=["an error", "Ctrl-C"])
@pytest.mark.parametrize("by", ["callback", "logger"])
def test_how_it_ended(tracked, error, status, by):
    ours = {"callbacks": [AutotrackCallback(), Raising(error)]}
    passed = ours if by == "callback" else {"callbacks": [Raising(error)], "logger": AutotrackLogger()}
    before = signal.getsignal(signal.SIGINT)
    try:
        with contextlib.suppress(ValueError, SystemExit):
            trainer_of(**passed).fit(Net(), batches())
    finally:
        signal.signal(signal.SIGINT, before)
    run = tracked.run()
    assert (run.status, run.error) == (status, "ValueError: theirs" if status == "failed" else "KeyboardInterrupt")
    assert [step for step, _ in points(run, "train_loss")] == [1]
    assert current_fit() is None


def test_other_trainers_are_left_alone_and_nothing_stays_patched(tracked):
    connector = lightning.trainer.connectors.logger_connector.logger_connector._LoggerConnector
    held = connector.log_metrics, connector.on_batch_start, lightning.Trainer.save_checkpoint, lightning.Trainer.fit
    trainer_of(callbacks=[AutotrackCallback()]).fit(Net(), batches())
    trainer_of().fit(Net(), batches())
    assert len(tracked.runs()) == 1
    assert (connector.log_metrics, connector.on_batch_start, lightning.Trainer.save_checkpoint, lightning.Trainer.fit) == held
    assert EARS["lightning"]._users == 0


def test_trial_runs_and_the_tuner_are_silent(tracked):
    trainer_of(fast_dev_run=1, callbacks=[AutotrackCallback()], logger=AutotrackLogger()).fit(Net(), batches(), batches())
    tuner = lightning.tuner.Tuner(trainer_of(callbacks=[AutotrackCallback()], enable_checkpointing=True))
    tuner.lr_find(Net(), batches(), num_training=4, update_attr=False)
    assert tracked.runs() == []


def test_what_is_called_back_is_guarded_and_nothing_of_it_travels(tracked):
    for cls in (AutotrackCallback, AutotrackLogger):
        called = [name for name, method in vars(cls).items() if inspect.isfunction(method) and not name.startswith("_")]
        assert called
        assert [name for name in called if not hasattr(vars(cls)[name], "__autotrack_guarded__")] == []
    logger = AutotrackLogger()
    logger.log_metrics({"a": 1.0}, step=0)
    assert pickle.loads(pickle.dumps(logger))._fit is None
    assert copy.deepcopy(AutotrackCallback())._fit is None
    assert AutotrackCallback().state_dict() == {}
    logger.finalize("success")


def test_a_trainer_of_the_other_name_takes_the_callback(tracked):
    class Other(other.LightningModule):
        __init__, training_step, configure_optimizers = Net.__init__, Net.training_step, Net.configure_optimizers

    Other.__init__ = lambda self: (other.LightningModule.__init__(self), setattr(self, "net", torch.nn.Linear(6, 2)))[0]
    more = {"max_epochs": 1, "log_every_n_steps": 1, "logger": False, "enable_checkpointing": False, **QUIET}
    other.Trainer(callbacks=[AutotrackCallback()], **more).fit(Other(), batches())
    run = tracked.run()
    assert [step for step, _ in points(run, "train_loss")] == [0, 1, 2, 3, 4]
    assert "autotrack.pytorch_lightning_version" in run.tags


# --- the logger -------------------------------------------------------------------------------------------------------


def test_the_logger_alone_records_what_it_is_given(tracked):
    logger = AutotrackLogger("mine")
    trainer = trainer_of(logger=logger)
    trainer.fit(Net(), batches(), batches())
    trainer.test(trainer.lightning_module, batches(), verbose=False)
    run = tracked.run()
    assert run.name.startswith("mine")
    assert (run.params, run.status) == ({"hidden": 4}, "finished")
    assert [step for step, _ in points(run, "train_loss")] == [1, 3, 5, 7, 9]
    assert "test_loss" in run.metrics
    assert logger.run_id == run.id


@pytest.mark.parametrize("observed", [False, True])
def test_the_logger_tells_an_epoch_once_a_step(tracked, observed):
    if observed:
        loader.autolog("lightning")
    trainer = trainer_of(logger=AutotrackLogger(), max_epochs=1)
    trainer.fit(Net(), batches(), batches())
    trainer.validate(trainer.lightning_module, batches(), verbose=False)
    trainer.test(trainer.lightning_module, batches(), verbose=False)
    assert points(tracked.run(), "epoch") == [(1, 0.0), (3, 0.0), (4, 0.0), (5, 1.0)]


def test_the_experiment_is_the_run(tracked):
    logger = AutotrackLogger()
    logger.experiment.log({"mine": 2.0}, step=3)
    logger.finalize("success")
    assert points(tracked.run(), "mine") == [(3, 2.0)]


def test_other_callbacks_log_through_it_beside_autolog(tracked):
    loader.autolog("lightning")
    monitor = lightning.callbacks.LearningRateMonitor()
    trainer_of(logger=AutotrackLogger(), callbacks=[monitor]).fit(Net(), batches())
    run = tracked.run()
    assert {"lr-SGD", "lr"} <= set(run.statistics)
    assert [step for step, _ in points(run, "train_loss")] == [1, 3, 5, 7, 9]


def test_what_it_is_told_before_there_is_a_run_is_in_the_run_of_the_fit(tracked):
    loader.autolog("lightning")
    logger = AutotrackLogger()
    logger.log_hyperparams({"told": "early"})
    trainer_of(logger=logger).fit(Net(), batches())
    assert tracked.run().params["told"] == "early"


def test_callback_and_logger_together_are_one_run(tracked):
    trainer_of(callbacks=[AutotrackCallback()], logger=AutotrackLogger("mine")).fit(Net(), batches())
    run = tracked.run()
    assert run.name.startswith("mine")
    assert [step for step, _ in points(run, "train_loss")] == [1, 3, 5, 7, 9]
    assert {"lr", "time/epoch_s"} <= set(run.statistics)
    assert run.status == "finished"


@pytest.mark.parametrize(("save_dir", "folder"), [(None, "checkpoints"), ("out", "out/mine/{run}/checkpoints")])
def test_checkpoints_stay_where_they_are_without_a_logger_unless_it_is_given_a_folder(tracked, save_dir, folder, tmp_path):
    name = "mine" if save_dir else ""
    logger = AutotrackLogger(name, save_dir=save_dir)
    trainer = trainer_of(logger=logger, enable_checkpointing=True)
    trainer.fit(Net(), batches())
    where = os.path.relpath(trainer.checkpoint_callback.dirpath, tmp_path)
    assert where == folder.format(run=logger.run_id)
    assert tracked.run().metrics["best_model_path"] == trainer.checkpoint_callback.best_model_path


def test_a_fabric_takes_it(tracked):
    from lightning.fabric import Fabric

    logger = AutotrackLogger("fabric")
    fabric = Fabric(accelerator="cpu", devices=1, loggers=[logger])
    fabric.log_dict({"loss": 0.5}, step=7)
    logger.finalize("success")
    assert points(tracked.run(), "loss") == [(7, 0.5)]
