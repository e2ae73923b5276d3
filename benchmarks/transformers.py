"""What a recorded step of a Hugging Face ``Trainer`` costs more than a plain one, beside the TensorBoard callback; and of an Accelerate loop.

Everything in one process that has imported it all: CPU of the whole process (the writers' threads too) over one training of a
model of one weight, variants interleaved, the least of the rounds. "autotrack" is what the framework's own integration adds;
"autolog()" is with all others as well, of which PyTorch's is beneath these loops, and silent there. What is done once a training
(parameters, the run's beginning and end, TensorBoard's file) is part of the figures, and is shown apart: it is what a training of
two steps costs more. What the imports made is frozen: a trainer collects garbage when it begins, which else takes 0.2 s, give or take
more than all of these.
"""

from __future__ import annotations

import sys

from measure import folder, run, show, verdict

PROGRAM = """
import gc, logging, os, sys, time, warnings
os.environ["HF_HUB_OFFLINE"] = "1"
warnings.simplefilter("ignore"); logging.disable(logging.CRITICAL)
kind, every, steps, rounds, base = sys.argv[1], *map(int, sys.argv[2:5]), sys.argv[5]
import torch
torch.set_num_threads(1)
from torch.utils import tensorboard
import autotrack
autotrack.configure(uri=f"sqlite:///{base}/store/a.db", quiet=True, system_metrics=False)
rows = [{"input_ids": row, "labels": row, "attention_mask": torch.ones_like(row)} for row in torch.randint(0, 50, (4 * steps, 8))]

if kind == "trainer":
    from transformers import PrinterCallback, Trainer, TrainingArguments
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(()))
        def forward(self, input_ids, attention_mask, labels):
            return {"loss": self.weight * input_ids.float().mean()}
    def prepare(variant, steps):
        arguments = TrainingArguments(
            f"{base}/out", max_steps=steps, logging_steps=every, per_device_train_batch_size=4, use_cpu=True, disable_tqdm=True, optim="sgd",
            save_strategy="no", report_to="tensorboard" if variant == "tensorboard" else "none")
        trainer = Trainer(Model(), arguments, train_dataset=rows)
        trainer.remove_callback(PrinterCallback)
        return trainer.train
else:
    from accelerate import Accelerator
    def prepare(variant, steps):
        def loop():
            accelerator = Accelerator(cpu=True, log_with=TRACKERS.get(variant), project_dir=f"{base}/out")
            model = torch.nn.Linear(8, 8)
            model, optimizer = accelerator.prepare(model, torch.optim.SGD(model.parameters(), lr=0.1))
            accelerator.init_trackers("bench", config={"lr": 0.1})
            for step in range(steps):
                loss = model(rows[step]["input_ids"].float() / 50).pow(2).mean()
                accelerator.backward(loss)
                optimizer.step()
                optimizer.zero_grad()
                if step % every == 0:
                    accelerator.log({"train/loss": loss.item(), "train/lr": 0.1, "epoch": step / steps}, step=step)
            accelerator.end_training()
        return loop

TRACKERS = {"tensorboard": "tensorboard", "autotrack": "autotrack", "autolog()": "autotrack"}

def cost(variant, steps):
    if variant == "autotrack":
        autotrack.autolog("transformers", "accelerate")
    elif variant == "autolog()":
        autotrack.autolog()
    work = prepare(variant, steps)
    before = time.process_time()
    work()
    if variant.startswith("auto"):
        autotrack.flush(30)
    took = time.process_time() - before
    autotrack.disable()
    return 1e6 * took

VARIANTS = ("plain", "tensorboard", "autotrack", "autolog()")
for variant in VARIANTS: cost(variant, 50)
gc.collect(); gc.freeze()
for _ in range(rounds): print(*(cost(variant, steps) / steps for variant in VARIANTS), *(cost(variant, 2) for variant in VARIANTS))
"""
VARIANTS = ("plain", "tensorboard", "autotrack", "autolog()")


def main(rounds: int = 7, steps: int = 6000) -> None:
    for kind, name in (("trainer", "Trainer"), ("accelerate", "Accelerate loop")):
        for every in (1, 50):
            with folder() as base:
                printed = run(PROGRAM, kind, every, steps, rounds, base, cwd=base)[1]
            lines = [list(map(float, line.split())) for line in printed.splitlines()]
            least = [min(column) for column in zip(*lines, strict=True)]
            a_step, once = dict(zip(VARIANTS, least, strict=False)), dict(zip(VARIANTS, least[len(VARIANTS) :], strict=True))
            show(f"{name}, logging every {every}: CPU, least of {rounds} rounds", [
                (variant, f"{a_step[variant]:8.1f} us a step, {a_step[variant] - a_step['plain']:6.1f} more;"
                 f" once a training {(once[variant] - once['plain']) / 1000:5.1f} ms more")
                for variant in VARIANTS
            ])  # fmt: skip
            more = {variant: a_step[variant] - a_step["plain"] for variant in VARIANTS}
            for ours in ("autotrack", "autolog()"):
                verdict(f"{name}, every {every}: {ours} adds / TensorBoard adds", more[ours] / more["tensorboard"], 0.25)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
