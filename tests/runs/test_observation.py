"""One run of one account: which sweep and why, what it may call gone, and what the run's row promises."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import replace
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

import connector
from connector.errors import AccessError, ConfigurationError, DestinationError, RequestRejectedError, TcssError
from connector.images.records import ItemParser
from connector.runs.identity import rfc3339
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
AT_ONCE = Policy(mode=Mode.FULL, confirm_gone_after=0)
FILTERED = Policy(filters=(("ScanStatus", ("scanned",)),))


def earlier(mode: str, ago: int, **columns: Any) -> Row:
    """A complete run without filters that started `ago` hours before NOW and found a scan an hour before that."""
    row: Row = dict.fromkeys(SYNC_RUNS.column_names)
    started_at = NOW - ago * HOUR
    row |= {"mode": mode, "verdict": "complete", "started_at": started_at, "watermark_after": started_at - HOUR}
    row |= {"reason_code": "order", "naive_time_zone": "+08:00"}
    return {**row, **columns}


OLD: Row = {"reason_code": None, "naive_time_zone": None}  # columns that the first release did not have
MISSED = "incremental runs had missed 2 images: both sweeps are made and compared"


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
            ("full", MISSED),
        ),
        (Policy(), [earlier("full", 99, missed_by_incremental=2)], ("full", MISSED)),
        (
            Policy(),
            [earlier("full", 1, missed_by_incremental=0), earlier("full", 2, missed_by_incremental=2)],
            ("incremental", "since the watermark"),
        ),
        (
            Policy(),
            [earlier("full", 1, missed_by_incremental=None), earlier("full", 2, missed_by_incremental=2)],
            ("full", MISSED),
        ),
        (
            Policy(),
            [earlier("full", 1, missed_by_incremental=0, **OLD), earlier("full", 2, missed_by_incremental=2, **OLD)],
            ("full", MISSED),
        ),
        (
            Policy(),
            [earlier("full", 1, verdict="partial", missed_by_incremental=2), earlier("full", 2)],
            ("full", MISSED),
        ),
        (
            Policy(),
            [earlier("full", 1, filters="{}", missed_by_incremental=2), earlier("full", 2, missed_by_incremental=0)],
            ("full", MISSED),
        ),
        (
            INCREMENTAL,
            [earlier("full", 1, missed_by_incremental=2)],
            ("incremental", "asked for, although incremental runs had missed 2 images"),
        ),
        (FULL, [earlier("full", 1, missed_by_incremental=2)], ("full", "asked for")),
        (
            Policy(),
            [
                earlier("full", 1, verdict="partial", missed_by_incremental=0),
                earlier("full", 2, missed_by_incremental=2),
            ],
            ("full", MISSED),
        ),
        (Policy(), [earlier("full", -1)], ("full", "no watermark yet")),
        (Policy(), [earlier("full", -99), earlier("full", 1)], ("incremental", "since the watermark")),
        (
            Policy(naive_time_zone="+00:00"),
            [earlier("full", 1)],
            ("full", "naive_time_zone was +08:00 in the last complete run"),
        ),
        (
            Policy(mode=Mode.INCREMENTAL, naive_time_zone="+00:00"),
            [earlier("incremental", 1), earlier("full", 2)],
            ("full", "naive_time_zone was +08:00 in the last complete run"),
        ),
        (Policy(naive_time_zone="+00:00"), [earlier("full", 1, **OLD)], ("incremental", "since the watermark")),
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
        "missed, and long ago",
        "missed, then clean",
        "missed, then nothing audited",
        "missed, then nothing audited by an old release",
        "missed, as a partial run found",
        "missed, as a filtered run found",
        "missed, incremental asked for",
        "missed, full asked for",
        "missed, then partial",
        "in the future",
        "in the future, and an hour ago",
        "another time zone",
        "another time zone, incremental asked for",
        "a time zone that is not known",
        "filters",
    ],
)
def test_a_run_says_which_sweep_it_makes_and_why(policy: Policy, runs: list[Row], expected: tuple[str, str]) -> None:
    """auto is incremental unless only a full sweep can tell; only complete runs without filters count."""
    mode, cause = choose(policy, History.of(runs, NOW), NOW)
    assert (mode, str(cause)) == expected


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([], None),
        ([earlier("full", 1)], None),
        ([earlier("incremental", 1)], None),
        ([earlier("incremental", 1), earlier("incremental", 2), earlier("full", 9)], (NOW - 9 * HOUR, NOW - 2 * HOUR)),
        ([earlier("incremental", 1, watermark_after=7), earlier("full", 9)], (NOW - 9 * HOUR, NOW - 2 * HOUR)),
        ([earlier("full", 1), earlier("incremental", 2), earlier("full", 9)], None),
        ([earlier("incremental", 1), earlier("full", 9, naive_time_zone=None)], (NOW - 9 * HOUR, NOW - 2 * HOUR)),
        ([earlier("incremental", 1, naive_time_zone="+00:00"), earlier("full", 9)], None),
    ],
    ids=[
        "no runs",
        "only full",
        "never full",
        "incremental since full",
        "whatever the watermark",
        "full since",
        "a time zone that is not known",
        "another time zone",
    ],
)
def test_what_is_audited(runs: list[Row], expected: tuple[int, int] | None) -> None:
    """From the last full sweep's start to that of the newest incremental one since, less the lookback."""
    assert History.of(runs, NOW).audited(Policy()) == expected


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([], 0),
        ([earlier("full", 1, total_count=12, images_listed=10, listed_twice=0)], 0),
        ([earlier("incremental", 1), earlier("full", 2, total_count=12, images_listed=10, listed_twice=2)], 2),
        ([earlier("full", 1, total_count=12, images_listed=10, listed_twice=None)], 0),
    ],
    ids=["no runs", "more by TotalCount", "listed twice", "of an old release"],
)
def test_the_surplus_of_total_count(runs: list[Row], expected: int) -> None:
    """The rows that were shown twice when all were read last, and nothing that TotalCount says."""
    assert History.of(runs, NOW).surplus == expected


def test_earlier_answers_are_known_by_their_ids() -> None:
    """Those of all runs, whatever came of them; an id that is missing is none."""
    runs = [
        earlier("full", 1, first_request_id="a", last_request_id="b"),
        earlier("full", -9, verdict="partial", first_request_id="c"),
        earlier("full", 3),
    ]
    assert History.of(runs, NOW).request_ids == {"a", "b", "c"}


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
        "missed_by_incremental": None,
        "watermark_before": None,
        "watermark_after": 1_748_622_189_854_000,
        "first_request_id": "local-1",
        "last_request_id": None,
        "endpoint": "local",
        "filters": None,
        "connector_version": connector.__version__,
        "reason_code": "order",
        "naive_time_zone": "+08:00",
        "listed_twice": 0,
        "account_name": None,
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
    ("quirks", "why"),
    [
        (
            Quirks(sortable=frozenset({"CreateTime"})),
            "the list begins alike in another order: the server may not sort by ScanTime",
        ),
        (Quirks(status_filter="ignored"), "the server does not filter by ScanStatus"),
    ],
    ids=["ScanTime is not sorted by", "ScanStatus is not filtered by"],
)
def test_an_incremental_run_that_cannot_tell_becomes_a_full_one(quirks: Quirks, why: str) -> None:
    """In the same run, whose row says why; its images count once."""
    runs = account(quirks=quirks)
    runs.run()
    later(runs, 1)
    runs.server.fleet.change_counts(4)
    row = runs.run()
    assert some(row, "mode", "verdict") == ("full", "complete")
    assert row["mode_reason"] == f"incremental was not enough: {why}"
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
    left_out = next(i for i, item in runs.server.fleet.truth().items() if item["ScanStatus"] == "NOT_SCAN")
    usual = runs.server.call

    def call(action: str, payload: dict[str, Any]) -> dict[str, Any]:
        answer = dict(usual(action, payload))
        names = {condition["Name"] for condition in payload.get("Filters", ())}
        rows = [row for row in answer["List"] if "ScanStatus" not in names or row["ImageID"] != left_out]
        return {**answer, "List": rows, "TotalCount": answer["TotalCount"] - len(answer["List"]) + len(rows)}

    runs.server.call = call  # type: ignore[method-assign]
    row = runs.run()
    reason = "incremental was not enough: the ScanStatus filter does not give all images that are not scanned"
    assert some(row, "mode_reason", "verdict") == (reason, "complete")
    assert is_true(runs)


def test_scans_that_are_listed_long_after_their_start_are_found() -> None:
    """Their ScanTime is below the watermark by then: the images that were being scanned are asked for by id, more of
    them than one request takes."""
    runs = account()
    runs.run()
    later(runs, 1)
    began, scanning = runs.server.fleet.now, scanned(runs)[:12]
    runs.server.fleet.replace({i: {"ScanStatus": "SCANNING"} for i in scanning})
    runs.run(INCREMENTAL)
    for _ in range(3):
        later(runs, 1)
        runs.server.fleet.rescan(scanned(runs)[:1])
        runs.run(INCREMENTAL)
    later(runs, 1)
    runs.server.fleet.replace({i: {"ScanStatus": "SCANNED", "ScanTime": instant_text(began)} for i in scanning})
    row = runs.run(INCREMENTAL)
    assert some(row, "mode", "verdict", "images_changed") == ("incremental", "complete", 12)
    assert is_true(runs)


def test_a_status_filter_that_gives_nothing_makes_a_full_sweep() -> None:
    """Its words do not even name the scanned images."""
    runs = account()
    runs.run()
    later(runs, 1)
    runs.server.backend.quirks = Quirks(status_filter="empty")
    row = runs.run()
    reason = "incremental was not enough: the words of the ScanStatus filter name 0 of 60 images"
    assert some(row, "mode_reason", "verdict") == (reason, "complete")
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
    assert runs.run(AT_ONCE)["images_gone"] == 2
    assert deleted(runs) == set(gone)


def test_total_count_is_corrected_by_rows_that_were_listed_twice() -> None:
    """An image that is listed twice is no image that we do not know."""
    runs = account()
    runs.server.fleet.list_twice({scanned(runs)[0]: {"HostCnt": 4_000}})
    first = runs.run()
    assert some(first, "total_count", "images_listed", "values_rejected", "listed_twice") == (61, 60, 1, 1)
    later(runs, 1)
    row = runs.run()
    assert some(row, "mode", "verdict_reason", "listed_twice") == (
        "incremental",
        "by order, down to the watermark",
        None,
    )


def test_total_count_is_corrected_by_nothing_else() -> None:
    """An image that comes behind the reader of a full sweep is unknown, and the next run does not take it for known."""
    runs = account()
    late = sorted(runs.server.fleet.truth().values(), key=lambda item: str(item["CreateTime"]))[0]["ImageID"]
    runs.server.fleet.delete([late])

    def churn(fleet: Fleet, number: int) -> None:
        if number == 5:
            fleet.bring_back([late])

    runs.server.backend.churn = churn
    first = runs.run()
    assert some(first, "verdict", "total_count", "images_listed", "listed_twice") == ("complete", 60, 59, 0)
    later(runs, 1)
    row = runs.run()
    assert row["mode_reason"] == "incremental was not enough: TotalCount is 60, 1 more than the images that are known"
    assert is_true(runs)


@pytest.mark.parametrize("differs", [{"ImageName": "another:name"}, {"HostCnt": 4_000}], ids=["name", "count"])
def test_unchanged_runs_write_no_versions_of_an_image_that_is_listed_twice(differs: dict[str, Any]) -> None:
    """Whichever of the two rows comes first, in runs of both modes."""
    runs = account(quirks=Quirks(ties="permuted"))
    twins = [*scanned(runs)[-3:], *(i for i, item in runs.server.fleet.truth().items() if not item["ScanTime"])][:6]
    runs.server.fleet.list_twice(dict.fromkeys(twins, differs))
    runs.run()
    for number in range(24):
        later(runs, 1)
        row = runs.run(FULL if number % 2 else Policy())
        assert (row["images_new"], row["images_changed"]) == (0, 0)
    assert {row["version"] for row in runs.warehouse[IMAGE_HISTORY]} == {1}
    assert len(runs.warehouse[REJECTED_VALUES]) == len(twins)


# The audit of incremental runs.


def missed_scan(runs: Runs, hours: float) -> str:
    """An image that is listed only now with a scan of so many hours ago."""
    late = scanned(runs)[0]
    runs.server.fleet.replace({late: {"ScanTime": instant_text(runs.server.fleet.now - int(hours * HOUR))}})
    return late


@pytest.mark.parametrize("moves", [True, False], ids=["the watermark moved", "it did not"])
@pytest.mark.parametrize(("hours", "missed"), [(2, 1), (0.5, None)], ids=["beyond the lookback", "within the lookback"])
def test_a_full_sweep_audits_the_incremental_ones(
    hours: float, missed: int | None, moves: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A scan that they should have shown is counted, unless the next one would still have read it; the user is told.

    An incremental run that finds nothing sets no watermark that hides what it has missed.
    """
    runs = account()
    runs.run()
    later(runs, 9)
    if moves:
        runs.server.fleet.rescan([scanned(runs)[1]])
    assert runs.run()["mode"] == "incremental"
    missed_scan(runs, hours)
    row = runs.run(FULL)
    assert some(row, "images_changed", "missed_by_incremental") == (1, missed)
    assert [record.levelname for record in caplog.records] == ["WARNING"] * (missed or 0)


def test_a_scan_that_incremental_runs_have_found_is_audited_and_not_missed() -> None:
    """0 says that they were right, null that there was nothing to judge."""
    runs = account()
    runs.run()
    later(runs, 2)
    runs.server.fleet.rescan([scanned(runs)[1]])
    rows = [runs.run()]
    later(runs, 2)
    rows += [runs.run(), runs.run(FULL), runs.run(FULL)]
    assert [row["missed_by_incremental"] for row in rows] == [None, None, 0, None]


def after_a_miss(size: int = 60) -> Runs:
    """Runs of which the last one, a full one, has found a scan that the incremental one before had missed."""
    runs = account(size)
    runs.run()
    later(runs, 9)
    runs.run()
    missed_scan(runs, 3)
    later(runs, 20)
    row = runs.run()
    assert some(row, "mode_reason", "missed_by_incremental") == ("the last complete full sweep is too old", 1)
    return runs


TRIED = "incremental runs had missed 1 images: both sweeps are made and compared"


def test_incremental_runs_that_missed_images_stop_until_both_sweeps_agree() -> None:
    """auto makes both in one run; that they agree on the newest scan turns incremental runs on again."""
    runs = after_a_miss()
    runs.server.backend.reset()
    rows = [runs.run() for _ in range(2)]
    assert [some(row, "mode", "mode_reason", "verdict_reason", "missed_by_incremental") for row in rows] == [
        ("full", TRIED, "by order", 0),
        ("incremental", "since the watermark", "by order, down to the watermark", None),
    ]
    assert [(p.get("By"), "Filters" in p) for p in runs.server.payloads][:3] == [
        (None, True),
        ("CreateTime", True),
        ("CreateTime", True),
    ]


def test_a_sweep_that_misses_a_scan_again_keeps_incremental_runs_off() -> None:
    """Here a scan from before the run is listed between the two sweeps; the run after it agrees with itself."""
    runs = after_a_miss()
    late, before = scanned(runs)[3], runs.server.fleet.now - HOUR // 2

    def churn(fleet: Fleet, number: int) -> None:
        last = runs.server.payloads[-1]
        if (
            (last.get("By"), last.get("Order")) == ("CreateTime", "asc")
            and "Filters" not in last
            and not last["Offset"]
        ):
            fleet.replace({late: {"ScanTime": instant_text(before)}})

    runs.server.backend.churn = churn
    rows = [runs.run()]
    runs.server.backend.churn = None
    rows += [runs.run() for _ in range(2)]
    assert [some(row, "mode", "mode_reason", "missed_by_incremental") for row in rows] == [
        ("full", TRIED, 1),
        ("full", TRIED, 0),
        ("incremental", "since the watermark", None),
    ]


def test_a_sweep_that_proves_nothing_keeps_incremental_runs_off() -> None:
    """Nothing was audited, however often; the reason says why, and a filter that works again ends it."""
    runs = after_a_miss()
    runs.server.backend.quirks = Quirks(status_filter="ignored")
    rows = [runs.run() for _ in range(2)]
    reason = "by order; no incremental sweep to compare with: the server does not filter by ScanStatus"
    assert [some(row, "mode_reason", "verdict_reason", "missed_by_incremental") for row in rows] == [
        (TRIED, reason, None)
    ] * 2
    runs.server.backend.quirks = Quirks()
    assert some(runs.run(), "mode_reason", "missed_by_incremental") == (TRIED, 0)


# Clocks and time zones.


def test_runs_of_the_future_do_not_count(caplog: pytest.LogCaptureFixture) -> None:
    """As if there had been none: neither a full sweep nor a watermark; and each run says it."""
    runs = account()
    runs.run()
    (row,) = runs.warehouse[SYNC_RUNS]
    started_at = runs.server.fleet.now + 365 * 24 * HOUR
    row["started_at"] = started_at
    later(runs, 1)
    rows = [runs.run(), runs.run()]
    ahead = f"earlier runs that start in the future do not count (1, the newest at {rfc3339(started_at)})"
    assert [some(row, "mode", "mode_reason") for row in rows] == [
        ("full", f"no watermark yet; {ahead}"),
        ("incremental", f"since the watermark; {ahead}"),
    ]
    assert [record.message for record in caplog.records] == [
        f"account {ACCOUNT}: {ahead}; a clock was wrong, then or now"
    ] * 2


def test_a_run_that_seems_to_start_a_little_later_counts() -> None:
    """Clocks of two machines differ."""
    assert History.of([earlier("full", 0, started_at=NOW + HOUR // 12)], NOW).last_full is not None
    assert History.of([earlier("full", 0, started_at=NOW + HOUR // 12 + 1)], NOW).last_full is None


def test_times_that_turn_naive_make_a_full_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read in a zone that is not theirs they lie below the watermark, where an incremental sweep would not look."""
    runs = account()
    runs.run()
    later(runs, 3)
    runs.server.fleet.rescan(5)
    assert runs.run()["mode"] == "incremental"
    later(runs, 2)
    monkeypatch.setattr("tests.runs.memory.ZONE", timezone(timedelta(hours=14)))
    runs.parser = ItemParser(naive_time_zone="+14:00")
    runs.server.backend.quirks = Quirks(times="naive")
    changed = set(runs.server.fleet.rescan(25))
    rows = [runs.run(), runs.run()]
    below = "the newest ScanTime is below the watermark: times are written otherwise, or that image is gone"
    assert [some(row, "mode_reason", "verdict") for row in rows] == [
        (f"incremental was not enough: {below}", "complete"),
        ("since the watermark", "complete"),
    ]
    assert {runs.warehouse.image(image_id)["sync_id"] for image_id in changed} == {"run-3"}


def test_the_newest_scan_that_is_gone_costs_one_full_sweep() -> None:
    """It sets the watermark back to what there is; here to an image with an older scan, then to none at all."""
    runs = account()
    first = runs.run()
    later(runs, 1)
    *_, second, newest = scanned(runs)
    runs.server.fleet.delete([newest])
    rows = [runs.run(), runs.run()]
    assert [row["mode"] for row in rows] == ["full", "incremental"]
    assert first["watermark_after"] > rows[0]["watermark_after"] == rows[1]["watermark_after"]
    assert rows[0]["watermark_after"] == runs.warehouse.image(second)["scan_time"]


# The code of the reason.


@pytest.mark.parametrize(
    ("size", "quirks", "policy", "expected"),
    [
        (60, Quirks(), FULL, ("complete", "order")),
        (5, Quirks(), FULL, ("complete", "one_answer")),
        (60, Quirks(sortable=frozenset(), default_order="shuffled"), FULL, ("partial", "passes_differ")),
        (60, Quirks(), Policy(), ("complete", "watermark")),
    ],
    ids=["order", "one answer", "not proven", "watermark"],
)
def test_a_reason_has_a_code(size: int, quirks: Quirks, policy: Policy, expected: tuple[str, str]) -> None:
    """The proof of a complete run, else what is missing."""
    runs = account(size)
    runs.run()
    later(runs, 1)
    runs.server.backend.quirks = quirks
    assert some(runs.run(policy), "verdict", "reason_code") == expected


def test_a_doubt_is_the_code_of_what_it_doubts() -> None:
    """However well the sweep itself is proven."""
    runs = account()
    runs.run()
    runs.server.fleet.delete(13)
    assert some(runs.run(FULL), "verdict", "reason_code") == ("partial", "too_many_gone")


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
    second = runs.run(AT_ONCE)
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


def test_candidates_are_looked_up_between_two_ids_just_listed() -> None:
    """By ImageID, as many as go into a page, and never without controls; and as many that are listed."""
    runs = account()
    runs.run()
    gone = runs.server.fleet.delete(12)
    runs.server.backend.reset()
    runs.run(FULL)
    *asked, controls = [payload["Filters"][0]["Values"] for payload in runs.server.payloads if "Filters" in payload]
    assert ([len(values) for values in asked], len(controls)) == ([10, 6], 10)
    assert not {*controls} & {*gone}
    assert {image_id for values in asked for image_id in values[1:-1]} == set(gone)
    assert all(set(values) - set(gone) == {values[0], values[-1]} for values in asked)


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
    row = runs.run(Policy(mode=Mode.FULL, max_delete_share=share, confirm_gone_after=0))
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
    assert some(runs.run(AT_ONCE), "verdict", "images_gone") == ("complete", 1)
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
    observation.judgement.fail(caught.value)
    row = run_row(observation, runs.server.fleet.now, Sent())
    assert some(row, "verdict", "verdict_reason", "reason_code") == (
        "failed",
        str(caught.value),
        "permission_denied_error",
    )
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
    runs.run(AT_ONCE)
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


# A list whose order proves nothing.


def test_a_list_without_an_order_is_read_in_parts_and_the_next_full_sweep_begins_with_them() -> None:
    """The server does not sort, and finds images by the beginning of their ids: that is stored, and used at once."""
    quirks = Quirks(sortable=frozenset(), image_id_match="substring", default_order="shuffled", max_limit=20)
    runs = Runs(LocalServer(Fleet.seeded(300), quirks), limit=20)
    first = runs.run(FULL)
    assert some(first, "verdict", "reason_code", "images_new") == ("complete", "parts", 300)
    runs.server.fleet.delete(3)
    asked = len(runs.server.payloads)
    second = runs.run(replace(FULL, confirm_gone_after=0))
    assert some(second, "verdict", "reason_code", "images_gone") == ("complete", "parts", 3)
    assert is_true(runs)
    assert not any("By" in payload for payload in runs.server.payloads[asked:])
