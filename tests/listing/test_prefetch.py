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
    """However many are under way; what the API said instead of a page comes in its place."""
    before = threading.enumerate()
    prefetch = Prefetch(_load, in_flight)
    for offset, limit in [(0, 50), (300, 50), (100, 100), (600, 50)]:
        prefetch.plan(offset, limit)
    assert len(prefetch) == 4
    taken = [prefetch.take() for _ in range(4)]
    assert [(offset, limit) for offset, limit, _ in taken] == [(0, 50), (300, 50), (100, 100), (600, 50)]
    assert [page.total if isinstance(page, Page) else type(page) for *_, page in taken] == [
        *(0, 300),
        *(ResponseTooLargeError, TransientError),
    ]
    prefetch.close(wait=True)
    assert threading.enumerate() == before
