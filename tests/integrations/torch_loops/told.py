"""What a store holds, as plain values: every run with its curves, oldest first."""

from __future__ import annotations

import json
from typing import Any

from autotrack.artifacts import ArtifactStore
from autotrack.backends.protocol import Backend
from autotrack.query import parse


def told(backend: Backend, artifacts: ArtifactStore | None = None) -> list[dict[str, Any]]:
    return [told_of(backend, artifacts, view.id) for view in backend.runs(parse("", "started, id"))]


def told_of(backend: Backend, artifacts: ArtifactStore | None, run_id: str) -> dict[str, Any]:
    run = backend.run(run_id)
    keys = [key for key in run.statistics if not key.startswith("system/")]
    series = {curve.key: [curve.steps.tolist(), curve.values.tolist()] for curve in backend.series([run_id], keys)}
    tables = {}
    for artifact in run.artifacts:
        if artifacts is not None and artifact.kind == "table":
            with artifacts.open(artifact.digest) as file:
                tables[artifact.name] = [json.loads(line) for line in file.read().decode().splitlines()]
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
        "tables": tables,
    }
