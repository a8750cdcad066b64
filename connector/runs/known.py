"""Keeps the account's images in the warehouse as columns in memory: the only index by image id of a run."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

import pyarrow as pa

from connector.images.records import HASH_DEFINITION

ABSENT = -(1 << 62)  # a time that is null, in an array of instants
UNSCANNED_STATUSES = {"NOT_SCAN", "SCANNING", "SCAN_ERR"}  # the words of the status filter, as answers spell them
UNWRITTEN = -1  # the image has no row in this run
PREFIX = f"{HASH_DEFINITION}:"  # begins the row hashes that compare with those of this release
BATCH = 10_000  # rows of a stored table that are Python objects at a time
ROOM = 1_000  # new images for which room is made at once, and the most that are added at once

Kind = Literal["new", "changed", "unchanged", "returned", "gone"]


class Known:
    """The account's images in the warehouse as columns, and a slot for each image that this run adds.

    `table` has the columns `KNOWN` of `warehouse.inventory`, and these stay as they are; `seen`, `shown`, `state_scan`,
    `shown_scan`, `image_row` and `scan_row` are of this run. `state_scan` is the ScanTime of the state that is shown.
    The index takes about 270 bytes per image.
    """

    def __init__(self, table: pa.Table) -> None:
        self.slots: dict[str, int] = {}
        self.hash, self.shown = array("Q"), array("Q")
        self.version, self.first_seen_at, self.deleted_at = (array("q") for _ in range(3))
        self.scan_time, self.missing_since = array("q"), array("q")
        self.unscanned = bytearray()
        self.outdated: list[str] = []
        for batch in table.to_batches(max_chunksize=BATCH):
            self._take(batch)
        self.count = self._used = len(self.hash)
        self.seen = bytearray(self.count)
        self.shown.frombytes(bytes(8 * self.count))
        self.state_scan, self.shown_scan = (array("q", [ABSENT]) * self.count for _ in range(2))
        self.image_row, self.scan_row = (array("q", [UNWRITTEN]) * self.count for _ in range(2))

    def _take(self, batch: pa.RecordBatch) -> None:
        ids: list[Any] = batch["image_id"].to_pylist()
        hashes: list[Any] = batch["row_hash"].to_pylist()
        versions: list[Any] = batch["version"].to_pylist()
        self.slots.update(zip(ids, range(len(self.hash), len(self.hash) + len(ids)), strict=True))
        self.hash.extend(short_hash(text) if text.startswith(PREFIX) else 0 for text in hashes)
        self.version.extend(versions)
        for name in ("first_seen_at", "deleted_at", "scan_time", "missing_since"):
            getattr(self, name).extend(batch[name].cast(pa.int64()).fill_null(ABSENT).to_pylist())
        self.unscanned.extend(status in UNSCANNED_STATUSES for status in batch["scan_status"].to_pylist())
        self.outdated += [i for i, text in zip(ids, hashes, strict=True) if not text.startswith(PREFIX)]

    def slot(self, image_id: str, observed_at: int) -> int:
        """Return the image's place in the columns; make a place for a new image."""
        slot = self.slots.get(image_id)
        return self.add((image_id,), observed_at)[0] if slot is None else slot

    def add(self, image_ids: Sequence[str], observed_at: int) -> range:
        """Make places for new images, one after the other, and return the places."""
        slots = range(self._used, self._used + len(image_ids))
        self.slots.update(zip(image_ids, slots, strict=True))
        self._used = slots.stop
        if self._used > len(self.seen):
            self._grow(observed_at)
        return slots

    def _grow(self, observed_at: int) -> None:
        """Make room for images that are new in this run."""
        self.seen.extend(bytes(ROOM))
        self.first_seen_at.extend(array("q", [observed_at]) * ROOM)
        for numbers in (self.hash, self.shown, self.version):
            numbers.frombytes(bytes(8 * ROOM))
        for instants in (self.deleted_at, self.scan_time, self.missing_since, self.state_scan, self.shown_scan):
            instants.extend(array("q", [ABSENT]) * ROOM)
        for rows in (self.image_row, self.scan_row):
            rows.extend(array("q", [UNWRITTEN]) * ROOM)

    def show(self, slot: int, short: int, scan_time: int | None) -> None:
        """Note that this run shows the image in this state."""
        self.seen[slot], self.shown[slot] = 1, short
        self.state_scan[slot] = ABSENT if scan_time is None else scan_time

    def show_new(self, slots: range, shorts: Sequence[int], scan_times: Sequence[int | None]) -> None:
        """Note that this run shows images for the first time that the warehouse does not have, in these states."""
        at = slice(slots.start, slots.stop)
        self.seen[at] = b"\1" * len(slots)
        self.shown[at] = array("Q", shorts)
        times = array("q", [ABSENT if scan_time is None else scan_time for scan_time in scan_times])
        self.state_scan[at] = self.shown_scan[at] = times

    def wrote(self, slots: range, images: range, scans: Sequence[int]) -> None:
        """Note the numbers of the rows of these images, and of their scans."""
        at = slice(slots.start, slots.stop)
        self.image_row[at], self.scan_row[at] = array("q", images), array("q", scans)

    def is_older(self, slot: int, scan_time: int | None) -> bool:
        """Whether a state with this ScanTime is older than the state that is shown.

        A state without a ScanTime may come from before the first scan or from the start of the next scan, and counts as
        older: the next incremental run asks for images without a scan, but not for a scan that counts as known.
        """
        return (ABSENT if scan_time is None else scan_time) < self.state_scan[slot]

    def kind(self, slot: int) -> Kind:
        """Return what kind of image this is; this run has shown the image."""
        if slot >= self.count:
            return "new"
        if self.deleted_at[slot] != ABSENT:
            return "returned"
        return "unchanged" if self.hash[slot] == self.shown[slot] else "changed"

    def added(self) -> list[str]:
        """The ids of images that this run has shown, and that `images` does not have."""
        return [image_id for image_id, slot in self.slots.items() if slot >= self.count]

    def live_ids(self) -> list[str]:
        """The ids of images that the warehouse holds as not deleted."""
        return [image_id for image_id, slot in self.slots.items() if self.deleted_at[slot] == ABSENT]

    def live(self) -> int:
        """The number of images that the warehouse holds as not deleted."""
        return sum(self.deleted_at[slot] == ABSENT for slot in range(self.count))

    def missing(self) -> list[str]:
        """The ids of live images that this run has not shown."""
        return [i for i, slot in self.slots.items() if not self.seen[slot] and self.deleted_at[slot] == ABSENT]

    def marked(self) -> list[str]:
        """The ids of missing images that earlier runs have missed already."""
        return [image_id for image_id in self.missing() if self.missing_since[self.slots[image_id]] != ABSENT]

    def found_again(self) -> list[str]:
        """The ids of images that earlier runs have missed, and that this run has shown unchanged."""
        slots = {i: slot for i, slot in self.slots.items() if self.seen[slot] and self.missing_since[slot] != ABSENT}
        return [image_id for image_id, slot in slots.items() if self.kind(slot) == "unchanged"]

    def missing_unscanned(self) -> list[str]:
        """The ids of missing images that had no ScanTime when they were loaded, or whose scan had not ended well."""
        slots = ((image_id, self.slots[image_id]) for image_id in self.missing())
        return [image_id for image_id, slot in slots if self.unscanned[slot] or self.scan_time[slot] == ABSENT]


def known_of(stored: pa.Table) -> tuple[Known, list[str]]:
    """Return the images of `stored`, and the ids of those that have several rows there. After a merge, no image has,
    but somebody may have inserted rows, such as those of a backup."""
    known = Known(stored)
    if len(known.slots) == known.count:
        return known, []
    rows = Counter[Any](stored["image_id"].to_pylist())
    return Known(newest(stored)), [image_id for image_id, count in rows.items() if count > 1]


def newest(rows: pa.Table) -> pa.Table:
    """Return one row per image of rows of `images`: that of its highest version."""
    rows = rows.sort_by([("image_id", "ascending"), ("version", "descending")])
    ids = rows["image_id"].to_pylist()
    return rows.filter(pa.array([place == 0 or ids[place - 1] != image_id for place, image_id in enumerate(ids)]))


def short_hash(row_hash: str) -> int:
    """Return the first 64 bits of a row hash: enough to tell two states of the same image apart."""
    return int(row_hash[len(PREFIX) : len(PREFIX) + 16] or "0", 16)
