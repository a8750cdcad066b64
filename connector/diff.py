"""What a sweep shows against what the warehouse knows: new, changed, gone and returned images, as rows to write."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import orjson
import pyarrow as pa

from connector.records import HASH_DEFINITION, Record, Rejected, hash_of_row, reject_id
from connector.tables import API_COLUMNS, IMAGE_HISTORY, IMAGE_SCANS, IMAGES, REJECTED_VALUES, Table

ABSENT = -(1 << 62)  # a time that is null, in an array of instants
UNWRITTEN = -1  # the image has no row in this run

TWICE = "listed twice in one answer, with other contents"

_SCAN_FIELDS = tuple(API_COLUMNS.index(c.name) for c in IMAGE_SCANS.columns if c.name in API_COLUMNS)


class Rows(Protocol):
    """Where rows go: `add` returns a row's number in its table, `drop` takes a row back."""

    def add(self, table: Table, row: tuple[Any, ...]) -> int: ...

    def drop(self, table: Table, number: int) -> None: ...


class Known:
    """The account's images in the warehouse as columns, and a slot for each image that this run adds.

    `table` has image_id, row_hash, version, first_seen_at, deleted_at and scan_time (`inventory.Inventory.known`). The
    one index by id of a run: about 200 bytes an image.
    """

    def __init__(self, table: pa.Table) -> None:
        self.slots: dict[str, int] = {image_id: slot for slot, image_id in enumerate(table["image_id"].to_pylist())}
        hashes = table["row_hash"].to_pylist()
        self.hash = array("Q", map(_short, hashes))
        self.version = array("q", table["version"].to_pylist())
        self.first_seen_at = _instants(table["first_seen_at"])
        self.deleted_at = _instants(table["deleted_at"])
        self.scan_time = _instants(table["scan_time"])
        self.seen = bytearray(len(self.hash))
        self.image_row = array("q", [UNWRITTEN]) * len(self.hash)
        self.scan_row = array("q", [UNWRITTEN]) * len(self.hash)
        self.count = len(self.hash)
        prefix = f"{HASH_DEFINITION}:"
        self.outdated = [i for i, text in zip(self.slots, hashes, strict=True) if not text.startswith(prefix)]

    def add(self, image_id: str, observed_at: int) -> int:
        slot = self.slots[image_id] = len(self.hash)
        self.hash.append(0)
        self.version.append(0)
        for column, value in ((self.first_seen_at, observed_at), (self.deleted_at, ABSENT), (self.scan_time, ABSENT)):
            column.append(value)
        self.seen.append(0)
        self.image_row.append(UNWRITTEN)
        self.scan_row.append(UNWRITTEN)
        return slot

    def is_live(self, slot: int) -> bool:
        return slot < self.count and self.deleted_at[slot] == ABSENT

    def live(self) -> int:
        return sum(1 for value in self.deleted_at[: self.count] if value == ABSENT)


class Diff:
    """Takes what a sweep shows, one answer after the other, and writes the rows that the warehouse lacks to `rows`.

    An image that is shown again with other contents takes the place of its first row. `observed_at` is the instant of
    the run. Counters: `new`, `changed`, `unchanged`, `gone`, `returned`, `rejected`, `missed` (images whose
    ScanTime lies within `audited` (after, up to), and is not the one that the warehouse has).
    """

    def __init__(
        self,
        known: Known,
        rows: Rows,
        *,
        account_id: str,
        sync_id: str,
        observed_at: int,
        audited: tuple[int, int] | None = None,
    ) -> None:
        self.known, self._rows = known, rows
        self._account_id, self._sync_id, self._observed_at, self._audited = account_id, sync_id, observed_at, audited
        self.new = self.changed = self.unchanged = self.gone = self.returned = self.missed = self.listed = 0
        self.newest_scan: int | None = None
        self.unknown_fields: set[str] = set()
        self.rejected: dict[str, tuple[Any, ...]] = {}

    def absorb(self, records: Iterable[Record | Rejected], request_id: str | None) -> None:
        """The items of one answer."""
        in_answer: dict[str, str] = {}
        for record in records:
            if isinstance(record, Rejected):
                self._reject(record, request_id)
            elif in_answer.setdefault(record.image_id, record.row_hash) != record.row_hash:
                self._reject(Rejected(record.image_id, "image_id", _as_json(record), TWICE), request_id)
            else:
                self._take(record, request_id)

    def missing(self) -> list[str]:
        """Images that the warehouse holds as live and that no answer has shown."""
        known = self.known
        return [
            i for i, slot in known.slots.items() if slot < known.count and not known.seen[slot] and known.is_live(slot)
        ]

    def seen(self) -> Iterator[str]:
        """Ids that some answer has shown, those at the end of the index first."""
        return (i for i in reversed(self.known.slots) if self.known.seen[self.known.slots[i]])

    def close_gone(self, stored: pa.Table) -> None:
        """Marks images as gone; `stored` holds their rows in `images`, whole."""
        for row in _plain_rows(stored):
            known, slot = self.known, self.known.slots[row["image_id"]]
            version = known.version[slot] + 1
            values = tuple(row[name] for name in API_COLUMNS)
            self._write(slot, row["image_id"], values, version, row["row_hash"], deleted_at=self._observed_at)
            self.gone += 1

    def live_after(self) -> int:
        """Images that are live in the warehouse once the rows are loaded."""
        return self.known.live() + self.new + self.returned - self.gone

    def rehash(self, stored: pa.Table) -> None:
        """Gives images whose hash has an older definition the hash of the present one, so that they compare."""
        for row in _plain_rows(stored):
            self.known.hash[self.known.slots[row["image_id"]]] = _short(hash_of_row(row))

    # One image.

    def _take(self, record: Record, request_id: str | None) -> None:
        known = self.known
        slot = known.slots.get(record.image_id)
        if slot is None:
            slot = known.add(record.image_id, self._observed_at)
        self.unknown_fields.update(record.unknown)
        for rejected in record.rejected:
            self._reject(rejected, request_id)
        scan_time, short = record.scan_time, _short(record.row_hash)
        if scan_time is not None and scan_time <= self._observed_at and scan_time > (self.newest_scan or ABSENT):
            self.newest_scan = scan_time
        if known.seen[slot]:
            if known.hash[slot] == short:
                return
        else:
            known.seen[slot] = 1
            self.listed += 1
            self._classify(slot, short, scan_time)
            if slot < known.count and known.hash[slot] == short and known.is_live(slot):
                return
        known.hash[slot] = short
        version = known.version[slot] + 1
        self._write(slot, record.image_id, record.values, version, record.row_hash, deleted_at=None)
        if scan_time is not None:
            self._write_scan(slot, record, scan_time)

    def _classify(self, slot: int, short: int, scan_time: int | None) -> None:
        known = self.known
        if slot >= known.count:
            self.new += 1
        elif not known.is_live(slot):
            self.returned += 1
        elif known.hash[slot] != short:
            self.changed += 1
        else:
            self.unchanged += 1
        if scan_time is not None and self._audited is not None:
            after, up_to = self._audited
            self.missed += after < scan_time <= up_to and known.scan_time[slot] != scan_time

    def _write(
        self, slot: int, image_id: str, values: tuple[Any, ...], version: int, row_hash: str, *, deleted_at: int | None
    ) -> None:
        head, observed = (self._account_id, image_id, *values), self._observed_at
        tail = (deleted_at, row_hash, self._sync_id)
        if (number := self.known.image_row[slot]) != UNWRITTEN:
            self._rows.drop(IMAGES, number)
            self._rows.drop(IMAGE_HISTORY, number)
        self._rows.add(IMAGE_HISTORY, (*head, version, observed, *tail))
        first_seen = self.known.first_seen_at[slot]
        self.known.image_row[slot] = self._rows.add(IMAGES, (*head, version, first_seen, observed, *tail))

    def _write_scan(self, slot: int, record: Record, scan_time: int) -> None:
        values = (record.values[index] for index in _SCAN_FIELDS)
        row = (self._account_id, record.image_id, *values, self._observed_at, self._sync_id)
        if (number := self.known.scan_row[slot]) != UNWRITTEN and self.known.scan_time[slot] == scan_time:
            self._rows.drop(IMAGE_SCANS, number)
        self.known.scan_row[slot] = self._rows.add(IMAGE_SCANS, row)
        self.known.scan_time[slot] = scan_time

    def _reject(self, rejected: Rejected, request_id: str | None) -> None:
        key = reject_id(rejected)
        values = (rejected.image_id, rejected.column_name, rejected.raw, rejected.reason, request_id)
        self.rejected.setdefault(key, (self._account_id, key, *values, self._observed_at, self._sync_id))

    def write_rejected(self, known_ids: set[str]) -> None:
        """Writes the rejected values that the warehouse does not have yet."""
        for key, row in self.rejected.items():
            if key not in known_ids:
                self._rows.add(REJECTED_VALUES, row)


def _short(row_hash: str) -> int:
    """The first 64 bits of a row hash: enough to tell two states of one image apart."""
    return int(row_hash.partition(":")[2][:16] or "0", 16)


def _instants(column: pa.ChunkedArray) -> array[int]:
    return array("q", column.cast(pa.int64()).fill_null(ABSENT).to_pylist())


def _plain_rows(table: pa.Table) -> Sequence[Mapping[str, Any]]:
    """Rows as the diff writes them: instants as microseconds."""
    plain = pa.table(
        [c.cast(pa.int64()) if pa.types.is_timestamp(c.type) else c for c in table.columns], names=table.column_names
    )
    return plain.to_pylist()


def _as_json(record: Record) -> str:
    return orjson.dumps(dict(zip(API_COLUMNS, record.values, strict=True))).decode()
