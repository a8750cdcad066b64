"""Turns items of DescribeAssetImageList into the typed values of rows of `images`. Pure, and never raises.

The fields are those of `tables.py`: a column's type says how its field is read. A value that cannot be read becomes
null there and a `Rejected`; a field that no column takes goes into `extra`. An empty text is null, in every column.

The items of an answer are read together, field by field: most values are plain, and to see that of a hundred at once
takes a fraction of the time. What becomes of an item does not depend on the others.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import tzinfo
from functools import lru_cache, partial
from hashlib import blake2b
from operator import itemgetter
from types import NoneType
from typing import Any, NamedTuple

import orjson

from connector.image_names import split_image_name
from connector.tables import API_COLUMNS, IMAGES
from connector.times import is_plain_rfc3339, parse_instant, parse_plain, time_zone

HASH_DEFINITION = 1
"""Number of the definition of `row_hash` (see `_row_hash`). Another number makes a new version of every image."""

NOT_AN_OBJECT = "the item is not an object"
NO_IMAGE_ID = "no usable ImageID: not a text, blank, too long for its column, or with NUL or a lone surrogate"
NOT_A_TEXT = "not a text"
NOT_STORABLE = "NUL or a lone surrogate: U+FFFD stands for it in the column"
NOT_AN_INTEGER = "not an integer from 0 to 9223372036854775807"
NOT_A_BOOLEAN = "not true or false"
NOT_A_TIME = "not a time in a known shape"


class Rejected(NamedTuple):
    """A value that could not be read. `raw` is its JSON, whole; for the column `image_id`, that of the whole item."""

    image_id: str | None
    column_name: str
    raw: str
    reason: str


class Record(NamedTuple):
    """An image as read.

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


class Reader:
    """Reads items; one reader serves any number of threads.

    `naive_time_zone` (`+08:00`, or an IANA name) applies to times that state no offset. Raises ValueError for a zone
    that does not exist.
    """

    def __init__(self, *, naive_time_zone: str = "+08:00") -> None:
        self._fields = _fields(time_zone(naive_time_zone))

    def read(self, items: Sequence[Any]) -> list[Record | Rejected]:
        """The record of each element of `Response.List`; a `Rejected` if it is no object with a usable ImageID."""
        read = self._read([item for item in items if isinstance(item, dict)])
        return [
            next(read) if isinstance(item, dict) else Rejected(None, "image_id", json_text(item), NOT_AN_OBJECT)
            for item in items
        ]

    def _read(self, items: Sequence[dict[str, Any]]) -> Iterator[Record | Rejected]:
        received, unknown = self._split(items)
        cells: list[Sequence[Any]] = [(None,) * len(items)] * len(_COLUMNS)
        typed = {"ImageID": cells[0]}
        faults: defaultdict[int, list[tuple[str, str, str]]] = defaultdict(list)
        for (name, field), values in zip(self._fields.items(), received, strict=False):
            columns, unreadable = field.read(values)
            if columns:
                cells[field.column : field.column + len(columns)] = columns
                typed[name] = columns[0]
            for place, reason in unreadable:
                faults[place].append((_COLUMNS[field.column].name, name, reason))
        names = sorted(typed)
        images = zip(cells[0], zip(*cells[1:], strict=True), zip(*map(typed.get, names), strict=True), strict=True)
        for place, (image_id, values, row) in enumerate(images):
            fields = {name: value for name, value in zip(names, row, strict=False) if value is not None}
            if image_id is None:
                yield Rejected(None, "image_id", json_text(items[place]), NO_IMAGE_ID)
            elif place in unknown or place in faults:
                yield _odd(items[place], Record(image_id, values, "", (), ()), fields, unknown[place], faults[place])
            else:
                yield Record(image_id, values, _hash_of_sorted(fields), (), ())

    def _split(self, items: Sequence[dict[str, Any]]) -> tuple[Iterator[tuple[Any, ...]], dict[int, list[str]]]:
        """What the items have of each of our fields, and the others that they have, by place in the page."""
        names = tuple(self._fields)
        read_all = itemgetter(*names)
        rows, others = [], defaultdict(list)
        for place, item in enumerate(items):
            try:
                rows.append(read_all(item))
                many = len(item) - len(names)
            except KeyError:
                rows.append(tuple(map(item.get, names)))
                many = len(item.keys() - self._fields.keys())
            if many:
                others[place] = sorted(item.keys() - self._fields.keys())
        return zip(*rows, strict=True), others


def _odd(
    item: dict[str, Any],
    record: Record,
    fields: dict[str, Any],
    unknown: list[str],
    faults: list[tuple[str, str, str]],
) -> Record:
    """The record of an item with `unknown` fields, or with `faults`: (column, field, reason)."""
    extra = {name: item[name] for name in unknown if not _is_empty(item[name])}
    return Record(
        record.image_id,
        (*record.values[:-1], json_text(extra)) if extra else record.values,
        _row_hash(fields | extra),
        tuple(Rejected(record.image_id, column, json_text(item[name]), reason) for column, name, reason in faults),
        tuple(map(_storable, unknown)),
    )


def hash_of_row(row: Mapping[str, Any]) -> str:
    """The present `row_hash` of a row of `images` as stored, by column name, instants as microseconds."""
    fields = {c.source: row[c.name] for c in _COLUMNS if c.source and not c.derived and row[c.name] is not None}
    return _row_hash({**fields, **orjson.loads(row["extra"] or "{}")})


def reject_id(rejected: Rejected) -> str:
    """Identifies a rejected value: 32 hex digits of a hash of its image_id, column_name and raw."""
    return _digest(json_text(rejected[:3]).encode())


_OS_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_OS_VERSION = re.compile(r"(?:[vV](?=\d))?(.+)")
_OS_NUMBER = re.compile(r"\b[vV]?(\d\w*(?:\.\w+)*)")
_OS_FILLERS = frozenset({"linux", "gnu", "microsoft", "vmware"})
_OS_FAMILIES = {
    "alibaba": "alinux",
    "aliyun": "alinux",
    "alma": "almalinux",
    "amazon": "amzn",
    "azure": "azurelinux",
    "cbl-mariner": "mariner",
    "opensuse-leap": "opensuse",
    "oracle": "ol",
    "red": "rhel",
    "redhat": "rhel",
    "suse": "sles",
    "tencent": "tencentos",
    "tlinux": "tencentos",
}


@lru_cache(maxsize=1024)
def split_os_name(text: str) -> tuple[str | None, str | None]:
    """Family and version in an OS name: `alpine:v3.12` is (`alpine`, `3.12`), `CentOS Linux 7` is (`centos`, `7`).

    The family is the first word that says something, in lower case, or that system's ID in /etc/os-release. The version
    is what follows a colon, or else the first number; a `v` before it is dropped. None for a part that is not there.
    """
    name, colon, rest = text.partition(":")
    version = _OS_VERSION.fullmatch(rest.strip()) if colon else _OS_NUMBER.search(name)
    words = [word for word in _OS_WORD.findall(name.lower()) if word not in _OS_FILLERS]
    return _OS_FAMILIES.get(words[0], words[0]) if words else None, version[1] if version else None


# ---- reading one value: None for "nothing there", _UnreadableError for what does not fit the column ----

_ID_LENGTH = IMAGES.column("image_id").precision or 0
_INT64_MAX = 2**63 - 1
_DAY = 86_400_000_000
_DIGITS = re.compile(r"[0-9]{1,19}")
_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")
_BOOLEANS = {True: True, False: False, "true": True, "false": False}  # 1 and 0 are the keys True and False


class _UnreadableError(Exception):
    """`stored` is what the column gets in place of the value."""

    def __init__(self, reason: str, stored: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.stored = stored


def _read_image_id(received: Any) -> str:
    if type(received) is str and received.strip() and len(received) <= _ID_LENGTH and _storable(received) == received:
        return received
    raise _UnreadableError(NO_IMAGE_ID)


def _read_text(received: Any) -> str | None:
    if type(received) is not str:
        raise _UnreadableError(NOT_A_TEXT)
    if received.isascii() and "\0" not in received:  # a shortcut: most texts are
        return received or None
    stored = _storable(received)
    if stored != received:
        raise _UnreadableError(NOT_STORABLE, stored)
    return received


def _read_error(received: Any) -> str | None:
    return None if received == "No Error" else _read_text(received)


def _read_integer(received: Any) -> int:
    if type(received) is int:
        number = received
    elif (type(received) is str and _DIGITS.fullmatch(received)) or (type(received) is float and received.is_integer()):
        number = int(received)
    else:
        raise _UnreadableError(NOT_AN_INTEGER)
    if 0 <= number <= _INT64_MAX:
        return number
    raise _UnreadableError(NOT_AN_INTEGER)


def _read_boolean(received: Any) -> bool:
    try:
        return _BOOLEANS[received]
    except (KeyError, TypeError):  # TypeError: an array or an object cannot be a key
        raise _UnreadableError(NOT_A_BOOLEAN) from None


def _read_time(zone: tzinfo, received: Any) -> int | None:
    if type(received) is not str:
        raise _UnreadableError(NOT_A_TIME)
    try:
        return parse_instant(received, zone)
    except ValueError:
        raise _UnreadableError(NOT_A_TIME) from None


def _read_scan_time(zone: tzinfo, received: Any) -> int | None:
    """Within a day of the epoch, which covers 1970-01-01 in every time zone, stands for never."""
    instant = _read_time(zone, received)
    return None if instant is not None and abs(instant) < _DAY else instant


# ---- reading the values of many items, each null or of the column's type: None where some are not plain ----


def _plain_texts(received: Sequence[Any]) -> Sequence[Any] | None:
    together = "".join(filter(None, received))
    if not together.isascii() or "\0" in together:
        return None
    return received if all(received) else [text or None for text in received]


def _plain_errors(received: Sequence[Any]) -> Sequence[Any] | None:
    texts = _plain_texts(received)
    return None if texts is None else [None if text == "No Error" else text for text in texts]


def _plain_image_ids(received: Sequence[Any]) -> Sequence[Any] | None:
    usable = _plain_texts(received) is received and all(map(str.strip, received))
    return received if usable and max(map(len, received)) <= _ID_LENGTH else None


def _plain_integers(received: Sequence[Any]) -> Sequence[Any] | None:
    numbers = [*filter(None, received), 0]
    return received if min(numbers) == 0 and max(numbers) <= _INT64_MAX else None


def _plain_booleans(received: Sequence[Any]) -> Sequence[Any]:
    return received


def _plain_scan_times(received: Sequence[Any]) -> Sequence[Any] | None:
    instants = parse_plain(received)
    near_epoch = instants is not None and any(instant is not None and abs(instant) < _DAY for instant in instants)
    return None if near_epoch else instants


# ---- columns that follow from another: (received, value) -> the columns after the field's own ----


def _time_parts(received: Any, instant: int | None) -> tuple[str | None]:
    if type(received) is not str or (instant is not None and is_plain_rfc3339(received)) or not received.strip():
        return (None,)
    return (_storable(received),)


def _image_name_parts(_: Any, name: str | None) -> tuple[str | None, ...]:
    return split_image_name(name or "")


def _os_name_parts(_: Any, name: str | None) -> tuple[str | None, ...]:
    return split_os_name(name or "")


# ---- the fields: for each API name its column, how it is read, and what follows from it ----

_COLUMNS = (IMAGES.column("image_id"), *map(IMAGES.column, API_COLUMNS))
_CREATE_TIME, _SCAN_TIME, _SCAN_STATUS = map(API_COLUMNS.index, ("create_time", "scan_time", "scan_status"))
_ERRORS = ("agent_error", "scan_error", "scan_virus_error", "scan_vul_error", "scan_risk_error")

_Read = Callable[[Any], Any]
_Plain = Callable[[Sequence[Any]], Sequence[Any] | None]
_Derive = Callable[[Any, Any], tuple[str | None, ...]]
_DERIVED: dict[str, _Derive] = {
    "image_name": _image_name_parts,
    "create_time": _time_parts,
    "os_name": _os_name_parts,
    "scan_time": _time_parts,
}
_KINDS: dict[str, type] = {"text": str, "bigint": int, "bool": bool, "timestamp": str}


class _Field(NamedTuple):
    """How a field is read into its column, which is the one at `column`, and those that are derived from it.

    `plain` takes what the items of an answer have of it, each null or of the type `kind`; it gives their values, or
    None where some of them need a closer look. Then `read` looks at each one.
    """

    column: int
    kind: type
    plain: _Plain
    read_one: _Read
    derive: _Derive | None

    def read(self, received: Sequence[Any]) -> tuple[list[Sequence[Any]], list[tuple[int, str]]]:
        """The columns, none where all is null; and what could not be read: (place, reason)."""
        kinds = {*map(type, received)} - {NoneType}
        if not kinds:
            return [], []
        values = self.plain(received) if kinds == {self.kind} else None
        faults: list[tuple[int, str]] = []
        if values is None:
            values = [self._look(place, value, faults) for place, value in enumerate(received)]
        elif self.derive is _time_parts:
            return [values], []  # a plain time says it all
        return [values, *(zip(*map(self.derive, received, values), strict=True) if self.derive else ())], faults

    def _look(self, place: int, received: Any, faults: list[tuple[int, str]]) -> Any:
        try:
            return None if received is None else self.read_one(received)
        except _UnreadableError as fault:
            faults.append((place, fault.reason))
            return fault.stored


def _fields(zone: tzinfo) -> dict[str, _Field]:
    by_type: dict[str, tuple[_Plain, _Read]] = {
        "text": (_plain_texts, _read_text),
        "bigint": (_plain_integers, _read_integer),
        "bool": (_plain_booleans, _read_boolean),
        "timestamp": (parse_plain, partial(_read_time, zone)),
    }
    by_name: dict[str, tuple[_Plain, _Read]] = {
        "image_id": (_plain_image_ids, _read_image_id),
        "scan_time": (_plain_scan_times, partial(_read_scan_time, zone)),
        **dict.fromkeys(_ERRORS, (_plain_errors, _read_error)),
    }
    return {
        column.source: _Field(
            index,
            _KINDS[column.type],
            *by_name.get(column.name, by_type[column.type]),
            _DERIVED.get(column.name),
        )
        for index, column in enumerate(_COLUMNS)
        if column.source is not None and not column.derived
    }


# ---- texts and hashes ----


def _row_hash(fields: dict[str, Any]) -> str:
    """Hash of the API's fields by their own names: known ones as typed (instants as integers), others as received.

    Empty ones are left out, and so is what is derived, so that neither a better parser nor a column for a field that
    was unknown (a count, flag or text) makes a new version of an image that did not change.
    """
    return f"{HASH_DEFINITION}:{_digest(json_text(fields).encode())}"


def _hash_of_sorted(fields: dict[str, Any]) -> str:
    """The same of known fields alone, in the order of their names."""
    return f"{HASH_DEFINITION}:{_digest(orjson.dumps(fields))}"


def _digest(text: bytes) -> str:
    return blake2b(text, digest_size=16).hexdigest()


def _is_empty(received: Any) -> bool:
    return received is None or received == ""


def _storable(text: str) -> str:
    """The text itself, or a copy with U+FFFD for what PostgreSQL (NUL) or UTF-8 (a lone surrogate) cannot hold."""
    if text.isascii() and "\0" not in text:
        return text
    return _NOT_STORABLE.sub("\ufffd", text)


def json_text(value: Any) -> str:
    """Compact JSON with sorted keys. Always storable: NUL and lone surrogates are written as escapes."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except orjson.JSONEncodeError:  # a lone surrogate, an integer over 64 bits, or more than 254 levels
        pass
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"))
    except RecursionError:
        return '"(nested too deeply to be written)"'
