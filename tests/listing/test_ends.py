"""What a page from the list's other end says of the end that a pass has read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from unittest.mock import Mock, call

import pytest

from connector.listing.ends import Ends
from connector.listing.page import ASCENDING, FAR, Order, Page
from connector.listing.proof import Evidence
from connector.listing.query import Query
from connector.listing.reasons import ListReason
from connector.listing.seams import Aim

TURNED = Query("v", "desc")


def _page(text: str, offset: int = 0, total: int | None = 9) -> Page:
    """`a1 b-` are images a and b with the sort values 1 and null."""
    rows = tuple((None if word[1:] == "-" else int(word[1:]), word[0]) for word in text.split())
    return Page(offset, [{"ImageID": image_id} for _, image_id in rows], total, None, rows)


def _ends(*read: Page, shown: Page | None = None, aim: Aim = Aim()) -> Ends:  # noqa: B008
    """Of a pass that has taken the pages; `shown` is what a further request shows."""
    evidence, remote, plan = Evidence(ASCENDING), Mock(), Mock(cap=3)
    remote.page.return_value = shown
    ends = Ends(remote, Query("v", "asc"), "v", aim, plan, evidence)
    for page in read:
        evidence.take(page)
        ends.take(page)
    return ends


@pytest.mark.parametrize(
    ("read", "shown", "turned"),
    [
        ("a1 b2 c3", "c3 b2 a1", True),
        ("a1 b2 c3", "a1 b2 c3", False),
        ("a1 b2 c3", "c3 b2 n-", True),
        ("a1 b2 c3", "n- c3 b2", True),
        ("a1 b2 c3", "c3 n- b2", False),
        ("a1 b1 c2", "a1 b1", False),
        ("a1 b2", "a1", False),
        ("a1 b2 c3", "c3 d3", True),
        ("a1 b2", "a1 z0", True),
        ("a1 b1", "b1 a1", True),
        ("", "a1 b1", True),
        ("a1 b2", "", True),
    ],
    ids=[
        "falling values",
        "rising values",
        "falling values, null last",
        "falling values, null first",
        "null in between",
        "the list's beginning, all alike",
        "the list's beginning, one row",
        "the list's end, all alike",
        "a value below the first",
        "a list of one value",
        "nothing was read",
        "no row",
    ],
)
def test_a_page_in_the_opposite_order(read: str, shown: str, turned: bool) -> None:
    """Rows of one value are in both orders: a server that ignores the order shows the list's beginning."""
    assert _ends(*([_page(read)] if read else []))._is_turned(_page(shown)) == turned


@pytest.mark.parametrize(
    ("tail", "shown", "unread", "is_end"),
    [
        (_page("b2 c3", 1), "c3 b2", {}, True),
        (_page("", 3), "d4 c3 b2", {"d": 4}, True),
        (_page("", 3), "f6 e5", {"f": 6, "e": 5}, False),
        (_page("b2 c3", 1), "e5 d4", {"e": 5, "d": 4}, False),
        (_page("b2 c3", 1), "c3 z1", {"z": 1}, True),
        (_page("b2 c3", 1), "b2 z1", {"z": 1}, True),
        (_page("b2 c3", 1), "a1 z0", {"z": 0}, False),
        (_page("b2 c3", 1), "", {}, True),
        (_page("b2 c3", 1), "", {"d": 4}, False),
    ],
    ids=[
        "the same end",
        "on from the last row, though the end was empty",
        "behind an empty end",
        "behind a gap",
        "an inserted row",
        "the last row was deleted",
        "ends before the tail",
        "no row, and nothing unread",
        "no row, and one unread",
    ],
)
def test_a_page_that_continues_the_tail(tail: Page, shown: str, unread: Mapping[str, int | None], is_end: bool) -> None:
    """Or shows only rows that were read, or inserted before the tail."""
    ends = _ends(_page("a1 b2 c3"), tail)
    assert ends._is_end_of(tail, _page(shown), unread) == is_end


def test_values_are_before_the_nulls_that_end_a_list() -> None:
    """Where nulls stand last, an unread value was inserted before them."""
    ends = _ends(_page("a1 b2 c3 n-"))
    ends._evidence.orders = (Order(1, FAR),)
    assert ends._is_end_of(_page("a1 b2 c3 n-"), _page("e5 d4"), {"e": 5, "d": 4})


READ = (_page("a1 b2 c3"), _page("c3 d4", 2))
GROUP = (_page("a1 b9 c9 d9"),)


@pytest.mark.parametrize(
    ("read", "ahead", "shown", "settled", "chosen", "unread"),
    [
        (READ, None, ["d4 c3 b2"], True, 0, False),
        (READ, None, ["a1 b2 c3", "d4 c3 b2"], True, 1, False),
        (READ, None, ["a1 b2 c3", "a1 b2 c3"], True, 1, False),
        (READ, None, [""], False, 0, False),
        (READ, None, ["f6 e5"], False, 0, True),
        (READ, None, ["d4 c3 z1"], True, 0, True),
        (READ, "d4 c3", [], True, None, False),
        (READ, "n- d4 c3", ["d4 c3 b2"], True, 0, False),
        (READ, "f6 e5", ["d4 c3 b2"], True, 0, False),
        (READ, "f6 e5", ["d4"], False, 0, False),
        (READ, "a1 b2", ["d4 c3 b2"], True, 0, False),
        (GROUP, None, ["d9 c9 b9"], False, 0, False),
    ],
    ids=[
        "the end",
        "an old answer, and then the end",
        "the order is ignored",
        "nothing is shown",
        "unread rows behind the end",
        "a row inserted before the end",
        "asked ahead",
        "asked ahead, a null first",
        "asked ahead, rows that are gone",
        "asked ahead, rows behind the end",
        "asked ahead, not turned",
        "a group that is longer than was read",
    ],
)
def test_the_other_end_of_a_list_of_several_answers(
    read: tuple[Page, ...], ahead: str | None, shown: list[str], settled: bool, chosen: int | None, unread: bool
) -> None:
    """Its page is asked for again where it is not turned. The page asked ahead counts only if it settles the end."""
    pages = [_page(text) for text in shown]
    ends = _ends(*read, shown=_page("b9 y9 x9", 2))
    plan = cast(Any, ends._plan)
    plan.asked_ahead.return_value = ready = None if ahead is None else _page(ahead)
    plan.other_end.side_effect = pages
    found = ends._other_end(read[-1], TURNED)
    assert found == (settled, ready if chosen is None else pages[chosen], unread)
    evidence = ends._evidence
    lost = shown[-1:] == ["a1 b2 c3"]
    assert (evidence.order_lost, plan.other_end.call_count) == (ListReason.NOT_TURNED if lost else None, len(pages))
    assert evidence.problem == (ListReason.END_HIDDEN.given() if read is GROUP else None)


@pytest.mark.parametrize(
    ("shown", "tail_total", "total", "settled"),
    [("b2 a1", 2, 2, True), ("x9 a1", 2, 2, False), ("x9 a1", 1, 2, True), ("x9 a1", 2, 3, False)],
    ids=["the same rows", "another row", "another row, and all of a list that grew", "another row of more"],
)
def test_the_other_end_of_a_single_answer(shown: str, tail_total: int, total: int, settled: bool) -> None:
    """No page was asked ahead. Other rows mean that the list goes on, unless the page shows the whole list."""
    tail = _page("a1 b2", total=tail_total)
    ends = _ends(tail)
    ends._evidence.snapshot = True
    plan = cast(Any, ends._plan)
    plan.other_end.return_value = page = _page(shown, total=total)
    assert ends._other_end(tail, TURNED) == (settled, page, "x" in shown)
    plan.asked_ahead.assert_not_called()


@pytest.mark.parametrize(
    ("read", "shown", "unseen"),
    [("a1 c3 n-", "c3 a1", True), ("a1 c3 n-", "n- c3 a1", False), ("a1 b2 c3", "c3 b2", False)],
    ids=["a value first", "a null first", "no null was read"],
)
def test_an_end_that_is_not_to_be_seen(read: str, shown: str, unseen: bool) -> None:
    """Rows without a value stand last in both directions."""
    ends = _ends(_page(read))
    plan = cast(Any, ends._plan)
    plan.asked_ahead.return_value = None
    plan.other_end.return_value = _page(shown)
    ends._other_end(_page(read), TURNED)
    assert ends._evidence.end_unseen is unseen


@pytest.mark.parametrize("ignored", [True, False])
def test_nulls_at_the_end_are_one_group_where_they_are_ignored(ignored: bool) -> None:
    """No value can stand between two of them."""
    tail = _page("m- n-", 1)
    ends = _ends(_page("a1 m-"), tail, aim=Aim(ignore_nulls=ignored))
    assert ends._is_end_of(tail, _page("q- p-"), {"q": None, "p": None}) == ignored


@pytest.mark.parametrize(
    ("tail", "by", "asked"),
    [
        (_page("a1 b2"), "v", [call.read(0)]),
        (_page("", 3), "v", [call.read(3)]),
        (_page(""), "v", [call.other_end()]),
        (_page(""), None, [call.read(0)]),
    ],
    ids=["rows at the beginning", "no row behind others", "an empty list", "an empty list without another end"],
)
def test_the_end_is_asked_for_again(tail: Page, by: str | None, asked: list[Any]) -> None:
    """Where it was; of an empty list the other end, because the same request may get the same wrong answer."""
    plan = Mock()
    ends = Ends(Mock(), Query(by, by and "asc"), "v", Aim(), plan, Mock())
    shown = ends._shown_again(tail)
    assert plan.mock_calls == asked
    assert shown is (plan.other_end if asked == [call.other_end()] else plan.read).return_value


@pytest.mark.parametrize(
    ("tail", "again", "confirmed", "checks"),
    [
        (_page("c3 d4", 2, 4), _page("c3 d4", 2, 4), True, 0),
        (_page("c3 d4", 2, 4), _page("c3", 2, 3), True, 0),
        (_page("c3 d4", 2, 4), _page("d4 e5", 2, 4), False, 0),
        (_page("c3 d4", 2, 4), _page("c3 d4", 2, 9), False, 0),
        (_page("a1 b2", 0, 2), _page("a1 b2", 0, 9), False, 0),
        (_page("", 0, 0), _page("a1", 0, 5), False, 1),
    ],
    ids=["the same", "less", "another row", "no end", "no end of a single answer", "an empty list with another end"],
)
def test_an_end_below_the_largest_total_count(tail: Page, again: Page, confirmed: bool, checks: int) -> None:
    """It is asked for again, and counted; the pass goes on from there unless the same end is shown."""
    ends = _ends(_page("a1 b2 c3"), tail)
    evidence, plan = ends._evidence, cast(Any, ends._plan)
    evidence.totals, evidence.re_reads = {5, tail.total or 0}, 3
    plan.read.return_value = plan.other_end.return_value = again
    assert ends.are_confirmed(tail) is confirmed
    assert (evidence.re_reads, evidence.end_checks) == (4, checks)
    assert plan.again_from.call_args_list == ([] if confirmed else [call(tail.offset)])


def test_a_list_with_more_rows_than_its_total_count_has_no_end() -> None:
    """Nothing is asked for."""
    ends = _ends(_page("a1 b2 c3", total=2))
    ends._evidence.contradicted = True
    assert not ends.are_confirmed(_page("a1 b2 c3", total=2))
    assert ends._evidence.problem == ListReason.TOTAL_TOO_SMALL.given(total=2)
    assert not cast(Any, ends._plan).mock_calls


@pytest.mark.parametrize(
    ("read", "tail", "first", "further", "longer"),
    [
        ("a1 b9 c9", _page("", 3), _page("z9 y9 c9"), _page("y9 c9 b9", 1), True),
        ("a1 b2 c9", _page("b2 c9", 1), _page("z9 y9 c9"), _page("z9 y9 c9", 0), True),
        ("a1 b9 c9", _page("b9 c9", 1), _page("c9 b9 z9"), _page("b9 a1"), False),
        ("a1 b9 c9", _page("b9 c9", 1), _page("z9 y9 c9", total=10), _page("y9 c9 a1", 1, total=10), False),
        ("a1 b9 c9", _page("b9 c9", 1, total=None), _page("z9 y9 c9", total=None), _page("y9 c9", 1, None), True),
        ("a1 b9 c9", _page("b9 c9", 1, total=None), _page("z9 y9 c9"), _page("y9 c9", 1, 1), False),
        ("a1 b9 c9", _page("b9 c9", 1), _page("z8"), None, False),
        ("a1 b9 c9", _page("b9 c9", 1), _page(""), None, False),
        ("", _page(""), _page("z9 y9"), None, False),
        ("a1 b9 c9", _page("b9 c9", 1), _page("z8 y9 c9 b9", 4), None, False),
        ("a1 b9 c9", _page("b9 c9", 1), _page("y9 c9 b9", 4), None, True),
        ("a1 b9 c9", _page("b9 c9", 1), _page("c9 b9 a1"), None, False),
        ("a1 b9 c9", _page("b9 c9", 1), _page("z9 c9 b9", total=3), None, False),
    ],
    ids=[
        "three rows of the last value, two were read",
        "three rows, one was read",
        "two rows, two were read",
        "a row more in TotalCount too",
        "without TotalCount",
        "TotalCount at the other end alone",
        "another value",
        "no row at the other end",
        "no row at all",
        "another value behind nulls",
        "the last value behind nulls",
        "the page shows where the group begins",
        "the page shows the whole list",
    ],
)
def test_a_group_of_equal_values_at_the_end(
    read: str, tail: Page, first: Page, further: Page | None, longer: bool
) -> None:
    """It is longer than was read if its last row is not at the place, from the other end, that its size gives."""
    ends = _ends(*([_page(read)] if read else []), shown=further)
    assert ends._is_longer(tail, first, TURNED) == longer
    asked = cast(Any, ends._remote).page.call_args
    size = sum(value == 9 for value, _ in _page(read).rows)
    assert (None if asked is None else asked.args) == (further and (TURNED, "v", size - 1, 3))
