"""The two names of Lightning, and what is recorded, as rows for the documentation."""

from __future__ import annotations

ROOTS = {"lightning": "lightning.pytorch", "pytorch_lightning": "pytorch_lightning"}  # by the import that brings it
OLDEST = "2.1"

RECORDS: list[tuple[str, str, str]] = [
    ("Trainer.fit", "all that self.log logs, under your names, at Lightning's step; epoch", "what Lightning gives its loggers"),
    ("Trainer.fit", "hyperparameters of module and data module; seed, ckpt_path", "save_hyperparameters, seed_everything"),
    ("Trainer.fit", "trainer.*, optimizer.*, scheduler.*, early_stopping.*, checkpoint.*", "the Trainer"),
    ("Trainer.fit", "lr (of each group), time/step_s, time/samples_per_s at each step that Lightning logs; time/epoch_s", "the loop"),
    ("Trainer.fit", "grad_norm, where gradients are clipped by norm", "clip_grad_norm_"),
    ("Trainer.fit", "table model_summary; model.parameters, model.trainable, model.bytes; the data loaders", "the module, the loaders"),
    ("ModelCheckpoint", "table checkpoints: path, step, score, digest; best_model_path, best_model_score; the best and the newest file", "as saved"),
    ("EarlyStopping", "early_stopping/best_score, early_stopping/stopped_epoch", "the callback"),
    ("Trainer.validate, test, predict", "what is logged, time/{method}_s; in the run of this Trainer's fit, if there was one", "the same"),
]
