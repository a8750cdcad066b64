"""Holds what one answer of a list shows, and in which orders its rows may be sorted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count, pairwise
from operator import itemgetter
from statistics import median_low
from typing import Any, NamedTuple

from connector.listing.query import Answer
from connector.wire import is_storable

FAR = 1 << 62  # beyond every instant in microseconds

_COUNT = re.compile(r"(\d{1,18})(?:\.0)?", re.ASCII)
_moments = count(1)
_IMAGE_ID = itemgetter("ImageID")


def moment() -> int:
    """Return a greater number at each call: a logical clock."""
    return next(_moments)


ValuesOf = Callable[[Sequence[Mapping[str, Any]]], Sequence[int | None]]
"""Gives the sort values of items, None for null. Raises ValueError where a value cannot be parsed."""


class Order(NamedTuple):
    """A way in which a server may sort: ascending (1) or descending (-1), nulls first (-FAR) or last (FAR)."""

    sign: int
    null: int

    def key(self, value: int | None) -> int:
        return self.null if value is None else self.sign * value


ASCENDING = (Order(1, -FAR), Order(1, FAR))
DESCENDING = (Order(-1, -FAR), Order(-1, FAR))


@dataclass(frozen=True)
class Page:
    """One answer. `rows` are (sort value, image id) of the items whose sort value and id can be parsed, in order.

    `sent` and `came` are moments of a logical clock: when the request went, and when the answer was there.
    """

    offset: int
    items: Sequence[Any]
    total: int | None
    request_id: str | None
    rows: Sequence[tuple[int | None, str]]
    sent: int = field(default=0, compare=False)
    came: int = field(default=0, compare=False)

    @property
    def end(self) -> int:
        return self.offset + len(self.items)

    @property
    def reaches_total(self) -> bool:
        return self.total is not None and self.end >= self.total

    @cached_property
    def values(self) -> dict[str, int | None]:
        return {image_id: value for value, image_id in self.rows}

    def last(self, order: Order) -> int:
        return order.key(self.rows[-1][0])

    def is_sorted(self, order: Order) -> bool:
        keys = [order.null if value is None else order.sign * value for value, _ in self.rows]
        return keys == sorted(keys)

    @property
    def reach_back(self) -> int | None:
        """Count the rows from the page's end back to the last row with another value than the page's last value.

        In a sorted page, that row is the last row strictly before the last value. None where all values are equal.
        """
        for back, (value, _) in enumerate(reversed(self.rows), start=1):
            if value != self.rows[-1][0]:
                return back + len(self.items) - len(self.rows)
        return None

    def reaches(self) -> list[int]:
        """Return, for each row that has a different value before it, what `reach_back` would be at that row."""
        if len({value for value, _ in self.rows}) == len(self.rows):
            return [2] * (len(self.rows) - 1)
        found, run = [], 0
        for (before, _), (value, _) in pairwise(self.rows):
            run = 2 if before != value else run + 1 if run else 0
            found += [run] if run else []
        return found

    @property
    def repeats(self) -> bool:
        """Whether an image is in the page more than once."""
        return len(self.places) < len(self.rows)

    @property
    def repeated(self) -> dict[str, int]:
        """Count, per image that is in the page more than once, the rows beyond the first."""
        if not self.repeats:
            return {}
        return {image_id: rows - 1 for image_id, rows in Counter(i for _, i in self.rows).items() if rows > 1}

    @property
    def ids(self) -> Iterable[str]:
        """The ids of all items that have one."""
        return self.places if len(self.rows) == len(self.items) else filter(None, map(image_id_of, self.items))

    @cached_property
    def places(self) -> dict[str, int]:
        return {image_id: place for place, (_, image_id) in enumerate(self.rows)}

    @property
    def turned(self) -> Page:
        """Return the page in the opposite order, as if the page ended the list."""
        end = max(self.total or 0, len(self.items))
        return replace(self, offset=end - len(self.items), items=self.items[::-1], rows=self.rows[::-1])

    @property
    def distinct(self) -> Page:
        """Return the page with one row per image."""
        places = {image_id: place for place, (_, image_id) in reversed([*enumerate(self.rows)])}
        return replace(self, rows=[self.rows[place] for place in sorted(places.values())]) if self.repeats else self

    def nameless(self) -> list[int]:
        """Return the places (offsets in the list) of items without a usable id."""
        if len(self.rows) == len(self.items):
            return []
        return [self.offset + place for place, item in enumerate(self.items) if image_id_of(item) is None]

    def place_where(self, begins: Callable[[int], bool]) -> int | None:
        """Return the place in the list of the first row with such a value, if the page shows the row before it. None
        where a row before it has no value, or where a row cannot be parsed."""
        if len(self.rows) != len(self.items):
            return None
        place = next((place for place, (value, _) in enumerate(self.rows) if value is None or begins(value)), 0)
        return self.offset + place if place and self.rows[place][0] is not None else None

    def shift_to(self, page: Page) -> int | None:
        """Count the rows by which deletions moved the list between this page and `page`; None without a shared row."""
        moved = self.offset - page.offset
        shared = self.places.keys() & page.places.keys()
        shifts = [moved + self.places[image_id] - page.places[image_id] for image_id in shared]
        return median_low(shifts) if shifts else None


def text_of(item: Any, name: str) -> str | None:
    """Return the text of an item's field, None where the field is missing or no text."""
    text = item.get(name) if isinstance(item, dict) else None
    return text if isinstance(text, str) else None


def image_id_of(item: Any) -> str | None:
    """Return the item's ImageID, None where it is missing or cannot serve as a key."""
    image_id = text_of(item, "ImageID")
    return image_id if image_id and is_storable(image_id) else None


def image_ids_of(items: Sequence[Any]) -> list[str | None]:
    """Return `image_id_of` each item. Most answers need no look at single ids."""
    try:
        ids = list(map(_IMAGE_ID, items))
        together = "".join(ids)
    except (TypeError, LookupError):
        return list(map(image_id_of, items))
    return ids if all(ids) and is_storable(together) else list(map(image_id_of, items))


def page_of(answer: Answer, offset: int, values_of: ValuesOf, sent: int = 0) -> Page:
    """Make a page of an answer of a list action. A missing or null `List` counts as empty; a bad TotalCount is None.

    `sent` is the `moment` before the request.
    """
    came = moment()
    items = answer.response.get("List")
    items = items if isinstance(items, list) else []
    total = count_of(answer.response.get("TotalCount"))
    return Page(offset, items, total, answer.request_id, _rows(items, values_of), sent or came, came)


def count_of(total: Any) -> int | None:
    """Parse TotalCount, also from a text or a number with a decimal point; None where it is no count."""
    if isinstance(total, bool) or not isinstance(total, int | float | str):
        return None
    if isinstance(total, int):
        return total if 0 <= total < 10**18 else None
    match = _COUNT.fullmatch(str(total))
    return int(match[1]) if match else None


def _rows(items: Sequence[Any], values_of: ValuesOf) -> Sequence[tuple[int | None, str]]:
    ids = image_ids_of(items)
    known = items if all(ids) else [item for item, image_id in zip(items, ids, strict=True) if image_id is not None]
    try:
        values = values_of(known)
    except ValueError:
        if len(known) == 1:
            return ()  # a sort value cannot be parsed, so the page says nothing for or against any order
        return tuple(row for item in known for row in _rows([item], values_of))
    return tuple(zip(values, filter(None, ids), strict=True))
