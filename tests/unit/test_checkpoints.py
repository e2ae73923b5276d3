"""Files that a program saves: all are told by their content, the newest and the best are kept, whatever happens to them meanwhile."""

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import threading

import pytest

import autotrack
from autotrack.recording import checkpoints
from autotrack.recording.tracker import configure, tracker


def saved(run, path, content, *, step=0, score=None, **about):
    path.write_bytes(content)
    run.note_saved(str(path), step=step, score=score, about=about)


def kept(view):
    return sorted((a.name, a.step, a.read_text()) for a in view.artifacts if a.kind == "checkpoint")


def rows(view):
    return [{key: row[key] for key in row if key not in ("path", "time")} for row in table(view)]


def table(view):
    import json

    return [json.loads(line) for line in view.artifact("checkpoints.jsonl").read_text().splitlines()]


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def test_the_newest_and_the_best_are_kept_and_all_are_told(store, tmp_path):
    with autotrack.start_run() as run:
        for step, score in enumerate([3.0, 1.0, 1.0, 2.0]):
            saved(run, tmp_path / f"{step}.pt", b"%d" % step, step=step, score=score, kind="module")
            (tmp_path / f"{step}.pt").unlink()  # it was opened when it was saved
    view = autotrack.get_run(run.id)
    assert kept(view) == [("checkpoints/1.pt", 1, "1"), ("checkpoints/3.pt", 3, "3")]
    assert view.artifact("checkpoints/1.pt").meta["best"] is True
    assert rows(view) == [{"step": step, "kind": "module", "size": 1, "digest": digest(b"%d" % step)} for step in range(4)]
    assert not list((store / "staging").glob("*/*.file"))


def test_without_scores_the_newest_is_kept(store, tmp_path):
    with autotrack.start_run() as run:
        for step in range(3):
            saved(run, tmp_path / "same.pt", b"%d" % step, step=step)
            tracker().uploads.flush()
    assert kept(autotrack.get_run(run.id)) == [("checkpoints/same.pt", 2, "2")]


def test_a_file_that_is_written_over_before_it_was_read_is_told_without_its_content(store, tmp_path, monkeypatch):
    copied = checkpoints._copied

    def slowly(file, digest, sink):
        copied(file, digest, sink)
        with open(tmp_path / "model.pt", "ab") as late:
            late.write(b"more")

    monkeypatch.setattr(checkpoints, "_copied", slowly)
    with autotrack.start_run() as run:
        saved(run, tmp_path / "model.pt", b"first", step=1)
    view = autotrack.get_run(run.id)
    assert kept(view) == []
    assert rows(view) == [{"step": 1, "size": 5, "unread": "written over"}]


def test_a_file_that_is_not_closed_yet_is_awaited(store, tmp_path):
    with autotrack.start_run() as run:
        with open(tmp_path / "open.pt", "wb") as file:
            file.write(b"half")
            run.note_saved(str(tmp_path / "open.pt"), step=0, score=None, about={}, file=file)
            file.write(b" and half")
        tracker().uploads.flush()
        never = open(tmp_path / "never.pt", "wb")  # noqa: SIM115
        run.note_saved(str(tmp_path / "never.pt"), step=1, score=None, about={}, file=never)
        tracker().uploads.flush()
        never.close()
    view = autotrack.get_run(run.id)
    assert kept(view) == [("checkpoints/open.pt", 0, "half and half")]
    assert [(row["step"], row.get("unread")) for row in rows(view)] == [(0, None), (1, "not closed yet")]


def test_a_file_that_is_too_large_or_not_wanted_is_told_and_not_kept(store, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "MOST_BYTES", 3)
    with autotrack.start_run() as run:
        saved(run, tmp_path / "large.pt", b"large", step=0)
        tracker().uploads.flush()
        configure(checkpoints=False)
        saved(run, tmp_path / "small.pt", b"s", step=1)
    view = autotrack.get_run(run.id)
    assert kept(view) == []
    assert [row["digest"] for row in rows(view)] == [digest(b"large"), digest(b"s")]


def test_a_file_that_is_gone_costs_nothing(store, tmp_path):
    with autotrack.start_run() as run:
        run.note_saved(str(tmp_path / "gone.pt"), step=0, score=None, about={"kind": "module"})
    assert rows(autotrack.get_run(run.id)) == [{"step": 0, "kind": "module", "unread": "no file"}]


@contextlib.contextmanager
def background_held_up():
    go = threading.Event()
    tracker().uploads.later(go.wait)
    yield
    go.set()


def test_a_burst_is_told_whole_as_far_as_it_is_there_still(store, tmp_path):
    with autotrack.start_run() as run, background_held_up():
        for step in range(20):
            saved(run, tmp_path / f"{step}.pt", b"%02d" % step, step=step)
        (tmp_path / "17.pt").unlink()
        (tmp_path / "18.pt").write_bytes(b"another")
        (tmp_path / "19.pt").rename(tmp_path / "last.pt")
    view = autotrack.get_run(run.id)
    told = [{"step": step, "size": 2, "digest": digest(b"%02d" % step)} for step in range(20)]
    told[17] = {"step": 17, "size": 2, "unread": "gone"}
    told[18] = {"step": 18, "size": 2, "unread": "written over"}
    assert rows(view) == told
    assert os.path.basename(table(view)[19]["path"]) == "last.pt"
    assert kept(view) == [("checkpoints/last.pt", 19, "19")]


@pytest.mark.parametrize("late", [False, True], ids=["before it was read", "after"])
@pytest.mark.parametrize("by", ["path", "file"])
def test_a_file_that_was_renamed_when_it_was_whole_goes_by_its_new_name(store, tmp_path, by, late):
    temporary, final = tmp_path / "model.pt.tmp", tmp_path / "model.pt"
    with autotrack.start_run() as run:
        for step in range(3):
            with contextlib.nullcontext() if late else background_held_up():
                if by == "path":
                    saved(run, temporary, b"%d" % step, step=step, score=1.0)
                else:
                    with temporary.open("wb") as file:
                        file.write(b"%d" % step)
                        run.note_saved(str(temporary), step=step, score=1.0, about={}, file=file)
                if late:
                    tracker().uploads.flush()
                temporary.rename(final)
    view = autotrack.get_run(run.id)
    assert [row["digest"] for row in rows(view)] == [digest(b"%d" % step) for step in range(3)]
    assert table(view)[2]["path"] == str(final)
    assert ("checkpoints/model.pt", 2, "2") in kept(view)
    (newest,) = [each for each in view.artifacts if each.step == 2]
    assert newest.meta["path"] == str(final)


def test_a_file_in_place_of_another_is_not_taken_for_it(store, tmp_path):
    with autotrack.start_run() as run, background_held_up():
        saved(run, tmp_path / "old.pt", b"old", step=0)
        (tmp_path / "old.pt").rename(tmp_path / "before.pt")
        saved(run, tmp_path / "old.pt", b"new", step=1)
        saved(run, tmp_path / "gone.pt", b"gone", step=2)
        (tmp_path / "gone.pt").unlink()
        (tmp_path / "else.pt").write_bytes(b"gone")
    view = autotrack.get_run(run.id)
    assert [os.path.basename(row["path"]) for row in table(view)] == ["old.pt", "old.pt", "gone.pt"]
    assert [row["digest"] for row in rows(view)] == [digest(b"old"), digest(b"new"), digest(b"gone")]


@pytest.mark.parametrize("by", ["the run", "its id"])
def test_the_table_of_a_run_that_goes_on_has_all_of_them(store, tmp_path, by):
    with autotrack.start_run() as run:
        saved(run, tmp_path / "0.pt", b"0", step=0, score=1.0)
    if by == "its id":
        run = autotrack.start_run(run_id=run.id)
    saved(run, tmp_path / "1.pt", b"1", step=1, score=2.0)
    run.finish()
    view = autotrack.get_run(run.id)
    assert [row["step"] for row in rows(view)] == [0, 1]
    assert [row["digest"] for row in rows(view)] == [digest(b"0"), digest(b"1")]
    assert kept(view) == [("checkpoints/0.pt", 0, "0"), ("checkpoints/1.pt", 1, "1")]
    if by == "the run":
        assert "best" not in view.artifact("checkpoints/1.pt").meta


@pytest.mark.slow
def test_what_is_kept_outlasts_the_death_of_the_process(store, tmp_path):
    program = f"""
import autotrack, os, pathlib, signal
from autotrack.recording.tracker import tracker
run = autotrack.start_run()
for step in range(3):
    path = pathlib.Path({str(tmp_path)!r}, f"{{step}}.pt")
    path.write_text(str(step))
    run.note_saved(str(path), step=step, score=None, about={{}})
tracker().flush()
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=store.parent, env=os.environ, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    (view,) = autotrack.search_runs()
    assert kept(autotrack.get_run(view.id)) == [("checkpoints/2.pt", 2, "2")]
