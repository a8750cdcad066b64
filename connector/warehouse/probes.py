"""Tests whether a warehouse can be reached and written, and leaves nothing behind."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import dlt
import sqlalchemy as sa
from dlt.common.destination import Destination

from connector.errors import DestinationError
from connector.tables import ALL_TABLES
from connector.warehouse import turns
from connector.warehouse.causes import UTF8_DATABASE
from connector.warehouse.ddl import refuse_character_set
from connector.warehouse.engines import engine_of
from connector.warehouse.errors import destination_errors
from connector.warehouse.locations import Location
from connector.warehouse.opening import connect
from connector.warehouse.urls import STRICT
from connector.warehouse.workdirs import workdir

_PROBE = "tcss_probe"
_NARROW = (
    "SELECT DISTINCT table_name FROM information_schema.columns "
    "WHERE table_schema = :name AND character_set_name <> 'utf8mb4'"
)

# PostgreSQL's codes for a schema that the first sync of another account has created since we looked: committed before
# our CREATE (duplicate_schema), or while our CREATE waited (unique_violation).
_MADE_MEANWHILE = ("42P06", "23505")


def probe(location: Location) -> str | None:
    """Test the warehouse; return what a sync would create: the dataset's database, schema or file; None if it exists.

    Raises DestinationError, with cause and next step, unless the dataset and its staging can be written, and every text
    fits."""
    probes: dict[str, Callable[[Location], str | None]] = {
        "duckdb": _duckdb,
        "sqlite": _sqlite,
        "postgresql": _postgresql,
        "mysql": _mysql,
    }
    with destination_errors(location, "write to"), turns.turn():
        return probes.get(location.kind, _other)(location)


@contextmanager
def probed(location: Location) -> Iterator[None]:
    """Do the block after a `probe`. A DuckDB file stays open meanwhile: to open one takes 20 ms."""
    with turns.turn(), ExitStack() as stack:
        with destination_errors(location, "write to"):
            if location.kind == "duckdb" and _writable(location).exists():
                stack.enter_context(closing(connect(location)))
        probe(location)
        yield


def _duckdb(location: Location) -> str | None:
    file = _writable(location)
    if file.exists():
        with closing(connect(location)) as connection:
            connection.execute("BEGIN")
            connection.execute(f'CREATE SCHEMA "{location.staging_named(_PROBE)}"')
            connection.execute("ROLLBACK")
        return None
    return f"the file {file}"


def _sqlite(location: Location) -> str | None:
    file = _writable(location)
    if file.exists():
        # `isolation_level=None`: we begin the transaction ourselves, before the first DDL.
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=rw", timeout=1, uri=True, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            db.execute(f"CREATE TABLE {_PROBE} (x)")
            db.execute("ROLLBACK")
        return None
    return f"the file {file}"


def _writable(location: Location) -> Path:
    """Return the warehouse's file, after a check that it exists or can be made, and that its directory can be written:
    DuckDB and SQLite write other files beside the warehouse."""
    assert location.file is not None  # noqa: S101  (DuckDB and SQLite always have one)
    directory = location.file.parent
    if not directory.is_dir():
        raise FileNotFoundError(f"No such file or directory: {directory}")
    if not os.access(directory, os.W_OK | os.X_OK):
        raise PermissionError(f"Permission denied: {directory}")
    return location.file


def _postgresql(location: Location) -> str | None:
    try:
        return _try_postgresql(location)
    except sa.exc.DBAPIError as error:
        if getattr(error.orig, "pgcode", None) not in _MADE_MEANWHILE:
            raise
        return _try_postgresql(location)  # finds the schema, and creates none


def _try_postgresql(location: Location) -> str | None:
    dataset, staging = location.dataset, location.staging_named(_PROBE)
    with _engine(location, "postgresql+psycopg2").connect() as connection:
        _refuse_encoding(location, str(connection.execute(sa.text("SHOW server_encoding")).scalar()))
        known = sa.text("SELECT count(*) FROM pg_namespace WHERE nspname = :name")
        missing = not connection.execute(known, {"name": dataset}).scalar()
        if missing:
            connection.execute(sa.text(f'CREATE SCHEMA "{dataset}"'))
        connection.execute(sa.text(f'CREATE TABLE "{dataset}".{_PROBE}_{uuid4().hex} (x int)'))
        connection.execute(sa.text(f'CREATE SCHEMA "{staging}"'))
        connection.rollback()
    return f"the schema {dataset}" if missing else None


def _refuse_encoding(location: Location, encoding: str) -> None:
    """Refuse any encoding but UTF-8: others refuse some texts, or store bytes without a known meaning."""
    if encoding != "UTF8":
        raise DestinationError(
            f"the database of {location.display} has the encoding {encoding}, which cannot hold every image name",
            hint=UTF8_DATABASE,
        )


def _mysql(location: Location) -> str | None:
    """Create and drop a staging database and a table, because MySQL commits every DDL statement. The dataset itself is
    not tested so, because a sync may fill it at this moment; a user who may create the staging database may normally
    create the dataset too. The names are always the same, so that a user without the right to drop leaves only one
    behind."""
    with _engine(location, "mysql+pymysql").connect() as connection:
        _refuse_session(location, connection)
        refuse_capitals(location, int(connection.execute(sa.text("SELECT @@lower_case_table_names")).scalar() or 0))
        known = sa.text("SELECT default_character_set_name FROM information_schema.schemata WHERE schema_name = :name")
        character_set = connection.execute(known, {"name": location.dataset}).scalar()
        if character_set:
            refuse_character_set(location.dataset, character_set)
            _refuse_columns(location, connection)
            _create_and_drop(connection, "TABLE", f"`{location.dataset}`.`{_PROBE}`", " (x int)")
        _create_and_drop(connection, "DATABASE", f"`{location.staging_named(_PROBE)}`")
    return None if character_set else f"the database {location.dataset}"


def _refuse_session(location: Location, connection: sa.Connection) -> None:
    """Refuse a sql_mode that cuts texts. An init_command may have changed the settings of `urls.mysql`, except for the
    character set, which SQLAlchemy sets afterwards."""
    mode = str(connection.execute(sa.text("SELECT @@sql_mode")).scalar())
    if not {*STRICT} <= {*mode.split(",")}:
        raise DestinationError(
            f"connections to {location.display} cut texts that do not fit: their sql_mode is {mode!r}",
            hint="Take sql_mode out of init_command in the destination's URL.",
        )


def refuse_capitals(location: Location, lower_case_table_names: int) -> None:
    """Refuse a dataset with capitals on a server that compares names without regard to case: two spellings would name
    one database, under two locks."""
    if lower_case_table_names and location.dataset != location.dataset.lower():
        raise DestinationError(
            f"the server of {location.display} does not tell capitals from small letters "
            f"(lower_case_table_names={lower_case_table_names}), and the dataset is {location.dataset}",
            hint=f"Name the dataset {location.dataset.lower()}, in --dataset or in the destination's URL.",
        )


def _refuse_columns(location: Location, connection: sa.Connection) -> None:
    """Refuse columns of another character set: tables keep theirs when the database's character set changes."""
    narrow = connection.execute(sa.text(_NARROW), {"name": location.dataset})
    for table in sorted({table for (table,) in narrow} & {table.name for table in ALL_TABLES}):
        raise DestinationError(
            f"the table {table} of {location} has columns that cannot hold every image name",
            hint=f"Run ALTER TABLE `{location.dataset}`.`{table}` CONVERT TO CHARACTER SET utf8mb4.",
        )


def _create_and_drop(connection: sa.Connection, what: str, name: str, definition: str = "") -> None:
    connection.execute(sa.text(f"CREATE {what} IF NOT EXISTS {name}{definition}"))
    connection.execute(sa.text(f"DROP {what} IF EXISTS {name}"))


def _engine(location: Location, driver: str) -> sa.Engine:
    assert location.url is not None  # noqa: S101  (a server's location always has one)
    return engine_of(location.url.set(drivername=driver))


def _other(location: Location) -> str | None:
    """Test only that dlt can connect and look for the dataset."""
    credentials = {"credentials": location.credentials} if location.credentials is not None else {}
    factory: Any = Destination.from_reference(location.backend.destination, **credentials, **location.access.options)
    with workdir() as directory:
        options = {"destination": factory, "dataset_name": location.dataset}
        pipeline = dlt.pipeline(_PROBE, pipelines_dir=str(directory), **options)
        with pipeline.destination_client() as client:
            return None if client.is_storage_initialized() else f"the dataset {location.dataset}"
