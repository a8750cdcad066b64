"""Makes `tcss()`: the account's images as a dlt source of six resources, and more for details."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Unpack, cast

import dlt
import duckdb
from dlt.common.configuration.specs import BaseConfiguration
from dlt.extract import DltResource
from dlt.extract.source import DltSource

from connector.errors import DestinationError
from connector.settings import Given, Settings
from connector.source.extraction import Extractions
from connector.source.selection import with_companions
from connector.tables import LOADED_TABLES, NAMED_ACCOUNTS, TABLES, Table
from connector.warehouse.inventory import inventory_of, location_of
from connector.warehouse.pipeline import SCHEMA
from connector.warehouse.views import publish

if not hasattr(duckdb.DuckDBPyConnection, "fetch_arrow_table"):
    # DuckDB 2 calls the method to_arrow_table; dlt 1.31 and ibis 12 use its former name.
    cast(Any, duckdb.DuckDBPyConnection).fetch_arrow_table = duckdb.DuckDBPyConnection.to_arrow_table

MERGE: Any = {"disposition": "merge", "strategy": "delete-insert"}


class TcssSource(DltSource):
    """A dlt source: no subset of its resources loses rows silently."""

    @property
    def schema(self) -> dlt.Schema:
        """The source's own copy of the schema: dagster-dlt empties the columns of a schema that it shares with dlt."""
        return self._schema

    @schema.setter
    def schema(self, value: dlt.Schema) -> None:
        self._schema = value.clone()

    def with_resources(self, *resource_names: str) -> TcssSource:
        """Return a clone with these resources and their companions: `images` and `image_history` need each other, the
        tables of details need each other, and all need `sync_runs`. The run is `partial`, and its row names the tables
        that are left out."""
        return cast(TcssSource, super().with_resources(*with_companions(resource_names)))

    def clone(self, with_name: str | None = None) -> TcssSource:
        """Return a copy of the source, its schema and its resources."""
        schema = self.schema.clone(with_name=cast(str, with_name))
        return TcssSource(schema, self.section, list(self.resources.values()))


@dlt.source(name=SCHEMA, section=SCHEMA, spec=BaseConfiguration, _impl_cls=TcssSource)
def tcss(account: str | None = None, **given: Unpack[Given]) -> Any:
    """Return the resources `images`, `image_history`, `image_scans`, `rejected_values` and `sync_runs` of an account,
    and `named_accounts` with the account's name.

    The sweep starts when the first resource is extracted, and compares with what the running pipeline's destination
    holds: the first run is a full load, later runs are incremental by ScanTime (`mode` auto). `account` is the name of
    a configured account. `given` are fields of `Settings`: `credentials`, `mode`, `filters`, `lookback`, `full_every`,
    `initial_scan_time` and others. Durations are in seconds; settings that are not given are looked up
    (`Settings.load`). With `detail`, such as `["vulnerabilities", "running"]`, each table of details is a resource
    too: details are read after the sweep, for at most `detail_patience` seconds per aspect.

    Raises ConfigurationError here, and the API's errors while the pipeline extracts. `sync` adds what a bare pipeline
    cannot give: the order of the tables' commits, a lock, a fresh working directory. See docs/pipeline.md.
    """
    settings = Settings.load(account, **given)
    extractions = Extractions(settings)
    tables = (*(LOADED_TABLES if settings.detail else TABLES), NAMED_ACCOUNTS)
    return [_resource(table, extractions) for table in tables]


def make_views(pipeline: dlt.Pipeline) -> None:
    """Make the views, and the descriptions of tables and columns, where a pipeline has loaded `tcss()`.

    Raises DestinationError, also if a table does not exist yet.
    """
    location = location_of(pipeline)
    inventory = inventory_of(pipeline)
    inventory.verify()
    if missing := inventory.missing():
        raise DestinationError(
            f"{location.dataset} has no {missing[0]}", hint="Run the pipeline with all resources of tcss() first."
        )
    publish(location, pipeline, anew=True)


def _resource(table: Table, extractions: Extractions) -> DltResource:
    def batches() -> Iterator[Any]:
        yield from extractions.batches(table)

    return dlt.resource(
        batches,
        name=table.name,
        columns=cast(Any, table.dlt_columns()),
        primary_key=list(table.key),
        write_disposition=MERGE,
        schema_contract={"data_type": "freeze"},
    )
