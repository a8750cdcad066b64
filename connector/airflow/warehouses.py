"""Finds the warehouse's URL: of an Airflow connection, or as given."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret
from sqlalchemy.engine import URL

from connector.airflow.hook import extra_of
from connector.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Connection

_FILES = ("duckdb", "sqlite")
_DIALECTS = {"postgres": "postgresql"}  # Airflow's name: SQLAlchemy's


def destination(conn_id: str | None, url: str | None) -> str | None:
    """Return the warehouse's URL, of the connection if a connection is named; None: dlt's config decides. The URL's
    secrets are masked in logs from now on. Raises ConfigurationError if both are given, or for a malformed URL.

    An empty text is not None: a template or a variable has given nothing, and the warehouse that is meant is not known.
    """
    from connector.warehouse.locations import read_url  # imports dlt, which a scheduler that parses does not need
    from connector.warehouse.urls import rendered

    if conn_id is not None and url is not None:
        raise ConfigurationError("destination and destination_conn_id exclude each other")
    if conn_id is not None:
        found = url_of(BaseHook.get_connection(conn_id))
        url = rendered(found)
    elif url and "://" in url:
        found = read_url(url)
    else:
        return url
    # Airflow itself masks a connection's password, but not the form of the password in a URL.
    password = str(found.password or "")
    mask_secret(
        {
            "password": [password, quote(password, safe=""), quote(password, safe=" +"), quote_plus(password)],
            **{k: str(v) for k, v in found.query.items()},
        }
    )
    return url


def url_of(connection: Connection) -> URL:
    """Return a connection as a SQLAlchemy URL: the connection's type names the dialect, its schema the database, its
    extra the query. For DuckDB and SQLite, host or schema is the file's path. Raises ConfigurationError if both are
    given there: one of them would be a file in the worker's directory."""
    kind = connection.conn_type or ""
    query = {name: str(value) for name, value in extra_of(connection).items()}
    if kind in _FILES:
        if connection.host and connection.schema:
            raise ConfigurationError(
                f"connection {connection.conn_id} has a host and a schema, and only one of them can be the file's path",
                hint="Write the path as host, and leave the schema empty. dataset names the tables' schema.",
            )
        return URL.create(kind, database=connection.schema or connection.host, query=query)
    return URL.create(
        _DIALECTS.get(kind, kind),
        username=connection.login or None,
        password=connection.password or None,
        host=connection.host or None,
        port=connection.port,
        database=connection.schema or None,
        query=query,
    )
