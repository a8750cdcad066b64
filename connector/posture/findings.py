"""Gives the sections about the details behind the counts. A section is None if there are no tables of details."""

from __future__ import annotations

from connector.posture.answers import shares
from connector.posture.finding_questions import COVERAGE, EXPLOITABLE, UPGRADES
from connector.posture.queries import Queries, Rows
from connector.posture.questions import FLEET, Filters
from connector.posture.rankings import LINKED, Links, ranking
from connector.posture.rendering import Part
from connector.posture.sections import section

VULNERABILITIES = "vulnerabilities"
_TITLES = {VULNERABILITIES: "Vulnerabilities", "malware": "Malware"}  # every aspect that is read of each image
_NOT_ASKED = "not asked for"
_STATES = {
    "current": "good",
    "behind the scan": "low",
    "not proven": "warn",
    "not read yet": "medium",
    "scan not finished": "plain",
    "never scanned": "plain",
    _NOT_ASKED: "none",
}


def coverage(queries: Queries, filters: Filters) -> Part | None:
    """Return for how many images the details are known, which limits what an empty list of findings means."""
    if not queries.has_details:
        return None
    shown = [
        shares(_TITLES.get(aspect, aspect), rows, "state", _STATES)
        for aspect, rows in _covered(queries, filters).items()
        if rows
    ]
    part = section("detail_coverage", COVERAGE, queries, filters, shares=shown)
    return part._replace(template="coverage.html.jinja")


def exploitable(queries: Queries, filters: Filters, links: Links | None = None) -> Part | None:
    """Return the vulnerabilities of images in use that attackers can use."""
    if not queries.has_details:
        return None
    names = ("vulnerability", "severity", "exploit", "component", "fixed_versions", "images", "containers")
    known = _known(queries, filters)
    return ranking(
        "exploitable",
        EXPLOITABLE,
        queries,
        filters,
        names=(*names, *_accounts(queries.ask(EXPLOITABLE, filters))),
        note=f"Exploited in the wild first, then emergencies, then those with an exploit. {known}",
        none=f"No such vulnerability is known. {known}",
        links=links or vulnerabilities_below,
        saved=("vul_id",),
    )


def upgrades(queries: Queries, filters: Filters) -> Part | None:
    """Return what to upgrade first."""
    if not queries.has_details:
        return None
    names = ("component", "version", "fixed_versions", "findings", "critical_findings", "high_findings")
    more = ("exploitable_findings", "images", "containers", *_accounts(queries.ask(UPGRADES, filters)))
    known = _known(queries, filters)
    return ranking(
        "upgrades",
        UPGRADES,
        queries,
        filters,
        names=(*names, *more),
        note=f"In images in use. Most critical and high findings first, then most findings, then containers. {known}",
        none=f"No finding with a fix is known in an image in use. {known}",
        saved=("vulnerabilities",),
    )


def listed(rows: Rows) -> list[tuple[str, str]]:
    """Return account and id of the first vulnerabilities of `exploitable`, each once, for the report."""
    return list(dict.fromkeys((row["account_id"], row["vul_id"]) for row in rows))[:LINKED]


def vulnerabilities_below(rows: Rows) -> list[str]:
    """Return links of the first rows to what the report shows of their vulnerabilities."""
    places = {vulnerability: place for place, vulnerability in enumerate(listed(rows), 1)}
    links = []
    for row in rows:
        place = places.get((row["account_id"], row["vul_id"]))
        if place is None:
            break
        links.append(f"#vulnerability-{place}")
    return links


def _covered(queries: Queries, filters: Filters) -> dict[str, Rows]:
    """Return by aspect, vulnerabilities first, the images in each state. Images of an account without any sync with
    an aspect are in no row of the view, and are counted here."""
    found: dict[str, Rows] = {aspect: [] for aspect in _TITLES}
    for row in queries.ask(COVERAGE, filters):
        found.setdefault(row["aspect"], []).append(row)
    (fleet,) = queries.ask(FLEET, filters)
    for rows in found.values():
        left = {name: fleet[name] - sum(row[name] for row in rows) for name in ("images", "images_in_use")}
        if left["images"] > 0:
            rows.append({"state": _NOT_ASKED, **left})
    return found


def _known(queries: Queries, filters: Filters) -> str:
    rows = _covered(queries, filters)[VULNERABILITIES]
    used = sum(row["images_in_use"] for row in rows)
    current = sum(row["images_in_use"] for row in rows if row["state"] == "current")
    return f"The vulnerabilities of {current:,} of {used:,} images in use are known as of their last scan."


def _accounts(rows: Rows) -> tuple[str, ...]:
    """Return the column of accounts, if one table has rows of several accounts."""
    return ("account_id",) if len({row["account_id"] for row in rows}) > 1 else ()
