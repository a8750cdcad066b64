"""Two strikes: an image that is not found is missing, and one that a later run does not find either is gone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connector.runs.policy import HOUR, Mode, Policy
from connector.runs.spool import Spool
from connector.sandbox import Fleet, LocalServer, Quirks
from connector.tables import IMAGE_HISTORY, IMAGES, Row
from tests.runs.memory import Runs, typed

SECOND = HOUR // 3600
FULL = Policy(mode=Mode.FULL)
INCREMENTAL = Policy(mode=Mode.INCREMENTAL)
AUTO = Policy()
SHARD_DOWN = Quirks(shards=7, down_shards=frozenset({0}))
UNSORTED = Quirks(sortable=frozenset(), default_order="shuffled")
FILTERED = Policy(filters=(("ScanStatus", ("scanned",)),))


def account(size: int = 60) -> Runs:
    """Runs of an account, in pages of 10, after a first one that has loaded all its images."""
    runs = Runs(LocalServer(Fleet.seeded(size, 3)))
    runs.run()
    later(runs, HOUR)
    return runs


def later(runs: Runs, time: int) -> None:
    runs.server.fleet.now += time


def scanned(runs: Runs) -> list[str]:
    """Listed images with a successful scan, oldest scan first."""
    found = [item for item in runs.server.fleet.truth().values() if item["ScanStatus"] == "SCANNED"]
    return [item["ImageID"] for item in sorted(found, key=lambda item: str(item["ScanTime"]))]


def deleted(runs: Runs) -> dict[str, int]:
    return {row["image_id"]: row["deleted_at"] for row in runs.warehouse[IMAGES] if row["deleted_at"] is not None}


def missing(runs: Runs) -> dict[str, int]:
    """Images that are marked and not gone, and since when."""
    rows = [row for row in runs.warehouse[IMAGES] if row["deleted_at"] is None]
    return {row["image_id"]: row["missing_since"] for row in rows if row["missing_since"] is not None}


def some(row: Row, *names: str) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


@pytest.mark.parametrize("size", [60, 500])
def test_a_back_end_that_is_partly_down_calls_nothing_gone(size: int) -> None:
    """It answers the sweep and its look-ups alike: what is not there for one run is missing, and no more than that.
    The next run sees by TotalCount that there are more images than it expects, and finds all of them again."""
    runs = account(size)
    before = {row["image_id"]: row for row in runs.warehouse[IMAGES]}
    runs.server.backend.quirks = SHARD_DOWN
    row = runs.run(FULL)
    assert some(row, "verdict", "images_gone") == ("complete", 0)
    assert len(missing(runs)) == size - row["images_listed"] > 0
    later(runs, HOUR)
    runs.server.backend.quirks = Quirks()
    row = runs.run()
    assert some(row, "mode", "verdict", "images_unchanged") == ("full", "complete", size)
    assert row["mode_reason"].startswith(f"incremental was not enough: TotalCount is {size}, ")
    assert {row["image_id"]: row for row in runs.warehouse[IMAGES]} == before
    assert len(runs.warehouse[IMAGE_HISTORY]) == size


def test_the_first_strike_writes_no_version() -> None:
    """Only the image's row says that it is missing; everything else in it stays, the run that wrote it included."""
    runs = account()
    (image_id,) = runs.server.fleet.delete(1)
    image, history = runs.warehouse.image(image_id), runs.warehouse[IMAGE_HISTORY]
    row = runs.run(FULL)
    assert some(row, "verdict", "images_gone", "images_unchanged") == ("complete", 0, 59)
    assert runs.warehouse.image(image_id) == {**image, "missing_since": row["started_at"]}
    assert runs.warehouse[IMAGE_HISTORY] == history


@pytest.mark.parametrize("policy", [FULL, INCREMENTAL, AUTO], ids=["full", "incremental", "auto"])
@pytest.mark.parametrize(("seconds", "gone"), [(0, 0), (599, 0), (600, 2), (86_000, 2)])
def test_the_second_strike_is_a_later_run_of_any_mode(policy: Policy, seconds: int, gone: int) -> None:
    """At least confirm_gone_after later; the mark stays as it was until then, and says afterwards since when."""
    runs = account()
    ids = set(runs.server.fleet.delete(scanned(runs)[:2]))
    first = runs.run(FULL)
    runs.server.fleet.now = first["started_at"] + seconds * SECOND
    row = runs.run(policy)
    assert some(row, "mode", "verdict", "images_gone") == (
        "full" if policy is FULL else "incremental",
        "complete",
        gone,
    )
    assert {runs.warehouse.image(image_id)["missing_since"] for image_id in ids} == {first["started_at"]}
    assert deleted(runs) == (dict.fromkeys(ids, row["started_at"]) if gone else {})
    assert [len(runs.warehouse.versions(image_id)) for image_id in ids] == [1 + gone // 2] * 2
    assert "less than the images known" not in row["verdict_reason"]


@pytest.mark.parametrize("seconds", [0, 60, 86_400])
def test_the_setting_says_how_much_later(seconds: int) -> None:
    """0 is at once, in the run that does not list the image."""
    runs = account()
    policy = Policy(mode=Mode.FULL, confirm_gone_after=seconds * SECOND)
    runs.server.fleet.delete(1)
    rows = [runs.run(policy)]
    for wait in (seconds // 2, seconds):
        runs.server.fleet.now = rows[0]["started_at"] + wait * SECOND
        rows.append(runs.run(policy))
    assert [row["images_gone"] for row in rows] == ([0, 0, 1] if seconds else [1, 0, 0])
    assert {row["missing_since"] for row in runs.warehouse[IMAGES]} == {None, rows[0]["started_at"]}


def test_the_time_between_two_look_ups_counts_from_the_end_of_the_first(tmp_path: Path) -> None:
    """A full sweep may take longer than confirm_gone_after."""
    runs = account()
    (image_id,) = runs.server.fleet.delete(1)
    observation = runs.observation(Spool(tmp_path), runs.server.fleet.now, FULL)
    ended = runs.server.fleet.now + HOUR
    observation._remote = replace(observation._remote, clock=lambda: ended)
    assert len([*observation.observe()]) > 0
    runs.warehouse.merge(IMAGES, observation.spool.finish(IMAGES))
    assert missing(runs) == {image_id: ended}
    runs.server.fleet.now = ended + 599 * SECOND
    assert runs.run()["images_gone"] == 0
    runs.server.fleet.now = ended + 600 * SECOND
    assert runs.run()["images_gone"] == 1


def test_a_mark_of_the_future_is_made_again() -> None:
    """The clock of the run that made it was ahead: the image would be missing, and never gone, until then."""
    runs = account()
    runs.server.fleet.delete(1)
    now = runs.server.fleet.now
    runs.run(FULL, now=now + 10_000 * HOUR)
    runs.server.fleet.now = now + HOUR
    row = runs.run(FULL)
    assert (row["images_gone"], [*missing(runs).values()]) == (0, [row["started_at"]])
    later(runs, HOUR)
    assert runs.run(FULL)["images_gone"] == 1


@pytest.mark.parametrize("policy", [FULL, AUTO, FILTERED], ids=["full", "auto", "filtered"])
@pytest.mark.parametrize("change", [False, True], ids=["as it was", "changed"])
def test_an_image_that_is_listed_again_is_not_missing(policy: Policy, change: bool) -> None:
    """In any run that lists it; a version comes from a change alone."""
    runs = account()
    (image_id,) = runs.server.fleet.delete(scanned(runs)[:1])
    runs.run(FULL)
    later(runs, HOUR)
    runs.server.fleet.bring_back()
    if change:
        runs.server.fleet.change_counts([image_id])
    row = runs.run(policy)
    assert some(row, "verdict", "images_gone", "images_returned", "images_changed") == ("complete", 0, 0, int(change))
    assert (missing(runs), deleted(runs)) == ({}, {})
    assert len(runs.warehouse.versions(image_id)) == 1 + change


def test_a_partial_run_that_lists_an_image_again_takes_its_mark() -> None:
    """It marks no other, and calls none gone."""
    runs = account()
    back, gone, new = runs.server.fleet.delete(scanned(runs)[:2]) + scanned(runs)[3:4]
    runs.run(FULL)
    later(runs, HOUR)
    runs.server.fleet.bring_back([back])
    runs.server.fleet.delete([new])
    before = missing(runs)
    runs.server.backend.quirks = UNSORTED
    assert some(runs.run(FULL), "verdict", "images_gone") == ("partial", 0)
    assert {gone: before[gone]}.items() <= missing(runs).items() <= before.items()
    assert deleted(runs) == {}


def test_a_filtered_run_marks_nothing_and_calls_nothing_gone() -> None:
    """What it does not list may be listed all the same."""
    runs = account()
    runs.server.fleet.delete(scanned(runs)[:1])
    runs.run(FULL)
    before = missing(runs)
    later(runs, HOUR)
    runs.server.fleet.delete(scanned(runs)[:1])
    assert some(runs.run(FILTERED), "verdict", "images_gone") == ("complete", 0)
    assert (missing(runs), deleted(runs)) == (before, {})


def test_more_than_a_share_are_not_even_marked() -> None:
    """The share counts all that a sweep does not list, those included that are missing since earlier ones."""
    runs = account(100)
    first = runs.server.fleet.delete(12)
    runs.run(FULL)
    later(runs, HOUR)
    runs.server.fleet.delete(12)
    row = runs.run(FULL)
    assert row["verdict_reason"] == "24 of 100 images are not listed any more, more than max_delete_share allows"
    assert (set(missing(runs)), deleted(runs)) == (set(first), {})
    row = runs.run(Policy(mode=Mode.INCREMENTAL, max_delete_share=0.1))
    assert row["verdict_reason"].startswith("12 of 100 images are not listed any more, more than max_delete_share")
    assert (row["verdict"], deleted(runs)) == ("partial", {})
    assert runs.run(INCREMENTAL)["images_gone"] == 12


@pytest.mark.parametrize("quirks", [Quirks(image_id_filter="ignored"), Quirks(filter_values=4)], ids=["ignored", "cut"])
@pytest.mark.parametrize("policy", [FULL, INCREMENTAL], ids=["full", "incremental"])
def test_a_filter_that_cannot_be_trusted_is_no_strike(quirks: Quirks, policy: Policy) -> None:
    """Neither the first one nor the second."""
    runs = account()
    runs.server.fleet.delete(scanned(runs)[:4])
    runs.server.backend.quirks = quirks
    assert runs.run(FULL)["verdict_reason"].endswith("so that none of 4 images is called gone")
    assert missing(runs) == {}
    runs.server.backend.quirks = Quirks()
    runs.run(FULL)
    later(runs, HOUR)
    runs.server.backend.quirks = quirks
    row = runs.run(policy)
    assert some(row, "verdict", "images_gone") == ("complete", 0)
    assert row["verdict_reason"].endswith("so that none of 4 images is called gone")
    assert (len(missing(runs)), deleted(runs)) == (4, {})


def test_an_incremental_run_that_finds_an_image_calls_no_other_gone() -> None:
    """The back end was not whole, and may still not be. The run is complete: it does not say that old images went."""
    runs = account()
    back, gone = runs.server.fleet.delete(scanned(runs)[:2])
    runs.run(FULL)
    later(runs, HOUR)
    runs.server.fleet.bring_back([back])
    runs.server.fleet.delete(scanned(runs)[5:6])  # so that TotalCount does not show it
    row = runs.run()
    assert some(row, "mode", "verdict", "images_unchanged") == ("incremental", "complete", row["images_listed"])
    assert row["verdict_reason"].endswith(
        "1 images that the sweep did not show are listed after all, so that none of 1 images is called gone"
    )
    assert (set(missing(runs)), deleted(runs)) == ({gone}, {})
    later(runs, 1000)
    assert runs.run()["images_gone"] == 1
    assert set(deleted(runs)) == {gone}


@pytest.mark.parametrize("packages", [0, 1, 2, 3])
def test_a_run_that_died_is_no_more_than_what_it_committed(packages: int) -> None:
    """A mark that is in the warehouse counts, whether its run has a row or not; one that is not is made again."""
    runs = account()
    (image_id,) = runs.server.fleet.delete(1)
    runs.run(FULL, packages=packages)
    marked = packages >= 2
    assert set(missing(runs)) == ({image_id} if marked else set())
    later(runs, HOUR)
    runs.run(FULL, packages=packages)
    later(runs, HOUR)
    runs.run(FULL)
    assert set(deleted(runs) if marked else missing(runs)) == {image_id}
    assert len(runs.warehouse.versions(image_id)) == 1 + marked


def test_all_the_images_that_are_left_are_controls() -> None:
    """A list of one image has one, which is asked for twice; an empty list has none, and is not believed."""
    runs = account(2)
    runs.server.fleet.delete(1)
    policy = Policy(mode=Mode.FULL, max_delete_share=1.0)
    runs.run(policy)
    later(runs, HOUR)
    assert runs.run(policy)["images_gone"] == 1
    assert set(typed(runs.server.fleet.truth())) | set(deleted(runs)) == {r["image_id"] for r in runs.warehouse[IMAGES]}


def test_a_gone_image_that_returns_and_goes_again_has_two_strikes_again() -> None:
    """Its old mark does not count."""
    runs = account()
    counts = []
    for change in ("delete", None, "bring_back", "delete", None):
        if change:
            runs.server.fleet.apply({change: scanned(runs)[:1] if change == "delete" else None})
        counts.append(some(runs.run(FULL), "images_gone", "images_returned"))
        later(runs, HOUR)
    assert counts == [(0, 0), (1, 0), (0, 1), (0, 0), (1, 0)]
