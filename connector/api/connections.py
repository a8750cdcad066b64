"""Connections that send a request in one piece, and read its response within the bounds of the thread.

urllib3 makes the connections: TLS, certificates and proxies are its own, and so is the choice of a connection that is
free. llhttp, which httptools brings, parses responses: http.client, email.parser and urllib3's own responses would take
half of the CPU of a call.
"""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator, Mapping
from functools import cache
from http.client import HTTPResponse, RemoteDisconnected
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ProtocolError, ReadTimeoutError

from connector.api.bounds import PLAIN, Bounds, decompressed

PIECE = 262_144  # bytes per read; nearly every response is shorter
_MOST_HEADERS = 1_000  # lines; http.client reads 100
_SWITCHING = 101


class _Source:
    """Reads from a socket within the bounds of the thread."""

    def __init__(self, sock: socket.socket) -> None:
        self.bounds, self._sock, self._timeout = Bounds.now(), sock, sock.gettimeout()

    def read(self, most: int) -> bytes:
        data = _in_time(self._sock, most, self._timeout, self.bounds)
        self.bounds.receive(len(data))
        return data

    def has_more(self) -> bool:
        """Whether bytes wait where the system does not see them: TLS within TLS takes them from the socket early."""
        early = getattr(self._sock, "incoming", None)
        return early is not None and bool(early.pending)


def _in_time(sock: socket.socket, most: int, timeout: float | None, bounds: Bounds) -> bytes:
    left = bounds.left()
    if timeout is None or left < timeout:  # seldom, because each change is a system call
        sock.settimeout(left)
    try:
        return sock.recv(most) or b""  # TLS within TLS gives 0 at its end
    except TimeoutError:
        bounds.left()
        raise


class Response:
    """Reads one response: `read_head` gives `status` and `headers`, whose names are in lower case, and `body` the rest.

    `close` gives the connection back to its pool, closed, unless the response was whole and the server keeps the
    connection. urllib3 sets and reads `retries`, `version_string`, `length_remaining`, `_connection` and `_pool`.
    """

    retries: Any = None
    version_string = "HTTP/1.1"
    length_remaining = None
    _connection: Any = None
    _pool: Any = None

    def __init__(self, sock: socket.socket) -> None:
        self._source = _Source(sock)
        self._parser = HttpResponseParser(self)
        self._body = io.BytesIO()  # a list of pieces could take 20 times the memory
        self._lines = 0
        self._has_begun = self._has_head = self._is_whole = self._is_kept = False
        self.status = 0
        self.headers: dict[str, str] = {}

    def read_head(self) -> None:
        """Read up to the end of the headers. Raises ProtocolError, TooLargeError, or what the socket raises."""
        while not self._has_head:
            self._read()

    def body(self, most: int) -> bytes:
        """Read the rest, and return the body, decompressed. Raises TooLargeError, or an HTTPError of urllib3."""
        coding = self.headers.get("content-encoding", "")
        is_plain = coding in PLAIN
        try:
            while not self._is_whole and not (is_plain and self._body.tell() > most):
                self._read()
        except TimeoutError as error:
            raise ReadTimeoutError(self._pool, "", "Read timed out.") from error
        except OSError as error:
            raise ProtocolError(f"Connection broken: {error!r}", error) from error
        return decompressed(self._body.getvalue(), coding, most)

    def close(self) -> None:
        del self._parser  # which refers to this object: bodies would wait for a collection of garbage
        connection, self._connection = self._connection, None
        if connection is not None:
            if not (self._is_whole and self._is_kept) or self._source.has_more():
                connection.close()
            self._pool._put_conn(connection)

    def _read(self) -> None:
        data = self._source.read(PIECE)
        if not data:
            self._end()
            return
        self._has_begun = True
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            if not self._is_whole:
                raise ProtocolError(f"the answer cannot be read: {error.__context__ or error}") from None
            self._is_kept = False  # something follows that nobody has asked for

    def _end(self) -> None:
        """Judge a response whose connection has ended. Only a body without a length may end so."""
        if not self._has_begun:
            raise RemoteDisconnected("Remote end closed connection without response")
        if not self._has_head or not self.headers.keys().isdisjoint(("content-length", "transfer-encoding")):
            raise ProtocolError("the answer was cut off")
        self._is_whole = True

    # What llhttp says.

    def on_message_begin(self) -> None:
        if self._is_whole:
            raise ValueError("a second response")

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._has_head:  # else a trailer
            self._lines += 1
            if self._lines > _MOST_HEADERS:
                raise ValueError(f"more than {_MOST_HEADERS:,} headers")
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text

    def on_headers_complete(self) -> None:
        self._has_head, self.status = True, self._parser.get_status_code()
        self._is_kept = self._parser.should_keep_alive()

    def on_body(self, data: bytes) -> None:
        self._body.write(data)

    def on_message_complete(self) -> None:
        if 100 <= self.status < 200 and self.status != _SWITCHING:  # an interim response: the response follows
            self._has_head = False
            self.headers.clear()
        else:
            self._is_whole = True


class _InTime(tuple[Any, ...]):
    """Socket options. urllib3 sets them before it tries an address of a host: no address is tried when time is over."""

    def __iter__(self) -> Iterator[Any]:
        Bounds.now().left()
        return super().__iter__()


class _Connection:
    """Sends a request in one piece, and gives its response once the headers are read."""

    sock: socket.socket | None
    timeout: float | None
    socket_options: Any

    def request(
        self, method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None, **_: Any
    ) -> None:
        """Send a request, within the timeout of what the connection did before. Raises ValueError for a header of
        several lines."""
        lines = [f"{method} {url} HTTP/1.1", *(f"{name}: {value}" for name, value in (headers or {}).items())]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        if any("\r" in line or "\n" in line for line in lines):
            raise ValueError("a header has several lines")
        head = "\r\n".join((*lines, "", "")).encode("latin-1")
        if self.sock is None:
            self.connect()  # type: ignore[attr-defined]
        assert self.sock is not None  # noqa: S101  (it was connected)
        self.sock.sendall(head + (body or b""))

    def _new_conn(self) -> socket.socket:
        self.socket_options = _InTime(self.socket_options or ())
        made: socket.socket = super()._new_conn()  # type: ignore[misc]
        return made

    def _connect_tls_proxy(self, hostname: str, sock: socket.socket) -> Any:
        return Outer(super()._connect_tls_proxy(hostname, sock))  # type: ignore[misc]

    def getresponse(self) -> Response:
        assert self.sock is not None  # noqa: S101  (a request was sent)
        if self.sock.gettimeout() != self.timeout:
            self.sock.settimeout(self.timeout)
        response = Response(self.sock)
        response.read_head()
        return response


class Outer:
    """Stands for the TLS socket to a proxy, which urllib3 reads until it has a whole record of the TLS within.

    Only what is within counts as bytes of the answer.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def recv(self, most: int) -> bytes:
        return _in_time(self._sock, most, self._sock.gettimeout(), Bounds.now())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


# ---- what a proxy answers to CONNECT is read by http.client, within the same bounds ----


class _Stream(io.RawIOBase):
    def __init__(self, sock: socket.socket) -> None:
        self._source = _Source(sock)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._source.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Readable:
    """Gives `http.client` what it wants of a socket: a `makefile` method."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        return io.BufferedReader(_Stream(self._sock))


class _ProxyResponse(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(_Readable(sock), *args, **options)  # type: ignore[arg-type]


# ---- pools of these connections ----


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
    ours = {"response_class": _ProxyResponse}
    connection = type(pool.ConnectionCls.__name__, (_Connection, pool.ConnectionCls), ours)
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
