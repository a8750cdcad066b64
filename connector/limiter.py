"""The pace of requests against one quota: evenly spaced, slower when the server refuses, back again little by little.

The API allows N requests a second for an action, an entry host and a sub-account, counted at arrival
(cloud.tencent.com/document/product/1278/109059). Other jobs and the console share that quota.
"""

import re
import threading
import time
from collections import deque
from collections.abc import Callable

# Below the limit by more than network jitter usually moves an arrival: else the 21st lands within the same second.
HEADROOM = 0.975
# A late wake-up is made up for by at most this, in seconds; half of what the headroom leaves in every second.
CATCH_UP = (1 / HEADROOM - 1) / 2
# After a refusal: the share given up at once, and the seconds until the pace before it is reached again.
DIP = 0.06
RECOVERY = 10.0
# What was in flight when the server refused may be refused too: within this (the window, 1 s) that is one event.
WINDOW = 1.0
SLOWEST = 0.5
_LIMIT = re.compile(r"limit\D{0,3}(\d+)", re.IGNORECASE)


class Limiter:
    """Lets requests go at an even pace of `rate` a second at most, in the order in which threads asked. Thread safe.

    After a refusal the pace follows a cubic curve: a dip below what got through in the last second, flat near it, then
    ever faster up to `rate`. Simulated against a fixed and a sliding window, alone and beside a client that takes half.
    """

    def __init__(
        self,
        rate: float = 20.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate = rate
        self._clock = clock
        self._sleep = sleep
        self._changed = threading.Condition()
        self._queue: deque[object] = deque()
        self._ceiling = self._peak = rate * HEADROOM
        self._dipped_at = self._due = float("-inf")
        self._sent: deque[float] = deque()
        self._refused: deque[float] = deque()

    def take(self) -> None:
        """Block until a request may go. Every attempt takes one, retries included."""
        me = object()
        with self._changed:
            self._queue.append(me)
        try:
            with self._changed:
                self._changed.wait_for(lambda: self._queue[0] is me)
            # Asked again after each sleep, because a refusal may have moved the time meanwhile.
            while (wait := self._reserve()) > 0:
                self._sleep(wait)
        finally:
            with self._changed:
                self._queue.remove(me)
                self._changed.notify_all()

    def throttled(self, text: str) -> None:
        """Slow down: the server refused a request with this text, which may name the limit."""
        with self._changed:
            now = self._clock()
            if (named := _LIMIT.search(text)) and int(named[1]) > 0:
                self._ceiling = min(self._rate, float(named[1])) * HEADROOM
            self._refused.append(now)
            if now - self._dipped_at < WINDOW:
                return
            pace = self._pace(now)
            passed = self._recent(self._sent, now) - self._recent(self._refused, now) + 1
            # A little below the pace that was too much, or two clients would lift each other over the limit for ever.
            self._peak = max(SLOWEST, pace / 2, min(pace * 0.98, passed))
            self._dipped_at = now
            # What went too fast fills the window for as long as the excess took to send.
            self._due = max(self._due, now + WINDOW * (1 - min(1.0, self._peak / pace)))

    def pace(self) -> float:
        """Requests a second at present."""
        with self._changed:
            return self._pace(self._clock())

    def delay(self) -> float:
        """Seconds until a request that asked now could go, at the present pace and behind those who wait already."""
        with self._changed:
            now = self._clock()
            return max(0.0, self._due - now) + len(self._queue) / self._pace(now)

    def _reserve(self) -> float:
        with self._changed:
            now = self._clock()
            if self._due - now > 1e-6:
                return self._due - now
            self._due = max(self._due, now - CATCH_UP) + 1 / self._pace(now)
            self._recent(self._sent, now)
            self._sent.append(now)
            return 0.0

    def _pace(self, now: float) -> float:
        if self._dipped_at == float("-inf"):
            return self._ceiling
        to_go = 1 - (now - self._dipped_at) / RECOVERY
        return min(self._ceiling, max(SLOWEST, self._peak * (1 - DIP * to_go**3)))

    @staticmethod
    def _recent(times: deque[float], now: float) -> int:
        while times and times[0] <= now - WINDOW:
            times.popleft()
        return len(times)
