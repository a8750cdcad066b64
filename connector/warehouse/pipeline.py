"""A warehouse: the SQL database that holds the tables, reached through dlt.

What every run of ours needs of dlt is here as data. Nothing of it reaches a user's own pipelines: it is set on our
pipeline objects, or in dlt's configuration under our pipelines' names.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import dlt
import duckdb
import pyarrow.parquet as pq
from dlt.common.destination import Destination
from dlt.common.destination.client import JobClientBase, WithStagingDataset
from dlt.common.schema import Schema
from dlt.destinations.exceptions import DatabaseException
from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials
from dlt.extract import DltResource, DltSource

from connector.errors import DestinationError
from connector.tables import SYNC_RUNS, TABLES, Table
from connector.warehouse import ddl as storage
from connector.warehouse import descriptions, locks, probes, views
from connector.warehouse.backends import Kind
from connector.warehouse.duckdb import DuckDb
from connector.warehouse.errors import destination_errors
from connector.warehouse.locations import Location, locate, slug

SCHEMA = "tcss"

# On our pipeline objects. No package is resumed, so no state is stored or read; without the trace dlt sends no
# telemetry, and pickles nothing.
PIPELINE_SETTINGS = {"restore_from_destination": False, "enable_runtime_trace": False}
# In dlt's configuration, under the pipeline's name. Staging would otherwise keep a copy of what was loaded last,
# and each extraction sleep for 10 ms before it sees that it has ended.
LOAD_SETTINGS = {"load.truncate_staging_dataset": True, "extract.futures_poll_interval": 0.001}
# Our signal handlers stay in charge: dlt would first drain its pool, and then wrap the interrupt into an error.
RUNTIME_SETTINGS = {"intercept_signals": False}
# Insertion order means nothing to our tables, and keeping it costs memory. DuckDB would take 80 % of the machine's, and
# a thread for each core, which wants its own share; 300 MB merge 1,000,000 rows in 3 s. The URL's query may change all.
DUCKDB_SETTINGS: dict[str, Any] = {
    "preserve_insertion_order": False,
    "memory_limit": "300MB",
    "threads": min(os.cpu_count() or 1, 4),
}
# Files have one writer, and DuckDB uses all cores for one statement.
WORKERS: dict[Kind, int] = {"duckdb": 1, "sqlite": 1}
MANY_WORKERS = 4
# Where dlt takes finished parquet files, they are loaded as they are. The others get Arrow, in the format dlt prefers.
TAKES_PARQUET = ("duckdb", "sqlalchemy", "postgres", "snowflake", "bigquery", "clickhouse")
BATCH_ROWS = 10_000
CREATE_ATTEMPTS = 5
_DOUBLED = "SELECT coalesce(sum(rows - 1), 0) FROM (SELECT count(*) AS rows FROM read_parquet(?) GROUP BY {keys})"


@dataclass(frozen=True)
class Warehouse:
    """One dataset of one database. Opening it connects to nothing."""

    location: Location

    @classmethod
    def open(cls, destination: str, dataset: str | None = None) -> "Warehouse":
        """Read a SQLAlchemy URL or the name of a dlt destination.

        The dataset is `tcss` unless given; `main` in SQLite, the URL's database in MySQL. Raises ConfigurationError for
        what cannot be right, and DestinationError where a driver is not installed.
        """
        return cls(locate(destination, dataset))

    @property
    def dataset(self) -> str:
        return self.location.dataset

    @property
    def display(self) -> str:
        """The destination as it may be shown, without password and options."""
        return self.location.display

    def __str__(self) -> str:
        return f"{self.dataset} in {self.display}"

    def schema(self) -> Schema:
        """All tables as dlt's schema, whole from the start, so that its hash stays and no load migrates anything."""
        schema = Schema(SCHEMA)
        for table in TABLES:
            computed = self._resource(table).compute_table_schema()
            computed["x-normalizer"] = {"seen-data": True}
            if self._file_format is not None:
                computed["file_format"] = self._file_format  # type: ignore[typeddict-item]
            schema.update_table(computed, normalize_identifiers=False)
        return schema

    def pipeline(self, account_id: str, workdir: Path, *, run: str | None = None) -> dlt.Pipeline:
        """The pipeline of an account, with its own staging dataset, in an empty directory that the caller removes.

        `run` names the staging dataset where the warehouse has no lock (see `locks`); `drop_staging` removes it then.
        """
        name = f"{SCHEMA}_{slug(account_id)}"
        for key, value in LOAD_SETTINGS.items():
            dlt.config[f"{name}.{key}"] = value
        with destination_errors(self.location, "use"):
            pipeline = dlt.pipeline(
                name,
                pipelines_dir=str(workdir),
                destination=self._factory(self.staging(account_id, run=run)),
                dataset_name=self.dataset,
            )
        for key, value in PIPELINE_SETTINGS.items():
            setattr(pipeline.config, key, value)
        for key, value in RUNTIME_SETTINGS.items():
            setattr(pipeline.runtime_config, key, value)
        self._install(pipeline)
        return pipeline

    def staging(self, account_id: str, *, run: str | None = None) -> str:
        """The name of the account's staging dataset, or of the run's where there is no lock."""
        name = slug(account_id) if self.has_lock or run is None else f"{slug(account_id)}_{slug(run)}"
        return self.location.staging(name)

    @contextmanager
    def session(self, pipeline: dlt.Pipeline) -> Iterator[None]:
        """Keeps a DuckDB file open for as long as several loads take. dlt opens and closes it for each job, and whoever
        closes it last writes DuckDB's log into it, which costs as much as a merge. Raises DestinationError."""
        with ExitStack() as stack:
            if self.location.kind == "duckdb":
                with destination_errors(self.location, "open"):
                    stack.enter_context(cast(Any, pipeline.sql_client(SCHEMA)))
            yield

    def prepare(self, pipeline: dlt.Pipeline) -> None:
        """Create dataset, staging, tables and indexes where they are missing. Raises DestinationError.

        First loads of several accounts race on this: what one of them has made, the next attempt of the others finds.
        """
        with destination_errors(self.location, "create the tables in"):
            for left in reversed(range(CREATE_ATTEMPTS)):
                try:
                    self._create(pipeline)
                    break
                except DatabaseException:
                    if not left:
                        raise

    def load(self, pipeline: dlt.Pipeline, tables: Mapping[str, Path]) -> None:
        """Merge a parquet file into each of the tables, as one package. It has exactly the table's schema, and each
        row's key occurs once; ValueError otherwise.

        Returns when everything is committed. Raises DestinationError; what an earlier call left pending is discarded.
        """
        by_name = {table.name: table for table in TABLES}
        chosen = {by_name[name]: file for name, file in tables.items()}
        if not chosen:
            return
        _verify(chosen)
        resources = [self._resource(table, file) for table, file in chosen.items()]
        with destination_errors(self.location, "load into"):
            if pipeline.has_pending_data:
                pipeline.drop()
                self._install(pipeline)
            self._run(pipeline, DltSource(pipeline.default_schema, SCHEMA, resources))

    def publish(self, pipeline: dlt.Pipeline, *, anew: bool = False) -> None:
        """Describe the tables in the database's catalogue and make the views, unless those of this release are there
        already; with `anew`, in any case. The tables exist. Raises DestinationError."""
        with destination_errors(self.location, "make the views in"), pipeline.sql_client(SCHEMA) as client:
            if anew or not views.current(client):
                views.refuse_others(client)
                descriptions.describe(client)
                views.create(client, anew=anew)

    def lock(self, account_id: str) -> AbstractContextManager[locks.StillHeld]:
        """The lock of the account in this dataset; LockedError at once if another sync holds it. See `locks.lock`."""
        return locks.lock(self.location, account_id)

    @property
    def has_lock(self) -> bool:
        """Whether `lock` locks anything here."""
        return self.location.kind != "other"

    def check(self) -> None:
        """Reach the warehouse and prove that it can be written, leaving nothing behind. Raises DestinationError."""
        probes.probe(self.location)

    def drop_staging(self, pipeline: dlt.Pipeline) -> None:
        """Remove the pipeline's staging dataset with all that is in it. Raises DestinationError."""
        with (
            destination_errors(self.location, "drop the staging dataset of"),
            pipeline.destination_client(SCHEMA) as client,
        ):
            if isinstance(client, WithStagingDataset):
                storage.drop_staging(client)

    @property
    def _file_format(self) -> str | None:
        """The format of load files, where it is not left to dlt."""
        name = self.location.backend.destination
        if name in TAKES_PARQUET and (name != "postgres" or find_spec("adbc_driver_postgresql")):
            return "parquet"
        # dlt would choose csv, and PostgreSQL's reader then takes an empty text for null.
        return "insert_values" if name == "postgres" else None

    def _factory(self, staging: str) -> Any:
        location = self.location
        options: dict[str, Any] = {"staging_dataset_name_layout": staging, "enable_dataset_name_normalization": False}
        if location.kind == "duckdb" and location.url is not None:
            settings = {**DUCKDB_SETTINGS, **location.url.query}
            credentials = DuckDbCredentials(str(location.file), global_config=settings)
            return DuckDb(credentials, destination_name="duckdb", **options)
        if location.credentials is not None:
            options["credentials"] = location.credentials
        options |= location.access.options
        if location.backend.destination == "sqlalchemy":
            from connector.warehouse.sqlalchemy import over_sqlalchemy

            return over_sqlalchemy(location.url.get_backend_name() if location.url else "", **options)
        return Destination.from_reference(location.backend.destination, **options)

    def _resource(self, table: Table, file: Path | None = None) -> DltResource:
        rows = _imports if self._file_format == "parquet" else _batches
        resource: DltResource = dlt.resource(rows(file) if file else iter(()), **self._hints(table))
        return resource

    def _hints(self, table: Table) -> dict[str, Any]:
        return {
            "name": table.name,
            "columns": table.dlt_columns(),
            "primary_key": list(table.key),
            # Where a commit's outcome can be unknown, dlt may stage a file twice, so it has to deduplicate. In an
            # embedded database it cannot, and `load` has verified that keys are unique.
            "write_disposition": {
                "disposition": "merge",
                "strategy": "delete-insert",
                "deduplicated": self.location.file is not None,
            },
            "schema_contract": {"data_type": "freeze"},
        }

    def _install(self, pipeline: dlt.Pipeline) -> None:
        pipeline.schemas.save_schema(self.schema())
        pipeline.default_schema_name = SCHEMA  # type: ignore[assignment]

    def _create(self, pipeline: dlt.Pipeline) -> None:
        with pipeline.destination_client(SCHEMA) as client:
            storage.create_databases(client, self.location)
            self._create_dataset(client)
            if isinstance(client, WithStagingDataset) and client.should_load_data_to_staging_dataset(SYNC_RUNS.name):
                with client.with_staging_dataset():
                    self._create_dataset(client)

    def _create_dataset(self, client: JobClientBase) -> None:
        client.initialize_storage()
        # Forced: the stored hash alone would hide a table that somebody has dropped since.
        client.update_stored_schema(force=True)
        storage.compare_exactly(client, self.location.kind)
        storage.create_indexes(client, self.location.kind)

    def _run(self, pipeline: dlt.Pipeline, source: DltSource) -> None:
        storage.silence_dlt()
        pipeline.extract(source, loader_file_format=self._file_format)  # type: ignore[arg-type]
        pipeline.normalize(workers=1)
        pipeline.load(workers=WORKERS.get(self.location.kind, MANY_WORKERS), raise_on_failed_jobs=True)
        if pipeline.has_pending_data:
            raise DestinationError("dlt ended a load early, and left a part of it pending", hint="Run again.")


def _imports(file: Path) -> Iterator[Any]:
    yield dlt.mark.with_file_import(str(file), "parquet", items_count=pq.read_metadata(file).num_rows)


def _batches(file: Path) -> Iterator[Any]:
    with pq.ParquetFile(file) as parquet:
        yield from parquet.iter_batches(BATCH_ROWS)


def _verify(files: Mapping[Table, Path]) -> None:
    several: dict[Table, Path] = {}
    for table, file in files.items():
        schema = pq.read_schema(file)
        if not schema.equals(table.arrow_schema):
            raise ValueError(f"{file.name} has not the schema of {table.name}: {schema}")
        if pq.read_metadata(file).num_rows > 1:
            several[table] = file
    if not several:
        return
    with closing(duckdb.connect(config=DUCKDB_SETTINGS)) as db:  # Arrow would hold all keys, and keep the memory
        for table, file in several.items():
            doubled = db.execute(_DOUBLED.format(keys=", ".join(table.key)), [str(file)]).fetchall()[0][0]
            if doubled:
                raise ValueError(f"{doubled} rows for {table.name} have the key of another one")
