"""Parses fields into columns: the plain values of an answer all at once, and every other value by itself.

The fields are those of `tables.py`: a column's type says how its field is parsed. An empty text is null in every
column, and so is a rejected value. Pure.
"""

import re
from collections.abc import Callable, Sequence
from datetime import tzinfo
from functools import partial
from types import NoneType
from typing import Any, NamedTuple

from connector.images.names import split_image_name, split_os_name
from connector.images.times import is_plain_rfc3339, parse_instant, parse_plain
from connector.tables import API_COLUMNS, IMAGES
from connector.wire import is_storable, storable

COLUMNS = (IMAGES.column("image_id"), *map(IMAGES.column, API_COLUMNS))

NO_IMAGE_ID = "no usable ImageID: not a text, blank, too long for its column, or with NUL or a lone surrogate"
NOT_A_TEXT = "not a text"
NOT_STORABLE = "NUL or a lone surrogate: U+FFFD stands for it in the column"
GREATEST = 2**53
"""The greatest integer that is stored: a double holds each integer up to it, and 64 bits the sum of a thousand."""
NOT_AN_INTEGER = "not an integer from 0 to 9223372036854775807"
TOO_GREAT = f"greater than {GREATEST}"
NOT_A_BOOLEAN = "not true or false"
NOT_A_TIME = "not a time in a known shape"
LONGEST = 200_000
"""The most characters of a stored value: all texts of an image together fit into one statement of any database."""
TOO_LARGE = f"longer than {LONGEST:,} characters"


# ---- parsing one value: None for "nothing there", RejectedError for what does not fit the column ----

_ID_LENGTH = IMAGES.column("image_id").precision or 0
_INT64_MAX = 2**63 - 1
_DOUBLE_MAX = GREATEST - 1  # above this, one double stands for several integers
_DAY = 86_400_000_000
_DIGITS = re.compile(r"[0-9]{1,19}")
_BOOLEANS = {True: True, False: False, "true": True, "false": False}  # 1 and 0 are the keys True and False


class RejectedError(Exception):
    """A value does not fit its column; `stored` is what the column gets in its place."""

    def __init__(self, reason: str, stored: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.stored = stored


def _parse_image_id(received: Any) -> str:
    if type(received) is str and received.strip() and len(received) <= _ID_LENGTH and is_storable(received):
        return received
    raise RejectedError(NO_IMAGE_ID)


def parse_text(received: Any) -> str | None:
    """Parse a text; None for an empty text."""
    if type(received) is not str:
        raise RejectedError(NOT_A_TEXT)
    if len(received) > LONGEST:
        raise RejectedError(TOO_LARGE)
    if not is_storable(received):
        raise RejectedError(NOT_STORABLE, storable(received))
    return received or None


def _parse_error(received: Any) -> str | None:
    return None if received == "No Error" else parse_text(received)


def parse_integer(received: Any) -> int:
    """Parse an integer, also from a text."""
    if type(received) is int:
        number = received
    elif (type(received) is str and _DIGITS.fullmatch(received)) or (type(received) is float and received.is_integer()):
        number = int(received)
    else:
        raise RejectedError(NOT_AN_INTEGER)
    if not 0 <= number <= (_DOUBLE_MAX if type(received) is float else _INT64_MAX):
        raise RejectedError(NOT_AN_INTEGER)
    if number > GREATEST:
        raise RejectedError(TOO_GREAT)
    return number


def parse_boolean(received: Any) -> bool:
    """Parse a truth value, also from a text or from 0 and 1."""
    try:
        return _BOOLEANS[received]
    except (KeyError, TypeError):  # TypeError: an array or an object cannot be a key
        raise RejectedError(NOT_A_BOOLEAN) from None


def parse_time(zone: tzinfo, received: Any) -> int | None:
    """Parse a time to microseconds; a time without an offset is of `zone`."""
    if type(received) is not str:
        raise RejectedError(NOT_A_TIME)
    if len(received) > LONGEST:
        raise RejectedError(TOO_LARGE)
    try:
        return parse_instant(received, zone)
    except ValueError:
        raise RejectedError(NOT_A_TIME) from None


def _parse_scan_time(zone: tzinfo, received: Any) -> int | None:
    """Parse a ScanTime. A time within a day of the epoch, which covers 1970-01-01 in every time zone, means never."""
    instant = parse_time(zone, received)
    return None if instant is not None and abs(instant) < _DAY else instant


# ---- parsing all values of a field in an answer, each null or of the column's type: None where some are not plain ----


def _plain_texts(received: Sequence[Any]) -> Sequence[Any] | None:
    together = "".join(filter(None, received))
    if not is_storable(together):
        return None
    if len(together) > LONGEST and max(map(len, filter(None, received))) > LONGEST:
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
    return received if min(numbers) == 0 and max(numbers) <= GREATEST else None


def _plain_booleans(received: Sequence[Any]) -> Sequence[Any]:
    return received


def _plain_scan_times(received: Sequence[Any]) -> Sequence[Any] | None:
    instants = parse_plain(received)
    near_epoch = instants is not None and any(instant is not None and abs(instant) < _DAY for instant in instants)
    return None if near_epoch else instants


# ---- derived columns: (received, value) -> the columns after the field's own column ----


def _time_parts(received: Any, instant: int | None) -> tuple[str | None]:
    if type(received) is not str or (instant is not None and is_plain_rfc3339(received)) or not received.strip():
        return (None,)
    if len(received) > LONGEST:
        return (None,)
    return (storable(received),)


def _image_name_parts(_: Any, name: str | None) -> tuple[str | None, ...]:
    return split_image_name(name or "")


def _os_name_parts(_: Any, name: str | None) -> tuple[str | None, ...]:
    return split_os_name(name or "")


# ---- the fields: for each API name its column, how it is parsed, and what follows from it ----

_ERRORS = ("agent_error", "scan_error", "scan_virus_error", "scan_vul_error", "scan_risk_error")

_Parse = Callable[[Any], Any]
_Plain = Callable[[Sequence[Any]], Sequence[Any] | None]
_Derive = Callable[[Any, Any], tuple[str | None, ...]]
_DERIVED: dict[str, _Derive] = {
    "image_name": _image_name_parts,
    "create_time": _time_parts,
    "os_name": _os_name_parts,
    "scan_time": _time_parts,
}
_KINDS: dict[str, type] = {"text": str, "bigint": int, "bool": bool, "timestamp": str}


class Field(NamedTuple):
    """How a field is parsed into its column, at place `column` in `COLUMNS`, and into the derived columns after it.

    `plain` takes the field's values in an answer, each null or of the type `kind`, and returns the parsed values, or
    None where some of them need a closer look. Then `parse_one` parses each value that is not null. `derive` gives the
    derived columns of a value, `derive_plain` the derived columns of a plain value.
    """

    column: int
    kind: type
    plain: _Plain
    parse_one: _Parse
    derive: _Derive | None
    derive_plain: _Derive | None

    def parse(self, received: Sequence[Any]) -> tuple[list[Sequence[Any]], list[tuple[int, str]]]:
        """Return the columns, none if all values are null, and the rejected values: (place in the answer, reason)."""
        kinds = {*map(type, received)} - {NoneType}
        if not kinds:
            return [], []
        rejects: list[tuple[int, str]] = []
        values, derive = self.plain(received) if kinds == {self.kind} else None, self.derive_plain
        if values is None:
            values, derive = [self._look(place, value, rejects) for place, value in enumerate(received)], self.derive
        return [values, *(zip(*map(derive, received, values), strict=True) if derive else ())], rejects

    def _look(self, place: int, received: Any, rejects: list[tuple[int, str]]) -> Any:
        try:
            return None if received is None else self.parse_one(received)
        except RejectedError as error:
            rejects.append((place, error.reason))
            return error.stored


def api_fields(zone: tzinfo) -> dict[str, Field]:
    """Return the fields by the API's names, in the order of their columns; times without an offset are of `zone`."""
    by_type: dict[str, tuple[_Plain, _Parse]] = {
        "text": (_plain_texts, parse_text),
        "bigint": (_plain_integers, parse_integer),
        "bool": (_plain_booleans, parse_boolean),
        "timestamp": (parse_plain, partial(parse_time, zone)),
    }
    by_name: dict[str, tuple[_Plain, _Parse]] = {
        "image_id": (_plain_image_ids, _parse_image_id),
        "scan_time": (_plain_scan_times, partial(_parse_scan_time, zone)),
        **dict.fromkeys(_ERRORS, (_plain_errors, _parse_error)),
    }
    return {
        column.source: Field(
            index,
            _KINDS[column.type],
            *by_name.get(column.name, by_type[column.type]),
            _DERIVED.get(column.name),
            # A plain time needs no copy of its text, because the instant contains all of it.
            None if column.type == "timestamp" else _DERIVED.get(column.name),
        )
        for index, column in enumerate(COLUMNS)
        if column.source is not None and not column.derived
    }
