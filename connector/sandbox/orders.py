"""Keeps sorted columns over a fleet's rows up to date row by row, and takes pages from them.

A column is a list of (value, seq) in ascending order: `seq` is the number of the row's arrival, and the tie-break.
"""

from bisect import bisect_left, insort
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Literal

from connector.sandbox.images import DAY, Item, instant_of

Entry = tuple[int, int]
Nulls = Literal["lowest", "first", "last", "interleaved"]

INSERTION = "insertion"
NULL = -(1 << 80)

TIMES = frozenset({"CreateTime", "ScanTime"})

# From this many changed rows on, sorting anew is cheaper than moving each row.
BULK = 500


@dataclass(slots=True)
class Row:
    """Holds a listed image: its place in the order of arrival, the revision since when it is listed, its contents.

    `item` is never changed in place; a change puts a new item there, so that a reference to the old item stays valid.
    """

    seq: int
    since: int
    item: Item


@dataclass(frozen=True)
class Sort:
    """Says how a list is sorted: `column` is a field's name or INSERTION."""

    column: str = INSERTION
    descending: bool = False
    nulls: Nulls = "lowest"

    @property
    def key(self) -> str:
        """The name of the column with this order."""
        spread = self.nulls == "interleaved" and self.column != INSERTION
        return f"{self.column}~" if spread else self.column


def sort_value(key: str, item: Item, seq: int) -> int:
    """Return the whole number of an item in a column: an instant, a count, or NULL for an empty field.

    A key that ends in `~` places empty fields among the others (a server that sorts them by something else).
    """
    if key == INSERTION:
        return seq
    name = key.rstrip("~")
    raw = item.get(name)
    value = instant_of(raw) if name in TIMES else raw
    if isinstance(value, int):
        return int(value)
    if not key.endswith("~"):
        return NULL
    scattered = seq * 2654435761 % 2**32
    if name not in TIMES:
        return scattered % 10
    return (instant_of(item.get("CreateTime")) or 0) + 900 * DAY * scattered // 2**32


class Orders:
    """Keeps the sorted columns of a table of rows. A column is built at its first use."""

    def __init__(self, rows: Mapping[int, Row]) -> None:
        self._rows = rows
        self._columns: dict[str, list[Entry]] = {}
        self.column(INSERTION)

    def column(self, key: str) -> list[Entry]:
        """Return all rows as (value, seq), ascending. The list is not a copy: callers must not change it."""
        entries = self._columns.get(key)
        if entries is None:
            entries = sorted((sort_value(key, row.item, seq), seq) for seq, row in self._rows.items())
            self._columns[key] = entries
        return entries

    def expect(self, changes: int) -> None:
        """Prepare for so many changed rows: drop the columns that are cheaper to sort anew."""
        if changes >= BULK:
            self._columns = {INSERTION: self.column(INSERTION)}

    def move(self, seq: int, old: Item | None, new: Item | None) -> None:
        """Move row `seq` from the place of the contents `old` (None: a new row) to the place of `new` (None: gone)."""
        for key, entries in self._columns.items():
            before = None if old is None else (sort_value(key, old, seq), seq)
            after = None if new is None else (sort_value(key, new, seq), seq)
            if before == after:
                continue
            if before is not None:
                entries.pop(bisect_left(entries, before))
            if after is not None:
                insort(entries, after)


def page(entries: list[Entry], sort: Sort, span: tuple[int, int], shuffle: Random | None = None) -> list[int]:
    """Return the seqs of the rows from `span[0]` up to, but without, `span[1]` of the sorted list.

    With `shuffle`, rows of equal value get a new order at every call (as in databases without a tie-break).
    """
    start, stop = span[0], min(span[1], len(entries))
    seqs: list[int] = []
    for low, high in _parts(entries, sort):
        size = high - low
        first, last = max(start, 0), min(stop, size)
        if first < last:
            piece = (high - last, high - first) if sort.descending else (low + first, low + last)
            found = _shuffled(entries, piece, shuffle) if shuffle else [seq for _, seq in entries[slice(*piece)]]
            seqs += reversed(found) if sort.descending else found
        start, stop = start - size, stop - size
    return seqs


def _parts(entries: list[Entry], sort: Sort) -> list[tuple[int, int]]:
    """Return index ranges of an ascending column, in the order of the list (each range may be reversed)."""
    end = len(entries)
    nulls_first = not sort.descending if sort.nulls in ("lowest", "interleaved") else sort.nulls == "first"
    if nulls_first != sort.descending:
        return [(0, end)]
    split = bisect_left(entries, (NULL + 1,))
    return [(0, split), (split, end)] if nulls_first else [(split, end), (0, split)]


def _shuffled(entries: list[Entry], piece: tuple[int, int], shuffle: Random) -> list[int]:
    """Return entries[piece], with each whole group of equal values shuffled."""
    low = bisect_left(entries, (entries[piece[0]][0],))
    high = bisect_left(entries, (entries[piece[1] - 1][0] + 1,))
    seqs = [seq for _, seq in entries[low:high]]
    start = 0
    for end in range(1, len(seqs) + 1):
        if end == len(seqs) or entries[low + end][0] != entries[low + start][0]:
            if end - start > 1:
                group = seqs[start:end]
                shuffle.shuffle(group)
                seqs[start:end] = group
            start = end
    return seqs[piece[0] - low : piece[1] - low]
