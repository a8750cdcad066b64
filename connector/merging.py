"""How rows are merged where dlt's own way costs too much: two of its destinations, with another merge.

DuckDB takes a finished parquet file from where it lies. dlt would copy it into a staging schema of the user's file
first, and write that into DuckDB's log as well: twice the work (`make bench`).

MySQL deletes by a join with the staged rows, which uses the index. For dlt's DELETE ... WHERE EXISTS, MariaDB 10.11
reads every row of the table, so a merge of a few rows would cost more with every version that is kept.
"""

from typing import Any

import dlt
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.destination.client import FollowupJobRequest, LoadJob, RunnableLoadJob
from dlt.common.schema.utils import get_columns_names_with_prop
from dlt.destinations.impl.duckdb.duck import DuckDbClient
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient
from dlt.destinations.impl.sqlalchemy.load_jobs import SqlalchemyMergeFollowupJob
from dlt.destinations.impl.sqlalchemy.sqlalchemy_job_client import SqlalchemyJobClient

from connector.failures import opening

# MERGE INTO is slower from 200,000 rows on, and cannot leave memory for the disk.
_DELETE = "DELETE FROM {table} AS d WHERE EXISTS (SELECT 1 FROM {rows} AS s WHERE {on})"
_INSERT = "INSERT INTO {table} BY NAME SELECT * FROM {rows}"


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
        parts = {
            "table": sql.make_qualified_table_name(self.load_table_name),
            "rows": f"read_parquet({sql.capabilities.escape_literal(self._file_path)})",
            "on": " AND ".join(f"d.{key} = s.{key}" for key in keys),
        }
        with sql.begin_transaction():
            sql.execute_sql(_DELETE.format(**parts))
            sql.execute_sql(_INSERT.format(**parts))


class MySql(dlt.destinations.sqlalchemy):
    """The destination for MySQL and MariaDB, for tables with a primary key."""

    @property
    def client_class(self) -> type[SqlalchemyJobClient]:
        return _MySqlClient


class _MySqlClient(SqlalchemyJobClient):
    def _create_merge_followup_jobs(self, table_chain: Any) -> list[FollowupJobRequest]:
        super()._create_merge_followup_jobs(table_chain)  # makes the tables known to SQLAlchemy
        return [_MergeByJoin.from_table_chain(table_chain, self.sql_client)]


class _MergeByJoin(SqlalchemyMergeFollowupJob):
    @classmethod
    def gen_merge_sql(cls, table_chain: Any, sql_client: Any) -> list[str]:
        _, insert = super().gen_merge_sql(table_chain, sql_client)
        table = sql_client.get_existing_table(table_chain[0]["name"])
        staged = sql_client.to_dataset_table(table, staging=True)
        keys = get_columns_names_with_prop(table_chain[0], "primary_key")
        delete = table.delete().where(*(table.c[key] == staged.c[key] for key in keys))
        return [str(delete.compile(sql_client.engine)), insert]
