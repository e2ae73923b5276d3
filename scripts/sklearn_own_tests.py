"""Run scikit-learn's own tests under autolog and without, and say what differs. Minutes; names of modules may be given.

python scripts/sklearn_own_tests.py [sklearn.tests.test_pipeline ...]
"""

from __future__ import annotations

import importlib.util
import sys
import time
from pathlib import Path

RUN = Path(__file__).parents[1] / "tests" / "integrations" / "sklearn_own" / "run.py"

MODULES = [
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
]


def main() -> int:
    spec = importlib.util.spec_from_file_location("sklearn_own_run", RUN)
    assert spec is not None
    assert spec.loader is not None
    run = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = run  # a NamedTuple of it is looked up there
    spec.loader.exec_module(run)
    worst = 0
    for module in sys.argv[1:] or MODULES:
        began = time.monotonic()
        plain, observed, broken = run.differing([module], timeout_s=3600)
        allowed = (observed.failed - plain.failed) - broken
        print(
            f"{module}: {len(observed.passed)} of {len(plain.passed)} pass, {observed.runs} runs, {len(broken)} broken, "
            f"{len(allowed)} on the list of those that see any wrapper, {time.monotonic() - began:.0f} s",
            *(f"\n  broken: {name}" for name in sorted(broken)),
            *(f"\n  ours failed {count} times: {place}" for place, count in observed.failures.items()),
            flush=True,
        )
        worst = max(worst, len(broken))
    return 1 if worst else 0


if __name__ == "__main__":
    sys.exit(main())
