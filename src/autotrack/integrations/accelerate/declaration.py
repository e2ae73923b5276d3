"""The declaration that every file here adds to, and what it records, as rows for the documentation."""

from __future__ import annotations

from autotrack.instrument import Integration

integration = Integration("accelerate", requires="accelerate>=0.34")

RECORDS: list[tuple[str, str, str]] = [
    ('Accelerator(log_with="autotrack")', "the config of init_trackers; all that accelerator.log says, by the user's names", "a GeneralTracker"),
    ("the same", "mixed_precision, num_processes, distributed_type, device, under accelerator.*", "AcceleratorState"),
    ("the same, with autolog()", "model_class, n_params, n_params_trainable, optimizer.*, lr_scheduler, total_batch_size", "accelerator.prepare"),
    ("the same, with autolog()", "last_checkpoint", "accelerator.save_state"),
    ("a loop without a tracker", "as a plain PyTorch loop", "the integration of torch"),
]
