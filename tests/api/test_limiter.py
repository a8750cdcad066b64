"""The queue: threads get their turn in order, and under a clock that only moves when somebody sleeps."""

import threading

import pytest

from connector.api.limiter import Limiter
from connector.api.pace import HEADROOM
from tests.api.simulation import REFUSAL

TEXT = REFUSAL.format(times=21, limit=20)
TEN = REFUSAL.format(times=11, limit=10)
GAP = (1 + HEADROOM) / 20


class Clock:
    """Seconds that pass by sleeping alone."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def paced() -> tuple[Limiter, Clock]:
    clock = Clock()
    return Limiter(20.0, clock=clock, sleep=clock.sleep), clock


def taken(limiter: Limiter, count: int) -> list[float]:
    """The times at which `count` requests went."""
    return [limiter.take() for _ in range(count)]


def test_take_tells_when_the_request_went() -> None:
    """The first request goes at once, the next after a gap; each time is that of the clock."""
    limiter, clock = paced()
    assert taken(limiter, 2) == [1000.0, pytest.approx(1000.0 + GAP)]
    assert clock.now == pytest.approx(1000.0 + GAP)


def test_the_text_of_a_refusal_is_read() -> None:
    """The limit that the server names is the new pace at once."""
    limiter, _ = paced()
    went = taken(limiter, 40)[-1]
    assert limiter.pace() == pytest.approx(20 / (1 + HEADROOM))
    limiter.throttled(TEN, went)
    assert limiter.pace() == pytest.approx(10 / (1 + HEADROOM))


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
    assert [told.is_set() for *_, told in limiter._queue] == [True] + [False] * (len(agains) - 1)  # others stay asleep
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


def test_the_delay_of_a_request_that_is_sent_again_is_short() -> None:
    """That request goes before all others, so a call does not give up because many others wait."""
    clock = Clock()
    asleep, wake = threading.Event(), threading.Event()

    def sleep(seconds: float) -> None:
        asleep.set()
        assert wake.wait(30)
        clock.sleep(seconds)

    limiter = Limiter(1.0, clock=clock, sleep=sleep)
    limiter.take()
    threads = [threading.Thread(target=limiter.take) for _ in range(30)]
    for thread in threads:
        thread.start()
    while len(limiter._queue) < len(threads):
        pass
    assert asleep.wait(30)
    delay = limiter.delay()
    wake.set()
    for thread in threads:
        thread.join(30)
    assert delay == pytest.approx(2 * (1 + HEADROOM))  # behind the request that went, and the one at the head


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
