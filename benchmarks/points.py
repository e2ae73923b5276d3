"""CPU a point, caller and writer together; ten million points flat out: nothing lost, memory bounded."""

from __future__ import annotations

import sqlite3
import sys

from measure import folder, run, show, verdict

RATED = """
import sys, time, autotrack
uri, keys, calls, rate, observed = sys.argv[1], *map(int, sys.argv[2:])
names = [f"k{i}" for i in range(keys)]
metrics = dict.fromkeys(names, 0.0)
if observed:
    autotrack.configure(uri=uri, system_metrics=False)
    log = autotrack.start_run().log
    log(metrics, step=0)
    time.sleep(3)  # the environment is read once a process: not a point's cost
else:
    log = lambda metrics, step: None
cpu, began = time.process_time(), time.perf_counter()
for i in range(1, calls):
    for name in names:
        metrics[name] = i * 0.001
    log(metrics, step=i)
    if i % 50 == 49:
        time.sleep(max(0, (i + 1) / rate - (time.perf_counter() - began)))
if observed:
    autotrack.flush()
print(time.process_time() - cpu)
"""

FLAT_OUT = """
import sys, time, autotrack
def anonymous_mb():
    return sum(int(line.split()[1]) for line in open("/proc/self/smaps_rollup") if line.startswith("Anonymous:")) / 1024
autotrack.configure(uri=sys.argv[1], system_metrics=False)
run = autotrack.start_run()
run.log({"x": 0.0}, step=0)
time.sleep(3)
before = peak = anonymous_mb()
began, cpu = time.perf_counter(), time.process_time()
for i in range(1, int(sys.argv[2])):
    run.log({"x": i * 0.5}, step=i)
    if i % 100_000 == 0:
        peak = max(peak, anonymous_mb())
logged = time.perf_counter() - began
while not autotrack.flush(timeout_s=1):
    peak = max(peak, anonymous_mb())
print(before, max(peak, anonymous_mb()), logged, time.perf_counter() - began, time.process_time() - cpu)
run.finish()
"""


def main(count: int = 10_000_000) -> None:
    print("CPU a point: process CPU of a loop with log(), writer thread included, minus the same loop without")
    with folder() as base:
        for keys, calls, rate in ((1, 8_000, 1_000), (10, 2_000, 200), (20, 6_000, 1_000)):
            figures = []
            for i in range(5):
                seconds = [float(run(RATED, f"sqlite:///{base}/{keys}-{i}/a.db", keys, calls, rate, on)[1]) for on in (1, 0)]
                figures.append((seconds[0] - seconds[1]) / ((calls - 1) * keys) * 1e6)
            verdict(f"{keys} metric(s) at {rate} calls/s, median of 5", sorted(figures)[2], 4, "us")
        path = f"{base}/flat/a.db"
        before, peak, logged, stored, cpu = map(float, run(FLAT_OUT, f"sqlite:///{path}", count)[1].split())
        store = sqlite3.connect(path)
        found = store.execute("select count(*) from metric_point").fetchone()[0]
        size = store.execute("select sum(pgsize) from dbstat where name like 'metric_%'").fetchone()[0]
        show(f"{count:,} points flat out", [
            ("logged in, stored in", f"{logged:.1f} s, {stored:.1f} s"),
            ("anonymous memory before, at most", f"{before:.0f} MB, {peak:.0f} MB"),
            ("bytes a point, summaries included", f"{size / found:.1f}"),
        ])  # fmt: skip
        verdict("CPU a point, its loop included", cpu / count * 1e6, 4, "us")
        verdict("points lost", count - found, 0, "")
        verdict("anonymous memory grew by", peak - before, 50, "MB")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
