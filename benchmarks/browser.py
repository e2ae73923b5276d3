"""The page in headless Chromium against a real server on real stores: ready, scroll, sort, filter, zoom, idle, memory, size.

    python benchmarks/browser.py [RUNS10K]      makes stores of 1,000 and RUNS10K (10,000) runs, and of 100 long curves

Software rendering on shared cores: compare figures with each other, not with a laptop. Each is a median of several.
"""

from __future__ import annotations

import gzip
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import page_store
import psutil
from measure import folder, verdict

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 5

READY = """() => new Promise(done => { const look = () => {
  const plots = [...document.querySelectorAll('.plot')].filter(p => p.curves?.near);
  if (plots.length && plots.every(p => p.curves.have.length && p.chart.view)) done(performance.now()); else setTimeout(look, 4); }; look(); })"""
PAINTED = "const painted = () => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));"
SCROLL = """async () => { const el = document.querySelector('.table'), gaps = []; let last = performance.now();
  for (let i = 0; i < 180; i++) { el.scrollTop += 40; await new Promise(requestAnimationFrame);
    const now = performance.now(); gaps.push(now - last); last = now; }
  return gaps.length * 1000 / gaps.reduce((a, b) => a + b); }"""
SORT = "async name => {" + PAINTED + """const head = [...document.querySelectorAll('[role=columnheader]')].find(h => h.textContent.startsWith(name));
  const began = performance.now(); head.click(); await painted(); return performance.now() - began; }"""
FILTER = "async q => {" + PAINTED + """const { turn } = await import('./state.js'), runs = await import('./runs.js'), before = runs.hits.value, began = performance.now();
  turn({ q }); while (runs.hits.value === before) await new Promise(d => setTimeout(d, 1)); await painted(); return performance.now() - began; }"""  # noqa: E501
ZOOM = "async ([a, b]) => {" + PAINTED + """const { go } = await import('./state.js'), plot = document.querySelector('.plot'), before = plot.curves.have, began = performance.now();
  go({ x0: String(a), x1: String(b) }); while (plot.curves.have === before) await new Promise(d => setTimeout(d, 1)); await painted(); return performance.now() - began; }"""  # noqa: E501
DRAW = """async () => { const { spent } = await import('./chart.js'), c = document.querySelector('.plot').chart, out = [];
  for (let i = 0; i < 12; i++) { c.draw(); out.push(spent.last); } return out.sort((a, b) => a - b)[6]; }"""

ALL_THERE = """() => { const p = document.querySelector('.plot');
  return p?.curves?.have.length === 100 && !p.curves.pending && p.chart.view; }"""


@contextmanager
def serving(store: Path) -> Iterator[tuple[str, psutil.Process, float]]:
    command = [sys.executable, "-m", "autotrack", "ui", "--no-open", "--port", "0", "--uri", f"sqlite:///{store}/autotrack.db"]
    began = time.perf_counter()
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env)
    assert server.stdout is not None
    url = server.stdout.readline().split()[-1]
    try:
        yield url, psutil.Process(server.pid), time.perf_counter() - began
    finally:
        server.terminate()
        server.wait()


def main(many: int = 10_000, points: int = 1_000_000) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, folder() as base:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])

        def new():
            return browser.new_page(viewport={"width": 1440, "height": 900})

        for runs, ready_s in ((1_000, 1.0), (many, 1.5)):
            store = prepared(Path(base), f"runs-{runs}", lambda at, n=runs: page_store.write(at, n, 40))
            with serving(store) as (url, process, begun_s):
                print(f"\n{runs:,} runs x 50 params x 20 metrics")
                verdict("the server answers after the command", begun_s, 1.5, "s")
                opened = [opens(new, f"{url}?e=vision/imagenet") for _ in range(ROUNDS)]
                page = new()
                sent = weigh(page, f"{url}?e=vision/imagenet")
                verdict("sent until ready, gzipped, without answers of the API", sent / 1000, 60, "kB")
                page.close()
                verdict("first paint", statistics.median(paint for paint, _ in opened), 0.5 if runs == 1_000 else 0.7, "s")
                verdict("ready with charts", statistics.median(ready for _, ready in opened), ready_s, "s")
                page = new()
                page.goto(f"{url}?e=vision/imagenet&tab=table")
                page.wait_for_selector(".tr")
                page.wait_for_timeout(1500)
                verdict("scroll the table, 40 px a frame", page.evaluate(SCROLL), 50, "frames/s", at_least=True)
                page.evaluate("() => { document.querySelector('.table').scrollTop = 0; }")
                page.wait_for_timeout(300)
                verdict("sort, painted", statistics.median(page.evaluate(SORT, name) for name in ("val/acc", "name", "val/f1") * 2), 100, "ms")
                asked = [f"metrics.val/acc > {0.5 + i / 50} and params.lr < 0.1" for i in range(6)]
                verdict("filter, painted", statistics.median(page.evaluate(FILTER, q) for q in asked), 100, "ms")
                cpu = process.cpu_times()
                page.wait_for_timeout(5000)
                after = process.cpu_times()
                verdict("idle with a page open: server", (after.user + after.system - cpu.user - cpu.system) / 5 * 100, 1, "%")
                verdict("resident memory of the server", process.memory_info().rss / 1e6, 150, "MB")
                page.close()
        store = prepared(Path(base), "curves", lambda at: page_store.write_curves(at, 100, points))
        with serving(store) as (url, process, _):
            print(f"\n100 runs x {points:,} points")
            page = new()
            page.goto(f"{url}?e=long&draw=100")
            page.wait_for_function(ALL_THERE, timeout=600_000)
            verdict("draw 100 curves", page.evaluate(DRAW), 30, "ms")
            windows = [(points // 10 * i, points // 10 * i + points // share) for i, share in enumerate((2, 5, 20, 100, 1000, 4, 10))]
            zooms = [page.evaluate(ZOOM, window) for window in windows]
            print("  zooms, ms:", ", ".join(f"{z:.0f}" for z in zooms))
            verdict("zoom to screen, median", statistics.median(zooms), 300, "ms")
            verdict("resident memory of the server", process.memory_info().rss / 1e6, 150, "MB")
            page.close()
        browser.close()


def prepared(base: Path, name: str, make) -> Path:
    """A store, made anew or found in the folder that BENCH_STORES names."""
    kept = os.environ.get("BENCH_STORES")
    store = (Path(kept) if kept else base) / name
    if not (store / "autotrack.db").exists():
        make(store)
    return store


def weigh(page, url: str) -> int:
    """Bytes of the page's own files that are sent, packed, until its charts are ready."""
    files: dict[str, bytes] = {}
    page.on("response", lambda r: None if "/api/" in r.url or r.url in files else files.setdefault(r.url, b""))
    page.goto(url, wait_until="commit")
    page.evaluate(READY)
    for address in list(files):  # what comes later, when the browser has time, does not count
        files[address] = gzip.compress(page.request.get(address).body(), 9)
    return sum(map(len, files.values()))


def opens(new, url: str) -> tuple[float, float]:
    """Seconds from navigation to the first paint, and until every chart near the screen is drawn; in a page of its own, without cache."""
    page = new()
    page.goto(url, wait_until="commit")
    ready = page.evaluate(READY) / 1000
    paint = page.evaluate("() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN") / 1000
    page.close()
    return paint, ready


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
