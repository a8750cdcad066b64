"""The limiter, under a clock that only moves when somebody sleeps, and simulated against servers that refuse."""

import itertools
import math
import random
import threading
from collections.abc import Callable
from dataclasses import replace
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.api.pace import ALONE, CUT, LONGER, MARGIN, QUIET_LOWERED, QUIET_SHARED, SLOWEST, Limiter
from tests.api.simulation import REFUSAL, Case, Metronome, simulate

TEXT = REFUSAL.format(times=21, limit=20)
TEN = REFUSAL.format(times=11, limit=10)
GAP = (1 + MARGIN) / 20


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


def taken(limiter: Limiter, count: int) -> list[float]:
    """The times at which `count` requests went."""
    return [limiter.take() for _ in range(count)]


def refused(limiter: Limiter, clock: Clock, text: str, times: int = 1) -> None:
    """So many requests go, and 0.1 s after the last of them all have been refused."""
    went = taken(limiter, times)
    clock.now += 0.1
    for time in went:
        limiter.throttled(text, time)


def test_the_first_request_goes_at_once() -> None:
    """An idle limiter holds nobody up."""
    limiter, clock = paced()
    assert taken(limiter, 1) == [1000.0] == [clock.now]


@given(
    rate=st.sampled_from([0.4, 1.0, 2.5, 5.0, 20.0, 100.0]),
    idle=st.lists(st.floats(0, 12), max_size=5),
    refusals=st.sets(st.integers(0, 200), max_size=20),
    seed=st.integers(0, 1000),
)
@settings(deadline=None)
def test_no_second_holds_more_than_the_limit(rate: float, idle: list[float], refusals: set[int], seed: int) -> None:
    """No second, wherever it begins, has more than `rate` requests: late wake-ups, pauses and refusals included."""
    chance = random.Random(seed)
    limiter, clock = paced(rate, Clock(late=lambda: chance.choice([0.0, 0.0, 0.001, 0.01, 0.2])))
    times: list[float] = []
    for pause in [*idle, 0.0]:
        for _ in range(150):
            times += taken(limiter, 1)
            if len(times) in refusals:
                limiter.throttled(TEXT, times[-1])
        clock.now += pause
    n = math.ceil(rate)
    assert min(later - earlier for earlier, later in zip(times, times[n:], strict=False)) >= 1 + MARGIN - 1e-6


def test_the_pace_is_even_and_close_to_the_limit() -> None:
    """A busy limiter uses 98 % of the limit, evenly, if nothing is late."""
    limiter, _ = paced()
    gaps = [later - earlier for earlier, later in itertools.pairwise(taken(limiter, 39))]
    assert (min(gaps), max(gaps)) == pytest.approx((GAP, GAP))
    assert limiter.pace() == pytest.approx(20 / (1 + MARGIN))


def test_a_late_wake_up_costs_no_throughput() -> None:
    """A clock that wakes 10 ms late each time is made up for; a second still holds no more than 20."""
    limiter, _ = paced(clock=Clock(late=lambda: 0.01))
    times = taken(limiter, 2001)
    assert 2000 / (times[-1] - times[0]) == pytest.approx(20 / (1 + MARGIN), rel=0.015)


def test_a_short_delay_is_made_up_for_at_twice_the_pace() -> None:
    """After 0.3 s in which no request was asked for, they come at half the gap until as many went as could have."""
    limiter, clock = paced()
    before = taken(limiter, 60)[-1]
    clock.now += 0.3
    times = taken(limiter, 40)
    assert times[1] - times[0] == pytest.approx(GAP / 2)
    assert times[-1] - before == pytest.approx(40 * GAP)


def test_a_pause_is_no_credit_for_a_burst() -> None:
    """After a minute without requests they still come one by one."""
    limiter, clock = paced()
    taken(limiter, 60)
    clock.now += 60
    gaps = [later - earlier for earlier, later in itertools.pairwise(taken(limiter, 30))]
    assert (min(gaps), max(gaps)) == pytest.approx((GAP, GAP))


@pytest.mark.parametrize(
    ("text", "pace"),
    [
        (TEN, 10),
        ("exceeds the frequency limit 10 for a second", 10),
        ("exceeds the frequency limit `50` for a second", 20 * (1 - CUT)),
        ("exceeds the frequency limit `0` for a second", 20 * (1 - CUT)),
        ("too many requests", 20 * (1 - CUT)),
        ("", 20 * (1 - CUT)),
    ],
    ids=["documented", "bare-number", "higher", "zero", "no-number", "empty"],
)
def test_the_limit_is_learnt_from_the_refusal(text: str, pace: float) -> None:
    """A lower limit that the server names is the new pace at once; else a refusal costs a small share of the pace."""
    limiter, clock = paced()
    taken(limiter, 40)
    refused(limiter, clock, text)
    assert limiter.pace() == pytest.approx(pace / (1 + MARGIN))


def test_beside_others_the_pace_is_a_whole_number() -> None:
    """Well below the limit, as many requests go in each second as in the one before it."""
    limiter, clock = paced()
    taken(limiter, 40)
    while limiter.pace() * (1 + MARGIN) > 20 * ALONE:
        refused(limiter, clock, TEXT)
    levels = []
    while limiter.pace() > 2:
        levels.append(limiter.pace() * (1 + MARGIN))
        taken(limiter, 10)
        refused(limiter, clock, TEXT)
    assert levels == pytest.approx([round(level) for level in levels])
    assert len(set(levels)) > 3


def test_refusals_of_one_moment_are_one_event() -> None:
    """What was in flight when the first refusal came halves the pace at most, however much of it is refused."""
    limiter, clock = paced()
    taken(limiter, 40)
    refused(limiter, clock, TEXT, 20)
    assert limiter.pace() == pytest.approx(10 / (1 + MARGIN))


def test_a_server_that_refuses_everything_is_hardly_asked() -> None:
    """Where nothing of the last second went through, every event halves the pace, down to a floor."""
    limiter, clock = paced()
    paces = []
    for _ in range(10):
        refused(limiter, clock, "")
        paces.append(limiter.pace() * (1 + MARGIN))
    assert paces[:4] == pytest.approx([10, 5, 2, 1])
    assert SLOWEST <= paces[-1] < 1


def test_a_slower_rate_than_the_floor_is_kept() -> None:
    """Who asks for a request in five seconds gets no more when it is refused."""
    limiter, clock = paced(0.2)
    refused(limiter, clock, "")
    assert limiter.pace() <= 0.2


@pytest.mark.parametrize(
    ("text", "quiet"), [(TEN, QUIET_LOWERED), ("", QUIET_LOWERED), (TEXT, QUIET_SHARED)], ids=["named", "not", "shared"]
)
def test_more_is_tried_after_a_quiet_time(text: str, quiet: float) -> None:
    """Soon where the limit was lowered, later where it is shared; then the full pace is soon reached again."""
    limiter, clock = paced()
    taken(limiter, 40)
    refused(limiter, clock, text, 20)
    clock.now += quiet
    assert limiter.pace() < 11
    clock.now += quiet / 4 + 4
    assert limiter.pace() == pytest.approx(20 / (1 + MARGIN))


def waited_for_more(limiter: Limiter, clock: Clock) -> float:
    """Seconds until the pace is more than ten; they pass."""
    begin = clock.now
    while limiter.pace() < 11 / (1 + MARGIN):
        clock.now += 0.01
    return clock.now - begin


def test_a_trial_that_fails_makes_the_next_one_wait_longer() -> None:
    """The limit stays at ten: after each trial the pace is ten again, and the quiet time before the next is longer."""
    limiter, clock = paced()
    taken(limiter, 40)
    refused(limiter, clock, TEN)
    waits = []
    for _ in range(4):
        waits.append(waited_for_more(limiter, clock))
        refused(limiter, clock, TEN)
        assert limiter.pace() == pytest.approx(10 / (1 + MARGIN))
    growth = [later / earlier for earlier, later in itertools.pairwise(waits)]
    assert all(1.1 < each <= LONGER for each in growth)


def test_after_a_trial_that_succeeded_the_next_one_is_soon() -> None:
    """How long the trials waited before is forgotten once the full pace has lasted."""
    limiter, clock = paced()
    taken(limiter, 40)
    refused(limiter, clock, TEN)
    first = waited_for_more(limiter, clock)
    refused(limiter, clock, TEN)
    second = waited_for_more(limiter, clock)
    clock.now += 10
    refused(limiter, clock, TEN)
    assert waited_for_more(limiter, clock) == pytest.approx(first, abs=0.02) != pytest.approx(second, abs=0.1)


def test_a_refusal_moves_those_who_wait() -> None:
    """A thread that sleeps until its turn asks again when it wakes, so that a refusal meanwhile counts."""
    clock = Clock()
    woken: list[float] = []

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        woken.append(clock.now)
        if len(woken) == 1:
            limiter.throttled("", 1000.0)

    limiter = Limiter(20.0, clock=clock, sleep=sleep)
    taken(limiter, 2)
    assert len(woken) == 2


def test_the_delay_is_how_long_a_request_would_wait() -> None:
    """Nothing when idle, the rest of the interval after a request, and more after a refusal; asking takes no token."""
    limiter, clock = paced()
    assert limiter.delay() == 0.0
    taken(limiter, 20)
    promised = limiter.delay()
    assert promised == limiter.delay() == pytest.approx(GAP)
    before = clock.now
    assert taken(limiter, 1) == [pytest.approx(before + promised)]
    limiter.throttled(TEXT, clock.now)
    assert limiter.delay() >= promised


def in_threads(agains: list[bool]) -> list[int]:
    """The order in which threads get through that ask one after the other, while a request before them waits."""
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
        limiter.take(again=agains[name])
        order.append(name)

    threads = [threading.Thread(target=ask, args=(name,)) for name in range(len(agains))]
    for count, thread in enumerate(threads, 1):
        thread.start()
        while len(limiter._queue) < count:
            pass
    assert asleep.wait(30)
    wake.set()
    for thread in threads:
        thread.join(30)
    return order


def test_threads_go_in_the_order_in_which_they_asked() -> None:
    """No thread overtakes another, and every one gets through."""
    assert in_threads([False] * 8) == list(range(8))


def test_a_request_that_is_sent_again_goes_before_others() -> None:
    """Those that were refused go next, in their order; only who has begun to wait for the time is before them."""
    assert in_threads([False, False, True, False, True]) == [0, 2, 4, 1, 3]


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
    assert taken(limiter, 1) == pytest.approx([1000 + GAP])


# Simulated sweeps. Until the limiter has heard that it goes too fast, what is in flight is refused: at 300 ms six
# requests, and more where a bucket was full. So refusals are a larger share of a shorter sweep.

FORMS = ("sliding", "fixed", "bucket")
LONG = Case(requests=1000)
BACK = Case(requests=850, limits=((0.0, 20), (17.0, 10), (34.0, 20)), moved=3.0)
SWEEPS = [
    # case, form, per cent used: median and worst, per cent refused: median and worst
    *[("alone", replace(Case(), in_flight=8), form, 97.8, 97.7, 0.0, 0.0) for form in FORMS],
    *[("20 ms jitter", replace(Case(), jitter=0.02), form, 97.8, 97.7, 0.0, 0.0) for form in FORMS],
    ("50 ms", replace(Case(), latency=0.05, in_flight=8), "sliding", 97.8, 97.7, 0.0, 0.0),
    ("1 s", replace(Case(), latency=1.0, in_flight=24), "sliding", 97.8, 97.7, 0.0, 0.0),
    ("2 s", replace(Case(), latency=2.0, in_flight=44), "sliding", 97.8, 97.7, 0.0, 0.0),
    ("2 s, 30 ms jitter", replace(Case(), latency=2.0, jitter=0.03, in_flight=84), "sliding", 91.5, 89.5, 0.5, 0.7),
    ("100 ms jitter", replace(LONG, jitter=0.1), "sliding", 89.0, 85.5, 0.5, 0.6),
    ("100 ms jitter", replace(LONG, jitter=0.1), "fixed", 94.0, 92.0, 0.25, 0.4),
    ("100 ms jitter", replace(LONG, jitter=0.1), "bucket", 97.5, 97.0, 0.0, 0.0),
    ("even", replace(LONG, other="even"), "sliding", 96.0, 95.0, 1.3, 1.4),
    ("even", replace(LONG, other="even"), "fixed", 97.0, 96.0, 1.4, 1.8),
    ("even", replace(LONG, other="even"), "bucket", 101.0, 100.0, 1.5, 1.6),
    ("random", replace(LONG, other="random"), "sliding", 57.0, 50.0, 2.5, 3.2),
    ("random", replace(LONG, other="random"), "fixed", 64.5, 55.0, 2.8, 3.6),
    ("random", replace(LONG, other="random"), "bucket", 93.0, 82.0, 2.4, 3.0),
    ("random", replace(LONG, other="random", requests=5000), "sliding", 54.0, 48.0, 1.9, 2.2),
    ("twin", replace(LONG, other="twin"), "sliding", 93.0, 88.0, 1.4, 2.4),
    ("twin", replace(LONG, other="twin"), "fixed", 93.5, 91.0, 1.7, 2.4),
    ("twin", replace(LONG, other="twin"), "bucket", 100.0, 98.0, 1.9, 2.9),
    ("back and forth", BACK, "sliding", 91.0, 85.0, 1.1, 1.3),
    ("back and forth", BACK, "fixed", 91.0, 86.0, 1.3, 1.8),
    ("back and forth", BACK, "bucket", 94.0, 89.0, 1.7, 1.8),
    ("not named", replace(BACK, names_limit=False), "sliding", 90.0, 85.0, 1.7, 1.9),
    ("not named", replace(BACK, names_limit=False), "fixed", 91.0, 87.0, 1.7, 2.0),
    ("not named", replace(BACK, names_limit=False), "bucket", 93.0, 91.0, 1.7, 1.9),
    ("half leaves", replace(BACK, limits=((0.0, 20),), other="even", leaves=17.0), "sliding", 87.0, 85.0, 0.9, 1.0),
]


@pytest.mark.parametrize(
    ("case", "used", "least_used", "refused", "most_refused"),
    [pytest.param(replace(case, form=form), *bounds, id=f"{name}-{form}") for name, case, form, *bounds in SWEEPS],
)
def test_much_of_the_limit_is_used_and_little_refused(
    case: Case, used: float, least_used: float, refused: float, most_refused: float
) -> None:
    """Of 30 sweeps the median and the worst use so much of what the others leave, and so little is refused."""
    results = [simulate(case, seed) for seed in range(30 if case.requests <= 1000 else 5)]
    assert median(result.used for result in results) * 100 >= used
    assert min(result.used for result in results) * 100 >= least_used
    assert median(result.refused for result in results) * 100 <= refused
    assert max(result.refused for result in results) * 100 <= most_refused


def test_two_sweeps_come_to_share_alike() -> None:
    """In a sweep of 4,000 requests beside another one like it, which was there before, each gets 7 to 13 a second."""
    rates = [simulate(replace(LONG, other="twin", requests=4000), seed).rate for seed in range(5)]
    assert 7 <= min(rates) <= max(rates) <= 13


@pytest.mark.parametrize(
    ("case", "bound", "best"),
    [(replace(LONG, jitter=0.1), 0.5, 92.0), (replace(Case(), jitter=0.02, other="random"), 2.0, 73.0)],
    ids=["jitter", "random"],
)
def test_no_even_pace_does_better_without_more_refusals(case: Case, bound: float, best: float) -> None:
    """The limiter cannot reach 93 % under much jitter, nor 90 % beside a random client: no constant pace does."""
    used = []
    for level in range(6, 21):
        for pace in (level / (1 + MARGIN), level - 0.5):
            results = [simulate(case, seed, lambda world, pace=pace: Metronome(world, pace)) for seed in range(5)]
            if median(result.refused for result in results) * 100 <= bound:
                used.append(median(result.used for result in results) * 100)
    assert best - 8 <= max(used) <= best
