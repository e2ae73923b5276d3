"""How fast it goes, out of what the trainer counts by itself: nothing is done at a step."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from time import perf_counter
from typing import Any, NamedTuple

from autotrack.instrument import asked

INFERRED = "autotrack.inferred"  # the tag that lists series which were concluded, not told
NEAR = 0.01  # so far from a whole number a count of tokens may be: the trainer sums its FLOPs up in floats


class Feed(NamedTuple):
    """What a training loader gives in one pass, in all processes."""

    batches: int  # of each process
    rows: int  # in a batch of all of them; the last of a pass may have fewer
    samples: int

    def until(self, batches: int) -> int:
        """How many samples so many batches are, from the first pass on."""
        passes, left = divmod(batches, self.batches)
        return passes * self.samples + min(left * self.rows, self.samples)


class Pace:
    """Of a training, from its last log of the loss on."""

    def __init__(self, args: Any, state: Any, model: Any, loader: Any, *, batch_size: int, counts_flos: bool) -> None:
        self._feed = asked(lambda: feed_of(loader, batch_size, args.world_size), None)
        self._accumulates = args.gradient_accumulation_steps
        self._counts_tokens = getattr(args, "include_num_input_tokens_seen", False) not in (False, "no")
        self._flos_a_token = asked(lambda: flos_a_token(model), 0) if counts_flos and not self._counts_tokens else 0
        self._step, self._batches = state.global_step, self._batches_at(state)
        self._tokens, self._flos = state.num_input_tokens_seen, state.total_flos
        self._flos_s = 0.0  # since they were summed up, which a log of the user's own does not do
        self._paused_s = 0.0
        self._since = perf_counter()

    @property
    def inferred(self) -> str:
        """What of it nobody told, as the tag's text."""
        return ", ".join(["time/samples_per_s"] * (self._feed is not None) + ["time/tokens_per_s"] * (self._flos_a_token > 0))

    def is_behind(self, state: Any) -> bool:
        """Whether there were steps since."""
        return bool(state.global_step > self._step)

    def told(self, state: Any) -> dict[str, float]:
        """Seconds a step, and how much a second, without what evaluating and saving took; from here on it is measured anew."""
        now = perf_counter()
        took_s = now - self._since - self._paused_s
        steps = state.global_step - self._step
        self._step, self._since, self._paused_s = state.global_step, now, 0.0
        samples, tokens, flos = self._samples(state, steps), self._seen(state), state.total_flos - self._flos
        if took_s <= 0:
            return {}
        told = {"time/step_s": took_s / steps}
        if samples:
            told["time/samples_per_s"] = samples / took_s
        if tokens:
            told["time/tokens_per_s"] = tokens / took_s
        self._flos_s += took_s
        if flos:
            told |= self._of_flos(flos, self._flos_s)
            self._flos, self._flos_s = state.total_flos, 0.0
        return told

    def _of_flos(self, flos: float, took_s: float) -> dict[str, float]:
        told = {"time/tflops_per_s": flos / 1e12 / took_s}
        if self._flos_a_token:
            tokens = flos / self._flos_a_token
            if abs(tokens - round(tokens)) < NEAR:  # else the model has other parameters than it had
                told["time/tokens_per_s"] = round(tokens) / took_s
        return told

    def _seen(self, state: Any) -> int:
        """Tokens that the trainer was asked to count."""
        if not self._counts_tokens:
            return 0
        before, self._tokens = self._tokens, state.num_input_tokens_seen
        return int(self._tokens - before)

    def _samples(self, state: Any, steps: int) -> int:
        """Samples, where the batches since are as many as the steps say; 0 where it is not known."""
        if self._feed is None:
            return 0
        before, self._batches = self._batches, self._batches_at(state)
        if not steps <= self._batches - before <= steps * self._accumulates:
            return 0
        return self._feed.until(self._batches) - self._feed.until(before)

    def _batches_at(self, state: Any) -> int:
        """How many there were, as the trainer tells it in epochs."""
        return 0 if self._feed is None else round((state.epoch or 0) * self._feed.batches)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """What happens in this block is no training: evaluating, saving."""
        left = perf_counter()
        told, self._paused_s = self._paused_s, 0.0  # one may stand in another
        try:
            yield
        finally:
            self._paused_s = told + perf_counter() - left


def feed_of(loader: Any, batch_size: int, processes: int) -> Feed | None:
    """What a loader gives, if its sampler is one that says so; None where batches are made in another way.

    A loader with batches of another size than the trainer's is none: prompts that answers are made of (GRPO).
    """
    from accelerate.data_loader import BatchSamplerShard  # loaded with the trainer
    from torch.utils.data import BatchSampler

    sampler, sharing = loader.batch_sampler, 1
    if type(sampler) is BatchSamplerShard and not sampler.split_batches and (sampler.even_batches or sampler.drop_last):
        sampler, sharing = sampler.batch_sampler, sampler.num_processes  # its batches are all full
    elif processes > 1:
        return None
    if type(sampler).__iter__ is not BatchSampler.__iter__ or sampler.batch_size != batch_size:
        return None
    batches, rows = len(loader), batch_size * sharing
    samples = batches * rows if sharing > 1 else min(batches * rows, len(sampler.sampler))
    return Feed(batches, rows, samples) if batches else None


def is_theirs(owner: Any, name: str) -> bool:
    """Whether a method is one of Transformers, or not there, so that nobody counts in a way of his own."""
    return not hasattr(owner, name) or getattr(getattr(owner, name), "__module__", "").startswith("transformers.")


def flos_a_token(model: Any) -> int:
    """How many FLOPs a token counts for, padding too; 0 where other things are counted, or in another way.

    Source: ``Trainer.floating_point_ops``, 6 for each parameter outside of embeddings, after Kaplan et al.,
    https://arxiv.org/abs/2001.08361, section 2.1. Before 5.0 it asked the model's own methods.
    """
    is_plain = is_theirs(model, "floating_point_ops") and is_theirs(model, "estimate_tokens")
    if not is_plain or getattr(model, "main_input_name", "input_ids") != "input_ids":
        return 0
    return 6 * int(model.num_parameters(exclude_embeddings=True))
