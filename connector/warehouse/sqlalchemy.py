"""Changes dlt's destination `sqlalchemy`: column types that keep whole values, and a merge that is fast in MySQL.

Imported only for a warehouse that needs this module: with the dialects of MySQL and Oracle, the import takes 5 % of the
start of a command.

MySQL deletes by a join with the staged rows, which uses the index. For dlt's DELETE ... WHERE EXISTS, MariaDB 10.11
reads every row of the table, so a merge of a few rows would cost more with every version that is kept.
"""

from pathlib import Path
from typing import Any

import dlt
from dlt.common.destination.client import FollowupJobRequest, LoadJob
from dlt.common.destination.typing import PreparedTableSchema
from dlt.common.schema.typing import TColumnSchema
from dlt.common.schema.utils import get_columns_names_with_prop
from dlt.destinations.impl.sqlalchemy.load_jobs import SqlalchemyMergeFollowupJob, SqlalchemyParquetInsertJob
from dlt.destinations.impl.sqlalchemy.sqlalchemy_job_client import SqlalchemyJobClient
from dlt.destinations.impl.sqlalchemy.type_mapper import MysqlVariantTypeMapper, SqlalchemyTypeMapper
from sqlalchemy.dialects.mysql import LONGTEXT
from sqlalchemy.dialects.oracle import TIMESTAMP
from sqlalchemy.engine import URL
from sqlalchemy.types import TypeEngine

from connector.warehouse.engines import connecting
from connector.warehouse.guards import Guarded, GuardedClient


def over_sqlalchemy(url: URL | None, **options: Any) -> Any:
    """Return the destination for the database of a URL; None: dlt's configuration has the URL. `options` are dlt's."""
    backend = url.get_backend_name() if url else ""
    if mapper := _TYPE_MAPPERS.get(backend):
        options["type_mapper"] = mapper
    if url is None or backend != "mysql":
        return dlt.destinations.sqlalchemy(destination_name="sqlalchemy", **options)
    return MySql(destination_name="sqlalchemy", engine_kwargs=connecting(url, {}), **options)


class LongTexts(MysqlVariantTypeMapper):
    """Makes texts LONGTEXT, which costs two bytes more per row, because MySQL's TEXT ends at 64 KB."""

    def db_type_from_text_type(self, column: TColumnSchema, table: PreparedTableSchema) -> TypeEngine[Any]:
        return super().db_type_from_text_type(column, table) if column.get("precision") else LONGTEXT()


class FineTimes(SqlalchemyTypeMapper):
    """Makes times finer than seconds in Oracle, whose DATE, dlt's choice, ends at seconds."""

    def db_type_from_timestamp_type(self, *_: object) -> TypeEngine[Any]:
        return TIMESTAMP(timezone=True)


# By the first part of the URL: the databases in which dlt's types would lose a part of a value.
_TYPE_MAPPERS: dict[str, type[SqlalchemyTypeMapper]] = {"mysql": LongTexts, "oracle": FineTimes}


class MySql(Guarded, dlt.destinations.sqlalchemy):
    """The destination for MySQL and MariaDB, for tables with a primary key."""

    @property
    def client_class(self) -> type[SqlalchemyJobClient]:
        return _MySqlClient


class _MySqlClient(GuardedClient, SqlalchemyJobClient):
    def create_load_job(self, table: Any, file_path: str, load_id: str, restore: bool = False) -> LoadJob:
        """Load through PyMySQL, whose connections have our settings, even if ADBC has a driver for MySQL."""
        if file_path.endswith(".parquet"):
            return SqlalchemyParquetInsertJob(file_path, self._to_table_object(table))
        return super().create_load_job(table, file_path, load_id, restore)

    def _create_merge_followup_jobs(self, table_chain: Any) -> list[FollowupJobRequest]:
        for job in super()._create_merge_followup_jobs(table_chain):  # which makes the tables known to SQLAlchemy
            Path(job.new_file_path()).unlink()  # its SQL, in the directory for temporary files
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
