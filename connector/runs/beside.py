"""Does one piece of work in a thread of its own, beside what the caller does."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for


class Beside:
    """Does `work` at most once. Its caller is told of an error of the work as soon as the caller asks."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._future: Future[None] | None = None

    def begin(self) -> None:
        """Begin the work, unless it has begun. Raises the error of the work, where it has failed by now."""
        if self._future is None:
            pool = ThreadPoolExecutor(1, thread_name_prefix="tcss-beside")
            self._future = pool.submit(self._work)
            pool.shutdown(wait=False)
        elif self._future.done():
            self._future.result()

    def end(self) -> None:
        """Begin the work, unless it has begun, and wait for its end. Raises the error of the work."""
        self.begin()
        if self._future is not None:
            self._future.result()

    def wait(self) -> bool:
        """Wait for the end of the work, where it has begun, and return whether it has begun. Raises no error of it."""
        if self._future is None:
            return False
        wait_for([self._future])
        return True
