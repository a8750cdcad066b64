"""What a sweep shows against what the warehouse knows: new, changed, gone and returned images, as rows to write."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any, Literal, Protocol, get_args

import pyarrow as pa

from connector.images.records import HASH_DEFINITION, Record, Rejected, hash_of_row, json_text, reject_id
from connector.tables import API_COLUMNS, IMAGE_SCANS, IMAGES, REJECTED_VALUES, Table, plain_rows

ABSENT = -(1 << 62)  # a time that is null, in an array of instants
UNWRITTEN = -1  # the image has no row in this run
PREFIX = f"{HASH_DEFINITION}:"  # of row hashes that compare with those of this release
BATCH = 10_000  # rows of a stored table that are Python objects at a time
ROOM = 1_000  # new images for which room is made at once, and items that are parsed at once

TWICE = "listed twice in one answer, with other contents"

Kind = Literal["new", "changed", "unchanged", "returned", "gone"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_scan_values = itemgetter(*(API_COLUMNS.index(c.name) for c in IMAGE_SCANS.columns if c.name in API_COLUMNS))


class Rows(Protocol):
    """Where rows go: `add` returns a row's number in its table, `drop` takes a row back. A row of `images` is one of
    `image_history` too."""

    def add(self, table: Table, row: tuple[Any, ...]) -> int: ...

    def drop(self, table: Table, number: int) -> None: ...


class Known:
    """The account's images in the warehouse as columns, and a slot for each image that this run adds.

    `table` has image_id, row_hash, version, first_seen_at, deleted_at and scan_time (`inventory.Inventory.known`), and
    these columns stay as they are; `seen`, `shown`, `shown_scan`, `image_row` and `scan_row` are of this run. The one
    index by id of a run: about 250 bytes an image.
    """

    def __init__(self, table: pa.Table) -> None:
        self.slots: dict[str, int] = {}
        self.hash, self.shown = array("Q"), array("Q")
        self.version, self.first_seen_at, self.deleted_at, self.scan_time = (array("q") for _ in range(4))
        self.outdated: list[str] = []
        for batch in table.to_batches(max_chunksize=BATCH):
            self._read(batch)
        self.count = self._used = len(self.hash)
        self.seen = bytearray(self.count)
        self.shown.frombytes(bytes(8 * self.count))
        self.shown_scan = array("q", [ABSENT]) * self.count
        self.image_row, self.scan_row = (array("q", [UNWRITTEN]) * self.count for _ in range(2))

    def _read(self, batch: pa.RecordBatch) -> None:
        ids: list[Any] = batch["image_id"].to_pylist()
        hashes: list[Any] = batch["row_hash"].to_pylist()
        versions: list[Any] = batch["version"].to_pylist()
        self.slots.update(zip(ids, range(len(self.hash), len(self.hash) + len(ids)), strict=True))
        self.hash.extend(_short(text) if text.startswith(PREFIX) else 0 for text in hashes)
        self.version.extend(versions)
        for name in ("first_seen_at", "deleted_at", "scan_time"):
            getattr(self, name).extend(batch[name].cast(pa.int64()).fill_null(ABSENT).to_pylist())
        self.outdated += [i for i, text in zip(ids, hashes, strict=True) if not text.startswith(PREFIX)]

    def slot(self, image_id: str, observed_at: int) -> int:
        """The image's place in the columns, made for one that is new."""
        slot = self.slots.get(image_id)
        if slot is None:
            slot = self.slots[image_id] = self._used
            self._used += 1
            if slot == len(self.seen):
                self._grow(observed_at)
        return slot

    def _grow(self, observed_at: int) -> None:
        """Makes room for images that are new in this run."""
        self.seen.extend(bytes(ROOM))
        self.first_seen_at.extend([observed_at] * ROOM)
        for numbers in (self.hash, self.shown, self.version):
            numbers.frombytes(bytes(8 * ROOM))
        for instants in (self.deleted_at, self.scan_time, self.shown_scan):
            instants.extend([ABSENT] * ROOM)
        for rows in (self.image_row, self.scan_row):
            rows.extend([UNWRITTEN] * ROOM)

    def kind(self, slot: int) -> Kind:
        """What an image is that this run has shown."""
        if slot >= self.count:
            return "new"
        if self.deleted_at[slot] != ABSENT:
            return "returned"
        return "unchanged" if self.hash[slot] == self.shown[slot] else "changed"

    def live(self) -> int:
        """Images that the warehouse holds as not deleted."""
        return sum(self.deleted_at[slot] == ABSENT for slot in range(self.count))

    def missing(self) -> list[str]:
        """Those among them that this run has not shown."""
        return [i for i, slot in self.slots.items() if not self.seen[slot] and self.deleted_at[slot] == ABSENT]

    def missing_unscanned(self) -> list[str]:
        """Those among the missing that had no ScanTime when they were loaded."""
        return [image_id for image_id in self.missing() if self.scan_time[self.slots[image_id]] == ABSENT]


class Diff:
    """Takes what a sweep shows, one answer after the other, and writes the rows that the warehouse lacks to `rows`.

    `parse` makes records of items, `observed_at` is the instant of the run, `rejected_ids` gives the rejected values
    that the warehouse has. An image that is shown again with other contents takes the place of its first row, and one
    that is again as the warehouse has it is not written. `kinds` counts images, `rejected` holds the ids of values,
    and `missed` counts images with a ScanTime in `audited` (after, up to) that is not the one in the warehouse.
    """

    def __init__(
        self,
        known: Known,
        rows: Rows,
        *,
        parse: Callable[[Sequence[Any]], list[Record | Rejected]],
        account_id: str,
        sync_id: str,
        observed_at: int,
        rejected_ids: Callable[[], set[str]] = set,
        audited: tuple[int, int] | None = None,
    ) -> None:
        self.known, self._rows, self._parse = known, rows, parse
        self._account_id, self._sync_id, self._observed_at = account_id, sync_id, observed_at
        self._load_rejected_ids, self._audited = rejected_ids, audited
        self._stored_rejects: set[str] | None = None
        self._twins: set[tuple[str, str]] = set()
        self._earlier_scans: dict[tuple[int, int], int] = {}
        self.kinds: Counter[Kind] = Counter()
        self.missed = 0
        self.newest_scan: int | None = None
        self.unknown_fields: set[str] = set()
        self.rejected: set[str] = set()

    @property
    def listed(self) -> int:
        """Distinct images that were shown."""
        return self.kinds.total() - self.kinds["gone"]

    def absorb(self, items: Sequence[Any], request_id: str | None) -> None:
        """The items of one answer."""
        in_answer: dict[str, str] = {}
        for start in range(0, len(items), ROOM):  # a look-up's answers come as one, of any length
            part = items[start : start + ROOM]
            records = self._parse(part)
            # Where no image is shown twice, and none ever had a twin, none has one here: a shortcut, as that is usual.
            alone = len(items) <= ROOM and not self._twins and len({r.image_id for r in records}) == len(records)
            for item, record in zip(part, records, strict=True):
                if isinstance(record, Rejected):
                    self._reject(record, request_id)
                elif not alone and self._is_twin(record, in_answer):
                    self._reject(Rejected(record.image_id, "image_id", json_text(item), TWICE), request_id)
                else:
                    self._take(record, request_id)

    def seen(self) -> Iterator[str]:
        """Ids that some answer has shown, those at the end of the index first."""
        return (i for i, slot in reversed(self.known.slots.items()) if self.known.seen[slot])

    def close_gone(self, stored: pa.Table) -> None:
        """Marks images as gone; `stored` holds their rows in `images`, whole."""
        for row in plain_rows(stored):
            values = tuple(row[name] for name in API_COLUMNS)
            self._write(self.known.slots[row["image_id"]], row["image_id"], values, row["row_hash"], self._observed_at)
            self.kinds["gone"] += 1

    def forget(self) -> None:
        """Frees the index of images. What was counted stays; nothing more can be absorbed."""
        del self.known

    def live_after(self) -> int:
        """Images that are live in the warehouse once the rows are loaded."""
        return self.known.live() + self.kinds["new"] + self.kinds["returned"] - self.kinds["gone"]

    def rehash(self, stored: pa.Table) -> None:
        """Gives images whose hash has an older definition the hash of the present one, so that they compare."""
        for row in plain_rows(stored):
            self.known.hash[self.known.slots[row["image_id"]]] = _short(hash_of_row(row))

    # One image.

    def _is_twin(self, record: Record, in_answer: dict[str, str]) -> bool:
        """Whether it is the second of two rows that differ; once it was, it is in every other answer too."""
        twin = (record.image_id, record.row_hash)
        if twin not in self._twins:
            if in_answer.setdefault(*twin) == record.row_hash:
                return False
            self._twins.add(twin)
        return True

    def _take(self, record: Record, request_id: str | None) -> None:
        known, short, scan_time = self.known, _short(record.row_hash), record.scan_time
        slot = known.slot(record.image_id, self._observed_at)
        if record.unknown or record.rejected:
            self._note_odd(record, request_id)
        if scan_time is not None:
            self._note_scan(slot, scan_time)
        if known.seen[slot]:
            if known.shown[slot] == short:
                return
            self.kinds[known.kind(slot)] -= 1
        known.seen[slot], known.shown[slot] = 1, short
        kind = known.kind(slot)
        self.kinds[kind] += 1
        if kind == "unchanged":
            self._retract(slot)
        else:
            self._write(slot, record.image_id, record.values, record.row_hash, None)
        if scan_time is not None:
            self._write_scan(slot, record, scan_time, correct_only=kind == "unchanged")

    def _note_odd(self, record: Record, request_id: str | None) -> None:
        self.unknown_fields.update(record.unknown)
        for rejected in record.rejected:
            self._reject(rejected, request_id)

    def _note_scan(self, slot: int, scan_time: int) -> None:
        """What counts even where nothing is written; an image is audited when it is first shown."""
        if scan_time <= self._observed_at and (self.newest_scan is None or scan_time > self.newest_scan):
            self.newest_scan = scan_time
        if self._audited is not None and not self.known.seen[slot]:
            after, up_to = self._audited
            self.missed += after < scan_time <= up_to and self.known.scan_time[slot] != scan_time

    def _write(self, slot: int, image_id: str, values: tuple[Any, ...], row_hash: str, deleted_at: int | None) -> None:
        self._retract(slot)
        known, observed = self.known, self._observed_at
        times = (known.version[slot] + 1, known.first_seen_at[slot], observed, deleted_at)
        row = (self._account_id, image_id, *values, *times, row_hash, self._sync_id)
        known.image_row[slot] = self._rows.add(IMAGES, row)

    def _retract(self, slot: int) -> None:
        """Takes the image's row of this run back."""
        if (number := self.known.image_row[slot]) != UNWRITTEN:
            self._rows.drop(IMAGES, number)
            self.known.image_row[slot] = UNWRITTEN

    def _write_scan(self, slot: int, record: Record, scan_time: int, *, correct_only: bool) -> None:
        """The image's scan, in place of what this run wrote of the same one; `correct_only`: if it wrote any."""
        known = self.known
        if known.shown_scan[slot] != scan_time:
            written = self._earlier_scans.pop((slot, scan_time), UNWRITTEN)
        else:
            written = known.scan_row[slot]
        if written != UNWRITTEN:
            self._rows.drop(IMAGE_SCANS, written)
        elif correct_only:
            return
        if known.shown_scan[slot] not in (ABSENT, scan_time):
            self._earlier_scans[slot, known.shown_scan[slot]] = known.scan_row[slot]
        row = (self._account_id, record.image_id, *_scan_values(record.values), self._observed_at, self._sync_id)
        known.shown_scan[slot], known.scan_row[slot] = scan_time, self._rows.add(IMAGE_SCANS, row)

    def _reject(self, rejected: Rejected, request_id: str | None) -> None:
        key = reject_id(rejected)
        if key in self.rejected:
            return
        self.rejected.add(key)
        if self._stored_rejects is None:
            self._stored_rejects = self._load_rejected_ids()
        if key not in self._stored_rejects:
            row = (self._account_id, key, *rejected, request_id, self._observed_at, self._sync_id)
            self._rows.add(REJECTED_VALUES, row)


def _short(row_hash: str) -> int:
    """The first 64 bits of a row hash: enough to tell two states of one image apart."""
    return int(row_hash[len(PREFIX) : len(PREFIX) + 16] or "0", 16)
