"""Parses and validates the location of a warehouse, a SQLAlchemy URL or a dlt destination's name; does not connect."""

import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn, cast
from urllib.parse import unquote

from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.destination import Destination
from dlt.common.destination.exceptions import UnknownDestinationModule
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from connector.errors import ConfigurationError, DestinationError
from connector.redaction import Redactor
from connector.warehouse.backends import FILES, Access, Backend, Kind, by_name, by_url
from connector.warehouse.isolation import isolated
from connector.warehouse.urls import KEEPS_ESCAPES, rendered, separated, texts_of

# Names that the server keeps for itself, in lower case, beside `information_schema`.
_OWN: dict[Kind, tuple[str, ...]] = {
    "mysql": ("mysql", "performance_schema", "sys"),
    "duckdb": ("temp", "system", "pg_catalog"),
    "sqlite": ("temp",),
}
_LONGEST = 63
_SECRET_OPTION = re.compile(r"token|passw|passphrase|passcode|secret|key", re.IGNORECASE)


@dataclass(frozen=True)
class Location:
    """A warehouse and the dataset in it. `file` is set for DuckDB and SQLite. `display` is the destination in a form
    for people. Neither `str`, `repr` nor `display` shows a password; `secrets` are the texts that `scrub` removes."""

    backend: Backend
    dataset: str
    display: str
    access: Access = field(default_factory=Access, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        return f"{self.dataset} in {self.display}"

    @property
    def kind(self) -> Kind:
        return self.backend.kind

    @property
    def url(self) -> URL | None:
        """The URL for dlt; None where dlt takes other credentials than a URL."""
        return self.access.url

    @property
    def credentials(self) -> Any:
        """The credentials for dlt's destination; None if dlt's own configuration has them."""
        return self.access.credentials or (self.url and self.url.render_as_string(hide_password=False))

    @property
    def file(self) -> Path | None:
        return Path(cast(str, self.access.url.database)) if self.kind in FILES and self.access.url else None

    @property
    def has_lock(self) -> bool:
        """Whether `locks.lock` locks anything here."""
        return self.kind != "other"

    def scrub(self, text: str) -> str:
        """Return the text without this location's password, in any spelling, and without the password of any URL."""
        return self.redactor(text)

    @cached_property
    def redactor(self) -> Redactor:
        """The redactor for `scrub` and for the loggers of others."""
        return Redactor(self.secrets)

    def staging(self, account_id: str, *, run: str | None = None) -> str:
        """The name of the account's staging dataset, or of the run's where there is no lock."""
        return self.staging_named(
            slug(account_id) if self.has_lock or run is None else f"{slug(account_id)}_{slug(run)}"
        )

    def staging_named(self, suffix: str) -> str:
        """Return the name of a staging dataset with this suffix, short enough for every server."""
        name = f"{self.dataset}_staging_{suffix}"
        return name if len(name) <= _LONGEST else f"{self.dataset[:16]}_{_digest(self.dataset)}_staging_{suffix}"


def slug(account_id: str) -> str:
    """Return the account in a form for names of pipelines, files and datasets, different for every account."""
    if re.fullmatch(r"[a-z0-9]{1,20}", account_id):
        return account_id
    return f"{re.sub(r'[^a-z0-9]', '', account_id.lower())[:11]}_{_digest(account_id)}"


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:8]


def locate(destination: str, dataset: str | None = None) -> Location:
    """Parse a SQLAlchemy URL or the name of a dlt destination, and a dataset, as the user gave them.

    The dataset is `tcss` unless given; in SQLite `main`, in MySQL the URL's database, or another that the URL names.
    Raises ConfigurationError for values that cannot be right, and DestinationError where a driver is not installed.
    """
    location = _from_url(destination) if "://" in destination else _from_name(destination)
    location = _with_dataset(location, dataset)
    _require_driver(location)
    return location


def read_url(text: str) -> URL:
    """Parse a SQLAlchemy URL, or a URL of libpq with several hosts. Raises ConfigurationError."""
    try:
        text.encode()
        url = make_url(separated(text))
    except (ArgumentError, ValueError):  # also a text that is not UTF-8
        url = None
    if url is not None and url.database and KEEPS_ESCAPES:
        url = url.set(database=unquote(url.database))
    if url is None or _is_ambiguous(url, text):
        # The text may hold a password, so it is not repeated.
        raise ConfigurationError(
            "the destination is not a URL that can be read",
            hint="Write it as driver://user:password@host:port/database, with %40 for an @ in a name or password.",
        )
    return url


def _is_ambiguous(url: URL, text: str) -> bool:
    """Whether a part of a password may have been parsed as another part of the URL, which would be shown."""
    if url.get_backend_name() in FILES and url.username is None and not url.host:
        path = url.database or ""
        like_a_server = re.match(r"/*[^/]*:[^/]*@", path)  # a server's URL with a slash too many
        return bool(like_a_server) or text.count("@") > path.count("@")
    return text.count("@") > (url.username is not None)


def may_hold_secret(destination: str) -> bool:
    """Whether a destination contains a secret, or may contain one because it cannot be parsed."""
    if re.fullmatch(r"[\w.-]+", destination):
        return False  # the name of one of dlt's destinations
    try:
        return any(secrets_of(read_url(destination)))
    except ConfigurationError:
        return True


def _from_url(text: str) -> Location:
    url = read_url(text)
    backend = by_url(url)
    access = backend.read(url.set(drivername=backend.drivername))
    if access.credentials is None and access.url is not None and backend.kind not in FILES:
        _refuse_change(access.url)
    hosts = url.host or ",".join(texts_of(url.query.get("host", ())))
    display = url.set(host=hosts or None, query={}).render_as_string(hide_password=True)
    secrets = dict.fromkeys((*secrets_of(url), *(secrets_of(access.url) if access.url else ())))
    return Location(backend, access.dataset or "", display, access, tuple(secrets))


def _refuse_change(url: URL) -> None:
    """Raise ConfigurationError unless dlt, which gets the URL as SQLAlchemy renders it, reads the same database."""
    if make_url(url.render_as_string(hide_password=False)).database != url.database:
        raise ConfigurationError(
            "SQLAlchemy 2.0 would connect to another database than the one of the URL, because its name has a ?",
            hint="Install SQLAlchemy 2.1, or use a database with another name.",
        )


def secrets_of(url: URL) -> tuple[str, ...]:
    """Return the password, `""` if there is none, and the values of options whose names stand for secrets."""
    options = [value for name, value in url.query.items() if _SECRET_OPTION.search(name)]
    return (
        str(url.password or ""),
        *(text for value in options for text in ([value] if isinstance(value, str) else value)),
    )


@isolated(connecting=True)
def _from_name(name: str) -> Location:
    """Make a location from a destination's name. For duckdb, postgres and sqlalchemy we need dlt's configured URL;
    other destinations are left to dlt."""
    try:
        factory = Destination.from_reference(name)
    except UnknownDestinationModule:
        factory = None
    if factory is None or "delete-insert" not in (factory.capabilities().supported_merge_strategies or ()):
        raise ConfigurationError(
            "the destination is neither a URL nor a SQL destination of dlt",  # not repeated: it may hold a password
            hint="Give a SQLAlchemy URL such as duckdb:///warehouse.duckdb, or a name such as postgres or snowflake.",
        )
    backend = by_name(factory.destination_type.rpartition(".")[2])
    if backend.kind == "other" and backend.destination != "sqlalchemy":
        return Location(replace(backend, destination=name), "", name)
    return _from_url(_configured_url(name, factory))


def _configured_url(name: str, factory: Any) -> str:
    try:
        config = factory.configuration(factory.spec()._bind_dataset_name(dataset_name="tcss"))
        return rendered(config.credentials.to_url())
    except ConfigurationException:
        raise ConfigurationError(
            f"dlt's configuration has no complete credentials for the destination {name}",
            hint=f"Set DESTINATION__{name.upper()}__CREDENTIALS to its URL, or give the URL as the destination.",
        ) from None


def _with_dataset(location: Location, dataset: str | None) -> Location:
    if dataset is None:
        dataset = location.dataset or {"sqlite": "main", "mysql": ""}.get(location.kind, "tcss")
    if not dataset:
        _refuse("the MySQL URL names no database", "Add it to the URL, or name one with --dataset.")
    _validate(location, dataset)
    return replace(location, dataset=dataset)


def _validate(location: Location, dataset: str) -> None:
    pattern = r"[0-9A-Za-z_$-]+" if location.kind == "mysql" else r"[a-z_][a-z0-9_]*"
    if len(dataset) > _LONGEST or not re.fullmatch(pattern, dataset):
        _refuse(f"the dataset name {dataset!r} is not usable", "Use up to 63 lower-case letters, digits and _.")
    if dataset.lower() in ("information_schema", *_OWN.get(location.kind, ())):
        _refuse(f"the dataset {dataset!r} belongs to the server itself", "Name another one with --dataset.")
    if location.kind == "postgresql" and dataset.startswith("pg_"):
        _refuse(f"the dataset {dataset!r} is not usable: PostgreSQL reserves names in pg_", "Name another one.")
    # DuckDB names a database after its file, up to the first dot, and folds case.
    if location.kind == "duckdb" and location.file and dataset == location.file.name.partition(".")[0].lower():
        _refuse(
            f"DuckDB cannot tell the dataset {dataset!r} from the file {location.file.name!r}",
            "Rename the file, or name another dataset with --dataset.",
        )


def _require_driver(location: Location) -> None:
    backend = location.backend
    if backend.module is None and backend.destination == "sqlalchemy" and location.kind == "other":
        _require_dialect(location)
    elif backend.module is not None and not _installed(backend.module):
        _no_driver(location, f'pip install "tcss-connector[{backend.extra}]"')


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package around it
        return False


def _require_dialect(location: Location) -> None:
    url = location.url
    assert url is not None  # noqa: S101  (dlt's destination sqlalchemy always has one)
    try:
        url.get_dialect().import_dbapi()
    except NoSuchModuleError:
        shown = repr(url.drivername) if re.fullmatch("[a-z]+", url.drivername) else "the destination's first part"
        _refuse(
            f"{shown} is not a database that SQLAlchemy knows here",
            "Check the first part of the destination's URL, or install the package that brings that dialect.",
        )
    except ImportError as error:
        _no_driver(location, f"Install the Python package that has the module {error.name}")


def _no_driver(location: Location, step: str) -> NoReturn:
    raise DestinationError(f"the driver for {location.display} is not installed", hint=f"{step}.") from None


def _refuse(message: str, hint: str) -> NoReturn:
    raise ConfigurationError(message, hint=hint) from None
