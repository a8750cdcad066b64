"""Counts what a client has sent, and computes how many requests should be under way at once."""

import threading
from collections import defaultdict
from dataclasses import dataclass, replace

from connector.api.answers import MAX_IN_FLIGHT, Answer, CallStats
from connector.api.attempts import Attempt
from connector.errors import TcssError, ThrottledError

FIRST_IN_FLIGHT = 8  # requests, while the latency of a page is not known
MARGIN = 4  # requests
_FASTEST = 200.0  # requests per second whose answers one process can parse
MOST_BYTES = 32_000_000  # of answers under way at once, if each is as large as the largest so far
_LIKE = 2  # two answers count as equally large if neither has more than this many times the rows of the other


@dataclass
class _Latency:
    """The seconds of the fastest answer of an action, among answers with about as many rows as the largest.

    Small answers do not count: the first row of a list comes much sooner than a full page of that list.
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
            for stats in (self._stats, attempt.call.tally):
                if stats is not None:
                    stats.requests += 1
                    stats.retries += attempt.number > 1
                    stats.throttled += isinstance(outcome, ThrottledError)
                    stats.first_request_id = stats.first_request_id or outcome.request_id
                    stats.last_request_id = outcome.request_id or stats.last_request_id

    def in_flight(self, action: str, rate: float) -> int:
        """Return how many requests of `action` must be under way for `rate` per second, at the latency seen so far.

        The result is twice what the fastest answer calls for, because a slow answer blocks the answers that were asked
        for after it. The mean latency would be a feedback loop: queueing raises the mean, and a higher mean would
        lengthen the queue. Large answers lower the result, because answers that come early wait in memory. More threads
        than needed would cost CPU, because they wait for each other.
        """
        with self._lock:
            latency = self._latencies[action]
            needed = MARGIN + round(2 * latency.seconds * min(rate, _FASTEST))
            if latency.rows <= 1:  # such an answer comes sooner than a page
                needed = max(needed, FIRST_IN_FLIGHT)
            fitting = MOST_BYTES // self._largest
        return max(1, min(needed, MAX_IN_FLIGHT, fitting))


def _rows(answer: Answer) -> int:
    items = answer.response.get("List")
    return len(items) if isinstance(items, list) else 0
