"""dlt's destination for DuckDB with another merge, which takes a finished parquet file from where it lies.

dlt would copy it into a staging schema of the user's file first, and write that into DuckDB's log as well: twice the
work (`make bench`).
"""

import logging
from typing import Any

import dlt
import duckdb
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.destination.client import FollowupJobRequest, LoadJob, RunnableLoadJob
from dlt.common.schema.utils import get_columns_names_with_prop
from dlt.destinations.impl.duckdb.duck import DuckDbClient
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient

from connector.warehouse.errors import opening
from connector.warehouse.locations import Location

log = logging.getLogger(__name__)

_STORAGE = "storage_compatibility_version"

# MERGE INTO is slower from 200,000 rows on, and cannot leave memory for the disk.
_DELETE = "DELETE FROM {table} AS d WHERE EXISTS (SELECT 1 FROM {rows} AS s WHERE {on})"
_INSERT = "INSERT INTO {table} BY NAME SELECT * FROM {rows}"


def make_file(location: Location) -> None:
    """Makes the warehouse's file where there is none, since an older DuckDB cannot read what a newer one makes.

    The URL may name a version that can: `storage_compatibility_version`, which dlt would set when the file is made.
    """
    if location.file is None or location.url is None or location.file.exists():
        return
    version = location.url.query.get(_STORAGE)
    opening(duckdb.connect)(str(location.file), config={_STORAGE: str(version)} if version else {}).close()
    if not version:
        log.info(
            "%s is made by DuckDB %s, and an older one cannot read it; for a new file that it can, add ?%s=v1.0.0 to "
            "the URL",
            location.file,
            duckdb.__version__,
            _STORAGE,
        )


class DuckDb(dlt.destinations.duckdb):
    """The destination for a DuckDB file. Takes parquet files of tables with a primary key."""

    def capabilities(self, config: Any = None, naming: Any = None) -> DestinationCapabilitiesContext:
        """Without the configuration, which dlt resolves a dozen times a load for them; nothing of DuckDB's matters."""
        return super().capabilities(config or self.spec(), naming)

    @property
    def client_class(self) -> type[DuckDbClient]:
        return _DuckDbClient


class _DuckDbClient(DuckDbClient):
    """dlt's client without its staging schema, which waits a moment for a file that is in use."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        # dlt's 1 GB lets each load be written twice: into the log, and from there into the file.
        self.sql_client._global_config.pop("checkpoint_threshold")
        self.sql_client.open_connection = opening(self.sql_client.open_connection)  # type: ignore[method-assign]

    def should_load_data_to_staging_dataset(self, *_: object, **__: object) -> bool:
        return False

    def create_load_job(self, table: Any, file_path: str, load_id: str, restore: bool = False) -> LoadJob:  # noqa: ARG002
        return MergeFile(file_path)

    def _create_merge_followup_jobs(self, *_: object, **__: object) -> list[FollowupJobRequest]:
        return []


class MergeFile(RunnableLoadJob):
    """Replaces the rows whose primary key the file has, and inserts its others: all of it or nothing."""

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
