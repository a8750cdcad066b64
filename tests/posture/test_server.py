"""`connector.posture.server`: under which names the dashboard answers, and what is said. `tests/analysts/test_pages.py`
asks it."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

from connector.posture.queries import Queries
from connector.posture.server import _guarded, serve


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


def test_a_page_that_is_closed_while_it_is_sent_is_no_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """asyncio warns of each further piece; its errors are shown."""
    said = logging.getLogger("asyncio")

    def run(sockets: Any) -> None:
        said.warning("socket.send() raised exception.")
        said.error("Task exception was never retrieved")

    monkeypatch.setitem(sys.modules, "marimo", MagicMock())
    monkeypatch.setitem(
        sys.modules, "uvicorn", SimpleNamespace(Config=MagicMock(), Server=lambda _: SimpleNamespace(run=run))
    )
    for name in ("TCSS_DESTINATION", "TCSS_DATASET"):
        monkeypatch.setenv(name, "restored after the test")
    level = said.level
    try:
        serve(Queries.open(f"duckdb:///{tmp_path}/w.duckdb", "tcss"), 0, print)
    finally:
        said.setLevel(level)
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == [
        "Task exception was never retrieved"
    ]
