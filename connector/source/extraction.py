"""Makes one run for each extraction of a source, when its first rows are asked for, and keeps the rows in files."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack, closing, nullcontext
from threading import Lock
from typing import Any

import dlt
import pyarrow as pa
import pyarrow.parquet as pq
from dlt.common.configuration.container import Container
from dlt.common.configuration.resolve import resolve_configuration
from dlt.common.normalizers.utils import generate_dlt_ids
from dlt.common.storages.exceptions import CurrentLoadPackageStateNotAvailable
from dlt.common.storages.load_package import load_package_state
from dlt.extract.source import DltSource, SourceInjectableContext
from dlt.normalize.configuration import ItemsNormalizerConfiguration

from connector.runs.assembly import account_of, client_of, image_list, parser_of, policy_of, sent
from connector.runs.identity import Identity
from connector.runs.naming import spool_name
from connector.runs.observation import Observation
from connector.runs.row import run_row
from connector.runs.spool import BATCH, Spool
from connector.settings import Settings
from connector.source.details import read_details
from connector.source.mysql import ready_mysql
from connector.source.selection import Selection
from connector.source.target import check_target, follow_run
from connector.tables import IMAGE_HISTORY, IMAGES, LOADED_TABLES, NAMED_ACCOUNTS, SYNC_RUNS, TABLES, Row, Table
from connector.warehouse import workdirs
from connector.warehouse.inventory import AccountInventory, Inventory, inventory_of


class Extractions:
    """Makes the runs of one source and of its clones. A source that is extracted again makes another run."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._runs: dict[int, Future[Spool]] = {}
        self._lock = Lock()

    def batches(self, table: Table) -> Iterator[pa.RecordBatch | pa.Table]:
        """Yield the table's rows; where there are none, an empty table, so that dlt creates the table."""
        path = self._run().finish(table)
        names = _columns_of_dlt(table)
        if path is None:
            yield _with_columns(names, table.arrow_schema.empty_table())
            return
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH):
                yield _with_columns(names, batch)

    def _run(self) -> Spool:
        """Return the spool of this extraction's run, made by the first of its resources; they may be in threads."""
        extraction = Container()[SourceInjectableContext]
        with self._lock:
            run = self._runs.get(id(extraction))
            is_first = run is None
            if run is None:
                run = self._runs[id(extraction)] = Future()
                weakref.finalize(extraction, self._runs.pop, id(extraction), None)
        if is_first:
            try:
                selection = Selection.of(extraction.source)
                run.set_result(_swept(self._settings, selection, _inventory(extraction.source)))
            except BaseException as error:
                run.set_exception(error)
        return run.result()


def _swept(settings: Settings, selection: Selection, inventory: Inventory | None) -> Spool:
    stack = ExitStack()
    spool = Spool(stack.enter_context(workdirs.workdir()))
    weakref.finalize(spool, stack.close)
    with client_of(settings) as client:
        account_id, package = account_of(settings, client), _load_id()
        identity = Identity.new(account_id, client.now(), settings.account_name(), package=package)
        tables = (*(LOADED_TABLES if selection.details else TABLES), NAMED_ACCOUNTS)
        with inventory.session() if inventory else nullcontext():
            held = AccountInventory(inventory, identity.account_id, tables) if inventory else _Nothing()
            observation = Observation(
                identity,
                policy_of(settings),
                held,
                image_list(settings, client),
                parser_of(settings).read,
                spool,
            )
            spool_name(spool, identity, held)
        client.refuse_answers(observation.history.request_ids)
        with closing(observation.observe()) as progress:
            for _ in progress:
                if selection.images is not None and spool.count(IMAGES) >= selection.images:
                    observation.settle()
                    break
        observation.judgement.leave_out(selection.causes())
        spool.add(SYNC_RUNS, tuple(run_row(observation, client.now(), sent(client)).values()))
        if selection.details:
            read_details(settings, client, identity, inventory, spool)
    for table in tables:
        spool.finish(table)  # here, since their readers may be in threads
    return spool


def _inventory(source: DltSource) -> Inventory | None:
    """Return what the destination holds when the load begins. None: nothing, because of a `refresh` or no pipeline.

    Raises ConfigurationError if the pipeline's destination or settings would lose rows, and DestinationError if its
    staging dataset has rows to lose.
    """
    try:
        state: Mapping[str, Any] = load_package_state()["state"]
    except CurrentLoadPackageStateNotAvailable:  # the source is read without a pipeline
        return None
    pipeline = dlt.current.pipeline()
    check_target(pipeline, source)
    follow_run(pipeline)
    inventory = inventory_of(pipeline, source.schema.name)
    ready_mysql(pipeline, source)
    inventory.verify_staging()
    return None if state.get("refresh") else inventory


class _Nothing:
    """Stands for an empty warehouse."""

    def known(self) -> pa.Table:
        return IMAGES.arrow_schema.empty_table()

    def rows(self, _: Any) -> pa.Table:
        return IMAGES.arrow_schema.empty_table()

    def runs(self, _: Any) -> list[Row]:
        return []

    def name(self) -> None:
        return None

    def rejected_ids(self, _: Any) -> set[str]:
        return set()

    def loaded(self, _: Any) -> set[str]:
        return set()

    def has_history(self) -> bool:
        return False

    def history(self, _: Any) -> pa.Table:
        return IMAGE_HISTORY.arrow_schema.empty_table()


def _columns_of_dlt(table: Table) -> list[str]:
    """Return dlt's own columns that the table has and that its rows lack: they are never null where dlt created the
    table empty. The normalizer adds `_dlt_id` itself if it is told to, and would add a second one."""
    schema = dlt.current.source_schema()
    present = schema.tables.get(schema.naming.normalize_table_identifier(table.name), {}).get("columns", {})
    names = [name for name in ("_dlt_load_id", "_dlt_id") if schema.naming.normalize_identifier(name) in present]
    if "_dlt_id" in names:
        sections = ("normalize", "parquet_normalizer")
        if resolve_configuration(ItemsNormalizerConfiguration(), sections=sections).add_dlt_id:
            names.remove("_dlt_id")
    return names


def _with_columns(names: list[str], batch: Any) -> Any:
    for name in names:
        ids = generate_dlt_ids(len(batch)) if name == "_dlt_id" else [_load_id()] * len(batch)
        batch = batch.append_column(pa.field(name, pa.string(), nullable=False), pa.array(ids, pa.string()))
    return batch


def _load_id() -> str | None:
    try:
        return str(load_package_state()["load_id"])
    except CurrentLoadPackageStateNotAvailable:  # the source is read without a pipeline
        return None
