"""TC3-HMAC-SHA256, Tencent Cloud's request signature, as pure stages.

Each stage takes and returns text or bytes, so each one is proven by itself against `tests/vectors/tc3.json`.
Source: "Signature v3" (tencentcloud.com/document/product/1163/52898); the vendor's SDK is the oracle in the tests.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

ALGORITHM = "TC3-HMAC-SHA256"
_TERMINATOR = "tc3_request"


def utc_date(timestamp: int) -> str:
    """`YYYY-MM-DD` of Unix seconds, in UTC: the server takes the date from X-TC-Timestamp, never from a zone."""
    return _date_of(timestamp // 86_400)


@lru_cache(maxsize=8)
def _date_of(day: int) -> str:
    return datetime.fromtimestamp(day * 86_400, UTC).strftime("%Y-%m-%d")


def credential_scope(timestamp: int, service: str) -> str:
    """`YYYY-MM-DD/<service>/tc3_request`."""
    return f"{utc_date(timestamp)}/{service}/{_TERMINATOR}"


def headers_to_sign(*, host: str, content_type: str, action: str | None = None) -> dict[str, str]:
    """Return the signed headers, sorted by lower-case name. Values are exactly as sent; the action is lower-cased."""
    headers = {"content-type": content_type, "host": host}
    if action is not None:
        headers["x-tc-action"] = action.lower()
    return headers


def signed_headers(headers: Mapping[str, str]) -> str:
    """The names of `headers` (see `headers_to_sign`) as SignedHeaders lists them, such as `content-type;host`."""
    return ";".join(sorted(headers))


def canonical_request(headers: Mapping[str, str], body: bytes) -> str:
    """The canonical form of `POST /` without a query, with the signed `headers` and the bytes that are sent."""
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(headers))
    return f"POST\n/\n\n{lines}\n{signed_headers(headers)}\n{_sha256(body)}"


def string_to_sign(canonical: str, *, timestamp: int, service: str) -> str:
    """Return what is signed, in four lines: algorithm, Unix seconds, credential scope, canonical request's hash."""
    return f"{ALGORITHM}\n{timestamp}\n{credential_scope(timestamp, service)}\n{_sha256(canonical.encode())}"


def signing_key(secret_key: str, *, timestamp: int, service: str) -> bytes:
    """The key of one UTC day and service, derived from the secret key (32 bytes)."""
    return _key_of_day(secret_key, utc_date(timestamp), service)


@lru_cache(maxsize=8)  # every hash lets other threads run first, which costs more than the hash
def _key_of_day(secret_key: str, date: str, service: str) -> bytes:
    return _hmac(_hmac(_hmac(f"TC3{secret_key}".encode(), date), service), _TERMINATOR)


def signature(key: bytes, text: str) -> str:
    """The signature of `text` (see `string_to_sign`) under `key` (see `signing_key`), 64 hex digits."""
    return _hmac(key, text).hex()


def authorization(*, secret_id: str, scope: str, signed: str, signature: str) -> str:
    """The value of the Authorization header."""
    return f"{ALGORITHM} Credential={secret_id}/{scope}, SignedHeaders={signed}, Signature={signature}"


def sign(
    *,
    secret_id: str,
    secret_key: str,
    service: str,
    host: str,
    body: bytes,
    timestamp: int,
    content_type: str,
    action: str | None = None,
) -> str:
    """The Authorization value of one `POST /`.

    `timestamp` is the value of X-TC-Timestamp (Unix seconds), `host` and `content_type` are the header values as sent.
    SignedHeaders is `content-type;host`, and `content-type;host;x-tc-action` where `action` is given.
    """
    headers = headers_to_sign(host=host, content_type=content_type, action=action)
    text = string_to_sign(canonical_request(headers, body), timestamp=timestamp, service=service)
    return authorization(
        secret_id=secret_id,
        scope=credential_scope(timestamp, service),
        signed=signed_headers(headers),
        signature=signature(signing_key(secret_key, timestamp=timestamp, service=service), text),
    )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
