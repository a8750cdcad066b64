"""Decides whether a list ends where a pass ended: reads the end again where it is in doubt, and reads the other end."""

from __future__ import annotations

from collections.abc import Generator, Mapping

from connector.errors import RequestRejectedError, TransientError
from connector.listing import seams
from connector.listing.page import FAR, Order, Page
from connector.listing.plan import Plan
from connector.listing.proof import Evidence
from connector.listing.query import Query
from connector.listing.reasons import ListReason
from connector.listing.remote import RemoteList
from connector.listing.seams import Aim

END_CHECKS = 3  # searches for the end, while the list's other end shows rows that were not read


class Ends:
    """Checks the two ends of the list that a pass reads.

    `tail` is the page that ended the list. If `tail` was not the end, the pass is planned again from further back.
    """

    def __init__(
        self, remote: RemoteList, query: Query, field_name: str, aim: Aim, plan: Plan, evidence: Evidence
    ) -> None:
        self._remote, self._query, self._field_name = remote, query, field_name
        self._aim, self._plan, self._evidence = aim, plan, evidence
        self._first: Page | None = None  # the first page
        self._last_rows: Page | None = None  # the last page that has rows
        self._shown_ahead: dict[str, int | None] = {}  # what the page asked ahead showed and no page before the end did

    def take(self, page: Page) -> None:
        """Take note of a page of the pass."""
        self._first = page if page.offset == 0 else self._first
        self._last_rows = page if page.rows else self._last_rows

    def are_confirmed(self, tail: Page) -> bool:
        """Whether the end is sure. An empty list must be shown twice, and so must an end below the largest TotalCount
        seen."""
        evidence = self._evidence
        if evidence.contradicted:
            evidence.problem = ListReason.TOTAL_TOO_SMALL.given(total=tail.total)
            return False
        if evidence.values and tail.total == evidence.total:
            return True
        again = self._shown_again(tail)
        evidence.re_reads += 1
        if again.reaches_total and again.places.keys() <= tail.places.keys():
            return True
        if not tail.items and tail.offset == 0:  # the other end is not empty: the server ignores values of the filter
            self._look_again()
        self._plan.again_from(tail.offset)
        return False

    def are_both_seen(self, tail: Page) -> Generator[Page, None, bool]:
        """Whether the list's other end, shown by one request, has no row that was not read.

        A result window that caps the offset and TotalCount alike looks like the end from one side.
        """
        evidence, turned = self._evidence, self._query.turned
        evidence.snapshot = tail.offset == 0
        if not evidence.values or evidence.left_out or (evidence.snapshot and self._aim.one_end_of_one_answer):
            return True  # the server may fail at the other end, because of a row that was left out
        if not (evidence.ordered or evidence.snapshot):
            return True  # a list without an order has no other end
        settled, page, unread = (True, tail, False) if turned is None else self._other_end(tail, turned)
        goes_on = evidence.snapshot and self._is_cut(tail, page) and (yield from self._goes_on(tail))
        if settled and not goes_on:
            if unread:
                yield page
            return True
        self._look_again()
        self._plan.again_from(max(0, tail.end - max(1, self._plan.cap // 2)))
        return False

    def _is_cut(self, tail: Page, page: Page) -> bool:
        """Whether the single answer may be cut at the server's cap: the other end shows the same rows, but not in the
        opposite order."""
        return {*page.ids} == {*tail.ids} and [*page.ids] != [*tail.ids][::-1]

    def _other_end(self, tail: Page, turned: Query) -> tuple[bool, Page, bool]:
        """Return whether the other end shows that all was read, its page, and whether that page has unread rows."""
        evidence = self._evidence
        page = self._asked_ahead(tail) or self._turned_page(turned)
        if not evidence.snapshot and not self._is_turned(page):  # perhaps the answer is an old one
            page = self._turned_page(turned)
        unread = self._unread(page)
        evidence.end_unseen = self._ends_in_nulls and any(value is not None for value, _ in page.rows[:1])
        if not page.items and not page.reaches_total:
            settled = False
        elif evidence.snapshot:
            # The list goes on if the other end shows other rows, as many as before, or more than one answer can show.
            unseen = page.values.keys() - evidence.values.keys()
            settled = not unseen or (page.total != tail.total and page.reaches_total)
        elif not self._is_turned(page):
            evidence.lose_order(ListReason.NOT_TURNED)
            settled = True
        else:
            before, self._shown_ahead = self._shown_ahead, {}
            settled = self._is_end_of(tail, page, before | unread)
            if settled and self._is_longer(tail, page, turned):
                settled, evidence.problem = False, ListReason.END_HIDDEN.given()
        return settled, page, bool(unread)

    def _unread(self, page: Page) -> dict[str, int | None]:
        """Return the sort values of the page's rows that were not read, or were read at another place: a row that has
        moved to the other end says nothing of the rows between the tail and itself. A value that cannot be parsed is
        None."""
        values = self._evidence.values
        shown = dict.fromkeys(page.ids) | page.values
        return {image_id: value for image_id, value in shown.items() if values.get(image_id, FAR) != value}

    def _is_longer(self, tail: Page, page: Page, turned: Query) -> bool:
        """Whether the group of equal values that ends the list has more rows than were read, where the group fills the
        page from the other end: then that page does not show where the group begins.

        A result window cuts such a group off, and its size is then no more than TotalCount says. So the place from the
        other end is read at which the last row of the group has to stand.
        """
        values, last = self._evidence.values.values(), (self._last_rows or tail).rows[-1:]
        if not last or not page.rows or page.rows[0][0] != last[0][0]:
            return False
        size = sum(value == last[0][0] for value in values)
        if not page.offset:
            if any(value != last[0][0] for value, _ in page.rows) or page.reaches_total:
                return False
            if size == len(values):
                self._evidence.end_unseen = True
                return False
            page = self._remote.page(turned, self._field_name, size - 1, self._plan.cap)
            self._evidence.count(page)
        came = max(0, (page.total or 0) - (tail.total or 0))
        return sum(value == last[0][0] for value, _ in page.rows) > 1 + came

    @property
    def _ends_in_nulls(self) -> bool:
        return self._last_rows is not None and self._last_rows.rows[-1][0] is None

    def _shown_again(self, tail: Page) -> Page:
        """Read the end once more; of an empty list the other end, if the list has another end."""
        turned = self._query.turned
        if tail.items or tail.offset or turned is None:
            return self._plan.read(tail.offset)
        page = self._plan.other_end()
        self._evidence.count(page)
        return page

    def _goes_on(self, tail: Page) -> Generator[Page, None, bool]:
        """Whether a list that showed no other end has rows behind `tail`, whatever TotalCount says."""
        try:
            page = self._remote.page(self._query, self._field_name, tail.end, self._plan.cap)
        except (RequestRejectedError, TransientError):
            return False  # the server refuses so large an offset, or fails at it
        self._evidence.count(page)
        if page.items:
            yield page
        return bool(page.items)

    def _look_again(self) -> None:
        self._evidence.end_checks += 1
        if self._evidence.end_checks > END_CHECKS:
            self._evidence.problem = ListReason.END_HIDDEN.given()

    def _asked_ahead(self, tail: Page) -> Page | None:
        """Return the page at the other end that was asked for together with the last page, if it settles the end: the
        list may have moved since."""
        page = None if self._evidence.snapshot else self._plan.asked_ahead()
        if page is None:
            return None
        self._evidence.count(page)
        unread = self._unread(page)
        begins = page.rows and page.rows[0][0] is not None
        settles = begins and self._is_turned(page) and self._is_end_of(tail, page, unread)
        self._shown_ahead = {} if settles else unread
        return page if settles else None

    def _turned_page(self, turned: Query) -> Page:
        """Return the first rows in the opposite order; if a page of nulls comes first, the first rows with a value."""
        page = self._plan.other_end()
        self._evidence.count(page)
        nulls = sum(value is None for value in self._evidence.values.values())
        if page.rows and nulls < len(self._evidence.values) and all(value is None for value, _ in page.rows):
            page = self._remote.page(turned, self._field_name, max(0, nulls - 1), self._plan.cap)
            self._evidence.count(page)
        return page

    def _is_turned(self, page: Page) -> bool:
        """Whether the page from the other end is sorted in the opposite direction, and is not the list's beginning."""
        orders, first = self._evidence.orders, self._first
        turned = any(page.is_sorted(Order(-order.sign, null)) for order in orders for null in (-FAR, FAR))
        constant = len({value for value, _ in page.rows}) == 1
        begins = first is not None and bool(first.rows and page.rows) and page.rows[0][0] == first.rows[0][0]
        return turned and not (constant and begins and len({*self._evidence.values.values()}) > 1)

    def _is_end_of(self, tail: Page, page: Page, unread: Mapping[str, int | None]) -> bool:
        """Whether `page`, from the other end, continues the tail, or shows only rows that were read or inserted before.

        The page has to begin where the tail ends, or further on: the newest rows may have been deleted meanwhile.
        `unread` are the rows that were shown from the other end, and not read.
        """
        orders, tail = self._evidence.orders, self._last_rows or tail
        if not tail.rows or not page.rows:
            return not unread
        if seams.joins(tail, page.turned, orders, ignore_nulls=self._aim.ignore_nulls):
            return True
        value = next((value for value, _ in page.rows if value is not None), None)
        reaches = all(order.key(value) >= tail.last(order) or tail.rows[-1][0] is None for order in orders)
        return reaches and all(order.key(v) < tail.last(order) for v in unread.values() for order in orders)
