"""The hash by which a row of the details is known again, or known to have changed."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from connector.wire import encode


def digest(text: str) -> str:
    """32 hex digits of a hash of the text."""
    return blake2b(text.encode(), digest_size=16).hexdigest()


def numbered_hash(definition: int, value: Any) -> str:
    """The number of the hash's definition, a colon, and the `digest` of the value's JSON."""
    return f"{definition}:{digest(encode(value))}"
