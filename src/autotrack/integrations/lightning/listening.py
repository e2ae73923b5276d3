"""What one Trainer tells while it works, and when: the steps are Lightning's own, the names the user's.

Of a batch that will not be logged nothing is noted: how many there were Lightning knows itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from autotrack.instrument import Fit, asked, current_fit, guard
from autotrack.integrations.lightning import facts


class Step(NamedTuple):
    """A training step that will be logged, as it began."""

    number: int
    began: float
    lrs: list[Any]
    rows: int  # samples in its batch; 0 if they cannot be counted


class Mark(NamedTuple):
    """A moment of an epoch."""

    time: float
    batches: int  # that had begun
    validated: int  # batches, since the beginning of all


class Listener:
    """What is heard of one call of a Trainer. Unlike a logger it stands in none of the Trainer's lists."""

    def __init__(self, fit: Fit, trainer: Any, *, trains: bool) -> None:
        self.fit = fit
        self.muted = 0  # while a tuner tries something with the same Trainer
        self.tells_metrics = True  # else a logger of ours does
        self._trainer = trainer
        self._trains = trains
        self._has_begun = False
        self._unknown: list[str] = []  # of the Trainer's parameters
        self._users: set[str] = set()  # parameters of the user's
        self._heard: set[str] = set()  # metrics of the user's
        self._checkpoints = Checkpoints(fit, trainer)
        self._rates: list[tuple[str, list[dict[str, Any]], int]] = []
        self._batch_size: int | None = None  # of the only training loader; None if samples cannot be counted
        self._step = Step(-1, 0.0, [], 0)  # the last that is to be logged, as it began
        self._norms: list[Any] = []  # of gradients that were clipped since then
        self._since: Mark | None = None  # from where on this epoch's rate is counted
        self._epoch_began: float | None = None
        self.epoch_told = -1  # the step at which
        self._extra: dict[str, float] = {}  # to be told with the metrics of the epoch that ends

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
        known = facts.trainer_facts(trainer)
        self._unknown = [name for name, value in known.items() if value is None]
        self.params({f"trainer.{name}": value for name, value in known.items()})

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
            if self._has_begun:
                self.fit.summary(epochs=trainer.current_epoch, steps=trainer.global_step)
            else:  # the training was in processes of its own: what came back of it
                self.fit.summary({name: plain_metric(value) for name, value in trainer.callback_metrics.items()})
            for place, callback in enumerate(trainer.early_stopping_callbacks):
                under = "early_stopping" if place == 0 else f"early_stopping{place + 1}"
                has_stopped = trainer.should_stop and (callback.stopped_epoch or getattr(getattr(callback, "stopping_reason", 0), "value", 0))
                self.fit.summary({
                    f"{under}/best_score": plain_metric(callback.best_score),
                    f"{under}/stopped_epoch": callback.stopped_epoch if has_stopped else None,
                })  # fmt: skip
        with guard("telling of checkpoints"):
            self._checkpoints.tell_best()

    def _begin(self) -> None:
        """What is known when the first epoch begins."""
        self._has_begun = True
        trainer = self._trainer
        with guard("reading what a Trainer trains with"):
            known = facts.trainer_facts(trainer)
            self.params({f"trainer.{name}": known[name] for name in self._unknown})  # some it has settled since
            self.params(facts.optimizer_facts(trainer.optimizers))
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

    def epoch_begins(self) -> None:
        """A training epoch begins; its loaders and optimizers are there."""
        is_first = not self._has_begun
        if is_first:
            self._begin()
        self._rates = facts.learning_rates(self._trainer.optimizers)
        self._batch_size = facts.batch_size_of(self._trainer.train_dataloader)
        self._epoch_began = perf_counter()
        # Of an epoch that is resumed it is not known how much of it is to come.
        self._since = None if is_first and self._trainer.ckpt_path else Mark(self._epoch_began, 0, self._validated())

    def step_begins(self, batch: Any) -> None:
        """A batch of a step that will be logged is there."""
        optimizers = self._trainer.optimizers
        if sum(len(optimizer.param_groups) for optimizer in optimizers) != len(self._rates):  # layers that are trained from now on
            self._rates = facts.learning_rates(optimizers)
        lrs = [groups[index]["lr"] for _, groups, index in self._rates]
        rows = 0 if self._batch_size is None else facts.rows_of(batch)
        self._norms = []
        self._step = Step(self._trainer.fit_loop.epoch_loop._batches_that_stepped, perf_counter(), lrs, rows)

    def clipped(self, norm: Any) -> None:
        """Gradients were clipped by norm; kept if the step will be logged."""
        if self._step.number == self._trainer.fit_loop.epoch_loop._batches_that_stepped:
            self._norms.append(norm)

    def epoch_ends(self) -> None:
        """The metrics of a training epoch are logged next."""
        self._step = Step(-1, 0.0, [], 0)
        if self._epoch_began is not None:
            self._extra = {"time/epoch_s": perf_counter() - self._epoch_began}
            self._epoch_began = None

    def logged(self, metrics: Mapping[str, Any], step: int | None) -> None:
        """Lightning logs: what it has, and at a training step what we know of it."""
        told = dict(metrics)
        axis = told.pop("step", None) if step is None else step  # the user's own
        self._heard.update(told)
        count = self._trainer.fit_loop.epoch_loop._batches_that_stepped  # the step that Lightning gives its loggers
        ours = self._ours(count) if step is None else {}
        if axis is None and told and self.epoch_told != count:
            told.setdefault("epoch", self._trainer.current_epoch)
            self.epoch_told = count
        if not self.tells_metrics:
            told = {}
        if axis is None:
            ours, told = {}, {**ours, **told}
        if ours:
            self.fit.log(ours, step=count)
        if told:
            self.fit.log(told, step=count if axis is None else int(axis))

    def _ours(self, step: int) -> dict[str, Any]:
        """What we know when Lightning logs by its own count: of an epoch that ends, of a step of training, of nothing else."""
        if self._extra:
            extra, self._extra = self._extra, {}
            return extra
        return self._of_step(step) if self._epoch_began is not None and self._trainer.training else {}

    def _of_step(self, step: int) -> dict[str, Any]:
        """What we know of a training step: its learning rates, its time, and how fast it went since the last one that was logged."""
        now = perf_counter()
        ours: dict[str, Any] = {}
        if self._step.number == step:
            ours["time/step_s" if self._trainer.accumulate_grad_batches == 1 else "time/batch_s"] = now - self._step.began
            rate = self._rate(now)
            if rate is not None:
                ours["time/samples_per_s"] = rate
            ours |= {name: lr for (name, _, _), lr in zip(self._rates, self._step.lrs, strict=True)}
            ours |= {"grad_norm" if len(self._norms) == 1 else f"grad_norm/{place}": norm for place, norm in enumerate(self._norms)}
        self._since = Mark(now, self._batches(), self._validated())
        if self._heard.isdisjoint(ours):
            return ours
        return {name: value for name, value in ours.items() if name not in self._heard}

    def _rate(self, now: float) -> float | None:
        """Samples a second since the mark; None where a validation lies between, or a batch is not as large as its loader says."""
        since, size, rows = self._since, self._batch_size, self._step.rows
        if since is None or size is None or self._validated() != since.validated:
            return None
        before = self._batches() - since.batches - 1
        if before < 0 or now <= since.time or (rows != size and not self._trainer.is_last_batch):
            return None
        return (before * size + rows) / (now - since.time)

    def _batches(self) -> int:
        """How many batches of this epoch Lightning has begun."""
        return int(self._trainer.fit_loop.epoch_loop.batch_progress.current.ready)

    def _validated(self) -> int:
        """How many batches it has validated."""
        return int(self._trainer.fit_loop.epoch_loop.val_loop.batch_progress.total.ready)

    def saved(self, path: Any) -> None:
        """A checkpoint was written."""
        self._checkpoints.note(str(path))


class Checkpoints:
    """What was saved in one fit. The core tells each file by its content and keeps the best and the newest, in the background."""

    def __init__(self, fit: Fit, trainer: Any) -> None:
        self._fit = fit
        self._trainer = trainer
        self._paths: set[str] = set()

    def note(self, path: str) -> None:
        trainer = self._trainer
        self._paths.add(path)
        owner = next((callback for callback in trainer.checkpoint_callbacks if path in (getattr(callback, "best_k_models", None) or {})), None)
        score = None if owner is None else plain_metric(owner.best_k_models[path])
        about = {"epoch": trainer.current_epoch, "monitor": None if owner is None else owner.monitor, "score": score}
        is_upward = owner is not None and owner.mode == "max"
        self._fit.saved(path, step=trainer.global_step, score=-score if score is not None and is_upward else score, about=about)
        self.tell_best()

    def tell_best(self) -> None:
        """The best file of each ``ModelCheckpoint`` that saved in this fit."""
        for place, callback in enumerate(self._trainer.checkpoint_callbacks):
            path = getattr(callback, "best_model_path", "")
            if path in self._paths:
                under = "best_model" if place == 0 else f"best_model{place + 1}"
                self._fit.summary({f"{under}_path": path, f"{under}_score": plain_metric(callback.best_model_score)})


class Listeners:
    """Who listens to which Trainer just now, by its identity."""

    def __init__(self) -> None:
        self.by_trainer: dict[int, Listener] = {}
        self._epochs: WeakKeyDictionary[Any, tuple[str | None, int]] = WeakKeyDictionary()  # by Trainer: in which run one was told last, and where

    def add(self, trainer: Any, listener: Listener) -> None:
        run_id, step = self._epochs.get(trainer, (None, -1))
        if run_id == listener.fit.run_id:
            listener.epoch_told = step
        self.by_trainer[id(trainer)] = listener

    def remove(self, trainer: Any) -> None:
        listener = self.by_trainer.pop(id(trainer), None)
        if listener is not None:
            self._epochs[trainer] = listener.fit.run_id, listener.epoch_told

    def of(self, trainer: Any) -> Listener | None:
        """The listener of a Trainer, unless it is muted."""
        found = self.by_trainer.get(id(trainer))
        return None if found is None or found.muted else found

    def here(self) -> Listener | None:
        """That of the fit that is open in this thread."""
        if not self.by_trainer:
            return None
        fit = current_fit()
        return next((each for each in list(self.by_trainer.values()) if each.fit is fit and not each.muted), None)

    def even_muted(self, trainer: Any) -> Listener | None:
        return self.by_trainer.get(id(trainer))


LISTENERS = Listeners()


def plain_metric(value: Any) -> float | None:
    """A score that Lightning compares, so it has been read before; None of what is no number."""
    return asked(lambda: float(value), None) if value is not None else None
