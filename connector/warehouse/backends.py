"""Lists the databases that a destination may name: how dlt loads each, what Python needs for it, and how a SQLAlchemy
URL becomes dlt's credentials."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sqlalchemy.engine import URL

from connector.errors import ConfigurationError
from connector.warehouse import urls
from connector.wire import is_storable

Kind = Literal["duckdb", "sqlite", "postgresql", "mysql", "other"]
FILES: tuple[Kind, ...] = ("duckdb", "sqlite")


@dataclass(frozen=True)
class Access:
    """What dlt gets from a URL: the URL itself, or other credentials, or neither (dlt's own configuration has them);
    further fields of that configuration; and the dataset, where the URL names one."""

    url: URL | None = None
    credentials: Any = None
    options: Mapping[str, Any] = field(default_factory=dict)
    dataset: str | None = None


def _as_it_is(url: URL) -> Access:
    return Access(url)


def _file(url: URL) -> Access:
    database = url.database or ""
    if not database or database.startswith((":", "file:")) or url.host:
        raise ConfigurationError(
            "a DuckDB or SQLite destination must be a file",
            hint="Write duckdb:///relative/path.duckdb, or duckdb:////absolute/path.duckdb with four slashes.",
        )
    try:
        path = Path(database).expanduser().absolute()
    except RuntimeError:
        raise ConfigurationError(f"{database} is in a home directory, and this process has none") from None
    if url.get_backend_name() == "duckdb" and {*str(path)} & {"\\", "?"}:
        raise ConfigurationError(
            f"DuckDB cannot open {path}",
            hint="Name a file and a directory without backslash and question mark.",
        )
    if not is_storable(str(path)):
        raise ConfigurationError(f"the name {path} is not UTF-8", hint="Rename the file or the directory.")
    # Absolute, because dlt and the lock must mean the same file, whatever the working directory.
    return Access(url.set(database=str(path)))


def _postgresql(url: URL) -> Access:
    if not url.database:
        _incomplete("PostgreSQL", "database", "postgresql://user:password@host:5432/database")
    return Access(urls.postgresql(url))


def _mysql(url: URL) -> Access:
    # No default database: the server would refuse a connection to a database that does not exist yet.
    return Access(urls.mysql(url).set(database=""), dataset=url.database)


def _motherduck(url: URL) -> Access:
    """Give dlt the URL. Without `motherduck_token`, its environment variable is used, or a browser asks."""
    name = (url.host or url.database or "").removeprefix("md:")
    if not name:
        _incomplete("MotherDuck", "database", "duckdb:///md:database")
    token = url.query.get("motherduck_token")
    return Access(credentials=f"md:{name}?motherduck_token={token}" if token else f"md:{name}")


def _snowflake(url: URL) -> Access:
    database, _, schema = (url.database or "").partition("/")
    if not database:
        _incomplete("Snowflake", "database", "snowflake://user:password@account/database/schema?warehouse=name")
    return Access(url.set(database=database), dataset=schema.lower() or None)


def _bigquery(url: URL) -> Access:
    """Give dlt no keys: they are in dlt's section destination.bigquery, else Google's default credentials are used."""
    if not url.host:
        _incomplete("BigQuery", "project", "bigquery://project/dataset?location=EU")
    location = {"location": url.query["location"]} if "location" in url.query else {}
    return Access(options={"project_id": url.host, **location}, dataset=url.database or None)


def _databricks(url: URL) -> Access:
    query = {name: url.query.get(name) for name in ("http_path", "catalog", "schema")}
    if not (url.host and url.password and query["http_path"] and query["catalog"]):
        form = "databricks://token:secret@host?http_path=/sql/1.0/warehouses/id&catalog=name&schema=name"
        _incomplete("Databricks", "host, token, http_path or catalog", form)
    credentials = {
        "server_hostname": url.host,
        "access_token": url.password,
        "http_path": query["http_path"],
        "catalog": query["catalog"],
    }
    schema = query["schema"]
    return Access(credentials=credentials, dataset=schema if isinstance(schema, str) else None)


def _incomplete(name: str, what: str, form: str) -> None:
    raise ConfigurationError(f"the {name} URL names no {what}", hint=f"Write {form}.")


@dataclass(frozen=True)
class Backend:
    """A kind of database. `drivername` is what the URL says for dlt; `module` the Python module that connects, which
    comes with our extra `extra`; `tested` whether our tests run against a real one."""

    kind: Kind
    destination: str
    drivername: str
    read: Callable[[URL], Access] = _as_it_is
    module: str | None = None
    extra: str | None = None
    tested: bool = False


_DUCKDB = Backend("duckdb", "duckdb", "duckdb", _file, tested=True)
_SQLITE = Backend("sqlite", "sqlalchemy", "sqlite", _file, tested=True)
_POSTGRESQL = Backend("postgresql", "postgres", "postgresql", _postgresql, "psycopg2", "postgres", tested=True)
_MYSQL = Backend("mysql", "sqlalchemy", "mysql+pymysql", _mysql, "pymysql", "mysql", tested=True)
_MOTHERDUCK = Backend("other", "motherduck", "md", _motherduck)

# By the first part of a URL. Other databases are left to SQLAlchemy and to dlt's destination of that name.
BACKENDS: Mapping[str, Backend] = {
    "duckdb": _DUCKDB,
    "sqlite": _SQLITE,
    "postgresql": _POSTGRESQL,
    "postgres": _POSTGRESQL,
    "mysql": _MYSQL,
    "mariadb": _MYSQL,
    "motherduck": _MOTHERDUCK,
    "md": _MOTHERDUCK,
    "redshift": Backend("other", "redshift", "redshift", module="psycopg2", extra="redshift"),
    "mssql": Backend("other", "mssql", "mssql", module="pyodbc", extra="mssql"),
    "snowflake": Backend("other", "snowflake", "snowflake", _snowflake, "snowflake.connector", "snowflake"),
    "bigquery": Backend("other", "bigquery", "bigquery", _bigquery, "google.cloud.bigquery", "bigquery"),
    "clickhouse": Backend("other", "clickhouse", "clickhouse", module="clickhouse_driver", extra="clickhouse"),
    "databricks": Backend("other", "databricks", "databricks", _databricks, "databricks.sql", "databricks"),
    "oracle": Backend("other", "sqlalchemy", "oracle+oracledb", module="oracledb", extra="oracle"),
    "trino": Backend("other", "sqlalchemy", "trino", module="trino", extra="trino"),
}


def by_url(url: URL) -> Backend:
    """Return the database that the URL's first part names, whatever driver follows. The URL of an unknown database goes
    unchanged to dlt's destination for SQLAlchemy."""
    name = url.get_backend_name()
    if name == "duckdb" and (url.database or "").startswith("md:"):
        return _MOTHERDUCK
    return BACKENDS.get(name) or Backend("other", "sqlalchemy", url.drivername)


def by_name(destination: str) -> Backend:
    """Return the database of a dlt destination; a generic one for `sqlalchemy`, whose URL will name the database."""
    named = {backend.destination: backend for backend in BACKENDS.values() if backend.destination != "sqlalchemy"}
    return named.get(destination) or Backend("other", destination, destination)
