"""Gives each answer as a part of the document: what is asked, and the values that the part's template shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from connector.posture import charts
from connector.posture.formats import Table, number, share, table
from connector.posture.queries import Queries, Rows
from connector.posture.questions import (
    COVERAGE,
    FLEET,
    FRESHNESS,
    HISTORY,
    SYSTEMS,
    TREND,
    Filters,
)
from connector.posture.rendering import Part
from connector.posture.sections import known, section

LEVELS = ("critical", "high", "medium", "low")
LABELS = {"account": "account", "registry": "registry", "os": "operating system", "used": "in use"}
DAYS_OLD = 1.5  # a complete run is expected every day

_MEANINGS = (
    ("critical", "act first"),
    ("warn", "look into it"),
    ("good", "nothing to do"),
    ("plain", "a size, or nothing found yet"),
)
_COVERAGE_STATES = {
    "scanned": "good",
    "scanning": "low",
    "not scanned": "plain",
    "cancelled": "medium",
    "failing": "warn",
    "other": "none",
}
_COVERAGE_AGES = {"under 7 days": "good", "7 to 29 days": "low", "30 days or more": "medium", "never scanned": "plain"}


class Tile(NamedTuple):
    """Holds a number of the fleet: the class of its colour, the number or share, the noun beside it, and a remark."""

    mark: str
    value: int | str
    noun: str
    more: str


class Trend(NamedTuple):
    """Holds a chart: the counted noun, the class of its colour, its drawing, and the texts around it. A chart of one
    day has no drawing."""

    label: str
    mark: str
    drawing: charts.Steps | None
    spoken: str
    last: int
    change: str
    greatest: int


class Level(NamedTuple):
    """Holds a line below a bar: the class of its colour, its name, and the number of images that it stands for."""

    mark: str
    name: str
    images: int
    share: str
    used: int


class Shares(NamedTuple):
    """Holds a bar of the whole fleet, and a line for each of its parts."""

    title: str
    bar: Sequence[charts.Piece]
    levels: Sequence[Level]


def heading(queries: Queries, filters: Filters, now: datetime) -> Part:
    """Return what is shown, of what time, and whether the data can be trusted."""
    narrowed = known(FRESHNESS, filters)
    rows = queries.ask(FRESHNESS, narrowed)
    names = ("account_id", "images", "complete_at", "data_age_hours", "full_at", "last_run_verdict", "last_run_reason")
    values = {**filters, **({"account": queries.account(filters["account"])} if "account" in filters else {})}
    chosen = [(LABELS[name], value or "(none)") for name, value in values.items()]
    more = {"title": queries.title, "now": now, "narrowed": chosen, "old": list(map(queries.account, _old(rows, now)))}
    return section("freshness", FRESHNESS, queries, narrowed, table=table(rows, names, name="freshness"), **more)


def _old(rows: Rows, now: datetime) -> list[str]:
    """Return the accounts without a complete sync in the last 36 hours."""
    oldest = now - timedelta(days=DAYS_OLD)
    return [row["account_id"] for row in rows if row["complete_at"] is None or row["complete_at"] < oldest]


def fleet(queries: Queries, filters: Filters) -> Part:
    (row,) = queries.ask(FLEET, filters)
    return section("fleet", FLEET, queries, filters, tiles=_tiles(row), meanings=_MEANINGS)


def _tiles(row: Mapping[str, Any]) -> list[Tile]:
    scanned, critical = share(row["images_scanned"], row["images"]), row["critical_level_vul_cnt"]
    malware, used, errors = row["images_malware"], row["in_use_critical"], row["images_scan_error"]
    exposed = f"in {number(row['images_critical'])} images"
    scanned_whole = row["images_scanned"] == row["images"]
    none = "good" if row["images_counted"] == row["images"] else "plain"
    files = number(row["virus_cnt"])
    return [
        Tile("plain", row["images"], "images", f"{number(row['images_in_use'])} of them in use"),
        Tile("plain", row["container_cnt"], "containers", "run from the images"),
        Tile(
            "good" if scanned_whole else "warn",
            scanned,
            "scanned",
            f"{number(row['images_scanned'])} of the images, at least once",
        ),
        Tile(_mark(used, "critical", none), used, "critical in use", "images in use with a critical vulnerability"),
        Tile(_mark(malware, "critical", none), malware, "with malware", f"images with malware ({files} files)"),
        Tile(_mark(critical, "warn", none), critical, "critical vulnerabilities", exposed),
        Tile(_mark(row["risk_cnt"], "warn", none), row["risk_cnt"], "secrets", "keys and passwords found in images"),
        Tile(_mark(errors, "warn"), errors, "scan errors", "images with a scanner's error"),
    ]


def _mark(count: int, found: str, none: str = "good") -> str:
    return found if count else none


def trend(queries: Queries, filters: Filters) -> Part:
    rows = queries.ask(TREND, filters)
    days = [row["day"] for row in rows]
    today = _today()
    labels = {**{level: f"{level} vulnerabilities" for level in LEVELS}, "images": "images"}
    drawn = [_trend(name, label, rows, today) for name, label in labels.items() if rows]
    return section("trend", TREND, queries, filters, charts=drawn, first=days[0] if days else today, today=today)


def _today() -> date:
    return datetime.now(UTC).date()


def _trend(name: str, label: str, rows: Rows, today: date) -> Trend:
    days, values = [row["day"] for row in rows], [row[name] for row in rows]
    mark = name if name in LEVELS else "plain"
    spoken = f"{label}: {values[-1]:,} on {today}, at most {max(values):,}"
    drawing = charts.steps(days, values, today) if days[0] < today else None
    return Trend(label, mark, drawing, spoken, values[-1], _change(days, values, today), max(values))


def _change(days: Sequence[date], values: Sequence[int], today: date) -> str:
    month = today - timedelta(days=30)
    before = next((v for d, v in zip(reversed(days), reversed(values), strict=True) if d <= month), None)
    if before is None:
        return f"observed since {days[0]}"
    return "as 30 days ago" if values[-1] == before else f"{values[-1] - before:+,} in 30 days"


def systems(queries: Queries, filters: Filters) -> Part:
    narrowed = known(SYSTEMS, filters)
    rows = queries.ask(SYSTEMS, narrowed)
    names = ("os_family", "os_version", "images", "images_in_use", *(f"{level}_level_vul_cnt" for level in LEVELS))
    top = max((sum(_counts(row).values()) for row in rows), default=0) or 1
    bars = [
        (charts.bar([(level, count / top) for level, count in counts.items()]), _spoken(counts))
        for counts in map(_counts, rows)
    ]
    found, meanings = table(rows, names, name="systems"), [(level, level) for level in LEVELS]
    return section("systems", SYSTEMS, queries, narrowed, table=found, bars=bars, meanings=meanings)


def _counts(row: Mapping[str, Any]) -> dict[str, int]:
    return {level: row[f"{level}_level_vul_cnt"] for level in LEVELS}


def _spoken(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {level}" for level, count in counts.items())


def coverage(queries: Queries, filters: Filters) -> Part:
    rows = queries.ask(COVERAGE, filters)
    shown = [
        shares("State of the scan", rows, "scan_state", _COVERAGE_STATES),
        shares("Time since the last scan", rows, "scan_age", _COVERAGE_AGES),
    ]
    return section("coverage", COVERAGE, queries, filters, shares=shown if rows else [])


def shares(title: str, rows: Rows, column: str, marks: Mapping[str, str]) -> Shares:
    """Return a bar of the images by their states in that column, with the classes that `marks` gives."""
    total = sum(row["images"] for row in rows) or 1
    found = dict.fromkeys(marks, (0, 0))
    for row in rows:
        images, used = found[row[column]]
        found[row[column]] = images + row["images"], used + row["images_in_use"]
    bar = charts.bar([(marks[name], images / total) for name, (images, _) in found.items()])
    levels = [
        Level(marks[name], name, images, share(images, total), used) for name, (images, used) in found.items() if images
    ]
    return Shares(title, bar, levels)


def history(queries: Queries, account_id: str, image_id: str) -> Part:
    """Return an image and its versions, the newest first."""
    filters = {"account": account_id, "image": image_id}
    rows = queries.ask(HISTORY, filters)
    about = {"image_name": rows[0]["image_name"] if rows else None, "image_id": image_id}
    about["account"] = queries.account(account_id)
    return section("history", HISTORY, queries, filters, versions=_versions(rows), **about)


def _versions(rows: Rows) -> Table:
    names = (
        "valid_from",
        "event",
        "container_cnt",
        *(f"{level}_level_vul_cnt" for level in LEVELS),
        "virus_cnt",
        "scan_status",
        "scan_time",
    )
    return table(rows, names, name="history")
