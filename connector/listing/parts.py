"""Reads a list in parts by ImageID, which no row enters or leaves by moving: for lists whose order proves nothing.

An id never changes. So the images whose ids begin with `sha256:a3` are a fixed part of the list, and a part that comes
in one answer is a snapshot, whatever its order. Values of a filter are ORed: several beginnings make a part of the
wanted size, and all parts together hold every id.

Parts need an ImageID filter that finds ids by their beginning. No documentation promises that, so the filter is tested
first. An answer is believed only if all its rows belong to the part, if TotalCount agrees, and if two images that were
just listed come back: the filter's first value asks for the first image, the last value for the other.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass

from connector.errors import RequestRejectedError, ResponseTooLargeError, TcssError, TransientError
from connector.listing.beginnings import ALGORITHM, DIGITS, MOST_VALUES, Part, plan
from connector.listing.page import Page, image_id_of
from connector.listing.plan import may_be_of_one_row
from connector.listing.prefetch import Prefetch
from connector.listing.proof import Evidence
from connector.listing.query import Filters, Query
from connector.listing.reasons import ListReason
from connector.listing.remote import RemoteList

_ID = re.compile(r"sha256:[0-9a-f]{12,}")
ROOM = 4  # rows of a page that are left free, two of them for the controls
TRIED = len(ALGORITHM) + 3  # characters of an id with which the filter is tested
GONE_SHARE = 0.05  # the share of a part's known images that may be missing in the first answer
TRIES = 3  # answers to one question that may be incomplete: images are deleted, controls too
AGREED = 4  # comparisons of two counts that agree, until the agreement is no chance; more where others differ
LOOKS = 15  # such comparisons
SLACK = 2  # the most answers, as a multiple of the planned parts
MOST_PLANNED = 1_000_000  # images; if TotalCount claims more, parts are divided once they turn out too large
MOST_QUESTIONS = 100_000  # ten million images


@dataclass
class _Question:
    """A part that is asked for, with its controls, for the n-th time."""

    part: Part
    controls: tuple[str, str]
    tries: int = 1

    @property
    def values(self) -> tuple[str, ...]:
        return (self.controls[0], *self.part.beginnings, self.controls[1])


class PartsReader:
    """Reads a list in parts. `listed` are ids that were just listed, the newest last; `filters` narrow the list."""

    def __init__(self, remote: RemoteList, filters: Filters, listed: Sequence[str]) -> None:
        self._remote, self._filters = remote, filters
        self._listed = list(listed)
        self._known: list[str] = []
        self.evidence = Evidence((), ListReason.UNSORTED)

    def can_be_had(self) -> bool:
        """Whether the server finds images by the beginning of their ids; the server is asked once."""
        server = self._remote.server
        if self._room < 1 or any(name == "ImageID" for name, _ in self._filters):
            return False
        if len(self._listed) < 2 or not all(map(_ID.fullmatch, self._listed)):
            return False
        if server.finds_prefixes is None:
            try:
                server.finds_prefixes = self._try(self._listed[-1], TRIED)
            except (ResponseTooLargeError, TransientError) as error:
                if not may_be_of_one_row(error):
                    raise
                return False  # perhaps another id, which begins otherwise, can be asked for
        return server.finds_prefixes

    @property
    def _most(self) -> int:
        """The most rows that an answer can have."""
        return min(self._remote.limit, self._remote.server.cap)

    @property
    def _room(self) -> int:
        return self._most - ROOM

    def _try(self, wanted: str, length: int) -> bool:
        """Whether `length` characters of an id find its image, or so many other images that they fill the answer."""
        part = Part((wanted[:length],))
        try:
            page = self._remote.first(self._query(part.beginnings), self._remote.limit)
        except RequestRejectedError:
            return False
        found = wanted in page.places or (page.total is not None and page.total > len(page.items) > 0)
        return found and all(part.holds(image_id_of(item)) for item in page.items)

    def pages(self, known: Collection[str], first: Page | None = None) -> Generator[Page, None, None]:
        """Yield one answer per part. `known` are ids that may be listed; the size of parts is planned from them.

        `first` is the list's first page, if it was read just now; its TotalCount gives the length of the list.
        `evidence.problem` says why the filter is not to be trusted after all.
        """
        try:
            yield from self._parts(known, self._total(first))
        except RequestRejectedError:
            self.evidence.problem = ListReason.ID_FILTER.given()
        except ResponseTooLargeError:
            self.evidence.problem = ListReason.PARTS_OVERFLOW.given()
        except TransientError as error:
            if not may_be_of_one_row(error):
                raise
            # Perhaps a single row makes the server fail: a pass finds that row, and reads the others.
            self.evidence.problem = ListReason.REFUSED.given(rows=len(self.evidence.values), code=error.code)

    def _parts(self, known: Collection[str], total: int) -> Generator[Page, None, None]:
        self._known = sorted(filter(_ID.fullmatch, known))
        parts = plan(self._known, min(total, max(MOST_PLANNED, len(self._known))), self._room)
        questions = [self._question(part) for part in parts]
        most = SLACK * len(questions) + 8 * TRIES
        prefetch = Prefetch(lambda number, _: self._ask(questions[number].values), self._remote.in_flight)
        planned = answered = 0
        answers: list[tuple[_Question, int]] = []
        try:
            if not self._finds_all_lengths(parts):
                self.evidence.problem = ListReason.ID_FILTER.given()
                return
            while answered < len(questions) and self.evidence.problem is None:
                while planned < len(questions) and (not len(prefetch) or len(prefetch) < prefetch.most):
                    prefetch.plan(planned, self._remote.limit)
                    planned += 1
                number, _, page = prefetch.take()
                answered += 1
                instead = self._judge(questions[number], page)
                questions += instead
                if isinstance(page, Page):
                    most += len(instead) if page.total is not None and page.total > len(page.items) else 0
                    self.evidence.take(page.distinct if instead else page)
                    self._listed += page.places
                    answers += [] if instead else [(questions[number], len(page.items))]
                    yield page
                if len(questions) > most and self.evidence.problem is None:
                    self.evidence.problem = ListReason.PARTS_OVERFLOW.given()
                elif self._is_spent(answered) and self.evidence.problem is None:
                    self.evidence.problem = ListReason.ENDLESS.given(requests=answered)
            if self.evidence.problem is None and any(self._goes_on(*answer) for answer in answers):
                self.evidence.problem = ListReason.PARTS_OVERFLOW.given()
            if self.evidence.problem is None and not self._covers_all():
                self.evidence.problem = ListReason.OTHER_IDS.given()
            yield from self._until_none_is_missing(questions)
            self.evidence.ended = self.evidence.problem is None
        finally:
            prefetch.close(wait=True)

    def _is_spent(self, answered: int) -> bool:
        """Whether there were too many answers for the images shown or known. TotalCount is ignored, because it may be
        wrong."""
        images = max(len(self._known), len(self.evidence.values))
        return answered > min(MOST_QUESTIONS, 2 * SLACK * (images // self._room + 1) + 32 * TRIES)

    def _finds_all_lengths(self, parts: Sequence[Part]) -> bool:
        """Whether the server finds beginnings of every length that the parts use."""
        lengths = {len(beginning) for part in parts for beginning in part.beginnings}
        return all(self._try(self._listed[-1], length) for length in sorted(lengths))

    def _goes_on(self, question: _Question, rows: int) -> bool:
        """Whether a part has more rows than came; asked only where no other answer has had more rows."""
        if rows < self._remote.server.most_rows:
            return False
        return bool(self._remote.page(self._query(question.values), "CreateTime", rows, self._remote.limit).items)

    def _covers_all(self) -> bool:
        """Whether no id has another form: the images that begin with one of the 16 digits are as many as the list has.

        The list may move meanwhile, so its length is the mean of the TotalCounts before and after. Where TotalCount has
        changed, both may agree by chance. So they are compared again, until the differences tell no image of another
        form (0 each on average) from one such image (-2 each).
        """
        digits = tuple(ALGORITHM + digit for digit in DIGITS)
        before, differences = self._total(), list[int]()
        for look in range(LOOKS):
            of_this_form = self._remote.first(self._query(digits)).total or 0
            # Further TotalCounts are no evidence: they would come back to what they were, as those of any moving list.
            after = self._total() if not look else self._remote.first(Query(filters=self._filters)).total or 0
            differences.append(2 * of_this_form - before - after)
            is_still = before == after == self.evidence.constant_total
            before = after
            is_sure = sum(differences) + len(differences) >= AGREED + max(differences) - min(differences)
            if is_sure or (is_still and differences[-1] == 0):
                return True
        return False

    def _until_none_is_missing(self, questions: Sequence[_Question]) -> Generator[Page, None, None]:
        """Read parts once more, in their order, until as many images were read as TotalCount says.

        If fewer were read, images came and went, or a part came incomplete although its own TotalCount agreed.
        """
        evidence = self.evidence
        for question in questions:
            if evidence.problem is not None or evidence.unread <= 0 or evidence.unread == evidence.listed_twice:
                return
            try:
                page = self._ask(question.values)
            except ResponseTooLargeError:
                continue  # its halves are asked for too
            if not self._judge(question, page) and evidence.problem is None:
                evidence.take(page)
                yield page

    def _judge(self, question: _Question, page: Page | TcssError) -> list[_Question]:
        """Return the questions to ask instead of a question whose answer is not the whole part."""
        part, controls = question.part, question.controls
        if isinstance(page, TcssError) and not isinstance(page, ResponseTooLargeError):
            raise page
        if isinstance(page, TcssError) or len(page.items) >= self._most:  # a full answer, whatever its TotalCount says
            smaller = part.smaller()
            if not smaller:
                self.evidence.problem = ListReason.PARTS_OVERFLOW.given()
            return [self._question(each) for each in smaller]
        whole = page.total is None or page.total == len(page.items)
        strangers = [i for item in page.items if not part.holds(i := image_id_of(item)) and i not in controls]
        if strangers or page.total is None or page.total < len(page.items):
            self.evidence.problem = ListReason.ID_FILTER.given()
        elif not whole or not page.places.keys() >= {*controls}:
            if question.tries == TRIES:
                self.evidence.problem = ListReason.ID_FILTER.given() if whole else ListReason.PARTS_OVERFLOW.given()
            return [self._question(part, question.tries + 1)]
        elif question.tries == 1 and (page.repeats or self._lacks_known(part, page)):
            return [self._question(part, question.tries + 1)]
        return []

    def _lacks_known(self, part: Part, page: Page) -> bool:
        """Whether known images are missing: the images may be gone, or a back end failed for a moment."""
        expected = [i for beginning in part.beginnings for i in self._known_from(beginning)]
        missing = sum(i not in page.places for i in expected)
        return missing > len(expected) * GONE_SHARE

    def _known_from(self, beginning: str) -> Sequence[str]:
        start = bisect_left(self._known, beginning)
        return self._known[start : bisect_left(self._known, beginning + "g", start)]

    def _question(self, part: Part, tries: int = 1) -> _Question:
        """Make a question with controls from outside the part, as far as there are such ids."""
        others = [i for i in self._listed[-(MOST_VALUES + 2) * tries :] if not part.holds(i)]
        others = [*dict.fromkeys(others if len({*others}) > 1 else self._listed)]
        start = 2 * (tries - 1) % len(others)
        first, last = (others[-1 - (start + place) % len(others)] for place in (0, 1))
        return _Question(part, (first, last), tries)

    def _ask(self, values: Sequence[str]) -> Page:
        return self._remote.at_once(self._query(values), self._remote.limit)

    def _query(self, values: Sequence[str]) -> Query:
        return Query(filters=(*self._filters, ("ImageID", tuple(values))))

    def _total(self, page: Page | None = None) -> int:
        """TotalCount of the whole list now."""
        page = page or self._remote.first(Query(filters=self._filters))
        self.evidence.count(page)
        return page.total or 0
