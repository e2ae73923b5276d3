"""Who is answered at all. It stands before every route, so that a new one is closed by default.

- The ``Host`` is an address of this machine or a name that was said exactly: a page elsewhere that resolves to this machine gets nothing.
- What is not a page's own request (``Sec-Fetch-Site``, ``Origin``) reads nothing of the API. Every ``POST`` must be JSON, which no page
  elsewhere can send without asking first, and nobody is allowed.
- Paths are decoded once; what then looks like a way out is refused. Bodies, paths and query strings are bounded.
- Beyond this machine a token is asked for: random, kept hashed, told once.
- Every answer forbids the browser to guess types, to tell others where it was, to frame the page, to run what the page did not bring.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import re
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY = 2 << 20  # bytes
PATH = 2_000
QUERY = 16_000
COOKIE = "autotrack"
SANDBOX = "sandbox; default-src 'none'; frame-ancestors 'none'"  # of files that runs brought
_HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(?::\d{1,5})?")
_JSON = re.compile(r"application/json\s*(;\s*charset=\"?utf-8\"?\s*)?", re.IGNORECASE)


def policy(page: bytes) -> str:
    """The page's content security policy; its import map, which stands in the page itself, is allowed by its hash."""
    maps = re.findall(rb'<script type="importmap">(.*?)</script>', page, re.DOTALL)
    hashes = "".join(f" 'sha256-{base64.b64encode(hashlib.sha256(one).digest()).decode()}'" for one in maps)
    return (
        f"default-src 'none'; script-src 'self'{hashes}; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class Gate:
    """An ASGI app before the app."""

    def __init__(self, app: App, *, policy: str, host: str = "127.0.0.1", token: str | None = None) -> None:
        self._app = app
        self._names = {"localhost", host.lower()}
        self._is_open = not is_loopback(host)  # then it is reached by any address of the machine
        self._token = None if token is None else hashlib.sha256(token.encode()).digest()
        self._headers = {
            b"content-security-policy": policy.encode(),
            b"x-content-type-options": b"nosniff",
            b"referrer-policy": b"no-referrer",
            b"cross-origin-opener-policy": b"same-origin",
            b"cross-origin-resource-policy": b"same-origin",
            b"x-frame-options": b"DENY",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or say why not."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # a socket: closed without a word
            await send({"type": "websocket.close", "code": 1008})
            return

        async def shielded(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                given = message.setdefault("headers", [])
                said = {name.lower() for name, _ in given}
                message["headers"] = [*given, *(pair for pair in self._headers.items() if pair[0] not in said)]
            await send(message)

        headers = _headers(scope)
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await _say(shielded, *refusal)
        elif self._token is not None and not self._is_known(headers):
            await self._meet(scope, shielded)
        else:
            await self._app(scope, _bounded(receive), shielded)

    def _refusal(self, scope: Scope, headers: dict[str, list[str]]) -> tuple[int, str] | None:
        """Why the request is not answered; None if it is."""
        method, path = scope["method"], scope["path"]
        if not self._is_our_host(headers.get("host", [])):
            return 421, "this server answers to its own address only; open it as it was printed"
        if len(path) > PATH or len(scope.get("query_string", b"")) > QUERY:
            return 414, "the address is too long"
        if not path.startswith("/") or "\\" in path or "//" in path or not path.isprintable() or {"..", "."} & set(path.split("/")):
            return 400, "this path leads nowhere"
        if method not in ("GET", "HEAD", "POST"):
            return 405, "only GET, HEAD and POST are answered"
        if not self._is_from_our_page(headers, scope):
            return 403, "this is answered to the page's own requests only"
        if method == "POST":
            if len(headers.get("content-type", [])) != 1 or not _JSON.fullmatch(headers["content-type"][0].strip()):
                return 415, "a change is sent as application/json"
            length = headers.get("content-length", ["0"])[0]
            if not (length.isascii() and length.isdecimal() and len(length) < 12 and int(length) <= BODY):
                return 413, f"a request has at most {BODY} bytes"
        return None

    def _is_our_host(self, hosts: list[str]) -> bool:
        found = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
        if found is None:
            return False
        name = found["name"].lower().strip("[]")
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return name in self._names
        return address.is_loopback or self._is_open or name in self._names

    def _is_from_our_page(self, headers: dict[str, list[str]], scope: Scope) -> bool:
        """Whether it is, as far as the browser says; a program that is no browser says nothing."""
        is_api = scope["path"].startswith("/api")
        sites, origins = headers.get("sec-fetch-site", []), headers.get("origin", [])
        if scope["method"] == "POST" or origins:
            own = f"{scope.get('scheme', 'http')}://{headers['host'][0]}"
            if sites not in ([], ["same-origin"]) or any(origin.lower() != own.lower() for origin in origins):
                return False
        return not is_api or sites in ([], ["same-origin"], ["none"])

    def _is_known(self, headers: dict[str, list[str]]) -> bool:
        try:
            cookies = SimpleCookie("; ".join(headers.get("cookie", [])))
        except CookieError:
            return False
        return COOKIE in cookies and self._fits(cookies[COOKIE].value)

    def _fits(self, token: str) -> bool:
        assert self._token is not None
        return hmac.compare_digest(hashlib.sha256(token.encode()).digest(), self._token)

    async def _meet(self, scope: Scope, send: Send) -> None:
        """The printed address brings the token once; from then on the browser has it."""
        given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [])
        if scope["path"] != "/" or scope["method"] != "GET" or len(given) != 1 or not self._fits(given[0]):
            await _say(send, 401, "open the address that was printed where autotrack ui was started: it has the token")
            return
        cookie = f"{COOKIE}={given[0]}; Path=/; HttpOnly; SameSite=Strict"
        headers = [(b"location", b"/"), (b"set-cookie", cookie.encode()), (b"cache-control", b"no-store"), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def _headers(scope: Scope) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


def _bounded(receive: Receive) -> Receive:
    """What a client sends, until it is too much; then it is gone."""
    had = 0

    async def received() -> MutableMapping[str, Any]:
        nonlocal had
        message = await receive()
        had += len(message.get("body", b""))
        return {"type": "http.disconnect"} if had > BODY else message

    return received


async def _say(send: Send, status: int, problem: str) -> None:
    from autotrack.server.answers import to_json

    body = to_json({"problem": problem})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
