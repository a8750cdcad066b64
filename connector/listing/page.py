"""What one answer of a list shows, in which orders it may be sorted, and answers asked for ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from statistics import median_low
from typing import Any, NamedTuple

from connector.api.answers import MAX_IN_FLIGHT, Answer
from connector.errors import ResponseTooLargeError

MAX_LIMIT = 100  # documented maximum of Limit
FAR = 1 << 62  # beyond every instant in microseconds

Fetch = Callable[[dict[str, Any]], Answer]
ValuesOf = Callable[[Sequence[Mapping[str, Any]]], Sequence[int | None]]
InFlight = int | Callable[[], int]  # requests under way at most; a function may change its mind


class Order(NamedTuple):
    """A way in which a server may sort: ascending (1) or descending (-1), nulls first (-FAR) or last (FAR)."""

    sign: int
    null: int

    def key(self, value: int | None) -> int:
        return self.null if value is None else self.sign * value


ASCENDING = (Order(1, -FAR), Order(1, FAR))
DESCENDING = (Order(-1, -FAR), Order(-1, FAR))


@dataclass(frozen=True)
class Query:
    """What is asked for: the sort (`by` None leaves it to the server) and filters, values of one name being ORed."""

    by: str | None = None
    order: str | None = None
    filters: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def payload(self, offset: int, limit: int) -> dict[str, Any]:
        payload: dict[str, Any] = {"Limit": limit, "Offset": offset}
        if self.filters:
            payload["Filters"] = [{"Name": name, "Values": list(values)} for name, values in self.filters]
        if self.by is not None:
            payload |= {"By": self.by, "Order": self.order}
        return payload


@dataclass(frozen=True)
class Page:
    """One answer. `rows` are (sort value, image id) of the items whose sort value and id can be read, in order."""

    offset: int
    items: Sequence[Any]
    total: int | None
    request_id: str | None
    rows: Sequence[tuple[int | None, str]]

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
        """Rows from the page's end back to the last one with another value than its last; None where all are equal.

        In a sorted page this is the last row strictly before the last value.
        """
        for back, (value, _) in enumerate(reversed(self.rows), start=1):
            if value != self.rows[-1][0]:
                return back + len(self.items) - len(self.rows)
        return None

    def reaches(self) -> list[int]:
        """For each row with another value before it: rows back to that one, as `reach_back` would be there."""
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
    def ids(self) -> Iterable[str]:
        """The ids of all items that have one."""
        return self.places if len(self.rows) == len(self.items) else filter(None, map(image_id_of, self.items))

    @cached_property
    def places(self) -> dict[str, int]:
        return {image_id: place for place, (_, image_id) in enumerate(self.rows)}

    def shift_to(self, page: Page) -> int | None:
        """Rows by which the list has moved up between this page and `page` (deletions); None where they share none."""
        moved = self.offset - page.offset
        shared = self.places.keys() & page.places.keys()
        shifts = [moved + self.places[image_id] - page.places[image_id] for image_id in shared]
        return median_low(shifts) if shifts else None


def image_id_of(item: Any) -> str | None:
    """The item's ImageID, or None where it has none that can serve as a key."""
    image_id = item.get("ImageID") if isinstance(item, dict) else None
    return image_id if isinstance(image_id, str) and image_id else None


def read_page(answer: Answer, offset: int, values_of: ValuesOf) -> Page:
    """The page in an answer of a list action; a missing or null `List` is an empty one, a bad TotalCount is None."""
    items = answer.response.get("List")
    total = answer.response.get("TotalCount")
    items = items if isinstance(items, list) else []
    counted = isinstance(total, int) and not isinstance(total, bool) and total >= 0
    return Page(offset, items, total if counted else None, answer.request_id, _rows(items, values_of))


def _rows(items: Sequence[Any], values_of: ValuesOf) -> Sequence[tuple[int | None, str]]:
    ids = list(map(image_id_of, items))
    known = [item for item, image_id in zip(items, ids, strict=True) if image_id is not None]
    try:
        values = values_of(known)
    except ValueError:
        if len(known) == 1:
            return ()  # sorted by what we cannot read: it proves nothing, and it disproves nothing
        return tuple(row for item in known for row in _rows([item], values_of))
    return tuple(zip(values, filter(None, ids), strict=True))


class Prefetch:
    """Pages by offset, several under way at once; with `in_flight` 1 all is read in the calling thread."""

    def __init__(self, fetch: Fetch, query: Query, values_of: ValuesOf, in_flight: InFlight) -> None:
        self._fetch, self._query, self._values_of, self._in_flight = fetch, query, values_of, in_flight
        self._queue: deque[tuple[int, Future[Page] | None]] = deque()
        threads = in_flight if isinstance(in_flight, int) else MAX_IN_FLIGHT  # each is started when it is needed
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="tcss-page") if threads > 1 else None

    @property
    def most(self) -> int:
        """Pages that may be under way now."""
        return self._in_flight if isinstance(self._in_flight, int) else self._in_flight()

    def __len__(self) -> int:
        return len(self._queue)

    def read(self, offset: int, limit: int) -> Page:
        return read_page(self._fetch(self._query.payload(offset, limit)), offset, self._values_of)

    def plan(self, offset: int, limit: int) -> None:
        self._queue.append((offset, self._pool.submit(self.read, offset, limit) if self._pool else None))

    def take(self, limit: int) -> tuple[int, Page | None]:
        """The offset planned first and its page; None where the answer was too large to be sent."""
        offset, future = self._queue.popleft()
        try:
            return offset, future.result() if future else self.read(offset, limit)
        except ResponseTooLargeError:
            return offset, None

    def clear(self) -> None:
        for _, future in self._queue:
            if future is not None:
                future.cancel()
        self._queue.clear()

    def close(self, *, wait: bool) -> None:
        self.clear()
        if self._pool is not None:
            self._pool.shutdown(wait=wait, cancel_futures=True)
