"""A store of an older version is upgraded. How it is done is tried with a version that is made up here: a program of ``VERSION`` 3 with
a step from 2 to 3 meets a store of version 2, which the code of today made. What older programs really made lies beside it, as SQL.
"""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from autotrack.backends import migrations
from autotrack.backends.sqlite import SqliteBackend
from autotrack.errors import BackendError
from autotrack.testing.backend_contract import Teller
from autotrack.testing.searches import EXAMPLES, T, logged

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
    """The path of a store of version 2, some of which is still in its WAL."""
    path = tmp_path / "autotrack.db"
    store = SqliteBackend(path)
    Teller(store).tell(*EXAMPLES)
    yield path
    store.close()


@pytest.fixture
def tomorrow(monkeypatch):
    monkeypatch.setattr(migrations, "VERSION", 3)
    monkeypatch.setitem(migrations.STEPS, 3, step)


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
    assert version(old) == 3
    store = SqliteBackend(old)
    Teller(store, "new").tell(logged("a", "after", [1.0]))
    assert store.run("a").metrics["after"] == 1.0
    assert dict(store.run("a").params) == dict(before["a"].params)
    assert {run.id for run in store.runs()} == set("abcdefg")
    assert ask(old, "select distinct mood from run") == [("calm",)]
    assert ask(old, "pragma integrity_check") == [("ok",)]


def test_a_copy_of_the_file_is_made_before(old, tomorrow):
    SqliteBackend(old).runs()
    backup = old.with_name("autotrack.db.v2.bak")
    assert version(backup) == 2
    assert ask(backup, "select count(*) from run") == [(7,)]
    assert [path.name for path in old.parent.glob("*.part")] == []


def test_a_step_that_fails_changes_nothing(old, tomorrow, monkeypatch):
    def fails(db):
        step(db)
        db.execute("update run set no_such_column = 1")

    monkeypatch.setitem(migrations.STEPS, 3, fails)
    with pytest.raises(BackendError, match="no such column"):
        SqliteBackend(old).runs()
    assert version(old) == 2
    assert ask(old, "select name from sqlite_master where name = 'mood'") == []
    monkeypatch.setitem(migrations.STEPS, 3, step)
    SqliteBackend(old).runs()
    assert version(old) == 3


def test_points_stay_without_rowid(old, tomorrow):
    """sqlite_utils' ``transform`` would drop it without a word: steps are plain SQL."""
    SqliteBackend(old).runs()
    assert "without rowid" in ask(old, "select sql from sqlite_master where name = 'metric_point'")[0][0]


UPGRADES = f"""
import sys
from autotrack.backends import migrations
from autotrack.backends.sqlite import SqliteBackend
{STEPS}
migrations.VERSION, migrations.STEPS[3] = 3, step
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
    assert (version(old), ask(old, "select count(*) from mood")) == (3, [(1,)])


def test_a_writer_of_the_version_before_goes_on_after_an_additive_upgrade(old, tomorrow, monkeypatch):
    writer = Teller(SqliteBackend(old), "old program")
    monkeypatch.setattr(migrations, "VERSION", 2)
    writer.tell(logged("a", "x", [1.0], at=T))
    monkeypatch.setattr(migrations, "VERSION", 3)
    SqliteBackend(old).runs()
    monkeypatch.setattr(migrations, "VERSION", 2)
    writer.tell(logged("a", "x", [2.0], [1], at=T))
    assert SqliteBackend(old).run("a").stats("x").count == 2


def made_by(version, folder):
    """A store as the programs of an older version made it."""
    path = folder / "autotrack.db"
    db = sqlite3.connect(path)
    db.execute("pragma auto_vacuum = incremental")
    db.execute("pragma journal_mode = wal")
    db.executescript(Path(__file__).with_name(f"store_v{version}.sql").read_text())
    db.close()
    return path


def told(store):
    return [(run.id, run.name, run.experiment, repr(run.params), repr(run.metrics), run.tags, run.notes) for run in store.runs()]


def test_a_store_of_version_1_is_upgraded_and_keeps_everything(tmp_path):
    path = made_by(1, tmp_path)
    store = SqliteBackend(path)
    new = SqliteBackend(tmp_path / "new.db")
    Teller(new).tell(*EXAMPLES)
    new.delete(["g"])
    assert told(store) == told(new)
    assert [curve.values.tolist() for curve in store.series(["a"], ["loss"])] == [[3.0, 1.0, 2.0]]
    assert (version(path), version(tmp_path / "autotrack.db.v1.bak")) == (2, 1)
    store.save_view("mine", "q=1")
    assert [view.name for view in store.saved_views()] == ["mine"]
    tables = "select name, sql from sqlite_master where name not like '%sqlite_%' order by name"
    assert ask(path, tables) == ask(tmp_path / "new.db", tables)
    assert store.tail(store.tail(None).cursor).runs == []
    store.close()
    new.close()


def test_a_program_of_version_1_goes_on_writing_an_upgraded_store(tmp_path, monkeypatch):
    path = made_by(1, tmp_path)
    SqliteBackend(path).runs()
    monkeypatch.setattr(migrations, "VERSION", 1)
    Teller(SqliteBackend(path), "old program").tell(logged("a", "after", [1.0]))
    assert SqliteBackend(path).run("a").metrics["after"] == 1.0
