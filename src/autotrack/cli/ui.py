"""``autotrack ui``: the dashboard."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, cast

import click

from autotrack.cli.doors import choose_store
from autotrack.errors import AutotrackError

if TYPE_CHECKING:
    from pathlib import Path

    from autotrack.backends.protocol import Backend
    from autotrack.recording.tracker import Tracker


class NotInstalled(AutotrackError):
    """A part of the installation is missing."""


@click.command(short_help="Open the dashboard.")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Where to listen. Beyond this machine a token is asked for.")
@click.option("--port", type=click.IntRange(0, 65_535), metavar="PORT", help="Port to listen on; the next free one if it is taken.  [default: 7007]")
@click.option("--no-open", is_flag=True, help="Open no browser.")
@click.option("--uri", metavar="URL", help="Another store than the one found from here.")
def ui(host: str, port: int | None, no_open: bool, uri: str | None) -> None:
    """Open the dashboard: all runs, live, in the browser.

    It listens on this machine only. It never asks another machine for anything. Ctrl-C ends it; a training goes on.
    """
    check_parts()
    choose_store(uri)
    from autotrack import __version__
    from autotrack.recording.tracker import tracker
    from autotrack.server import app, safety, serving

    found = tracker()
    found.catch_up()
    listening = serving.free(host, serving.PORT if port is None else port)
    token = None if safety.is_loopback(host) else new_token()
    gate, live = app.make(
        watched(found),
        found.artifacts,
        staging=None if found.local is None else found.local / "staging",
        place=place(found.settings.uri),
        version=__version__,
        host=host,
        token=token,
        refresh=found.catch_up,
    )
    address = listening.getsockname()

    def ready() -> None:
        say(host, address[1], token)
        if not no_open and token is None and has_browser():
            import webbrowser

            webbrowser.open(url(host, address[1], token))

    serving.serve(gate, live, listening, ready)


def watched(found: Tracker) -> Backend:
    """The store, and whatever takes its place; where there is none yet, one that is empty until somebody makes it: looking makes none."""
    from autotrack.backends.following import Following
    from autotrack.server.awaited import Awaited
    from autotrack.settings import database

    path = database(found.settings.uri)
    store = cast("Backend", Following(lambda: found.backend, found.reopens))
    if path is not None and not path.exists():
        return cast("Backend", Awaited(path, lambda: store))
    _ = found.backend  # what is wrong with it is said before the page opens
    return store


def check_parts() -> None:
    """Raises: NotInstalled, with what to type."""
    from importlib.util import find_spec

    missing = [name for name in ("starlette", "uvicorn") if find_spec(name) is None]
    if missing:
        raise NotInstalled(f"the dashboard needs {' and '.join(missing)}. To install: pip install 'autotrack-ml[ui]'")
    check_page("the dashboard's page")


def check_page(what: str) -> None:
    """Raises: NotInstalled, if the page's libraries are not there."""
    from autotrack.server import page

    files = page.missing()
    if files:
        raise NotInstalled(
            f"{what} lacks {', '.join(files)}: this is a clone, and they are not in git.\n"
            f"To fetch them (needs npm): {fetching(page.STATIC)}\n"
            "Or install a wheel, which has them."
        )


def fetching(static: Path) -> str:
    """The command that fills the page's folder of libraries."""
    root = static.parents[3]
    return f"python {os.path.relpath(root / 'scripts' / 'vendor.py')}" if (root / "scripts" / "vendor.py").is_file() else "make ui"


def place(uri: str) -> str:
    """The store as the page names it."""
    from autotrack.settings import database

    path = database(uri)
    return str(path) if path is not None else uri.split("://")[0]  # the rest of it may hold a password


def new_token() -> str:
    import secrets

    return secrets.token_urlsafe(24)


def url(host: str, port: int, token: str | None) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/{f'?token={token}' if token else ''}"


def say(host: str, port: int, token: str | None) -> None:
    """The address, and from where it can be reached."""
    import getpass
    import socket

    if host in ("0.0.0.0", "::"):
        host = socket.gethostname()
    click.echo(f"autotrack: {url(host, port, token)}")
    if os.environ.get("SSH_CONNECTION") and token is None:
        server = os.environ["SSH_CONNECTION"].split()[2:3]
        there = server[0] if server else socket.gethostname()
        click.echo("This is another machine than the one you sit at. There, type:")
        click.echo(f"    ssh -N -L {port}:{'localhost' if host == '127.0.0.1' else host}:{port} {getpass.getuser()}@{there}")
        click.echo(f"and open http://localhost:{port}/")
    click.echo("Ctrl-C to stop", err=True)
    sys.stdout.flush()


def has_browser() -> bool:
    """Whether there is somebody here to look."""
    if os.environ.get("SSH_CONNECTION"):
        return False
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
