"""What a recorded Lightning fit costs beside none, beside CSVLogger, and beside CSVLogger that is told the learning rate as well.

A step of some 800 µs, logged at each step and at every 50th. ``thread`` is CPU of the training thread, ``process`` adds what the
writer does in the background. autotrack records more values at a logged step than either: loss, epoch, learning rate, two times.
Of many short fits the least counts: what they add is a hundredth of what a busy machine adds and takes.
"""

from __future__ import annotations

import json
import sys

from measure import folder, has, run, show, verdict

PROGRAM = """
import json, logging, os, sys, tempfile, time, warnings
base, every, rounds, steps = sys.argv[1], *map(int, sys.argv[2:])
warnings.simplefilter("ignore")
for name in ("lightning.pytorch", "lightning.pytorch.utilities.rank_zero", "lightning.fabric"):
    logging.getLogger(name).setLevel(logging.ERROR)
import autotrack, torch
import lightning.pytorch as pl
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.loggers import CSVLogger
torch.set_num_threads(1)
autotrack.configure(uri=f"sqlite:///{base}/store/a.db", quiet=True)

class Net(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(20, 2)
    def training_step(self, batch, index):
        loss = torch.nn.functional.cross_entropy(self.net(batch[0]), batch[1])
        self.log("train_loss", loss)
        return loss
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

class Batches:
    batch_size = 32
    def __init__(self, number):
        self.batches = [(torch.randn(32, 20), torch.randint(0, 2, (32,))) for _ in range(number)]
    def __iter__(self):
        return iter(self.batches)
    def __len__(self):
        return len(self.batches)

def cost(mode, steps):
    if mode == "autotrack":
        autotrack.autolog("lightning")
    options = dict(enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, accelerator="cpu", log_every_n_steps=every)
    with tempfile.TemporaryDirectory(dir=base) as place:
        logger = CSVLogger(place) if mode.startswith("CSV") else False
        trainer = pl.Trainer(max_epochs=1, logger=logger, callbacks=[LearningRateMonitor()] if "lr" in mode else [], **options)
        net, batches = Net(), Batches(steps)
        thread, process = time.thread_time(), time.process_time()
        trainer.fit(net, batches)
        thread = time.thread_time() - thread
        if mode == "autotrack":
            autotrack.flush(30)
        process = time.process_time() - process
    autotrack.disable()
    return [1e6 * thread / steps, 1e6 * process / steps]

MODES = ["none", "CSVLogger", "CSVLogger and lr", "autotrack"]
for mode in MODES:
    cost(mode, 300)
time.sleep(3)  # the environment is read once a process
print(json.dumps([{mode: cost(mode, steps) for mode in MODES} for _ in range(rounds)]))
"""


def main(rounds: int = 20, steps: int = 1_500) -> None:
    if not has("lightning"):
        print("lightning is not installed")
        return
    for every in (1, 50):
        with folder() as base:
            found = json.loads(run(PROGRAM, base, every, rounds, steps, cwd=base)[1].splitlines()[-1])
        modes = list(found[0])
        least = {mode: [min(each[mode][which] for each in found) for which in (0, 1)] for mode in modes}
        added = {mode: [figure - plain for figure, plain in zip(figures, least["none"], strict=True)] for mode, figures in least.items()}
        show(f"log_every_n_steps={every}: CPU a step more than the {least['none'][0]:.0f} µs without a logger (least of {rounds} rounds)", [
            (mode, f"thread {thread:7.1f}   process {process:7.1f} µs") for mode, (thread, process) in added.items() if mode != "none"
        ])  # fmt: skip
        for peer in ("CSVLogger", "CSVLogger and lr"):
            for which, name in enumerate(("thread", "process")):
                verdict(f"log_every_n_steps={every}: autotrack / {peer}, {name}", added["autotrack"][which] / added[peer][which], 0.75)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
