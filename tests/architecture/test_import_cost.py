"""``import autotrack`` loads nothing heavy, and ``autolog()`` imports no framework."""

import subprocess
import sys

HEAVY = {
    "numpy", "pandas", "scipy", "sklearn", "xgboost", "torch", "sqlite_utils", "rich", "click", "plotext", "psutil", "fsspec",
    "multiprocessing", "asyncio", "subprocess", "email", "http", "urllib.request", "joblib",
}  # fmt: skip


def loaded_after(code):
    program = f"import sys; before = set(sys.modules)\n{code}\nprint(*sorted(set(sys.modules) - before))"
    return set(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split())


def test_import_autotrack_loads_nothing_heavy():
    assert loaded_after("import autotrack") & HEAVY == set()


def test_autolog_imports_no_framework():
    frameworks = {"numpy", "pandas", "scipy", "sklearn", "xgboost", "torch", "joblib", "sqlite_utils", "rich", "click", "psutil"}
    assert loaded_after("import autotrack; autotrack.autolog()") & frameworks == set()


def test_observing_a_framework_imports_no_other_part_of_it():
    framework = "import xgboost, sklearn.base"
    alone = loaded_after(framework)
    observed = loaded_after(f"import autotrack; autotrack.autolog(); {framework}")
    assert {name for name in observed - alone if name.startswith(("sklearn", "xgboost", "scipy", "pandas"))} == set()
