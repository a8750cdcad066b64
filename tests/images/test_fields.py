"""A field is parsed as a whole where all of it is plain, else value by value; see also `test_records`."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.images.fields import COLUMNS, NOT_A_TIME, NOT_AN_INTEGER, api_fields
from connector.images.times import time_zone

FIELDS = api_fields(time_zone("+08:00"))
VALUES: list[Any] = [
    None,
    "",
    " ",
    "x",
    "é",
    "\0",
    "No Error",
    "5",
    5,
    0,
    -1,
    2**53,
    2**53 + 1,
    5.0,
    True,
    False,
    [],
    {},
]
TIMES = ["2021-01-29T04:03:18Z", "2021-01-29 04:03:18", "1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "\n"]


def test_every_field_has_its_column() -> None:
    """All 30 of them, in the order of the columns."""
    assert len(FIELDS) == 30
    assert [COLUMNS[field.column].source for field in FIELDS.values()] == list(FIELDS)
    assert [field.column for field in FIELDS.values()] == sorted(field.column for field in FIELDS.values())


@pytest.mark.parametrize("name", FIELDS)
def test_nothing_fills_no_column(name: str) -> None:
    """Nulls alone, or no items."""
    assert FIELDS[name].parse([None, None]) == ([], [])
    assert FIELDS[name].parse([]) == ([], [])


def test_plain_values_stay() -> None:
    """They are not even copied."""
    counts = (1, 0, None, 2**53)
    assert FIELDS["VulCnt"].parse(counts)[0][0] is counts


def test_odd_values_are_told_by_their_place() -> None:
    """Those beside them are parsed all the same."""
    assert FIELDS["VulCnt"].parse([1, "x", None, "2", -1]) == (
        [[1, None, None, 2, None]],
        [(1, NOT_AN_INTEGER), (4, NOT_AN_INTEGER)],
    )
    columns, rejects = FIELDS["ScanTime"].parse([TIMES[0], "n/a"])
    assert [list(column) for column in columns] == [[1_611_892_998_000_000, None], [None, "n/a"]]
    assert rejects == [(1, NOT_A_TIME)]


@given(st.sampled_from(list(FIELDS)), st.lists(st.sampled_from([*VALUES, *TIMES]), min_size=1, max_size=4))
def test_together_as_alone(name: str, values: list[Any]) -> None:
    """A value becomes the same whatever stands beside it."""
    field = FIELDS[name]
    width = 1 + sum(column.derived and column.source == name for column in COLUMNS)
    columns, rejects = field.parse(values)
    rows = list(zip(*columns, *[[None] * len(values)] * (width - len(columns)), strict=True))
    for place, value in enumerate(values):
        alone, reject = field.parse([value])
        row = tuple(column[0] for column in alone) + (None,) * (width - len(alone))
        assert repr(rows[place]) == repr(row)
        assert [reason for at, reason in rejects if at == place] == [reason for _, reason in reject]
