"""The sweeps of one account's image list: full, and incremental by ScanTime.

A sweep yields pages and leaves an `Outcome`: what was read, and whether that is complete. `complete` promises that
every image that was listed throughout the sweep is in its pages (an incremental one: every image with a newer ScanTime,
and every one that is not scanned), if the server sorts as its own values show.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any

from connector.errors import RequestRejectedError
from connector.images.times import parse_instant, parse_plain
from connector.listing.page import DESCENDING, MAX_LIMIT, Fetch, InFlight, Page, Query, image_id_of, read_page
from connector.listing.proof import UNSORTED, WIDE_TIE, Evidence, Server
from connector.listing.reader import ListReader

ACTION = "DescribeAssetImageList"
MOST_PASSES = 3  # over a list whose order is not proven: a first one, and two that may be alike
FULL_SORTS = (("CreateTime", "asc"), (None, None))  # a key that does not move; else the server's own order
UNSCANNED = ("notScan", "scanning", "scanErr")  # words of the filter; answers spell them NOT_SCAN, SCAN_ERR, ...
SCANNED = "SCANNED"
HEAD_READS = 6  # of what was scanned during an incremental sweep

Filters = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Reading:
    """How a list is read: `fetch` sends one request, `in_flight` of them at a time; naive times are in `naive_zone`.

    `server` keeps what the readers learn.
    """

    fetch: Fetch
    in_flight: InFlight = 8
    limit: int = MAX_LIMIT
    naive_zone: tzinfo = UTC
    server: Server = field(default_factory=Server)

    def list(self, query: Query, field_name: str, **options: Any) -> ListReader:
        """A reader of `query`, with the time in `field_name` as the sort value."""
        options = {"in_flight": self.in_flight, "limit": self.limit, "server": self.server, **options}
        return ListReader(self.fetch, query, values_of=lambda items: self._instants(items, field_name), **options)

    def one(self, query: Query, limit: int = 1) -> Page:
        """The first `limit` rows of `query`, without a sort value."""
        return read_page(self.fetch(query.payload(0, limit)), 0, lambda items: [None] * len(items))

    def first_look(self) -> int:
        """Rows to ask for before an answer says how many there are: as many as can be on their way until it comes.
        Pages that turn out to lie beyond the end cost requests for which there was time."""
        in_flight = self.in_flight if isinstance(self.in_flight, int) else self.in_flight()
        return self.limit * in_flight // 2

    def _instants(self, items: Sequence[Mapping[str, Any]], field_name: str) -> Sequence[int | None]:
        texts = [item.get(field_name) for item in items]
        if not all(text is None or isinstance(text, str) for text in texts):
            raise ValueError("a time is not a text")
        plain = parse_plain(texts)
        return plain or [None if text is None else parse_instant(text, self.naive_zone) for text in texts]


@dataclass
class Outcome:
    """What a sweep has read and proven; `reason` says why it is complete or not, `notes` what was not as usual.

    `total_count` is the newest TotalCount of the list; `fallback` is set where only a full sweep can tell.
    """

    complete: bool = False
    reason: str = ""
    order_proven: bool = False
    fallback: str | None = None
    pages: int = 0
    passes: int = 0
    rows_listed: int = 0
    seam_repairs: int = 0
    total_count: int | None = None
    notes: list[str] = field(default_factory=list)

    def add(self, evidence: Evidence) -> None:
        self.pages += evidence.pages
        self.rows_listed += evidence.rows
        self.seam_repairs += evidence.seam_repairs
        self.passes += 1


class FullSweep:
    """Reads the whole list, sorted by CreateTime, as often as it takes to prove that nothing was missed.

    Complete by order: every seam of one pass closed. Complete by count: two passes in succession, undisturbed, with one
    TotalCount, gave the same ids, as many as it says. `filters` narrow the list; `expected` are the rows that it is
    likely to have. Raises what `fetch` raises.
    """

    def __init__(self, reading: Reading, filters: Filters = (), *, expected: int = 0) -> None:
        self._reading, self._filters, self._expected = reading, filters, expected
        self.outcome = Outcome()

    def pages(self) -> Generator[Page, None, None]:
        """All pages of all passes; an id may come several times, each time in a state that it had during the sweep."""
        previous: Evidence | None = None
        for _ in range(MOST_PASSES):
            evidence = yield from self._pass(previous)
            self._judge(evidence, previous)
            if self.outcome.complete or (evidence.problem and previous is not None and previous.problem):
                break
            previous = evidence

    def _pass(self, previous: Evidence | None) -> Generator[Page, None, Evidence]:
        lost = previous.order_lost if previous is not None else None
        refuted = {"orders": ()} if lost in (UNSORTED, WIDE_TIE) else {}
        expected = self._expected if previous is None else 0
        for by, order in FULL_SORTS:
            reader = self._reading.list(Query(by, order, self._filters), "CreateTime", expected=expected, **refuted)
            reader.evidence.order_lost = lost if refuted else None
            try:
                yield from reader.pages()
                break
            except RequestRejectedError as error:
                if reader.evidence.pages or by is None:
                    raise
                self.outcome.notes = [f"the server rejects By={by} ({error.code}): its own order was read"]
        return reader.evidence

    def _judge(self, evidence: Evidence, previous: Evidence | None) -> None:
        outcome = self.outcome
        outcome.add(evidence)
        outcome.total_count = evidence.latest_total
        outcome.order_proven = evidence.in_order
        outcome.complete, outcome.reason = True, ""
        if evidence.one_answer:
            outcome.reason = "in one answer"
        elif evidence.in_order:
            outcome.reason = "by order"
        elif previous is not None and previous.countable and evidence.countable and previous.ids == evidence.ids:
            outcome.reason = f"by count, since {evidence.order_lost}"
        else:
            outcome.complete = False
            outcome.reason = evidence.problem or f"{evidence.order_lost}, and no two passes were alike"


class _FallBackError(Exception):
    """Only a full sweep can tell what is new; the argument says why."""


class IncrementalSweep:
    """Reads the images that are not scanned, and those with a ScanTime at or after `since`, newest first.

    `since` and `now` are microseconds; a ScanTime after `now`, the start of the run, is read but not believed: with a
    `clock` that gives the present, nothing after that. The outcome's `fallback` says why only a full sweep can tell
    what is new; what was read has been yielded all the same. Raises what `fetch` raises, rejected requests excepted.
    """

    def __init__(self, reading: Reading, *, since: int, now: int, clock: Callable[[], int] | None = None) -> None:
        self._reading, self._since = reading, since
        self._clock = clock or (lambda: now)
        self._ends: list[int] = []
        self.outcome = Outcome()

    def pages(self) -> Generator[Page, None, None]:
        """All pages; an id may come several times, each time in a state that it had during the sweep."""
        outcome = self.outcome
        try:
            oldest = self._reading.one(Query("ScanTime", "asc"))
            # Not scanned first: an image that is scanned in between is then seen twice, and not never.
            last = yield from self._unscanned(oldest.total or 0)
            head = yield from self._newest(oldest, last)
            yield from self._scanned_meanwhile(head)
            if max(self._ends, default=0) >= self._reading.server.cap:  # no end, but all that the server gives at once
                raise _FallBackError(f"the server gives {self._reading.server.cap} rows at once, and a list ended so")
        except _FallBackError as reason:
            outcome.fallback = str(reason)
        except RequestRejectedError as error:
            outcome.fallback = f"the server rejects the requests of an incremental sweep ({error.code})"
        outcome.complete = outcome.order_proven = outcome.fallback is None
        outcome.reason = outcome.fallback or "by order, down to the watermark"

    def _unscanned(self, total: int) -> Generator[Page, None, Page | None]:
        """The images that are not scanned; returns the last page."""
        page: Page | None = None
        reader = self._reading.list(Query("CreateTime", "asc", (("ScanStatus", UNSCANNED),)), "CreateTime")
        for page in self._noted(reader):
            if any(isinstance(item, dict) and item.get("ScanStatus") == SCANNED for item in page.items):
                raise _FallBackError("the server does not filter by ScanStatus")
            yield page
            if self._costs_more(reader.evidence.total, total):
                raise _FallBackError("a full sweep needs fewer requests")
        if not (reader.evidence.in_order or reader.evidence.one_answer):
            raise _FallBackError(f"unscanned images: {reader.evidence.problem or reader.evidence.order_lost}")
        return page

    def _newest(self, oldest: Page, unscanned: Page | None) -> Generator[Page, None, int]:
        """Down to the watermark; returns the newest ScanTime that can be believed.

        The first page must not be the answer to another question: `oldest`, or the last page of the `unscanned`.
        """
        first = True
        head: int | None = None
        for page in self._by_scan_time(self._since):
            if first and oldest.total != 1 and (_alike(page, oldest) or _alike(page, unscanned)):
                raise _FallBackError("the server does not sort by ScanTime")
            first = first and not page.items
            head = self._top(page) if head is None else head
            self.outcome.total_count = page.total if page.total is not None else self.outcome.total_count
            yield page
        return self._since if head is None else max(head, self._since)

    def _top(self, page: Page) -> int | None:
        """The newest ScanTime of a page that is not in the future."""
        now = self._clock()
        return max((value for value, _ in page.rows if value is not None and value <= now), default=None)

    def _scanned_meanwhile(self, head: int) -> Iterator[Page]:
        """What was scanned while we read has moved to the top, past us: reads it until one answer holds all of it.

        `head` is the newest ScanTime that the read before showed first: what was scanned since is as new or newer.
        """
        doubted = False
        for _ in range(HEAD_READS):
            pages, top = 0, None
            for page in self._by_scan_time(head):
                pages, top = pages + 1, self._top(page) if top is None else top
                yield page
            if top is not None and top >= head:
                doubted, head = False, top
            elif not doubted:
                doubted = True  # the newest image was deleted, or this answer is an old one
                continue
            if pages == 1:
                return
        raise _FallBackError("images are scanned faster than the newest of them can be read")

    def _by_scan_time(self, until: int) -> Iterator[Page]:
        options = {"orders": DESCENDING, "until": until, "insist": True, "ignore_nulls": True}
        reader = self._reading.list(Query("ScanTime", "desc"), "ScanTime", **options)
        yield from self._noted(reader)
        if not reader.evidence.in_order:
            raise _FallBackError(f"ScanTime: {reader.evidence.problem or reader.evidence.order_lost}")

    def _noted(self, reader: ListReader) -> Iterator[Page]:
        try:
            yield from reader.pages()
        finally:
            self.outcome.add(reader.evidence)
            self._ends.append(reader.evidence.end_rows)

    def _costs_more(self, unscanned: int, total: int) -> bool:
        """Whether reading the unscanned images and a few pages more takes as many requests as reading all."""
        return unscanned // self._reading.limit + 3 >= total // self._reading.limit


def _alike(page: Page, other: Page | None) -> bool:
    """Whether `page` begins with all the rows of `other`."""
    ids = [image_id_of(item) for item in other.items] if other is not None else []
    return bool(ids) and ids == [image_id_of(item) for item in page.items[: len(ids)]]
