"""Listening on a port until somebody says stop."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn

from autotrack.errors import SettingsError
from autotrack.server.live import Live
from autotrack.server.safety import App

PORT = 7007
NEXT = 50  # ports that are tried, one after the other
GRACE_S = 2  # for answers that are on their way when it ends
CONNECTIONS = 500


def free(host: str, port: int) -> socket.socket:
    """A socket that listens on the port, or on the next that is free; 0 is any.   Raises: SettingsError."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise SettingsError(f"--host {host}: {error.strerror or error}") from error
    for number in range(port, min(port + NEXT, 65_535) + 1):
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # said in full, else asyncio leaves Nagle's delay on
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((address[0], number))
            listening.listen(128)
        except OSError as error:
            listening.close()
            if error.errno in (errno.EADDRINUSE, errno.EACCES) and port:
                continue
            raise SettingsError(f"cannot listen on {host} port {number}: {error.strerror}") from error
        listening.set_inheritable(False)
        return listening
    raise SettingsError(f"no port from {port} to {port + NEXT} is free on {host}; say another one with --port")


class _Server(uvicorn.Server):
    """Says when it answers, and ends the live streams first: they would never end by themselves."""

    def __init__(self, config: uvicorn.Config, live: Live, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._live, self._ready = live, ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self._live.stop()


def serve(app: App, live: Live, listening: socket.socket, ready: Callable[[], None]) -> None:
    """Answer until Ctrl-C or SIGTERM; ``ready`` is called when it does."""
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_level="error",
        access_log=False,
        proxy_headers=False,  # who asks is who is connected
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE_S,
    )
    try:
        _Server(config, live, ready).run(sockets=[listening])
    except KeyboardInterrupt:  # uvicorn raises again what ended it
        return
    finally:
        listening.close()
