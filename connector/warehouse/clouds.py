"""Changes how dlt merges in clouds, so that nobody finds a merge half done: a DELETE without its INSERT.

dlt writes a merge `delete-insert` as two statements, and asks `SqlLoadJob.maybe_transaction` (in
`dlt/destinations/job_client_impl.py`) whether they get a transaction. SQL in which the letters CREATE, ALTER or DROP
stand anywhere counts as DDL, and so does a merge that names the column `create_time`. DDL gets a transaction if the
destination has `supports_ddl_transactions`, all other SQL if it has `supports_transactions`. Without our changes:

| destination | DDL | other SQL | merges without a transaction |
|---|---|---|---|
| motherduck, mssql, redshift, snowflake | yes | not said | tables without `create_time`, such as `image_scans` |
| bigquery, databricks | no | not said | all |
| clickhouse | no | no | all |

So the first are told that they support transactions. BigQuery and Databricks merge by one MERGE (dlt's strategy
`upsert`), which is atomic there. A transaction would not do: BigQuery cancels one of two that change the same table, as
the syncs of two accounts do. ClickHouse has neither; what a killed merge leaves there is repaired by `runs.recall`.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import dlt
from dlt.common.destination import Destination

TRANSACTIONAL = ("motherduck", "mssql", "redshift", "snowflake")
"""Destinations whose transactions dlt would use for a part of the merges only."""


class MergeOnce:
    """Lets a merge job of dlt take each key once. dlt's `upsert` takes staged rows as they are, and a file whose commit
    nobody saw may be staged twice: MERGE would fail at these rows, or insert them twice."""

    @classmethod
    def gen_upsert_merge_sql(
        cls, table: str, staged: str, keys: Sequence[str], columns: Sequence[str], *rest: Any, **options: Any
    ) -> list[str]:
        """Write the MERGE from the rows of `staged` with distinct keys."""
        job: Any = super()
        once = job.gen_select_from_dedup_sql(staged, keys, columns)
        written: list[str] = job.gen_upsert_merge_sql(table, f"({once})", keys, columns, *rest, **options)
        return written


class BigQuery(dlt.destinations.bigquery):
    """The destination for BigQuery, with `MergeOnce`."""

    @property
    def client_class(self) -> Any:
        from dlt.destinations.impl.bigquery.bigquery import BigQueryClient, BigQueryMergeJob

        return _merging_once(BigQueryClient, BigQueryMergeJob)


class Databricks(dlt.destinations.databricks):
    """The destination for Databricks, with `MergeOnce`."""

    @property
    def client_class(self) -> Any:
        from dlt.destinations.impl.databricks.databricks import DatabricksClient, DatabricksMergeJob

        return _merging_once(DatabricksClient, DatabricksMergeJob)


MERGING: Mapping[str, Any] = {"bigquery": BigQuery, "databricks": Databricks}
"""Destinations that merge by one MERGE, by their name."""


def over_cloud(name: str, **options: Any) -> Any:
    """Return dlt's destination of that name, with the changes above; `options` are dlt's."""
    if name in TRANSACTIONAL:
        options["supports_transactions"] = True
    if name in MERGING:
        return MERGING[name](destination_name=name, **options)
    if name == "redshift":
        from connector.warehouse.redshift import Redshift

        return Redshift(destination_name=name, **options)
    return Destination.from_reference(name, **options)


@cache
def _merging_once(client: Any, job: Any) -> Any:
    once = type(f"Once{job.__name__}", (MergeOnce, job), {})

    def jobs(self: Any, table_chain: Any) -> list[Any]:
        return [once.from_table_chain(table_chain, self.sql_client)]  # type: ignore[attr-defined]

    return type(f"Once{client.__name__}", (client,), {"_create_merge_followup_jobs": jobs})
