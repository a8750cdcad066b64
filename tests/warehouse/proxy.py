"""Runs a TCP proxy in front of a database server, which goes away in mid-statement and comes back."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import suppress
from types import TracebackType

SIZE = 65_536


class Proxy:
    """Passes connections on to a server. After `cut`, the server is away until `restore`: the proxy ends a connection
    when a client's message matches, before the message is passed on or when it was answered, and accepts no new one."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self.ports: set[int] = set()  # the server knows the proxy's connections by these ports
        self._awaited: list[re.Pattern[bytes]] = []
        self._unanswered: socket.socket | None = None
        self._passed_on = self.away = False

    def cut(self, *patterns: bytes, passed_on: bool) -> None:
        """Go away at the first message with the last of `patterns`, after messages with the others, in turn. With
        `passed_on`, the server gets that message and obeys, and its answer is lost."""
        self._awaited, self._passed_on = [re.compile(pattern, re.DOTALL) for pattern in patterns], passed_on

    def restore(self) -> None:
        """Come back."""
        self.away = False

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        self._end_all()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.away:
                    client.close()
                    continue
                server = socket.create_connection(self._server)
                with self._lock:
                    self._sockets |= {client, server}
                    self.ports.add(server.getsockname()[1])
                for ends in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, from_client: bool) -> None:
        with suppress(OSError):
            while data := source.recv(SIZE):
                if self._goes_away(data, sink) if from_client else self._unanswered is source:
                    self.away, self._unanswered = True, None
                    self._end_all()
                    return
                sink.sendall(data)
        self._end(source, sink)

    def _goes_away(self, message: bytes, server: socket.socket) -> bool:
        """Whether the proxy goes away before this message."""
        with self._lock:
            if not self._awaited or not self._awaited[0].search(message):
                return False
            del self._awaited[0]
            if self._awaited:
                return False
            if self._passed_on:
                self._unanswered = server
            return not self._passed_on

    def _end_all(self) -> None:
        with self._lock:
            sockets, self._sockets = self._sockets, set()
        self._end(*sockets)

    @staticmethod
    def _end(*sockets: socket.socket) -> None:
        for each in sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
