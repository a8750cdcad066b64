"""`connector.warehouse.views`: what views answer about a fleet worked out by hand, how they are made and replaced."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dlt
import pytest
import sqlglot
from sqlglot import exp

from connector.errors import DestinationError
from connector.tables import DETAIL_TABLES, IMAGE_HISTORY, IMAGES, NAMED_ACCOUNTS, SYNC_RUNS, TABLES
from connector.warehouse import descriptions, dialects, views
from connector.warehouse.fragments import with_fragments
from connector.warehouse.loading import Loader
from connector.warehouse.locations import locate
from connector.warehouse.pipeline import open_pipeline
from connector.warehouse.views import MARKER, View
from tests.warehouse.viewed import ZONES, Row, analyst, ask, ask_as_analyst, check_header, for_reading, plain, whole
from tests.warehouses import KINDS, Place, place

VIEWS = {view.name: view for view in views.views_of(TABLES)}
HOUR = 3_600_000_000  # microseconds, as all instants here
NOW = int(datetime(2028, 3, 2, 11, 20, 30, 123_000, UTC).timestamp() * 1_000_000)
"""What the views of the fleet below take for now: a leap day lies within the days that they look back on."""
TODAY = NOW - NOW % (24 * HOUR)
CLOCK = "(select max(started_at) from sync_runs where sync_id = 'now')"
"""What stands for `current_timestamp` in the views of that fleet."""
STOPPED = tuple(View(v.name, v.question, v.sql.replace("current_timestamp", CLOCK)) for v in VIEWS.values())
STOPPED_BY_NAME = {view.name: view for view in STOPPED}


def ago(days: float = 0, *, hours: float = 0) -> int:
    """So long before now, and half an hour more, which is less than the whole hours and days that views count."""
    return NOW - int((days * 24 + hours + 0.5) * HOUR)


def levels(critical: int | None, high: int | None, medium: int | None, low: int | None, **others: int) -> Row:
    """Counts by severity and their sum; other counts are 0, but for `others`."""
    counts = {"critical": critical, "high": high, "medium": medium, "low": low}
    named = {f"{level}_level_vul_cnt": count for level, count in counts.items()}
    return {**named, "vul_cnt": sum(n or 0 for n in counts.values()), "virus_cnt": 0, "risk_cnt": 0, **others}


UNRATED = levels(None, None, None, None)
ALPINE = {"os_name": "alpine:v3.12", "os_family": "alpine", "os_version": "3.12"}
UBUNTU = {"os_name": "ubuntu:20.04", "os_family": "ubuntu", "os_version": "20.04"}


def seen(at: int, status: str | None = None, scanned: int | None = None, **columns: Any) -> Row:
    """A version first observed at that moment."""
    state = {"scan_status": status, "scan_time": scanned} if status or scanned else {}
    return {"observed_at": at, "deleted_at": None, **state, **columns}


def gone(at: int) -> Row:
    return {"observed_at": at, "deleted_at": at}


def image(account_id: str, image_id: str, *versions: Row) -> list[Row]:
    """The versions of an image. Each repeats of the one before what it does not say."""
    rows: list[Row] = []
    for number, version in enumerate(versions, 1):
        keys = {"account_id": account_id, "image_id": image_id, "version": number, "row_hash": "1:a", "sync_id": "s"}
        rows.append({"image_name": f"{image_id}:1", "host_cnt": 1, **(rows[-1] if rows else {}), **version, **keys})
    return rows


# A fleet at NOW: accounts 1 to 4; and account 5, which was read today for the first time.
FLEET = [
    image(
        "1",
        "app",
        seen(ago(10), "SCANNED", ago(10, hours=1), container_cnt=3, is_authorized=1, **ALPINE, **levels(1, 2, 3, 4)),
        seen(ago(hours=2), "SCANNED", ago(hours=3), container_cnt=5, **levels(0, 2, 1, 3)),
    ),
    image(
        "1",
        "back",
        seen(ago(9), "SCANNED", ago(9), container_cnt=3, **ALPINE, **levels(2, 0, 0, 0)),
        gone(ago(3)),
        seen(ago(hours=4), container_cnt=1),
    ),
    image("1", "blank", seen(ago(6), container_cnt=0, **UNRATED)),
    image(
        "1",
        "brief",
        seen(ago(hours=6), "SCANNED", ago(hours=7), container_cnt=1, **levels(1, 0, 0, 0)),
        gone(ago(hours=2)),
    ),
    image(
        "1",
        "fail",
        seen(
            ago(8),
            "SCAN_ERR",
            ago(8),
            container_cnt=0,
            agent_error="timeout",
            scan_vul_error="timeout",
            reason="agent offline",
            **ALPINE,
            **levels(2, 0, 0, 0),
        ),
    ),
    image(
        "1",
        "fail2",
        seen(ago(4), "SCAN_ERR", container_cnt=2, agent_error="timeout", os_family="centos", os_version="7", **UNRATED),
    ),
    image(
        "1",
        "flap",
        seen(ago(9), "SCANNED", ago(6), container_cnt=1, **levels(0, 1, 0, 0)),
        gone(ago(hours=5)),
        seen(ago(hours=1)),
    ),
    image("1", "fresh", seen(ago(hours=1), "FINISHED", ago(hours=1), container_cnt=4, **UBUNTU, **levels(5, 0, 0, 0))),
    image("1", "gone", seen(ago(9), "SCANNED", ago(9), container_cnt=1, **levels(1, 0, 0, 0)), gone(ago(hours=3))),
    image("1", "never", seen(ago(5), "NOT_SCAN", container_cnt=1, is_authorized=0, is_suggest=0, **UNRATED)),
    image("1", "odd", seen(ago(12), "QUARANTINED", ago(12), os_family="debian", **{**UNRATED, "vul_cnt": 7})),
    image(
        "1",
        "old",
        seen(ago(20), "SCANNED", ago(20), container_cnt=9, agent_error="timeout", **levels(9, 0, 0, 0)),
        gone(ago(10)),
    ),
    image(
        "1",
        "web",
        seen(
            ago(40),
            "SCANNED",
            ago(40),
            container_cnt=2,
            is_trust_image=True,
            is_suggest=1,
            is_authorized=12,
            recommended_fix=False,
            **UBUNTU,
            **levels(3, 1, 0, 0, virus_cnt=1),
        ),
    ),
    image("1", "word", seen(ago(7), "FAILED", container_cnt=0, **UNRATED)),
    image(
        "2",
        "app",
        seen(
            ago(9),
            "SCANNING",
            ago(7),
            container_cnt=1,
            scan_virus_error="ConnFailed",
            **ALPINE,
            **levels(9, 0, 0, 0),
        ),
    ),
    image(
        "2",
        "wait",
        seen(ago(9), "WAIT_SCAN", ago(30), container_cnt=1, **ALPINE, **{**UNRATED, "vul_cnt": 9}),
        seen(ago(hours=3), **levels(9, 0, 0, 0)),
    ),
    image("4", "app", seen(ago(2), "CANCELED", container_cnt=0, **UNRATED)),
    image("5", "app", seen(ago(hours=9), "SCANNED", ago(8), container_cnt=1, **levels(7, 0, 0, 0))),
    image("5", "later", seen(ago(hours=1), "SCANNED", ago(7), container_cnt=1, **levels(7, 0, 0, 0))),
]
# Days that ended: accounts 7 and 8.
DAYS = [
    image(
        "7",
        "p",
        seen(TODAY - 118 * HOUR, "SCANNED", 1, **levels(1, 1, 1, 1, virus_cnt=2, risk_cnt=3)),
        seen(TODAY - 71 * HOUR, **levels(0, 1, 1, 0)),
        seen(TODAY - 67 * HOUR, **levels(3, 2, 2, 2)),
    ),
    image(
        "7",
        "q",
        seen(TODAY - 72 * HOUR - 1, "NOT_SCAN", **UNRATED),
        gone(TODAY - 48 * HOUR),
        seen(TODAY - 12 * HOUR, "SCANNED", 1, **levels(0, 0, 0, 1)),
    ),
    image(
        "8",
        "p",
        seen(TODAY - 28 * HOUR, "SCANNED", 1, **levels(5, 0, 0, 45)),
        seen(TODAY, **levels(7, 0, 0, 0)),
    ),
]
# What is left of an image after its first version was pruned.
PRUNED = [
    image(
        "9",
        "cut",
        seen(ago(90), "SCANNED", ago(90), container_cnt=1, **levels(0, 0, 0, 0)),
        seen(ago(60), container_cnt=2, **levels(1, 0, 0, 0)),
        seen(ago(1), container_cnt=3, **levels(1, 1, 0, 0)),
    )[1:]
]
# What killed runs left: versions above that in `images`, and an image that is not there.
LEFT = [
    image("1", "app", *[seen(ago(hours=1), "SCANNED", 1, container_cnt=8, **levels(100, 0, 0, 0))] * 3)[2],
    *image("1", "left", seen(ago(50), "SCANNED", 1, container_cnt=8, **levels(100, 0, 0, 0))),
    image("7", "p", *[seen(TODAY - 24 * HOUR, "SCANNED", 1, **levels(100, 0, 0, 0))] * 4)[3],
    *image("7", "r", seen(TODAY - 200 * HOUR, "SCANNED", 1, **levels(100, 0, 0, 0))),
]


def run(account_id: str, hours: int, mode: str, verdict: str, reason: str | None = None, **columns: Any) -> Row:
    keys = {"sync_id": f"{account_id}-{hours}", "account_id": account_id, "started_at": ago(hours=hours)}
    return {**keys, "mode": mode, "verdict": verdict, "verdict_reason": reason, **columns}


RUNS = [
    {"sync_id": "now", "account_id": "clock", "started_at": NOW, "mode": "full", "verdict": "partial"},
    {"sync_id": "epoch", "account_id": "clock", "started_at": 0, "mode": "full", "verdict": "partial"},
    run("1", 60, "full", "partial", account_name="once"),
    run("1", 50, "full", "complete", account_name="x"),
    run("1", 5, "incremental", "complete", account_name="once"),
    run("1", 4, "full", "partial", "the list moved"),
    run("1", 3, "incremental", "failed"),
    run("1", 2, "full", "complete", "by order", filters='{"ImageName": ["app"]}'),
    run("2", 26, "full", "complete", account_name="two"),
    run("3", 1, "full", "failed", "throttled"),
]
CALLED = {"1": "once", "2": "two"}
"""The names of accounts, which runs above have too."""


def latest(versions: list[Row]) -> Row:
    """The image's row in `images`."""
    first, last = versions[0], versions[-1]
    return {**last, "first_seen_at": first["observed_at"], "changed_at": last["observed_at"]}


def versions_of(name: str) -> list[Row]:
    account, image_id = name.split("/")
    return next(v for v in [*FLEET, *PRUNED] if (v[0]["account_id"], v[0]["image_id"]) == (account, image_id))


def current_image(
    name: str, *, in_use: bool | None, error: bool = False, licensed: bool | None = None, attention: bool | None = None
) -> Row:
    versions = versions_of(name)
    hidden = ("observed_at", "deleted_at", "row_hash", "sync_id", "agent_error", "scan_virus_error", "scan_vul_error")
    row = {name: value for name, value in latest(versions).items() if name not in hidden}
    judged = {"is_licensed": licensed, "needs_attention": attention}
    return {**row, "in_use": in_use, "has_scan_error": error, **judged}


def version(name: str, number: int, event: str, *, until: int | None = None) -> Row:
    versions = versions_of(name)
    row = {name: value for name, value in versions[number - 1].items() if name not in ("observed_at", "row_hash")}
    begin = versions[number - 1]["observed_at"]
    return {**row, "valid_from": begin, "valid_to": until, "is_current": until is None, "event": event}


COUNTS = {
    "container": ("container_cnt", "container_cnt_before"),
    **{level: (f"{level}_level_vul_cnt", f"{level}_before") for level in ("critical", "high", "medium", "low")},
    **{what: (f"{what}_cnt", f"{what}_before") for what in ("vul", "virus", "risk")},
}
STATES = ("scan_status", "scan_time", "host_cnt")


def change(name: str, number: int, kind: str, changes: tuple[int, ...], *, newly: bool = False) -> Row:
    """What began the version of that number; `changes` are in the order of `COUNTS`."""
    versions = {version["version"]: version for version in versions_of(name)}
    now, before = versions[number], versions.get(number - 1, {})
    row = {column: now[column] for column in ("account_id", "image_id", "version", "image_name")}
    row |= {"changed_at": now["observed_at"], "kind": kind, "is_newly_scanned": newly}
    for column, earlier in [*((state, f"{state}_before") for state in STATES), *COUNTS.values()]:
        row |= {column: now.get(column), earlier: before.get(column)}
    return row | {f"{what}_change": difference for what, difference in zip(COUNTS, changes, strict=True)}


def day(before: int) -> date:
    return datetime.fromtimestamp(TODAY / 1e6, UTC).date() - timedelta(days=before)


SCANNED_TWICE = ("SCANNED", "SCANNED")
# Whole rows: tuples in the order of the columns, or by name where most columns are those of a table.
EXPECTED: dict[str, list[tuple[Any, ...]] | list[Row]] = {
    "accounts": [
        ("1", "once", ago(hours=60), ago(hours=2)),
        ("2", "two", ago(hours=26), ago(hours=26)),
        ("3", None, ago(hours=1), ago(hours=1)),
    ],
    "current_images": [
        current_image("1/app", in_use=True, licensed=True),
        current_image("1/back", in_use=True),
        current_image("1/blank", in_use=False),
        current_image("1/fail", in_use=False, error=True),
        current_image("1/fail2", in_use=True, error=True),
        current_image("1/flap", in_use=True),
        current_image("1/fresh", in_use=True),
        current_image("1/never", in_use=True, licensed=False, attention=False),
        current_image("1/odd", in_use=None),
        current_image("1/web", in_use=True, licensed=True, attention=True),
        current_image("1/word", in_use=False),
        current_image("2/app", in_use=True, error=True),
        current_image("2/wait", in_use=True),
        current_image("4/app", in_use=False),
    ],
    "changes": [
        # changes of containers; of critical, high, medium and low vulnerabilities, of all; of malware and risks
        change("1/app", 1, "new", (3, 1, 2, 3, 4, 10, 0, 0), newly=True),
        change("1/app", 2, "changed", (2, -1, 0, -2, -1, -4, 0, 0), newly=True),
        change("1/back", 1, "new", (3, 2, 0, 0, 0, 2, 0, 0), newly=True),
        change("1/back", 2, "gone", (-3, -2, 0, 0, 0, -2, 0, 0)),
        change("1/back", 3, "returned", (1, 2, 0, 0, 0, 2, 0, 0)),
        change("1/blank", 1, "new", (0, 0, 0, 0, 0, 0, 0, 0)),
        change("1/brief", 1, "new", (1, 1, 0, 0, 0, 1, 0, 0), newly=True),
        change("1/brief", 2, "gone", (-1, -1, 0, 0, 0, -1, 0, 0)),
        change("1/fail", 1, "new", (0, 2, 0, 0, 0, 2, 0, 0), newly=True),
        change("1/fail2", 1, "new", (2, 0, 0, 0, 0, 0, 0, 0)),
        change("1/flap", 1, "new", (1, 0, 1, 0, 0, 1, 0, 0), newly=True),
        change("1/flap", 2, "gone", (-1, 0, -1, 0, 0, -1, 0, 0)),
        change("1/flap", 3, "returned", (1, 0, 1, 0, 0, 1, 0, 0)),
        change("1/fresh", 1, "new", (4, 5, 0, 0, 0, 5, 0, 0), newly=True),
        change("1/gone", 1, "new", (1, 1, 0, 0, 0, 1, 0, 0), newly=True),
        change("1/gone", 2, "gone", (-1, -1, 0, 0, 0, -1, 0, 0)),
        change("1/never", 1, "new", (1, 0, 0, 0, 0, 0, 0, 0)),
        change("1/odd", 1, "new", (0, 0, 0, 0, 0, 7, 0, 0), newly=True),
        change("1/old", 1, "new", (9, 9, 0, 0, 0, 9, 0, 0), newly=True),
        change("1/old", 2, "gone", (-9, -9, 0, 0, 0, -9, 0, 0)),
        change("1/web", 1, "new", (2, 3, 1, 0, 0, 4, 1, 0), newly=True),
        change("1/word", 1, "new", (0, 0, 0, 0, 0, 0, 0, 0)),
        change("2/app", 1, "new", (1, 9, 0, 0, 0, 9, 0, 0), newly=True),
        change("2/wait", 1, "new", (1, 0, 0, 0, 0, 9, 0, 0), newly=True),
        change("2/wait", 2, "changed", (0, 9, 0, 0, 0, 0, 0, 0)),
        change("4/app", 1, "new", (0, 0, 0, 0, 0, 0, 0, 0)),
        change("9/cut", 3, "changed", (1, 0, 1, 0, 0, 1, 0, 0)),
    ],
    "current_scan_errors": [
        ("1", "fail", "fail:1", "agent", "timeout", "agent offline", None, "SCAN_ERR", ago(8), 1, 0),
        ("1", "fail", "fail:1", "vul", "timeout", "agent offline", None, "SCAN_ERR", ago(8), 1, 0),
        ("1", "fail2", "fail2:1", "agent", "timeout", None, None, "SCAN_ERR", None, 1, 2),
        ("2", "app", "app:1", "virus", "ConnFailed", None, None, "SCANNING", ago(7), 1, 1),
    ],
    "image_versions": [
        version("1/app", 1, "new", until=ago(hours=2)),
        version("1/app", 2, "changed"),
        version("1/back", 1, "new", until=ago(3)),
        version("1/back", 2, "gone", until=ago(hours=4)),
        version("1/back", 3, "returned"),
        version("1/blank", 1, "new"),
        version("1/brief", 1, "new", until=ago(hours=2)),
        version("1/brief", 2, "gone"),
        version("1/fail", 1, "new"),
        version("1/fail2", 1, "new"),
        version("1/flap", 1, "new", until=ago(hours=5)),
        version("1/flap", 2, "gone", until=ago(hours=1)),
        version("1/flap", 3, "returned"),
        version("1/fresh", 1, "new"),
        version("1/gone", 1, "new", until=ago(hours=3)),
        version("1/gone", 2, "gone"),
        version("1/never", 1, "new"),
        version("1/odd", 1, "new"),
        version("1/old", 1, "new", until=ago(10)),
        version("1/old", 2, "gone"),
        version("1/web", 1, "new"),
        version("1/word", 1, "new"),
        version("2/app", 1, "new"),
        version("2/wait", 1, "new", until=ago(hours=3)),
        version("2/wait", 2, "changed"),
        version("4/app", 1, "new"),
    ],
    "scan_coverage": [
        ("1", "app", "app:1", 1, 5, 1, "SCANNED", "scanned", ago(hours=3), 0, "under 7 days"),
        ("1", "back", "back:1", 1, 1, None, "SCANNED", "scanned", ago(9), 9, "7 to 29 days"),
        ("1", "blank", "blank:1", 1, 0, None, None, "other", None, None, "never scanned"),
        ("1", "fail", "fail:1", 1, 0, None, "SCAN_ERR", "failing", ago(8), 8, "7 to 29 days"),
        ("1", "fail2", "fail2:1", 1, 2, None, "SCAN_ERR", "failing", None, None, "never scanned"),
        ("1", "flap", "flap:1", 1, 1, None, "SCANNED", "scanned", ago(6), 6, "under 7 days"),
        ("1", "fresh", "fresh:1", 1, 4, None, "FINISHED", "scanned", ago(hours=1), 0, "under 7 days"),
        ("1", "never", "never:1", 1, 1, 0, "NOT_SCAN", "not scanned", None, None, "never scanned"),
        ("1", "odd", "odd:1", 1, None, None, "QUARANTINED", "other", ago(12), 12, "7 to 29 days"),
        ("1", "web", "web:1", 1, 2, 12, "SCANNED", "scanned", ago(40), 40, "30 days or more"),
        ("1", "word", "word:1", 1, 0, None, "FAILED", "failing", None, None, "never scanned"),
        ("2", "app", "app:1", 1, 1, None, "SCANNING", "failing", ago(7), 7, "7 to 29 days"),
        ("2", "wait", "wait:1", 1, 1, None, "WAIT_SCAN", "scanning", ago(30), 30, "30 days or more"),
        ("4", "app", "app:1", 1, 0, None, "CANCELED", "cancelled", None, None, "never scanned"),
    ],
    "images_at_risk": [
        # account, rank, image; containers, hosts; critical, high, medium, low, all; malware, risks; flags; OS, scan
        ("1", 2, "fresh", "fresh:1", 4, 1, 5, 0, 0, 0, 5, 0, 0, None, None, None, "ubuntu:20.04", ago(hours=1)),
        ("1", 1, "web", "web:1", 2, 1, 3, 1, 0, 0, 4, 1, 0, True, 1, False, "ubuntu:20.04", ago(40)),
        ("1", 3, "back", "back:1", 1, 1, 2, 0, 0, 0, 2, 0, 0, None, None, None, "alpine:v3.12", ago(9)),
        ("1", 4, "app", "app:1", 5, 1, 0, 2, 1, 3, 6, 0, 0, None, None, None, "alpine:v3.12", ago(hours=3)),
        ("1", 5, "flap", "flap:1", 1, 1, 0, 1, 0, 0, 1, 0, 0, None, None, None, None, ago(6)),
        ("2", 1, "app", "app:1", 1, 1, 9, 0, 0, 0, 9, 0, 0, None, None, None, "alpine:v3.12", ago(7)),
        ("2", 1, "wait", "wait:1", 1, 1, 9, 0, 0, 0, 9, 0, 0, None, None, None, "alpine:v3.12", ago(30)),
    ],
    "os_exposure": [
        # images, in use, scanned, rated, critical; containers; all, critical, high, medium, low; malware, risks
        ("1", "alpine", "3.12", 3, 2, 3, 3, 2, 6, 10, 4, 2, 1, 3, 0, 0),
        ("1", "centos", "7", 1, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0),
        ("1", "debian", None, 1, 0, 1, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0),
        ("1", "ubuntu", "20.04", 2, 2, 2, 2, 2, 6, 9, 8, 1, 0, 0, 1, 0),
        ("1", None, None, 4, 2, 1, 1, 0, 2, 1, 0, 1, 0, 0, 0, 0),
        ("2", "alpine", "3.12", 2, 2, 2, 2, 2, 2, 18, 18, 0, 0, 0, 0, 0),
        ("4", None, None, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    ],
    "scan_failures": [
        # images, in use, containers, never scanned, newest scan, an image, a reason
        ("1", "agent", "timeout", 2, 1, 2, 1, ago(8), "fail", "agent offline"),
        ("1", "vul", "timeout", 1, 0, 0, 0, ago(8), "fail", "agent offline"),
        ("1", "status", "FAILED", 1, 0, 0, 1, None, "word", None),
        ("1", "status", "QUARANTINED", 1, 0, 0, 0, ago(12), "odd", None),
        ("1", "status", "no status", 1, 0, 0, 1, None, "blank", None),
        ("2", "virus", "ConnFailed", 1, 1, 1, 0, ago(7), "app", None),
    ],
    "changes_since_yesterday": [
        # when, versions; newly scanned, status before and now; containers, critical; then changes of containers, and of
        # critical, high, medium and low, of all; of malware and risks
        ("1", "app", "app:1", "changed", ago(hours=2), 1, True, *SCANNED_TWICE, 5, 0, 2, -1, 0, -2, -1, -4, 0, 0),
        ("1", "back", "back:1", "returned", ago(hours=4), 1, False, *SCANNED_TWICE, 1, 2, 1, 2, 0, 0, 0, 2, 0, 0),
        ("1", "brief", "brief:1", "came and went", ago(hours=2), 2, True, None, "SCANNED", 1, 1, *[0] * 8),
        ("1", "flap", "flap:1", "returned", ago(hours=1), 2, False, *SCANNED_TWICE, 1, 0, *[0] * 8),
        ("1", "fresh", "fresh:1", "new", ago(hours=1), 1, True, None, "FINISHED", 4, 5, 4, 5, 0, 0, 0, 5, 0, 0),
        ("1", "gone", "gone:1", "gone", ago(hours=3), 1, False, *SCANNED_TWICE, 1, 1, -1, -1, 0, 0, 0, -1, 0, 0),
        ("2", "wait", "wait:1", "changed", ago(hours=3), 1, False, "WAIT_SCAN", "WAIT_SCAN", 1, 9, 0, 9, *[0] * 6),
    ],
    "data_freshness": [
        (
            *("1", ago(hours=5), 5, ago(hours=50), 50),
            *(ago(hours=2), "full", "complete", "by order", 2),
            *(1, 1, 1, 11, ago(hours=1), ago(hours=1)),
        ),
        (
            *("2", ago(hours=26), 26, ago(hours=26), 26),
            *(ago(hours=26), "full", "complete", None, 26),
            *(0, 0, 0, 2, ago(hours=3), ago(7)),
        ),
        ("3", None, None, None, None, ago(hours=1), "full", "failed", "throttled", 1, 0, 1, 0, 0, None, None),
        ("4", None, None, None, None, None, None, None, None, None, 0, 0, 0, 1, ago(2), None),
    ],
    "posture_by_day": [
        # images, scanned, rated, critical; all, critical, high, medium, low; malware, risks
        ("7", day(5), 1, 1, 1, 1, 4, 1, 1, 1, 1, 2, 3),
        ("7", day(4), 2, 1, 1, 1, 4, 1, 1, 1, 1, 2, 3),
        ("7", day(3), 2, 1, 1, 1, 9, 3, 2, 2, 2, 0, 0),
        ("7", day(2), 1, 1, 1, 1, 9, 3, 2, 2, 2, 0, 0),
        ("7", day(1), 2, 2, 2, 1, 10, 3, 2, 2, 3, 0, 0),
        ("7", day(0), 2, 2, 2, 1, 10, 3, 2, 2, 3, 0, 0),
        ("8", day(2), 1, 1, 1, 1, 50, 5, 0, 0, 45, 0, 0),
        ("8", day(1), 1, 1, 1, 1, 50, 5, 0, 0, 45, 0, 0),
        ("8", day(0), 1, 1, 1, 1, 7, 7, 0, 0, 0, 0, 0),
    ],
}
ACCOUNTS = dict.fromkeys(EXPECTED, "1234") | {
    "posture_by_day": "78",
    "changes": "12349",
    "changes_since_yesterday": "12345",
}


@pytest.fixture(scope="module", params=KINDS)
def fleet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Any]]:
    """A warehouse of each kind with the data above and all views, and its pipeline."""
    with place(request.param, tmp_path_factory.mktemp("fleet")) as made, pytest.MonkeyPatch.context() as patch:
        patch.setattr(views, "views", lambda: STOPPED)
        pipeline = made.prepared(tables=(*TABLES, NAMED_ACCOUNTS))
        versions = [*FLEET, *DAYS, *PRUNED]
        made.insert(
            {
                IMAGE_HISTORY: [*(row for rows in versions for row in rows), *LEFT],
                IMAGES: [*map(latest, versions)],
                SYNC_RUNS: RUNS,
                NAMED_ACCOUNTS: [{"account_id": one, "account_name": name} for one, name in CALLED.items()],
            }
        )
        with pipeline.sql_client() as client:
            views.create(client)
        patch.undo()
        with for_reading(made):
            yield made, pipeline


def key(row: tuple[Any, ...]) -> str:
    """The first four columns identify a row of every view."""
    return repr(row[:4])


@pytest.mark.thorough("sqlite", "mysql")
@pytest.mark.parametrize("zone", ["", "Shanghai"])
@pytest.mark.parametrize("name", EXPECTED)
def test_a_view_has_exactly_these_rows(fleet: tuple[Place, dlt.Pipeline], name: str, zone: str) -> None:
    """On every database, and whatever time zone a session has; accounts do not mix, and what killed runs left does not
    show."""
    made, pipeline = fleet
    before = ZONES.get(made.kind) if zone else None
    ours = made.kind != "duckdb" or before is None
    columns, rows = ask(pipeline, name, before) if ours else ask_as_analyst(made, name, str(before))
    assert columns == sqlglot.parse_one(VIEWS[name].sql, read="duckdb").named_selects
    found = [row for row in rows if row[0] in ACCOUNTS[name]]
    expected = [row if isinstance(row, tuple) else whole(row, columns[:-1]) for row in EXPECTED[name]]
    if name != "accounts":  # the account's name is the last column of every other view
        expected = [(*row, CALLED.get(row[0])) for row in expected]
    assert sorted(found, key=key) == sorted(expected, key=key)


def test_changes_of_a_window_add_up(fleet: tuple[Place, dlt.Pipeline]) -> None:
    """Those of the last 24 hours are, for each image, what `changes_since_yesterday` says, however many there were."""
    numbers = [f"{what}_change" for what in COUNTS]
    columns, rows = ask(fleet[1], "changes_since_yesterday")
    yesterday = {row[:2]: [row[columns.index(name)] for name in numbers] for row in rows if row[0] in "1234"}
    columns, rows = ask(fleet[1], "changes")
    added: dict[tuple[Any, ...], list[int]] = {}
    for row in rows:
        if row[0] in "1234" and row[columns.index("changed_at")] > NOW - 24 * HOUR:
            sums = added.setdefault(row[:2], [0] * len(numbers))
            added[row[:2]] = [so_far + row[columns.index(n)] for so_far, n in zip(sums, numbers, strict=True)]
    assert added == yesterday
    assert len(added) == 7


def test_without_the_table_of_names_the_runs_say_them(fleet: tuple[Place, dlt.Pipeline]) -> None:
    """As where nothing but a pipeline of an older release has loaded: the views have the same rows."""
    _, pipeline = fleet
    with_names = {name: ask(pipeline, name) for name in ("accounts", "current_images", "data_freshness")}
    assert {row[-1] for row in with_names["current_images"][1] if row[0] in "1234"} == {"once", "two", None}
    with pipeline.sql_client() as client:
        names = views._names(client, TABLES)
        for name, (columns, rows) in with_names.items():
            query = STOPPED_BY_NAME[name].select(client.capabilities.sqlglot_dialect, names)
            found = [tuple(map(plain, row)) for row in client.execute_sql(query)]
            assert sorted(found, key=key) == sorted(rows, key=key), columns


SECONDS = {
    "duckdb": "SELECT epoch(now())",
    "sqlite": "SELECT strftime('%s', 'now')",
    "postgresql": "SELECT extract(epoch FROM clock_timestamp())",
    "mysql": "SELECT unix_timestamp()",
}


@pytest.mark.parametrize("zone", ["", "Shanghai"])
def test_now_is_what_the_databases_clock_says(fleet: tuple[Place, dlt.Pipeline], zone: str) -> None:
    """The seconds since 1970 until `current_timestamp`, whatever time zone a session has, lie between two readings."""
    made, pipeline = fleet
    since = "select date_diff('second', started_at, current_timestamp) from sync_runs where sync_id = 'epoch'"
    with ExitStack() as stack:
        if made.kind == "duckdb":
            connection = stack.enter_context(analyst(made))
            dialect, table = "duckdb", "sync_runs"
            run: Callable[[str], Any] = lambda query: connection.execute(query).fetchall()  # noqa: E731
        else:
            client = stack.enter_context(pipeline.sql_client())
            dialect, table = client.capabilities.sqlglot_dialect, client.make_qualified_table_name("sync_runs")
            run = client.execute_sql
        if zone and made.kind in ZONES:
            run(ZONES[made.kind])
        asked = (SECONDS[made.kind], dialects.translate(since, dialect, {"sync_runs": table}), SECONDS[made.kind])
        before, now, after = (int(run(query)[0][0]) for query in asked)
    assert before <= now <= after


@pytest.mark.parametrize("view", views.views(), ids=lambda view: view.name)
def test_every_view_has_the_name_of_the_account(view: View) -> None:
    """Beside its id, as the last column; `accounts` has both at its begin."""
    columns = sqlglot.parse_one(view.sql, read="duckdb").named_selects
    assert columns[0] == "account_id"
    assert columns[1 if view.name == "accounts" else -1] == "account_name"


def test_every_view_is_tested() -> None:
    """Those of details in `test_detail_views`. The order of the files is that of the names."""
    assert set(EXPECTED) == set(VIEWS)
    assert [view.name for view in views.views()] == sorted(view.name for view in views.views())


@pytest.mark.parametrize("view", views.views(), ids=lambda view: view.name)
def test_the_tables_of_details_are_those_that_the_select_reads(view: View) -> None:
    """Also in a fragment, and where a column or an alias has the name of a table, as sqlglot reads the select."""
    read = {table.name for table in with_fragments(view.sql, {}).find_all(exp.Table)}
    assert view.details == read & {table.name for table in DETAIL_TABLES}


@pytest.mark.parametrize("fleet", ["duckdb"], indirect=True)
@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_a_file_says_what_it_answers(fleet: tuple[Place, dlt.Pipeline], view: View) -> None:
    """A question first, then columns that the view has, each explained once; and no line is too long to read."""
    check_header(view, ask(fleet[1], view.name)[0])


@pytest.mark.parametrize("fleet", ["duckdb"], indirect=True)
def test_a_file_can_be_pasted_into_duckdb(fleet: tuple[Place, dlt.Pipeline]) -> None:
    """With its fragments put in, it gives what the view gives."""
    for view in STOPPED:
        _, rows = ask(fleet[1], view.name)
        with analyst(fleet[0]) as connection:
            pasted = [tuple(map(plain, row)) for row in connection.execute(whole_sql(view)).fetchall()]
        assert sorted(pasted, key=key) == sorted(rows, key=key)


def whole_sql(view: View) -> str:
    return str(with_fragments(view.sql, {}).sql("duckdb"))


def create(pipeline: dlt.Pipeline) -> None:
    with pipeline.sql_client() as client:
        views.create(client)


def current(pipeline: dlt.Pipeline) -> bool:
    with pipeline.sql_client() as client:
        return views.current(client)


def redefine(monkeypatch: pytest.MonkeyPatch, **definitions: str) -> None:
    """As if another release had these views, and the others as this one has them."""
    defined = tuple(View(name, "What is it?", definitions.get(name, view.sql)) for name, view in VIEWS.items())
    monkeypatch.setattr(views, "views", lambda: defined)


# The columns of os_exposure, as an older release might have had them: another name, another type, and one more.
OLD = {
    "os_exposure": "select account_id, os_version as release, os_family, 'x' as images, 1 as old from images",
    "data_freshness": "select account_id from images",
}


def test_views_are_made_once_and_again(place: Place) -> None:
    """A second time changes nothing; one that somebody dropped comes back."""
    pipeline = place.ready()
    assert not current(pipeline)
    for _ in range(2):
        create(pipeline)
        assert current(pipeline)
    place.sql("DROP VIEW {data}.os_exposure")
    assert not current(pipeline)
    create(pipeline)
    assert current(pipeline)
    assert ask(pipeline, "os_exposure")[1] == []


def test_the_marker_lists_all_views_with_their_questions(place: Place) -> None:
    """What an analyst can look up in the warehouse itself: views, and nothing else."""
    create(place.ready())
    rows = place.sql(f"SELECT name, meaning FROM {{data}}.{MARKER}")
    assert sorted(rows) == [(view.name, view.question) for view in VIEWS.values()]


def test_another_description_is_a_change_too(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release that explains a column better writes it into the catalogue."""
    pipeline = place.ready()
    with monkeypatch.context() as patch:
        patch.setattr(descriptions, "text", lambda column, dialect: "old")
        create(pipeline)
        assert current(pipeline)
    assert not current(pipeline)


def test_a_changed_definition_is_replaced(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where columns have other names, other types, or are fewer."""
    pipeline = place.ready()
    with monkeypatch.context() as patch:
        redefine(patch, **OLD)
        create(pipeline)
        assert ask(pipeline, "os_exposure")[0] == ["account_id", "release", "os_family", "images", "old"]
    assert not current(pipeline)
    create(pipeline)
    assert current(pipeline)
    assert ask(pipeline, "os_exposure")[0][:4] == ["account_id", "os_family", "os_version", "images"]


def test_another_translation_is_a_change_too(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another sqlglot, or other words of ours for a dialect, may make other SQL of the same select."""
    pipeline = place.ready()
    with monkeypatch.context() as patch:
        patch.setattr(views, "edition", lambda: "another")
        create(pipeline)
        assert current(pipeline)
    assert not current(pipeline)


def test_a_view_of_the_same_select_is_left_alone(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing but its making is new; to replace it would wait for its readers, and could cost its grants."""
    pipeline = place.ready()
    made: list[str] = []
    execute = views.execute

    def noted(client: Any, statement: str) -> None:
        made.extend(name for name in VIEWS if f"VIEW {client.make_qualified_table_name(name)} AS" in statement)
        execute(client, statement)

    with monkeypatch.context() as patch:
        redefine(patch, **OLD)
        patch.setattr(views, "edition", lambda: "another")
        create(pipeline)
    monkeypatch.setattr(views, "execute", noted)
    with pipeline.sql_client() as client:
        views.create(client, anew=False)
        assert set(made) == set(OLD)
        assert views.current(client)
        made.clear()
        views.create(client, anew=False)
        assert made == []
        views.create(client)
        assert set(made) == set(VIEWS)


def test_views_that_are_there_are_not_translated_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would take a tenth of the time of a run that has little to write."""
    pipeline = place.ready()
    create(pipeline)
    monkeypatch.setattr(View, "select", None)
    assert current(pipeline)


def test_another_question_is_a_change_too(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The marker's rows are compared whole."""
    pipeline = place.ready()
    with monkeypatch.context() as patch:
        redefine(patch)
        create(pipeline)
        assert current(pipeline)
    assert not current(pipeline)


def test_a_users_view_on_ours_stays(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where it would break, PostgreSQL leaves that view of ours alone as it is, and a warning says why; others replace
    ours. A view that is blocked is not tried again by each run, and `tcss views` tries it."""
    pipeline = place.ready()
    redefine(monkeypatch, **OLD)
    create(pipeline)
    place.sql("CREATE VIEW {data}.same AS SELECT image_id FROM {data}.current_images")
    place.sql("CREATE VIEW {data}.other AS SELECT old FROM {data}.os_exposure")
    monkeypatch.undo()
    create(pipeline)
    assert current(pipeline)
    assert len(ask(pipeline, "data_freshness")[0]) > 1
    if place.kind == "postgresql":
        (warning,) = caplog.messages
        assert warning.startswith("the view os_exposure stays as an older release made it, because view ")
        assert re.search(r"other depends on view .*os_exposure; .* `tcss views`$", warning)
        assert ask(pipeline, "other") == (["old"], [])
        assert publish(place, pipeline, anew=False) == {}
        assert set(publish(place, pipeline, anew=True)) == {"os_exposure"}
        place.sql("DROP VIEW {data}.other")
        assert publish(place, pipeline, anew=True) == {}
    else:
        assert caplog.messages == []
        place.sql("DROP VIEW {data}.other")  # it was there
    assert current(pipeline)
    assert ask(pipeline, "os_exposure")[0] == list(sqlglot.parse_one(VIEWS["os_exposure"].sql).named_selects)
    assert ask(pipeline, "same") == (["image_id"], [])


def test_a_view_that_is_blocked_is_tried_again_by_another_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where nothing of the view itself has changed since."""
    with place("postgresql", tmp_path) as made:
        pipeline = made.prepared()
        with monkeypatch.context() as patch:
            redefine(patch, **OLD)
            create(pipeline)
        made.sql("CREATE VIEW {data}.other AS SELECT old FROM {data}.os_exposure")
        create(pipeline)
        made.sql("DROP VIEW {data}.other")
        monkeypatch.setattr(views, "edition", lambda: "another")
        assert publish(made, pipeline, anew=False) == {}
        assert "images_rated" in ask(pipeline, "os_exposure")[0]


def publish(place: Place, pipeline: dlt.Pipeline, *, anew: bool = True) -> Mapping[str, str]:
    return views.publish(place.location, pipeline, anew=anew)


@pytest.mark.parametrize("what", ["TABLE {data}.scan_failures (x int)", "VIEW {data}.scan_failures AS SELECT 1 AS x"])
def test_what_is_not_ours_is_not_touched(place: Place, what: str) -> None:
    """The error names it and a way out; nothing is made, and nothing lost."""
    pipeline = place.ready()
    place.sql(f"CREATE {what}")
    with pytest.raises(DestinationError, match=r"has a (table|view) scan_failures that .*--dataset"):
        create(pipeline)
    assert ask(pipeline, "scan_failures")[0] == ["x"]
    assert not current(pipeline)
    place.sql(f"DROP {what.split(maxsplit=2)[0]} {{data}}.scan_failures")
    create(pipeline)
    assert current(pipeline)


def test_a_name_that_a_user_took_after_us_is_not_touched(place: Place) -> None:
    """A table in place of a view of ours that was dropped."""
    pipeline = place.ready()
    create(pipeline)
    place.sql("DROP VIEW {data}.os_exposure")
    place.sql("CREATE TABLE {data}.os_exposure (x int)")
    assert not current(pipeline)
    with pytest.raises(DestinationError, match="has a table os_exposure"):
        create(pipeline)
    assert ask(pipeline, "os_exposure")[0] == ["x"]


def die(monkeypatch: pytest.MonkeyPatch, pipeline: dlt.Pipeline) -> None:
    """Begins to make the views, and is interrupted at the seventh statement."""
    execute = views.execute
    statements: list[str] = []

    def dying(client: Any, statement: str) -> None:
        if len(statements) == 6:
            raise KeyboardInterrupt
        statements.append(statement)
        execute(client, statement)

    with monkeypatch.context() as patch:
        patch.setattr(views, "execute", dying)
        with pytest.raises(KeyboardInterrupt):
            create(pipeline)


def test_a_run_that_dies_halfway_is_completed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the first making of the views, the next run knows what is ours."""
    pipeline = place.ready()
    die(monkeypatch, pipeline)
    assert not current(pipeline)
    create(pipeline)
    assert current(pipeline)


def test_a_run_that_dies_halfway_leaves_the_views_as_they_were(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where DDL can be rolled back; MySQL keeps those that were replaced. All of them are there at any time."""
    pipeline = place.ready()
    with monkeypatch.context() as patch:
        redefine(patch, **OLD)
        create(pipeline)
    die(monkeypatch, pipeline)
    assert not current(pipeline)
    assert [ask(pipeline, name)[1] for name in VIEWS] == [[]] * len(VIEWS)
    with monkeypatch.context() as patch:
        redefine(patch, **OLD)
        assert current(pipeline) == (place.kind != "mysql")
    create(pipeline)
    assert current(pipeline)


@pytest.mark.thorough("mysql")
@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_accounts_that_make_the_views_at_once_do_not_fail(kind: str, tmp_path: Path) -> None:
    """The first syncs of several accounts, in a new dataset."""
    with place(kind, tmp_path) as made, ThreadPoolExecutor(4) as pool:
        pipelines = [made.prepared(account) for account in "1234"]
        assert list(pool.map(create, pipelines)) == [None] * 4
        assert current(pipelines[0])


def test_a_reader_is_not_waited_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In PostgreSQL, everybody who comes later would wait too."""
    monkeypatch.setitem(views._BEGIN, "postgres", "SET LOCAL lock_timeout = '20ms'")
    with place("postgresql", tmp_path) as made:
        pipeline = made.prepared()
        with monkeypatch.context() as patch:
            redefine(patch, **OLD)
            create(pipeline)
        with made.engine.begin() as reader:
            reader.exec_driver_sql(f'SELECT * FROM "{made.dataset}".current_images')
            with pytest.raises(DestinationError, match="lock timeout"):
                publish(made, pipeline)
        create(pipeline)


def test_postgresql_keeps_the_grants_on_a_view(tmp_path: Path) -> None:
    """A view with the same columns is replaced, not dropped."""
    with place("postgresql", tmp_path) as made:
        pipeline = made.prepared()
        create(pipeline)
        made.sql("GRANT SELECT ON {data}.os_exposure TO PUBLIC")
        create(pipeline)
        granted = "SELECT grantee FROM information_schema.role_table_grants WHERE table_name = 'os_exposure'"
        assert ("PUBLIC",) in made.sql(f"{granted} AND table_schema = '{made.dataset}'")


def test_views_are_made_in_another_dataset_of_sqlite(tmp_path: Path) -> None:
    """Which is a file of its own; the views are in it, and see its tables."""
    location = locate(f"sqlite:///{tmp_path}/w.sqlite", "other")
    pipeline = open_pipeline(location, "1", tmp_path / "dlt")
    Loader(location, pipeline).prepare()
    create(pipeline)
    assert current(pipeline)
    with sqlite3.connect(tmp_path / "w__other.sqlite") as connection:
        assert connection.execute("SELECT count(*) FROM current_images").fetchall() == [(0,)]
    connection.close()


def test_a_database_without_views_of_ours_is_left_alone() -> None:
    """A sync finds nothing to do; whoever asks for views is told."""
    client = SimpleNamespace(capabilities=SimpleNamespace(sqlglot_dialect="oracle"))
    assert views.current(client)
    with pytest.raises(DestinationError, match="no views for oracle"):
        views.create(client)
