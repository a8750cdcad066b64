"""Plans the requests of a pass: the offsets, how many pages are under way, and how many rows an answer may have."""

from __future__ import annotations

from concurrent.futures import Future
from functools import partial

from connector.errors import ResponseTooLargeError, TcssError, TransientError
from connector.listing.overlap import Overlap
from connector.listing.page import Page
from connector.listing.prefetch import Load, Prefetch
from connector.listing.proof import Evidence
from connector.listing.remote import RemoteList
from connector.listing.seams import Aim

RE_READS = 3  # of an answer with too few rows
FAILING = "InternalError"  # a server repeats this code where a single row makes it fail
RECOVERY = 2  # whole pages in a row, after which the limit doubles again


class Plan:
    """Gives a pass its pages, each of them whole, and takes down in `evidence` what every answer shows.

    A page is whole if it has as many rows as were asked for, or as the server gives at once, or reaches the end of the
    list. `load` asks for pages of the list, and `turned` for pages from the list's other end.
    """

    def __init__(
        self, remote: RemoteList, load: Load, aim: Aim, evidence: Evidence, turned: Load | None = None
    ) -> None:
        # Not a method: a cycle of references would keep the evidence, the ids of the whole list, during the load.
        self._prefetch = Prefetch(partial(_heard, load, evidence), remote.in_flight)
        self._limit = self._most = remote.limit
        self._server = remote.server
        self._aim, self._evidence, self._turned = aim, evidence, turned
        self._ahead: Future[Page] | None = None
        self._has_asked_ahead = False
        self._overlap = Overlap(remote.limit)
        self._next_offset = 0
        self._whole_pages = 0  # since the limit was lowered
        self._asked: Page | None = None  # the last planned page that came
        self._left_out_last: int | None = None  # the place of the last row that was too large

    @property
    def cap(self) -> int:
        """The most rows that an answer can have."""
        return min(self._limit, self._server.cap)

    @property
    def stride(self) -> int:
        """Rows from one planned page to the next; without an order, seams prove nothing and pages need not overlap."""
        return max(1, self.cap - self._overlap.rows) if self._evidence.ordered else self.cap

    def next(self, tail: Page | None) -> Page:
        """Return the page that was planned first, and ask for pages ahead, up to the length of the list."""
        self._ask_ahead(tail)
        offset, limit, answer = self._prefetch.take()
        if isinstance(answer, Page):
            page = self._made_whole(self._noted(answer), limit)
        elif isinstance(answer, ResponseTooLargeError):
            page = self._in_smaller_pages(offset, limit, answer)
            if not page.items and self._left_out_last == offset and self._evidence.problem is None:
                return self.next(tail)
        elif self._evidence.reads and (answer.code or "").startswith(FAILING):
            page = self._noted(self._up_to_failing_row(offset, limit, answer))
            if not page.items and self._evidence.problem is None:
                return self.next(tail)
        else:
            raise answer
        self._overlap.learn(page, self._asked, self.cap)
        self._asked = page
        self._recover()
        return page

    def whole(self, offset: int) -> Page:
        """The page at `offset`, asked for now."""
        return self._made_whole(self.read(offset), self._limit)

    def read(self, offset: int) -> Page:
        """Return the page at `offset`, asked for now, even where the page is not whole."""
        while True:
            limit = self._limit
            try:
                return self._noted(self._prefetch.now(offset, limit))
            except ResponseTooLargeError as error:
                self._shrink(offset, limit, error)

    def asked_ahead(self) -> Page | None:
        """Return the page at the list's other end that was asked for together with the pass's last page; None where
        there was no such request, where it failed, and at each further call."""
        ahead, self._ahead = self._ahead, None
        try:
            return ahead.result() if ahead is not None else None
        except TcssError:
            return None

    def other_end(self) -> Page:
        """Return the page at the list's other end, asked for now, with as many rows as can be sent; read again where it
        is too short."""
        if self._turned is None:
            raise ValueError("the list has no other end")
        limit, tries = self.cap, 1
        while True:
            try:
                page = self._turned(0, limit)
            except ResponseTooLargeError:
                if limit == 1:
                    raise
                limit //= 2
                continue
            if tries > RE_READS or len(page.items) >= limit or page.reaches_total:
                return page
            tries += 1

    def again_from(self, offset: int) -> None:
        """Drop the planned pages, and plan from `offset` on."""
        self._prefetch.clear()
        self._next_offset, self._asked = offset, None

    def follow(self, page: Page) -> None:
        """Plan on from the end of `page`, unless pages are under way."""
        if page.items and not len(self._prefetch):
            self._next_offset = max(page.offset + 1, page.end - self.cap + self._step(page.offset))

    def close(self, *, wait: bool) -> None:
        self._prefetch.close(wait=wait)

    def _ask_ahead(self, tail: Page | None) -> None:
        """Ask for pages as far as TotalCount reaches; one page further where TotalCount has proved too small."""
        end = tail.end if tail is not None else 0
        total = self._evidence.total if self._evidence.reads else self._aim.expected
        horizon = total if end < total else end + self.stride
        while not len(self._prefetch) or (len(self._prefetch) < self._window() and self._next_offset < horizon):
            self._prefetch.plan(self._next_offset, self._limit)
            self._next_offset += self._step(self._next_offset)
        if self._next_offset >= horizon and end < total:
            self._ask_other_end()

    def _ask_other_end(self) -> None:
        """Ask for the page at the other end together with the last page, which saves the time of a request. Once only,
        and not where it may not be needed: a list in one answer, a list that is left early, a list without an order."""
        is_needed = self._evidence.ordered and self._aim.until is None and self._evidence.total > self.cap
        if self._turned is not None and is_needed and not self._has_asked_ahead:
            self._has_asked_ahead = True
            self._ahead = self._prefetch.submit(self.other_end)

    def _step(self, offset: int) -> int:
        """Rows from the page at `offset` to the next one."""
        return max(1, self.cap // 2) if self._aim.shift and offset == 0 else self.stride

    def _window(self) -> int:
        """Return how many pages may be under way: few at first for a list that will be left early."""
        most = self._prefetch.most
        return most if self._aim.until is None else min(most, 1 + self._evidence.pages // 3)

    def _in_smaller_pages(self, offset: int, limit: int, error: ResponseTooLargeError) -> Page:
        """Read the page at `offset` with fewer rows. If its first row alone is too large, leave that row out and return
        an empty page.

        Raises ResponseTooLargeError where no answer at all can be read.
        """
        try:
            self._shrink(offset, limit, error)
            return self.whole(offset)
        except ResponseTooLargeError as alone:
            if not self._evidence.reads and not self._is_readable(offset + 1):
                raise
            self._evidence.leave_out(offset, alone.code or "too large")
            self._left_out_last = offset
            self.again_from(offset + 1)
            return Page(offset, (), None, None, ())

    def _is_readable(self, offset: int) -> bool:
        try:
            self._noted(self._prefetch.now(offset, 1))
        except ResponseTooLargeError:
            return False
        return True

    def _shrink(self, offset: int, limit: int, error: ResponseTooLargeError) -> None:
        """Ask for half as many rows from now on, down to a single row that is too large alone."""
        if limit == 1:
            raise ResponseTooLargeError(
                f"one image alone is too much: {error.message}", code=error.code, hint=error.hint
            )
        self._limit, self._whole_pages = limit // 2, 0
        self.again_from(offset + self.stride)

    def _up_to_failing_row(self, offset: int, limit: int, error: TcssError) -> Page:
        """Read the rows before the first row at which the server fails. That row is left out, so the order is lost.

        Raises TransientError where the server fails at the list's first row too.
        """
        page = Page(offset, (), None, None, ())
        readable = 0
        while limit - readable > 1:
            middle = (readable + limit) // 2
            try:
                page = self._prefetch.now(offset, middle)
                readable = middle
            except TransientError:
                limit = middle
        if not readable:
            self._prefetch.now(0, 1)  # raises where the server fails at everything
        self._evidence.leave_out(offset + readable, error.code)
        self.again_from(offset + readable + 1)
        if readable:  # the next page begins behind the failing row, not at the end of this page
            self._prefetch.plan(self._next_offset, self._limit)
            self._next_offset += self.stride
        return page

    def _recover(self) -> None:
        """Double the limit again: a single large row is no reason for small pages over the rest of the list."""
        self._whole_pages += 1
        if self._limit < self._most and self._whole_pages >= RECOVERY:
            self._limit, self._whole_pages = min(2 * self._limit, self._most), 0

    def _noted(self, page: Page) -> Page:
        self._evidence.note(page)
        return page

    def _made_whole(self, page: Page, limit: int) -> Page:
        """Read a page again that is too short; the same length twice means that the server sends no more at once."""
        page = self._repeating_no_row_by_mistake(page)
        for _ in range(RE_READS):
            if len(page.items) >= min(limit, self._server.cap) or page.reaches_total:
                break
            again = self._repeating_no_row_by_mistake(self.read(page.offset))
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

    def _repeating_no_row_by_mistake(self, page: Page) -> Page:
        """Read a page again that shows an image more than once: a repeated row may stand in the place of another row.
        Two answers that repeat the same images are right: these images are listed twice."""
        for _ in range(RE_READS):
            if not page.repeats:
                break
            before, page = page, self.read(page.offset)
            if page.repeated == before.repeated:
                break
        return page


def _heard(load: Load, evidence: Evidence, offset: int, limit: int) -> Page:
    page = load(offset, limit)
    evidence.hear(page)
    return page


def may_be_of_one_row(error: TcssError) -> bool:
    """Whether the server may fail at a single row only: the row is too large, or the server fails as it does at one."""
    return isinstance(error, ResponseTooLargeError) or (error.code or "").startswith(FAILING)
