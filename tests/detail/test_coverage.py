"""`coverage_of`: of which images the warehouse has the set of the present scan."""

from __future__ import annotations

from connector.detail.coverage import Coverage, coverage_of
from connector.tables import Row


def image(image_id: str, status: str = "SCANNED", scan_time: int | None = 2, deleted_at: int | None = None) -> Row:
    return {"image_id": image_id, "scan_status": status, "scan_time": scan_time, "deleted_at": deleted_at}


def read(scan_time: int | None, verdict: str = "complete") -> Row:
    return {"scan_time": scan_time, "verdict": verdict}


def test_each_live_image_has_one_standing() -> None:
    """An image that is gone has none; one that was never scanned lacks nothing that could be read."""
    images = [
        *(image(name) for name in ("current", "behind", "unproven", "unread")),
        image("not scanned", status="NOT_SCAN", scan_time=None),
        image("failed", status="SCAN_ERR"),
        image("gone", deleted_at=1),
    ]
    reads = {
        "current": read(2),
        "behind": read(1),
        "unproven": read(2, "partial"),
        "gone": read(1),
    }
    found = coverage_of(images, reads)
    assert found == Coverage(current=1, behind=1, unproven=1, unread=1, never_scanned=2)
    assert found.missing == 3
