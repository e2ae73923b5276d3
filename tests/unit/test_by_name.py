"""autotrack in the tables of frameworks, by name: heard of at their import, and by nobody else."""

import sys
import types

import pytest

from autotrack import by_name


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
    monkeypatch.setattr(sys, "meta_path", [finder for finder in sys.meta_path if not isinstance(finder, by_name.Waiting)])
    yield ours
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
    assert "exec_module" not in vars(module.__spec__.loader)
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


def test_an_import_that_fails_fails_in_its_own_words_and_is_waited_for_again(table, tmp_path):
    by_name.wait()
    path = tmp_path / "toyframework" / "table.py"
    path.write_text("raise ImportError('broken')")
    with pytest.raises(ImportError, match="broken"):
        imported()
    path.write_text("NAMES = {} # mended\n")
    assert imported().NAMES == {"autotrack": 1}


def test_other_imports_are_not_touched(table):
    by_name.wait()
    waiting = sys.meta_path[0]
    assert isinstance(waiting, by_name.Waiting)
    assert waiting.find_spec("toyframework") is None
    assert waiting.find_spec("json", None, None) is None
