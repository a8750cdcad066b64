"""What a client has sent so far, and how many requests should be under way at once."""

import threading
from collections import defaultdict
from dataclasses import dataclass, replace

from connector.api.answers import MAX_IN_FLIGHT, Answer, CallStats
from connector.api.attempts import Attempt
from connector.errors import TcssError, ThrottledError

MIN_IN_FLIGHT = 8
_FASTEST = 200.0  # requests a second that one process can read
MOST_BYTES = 32_000_000  # of answers under way at once, if each is as large as the largest so far
_LIKE = 2  # times the rows that an answer may have less than another, and still be one of its size


@dataclass
class _Latency:
    """Seconds of the fastest answer of an action, among those with as many rows as its largest, more or less.

    The first row of a list comes much sooner than a page of that list.
    """

    rows: int = 0
    seconds: float = 0.0

    def learn(self, rows: int, seconds: float) -> None:
        if rows > self.rows * _LIKE or not self.seconds:
            self.rows, self.seconds = rows, seconds
        elif rows * _LIKE >= self.rows:
            self.rows, self.seconds = max(rows, self.rows), min(seconds, self.seconds)


class Traffic:
    """Counters of all attempts, and for each action the latency of its fastest answer. Thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stats = CallStats()
        self._latencies: defaultdict[str, _Latency] = defaultdict(_Latency)
        self._largest = 1

    @property
    def stats(self) -> CallStats:
        """A copy of the counters."""
        with self._lock:
            return replace(self._stats)

    def count(self, attempt: Attempt, outcome: Answer | TcssError, seconds: float) -> None:
        """Count an attempt that ended with `outcome` after `seconds`."""
        with self._lock:
            if isinstance(outcome, Answer):
                self._latencies[attempt.call.action].learn(_rows(outcome), seconds)
                self._largest = max(self._largest, outcome.size)
            self._stats.requests += 1
            self._stats.retries += attempt.number > 1
            self._stats.throttled += isinstance(outcome, ThrottledError)
            self._stats.first_request_id = self._stats.first_request_id or outcome.request_id
            self._stats.last_request_id = outcome.request_id or self._stats.last_request_id

    def in_flight(self, action: str, rate: float) -> int:
        """How many requests of `action` must be under way for `rate` a second, at the latency seen so far.

        Twice what the fastest answer calls for, because a slow answer holds back the answers that were asked for after
        it. The mean latency is no measure: it grows with the requests that wait for each other, and they would grow
        with it. Fewer where answers are large: those that came early wait in memory.
        """
        with self._lock:
            needed = 4 + round(2 * self._latencies[action].seconds * min(rate, _FASTEST))
            fitting = MOST_BYTES // self._largest
        return max(1, min(max(needed, MIN_IN_FLIGHT), MAX_IN_FLIGHT, fitting))


def _rows(answer: Answer) -> int:
    items = answer.response.get("List")
    return len(items) if isinstance(items, list) else 0
