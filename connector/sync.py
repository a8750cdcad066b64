"""One run of one account, from keys to committed tables: what `tcss sync` and the orchestrators call."""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connector.calls import CallStats
from connector.client import Client
from connector.destinations import Warehouse
from connector.errors import DestinationError, TcssError
from connector.inventory import Inventory
from connector.locks import StillHeld
from connector.observation import Memory, Observation, Row
from connector.settings import Settings
from connector.source import AccountMemory, new_sync_id, observe, run_row
from connector.spool import Spool
from connector.tables import IMAGE_HISTORY, IMAGE_SCANS, IMAGES, REJECTED_VALUES, SYNC_RUNS, Table

if TYPE_CHECKING:
    import dlt

log = logging.getLogger(__name__)

PACKAGES = ((IMAGE_HISTORY, IMAGE_SCANS, REJECTED_VALUES), (IMAGES,), (SYNC_RUNS,))
"""Each is loaded after the one before is committed: nothing counts as known before its history is written."""

Progress = Callable[[int, int | None, CallStats], None]

_PREFIX = "tcss_sync_"
_STALE = 86_400  # seconds after which a working directory was left by a process that was killed


def sync(*, settings: Settings | None = None, progress: Progress | None = None, **given: Any) -> Row:
    """Brings the warehouse up to date with one account, and returns the run's row in `sync_runs`.

    `given` are fields of `Settings`, such as `destination`; what is not given is taken from `[sources.tcss]`.
    `progress` gets (images shown so far, TotalCount, the client's counters) after each page.

    Raises ConfigurationError, AccessError, UnavailableError, LockedError or DestinationError; the error's `run` is the
    row, if one was written.
    """
    settings = settings or Settings.load(**given)
    warehouse = Warehouse.open(settings.destination, settings.dataset)
    with settings.client() as client:
        account_id = settings.account_id or client.account_id()
        with warehouse.lock(account_id) as still_held, _workdir() as workdir:
            warehouse.check()
            run = _Run(settings, warehouse, client, account_id, workdir, still_held)
            try:
                return run.run(progress)
            finally:
                run.clean_up()


class _Run:
    """A run that holds the lock, and writes nothing once it does not."""

    def __init__(
        self,
        settings: Settings,
        warehouse: Warehouse,
        client: Client,
        account_id: str,
        workdir: Path,
        still_held: StillHeld,
    ) -> None:
        self._settings, self._warehouse, self._client = settings, warehouse, client
        self._still_held = still_held
        self._account_id, self._spool = account_id, Spool(workdir)
        self._sync_id = new_sync_id()
        self._prepared = False
        self._pipeline: dlt.Pipeline = warehouse.pipeline(account_id, workdir / "dlt", run=self._sync_id)

    def run(self, progress: Progress | None) -> Row:
        def report(shown: int, total: int | None) -> None:
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
        with self._warehouse.session(self._pipeline):
            self._prepare()
            for tables in PACKAGES[:2]:
                self._load(tables)
            row = self._finish(observation)
            self._publish()
        return row

    def clean_up(self) -> None:
        """Removes the staging dataset where it is the run's own, because the warehouse has no lock."""
        if self._prepared and not self._warehouse.has_lock:
            try:
                self._warehouse.drop_staging(self._pipeline)
            except DestinationError as error:
                log.warning("the run's staging dataset is left behind: %s", error)

    def _prepare(self) -> None:
        self._prepared = True
        self._warehouse.prepare(self._pipeline)

    def _memory(self) -> Memory:
        memory = AccountMemory(Inventory(self._warehouse, self._pipeline), self._account_id)
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
        self._warehouse.load(self._pipeline, files)

    def _finish(self, observation: Observation) -> Row:
        row = run_row(observation, self._client)
        self._spool.add(SYNC_RUNS, tuple(row.values()))
        self._load((SYNC_RUNS,))
        return row

    def _publish(self) -> None:
        """Views are no part of what a sync promises: where they fail, the rows are there all the same."""
        try:
            self._warehouse.publish(self._pipeline)
        except DestinationError as error:
            log.warning("the rows are loaded, and the views are not up to date; `tcss views` makes them: %s", error)

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
def _workdir() -> Iterator[Path]:
    """A new directory, removed afterwards; what killed runs left more than a day ago goes too."""
    root = Path(tempfile.gettempdir())
    for left in root.glob(f"{_PREFIX}*"):
        try:
            if time.time() - left.stat().st_mtime > _STALE:
                shutil.rmtree(left, ignore_errors=True)
        except OSError:
            continue
    directory = Path(tempfile.mkdtemp(prefix=_PREFIX))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
