"""`connector.posture.server`: under which names the dashboard answers. `tests/analysts/test_pages.py` asks it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from connector.posture.server import _guarded


def status(port: int, host: str, origin: str | None) -> int:
    """The status of what the guard answers at a port, for a caller who knows the path."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def app(_: Any, __: Any, send: Any) -> None:
        await send({"status": 200})

    headers = [(b"host", host.encode()), *([(b"origin", origin.encode())] if origin else [])]
    scope = {"type": "http", "path": "/token/", "headers": headers}
    asyncio.run(_guarded(app, port, "/token")(scope, send, send))
    return int(sent[0]["status"])


@pytest.mark.parametrize(
    ("port", "host", "origin", "answered"),
    [
        (80, "127.0.0.1", "http://127.0.0.1", 200),
        (80, "localhost:80", None, 200),
        (80, "evil.example", None, 403),
        (80, "127.0.0.1", "http://evil.example", 403),
        (8080, "127.0.0.1:8080", "http://127.0.0.1:8080", 200),
        (8080, "127.0.0.1", None, 403),
        (8080, "127.0.0.1:8080", "http://127.0.0.1", 403),
    ],
)
def test_names_of_this_machine_alone(port: int, host: str, origin: str | None, answered: int) -> None:
    """With the port, which browsers leave away where it is 80."""
    assert status(port, host, origin) == answered
