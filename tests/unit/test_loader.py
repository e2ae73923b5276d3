"""What wakes an integration, and what is said of it."""

import logging
import subprocess
import sys
import types

import pytest

from autotrack.errors import IntegrationError, SettingsError, UnsupportedVersion
from autotrack.instrument import Integration, loader
from autotrack.recording import tracker as trackers

INTEGRATION = """
from autotrack.instrument import Integration
import {name}
integration = Integration({name!r}, requires="{name}>=1")

@integration.fit("{name}:train")
def observe(fit, call):
    yield
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Frameworks that can be imported, with integrations of their own, in a process that knows nothing else."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(loader, "BUILTIN", {})
    monkeypatch.setattr(loader, "LOADER", loader.Loader())
    loader.LOADER._third_party = {}
    made = []

    def install(name, version="1.0", source="def train():\n    return 1\n", integration=INTEGRATION):
        (tmp_path / f"{name}.py").write_text(f"__version__ = {version!r}\n{source}")
        (tmp_path / f"autotrack_{name}.py").write_text(integration.format(name=name))
        loader.BUILTIN[name] = f"autotrack_{name}:integration"
        made.extend([name, f"autotrack_{name}"])

    yield install
    loader.disable()
    for name in made:
        sys.modules.pop(name, None)


def import_(name):
    return __import__(name)


def said(name):
    (status,) = [status for status in loader.status() if status.name == name]
    return status.version, status.observed, status.reason


def test_a_framework_imported_later_is_observed(tracked, installed):
    installed("toyone")
    loader.autolog()
    assert "toyone" not in sys.modules
    assert said("toyone") == ("", False, "not imported yet; will be observed from its import on")
    assert import_("toyone").train() == 1
    assert said("toyone") == ("1.0", True, "observed")
    tracked.run()


def test_a_framework_imported_before_is_observed_under_names_that_were_taken(tracked, installed):
    installed("toyone")
    user = sys.modules["toyuser"] = types.ModuleType("toyuser")
    user.train = import_("toyone").train
    loader.autolog()
    user.train()
    tracked.run()
    loader.disable()
    assert user.train is sys.modules.pop("toyuser").train is import_("toyone").train


def test_twice_is_once(tracked, installed):
    installed("toyone")
    loader.autolog()
    loader.autolog("toyone")
    loader.autolog()
    import_("toyone").train()
    tracked.run()


def test_disable_takes_everything_off_and_autolog_puts_it_on_again(tracked, installed):
    installed("toyone")
    original = import_("toyone").train
    for _ in range(2):
        loader.autolog()
        assert import_("toyone").train is not original
        loader.disable()
        assert import_("toyone").train is original
    assert said("toyone") == ("1.0", False, "autolog() was not called for it")


def test_what_is_imported_after_disable_is_left_alone(installed):
    installed("toyone")
    loader.autolog()
    loader.disable()
    assert type(import_("toyone").train) is types.FunctionType


def test_an_import_after_disable_and_autolog_again_is_observed_once(tracked, installed):
    installed("toyone")
    for _ in range(3):
        loader.autolog()
        loader.disable()
    loader.autolog()
    import_("toyone").train()
    tracked.run()


def test_only_what_is_named_is_observed(tracked, installed):
    installed("toyone")
    installed("toytwo")
    loader.autolog("toyone")
    import_("toytwo").train()
    assert tracked.runs() == []
    assert said("toytwo") == ("1.0", False, "autolog() was not called for it")


def test_what_is_excluded_is_not_observed(tracked, installed):
    installed("toyone")
    installed("toytwo")
    loader.autolog(exclude=["toytwo"])
    import_("toyone").train()
    import_("toytwo").train()
    assert len(tracked.runs()) == 1
    assert said("toytwo") == ("1.0", False, "excluded")


def test_excluding_later_takes_off(installed):
    installed("toyone")
    original = import_("toyone").train
    loader.autolog()
    loader.autolog(exclude="toyone")
    assert import_("toyone").train is original


def test_an_unknown_name_is_an_error_that_lists_the_known_ones(installed):
    installed("toyone")
    with pytest.raises(IntegrationError, match="autotrack has no integration 'toythree'; it has: toyone"):
        loader.autolog("toythree")
    with pytest.raises(IntegrationError, match="'toythree'"):
        loader.autolog(exclude=["toythree"])


def test_a_named_framework_that_is_not_installed_is_an_error(installed):
    loader.BUILTIN["toyabsent"] = "autotrack_toyabsent:integration"
    with pytest.raises(IntegrationError, match="toyabsent is not installed"):
        loader.autolog("toyabsent")
    loader.autolog()
    assert said("toyabsent") == ("", False, "not installed")


def test_an_old_framework_is_logged_or_raised_if_it_was_named(installed, caplog):
    installed("toyone", version="0.9")
    import_("toyone")
    with caplog.at_level(logging.WARNING):
        loader.autolog()
    assert "autotrack does not observe toyone: toyone 0.9 is not observed: this autotrack is tested with toyone>=1" in caplog.text
    assert said("toyone") == ("0.9", False, "toyone 0.9 is not observed: this autotrack is tested with toyone>=1")
    with pytest.raises(UnsupportedVersion):
        loader.autolog("toyone")


def test_a_missing_target_is_logged_and_the_rest_is_observed(tracked, installed, caplog):
    installed("toyone", integration=INTEGRATION.replace('"{name}:train"', '"{name}:train", "{name}:gone"'))
    loader.autolog()
    with caplog.at_level(logging.WARNING):
        import_("toyone").train()
    assert said("toyone") == ("1.0", True, "observed, except: toyone has no gone")
    assert "toyone has no gone" in caplog.text
    tracked.run()


def test_a_missing_target_of_a_named_framework_is_raised(installed):
    from autotrack.errors import TargetMissing

    installed("toyone", integration=INTEGRATION.replace('"{name}:train"', '"{name}:train", "{name}:gone"'))
    import_("toyone")
    with pytest.raises(TargetMissing, match="toyone has no gone"):
        loader.autolog("toyone")


def test_an_integration_that_cannot_be_loaded_does_not_break_the_import(installed, caplog):
    installed("toyone", integration="import a_module_that_is_not_there\n")
    loader.autolog()
    with caplog.at_level(logging.WARNING):
        assert import_("toyone").train() == 1
    assert "autotrack does not observe toyone: No module named 'a_module_that_is_not_there'" in caplog.text
    assert said("toyone")[1:] == (False, "No module named 'a_module_that_is_not_there'")


def test_an_integration_that_fails_while_loading_does_not_break_the_import(installed, caplog, monkeypatch):
    monkeypatch.setenv("AUTOTRACK_STRICT", "0")
    installed("toyone", integration="1 / 0\n")
    loader.autolog()
    assert import_("toyone").train() == 1
    assert "waking the integration of toyone" in caplog.text


def test_what_is_no_integration_is_said_to_be_none(installed):
    with pytest.raises(IntegrationError, match="collections:OrderedDict is a type, not an Integration"):
        loader.load("collections:OrderedDict")
    assert isinstance(loader.load("tests_of_loader:INTEGRATION"), Integration)


def test_autotrack_disabled_switches_all_of_it_off(tracked, installed, monkeypatch):
    installed("toyone")
    monkeypatch.setenv("AUTOTRACK_DISABLED", "1")
    loader.autolog()
    import_("toyone").train()
    assert tracked.runs() == []
    assert said("toyone") == ("1.0", False, "AUTOTRACK_DISABLED is set")


def test_a_store_that_nothing_knows_is_said_at_once(installed, monkeypatch):
    before = trackers.swap(None)
    try:
        monkeypatch.setenv("AUTOTRACK_URI", "clickhouse://host/x")
        with pytest.raises(SettingsError, match="no store is known for 'clickhouse://host/x'; known schemes: memory, sqlite"):
            loader.autolog()
        trackers.configure(uri="memory:")  # stronger than the variable
        loader.autolog()
    finally:
        trackers.swap(before)


def test_entry_points_are_listed_once(monkeypatch):
    from importlib import metadata

    asked = []
    monkeypatch.setattr(metadata, "entry_points", lambda **kwargs: asked.append(kwargs) or [])
    fresh = loader.Loader()
    assert fresh.known == fresh.known == loader.BUILTIN
    assert asked == [{"group": "autotrack.integrations"}]


def test_autolog_imports_no_framework_and_is_quick():
    program = (
        "import sys, time; from autotrack.instrument import loader\n"
        "began = time.perf_counter(); loader.autolog(); took = time.perf_counter() - began\n"
        "print(sorted({'sklearn', 'numpy', 'xgboost', 'joblib', 'pandas'} & set(sys.modules)), took < 0.5)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[] True\n"


sys.modules["tests_of_loader"] = types.ModuleType("tests_of_loader")
sys.modules["tests_of_loader"].INTEGRATION = Integration("x", requires="x")


def test_what_is_woken_by_a_callback_is_not_wanted_whole(tracked, installed):
    installed("toyone")
    import_("toyone")
    loader.wake("toyone")
    assert not loader.wants("toyone")
    assert said("toyone") == ("1.0", True, "observed where its callback is used; autolog() was not called for it")
    loader.autolog("toyone")
    assert loader.wants("toyone")
    assert said("toyone") == ("1.0", True, "observed")
    loader.disable()
    assert not loader.wants("toyone")
    assert said("toyone") == ("1.0", False, "autolog() was not called for it")


def test_a_callback_wakes_nothing_where_all_is_off(installed, monkeypatch):
    installed("toyone")
    original = import_("toyone").train
    monkeypatch.setenv("AUTOTRACK_DISABLED", "1")
    loader.wake("toyone")
    assert import_("toyone").train is original
