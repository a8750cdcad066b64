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
        self._numbers: dict[str, int] = {}

    def of(self, item: Any) -> int:
        """Return the row's number."""
        same = {name: item.get(name) for name in self._fields} if isinstance(item, dict) else item
        return self._numbers.setdefault(encode(same), len(self._numbers))
