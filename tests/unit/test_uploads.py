import json
import os
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

import autotrack
from autotrack import flush, get_run, start_run
from autotrack.recording import uploads
from autotrack.recording.tracker import tracker


def names(view):
    return sorted((artifact.name, artifact.kind, artifact.size) for artifact in view.artifacts)


def test_a_file_is_safe_once_log_artifact_returns(store, tmp_path):
    path = tmp_path / "model.bin"
    with start_run() as run:
        path.write_bytes(b"first")
        run.log_artifact(path)
        path.write_bytes(b"second")
        run.log_artifact(path, name="models/model.bin", kind="model", step=3)
        path.unlink()
    view = autotrack.get_run(run.id)
    assert names(view) == [("model.bin", "file", 5), ("models/model.bin", "model", 6)]
    assert view.artifact("model.bin").read_text() == "first"
    assert view.artifact("models/model.bin").read_text() == "second"
    assert view.artifact("models/model.bin").step == 3
    assert view.artifact("models/model.bin").download(tmp_path) == tmp_path / "model.bin"
    assert (tmp_path / "model.bin").read_text() == "second"


def test_the_same_bytes_are_stored_once(store, tmp_path):
    for _ in range(3):
        with start_run() as run:
            run.log_text("a.txt", "the same")
    autotrack.flush()
    assert len([name for _, _, files in os.walk(store / "artifacts") for name in files]) == 1


def test_the_same_name_again_is_a_new_version(tracked):
    with start_run() as run:
        run.log_text("a.txt", "first")
        run.log_text("a.txt", "second")
    assert [artifact.read_text() for artifact in tracked.run().artifacts] == ["second"]


def test_a_folder_keeps_its_paths(tracked, tmp_path):
    for name in ("a.txt", "sub/b.txt", "sub/deep/c.txt"):
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_text(name)
    with start_run() as run:
        run.log_artifacts(tmp_path / "out")
        run.log_artifacts(tmp_path / "out" / "sub", "copy")
        run.log_artifact(tmp_path / "out")
    assert [name for name, _, _ in names(tracked.run())] == [
        "a.txt", "copy/b.txt", "copy/deep/c.txt", "out/a.txt", "out/sub/b.txt", "out/sub/deep/c.txt", "sub/b.txt", "sub/deep/c.txt",
    ]  # fmt: skip
    assert tracked.run().artifact("out/sub/b.txt").read_text() == "sub/b.txt"


def test_a_table_is_lines_of_json(tracked):
    import pandas as pd

    with start_run() as run:
        run.log_table("rows", [{"a": 1, "b": "x"}, {"a": float("nan"), "c": [1]}])
        run.log_table("columns.jsonl", {"a": [1, 2], "b": [3, 4]})
        run.log_table("frame", pd.DataFrame({"a": [1, 2]}))
        run.log_table("empty", [])
    view = tracked.run()
    assert [json.loads(line) for line in view.artifact("columns.jsonl").read_text().splitlines()] == [{"a": 1, "b": 3}, {"a": 2, "b": 4}]
    assert [json.loads(line) for line in view.artifact("frame.jsonl").read_text().splitlines()] == [{"a": 1}, {"a": 2}]
    assert view.artifact("rows.jsonl").kind == "table"
    assert dict(view.artifact("rows.jsonl").meta) == {"columns": ["a", "b", "c"], "rows": 2}
    assert view.artifact("empty.jsonl").read_text() == ""


def test_what_cannot_be_read_is_the_users_error(tracked, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with start_run() as run:
        with pytest.raises(FileNotFoundError, match=r"missing\.bin"):
            run.log_artifact(tmp_path / "missing.bin")
        with pytest.raises(OSError, match=r"not a regular file: '.*pipe'"):
            run.log_artifact(tmp_path / "pipe")
        with pytest.raises(NotADirectoryError, match="is no folder; log_artifact takes a file"):
            run.log_artifacts(tmp_path / "missing")
        with pytest.raises(TypeError, match="a row of a table is a mapping"):
            run.log_table("t", [1])
        with pytest.raises(ValueError, match="one length"):
            run.log_table("t", {"a": [1], "b": []})
    assert tracked.run().artifacts == ()


@pytest.mark.parametrize("wrong", [{"kind": None}, {"kind": ""}, {"kind": 5}, {"step": "3"}, {"step": 1.5}], ids=str)
def test_a_wrong_kind_or_step_is_said_and_never_a_record_that_the_store_refuses(tracked, tmp_path, wrong):
    (tmp_path / "a").write_text("x")
    with start_run() as run:
        for path in (tmp_path / "a", tmp_path):
            with pytest.raises(TypeError, match=r"the kind of an artifact is|the step is a"):
                run.log_artifact(path, **wrong)
        run.log_artifact(tmp_path / "a", step=np.int64(3))
    assert [artifact.step for artifact in tracked.run().artifacts] == [3]


def test_what_cannot_be_read_in_a_folder_keeps_no_other_file_from_being_kept(tracked, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    for name in ("a", "z"):
        (folder / name).write_text(name)
    (folder / "broken").symlink_to("nowhere")
    os.mkfifo(folder / "pipe")
    with start_run() as run, pytest.raises(FileNotFoundError, match="broken"):
        run.log_artifacts(folder)
    assert [name for name, _, _ in names(tracked.run())] == ["a", "z"]


def test_a_folder_with_the_store_in_it_is_kept_without_the_store(store):
    (store.parent / "train.py").write_text("1")
    with start_run() as run:
        run.log_text("first.txt", "in the store by now")
        run.log_artifacts(".", "code")
    flush()
    assert [name for name, _, _ in names(get_run(run.id)) if name.startswith("code/")] == ["code/pyproject.toml", "code/train.py"]


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a\\b", "", "a/../../b"])
def test_a_name_cannot_lead_out_of_the_run(tracked, tmp_path, name):
    (tmp_path / "a").write_text("x")
    with start_run() as run:
        for call in (lambda: run.log_artifact(tmp_path / "a", name=name), lambda: run.log_text(name, "x")):
            with pytest.raises(ValueError, match="is no name for an artifact"):
                call()


def test_a_store_that_cannot_take_files_is_said_once_and_does_not_raise(tracked, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("AUTOTRACK_STRICT", "0")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(uploads.Uploads, "_place", full)
    with start_run() as run:
        run.log_text("a.txt", "x")
        run.log_text("b.txt", "x")
    assert caplog.text.count("autotrack failed while keeping an artifact") == 1
    assert tracked.run().artifacts == ()


def test_a_file_for_which_there_is_no_room_takes_none(tracked, monkeypatch):
    monkeypatch.setenv("AUTOTRACK_STRICT", "0")

    def full(source, sink):
        sink.write(source.read(1))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(uploads, "copy", full)
    with start_run() as run:
        run.log_artifact(__file__)
        assert list((tracker().folder / "staging").glob("*/*.file")) == []


def test_the_thread_ends_when_there_is_nothing_to_do(tracked, monkeypatch):
    monkeypatch.setattr(uploads, "IDLE_S", 0.05)
    with start_run() as run:
        run.log_text("a.txt", "x")
    autotrack.flush()
    until = time.monotonic() + 5
    while tracker().uploads._thread is not None and time.monotonic() < until:
        time.sleep(0.01)
    assert tracker().uploads._thread is None
    run.log_text("b.txt", "y")
    assert [name for name, _, _ in names(tracked.run())] == ["a.txt", "b.txt"]


def test_without_a_new_thread_the_work_is_done_here(tracked, monkeypatch):
    def none(self):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    with start_run() as run:
        autotrack.flush()
        tracker().uploads.close()
        monkeypatch.setattr(uploads.threading.Thread, "start", none)
        run.log_text("a.txt", "x")
        monkeypatch.undo()
    autotrack.flush()
    assert [a.name for a in autotrack.get_run(run.id).artifacts] == ["a.txt"]


# After a death

DYING = """
import os, sys
import autotrack
from autotrack.recording import uploads
at = sys.argv[1]
if at == "before hashing":
    uploads.stored = lambda note, artifacts: os._exit(9)
elif at == "after the move":
    take = uploads.ArtifactStore.take_file
    def take_and_die(self, path, digest):
        take(self, path, digest)
        os._exit(9)
    uploads.ArtifactStore.take_file = take_and_die
elif at == "after the record":
    uploads.Path.unlink = lambda self, missing_ok=False: os._exit(9)
run = autotrack.start_run("dying")
print(run.id, flush=True)
autotrack.flush()
with open("model.bin", "w") as file:
    file.write("weights" * 1000)
run.log_artifact("model.bin", kind="model", step=1)
os.remove("model.bin")
import time
time.sleep(20)
"""


@pytest.mark.parametrize("at", ["before hashing", "after the move", "after the record"])
def test_a_staged_file_is_stored_once_by_whoever_opens_the_store_next(store, at):
    died = subprocess.run(
        [sys.executable, "-c", DYING, at], env={**os.environ, "AUTOTRACK_CONSOLE": "0"}, capture_output=True, text=True, timeout=60
    )
    assert died.returncode == 9, died.stderr
    run_id = died.stdout.strip()
    for _ in range(2):
        view = autotrack.get_run(run_id)
        assert (names(view), view.status) == ([("model.bin", "model", 7000)], "lost")
        assert view.artifact("model.bin").read_text() == "weights" * 1000
        assert view.artifact("model.bin").step == 1
    assert list((store / "staging").iterdir()) == []
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(store / "autotrack.db")) as connection:
        assert connection.execute("select count(*) from artifact").fetchone() == (1,)


def test_what_a_living_process_has_staged_is_left_alone(store):
    program = textwrap.dedent("""
        import sys, autotrack
        from autotrack.recording.tracker import tracker
        run = autotrack.start_run("living")
        autotrack.flush()
        tracker().uploads.later = lambda task: None  # nothing is taken further
        run.log_text("a.txt", "x")
        print(run.id, flush=True)
        sys.stdin.read()
    """)
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as living:
        run_id = living.stdout.readline().strip()
        assert autotrack.get_run(run_id).artifacts == ()
        assert len(list((store / "staging").glob("*/*.json"))) == 1
        living.kill()
        living.wait()
        living.stdin.close()
    assert [a.name for a in autotrack.get_run(run_id).artifacts] == ["a.txt"]
    assert autotrack.get_run(run_id).status == "lost"


VERSIONS = """
import os, sqlite3, sys, time
import autotrack
from autotrack.recording import uploads
run = autotrack.start_run("dying")
autotrack.get_run(run.id)
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("begin immediate")  # what is told from here on stays in the journal
take = uploads.stored
def stored(note, artifacts):
    if note.name.startswith("5."):
        while not note.with_name("11.json").exists():
            time.sleep(0.01)
        os._exit(9)
    return take(note, artifacts)
uploads.stored = stored
print(run.id, flush=True)
for version in range(12):
    run.log_text("model.txt", f"version {version}")
time.sleep(20)
"""


def test_the_last_version_is_the_last_after_a_death_too(store):
    died = subprocess.run([sys.executable, "-c", VERSIONS, str(store / "autotrack.db")], capture_output=True, text=True, timeout=60)
    assert died.returncode == 9, died.stderr
    with start_run("next"):  # what is left is recovered in the background of whoever records next
        tracker().uploads.flush()
    view = autotrack.get_run(died.stdout.strip())
    assert (view.status, view.artifact("model.txt").read_text()) == ("lost", "version 11")
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(store / "autotrack.db")) as connection:
        assert connection.execute("select count(*) from artifact").fetchone() == (12,)


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_a_draft_that_is_the_users_own_file_is_copied(store, tmp_path, link):
    mine = tmp_path / "mine.ckpt"
    mine.write_bytes(b"weights")
    with start_run() as run:
        run.note_made(lambda path: getattr(path, link)(mine), "best.ckpt", kind="checkpoint")
        mine.write_bytes(b"others!")
        mine.unlink()
    assert autotrack.get_run(run.id).artifact("best.ckpt").read_text() == "weights"
