"""Run a framework's own tests plainly and under autolog, and say which do not end alike. Minutes to an hour.

    python scripts/own_tests.py sklearn [sklearn.tests.test_pipeline ...]
    python scripts/own_tests.py accelerate|lightning|transformers SOURCE [tests/test_accelerator.py ...]

scikit-learn's wheel brings its tests. Of the others SOURCE is the source of the installed version, by ``git clone --branch``; for Accelerate
also its sdist (``pip download --no-deps --no-binary :all: accelerate``), those of the other two are without them. Its tests import ``parameterized``.
Tests that ask for a model or a dataset from the hub fail both ways, which is alike. One file runs in one process, at most ``FILE_S``.

On a CPU no test of these ends otherwise:

- 245 of Accelerate 1.15.0: 21 files of its sdist; one fails both ways;
- 375 of Lightning's with 2.6.6, some of which train in two processes; 17 fail both ways. 13 files whole but for comments (246 tests: callbacks early
  stopping, learning rates, timer, throughput, accumulation, stochastic weight averaging, lambda; CSV logger; logger connector, logging in
  training; min and max epochs, overfitting; learning rate finder), parts of nine more (129: weight averaging, checkpoints, loops, logging in
  evaluation, order of hooks, callbacks, loggers, signals, manual optimization), under the fixtures of its conftest, which look for threads,
  variables, handlers and files left behind;
- 115 of Transformers' with 5.24.0; one fails both ways. One file whole (26: data), one all but two services' mocks (42: callbacks), parts of three
  (47: checkpoints, optimizers, evaluation).

Files of these two are of versions near the installed one, not always of itself: that is why some fail both ways.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

RUN = Path(__file__).parents[1] / "tests" / "integrations" / "own_tests" / "run.py"
FILE_S = 3600

SUITES = {
    "sklearn": [
        "sklearn.tests.test_base",
        "sklearn.tests.test_pipeline",
        "sklearn.tests.test_calibration",
        "sklearn.tests.test_multiclass",
        "sklearn.tests.test_multioutput",
        "sklearn.tests.test_metaestimators",
        "sklearn.tests.test_metaestimators_metadata_routing",
        "sklearn.model_selection.tests.test_search",
        "sklearn.model_selection.tests.test_successive_halving",
        "sklearn.model_selection.tests.test_validation",
        "sklearn.ensemble.tests.test_bagging",
        "sklearn.ensemble.tests.test_gradient_boosting",
        "sklearn.ensemble.tests.test_stacking",
        "sklearn.ensemble.tests.test_voting",
        "sklearn.ensemble.tests.test_weight_boosting",
        "sklearn.ensemble._hist_gradient_boosting.tests.test_gradient_boosting",
        "sklearn.neural_network.tests.test_mlp",
        "sklearn.linear_model.tests.test_logistic",
        "sklearn.linear_model.tests.test_ridge",
        "sklearn.cluster.tests.test_k_means",
        "sklearn.feature_selection.tests.test_rfe",
    ],
    "accelerate": ["tests/test_*.py"],
    "lightning": [f"tests/tests_pytorch/{part}/**/test_*.py" for part in ("callbacks", "loggers", "models", "loops", "trainer", "tuner")],
    "transformers": ["tests/trainer/test_*.py"],
}

# Tests that by their nature see any wrapper there is.
KNOWN = {
    "test_metaestimators_metadata_routing": "reads names out of its callers' frames (inspect.stack)",
    "test_metadata_routing": "reads names out of its callers' frames (inspect.stack)",
}


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("own_tests_run", RUN)
    assert spec is not None
    assert spec.loader is not None
    run = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = run  # a NamedTuple of it is looked up there
    spec.loader.exec_module(run)
    return run


def main(framework: str, *rest: str) -> int:
    source = None if framework == "sklearn" else Path(rest[0]).resolve()
    asked = rest if source is None else rest[1:]
    suite = SUITES[framework]
    if source is not None:
        suite = [str(path.relative_to(source)) for pattern in suite for path in sorted(source.glob(pattern))]
    run = loaded()
    broken = 0
    for tests in asked or suite:
        began = time.monotonic()
        try:
            plain, observed, differ = run.differing([tests], source=source, timeout_s=FILE_S)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            print(f"{tests}: no outcome: {error}", flush=True)
            broken += 1
            continue
        known = {name for name in differ if any(word in name for word in KNOWN)}
        broken += len(differ - known) + len(observed.failures)
        print(
            f"{tests}: plain {counts(plain)}; observed {counts(observed)}, {observed.runs} runs;",
            f"{len(differ - known)} differ, {len(known)} known to, {time.monotonic() - began:.0f} s",
            *(f"\n  differs: {name}" for name in sorted(differ - known)),
            *(f"\n  ours failed {count} times: {place}" for place, count in observed.failures.items()),
            flush=True,
        )
    return 1 if broken else 0


def counts(outcome: tuple[set[str], set[str], set[str]]) -> str:
    passed, failed, skipped, *_ = outcome
    return f"{len(passed)} passed {len(failed)} failed {len(skipped)} skipped"


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in SUITES or (sys.argv[1] != "sklearn" and len(sys.argv) < 3):
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
