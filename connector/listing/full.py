"""Reads the whole list, sorted by CreateTime, as often and in as many ways as needed to prove it complete: the full
sweep."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import closing
from dataclasses import replace

from connector.errors import RequestRejectedError, ResponseTooLargeError, TransientError
from connector.listing.page import DESCENDING, FAR, Page, text_of
from connector.listing.parts import PartsReader
from connector.listing.plan import may_be_of_one_row
from connector.listing.proof import GREAT_STEP, Evidence, Outcome, Proof, is_great_step
from connector.listing.query import SCANNED, UNSCANNED, Filters, Query
from connector.listing.reader import ListReader
from connector.listing.reasons import Cause, ListReason
from connector.listing.remote import RemoteList
from connector.listing.seams import Aim

FIELD = "CreateTime"
LOOKS = 8  # at the place where two passes meet
AGREED = 2  # looks in a row that found the list at rest
MOST_PASSES = 3  # over a list whose order is not proven: a first pass, and two passes that may be alike
SORTS: tuple[tuple[str | None, str | None], ...] = (
    (FIELD, "asc"),
    (None, None),
)  # CreateTime never changes; else the server's own order
REFUTED = (ListReason.UNSORTED, ListReason.WIDE_TIE, ListReason.NOT_TURNED)  # a second pass would find no order either
CUT_SHORT = (ListReason.REFUSED, ListReason.END_HIDDEN)  # the list has another end, from which the rest can be read


class FullSweep:
    """Reads the whole list, and leaves in `outcome` whether the sweep is proven complete, and how (`proof.Proof`).

    By order: every seam of one pass closed, wide ties have as many images as places, and TotalCount agrees. From both
    ends: a pass that the server cut short meets a pass in the opposite order. By parts: see `parts`. By count: two
    undisturbed passes in succession, with different page boundaries and a constant TotalCount, gave the same ids, as
    many as TotalCount says.

    `filters` narrow the list; `expected` is the likely number of rows. `known` gives ids that may be listed, and
    `parts_first` says that the last sweep needed parts. Raises what `fetch` raises.
    """

    def __init__(
        self,
        remote: RemoteList,
        filters: Filters = (),
        *,
        expected: int = 0,
        known: Callable[[], Collection[str]] = tuple,
        parts_first: bool = False,
    ) -> None:
        self._remote, self._filters = remote, filters
        self._expected, self._known, self._parts_first = expected, known, parts_first
        self._sorts = SORTS
        self._passes: list[Evidence] = []
        self._apart: dict[str, int | None] = {}  # ids of pages outside these passes, with their sort values
        self._first: Page | None = None  # the list's first page, where a try in parts came before all passes
        self._whole = Evidence(())  # the TotalCounts of all passes
        self._lost: Cause | None = None  # why the first way of reading proved nothing
        self.outcome = Outcome()

    def pages(self) -> Generator[Page, None, None]:
        """Yield all pages of all passes. An image may come several times, each time as it was during the sweep."""
        if self._parts_first and (yield from self._in_parts()):
            return
        previous: Evidence | None = None
        for number in range(MOST_PASSES):
            reader = yield from self._pass(number, previous)
            if self.outcome.complete or reader.evidence.unreadable:
                return
            if number == 0 and ((yield from self._from_the_other_end(reader)) or (yield from self._in_parts())):
                return
            if _is_cut_short(reader.evidence) or self._is_capped:
                return  # another pass would end at the same place
            if reader.evidence.problem and previous is not None and previous.problem:
                return
            previous = reader.evidence

    def _pass(self, number: int, previous: Evidence | None) -> Generator[Page, None, ListReader]:
        lost = previous.order_lost if previous is not None else None
        shift = number % 2 == 1  # two passes over the same boundaries may miss the same rows
        aim = Aim(orders=(), shift=shift) if lost in REFUTED else Aim(expected=self._expected_now(number), shift=shift)
        for by, order in self._sorts:
            reader = ListReader(self._remote, Query(by, order, self._filters), FIELD, aim)
            reader.evidence.order_lost = lost if lost in REFUTED else None
            self._passes.append(reader.evidence)
            if self._first is not None and number == 0:
                reader.evidence.count(self._first)
            try:
                yield from self._as_long_as_it_pays(reader, number)
                break
            except RequestRejectedError as error:
                if by is None:
                    raise
                self._sorts = self._sorts[1:]
                self.outcome.notes = [ListReason.SORT_REJECTED.given(by=by, code=error.code)]
        self._judge(reader.evidence, previous)
        if self.outcome.proof is Proof.COUNT or (self.outcome.complete and reader.evidence.end_unseen):
            yield from self._count_apart(reader.evidence, Query(by, order, self._filters))
        return reader

    @property
    def _is_capped(self) -> bool:
        return self.outcome.cause is not None and self.outcome.cause.reason is ListReason.COUNT_CAPPED

    def _count_apart(self, evidence: Evidence, sort: Query) -> Iterator[Page]:
        """Check scanned and other images, each from the other end: no more than TotalCount, and all of them read.

        A result window may cap TotalCount as well as the list. The other end does not reveal such a cap where the list
        has no order, or where rows without a value stand last in both directions.
        """
        turned = sort.turned or sort
        try:
            apart = [self._first_of(turned, words) for words in (UNSCANNED, (SCANNED.lower(),))]
        except RequestRejectedError:
            apart = [self._remote.first(turned, self._remote.limit)]
        yield from apart
        others, scanned = apart[0], apart[-1]
        counted = (others.total or 0) + (scanned.total or 0)
        if _all_scanned(scanned) and _none_scanned(others) and counted > evidence.total:
            self.outcome.proof = None
            self.outcome.cause = ListReason.COUNT_CAPPED.given(total=evidence.total, apart=counted)
        elif self.outcome.proof is Proof.COUNT and any(page.places.keys() - evidence.ids for page in apart):
            evidence.re_reads += 1  # so this pass cannot be one of two alike passes
            self.outcome.proof, self.outcome.cause = None, ListReason.PASSES_DIFFER.given(cause=self._lost)

    def _first_of(self, sort: Query, words: tuple[str, ...]) -> Page:
        filters = (*self._filters, ("ScanStatus", words))
        return self._remote.first(replace(sort, filters=filters), self._remote.limit)

    def _expected_now(self, number: int) -> int:
        return self._expected if number == 0 else 0

    def _as_long_as_it_pays(self, reader: ListReader, number: int) -> Generator[Page, None, None]:
        """Yield the pages of the pass. Once the order is lost and parts can be had, the pass ends and parts follow."""
        refused = number > 0
        with closing(reader.pages()) as pages:
            for page in pages:
                yield page
                given_up = not reader.evidence.ordered and not reader.evidence.unreadable
                # First with the ids of this page: to collect all ids takes long, and most lists give the same answer.
                if not refused and given_up and self._parts(page.places).can_be_had():
                    if self._parts(self._read()).can_be_had():
                        return
                    refused = True

    def _judge(self, evidence: Evidence, previous: Evidence | None) -> None:
        outcome = self.outcome
        outcome.add(evidence)
        outcome.total_count = evidence.latest_total
        outcome.order_proven = evidence.in_order
        outcome.proof, outcome.cause = self._proven(evidence, previous)
        fallen = self._fallen(evidence)
        if outcome.complete and fallen is not None:
            outcome.proof, outcome.cause = None, fallen
        self._lost = evidence.order_lost.given() if evidence.order_lost else outcome.cause

    def _fallen(self, evidence: Evidence) -> Cause | None:
        """Return a cause if TotalCount fell far in one step, and stays there: a part of the list may be hidden since.

        A single answer does not count, because its TotalCount may have been too large, unless some of the rows that
        were read are gone too. Answers that no pass has taken count as well.
        """
        self._whole.listen(evidence)
        above = sum(is_great_step(total, evidence.total) for *_, total in self._whole.answered)
        vanished = len((self._apart.keys() | self._read_before(evidence).keys()) - evidence.ids)
        if above < 2 and vanished <= max(1, self._remote.limit * GREAT_STEP):
            return None
        for before, after in self._whole.steps():
            if is_great_step(before, after) and is_great_step(before, evidence.total):
                return ListReason.TOTAL_JUMPED.given(before=before, after=after)
        return None

    def _proven(self, evidence: Evidence, previous: Evidence | None) -> tuple[Proof | None, Cause | None]:
        """Return what the last pass proves together with the passes before."""
        lost = evidence.order_lost.given() if evidence.order_lost else None
        if evidence.unreadable or evidence.problem:
            return None, evidence.unreadable or evidence.problem
        if evidence.one_answer or evidence.in_order:
            doubt = self._doubt(evidence, previous)
            if doubt is not None:
                return None, doubt
            ordered = Proof.TIES if evidence.ties else Proof.ORDER
            return Proof.ONE_ANSWER if evidence.one_answer else ordered, None
        if previous is not None and previous.countable and evidence.countable and previous.ids == evidence.ids:
            return Proof.COUNT, lost
        return None, ListReason.PASSES_DIFFER.given(cause=lost)

    def _doubt(self, evidence: Evidence, previous: Evidence | None) -> Cause | None:
        """Return what in TotalCount contradicts a pass in order."""
        unread = evidence.unread
        if (unread > 0 and not _listed_twice(unread, evidence, previous)) or (unread < 0 and previous is None):
            return ListReason.COUNT_DIFFERS.given(total=evidence.constant_total, images=len(evidence.values))
        hidden = evidence.hidden()
        return None if hidden is None or self._nothing_old_is_new(evidence, previous) else hidden

    def _nothing_old_is_new(self, evidence: Evidence, previous: Evidence | None) -> bool:
        """Whether a second pass shows no fewer images than before, and only images read before or created since."""
        if previous is None or len(evidence.values) + evidence.listed_twice + len(evidence.nameless) < evidence.total:
            return False
        before = self._read_before(evidence)
        newest = max((value for value in before.values() if value is not None), default=0)
        values = (evidence.values[image_id] for image_id in evidence.values.keys() - before.keys())
        return all(value is not None and value >= newest for value in values)

    def _from_the_other_end(self, first: ListReader) -> Generator[Page, None, bool]:
        """Read the rest of a list that the server cut short, in the opposite order, until the passes meet."""
        tail = first.tail
        if not first.evidence.ordered or not _is_cut_short(first.evidence) or tail is None:
            return False
        until = tail.rows[-1][0] if tail.rows else None
        if until is None:
            return False
        reader = ListReader(self._remote, Query(FIELD, "desc", self._filters), FIELD, Aim(DESCENDING, until=until))
        for page in reader.pages():
            self._apart.update(page.values)
            yield page
        self.outcome.add(reader.evidence)
        if reader.evidence.in_order and (yield from self._have_met(first, reader, until)):
            self.outcome.proof, self.outcome.cause, self.outcome.order_proven = Proof.BOTH_ENDS, None, True
        elif reader.evidence.in_order:
            self.outcome.cause = self._lost = ListReason.GAP.given(total=reader.evidence.total)
        return self.outcome.complete

    def _have_met(self, first: ListReader, second: ListReader, value: int) -> Generator[Page, None, bool]:
        """Whether no image can stand where neither pass has read: images without a CreateTime, at the end of both.

        The passes meet at `value`, a CreateTime. No row is left if as many rows stand before that CreateTime, and
        before it in the other direction, as TotalCount says. The list may move, and images that come and go in balance
        do not move TotalCount. So both places are read in turn, until each was alike before and after the other.
        """
        if first.evidence.hidden() or second.evidence.hidden() or first.tail is None or second.tail is None:
            return False
        if first.evidence.nulls or second.evidence.nulls:
            return True
        tails, looks, agreed = (first.tail, second.tail), list[tuple[int | None, Page]](), 0
        for number in range(LOOKS):
            turned = number % 2 == 1
            try:
                page = yield from self._again(tails[turned], "desc" if turned else "asc")
            except (RequestRejectedError, ResponseTooLargeError):
                return False
            looks.append((page.place_where(value.__gt__ if turned else value.__le__), page))
            if number > 1:
                agreed = agreed + 1 if looks[-1][0] == looks[-3][0] else 0
            if agreed and (looks[-1][0] or FAR) + (looks[-2][0] or FAR) != looks[-2][1].total:
                return False
            if agreed == AGREED:
                return True
        return False

    def _again(self, page: Page, order: str) -> Generator[Page, None, Page]:
        query = Query(FIELD, order, self._filters)
        again = self._remote.page(query, FIELD, page.offset, max(1, len(page.items)))
        self._apart.update(again.values)
        yield again
        return again

    def _in_parts(self) -> Generator[Page, None, bool]:
        """Read the list in parts by ImageID, where the server finds images by the beginning of their ids."""
        first: Page | None = None
        if not self._read():
            try:
                first = self._first = self._remote.first(Query(filters=self._filters), self._remote.limit)
            except (ResponseTooLargeError, TransientError) as error:
                if not may_be_of_one_row(error):
                    raise
                return False  # a pass finds the row, and reads the others
            self._apart.update(first.values)
            yield first
        parts = self._parts(self._read())
        if not parts.can_be_had():
            return False
        yield from parts.pages({*self._known(), *self._read()}, first)
        outcome, found = self.outcome, parts.evidence
        outcome.add(found)
        outcome.total_count = found.latest_total
        found.problem = self._fallen(found) or found.problem or found.uncounted()
        if found.problem is None:
            outcome.proof, outcome.cause, outcome.order_proven = Proof.PARTS, self._lost, False
        return outcome.complete

    def _parts(self, listed: Collection[str]) -> PartsReader:
        return PartsReader(self._remote, self._filters, list(listed))

    def _read_before(self, evidence: Evidence) -> dict[str, int | None]:
        """Return the ids that other passes than this one have read, with their newest sort values."""
        found: dict[str, int | None] = {}
        for other in self._passes:
            if other is not evidence:
                found |= other.values
        return found

    def _read(self) -> dict[str, None]:
        """Return the ids of all rows that were read, the newest last. The passes keep them: a million ids of their own
        would take 80 MB."""
        found = dict.fromkeys(self._apart)
        for evidence in self._passes:
            found |= dict.fromkeys(evidence.values)
        return found


def _all_scanned(page: Page) -> bool:
    return all(text_of(item, "ScanStatus") == SCANNED for item in page.items)


def _none_scanned(page: Page) -> bool:
    return all(text_of(item, "ScanStatus") != SCANNED for item in page.items)


def _is_cut_short(evidence: Evidence) -> bool:
    return evidence.problem is not None and evidence.problem.reason in CUT_SHORT


def _listed_twice(rows: int, evidence: Evidence, previous: Evidence | None) -> bool:
    """Whether images that are listed twice explain `rows`: twice in one answer, or at two places in two passes."""
    twice = evidence.listed_twice
    far = evidence.moved - evidence.repeated.keys()
    return rows == twice or (previous is not None and previous.moved == evidence.moved and rows == twice + len(far))
