"""Sorted columns of the sandbox: right after any history of changes, and paged as a database would."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.sandbox.images import instant_of
from connector.sandbox.orders import BULK, Sort
from connector.sandbox.state import CHANGES, Fleet
from tests.properties import examples

TIMES = {"a": "2024-01-03T00:00:00Z", "b": "", "c": "2024-01-01T00:00:00Z", "d": None, "e": "2024-01-02T00:00:00.5Z"}


def names(sort: Sort, span: tuple[int, int] = (0, 99)) -> str:
    fleet = Fleet([{"ImageID": image_id, "ScanTime": time} for image_id, time in TIMES.items()])
    return "".join(row["ImageID"] for row in fleet.page(fleet.view(sort), sort, span))


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        pytest.param(Sort(), "abcde", id="arrival"),
        pytest.param(Sort("ScanTime"), "bdcea", id="asc-lowest"),
        pytest.param(Sort("ScanTime", True), "aecdb", id="desc-lowest"),
        pytest.param(Sort("ScanTime", nulls="first"), "bdcea", id="asc-first"),
        pytest.param(Sort("ScanTime", True, "first"), "dbaec", id="desc-first"),
        pytest.param(Sort("ScanTime", nulls="last"), "ceabd", id="asc-last"),
        pytest.param(Sort("ScanTime", True, "last"), "aecdb", id="desc-last"),
    ],
)
def test_empty_values_stand_where_the_quirk_says(sort: Sort, expected: str) -> None:
    """Every order in full, and the same order out of pages of two."""
    assert names(sort) == expected
    assert "".join(names(sort, (start, start + 2)) for start in (0, 2, 4)) == expected


def test_interleaved_empty_values_stand_among_the_others() -> None:
    """All rows are listed once, the values that are there are in order, and not all empty ones are at one end."""
    fleet = Fleet.seeded(300)
    sort = Sort("ScanTime", nulls="interleaved")
    rows = [row["ScanTime"] for row in fleet.page(fleet.view(sort), sort, (0, 300))]
    empty = [place for place, time in enumerate(rows) if time == ""]
    assert len(rows) == 300
    assert empty[-1] - empty[0] > len(empty)
    instants = [instant_of(time) for time in rows if time]
    assert instants == sorted(instants, key=lambda instant: instant or 0)


def plain(fleet: Fleet, field: str) -> list[int]:
    """The slow way to sort a count: arrival breaks ties."""
    return [row[field] for row in sorted((fleet[image_id] for image_id in fleet.ids()), key=lambda row: row[field])]


@examples(15)
@given(
    seed=st.integers(0, 10_000),
    changes=st.lists(st.tuples(st.sampled_from(CHANGES), st.integers(0, 6)), max_size=12),
)
def test_columns_stay_sorted_through_every_change(seed: int, changes: list[tuple[str, int]]) -> None:
    """A column that is kept up to date equals one that is sorted anew, whatever happened in between."""
    fleet = Fleet.seeded(25, seed)
    keys = ("CreateTime", "ScanTime", "ScanTime~", "HostCnt")
    for key in keys:
        fleet._orders.column(key)
    for name, count in changes:
        fleet.apply({name: count})
    for key in keys:
        kept = list(fleet._orders.column(key))
        fleet._orders._columns.pop(key)
        assert kept == fleet._orders.column(key)
    sort = Sort("HostCnt")
    assert [row["HostCnt"] for row in fleet.page(fleet.view(sort), sort, (0, 99))] == plain(fleet, "HostCnt")


def test_a_change_of_very_many_rows_keeps_the_order() -> None:
    """From BULK rows on the column is sorted anew; nothing is lost."""
    fleet = Fleet.seeded(BULK + 50)
    sort = Sort("HostCnt", descending=True)
    fleet.view(sort)
    fleet.change_counts(None)
    rows = fleet.page(fleet.view(sort), sort, (0, 1000))
    assert [row["HostCnt"] for row in rows] == plain(fleet, "HostCnt")[::-1]


@pytest.mark.parametrize("descending", [False, True], ids=["asc", "desc"])
def test_permuted_ties_swap_only_equal_rows(descending: bool) -> None:
    """Values stay in order and each group stays whole, while the rows of a group change places between calls."""
    fleet = Fleet([{"ImageID": f"{n:02}", "HostCnt": n // 4} for n in range(20)])
    sort = Sort("HostCnt", descending)
    pages = [fleet.page(fleet.view(sort), sort, (0, 20), permute=True) for _ in range(5)]
    counts = sorted((n // 4 for n in range(20)), reverse=descending)
    assert all([row["HostCnt"] for row in page] == counts for page in pages)
    assert all(len({row["ImageID"] for row in page}) == 20 for page in pages)
    assert len({"".join(row["ImageID"] for row in page) for page in pages}) == 5


def test_a_permuted_page_is_cut_from_whole_groups() -> None:
    """A page that begins and ends inside groups gets rows of those groups, any of them, and the right values."""
    fleet = Fleet([{"ImageID": f"{n:02}", "HostCnt": n // 4} for n in range(20)])
    sort = Sort("HostCnt")
    seen: set[str] = set()
    for _ in range(60):
        rows = fleet.page(fleet.view(sort), sort, (2, 6), permute=True)
        assert [row["HostCnt"] for row in rows] == [0, 0, 1, 1]
        seen |= {row["ImageID"] for row in rows}
    assert seen == {f"{n:02}" for n in range(8)}


@pytest.mark.parametrize(
    ("field", "accepts", "expected"),
    [
        pytest.param("even", lambda item: item["HostCnt"] % 2 == 0, [0, 2, 4], id="even"),
        pytest.param("none", lambda item: False, [], id="none"),
    ],
)
def test_a_filtered_view_follows_changes(
    field: str, accepts: Callable[[dict[str, Any]], bool], expected: list[int]
) -> None:
    """A view is kept while the fleet stays as it is and made anew when it changes."""
    fleet = Fleet([{"ImageID": str(n), "HostCnt": n} for n in (4, 1, 0, 2, 3)])
    sort = Sort("HostCnt")
    view = fleet.view(sort, accepts, field)
    assert [row["HostCnt"] for row in fleet.page(view, sort, (0, 9))] == expected
    assert fleet.view(sort, accepts, field) is view
    fleet.delete(["2"])
    again = fleet.page(fleet.view(sort, accepts, field), sort, (0, 9))
    assert [row["HostCnt"] for row in again] == [count for count in expected if count != 2]
