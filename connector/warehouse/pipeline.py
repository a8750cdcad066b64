"""Makes what every load of ours needs of dlt: the schema as data, the destination, and an account's pipeline.

A user's own pipelines see none of this, and our pipelines see none of their configuration (`isolation`).
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import dlt
from dlt.common.schema import Schema
from dlt.extract import DltResource

from connector import texts
from connector.tables import TABLES, Table
from connector.warehouse.clouds import MERGING, over_cloud
from connector.warehouse.dialects import translate
from connector.warehouse.duckdb import Credentials, DuckDb
from connector.warehouse.errors import destination_errors
from connector.warehouse.isolation import IsolatedPipeline, isolated
from connector.warehouse.locations import Location, slug
from connector.warehouse.opening import settings_of
from connector.warehouse.retries import put_first

SCHEMA = "tcss"

# Where dlt takes finished parquet files, they are loaded unchanged. Other destinations get Arrow, in the format that
# dlt prefers.
TAKES_PARQUET = ("duckdb", "sqlalchemy", "postgres", "snowflake", "bigquery", "clickhouse")


def open_pipeline(
    location: Location,
    account_id: str,
    workdir: Path,
    *,
    run: str | None = None,
    tables: Sequence[Table] = TABLES,
    read_only: bool = False,
) -> dlt.Pipeline:
    """Make the pipeline of an account, with its own staging dataset, in an empty directory that the caller removes.

    Connects to nothing. `tables` are the pipeline's tables. `run` names the staging dataset where the warehouse has no
    lock (see `locks`), and `Loader.drop_staging` removes that dataset. `read_only` opens a DuckDB file beside other
    readers, and for a user who may not write the file. Raises DestinationError.
    """
    connecting = location.kind == "other"  # for every other kind, the URL has all credentials
    dlt_log = texts.logger("dlt")
    if location.redactor not in dlt_log.filters:
        dlt_log.filters.insert(0, location.redactor)  # before a text is shortened, which could cut a secret in half
    put_first(dlt_log)  # before the redactor, which makes a text of the exception
    with destination_errors(location, "use"), isolated(connecting=connecting):
        pipeline = dlt.pipeline(
            f"{SCHEMA}_{slug(account_id)}",
            pipelines_dir=str(workdir),
            destination=_factory(location, location.staging(account_id, run=run), workdir, read_only=read_only),
            dataset_name=location.dataset,
            _impl_cls=IsolatedPipeline,
        )
    pipeline.connecting = connecting
    install_schema(location, pipeline, tables)
    return pipeline


def import_destination(location: Location) -> None:
    """Import dlt's destination for the location, and the driver. What cannot be imported is left to the load, which
    says what is missing."""
    import pyarrow.dataset  # noqa: F401

    if location.kind == "postgresql":
        with suppress(ImportError):
            import_module("adbc_driver_postgresql.dbapi")  # which dlt uses where it is installed
    with suppress(Exception), isolated(connecting=location.kind == "other"):
        factory = _factory(location, "", Path())
        _ = factory.client_class
        translate("select 1 as one", str(factory.capabilities().sqlglot_dialect), {})  # imports both dialects
        if location.url is not None and location.kind != "duckdb":
            location.url.set(drivername=location.backend.drivername).get_dialect().import_dbapi()


def install_schema(location: Location, pipeline: dlt.Pipeline, tables: Sequence[Table] = TABLES) -> None:
    """Make `schema` the pipeline's own, as before its first run."""
    with isolated():
        pipeline.schemas.save_schema(schema(location, tables))
        pipeline.default_schema_name = SCHEMA  # type: ignore[assignment]


def schema(location: Location, tables: Sequence[Table] = TABLES) -> Schema:
    """Return the tables as dlt's schema, complete from the start, so that its hash stays the same and no load migrates
    a table."""
    with isolated():
        whole = empty_schema()
        file_format = load_file_format(location)
        for table in tables:
            computed = resource(location, table).compute_table_schema()
            computed["x-normalizer"] = {"seen-data": True}
            if file_format is not None:
                computed["file_format"] = file_format  # type: ignore[typeddict-item]
            whole.update_table(computed, normalize_identifiers=False)
    return whole


def empty_schema() -> Schema:
    """Return dlt's schema without a table of ours."""
    with isolated():
        return Schema(SCHEMA)


def resource(location: Location, table: Table, rows: Iterable[Any] = (), *, known: bool = False) -> DltResource:
    """Return the rows as dlt's resource, which merges them into the table.

    `known`: the rows are a file, and the pipeline's schema has the columns. dlt then compares no columns, which takes a
    tenth of a small load.
    """
    hints = _hints(location, table)
    if known:
        del hints["columns"], hints["primary_key"]
    made: DltResource = dlt.resource(iter(rows), **hints)
    return made


def _hints(location: Location, table: Table) -> dict[str, Any]:
    columns = table.dlt_columns()
    if location.kind == "mysql":  # where dlt's column for the schema may end at 64 KB: see `source.mysql`
        for column in columns.values():
            del column["description"]
    return {
        "name": table.name,
        "columns": columns,
        "primary_key": list(table.key),
        # Where a commit's outcome can be unknown, dlt may stage a file twice, so the merge has to deduplicate. In an
        # embedded database the outcome is always known, and `Loader.load` has verified that keys are unique.
        "write_disposition": {
            "disposition": "merge",
            "strategy": "upsert" if location.backend.destination in MERGING else "delete-insert",
            "deduplicated": location.file is not None,
        },
        "schema_contract": {"data_type": "freeze"},
    }


def load_file_format(location: Location) -> str | None:
    """Return the format of load files, None where dlt chooses the format."""
    name = location.backend.destination
    if name in TAKES_PARQUET and (name != "postgres" or find_spec("adbc_driver_postgresql")):
        return "parquet"
    # dlt would choose csv, and PostgreSQL's reader then takes an empty text for null.
    return "insert_values" if name == "postgres" else None


def _factory(location: Location, staging: str, workdir: Path, *, read_only: bool = False) -> Any:
    """Return dlt's destination for the location, with the staging dataset `staging` and its files in `workdir`."""
    options: dict[str, Any] = {"staging_dataset_name_layout": staging, "enable_dataset_name_normalization": False}
    if location.kind == "duckdb":
        credentials = Credentials(str(location.file), global_config=settings_of(location, workdir))
        credentials.read_only = read_only
        return DuckDb(credentials, destination_name="duckdb", **options)
    if location.kind == "postgresql" and location.url is not None:
        from connector.warehouse.postgresql import PostgreSql, parts

        return PostgreSql(parts(location.url), destination_name="postgres", **options)
    if location.credentials is not None:
        options["credentials"] = location.credentials
    options |= location.access.options
    if location.backend.destination == "sqlalchemy":
        from connector.warehouse.sqlalchemy import over_sqlalchemy

        return over_sqlalchemy(location.url, **options)
    return over_cloud(location.backend.destination, **options)
