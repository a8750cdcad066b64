"""The full sweep against servers that do what the documentation allows: windows, replicas, shards, bad rows."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from connector.api.answers import Answer
from connector.errors import TransientError
from connector.listing.full import FullSweep
from connector.listing.proof import Outcome, Proof
from connector.listing.reasons import ListReason
from connector.sandbox import Fault, Fleet, Quirks
from connector.sandbox.filters import shard_of
from connector.sandbox.images import instant_text
from tests.listing.lists import DAY, Change, Item, Watched, in_turns, items

UNSORTED = Quirks(sortable=frozenset())
SUBSTRING = Quirks(image_id_match="substring")
UNLIKE = "the sort values are not in order, and no two passes were alike"


def listed(count: int) -> list[Item]:
    """Images `i0000`, `i0001`, ... by CreateTime, a day apart, that arrived in another order."""
    made = items(DAY * number for number in range(count))
    Random(4).shuffle(made)
    return made


def hashed(count: int) -> list[Item]:
    """The same with digests as ids."""
    rng = Random(5)
    return [{**item, "ImageID": f"sha256:{rng.getrandbits(256):064x}"} for item in listed(count)]


def _quiet(watched: Watched, number: int) -> None:
    pass


def _sweep(
    images: Sequence[Item],
    quirks: Quirks,
    *,
    faults: Sequence[Fault] = (),
    change: Change = _quiet,
    limit: int = 100,
    in_flight: int = 1,
    expected: int = 0,
) -> tuple[set[str], Outcome, Watched]:
    """The images that were listed throughout and not shown, the outcome, and the server."""
    watched = Watched(Fleet(images), quirks, tuple(faults), change)
    sweep = FullSweep(watched.remote(in_flight, limit), expected=expected)
    shown = {item["ImageID"] for page in sweep.pages() for item in page.items}
    return watched.throughout - shown, sweep.outcome, watched


# A result window, and offsets that are refused (rows 3 and 13).


def test_a_window_is_seen_from_both_ends() -> None:
    """12,000 images in a window of 10,000, and so TotalCount: the rest is read in the opposite order. That is not
    proven to be all: images without a CreateTime may stand last in both orders."""
    missed, outcome, watched = _sweep(listed(12_000), Quirks(window=10_000))
    assert (missed, outcome.proof, outcome.order_proven) == (set(), None, False)
    assert outcome.cause == ListReason.GAP.given(total=10_000)
    assert watched.server.requests <= 135


def test_a_small_window() -> None:
    """8 images, a window of 6, pages of 4."""
    missed, outcome, _ = _sweep(listed(8), Quirks(max_limit=4, window=6), limit=4)
    assert (missed, outcome.complete) == (set(), True)


def test_a_list_of_more_than_two_windows_is_partial() -> None:
    """10,000 rows from each end are read, and the reason says that there are more."""
    missed, outcome, _ = _sweep(listed(25_000), Quirks(window=10_000))
    assert missed == {f"i{number:04}" for number in range(10_000, 15_000)}
    assert (outcome.complete, outcome.reason) == (
        False,
        "the list goes on beyond the end that it shows: rows at its other end were not read",
    )


def test_parts_see_beyond_two_windows() -> None:
    """Each part is a list of its own."""
    missed, outcome, _ = _sweep(hashed(2_500), replace(SUBSTRING, window=1_000))
    assert (missed, outcome.proof) == (set(), Proof.PARTS)


def test_a_refused_offset_ends_one_pass_and_not_the_sweep() -> None:
    """The rest is read from the other end."""
    missed, outcome, watched = _sweep(listed(12_000), Quirks(max_offset=10_000))
    assert (missed, outcome.proof) == (set(), Proof.BOTH_ENDS)
    assert watched.server.requests <= 130


def test_what_lies_beyond_the_offsets_from_both_ends_is_partial() -> None:
    """All rows that can be read are read: offsets up to 10,000, and the page there."""
    missed, outcome, _ = _sweep(listed(25_000), Quirks(max_offset=10_000))
    numbers = sorted(int(image_id[1:]) for image_id in missed)
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert numbers[0] > 10_000
    assert numbers[-1] < 14_999
    assert outcome.reason.startswith("the server refuses to show what follows after 10")


def without_create_time(count: int) -> list[Item]:
    """100 images, the first ones without a CreateTime."""
    return [{**item, "CreateTime": ""} if int(item["ImageID"][1:]) < count else item for item in listed(100)]


NULLS_IN_THE_GAP = Quirks(max_limit=10, max_offset=50, nulls="last")


@pytest.mark.parametrize("at", range(2, 13))
@pytest.mark.parametrize("hidden", [0, 1])
def test_images_that_come_and_go_in_balance_fill_no_gap_between_two_passes(at: int, hidden: int) -> None:
    """An image that was read is replaced by a new image between two requests, and TotalCount stays 100."""

    def turn_over(watched: Watched, number: int) -> None:
        if number == at:
            watched.fleet.delete(["i0001"])
            (new,) = watched.fleet.insert(1)
            watched.fleet.replace({new: {"CreateTime": instant_text(200 * DAY)}})

    missed, outcome, _ = _sweep(without_create_time(hidden), NULLS_IN_THE_GAP, change=turn_over, limit=10)
    assert (len(missed), outcome.complete) == (hidden, not hidden)


@pytest.mark.parametrize(("moves", "expected"), [(6, (Proof.BOTH_ENDS, None)), (99, (None, ListReason.GAP))])
def test_passes_meet_once_the_list_is_at_rest(moves: int, expected: tuple[Proof | None, ListReason | None]) -> None:
    """After each request an image goes that was read first, as long as these last or to the end."""

    def delete(watched: Watched, number: int) -> None:
        if 10 < number <= 10 + moves:
            watched.fleet.delete([f"i{number:04}"])

    missed, outcome, _ = _sweep(without_create_time(0), NULLS_IN_THE_GAP, change=delete, limit=10)
    assert (missed, outcome.proof, outcome.cause and outcome.cause.reason) == (set(), *expected)


@pytest.mark.parametrize("at", [50, 52, 54, 56, 58])
@pytest.mark.parametrize("hidden", [0, 1])
def test_a_row_without_an_id_that_both_passes_read_fills_no_gap(at: int, hidden: int, monkeypatch: Any) -> None:
    """Each pass sees that row at another place, and the row counts once all the same."""
    fetch = Watched.fetch

    def nameless(watched: Watched, payload: dict[str, Any]) -> Answer:
        answer = fetch(watched, payload)
        rows = [{**row, "ImageID": None} if row["ImageID"] == f"i{at:04}" else row for row in answer.response["List"]]
        return Answer({**answer.response, "List": rows}, answer.request_id)

    monkeypatch.setattr(Watched, "fetch", nameless)
    missed, outcome, _ = _sweep(without_create_time(hidden), NULLS_IN_THE_GAP, limit=10)
    assert missed == {f"i{at:04}", *(["i0000"] if hidden else [])}
    assert not (hidden and outcome.complete)


@pytest.mark.parametrize("at", [4, 5, 6, 7])
@pytest.mark.parametrize("fault", ["empty_page", "missing_list", "short_page", "stale_page"])
def test_an_answer_that_shows_no_other_end_is_no_other_end(fault: str, at: int) -> None:
    """The one request that shows the end of a capped list is asked again where its answer shows nothing."""
    missed, outcome, _ = _sweep(listed(9), Quirks(max_limit=5, window=8), faults=[Fault(fault, at=at)], limit=5)
    assert not (outcome.complete and missed)


# Replicas (row 4).


@pytest.mark.parametrize("by", ["offset", "request", "pass"])
def test_static_replicas_of_a_list_without_an_order_are_not_counted(by: str) -> None:
    """They differ in one row each, and TotalCount is one number: both passes are alike only at like boundaries."""
    apart = Quirks(
        sortable=frozenset(),
        replicas=(frozenset({"i0150"}), frozenset({"i0350"})),
        replica_by=by,  # type: ignore[arg-type]
    )
    _, outcome, _ = _sweep(listed(500), apart)
    assert (outcome.complete, outcome.reason) == (False, UNLIKE)


@pytest.mark.parametrize("by", ["offset", "request", "pass"])
def test_a_host_that_flaps_is_not_counted(by: str) -> None:
    """It lacks one row, and answers every other pass."""
    flapping = Quirks(sortable=frozenset(), replicas=(frozenset({"i0150"}), frozenset()), replica_by=by)  # type: ignore[arg-type]
    missed, outcome, _ = _sweep(listed(500), flapping)
    assert (outcome.complete, missed <= {"i0150"}) == (False, True)


def test_two_passes_that_are_alike_are_no_proof_where_total_count_says_more() -> None:
    """Each replica lacks an image that stands where that replica answers, whichever the boundaries."""
    first, second = (listed(500)[place]["ImageID"] for place in (20, 160))
    apart = Quirks(sortable=frozenset(), replicas=(frozenset({first}), frozenset({second})))
    missed, outcome, watched = _sweep(listed(500), apart)
    assert (missed, outcome.reason) == ({first, second}, UNLIKE)
    assert {answer.total for answer in watched.answers} == {499}


@pytest.mark.parametrize(
    ("lacking", "missed"),
    [
        (("i0250", "i0050"), set()),
        (("i0050", "i0350"), {"i0050"}),
        (("i0050", "i0250"), {"i0050"}),
    ],
    ids=["each at the other's places", "one at its own place", "both at their own places"],
)
def test_static_replicas_of_a_sorted_list(lacking: tuple[str, str], missed: set[str]) -> None:
    """Images that every replica has are found. One that is lacking where its replica answers is never seen by anyone:
    an assumption. Where that is so of two, a second pass has other boundaries, and finds one of them."""
    apart = Quirks(replicas=tuple(frozenset({image_id}) for image_id in lacking))
    found, outcome, _ = _sweep(listed(500), apart)
    assert found == missed
    assert outcome.complete is (len(missed) < 2)


@pytest.mark.parametrize("by", ["offset", "request", "pass"])
@pytest.mark.parametrize("lags", [(0, 1), (0, 3), (2, 0, 5)], ids=str)
def test_replicas_that_are_late_hide_nothing(lags: tuple[int, ...], by: str) -> None:
    """The seams hold, whichever state of the list a page shows."""
    missed, outcome, _ = _sweep(
        listed(500),
        Quirks(max_limit=20, lags=lags, replica_by=by),  # type: ignore[arg-type]
        change=lambda watched, number: watched.fleet.apply({"delete": 1, "insert": number % 2}),
        limit=20,
    )
    assert not (outcome.complete and missed)


# A CreateTime that changes (row 5).


@pytest.mark.parametrize("at", range(1, 9))
def test_an_image_that_moves_in_a_quiet_list_is_found(at: int) -> None:
    """It goes from the part that is not read yet to the one that is: TotalCount says that one image is missing."""

    def change(watched: Watched, number: int) -> None:
        if number == at:
            watched.fleet.replace({"i0750": {"CreateTime": instant_text(-DAY)}})

    missed, outcome, _ = _sweep(listed(800), Quirks(), change=change)
    assert (missed, outcome.reason) == (set(), "by order")


def test_images_recreated_in_a_quiet_list() -> None:
    """Their CreateTime is now: they are shown at one place or at both."""
    missed, outcome, _ = _sweep(
        listed(300), Quirks(max_limit=20), change=lambda watched, _: watched.fleet.recreate(1), limit=20
    )
    assert not (outcome.complete and missed)


# Shards that are silent for a while (row 10).


@pytest.mark.parametrize("first", range(2, 11))
def test_a_shard_that_is_silent_for_a_while_is_noticed(first: int) -> None:
    """For 2 of 12 requests: TotalCount falls and comes back, and another pass finds what was hidden."""
    silent = Fault("silent_shard", at=(first, first + 1), value=3)
    assert sum(shard_of(f"i{number:04}", 10) == 3 for number in range(1_000)) == 103
    missed, outcome, watched = _sweep(listed(1_000), Quirks(shards=10), faults=[silent])
    assert (missed, outcome.reason) == (set(), "by order")
    assert 18 <= watched.server.requests <= 30


@pytest.mark.parametrize("first", range(2, 11))
def test_a_small_shard_that_is_silent_for_a_while_is_noticed(first: int) -> None:
    """Of 100: too few images for a great step of TotalCount, so that only its way back tells."""
    silent = Fault("silent_shard", at=(first, first + 1), value=3)
    missed, outcome, _ = _sweep(listed(1_000), Quirks(shards=100), faults=[silent])
    assert (missed, outcome.reason, outcome.passes) == (set(), "by order", 2)


@pytest.mark.parametrize("silent", [range(1, 5), range(8, 13)], ids=["up to the fourth answer", "from the eighth on"])
def test_a_shard_that_is_silent_at_one_end_of_a_pass_is_noticed(silent: range) -> None:
    """TotalCount does not come back, or was not there before: a tenth of the list at once is more than a deletion."""
    missed, outcome, _ = _sweep(listed(1_000), Quirks(shards=10), faults=[Fault("silent_shard", at=silent, value=3)])
    assert (missed, outcome.complete, outcome.passes) == (set(), True, 2)


@pytest.mark.parametrize(
    ("at", "in_flight", "inserted"), [(1, 1, 0), (2, 4, 0), (4, 1, 3)], ids=["first-answer", "pages-ahead", "growing"]
)
def test_a_list_that_is_empty_from_some_answer_on_is_partial(at: int, in_flight: int, inserted: int) -> None:
    """Though one answer alone was taken, or one alone had the greatest TotalCount: its rows, or other answers, tell."""

    def change(watched: Watched, number: int) -> None:
        watched.fleet.insert(inserted)
        if number == at:
            watched.server.backend.quirks = Quirks(window=0)

    with in_turns(2):
        missed, outcome, _ = _sweep(listed(60), Quirks(), change=change, limit=5, in_flight=in_flight, expected=40)
    assert missed
    assert outcome.cause is not None
    assert (outcome.complete, outcome.cause.reason) == (False, ListReason.TOTAL_JUMPED)


def test_a_shard_that_is_silent_from_the_second_answer_on_is_no_proof() -> None:
    """One answer alone had the greater TotalCount, and rows of that answer are not listed any more."""
    silent = Fault("silent_shard", at=range(2, 100), value=3)
    missed, outcome, _ = _sweep(listed(1_000), Quirks(shards=10), faults=[silent])
    assert (len(missed), outcome.complete) == (97, False)


def test_a_shard_that_is_silent_again_and_again_is_no_proof() -> None:
    """TotalCount falls and comes back in each pass."""
    silent = Fault("silent_shard", every=4, value=3)
    missed, outcome, _ = _sweep(listed(1_000), Quirks(shards=10), faults=[silent])
    assert not (outcome.complete and missed)


def test_silence_after_a_try_in_parts_is_noticed() -> None:
    """What TotalCount was before is not forgotten when the pass begins."""
    watched = Watched(Fleet(hashed(60)), Quirks(max_limit=10, shards=3), (Fault("silent_shard", at=3, value=1),))
    sweep = FullSweep(watched.remote(limit=10), parts_first=True)
    shown = {item["ImageID"] for page in sweep.pages() for item in page.items}
    assert (shown, sweep.outcome.complete) == (watched.fleet.truth().keys(), True)


# Rows at which the server fails (row 13).


@pytest.mark.parametrize("quirks", [Quirks(), SUBSTRING], ids=["by id", "by substring"])
@pytest.mark.parametrize("in_flight", [1, 4])
@pytest.mark.parametrize(
    "places",
    [(500,), (100,), (999,), (960,), (500, 900), (100, 500, 900)],
    ids=lambda places: f"{len(places)} {places}",
)
def test_all_rows_but_those_at_which_the_server_fails(places: tuple[int, ...], in_flight: int, quirks: Quirks) -> None:
    """Partial, with everything else; the reason names the first place."""
    images = hashed(1_000)
    by_time = [item["ImageID"] for item in sorted(images, key=lambda item: item["CreateTime"])]
    by_time.sort(key={item["ImageID"]: item["CreateTime"] for item in images}.__getitem__)
    poison = frozenset(by_time[place] for place in places)
    missed, outcome, _ = _sweep(images, replace(quirks, poison=poison), in_flight=in_flight)
    assert missed == poison
    assert (outcome.complete, outcome.reason) == (
        False,
        f"the server fails at every answer that holds row {places[0]} of the list (InternalError)",
    )


@pytest.mark.parametrize("place", [0, 50, 99])
def test_a_failing_row_on_the_first_page_is_an_error(place: int) -> None:
    """There is no answer yet by which such a row could be told from a server that is down."""
    with pytest.raises(TransientError):
        _sweep(listed(1_000), Quirks(poison=frozenset({f"i{place:04}"})))


# TotalCount, and rows that are large (row 14).


@pytest.mark.parametrize("form", ["text", "float"])
def test_a_total_count_is_read_in_every_form(form: str) -> None:
    """As a text, and with a decimal point."""
    missed, outcome, _ = _sweep(listed(230), Quirks(total_as=form))  # type: ignore[arg-type]
    assert (missed, outcome.reason, outcome.total_count) == (set(), "by order", 230)


@pytest.mark.parametrize(("most", "more"), [(50, 2), (25, 5), (10, 15), (3, 21)])
def test_one_huge_row_costs_a_few_requests(most: int, more: int) -> None:
    """Smaller pages are asked for around that row, and no longer."""
    _, _, quiet = _sweep(listed(2_000), Quirks())
    missed, outcome, watched = _sweep(listed(2_000), Quirks(huge={"i0777": most}))
    assert (missed, outcome.reason) == (set(), "by order")
    assert watched.server.requests - quiet.server.requests <= more


def test_a_row_that_fills_an_answer_alone_breaks_the_order() -> None:
    """No page shows that row and the one before it: the list is counted, which takes two more passes."""
    missed, outcome, _ = _sweep(listed(2_000), Quirks(huge={"i0777": 1}))
    assert (missed, outcome.proof) == (set(), Proof.COUNT)


# Filters.


@pytest.mark.parametrize(
    ("quirks", "parts_first", "proof"),
    [
        (Quirks(), False, Proof.ORDER),
        (UNSORTED, False, Proof.COUNT),
        (Quirks(max_offset=40), False, Proof.BOTH_ENDS),
        (replace(SUBSTRING, sortable=frozenset()), False, Proof.PARTS),
        (SUBSTRING, True, Proof.PARTS),
    ],
    ids=["in order", "counted", "from both ends", "parts", "parts first"],
)
def test_filters_are_sent_with_every_request(quirks: Quirks, parts_first: bool, proof: Proof) -> None:
    """Whichever way the list is read: else other images would be loaded, or counted."""
    images = hashed(150)
    for item in images[::2]:
        item |= {"ScanStatus": "SCANNED", "ScanTime": item["CreateTime"]}
    watched = Watched(Fleet(images), replace(quirks, max_limit=20))
    remote = watched.remote(limit=20)
    sweep = FullSweep(remote, (("ScanStatus", ("notScan",)),), known=watched.fleet.ids, parts_first=parts_first)
    shown = {item["ImageID"] for page in sweep.pages() for item in page.items}
    assert (shown, sweep.outcome.proof) == ({item["ImageID"] for item in images[1::2]}, proof)
    first = [payload.get("Filters", [{}])[0] for payload in watched.server.payloads]
    assert first == [{"Name": "ScanStatus", "Values": ["notScan"]}] * len(first)


# Evidence that contradicts.


def test_two_images_of_one_place_are_not_enough_rows() -> None:
    """TotalCount is constant, and fewer images were read than it says: another pass, and then no proof."""
    _, outcome, _ = _sweep(listed(300), Quirks(total_delta=2))
    assert outcome.complete is False


def test_groups_that_nearly_fill_a_page_one_after_the_other() -> None:
    """Each answer mixes their images anew, and a page that ends with such a group shows few images before it."""
    created = [DAY * number for number, size in enumerate((20, 19, 21, 20, 19)) for _ in range(size)]
    missed, outcome, _ = _sweep(items(created), Quirks(max_limit=20, ties="permuted"), limit=20)
    assert (missed, outcome.proof) == (set(), Proof.TIES)


def test_a_second_pass_has_other_boundaries() -> None:
    """So that two passes over a list without an order are two witnesses."""
    _, outcome, watched = _sweep(listed(300), UNSORTED)
    whole = [payload for payload in watched.server.payloads if "Filters" not in payload]
    offsets = [payload["Offset"] for payload in whole if payload["Limit"] == 100]
    assert outcome.proof is Proof.COUNT
    assert offsets == [0, 100, 200, 0, 50, 150, 250]


# Parts.


def test_parts_take_over_where_the_order_is_lost() -> None:
    """At the first page that contradicts the order, and not after the whole pass."""
    missed, outcome, watched = _sweep(hashed(1_000), replace(SUBSTRING, sortable=frozenset()))
    assert (missed, outcome.reason) == (set(), "by parts of the ids, since the sort values are not in order")
    assert watched.server.requests <= 22


def test_parts_first() -> None:
    """Where the last sweep needed them: one page, one question, and the parts."""
    watched = Watched(Fleet(hashed(1_000)), SUBSTRING)
    known = watched.fleet.ids()
    sweep = FullSweep(watched.remote(), known=lambda: known, parts_first=True)
    shown = {item["ImageID"] for page in sweep.pages() for item in page.items}
    assert (shown, sweep.outcome.proof, sweep.outcome.cause) == ({*known}, Proof.PARTS, None)
    assert watched.server.requests <= 20
    assert [payload.get("By") for payload in watched.server.payloads] == [None] * watched.server.requests


def test_parts_that_leave_out_an_image_are_no_proof() -> None:
    """A search index that has not heard of it: TotalCount of the whole list is one more than what all parts show."""
    watched = Watched(Fleet(hashed(1_000)), SUBSTRING)
    unheard = hashed(1_000)[700]["ImageID"]

    def fetch(payload: dict[str, Any]) -> Any:
        answer = watched.fetch(payload)
        rows = [item for item in answer.response["List"] if item["ImageID"] != unheard]
        if "Filters" not in payload or len(rows) == len(answer.response["List"]) or payload["Limit"] == 1:
            return answer
        return replace(answer, response={"List": rows, "TotalCount": answer.response["TotalCount"] - 1})

    sweep = FullSweep(replace(watched.remote(), fetch=fetch), known=watched.fleet.ids, parts_first=True)
    shown = {item["ImageID"] for page in sweep.pages() for item in page.items}
    assert not sweep.outcome.complete or unheard in shown
    assert sweep.outcome.proof is not Proof.PARTS


@pytest.mark.parametrize("fails", ["huge", "poison"])
@pytest.mark.parametrize("parts_first", [False, True])
def test_a_first_row_that_cannot_be_shown_is_left_to_a_pass(fails: str, parts_first: bool) -> None:
    """By CreateTime that row is not on the first page, and all others are read."""
    images = hashed(300)
    (bad,) = (item for item in images if item["CreateTime"] == instant_text(150 * DAY))
    images = [bad, *(item for item in images if item is not bad)]
    quirk = {"huge": {bad["ImageID"]: 0}, "poison": frozenset({bad["ImageID"]})}[fails]
    watched = Watched(Fleet(images), replace(SUBSTRING, **{fails: quirk}))
    sweep = FullSweep(watched.remote(), parts_first=parts_first)
    shown = {item["ImageID"] for page in sweep.pages() for item in page.items}
    assert (watched.throughout - shown, sweep.outcome.complete) == ({bad["ImageID"]}, False)


@pytest.mark.parametrize("parts_first", [False, True])
def test_a_server_that_is_down_is_an_error(parts_first: bool) -> None:
    """Whichever way the list is read first."""
    watched = Watched(Fleet(hashed(30)), SUBSTRING, (Fault("request_timeout", every=1),))
    with pytest.raises(TransientError):
        list(FullSweep(watched.remote(), parts_first=parts_first).pages())


def test_parts_first_of_a_server_that_finds_no_beginnings() -> None:
    """It has changed since, and the list is read by its order."""
    watched = Watched(Fleet(hashed(1_000)))
    sweep = FullSweep(watched.remote(), parts_first=True)
    shown = {item["ImageID"] for page in sweep.pages() for item in page.items}
    assert (shown, sweep.outcome.reason) == (watched.fleet.truth().keys(), "by order")


def test_a_failing_row_met_in_parts_is_left_to_a_pass() -> None:
    """Which reads all others."""
    images = hashed(1_000)
    latest = max(images, key=lambda item: item["CreateTime"])["ImageID"]
    assert latest not in {item["ImageID"] for item in images[:100]}
    watched = Watched(Fleet(images), replace(SUBSTRING, poison=frozenset({latest})))
    sweep = FullSweep(watched.remote(), known=watched.fleet.ids, parts_first=True)
    shown = {item["ImageID"] for page in sweep.pages() for item in page.items}
    assert watched.fleet.truth().keys() - shown == {latest}
    assert sweep.outcome.complete is False


@pytest.mark.parametrize("in_flight", [1, 4])
@pytest.mark.parametrize(("quirks", "passes"), [(Quirks(), 1), (UNSORTED, 2)], ids=["in order", "by count"])
def test_what_a_sweep_has_read_is_freed_at_its_end(quirks: Quirks, passes: int, in_flight: int) -> None:
    """At once, and not at the next collection of cycles: a load that follows needs the memory, and a million ids take
    250 MB."""
    gc.collect()
    gc.disable()
    try:
        watched = Watched(Fleet(listed(300)), quirks)
        sweep = FullSweep(watched.remote(in_flight, 100))
        assert sum(len(page.items) for page in sweep.pages()) >= 300
        kept = [weakref.ref(evidence) for evidence in sweep._passes]
        del sweep
        assert [ref() for ref in kept] == [None] * passes
    finally:
        gc.enable()


@pytest.mark.parametrize("ids", [listed, hashed], ids=["other ids", "digests"])
def test_a_list_without_an_order_is_not_collected_at_every_page(
    ids: Callable[[int], list[Item]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each collection goes through all ids that were read so far."""
    collections: list[int] = []
    read = FullSweep._read
    monkeypatch.setattr(FullSweep, "_read", lambda sweep: collections.append(1) or read(sweep))
    missed, outcome, watched = _sweep(ids(400), UNSORTED, limit=10)
    assert (missed, outcome.proof, len(watched.answers) > 80) == (set(), Proof.COUNT, True)
    assert len(collections) <= 2


def test_one_id_that_is_no_digest_keeps_a_pass_going() -> None:
    """It is in no part, so that parts would be no whole list."""
    images = hashed(60)
    images[0] = {**images[0], "ImageID": "another"}
    missed, outcome, watched = _sweep(images, replace(SUBSTRING, sortable=frozenset()), limit=10)
    assert (missed, outcome.proof, outcome.passes) == (set(), Proof.COUNT, 2)
    tried = [answer for answer in watched.answers if "ImageID" in str(answer.payload.get("Filters"))]
    assert len(tried) == 1
