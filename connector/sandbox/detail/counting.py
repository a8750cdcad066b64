"""Counts vulnerabilities for VulCnt, where VulCnt does not count rows."""

from collections.abc import Iterable
from typing import Any

from connector.sandbox.detail.catalogue import Finding
from connector.sandbox.detail.scans import LEVEL_FIELDS
from connector.sandbox.detail.state import Details
from connector.sandbox.images import Item
from connector.sandbox.quirks import Quirks


def recounted(details: Details, rows: list[Item] | None, quirks: Quirks) -> list[Item] | None:
    """Return rows of the image list whose VulCnt and level counts follow `Quirks.vul_cnt`."""
    return None if rows is None else [row | _counts(row, details.findings(row), quirks) for row in rows]


def _counts(row: Item, findings: list[Finding], quirks: Quirks) -> Item:
    """Return the counts of a row, by the names of their fields."""
    counts = {"VulCnt": _distinct(findings, quirks)}
    for level, name in LEVEL_FIELDS.items():
        counts[name] = _distinct([found for found in findings if found.vulnerability.level == level], quirks)
    return {name: number for name, number in counts.items() if name in row}


def _distinct(findings: Iterable[Finding], quirks: Quirks) -> int:
    keys: set[Any] = set()
    for found in findings:
        one = found.vulnerability.cve or found.vulnerability.name
        keys.add(one if quirks.vul_cnt == "cves" else (one, found.component))
    return len(keys)
