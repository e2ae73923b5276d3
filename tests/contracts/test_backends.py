"""Every store keeps the contract; ours and one that someone else brings."""

import sys

import pytest

from autotrack.backends.memory import MemoryBackend
from autotrack.backends.opening import open_backend
from autotrack.backends.sqlite import SqliteBackend
from autotrack.errors import SettingsError
from autotrack.testing.backend_contract import BackendContract


class TestMemory(BackendContract):
    persistent = False

    def open(self, folder):
        return MemoryBackend()


class TestSqlite(BackendContract):
    def open(self, folder):
        return SqliteBackend(folder / "store" / "autotrack.db")


TOY = """
'''Somebody's store: dictionaries that live as long as the process, by URL.'''

from autotrack.backends.memory import MemoryBackend

stores = {}

def open_toy(url):
    return stores.setdefault(url, MemoryBackend())
"""


@pytest.fixture(scope="module", autouse=True)
def toy_package(tmp_path_factory):
    """An installed package that brings a store: a module and what pip would write beside it."""
    site = tmp_path_factory.mktemp("site")
    (site / "toystore.py").write_text(TOY)
    (site / "toystore-1.0.dist-info").mkdir()
    (site / "toystore-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: toystore\nVersion: 1.0\n")
    (site / "toystore-1.0.dist-info" / "entry_points.txt").write_text(
        "[autotrack.backends]\ntoy = toystore:open_toy\nbroken = toystore:no_such\n",
    )
    sys.path.insert(0, str(site))
    yield
    sys.path.remove(str(site))
    sys.modules.pop("toystore", None)


class TestThirdParty(BackendContract):
    def open(self, folder):
        return open_backend(f"toy:{folder}")


def test_a_url_opens_the_store_of_its_scheme(tmp_path):
    assert isinstance(open_backend("memory:"), MemoryBackend)
    assert open_backend(f"sqlite:///{tmp_path}/a.db").path == tmp_path / "a.db"
    assert str(open_backend("sqlite:///a/b.db").path) == "a/b.db"
    assert str(open_backend("SQLite:////a/50%25 of it.db").path) == "/a/50%25 of it.db"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nowhere://x", "no store is known for 'nowhere://x'; known schemes: broken, memory, sqlite, toy"),
        ("autotrack.db", "no store is known"),
        ("", "no store is known"),
        ("sqlite://", "names no file"),
        ("sqlite:a.db", "write sqlite:///folder/name.db"),
        ("broken:x", "cannot be loaded"),
    ],
)
def test_a_url_that_opens_nothing_is_a_setting_to_correct(url, says):
    with pytest.raises(SettingsError, match=says):
        open_backend(url)
