"""The dashboard's server: a gate, the routes of ``api``, the live stream, and the page's files."""

from __future__ import annotations

import functools
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qs

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from autotrack.artifacts import ArtifactStore
from autotrack.backends import deadline
from autotrack.backends.protocol import Backend
from autotrack.errors import AutotrackError, BackendUnavailable, NotFound, QueryError, TooSlow
from autotrack.server import page
from autotrack.server.answers import to_json
from autotrack.server.api import Api
from autotrack.server.asking import Ask, Refused
from autotrack.server.live import Live
from autotrack.server.safety import BODY, SANDBOX, Gate, is_loopback, policy

QUESTION_S = 8.0  # that a question may take
THREADS = 6  # that read the store at once
ARGUMENTS = 300
SMALL = 1_000  # bytes that are not worth to be made smaller


def make(
    backend: Backend,
    artifacts: ArtifactStore,
    *,
    staging: Path | None = None,
    place: str = "",
    version: str = "",
    host: str = "127.0.0.1",
    token: str | None = None,
    refresh: Callable[[], None] | None = None,
    files: dict[str, page.Packed] | None = None,
) -> tuple[Gate, Live]:
    """The app for one store, and its live stream, which is to be stopped before the server.

    ``staging`` is the folder in which living programs keep what they print. ``place`` names the store on the page; ``host`` is where it will
    listen; beyond loopback a ``token`` is needed. ``refresh`` brings in what dead programs left behind.
    """
    api, live = Api(backend, artifacts, staging, place, version), Live(backend, refresh)
    threads = anyio.CapacityLimiter(THREADS)
    files = page.packed() if files is None else files

    def route(path: str, method: str, answer: Callable[[Ask], Any], wrap: Callable[[Any, Request], Response]) -> Route:
        return Route(path, endpoint(answer, wrap, threads), methods=[method])

    routes = [
        route("/api/home", "GET", api.home, as_json),
        route("/api/runs", "GET", api.runs, as_json),
        route("/api/columns", "POST", api.columns, as_json),
        route("/api/search", "GET", api.search, as_json),
        route("/api/complete", "GET", api.complete, as_json),
        route("/api/series", "POST", api.series, as_numbers),
        route("/api/run/{id}", "GET", api.run, as_json),
        route("/api/run/{id}/diff", "GET", api.diff, as_json),
        route("/api/run/{id}/console", "GET", api.console, as_json),
        route("/api/file", "GET", api.file, as_download),
        route("/api/preview", "GET", api.preview, as_json),
        route("/api/picture", "GET", api.picture, as_picture),
        route("/api/compare", "GET", api.compare, as_json),
        route("/api/importance", "POST", api.importance, as_json),
        route("/api/edit", "POST", api.edit, as_json),
        route("/api/delete", "POST", api.delete, as_json),
        route("/api/views", "GET", api.views, as_json),
        route("/api/views", "POST", api.save_view, as_json),
        route("/api/views/delete", "POST", api.delete_view, as_json),
        Route("/api/live", listening(live), methods=["GET"]),
        Route("/{path:path}", functools.partial(static, files), methods=["GET"]),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: refused}, lifespan=lifespan(live))
    shown = files["/"].content if "/" in files else b""
    return Gate(app, policy=policy(shown), host=host, token=token), live


def endpoint(answer: Callable[[Ask], Any], wrap: Callable[[Any, Request], Response], threads: anyio.CapacityLimiter) -> Any:
    """What answers a request: in a thread, within its time, and what goes wrong is said."""

    async def answered(request: Request) -> Response:
        try:
            ask = await asked(request)
            return await anyio.to_thread.run_sync(functools.partial(in_time, answer, wrap, ask, request), limiter=threads)
        except AutotrackError as error:
            return problem(error)

    return answered


def in_time(answer: Callable[[Ask], Any], wrap: Callable[[Any, Request], Response], ask: Ask, request: Request) -> Response:
    with deadline.within(QUESTION_S):
        return wrap(answer(ask), request)


async def asked(request: Request) -> Ask:
    """A request's arguments.   Raises: Refused."""
    if request.method == "POST":
        try:
            body = await request.body()
        except ClientDisconnect as error:  # it went away in the middle, or sent too much
            raise Refused(413, f"a request is sent to its end, and has at most {BODY} bytes") from error
        return Ask.of_json(body, request.path_params)
    try:
        query = request.scope["query_string"].decode("ascii")
        return Ask(parse_qs(query, keep_blank_values=True, errors="strict", max_num_fields=ARGUMENTS), request.path_params)
    except ValueError as error:
        raise Refused(400, "the address cannot be read") from error


def listening(live: Live) -> Any:
    async def answered(request: Request) -> Response:
        try:
            cursor = request.headers.get("last-event-id") or (await asked(request)).text("cursor", 200, default="")
        except Refused as error:
            return problem(error)
        if request.method == "HEAD":
            return Response(media_type="text/event-stream", headers={"cache-control": "no-store"})
        if live.is_full:
            return problem(Refused(503, "too many pages are open"))
        return StreamingResponse(live.listen(cursor), media_type="text/event-stream", headers={"cache-control": "no-store"})

    return answered


def problem(error: AutotrackError) -> Response:
    """What went wrong, in a sentence."""
    status = error.status if isinstance(error, Refused) else next((code for kind, code in _STATUSES if isinstance(error, kind)), 500)
    told: dict[str, Any] = {"problem": str(error)}
    if isinstance(error, QueryError):
        told["at"] = error.position
    return Response(to_json(told), status, media_type="application/json", headers={"cache-control": "no-store"})


_STATUSES: tuple[tuple[type[AutotrackError], int], ...] = ((QueryError, 400), (NotFound, 404), (TooSlow, 504), (BackendUnavailable, 503))


async def refused(_: Request, error: Exception) -> Response:
    """What the router says: there is no such place, or it is not asked so."""
    assert isinstance(error, HTTPException)
    said = {404: "there is nothing here", 405: "this is not asked for in this way"}.get(error.status_code, "this cannot be answered")
    return problem(Refused(error.status_code, said))


def as_json(value: Any, request: Request) -> Response:
    return _sent(value if isinstance(value, bytes) else to_json(value), "application/json", request)


def as_numbers(content: bytes, request: Request) -> Response:
    return _sent(content, "application/octet-stream", request)


def as_picture(value: tuple[str, bytes], _: Request) -> Response:
    return Response(value[1], media_type=value[0], headers={"cache-control": "no-store", "content-security-policy": SANDBOX})


def as_download(value: tuple[str, BinaryIO], _: Request) -> Response:
    said, file = value
    headers = {"content-disposition": said, "content-security-policy": SANDBOX, "cache-control": "no-store"}
    return StreamingResponse(_pieces(file), media_type="application/octet-stream", headers=headers)


async def _pieces(file: BinaryIO) -> AsyncIterator[bytes]:
    try:
        while piece := await anyio.to_thread.run_sync(file.read, 1 << 18):
            yield piece
    finally:
        file.close()


async def static(files: dict[str, page.Packed], request: Request) -> Response:
    """A file of the page."""
    found = files.get(request.scope["path"])
    if found is None:
        return problem(Refused(404, "there is nothing here"))
    headers = {"etag": found.etag, "cache-control": "no-cache", "vary": "accept-encoding"}
    if found.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if _wants_small(request):
        return Response(found.small, headers={**headers, "content-encoding": "gzip"}, media_type=found.type)
    return Response(found.content, headers=headers, media_type=found.type)


def _sent(content: bytes, kind: str, request: Request) -> Response:
    headers = {"cache-control": "no-store"}
    if len(content) > SMALL and _wants_small(request):
        content, headers["content-encoding"] = gzip.compress(content, 1), "gzip"
    return Response(content, media_type=kind, headers=headers)


def _wants_small(request: Request) -> bool:
    """Over a network it pays; on one machine it only takes time."""
    is_near = request.client is not None and is_loopback(request.client.host)
    return not is_near and "gzip" in request.headers.get("accept-encoding", "")


def lifespan(live: Live) -> Any:
    @asynccontextmanager
    async def alive(_: Starlette) -> AsyncIterator[None]:
        yield
        live.stop()

    return alive
