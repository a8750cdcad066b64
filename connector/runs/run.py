"""Makes one run of one account into one warehouse, in steps: sweep, prepare tables beside the sweep, load, record."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pyarrow as pa

from connector import texts
from connector.api.client import Client
from connector.errors import DestinationError, TcssError
from connector.runs.assembly import image_list, parser_of, policy_of, sent
from connector.runs.beside import REQUESTS_FIRST, Beside
from connector.runs.identity import Identity
from connector.runs.naming import spool_name
from connector.runs.observation import Observation
from connector.runs.progress import Report
from connector.runs.row import SyncRun, run_row
from connector.runs.spool import Spool
from connector.settings import Settings
from connector.tables import (
    IMAGE_HISTORY,
    IMAGE_SCANS,
    IMAGES,
    NAMED_ACCOUNTS,
    POSTURE_CHANGES,
    REJECTED_VALUES,
    SYNC_RUNS,
    TABLES,
    Table,
)
from connector.warehouse.counting import Posture
from connector.warehouse.inventory import AccountInventory, Inventory
from connector.warehouse.loading import Loader
from connector.warehouse.locations import Location
from connector.warehouse.locks import StillHeld
from connector.warehouse.pipeline import open_pipeline
from connector.warehouse.roundtrip import round_trip
from connector.warehouse.views import publish

log = texts.logger(__name__)

PACKAGES = ((IMAGE_HISTORY, IMAGE_SCANS, REJECTED_VALUES), (IMAGES,), (SYNC_RUNS, NAMED_ACCOUNTS))
"""The packages in order. Each waits for the commit of the package before, so that an image's history is written before
its row of `images` makes the image known."""


class Run:
    """Makes a run under the account's lock, and stops writing if the lock is lost. `tables` are the tables that the
    dataset gets. What comes after the images uses `loader`, `inventory` and `still_held`."""

    def __init__(
        self,
        settings: Settings,
        client: Client,
        identity: Identity,
        location: Location,
        workdir: Path,
        still_held: StillHeld,
        tables: Sequence[Table] = TABLES,
    ) -> None:
        self._client, self._location, self.still_held = client, location, still_held
        self.identity, self._workdir = identity, workdir
        self._spool = Spool(workdir)
        tables = (*tables, NAMED_ACCOUNTS, *((POSTURE_CHANGES,) if location.has_lock else ()))
        self._pipeline = open_pipeline(
            location, identity.account_id, workdir / "dlt", run=identity.sync_id, tables=tables
        )
        self.loader = Loader(location, self._pipeline, still_held)
        self._posture = Posture(location, self._pipeline, identity.account_id) if location.has_lock else None
        self._preparation = Beside(self._prepare)
        self.inventory = Inventory(location, self._pipeline, self._preparation.wait)
        images, parser = image_list(settings, client), parser_of(settings)
        with self.inventory.session():
            held = _held(self.inventory, identity, tables)
            self._is_new = held.is_new
            self._observation = Observation(identity, policy_of(settings), held, images, parser.read, self._spool)
            spool_name(self._spool, identity, held)
        client.refuse_answers(self._observation.history.request_ids)

    def execute(self, report: Report | None = None) -> SyncRun:
        """Make the run, from its first request to its row. Raises the errors of the API and the warehouse."""
        try:
            self._sweep(report)
        except TcssError as error:
            if self._observation.pages and not isinstance(error, DestinationError):
                error.run = self._record_failure(error)
            raise
        self._preparation.end()
        pa.default_memory_pool().release_unused()  # DuckDB has a pool of its own
        with self.loader.session():
            if self._posture is not None:
                self._posture.expect(self._observation.diff.oldest_version)
            self._require_images(self._observation.diff.held)
            for tables in PACKAGES[:2]:
                self._load(tables)
            self._require_images(self._observation.diff.held_after(), own=self._spool.versions())
            row = self._record()
            self._count()
            return row

    def _sweep(self, report: Report | None) -> None:
        with closing(self._observation.observe()) as progress:  # end the requests too after an error here
            for shown, total in progress:
                if report is not None:
                    report(shown, total, self._client.stats)
                self._preparation.begin()

    def _prepare(self) -> None:
        """Prepare the tables, after the first page: until then, the warehouse is not touched."""
        self.still_held()
        with REQUESTS_FIRST:
            self._prove_texts()
            with self.loader.session():
                self.loader.prepare()
                self._publish()

    def _prove_texts(self) -> None:
        """Test that texts come back unchanged: once in a dataset's life, and in another dataset than the rows."""
        if self._is_new:
            round_trip(self._location, self.identity.account_id, self._workdir)

    def _publish(self) -> None:
        """Make the views. A sync does not promise views: where they fail, the rows are loaded all the same."""
        try:
            publish(self._location, self._pipeline)
        except DestinationError as error:
            log.warning("the views are not up to date; `tcss views` makes them: %s", error)

    def _require_images(self, rows: int, own: int = 0) -> None:
        """Raise DestinationError if `images` has fewer rows of the account, or fewer of this run than its `own`.

        A run writes what differs from the rows that it has read. So a run is not complete where somebody has moved the
        warehouse or deleted rows since, or where another load has taken rows away. A destination without a lock is not
        asked, because it may count late.
        """
        if not self._location.has_lock:
            return
        account_id, sync_id = self.identity.account_id, self.identity.sync_id
        with self.inventory.session():
            for expected, whose in ((rows, None), (own, sync_id)):
                found = self.inventory.count(IMAGES, account_id, whose) if expected else 0
                if found < expected:
                    raise DestinationError(
                        f"images of {self._location} has {found:,} rows of account {account_id}"
                        f"{' and this run' if whose else ''}, and not {expected:,}: somebody has moved the warehouse, "
                        "deleted rows, or loaded beside this sync",
                        hint="Run again: the next sync writes what is missing.",
                    )

    def _load(self, tables: tuple[Table, ...]) -> None:
        files = {table.name: path for table in tables if (path := self._spool.finish(table)) is not None}
        self.still_held()
        self.loader.load(files)

    def _record(self) -> SyncRun:
        """Write the run's row last, because the row promises what has been committed before."""
        row = run_row(self._observation, self._client.now(), sent(self._client))
        self._spool.add(SYNC_RUNS, tuple(row.values()))
        self._load(PACKAGES[2])
        return row

    def _count(self) -> None:
        """Count the new versions. Views are right without the count: where it fails, they only take longer."""
        try:
            self.still_held()
            if self._posture is not None:
                self._posture.count()
        except DestinationError as error:
            log.warning("the new versions are not counted yet, which the next sync makes up for: %s", error)

    def _record_failure(self, error: TcssError) -> SyncRun | None:
        """Write the row of a run that an API error ended after its first page; nothing else is loaded."""
        self._observation.judgement.fail(error)
        try:
            self._preparation.end()
            return self._record()
        except DestinationError as second:
            log.warning("the failed run could not be recorded: %s", second)
            return None

    def clean_up(self) -> None:
        """Wait until nothing is written any more. Remove the staging dataset if it is the run's own, as in a warehouse
        without a lock."""
        if self._preparation.wait() and not self._location.has_lock:
            try:
                self.loader.drop_staging()
            except DestinationError as error:
                log.warning("the run's staging dataset is left behind: %s", error)


def _held(inventory: Inventory, identity: Identity, tables: Sequence[Table]) -> AccountInventory:
    """Look at what the warehouse holds of the account. Warn if the account is new there, beside accounts that may be
    the same: for an account with a name, those whose newest run has this name; for an account without, all."""
    held = AccountInventory(inventory, identity.account_id, tables)
    if not held.runs(("sync_id",), 1) and (others := held.other_accounts(identity.account_name)):
        log.warning(
            "account %s is new to this warehouse, which holds %s%s: the same images under two ids would count twice",
            identity.account_id,
            ", ".join(texts.some_of(others)),
            f" by the name of {identity.account_name}" if identity.account_name else "",
        )
    return held
