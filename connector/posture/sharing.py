"""Lets questions share a connection, which costs more to open than most questions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

LONGEST = 1.0  # second; a sync waits a few seconds for a DuckDB file that is open (`warehouse.opening`)


class _Closable(Protocol):
    def close(self) -> None: ...


C = TypeVar("C", bound=_Closable)


class Shared(Generic[C]):
    """Opens a connection with `connect` when a connection is needed. The connection is closed after its use or, while
    somebody holds it, after the first use that ends later than `LONGEST` after the opening. An error closes it too.

    Not for several threads at once.
    """

    def __init__(self, connect: Callable[[], C]) -> None:
        self._connect = connect
        self._open: C | None = None
        self._since = 0.0
        self._holders = 0

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep a connection that is opened in the block for the next use in the block."""
        self._holders += 1
        try:
            yield
        finally:
            self._holders -= 1
            if not self._holders:
                self._close()

    @contextmanager
    def connection(self) -> Iterator[C]:
        """Yield a connection. Raises what `connect` raises."""
        if self._open is None:
            self._open, self._since = self._connect(), time.monotonic()
        try:
            yield self._open
        except BaseException:
            self._close()
            raise
        if not self._holders or time.monotonic() - self._since > LONGEST:
            self._close()

    def _close(self) -> None:
        connection, self._open = self._open, None
        if connection is not None:
            connection.close()
