"""What the API shows of each image's details, and what the warehouse shows, in the same form."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from connector.sandbox import Fleet, LocalServer
from tests.warehouses import Place

Rows = Counter[tuple[str, str, str]]
"""How often a vulnerability stands in a component of a version."""

_SHOWN = """
    select v.image_id, coalesce(n.cve_id, n.name), v.component, v.version, v.occurrences
    from {data}.image_vulnerabilities v
    join {data}.image_reads r
      on r.account_id = v.account_id and r.image_id = v.image_id and r.aspect = 'vulnerabilities'
    join {data}.vulnerabilities n on n.account_id = v.account_id and n.vul_id = v.vul_id
    where v.opened_read <= r.read_no and (v.closed_read is null or v.closed_read > r.read_no)
"""


def listed(server: LocalServer, image_id: str) -> list[dict[str, Any]]:
    """The rows of an image, page by page."""
    found: list[dict[str, Any]] = []
    while True:
        payload = {"ImageID": image_id, "Limit": 100, "Offset": len(found)}
        page = server.call("DescribeAssetImageVulList", payload)
        found += page["List"] or []
        if not page["List"] or len(found) >= page["TotalCount"]:
            return found


def of_fleet(fleet: Fleet) -> dict[str, Rows]:
    """The sets of all scanned images."""
    server = LocalServer(fleet)
    return {
        image_id: Counter(
            (row["CVEID"] or row["Name"], row["Component"], row["Version"]) for row in listed(server, image_id)
        )
        for image_id, item in fleet.truth().items()
        if item["ScanStatus"] == "SCANNED" and item["ScanTime"]
    }


def of_warehouse(place: Place) -> dict[str, Rows]:
    """The sets of all images that were read whole, empty ones included."""
    found: dict[str, Rows] = defaultdict(Counter)
    with place.opened():
        whole = place.sql("select image_id from {data}.image_reads where aspect = 'vulnerabilities' and read_no > 0")
        rows = place.sql(_SHOWN)
    for (image_id,) in whole:
        found[image_id] = Counter()
    for image_id, vulnerability, component, version, occurrences in rows:
        found[image_id][vulnerability, component, version] += occurrences
    return dict(found)
