"""``autotrack ui`` as a process of its own, beside programs that write the store."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress

import pytest

pytest.importorskip("starlette")
pytest.importorskip("httpx")

import httpx

from autotrack.backends.sqlite import SqliteBackend
from autotrack.server import page
from autotrack.server import serving as serving_module
from autotrack.testing.backend_contract import Teller
from autotrack.testing.searches import logged, started

pytestmark = pytest.mark.skipif(page.missing() != [], reason="the page's libraries are not fetched (scripts/vendor.py)")

WRITER = """
import sys, time, autotrack
run = autotrack.start_run("writer")
print(run.id, flush=True)
step = 0
for line in sys.stdin:
    for _ in range(int(line)):
        run.log({"loss": float(step), "at": time.time()}, step=step)
        step += 1
    autotrack.flush()
    print(step, flush=True)
run.finish()
"""


def environment(**more):
    kept = {name: value for name, value in os.environ.items() if name not in ("SSH_CONNECTION", "DISPLAY", "AUTOTRACK_STRICT")}
    return {**kept, **more}


@contextmanager
def serving(folder, *options, **more):
    """The server in a folder, and the address that it printed."""
    command = [sys.executable, "-m", "autotrack", "ui", "--no-open", "--port", "0", *options]
    server = subprocess.Popen(command, cwd=folder, env=environment(**more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        said = server.stdout.readline()
        assert "http://" in said, said + server.stderr.read()
        yield server, re.search(r"http://\S+", said)[0].rstrip("/")
    finally:
        if server.poll() is None:
            server.kill()
        server.communicate()


@contextmanager
def writing(folder):
    """A program that logs so many points as it is told, and says when they are stored."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER], cwd=folder, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        run_id = program.stdout.readline().strip()

        def write(points):
            program.stdin.write(f"{points}\n")
            program.stdin.flush()
            return int(program.stdout.readline())

        yield run_id, write
        program.stdin.close()
        program.wait(30)


class Page:
    """What an open page does: it listens, and goes on where it was when the stream ends. ``points`` are those of one series, as they came."""

    def __init__(self, address, cursor, run_id, key="loss"):
        self.address, self.cursor, self.place = address, cursor, (run_id, key)
        self.points, self.runs, self.resets, self.stale, self.lags = [], {}, 0, 0, []
        self.is_hidden = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow)
        self._thread.start()

    def _follow(self):
        while not self._over.is_set():
            if self.is_hidden:
                time.sleep(0.02)
                continue
            with suppress(httpx.HTTPError):
                self._listen()
            time.sleep(0.05)

    def _listen(self):
        with httpx.stream("GET", f"{self.address}/api/live", params={"cursor": self.cursor}, timeout=httpx.Timeout(2.0, read=0.3)) as stream:
            kind = ""
            for line in stream.iter_lines():
                if self._over.is_set() or self.is_hidden:
                    return
                name, _, value = line.partition(": ")
                if name == "id":
                    self._next = value
                elif name == "event":
                    kind = value
                elif name == "data":
                    self.take(kind, json.loads(value))
                    self.cursor = self._next

    def take(self, kind, told):
        if kind == "reset":
            self.resets += 1
            return
        for run in told["runs"]:
            self.runs[run["id"]] = run
        for run_id, key, steps, values, _, _ in told["points"]:
            if (run_id, key) == self.place:
                self.points += zip(steps, values, strict=True)
            if key == "at":
                self.lags.append(time.time() - values[-1])
        self.stale += len(told["stale"])

    def has(self, count, within_s=10.0):
        until = time.monotonic() + within_s
        while len(self.points) < count and time.monotonic() < until:
            time.sleep(0.02)
        return [(step, float(step)) for step in range(count)] == self.points

    def close(self):
        self._over.set()
        self._thread.join()


@contextmanager
def looking(*given):
    page = Page(*given)
    try:
        yield page
    finally:
        page.close()


def now(address):
    return httpx.get(f"{address}/api/runs").json()["cursor"]


def test_points_come_to_the_page_as_they_are_written(store):
    with writing(store.parent) as (run_id, write), serving(store.parent) as (_, address), looking(address, now(address), run_id) as page:
        for count in (1, 5, 300, 1):
            write(count)
            time.sleep(0.1)
        assert page.has(307)
        assert (page.resets, page.stale) == (0, 0)
        assert sorted(page.lags)[len(page.lags) // 2] < 1.0


def test_a_run_that_ends_is_told(store):
    with serving_empty(store) as address:
        cursor = now(address)
        with looking(address, cursor, "") as page:
            with writing(store.parent) as (run_id, write):
                write(1)
            until = time.monotonic() + 10
            while time.monotonic() < until and page.runs.get(run_id, {}).get("status") != "finished":
                time.sleep(0.05)
            assert page.runs[run_id]["status"] == "finished"
            assert page.runs[run_id]["metrics"]["loss"] == 0.0


@contextmanager
def serving_empty(store):
    SqliteBackend(store / "autotrack.db").runs()
    with serving(store.parent) as (_, address):
        yield address


def test_a_server_that_dies_and_comes_back_loses_and_doubles_nothing(store):
    with writing(store.parent) as (run_id, write):
        with serving(store.parent) as (server, address):
            page = Page(address, now(address), run_id)
            try:
                write(100)
                assert page.has(100), (page.stale, page.resets, page.points)
                server.kill()
                server.wait()
                write(100)
                port = address.rpartition(":")[2]
                with serving(store.parent, "--port", port) as (_, again):
                    assert again == address
                    write(100)
                    assert page.has(300)
                    assert (page.resets, page.stale) == (0, 0)
            finally:
                page.close()


def test_a_hidden_page_goes_on_where_it_was(store):
    with writing(store.parent) as (run_id, write), serving(store.parent) as (_, address), looking(address, now(address), run_id) as page:
        write(10)
        assert page.has(10)
        page.is_hidden = True
        time.sleep(0.5)
        write(50)
        time.sleep(0.5)
        assert len(page.points) == 10
        page.is_hidden = False
        assert page.has(60)
        assert (page.resets, page.stale) == (0, 0)


def test_eight_pages_see_the_same(store):
    with writing(store.parent) as (run_id, write), serving(store.parent) as (_, address):
        cursor = now(address)
        pages = [Page(address, cursor, run_id) for _ in range(8)]
        try:
            write(200)
            assert [page.has(200) for page in pages] == [True] * 8
        finally:
            for page in pages:
                page.close()


def test_a_page_of_another_store_is_told_to_read_again(store):
    with serving_empty(store) as address, looking(address, "123.4.5", "r") as page:
        until = time.monotonic() + 5
        while not page.resets and time.monotonic() < until:
            time.sleep(0.02)
        assert page.resets == 1


def test_ctrl_c_ends_it_cleanly_with_a_page_open(store):
    SqliteBackend(store / "autotrack.db").runs()
    with serving(store.parent) as (server, address), looking(address, now(address), "r"):
        time.sleep(0.3)
        began = time.monotonic()
        server.send_signal(signal.SIGINT)
        out, err = server.communicate(timeout=10)
        assert (server.returncode, "Traceback" in err, "Error" in err) == (0, False, False), err
        assert time.monotonic() - began < 3
        assert out == ""


def test_a_port_that_is_taken_is_passed_over(store):
    SqliteBackend(store / "autotrack.db").runs()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with serving(store.parent, "--port", str(port)) as (_, address):
            assert int(address.rpartition(":")[2]) > port
            assert httpx.get(f"{address}/api/home").json()["runs"] == 0


def test_on_a_remote_machine_it_prints_the_line_to_type(store):
    SqliteBackend(store / "autotrack.db").runs()
    with serving(store.parent, SSH_CONNECTION="198.51.100.7 50000 192.0.2.1 22") as (server, address):
        port = address.rpartition(":")[2]
        said = [server.stdout.readline() for _ in range(3)]
        assert re.fullmatch(rf"    ssh -N -L {port}:localhost:{port} \S+@192\.0\.2\.1\n", said[1]), said
        assert said[2] == f"and open http://localhost:{port}/\n"


def test_beyond_this_machine_it_asks_for_the_token_that_it_printed(store):
    SqliteBackend(store / "autotrack.db").runs()
    with serving(store.parent, "--host", "0.0.0.0") as (_, address):
        port, token = re.search(r":(\d+)/\?token=(\S+)$", address).groups()
        here = f"http://127.0.0.1:{port}"
        assert httpx.get(f"{here}/api/home").status_code == 401
        with httpx.Client(base_url=here, follow_redirects=True) as browser:
            assert browser.get("/", params={"token": token}).status_code == 200
            assert browser.get("/api/home").json()["runs"] == 0


def test_without_the_extra_it_says_what_to_install(store):
    program = "import sys; sys.modules['uvicorn'] = None; sys.argv = ['autotrack', 'ui']; from autotrack.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", program], cwd=store.parent, env=environment(), capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "autotrack: the dashboard needs uvicorn. To install: pip install 'autotrack-ml[ui]'\n"


def test_where_nothing_is_recorded_yet_it_is_served_all_the_same(store):
    with serving(store.parent) as (_, address):
        home = httpx.get(f"{address}/api/home").json()
        assert (home["runs"], home["store"]) == (0, str(store / "autotrack.db"))


def test_what_a_dead_program_left_behind_is_shown(store):
    program = "import autotrack, os; run = autotrack.start_run('dead'); run.log({'x': 1.0}, step=0); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", program], cwd=store.parent, env=environment())
    with serving(store.parent) as (_, address):
        runs = httpx.get(f"{address}/api/runs").json()["runs"]
        assert [(name, runs["status"]["words"][0]) for name in runs["name"]] == [("dead", "lost")]


def test_what_a_program_prints_is_seen_while_it_runs(store):
    program = "import autotrack, sys; run = autotrack.start_run('talks'); print('hello'); print('more', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, cwd=store.parent, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as one:
        with serving(store.parent) as (_, address):
            until, told = time.monotonic() + 10, {}
            while "more" not in told.get("text", "") and time.monotonic() < until:
                time.sleep(0.1)
                ids = httpx.get(f"{address}/api/runs").json()["runs"]["id"]
                told = httpx.get(f"{address}/api/run/{ids[0]}/console").json() if ids else {}
            assert told == {"text": "hello\nmore\n", "next": 11, "cut": False, "kept": True}
        one.stdin.close()
        assert one.wait(20) == 0


def test_many_writers_are_all_followed(store):
    path = store / "autotrack.db"
    backend = SqliteBackend(path)
    Teller(backend).tell(started("r"))
    with serving(store.parent) as (_, address), looking(address, now(address), "r", "k") as page:
        tellers = [Teller(SqliteBackend(path), f"w{i}") for i in range(4)]
        for round_ in range(25):
            for number, teller in enumerate(tellers):
                step = round_ * 4 + number
                teller.tell(logged("r", "k", [float(step)], [step]))
                time.sleep(0.03)  # of more than some fifteen batches between two looks a series is told to be read again
        assert page.has(100), (page.stale, page.resets, page.points)
        for teller in tellers:
            teller.store.close()
    backend.close()


def test_small_answers_are_not_held_back():
    """Without the protocol in the socket's making asyncio leaves Nagle's algorithm on, and each answer waits 40 ms for an acknowledgement."""
    with serving_module.free("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()), listening.accept()[0] as accepted:
        assert (listening.proto, accepted.proto) == (socket.IPPROTO_TCP, socket.IPPROTO_TCP)
