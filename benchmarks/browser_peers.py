"""The page, Trackio, MLflow and TensorBoard in one headless Chromium on the same runs: opened, zoomed, at rest.

    BENCH_STORES=FOLDER python benchmarks/browser_peers.py [PEER[/runs|/curves] …]     the stores are made there by ``peer_stores``, once

BENCH_LOOK is a folder for pictures of what was measured.

What is measured is what a person sees, by one rule for all. *Ready*: from the navigation (a new browser context, an empty cache) to the
last change of the picture before it stands still for two seconds and shows what was asked for. *Zoom*: the same, from the
release of the mouse after a drag over the middle third of a chart. *Own files*, *answers*: bytes as the server sent them until then.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

HERE = Path(__file__).resolve().parent
STILL_S, LONGEST_S, IDLE_S = 2.0, 150.0, 10.0
ROUNDS, SLOW_S = 3, 15.0  # what took longer than that together is not opened again
SIZES = {"runs": (1_000, 40), "curves": (100, 100_000)}


@dataclass(frozen=True)
class Peer:
    """``table``, ``charts``: the path of a view and the selector of what it shows when it is there. ``first``: what a person clicks to see a
    chart, if there is none. ``plot``: where to drag. ``read``: what lists the runs that a server has read from its files so far.
    """

    command: tuple[str, ...]
    table: tuple[str, str]
    charts: tuple[str, str]
    plot: str
    first: str = ""
    read: str = ""
    slant: float = 0.0  # of the drag, as a share of the plot's height: where only a box is zoomed into


BIN = Path(sys.executable).parent
PEERS = {
    "autotrack": Peer(
        (sys.executable, "-m", "autotrack", "ui", "--no-open", "--port", "{port}", "--uri", "sqlite:///{store}/autotrack.db"),
        ("/?e={experiment}&tab=table", ".tr >> nth=20"),
        ("/?e={experiment}{draw}", ".plot canvas"),
        ".plot canvas >> nth=-1",
    ),
    "trackio": Peer(
        (f"{BIN}/trackio", "show", "--project", "bench"),
        ("/runs?project=bench", "tbody tr >> nth={last}"),
        ("/?project=bench", "canvas"),
        "canvas",
    ),
    "mlflow": Peer(
        (f"{BIN}/mlflow", "server", "--backend-store-uri", "sqlite:///{store}/mlflow.db", "--port", "{port}", "--workers", "1"),
        ("/#/experiments/1/runs", ".ag-row >> nth=20"),
        ("/#/experiments/1/runs?compareRunsMode=CHART", ".js-plotly-plot .scatterlayer .js-line"),
        ".js-plotly-plot .nsewdrag",
    ),
    "tensorboard": Peer(
        (f"{BIN}/tensorboard", "--logdir", "{store}", "--port", "{port}"),
        ("/#hparams", "vaadin-grid-cell-content:has-text('{name}')"),
        ("/#timeseries", "scalar-card tb-data-table-content-row"),
        "scalar-card line-chart .series-view",
        "runs-data-table input[type=checkbox]",  # many runs are not drawn by itself
        "/data/runs",
        0.6,
    ),
}


def made(peer: str, kind: str) -> Path:
    """The peer's store, found or made in the folder that BENCH_STORES names."""
    base = Path(os.environ["BENCH_STORES"]).resolve()
    count, points = SIZES[kind]
    if peer == "autotrack":
        store = base / (f"runs-{count}" if kind == "runs" else f"curves-{points}")
        arguments = [HERE / "page_store.py", store, kind, count, points]
    else:
        store = base / f"{peer}-{kind}-{count}"
        arguments = [HERE / "peer_stores.py", store, peer, kind, count, points]
    if not store.exists():
        subprocess.run([sys.executable, *map(str, arguments)], check=True)
    return store


@contextmanager
def serving(peer: str, store: Path, port: int) -> Iterator[tuple[str, psutil.Process, float]]:
    """The address, the server, and the seconds from the command to the first answer."""
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "TRACKIO_DIR": str(store), "GRADIO_SERVER_PORT": str(port), "BROWSER": "true"}
    began = time.perf_counter()
    command = [part.format(store=store, port=port) for part in PEERS[peer].command]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **quiet})
    try:
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30).read()
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.02)
                if server.poll() is not None:
                    raise SystemExit(f"{peer} ended") from None
        yield f"http://127.0.0.1:{port}", psutil.Process(server.pid), time.perf_counter() - began
    finally:
        family = psutil.Process(server.pid).children(recursive=True) if server.poll() is None else []
        server.terminate()
        server.wait()
        for child in family:
            if child.is_running():
                child.kill()


class Picture:
    """Tells when a page last looked different: Chromium sends a picture of it whenever it does."""

    def __init__(self, page) -> None:
        self.last, self._page, self._cdp = 0.0, page, page.context.new_cdp_session(page)
        self.own, self.answers, self._kinds = 0, 0, {}
        self._cdp.on("Page.screencastFrame", self._frame)
        self._cdp.on("Network.responseReceived", lambda e: self._kinds.update({e["requestId"]: e["type"]}))
        self._cdp.on("Network.loadingFinished", self._finished)
        self._cdp.send("Network.enable")
        self._cdp.send("Page.startScreencast", {"format": "jpeg", "quality": 30, "maxWidth": 480, "maxHeight": 300})

    def _frame(self, event) -> None:
        self.last = event["metadata"]["timestamp"]
        with suppress(Exception):  # the page is being closed
            self._cdp.send("Page.screencastFrameAck", {"sessionId": event["sessionId"]})

    def _finished(self, event) -> None:
        if self._kinds.get(event["requestId"]) in ("XHR", "Fetch", "EventSource"):
            self.answers += event["encodedDataLength"]
        else:
            self.own += event["encodedDataLength"]

    def stop(self) -> None:
        self._cdp.send("Page.stopScreencast")

    def still(self, began: float) -> float:
        """Seconds from ``began`` (of time.time) to the last change before the picture stands still."""
        while time.time() - max(self.last, began) < STILL_S:
            if time.time() - began > LONGEST_S:
                return float("inf")
            self._page.wait_for_timeout(100)
        return max(0.0, self.last - began)


def opened(browser, url: str, there: str, first: str = "") -> tuple[object, Picture, float, float]:
    """A page that is ready: with the seconds until its first paint, and until it was."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    picture, began = Picture(page), time.time()
    page.goto(url, wait_until="commit")
    if first:
        picture.still(began)
        if not page.locator(there).count():
            page.locator(first).first.click()
            began = time.time() - (picture.last - began)  # what a person needs to find the box does not count
    page.locator(there).first.wait_for(state="attached", timeout=LONGEST_S * 1000)
    ready = picture.still(began)
    paint = page.evaluate("() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN") / 1000
    return page, picture, paint, ready


def zoomed(page, picture: Picture, plot: str, slant: float) -> list[float]:
    """Milliseconds of some zooms, each into the middle third of what the one before showed."""
    figures = []
    for _ in range(4):
        box = page.locator(plot).first.bounding_box()
        y, half = box["y"] + box["height"] / 2, box["height"] * slant / 2
        page.mouse.move(box["x"] + box["width"] / 3, y - half)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 2 / 3, y + half, steps=4)
        page.wait_for_timeout(1500)
        began = time.time()
        page.mouse.up()
        figures.append(picture.still(began) * 1000)
    return figures


def spent(process: psutil.Process) -> float:
    """CPU seconds of a process and its children so far."""
    return sum(sum(one.cpu_times()[:2]) for one in [process, *process.children(recursive=True)])


def own_memory(process: psutil.Process) -> float:
    """MB of a process and its children; what they share is counted once."""
    return sum(one.memory_full_info().pss for one in [process, *process.children(recursive=True)]) / 1e6


def drawing(browser) -> float:
    """CPU seconds of the browser so far, of all its processes."""
    told = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")
    return sum(one["cpuTime"] for one in told["processInfo"])


def say(what: str, figure: str) -> None:
    print(f"  {what:<52} {figure}", flush=True)


def measured(playwright, peer: str, kinds: list[str], port: int, look: Path | None) -> None:
    from playwright.sync_api import Error

    about = PEERS[peer]
    for kind in kinds:
        count, points = SIZES[kind]
        store = made(peer, kind)
        words = {"experiment": "vision/imagenet" if kind == "runs" else "long", "draw": "" if kind == "runs" else "&draw=100"}
        words |= {"last": str(count - 1), "name": "convnext-10" if kind == "runs" else "long-1"}
        with serving(peer, store, port) as (address, process, begun):
            views = {"table": about.table, "charts": about.charts} if kind == "runs" else {"charts": about.charts}
            print(f"\n{peer}, {count:,} runs x {points:,} points{' x 20 metrics, 50 params' if kind == 'runs' else ''}")
            say("the server answers after the command", f"{begun:.2f} s")
            if about.read:
                began = time.perf_counter()
                while len(json.loads(urllib.request.urlopen(address + about.read, timeout=30).read())) < count:
                    time.sleep(0.1)
                say("it has read the runs after", f"{time.perf_counter() - began + begun:.1f} s")
                time.sleep(5)  # and their last points
            for view, (path, there) in views.items():
                figures = []
                while len(figures) < ROUNDS and sum(ready for _, ready in figures) < SLOW_S:
                    browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
                    url, first = address + path.format(**words), about.first if view == "charts" else ""
                    try:
                        page, picture, paint, ready = opened(browser, url, there.format(**words), first)
                    except Error as error:  # it did not come
                        say(f"{view}: nothing", str(error).splitlines()[0])
                        browser.close()
                        figures.clear()
                        break
                    figures.append((paint, ready))
                    sent = f"own files {picture.own / 1000:,.0f} kB, answers {picture.answers / 1000:,.0f} kB"
                    if len(figures) < ROUNDS and sum(ready for _, ready in figures) < SLOW_S:
                        browser.close()
                if not figures:
                    continue
                if look:
                    page.screenshot(path=look / f"{peer}-{kind}-{view}.png")
                paint, ready = (statistics.median(column) for column in zip(*figures, strict=True))
                say(f"{view}: first paint, ready", f"{paint:.2f}, {ready:.2f} s")
                say(f"{view}: sent", sent)
                if view == "charts":
                    if kind == "curves":
                        zooms = zoomed(page, picture, about.plot, about.slant)
                        say("a zoom, median (each)", f"{statistics.median(zooms):.0f} ms ({', '.join(f'{z:.0f}' for z in zooms)})")
                        if look:
                            page.screenshot(path=look / f"{peer}-{kind}-zoomed.png")
                    picture.stop()
                    page.wait_for_timeout(5000)
                    shown, served = drawing(browser), spent(process)
                    page.wait_for_timeout(IDLE_S * 1000)
                    shown, served = drawing(browser) - shown, spent(process) - served
                    say("at rest: browser, server", f"{shown / IDLE_S:.1%}, {served / IDLE_S:.1%} of a core")
                    say("memory of the server", f"{own_memory(process):.0f} MB")
                browser.close()


def main(*peers: str) -> None:
    from playwright.sync_api import sync_playwright

    look = Path(os.environ["BENCH_LOOK"]) if "BENCH_LOOK" in os.environ else None
    with sync_playwright() as playwright:
        for port, asked in enumerate(peers or PEERS, start=7650):
            peer, _, kind = asked.partition("/")
            measured(playwright, peer, [kind] if kind else list(SIZES), port, look)


if __name__ == "__main__":
    main(*sys.argv[1:])
