"""Defines what a search finds: vulnerabilities, images and containers as values, read from the items of the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from connector.detail.facts import SEVERITIES
from connector.listing.page import count_of, text_of

Item = Mapping[str, Any]

STATUSES = {"SCANNED_RISK": True, "SCANNED_NOT_RISK": False, "SCANNING": False, "NOT_SCAN": False}
"""Statuses of an emergency, and whether an image is known to have the emergency."""


@dataclass
class Vulnerability:
    """Describes an entry of the account's lists. The counts are those of the lists; None: the entry has no count."""

    poc_id: str | None
    cve_id: str | None
    name: str | None
    severity: str | None
    cvss_v3_score: float | None
    tags: list[str]
    is_emergency: bool
    local_image_count: int | None
    container_count: int | None
    status: str | None

    @property
    def subject(self) -> str:
        """What all entries about one vulnerability share."""
        return self.cve_id or (self.name or "").casefold()

    @property
    def affects(self) -> bool | None:
        """Whether an image or a container has the vulnerability, by the account's lists; None if they do not say that.
        The list of emergencies has no counts."""
        if self.local_image_count or self.container_count:
            return True
        return STATUSES.get(self.status or "") if self.local_image_count is None else False


@dataclass(frozen=True)
class Component:
    """Describes a package of an image that has the vulnerability."""

    name: str | None
    version: str | None
    fixed_version: str | None
    path: str | None


@dataclass
class Image:
    """Describes an image that has the vulnerability."""

    image_id: str
    image_name: str | None
    host_count: int | None
    super_node_count: int | None
    container_count: int | None
    components: list[Component]
    poc_ids: list[str]


@dataclass
class Container:
    """Describes a container of such an image. The API does not say of which image."""

    container_id: str
    container_name: str | None
    container_status: str | None
    pod_name: str | None
    pod_ip: str | None
    host_id: str | None
    host_ip: str | None
    host_name: str | None
    public_ip: str | None
    cluster_id: str | None
    cluster_name: str | None
    node_type: str | None
    node_unique_id: str | None
    node_id: str | None
    node_name: str | None
    poc_ids: list[str]


_CONTAINER_FIELDS = {
    "container_name": "ContainerName",
    "container_status": "ContainerStatus",
    "pod_name": "PodName",
    "pod_ip": "PodIP",
    "host_id": "HostID",
    "host_ip": "HostIP",
    "host_name": "HostName",
    "public_ip": "PublicIP",
    "cluster_id": "ClusterID",
    "cluster_name": "ClusterName",
    "node_type": "NodeType",
    "node_unique_id": "NodeUniqueID",
    "node_id": "NodeID",
    "node_name": "NodeName",
}


@dataclass
class Found:
    """Holds what was found. `reasons` say which lists are not proven to be whole.

    `images` and `containers` are None if several vulnerabilities match, because these lists are of one vulnerability.
    """

    query: str
    vulnerabilities: list[Vulnerability] = field(default_factory=list)
    images: list[Image] | None = None
    containers: list[Container] | None = None
    reasons: list[str] = field(default_factory=list)
    requests: int = 0

    @property
    def found(self) -> bool:
        """Whether an image or a container has the vulnerability."""
        if self.images is None:
            return any(one.affects for one in self.vulnerabilities)
        return bool(self.images or self.containers)

    @property
    def exit_code(self) -> int:
        """5 if something may be missing, also if nothing was found; else 0, or 1 if nothing was found."""
        return 5 if self.reasons else int(not self.found)

    def as_json(self) -> dict[str, Any]:
        """Return all fields, after the two verdicts."""
        facts = asdict(self)
        return {"query": facts.pop("query"), "found": self.found, "whole": not self.reasons, **facts}


_WORST_FIRST = ("CRITICAL", "HIGH", "MEDIUM", "LOW")


def by_severity(one: Vulnerability) -> tuple[Any, ...]:
    """Sort the worst vulnerabilities first."""
    place = _WORST_FIRST.index(one.severity) if one.severity in _WORST_FIRST else len(_WORST_FIRST)
    return place, -(one.local_image_count or 0), one.cve_id or "", one.name or "", one.poc_id or ""


def by_use(image: Image) -> tuple[Any, ...]:
    """Sort images with many containers first."""
    return -(image.container_count or 0), image.image_name or "", image.image_id


def by_host(container: Container) -> tuple[str, ...]:
    """Sort containers of one host together."""
    return container.host_name or "", container.container_name or "", container.container_id


def vulnerability_of(item: Item, *, emergency: bool) -> Vulnerability:
    """Parse an item of one of the account's three lists."""
    level, score, tags = text_of(item, "Level") or "", item.get("CVSSV3Score"), item.get("Tags")
    return Vulnerability(
        poc_id=text_of(item, "PocID") or None,
        cve_id=(text_of(item, "CVEID") or "").upper() or None,
        name=text_of(item, "Name") or None,
        severity=SEVERITIES.get(level.upper()),
        cvss_v3_score=float(score) if isinstance(score, int | float) else None,
        tags=[tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else [],
        is_emergency=emergency,
        local_image_count=count_of(item.get("LocalImageCount")),
        container_count=count_of(item.get("ContainerCount")),
        status=text_of(item, "Status") or None,
    )


def image_of(image_id: str, item: Item) -> Image:
    """Parse an item of DescribeVulImageList, without its packages."""
    return Image(
        image_id=image_id,
        image_name=text_of(item, "ImageName") or None,
        host_count=count_of(item.get("HostCount")),
        super_node_count=count_of(item.get("SuperNodeCount")),
        container_count=count_of(item.get("ContainerCount")),
        components=[],
        poc_ids=[],
    )


def components_of(item: Item) -> list[Component]:
    """Parse the packages of an item of DescribeVulImageList."""
    listed = item.get("ComponentList")
    names = ("Name", "Version", "FixedVersion", "Path")
    return [
        Component(*(text_of(each, name) or None for name in names))
        for each in (listed if isinstance(listed, list) else [])
        if isinstance(each, dict)
    ]


def container_of(container_id: str, item: Item) -> Container:
    """Parse an item of DescribeVulContainerList."""
    fields = {name: text_of(item, source) or None for name, source in _CONTAINER_FIELDS.items()}
    return Container(container_id=container_id, poc_ids=[], **fields)
