"""Checked by mypy, never run: what the types of the face promise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from typing_extensions import assert_type

import autotrack
from autotrack import ArtifactView, Run, RunView, Series

assert_type(autotrack.__version__, str)
assert_type(autotrack.autolog("sklearn", exclude=["xgboost"], models=False), None)
assert_type(autotrack.disable(), None)
assert_type([(s.name, s.version, s.observed, s.reason) for s in autotrack.status()], list[tuple[str, str, bool, str]])
assert_type(autotrack.configure(uri=Path("x"), quiet=True, journal="append"), None)
assert_type(autotrack.flush(timeout_s=1), bool)

with autotrack.start_run("a", experiment="b", params={"lr": 1}, tags={"t": "x"}, notes="n", run_id=None, parent=None) as run:
    assert_type(run, Run)
    assert_type(run.id, str)
    assert_type(run.name, str)
    run.log({"loss": 0.5, "many": np.float32(1), "nested": {"x": 1}}, step=1)
    run.log_metric("loss", 0.5)
    run.log_metrics({"loss": 0.5})
    run.log_param("lr", 0.1)
    run.log_params({"lr": 0.1})
    run.set_tag("a", "b")
    run.set_tags({"a": None})
    run.summary(best=1.0)
    run.summary({"best/loss": 1.0})
    run.note("text")
    run.log_text("a.txt", "b")
    run.log_table("t", [{"a": 1}])
    run.log_artifact(Path("a"), "b", kind="model", step=1)
    run.log_artifacts("folder")

plain = autotrack.start_run()
plain.finish("failed", ValueError("x"))


@autotrack.start_run("decorated")
def train(lr: float) -> int:
    return int(lr)


@autotrack.start_run("decorated")
async def train_async(lr: float) -> int:
    return int(lr)


assert_type(train(0.1), int)
assert_type(autotrack.current_run(), Run | None)

view = autotrack.get_run("01ABCDEF")
assert_type(view, RunView)
assert_type(view.history("loss"), Series)
assert_type(view.history(["loss"]), pd.DataFrame)
assert_type(view.history("loss").values, np.ndarray[Any, np.dtype[np.float64]])
assert_type(view.children(), list[RunView])
assert_type(view.artifact("a"), ArtifactView)
assert_type(view.artifact("a").read_text(), str)
assert_type(autotrack.search_runs("params.lr > 1", order_by="started", limit=None)[0], RunView)
assert_type(autotrack.search_runs().to_pandas(), pd.DataFrame)
assert_type(autotrack.compare("a", view).params, "autotrack.search.Differences")
