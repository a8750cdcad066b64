"""What an incremental sweep concludes from answers: whether it reads the newest scans, and every image not scanned."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from connector.api.answers import Answer
from connector.errors import RequestRejectedError, ResponseTooLargeError, TcssError, TransientError
from connector.listing.incremental import HEAD_READS, IncrementalSweep, _alike, _FallBackError
from connector.listing.page import ASCENDING, Page
from connector.listing.proof import Evidence, Outcome, Proof, Server
from connector.listing.query import UNSCANNED, Query
from connector.listing.reasons import Cause, ListReason
from connector.listing.remote import RemoteList
from connector.listing.seams import Aim
from connector.sandbox import Fleet, Quirks
from tests.listing.lists import DAY, NOW, Watched, items

Payload = dict[str, Any]


def _remote(fetch: Callable[[Payload], Answer], limit: int = 3, cap: int = 100) -> RemoteList:
    return RemoteList(fetch, lambda items, _: [None] * len(items), 1, limit, Server(cap))


def _answer(ids: str, total: int | None) -> Answer:
    return Answer({"List": [{"ImageID": image_id} for image_id in ids], "TotalCount": total}, None)


def _never(payload: Payload) -> Answer:
    raise AssertionError(payload)


# Whether a server sorts by ScanTime.


def _created(text: str) -> Page:
    """`a1 b2` are images a and b with the CreateTimes 1 and 2; `-` has neither."""
    made = [{} if word == "-" else {"ImageID": word[0], "CreateTime": word[1:]} for word in text.split()]
    return Page(0, made, len(made), None, ())


MANY = [f"{chr(200 + number)}{number}" for number in range(60)]
OTHERS = [f"{chr(400 + number)}x{number}" for number in range(60)]


@pytest.mark.parametrize(
    ("page", "other", "alike"),
    [
        ("a1 b1 c1", "a1 b1 c1", True),
        ("a1 b1 c1", "a1 c1 b1", False),
        ("a1 b1 c1", "d1 e1 f1", False),
        ("a1 b2 c3", "d1 e2 f3", True),
        ("a1 b2 c3", "d1 e3 f2", False),
        ("a1 b1 c2", "b1 a1 c2", True),
        ("a1 b2 c3 d4", "b2 c3 d4 e5", True),
        ("a1 b2 c3 d4", "c3 d4 e5 f6", False),
        ("a1 b2", "b2 c3", True),
        ("a1", "b2", False),
        ("a1", "a1", True),
        ("", "", False),
        ("", "a1", False),
        ("a1 b2 c3 d4 e5 f6", "a1 b2", True),
        ("d4 e5 f6 a1 b2", "a1 b2", False),
        ("a1 b1 c2 d3", "x1 y1", False),
        ("a1 b2", "a1 b2 c3 d4 e5 f6", True),
        (" ".join(MANY), " ".join(MANY[:57] + OTHERS[:3]), True),
        (" ".join(MANY), " ".join(MANY[:56] + OTHERS[:4]), False),
    ],
    ids=[
        "the same images",
        "in another order",
        "other images of one CreateTime",
        "other images of the same CreateTimes",
        "of the same CreateTimes in another order",
        "in another order within a CreateTime",
        "one came and one is gone",
        "two came and two are gone",
        "one of two",
        "two lists of one image",
        "the only image",
        "empty lists",
        "an empty list and one that is not",
        "a longer page that begins so",
        "a longer page that ends so",
        "a longer page of the same CreateTime",
        "a shorter page",
        "a twentieth came",
        "more than a twentieth came",
    ],
)
def test_a_page_that_begins_like_a_list_in_another_order(page: str, other: str, alike: bool) -> None:
    """The same images or CreateTimes in the same order, but for a few that came or went between the answers."""
    assert _alike(_created(page), _created(other)) == alike


def test_no_page_is_like_an_answer_that_did_not_come() -> None:
    """A list that has no page says nothing of the order."""
    assert not _alike(_created("a1"), None)


# The orders that a server may give instead.


CREATED, UNKNOWN, OWN = ("CreateTime", "desc"), ("NoSuchField", "desc"), (None, "desc")


@dataclass
class Orders:
    """Gives the answers of each order, one after the other; None is a refusal."""

    answers: Mapping[Any, Sequence[Answer | None]]
    asked: list[Any] = field(default_factory=list)

    def __call__(self, payload: Payload) -> Answer:
        order = (payload.get("By"), payload.get("Order"))
        answer = self.answers[order][self.asked.count(order)]
        self.asked.append(order)
        assert (payload["Limit"], payload["Offset"], "Filters" in payload) == (3, 0, False)
        if answer is None:
            raise RequestRejectedError("no such order", code="InvalidParameterValue")
        return answer


@pytest.mark.parametrize(
    ("answers", "asked", "shown"),
    [
        ({CREATED: [_answer("abc", 9)], UNKNOWN: [_answer("cba", 9)]}, [CREATED, UNKNOWN], ["abc", "cba"]),
        ({CREATED: [_answer("ab", 2)], UNKNOWN: [_answer("ba", 2)]}, [CREATED, UNKNOWN], ["ab", "ba"]),
        ({CREATED: [_answer("ab", None)], UNKNOWN: [_answer("", 0)]}, [CREATED, UNKNOWN], ["ab", ""]),
        ({CREATED: [None], UNKNOWN: [_answer("cba", 9)]}, [CREATED, UNKNOWN], ["cba"]),
        (
            {CREATED: [_answer("abc", 9)], UNKNOWN: [None], OWN: [_answer("bca", 9)]},
            [CREATED, UNKNOWN, OWN],
            ["abc", "bca"],
        ),
        (
            {CREATED: [_answer("ab", 9), _answer("abc", 9)], UNKNOWN: [_answer("b", 2), _answer("b", 2)]},
            [CREATED, CREATED, UNKNOWN, UNKNOWN],
            ["abc", "b"],
        ),
        ({CREATED: [_answer("ab", 9), None], UNKNOWN: [_answer("cba", 9)]}, [CREATED, CREATED, UNKNOWN], ["cba"]),
    ],
    ids=[
        "both orders",
        "a short list",
        "no TotalCount, and an empty list",
        "CreateTime refused",
        "unknown names refused",
        "short answers",
        "refused when asked again",
    ],
)
def test_the_beginnings_of_other_orders(answers: Any, asked: list[Any], shown: list[str]) -> None:
    """A short answer is asked for again. An order that is refused has no beginning."""
    orders = Orders(answers)
    sweep = IncrementalSweep(_remote(orders), since=0, now=0)
    assert ["".join(page["ImageID"] for page in other.items) for other in sweep._other_orders()] == shown
    assert orders.asked == asked
    totals = [answer.response["TotalCount"] for several in answers.values() for answer in several if answer]
    assert [total for *_, total in sweep._whole_list.answered] == [total for total in totals if total is not None]


def test_as_many_rows_as_the_server_gives_at_once_are_no_short_answer() -> None:
    """They are not asked for again."""
    orders = Orders({CREATED: [_answer("ab", 9)], UNKNOWN: [_answer("ba", 9)]})
    assert len([*IncrementalSweep(_remote(orders, cap=2), since=0, now=0)._other_orders()]) == 2


# Whether every word of the status filter is read.


@dataclass
class Words:
    """Finds images by the words of the status filter: those of each word alone, or of all together. `counts` are the
    TotalCounts of the words and of all together, where they are not what is shown."""

    alone: tuple[str, str, str]
    together: str = ""
    counts: Sequence[int | None] | None = None
    asked: list[Any] = field(default_factory=list)

    def __call__(self, payload: Payload) -> Answer:
        (given,) = payload["Filters"]
        self.asked.append((payload.get("By"), payload.get("Order"), payload["Limit"], *given["Values"]))
        assert given["Name"] == "ScanStatus"
        shown = [*self.alone, self.together]
        place = UNSCANNED.index(given["Values"][0]) if len(given["Values"]) == 1 else 3
        return _answer(shown[place], (self.counts or [*map(len, shown)])[place])


END_HIDDEN = ListReason.UNSCANNED.given(cause=ListReason.END_HIDDEN.given())
PARTLY = ListReason.STATUS_PARTLY_READ.given()
NONE = ("", "", "")


def _unknown(counted: int, total: int) -> Cause:
    return ListReason.STATUS_UNKNOWN.given(counted=counted, total=total)


def _jumped(before: int, after: int) -> Cause:
    return ListReason.TOTAL_JUMPED.given(before=before, after=after)


@pytest.mark.parametrize(
    ("read", "last", "totals", "words", "requests", "cause"),
    [
        ("ab", True, [10], Words(NONE), 0, None),
        ("", False, [8], Words(NONE), 0, None),
        ("", True, [8], Words(NONE), 0, None),
        ("ab", False, [10], Words(("a", "b", "")), 3, None),
        ("ab", True, [None, 10], Words(NONE), 0, None),
        ("ab", True, [10, 99], Words(NONE), 0, None),
        ("ab", True, [None], Words(("a", "", "b")), 3, None),
        ("ab", True, [], Words(("a", "", "b")), 3, None),
        ("abc", True, [10], Words(("a", "b", "c")), 3, None),
        ("abc", True, [9], Words(NONE), 0, _jumped(11, 9)),
        ("ab", True, [11], Words(("a", "", "b")), 3, _unknown(10, 11)),
        ("ab", False, [10], Words(("a", "b", "c"), "abc"), 4, None),
        ("ab", False, [10], Words(("a", "b", "c"), "abcd"), 4, None),
        ("ab", False, [10], Words(("a", "b", "c"), "ab"), 4, PARTLY),
        ("ab", False, [10], Words(("a", "b", "c"), "ab", (1, 1, 1, 3)), 4, None),
        ("ab", False, [10], Words(("a", "b", "cd"), "ab", (1, 1, 2, 3)), 4, None),
        ("ab", False, [10], Words(("a", "b", "cde"), "ab", (1, 1, 3, 3)), 4, PARTLY),
        ("a", False, [9], Words(("a", "b", ""), "a", (1, 1, 0, None)), 4, PARTLY),
        ("ab", False, [10], Words(("a", "b", ""), counts=(1, 1, 1, 2)), 3, END_HIDDEN),
        ("ab", False, [10], Words(("a", "b", "c"), "abc", (1, 1, 2, 3)), 4, END_HIDDEN),
        ("ab", False, [10], Words(("a", "b", ""), counts=(1, 1, None, 2)), 3, None),
    ],
    ids=[
        "scanned and others make up the list",
        "all images are scanned",
        "all images are scanned since",
        "none of the last word",
        "the second answer counts",
        "the first count counts",
        "no answer counts",
        "no other order",
        "one is gone",
        "two are gone at once",
        "one is of no word",
        "one came since",
        "two came since, and one of them in time",
        "a word is not read",
        "one came, in a list of several answers",
        "two came, in a list of several answers",
        "three were hidden, in a list of several answers",
        "one came, in a list without a count",
        "a word has more rows than it shows",
        "a word shows one of two rows that were not read",
        "a word has no count",
    ],
)
def test_words_of_the_status_filter(
    read: str, last: bool, totals: list[int | None], words: Words, requests: int, cause: Cause | None
) -> None:
    """Eight images are scanned; those `read` are not, and `last` says whether one of them has the last word's status.
    Where the list has more images, or none has, each word is asked for alone."""
    sweep = IncrementalSweep(_remote(words), since=0, now=0)
    sweep._last_word_is_read = last
    others = [Page(0, [], total, None, ()) for total in totals]
    shown, found = _until_fallback(sweep._all_words_are_read(_read(read), 8, others))
    assert (found, len(words.asked)) == (cause, requests)
    assert words.asked == [("CreateTime", "desc", 3, *given) for given in [*zip(UNSCANNED), UNSCANNED][:requests]]
    expected = [*words.alone, words.together] if requests else []
    assert ["".join(item["ImageID"] for item in page.items) for page in shown] == expected[:requests]


def _read(ids: str, total: int | None = None) -> Evidence:
    """Of a pass that has read these images."""
    evidence = Evidence(ASCENDING)
    page = Page(0, [{"ImageID": i} for i in ids], len(ids) if total is None else total, None, [(0, i) for i in ids])
    evidence.note(page)
    evidence.take(page)
    return evidence


def _until_fallback(pages: Iterator[Page]) -> tuple[list[Page], Cause | None]:
    """Return the pages, and the cause for which a full sweep is needed."""
    shown: list[Page] = []
    try:
        shown.extend(pages)
    except _FallBackError as error:
        return shown, error.cause
    return shown, None


def test_rows_that_name_no_new_image_are_counted() -> None:
    """Rows without an id, and rows that show an image again."""
    evidence = _read("aab")
    nameless = Page(3, [{"ImageID": ""}], 4, None, ())
    evidence.take(nameless)
    sweep = IncrementalSweep(_remote(_never), since=0, now=0)
    sweep._last_word_is_read = True
    assert _until_fallback(sweep._all_words_are_read(evidence, 8, [Page(0, [], 12, None, ())])) == ([], None)


@pytest.mark.parametrize(
    ("listed", "total", "cause"),
    [
        (2, 20, None),
        (2, 21, _unknown(19, 21)),
        (3, 21, None),
        (1, 21, _unknown(19, 21)),
    ],
    ids=["a twentieth", "more than a twentieth", "less by the list of all words", "that list has become longer"],
)
def test_images_of_no_word_are_told_from_those_that_came(listed: int, total: int, cause: Cause | None) -> None:
    """Up to a twentieth of the list may have come since. `listed` is the TotalCount of the list of all words."""
    sweep = IncrementalSweep(_remote(Words(("a", "b", ""))), since=0, now=0)
    pages = sweep._all_words_are_read(_read("ab", listed), 17, [Page(0, [], total, None, ())])
    assert _until_fallback(pages)[1] == cause


# The newest scans.


SINCE, START = 5, 20


def _scanned(text: str, total: int | None = 9) -> Page:
    """`a1 b-` are images a and b with the ScanTimes 1 and none, of which a was created at 1 too."""
    words = text.split()
    made = [{"ImageID": word[0], "CreateTime": word[1:]} for word in words]
    return Page(0, made, total, None, tuple((None if word[1:] == "-" else int(word[1:]), word[0]) for word in words))


class Sweeps(IncrementalSweep):
    """Its reads by ScanTime show these pages. `until` are the times that the reads went down to."""

    def __init__(
        self, reads: Sequence[Sequence[Page]], watermark: int | None = None, clock: Callable[[], int] | None = None
    ) -> None:
        super().__init__(replace(_remote(_never), clock=clock), since=SINCE, now=START, watermark=watermark)
        self.reads, self.until = reads, list[int]()

    def _by_scan_time(self, until: int) -> Iterator[Page]:
        yield from self.reads[len(self.until)]
        self.until.append(until)


@pytest.mark.parametrize(
    ("page", "clock", "top"),
    [
        ("a9 b7", None, 9),
        ("a21 b20 c7", None, 20),
        ("a21 b20 c7", lambda: 30, 21),
        ("a9 b-", lambda: 7, None),
        ("a- b7 c9", None, 9),
        ("a- b-", None, None),
        ("", None, None),
    ],
    ids=["newest first", "after the start", "after the start, by a clock", "all to come", "unsorted", "none", "no row"],
)
def test_the_newest_scan_time_that_can_be_believed(page: str, clock: Callable[[], int] | None, top: int | None) -> None:
    """No later than the start of the run; with a clock, than now."""
    assert Sweeps([], clock=clock)._top(_scanned(page)) == top


BELOW = ListReason.BELOW_WATERMARK.given()
ALIKE = ListReason.NOT_BY_SCAN_TIME.given()


@pytest.mark.parametrize(
    ("pages", "watermark", "head"),
    [
        (["c9 b8 a4"], None, 9),
        (["c9 b8 a4"], 9, 9),
        (["c9 b8 a4"], 8, 9),
        (["c9 b8 a4"], 10, BELOW),
        (["c9 b8", "b8 a10"], 10, BELOW),
        (["c4 b3"], None, SINCE),
        (["c4 b3"], 4, SINCE),
        ([""], None, SINCE),
        ([""], 4, BELOW),
        (["c- b-", "b- a7"], 7, 7),
        (["c30 b25", "b25 a7"], 7, 7),
        (["z71 y72 x73"], None, ALIKE),
        (["c9 b8", "z71 y72 x73"], None, 9),
        (["", "z71 y72 x73"], None, ALIKE),
        (["n81 o82"], None, ALIKE),
    ],
    ids=[
        "no watermark",
        "the watermark",
        "above the watermark",
        "below the watermark",
        "below the watermark, an older page above",
        "all before the lookback",
        "all before the lookback, down to the watermark",
        "no image",
        "no image, and a watermark",
        "nulls first",
        "times in the future first",
        "as in another order",
        "the second page as in another order",
        "as in another order, after an empty page",
        "as in the second other order",
    ],
)
def test_the_head_of_the_list(pages: list[str], watermark: int | None, head: int | Cause) -> None:
    """The newest ScanTime of the first page that has one, which is at least as new as the watermark, and `since`."""
    sweeps = Sweeps([[_scanned(page) for page in pages]], watermark)
    others = [None, _scanned("z71 y72 x73"), _scanned("n81 o82")]
    shown: list[Page] = []
    found = _returned(sweeps._newest(others), shown)
    assert found == head
    if not isinstance(head, Cause):
        assert ([*map(_scanned, pages)], [SINCE]) == (shown, sweeps.until)


def _returned(pages: Generator[Page, None, Any], shown: list[Page]) -> Any:
    """Return what reading the pages has returned, or the cause for which a full sweep is needed."""

    def reading() -> Generator[Page, None, None]:
        returned.append((yield from pages))

    returned: list[Any] = []
    more, cause = _until_fallback(reading())
    shown += more
    return returned[0] if cause is None else cause


def test_a_list_of_one_image_is_alike_in_every_order() -> None:
    """So the order cannot be told, and need not be."""
    for total, expected in [(1, 9), (2, ALIKE), (None, ALIKE)]:
        sweeps = Sweeps([[_scanned("a9", total)]])
        assert _returned(sweeps._newest([_scanned("a9", total)]), []) == expected


@pytest.mark.parametrize(
    ("totals", "expected"), [([9, 8], 8), ([9, None], 9), ([None, 0], 0), ([None, None], None)], ids=str
)
def test_the_total_count_of_the_last_page_is_the_outcomes(totals: list[int | None], expected: int | None) -> None:
    """The last one that came, where an answer has none."""
    sweeps = Sweeps([[_scanned("a9", total) for total in totals]])
    _returned(sweeps._newest([]), [])
    assert sweeps.outcome.total_count == expected


MOVES = ListReason.HEAD_MOVES.given()
ONE, LONG = ["c9 b8 a5"], ["c9 b8", "b8 a5"]
STALE = ["c4 b3"]


@pytest.mark.parametrize(
    ("reads", "until", "cause"),
    [
        ([ONE], [9], None),
        ([["d10 c9"]], [9], None),
        ([STALE, ONE], [9, 9], None),
        ([STALE, STALE], [9, 9], None),
        ([[""], ONE], [9, 9], None),
        ([["c- b-"], ONE], [9, 9], None),
        ([LONG, ONE], [9, 9], None),
        ([["d11 c10", "c10 b9"], ["e12 d11", "d11 c10"], ["e12"]], [9, 11, 12], None),
        ([["d10 c9", "c9 b8"]] * 3, [9, 10, 10], None),
        ([["d30 c25", "c25 b9"], ["d30 c25", "c25 b9"]], [9, 9], None),
        ([["d30 c25", "c25 b9"], ["d31 c25", "c25 b9"], ["d31 c25", "c25 b9"]], [9, 9, 9], None),
        ([STALE, ["d10 c9", "c9 b8"], STALE, ONE], [9, 9, 10, 10], None),
        ([["c4", "b3"]] * HEAD_READS, [9] * HEAD_READS, MOVES),
        (
            [[f"x{number}", f"y{number - 1}"] for number in range(10, 10 + HEAD_READS)],
            [9, *range(10, 9 + HEAD_READS)],
            MOVES,
        ),
        (
            [[f"x{number}", f"y{number - 1}"] for number in range(10, 9 + HEAD_READS)] + [["z15"]],
            [9, *range(10, 9 + HEAD_READS)],
            None,
        ),
    ],
    ids=[
        "nothing new",
        "a scan in one answer",
        "an old answer",
        "the newest image is gone",
        "an empty answer",
        "no ScanTime",
        "two pages, then one",
        "scans at each read, then one page",
        "two pages, and then the same",
        "times in the future fill the first page",
        "times in the future move, and then do not",
        "an old answer after scans",
        "no image is as new as before, in two pages",
        "scans without end",
        "the last read shows all in one page",
    ],
)
def test_the_head_is_read_until_nothing_moves(reads: list[list[str]], until: list[int], cause: Cause | None) -> None:
    """One answer shows all that was scanned since the last read, or two reads show the same. An answer whose newest
    ScanTime is older than before may be an old one, and is asked for once more."""
    sweeps = Sweeps([[*map(_scanned, read)] for read in reads])
    shown, found = _until_fallback(sweeps._scanned_meanwhile(9))
    assert (found, sweeps.until) == (cause, until)
    assert shown == [_scanned(page) for read in reads for page in read]


# The images that are not scanned.


@dataclass
class Reading:
    """Stands for a reader of a list, or of parts: shows the pages, and then has this evidence."""

    pages_: Sequence[Page] = ()
    evidence: Evidence = field(default_factory=lambda: Evidence(ASCENDING, ended=True))
    made: list[Any] = field(default_factory=list)
    can: bool = True

    def __call__(self, *arguments: Any) -> Reading:
        self.made.append(arguments)
        return self

    def can_be_had(self) -> bool:
        return self.can

    def pages(self, *known: Any) -> Iterator[Page]:
        self.made.append(known)
        yield from self.pages_


def _with_status(text: str, total: int | None = 2) -> Page:
    """`aNOT_SCAN bSCANNING` are two images with these statuses."""
    words = text.split()
    made = [{"ImageID": word[0], "ScanStatus": word[1:]} for word in words]
    return Page(0, made, total, None, tuple((number, word[0]) for number, word in enumerate(words)))


def _evidence(*totals: int, **known: Any) -> Evidence:
    """Of two images, each read in an answer of its own, with these TotalCounts."""
    evidence = Evidence(**{"orders": ASCENDING, "ended": True, **known})
    for place, image_id in enumerate("ab"):
        evidence.take(Page(place, [{"ImageID": image_id}], None, None, ((place, image_id),)))
    for number, total in enumerate(totals, start=1):
        evidence.count(Page(0, [], total, None, (), 2 * number, 2 * number + 1))
    return evidence


REFUSED = ListReason.REFUSED.given(rows=2, code="LimitExceeded")
IGNORED = ListReason.STATUS_IGNORED.given()
CHEAPER = ListReason.CHEAPER.given()
BY_ID = ListReason.ID_FILTER.given()


def _unscanned_since(cause: ListReason | Cause) -> Cause:
    return ListReason.UNSCANNED.given(cause=cause.given() if isinstance(cause, ListReason) else cause)


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Reading, Reading, IncrementalSweep]]:
    """Make a sweep whose reader of a list, and whose reader of parts, are these."""

    def make(shown: str, evidence: Evidence, parts: Reading | None = None) -> tuple[Reading, Reading, IncrementalSweep]:
        listed = Reading([_with_status(text) for text in shown.split("|")] if shown else [], evidence)
        parts = parts or Reading(can=False)
        monkeypatch.setattr("connector.listing.incremental.ListReader", listed)
        monkeypatch.setattr("connector.listing.incremental.PartsReader", parts)
        return listed, parts, IncrementalSweep(_remote(_never), since=0, now=0)

    return make


@pytest.mark.parametrize(
    ("shown", "scanned", "evidence", "pages", "cause"),
    [
        ("aNOT_SCAN|bSCANNING", 98, _evidence(2), 2, None),
        ("aNOT_SCAN|bSCANNED", 98, _evidence(2), 1, IGNORED),
        ("aNOT_SCAN|bSCANNING", 9, _evidence(2), 1, CHEAPER),
        ("aNOT_SCAN", 10, _evidence(2), 1, None),
        ("", 0, Evidence(ASCENDING, ended=True), 0, None),
        ("a", 0, Evidence(ASCENDING, ended=True), 1, None),
        ("a", 1, Evidence(ASCENDING, ended=True), 1, CHEAPER),
        ("a|b", 98, _evidence(9, 2), 2, _unscanned_since(_jumped(9, 2))),
        ("a|b", 98, _evidence(3), 2, _unscanned_since(ListReason.COUNT_DIFFERS.given(total=3, images=2))),
        ("a|b", 98, _evidence(2, order_lost=ListReason.UNSORTED), 2, _unscanned_since(ListReason.UNSORTED)),
        ("a|b", 98, _evidence(2, order_lost=ListReason.UNSORTED, snapshot=True), 2, None),
        ("a|b", 98, _evidence(2, problem=REFUSED, ended=False), 2, _unscanned_since(REFUSED)),
        (
            "a|b",
            98,
            _evidence(2, problem=REFUSED, ended=False, order_lost=ListReason.UNSORTED),
            2,
            _unscanned_since(REFUSED),
        ),
    ],
    ids=[
        "in order",
        "a scanned image",
        "as many requests as a full sweep",
        "fewer requests than a full sweep",
        "no image at all",
        "no count at all",
        "one scanned image",
        "a part of the list was hidden",
        "not as many as TotalCount says",
        "no order",
        "no order, in one answer",
        "refused",
        "no order, and refused",
    ],
)
def test_the_list_of_images_that_are_not_scanned(
    reading: Any, shown: str, scanned: int, evidence: Evidence, pages: int, cause: Cause | None
) -> None:
    """It has to be proven, has no scanned image, and has to cost less than a full sweep. Parts cannot be had."""
    listed, _, sweep = reading(shown, evidence)
    read: list[Page] = []
    found = _returned(sweep._unscanned(scanned), read)
    assert read == listed.pages_[:pages]
    assert found == (cause or (evidence, read[-1] if read else None))
    ((remote, query, by, aim), _) = listed.made
    assert (query, by) == (Query("CreateTime", "asc", (("ScanStatus", UNSCANNED),)), "CreateTime")
    assert (remote, aim) == (sweep._remote, Aim(one_end_of_one_answer=True))
    assert sweep._ends == [evidence.end_rows]


@pytest.mark.parametrize(
    ("shown", "is_read"), [("aNOT_SCAN|bSCANNING", True), ("aSCANNING|bSCAN_ERR", False)], ids=["first", "not at all"]
)
def test_a_status_of_the_last_word(reading: Any, shown: str, is_read: bool) -> None:
    """One image shows that the server reads the word."""
    _, _, sweep = reading(shown, _evidence(2))
    _returned(sweep._unscanned(98), [])
    assert sweep._last_word_is_read == is_read


@pytest.mark.parametrize(
    ("order_lost", "problem", "can", "of_parts", "asked", "cause"),
    [
        (ListReason.WIDE_TIE, None, True, _evidence(2), True, None),
        (ListReason.WIDE_TIE, None, False, _evidence(2), False, _unscanned_since(ListReason.WIDE_TIE)),
        (None, REFUSED, True, _evidence(2), False, _unscanned_since(REFUSED)),
        (ListReason.WIDE_TIE, None, True, _evidence(2, problem=BY_ID), True, _unscanned_since(BY_ID)),
        (ListReason.WIDE_TIE, None, True, _evidence(9, 2), True, _unscanned_since(_jumped(9, 2))),
    ],
    ids=["in parts", "not in parts", "refused", "ids are not found", "a part of the list was hidden"],
)
def test_images_that_are_not_scanned_are_read_in_parts(
    reading: Any,
    order_lost: ListReason | None,
    problem: Cause | None,
    can: bool,
    of_parts: Evidence,
    asked: bool,
    cause: Cause | None,
) -> None:
    """Only where their order is lost. The evidence of the parts counts then."""
    evidence = _evidence(2, order_lost=order_lost, problem=problem, ended=problem is None)
    _, parts, sweep = reading("a|b", evidence, Reading([_with_status("c")], of_parts, can=can))
    read: list[Page] = []
    found = _returned(sweep._unscanned(98), read)
    shown = [*map(_with_status, "ab")]
    assert read == ([*shown, *parts.pages_] if asked else shown)
    assert found == (cause or (of_parts, shown[-1]))
    made, *known = parts.made
    assert (made, known) == (
        (sweep._remote, (("ScanStatus", UNSCANNED),), ["a", "b"]),
        [(evidence.ids,)] if asked else [],
    )
    notes = [_unscanned_since(ListReason.IN_PARTS.given(cause=ListReason.WIDE_TIE.given()))]
    assert sweep.outcome.notes == (notes if asked and of_parts.problem is None else [])
    assert (sweep.outcome.passes, sweep.outcome.pages) == ((2, 4) if asked else (1, 2))


# The whole sweep.


def _fleet(images: int = 60, unscanned: int = 4) -> Fleet:
    """The first ones are not scanned, the others were scanned a day apart."""
    scans = [None if n < unscanned else NOW - DAY * (n - unscanned + 1) for n in range(images)]
    return Fleet(items([DAY * (n * 7 % images) for n in range(images)], scans))


def _swept(
    fetch: Callable[[Callable[[Payload], Answer], Payload], Answer], quirks: Quirks | None = None, unscanned: int = 4
) -> tuple[set[str], Outcome]:
    """Sweep through `fetch`, in pages of 5, down to the eighth day: images 11 and those before."""
    watched = Watched(_fleet(unscanned=unscanned), quirks or Quirks(max_limit=5))
    remote = replace(watched.remote(limit=5), fetch=lambda payload: fetch(watched.fetch, payload))
    sweep = IncrementalSweep(remote, since=NOW - 8 * DAY, now=NOW)
    return {item["ImageID"] for page in sweep.pages() for item in page.items}, sweep.outcome


QUESTIONS: dict[str, Callable[[Payload], bool]] = {
    "how many are scanned": lambda payload: "By" not in payload and "Filters" in payload,
    "those that are not scanned": lambda payload: "By" in payload and "Filters" in payload,
    "by CreateTime": lambda payload: payload.get("By") == "CreateTime" and "Filters" not in payload,
    "by ScanTime": lambda payload: payload.get("By") == "ScanTime",
}
REJECTION = RequestRejectedError("no", code="UnsupportedOperation")
FAILURE = TransientError("oh", code="InternalError.DbError")
LARGE = ResponseTooLargeError("too much", code="ResponseSizeLimitExceeded")
LARGE_SOMEWHERE = ResponseTooLargeError("too much")
RESET, BUSY = TransientError("reset"), TransientError("busy", code="ServerBusy")


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (REJECTION, ListReason.REJECTED.given(code="UnsupportedOperation")),
        (FAILURE, ListReason.FAILING.given(code="InternalError.DbError")),
        (LARGE, ListReason.FAILING.given(code="ResponseSizeLimitExceeded")),
        (LARGE_SOMEWHERE, ListReason.FAILING.given(code="too large")),
        (RESET, RESET),
        (BUSY, BUSY),
    ],
    ids=["rejected", "fails", "too large", "too large, no code", "reset", "busy"],
)
def test_a_question_that_always_fails(question: str, error: TcssError, expected: Cause | TcssError) -> None:
    """A full sweep asks otherwise, and gets over a row at which the server fails. Nothing else helps where the server
    has not answered once, or where the network fails."""

    def fetch(inner: Callable[[Payload], Answer], payload: Payload) -> Answer:
        if QUESTIONS[question](payload):
            raise error
        return inner(payload)

    if error is REJECTION and question == "by CreateTime":
        expected = Proof.WATERMARK  # no other order is mistaken for ScanTime's
    elif error is not REJECTION and question == "how many are scanned":
        expected = error
    if isinstance(expected, TcssError):
        with pytest.raises(type(expected)) as raised:
            _swept(fetch)
        assert raised.value is expected
        return
    _, outcome = _swept(fetch)
    if isinstance(expected, Cause):
        assert (outcome.proof, outcome.order_proven) == (None, False)
        assert outcome.fallback == outcome.cause == expected
    else:
        assert (outcome.proof, outcome.fallback, outcome.cause) == (expected, None, None)


NEW = {f"i{number:04}" for number in range(12)}


def test_a_list_in_rising_order_is_not_read_as_a_falling_one() -> None:
    """The server heeds By and ignores Order: its first page shows the oldest scans."""

    def rising(inner: Callable[[Payload], Answer], payload: Payload) -> Answer:
        return inner({**payload, "Order": "asc"} if payload.get("By") == "ScanTime" else payload)

    _, outcome = _swept(rising, Quirks(max_limit=5, nulls="last"))
    assert outcome.fallback == ListReason.SCAN_TIME.given(cause=ListReason.UNSORTED.given())


@pytest.mark.parametrize(("nulls", "requests"), [("lowest", 12), ("first", 23), ("last", 12)])
def test_images_without_a_scan_time_stand_before_the_newest_or_behind_the_oldest(nulls: Any, requests: int) -> None:
    """They may fill pages, say nothing of the order, and are read like other rows."""
    asked: list[Payload] = []

    def counted(inner: Callable[[Payload], Answer], payload: Payload) -> Answer:
        asked.append(payload)
        return inner(payload)

    shown, outcome = _swept(counted, Quirks(max_limit=5, nulls=nulls), unscanned=12)
    assert (outcome.proof, outcome.fallback, len(asked)) == (Proof.WATERMARK, None, requests)
    assert shown >= {f"i{number:04}" for number in range(20)}


def test_an_empty_list_is_complete() -> None:
    """A new account has no image, and no watermark."""
    sweep = IncrementalSweep(Watched(Fleet([])).remote(), since=0, now=NOW)
    assert ([page for page in sweep.pages() if page.items], sweep.outcome.proof) == ([], Proof.WATERMARK)
    assert sweep.outcome.total_count == 0


# What a list costs.


@pytest.mark.parametrize(
    ("unscanned", "total", "costs_more"),
    [(0, 11, True), (0, 12, False), (2, 12, False), (3, 12, True), (3, 15, False), (6, 17, True), (6, 18, False)],
)
def test_what_a_full_sweep_would_cost(unscanned: int, total: int, costs_more: bool) -> None:
    """Pages of three: the unscanned images and three pages more, against the whole list."""
    assert IncrementalSweep(_remote(_never), since=0, now=0)._costs_more(unscanned, total) == costs_more
