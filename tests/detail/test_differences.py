"""What a read writes of a finding that a run which was killed has closed already, case by case."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from connector.detail.differences import Differ, Read
from connector.detail.findings import Finding
from connector.tables import ASPECTS

READ = Read("1", "a", 4, 2_000, 1_000, "now")
VULNERABILITIES = ASPECTS["vulnerabilities"]
NAMES = VULNERABILITIES.table.column_names
OPEN = {"account_id": "1", "image_id": "a", "finding_id": "f", "opened_read": 2, "closed_read": None, "closed_at": None}


def row(**columns: Any) -> dict[str, Any]:
    return {**dict.fromkeys(NAMES), **OPEN, "sync_id": "before", **columns}


@pytest.mark.parametrize(
    ("closed_read", "closed_at", "is_written"),
    [(None, None, True), (5, 2_000, False), (5, 1_500, True), (6, 2_000, True)],
    ids=["open", "closed as now", "closed by the read of another set", "closed by another read of this set"],
)
def test_a_finding_that_is_gone_is_closed_once(
    closed_read: int | None, closed_at: int | None, is_written: bool
) -> None:
    """The row says which read closed the finding, and at the ScanTime of which set; both must be those of this read."""
    stored = row(closed_read=closed_read, closed_at=closed_at)
    difference = Differ(VULNERABILITIES).compare(READ, {}, [stored])
    written = [dict(zip(NAMES, values, strict=True)) for values in difference.rows]
    closed = {**stored, "closed_read": 5, "closed_at": 2_000, "sync_id": "now"}
    assert written == ([closed] if is_written else [])
    assert difference.closed == 1


def test_a_marker_that_is_lost_shows_no_finding_of_before() -> None:
    """A finding that was closed and returned has several intervals with numbers that are still to come. None of these
    is shown when its number comes again, whichever the warehouse gives first."""
    before = [row(opened_read=1, closed_read=3), row(opened_read=4, closed_read=6), row(opened_read=7)]
    new = Finding("f", ("CVE-2021-44228", "a", "1", None, 1), 1, None, "1:a")
    for stored in permutations(before):
        for found in ({"f": new}, {}):
            rows = {each["opened_read"]: each for each in stored}
            for read_no in range(8):
                difference = Differ(VULNERABILITIES).compare(READ._replace(read_no=read_no), found, rows.values())
                written = [dict(zip(NAMES, values, strict=True)) for values in difference.rows]
                assert difference.new is None or read_no == 0
                rows |= {each["opened_read"]: each for each in written}
                shown = [each for each in rows.values() if is_shown(each, read_no + 1)]
                assert [each["opened_read"] for each in shown] == ([1] if found else [])


def is_shown(stored: dict[str, Any], read_no: int) -> bool:
    return stored["opened_read"] <= read_no and (stored["closed_read"] is None or stored["closed_read"] > read_no)
