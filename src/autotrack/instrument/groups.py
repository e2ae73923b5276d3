"""What an optimizer trains its groups of parameters with, as each framework on PyTorch keeps it: ``optimizer.param_groups``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

NOT_SET = frozenset({"params", "param_names", "initial_lr"})


def group_values(groups: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """By name the value that each group has, None where it has none. A learning rate is the one before a scheduler had a say."""
    names = dict.fromkeys(name for group in groups for name in group if name not in NOT_SET)
    return {name: [group.get("initial_lr" if name == "lr" else name, group.get(name)) for group in groups] for name in names}
