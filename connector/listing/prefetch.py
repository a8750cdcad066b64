"""Asks for pages ahead: several requests are under way at once, and their answers come in the order of the plan."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from connector.errors import TcssError
from connector.listing.page import Page

MOST_THREADS = 100  # the bound of the pool; a thread is started only when it is needed

InFlight = int | Callable[[], int]
"""How many requests may be under way at once: a number, or a function that is asked each time."""
Load = Callable[[int, int], Page]
"""Asks for the page at an offset, with a limit."""


class Prefetch:
    """Gives pages by offset, several under way at once. With `in_flight` 1, the calling thread sends all requests."""

    def __init__(self, load: Load, in_flight: InFlight) -> None:
        self._load, self._in_flight = load, in_flight
        self._queue: deque[tuple[int, int, Future[Page] | None]] = deque()
        threads = in_flight if isinstance(in_flight, int) else MOST_THREADS
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="tcss-page") if threads > 1 else None

    @property
    def most(self) -> int:
        """Pages that may be under way now."""
        return self._in_flight if isinstance(self._in_flight, int) else self._in_flight()

    def __len__(self) -> int:
        return len(self._queue)

    def now(self, offset: int, limit: int) -> Page:
        """Return the page at `offset`, asked for now and outside the plan."""
        return self._load(offset, limit)

    def plan(self, offset: int, limit: int) -> None:
        self._queue.append((offset, limit, self._pool.submit(self._load, offset, limit) if self._pool else None))

    def submit(self, ask: Callable[[], Page]) -> Future[Page] | None:
        """Ask for a page outside the plan, after those that were planned; None where the calling thread would ask."""
        return self._pool.submit(ask) if self._pool else None

    def take(self) -> tuple[int, int, Page | TcssError]:
        """Return the offset that was planned first, its limit, and the page, or the API's error instead."""
        offset, limit, future = self._queue.popleft()
        try:
            return offset, limit, future.result() if future else self._load(offset, limit)
        except TcssError as error:
            return offset, limit, error

    def clear(self) -> None:
        for *_, future in self._queue:
            if future is not None:
                future.cancel()
        self._queue.clear()

    def close(self, *, wait: bool) -> None:
        self.clear()
        if self._pool is not None:
            self._pool.shutdown(wait=wait, cancel_futures=True)
