"""The pace: how it answers to requests and refusals in turn, and in sweeps that are simulated against servers."""

import itertools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.api.pace import (
    ADDITIVE_INCREASE,
    HEADROOM,
    MIN_RATE,
    MULTIPLICATIVE_DECREASE,
    PROBE_BACK_OFF,
    PROBE_DOUBLING,
    PROBE_INTERVAL_LOWERED,
    PROBE_INTERVAL_SHARED,
    UNCONTENDED,
    Controller,
    Pace,
    named_limit,
)
from tests.api.simulation import REFUSAL, Case, Metronome, simulate
from tests.properties import examples

TEXT = REFUSAL.format(times=21, limit=20)
TEN = REFUSAL.format(times=11, limit=10)
GAP = (1 + HEADROOM) / 20


class Clock:
    """Seconds that pass by sleeping alone; `late` is added to every sleep."""

    def __init__(self, late: Callable[[], float] = lambda: 0.0) -> None:
        self.now = 1000.0
        self.late = late

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds + self.late()


@dataclass
class Sender:
    """Sends one request after the other, at a pace, and sleeps in between."""

    pace: Pace
    clock: Clock = field(default_factory=Clock)

    def take(self) -> float:
        while (wait := self.pace.reserve(self.clock.now)) > 0:
            self.clock.sleep(wait)
        return self.clock.now

    def refused(self, text: str, went: float) -> None:
        self.pace.refused(self.clock.now, went, named_limit(text))

    def rate(self) -> float:
        return self.pace.rate(self.clock.now)


def paced(rate: float = 20.0, clock: Clock | None = None) -> tuple[Sender, Clock]:
    sender = Sender(Pace(rate), clock or Clock())
    return sender, sender.clock


def taken(sender: Sender, count: int) -> list[float]:
    """The times at which `count` requests went."""
    return [sender.take() for _ in range(count)]


def refused(sender: Sender, clock: Clock, text: str, times: int = 1) -> None:
    """So many requests go, and 0.1 s after the last of them all have been refused."""
    went = taken(sender, times)
    clock.now += 0.1
    for time in went:
        sender.refused(text, time)


def test_the_first_request_goes_at_once() -> None:
    """At first nobody waits."""
    sender, clock = paced()
    assert taken(sender, 1) == [1000.0] == [clock.now]


@given(
    rate=st.sampled_from([0.4, 1.0, 2.5, 5.0, 20.0, 100.0]),
    idle=st.lists(st.floats(0, 12), max_size=5),
    refusals=st.sets(st.integers(0, 200), max_size=20),
    seed=st.integers(0, 1000),
)
@examples(10)
def test_no_second_holds_more_than_the_limit(rate: float, idle: list[float], refusals: set[int], seed: int) -> None:
    """No second, wherever it begins, has more than `rate` requests: late wake-ups, pauses and refusals included."""
    chance = random.Random(seed)
    sender, clock = paced(rate, Clock(late=lambda: chance.choice([0.0, 0.0, 0.001, 0.01, 0.2])))
    times: list[float] = []
    for pause in [*idle, 0.0]:
        for _ in range(150):
            times += taken(sender, 1)
            if len(times) in refusals:
                sender.refused(TEXT, times[-1])
        clock.now += pause
    n = math.ceil(rate)
    assert min(later - earlier for earlier, later in zip(times, times[n:], strict=False)) >= 1 + HEADROOM - 1e-6


def test_the_pace_is_even_and_close_to_the_limit() -> None:
    """A busy sender uses 98 % of the limit, evenly, if nothing is late."""
    sender, _ = paced()
    gaps = [later - earlier for earlier, later in itertools.pairwise(taken(sender, 39))]
    assert (min(gaps), max(gaps)) == pytest.approx((GAP, GAP))
    assert sender.rate() == pytest.approx(20 / (1 + HEADROOM))


def test_a_late_wake_up_costs_no_throughput() -> None:
    """A clock that wakes 10 ms late each time is made up for; a second still holds no more than 20."""
    sender, _ = paced(clock=Clock(late=lambda: 0.01))
    times = taken(sender, 2001)
    assert 2000 / (times[-1] - times[0]) == pytest.approx(20 / (1 + HEADROOM), rel=0.015)


def test_a_short_delay_is_made_up_for_at_twice_the_pace() -> None:
    """After 0.3 s in which no request was asked for, they come at half the gap until as many went as could have."""
    sender, clock = paced()
    before = taken(sender, 60)[-1]
    clock.now += 0.3
    times = taken(sender, 40)
    assert times[1] - times[0] == pytest.approx(GAP / 2)
    assert times[-1] - before == pytest.approx(40 * GAP)


def test_a_pause_is_no_credit_for_a_burst() -> None:
    """After a minute without requests they still come one by one."""
    sender, clock = paced()
    taken(sender, 60)
    clock.now += 60
    gaps = [later - earlier for earlier, later in itertools.pairwise(taken(sender, 30))]
    assert (min(gaps), max(gaps)) == pytest.approx((GAP, GAP))


@pytest.mark.parametrize(
    ("text", "pace"),
    [
        (TEN, 10),
        ("exceeds the frequency limit 10 for a second", 10),
        ("exceeds the frequency limit `50` for a second", 20 * (1 - MULTIPLICATIVE_DECREASE)),
        ("exceeds the frequency limit `0` for a second", 20 * (1 - MULTIPLICATIVE_DECREASE)),
        ("too many requests", 20 * (1 - MULTIPLICATIVE_DECREASE)),
        ("", 20 * (1 - MULTIPLICATIVE_DECREASE)),
    ],
    ids=["documented", "bare-number", "higher", "zero", "no-number", "empty"],
)
def test_the_limit_is_learnt_from_the_refusal(text: str, pace: float) -> None:
    """A lower limit that the server names is the new pace at once; else a refusal costs a small share of the pace."""
    sender, clock = paced()
    taken(sender, 40)
    refused(sender, clock, text)
    assert sender.rate() == pytest.approx(pace / (1 + HEADROOM))


def test_beside_others_the_pace_is_a_whole_number() -> None:
    """Well below the limit, as many requests go in each second as in the one before it."""
    sender, clock = paced()
    taken(sender, 40)
    while sender.rate() * (1 + HEADROOM) > 20 * UNCONTENDED:
        refused(sender, clock, TEXT)
    levels = []
    while sender.rate() > 2:
        levels.append(sender.rate() * (1 + HEADROOM))
        taken(sender, 10)
        refused(sender, clock, TEXT)
    assert levels == pytest.approx([round(level) for level in levels])
    assert len(set(levels)) > 3


def test_refusals_of_one_moment_are_one_event() -> None:
    """What was in flight when the first refusal came halves the pace at most, however much of it is refused."""
    sender, clock = paced()
    taken(sender, 40)
    refused(sender, clock, TEXT, 20)
    assert sender.rate() == pytest.approx(10 / (1 + HEADROOM))


def test_a_server_that_refuses_everything_is_hardly_asked() -> None:
    """Where nothing of the last second went through, every event halves the pace, down to a floor."""
    sender, clock = paced()
    paces = []
    for _ in range(10):
        refused(sender, clock, "")
        paces.append(sender.rate() * (1 + HEADROOM))
    assert paces[:4] == pytest.approx([10, 5, 2, 1])
    assert MIN_RATE <= paces[-1] < 1


def test_a_slower_rate_than_the_floor_is_kept() -> None:
    """Who asks for a request in five seconds gets no more when it is refused."""
    sender, clock = paced(0.2)
    refused(sender, clock, "")
    assert sender.rate() <= 0.2


@pytest.mark.parametrize(
    ("text", "quiet"),
    [(TEN, PROBE_INTERVAL_LOWERED), ("", PROBE_INTERVAL_LOWERED), (TEXT, PROBE_INTERVAL_SHARED)],
    ids=["named", "not", "shared"],
)
def test_more_is_tried_after_a_quiet_time(text: str, quiet: float) -> None:
    """Soon where the limit was lowered, later where it is shared; then the full pace is soon reached again."""
    sender, clock = paced()
    taken(sender, 40)
    refused(sender, clock, text, 20)
    clock.now += quiet
    assert sender.rate() < 11
    clock.now += quiet / 4 + 4
    assert sender.rate() == pytest.approx(20 / (1 + HEADROOM))


def waited_for_more(sender: Sender, clock: Clock) -> float:
    """Seconds until the pace is more than ten; they pass."""
    begin = clock.now
    while sender.rate() < 11 / (1 + HEADROOM):
        clock.now += 0.01
    return clock.now - begin


def test_a_trial_that_fails_makes_the_next_one_wait_longer() -> None:
    """The limit stays at ten: after each trial the pace is ten again, and the quiet time before the next is longer."""
    sender, clock = paced()
    taken(sender, 40)
    refused(sender, clock, TEN)
    waits = []
    for _ in range(4):
        waits.append(waited_for_more(sender, clock))
        refused(sender, clock, TEN)
        assert sender.rate() == pytest.approx(10 / (1 + HEADROOM))
    growth = [later / earlier for earlier, later in itertools.pairwise(waits)]
    assert all(1.1 < each <= PROBE_BACK_OFF for each in growth)


def test_after_a_trial_that_succeeded_the_next_one_is_soon() -> None:
    """How long the trials waited before is forgotten once the full pace has lasted."""
    sender, clock = paced()
    taken(sender, 40)
    refused(sender, clock, TEN)
    first = waited_for_more(sender, clock)
    refused(sender, clock, TEN)
    second = waited_for_more(sender, clock)
    clock.now += 10
    refused(sender, clock, TEN)
    assert waited_for_more(sender, clock) == pytest.approx(first, abs=0.02) != pytest.approx(second, abs=0.1)


# The parts


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (TEN, 10.0),
        ("exceeds the frequency limit 10 for a second", 10.0),
        ("Frequency Limit: 5", 5.0),
        ("exceeds the frequency limit `0` for a second", 0.0),
        ("the limit of 10 was exceeded", 0.0),
        ("too many requests: 21", 0.0),
        ("", 0.0),
    ],
    ids=["documented", "bare-number", "other-case", "zero", "far-from-the-word", "other-number", "empty"],
)
def test_the_limit_in_a_text(text: str, named: float) -> None:
    """The number just after the word `limit`; 0 stands for none."""
    assert named_limit(text) == named


@pytest.mark.parametrize(
    ("named", "passed", "after", "target"),
    [
        (20.0, 20, 0.0, 20 * (1 - MULTIPLICATIVE_DECREASE)),
        (20.0, 14, 0.0, 15.0),
        (20.0, 0, 0.0, 10.0),
        (20.0, 14, 10.0, 15.0 + 10 * ADDITIVE_INCREASE),
        (20.0, 14, PROBE_INTERVAL_SHARED, 15.0 + PROBE_INTERVAL_SHARED * ADDITIVE_INCREASE),
        (20.0, 0, PROBE_INTERVAL_SHARED + 2.5, (10 + 22.5 * ADDITIVE_INCREASE) * 2**0.25),
        (20.0, 14, PROBE_INTERVAL_SHARED + 5.0, 20.0),
        (4.0, 20, 0.0, 4.0),
        (4.0, 0, 0.0, 4.0),
        (4.0, 20, PROBE_INTERVAL_LOWERED, 4 + PROBE_INTERVAL_LOWERED * ADDITIVE_INCREASE),
        (4.0, 20, PROBE_INTERVAL_LOWERED + PROBE_DOUBLING, 2 * (4 + 6 * ADDITIVE_INCREASE)),
        (0.0, 0, 0.0, 10.0),
    ],
    ids=[
        "decrease",
        "few-passed",
        "none-passed",
        "increase",
        "before-a-probe",
        "slowly-at-first",
        "never-above-the-limit",
        "lower-limit",
        "not-below-a-named-limit",
        "before-an-early-probe",
        "doubled",
        "no-limit-named",
    ],
)
def test_the_target_after_a_refusal(named: float, passed: int, after: float, target: float) -> None:
    """Multiplicative decrease, but to what passed at most and to half at least; additive increase; then a probe."""
    controller = Controller(20.0)
    assert controller.target(100.0) == 20.0
    controller.refused(100.0, 99.9, named=named, passed=passed)
    assert controller.target(100.0 + after) == pytest.approx(target)


def test_a_refusal_holds_requests_until_the_excess_has_left_the_window() -> None:
    """Half of the requests were too many: the next request waits for half a second, and asking does not change that."""
    pace = Pace(20.0)
    for number in range(20):
        assert pace.reserve(100 + number * GAP) == 0.0
    went = 100 + 19 * GAP
    now = went + 0.3
    pace.refused(now, went, named=10.0)
    assert pace.delay(now) == pytest.approx(0.5)
    assert pace.delay(now, waiting=5) == pytest.approx(0.5 + 5 * (1 + HEADROOM) / 10)
    assert pace.reserve(now) == pytest.approx(0.5)
    assert pace.reserve(now + 0.5) == 0.0


# Simulated sweeps. Until the sender has heard that it is too fast, what is in flight is refused: at 300 ms six
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


@pytest.mark.thorough("fixed", "bucket")
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
    """The pace cannot reach 93 % under much jitter, nor 90 % beside a random client: no constant pace does."""
    used = []
    for level in range(6, 21):
        for pace in (level / (1 + HEADROOM), level - 0.5):
            results = [simulate(case, seed, lambda pace=pace: Metronome(pace)) for seed in range(5)]
            if median(result.refused for result in results) * 100 <= bound:
                used.append(median(result.used for result in results) * 100)
    assert best - 8 <= max(used) <= best
