"""The views of details: what they answer about findings worked out by hand, and where they are made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import dlt
import pytest
import sqlglot

from connector.detail.coverage import IMAGE_COLUMNS, READ_COLUMNS, coverage_of
from connector.errors import DestinationError
from connector.tables import (
    ALL_TABLES,
    ASPECTS,
    CONTAINERS,
    DETAIL_RUNS,
    DETAIL_TABLES,
    HOSTS,
    IMAGE_HISTORY,
    IMAGE_MALWARE,
    IMAGE_READS,
    IMAGE_SCANS,
    IMAGE_VULNERABILITIES,
    IMAGES,
    NAMED_ACCOUNTS,
    SYNC_RUNS,
    TABLES,
    VULNERABILITIES,
    Aspect,
    Table,
)
from connector.warehouse import views
from connector.warehouse.views import View
from tests.manual import blocks, rows
from tests.warehouse.viewed import ZONES, Row, ask, ask_as_analyst, check_header, for_reading, whole
from tests.warehouses import KINDS, Place, place

VIEWS = {view.name: view for view in views.views() if view.details}
DAY = 86_400_000_000  # microseconds, as all instants here


def day(number: float) -> int:
    """An instant in January 2028."""
    return 1_830_297_600_000_000 + int(number * DAY)


def sync(account_id: str, finished: int, mode: str = "full", verdict: str = "complete", **columns: Any) -> Row:
    keys = {"sync_id": f"{account_id}-{finished}", "account_id": account_id, "started_at": finished - DAY // 24}
    return {**keys, "finished_at": finished, "mode": mode, "verdict": verdict, **columns}


def image(account_id: str, image_id: str, first_seen: int, containers: int | None, **columns: Any) -> Row:
    """The image's row, of the name that is its id with the tag 1."""
    keys = {"account_id": account_id, "image_id": image_id, "version": 1, "host_cnt": 1, "container_cnt": containers}
    name = {"image_name": f"shop/{image_id}:1", "image_repository": f"shop/{image_id}", "image_tag": "1"}
    return {**keys, **name, "first_seen_at": first_seen, "scan_time": first_seen, **columns}


def levels(*counts: int) -> Row:
    """Counts of the images list, from critical to low."""
    names = (f"{level}_level_vul_cnt" for level in ("critical", "high", "medium", "low"))
    return {**dict(zip(names, counts, strict=True)), "vul_cnt": sum(counts)}


def read(account_id: str, image_id: str, number: int, scan_time: int | None, aspect: str = "", **columns: Any) -> Row:
    """A row of `image_reads`: half a day after the scan, the last read was whole."""
    keys = {"account_id": account_id, "image_id": image_id, "aspect": aspect or "vulnerabilities"}
    times = {"scan_time": scan_time, "read_at": (scan_time or day(12)) + DAY // 2}
    return {**keys, "read_no": number, **times, "verdict": "complete", "settled": True, **columns}


def found(name: str, vul_id: str, package: str, first_found: int, *, reads: tuple[int, int | None], **more: Any) -> Row:
    """A finding in the package `name version fix` from one read to another; its id is that of both."""
    account_id, image_id = name.split("/")
    component, version, fix = package.split()
    keys = {"account_id": account_id, "image_id": image_id, "finding_id": f"{vul_id} {component}", "vul_id": vul_id}
    of_package = {"component": component, "version": version, "fixed_versions": None if fix == "-" else fix}
    interval = {"first_found_at": first_found, "opened_read": reads[0], "closed_read": reads[1]}
    return {**keys, **of_package, **interval, **more}


def fact(account_id: str, vul_id: str, severity: str, **columns: Any) -> Row:
    cve = {"cve_id": vul_id, "name": f"about {vul_id}", "severity": severity}
    return {"account_id": account_id, "vul_id": vul_id, **cve, **columns}


def container(account_id: str, container_id: str, image_id: str, **columns: Any) -> Row:
    keys = {"account_id": account_id, "container_id": container_id, "image_id": image_id}
    return {**keys, "container_name": f"k8s_{container_id}", "status": "RUNNING", "last_seen_at": day(20), **columns}


# Accounts 1 and 2. Account 1 was first synced completely on day 10, what came before was not the whole account; account
# 2 never was.
RUNS = [
    sync("1", day(8), filters='{"ImageName": ["old"]}'),
    sync("1", day(9), mode="incremental"),
    sync("1", day(9.5), verdict="partial"),
    sync("1", day(10)),
    sync("1", day(20)),
    sync("2", day(10), verdict="partial"),
]
IMAGES_OF_12 = [
    image("1", "old", day(10), 2, scan_time=day(12), vul_cnt=4),
    image("1", "new", day(11), 3, scan_time=day(14)),  # scanned again since it was read
    image("1", "recounted", day(10), 1, vul_cnt=9),
    image("1", "unproven", day(11), 0, scan_time=day(13)),
    image("1", "never proven", day(11), 1),
    image("1", "unread", day(11), 4),
    image("1", "unscanned", day(11), 1, scan_time=None),
    image("1", "reset", day(11), 0, scan_time=None),
    image("1", "failed", day(11), 1, scan_status="SCAN_ERR"),
    image("1", "scanning", day(11), 1, scan_time=day(12), scan_status="SCANNING"),
    image("1", "clean", day(11), None),
    image("1", "gone", day(10), 5, deleted_at=day(13)),
    image("2", "old", day(10), 1, **levels(0, 0, 0, 1)),
    image("2", "regraded", day(11), None, **levels(1, 0, 0, 2)),  # as many findings as when it was read
]
READS = [
    read("1", "old", 2, day(12), vul_cnt=4),
    read("1", "new", 1, day(11)),
    read("1", "recounted", 1, day(10), vul_cnt=1),
    read("1", "unproven", 1, day(11), verdict="partial"),
    read("1", "never proven", 0, None, verdict="partial"),
    read("1", "reset", 1, day(11)),
    read("1", "scanning", 1, day(11)),
    read("1", "clean", 1, day(11), settled=False),
    read("1", "gone", 2, day(11)),
    read("1", "old", 2, day(12), "malware"),
    read("1", "gone", 1, day(11), "malware"),
    read("2", "old", 2, day(10), vul_cnt=1, level_counts="0/0/0/1"),
    read("2", "regraded", 1, day(11), vul_cnt=3, level_counts="0/0/0/3"),
]
# Two new images had a scan before that of their first read, whose findings may therefore be older.
SCANS = [
    {"account_id": account_id, "image_id": image_id, "scan_time": day(number)}
    for account_id, image_id, number in (
        ("1", "new", 11),
        ("1", "new", 14),
        ("1", "unproven", 10.5),
        ("1", "unproven", 11),
        ("2", "unproven", 10),
        ("5", "second", 15),
        ("5", "third", 22),
    )
]
FINDINGS = [
    found("1/old", "CVE-1", "openssl 1.0 1.1", day(9), reads=(1, None), level=4),
    found("1/old", "CVE-2", "openssl 1.0 1.1", day(9), reads=(1, None), level=3),
    found("1/old", "CVE-2", "bash 5 -", day(12), reads=(2, None), absent_at=day(9)),
    found("1/old", "CVE-3", "zlib 1.2 1.3", day(9), reads=(1, 2), closed_at=day(12)),
    found("1/new", "CVE-1", "openssl 1.0 1.1", day(11), reads=(1, None)),
    found("1/recounted", "CVE-2", "openssl 1.0 1.1", day(10), reads=(1, None)),
    found("1/unproven", "CVE-1", "openssl 1.0 1.1", day(11), reads=(1, None)),
    found("1/gone", "CVE-1", "bash 5 6", day(11), reads=(2, None), absent_at=day(10)),
    found("1/gone", "CVE-2", "bash 5 6", day(10), reads=(1, 2), closed_at=day(11)),
    # A later read of the same scan, as after an update of the scanner's knowledge: no scan is known that lacked it.
    found("2/old", "CVE-1", "openssl 1.0 1.2", day(10), reads=(2, None), absent_at=day(10)),
    # What killed runs left: a close of the read that never came to be, what that read opened, and empty intervals.
    found("1/old", "name:x", "curl 7 8", day(9), reads=(1, 3), closed_at=day(13)),
    found("1/old", "CVE-2", "zlib 1.2 1.3", day(13), reads=(3, None)),
    found("1/old", "CVE-3", "bash 5 6", day(12), reads=(2, 2), closed_at=day(12)),
    found("1/old", "CVE-4", "bash 5 6", day(13), reads=(3, 3), closed_at=day(13)),
    found("1/unread", "CVE-1", "openssl 1.0 1.1", day(11), reads=(1, None)),
    found("1/never proven", "CVE-1", "openssl 1.0 1.1", day(11), reads=(1, None)),
    found("1/gone", "CVE-3", "bash 5 6", day(13), reads=(3, None)),
]
FACTS = [
    fact(
        "1",
        "CVE-1",
        "CRITICAL",
        has_exploit=True,
        is_known_exploited=False,
        is_emergency=True,
        cvss_v3_score=9.8,
        cvss_v3_vector="AV:N",
        submit_time=day(1),
    ),
    fact("1", "CVE-2", "HIGH", has_exploit=False, is_emergency=False),
    fact("1", "CVE-3", "MEDIUM", has_exploit=False),
    fact("2", "CVE-1", "LOW"),
]


def malware(image_id: str, virus_name: str, reads: tuple[int, int | None], **columns: Any) -> Row:
    keys = {"account_id": "1", "image_id": image_id, "finding_id": virus_name, "virus_name": virus_name}
    interval = {"first_found_at": day(10), "opened_read": reads[0], "closed_read": reads[1]}
    return {**keys, "path": "/a.sh", **interval, **columns}


FILE: Row = {
    "risk_level": 4,
    "file_name": "a.sh",
    "md5": "d41d8",
    "size": 7,
    "tags": '["Worm"]',
    "check_platform": '["1"]',
    "first_scan_time": day(7),
    "latest_scan_time": day(12),
}
MALWARE = [
    malware("old", "Worm", (1, None), **FILE),
    malware("old", "Closed", (1, 2), closed_at=day(12)),
    malware("old", "Close left", (2, 3), absent_at=day(9), closed_at=day(13)),
    malware("old", "Left open", (3, None)),
    malware("old", "Left empty", (2, 2)),
    malware("gone", "Worm", (1, None)),
    malware("unread", "Left unread", (1, None)),
]
PLACES = [
    container("1", "c1", "old", host_id="h1", host_name="as it was", host_ip="10.0.0.9", pod="p", pod_name="pod-1"),
    container("1", "c2", "old", gone_at=day(12)),
    container("1", "c3", "gone"),
    container("1", "c4", "new", node_type="SUPER", pod="p4", cluster_id="cls", cluster_name="prod"),
    container("2", "c1", "old", host_id="h1", host_name="named by c1", host_ip="10.1.0.1"),
]
MACHINES = [
    {"account_id": "1", "host_id": "h1", "host_name": "node-1", "host_ip": "10.0.0.1", "instance_id": "ins-1"},
    {"account_id": "3", "host_id": "h1", "host_name": "another's"},
]
ASKED_FOR = [
    {"sync_id": "1-a", "aspect": "vulnerabilities", "account_id": "1", "verdict": "partial"},
    {"sync_id": "1-a", "aspect": "running", "account_id": "1", "verdict": "complete"},
    {"sync_id": "2-a", "aspect": "malware", "account_id": "2", "verdict": "refused"},
]


# Accounts 5 and 6: how long repositories had what. Account 5 was first synced completely on day 10, account 6 never.
def versions(account_id: str, image_id: str, *seen: tuple[float, int | None, str | None]) -> list[Row]:
    """The image's history: when each version was seen, how many containers it had, and its repository; no number of
    containers: it was gone, and the number is the last one that was known."""
    rows: list[Row] = []
    for version, (number, containers, repository) in enumerate(seen, 1):
        keys = {"account_id": account_id, "image_id": image_id, "version": version, "observed_at": day(number)}
        known = rows[-1]["container_cnt"] if containers is None else containers
        state = {"container_cnt": known, "deleted_at": day(number) if containers is None else None}
        rows.append({**keys, **state, "image_repository": repository})
    return rows


HISTORY = [
    versions("5", "first", (10, 1, "web"), (20, 0, "web")),
    versions("5", "second", (16, 2, "web"), (18, 2, None), (25, None, None)),
    versions("5", "third", (21, 1, "web"), (23, 0, "web"), (24, 1, "web")),
    versions("5", "idle", (16, 0, "web")),
    versions("5", "nameless", (16, 1, None)),
    versions("6", "first", (16, 1, "web")),
]
# Versions that a killed run left: an image that is in use again, in another repository, and one that is in use no more.
LEFT_VERSIONS = [
    versions("5", "first", (10, 1, "web"), (20, 0, "web"), (26, 9, "left"))[2],
    versions("5", "third", (21, 1, "web"), (23, 0, "web"), (24, 1, "web"), (26, 0, "web"))[3],
]
IN_REPOSITORIES = [
    # Until the last image in use with them is out of use: CVE-1 on day 25, since before the first sync, CVE-2 from day
    # 15 to day 25, and CVE-3 from day 16 to day 20.
    found("5/first", "CVE-1", "a 1 2", day(8), reads=(2, None), absent_at=day(8)),
    found("5/first", "CVE-2", "a 1 2", day(15), reads=(2, None), absent_at=day(8)),
    found("5/first", "CVE-3", "a 1 2", day(16), reads=(2, None), absent_at=day(8)),
    found("5/second", "CVE-1", "a 1 2", day(16), reads=(1, None)),
    found("5/second", "CVE-2", "a 1 2", day(16), reads=(1, None)),
    # A later scan has it no more.
    found("5/second", "CVE-4", "a 1 2", day(16), reads=(1, 2), closed_at=day(17)),
    # Found in an image that was in use no more.
    found("5/first", "CVE-5", "a 1 2", day(21), reads=(3, None), absent_at=day(16)),
    # Still there: CVE-6 in spite of what a killed run left, and CVE-7, of which no list knows.
    found("5/third", "CVE-6", "a 1 2", day(22), reads=(1, 2), closed_at=day(23)),
    found("5/third", "CVE-7", "a 1 2", day(20), reads=(1, None)),
    found("5/third", "CVE-2", "left 1 2", day(23), reads=(2, None)),
    found("5/third", "CVE-8", "empty 1 2", day(22), reads=(1, 1), closed_at=day(22.5)),
    found("5/idle", "CVE-8", "a 1 2", day(16), reads=(1, None)),
    found("5/nameless", "CVE-8", "a 1 2", day(16), reads=(1, None)),
    found("6/first", "CVE-1", "a 1 2", day(16), reads=(1, None)),
]
RATED = {"CVE-1": "HIGH", "CVE-2": "HIGH", "CVE-3": "HIGH", "CVE-4": "HIGH", "CVE-6": "CRITICAL", "CVE-8": "LOW"}

LOADED: dict[Table, list[Row]] = {
    SYNC_RUNS: [*RUNS, sync("5", day(10.5))],
    IMAGES: [
        *IMAGES_OF_12,
        *({**rows[-1], "first_seen_at": rows[0]["observed_at"], "scan_time": day(16)} for rows in HISTORY),
    ],
    IMAGE_HISTORY: [*(row for rows in HISTORY for row in rows), *LEFT_VERSIONS],
    IMAGE_SCANS: SCANS,
    IMAGE_READS: [
        *READS,
        read("5", "first", 3, day(21)),
        read("5", "second", 2, day(17)),
        *(read(rows[0]["account_id"], rows[0]["image_id"], 1, day(16)) for rows in HISTORY[2:]),
    ],
    IMAGE_VULNERABILITIES: [*FINDINGS, *IN_REPOSITORIES],
    VULNERABILITIES: [*FACTS, *(fact("5", *rated) for rated in RATED.items()), fact("6", "CVE-1", "HIGH")],
    IMAGE_MALWARE: MALWARE,
    CONTAINERS: PLACES,
    HOSTS: MACHINES,
    DETAIL_RUNS: ASKED_FOR,
    NAMED_ACCOUNTS: [{"account_id": "1", "account_name": "one"}, {"account_id": "5", "account_name": "five"}],
}
CALLED = {row["account_id"]: row["account_name"] for row in LOADED[NAMED_ACCOUNTS]}


def of_image(account_id: str, image_id: str) -> Row:
    """What an open finding shows of its image and of the read."""
    row = next(row for row in IMAGES_OF_12 if (row["account_id"], row["image_id"]) == (account_id, image_id))
    names = ("account_id", "image_id", "image_name", "image_repository", "image_tag", "container_cnt", "host_cnt")
    return {name: row[name] for name in names}


def scanned(number: int) -> Row:
    return {"scan_time": day(number), "read_at": day(number + 0.5)}


def package(finding_id: str, version: str, fixed_versions: str | None) -> Row:
    vul_id, component = finding_id.split()
    found = {"finding_id": finding_id, "vul_id": vul_id, "component": component}
    return {**found, "version": version, "fixed_versions": fixed_versions}


def since(number: int, *, known: bool, came: bool) -> Row:
    return {"first_found_at": day(number), "since_is_known": known, "came_with_image": came}


ONE: Row = {
    "cve_id": "CVE-1",
    "name": "about CVE-1",
    "severity": "CRITICAL",
    "cvss_v3_score": 9.8,
    "has_exploit": True,
    "is_known_exploited": False,
    "is_emergency": True,
}
TWO: Row = {
    "cve_id": "CVE-2",
    "name": "about CVE-2",
    "severity": "HIGH",
    "has_exploit": False,
    "is_emergency": False,
}
OPENSSL_1 = package("CVE-1 openssl", "1.0", "1.1")
OPENSSL_2 = package("CVE-2 openssl", "1.0", "1.1")
OPEN: dict[str, Row] = {
    "old 1": {
        **of_image("1", "old"),
        **scanned(12),
        **ONE,
        **OPENSSL_1,
        "level": 4,
        **since(9, known=False, came=True),
    },
    "old 2": {
        **of_image("1", "old"),
        **scanned(12),
        **TWO,
        **OPENSSL_2,
        "level": 3,
        **since(9, known=False, came=True),
    },
    "old bash": {
        **of_image("1", "old"),
        **scanned(12),
        **TWO,
        **package("CVE-2 bash", "5", None),
        **since(12, known=True, came=False),
    },
    "old curl": {
        **of_image("1", "old"),
        **scanned(12),
        **package("name:x curl", "7", "8"),
        **since(9, known=False, came=True),
    },
    "new": {**of_image("1", "new"), **scanned(11), **ONE, **OPENSSL_1, **since(11, known=True, came=True)},
    "recounted": {
        **of_image("1", "recounted"),
        **scanned(10),
        **TWO,
        **OPENSSL_2,
        **since(10, known=False, came=True),
    },
    "unproven": {**of_image("1", "unproven"), **scanned(11), **ONE, **OPENSSL_1, **since(11, known=False, came=True)},
    "another's": {
        **of_image("2", "old"),
        **scanned(10),
        "cve_id": "CVE-1",
        "name": "about CVE-1",
        "severity": "LOW",
        **package("CVE-1 openssl", "1.0", "1.2"),
        **since(10, known=False, came=False),
    },
}
TRIVY = {
    "image_repository": "repository",
    "image_tag": "tag",
    "vul_id": "vulnerability_id",
    "name": "title",
    "component": "package_name",
    "version": "installed_version",
    "fixed_versions": "fixed_version",
    "first_found_at": "first_observed_at",
    "has_exploit": "exploit_available",
    "is_known_exploited": "known_exploited",
}
"""What `findings` calls the columns of `current_findings`."""


def finding(row: Row, status: str = "open", **columns: Any) -> Row:
    """The finding in the words of other scanners."""
    hidden = ("container_cnt", "host_cnt", "scan_time", "read_at", "level", "is_emergency", "came_with_image", "cve_id")
    shown = {TRIVY.get(name, name): value for name, value in row.items() if name not in hidden}
    known = {"cvss_v3_vector": "AV:N", "published_at": day(1)} if row.get("cvss_v3_score") else {}
    return {**shown, **known, "status": status, **columns}


def located(row: Row, container_id: str | None, **columns: Any) -> Row:
    """The open finding where it runs; without a container, or in one that was last seen on day 20."""
    hidden = ("image_repository", "image_tag", "host_cnt", "container_cnt", "scan_time", "read_at", "level", "name")
    hidden += ("cvss_v3_score", "since_is_known", "came_with_image")
    shown = {name: value for name, value in row.items() if name not in hidden}
    running = {"container_name": f"k8s_{container_id}", "status": "RUNNING", "last_seen_at": day(20)}
    return {**shown, "container_id": container_id, **(running if container_id else {}), **columns}


ON_NODE_1: Row = {
    "pod_name": "pod-1",
    "host_id": "h1",
    "host_name": "node-1",
    "host_ip": "10.0.0.1",
    "instance_id": "ins-1",
}
GONE = {**of_image("1", "gone"), **scanned(11)}
# Whole rows: tuples in the order of the columns, or by name.
EXPECTED: dict[str, list[tuple[Any, ...]] | list[Row]] = {
    "current_findings": list(OPEN.values()),
    "current_malware": [
        {
            **of_image("1", "old"),
            **scanned(12),
            "finding_id": "Worm",
            "virus_name": "Worm",
            "path": "/a.sh",
            **FILE,
            **since(10, known=False, came=True),
        },
        {
            **of_image("1", "old"),
            **scanned(12),
            "finding_id": "Close left",
            "virus_name": "Close left",
            "path": "/a.sh",
            **since(10, known=True, came=False),
        },
    ],
    "detail_coverage": [
        ("1", "malware", "current", 1, 1, 0, day(12.5)),
        ("1", "malware", "not read yet", 6, 4, 0, None),
        ("1", "malware", "scan not finished", 2, 2, 0, None),
        ("1", "malware", "never scanned", 2, 1, 0, None),
        ("1", "vulnerabilities", "behind the scan", 3, 2, 0, day(10.5)),
        ("1", "vulnerabilities", "current", 2, 1, 1, day(11.5)),
        ("1", "vulnerabilities", "never scanned", 1, 1, 0, None),
        ("1", "vulnerabilities", "not proven", 2, 1, 0, day(11.5)),
        ("1", "vulnerabilities", "not read yet", 1, 1, 0, None),
        ("1", "vulnerabilities", "scan not finished", 2, 2, 0, day(11.5)),
        ("2", "malware", "not read yet", 2, 1, 0, None),
        ("2", "vulnerabilities", "behind the scan", 1, 0, 0, day(11.5)),
        ("2", "vulnerabilities", "current", 1, 1, 0, day(10.5)),
    ],
    "findings": [
        *map(finding, OPEN.values()),
        finding(
            {
                **of_image("1", "old"),
                **package("CVE-3 zlib", "1.2", "1.3"),
                **since(9, known=False, came=True),
                "name": "about CVE-3",
                "severity": "MEDIUM",
                "has_exploit": False,
            },
            "closed",
            closed_at=day(12),
        ),
        finding(
            {**GONE, **ONE, **package("CVE-1 bash", "5", "6"), **since(11, known=True, came=False)},
            "image_gone",
            closed_at=day(13),
        ),
        finding(
            {**GONE, **TWO, **package("CVE-2 bash", "5", "6"), **since(10, known=False, came=True)},
            "closed",
            closed_at=day(11),
        ),
    ],
    "time_to_fix": [
        ("5", "web", "CRITICAL", 1, 1, 0, 0, 0, 0, None, day(22)),
        ("5", "web", "HIGH", 4, 0, 1, 3, 3, 1, 4.0, None),
        ("5", "web", None, 1, 1, 0, 0, 0, 0, None, day(21)),
        ("6", "web", "HIGH", 1, 1, 0, 0, 1, 0, None, None),
    ],
    "upgrades": [
        ("1", 1, "openssl", "1.0", "1.1", 4, 2, 2, 2, 2, 3, 6),
        ("1", 2, "curl", "7", "8", 1, 0, 0, 0, 1, 1, 2),
        ("2", 1, "openssl", "1.0", "1.2", 1, 0, 0, 0, 1, 1, 1),
    ],
    "where_vulnerable": [
        *(located(OPEN[name], "c1", **ON_NODE_1) for name in ("old 1", "old 2", "old bash", "old curl")),
        located(OPEN["new"], "c4", pod_name="p4", cluster_id="cls", cluster_name="prod", node_type="SUPER"),
        located(OPEN["recounted"], None),
        located(OPEN["another's"], "c1", host_id="h1", host_name="named by c1", host_ip="10.1.0.1"),
    ],
}
ACCOUNTS = {name: "56" if name == "time_to_fix" else "12" for name in EXPECTED}


@pytest.fixture(scope="module", params=KINDS)
def details(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Any]]:
    """A warehouse of each kind with the data above and all views, and its pipeline. In MySQL, the database is one that
    was there before, with another collation than that of connections."""
    with place(request.param, tmp_path_factory.mktemp("details")) as made:
        if made.kind == "mysql":
            made.sql("CREATE DATABASE {data} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
        pipeline = made.prepared(tables=ALL_TABLES)
        made.insert(LOADED)
        create(pipeline)
        with for_reading(made):
            yield made, pipeline


def create(pipeline: dlt.Pipeline) -> None:
    with pipeline.sql_client() as client:
        views.create(client)


def current(pipeline: dlt.Pipeline) -> bool:
    with pipeline.sql_client() as client:
        return views.current(client)


@pytest.mark.thorough("sqlite", "mysql")
@pytest.mark.parametrize("zone", ["", "Shanghai"])
@pytest.mark.parametrize("name", EXPECTED)
def test_a_view_has_exactly_these_rows(details: tuple[Place, dlt.Pipeline], name: str, zone: str) -> None:
    """On every database, and whatever time zone a session has; accounts do not mix, images that are gone are only where
    the past is, and what killed runs left does not show."""
    made, pipeline = details
    before = ZONES.get(made.kind) if zone else None
    ours = made.kind != "duckdb" or before is None
    columns, rows = ask(pipeline, name, before) if ours else ask_as_analyst(made, name, str(before))
    assert columns == sqlglot.parse_one(VIEWS[name].sql, read="duckdb").named_selects
    found = [row for row in rows if row[0] in ACCOUNTS[name]]
    known = [row if isinstance(row, tuple) else whole(row, columns[:-1]) for row in EXPECTED[name]]
    expected = [(*row, CALLED.get(row[0])) for row in known]  # the account's name is the last column of every view
    assert sorted(found, key=repr) == sorted(expected, key=repr)


WRITTEN = {"sqlite": 2, "mysql": 1}
"""The column of the manual's table of what a database writes otherwise."""


@pytest.mark.thorough("sqlite", "mysql")
def test_the_queries_of_the_manual_are_understood(details: tuple[Place, Any]) -> None:
    """By each database, if what it writes otherwise is put in; one query says itself where it is understood."""
    made, _ = details
    for block in blocks("docs/tables.md", "sql"):
        query = block.text.replace("tcss.", "{data}.")
        for cells in rows("docs/tables.md", "here")[1:]:
            here, there = (cells[column].split("`")[1] for column in (0, WRITTEN.get(made.kind, 0)))
            for days in ("7", "30", "90"):
                query = query.replace(here.replace("7", days), there.replace("7", days))
        if "values (0)" not in query or made.kind not in WRITTEN:
            made.sql(query)


@pytest.mark.parametrize("account_id", ["1", "2"])
@pytest.mark.parametrize("aspect", ASPECTS.values(), ids=ASPECTS)
def test_coverage_is_the_same_outside_the_warehouse(aspect: Aspect, account_id: str) -> None:
    """`coverage_of` says of the same rows what the view says."""
    empty: Row = dict.fromkeys((*IMAGE_COLUMNS, *READ_COLUMNS))
    images = [empty | row for row in IMAGES_OF_12 if row["account_id"] == account_id]
    reads = [empty | row for row in READS if (row["account_id"], row["aspect"]) == (account_id, aspect.name)]
    found = coverage_of(aspect, images, {row["image_id"]: row for row in reads})
    states = {row[2]: row[3] for row in EXPECTED["detail_coverage"] if row[:2] == (account_id, aspect.name)}
    words = {
        "behind": "behind the scan",
        "unproven": "not proven",
        "unread": "not read yet",
        "unfinished": "scan not finished",
    }
    shown = {words.get(name, name.replace("_", " ")): count for name, count in asdict(found).items() if count}
    assert shown == states


def test_every_view_of_details_is_tested() -> None:
    """And no other one is asked for here."""
    assert set(EXPECTED) == set(VIEWS)


@pytest.mark.parametrize("details", ["duckdb"], indirect=True)
@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_a_file_says_what_it_answers(details: tuple[Place, dlt.Pipeline], view: View) -> None:
    """As the files of the other views do."""
    check_header(view, ask(details[1], view.name)[0])


def names(made: Place) -> set[str]:
    return {name for name, _ in made.catalogue()} & set(VIEWS)


def test_the_views_come_with_their_tables(place: Place) -> None:
    """A dataset of a user who never asked for details has none of them; one that asked for some has those of these."""
    pipeline = place.ready()
    create(pipeline)
    assert names(place) == set()
    some = (VULNERABILITIES, IMAGE_VULNERABILITIES, IMAGE_READS)
    of_some = {"current_findings", "findings", "upgrades", "time_to_fix"}
    for wanted, expected in ((some, of_some), (DETAIL_TABLES, set(VIEWS))):
        assert current(pipeline)
        place.prepared(tables=(*TABLES, *wanted))
        assert not current(pipeline)
        create(pipeline)
        assert names(place) == expected
    assert current(pipeline)


def test_a_users_table_of_such_a_name_is_in_nobodys_way(place: Place) -> None:
    """Until there are tables of details, beside which the view would have to be."""
    pipeline = place.ready()
    place.sql("CREATE TABLE {data}.findings (x int)")
    create(pipeline)
    assert current(pipeline)
    place.prepared(tables=ALL_TABLES)
    with pytest.raises(DestinationError, match=r"has a table findings that .*--dataset"):
        create(pipeline)
    assert ask(pipeline, "findings") == (["x"], [])
