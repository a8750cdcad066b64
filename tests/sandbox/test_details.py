"""The lists of details, read by the vendor's own client, agree with the counts of the image list."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from tencentcloud.common.credential import Credential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.tcss.v20201101 import models
from tencentcloud.tcss.v20201101.tcss_client import TcssClient

from connector.sandbox import ApiError, Fleet, LocalServer, Sandbox
from connector.sandbox.detail.actions import DETAIL_ACTIONS
from connector.sandbox.detail.scans import LEVEL_FIELDS

IMAGE_LIST, PER_IMAGE, VIRUSES = "DescribeAssetImageList", "DescribeAssetImageVulList", "DescribeAssetImageVirusList"
# In the order of VirusScanStatus.
SCANS = ("NOT_SCAN", "SCANNING", "SCANNED", "SCAN_ERR")
ROW_MODELS = {
    PER_IMAGE: models.ImagesVul,
    "DescribeSystemVulList": models.VulInfo,
    "DescribeWebVulList": models.VulInfo,
    "DescribeEmergencyVulList": models.EmergencyVulInfo,
    "DescribeVulImageList": models.VulAffectedImageInfo,
    "DescribeVulContainerList": models.VulAffectedContainerInfo,
    "DescribeAssetContainerList": models.ContainerInfo,
    "DescribeAssetHostList": models.HostInfo,
    VIRUSES: models.ImageVirusInfo,
    "DescribeImageComponentList": models.ImageComponent,
}

# The SDK signs with datetime.utcfromtimestamp, which Python 3.12 deprecates.
pytestmark = pytest.mark.filterwarnings(r"ignore:datetime\.datetime\.utcfromtimestamp:DeprecationWarning")


class Vendor:
    """The vendor's client for a sandbox: whole lists through its typed models."""

    def __init__(self, sandbox: Sandbox) -> None:
        http = HttpProfile(protocol="http", endpoint=sandbox.host, reqTimeout=60)
        self._client = TcssClient(Credential("AKIDEXAMPLE", "SECRETEXAMPLE"), "", ClientProfile(httpProfile=http))

    def answer(self, action: str, **payload: Any) -> Any:
        request = getattr(models, f"{action}Request")()
        request.from_json_string(json.dumps(payload))
        return getattr(self._client, action)(request)

    def rows(self, action: str, **payload: Any) -> list[dict[str, Any]]:
        """All pages of 100; their rows make up TotalCount."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.answer(action, Limit=100, Offset=len(found), **payload)
            found += [json.loads(row.to_json_string()) for row in page.List]
            if not page.List or len(found) >= page.TotalCount:
                assert len(found) == page.TotalCount
                return found


def small_fleet(size: int = 60) -> Fleet:
    """A fleet whose every image is of a handful of hosts and containers at most."""
    fleet = Fleet.seeded(size, seed=3)
    fleet.replace(
        {
            image_id: {"HostCnt": n % 4, "SuperNodeCnt": n % 2, "ContainerCnt": n % 5}
            for n, image_id in enumerate(fleet.ids())
        }
    )
    return fleet


def local_rows(server: LocalServer, action: str, **payload: Any) -> list[dict[str, Any]]:
    """All pages, without HTTP."""
    found: list[dict[str, Any]] = []
    while True:
        page = server.call(action, {"Limit": 100, "Offset": len(found), **payload})
        found += page["List"] or []
        if not page["List"] or len(found) >= page["TotalCount"]:
            return found


def test_each_images_rows_are_those_that_it_counts() -> None:
    """VulCnt, the four level counts and VirusCnt equal the rows that the vendor's client reads."""
    fleet = small_fleet()
    fleet.replace({image_id: {"VirusCnt": 2} for image_id in fleet.ids()[:3]})
    with Sandbox(fleet, rate=None) as sandbox:
        vendor = Vendor(sandbox)
        images = vendor.rows(IMAGE_LIST)
        for image in images:
            rows = vendor.rows(PER_IMAGE, ImageID=image["ImageID"])
            assert len(rows) == image["VulCnt"]
            counted = Counter(LEVEL_FIELDS[row["Level"]] for row in rows)
            known = {name for name in LEVEL_FIELDS.values() if image[name] is not None}
            assert {name: counted[name] for name in known} == {name: image[name] for name in known}
            malware = vendor.answer(VIRUSES, ImageID=image["ImageID"])
            assert (malware.TotalCount, len(malware.List)) == (image["VirusCnt"], image["VirusCnt"])
            assert (
                malware.VirusScanStatus
                == {"NOT_SCAN": 0, "SCANNING": 1, "SCANNED": 2, "SCAN_ERR": 3}[image["ScanStatus"]]
            )
    assert sum(image["VulCnt"] for image in images) > 1000
    assert sum(image["VirusCnt"] for image in images) >= 6


def test_the_accounts_lists_count_the_images_that_are_scanned() -> None:
    """LocalImageCount is the number of SCANNED images with a row of that name; the inverse list names those images."""
    with Sandbox(small_fleet(), rate=None) as sandbox:
        vendor = Vendor(sandbox)
        images = {image["ImageID"]: image for image in vendor.rows(IMAGE_LIST)}
        having: dict[str, dict[str, Counter[tuple[str, str]]]] = {}
        for image_id, image in images.items():
            for row in vendor.rows(PER_IMAGE, ImageID=image_id) if image["ScanStatus"] == "SCANNED" else ():
                found = having.setdefault(row["Name"], {}).setdefault(image_id, Counter())
                found[row["Component"], row["Version"]] += 1
        listed = vendor.rows("DescribeSystemVulList") + vendor.rows("DescribeWebVulList")
        assert {row["Name"]: row["LocalImageCount"] for row in listed} == {
            name: len(found) for name, found in having.items() if name in {row["Name"] for row in listed}
        }
        assert 0 < len(having) - len(listed) < len(having) / 20
        popular = max(listed, key=lambda row: row["LocalImageCount"])
        inverse = vendor.rows("DescribeVulImageList", PocID=popular["PocID"])
        assert {
            row["ImageID"]: Counter((found["Name"], found["Version"]) for found in row["ComponentList"])
            for row in inverse
        } == having[popular["Name"]]
        containers = vendor.rows("DescribeVulContainerList", PocID=popular["PocID"])
        assert len(containers) == popular["ContainerCount"] == sum(row["ContainerCount"] for row in inverse)
        emergencies = {row["PocID"]: row["Status"] for row in vendor.rows("DescribeEmergencyVulList")}
    known = {row["PocID"] for row in listed}
    assert {status for poc, status in emergencies.items() if poc in known} == {"SCANNED_RISK"}
    assert {status for poc, status in emergencies.items() if poc not in known} == {"SCANNED_NOT_RISK"}


def test_containers_and_hosts_are_those_that_images_count() -> None:
    """ContainerCnt and HostCnt of every image, and each container's host is on the list of hosts."""
    with Sandbox(small_fleet(), rate=None) as sandbox:
        vendor = Vendor(sandbox)
        images = vendor.rows(IMAGE_LIST)
        containers, hosts = vendor.rows("DescribeAssetContainerList"), vendor.rows("DescribeAssetHostList")
        running = vendor.rows("DescribeAssetContainerList", Filters=[{"Name": "Status", "Values": ["1"]}])
    counted = Counter(container["ImageID"] for container in containers)
    assert {image["ImageID"]: counted[image["ImageID"]] for image in images} == {
        image["ImageID"]: image["ContainerCnt"] for image in images
    }
    assert sum(host["ImageCnt"] for host in hosts) == sum(
        max(image["HostCnt"] - image["SuperNodeCnt"], 0) for image in images
    )
    on_hosts = Counter(container["HostID"] for container in containers if container["HostID"])
    assert on_hosts == Counter({host["HostID"]: host["ContainerCnt"] for host in hosts if host["ContainerCnt"]})
    assert len({container["ContainerID"] for container in containers}) == len(containers) > 100
    assert [container["ContainerID"] for container in running] == [
        container["ContainerID"] for container in containers if container["Status"] == "RUNNING"
    ]


@pytest.mark.parametrize("action", DETAIL_ACTIONS)
def test_rows_have_the_fields_of_the_vendors_models(action: str) -> None:
    """No field more and none less than the vendor's client knows."""
    fleet = small_fleet(20)
    scanned = [item for item in fleet.truth().values() if item["ScanStatus"] == "SCANNED"]
    first = max(scanned, key=lambda item: item["VulCnt"])["ImageID"]
    fleet.replace({first: {"VirusCnt": 1, "ContainerCnt": 2, "IsLatestImage": True}})
    server = LocalServer(fleet)
    found = server.call("DescribeSystemVulList", {"Filters": [{"Name": "ImageID", "Values": [first]}]})["List"]
    about = {"ImageID": first, "PocID": found[0]["PocID"]}
    asked = DETAIL_ACTIONS[action].about
    rows = server.call(action, {asked: about[asked]} if asked else {})["List"]
    assert rows
    assert {frozenset(row) for row in rows} == {
        frozenset(name.removeprefix("_") for name in vars(ROW_MODELS[action]()))
    }


def test_one_seed_gives_one_fleet_of_details() -> None:
    """Two fleets of a seed answer alike, byte for byte, whatever was asked before; another seed does not."""
    one, same, other = (
        LocalServer(Fleet.seeded(40)),
        LocalServer(Fleet.seeded(40)),
        LocalServer(Fleet.seeded(40, seed=2)),
    )
    image_id = max(one.fleet.truth().values(), key=lambda item: item["VulCnt"])["ImageID"]
    local_rows(same, "DescribeSystemVulList")
    assert json.dumps(local_rows(one, PER_IMAGE, ImageID=image_id)) == json.dumps(
        local_rows(same, PER_IMAGE, ImageID=image_id)
    )
    assert local_rows(one, "DescribeWebVulList") == local_rows(same, "DescribeWebVulList")
    assert local_rows(one, "DescribeWebVulList") != local_rows(other, "DescribeWebVulList")


def test_nothing_is_made_before_it_is_asked_for() -> None:
    """Twenty thousand images are built, listed, scanned and deleted without a detail; one image's set is one set."""
    fleet = Fleet.seeded(20_000)
    server = LocalServer(fleet)
    server.call(IMAGE_LIST, {"Limit": 100})
    fleet.apply({"rescan": 50, "delete": 5})
    assert fleet._details is None
    image = max(fleet.truth().values(), key=lambda item: item["VulCnt"])
    assert len(local_rows(server, PER_IMAGE, ImageID=image["ImageID"])) == image["VulCnt"]
    assert fleet.details.recounted == 1
    assert fleet.details.catalogue.made <= 2 * image["VulCnt"]


def test_sets_are_shared_repeated_and_partly_nameless() -> None:
    """Images of one base share rows; there are equal rows, rows without a CVE, several packages of one, long texts."""
    server = LocalServer(Fleet.seeded(200))
    rows = [local_rows(server, PER_IMAGE, ImageID=image_id) for image_id in server.fleet.ids()]
    everything = [json.dumps(row, sort_keys=True) for found in rows for row in found]
    assert len(set(everything)) < len(everything) / 3
    assert any(len({json.dumps(row) for row in found}) < len(found) for found in rows)
    assert any(row["CVEID"] == "" for found in rows for row in found)
    packages = {(n, row["Name"], row["Component"]) for n, found in enumerate(rows) for row in found}
    assert max(Counter((n, name) for n, name, _ in packages).values()) == 3
    assert 1500 < max(len(row.encode()) for row in everything) < 12_000


@pytest.mark.parametrize(
    ("action", "payload", "code"),
    [
        (PER_IMAGE, {}, "MissingParameter"),
        (PER_IMAGE, {"ImageID": ""}, "InvalidParameter.MissingParameter"),
        (PER_IMAGE, {"ImageID": "sha256:0"}, "ResourceNotFound"),
        (PER_IMAGE, {"ImageID": 1}, "InvalidParameter"),
        (PER_IMAGE, {"ImageID": "x", "PocID": "y"}, "UnknownParameter"),
        (PER_IMAGE, {"ImageID": "x", "Filters": [{"Name": "CVEID", "Values": ["x"]}]}, "InvalidParameterValue"),
        (PER_IMAGE, {"ImageID": "x", "Filters": [{"Name": "Level", "Values": ["HIGH"]}]}, "InvalidParameterValue"),
        ("DescribeVulContainerList", {"PocID": "x", "By": "Level"}, "UnknownParameter"),
        ("DescribeVulImageList", {"PocID": "pcmgr-0"}, "ResourceNotFound"),
        ("DescribeAssetHostList", {"Limit": 101}, "InvalidParameterValue.DataRange"),
        ("DescribeAssetHostList", {"Order": "up"}, "InvalidParameterValue"),
    ],
    ids=str,
)
def test_wrong_parameters_are_refused(action: str, payload: dict[str, Any], code: str) -> None:
    """Each kind of mistake has its code."""
    with pytest.raises(ApiError) as caught:
        LocalServer(Fleet()).call(action, payload)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("action", "name", "value", "holds"),
    [
        ("DescribeWebVulList", "CVEID", "CVE-2021-44228", lambda row: row["CVEID"] == "CVE-2021-44228"),
        ("DescribeWebVulList", "Level", "MIDDLE", lambda row: row["Level"] == "MIDDLE"),
        ("DescribeWebVulList", "Tags", "EXP", lambda row: "EXP" in row["Tags"]),
        ("DescribeWebVulList", "OnlyAffectedContainer", "true", lambda row: row["ContainerCount"] > 0),
        ("DescribeSystemVulList", "Name", "openssl", lambda row: "openssl" in row["Name"]),
        ("DescribeSystemVulList", "FocusOnType", "SERIOUS_LEVEL", lambda row: row["Level"] in ("CRITICAL", "HIGH")),
        ("DescribeEmergencyVulList", "CVEID", "CVE-2022-0778", lambda row: row["CVEID"] == "CVE-2022-0778"),
        ("DescribeAssetContainerList", "NodeType", "SUPER", lambda row: row["NodeType"] == "SUPER"),
        ("DescribeAssetHostList", "Status", "OFFLINE", lambda row: row["Status"] == "OFFLINE"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_documented_filters_keep_the_rows_that_hold(action: str, name: str, value: str, holds: Any) -> None:
    """A filter's list is the rows of the whole list for which it holds: some, not all, in the same order."""
    whole, kept = LocalServer(small_fleet(120)), LocalServer(small_fleet(120))
    ids = {"DescribeAssetContainerList": "ContainerID", "DescribeAssetHostList": "HostID"}
    key = ids.get(action, "PocID")
    everything = local_rows(whole, action)
    expected = [row[key] for row in everything if holds(row)]
    assert [row[key] for row in local_rows(kept, action, Filters=[{"Name": name, "Values": [value]}])] == expected
    assert 0 < len(expected) < len(everything)


@pytest.mark.parametrize("by", ["LatestFoundTime", "CVSSV3Score", "LocalImageCount", "ContainerCount"])
def test_account_lists_are_sorted(by: str) -> None:
    """Upwards and downwards, by what is seen in the samples and by the counts."""
    server = LocalServer(small_fleet())
    up = [row[by] for row in local_rows(server, "DescribeSystemVulList", By=by, Order="asc")]
    down = [row[by] for row in local_rows(server, "DescribeSystemVulList", By=by, Order="desc")]
    assert up == sorted(up) == down[::-1]
    assert len(set(up)) > 1
