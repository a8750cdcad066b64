"""What was sent is counted, and the latency says how much should be under way."""

import pytest

from connector.api.answers import Answer, CallStats
from connector.api.attempts import Attempt, Call
from connector.api.traffic import Traffic
from connector.errors import ThrottledError, TransientError

CALL = Call("DescribeX", "tcss", "2020-11-01", b"{}", "https://tcss.example", None)
FIRST, SECOND = Attempt(CALL, 1, None), Attempt(CALL, 2, None)


def test_counters() -> None:
    """Attempts, throttles, attempts after a call's first, and the first and the last request id that there was."""
    traffic = Traffic()
    traffic.count(FIRST, TransientError("html"), 0.1)
    traffic.count(SECOND, ThrottledError("throttled", request_id="a"), 0.1)
    traffic.count(FIRST, Answer({}, "b"), 0.1)
    traffic.count(FIRST, Answer({}, None), 0.1)
    assert traffic.stats == CallStats(requests=4, throttled=1, retries=1, first_request_id="a", last_request_id="b")


@pytest.mark.parametrize(
    ("latencies", "rate", "in_flight"),
    [
        ([], 20.0, 8),
        ([0.05], 20.0, 8),
        ([0.3], 20.0, 16),
        ([2.0], 20.0, 84),
        ([2.0, 1.0, 5.0], 20.0, 44),
        ([10.0], 20.0, 100),
        ([0.1], 200.0, 44),
        ([0.1], 1e6, 44),
    ],
    ids=["nothing-yet", "fast", "usual", "slow", "fastest-counts", "at-most", "high-rate", "higher-than-can-be-read"],
)
def test_requests_under_way(latencies: list[float], rate: float, in_flight: int) -> None:
    """Twice what goes in the time of the fastest answer, between 8 and 100; errors are no measure."""
    traffic = Traffic()
    traffic.count(FIRST, TransientError("refused at once"), 0.001)
    for latency in latencies:
        traffic.count(FIRST, Answer({}, None), latency)
    assert traffic.in_flight(rate) == in_flight
