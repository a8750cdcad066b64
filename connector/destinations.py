"""From a destination's URL to a warehouse that dlt can load: names, staging, locks, tables, one load.

Facts about dlt and the databases were found by running them; where the behaviour is not documented a comment says so.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import sqlalchemy as sa

from connector.errors import ConfigurationError, DestinationError, TcssError
from connector.locks import file_lock, server_lock
from connector.tables import TABLES, Table

if TYPE_CHECKING:
    import dlt
    from dlt.common.destination.reference import Destination
    from dlt.common.schema import Schema
    from dlt.extract import DltResource

log = logging.getLogger(__name__)

SCHEMA_NAME = "tcss"
DEFAULT_DATASET = "tcss"
MERGE = {"disposition": "merge", "strategy": "delete-insert"}
DDL_ATTEMPTS = 2  # first loads race on DDL, and a retry heals

# URL backend -> dlt destination. All others go through dlt's `sqlalchemy`.
NATIVE = {
    "duckdb": "duckdb",
    "md": "motherduck",
    "motherduck": "motherduck",
    "postgresql": "postgres",
    "postgres": "postgres",
    "redshift": "redshift",
    "mssql": "mssql",
    "snowflake": "snowflake",
    "bigquery": "bigquery",
    "clickhouse": "clickhouse",
    "databricks": "databricks",
}
FILES = ("duckdb", "sqlite")
INDEXED = ("sqlite", "mysql", "mariadb", "postgresql")  # where a merge without an index is quadratic
DRIVERS = {"postgresql": ("psycopg2", "postgres"), "mysql": ("pymysql", "mysql"), "mariadb": ("pymysql", "mysql")}
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,50}")


@dataclass(frozen=True)
class Warehouse:
    """A destination, parsed and checked but not yet opened. `str()` shows no password.

    Raises ConfigurationError (`parse`) for what cannot be right, and DestinationError for what the database refuses.
    """

    url: sa.URL
    dataset: str
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def parse(cls, destination: str, dataset: str | None = None) -> Warehouse:
        """A warehouse from a SQLAlchemy URL, or the name of a dlt destination (whose credentials dlt's config holds)."""
        try:
            url = sa.make_url(destination if ":" in destination else f"{destination}://")
        except (sa.exc.ArgumentError, ValueError):
            raise ConfigurationError(
                "the destination is not a SQLAlchemy URL", hint="For example duckdb:///warehouse.duckdb."
            ) from None
        backend = url.get_backend_name()
        if backend == "postgres":
            url, backend = url.set(drivername="postgresql"), "postgresql"
        if backend not in NATIVE and not _has_dialect(backend):
            raise ConfigurationError(f"there is no destination called {backend!r}", hint="See `tcss sync --help`.")
        if module_and_extra := DRIVERS.get(backend):
            _require(*module_and_extra)
        warehouse = cls(_completed(url, backend), dataset or _default_dataset(url, backend), tuple(_secrets(url)))
        warehouse._check_names()
        return warehouse

    def __str__(self) -> str:
        return self.url.render_as_string(hide_password=True)

    __repr__ = __str__

    @property
    def backend(self) -> str:
        return self.url.get_backend_name()

    @cached_property
    def path(self) -> Path | None:
        """The database file, for those that are one."""
        if self.backend not in FILES:
            return None
        database = self.url.database or ""
        if not database or database.startswith(":memory:"):
            raise ConfigurationError("a database in memory is gone after the sync", hint="Name a file in the URL.")
        return Path(database).expanduser()

    def _check_names(self) -> None:
        if not _IDENTIFIER.fullmatch(self.dataset):
            raise ConfigurationError(f"{self.dataset!r} cannot be the name of a dataset", hint="Use letters, digits, _.")
        if self.backend == "postgresql" and self.dataset.lower().startswith("pg_"):
            raise ConfigurationError("PostgreSQL reserves schema names that begin with pg_", hint="Choose another --dataset.")
        if self.backend == "duckdb" and self.path and self.path.stem.lower() == self.dataset.lower():
            raise ConfigurationError(
                f"DuckDB cannot tell the dataset {self.dataset!r} from the file {self.path.name}",
                hint="Rename the file, or choose another --dataset.",
            )

    # dlt.

    def pipeline(self, account_id: str, workdir: Path) -> dlt.Pipeline:
        """A pipeline of the account's own, with a staging dataset of its own, that resumes nothing."""
        import dlt

        pipeline = dlt.pipeline(
            f"tcss_{slug(account_id)}",
            pipelines_dir=str(workdir),
            destination=self.destination(account_id),
            dataset_name=self.dataset,
        )
        pipeline.config.restore_from_destination = False
        pipeline.config.enable_runtime_trace = False
        return pipeline

    def destination(self, account_id: str) -> Destination[Any, Any]:
        import dlt

        layout = {"staging_dataset_name_layout": f"%s_staging_{slug(account_id)}"}
        if self.backend == "duckdb":
            return dlt.destinations.duckdb(str(self.path), **layout)
        native = NATIVE.get(self.backend)
        if native is None:
            return dlt.destinations.sqlalchemy(self._sqlalchemy_url(), **layout)
        factory = getattr(dlt.destinations, native)
        if not (self.url.host or self.url.database):
            return factory(**layout)  # credentials from dlt's config
        return factory(self.url.set(drivername=native if native != "postgres" else "postgresql").render_as_string(False), **layout)

    def _sqlalchemy_url(self) -> str:
        return self.url.render_as_string(hide_password=False)

    def lock(self, account_id: str) -> AbstractContextManager[None]:
        """The account's lock; LockedError if another sync has it. Elsewhere than named here it is the scheduler's duty."""
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return file_lock(self.path)
        if self.backend in ("postgresql", "mysql", "mariadb"):
            url = self.url.set(drivername="postgresql+psycopg2") if self.backend == "postgresql" else self.url
            return server_lock(url, f"{self.dataset}/{account_id}")
        return nullcontext()

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Turns what a database or dlt raises into a DestinationError, without the password and with the root cause."""
        try:
            yield
        except TcssError:
            raise
        except Exception as error:
            log.debug("destination failed", exc_info=True)
            text = self.redact(_root(error))
            raise DestinationError(f"{self}: {text}", hint=_hint(text)) from None

    def redact(self, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text

    def check(self) -> None:
        """Raises DestinationError unless the database answers and can be written to. Leaves nothing behind."""
        with self.guarded():
            if self.path is not None and not self.path.exists():
                _check_directory(self.path.parent)
            elif self.backend == "duckdb":
                _check_duckdb(self.path)
            elif self.backend in INDEXED:
                _check_server(self.url, self.backend)

    def prepare(self, pipeline: dlt.Pipeline) -> None:
        """Creates dataset, staging, tables and indexes where they are missing."""
        with self.guarded():
            for attempt in range(1, DDL_ATTEMPTS + 1):
                try:
                    self._create(pipeline)
                    return
                except Exception:
                    if attempt == DDL_ATTEMPTS:
                        raise
                    log.info("tables could not be created, perhaps because another sync does it: once more")

    def _create(self, pipeline: dlt.Pipeline) -> None:
        if self.backend in ("mysql", "mariadb"):
            self._create_databases(pipeline)
        pipeline.schemas.save_schema(schema())
        pipeline.default_schema_name = SCHEMA_NAME
        with pipeline.destination_client(SCHEMA_NAME) as client:
            for staged in (nullcontext(), client.with_staging_dataset()):  # type: ignore[attr-defined]
                with staged:
                    client.initialize_storage()
                    client.update_stored_schema()
                    if self.backend in INDEXED:
                        _create_indexes(client.sql_client, self.backend)  # type: ignore[attr-defined]

    def _create_databases(self, pipeline: dlt.Pipeline) -> None:
        """dlt would create them in the server's default character set, which may be latin1."""
        with pipeline.sql_client(SCHEMA_NAME) as client:
            names = [client.dataset_name, client.staging_dataset_name]
        engine = sa.create_engine(self.url, poolclass=sa.pool.NullPool)
        with engine.begin() as connection:
            for name in names:
                there = "select count(*) from information_schema.schemata where schema_name = :name"
                if not connection.execute(sa.text(there), {"name": name}).scalar():
                    quoted = engine.dialect.identifier_preparer.quote_identifier(name)
                    connection.execute(sa.text(f"create database if not exists {quoted} character set utf8mb4"))

    def load(self, pipeline: dlt.Pipeline, files: Mapping[Table, Path]) -> None:
        """Merges parquet files into their tables as one package. Raises DestinationError; a rerun then loads them again."""
        from dlt.extract.source import DltSource

        with self.guarded():
            as_files = self.backend != "postgresql" or find_spec("adbc_driver_postgresql") is not None
            resources = [resource(table, lambda path=path: _items(path, as_files)) for table, path in files.items()]
            source = DltSource(schema(), SCHEMA_NAME, resources)
            info = pipeline.run(source, loader_file_format="parquet" if as_files else "csv")
            info.raise_on_failed_jobs()


def schema() -> Schema:
    """dlt's schema with all tables, so that its version is the same in every run and no load has to migrate."""
    from dlt.common.schema import Schema

    made = Schema(SCHEMA_NAME)
    for table in TABLES:
        made.update_table(
            {
                "name": table.name,
                "description": table.description,
                "columns": table.dlt_columns(),  # type: ignore[typeddict-item]
                "write_disposition": "merge",
                "x-merge-strategy": "delete-insert",  # type: ignore[typeddict-unknown-key]
                "resource": table.name,
                "schema_contract": {"data_type": "freeze"},
                "x-normalizer": {"seen-data": True},
            }
        )
    return made


def resource(table: Table, items: Callable[[], Iterator[Any]]) -> DltResource:
    """A dlt resource that loads `items` into `table`."""
    import dlt

    return dlt.resource(
        items,
        name=table.name,
        write_disposition=MERGE,  # type: ignore[arg-type]
        columns=table.dlt_columns(),  # type: ignore[arg-type]
        primary_key=list(table.key),
        schema_contract={"data_type": "freeze"},
    )


def slug(account_id: str) -> str:
    """The account's part in names: itself where it is a plain word, else with a hash that keeps it apart."""
    plain = re.sub(r"[^a-z0-9]+", "_", account_id.lower()).strip("_")[:24]
    return plain if plain == account_id else f"{plain}_{hashlib.blake2b(account_id.encode(), digest_size=4).hexdigest()}"


def _items(path: Path, as_files: bool) -> Iterator[Any]:
    import dlt

    with pq.ParquetFile(path) as file:
        if as_files:
            yield dlt.mark.with_file_import(str(path), "parquet", file.metadata.num_rows)
        else:
            for batch in file.iter_batches(10_000):
                yield batch


def _create_indexes(client: Any, backend: str) -> None:
    for table in TABLES:
        name = f"ix_tcss_{table.name}"
        target = client.make_qualified_table_name(table.name)
        columns = ", ".join(client.escape_column_name(column) for column in table.key)
        if backend == "sqlite":
            target = client.escape_column_name(table.name)
            qualified = f"{client.escape_column_name(client.dataset_name)}.{name}"
            client.execute_sql(f"create index if not exists {qualified} on {target} ({columns})")
        elif backend == "postgresql":
            client.execute_sql(f"create index if not exists {name} on {target} ({columns})")
        elif not client.execute_sql(_MYSQL_INDEX, client.dataset_name, table.name, name):
            client.execute_sql(f"create index {name} on {target} ({columns})")


_MYSQL_INDEX = "select 1 from information_schema.statistics where table_schema = %s and table_name = %s and index_name = %s"


def _completed(url: sa.URL, backend: str) -> sa.URL:
    if backend in ("mysql", "mariadb"):
        driver = url.drivername if "+" in url.drivername else f"{backend}+pymysql"
        return url.set(drivername=driver).update_query_dict({"charset": "utf8mb4"})
    if backend == "postgresql":
        # dlt insists on a password, also where the server trusts the connection.
        return url.set(drivername="postgresql", password=url.password or "unused")
    return url


def _default_dataset(url: sa.URL, backend: str) -> str:
    if backend == "sqlite":
        return "main"  # the file of the URL itself; any other dataset would be a file beside it
    if backend in ("mysql", "mariadb"):
        if not url.database:
            raise ConfigurationError("the destination names no database", hint="Add it: mysql://user@host/database.")
        return url.database
    return DEFAULT_DATASET


def _secrets(url: sa.URL) -> Iterator[str]:
    from urllib.parse import quote, quote_plus

    if url.password:
        yield from sorted({str(url.password), quote(str(url.password)), quote_plus(str(url.password))}, key=len)[::-1]
    for name, value in url.query.items():
        if re.search("token|password|secret|key", name, re.IGNORECASE) and isinstance(value, str):
            yield value


def _has_dialect(backend: str) -> bool:
    try:
        sa.dialects.registry.load(backend)
    except Exception:
        return False
    return True


def _require(module: str, extra: str) -> None:
    if find_spec(module) is None:
        raise DestinationError(f"the driver {module} is not installed", hint=f'pip install "tcss-connector[{extra}]"')


def _root(error: BaseException) -> str:
    while error.__cause__ or (error.__context__ and not error.__suppress_context__):
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f"{type(error).__name__}: {' '.join(lines[:3])}"[:600]


_HINTS = (
    ("lock on file", "Another process has the DuckDB file open: close it, or sync into a copy."),
    ("password", "Check the user and the password in the destination."),
    ("denied", "Grant this user the rights that the README names."),
    ("permission", "Grant this user the rights that the README names."),
    ("read-only", "The database can only be read: check the file's mode and the server."),
    ("readonly", "The database can only be read: check the file's mode and the server."),
    ("refused", "Check host and port, and that the server runs."),
)


def _hint(text: str) -> str | None:
    return next((hint for word, hint in _HINTS if word in text.lower()), None)


def _check_directory(parent: Path) -> None:
    there = next(path for path in (parent, *parent.resolve().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise DestinationError(f"{parent} cannot be written to", hint="Check that it is a directory of yours.")


def _check_duckdb(path: Path | None) -> None:
    import duckdb

    with duckdb.connect(str(path)) as connection:
        connection.execute("begin; create table __tcss_check (x integer); rollback")


def _check_server(url: sa.URL, backend: str) -> None:
    url = url.set(drivername="postgresql+psycopg2") if backend == "postgresql" else url
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    temporary = "temporary " if backend in ("mysql", "mariadb") else ""  # DDL commits there
    with engine.connect() as connection:
        connection.execute(sa.text(f"create {temporary}table tcss_check (x integer)"))
        connection.rollback()
