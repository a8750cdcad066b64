"""Changes the merge of dlt's destination for DuckDB: a finished parquet file is merged from where it is.

dlt would first copy the file into a staging schema of the user's warehouse, and write the copy into DuckDB's log as
well: twice the work (`make bench`).
"""

from typing import Any

import dlt
from dlt.common.configuration import configspec
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.destination.client import FollowupJobRequest, LoadJob, RunnableLoadJob
from dlt.common.schema.utils import get_columns_names_with_prop
from dlt.destinations.impl.duckdb.configuration import (
    DuckDbClientConfiguration,
    DuckDbConnectionPool,
    DuckDbCredentials,
)
from dlt.destinations.impl.duckdb.duck import DuckDbClient
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient

from connector.warehouse import turns
from connector.warehouse.opening import connect_to

# MERGE INTO is slower from 200,000 rows on, and cannot spill to disk.
_DELETE = "DELETE FROM {table} AS d WHERE EXISTS (SELECT 1 FROM {rows} AS s WHERE {on})"
_INSERT = "INSERT INTO {table} BY NAME SELECT * FROM {rows}"


@configspec(init=False)
class Credentials(DuckDbCredentials):
    """A file, and in `global_config` the settings for opening the file (`opening.settings_of`)."""

    def on_resolved(self) -> None:
        super().on_resolved()
        self.conn_pool = _Pool(self)


class _Pool(DuckDbConnectionPool):
    """Replaces the connection of dlt's pool by ours. dlt would set its connection up after the opening, and again for
    each user of the pool."""

    def borrow_conn(self, *_: object, **__: object) -> Any:
        with self._conn_lock:
            if not self._conn_borrows:
                turns.begin()
                try:
                    credentials = self.credentials
                    settings = credentials.global_config or {}
                    self._conn = connect_to(credentials._conn_str(), settings, read_only=credentials.read_only)
                except BaseException:
                    turns.end()
                    raise
            self._conn_borrows += 1
            return self._conn.duplicate()

    def _close_conn(self) -> None:
        if self._conn:
            super()._close_conn()
            turns.end()


@configspec(init=False)
class Configuration(DuckDbClientConfiguration):
    """dlt's configuration with these credentials."""

    credentials: Credentials = None  # type: ignore[assignment]


class DuckDb(dlt.destinations.duckdb):
    """The destination for a DuckDB file. Takes parquet files of tables with a primary key."""

    spec = Configuration

    def capabilities(self, config: Any = None, naming: Any = None) -> DestinationCapabilitiesContext:
        """Return the capabilities without the configuration, which dlt would resolve a dozen times per load, and of
        which DuckDB's capabilities need nothing."""
        return super().capabilities(config or self.spec(), naming)

    @property
    def client_class(self) -> type[DuckDbClient]:
        return _DuckDbClient


class _DuckDbClient(DuckDbClient):
    """dlt's client without its staging schema."""

    def should_load_data_to_staging_dataset(self, *_: object, **__: object) -> bool:
        return False

    def create_load_job(self, table: Any, file_path: str, load_id: str, restore: bool = False) -> LoadJob:  # noqa: ARG002
        return MergeFile(file_path)

    def _create_merge_followup_jobs(self, *_: object, **__: object) -> list[FollowupJobRequest]:
        return []


class MergeFile(RunnableLoadJob):
    """Replaces the rows whose primary key is in the file, and inserts the file's other rows, in one transaction."""

    def run(self) -> None:
        sql: DuckDbSqlClient = self._job_client.sql_client  # type: ignore[attr-defined]
        table: Any = self._load_table
        keys = map(sql.escape_column_name, get_columns_names_with_prop(table, "primary_key"))
        file = sql.capabilities.escape_literal(self._file_path)
        parts = {
            "table": sql.make_qualified_table_name(self.load_table_name),
            "rows": f"read_parquet({file}, hive_partitioning = false)",  # a directory named a=b makes no column
            "on": " AND ".join(f"d.{key} = s.{key}" for key in keys),
        }
        with sql.begin_transaction():
            sql.execute_sql(_DELETE.format(**parts))
            sql.execute_sql(_INSERT.format(**parts))
