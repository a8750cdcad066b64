"""Whether a warehouse can be reached and written, found out without leaving anything behind."""

import os
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import dlt
import duckdb
import sqlalchemy as sa
from dlt.common.destination import Destination
from sqlalchemy.pool import NullPool

from connector.warehouse.ddl import refuse_character_set
from connector.warehouse.errors import destination_errors, opening
from connector.warehouse.locations import Location

_PROBE = "tcss_probe"


def probe(location: Location) -> None:
    """Raises DestinationError, with cause and next step, unless the dataset and its staging can be written."""
    probes: dict[str, Callable[[Location], None]] = {
        "duckdb": _duckdb,
        "sqlite": _sqlite,
        "postgresql": _postgresql,
        "mysql": _mysql,
    }
    with destination_errors(location, "write to"):
        probes.get(location.kind, _other)(location)


def _duckdb(location: Location) -> None:
    if file := _existing(location):
        with closing(opening(duckdb.connect)(str(file))) as connection:
            connection.execute("BEGIN")
            connection.execute(f'CREATE SCHEMA "{location.staging_named(_PROBE)}"')
            connection.execute("ROLLBACK")


def _sqlite(location: Location) -> None:
    if file := _existing(location):
        # `isolation_level=None`: we begin the transaction ourselves, before the first DDL.
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=rw", timeout=1, uri=True, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            db.execute(f"CREATE TABLE {_PROBE} (x)")
            db.execute("ROLLBACK")


def _existing(location: Location) -> Path | None:
    """The warehouse's file if it exists; otherwise it could be made. Both write other files beside it."""
    assert location.file is not None  # noqa: S101  (DuckDB and SQLite always have one)
    directory = location.file.parent
    if not directory.is_dir():
        raise FileNotFoundError(f"No such file or directory: {directory}")
    if not os.access(directory, os.W_OK | os.X_OK):
        raise PermissionError(f"Permission denied: {directory}")
    return location.file if location.file.exists() else None


def _postgresql(location: Location) -> None:
    dataset, staging = location.dataset, location.staging_named(_PROBE)
    with _engine(location, "postgresql+psycopg2").connect() as connection:
        known = sa.text("SELECT count(*) FROM pg_namespace WHERE nspname = :name")
        if not connection.execute(known, {"name": dataset}).scalar():
            connection.execute(sa.text(f'CREATE SCHEMA "{dataset}"'))
        connection.execute(sa.text(f'CREATE TABLE "{dataset}".{_PROBE}_{uuid4().hex} (x int)'))
        connection.execute(sa.text(f'CREATE SCHEMA "{staging}"'))
        connection.rollback()


def _mysql(location: Location) -> None:
    """MySQL commits every DDL statement, so what is made here is dropped again; therefore not the dataset itself, which
    a sync may fill at this moment. Whoever may create its staging database may normally create it too. The names are
    always the same, so that a user who may create and not drop leaves no more than one behind."""
    with _engine(location, "mysql+pymysql").connect() as connection:
        known = sa.text("SELECT default_character_set_name FROM information_schema.schemata WHERE schema_name = :name")
        if character_set := connection.execute(known, {"name": location.dataset}).scalar():
            refuse_character_set(location.dataset, character_set)
            _create_and_drop(connection, "TABLE", f"`{location.dataset}`.`{_PROBE}`", " (x int)")
        _create_and_drop(connection, "DATABASE", f"`{location.staging_named(_PROBE)}`")


def _create_and_drop(connection: sa.Connection, what: str, name: str, definition: str = "") -> None:
    connection.execute(sa.text(f"CREATE {what} IF NOT EXISTS {name}{definition}"))
    connection.execute(sa.text(f"DROP {what} IF EXISTS {name}"))


def _engine(location: Location, driver: str) -> sa.Engine:
    assert location.url is not None  # noqa: S101  (a server's location always has one)
    return sa.create_engine(location.url.set(drivername=driver), poolclass=NullPool)


def _other(location: Location) -> None:
    """Only that dlt can connect, and ask for the dataset."""
    credentials = {"credentials": location.credentials} if location.credentials is not None else {}
    factory: Any = Destination.from_reference(location.backend.destination, **credentials, **location.access.options)
    with tempfile.TemporaryDirectory(prefix="tcss_") as directory:
        pipeline = dlt.pipeline(_PROBE, pipelines_dir=directory, destination=factory, dataset_name=location.dataset)
        with pipeline.destination_client() as client:
            client.is_storage_initialized()
