"""Simulates a paced sweep against a server that refuses, event by event, under a clock of its own: nothing sleeps."""

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from connector.api.pace import Pace, named_limit

WARM_UP = 3.0  # seconds for which others send before the sweep begins
REFUSAL = (
    "Your current request times equals to `{times}` in a second, which exceeds the frequency limit `{limit}` for a "
    "second. Please reduce the frequency of calls."
)


@dataclass(frozen=True)
class Case:
    """Describes a server, the network, and the other clients. Times are in seconds.

    form: how the quota counts: by `fixed` seconds of the clock, by the `sliding` second before a request, or by a
        `bucket` of tokens. limits: (start, requests per second) of each limit. names_limit: whether refusals name it.
    latency: of an answer, half on each way, with `jitter` more or less in total. late: how much longer a sleep takes.
    in_flight, requests: most pages under way, and all pages; the client takes the pages in order.
    other: the other client: `even` or `random` (Poisson) requests at a constant `other_rate` per second, or a `twin`:
        another sweep like ours. leaves: when the other client stops.
    moved: by how much, at most, the seed moves all times in `limits` and `leaves`.
    """

    form: str = "sliding"
    limits: tuple[tuple[float, int], ...] = ((0.0, 20),)
    names_limit: bool = True
    latency: float = 0.3
    jitter: float = 0.0
    late: float = 0.0005
    in_flight: int = 16
    requests: int = 600
    other: str | None = None
    other_rate: float = 10.0
    leaves: float = math.inf
    moved: float = 0.0


@dataclass(frozen=True)
class Result:
    """Counts the requests between our first and our last admitted request.

    used: our admitted requests, as a share of the limit less what others got. refused: as a share of our requests.
    rate, others: admitted requests per second, ours and those of others.
    """

    used: float
    refused: float
    rate: float
    others: float


@dataclass
class World:
    """Runs events in the order of their times."""

    now: float = 0.0
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._numbers), act))

    def run(self, until: Callable[[], bool]) -> None:
        while not until():
            self.now, _, act = heapq.heappop(self._events)
            act()


class Quota:
    """Admits so many requests per second; a refused request does not count."""

    def __init__(self, form: str, limit: int) -> None:
        self.form, self.limit = form, limit
        self._let_in: deque[float] = deque()
        self._tokens, self._filled = float(limit), 0.0

    def admits(self, now: float) -> bool:
        if self.form == "bucket":
            self._tokens = min(self.limit, self._tokens + (now - self._filled) * self.limit)
            self._filled = now
            fine = self._tokens > 1 - 1e-9
            self._tokens -= fine
            return fine
        since = math.floor(now) if self.form == "fixed" else now - 1 + 1e-9
        while self._let_in and self._let_in[0] < since:
            self._let_in.popleft()
        fine = len(self._let_in) < self.limit
        if fine:
            self._let_in.append(now)
        return fine


class Caller:
    """Sends requests; keeps the arrival times of admitted requests, and the number of refused requests."""

    def __init__(self, world: World, quota: Quota) -> None:
        self.world, self.quota = world, quota
        self.arrivals: list[float] = []
        self.refused = 0

    def arrive(self) -> bool:
        fine = self.quota.admits(self.world.now)
        if fine:
            self.arrivals.append(self.world.now)
        else:
            self.refused += 1
        return fine


class Stranger(Caller):
    """Sends a request after each gap, whatever the answer, until it leaves."""

    def __init__(self, world: World, quota: Quota, gap: Callable[[], float]) -> None:
        super().__init__(world, quota)
        self._gap, self.left = gap, False

    def leave(self) -> None:
        self.left = True

    def begin(self) -> None:
        if not self.left:
            self.arrive()
            self.world.after(self._gap(), self.begin)


class Sweep(Caller):
    """Sends pages in order, `in_flight` at once; like the client, sends refused pages again after a pause."""

    def __init__(self, world: World, quota: Quota, case: Case, pace: Any, chance: random.Random) -> None:
        super().__init__(world, quota)
        self._case, self._pace, self._chance = case, pace, chance
        self._waiting: list[tuple[bool, int, int]] = []  # fresh, page, attempt; the first one asks the pace
        self._asleep = False
        self._planned = self._taken = 0
        self._answered: set[int] = set()
        self.pages = case.requests

    def leave(self) -> None:
        self.pages = 0
        self._waiting.clear()

    def begin(self) -> None:
        while self._planned < min(self.pages, self._taken + self._case.in_flight):
            self._waiting.append((True, self._planned, 1))
            self._planned += 1
        self._go()

    def _go(self) -> None:
        while self._waiting and not self._asleep:
            wait = self._pace.reserve(self.world.now)
            if wait > 0:
                self._asleep = True
                self.world.after(wait + self._chance.uniform(0, self._case.late), self._wake)
            else:
                self._send(*self._waiting.pop(0)[1:])

    def _wake(self) -> None:
        self._asleep = False
        self._go()

    def _way(self) -> float:
        return (self._case.latency + self._chance.uniform(-1, 1) * self._case.jitter) / 2

    def _send(self, page: int, attempt: int) -> None:
        went = self.world.now

        def arrives() -> None:
            fine, limit = self.arrive(), self.quota.limit
            self.world.after(self._way(), lambda: self._hear(page, attempt, went, None if fine else limit))

        self.world.after(self._way(), arrives)

    def _hear(self, page: int, attempt: int, went: float, refused_over: int | None) -> None:
        if refused_over is None:
            self._answered.add(page)
            while self._taken in self._answered:
                self._answered.remove(self._taken)
                self._taken += 1
            self.begin()
            return
        text = REFUSAL.format(times=refused_over + 1, limit=refused_over)
        named = named_limit(text if self._case.names_limit else "Too many requests.")
        self._pace.refused(self.world.now, went, named)
        longest = min(4.0, 0.5 * 2 ** min(attempt - 1, 3))
        self.world.after(self._chance.uniform(0.1, longest), lambda: self._again(page, attempt + 1))

    def _again(self, page: int, attempt: int) -> None:
        place = 1 if self._asleep else 0
        while place < len(self._waiting) and not self._waiting[place][0]:
            place += 1
        self._waiting.insert(place, (False, page, attempt))
        self._go()


class Metronome:
    """Keeps the same rate, whatever the server says. The best rate is found by trying."""

    def __init__(self, rate: float) -> None:
        self._gap, self._due = 1 / rate, -math.inf

    def reserve(self, now: float) -> float:
        wait = self._due - now
        if wait > 1e-6:
            return wait
        self._due = max(self._due, now - 0.001) + self._gap
        return 0.0

    def refused(self, now: float, went: float, named: float) -> None:
        pass


def simulate(case: Case, seed: int, make: Callable[[], Any] = lambda: Pace(20.0)) -> Result:
    """Simulate one sweep at a pace of `make`, by default the real pace for 20 requests per second.

    The same seed gives the same result.
    """
    chance = random.Random(seed)
    world = World(now=100 + chance.random())
    start = world.now + WARM_UP
    quota = Quota(case.form, case.limits[0][1])
    limits = [(start + begin + chance.uniform(-1, 1) * case.moved, limit) for begin, limit in case.limits]
    for begin, limit in limits[1:]:
        world.after(begin - world.now, lambda limit=limit: setattr(quota, "limit", limit))
    sweep = Sweep(world, quota, case, make(), chance)
    world.after(WARM_UP, sweep.begin)
    other: Stranger | Sweep | None = None
    if case.other == "twin":
        other = Sweep(world, quota, case, make(), chance)
        other.pages = 1 << 40
    elif case.other is not None:
        even = case.other == "even"
        other = Stranger(world, quota, lambda: 1 / case.other_rate if even else chance.expovariate(case.other_rate))
    if other is not None:
        world.after(chance.random(), other.begin)
        if case.leaves < math.inf:
            world.after(WARM_UP + case.leaves + chance.uniform(-1, 1) * case.moved, other.leave)
    world.run(lambda: len(sweep.arrivals) == case.requests)
    return _result(sweep, other, limits)


def _result(sweep: Sweep, other: Caller | None, limits: list[tuple[float, int]]) -> Result:
    first, last = sweep.arrivals[0], sweep.arrivals[-1]
    bounds = [-math.inf, *(begin for begin, _ in limits[1:]), math.inf]
    spans = [max(0.0, min(last, after) - max(first, before)) for before, after in itertools.pairwise(bounds)]
    allowed = sum(span * limit for span, (_, limit) in zip(spans, limits, strict=True))
    others = sum(first <= time <= last for time in other.arrivals) if other is not None else 0
    ours = len(sweep.arrivals) - 1
    return Result(
        used=ours / (allowed - others),
        refused=sweep.refused / (sweep.refused + len(sweep.arrivals)),
        rate=ours / (last - first),
        others=others / (last - first),
    )
