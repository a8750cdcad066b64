"""The pace of requests against one quota: close to the limit, less after a refusal, and little by little more again.

The API allows N requests a second for an action, an entry host and a sub-account, counted at arrival
(cloud.tencent.com/document/product/1278/109059). Other jobs and the console share that quota. Whether it counts seconds
of the clock, or the second before a request, or hands out tokens, is not known: this suits all three.
"""

import itertools
import math
import re
import threading
import time
from bisect import insort
from collections import deque
from collections.abc import Callable

# The N+1st request goes so many seconds later than one second after the first: jitter of 10 ms each way is no refusal.
MARGIN = 0.02
# From this share of the rate on, nobody else takes much: there, time that was lost is made up for at twice the pace.
ALONE = 0.85
CATCH_UP = 2.0
# The share given up at a refusal, and what is gained, in requests a second each second. In balance a pace is refused
# RISE / CUT / pace**2 of its requests: 0.7 % at 10 a second, 0.2 % at 20. Two who do so come to share alike.
CUT = 0.06
RISE = 0.04
# After so many seconds without a refusal we try for much more, which doubles the pace in DOUBLING seconds, slowly at
# first: soon where the limit itself was lower than our pace, later where others share it. A trial that fails costs some
# refusals, so the next one waits longer, up to QUIET_MOST.
QUIET_LOWERED = 3.0
QUIET_SHARED = 20.0
QUIET_MOST = 60.0
LONGER = 1.3
DOUBLING = 3.0
SLOWEST = 0.5
_MEMORY = 30.0  # seconds; few answers take longer
_LIMIT = re.compile(r"limit\D{0,3}(\d+)", re.IGNORECASE)


class Limiter:
    """Lets requests go, up to `rate` in any second, in the order in which threads asked. Thread safe.

    `tests/api/test_pace.py` simulates it against each form of quota, alone and beside others.
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
        self._numbers = itertools.count()
        self._queue: list[tuple[bool, int]] = []
        self._sent: deque[float] = deque()
        self._refused: deque[float] = deque()  # when those went, not when we heard of it
        # What we aim at, in requests a second: `base` at the event `since`, which found it at `before`.
        self._base = self._before = self._least = rate
        self._since = self._held = -math.inf
        self._quiet = 0.0

    def take(self, *, again: bool = False) -> float:
        """Block until a request may go; returns when it went, by the clock.

        Every attempt takes one. One that is sent `again` goes before the others: pages are read in order, so that these
        would wait for it all the same.
        """
        with self._changed:
            me = (not again, next(self._numbers))
            insort(self._queue, me, lo=min(1, len(self._queue)))  # the first one has begun to wait for the time
        try:
            with self._changed:
                self._changed.wait_for(lambda: self._queue[0] == me)
            # Asked again after each sleep, because a refusal may have moved the time meanwhile.
            while (wait := self._reserve()) > 0:
                self._sleep(wait)
            return self._sent[-1]
        finally:
            with self._changed:
                self._queue.remove(me)
                self._changed.notify_all()

    def throttled(self, text: str, went: float) -> None:
        """Slow down: the server refused the request that went at `went`, with this text, which may name the limit."""
        with self._changed:
            now = self._clock()
            self._refused.append(went)
            if went > self._since:  # else it is of the event that we know of: it had gone before we slowed down
                self._begin(now, _limit_in(text))
            passed = _within(self._sent, went) - _within(self._refused, went)
            self._base = max(self._least, min(self._base * (1 - CUT), passed + 1))
            # What went too fast fills the server's second for as long as the excess took to send.
            self._held = max(self._held, now + 1 - self._base / self._before)

    def pace(self) -> float:
        """Requests a second at present."""
        with self._changed:
            return self._level(self._clock()) / (1 + MARGIN)

    def delay(self) -> float:
        """Seconds until a request that asked now could go, at the present pace and behind those who wait already."""
        with self._changed:
            now = self._clock()
            behind = len(self._queue) * (1 + MARGIN) / self._level(now)
            return max(0.0, self._due(now) - now) + behind

    def _reserve(self) -> float:
        with self._changed:
            now = self._clock()
            wait = self._due(now) - now
            if wait > 1e-6:
                return wait
            self._sent.append(now)
            for times in (self._sent, self._refused):
                while times and times[0] < now - _MEMORY:
                    times.popleft()
            return 0.0

    def _due(self, now: float) -> float:
        """When the next request may go: a gap after the last one, and as many gaps after the one as many before."""
        level, sent = self._level(now), self._sent
        gap, many = (1 + MARGIN) / level, math.ceil(level)
        due = self._held
        if len(sent) >= many:
            due = max(due, sent[-many] + many * gap)
        if level >= self._rate * ALONE and len(sent) >= 2 * many and sent[-2 * many] > now - 3:
            gap /= CATCH_UP  # not at first, nor after a pause: somebody else may have come
        return max(due, sent[-1] + gap) if sent else due

    def _level(self, now: float) -> float:
        """Requests in a second and its margin."""
        aim = self._aim(now)
        # Beside others a whole number, so that each request comes just after an older one of ours has left the server's
        # second, before somebody else takes its place.
        return math.floor(aim) if 1 <= aim < self._rate * ALONE else aim

    def _aim(self, now: float) -> float:
        steady = self._base + RISE * (now - self._since)
        return min(self._rate, steady * 2 ** min(8.0, self._tried(now) ** 2))

    def _tried(self, now: float) -> float:
        """How long a trial has lasted, as a share of the time in which it doubles the pace."""
        return max(0.0, now - self._since - self._quiet) / max(DOUBLING, self._quiet / 4)

    def _begin(self, now: float, limit: float) -> None:
        """A new event: `limit` is the one that the server names, 0 if it names none."""
        aim, tried = self._aim(now), self._tried(now)
        if tried > 0:
            self._quiet = 0.0 if tried > 2 else min(QUIET_MOST, self._quiet * LONGER)
        self._quiet = max(self._quiet, QUIET_SHARED if limit >= aim else QUIET_LOWERED)
        lowered = 0 < limit < aim
        self._before, self._since = aim, now
        self._base = limit if lowered else aim
        self._least = limit if lowered else max(aim / 2, min(aim, SLOWEST))


def _limit_in(text: str) -> float:
    named = _LIMIT.search(text)
    return float(named[1]) if named else 0.0


def _within(times: deque[float], end: float) -> int:
    return sum(end - 1 < time <= end for time in times)
