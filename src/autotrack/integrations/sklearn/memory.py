"""Which fit an estimator was last trained by, for as long as the estimator lives. Nothing is written on the estimator."""

from __future__ import annotations

import weakref
from typing import Any, NamedTuple

from autotrack.instrument import Fit, guarded


class Trained(NamedTuple):
    """The estimator, weakly; its last fit; the features it was fitted on, weakly (None of what cannot be referred to so)."""

    estimator: weakref.ref[Any]
    fit: Fit
    features: weakref.ref[Any] | None


class LastFits:
    """By identity: estimators may compare, and hash, as they like."""

    def __init__(self) -> None:
        self._fits: dict[int, Trained] = {}

    def note(self, estimator: Any, fit: Fit, features: Any) -> None:
        identity = id(estimator)

        def forget(_ref: Any) -> None:
            self._fits.pop(identity, None)

        try:
            held = weakref.ref(estimator, forget)
        except TypeError:
            return
        self._fits[identity] = Trained(held, fit, referred(features))

    def of(self, estimator: Any) -> Trained | None:
        found = self._fits.get(id(estimator))
        return found if found is not None and found.estimator() is estimator else None


def referred(value: Any) -> weakref.ref[Any] | None:
    try:
        return weakref.ref(value)
    except TypeError:
        return None


class Stream:
    """The run that an estimator's ``partial_fit`` calls speak to, and how far it came."""

    __slots__ = ("calls", "fit", "held", "rows")

    def __init__(self, fit: Fit, held: weakref.ref[Any]) -> None:
        self.fit = fit
        self.held = held
        self.calls = 0
        self.rows = 0


class Streams:
    """The open streams, by identity of the estimator. One ends with its estimator: the journal can be told so from anywhere."""

    def __init__(self) -> None:
        self._open: dict[int, Stream] = {}

    def of(self, estimator: Any) -> Stream | None:
        found = self._open.get(id(estimator))
        return found if found is not None and found.held() is estimator else None

    def open(self, estimator: Any, fit: Fit) -> Stream | None:
        """A new stream; None for an estimator that cannot be referred to weakly."""
        identity = id(estimator)

        @guarded
        def bereft(_ref: Any) -> None:
            stream = self._open.pop(identity, None)
            if stream is not None:
                stream.fit.end()

        try:
            stream = Stream(fit, weakref.ref(estimator, bereft))
        except TypeError:
            return None
        self._open[identity] = stream
        return stream

    def close(self, estimator: Any) -> None:
        """End the estimator's stream, if it has one."""
        if self._open and self.of(estimator) is not None:
            self._open.pop(id(estimator)).fit.end()
