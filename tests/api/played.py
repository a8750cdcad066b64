"""A response that came from no socket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass
class Played:
    """Stands for a `connections.Response`; urllib3 sets what is private, and `retries`."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    retries: Any = None
    version_string = "HTTP/1.1"
    length_remaining = None
    _connection: Any = None
    _pool: Any = None

    def body(self, _: int) -> bytes:
        return self.content

    def close(self) -> None:
        """Give the connection back, as urllib3's responses do."""
        if self._connection is not None:
            self._pool._put_conn(self._connection)
