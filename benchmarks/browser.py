"""The page in headless Chromium against a real server on real stores: ready, scroll, sort, filter, zoom, idle, memory, size.

    python benchmarks/browser.py [tables|curves|live] [RUNS10K] [POINTS]

makes stores of 1,000 and RUNS10K (10,000) runs, and of 100 curves of POINTS (1,000,000) points. Live: from `log()` until the canvas has the
value and a frame was shown since, of every value of one chart, while 560 a second are written and a dozen charts follow.

Software rendering on shared cores: compare figures with each other, not with a laptop. Each is a median of several.
"""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import page_store
import psutil
from measure import folder, show, verdict
from ui import WRITER

ROOT = Path(__file__).resolve().parents[1]
ROUNDS, IDLE_S = 5, 10

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
FRAMES = """() => { const gaps = globalThis.gaps = []; let last = performance.now();
  const frame = now => { gaps.push(now - last); last = now; if (globalThis.gaps === gaps) requestAnimationFrame(frame); };
  requestAnimationFrame(frame); }"""
LINES = "n => document.querySelector('.par')?.parallel?.kept?.length === n"
AXIS = """() => { const p = document.querySelector('.par').parallel, r = p.top.getBoundingClientRect();
  return [r.left + p.xs[1], r.top + p.y(0.98), r.top + p.y(0.02)]; }"""
HIDE = """() => { Object.defineProperty(document, 'hidden', { value: true, configurable: true });
  document.dispatchEvent(new Event('visibilitychange')); }"""
DRAW = """async () => { const { spent } = await import('./chart.js'), c = document.querySelector('.plot').chart, out = [];
  for (let i = 0; i < 12; i++) { c.draw(); out.push(spent.last); } return out.sort((a, b) => a - b)[6]; }"""

ALL_THERE = """() => { const p = document.querySelector('.plot');
  return p?.curves?.have.length === 100 && !p.curves.pending && p.chart.view; }"""

HAS = "key => [...document.querySelectorAll('.plot')].some(p => p.curves?.keys.includes(key) && p.curves.have[0]?.n)"
LAGS = """async ([key, ms]) => { const { curves } = [...document.querySelectorAll('.plot')].find(p => p.curves?.keys.includes(key)), lags = [];
  let seen = curves.have[0].n;
  const frame = () => { const { n, y } = curves.have[0], now = Date.now() / 1000; for (; seen < n; seen++) lags.push(now - y[seen]); };
  curves.drawn = () => requestAnimationFrame(frame);
  await new Promise(done => setTimeout(done, ms)); curves.drawn = null; return lags; }"""


@contextmanager
def serving(store: Path, host: str = "127.0.0.1") -> Iterator[tuple[str, psutil.Process, float]]:
    command = [sys.executable, "-m", "autotrack", "ui", "--no-open", "--port", "0", "--host", host, "--uri", f"sqlite:///{store}/autotrack.db"]
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


def main(*asked: str) -> None:
    from playwright.sync_api import sync_playwright

    kinds = [kind for kind in asked if kind in ("tables", "curves", "live")] or ["tables", "curves", "live"]
    many, points = [int(number) for number in asked if number.isdigit()] or [10_000, 1_000_000]
    with sync_playwright() as playwright, folder() as base:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        if "tables" in kinds:
            tables(base, browser, many)
            weigh(browser, prepared(base, "runs-1000", lambda at: page_store.write(at, 1_000, 40)))
        if "curves" in kinds:
            curves(base, browser, points)
        if "live" in kinds:
            live(base, browser, "waiting")
            live(base, browser, "busy")
        browser.close()


def new(browser):
    return browser.new_page(viewport={"width": 1440, "height": 900})


def tables(base: Path, browser, many: int) -> None:
    for runs, ready_s in ((1_000, 1.0), (many, 1.5)):
        store = prepared(base, f"runs-{runs}", lambda at, n=runs: page_store.write(at, n, 40))
        with serving(store) as (url, process, begun_s):
            print(f"\n{runs:,} runs x 50 params x 20 metrics")
            verdict("the server answers after the command", begun_s, 1.5, "s")
            opened = [opens(browser, f"{url}?e=vision/imagenet") for _ in range(ROUNDS)]
            verdict("first paint", statistics.median(paint for paint, _ in opened), 0.5 if runs == 1_000 else 0.7, "s")
            verdict("ready with charts", statistics.median(ready for _, ready in opened), ready_s, "s")
            page = new(browser)
            page.goto(f"{url}?e=vision/imagenet&tab=table")
            page.wait_for_selector(".tr")
            page.wait_for_timeout(1500)
            verdict("scroll the table, 40 px a frame", page.evaluate(SCROLL), 50, "frames/s", at_least=True)
            page.evaluate("() => { document.querySelector('.table').scrollTop = 0; }")
            page.wait_for_timeout(300)
            verdict("sort, painted", statistics.median(page.evaluate(SORT, name) for name in ("val/acc", "name", "val/f1") * 2), 100, "ms")
            asked = [f"metrics.val/acc > {0.5 + i / 50} and params.lr < 0.1" for i in range(6)]
            verdict("filter, painted", statistics.median(page.evaluate(FILTER, q) for q in asked), 100, "ms")
            frames = sorted(brushed(browser, f"{url}?e=vision/imagenet&tab=hyper", runs))
            verdict(f"brush {runs:,} lines, a frame, p95 (p50 {frames[len(frames) // 2]:.0f})", frames[int(len(frames) * 0.95)], 50, "ms")
            for state in ("shown", "hidden"):  # headless Chromium shows every tab: a hidden one is told that it is, and not slowed down by it
                if state == "hidden":
                    page.evaluate(HIDE)
                    page.wait_for_timeout(11_000)  # the browser collects garbage some eight seconds after, once: up to 0.2 s
                page.wait_for_timeout(1000)
                cpu, drawn = sum(process.cpu_times()[:2]), browser_cpu(browser)
                page.wait_for_timeout(IDLE_S * 1000)
                server, drawn = sum(process.cpu_times()[:2]) - cpu, browser_cpu(browser) - drawn
                verdict(f"at rest, the page {state}: server", server / IDLE_S * 100, 1, "%")
                verdict(f"at rest, the page {state}: its process", drawn / IDLE_S * 100, 1, "%")
            verdict("resident memory of the server", process.memory_info().rss / 1e6, 150, "MB")
            page.close()


def brushed(browser, url: str, runs: int) -> list[float]:
    """Milliseconds of each frame while a brush on one axis of parallel coordinates is drawn from one end to the other."""
    page = new(browser)
    page.goto(url)
    page.wait_for_function(LINES, arg=runs, timeout=60_000)
    page.wait_for_timeout(1500)
    x, top, low = page.evaluate(AXIS)
    page.mouse.move(x, top)
    page.mouse.down()
    page.evaluate(FRAMES)
    for i in range(1, 61):
        page.mouse.move(x, top + (low - top) * i / 60)
        page.wait_for_timeout(16)
    frames = page.evaluate("() => { const taken = gaps; globalThis.gaps = null; return taken; }")
    page.close()
    return frames


def curves(base: Path, browser, points: int) -> None:
    store = prepared(base, f"curves-{points}", lambda at: page_store.write_curves(at, 100, points))
    with serving(store) as (url, process, _):
        print(f"\n100 runs x {points:,} points")
        page = new(browser)
        page.goto(f"{url}?e=long&draw=100")
        page.wait_for_function(ALL_THERE, timeout=600_000)
        verdict("draw 100 curves", page.evaluate(DRAW), 30, "ms")
        shares = (2, 5, 20, 60, 100, 200, 1000, 4, 10)
        windows = [(points // 10 * i, points // 10 * i + points // share) for i, share in enumerate(shares)]
        zooms = [page.evaluate(ZOOM, window) for window in windows]
        print("  zooms, ms:", ", ".join(f"{z:.0f} (of {points // share:,} steps)" for z, share in zip(zooms, shares, strict=True)))
        verdict("zoom to screen, median", statistics.median(zooms), 300, "ms")
        verdict("resident memory of the server", process.memory_info().rss / 1e6, 150, "MB")
        page.close()


def live(base: Path, browser, kind: str) -> None:
    store = base / kind
    with serving(store) as (url, _, _):
        page = new(browser)
        page.goto(f"{url}?tab=charts")
        env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "AUTOTRACK_URI": f"sqlite:///{store / 'autotrack.db'}"}
        with subprocess.Popen([sys.executable, "-c", WRITER, kind], stdout=subprocess.DEVNULL, env=env):
            page.wait_for_function(HAS, arg="m0", timeout=60_000)
            lags = sorted(page.evaluate(LAGS, ["m0", 8_000]))
        show(f"live, 560 points/s, beside a loop that is {kind}", [("values of one chart", str(len(lags)))])
        verdict("log to screen, p50", lags[len(lags) // 2], 1.0, "s")
        verdict("log to screen, p95", lags[int(len(lags) * 0.95)], 1.0, "s")
        page.close()


def prepared(base: Path, name: str, make) -> Path:
    """A store, made anew or found in the folder that BENCH_STORES names."""
    kept = os.environ.get("BENCH_STORES")
    store = (Path(kept) if kept else base) / name
    if not (store / "autotrack.db").exists():
        make(store)
    return store


def weigh(browser, store: Path) -> None:
    """Bytes of the page's own files until its charts are ready, as they come over a network (on one machine the server packs nothing)."""
    places = (place for card in psutil.net_if_addrs().values() for place in card if place.family == socket.AF_INET)
    address = next((place.address for place in places if not place.address.startswith("127.")), None)
    if address is None:
        print("  this machine has no address but its own: what is sent over a network is not measured")
        return
    kinds, sent, bodies = {}, {}, {}
    with serving(store, address) as (url, _, _):
        page = new(browser)
        page.goto(url)  # with the token, which becomes a cookie
        cdp = page.context.new_cdp_session(page)
        cdp.on("Network.responseReceived", lambda told: kinds.update({told["requestId"]: told["type"]}))
        cdp.on("Network.dataReceived", lambda told: bodies.update({told["requestId"]: bodies.get(told["requestId"], 0) + told["encodedDataLength"]}))
        cdp.on("Network.loadingFinished", lambda told: sent.update({told["requestId"]: told["encodedDataLength"]}))
        cdp.send("Network.enable")
        cdp.send("Network.clearBrowserCache")
        page.goto(url.partition("?")[0] + "?e=vision/imagenet", wait_until="commit")
        page.evaluate(READY)
        own = [asked for asked in sent if kinds.get(asked) not in ("XHR", "Fetch", "EventSource")]
        body = sum(bodies.get(asked, 0) for asked in own)
        verdict(f"the {len(own)} files of the page, as sent until ready", body / 1000, 60, "kB")
        print(f"       and the headers of these answers: {sum(sent[asked] for asked in own) / 1000 - body / 1000:.1f} kB")
        page.close()


def browser_cpu(browser) -> float:
    """CPU seconds of the processes that run pages, so far."""
    told = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")
    return sum(one["cpuTime"] for one in told["processInfo"] if one["type"] == "renderer")


def opens(browser, url: str) -> tuple[float, float]:
    """Seconds from navigation to the first paint, and until every chart near the screen is drawn; in a page of its own, without cache."""
    page = new(browser)
    page.goto(url, wait_until="commit")
    ready = page.evaluate(READY) / 1000
    paint = page.evaluate("() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN") / 1000
    page.close()
    return paint, ready


if __name__ == "__main__":
    main(*sys.argv[1:])
