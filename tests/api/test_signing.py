"""Signatures: golden vectors for each stage, and the vendor's SDK as an oracle."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tencentcloud.common.abstract_client import AbstractClient

from connector.api import signing

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "vectors" / "tc3.json").read_text("utf-8"))


def by(*keys: str) -> Any:
    """The vectors that have an expectation for every one of `keys`."""
    found = [vector for vector in VECTORS if all(key in vector for key in keys)]
    return pytest.mark.parametrize("vector", found, ids=[vector["name"] for vector in found])


def headers_of(vector: dict[str, Any]) -> dict[str, str]:
    return signing.headers_to_sign(**{key: vector[key] for key in ("host", "content_type", "action")})


def sign(vector: dict[str, Any]) -> str:
    keys = ("secret_id", "secret_key", "service", "host", "timestamp", "content_type", "action")
    return signing.sign(body=vector["body"].encode(), **{key: vector[key] for key in keys})


@by("date", "scope")
def test_scope_has_the_utc_date_of_the_timestamp(vector: dict[str, Any]) -> None:
    """The credential scope is the UTC date of X-TC-Timestamp, the service and a fixed end."""
    assert signing.utc_date(vector["timestamp"]) == vector["date"]
    assert signing.credential_scope(vector["timestamp"], vector["service"]) == vector["scope"]


@by("body_hash")
def test_canonical_request_ends_with_the_hash_of_the_bytes(vector: dict[str, Any]) -> None:
    """The last line of the canonical request is the SHA-256 of the body as sent."""
    lines = signing.canonical_request(headers_of(vector), vector["body"].encode()).split("\n")
    assert lines[-2:] == [vector["signed_headers"], vector["body_hash"]]


@by("canonical_hash")
def test_canonical_request_has_the_documented_hash(vector: dict[str, Any]) -> None:
    """The canonical request is, byte for byte, the one of the vendor's page."""
    canonical = signing.canonical_request(headers_of(vector), vector["body"].encode())
    assert hashlib.sha256(canonical.encode()).hexdigest() == vector["canonical_hash"]


@by("signature")
def test_authorization_has_the_golden_signature(vector: dict[str, Any]) -> None:
    """The whole header value is the documented one."""
    assert sign(vector) == (
        f"TC3-HMAC-SHA256 Credential={vector['secret_id']}/{vector['scope']}, "
        f"SignedHeaders={vector['signed_headers']}, Signature={vector['signature']}"
    )


def test_each_stage_of_the_tcss_vector() -> None:
    """The stages, one after another, give what `sign` gives."""
    headers = {"content-type": "application/json", "host": "tcss.intl.tencentcloudapi.com"}
    canonical = signing.canonical_request(headers, b'{"Limit": 100, "Offset": 0}')
    text = signing.string_to_sign(canonical, timestamp=1700000000, service="tcss")
    key = signing.signing_key("SECRETEXAMPLE", timestamp=1700000000, service="tcss")
    assert canonical == (
        "POST\n/\n\ncontent-type:application/json\nhost:tcss.intl.tencentcloudapi.com\n\ncontent-type;host\n"
        + hashlib.sha256(b'{"Limit": 100, "Offset": 0}').hexdigest()
    )
    assert text.split("\n")[:3] == ["TC3-HMAC-SHA256", "1700000000", "2023-11-14/tcss/tc3_request"]
    assert signing.signature(key, text) == "32d79070bf242dd5f692c072b70b316f3a18d47a6c6d39e3e9aa478f4ae06903"


@pytest.mark.parametrize(
    ("timestamp", "date"),
    [(1700006399, "2023-11-14"), (1700006400, "2023-11-15"), (0, "1970-01-01"), (951868799, "2000-02-29")],
    ids=["last-second", "first-second", "epoch", "leap-day"],
)
def test_the_date_changes_at_utc_midnight(timestamp: int, date: str) -> None:
    """The local time zone plays no part, midnight is UTC's."""
    assert signing.utc_date(timestamp) == date


def vendor_signature(*, key: str, service: str, host: str, body: bytes, timestamp: int) -> str:
    """What the vendor's SDK signs a POST with."""
    sent = SimpleNamespace(
        method="POST",
        uri="/",
        data=body,
        header={"Content-Type": "application/json", "Host": host, "X-TC-Timestamp": str(timestamp)},
    )
    client = AbstractClient.__new__(AbstractClient)
    date = datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d")
    return str(client._get_tc3_signature({}, sent, date, service, key, {}))


bodies = st.one_of(
    st.binary(max_size=300),
    st.dictionaries(st.text(max_size=8), st.text(max_size=30) | st.integers(), max_size=6).map(
        lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    ),
    st.just(b""),
    st.integers(1, 2_000_000).map(lambda size: b"x" * size),
)
midnights = st.tuples(st.integers(1, 40_000), st.integers(-2, 2)).map(lambda day: day[0] * 86_400 + day[1])


@given(body=bodies, timestamp=st.integers(0, 4_000_000_000) | midnights, key=st.text(min_size=1, max_size=40))
@example(body="未命名".encode(), timestamp=1700006399, key="SECRETEXAMPLE")
@example(body=b"", timestamp=1700006400, key="SECRETEXAMPLE")
def test_signatures_are_those_of_the_vendor(body: bytes, timestamp: int, key: str) -> None:
    """For any body, time and key, the signature is the SDK's."""
    key = key.encode("utf-8", "ignore").decode() or "SECRETEXAMPLE"
    host = "tcss.intl.tencentcloudapi.com"
    value = signing.sign(
        secret_id="AKIDEXAMPLE",
        secret_key=key,
        service="tcss",
        host=host,
        body=body,
        timestamp=timestamp,
        content_type="application/json",
    )
    oracle = vendor_signature(key=key, service="tcss", host=host, body=body, timestamp=timestamp)
    assert value.rpartition("=")[2] == oracle


@given(changed=st.sampled_from(["secret_key", "service", "host", "body", "timestamp", "content_type"]))
def test_every_signed_part_changes_the_signature(changed: str) -> None:
    """Nothing that is signed can be altered unnoticed."""
    other = VECTORS[2] | {changed: VECTORS[2][changed] + 1 if changed == "timestamp" else VECTORS[2][changed] + "x"}
    assert sign(other).rpartition("=")[2] != VECTORS[2]["signature"]
