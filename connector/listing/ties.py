"""Proves a wide tie whole: a group of equal sort values that is as long as a page, or longer. There are two proofs.

A seam needs a row from strictly before the last value, and inside such a group there is no such row.

By its size: the group has as many images as there are places from its first row to the first row after the group. Each
of these two places is read in an answer that also shows the row before it, and the second place is read once more after
the first one: an image that comes before the group moves the group, and TotalCount does not tell if another image goes
behind it. Suppose that the list stood still while the images were read (TotalCount was the same in every answer), and
that the group began at the same place before and after (a scan takes an image out of its group; TotalCount stays).
If as many images were read as there are places, then all were read, unless one image left the group and another image
entered it in the gap between two requests.
Where the list ends with the group, only TotalCount says where the group ends; `ends` then measures the group from the
list's other end too.

By its own order: where the server keeps equal rows in a stable order, any shared row closes the seam between two pages.
The overlap of pages shows a stable order: the last rows of each page are the first rows of the next page, as many as
the offsets say, less the rows that are gone by TotalCount. A server that shuffles equal rows for each answer does
not produce such overlaps by chance, page after page. Still, the group must not have more places than images were read.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from connector.listing.page import Page
from connector.listing.plan import Plan

ROUNDS = 4  # readings of the group
LOOKS = 6  # answers in which the group's beginning is searched for
ENOUGH_SHARED = 16  # shared rows at their expected places, so that chance is no explanation


@dataclass
class Tie:
    """The rows with the sort value `value`, as far as they were read without a pause.

    `shared` counts rows that a page has in common with the page before it, at the places where a stable order of equal
    rows puts them; `mixed` says that some rows were elsewhere.
    """

    value: int | None
    ids: set[str] = field(default_factory=set)
    totals: set[int | None] = field(default_factory=set)
    shared: int = 0
    mixed: bool = False
    _before: Page | None = None

    def take(self, page: Page) -> None:
        """Take note of a page that shows rows of the group, wherever they are."""
        self.ids.update(image_id for value, image_id in page.rows if value == self.value)
        self.totals.add(page.total)

    def follow(self, page: Page) -> None:
        """Take the next page of the walk through the group, and compare its overlap with the page before."""
        self.take(page)
        if self._before is not None:
            shared = self._shared(self._before, page)
            self.mixed |= shared is None
            self.shared += shared or 0
        self._before = page

    def _shared(self, before: Page, page: Page) -> int | None:
        """Count the group's rows that both pages show at the expected places; None where rows are elsewhere."""
        earlier, later = self._of(before), self._of(page)
        size = len({*earlier} & {*later})
        if not size or earlier[-size:] != later[:size] or before.total is None or page.total is None:
            return None
        moved = size - (before.end - page.offset)
        came = page.total - before.total
        return size if min(0, came) <= moved <= max(0, came) else None

    def _of(self, page: Page) -> list[str]:
        return [image_id for value, image_id in page.rows if value == self.value]

    @property
    def has_one_order(self) -> bool:
        return not self.mixed and self.shared >= ENOUGH_SHARED

    def goes_on_after(self, page: Page) -> bool:
        """Whether the page ends inside the group, and the list does not end with the page."""
        return bool(page.rows) and page.rows[-1][0] == self.value and not page.reaches_total

    def begin_in(self, page: Page) -> int | None:
        """Return the place of the group's first row, if the page shows the row before it, or begins the list."""
        places = self._places(page)
        return page.offset + places[0] if places and (places[0] > 0 or page.offset == 0) else None

    def end_in(self, page: Page) -> int | None:
        """Return the place after the group's last row, if the page shows the row after it, or ends the list."""
        places = self._places(page)
        ends = bool(places) and (places[-1] < len(page.rows) - 1 or page.reaches_total)
        return page.offset + places[-1] + 1 if ends else None

    def _places(self, page: Page) -> list[int]:
        """Return the places of the group's rows in a page whose rows can all be parsed."""
        if len(page.rows) != len(page.items):
            return []
        return [place for place, (value, _) in enumerate(page.rows) if value == self.value]


class TieReader:
    """Reads a wide tie through the plan of a pass, until `is_spent` says that it takes too many requests.

    `whole` says whether the tie is proven.
    """

    def __init__(self, plan: Plan, tail: Page, is_spent: Callable[[], bool]) -> None:
        self._plan, self._tail, self._is_spent = plan, tail, is_spent
        self._tie = Tie(tail.rows[-1][0])
        self._tie.follow(tail)
        self.whole = False

    def pages(self, page: Page) -> Generator[Page, None, Page]:
        """Yield the group's pages, `page` first, and the pages that prove the group; return the page with its end."""
        began = self._tie.begin_in(self._tail)
        for _ in range(ROUNDS):
            last = yield from self._through(page)
            ordered = self._tie.has_one_order
            begin = yield from self._begin()
            end = self._tie.end_in(last)
            if begin is None or end is None:
                break
            still = begin == began and len(self._tie.totals) == 1 and None not in self._tie.totals
            began = begin
            read, places = len(self._tie.ids), end - begin
            if ordered and read >= places:
                self.whole = True
            elif still and read == places:
                self.whole = yield from self._still_ends(last, end)
            if self.whole:
                break
            if not still or read > places:  # images came or went: only images that are read from now on count
                self._tie = Tie(self._tie.value)
            # Read with other page boundaries than before, because a server may shuffle equal rows for each answer.
            self._plan.again_from(max(0, begin - self._plan.cap // 2))
            page = self._plan.next(self._tail)
        return last

    def _through(self, page: Page) -> Generator[Page, None, Page]:
        """Read from `page` to the first page that does not end inside the group."""
        while True:
            self._tie.follow(page)
            yield page
            if not self._tie.goes_on_after(page) or self._is_spent():
                return page
            self._plan.follow(page)
            page = self._plan.next(page)

    def _still_ends(self, last: Page, end: int) -> Generator[Page, None, bool]:
        """Whether the group still ends at this place, now that its beginning was found."""
        page = self._plan.whole(last.offset)
        self._tie.take(page)
        yield page
        return self._tie.end_in(page) == end and self._tie.totals == {page.total}

    def _begin(self) -> Generator[Page, None, int | None]:
        """Search for the place of the group's first row, beginning where the tail showed that row."""
        half = max(1, self._plan.cap // 2)
        offset = (self._tie.begin_in(self._tail) or self._tail.offset) - half
        for _ in range(LOOKS):
            page = self._plan.whole(max(0, offset))
            self._tie.take(page)
            yield page
            if (begin := self._tie.begin_in(page)) is not None:
                return begin
            inside = bool(page.rows) and page.rows[0][0] == self._tie.value
            offset += -half if inside else half
        return None
