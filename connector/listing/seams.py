"""Decides whether nothing is missing between two pages, and what to do next, without requests and without state.

`tail` is the last page whose seam has closed, `page` the page that was asked for next. `orders` are the sort orders
that no page has contradicted; where `orders` is empty, the order is lost, and seams prove nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from connector.listing.overlap import OVERLAP
from connector.listing.page import ASCENDING, DESCENDING, FAR, Order, Page

Orders = tuple[Order, ...]


@dataclass(frozen=True)
class Aim:
    """The aim of a pass over a list.

    `orders` are the orders that the server was asked for. `until` ends the pass early, at the first page with a value
    below `until`, and needs descending orders. With `insist` the pass ends as soon as the order is lost; else the pass
    goes on to the end without seams. With `ignore_nulls` the proof leaves out rows without a value, which may then fill
    whole pages.
    `expected` rows are asked for before the first answer says how many there are. `shift` moves the boundaries between
    pages by half a page, for a pass over a list that was read before. With `one_end_of_one_answer` a list that comes in
    one answer is not looked at from its other end.
    """

    orders: Orders = ASCENDING + DESCENDING
    until: int | None = None
    insist: bool = False
    ignore_nulls: bool = False
    expected: int = 0
    shift: bool = False
    one_end_of_one_answer: bool = False


class Step(Enum):
    """What to do with a page."""

    ACCEPT = auto()  # nothing is missing before the page; or the order is lost, and nothing can be proven
    TIE = auto()  # the tail's last value fills the page: the group has to be proven by its size
    SKIP = auto()  # the page ends before the tail does: rows were inserted before it, and it shows nothing new
    BRIDGE = auto()  # the seam is open: read again from further back
    RESTART = auto()  # the first page was not the first page of the list


def decide(tail: Page | None, page: Page, orders: Orders, aim: Aim) -> Step:
    """Choose what to do with `page` after `tail`, or with the first page, where there is no tail yet."""
    if tail is None or not orders:
        return Step.ACCEPT
    if aim.expected and begins_before(page, tail, orders):
        return Step.RESTART
    starts_anew = not tail.items and page.offset == 0
    if starts_anew or confirms_end(tail, page) or joins(tail, page, orders, ignore_nulls=aim.ignore_nulls):
        return Step.ACCEPT
    if is_behind(page, tail, orders):
        return Step.SKIP
    return Step.TIE if is_full_of_last(page, tail) else Step.BRIDGE


def joins(tail: Page, page: Page, orders: Orders, *, ignore_nulls: bool = False) -> bool:
    """Whether `page` holds a row of `tail` from strictly before its last value, in every order still possible."""
    if not page.rows or not tail.rows:
        return False
    if ignore_nulls and all(value is None for value, _ in tail.rows):
        # Whether nulls come first or last, they stand together: no value can stand between two nulls.
        return page.rows[0][0] is None
    return all(_joins_in(order, tail, page) for order in orders)


def _joins_in(order: Order, tail: Page, page: Page) -> bool:
    last = tail.last(order)
    return any(
        order.key(value) < last and page.values.get(image_id, FAR) == value for value, image_id in reversed(tail.rows)
    )


def confirms_end(tail: Page, page: Page) -> bool:
    """Whether both pages end the list, and `page`, from further on, shows no row that the tail does not show."""
    further_on = page.offset >= tail.offset and page.places.keys() <= tail.places.keys()
    return further_on and bool(tail.items) and tail.reaches_total and page.reaches_total


def is_behind(page: Page, tail: Page, orders: Orders) -> bool:
    """Whether `page` ends before `tail` does."""
    return bool(page.rows and tail.rows) and all(page.last(order) < tail.last(order) for order in orders)


def is_full_of_last(page: Page, tail: Page) -> bool:
    """Whether all rows of a page, at least as long as the tail, have the tail's last value."""
    if not tail.rows or len(page.rows) < len(tail.rows):
        return False
    return {value for value, _ in page.rows} == {tail.rows[-1][0]}


def moves_on(tail: Page, page: Page, orders: Orders) -> bool:
    """Whether `page` ends after `tail` does, by its values."""
    return any(page.last(order) > tail.last(order) for order in orders)


def begins_before(page: Page, first: Page, orders: Orders) -> bool:
    """Whether a page from further on shows the first row of the first page, or rows before it.

    Then the first page may be the answer to another request of the same batch, which no seam would reveal.
    """
    if first.offset or not page.offset or not first.rows or not page.rows:
        return False
    return first.rows[0][1] in page.values or any(
        order.key(page.rows[0][0]) < order.key(first.rows[0][0]) for order in orders
    )


def reach(tail: Page, cap: int) -> int | None:
    """Return how many rows before the tail's end a bridge begins; None where the whole tail has one value.

    The list has moved since the tail was read. So a bridge reaches further back than the tail's own rows require, but
    not so far that an answer of `cap` rows has no room for new rows.
    """
    if tail.reach_back is None:
        return None
    return max(tail.reach_back, min(tail.reach_back + OVERLAP, cap - 1), cap // 2)


def passed(page: Page, until: int, orders: Orders) -> bool:
    """Whether `page` holds a value beyond `until`. A null does not count: it may stand among the values."""
    values = [value for value, _ in page.rows if value is not None]
    return all(any(order.key(value) > order.key(until) for value in values) for order in orders)
