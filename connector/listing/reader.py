"""One pass over a list, in pages that overlap, and the evidence that nothing was missed."""

from __future__ import annotations

from collections.abc import Iterator

from connector.listing import seams
from connector.listing.page import Page
from connector.listing.plan import Plan
from connector.listing.proof import Evidence
from connector.listing.query import Query
from connector.listing.reasons import ListReason
from connector.listing.remote import RemoteList
from connector.listing.seams import Aim, Orders, Step

TRIES = 12  # reads that may be spent on one broken seam, and answers in a row that may show nothing new
SLACK = 4  # times the requests that a quiet list would take
MOST_READS = 100_000  # in one pass, where TotalCount does not tell how long the list is: ten million rows


class ListReader:
    """Reads one list, sorted by the time in `field_name`, and gathers the `Evidence`. Raises what `fetch` raises."""

    def __init__(self, remote: RemoteList, query: Query, field_name: str, aim: Aim | None = None) -> None:
        self._aim = aim = aim or Aim()
        self.evidence = Evidence(aim.orders, None if aim.orders else ListReason.UNSORTED)
        self._plan = Plan(remote, lambda at, limit: remote.page(query, field_name, at, limit), aim, self.evidence)

    def pages(self) -> Iterator[Page]:
        """Every page as its seam closes; pages that show nothing new are among them."""
        try:
            for page in self._walk():
                self.evidence.take(page)
                yield page
        except BaseException:
            self._plan.close(wait=False)
            raise
        self._plan.close(wait=True)  # so that no request of this pass goes uncounted

    def _walk(self) -> Iterator[Page]:
        """`tail` is the last page whose seam has closed, `page` the next one planned."""
        tail: Page | None = None
        page: Page | None = None
        while not self._finished(tail):
            page = page or self._plan.next(tail)
            match seams.decide(tail, page, self._orders, self._aim):
                case Step.ACCEPT:
                    self._accept(tail, page)
                    tail, page = page, None
                    yield tail
                case Step.SKIP:
                    skipped, page = page, None
                    yield skipped
                case Step.BRIDGE if tail is not None and (bridge := self._bridge(tail)) is not None:
                    self._accept(tail, bridge)
                    tail = bridge
                    yield tail
                case Step.RESTART:
                    tail = page = None
                    self._start_again()

    @property
    def _orders(self) -> Orders:
        """The orders that a seam can be judged by."""
        return self.evidence.orders if self.evidence.ordered else ()

    def _accept(self, tail: Page | None, page: Page) -> None:
        self._plan.follow(page)
        if tail is not None and len(page.items) < self._plan.cap and page.end <= tail.end and not page.reaches_total:
            self.evidence.problem = ListReason.TOTAL_TOO_LARGE.given(rows=tail.end, total=page.total)

    def _start_again(self) -> None:
        self.evidence.restarts += 1
        if self.evidence.restarts > TRIES:
            self.evidence.lose_order(ListReason.NO_FIRST_PAGE)
        self._plan.again_from(0)

    def _bridge(self, tail: Page) -> Page | None:
        """A page that closes the seam after `tail`, where rows were deleted or a tie group exceeds the overlap.

        None where the order is lost, or proves to be.
        """
        back = seams.reach(tail, self._plan.cap)
        if back is None:
            return self._no_bridge(ListReason.WIDE_TIE)
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
                    return self._no_bridge(ListReason.WIDE_TIE)
            else:
                back *= 2
                offset = tail.end - back
        return self._no_bridge(ListReason.SEAM_OPEN)

    def _no_bridge(self, reason: ListReason) -> Page | None:
        self.evidence.lose_order(reason)
        return None

    # The end.

    def _finished(self, tail: Page | None) -> bool:
        evidence, until = self.evidence, self._aim.until
        if evidence.problem is not None or (self._aim.insist and not evidence.ordered):
            return True
        if tail is None:
            return False
        if evidence.reads > self._budget():
            evidence.problem = ListReason.ENDLESS.given(requests=evidence.reads)
        elif until is not None and evidence.ordered and seams.passed(tail, until, evidence.orders):
            evidence.stopped_early = True
        elif len(tail.items) < self._plan.cap and tail.reaches_total:
            evidence.ended = self._end_confirmed(tail)
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
        if evidence.ids and tail.total == evidence.total and not tail.repeats:
            return True
        again = self._plan.read(tail.offset)
        evidence.re_reads += 1
        if again.reaches_total and again.places.keys() <= tail.places.keys():
            return True
        self._plan.again_from(tail.offset)
        return False

    def _budget(self) -> int:
        """Requests after which we stop: the list grows, or its seams break, faster than it can be read."""
        if self.evidence.contradicted:
            return MOST_READS
        return SLACK * (self.evidence.first_total // self._plan.stride + 1) + 8 * TRIES
