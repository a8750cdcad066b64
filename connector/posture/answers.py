"""The answers as HTML, a section each. Every text that is not ours goes through `markup.text` or `escape`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from html import escape
from itertools import chain
from typing import Any

from connector.posture import charts
from connector.posture.formats import keys, nothing, number, share, table, text, visible, when
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


def heading(queries: Queries, filters: Filters, now: datetime) -> str:
    """What is shown, of when, and whether it can be trusted."""
    rows = queries.ask(FRESHNESS, _known(FRESHNESS, filters))
    narrowed = ", ".join(f"{LABELS[name]}: {text(value or '(none)')}" for name, value in filters.items())
    about = f"Container images in {text(queries.title)}. Read {when(now)} UTC."
    about += f" Filtered by {narrowed}." if narrowed else ""
    names = ("account_id", "images", "complete_at", "data_age_hours", "full_at", "last_run_verdict", "last_run_reason")
    return f'<header><h1>Security posture of the fleet</h1><p class="soft">{about}</p></header>' + _section(
        "freshness", FRESHNESS, queries, _trust(rows, now) + table(rows, names), _known(FRESHNESS, filters)
    )


def _trust(rows: Rows, now: datetime) -> str:
    """The verdict on the data in one sentence, in words and not by colour alone."""
    old = [row for row in rows if row["complete_at"] is None or now - row["complete_at"] > timedelta(days=DAYS_OLD)]
    if not old:
        return (
            '<p><span class="state good">✓ Up to date:</span> every account has a complete sync of the last 36 hours.'
            "</p>"
        )
    names = ", ".join(text(row["account_id"]) for row in old)
    return (
        '<p><span class="state warn">! Not up to date:</span> no complete sync in the last 36 hours of account '
        f"{names}. Images may be missing here; run <code>tcss sync</code>, and see <code>tcss status</code> for the "
        "reason.</p>"
    )


def fleet(queries: Queries, filters: Filters) -> str:
    (row,) = queries.ask(FLEET, filters)
    images = row["images"]
    tiles = (
        ("plain", row["images"], "images", f"{number(row['images_in_use'])} in use"),
        ("plain", row["container_cnt"], "containers", "run from them"),
        ("good", share(row["images_scanned"], images), "scanned", f"{number(row['images_scanned'])} images, ever"),
        (
            "critical",
            row["critical_level_vul_cnt"],
            "critical vulnerabilities",
            f"in {number(row['images_critical'])} images",
        ),
        ("critical", row["in_use_critical"], "images in use", "with a critical vulnerability"),
        ("warn", row["images_malware"], "images", f"with malware ({number(row['virus_cnt'])} files)"),
        ("warn", row["risk_cnt"], "secrets", "keys and passwords found in images"),
        ("warn", row["images_scan_error"], "images", "with a scanner's error"),
    )
    shown = "".join(
        f'<div class="tile {name}"><div class="number" data-value="{escape(str(value))}">'
        f"{value if isinstance(value, str) else number(value)}</div><div>{unit}</div>"
        f'<div class="soft">{more}</div></div>'
        for name, value, unit, more in tiles
    )
    return _section("fleet", FLEET, queries, f'<div class="tiles">{shown}</div>', filters)


def trend(queries: Queries, filters: Filters) -> str:
    rows = queries.ask(TREND, filters)
    if not rows:
        return _section("trend", TREND, queries, nothing("No image matches these filters at any time."), filters)
    days = [row["day"] for row in rows]
    today = datetime.now(UTC).date()
    series = (*((level, f"{level} vulnerabilities") for level in LEVELS), ("images", "images"))
    drawn = "".join(_trend(name, label, days, [row[name] for row in rows], today) for name, label in series)
    note = f"From {days[0]} to {today} (UTC days), each chart from 0 to its own greatest value."
    return _section("trend", TREND, queries, f'<p class="soft">{note}</p><div class="charts">{drawn}</div>', filters)


def _trend(name: str, label: str, days: Sequence[date], values: Sequence[int], today: date) -> str:
    month = today - timedelta(days=30)
    before = next((v for d, v in zip(reversed(days), reversed(values), strict=True) if d <= month), None)
    change = f"{values[-1] - before:+,} in 30 days" if before is not None else f"observed since {days[0]}"
    change = "as 30 days ago" if values[-1] == before else change
    mark = name if name in LEVELS else "plain"
    spoken = f"{label}: {values[-1]:,} on {today}, at most {max(values):,}"
    return (
        f'<div class="chart"><h3><span class="key {mark}"></span>{label}</h3>'
        f'<div class="axis"><span class="number" data-value="{values[-1]}">{values[-1]:,}</span>'
        f'<span class="soft">{change}</span></div>'
        f"{charts.steps(days, values, today, mark, spoken)}"
        f'<div class="axis soft"><span>{days[0]}</span><span>max {max(values):,}</span><span>{today}</span></div></div>'
    )


def risk(queries: Queries, filters: Filters) -> str:
    rows = queries.ask(RISK, filters)
    names = (
        "image_name",
        "container_cnt",
        *(f"{level}_level_vul_cnt" for level in LEVELS),
        "virus_cnt",
        "risk_cnt",
        "os_name",
        "scan_time",
    )
    note = '<p class="soft">At most 20, by critical vulnerabilities, malicious files, high, all, containers.</p>'
    none = nothing("No image in use has a finding, as far as it was scanned.")
    return _section("risk", RISK, queries, note + table(rows, names) if rows else none, filters)


def systems(queries: Queries, filters: Filters) -> str:
    rows = queries.ask(SYSTEMS, _known(SYSTEMS, filters))
    names = ("os_family", "os_version", "images", "images_in_use", *(f"{level}_level_vul_cnt" for level in LEVELS))
    top = max((_all_levels(row) for row in rows), default=0) or 1
    body = (
        '<p class="soft">The 12 with most critical vulnerabilities. The bar shows all vulnerabilities by severity, '
        f"on one scale for all systems.</p>{keys({level: level for level in LEVELS})}"
        + table(rows, names, ("vulnerabilities", lambda row: _levels_bar(row, top)))
    )
    return _section("systems", SYSTEMS, queries, body if rows else nothing("No image matches."), filters)


def _all_levels(row: Mapping[str, Any]) -> int:
    return sum(row[f"{level}_level_vul_cnt"] for level in LEVELS)


def _levels_bar(row: Mapping[str, Any], top: int) -> str:
    counts = {level: row[f"{level}_level_vul_cnt"] for level in LEVELS}
    spoken = ", ".join(f"{count:,} {level}" for level, count in counts.items())
    return charts.bar([(level, count / top) for level, count in counts.items()], spoken)


def coverage(queries: Queries, filters: Filters) -> str:
    rows = queries.ask(COVERAGE, filters)
    states = _shares("State of the scan", rows, "scan_state", _COVERAGE_STATES)
    ages = _shares("Time since the last scan", rows, "scan_age", _COVERAGE_AGES)
    return _section("coverage", COVERAGE, queries, states + ages if rows else nothing("No image matches."), filters)


def _shares(title: str, rows: Rows, column: str, marks: Mapping[str, str]) -> str:
    total = sum(row["images"] for row in rows) or 1
    found = dict.fromkeys(marks, (0, 0))
    for row in rows:
        images, used = found[row[column]]
        found[row[column]] = images + row["images"], used + row["images_in_use"]
    bar = charts.bar([(marks[name], images / total) for name, (images, _) in found.items()], title)
    cells = [
        (f'<span class="key {marks[name]}"></span>{name}', number(images), share(images, total), number(used))
        for name, (images, used) in found.items()
        if images
    ]
    lines = "".join("<tr><td>{}</td>" + "<td class='n'>{}</td>" * 3 + "</tr>" for _ in cells).format(*chain(*cells))
    head = '<tr><th></th><th class="n">images</th><th class="n">share</th><th class="n">in use</th></tr>'
    return f'<h3>{title}</h3>{bar}<div class="scroll"><table>{head}{lines}</table></div>'


def failures(queries: Queries, filters: Filters) -> str:
    rows = queries.ask(FAILURES, filters)
    names = ("scanner", "cause", "images", "images_in_use", "latest_scan_time")
    body = table(rows, names) if rows else nothing("No scan fails.")
    return _section("failures", FAILURES, queries, body, filters)


def stale(queries: Queries, filters: Filters) -> str:
    rows = queries.ask(STALE, filters)
    names = ("image_name", "container_cnt", "scan_state", "scan_time", "scan_age_days")
    note = '<p class="soft">At most 20, those that most containers use first.</p>'
    none = nothing("Every image was scanned in the last 30 days.")
    return _section("stale", STALE, queries, note + table(rows, names) if rows else none, filters)


def history(queries: Queries, account_id: str, image_id: str) -> str:
    """An image and its versions, the newest first."""
    filters = {"account": account_id, "image": image_id}
    rows = queries.ask(HISTORY, filters)
    name = rows[0]["image_name"] if rows else None
    about = f'<p>{text(name)}<br><span class="soft">{text(image_id)}, account {text(account_id)}</span></p>'
    return _section("history", HISTORY, queries, about + _versions(rows), filters)


def _versions(rows: Rows) -> str:
    names = (
        "valid_from",
        "event",
        "container_cnt",
        *(f"{level}_level_vul_cnt" for level in LEVELS),
        "virus_cnt",
        "scan_status",
        "scan_time",
    )
    return table(rows, names) if rows else nothing("No version of this image is known.")


def histories(queries: Queries, filters: Filters) -> str:
    """The riskiest images in use, to be opened one by one: what the report has instead of a choice."""
    rows = queries.ask(RISK, filters)[:IMAGES_WITH_HISTORY]
    if not rows:
        return ""
    shown = "".join(
        f'<details class="image"><summary>{text(row["image_name"])}</summary>'
        f'<p class="soft">{text(row["image_id"])}, account {text(row["account_id"])}</p>'
        f"{_versions(queries.ask(HISTORY, one))}{_sql(queries, HISTORY, one)}</details>"
        for row in rows
        for one in [{"account": row["account_id"], "image": row["image_id"]}]
    )
    return f'<section id="histories"><h2>What was known of the riskiest images, and when?</h2>{shown}</section>'


def _section(name: str, question: Question, queries: Queries, content: str, filters: Filters) -> str:
    return f'<section id="{name}"><h2>{question.text}</h2>{content}{_sql(queries, question, filters)}</section>'


def _sql(queries: Queries, question: Question, filters: Filters) -> str:
    return f"<details><summary>SQL</summary><pre>{escape(visible(queries.sql(question, filters)))}</pre></details>"


def _known(question: Question, filters: Filters) -> Filters:
    """The filters that a question without `narrowed` can take."""
    return filters if question.narrowed else {name: value for name, value in filters.items() if name in question.knows}
