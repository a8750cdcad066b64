"""Reads the images that are not scanned, and those scanned since a moment, newest first: the incremental sweep."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from itertools import groupby
from typing import Any

from connector.errors import RequestRejectedError, ResponseTooLargeError, TransientError
from connector.listing.page import DESCENDING, Page, image_id_of, text_of
from connector.listing.parts import PartsReader
from connector.listing.plan import may_be_of_one_row
from connector.listing.proof import Evidence, Outcome, Proof, is_great_step
from connector.listing.query import SCANNED, UNSCANNED, Query
from connector.listing.reader import ListReader
from connector.listing.reasons import Cause, ListReason
from connector.listing.remote import RemoteList
from connector.listing.seams import Aim

NOT_SCANNED = "NOT_SCAN"  # as answers spell the last word of the status filter
UNKNOWN_BY = "NoSuchField"
HEAD_READS = 6  # reads of the list's top, for images that were scanned during the sweep
CHANGED_SHARE = 0.05  # the share of rows that may differ between two successive answers to the same request


class _FallBackError(Exception):
    """Ends the incremental sweep: only a full sweep can tell what is new; `cause` says why."""

    def __init__(self, cause: Cause) -> None:
        self.cause = cause


class IncrementalSweep:
    """Reads the images that are not scanned, and those with a ScanTime at or after `since`, newest first.

    `watermark` is the newest ScanTime that was shown before, if any: a ScanTime at least as new has to be shown again.
    `since` and `now` are microseconds. A ScanTime after `now`, the start of the run, is read but not believed; with a
    clock in `remote`, a ScanTime after the present. The outcome's `fallback` says why only a full sweep can tell what
    is new; pages that were read are yielded all the same. Raises what `fetch` raises, except for rejected requests.
    """

    def __init__(self, remote: RemoteList, *, since: int, now: int, watermark: int | None = None) -> None:
        self._remote, self._since, self._watermark = remote, since, watermark
        self._clock = remote.clock or (lambda: now)
        self._ends: list[int] = []
        self._whole_list = Evidence(())  # the TotalCounts of the list without filters
        self._last_word_is_read = False  # whether the server reads the last word of the status filter
        self.outcome = Outcome()

    def pages(self) -> Generator[Page, None, None]:
        """Yield all pages. An image may come several times, each time as it was during the sweep."""
        outcome, answered = self.outcome, False
        try:
            scanned = self._remote.first(Query(filters=(("ScanStatus", (SCANNED.lower(),)),))).total or 0
            answered = True
            # First the images that are not scanned: an image that is scanned meanwhile is then seen twice, not missed.
            unscanned, last = yield from self._unscanned(scanned)
            others = [*self._other_orders()]
            yield from self._all_words_are_read(unscanned, scanned, others)
            head = yield from self._newest([last, *others])
            yield from self._scanned_meanwhile(head)
            if (hidden := self._whole_list.hidden()) is not None:
                raise _FallBackError(hidden)
            cap = self._remote.server.cap
            if max(self._ends) >= cap:  # not an end, but the server's cap
                raise _FallBackError(ListReason.FEW_AT_ONCE.given(rows=cap))
        except _FallBackError as error:
            outcome.fallback = error.cause
        except RequestRejectedError as error:
            outcome.fallback = ListReason.REJECTED.given(code=error.code)
        except (TransientError, ResponseTooLargeError) as error:
            if not (answered and may_be_of_one_row(error)):
                raise
            # Perhaps the server fails at a single row, which a full sweep finds.
            outcome.fallback = ListReason.FAILING.given(code=error.code or "too large")
        else:
            outcome.order_proven, outcome.proof = True, Proof.WATERMARK
        outcome.cause = outcome.fallback

    def _unscanned(self, scanned: int) -> Generator[Page, None, tuple[Evidence, Page | None]]:
        """Read the images that are not scanned; return the evidence of their list, and its last page."""
        page: Page | None = None
        reader = ListReader(self._remote, _not_scanned(UNSCANNED), "CreateTime", Aim(one_end_of_one_answer=True))
        evidence = reader.evidence
        for page in self._noted(reader):
            statuses = {text_of(item, "ScanStatus") for item in page.items}
            self._last_word_is_read |= NOT_SCANNED in statuses
            if SCANNED in statuses:
                raise _FallBackError(ListReason.STATUS_IGNORED.given())
            yield page
            total = evidence.total + scanned
            if total and self._costs_more(evidence.total, total):
                raise _FallBackError(ListReason.CHEAPER.given())
        if not (evidence.in_order or evidence.one_answer):
            evidence = yield from self._unscanned_in_parts(reader)
        if (doubt := evidence.hidden() or evidence.uncounted()) is not None:
            raise _FallBackError(ListReason.UNSCANNED.given(cause=doubt))
        return evidence, page

    def _unscanned_in_parts(self, reader: ListReader) -> Generator[Page, None, Evidence]:
        """Read the same images in parts by ImageID, where their order proves nothing; return the parts' evidence."""
        filters = _not_scanned(UNSCANNED).filters
        parts = PartsReader(self._remote, filters, [*reader.evidence.ids])
        if reader.evidence.ordered or not parts.can_be_had():
            raise _FallBackError(ListReason.UNSCANNED.given(cause=_why(reader)))
        yield from parts.pages(reader.evidence.ids)
        self.outcome.add(parts.evidence)
        if parts.evidence.problem is not None:
            raise _FallBackError(ListReason.UNSCANNED.given(cause=parts.evidence.problem))
        self.outcome.notes.append(ListReason.UNSCANNED.given(cause=ListReason.IN_PARTS.given(cause=_why(reader))))
        return parts.evidence

    def _all_words_are_read(self, unscanned: Evidence, scanned: int, others: Sequence[Page]) -> Iterator[Page]:
        """Check that scanned and other images make up the list, unless the list moves, or an answer was not whole.

        If they do not, or if the last word has no image, ask for images by each word of the filter alone. Some of these
        images may be absent from the list of all words. Such images are new, or were hidden, or their word is not read;
        in the last case the list of all words does not show them a second time either.
        """
        total = next((page.total for page in others if page.total is not None), None)
        read = len(unscanned.values) + len(unscanned.nameless) + unscanned.listed_twice
        if total is not None and is_great_step(scanned + read, total):
            raise _FallBackError(ListReason.TOTAL_JUMPED.given(before=scanned + read, after=total))
        if total == scanned + read and (self._last_word_is_read or not read):
            return
        alone = [self._remote.first(_not_scanned((word,), "desc"), self._remote.limit) for word in UNSCANNED]
        yield from alone
        unseen = {image_id for page in alone for image_id in page.places} - unscanned.ids
        counted = sum(page.total or 0 for page in alone)
        if unseen:
            again = self._remote.first(_not_scanned(UNSCANNED, "desc"), self._remote.limit)
            yield again
            whole = again.reaches_total
            if unseen - again.places.keys() if whole else is_great_step(counted, again.total or 0):
                raise _FallBackError(ListReason.STATUS_PARTLY_READ.given())
        if counted - read > len(unseen):  # the first rows do not show all missing images
            raise _FallBackError(ListReason.UNSCANNED.given(cause=ListReason.END_HIDDEN.given()))
        if total is not None and scanned + max(counted, unscanned.total) < total * (1 - CHANGED_SHARE):
            raise _FallBackError(ListReason.STATUS_UNKNOWN.given(counted=scanned + counted, total=total))

    def _other_orders(self) -> Iterator[Page]:
        """Yield the beginnings of lists that a server would give if it did not know `By=ScanTime`.

        A server treats all unknown names alike, so one request uses a name that no server can know. If the server
        rejects such a name, ScanTime may still be a synonym for the server's own order.
        """
        yield from self._other_order(Query("CreateTime", "desc"))
        unknown = [*self._other_order(Query(UNKNOWN_BY, "desc"))]
        yield from unknown or self._other_order(Query(None, "desc"))

    def _other_order(self, query: Query) -> Iterator[Page]:
        try:
            page = self._counted(self._remote.first(query, self._remote.limit))
            if len(page.items) < min(self._remote.limit, self._remote.server.cap, page.total or 0):
                page = self._counted(self._remote.first(query, self._remote.limit))
            yield page
        except RequestRejectedError:
            return  # the server rejects this order, so it cannot mistake By=ScanTime for it

    def _newest(self, others: Sequence[Page | None]) -> Generator[Page, None, int]:
        """Read down to the watermark; return the newest ScanTime that can be believed.

        The first page must not look like one of the `others`, the lists in another order.
        """
        first = True
        head: int | None = None
        for page in self._by_scan_time(self._since):
            if first and page.total != 1 and any(_alike(page, other) for other in others):
                raise _FallBackError(ListReason.NOT_BY_SCAN_TIME.given())
            first = first and not page.items
            head = self._top(page) if head is None else head
            self.outcome.total_count = page.total if page.total is not None else self.outcome.total_count
            yield page
        if self._watermark is not None and (head is None or head < self._watermark):
            raise _FallBackError(ListReason.BELOW_WATERMARK.given())
        return self._since if head is None else max(head, self._since)

    def _top(self, page: Page) -> int | None:
        """Return the page's newest ScanTime that is not in the future."""
        now = self._clock()
        return max((value for value, _ in page.rows if value is not None and value <= now), default=None)

    def _scanned_meanwhile(self, head: int) -> Iterator[Page]:
        """Read the images that were scanned while we read, and have moved to the top, past us: until one answer holds
        all of them, or until two reads show the same images.

        `head` is the newest ScanTime at the top of the previous read: images scanned since are as new or newer.
        """
        doubted = False
        before: dict[str, int | None] = {}
        for _ in range(HEAD_READS):
            pages, top = 0, None
            shown: dict[str, int | None] = {}
            for page in self._by_scan_time(head):
                pages, top = pages + 1, self._top(page) if top is None else top
                shown |= {image_id: value for value, image_id in page.rows if value is not None and value >= head}
                yield page
            still = shown == before and bool(shown)  # a batch or times in the future fill pages, and nothing moves
            before = shown
            if top is not None and top >= head:
                doubted, head = False, top
            elif not doubted:
                doubted = True  # the newest image was deleted, or this answer is an old one
                continue
            if pages == 1 or still:
                return
        raise _FallBackError(ListReason.HEAD_MOVES.given())

    def _by_scan_time(self, until: int) -> Iterator[Page]:
        aim = Aim(DESCENDING, until=until, insist=True, ignore_nulls=True)
        reader = ListReader(self._remote, Query("ScanTime", "desc"), "ScanTime", aim)
        yield from self._noted(reader)
        self._whole_list.listen(reader.evidence)
        if not reader.evidence.in_order:
            raise _FallBackError(ListReason.SCAN_TIME.given(cause=_why(reader)))

    def _counted(self, page: Page) -> Page:
        self._whole_list.count(page)
        return page

    def _noted(self, reader: ListReader) -> Iterator[Page]:
        try:
            yield from reader.pages()
        finally:
            self.outcome.add(reader.evidence)
            self._ends.append(reader.evidence.end_rows)

    def _costs_more(self, unscanned: int, total: int) -> bool:
        """Whether the unscanned images and a few more pages take as many requests as the whole list."""
        return unscanned // self._remote.limit + 3 >= total // self._remote.limit


def _not_scanned(words: tuple[str, ...], order: str = "asc") -> Query:
    return Query("CreateTime", order, (("ScanStatus", words),))


def _why(reader: ListReader) -> Cause | None:
    """Return why the pass proves nothing."""
    lost = reader.evidence.order_lost
    return reader.evidence.problem or (lost and lost.given())


def _alike(page: Page, other: Page | None) -> bool:
    """Whether `page` begins with the rows of `other`, in the same order, but for a few that may have come or gone."""
    if other is None:
        return False
    begins = page.items[: len(other.items)]
    same_times = len({*_times(begins)}) > 1 and _begins_alike(_times(begins), _times(other.items))
    return same_times or _begins_alike([*map(image_id_of, begins)], [*map(image_id_of, other.items)])


def _times(items: Sequence[Any]) -> list[str | None]:
    """Return one CreateTime per group of equal ones, because images of one CreateTime may come in any order."""
    times = [text_of(item, "CreateTime") for item in items]
    return [time for time, _ in groupby(times)]


def _begins_alike(begins: Sequence[str | None], other: Sequence[str | None]) -> bool:
    shared = {*other} & {*begins}
    in_order = [i for i in other if i in shared] == [i for i in begins if i in shared]
    both = min(len(other), len(begins))
    return in_order and len(shared) > 0 and len(shared) >= both - max(1, both * CHANGED_SHARE)
