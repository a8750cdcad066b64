"""`tcss()`: the account's images as a dlt source of five resources, for a pipeline of the user's own."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Iterator
from typing import Any, Unpack, cast

import dlt
import pyarrow.parquet as pq
from dlt.extract.source import DltSource

from connector.runs.assembly import account_of, client_of, image_list, parser_of, policy_of, sent
from connector.runs.identity import Identity
from connector.runs.observation import Observation
from connector.runs.row import run_row
from connector.runs.spool import BATCH, Spool
from connector.settings import Given, Settings
from connector.tables import SYNC_RUNS, TABLES, Table
from connector.warehouse import workdirs
from connector.warehouse.backends import Backend
from connector.warehouse.inventory import AccountInventory, Inventory
from connector.warehouse.locations import Location
from connector.warehouse.pipeline import SCHEMA

MERGE: Any = {"disposition": "merge", "strategy": "delete-insert"}


def tcss(account: str | None = None, **given: Unpack[Given]) -> DltSource:
    """The resources `images`, `image_history`, `image_scans`, `rejected_values` and `sync_runs` of one account.

    The sweep starts when the first resource is extracted, and compares with what the running pipeline's destination
    holds: the first run is a full load, later ones are incremental by ScanTime (`mode` auto). `account` is the name of
    a configured account. `given` are fields of `Settings`: `credentials`, `mode`, `filters`, `lookback`, `full_every`,
    `initial_scan_time` and others. Durations are in seconds, and what is not given is looked up (`Settings.load`).

    Raises ConfigurationError here, and the API's errors while the pipeline extracts. What a bare pipeline cannot give
    (order of the tables' commits, lock, fresh working directory) `sync` adds.
    """
    harvest = _Harvest(Settings.load(account, **given))
    resources = [
        dlt.resource(
            harvest.batches(table),
            name=table.name,
            columns=cast(Any, table.dlt_columns()),
            primary_key=list(table.key),
            write_disposition=MERGE,
            schema_contract={"data_type": "freeze"},
        )
        for table in TABLES
    ]
    return DltSource(dlt.Schema(SCHEMA), SCHEMA, resources)


class _Harvest:
    """One run, made when its first rows are asked for, and kept in files until the pipeline has taken them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._spool: Spool | None = None

    def batches(self, table: Table) -> Iterator[Any]:
        yield dlt.mark.materialize_table_schema()
        spool = self._spool = self._spool or self._swept()
        path = spool.finish(table)
        if path is not None:
            with pq.ParquetFile(path) as file:
                yield from file.iter_batches(BATCH)

    def _swept(self) -> Spool:
        directory = workdirs.make()
        weakref.finalize(self, shutil.rmtree, directory, ignore_errors=True)
        spool, settings = Spool(directory), self._settings
        with client_of(settings) as client:
            account_id = account_of(settings, client)
            held = AccountInventory(_inventory_of(dlt.current.pipeline()), account_id)
            observation = Observation(
                Identity.new(account_id, client.now()),
                policy_of(settings),
                held,
                image_list(settings, client),
                parser_of(settings).parse,
                spool,
            )
            client.refuse_answers(observation.history.request_ids)
            for _ in observation.observe():
                pass
            spool.add(SYNC_RUNS, tuple(run_row(observation, client.now(), sent(client)).values()))
        return spool


def _inventory_of(pipeline: dlt.Pipeline) -> Inventory:
    """What the destination of a user's own pipeline holds, wherever that is."""
    if SCHEMA not in pipeline.schemas:  # it never ran, and its SQL client wants a schema
        pipeline.schemas.save_schema(dlt.Schema(SCHEMA))
    name = str(pipeline.destination.destination_name)
    return Inventory(Location(Backend("other", name, name), str(pipeline.dataset_name), name), pipeline)
