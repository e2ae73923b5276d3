"""The dashboard's server against what has been done to servers like it: every rule of ``server.safety``, on every route."""

import asyncio
import hashlib
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("starlette")
from starlette.routing import Route
from starlette.testclient import TestClient

from autotrack.artifacts import ArtifactStore
from autotrack.backends.memory import MemoryBackend
from autotrack.backends.sqlite import SqliteBackend
from autotrack.server import app, page, safety
from autotrack.testing.backend_contract import Teller
from autotrack.testing.searches import EXAMPLES

HERE, THERE = "http://127.0.0.1:7007", "http://192.0.2.7:7007"
INDEX = b'<!doctype html><script type="importmap">{"imports":{"a":"./a.js"}}</script>'
FILES = {
    "/": page.Packed(INDEX, b"", '"1"', "text/html; charset=utf-8"),
    "/a.js": page.Packed(b"1", b"", '"2"', "text/javascript; charset=utf-8"),
}


def made(tmp_path, **more):
    store = MemoryBackend()
    Teller(store).tell(*EXAMPLES)
    gate, _ = app.make(store, ArtifactStore(str(tmp_path / "artifacts")), files=FILES, **more)
    return gate


@pytest.fixture
def gate(tmp_path):
    return made(tmp_path)


@pytest.fixture
def ask(gate):
    return TestClient(gate, base_url=HERE)


def routes(gate):
    """Every route there is, with its method."""
    found = [(method, route.path.replace("{id}", "a").replace("{path:path}", "a.js")) for route in gate._app.routes for method in route.methods]
    assert all(isinstance(route, Route) for route in gate._app.routes)
    assert len(found) > 30
    return found


def ask_all(gate, host=HERE, *, refused=False, **more):
    """Each route's answer to what it is asked by; the live stream only if it is refused, for else it never ends."""
    client = TestClient(gate, base_url=host, raise_server_exceptions=False)
    for method, path in routes(gate):
        if path == "/api/live" and method == "GET" and not refused:
            continue
        yield method, path, client.request(method, path, **more, **({"json": {}} if method == "POST" and "content" not in more else {}))


@pytest.mark.parametrize("host", ["http://evil.example", "http://127.0.0.1.evil.example", "http://localhost.evil.example:7007", "http://10.0.0.1:7007"])
def test_no_route_answers_to_another_host(gate, host):
    answers = [response.status_code for _, _, response in ask_all(gate, host=host, refused=True)]
    assert set(answers) == {421}


@pytest.mark.parametrize("host", ["localhost", "localhost:9000", "127.0.0.1", "127.0.0.2:1", "[::1]:7007", "LOCALHOST:7007"])
def test_this_machine_answers_to_its_own_names(ask, host):
    assert ask.get("/api/home", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["", "localhost:", "a b", "127.0.0.1:99999999", "127.0.0.1@evil", "localhost/x", "[::1", "0x7f.1", "127.1"])
def test_a_host_that_is_none_is_refused(ask, host):
    assert ask.get("/api/home", headers={"host": host}).status_code == 421


def test_two_hosts_are_refused(gate):
    sent = []

    async def receive():
        return {"type": "http.request", "body": b""}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [(b"host", b"localhost"), (b"host", b"evil")]}
    asyncio.run(gate(scope, receive, send))
    assert sent[0]["status"] == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none", "origin": "http://evil.example"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:7008"},
        {"origin": "https://127.0.0.1:7007"},
    ],
)
def test_nothing_is_changed_or_read_for_another_page(gate, headers):
    for method, path, response in ask_all(gate, refused=True, headers=headers):
        if path.startswith("/api") or method == "POST" or "origin" in headers:
            assert response.status_code == 403, (method, path)


def test_the_page_itself_may_be_linked_to(ask):
    assert ask.get("/", headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}).status_code == 200


def test_our_own_page_is_answered(ask):
    headers = {"sec-fetch-site": "same-origin", "origin": HERE}
    assert ask.post("/api/edit", json={"runs": ["a"], "name": "x"}, headers=headers).status_code == 200


FORMS = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "application/json; charset=latin-1", "text/json")


@pytest.mark.parametrize("kind", FORMS)
def test_what_a_form_can_send_changes_nothing(gate, kind):
    for method, path, response in ask_all(gate, headers={"content-type": kind}, content=b'{"runs":["a"],"name":"x"}'):
        if method == "POST":
            assert response.status_code == 415, path


def test_every_change_and_every_series_is_a_post(gate):
    posts = {path for method, path in routes(gate) if method == "POST"}
    assert posts == {f"/api/{name}" for name in ("columns", "series", "importance", "edit", "delete", "views", "views/delete")}


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW"])
def test_no_other_method_is_answered(ask, method):
    assert ask.request(method, "/api/home").status_code == 405


@pytest.mark.parametrize("path", ["/api/edit", "/api/series", "/api/delete"])
def test_a_change_is_not_asked_for_by_get(ask, path):
    assert ask.get(path).status_code in (404, 405)


@pytest.mark.parametrize(
    "path",
    [
        *("/../../etc/passwd", "/..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/%252e%252e/etc/passwd"),
        "/a/..%5c..%5cetc/passwd",
        *("//etc/passwd", "/./index.html", "/proc/self/root/etc/passwd", "/a.js%00.html", "/%5c%5cevil/share", "/index.html", "/a.js/", "/A.JS"),
        *("/api/run/..%2f..%2fx", "/api/run/a%2fdiff%2f..", "/api", "/api/", "/api/nothing", "/static/a.js", "/a.js;x", "/.git/config"),
        "/autotrack.db",
    ],
)
def test_no_path_leads_out(ask, path):
    response = ask.get(path)
    assert response.status_code in (400, 404), response.text
    assert b"root:" not in response.content


def test_every_answer_forbids_what_a_page_must_not(gate):
    for method, path, response in ask_all(gate):
        headers = response.headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers
        assert headers["cache-control"] in ("no-store", "no-cache"), (method, path)


def test_refusals_forbid_it_too(ask):
    for response in (ask.get("/", headers={"host": "evil"}), ask.get("/nothing"), ask.put("/"), ask.post("/api/edit", content=b"x")):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert json.loads(response.content)["problem"]


def test_the_policy_allows_the_import_map_by_its_hash_and_nothing_inline(ask):
    import base64

    policy = ask.get("/").headers["content-security-policy"]
    digest = base64.b64encode(hashlib.sha256(b'{"imports":{"a":"./a.js"}}').digest()).decode()
    assert f"script-src 'self' 'sha256-{digest}';" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


def test_the_pages_own_files_run_under_the_policy():
    """No script, style or handler stands in the page itself but the import map; no text becomes HTML."""
    index = (page.STATIC / "index.html").read_text() if (page.STATIC / "index.html").exists() else ""
    assert re.findall(r"<script(?![^>]*(?:src=|importmap))[^>]*>", index) == []
    assert re.findall(r"\son\w+=|\sstyle=|<style", index) == []
    unsafe = re.compile(r"\.innerHTML|\.outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|dangerouslySetInnerHTML|https?://(?!www\.w3\.org)")
    for path in page.STATIC.glob("*.js"):
        lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("//")]
        assert [line for line in lines if unsafe.search(line.split(" // ")[0])] == [], path.name


@pytest.mark.parametrize(
    ("method", "path", "more"),
    [
        ("POST", "/api/columns", {"json": {"columns": [["params", "a"]] * 201}}),
        ("POST", "/api/columns", {"json": {"columns": [["params"]]}}),
        ("POST", "/api/columns", {"json": {"columns": [["run", "environment"]]}}),
        ("POST", "/api/columns", {"json": {"columns": [["params", "a" * 1_001]]}}),
        ("POST", "/api/columns", {"json": {"columns": "params.a"}}),
        ("POST", "/api/columns", {"json": {"columns": [["metrics", "a", "sum"]]}}),
        ("POST", "/api/series", {"json": {"runs": ["a"] * 1_001, "keys": ["x"], "points": 100}}),
        ("POST", "/api/series", {"json": {"runs": ["a"], "keys": ["x"] * 9, "points": 100}}),
        ("POST", "/api/series", {"json": {"runs": ["a"], "keys": ["x"], "points": 5_001}}),
        ("POST", "/api/series", {"json": {"runs": ["a"], "keys": ["x"], "points": 1e9}}),
        ("POST", "/api/series", {"json": {"runs": ["a"], "keys": ["x"], "points": True}}),
        ("POST", "/api/series", {"json": {"runs": [1], "keys": ["x"], "points": 100}}),
        ("POST", "/api/series", {"json": {"runs": ["a"], "keys": ["x"], "points": 100, "from": 1}}),
        ("POST", "/api/series", {"json": {"runs": ["a"], "keys": ["x"], "points": 100, "from": 2, "to": 1}}),
        ("POST", "/api/series", {"json": {"runs": ["a"], "keys": ["x"], "points": 100, "from": 0, "to": 10**400}}),
        ("POST", "/api/series", {"json": {"runs": ["a"], "keys": ["x"], "points": 100, "lead": -1}}),
        ("POST", "/api/series", {"json": {"runs": ["a"], "keys": ["x"], "points": 100, "x": "params.lr"}}),
        ("POST", "/api/series", {"content": b'{"runs":["a"],"keys":["x"],"points":NaN}', "headers": {"content-type": "application/json"}}),
        ("POST", "/api/series", {"content": b"[" * 100_000, "headers": {"content-type": "application/json"}}),
        ("POST", "/api/series", {"content": b'"x"', "headers": {"content-type": "application/json"}}),
        ("POST", "/api/series", {"content": b"", "headers": {"content-type": "application/json"}}),
        ("POST", "/api/edit", {"json": {"runs": ["a"], "name": "x" * 501}}),
        ("POST", "/api/edit", {"json": {"runs": ["a"], "notes": "x" * 100_001}}),
        ("POST", "/api/edit", {"json": {"runs": ["a"], "tags": {"k": "x" * 5_001}}}),
        ("POST", "/api/edit", {"json": {"runs": ["a"], "tags": {str(i): "x" for i in range(101)}}}),
        ("POST", "/api/edit", {"json": {"runs": ["a"], "tags": {"k": 1}}}),
        ("POST", "/api/edit", {"content": b'{"runs":["a"],"name":"\\ud800"}', "headers": {"content-type": "application/json"}}),
        ("POST", "/api/views", {"json": {"name": "x", "query": "x" * 8_001}}),
        ("GET", "/api/search", {"params": {"q": "x" * 10_001}}),
        ("GET", "/api/runs", {"params": {"experiment": "x" * 1_001}}),
        ("GET", "/api/runs", {"params": {"deleted": "perhaps"}}),
        ("GET", "/api/compare", {"params": {"run": [str(i) for i in range(51)]}}),
        ("GET", "/api/complete", {"params": {"q": "x", "at": "-1"}}),
        ("GET", "/api/complete", {"params": {"q": "x", "at": "9" * 5_000}}),
        ("GET", "/api/file", {"params": {"run": "a"}}),
    ],
)
def test_a_request_beyond_its_bounds_is_refused_in_a_sentence(ask, method, path, more):
    response = ask.request(method, path, **more)
    assert response.status_code == 400, response.text
    assert len(json.loads(response.content)["problem"]) > 10


def test_addresses_and_bodies_are_bounded(ask):
    assert ask.get("/api/search", params={"q": "x" * 20_000}).status_code == 414
    assert ask.get(f"/{'x' * 3_000}").status_code == 414
    assert ask.get("/api/search?" + "&".join(f"a{i}=1" for i in range(400))).status_code == 400
    assert ask.get("/api/search?q=%ff").status_code == 400
    large = b'{"runs":["a"],"notes":"' + b"x" * safety.BODY + b'"}'
    assert ask.post("/api/edit", content=large, headers={"content-type": "application/json"}).status_code == 413


def test_a_body_that_says_no_length_ends_at_the_bound(gate):
    sent, given = [], 0

    async def receive():
        nonlocal given
        given += 1
        return {"type": "http.request", "body": b"x" * 100_000, "more_body": True}

    async def send(message):
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/api/edit", "raw_path": b"/api/edit", "query_string": b"", "headers": headers}

    async def program():
        try:
            await gate(scope, receive, send)
        except Exception as error:  # the client is gone, as far as the app knows
            return type(error).__name__
        return None

    assert asyncio.run(program()) in (None, "ClientDisconnect")
    assert given <= safety.BODY / 100_000 + 2


def test_a_search_that_takes_too_long_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(app, "QUESTION_S", 0.0)
    client = TestClient(made(tmp_path), base_url=HERE)
    response = client.get("/api/search", params={"q": "params.lr > 1"})
    assert (response.status_code, "too long" in response.json()["problem"]) == (504, True)


def test_a_socket_is_closed(ask):
    from starlette.websockets import WebSocketDisconnect

    with pytest.raises(WebSocketDisconnect), ask.websocket_connect("/api/live"):
        pass


@pytest.fixture
def distant(tmp_path):
    return made(tmp_path, host="192.0.2.7", token="token-1")


def test_beyond_this_machine_no_route_answers_without_the_token(distant):
    for headers in ({}, {"cookie": "autotrack=wrong"}, {"cookie": "autotrack="}, {"cookie": "x=token-1"}, {"authorization": "Bearer token-1"}):
        answers = {response.status_code for _, _, response in ask_all(distant, host=THERE, refused=True, headers=headers)}
        assert answers == {401}


def test_the_printed_address_brings_the_token_once(distant):
    client = TestClient(distant, base_url=THERE, follow_redirects=False)
    met = client.get("/?token=token-1")
    assert (met.status_code, met.headers["location"]) == (303, "/")
    cookie = met.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    for wrong in ("/?token=token", "/?token=", "/?token=token-1&token=x", "/api/home?token=token-1"):
        assert TestClient(distant, base_url=THERE, follow_redirects=False).get(wrong).status_code == 401


def test_the_token_opens_every_route(distant):
    answers = {response.status_code for _, _, response in ask_all(distant, host=THERE, headers={"cookie": "autotrack=token-1"})}
    assert 401 not in answers
    assert 200 in answers


def test_the_token_is_not_kept(distant):
    kept = repr(vars(distant))
    assert "token-1" not in kept
    assert isinstance(distant, safety.Gate)


WORDS = st.sampled_from(["a", "b", "val/acc", "loss", "params", "metrics", "tags", "run", "notes", "step", "last", "", "'", "%00", "x" * 300])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
ARGUMENTS = st.sampled_from(
    ["runs", "keys", "points", "x", "from", "to", "lead", "columns", "experiment", "deleted", "target", "q", "name", "notes", "tags", "undo", "query"]
)
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "runs": st.lists(WORDS, max_size=3) | JSON,
        "keys": st.lists(WORDS, max_size=3) | JSON,
        "points": st.integers(10, 6_000) | JSON,
        "columns": st.lists(st.lists(WORDS, min_size=1, max_size=3), max_size=3) | JSON,
        "target": st.lists(WORDS, min_size=1, max_size=3) | JSON,
        "x": st.sampled_from(["step", "time", "relative", {"metric": "loss"}]) | JSON,
    },
)


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def client(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    store = MemoryBackend() if request.param == "memory" else SqliteBackend(folder / "autotrack.db")
    Teller(store).tell(*EXAMPLES)
    gate, _ = app.make(store, ArtifactStore(str(folder / "artifacts")), files=FILES)
    yield TestClient(gate, base_url=HERE)
    store.close()


@given(body=st.builds(lambda one, other: {**one, **other}, st.dictionaries(ARGUMENTS, JSON, max_size=6), BODIES))
@settings(max_examples=60, deadline=None)
def test_whatever_is_sent_is_answered_or_refused_and_never_breaks(client, body):
    for path in ("columns", "series", "importance", "edit", "delete", "views", "views/delete"):
        response = client.post(f"/api/{path}", json=body)
        assert response.status_code in (200, 400, 404), (path, response.text)
    query = {name: value if isinstance(value, str) else json.dumps(value) for name, value in body.items()}
    for path in ("home", "runs", "search", "complete", "file", "preview", "picture", "compare", "views", "run/a", "run/a/diff", "run/a/console"):
        response = client.get(f"/api/{path}", params=query)
        assert response.status_code in (200, 400, 404, 414, 415), (path, response.text)
