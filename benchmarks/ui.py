"""The dashboard's server: when it answers, tables of many runs, curves of many points, live, at rest.

    python benchmarks/ui.py [FOLDER]        stores are made there and kept for the next time (some 5 GB with the full curves)

``AUTOTRACK_BENCH_POINTS`` (1,000,000) and ``AUTOTRACK_BENCH_CURVES`` (100) make the long curves fewer.
"""

from __future__ import annotations

import json
import os
import random
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import page_store
import psutil
from measure import folder, show, verdict

POINTS, CURVES = int(os.environ.get("AUTOTRACK_BENCH_POINTS", "1000000")), int(os.environ.get("AUTOTRACK_BENCH_CURVES", "100"))
PIXELS = 330  # of a panel

WRITER = """
import sys, time, autotrack
busy = sys.argv[1] == "busy"
run = autotrack.start_run("live")
print(run.id, flush=True)
end, step, x = time.monotonic() + 12, 0, 0
while time.monotonic() < end:
    run.log({f"m{i}": time.time() for i in range(56)}, step=step)
    step += 1
    pause = time.monotonic() + 0.1
    while time.monotonic() < pause:
        if busy:
            for i in range(1000):
                x += i * i
        else:
            time.sleep(0.01)
"""


@contextmanager
def serving(store: Path) -> Iterator[tuple[psutil.Process, str, float]]:
    """The server, its address, and after how many seconds it answered."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "autotrack", "ui", "--no-open", "--port", "0", "--uri", f"sqlite:///{store / 'autotrack.db'}"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stdout
        said = server.stdout.readline()
        found = re.search(r"http://\S+", said)
        if found is None:
            raise SystemExit(server.communicate()[1])
        address = found[0].rstrip("/")
        httpx.get(f"{address}/").raise_for_status()
        yield psutil.Process(server.pid), address, time.perf_counter() - began
    finally:
        server.kill()
        server.communicate()


def timed(ask: httpx.Client, method: str, path: str, times: int = 5, **more: object) -> tuple[float, float, int]:
    """The first answer's milliseconds, the median of the further ones, and its bytes."""
    figures = []
    for _ in range(times):
        began = time.perf_counter()
        answer = ask.request(method, path, timeout=120, **more)  # type: ignore[arg-type]
        figures.append((time.perf_counter() - began) * 1e3)
        answer.raise_for_status()
    return figures[0], statistics.median(figures[1:]), len(answer.content)


def tables(base: Path, runs: int, limit_s: float) -> None:
    store = base / f"runs{runs}"
    if not (store / "autotrack.db").exists():
        page_store.write(store, runs, points=5)
    with serving(store) as (process, address, ready), httpx.Client(base_url=address) as ask:
        listed = timed(ask, "GET", "/api/runs")
        told = ask.get("/api/runs").json()
        some = [["params", key] for key in told["varying"][:6]] + [["metrics", key] for key in told["headline"]]
        every = [["params", key] for key in told["params"]] + [["metrics", key] for key in told["metrics"]]
        rows = [("home", timed(ask, "GET", "/api/home")), ("runs", listed)]
        rows.append((f"columns at first ({len(some)})", timed(ask, "POST", "/api/columns", json={"columns": some})))
        rows.append((f"all columns ({len(every)})", timed(ask, "POST", "/api/columns", json={"columns": every})))
        query = {"q": "params.lr < 0.01 and metrics.val/acc > 0.5"}
        rows.append(("search", timed(ask, "GET", "/api/search", params=query)))
        rows.append(("complete", timed(ask, "GET", "/api/complete", params={"q": "params.mo"})))
        rows.append(("importance", timed(ask, "POST", "/api/importance", json={"target": ["metrics", "val/acc"]})))
        body = {"runs": told["runs"]["id"][:100], "keys": ["train/loss", "val/loss"], "points": PIXELS}
        rows.append(("curves of 100 runs, train and val", timed(ask, "POST", "/api/series", json=body)))
        show(
            f"{runs:,} runs x 50 params x 20 metrics",
            [(name, f"first {first:7.1f} ms   again {again:7.1f} ms   {size / 1e3:8.1f} kB") for name, (first, again, size) in rows],
        )
        verdict("ready to answer", ready, 1.5, "s")
        verdict("runs and first columns", (rows[1][1][0] + rows[2][1][0]) / 1e3, limit_s, "s")
        verdict("search", rows[4][1][1], 75, "ms")
        verdict("RSS", process.memory_info().rss / 1e6, 150, "MB")


def curves(base: Path) -> None:
    store = base / f"curves{CURVES}x{POINTS}"
    if not (store / "autotrack.db").exists():
        page_store.write_curves(store, CURVES, POINTS)
    with serving(store) as (process, address, _), httpx.Client(base_url=address) as ask:
        ids = ask.get("/api/runs").json()["runs"]["id"]
        began = time.perf_counter()
        while (pending := head(ask, ids, {})["pending"]) > 0:
            print(f"\r  summing up: {pending} left ", end="", flush=True)
        built = time.perf_counter() - began
        chance, rows = random.Random(0), []
        for count in (10, len(ids)):
            for width in (1.0, 0.3, 0.1, 0.01, 0.001):
                figures = []
                for _ in range(7):
                    start = chance.uniform(0, 1 - width) * POINTS
                    window = {"from": start, "to": start + width * POINTS} if width < 1 else {}
                    began = time.perf_counter()
                    head(ask, ids[:count], window)
                    figures.append((time.perf_counter() - began) * 1e3)
                rows.append((f"{count} runs, {width:.1%} of the steps", statistics.median(figures), max(figures)))
        show(
            f"{len(ids)} runs x {POINTS:,} points (summed up once in {built:.1f} s, {size_of(store) / POINTS / len(ids):.1f} B a point)",
            [(name, f"median {middle:7.1f} ms   most {most:7.1f} ms") for name, middle, most in rows],
        )
        verdict("the server's share of a zoom, median of all widths", statistics.median(middle for _, middle, _ in rows[5:]), 150, "ms")
        verdict("RSS", process.memory_info().rss / 1e6, 150, "MB")


def size_of(store: Path) -> float:
    return float((store / "autotrack.db").stat().st_size)


def head(ask: httpx.Client, ids: list[str], window: dict[str, float]) -> dict[str, int]:
    body = {"runs": ids, "keys": ["train/loss"], "points": PIXELS if len(ids) > 30 else 2 * PIXELS, **window}
    content = ask.post("/api/series", json=body, timeout=60).content
    told: dict[str, int] = json.loads(content[4 : 4 + int.from_bytes(content[:4], "little")])
    return told


def live(kind: str) -> None:
    """From ``log`` to the event, while 560 points a second are written; beside a loop that is busy in pure Python or one that waits."""
    with folder() as place:
        (place / "autotrack").mkdir()
        store = place / "autotrack"
        page_store.write(store, 1, points=1)
        with serving(store) as (process, address, _):
            lags: list[float] = []
            cursor = httpx.get(f"{address}/api/runs").json()["cursor"]
            followers = [threading.Thread(target=follow, args=(address, cursor, lags if i == 0 else []), daemon=True) for i in range(3)]
            for one in followers:
                one.start()
            command = [sys.executable, "-c", WRITER, kind]
            uri = f"sqlite:///{store / 'autotrack.db'}"
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, "AUTOTRACK_URI": uri}) as writer:
                time.sleep(2)
                used, began = sum(process.cpu_times()[:2]), time.monotonic()
                writer.wait()
            busy = (sum(process.cpu_times()[:2]) - used) / (time.monotonic() - began)
            lags.sort()
            show(f"live, 560 points/s, three pages, a loop that is {kind}", [("points told", str(len(lags))), ("server", f"{busy:.1%} of a core")])
            verdict("log to event, p50", lags[len(lags) // 2], 1.0, "s")
            verdict("log to event, p95", lags[int(len(lags) * 0.95)], 1.0, "s")


def follow(address: str, cursor: str, lags: list[float]) -> None:
    with suppress(httpx.HTTPError), httpx.stream("GET", f"{address}/api/live", params={"cursor": cursor}, timeout=60) as stream:
        for line in stream.iter_lines():
            if line.startswith('data: {"runs"'):
                now = time.time()
                lags += [now - value for _, key, _, values, *_ in json.loads(line[6:])["points"] if key.startswith("m") for value in values]


def rest(base: Path) -> None:
    with serving(base / "runs1000") as (process, address, _):
        cursor = httpx.get(f"{address}/api/runs").json()["cursor"]
        for _ in range(3):
            threading.Thread(target=follow, args=(address, cursor, []), daemon=True).start()
        time.sleep(2)
        used, began = sum(process.cpu_times()[:2]), time.monotonic()
        time.sleep(20)
        verdict("at rest, three pages open", (sum(process.cpu_times()[:2]) - used) / (time.monotonic() - began) * 100, 1.0, "% core")


def main() -> None:
    base = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with folder() as made:
        place = base or made
        place.mkdir(parents=True, exist_ok=True)
        tables(place, 1_000, 0.5)
        tables(place, 10_000, 1.0)
        rest(place)
        live("waiting")
        live("busy")
        curves(place)


if __name__ == "__main__":
    main()
