"""What a client has sent so far, and how many requests should be under way at once."""

import threading
from dataclasses import replace

from connector.api.answers import MAX_IN_FLIGHT, Answer, CallStats
from connector.api.attempts import Attempt
from connector.errors import TcssError, ThrottledError

MIN_IN_FLIGHT = 8
_FASTEST = 200.0  # requests a second that one process can read


class Traffic:
    """Counters of all attempts, and the latency of the fastest answer. Thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stats = CallStats()
        self._latency = 0.0

    @property
    def stats(self) -> CallStats:
        """A copy of the counters."""
        with self._lock:
            return replace(self._stats)

    def count(self, attempt: Attempt, outcome: Answer | TcssError, seconds: float) -> None:
        """Count an attempt that ended with `outcome` after `seconds`."""
        with self._lock:
            if isinstance(outcome, Answer):
                self._latency = min(seconds, self._latency or seconds)
            self._stats.requests += 1
            self._stats.retries += attempt.number > 1
            self._stats.throttled += isinstance(outcome, ThrottledError)
            self._stats.first_request_id = self._stats.first_request_id or outcome.request_id
            self._stats.last_request_id = outcome.request_id or self._stats.last_request_id

    def in_flight(self, rate: float) -> int:
        """How many requests must be under way for `rate` requests a second, at the latency seen so far.

        Twice what the fastest answer calls for, because a slow answer holds back the answers that were asked for after
        it. The mean latency is no measure: it grows with the requests that wait for each other, and they would grow
        with it.
        """
        with self._lock:
            needed = 4 + round(2 * self._latency * min(rate, _FASTEST))
        return min(max(needed, MIN_IN_FLIGHT), MAX_IN_FLIGHT)
