"""Defines the request and the answer of a list: all that this wing knows of the API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

UNSCANNED = ("scanning", "scanErr", "notScan")  # values of the ScanStatus filter
SCANNED = "SCANNED"  # the status in an item; as a value of the filter, the word is in lower case
MAX_LIMIT = 100  # documented maximum of Limit

Filters = tuple[tuple[str, tuple[str, ...]], ...]
"""Names and their values; values of one name are ORed."""


@dataclass(frozen=True)
class Query:
    """A request for a list: the sort order (with `by` None, the server's own) and the filters."""

    by: str | None = None
    order: str | None = None
    filters: Filters = ()

    def payload(self, offset: int, limit: int) -> dict[str, Any]:
        payload: dict[str, Any] = {"Limit": limit, "Offset": offset}
        if self.filters:
            payload["Filters"] = [{"Name": name, "Values": list(values)} for name, values in self.filters]
        if self.by is not None:
            payload["By"] = self.by
        if self.order is not None:
            payload["Order"] = self.order
        return payload

    @property
    def turned(self) -> Query | None:
        """Return the query for the same list from its other end; None where the server's own order is asked for.

        The values of filters are reversed too: a server that reads only the first values then gives another list.
        """
        if self.by is None or self.order is None:
            return None
        filters = tuple((name, values[::-1]) for name, values in self.filters)
        return replace(self, order="asc" if self.order == "desc" else "desc", filters=filters)


class Answer(Protocol):
    """The answer to one request."""

    @property
    def response(self) -> Mapping[str, Any]:
        """The object under `Response`, as received."""

    @property
    def request_id(self) -> str | None: ...


Fetch = Callable[[dict[str, Any]], Answer]
"""Sends a payload and returns the answer. Raises the errors of the API and the network (`connector.errors`)."""
