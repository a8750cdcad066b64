"""Wide ties: a group of equal sort values is proven by its size, or by the one order in which the server gives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unittest.mock import Mock

import pytest

from connector.api.answers import Answer
from connector.listing.full import FullSweep
from connector.listing.page import Page
from connector.listing.proof import Evidence
from connector.listing.query import Query
from connector.listing.reader import ListReader
from connector.listing.reasons import ListReason
from connector.listing.remote import RemoteList
from connector.listing.ties import ENOUGH_SHARED, Tie, TieReader
from connector.sandbox import Fleet, Quirks
from tests.listing.lists import DAY, Change, Item, Watched, in_turns, instants, items

STABLE, PERMUTED = Quirks(), Quirks(ties="permuted")
IDS = "abcdefghijklmnopqrstuvwxyz"


def page(text: str, offset: int = 0, total: int | None = 100) -> Page:
    """`a1 b2` are images a and b with sort values 1 and 2."""
    words = text.split()
    return Page(offset, words, total, None, tuple((int(word[1:]), word[0]) for word in words))


def tie(*pages: Page) -> Tie:
    """The group with value 5 as these pages, one after the other, show it."""
    group = Tie(5)
    for each in pages:
        group.follow(each)
    return group


# What pages show of a group.


@pytest.mark.parametrize(
    ("shown", "begin", "end"),
    [
        (page("a4 b5 c5"), 1, None),
        (page("a5 b5 c5"), 0, None),
        (page("a5 b5 c5", offset=3), None, None),
        (page("a5 b5 c6", offset=3), None, 5),
        (page("a4 b5 c6", offset=3), 4, 5),
        (page("a5 b5", offset=3, total=5), None, 5),
        (page("a4 b6", offset=3), None, None),
        (page(""), None, None),
        (Page(3, [1, 2, 3], 100, None, ((4, "a"), (5, "b"))), None, None),
    ],
    ids=[
        "the row before",
        "the list begins with it",
        "neither end",
        "the row after",
        "both",
        "the list ends with it",
        "none of it",
        "an empty page",
        "a row that cannot be read",
    ],
)
def test_where_a_group_begins_and_ends(shown: Page, begin: int | None, end: int | None) -> None:
    """A place counts only if the same answer shows the row beside it, or the list's own end."""
    assert (Tie(5).begin_in(shown), Tie(5).end_in(shown)) == (begin, end)


@pytest.mark.parametrize(
    ("pages", "shared", "mixed"),
    [
        ([page("a5 b5 c5"), page("b5 c5 d5", 1)], 2, False),
        ([page("a5 b5 c5"), page("c5 b5 d5", 1)], 0, True),
        ([page("a5 b5 c5"), page("a5 d5 e5", 1)], 0, True),
        ([page("a5 b5 c5"), page("d5 e5 f5", 3)], 0, True),
        ([page("a5 b5 c5"), page("b5 c5 d5", 1), page("c5 d5 e5", 2)], 4, False),
        ([page("a4 b5 c5"), page("b5 c5 d6", 1)], 2, False),
        ([page("a5 b5 c5"), page("c5 b5 d5", 1), page("b5 d5 e5", 2)], 2, True),
        ([page("a5 b5 c5"), page("b5 c5 d5", 1, None)], 0, True),
        ([page("a5 b5 c5"), page("b5 c5 d5", 2)], 0, True),
        ([page("a5 b5 c5"), page("b5 c5 d5", 2, 101)], 2, False),
        ([page("a5 b5 c5"), page("c5 d5 e5", 1)], 0, True),
        ([page("a5 b5 c5"), page("c5 d5 e5", 1, 99)], 1, False),
    ],
    ids=[
        "the last rows are the next first ones",
        "in another order",
        "one from elsewhere",
        "no row shared",
        "three pages",
        "beside other values",
        "in another order once",
        "no TotalCount",
        "a row more than the offsets say",
        "a row more, which has come",
        "a row less than the offsets say",
        "a row less, which is gone",
    ],
)
def test_what_pages_share_of_a_group(pages: list[Page], shared: int, mixed: bool) -> None:
    """In one order, the last rows of each page are the first rows of the next one."""
    group = tie(*pages)
    assert (group.shared, group.mixed) == (shared, mixed)


@pytest.mark.parametrize(
    ("shown", "goes_on"),
    [(page("a4 b5"), True), (page("a5 b6"), False), (page(""), False), (page("a5 b5", total=2), False)],
    ids=["ends in the group", "ends behind the group", "an empty page", "the list ends"],
)
def test_a_group_that_goes_on_behind_a_page(shown: Page, goes_on: bool) -> None:
    """By the last row alone."""
    assert Tie(5).goes_on_after(shown) == goes_on


def _result(steps: Any) -> Any:
    """What steps return; their pages are not looked at."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return done.value


@pytest.mark.parametrize(
    ("tail", "begin", "cap", "asked", "found"),
    [
        (page("a1 b5 c5", 19), 20, 4, [18], 20),
        (page("a1 b5 c5", 19), 25, 4, [18, 20, 22], 25),
        (page("a1 b5 c5", 19), 15, 4, [18, 16, 14], 15),
        (page("b5 c5", 22), 20, 4, [20, 18], 20),
        (page("a1 b5 c5", 19), 20, 2, [19], 20),
        (page("a1 b5 c5", 19), 18, 1, [19, 18, 17, 18, 17, 18], None),
        (page("a1 b5 c5", 3), 0, 4, [2, 0], 0),
        (page("a1 b5 c5", 19), 90, 4, [18, 20, 22, 24, 26, 28], None),
    ],
    ids=[
        "where it was",
        "behind it",
        "before it",
        "the tail did not show it",
        "small pages",
        "pages of one row",
        "at the list's beginning",
        "too far",
    ],
)
def test_the_beginning_of_a_group_is_searched_for(
    tail: Page, begin: int, cap: int, asked: list[int], found: int | None
) -> None:
    """From where the tail showed it, half a page at a time, back from inside the group and on from before it."""
    plan = Mock(cap=cap)
    plan.whole.side_effect = lambda at: page(
        " ".join(f"x{5 if place >= begin else 1}" for place in range(at, at + cap)), at
    )
    assert _result(TieReader(plan, tail, lambda: False)._begin()) == found
    assert [each.args[0] for each in plan.whole.call_args_list] == asked


@pytest.mark.parametrize(
    ("again", "ends"),
    [(page("b5 c6", 1), True), (page("b5 c5 d6", 1), False), (page("b5 c6", 1, 99), False)],
    ids=["as before", "a row more", "TotalCount changed"],
)
def test_a_group_that_still_ends_where_it_ended(again: Page, ends: bool) -> None:
    """At the same place, with the same TotalCount."""
    plan = Mock()
    plan.whole.return_value = again
    last = page("b5 c6", 1)
    assert _result(TieReader(plan, page("a4 b5"), lambda: False)._still_ends(last, 2)) == ends
    plan.whole.assert_called_once_with(1)


def test_one_order_takes_many_shared_rows() -> None:
    """Fewer than 16 may be at their places by chance; one elsewhere refutes it for good."""
    pages = [page(" ".join(f"{IDS[n + k]}5" for k in range(4)), n) for n in range(ENOUGH_SHARED)]
    assert not tie(*pages[:6]).has_one_order  # 5 times 3 rows
    assert tie(*pages[:7]).has_one_order
    assert not tie(*pages, page("b5 a5 c5 d5", 20)).has_one_order


def test_a_page_that_shows_the_beginning_is_no_step_of_the_order() -> None:
    """It adds images, and nothing is compared with the page before it."""
    group = tie(page("a5 b5 c5"))
    group.take(page("x4 y5 z5"))
    assert (group.ids, group.shared, group.mixed) == ({*"abcyz"}, 0, False)


# Groups in a list: 200 images before the group, and 200 after it.


@dataclass(frozen=True)
class Read:
    """What a pass over a list has come to."""

    missed: set[str]
    ties: int
    lost: ListReason | None
    requests: int


def _read(
    size: int, quirks: Quirks, change: Change = lambda watched, number: None, limit: int = 20, seed: int = 3
) -> Read:
    created = [*(DAY * n for n in range(200)), *([DAY * 200] * size), *(DAY * (n + 201) for n in range(200))]
    watched = Watched(Fleet(items(created), seed=seed), quirks, change=change)
    reader = ListReader(watched.remote(limit=limit), Query("CreateTime", "asc"), "CreateTime")
    shown = {item["ImageID"] for each in reader.pages() for item in each.items}
    found: Evidence = reader.evidence
    return Read(watched.throughout - shown, found.ties, found.order_lost, watched.server.requests)


@pytest.mark.parametrize("quirks", [STABLE, PERMUTED], ids=["stable", "permuted"])
@pytest.mark.parametrize("size", [18, 19, 20, 21, 37])
def test_a_wide_tie_in_a_quiet_list_is_proven(size: int, quirks: Quirks) -> None:
    """However its rows are ordered; from the size on at which a page has no room for a row beside the group."""
    found = _read(size, quirks)
    assert (found.missed, found.lost, found.ties <= 1) == (set(), None, True)


def test_a_mixed_group_of_three_pages_is_more_than_four_readings_show() -> None:
    """Each answer shows other rows of it; parts by ImageID, or passes that are counted, take over."""
    assert _read(60, PERMUTED).lost == ListReason.WIDE_TIE


def test_the_size_at_which_a_tie_is_wide() -> None:
    """A page of 20 rows closes a seam over 18 equal ones by itself."""
    assert [_read(size, STABLE).ties for size in (10, 25, 60)] == [0, 1, 1]


def test_a_group_of_one_order_costs_hardly_more_than_other_rows() -> None:
    """600 images of one value, in pages of 20: the pages of the whole list, and a few more."""
    quiet = _read(600, STABLE)
    assert (quiet.missed, quiet.ties) == (set(), 1)
    assert quiet.requests <= 62


def _every(times: int, **changes: int) -> Change:
    def change(watched: Watched, number: int) -> None:
        if number % times == 0:
            watched.fleet.apply(changes)

    return change


@pytest.mark.parametrize("change", [_every(1, rescan=3), _every(5, insert=1), _every(5, delete=1), _every(1, delete=1)])
def test_a_group_of_one_order_is_proven_while_the_list_moves(change: Change) -> None:
    """Rows that come and go do not change the order of the others."""
    found = _read(1000, STABLE, change, limit=100)
    assert (found.missed, found.ties, found.lost) == (set(), 1, None)


def test_a_group_that_is_mixed_anew_while_the_list_moves_is_not_proven() -> None:
    """Neither its size nor an order can be told; a reading that begins anew after each change comes to no end."""
    found = _read(60, PERMUTED, _every(1, delete=1))
    assert (found.ties, found.lost) == (0, ListReason.WIDE_TIE)


def test_a_mixed_group_is_proven_between_two_changes() -> None:
    """What was read before the change is forgotten, and the group read again."""

    def change(watched: Watched, number: int) -> None:
        if number == 14:  # the group is being read
            watched.fleet.delete(["i0220"])

    found = _read(30, PERMUTED, change)
    assert (found.missed, found.ties, found.lost) == (set(), 1, None)


@pytest.mark.parametrize("at", range(12, 20))
def test_as_many_images_as_places_are_no_proof_where_one_of_them_went(at: int) -> None:
    """An image that was read is deleted: the group has one place less, and one of the others was never shown."""

    def change(watched: Watched, number: int) -> None:
        if number == at:
            shown = {image_id for answer in watched.answers for image_id in answer.ids}
            watched.fleet.delete([f"i{n:04}" for n in range(200, 230) if f"i{n:04}" in shown][:1])

    for seed in range(15):
        found = _read(30, PERMUTED, change, seed=seed)
        assert not (found.missed and found.lost is None)


def test_one_order_is_no_proof_where_a_place_was_not_read() -> None:
    """A replica that lacks an image shows the others in their order; the places say that there is one more."""
    lacking = [frozenset({f"i{n:04}"}) for n in range(300, 330)]
    read = [_read(200, Quirks(replicas=(frozenset(), each), replica_by="request")) for each in lacking]
    assert {found.lost for found in read if found.missed} == {ListReason.WIDE_TIE}


def test_pages_of_a_few_rows_cannot_measure_a_group() -> None:
    """There is no room for a row beside the group."""
    assert _read(20, STABLE, limit=4).lost == ListReason.WIDE_TIE


@pytest.mark.parametrize("at", ["first", "last"])
@pytest.mark.parametrize("quirks", [STABLE, PERMUTED], ids=["stable", "permuted"])
def test_a_group_at_an_end_of_the_list(at: str, quirks: Quirks) -> None:
    """The list's own ends bound it: 1970-01-01 is the first value of most lists."""
    alike = [0] * 60
    created = alike + [DAY * (n + 1) for n in range(100)] if at == "first" else [-DAY * n for n in range(100)] + alike
    watched = Watched(Fleet(items(created)), quirks)
    reader = ListReader(watched.remote(limit=20), Query("CreateTime", "asc"), "CreateTime")
    shown = {item["ImageID"] for each in reader.pages() for item in each.items}
    assert shown == watched.fleet.truth().keys()
    assert (reader.evidence.in_order, reader.evidence.ties) == (True, 1)


def test_a_list_that_is_one_group() -> None:
    """All images are of one value."""
    watched = Watched(Fleet(items([0] * 130)))
    reader = ListReader(watched.remote(limit=20), Query("CreateTime", "asc"), "CreateTime")
    shown = {item["ImageID"] for each in reader.pages() for item in each.items}
    assert shown == watched.fleet.truth().keys()
    assert reader.evidence.order_lost in (None, ListReason.NOT_TURNED)


# A result window that cuts a group off, and TotalCount with it.


@dataclass
class Windowed:
    """Sorts by CreateTime, equal ones by ImageID in both directions, and shows only the first rows of a list."""

    listed: list[Item]
    window: int

    def __call__(self, payload: dict[str, Any]) -> Answer:
        rows = [item for item in self.listed if _passes(item, payload.get("Filters", ()))]
        rows.sort(key=lambda item: str(item["ImageID"]))
        rows.sort(key=lambda item: str(item["CreateTime"]), reverse=payload.get("Order") == "desc")
        rows, start = rows[: self.window], payload["Offset"]
        return Answer({"List": rows[start : start + payload["Limit"]], "TotalCount": len(rows)}, None)


def _passes(item: Item, filters: Sequence[Mapping[str, Any]]) -> bool:
    words = {"NOT_SCAN": "notScan", "SCANNED": "scanned"}
    shown = {"ImageID": item["ImageID"], "ScanStatus": words[item["ScanStatus"]]}
    return all(shown[one["Name"]] in one["Values"] for one in filters)


@pytest.mark.parametrize("in_flight", [1, 8])
@pytest.mark.parametrize("window", [980, 950])
def test_a_group_that_a_window_cuts_off_is_read_from_the_other_end(window: int, in_flight: int) -> None:
    """The newest 150 of 1,000 images have one CreateTime, and the window hides the last of them. The other end shows
    the first hundred in both directions, and TotalCount is the window's: neither shows that rows are missing."""
    created = [*(DAY * n for n in range(850)), *([DAY * 900] * 150)]
    sweep = FullSweep(RemoteList(Windowed(items(created), window), instants, in_flight=in_flight))
    with in_turns(3):
        shown = {item["ImageID"] for each in sweep.pages() for item in each.items}
    assert (len(shown), sweep.outcome.cause) == (1000, ListReason.GAP.given(total=window))


@pytest.mark.parametrize("in_flight", [1, 8])
def test_a_mixed_group_that_a_window_cuts_off_is_not_complete(in_flight: int) -> None:
    """Each answer shows other rows of the group, so that as many may be read as TotalCount leaves places for."""
    created = [*(DAY * n for n in range(90)), *([DAY * 100] * 14)]
    for seed in range(40):
        watched = Watched(Fleet(items(created), seed=seed), Quirks(max_limit=8, window=103, ties="permuted"))
        sweep = FullSweep(watched.remote(in_flight, 8))
        with in_turns(seed):
            shown = {item["ImageID"] for each in sweep.pages() for item in each.items}
        assert not (sweep.outcome.complete and len(shown) < 104)


def test_a_group_at_the_end_that_grows_while_it_is_read_is_whole() -> None:
    """TotalCount has grown by the image that the other end shows beyond the group's size."""
    created = [*(-DAY * n - DAY for n in range(100)), *[0] * 60]

    def change(watched: Watched, number: int) -> None:
        if watched.server.payloads[-1] == {"Limit": 20, "Offset": 0, "By": "CreateTime", "Order": "desc"}:
            watched.fleet.bring_back()

    watched = Watched(Fleet(items(created)), change=change)
    watched.fleet.delete(["i0159"])
    reader = ListReader(watched.remote(limit=20), Query("CreateTime", "asc"), "CreateTime")
    shown = {item["ImageID"] for each in reader.pages() for item in each.items}
    assert watched.throughout <= shown
    assert reader.evidence.in_order


def test_one_group_in_a_window_is_counted_apart() -> None:
    """A list of one CreateTime has no other end: scanned images and the others are more than TotalCount says."""
    listed = items([DAY] * 200, [DAY] * 150)
    sweep = FullSweep(RemoteList(Windowed(listed, 180), instants))
    list(sweep.pages())
    assert sweep.outcome.cause == ListReason.COUNT_CAPPED.given(total=180, apart=200)
