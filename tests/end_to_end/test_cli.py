"""The command line, run as users run it: a process, a folder, a store in it."""

import csv
import io
import json
import os
import pty
import re
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autotrack.backends.opening import open_backend
from autotrack.records import ArtifactStored, Batch, MetricsLogged, ParamsSet, RunEnded, RunNoted, RunStarted, SummarySet, TagsSet

T = 1_780_000_000.0  # 2026-05-28 20:26:40 UTC

FOREST, NET, EVIL, LOST = (f"{start:0<24}{end}" for start, end in (("01FOREST", "AA"), ("01NET", "BB"), ("01EV1", "CC"), ("01X0ST", "DD")))


def curve(run, key, values):
    steps = list(range(len(values)))
    return MetricsLogged(run, T, (key,), steps, [T + s for s in steps], [[float(v) for v in values]])


def filled(folder):
    """A store with a network, a forest, a run with hostile text, a lost one, and twelve fits of one line."""
    (folder / "pyproject.toml").write_text("")
    backend = open_backend(f"sqlite:///{folder}/.autotrack/autotrack.db")
    ridges = [f"01R1DGE{i:019d}" for i in range(12)]
    records = []
    for i, run in enumerate(ridges):
        records += [
            RunStarted(run, T + i, "ridges", f"Ridge-{i + 1}", session="s1", call_site="ridges.py:7:main", kind="sklearn"),
            ParamsSet(run, T + i, {"alpha": i / 10}),
            SummarySet(run, T + i, {"val/r2": 0.5 + i / 100}),
            RunEnded(run, T + i + 0.25, "failed" if i == 3 else "finished", "ValueError: no" if i == 3 else None),
        ]
    records += [
        RunStarted(FOREST, T + 50, "iris", "RandomForest-1", session="s2", call_site="iris.py:3:", kind="sklearn"),
        ParamsSet(FOREST, T + 50, {"n_estimators": 100, "max_depth": None}),
        SummarySet(FOREST, T + 50, {"val/accuracy": 0.93}),
        RunEnded(FOREST, T + 52, "finished"),
        RunStarted(NET, T + 100, "iris", "net", session="s3", call_site="net.py:30:train"),
        ParamsSet(NET, T + 100, {"lr": 0.01, "layers": [64, 32], "n_estimators": 10}),
        TagsSet(NET, T + 100, {"team": "nlp"}),
        RunNoted(NET, T + 100, "notes", "a first try\nof two lines"),
        RunNoted(NET, T + 100, "environment", {"python": "3.11.7", "packages": {"numpy": "2.0"}, "git": {"commit": "abc123"}}),
        RunNoted(NET, T + 100, "environment", {"datasets": {"train": {"shape": [3, 4]}}}),
        curve(NET, "train/loss", [1 / (i + 1) for i in range(50)]),
        curve(NET, "val/loss", [0.1 + 1 / (i + 1) for i in range(50)]),
        curve(NET, "diverged", [1, 2, float("inf"), float("nan")]),
        RunNoted(NET, T + 100, "traceback", "Traceback (most recent call last):\n  boom"),
        ArtifactStored(NET, T + 100, "model/net.bin", "sha256:" + "0" * 64, 2048, "model"),
        RunEnded(NET, T + 172, "failed", "RuntimeError: boom"),
        RunStarted(EVIL, T + 200, "evil/[red]x", "\x1b[31mred\x1b[0m [bold]b[/bold] \u202egnp", session="s4"),
        TagsSet(EVIL, T + 200, {"\x1b]0;title\x07": "[link=x]y[/link]"}),
        ParamsSet(EVIL, T + 200, {"text": "line\none\x1b[2J", "half": "\ud800"}),
        RunNoted(EVIL, T + 200, "notes", "\x1b[2J[blink]notes[/blink]\x07"),
        RunEnded(EVIL, T + 201, "interrupted"),
        RunStarted(LOST, T + 300, "iris", "net", session="s5", call_site="net.py:30:train"),
        RunEnded(LOST, T + 301, "lost"),
    ]
    backend.write(Batch("a" * 16, 1, tuple(records)))
    backend.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    filled(folder)
    return folder


@pytest.fixture
def own(place, tmp_path):
    """A store of this test alone."""
    shutil.copytree(place, tmp_path / "own")
    return tmp_path / "own"


def environment(**more):
    kept = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("AUTOTRACK_", "COLUMNS", "NO_COLOR", "FORCE_COLOR", "LC_", "LANG", "PYTHONIOENCODING"))
    }
    return {**kept, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color", **more}


def run(*words, cwd, check=0, input="", **more):
    """In this process: most of what a command does needs none of its own."""
    from click.testing import CliRunner

    from autotrack.cli.main import cli
    from autotrack.recording import tracker

    before, ours = Path.cwd(), tracker.swap(None)
    os.chdir(cwd)
    try:
        gone = {k: None for k in os.environ if k not in environment()}
        done = CliRunner().invoke(cli, list(words), input=input, env={**gone, **environment(**more)})
    finally:
        os.chdir(before)
        made = tracker.swap(ours)
        if made is not None:
            made.close()
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == check, done.output
    return done


def process(*words, cwd, check=0, input="", **more):
    done = subprocess.run(
        [sys.executable, "-m", "autotrack", *words],
        cwd=cwd,
        env=environment(**more),
        capture_output=True,
        input=input,
        encoding="utf-8",
        errors="surrogateescape",
    )
    assert done.returncode == check, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done


def out(*words, cwd, **more):
    return run(*words, cwd=cwd, **more).stdout


def terminal(*words, cwd, columns, **more):
    """What the command prints to a terminal of so many columns."""
    import fcntl
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    child = subprocess.Popen(
        [sys.executable, "-m", "autotrack", *words], cwd=cwd, env=environment(**more), stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True
    )
    os.close(theirs)
    read = b""
    while True:
        if not select.select([ours], [], [], 30)[0]:
            child.kill()
            raise AssertionError("no end")
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        read += piece
    os.close(ours)
    assert child.wait() == 0, read
    return read.decode("utf-8", "replace").replace("\r\n", "\n")


def bare(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


# --- ls


def test_ls_folds_what_a_loop_repeated(place):
    lines = out("ls", cwd=place).splitlines()
    assert lines[0].split() == ["ID", "NAME", "STATUS", "STARTED", "TIME", "EXPERIMENT", "METRICS"]
    assert [line.split()[0] for line in lines[1:]] == [LOST[:12], EVIL[:12], NET[:12], FOREST[:12], "01R1DGE00000"]
    ridge = lines[-1]
    assert "Ridge x 12" in ridge
    assert "1 failed, 11 finished" in ridge
    assert "val/r2 0.5…0.61" in ridge
    assert "2026-05-28 20:26:51Z" in ridge


def test_ls_all_unfolds(place):
    assert len(out("ls", "--all", "-n", "100", cwd=place).splitlines()) == 1 + 16


def test_ls_takes_a_query_and_an_experiment(place):
    found = out("ls", "metrics.val/accuracy > 0.9", cwd=place)
    assert "RandomForest-1" in found
    assert len(found.splitlines()) == 2
    assert len(out("ls", "--experiment", "iris", cwd=place).splitlines()) == 4
    assert len(out("ls", "status = 'failed' or status = 'lost'", "--experiment", "iris", cwd=place).splitlines()) == 3
    assert run("ls", "--experiment", "none's", cwd=place).stdout == ""


def test_ls_shows_so_many_lines_and_says_that_there_are_more(place):
    done = run("ls", "-n", "2", cwd=place)
    assert len(done.stdout.splitlines()) == 3
    assert "older" in done.stderr


def test_a_fold_across_pages_is_whole(place, monkeypatch):
    from autotrack.cli import listing

    monkeypatch.setattr(listing, "PAGE", 5)
    assert "Ridge x 12" in out("ls", "-n", "5", cwd=place)


def test_ls_in_json_and_csv(place):
    lines = json.loads(out("ls", "--json", cwd=place))
    assert [(line["title"].strip(), line["count"]) for line in lines[2:]] == [("net", 1), ("RandomForest-1", 1), ("Ridge x 12", 12)]
    assert lines[2]["first"]["started"] == "2026-05-28T20:28:20.000Z"
    assert lines[2]["first"]["metrics"]["diverged"] == "NaN"
    rows = list(csv.DictReader(io.StringIO(out("ls", "--csv", cwd=place))))
    assert rows[2]["params.lr"] == "0.01"
    assert rows[-1]["runs"] == "12"
    assert "exclude" in run("ls", "--json", "--csv", cwd=place, check=2).stderr


def test_without_a_store_nothing_is_made_and_it_says_what_to_type(tmp_path):
    done = run("ls", cwd=tmp_path, check=1)
    assert done.stdout == ""
    assert "autotrack run train.py" in done.stderr
    assert "autotrack demo" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [("show", "--last"), ("search",), ("compare", "a", "b"), ("tag", "a", "b"), ("rm", "a"), ("gc",), ("export", "a")])
def test_no_command_makes_a_store(tmp_path, words):
    assert "no store here" in run(*words, cwd=tmp_path, check=1).stderr
    assert list(tmp_path.iterdir()) == []


def test_an_empty_store_says_so(tmp_path):
    open_backend(f"sqlite:///{tmp_path}/.autotrack/autotrack.db").runs()
    done = run("ls", cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("", "No run was recorded yet: autotrack run train.py\n")
    assert json.loads(out("ls", "--json", cwd=tmp_path)) == []
    assert "no run was recorded yet" in run("show", "--last", cwd=tmp_path, check=1).stderr


def test_a_store_whose_runs_are_all_deleted_says_so_and_how_they_come_back(tmp_path):
    with_runs = open_backend(f"sqlite:///{tmp_path}/.autotrack/autotrack.db")
    with_runs.write(Batch("w", 1, (RunStarted(FOREST, T, "e", "only"),)))
    with_runs.close()
    run("rm", "only", cwd=tmp_path)
    done, told = run("ls", cwd=tmp_path), "ll runs are deleted: autotrack ls --deleted shows them, autotrack rm --undo brings them back\n"
    assert (done.stdout, done.stderr) == ("", f"A{told}")
    assert run("show", "--last", cwd=tmp_path, check=1).stderr == f"autotrack: a{told}"
    assert "only" in out("ls", "--deleted", cwd=tmp_path)
    run("rm", "--undo", "only", cwd=tmp_path)
    assert "only" in out("ls", cwd=tmp_path)


def test_a_run_that_is_under_way_is_running_and_then_what_became_of_it(tmp_path):
    (tmp_path / "train.py").write_text(
        "import autotrack, os, signal, sys\n"
        "run = autotrack.start_run('long')\n"
        "run.log({'loss': 0.5}, step=0)\n"
        "autotrack.flush()\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "run.log({'loss': 0.25}, step=1)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    program = [sys.executable, "train.py"]
    with subprocess.Popen(
        program, cwd=tmp_path, env=environment(AUTOTRACK_QUIET="1"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout.readline() == "ready\n"
        assert "running" in (line := out("ls", cwd=tmp_path).splitlines()[1])
        assert "loss 0.5" in line
        child.communicate("\n")
    assert "lost" in (line := out("ls", cwd=tmp_path).splitlines()[1])
    assert "loss 0.25" in line


def test_an_unchanged_script_is_recorded_and_read_back(tmp_path):
    pytest.importorskip("sklearn")
    (tmp_path / "fits.py").write_text(
        "import numpy as np\nfrom sklearn.linear_model import Ridge\n"
        "X = np.arange(20.0).reshape(10, 2)\n"
        "for alpha in (1, 2, 3):\n    Ridge(alpha=alpha).fit(X, X[:, 0])\n"
    )
    launched = [sys.executable, "-m", "autotrack", "run", "--experiment", "loops", "fits.py"]
    done = subprocess.run(launched, cwd=tmp_path, env=environment(OMP_NUM_THREADS="1"), capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    (line,) = json.loads(out("ls", "--json", cwd=tmp_path))
    assert (line["title"], line["first"]["experiment"], line["first"]["call_site"]) == ("Ridge x 3", "loops", f"{tmp_path}/fits.py:5:<module>")
    assert [run["params"]["alpha"] for run in json.loads(out("search", "", "--order-by", "params.alpha", "--json", cwd=tmp_path))] == [1, 2, 3]
    assert "alpha" in out("compare", "Ridge-1", "Ridge-2", cwd=tmp_path)


# --- terminals


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
@pytest.mark.parametrize("words", [("ls",), ("ls", "--all"), ("show", NET), ("compare", NET, FOREST), ("search", "params.lr > 0")])
def test_nothing_is_wider_than_the_terminal(place, columns, words):
    shown = out(*words, cwd=place, COLUMNS=str(columns))
    assert max(map(len, shown.splitlines())) <= columns


def test_a_narrow_list_keeps_id_name_and_status(place):
    assert bare(terminal("ls", cwd=place, columns=60)).splitlines()[0].split()[:3] == ["ID", "NAME", "STATUS"]


def test_colours_are_for_terminals_that_want_them(place):
    assert "\x1b[32m" in terminal("ls", cwd=place, columns=100)
    assert "\x1b[3" not in terminal("ls", cwd=place, columns=100, NO_COLOR="1")
    assert "\x1b" not in terminal("ls", cwd=place, columns=100, TERM="dumb")
    assert "\x1b" not in out("ls", cwd=place)


def test_a_pipe_gets_whole_lines(place):
    shown = out("ls", cwd=place)
    assert "RandomForest-1" in shown
    assert "…  " not in shown
    assert "params" not in shown


def test_a_terminal_without_utf8_gets_ascii(place):
    for words in (("ls",), ("show", NET), ("compare", NET, FOREST), ("show", EVIL), ("ls", "--json"), ("ls", "--csv")):
        done = subprocess.run(
            [sys.executable, "-m", "autotrack", *words], cwd=place, env=environment(PYTHONIOENCODING="ascii", PYTHONUTF8="0"), capture_output=True
        )
        assert done.returncode == 0, done.stderr
        done.stdout.decode("ascii")
    assert "* train/loss" in process("show", NET, cwd=place, PYTHONIOENCODING="ascii").stdout


def test_text_of_users_is_only_shown(place):
    for words in (("ls",), ("show", EVIL), ("compare", EVIL, NET), ("search", "tags.team is null"), ("ls", "--all")):
        shown = out(*words, cwd=place)
        assert "\x1b" not in shown
        assert "\x07" not in shown
        assert "\u202e" not in shown
    shown = out("show", EVIL, cwd=place)
    assert r"\x1b[31mred\x1b[0m [bold]b[/bold] \u202egnp" in shown
    assert "[link=x]y[/link]" in shown
    assert r"\x1b[2J[blink]notes[/blink]\x07" in shown
    assert r"\x1b" not in json.loads(out("show", EVIL, "--json", cwd=place))["name"]  # JSON has its own escapes
    coloured = terminal("show", EVIL, cwd=place, columns=120)
    assert "\x1b[2J" not in coloured
    assert "\x1b]0;" not in coloured


def test_a_reader_that_goes_away_is_no_error(place):
    command = f"{sys.executable} -m autotrack show --csv {NET} | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", f"for i in 1 2 3; do {command}; done"], cwd=place, env=environment(), capture_output=True, text=True)
    assert done.stderr == ""
    assert set(done.stdout.splitlines()) <= {"key,step,time,value", "0", "141"}


def test_a_closed_pipe_is_141(place):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-m", "autotrack", "ls"], cwd=place, env=environment(), stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("words", ["ls", "show --last", "ls --json", "doctor"])
def test_a_closed_output_is_no_error(place, words):
    done = subprocess.run(f"{sys.executable} -m autotrack {words} >&-", shell=True, cwd=place, env=environment(), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_is_said_in_a_line(place):
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "autotrack", "ls"], cwd=place, env=environment(), stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (1, "autotrack: No space left on device\n")


def test_ctrl_c_is_130_and_silent(place):
    child = subprocess.Popen(
        [sys.executable, "-m", "autotrack", "note", NET, "-"],
        cwd=place,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(1.5)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=20)
    assert (child.returncode, said) == (130, "")


# --- errors


def test_a_query_that_cannot_be_read_is_pointed_at(place):
    done = run("ls", "metrics.loss << 1", cwd=place, check=2)
    lines = done.stderr.splitlines()
    assert lines[1] == "  metrics.loss << 1"
    assert lines[2] == "                ^"
    assert "position" not in lines[0]
    assert run("ls", "metrics.loss << 1", "--experiment", "iris", cwd=place, check=2).stderr == done.stderr


def test_an_order_that_cannot_be_read_is_pointed_at(place):
    assert "  metrics.loss sideways\n               ^" in run("search", "--order-by", "metrics.loss sideways", cwd=place, check=2).stderr


def test_an_unknown_run_gets_suggestions(place):
    said = run("show", "RandomForst-1", cwd=place, check=1).stderr
    assert "did you mean" in said
    assert FOREST in said
    assert "autotrack ls" in run("show", "zzz", cwd=place, check=1).stderr


def test_a_name_of_several_runs_asks_which(place):
    said = run("show", "net", cwd=place, check=1).stderr
    assert NET in said
    assert LOST in said


def test_a_run_goes_by_id_beginning_or_name(place):
    for reference in (FOREST, FOREST[:6], FOREST[:6].lower(), "RandomForest-1"):
        assert json.loads(out("show", reference, "--json", cwd=place))["id"] == FOREST


def test_a_beginning_of_several_ids_is_refused(place):
    said = run("show", "01R1DGE", cwd=place, check=1).stderr
    assert "01R1DGE0000000000000000" in said


def test_a_script_as_command_is_told_what_to_type(place):
    assert "autotrack run train.py" in run("train.py", cwd=place, check=2).stderr


def test_a_store_that_is_no_database_is_an_error_in_a_sentence(tmp_path):
    (tmp_path / ".autotrack").mkdir()
    (tmp_path / ".autotrack" / "autotrack.db").write_text("not a database, but long enough to look at" * 30)
    assert run("ls", cwd=tmp_path, check=1).stderr.startswith("autotrack: ")


def test_a_uri_of_an_unknown_scheme(place):
    assert "scheme" in run("ls", "--uri", "mongo://x", cwd=place, check=1).stderr


# --- show, search, compare


def test_show_tells_everything(place):
    shown = out("show", NET, cwd=place)
    for word in (
        "net  failed  1 m 12 s", NET, "RuntimeError: boom", "team=nlp", "  a first try\n  of two lines", "layers", "[64, 32]",
        "train/loss", "val/loss 0.12",
        "model/net.bin", "2.0 KiB", "Traceback (most recent call last):", "numpy 2.0", "abc123", "net.py:30:train", "2026-05-28 20:28:20Z",
        "DATA SETS\n  train.shape  [3, 4]\n",
    ):  # fmt: skip
        assert word in shown, word


def test_show_draws_one_measure_of_several_sets_in_one_picture(place):
    shown = terminal("show", NET, cwd=place, columns=80)
    assert re.search("[\u2801-\u28ff]{5}", bare(shown))
    assert "train/loss 0.02   val/loss 0.12" in bare(shown)


def test_show_draws_the_curve_that_is_asked_for(place):
    shown = out("show", NET, "--curve", "train/loss", cwd=place)
    assert "val/loss 0.12" not in shown.split("ARTIFACTS")[0].split("METRICS")[1].split("\n\n")[1]
    assert "train/loss" in run("show", NET, "--curve", "nothing", cwd=place, check=1).stderr


def test_show_in_json_and_csv(place):
    whole = json.loads(out("show", NET, "--json", cwd=place))
    assert whole["params"] == {"layers": [64, 32], "lr": 0.01, "n_estimators": 10}
    assert whole["statistics"]["train/loss"]["count"] == 50
    assert whole["environment"]["git"]["commit"] == "abc123"
    rows = list(csv.DictReader(io.StringIO(out("show", NET, "--csv", cwd=place))))
    assert len(rows) == 104
    assert rows[:4] == [
        {"key": "diverged", "step": str(step), "time": f"2026-05-28T20:26:4{step}.000Z", "value": value}
        for step, value in enumerate(["1.0", "2.0", "inf", "nan"])
    ]


def test_show_needs_one_run(place):
    assert "--last" in run("show", cwd=place, check=2).stderr
    assert json.loads(out("show", "--last", "--json", cwd=place))["id"] == LOST


def test_search_shows_what_the_query_names(place):
    lines = out(
        "search", "params.n_estimators > 1", "--order-by", "metrics.val/accuracy desc", "--columns", "metrics.train/loss.min", cwd=place
    ).splitlines()
    assert lines[0].split()[-3:] == ["train/loss.min", "n_estimators", "val/accuracy"]
    assert [line.split()[-2:] for line in lines[1:]] == [["100", "0.93"], ["0.02", "10"]]
    assert "No run fits" in run("search", "params.lr > 5", cwd=place).stderr


def test_search_in_json_and_csv(place):
    assert [r["id"] for r in json.loads(out("search", "params.lr > 0", "--json", cwd=place))] == [NET]
    assert out("search", "params.lr > 0", "--csv", cwd=place).splitlines()[1].startswith(f"{NET},net,iris,failed,")


def test_compare_shows_only_what_differs(place):
    shown = out("compare", f"01R1DGE{0:019d}", f"01R1DGE{1:019d}", cwd=place)
    assert "alpha" in shown
    assert "val/r2" in shown
    assert "ENVIRONMENT" not in shown
    found = json.loads(out("compare", NET, FOREST, "--json", cwd=place))
    assert found["params"]["n_estimators"] == {NET: 10, FOREST: 100}
    assert found["params"]["lr"] == {NET: 0.01, FOREST: None}
    assert found["code"] == {"git.commit": {NET: "abc123", FOREST: None}}
    rows = list(csv.DictReader(io.StringIO(out("compare", NET, FOREST, "--csv", cwd=place))))
    assert {"section": "environment", "key": "packages.numpy", NET: "2.0", FOREST: ""} in rows
    assert "DATA SETS\n  KEY          net" in out("compare", NET, FOREST, cwd=place)
    assert "two runs" in run("compare", NET, cwd=place, check=2).stderr
    assert "No difference" in out("compare", NET, NET, cwd=place)


# --- edits


def whole(reference, own):
    return json.loads(out("show", reference, "--json", cwd=own))


def test_tags_are_set_and_taken_off(own):
    out("tag", NET, "team=vision", "baseline", "odd=a=b", cwd=own)
    assert whole(NET, own)["tags"] == {"team": "vision", "baseline": "", "odd": "a=b"}
    out("tag", NET, "-d", "team", "-d", "odd", cwd=own)
    assert whole(NET, own)["tags"] == {"baseline": ""}
    assert run("tag", NET, cwd=own, check=2).stderr
    assert run("tag", NET, "=x", cwd=own, check=2).stderr


def test_a_run_gets_another_name(own):
    assert "forest" in out("rename", "RandomForest-1", "forest", cwd=own)
    assert whole("forest", own)["id"] == FOREST
    assert run("rename", FOREST, " ", cwd=own, check=2).stderr


def test_notes_are_written_appended_and_edited(own):
    out("note", FOREST, "first", "line", cwd=own)
    run("note", FOREST, "-", "--append", cwd=own, input="second\nthird\n")
    assert whole(FOREST, own)["notes"] == "first line\nsecond\nthird"
    run("note", FOREST, cwd=own, EDITOR="sed -i s/third/3rd/")
    assert whole(FOREST, own)["notes"] == "first line\nsecond\n3rd"


@pytest.mark.parametrize("words", [["ls"], ["tag", "only", "a=1"]], ids=" ".join)
def test_a_command_leaves_all_it_did_in_the_one_file(tmp_path, words):
    code = "import autotrack\nwith autotrack.start_run('only') as run: run.log({'loss': 1.0})"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    process(*words, cwd=tmp_path)
    assert [path.name for path in (tmp_path / ".autotrack").glob("autotrack.db*")] == ["autotrack.db"]


def test_an_edit_leaves_the_status_as_it_is(own):
    before = whole(LOST, own)
    for words in (("tag", LOST, "a=b"), ("note", LOST, "x"), ("rename", LOST, "gone")):
        run(*words, cwd=own)
    after = whole(LOST, own)
    assert (after["status"], after["ended"]) == (before["status"], before["ended"]) == ("lost", before["ended"])


def test_an_edit_waits_for_a_busy_store(own):
    lock = sqlite3.connect(own / ".autotrack" / "autotrack.db", isolation_level=None)
    lock.execute("begin immediate")
    child = subprocess.Popen([sys.executable, "-m", "autotrack", "tag", NET, "late=yes"], cwd=own, env=environment(), stdout=subprocess.DEVNULL)
    time.sleep(2.5)
    lock.execute("rollback")
    lock.close()
    assert child.wait(timeout=20) == 0
    assert whole(NET, own)["tags"]["late"] == "yes"


def test_a_deleted_run_is_hidden_and_comes_back(own):
    assert "1 run deleted" in out("rm", FOREST, cwd=own)
    assert "RandomForest" not in out("ls", cwd=own)
    assert "RandomForest" in out("ls", "--deleted", cwd=own)
    assert "1 run brought back" in out("rm", "--undo", FOREST, cwd=own)
    assert "RandomForest" in out("ls", cwd=own)


def test_what_brings_a_run_back_can_be_pasted(own):
    run("rename", FOREST, "first try", cwd=own)
    assert "autotrack rm --undo 'first try'\n" in run("rm", "first try", cwd=own).stderr


def test_a_deleted_run_takes_the_runs_inside_it_along(own):
    backend = open_backend(f"sqlite:///{own}/.autotrack/autotrack.db")
    child, grandchild = f"{'01CH1D':0<26}", f"{'01GRANDCH1D':0<26}"
    backend.write(Batch("b" * 16, 1, (RunStarted(child, T, "iris", "c", parent_id=FOREST), RunStarted(grandchild, T, "iris", "g", parent_id=child))))
    backend.close()
    assert "RUNS INSIDE (1)" in out("show", FOREST, cwd=own)
    assert "3 runs deleted" in out("rm", FOREST, cwd=own)
    assert "3 runs brought back" in out("rm", "--undo", FOREST, cwd=own)


def test_gc_removes_for_good_what_was_deleted(own):
    run("rm", FOREST, cwd=own)
    assert json.loads(out("gc", "--json", cwd=own))["runs"] == 0
    assert FOREST in out("gc", "--older-than", "0d", "--dry-run", cwd=own)
    assert json.loads(out("gc", "--older-than", "0d", "--json", cwd=own))["runs"] == 1
    assert "RandomForest" not in out("ls", "--deleted", cwd=own)
    assert "no age" in run("gc", "--older-than", "soon", cwd=own, check=2).stderr
    assert "0 runs" in out("gc", "--older-than", f"{'9' * 400}w", cwd=own)


# --- the store


def test_export_writes_a_folder_a_run(own):
    run("export", EVIL, FOREST, "-o", "exported", cwd=own)
    folder = own / "exported" / f"RandomForest-1-{FOREST}"
    assert json.loads((folder / "run.json").read_text())["params"]["n_estimators"] == 100
    assert (folder / "metrics.csv").read_text() == "key,step,time,value\n"
    assert {p.name for p in (own / "exported").iterdir()} == {folder.name, next(p.name for p in (own / "exported").iterdir() if EVIL in p.name)}
    assert "--force" in run("export", FOREST, "-o", "exported", cwd=own, check=1).stderr
    run("export", FOREST, "-o", "exported", "--force", cwd=own)
    assert len(json.loads(out("export", "--where", "experiment = 'ridges'", "-o", "ridges", "--json", cwd=own))) == 12
    assert run("export", cwd=own, check=2).stderr


def test_export_writes_one_page(own):
    from autotrack.server import page

    assert "--db" in run("export", FOREST, "--html", "--db", cwd=own, check=2).stderr
    assert run("export", "--html", cwd=own, check=2).stderr
    if page.missing():
        assert "To fetch them (needs npm)" in run("export", FOREST, "--html", cwd=own, check=1).stderr
        pytest.skip("the page's libraries are not here: python scripts/vendor.py")
    written = json.loads(out("export", EVIL, FOREST, FOREST, "--html", "-o", "runs.html", "--json", cwd=own))
    assert written == [{"path": "runs.html", "bytes": (own / "runs.html").stat().st_size}]
    assert b"RandomForest-1" in (own / "runs.html").read_bytes()
    assert "--force" in run("export", FOREST, "--html", "-o", "runs.html", cwd=own, check=1).stderr
    run("export", FOREST, "--html", "-o", "runs.html", "--force", cwd=own)


def test_a_page_without_its_libraries_says_what_to_type(monkeypatch):
    from autotrack.cli.ui import NotInstalled, check_page
    from autotrack.server import page

    monkeypatch.setattr(page, "missing", lambda: ["./vendor/htm.js"])
    with pytest.raises(NotInstalled, match=r"an exported page lacks \./vendor/htm\.js[^$]*python scripts/vendor\.py"):
        check_page("an exported page")


def test_export_brings_the_artifacts_along(tmp_path):
    (tmp_path / "train.py").write_text(
        "import autotrack\n"
        "with autotrack.start_run('a') as run:\n    run.log_text('notes/result.txt', 'all fine')\n    run.log({'loss': 0.5}, step=0)\n"
    )
    subprocess.run([sys.executable, "train.py"], cwd=tmp_path, env=environment(AUTOTRACK_QUIET="1"), check=True)
    path = Path(out("export", "a", cwd=tmp_path).strip())
    assert (tmp_path / path / "artifacts" / "notes" / "result.txt").read_text() == "all fine"
    assert (tmp_path / path / "metrics.csv").read_text().splitlines()[1].startswith("loss,0,")


def test_an_artifact_never_leaves_the_folder(tmp_path):
    from autotrack.cli.export import inside
    from autotrack.errors import AutotrackError

    assert inside(tmp_path, "a/b.txt") == tmp_path / "a" / "b.txt"
    for name in ("../b", "/etc/passwd", "a/../../b", ".."):
        with pytest.raises(AutotrackError):
            inside(tmp_path, name)


def test_export_copies_the_whole_store_while_it_is_written(own):
    run("export", "--db", "-o", "copy.db", cwd=own)
    assert "--force" in run("export", "--db", "-o", "copy.db", cwd=own, check=1).stderr
    assert len(json.loads(out("ls", "--all", "-n", "99", "--json", "--uri", f"sqlite:///{own}/copy.db", cwd=own))) == 16


@pytest.mark.parametrize("words", [["--db"], [FOREST, "--html"]], ids=" ".join)
@pytest.mark.parametrize("target", [".autotrack/autotrack.db", ".autotrack/autotrack.db-wal", "link.db", ".autotrack", "."])
def test_export_never_writes_over_the_store_or_a_folder(own, words, target):
    (own / "link.db").symlink_to(".autotrack/autotrack.db")
    (own / "kept").write_text("kept")
    before = (own / ".autotrack" / "autotrack.db").read_bytes()
    assert "name " in run("export", *words, "--force", "-o", target, cwd=own, check=1).stderr
    assert (own / "kept").exists()
    assert (own / ".autotrack" / "autotrack.db").read_bytes() == before


def test_a_copy_that_fails_leaves_the_one_before_it(own, monkeypatch):
    run("export", "--db", "-o", "copy.db", cwd=own)
    before = (own / "copy.db").read_bytes()
    (own / "copy.db-wal").write_text("of the one before")
    with monkeypatch.context() as patch:
        patch.setattr("sqlite3.connect", lambda *_, **__: (_ for _ in ()).throw(sqlite3.OperationalError("disk full")))
        run("export", "--db", "-o", "copy.db", "--force", cwd=own, check=1)
    assert (own / "copy.db").read_bytes() == before
    run("export", "--db", "-o", "copy.db", "--force", cwd=own)
    assert sorted(path.name for path in own.glob("copy.db*")) == ["copy.db"]


def test_files_whose_names_are_folders_of_others_are_exported_too(tmp_path):
    code = "import autotrack\nwith autotrack.start_run('a') as run:\n for name in ('d', 'd/e', 'd~'): run.log_text(name, name)"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment(AUTOTRACK_QUIET="1"), check=True)
    folder = tmp_path / out("export", "a", cwd=tmp_path).strip() / "artifacts"
    found = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert found == {"d~~": "d", "d/e": "d/e", "d~": "d~"}


def test_a_name_is_found_in_any_locale_and_bytes_that_are_none_are_no_run(tmp_path):
    code = "import autotrack; autotrack.start_run('löc').finish()"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment(AUTOTRACK_QUIET="1"), check=True)
    old = environment(LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING="utf-8")
    command = [sys.executable, "-m", "autotrack", "show"]
    assert "löc  finished" in subprocess.run([*command, "löc"], cwd=tmp_path, env=old, capture_output=True, check=True).stdout.decode()
    none = subprocess.run([*command, b"\xff"], cwd=tmp_path, env=old, capture_output=True)
    assert (none.returncode, none.stderr.decode().partition(";")[0]) == (1, "autotrack: no run \ufffd in this store")


def test_where_says_where(own, tmp_path):
    assert out("where", cwd=own) == f"{own}/.autotrack/autotrack.db\n"
    (own / "deep" / "er").mkdir(parents=True)
    assert out("where", cwd=own / "deep" / "er") == f"{own}/.autotrack/autotrack.db\n"
    (tmp_path / "none").mkdir()
    done = run("where", cwd=tmp_path / "none")
    assert "not there yet" in done.stderr
    assert json.loads(out("where", "--json", cwd=own))["exists"] is True


def test_doctor_finds_a_sound_store_sound(own):
    shown = out("doctor", cwd=own, AUTOTRACK_EXPERIMENT="mine")
    assert re.search("experiment +mine +AUTOTRACK_EXPERIMENT", shown)
    assert re.search("health +ok", shown)
    assert re.search("runs +16", shown)
    assert re.search("sklearn [0-9.]+ +observed", shown)
    assert "All is well." in shown


def test_doctor_works_without_a_store_and_makes_none(tmp_path):
    found = {one["name"]: one for one in json.loads(out("doctor", "--json", cwd=tmp_path))}
    assert found["database"]["value"] == "not there yet"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["nfs4", "gpfs", "fuse.s3fs"])
def test_doctor_warns_of_every_file_system_that_the_journal_shuns(own, monkeypatch, kind):
    from autotrack.cli import doctor
    from autotrack.recording import mounts

    monkeypatch.setattr(doctor, "framework_findings", lambda: iter(()))
    monkeypatch.setattr(mounts, "file_system_of", lambda _folder: kind)
    assert re.search(f"file system: {kind}\n.*SQLite is not safe on it", run("doctor", cwd=own, check=1).stdout)


def test_doctor_finds_a_damaged_store_damaged(own, monkeypatch):
    from autotrack.cli import doctor

    monkeypatch.setattr(doctor, "framework_findings", lambda: iter(()))
    database = own / ".autotrack" / "autotrack.db"
    pages = bytearray(database.read_bytes())
    pages[4096 * 3 : 4096 * 6] = os.urandom(4096 * 3)
    database.write_bytes(pages)
    shown = run("doctor", cwd=own, check=1).stdout
    assert "damaged" in shown
    assert "to see to" in shown


# --- the shell


def test_without_a_command_it_shows_its_help(place):
    for words in ((), ("--help",), ("-h",)):
        assert process(*words, cwd=place).stdout.startswith("Usage: autotrack [OPTIONS]")


def test_the_version():
    import autotrack

    assert out("--version", cwd="/") == f"autotrack {autotrack.__version__}\n"


def test_help_is_quick_to_load():
    heavy = {"rich", "numpy", "pandas", "sqlite3", "sqlite_utils", "psutil", "fsspec", "sklearn", "asyncio"}
    program = (
        "import sys; sys.argv = ['autotrack', '--help']\nfrom autotrack.cli.main import main\ntry: main()\nexcept SystemExit: print(*sys.modules)"
    )
    assert heavy & set(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()) == set()


def test_ids_are_completed(place):
    asked = environment(_AUTOTRACK_COMPLETE="bash_complete", COMP_WORDS="autotrack show 01FOR", COMP_CWORD="2")
    program = "from autotrack.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", program], cwd=place, env=asked, capture_output=True, text=True)
    assert done.stdout == f"plain,{FOREST}\n"
