"""Connects to MySQL and MariaDB without reading the machine's certificates for each connection.

PyMySQL makes a TLS context for each connection. Without an authority's certificate the context verifies nothing, and is
always the same; to make it takes 10 ms of CPU, which was a quarter of a small sync with its thirty connections.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from pymysql.connections import Connection  # type: ignore[import-untyped]
from sqlalchemy.engine import URL


class _Connection(Connection):  # type: ignore[misc]
    def _create_ssl_ctx(self, options: Any) -> Any:
        """Make a context for these TLS options of the URL. Certificates are read anew each time: they may be renewed
        while a process runs. The method is PyMySQL's own; should it get another name, connections are only slower."""
        return _unverified() if options == {} else super()._create_ssl_ctx(options)


@cache
def _unverified() -> Any:
    return Connection(defer_connect=True).ctx


def open_connection(url: URL, connect_args: Mapping[str, Any]) -> Connection:
    """Open a connection as SQLAlchemy would for `url`, with these arguments as well. Raises PyMySQL's errors."""
    kind: Any = url.get_dialect()
    args, options = kind(dbapi=kind.import_dbapi()).create_connect_args(url)
    return _Connection(*args, **{**options, **connect_args})
