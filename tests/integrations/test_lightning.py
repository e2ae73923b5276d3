"""Lightning, by both of its names: what a Trainer's calls record, and what they leave as it was."""

import contextlib
import hashlib
import json
import os
import signal
import time
from pathlib import Path

import pytest

import autotrack
from autotrack.errors import TargetMissing
from autotrack.instrument import current_fit, loader
from autotrack.testing.integration_contract import IntegrationContract

torch = pytest.importorskip("torch")
lightning = pytest.importorskip("lightning.pytorch")

Callback, EarlyStopping = lightning.callbacks.Callback, lightning.callbacks.EarlyStopping
LearningRateFinder, ModelCheckpoint = lightning.callbacks.LearningRateFinder, lightning.callbacks.ModelCheckpoint
CSVLogger = lightning.loggers.CSVLogger

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's own: few workers, few batches

QUIET = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu", "num_sanity_val_steps": 0}


def module_of(package):
    """The test's module, built on the classes of one of the two packages."""

    class Net(package.LightningModule):
        def __init__(self, hidden=4, lr=0.1):
            super().__init__()
            self.save_hyperparameters()
            self.net = torch.nn.Sequential(torch.nn.Linear(6, hidden), torch.nn.Dropout(0.5), torch.nn.Linear(hidden, 2))

        def loss(self, batch):
            x, y = batch
            return torch.nn.functional.cross_entropy(self.net(x), y)

        def training_step(self, batch, index):
            loss = self.loss(batch)
            self.log("train_loss", loss, on_step=True, on_epoch=True)
            return loss

        def validation_step(self, batch, index):
            self.log("val_loss", self.loss(batch))

        def test_step(self, batch, index):
            self.log("test_loss", self.loss(batch))

        def predict_step(self, batch, index):
            return self.net(batch[0])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=self.hparams.lr)

    return Net


def memory_of(package):
    class Memory(package.loggers.Logger):
        """A logger as a user may write one: what Lightning gives it."""

        name = version = ""
        save_dir = None

        def __init__(self):
            super().__init__()
            self.points = {}

        def log_metrics(self, metrics, step):
            for key, value in metrics.items():
                if key != "epoch":
                    self.points.setdefault(key, []).append((step, value))

        def log_hyperparams(self, params):
            self.params = params

    return Memory


Net, Memory = module_of(lightning), memory_of(lightning)


def loader_of(samples=20, batch_size=4):
    x = torch.arange(samples * 6, dtype=torch.float32).reshape(samples, 6) / 100
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, torch.arange(samples) % 2), batch_size=batch_size, shuffle=True)


def trainer_of(package=lightning, **more):
    return package.Trainer(**{"max_epochs": 2, "log_every_n_steps": 2, "logger": False, "enable_checkpointing": False, **QUIET, **more})


@pytest.fixture
def observed(tracked):
    loader.autolog("lightning")
    yield tracked
    loader.disable()


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def points(run, key):
    series = run.history(key)
    return list(zip(series.steps.tolist(), series.values.tolist(), strict=True))


def rows(run, name):
    return [json.loads(line) for line in run.artifact(f"{name}.jsonl").read_text().splitlines()]


# --- the contract, by both names --------------------------------------------------------------------------------------


class Contract(IntegrationContract):
    def train(self):
        torch.manual_seed(0)
        package = self.package()
        memory = memory_of(package)()
        net = module_of(package)()
        trainer_of(package, logger=memory).fit(net, loader_of(), loader_of())
        self.history = memory.points
        return net.state_dict()

    def fingerprint(self, model):
        return {name: value.numpy().tobytes() for name, value in model.items()}, torch.get_rng_state().numpy().tobytes()

    def curves(self, model):
        return {key: [value for _, value in values] for key, values in self.history.items()}

    def params(self, model):
        return {"hidden": 4, "lr": 0.1, "model": "Net", "optimizer": "SGD", "trainer.max_epochs": 2, "trainer.precision": "32-true"}


class TestContract(Contract):
    name = "lightning"
    targets = ("lightning.pytorch.trainer.trainer:Trainer.fit",)

    def package(self):
        return lightning


class TestContractOfPytorchLightning(Contract):
    name = "pytorch_lightning"
    targets = ("pytorch_lightning.trainer.trainer:Trainer.fit",)

    def package(self):
        return pytest.importorskip("pytorch_lightning")


# --- what is recorded -------------------------------------------------------------------------------------------------


def test_what_self_log_logs_stands_at_lightnings_steps_under_the_users_names(observed):
    memory = Memory()
    trainer_of(logger=memory, max_epochs=3).fit(Net(), loader_of(), loader_of())
    run = observed.run()
    assert set(memory.points) == {"train_loss_step", "train_loss_epoch", "val_loss"}
    for key, values in memory.points.items():
        assert points(run, key) == [(step, pytest.approx(value)) for step, value in values]
    assert [value for _, value in points(run, "epoch")] == sorted(value for _, value in points(run, "epoch"))


def test_without_a_logger_the_same_is_recorded(observed):
    for logger in (Memory(), False):
        torch.manual_seed(1)
        trainer_of(logger=logger).fit(Net(), loader_of(), loader_of())
    with_logger, without = observed.runs()
    for key in ("train_loss_step", "train_loss_epoch", "val_loss", "epoch", "lr"):
        assert points(with_logger, key) == points(without, key)
        assert points(without, key)


def test_the_run_is_named_after_the_module_and_has_its_hyperparameters(observed):
    class Data(lightning.LightningDataModule):
        def __init__(self, folds=3):
            super().__init__()
            self.save_hyperparameters()

        def train_dataloader(self):
            return loader_of()

    os.environ["PL_GLOBAL_SEED"] = "11"
    try:
        trainer_of().fit(Net(hidden=3), Data(folds=7))
    finally:
        del os.environ["PL_GLOBAL_SEED"]
    run = observed.run()
    assert run.name.startswith("Net")
    wanted = {
        "hidden": 3, "lr": 0.1, "folds": 7, "seed": 11, "model": "Net", "datamodule": "Data", "optimizer": "SGD", "optimizer.lr": 0.1,
        "trainer.strategy": "SingleDeviceStrategy", "trainer.accelerator": "cpu", "trainer.devices": 1,
    }  # fmt: skip
    assert {name: run.params.get(name) for name in wanted} == wanted


def test_hyperparameters_that_are_not_to_be_logged_are_not(observed):
    class Silent(Net):
        def __init__(self, secret_sauce=1):
            super().__init__()
            self._log_hyperparams = False

    trainer_of().fit(Silent(), loader_of())
    assert not {"secret_sauce", "hidden"} & set(observed.run().params)


def test_a_users_parameter_of_our_name_stays_his(observed, caplog):
    class Chosen(Net):
        def __init__(self, optimizer="adam", model="large"):
            super().__init__()
            self.save_hyperparameters()

    trainer_of().fit(Chosen(), loader_of())
    params = observed.run().params
    assert (params["optimizer"], params["model"]) == ("adam", "large")
    assert (params["autotrack.optimizer"], params["autotrack.model"], params["autotrack.optimizer.lr"]) == ("SGD", "Chosen", 0.1)
    assert [message for message in caplog.messages if "autotrack" in message] == []


def test_learning_rates_are_those_that_the_step_was_made_with(observed):
    class Scheduled(Net):
        def configure_optimizers(self):
            first, second = self.net[0].parameters(), self.net[2].parameters()
            optimizer = torch.optim.SGD([{"params": first}, {"params": second, "lr": 0.5}], lr=0.1)
            return [optimizer], [{"scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.5), "interval": "step"}]

    seen = []

    class Look(Callback):
        def on_train_batch_start(self, trainer, *_):
            seen.append(trainer.optimizers[0].param_groups[1]["lr"])

    trainer_of(callbacks=[Look()]).fit(Scheduled(), loader_of())
    run = observed.run()
    recorded = points(run, "lr/pg2")
    assert [step for step, _ in recorded] == [1, 3, 5, 7, 9]
    assert [value for _, value in recorded] == [seen[step] for step, _ in recorded]
    assert points(run, "lr/pg1")[0] == (1, 0.1)
    assert run.params["optimizer.lr"] == [0.1, 0.5]
    assert (run.params["scheduler"], run.params["scheduler.gamma"], run.params["scheduler.interval"]) == ("StepLR", 0.5, "step")


def test_a_learning_rate_that_the_user_logs_himself_is_his(observed):
    class Logging(Net):
        def training_step(self, batch, index):
            self.log("lr", 7.0)
            return super().training_step(batch, index)

    trainer_of().fit(Logging(), loader_of())
    run = observed.run()
    assert {value for _, value in points(run, "lr")} == {7.0}
    assert len({step for step, _ in points(run, "lr")}) == len(points(run, "lr"))


def test_the_gradients_norm_where_it_is_clipped(observed):
    norms = []

    class Look(Callback):
        def on_before_optimizer_step(self, trainer, module, optimizer):
            norms.append(float(torch.linalg.vector_norm(torch.cat([p.grad.flatten() for p in module.parameters()]))))

    trainer_of(callbacks=[Look()], gradient_clip_val=0.01).fit(Net(), loader_of())
    recorded = points(observed.run(), "grad_norm")
    assert recorded == [(step, pytest.approx(norms[step])) for step in (1, 3, 5, 7, 9)]


def test_without_clipping_no_norm_is_computed(observed):
    trainer_of().fit(Net(), loader_of())
    assert "grad_norm" not in observed.run().statistics


def test_times_and_throughput(observed):
    class Slow(Net):
        def training_step(self, batch, index):
            time.sleep(0.01)
            return super().training_step(batch, index)

    trainer_of(log_every_n_steps=1).fit(Slow(), loader_of(), loader_of())
    run = observed.run()
    assert all(value >= 0.01 for _, value in points(run, "time/step_s"))
    assert [step for step, _ in points(run, "time/epoch_s")] == [4, 9]
    assert all(value >= 0.05 for _, value in points(run, "time/epoch_s"))
    assert all(0 < value <= 400 for _, value in points(run, "time/samples_per_s"))
    assert (run.metrics["epochs"], run.metrics["steps"]) == (2, 10)
    assert run.metrics["time/fit_s"] > 0.1


def test_batches_whose_samples_cannot_be_counted_have_no_rate(observed):
    class Words:
        def __iter__(self):
            return iter([(torch.ones(4, 6), torch.zeros(4, dtype=torch.long))] * 5)

    trainer_of().fit(Net(), Words())
    run = observed.run()
    assert "time/step_s" in run.statistics
    assert "time/samples_per_s" not in run.statistics


def test_accumulated_batches_have_their_time_under_another_name(observed):
    memory = Memory()
    trainer_of(accumulate_grad_batches=2, log_every_n_steps=1, logger=memory).fit(Net(), loader_of())
    run = observed.run()
    assert "time/batch_s" in run.statistics
    assert "time/step_s" not in run.statistics
    assert points(run, "train_loss_step") == [(step, pytest.approx(value)) for step, value in memory.points["train_loss_step"]]


def test_the_model_and_the_loaders(observed):
    trainer_of().fit(Net(), loader_of(samples=20, batch_size=4), loader_of(samples=8, batch_size=8))
    run = observed.run()
    assert (run.params["model.parameters"], run.params["model.trainable"], run.params["model.bytes"]) == (38, 38, 152)
    assert rows(run, "model_summary") == [{"name": "net", "type": "Sequential", "parameters": 38, "trainable": 38}]
    assert run.environment["datasets"] == {
        "train": {"type": "TensorDataset", "samples": 20, "batch_size": 4, "workers": 0},
        "val": {"type": "TensorDataset", "samples": 8, "batch_size": 8, "workers": 0},
    }


def test_early_stopping(observed):
    stopping = EarlyStopping("val_loss", patience=1, mode="max", min_delta=100.0)
    trainer = trainer_of(max_epochs=50, callbacks=[stopping])
    trainer.fit(Net(), loader_of(), loader_of())
    run = observed.run()
    assert (run.params["early_stopping.monitor"], run.params["early_stopping.patience"], run.params["early_stopping.mode"]) == ("val_loss", 1, "max")
    assert run.metrics["early_stopping/stopped_epoch"] == stopping.stopped_epoch > 0
    assert run.metrics["early_stopping/best_score"] == pytest.approx(float(stopping.best_score))
    assert len(points(run, "val_loss")) == trainer.current_epoch


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("given", [0.0, 0.25])
def test_what_early_stopping_takes_for_no_progress_is_told_as_it_was_given(observed, mode, given):
    trainer_of(callbacks=[EarlyStopping("val_loss", mode=mode, min_delta=given)]).fit(Net(), loader_of(), loader_of())
    assert repr(observed.run().params["early_stopping.min_delta"]) == repr(given)


def test_early_stopping_that_did_not_stop_has_no_epoch(observed):
    trainer_of(callbacks=[EarlyStopping("val_loss", patience=50)]).fit(Net(), loader_of(), loader_of())
    assert "early_stopping/stopped_epoch" not in observed.run().metrics


def test_checkpoints_are_told_and_the_best_and_the_newest_kept(observed, tmp_path):
    keeper = ModelCheckpoint(tmp_path / "kept", monitor="val_loss", save_top_k=2, mode="min")
    trainer_of(max_epochs=4, callbacks=[keeper], enable_checkpointing=True).fit(Net(), loader_of(), loader_of())
    run = observed.run()
    told = rows(run, "checkpoints")
    assert {row["path"] for row in told} >= set(keeper.best_k_models)
    assert {row["path"]: row["score"] for row in told}[keeper.best_model_path] == pytest.approx(float(keeper.best_model_score))
    assert min(told, key=lambda row: row["score"])["path"] == keeper.best_model_path
    for row in told:
        assert row["monitor"] == "val_loss"
        if os.path.exists(row["path"]):
            content = Path(row["path"]).read_bytes()
            assert (row["size"], row["digest"]) == (len(content), f"sha256:{hashlib.sha256(content).hexdigest()}")
    assert run.metrics["best_model_path"] == keeper.best_model_path
    assert run.metrics["best_model_score"] == pytest.approx(float(keeper.best_model_score))
    assert (run.params["checkpoint.monitor"], run.params["checkpoint.save_top_k"]) == ("val_loss", 2)
    kept = [artifact for artifact in run.artifacts if artifact.kind == "checkpoint"]
    newest = told[-1]["path"]
    assert {artifact.name for artifact in kept} == {f"checkpoints/{os.path.basename(path)}" for path in (keeper.best_model_path, newest)}
    for artifact in kept:
        assert artifact.download(tmp_path / "back").read_bytes() == (tmp_path / "kept" / os.path.basename(artifact.name)).read_bytes()


def test_the_best_checkpoint_is_the_highest_where_the_monitor_is_to_rise(observed, tmp_path):
    keeper = ModelCheckpoint(tmp_path / "kept", monitor="epoch_number", save_top_k=-1, mode="max")

    class Rising(Net):
        def on_validation_epoch_end(self):
            self.log("epoch_number", float([1, 3, 2][self.current_epoch]))

    trainer_of(max_epochs=3, callbacks=[keeper], enable_checkpointing=True, num_sanity_val_steps=0).fit(Rising(), loader_of(), loader_of())
    kept = {artifact.name: artifact.meta.get("best", False) for artifact in observed.run().artifacts if artifact.kind == "checkpoint"}
    told = rows(observed.run(), "checkpoints")
    assert [row["score"] for row in told] == [1.0, 3.0, 2.0]
    assert kept == {f"checkpoints/{os.path.basename(told[1]['path'])}": True, f"checkpoints/{os.path.basename(told[2]['path'])}": False}


def test_checkpoint_files_can_be_left_out(observed, tmp_path):
    loader.autolog("lightning", checkpoints=False)
    trainer_of(callbacks=[ModelCheckpoint(tmp_path / "kept")], enable_checkpointing=True).fit(Net(), loader_of())
    run = observed.run()
    assert [artifact.name for artifact in run.artifacts if artifact.kind == "checkpoint"] == []
    assert len(rows(run, "checkpoints")) == 2


def test_nothing_of_ours_is_in_a_checkpoint(observed, tmp_path):
    trainer_of(callbacks=[ModelCheckpoint(tmp_path, filename="kept")], enable_checkpointing=True, max_epochs=1).fit(Net(), loader_of())
    assert b"autotrack" not in (tmp_path / "kept.ckpt").read_bytes()


def test_a_training_that_is_resumed_goes_on_in_its_steps(observed, tmp_path):
    first = trainer_of(max_epochs=1, callbacks=[ModelCheckpoint(tmp_path, filename="first")], enable_checkpointing=True)
    first.fit(Net(), loader_of(), loader_of())
    memory = Memory()
    trainer_of(max_epochs=3, logger=memory).fit(Net(), loader_of(), loader_of(), ckpt_path=tmp_path / "first.ckpt")
    before, resumed = observed.runs()
    assert points(before, "val_loss")[-1][0] == 4
    assert [step for step, _ in points(resumed, "val_loss")] == [9, 14]
    assert points(resumed, "val_loss") == [(step, pytest.approx(value)) for step, value in memory.points["val_loss"]]
    assert resumed.params["ckpt_path"] == str(tmp_path / "first.ckpt")
    assert resumed.tags["autotrack.resumed_at_step"] == "5"
    assert [value for _, value in points(resumed, "epoch")][0] == 1


def test_several_fits_with_one_trainer_are_several_full_runs(observed):
    trainer = trainer_of(max_epochs=1)
    trainer.fit(Net(), loader_of(), loader_of())
    trainer.fit_loop.max_epochs = 3
    trainer.fit(Net(hidden=5), loader_of(), loader_of())
    first, second = observed.runs()
    assert (first.params["hidden"], second.params["hidden"]) == (4, 5)
    assert [step for step, _ in points(first, "val_loss")] == [4]
    assert [step for step, _ in points(second, "val_loss")] == [9, 14]
    assert {run.status for run in observed.runs()} == {"finished"}


def test_manual_optimization_of_two_optimizers(observed):
    class Gan(Net):
        automatic_optimization = False

        def training_step(self, batch, index):
            for optimizer, name in zip(self.optimizers(), ("g_loss", "d_loss"), strict=True):
                optimizer.zero_grad()
                loss = self.loss(batch)
                self.manual_backward(loss)
                self.clip_gradients(optimizer, gradient_clip_val=1.0)
                optimizer.step()
                self.log(name, loss)

        def configure_optimizers(self):
            return torch.optim.Adam(self.net[0].parameters(), lr=0.01), torch.optim.SGD(self.net[2].parameters(), lr=0.2)

    memory = Memory()
    trainer_of(logger=memory).fit(Gan(), loader_of())
    run = observed.run()
    for name in ("g_loss", "d_loss"):
        assert points(run, name) == [(step, pytest.approx(value)) for step, value in memory.points[name]]
    assert (run.params["optimizer.0"], run.params["optimizer.1"], run.params["optimizer.1.lr"]) == ("Adam", "SGD", 0.2)
    assert (points(run, "lr/Adam")[0], points(run, "lr/SGD")[0]) == ((1, 0.01), (1, 0.2))
    assert {"grad_norm/0", "grad_norm/1"} <= set(run.statistics)


# --- evaluation -------------------------------------------------------------------------------------------------------


def test_an_evaluation_after_a_fit_is_in_its_run(observed):
    trainer, net = trainer_of(), Net()
    trainer.fit(net, loader_of(), loader_of())
    (tested,) = trainer.test(net, loader_of(), verbose=False)
    trainer.predict(net, loader_of())
    run = observed.run()
    assert points(run, "test_loss") == [(10, pytest.approx(tested["test_loss"]))]
    assert len(points(run, "val_loss")) == 2
    assert {"time/test_s", "time/predict_s", "time/fit_s"} <= set(run.metrics)
    assert run.name.startswith("Net")


def test_the_epoch_of_evaluations_after_a_fit_is_told_once(observed):
    trainer, net = trainer_of(max_epochs=1), Net()
    trainer.fit(net, loader_of(), loader_of())
    trainer.validate(net, loader_of(), verbose=False)
    trainer.test(net, loader_of(), verbose=False)
    trainer.test(net, loader_of(), verbose=False)
    run = observed.run()
    assert points(run, "epoch") == [(1, 0.0), (3, 0.0), (4, 0.0), (5, 1.0)]
    assert [step for step, _ in points(run, "test_loss")] == [5, 5]


@pytest.mark.parametrize("method", ["validate", "test", "predict"])
def test_an_evaluation_alone_is_a_run(observed, method):
    getattr(trainer_of(), method)(Net(), loader_of())
    run = observed.run()
    assert run.name.startswith("Net")
    assert run.tags["autotrack.stage"] == method
    assert run.params["hidden"] == 4
    assert ("test_loss" in run.metrics, "val_loss" in run.metrics) == (method == "test", method == "validate")


def test_a_validation_that_a_callback_makes_inside_a_fit_is_part_of_it(observed):
    class Again(Callback):
        def on_fit_end(self, trainer, module):
            trainer_of().validate(Net(), loader_of(), verbose=False)

    trainer_of(callbacks=[Again()]).fit(Net(), loader_of())
    assert len(observed.runs()) == 1


def test_a_fit_joins_the_users_run_and_so_does_its_test(observed):
    trainer, net = trainer_of(), Net()
    with autotrack.start_run("mine"):
        trainer.fit(net, loader_of())
        trainer.test(net, loader_of(), verbose=False)
    assert observed.tree() == {"mine": []}
    assert {"test_loss", "train_loss_step", "lr"} <= set(observed.run().statistics)


@pytest.mark.parametrize("names", [("torch", "lightning"), ("lightning", "torch")])
def test_beside_the_capture_of_plain_loops_nothing_is_recorded_twice(tracked, names):
    for name in names:
        loader.autolog(name)
    trainer = trainer_of(gradient_clip_val=1.0, enable_checkpointing=True)
    trainer.fit(Net(), loader_of(), loader_of())
    trainer.test(dataloaders=loader_of(), verbose=False)
    run = tracked.run()
    assert len(tracked.runs()) == 1
    users = {"train_loss_step", "train_loss_epoch", "val_loss", "test_loss"}
    ours = {"lr", "epoch", "grad_norm", "time/step_s", "time/epoch_s", "time/samples_per_s"}
    assert {key for key in run.statistics if not key.startswith("system/")} == users | ours
    for key in run.statistics:
        steps = run.history(key).steps.tolist()
        assert len(set(steps)) == len(steps) or key.startswith("system/"), key
    assert [each.kind for each in run.artifacts].count("checkpoint") == 1
    assert not any(name.startswith("torch") or "inferred" in name for name in run.tags)


# --- what is silent ---------------------------------------------------------------------------------------------------


def test_trial_runs_and_bare_runs_are_silent(observed):
    trainer_of(fast_dev_run=2).fit(Net(), loader_of(), loader_of())

    class Bare(Net):
        def training_step(self, batch, index):
            return self.loss(batch)

    lightning.Trainer(barebones=True, max_epochs=1, accelerator="cpu").fit(Bare(), loader_of())
    assert observed.runs() == []


def test_the_tuner_is_silent(observed):
    class Tuned(Net):
        def train_dataloader(self):
            return loader_of(batch_size=self.hparams.get("batch_size", 4))

        val_dataloader = train_dataloader

    net = Tuned()
    net.hparams["batch_size"] = 2
    tuner = lightning.tuner.Tuner(trainer_of(enable_checkpointing=True))
    tuner.lr_find(net, num_training=8)
    tuner.scale_batch_size(net, max_trials=1)
    assert observed.runs() == []


def test_a_finder_that_is_a_callback_is_not_heard_within_its_fit(observed):
    finder = LearningRateFinder(num_training_steps=8)
    trainer = trainer_of(callbacks=[finder], log_every_n_steps=1, enable_checkpointing=True, max_epochs=1)
    trainer.fit(Net(), loader_of())
    run = observed.run()
    assert not [artifact.name for artifact in run.artifacts if "lr_find" in artifact.name]
    if trainer.global_step:
        assert [step for step, _ in points(run, "train_loss_step")] == [0, 1, 2, 3, 4]
        assert {value for _, value in points(run, "lr")} == {finder.optimal_lr.suggestion() or 0.1}
        assert not [row for row in rows(run, "checkpoints") if "lr_find" in row["path"]]
    else:  # Lightning 2.1 trains nothing after it
        assert not {"train_loss_step", "lr"} & set(run.statistics)


def test_the_sanity_check_is_not_recorded(observed):
    trainer_of(num_sanity_val_steps=2).fit(Net(), loader_of(), loader_of())
    assert [step for step, _ in points(observed.run(), "val_loss")] == [4, 9]


# --- how it ends ------------------------------------------------------------------------------------------------------


class Raising(Callback):
    def __init__(self, error, at=3):
        self.error, self.at = error, at

    def on_train_batch_start(self, trainer, module, batch, index):
        if trainer.global_step == self.at:
            raise self.error


def test_an_exception_keeps_what_came_before_it(observed):
    error = ValueError("theirs")
    with pytest.raises(ValueError, match="theirs") as caught:
        trainer_of(callbacks=[Raising(error)], log_every_n_steps=1).fit(Net(), loader_of())
    assert caught.value is error
    run = observed.run()
    assert (run.status, run.error) == ("failed", "ValueError: theirs")
    assert "on_train_batch_start" in run.traceback
    assert [step for step, _ in points(run, "train_loss_step")] == [0, 1, 2]
    assert run.metrics["steps"] == 3
    assert current_fit() is None


def test_ctrl_c_is_an_interruption_though_lightning_swallows_it(observed):
    before = signal.getsignal(signal.SIGINT)
    try:
        with contextlib.suppress(SystemExit):
            trainer_of(callbacks=[Raising(KeyboardInterrupt())]).fit(Net(), loader_of())
    finally:
        signal.signal(signal.SIGINT, before)
    assert observed.run().status == "interrupted"


def test_sigterm_is_an_interruption(observed):
    class Terminate(Callback):
        def on_train_batch_start(self, trainer, module, batch, index):
            if trainer.global_step == 3:
                os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit):
        trainer_of(callbacks=[Terminate()]).fit(Net(), loader_of())
    assert observed.run().status == "interrupted"


def test_an_exit_of_the_users_is_a_failure(observed):
    with pytest.raises(SystemExit):
        trainer_of(callbacks=[Raising(SystemExit(3))]).fit(Net(), loader_of())
    assert observed.run().status == "failed"


# --- what stays as it was ---------------------------------------------------------------------------------------------


def seen_by_the_user(**more):
    """What a program can see of its Trainer, and what lies where when it is over."""
    told = {}

    class Look(Callback):
        def on_train_start(self, trainer, module):
            told["loggers"] = [type(each).__name__ for each in trainer.loggers]
            told["callbacks"] = [type(each).__name__ for each in trainer.callbacks]
            told["logger"] = type(module.logger).__name__
            told["dirs"] = [os.path.relpath(str(trainer.log_dir)), [os.path.relpath(str(each.dirpath)) for each in trainer.checkpoint_callbacks]]

    torch.manual_seed(0)
    trainer_of(callbacks=[Look()], enable_checkpointing=True, **more).fit(Net(), loader_of(), loader_of())
    return told


@pytest.mark.parametrize("logger", [True, False, "csv"])
def test_loggers_callbacks_folders_and_files_are_the_users(tracked, tmp_path, monkeypatch, logger, capfd):
    told = []
    for observes in (False, True):
        home = tmp_path / str(observes)
        home.mkdir()
        monkeypatch.chdir(home)
        if observes:
            loader.autolog("lightning")
        capfd.readouterr()
        seen = seen_by_the_user(logger=CSVLogger(".") if logger == "csv" else logger)
        files = sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file() and "tfevents" not in path.name)
        told.append((seen, files, capfd.readouterr()))
    assert told[0] == told[1]
    assert len(tracked.runs()) == 1


def test_the_profiler_prints_the_same_lines(observed, tmp_path):
    def lines():
        profiler = lightning.profilers.SimpleProfiler(dirpath=tmp_path, filename="profile")
        trainer_of(profiler=profiler).fit(Net(), loader_of())
        return sorted(profiler.recorded_durations)

    seen = lines()
    loader.disable()
    assert seen == lines()


def test_warnings_are_as_they_were_and_where_they_were(tracked):
    import warnings

    def caught():
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            trainer_of(log_every_n_steps=50, logger=Memory()).fit(Net(), loader_of(), loader_of())
        return [(str(each.message), each.filename, each.lineno) for each in found]

    plain = caught()
    loader.autolog("lightning")
    assert caught() == plain
    assert plain


def test_the_trainer_and_the_module_have_no_attribute_of_ours(observed):
    trainer, net = trainer_of(), Net()
    trainer.fit(net, loader_of())
    assert "autotrack" not in repr([sorted(vars(trainer)), sorted(vars(net)), list(map(type, vars(trainer).values()))])


def test_what_is_no_longer_where_it_was_is_said_in_the_status(tracked, monkeypatch):
    connector = lightning.trainer.connectors.logger_connector.logger_connector._LoggerConnector
    monkeypatch.delattr(connector, "update_train_epoch_metrics")
    with pytest.raises(TargetMissing, match="update_train_epoch_metrics"):
        loader.autolog("lightning")
    (status,) = [each for each in loader.status() if each.name == "lightning"]
    assert status.observed
    assert "update_train_epoch_metrics" in status.reason


def test_a_trainer_that_is_gone_leaves_nothing(observed):
    import gc

    from autotrack.integrations.lightning.fits import FITTED
    from autotrack.integrations.lightning.listening import LISTENERS

    gc.collect()
    before = len(FITTED)
    trainer_of().fit(Net(), loader_of())
    gc.collect()
    assert len(FITTED) == before
    assert LISTENERS.by_trainer == {}


@pytest.mark.parametrize("others", [(), ("torch",)])
def test_a_compiled_step_has_as_many_graphs_and_breaks(tracked, others):
    import torch._dynamo

    def counted():
        torch._dynamo.reset()
        torch._dynamo.utils.counters.clear()
        net = torch.nn.Linear(3, 1)

        def step(x):
            net(x).sum().backward()
            return torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)

        compiled = torch.compile(step, backend="eager")
        for _ in range(3):
            compiled(torch.ones(2, 3))
        counters = torch._dynamo.utils.counters
        return dict(counters["stats"]), sum(counters["graph_break"].values())

    for name in others:
        loader.autolog(name)
    counted()  # the first time something of torch's own is compiled as well
    without = counted()
    loader.autolog("lightning")
    assert counted() == without
