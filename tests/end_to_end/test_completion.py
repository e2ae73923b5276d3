"""Completion in a real shell."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time

import pytest

from autotrack.backends.opening import open_backend
from autotrack.records import Batch, RunStarted

T = 1_780_000_000.0


@pytest.fixture
def place(tmp_path):
    runs = [
        ("01F0REST", "iris/first", "RandomForest-1"),
        ("01R1DGE1", "iris/first", "Ridge-1"),
        ("01TW1CE1", "other", "twice"),
        ("01TW1CE2", "other", "twice"),
        ("01EV1T", "$(touch experiment)", "Rx$(touch name) `touch tick`\n*"),
    ]
    backend = open_backend(f"sqlite:///{tmp_path}/.autotrack/autotrack.db")
    backend.write(Batch("a" * 16, 1, tuple(RunStarted(f"{uid:0<26}", T + i, experiment, name) for i, (uid, experiment, name) in enumerate(runs))))
    backend.close()
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "autotrack"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m autotrack "$@"\n')
    command.chmod(0o755)
    return tmp_path


def environment(place):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AUTOTRACK_", "LC_", "LANG"))}
    return {**kept, "PATH": f"{place}/bin:{os.environ['PATH']}", "LC_ALL": "C.UTF-8", "TERM": "dumb", "PS1": "$ ", "HOME": str(place)}


class Shell:
    """An interactive shell on a pseudo terminal; bash, if nothing else is said."""

    def __init__(self, place, words=("bash", "--norc", "--noprofile", "-i"), begin='eval "$(autotrack completion bash)"'):
        self.fd, theirs = pty.openpty()
        self.begin = begin
        self.child = subprocess.Popen(words, cwd=place, env=environment(place), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)
        self.said = ""

    def after(self, typed, expected):
        """What it shows from here on, until the expected is there."""
        start = len(self.said)
        os.write(self.fd, typed.encode())
        until = time.monotonic() + 20
        while not re.search(expected, self.said[start:]):
            assert time.monotonic() < until, self.said
            if select.select([self.fd], [], [], 0.2)[0]:
                self.said += os.read(self.fd, 65536).decode()
        return self.said[start:]

    def __enter__(self):
        self.after(f'{self.begin}; echo re""ady\n', "ready\r\n.*\\$ ")
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()
        os.close(self.fd)


def test_bash_completes_commands_runs_and_experiments(place):
    with Shell(place) as bash:
        bash.after("autotrack compl\t", "etion ")
        bash.after("\x15autotrack show Rand\t", "omForest-1 ")
        bash.after("\x15autotrack ls --experiment ir\t", "is/first ")
        bash.after("\x15autotrack show 01tw1ce2\t", "TW1CE20{18} ")
        bash.after("\x15autotrack ls --del\t", "eted ")
        bash.after("\x15autotrack show twi\t\x15echo do''ne\n", "done")
        assert "twice " not in bash.said  # there are two


def test_what_is_completed_is_never_more_than_a_word(place):
    with Shell(place) as bash:
        bash.after("autotrack show 01ev\t", "EV1T0{20} ")
        bash.after("\x15autotrack show Rx\t\x15echo do''ne\n", "done")
        bash.after("autotrack ls --experiment \t\t", "other")
        bash.after("\x15echo do''ne\n", "done\r\n.*\\$ ")
        assert "touch" not in bash.said
    assert sorted(path.name for path in place.iterdir() if not path.name.startswith(".")) == ["bin"]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="no zsh")
def test_zsh_completes_too(place):
    with Shell(place, ["zsh", "-f", "-i"], 'autoload -Uz compinit; compinit -u; eval "$(autotrack completion zsh)"') as zsh:
        zsh.after("autotrack show Rand\t", "omForest-1")


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish")
def test_fish_completes_too(place):
    asked = "autotrack completion fish | source; complete -C 'autotrack show R'; complete -C 'autotrack compl'"
    done = subprocess.run(["fish", "-N", "-c", asked], cwd=place, env=environment(place), capture_output=True, text=True)
    assert done.stdout.splitlines() == ["RandomForest-1\trunning", "Ridge-1\trunning", "completion\tLet the shell complete."], done.stderr


def answer(place, shell, line, words):
    asked = {**environment(place), "_AUTOTRACK_COMPLETE": f"{shell}_complete", "COMP_WORDS": line, "COMP_CWORD": words}
    return subprocess.run([place / "bin" / "autotrack"], cwd=place, env=asked, capture_output=True, text=True, check=True).stdout


def test_zsh_and_fish_are_told_what_a_run_is(place):
    assert answer(place, "zsh", "autotrack show Rid", "2").splitlines() == ["plain", "Ridge-1", "running"]
    assert answer(place, "fish", "autotrack show ", "Rid") == "plain,Ridge-1\trunning\n"


@pytest.mark.parametrize(
    ("shell", "word"),
    [("bash", "complete -o nosort -F"), ("zsh", "compdef _autotrack_completion autotrack"), ("fish", "complete --no-files")],
)
def test_each_shell_has_its_own(place, shell, word):
    done = subprocess.run([place / "bin" / "autotrack", "completion", shell], cwd="/", env=environment(place), capture_output=True, text=True)
    assert done.returncode == 0
    assert word in done.stdout
    by_default = subprocess.run(
        [place / "bin" / "autotrack", "completion"], env={**environment(place), "SHELL": f"/usr/bin/{shell}"}, capture_output=True, text=True
    )
    assert by_default.stdout == done.stdout


def test_another_shell_is_said(place):
    done = subprocess.run(
        [place / "bin" / "autotrack", "completion"], env={**environment(place), "SHELL": "/bin/csh"}, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "'csh'; there is one for bash, zsh, fish" in done.stderr


def test_without_a_store_nothing_is_completed_and_none_is_made(place, tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    asked = {**environment(place), "_AUTOTRACK_COMPLETE": "bash_complete", "COMP_WORDS": "autotrack show ", "COMP_CWORD": "2"}
    done = subprocess.run([place / "bin" / "autotrack"], cwd=empty, env=asked, capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), list(empty.iterdir())) == ("", [])
