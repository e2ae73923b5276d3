"""The declaration that every file here adds to, and what it records, as rows for the documentation."""

from __future__ import annotations

from autotrack.instrument import Integration

integration = Integration("torch", requires="torch>=2.2")

# What is trained; what is recorded of it; where that comes from. docs/recorded.md is made of it.
RECORDS: list[tuple[str, str, str]] = [
    ("a plain loop", "its loss at every step, as train/loss or under the name of the variable; several losses apart", "torch.autograd.backward"),
    ("a plain loop", "lr, whenever it changed, by optimizer and group; grad_norm where the loop clips", "Optimizer.step; clip_grad_norm_"),
    ("a plain loop", "optimizer and scheduler: class and every hyperparameter, by group where groups differ", "the optimizer"),
    ("a plain loop", "model: class, parameters, trainable, bytes, dtype, device; its modules as text", "what holds the optimizer's parameters"),
    ("DataLoader", "epoch, time/epoch_s, time/step_s, time/samples_per_s, time/data_wait_s; batch size, samples, workers", "each pass"),
    ("evaluation", "val/loss, test/loss, …: loss functions with gradients off, weighted by batch size", "torch.nn.functional, to the next backward"),
    ("torch.save", "path, step, epoch, kind of each file; the newest and the best are kept, of kind checkpoint", "torch.save"),
    ("GradScaler, accumulation, LBFGS", "the loss unscaled, undivided; loop/amp, loop/backward_calls_per_step, loop/closure_calls", "the calls"),
    ("GradScaler", "loop/skipped_steps: how many steps were left out because gradients overflowed", "GradScaler.step"),
]
