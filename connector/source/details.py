"""Reads the details of a run as rows of resources, in the same load package as the images of the run.

dlt commits the tables of a package in any order. So a marker (`image_reads`) may arrive before its findings, and the
findings may never arrive if the package is dropped halfway. Therefore a marker is settled only if its set has nothing
else to write. A set whose findings have changed is read again in a later run, and compared with the warehouse.
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
from connector.tables import IMAGE_READS, IMAGES, VULNERABILITIES, Row, Table, plain_rows
from connector.warehouse.inventory import Inventory

if TYPE_CHECKING:
    from connector.api.client import Client


def read_details(
    settings: Settings, client: Client, identity: Identity, inventory: Inventory | None, spool: Spool
) -> None:
    """Add the details to the spool, which has all images of the run. `inventory` None stands for an empty warehouse.

    If the API refuses an aspect, the aspect ends with its verdict in `detail_runs`, and the run goes on.
    """
    Details(settings, client, identity, PackageHoldings(inventory, identity, spool)).execute()


class PackageHoldings(Holdings):
    """Says what the warehouse will hold once the package of this run is loaded: the run's images count as loaded."""

    in_order = False

    def __init__(self, inventory: Inventory | None, identity: Identity, spool: Spool) -> None:
        super().__init__(inventory or _Nothing(), identity, spool)
        self._last: dict[tuple[Any, ...], int] = {}

    def live_images(self, names: Sequence[str]) -> list[Row]:
        stored = self._inventory.of_account(IMAGES, self._identity.account_id, names)
        images = {row["image_id"]: row for row in plain_rows(stored)}
        path = self._spool.finish(IMAGES)
        if path is not None:
            images |= {row["image_id"]: row for row in plain_rows(pq.read_table(path, columns=list(names)))}
        return [row for row in images.values() if row["deleted_at"] is None]

    def add(self, table: Table, rows: Iterable[tuple[Any, ...]]) -> None:
        """Add rows, each key once: facts are added again as they grow, and markers of sets that are lost as the sets
        are read; of these the last row stays."""
        if table not in (VULNERABILITIES, IMAGE_READS):
            super().add(table, rows)
            return
        places = [table.column_names.index(name) for name in table.key]
        for row in rows:
            key = (table.name, *(row[place] for place in places))
            if key in self._last:
                self._spool.drop(table, self._last[key])
            self._last[key] = self._spool.add(table, row)

    def commit(self, *packages: tuple[Table, ...]) -> None:
        """Do nothing: dlt loads the rows after the extraction."""


class _Nothing(Inventory):
    """Stands for an empty warehouse."""

    def __init__(self) -> None:
        """Create an inventory without a warehouse."""

    def of_account(self, table: Table, _: str, names: Sequence[str] = (), *__: Any) -> pa.Table:
        return table.arrow_schema.empty_table().select(list(names or table.column_names))

    def of_images(self, table: Table, *_: Any) -> pa.Table:
        return table.arrow_schema.empty_table()

    def count(self, *_: Any) -> int:
        return 0

    def rejected_ids(self, *_: Any) -> set[str]:
        return set()
