"""Run tests of an installed framework in a process of their own, plainly or under autolog."""

import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
ONE_TEST_S = 100


class Outcome(NamedTuple):
    """What a test run came to: names of tests by outcome; our own figures, if it was under autolog."""

    passed: set[str]
    failed: set[str]
    skipped: set[str]
    runs: int
    failures: dict[str, int]


def run(tests: list[str], *, observed: bool, source: Path | None = None, only: str = "", timeout_s: float = 600) -> Outcome:
    """Run modules that a package brings (``sklearn.tests.test_base``), or files below ``source``; ``only`` as pytest's ``-k``.

    Raises: RuntimeError if there is no report, subprocess.TimeoutExpired.
    """
    with tempfile.TemporaryDirectory() as folder:
        report, own = Path(folder) / "report.xml", Path(folder) / "own.json"
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AUTOTRACK_", "PYTEST_"))}
        path = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))
        environment |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "OWN_TESTS_REPORT": str(own), "PYTHONPATH": path, "AUTOTRACK_QUIET": "1"}
        command = [sys.executable, "-m", "pytest", "-q", *([] if source else ["--pyargs"]), *tests, "-p", "no:cacheprovider"]
        command += [f"--junitxml={report}", "-o", "addopts=", "-W", "default", "--rootdir", source or folder, f"--timeout={ONE_TEST_S}"]
        command += [*(["-k", only] if only else []), *(["-p", "plugin"] if observed else [])]
        done = subprocess.run(command, env=environment, cwd=source or folder, capture_output=True, text=True, timeout=timeout_s, check=False)
        if not report.exists():
            raise RuntimeError(done.stdout[-3000:] + done.stderr[-3000:])
        by_outcome: dict[str, set[str]] = {"passed": set(), "failed": set(), "skipped": set()}
        for case in ET.parse(report).iter("testcase"):
            is_bad = case.find("failure") is not None or case.find("error") is not None
            outcome = "failed" if is_bad else "passed" if case.find("skipped") is None else "skipped"
            by_outcome[outcome].add(f"{case.get('classname')}::{case.get('name')}")
        figures = json.loads(own.read_text()) if observed else {"runs": 0, "failures": {}}
    return Outcome(**by_outcome, **figures)


def differing(tests: list[str], **more) -> tuple[Outcome, Outcome, set[str]]:
    """The outcomes plainly and under autolog, and the tests that do not end as they do without us."""
    plain, observed = run(tests, observed=False, **more), run(tests, observed=True, **more)
    return plain, observed, (plain.passed ^ observed.passed) | (plain.failed ^ observed.failed) | (plain.skipped ^ observed.skipped)
