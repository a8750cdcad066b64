"""Where a warehouse is: a SQLAlchemy URL, or the name of a dlt destination, read and validated without connecting."""

import getpass
import os
import re
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NoReturn, cast
from urllib.parse import quote, quote_plus

from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.destination import Destination
from dlt.common.destination.exceptions import UnknownDestinationModule
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from connector.errors import ConfigurationError, DestinationError

Kind = Literal["duckdb", "sqlite", "postgresql", "mysql", "other"]

# Backend of a URL -> our kind, dlt's destination, and the driver that the URL then names. Only what the first four
# rows say has been run against real servers.
_BACKENDS: dict[str, tuple[Kind, str, str]] = {
    "duckdb": ("duckdb", "duckdb", "duckdb"),
    "sqlite": ("sqlite", "sqlalchemy", "sqlite"),
    "postgresql": ("postgresql", "postgres", "postgresql"),
    "mysql": ("mysql", "sqlalchemy", "mysql+pymysql"),
    "postgres": ("postgresql", "postgres", "postgresql"),
    "mariadb": ("mysql", "sqlalchemy", "mysql+pymysql"),
    "mssql": ("other", "mssql", "mssql"),
    "snowflake": ("other", "snowflake", "snowflake"),
    "redshift": ("other", "redshift", "redshift"),
    "clickhouse": ("other", "clickhouse", "clickhouse"),
}
# dlt has these, and takes their credentials from its own configuration only.
_BY_NAME_ONLY = ("bigquery", "databricks")
_DRIVERS: dict[Kind, tuple[str, str]] = {"postgresql": ("psycopg2", "postgres"), "mysql": ("pymysql", "mysql")}
_MYSQL_OWN = ("mysql", "information_schema", "performance_schema", "sys")
_LONGEST = 63
_USER_INFO = re.compile(r"(?<=://)[^/@\s]*:[^@\s]*(?=@)")


@dataclass(frozen=True)
class Location:
    """A warehouse and the dataset in it. `file` is set for DuckDB and SQLite; `url` is absent for destinations whose
    credentials only dlt's configuration holds. Neither `repr` nor `display` shows a password."""

    kind: Kind
    destination: str
    dataset: str
    display: str
    url: URL | None = field(default=None, repr=False)
    file: Path | None = None

    def scrub(self, text: str) -> str:
        """The text without this location's password, however it is written, and without that of any URL."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return _USER_INFO.sub("***", text)

    @cached_property
    def _secrets(self) -> tuple[str, ...]:
        password = str(self.url.password or "") if self.url is not None else ""
        forms = {password, quote(password), quote(password, safe=""), quote_plus(password)}
        return tuple(sorted((form for form in forms if form), key=len, reverse=True))

    def staging(self, suffix: str) -> str:
        """The name of the staging dataset of an account, short enough for every server."""
        name = f"{self.dataset}_staging_{suffix}"
        return name if len(name) <= _LONGEST else f"{self.dataset[:16]}_{_digest(self.dataset)}_staging_{suffix}"


def slug(account_id: str) -> str:
    """The account in a form that pipelines, files and datasets may be named after; different for every account."""
    if re.fullmatch(r"[a-z0-9]{1,20}", account_id):
        return account_id
    return f"{re.sub(r'[^a-z0-9]', '', account_id.lower())[:11]}_{_digest(account_id)}"


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:8]


def locate(destination: str, dataset: str | None = None) -> Location:
    """Read a destination and dataset as the user gave them.

    Raises ConfigurationError for what cannot be right, and DestinationError where a driver is not installed.
    """
    location = _from_url(destination) if "://" in destination else _from_name(destination)
    location = _with_dataset(location, dataset)
    _require_driver(location)
    return location


def _from_url(text: str) -> Location:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # The text may hold a password, so it is not repeated.
        raise ConfigurationError(
            "the destination is not a URL that can be read",
            hint="Write it as driver://user:password@host:port/database, with %40 for an @ in a name or password.",
        ) from None
    backend = url.get_backend_name()
    if backend in _BY_NAME_ONLY:
        raise ConfigurationError(
            f"{backend} takes no URL",
            hint=f"Use `--destination {backend}`, and put its credentials into dlt's section destination.{backend}.",
        )
    if backend not in _BACKENDS:
        return Location("other", "sqlalchemy", "", _display(url), url)
    kind, name, driver = _BACKENDS[backend]
    complete = {"duckdb": _file_url, "sqlite": _file_url, "postgresql": _postgres_url, "mysql": _mysql_url}
    full = complete.get(kind, lambda same: same)(url.set(drivername=driver))
    file = Path(cast(str, full.database)) if kind in ("duckdb", "sqlite") else None
    return Location(kind, name, "", _display(url), full, file)


def _display(url: URL) -> str:
    return url.set(query={}).render_as_string(hide_password=True)


def _file_url(url: URL) -> URL:
    database = url.database or ""
    if not database or database.startswith((":", "file:", "md:")) or url.host:
        raise ConfigurationError(
            "a DuckDB or SQLite destination must be a file",
            hint="Write duckdb:///relative/path.duckdb, or duckdb:////absolute/path.duckdb with four slashes.",
        )
    # Absolute, because dlt and the lock must mean the same file wherever the working directory is.
    return url.set(database=str(Path(database).expanduser().absolute()))


def _postgres_url(url: URL) -> URL:
    if not url.database:
        raise ConfigurationError(
            "the PostgreSQL URL names no database", hint="Write postgresql://user:password@host:5432/database."
        )
    # dlt insists on all four. libpq takes an empty password for none, and then asks PGPASSWORD and ~/.pgpass.
    url = url.set(
        username=url.username or os.environ.get("PGUSER") or getpass.getuser(),
        password=url.password or "",
        host=url.host or "localhost",
    )
    # libpq would wait for a host that does not answer as long as the system does.
    return url if "connect_timeout" in url.query else url.update_query_dict({"connect_timeout": "10"})


def _mysql_url(url: URL) -> URL:
    return url if "charset" in url.query else url.update_query_dict({"charset": "utf8mb4"})


def _from_name(name: str) -> Location:
    """Of duckdb, postgres and SQLAlchemy we must know the URL; the others are left to dlt."""
    try:
        factory = Destination.from_reference(name)
    except UnknownDestinationModule:
        factory = None
    if factory is None or "delete-insert" not in (factory.capabilities().supported_merge_strategies or ()):
        raise ConfigurationError(
            f"{name!r} is neither a URL nor a SQL destination of dlt",
            hint="Give a SQLAlchemy URL such as duckdb:///warehouse.duckdb, or a name such as postgres or snowflake.",
        )
    kind = factory.destination_type.rpartition(".")[2]
    if kind not in ("duckdb", "postgres", "sqlalchemy"):
        return Location("other", name, "", name)
    return _from_url(_configured_url(name, factory))


def _configured_url(name: str, factory: Any) -> str:
    try:
        config = factory.configuration(factory.spec()._bind_dataset_name(dataset_name="tcss"))
        return str(config.credentials.to_url().render_as_string(hide_password=False))
    except ConfigurationException:
        raise ConfigurationError(
            f"dlt's configuration has no complete credentials for the destination {name}",
            hint=f"Set DESTINATION__{name.upper()}__CREDENTIALS to its URL, or give the URL as the destination.",
        ) from None


def _with_dataset(location: Location, dataset: str | None) -> Location:
    url = location.url
    if dataset is None:
        own = {"sqlite": "main", "mysql": url.database if url is not None else None}
        dataset = own.get(location.kind, "tcss")
    if not dataset:
        _refuse("the MySQL URL names no database", "Add it to the URL, or name one with --dataset.")
    _validate(location, dataset)
    if location.kind == "mysql" and url is not None:
        # No default database: one that does not exist yet would already be refused while connecting.
        url = url.set(database="")
    return Location(location.kind, location.destination, dataset, location.display, url, location.file)


def _validate(location: Location, dataset: str) -> None:
    pattern = r"[0-9A-Za-z_$-]+" if location.kind == "mysql" else r"[a-z_][a-z0-9_]*"
    if len(dataset) > _LONGEST or not re.fullmatch(pattern, dataset):
        _refuse(f"the dataset name {dataset!r} is not usable", "Use up to 63 lower-case letters, digits and _.")
    if dataset == "information_schema" or (location.kind == "mysql" and dataset in _MYSQL_OWN):
        _refuse(f"the dataset {dataset!r} belongs to the server itself", "Name another one with --dataset.")
    if location.kind == "postgresql" and dataset.startswith("pg_"):
        _refuse(f"the dataset {dataset!r} is not usable: PostgreSQL reserves names in pg_", "Name another one.")
    # DuckDB names a database after its file, up to the first dot, and folds case.
    if location.kind == "duckdb" and location.file and dataset == location.file.name.partition(".")[0].lower():
        _refuse(
            f"DuckDB cannot tell the dataset {dataset!r} from the file {location.file.name!r}",
            "Rename the file, or name another dataset with --dataset.",
        )
    if location.kind == "sqlite" and dataset == "temp":
        _refuse("SQLite keeps the name 'temp' for itself", "Name another dataset with --dataset.")


def _refuse(message: str, hint: str) -> NoReturn:
    raise ConfigurationError(message, hint=hint)


def _require_driver(location: Location) -> None:
    if location.kind in _DRIVERS:
        module, extra = _DRIVERS[location.kind]
        if find_spec(module) is None:
            _no_driver(location, f'pip install "tcss-connector[{extra}]"')
    elif location.destination == "sqlalchemy" and location.kind == "other" and location.url is not None:
        _require_dialect(location, location.url)


def _require_dialect(location: Location, url: URL) -> None:
    try:
        url.get_dialect().import_dbapi()
    except NoSuchModuleError:
        _refuse(
            f"{url.drivername!r} is not a database that SQLAlchemy knows here",
            "Check the first part of the destination's URL, or install the package that brings that dialect.",
        )
    except ImportError as error:
        _no_driver(location, f"Install the Python package that has the module {error.name}")


def _no_driver(location: Location, step: str) -> NoReturn:
    raise DestinationError(f"the driver for {location.display} is not installed", hint=f"{step}.")
