"""What a recorded step of a Hugging Face ``Trainer`` costs more than a plain one, beside the TensorBoard callback; and of an Accelerate loop.

One training of a model of one weight, in which blocks of steps take turns: plain ones, such with TensorBoard's callback (or tracker), such
with autotrack. "autotrack" is what the framework's own integration adds; "autolog()" is with all others as well, of which PyTorch's is
beneath these loops, and silent there. ``thread`` is the median over the rounds of how much more CPU of the training thread a step took than
in the plain block of its round; ``others`` is what the writers' threads used a step in one long block. What is done once a training
(parameters, the run's beginning and end, TensorBoard's file) is what a training of two steps costs more, of the whole process, the least of
several; ``all`` has it in, spread over 6,000 steps.
"""

from __future__ import annotations

import sys

from measure import folder, run, show, verdict

ONCE_OVER = 6000  # steps of a training

PROGRAM = """
import gc, logging, os, statistics, sys, time, warnings
os.environ["HF_HUB_OFFLINE"] = "1"
warnings.simplefilter("ignore"); logging.disable(logging.CRITICAL)
kind, every, rounds, base, here = sys.argv[1], *map(int, sys.argv[2:4]), *sys.argv[4:]
import torch
torch.set_num_threads(1)
from torch.utils import tensorboard
import autotrack
autotrack.configure(uri=f"sqlite:///{base}/store/a.db", quiet=True, system_metrics=False)
sys.path.append(here)
from listeners import Listeners
VARIANTS = ("plain", "tensorboard", "autotrack", "autolog()")
LENGTH, LONG = max(200, 20 * every), 100 * every if every > 1 else 1500
rows = [{"input_ids": row, "labels": row, "attention_mask": torch.ones_like(row)} for row in torch.randint(0, 50, (4000, 8))]

class Turns:
    # Which steps are whose: warm ones, rounds of blocks, a long block each.
    def __init__(self, choose):
        self.choose = choose
        self.blocks = [(variant, LENGTH, kept) for kept in (False, False, *[True] * rounds) for variant in VARIANTS]
        self.blocks += [(variant, LONG, None) for variant in VARIANTS]
        self.steps = sum(length for _, length, _ in self.blocks)
        self.took, self.others = {variant: [] for variant in VARIANTS}, {}
        self.until, self.current = 0, None
    def begin_step(self, step):
        if step < self.until:
            return
        now = time.thread_time()
        if self.current is not None:
            variant, length, kept = self.current
            if kept:
                self.took[variant].append(1e6 * (now - self.began) / length)
            elif kept is None:
                flush()
                self.others[variant] = 1e6 * (time.process_time() - time.thread_time() - self.idle) / length
        if not self.blocks:
            return
        self.current = self.blocks.pop(0)
        self.until = step + self.current[1]
        everything.out()
        if self.current[0].startswith("auto"):
            everything.back()
            if self.current[0] == "autotrack":
                beneath.out()
        self.choose(self.current[0])
        if self.current[2] is None:
            flush()
            self.idle = time.process_time() - time.thread_time()
        self.began = time.thread_time()

def flush():
    autotrack.flush(30)
    for writer in writers:
        writer.flush()

writers = []
init = tensorboard.SummaryWriter.__init__
def noted(self, *args, **kwargs):
    init(self, *args, **kwargs)
    writers.append(self)
tensorboard.SummaryWriter.__init__ = noted

if kind == "trainer":
    from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments
    from transformers.integrations import TensorBoardCallback
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(()))
        def forward(self, input_ids, attention_mask, labels):
            return {"loss": self.weight * input_ids.float().mean()}
    def training(steps, report_to, *callbacks):
        arguments = TrainingArguments(
            f"{base}/out", max_steps=steps, logging_steps=every, per_device_train_batch_size=4, use_cpu=True, disable_tqdm=True, optim="sgd",
            save_strategy="no", report_to=report_to)
        trainer = Trainer(Model(), arguments, train_dataset=rows, callbacks=list(callbacks))
        trainer.remove_callback(PrinterCallback)
        return trainer
    def short(variant):
        return training(2, "tensorboard" if variant == "tensorboard" else "none").train
    def long():
        def choose(variant):
            told = trainer.callback_handler.callbacks
            told[:] = [each for each in told if type(each) is not TensorBoardCallback] + [board] * (variant == "tensorboard")
        turns = Turns(choose)
        class Begins(TrainerCallback):
            def on_step_begin(self, args, state, control, **_):
                turns.begin_step(state.global_step)
        trainer = training(turns.steps + 1, "tensorboard", Begins())
        board = next(each for each in trainer.callback_handler.callbacks if type(each) is TensorBoardCallback)
        trainer.train()
        return turns
else:
    from accelerate import Accelerator
    def loop(steps, log_with, begin_step=None):
        accelerator = Accelerator(cpu=True, log_with=log_with, project_dir=f"{base}/out")
        model = torch.nn.Linear(8, 8)
        model, optimizer = accelerator.prepare(model, torch.optim.SGD(model.parameters(), lr=0.1))
        accelerator.init_trackers("bench", config={"lr": 0.1})
        for step in range(steps):
            if begin_step is not None:
                begin_step(step, accelerator)
            loss = model(rows[step % 4000]["input_ids"].float() / 50).pow(2).mean()
            accelerator.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
            if step % every == 0:
                accelerator.log({"train/loss": loss.item(), "train/lr": 0.1, "epoch": step / steps}, step=step)
        accelerator.end_training()
    TRACKERS = {"tensorboard": "tensorboard", "autotrack": "autotrack", "autolog()": "autotrack"}
    def short(variant):
        return lambda: loop(2, TRACKERS.get(variant))
    def long():
        def choose(variant):
            accelerator = held[0]
            accelerator.trackers = [each for each in held[1] if each.name == TRACKERS.get(variant)]
        held = []
        turns = Turns(choose)
        def begin_step(step, accelerator):
            held[:] = held or [accelerator, accelerator.trackers]
            turns.begin_step(step)
        loop(turns.steps + 1, ["tensorboard", "autotrack"], begin_step)
        return turns

def once(variant):
    if variant == "autotrack":
        autotrack.autolog("transformers", "accelerate")
    elif variant == "autolog()":
        autotrack.autolog()
    work = short(variant)
    before = time.process_time()
    work()
    if variant.startswith("auto"):
        autotrack.flush(30)
    took = time.process_time() - before
    autotrack.disable()
    return 1e6 * took

for variant in VARIANTS: once(variant)
gc.collect(); gc.freeze()
print(*(min(each) for each in zip(*([once(variant) for variant in VARIANTS] for _ in range(7)))))
autotrack.autolog()
everything, beneath = Listeners(), Listeners(of="torch")
turns = long()
print(*(statistics.median(one - plain for one, plain in zip(turns.took[variant], turns.took["plain"])) for variant in VARIANTS))
print(*(turns.others[variant] - turns.others["plain"] for variant in VARIANTS))
print(statistics.median(turns.took["plain"]))
"""
VARIANTS = ("plain", "tensorboard", "autotrack", "autolog()")


def main(rounds: int = 12) -> None:
    here = sys.path[0]
    for kind, name in (("trainer", "Trainer"), ("accelerate", "Accelerate loop")):
        for every in (1, 50):
            with folder() as base:
                printed = run(PROGRAM, kind, every, rounds, base, here, cwd=base)[1]
            once, thread, others, (plain,) = (list(map(float, line.split())) for line in printed.splitlines())
            once = [figure - once[0] for figure in once]
            whole = [thread[at] + others[at] + once[at] / ONCE_OVER for at in range(len(VARIANTS))]
            show(f"{name}, logging every {every}, a step of {plain:.0f} us: CPU more, us", [
                (variant, f"thread {thread[at]:6.1f}   others {others[at]:6.1f}   once a training {once[at]:7.0f}   all {whole[at]:6.1f}")
                for at, variant in enumerate(VARIANTS)
            ])  # fmt: skip
            for at in (2, 3):
                verdict(f"{name}, every {every}: {VARIANTS[at]} adds / TensorBoard adds", whole[at] / whole[1], 0.25)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
