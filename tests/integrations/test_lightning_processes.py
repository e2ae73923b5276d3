"""Lightning on several processes: however it launches them, one training is one run."""

import os
import subprocess
import sys
import textwrap

import pytest

pytest.importorskip("lightning.pytorch")

PROGRAM = """
import sys, warnings
warnings.simplefilter("ignore")
import torch, lightning.pytorch as pl, autotrack

class Net(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(6, 2)
    def loss(self, batch):
        return torch.nn.functional.cross_entropy(self.net(batch[0]), batch[1])
    def training_step(self, batch, index):
        loss = self.loss(batch)
        self.log("train_loss", loss)
        if self.trainer.global_step == 7 and "raise" in sys.argv:
            raise ValueError("theirs")
        return loss
    def validation_step(self, batch, index):
        self.log("val_loss", self.loss(batch), sync_dist=True)
    test_step = validation_step
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

def main():
    autotrack.autolog("lightning")
    x = torch.arange(240.0).reshape(40, 6) / 100
    batches = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, torch.arange(40) % 2), batch_size=4)
    options = dict(logger=False, enable_progress_bar=False, enable_model_summary=False, log_every_n_steps=1)
    trainer = pl.Trainer(max_epochs=2, accelerator="cpu", devices=2, strategy=sys.argv[1], **options)
    net = Net()
    trainer.fit(net, batches, batches)
    if sys.argv[1] != "ddp_spawn":  # it would start two processes more, which import PyTorch and Lightning
        trainer.test(net, batches, verbose=False)

if __name__ == "__main__":
    main()
"""


def run(home, *arguments):
    (home / "train.py").write_text(textwrap.dedent(PROGRAM))
    (home / "pyproject.toml").write_text("")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "AUTOTRACK_QUIET": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "train.py", *arguments], cwd=home, env=environment, capture_output=True, text=True, timeout=400)
    import autotrack

    autotrack.configure(uri=f"sqlite:///{home}/.autotrack/autotrack.db")
    return done, [autotrack.get_run(found.id) for found in autotrack.search_runs()]


@pytest.mark.slow
def test_two_ranks_are_one_run(store, tmp_path):
    done, runs = run(tmp_path, "ddp")
    assert done.returncode == 0, done.stderr
    (only,) = runs
    assert (only.status, only.params["trainer.world_size"], only.params["trainer.strategy"]) == ("finished", 2, "DDPStrategy")
    assert only.history("train_loss").steps.tolist() == list(range(10))
    assert only.history("val_loss").steps.tolist() == [4, 9, 10]  # the last of them is the test's


@pytest.mark.slow
def test_ranks_that_fail_are_a_run_that_failed(store, tmp_path):
    done, runs = run(tmp_path, "ddp", "raise")
    assert done.returncode != 0
    (only,) = runs
    assert (only.status, only.error) == ("failed", "ValueError: theirs")
    assert only.history("train_loss").steps.tolist() == list(range(7))


@pytest.mark.slow
@pytest.mark.timeout(450)  # three processes that each import PyTorch and Lightning, on cores that others use too
@pytest.mark.parametrize("strategy", ["ddp_spawn", "ddp_fork"])
def test_where_the_training_is_in_other_processes_its_last_values_come_back(store, tmp_path, strategy):
    done, runs = run(tmp_path, strategy)
    assert done.returncode == 0, done.stderr
    (only,) = runs
    assert only.status == "finished"
    assert {"train_loss", "val_loss"} <= set(only.metrics)
    assert not {"epochs", "steps"} & set(only.metrics)
