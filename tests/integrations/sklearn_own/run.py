"""Run tests of the installed scikit-learn in a process of its own, plainly or under autolog."""

import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent

# Tests that read names out of their callers' frames see any wrapper there is (inspect.stack() in the tests of metadata routing).
ALLOWED = ("test_metaestimators_metadata_routing", "test_metadata_routing")


class Outcome(NamedTuple):
    """What a test run came to: names of tests by outcome; our own figures, if it was under autolog."""

    passed: set[str]
    failed: set[str]
    runs: int
    failures: dict[str, int]


def run(modules: list[str], *, observed: bool, only: str = "", timeout_s: float = 600) -> Outcome:
    """Run test modules of scikit-learn (``sklearn.tests.test_base``); ``only`` as pytest's ``-k``."""
    with tempfile.TemporaryDirectory() as folder:
        report, own = Path(folder) / "report.xml", Path(folder) / "own.json"
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AUTOTRACK_", "PYTEST_"))}
        environment |= {"OMP_NUM_THREADS": "1", "SKLEARN_OWN_REPORT": str(own), "PYTHONPATH": str(HERE), "AUTOTRACK_QUIET": "1"}
        command = [sys.executable, "-m", "pytest", "-q", "--pyargs", *modules, "-p", "no:cacheprovider"]
        command += [f"--junitxml={report}", "-o", "addopts=", "-W", "default", "--rootdir", folder, *(["-k", only] if only else [])]
        command += ["-p", "plugin"] if observed else []
        done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=timeout_s, check=False)
        if not report.exists():
            raise RuntimeError(done.stdout[-3000:] + done.stderr[-3000:])
        passed, failed = set(), set()
        for case in ET.parse(report).iter("testcase"):
            name = f"{case.get('classname')}::{case.get('name')}"
            if case.find("failure") is not None or case.find("error") is not None:
                failed.add(name)
            elif case.find("skipped") is None:
                passed.add(name)
        figures = json.loads(own.read_text()) if observed else {"runs": 0, "failures": {}}
    return Outcome(passed, failed, figures["runs"], figures["failures"])


def differing(modules: list[str], **more) -> tuple[Outcome, Outcome, set[str]]:
    """The outcomes plainly and under autolog, and the tests that fail only because of us and may not."""
    plain, observed = run(modules, observed=False, **more), run(modules, observed=True, **more)
    broken = (observed.failed - plain.failed) | (plain.passed - observed.passed - observed.failed)
    return plain, observed, {name for name in broken if not any(word in name for word in ALLOWED)}
