"""One training of a plain loop, and what its run is told.

A loop that may turn out to be a part of another one is held back: what is said of it waits in memory, for 16 steps at most.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Mapping
from threading import get_ident
from time import time
from types import CodeType
from typing import TYPE_CHECKING, Any

import torch

from autotrack.guard import asked, guard
from autotrack.instrument import Fit, reports
from autotrack.integrations.torch import devices, models, optimizers
from autotrack.integrations.torch.declaration import integration
from autotrack.integrations.torch.ears import ears
from autotrack.integrations.torch.places import Key, Place, Series, Voice

if TYPE_CHECKING:
    from autotrack.integrations.torch.evaluation import Evaluation
    from autotrack.integrations.torch.loaders import Pass
    from autotrack.integrations.torch.optimizers import Stepper

PROBATION = 16  # steps for which a loop of another optimizer is held back
MOST_DESCRIBED = 20  # optimizers, and models, of one loop
EPOCH = ("epoch", "time/epoch_s", "time/data_wait_s", "time/step_s", "time/samples_per_s")  # what a pass is told as
INFERRED = "autotrack.inferred"  # the tag that lists what was concluded, not told: in words, and series by their names


class Loop:
    """One training: its optimizers, its iteration, its series."""

    __slots__ = (  # at every step two of them change: in slots they lie together
        "__weakref__", "before", "callers", "claimed", "datasets", "described", "epochs", "evaluated", "evaluation", "facts", "fast", "first",
        "fit", "followers", "held", "inferred", "is_by_hand", "is_over", "last", "leftover", "models", "models_told", "newest", "open_epoch",
        "params", "place", "primary", "roles", "scores", "series", "site", "step", "stepped", "steppers", "thread", "voices",
    )  # fmt: skip

    def __init__(self, place: Place | None, before: Loop | None) -> None:
        integration.wrap_late()
        self.before = before  # the loop that this one may be part of
        self.followers: list[weakref.ref[Loop]] = []  # those that may be part of this one
        if before is not None:
            before.followers.append(weakref.ref(self))
        self.fit: Fit | None = None  # None while it is held back
        self.held: list[tuple[dict[str, float], int, float]] = []
        self.place = place
        self.claimed: set[str] = set()  # names of curves that the run knows as its
        self.site = place.site if place is not None else ""
        self.first = self.last = time()  # when its first step was, and the last thing that happened
        self.step = 0  # the iteration that is going on
        self.stepped: set[int] = set()  # the roles of the optimizers that stepped in it
        self.steppers: list[Stepper] = []
        self.roles = 0
        self.newest: Stepper | None = None  # that stepped last
        self.series: dict[str, Series] = {}
        self.voices: dict[tuple[Place, int], Voice] = {}  # by place, and the role of the optimizer that it feeds
        self.fast: Voice | None = None  # speaks at every step, without anything here being asked
        self.models: list[weakref.ref[Any]] = []
        self.models_told = 0
        self.described = 0  # optimizers
        self.params: dict[str, Any] = {}
        self.facts: dict[str, Any] = {}
        self.inferred: dict[str, None] = {}
        self.primary: weakref.ref[Any] | None = None  # the loader whose passes are its epochs
        self.epochs = 0
        self.is_by_hand = False
        self.is_over = False
        self.thread = get_ident()
        self.datasets: dict[str, dict[str, Any]] = {}
        self.open_epoch: Pass | None = None
        self.evaluation: Evaluation | None = None  # that is not told yet
        self.callers: dict[tuple[Any, Key], tuple[Any, list[CodeType]]] = {}  # of evaluations: what they answer to a question
        self.evaluated: dict[str, tuple[int, tuple[Any, ...]]] = {}  # by series: at which step, and on what
        self.scores: dict[str, float] = {}  # of evaluations, as they were told last
        self.leftover: Callable[[], None] | None = None  # what else is not

    # What belongs to it

    def is_alive(self) -> bool:
        return not self.is_over and (self.is_by_hand or any(stepper.optimizer() is not None for stepper in self.steppers))

    def may_go_on(self) -> bool:
        """Whether it, or one that it may be part of, can step again."""
        return self.is_alive() or (self.fit is None and self.before is not None and self.before.may_go_on())

    @property
    def is_here(self) -> bool:
        """Whether the user opened or closed no run around it since."""
        return self.fit.is_here if self.fit is not None else self.before is None or self.before.is_here

    @property
    def is_silent(self) -> bool:
        return self.fit is not None and self.fit.is_silent

    def has_gradients(self) -> bool:
        """Whether any parameter that is trained here has one."""
        return any(stepper.has_gradients() for stepper in self.steppers)

    def adopt(self, stepper: Stepper) -> None:
        """An optimizer takes part."""
        stepper.loop = self
        if stepper not in self.steppers:
            self._give_number(stepper)
            self.steppers.append(stepper)
        self.slow_down()
        mine = weakref.ref(self)
        for ref in stepper.params:
            param = ref()
            if param is not None:
                ears.owners[id(param)] = ref, mine
        with guard("describing an optimizer and its model"):
            self._tell_optimizer(stepper)
            self.tell_models([param for ref in stepper.params if (param := ref()) is not None])

    def _give_number(self, stepper: Stepper) -> None:
        """A role: a new one, unless it succeeds another, or that which was built at the same place is gone (an inner loop's)."""
        gone = [other for other in self.steppers if other.optimizer() is None]
        same = next((other for other in gone if other.place == stepper.place and other.place is not None), None)
        if same is not None:
            stepper.number, stepper.lr = same.number, same.lr
        elif not stepper.number:
            self.roles += 1
            stepper.number = self.roles
        for other in gone:
            self.steppers.remove(other)

    def slow_down(self) -> None:
        """Nobody speaks without being looked at from here on."""
        for stepper in self.steppers:
            stepper.fast.look_up()
        self.catch_up()

    def catch_up(self) -> None:
        """Note what was said without being looked at."""
        voice, self.fast = self.fast, None
        if voice is not None:
            voice.series.last_step, voice.series.last_voice = self.step, voice

    def lost_one(self) -> None:
        """An optimizer of it, or the loop that it may be part of, is gone."""
        if not self.may_go_on():
            self.end()

    # What it says

    def say(self, metrics: dict[str, float], step: int, at: float | None = None) -> None:
        """Points of curves."""
        fit = self.fit
        if fit is None:
            self.held.append((metrics, step, time() if at is None else at))
            return
        if not self.claimed.issuperset(metrics):
            self.claimed.update(metrics)
            fit.claim(metrics)
        fit.log(metrics, step=step, at=at)

    def fact(self, key: str, value: Any) -> None:
        """Something that is true of the whole training."""
        if self.facts.get(key) != value:
            self.facts[key] = value
            if self.fit is not None:
                self.fit.summary({key: value})

    def tell(self, params: Mapping[str, Any]) -> None:
        """Parameters."""
        self.params.update(params)
        if self.fit is not None:
            self.fit.params(params)

    def infer(self, *what: str) -> None:
        """Note what was concluded, not told."""
        new = [word for word in what if word not in self.inferred]
        if new:
            self.inferred.update(dict.fromkeys(new))
            if self.fit is not None:
                self.fit.tags({INFERRED: ", ".join(self.inferred)})

    def voice(self, place: Place, stepper: Stepper | None) -> Voice:
        """As whom a place speaks now. Where two want one series in one iteration, the later one has its own from there on."""
        key = place, 0 if stepper is None else stepper.number
        voice = self.voices.get(key)
        if voice is None:
            voice = self.voices[key] = Voice(self.free(place.name, self.step))
        elif voice.series.last_step >= self.step and voice.series.last_voice is not voice:
            voice.series = self.free(place.name, self.step)
        return voice

    def free(self, name: str, step: int, taken: Collection[Series] = ()) -> Series:
        """The first series of this name that has nothing at a step yet, and is none of those that are taken."""
        name = name.replace("/", "_")
        number, key = 1, name
        while (found := self.series.get(key)) is not None and (found.last_step >= step or found in taken):
            number += 1
            key = f"{name}_{number}"
        if found is None:
            found = self.series[key] = Series("train/loss" if key == "loss" else key)
            self.infer("names")
        return found

    # Its life

    def announce(self) -> None:
        """Open its run, and tell what was held back."""
        if self.fit is None and self.before is not None and self.before.fit is None:
            self.before.end()  # what is held back before it is no part of another one either; it may end this one
        if self.fit is not None:
            return
        self.fit = fit = integration.begin(self.params.get("model") or "torch", started=self.first, site=self.site)
        fit.at_end(self.last_words)
        fit.params(self.params)
        self.inferred = {"runs": None, **self.inferred}
        fit.tags({INFERRED: ", ".join(self.inferred)})
        if self.facts:
            fit.summary(self.facts)
        for name, facts in self.datasets.items():
            fit.dataset(name, facts)
        held, self.held = self.held, []
        for metrics, step, at in held:
            self.say(metrics, step, at)
        if self.open_epoch is not None:
            fit.claim(EPOCH)
        reports.tell_early(fit)
        self._keep_trees(self.models)
        self.before = None

    def fold_into(self, base: Loop) -> None:
        """It was part of another loop: tell that what it has said."""
        start = base.step + (0 if self._takes_part_in_the_iteration_of(base) else 1)
        speaking = {stepper.number for stepper in base.steppers if stepper.optimizer() is not None}
        taken = [voice.series for (_, number), voice in base.voices.items() if number in speaking]
        keys: dict[str, Series] = {}
        rates, roles = {}, {}
        for stepper in self.steppers:
            own, number, stepper.number = stepper.suffix, stepper.number, 0
            base.adopt(stepper)
            rates[f"lr{own}"], roles[number] = f"lr{stepper.suffix}", stepper.number
        for metrics, step, at in self.held:
            told = {}
            for key, value in metrics.items():
                name, slash, group = key.partition("/")
                if name in rates:
                    told[rates[name] + slash + group] = value
                    continue
                if key not in keys:
                    keys[key] = base.free("loss" if key == "train/loss" else key, start, taken)
                keys[key].last_step, keys[key].last_voice = start + step, None
                told[keys[key].key] = value
            base.say(told, start + step, at)
        for (place, number), voice in self.voices.items():
            if voice.series.key in keys:
                voice.series = keys[voice.series.key]
                voice.series.last_voice = voice
            base.voices[place, roles.get(number, number)] = voice
        stepped = {roles.get(number, number) for number in self.stepped}
        base.stepped = stepped | (base.stepped if self.step == 0 and start == base.step else set())
        base.step = start + self.step
        base.last = max(base.last, self.last)
        base.infer("optimizers", *(keys[word].key for word in self.inferred if word in keys))
        for key, value in self.facts.items():
            base.fact(key, value)
        if self.open_epoch is not None:
            if base.primary is None:
                base.primary, base.epochs, base.open_epoch = self.primary, self.epochs, self.open_epoch
                self.open_epoch.loop = weakref.ref(base)
                self.open_epoch.first_step += start
            else:
                self.open_epoch.epoch = -1
        self.is_over = True

    def _takes_part_in_the_iteration_of(self, base: Loop) -> bool:
        """Whether its first step was in the iteration of the other's last one, and not in the next.

        Optimizers that were built together take turns, and so do those that the same line trains, step by step; of another that was built
        later the order in the function says it.
        """
        mine, other = self.place, base.place
        if self.steppers[0].born < base.first or (mine is other and mine is not None and self.step == 0):
            return True
        return mine is not None and other is not None and mine.codes[0] is other.codes[0] and mine.instruction > other.instruction

    def last_words(self) -> float | None:
        """Tell what was not complete; when the last thing happened."""
        self.is_over = True
        self.slow_down()
        with guard("telling how a loop ended"):
            self.complete()
        if self.fit is not None:
            took_s = self.last - self.first
            self.fit.summary({"loop/steps": self.step + 1, "time/fit_s": took_s, "loop/epochs": self.epochs or None})
            if took_s > 0 and self.step and not self.epochs:
                self.fit.summary({"time/step_s": took_s / self.step})
            with guard("reading how much memory was used"):
                self.fit.summary(memory())
        return self.last

    def complete(self) -> None:
        """Tell what was not complete yet."""
        from autotrack.integrations.torch import evaluation, loaders  # which are about loops

        if self.leftover is not None:
            self.leftover()
        if self.evaluation is not None:
            evaluation.tell(self)
        if self.open_epoch is not None:
            loaders.tell(self.open_epoch)
        lost = devices.flush(self.thread)
        if lost:
            self.fact("loop/lost_values", lost + self.facts.get("loop/lost_values", 0))

    def end(self) -> None:
        """It is over; the run ends when the last thing happened."""
        if self.is_over and self.fit is None:
            return
        self.is_over = True  # whatever fails below: what could not begin is not begun later, in another place
        with guard("ending the run of a loop"):
            if self.fit is None:
                self.announce()
            if self.fit is not None:
                try:
                    self.last_words()
                finally:
                    self.fit.end(ended=self.last)
        followers, self.followers = self.followers, []
        for ref in followers:
            follower = ref()
            if follower is not None and not follower.is_over:
                follower.lost_one()

    def resume(self) -> None:
        """One of its optimizers steps again."""
        if not self.is_over:
            return
        self.is_over = False
        if self.fit is not None:
            self.fit.resume()
            self.fit.at_end(self.last_words)

    # What is known of it

    def _tell_optimizer(self, stepper: Stepper) -> None:
        optimizer = stepper.optimizer()
        if optimizer is None or self.described > MOST_DESCRIBED:
            return
        self.described += 1
        suffix = "" if self.described == 1 else f"_{self.described}"
        self.tell({f"optimizer{suffix}{name}": value for name, value in optimizers.parameters(optimizer).items()})
        self.tell_scheduler(stepper)

    def tell_scheduler(self, stepper: Stepper) -> None:
        """Describe the scheduler of an optimizer, if it has one."""
        suffix = stepper.suffix
        self.tell({f"scheduler{suffix}{name}": value for name, value in optimizers.scheduler_of(stepper.optimizer()).items()})

    def tell_models(self, params: list[Any]) -> None:
        """Describe the modules that these parameters are of, if they are new here; else the parameters themselves."""
        known = {id(model) for ref in self.models if (model := ref()) is not None}
        roots: dict[int, tuple[Any, str | None]] = {}
        strangers = []
        for param in params:
            root, wrapper = models.root_of(param)
            if root is None:
                strangers.append(param)
            else:
                roots.setdefault(id(root), (root, wrapper))
        new = []
        for key, (root, wrapper) in roots.items():
            if key not in known and len(self.models) < MOST_DESCRIBED:
                ref = weakref.ref(root)
                self.models.append(ref)
                new.append(ref)
                self._tell_model(models.facts_of(root.parameters()) | {"": type(root).__name__, ".wrapper": wrapper})
        if new:
            self.infer("model")
        elif strangers and not self.models_told:
            self._tell_model(models.facts_of(strangers))
        if self.fit is not None:
            self._keep_trees(new)

    def _tell_model(self, facts: Mapping[str, Any]) -> None:
        self.models_told += 1
        suffix = "" if self.models_told == 1 else f"_{self.models_told}"
        self.tell({f"model{suffix}{name}": value for name, value in facts.items() if value is not None})

    def _keep_trees(self, refs: list[weakref.ref[Any]]) -> None:
        fit = self.fit
        if fit is None or fit.is_silent:
            return
        for ref in refs:
            model, number = ref(), self.models.index(ref) + 1
            if model is not None:
                text = asked(lambda model=model: models.tree_of(model), type(model).__name__)  # type: ignore[misc]
                name = "model.txt" if number == 1 else f"model_{number}.txt"
                fit.text(name, text)


def memory() -> dict[str, Any]:
    """The most that was allocated on a device that is in use; asks only for a counter."""
    if not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return {}
    return {"memory/peak_bytes": max(torch.cuda.max_memory_allocated(number) for number in range(torch.cuda.device_count()))}
