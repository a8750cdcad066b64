"""Serves any bytes on loopback, one by one, until the client has gone."""

from __future__ import annotations

import gzip
import socket
import socketserver
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import repeat

Says = Callable[[], Iterable[bytes]]

BODY = b'{"Response": {"RequestId": "ok", "TotalCount": 0, "List": []}}'
MEGABYTE = 1_000_000


class Hostile(socketserver.ThreadingTCPServer):
    """Sends the bytes of `says` after each request. `sent` counts the bytes that a client may have taken."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, says: Says) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.says, self.sent, self.connections = says, 0, 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(socketserver.StreamRequestHandler):
    server: Hostile

    def handle(self) -> None:
        self.server.connections += 1
        try:
            while self._read_request():
                for piece in self.server.says():
                    self.connection.sendall(piece)
                    self.server.sent += len(piece)
        except OSError:
            return  # the client has gone

    def _read_request(self) -> bool:
        length = 0
        while (line := self.rfile.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        self.rfile.read(length)
        return line == b"\r\n"


@contextmanager
def serving(says: Says) -> Iterator[Hostile]:
    with Hostile(says) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:  # else a test that fails would wait for the thread for ever
            server.shutdown()
            thread.join()


def head(*lines: str, status: str = "200 OK") -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status}", *lines, "", "")).encode("latin-1")


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def whole(body: bytes = BODY, *lines: str, status: str = "200 OK") -> list[bytes]:
    """Return a correct answer."""
    return [head(*lines, f"Content-Length: {len(body)}", status=status), body]


def bomb(coding: str, megabytes: int) -> bytes:
    """Return so many megabytes of blanks, compressed to a thousandth."""
    windows = {"gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS, "raw": -zlib.MAX_WBITS}
    press = zlib.compressobj(9, zlib.DEFLATED, windows[coding])
    return b"".join([*(press.compress(b" " * MEGABYTE) for _ in range(megabytes)), press.flush()])


def endless(piece: bytes) -> Iterator[bytes]:
    return repeat(piece * max(1, 65_536 // len(piece)))


def members(*contents: bytes) -> bytes:
    return b"".join(map(gzip.compress, contents))


def closed(server: Hostile) -> bool:
    """Whether the server listens no more."""
    with socket.socket() as probe:
        return probe.connect_ex(server.server_address) != 0  # type: ignore[arg-type]
