"""Sends the requests of a survey: each is sent once, the questions share the replies, and their number is bounded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from connector.errors import AccountStateError, RequestRejectedError, ResponseTooLargeError, UnavailableError
from connector.listing.page import count_of, image_id_of, page_of
from connector.listing.query import Answer
from connector.listing.remote import RemoteList
from connector.listing.survey.findings import NO_IMAGES, NoAnswerError, cannot_tell, not_answered

MOST_REQUESTS = 25
CREATE_TIME, SCAN_TIME = "CreateTime", "ScanTime"
ANSWERED_WITH = (RequestRejectedError, AccountStateError, UnavailableError, ResponseTooLargeError)
"""Errors that are findings. Account states are among them: their codes include ResourceNotFound and LimitExceeded."""


@dataclass(frozen=True)
class Reply:
    """The answer to one request."""

    payload: dict[str, Any]
    answer: Answer

    @cached_property
    def items(self) -> list[dict[str, Any]]:
        """The rows that have an id."""
        rows = self.answer.response.get("List")
        return [item for item in rows if image_id_of(item)] if isinstance(rows, list) else []

    @cached_property
    def ids(self) -> list[str]:
        return [item["ImageID"] for item in self.items]

    @property
    def total(self) -> int | None:
        """TotalCount, in whatever form the API writes it; None where it is no count."""
        return count_of(self.answer.response.get("TotalCount"))

    @property
    def whole_list(self) -> bool:
        """Whether the request was about the whole list, and not about a part of the list."""
        return "Filters" not in self.payload


class Asking:
    """Sends requests to a list, and remembers the replies. `fields` are the names of the fields that are known.

    Attribute `replies`: all replies, in their order. `rows`: the first row seen of each image, by id.
    """

    def __init__(self, remote: RemoteList, fields: Sequence[str]) -> None:
        self.fields = tuple(fields)
        self.limit = remote.limit
        self.requests = 0
        self.replies: list[Reply] = []
        self.rows: dict[str, dict[str, Any]] = {}
        self._remote = remote
        self._known: dict[str, Reply | NoAnswerError] = {}

    def ask(self, offset: int = 0, limit: int | None = None, **more: Any) -> Reply:
        """Return the reply to a request, sent only once. Raises NoAnswerError where the API refuses it or fails."""
        payload = {"Limit": self.limit if limit is None else limit, "Offset": offset, **more}
        key = json.dumps(payload, sort_keys=True)
        if key not in self._known:
            try:
                self._known[key] = self.send(payload)
            except NoAnswerError as error:
                self._known[key] = error
        found = self._known[key]
        if isinstance(found, NoAnswerError):
            raise found
        return found

    def maybe(self, offset: int = 0, limit: int | None = None, **more: Any) -> Reply | None:
        """Return the reply as `ask` does; None where there is no answer."""
        try:
            return self.ask(offset, limit, **more)
        except NoAnswerError:
            return None

    def send(self, payload: dict[str, Any]) -> Reply:
        """Send a request and return the reply, even if the same request was sent before."""
        if self.requests >= MOST_REQUESTS:
            raise cannot_tell("all requests of the survey are used up")
        self.requests += 1
        try:
            reply = Reply(payload, self._remote.fetch(payload))
        except ANSWERED_WITH as error:
            raise not_answered(error) from error
        self.replies.append(reply)
        for item in reply.items:
            self.rows.setdefault(item["ImageID"], item)
        return reply

    def plain(self) -> Reply:
        """The first rows, without By and Order."""
        return self.ask()

    def total(self) -> int:
        """TotalCount, or the number of rows seen where TotalCount is smaller."""
        plain = self.plain()
        return max(plain.total or 0, len(plain.ids))

    def at_once(self) -> int:
        """The rows that the list gives at once."""
        rows = len(self.plain().ids)
        return rows if 0 < rows < self.total() else self.limit

    def end(self, **more: Any) -> Reply:
        """Return the last full page of the list, by its TotalCount."""
        return self.ask(max(0, self.total() - self.at_once()), **more)

    def maybe_end(self, **more: Any) -> Reply | None:
        """Return the last full page as `end` does; None where there is no answer."""
        return self.maybe(max(0, self.total() - self.at_once()), **more)

    def by_create_time(self) -> dict[str, Any]:
        """Return the parameters that sort by CreateTime, oldest first; none where the API refuses them."""
        for order in ("asc", "ASC"):
            if self.maybe(By=CREATE_TIME, Order=order) is not None:
                return {"By": CREATE_TIME, "Order": order}
        return {}

    def a_known_id(self) -> str:
        """An id that the list has shown."""
        if not self.plain().ids:
            raise cannot_tell(NO_IMAGES)
        return self.plain().ids[0]

    def values(self, reply: Reply, field: str) -> list[int | None]:
        """Return the times in a field, in the order of the rows; times that cannot be parsed are left out."""
        page = page_of(reply.answer, 0, lambda items: self._remote.instants(items, field))
        return [value for value, _ in page.rows]

    def time_of(self, item: dict[str, Any], field: str) -> int | None:
        """Return the time that a row has in a field; None where the time is missing or cannot be parsed."""
        try:
            return self._remote.instants([item], field)[0]
        except ValueError:
            return None
