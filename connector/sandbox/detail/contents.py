"""Lists what else is in an image: malware and components."""

from typing import NamedTuple
from zlib import crc32

from connector.sandbox.detail.catalogue import LEVELS, SYSTEM
from connector.sandbox.detail.lists import Action, Ask, Filter
from connector.sandbox.detail.scans import count
from connector.sandbox.images import Item

# ScanStatus of an image -> VirusScanStatus.
VIRUS_STATES = {"NOT_SCAN": 0, "SCANNING": 1, "SCANNED": 2, "SCAN_ERR": 3, "CANCELED": 4}
MALWARE = ("Coinminer", "Mirai", "Webshell", "Backdoor")


class Virus(NamedTuple):
    """Describes a malicious file of an image."""

    mark: int
    number: int
    time: str


class Component(NamedTuple):
    """Describes a package of an image, with the levels of its vulnerabilities."""

    image_id: str
    name: str
    version: str
    path: str
    kind: str
    levels: tuple[int, ...] = ()


def _viruses(ask: Ask) -> list[Virus]:
    item = ask.image()
    if item is None:
        return []
    details, quirks, image_id = ask.desk.details, ask.quirks, item["ImageID"]
    scan = details.shown(item, quirks.late_requests, quirks.late_seconds)
    details.asked[image_id] += 1
    marks = [crc32(f"{image_id} virus {number}".encode()) for number in range(scan.viruses)]
    return [Virus(mark, number, str(scan.time or "")) for number, mark in enumerate(marks)]


def virus_row(_: Ask, virus: Virus) -> Item:
    """Return a row of DescribeAssetImageVirusList."""
    mark, name = virus.mark, f"x{virus.mark % 1000}.bin"
    return {
        "Path": f"/tmp/.cache/{virus.number}/{name}",  # noqa: S108 (a path in an invented image)
        "RiskLevel": mark % 4 + 1,
        "VirusName": f"Linux.{MALWARE[mark % 4]}.{mark % 26}",
        "Tags": ["miner"] if mark % 4 == 0 else [],
        "Desc": "A malicious file.",
        "Solution": "Delete the file and rebuild the image.",
        "Size": mark % 10**6,
        "FirstScanTime": virus.time,
        "LatestScanTime": virus.time,
        "Md5": f"{mark:08x}" * 4,
        "FileName": name,
        "CheckPlatform": ["1", "2"] if mark % 2 else ["1"],
    }


def _virus_status(ask: Ask) -> Item:
    item = ask.image() or {}
    return {"VirusScanStatus": VIRUS_STATES.get(str(item.get("ScanStatus")), 0)}


VIRUSES = Action(
    entries=_viruses,
    row=virus_row,
    filters={
        "Name": Filter(lambda ask, virus: virus_row(ask, virus)["FileName"]),
        "RiskLevel": Filter(lambda _, virus: str(virus.mark % 4 + 1), {level: level for level in "1234"}),
    },
    sorts={"LatestScanTime": lambda _, virus: virus.time},
    about="ImageID",
    beside=_virus_status,
)


def _components(ask: Ask) -> list[Component]:
    """Return the packages with vulnerabilities, and others up to ComponentCnt."""
    item = ask.image()
    if item is None:
        return []
    levels: dict[Component, list[int]] = {}
    for found in ask.desk.details.findings(item):
        one = found.vulnerability
        kind = "SYSTEM_COMPONENT" if one.kind == SYSTEM else "LIBRARY_COMPONENT"
        package = Component(item["ImageID"], found.component, found.version, found.path, kind)
        levels.setdefault(package, []).append(one.level)
    named = [package._replace(levels=tuple(found)) for package, found in levels.items()]
    others = range(count(item, "ComponentCnt") - len(named))
    return named + [
        Component(item["ImageID"], f"lib{number}", f"1.{number}", f"/usr/lib/lib{number}.so", "SYSTEM_COMPONENT")
        for number in others
    ]


def component_row(_: Ask, component: Component) -> Item:
    """Return a row of DescribeImageComponentList."""
    return {
        "Name": component.name,
        "Version": component.version,
        "Path": component.path,
        "Type": component.kind,
        "VulCount": len(component.levels),
        "ImageID": component.image_id,
    }


COMPONENTS = Action(
    entries=_components,
    row=component_row,
    filters={
        "ComponentName": Filter(lambda _, one: one.name),
        "ComponentVersion": Filter(lambda _, one: one.version),
        "ComponentType": Filter(lambda _, one: one.kind, whole=True),
        "VulLevel": Filter(lambda _, one: [LEVELS[level] for level in one.levels], {w: w for w in LEVELS.values()}),
        "HasVul": Filter(
            lambda _, one: ("ALL", "true" if one.levels else "false"), {w: w for w in ("true", "false", "ALL")}
        ),
    },
    sorts={"VulCount": lambda _, one: len(one.levels)},
    about="ImageID",
)
