"""What a recorded fit costs: scikit-learn and XGBoost with everything recorded, beside plain and the peers.

    python benchmarks/fits.py [ROUNDS [WHAT]]     only what has this word in its name: XGBoost, first, Ridge, GridSearchCV, silent

``thread`` is CPU of the training thread, which is what the fit takes longer; ``process`` adds what the writer does in the
background (for the first fit of a process that includes reading the environment once).
"""

from __future__ import annotations

import statistics
import sys

from measure import folder, has, run, show, verdict

HEAD = """
import sys, time, warnings, logging
mode, base = sys.argv[1:3]
warnings.simplefilter("ignore")
import numpy as np
from sklearn.datasets import make_classification, make_regression
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.ensemble import VotingClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler
X, y = make_classification(1000, 20, random_state=0)
LogisticRegression().fit(X, y); Ridge().fit(X, y)
import xgboost
if mode.startswith("autotrack"):
    import autotrack
    autotrack.configure(uri=f"sqlite:///{base}/store/a.db", quiet=True)
    autotrack.autolog(models="nomodels" not in mode)
elif mode == "mlflow":
    import mlflow
    logging.disable(logging.CRITICAL)
    mlflow.set_tracking_uri(f"sqlite:///{base}/mlflow.db")
    mlflow.autolog(silent=True, log_models=False)
def cost(work):
    process, thread = time.process_time(), time.thread_time()
    work()
    thread = time.thread_time() - thread
    if mode.startswith("autotrack"): autotrack.flush(30)
    print(1000 * thread, 1000 * (time.process_time() - process))
"""

CASES = {
    "first LogisticRegression, 1,000 x 20": "cost(lambda: LogisticRegression().fit(X, y))",
    "200 Ridge fits, a fit": """
LogisticRegression().fit(X, y)
if mode.startswith("autotrack"): time.sleep(4)
def work():
    for alpha in range(1, 201): Ridge(alpha=alpha).fit(X, y)
cost(work)""",
}
# These take so long that two processes differ by more than is to be measured: one process, with and without in turn.
IN_TURN = {
    "GridSearchCV, 20 candidates x 5 folds": """
def work():
    GridSearchCV(LogisticRegression(), {"C": np.logspace(-3, 3, 20)}, cv=5).fit(X, y)""",
    "XGBoost, 500 rounds, without the model file": """
d = xgboost.DMatrix(X, y)
def work():
    xgboost.train({"max_depth": 3, "nthread": 1}, d, 500, evals=[(d, "train")], verbose_eval=False)""",
}
TURNS = """
def switch(on):
    if mode == "mlflow": mlflow.autolog(silent=True, log_models=False, disable=not on)
    elif on: autotrack.autolog(models="nomodels" not in mode)
    else: autotrack.disable()
def once():
    process, thread = time.process_time(), time.thread_time()
    work()
    thread = time.thread_time() - thread
    if mode.startswith("autotrack"): autotrack.flush(30)
    return 1000 * thread, 1000 * (time.process_time() - process)
once()
if mode.startswith("autotrack"): time.sleep(4)
for _ in range(int(sys.argv[3])):  # what comes first after a switch is colder than what a user sees, who switches once
    switch(True); once(); one = once()
    switch(False); once(); other = once()
    print(*one, *other)
"""
SILENT = """
import time
from sklearn.base import BaseEstimator
class Inner(BaseEstimator):
    def fit(self, X, y=None): return self
    def predict(self, X): return X
class Outer(BaseEstimator):
    def fit(self, X, y=None):
        inner, clock = Inner(), time.perf_counter
        for _ in range(1000): inner.fit(X, y)
        began = clock()
        for _ in range(20000): inner.fit(X, y)
        self.took_ = clock() - began
        return self
    def predict(self, X): return X
print(Outer().fit(X, y).took_ / 20000 * 1e6, 0)
"""
SAVE_RAW = """
d = xgboost.DMatrix(X, y)
booster = xgboost.train({"max_depth": 3, "nthread": 1}, d, 500)
process = time.process_time(); booster.save_raw("ubj"); print(1000 * (time.process_time() - process), 0)
"""


def figures(body: str, modes: list[str], rounds: int) -> dict[str, list[tuple[float, float]]]:
    found: dict[str, list[tuple[float, float]]] = {mode: [] for mode in modes}
    for _ in range(rounds):
        for mode in modes:
            with folder() as base:
                thread, process = run(HEAD + body, mode, base, cwd=base)[1].split()
                found[mode].append((float(thread), float(process)))
    return found


def more(found: dict[str, list[tuple[float, float]]], mode: str, which: int) -> float:
    return statistics.median(a[which] - b[which] for a, b in zip(found[mode], found["plain"], strict=True))


def in_turn(body: str, mode: str, turns: int) -> tuple[float, float, float]:
    """Medians in ms: the plain CPU of the thread, what it took more observed, and what the process took more."""
    with folder() as base:
        rows = [list(map(float, line.split())) for line in run(HEAD + body + TURNS, mode, base, turns, cwd=base)[1].splitlines()]
    return tuple(statistics.median(values) for values in zip(*((r[2], r[0] - r[2], r[1] - r[3]) for r in rows), strict=True))  # type: ignore[return-value]


def main(rounds: int = 9, only: str = "") -> None:
    peer = ["mlflow"] if has("mlflow") else []
    for (name, body), limit in zip(CASES.items(), (3, 1), strict=True):
        if only not in name:
            continue
        each = 200 if "200" in name else 1
        found = figures(body, ["plain", "autotrack-nomodels", *peer], rounds)
        show(f"{name}: CPU in ms (median)", [
            (mode, f"thread {statistics.median(v[0] for v in values) / each:8.2f}   process {statistics.median(v[1] for v in values) / each:8.2f}")
            for mode, values in found.items()
        ])  # fmt: skip
        verdict(f"{name}: more than plain, training thread", more(found, "autotrack-nomodels", 0) / each, limit, "ms")
    for (name, body), limit in zip(IN_TURN.items(), (20, 5), strict=True):
        if only not in name:
            continue
        plain, thread, process = in_turn(body, "autotrack-nomodels", 2 * rounds)
        peers = [(mode, "thread +{1:.2f}   process +{2:.2f}".format(*in_turn(body, mode, 3))) for mode in peer]
        show(f"{name}: CPU in ms (median)", [("plain", f"{plain:.2f}"), ("autotrack", f"thread +{thread:.2f}   process +{process:.2f}"), *peers])
        verdict(f"{name}: more than plain, training thread", thread, limit, "ms")
    if only in "XGBoost, 500 rounds, with the model file":
        raw = statistics.median(v[0] for v in figures(SAVE_RAW, ["plain"], rounds)["plain"])
        thread = in_turn(IN_TURN["XGBoost, 500 rounds, without the model file"], "autotrack", 2 * rounds)[1]
        verdict("XGBoost, 500 rounds, with the model file, training thread", thread, 5 + 1.2 * raw, "ms")
    if only in "a silent inner fit":
        found = figures(SILENT, ["plain", "autotrack"], 3)
        verdict("a silent inner fit", more(found, "autotrack", 0), 20, "us")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]), *sys.argv[2:])
