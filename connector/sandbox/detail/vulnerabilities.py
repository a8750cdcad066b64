"""Lists vulnerabilities of an image, of the account, and the images and containers of a vulnerability."""

from collections.abc import Mapping
from typing import Any
from zlib import crc32

from connector.sandbox.detail.catalogue import LEVELS, SYSTEM, WEB, Finding, Vulnerability
from connector.sandbox.detail.lists import Action, Ask, Filter
from connector.sandbox.detail.places import Container
from connector.sandbox.detail.running import container_words, node_fields
from connector.sandbox.detail.scans import count
from connector.sandbox.detail.state import Details
from connector.sandbox.images import Item, instant_of
from connector.sandbox.parameters import ApiError
from connector.sandbox.rows import naive

YES_NO = {"true": "true", "false": "false"}


def level_shown(level: int, ask: Ask) -> int:
    """Return the number of a level in rows of images: 4 is the worst, or 1 where levels are reversed."""
    return 5 - level if ask.quirks.levels == "reversed" else level


def _of_image(ask: Ask) -> list[Finding]:
    item, details, quirks = ask.image(), ask.desk.details, ask.quirks
    if item is None:
        return []
    scan = details.shown(item, quirks.late_requests, quirks.late_seconds)
    details.asked[item["ImageID"]] += 1
    return details.of(scan)


def fixed(details: Details, finding: Finding) -> str:
    """Return the versions that fix a finding; each revision adds a version."""
    revisions = details.revised[finding.vulnerability.key]
    return f"{finding.fixed or '0'}.r{revisions}" if revisions else finding.fixed


def _tags(ask: Ask, one: Vulnerability) -> list[str]:
    revised = ("DynamicLevelExp",) if ask.desk.details.revised[one.key] else ()
    fixable = ("CanBeFixed",) if one.fix or revised else ()
    return list(dict.fromkeys((*fixable, *one.labels, *revised, *ask.quirks.extra_tags)))


def finding_row(ask: Ask, finding: Finding) -> Item:
    """Return a row of DescribeAssetImageVulList."""
    one = finding.vulnerability
    return {
        **one.facts,
        "Component": finding.component,
        "Version": finding.version,
        "Level": level_shown(one.level, ask),
        "FixedVersions": fixed(ask.desk.details, finding),
        "Tag": _tags(ask, one),
    }


IMAGE_VULNERABILITIES = Action(
    entries=_of_image,
    row=finding_row,
    filters={
        "Name": Filter(lambda _, finding: finding.vulnerability.name),
        "Level": Filter(
            lambda ask, finding: str(level_shown(finding.vulnerability.level, ask)), {level: level for level in "1234"}
        ),
    },
    sorts={
        "Level": lambda ask, finding: level_shown(finding.vulnerability.level, ask),
        "CVSSV3Score": lambda _, finding: finding.vulnerability.score,
    },
    about="ImageID",
)


def _list_tags(ask: Ask, one: Vulnerability) -> list[str]:
    """Return the same labels, in the words of the account's lists."""
    short = {"DynamicLevelPoc": "POC", "DynamicLevelExp": "EXP"}
    tags = [short.get(tag, tag) for tag in _tags(ask, one) if tag != "CanBeFixed"]
    return [*tags, "KNOWN_EXPLOITED"] if one.level == 4 and "EXP" in tags else tags


def _shared_row(ask: Ask, one: Vulnerability) -> Item:
    defended = "DEFENDED" if one.mark % 9 == 0 else "NO_DEFENDED"
    return {
        "Name": one.name,
        "Tags": _list_tags(ask, one),
        "CVSSV3Score": one.score,
        "Level": LEVELS[one.level],
        "CVEID": one.cve,
        "Category": one.category,
        "LatestFoundTime": _naive_day(ask.desk.account.latest(one)),
        "ID": 0 if one.is_emergency else crc32(one.poc_id.encode()),
        "PocID": one.poc_id,
        "DefenceStatus": defended,
        "DefenceScope": "ALL" if defended == "DEFENDED" else "MANUAL",
        "DefenceHostCount": one.mark % 3,
        "DefendedCount": one.mark % 2,
    }


def _naive_day(time: str) -> str:
    """Return a time as wall-clock time of UTC+8 without fractions; empty where there is no time."""
    return str(naive(time))[:19] if instant_of(time) is not None else ""


def account_row(ask: Ask, one: Vulnerability) -> Item:
    """Return a row of DescribeSystemVulList or DescribeWebVulList."""
    account = ask.desk.account
    year, month, day = one.published
    return {
        **_shared_row(ask, one),
        "FoundTime": f"{max(year, 2024)}-{month:02}-{day:02} 10:00:00",
        "LocalImageCount": account.image_count(one),
        "ContainerCount": account.container_count(one),
        "RegistryImageCount": one.mark % 5,
        "RaspOpenNodeCount": 0,
        "RaspClosedNodeCount": one.mark % 4,
    }


def emergency_row(ask: Ask, one: Vulnerability) -> Item:
    """Return a row of DescribeEmergencyVulList."""
    year, month, day = one.published
    return {
        **_shared_row(ask, one),
        "SubmitTime": f"{year}-{month:02}-{day:02} 00:00:00",
        "Status": "SCANNED_RISK" if ask.desk.account.image_count(one) else "SCANNED_NOT_RISK",
    }


def _emergencies(ask: Ask) -> list[Vulnerability]:
    """Return the emergencies that images have, and a few that no image has."""
    account, catalogue = ask.desk.account, ask.desk.details.catalogue
    found = [one for kind in (SYSTEM, WEB) for one in account.vulnerabilities(kind) if one.is_emergency]
    others = [catalogue.vulnerability(WEB, 4, number) for number in range(90_000, 90_018)]
    return found + [one for one in others if one.is_emergency and one.is_listed]


def _focus(ask: Ask, one: Vulnerability) -> set[str]:
    tags = set(_list_tags(ask, one))
    found = {"SERIOUS_LEVEL": one.level >= 3, "IS_SUGGEST": one.level == 4, "POC_EXP": bool(tags & {"POC", "EXP"})}
    found["NETWORK_EXP"] = {"NETWORK", "EXP"} <= tags
    return {"ALL"} | {name for name, holds in found.items() if holds}


def _yes(holds: bool) -> set[str]:
    """Return the words of the filter that pass: always `false` (no restriction), and `true` where `holds`."""
    return {"true", "false"} if holds else {"false"}


def _newest(ask: Ask, one: Vulnerability) -> set[str]:
    return _yes(any(item.get("IsLatestImage") for item in ask.desk.account.images(one)))


def _containers(ask: Ask, one: Vulnerability) -> list[Container]:
    places = ask.desk.places
    return [found for item in ask.desk.account.images(one) for found in places.of_image(item)]


_EMERGENCY_FILTERS: Mapping[str, Filter] = {
    "Level": Filter(lambda _, one: LEVELS[one.level], {word: word for word in LEVELS.values()}),
    "Tags": Filter(lambda ask, one: _list_tags(ask, one), {word: word for word in ("POC", "EXP")}),
    "CanBeFixed": Filter(lambda ask, one: str("CanBeFixed" in _tags(ask, one)).lower(), YES_NO),
    "CVEID": Filter(lambda _, one: one.cve),
    "ImageID": Filter(lambda ask, one: [item["ImageID"] for item in ask.desk.account.images(one)], whole=True),
    "ImageName": Filter(lambda ask, one: [str(i.get("ImageName", "")) for i in ask.desk.account.images(one)]),
    "ContainerID": Filter(lambda ask, one: [container_words(c)[0] for c in _containers(ask, one)], whole=True),
    "ContainerName": Filter(lambda ask, one: [container_words(c)[1] for c in _containers(ask, one)]),
    "ComponentName": Filter(lambda ask, one: [name for name, _ in ask.desk.account.components(one)]),
    "ComponentVersion": Filter(lambda ask, one: [version for _, version in ask.desk.account.components(one)]),
    "Name": Filter(lambda _, one: one.name),
}
_ACCOUNT_FILTERS: Mapping[str, Filter] = {
    "OnlyAffectedContainer": Filter(lambda ask, one: _yes(ask.desk.account.container_count(one) > 0), YES_NO),
    "OnlyAffectedNewestImage": Filter(_newest, YES_NO),
    **_EMERGENCY_FILTERS,
    "FocusOnType": Filter(_focus, {w: w for w in ("ALL", "SERIOUS_LEVEL", "IS_SUGGEST", "POC_EXP", "NETWORK_EXP")}),
}
_SORTS = {
    "LatestFoundTime": lambda ask, one: _naive_day(ask.desk.account.latest(one)),
    "CVSSV3Score": lambda _, one: one.score,
    "Level": lambda _, one: one.level,
}
_COUNT_SORTS = {
    "LocalImageCount": lambda ask, one: ask.desk.account.image_count(one),
    "ContainerCount": lambda ask, one: ask.desk.account.container_count(one),
}


def _account_list(kind: str) -> Action:
    return Action(
        entries=lambda ask: ask.desk.account.vulnerabilities(kind),
        row=account_row,
        filters=_ACCOUNT_FILTERS,
        sorts=_SORTS | _COUNT_SORTS,
    )


SYSTEM_VULNERABILITIES = _account_list(SYSTEM)
WEB_VULNERABILITIES = _account_list(WEB)
EMERGENCIES = Action(_emergencies, emergency_row, _EMERGENCY_FILTERS, _SORTS)


def _asked_for(ask: Ask) -> Vulnerability | None:
    found = ask.desk.account.by_poc(ask.payload["PocID"])
    if found is None and ask.quirks.unknown_ids == "error":
        raise ApiError("ResourceNotFound", "The vulnerability is not found.")
    return found


def _images_with(ask: Ask) -> list[tuple[Vulnerability, Item]]:
    one = _asked_for(ask)
    return [(one, item) for item in ask.desk.account.images(one)] if one else []


def _components(ask: Ask, entry: tuple[Vulnerability, Item]) -> list[Finding]:
    one, item = entry
    return [found for found in ask.desk.details.findings(item) if found.vulnerability is one]


def image_row(ask: Ask, entry: tuple[Vulnerability, Item]) -> Item:
    """Return a row of DescribeVulImageList."""
    item = entry[1]
    return {
        "ImageID": item["ImageID"],
        "ImageName": item.get("ImageName", ""),
        "HostCount": count(item, "HostCnt"),
        "SuperNodeCount": count(item, "SuperNodeCnt"),
        "ContainerCount": count(item, "ContainerCnt"),
        "ComponentList": [
            {
                "Name": found.component,
                "Version": found.version,
                "FixedVersion": fixed(ask.desk.details, found),
                "Path": found.path,
            }
            for found in _components(ask, entry)
        ],
    }


def _hosts(ask: Ask, entry: tuple[Vulnerability, Item], name: str) -> list[str]:
    places = ask.desk.places
    return [str(node_fields(places.node(found))[name]) for found in places.of_image(entry[1])]


IMAGES_OF_VULNERABILITY = Action(
    entries=_images_with,
    row=image_row,
    filters={
        "OnlyAffectedNewestImage": Filter(lambda _, entry: _yes(bool(entry[1].get("IsLatestImage"))), YES_NO),
        "ImageID": Filter(lambda _, entry: entry[1]["ImageID"], whole=True),
        "ImageName": Filter(lambda _, entry: str(entry[1].get("ImageName", ""))),
        "HostIP": Filter(lambda ask, entry: _hosts(ask, entry, "HostIP")),
        "PublicIP": Filter(lambda ask, entry: _hosts(ask, entry, "PublicIP")),
        "HostName": Filter(lambda ask, entry: _hosts(ask, entry, "HostName")),
        "ComponentName": Filter(lambda ask, entry: [found.component for found in _components(ask, entry)]),
        "ComponentVersion": Filter(lambda ask, entry: [found.version for found in _components(ask, entry)]),
    },
    sorts={"HostCnt": lambda _, entry: count(entry[1], "HostCnt")},
    about="PocID",
)


def _containers_with(ask: Ask) -> list[Container]:
    one = _asked_for(ask)
    return _containers(ask, one) if one else []


def container_row(ask: Ask, found: Container) -> Item:
    """Return a row of DescribeVulContainerList, which does not name the image."""
    container_id, name, pod, status = container_words(found)
    node: Mapping[str, Any] = node_fields(ask.desk.places.node(found))
    return {
        "ContainerID": container_id,
        "ContainerName": name,
        "PodName": pod,
        "PodIP": f"172.16.{found.mark % 250}.{found.mark // 250 % 250}",
        "ContainerStatus": status,
        **{key: value for key, value in node.items() if key != "NodeKind"},
    }


CONTAINERS_OF_VULNERABILITY = Action(
    entries=_containers_with,
    row=container_row,
    filters={
        "OnlyAffectedNewestImage": Filter(lambda _, found: _yes(bool(found.item.get("IsLatestImage"))), YES_NO),
        "ContainerID": Filter(lambda _, found: container_words(found)[0], whole=True),
        "ContainerName": Filter(lambda _, found: container_words(found)[1]),
    },
    sorts=None,
    about="PocID",
)
