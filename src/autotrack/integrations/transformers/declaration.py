"""The declaration that every file here adds to, and what it records, as rows for the documentation."""

from __future__ import annotations

from autotrack.instrument import Integration

integration = Integration("transformers", requires="transformers>=4.46")

RECORDS: list[tuple[str, str, str]] = [
    ("Trainer, Seq2SeqTrainer, all built on them", "train/{key}, eval/{key}, test/{key} of all that the trainer logs, live", "CallbackHandler"),
    ("the same", "arguments that differ from their defaults (args.*), apart from those that do not (defaults.*)", "TrainingArguments"),
    ("the same", "model.* (config), peft.* (adapters), n_params, n_params_trainable, optimizer, lr_scheduler", "the model, CallbackHandler"),
    ("the same", "time/step_s, time/samples_per_s, time/tokens_per_s, time/tflops_per_s at each log, evaluation and saving left out", "the trainer"),
    ("the same", "train_loss, train_runtime, total_flos, steps, epochs, best_metric, best_step, best_checkpoint", "the trainer's state"),
    ("the same", "last_checkpoint; path, step, size of each one's weights; those of the newest and the best are kept", "CallbackHandler"),
    ("train(resume_from_checkpoint=)", "the run that wrote the checkpoint goes on", "trainer_state.json beside the run's curve"),
    ("evaluate, predict", "in the run of the training; without one, a run of its own", "CallbackHandler"),
    ("hyperparameter_search", "a run, with a child for each trial: trial.*, objective", "train(trial=)"),
    ("TRL, sentence-transformers", "the same, and what their trainers log (train/mean_token_accuracy, …)", "the same"),
]
