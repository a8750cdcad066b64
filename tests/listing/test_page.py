"""One answer: its rows, its place in the list, and the orders that it allows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from connector.api.answers import Answer
from connector.listing.page import ASCENDING, DESCENDING, FAR, Order, Page, image_id_of, page_of
from connector.listing.query import Query


def _values(items: Sequence[Any]) -> list[int | None]:
    values = [item["v"] for item in items]
    if "bad" in values:
        raise ValueError("bad")
    return values


def _page(*values: Any, offset: int = 0, total: int | None = 100) -> Page:
    listed = [{"ImageID": f"i{offset + place}", "v": value} for place, value in enumerate(values)]
    return page_of(Answer({"List": listed, "TotalCount": total}, "r"), offset, _values)


def test_a_query_becomes_a_payload() -> None:
    """Filters and the sort are left out where there are none."""
    assert Query().payload(20, 10) == {"Limit": 10, "Offset": 20}
    assert Query("CreateTime", "asc", (("ScanStatus", ("notScan", "scanErr")),)).payload(0, 100) == {
        "Limit": 100,
        "Offset": 0,
        "Filters": [{"Name": "ScanStatus", "Values": ["notScan", "scanErr"]}],
        "By": "CreateTime",
        "Order": "asc",
    }


@pytest.mark.parametrize(
    ("item", "image_id"),
    [
        ({"ImageID": "sha256:1"}, "sha256:1"),
        ({"ImageID": ""}, None),
        ({"ImageID": 7}, None),
        ({"ImageID": None}, None),
        ({}, None),
        (None, None),
        ("text", None),
    ],
    ids=repr,
)
def test_an_image_id_is_a_text_that_is_not_empty(item: Any, image_id: str | None) -> None:
    """Nothing else can be a key."""
    assert image_id_of(item) == image_id


@pytest.mark.parametrize("listed", [None, {}, "text", 3], ids=repr)
def test_a_list_that_is_none_is_empty(listed: Any) -> None:
    """A null or broken `List` is read as one without rows."""
    assert page_of(Answer({"List": listed, "TotalCount": 0}, "r"), 0, _values) == Page(0, [], 0, "r", ())
    assert page_of(Answer({}, None), 5, _values) == Page(5, [], None, None, ())


@pytest.mark.parametrize("total", [None, -1, "", "-5", "5 ", "5.5", 5.5, 1e30, float("nan"), True, [5]], ids=repr)
def test_a_total_count_that_is_no_count_is_none(total: Any) -> None:
    """It then proves no end."""
    page = page_of(Answer({"List": [], "TotalCount": total}, None), 0, _values)
    assert (page.total, page.reaches_total) == (None, False)


@pytest.mark.parametrize("total", [230, "230", 230.0, "230.0"], ids=repr)
def test_a_total_count_is_read_however_it_is_written(total: Any) -> None:
    """A gateway may make a text or a decimal number of it."""
    assert page_of(Answer({"List": [], "TotalCount": total}, None), 0, _values).total == 230


def test_rows_are_the_items_whose_value_and_id_can_be_read() -> None:
    """All items stay; what cannot be read proves nothing."""
    listed = [
        {"ImageID": "a", "v": 1},
        {"ImageID": "", "v": 2},
        {"ImageID": "b", "v": "bad"},
        {"ImageID": "c", "v": None},
    ]
    page = page_of(Answer({"List": listed, "TotalCount": 4}, "r"), 0, _values)
    assert (page.items, page.rows) == (listed, ((1, "a"), (None, "c")))
    assert (page.end, page.reaches_total, page.repeats) == (4, True, False)
    assert set(page.ids) == {"a", "b", "c"}
    assert set(_page(1, 2).ids) == {"i0", "i1"}


def test_as_many_sort_values_as_items() -> None:
    """Another number would be a mistake of ours, and no row of the page would prove anything."""
    listed = [{"ImageID": "a"}, {"ImageID": "b"}]
    with pytest.raises(ValueError, match="zip"):
        page_of(Answer({"List": listed, "TotalCount": 2}, "r"), 0, lambda items: [1] * (len(items) - 1))


@pytest.mark.parametrize(
    ("values", "orders"),
    [
        ((1, 2, 2, 3), ASCENDING),
        ((3, 2, 2, 1), DESCENDING),
        ((1, 1), ASCENDING + DESCENDING),
        ((), ASCENDING + DESCENDING),
        ((None, 1, 2), (Order(1, -FAR),)),
        ((1, 2, None), (Order(1, FAR),)),
        ((None, 2, 1), (Order(-1, -FAR),)),
        ((2, 1, None), (Order(-1, FAR),)),
        ((1, None, 2), ()),
        ((1, 3, 2), ()),
    ],
    ids=repr,
)
def test_a_page_allows_these_orders(values: tuple[int | None, ...], orders: tuple[Order, ...]) -> None:
    """Up or down, nulls first or last: each order that no row contradicts."""
    assert tuple(order for order in ASCENDING + DESCENDING if _page(*values).is_sorted(order)) == orders


@pytest.mark.parametrize(
    ("values", "back", "reaches"),
    [
        ((1, 2, 3), 2, [2, 2]),
        ((1, 2, 2, 2), 4, [2, 3, 4]),
        ((2, 2, 3, 3, 4), 2, [2, 3, 2]),
        ((2, 2, 2), None, []),
        ((), None, []),
        ((1, 2, "bad"), 3, [2]),
    ],
    ids=repr,
)
def test_how_far_a_seam_has_to_reach_back(values: tuple[Any, ...], back: int | None, reaches: list[int]) -> None:
    """Up to the last row with another value, rows that cannot be read counted too."""
    page = _page(*values)
    assert (page.reach_back, page.reaches()) == (back, reaches)


def test_the_shift_between_two_pages() -> None:
    """Rows deleted before the shared ones, less rows inserted there; None where no row is shared."""
    page = _page(1, 2, 3)
    assert page.shift_to(Page(1, page.items[1:], 100, None, page.rows[1:])) == 0
    assert page.shift_to(Page(0, page.items[1:], 100, None, page.rows[1:])) == 1
    assert page.shift_to(Page(4, page.items[2:], 100, None, page.rows[2:])) == -2
    assert page.shift_to(_page(4, 5, offset=3)) is None


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ([1, 2, 3, 3, 4], 42),
        ([1, 2, 4], 42),
        ([3, 4], None),
        ([1, 2], None),
        ([1, None, 3], None),
        ([None, 3], None),
        ([], None),
    ],
    ids=["a group", "no such value", "begins with it", "ends before it", "a null before it", "after a null", "no rows"],
)
def test_where_a_value_begins_needs_the_row_before(values: list[int | None], place: int | None) -> None:
    """The place counts all rows of the list before the first such row."""
    rows = [(value, f"i{number}") for number, value in enumerate(values)]
    assert Page(40, rows, 100, None, rows).place_where(lambda value: value >= 3) == place
    assert Page(40, [*rows, None], 100, None, rows).place_where(lambda value: value >= 3) is None
