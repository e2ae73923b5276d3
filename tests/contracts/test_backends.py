"""Every store keeps the contract; ours and one that someone else brings."""

import pytest

pytest.register_assert_rewrite("autotrack.testing.backend_contract")

from autotrack.backends.memory import MemoryBackend  # noqa: E402 - after its asserts are made to speak
from autotrack.backends.sqlite import SqliteBackend  # noqa: E402
from autotrack.testing.backend_contract import BackendContract  # noqa: E402


class TestMemory(BackendContract):
    persistent = False

    def open(self, folder):
        return MemoryBackend()


class TestSqlite(BackendContract):
    def open(self, folder):
        return SqliteBackend(folder / "store" / "autotrack.db")
