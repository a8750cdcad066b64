"""Numbers the rows of a set, so that rows that may be one row have one number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connector.wire import encode


class Numbering:
    """Numbers rows from 0 in the order in which they are first seen. Rows that agree in `fields`, which identify a row,
    have one number; a field that is missing is null. A row that is no object is compared whole.

    Other fields may differ between two answers that show the same row: a time, labels in another order, a field that
    this release does not know. Such a row would else count twice, in the place of a row that was never shown.
    """

    def __init__(self, fields: Sequence[str]) -> None:
        self._fields = fields
        self._numbers: dict[Any, int] = {}

    def of(self, item: Any) -> int:
        """Return the row's number."""
        if not isinstance(item, dict):
            return self._number(encode(item))
        same = tuple(map(item.get, self._fields))
        try:
            return self._number((same, *map(type, same)))  # 1, 1.0 and True are equal, and are not the same value
        except TypeError:  # an array is no key
            return self._number((encode(same),))

    def _number(self, key: Any) -> int:
        return self._numbers.setdefault(key, len(self._numbers))
