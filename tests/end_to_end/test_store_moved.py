"""All paths in a store are relative: its folder can be moved or copied, and everything still loads."""

import shutil
import subprocess
import sys

import autotrack
from autotrack.recording import tracker

PROGRAM = """
import autotrack
with autotrack.start_run("moved", params={"lr": 0.1}) as run:
    for step in range(10):
        run.log({"loss": 1 / (step + 1)}, step=step)
    run.log_text("notes/a.txt", "content")
print(run.id)
"""


def test_a_moved_store_reads_as_before(store, tmp_path, monkeypatch):
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert sorted(path.name for path in store.iterdir()) == [".gitignore", "artifacts", "autotrack.db", "journal", "staging"]
    assert (store / ".gitignore").read_text() == "*\n"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.move(store, elsewhere / ".autotrack")
    monkeypatch.chdir(elsewhere)
    view = autotrack.get_run(done.stdout.strip())
    assert (view.name, view.params["lr"], view.status) == ("moved", 0.1, "finished")
    assert view.history("loss").values.tolist() == [1 / (step + 1) for step in range(10)]
    assert view.artifact("notes/a.txt").read_text() == "content"
    with autotrack.start_run("new"):
        pass
    autotrack.flush()
    assert tracker.tracker().settings.folder == elsewhere / ".autotrack"
    assert not store.exists()
    assert [run.name for run in autotrack.search_runs(order_by="started")] == ["moved", "new"]


def test_so_does_a_copy_beside_the_original(store, tmp_path):
    subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    shutil.copytree(store, tmp_path / "copy")
    for path in (store, tmp_path / "copy"):
        autotrack.configure(uri=f"sqlite:///{path / 'autotrack.db'}")
        (view,) = autotrack.search_runs()
        assert view.artifact("notes/a.txt").read_text() == "content"
        with autotrack.start_run(path.name):
            pass
    assert [run.name for run in autotrack.search_runs(order_by="started")] == ["moved", "copy"]
