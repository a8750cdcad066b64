"""Chooses the row of an image that is listed twice in one answer with different contents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from connector.images.records import Parsed, Record
from connector.listing.page import image_ids_of

Parse = Callable[[Sequence[Any]], Parsed]
"""Parses the items of an answer."""


class Twins:
    """Remembers the rows that lost against another row of the same image, in any answer of the run.

    The choice depends on the contents of the rows, and not on their places: the same rows have the same winner in every
    order, and in every run.
    """

    def __init__(self, parse: Parse) -> None:
        self._parse = parse
        self._losers: set[tuple[str, str]] = set()

    def learn(self, items: Sequence[Any]) -> None:
        """Learn from all items of one answer."""
        ids = image_ids_of(items)
        if len(set(ids)) == len(ids):
            return
        rows: defaultdict[str | None, list[Any]] = defaultdict(list)
        for image_id, item in zip(ids, items, strict=True):
            rows[image_id].append(item)
        for image_id, found in rows.items():
            if image_id is not None and len(found) > 1:
                self._choose([record for record in self._parse(found).records() if isinstance(record, Record)])

    @property
    def idle(self) -> bool:
        """Whether no row has lost so far."""
        return not self._losers

    def rejects(self, record: Record) -> bool:
        """Whether the record's row lost against another row of the same image."""
        return bool(self._losers) and (record.image_id, record.row_hash) in self._losers

    def _choose(self, records: Sequence[Record]) -> None:
        winner = min(records, key=_rank, default=None)
        self._losers |= {(r.image_id, r.row_hash) for r in records if winner and r.row_hash != winner.row_hash}


def _rank(record: Record) -> tuple[Any, ...]:
    """Rank the newest scan first, then the newest image, as in a sweep that shows the rows in different answers; else
    compare the values in the order of the columns, with nulls last."""
    newest = tuple((time is None, -(time or 0)) for time in (record.scan_time, record.create_time))
    return (*newest, *((value is None, value) for value in record.values), record.row_hash)
