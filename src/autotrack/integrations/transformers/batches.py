"""How many samples and tokens were trained on. Counting one mask takes 3 us, so they wait, and some are counted at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autotrack.guard import guard

MOST_HELD = 64  # masks
MOST_HELD_BYTES = 1 << 20  # of memory that they keep alive, on whatever device


class Batches:
    """Since the last log. What lies on a device is counted there, and read once a log."""

    def __init__(self) -> None:
        self.samples = 0
        self.tokens: Any = 0  # None once it is not known
        self._held: list[tuple[Any, int, bool]] = []  # masks, how they looked, and whether their rows are samples
        self._most = 1  # so many of them may wait, until one has been counted and its size is known

    def see(self, inputs: Any) -> None:
        """A batch, as the model gets it: tokens are what its attention mask lets through, so no padding; without one, all of its ids."""
        mask = inputs.get("attention_mask") if type(inputs) is dict or isinstance(inputs, Mapping) else None
        try:
            self._held.append((mask, mask._version, True))  # type: ignore[union-attr]  # None has none
        except (AttributeError, RuntimeError):  # no tensor, or one of inference mode
            self._see_other(inputs, mask)
            return
        if len(self._held) >= self._most:
            self._count()

    def _see_other(self, inputs: Any, mask: Any) -> None:
        """A batch without one mask that can be counted."""
        if mask is not None:
            self.tokens = None
            self.samples += len(mask)
        elif isinstance(inputs, Mapping):  # else prompts, of trainers that make their batches of them
            self._see_columns(inputs)

    def _see_columns(self, inputs: Mapping[Any, Any]) -> None:
        """A batch with a mask for each column, or with none."""
        masks = [value for name, value in inputs.items() if isinstance(name, str) and name.endswith("attention_mask")]
        ids = inputs.get("input_ids")
        self.samples += next((len(value) for value in [*masks, ids, *inputs.values()] if getattr(value, "shape", ())), 0)
        for each in masks:
            version = getattr(each, "_version", None)
            if version is None:
                self.tokens = None
            else:
                self._held.append((each, version, False))
        if not masks and ids is not None and self.tokens is not None:
            self.tokens += ids.numel()
        if len(self._held) >= self._most:
            self._count()

    def counted(self) -> tuple[int, int]:
        """Samples and tokens so far; from here on they are counted anew. 0 tokens where they are not known."""
        self._count()
        samples, tokens = self.samples, self.tokens
        self.samples, self.tokens = 0, 0
        if tokens is None:
            return samples, 0
        return samples, tokens if isinstance(tokens, int) else int(tokens.item())  # the trainer has just read its loss: nothing to wait for

    def _count(self) -> None:
        held, self._held = self._held, []
        if not held:
            return
        tokens, self.tokens = self.tokens, None
        with guard("counting tokens"):
            self.samples += sum(len(mask) for mask, _, has_samples in held if has_samples)
            self._most = max(1, min(MOST_HELD, MOST_HELD_BYTES // max(mask.untyped_storage().nbytes() or 1 for mask, _, _ in held)))
            masks = [mask for mask, version, _ in held if mask._version == version]
            if tokens is not None and len({mask.data_ptr() for mask in masks}) == len(held):  # else written over, by who fills one buffer again
                self.tokens = tokens + number_of_ones(masks)


def number_of_ones(masks: list[Any]) -> Any:
    """In all of them: an ``int``, or a tensor where they lie on a device."""
    by_shape: dict[Any, list[Any]] = {}
    for mask in masks:
        by_shape.setdefault(mask.shape, []).append(mask)
    total: Any = 0
    for alike in by_shape.values():
        if len(alike) == 1:
            ones = alike[0].sum()
        else:
            import torch  # which made them

            ones = torch.stack(alike).sum()
        total += int(ones) if ones.is_cpu else ones
    return total
