"""What is asked of a list, and the answer that comes: the only things of the API that this wing knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

UNSCANNED = ("scanning", "scanErr", "notScan")  # values of the ScanStatus filter
SCANNED = "SCANNED"  # the same status in an item; as a value of the filter it is in small letters
MAX_LIMIT = 100  # documented maximum of Limit

Filters = tuple[tuple[str, tuple[str, ...]], ...]
"""Names and their values; values of one name are ORed."""


@dataclass(frozen=True)
class Query:
    """What is asked for: the sort (`by` None leaves it to the server) and the filters."""

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
        """The same list from its other end; None where the server's own order is asked for.

        The values of filters are turned too: a server that reads only the first ones gives another list then.
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
"""Sends a payload and gives its answer. Raises what the API or the way to it raise (`connector.errors`)."""
