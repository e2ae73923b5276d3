"""How many samples and tokens were trained on. Counting one mask takes 3 us, so some are counted at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST_HELD = 64  # masks
MOST_HELD_BYTES = 1 << 20  # of memory that they keep alive, on whatever device


class Batches:
    """Since the last log. What lies on a device is counted there, and read once a log."""

    def __init__(self) -> None:
        self.samples = 0
        self.tokens: Any = 0  # None once it is not known
        self._masks: list[tuple[Any, int]] = []
        self._bytes = 0

    def see(self, inputs: Any) -> None:
        """A batch, as the model gets it: tokens are what its attention mask lets through, so no padding; without one, all of its ids."""
        if type(inputs) is not dict and not isinstance(inputs, Mapping):
            return  # prompts, of trainers that make their batches of them
        mask = inputs.get("attention_mask")
        if mask is not None:
            self.samples += len(mask)
            self._hold(mask)
            return
        masks = [value for name, value in inputs.items() if isinstance(name, str) and name.endswith("attention_mask")]  # one for each column
        ids = inputs.get("input_ids")
        self.samples += next((len(value) for value in [*masks, ids, *inputs.values()] if getattr(value, "shape", ())), 0)
        for each in masks:
            self._hold(each)
        if not masks and ids is not None and self.tokens is not None:
            self.tokens += ids.numel()

    def _hold(self, mask: Any) -> None:
        version = getattr(mask, "_version", None)
        if version is None:  # no tensor
            self.tokens = None
            return
        self._masks.append((mask, version))
        self._bytes += mask.untyped_storage().nbytes()
        if len(self._masks) >= MOST_HELD or self._bytes > MOST_HELD_BYTES:
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
        held, self._masks, self._bytes = self._masks, [], 0
        if not held:
            return
        masks = [mask for mask, _ in held]
        is_changed = any(mask._version != version for mask, version in held)
        if self.tokens is None or is_changed or len({mask.data_ptr() for mask in masks}) < len(masks):
            self.tokens = None  # written over, by whoever fills one buffer again and again
        elif len(masks) > 1 and len({mask.shape for mask in masks}) == 1:
            import torch  # which made them

            self.tokens += _number(torch.stack(masks).sum())
        else:
            self.tokens += sum(_number(mask.sum()) for mask in masks)


def _number(total: Any) -> Any:
    """A tensor's number, unless it lies on a device."""
    return int(total) if total.is_cpu else total
