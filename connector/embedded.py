"""DuckDB as dlt loads it, but for one thing: a finished parquet file is merged from where it lies.

dlt would copy it into a staging schema of the user's file first, write that into DuckDB's log as well, and then DELETE
and INSERT: more than twice the work (`make bench`).
"""

from typing import Any

import dlt
from dlt.common.destination.client import FollowupJobRequest, LoadJob, RunnableLoadJob
from dlt.destinations.impl.duckdb.duck import DuckDbClient
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient

_MERGE = (
    "MERGE INTO {table} AS d USING (SELECT * FROM read_parquet({file})) AS s ON {on} "
    "WHEN MATCHED THEN UPDATE BY NAME WHEN NOT MATCHED THEN INSERT BY NAME"
)


class MergeFile(RunnableLoadJob):
    """Updates the rows whose primary key the file has, and inserts its others: all of it or nothing."""

    def run(self) -> None:
        sql: DuckDbSqlClient = self._job_client.sql_client  # type: ignore[attr-defined]
        columns = self._load_table["columns"].items()
        keys = [sql.escape_column_name(name) for name, column in columns if column.get("primary_key")]
        sql.execute_sql(
            _MERGE.format(
                table=sql.make_qualified_table_name(self.load_table_name),
                file=sql.capabilities.escape_literal(self._file_path),
                on=" AND ".join(f"d.{key} = s.{key}" for key in keys),
            )
        )


class Client(DuckDbClient):
    """dlt's client without its staging schema."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        # dlt's 1 GB lets each load be written twice: into the log, and from there into the file.
        self.sql_client._global_config.pop("checkpoint_threshold")

    def should_load_data_to_staging_dataset(self, *_: object, **__: object) -> bool:
        return False

    def create_load_job(self, table: Any, file_path: str, load_id: str, restore: bool = False) -> LoadJob:  # noqa: ARG002
        return MergeFile(file_path)

    def _create_merge_followup_jobs(self, *_: object, **__: object) -> list[FollowupJobRequest]:
        return []


class Embedded(dlt.destinations.duckdb):
    """The destination for a DuckDB file. Takes parquet files of tables with a primary key."""

    @property
    def client_class(self) -> type[Client]:
        return Client
