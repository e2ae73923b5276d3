"""The tree of errors that autotrack raises; each says what happened, to what, and what to do."""

from __future__ import annotations


class AutotrackError(Exception):
    """Base of every error that autotrack raises on purpose."""


class SettingsError(AutotrackError):
    """A setting is unknown or malformed."""


class QueryError(AutotrackError):
    """A search text cannot be understood.

    ``text`` is the whole query and ``position`` the 0-based index of the character where it went wrong.
    """

    def __init__(self, message: str, text: str = "", position: int = 0) -> None:
        super().__init__(message)
        self.text = text
        self.position = position


class BackendError(AutotrackError):
    """A tracking store did not do what it was asked."""


class BackendUnavailable(BackendError):
    """The store cannot be reached or written just now: keep the batch and try again."""


class TooSlow(BackendError):
    """A question took longer than it may: ask for less."""


class StoreGone(BackendError):
    """The store's file was deleted, moved or replaced while it was in use: what is written there would be lost."""


class RecordRejected(BackendError):
    """The store will never accept this batch."""


class SchemaTooNew(BackendError):
    """The store was written by a newer autotrack."""


class NotFound(AutotrackError):
    """Something that was asked for by name is not there."""


class RunNotFound(NotFound):
    """No run has this id (or this beginning of an id)."""


class ArtifactNotFound(NotFound):
    """The run has no artifact of this name."""


class CursorLost(NotFound):
    """What is new cannot be told from there: read everything again."""


class Conflict(AutotrackError):
    """Something changed meanwhile, or is taken."""


class RunIdTaken(Conflict):
    """A beginning of an id fits several runs."""


class IntegrationError(AutotrackError):
    """A framework cannot be observed."""


class UnsupportedVersion(IntegrationError):
    """The installed framework is older than what the integration is tested with."""


class TargetMissing(IntegrationError):
    """A function that an integration observes is not where it was."""
