"""Simulates a list that changes while it is read, without sockets and threads, for the tests of the sweeps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC
from random import Random
from typing import Any
from unittest import mock

from connector.api.answers import Answer
from connector.errors import ThrottledError, TransientError, from_code
from connector.images.times import parse_instant
from connector.listing.query import Fetch
from connector.listing.remote import RemoteList
from connector.sandbox import ApiError, Fault, Fleet, LocalServer, Mix, Quirks
from connector.sandbox.images import Painter, instant_text

Item = dict[str, Any]
Row = tuple[str, int | None]
UNSCANNED = ("NOT_SCAN", "SCANNING", "SCAN_ERR")
ATTEMPTS = 5
ACTION = "DescribeAssetImageList"
DAY = 86_400_000_000
NOW = 20_000 * DAY
_PAINTED = [Painter(Random(7), Mix(odd_names=0)).never_scanned(0) for _ in range(40)]


def items(create_times: Iterable[int], scan_times: Iterable[int | None] = ()) -> list[Item]:
    """Make images `i0000`, `i0001`, ... with these times in microseconds; without a ScanTime they are not scanned."""
    made, scans = [], iter(scan_times)
    for number, created in enumerate(create_times):
        scanned = next(scans, None)
        item = {**_PAINTED[number % len(_PAINTED)], "ImageID": f"i{number:04}", "CreateTime": instant_text(created)}
        if scanned is not None:
            item |= {"ScanTime": instant_text(scanned), "ScanStatus": "SCANNED"}
        made.append(item)
    return made


def digests(count: int, seed: int = 0) -> list[str]:
    """`count` ids."""
    rng = Random(f"digests {seed}")
    return [f"sha256:{rng.getrandbits(256):064x}" for _ in range(count)]


def instant(item: Mapping[str, Any], name: str = "ScanTime") -> int | None:
    """Return the item's time in microseconds."""
    return parse_instant(item[name], UTC) if isinstance(item.get(name), str) else None


def instants(items: Sequence[Mapping[str, Any]], name: str) -> list[int | None]:
    """Return the items' times in microseconds; times without an offset are in UTC."""
    texts = [item.get(name) for item in items]
    if not all(text is None or isinstance(text, str) for text in texts):
        raise ValueError("a time is not a text")
    return [None if text is None else parse_instant(text, UTC) for text in texts]


def fetching(server: LocalServer) -> Fetch:
    """Return a function that calls a server like the client: errors by class, and a few retries where these help."""

    def fetch(payload: dict[str, Any]) -> Answer:
        for left in reversed(range(ATTEMPTS)):
            try:
                content = dict(server.call(ACTION, payload))
            except ApiError as error:
                failure = from_code(error.code, error.message, action=ACTION)
                if not left or not isinstance(failure, TransientError | ThrottledError):
                    raise failure from error
            else:
                return Answer(content, content.pop("RequestId", None))
        raise AssertionError("unreachable")

    return fetch


@dataclass
class Shown:
    """Holds one answer, and the list of images at that moment."""

    payload: Mapping[str, Any]
    ids: list[str]
    total: int | None
    truth: dict[str, Item]
    size: int


Change = Callable[["Watched", int], None]


@dataclass
class Watched:
    """Records a server's answers and its fleet's states. `change` is called after each request."""

    fleet: Fleet
    quirks: Quirks = field(default_factory=Quirks)
    faults: tuple[Fault, ...] = ()
    change: Change = lambda watched, number: None
    answers: list[Shown] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.server = LocalServer(self.fleet, self.quirks, self.faults, self._churn)
        self.mark = self.fleet.mark()
        self.truth = self.fleet.truth()
        self.states: dict[str, list[Item]] = {image_id: [item] for image_id, item in self.truth.items()}
        self._fetch = fetching(self.server)

    def fetch(self, payload: dict[str, Any]) -> Answer:
        """Make one request; thread safe if nothing reads `answers` meanwhile."""
        answer = self._fetch(payload)
        rows = answer.response.get("List") or []
        total = answer.response.get("TotalCount")
        self.answers.append(
            Shown(payload, [row["ImageID"] for row in rows], total, self._answered, self._size(payload))
        )
        return answer

    def _size(self, payload: Mapping[str, Any]) -> int:
        """Return the number of rows in the list of the request: filters are those of an incremental sweep."""
        filtered = "Filters" in payload and self.quirks.status_filter == "honoured"
        return sum(not filtered or item["ScanStatus"] in UNSCANNED for item in self._answered.values())

    def remote(self, in_flight: int = 1, limit: int = 100) -> RemoteList:
        return RemoteList(self.fetch, instants, in_flight=in_flight, limit=limit)

    def _churn(self, fleet: Fleet, number: int) -> None:
        self._answered = self.truth
        revision = fleet.revision
        self.change(self, number)
        if fleet.revision != revision:
            self.truth = fleet.truth()
            for image_id, item in self.truth.items():
                if self._answered.get(image_id) is not item:
                    self.states.setdefault(image_id, []).append(item)

    @property
    def throughout(self) -> set[str]:
        return self.fleet.listed_throughout(self.mark)


class _Turn(Future[Any]):
    def __init__(self, turns: Turns) -> None:
        super().__init__()
        self._turns = turns

    def result(self, timeout: float | None = None) -> Any:
        while not self.done():
            self._turns.step()
        return super().result(0)


class Turns:
    """Executes without threads: each task runs at some time between its start and its result, in any order; without a
    seed, in the order of their starts."""

    def __init__(self, seed: int | None) -> None:
        self._rng = None if seed is None else Random(seed)
        self._waiting: list[tuple[_Turn, Callable[..., Any], tuple[Any, ...]]] = []

    def submit(self, task: Callable[..., Any], *arguments: Any) -> Future[Any]:
        turn = _Turn(self)
        self._waiting.append((turn, task, arguments))
        while self._rng and self._waiting and self._rng.random() < 0.3:
            self.step()
        return turn

    def step(self) -> None:
        turn, task, arguments = self._waiting.pop(self._rng.randrange(len(self._waiting)) if self._rng else 0)
        if turn.set_running_or_notify_cancel():
            try:
                turn.set_result(task(*arguments))
            except Exception as error:
                turn.set_exception(error)

    def shutdown(self, *, wait: bool, cancel_futures: bool) -> None:
        self._waiting.clear()


@contextmanager
def in_turns(seed: int | None) -> Iterator[None]:
    """Answer simultaneous requests in an order that `seed` decides, the same at every run; None: as they were sent."""
    with mock.patch("connector.listing.prefetch.ThreadPoolExecutor", side_effect=lambda *_, **__: Turns(seed)):
        yield
