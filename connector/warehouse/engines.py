"""Makes SQLAlchemy's engines, and sets what each session needs, such as a limit for waits for the locks of others."""

import logging
from contextlib import closing
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool

SECONDS = 60
"""How long a statement waits for a lock. dlt tries a load again, so that a load waits for five minutes."""
# Settings of a session, by SQLAlchemy's name. A shorter limit of the user or of the database stays. A MySQL row has its
# own limit: 50 s. A server or an init_command may cut the results of MySQL, and allow no DELETE of a whole table.
SESSION = {
    "postgresql": f"SELECT set_config('lock_timeout', '{SECONDS}s', false) WHERE current_setting('lock_timeout') = '0'",
    "mysql": f"SET SESSION lock_wait_timeout = least(@@lock_wait_timeout, {SECONDS}), "
    "sql_select_limit = 18446744073709551615, sql_safe_updates = 0",
}


_NAME = "tcss"
_POOLS = ("NullPool", "QueuePool")  # ours; dlt's


def _silence() -> None:
    """Leave out SQLAlchemy's traceback of a connection that was lost before it is given back: our error says it."""
    for pool in _POOLS:
        logging.getLogger(f"sqlalchemy.pool.impl.{pool}.{_NAME}").setLevel(logging.CRITICAL)


_silence()


def engine_of(url: URL, *, connect_args: dict[str, Any] | None = None, **options: Any) -> sa.Engine:
    """Return an engine that opens a connection for each use. `options` are those of `sqlalchemy.create_engine`."""
    engine = sa.create_engine(url, poolclass=NullPool, **options, **connecting(url, connect_args or {}))
    if url.get_backend_name() == "postgresql":

        @sa.event.listens_for(engine, "connect")
        def limit(connection: Any, _: Any) -> None:
            with closing(connection.cursor()) as cursor:
                cursor.execute(SESSION["postgresql"])
            connection.commit()

    return engine


def connecting(url: URL, connect_args: dict[str, Any]) -> dict[str, Any]:
    """Return the options of `sqlalchemy.create_engine` that say how to connect with these arguments of the driver."""
    if url.get_backend_name() != "mysql":
        return {"connect_args": connect_args, "pool_logging_name": _NAME}

    def connect() -> Any:
        from connector.warehouse.mysql import open_connection  # PyMySQL may not be installed

        connection = open_connection(url, connect_args)
        with closing(connection.cursor()) as cursor:
            cursor.execute(SESSION["mysql"])
        return connection

    return {"creator": connect, "pool_logging_name": _NAME}
