"""Bounds what one answer may cost: seconds from the connection to the last byte, and bytes, compressed or not.

requests and urllib3 bound the wait for each piece of an answer, but not for the whole answer. A server that sends one
byte now and then, or endless headers, would block a sync for ever, and 2 MB of gzip may expand to 2 GB. `connections`
checks the bounds at every read from the socket, so they hold for the status line, headers, chunks and trailers too.

An answer in an encoding that was not asked for is refused.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Iterator
from typing import Any

from urllib3.exceptions import DecodeError

AROUND = 1_000_000  # bytes that may stand around a body: headers, chunk sizes, trailers
SLICE = 65_536  # bytes per step of decompression
PLAIN = ("", "identity")
_LONGEST_NAME = 40  # characters
_CODINGS = (*PLAIN, "gzip", "x-gzip", "deflate")


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


def decompressed(body: bytes, coding: str, most: int) -> bytes:
    """Return a body without the encoding that its Content-Encoding names. Raises TooLargeError and DecodeError."""
    coding = coding.strip().lower()
    if coding not in _CODINGS:
        named = repr(coding) if len(coding) <= _LONGEST_NAME else "of a long name"  # half a secret would not be hidden
        raise DecodeError(f"the answer has the encoding {named}, which was not asked for")
    if coding in PLAIN:
        if len(body) > most:
            raise TooLargeError
        return body
    found, size = [], 0
    for piece in _pieces(body, coding):
        size += len(piece)
        if size > most:
            raise TooLargeError
        found.append(piece)
    return b"".join(found)


def _pieces(body: bytes, coding: str) -> Iterator[bytes]:
    """Yield the decompressed bytes in pieces. A gzip body may have several members, one after the other."""
    member = None
    try:
        # Feed zlib short slices, because zlib copies the unread rest of its input at each step.
        for rest in (body[start : start + SLICE] for start in range(0, len(body), SLICE)):
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
