"""One moving list, read whole with Limit and Offset, and the evidence that it was.

The server has no cursor: a row that is deleted while we read shifts all later rows to a lower offset, and the row at
the boundary is never shown. So pages overlap, and each *seam* between two pages has to close (`_joins`). The argument,
by induction: after page n, every row whose sort value lies before page n's last value has been read. If page n+1 holds
a row of page n from strictly before that value, then, the list being sorted, it holds everything from there to its own
end, whole tie groups included. It does not matter in which order the pages were asked for.
"""

from __future__ import annotations

from collections.abc import Iterator

from connector.errors import ResponseTooLargeError
from connector.listing.overlap import OVERLAP, Overlap
from connector.listing.page import (
    ASCENDING,
    DESCENDING,
    FAR,
    MAX_LIMIT,
    Fetch,
    InFlight,
    Order,
    Page,
    Prefetch,
    Query,
    ValuesOf,
)
from connector.listing.proof import UNSORTED, WIDE_TIE, Evidence, Server

RE_READS = 3  # of an answer that is shorter than it should be
TRIES = 12  # reads that may be spent on one broken seam, and answers in a row that may show nothing new
SLACK = 4  # times the requests that a quiet list would take
MOST_READS = 100_000  # in one pass, where TotalCount does not tell how long the list is: ten million rows


class ListReader:
    """Reads one list in pages that overlap and gathers the `Evidence`.

    `values_of` gives the sort values of items (int, or None for null) and raises ValueError where one cannot be read.
    `until` ends the pass early, at the first accepted page with a value below it; pass `orders=DESCENDING` with it.
    With `insist` the pass ends as soon as the order is lost; else it goes on to the end without seams.
    With `ignore_nulls` the proof leaves out the rows without a value, which may then fill whole pages.
    `expected` rows are asked for before the first answer says how many there are.
    `server` is shared by the readers of one sweep: what one of them learns of the server holds for all.
    Raises what `fetch` raises.
    """

    def __init__(
        self,
        fetch: Fetch,
        query: Query,
        *,
        values_of: ValuesOf,
        in_flight: InFlight = 8,
        limit: int = MAX_LIMIT,
        orders: tuple[Order, ...] = ASCENDING + DESCENDING,
        until: int | None = None,
        insist: bool = False,
        ignore_nulls: bool = False,
        expected: int = 0,
        server: Server | None = None,
    ) -> None:
        self._prefetch = Prefetch(fetch, query, values_of, in_flight)
        self._limit, self._server = limit, server or Server()
        self._until, self._insist, self._ignore_nulls = until, insist, ignore_nulls
        self._expected = expected
        self._overlap = Overlap(limit)
        self._planned = 0
        self._asked: Page | None = None
        self._nothing_new = self._restarts = 0
        self._reads = 0
        self._first_total = 0
        self.evidence = Evidence(orders=orders, order_lost=None if orders else UNSORTED)

    def pages(self) -> Iterator[Page]:
        """Every page as its seam closes; pages that show nothing new are among them."""
        try:
            for page in self._walk():
                self._count(page)
                yield page
        except BaseException:
            self._prefetch.close(wait=False)
            raise
        self._prefetch.close(wait=True)  # so that no request of this pass goes uncounted

    # The walk: `tail` is the last page whose seam has closed, `candidate` the next one planned.

    def _walk(self) -> Iterator[Page]:
        tail: Page | None = None
        candidate: Page | None = None
        while not self._finished(tail):
            candidate = candidate or self._next(tail)
            if tail is not None and self._ordered and self._begins_before(candidate, tail):
                tail = candidate = None
                self._start_again()
            elif tail is None or self._follows(tail, candidate):
                self._accept(tail, candidate)
                tail, candidate = candidate, None
                yield tail
            elif self._behind(candidate, tail):
                skipped, candidate = candidate, None
                yield skipped
            elif (bridge := self._bridge(tail)) is not None:
                self._accept(tail, bridge)
                tail = bridge
                yield tail

    def _follows(self, tail: Page, page: Page) -> bool:
        """Whether nothing is missing before `page`; where the order is lost, this can only be hoped for."""
        starts_anew = not tail.items and page.offset == 0
        return starts_anew or not self._ordered or self._joins(tail, page)

    def _accept(self, tail: Page | None, page: Page) -> None:
        if page.items and not len(self._prefetch):
            self._planned = max(page.offset + 1, page.end - self._cap + self._stride())
        if tail is not None and len(page.items) < self._cap and page.end <= tail.end and not page.reaches_total:
            self.evidence.problem = f"the list shows {tail.end} rows, but its TotalCount says {page.total}"

    def _count(self, page: Page) -> None:
        evidence, known = self.evidence, len(self.evidence.ids)
        evidence.pages += 1
        evidence.rows += len(page.items)
        evidence.ids.update(page.ids)
        self._nothing_new = 0 if len(evidence.ids) > known else self._nothing_new + 1

    def _finished(self, tail: Page | None) -> bool:
        evidence = self.evidence
        if evidence.problem is not None or (self._insist and not self._ordered):
            return True
        if tail is None:
            return False
        if self._reads > self._budget():
            evidence.problem = f"the list did not end within {self._reads} requests"
        elif self._until is not None and self._ordered and self._passed(tail, self._until):
            evidence.stopped_early = True
        elif len(tail.items) < self._cap and tail.reaches_total:
            evidence.ended = self._end_confirmed(tail)
            evidence.end_rows = len(tail.items)
        elif self._nothing_new > TRIES:
            evidence.problem = f"the last {TRIES} answers showed nothing new, before the end of the list"
        return evidence.ended or evidence.stopped_early or evidence.problem is not None

    def _end_confirmed(self, tail: Page) -> bool:
        """An empty list, an end below the largest TotalCount seen, or one with repeated rows, must be shown twice."""
        evidence = self.evidence
        if evidence.contradicted:
            evidence.problem = f"the list shows more rows than its TotalCount says ({tail.total})"
            return False
        if evidence.ids and tail.total == evidence.total and not tail.repeats:
            return True
        again = self._read(tail.offset)
        evidence.re_reads += 1
        if again.reaches_total and again.places.keys() <= tail.places.keys():
            return True
        self._replan(tail.offset)
        return False

    def _passed(self, page: Page, until: int) -> bool:
        """Whether `page` holds a value beyond `until`. A null does not count: it may stand among the values."""
        values = [value for value, _ in page.rows if value is not None]
        return all(any(order.key(value) > order.key(until) for value in values) for order in self.evidence.orders)

    def _budget(self) -> int:
        """Requests after which we stop: the list grows, or its seams break, faster than it can be read."""
        if self.evidence.contradicted:
            return MOST_READS
        return SLACK * (self._first_total // self._stride() + 1) + 8 * TRIES

    # Seams.

    @property
    def _ordered(self) -> bool:
        return self.evidence.order_lost is None

    def _lose_order(self, reason: str) -> None:
        self.evidence.order_lost = self.evidence.order_lost or reason

    def _joins(self, tail: Page, page: Page) -> bool:
        """Whether `page` holds a row of `tail` from strictly before its last value, in every order still possible."""
        if not page.rows or not tail.rows:
            return False
        return all(self._joins_in(order, tail, page) for order in self.evidence.orders)

    def _joins_in(self, order: Order, tail: Page, page: Page) -> bool:
        last = tail.last(order)
        if self._ignore_nulls and all(value is None for value, _ in tail.rows):
            # First or last, nulls stand together: no value can stand between one and the next.
            return page.rows[0][0] is None
        return any(
            order.key(value) < last and page.values.get(image_id, FAR) == value
            for value, image_id in reversed(tail.rows)
        )

    def _behind(self, page: Page, tail: Page) -> bool:
        """Whether `page` ends before `tail` does: rows were inserted before it, and it shows nothing new."""
        return bool(page.rows and tail.rows) and all(
            page.last(order) < tail.last(order) for order in self.evidence.orders
        )

    def _bridge(self, tail: Page) -> Page | None:
        """A page that closes the seam after `tail`, where rows were deleted or a tie group exceeds the overlap."""
        if tail.reach_back is None:
            self._lose_order(WIDE_TIE)
            return None
        # The list has gone on moving since the tail was read: reach further back, yet not so far that nothing new fits.
        back = max(tail.reach_back, min(tail.reach_back + OVERLAP, self._cap - 1), self._cap // 2)
        offset = tail.end - back
        for _ in range(TRIES):
            self.evidence.seam_repairs += 1
            page = self._whole(self._read(max(0, offset)))
            joined = self._ordered and self._joins(tail, page)
            if joined and (page.end > tail.end or page.reaches_total or self._moves_on(tail, page)):
                return page
            if not self._ordered:
                return None
            if joined or self._behind(page, tail):
                offset = page.end - (page.reach_back or 0)
                if offset <= page.offset:
                    self._lose_order(WIDE_TIE)
                    return None
            else:
                back *= 2
                offset = tail.end - back
        self._lose_order("a seam between two pages did not close")
        return None

    def _begins_before(self, page: Page, first: Page) -> bool:
        """Whether a page from further on shows the first row of the first page, or rows before it.

        Then the first page may be the answer to another of the requests that were sent with it. No seam would tell.
        """
        if not self._expected or first.offset or not page.offset or not first.rows or not page.rows:
            return False
        return first.rows[0][1] in page.values or any(
            order.key(page.rows[0][0]) < order.key(first.rows[0][0]) for order in self.evidence.orders
        )

    def _start_again(self) -> None:
        self._restarts += 1
        if self._restarts > TRIES:
            self._lose_order("the first page is never the first")
        self._replan(0)

    def _moves_on(self, tail: Page, page: Page) -> bool:
        return any(page.last(order) > tail.last(order) for order in self.evidence.orders)

    # Pages.

    def _next(self, tail: Page | None) -> Page:
        self._plan(tail)
        offset, page = self._prefetch.take(self._limit)
        if page is None:
            self._shrink(offset)
            page = self._whole(self._read(offset))
        else:
            page = self._whole(self._note(page))
        self._overlap.learn(page, self._asked, self._cap)
        self._asked = page
        return page

    def _plan(self, tail: Page | None) -> None:
        """Asks ahead: as far as TotalCount reaches, one page further where it has proved to be too small."""
        end = tail.end if tail is not None else 0
        total = self.evidence.total if self._reads else self._expected
        horizon = total if end < total else end + self._stride()
        while not len(self._prefetch) or (len(self._prefetch) < self._window() and self._planned < horizon):
            self._prefetch.plan(self._planned, self._limit)
            self._planned += self._stride()

    def _stride(self) -> int:
        """Rows from one planned page to the next; without an order, seams prove nothing and pages need not overlap."""
        return max(1, self._cap - self._overlap.rows) if self._ordered else self._cap

    def _window(self) -> int:
        """Pages under way: few at first for a list that will be left early."""
        most = self._prefetch.most
        return most if self._until is None else min(most, 1 + self.evidence.pages // 3)

    def _replan(self, offset: int) -> None:
        self._prefetch.clear()
        self._planned, self._asked = offset, None

    def _read(self, offset: int) -> Page:
        while True:
            try:
                return self._note(self._prefetch.read(offset, self._limit))
            except ResponseTooLargeError:
                self._shrink(offset)

    def _shrink(self, offset: int) -> None:
        if self._limit == 1:
            raise ResponseTooLargeError(
                "one image alone is more than the server can send", code="ResponseSizeLimitExceeded"
            )
        self._limit //= 2
        self._replan(offset + self._stride())

    def _note(self, page: Page) -> Page:
        evidence = self.evidence
        self._reads += 1
        if page.total is not None:
            self._first_total = self._first_total or page.total
            evidence.totals.add(page.total)
            evidence.latest_total = page.total
            evidence.contradicted |= bool(page.items) and page.total < page.end
        if self._ordered:
            evidence.orders = tuple(order for order in evidence.orders if page.is_sorted(order))
            if not evidence.orders:
                self._lose_order(UNSORTED)
        return page

    def _whole(self, page: Page) -> Page:
        """Reads a page that is too short again; as short twice means that the server sends no more at once."""
        for _ in range(RE_READS):
            if len(page.items) >= self._cap or page.reaches_total:
                break
            again = self._read(page.offset)
            self.evidence.re_reads += 1
            if again.items and len(again.items) == len(page.items):
                self._server.cap = len(again.items)
                self._replan(again.offset + self._stride())
                return again
            page = again
        if len(page.items) > self._server.cap:  # it gives more after all
            self._server.cap = len(page.items)
            self._replan(page.offset + self._stride())
        return page

    @property
    def _cap(self) -> int:
        return min(self._limit, self._server.cap)
