"""autotrack in the tables of frameworks, by name: heard of at their import, and by nobody else."""

import sys
import types

import pytest

from autotrack import by_name, imports


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A framework with a table, and a module of ours that puts our name there."""
    (tmp_path / "toyframework").mkdir()
    (tmp_path / "toyframework" / "__init__.py").write_text("")
    (tmp_path / "toyframework" / "table.py").write_text("NAMES = {}\nprint('imported')\n")
    ours = types.ModuleType("toynamed")
    ours.register = lambda module: module.NAMES.update(autotrack=1)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "toynamed", ours)
    monkeypatch.setattr(by_name, "TABLES", {"toyframework.table": "toynamed"})
    yield ours
    imports.forget("toyframework.table", by_name.register)
    for name in ("toyframework", "toyframework.table"):
        sys.modules.pop(name, None)


def imported():
    import toyframework.table

    return toyframework.table


def test_a_table_that_is_imported_later_has_the_name(table, capsys):
    by_name.wait()
    assert "toyframework" not in sys.modules
    module = imported()
    assert module.NAMES == {"autotrack": 1}
    assert capsys.readouterr().out == "imported\n"


def test_a_table_that_is_there_has_it_at_once(table):
    module = imported()
    by_name.wait()
    assert module.NAMES == {"autotrack": 1}


def test_a_failure_of_ours_lets_the_import_succeed(table, monkeypatch, caplog):
    monkeypatch.setenv("AUTOTRACK_STRICT", "0")
    table.register = lambda module: 1 / 0
    by_name.wait()
    assert imported().NAMES == {}
    assert "naming autotrack in toyframework.table" in caplog.text
