"""Parses items of DescribeAssetImageList into the typed values of rows of `images`. Pure, and never raises.

A value that does not fit its column becomes null there, and a `Rejected`. A field that no column takes goes into
`extra`.

The items of an answer are parsed together, field by field: most values are plain, and to check a hundred values at once
takes a fraction of the time. The result of an item does not depend on the other items.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import compress, repeat
from operator import itemgetter
from typing import Any, NamedTuple

import orjson

from connector.images.fields import COLUMNS, LONGEST, NO_IMAGE_ID, TOO_LARGE, Field, api_fields
from connector.images.times import time_zone
from connector.tables import API_COLUMNS
from connector.wire import decode, encode, storable

HASH_DEFINITION = 1
"""Number of the definition of `row_hash` (see `_row_hash`). Another number makes a new version of every image."""

ITEM_IDENTITY = ("ImageID", "ImageName", "CreateTime")
"""Fields by which a rejected item is recognised in a later run: they do not change while the image exists."""

NOT_AN_OBJECT = "the item is not an object"
LONGEST_NAME = 200
"""Characters of the name of an unknown field that are shown."""

_CREATE_TIME, _SCAN_TIME, _SCAN_STATUS = map(API_COLUMNS.index, ("create_time", "scan_time", "scan_status"))


class Rejected(NamedTuple):
    """A value that does not fit its column. `raw` holds the first LONGEST characters of its JSON; for `image_id`, of
    the whole item's JSON."""

    image_id: str | None
    column_name: str
    raw: str
    reason: str


class Record(NamedTuple):
    """An image as parsed.

    `values` are in the order of `tables.API_COLUMNS`, instants as microseconds since the epoch, UTC. `unknown` names
    the fields that no column takes, sorted.
    """

    image_id: str
    values: tuple[Any, ...]
    row_hash: str
    rejected: tuple[Rejected, ...]
    unknown: tuple[str, ...]

    @property
    def create_time(self) -> int | None:
        instant: int | None = self.values[_CREATE_TIME]
        return instant

    @property
    def scan_time(self) -> int | None:
        instant: int | None = self.values[_SCAN_TIME]
        return instant

    @property
    def scan_status(self) -> str | None:
        status: str | None = self.values[_SCAN_STATUS]
        return status


class Columns(NamedTuple):
    """Images as columns: `values` has a sequence per column of `tables.API_COLUMNS`, each with a value per image."""

    image_ids: Sequence[str]
    values: Sequence[Sequence[Any]]
    row_hashes: Sequence[str]

    def chosen(self, mask: Sequence[bool]) -> Columns:
        """Return the images at whose places `mask` is true."""
        values = [[*compress(column, mask)] for column in self.values]
        return Columns([*compress(self.image_ids, mask)], values, [*compress(self.row_hashes, mask)])

    def records(self) -> Iterator[Record]:
        return map(Record, self.image_ids, zip(*self.values, strict=True), self.row_hashes, repeat(()), repeat(()))


class Parsed:
    """Items of an answer, parsed. `columns` are their images, None unless each item is an image with plain values and
    no others."""

    def __init__(self, items: Sequence[Any], fields: Mapping[str, Field]) -> None:
        self._items, self._fields = items, fields
        self._objects = [item for item in items if isinstance(item, dict)]
        received, self._others = self._split()
        self._cells: list[Sequence[Any]] = [(None,) * len(self._objects)] * len(COLUMNS)
        self._rejected: defaultdict[int, list[Rejected]] = defaultdict(list)
        typed = {"ImageID": self._cells[0]}
        for (name, field), values in zip(fields.items(), received, strict=False):
            columns, rejects = field.parse(values)
            if columns:
                self._cells[field.column : field.column + len(columns)] = columns
                typed[name] = columns[0]
            for place, reason in rejects:
                self._rejected[place].append(Rejected(None, COLUMNS[field.column].name, raw(values[place]), reason))
        self._names = sorted(typed)
        self._typed = [typed[name] for name in self._names]
        is_plain = len(self._objects) == len(items) and not self._others and not self._rejected
        self.columns = self._as_columns() if is_plain and None not in self._cells[0] else None

    def records(self) -> Iterator[Record | Rejected]:
        """Yield a record per item, a `Rejected` where the item is no object with a usable ImageID."""
        if self.columns is not None:
            yield from self.columns.records()
            return
        objects = self._each()
        for item in self._items:
            yield next(objects) if isinstance(item, dict) else Rejected(None, "image_id", raw(item), NOT_AN_OBJECT)

    def _as_columns(self) -> Columns:
        ids, *values = self._cells
        return Columns(ids, values, [_hash_of_sorted(known) for known in self._known()])

    def _each(self) -> Iterator[Record | Rejected]:
        images = zip(self._cells[0], zip(*self._cells[1:], strict=True), self._known(), strict=True)
        for place, (image_id, values, known) in enumerate(images):
            if image_id is None:
                yield Rejected(None, "image_id", raw(self._objects[place]), NO_IMAGE_ID)
            elif place in self._others or place in self._rejected:
                others, rejected = self._others.get(place, {}), self._rejected.get(place, [])
                yield _odd(Record(image_id, values, "", (), ()), known, others, rejected)
            else:
                yield Record(image_id, values, _hash_of_sorted(known), (), ())

    def _known(self) -> Iterator[dict[str, Any]]:
        """Yield the fields of each object that have a value, as typed, sorted by their names."""
        names = self._names
        for row in zip(*self._typed, strict=True):
            yield {name: value for name, value in zip(names, row, strict=False) if value is not None}

    def _split(self) -> tuple[Iterator[tuple[Any, ...]], dict[int, dict[str, Any]]]:
        """Split the objects into the values of each of our fields, and other fields by place and by name, sorted."""
        names, known = tuple(self._fields), self._fields.keys()
        values_of = itemgetter(*names)
        rows: list[tuple[Any, ...]] = []
        others: dict[int, dict[str, Any]] = {}
        for place, item in enumerate(self._objects):
            try:
                rows.append(values_of(item))
                more = len(item) > len(names)
            except KeyError:
                rows.append(tuple(map(item.get, names)))
                more = not item.keys() <= known
            if more:
                others[place] = {name: item[name] for name in sorted(item.keys() - known)}
        return zip(*rows, strict=True), others


class ItemParser:
    """Parses items; one parser serves any number of threads.

    `naive_time_zone` (`+08:00`, or an IANA name) applies to times that state no offset. Raises ValueError for a zone
    that does not exist.
    """

    def __init__(self, *, naive_time_zone: str = "+08:00") -> None:
        self._fields = api_fields(time_zone(naive_time_zone))

    def read(self, items: Sequence[Any]) -> Parsed:
        """Parse the elements of `Response.List`."""
        return Parsed(items, self._fields)

    def parse(self, items: Sequence[Any]) -> list[Record | Rejected]:
        """Make a record of each element of `Response.List`, a `Rejected` if it is no object with a usable ImageID."""
        return [*self.read(items).records()]


def _odd(record: Record, known: dict[str, Any], others: dict[str, Any], rejected: Sequence[Rejected]) -> Record:
    """Make the record of an item that has fields without a column, `others`, or `rejected` values."""
    extra = {name: value for name, value in others.items() if not _is_empty(value)}
    text = encode(extra) if extra else None
    if text is not None and len(text) > LONGEST:
        rejected, text = [*rejected, Rejected(None, "extra", text[:LONGEST], TOO_LARGE)], None
    return Record(
        record.image_id,
        (*record.values[:-1], text),
        _row_hash(known | extra),
        tuple(value._replace(image_id=record.image_id) for value in rejected),
        tuple(storable(name[:LONGEST_NAME]) for name in others),
    )


def hash_of_row(row: Mapping[str, Any]) -> str:
    """Compute the present `row_hash` of a stored row of `images`, by column name, instants as microseconds."""
    fields = {c.source: row[c.name] for c in COLUMNS if c.source and not c.derived and row[c.name] is not None}
    return _row_hash({**fields, **decode(row["extra"] or "{}")})


def raw(received: Any) -> str:
    """Return the JSON of a value, up to the length that is stored."""
    return encode(received)[:LONGEST]


def reject_id(rejected: Rejected) -> str:
    """Identify a fault: 32 hex digits of a hash of the image, the column and the reason, whatever the value is.

    A rejected item counts as another fault where the fields `ITEM_IDENTITY` differ, which say what the item is about.
    """
    which = _identity(rejected.raw) if rejected.column_name == "image_id" else None
    return _digest(encode([rejected.image_id, rejected.column_name, rejected.reason, which]).encode())


def former_reject_id(rejected: Rejected) -> str:
    """Return the id that older releases gave the same fault: their ids were also a hash of the raw text."""
    return _digest(encode(rejected[:3]).encode())


def _identity(raw: str) -> Any:
    """Return the fields of a rejected item that stay the same; all of the text, if it has none of them or is cut."""
    try:
        item = decode(raw)
    except ValueError:
        return raw
    found = {name: item[name] for name in ITEM_IDENTITY if name in item} if isinstance(item, dict) else {}
    return found or raw


# ---- texts and hashes ----


def _row_hash(fields: dict[str, Any]) -> str:
    """Hash the API's fields by their own names: known fields as typed (instants as integers), others as received.

    Empty fields and derived columns are left out. So neither a better parser nor a new column for an unknown field (a
    count, flag or text) makes a new version of an image that did not change.
    """
    return f"{HASH_DEFINITION}:{_digest(encode(fields).encode())}"


def _hash_of_sorted(fields: dict[str, Any]) -> str:
    """Hash known fields alone, in the order of their names, as `_row_hash` does."""
    return f"{HASH_DEFINITION}:{_digest(orjson.dumps(fields))}"


def _digest(text: bytes) -> str:
    return blake2b(text, digest_size=16).hexdigest()


def _is_empty(received: Any) -> bool:
    return received is None or received == ""
