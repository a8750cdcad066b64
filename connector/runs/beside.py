"""Does one piece of work in a thread of its own, beside what the caller does."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for

_OFTEN = 0.0005  # seconds
_ROUNDED = 5e-7  # Python cuts off parts of a microsecond, so that an interval set again would become shorter


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


class RequestsFirst:
    """Makes threads switch after 0.5 ms while a thread is in such a block, so that a due request goes in time. With
    Python's 5 ms, requests go in bursts, and the API refuses some of them.

    The interval is the whole process's, so the blocks of all threads share it: the first one sets it, and the last one
    gives the process its own interval back, unless somebody else has set another one meanwhile.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks = 0
        self._usual = self._ours = 0.0

    def __enter__(self) -> None:
        with self._lock:
            if not self._blocks:
                self._usual = sys.getswitchinterval()
                if self._usual > _OFTEN:
                    sys.setswitchinterval(_OFTEN)
                self._ours = sys.getswitchinterval()
            self._blocks += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._blocks -= 1
            if not self._blocks and sys.getswitchinterval() == self._ours != self._usual:
                sys.setswitchinterval(self._usual + _ROUNDED)


REQUESTS_FIRST = RequestsFirst()
