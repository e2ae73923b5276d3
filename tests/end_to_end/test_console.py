"""What a program prints is kept with its run, and the program, its terminal and its tests notice nothing."""

import os
import pty
import select
import signal
import subprocess
import sys
import time

import pytest

import autotrack
from autotrack.recording.reading import reading

SAYS = """
import sys, logging
logging.basicConfig(level="INFO", format="%(message)s", stream=sys.stderr)
print("before")
import autotrack
print(sys.stdout.isatty(), sys.stdout.line_buffering, file=sys.stderr)
same = sys.stdout, sys.stderr, sys.stdout.buffer
with autotrack.start_run("a") as run:
    print("one", 1, sep="\\t")
    print("\\x1b[31mred\\x1b[0m", file=sys.stderr, flush=True)
    logging.info("logged")
    sys.stdout.write("written\\n")
    sys.stdout.writelines(["x\\n", "y\\n"])
    sys.stdout.buffer.write(b"bytes\\n") and sys.stdout.flush()
    print("token=abc", "größe 模型")
    try:
        sys.stdout.write(5)
    except TypeError as error:
        print(error)
assert same == (sys.stdout, sys.stderr, sys.stdout.buffer)
assert "write" not in vars(sys.stdout) and "write" not in vars(sys.stderr)
print("after")
"""


def environment(**more):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("AUTOTRACK_") and k != "PYTHONUNBUFFERED"}
    return {**kept, "AUTOTRACK_QUIET": "1", "PYTHONIOENCODING": "utf-8", **more}


def program(store, text, *options, **more):
    (store.parent / "train.py").write_text(text)
    return subprocess.run([sys.executable, *options, "train.py"], cwd=store.parent, env=environment(**more), capture_output=True, check=False)


def console(name="a", after=0):
    (found,) = autotrack.search_runs(f"name = '{name}'")
    return reading().printed(found, after)


def on_a_terminal(store, text, **more):
    (store.parent / "train.py").write_text(text)
    ours, theirs = pty.openpty()
    child = subprocess.Popen([sys.executable, "train.py"], cwd=store.parent, env=environment(**more), stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    read = b""
    while select.select([ours], [], [], 30)[0]:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        read += piece
    os.close(ours)
    assert child.wait() == 0, read
    return read


SEEN = "one\t1\n\x1b[31mred\x1b[0m\nlogged\nwritten\nx\ny\ntoken=*** größe 模型\nwrite() argument must be str, not int\n"


@pytest.mark.parametrize("options", [(), ("-u",)])
def test_the_bytes_are_the_same_and_the_text_is_kept(store, options):
    on = program(store, SAYS, *options)
    off = program(store, SAYS, *options, AUTOTRACK_CONSOLE="0")
    disabled = program(store, SAYS, *options, AUTOTRACK_DISABLED="1")
    assert len({(each.returncode, each.stdout, each.stderr) for each in (on, off, disabled)}) == 1
    assert on.returncode == 0, on.stderr
    first, second = autotrack.search_runs("name = 'a'", order_by="started")
    assert [artifact.kind for artifact in first.artifacts] == ["console"]
    assert first.artifacts[0].read_text() == SEEN
    assert second.artifacts == ()


def test_a_terminal_shows_the_same(store):
    on, off = (on_a_terminal(store, SAYS, AUTOTRACK_CONSOLE=value) for value in ("1", "0"))
    assert on == off
    assert b"True True" in on
    assert autotrack.search_runs("name = 'a'", order_by="started")[0].artifacts[0].read_text() == SEEN


def test_it_is_read_while_it_is_written_and_survives_kill_9(store):
    (store.parent / "train.py").write_text(
        "import autotrack, sys, time\nrun = autotrack.start_run('a')\n"
        "for line in sys.stdin:\n    print('got', line, end='', file=sys.stderr)\n"
    )
    words = [sys.executable, "train.py"]
    with subprocess.Popen(words, cwd=store.parent, env=environment(), stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        at, seen = 0, ""
        for line in ("first\n", "second\n"):
            child.stdin.write(line.encode())
            child.stdin.flush()
            until = time.monotonic() + 10
            while line not in seen:
                assert time.monotonic() < until
                time.sleep(0.05)
                piece = console(after=at) if autotrack.search_runs("name = 'a'") else None
                if piece is not None:
                    seen, at = seen + piece.text, piece.next
        assert seen == "got first\ngot second\n"
        child.send_signal(signal.SIGKILL)
    assert console().text == "got first\ngot second\n"
    (run,) = autotrack.search_runs()
    assert [artifact.read_text() for artifact in run.artifacts] == ["got first\ngot second\n"]
    assert autotrack.get_run(run.id).status == "lost"


def test_children_threads_and_nested_runs(store):
    done = program(
        store,
        """
import autotrack, os, subprocess, sys, threading
run = autotrack.start_run("a")
print("before the fork", flush=True)
pid = os.fork()
if pid == 0:
    print("the child speaks", flush=True)
    assert "write" not in vars(sys.stdout)
    os._exit(0)
os.waitpid(pid, 0)
subprocess.run([sys.executable, "-c", "print('another program')"])
with autotrack.start_run("inner"):
    print("inside")
thread = threading.Thread(target=lambda: print("a thread"))
thread.start(); thread.join()
print("no line end", end="")
""",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"before the fork\nthe child speaks\nanother program\ninside\na thread\nno line end"
    assert console().text == "before the fork\ninside\na thread\nno line end"
    assert console("inner") is None


def test_os_exit_and_a_traceback(store):
    done = program(store, "import autotrack, os, time\nautotrack.start_run('a')\nprint('said', flush=True)\ntime.sleep(1)\nos._exit(3)\n")
    assert (done.returncode, done.stdout) == (3, b"said\n")
    assert console().text == "said\n"
    done = program(store, "import autotrack\nautotrack.start_run('b')\nprint('said')\n1 / 0\n")
    assert done.stderr.endswith(b"ZeroDivisionError: division by zero\n")
    assert b"autotrack" not in done.stderr.replace(b"import autotrack", b"")
    assert "ZeroDivisionError: division by zero\n" in console("b").text


def test_a_flood_is_bounded_and_what_is_missing_is_told(store):
    done = program(store, "import autotrack\nwith autotrack.start_run('a'):\n    for i in range(300_000):\n        print('line', i)\n")
    assert done.stdout.count(b"\n") == 300_000
    piece = console()
    assert "they came too fast to be counted" in piece.text
    assert piece.text.endswith("line 299998\nline 299999\n")
    assert piece.text.count("\n") > 5_000
    (run,) = autotrack.search_runs()
    assert run.artifacts[0].size < 250_000


def test_many_lines_are_counted(store):
    text = "import autotrack, time\nwith autotrack.start_run('a'):\n    for i in range(10_000):\n        print('a line of words and numbers', i)\n"
    done = program(store, text + "        i % 500 or time.sleep(0.1)\n")
    piece = console()
    assert piece.text.startswith("a line of words and numbers 0\n")
    assert piece.text.endswith("a line of words and numbers 9999\n")
    assert (piece.cut, piece.next) == (True, len(done.stdout))


def test_one_long_text_keeps_its_ends(store):
    done = program(store, "import autotrack\nwith autotrack.start_run('a'):\n    print('x' * 500_000 + '!')\n")
    assert len(done.stdout) == 500_002
    piece = console()
    assert len(piece.text) < 25_000
    assert "… 480001 characters left out …" in piece.text
    assert piece.text.endswith("x!\n")


def test_capsys_sees_what_it_saw(store, capsys):
    out, err = sys.stdout, sys.stderr
    with autotrack.start_run("a"):
        print("to capsys")
        print("error", file=sys.stderr)
        assert (sys.stdout, sys.stderr) == (out, err)
        assert capsys.readouterr() == ("to capsys\n", "error\n")
    print("after")
    assert capsys.readouterr() == ("after\n", "")
    assert "write" not in vars(out)


def test_redirected_and_spoofed_streams_are_left_alone(store, tmp_path):
    import contextlib
    import doctest
    import io
    import pickle

    into = io.StringIO()
    with contextlib.redirect_stdout(into):
        with autotrack.start_run("a"):
            print("into a text")
            pickle.dumps(into)
    assert into.getvalue() == "into a text\n"
    assert vars(into) == {}

    def documented():
        """
        >>> import autotrack
        >>> with autotrack.start_run("b"):
        ...     print("seen")
        seen
        """

    results = doctest.DocTestRunner(verbose=False).run(doctest.DocTestFinder().find(documented, globs={})[0])
    assert (results.failed, results.attempted) == (0, 2)


def test_somebody_elses_wrapper_stays(store, capsys):
    stream = sys.stdout
    original = stream.write
    heard = []

    def theirs(text):
        heard.append(text)
        return original(text)

    stream.write = theirs
    with autotrack.start_run("a"):
        print("one")
    assert stream.write is theirs
    del stream.write
    with autotrack.start_run("b"):
        ours = stream.write
        stream.write = lambda text: ours(text)  # put in front of ours, and left there
        print("two")
    print("three")
    assert capsys.readouterr().out == "one\ntwo\nthree\n"
    assert console("b").text == "two\n"
    del stream.write
    assert heard == ["one", "\n"]


def test_a_run_that_goes_on_keeps_both_parts(store, capsys):
    with autotrack.start_run("a") as run:
        print("first")
    time.sleep(1.1)  # another second, another name
    with autotrack.start_run(run_id=run.id):
        print("second")
    assert console().text == "first\nsecond\n"


def test_two_runs_of_two_threads_have_what_was_printed_in_their_time(store, capsys):
    a = autotrack.start_run("a")
    print("only a")
    import threading

    def other():
        with autotrack.start_run("b"):
            print("both")

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    a.finish()
    assert console("a").text == "only a\nboth\n"
    assert console("b").text == "both\n"


def test_in_a_notebook_the_cells_output_is_as_it_was(store, monkeypatch):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    monkeypatch.delenv("AUTOTRACK_STRICT", raising=False)
    cells = [
        "import autotrack, sys\nrun = autotrack.start_run('a')\nprint('one')\nprint('bad', file=sys.stderr)",
        "import asyncio\nawait asyncio.sleep(0)\nprint('two')",
        "print('three')\nrun.finish()",
        "print('four')",
    ]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    before = dict(os.environ)
    nbclient.NotebookClient(book, timeout=60, kernel_name="python3", resources={"metadata": {"path": str(store.parent)}}).execute()
    for name in set(os.environ) - set(before):
        del os.environ[name]
    said = [(output["name"], output["text"]) for cell in book.cells for output in cell.outputs]
    assert said == [("stdout", "one\n"), ("stderr", "bad\n"), ("stdout", "two\n"), ("stdout", "three\n"), ("stdout", "four\n")]
    assert console().text == "one\nbad\ntwo\nthree\n"


def test_show_prints_it(store):
    says = "    print('\\x1b[31mred\\x1b[0m \\x1b]0;title\\x07')\n    for i in range(20):\n        print('line', i)\n"
    assert program(store, f"import autotrack\nwith autotrack.start_run('a'):\n{says}").returncode == 0

    def show(*words, code=0):
        words = [sys.executable, "-m", "autotrack", "show", *words]
        done = subprocess.run(words, cwd=store.parent, env=environment(), capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        return done.stdout

    assert "CONSOLE (the last 12 of 21 lines; all: --console)\nline 8\n" in show("a")
    assert show("a", "--console") == "red \\x1b]0;title\\x07\n" + "".join(f"line {i}\n" for i in range(20))
    program(store, "import autotrack\nautotrack.start_run('b').finish()\n")
    assert "CONSOLE" not in show("b")
    show("b", "--console", code=1)
