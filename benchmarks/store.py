"""The store: its size, reading a long history, searching many runs; beside hand-written SQL and MLflow's own store."""

from __future__ import annotations

import os
import random
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from measure import folder, has, show, verdict

from autotrack.backends.opening import open_backend
from autotrack.query import parse
from autotrack.records import Batch, MetricsLogged, ParamsSet, RunEnded, RunStarted

PARAMS, METRICS = 50, 20
FILTER = "metrics.metric_3 > 0.7 and params.param_1 < 0.5"
ORDER = "metrics.metric_7 desc"


def cpu(work: Callable[[], object], times: int) -> float:
    figures = []
    for _ in range(times):
        began = time.process_time()
        work()
        figures.append(time.process_time() - began)
    return statistics.median(figures)


def size_and_history(base: Path, points: int = 1_000_000) -> None:
    rng = random.Random(0)
    values = [rng.random() for _ in range(points // 10)]
    path = base / "size" / "a.db"
    backend = open_backend(f"sqlite:///{path}")
    keys = tuple(f"train/metric_{i}" for i in range(10))
    backend.write(Batch("w1", 1, (RunStarted("r1", 1.7e9, "size"),)))
    number = 2
    for start in range(0, points // 10, 10_000):
        steps = list(range(start, start + 10_000))
        columns = [values[start : start + 10_000]] * 10
        stretch = MetricsLogged("r1", 1.7e9, keys, steps, [1.7e9 + s * 0.1 for s in steps], columns)
        backend.write(Batch("w1", number, (stretch,)))
        number += stretch.count
    backend.close()
    store = sqlite3.connect(path)
    ours = (
        store.execute("select sum(pgsize) from dbstat where name in ('metric_point', 'metric_summary', 'metric_summary_run')").fetchone()[0] / points
    )
    print(f"\n{points:,} points of 10 metrics: {ours:.1f} bytes a point, summaries included")
    if has("mlflow"):
        theirs = mlflow_size(base, 50_000)
        print(f"MLflow's metrics table with its indexes: {theirs:.1f} bytes a point")
        verdict("bytes a point, autotrack / MLflow's metrics table", ours / theirs, 0.17)

    path = base / "long" / "a.db"
    backend = open_backend(f"sqlite:///{path}")
    backend.write(Batch("w1", 1, (RunStarted("r1", 1.7e9, "size"),)))
    steps = list(range(points))
    backend.write(Batch("w1", 2, (MetricsLogged("r1", 1.7e9, ("loss",), steps, [1.7e9 + s * 0.1 for s in steps], [[s * 0.5 for s in steps]]),)))
    import numpy as np

    raw = sqlite3.connect(path)
    run_id, key_id = raw.execute("select run_id, key_id from metric_summary").fetchone()

    def bare() -> object:
        rows = raw.execute(
            "select step, time_ms, value from metric_point where run_id=? and key_id=? order by step, seq", (run_id, key_id)
        ).fetchall()
        step, time_ms, value = zip(*rows, strict=True)
        return np.array(step), np.array(time_ms), np.array(value)

    pairs = [(cpu(lambda: backend.series(["r1"], ["loss"]), 1), cpu(bare, 1)) for _ in range(5)]
    show("A history of 1,000,000 points into NumPy, CPU s (median)", [
        ("autotrack", f"{statistics.median(p[0] for p in pairs):.2f}"), ("fetchall", f"{statistics.median(p[1] for p in pairs):.2f}")
    ])  # fmt: skip
    verdict("history, autotrack / bare fetchall into NumPy", statistics.median(a / b for a, b in pairs), 1.3)
    backend.close()


def mlflow_size(base: Path, points: int) -> float:
    import mlflow
    from mlflow.entities import Metric

    mlflow.set_tracking_uri(f"sqlite:///{base}/size-mlflow.db")
    client = mlflow.MlflowClient()
    run = client.create_run("0").info.run_id
    rng = random.Random(0)
    for start in range(0, points // 10, 100):
        metrics = [Metric(f"train/metric_{k}", rng.random(), 1_700_000_000_000 + s * 100, s) for s in range(start, start + 100) for k in range(10)]
        client.log_batch(run, metrics=metrics)
    store = sqlite3.connect(base / "size-mlflow.db")
    tables = "select name from sqlite_master where tbl_name in ('metrics', 'latest_metrics')"
    return float(store.execute(f"select sum(pgsize) from dbstat where name in ({tables})").fetchone()[0]) / points


def filled(base: Path, runs: int) -> Path:
    path = base / f"search-{runs}" / "a.db"
    backend = open_backend(f"sqlite:///{path}")
    rng = random.Random(1)
    number = 1
    for start in range(0, runs, 500):
        records: list[object] = []
        for i in range(start, min(start + 500, runs)):
            uid, at = f"{i:026d}", 1.7e9 + i
            records.append(RunStarted(uid, at, "search", name=f"run-{i}"))
            records.append(ParamsSet(uid, at, {f"param_{k}": rng.random() if k % 2 else rng.choice("abcdef") for k in range(PARAMS)}))
            records.append(MetricsLogged(uid, at, tuple(f"metric_{k}" for k in range(METRICS)), [0], [at], [[rng.random()] for _ in range(METRICS)]))
            records.append(RunEnded(uid, at + 1, "finished"))
        batch = Batch("w1", number, tuple(records))  # type: ignore[arg-type]
        backend.write(batch)
        number = batch.last + 1
    backend.close()
    return path


HAND_WRITTEN = """
select r.id, r.uid, r.name, r.status, o.last from run r
join metric_summary m on m.run_id = r.id and m.key_id = ? and m.last > 0.7
join param p on p.run_id = r.id and p.key_id = ? and p.num < 0.5
left join metric_summary o on o.run_id = r.id and o.key_id = ?
where r.deleted_ms is null order by o.last desc nulls last limit 100"""


def search(base: Path, runs: int) -> None:
    path = filled(base, runs)
    backend = open_backend(f"sqlite:///{path}")
    raw = sqlite3.connect(path)
    raw.execute("pragma cache_size=-8192")
    ids = dict(raw.execute("select name, id from key").fetchall())

    def ours() -> object:
        return backend.runs(parse(FILTER, order_by=ORDER, limit=100))

    def hand_written() -> object:
        found = raw.execute(HAND_WRITTEN, (ids["metric_3"], ids["param_1"], ids["metric_7"])).fetchall()
        marks = ",".join("?" * len(found))
        run_ids = [row[0] for row in found]
        params = raw.execute(f"select run_id, key_id, type, num, txt from param where run_id in ({marks})", run_ids).fetchall()
        metrics = raw.execute(f"select run_id, key_id, last from metric_summary where run_id in ({marks})", run_ids).fetchall()
        names = {number: name for name, number in ids.items()}
        out: dict[int, tuple[dict[str, object], dict[str, float]]] = {i: ({}, {}) for i in run_ids}
        for run_id, key_id, _, num, txt in params:
            out[run_id][0][names[key_id]] = num if txt is None else txt
        for run_id, key_id, last in metrics:
            out[run_id][1][names[key_id]] = last
        return out

    ours(), hand_written()
    pairs = [(cpu(ours, 3), cpu(hand_written, 3)) for _ in range(7)]
    mine, theirs = (1000 * statistics.median(p[i] for p in pairs) for i in (0, 1))
    show(f"Search over {runs:,} runs x {PARAMS} params x {METRICS} metrics, top 100 with all params, CPU ms", [
        ("autotrack", f"{mine:.1f}"), ("hand-written SQL", f"{theirs:.1f}")
    ])  # fmt: skip
    verdict(f"search over {runs:,} runs, autotrack / hand-written SQL", statistics.median(a / b for a, b in pairs), 2)
    backend.close()
    if runs == 1_000 and has("mlflow"):
        verdict("search over 1,000 runs, autotrack / MLflow", mine / mlflow_search(base, runs), 0.1)


def mlflow_search(base: Path, runs: int) -> float:
    import mlflow
    from mlflow.entities import Metric, Param

    mlflow.set_tracking_uri(f"sqlite:///{base}/search-mlflow.db")
    client = mlflow.MlflowClient()
    rng = random.Random(1)
    for _ in range(runs):
        params = [Param(f"param_{k}", str(rng.random() if k % 2 else rng.choice("abcdef"))) for k in range(PARAMS)]
        metrics = [Metric(f"metric_{k}", rng.random(), 1_700_000_000_000, 0) for k in range(METRICS)]
        client.log_batch(client.create_run("0").info.run_id, metrics=metrics, params=params)
    # MLflow's params are text and cannot be compared as numbers: the same metric filter, and a param that is equal
    text = "metrics.metric_3 > 0.7 and params.param_0 = 'a'"

    def work() -> object:
        return client.search_runs(["0"], text, order_by=["metrics.metric_7 DESC"], max_results=100)

    work()
    figure = 1000 * cpu(work, 7)
    print(f"  {'MLflow':<52} {figure:.1f}")
    return figure


def main(*sizes: int) -> None:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    with folder() as base:
        size_and_history(base)
        for runs in sizes or (1_000, 10_000, 100_000):
            search(base, runs)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
