"""One call of the API, and what its answer means.

Facts: `tencent-api.md` section 4. A failure comes as HTTP 200 with `Response.Error`, so the status decides only where
there is no such body, and the content type never does.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson

from connector.api.credentials import Credentials
from connector.api.keyring import Keyring
from connector.errors import TcssError, ThrottledError, TransientError, UnavailableError, from_code, is_known

if TYPE_CHECKING:
    import requests

# Requests under way at once: twice as many as are sent in 2 s, so that one that is refused does not stop the others.
MAX_IN_FLIGHT = 100


@dataclass(frozen=True)
class Answer:
    """`response` is the object under `Response`, as received."""

    response: dict[str, Any]
    request_id: str | None


@dataclass
class CallStats:
    """What a client has sent so far, STS included. `requests` counts attempts, `retries` those after a call's first."""

    requests: int = 0
    throttled: int = 0
    retries: int = 0
    first_request_id: str | None = None
    last_request_id: str | None = None


@dataclass
class Call:
    """One call and how far it has come."""

    action: str
    service: str
    version: str
    body: bytes
    url: str
    keyring: Keyring | None
    started: float
    region: str | None = None
    hidden: str = ""
    keys: Credentials | None = None
    skew: float | None = None
    attempt: int = 0
    internal: int = 0
    unreached: int = 0
    clock_corrected: bool = False
    keys_renewed: bool = False

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    def failed(self, kind: type[TcssError], text: str, hint: str | None = None) -> TcssError:
        return kind(self.redact(text), action=self.action, attempt=self.attempt, hint=hint)

    def redact(self, text: str) -> str:
        text = text.replace(self.hidden, "***") if self.hidden else text
        return self.keys.redact(text) if self.keys else text


def judge(call: Call, response: requests.Response, body: bytes) -> Answer | TcssError:
    status = response.status_code
    if 300 <= status < 400:
        to = urlsplit(response.headers.get("Location", "")).hostname
        hint = "Check --endpoint and the proxy."
        return call.failed(UnavailableError, f"{call.host} redirects to {to}, which is not followed", hint)
    inner = _response_of(body)
    request_id = inner.get("RequestId")
    request_id = request_id if isinstance(request_id, str) else None
    if inner and inner.get("Error") is None and status == 200:
        return Answer(inner, request_id)
    problem = inner.get("Error")
    problem = problem if isinstance(problem, dict) else {}
    code = problem.get("Code")
    if isinstance(code, str) and (is_known(code) or (status < 500 and status != 429)):
        text = call.redact(str(problem.get("Message", "")))
        return from_code(
            code, text, action=call.action, service=call.service, request_id=request_id, attempt=call.attempt
        )
    kind = ThrottledError if status == 429 else TransientError
    hint = "Try later; if it stays, check --endpoint and the proxy."
    return call.failed(kind, f"HTTP {status} from {call.host} without a usable answer, {len(body)} bytes", hint)


def _response_of(body: bytes) -> dict[str, Any]:
    """The object under `Response`; empty if the body is not JSON (HTML, cut off) or has none."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    inner = document.get("Response") if isinstance(document, dict) else None
    return inner if isinstance(inner, dict) else {}


def clock_skew(date: str | None, now: float) -> float | None:
    try:
        return parsedate_to_datetime(date or "").timestamp() - now
    except ValueError:
        return None
