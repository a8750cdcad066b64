"""What to do with a page after the tail: the decisions as a table. Pages are written as `a1 b2`: image a, value 1."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connector.listing.page import ASCENDING, DESCENDING, FAR, Order, Page
from connector.listing.seams import Aim, Orders, Step, begins_before, confirms_end, decide, joins, passed, reach

EITHER = ASCENDING + DESCENDING
NULLS = Aim(ignore_nulls=True)
AHEAD = Aim(expected=50)


def page(text: str, offset: int = 0) -> Page:
    words = text.split()
    rows = tuple((None if word[1:] == "-" else int(word[1:]), word[0]) for word in words)
    return Page(offset, words, 100, None, rows)


def ending(text: str, offset: int, total: int) -> Page:
    return replace(page(text, offset), total=total)


@pytest.mark.parametrize(
    ("tail", "following", "orders", "aim", "step"),
    [
        (None, "a1 b2", EITHER, Aim(), Step.ACCEPT),
        ("a1 b2 c3", "b2 c3 d4", ASCENDING, Aim(), Step.ACCEPT),
        ("a9 b8 c7", "b8 c7 d6", DESCENDING, Aim(), Step.ACCEPT),
        ("a1 b2 c2", "b2 c2 d3", ASCENDING, Aim(), Step.BRIDGE),
        ("a1 b2 c2", "a1 c2 b2 d3", ASCENDING, Aim(), Step.ACCEPT),
        ("a1 b2 c3", "d4 e5 f6", ASCENDING, Aim(), Step.BRIDGE),
        ("a1 b2 c3", "d4 e5 f6", (), Aim(), Step.ACCEPT),
        ("a1 b2 c3", "b5 d6 e7", ASCENDING, Aim(), Step.BRIDGE),
        ("d4 e5 f6", "a1 b2 c3", ASCENDING, Aim(), Step.SKIP),
        ("d4 e5 f6", "a1 d4 e5", ASCENDING, Aim(), Step.ACCEPT),
        ("a1 b2 c3", "", ASCENDING, Aim(), Step.BRIDGE),
        ("a- b- c-", "d- e9 f8", DESCENDING, NULLS, Step.ACCEPT),
        ("a- b- c-", "e9 f8 g7", DESCENDING, NULLS, Step.BRIDGE),
        ("a- b- c-", "d- e9 f8", DESCENDING, Aim(), Step.BRIDGE),
        ("d4 e5 f6", "d4 e5 f6", ASCENDING, AHEAD, Step.RESTART),
        ("d4 e5 f6", "c3 e5 f6", ASCENDING, AHEAD, Step.RESTART),
        ("d4 e5 f6", "c3 e5 f6", ASCENDING, Aim(), Step.ACCEPT),
        ("d4 e5 f6", "e5 f6 g7", ASCENDING, AHEAD, Step.ACCEPT),
        ("d4 e5 f6", "c3 e5 f6", (), AHEAD, Step.ACCEPT),
        ("a1 b2 c2", "a1 c2 b2", EITHER, Aim(), Step.BRIDGE),
        ("d4 e5 f6", "a1 b2 c3", EITHER, Aim(), Step.BRIDGE),
        ("a- b2 c3", "d- e9 f8", ASCENDING, NULLS, Step.BRIDGE),
    ],
    ids=[
        "the first page",
        "a row from before the last value",
        "the same downwards",
        "shared rows of the last value only",
        "a tie group that swapped places, and the row before it",
        "no shared row",
        "no shared row, order lost",
        "the shared row has another value now",
        "rows inserted before it",
        "inserted rows, and shared ones",
        "an empty page",
        "nulls follow nulls",
        "values where a null may be missing",
        "nulls that count",
        "the first page's first row again",
        "a row before the first page's first row",
        "the same where nothing was asked ahead",
        "asked ahead, and in order",
        "asked ahead, order lost",
        "a seam upwards, none downwards, and both are possible",
        "rows inserted before it upwards, not downwards, and both are possible",
        "nulls follow nulls and values",
    ],
)
def test_what_to_do_with_a_page(tail: str | None, following: str, orders: Orders, aim: Aim, step: Step) -> None:
    """A page is accepted only if nothing can be missing before it; what cannot be judged is read again."""
    before = None if tail is None else page(tail)
    assert decide(before, page(following, offset=2), orders, aim) == step


def test_after_an_empty_first_page_the_first_page_is_accepted() -> None:
    """Nothing can be missing before the first row."""
    assert decide(page(""), page("a1 b2"), ASCENDING, Aim()) == Step.ACCEPT
    assert decide(page(""), page("a1 b2", offset=2), ASCENDING, Aim()) == Step.BRIDGE


@pytest.mark.parametrize(
    ("tail", "cap", "back"),
    [
        ("a1 b2 c3", 10, 5),
        ("a1 b2 c2 d2", 10, 6),
        ("a1 b2 c2 d2", 5, 4),
        ("a1 b2 c2 d2", 3, 4),
        ("a1 b2 c3", 4, 3),
        ("a1 b2 c3", 3, 2),
        ("a2 b2 c2", 10, None),
    ],
    ids=[
        "distinct",
        "a tie",
        "a tie of nearly a page",
        "a tie of more than a page",
        "pages of four",
        "pages of three",
        "one value",
    ],
)
def test_how_far_back_a_bridge_begins(tail: str, cap: int, back: int | None) -> None:
    """Before the tail's last group, with room for deletions and for something new."""
    assert reach(page(tail), cap) == back


def test_a_null_that_a_page_does_not_show_joins_nothing() -> None:
    """Whether nulls stand first or last; and nulls at the end of the tail count unless they are ignored."""
    for null in (-FAR, FAR):
        assert not joins(page("a- b1 c2"), page("d3 e4"), (Order(1, null),))
        assert not joins(page("a1 b2 c-"), page("d- e-"), (Order(1, null),))
    assert joins(page("a- b1 c2"), page("a- d3"), (Order(1, -FAR),))
    assert not joins(page("a- b-"), page("c- d1"), ASCENDING)
    assert joins(page("a- b-"), page("c- d1"), ASCENDING, ignore_nulls=True)


@pytest.mark.parametrize(
    ("tail", "further", "confirmed"),
    [
        (ending("a1 b2 c3", 5, 8), ending("b2 c3", 6, 8), True),
        (ending("b2 c3", 6, 8), ending("b2 c3", 5, 7), False),
        (ending("b2 c3", 5, 7), ending("c3 d4", 6, 8), False),
        (ending("a1 b2 c3", 5, 9), ending("b2 c3", 7, 9), False),
        (ending("a1 b2 c3", 5, 8), ending("b2 c3", 6, 9), False),
        (ending("", 8, 8), ending("", 8, 8), False),
    ],
    ids=[
        "the same rows",
        "from before the tail",
        "with another row",
        "a tail that is not the end",
        "a page that is not the end",
        "no row in either",
    ],
)
def test_a_page_that_confirms_the_end(tail: Page, further: Page, confirmed: bool) -> None:
    """Both reach TotalCount, and the later one shows nothing else."""
    assert confirms_end(tail, further) is confirmed


@pytest.mark.parametrize(
    ("text", "until", "reached"),
    [("a9 b8 c7", 7, False), ("a9 b8 c6", 7, True), ("a9 b- c-", 7, False), ("a- b6 c-", 7, True), ("", 7, False)],
    ids=["at it", "below it", "nulls", "below it among nulls", "empty"],
)
def test_where_an_early_stop_is_reached(text: str, until: int, reached: bool) -> None:
    """Only a value below it counts, in every order that is still possible."""
    assert passed(page(text), until, DESCENDING) is reached
    assert not passed(page("a6 b5"), 7, EITHER)


@pytest.mark.parametrize(
    ("further", "first", "begins"),
    [
        ("a4 b5 c6", "a4 b5 c6", True),
        ("x9 a4 y9", "a4 b5 c6", True),
        ("d1 e8 f9", "a4 b5 c6", True),
        ("d4 e5 f6", "a4 b5 c6", False),
        ("d7 e8 f9", "a4 b5 c6", False),
        ("b5 c6 d7", "a4 b5 c6", False),
        ("d1 e8 f9", "", False),
        ("", "a4 b5 c6", False),
    ],
    ids=[
        "the first page itself",
        "its first row alone",
        "a row before its first value",
        "its first value only",
        "what comes later",
        "its second row",
        "an empty first page",
        "an empty page",
    ],
)
def test_a_page_from_further_on_that_begins_before_the_first_one(further: str, first: str, begins: bool) -> None:
    """Upwards, and downwards with the values turned round; two pages of offset 0, or two of others, say nothing."""
    assert begins_before(page(further, 2), page(first), ASCENDING) is begins
    assert begins_before(mirrored(further, 2), mirrored(first), DESCENDING) is begins
    assert begins_before(page(further), page(first), ASCENDING) is False
    assert begins_before(page(further, 4), page(first, 2), ASCENDING) is False


def mirrored(text: str, offset: int = 0) -> Page:
    made = page(text, offset)
    return Page(offset, made.items, 100, None, tuple((10 - (value or 0), name) for value, name in made.rows))
