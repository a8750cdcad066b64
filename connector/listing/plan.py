"""Where a pass asks next: the offsets, how many pages are under way, and how many rows an answer may have."""

from __future__ import annotations

from connector.errors import ResponseTooLargeError
from connector.listing.overlap import Overlap
from connector.listing.page import Page
from connector.listing.prefetch import Load, Prefetch
from connector.listing.proof import Evidence
from connector.listing.remote import RemoteList
from connector.listing.seams import Aim

RE_READS = 3  # of an answer that is shorter than it should be


class Plan:
    """Gives a pass its pages, each of them whole, and takes down in `evidence` what every answer shows.

    A page is whole if it has as many rows as the server gives at once, or reaches the end of the list.
    """

    def __init__(self, remote: RemoteList, load: Load, aim: Aim, evidence: Evidence) -> None:
        self._prefetch = Prefetch(load, remote.in_flight)
        self._limit, self._server = remote.limit, remote.server
        self._aim, self._evidence = aim, evidence
        self._overlap = Overlap(remote.limit)
        self._next_offset = 0
        self._asked: Page | None = None  # the last planned page that came

    @property
    def cap(self) -> int:
        """Rows that an answer has at most."""
        return min(self._limit, self._server.cap)

    @property
    def stride(self) -> int:
        """Rows from one planned page to the next; without an order, seams prove nothing and pages need not overlap."""
        return max(1, self.cap - self._overlap.rows) if self._evidence.ordered else self.cap

    def next(self, tail: Page | None) -> Page:
        """The page planned first, and as many asked for ahead as the list is long."""
        self._ask_ahead(tail)
        offset, page = self._prefetch.take(self._limit)
        if page is None:
            self._shrink(offset)
            page = self.whole(offset)
        else:
            page = self._made_whole(self._noted(page))
        self._overlap.learn(page, self._asked, self.cap)
        self._asked = page
        return page

    def whole(self, offset: int) -> Page:
        """The page at `offset`, asked for now."""
        return self._made_whole(self.read(offset))

    def read(self, offset: int) -> Page:
        """The page at `offset`, asked for now, as it comes."""
        while True:
            try:
                return self._noted(self._prefetch.now(offset, self._limit))
            except ResponseTooLargeError:
                self._shrink(offset)

    def again_from(self, offset: int) -> None:
        """Drops what is planned, and plans from `offset` on."""
        self._prefetch.clear()
        self._next_offset, self._asked = offset, None

    def follow(self, page: Page) -> None:
        """Plans on from the end of `page`, where nothing is under way."""
        if page.items and not len(self._prefetch):
            self._next_offset = max(page.offset + 1, page.end - self.cap + self.stride)

    def close(self, *, wait: bool) -> None:
        self._prefetch.close(wait=wait)

    def _ask_ahead(self, tail: Page | None) -> None:
        """As far as TotalCount reaches; one page further where TotalCount has proved to be too small."""
        end = tail.end if tail is not None else 0
        total = self._evidence.total if self._evidence.reads else self._aim.expected
        horizon = total if end < total else end + self.stride
        while not len(self._prefetch) or (len(self._prefetch) < self._window() and self._next_offset < horizon):
            self._prefetch.plan(self._next_offset, self._limit)
            self._next_offset += self.stride

    def _window(self) -> int:
        """Pages under way: few at first for a list that will be left early."""
        most = self._prefetch.most
        return most if self._aim.until is None else min(most, 1 + self._evidence.pages // 3)

    def _shrink(self, offset: int) -> None:
        if self._limit == 1:
            raise ResponseTooLargeError(
                "one image alone is more than the server can send", code="ResponseSizeLimitExceeded"
            )
        self._limit //= 2
        self.again_from(offset + self.stride)

    def _noted(self, page: Page) -> Page:
        self._evidence.note(page)
        return page

    def _made_whole(self, page: Page) -> Page:
        """Reads a page that is too short again; as short twice means that the server sends no more at once."""
        for _ in range(RE_READS):
            if len(page.items) >= self.cap or page.reaches_total:
                break
            again = self.read(page.offset)
            self._evidence.re_reads += 1
            if again.items and len(again.items) == len(page.items):
                self._server.cap = len(again.items)
                self.again_from(again.offset + self.stride)
                return again
            page = again
        if len(page.items) > self._server.cap:  # the server gives more after all
            self._server.cap = len(page.items)
            self.again_from(page.offset + self.stride)
        return page
