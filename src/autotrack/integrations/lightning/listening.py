"""What one Trainer tells while it works, and when: the steps are Lightning's own, the names the user's.

Between two logged steps one call a batch is heard (``batch_begins``), and takes about a microsecond.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autotrack.instrument import Fit, asked, guard
from autotrack.integrations.lightning import facts

MOST_KEPT_BYTES = 512 * 1024 * 1024  # a larger checkpoint is told of, and stays where it is


class Listener:
    """What is heard of one call of a Trainer. Unlike a logger it stands in none of the Trainer's lists."""

    def __init__(self, fit: Fit, trainer: Any, *, trains: bool) -> None:
        self.fit = fit
        self.muted = 0  # while a tuner tries something with the same Trainer
        self.tells_metrics = True  # else a logger of ours does
        self._trainer = trainer
        self._trains = trains
        self._has_begun = False
        self._users: set[str] = set()  # parameters of the user's
        self._heard: set[str] = set()  # metrics of the user's
        self._checkpoints = Checkpoints(fit, trainer)
        self._rates: list[tuple[str, list[dict[str, Any]], int]] = []
        self._lrs: list[Any] = []
        self._epoch_told = -1  # the step at which
        self._epoch_began: float | None = None
        self._extra: dict[str, float] = {}  # to be told with the metrics of the epoch that ends
        self._began = 0.0  # of the last training batch
        self._goes_on = False  # nothing but training since then
        self._rows: int | None = None  # of that batch; None if batches cannot be counted so
        self._busy_s, self._batches, self._samples = 0.0, 0, 0

    # Before and after

    def told(self, model: Any, datamodule: Any) -> None:
        """What is known before anything runs."""
        trainer = self._trainer
        hparams = facts.hyperparameters(model, datamodule)
        self._users = {str(name) for name in hparams}
        self.fit.params(hparams)
        self.params({
            "model": type(model).__name__,
            "datamodule": None if datamodule is None else type(datamodule).__name__,
            "seed": facts.seed(),
        })  # fmt: skip
        self.params({f"trainer.{name}": value for name, value in facts.trainer_facts(trainer).items()})

    def params(self, values: Mapping[str, Any]) -> None:
        """Parameters that the user did not name, without those that are None; where he has the same name, ours stands below ``autotrack.``."""
        is_his = self._users.__contains__
        self.fit.params({
            f"autotrack.{name}" if is_his(name) or is_his(name.partition(".")[0]) else name: value
            for name, value in values.items()
            if value is not None
        })  # fmt: skip

    def close(self) -> None:
        """What is known when it is over, however it ended."""
        if not self._trains:
            return
        trainer = self._trainer
        with guard("reading what a Trainer has done"):
            self.fit.summary(epochs=trainer.current_epoch, steps=trainer.global_step)
            if not self._heard:  # the training was in processes of its own: what came back of it
                self.fit.summary({name: plain_metric(value) for name, value in trainer.callback_metrics.items()})
            for place, callback in enumerate(trainer.early_stopping_callbacks):
                under = "early_stopping" if place == 0 else f"early_stopping{place + 1}"
                has_stopped = trainer.should_stop and (callback.stopped_epoch or getattr(getattr(callback, "stopping_reason", 0), "value", 0))
                self.fit.summary({
                    f"{under}/best_score": plain_metric(callback.best_score),
                    f"{under}/stopped_epoch": callback.stopped_epoch if has_stopped else None,
                })  # fmt: skip
        self._checkpoints.close()

    def _begin(self) -> None:
        """What is known once the first batch is there."""
        self._has_begun = True
        trainer = self._trainer
        optimizers = trainer.optimizers
        self._rates = facts.learning_rates(optimizers)
        with guard("reading what a Trainer trains with"):
            self.params(facts.optimizer_facts(optimizers))
            self.params(facts.scheduler_facts(trainer.lr_scheduler_configs))
            self.params(facts.stopping_facts(trainer))
            if trainer.ckpt_path:
                self.params({"ckpt_path": str(trainer.ckpt_path)})
                self.fit.tags({"autotrack.resumed_at_step": str(trainer.global_step)})
        with guard("counting a module's parameters"):
            module = trainer.lightning_module
            total, trainable, size = facts.counts(module)
            self.params({"model.parameters": total, "model.trainable": trainable, "model.bytes": size})
            self.fit.table("model_summary", facts.module_rows(module))
        with guard("reading what data loaders say of themselves"):
            for split, found in (("train", trainer.train_dataloader), ("val", trainer.val_dataloaders)):
                for place, loader in enumerate(facts.loaders_of(found)):
                    self.fit.dataset(split if place == 0 else f"{split}{place + 1}", facts.loader_facts(loader))

    # While it trains

    def batch_begins(self, batch: Any) -> None:
        """A batch is there, of whatever loop."""
        if not self._trains or not self._trainer.training:
            self._goes_on = False
            return
        now = time.perf_counter()
        if self._goes_on:
            self._busy_s += now - self._began
            self._batches += 1
            if self._rows is not None:
                self._samples += self._rows
        elif not self._has_begun:
            self._begin()
            self._rows = first_rows(self._trainer, batch)
            now = time.perf_counter()
        if self._rows is not None:
            self._rows = facts.rows_of(batch)
        if self._epoch_began is None:
            self._epoch_began = now
        self._began = now
        self._goes_on = True
        self._lrs = [groups[index]["lr"] for _, groups, index in self._rates]

    def epoch_ends(self) -> None:
        """The metrics of a training epoch are logged next."""
        self._goes_on = False
        if self._epoch_began is not None:
            self._extra = {"time/epoch_s": time.perf_counter() - self._epoch_began}
            self._epoch_began = None

    def logged(self, metrics: Mapping[str, Any], step: int | None) -> None:
        """Lightning logs: what it has, and at a training step what we know of it."""
        told = dict(metrics)
        if step is None:
            step = told.pop("step", None)  # the user's own axis
            step = None if step is None else int(step)
        self._heard.update(told)
        if step is None:
            step = self._trainer.fit_loop.epoch_loop._batches_that_stepped  # the step that Lightning gives its loggers
            if told and self._epoch_told != step:
                told.setdefault("epoch", self._trainer.current_epoch)
                self._epoch_told = step
            if not self.tells_metrics:
                told = {}
            if self._goes_on and self._trains and self._trainer.training:
                told = {**self._of_this_step(), **told}
            elif self._extra:
                told = {**self._extra, **told}
                self._extra = {}
        elif not self.tells_metrics:
            return
        if told:
            self.fit.log(told, step=step)

    def _of_this_step(self) -> dict[str, Any]:
        single = self._trainer.accumulate_grad_batches == 1
        ours = {"time/step_s" if single else "time/batch_s": time.perf_counter() - self._began}
        if self._batches and self._busy_s > 0:
            if self._samples:
                ours["time/samples_per_s"] = self._samples / self._busy_s
            self._busy_s, self._batches, self._samples = 0.0, 0, 0
        ours |= {name: lr for (name, _, _), lr in zip(self._rates, self._lrs, strict=True)}
        return {name: value for name, value in ours.items() if name not in self._heard}

    def saved(self, path: Any) -> None:
        """A checkpoint was written."""
        self._checkpoints.note(str(path))


class Checkpoints:
    """What was saved in one fit: a row for each file, and the best and the newest of them as artifacts."""

    def __init__(self, fit: Fit, trainer: Any) -> None:
        self._fit = fit
        self._trainer = trainer
        self._rows: dict[str, dict[str, Any]] = {}

    def note(self, path: str) -> None:
        trainer = self._trainer
        about = asked(Path(path).stat, None)
        monitor, score = self._score(path)
        self._rows.pop(path, None)  # the same file again: it is the newest now
        self._rows[path] = {
            "path": path, "step": trainer.global_step, "epoch": trainer.current_epoch, "monitor": monitor, "score": score,
            "bytes": None if about is None or not Path(path).is_file() else about.st_size,
        }  # fmt: skip
        self._tell_best()

    def close(self) -> None:
        if not self._rows:
            return
        with guard("telling of checkpoints"):
            best = self._tell_best()
            for path, row in self._rows.items():
                row["is_best"] = path in best
                row["exists"] = Path(path).exists()
            self._fit.table("checkpoints", self._rows.values())
            newest = [path for path, row in self._rows.items() if row["exists"]][-1:]
            for path in dict.fromkeys([*best, *newest]):
                self._keep(path)

    def _keep(self, path: str) -> None:
        row = self._rows.get(path)
        source = Path(path).absolute()
        if row is None or row["bytes"] is None or row["bytes"] > MOST_KEPT_BYTES or not source.is_file():
            return
        self._fit.checkpoint(source.name, write=lambda place: place.symlink_to(source), step=row["step"])

    def _score(self, path: str) -> tuple[str | None, float | None]:
        for callback in self._trainer.checkpoint_callbacks:
            scores = getattr(callback, "best_k_models", None) or {}
            if path in scores:
                return callback.monitor, plain_metric(scores[path])
        return None, None

    def _tell_best(self) -> list[str]:
        """The best file of each ``ModelCheckpoint`` that saved in this fit."""
        best = []
        for place, callback in enumerate(self._trainer.checkpoint_callbacks):
            path = getattr(callback, "best_model_path", "")
            if path in self._rows:
                best.append(path)
                under = "best_model" if place == 0 else f"best_model{place + 1}"
                self._fit.summary({f"{under}_path": path, f"{under}_score": plain_metric(callback.best_model_score)})
        return best


class Listeners:
    """Who listens to which Trainer just now, by its identity."""

    def __init__(self) -> None:
        self._by_trainer: dict[int, Listener] = {}

    def add(self, trainer: Any, listener: Listener) -> None:
        self._by_trainer[id(trainer)] = listener

    def remove(self, trainer: Any) -> Listener | None:
        return self._by_trainer.pop(id(trainer), None)

    def of(self, trainer: Any) -> Listener | None:
        """The listener of a Trainer, unless it is muted."""
        found = self._by_trainer.get(id(trainer))
        return None if found is None or found.muted else found

    def even_muted(self, trainer: Any) -> Listener | None:
        return self._by_trainer.get(id(trainer))


LISTENERS = Listeners()


def first_rows(trainer: Any, batch: Any) -> int | None:
    """The samples of the first batch; None unless the loader says the same: only then later batches are counted so."""
    loaders = list(facts.loaders_of(trainer.train_dataloader))
    if len(loaders) != 1:
        return None
    said = getattr(loaders[0], "batch_size", None)
    rows = facts.rows_of(batch)
    return rows if rows and rows == said else None


def plain_metric(value: Any) -> float | None:
    """A score that Lightning compares, so it has been read before; None of what is no number."""
    return asked(lambda: float(value), None) if value is not None else None
