"""Where a pass asks next: rows at which the server fails, rows that are too large, and pages that come short."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import pytest

from connector.api.answers import Answer
from connector.errors import ResponseTooLargeError, TransientError
from connector.listing.page import Page, page_of
from connector.listing.plan import Plan
from connector.listing.proof import Evidence
from connector.listing.query import Query
from connector.listing.reasons import ListReason
from connector.listing.remote import RemoteList
from connector.listing.seams import Aim

LIMIT = 16
Asked = list[tuple[int, int]]


def _load(
    count: int, *, poison: Collection[int] = (), huge: Mapping[int, int] | None = None, cap: int = LIMIT
) -> tuple[Callable[[int, int], Page], Asked]:
    """A list of `count` rows, the n-th with value n, and the (offset, limit) of each request for its pages.

    The server fails at every answer with a place in `poison`, and gives at most so many rows with a place in `huge`.
    """
    asked: Asked = []

    def load(offset: int, limit: int) -> Page:
        asked.append((offset, limit))
        places = range(offset, min(offset + min(limit, cap), count))
        if {*places} & {*poison}:
            raise TransientError("down", code="InternalError")
        if any(len(places) > most for place, most in (huge or {}).items() if place in places):
            raise ResponseTooLargeError("too large", code="ResponseSizeLimitExceeded")
        rows = [{"ImageID": f"i{place}", "v": place} for place in places]
        return page_of(Answer({"List": rows, "TotalCount": count}, None), offset, lambda items: [i["v"] for i in items])

    return load, asked


def _plan(
    load: Callable[[int, int], Page], limit: int = LIMIT, turned: Callable[[int, int], Page] | None = None
) -> tuple[Plan, Evidence]:
    aim = Aim()
    evidence = Evidence(aim.orders)
    remote = RemoteList(lambda payload: Answer({}, None), lambda items, name: [], in_flight=1, limit=limit)
    return Plan(remote, load, aim, evidence, turned), evidence


def _walked(plan: Plan, evidence: Evidence) -> list[Page]:
    """All pages up to the end of the list, or up to a problem."""
    pages: list[Page] = []
    tail: Page | None = None
    while evidence.problem is None and not (tail is not None and tail.reaches_total):
        tail = plan.next(tail)
        plan.follow(tail)
        pages.append(tail)
    return pages


def _read(pages: Collection[Page]) -> set[str]:
    return {image_id for page in pages for image_id in page.places}


def _all_but(count: int, *places: int) -> set[str]:
    return {f"i{place}" for place in range(count) if place not in places}


@pytest.mark.parametrize("place", [16, 20, 28, 44, 98, 99], ids=lambda place: f"row {place}")
def test_a_row_at_which_the_server_fails_is_left_out(place: int) -> None:
    """All other rows are read; the order is lost there, and the evidence names the place."""
    load, _ = _load(100, poison={place})
    plan, evidence = _plan(load)
    assert _read(_walked(plan, evidence)) == _all_but(100, place)
    assert evidence.unreadable == ListReason.UNREADABLE.given(place=place, code="InternalError")
    assert (evidence.left_out, evidence.ordered, evidence.problem) == (1, False, None)


def test_the_row_is_found_by_halves() -> None:
    """Of 16 rows in four requests, and the next page begins right behind the row."""
    load, asked = _load(64, poison={20})
    plan, evidence = _plan(load)
    _walked(plan, evidence)
    assert asked == [(0, 16), (14, 16), (14, 8), (14, 4), (14, 6), (14, 7), (21, 16), (37, 16), (53, 16)]


@pytest.mark.parametrize("places", [(20, 21), (20, 21, 22), (20, 40), (30, 31, 60)], ids=str)
def test_up_to_three_rows_are_left_out(places: tuple[int, ...]) -> None:
    """Side by side or apart."""
    load, _ = _load(80, poison=places)
    plan, evidence = _plan(load)
    assert _read(_walked(plan, evidence)) == _all_but(80, *places)
    assert (evidence.left_out, evidence.problem) == (len(places), None)


def test_the_fourth_row_is_a_problem() -> None:
    """A server that fails so often is down, and each row costs requests; the reason names the first place."""
    load, _ = _load(100, poison={20, 30, 40, 50, 60})
    plan, evidence = _plan(load)
    pages = _walked(plan, evidence)
    assert _read(pages) == {f"i{place}" for place in range(50)} - {"i20", "i30", "i40"}
    assert evidence.problem == ListReason.UNREADABLE.given(place=20, code="InternalError")


def test_a_first_answer_that_fails_is_an_error() -> None:
    """Nothing tells a server that is down from one that fails at its first page."""
    load, asked = _load(100, poison={3})
    plan, _ = _plan(load)
    with pytest.raises(TransientError, match="down"):
        plan.next(None)
    assert asked == [(0, 16)]


def test_another_failure_is_an_error() -> None:
    """Only an InternalError comes from rows."""
    load, _ = _load(100)

    def failing(offset: int, limit: int) -> Page:
        if offset:
            raise TransientError("slow", code="InvalidParameter.RequestTimeout")
        return load(offset, limit)

    plan, _ = _plan(failing)
    first = plan.next(None)
    with pytest.raises(TransientError, match="slow"):
        plan.next(first)


def test_the_limit_recovers_after_a_large_row() -> None:
    """Half as many rows until the answer can be sent; twice as many again after two pages."""
    load, asked = _load(200, huge={40: 4})
    plan, evidence = _plan(load)
    assert _read(_walked(plan, evidence)) == _all_but(200)
    limits = [limit for _, limit in asked]
    assert limits[:3] == [16, 16, 16]
    assert min(limits) == 4
    assert limits[-5:] == [16] * 5
    assert len(asked) - 15 <= 8  # what a list without such a row takes


def test_where_all_rows_are_large_the_limit_stays_low() -> None:
    """Each try with more rows fails, and costs one request for two pages."""
    load, asked = _load(64, huge=dict.fromkeys(range(64), 8))
    plan, evidence = _plan(load)
    assert _read(_walked(plan, evidence)) == _all_but(64)
    pages = sum(limit <= 8 for _, limit in asked)
    assert len(asked) - pages <= pages // 2 + 2


@pytest.mark.parametrize("places", [{20: 0}, {0: 0}, {63: 0}, {0: 0, 1: 0}, {7: 0, 30: 0, 31: 0}], ids=str)
def test_a_row_that_is_too_large_alone_is_left_out(places: dict[int, int]) -> None:
    """The others are read, and the list is not proven."""
    load, _ = _load(64, huge=places)
    plan, evidence = _plan(load)
    if places.keys() == {0, 1}:
        with pytest.raises(ResponseTooLargeError, match="one image alone"):
            _walked(plan, evidence)
        return
    assert _read(_walked(plan, evidence)) == _all_but(64, *places)
    assert (evidence.left_out, evidence.ordered) == (len(places), False)
    assert evidence.unreadable == ListReason.UNREADABLE.given(place=min(places), code="ResponseSizeLimitExceeded")


def test_after_a_few_rows_that_are_too_large_the_pass_ends() -> None:
    """A server that sends too much for everything is not asked row by row."""
    load, asked = _load(6400, huge=dict.fromkeys(range(100, 6400), 0))
    plan, evidence = _plan(load)
    _walked(plan, evidence)
    assert evidence.problem == ListReason.UNREADABLE.given(place=100, code="ResponseSizeLimitExceeded")
    assert len(asked) < 60


def test_the_page_at_the_other_end_is_asked_for_in_halves_too() -> None:
    """The other end of a list has large rows of its own; what the plan asks for next stays as it is."""
    load, _ = _load(64)
    turned, asked = _load(64, huge={3: 5})
    plan, evidence = _plan(load, turned=turned)
    first = plan.next(None)
    assert plan.other_end().places.keys() == {"i0", "i1", "i2", "i3"}
    assert asked == [(0, 16), (0, 8), (0, 4)]
    plan.follow(first)
    assert plan.next(first).items[0] == {"ImageID": "i14", "v": 14}
    assert evidence.reads == 2


def test_as_short_twice_is_all_that_the_server_gives() -> None:
    """What is learnt of the server holds for the passes after this one."""
    load, asked = _load(20, cap=5)
    plan, evidence = _plan(load)
    assert _read(_walked(plan, evidence)) == _all_but(20)
    assert (plan.cap, asked[:3]) == (5, [(0, 16), (0, 16), (3, 16)])


def test_shifted_pages_have_other_boundaries() -> None:
    """The first page of a second pass advances by half a page, and no page ends where one of the first pass did."""
    load, asked = _load(64)
    evidence = Evidence((), ListReason.UNSORTED)
    remote = RemoteList(lambda payload: Answer({}, None), lambda items, name: [], in_flight=1, limit=LIMIT)
    plan = Plan(remote, load, Aim(orders=(), shift=True), evidence)
    assert _read(_walked(plan, evidence)) == _all_but(64)
    assert [offset for offset, _ in asked] == [0, 8, 24, 40, 56]  # and not 0, 16, 32, 48


def test_a_query_has_another_end() -> None:
    """The order is turned, and so are the values of the filters; the server's own order has no other end."""
    query = Query("CreateTime", "asc", (("ScanStatus", ("scanning", "scanErr", "notScan")),))
    assert query.turned == Query("CreateTime", "desc", (("ScanStatus", ("notScan", "scanErr", "scanning")),))
    assert query.turned is not None
    assert query.turned.turned == query
    assert Query().turned is None
    assert Query(None, "desc").turned is None
