"""What a store holds, as plain values: every run with its curves, oldest first."""

from __future__ import annotations

from typing import Any

from autotrack.backends.protocol import Backend
from autotrack.query import parse


def told(backend: Backend) -> list[dict[str, Any]]:
    return [told_of(backend, view.id) for view in backend.runs(parse("", "started, id"))]


def told_of(backend: Backend, run_id: str) -> dict[str, Any]:
    run = backend.run(run_id)
    keys = [key for key in run.statistics if not key.startswith("system/")]
    series = {curve.key: [curve.steps.tolist(), curve.values.tolist()] for curve in backend.series([run_id], keys)}
    return {
        "name": run.name,
        "kind": run.kind,
        "status": run.status,
        "error": run.error,
        "parent": run.parent_id,
        "call_site": run.call_site,
        "params": dict(run.params),
        "metrics": {key: value for key, value in run.metrics.items() if key not in series},
        "tags": dict(run.tags),
        "datasets": run.environment.get("datasets"),
        "series": series,
        "artifacts": [[artifact.name, artifact.kind, artifact.step, dict(artifact.meta)] for artifact in run.artifacts],
    }
