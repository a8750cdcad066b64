"""What a read writes of a finding that a run which was killed has closed already, case by case."""

from __future__ import annotations

from typing import Any

import pytest

from connector.detail.differences import Differ, Read
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
