"""Shows one image or one vulnerability: on a page of its own in the dashboard, at the end of the report."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from connector.posture.answers import history
from connector.posture.finding_questions import (
    AFFECTED,
    EXPLOITABLE,
    FINDINGS,
    MALWARE,
    MALWARE_READ,
    READ,
    VULNERABILITY,
)
from connector.posture.findings import listed
from connector.posture.formats import Table, isolated, table
from connector.posture.queries import Queries, Rows
from connector.posture.questions import MOST_ROWS, RISK, Filters, Question
from connector.posture.rankings import IDENTITY, LINKED, Links, linked_apart, unlinked
from connector.posture.rendering import Part
from connector.posture.sections import section

LISTED = 50
"""Most rows of each image and each vulnerability in the report, which has 20 images and 20 vulnerabilities."""
VULNERABILITY_IDENTITY = ("account_id", "vul_id")
_SINCE = ("first_found_at", "start")
vulnerabilities_apart = partial(linked_apart, identity=VULNERABILITY_IDENTITY)


def choices(rows: Rows) -> dict[str, tuple[str, str]]:
    """Return account and id of each image, by what a reader chooses the image by: its name, the end of its id, or the
    whole id where others are called the same, and its account where there are several."""
    images = {(row["account_id"], row["image_id"]): row for row in rows}
    several = len({account_id for account_id, _ in images}) > 1
    found: dict[str, tuple[str, str]] = {}
    for identity, row in images.items():
        of = f" · {isolated(row['account'])}" if several else ""
        called = [f"{isolated(row['image_name'] or 'no name')} · {at}{of}" for at in (identity[1][-8:], identity[1])]
        found[called[called[0] in found]] = identity
    return found


def image_findings(
    queries: Queries, account_id: str, image_id: str, *, most: int = MOST_ROWS, links: Links = unlinked
) -> Part | None:
    """Return an image's vulnerabilities, and whether they were read. None if there are no tables of details."""
    if not queries.has_details:
        return None
    filters = {"account": account_id, "image": image_id}
    rows = queries.ask(FINDINGS, filters)[:most]
    names = ("vulnerability", "severity", "exploit", "component", "version", "fixed_versions", *_SINCE)
    found = table(rows, names, saved=("vul_id",), name="findings", links=links(rows))
    return _set("findings", FINDINGS, queries, filters, found, next(iter(queries.ask(READ, filters)), None))


def image_malware(queries: Queries, account_id: str, image_id: str, *, most: int = MOST_ROWS) -> Part | None:
    """Return an image's malicious files, and whether they were read. None if there are no tables of details, and for an
    image without malicious files whose files were never read."""
    if not queries.has_details:
        return None
    filters = {"account": account_id, "image": image_id}
    read = next(iter(queries.ask(MALWARE_READ, filters)), None)
    if read is None or not (read["read_no"] or read["counted"]):
        return None
    names = ("virus_name", "risk_level", "path", "file_name", "size", *_SINCE)
    found = table(queries.ask(MALWARE, filters)[:most], names, saved=("md5", "finding_id"), name="malware")
    return _set("malware", MALWARE, queries, filters, found, read)


def _set(
    name: str, question: Question, queries: Queries, filters: Filters, found: Table, read: Mapping[str, Any] | None
) -> Part:
    """Return the section of a set of an image: what the set holds, and as of which scan."""
    behind = read is not None and read["state"] != "current"
    of = "malicious files" if question is MALWARE else "vulnerabilities"
    part = section(name, question, queries, filters, table=found, read=read, behind=behind, of=of)
    return part._replace(template="findings.html.jinja")


def affected(queries: Queries, account_id: str, vul_id: str, *, most: int = MOST_ROWS, links: Links = unlinked) -> Part:
    """Return a vulnerability, and the images of the account that have it."""
    filters = {"account": account_id, "vulnerability": vul_id}
    rows = queries.ask(AFFECTED, filters)[:most]
    names = ("image_name", "container_cnt", "component", "version", "fixed_versions", *_SINCE)
    facts = next(iter(queries.ask(VULNERABILITY, filters)), None)
    found = table(rows, names, saved=IDENTITY, name="affected", links=links(rows))
    about = {"vul_id": vul_id, "account": queries.account(account_id)}
    return section("affected", AFFECTED, queries, filters, table=found, facts=facts, **about)


def histories(queries: Queries, filters: Filters) -> Part:
    """Return the riskiest images in use, to be opened one by one, because a report has no field to choose an image."""
    images = []
    for row in queries.ask(RISK, filters)[:LINKED]:
        identity = (row["account_id"], row["image_id"])
        sets = (image_findings(queries, *identity, most=LISTED), image_malware(queries, *identity, most=LISTED))
        more = {"image_name": row["image_name"], "sets": [found.shown for found in sets if found]}
        images.append({**history(queries, *identity).shown, **more})
    return Part("histories.html.jinja", {"images": images})


def vulnerabilities(queries: Queries, filters: Filters) -> Part | None:
    """Return the first vulnerabilities that are exploitable and running, to be opened one by one like `histories`."""
    if not queries.has_details:
        return None
    found = listed(queries.ask(EXPLOITABLE, filters))
    shown = [affected(queries, *identity, most=LISTED).shown for identity in found]
    return Part("vulnerabilities.html.jinja", {"vulnerabilities": shown})
