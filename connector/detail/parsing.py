"""Parses items of any action into values of a table's columns, by each column's `source` and type.

A value that does not fit its column becomes null there, and a `Rejected`; a field that no column takes goes into
`extra`. Nothing here raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import tzinfo
from functools import partial
from typing import Any, NamedTuple

from connector.images.fields import (
    LONGEST,
    NOT_STORABLE,
    TOO_LARGE,
    RejectedError,
    parse_boolean,
    parse_integer,
    parse_text,
    parse_time,
)
from connector.tables import Column
from connector.wire import decode, encode, storable

NOT_A_NUMBER = "not a number"
NOT_AN_OBJECT = "in a field that is no object"
NEVER = 86_400_000_000  # microseconds around the epoch that stand for never
MOST_FAMILIAR = 1_000  # orders of an item's fields
Item = Mapping[str, Any]


class Rejected(NamedTuple):
    """Describes a value that does not fit its column; `raw` is the value's JSON."""

    column_name: str
    raw: str
    reason: str


class ColumnParser:
    """Parses the columns that have a source and are not derived. `others` are other known fields."""

    def __init__(self, columns: Iterable[Column], zone: tzinfo, *, others: Iterable[str] = ()) -> None:
        parsed = [column for column in columns if column.source is not None and not column.derived]
        self._fields = [(column.name, str(column.source).split("."), _parser(column, zone)) for column in parsed]
        self._familiar: set[tuple[str, ...]] = set()  # fields that are all known, in the order of an item
        self._known = frozenset((*(path[0] for _, path, _ in self._fields), *others))
        self._inner: dict[str, set[str]] = {}  # fields of objects that are fields
        for outer, inner in (path for _, path, _ in self._fields if len(path) > 1):
            self._inner.setdefault(outer, set()).add(inner)

    def parse(self, item: Item) -> tuple[dict[str, Any], list[Rejected]]:
        """Return the values by column, nulls included, and what was rejected."""
        values: dict[str, Any] = {}
        rejected: list[Rejected] = []
        for name, path, parse in self._fields:
            received, is_inside = _at(item, path)
            try:
                values[name] = (
                    None if received is None or received == "" else (parse if is_inside else _refuse)(received)
                )
            except RejectedError as error:
                values[name] = error.stored
                rejected.append(Rejected(name, encode(received)[:LONGEST], error.reason))
        return values, rejected

    def unknown(self, item: Item) -> str | None:
        """Return the unknown fields, as JSON of any length (`not_too_long`); None if there are none."""
        fields = tuple(item)
        others: dict[str, Any] = {}
        if fields not in self._familiar:
            others = {name: item[name] for name in item.keys() - self._known}
            if not others and len(self._familiar) < MOST_FAMILIAR:
                self._familiar.add(fields)
        for name, known in self._inner.items():
            outer = item.get(name)
            if isinstance(outer, dict) and not outer.keys() <= known:
                others[name] = {inner: outer[inner] for inner in outer.keys() - known}
        return encode(others) if others else None


def not_too_long(name: str, text: str | None, rejected: list[Rejected]) -> str | None:
    """Return the JSON text of a column, or null and a `Rejected` if no statement of every database could hold it."""
    if text is None or len(text) <= LONGEST:
        return text
    rejected.append(Rejected(name, text[:LONGEST], TOO_LARGE))
    return None


def _at(item: Any, path: list[str]) -> tuple[Any, bool]:
    """Return the value at the path and True, or a value on the way there that is no object, and False."""
    for name in path:
        if not isinstance(item, dict):
            return item, False
        item = item.get(name)
    return item, True


def _refuse(_: Any) -> Any:
    raise RejectedError(NOT_AN_OBJECT)


def _parser(column: Column, zone: tzinfo) -> Callable[[Any], Any]:
    if column.is_json:
        return _parse_json
    parsers: dict[str, Callable[[Any], Any]] = {
        "text": partial(_parse_text, column.precision or LONGEST),
        "bigint": parse_integer,
        "double": _parse_double,
        "bool": parse_boolean,
        "timestamp": partial(_parse_time_or_never, zone),
    }
    return parsers[column.type]


def _parse_text(longest: int, received: Any) -> str | None:
    text = parse_text(received)
    if text is not None and len(text) > longest:
        raise RejectedError(f"longer than {longest:,} characters")
    return text


def _parse_json(received: Any) -> str | None:
    """Parse an array, an object, or a text of JSON; another text is stored as a JSON string."""
    if isinstance(received, str):
        try:
            received = decode(received)
        except ValueError:
            if storable(received) != received:
                raise RejectedError(NOT_STORABLE, encode(storable(received))) from None
    if received in ([], {}):
        return None
    text = encode(received)
    if len(text) > LONGEST:
        raise RejectedError(TOO_LARGE)
    return text


def _parse_double(received: Any) -> float:
    try:
        odd = isinstance(received, str) and ("_" in received or not received.isascii())  # Python reads `9_8` as 98
        if isinstance(received, str | int | float) and not isinstance(received, bool) and not odd:
            number = float(received)
            if number - number == 0:  # neither infinite nor NaN
                return number
    except ValueError:
        pass
    raise RejectedError(NOT_A_NUMBER)


def _parse_time_or_never(zone: tzinfo, received: Any) -> int | None:
    instant = parse_time(zone, received)
    return None if instant is None or abs(instant) < NEVER else instant
