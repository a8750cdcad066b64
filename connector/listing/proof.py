"""What reading a list has shown, and what that proves."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from connector.listing.page import Order, Page
from connector.listing.query import MAX_LIMIT
from connector.listing.reasons import Cause, ListReason


class Proof(StrEnum):
    """Why a sweep is complete; the value says it to people."""

    ONE_ANSWER = "in one answer"
    ORDER = "by order"
    COUNT = "by count"
    WATERMARK = "by order, down to the watermark"


@dataclass
class Server:
    """What is known of a server, whichever of its lists is read: `cap`, the most rows that it gives at once."""

    cap: int = MAX_LIMIT


@dataclass
class Evidence:
    """What one pass over a list has shown.

    `orders` are the sort orders that no page has contradicted, and none of them counts once `order_lost` says why.
    `reads` counts all answers, `pages` those that were taken into the pass, `re_reads` those that were asked for again.
    `end_rows` counts the rows of the page that was the end, `idle` the last pages in a row that showed nothing new.
    """

    orders: tuple[Order, ...]
    order_lost: ListReason | None = None
    ended: bool = False
    stopped_early: bool = False
    problem: Cause | None = None
    pages: int = 0
    rows: int = 0
    end_rows: int = 0
    seam_repairs: int = 0
    re_reads: int = 0
    reads: int = 0
    restarts: int = 0
    idle: int = 0
    totals: set[int] = field(default_factory=set)
    first_total: int = 0
    latest_total: int | None = None
    contradicted: bool = False
    ids: set[str] = field(default_factory=set)

    def note(self, page: Page) -> None:
        """Takes down what every answer shows, whether its page is taken or not."""
        self.reads += 1
        if page.total is not None:
            self.first_total = self.first_total or page.total
            self.totals.add(page.total)
            self.latest_total = page.total
            self.contradicted |= bool(page.items) and page.total < page.end
        if self.ordered:
            self.orders = tuple(order for order in self.orders if page.is_sorted(order))
            if not self.orders:
                self.lose_order(ListReason.UNSORTED)

    def take(self, page: Page) -> None:
        """Takes a page into the pass."""
        known = len(self.ids)
        self.pages += 1
        self.rows += len(page.items)
        self.ids.update(page.ids)
        self.idle = 0 if len(self.ids) > known else self.idle + 1

    def lose_order(self, reason: ListReason) -> None:
        """The first reason counts."""
        self.order_lost = self.order_lost or reason

    @property
    def ordered(self) -> bool:
        """Whether the order holds so far."""
        return self.order_lost is None

    @property
    def total(self) -> int:
        """The largest TotalCount seen."""
        return max(self.totals, default=0)

    @property
    def done(self) -> bool:
        """Whether the pass is over, well or not."""
        return self.ended or self.stopped_early or self.problem is not None

    @property
    def in_order(self) -> bool:
        """Every seam closed and no value decreased, from the first page to a proven end or the early stop."""
        return self.ordered and (self.ended or self.stopped_early)

    @property
    def one_answer(self) -> bool:
        """The whole list came in one answer, which is a snapshot whatever its order."""
        return self.ended and self.pages == 1

    @property
    def countable(self) -> bool:
        """Fit to be one of two alike passes: undisturbed, one TotalCount throughout, and as many ids as it says."""
        undisturbed = self.ended and not self.seam_repairs and not self.re_reads
        return undisturbed and self.totals == {len(self.ids)}


@dataclass
class Outcome:
    """What a sweep has read and proven: `proof` where it is complete, `cause` where it is not, or only by count.

    `notes` say what was not as usual; `total_count` is the newest TotalCount of the list; `fallback` is set where only
    a full sweep can tell.
    """

    proof: Proof | None = None
    cause: Cause | None = None
    order_proven: bool = False
    fallback: Cause | None = None
    pages: int = 0
    passes: int = 0
    rows_listed: int = 0
    seam_repairs: int = 0
    total_count: int | None = None
    notes: list[Cause] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        return self.proof is not None

    @property
    def reason(self) -> str:
        """Why the sweep is complete or not, for people."""
        if self.proof is None:
            return "" if self.cause is None else str(self.cause)
        return self.proof if self.cause is None else f"{self.proof}, since {self.cause}"

    def add(self, evidence: Evidence) -> None:
        """Counts what a pass has read."""
        self.pages += evidence.pages
        self.rows_listed += evidence.rows
        self.seam_repairs += evidence.seam_repairs
        self.passes += 1
