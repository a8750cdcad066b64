"""What was sent is counted, and the latency says how much should be under way."""

from dataclasses import replace

import pytest

from connector.api.answers import Answer, CallStats
from connector.api.attempts import Attempt, Call
from connector.api.traffic import Traffic
from connector.errors import ThrottledError, TransientError

CALL = Call("DescribeX", "tcss", "2020-11-01", b"{}", "https://tcss.example", None)
FIRST, SECOND = Attempt(CALL, 1, None), Attempt(CALL, 2, None)
STS = Attempt(Call("GetCallerIdentity", "sts", "2018-08-13", b"{}", "https://sts.example", None), 1, None)


def rows(count: int) -> Answer:
    return Answer({"List": [{}] * count}, None)


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
        ([0.001], 20.0, 4),
        ([0.05], 20.0, 6),
        ([0.3], 20.0, 16),
        ([2.0], 20.0, 84),
        ([2.0, 1.0, 5.0], 20.0, 44),
        ([10.0], 20.0, 100),
        ([0.1], 200.0, 44),
        ([0.1], 1e6, 44),
    ],
    ids=[
        "nothing-yet",
        "here",
        "fast",
        "usual",
        "slow",
        "fastest-counts",
        "at-most",
        "high-rate",
        "higher-than-can-be-read",
    ],
)
def test_requests_under_way(latencies: list[float], rate: float, in_flight: int) -> None:
    """Four, and twice what goes in the time of the fastest answer, up to 100; eight at first. Errors are no measure."""
    traffic = Traffic()
    traffic.count(FIRST, TransientError("refused at once"), 0.001)
    for latency in latencies:
        traffic.count(FIRST, rows(100), latency)
    assert traffic.in_flight("DescribeX", rate) == in_flight


def test_an_action_has_a_latency_of_its_own() -> None:
    """STS answers in 5 ms and the list in 1.5 s: the list needs 64 under way, an unknown action the least."""
    traffic = Traffic()
    traffic.count(STS, Answer({}, None), 0.005)
    traffic.count(FIRST, rows(100), 1.5)
    assert [traffic.in_flight(action, 20.0) for action in ("DescribeX", "GetCallerIdentity", "Other")] == [64, 8, 8]


@pytest.mark.parametrize(
    ("answers", "in_flight"),
    [
        ([(1, 0.01), (100, 1.5)], 64),
        ([(100, 1.5), (1, 0.01)], 64),
        ([(100, 1.5), (0, 0.01), (60, 1.0)], 44),
        ([(1, 0.01), (1, 0.02)], 8),
    ],
    ids=["one row first", "one row later", "a page that is not full", "only one row"],
)
def test_one_row_is_no_measure_of_a_page(answers: list[tuple[int, float]], in_flight: int) -> None:
    """A probe with Limit 1 comes at once; the fastest answer counts among those of the size of the largest."""
    traffic = Traffic()
    for count, seconds in answers:
        traffic.count(FIRST, rows(count), seconds)
    assert traffic.in_flight("DescribeX", 20.0) == in_flight


def test_large_answers_are_few_at_once() -> None:
    """Those that came early wait in memory: 32 MB hold as many as are under way, or one alone."""
    traffic = Traffic()
    traffic.count(FIRST, replace(rows(100), size=150_000), 1.5)
    assert traffic.in_flight("DescribeX", 20.0) == 64
    traffic.count(FIRST, replace(rows(100), size=10_000_000), 1.5)
    assert traffic.in_flight("DescribeX", 20.0) == 3
    traffic.count(FIRST, replace(rows(100), size=100_000_000), 1.5)
    assert traffic.in_flight("DescribeX", 20.0) == 1
