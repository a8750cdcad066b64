"""`tcss()`: the account's images as a dlt source of five resources, for a pipeline of the user's own."""

from __future__ import annotations

import shutil
import tempfile
import time
import uuid
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import dlt
import pyarrow.parquet as pq
from dlt.extract.source import DltSource

from connector.runs.observation import Memory, Observation
from connector.runs.spool import BATCH, Spool
from connector.settings import Settings, TcssCredentials
from connector.tables import SYNC_RUNS, TABLES, Row, Table
from connector.warehouse.backends import Backend
from connector.warehouse.inventory import AccountInventory, Inventory
from connector.warehouse.locations import Location
from connector.warehouse.pipeline import SCHEMA

if TYPE_CHECKING:
    from connector.api.client import Client

Progress = Callable[[int, int | None], None]
MERGE: Any = {"disposition": "merge", "strategy": "delete-insert"}


def tcss(
    *,
    credentials: TcssCredentials | None = None,
    mode: str | None = None,
    filters: dict[str, Any] | None = None,
    lookback: int | None = None,
    full_every: int | None = None,
    initial_scan_time: str | None = None,
    **settings: Any,
) -> DltSource:
    """The resources `images`, `image_history`, `image_scans`, `rejected_values` and `sync_runs` of one account.

    The sweep starts when the first resource is extracted, and compares with what the running pipeline's destination
    holds: the first run is a full load, later ones are incremental by ScanTime (`mode` auto). Durations are in seconds;
    `settings` are the other fields of `Settings`, and what is not given is taken from `[sources.tcss]`.

    Raises ConfigurationError here, and the API's errors while the pipeline extracts. What a bare pipeline cannot give
    (order of the tables' commits, lock, fresh working directory) `sync` adds.
    """
    loaded = Settings.load(
        credentials=credentials,
        mode=mode,
        filters=filters,
        lookback=lookback,
        full_every=full_every,
        initial_scan_time=initial_scan_time,
        **settings,
    )
    harvest = _Harvest(loaded)

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
        spool = self._spool = self._spool or self._run()
        path = spool.finish(table)
        if path is not None:
            with pq.ParquetFile(path) as file:
                yield from file.iter_batches(BATCH)

    def _run(self) -> Spool:
        directory = tempfile.mkdtemp(prefix="tcss_")
        weakref.finalize(self, shutil.rmtree, directory, ignore_errors=True)
        spool = Spool(Path(directory))
        with self._settings.client() as client:
            account_id = self._settings.account_id or client.account_id()
            held = AccountInventory(_inventory_of(dlt.current.pipeline()), account_id)
            observation = observe(self._settings, client, held, spool, account_id, sync_id=new_sync_id())
            observation.run()
            spool.add(SYNC_RUNS, tuple(run_row(observation, client).values()))
        return spool


def _inventory_of(pipeline: dlt.Pipeline) -> Inventory:
    """Reads through a pipeline of the user's own, wherever it loads to."""
    if SCHEMA not in pipeline.schemas:  # it never ran, and its SQL client wants a schema
        pipeline.schemas.save_schema(dlt.Schema(SCHEMA))
    name = str(pipeline.destination.destination_name)
    return Inventory(Location(Backend("other", name, name), str(pipeline.dataset_name), name), pipeline)


def observe(
    settings: Settings,
    client: Client,
    memory: Memory,
    spool: Spool,
    account_id: str,
    *,
    sync_id: str,
    progress: Progress | None = None,
) -> Observation:
    """The run to be made, started now."""
    return Observation(
        settings.reading(client),
        memory,
        spool,
        account_id=account_id,
        sync_id=sync_id,
        started_at=_now(),
        clock=_now,
        policy=settings.policy(),
        parser=settings.parser(),
        **({"progress": progress} if progress else {}),
    )


def run_row(observation: Observation, client: Client) -> Row:
    """The run's row in `sync_runs`, as far as it has come."""
    from connector import __version__

    stats = client.stats
    facts = {
        "requests": stats.requests,
        "throttled": stats.throttled,
        "retries": stats.retries,
        "first_request_id": stats.first_request_id,
        "last_request_id": stats.last_request_id,
        "endpoint": client.host,
        "connector_version": __version__,
    }
    return observation.row(_now(), facts)


def new_sync_id() -> str:
    return uuid.uuid4().hex


def _now() -> int:
    return time.time_ns() // 1000
