"""Makes SQLAlchemy's engines."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool


def engine_of(url: URL, *, connect_args: dict[str, Any] | None = None, **options: Any) -> sa.Engine:
    """Return an engine that opens a connection for each use. `options` are those of `sqlalchemy.create_engine`."""
    return sa.create_engine(url, poolclass=NullPool, **options, **connecting(url, connect_args or {}))


def connecting(url: URL, connect_args: dict[str, Any]) -> dict[str, Any]:
    """Return the options of `sqlalchemy.create_engine` that say how to connect with these arguments of the driver."""
    if url.get_backend_name() != "mysql":
        return {"connect_args": connect_args}

    def connect() -> Any:
        from connector.warehouse.mysql import open_connection  # PyMySQL may not be installed

        return open_connection(url, connect_args)

    return {"creator": connect}
