"""Whole runs against servers that do what the documentation allows: complete and true, or partial with what was read.

A fleet of 200 images in pages of 10. The sweeps have tests of their own (`tests/listing`): here is what a run makes of
them, from a first load to the warehouse that an analyst queries.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from connector.runs.policy import HOUR, Mode, Policy
from connector.sandbox import Fault, Fleet, LocalServer, Quirks
from connector.sandbox.images import Item, instant_text
from connector.tables import IMAGE_HISTORY, IMAGE_SCANS, IMAGES, Row
from tests.listing.lists import NOW, items
from tests.runs.memory import Runs, typed

IMAGES_LISTED = 200
FULL = Policy(mode=Mode.FULL)
BUILT_LONG_AGO = "i0000"


def made(*, when_built: bool = False) -> list[Item]:
    """Images built an hour apart, the last one just now, scanned in another order or when they were built; eight were
    never scanned."""
    built = [NOW - HOUR * (IMAGES_LISTED - n) for n in range(IMAGES_LISTED)]
    scans = [(built[n if when_built else n * 7 % IMAGES_LISTED] + HOUR // 4) for n in range(IMAGES_LISTED)]
    listed = items(built, [None if 50 <= n < 58 else scan for n, scan in enumerate(scans)])
    return listed[::2] + listed[1::2]


def account(quirks: Quirks | None = None, listed: Iterable[Item] = (), **options: Any) -> Runs:
    """Runs of an account on such a server."""
    return Runs(LocalServer(Fleet(listed or made(), now=NOW), quirks, **options))


def later(runs: Runs, hours: int = 1) -> None:
    runs.server.fleet.now += hours * HOUR


def some(row: Row, *names: str) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


def live(runs: Runs) -> dict[str, tuple[Any, ...]]:
    """The images of the warehouse that are not gone, as the API's columns."""
    names = IMAGES.column_names[2 : 2 + len(next(iter(typed(runs.server.fleet.truth()).values())))]
    rows = [row for row in runs.warehouse[IMAGES] if row["deleted_at"] is None]
    return {row["image_id"]: tuple(row[name] for name in names) for row in rows}


def is_true(runs: Runs) -> bool:
    """Whether the live images are those that are listed, as they are."""
    return live(runs) == typed(runs.server.fleet.truth())


ONLY_CREATE_TIME = Quirks(sortable=frozenset({"CreateTime"}))


@pytest.mark.parametrize(
    "quirks",
    [
        replace(ONLY_CREATE_TIME, unknown_by="create_time"),
        replace(ONLY_CREATE_TIME, default_order="create_time"),
        Quirks(by_aliases={"ScanTime": "CreateTime"}),
    ],
    ids=["by CreateTime instead", "the default heeds Order", "an alias"],
)
def test_rescans_of_old_images_are_found_where_scan_time_is_not_known(quirks: Quirks) -> None:
    """In every run, hour after hour: each one finds out that it has to read all."""
    runs = account(quirks, made(when_built=True))
    runs.run()
    for _ in range(3):
        later(runs)
        runs.server.fleet.rescan([BUILT_LONG_AGO])
        row = runs.run()
        assert some(row, "mode", "verdict", "images_changed") == ("full", "complete", 1)
        assert row["mode_reason"].endswith("the server may not sort by ScanTime")
        assert is_true(runs)


@pytest.mark.parametrize(
    ("quirks", "loaded", "expected"),
    [
        (Quirks(window=120), 200, ("partial", "gap")),
        (Quirks(window=60), 120, ("partial", "end_hidden")),
        (Quirks(max_offset=120), 200, ("complete", "both_ends")),
        (Quirks(max_offset=60), 132, ("partial", "refused")),
    ],
    ids=["a window", "more than two windows", "an offset that is refused", "offsets from both ends"],
)
def test_a_list_that_is_cut_short_loads_all_that_can_be_read(
    quirks: Quirks, loaded: int, expected: tuple[str, str]
) -> None:
    """From both ends, and in every run; whatever is not proven is partial, and calls nothing gone."""
    runs = account(quirks)
    for _ in range(2):
        row = runs.run(FULL)
        assert some(row, "verdict", "reason_code", "images_gone") == (*expected, 0)
        assert len(live(runs)) == loaded
        later(runs)


@pytest.mark.parametrize("by", ["offset", "request", "pass"])
def test_replicas_that_differ_are_partial_where_nothing_is_sorted(by: Any) -> None:
    """What each of them has is loaded."""
    lacking = (frozenset({"i0020"}), frozenset({"i0120"}))
    runs = account(Quirks(sortable=frozenset(), replicas=lacking, replica_by=by))
    assert some(runs.run(), "verdict", "reason_code") == ("partial", "passes_differ")
    assert set(runs.server.fleet.ids()) - live(runs).keys() <= {"i0020", "i0120"}


@pytest.mark.parametrize("at", [3, 9, 15])
def test_an_image_that_moves_in_a_sweep_is_loaded(at: int) -> None:
    """Its CreateTime is set to one that was read before; TotalCount says that an image is missing."""

    def churn(fleet: Fleet, number: int) -> None:
        if number == at:
            fleet.replace({"i0190": {"CreateTime": instant_text(NOW - 999 * HOUR)}})

    runs = account(churn=churn)
    assert some(runs.run(), "verdict", "images_new", "passes") == ("complete", 200, 2)
    assert is_true(runs)


@pytest.mark.parametrize("first", [4, 12, 20])
def test_a_shard_that_was_silent_for_two_answers_is_loaded(first: int) -> None:
    """Whether its images were to come or to be read again."""
    runs = account(Quirks(shards=20), faults=[Fault("silent_shard", at=(first, first + 1), value=3)])
    assert some(runs.run(), "verdict", "images_new") == ("complete", 200)
    assert is_true(runs)


def test_a_shard_that_is_silent_during_an_incremental_sweep_makes_a_full_one() -> None:
    """The page of the newest scans has lacked it, and TotalCount has come back."""
    runs = account(Quirks(shards=60))
    runs.run()
    later(runs)
    asked = runs.server.backend.numbers.total()
    runs.server.backend.faults = (Fault("silent_shard", at=asked + 5, value=3),)
    row = runs.run()
    assert row["mode"] == "full"
    assert "TotalCount fell to" in row["mode_reason"]
    assert is_true(runs)


def test_a_row_at_which_the_server_fails_leaves_the_others_loaded() -> None:
    """Partial, hour after hour, with all other rows as they are; once the row can be read it is loaded as well."""
    runs = account(Quirks(poison=frozenset({"i0100"})))
    for _ in range(2):
        row = runs.run(FULL)
        assert some(row, "verdict", "reason_code", "images_listed") == ("partial", "unreadable", 199)
        assert live(runs).items() < typed(runs.server.fleet.truth()).items()
        later(runs)
    runs.server.backend.quirks = Quirks()
    assert some(runs.run(), "verdict", "images_new") == ("complete", 1)
    assert is_true(runs)


@pytest.mark.parametrize("form", ["text", "float"])
def test_a_total_count_that_is_no_integer_is_as_good(form: Any) -> None:
    """In runs of both modes, in the run's row too."""
    runs = account(Quirks(total_as=form))
    rows = [runs.run()]
    later(runs)
    runs.server.fleet.rescan([BUILT_LONG_AGO])
    rows.append(runs.run())
    assert [some(row, "mode", "verdict", "total_count") for row in rows] == [
        ("full", "complete", 200),
        ("incremental", "complete", 200),
    ]
    assert is_true(runs)


@pytest.mark.parametrize("read", [1, 2])
def test_a_failed_scan_is_seen_where_few_words_of_the_filter_are_read(read: int) -> None:
    """Its image keeps the ScanTime of the scan before, so that only its status shows."""
    runs = account(Quirks(status_values=read))
    runs.run()
    later(runs)
    runs.server.fleet.replace({BUILT_LONG_AGO: {"ScanStatus": "SCAN_ERR"}})
    assert some(runs.run(), "verdict", "images_changed") == ("complete", 1)
    assert runs.warehouse.image(BUILT_LONG_AGO)["scan_status"] == "SCAN_ERR"


@pytest.mark.parametrize("read", [1, 2])
def test_an_image_that_is_not_scanned_any_more_is_seen_where_none_was_before(read: int) -> None:
    """No image is known that the filter should give; the words turned round show that it reads its first ones only."""
    runs = account(Quirks(status_values=read), [{**item, "ScanStatus": "SCANNED"} for item in made()])
    runs.run()
    later(runs)
    runs.server.fleet.replace({BUILT_LONG_AGO: {"ScanStatus": "NOT_SCAN"}})
    assert some(runs.run(), "mode", "verdict", "images_changed") == ("full", "complete", 1)


@pytest.mark.parametrize("by", ["request", "offset"])
def test_an_older_state_does_not_replace_a_newer_one(by: Any) -> None:
    """Two of three replicas are late: what they show of an image that is scanned in mid-sweep comes after the news."""

    def churn(fleet: Fleet, number: int) -> None:
        fleet.rescan([f"i{(7 * number) % IMAGES_LISTED:04}", f"i{9 * number % IMAGES_LISTED:04}"])
        fleet.now += 1000

    runs = account(Quirks(lags=(0, 5, 2), replica_by=by), churn=churn)
    runs.run()
    for _ in range(2):
        later(runs)
        runs.run(FULL)
        scans: dict[str, int] = {}
        for scan in sorted(runs.warehouse[IMAGE_SCANS], key=lambda scan: scan["scan_time"]):
            scans[scan["image_id"]] = scan["scan_time"]
        stored = {row["image_id"]: row["scan_time"] for row in runs.warehouse[IMAGES] if row["scan_time"] is not None}
        assert stored == scans
    assert len(runs.warehouse[IMAGE_SCANS]) > IMAGES_LISTED


def test_a_list_with_one_huge_row_is_read_whole() -> None:
    """And costs a few requests more than one without."""
    rows, requests = [], []
    for quirks in (Quirks(), Quirks(huge={"i0077": 5})):
        runs = account(quirks)
        rows.append(runs.run())
        requests.append(runs.server.requests)
        assert is_true(runs)
    assert [row["reason_code"] for row in rows] == ["order", "order"]
    assert requests[1] - requests[0] <= 12


def test_two_names_of_one_image_make_no_versions() -> None:
    """Whichever row comes first: the same one is the image in every run, of both modes."""
    runs = account(Quirks(ties="permuted", listed_twice={f"i{n:04}": {"ImageName": "z:other"} for n in (3, 52, 198)}))
    runs.run()
    for number in range(8):
        later(runs)
        assert some(runs.run(FULL if number % 2 else Policy()), "verdict", "images_changed") == ("complete", 0)
    assert {row["version"] for row in runs.warehouse[IMAGE_HISTORY]} == {1}


# Reproducible builds.


def alike() -> list[Item]:
    """60 of the images are of 1970-01-01."""
    return [
        {**item, "CreateTime": "1970-01-01T00:00:00Z"} if int(item["ImageID"][1:]) % 10 < 3 else item for item in made()
    ]


def test_reproducible_builds_get_a_complete_like_any_other() -> None:
    """The first run and the next one, and the proof that was chosen is in the run's row."""
    runs = account(listed=alike())
    rows = [runs.run()]
    later(runs)
    changed = runs.server.fleet.rescan(["i0001", "i0005"])
    rows.append(runs.run())
    later(runs)
    runs.server.fleet.delete(["i0002"])
    rows.append(runs.run(replace(FULL, confirm_gone_after=0)))
    assert [some(row, "mode", "verdict", "reason_code") for row in rows] == [
        ("full", "complete", "ties"),
        ("incremental", "complete", "watermark"),
        ("full", "complete", "ties"),
    ]
    assert (rows[1]["images_changed"], rows[2]["images_gone"], is_true(runs)) == (len(changed), 1, True)


def test_a_batch_of_one_scan_time_is_an_incremental_run() -> None:
    """40 images, four pages of them, are scanned in one instant."""
    runs = account()
    runs.run()
    later(runs)
    now = runs.server.fleet.now - HOUR // 2
    runs.server.fleet.replace({f"i{n:04}": {"ScanTime": instant_text(now)} for n in range(100, 140)})
    row = runs.run()
    assert some(row, "mode", "verdict", "images_changed") == ("incremental", "complete", 40)
    assert is_true(runs)
