"""What can be said of arguments, models and data sets without computing anything of them."""

from __future__ import annotations

import dataclasses
import enum
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from autotrack.instrument import asked

MOST_COLUMNS = 1_000


def arguments(args: Any) -> dict[str, Any]:
    """Every argument: ``args.{name}`` where it differs from its default, else ``defaults.{name}``.

    Compared is what the training runs with: a default that Transformers itself settles (``bf16=None`` of TRL) may differ.
    """
    if not dataclasses.is_dataclass(args):
        return {f"args.{name}": value for name, value in vars(args).items() if not name.startswith("_")}
    told = {}
    for field in dataclasses.fields(args):
        if field.init:
            value = settled(getattr(args, field.name, None))
            told[f"{'args' if differs(value, field) else 'defaults'}.{field.name}"] = value
    return told


def differs(value: Any, field: dataclasses.Field[Any]) -> bool:
    """Whether an argument has another value than its default, of which None, nothing and "none" are one."""
    if field.default is not dataclasses.MISSING:
        default = settled(field.default)
    elif field.default_factory is not dataclasses.MISSING:
        default = settled(field.default_factory())
    else:
        return True
    if default in (None, "", "none") and not (any(value.values()) if isinstance(value, Mapping) else value):
        return False  # fsdp_config: a dict of nothing, made where None was given
    if default is None and dataclasses.is_dataclass(value):  # AcceleratorConfig, made where None was given
        return any(differs(getattr(value, inner.name, None), inner) for inner in dataclasses.fields(value))
    return asked(lambda: bool(value != default), True)


def settled(value: Any) -> Any:
    return value.value if isinstance(value, enum.Enum) else value


def model_facts(model: Any) -> dict[str, Any]:
    """The model's class and how many parameters it has, its config as far as it differs from its class's, its adapters."""
    if model is None:
        return {}
    base = base_of(model)
    sizes = [(getattr(p, "ds_numel", None) or p.numel(), p.requires_grad) for p in model.parameters()]  # ds_numel: DeepSpeed shards them
    told: dict[str, Any] = {
        "model_class": type(base).__name__,
        "n_params": sum(size for size, _ in sizes),
        "n_params_trainable": sum(size for size, trains in sizes if trains),
    }
    config = getattr(base, "config", None)
    if config is not None and hasattr(config, "to_diff_dict"):
        told["model"] = asked(config.to_diff_dict, {})
    adapters = getattr(model, "peft_config", None)
    if isinstance(adapters, Mapping):
        told["peft"] = {name: asked(adapter.to_dict, {}) for name, adapter in adapters.items()}
    return told


def name_of(trainer: Any) -> str:
    """What a run of it is called: the name that the user gave, else the model's class."""
    given = getattr(trainer.args, "run_name", None)
    if isinstance(given, str) and given and given != trainer.args.output_dir:  # which it was by default before 5.0
        return given
    return type(trainer if trainer.model is None else base_of(trainer.model)).__name__


def base_of(model: Any) -> Any:
    """The model that adapters were put on, or itself."""
    inner = getattr(model, "get_base_model", None)
    return asked(inner, model) if callable(inner) else model


def datasets(name: str, dataset: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """What is known of a data set, or of each in a dict of them, without reading one."""
    if dataset is None or isinstance(dataset, str):
        return
    if isinstance(dataset, Mapping):
        for key, each in itertools.islice(dataset.items(), MOST_COLUMNS):
            yield from datasets(f"{name}/{key}", each)
        return
    facts: dict[str, Any] = {"type": type(dataset).__name__}
    rows = asked(lambda: len(dataset), None)
    if rows is not None:
        facts["rows"] = rows
    columns = getattr(dataset, "column_names", None)
    if isinstance(columns, list):
        facts["columns"] = columns[:MOST_COLUMNS]
    fingerprint = getattr(dataset, "_fingerprint", None)  # of datasets.Dataset: changes with every transformation
    if isinstance(fingerprint, str):
        facts |= {"hash": fingerprint, "hash_mode": "framework"}
    split = getattr(dataset, "split", None)
    if split is not None:
        facts["split"] = str(split)
    yield name, facts
