"""How rows and totals are written, and rows that break the answer they are in."""

from __future__ import annotations

from typing import Any

import pytest

from connector.sandbox import Fault, Fleet, LocalServer, Quirks
from tests.sandbox.asking import LIST, lettered, local, told


@pytest.mark.parametrize(
    ("total_as", "expected"),
    [
        pytest.param("integer", "6", id="integer"),
        pytest.param("text", "'6'", id="text"),
        pytest.param("float", "6.0", id="float"),
    ],
)
def test_totals_are_written_in_three_types(total_as: str, expected: str) -> None:
    """230, "230" or 230.0."""
    assert repr(local(total_as=total_as).call(LIST, {})["TotalCount"]) == expected


@pytest.mark.parametrize(
    ("total_as", "expected"), [("integer", "4"), ("text", "'4'"), ("float", "4.0")], ids=["integer", "text", "float"]
)
def test_a_wrong_total_keeps_its_type(total_as: str, expected: str) -> None:
    """The fault wrong_total changes the number only."""
    server = local(faults=[Fault("wrong_total", value=-2)], total_as=total_as)
    assert repr(server.call(LIST, {})["TotalCount"]) == expected


def test_naive_times_are_wall_clocks_of_china() -> None:
    """ScanTime and CreateTime lose their zone and gain eight hours; what is no time stays; the order stays."""
    rows: list[dict[str, Any]] = [
        {"ImageID": "a", "CreateTime": "2025-06-01T08:00:00.123Z", "ScanTime": "2025-12-31T16:00:00Z"},
        {"ImageID": "b", "CreateTime": "1970-01-01T00:00:00Z", "ScanTime": ""},
        {"ImageID": "c", "ScanTime": None},
    ]
    fleet = Fleet(rows)
    server = local(fleet, times="naive")
    assert server.call(LIST, {"By": "CreateTime", "Order": "desc"})["List"] == [
        {"ImageID": "a", "CreateTime": "2025-06-01 16:00:00.123", "ScanTime": "2026-01-01 00:00:00.000"},
        {"ImageID": "b", "CreateTime": "1970-01-01 08:00:00.000", "ScanTime": ""},
        {"ImageID": "c", "ScanTime": None},
    ]
    assert list(fleet.truth().values()) == rows


def test_a_poisoned_row_breaks_every_answer_that_would_show_it() -> None:
    """Pages without the row, and a filter that leaves it out, get their answers."""
    server = local(poison=frozenset("c"))
    assert [told(server, offset, 2) for offset in (0, 2, 4)] == [("ab", 6), "InternalError", ("ef", 6)]
    assert told(server, 3) == ("def", 6)
    assert told(server, Filters=[{"Name": "ImageID", "Values": ["a", "c"]}]) == "InternalError"


def test_a_huge_row_stands_only_in_small_answers() -> None:
    """With it an answer may have two rows; a larger one is too large; other pages are of any size."""
    server = local(huge={"c": 2})
    assert told(server, 0, 3) == "ResponseSizeLimitExceeded"
    assert [told(server, 2, 1), told(server, 1, 2), told(server, 3, 3)] == [("c", 6), ("bc", 6), ("def", 6)]


def test_quirks_can_change_between_requests() -> None:
    """A server whose times lose their zone overnight: another Quirks is set."""
    server = LocalServer(lettered("a"))
    before = server.call(LIST, {})["List"]
    server.backend.quirks = Quirks(times="naive")
    assert [row["CreateTime"] for row in (*before, *server.call(LIST, {})["List"])] == [
        "2024-01-01T00:00:00Z",
        "2024-01-01 08:00:00.000",
    ]
