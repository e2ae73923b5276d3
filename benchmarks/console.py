"""What taking down the console costs a program that prints: to a terminal, beside a little work, and doing nothing else."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading
from pathlib import Path

from measure import extra, folder, interleaved, ratio, run, verdict

LINES = 1_000_000
ROUNDS = 5

BARE = """
import sys, time, autotrack
lines, work = int(sys.argv[1]), int(sys.argv[2])
with autotrack.start_run():
    began = time.process_time()
    for step in range(lines):
        for _ in range(work):
            sum(range(100))  # about 1 µs
        print("step", step, "loss", 0.25)
    sys.stdout.flush()
    took = time.process_time() - began
open("took", "w").write(str(took))
"""


def to_a_file(base: Path, console: str, work: int, lines: int = LINES) -> float:
    """CPU seconds of the loop, the writer's thread included."""
    words = [sys.executable, "-c", BARE, str(lines), str(work)]
    with (base / "out.txt").open("w") as out:
        subprocess.run(words, cwd=base, env=environment(console), stdout=out, check=True)
    return float((base / "took").read_text())


def to_a_terminal(base: Path, console: str, lines: int) -> float:
    """The same on a pseudo terminal that somebody reads."""
    ours, theirs = pty.openpty()

    def read() -> None:
        try:
            while os.read(ours, 65536):
                pass
        except OSError:
            pass

    thread = threading.Thread(target=read)
    words = [sys.executable, "-c", BARE, str(lines), "0"]
    child = subprocess.Popen(words, cwd=base, env=environment(console), stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    thread.start()
    if child.wait():
        raise SystemExit("a benchmark's program failed")
    thread.join()
    os.close(ours)
    return float((base / "took").read_text())


def environment(console: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return {**kept, "AUTOTRACK_QUIET": "1", "AUTOTRACK_CONSOLE": console}


def main() -> None:
    with folder() as base:
        run("import autotrack", cwd=base)  # compiled once
        scenes = {
            "a terminal, nothing but printing": lambda console: to_a_terminal(base, console, LINES // 10),
            "a file, 20 µs of work a line": lambda console: to_a_file(base, console, 20, LINES // 10),
            "a file, nothing but printing": lambda console: to_a_file(base, console, 0),
        }
        for (name, measure), limit in zip(scenes.items(), (1.1, 1.05, 1.5), strict=True):
            lines = LINES if name == "a file, nothing but printing" else LINES // 10
            figures = interleaved({"on": lambda m=measure: m("1"), "off": lambda m=measure: m("0")}, ROUNDS)
            verdict(f"print to {name}", ratio(figures, "on", "off"), limit)
            print(f"       {extra(figures, 'on', 'off') / lines * 1e6:.2f} µs a line of 8 writes more, of {min(figures['off']) / lines * 1e6:.2f} µs")


if __name__ == "__main__":
    main()
