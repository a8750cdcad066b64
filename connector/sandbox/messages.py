"""Speaks the HTTP/1.1 that the sandbox needs: reads one request, writes one reply, keeps connections open."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus

MOST_BYTES = 10 * 2**20


class MalformedError(Exception):
    """The bytes are no HTTP/1.1 request with a Content-Length."""


@dataclass(frozen=True)
class Request:
    """Holds a request as received: header names in lower case, values and body untouched; `peer`: the caller's IP."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    peer: str = "127.0.0.1"

    @property
    def keeps_open(self) -> bool:
        """Whether the caller wants to send another request over this connection."""
        return self.headers.get("connection", "").lower() != "close"


@dataclass(frozen=True)
class Reply:
    """Holds an answer and the faults of its transmission: `delay` in seconds, `cut` half the body, `drop` all of it."""

    body: bytes = b""
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut: bool = False
    drop: bool = False


async def read_request(reader: asyncio.StreamReader, peer: str) -> Request | None:
    """Return the next request of a connection, None at the connection's end.

    Raises:
        MalformedError: the request is malformed, or larger than 10 MiB (the API's own limit).
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError as error:
        raise MalformedError("the headers are too long") from error
    first, *lines = head[:-4].decode("latin-1").split("\r\n")
    try:
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
        length = int(headers.get("content-length", "0"))
    except ValueError as error:
        raise MalformedError("malformed request") from error
    if "transfer-encoding" in headers or not 0 <= length <= MOST_BYTES:
        raise MalformedError("a Content-Length of at most 10 MiB is needed")
    return Request(method, target, headers, await reader.readexactly(length) if length else b"", peer)


def reply_bytes(reply: Reply, now: float, *, closing: bool = False) -> bytes:
    """Return the reply's bytes; `now` (Unix seconds) is the Date. A cut reply still announces its whole length."""
    lines = [
        f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}",
        "Server: tcss-sandbox",
        f"Date: {formatdate(now, usegmt=True)}",
        f"Content-Type: {reply.content_type}",
        f"Content-Length: {len(reply.body)}",
        f"Connection: {'close' if closing else 'keep-alive'}",
        *(f"{name}: {value}" for name, value in reply.headers.items()),
    ]
    body = reply.body[: len(reply.body) // 2] if reply.cut else reply.body
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
