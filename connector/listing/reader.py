"""One pass over a list, in pages that overlap, and the evidence that nothing was missed."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from functools import partial

from connector.errors import RequestRejectedError
from connector.listing import seams
from connector.listing.page import FAR, Order, Page
from connector.listing.plan import Plan
from connector.listing.proof import Evidence
from connector.listing.query import Query
from connector.listing.reasons import ListReason
from connector.listing.remote import RemoteList
from connector.listing.seams import Aim, Orders, Step
from connector.listing.ties import TieReader

TRIES = 12  # reads that may be spent on one broken seam, and answers in a row that may show nothing new
END_CHECKS = 3  # times that the end is looked for again, where the list's other end shows rows that were not read
LEAST_CAP = 5  # rows of a page by which a wide tie can be measured
SLACK = 4  # times the requests that a quiet list would take
MOST_READS = 100_000  # in one pass, where TotalCount does not tell how long the list is: ten million rows


class ListReader:
    """Reads one list, sorted by the time in `field_name`, and gathers the `Evidence`. Raises what `fetch` raises.

    Once an answer has come, a request that the server refuses ends the pass, and `evidence.problem` says so. `tail` is
    the last page whose seam has closed.
    """

    def __init__(self, remote: RemoteList, query: Query, field_name: str, aim: Aim | None = None) -> None:
        self._remote, self._query, self._field_name = remote, query, field_name
        self._aim = aim = aim or Aim()
        self.evidence = Evidence(aim.orders, None if aim.orders else ListReason.UNSORTED)
        self._plan = Plan(remote, lambda at, limit: remote.page(query, field_name, at, limit), aim, self.evidence)
        self.tail: Page | None = None
        self._first: Page | None = None  # the first page
        self._last_rows: Page | None = None  # the last page of the tail's kind that has rows

    def pages(self) -> Generator[Page, None, None]:
        """Every page as its seam closes; pages that show nothing new are among them."""
        try:
            for page in self._walk():
                self.evidence.take(page)
                yield page
                if page.repeats:  # by mistake, and in place of other rows, or because images are listed twice
                    again = self._plan.read(page.offset)
                    self.evidence.take_again(page, again)
                    yield again
        except RequestRejectedError as error:
            if not self.evidence.reads:
                raise
            self.evidence.problem = ListReason.REFUSED.given(rows=self.tail.end if self.tail else 0, code=error.code)
        except BaseException:
            self._plan.close(wait=False)
            raise
        self._plan.close(wait=True)  # so that no request of this pass goes uncounted

    def _walk(self) -> Iterator[Page]:
        page: Page | None = None
        while not (yield from self._finished()):
            page = page or self._plan.next(self.tail)
            step = seams.decide(self.tail, page, self._orders, self._aim)
            if step is Step.TIE and not len(page.items) >= self._plan.cap >= LEAST_CAP:
                step = Step.BRIDGE
            if step is Step.BRIDGE and self.tail is not None:
                bridge = self._bridge(self.tail)
                if isinstance(bridge, Page):
                    yield self._accept(bridge)
                elif bridge is Step.TIE:
                    yield from self._through_tie(self.tail, page)
                    page = None
                continue  # with the same page, where the order is lost
            taken, page = page, None
            if step is Step.ACCEPT:
                yield self._accept(taken)
            elif step is Step.SKIP:
                yield taken
            elif step is Step.TIE and self.tail is not None:
                yield from self._through_tie(self.tail, taken)
            else:
                self._start_again()

    @property
    def _orders(self) -> Orders:
        """The orders that a seam can be judged by."""
        return self.evidence.orders if self.evidence.ordered else ()

    def _accept(self, page: Page) -> Page:
        self._plan.follow(page)
        tail, short = self.tail, len(page.items) < self._plan.cap and not self.evidence.left_out
        if tail is not None and short and page.end <= tail.end and not page.reaches_total:
            self.evidence.problem = ListReason.TOTAL_TOO_LARGE.given(rows=tail.end, total=page.total)
        self.tail = page
        self._first = page if page.offset == 0 else self._first
        self._last_rows = page if page.rows else self._last_rows
        return page

    def _start_again(self) -> None:
        self.tail = None
        self.evidence.restarts += 1
        if self.evidence.restarts > TRIES:
            self.evidence.lose_order(ListReason.NO_FIRST_PAGE)
        self._plan.again_from(0)

    def _bridge(self, tail: Page) -> Page | Step | None:
        """A page that closes the seam after `tail`, where rows were deleted or a tie group exceeds the overlap.

        `Step.TIE` where the group is as long as a page; None where the order is lost, or proves to be.
        """
        back = seams.reach(tail, self._plan.cap)
        if back is None:
            return self._wide_tie(tail)
        offset = tail.end - back
        for _ in range(TRIES):
            self.evidence.seam_repairs += 1
            page = self._plan.whole(max(0, offset))
            joined = seams.joins(tail, page, self._orders, ignore_nulls=self._aim.ignore_nulls)
            if not self._orders:
                return None
            if joined and (page.end > tail.end or page.reaches_total or seams.moves_on(tail, page, self._orders)):
                return page
            if joined or seams.is_behind(page, tail, self._orders):
                offset = page.end - (page.reach_back or 0)
                if offset <= page.offset:
                    return self._wide_tie(page)
            else:
                back *= 2
                offset = tail.end - back
        self.evidence.lose_order(ListReason.SEAM_OPEN)
        return None

    def _wide_tie(self, page: Page) -> Step | None:
        """A group of equal values fills the page: it can be proven by its size, if there are pages to measure it by."""
        if len(page.items) >= self._plan.cap >= LEAST_CAP:
            return Step.TIE
        self.evidence.lose_order(ListReason.WIDE_TIE)
        return None

    def _through_tie(self, tail: Page, page: Page) -> Iterator[Page]:
        """Reads the group of equal values at the end of the tail, and goes on behind it."""
        group = TieReader(self._plan, tail)
        self.tail = yield from group.pages(page)
        self._last_rows = self.tail
        self.evidence.idle = 0  # to read a group again shows nothing new
        if group.whole:
            self.evidence.ties += 1
        else:
            self.evidence.lose_order(ListReason.WIDE_TIE)
        self._plan.again_from(max(0, self._last_rows.end - self._plan.cap + self._plan.stride))

    # The end.

    def _finished(self) -> Generator[Page, None, bool]:
        """Whether the pass is over."""
        evidence, until, tail = self.evidence, self._aim.until, self.tail
        if evidence.problem is not None or (self._aim.insist and not evidence.ordered):
            return True
        if tail is None:
            return False
        if evidence.reads > self._budget():
            evidence.problem = ListReason.ENDLESS.given(requests=evidence.reads)
        elif until is not None and evidence.ordered and seams.passed(tail, until, evidence.orders):
            evidence.stopped_early = True
        elif len(tail.items) < self._plan.cap and tail.reaches_total:
            evidence.ended = self._end_confirmed(tail) and (yield from self._seen_from_both_ends(tail))
            evidence.end_rows = len(tail.items)
        elif evidence.idle > TRIES:
            evidence.problem = ListReason.NOTHING_NEW.given(answers=TRIES)
        return evidence.done

    def _end_confirmed(self, tail: Page) -> bool:
        """An empty list, an end below the largest TotalCount seen, or one with repeated rows, must be shown twice."""
        evidence = self.evidence
        if evidence.contradicted:
            evidence.problem = ListReason.TOTAL_TOO_SMALL.given(total=tail.total)
            return False
        if evidence.values and tail.total == evidence.total and not tail.repeats:
            return True
        again = self._shown_again(tail)
        evidence.re_reads += 1
        if again.reaches_total and again.places.keys() <= tail.places.keys():
            return True
        if (
            not tail.items and tail.offset == 0
        ):  # an empty list that has another end: a filter of which some values are not read
            self._looked_for_end_again()
        self._plan.again_from(tail.offset)
        return False

    def _shown_again(self, tail: Page) -> Page:
        """The end once more; of an empty list the other end, if it has one."""
        turned = self._query.turned
        if tail.items or tail.offset or turned is None:
            return self._plan.read(tail.offset)
        page = self._plan.beside(partial(self._remote.page, turned, self._field_name))
        self.evidence.count(page)
        return page

    def _seen_from_both_ends(self, tail: Page) -> Generator[Page, None, bool]:
        """Whether the list's other end, shown by one request, has no row that was not read.

        A result window that caps the offset and TotalCount alike looks like the end from one side.
        """
        evidence, turned = self.evidence, self._query.turned
        evidence.snapshot = tail.offset == 0
        if turned is None or not evidence.values or (evidence.snapshot and self._aim.one_end_of_one_answer):
            return True
        if evidence.left_out:  # a row is missing in any case, and from there the server may fail at it again
            return True
        goes_on = not evidence.ordered and (yield from self._goes_on(tail))
        page = self._other_end(turned)
        if not evidence.snapshot and evidence.ordered and not self._is_turned(page):  # perhaps it is an old answer
            page = self._other_end(turned)
        unread = page.values.keys() - evidence.values.keys()
        if not page.items and not page.reaches_total:
            settled = False
        elif evidence.snapshot:
            # As many rows as before, and other ones, or more rows than one answer shows: the list goes on.
            settled = not unread or (page.total != tail.total and page.reaches_total)
        elif not evidence.ordered:
            evidence.re_reads += len(unread)
            settled = True
        elif not self._is_turned(page):
            evidence.lose_order(ListReason.NOT_TURNED)
            settled = True
        else:
            settled = self._is_end_of(self._last_rows or tail, page, unread)
        if evidence.ordered and evidence.snapshot and len(tail.items) > 1 and [*page.ids] == [*tail.ids]:
            goes_on = yield from self._goes_on(tail)
        if settled and not goes_on:
            if unread:
                yield page
            return True
        self._looked_for_end_again()
        self._plan.again_from(max(0, tail.end - max(1, self._plan.cap // 2)))
        self.tail = None if evidence.snapshot else tail
        return False

    def _goes_on(self, tail: Page) -> Generator[Page, None, bool]:
        """Whether a list that showed no other end has rows behind this one, whatever TotalCount says."""
        try:
            page = self._remote.page(self._query, self._field_name, tail.end, self._plan.cap)
        except RequestRejectedError:
            return False  # the server does not look so far
        self.evidence.count(page)
        if page.items:
            yield page
        return bool(page.items)

    def _looked_for_end_again(self) -> None:
        self.evidence.end_checks += 1
        if self.evidence.end_checks > END_CHECKS:
            self.evidence.problem = ListReason.END_HIDDEN.given()

    def _other_end(self, turned: Query) -> Page:
        """The first rows in the opposite order; those with a value, where a page of nulls stands before them."""
        page = self._plan.beside(partial(self._remote.page, turned, self._field_name))
        self.evidence.count(page)
        nulls = sum(value is None for value in self.evidence.values.values())
        if page.rows and nulls < len(self.evidence.values) and all(value is None for value, _ in page.rows):
            page = self._remote.page(turned, self._field_name, max(0, nulls - 1), self._plan.cap)
            self.evidence.count(page)
        return page

    def _is_turned(self, page: Page) -> bool:
        """Whether the page from the other end is sorted the other way, and not the list's beginning once more."""
        orders, first = self.evidence.orders, self._first
        turned = any(page.is_sorted(Order(-order.sign, null)) for order in orders for null in (-FAR, FAR))
        constant = len({value for value, _ in page.rows}) == 1
        begins = first is not None and bool(first.rows and page.rows) and page.rows[0][0] == first.rows[0][0]
        return turned and not (constant and begins and len({*self.evidence.values.values()}) > 1)

    def _is_end_of(self, tail: Page, page: Page, unread: set[str]) -> bool:
        """Whether `page`, from the other end, goes on from the tail; or shows only rows read, or inserted before.

        It has to begin where the tail ends, or further on: the newest rows may have been deleted meanwhile.
        """
        orders = self.evidence.orders
        if not tail.rows or not page.rows:
            return not unread
        if seams.joins(tail, page.turned, orders, ignore_nulls=self._aim.ignore_nulls):
            return True
        value = next((value for value, _ in page.rows if value is not None), None)
        reaches = all(order.key(value) >= tail.last(order) or tail.rows[-1][0] is None for order in orders)
        return reaches and all(order.key(page.values[i]) < tail.last(order) for i in unread for order in orders)

    def _budget(self) -> int:
        """Requests after which we stop: the list grows, or its seams break, faster than it can be read."""
        if self.evidence.contradicted:
            return MOST_READS
        return SLACK * (self.evidence.first_total // self._plan.stride + 1) + 8 * TRIES
