"""A pytest plugin: the tests that pytest then runs (a framework's own) are run under autolog, recorded into memory.

Writes how many runs there were, and which places of ours failed, to the file that ``OWN_TESTS_REPORT`` names.
"""

import json
import os

import autotrack
from autotrack import guard
from autotrack.recording import tracker, uploads

A_LONG_TIME_S = 36_000.0


def pytest_configure(config):
    tracker.swap(tracker.in_memory())
    autotrack.autolog()
    start_threads()


def start_threads():
    """Have our threads run from before the first test to the last: some tests look whether they leave one behind."""
    uploads.IDLE_S = A_LONG_TIME_S
    here = tracker.tracker()
    here.writer._idle_s = A_LONG_TIME_S
    here.writer.start()
    here.uploads.flush()


def pytest_runtest_teardown(item):
    # A test may let warnings be errors or draw from random numbers: what we do must be done by then.
    tracker.tracker().flush()


def pytest_unconfigure(config):
    here = tracker.tracker()
    with open(os.environ["OWN_TESTS_REPORT"], "w") as file:
        json.dump({"runs": here.recorded, "failures": dict(guard.failures)}, file)
    autotrack.disable()
