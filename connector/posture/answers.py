"""The answers, a part of the document each: what is asked, and the values that the part's template shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from connector.posture import charts
from connector.posture.formats import Table, number, share, table
from connector.posture.queries import Queries, Rows
from connector.posture.questions import (
    COVERAGE,
    FAILURES,
    FLEET,
    FRESHNESS,
    HISTORY,
    RISK,
    STALE,
    SYSTEMS,
    TREND,
    Filters,
    Question,
)
from connector.posture.rendering import Part

LEVELS = ("critical", "high", "medium", "low")
LABELS = {"account": "account", "registry": "registry", "os": "operating system", "used": "in use"}
IMAGES_WITH_HISTORY = 5  # in the report
DAYS_OLD = 1.5  # a complete run is expected every day

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
    """A number of the fleet: the class of its colour, the number or share, its unit, and a remark."""

    mark: str
    value: int | str
    unit: str
    more: str


class Trend(NamedTuple):
    """A chart: what it counts, the class of its colour, its drawing, and what is written around it."""

    label: str
    mark: str
    drawing: charts.Steps
    spoken: str
    last: int
    change: str
    greatest: int


class Level(NamedTuple):
    """A line below a bar: the class of its colour, its name, and how many images it stands for."""

    mark: str
    name: str
    images: int
    share: str
    used: int


class Shares(NamedTuple):
    """A bar of the whole fleet, and a line for each of its parts."""

    title: str
    bar: Sequence[charts.Piece]
    levels: Sequence[Level]


def heading(queries: Queries, filters: Filters, now: datetime) -> Part:
    """What is shown, of when, and whether it can be trusted."""
    known = _known(FRESHNESS, filters)
    rows = queries.ask(FRESHNESS, known)
    names = ("account_id", "images", "complete_at", "data_age_hours", "full_at", "last_run_verdict", "last_run_reason")
    narrowed = [(LABELS[name], value or "(none)") for name, value in filters.items()]
    more = {"title": queries.title, "now": now, "narrowed": narrowed, "old": _old(rows, now)}
    return _section("freshness", FRESHNESS, queries, known, table=table(rows, names), **more)


def _old(rows: Rows, now: datetime) -> list[str]:
    """The accounts without a complete sync in the last 36 hours."""
    oldest = now - timedelta(days=DAYS_OLD)
    return [row["account_id"] for row in rows if row["complete_at"] is None or row["complete_at"] < oldest]


def fleet(queries: Queries, filters: Filters) -> Part:
    (row,) = queries.ask(FLEET, filters)
    return _section("fleet", FLEET, queries, filters, tiles=_tiles(row))


def _tiles(row: Mapping[str, Any]) -> list[Tile]:
    scanned = share(row["images_scanned"], row["images"])
    critical, malware = number(row["images_critical"]), number(row["virus_cnt"])
    return [
        Tile("plain", row["images"], "images", f"{number(row['images_in_use'])} in use"),
        Tile("plain", row["container_cnt"], "containers", "run from them"),
        Tile("good", scanned, "scanned", f"{number(row['images_scanned'])} images, ever"),
        Tile("critical", row["critical_level_vul_cnt"], "critical vulnerabilities", f"in {critical} images"),
        Tile("critical", row["in_use_critical"], "images in use", "with a critical vulnerability"),
        Tile("warn", row["images_malware"], "images", f"with malware ({malware} files)"),
        Tile("warn", row["risk_cnt"], "secrets", "keys and passwords found in images"),
        Tile("warn", row["images_scan_error"], "images", "with a scanner's error"),
    ]


def trend(queries: Queries, filters: Filters) -> Part:
    rows = queries.ask(TREND, filters)
    days = [row["day"] for row in rows]
    today = datetime.now(UTC).date()
    labels = {**{level: f"{level} vulnerabilities" for level in LEVELS}, "images": "images"}
    drawn = [_trend(name, label, rows, today) for name, label in labels.items() if rows]
    return _section("trend", TREND, queries, filters, charts=drawn, first=days[0] if days else today, today=today)


def _trend(name: str, label: str, rows: Rows, today: date) -> Trend:
    days, values = [row["day"] for row in rows], [row[name] for row in rows]
    mark = name if name in LEVELS else "plain"
    spoken = f"{label}: {values[-1]:,} on {today}, at most {max(values):,}"
    drawing = charts.steps(days, values, today)
    return Trend(label, mark, drawing, spoken, values[-1], _change(days, values, today), max(values))


def _change(days: Sequence[date], values: Sequence[int], today: date) -> str:
    month = today - timedelta(days=30)
    before = next((v for d, v in zip(reversed(days), reversed(values), strict=True) if d <= month), None)
    if before is None:
        return f"observed since {days[0]}"
    return "as 30 days ago" if values[-1] == before else f"{values[-1] - before:+,} in 30 days"


def risk(queries: Queries, filters: Filters) -> Part:
    names = (
        "image_name",
        "container_cnt",
        *(f"{level}_level_vul_cnt" for level in LEVELS),
        "virus_cnt",
        "risk_cnt",
        "os_name",
        "scan_time",
    )
    note = "At most 20, by critical vulnerabilities, malicious files, high, all, containers."
    none = "No image in use has a finding, as far as it was scanned."
    return _ranking("risk", RISK, queries, filters, names=names, note=note, none=none)


def systems(queries: Queries, filters: Filters) -> Part:
    known = _known(SYSTEMS, filters)
    rows = queries.ask(SYSTEMS, known)
    names = ("os_family", "os_version", "images", "images_in_use", *(f"{level}_level_vul_cnt" for level in LEVELS))
    top = max((sum(_counts(row).values()) for row in rows), default=0) or 1
    bars = [
        (charts.bar([(level, count / top) for level, count in counts.items()]), _spoken(counts))
        for counts in map(_counts, rows)
    ]
    return _section("systems", SYSTEMS, queries, known, table=table(rows, names), bars=bars, levels=LEVELS)


def _counts(row: Mapping[str, Any]) -> dict[str, int]:
    return {level: row[f"{level}_level_vul_cnt"] for level in LEVELS}


def _spoken(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {level}" for level, count in counts.items())


def coverage(queries: Queries, filters: Filters) -> Part:
    rows = queries.ask(COVERAGE, filters)
    shares = [
        _shares("State of the scan", rows, "scan_state", _COVERAGE_STATES),
        _shares("Time since the last scan", rows, "scan_age", _COVERAGE_AGES),
    ]
    return _section("coverage", COVERAGE, queries, filters, shares=shares if rows else [])


def _shares(title: str, rows: Rows, column: str, marks: Mapping[str, str]) -> Shares:
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


def failures(queries: Queries, filters: Filters) -> Part:
    names = ("scanner", "cause", "images", "images_in_use", "latest_scan_time")
    return _ranking("failures", FAILURES, queries, filters, names=names, none="No scan fails.")


def stale(queries: Queries, filters: Filters) -> Part:
    names = ("image_name", "container_cnt", "scan_state", "scan_time", "scan_age_days")
    note = "At most 20, those that most containers use first."
    none = "Every image was scanned in the last 30 days."
    return _ranking("stale", STALE, queries, filters, names=names, note=note, none=none)


def history(queries: Queries, account_id: str, image_id: str) -> Part:
    """An image and its versions, the newest first."""
    filters = {"account": account_id, "image": image_id}
    rows = queries.ask(HISTORY, filters)
    about = {"image_name": rows[0]["image_name"] if rows else None, "image_id": image_id, "account_id": account_id}
    return _section("history", HISTORY, queries, filters, versions=_versions(rows), **about)


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
    return table(rows, names)


def histories(queries: Queries, filters: Filters) -> Part:
    """The riskiest images in use, to be opened one by one: what the report has instead of a choice."""
    rows = queries.ask(RISK, filters)[:IMAGES_WITH_HISTORY]
    images = [
        {**history(queries, row["account_id"], row["image_id"]).shown, "image_name": row["image_name"]} for row in rows
    ]
    return Part("histories.html.jinja", {"images": images})


def _ranking(
    name: str,
    question: Question,
    queries: Queries,
    filters: Filters,
    *,
    names: Iterable[str],
    none: str,
    note: str | None = None,
) -> Part:
    """A table of the answer's rows; `none` is said where there are none."""
    found = table(queries.ask(question, filters), names)
    part = _section(name, question, queries, filters, table=found, note=note, none=none)
    return part._replace(template="ranking.html.jinja")


def _section(name: str, question: Question, queries: Queries, filters: Filters, **shown: Any) -> Part:
    """What every section has, and what its template, of the same name, shows more."""
    sql = queries.sql(question, filters)
    return Part(f"{name}.html.jinja", {"name": name, "question": question.text, "sql": sql, **shown})


def _known(question: Question, filters: Filters) -> Filters:
    """The filters that a question without `narrowed` can take."""
    return filters if question.narrowed else {name: value for name, value in filters.items() if name in question.knows}
