"""What one answer may cost: seconds from the connection to the last byte, and bytes, compressed or not.

requests and urllib3 bound the wait for each piece of an answer, and not the answer: a byte now and then, or headers
without end, would hold a sync for ever, and 2 MB of gzip may stand for 2 GB. Here the bounds are looked at each time
that the socket gives something, so they hold for the status line, headers, chunks and trailers too.

An answer that is compressed otherwise than was asked for is refused.
"""

from __future__ import annotations

import io
import socket
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from http.client import HTTPResponse
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import DecodeError, ProtocolError

AROUND = 1_000_000  # bytes that may stand around a body: headers, chunk sizes, trailers
PIECE = 1_000_000  # bytes that are read at once; nearly every answer is shorter
SLICE = 65_536  # bytes that are decompressed at once
_CODINGS = ("identity", "gzip", "x-gzip", "deflate")


class TooLargeError(Exception):
    """An answer has more bytes than are read."""


class Bounds:
    """The bounds of one answer, which begins now: `seconds` to its last byte, and `most` bytes of its body.

    In the block `with bounds:` they hold for each connection that the thread uses.
    """

    _of_thread = threading.local()

    def __init__(self, seconds: float, most: int) -> None:
        self._seconds, self.most = seconds, most
        self._ends = time.monotonic() + seconds
        self._received = 0

    def __enter__(self) -> None:
        self._of_thread.bounds = self

    def __exit__(self, *_: object) -> None:
        del self._of_thread.bounds

    @classmethod
    def now(cls) -> Bounds:
        """Those that hold in this thread."""
        bounds: Bounds = cls._of_thread.bounds
        return bounds

    def left(self) -> float:
        """Seconds that are left. Raises TimeoutError where none are."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"the answer was not whole after {self._seconds:g} s")
        return left

    def receive(self, count: int) -> None:
        """Counts bytes as they came. Raises TooLargeError."""
        self._received += count
        if self._received > self.most + AROUND:
            raise TooLargeError


def body_of(response: Any, most: int) -> bytes:
    """The body of a response of urllib3, decompressed. Raises TooLargeError, or what urllib3 or the socket raise."""
    coding = (response.headers.get("Content-Encoding") or "identity").strip().lower()
    if coding not in _CODINGS:
        raise DecodeError(f"the answer has the encoding {coding[:40]!r}, which was not asked for")
    pieces = _pieces(response)
    found, size = [], 0
    for piece in pieces if coding == "identity" else _decompressed(pieces, coding):
        size += len(piece)
        if size > most:
            raise TooLargeError
        found.append(piece)
    return found[0] if len(found) == 1 else b"".join(found)


def _pieces(response: Any) -> Iterator[bytes]:
    try:
        while piece := response.read(PIECE, decode_content=False):
            yield piece
            if response.length_remaining == 0:
                return  # without a read that finds nothing
    except ValueError as error:  # the size of a chunk is below 0
        raise ProtocolError(f"the answer cannot be read: {error}") from None


def _decompressed(pieces: Iterable[bytes], coding: str) -> Iterator[bytes]:
    """What is compressed, in pieces of their own; gzip may have several members, one after the other."""
    member = None
    try:
        # Short ones, since zlib copies what is left each time.
        for rest in (piece[start : start + SLICE] for piece in pieces for start in range(0, len(piece), SLICE)):
            while rest:
                if member is None or member.eof:
                    member = zlib.decompressobj(_window(coding, rest))
                yield member.decompress(rest, SLICE)
                rest = member.unconsumed_tail or member.unused_data
        if member is not None:
            yield member.flush()
    except zlib.error as error:
        raise DecodeError(f"the answer cannot be decompressed: {error}") from None
    if member is not None and not member.eof:
        raise DecodeError("the compressed answer was cut off")


def _window(coding: str, begin: bytes) -> int:
    """What zlib has to expect: a header of gzip or zlib; or none, as some servers understand `deflate`."""
    headed = begin[0] & 15 == 8 and int.from_bytes(begin[:2], "big") % 31 == 0
    return -zlib.MAX_WBITS if coding == "deflate" and not headed else zlib.MAX_WBITS | 32


# ---- connections whose responses are read within the bounds of the thread ----


class _Stream(io.RawIOBase):
    """What a socket gives."""

    def __init__(self, sock: socket.socket) -> None:
        self._bounds, self._sock, self._timeout = Bounds.now(), sock, sock.gettimeout()
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._bounds.left()
        if self._timeout is None or left < self._timeout:  # rarely: each change is a call of the system
            self._sock.settimeout(left)
        try:
            count = self._raw.readinto(buffer)
        except TimeoutError:
            self._bounds.left()
            raise
        self._bounds.receive(count or 0)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Source:
    """A socket as `http.client` wants it: something to make a file of."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        return io.BufferedReader(_Stream(self._sock))


class _Response(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(_Source(sock), *args, **options)  # type: ignore[arg-type]


class _HttpPool(HTTPConnectionPool):
    def _new_conn(self) -> Any:
        return _read_within_bounds(super()._new_conn())


class _HttpsPool(HTTPSConnectionPool):
    def _new_conn(self) -> Any:
        return _read_within_bounds(super()._new_conn())


def _read_within_bounds(connection: Any) -> Any:
    connection.response_class = _Response
    return connection


class BoundedAdapter(HTTPAdapter):
    """requests' adapter, with these connections. Cookies and what else requests makes of headers are left out."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        _bound(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        return _bound(super().proxy_manager_for(*args, **options))

    def build_response(self, request: Any, raw: Any) -> requests.Response:
        response = requests.Response()
        response.status_code, response.headers, response.raw, response.request = raw.status, raw.headers, raw, request
        return response


def _bound(manager: Any) -> Any:
    manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
    return manager
