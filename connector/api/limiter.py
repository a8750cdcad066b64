"""The queue in front of one quota: threads wait here for their turn, and `pace` says when the turn comes."""

import itertools
import threading
import time
from bisect import insort
from collections.abc import Callable

from connector.api.pace import Pace, named_limit


class Limiter:
    """Lets requests go, up to `rate` in any second, in the order in which threads asked. Thread safe."""

    def __init__(
        self,
        rate: float = 20.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._pace = Pace(rate)
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        # (is a call's first attempt, number, is now the head). The head sleeps; only the next head is woken after it.
        self._queue: list[tuple[bool, int, threading.Event]] = []

    def take(self, *, again: bool = False) -> float:
        """Block until a request may go; return when the request went, by the clock.

        Every attempt takes a turn. A request that is sent `again` goes before the others: pages are read in order, so
        the others would wait for that request all the same.
        """
        with self._lock:
            me = (not again, next(self._numbers), threading.Event())
            insort(self._queue, me, lo=min(1, len(self._queue)))  # nobody overtakes the head
            self._queue[0][-1].set()
        try:
            me[-1].wait()
            return self._wait_for_turn()
        finally:
            with self._lock:
                self._queue.remove(me)
                if self._queue:
                    self._queue[0][-1].set()

    def throttled(self, text: str, went: float) -> None:
        """Slow down: the server refused the request that went at `went`, with this text, which may name the limit."""
        with self._lock:
            self._pace.refused(self._clock(), went, named_limit(text))

    def pace(self) -> float:
        """Return the present requests per second."""
        with self._lock:
            return self._pace.rate(self._clock())

    def delay(self) -> float:
        """Return the seconds until a request that is sent again could go, at the present pace: behind the head of the
        queue and behind others that are sent again."""
        with self._lock:
            before = sum(not first for first, *_ in self._queue[1:]) + bool(self._queue)
            return self._pace.delay(self._clock(), waiting=before)

    def _wait_for_turn(self) -> float:
        """Sleep, and ask again after each sleep, because a refusal may have moved the turn meanwhile."""
        while True:
            with self._lock:
                now = self._clock()
                wait = self._pace.reserve(now)
            if wait <= 0:
                return now
            self._sleep(wait)
