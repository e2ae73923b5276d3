"""For every test: our own errors rise, and nothing is left behind: no patch, thread, journal, variable, changed hook."""

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

os.environ["AUTOTRACK_STRICT"] = "1"
for variable in [name for name in os.environ if name.startswith("AUTOTRACK_") and not name.startswith(("AUTOTRACK_TEST_", "AUTOTRACK_STRICT"))]:
    del os.environ[variable]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # begun by a shell's ``&``: what the tests start would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest.register_assert_rewrite("autotrack.testing.backend_contract", "autotrack.testing.integration_contract")
pytest_plugins = ["autotrack.testing.fixtures"]

OTHERS = ("PYTEST_", "KMP_", "TORCHINDUCTOR_", "CRC32C_", "ACCELERATE_")  # variables that pytest and frameworks set
HERE = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _nothing_is_left_behind():
    was_there = (HERE / ".autotrack").exists()
    variables, hooks = dict(os.environ), (sys.exit, sys.excepthook, threading.excepthook)
    yield
    loader = sys.modules.get("autotrack.instrument.loader")
    if loader is not None:
        loader.disable()
    if "autotrack.recording.runs" in sys.modules:
        end_all()
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("autotrack")] == []
    assert {key: value for key, value in os.environ.items() if variables.get(key) != value and not key.startswith(OTHERS)} == {}
    assert (sys.exit, sys.excepthook, threading.excepthook) == hooks
    assert was_there or not (HERE / ".autotrack").exists(), "a test recorded into the repository: give it the fixture 'tracked' or 'store'"


@pytest.fixture(autouse=True, scope="module")
def _no_compiler_waits():
    """What ``torch.compile`` keeps running for the next time would be complained of in somebody else's test."""
    yield
    compilers = sys.modules.get("torch._inductor.async_compile")
    if compilers is not None:
        compilers.shutdown_compile_workers()


@pytest.fixture
def store(tmp_path, monkeypatch):
    """An empty folder to work in; what is recorded there lands in its own ``.autotrack/``."""
    home = tmp_path / "project"
    home.mkdir()
    (home / "pyproject.toml").write_text("")
    monkeypatch.chdir(home)
    from autotrack.recording import tracker

    before = tracker.swap(None)
    yield home / ".autotrack"
    end_all()
    tracker.swap(before)


def end_all():
    """End what a test left open, and close its tracker."""
    from autotrack.recording import runs, tracker

    while runs.current_run() is not None:
        runs.current_run().finish()
    ours = tracker.swap(None)
    if ours is not None:
        for run in list(ours.open.values()):
            run.finish()
        ours.close()
