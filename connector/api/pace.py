"""Computes how fast requests go against one quota: time is passed in, and nothing here waits, locks or sends.

The API allows N requests per second for each action, entry host and sub-account, counted at arrival
(cloud.tencent.com/document/product/1278/109059). Other jobs and the console share that quota. The documentation does
not say how the server counts: by seconds of the clock (fixed window), by the second before a request (sliding window),
or by tokens (bucket). The pace here suits all three.

`Controller` sets the rate, by additive increase and multiplicative decrease (AIMD). `Pace` says when the next request
may go.
"""

import math
import re
from collections import deque

# Request N+1 goes one window (1 s) and this headroom after request 1, so that jitter of 10 ms each way causes no
# refusal.
HEADROOM = 0.02
# A target of at least this share of the limit means that nobody else takes much of the quota. After a delay, requests
# then go at CATCH_UP times the rate until the backlog is gone.
UNCONTENDED = 0.85
CATCH_UP = 2.0
# AIMD: the share of the rate that is given up at a refusal, and the requests per second that are gained each second. In
# balance the server refuses ADDITIVE_INCREASE / MULTIPLICATIVE_DECREASE / rate**2 of the requests: 0.7 % at 10 requests
# per second, 0.2 % at 20. Two clients with this rule converge to equal shares.
MULTIPLICATIVE_DECREASE = 0.06
ADDITIVE_INCREASE = 0.04
# After so many seconds without a refusal a probe begins: the rate grows slowly at first, and doubles in PROBE_DOUBLING
# seconds. The interval is short where the limit itself was below our rate, and long where others share the limit. A
# probe that fails costs some refusals, so the interval before the next probe backs off, up to PROBE_INTERVAL_MAX.
PROBE_INTERVAL_LOWERED = 3.0
PROBE_INTERVAL_SHARED = 20.0
PROBE_INTERVAL_MAX = 60.0
PROBE_BACK_OFF = 1.3
PROBE_DOUBLING = 3.0
MIN_RATE = 0.5
_WINDOW = 1.0  # seconds over which the server counts
_HISTORY = 30.0  # seconds; few answers take longer
_LIMIT = re.compile(r"limit\D{0,3}(\d+)", re.IGNORECASE)


class Controller:
    """Sets the target in requests per second: additive increase, multiplicative decrease, and probes for much more.

    `limit` is the largest target. A congestion event is a refusal together with all refusals of requests that had gone
    before the rate was lowered, so that requests in flight do not lower the rate again and again.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        # The congestion event `since` found the target at `before`, and left it at `base`.
        self._base = self._before = self._least = limit
        self._since = -math.inf
        self._probe_interval = 0.0

    @property
    def kept(self) -> float:
        """The share of the target that the last congestion event has left."""
        return self._base / self._before

    def target(self, now: float) -> float:
        steady = self._base + ADDITIVE_INCREASE * (now - self._since)
        return min(self._limit, steady * 2 ** min(8.0, self._probed(now) ** 2))

    def is_uncontended(self, rate: float) -> bool:
        return rate >= self._limit * UNCONTENDED

    def refused(self, now: float, went: float, *, named: float, passed: int) -> None:
        """Lower the target: the request that went at `went` was refused, and the server named the limit `named`.

        `named` is 0 if the server named no limit. `passed` requests of the window that ended at `went` were let in.
        """
        if went > self._since:
            self._begin_event(now, named)
        self._base = max(self._least, min(self._base * (1 - MULTIPLICATIVE_DECREASE), passed + 1))

    def _begin_event(self, now: float, named: float) -> None:
        target, probed = self.target(now), self._probed(now)
        if probed > 0:
            succeeded = probed > 2
            self._probe_interval = 0.0 if succeeded else min(PROBE_INTERVAL_MAX, self._probe_interval * PROBE_BACK_OFF)
        shortest = PROBE_INTERVAL_SHARED if named >= target else PROBE_INTERVAL_LOWERED
        self._probe_interval = max(self._probe_interval, shortest)
        lowered = 0 < named < target
        self._before, self._since = target, now
        self._base = named if lowered else target
        self._least = named if lowered else max(target / 2, min(target, MIN_RATE))

    def _probed(self, now: float) -> float:
        """Return how long the probe has lasted, in units of the time in which it doubles the rate; 0 before a probe."""
        lasted = max(0.0, now - self._since - self._probe_interval)
        return lasted / max(PROBE_DOUBLING, self._probe_interval / 4)


class Pace:
    """Says when the next request may go, by the rate of its controller and by the requests that have gone.

    `now` and `went` are seconds of one clock that never goes back. `tests/api/test_pace.py` simulates this class
    against each form of quota, alone and beside others.
    """

    def __init__(self, limit: float) -> None:
        self._controller = Controller(limit)
        self._sent: deque[float] = deque()
        self._refused: deque[float] = deque()  # when the refused requests went, not when their refusals came
        self._held_until = -math.inf

    def reserve(self, now: float) -> float:
        """Return the seconds until the next request may go. If the result is 0, the request counts as sent."""
        wait = self._due(now) - now
        if wait > 1e-6:
            return wait
        self._sent.append(now)
        for times in (self._sent, self._refused):
            while times and times[0] < now - _HISTORY:
                times.popleft()
        return 0.0

    def refused(self, now: float, went: float, named: float = 0.0) -> None:
        """Slow down: at `now` we hear that the request that went at `went` was refused.

        `named` is the limit that the server named, 0 if it named none.
        """
        self._refused.append(went)
        passed = _in_window(self._sent, went) - _in_window(self._refused, went)
        self._controller.refused(now, went, named=named, passed=passed)
        # Requests above the limit occupy the server's 1 s window; wait until they have left it.
        self._held_until = max(self._held_until, now + _WINDOW - self._controller.kept)

    def rate(self, now: float) -> float:
        """Return the present requests per second."""
        return self._per_window(now) / (_WINDOW + HEADROOM)

    def delay(self, now: float, waiting: int = 0) -> float:
        """Return the seconds until a new request could go, at the present rate and behind `waiting` other requests."""
        behind = waiting * (_WINDOW + HEADROOM) / self._per_window(now)
        return max(0.0, self._due(now) - now) + behind

    def _due(self, now: float) -> float:
        """Return when the next request may go: a gap after the last request, N gaps after the N-th last request."""
        per_window, sent = self._per_window(now), self._sent
        gap, many = (_WINDOW + HEADROOM) / per_window, math.ceil(per_window)
        due = self._held_until
        if len(sent) >= many:
            due = max(due, sent[-many] + many * gap)
        # No catching up at first, nor after a pause: somebody else may use the quota meanwhile.
        steady = len(sent) >= 2 * many and sent[-2 * many] > now - 3
        if steady and self._controller.is_uncontended(per_window):
            gap /= CATCH_UP
        return max(due, sent[-1] + gap) if sent else due

    def _per_window(self, now: float) -> float:
        """Return the requests in one window with its headroom.

        Where others share the quota, the result is a whole number: each request then arrives just after an older
        request of ours has left the server's window, before somebody else takes the free place.
        """
        target = self._controller.target(now)
        contended = not self._controller.is_uncontended(target)
        return math.floor(target) if contended and target >= 1 else target


def named_limit(text: str) -> float:
    """Return the limit that the text of a refusal names, in requests per second; 0 if the text names no limit."""
    named = _LIMIT.search(text)
    return float(named[1]) if named else 0.0


def _in_window(times: deque[float], end: float) -> int:
    return sum(end - _WINDOW < time <= end for time in times)
