"""Pages asked for ahead."""

from __future__ import annotations

import threading

import pytest

from connector.errors import ResponseTooLargeError, TransientError
from connector.listing.page import Page
from connector.listing.prefetch import Prefetch


def _load(offset: int, limit: int) -> Page:
    if limit > 50:
        raise ResponseTooLargeError("too large")
    if offset > 500:
        raise TransientError("down")
    return Page(offset, [], offset, None, ())


@pytest.mark.parametrize("in_flight", [1, 4])
def test_pages_come_in_the_order_in_which_they_were_planned(in_flight: int) -> None:
    """However many are under way; a page that is too large comes as None, another error is raised."""
    before = threading.enumerate()
    prefetch = Prefetch(_load, in_flight)
    for offset, limit in [(0, 50), (300, 50), (100, 100), (600, 50)]:
        prefetch.plan(offset, limit)
    assert len(prefetch) == 4
    taken = [prefetch.take(50) for _ in range(2)]
    assert [(offset, page.total if page else None) for offset, page in taken] == [(0, 0), (300, 300)]
    assert prefetch.take(100) == (100, None)
    with pytest.raises(TransientError):
        prefetch.take(50)
    prefetch.close(wait=True)
    assert threading.enumerate() == before
