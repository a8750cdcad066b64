"""Defines faults by name and by request number, and changes between requests. Pure: no sockets, no time.

A fault is an error in the answer, a page that is wrong, or something that happens on the wire.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from connector.sandbox.actions import LIST_ACTION
from connector.sandbox.detail.actions import DETAIL_ACTIONS
from connector.sandbox.messages import Reply
from connector.sandbox.parameters import ApiError
from connector.sandbox.state import CHANGES, Fleet

Content = dict[str, Any]

THROTTLED = (
    "Your current request times equals to `{times}` in a second, which exceeds the frequency limit `{limit}` for a "
    "second. Please reduce the frequency of calls."
)

# Faults that are answered with HTTP 200 and an error: name -> Code, Message.
ERRORS: Mapping[str, tuple[str, str]] = {
    "throttle": ("RequestLimitExceeded", THROTTLED.format(times=21, limit=20)),
    "internal_error": ("InternalError", "An internal error has occurred. Retry your request."),
    "request_timeout": ("InvalidParameter.RequestTimeout", "Query timed out, the backend is still processing."),
    "expired_signature": ("AuthFailure.SignatureExpire", "The provided signature has expired."),
    "token_failure": ("AuthFailure.TokenFailure", "The provided token is not valid."),
    "unauthorized": (
        "UnauthorizedOperation",
        "You are not authorized to perform operation (tcss:{action}) resource (*) has no permission.",
    ),
    "response_too_large": ("ResponseSizeLimitExceeded", "The size of the response exceeds the limit."),
}


def error(name: str, action: str) -> ApiError:
    """Return the error of a fault by name, for an action."""
    code, message = ERRORS[name]
    return ApiError(code, message.replace("{action}", action))


@dataclass(frozen=True)
class Page:
    """Holds what a wrong page is made from.

    content: the right answer. previous: the list's answer before this answer, if any. value: the fault's value.
    more: gives the rows of the same page with so many more rows than Limit.
    """

    content: Content
    previous: Content | None
    value: float | None
    more: Callable[[int], list[Any]]

    def number(self, default: int) -> int:
        """Return the fault's value as a whole number."""
        return default if self.value is None else int(self.value)

    def with_rows(self, rows: Any) -> Content:
        """Return the right answer with other rows."""
        return {**self.content, "List": rows}

    @property
    def rows(self) -> list[Any]:
        """The right rows."""
        return self.content.get("List") or []


def _duplicated(page: Page) -> Content:
    copies = page.rows[: page.number(1)]
    return page.with_rows([*copies, *page.rows][: len(page.rows)])


def _wrong_total(page: Page) -> Content:
    """Return TotalCount plus the fault's value, in the type in which TotalCount is written."""
    total = page.content["TotalCount"]
    return {**page.content, "TotalCount": type(total)(max(int(total) + page.number(-1), 0))}


# Faults of a page of a list: name -> the function that changes the page.
PAGES: Mapping[str, Callable[[Page], Content]] = {
    "empty_page": lambda page: page.with_rows([]),
    "short_page": lambda page: page.with_rows(page.rows[: page.number(len(page.rows) // 2)]),
    "stale_page": lambda page: page.previous or page.content,
    "missing_list": lambda page: {name: value for name, value in page.content.items() if name != "List"},
    "null_list": lambda page: page.with_rows(None),
    "wrong_total": _wrong_total,
    "duplicate_rows": _duplicated,
    "extra_rows": lambda page: page.with_rows(page.more(page.number(1))),
}

# Faults behind the page: a shard that does not answer, and a cache that answers.
BEHIND = ("silent_shard", "replayed")

_HTML = b"<html><head><title>Sign in</title></head><body>Please sign in to the network.</body></html>"

# Faults on the wire: name -> the function that changes the reply; the number is the fault's value.
WIRE: Mapping[str, Callable[[Reply, float | None], Reply]] = {
    "http_500": lambda reply, _: replace(reply, status=500, body=b"Internal Server Error", content_type="text/plain"),
    "http_429": lambda reply, _: replace(reply, status=429, body=b"Too Many Requests", content_type="text/plain"),
    "html": lambda reply, _: replace(reply, body=_HTML, content_type="text/html"),
    "not_json": lambda reply, _: replace(reply, body=reply.body[:-2] + b"}, oops"),
    "cut_body": lambda reply, _: replace(reply, cut=True),
    "redirect": lambda reply, _: replace(reply, status=302, body=b"", headers={"Location": "/elsewhere"}),
    "disconnect": lambda reply, _: replace(reply, drop=True),
    "slow": lambda reply, value: replace(reply, delay=1.0 if value is None else value),
    "charset": lambda reply, _: replace(reply, content_type="application/json; charset=utf-8"),
}

Layer = Literal["error", "page", "wire"]

# Every fault by name, and its layer.
FAULTS: Mapping[str, Layer] = {
    **dict.fromkeys(ERRORS, "error"),
    **dict.fromkeys((*PAGES, *BEHIND), "page"),
    **dict.fromkeys(WIRE, "wire"),
}


@dataclass(frozen=True)
class Fault:
    """Makes some requests of one action fail in a named way (see FAULTS).

    at: number or numbers of requests; every: each n-th request; neither: all requests. The first request is number 1.
        Only requests with a right signature and within the rate limit are counted.
    times: how often at most.
    value: rows kept (short_page), repeated (duplicate_rows) or added (extra_rows), what is added to TotalCount
        (wrong_total), seconds (slow), the largest Limit that still gets an answer (response_too_large), the shard
        (silent_shard: its rows are neither listed nor counted; nothing happens without `Quirks.shards`).

    `replayed` repeats the last answer to the same payload, RequestId included. The first answer to a payload is right.
    Where there are faults of this name, all answers of the list are kept.
    """

    name: str
    at: int | Collection[int] | None = None
    every: int | None = None
    times: int | None = None
    action: str = LIST_ACTION
    value: float | None = None

    def __post_init__(self) -> None:
        if self.name not in FAULTS:
            raise ValueError(f"no fault is called {self.name!r}; there are {', '.join(FAULTS)}")
        lists = (LIST_ACTION, *DETAIL_ACTIONS) if self.name in PAGES else (LIST_ACTION,)
        if self.layer == "page" and self.action not in lists:
            raise ValueError(
                f"{self.name} is a fault of {LIST_ACTION}{' and the lists of details' * (len(lists) > 1)} only"
            )

    @property
    def layer(self) -> Layer:
        """Where the fault happens."""
        return FAULTS[self.name]

    def hits(self, action: str, number: int) -> bool:
        """Whether the fault is meant for this request, however often the fault has happened."""
        if action != self.action:
            return False
        if self.at is not None:
            return number == self.at if isinstance(self.at, int) else number in self.at
        return self.every is None or number % self.every == 0

    def check(self, limit: int) -> None:
        """Raise the ApiError of an error fault; `limit` is the request's Limit."""
        if self.layer == "error" and (self.value is None or limit > self.value):
            raise error(self.name, self.action)


@dataclass(frozen=True)
class Churn:
    """Changes the fleet after each `every`-th answer to DescribeAssetImageList, at most `times` times.

    The numbers are arguments of the fleet's methods. `permute_ties`: rows with equal sort values also swap places.
    """

    every: int = 1
    rescan: int = 0
    start_scans: int = 0
    finish_scans: int = 0
    change_counts: int = 0
    insert: int = 0
    delete: int = 0
    bring_back: int = 0
    recreate: int = 0
    permute_ties: bool = False
    times: int | None = None

    def __call__(self, fleet: Fleet, number: int) -> None:
        """Change the fleet after request `number` (from 1)."""
        turn, rest = divmod(number, self.every)
        if rest == 0 and (self.times is None or turn <= self.times):
            fleet.apply({name: count for name in CHANGES if (count := getattr(self, name))})
