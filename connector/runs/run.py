"""One run of one account against one warehouse: what is known, the sweep, and its rows in packages."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from connector.api.client import Client
from connector.errors import DestinationError, TcssError
from connector.runs.observation import Memory, Observation
from connector.runs.spool import Spool
from connector.settings import Settings
from connector.source import new_sync_id, observe, run_row
from connector.tables import IMAGE_HISTORY, IMAGE_SCANS, IMAGES, REJECTED_VALUES, SYNC_RUNS, Row, Table
from connector.warehouse.inventory import AccountInventory, Inventory
from connector.warehouse.loading import Loader
from connector.warehouse.locations import Location
from connector.warehouse.locks import StillHeld
from connector.warehouse.pipeline import open_pipeline
from connector.warehouse.views import publish

if TYPE_CHECKING:
    from connector.sync import Progress

log = logging.getLogger(__name__)

PACKAGES = ((IMAGE_HISTORY, IMAGE_SCANS, REJECTED_VALUES), (IMAGES,), (SYNC_RUNS,))
"""Each is loaded after the one before is committed: nothing counts as known before its history is written."""


class Run:
    """A run that holds the lock, and writes nothing once it does not."""

    def __init__(
        self,
        settings: Settings,
        location: Location,
        client: Client,
        account_id: str,
        workdir: Path,
        still_held: StillHeld,
    ) -> None:
        self._settings, self._location, self._client = settings, location, client
        self._still_held = still_held
        self._account_id, self._spool = account_id, Spool(workdir)
        self._sync_id = new_sync_id()
        self._prepared = False
        self._pipeline = open_pipeline(location, account_id, workdir / "dlt", run=self._sync_id)
        self._loader = Loader(location, self._pipeline)

    def run(self, progress: Progress | None) -> Row:
        def report(shown: int, total: int | None) -> None:
            if observation.pages > 1:  # then others are on their way
                self._prepare()
            if progress is not None:
                progress(shown, total, self._client.stats)

        memory = self._memory()
        observation = observe(
            self._settings, self._client, memory, self._spool, self._account_id, sync_id=self._sync_id, progress=report
        )
        try:
            observation.run()
        except TcssError as error:
            if observation.pages and not isinstance(error, DestinationError):
                error.run = self._failed(observation, error)
            raise
        self._prepare()
        pa.default_memory_pool().release_unused()  # DuckDB has a pool of its own
        with self._loader.session():
            for tables in PACKAGES[:2]:
                self._load(tables)
            return self._finish(observation)

    def clean_up(self) -> None:
        """Removes the staging dataset where it is the run's own, because the warehouse has no lock."""
        if self._prepared and not self._location.has_lock:
            try:
                self._loader.drop_staging()
            except DestinationError as error:
                log.warning("the run's staging dataset is left behind: %s", error)

    def _prepare(self) -> None:
        """Once, after the first page: until then, the warehouse is not touched."""
        if self._prepared:
            return
        self._prepared = True
        self._still_held()
        with _requests_first(), self._loader.session():
            self._loader.prepare()
            self._publish()

    def _memory(self) -> Memory:
        memory = AccountInventory(Inventory(self._location, self._pipeline), self._account_id)
        if not memory.runs() and (others := memory.other_accounts()):
            log.warning(
                "account %s is new to this warehouse, which holds %s: the same images under two ids would count twice",
                self._account_id,
                ", ".join(others),
            )
        return memory

    def _load(self, tables: tuple[Table, ...]) -> None:
        files = {table.name: path for table in tables if (path := self._spool.finish(table)) is not None}
        self._still_held()
        self._loader.load(files)

    def _finish(self, observation: Observation) -> Row:
        row = run_row(observation, self._client)
        self._spool.add(SYNC_RUNS, tuple(row.values()))
        self._load((SYNC_RUNS,))
        return row

    def _publish(self) -> None:
        """Views are no part of what a sync promises: where they fail, the rows are there all the same."""
        try:
            publish(self._location, self._pipeline)
        except DestinationError as error:
            log.warning("the views are not up to date; `tcss views` makes them: %s", error)

    def _failed(self, observation: Observation, error: TcssError) -> Row | None:
        """Writes the row of a run that the API ended after its first page; nothing else is loaded."""
        observation.fail(str(error))
        try:
            self._prepare()
            return self._finish(observation)
        except DestinationError as second:
            log.warning("the failed run could not be recorded: %s", second)
            return None


@contextmanager
def _requests_first() -> Iterator[None]:
    """Lets a thread whose request is due have its turn after 0.5 ms: in Python's 5 ms, a few times each, requests bunch
    and the API refuses some."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)
