"""Gives the sweeps access to a list behind the API."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connector.errors import ResponseTooLargeError
from connector.listing.page import Page, moment, page_of
from connector.listing.prefetch import InFlight
from connector.listing.proof import Server
from connector.listing.query import MAX_LIMIT, Fetch, Query

Items = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class RemoteList:
    """How a list is asked for: `fetch` sends one request, and `in_flight` of them may be under way.

    `instants` gives the times that items have in a field, as microseconds, None for null, and raises ValueError where a
    time cannot be parsed. `server` keeps what is learnt of the server, and is shared by all passes of a sweep. `clock`
    gives the present in microseconds; without a clock, the present stays at the start of the sweep.
    """

    fetch: Fetch
    instants: Callable[[Items, str], Sequence[int | None]]
    in_flight: InFlight = 8
    limit: int = MAX_LIMIT
    server: Server = field(default_factory=Server)
    clock: Callable[[], int] | None = None

    def page(self, query: Query, field_name: str, offset: int, limit: int) -> Page:
        """Ask for one page, with the time in `field_name` as the sort value."""
        sent = moment()
        answer = self.fetch(query.payload(offset, limit))
        return self._noted(page_of(answer, offset, lambda items: self.instants(items, field_name), sent))

    def first(self, query: Query, limit: int = 1) -> Page:
        """Ask for the first `limit` rows of `query`, without sort values; fewer where rows are too large to be sent."""
        while True:
            try:
                return self.at_once(query, limit)
            except ResponseTooLargeError:
                if limit == 1:
                    raise
                limit //= 2

    def at_once(self, query: Query, limit: int) -> Page:
        """Ask for the first `limit` rows in one request. Raises ResponseTooLargeError."""
        sent = moment()
        return self._noted(page_of(self.fetch(query.payload(0, limit)), 0, lambda items: [None] * len(items), sent))

    def _noted(self, page: Page) -> Page:
        self.server.most_rows = max(self.server.most_rows, len(page.items))
        return page

    def first_look(self) -> int:
        """How many rows to ask for before the first answer gives TotalCount: as many as fit into one round trip. Pages
        that turn out to lie beyond the end cost requests, but no time."""
        in_flight = self.in_flight if isinstance(self.in_flight, int) else self.in_flight()
        return self.limit * in_flight // 2
