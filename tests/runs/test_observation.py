"""One run of one account: which sweep and why, what it may call gone, and what the run's row promises."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import connector
from connector.errors import AccessError, ConfigurationError, DestinationError, RequestRejectedError, TcssError
from connector.runs.observation import Observation
from connector.runs.policy import HOUR, History, Mode, Policy, choose
from connector.runs.row import Sent, run_row
from connector.runs.spool import Spool
from connector.sandbox import Fault, Fleet, LocalServer, Quirks
from connector.sandbox.images import instant_text
from connector.sandbox.parameters import ApiError
from connector.tables import IMAGE_HISTORY, IMAGE_SCANS, IMAGES, REJECTED_VALUES, SYNC_RUNS, Row
from tests.runs.memory import ACCOUNT, Runs, typed

NOW = 1_000 * HOUR
FULL = Policy(mode=Mode.FULL)
INCREMENTAL = Policy(mode=Mode.INCREMENTAL)
FILTERED = Policy(filters=(("ScanStatus", ("scanned",)),))


def earlier(mode: str, ago: int, **columns: Any) -> Row:
    """A complete run without filters that started `ago` hours before NOW and found a scan an hour before that."""
    row: Row = dict.fromkeys(SYNC_RUNS.column_names)
    started_at = NOW - ago * HOUR
    row |= {"mode": mode, "verdict": "complete", "started_at": started_at, "watermark_after": started_at - HOUR}
    return {**row, **columns}


@pytest.mark.parametrize(
    ("policy", "runs", "expected"),
    [
        (Policy(), [], ("full", "no watermark yet")),
        (INCREMENTAL, [], ("full", "no watermark yet")),
        (FULL, [earlier("full", 1)], ("full", "asked for")),
        (INCREMENTAL, [earlier("full", 99)], ("incremental", "asked for")),
        (Policy(mode=Mode.INCREMENTAL, initial_scan_time=5), [], ("incremental", "asked for")),
        (Policy(initial_scan_time=5), [], ("full", "no complete full sweep yet")),
        (Policy(), [earlier("full", 1)], ("incremental", "since the watermark")),
        (Policy(), [earlier("full", 23)], ("incremental", "since the watermark")),
        (Policy(), [earlier("full", 24)], ("full", "the last complete full sweep is too old")),
        (
            Policy(),
            [earlier("incremental", 1), earlier("full", 24)],
            ("full", "the last complete full sweep is too old"),
        ),
        (Policy(), [earlier("full", 1, verdict="partial")], ("full", "no watermark yet")),
        (Policy(), [earlier("full", 1, filters="{}")], ("full", "no watermark yet")),
        (Policy(), [earlier("full", 1, watermark_after=None)], ("full", "no watermark yet")),
        (Policy(), [earlier("incremental", 1)], ("full", "no complete full sweep yet")),
        (
            Policy(),
            [earlier("full", 1, missed_by_incremental=2)],
            ("full", "incremental runs had missed 2 images"),
        ),
        (
            Policy(),
            [earlier("full", 1, missed_by_incremental=0), earlier("full", 2, missed_by_incremental=2)],
            ("incremental", "since the watermark"),
        ),
        (
            Policy(),
            [
                earlier("full", 1, verdict="partial", missed_by_incremental=0),
                earlier("full", 2, missed_by_incremental=2),
            ],
            ("full", "incremental runs had missed 2 images"),
        ),
        (
            Policy(mode=Mode.INCREMENTAL, filters=FILTERED.filters),
            [earlier("full", 1)],
            ("full", "a filtered list is read whole"),
        ),
    ],
    ids=[
        "first run",
        "first run, incremental asked for",
        "full asked for",
        "incremental asked for",
        "initial scan time",
        "initial scan time, auto",
        "full an hour ago",
        "full 23 hours ago",
        "full a day ago",
        "full a day ago, incremental since",
        "partial",
        "filtered before",
        "nothing scanned yet",
        "never full",
        "missed",
        "missed, then clean",
        "missed, then partial",
        "filters",
    ],
)
def test_a_run_says_which_sweep_it_makes_and_why(policy: Policy, runs: list[Row], expected: tuple[str, str]) -> None:
    """auto is incremental unless only a full sweep can tell; only complete runs without filters count."""
    mode, cause = choose(policy, History.of(runs), NOW)
    assert (mode, str(cause)) == expected


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([], None),
        ([earlier("full", 1)], None),
        ([earlier("incremental", 1)], None),
        ([earlier("incremental", 1), earlier("full", 9)], (NOW - 10 * HOUR, NOW - 3 * HOUR)),
        ([earlier("incremental", 1), earlier("full", 9, watermark_after=None)], (0, NOW - 3 * HOUR)),
        ([earlier("full", 1), earlier("incremental", 2), earlier("full", 9)], None),
    ],
    ids=["no runs", "only full", "never full", "incremental since full", "nothing scanned before", "full since"],
)
def test_what_is_audited(runs: list[Row], expected: tuple[int, int] | None) -> None:
    """From the last full sweep's watermark to that of the incremental ones since, less the lookback."""
    assert History.of(runs).audited(HOUR) == expected


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([], 0),
        ([earlier("full", 1, total_count=12, images_listed=10)], 2),
        (
            [
                earlier("incremental", 1, total_count=12, images_listed=3),
                earlier("full", 2, total_count=9, images_listed=10),
            ],
            -1,
        ),
        ([earlier("full", 1, total_count=None, images_listed=10)], 0),
    ],
    ids=["no runs", "more", "fewer", "no TotalCount"],
)
def test_the_surplus_of_total_count(runs: list[Row], expected: int) -> None:
    """What TotalCount said beyond the images listed, when all were read last."""
    assert History.of(runs).surplus == expected


# Runs against a server.


def account(size: int = 60, quirks: Quirks | None = None, *, limit: int = 10, **options: Any) -> Runs:
    """Runs of an account with so many images, by default in pages of 10, whose clock stands at 2025-06-01 08:00 UTC."""
    return Runs(LocalServer(Fleet.seeded(size, 3), quirks, **options), limit=limit)


def scanned(runs: Runs) -> list[str]:
    """Listed images with a successful scan, oldest scan first."""
    truth = runs.server.fleet.truth()
    found = [image_id for image_id, item in truth.items() if item["ScanStatus"] == "SCANNED"]
    return sorted(found, key=lambda image_id: str(truth[image_id]["ScanTime"]))


def later(runs: Runs, hours: float) -> None:
    runs.server.fleet.now += int(hours * HOUR)


def some(row: Row, *names: str) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


def kinds(row: Row) -> dict[str, int]:
    """The counters of images that are not 0."""
    names = ("new", "changed", "unchanged", "gone", "returned")
    return {name: row[f"images_{name}"] for name in names if row[f"images_{name}"]}


def deleted(runs: Runs) -> set[str]:
    return {row["image_id"] for row in runs.warehouse[IMAGES] if row["deleted_at"] is not None}


def is_true(runs: Runs) -> bool:
    """Whether the live images are those that are listed, as they are."""
    rows = [row for row in runs.warehouse[IMAGES] if row["deleted_at"] is None]
    truth = typed(runs.server.fleet.truth())
    names = IMAGES.column_names[2 : 2 + len(next(iter(truth.values()), ()))]
    return {row["image_id"]: tuple(row[name] for name in names) for row in rows} == truth


def test_a_first_run_reads_all(tmp_path: Path) -> None:
    """Every image is new, and the row of the run is whole."""
    runs = account(7, limit=5)
    runs.server.fleet.replace({scanned(runs)[0]: {"Size": "?", "New": 1}})
    started_at = runs.server.fleet.now
    observation = runs.observation(Spool(tmp_path), started_at, Policy())
    assert list(observation.observe()) == [(5, 7), (7, 7)]
    assert run_row(observation, started_at + 9, Sent(endpoint="local", requests=2)) == {
        "sync_id": "run-0",
        "account_id": ACCOUNT,
        "mode": "full",
        "mode_reason": "no watermark yet",
        "verdict": "complete",
        "verdict_reason": "by order",
        "started_at": started_at,
        "finished_at": started_at + 9,
        "total_count": 7,
        "rows_listed": 9,
        "images_listed": 7,
        "images_new": 7,
        "images_changed": 0,
        "images_unchanged": 0,
        "images_gone": 0,
        "images_returned": 0,
        "values_rejected": 1,
        "unknown_fields": '["New"]',
        "pages": 2,
        "requests": 2,
        "throttled": 0,
        "retries": 0,
        "seam_repairs": 0,
        "passes": 1,
        "order_proven": True,
        "missed_by_incremental": 0,
        "watermark_before": None,
        "watermark_after": 1_748_622_189_854_000,
        "first_request_id": None,
        "last_request_id": None,
        "endpoint": "local",
        "filters": None,
        "connector_version": connector.__version__,
    }
    assert [observation.spool.count(table) for table in (IMAGES, IMAGE_HISTORY, REJECTED_VALUES)] == [7, 7, 1]


def test_the_second_run_is_incremental() -> None:
    """It finds new and rescanned images, and writes nothing else."""
    runs = account()
    assert kinds(runs.run()) == {"new": 60}
    later(runs, 3)
    changed = runs.server.fleet.rescan(scanned(runs)[:3])
    new = runs.server.fleet.insert(2)
    row = runs.run()
    assert some(row, "mode", "mode_reason", "verdict") == ("incremental", "since the watermark", "complete")
    assert (row["images_new"], row["images_changed"], row["missed_by_incremental"]) == (2, 3, None)
    assert {row["image_id"] for row in runs.warehouse[IMAGE_HISTORY] if row["sync_id"] == "run-2"} == {*changed, *new}
    assert is_true(runs)


def test_an_unchanged_fleet_costs_one_row() -> None:
    """A full sweep that finds everything as it was writes its row in sync_runs, and moves nothing."""
    runs = account()
    first = runs.run()
    tables = (IMAGES, IMAGE_HISTORY, IMAGE_SCANS, REJECTED_VALUES)
    before = {table.name: runs.warehouse[table] for table in tables}
    later(runs, 1)
    second = runs.run(FULL)
    assert {table.name: runs.warehouse[table] for table in tables} == before
    assert kinds(second) == {"unchanged": 60}
    assert second["watermark_after"] == first["watermark_after"]


@pytest.mark.parametrize(
    "quirks",
    [Quirks(sortable=frozenset({"CreateTime"})), Quirks(status_filter="ignored")],
    ids=["ScanTime is not sorted by", "ScanStatus is not filtered by"],
)
def test_an_incremental_run_that_cannot_tell_becomes_a_full_one(quirks: Quirks) -> None:
    """In the same run, whose row says why; its images count once."""
    runs = account(quirks=quirks)
    runs.run()
    later(runs, 1)
    runs.server.fleet.change_counts(4)
    row = runs.run()
    assert some(row, "mode", "verdict") == ("full", "complete")
    assert row["mode_reason"].startswith("incremental was not enough: the server does not ")
    assert kinds(row) == {"changed": 4, "unchanged": 56}
    assert is_true(runs)


def test_a_small_fleet_is_read_whole() -> None:
    """Where a full sweep needs fewer requests than an incremental one."""
    runs = account(12)
    runs.run()
    assert runs.run()["mode_reason"] == "incremental was not enough: a full sweep needs fewer requests"


def test_total_count_above_what_is_known_makes_a_full_sweep() -> None:
    """An image with an old scan that appears is none that an incremental sweep would see."""
    runs = account()
    old = scanned(runs)[:1]
    runs.server.fleet.delete(old)
    runs.run()
    later(runs, 1)
    runs.server.fleet.bring_back(old)
    row = runs.run()
    assert row["mode_reason"] == "incremental was not enough: TotalCount is 60, 1 more than the images that are known"
    assert kinds(row) == {"new": 1, "unchanged": 59}
    assert is_true(runs)


def test_a_status_filter_that_leaves_images_out_makes_a_full_sweep() -> None:
    """Images without a scan that the filter did not give are asked for by id; those that are listed prove it wrong."""
    runs = account()
    runs.run()
    later(runs, 1)
    runs.server.backend.quirks = Quirks(status_filter="empty")
    row = runs.run()
    left_out = "incremental was not enough: the ScanStatus filter does not give all images that are not scanned"
    assert some(row, "mode_reason", "verdict") == (left_out, "complete")
    assert is_true(runs)


def test_images_without_a_scan_that_are_gone_prove_nothing_against_the_filter() -> None:
    """They are not listed by id either; the next full sweep calls them gone."""
    runs = account()
    runs.run()
    later(runs, 1)
    truth = runs.server.fleet.truth()
    runs.server.fleet.delete([next(i for i, item in truth.items() if item["ScanStatus"] == "NOT_SCAN")])
    assert some(runs.run(), "mode", "verdict") == ("incremental", "complete")


def test_an_initial_scan_time_leaves_out_what_is_older() -> None:
    """The first incremental run loads from there on, and is complete as what it is."""
    runs = account()
    since = runs.server.fleet.now - 2 * HOUR
    row = runs.run(Policy(mode=Mode.INCREMENTAL, initial_scan_time=since))
    assert some(row, "mode", "verdict") == ("incremental", "complete")
    assert 0 < row["images_listed"] < 60


def test_total_count_below_what_is_known_is_noted() -> None:
    """Deletions wait for a full sweep, which finds them."""
    runs = account()
    runs.run()
    later(runs, 1)
    gone = runs.server.fleet.delete(scanned(runs)[:2])
    row = runs.run()
    assert some(row, "mode", "verdict") == ("incremental", "complete")
    assert row["verdict_reason"].endswith("; TotalCount is 2 less than the images known: left to a full sweep")
    assert deleted(runs) == set()
    assert runs.run(FULL)["images_gone"] == 2
    assert deleted(runs) == set(gone)


def test_total_count_is_corrected_by_what_the_last_full_sweep_measured() -> None:
    """An image that is listed twice is no image that we do not know."""
    runs = account()
    runs.server.fleet.list_twice({scanned(runs)[0]: {"HostCnt": 4_000}})
    first = runs.run()
    assert some(first, "total_count", "images_listed", "values_rejected") == (61, 60, 1)
    later(runs, 1)
    row = runs.run()
    assert some(row, "mode", "verdict_reason") == ("incremental", "by order, down to the watermark")


# The audit of incremental runs.


@pytest.mark.parametrize(("hours", "missed"), [(2, 1), (0.5, 0)], ids=["beyond the lookback", "within the lookback"])
def test_a_full_sweep_audits_the_incremental_ones(hours: float, missed: int) -> None:
    """A scan that they should have shown is counted, unless the next one would still have read it."""
    runs = account()
    runs.run()
    later(runs, 9)
    late, other = scanned(runs)[:2]
    runs.server.fleet.rescan([other])
    assert runs.run()["mode"] == "incremental"
    scan_time = instant_text(runs.server.fleet.now - int(hours * HOUR))
    runs.server.fleet.replace({late: {"ScanTime": scan_time}})
    row = runs.run(FULL)
    assert some(row, "images_changed", "missed_by_incremental") == (1, missed)


def test_incremental_runs_that_missed_images_stop_until_a_full_sweep_is_clean() -> None:
    """auto stays full for one run after the last miss, and is incremental again then."""
    runs = account()
    runs.run()
    later(runs, 9)
    late, other = scanned(runs)[:2]
    runs.server.fleet.rescan([other])
    runs.run()
    runs.server.fleet.replace({late: {"ScanTime": instant_text(runs.server.fleet.now - 3 * HOUR)}})
    later(runs, 20)
    rows = [runs.run() for _ in range(3)]
    assert [some(row, "mode", "mode_reason", "missed_by_incremental") for row in rows] == [
        ("full", "the last complete full sweep is too old", 1),
        ("full", "incremental runs had missed 1 images", 0),
        ("incremental", "since the watermark", None),
    ]


# The watermark.


def test_the_watermark_is_no_later_than_the_start_of_the_run() -> None:
    """A ScanTime of the future, by a clock that is ahead, is loaded and not believed."""
    runs = account()
    before = runs.run()["watermark_after"]
    later(runs, 1)
    future = runs.server.fleet.now + 5 * HOUR
    runs.server.fleet.replace({scanned(runs)[0]: {"ScanTime": instant_text(future)}})
    row = runs.run()
    assert some(row, "images_changed", "watermark_before", "watermark_after") == (1, before, before)


def test_a_filtered_run_moves_nothing_and_calls_nothing_gone() -> None:
    """It loads what it lists; the next run without filters starts where it would have."""
    runs = account()
    before = runs.run()["watermark_after"]
    later(runs, 1)
    changed = runs.server.fleet.rescan(scanned(runs)[:3])
    runs.server.fleet.delete(scanned(runs)[:5])
    row = runs.run(FILTERED)
    assert some(row, "mode", "mode_reason", "verdict") == ("full", "a filtered list is read whole", "complete")
    assert some(row, "filters", "watermark_before", "watermark_after") == (
        '{"ScanStatus": ["scanned"]}',
        before,
        before,
    )
    assert (row["images_changed"], row["images_gone"]) == (3, 0)
    assert {runs.warehouse.image(image_id)["sync_id"] for image_id in changed} == {"run-2"}
    assert some(runs.run(), "mode", "watermark_before") == ("incremental", before)


@pytest.mark.parametrize(
    ("code", "kind"), [("InvalidParameterValue", ConfigurationError), ("ActionOffline", RequestRejectedError)]
)
def test_a_filter_is_blamed_for_refused_parameters_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, kind: type[TcssError]
) -> None:
    """What else the API does not accept is no fault of the user's."""
    runs = account()

    def refuse(*_: object) -> None:
        raise ApiError(code, "no")

    monkeypatch.setattr(runs.server, "call", refuse)
    observation = runs.observation(Spool(tmp_path), runs.server.fleet.now, FILTERED)
    with pytest.raises(kind) as caught:
        list(observation.observe())
    assert caught.value.code == code
    assert ("ScanStatus=scanned" in str(caught.value)) == (kind is ConfigurationError)


def test_a_partial_run_moves_nothing_and_calls_nothing_gone() -> None:
    """It loads what it saw; here an order that changes from one request to the next."""
    runs = account()
    before = runs.run()["watermark_after"]
    later(runs, 1)
    runs.server.fleet.rescan(3)
    runs.server.fleet.delete(scanned(runs)[:1])
    runs.server.backend.quirks = Quirks(sortable=frozenset(), default_order="shuffled")
    row = runs.run(FULL)
    assert some(row, "verdict", "order_proven", "images_gone") == ("partial", False, 0)
    assert some(row, "watermark_before", "watermark_after") == (before, before)


# Images that are gone.


def test_gone_and_returned_images() -> None:
    """A version for each: deleted at the run's start, then there again with the same first_seen_at."""
    runs = account()
    first = runs.run()["started_at"]
    later(runs, 1)
    (image_id,) = runs.server.fleet.delete(1)
    second = runs.run(FULL)
    later(runs, 1)
    runs.server.fleet.bring_back()
    third = runs.run(FULL)
    assert (kinds(second), kinds(third)) == ({"unchanged": 59, "gone": 1}, {"unchanged": 59, "returned": 1})
    history = [some(row, "version", "observed_at", "deleted_at") for row in runs.warehouse.versions(image_id)]
    assert history == [
        (1, first, None),
        (2, second["started_at"], second["started_at"]),
        (3, third["started_at"], None),
    ]
    image = runs.warehouse.image(image_id)
    assert some(image, "version", "first_seen_at", "changed_at") == (3, first, third["started_at"])
    assert is_true(runs)


def test_a_candidate_is_looked_up_together_with_an_id_just_listed() -> None:
    """By ImageID, as many as go into a page, and never without a control."""
    runs = account()
    runs.run()
    gone = runs.server.fleet.delete(12)
    runs.server.backend.reset()
    runs.run(FULL)
    asked = [payload["Filters"][0]["Values"] for payload in runs.server.payloads if "Filters" in payload]
    assert [len(values) for values in asked] == [10, 4]
    assert {image_id for values in asked for image_id in values} > set(gone)
    assert all(set(values) - set(gone) for values in asked)


@pytest.mark.parametrize(
    "quirks", [Quirks(image_id_filter="ignored"), Quirks(image_id_filter="empty")], ids=["ignored", "gives nothing"]
)
def test_nothing_is_gone_where_the_filter_cannot_be_trusted(quirks: Quirks) -> None:
    """The control does not come back, or others do: the run is complete, and its reason says it."""
    runs = account()
    runs.run()
    runs.server.fleet.delete(2)
    runs.server.backend.quirks = quirks
    row = runs.run(FULL)
    assert some(row, "verdict", "images_gone") == ("complete", 0)
    assert row["verdict_reason"].endswith("so that none of 2 images is called gone")
    assert deleted(runs) == set()


@pytest.mark.parametrize(
    ("share", "verdict", "gone"),
    [(0.2, "complete", 12), (0.19, "partial", 0), (0.0, "partial", 0), (1.0, "complete", 12)],
    ids=["as many as may", "too many", "none may", "all may"],
)
def test_no_more_than_a_share_can_be_gone(share: float, verdict: str, gone: int) -> None:
    """Of 60 images 12 are not listed; beyond max_delete_share nothing is called gone, and the run is partial."""
    runs = account()
    runs.run()
    runs.server.fleet.delete(12)
    row = runs.run(Policy(mode=Mode.FULL, max_delete_share=share))
    assert some(row, "verdict", "images_gone") == (verdict, gone)
    if not gone:
        assert row["verdict_reason"] == "12 of 60 images are not listed any more, more than max_delete_share allows"


def test_an_empty_list_deletes_nothing() -> None:
    """Whatever share may be deleted; and where there is nothing in the warehouse either, all is well."""
    runs = account()
    runs.run()
    runs.server.fleet.delete(None)
    row = runs.run(Policy(mode=Mode.FULL, max_delete_share=1.0))
    assert some(row, "verdict", "verdict_reason") == ("partial", "the list is empty, and the warehouse has 60 images")
    assert deleted(runs) == set()
    assert account(0).run()["verdict"] == "complete"


def test_a_candidate_that_is_listed_after_all_makes_the_run_partial() -> None:
    """It is loaded, no other candidate is called gone, and the watermark stays; the next run is clean."""
    runs = account()
    before = runs.run()["watermark_after"]
    later(runs, 1)
    fleet = runs.server.fleet
    fleet.rescan(scanned(runs)[:3])
    back, gone = scanned(runs)[5], scanned(runs)[6]
    fleet.delete([back, gone])

    def churn(fleet: Fleet, number: int) -> None:
        if back not in fleet and runs.server.payloads[-1]["Offset"] + 10 >= len(fleet):
            fleet.bring_back([back])
            fleet.change_counts([back])

    runs.server.backend.churn = churn
    row = runs.run(FULL)
    assert some(row, "verdict", "verdict_reason") == (
        "partial",
        "1 images that the sweep did not show are listed after all",
    )
    assert kinds(row) == {"unchanged": 55, "changed": 4}
    assert some(row, "watermark_before", "watermark_after") == (before, before)
    assert (deleted(runs), runs.warehouse.image(back)["sync_id"]) == (set(), "run-2")
    runs.server.backend.churn = None
    assert some(runs.run(FULL), "verdict", "images_gone") == ("complete", 1)
    assert deleted(runs) == {gone}
    assert is_true(runs)


def test_a_candidate_that_is_listed_counts_even_if_a_later_look_up_is_not_trusted() -> None:
    """The sweep has missed it, so that it cannot be complete, whatever the filter does afterwards."""
    runs = account()
    runs.run()
    back, *_ = gone = [row["image_id"] for row in runs.warehouse[IMAGES]][:12]
    runs.server.fleet.delete(gone)

    def churn(fleet: Fleet, number: int) -> None:
        if "Filters" in runs.server.payloads[-1]:
            runs.server.backend.quirks = Quirks(image_id_filter="empty")
        elif back not in fleet and runs.server.payloads[-1]["Offset"] + 10 >= len(fleet):
            fleet.bring_back([back])

    runs.server.backend.churn = churn
    row = runs.run(FULL)
    assert some(row, "verdict", "images_unchanged", "images_gone") == ("partial", 49, 0)
    assert deleted(runs) == set()


# Runs that end early, and rows of older releases.


def test_a_run_that_the_api_ends_has_a_row(tmp_path: Path) -> None:
    """`failed`, with the error, what was read so far, and the watermark where it was."""
    runs = account(faults=[Fault("unauthorized", at=range(3, 99))])
    observation = runs.observation(Spool(tmp_path), runs.server.fleet.now, Policy())
    with pytest.raises(AccessError) as caught:
        list(observation.observe())
    observation.fail(str(caught.value))
    row = run_row(observation, runs.server.fleet.now, Sent())
    assert some(row, "verdict", "verdict_reason") == ("failed", str(caught.value))
    assert some(row, "pages", "rows_listed", "images_listed", "images_new") == (2, 20, 18, 18)
    assert some(row, "watermark_before", "watermark_after") == (None, None)
    assert observation.pages == 2


def _lose_the_lock(observation: Observation) -> None:
    with closing(observation.observe()) as progress:
        next(progress)
        raise DestinationError("the lock is lost")


def test_what_fails_after_a_page_ends_the_requests(tmp_path: Path) -> None:
    """Even while the error is kept, and with it everything on its way."""
    before = threading.enumerate()
    runs = Runs(LocalServer(Fleet.seeded(200)), in_flight=4)
    observation = runs.observation(Spool(tmp_path), runs.server.fleet.now, FULL)
    with pytest.raises(DestinationError) as caught:
        _lose_the_lock(observation)
    for thread in set(threading.enumerate()) - set(before):
        thread.join(30)
    assert threading.enumerate() == before, caught


def test_rows_with_an_older_hash_are_read_back_and_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new definition of the hash makes no version of an image that did not change, live or gone."""
    monkeypatch.setattr("connector.runs.observation.IDS_AT_ONCE", 7)
    runs = account()
    runs.run()
    runs.server.fleet.delete(2)
    runs.run(FULL)
    for row in runs.warehouse[IMAGES]:
        row["row_hash"] = "0:of another release"
    changed = runs.server.fleet.change_counts(3)
    assert kinds(runs.run(FULL)) == {"changed": 3, "unchanged": 55}
    assert {row["image_id"] for row in runs.warehouse[IMAGES] if row["sync_id"] == "run-3"} == set(changed)


def test_a_run_that_died_is_made_up_for() -> None:
    """Whatever it had committed: the next run writes the same versions under its own name."""
    wholes = []
    for packages in (0, 1, 2, 3):
        runs = account(20)
        runs.run()
        later(runs, 1)
        runs.server.fleet.change_counts(scanned(runs)[:4])
        runs.run(FULL, packages=packages)
        runs.run(FULL)
        wholes.append([some(row, "image_id", "version", "row_hash") for row in runs.warehouse[IMAGE_HISTORY]])
        assert is_true(runs)
    assert wholes == [wholes[0]] * 4
    assert len(wholes[0]) == 24
