"""Reads one image's set of findings, until the answers prove the set whole, or show that they cannot.

One answer is a snapshot; if the answer is full, another one has to show that no row follows. A set of several answers
is whole in one of three ways, with one TotalCount in all of them:

- In order: each page begins with the rows that ended the page before it, and the rows make up TotalCount.
- In parts: a filter splits the set into lists whose TotalCounts make up that of the set, before them and after them,
  each a snapshot or united.
- United: passes in alternating directions have shown as many distinct rows as TotalCount says, or two of them, whose
  pages begin at other places, have shown one order (`sequences`).

Rows that agree in what identifies a finding, and in the level, count as often as they occur within one answer, whatever
else they have: a row may be written otherwise in another answer. That the number of rows is TotalCount proves nothing:
where rows of equal sort values change places between two requests, some come twice and some never.

Assumed is that a set which changes without a scan, while several answers are read, changes its TotalCount.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from connector.detail.numbering import Numbering
from connector.detail.sequences import is_one_order
from connector.errors import RequestRejectedError, ResponseTooLargeError
from connector.listing.page import count_of
from connector.listing.query import MAX_LIMIT, Answer
from connector.tables import Aspect
from connector.wire import encode

OVERLAP = 3  # rows that two pages share: as many equal rows may stand where a page ends
PASSES = 8  # over one list whose rows are united
LEAST_SHARED = MAX_LIMIT // 4  # rows of a page
TRIES = 3  # reads of a set whose TotalCount moves meanwhile
MOST_ROWS = 200_000  # of one set: what claims more is not read to its end
DIRECTIONS = (("desc", "asc"), ("-", "+"), (None, None))
"""Spellings of Order: the API's page has signs, its samples have words. What a server refuses is not asked again."""

Fetch = Callable[[dict[str, Any]], Answer]
Item = Mapping[str, Any]


@dataclass
class Manner:
    """Holds what was learnt of how an action can be asked. All sets of an aspect share the object, in all threads. The
    limit is at least LEAST_SHARED: one image may have larger rows than all others."""

    limit: int = MAX_LIMIT
    spelling: int = 0


@dataclass
class ReadSet:
    """Holds a set that was read. `rows` are the items, equal items as often as they count; `whole` says that no item is
    missing, `reason` why that is so, or not. `total` is TotalCount; None for a whole set: one empty answer without a
    TotalCount."""

    rows: list[Item] = field(default_factory=list)
    total: int | None = None
    whole: bool = False
    reason: str = ""
    requests: int = 0


class _MovedError(Exception):
    """Says that TotalCount was not the same in all answers, or is no count, or the scan of the set has not ended."""


@dataclass
class _Page:
    items: list[Any]
    total: int
    numbering: Numbering
    is_counted: bool = True

    @cached_property
    def numbers(self) -> list[int]:
        return [*map(self.numbering.of, self.items)]


class SetReader:
    """Reads the sets of one aspect. Raises what `fetch` raises, but for sorts that a server refuses and pages that are
    too large. Safe for concurrent use."""

    def __init__(self, fetch: Fetch, aspect: Aspect, manner: Manner | None = None) -> None:
        self._fetch, self._aspect = fetch, aspect
        self._manner = manner or Manner()

    def read(self, image_id: str) -> ReadSet:
        """Read the image's set."""
        reading = _Reading(self._fetch, self._aspect, self._manner, image_id)
        found = ReadSet()
        for _ in range(TRIES):
            try:
                found = reading.once()
                break
            except _MovedError as moved:
                found = ReadSet(reason=str(moved))
        found.requests = reading.requests
        return found


class _Reading:
    """Sends the requests for one image's set."""

    def __init__(self, fetch: Fetch, aspect: Aspect, manner: Manner, image_id: str) -> None:
        self._fetch, self._aspect, self._manner, self._image_id = fetch, aspect, manner, image_id
        self._numbering = self._new_numbering()
        self._limit = manner.limit
        self.requests = 0

    def once(self) -> ReadSet:
        self._numbering = self._new_numbering()
        first = self._page(0)
        if first.total <= len(first.items):
            self._require_end(first, len(first.items))
            return _snapshot(first)
        if first.total > MOST_ROWS:
            return ReadSet(total=first.total, reason=f"TotalCount is {first.total}, more than is read of an image")
        union = _Union.of(first)
        if self._in_order(first, union):
            return union.whole("in order")
        return self._in_parts(first.total) or self._united(union)

    def _new_numbering(self) -> Numbering:
        return Numbering(self._aspect.identity_fields)

    def _in_order(self, page: _Page, union: _Union) -> bool:
        """Make one pass, each page from the last rows of the page before. Returns whether every seam closed."""
        closed, end = True, len(page.items)
        while end < union.total and len(page.items) > OVERLAP:
            following = self._page(end - OVERLAP, total=union.total)
            closed = closed and following.numbers[:OVERLAP] == page.numbers[-OVERLAP:]
            union.add(following)
            page, end = following, end - OVERLAP + len(following.items)
        if not (closed and union.is_full and end == union.total):
            return False
        self._require_end(page, end)
        return True

    def _require_end(self, page: _Page, end: int) -> None:
        """Raise _MovedError if rows follow the last page, where TotalCount says that none do. A page with fewer rows
        than were asked for is the last one; so a TotalCount that counts the rows of its answer is noticed."""
        if len(page.items) >= self._limit and len(self._page(end - 1, total=page.total).items) > 1:
            raise _MovedError(f"TotalCount is {page.total}, and rows follow after as many")

    def _in_parts(self, total: int) -> ReadSet | None:
        """Read the set by the values of the filter; None if the parts do not make up the set."""
        name, values = self._aspect.split
        filters = [[{"Name": name, "Values": [value]}] for value in values]
        try:
            parts = [_Union.of(self._page(0, filters=each)) for each in filters]
        except RequestRejectedError:
            return None
        if sum(part.total for part in parts) != total:
            return None
        for part, each in zip(parts, filters, strict=True):
            if not part.is_full and not self._unite(part, each):
                return part.lacking()
        if len(set().union(*(part.numbers for part in parts))) != sum(len(part.numbers) for part in parts):
            return None  # a row that two parts have takes the place of another one
        self._page(0, total=total)  # the set may have changed between two parts
        return ReadSet([row for part in parts for row in part.rows()], total, True, f"in {len(parts)} parts")

    def _united(self, union: _Union) -> ReadSet:
        return union.whole("united") if self._unite(union, None) else union.lacking()

    def _unite(self, union: _Union, filters: Any) -> bool:
        """Make passes in alternating directions, until all rows were shown, or two passes have shown one order."""
        before: list[int] = []
        for number in range(PASSES):
            items: list[Any] = []
            for offset, page in self._pass(union.total, number % 2, filters, halves=number % 4 == 2):
                union.add(page)
                if union.is_full:
                    return True
                items[offset:] = page.items
            if number % 2 == 0:
                numbers, ties = [*map(self._numbering.of, items)], [encode(self._tie(item)) for item in items]
                if len(items) == union.total and is_one_order(numbers, before, ties):
                    union.place(numbers, items)
                    return True
                before = numbers
        return False

    def _tie(self, item: Any) -> Any:
        return item.get(self._aspect.by) if isinstance(item, dict) else None

    def _pass(self, total: int, direction: int, filters: Any, *, halves: bool) -> Iterator[tuple[int, _Page]]:
        """Yield the offsets and pages of a pass; with `halves`, the second page begins in the middle of the first."""
        offset = 0
        while offset < total:
            page = self._page(offset, total=total, direction=direction, filters=filters)
            yield offset, page
            if not page.items:
                return
            offset += len(page.items) // 2 if halves and not offset and len(page.items) > 1 else len(page.items)

    def _page(self, offset: int, *, total: int | None = None, direction: int = 0, filters: Any = None) -> _Page:
        """Ask for one page. Raises _MovedError if TotalCount is not `total`."""
        manner = self._manner
        spelling = manner.spelling
        while True:
            try:
                answer = self._ask(offset, self._limit, DIRECTIONS[spelling][direction], filters)
            except ResponseTooLargeError:
                if self._limit == 1:
                    raise
                self._limit //= 2
                continue
            except RequestRejectedError:
                if filters or spelling + 1 == len(DIRECTIONS):
                    raise
                spelling += 1
                continue
            manner.spelling = max(manner.spelling, spelling)  # the sort was refused, and not the image
            manner.limit = min(manner.limit, max(self._limit, LEAST_SHARED))
            self._require_done(answer)
            return self._checked(answer, total)

    def _require_done(self, answer: Answer) -> None:
        """Raise _MovedError if the answer says that its scan has not ended, or has failed."""
        if self._aspect.done is not None:
            name, wanted = self._aspect.done
            status = answer.response.get(name)
            if status is not None and count_of(status) != wanted:
                raise _MovedError(f"{name} is {status}, and not {wanted}")

    def _checked(self, answer: Answer, total: int | None) -> _Page:
        items = answer.response.get("List")
        items = items if isinstance(items, list) else []
        counted = answer.response.get("TotalCount")
        number = 0 if counted is None and not items else count_of(counted)
        if number is None:
            raise _MovedError("the answer has no TotalCount")
        if total is not None and number != total:
            raise _MovedError(f"TotalCount was {total}, and then {number}")
        return _Page(items, number, self._numbering, counted is not None)

    def _ask(self, offset: int, limit: int, order: str | None, filters: Any) -> Answer:
        payload: dict[str, Any] = {"ImageID": self._image_id, "Limit": limit, "Offset": offset}
        if filters:
            payload["Filters"] = filters
        if order is not None:
            payload |= {"By": self._aspect.by, "Order": order}
        self.requests += 1
        return self._fetch(payload)


def _snapshot(page: _Page) -> ReadSet:
    if page.total == len(page.items):
        return ReadSet(page.items, page.total if page.is_counted else None, True, "in one answer")
    raise _MovedError(f"TotalCount is {page.total}, and one answer has {len(page.items)} rows")


class _Union:
    """Unites rows of several answers to one question, rows of one number as often as they were in one answer."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._items: dict[int, list[Any]] = {}

    @classmethod
    def of(cls, page: _Page) -> _Union:
        union = cls(page.total)
        union.add(page)
        return union

    def add(self, page: _Page) -> None:
        shown: dict[int, list[Any]] = {}
        for number, item in zip(page.numbers, page.items, strict=True):
            shown.setdefault(number, []).append(item)
        self._items |= {
            number: items for number, items in shown.items() if len(items) >= len(self._items.get(number, ()))
        }

    def place(self, numbers: Sequence[int], items: Sequence[Any]) -> None:
        """Take the rows of one order, each place as a row of its own."""
        self._items = {}
        for number, item in zip(numbers, items, strict=True):
            self._items.setdefault(number, []).append(item)

    @property
    def numbers(self) -> Set[int]:
        return self._items.keys()

    @property
    def count(self) -> int:
        return sum(map(len, self._items.values()))

    @property
    def is_full(self) -> bool:
        return self.count == self.total

    def rows(self) -> list[Any]:
        return [item for items in self._items.values() for item in items]

    def whole(self, how: str) -> ReadSet:
        return ReadSet(self.rows(), self.total, True, how)

    def lacking(self) -> ReadSet:
        return ReadSet(total=self.total, reason=f"{self.count} rows were shown, and TotalCount is {self.total}")
