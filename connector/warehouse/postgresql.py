"""Changes dlt's destination for PostgreSQL: libpq reads the URI as the user meant it, and no statement waits for ever.

SQLAlchemy writes a blank unescaped or as a +. libpq refuses an unescaped blank, and keeps a + as a +.
"""

from typing import Any, cast
from urllib.parse import quote

import dlt
from dlt.common.configuration import configspec
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.destinations.impl.postgres.configuration import PostgresClientConfiguration, PostgresCredentials
from dlt.destinations.impl.postgres.postgres import PostgresClient
from dlt.destinations.impl.postgres.sql_client import Psycopg2SqlClient
from sqlalchemy.engine import URL

from connector.warehouse.engines import SESSION
from connector.warehouse.guards import Guarded, GuardedClient


def uri(url: URL) -> str:
    """Return the URL in libpq's form: every character that is not plain is escaped."""
    user = f"{_quoted(url.username)}:{_quoted(url.password)}"
    host = f"[{url.host}]" if ":" in (url.host or "") else _quoted(url.host)
    query = "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in url.query.items())
    return f"postgresql://{user}@{host}:{url.port}/{_quoted(url.database)}?{query}"


def _quoted(value: Any) -> str:
    return quote(str(value or ""), safe="")


@configspec(init=False)
class Credentials(PostgresCredentials):
    """Gives dlt's credentials in libpq's form, for psycopg2 and for ADBC."""

    def to_native_representation(self) -> str:
        return uri(cast(URL, self.to_url()))


@configspec
class Configuration(PostgresClientConfiguration):
    """dlt's configuration with these credentials."""

    credentials: Credentials = None  # type: ignore[assignment]


class _Sql(Psycopg2SqlClient):
    """Limits how long statements wait for locks, again after each error, because dlt then resets the session."""

    def _reset_connection(self) -> None:
        super()._reset_connection()
        with self._conn.cursor() as cursor:
            cursor.execute(SESSION["postgresql"])


class _Client(GuardedClient, PostgresClient):
    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        theirs = self.sql_client
        self.sql_client = _Sql(
            theirs.dataset_name, theirs.staging_dataset_name, theirs.credentials, theirs.capabilities
        )


class PostgreSql(Guarded, dlt.destinations.postgres):
    """The destination for PostgreSQL. Staging is emptied by DELETE: a TRUNCATE would wait for everybody who reads
    staging, such as pg_dump, and make later readers wait."""

    spec = Configuration  # type: ignore[assignment]

    @property
    def client_class(self) -> type[PostgresClient]:
        return _Client

    def _raw_capabilities(self) -> DestinationCapabilitiesContext:
        capabilities = super()._raw_capabilities()
        capabilities.supports_truncate_command = False
        return capabilities


def parts(url: URL) -> dict[str, Any]:
    """Return a URL's parts by dlt's names."""
    found = {"username": url.username, "password": url.password, "host": url.host, "port": url.port}
    own = ("connect_timeout", "client_encoding")
    return {**found, "database": url.database, "query": dict(url.query), **{name: url.query[name] for name in own}}
