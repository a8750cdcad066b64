"""Lists the questions, in the order in which they are asked, and asks them. A new question is one more entry."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from connector.listing.reasons import Cause
from connector.listing.remote import RemoteList
from connector.listing.survey import filters, orders, paging, rows
from connector.listing.survey.asking import CREATE_TIME, SCAN_TIME, Asking
from connector.listing.survey.findings import NoAnswerError


@dataclass(frozen=True)
class Question:
    """A question: `name` for programs, `words` for people. `answer` gives the finding, or raises NoAnswerError."""

    name: str
    words: str
    answer: Callable[[Asking], Cause]


@dataclass(frozen=True)
class Finding:
    """The answer to a question."""

    question: Question
    cause: Cause

    @property
    def code(self) -> str:
        return self.cause.reason.code

    def as_json(self) -> dict[str, Any]:
        """The code, the sentence and the facts."""
        return {"code": self.code, "says": str(self.cause), **self.cause.facts}

    def __str__(self) -> str:
        return f"{self.question.words}: {self.cause}"


# Filters come early, because they ask for ids of the first answer, and those images may be gone after a while.
QUESTIONS = (
    Question("default_order", "order without By", orders.default_order),
    Question("image_id_filter", "ImageID filter", filters.image_id_filter),
    Question("exact_match_true", "ImageID filter, ExactMatch true", partial(filters.exact_match, True)),
    Question("exact_match_false", "ImageID filter, ExactMatch false", partial(filters.exact_match, False)),
    Question("filter_values", "number of values in a filter", filters.filter_values),
    Question("order_words", "Order in lower and upper case", orders.order_words),
    Question("by_create_time_asc", "By=CreateTime, oldest first", partial(orders.sorts, CREATE_TIME, "asc")),
    Question("by_create_time_desc", "By=CreateTime, newest first", partial(orders.sorts, CREATE_TIME, "desc")),
    Question("by_scan_time_asc", "By=ScanTime, oldest first", partial(orders.sorts, SCAN_TIME, "asc")),
    Question("by_scan_time_desc", "By=ScanTime, newest first", partial(orders.sorts, SCAN_TIME, "desc")),
    Question("unknown_by", "By with a name that no field has", orders.unknown_by),
    Question("status_filter", "ScanStatus filter", filters.status_filter),
    Question("offset", "largest Offset", paging.offsets),
    Question("window", "end of the list", paging.window),
    Question("rows_at_once", "rows at once", paging.rows_at_once),
    Question("limit", "Limit of twice the documented most", paging.limit),
    Question("total_count", "TotalCount", paging.total_count),
    Question("empty_list", "List without rows", paging.empty_list),
    Question("create_time_forms", "forms of CreateTime", partial(rows.forms, CREATE_TIME)),
    Question("scan_time_forms", "forms of ScanTime", partial(rows.forms, SCAN_TIME)),
    Question("never_scanned", "ScanTime where never scanned", partial(rows.forms, SCAN_TIME, status="NOT_SCAN")),
    Question("statuses", "words of ScanStatus", rows.statuses),
    Question("repeated_images", "images listed twice", rows.repeated_images),
    Question("ties", "equal CreateTimes", rows.ties),
    Question("fields", "fields that we do not know", rows.fields),
    Question("request_ids", "RequestId", rows.request_ids),
)


class Survey:
    """Asks the questions of a list. `fields` are the names of the fields that are known.

    Requests that the API refuses or fails at are findings. `findings` raises the other errors of `fetch`: refused keys,
    a wrong clock and missing permissions end the survey.
    """

    def __init__(self, remote: RemoteList, fields: Sequence[str], questions: Sequence[Question] = QUESTIONS) -> None:
        self._asking = Asking(remote, fields)
        self._questions = questions

    @property
    def requests(self) -> int:
        """How many requests were sent; repeated attempts are not counted."""
        return self._asking.requests

    @property
    def images(self) -> int:
        """How many different images the answers have shown."""
        return len(self._asking.rows)

    def findings(self) -> Iterator[Finding]:
        """Yield a finding for each question, as soon as the finding is known."""
        for question in self._questions:
            try:
                yield Finding(question, question.answer(self._asking))
            except NoAnswerError as error:
                yield Finding(question, error.cause)
