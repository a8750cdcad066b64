"""The limiter, under a clock that only moves when somebody sleeps, and simulated against servers that refuse."""

import heapq
import itertools
import math
import random
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.limiter import HEADROOM, SLOWEST, Limiter

REFUSAL = (
    "Your current request times equals to `21` in a second, which exceeds the frequency limit `20` for a second. "
    "Please reduce the frequency of calls."
)


class Clock:
    """Seconds that pass by sleeping alone; `late` is added to every sleep."""

    def __init__(self, late: Callable[[], float] = lambda: 0.0) -> None:
        self.now = 1000.0
        self.late = late

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds + self.late()


def paced(rate: float = 20.0, clock: Clock | None = None) -> tuple[Limiter, Clock]:
    clock = clock or Clock()
    return Limiter(rate, clock=clock, sleep=clock.sleep), clock


def taken(limiter: Limiter, clock: Clock, count: int) -> list[float]:
    """The times at which `count` requests went."""
    times = []
    for _ in range(count):
        limiter.take()
        times.append(clock.now)
    return times


def test_the_first_request_goes_at_once() -> None:
    """An idle limiter holds nobody up."""
    limiter, clock = paced()
    assert taken(limiter, clock, 1) == [1000.0]


@given(
    rate=st.sampled_from([1.0, 2.0, 5.0, 10.0, 20.0, 100.0]),
    idle=st.lists(st.floats(0, 3), max_size=5),
    seed=st.integers(0, 1000),
)
@settings(deadline=None)
def test_no_second_holds_more_than_the_limit(rate: float, idle: list[float], seed: int) -> None:
    """No second, wherever it begins, has more than `rate` requests: late wake-ups and pauses included."""
    chance = random.Random(seed)
    limiter, clock = paced(rate, Clock(late=lambda: chance.choice([0.0, 0.0, 0.001, 0.01, 0.2])))
    times: list[float] = []
    for pause in [*idle, 0.0]:
        times += taken(limiter, clock, 150)
        clock.now += pause
    n = int(rate)
    assert min(later - earlier for earlier, later in zip(times, times[n:], strict=False)) >= 1.0


def test_the_pace_is_even_and_close_to_the_limit() -> None:
    """A busy limiter uses 97.5 % of the limit, evenly."""
    limiter, clock = paced()
    times = taken(limiter, clock, 2001)
    gaps = [later - earlier for earlier, later in itertools.pairwise(times[1:])]
    assert (times[-1] - times[0]) == pytest.approx(2000 / (20 * HEADROOM), abs=0.05)
    assert (min(gaps), max(gaps)) == pytest.approx((1 / 19.5, 1 / 19.5))


def test_small_delays_are_made_up_for() -> None:
    """A clock that wakes a millisecond late does not cost throughput."""
    limiter, clock = paced(clock=Clock(late=lambda: 0.001))
    times = taken(limiter, clock, 2001)
    assert 2000 / (times[-1] - times[0]) == pytest.approx(19.5, abs=0.05)


def test_a_pause_is_no_credit_for_a_burst() -> None:
    """After a minute without requests they still come one by one."""
    limiter, clock = paced()
    taken(limiter, clock, 30)
    clock.now += 60
    start = clock.now
    assert [time - start for time in taken(limiter, clock, 4)] == pytest.approx([0.0, 0.0385, 0.0897, 0.141], abs=1e-3)


@pytest.mark.parametrize(
    ("text", "pace"),
    [
        (REFUSAL.replace("`20`", "`10`"), 9.75),
        ("exceeds the frequency limit 10 for a second", 9.75),
        ("exceeds the frequency limit `50` for a second", 19.5),
        ("exceeds the frequency limit `0` for a second", 19.5),
        ("too many requests", 19.5),
        ("", 19.5),
    ],
    ids=["documented", "bare-number", "higher", "zero", "no-number", "empty"],
)
def test_the_limit_is_learnt_from_the_refusal(text: str, pace: float) -> None:
    """A limit that the server names is the new ceiling, never above the one that was asked for."""
    limiter, clock = paced()
    taken(limiter, clock, 40)
    limiter.throttled(text)
    clock.now += 600
    assert limiter.pace() == pytest.approx(pace)


def test_a_refusal_slows_down_at_once_and_recovers_little_by_little() -> None:
    """The pace dips, is back after ten seconds where it was refused, and then grows to the ceiling, never falling."""
    limiter, clock = paced()
    taken(limiter, clock, 40)
    limiter.throttled(REFUSAL)
    paces = []
    for _ in range(40):
        paces.append(limiter.pace())
        clock.now += 1
    assert paces[0] == pytest.approx(19.5 * 0.98 * 0.94)
    assert paces[10] == pytest.approx(19.5 * 0.98)
    assert paces[-1] == 19.5
    assert paces == sorted(paces)


def test_refusals_of_one_second_are_one_event() -> None:
    """What was in flight when the first refusal came is refused as well, and says nothing new."""
    limiter, clock = paced()
    taken(limiter, clock, 40)
    limiter.throttled(REFUSAL)
    pace = limiter.pace()
    for _ in range(15):
        limiter.throttled(REFUSAL)
    assert limiter.pace() == pace


def test_one_refusal_halves_at_most_and_many_have_a_floor() -> None:
    """A refusal of the first request is no reason to stand still, a server that refuses everything is nearly one."""
    limiter, clock = paced()
    limiter.take()
    limiter.throttled(REFUSAL)
    assert limiter.pace() == pytest.approx(9.75 * 0.94)
    for _ in range(30):
        limiter.take()
        limiter.throttled(REFUSAL)
        clock.now += 1
    assert SLOWEST * 0.9 <= limiter.pace() <= 1.0


def test_a_refusal_moves_those_who_wait() -> None:
    """A thread that sleeps until its turn asks again when it wakes, so that a refusal meanwhile counts."""
    clock = Clock()
    woken: list[float] = []

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        woken.append(clock.now)
        if len(woken) == 1:
            limiter.throttled("")

    limiter = Limiter(20.0, clock=clock, sleep=sleep)
    taken(limiter, clock, 2)
    assert len(woken) == 2


def test_the_delay_is_how_long_a_request_would_wait() -> None:
    """Nothing when idle, the rest of the interval after a request, and more after a refusal; asking takes no token."""
    limiter, clock = paced()
    assert limiter.delay() == 0.0
    taken(limiter, clock, 40)
    promised = limiter.delay()
    assert promised == limiter.delay() == pytest.approx(1 / 19.5)
    before = clock.now
    assert taken(limiter, clock, 1) == [pytest.approx(before + promised)]
    limiter.throttled(REFUSAL)
    assert limiter.delay() >= promised


def test_threads_go_in_the_order_in_which_they_asked() -> None:
    """No thread overtakes another, and every one gets through."""
    clock = Clock()
    order: list[int] = []
    asleep, wake = threading.Event(), threading.Event()

    def sleep(seconds: float) -> None:
        asleep.set()
        assert wake.wait(30)
        clock.sleep(seconds)

    limiter = Limiter(20.0, clock=clock, sleep=sleep)
    limiter.take()

    def ask(name: int) -> None:
        limiter.take()
        order.append(name)

    threads = [threading.Thread(target=ask, args=(name,)) for name in range(8)]
    for count, thread in enumerate(threads, 1):
        thread.start()
        while len(limiter._queue) < count:
            pass
    assert asleep.wait(30)
    wake.set()
    for thread in threads:
        thread.join(30)
    assert order == list(range(8))


def test_a_thread_that_dies_while_it_waits_blocks_nobody() -> None:
    """An interrupt in a sleep gives the turn to the next."""
    clock = Clock()
    sleeps = iter([KeyboardInterrupt])

    def sleep(seconds: float) -> None:
        if problem := next(sleeps, None):
            raise problem
        clock.sleep(seconds)

    limiter = Limiter(20.0, clock=clock, sleep=sleep)
    limiter.take()
    with pytest.raises(KeyboardInterrupt):
        limiter.take()
    assert taken(limiter, clock, 1) == pytest.approx([1000 + 1 / 19.5 - 0.0128], abs=1e-3)


class Server:
    """Twenty requests a second, counted in a `fixed` second of the clock, or in the `sliding` one before a request."""

    def __init__(self, window: str, limit: int) -> None:
        self.window, self.limit = window, limit
        self.accepted: deque[float] = deque()

    def accepts(self, now: float) -> bool:
        since = math.floor(now) if self.window == "fixed" else now - 1
        while self.accepted and (self.accepted[0] < since or (self.accepted[0] == since and self.window != "fixed")):
            self.accepted.popleft()
        if len(self.accepted) >= self.limit:
            return False
        self.accepted.append(now)
        return True


def simulate(window: str, *, limit: int = 20, other: float = 0.0, seconds: float = 120.0) -> dict[str, float]:
    """Sixteen threads, answers within 50 to 90 ms, a waiting time before a retry; `other` a second come from elsewhere.

    Returns our accepted requests a second as a share of what the other leaves, and our share of refused ones.
    """
    chance = random.Random(1)
    clock = Clock()
    start = clock.now = 1000.37
    limiter = Limiter(20.0, clock=clock, sleep=lambda _: None)
    server = Server(window, limit)
    events: list[tuple[float, int, str]] = []
    order = itertools.count()

    def at(time: float, event: str) -> None:
        heapq.heappush(events, (time, next(order), event))

    for _ in range(16):
        at(start, "ask")
    if other:
        at(start, "other")
    counts: dict[str, int] = dict.fromkeys(("accepted", "refused", "other"), 0)
    while events[0][0] < start + seconds:
        clock.now, _, event = heapq.heappop(events)
        if event == "other":
            counts["other"] += server.accepts(clock.now)
            at(clock.now + 1 / other, "other")
        elif event == "ask":
            wait = limiter._reserve()
            at(clock.now + (wait or 0.025 + chance.uniform(0, 0.02)), "ask" if wait else "arrive")
        elif event == "arrive":
            fine = server.accepts(clock.now)
            counts["accepted" if fine else "refused"] += 1
            at(clock.now + 0.025 + chance.uniform(0, 0.02), "ask" if fine else "throttled")
        else:
            limiter.throttled(REFUSAL.replace("`20`", f"`{limit}`"))
            at(clock.now + chance.uniform(0.1, 1.0), "ask")
    left = limit - counts["other"] / seconds
    ours = counts["accepted"] + counts["refused"]
    return {"used": counts["accepted"] / seconds / left, "refused": counts["refused"] / ours}


@pytest.mark.parametrize("window", ["fixed", "sliding"])
@pytest.mark.parametrize(
    ("case", "used", "refused"),
    [
        ({}, 0.95, 0.005),
        ({"limit": 10}, 0.95, 0.006),
        ({"other": 10.0}, 0.90, 0.02),
    ],
    ids=["alone", "limit-unknown", "half-taken"],
)
def test_much_of_the_limit_is_used_and_little_refused(
    window: str, case: dict[str, Any], used: float, refused: float
) -> None:
    """Alone at least 95 % of the limit; at least 90 % of what another client leaves; few refusals either way."""
    result = simulate(window, **case)
    assert result["used"] >= used
    assert result["refused"] <= refused
