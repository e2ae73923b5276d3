"""What is known of a Trainer, its model, its optimizers and its loaders without computing anything."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from autotrack.instrument import asked
from autotrack.instrument.groups import group_values

# What the Trainer says of itself, in the spelling of its arguments where they have one.
TRAINER = (
    "max_epochs", "min_epochs", "max_steps", "min_steps", "accumulate_grad_batches", "gradient_clip_val", "gradient_clip_algorithm",
    "precision", "num_nodes", "world_size", "log_every_n_steps", "val_check_interval", "check_val_every_n_epoch", "limit_train_batches",
    "limit_val_batches", "overfit_batches", "num_sanity_val_steps", "reload_dataloaders_every_n_epochs",
)  # fmt: skip

PASSING = frozenset({"last_epoch", "base_lrs", "verbose", "num_bad_epochs", "best", "cooldown_counter", "last_step"})  # a scheduler's state
MOST_ROWS = 200


def trainer_facts(trainer: Any) -> dict[str, Any]:
    """How it trains; where Lightning has another name for something, the name of the argument."""
    facts = {name: getattr(trainer, name, None) for name in TRAINER}
    facts["strategy"] = type(trainer.strategy).__name__
    facts["accelerator"] = type(trainer.accelerator).__name__.removesuffix("Accelerator").lower()
    facts["devices"] = trainer.num_devices
    return facts


def hyperparameters(*objects: Any) -> dict[str, Any]:
    """What ``save_hyperparameters`` kept of a module and a data module, as its loggers are told it."""
    told: dict[str, Any] = {}
    for thing in objects:
        if thing is not None and getattr(thing, "_log_hyperparams", False):  # not with save_hyperparameters(logger=False)
            told.update(getattr(thing, "_hparams_initial", None) or {})  # hparams_initial is a deep copy of it, at each look
    told.pop("_class_path", None)  # of LightningCLI alone
    return told


def seed() -> int | None:
    """What ``seed_everything`` was called with, as it tells its workers."""
    said = os.environ.get("PL_GLOBAL_SEED", "")
    return int(said) if said.isdigit() else None


def optimizer_facts(optimizers: Iterable[Any]) -> dict[str, Any]:
    """The class of each optimizer and the values of its groups; a value that differs between groups is a list."""
    known = list(optimizers)
    facts: dict[str, Any] = {}
    for place, optimizer in enumerate(known):
        prefix = "optimizer" if len(known) == 1 else f"optimizer.{place}"
        facts[prefix] = type(optimizer).__name__
        for name, found in group_values(optimizer.param_groups).items():
            values = [plain(value) for value in found]
            facts[f"{prefix}.{name}"] = values[0] if all(value == values[0] for value in values) else values
    return facts


def scheduler_facts(configs: Iterable[Any]) -> dict[str, Any]:
    """The class of each learning-rate scheduler, when it steps, and the numbers that it was made with."""
    known = list(configs)
    facts: dict[str, Any] = {}
    for place, config in enumerate(known):
        prefix = "scheduler" if len(known) == 1 else f"scheduler.{place}"
        scheduler = config.scheduler
        facts[prefix] = type(scheduler).__name__
        facts |= {f"{prefix}.{name}": getattr(config, name) for name in ("interval", "frequency", "monitor")}
        told = getattr(scheduler, "__dict__", {})
        facts |= {
            f"{prefix}.{name}": value
            for name, value in told.items()
            if not name.startswith("_") and name not in PASSING and isinstance(value, bool | int | float | str)
        }
    return facts


def stopping_facts(trainer: Any) -> dict[str, Any]:
    """How early stopping and checkpointing decide."""
    facts: dict[str, Any] = {}
    for prefix, callbacks, names in (
        ("early_stopping", trainer.early_stopping_callbacks, ("monitor", "mode", "patience", "min_delta")),
        ("checkpoint", trainer.checkpoint_callbacks, ("monitor", "mode", "save_top_k", "save_last", "dirpath")),
    ):
        for place, callback in enumerate(callbacks):
            under = prefix if place == 0 else f"{prefix}{place + 1}"
            facts |= {f"{under}.{name}": getattr(callback, name, None) for name in names}
            if isinstance(facts.get(f"{under}.min_delta"), float | int) and callback.mode == "min":
                facts[f"{under}.min_delta"] *= -1.0  # as it was given: the callback has turned its sign
    return facts


def plain(value: Any) -> Any:
    """A learning rate or a momentum that is a tensor, as the number that it is; one on a device stays unread."""
    if hasattr(value, "item") and str(getattr(value, "device", "cpu")) == "cpu":
        return asked(value.item, None)
    return value


def learning_rates(optimizers: Iterable[Any]) -> list[tuple[str, list[dict[str, Any]], int]]:
    """For each group its name, its optimizer's list of groups, and its place there.

    One group is ``lr``; several of one optimizer are ``lr/pg1``, ``lr/pg2``, as ``LearningRateMonitor`` counts them, or go by
    the group's ``name``; of several optimizers the class comes between.
    """
    known = list(optimizers)
    classes = [type(optimizer).__name__ for optimizer in known]
    found = []
    for place, optimizer in enumerate(known):
        groups = optimizer.param_groups
        number = f"-{classes[: place + 1].count(classes[place])}" if classes.count(classes[place]) > 1 else ""
        under = f"lr/{classes[place]}{number}" if len(known) > 1 else "lr"
        for index, group in enumerate(groups):
            part = group.get("name", f"pg{index + 1}")
            found.append((f"{under}/{part}" if len(groups) > 1 else under, groups, index))
    return found


def module_rows(module: Any) -> list[dict[str, Any]]:
    """The module's parts: name, class, number of parameters, of these trainable."""
    rows = []
    for name, part in list(module.named_children())[:MOST_ROWS]:
        total, trainable, _ = counts(part)
        rows.append({"name": name, "type": type(part).__name__, "parameters": total, "trainable": trainable})
    return rows


def counts(module: Any) -> tuple[int, int, int]:
    """Parameters, trainable ones, and their bytes; what has no shape yet does not count."""
    total = trainable = size = 0
    for parameter in module.parameters():
        if type(parameter).__name__.startswith("Uninitialized"):
            continue
        number = parameter.numel()
        total += number
        size += number * parameter.element_size()
        trainable += number if parameter.requires_grad else 0
    return total, trainable, size


def loaders_of(found: Any) -> Iterator[Any]:
    """The loaders in whatever collection of loaders the user gave."""
    if isinstance(found, Mapping):
        for part in found.values():
            yield from loaders_of(part)
    elif isinstance(found, list | tuple):
        for part in found:
            yield from loaders_of(part)
    elif found is not None:
        yield found


def loader_facts(loader: Any) -> dict[str, Any]:
    """What a loader says of itself. It is neither iterated nor asked for its length, which some of them remember."""
    data = getattr(loader, "dataset", None)
    facts: dict[str, Any] = {"type": type(loader if data is None else data).__name__}
    for name, ask in (
        ("samples", lambda: None if data is None else len(data)),
        ("batch_size", lambda: loader.batch_size),
        ("workers", lambda: loader.num_workers),
    ):
        value = asked(ask, None)
        if isinstance(value, int):
            facts[name] = value
    return facts


def batch_size_of(found: Any) -> int | None:
    """The batch size of a loader, if it is the only one and says one."""
    loaders = list(loaders_of(found))
    size = getattr(loaders[0], "batch_size", None) if len(loaders) == 1 else None
    return size if isinstance(size, int) else None


def rows_of(batch: Any) -> int:
    """The first dimension of the first tensor in a batch; 0 where there is none."""
    for _ in range(8):
        shape = getattr(batch, "shape", None)
        if shape is not None:
            return int(shape[0]) if len(shape) else 0
        if isinstance(batch, list | tuple) and batch:
            batch = batch[0]
        elif isinstance(batch, Mapping) and batch:
            batch = next(iter(batch.values()))
        else:
            return 0
    return 0
