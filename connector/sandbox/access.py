"""Checks who may call, and how often: the signature over the bytes received, the clock, the token, the rate.

Signature v3: tencentcloud.com/document/product/1163/52898. The limit counts the requests per action and secret id that
arrived in the last second (cloud.tencent.com/document/product/1278/109059).
"""

import hmac
import re
from collections import deque
from collections.abc import Callable, Hashable

from connector.api import signing
from connector.sandbox.faults import THROTTLED
from connector.sandbox.identity import Accounts, Key
from connector.sandbox.messages import Request
from connector.sandbox.parameters import ApiError

SKEW_SECONDS = 300

_AUTHORIZATION = re.compile(
    r"TC3-HMAC-SHA256 Credential=(?P<id>[^/,\s]+)/(?P<scope>\d{4}-\d\d-\d\d/[a-z]+/tc3_request), ?"
    r"SignedHeaders=(?P<signed>[a-z0-9;-]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


def authenticate(request: Request, accounts: Accounts, *, service: str, now: float) -> Key:
    """Return the key that signed a request for `service` at about `now` (Unix seconds).

    Raises:
        ApiError: AuthFailure.InvalidAuthorization, .SignatureExpire, .SecretIdNotFound, .SignatureFailure or
            .TokenFailure, checked in this order.
    """
    found = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    if found is None or not {"content-type", "host"} <= set(found["signed"].split(";")):
        raise ApiError("AuthFailure.InvalidAuthorization", "Authorization in the request header is invalid.")
    timestamp = _timestamp(request, now)
    if found["scope"] != signing.credential_scope(timestamp, service):
        message = "The date or the service in the credential scope is not that of the request."
        raise ApiError("AuthFailure.InvalidAuthorization", message)
    key = accounts.key(found["id"])
    if key is None:
        message = "The SecretId is not found, please ensure that your SecretId is correct."
        raise ApiError("AuthFailure.SecretIdNotFound", message)
    expected = _signature(request, found["signed"].split(";"), key.secret_key, (timestamp, service))
    if expected is None or not hmac.compare_digest(expected, found["signature"]):
        message = "The provided credentials could not be validated. Please check your signature is correct."
        raise ApiError("AuthFailure.SignatureFailure", message)
    _check_token(key, request.headers.get("x-tc-token"), now)
    return key


def _timestamp(request: Request, now: float) -> int:
    text = request.headers.get("x-tc-timestamp", "")
    if not re.fullmatch(r"\d{1,11}", text):
        raise ApiError("MissingParameter", "The request is missing a required parameter `Timestamp`.")
    if abs(int(text) - now) > SKEW_SECONDS:
        message = f"The provided signature has expired: timestamp {text} is not within 5 minutes of {int(now)}."
        raise ApiError("AuthFailure.SignatureExpire", message)
    return int(text)


def _signature(request: Request, names: list[str], secret_key: str, scope: tuple[int, str]) -> str | None:
    """Return the right signature over the headers and the body as received; None if a signed header is missing."""
    timestamp, service = scope
    if any(name not in request.headers for name in names):
        return None
    headers = {name: request.headers[name] for name in names}
    if "x-tc-action" in headers:
        headers["x-tc-action"] = headers["x-tc-action"].lower()
    canonical = signing.canonical_request(headers, request.body)
    text = signing.string_to_sign(canonical, timestamp=timestamp, service=service)
    return signing.signature(signing.signing_key(secret_key, timestamp=timestamp, service=service), text)


def _check_token(key: Key, token: str | None, now: float) -> None:
    """Check that a temporary key has its token and has not expired, and that a long-lived key has no token."""
    if key.token != token:
        raise ApiError("AuthFailure.TokenFailure", "The provided token is not that of the SecretId.")
    if key.expires is not None and now >= key.expires:
        raise ApiError("AuthFailure.TokenFailure", "The provided token has expired.")


class Window:
    """Admits at most `rate` requests in any second for each key (None: any number). `clock` gives seconds."""

    def __init__(self, rate: int | None, clock: Callable[[], float]) -> None:
        self.rate = rate
        self._clock = clock
        self._admitted: dict[Hashable, deque[float]] = {}

    def admit(self, key: Hashable) -> None:
        """Count a request that arrives now.

        Raises:
            ApiError: RequestLimitExceeded; a refused request does not count.
        """
        if self.rate is None:
            return
        now, admitted = self._clock(), self._admitted.setdefault(key, deque())
        while admitted and now - admitted[0] >= 1.0:
            admitted.popleft()
        if len(admitted) >= self.rate:
            message = THROTTLED.format(times=len(admitted) + 1, limit=self.rate)
            raise ApiError("RequestLimitExceeded", message)
        admitted.append(now)
