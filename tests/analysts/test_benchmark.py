"""`make bench-dashboard` in its short form: that it runs, and what it counts. Times are never asserted."""

from __future__ import annotations

from tests.benchmarks import dashboard


def test_it_waits_for_the_page_and_for_every_filter() -> None:
    """Each of them answers, over a history in which images have several versions."""
    found = dashboard.measure(short=True)
    assert found["images"] == 300
    assert found["versions"] > 300
    assert found.keys() >= {"open, for the first time", "open", *dashboard.FILTERS}
