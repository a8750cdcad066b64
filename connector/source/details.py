"""The details of a run whose rows become resources: they are in one load package, with the images of the same run.

dlt commits the tables of a package in any order, so a marker (`image_reads`) may arrive before its findings do, and for
good where the package is dropped halfway. Therefore a marker counts as settled only where it is all that its set has to
write: a set whose findings have changed is read once more in a later run, and compared with what has arrived.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from connector.detail.run import Details
from connector.detail.store import Holdings
from connector.runs.identity import Identity
from connector.runs.spool import Spool
from connector.settings import Settings
from connector.tables import IMAGES, VULNERABILITIES, Row, Table, plain_rows
from connector.warehouse.inventory import Inventory

if TYPE_CHECKING:
    from connector.api.client import Client


def read_details(
    settings: Settings, client: Client, identity: Identity, inventory: Inventory | None, spool: Spool
) -> None:
    """Adds the details to the spool, which has all images of the run. `inventory` None stands for an empty warehouse.

    What the API refuses ends an aspect, with its verdict in `detail_runs`, and not the run.
    """
    Details(settings, client, identity, PackageHoldings(inventory, identity, spool)).execute()


class PackageHoldings(Holdings):
    """What the warehouse will hold once the package of this run is loaded: the images of the run count as loaded."""

    in_order = False

    def __init__(self, inventory: Inventory | None, identity: Identity, spool: Spool) -> None:
        super().__init__(inventory or _Nothing(), identity, spool)
        self._facts: dict[str, int] = {}

    def live_images(self, names: Sequence[str]) -> list[Row]:
        stored = self._inventory.of_account(IMAGES, self._identity.account_id, names)
        images = {row["image_id"]: row for row in plain_rows(stored)}
        path = self._spool.finish(IMAGES)
        if path is not None:
            images |= {row["image_id"]: row for row in plain_rows(pq.read_table(path, columns=list(names)))}
        return [row for row in images.values() if row["deleted_at"] is None]

    def add(self, table: Table, rows: Iterable[tuple[Any, ...]]) -> None:
        """A package has each key once: of the facts, which grow while sets are read, the last row stays."""
        for row in rows:
            number = self._spool.add(table, row)
            if table is VULNERABILITIES:
                before = self._facts.get(row[_VUL_ID])
                if before is not None:
                    self._spool.drop(table, before)
                self._facts[row[_VUL_ID]] = number

    def commit(self, *packages: tuple[Table, ...]) -> None:
        """Nothing: dlt loads the rows when all are extracted."""


_VUL_ID = VULNERABILITIES.column_names.index("vul_id")


class _Nothing(Inventory):
    """An empty warehouse."""

    def __init__(self) -> None:
        """Of no place."""

    def of_account(self, table: Table, _: str, names: Sequence[str] = (), *__: Any) -> pa.Table:
        return table.arrow_schema.empty_table().select(list(names or table.column_names))

    def of_images(self, table: Table, *_: Any) -> pa.Table:
        return table.arrow_schema.empty_table()

    def count(self, *_: Any) -> int:
        return 0

    def rejected_ids(self, *_: Any) -> set[str]:
        return set()
