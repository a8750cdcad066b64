"""What reading a list has shown, and whether that proves that nothing was missed."""

from __future__ import annotations

from dataclasses import dataclass, field

from connector.listing.page import MAX_LIMIT, Order

UNSORTED = "the sort values are not in order"
WIDE_TIE = "a group of equal sort values is as long as a page"  # less its row before, and one after


@dataclass
class Server:
    """What is known of a server, whichever of its lists is read: `cap`, the most rows that it gives at once."""

    cap: int = MAX_LIMIT


@dataclass
class Evidence:
    """What one pass over a list has shown.

    `orders` are the sort orders that no page has contradicted, `end_rows` counts the rows of the page that was the end.
    """

    orders: tuple[Order, ...]
    order_lost: str | None = None
    ended: bool = False
    stopped_early: bool = False
    problem: str | None = None
    pages: int = 0
    rows: int = 0
    end_rows: int = 0
    seam_repairs: int = 0
    re_reads: int = 0
    totals: set[int] = field(default_factory=set)
    latest_total: int | None = None
    contradicted: bool = False
    ids: set[str] = field(default_factory=set)

    @property
    def total(self) -> int:
        """The largest TotalCount seen."""
        return max(self.totals, default=0)

    @property
    def in_order(self) -> bool:
        """Every seam closed and no value decreased, from the first page to a proven end or the early stop."""
        return self.order_lost is None and (self.ended or self.stopped_early)

    @property
    def one_answer(self) -> bool:
        """The whole list came in one answer, which is a snapshot whatever its order."""
        return self.ended and self.pages == 1

    @property
    def countable(self) -> bool:
        """Fit to be one of two alike passes: undisturbed, one TotalCount throughout, and as many ids as it says."""
        undisturbed = self.ended and not self.seam_repairs and not self.re_reads
        return undisturbed and self.totals == {len(self.ids)}
