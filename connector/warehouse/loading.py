"""Loads rows into the tables: creates what a load needs, and merges finished parquet files, all of them or none."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, cast

import dlt
import duckdb
import pyarrow.parquet as pq
from dlt.common.destination.client import JobClientBase, WithStagingDataset
from dlt.destinations.exceptions import DatabaseException
from dlt.extract import DltResource, DltSource

from connector.errors import DestinationError
from connector.tables import ALL_TABLES, IMAGES, Table
from connector.warehouse import ddl, waits
from connector.warehouse.backends import Kind
from connector.warehouse.errors import destination_errors
from connector.warehouse.guards import guarded
from connector.warehouse.locations import Location
from connector.warehouse.locks import StillHeld
from connector.warehouse.opening import LOADING, new_file_named
from connector.warehouse.pipeline import SCHEMA, empty_schema, install_schema, load_file_format, resource
from connector.warehouse.rounding import refuse_rounding

# One worker for files: a file has one writer.
WORKERS: dict[Kind, int] = {"duckdb": 1, "sqlite": 1}
MANY_WORKERS = 4
BATCH_ROWS = 10_000
FEW_ROWS = 10_000  # of a file whose keys Arrow compares: DuckDB takes 16 ms and 7 MB for its beginning
CREATE_ATTEMPTS = 5
_SETTINGS = {name: LOADING[name] for name in ("preserve_insertion_order", "memory_limit", "threads")}
# Hashes of keys take a third of the memory of keys, which is the most that a load of a million findings needs. So keys
# are compared only where two hashes are equal.
_HASHED_ALIKE = "SELECT count(*) - count(DISTINCT hash({keys})) FROM read_parquet(?, hive_partitioning = false)"
_DOUBLED = (
    "SELECT coalesce(sum(rows - 1), 0) "
    "FROM (SELECT count(*) AS rows FROM read_parquet(?, hive_partitioning = false) GROUP BY {keys})"
)


class Loader:
    """Writes into the dataset of a location, through a pipeline of `open_pipeline`. `written` counts the rows that were
    merged, by table. With `still_held`, a server is asked for the lock before each job of a load."""

    def __init__(self, location: Location, pipeline: dlt.Pipeline, still_held: StillHeld | None = None) -> None:
        self._location = location
        self._guard = guarded(pipeline, still_held) if still_held is not None else None
        self._pipeline = pipeline
        self.written: Counter[str] = Counter()

    @contextmanager
    def session(self) -> Iterator[None]:
        """Keep a DuckDB file open during several loads. dlt opens and closes the file for each job, and the last close
        writes DuckDB's log into the file, which costs as much as a merge. Raises DestinationError."""
        with ExitStack() as stack:
            if self._location.kind == "duckdb":
                with destination_errors(self._location, "open"), new_file_named(self._location):
                    stack.enter_context(cast(Any, self._pipeline.sql_client(SCHEMA)))
            yield

    def prepare(self) -> None:
        """Create dataset, staging, tables and indexes where they are missing. Raises DestinationError.

        First loads of several accounts race here: each finds at its next attempt what another load has made.
        """
        with destination_errors(self._location, "create the tables in"):
            for left in reversed(range(CREATE_ATTEMPTS)):
                try:
                    self._create()
                    break
                except DatabaseException:
                    if not left:
                        raise

    def load(self, files: Mapping[str, Path]) -> None:
        """Merge a parquet file into each of the tables, as one package. Raises ValueError unless each file has exactly
        its table's schema, and each key once.

        Returns when everything is committed. Raises DestinationError. A pending load of an earlier call is discarded.
        """
        by_name = {table.name: table for table in ALL_TABLES}
        chosen = {by_name[name]: file for name, file in files.items()}
        if not chosen:
            return
        _verify(chosen)
        make = _imported if load_file_format(self._location) == "parquet" else _in_batches
        resources = [make(self._location, table, file) for table, file in chosen.items()]
        with destination_errors(self._location, "load into"):
            if self._pipeline.has_pending_data:
                self._pipeline.drop()
                install_schema(self._location, self._pipeline)
            try:
                self._run(DltSource(empty_schema(), SCHEMA, resources))  # dlt adds the tables of the pipeline's schema
            except Exception:
                if self._guard is not None and self._guard.lost is not None:
                    raise self._guard.lost from None
                raise
        self.written.update({name: pq.read_metadata(file).num_rows for name, file in files.items()})

    def drop_staging(self) -> None:
        """Remove the pipeline's staging dataset with all its tables. Raises DestinationError."""
        with (
            destination_errors(self._location, "drop the staging dataset of"),
            self._pipeline.destination_client(SCHEMA) as client,
        ):
            if isinstance(client, WithStagingDataset):
                ddl.drop_staging(client)

    def drop(self) -> None:
        """Remove the dataset and its staging with all their tables. Raises DestinationError."""
        self.drop_staging()
        with (
            destination_errors(self._location, "drop the dataset of"),
            self._pipeline.destination_client(SCHEMA) as client,
        ):
            client.drop_storage()

    def _create(self) -> None:
        with (
            self._pipeline.destination_client(SCHEMA) as client,
            waits.holders_named(_sql(client), self._location),
        ):
            staged = _staged(client)
            if staged is not None:
                ddl.refuse_warehouse(_sql(client), SCHEMA)
            ddl.create_databases(client, self._location)
            self._create_dataset(client)
            if staged is not None:
                with staged.with_staging_dataset():
                    self._create_dataset(client)
                    ddl.describe_staging(client, self._location.kind)

    def _create_dataset(self, client: JobClientBase) -> None:
        client.initialize_storage()
        waits.limit(_sql(client), self._location.kind)
        # Forced, because an unchanged schema hash would hide a table that somebody has dropped since.
        client.update_stored_schema(force=True)
        refuse_rounding(client, self._location.kind)
        ddl.admit_nulls(client, self._location.kind)
        ddl.compare_exactly(client, self._location.kind)
        ddl.widen_texts(client, self._location.kind)
        ddl.create_indexes(client, self._location.kind)

    def _run(self, source: DltSource) -> None:
        ddl.silence_dlt()
        self._pipeline.extract(source, loader_file_format=load_file_format(self._location))  # type: ignore[arg-type]
        self._pipeline.normalize(workers=1)
        workers = WORKERS.get(self._location.kind, MANY_WORKERS)
        self._pipeline.load(workers=workers, raise_on_failed_jobs=True)
        if self._pipeline.has_pending_data:
            raise DestinationError("dlt ended a load early, and left a part of it pending", hint="Run again.")


def _staged(client: JobClientBase) -> WithStagingDataset | None:
    """Return the client if it loads through a staging dataset."""
    if isinstance(client, WithStagingDataset) and client.should_load_data_to_staging_dataset(IMAGES.name):
        return client
    return None


def _sql(client: JobClientBase) -> Any:
    return client.sql_client  # type: ignore[attr-defined]


def _imported(location: Location, table: Table, file: Path) -> DltResource:
    imports = dlt.mark.with_file_import(str(file), "parquet", items_count=pq.read_metadata(file).num_rows)
    return resource(location, table, [imports], known=True)


def _in_batches(location: Location, table: Table, file: Path) -> DltResource:
    return resource(location, table, _batches(file))


def _batches(file: Path) -> Iterator[Any]:
    with pq.ParquetFile(file) as parquet:
        yield from parquet.iter_batches(BATCH_ROWS)


def _verify(files: Mapping[Table, Path]) -> None:
    """Raise ValueError unless each file has its table's schema, and no key twice."""
    several: dict[Table, Path] = {}
    for table, file in files.items():
        schema = pq.read_schema(file)
        if not schema.equals(table.arrow_schema):
            raise ValueError(f"{file.name} has not the schema of {table.name}: {schema}")
        if pq.read_metadata(file).num_rows > 1:
            several[table] = file
    if several:
        _verify_keys(several)


def _verify_keys(files: Mapping[Table, Path]) -> None:
    many = {table: file for table, file in files.items() if pq.read_metadata(file).num_rows > FEW_ROWS}
    for table, file in files.items() - many.items():
        keys = pq.read_table(file, columns=list(table.key), partitioning=None)
        _refuse_doubled(table, len(keys) - len(keys.group_by(list(table.key), use_threads=False).aggregate([])))
    if many:
        with closing(duckdb.connect(config=_SETTINGS)) as db:  # Arrow would hold all keys, and keep the memory
            for table, file in many.items():
                if _counted(db, _HASHED_ALIKE, table, file):
                    _refuse_doubled(table, _counted(db, _DOUBLED, table, file))


def _refuse_doubled(table: Table, doubled: int) -> None:
    if doubled:
        raise ValueError(f"{doubled} rows for {table.name} have the key of another one")


def _counted(db: duckdb.DuckDBPyConnection, query: str, table: Table, file: Path) -> int:
    return int(db.execute(query.format(keys=", ".join(table.key)), [str(file)]).fetchall()[0][0])
