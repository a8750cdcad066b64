"""`tcss dashboard`: the notebook 02_posture, served on a loopback address to this machine alone."""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from connector.errors import ConfigurationError
from connector.posture.queries import Queries

HOST = "127.0.0.1"
_PACKAGE = Path(__file__).parents[1]
_DIRECTORIES = (_PACKAGE / "_notebooks", _PACKAGE.parent / "notebooks")  # in the wheel, in a checkout
_Scope = dict[str, Any]
_Channel = Callable[..., Awaitable[Any]]
_Asgi = Callable[[_Scope, _Channel, _Channel], Awaitable[None]]


def serve(queries: Queries, port: int, announce: Callable[[str], None]) -> None:
    """Serves until it is interrupted; port 0 takes a free one. Leaves threads of marimo's that end with the process.
    Raises ConfigurationError without marimo, or where the port is taken."""
    try:
        import marimo
        import uvicorn
    except ImportError:
        raise ConfigurationError(
            "the dashboard needs marimo, which is not installed", hint='pip install "tcss-connector[notebooks]".'
        ) from None
    directory = next(path for path in _DIRECTORIES if path.is_dir())
    # What the notebook reads, as any other that is run by hand; the URL may hold a password, so no argument has it.
    os.environ["TCSS_DESTINATION"] = _url(queries)
    os.environ["TCSS_DATASET"] = queries.location.dataset
    notebook = str(directory / "02_posture.py")
    pages = marimo.create_asgi_app(quiet=True, include_code=False).with_app(path="", root=notebook).build()
    with _listen(port) as listening:
        address = listening.getsockname()
        announce(f"{queries}: http://{HOST}:{address[1]}")
        config = uvicorn.Config(_local(pages, address[1]), log_level="warning", timeout_graceful_shutdown=1)
        with suppress(KeyboardInterrupt):  # uvicorn raises it once more, when it has ended
            uvicorn.Server(config).run(sockets=[listening])


def _url(queries: Queries) -> str:
    url = queries.location.url
    assert url is not None  # noqa: S101  (`Queries.open` has refused it)
    return url.render_as_string(hide_password=False)


def _listen(port: int) -> socket.socket:
    try:
        listening = socket.create_server((HOST, port))
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on port {port}: {error.strerror}", hint="Name another one with --port, or 0 for a free one."
        ) from None
    # asyncio sets it for sockets that name their protocol only; without it each of marimo's 300 files waits 40 ms.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _local(app: _Asgi, port: int) -> _Asgi:
    """The app for pages of its own only: another site's page, which a browser here may have open, could otherwise read
    it over a WebSocket, or under a host name of its own that leads here."""
    hosts = {f"{host}:{port}" for host in (HOST, "localhost")}
    origins = {f"http://{host}" for host in hosts}

    async def guarded(
        scope: _Scope, receive: Callable[..., Awaitable[Any]], send: Callable[..., Awaitable[Any]]
    ) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope.get("headers", ())}
        ours = headers.get("host") in hosts and headers.get("origin", min(origins)) in origins
        if ours or scope["type"] == "lifespan":
            await app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            await send({"type": "http.response.start", "status": 403, "headers": []})
            await send({"type": "http.response.body", "body": b"This dashboard answers its own pages only.\n"})

    return guarded
