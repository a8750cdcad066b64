"""Bounds what one answer may cost: seconds from the connection to the last byte, and bytes, compressed or not.

requests and urllib3 bound the wait for each piece of an answer, but not for the whole answer. A server that sends one
byte now and then, or endless headers, would block a sync for ever, and 2 MB of gzip may expand to 2 GB. This module
checks the bounds at every read from the socket, so they hold for the status line, headers, chunks and trailers too.

An answer in an encoding that was not asked for is refused.
"""

from __future__ import annotations

import io
import socket
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from functools import cache
from http.client import HTTPResponse
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import DecodeError, ProtocolError

AROUND = 1_000_000  # bytes that may stand around a body: headers, chunk sizes, trailers
PIECE = 1_000_000  # bytes per read; nearly every answer is shorter
SLICE = 65_536  # bytes per step of decompression
_CODINGS = ("identity", "gzip", "x-gzip", "deflate")


class TooLargeError(Exception):
    """An answer has more bytes than its bound allows."""


class Bounds:
    """Bounds one answer, from now on: `seconds` until its last byte, and `most` bytes of its body.

    Inside the block `with bounds:` the bounds hold for each connection that the thread uses.
    """

    _of_thread = threading.local()

    def __init__(self, seconds: float, most: int) -> None:
        self._seconds, self.most = seconds, most
        self._ends = time.monotonic() + seconds
        self._received = 0
        self._held: list[tuple[Any, Any]] = []

    def __enter__(self) -> None:
        self._of_thread.bounds = self

    def __exit__(self, *_: object) -> None:
        del self._of_thread.bounds

    @classmethod
    def now(cls) -> Bounds:
        """Return the bounds that hold in this thread."""
        bounds: Bounds = cls._of_thread.bounds
        return bounds

    @classmethod
    def hold(cls, pool: Any, connection: Any) -> bool:
        """Keep a connection back that a pool could use again, until `give_back`; False where no bounds hold."""
        bounds: Bounds | None = getattr(cls._of_thread, "bounds", None)
        if bounds is not None:
            bounds._held.append((pool, connection))
        return bounds is not None

    def give_back(self, *, usable: bool) -> None:
        """Give connections back to their pools; closed, unless they are `usable`. A pool opens a closed one again."""
        while self._held:
            pool, connection = self._held.pop()
            if connection is not None and not usable:
                connection.close()
            pool.put(connection)

    def left(self) -> float:
        """Return the seconds that are left. Raises TimeoutError where none are left."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"the answer was not whole after {self._seconds:g} s")
        return left

    def receive(self, count: int) -> None:
        """Count bytes as received, still compressed. Raises TooLargeError."""
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
                return  # spare a last read that would find nothing
    except ValueError as error:  # the size of a chunk is below 0
        raise ProtocolError(f"the answer cannot be read: {error}") from None


def _decompressed(pieces: Iterable[bytes], coding: str) -> Iterator[bytes]:
    """Yield the decompressed bytes in pieces. A gzip body may have several members, one after the other."""
    member = None
    try:
        # Feed zlib short slices, because zlib copies the unread rest of its input at each step.
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
    """Return zlib's `wbits` for a gzip or zlib header, or for `deflate` without a header, which some servers send."""
    headed = begin[0] & 15 == 8 and int.from_bytes(begin[:2], "big") % 31 == 0
    return -zlib.MAX_WBITS if coding == "deflate" and not headed else zlib.MAX_WBITS | 32


# ---- connections whose responses are read within the bounds of the thread ----


class _Stream(io.RawIOBase):
    """Reads from a socket within the bounds of the thread."""

    def __init__(self, sock: socket.socket) -> None:
        self._bounds, self._sock, self._timeout = Bounds.now(), sock, sock.gettimeout()
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._bounds.left()
        if self._timeout is None or left < self._timeout:  # seldom, because each change is a system call
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
    """Gives `http.client` what it wants of a socket: a `makefile` method."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        return io.BufferedReader(_Stream(self._sock))


class _Response(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(_Source(sock), *args, **options)  # type: ignore[arg-type]


class _Connection:
    """Reads responses within the bounds of the thread, and sends a request at once. urllib3 would send the headers and
    the body one after the other: two packets, with other threads in between."""

    response_class = _Response
    _held: list[bytes] | None = None

    def request(self, *args: Any, **options: Any) -> None:
        self._held = []
        try:
            super().request(*args, **options)  # type: ignore[misc]
            whole = b"".join(self._held)
        finally:
            self._held = None
        self.send(whole)

    def send(self, data: bytes) -> None:
        if self._held is None:
            super().send(data)  # type: ignore[misc]
        else:
            self._held.append(data)


class _Pool:
    """A pool whose connections are ours, and come back to it only when the thread's bounds give them back."""

    def _put_conn(self, connection: Any) -> None:
        if not Bounds.hold(self, connection):
            self.put(connection)

    def put(self, connection: Any) -> None:
        super()._put_conn(connection)  # type: ignore[misc]


@cache
def _bounded(pool: Any) -> Any:
    """Derive from a pool, of whatever kind, one whose connections are ours."""
    if issubclass(pool, _Pool):
        return pool
    connection = type(pool.ConnectionCls.__name__, (_Connection, pool.ConnectionCls), {})
    return type(pool.__name__, (_Pool, pool), {"ConnectionCls": connection})


HttpPool, HttpsPool = _bounded(HTTPConnectionPool), _bounded(HTTPSConnectionPool)


class BoundedAdapter(HTTPAdapter):
    """Makes requests use these connections, also those to a SOCKS proxy."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        _bound(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        return _bound(super().proxy_manager_for(*args, **options))


def _bound(manager: Any) -> Any:
    manager.pool_classes_by_scheme = {name: _bounded(pool) for name, pool in manager.pool_classes_by_scheme.items()}
    return manager
