"""A real server on real stores, driven in Debian's Chromium. Skipped where there is no Chromium or no Playwright for Python."""

import importlib.util
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHROMIUM = os.environ.get("AUTOTRACK_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
# Whether every chart near the screen has its curves.
DRAWN = """() => { const all = [...document.querySelectorAll('.plot')].filter(p => p.curves && p.curves.near);
  return all.length > 0 && all.every(p => p.curves.have.length && p.chart.view && !p.chart.due); }"""
VENDOR = ROOT / "src" / "autotrack" / "server" / "static" / "vendor" / "preact.js"


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(120))


@pytest.fixture(scope="session")
def chromium():
    pytest.importorskip("playwright", reason="Playwright for Python is not installed")
    pytest.importorskip("starlette")
    if CHROMIUM is None:
        pytest.skip("no Chromium here")
    if not VENDOR.is_file():
        pytest.skip("the page's libraries are not here: python scripts/vendor.py")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def stores():
    spec = importlib.util.spec_from_file_location("page_store", ROOT / "benchmarks" / "page_store.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Server:
    """`autotrack ui` on a store's folder, as a process of its own."""

    def __init__(self, folder, port=0):
        self.folder, self.port = folder, port
        self.start()

    def start(self):
        uri = f"sqlite:///{self.folder / 'autotrack.db'}"
        command = [sys.executable, "-m", "autotrack", "ui", "--no-open", "--port", str(self.port), "--uri", uri]
        env = {name: value for name, value in os.environ.items() if not name.startswith("AUTOTRACK")} | {"PYTHONPATH": str(ROOT / "src")}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env)
        line = self.process.stdout.readline()
        assert "http://" in line, line
        self.url = line.split()[-1].rstrip("/")
        self.port = int(self.url.rpartition(":")[2])
        for _ in range(200):
            try:
                urllib.request.urlopen(self.url + "/api/home", timeout=5)
                return
            except OSError:
                time.sleep(0.05)

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()


@pytest.fixture(scope="session")
def forty(tmp_path_factory):
    """Forty runs of a search, with curves, failures and NaN."""
    folder = tmp_path_factory.mktemp("forty")
    stores().write(folder, 40, 60)
    server = Server(folder)
    yield server
    server.stop()


@pytest.fixture
def serve(tmp_path):
    """Starts servers on folders; ends them after the test."""
    started = []

    def begin(folder):
        started.append(Server(folder))
        return started[-1]

    yield begin
    for server in started:
        server.stop()


@pytest.fixture
def page(chromium, serve):  # the servers go after the page
    """A page that must have no console error, no failing script and no request to anywhere but its server."""
    view = chromium.new_page(viewport={"width": 1360, "height": 860})
    view.complaints, view.allowed = [], ("getImageData",)  # which tests use, not the page
    view.drawn = lambda: view.wait_for_function(DRAWN, timeout=20_000)
    view.on("console", lambda m: view.complaints.append(m.text) if m.type in ("error", "warning") else None)
    view.on("pageerror", lambda e: view.complaints.append(str(e)))
    view.on("request", lambda r: None if r.url.startswith(("http://127.0.0.1:", "data:", "blob:")) else view.complaints.append(f"foreign: {r.url}"))
    yield view
    view.close()
    assert [text for text in view.complaints if not any(word in text for word in view.allowed)] == []
