"""Holds a fleet: the images of one account, as the API would list them, with every kind of change.

Pure: no sockets, no threads, no wall clock unless one is passed in. One seed gives one history.
Instants are microseconds since the Unix epoch, UTC.
"""

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import orjson

from connector.sandbox.detail.state import DETAIL_CHANGES, Details
from connector.sandbox.images import Item, Mix, Painter, instant_of, instant_text
from connector.sandbox.listed import Listed, Where
from connector.sandbox.orders import INSERTION, Row

DEFAULT_NOW = datetime(2025, 6, 1, 8, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Names of the methods that change a fleet by a number or by ids: the changes of `apply`, `Churn` and the control API.
CHANGES = ("rescan", "start_scans", "finish_scans", "change_counts", "insert", "delete", "bring_back", "recreate")

Some = int | Iterable[str] | None


def wall_clock() -> int:
    """Return the present instant."""
    return time.time_ns() // 1000


def _sendable(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields. Raises ValueError for a value that no answer can carry: an integer of more than 64 bits."""
    try:
        orjson.dumps(dict(fields))
    except orjson.JSONEncodeError as error:
        raise ValueError(f"an answer cannot carry the fields {', '.join(fields)}: {error}") from error
    return fields


class Fleet(Listed):
    """Holds images by ImageID, in the order in which they arrived.

    Args:
        items: items as the API would give them; a missing field stays missing. ValueError for a value that JSON cannot
            carry, such as 2**64.
        seed: the seed of every later random choice.
        now: the instant of the fleet's own clock, which advances by some milliseconds at each change.
        clock: gives the present instant instead (`wall_clock` for a sandbox in real time).
        mix: the kinds of inserted images.

    `random` shuffles ties in answers, apart from the random choices of changes.
    Not safe for concurrent use: `Sandbox.change` holds the lock of a served fleet.
    """

    def __init__(
        self,
        items: Iterable[Mapping[str, Any]] = (),
        *,
        seed: int = 1,
        now: int | datetime = DEFAULT_NOW,
        clock: Callable[[], int] | None = None,
        mix: Mix | None = None,
    ) -> None:
        super().__init__({}, Random(f"requests {seed}"))  # noqa: S311 (nothing here is secret)
        self.now = now if isinstance(now, int) else (now - _EPOCH) // timedelta(microseconds=1)
        self._rng = Random(seed)  # noqa: S311
        self._seed, self._clock, self.started = seed, clock, self.now
        self._details: Details | None = None
        self._painter = Painter(self._rng, mix or Mix())
        self._next_seq = 0
        self._seqs: dict[str, int] = {}
        self._twins: dict[str, int] = {}
        self._gone: dict[str, tuple[int, Item]] = {}
        self._past: deque[Listed] = deque(maxlen=0)
        self._load(map(_sendable, items))

    @classmethod
    def seeded(
        cls,
        size: int,
        seed: int = 1,
        now: int | datetime = DEFAULT_NOW,
        *,
        clock: Callable[[], int] | None = None,
        mix: Mix | None = None,
    ) -> "Fleet":
        """Make a fleet of `size` invented images. The same arguments give the same items, byte for byte."""
        fleet = cls(seed=seed, now=clock() if clock else now, clock=clock, mix=mix)
        times = fleet._painter.create_times(size, fleet.now, epoch=(mix or Mix()).of_epoch(size))
        fleet._load(fleet._painter.image(created, fleet.now) for created in times)
        return fleet

    # What is listed

    def __contains__(self, image_id: object) -> bool:
        return image_id in self._seqs

    def __getitem__(self, image_id: str) -> Item:
        """Return the present item. KeyError if the image is not listed."""
        return self._rows[self._seqs[image_id]].item

    def ids(self) -> list[str]:
        """Return the listed ids, in the order of arrival."""
        return [self._rows[seq].item["ImageID"] for _, seq in self._orders.column(INSERTION) if not self._is_twin(seq)]

    def truth(self) -> dict[str, Item]:
        """Return image id -> present item. Items are never changed in place, so the result stays as it is."""
        return {image_id: self._rows[seq].item for image_id, seq in self._seqs.items()}

    def mark(self) -> int:
        """Return a point in the fleet's history, for `listed_throughout` and `listed_since`."""
        return self.revision

    def listed_throughout(self, mark: int) -> set[str]:
        """Return the ids listed at the mark and ever since: a sweep that began at the mark must find them all."""
        return {image_id for image_id, seq in self._seqs.items() if self._rows[seq].since <= mark}

    def listed_since(self, mark: int) -> set[str]:
        """Return the ids listed at the mark or at any time since: such a sweep may find no others."""
        return set(self._seqs) | {image_id for image_id, (revision, _) in self._gone.items() if revision > mark}

    def remember(self, revisions: int) -> None:
        """Keep at least so many former states from now on. Each state costs a copy of all rows."""
        if revisions > (self._past.maxlen or 0):
            self._past = deque(self._past, maxlen=revisions)

    def as_it_was(self, revisions: int) -> Listed:
        """Return the list as it was so many revisions ago, or its oldest remembered state."""
        return self._past[-min(revisions, len(self._past))] if revisions and self._past else self

    @property
    def details(self) -> Details:
        """The details behind the counts. They are made, and keep their history, from the first use on."""
        if self._details is None:
            self._details = Details(self, self._seed)
        return self._details

    def gone(self) -> dict[str, Item]:
        """Return image id -> item of the deleted images, as they would come back."""
        return {image_id: item for image_id, (_, item) in self._gone.items()}

    def instant(self) -> int:
        """Return the instant of the fleet's clock."""
        return self._clock() if self._clock else self.now

    # Changes; each returns the ids that changed

    def rescan(self, some: Some = None, *, where: Where | None = None) -> list[str]:
        """Scan images now (a number of random images, or these ids, or all): ScanTime, status and counts change."""
        return self._change(self._chosen(some, where), self._painter.scanned)

    def start_scans(self, some: Some = None) -> list[str]:
        """Put images into the status SCANNING; their former ScanTime stays."""
        return self._change(self._chosen(some), lambda item, _: {**item, "ScanStatus": "SCANNING"})

    def finish_scans(self, some: Some = None) -> list[str]:
        """End running scans (all by default), one in twenty with an error."""

        def finished(item: Item, at: int) -> Item:
            return (self._painter.failed if self._rng.random() < 0.05 else self._painter.scanned)(item, at)

        return self._change(self._chosen(some, lambda item: item.get("ScanStatus") == "SCANNING"), finished)

    def change_counts(self, some: Some = None) -> list[str]:
        """Change where images run (HostCnt, SuperNodeCnt, ContainerCnt, IsAuthorized), without a scan."""
        return self._change(self._chosen(some), lambda item, _: self._painter.reused(item))

    def recreate(self, some: Some = None) -> list[str]:
        """Set the CreateTime of images to now. Nothing else changes."""
        return self._change(self._chosen(some), lambda item, at: {**item, "CreateTime": instant_text(at)})

    def replace(self, changes: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Set fields of images: image id -> {field: value}. Values may have any type that JSON has; ValueError for
        another value, and then nothing is changed."""
        given = {image_id: _sendable(change) for image_id, change in changes.items()}
        return self._change(list(given), lambda item, _: {**item, **given[item["ImageID"]]})

    def insert(self, count: int, scanned: float = 0.5) -> list[str]:
        """Add new images, a share of them scanned now, the others never.

        Some were built now, some long ago (and pulled now), some at the CreateTime of a listed image.
        """
        items = []
        for old in self._painter.create_times(count, self.now, epoch=0):
            at = self._stamp()
            item = self._painter.never_scanned(self._rng.choice((at, at, old, old, self._create_time_of_another(old))))
            items.append(self._painter.scanned(item, at) if self._rng.random() < scanned else item)
        self._load(items)
        return [item["ImageID"] for item in items]

    def delete(self, some: Some = None, *, where: Where | None = None) -> list[str]:
        """Take images off the list; `bring_back` can list them again."""
        ids = self._chosen(some, where)
        self._begin(len(ids))
        for image_id in ids:
            self._gone[image_id] = (self.revision, self[image_id])
            self._drop(self._seqs.pop(image_id))
            if image_id in self._twins:
                self._drop(self._twins.pop(image_id))
        return ids

    def bring_back(self, some: Some = None) -> list[str]:
        """List deleted images again, as they were, last in the order of arrival."""
        gone = list(self._gone)
        ids = gone if some is None else self._rng.sample(gone, min(some, len(gone))) if isinstance(some, int) else some
        items = [self._gone.pop(image_id)[1] for image_id in list(ids)]
        self._load(items)
        return [item["ImageID"] for item in items]

    def apply(self, changes: Mapping[str, Any]) -> dict[str, list[str]]:
        """Make several changes in their order, such as {"rescan": 3, "delete": 1}. ValueError for another name, and for
        a number that is no integer of 64 bits, which JSON gives as a float."""
        for name, some in changes.items():
            if name not in CHANGES + DETAIL_CHANGES:
                raise ValueError(f"no change is called {name!r}; there are {', '.join(CHANGES + DETAIL_CHANGES)}")
            if isinstance(some, float):
                raise ValueError(f"{name} takes a whole number of at most 64 bits, and not {some}")
        owners = {name: self if name in CHANGES else self.details for name in changes}
        return {name: getattr(owners[name], name)(some) for name, some in changes.items()}

    def alter_gone(self, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Set fields of deleted images, as `replace` does for listed images."""
        for image_id, change in changes.items():
            revision, item = self._gone[image_id]
            self._gone[image_id] = (revision, {**item, **_sendable(change)})

    def list_twice(self, changes: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """List images a second time: image id -> fields in which the second row differs. Returns the changed ids."""
        changed = []
        for image_id in [image_id for image_id in changes if image_id in self]:
            twin = {**self[image_id], **_sendable(changes[image_id])}
            seq = self._twins.get(image_id)
            if seq is None:
                self._begin(1)
                self._twins[image_id] = self._add(twin)
            elif self._rows[seq].item != twin:
                self._begin(1)
                self._put(seq, twin)
            else:
                continue
            changed.append(image_id)
        return changed

    # How changes are made

    def _load(self, items: Iterable[Mapping[str, Any]]) -> None:
        """Add rows at the end. ValueError for an id that is listed already."""
        fresh = [dict(item) for item in items]
        self._begin(len(fresh))
        for item in fresh:
            image_id = item["ImageID"]
            if image_id in self._seqs:
                raise ValueError(f"{image_id} is listed already; list_twice() lists it again")
            self._gone.pop(image_id, None)
            self._seqs[image_id] = self._add(item)

    def _change(self, ids: Collection[str], change: Callable[[Item, int], Item]) -> list[str]:
        self._begin(len(ids))
        for image_id in ids:
            seq = self._seqs[image_id]
            self._put(seq, change(self._rows[seq].item, self._stamp()))
        return list(ids)

    def _chosen(self, some: Some, where: Where | None = None) -> list[str]:
        """Return the ids meant by a number, by ids or by None (all), among those that `where` accepts."""
        if some is not None and not isinstance(some, int):
            return [image_id for image_id in some if where is None or where(self[image_id])]
        if isinstance(some, int) and where is None and not self._twins:
            entries = self._orders.column(INSERTION)
            chosen = self._rng.sample(entries, min(some, len(entries)))
            return [self._rows[seq].item["ImageID"] for _, seq in chosen]
        ids = [image_id for image_id in self.ids() if where is None or where(self[image_id])]
        return ids if some is None else self._rng.sample(ids, min(some, len(ids)))

    def _create_time_of_another(self, default: int) -> int:
        entries = self._orders.column(INSERTION)
        created = self._rows[self._rng.choice(entries)[1]].item.get("CreateTime") if entries else None
        instant = instant_of(created)
        return default if instant is None else instant

    def _begin(self, changes: int) -> None:
        if self._past.maxlen:
            self._past.append(self.copy())
        self.revision += 1
        self._orders.expect(changes)

    def _stamp(self) -> int:
        """Return the instant of a change. The fleet's own clock advances by 0 to 20 ms: stamps can tie."""
        self.now = self._clock() if self._clock else self.now + self._rng.randint(0, 20) * 1000
        return self.now

    def _add(self, item: Item) -> int:
        seq, self._next_seq = self._next_seq, self._next_seq + 1
        self._rows[seq] = Row(seq, self.revision, item)
        self._orders.move(seq, None, item)
        return seq

    def _put(self, seq: int, item: Item) -> None:
        row = self._rows[seq]
        self._orders.move(seq, row.item, item)
        old, row.item = row.item, item
        if self._details is not None:
            self._details.changed(old, item)

    def _drop(self, seq: int) -> None:
        self._orders.move(seq, self._rows.pop(seq).item, None)

    def _is_twin(self, seq: int) -> bool:
        return bool(self._twins) and self._twins.get(self._rows[seq].item["ImageID"]) == seq
