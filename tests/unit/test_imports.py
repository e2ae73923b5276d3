"""Modules that are waited for: told once, and nothing is there that nobody needs."""

import importlib
import importlib.machinery
import importlib.util
import os
import signal
import subprocess
import sys
import textwrap
import threading
import types
import zipfile

import pytest

from autotrack import imports

SOURCE = "HERE = 1\n"


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """Where a package lies, of which nothing is imported."""
    package = tmp_path / "toywaited"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "part.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    yield package
    for name in ("toywaited", "toywaited.part"):
        sys.modules.pop(name, None)


@pytest.fixture
def finder(monkeypatch):
    """One that nobody else waits with."""
    finder = imports.Finder()
    monkeypatch.setattr(imports, "_finder", finder)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    return finder


def test_who_waits_is_told_after_the_import_and_once(toy, finder):
    told = []
    imports.when_imported("toywaited.part", lambda module: told.append(module.HERE))
    module = importlib.import_module("toywaited.part")
    assert told == [1]
    assert "exec_module" not in vars(module.__spec__.loader)
    importlib.reload(module)
    assert told == [1]


def test_what_is_there_is_told_at_once(toy, finder):
    told = []
    importlib.import_module("toywaited.part")
    imports.when_imported("toywaited.part", told.append)
    assert [module.__name__ for module in told] == ["toywaited.part"]
    assert finder not in sys.meta_path


def test_the_finder_stands_there_while_somebody_waits(toy, finder):
    others = list(sys.meta_path)
    told = []
    imports.when_imported("toywaited.part", told.append)
    imports.when_imported("toywaited", told.append)
    assert sys.meta_path == [finder, *others]
    importlib.import_module("toywaited.part")
    assert sys.meta_path == others
    imports.when_imported("absent_for_good", told.append)
    assert sys.meta_path == [finder, *others]
    finder.forget("absent_for_good", told.append)
    assert sys.meta_path == others
    assert [module.__name__ for module in told] == ["toywaited", "toywaited.part"]


def test_who_is_going_through_the_finders_misses_none(toy, finder):
    imports.when_imported("toywaited", lambda _: None)
    passing, seen = iter(sys.meta_path), []
    seen.append(next(passing))
    others = [each for each in sys.meta_path if each is not finder]
    importlib.import_module("toywaited")
    assert [*seen, *passing] == [finder, *others]


def test_the_same_is_called_once_and_can_be_forgotten(toy, finder):
    told, others = [], []
    for _ in range(2):
        imports.when_imported("toywaited", told.append)
    imports.when_imported("toywaited", others.append)
    finder.forget("toywaited", others.append)
    finder.forget("toywaited", others.append)
    importlib.import_module("toywaited")
    assert (len(told), len(others)) == (1, 0)


def test_an_import_that_fails_fails_in_its_own_words_and_is_waited_for_again(toy, finder):
    told = []
    imports.when_imported("toywaited.part", told.append)
    (toy / "part.py").write_text("raise ImportError('broken')")
    with pytest.raises(ImportError, match="broken"):
        importlib.import_module("toywaited.part")
    assert told == []
    (toy / "part.py").write_text("HERE = 2 # mended\n")
    assert importlib.import_module("toywaited.part").HERE == 2
    assert len(told) == 1


def test_looking_for_a_module_is_no_import(toy, finder):
    told = []
    imports.when_imported("toywaited", told.append)
    plain = importlib.machinery.PathFinder.find_spec("toywaited")
    spec = importlib.util.find_spec("toywaited")
    assert (spec.name, spec.origin, type(spec.loader)) == (plain.name, plain.origin, type(plain.loader))
    assert importlib.util.find_spec("absent_for_good") is None
    assert told == []
    importlib.import_module("toywaited")
    assert len(told) == 1


def test_somebody_else_who_looks_meanwhile_hides_no_import(toy, finder, monkeypatch):
    """One thread stands in the middle of a look for the module, while another imports it."""
    told, looks, goes_on = [], threading.Event(), threading.Event()

    class Slow:
        def find_spec(self, name, path=None, target=None):
            if name == "toywaited" and threading.current_thread() is looker:
                looks.set()
                goes_on.wait(10)

    sys.meta_path.insert(0, Slow())
    imports.when_imported("toywaited", told.append)
    looker = threading.Thread(target=importlib.util.find_spec, args=("toywaited",))
    looker.start()
    assert looks.wait(10)
    importlib.import_module("toywaited")
    goes_on.set()
    looker.join()
    assert len(told) == 1


@pytest.fixture
def slow(toy, monkeypatch):
    """The module of ``toy`` with a gate in its middle."""
    gate = types.SimpleNamespace(begun=threading.Event(), goes_on=threading.Event(), breaks=False)
    monkeypatch.setitem(sys.modules, "toygate", gate)
    (toy / "part.py").write_text("import toygate\ntoygate.begun.set()\ntoygate.goes_on.wait(10)\nassert not toygate.breaks\nHERE = 1\n")
    return gate


def test_of_a_module_that_another_thread_is_importing_is_told_when_it_is_whole(toy, slow, finder):
    told = []
    importing = threading.Thread(target=importlib.import_module, args=("toywaited.part",))
    importing.start()
    assert slow.begun.wait(10)
    imports.when_imported("toywaited.part", lambda module: told.append(module.HERE))
    imports.when_imported("toywaited.part", forgotten := lambda module: told.append("forgotten"))
    finder.forget("toywaited.part", forgotten)
    assert told == []
    slow.goes_on.set()
    importing.join()
    assert told == [1]
    assert type(sys.modules["toywaited.part"].__spec__) is importlib.machinery.ModuleSpec
    assert finder not in sys.meta_path


def test_one_whose_import_then_fails_is_waited_for_again(toy, slow, finder):
    told, failed = [], []

    def fails():
        with pytest.raises(AssertionError):
            importlib.import_module("toywaited.part")
        failed.append(True)

    importing = threading.Thread(target=fails)
    importing.start()
    assert slow.begun.wait(10)
    imports.when_imported("toywaited.part", lambda module: told.append(module.HERE))
    slow.breaks = True
    slow.goes_on.set()
    importing.join()
    assert (told, failed) == ([], [True])
    slow.breaks = False
    importlib.import_module("toywaited.part")
    assert told == [1]


def test_who_asks_in_the_middle_of_the_import_itself_is_told_at_its_end(toy, finder, monkeypatch):
    told = []
    gate = types.SimpleNamespace(ask=lambda: imports.when_imported("toywaited.part", lambda module: told.append(module.HERE)))
    monkeypatch.setitem(sys.modules, "toygate", gate)
    (toy / "part.py").write_text("import toygate\ntoygate.ask()\nHERE = 1\n")
    importlib.import_module("toywaited.part")
    assert told == [1]


@pytest.mark.parametrize("source", ["import toywaited.other\nHERE = 1\n", SOURCE], ids=["imports others itself", "imports nothing"])
def test_of_a_module_that_another_thread_was_looking_for_already_is_told_with_the_next_import(toy, finder, source):
    (toy / "part.py").write_text(source)
    (toy / "other.py").write_text("")
    looks, goes_on, told = threading.Event(), threading.Event(), []

    class Slow:
        def find_spec(self, name, _path=None, _target=None):
            if name == "toywaited.part" and not looks.is_set():
                looks.set()
                goes_on.wait(10)

    importlib.import_module("toywaited")
    sys.meta_path.insert(0, Slow())
    importing = threading.Thread(target=importlib.import_module, args=("toywaited.part",))
    importing.start()
    looks.wait(10)
    imports.when_imported("toywaited.part", lambda module: told.append(module.HERE))
    goes_on.set()
    importing.join()
    assert told == ([1] if source is not SOURCE else [])
    sys.modules.pop("toywaited.other", None)
    importlib.import_module("toywaited.other")
    assert told == [1]
    assert finder not in sys.meta_path
    sys.modules.pop("toywaited.other", None)


def test_a_forked_child_imports_though_a_thread_held_the_lock(toy):
    held, done = threading.Event(), threading.Event()

    def hold():
        with imports._finder._lock:
            held.set()
            done.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(10)
    child = os.fork()
    if child == 0:
        signal.alarm(5)
        told = []
        imports.when_imported("toywaited", told.append)
        importlib.import_module("toywaited")
        os._exit(0 if len(told) == 1 else 1)
    done.set()
    holder.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_loader_of_several_modules_tells_of_each_by_its_name(tmp_path, finder, monkeypatch):
    with zipfile.ZipFile(tmp_path / "toys.zip", "w") as packed:
        packed.writestr("toyfirst.py", SOURCE)
        packed.writestr("toysecond.py", "import toyfirst\n")
    monkeypatch.syspath_prepend(str(tmp_path / "toys.zip"))
    told = []
    for name in ("toyfirst", "toysecond"):
        imports.when_imported(name, lambda module: told.append(module.__name__))
        importlib.util.find_spec(name)
    importlib.import_module("toysecond")
    assert told == ["toyfirst", "toysecond"]
    for name in told:
        del sys.modules[name]
    importlib.import_module("toysecond")
    assert len(told) == 2


def test_disable_leaves_the_finders_as_they_were(tmp_path):
    """All tables that take our name are loaded, and nothing is observed: then nobody waits for anything."""
    pytest.importorskip("accelerate.tracking")
    pytest.importorskip("transformers")
    program = """
        import sys
        import accelerate.tracking, transformers.integrations.integration_utils
        before = list(sys.meta_path)
        import autotrack
        assert sys.meta_path == before
        autotrack.configure(uri="sqlite:///a.db")
        autotrack.autolog()
        added = [finder for finder in sys.meta_path if finder not in before]
        assert len(added) == 1, added
        autotrack.disable()
        assert sys.meta_path == before, sys.meta_path
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


def test_while_it_rests_nobody_is_asked_and_who_waited_is_told_afterwards(toy, finder):
    told = []
    imports.when_imported("toywaited.part", told.append)
    imports.when_imported("a_module_that_nobody_has", told.append)
    finder.rest()
    finder.rest()
    assert finder not in sys.meta_path
    module = importlib.import_module("toywaited.part")
    assert told == []
    finder.wake()
    assert told == [module]
    assert finder not in sys.meta_path  # another training goes on
    finder.wake()
    assert finder in sys.meta_path


def test_while_it_rests_it_can_be_asked_to_look(toy, finder):
    told = []
    imports.when_imported("toywaited.part", told.append)
    finder.rest()
    finder.look()
    module = importlib.import_module("toywaited.part")
    assert told == []
    finder.look()
    finder.look()
    assert told == [module]


def test_it_stands_again_for_what_was_not_imported_while_it_rested(toy, finder):
    told = []
    imports.when_imported("toywaited.part", told.append)
    finder.rest()
    finder.wake()
    assert finder in sys.meta_path
    assert told == [importlib.import_module("toywaited.part")]


def test_a_forked_child_is_not_in_the_training_of_its_parent(toy, finder):
    imports.when_imported("toywaited.part", lambda _module: None)
    finder.rest()
    finder.begin_child()
    assert finder in sys.meta_path
    finder.wake()  # the block of the parent's is left in the child, too
    finder.rest()
    assert finder not in sys.meta_path
