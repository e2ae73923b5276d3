"""What ``import autotrack`` costs, and what a framework's import costs more once autolog() is on. CPU of fresh interpreters."""

from __future__ import annotations

import statistics

from measure import extra, has, interleaved, run, show, verdict

LIST = "import json, sqlite3, struct, mmap, threading, contextvars, pathlib, importlib.metadata, logging"
FRAMEWORKS = {
    "sklearn": "import sklearn.linear_model, sklearn.ensemble, sklearn.model_selection, sklearn.pipeline",
    "xgboost": "import xgboost",
}
# What a framework's import costs more is what is done at its end; apart from the import, which itself varies by more.
WAKING = """
import gc, sys, time
module, line = sys.argv[1:]
exec(line)
import autotrack
autotrack.autolog(exclude=[module])
from autotrack.instrument.loader import LOADER
gc.collect()  # else the framework's own garbage may happen to be collected here: 60 ms
before = time.process_time()
LOADER._wake(module, sweep=False)
print(1000 * (time.process_time() - before))
"""


def cpu_ms(program: str) -> float:
    return run(program)[0] * 1000


def main(rounds: int = 21) -> None:
    programs = {"bare": "pass", "list": LIST, "autotrack": "import autotrack", "autolog": "import autotrack; autotrack.autolog()"}
    programs |= {peer: f"import {peer}" for peer in ("mlflow", "trackio", "wandb") if has(peer)}
    figures = interleaved({name: (lambda p=p: cpu_ms(p)) for name, p in programs.items()}, rounds)
    show("Fresh interpreter, CPU in ms (median; without the bare interpreter)", [
        (name, f"{statistics.median(values):8.1f}  ({extra(figures, name, 'bare'):.1f})") for name, values in figures.items()
    ])  # fmt: skip
    verdict("import autotrack / import of the fixed list", extra(figures, "autotrack", "bare") / extra(figures, "list", "bare"), 3)
    for module, line in FRAMEWORKS.items():
        took_ms = [float(run(WAKING, module, line)[1]) for _ in range(rounds)]
        verdict(f"import of {module} after autolog(), more than without", statistics.median(took_ms), 5, "ms")


if __name__ == "__main__":
    main()
