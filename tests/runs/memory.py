"""Simulates a warehouse in memory, and runs of one account into it that can die between packages."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from connector.api.answers import Answer
from connector.errors import from_code
from connector.images.records import ItemParser
from connector.listing.query import Fetch
from connector.listing.remote import RemoteList
from connector.runs.assembly import ACTION, instants
from connector.runs.identity import Identity
from connector.runs.observation import Observation
from connector.runs.policy import Policy
from connector.runs.row import Sent, SyncRun, run_row
from connector.runs.spool import Spool
from connector.sandbox import ApiError, LocalServer
from connector.tables import IMAGE_HISTORY, IMAGE_SCANS, IMAGES, REJECTED_VALUES, SYNC_RUNS, TABLES, Row, Table

ACCOUNT = "100012345678"
PACKAGES = ((IMAGE_HISTORY, IMAGE_SCANS, REJECTED_VALUES), (IMAGES,), (SYNC_RUNS,))
KNOWN = (
    *("image_id", "row_hash", "version", "first_seen_at", "deleted_at", "scan_time", "missing_since", "scan_status"),
    "sync_id",
)
ZONE = timezone(timedelta(hours=8))

Key = tuple[Any, ...]


def plain(table: pa.Table) -> list[Row]:
    """Return rows as dicts, instants as microseconds."""
    columns = [c.cast(pa.int64()) if pa.types.is_timestamp(c.type) else c for c in table.columns]
    return pa.table(columns, names=table.column_names).to_pylist()


def as_arrow(table: Table, rows: Iterable[Row], names: Sequence[str] | None = None) -> pa.Table:
    """Return rows in the schema of the table, in all or some of its columns."""
    whole = table.arrow([[row.get(name) for name in table.column_names] for row in rows])
    return whole if names is None else whole.select(list(names))


class Warehouse:
    """Holds the tables of one account by key: what the observation reads (`observation.Held`), and merges of files."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[Key, Row]] = {table.name: {} for table in TABLES}

    def __getitem__(self, table: Table) -> list[Row]:
        return list(self.tables[table.name].values())

    def image(self, image_id: str) -> Row:
        return self.tables[IMAGES.name][ACCOUNT, image_id]

    def versions(self, image_id: str) -> list[Row]:
        """Return the image's valid versions: those up to `images.version`."""
        last = self.image(image_id)["version"]
        found = [row for row in self[IMAGE_HISTORY] if row["image_id"] == image_id and row["version"] <= last]
        return sorted(found, key=lambda row: row["version"])

    def lose(self, count: int) -> list[str]:
        """Delete so many rows of `images`, those with the highest ids, and return the ids."""
        lost = sorted(self.tables[IMAGES.name])[-count:] if count else []
        for key in lost:
            del self.tables[IMAGES.name][key]
        return [image_id for _, image_id in lost]

    def merge(self, table: Table, path: Path | None) -> None:
        """Delete the keys of the file and insert its rows; a file has each key once, and the schema of the table."""
        if path is None:
            return
        with pq.ParquetFile(path) as file:
            read = file.read()
        assert read.schema.equals(table.arrow_schema), table.name
        rows = plain(read)
        keyed = {tuple(row[name] for name in table.key): row for row in rows}
        assert len(keyed) == len(rows), f"a key occurs twice in the file of {table.name}"
        self.tables[table.name].update(keyed)

    # Queries of the observation.

    def known(self) -> pa.Table:
        return as_arrow(IMAGES, self[IMAGES], KNOWN)

    def rows(self, image_ids: Sequence[str]) -> pa.Table:
        wanted = set(image_ids)
        return as_arrow(IMAGES, [row for row in self[IMAGES] if row["image_id"] in wanted])

    def runs(self, names: Sequence[str]) -> list[Row]:
        rows = sorted(self[SYNC_RUNS], key=lambda row: row["started_at"], reverse=True)
        return [{name: row[name] for name in names} for row in rows]

    def rejected_ids(self, reject_ids: Sequence[str]) -> set[str]:
        return {row["reject_id"] for row in self[REJECTED_VALUES]} & {*reject_ids}

    def loaded(self, packages: Sequence[str]) -> set[str]:
        return {*packages}

    def has_history(self) -> bool:
        return bool(self[IMAGE_HISTORY])

    def history(self, image_ids: Sequence[str]) -> pa.Table:
        wanted = set(image_ids)
        return as_arrow(IMAGE_HISTORY, [row for row in self[IMAGE_HISTORY] if row["image_id"] in wanted])


def fetching(server: LocalServer) -> Fetch:
    """Return a function that calls a server, with its errors as the client raises them."""

    def fetch(payload: dict[str, Any]) -> Answer:
        try:
            response = server.call(ACTION, payload)
        except ApiError as error:
            raise from_code(error.code, error.message, action=ACTION) from error
        return Answer(response, response["RequestId"])

    return fetch


@dataclass
class Runs:
    """Makes runs of one account against a server, one after the other, with pages of `limit` rows."""

    server: LocalServer
    limit: int = 10
    in_flight: int = 1
    parser: ItemParser = field(default_factory=ItemParser)
    warehouse: Warehouse = field(default_factory=Warehouse)
    number: int = 0

    def run(self, policy: Policy | None = None, *, packages: int = len(PACKAGES), now: int | None = None) -> SyncRun:
        """Make a run whose process dies after so many committed packages, and return its row of `sync_runs`.

        The run starts at the fleet's present instant; changes during the run are at least a millisecond later.
        """
        fleet = self.server.fleet
        started_at = fleet.now if now is None else now
        fleet.now = max(fleet.now, started_at) + 1000
        self.number += 1
        with tempfile.TemporaryDirectory() as directory:
            observation = self.observation(Spool(Path(directory)), started_at, policy or Policy())
            for _ in observation.observe():
                pass
            row = run_row(observation, started_at + 500, Sent())
            observation.spool.add(SYNC_RUNS, tuple(row.values()))
            for tables in PACKAGES[:packages]:
                for table in tables:
                    self.warehouse.merge(table, observation.spool.finish(table))
        return row

    def observation(self, spool: Spool, started_at: int, policy: Policy) -> Observation:
        """Return the observation of a new run."""
        remote = RemoteList(fetching(self.server), partial(instants, ZONE), in_flight=self.in_flight, limit=self.limit)
        identity = Identity(ACCOUNT, f"run-{self.number}", started_at)
        return Observation(identity, policy, self.warehouse, remote, self.parser.read, spool)


def typed(items: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    """Return a fleet's truth as the values of the API's columns, by image id."""
    records = ItemParser().parse([*items.values()])
    return {image_id: record.values for image_id, record in zip(items, records, strict=True)}  # type: ignore[union-attr]
