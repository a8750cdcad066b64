"""Gives the sections that are a table, the worst first, and the links of their rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from urllib.parse import urlencode

from connector.posture.answers import LEVELS
from connector.posture.formats import table
from connector.posture.queries import Queries, Rows
from connector.posture.questions import FAILURES, RISK, STALE, UNSCANNED, Filters, Question
from connector.posture.rendering import Part
from connector.posture.sections import section

Links = Callable[[Rows], list[str]]
"""A function that returns the links of an answer's first rows."""
IDENTITY = ("account_id", "image_id")
LINKED = 20  # images of the report that have their history there
_BY_USE = "Images that most containers use first."


def unlinked(_: Rows) -> list[str]:
    return []


def linked_below(rows: Rows) -> list[str]:
    """Return links of the riskiest images to their histories, in the same document."""
    return [f"#history-{place + 1}" for place in range(len(rows[:LINKED]))]


def linked_apart(rows: Rows, identity: Sequence[str] = IDENTITY) -> list[str]:
    """Return links of images, or of what these columns identify, to their pages in the dashboard."""
    return [f"?{urlencode([(name, row[name]) for name in identity], errors='replace')}" for row in rows]


def risk(queries: Queries, filters: Filters, links: Links = linked_below) -> Part:
    names = (
        "image_name",
        "container_cnt",
        *(f"{level}_level_vul_cnt" for level in LEVELS),
        "virus_cnt",
        "risk_cnt",
        "os_name",
        "scan_time",
    )
    note = "Malware first, then most critical vulnerabilities, most malicious files, high ones, all, containers."
    none = "No image in use has a finding, as far as it was scanned."
    return ranking("risk", RISK, queries, filters, names=names, note=note, none=none, links=links)


def failures(queries: Queries, filters: Filters) -> Part:
    names = ("scanner", "cause", "images", "images_in_use", "latest_scan_time")
    return ranking("failures", FAILURES, queries, filters, names=names, saved=(), none="No scan fails.")


def unscanned(queries: Queries, filters: Filters, links: Links = unlinked) -> Part:
    names = ("image_name", "container_cnt", "scan_state", "first_seen_at")
    none = "Every image was scanned at least once."
    return ranking("unscanned", UNSCANNED, queries, filters, names=names, note=_BY_USE, none=none, links=links)


def stale(queries: Queries, filters: Filters, links: Links = unlinked) -> Part:
    names = ("image_name", "container_cnt", "scan_state", "scan_time", "scan_age_days")
    none = "Every image that was scanned at all was scanned in the last 30 days."
    return ranking("stale", STALE, queries, filters, names=names, note=_BY_USE, none=none, links=links)


def ranking(
    name: str,
    question: Question,
    queries: Queries,
    filters: Filters,
    *,
    names: Iterable[str],
    none: str,
    note: str | None = None,
    links: Links = unlinked,
    saved: Iterable[str] = IDENTITY,
) -> Part:
    """Return a table of the answer's rows; if there are none, the sentence `none`."""
    rows = queries.ask(question, filters)
    found = table(rows, names, saved=saved, name=name, links=links(rows))
    part = section(name, question, queries, filters, table=found, note=note, none=none)
    return part._replace(template="ranking.html.jinja")
