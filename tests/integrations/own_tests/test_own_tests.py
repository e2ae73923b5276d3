"""A framework's own tests pass under autolog as they do without: some of scikit-learn's, which its wheel brings. scripts/own_tests.py runs more."""

import importlib.util
from pathlib import Path

import pytest

MODULES = [
    "sklearn.tests.test_base",
    "sklearn.linear_model.tests.test_bayes",
    "sklearn.tests.test_kernel_ridge",
    "sklearn.neighbors.tests.test_nearest_centroid",
]


def load(name):
    spec = importlib.util.spec_from_file_location(f"own_tests_{name}", Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_scikit_learns_own_tests_pass_as_they_do_without_us():
    pytest.importorskip("sklearn")
    plain, observed, differ = load("run").differing(MODULES)
    assert len(plain.passed) > 100
    assert differ == set()
    assert observed.failures == {}
    assert observed.runs > 20
