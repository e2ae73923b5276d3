"""One line, and every training run is remembered: ``autotrack.autolog()``.

Everything here is loaded when it is first used; ``import autotrack`` itself loads nothing.
"""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False  # as typing has it, which would take most of the time
if TYPE_CHECKING:
    from typing import Any

    from autotrack.errors import (
        ArtifactNotFound,
        AutotrackError,
        BackendError,
        BackendUnavailable,
        Conflict,
        IntegrationError,
        NotFound,
        QueryError,
        RecordRejected,
        RunIdTaken,
        RunNotFound,
        SchemaTooNew,
        SettingsError,
        TargetMissing,
        UnsupportedVersion,
    )
    from autotrack.instrument.loader import IntegrationStatus, autolog, disable, status
    from autotrack.recording.face import configure, flush
    from autotrack.recording.runs import (
        Run,
        current_run,
        get_run,
        log,
        log_artifact,
        log_artifacts,
        log_metric,
        log_metrics,
        log_param,
        log_params,
        log_table,
        log_text,
        set_tag,
        set_tags,
        start_run,
        summary,
    )
    from autotrack.search import Comparison, RunList, compare, search_runs
    from autotrack.views import ArtifactView, RunView, Series, Stats

_HOMES = {
    "autotrack.errors": (
        "ArtifactNotFound", "AutotrackError", "BackendError", "BackendUnavailable", "Conflict", "IntegrationError", "NotFound", "QueryError",
        "RecordRejected", "RunIdTaken", "RunNotFound", "SchemaTooNew", "SettingsError", "TargetMissing", "UnsupportedVersion",
    ),
    "autotrack.instrument.loader": ("IntegrationStatus", "autolog", "disable", "status"),
    "autotrack.recording.runs": (
        "Run", "current_run", "get_run", "log", "log_artifact", "log_artifacts", "log_metric", "log_metrics", "log_param", "log_params",
        "log_table", "log_text", "set_tag", "set_tags", "start_run", "summary",
    ),
    "autotrack.recording.face": ("configure", "flush"),
    "autotrack.search": ("Comparison", "RunList", "compare", "search_runs"),
    "autotrack.views": ("ArtifactView", "RunView", "Series", "Stats"),
}  # fmt: skip
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "ArtifactNotFound",
    "ArtifactView",
    "AutotrackError",
    "BackendError",
    "BackendUnavailable",
    "Comparison",
    "Conflict",
    "IntegrationError",
    "IntegrationStatus",
    "NotFound",
    "QueryError",
    "RecordRejected",
    "Run",
    "RunIdTaken",
    "RunList",
    "RunNotFound",
    "RunView",
    "SchemaTooNew",
    "Series",
    "SettingsError",
    "Stats",
    "TargetMissing",
    "UnsupportedVersion",
    "__version__",
    "autolog",
    "compare",
    "configure",
    "current_run",
    "disable",
    "flush",
    "get_run",
    "log",
    "log_artifact",
    "log_artifacts",
    "log_metric",
    "log_metrics",
    "log_param",
    "log_params",
    "log_table",
    "log_text",
    "search_runs",
    "set_tag",
    "set_tags",
    "start_run",
    "status",
    "summary",
]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'autotrack' has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(home), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


from autotrack import by_name as _by_name  # noqa: E402 - it may import more of us, where a framework is there already

_by_name.wait()
