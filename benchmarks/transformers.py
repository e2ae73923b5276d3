"""What a recorded step of a Hugging Face ``Trainer`` costs more than a plain one, beside the TensorBoard callback; and of an Accelerate loop.

Everything in one process that has imported it all: CPU of the whole process (the writers' threads too) over one training of a
model that is as small as can be, variants interleaved. ``steps`` is long enough for what is done once a training (parameters, the
run's beginning and end, TensorBoard's file) to matter little; it is part of both figures.
"""

from __future__ import annotations

import sys

from measure import extra, folder, run, show, verdict

PROGRAM = """
import logging, os, sys, time, warnings
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
    from transformers import GPT2Config, GPT2LMHeadModel, PrinterCallback, Trainer, TrainingArguments
    def prepare(variant):
        torch.manual_seed(0)
        config = GPT2Config(n_layer=1, n_embd=8, n_head=1, vocab_size=50, n_positions=8, bos_token_id=0, eos_token_id=0, loss_type="ForCausalLM")
        arguments = TrainingArguments(
            f"{base}/out", max_steps=steps, logging_steps=every, per_device_train_batch_size=4, use_cpu=True, disable_tqdm=True,
            save_strategy="no", report_to="none" if variant == "plain" else variant)
        trainer = Trainer(GPT2LMHeadModel(config), arguments, train_dataset=rows)
        trainer.remove_callback(PrinterCallback)
        return trainer.train
else:
    from accelerate import Accelerator
    def prepare(variant):
        torch.manual_seed(0)
        def loop():
            accelerator = Accelerator(cpu=True, log_with=None if variant == "plain" else variant, project_dir=f"{base}/out")
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

def cost(variant):
    work = prepare(variant)
    before = time.process_time()
    work()
    if variant == "autotrack":
        autotrack.flush(30)
    return 1e6 * (time.process_time() - before) / steps

VARIANTS = ("plain", "tensorboard", "autotrack")
for variant in VARIANTS: cost(variant)
for _ in range(rounds): print(*(cost(variant) for variant in VARIANTS))
"""
VARIANTS = ("plain", "tensorboard", "autotrack")


def main(rounds: int = 7, steps: int = 1000) -> None:
    for kind, name in (("trainer", "Trainer"), ("accelerate", "Accelerate loop")):
        for every in (1, 50):
            with folder() as base:
                printed = run(PROGRAM, kind, every, steps if kind == "trainer" else 4 * steps, rounds, base, cwd=base)[1]
            lines = [list(map(float, line.split())) for line in printed.splitlines()]
            figures = {variant: [line[place] for line in lines] for place, variant in enumerate(VARIANTS)}
            show(f"{name}, logging every {every}: CPU in us a step (median)", [
                (variant, f"{sorted(values)[len(values) // 2]:8.1f}   more than plain {extra(figures, variant, 'plain'):8.1f}")
                for variant, values in figures.items()
            ])  # fmt: skip
            ours, theirs = (extra(figures, variant, "plain") for variant in ("autotrack", "tensorboard"))
            verdict(f"{name}, every {every}: autotrack adds / TensorBoard adds", ours / theirs, 0.25)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
