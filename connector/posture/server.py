"""Serves `tcss dashboard`: the notebook 02_posture, on a loopback address, to this machine alone."""

from __future__ import annotations

import logging
import os
import shutil
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import chdir, contextmanager, suppress
from hmac import compare_digest
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

from connector.errors import ConfigurationError
from connector.posture.queries import Queries
from connector.posture.rendering import script
from connector.warehouse.urls import rendered, with_whole_paths
from connector.warehouse.workdirs import DASHBOARD, workdir

HOST = "127.0.0.1"
HTTP_PORT = 80
IDLE = 60  # seconds from the closing of a page to the end of its kernel
_PACKAGE = Path(__file__).parents[1]
_DIRECTORIES = (_PACKAGE / "_notebooks", _PACKAGE.parent / "notebooks")  # in the wheel, in a checkout
_REFUSAL = b"This dashboard answers its own pages only: open the whole URL that `tcss dashboard` has printed.\n"
_Scope = dict[str, Any]
_Channel = Callable[..., Awaitable[Any]]
_Asgi = Callable[[_Scope, _Channel, _Channel], Awaitable[None]]


def serve(queries: Queries, port: int, announce: Callable[[str], None]) -> None:
    """Serve until interrupted; port 0 takes a free port. Leaves threads of marimo's that end with the process.

    The announced URL has a secret token, so that other users of this machine cannot open the dashboard. Raises
    ConfigurationError if marimo is missing, or if the port is taken.
    """
    try:
        import marimo
        import uvicorn
    except ImportError:
        raise ConfigurationError(
            "the dashboard needs marimo, which is not installed", hint='pip install "tcss-connector[notebooks]".'
        ) from None
    # The notebook reads its environment, as if run by hand; the URL may hold a password, so no argument has the URL.
    os.environ["TCSS_DESTINATION"] = _url(queries)
    os.environ["TCSS_DATASET"] = queries.location.dataset
    if name := queries.wanted[0]:
        os.environ["TCSS_ACCOUNT"] = name
    path = f"/{token_urlsafe()}"
    with _listen(port) as listening, _alone() as notebook:
        pages = marimo.create_asgi_app(quiet=True, include_code=False, session_ttl=IDLE, html_head=script())
        address = f"{HOST}:{listening.getsockname()[1]}"
        announce(f"{queries}: http://{address}{path}/")
        app = _guarded(pages.with_app(path=path, root=notebook).build(), listening.getsockname()[1], path)
        logging.getLogger("asyncio").setLevel(logging.ERROR)  # a page that is closed while it is sent is no warning
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
        with suppress(KeyboardInterrupt):  # uvicorn raises KeyboardInterrupt again at its end
            uvicorn.Server(config).run(sockets=[listening])


@contextmanager
def _alone() -> Iterator[str]:
    """Yield the notebook in a new working directory with nothing else but marimo's configuration.

    marimo takes settings, code (`pythonpath`) and variables (`dotenv`) from the nearest pyproject.toml and .marimo.toml
    of the working directory and its parents, which the user may not know.
    """
    source = next(path for path in _DIRECTORIES if path.is_dir()) / "02_posture.py"
    with workdir(DASHBOARD) as directory, chdir(directory):
        Path(".marimo.toml").touch()
        Path("pyproject.toml").write_text("[tool.marimo.runtime]\npythonpath = []\ndotenv = []\n", encoding="utf-8")
        yield str(shutil.copy(source, str(directory)))


def _url(queries: Queries) -> str:
    url = queries.location.url
    assert url is not None  # noqa: S101  (`Queries.open` has refused it)
    return rendered(with_whole_paths(url))


def _listen(port: int) -> socket.socket:
    try:
        listening = socket.create_server((HOST, port))
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on port {port}: {error.strerror}", hint="Name another port with --port, or 0 for any port."
        ) from None
    # asyncio sets TCP_NODELAY only for sockets that name their protocol; else each of marimo's 300 files waits 40 ms.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _written(port: int) -> tuple[str, ...]:
    """Return how a port may stand behind a host: browsers leave the port of http away."""
    return (f":{port}", "") if port == HTTP_PORT else (f":{port}",)


def _guarded(app: _Asgi, port: int, path: str) -> _Asgi:
    """Return the app for callers who know the path, and for its own pages only: another site's page in a browser here
    could otherwise read the app over a WebSocket, or under a host name of that site that resolves to this machine."""
    hosts = {host + written for host in (HOST, "localhost") for written in _written(port)}
    origins = {f"http://{host}" for host in hosts}

    async def guarded(
        scope: _Scope, receive: Callable[..., Awaitable[Any]], send: Callable[..., Awaitable[Any]]
    ) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope.get("headers", ())}
        known = compare_digest(str(scope.get("path", "")).encode()[: len(path) + 1], f"{path}/".encode())
        ours = headers.get("host") in hosts and headers.get("origin", min(origins)) in origins
        if (known and ours) or scope["type"] == "lifespan":
            await app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            await send({"type": "http.response.start", "status": 403, "headers": []})
            await send({"type": "http.response.body", "body": _REFUSAL})

    return guarded
