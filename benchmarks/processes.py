"""Many processes into one store: points a second until all are stored, beside a plain SQLite writer thread; nothing lost."""

from __future__ import annotations

import sqlite3
import statistics
import subprocess
import sys
import time
from pathlib import Path

from measure import folder, show, verdict

OURS = """
import sys, time, autotrack
autotrack.configure(uri=f"sqlite:///{sys.argv[1]}", system_metrics=False, quiet=True)
with autotrack.start_run() as run:
    time.sleep(2)  # the environment is read once a process: not a point's cost
    print("ready", flush=True); sys.stdin.readline()
    for i in range(int(sys.argv[2])):
        run.log({"x": i * 0.5}, step=i)
    autotrack.flush(60)
    print("stored", flush=True)
    sys.stdin.readline()  # the last thing measured is the last point: ends come after all
"""
# The bare work: a queue, a thread, one transaction a batch into a table of the same key.
RAW = """
import os, queue, sqlite3, sys, threading, time
q = queue.SimpleQueue(); done = threading.Event(); n = int(sys.argv[2]); me = os.getpid()
def write():
    store = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
    store.execute("pragma synchronous=normal")
    left = n
    while left:
        rows = [q.get()]
        while not q.empty() and len(rows) < 50_000: rows.append(q.get())
        store.execute("begin immediate")
        store.executemany("insert into p values(?,?,?,?,?,?)", rows)
        store.execute("commit")
        left -= len(rows)
    print("stored", flush=True)
    sys.stdin.readline()
    store.close()
t = threading.Thread(target=write)
print("ready", flush=True); sys.stdin.readline()
t.start()
for i in range(n): q.put((me, 1, i, 0, int(time.time() * 1000), i * 0.5))
t.join()
"""


def together(program: str, path: Path, processes: int, points: int) -> tuple[float, int]:
    """Start them all, let them go at once; seconds until the last has all in the store, and how many failed."""
    children = [
        subprocess.Popen([sys.executable, "-c", program, str(path), str(points)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    for child in children:
        child.stdout.readline()  # type: ignore[union-attr]
    began = time.perf_counter()
    for child in children:
        child.stdin.write("\n")  # type: ignore[union-attr]
        child.stdin.flush()  # type: ignore[union-attr]
    for child in children:
        child.stdout.readline()  # type: ignore[union-attr]
    seconds = time.perf_counter() - began
    for child in children:
        child.stdin.close()  # type: ignore[union-attr]
    return seconds, sum(child.wait() != 0 for child in children)


def main(rounds: int = 5) -> None:
    speeds: dict[str, list[float]] = {"autotrack": [], "raw": []}
    lost = failed = 0
    for _ in range(rounds):
        with folder() as base:
            seconds, bad = together(OURS, base / "store" / "a.db", 8, 10_000)
            speeds["autotrack"].append(80_000 / seconds)
            failed += bad
            lost += 80_000 - sqlite3.connect(base / "store" / "a.db").execute("select count(*) from metric_point").fetchone()[0]
            raw = sqlite3.connect(base / "raw.db")
            raw.execute("pragma journal_mode=wal")
            raw.execute(
                "create table p(run int, key int, step int, seq int, time_ms int, value real, primary key(run,key,step,seq)) strict, without rowid"
            )
            raw.close()
            speeds["raw"].append(80_000 / together(RAW, base / "raw.db", 8, 10_000)[0])
    show("8 processes x 10,000 points, points/s until all are stored (median)", [
        (name, f"{statistics.median(values):10,.0f}") for name, values in speeds.items()
    ])  # fmt: skip
    verdict(
        "points/s, autotrack / raw", statistics.median(a / b for a, b in zip(speeds["autotrack"], speeds["raw"], strict=True)), 1, "x", at_least=True
    )
    with folder() as base:
        _, bad = together(OURS, base / "store" / "a.db", 64, 2_000)
        failed += bad
        lost += 128_000 - sqlite3.connect(base / "store" / "a.db").execute("select count(*) from metric_point").fetchone()[0]
    verdict("processes that failed, of 8 and of 64", failed, 0, "")
    verdict("points lost, of 8 and of 64 processes", lost, 0, "")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
