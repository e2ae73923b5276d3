"""``autotrack top`` on a real (pseudo) terminal: what is seen, what keys do, and that the terminal is left as it was."""

import codecs
import fcntl
import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest

from autotrack.backends.opening import open_backend
from autotrack.records import Batch, MetricsLogged, RunEnded, RunNoted, RunStarted, SummarySet

T = 1_780_000_000.0
FAST, SLOW, EVIL = (f"{word:0<26}" for word in ("01FAST", "01SL0W", "01EV1T"))
BEGUN = re.compile(r"(\x1b(\[[?\d;]*)?)?\Z")
PART = re.compile(r"\x1b\[(\?\d+[hl]|(\d+);(\d+)H|\d*[A-Za-z]|[\d;]*m)|.", re.S)


@pytest.fixture
def place(tmp_path):
    backend = open_backend(f"sqlite:///{tmp_path}/.autotrack/autotrack.db")
    steps = list(range(50))
    losses = MetricsLogged(FAST, T + 5, ("val/loss",), steps, [T + 5 + s for s in steps], [[1 / (s + 1) for s in steps]])
    records = [
        RunStarted(FAST, T, "iris", "fast"),
        losses,
        SummarySet(FAST, T + 60, {"val/acc": 0.75}),
        RunEnded(FAST, T + 60, "finished"),
        RunStarted(SLOW, T + 100, "iris", "slow"),
        MetricsLogged(SLOW, T + 101, ("val/loss",), [0, 1], [T + 101, T + 102], [[0.5, 0.25]]),
        SummarySet(SLOW, T + 160, {"val/acc": 0.5}),
        RunEnded(SLOW, T + 160, "failed", "RuntimeError: boom"),
        RunStarted(EVIL, T + 200, "evil", "\x1b[2Jevil\x07\u202egnp"),
        RunNoted(EVIL, T + 200, "notes", "\x1b[2J"),
        RunEnded(EVIL, T + 201, "interrupted"),
    ]
    backend.write(Batch("a" * 16, 1, tuple(records)))
    yield tmp_path
    backend.close()


class Screen:
    """A terminal with ``autotrack top`` in it; it understands the few sequences that top may write, and no other."""

    def __init__(self, *words, cwd, columns=100, rows=30, inside="", **more):
        self.fd, self.theirs = pty.openpty()
        self.before = termios.tcgetattr(self.theirs)
        self.resize(columns, rows)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AUTOTRACK_", "COLUMNS", "LINES", "NO_COLOR", "LC_", "LANG"))}
        environment = {**kept, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color", **more}
        command = [sys.executable, "-m", "autotrack", "top", *words]
        if inside:  # a shell's command line
            command = ["bash", "-c", inside.format(top=shlex.join(command))]
        self.child = subprocess.Popen(
            command,
            cwd=cwd, env=environment, stdin=self.theirs, stdout=self.theirs, stderr=self.theirs, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        self.raw, self.begun = b"", ""
        self.decoder = codecs.getincrementaldecoder("utf-8")()
        self.modes = {}

    def resize(self, columns, rows):
        self.columns, self.rows = columns, rows
        self.cells = [[" "] * columns for _ in range(rows)]
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds):
        """Take in what comes for so long."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and select.select([self.fd], [], [], left)[0]:
            try:
                piece = os.read(self.fd, 65536)
            except OSError:
                return
            self.raw += piece
            text = self.begun + self.decoder.decode(piece)
            self.begun = BEGUN.search(text)[0]  # a sequence whose end comes with the next piece
            self._show(text.removesuffix(self.begun))

    def _show(self, text):
        row, column = getattr(self, "at", (0, 0))
        for part in PART.finditer(text):
            whole = part[0]
            if part[2]:
                row, column = int(part[2]) - 1, int(part[3]) - 1
            elif whole == "\x1b[2J":
                self.cells = [[" "] * self.columns for _ in range(self.rows)]
            elif whole == "\x1b[K":
                self.cells[row][column:] = [" "] * (self.columns - column)
            elif whole == "\x1b[J":
                for below in range(row, self.rows):
                    self.cells[below] = [" "] * self.columns
            elif whole.startswith("\x1b[?"):
                self.modes[int(whole[3:-1])] = whole[-1]
            elif whole.startswith("\x1b["):
                assert whole.endswith("m"), repr(whole)
            elif self.modes.get(1049) == "h":  # on the screen of a shell there is more
                assert whole.isprintable(), repr(whole)
                self.cells[row][column] = whole
                column += 1
        self.at = row, column

    def text(self):
        return "\n".join("".join(line).rstrip() for line in self.cells)

    def until(self, word, seconds=15):
        """The screen as soon as it shows this."""
        end = time.monotonic() + seconds
        while not re.search(word, self.text()):
            assert time.monotonic() < end, f"{word!r} is not on the screen:\n{self.text()}"
            assert self.child.poll() is None, self.raw.decode(errors="replace")
            self.read(0.1)
        return self.text()

    def until_raw(self, word):
        end = time.monotonic() + 15
        while word not in self.raw:
            assert time.monotonic() < end, self.raw
            self.read(0.1)

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def ends(self, code):
        end = time.monotonic() + 15
        while self.child.poll() is None:
            assert time.monotonic() < end, "it does not end"
            self.read(0.1)
        self.read(0.1)
        assert self.child.returncode == code
        assert termios.tcgetattr(self.theirs) == self.before
        assert self.modes == {1049: "l", 25: "h"}  # the first screen again, and a cursor
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        os.close(self.fd)
        os.close(self.theirs)


def names(text):
    return re.findall(r"^[> ] +(\S+) +(?:finished|failed|interrupted|running) ", text, re.M)


def test_it_lists_runs_and_draws_the_curve_of_the_chosen_one(place):
    with Screen(cwd=place, columns=130) as screen:
        shown = screen.until("slow")
        assert re.search(r"0 running  3 runs", shown)
        assert re.search(r"STARTED ↓", shown)
        assert re.search(r">\s+\S*evil", shown)
        screen.type("jj")
        shown = screen.until(r">\s+fast")
        assert re.search(r"fast +finished +2026-05-28 20:26:40Z +1 m 00 s +49 +iris +0.75 +0.02", shown)
        assert "val/loss 0.02" in shown  # the legend of the picture below
        assert re.search("[\u2801-\u28ff]{5}", shown)
        screen.type("q")
        screen.ends(0)


def test_a_run_that_trains_moves_by_itself(place):
    program = (
        "import autotrack, sys\nrun = autotrack.start_run('training')\nfor step, line in enumerate(sys.stdin):\n"
        "    run.log({'val/loss': float(line)}, step=step)\n    autotrack.flush()\n    print('ok', flush=True)\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AUTOTRACK_")}
    with (
        Screen(cwd=place) as screen,
        subprocess.Popen(
            [sys.executable, "-c", program], cwd=place, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as child,
    ):
        screen.until("slow")
        for value in ("8.5", "7.25"):
            child.stdin.write(f"{value}\n")
            child.stdin.flush()
            child.stdout.readline()
            screen.until(rf"training +running .* {value}")
        screen.type("g\r")
        screen.until("val/loss 7.25")
        child.stdin.write("1.125\n")
        child.stdin.flush()
        shown = screen.until("val/loss 1.125")
        assert "training  running" in shown
        child.stdin.close()
        screen.until("training  finished")
        screen.type("q")
        screen.ends(0)


def test_keys_sort_filter_and_open(place):
    with Screen(cwd=place) as screen:
        screen.until("slow")
        screen.type("s")
        screen.until(r"NAME ↑")
        assert names(screen.text())[1:] == ["fast", "slow"]
        screen.type("r")
        screen.until(r"NAME ↓")
        screen.type("ssss")
        screen.until(r"val/acc ↑|val/acc ↓")
        screen.type("/metrics.val/acc >> 1\r")
        assert "expected" in screen.until("expected")
        screen.type("\x15metrics.val/acc > 0.6\r")
        screen.until("  1 run ")
        assert names(screen.text()) == ["fast"]
        screen.type("\r")
        shown = screen.until("Enter back")
        assert f"fast  finished  1 m 00 s  {FAST}  iris" in shown
        assert "val/loss 0.02" in shown
        screen.type("\x1b")
        screen.until("Enter curves")
        screen.type("/\x15\r")
        screen.until("3 runs")
        screen.type("?")
        screen.until("turn the order around")
        screen.type("q")  # closes the help alone
        screen.until("3 runs")
        screen.type("q")
        screen.ends(0)


def test_arrow_keys_move(place):
    with Screen(cwd=place) as screen:
        screen.until("slow")
        screen.type("\x1b[B")
        screen.until(r">\s+slow")
        screen.type("\x1bOB\x1b[B\x1b[B")
        screen.until(r">\s+fast")
        screen.type("\x1b[A")
        screen.until(r">\s+slow")
        screen.type("\r")
        assert "RuntimeError: boom" in screen.until("Enter back")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_signals_leave_the_terminal_as_it_was(place, number, code):
    with Screen(cwd=place) as screen:
        screen.until("slow")
        if number == signal.SIGINT:
            screen.type("\x03")
        else:
            screen.child.send_signal(number)
        screen.ends(code)
        assert b"Traceback" not in screen.raw


def test_it_can_be_stopped_and_goes_on(place):
    with Screen(cwd=place, inside="set -m; {top}; echo stopped; read line; fg; exit 7") as screen:
        screen.until("slow")
        screen.type("\x1a")
        screen.until_raw(b"stopped\r\n")
        assert screen.modes == {1049: "l", 25: "h"}
        screen.cells = [[" "] * screen.columns for _ in range(screen.rows)]
        screen.type("\n")
        screen.until("slow")
        screen.type("q")
        screen.ends(7)


@pytest.mark.parametrize(("columns", "rows"), [(20, 6), (40, 10), (60, 24), (200, 60), (10, 3), (80, 1)])
def test_it_fits_any_terminal_and_follows_its_size(place, columns, rows):
    with Screen(cwd=place, columns=columns, rows=rows) as screen:
        screen.until("autotrack top|autotrack")
        screen.read(1.2)  # a cell beyond the edge would be an IndexError
        screen.type("\r")
        screen.read(0.5)
        screen.resize(100, 30)
        screen.until("Enter back")
        screen.type("q")
        screen.ends(0)


def test_without_colours_and_without_unicode(place):
    with Screen(cwd=place, NO_COLOR="1", PYTHONIOENCODING="ascii") as screen:
        screen.until("slow")
        screen.type("G")
        shown = screen.until(r">\s+fast")
        assert "STARTED v" in shown
        assert shown.isascii()
        assert re.search(r"\*{3}", shown)
        assert re.search(rb"\x1b\[[\d;]*[34]\dm", screen.raw) is None
        screen.type("q")
        screen.ends(0)


def test_text_of_users_is_only_shown(place):
    with Screen(cwd=place, columns=140) as screen:
        shown = screen.until("evil")
        screen.type("q")
        screen.ends(0)
        assert r"\x1b[2Jevil\x07" in shown
        assert "\u202e" not in screen.raw.decode()
        assert screen.raw.count(b"\x1b[2J") == 1  # our own, at the beginning


def test_a_terminal_that_does_not_change_is_left_alone(place):
    """Over a slow line only what changes is written; a list at rest writes nothing."""
    with Screen(cwd=place) as screen:
        screen.until("slow")
        screen.read(1.5)
        before = len(screen.raw)
        screen.read(3)
        assert len(screen.raw) == before
        screen.type("q")
        screen.ends(0)


def test_where_it_cannot_draw_it_says_so(place):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AUTOTRACK_")}
    done = subprocess.run([sys.executable, "-m", "autotrack", "top"], cwd=place, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert "autotrack ls prints a list" in done.stderr
    with Screen(cwd=place, TERM="dumb") as screen:
        assert screen.child.wait(20) == 1
