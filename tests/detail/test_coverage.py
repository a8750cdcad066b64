"""`coverage_of`: of which images the warehouse has the set of the present scan."""

from __future__ import annotations

from connector.detail.coverage import Coverage, coverage_of
from connector.tables import ASPECTS, Row


def image(image_id: str, scan_time: int | None = 2, status: str = "SCANNED", **given: int) -> Row:
    counts = {"deleted_at": None, "vul_cnt": 1}
    return {"image_id": image_id, "scan_time": scan_time, "scan_status": status, **counts, **given}


def read(scan_time: int | None, verdict: str = "complete", read_no: int = 1) -> Row:
    return {"read_no": read_no, "scan_time": scan_time, "verdict": verdict, "vul_cnt": 1}


def test_each_live_image_has_one_standing() -> None:
    """An image that is gone has none; one that was never scanned lacks nothing that could be read."""
    images = [
        *(image(name) for name in ("current", "behind", "unproven", "unread")),
        image("counted otherwise", vul_cnt=2),
        image("reset", scan_time=None),
        image("failed", status="SCAN_ERR"),
        image("scanned again", status="SCANNING"),
        image("scanned for long", status="SCANNING"),
        image("odd", status="FINISHED"),
        image("never proven"),
        image("not scanned", scan_time=None),
        image("gone", deleted_at=1),
    ]
    reads = {
        "current": read(2),
        "behind": read(1),
        "unproven": read(2, "partial"),
        "counted otherwise": read(2),
        "reset": read(2),
        "scanned again": read(1),
        "scanned for long": read(2),
        "never proven": read(None, "partial", 0),
        "gone": read(1),
    }
    found = coverage_of(ASPECTS["vulnerabilities"], images, reads)
    assert found == Coverage(current=2, behind=3, unproven=2, unread=2, unfinished=2, never_scanned=1)
    assert found.missing == 7
