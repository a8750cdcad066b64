"""Numbers the rows of a set, so that equal rows have one number.

A row has a kilobyte of texts. So rows are first told apart by a few short fields, and only rows that agree in these
fields are compared whole.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence, Set
from operator import itemgetter
from typing import Any

from connector.wire import encode

Item = Mapping[str, Any]


class Numbering:
    """Numbers rows from 0 in the order in which they are first seen. Rows that differ in `volatile` fields only have
    one number: such a row, shown before and after the change, would else count twice, in the place of a row that was
    never shown. `fields` are the short fields, of which none is volatile."""

    def __init__(self, fields: Sequence[str], volatile: Set[str] = frozenset()) -> None:
        self._volatile = volatile
        self._short = itemgetter(*fields)
        self._new = itertools.count()
        self._first: dict[Any, tuple[int, Item]] = {}  # by short fields: the first such row, with its number
        self._whole: dict[str, int] = {}  # numbers of rows that were compared whole

    def of(self, item: Any) -> int:
        """Return the row's number."""
        try:
            short = self._short(item)
            known = self._first.get(short)
        except (KeyError, TypeError):  # the row is no object, has not all fields, or an array in one
            return self._compared(item)
        if known is None:
            number = next(self._new)
            self._first[short] = number, item
            return number
        number, first = known
        self._whole.setdefault(self._key(first), number)
        return self._compared(item)

    def _compared(self, item: Any) -> int:
        key = self._key(item)
        number = self._whole.get(key)
        if number is None:
            number = self._whole[key] = next(self._new)
        return number

    def _key(self, item: Any) -> str:
        if self._volatile and isinstance(item, dict):
            item = {name: value for name, value in item.items() if name not in self._volatile}
        return encode(item)
