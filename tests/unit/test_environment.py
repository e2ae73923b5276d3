import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

import autotrack
from autotrack import start_run
from autotrack.recording import environment, place
from autotrack.recording.environment import masked_arguments, packages

READ_REPOSITORY = environment.repository


@pytest.fixture(autouse=True)
def _read_anew(monkeypatch, tracked):
    monkeypatch.setattr(environment, "repository", READ_REPOSITORY.__wrapped__)  # the fixture leaves it out
    environment.surroundings.cache_clear()
    yield
    environment.surroundings.cache_clear()


def git(*arguments, at):
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=trunk", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=at, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    home = tmp_path / "code"
    home.mkdir()
    (home / "train.py").write_text("print(1)\n")
    git("init", at=home)
    git("add", "train.py", at=home)
    git("commit", "-m", "first", at=home)
    (home / "below").mkdir()
    monkeypatch.chdir(home / "below")
    return home


def recorded(tracked):
    with start_run():
        pass
    return tracked.run().environment


def test_a_warning_that_was_shown_is_not_shown_again(tracked, repository):
    def warn():
        warnings.warn("once", stacklevel=1)

    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("default")
        warn()
        assert recorded(tracked)["git"]["branch"] == "trunk"
        warn()  # shown again if anybody, in any thread, has touched the filters meanwhile
    assert len(shown) == 1


def test_a_run_knows_where_it_ran(tracked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("SECRET_THING", "hidden")
    monkeypatch.setattr(sys, "argv", ["train.py", "--lr", "0.1", "--token", "s3cr3t"])
    found = recorded(tracked)
    assert found["argv"] == ["train.py", "--lr", "0.1", "--token", "***"]
    assert found["cwd"] == str(tmp_path)
    assert found["python"]["executable"] == sys.executable
    assert found["packages"]["numpy"] == np.__version__
    assert found["cpu"]["count"] == os.cpu_count()
    assert found["memory_bytes"] > 1 << 28
    assert found["variables"]["OMP_NUM_THREADS"] == "1"
    assert "hidden" not in str(found)
    assert "git" not in found


def test_commit_branch_and_changes_are_kept(tracked, repository):
    (repository / "train.py").write_text("print(2)\n")
    found = recorded(tracked)["git"]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=repository, capture_output=True, text=True).stdout.strip()
    assert found == {"root": str(repository), "commit": commit, "branch": "trunk", "dirty": True}
    (diff,) = tracked.run().artifacts
    assert (diff.name, diff.kind) == ("uncommitted.diff", "diff")
    assert "-print(1)\n+print(2)\n" in diff.read_text()


def test_a_change_of_the_same_size_and_second_is_one(tracked, repository):
    """git compares seconds, and looks closer at files that are no older than its index: the copy of that must be no younger."""
    git("config", "core.trustctime", "false", at=repository)
    file, now = repository / "train.py", 1_700_000_000
    os.utime(file, (now, now))
    git("add", "train.py", at=repository)
    file.write_text("print(2)\n")
    for path in (file, repository / ".git" / "index"):
        os.utime(path, (now, now))
    assert recorded(tracked)["git"]["dirty"]


def test_a_clean_detached_and_packed_repository(tracked, repository):
    git("pack-refs", "--all", at=repository)
    git("checkout", "--detach", at=repository)
    found = recorded(tracked)["git"]
    assert (found["dirty"], "branch" in found, len(found["commit"])) == (False, False, 40)
    assert tracked.run().artifacts == ()


def test_a_worktree_is_a_repository(tracked, repository, tmp_path, monkeypatch):
    git("worktree", "add", "-b", "side", str(tmp_path / "tree"), at=repository)
    monkeypatch.chdir(tmp_path / "tree")
    found = recorded(tracked)["git"]
    assert (found["branch"], found["root"], len(found["commit"])) == ("side", str(tmp_path / "tree"), 40)


def test_a_repository_without_a_commit_or_with_damage_is_no_trouble(tracked, tmp_path, monkeypatch):
    git("init", at=tmp_path)
    monkeypatch.chdir(tmp_path)
    assert recorded(tracked)["git"] == {"root": str(tmp_path), "branch": "trunk", "dirty": False}


def test_damage_is_no_trouble_either(tracked, tmp_path, monkeypatch):
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    assert "git" not in recorded(tracked)


def test_large_changes_are_cut(tracked, repository, monkeypatch):
    monkeypatch.setattr(environment, "MOST_DIFF", 1000)
    (repository / "train.py").write_text("print(2)\n" * 1000)
    found = recorded(tracked)["git"]
    assert found["diff_bytes"] > 9000
    assert tracked.run().artifacts[0].size == 1000 + len("\n... (cut)\n")


def test_git_is_asked_without_hooks_prompts_or_locks(tracked, repository, tmp_path):
    git("config", "core.fsmonitor", f"touch {tmp_path}/touched", at=repository)
    git("config", "diff.external", f"touch {tmp_path}/touched", at=repository)
    before = (repository / ".git" / "index").stat().st_mtime_ns
    os.utime(repository / "train.py", (1, 1))
    recorded(tracked)
    assert not (tmp_path / "touched").exists()
    assert (repository / ".git" / "index").stat().st_mtime_ns == before


def test_without_git_the_commit_is_still_known(tracked, repository, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    found = recorded(tracked)["git"]
    assert (len(found["commit"]), found["dirty"]) == (40, False)


def test_children_in_the_same_process_share_their_parents(tracked):
    with start_run("outer"), start_run("inner"):
        pass
    outer, inner = tracked.runs()
    assert (bool(outer.environment), dict(inner.environment)) == (True, {})


def test_the_environment_is_read_once_a_process(tracked, monkeypatch):
    reads = []
    monkeypatch.setattr(environment, "packages", lambda: reads.append(1) or iter([("a", "1")]))
    for _ in range(3):
        with start_run():
            pass
    assert [run.environment["packages"] for run in tracked.runs()] == [{"a": "1"}] * 3
    assert reads == [1]


def test_secrets_on_the_command_line_are_masked():
    line = "x.py --api-key=abc --password abc --max-tokens 5 --token --flag postgres://me:pw@host/db lr=1 hf_token=abc"
    masked = "x.py --api-key=*** --password *** --max-tokens 5 --token --flag postgres://me:***@host/db lr=1 hf_token=***"
    assert masked_arguments(line.split()) == masked.split()


def test_packages_are_those_that_importlib_knows():
    from importlib import metadata

    known = {}
    for distribution in metadata.distributions():
        known.setdefault(distribution.metadata["Name"].lower().replace("_", "-").replace(".", "-"), distribution.version)
    found = {name.replace(".", "-"): version for name, version in packages()}
    assert found == known


def test_seeds_that_are_known_are_kept(tracked, monkeypatch):
    import types

    monkeypatch.setenv("PYTHONHASHSEED", "7")
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(initial_seed=lambda: 42))
    assert recorded(tracked)["seeds"] == {"PYTHONHASHSEED": "7", "torch": 42}


def test_the_rank_is_kept(tracked, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "0")
    assert recorded(tracked)["rank"] == {"rank": 0, "world_size": 4}


def test_facts_are_added(tracked):
    with start_run() as run:
        run.note_environment({"datasets": {"train": {"shape": [3, 4]}}})
    assert tracked.run().environment["datasets"] == {"train": {"shape": [3, 4]}}
    assert "python" in tracked.run().environment


def program(tmp_path, *arguments, stdin=None):
    text = "from autotrack.recording.place import experiment_here, script\nprint(experiment_here(), script(), sep='|')\n"
    (tmp_path / "pkg").mkdir(exist_ok=True)
    for name in ("train me.py", "pkg/__init__.py", "pkg/__main__.py", "pkg/fit.py"):
        (tmp_path / name).write_text("" if name.endswith("__init__.py") else text)
    done = subprocess.run([sys.executable, *arguments], cwd=tmp_path, input=text if stdin else None, capture_output=True, text=True, check=True)
    return done.stdout.strip().split("|")


@pytest.mark.parametrize(
    ("arguments", "experiment", "script"),
    [
        (["train me.py"], "train me", "{}/train me.py"),
        (["-m", "pkg"], "pkg", "pkg.py"),
        (["-m", "pkg.fit"], "fit", "pkg/fit.py"),
        (["pkg"], "pkg", "{}/pkg"),
        (["-"], "interactive", "None"),
    ],
    ids=str,
)
def test_the_default_experiment_is_the_scripts_name(tmp_path, arguments, experiment, script):
    found = program(tmp_path, *arguments, stdin=arguments == ["-"])
    assert found == [experiment, script.format(tmp_path)]


CHILDREN = """
import multiprocessing, sys
from joblib import Parallel, delayed
from autotrack.recording.place import experiment_here

at_import = experiment_here()

def experiment(_=0):
    return at_import, experiment_here()

if __name__ == "__main__":
    for start in ("fork", "spawn"):
        with multiprocessing.get_context(start).Pool(1) as pool:
            print(start, *pool.map(experiment, [0])[0])
    from autotrack.recording import place
    print("loky", *Parallel(n_jobs=2)(delayed(place.experiment_here)() for _ in range(2)))
"""


@pytest.mark.parametrize(("arguments", "name"), [(["my_train.py"], "my_train"), (["-m", "my_train"], "my_train")], ids=str)
def test_the_experiment_of_a_child_process_is_its_programs(tmp_path, arguments, name):
    pytest.importorskip("joblib")
    (tmp_path / "my_train.py").write_text(CHILDREN)
    done = subprocess.run([sys.executable, *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == f"fork {name} {name}\nspawn {name} {name}\nloky {name} {name}\n", done.stderr


def test_the_script_of_a_short_program_is_known(tmp_path):
    (tmp_path / "short.py").write_text("import autotrack\nautotrack.start_run(experiment='given').log({'loss': 1})\n")
    subprocess.run([sys.executable, "short.py"], cwd=tmp_path, check=True)
    code = "import autotrack; print(autotrack.get_run(autotrack.search_runs()[0].id).environment['script'])"
    shown = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert shown.stdout == f"{tmp_path}/short.py\n", shown.stderr


def test_a_command_line_is_interactive(tmp_path):
    code = "from autotrack.recording.place import experiment_here; print(experiment_here())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "interactive\n"


def test_the_user_has_a_name(monkeypatch):
    place.user.cache_clear()
    for name in ("LOGNAME", "USER", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    assert place.user()
    monkeypatch.setenv("USER", "somebody")
    place.user.cache_clear()
    assert place.user() == "somebody"
    place.user.cache_clear()


def test_system_metrics_are_told_to_the_outer_runs(tracked):
    from autotrack.recording.system import SystemMetrics
    from autotrack.recording.tracker import tracker

    sampler = SystemMetrics(tracker())
    with start_run("outer"), start_run("inner"):
        for _ in range(3):
            sampler.sample()
    outer, inner = tracked.runs()
    assert sorted(outer.system) == ["system/cpu_percent", "system/rss_bytes"]
    assert outer.system["system/rss_bytes"] > 1 << 20
    assert dict(outer.metrics) == {}
    assert dict(inner.system) == {}
    assert autotrack.current_run() is None
