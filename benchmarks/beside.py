"""Beside a pure-Python loop that never rests, on a machine whose every core is busy: how late a point is, what the loop loses."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time

from measure import folder, show, verdict

LOOP = """
import sys, time, autotrack
autotrack.configure(uri=sys.argv[1])
run = autotrack.start_run()
run.log({"loss": 0.0}, step=0)
time.sleep(3)  # the environment is read once a process: not what a point costs
until = time.perf_counter() + float(sys.argv[2])
print("ready", flush=True)
due, step, x = time.perf_counter(), 0, 0
cpu, mine = time.process_time(), time.thread_time()
while (now := time.perf_counter()) < until:
    for i in range(300):
        x = (x * 31 + i) % 1_000_003
    while now >= due:
        step += 1
        run.log({"loss": float(x)}, step=step)
        due += 0.001
print(time.process_time() - cpu, time.thread_time() - mine, step)
run.finish()
"""


def main(seconds: float = 20) -> None:
    with folder() as base:
        path = base / "store" / "a.db"
        hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
        try:
            loop = subprocess.Popen([sys.executable, "-c", LOOP, f"sqlite:///{path}", str(seconds)], stdout=subprocess.PIPE, text=True)
            assert loop.stdout
            loop.stdout.readline()
            late: list[float] = []
            seen = 0
            while loop.poll() is None:
                time.sleep(0.05)
                if not path.exists():
                    continue
                store = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)
                if not store.execute("select 1 from sqlite_master where name = 'metric_point'").fetchone():
                    continue  # it is being made
                rows = store.execute("select step, time_ms from metric_point where step > ? order by step", (seen,)).fetchall()
                now = time.time()
                late += [now - time_ms / 1000 for _, time_ms in rows]
                seen = rows[-1][0] if rows else seen
                store.close()
            total, own, steps = map(float, loop.stdout.read().split())
        finally:
            for hog in hogs:
                hog.kill()
        late.sort()
        show(f"1,000 points/s for {seconds:.0f} s, {len(hogs)} other busy processes", [
            ("points logged, seen", f"{steps:.0f}, {len(late)}"),
            ("seconds from log() to the store: median, 95 %, most", f"{late[len(late) // 2]:.2f}, {late[int(len(late) * 0.95)]:.2f}, {late[-1]:.2f}"),
        ])  # fmt: skip
        verdict("latest point, from log() to the store", late[-1], 2, "s")
        verdict("CPU of our threads of the process's CPU", 100 * (total - own) / total, 2, "%")


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
