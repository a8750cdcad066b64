"""The columns of findings that open are those of their rows, made one by one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.detail.columns import columns_of
from connector.detail.differences import Interval, Opened, Read
from connector.detail.findings import Finding
from connector.tables import ASPECTS, Aspect, Column

INSTANTS = st.integers(0, 2**50)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5),
    "bigint": st.integers(-(2**53), 2**53),
    "double": st.floats(allow_nan=False, allow_infinity=False),
    "bool": st.booleans(),
    "timestamp": INSTANTS,
}


def value(column: Column) -> st.SearchStrategy[Any]:
    values = VALUES[column.type]
    return st.none() | values if column.nullable else values


def findings(aspect: Aspect) -> st.SearchStrategy[Finding]:
    return st.builds(
        Finding,
        st.text("abc", min_size=1, max_size=3),
        st.tuples(*map(value, aspect.columns)),
        st.integers(1, 9),
        st.none() | st.text("{}", max_size=3),
        st.text("0123", max_size=3),
    )


@st.composite
def opened(draw: st.DrawFn, aspect: Aspect) -> list[Opened]:
    """Images that share findings, as the parser's cache makes them: equal findings may be one object or two."""
    known = draw(st.lists(findings(aspect), min_size=1, max_size=6))
    reads = st.builds(
        Read, st.text(max_size=3), st.text(max_size=3), st.just(0), INSTANTS, st.none(), st.text(max_size=3)
    )
    intervals = st.builds(Interval, st.integers(1, 9), INSTANTS, st.none() | INSTANTS)
    some = st.lists(st.sampled_from(known) | findings(aspect), max_size=5)
    return draw(st.lists(st.builds(Opened, reads, intervals, some), min_size=1, max_size=4).filter(any_finding))


def any_finding(made: list[Opened]) -> bool:
    return any(each.findings for each in made)


@pytest.mark.parametrize("aspect", ASPECTS.values(), ids=lambda aspect: aspect.name)
@given(data=st.data())
def test_columns_are_those_of_the_rows(aspect: Aspect, data: st.DataObject) -> None:
    made = data.draw(opened(aspect))
    rows = [
        {
            "account_id": each.read.account_id,
            "image_id": each.read.image_id,
            "finding_id": finding.finding_id,
            "opened_read": each.interval.opened_read,
            **dict(zip((column.name for column in aspect.columns), finding.values, strict=True)),
            "occurrences": finding.occurrences,
            "first_found_at": each.interval.first_found_at,
            "absent_at": each.interval.absent_at,
            "closed_read": None,
            "closed_at": None,
            "extra": finding.extra,
            "row_hash": finding.row_hash,
            "sync_id": each.read.sync_id,
        }
        for each in made
        for finding in each.findings
    ]
    expected = aspect.table.arrow([[row[name] for name in aspect.table.column_names] for row in rows])
    assert columns_of(aspect, made).equals(expected)


def test_a_value_that_a_column_does_not_allow_is_refused() -> None:
    aspect = next(iter(ASPECTS.values()))
    finding = Finding(None, tuple(None for _ in aspect.columns), 1, None, "")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="is never null"):
        columns_of(aspect, [Opened(Read("1", "sha256:1", 0, 1, None, "s"), Interval(1, 1, None), [finding])])
