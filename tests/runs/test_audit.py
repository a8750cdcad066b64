"""The audit: what a full sweep shows of the scans that incremental ones should have found."""

from __future__ import annotations

import pytest

from connector.runs.audit import Audit, Span

SPAN = Span(10, 20)
Shown = list[tuple[int, int]]


def missed(incremental: Shown, full: Shown, *, trusted: bool = True) -> int | None:
    """Of a run that makes both sweeps, which show images with these ScanTimes."""
    audit = Audit()
    audit.watch(SPAN)
    for image, scan_time in incremental:
        audit.note(image, scan_time, stored=0, first=True)
    audit.compare(trusted=trusted)
    for image, scan_time in full:
        audit.note(image, scan_time, stored=0, first=False)
    return audit.missed


@pytest.mark.parametrize(
    ("incremental", "full", "expected"),
    [
        ([], [], None),
        ([(1, 15)], [], None),
        ([], [(1, 10), (2, 21)], None),
        ([(1, 15)], [(1, 15)], 0),
        ([(1, 15)], [(1, 21), (2, 15)], 1),
        ([], [(1, 15), (1, 15), (2, 20)], 2),
        ([(1, 12)], [(1, 15)], 1),
        ([(1, 15), (1, 12)], [(1, 12), (1, 15)], 0),
        ([(1, 25)], [(1, 15)], 1),
    ],
    ids=[
        "nothing",
        "an image that went",
        "scans outside the span",
        "alike",
        "one more",
        "two more",
        "an older scan",
        "an older scan as well",
        "a scan after the start, then one before",
    ],
)
def test_the_sweeps_of_one_run_are_compared(incremental: Shown, full: Shown, expected: int | None) -> None:
    """Each image that the full sweep shows with a scan of the span, and the incremental one did not, counts once."""
    assert missed(incremental, full) == expected


def test_a_sweep_that_is_not_trusted_is_not_judged() -> None:
    """It has promised nothing, so that it can have missed nothing."""
    assert missed([], [(1, 15)], trusted=False) is None


def test_both_audits_count_an_image_once() -> None:
    """Missed by an earlier run, and again in this one."""
    audit = Audit(SPAN)
    assert not audit.idle
    audit.watch(SPAN)
    audit.compare(trusted=True)
    audit.note(1, 15, stored=5, first=True)
    assert audit.missed == 1
