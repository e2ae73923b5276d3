from dataclasses import fields

import pytest

from autotrack import settings
from autotrack.errors import SettingsError
from autotrack.settings import Settings, load


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    home = tmp_path / "project"
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.delenv("AUTOTRACK_STRICT")
    return home


def written(home, text):
    (home / "pyproject.toml").write_text(text)


def test_an_argument_wins_over_the_environment_which_wins_over_the_file(here, monkeypatch):
    written(here, '[tool.autotrack]\nexperiment = "file"\nevery_n_steps = 10\nplots = false\nmodels = false\n')
    monkeypatch.setenv("AUTOTRACK_EXPERIMENT", "environment")
    monkeypatch.setenv("AUTOTRACK_EVERY_N_STEPS", "20")
    found = load(experiment="argument")
    assert (found.experiment, found.every_n_steps, found.plots, found.models, found.datasets) == ("argument", 20, False, False, True)
    assert {name: found.origins.get(name) for name in ("experiment", "every_n_steps", "plots", "datasets")} == {
        "experiment": "argument",
        "every_n_steps": "AUTOTRACK_EVERY_N_STEPS",
        "plots": f"[tool.autotrack] of {here / 'pyproject.toml'}",
        "datasets": None,
    }


def test_the_nearest_file_counts_alone(here, monkeypatch):
    written(here, "[tool.autotrack]\nmodels = false\n")
    below = here / "below"
    below.mkdir()
    written(below, "[project]\n")
    monkeypatch.chdir(below)
    assert load().models is True


@pytest.mark.parametrize(
    ("variable", "text", "words"),
    [
        ("AUTOTRACK_EXPERIMNT", "x", "unknown setting AUTOTRACK_EXPERIMNT in the environment; did you mean AUTOTRACK_EXPERIMENT?"),
        ("AUTOTRACK_QUIET", "maybe", "AUTOTRACK_QUIET: quiet='maybe' is neither true nor false; write 1 or 0"),
        ("AUTOTRACK_EVERY_N_STEPS", "0", "AUTOTRACK_EVERY_N_STEPS: every_n_steps='0' is no whole number of at least 1"),
        ("AUTOTRACK_EVERY_N_STEPS", "1.5", "is no whole number of at least 1"),
        ("AUTOTRACK_JOURNAL", "fast", "AUTOTRACK_JOURNAL: journal='fast' is neither 'auto' nor 'append'"),
        ("AUTOTRACK_EXPERIMENT", "a//b", "AUTOTRACK_EXPERIMENT: experiment='a//b' is no name; write words, and / between levels"),
        ("AUTOTRACK_URI", "runs.db", "AUTOTRACK_URI: uri='runs.db' has no scheme; write sqlite:///path/to/autotrack.db"),
        ("AUTOTRACK_URI", "sqlite://runs.db", "names no file"),
        ("AUTOTRACK_URI", "sqlite:///", "names no file"),
    ],
)
def test_what_makes_no_sense_is_an_error_that_names_its_place(monkeypatch, variable, text, words):
    monkeypatch.setenv(variable, text)
    with pytest.raises(SettingsError) as raised:
        load()
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[tool.autotrack]\nmodel = false\n", "unknown setting 'model' in [tool.autotrack] of {path}; did you mean models?"),
        ('[tool.autotrack]\nmodels = "perhaps"\n', "[tool.autotrack] of {path}: models='perhaps' is neither true nor false"),
        ("[tool.autotrack]\nevery_n_steps = true\n", "is no whole number"),
        ("[tool.autotrack]\nstrict = true\n", "strict in [tool.autotrack] of {path} has no effect; it is for the environment"),
        ("[tool.autotrack\n", "{path} cannot be read"),
        ("[tool]\nautotrack = 3\n", "tool.autotrack in {path} is no table"),
    ],
)
def test_so_it_is_in_the_file(here, text, words):
    written(here, text)
    with pytest.raises(SettingsError) as raised:
        load()
    assert words.format(path=here / "pyproject.toml") in str(raised.value)


def test_a_broken_file_that_does_not_speak_of_us_is_not_read(here):
    written(here, "[broken")
    assert load().models is True


def test_an_unknown_argument_is_an_error():
    with pytest.raises(SettingsError, match=r"unknown setting 'url'; did you mean uri\?"):
        load(url="memory:")


def test_variables_of_the_launcher_and_of_tests_are_no_settings(monkeypatch):
    for variable in ("AUTOTRACK_RUN", "AUTOTRACK_RUN_PYTHONPATH", "AUTOTRACK_TEST_POSTGRES"):
        monkeypatch.setenv(variable, "x")
    assert load().models is True


def test_an_empty_variable_says_nothing(monkeypatch):
    monkeypatch.setenv("AUTOTRACK_EXPERIMENT", "")
    assert load().experiment == ""


def test_switched_off_stays_off_whatever_else_is_wrong(monkeypatch):
    monkeypatch.setenv("AUTOTRACK_DISABLED", "1")
    monkeypatch.setenv("AUTOTRACK_URI", "nonsense")
    assert load().disabled is True


def test_the_store_is_the_nearest_one_upward(here, monkeypatch):
    (here / ".autotrack").mkdir()
    below = here / "a" / "b"
    below.mkdir(parents=True)
    (here / "a" / ".git").mkdir()
    monkeypatch.chdir(below)
    assert load().folder == here / ".autotrack"


@pytest.mark.parametrize("mark", [".git", "pyproject.toml"])
def test_else_a_new_one_beside_the_nearest_mark_of_a_project(here, monkeypatch, mark):
    written(here, "") if mark == "pyproject.toml" else (here / mark).mkdir()
    below = here / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    found = load()
    assert found.folder == here / ".autotrack"
    assert found.uri == f"sqlite:///{here / '.autotrack' / 'autotrack.db'}"
    assert not found.folder.exists()


def test_else_one_in_the_working_directory(here, monkeypatch):
    monkeypatch.setattr(settings.Path, "exists", lambda self: False)
    monkeypatch.setattr(settings.Path, "is_file", lambda self: False)
    assert load().folder == here / ".autotrack"


def test_three_slashes_are_relative_and_four_are_absolute(here, monkeypatch):
    assert load(uri="sqlite:///x/autotrack.db").uri == f"sqlite:///{here}/x/autotrack.db"
    assert load(uri="sqlite:////tmp/x/../autotrack.db").uri == "sqlite:////tmp/autotrack.db"
    written(here, '[tool.autotrack]\nuri = "sqlite:///team/autotrack.db"\n')
    (here / "below").mkdir()
    monkeypatch.chdir(here / "below")
    assert load().uri == f"sqlite:///{here}/team/autotrack.db"


def test_two_stores_in_one_folder_share_nothing(here):
    assert load(uri="sqlite:///a.db").folder == here / "a.autotrack"
    assert load(uri="sqlite:///b.db").folder == here / "b.autotrack"
    assert load(uri="memory:").folder is None
    assert load(uri="memory:").local is None
    written(here, "")
    assert load(uri="clickhouse://host/x").local.parent == here / ".autotrack" / "waiting"


def test_a_working_directory_that_is_gone_needs_a_place(here, monkeypatch):
    gone = here / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(SettingsError, match="the working directory is gone, so there is no place for a store; set AUTOTRACK_URI"):
        load()
    assert load(uri="sqlite:////tmp/x.db").uri == "sqlite:////tmp/x.db"


def test_blanks_around_levels_are_dropped():
    assert load(experiment=" sentiment / bert ").experiment == "sentiment/bert"


def test_every_setting_can_be_said_in_the_environment(monkeypatch):
    said = {"uri": "memory:", "experiment": "x", "journal": "append", "every_n_steps": "2"}
    for field in fields(Settings):
        if field.name != "origins":
            monkeypatch.setenv(f"AUTOTRACK_{field.name.upper()}", said.get(field.name, "yes"))
    found = load()
    assert dict(found.origins) == {name: f"AUTOTRACK_{name.upper()}" for name in settings.NAMES}
    assert (found.uri, found.experiment, found.journal, found.every_n_steps, found.children) == ("memory:", "x", "append", 2, True)
