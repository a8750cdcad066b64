"""Compares what a sweep shows with what the warehouse holds; writes rows of new, changed, gone and returned images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import compress
from operator import itemgetter
from typing import Any, Protocol

import pyarrow as pa

from connector.images.records import Columns, Record, Rejected, former_reject_id, hash_of_row, raw, reject_id
from connector.runs.audit import Audit
from connector.runs.identity import Identity
from connector.runs.known import ABSENT, PREFIX, ROOM, UNWRITTEN, Kind, Known, short_hash
from connector.runs.repeats import all_but_alike
from connector.runs.spool import Place
from connector.runs.twins import Parse, Twins
from connector.tables import API_COLUMNS, IMAGE_SCANS, IMAGES, REJECTED_VALUES, Table, plain_rows

FAULTS_AT_ONCE = 450  # rejected values per query to the warehouse
TWICE = "listed twice in one answer, with other contents"
MOST_UNKNOWN = 500  # the most names of unknown fields that are kept

_SCAN_TIME = API_COLUMNS.index("scan_time")
_SYNC_ID = IMAGES.column_names.index("sync_id")
_VERSION = IMAGES.column_names.index("version")
_scan_values = itemgetter(*(API_COLUMNS.index(c.name) for c in IMAGE_SCANS.columns if c.name in API_COLUMNS))


class Rows(Protocol):
    """Takes rows: `add` returns a row's number in its table, `extend` takes several rows as columns, `drop` takes a row
    back. A row of `images` is a row of `image_history` too, unless it comes by `amend`; by `restore` comes a row of
    `image_history` alone."""

    def add(self, table: Table, row: tuple[Any, ...]) -> int: ...

    def extend(self, table: Table, columns: Sequence[Sequence[Any]]) -> range: ...

    def amend(self, row: tuple[Any, ...]) -> int: ...

    def restore(self, row: tuple[Any, ...]) -> None: ...

    def move(self, number: int, place: Place, *, is_version: bool) -> None: ...

    def drop(self, table: Table, number: int) -> None: ...


class Diff:
    """Takes what a sweep shows, one answer after the other, and writes the rows that the warehouse lacks to `rows`.

    `parse` makes records of items; `rejected_ids` says which of some faults the warehouse has already. If an image is
    shown again with other contents, the new row replaces the first row, unless the new ScanTime is smaller; an image
    that is again as in the warehouse is not written. `kinds` counts images, and `rejected` holds the ids of faults.
    `audit` is told of every ScanTime. With `every_scan`, scans of unchanged images are written too. `settle` is last.
    `oldest_version` is when the oldest version was observed that the rows bring into `images`; after `restore` and
    `recall` it may be older than the run. `held` is how many images the warehouse had.
    """

    def __init__(
        self,
        run: Identity,
        known: Known,
        rows: Rows,
        parse: Parse,
        *,
        rejected_ids: Callable[[Sequence[str]], set[str]] = lambda _: set(),
        audit: Audit | None = None,
        every_scan: bool = False,
    ) -> None:
        self.known, self._rows, self._parse = known, rows, parse
        self.held = known.count
        self._account_id, self._sync_id, self._observed_at = run.account_id, run.sync_id, run.started_at
        self._rejected_ids = rejected_ids
        self.audit = audit or Audit()
        self._every_scan = every_scan
        self._faults: dict[str, tuple[Rejected, str | None]] = {}  # by id, with the RequestId of the answer
        self._twins = Twins(parse)
        self._earlier_scans: dict[tuple[int, int], int] = {}
        self._restored: set[int] = set()  # slots of images of lost runs
        self.kinds: Counter[Kind] = Counter()
        self.newest_scan: int | None = None
        self.oldest_version = run.started_at
        self.unknown_fields: set[str] = set()
        self.rejected: set[str] = set()

    @property
    def listed(self) -> int:
        """The number of distinct images that were shown."""
        return self.kinds.total() - self.kinds["gone"]

    def absorb(self, items: Sequence[Any], request_id: str | None, before: Sequence[Any] = ()) -> None:
        """Take the items of one answer. `before` are the items of the answer that was taken last: an item that both
        answers show alike needs no second look."""
        self._twins.learn(items)
        if self._twins.idle:
            items = all_but_alike(items, before)
        for start in range(0, len(items), ROOM):  # the answers of a look-up come in one list of any length
            part = items[start : start + ROOM]
            parsed = self._parse(part)
            if parsed.columns is not None and self._twins.idle:
                self._note_newest(parsed.columns.values[_SCAN_TIME])
                for record in self._all_but_new(parsed.columns).records():
                    self._take(record, request_id)
                continue
            for item, found in zip(part, parsed.records(), strict=True):
                if isinstance(found, Rejected):
                    self._reject(found, request_id)
                elif self._twins.rejects(found):
                    self._reject(Rejected(found.image_id, "image_id", raw(item), TWICE), request_id)
                else:
                    self._note_newest((found.scan_time,))
                    self._take(found, request_id)

    def seen(self) -> Iterator[str]:
        """Yield the ids that answers have shown, beginning at the end of the index."""
        return (i for i, slot in reversed(self.known.slots.items()) if self.known.seen[slot])

    def close_gone(self, stored: pa.Table) -> None:
        """Mark images as gone; `stored` holds their whole rows of `images`."""
        for row in plain_rows(stored):
            values = tuple(row[name] for name in API_COLUMNS)
            self._write(self.known.slots[row["image_id"]], row["image_id"], values, row["row_hash"], gone=True)
            self.kinds["gone"] += 1

    def set_missing(self, stored: pa.Table, since: int | None) -> None:
        """Write `missing_since`, without a new version; `stored` holds the images' whole rows of `images`."""
        for row in plain_rows(stored):
            values = tuple(row[name] for name in IMAGES.column_names if name != "missing_since")
            self._put(self.known.slots[row["image_id"]], (*values, since))

    def restore(self, stored: pa.Table, versions: Mapping[str, int]) -> None:
        """Write what a lost run may have left out of its images; `stored` holds their whole rows of `images`. Called
        before the first `absorb`.

        `versions` are numbers of versions that the history lacks, by image. A scan counts as shown by this run, whose
        own row replaces it. The rows are this run's from now on, and `keep` writes them: no later run takes them for
        those of a lost run.
        """
        for row in plain_rows(stored):
            image_id = row["image_id"]
            slot = self.known.slots[image_id]
            self._restored.add(slot)
            row["sync_id"] = self._sync_id
            if image_id in versions:
                row["version"] = self.known.version[slot] = versions[image_id]
                self._rows.restore(tuple(row[name] for name in IMAGES.column_names))
                self.oldest_version = min(self.oldest_version, row["changed_at"])
            if row["scan_time"] is not None and row["deleted_at"] is None:
                values = tuple(row[name] for name in API_COLUMNS)
                scan = (self._account_id, image_id, *_scan_values(values), row["changed_at"], row["sync_id"])
                self.known.shown_scan[slot] = row["scan_time"]
                self.known.scan_row[slot] = self._rows.add(IMAGE_SCANS, scan)

    def keep(self, stored: pa.Table) -> None:
        """Write rows of `images` as they are, except of images that this run writes anyway."""
        for row in plain_rows(stored):
            slot = self.known.slots[row["image_id"]]
            if self.known.image_row[slot] == UNWRITTEN:
                self._put(slot, tuple(row[name] for name in IMAGES.column_names))

    def recall(self, stored: pa.Table) -> int:
        """Go on from the history of images that `images` lacks; `stored` holds all their versions. Called after the
        last `absorb`, once for each image. Return the number of these images.

        An image in the state of its last version gets the row of this version back, and no new version. An image in
        another state gets the next version. Either is seen since its first version, and counts as new.
        """
        histories: dict[str, list[dict[str, Any]]] = {}
        for row in plain_rows(stored):
            histories.setdefault(row["image_id"], []).append(row)
        for image_id, history in histories.items():
            first_seen_at = min(row["observed_at"] for row in history)
            self._continue(self.known.slots[image_id], max(history, key=itemgetter("version")), first_seen_at)
        return len(histories)

    def settle(self) -> None:
        """Write the faults that the warehouse does not have. Called after the last `absorb`."""
        if not self._faults:
            return
        former = {key: former_reject_id(rejected) for key, (rejected, _) in self._faults.items()}
        stored = self._rejected_ids([*former, *former.values()])
        for key, (rejected, request_id) in self._faults.items():
            if stored.isdisjoint((key, former[key])):
                row = (self._account_id, key, *rejected, request_id, self._observed_at, self._sync_id)
                self._rows.add(REJECTED_VALUES, row)
        self._faults.clear()

    def forget(self) -> None:
        """Free the index of images. The counters stay; nothing more can be absorbed."""
        del self.known

    def live_after(self) -> int:
        """The number of images that are live in the warehouse once the rows are loaded."""
        return self.known.live() + self.kinds["new"] + self.kinds["returned"] - self.kinds["gone"]

    def held_after(self) -> int:
        """The number of images in the warehouse once the rows are loaded, gone ones included."""
        return self.held + self.kinds["new"]

    def rehash(self, stored: pa.Table) -> None:
        """Hash images anew whose hash has an older definition, so that they compare with what the sweep shows."""
        for row in plain_rows(stored):
            self.known.hash[self.known.slots[row["image_id"]]] = short_hash(hash_of_row(row))

    # Images that neither the warehouse nor this run has, all at once: most images of a first sync.

    def _all_but_new(self, images: Columns) -> Columns:
        """Take the new images, and return the others."""
        ids, slots = images.image_ids, self.known.slots
        new = [image_id not in slots for image_id in ids]
        if not any(new) or len({*ids}) < len(ids):
            return images
        if all(new):
            self._take_new(images)
            return images.chosen(())
        self._take_new(images.chosen(new))
        return images.chosen([not is_new for is_new in new])

    def _take_new(self, images: Columns) -> None:
        """Do for each image what `_take` does for one."""
        scan_times = images.values[_SCAN_TIME]
        slots = self.known.add(images.image_ids, self._observed_at)
        self.kinds["new"] += len(slots)
        if not self.audit.idle:
            for slot, scan_time in zip(slots, scan_times, strict=True):
                self._tell_audit(slot, scan_time)
        rows = self._rows.extend(IMAGES, [*self._new_rows(images)])
        scanned = [scan_time is not None for scan_time in scan_times]
        scans = iter(self._rows.extend(IMAGE_SCANS, [[*compress(c, scanned)] for c in self._scan_rows(images)]))
        self.known.show_new(slots, [*map(short_hash, images.row_hashes)], scan_times)
        self.known.wrote(slots, rows, [next(scans) if is_scanned else UNWRITTEN for is_scanned in scanned])

    def _new_rows(self, images: Columns) -> Iterator[Sequence[Any]]:
        """Yield the columns of `images`."""
        count, observed = len(images.image_ids), self._observed_at
        yield from ([self._account_id] * count, images.image_ids, *images.values)
        yield from ([value] * count for value in (1, observed, observed, None))
        yield images.row_hashes
        yield from ([value] * count for value in (self._sync_id, None))

    def _scan_rows(self, images: Columns) -> Iterator[Sequence[Any]]:
        """Yield the columns of `image_scans`."""
        count = len(images.image_ids)
        yield from ([self._account_id] * count, images.image_ids, *_scan_values(images.values))
        yield from ([value] * count for value in (self._observed_at, self._sync_id))

    # One image.

    def _take(self, record: Record, request_id: str | None) -> None:
        known, short, scan_time = self.known, short_hash(record.row_hash), record.scan_time
        slot = known.slot(record.image_id, self._observed_at)
        if record.unknown or record.rejected:
            self._note_odd(record, request_id)
        if not self.audit.idle:
            self._tell_audit(slot, scan_time)
        if known.seen[slot]:
            if known.shown[slot] == short:
                return
            if known.is_older(slot, scan_time):
                self._take_older(slot, record, short)
                return
            self.kinds[known.kind(slot)] -= 1
        known.show(slot, short, scan_time)
        kind = known.kind(slot)
        self.kinds[kind] += 1
        if kind == "unchanged":
            self._retract(slot)
        else:
            self._write(slot, record.image_id, record.values, record.row_hash)
        if scan_time is not None:
            self._write_scan(slot, record, scan_time, correct_only=kind == "unchanged" and not self._every_scan)

    def _take_older(self, slot: int, record: Record, short: int) -> None:
        """Take a state that is older than the state shown before: only its scan is new."""
        if record.scan_time is not None:
            stored = slot < self.known.count and self.known.hash[slot] == short
            self._write_scan(slot, record, record.scan_time, correct_only=stored and not self._every_scan)

    def _note_odd(self, record: Record, request_id: str | None) -> None:
        if len(self.unknown_fields) < MOST_UNKNOWN:
            self.unknown_fields.update(record.unknown[:MOST_UNKNOWN])
        for rejected in record.rejected:
            self._reject(rejected, request_id)

    def _note_newest(self, scan_times: Iterable[int | None]) -> None:
        past = [time for time in (*scan_times, self.newest_scan) if time is not None and time <= self._observed_at]
        self.newest_scan = max(past, default=None)

    def _tell_audit(self, slot: int, scan_time: int | None) -> None:
        """Tell the audit of a scan, also where no row is written."""
        if scan_time is not None:
            stored, first = self.known.scan_time[slot], not self.known.seen[slot]
            self.audit.note(slot, scan_time, stored=stored, first=first)

    def _write(self, slot: int, image_id: str, values: tuple[Any, ...], row_hash: str, *, gone: bool = False) -> None:
        self._retract(slot)
        known, observed = self.known, self._observed_at
        times = (known.version[slot] + 1, known.first_seen_at[slot], observed, observed if gone else None)
        missing_since = self._missing_since(slot) if gone else None
        row = (self._account_id, image_id, *values, *times, row_hash, self._sync_id, missing_since)
        known.image_row[slot] = self._rows.add(IMAGES, row)

    def _continue(self, slot: int, last: dict[str, Any], first_seen_at: int) -> None:
        """Put the image's row of this run behind its `last` version, or in the place of that version."""
        known, row_hash = self.known, last["row_hash"]
        self.oldest_version = min(self.oldest_version, first_seen_at)
        is_same = row_hash.startswith(PREFIX) and short_hash(row_hash) == known.shown[slot]
        if last["scan_time"] == known.state_scan[slot]:
            self.audit.acquit(slot)
        if is_same and last["deleted_at"] is None:
            place = Place(last["version"], first_seen_at, last["observed_at"], last["sync_id"])
            self._rows.move(known.image_row[slot], place, is_version=False)
        else:
            place = Place(last["version"] + 1, first_seen_at, self._observed_at, self._sync_id)
            self._rows.move(known.image_row[slot], place, is_version=True)

    def _missing_since(self, slot: int) -> int:
        """Return since when an image that is gone now has been missing."""
        since = self.known.missing_since[slot]
        return self._observed_at if since == ABSENT else since

    def _put(self, slot: int, row: tuple[Any, ...]) -> None:
        """Write a row of `images` without a new version."""
        if slot in self._restored:
            own = {_VERSION: self.known.version[slot], _SYNC_ID: self._sync_id}
            row = tuple(own.get(place, value) for place, value in enumerate(row))
        self.known.image_row[slot] = self._rows.amend(row)

    def _retract(self, slot: int) -> None:
        """Take the image's row of this run back."""
        if (number := self.known.image_row[slot]) != UNWRITTEN:
            self._rows.drop(IMAGES, number)
            self.known.image_row[slot] = UNWRITTEN

    def _write_scan(self, slot: int, record: Record, scan_time: int, *, correct_only: bool) -> None:
        """Write the image's scan, replacing this run's row of the same scan; with `correct_only`, only replace."""
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
        self._faults[key] = (rejected, request_id)
        if len(self._faults) >= FAULTS_AT_ONCE:
            self.settle()
