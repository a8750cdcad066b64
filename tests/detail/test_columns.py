"""The columns of findings that open are those of their rows, made one by one."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.detail.columns import columns_of, tables_of
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
READS = st.builds(Read, st.text(max_size=3), st.text(max_size=3), st.just(0), INSTANTS, st.none(), st.text(max_size=3))
INTERVALS = st.builds(Interval, st.integers(1, 9), INSTANTS, st.none() | INSTANTS)


def value(column: Column) -> st.SearchStrategy[Any]:
    values = VALUES[column.type]
    return st.none() | values if column.nullable else values


def finding(*values: Any) -> Finding:
    made = Finding(*values)
    return made._replace(size=sum(map(len, filter(is_text, (*made, *made.values)))))


@cache
def findings(aspect: Aspect) -> st.SearchStrategy[Finding]:
    return st.builds(
        finding,
        st.text("abc", min_size=1, max_size=3),
        st.tuples(*map(value, aspect.columns)),
        st.integers(1, 9),
        st.none() | st.text("{}", max_size=3),
        st.text("0123", max_size=3),
    )


@st.composite
def opened(draw: st.DrawFn, aspect: Aspect) -> list[Opened]:
    """Images that share findings, as the parser's cache makes them: equal findings may be one object or two."""
    known = draw(st.lists(findings(aspect), min_size=1, max_size=8))
    some = st.lists(st.sampled_from(known) | st.sampled_from(known).map(Finding._make), max_size=5)
    return draw(st.lists(st.builds(Opened, READS, INTERVALS, some), min_size=1, max_size=4).filter(any_finding))


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


@given(most=st.sampled_from([1, 50, 150, 10_000]), made=opened(ASPECTS["malware"]))
def test_many_long_texts_come_in_tables_of_bounded_size(most: int, made: list[Opened]) -> None:
    """The rows are the same, in the same order. Only a row that is too long by itself is in a table that is too large;
    no other two tables would fit into one."""
    aspect = ASPECTS["malware"]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("connector.detail.columns.MOST_BYTES", most)
        tables = list(tables_of(aspect, made))
    assert pa.concat_tables(tables).equals(columns_of(aspect, made))
    sizes = [[sum(map(len, filter(is_text, row))) for row in findings_of(aspect, table)] for table in tables]
    assert all(sum(rows) <= most or len(rows) == 1 for rows in sizes)
    assert all(sum(rows) + following[0] > most for rows, following in pairwise(sizes))


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def findings_of(aspect: Aspect, table: pa.Table) -> list[list[Any]]:
    """Return what each row has of its finding."""
    names = ["finding_id", *(column.name for column in aspect.columns), "extra", "row_hash"]
    return [[*row.values()] for row in table.select(names).to_pylist()]


def test_a_value_that_a_column_does_not_allow_is_refused() -> None:
    aspect = next(iter(ASPECTS.values()))
    finding = Finding(None, tuple(None for _ in aspect.columns), 1, None, "")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="is never null"):
        columns_of(aspect, [Opened(Read("1", "sha256:1", 0, 1, None, "s"), Interval(1, 1, None), [finding])])
