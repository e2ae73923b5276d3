"""What a list shows of runs at a glance: the metrics that say most, and which runs are repeats of one line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autotrack.views import Stats


def telling(keys: Iterable[str]) -> list[str]:
    """Metrics by weight, without what only counts or times, unless there is nothing else."""
    ordered = sorted(keys, key=weight)
    return [key for key in ordered if weight(key)[0] < COUNTS] or ordered


COUNTS = 40  # the weight from which on a metric only counts or times
TELLING = ("test", "val", "eval", "score", "acc", "auc", "f1", "loss", "error", "rmse", "best")


def natural(name: str) -> list[tuple[int, str]]:
    """Sorts names as a person does: ``layer2`` before ``layer10``."""
    parts = re.split(r"0*([0-9]+)", name)  # text and number by turns
    return [(len(part) if number % 2 else 0, part) for number, part in enumerate(parts)]


def weight(key: str) -> tuple[int, list[tuple[int, str]]]:
    """Sorts metrics by how much they say of a run: held-out data first, training after it, counts and times last."""
    name = key.lower()
    place = next((i for i, word in enumerate(TELLING) if word in name), len(TELLING))
    counts = name.startswith(("time/", "n_", "system/", "lr", "epoch")) or name.endswith("_index")
    return place + 20 * ("train" in name) + COUNTS * counts, natural(key)


def measures(statistics: Mapping[str, Stats]) -> list[list[str]]:
    """The series that make a picture, those of one measure (train/loss, val/loss) together; what says most comes first."""
    groups: dict[str, list[str]] = {}
    for key in sorted((key for key, stats in statistics.items() if stats.count > 1 and not key.startswith("system/")), key=weight):
        groups.setdefault(key.rpartition("/")[2], []).append(key)
    return [sorted(group, key=natural) for group in groups.values()]


def stem(name: str) -> str:
    """A default name without its number: ``Ridge`` of ``Ridge-12``."""
    head, _, tail = name.rpartition("-")
    return head if head and tail.isdigit() else name


def repeats(kind: str, session: str, call_site: str, parent_id: str | None, experiment: str) -> tuple[str, ...]:
    """What the runs share that the same line of the same process opened by itself; empty of a run that stands alone, as the user's own do."""
    return (session, call_site, parent_id or "", experiment) if kind and session and call_site else ()
