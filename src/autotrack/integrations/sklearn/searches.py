"""Searches tell of their candidates afterwards, from ``cv_results_``, which knows them in whatever process they ran."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from autotrack.instrument import Fit

MOST_CHILDREN = 100  # the best by rank; all are rows of the table
MOST_NAME = 100  # characters


def is_search(estimator: Any) -> bool:
    return isinstance(vars(estimator).get("cv_results_"), dict) and "params" in vars(estimator)["cv_results_"]


def tell_search(fit: Fit, search: Any, *, began: float) -> None:
    """The best candidate, the table of all, and a child run for each of the best; ``began`` in UTC seconds."""
    own = vars(search)
    rows = rows_of(own["cv_results_"])
    splits = int(own.get("n_splits_") or 1)
    best = own.get("best_params_") or {}
    fit.summary(
        {
            "best_score": number(own.get("best_score_")),
            "best_index": number(own.get("best_index_")),
            "time/refit_s": number(own.get("refit_time_")),
            "n_candidates": len(rows),
            "n_splits": splits,
            "n_fits": len(rows) * splits,
            "n_iterations": number(own.get("n_iterations_")),  # of a halving search
            **{f"best/{name}": told(value) for name, value in best.items()},
        }
    )
    fit.table("cv_results", [{**row["params"], **row["columns"]} for row in rows])
    shown = set(best_first(rows, own)[:MOST_CHILDREN])
    times = list(spans(rows, splits, began, workers_of(search)))
    for place, row in enumerate(rows):
        if place not in shown:
            continue
        started, duration_s = times[place]
        failed = any(math.isnan(value) for name, value in row["columns"].items() if name.startswith("mean_test_") and isinstance(value, float))
        fit.child(
            name=name_of(row["params"]),
            params=row["params"],
            summary={name: value for name, value in row["columns"].items() if not name.startswith("split")},
            started=started,
            duration_s=duration_s,
            status="failed" if failed else "finished",
            error="a fit or a score of this candidate failed; the program saw scikit-learn's warning" if failed else None,
        )


def rows_of(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The candidates in the order they were tried: ``params``, and every other column as plain numbers."""
    kept = {name: np.asarray(values).tolist() for name, values in results.items() if name != "params" and not name.startswith("param_")}
    columns = [dict(zip(kept, row, strict=True)) for row in zip(*kept.values(), strict=True)]
    return [{"params": params, "columns": row} for params, row in zip(results["params"], columns, strict=True)]


def best_first(rows: Sequence[Mapping[str, Any]], own: Mapping[str, Any]) -> list[int]:
    """Positions of the candidates by rank: that of the score the search refits by, else of the first score."""
    ranks = [name for name in rows[0]["columns"] if name.startswith("rank_test_")] if rows else []
    refit = own.get("refit")
    wanted = f"rank_test_{refit}"
    name = wanted if wanted in ranks else ranks[0] if ranks else ""
    return sorted(range(len(rows)), key=lambda place: rows[place]["columns"].get(name, 0))


def spans(rows: Sequence[Mapping[str, Any]], splits: int, began: float, workers: int) -> Iterator[tuple[float, float]]:
    """When each candidate began, and how long it worked: its fits and scores as they were measured, one after the other.

    The times are real, the beginnings are told from them: candidates go in their order to whichever worker is free.
    """
    free = [began] * workers
    for row in rows:
        took_s = sum(row["columns"].get(name) or 0.0 for name in ("mean_fit_time", "mean_score_time")) * splits
        took_s = took_s if math.isfinite(took_s) else 0.0
        started = heapq.heappop(free)
        heapq.heappush(free, started + took_s)
        yield started, took_s


def workers_of(search: Any) -> int:
    wanted = getattr(search, "n_jobs", None)
    if wanted is None or wanted == 1:
        return 1
    import joblib  # scikit-learn has it

    return max(1, int(joblib.effective_n_jobs(wanted)))


def name_of(params: Mapping[str, Any]) -> str:
    """``C=1, kernel=rbf``."""
    name = ", ".join(f"{key}={told(value)}" for key, value in params.items())
    return name if len(name) <= MOST_NAME else name[: MOST_NAME - 1] + "…"


def told(value: Any) -> Any:
    """A candidate's value as a number or a short text."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if hasattr(value, "fit") or callable(value):
        return getattr(value, "__name__", type(value).__name__)
    return repr(value)[:MOST_NAME] if isinstance(value, list | tuple) else type(value).__name__


def number(value: Any) -> float | int | None:
    return value.item() if isinstance(value, np.generic) else value if isinstance(value, int | float) else None
