"""A group of equal sort values that is as long as a page, or longer: proven whole by its size.

A seam needs a row from strictly before the last value, and inside such a group there is none. But the group has a size:
the distance between its first row and the first row after it, each read in an answer that shows the row before it too.
If as many images of the group were read, all of them were: unless, in the gap between two requests, one image left the
group and another one entered it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from connector.listing.page import Page
from connector.listing.plan import Plan

ROUNDS = 3  # readings of the group
LOOKS = 6  # answers in which one of its ends is looked for


@dataclass(frozen=True)
class Bound:
    """Where a group begins or ends: a place in the list, in an answer with that TotalCount."""

    place: int
    total: int | None


@dataclass
class Tie:
    """The rows with the sort value `value`, as far as they were read."""

    value: int | None
    ids: set[str] = field(default_factory=set)

    def take(self, page: Page) -> None:
        self.ids.update(image_id for value, image_id in page.rows if value == self.value)

    def goes_on_after(self, page: Page) -> bool:
        """Whether the page ends inside the group, and the list does not end with the page."""
        return bool(page.rows) and page.rows[-1][0] == self.value and not page.reaches_total

    def begin_in(self, page: Page) -> Bound | None:
        """The place of the group's first row, if the page shows the row before it, or begins the list."""
        places = self._places(page)
        if not places or (places[0] == 0 and page.offset > 0):
            return None
        return Bound(page.offset + places[0], page.total)

    def end_in(self, page: Page) -> Bound | None:
        """The place after the group's last row, if the page shows the row after it, or ends the list."""
        places = self._places(page)
        if not places or (places[-1] == len(page.rows) - 1 and not page.reaches_total):
            return None
        return Bound(page.offset + places[-1] + 1, page.total)

    def _places(self, page: Page) -> list[int]:
        """The places of the group's rows in a page of which every row can be read."""
        if len(page.rows) != len(page.items):
            return []
        return [place for place, (value, _) in enumerate(page.rows) if value == self.value]


class TieReader:
    """Reads a wide tie through the plan of a pass. `whole` says whether it is proven."""

    def __init__(self, plan: Plan, tail: Page) -> None:
        self._plan, self._tail = plan, tail
        self._tie = Tie(tail.rows[-1][0])
        self._tie.take(tail)
        self.whole = False

    def pages(self, page: Page) -> Generator[Page, None, Page]:
        """The group's pages, `page` first, and those that prove its size; returns the page that shows its end."""
        last = yield from self._through(page)
        for _ in range(ROUNDS):
            begin, end = yield from self._bounds(last)
            if begin is None or end is None:
                break
            size = end.place - begin.place
            if len(self._tie.ids) == size:
                self.whole = True
                break
            if len(self._tie.ids) > size:  # some have left the group since they were read
                self._tie.ids.clear()
            # Other boundaries than before: a server may give equal rows in another order each time.
            self._plan.again_from(max(0, begin.place - self._plan.cap // 2))
            last = yield from self._through(self._plan.next(self._tail))
        return last

    def _through(self, page: Page) -> Generator[Page, None, Page]:
        """From `page` to the first one that does not end inside the group."""
        for _ in range(self._most(page)):
            self._tie.take(page)
            yield page
            if not self._tie.goes_on_after(page):
                break
            self._plan.follow(page)
            page = self._plan.next(page)
        return page

    def _most(self, page: Page) -> int:
        """Pages that the group can have at most, and some more where the list grows."""
        return 2 * ((page.total or 0) // max(1, self._plan.stride) + 1) + ROUNDS

    def _bounds(self, last: Page) -> Generator[Page, None, tuple[Bound | None, Bound | None]]:
        """Both ends of the group in a list that stood still from the one answer to the other, as TotalCount shows."""
        begin, end = self._tie.begin_in(self._tail), self._tie.end_in(last)
        for _ in range(ROUNDS):
            near = begin.place if begin else self._tail.offset
            begin = yield from self._look(near, self._tie.begin_in, forwards=-1)
            if begin is None or begin.total is None:
                break
            if end is None or end.total != begin.total:
                near = end.place if end else last.end
                end = yield from self._look(near, self._tie.end_in, forwards=1)
            if end is None or end.total == begin.total:
                return begin, end
        return None, None

    def _look(
        self, near: int, seek: Callable[[Page], Bound | None], *, forwards: int
    ) -> Generator[Page, None, Bound | None]:
        """An end of the group, looked for from a place near it."""
        half = max(1, self._plan.cap // 2)
        offset = near - half
        for _ in range(LOOKS):
            page = self._plan.whole(max(0, offset))
            self._tie.take(page)
            yield page
            if (bound := seek(page)) is not None:
                return bound
            inside = bool(page.rows) and page.rows[0][0] == page.rows[-1][0] == self._tie.value
            offset += forwards * half if inside else -forwards * half
        return None
