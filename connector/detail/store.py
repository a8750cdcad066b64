"""Queries what the warehouse holds of an account's details, and commits more: facts, findings, and last the markers."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from connector.images.records import Rejected, reject_id
from connector.runs.identity import Identity
from connector.runs.spool import Spool
from connector.tables import IMAGES, REJECTED_VALUES, Row, Table, plain_rows
from connector.warehouse.inventory import Inventory
from connector.warehouse.loading import Loader
from connector.warehouse.locks import StillHeld


class Holdings(ABC):
    """Queries what the warehouse holds of one account, and adds a run's rows to a spool. Raises DestinationError."""

    in_order = True
    """Whether a package is committed before the next one is loaded. If not, a marker may arrive before its findings."""

    def __init__(self, inventory: Inventory, identity: Identity, spool: Spool) -> None:
        self._inventory, self._identity, self._spool = inventory, identity, spool
        self._known_faults: set[str] = set()

    def rows(self, table: Table, names: Sequence[str] = (), **equal: str) -> list[Row]:
        """Return columns (without names, all) of the account's rows with these values."""
        return list(plain_rows(self._inventory.of_account(table, self._identity.account_id, names, equal)))

    def rows_of(self, table: Table, image_ids: Sequence[str]) -> list[Row]:
        """Return the account's rows of these images."""
        return list(plain_rows(self._inventory.of_images(table, self._identity.account_id, image_ids)))

    def live_images(self, names: Sequence[str]) -> list[Row]:
        """Return columns of the account's images that are not gone."""
        found = plain_rows(self._inventory.of_account(IMAGES, self._identity.account_id, names, {}))
        return [row for row in found if row["deleted_at"] is None]

    def is_empty(self, table: Table) -> bool:
        """Return whether the table has no row of the account."""
        return not self._inventory.count(table, self._identity.account_id)

    def branch(self) -> Holdings:
        """Return holdings whose rows are committed by themselves, for another aspect; if nothing is committed here,
        these."""
        return self

    def add(self, table: Table, rows: Iterable[tuple[Any, ...]]) -> None:
        self._spool.add_all(table, list(rows))

    def append(self, table: Table, rows: pa.Table) -> None:
        """Add rows of findings, which are Arrow's already."""
        self._spool.append(table, rows)

    def reject(self, faults: Iterable[Rejected]) -> None:
        """Add the faults that the warehouse does not have."""
        new = {key: fault for fault in faults if (key := reject_id(fault)) not in self._known_faults}
        if not new:
            return
        known = self._inventory.rejected_ids(self._identity.account_id, list(new))
        self._known_faults |= new.keys()
        run = self._identity
        self.add(
            REJECTED_VALUES,
            (
                (run.account_id, key, *fault, None, run.started_at, run.sync_id)
                for key, fault in new.items()
                if key not in known
            ),
        )

    @abstractmethod
    def commit(self, *packages: tuple[Table, ...]) -> None:
        """Load what was added to these tables, one package after the other."""


class Store(Holdings):
    """Commits the details of one account to one warehouse.

    `commit` loads the rows in the order of its packages: a package is loaded after those before it are committed. What
    is added after a commit belongs to the next.
    """

    def __init__(
        self, inventory: Inventory, loader: Loader, identity: Identity, directory: Path, still_held: StillHeld
    ) -> None:
        self._loader, self._directory, self._still_held = loader, directory, still_held
        self._numbers = itertools.count(1)
        super().__init__(inventory, identity, self._new_spool())

    def branch(self) -> Store:
        return Store(self._inventory, self._loader, self._identity, self._new_directory(), self._still_held)

    def commit(self, *packages: tuple[Table, ...]) -> None:
        with self._loader.session():
            for tables in packages:
                files = {table.name: path for table in tables if (path := self._spool.finish(table)) is not None}
                self._still_held()
                self._loader.load(files)
        self._spool = self._new_spool()

    def _new_spool(self) -> Spool:
        return Spool(self._new_directory())

    def _new_directory(self) -> Path:
        directory = self._directory / f"details-{next(self._numbers)}"
        directory.mkdir()
        return directory
