"""A store of an older version is upgraded. There is only one version so far, so the next one is made up here: a program of
``VERSION`` 2 with a step from 1 to 2 meets a store of version 1, which the code of today made.
"""

import sqlite3
import subprocess
import sys

import pytest

from autotrack.backends import migrations
from autotrack.backends.sqlite import SqliteBackend
from autotrack.errors import BackendError
from autotrack.testing.backend_contract import EXAMPLES, T, Teller, logged

STEPS = """
def step(db):
    db.execute("alter table run add column mood text not null default 'calm'")
    db.execute("create table mood(name text primary key) strict, without rowid")
    db["mood"].insert({"name": "calm"})
"""


def step(db):
    namespace = {}
    exec(STEPS, namespace)
    namespace["step"](db)


@pytest.fixture
def old(tmp_path):
    """The path of a store of version 1, some of which is still in its WAL."""
    path = tmp_path / "autotrack.db"
    store = SqliteBackend(path)
    Teller(store).tell(*EXAMPLES)
    yield path
    store.close()


@pytest.fixture
def tomorrow(monkeypatch):
    monkeypatch.setattr(migrations, "VERSION", 2)
    monkeypatch.setitem(migrations.STEPS, 2, step)


def ask(path, text):
    db = sqlite3.connect(path)
    try:
        return db.execute(text).fetchall()
    finally:
        db.close()


def version(path):
    return ask(path, "select value from meta where name = 'schema_version'")[0][0]


def test_an_older_store_is_upgraded_and_keeps_everything(old, tomorrow):
    before = {run.id: run for run in SqliteBackend(old).runs(fields=["params"])}
    assert version(old) == 2
    store = SqliteBackend(old)
    Teller(store, "new").tell(logged("a", "after", [1.0]))
    assert store.run("a").metrics["after"] == 1.0
    assert dict(store.run("a").params) == dict(before["a"].params)
    assert {run.id for run in store.runs()} == set("abcdefg")
    assert ask(old, "select distinct mood from run") == [("calm",)]
    assert ask(old, "pragma integrity_check") == [("ok",)]


def test_a_copy_of_the_file_is_made_before(old, tomorrow):
    SqliteBackend(old).runs()
    backup = old.with_name("autotrack.db.v1.bak")
    assert version(backup) == 1
    assert ask(backup, "select count(*) from run") == [(7,)]
    assert [path.name for path in old.parent.glob("*.part")] == []


def test_a_step_that_fails_changes_nothing(old, tomorrow, monkeypatch):
    def fails(db):
        step(db)
        db.execute("update run set no_such_column = 1")

    monkeypatch.setitem(migrations.STEPS, 2, fails)
    with pytest.raises(BackendError, match="no such column"):
        SqliteBackend(old).runs()
    assert version(old) == 1
    assert ask(old, "select name from sqlite_master where name = 'mood'") == []
    monkeypatch.setitem(migrations.STEPS, 2, step)
    SqliteBackend(old).runs()
    assert version(old) == 2


def test_points_stay_without_rowid(old, tomorrow):
    """sqlite_utils' ``transform`` would drop it without a word: steps are plain SQL."""
    SqliteBackend(old).runs()
    assert "without rowid" in ask(old, "select sql from sqlite_master where name = 'metric_point'")[0][0]


UPGRADES = f"""
import sys
from autotrack.backends import migrations
from autotrack.backends.sqlite import SqliteBackend
{STEPS}
migrations.VERSION, migrations.STEPS[2] = 2, step
sys.stdin.readline()  # all at once
print(len(SqliteBackend(sys.argv[1]).runs()))
"""


@pytest.mark.slow
def test_many_processes_upgrade_one_store_at_once(old):
    programs = [
        subprocess.Popen([sys.executable, "-c", UPGRADES, old], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for program in programs:
        program.stdin.write("go\n")
        program.stdin.flush()
    assert [program.communicate(timeout=120) for program in programs] == [("7\n", "")] * 4
    assert (version(old), ask(old, "select count(*) from mood")) == (2, [(1,)])


def test_a_writer_of_the_version_before_goes_on_after_an_additive_upgrade(old, tomorrow, monkeypatch):
    writer = Teller(SqliteBackend(old), "old program")
    monkeypatch.setattr(migrations, "VERSION", 1)
    writer.tell(logged("a", "x", [1.0], at=T))
    monkeypatch.setattr(migrations, "VERSION", 2)
    SqliteBackend(old).runs()
    monkeypatch.setattr(migrations, "VERSION", 1)
    writer.tell(logged("a", "x", [2.0], [1], at=T))
    assert SqliteBackend(old).run("a").stats("x").count == 2
