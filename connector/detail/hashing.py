"""Computes the hashes that identify rows of details, and tell whether a row has changed."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from connector.wire import encode


def digest(text: str) -> str:
    """Return 32 hex digits of a hash of the text."""
    return blake2b(text.encode(), digest_size=16).hexdigest()


def numbered_hash(definition: int, value: Any) -> str:
    """Return the number of the hash's definition, a colon, and the `digest` of the value's JSON."""
    return f"{definition}:{digest(encode(value))}"
