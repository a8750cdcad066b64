"""Connects to MySQL and MariaDB without reading the machine's certificates for each connection.

PyMySQL makes a TLS context for each connection. Without an authority's certificate the context verifies nothing, and is
always the same; to make it takes 10 ms of CPU, which was a quarter of a small sync with its thirty connections.
"""

import socket
from collections.abc import Mapping
from functools import cache
from typing import Any

from pymysql.connections import Connection  # type: ignore[import-untyped]
from sqlalchemy.engine import URL

from connector.warehouse import urls

# The system's names of libpq's options. PyMySQL turns keepalives on, and sets none of these.
_OPTIONS = {
    "keepalives_idle": "TCP_KEEPIDLE",
    "keepalives_interval": "TCP_KEEPINTVL",
    "keepalives_count": "TCP_KEEPCNT",
}


class _Connection(Connection):  # type: ignore[misc]
    def _create_ssl_ctx(self, options: Any) -> Any:
        """Make a context for these TLS options of the URL. Certificates are read anew each time: they may be renewed
        while a process runs. The method is PyMySQL's own; should it get another name, connections are only slower."""
        return _unverified() if options == {} else super()._create_ssl_ctx(options)

    def connect(self, sock: Any = None) -> None:
        """Connect. The connection notices within two minutes that the path to the server is gone without a word."""
        super().connect(sock)
        if self._sock.family in (socket.AF_INET, socket.AF_INET6):
            for name, value in urls.KEEPALIVE.items():
                if option := getattr(socket, _OPTIONS[name], None):  # macOS has not all of them
                    self._sock.setsockopt(socket.IPPROTO_TCP, option, int(value))


@cache
def _unverified() -> Any:
    return Connection(defer_connect=True).ctx


def open_connection(url: URL, connect_args: Mapping[str, Any]) -> Connection:
    """Open a connection as SQLAlchemy would for `url`, with these arguments as well. Raises PyMySQL's errors."""
    kind: Any = url.get_dialect()
    args, options = kind(dbapi=kind.import_dbapi()).create_connect_args(url)
    return _Connection(*args, **{**options, **connect_args})
