"""The three sweeps: a full one, an incremental one by ScanTime, and the look-up of images that seem gone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random
from typing import Any, Literal

import pytest

from connector.errors import RequestRejectedError
from connector.listing.confirm import LookUp, look_up
from connector.listing.full import FullSweep
from connector.listing.incremental import IncrementalSweep
from connector.listing.proof import Outcome, Proof
from connector.listing.reasons import ListReason
from connector.sandbox import Fault, Fleet, Quirks
from connector.sandbox.images import instant_text
from connector.sandbox.orders import sort_value
from tests.listing.lists import DAY, NOW, Change, Item, Watched, instant, items

HOUR = DAY // 24
UNSORTABLE = Quirks(sortable=frozenset({"CreateTime"}))
Nulls = Literal["lowest", "first", "last", "interleaved"]


def _listed(count: int, unscanned: int = 0) -> list[Item]:
    """`count` images, the first ones never scanned, the others an hour apart, the newest an hour ago."""
    scans = [None if n < unscanned else NOW - HOUR * (n - unscanned + 1) for n in range(count)]
    return items([DAY * (n * 7 % count) for n in range(count)], scans)


def _full(watched: Watched, limit: int = 100) -> tuple[set[str], Outcome]:
    sweep = FullSweep(watched.remote(limit=limit))
    return {item["ImageID"] for page in sweep.pages() for item in page.items}, sweep.outcome


def _incremental(
    watched: Watched, since: int, limit: int = 100, clock: Callable[[], int] | None = None
) -> tuple[dict[str, Item], Outcome]:
    remote = replace(watched.remote(limit=limit), clock=clock)
    sweep = IncrementalSweep(remote, since=since, now=NOW)
    shown = [item for page in sweep.pages() for item in page.items]
    return {item["ImageID"]: item for item in shown}, sweep.outcome


# Full sweeps.


@pytest.mark.parametrize(("count", "requests"), [(0, 2), (1, 2), (99, 2), (100, 3), (101, 3), (197, 3), (198, 4)])
def test_a_small_list_takes_few_requests(count: int, requests: int) -> None:
    """A list has to be seen from both ends: one request more than its pages, and an empty list has to come twice."""
    watched = Watched(Fleet(_listed(count)))
    shown, outcome = _full(watched)
    assert (len(shown), outcome.complete, watched.server.requests) == (count, True, requests)
    assert outcome.reason == ("by order" if count >= 100 else "in one answer")


def test_the_outcome_of_a_full_sweep() -> None:
    """What `sync_runs` says of it."""
    watched = Watched(Fleet(_listed(250)))
    shown, outcome = _full(watched)
    assert len(shown) == 250
    assert outcome == Outcome(proof=Proof.ORDER, order_proven=True, pages=3, passes=1, rows_listed=254, total_count=250)


def test_a_rejected_sort_is_noted() -> None:
    """The server's own order is read, and proven if its values show one."""
    quirks = Quirks(sortable=frozenset(), unknown_by="reject", default_order="create_time_desc")
    shown, outcome = _full(Watched(Fleet(_listed(250)), quirks))
    assert (len(shown), outcome.reason) == (250, "by order")
    assert [str(note) for note in outcome.notes] == [
        "the server rejects By=CreateTime (InvalidParameterValue): its own order was read"
    ]


def test_a_request_rejected_in_every_order_is_an_error() -> None:
    """There is nothing left to ask for."""
    watched = Watched(Fleet(_listed(20)), Quirks(max_limit=5))
    with pytest.raises(RequestRejectedError, match="Limit"):
        _full(watched, limit=10)


def test_filters_are_sent_with_every_request() -> None:
    """A filtered list is read like another."""
    watched = Watched(Fleet(_listed(250, unscanned=40)))
    sweep = FullSweep(watched.remote(), (("ScanStatus", ("notScan",)),))
    shown = {item["ImageID"] for page in sweep.pages() for item in page.items}
    assert (shown, sweep.outcome.reason) == ({f"i{n:04}" for n in range(40)}, "in one answer")
    assert watched.server.payloads == [
        {
            "Limit": 100,
            "Offset": 0,
            "By": "CreateTime",
            "Order": "asc",
            "Filters": [{"Name": "ScanStatus", "Values": ["notScan"]}],
        },
        {
            "Limit": 100,
            "Offset": 0,
            "By": "CreateTime",
            "Order": "desc",
            "Filters": [{"Name": "ScanStatus", "Values": ["notScan"]}],
        },
    ]


def test_an_image_listed_twice_counts_once() -> None:
    """Both rows are shown, and the sweep is complete."""
    watched = Watched(Fleet(_listed(230)), Quirks(listed_twice={"i0007": {"HostCnt": -1}, "i0229": {}}))
    shown, outcome = _full(watched)
    assert (len(shown), outcome.complete, outcome.total_count) == (230, True, 232)


def test_times_that_cannot_be_read_prove_nothing() -> None:
    """The images are shown all the same, and the others prove the order."""
    fleet = Fleet(_listed(230))
    fleet.replace({"i0003": {"CreateTime": "yesterday"}, "i0120": {"CreateTime": 7}})
    shown, outcome = _full(Watched(fleet))
    assert (len(shown), outcome.complete) == (230, True)


# Incremental sweeps: 400 images, 30 of them not scanned.


def _fleet() -> Fleet:
    return Fleet(_listed(400, unscanned=30))


UNSCANNED = {f"i{n:04}" for n in range(30)}


def test_an_incremental_sweep_shows_what_is_new_and_what_is_not_scanned() -> None:
    """How many are scanned, those that are not, two other orders, two pages down to the watermark, the newest again."""
    watched = Watched(Fleet(_listed(900, unscanned=30)))
    shown, outcome = _incremental(watched, NOW - 120 * HOUR)
    assert UNSCANNED | {f"i{n:04}" for n in range(30, 150)} <= shown.keys()
    assert [(p.get("By"), p.get("Order"), p["Offset"], "Filters" in p) for p in watched.server.payloads] == [
        (None, None, 0, True),
        ("CreateTime", "asc", 0, True),
        ("CreateTime", "desc", 0, False),
        ("NoSuchField", "desc", 0, False),
        ("ScanTime", "desc", 0, False),
        ("ScanTime", "desc", 98, False),
        ("ScanTime", "desc", 0, False),
    ]
    assert (outcome.complete, outcome.fallback, outcome.order_proven) == (True, None, True)
    assert (outcome.reason, outcome.total_count) == ("by order, down to the watermark", 900)


def test_200_rescans_of_20000_images() -> None:
    """Seven requests and those for the unscanned, however large the fleet."""
    fleet = Fleet.seeded(20_000, now=NOW)
    since = max(value for item in fleet.truth().values() if (value := instant(item)) is not None)
    changed = set(fleet.rescan(200))
    watched = Watched(fleet)
    sweep = IncrementalSweep(watched.remote(in_flight=8), since=since, now=fleet.now)
    shown = {item["ImageID"]: item for page in sweep.pages() for item in page.items}
    truth = fleet.truth()
    assert sweep.outcome.complete
    assert {image_id: truth[image_id] for image_id in changed} == {image_id: shown[image_id] for image_id in changed}
    assert {i for i, item in truth.items() if item["ScanStatus"] != "SCANNED"} <= shown.keys()
    by_status = sum("Filters" in payload for payload in watched.server.payloads)
    assert watched.server.requests - by_status <= 7


def test_200_rescans_in_one_instant() -> None:
    """They are a wide tie at the very top: proven as such, within 40 requests and those for the unscanned."""
    fleet = Fleet.seeded(20_000, now=NOW)
    scanned = [image_id for image_id, item in fleet.truth().items() if item["ScanStatus"] == "SCANNED"]
    since = max(value for item in fleet.truth().values() if (value := instant(item)) is not None)
    changed = set(fleet.rescan(scanned[::75][:200]))
    fleet.replace({image_id: {"ScanTime": instant_text(NOW)} for image_id in changed})
    watched = Watched(fleet)
    sweep = IncrementalSweep(watched.remote(in_flight=8), since=since, now=fleet.now)
    shown = {item["ImageID"]: item for page in sweep.pages() for item in page.items}
    truth = fleet.truth()
    assert (len(changed), sweep.outcome.reason) == (200, "by order, down to the watermark")
    assert {image_id: truth[image_id] for image_id in changed} == {image_id: shown[image_id] for image_id in changed}
    assert {i for i, item in truth.items() if item["ScanStatus"] != "SCANNED"} <= shown.keys()
    by_status = sum("Filters" in payload for payload in watched.server.payloads)
    assert watched.server.requests - by_status <= 40


@pytest.mark.parametrize("nulls", ["lowest", "first", "last", "interleaved"])
def test_wherever_a_server_sorts_images_without_a_scan(nulls: Nulls) -> None:
    """Below all, first or last: what is new is shown. Among the others: that is no order, and it is said."""
    fleet = _fleet()
    for number, (image_id, item) in enumerate(fleet.truth().items()):
        if image_id in UNSCANNED:  # interleaved, they stand by this sandbox among the scans of ten hours ago
            scatter = sort_value("ScanTime~", item, number) - (instant(item, "CreateTime") or 0)
            fleet.replace({image_id: {"CreateTime": instant_text(NOW - 10 * HOUR - scatter)}})
    shown, outcome = _incremental(Watched(fleet, Quirks(nulls=nulls)), NOW - 50 * HOUR)
    if nulls == "interleaved":
        assert str(outcome.fallback) == "ScanTime: the sort values are not in order"
    else:
        assert outcome.complete
        assert UNSCANNED | {f"i{n:04}" for n in range(30, 80)} <= shown.keys()


def test_a_scan_time_in_the_future_is_read_and_not_believed() -> None:
    """The newest ScanTime that counts is before now, so that the real news below it is read again."""
    fleet = _fleet()
    fleet.replace({"i0399": {"ScanTime": instant_text(NOW + 99 * DAY)}})

    def change(watched: Watched, number: int) -> None:
        if number == 3:  # the first page by ScanTime has been read
            watched.fleet.replace({"i0300": {"ScanTime": instant_text(NOW)}})

    shown, outcome = _incremental(Watched(fleet, change=change), NOW - 5 * HOUR)
    assert outcome.complete
    assert shown["i0399"]["ScanTime"] == instant_text(NOW + 99 * DAY)
    assert shown["i0300"]["ScanTime"] == instant_text(NOW)


def test_ties_at_the_watermark_are_read_whole() -> None:
    """The sweep goes on until a ScanTime is strictly below."""
    fleet = _fleet()
    fleet.replace({f"i{n:04}": {"ScanTime": instant_text(NOW - 3 * HOUR)} for n in range(33, 120)})
    shown, outcome = _incremental(Watched(fleet), NOW - 3 * HOUR)
    assert outcome.complete
    assert {f"i{n:04}" for n in range(30, 120)} <= shown.keys()


def _scanning(times: Mapping[str, int], at: int) -> Callable[[Watched, int], None]:
    """Scans after so many answers to the question for the newest."""

    def change(watched: Watched, number: int) -> None:
        payloads = watched.server.payloads
        if payloads[-1].get("Order") == "desc" and sum(payload.get("Order") == "desc" for payload in payloads) == at:
            watched.fleet.replace({image_id: {"ScanTime": instant_text(time)} for image_id, time in times.items()})

    return change


@pytest.mark.parametrize("number", [1, 2, 3], ids=["after the first page", "after the second", "after the third"])
def test_what_is_scanned_during_the_sweep_is_read_again(number: int) -> None:
    """It moves to the top, past the page that is read next."""
    times = {f"i{n:04}": NOW - 30 * 60_000_000 for n in (180, 181, 230)}
    watched = Watched(_fleet(), change=_scanning(times, number))
    shown, outcome = _incremental(watched, NOW - 290 * HOUR)
    assert outcome.complete
    assert {shown[image_id]["ScanTime"] for image_id in times} == {instant_text(NOW - 30 * 60_000_000)}


def test_scans_at_the_very_time_of_the_newest_are_read_again() -> None:
    """At the top, ties with the newest ScanTime may be news."""
    newer = {f"i{n:04}": NOW - HOUR // 2 for n in range(380, 384)}
    equal = {f"i{n:04}": NOW - HOUR for n in range(390, 393)}
    watched = Watched(_fleet(), Quirks(max_limit=6), change=_scanning(newer | equal, 1))
    assert watched.fleet["i0030"]["ScanTime"] == instant_text(NOW - HOUR)
    shown, outcome = _incremental(watched, NOW - 2 * HOUR, limit=6)
    assert outcome.complete
    assert {i: instant(shown[i]) for i in newer | equal} == newer | equal


def test_the_head_is_read_until_one_answer_holds_it() -> None:
    """What is scanned while the head is read in two pages may move past the second one."""
    first = {f"i{n:04}": NOW - HOUR // 2 + n * 1000 for n in range(380, 390)}
    second = {"i0200": NOW - HOUR // 3}

    def change(watched: Watched, number: int) -> None:
        _scanning(first, 1)(watched, number)
        _scanning(second, 2)(watched, number)

    watched = Watched(_fleet(), Quirks(max_limit=6), change=change)
    shown, outcome = _incremental(watched, NOW - 2 * HOUR, limit=6)
    assert outcome.complete
    assert {i: instant(shown[i]) for i in second} == second


def test_scans_without_end_need_a_full_sweep() -> None:
    """More than a page of them at every request: no page joins the one before it."""
    clock = iter(range(NOW - HOUR, NOW, 1000))

    def change(watched: Watched, number: int) -> None:
        if watched.server.payloads[-1].get("Order") == "desc":
            some = watched.fleet.ids()[30:40]
            watched.fleet.replace({image_id: {"ScanTime": instant_text(next(clock))} for image_id in some})

    watched = Watched(_fleet(), Quirks(max_limit=6), change=change)
    _, outcome = _incremental(watched, NOW - 2 * HOUR, limit=6)
    assert str(outcome.fallback) == "ScanTime: a seam between two pages did not close"


def test_a_head_of_several_pages_that_moves_needs_a_full_sweep() -> None:
    """One more image is scanned at every request for the newest."""
    clock = iter(range(NOW + HOUR, NOW + DAY, 1000))

    def change(watched: Watched, number: int) -> None:
        if number > 5 and watched.server.payloads[-1].get("By") == "ScanTime":
            watched.fleet.replace({f"i{number + 200:04}": {"ScanTime": instant_text(next(clock))}})

    watched = Watched(_fleet(), Quirks(max_limit=6), change=change)
    watched.fleet.replace({f"i{n:04}": {"ScanTime": instant_text(NOW + n * 1000)} for n in range(380, 390)})
    _, outcome = _incremental(watched, NOW - 2 * HOUR, limit=6)
    assert str(outcome.fallback) == "images are scanned faster than the newest of them can be read"


@pytest.mark.parametrize("clock", [None, lambda: NOW + DAY], ids=["no clock", "a clock"])
def test_a_head_longer_than_a_page_is_read_until_nothing_moves(clock: Callable[[], int] | None) -> None:
    """Without a clock, all that is scanned after the start is read again each time; with one, only the newest."""
    later = {f"i{n:04}": NOW + n * 1000 for n in range(380, 390)}
    watched = Watched(_fleet(), Quirks(max_limit=6), change=_scanning(later, 1))
    shown, outcome = _incremental(watched, NOW - 2 * HOUR, limit=6, clock=clock)
    assert outcome.complete
    assert {i: instant(shown[i]) for i in later} == later


@pytest.mark.parametrize(
    ("quirks", "fallback"),
    [
        (UNSORTABLE, "the list begins alike in another order: the server may not sort by ScanTime"),
        (
            replace(UNSORTABLE, unknown_by="reject"),
            "the server rejects the requests of an incremental sweep (InvalidParameterValue)",
        ),
        (Quirks(status_filter="ignored"), "the server does not filter by ScanStatus"),
    ],
    ids=["sort ignored", "sort rejected", "status filter ignored"],
)
def test_a_server_that_does_not_do_as_asked_needs_a_full_sweep(quirks: Quirks, fallback: str) -> None:
    """The outcome says why."""
    _, outcome = _incremental(Watched(_fleet(), quirks), NOW - 50 * HOUR)
    assert (outcome.complete, str(outcome.fallback), outcome.reason) == (False, fallback, fallback)


def test_a_status_filter_that_reads_one_value_is_found_out_at_once() -> None:
    """The list of its first word is empty, and with the words turned round it is not: a few requests tell."""
    watched = Watched(Fleet(_listed(900, unscanned=30)), Quirks(status_values=1))
    _, outcome = _incremental(watched, NOW - 50 * HOUR)
    assert str(outcome.fallback) == (
        "unscanned images: the list goes on beyond the end that it shows: rows at its other end were not read"
    )
    assert watched.server.requests == 9


NOT_BY_SCAN_TIME = "the list begins alike in another order: the server may not sort by ScanTime"


@pytest.mark.parametrize("inserted", [0, 1], ids=["quiet", "an insert at each request"])
@pytest.mark.parametrize(
    ("quirks", "fallback"),
    [
        (replace(UNSORTABLE, unknown_by="create_time"), NOT_BY_SCAN_TIME),
        (replace(UNSORTABLE, default_order="create_time"), NOT_BY_SCAN_TIME),
        (Quirks(by_aliases={"ScanTime": "CreateTime"}), NOT_BY_SCAN_TIME),
        (Quirks(by_aliases={"ScanTime": "Size"}), "ScanTime: the sort values are not in order"),
    ],
    ids=["by CreateTime instead", "the default heeds Order", "an alias of CreateTime", "an alias of Size"],
)
def test_another_order_that_heeds_the_direction_is_told_apart(quirks: Quirks, fallback: str, inserted: int) -> None:
    """Images are scanned soon after they are built: the first page looks sorted, and ends above the rescans of old
    images. It begins as the newest by CreateTime, or as the server's own order; an insert in between hides nothing."""
    hours = range(1, 901)
    listed = items([NOW - HOUR * n - HOUR // 2 for n in hours], [NOW - HOUR * n for n in hours])
    Random(2).shuffle(listed)
    fleet = Fleet(listed, now=NOW)
    rescanned = fleet.replace({"i0890": {"ScanTime": instant_text(NOW - HOUR // 4)}})
    watched = Watched(fleet, quirks, change=lambda watched, number: watched.fleet.apply({"insert": inserted}))
    shown, outcome = _incremental(watched, NOW - 50 * HOUR)
    assert (str(outcome.fallback), outcome.complete) == (fallback, False)
    assert not {*rescanned} & shown.keys()


def test_another_order_is_told_apart_where_images_share_their_create_times() -> None:
    """Each answer has the images of one CreateTime in another order; those of another day do not stand among them."""
    groups = [NOW - HOUR * (n // 40 + 1) for n in range(920)]
    fleet = Fleet(items([time - HOUR // 2 for time in groups], groups), now=NOW)
    rescanned = fleet.replace({"i0890": {"ScanTime": instant_text(NOW - HOUR // 4)}})
    watched = Watched(fleet, replace(UNSORTABLE, unknown_by="create_time", ties="permuted"))
    shown, outcome = _incremental(watched, NOW - 4 * HOUR)
    assert (str(outcome.fallback), {*rescanned} & shown.keys()) == (NOT_BY_SCAN_TIME, set())


def test_the_other_orders_cost_two_requests() -> None:
    """And a server that refuses them is not to blame: its answer by ScanTime is judged by itself."""
    quirks = Quirks(sortable=frozenset({"ScanTime", "CreateTime"}), unknown_by="reject")
    _, outcome = _incremental(Watched(Fleet(_listed(900, unscanned=30)), quirks), NOW - 50 * HOUR)
    assert outcome.complete


@pytest.mark.parametrize("read", [1, 2])
def test_a_status_filter_that_reads_its_first_words_only(read: int) -> None:
    """Images of these words alone are listed; those of the words turned round are others, also when asked again."""
    fleet = Fleet(_listed(900, unscanned=30))
    fleet.replace({"i0000": {"ScanStatus": "SCANNING"}, "i0001": {"ScanStatus": "SCAN_ERR"}})
    _, outcome = _incremental(Watched(fleet, Quirks(status_values=read)), NOW - 50 * HOUR)
    assert str(outcome.fallback) == "the server does not read every value of the ScanStatus filter"


def test_an_image_that_is_not_scanned_since_just_now_is_no_sign_of_unread_words() -> None:
    """All words are read: asked again, the list has it too."""

    def change(watched: Watched, number: int) -> None:
        if number == 2:
            watched.fleet.replace({"i0100": {"ScanStatus": "SCANNING"}})
            watched.fleet.delete(["i0300"])

    fleet = Fleet(_listed(900)[::-1])
    fleet.replace({"i0200": {"ScanStatus": "SCANNING"}})
    shown, outcome = _incremental(Watched(fleet, change=change), NOW - 50 * HOUR)
    assert (outcome.complete, {"i0200", "i0100"} <= shown.keys()) == (True, True)


@pytest.mark.parametrize("status", ["SCANNING", "SCAN_ERR", "NOT_SCAN"])
@pytest.mark.parametrize("read", [1, 2])
def test_images_of_one_unread_word_alone_are_not_lost(status: str, read: int) -> None:
    """Whichever word it is: TotalCount, less the scanned images, says how many others there are."""
    fleet = Fleet(_listed(900))
    fleet.replace({"i0200": {"ScanStatus": status}})
    shown, outcome = _incremental(Watched(fleet, Quirks(status_values=read)), NOW - 50 * HOUR)
    assert "i0200" in shown or not outcome.complete


@pytest.mark.parametrize("shard", [0, 1, 2])
def test_a_shard_that_is_silent_in_the_one_answer_with_all_unscanned_images(shard: int) -> None:
    """The answer is whole by its own TotalCount, and not by that of the list and of the scanned images."""
    silent = Fault("silent_shard", at=2, value=shard)
    watched = Watched(Fleet(_listed(900, unscanned=30)), Quirks(shards=3), (silent,))
    shown, outcome = _incremental(watched, NOW - 50 * HOUR)
    assert watched.answers[1].size > len(watched.answers[1].ids)
    assert (outcome.complete, {f"i{number:04}" for number in range(30)} <= shown.keys()) == (True, True)


@pytest.mark.parametrize("shard", range(3))
def test_a_shard_that_is_silent_from_the_second_answer_on_needs_a_full_sweep(shard: int) -> None:
    """The first answer counts the scanned images, and the list then has a third less."""
    silent = Fault("silent_shard", at=range(2, 500), value=shard)
    watched = Watched(Fleet(_listed(900, unscanned=30)), Quirks(shards=3), (silent,))
    _, outcome = _incremental(watched, since=NOW - 200 * HOUR)
    assert outcome.fallback is not None
    assert (outcome.complete, outcome.fallback.reason) == (False, ListReason.TOTAL_JUMPED)


def test_an_answer_that_is_read_again_tells_of_a_silent_shard_too() -> None:
    """It has fewer rows than were asked for, and another TotalCount than all other answers."""

    def change(watched: Watched, number: int) -> None:
        watched.server.backend.quirks = Quirks(shards=3, page_cap=50) if number == 5 else few

    few = Quirks(shards=3, down_shards=frozenset([0]))
    watched = Watched(Fleet(_listed(900, unscanned=30)), few, change=change)
    _, outcome = _incremental(watched, since=NOW - 200 * HOUR)
    assert outcome.fallback is not None
    assert (outcome.complete, outcome.fallback.reason) == (False, ListReason.TOTAL_JUMPED)


def test_a_status_filter_that_returns_nothing_is_no_fleet_without_unscanned_images() -> None:
    """Not even scanned images are there."""
    _, outcome = _incremental(Watched(_fleet(), Quirks(status_filter="empty")), NOW - 50 * HOUR)
    assert str(outcome.fallback) == "the words of the ScanStatus filter name 0 of 400 images"


def test_a_list_that_ends_with_as_many_rows_as_the_server_gives_at_once_needs_a_full_sweep() -> None:
    """Three unscanned images, and answers of three rows: there may be more."""
    _, outcome = _incremental(Watched(Fleet(_listed(400, unscanned=3)), Quirks(page_cap=3)), NOW - 10 * HOUR)
    assert str(outcome.fallback) == "the server gives 3 rows at once, and a list ended so"


def test_many_unscanned_images_are_cheaper_read_with_all() -> None:
    """The sweep ends at the first page that shows it."""
    watched = Watched(Fleet(_listed(900, unscanned=800)))
    _, outcome = _incremental(watched, NOW - 50 * HOUR)
    assert str(outcome.fallback) == "a full sweep needs fewer requests"
    assert watched.server.requests == 2


def test_the_answer_to_another_question_is_not_taken_for_the_newest() -> None:
    """The last page of the unscanned would look like the whole list, and hide what is older than it shows."""
    fleet = Fleet(_listed(400))
    fleet.replace({"i0002": {"ScanStatus": "SCAN_ERR"}})
    _, outcome = _incremental(Watched(fleet, faults=(Fault("stale_page", at=8),)), NOW - 150 * HOUR)
    assert str(outcome.fallback) == "the list begins alike in another order: the server may not sort by ScanTime"


def test_unscanned_images_have_to_be_proven_as_well() -> None:
    """More of them than a page share a CreateTime: they are proven by their size, unless they come and go meanwhile."""

    def swept(change: Change) -> tuple[dict[str, Item], Outcome]:
        fleet = Fleet(_listed(1500, unscanned=320))
        fleet.replace({f"i{n:04}": {"CreateTime": instant_text(0)} for n in range(310)})
        return _incremental(Watched(fleet, change=change), NOW - 50 * HOUR)

    def come_and_go(watched: Watched, number: int) -> None:
        watched.fleet.delete([f"i{number:04}"])

    shown, outcome = swept(lambda watched, number: None)
    assert (outcome.complete, {f"i{n:04}" for n in range(320)} <= shown.keys()) == (True, True)
    _, outcome = swept(come_and_go)
    assert str(outcome.fallback) == "unscanned images: a group of equal sort values is as long as a page"


@pytest.mark.parametrize("at", [3, 4])
def test_a_shard_that_is_silent_while_the_unscanned_are_read_needs_a_full_sweep(at: int) -> None:
    """Three pages of them: their TotalCount falls and comes back, and images that lie behind the page are not read."""
    fleet = Fleet(_listed(4000, unscanned=250))
    watched = Watched(fleet, Quirks(shards=60), (Fault("silent_shard", at=at, value=7),))
    _, outcome = _incremental(watched, NOW - 50 * HOUR)
    assert str(outcome.fallback) == (
        f"unscanned images: TotalCount fell to {watched.answers[at - 1].total} and came back to 250: "
        "a part of the list may have been hidden"
    )


@pytest.mark.parametrize("at", [3, 4, 5])
def test_an_old_answer_is_not_taken_for_the_newest(at: int) -> None:
    """The first page by ScanTime is not that of another question, and the head shows what it showed before."""
    times = {f"i{n:04}": NOW - HOUR // 2 for n in (380, 381)}
    watched = Watched(_fleet(), faults=(Fault("stale_page", at=at),), change=_scanning(times, 2))
    shown, outcome = _incremental(watched, NOW - 150 * HOUR)
    if outcome.complete:
        assert {i: instant(shown[i]) for i in times} == times


# Look-ups.


def _look_up(quirks: Quirks, candidates: int = 3, gone: int = 2) -> tuple[LookUp, Watched]:
    """The first images are candidates, and `gone` of them are deleted; the last ones are listed."""
    fleet = Fleet(_listed(400))
    fleet.delete([f"i{n:04}" for n in range(gone)])
    watched = Watched(fleet, quirks)
    ids = [f"i{n:04}" for n in range(400)]
    return look_up(watched.remote(), ids[:candidates], ids[-3:]), watched


def test_candidates_that_do_not_come_back_are_gone() -> None:
    """One that does is present, with its item; the controls, which are first and last, are neither."""
    found, watched = _look_up(Quirks())
    assert found == LookUp(present=[watched.fleet["i0002"]], gone=["i0000", "i0001"])
    assert watched.server.payloads == [
        {
            "Limit": 100,
            "Offset": 0,
            "Filters": [{"Name": "ImageID", "Values": ["i0397", "i0000", "i0001", "i0002", "i0398"]}],
        }
    ]


def test_98_candidates_go_into_a_request() -> None:
    """Each between two controls."""
    found, watched = _look_up(Quirks(), candidates=200, gone=150)
    assert found.gone == [f"i{n:04}" for n in range(150)]
    assert [item["ImageID"] for item in found.present] == [f"i{n:04}" for n in range(150, 200)]
    assert [len(payload["Filters"][0]["Values"]) for payload in watched.server.payloads] == [100, 100, 6]


@pytest.mark.parametrize("behaviour", ["ignored", "empty"])
def test_a_filter_that_does_not_filter_is_not_trusted(behaviour: Literal["ignored", "empty"]) -> None:
    """Nothing is gone then."""
    found, _ = _look_up(Quirks(image_id_filter=behaviour))
    assert found == LookUp(distrust=ListReason.ID_FILTER.given())


def test_a_filter_that_finds_more_than_it_was_asked_for_is_not_trusted() -> None:
    """A fuzzy one also finds ids that contain those asked for."""
    fleet = Fleet([*_listed(20), *({**item, "ImageID": item["ImageID"] + "x"} for item in _listed(20))])
    watched = Watched(fleet, Quirks(exact_match="fuzzy"))

    def fetch(payload: dict[str, Any]) -> Any:
        return watched.fetch({**payload, "Filters": [{**payload["Filters"][0], "ExactMatch": True}]})

    found = look_up(replace(watched.remote(), fetch=fetch), ["i0000"], ["i0005", "i0006"])
    assert found == LookUp(distrust=ListReason.ID_FILTER.given())


def test_a_look_up_that_is_cut_short_is_not_trusted() -> None:
    """What the answer does not show may be listed all the same."""
    watched = Watched(Fleet(_listed(20)), Quirks(page_cap=3))
    found = look_up(watched.remote(), ["i0001", "i0002", "i0003"], ["i0000", "i0004"])
    assert found == LookUp(distrust=ListReason.ID_FILTER.given())


def test_controls_that_were_deleted_meanwhile_are_replaced() -> None:
    """Up to three times; without any, nothing is gone."""
    watched = Watched(Fleet(_listed(20)))
    watched.fleet.delete(["i0000", *(f"i{n:04}" for n in range(5, 12, 2))])
    listed = [f"i{n:04}" for n in range(5, 15)]
    assert look_up(watched.remote(), ["i0000"], ["i0005", "i0006", "i0007", "i0008", "i0012", "i0013"]).gone == [
        "i0000"
    ]
    assert look_up(watched.remote(), ["i0000"], ["i0005", "i0007", "i0006"]).gone == ["i0000"]
    assert look_up(watched.remote(), ["i0000"], listed).gone == []
    assert look_up(watched.remote(), ["i0000"], ["i0005", "i0006"]).gone == []
    assert look_up(watched.remote(), ["i0000"], []).gone == []


def test_a_rejected_filter_is_not_trusted() -> None:
    """It is no error of the run."""
    watched = Watched(Fleet(_listed(20)), Quirks(max_limit=5))
    assert look_up(watched.remote(), ["i0000"], ["i0005"]).distrust is not None


def test_no_candidates_need_no_request() -> None:
    """Nothing is gone, and nothing was asked."""
    watched = Watched(Fleet(_listed(20)))
    assert (look_up(watched.remote(), [], ["i0005"]), watched.server.requests) == (LookUp(), 0)


@pytest.mark.parametrize("quirks", [Quirks(filter_values=50), Quirks(filter_values_max=50)], ids=["ignored", "refused"])
def test_a_filter_of_which_only_the_first_values_are_read_is_never_trusted(quirks: Quirks) -> None:
    """In 200 of 200 look-ups, wherever the ids stand among each other; the order of the values is ours."""
    everything = [f"i{n:04}" for n in range(400)]
    watched = Watched(Fleet(_listed(400)), quirks)
    for seed in range(200):
        ids = Random(seed).sample(everything, 104)
        assert look_up(watched.remote(), ids[6:], ids[:6]) == LookUp(distrust=ListReason.ID_FILTER.given())


READS = {
    "the first 50, sorted": lambda values: sorted(values)[:50],
    "the last 50, sorted": lambda values: sorted(values)[-50:],
    "every other one": lambda values: values[::2],
    "the first 50 and the last": lambda values: [*values[:50], *values[-1:]],
    "all but three": lambda values: [*values[:-4], *values[-1:]],
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_filter_of_which_some_values_are_read_is_never_trusted(read: Callable[[list[str]], list[str]]) -> None:
    """Whichever they are: as many ids that were just listed do not come back."""
    everything = [f"i{n:04}" for n in range(400)]
    watched = Watched(Fleet(_listed(400)))

    def fetch(payload: dict[str, Any]) -> Any:
        values = payload["Filters"][0]["Values"]
        return watched.fetch({**payload, "Filters": [{"Name": "ImageID", "Values": read(values)}]})

    for seed in range(50):
        ids = Random(seed).sample(everything, 250)
        found = look_up(replace(watched.remote(), fetch=fetch), ids[100:], ids[:100])
        assert (found.gone, found.distrust) == ([], ListReason.ID_FILTER.given())


def test_images_that_went_since_they_were_listed_do_not_put_the_filter_in_doubt() -> None:
    """Asked for alone, they do not come back either."""
    watched = Watched(Fleet(_listed(400)))
    watched.fleet.delete(["i0003", "i0050", *(f"i{n:04}" for n in range(100, 190))])
    ids = [f"i{n:04}" for n in range(400)]
    assert look_up(watched.remote(), ids[100:190], ids[:100]) == LookUp(gone=ids[100:190])
    assert watched.server.requests == 3


@pytest.mark.parametrize("candidates", [1, 3, 47, 48, 50, 98, 99])
def test_as_many_values_as_are_read_are_trusted(candidates: int) -> None:
    """A look-up with its controls either fits into what the server reads, or is not believed."""
    found, _ = _look_up(Quirks(filter_values=50), candidates=candidates, gone=candidates)
    assert len(found.gone) == (candidates if candidates <= 48 else 0)
    assert (found.distrust is None) == (candidates <= 48)


def test_the_only_control_stands_at_both_ends() -> None:
    """Of a list of one image: first in one request and last in another, which must be alike."""
    watched = Watched(Fleet(_listed(1)))
    assert look_up(watched.remote(), ["a", "b"], ["i0000"]) == LookUp(gone=["a", "b"])
    assert [payload["Filters"][0]["Values"] for payload in watched.server.payloads] == [
        ["i0000", "a", "b"],
        ["a", "b", "i0000"],
    ]


@pytest.mark.parametrize("read", [slice(2), slice(-2, None)], ids=["the first two", "the last two"])
def test_the_only_control_shows_that_values_are_not_read(read: slice) -> None:
    """At whichever end the server stops."""
    watched = Watched(Fleet(_listed(20)))

    def fetch(payload: dict[str, Any]) -> Any:
        (wanted,) = payload["Filters"]
        return watched.fetch({**payload, "Filters": [{**wanted, "Values": wanted["Values"][read]}]})

    remote = replace(watched.remote(), fetch=fetch)
    assert look_up(remote, ["i0001", "i0002"], ["i0000"]) == LookUp(distrust=ListReason.ID_FILTER.given())
    assert look_up(remote, ["i0001", "i0002"], ["i0000", "i0003"]) == LookUp(distrust=ListReason.ID_FILTER.given())


def test_a_candidate_that_appears_between_the_two_requests_is_not_gone() -> None:
    """They are not alike then."""

    def change(watched: Watched, number: int) -> None:
        if number == 1:
            watched.fleet.bring_back(["i0001"])

    watched = Watched(Fleet(_listed(20)), change=change)
    watched.fleet.delete(["i0001"])
    assert look_up(watched.remote(), ["i0001"], ["i0000"]) == LookUp(distrust=ListReason.ID_FILTER.given())


def test_a_substring_filter_is_trusted_where_it_finds_nothing_else() -> None:
    """Ids are of one length, so that one never contains another."""
    found, _ = _look_up(Quirks(image_id_match="substring"))
    assert (found.gone, found.distrust) == (["i0000", "i0001"], None)


def test_unscanned_images_whose_order_proves_nothing_are_read_in_parts() -> None:
    """A reproducible build, 250 images that nobody has scanned, in another order each time; images come and go."""
    fleet = Fleet.seeded(5000, now=NOW)
    unscanned = [i for i, item in fleet.truth().items() if item["ScanStatus"] == "NOT_SCAN"][:250]
    fleet.replace({image_id: {"CreateTime": "1970-01-01T00:00:00Z"} for image_id in unscanned})
    quirks = Quirks(image_id_match="substring", ties="permuted")
    watched = Watched(fleet, quirks, change=lambda watched, number: watched.fleet.apply({"delete": 1, "insert": 1}))
    shown, outcome = _incremental(watched, NOW - 5 * HOUR)
    assert outcome.complete
    assert outcome.reason == "by order, down to the watermark"
    assert [str(note) for note in outcome.notes] == [
        "unscanned images: read by parts of the ids, since a group of equal sort values is as long as a page"
    ]
    assert {*unscanned} & watched.throughout <= shown.keys()
