"""Runs as JSON and as rows of a table: what ``--json``, ``--csv`` and ``export`` write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from autotrack import words
from autotrack.glance import natural

if TYPE_CHECKING:
    from autotrack.search import Fold
    from autotrack.views import RunView


def run_as_dict(run: RunView) -> dict[str, Any]:
    """A run as it is printed and exported; times are ISO 8601 in UTC."""
    return {
        "id": run.id,
        "name": run.name,
        "experiment": run.experiment,
        "status": run.status,
        "error": run.error,
        "started": words.iso(run.started),
        "ended": words.iso(run.ended),
        "duration_s": run.duration_s,
        "parent_id": run.parent_id,
        "kind": run.kind,
        "session": run.session,
        "call_site": run.call_site,
        "host": run.host,
        "user": run.user,
        "deleted": words.iso(run.deleted),
        "notes": run.notes,
        "params": dict(run.params),
        "metrics": dict(run.metrics),
        "tags": dict(run.tags),
        "artifacts": [
            {"name": a.name, "kind": a.kind, "size": a.size, "digest": a.digest, "step": a.step, "time": words.iso(a.time), "meta": dict(a.meta)}
            for a in run.artifacts
        ],
    }


def whole_run(run: RunView) -> dict[str, Any]:
    """The same, with what only the whole view has."""
    return run_as_dict(run) | {
        "pid": run.pid,
        "traceback": run.traceback,
        "environment": dict(run.environment),
        "params_before": {key: list(values) for key, values in run.params_before.items()},
        "dropped": run.dropped,
        "statistics": {
            key: {name: getattr(stats, name) for name in ("count", "first", "first_step", "last", "last_step", "min", "max", "mean", "nonfinite")}
            for key, stats in run.statistics.items()
        },
        "children": [child.id for child in run.children()],
    }


def flat_run(run: RunView) -> dict[str, Any]:
    """A run as a row of a table."""
    plain = ("id", "name", "experiment", "status", "error", "started", "ended", "duration_s", "parent_id", "call_site", "notes")
    whole = run_as_dict(run)
    row = {key: whole[key] for key in plain}
    for part in ("params", "metrics", "tags"):
        row |= {f"{part}.{key}": value for key, value in whole[part].items()}
    return row


def fold_as_dict(line: Fold) -> dict[str, Any]:
    return {"title": line.title, "count": len(line.runs), "runs": [run.id for run in line.runs], "first": run_as_dict(line.first)}


def points(run: RunView, wanted: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """Every point of the run's curves."""
    for key in wanted or sorted(run.statistics, key=natural):
        curve = run.history(key)
        for step, time, value in zip(curve.steps.tolist(), curve.times.tolist(), curve.values.tolist(), strict=True):
            yield {"key": key, "step": step, "time": words.iso(time), "value": value}
