"""dlt's destination for PostgreSQL, with a URI that libpq reads as it was meant.

SQLAlchemy writes a blank as it is, or as a +, and libpq refuses the one and keeps the other.
"""

from typing import Any, cast
from urllib.parse import quote

import dlt
from dlt.common.configuration import configspec
from dlt.destinations.impl.postgres.configuration import PostgresClientConfiguration, PostgresCredentials
from sqlalchemy.engine import URL


def uri(url: URL) -> str:
    """The URL as libpq reads it: every character that is not plain is escaped."""
    user = f"{_quoted(url.username)}:{_quoted(url.password)}"
    host = f"[{url.host}]" if ":" in (url.host or "") else _quoted(url.host)
    query = "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in url.query.items())
    return f"postgresql://{user}@{host}:{url.port}/{_quoted(url.database)}?{query}"


def _quoted(value: Any) -> str:
    return quote(str(value or ""), safe="")


@configspec(init=False)
class Credentials(PostgresCredentials):
    """dlt's credentials, for psycopg2 and for ADBC."""

    def to_native_representation(self) -> str:
        return uri(cast(URL, self.to_url()))


@configspec
class Configuration(PostgresClientConfiguration):
    """dlt's configuration with these credentials."""

    credentials: Credentials = None  # type: ignore[assignment]


class PostgreSql(dlt.destinations.postgres):
    """The destination for PostgreSQL."""

    spec = Configuration  # type: ignore[assignment]


def parts(url: URL) -> dict[str, Any]:
    """A URL's parts by dlt's names."""
    found = {"username": url.username, "password": url.password, "host": url.host, "port": url.port}
    own = ("connect_timeout", "client_encoding")
    return {**found, "database": url.database, "query": dict(url.query), **{name: url.query[name] for name in own}}
