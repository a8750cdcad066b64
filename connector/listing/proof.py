"""Collects what reading a list has shown, and derives what the evidence proves."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate, pairwise
from operator import itemgetter

from connector.listing.page import Order, Page
from connector.listing.query import MAX_LIMIT
from connector.listing.reasons import Cause, ListReason

GREAT_STEP = 0.05  # the share by which TotalCount may fall between two answers
MOST_LEFT_OUT = 3  # rows that the server cannot show, after which a pass ends


class Proof(StrEnum):
    """Why a sweep is complete; the value is the text for people."""

    ONE_ANSWER = "in one answer"
    ORDER = "by order"
    TIES = "by order, wide ties by their size"
    BOTH_ENDS = "by order, from both ends"
    PARTS = "by parts of the ids"
    COUNT = "by count"
    WATERMARK = "by order, down to the watermark"


@dataclass
class Server:
    """Keeps what is known of a server, whichever of its lists is read.

    `cap` is the most rows that the server gives at once, and `most_rows` the most that an answer had. `finds_prefixes`
    says whether the ImageID filter finds ids by their beginning, None where the filter was not tested.
    """

    cap: int = MAX_LIMIT
    most_rows: int = 0
    finds_prefixes: bool | None = None


@dataclass
class Evidence:
    """Collects what one pass over a list has shown.

    `orders` are the sort orders that no page has contradicted; once `order_lost` has a reason, none of them counts.
    `reads` counts all answers, `pages` those that were taken into the pass, `re_reads` those that were asked for again.
    `end_rows` counts the rows of the last page, `idle` the latest pages in a row that showed nothing new.
    `snapshot` says that the last page shows the whole list. `ties` counts wide ties that were proven by their size.

    `totals` are all TotalCounts, `answered` those of each answer, with the moments when it was asked for and when it
    came; `heard` is the same of all answers that came, whether or not a pass noted them. `values` are the sort values
    of the images read, by id. `repeated` counts, for each id that was in one answer more than once, the rows beyond its
    first. `moved` are ids that had two sort values, `nameless` the places of items without an id. `end_unseen` says
    that the list's other end does not show where the list ends: rows without a value stand last in both directions, or
    the whole list is one wide tie. `left_out` counts the rows that the server cannot show, and `unreadable` names the
    first one.
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
    end_checks: int = 0
    snapshot: bool = False
    end_unseen: bool = False
    unreadable: Cause | None = None
    left_out: int = 0
    idle: int = 0
    ties: int = 0
    answered: list[tuple[int, int, int]] = field(default_factory=list)
    heard: list[tuple[int, int, int]] = field(default_factory=list)
    totals: set[int] = field(default_factory=set)
    first_total: int = 0
    contradicted: bool = False
    nulls: bool = False
    values: dict[str, int | None] = field(default_factory=dict)
    repeated: dict[str, int] = field(default_factory=dict)
    moved: set[str] = field(default_factory=set)
    nameless: set[int] = field(default_factory=set)

    def note(self, page: Page) -> None:
        """Note what an answer shows, whether or not its page is taken into the pass."""
        self.count(page)
        if self.ordered:
            self.orders = tuple(order for order in self.orders if page.is_sorted(order))
            if not self.orders:
                self.lose_order(ListReason.UNSORTED)

    def count(self, page: Page) -> None:
        """Note an answer that is no part of the order."""
        self.reads += 1
        if page.total is not None:
            self.first_total = self.first_total or page.total
            self.answered.append((page.sent, page.came, page.total))
            self.totals.add(page.total)
            self.contradicted |= bool(page.items) and page.total < page.end

    def hear(self, page: Page) -> None:
        """Note that an answer came. Threads that ask for pages call this."""
        if page.total is not None:
            self.heard.append((page.sent, page.came, page.total))

    def listen(self, other: Evidence) -> None:
        """Note the TotalCounts of another pass over the list, of answers that the pass did not take too."""
        self.answered = sorted({*self.answered, *other.answered, *other.heard})
        self.totals = {total for *_, total in self.answered}

    def take(self, page: Page) -> None:
        """Take a page into the pass."""
        known = len(self.values)
        self.pages += 1
        self.rows += len(page.items)
        seen_again = self.values.keys() & page.values.keys()
        self.moved.update(i for i in seen_again if self.values[i] != page.values[i])
        self.values.update(page.values)
        self.nulls |= any(value is None for value, _ in page.rows)
        if len(page.rows) != len(page.items):
            self.values.update((i, None) for i in page.ids if i not in self.values)
            self.nameless.update(page.nameless())
        self.repeated |= {i: max(more, self.repeated.get(i, 0)) for i, more in page.repeated.items()}
        self.idle = 0 if len(self.values) > known else self.idle + 1

    def leave_out(self, place: int, code: str | None) -> None:
        """Note that a row of the list cannot be read."""
        self.left_out += 1
        self.unreadable = self.unreadable or ListReason.UNREADABLE.given(place=place, code=code)
        self.lose_order(ListReason.SEAM_OPEN)
        if self.left_out > MOST_LEFT_OUT:
            self.problem = self.unreadable

    def lose_order(self, reason: ListReason) -> None:
        """Note why the order is lost; the first reason counts."""
        self.order_lost = self.order_lost or reason

    @property
    def ids(self) -> Set[str]:
        """The ids of all images read."""
        return self.values.keys()

    @property
    def ordered(self) -> bool:
        """Whether the order holds so far."""
        return self.order_lost is None

    @property
    def total(self) -> int:
        """The largest TotalCount seen."""
        return max(self.totals, default=0)

    @property
    def latest_total(self) -> int | None:
        """The TotalCount of the answer that came last."""
        return max(self.answered, key=itemgetter(1))[2] if self.answered else None

    @property
    def constant_total(self) -> int | None:
        """The TotalCount of all answers; None where answers differ."""
        return max(self.totals) if len(self.totals) == 1 else None

    @property
    def unread(self) -> int:
        """Rows that the list has by its constant TotalCount, less those that were read. Below 0 where more images were
        read than the list had at any moment. An image that is listed twice counts once."""
        total = self.constant_total
        return 0 if total is None else total - len(self.values) - len(self.nameless)

    @property
    def listed_twice(self) -> int:
        """Rows that showed an image again within one answer."""
        return sum(self.repeated.values())

    def uncounted(self) -> Cause | None:
        """The contradiction between a constant TotalCount and the rows read, after images that are listed twice."""
        if self.unread <= 0 or self.unread == self.listed_twice:
            return None
        return ListReason.COUNT_DIFFERS.given(total=self.constant_total, images=len(self.values))

    def hidden(self) -> Cause | None:
        """The sign in TotalCount that a part of the list was hidden for a while: a great step, or a dip."""
        if len(self.totals) < 2:
            return None
        return self.jump() or self.dip()

    def jump(self) -> Cause | None:
        """A step of TotalCount that no deletion or insert between two answers explains."""
        for before, after in self.steps():
            if is_great_step(before, after) or is_great_step(after, before):
                return ListReason.TOTAL_JUMPED.given(before=before, after=after)
        return None

    def steps(self) -> Iterator[tuple[int, int]]:
        """The TotalCounts of two answers, one of which came after the other."""
        return pairwise(total for _, total in sorted((came, total) for _, came, total in self.answered))

    def dip(self) -> Cause | None:
        """A TotalCount below those before it and after it.

        Answers whose requests were under way at the same time are not compared.
        """
        by_came = sorted((came, total) for _, came, total in self.answered)
        by_sent = sorted(((sent, total) for sent, _, total in self.answered), reverse=True)
        before = list(accumulate((total for _, total in by_came), max))
        after = list(accumulate((total for _, total in by_sent), max))
        for sent, came, total in self.answered:
            earlier = bisect_left(by_came, (sent,))
            later = bisect_left(by_sent, -came, key=lambda entry: -entry[0])
            around = min(before[earlier - 1], after[later - 1]) if earlier and later else total
            if total < around:
                return ListReason.TOTAL_DIPPED.given(low=total, high=around)
        return None

    @property
    def done(self) -> bool:
        """Whether the pass is over, with or without success."""
        return self.ended or self.stopped_early or self.problem is not None

    @property
    def in_order(self) -> bool:
        """Whether every seam closed and no value decreased, from the first page to a proven end or the early stop."""
        return self.ordered and self.problem is None and (self.ended or self.stopped_early)

    @property
    def one_answer(self) -> bool:
        """Whether the whole list came in one answer, which is a snapshot whatever its order."""
        return self.ended and (self.snapshot or self.pages == 1)

    @property
    def countable(self) -> bool:
        """Whether the pass can be one of two alike passes: undisturbed, a constant TotalCount, and as many ids."""
        return self.is_undisturbed and self.constant_total == len(self.values)

    @property
    def is_undisturbed(self) -> bool:
        """Whether the pass came to its end without a repair. A seam that did not close is one, but not in a list that
        proved to have no order."""
        repairs = self.seam_repairs if self.order_lost is not ListReason.UNSORTED else 0
        return self.ended and not repairs and not self.re_reads

    @property
    def is_counted(self) -> bool:
        """Whether a constant TotalCount is the number of the rows that were read, with those of an image that is more
        than once in one answer."""
        return self.constant_total is not None and self.unread == self.listed_twice


def is_great_step(before: int, after: int) -> bool:
    """Whether a TotalCount fell by more than deletions explain."""
    return before - after > max(1, before * GREAT_STEP)


@dataclass
class Outcome:
    """Holds what a sweep has read and proven: `proof` where the sweep is complete, `cause` where it is not, or is
    complete only by count.

    `notes` say what was unusual; `total_count` is the newest TotalCount of the list; `fallback` is set where only a
    full sweep can tell what is new. `listed_twice` counts the rows that showed an image again within one answer of the
    last pass.
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
    listed_twice: int = 0
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
        """Add the counts of a pass."""
        self.pages += evidence.pages
        self.rows_listed += evidence.rows
        self.seam_repairs += evidence.seam_repairs
        self.passes += 1
        confirmed = evidence.constant_total is None or evidence.unread == evidence.listed_twice
        self.listed_twice = evidence.listed_twice if confirmed else 0  # an answer may repeat a row by mistake
