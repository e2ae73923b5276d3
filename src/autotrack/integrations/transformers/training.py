"""One training, as its callbacks hear of it: names, steps, pace, checkpoints."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from autotrack.instrument import Fit, asked
from autotrack.integrations.transformers import facts
from autotrack.integrations.transformers.pace import INFERRED, Pace, is_theirs

WRITES_TO = "autotrack.checkpoints_in"  # the tag with the folder that a run's checkpoints lie in
LAST = frozenset({"train_runtime", "train_loss"})  # of the log that ends a training
WHOLE = LAST | {"total_flos", "train_samples_per_second", "train_steps_per_second", "train_tokens_per_second"}  # what stands for all of it
PARTS = ("eval", "test")


class Training:
    """What one run is told of one trainer: while it trains, and when it is asked to evaluate or predict afterwards."""

    def __init__(self, fit: Fit) -> None:
        self.fit = fit
        self.folder: str | None = None  # that checkpoints are written to
        self.attempts = 0  # of auto_find_batch_size
        self.pace: Pace | None = None  # while it trains
        self._counts_flos = False
        self._optimizer: Any = None
        self._epoch_told = -1  # the step
        self._writes_to = ""

    def describe(self, trainer: Any) -> None:
        """What is known before the first step."""
        fit = self.fit
        fit.name(facts.name_of(trainer))
        self._counts_flos = is_theirs(trainer, "floating_point_ops")
        fit.params({"trainer": type(trainer).__name__, **facts.model_facts(trainer.model)})
        for name, dataset in (("train", getattr(trainer, "train_dataset", None)), ("eval", getattr(trainer, "eval_dataset", None))):
            for each, about in facts.datasets(name, dataset):
                fit.dataset(each, about)

    def begin(self, args: Any, state: Any, handler: Any) -> None:
        """The first step is near. Again, if it was too large for the memory and the batches were made smaller."""
        self.attempts += 1
        optimizer, lr_scheduler = handler.optimizer, handler.lr_scheduler
        batch_size = getattr(state, "train_batch_size", None) or args.train_batch_size
        if self.attempts == 1:
            trial = state.trial_params if state.is_hyper_param_search else None
            if trial:
                self.fit.name(state.trial_name or ", ".join(f"{name}={value}" for name, value in trial.items()))
                self.fit.params(trial, under="trial")
            self.fit.params({
                **facts.arguments(args),
                "total_train_batch_size": batch_size * args.gradient_accumulation_steps * args.world_size,
                "max_steps": state.max_steps,
                "optimizer": type(getattr(optimizer, "optimizer", optimizer)).__name__ if optimizer is not None else None,
                "lr_scheduler": type(getattr(lr_scheduler, "scheduler", lr_scheduler)).__name__ if lr_scheduler is not None else None,
            })  # fmt: skip
        else:
            self.fit.summary({"auto_find_batch_size/attempts": self.attempts, "auto_find_batch_size/train_batch_size": batch_size})
        if state.global_step:
            self.fit.tags({"resumed_at_step": str(state.global_step)})
        self._optimizer = optimizer
        self.pace = Pace(args, state, handler.model, handler.train_dataloader, batch_size=batch_size, counts_flos=self._counts_flos)
        if self.pace.inferred:
            self.fit.tags({INFERRED: self.pace.inferred})

    def log(self, state: Any, logs: Mapping[str, Any]) -> None:
        """What the trainer logs, under the names that it has with TensorBoard or W&B."""
        if logs.keys() >= LAST and "loss" not in logs:
            whole = [name for name in logs if name in WHOLE or "_mem_" in name]
            self.fit.summary({name: logs[name] for name in whole if is_scalar(logs[name])})
            logs = {name: value for name, value in logs.items() if name not in whole and name != "epoch"}
        step = state.global_step
        prefix = prefix_of(logs)
        told = {name_of(key, prefix): value for key, value in logs.items()}
        if self._epoch_told == step:
            told.pop("train/epoch", None)  # an evaluation's, at a step that said it
        elif "train/epoch" in told:
            self._epoch_told = step
        if "loss" in logs and self.pace is not None and self.pace.is_behind(state):
            told |= {**self.pace.told(state), **self.rates()}
        self.fit.log({name: value for name, value in told.items() if is_number(value)}, step=step)
        self.fit.summary({name: value for name, value in told.items() if isinstance(value, str)})

    def rates(self) -> dict[str, float]:
        """The learning rate of each group of parameters, where they are not all one."""
        rates = [group["lr"] for group in getattr(self._optimizer, "param_groups", ())]
        if not all(isinstance(rate, float) for rate in rates) or len(set(rates)) < 2:
            return {}
        return {f"train/learning_rate/{number}": rate for number, rate in enumerate(rates)}

    def saved(self, args: Any, state: Any) -> None:
        """A checkpoint was written: where it is, and whether it is the best so far."""
        folder = os.path.abspath(os.path.join(self.folder or args.output_dir, f"checkpoint-{state.global_step}"))
        if self._writes_to != os.path.dirname(folder):
            self._writes_to = os.path.dirname(folder)
            self.fit.tags({WRITES_TO: self._writes_to})
        self.fit.summary(last_checkpoint=folder)
        path = weights(folder)
        if path is not None:
            best = state.best_model_checkpoint
            is_best = best is not None and os.path.abspath(best) == folder
            sign = -1 if args.greater_is_better else 1
            score = sign * state.best_metric if is_best and state.best_metric is not None else None  # lower is better
            name = f"{os.path.basename(folder)}/{os.path.basename(path)}"
            self.fit.saved(path, name=name, step=state.global_step, score=score, about={"epoch": state.epoch})

    def predicted(self, state: Any, metrics: Mapping[str, Any]) -> None:
        """What ``predict`` measured, which it logs nowhere."""
        prefix = prefix_of(metrics)
        told = {name_of(key, prefix): value for key, value in metrics.items()}
        self.fit.log({name: value for name, value in told.items() if is_number(value)}, step=state.global_step)

    def let_go(self) -> None:
        """It trains no longer: nothing is timed, and nothing of the trainer's is held."""
        self.pace = self._optimizer = None

    def end(self, state: Any) -> None:
        """How far it came, and what was best, as the trainer knows it."""
        self.fit.summary(
            steps=state.global_step,
            epochs=state.epoch,
            best_metric=state.best_metric,
            best_step=step_of(state.best_model_checkpoint),
            best_checkpoint=state.best_model_checkpoint,
        )


def step_of(checkpoint: str | None) -> int | None:
    """The step that a checkpoint's folder is called by."""
    number = (checkpoint or "").rpartition("-")[2]
    return int(number) if number.isdigit() else None


def weights(checkpoint: str) -> str | None:
    """The file with a checkpoint's weights, or its adapter's; None where they are spread over several."""
    held: list[str] = asked(lambda: os.listdir(checkpoint), list[str]())
    names = [name for name in held if name.endswith(".safetensors") or name.startswith("pytorch_model")]
    return os.path.join(checkpoint, names[0]) if len(names) == 1 else None


def prefix_of(logs: Mapping[str, Any]) -> str:
    """What an evaluation's names begin with; "" if it is none. It always measures its own pace."""
    return next((key[: -len("_runtime")] for key in logs if key.endswith("_runtime") and key != "train_runtime"), "")


def name_of(key: str, prefix: str) -> str:
    """``eval_loss`` is ``eval/loss``, ``loss`` is ``train/loss``; what has a part already keeps it."""
    part, _, rest = key.partition("_")
    if part in PARTS and rest:
        return f"{part}/{rest}"
    if prefix and key.startswith(f"{prefix}_"):
        return f"{prefix}/{key[len(prefix) + 1 :]}"
    return key if key.startswith(("train/", "eval/", "test/")) else f"train/{key}"


def is_number(value: Any) -> bool:
    """Whether it is one number: python's, NumPy's or a tensor's."""
    return isinstance(value, int | float) or (getattr(value, "shape", None) == () and hasattr(value, "item"))


def is_scalar(value: Any) -> bool:
    return isinstance(value, str) or is_number(value)
