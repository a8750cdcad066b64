"""Decides what the end of an attempt means: an answer, or an error.

Facts: `tencent-api.md` section 4. The API sends an error as HTTP 200 with `Response.Error`. So the HTTP status decides
only where there is no such body, and the content type never decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from connector.api.attempts import Attempt, HttpResponse, NoResponse
from connector.errors import (
    ClockError,
    ConfigurationError,
    ResponseTooLargeError,
    TcssError,
    ThrottledError,
    TransientError,
    UnavailableError,
    from_code,
    is_known,
)
from connector.wire import decode, storable

# Requests under way at once: twice as many as are sent in 2 s, so that a refused request does not block the others.
MAX_IN_FLIGHT = 100

# Longest RequestId (the API's have 36 characters) and longest code: a longer text is not accepted as either.
_LONGEST_ID = 128

_LONGEST_AGE = 9  # digits

# About how many values an answer may have: each value takes up to 100 bytes of memory. A page of 100 images has 4,000.
_MOST_MARKS = 500_000

# Years that a server's clock can plausibly show.
_YEARS = range(2000, 2100)

# Seconds by which two clocks may seem to differ although both are right: a Date header has whole seconds, is made
# somewhat before the answer is sent, and machines that are set by NTP may still differ by a second.
CLOCK_SLACK = 5.0

# Seconds by which the timestamp of a signed request may be ahead of the server's clock: the server refuses a timestamp
# that is wrong by more than 5 minutes. So an answer whose Date is before that was made for another request.
SIGNED_FOR = 300 + CLOCK_SLACK


@dataclass(frozen=True)
class Answer:
    """Holds `response`, the object under `Response` as received, and `size`, the bytes of the whole answer."""

    response: dict[str, Any] = field(repr=False)  # keys are in answers of STS
    request_id: str | None
    size: int = field(default=0, compare=False)


@dataclass
class CallStats:
    """Counts what a client has sent, STS included: `requests` are all attempts, `retries` all but each call's first."""

    requests: int = 0
    throttled: int = 0
    retries: int = 0
    first_request_id: str | None = None
    last_request_id: str | None = None


def judge(
    attempt: Attempt, got: HttpResponse | NoResponse, skew: float | None = None, ahead: float = 0.0
) -> Answer | TcssError:
    """Return the answer or the error of an attempt. `skew` (see `clock_skew`) goes into the hint of a clock error.

    `ahead` is by how many seconds the signed timestamp is after the answer's Date, 0 where one of them is missing.
    """
    if isinstance(got, NoResponse):
        return _no_response(attempt, got)
    if 300 <= got.status < 400 and "location" in got.headers:
        return _redirect(attempt, got)
    if _is_crowded(got.body):
        text = f"the answer of {attempt.call.host} is too large: more than {_MOST_MARKS:,} values may be in it"
        return attempt.failed(ResponseTooLargeError, text)
    inner = _response_of(got.body)
    request_id = _word(inner.get("RequestId"), attempt)
    if inner and (age := _age(got)) > CLOCK_SLACK:
        return _old(attempt, f"a cache has stored the answer {age} s ago", request_id)
    if inner and inner.get("Error") is None and got.status == 200:
        if not isinstance(inner.get("List"), list | None):
            return _no_list(attempt, request_id)
        if ahead > SIGNED_FOR:
            return _old(
                attempt, f"the answer is {ahead:.0f} s older than the request, by the answer's Date", request_id
            )
        return Answer(inner, request_id, len(got.body))
    problem = inner.get("Error")
    problem = problem if isinstance(problem, dict) else {}
    code = _word(problem.get("Code"), attempt)
    if code is not None and (is_known(code) or (got.status < 500 and got.status != 429)):
        message = problem.get("Message")
        text = storable(attempt.redact(message)) if isinstance(message, str) else ""
        return _refusal(attempt, code, text, request_id=request_id, skew=skew)
    return _unusable(attempt, got)


def is_elsewhere(got: HttpResponse | NoResponse, error: TcssError) -> bool:
    """Whether the host may not be the API's: there was no connection, or an HTTP status 4xx without the API's code."""
    if error.code is not None or not isinstance(error, TransientError):
        return False
    return not got.connected if isinstance(got, NoResponse) else 400 <= got.status < 500


def clock_skew(date: str | None, sent: float, received: float) -> float | None:
    """Return the seconds by which the server's clock is ahead of ours, by the Date header; None without that header.

    The server made the Date between `sent` and `received`, by our clock. The skew is 0 where our clock may be right. A
    Date of another century counts as missing.
    """
    try:
        moment = _moment_of(date or "")
        server = moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
    return None if moment.year not in _YEARS else server - min(max(server, sent), received)


@lru_cache(maxsize=8)  # many answers come in one second
def _moment_of(date: str) -> datetime:
    return parsedate_to_datetime(date)


def replayed(attempt: Attempt, answer: Answer) -> TcssError:
    """The error of an answer whose RequestId was seen before."""
    text = "the answer has the RequestId of an earlier answer, so that it is an old one"
    return _old(attempt, text, answer.request_id)


def _old(attempt: Attempt, text: str, request_id: str | None) -> TcssError:
    hint = f"A cache or a proxy gives old answers again: let the requests to {attempt.call.host} pass."
    error = attempt.failed(TransientError, text, hint)
    error.request_id = request_id
    return error


def _age(got: HttpResponse) -> int:
    """Return the seconds for which a cache had the answer, by its header Age; 0 where that is missing or no number."""
    age = got.headers.get("age", "").partition(",")[0].strip()[:_LONGEST_AGE]
    return int(age) if age.isascii() and age.isdigit() else 0


def _no_response(attempt: Attempt, got: NoResponse) -> TcssError:
    if got.too_large:
        text = f"the answer of {attempt.call.host} is too large: {got.reason}"
        return attempt.failed(ResponseTooLargeError, text, "Raise max_answer_bytes if the answer is as it should be.")
    host = attempt.call.host
    if not got.passes:
        hint = "Check --endpoint, HTTPS_PROXY and REQUESTS_CA_BUNDLE."
        return attempt.failed(ConfigurationError, f"{host} cannot be reached: {got.reason}", hint)
    what = "gave no whole answer" if got.connected else "cannot be reached"
    return attempt.failed(TransientError, f"{host} {what}: {got.reason}", "Check the network and the proxy.")


def _redirect(attempt: Attempt, got: HttpResponse) -> TcssError:
    try:
        to = urlsplit(got.headers["location"]).hostname or "another page of its own"
    except ValueError:
        to = "what is no URL"
    text = f"{attempt.call.host} redirects to {to}, which is not followed"
    return attempt.failed(UnavailableError, text, "Check --endpoint and the proxy.")


def _refusal(attempt: Attempt, code: str, message: str, *, request_id: str | None, skew: float | None) -> TcssError:
    call = attempt.call
    error = from_code(
        code, message, action=call.action, service=call.service, request_id=request_id, attempt=attempt.number
    )
    if isinstance(error, ClockError) and skew is not None:
        error.hint = f"The server's clock is {skew:+.0f} s from this machine's. {error.hint}"
    return error


def _no_list(attempt: Attempt, request_id: str | None) -> TcssError:
    """The error of an answer whose rows would all be lost, as if the list were empty."""
    text = "the List in the answer is neither an array nor null"
    error = attempt.failed(TransientError, text, "Try later; if it stays, give Tencent Cloud support the request id.")
    error.request_id = request_id
    return error


def _unusable(attempt: Attempt, got: HttpResponse) -> TcssError:
    kind = ThrottledError if got.status == 429 else TransientError
    text = f"HTTP {got.status} from {attempt.call.host} without a usable answer, {len(got.body)} bytes"
    return attempt.failed(kind, text, "Try later; if it stays, check --endpoint and the proxy.")


def _word(received: Any, attempt: Attempt) -> str | None:
    """Return a RequestId or a code, without secrets and safe to print and store; None where there is no usable one."""
    fits = isinstance(received, str) and 0 < len(received) <= _LONGEST_ID
    return storable(attempt.redact(received)) if fits else None


def _is_crowded(body: bytes) -> bool:
    """Whether the values of a body would take far more memory than the body."""
    return len(body) > _MOST_MARKS and sum(map(body.count, (b",", b"[", b"{"))) > _MOST_MARKS


def _response_of(body: bytes) -> dict[str, Any]:
    """The object under `Response`; empty if the body is not JSON (HTML, cut off) or has none."""
    try:
        document = decode(body)
    except ValueError:
        return {}
    inner = document.get("Response") if isinstance(document, dict) else None
    return inner if isinstance(inner, dict) else {}
