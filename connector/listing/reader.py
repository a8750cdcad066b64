"""Makes one pass over a list, in pages that overlap, and gathers the evidence that nothing was missed."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from functools import partial

from connector.errors import RequestRejectedError, ResponseTooLargeError
from connector.listing import seams
from connector.listing.ends import Ends
from connector.listing.overlap import OVERLAP
from connector.listing.page import Page
from connector.listing.plan import Plan
from connector.listing.proof import Evidence
from connector.listing.query import Query
from connector.listing.reasons import ListReason
from connector.listing.remote import RemoteList
from connector.listing.seams import Aim, Orders, Step
from connector.listing.ties import TieReader

TRIES = 12  # the most reads for one broken seam, and the most answers in a row that show nothing new
LEAST_CAP = 5  # rows of a page by which a wide tie can be measured
SLACK = 4  # the most requests, as a multiple of what a quiet list would take
MOST_READS = 100_000  # the most requests of one pass: ten million rows


class ListReader:
    """Reads one list, sorted by the time in `field_name`, and gathers the `Evidence`. Raises what `fetch` raises.

    Once an answer has come, a request that the server refuses ends the pass, and `evidence.problem` says so. `tail` is
    the last page whose seam has closed.
    """

    def __init__(self, remote: RemoteList, query: Query, field_name: str, aim: Aim | None = None) -> None:
        self._remote, self._query, self._field_name = remote, query, field_name
        self._aim = aim = aim or Aim()
        self.evidence = Evidence(aim.orders, None if aim.orders else ListReason.UNSORTED)
        turned = query.turned
        self._plan = Plan(
            remote,
            partial(remote.page, query, field_name),
            aim,
            self.evidence,
            partial(remote.page, turned, field_name) if turned is not None else None,
        )
        self.tail: Page | None = None
        self._ends = Ends(remote, query, field_name, aim, self._plan, self.evidence)

    def pages(self) -> Generator[Page, None, None]:
        """Yield each page when its seam has closed, pages that show nothing new included."""
        try:
            for page in self._walk():
                self.evidence.take(page)
                yield page
        except (RequestRejectedError, ResponseTooLargeError) as error:
            if not self.evidence.reads:
                raise
            rows, code = self.tail.end if self.tail else 0, error.code or "too large"
            self.evidence.problem = ListReason.REFUSED.given(rows=rows, code=code)
        except BaseException:
            self._plan.close(wait=False)
            raise
        self._plan.close(wait=True)  # wait, so that every request of this pass is counted

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
                continue  # the order is lost: judge the same page again
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
        """Return the orders that a seam can be judged by."""
        return self.evidence.orders if self.evidence.ordered else ()

    def _accept(self, page: Page) -> Page:
        self._plan.follow(page)
        tail, short = self.tail, len(page.items) < self._plan.cap and not self.evidence.left_out
        if tail is not None and short and page.end <= tail.end and not page.reaches_total:
            self.evidence.problem = ListReason.TOTAL_TOO_LARGE.given(rows=tail.end, total=page.total)
        self.tail = page
        self._ends.take(page)
        return page

    def _start_again(self) -> None:
        self.tail = None
        self.evidence.restarts += 1
        if self.evidence.restarts > TRIES:
            self.evidence.lose_order(ListReason.NO_FIRST_PAGE)
        self._plan.again_from(0)

    def _bridge(self, tail: Page) -> Page | Step | None:
        """Return a page that closes the seam after `tail`, where rows were deleted or a tie exceeds the overlap.

        Returns `Step.TIE` where the tie is as long as a page, None where the order was or is now lost.
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
            elif self._fills_page(tail):
                return self._wide_tie(tail)
            else:
                back *= 2
                offset = tail.end - back
        self.evidence.lose_order(ListReason.SEAM_OPEN)
        return None

    def _fills_page(self, tail: Page) -> bool:
        """Whether a page has hardly room for the group that ends the tail, and for rows around the group."""
        return (tail.reach_back or 0) >= self._plan.cap - OVERLAP

    def _wide_tie(self, page: Page) -> Step | None:
        """Return TIE for a page that a tie fills, if pages are large enough to prove the tie by its size. A page whose
        values cannot be parsed has no order."""
        if page.rows and len(page.items) >= self._plan.cap >= LEAST_CAP:
            return Step.TIE
        self.evidence.lose_order(ListReason.WIDE_TIE if page.rows else ListReason.UNSORTED)
        return None

    def _through_tie(self, tail: Page, page: Page) -> Iterator[Page]:
        """Read the group of equal values at the end of the tail, and go on behind the group."""
        group = TieReader(self._plan, tail, self._is_spent)
        self.tail = yield from group.pages(page)
        self._ends.take(self.tail)
        self.evidence.idle = 0  # to read a group again shows nothing new
        if group.whole:
            self.evidence.ties += 1
        else:
            self.evidence.lose_order(ListReason.WIDE_TIE)
        self._plan.again_from(max(0, self.tail.end - self._plan.cap + self._plan.stride))

    # The end.

    def _finished(self) -> Generator[Page, None, bool]:
        """Whether the pass is over."""
        evidence, until, tail = self.evidence, self._aim.until, self.tail
        if evidence.problem is not None or (self._aim.insist and not evidence.ordered):
            return True
        if tail is None:
            return False
        if self._is_spent():
            evidence.problem = ListReason.ENDLESS.given(requests=evidence.reads)
        elif until is not None and evidence.ordered and seams.passed(tail, until, evidence.orders):
            evidence.stopped_early = True
        elif tail.reaches_total and (len(tail.items) < self._plan.cap or self._proves_nothing(tail)):
            evidence.ended = yield from self._is_end(tail)
            evidence.end_rows = len(tail.items)
        elif evidence.idle > TRIES:
            evidence.problem = ListReason.NOTHING_NEW.given(answers=TRIES)
        return evidence.done

    def _proves_nothing(self, tail: Page) -> bool:
        """Whether the pass has no order and many pages, and is only half of a proof: the shifted pass after it looks
        behind the end for both."""
        return not self.evidence.ordered and not self._aim.shift and tail.offset > 0

    def _is_end(self, tail: Page) -> Generator[Page, None, bool]:
        if not self._ends.are_confirmed(tail):
            return False
        if (yield from self._ends.are_both_seen(tail)):
            return True
        self.tail = None if self.evidence.snapshot else tail
        return False

    def _is_spent(self) -> bool:
        """Whether the list grows, or its seams break, faster than it can be read.

        The budget of requests is for the rows that were shown, whatever TotalCount claims. The budget does not exceed
        the rows of the first TotalCount, unless the list itself has shown more rows.
        """
        evidence = self.evidence
        shown = len(evidence.values) + len(evidence.nameless)
        rows = shown if evidence.contradicted else min(shown, evidence.first_total)
        return evidence.reads > min(MOST_READS, SLACK * (rows // self._plan.stride + 1) + 8 * TRIES)
