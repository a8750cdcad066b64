"""Serves as much of PostgreSQL's protocol as is needed to receive a password."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from types import TracebackType


class Asking:
    """Asks every client for its password in clear text, and refuses it with `refusal`. `told` has, by connection, the
    client's startup parameters and password."""

    def __init__(self, refusal: str = "password authentication failed") -> None:
        self._refusal = refusal
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.told: list[dict[str, str]] = []

    def __enter__(self) -> Asking:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                with client, suppress(OSError, struct.error):
                    self._talk(client)

    def _talk(self, client: socket.socket) -> None:
        startup = self._body(client)
        while struct.unpack("!I", startup[:4])[0] >> 16 != 3:  # the client asks for TLS or GSS first
            client.sendall(b"N")
            startup = self._body(client)
        texts = [text.decode() for text in startup[4:].split(b"\0")]
        told = dict(zip(texts[::2], texts[1::2], strict=False))
        client.sendall(b"R" + struct.pack("!II", 8, 3))
        client.recv(1)
        told["password"] = self._body(client)[:-1].decode()
        self.told.append(told)
        fields = b"".join(
            f"{key}{text}\0".encode() for key, text in (("S", "FATAL"), ("C", "28P01"), ("M", self._refusal))
        )
        client.sendall(b"E" + struct.pack("!I", len(fields) + 5) + fields + b"\0")

    @staticmethod
    def _body(client: socket.socket) -> bytes:
        """Return the bytes after a message's length."""
        left = struct.unpack("!I", _exactly(client, 4))[0] - 4
        return _exactly(client, left)


def _exactly(client: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        if not (part := client.recv(size - len(found))):
            raise OSError("the client has gone")
        found += part
    return found
