"""One pass over a list: seams, ends, and what is no proof. Lists are written as `a1 b2`: image a with sort value 1."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from connector.api.answers import Answer
from connector.errors import RequestRejectedError, ResponseTooLargeError, TransientError
from connector.listing import reader as reading
from connector.listing.overlap import Overlap
from connector.listing.page import DESCENDING, Page, page_of
from connector.listing.query import Fetch, Query
from connector.listing.reader import ListReader
from connector.listing.reasons import ListReason
from connector.listing.remote import RemoteList
from connector.listing.seams import Aim

BY_V = Query("v", "asc")
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _items(text: str) -> list[dict[str, Any]]:
    """A value `-` is null, and a value `?` cannot be parsed."""
    return [{"ImageID": word[0], "v": None if word[1:] == "-" else word[1:]} for word in text.split()]


def _values(items: Sequence[Any], field_name: str = "v") -> list[int | None]:
    assert field_name == "v"
    return [None if item["v"] is None else int(item["v"]) for item in items]


@dataclass
class Script:
    """Answers request n from the n-th list, the last one for ever; `answers` come instead, as (rows, TotalCount)."""

    lists: Sequence[str]
    answers: Mapping[int, tuple[str, int]] = field(default_factory=dict)
    cap: int = 100
    largest: int = 100
    offsets: list[int] = field(default_factory=list)
    orders: list[str] = field(default_factory=list)

    def __call__(self, payload: dict[str, Any]) -> Answer:
        offset, limit = payload["Offset"], payload["Limit"]
        self.offsets.append(offset)
        self.orders.append(payload.get("Order", ""))
        number = len(self.offsets)
        if limit > self.largest:
            raise ResponseTooLargeError("too large", code="ResponseSizeLimitExceeded")
        listed = _items(self.lists[min(number, len(self.lists)) - 1])
        if payload.get("Order") == "desc":
            listed.reverse()
        if number in self.answers:
            text, total = self.answers[number]
            return Answer({"List": _items(text), "TotalCount": total}, None)
        return Answer({"List": listed[offset : offset + min(limit, self.cap)], "TotalCount": len(listed)}, None)


def _reader(fetch: Fetch, limit: int = 3, *, in_flight: Any = 1, query: Query = BY_V, **aim: Any) -> ListReader:
    return ListReader(RemoteList(fetch, _values, in_flight, limit), query, "v", Aim(**aim))


def _shown(reader: ListReader) -> list[str]:
    return ["".join(item["ImageID"] for item in page.items) for page in reader.pages()]


def _numbered(count: int, group: int = 1) -> str:
    return " ".join(f"{LETTERS[place]}{place // group}" for place in range(count))


def test_pages_share_two_rows_where_values_differ() -> None:
    """One row of page n from strictly before its last one is in page n+1."""
    script = Script([_numbered(7)])
    reader = _reader(script, 5)
    assert _shown(reader) == ["abcde", "defg"]
    assert reader.evidence.in_order
    assert (script.offsets, reader.evidence.totals, reader.evidence.rows) == ([0, 3, 0], {7}, 9)


def test_a_shared_row_of_the_last_value_closes_no_seam() -> None:
    """a is deleted and the tie b c d swaps places: the pages share b and c, and d is never shown."""
    reader = _reader(Script(["a1 b2 c2 d2 e3 f4", "d2 c2 b2 e3 f4"]))
    _shown(reader)
    assert not reader.evidence.in_order


def test_deleted_rows_are_bridged() -> None:
    """Three rows go before the boundary: the next page shares nothing, and the seam is read again."""
    quiet = _numbered(12)
    reader = _reader(Script([quiet, quiet.replace("a0 b1 c2 ", "")]), 5)
    assert set("".join(_shown(reader))) == set("abcdefghijkl")
    assert (reader.evidence.in_order, reader.evidence.seam_repairs) == (True, 2)


def test_pages_whose_values_cannot_be_parsed_have_no_order() -> None:
    """All rows are read, and no seam is there to be judged."""
    reader = _reader(Script([" ".join(f"{letter}?" for letter in LETTERS)]), 5)
    assert set("".join(_shown(reader))) == set(LETTERS)
    assert (reader.evidence.order_lost, reader.evidence.ended) == (ListReason.UNSORTED, True)


def test_rows_at_the_other_end_are_unread_whether_or_not_their_values_can_be_parsed() -> None:
    """A window of six rows, TotalCount included: the other end shows g h i, which nobody has read."""

    def windowed(payload: dict[str, Any]) -> Answer:
        listed = _items("a1 b2 c3 d4 e5 f6 g? h? i?")[:: -1 if payload["Order"] == "desc" else 1][:6]
        return Answer({"List": listed[payload["Offset"] :][: payload["Limit"]], "TotalCount": 6}, None)

    reader = _reader(windowed)
    assert set("".join(_shown(reader))) >= set("abcdef")
    assert reader.evidence.problem == ListReason.END_HIDDEN.given()


def test_a_wide_tie_that_moves_between_the_looks_at_its_ends_is_not_taken_for_a_smaller_one() -> None:
    """Two rows come before the group and two go behind it, between two requests: TotalCount stays, and the group seems
    to have five places, as many as images were read."""
    group = "c5 a5 b5 d5 e5 f5 g5"
    before, after = f"p1 q1 {group} x8 y9 z9", f"v0 w0 p1 q1 {group} x8"
    mixed = {1: ("p1 q1 c5 d5 e5", 12), 2: ("c5 d5 e5 f5 g5", 12), 3: ("f5 g5 c5 x8 y9", 12)}
    reader = _reader(Script([before, before, before, after], mixed), 5)
    assert set("".join(_shown(reader))) >= set("abcdefg")
    assert reader.evidence.in_order


def test_an_image_that_leaves_a_wide_tie_for_the_top_does_not_stand_for_one_that_was_not_read() -> None:
    """As a scan does in the order by ScanTime: a leaves the group, and g, which was not read, makes up the number."""
    before = "p1 q1 c5 a5 b5 d5 e5 f5 g5 x8 y9 z9"
    after = "a0 p1 q1 c5 b5 g5 d5 e5 f5 x8 y9 z9"
    mixed = {2: ("c5 a5 d5 e5 f5", 12), 3: ("e5 f5 d5 x8 y9", 12)}
    reader = _reader(Script([before, before, before, after], mixed), 5)
    assert set("".join(_shown(reader))) >= set("abcdefg")
    assert reader.evidence.in_order


def test_a_row_repeated_in_place_of_another_hides_no_row() -> None:
    """TotalCount, which changes, does not tell that f is missing; the page is read again at once."""
    script = Script([_numbered(8), _numbered(9)], {2: ("d3 e4 e4 g6 h7", 9)})
    reader = _reader(script, 5)
    assert _shown(reader) == ["abcde", "defgh", "ghi"]
    assert (reader.evidence.in_order, script.offsets[1:3]) == (True, [3, 3])


def test_a_page_behind_the_last_one_shows_nothing_new() -> None:
    """Rows inserted at the front push the list back; the pass goes on all the same."""
    quiet = _numbered(9)
    reader = _reader(Script([quiet, "u-9 v-8 w-7 x-6 y-5 z-4 " + quiet]), 4)
    shown = _shown(reader)
    assert set(quiet[::3]) <= set("".join(shown))
    assert reader.evidence.in_order


@pytest.mark.parametrize("group", [2, 3])
def test_tie_groups_below_a_page_are_read_whole(group: int) -> None:
    """A page has room for a row before the group, the group, and a row after it."""
    reader = _reader(Script([_numbered(24, group)]), 5)
    assert set("".join(_shown(reader))) == set(LETTERS[:24])
    assert reader.evidence.in_order


@pytest.mark.parametrize(("group", "ties"), [(4, 4), (5, 4), (6, 4), (11, 2), (24, 1)])
def test_a_tie_group_as_long_as_a_page_is_proven_by_its_size(group: int, ties: int) -> None:
    """As many images as places between the row before the group and the row after it."""
    reader = _reader(Script([_numbered(24, group)]), 5)
    assert set("".join(_shown(reader))) == set(LETTERS[:24])
    assert (reader.evidence.in_order, reader.evidence.ties) == (True, ties)


def test_values_out_of_order_are_no_order() -> None:
    """All is read once, without overlaps, and can be counted."""
    script = Script(["a3 b1 c2 d9 e5 f4 g8"])
    reader = _reader(script)
    assert _shown(reader) == ["abc", "def", "g"]
    assert (reader.evidence.order_lost, reader.evidence.countable) == (ListReason.UNSORTED, True)
    assert script.offsets == [0, 3, 6]


def test_what_was_read_again_is_not_countable() -> None:
    """A pass with a repair may have missed as many rows as it has seen twice."""
    reader = _reader(Script(["a3 b1 c2 d9 e5 f4 g8"], {2: ("d9", 7)}))
    assert _shown(reader) == ["abc", "def", "g"]
    assert (reader.evidence.countable, reader.evidence.re_reads) == (False, 1)


def test_a_list_with_a_row_twice_is_not_countable() -> None:
    """Its TotalCount is not the number of its images. The page is asked for twice: it may be a mistake."""
    reader = _reader(Script(["b1 a3 b1 d9 e5"]))
    assert _shown(reader) == ["bab", "de"]
    assert (reader.evidence.countable, reader.evidence.totals) == (False, {5})


def test_nulls_that_were_deleted_may_hide_the_newest_values() -> None:
    """After a page of nulls the next one has to begin with a null: here it begins after e, the newest."""
    reader = _reader(
        Script(["a- b- c- d- e9 f8 g7 h6 i1", "e9 f8 g7 h6 i1"]), orders=DESCENDING, until=5, ignore_nulls=True
    )
    _shown(reader)
    assert reader.evidence.order_lost == ListReason.WIDE_TIE


def test_insist_ends_with_the_order() -> None:
    """No page follows the one that is out of order."""
    script = Script(["a1 b2 c3 d9 e5 f4"])
    reader = _reader(script, insist=True)
    _shown(reader)
    assert (reader.evidence.in_order, script.offsets) == (False, [0, 1, 2])


@pytest.mark.parametrize(
    ("answers", "shown"),
    [
        ({2: ("", 7)}, ["abcde", "defg"]),
        ({2: ("d3", 7)}, ["abcde", "defg"]),
        ({2: ("", 7), 3: ("d3", 7)}, ["abcde", "defg"]),
        ({2: ("d3 e4", 5)}, ["abcde", "de", "defg"]),
        ({2: ("d3 d3 e4 f5", 7)}, ["abcde", "defg"]),
    ],
    ids=["empty", "short", "empty, then short", "short, TotalCount as small", "a row twice in place of the last"],
)
def test_a_wrong_end_is_read_again(answers: dict[int, tuple[str, int]], shown: list[str]) -> None:
    """An end that falls short of the largest TotalCount, or has a row twice, counts when it was shown twice."""
    reader = _reader(Script([_numbered(7)], answers), 5)
    assert (_shown(reader), reader.evidence.in_order) == (shown, True)


def test_an_end_with_other_rows_is_another_end() -> None:
    """As few rows as before at the end are no confirmation where they are others."""
    short = _numbered(7).replace("d3 e4 ", "")
    reader = _reader(Script([_numbered(7), _numbered(7), short], {2: ("d3 e4", 5)}), 5)
    assert {"f", "g"} <= set("".join(_shown(reader)))


def test_a_row_that_is_always_listed_twice_is_an_end() -> None:
    """Shown twice alike, the end is accepted."""
    reader = _reader(Script(["a1 b2 c3 d4 d4"]), 5)
    assert (set("".join(_shown(reader))), reader.evidence.in_order) == (set("abcd"), True)


def test_an_empty_list_is_shown_twice() -> None:
    """One empty answer is no proof, and the second one ends the pass."""
    script = Script(["a1 b2"], {1: ("", 0)})
    reader = _reader(script)
    assert (_shown(reader), reader.evidence.in_order) == (["", "ab"], True)
    script = Script([""])
    reader = _reader(script)
    assert (_shown(reader), reader.evidence.one_answer, script.offsets) == ([""], True, [0, 0])


@pytest.mark.parametrize(
    ("total", "problem"),
    [
        (0, "the list shows more rows than its TotalCount says (0)"),
        (5, "the list shows more rows than its TotalCount says (5)"),
        (9, "the list shows 7 rows, but its TotalCount says 9"),
    ],
    ids=["0", "too small", "too large"],
)
def test_a_total_count_that_contradicts_the_rows_is_a_problem(total: int, problem: str) -> None:
    """It cannot say where the list ends."""

    def fetch(payload: dict[str, Any]) -> Answer:
        offset = payload["Offset"]
        return Answer({"List": _items(_numbered(7))[offset : offset + 4], "TotalCount": total}, None)

    reader = _reader(fetch, 4, query=Query())
    assert set("".join(_shown(reader))) == set("abcdefg")
    assert (str(reader.evidence.problem), reader.evidence.in_order) == (problem, False)


@pytest.mark.parametrize(
    ("script", "orders"),
    [
        (Script(["a1 b2"], {1: ("a1 b2", 3)}), ["asc", "asc", "asc", "asc", "desc"]),
        (Script(["a1 b2 c3 d4 e5", "a1"]), ["asc", "asc", "asc"]),
        (Script([""]), ["asc", "desc"]),
    ],
    ids=["rows", "no rows behind others", "an empty list"],
)
def test_an_end_is_shown_again_where_it_was_and_an_empty_list_from_its_other_end(
    script: Script, orders: list[str]
) -> None:
    """Where TotalCount has been greater, or there are no rows."""
    _shown(_reader(script))
    assert script.orders[: len(orders)] == orders


@pytest.mark.parametrize(
    ("listed", "offsets"),
    [("a- b- c- d- e- f1 g2 h3 i4", [0, 4]), ("a- b- c1 d2 e3 f4", [0]), ("a- b- c- d- e-", [0])],
    ids=["a page of nulls", "less", "nulls alone"],
)
def test_behind_a_page_of_nulls_the_other_end_is_read_where_values_begin(listed: str, offsets: list[int]) -> None:
    """That page begins with the last null that was read."""
    script = Script([listed])
    reader = _reader(script, 5, query=Query("v", "desc"), orders=DESCENDING, ignore_nulls=True)
    _shown(reader)
    assert reader.evidence.in_order
    assert [at for at, order in zip(script.offsets, script.orders, strict=True) if order == "asc"] == offsets


@pytest.mark.parametrize("refused", [False, True])
def test_a_single_answer_that_the_server_cuts_is_not_the_list(refused: bool) -> None:
    """TotalCount counts the rows of the answer, and the order is ignored: the other end shows the same rows. So the
    next rows are asked for, and are there. A server that refuses to show them looks like a list of three rows."""
    offsets = []

    def cut(payload: dict[str, Any]) -> Answer:
        offsets.append(payload["Offset"])
        if refused and payload["Offset"]:
            raise RequestRejectedError("no such page", code="InvalidParameter")
        listed = _items(_numbered(7))[payload["Offset"] :][: min(payload["Limit"], 3)]
        return Answer({"List": listed, "TotalCount": 3}, None)

    reader = _reader(cut, 5)
    shown = {*"".join(_shown(reader))}
    assert offsets[:3] == [0, 0, 3]
    assert (reader.evidence.in_order, shown >= {*"def"}) == (refused, not refused)


def test_smaller_pages_than_asked_for_are_learnt() -> None:
    """As short twice means that the server sends no more at once."""
    script = Script([_numbered(14)], cap=4)
    reader = _reader(script, 10)
    assert set("".join(_shown(reader))) == set(LETTERS[:14])
    assert (reader.evidence.in_order, reader.evidence.re_reads) == (True, 1)
    assert script.offsets == [0, 0, 2, 4, 6, 8, 10, 12, 0]


def test_an_answer_that_is_too_large_is_asked_for_in_halves() -> None:
    """Down to what the server can send."""
    reader = _reader(Script([_numbered(14)], largest=5), 20)
    assert set("".join(_shown(reader))) == set(LETTERS[:14])
    assert reader.evidence.in_order


def test_one_row_that_is_too_large_is_an_error() -> None:
    """Nothing less can be asked for."""
    with pytest.raises(ResponseTooLargeError, match="one image alone"):
        _shown(_reader(Script([_numbered(14)], largest=0), 4))


@pytest.mark.parametrize(
    ("listed", "until", "shown"),
    [
        ("a9 b8 c7 d6 e5 f4", 7, ["abc", "bcd"]),
        ("a9 b8 c7 d6 e5 f4", 8, ["abc"]),
        ("a9 b7 c7 d6 e5 f4", 7, ["abc", "abcd"]),
        ("a- b- c- d- e9 f8 g1", 5, ["abc", "bcd", "cde", "def", "efg"]),
    ],
    ids=["after the value", "at once", "after its ties", "nulls first"],
)
def test_an_early_stop_comes_after_the_value(listed: str, until: int, shown: list[str]) -> None:
    """The pass stops at the first page that goes below `until`."""
    limit = 4 if until == 7 and "b7" in listed else 3
    reader = _reader(Script([listed]), limit, orders=DESCENDING, until=until, ignore_nulls=True)
    pages = _shown(reader)
    assert reader.evidence.stopped_early
    assert {row[0] for row in listed.split() if row[1:] != "-" and int(row[1:]) >= until} <= set("".join(pages))
    if limit == 3:
        assert pages == shown


def test_a_null_at_the_end_of_a_page_is_no_early_stop() -> None:
    """It may stand among the values: the nulls after it are read to the end."""
    reader = _reader(Script(["a9 b8 c- d- e- f- g-"]), 3, orders=DESCENDING, until=5, ignore_nulls=True)
    assert set("".join(_shown(reader))) == set(LETTERS[:7])
    assert not reader.evidence.stopped_early


def test_a_list_that_grows_faster_than_it_is_read_ends() -> None:
    """After four times the requests of a quiet list the pass gives up."""
    count = 0

    def fetch(payload: dict[str, Any]) -> Answer:
        nonlocal count
        count += 4
        rows = [{"ImageID": f"{n}", "v": n} for n in range(payload["Offset"], payload["Offset"] + 3)]
        return Answer({"List": rows, "TotalCount": 9 + count}, None)

    reader = _reader(fetch, 3, query=Query())
    _shown(reader)
    assert str(reader.evidence.problem).startswith("the list did not end within")


def test_a_list_without_end_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where TotalCount is too small, and every answer shows something new."""
    monkeypatch.setattr(reading, "MOST_READS", 500)

    def fetch(payload: dict[str, Any]) -> Answer:
        rows = [{"ImageID": f"{n}", "v": n} for n in range(payload["Offset"], payload["Offset"] + 3)]
        return Answer({"List": rows, "TotalCount": 2}, None)

    reader = _reader(fetch, 3, query=Query())
    assert len(_shown(reader)) == 501
    assert str(reader.evidence.problem) == "the list did not end within 501 requests"


@pytest.mark.parametrize("value", [lambda n: n, lambda n: 5], ids=["values in order", "one wide tie"])
@pytest.mark.parametrize("rows", [0, 1, 3, 30])
def test_requests_are_for_what_is_shown_and_not_for_what_is_claimed(value: Callable[[int], int], rows: int) -> None:
    """A TotalCount of a billion over a few rows, which come again and again."""
    asked = 0

    def fetch(payload: dict[str, Any]) -> Answer:
        nonlocal asked
        asked += 1
        places = range(payload["Offset"], payload["Offset"] + payload["Limit"])
        shown = [{"ImageID": f"{n % rows}", "v": value(n % rows)} for n in places if rows]
        return Answer({"List": shown, "TotalCount": 10**9}, None)

    reader = _reader(fetch, 6, query=Query())
    _shown(reader)
    assert reader.evidence.problem is not None
    assert asked < 400


def test_a_tie_that_never_ends_takes_no_more_requests_than_its_images() -> None:
    """New rows in each answer, all of one value, and a TotalCount of a billion: then the same rows for ever."""
    asked = 0

    def fetch(payload: dict[str, Any]) -> Answer:
        nonlocal asked
        asked += 1
        places = range(payload["Offset"], payload["Offset"] + payload["Limit"])
        return Answer({"List": [{"ImageID": f"{n % 600}", "v": 5} for n in places], "TotalCount": 10**9}, None)

    reader = _reader(fetch, 6, query=Query())
    _shown(reader)
    assert reader.evidence.problem is not None
    assert asked < 1200


def test_pages_under_way_may_become_more_meanwhile() -> None:
    """As the latency grows: once five may be, the next five answers come only when all of them are asked for."""
    most, together, waiting = [2], threading.Barrier(5, timeout=30), iter(range(5))

    def fetch(payload: dict[str, Any]) -> Answer:
        if payload["Offset"] >= 100 and next(waiting, None) is not None:
            together.wait()
        rows = [{"ImageID": f"{n}", "v": n} for n in range(payload["Offset"], min(payload["Offset"] + 5, 300))]
        most[0] = 5
        return Answer({"List": rows, "TotalCount": 300}, None)

    reader = _reader(fetch, 5, query=Query(), in_flight=lambda: most[0])
    _shown(reader)
    assert reader.evidence.in_order
    assert not together.broken


@pytest.mark.parametrize(
    ("mistaken", "lost"),
    [([2], None), ([4], None), ([2] * 99, ListReason.NO_FIRST_PAGE)],
    ids=["the next page", "one further on", "always"],
)
def test_a_first_page_that_answers_another_request_is_read_again(mistaken: list[int], lost: ListReason | None) -> None:
    """The rows before it would be missed, since every seam after it closes."""
    listed, wrong = _items(_numbered(12)), iter(mistaken)

    def fetch(payload: dict[str, Any]) -> Answer:
        offset = payload["Offset"] or next(wrong, 0)
        return Answer({"List": listed[offset : offset + 4], "TotalCount": 12}, None)

    reader = _reader(fetch, 4, query=Query(), in_flight=4, expected=12)
    shown = set("".join(_shown(reader)))
    assert reader.evidence.order_lost == lost
    assert reader.evidence.in_order is (shown == set(LETTERS[:12])) is (lost is None)


def test_pages_are_asked_for_before_the_first_answer() -> None:
    """As far as rows are expected: none of the first four answers comes before all of them are asked for."""
    together = threading.Barrier(4, timeout=30)

    def fetch(payload: dict[str, Any]) -> Answer:
        if payload["Offset"] < 16:
            together.wait()
        rows = [{"ImageID": f"{n}", "v": n} for n in range(payload["Offset"], min(payload["Offset"] + 10, 60))]
        return Answer({"List": rows, "TotalCount": 60}, None)

    reader = _reader(fetch, 10, query=Query(), in_flight=4, expected=16)
    _shown(reader)
    assert (reader.evidence.in_order, len(reader.evidence.ids)) == (True, 60)
    assert not together.broken


def test_nothing_that_lies_beyond_the_end_is_looked_at() -> None:
    """The list has become shorter than expected, and the server may say what it likes about such an offset."""

    def fetch(payload: dict[str, Any]) -> Answer:
        if payload["Offset"] >= 5:
            raise TransientError("there is no such offset")
        return Answer({"List": _items(_numbered(5)), "TotalCount": 5}, None)

    reader = _reader(fetch, 10, query=Query(), in_flight=4, expected=100)
    assert _shown(reader) == ["abcde"]
    assert (reader.evidence.in_order, reader.evidence.one_answer) == (True, True)


def test_an_error_ends_the_pass_and_its_threads() -> None:
    """It is raised as it came."""

    def fetch(payload: dict[str, Any]) -> Answer:
        if payload["Offset"] > 20:
            raise TransientError("down")
        rows = [{"ImageID": f"{n}", "v": n} for n in range(payload["Offset"], payload["Offset"] + 5)]
        return Answer({"List": rows, "TotalCount": 100}, None)

    reader = _reader(fetch, 5, query=Query(), in_flight=4)
    with pytest.raises(TransientError, match="down"):
        _shown(reader)
    for thread in threading.enumerate():
        if thread.name.startswith("tcss-page"):
            thread.join()


@dataclass
class FromBothEnds:
    """A list of 26 rows that stands still, and whose last page of 9 is not full.

    `at_end` is called with each request for the other end, whose rows it may return. `orders` are those of the
    requests.
    """

    at_end: Callable[[int], str | None] = lambda number: None
    rows: str = _numbered(26)
    latest: threading.Event = field(default_factory=threading.Event)
    orders: list[str] = field(default_factory=list)

    def __call__(self, payload: dict[str, Any]) -> Answer:
        offset, listed = payload["Offset"], _items(self.rows)
        self.orders.append(payload["Order"])
        if payload["Order"] == "desc":
            self.latest.set()
            text = self.at_end(self.orders.count("desc"))
            listed = _items(text) if text else listed[::-1]
        elif offset + payload["Limit"] >= 26:
            assert self.latest.wait(30), "the other end was not asked for together with the last page"
        return Answer({"List": listed[offset : offset + payload["Limit"]], "TotalCount": 26}, None)


def test_the_other_end_is_asked_for_together_with_the_last_page() -> None:
    """The last page's answer comes only after the request for the other end, and no request is made twice."""
    fetch = FromBothEnds()
    reader = _reader(fetch, 9, in_flight=4)
    _shown(reader)
    assert (reader.evidence.in_order, len(reader.evidence.ids)) == (True, 26)
    assert (fetch.orders.count("asc"), fetch.orders.count("desc"), reader.evidence.reads) == (4, 1, 5)


@pytest.mark.parametrize(
    "rows",
    ["i8 h7 g6 f5 e4 d3 c2 b1 a0", "I34 H33 G32 F31 E30 D29 C28 B27 A26", "z- y- x- w- v- u- t- s- r-"],
    ids=["an earlier end", "a later end", "no values"],
)
def test_what_was_asked_ahead_serves_only_where_it_settles_the_end(rows: str) -> None:
    """Another answer is no sign of anything, because the list may have moved since: the end is asked for again."""
    fetch = FromBothEnds(lambda number: rows if number == 1 else None)
    reader = _reader(fetch, 9, in_flight=4)
    _shown(reader)
    assert (reader.evidence.in_order, reader.evidence.end_checks) == (True, 0)
    assert {*reader.evidence.ids} == {*LETTERS}
    assert fetch.orders.count("desc") == 2


def test_what_was_asked_ahead_and_not_read_refutes_an_end_that_shows_less() -> None:
    """A group of equal values fills both answers. By chance the second answer shows only rows that were read."""
    alike = "z16 y16 x16 w16 v16 u16 t16 s16 r16"
    fetch = FromBothEnds({1: f"Q16 {alike[:-4]}", 2: alike}.get, f"{_numbered(16)} q16 {alike}")
    reader = _reader(fetch, 9, in_flight=4)
    _shown(reader)
    assert reader.evidence.end_checks == 1


def test_rows_that_moved_to_the_other_end_do_not_show_that_the_end_was_read() -> None:
    """TotalCount is capped at 12 of 15 rows. Images that were read at the list's beginning are now the newest."""
    listed = _items(_numbered(15))

    def fetch(payload: dict[str, Any]) -> Answer:
        if payload["Order"] == "desc":
            return Answer({"List": _items("c92 b91 a90")[: payload["Limit"]], "TotalCount": 12}, None)
        offset = payload["Offset"]
        return Answer({"List": listed[:12][offset : offset + payload["Limit"]], "TotalCount": 12}, None)

    reader = _reader(fetch)
    _shown(reader)
    assert reader.evidence.problem == ListReason.END_HIDDEN.given()


def test_an_error_of_what_was_asked_ahead_counts_for_nothing() -> None:
    def fail(number: int) -> None:
        if number == 1:
            raise TransientError("down")

    fetch = FromBothEnds(fail)
    reader = _reader(fetch, 9, in_flight=4)
    _shown(reader)
    assert (reader.evidence.in_order, fetch.orders.count("desc")) == (True, 2)


def test_one_request_at_a_time_asks_nothing_ahead() -> None:
    fetch = FromBothEnds()
    fetch.latest.set()
    reader = _reader(fetch, 9)
    _shown(reader)
    assert (reader.evidence.in_order, fetch.orders) == (True, ["asc"] * 4 + ["desc"])


def _learnt(pages: Sequence[tuple[int, str]], cap: int) -> int:
    overlap, before = Overlap(), None
    for offset, text in pages:
        page: Page = page_of(Answer({"List": _items(text), "TotalCount": 99}, None), offset, _values)
        overlap.learn(page, before, cap)
        before = page
    return overlap.rows


@pytest.mark.parametrize(
    ("pages", "rows"),
    [
        ([(0, "a1 b2 c3 d4")], 2),
        ([(0, "a1 b2 c2 d3 e3 f4 g4")], 3),
        ([(0, _numbered(26, 4))], 5),
        ([(0, "a1 a1 a1 a1")], 2),
        ([(0, "a1 b2 c3"), (1, "c3 d4 e5"), (2, "d4 e5 f6")], 3),
        ([(0, "a1 b2 c3"), (3, "x4 y5 z6")], 4),
        ([(0, "a1 b2 c3"), (3, "a1 b2 c3")], 2),
    ],
    ids=["distinct", "pairs", "fours", "all equal", "a deletion now and then", "nothing shared", "rows inserted"],
)
def test_the_overlap_is_what_the_seams_need(pages: list[tuple[int, str]], rows: int) -> None:
    """Two rows, the tie group, and what the list moves by between two requests."""
    assert _learnt(pages, 100) == rows
