"""Finding a vulnerability, with lists that are written by hand: what is found, and when the answer is not proven."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from connector.api.client import Client
from connector.detail.find import Finder, Wanted
from connector.detail.found import Found
from connector.errors import ConfigurationError, TcssError, from_code

SYSTEM, WEB, EMERGENCY = "DescribeSystemVulList", "DescribeWebVulList", "DescribeEmergencyVulList"
IMAGES, CONTAINERS = "DescribeVulImageList", "DescribeVulContainerList"
LICENCE = "DescribePurchaseStateInfo"
LOG4J = {"PocID": "p1", "CVEID": "CVE-2021-44228", "Name": "Apache Log4j2 RCE", "Level": "CRITICAL", "CVSSV3Score": 10}


@dataclass
class Api:
    """Answers each action, or an action of a PocID, with its rows or its error. Filters are not honoured."""

    lists: Mapping[str, Sequence[Any] | TcssError]
    total: int | None = None
    state: int = 3
    asked: list[tuple[str, Any]] = field(default_factory=list)

    @property
    def stats(self) -> Any:
        return SimpleNamespace(requests=len(self.asked))

    def in_flight(self, action: str) -> int:
        return 1

    def call(self, action: str, payload: Mapping[str, Any]) -> Any:
        self.asked.append((action, payload.get("Filters", payload.get("PocID"))))
        if action == LICENCE:
            return SimpleNamespace(response={"State": self.state}, request_id=None)
        rows = self.lists.get(f"{action} {payload.get('PocID')}", self.lists.get(action, []))
        if isinstance(rows, TcssError):
            raise rows
        shown = list(rows)[payload["Offset"] :][: payload["Limit"]]
        total = len(rows) if self.total is None or not rows else self.total
        return SimpleNamespace(response={"List": shown or None, "TotalCount": total}, request_id=None)


def found_in(api: Api, text: str) -> Found:
    return Finder(cast(Client, api)).find(Wanted.of(text))


def image(number: int, *components: Mapping[str, Any], containers: int = 0) -> dict[str, Any]:
    counts = {"HostCount": 1, "SuperNodeCount": 0, "ContainerCount": containers}
    return {"ImageID": f"sha256:{number}", "ImageName": f"shop:{number}", **counts, "ComponentList": list(components)}


def package(name: str, path: str = "/app/a.jar") -> dict[str, Any]:
    return {"Name": name, "Version": "2.14", "FixedVersion": "2.15", "Path": path}


@pytest.mark.parametrize(
    "text",
    [
        "CVE-2021-44228",
        "cve-2021-44228",
        " CVE 2021 44228\n",
        "CVE\u20112021\u201144228",
        "cve_2021_44228",
        "CVE2021-44228",
    ],
)
def test_a_cve_may_be_written_in_many_ways(text: str) -> None:
    """Case, spaces and other dashes do not matter."""
    assert Wanted.of(text) == Wanted("CVE-2021-44228", is_cve=True)


@pytest.mark.parametrize("text", ["", "  ", "CVE", "cve-", "CVE-2021", "CVE-2021-1", "CVE-2021-44228x", "x" * 301])
def test_what_nothing_can_have_is_refused(text: str) -> None:
    """Nothing is asked of the API: a mistyped CVE would be found nowhere."""
    with pytest.raises(ConfigurationError):
        Wanted.of(text)


@pytest.mark.parametrize("text", ["log4j", "漏洞", "cves in curl", "2021-44228"])
def test_every_other_text_is_a_name(text: str) -> None:
    """Also one that begins with the letters of a CVE."""
    assert Wanted.of(text) == Wanted(text, is_cve=False)


def test_several_pocs_of_one_cve_are_one_answer() -> None:
    """Each image and container once, with the PocIDs that it is listed by, and each package once."""
    other = {**LOG4J, "PocID": "p2", "Name": "Log4j2 JNDI", "Level": "MIDDLE"}
    api = Api(
        {
            WEB: [LOG4J | {"LocalImageCount": 2, "ContainerCount": 1, "Tags": ["EXP"]}, other],
            EMERGENCY: [LOG4J | {"Status": "SCANNED_RISK"}, LOG4J | {"PocID": "p3", "CVEID": "CVE-2021-442289"}],
            f"{IMAGES} p1": [image(1, package("core")), image(2, package("core"), containers=1)],
            f"{IMAGES} p2": [image(1, package("core"), package("core", "/opt/b.jar"))],
            f"{CONTAINERS} p1": [{"ContainerID": "c1", "ContainerName": "shop", "HostID": "h1", "HostIP": "10.0.0.1"}],
        }
    )
    found = found_in(api, "cve-2021-44228")
    core = {"name": "core", "version": "2.14", "fixed_version": "2.15", "path": "/app/a.jar"}
    assert [(one.poc_id, one.severity, one.is_emergency) for one in found.vulnerabilities] == [
        ("p1", "CRITICAL", True),
        ("p2", "MEDIUM", False),
    ]
    assert list(map(asdict, found.images or [])) == [
        {
            "image_id": "sha256:2",
            "image_name": "shop:2",
            "host_count": 1,
            "super_node_count": 0,
            "container_count": 1,
            "components": [core],
            "poc_ids": ["p1"],
        },
        {
            "image_id": "sha256:1",
            "image_name": "shop:1",
            "host_count": 1,
            "super_node_count": 0,
            "container_count": 0,
            "components": [core, core | {"path": "/opt/b.jar"}],
            "poc_ids": ["p1", "p2"],
        },
    ]
    known = {name: value for name, value in asdict((found.containers or [])[0]).items() if value is not None}
    assert known == {
        "container_id": "c1",
        "container_name": "shop",
        "host_id": "h1",
        "host_ip": "10.0.0.1",
        "poc_ids": ["p1"],
    }
    assert (found.exit_code, found.reasons, found.requests) == (0, [], 7)
    cve = [{"Name": "CVEID", "Values": ["CVE-2021-44228"]}]
    of_pocs = [(IMAGES, "p1"), (CONTAINERS, "p1"), (IMAGES, "p2"), (CONTAINERS, "p2")]
    assert api.asked == [(SYSTEM, cve), (WEB, cve), (EMERGENCY, cve), *of_pocs]


def test_several_names_are_listed_and_the_whole_name_means_one() -> None:
    """Their images are not asked for: 37 vulnerabilities of openssl would be 74 lists."""
    names = ("curl leak", "curl leak twice", "curl LEAK twice more")
    listed = [{"PocID": name, "Name": name, "LocalImageCount": number} for number, name in enumerate(names)]
    api = Api({SYSTEM: listed, IMAGES: [image(1)]})
    several = found_in(api, "Leak")
    assert [one.name for one in several.vulnerabilities] == list(names[::-1])
    assert (several.images, several.exit_code, len(api.asked)) == (None, 0, 3)
    one = found_in(api, "CURL leak twice")
    assert ([each.name for each in one.vulnerabilities], len(one.images or [])) == (["curl leak twice"], 1)


@pytest.mark.parametrize("text", ["pcmgr-7", "PCMGR-7"])
def test_a_vulnerability_without_a_cve_is_found_by_the_pocid_that_its_list_shows(text: str) -> None:
    """No filter knows PocIDs, so the lists are asked without one; another PocID is not found, and that is proven."""
    listed = [{"PocID": "pcmgr-7", "Name": "curl leak"}, {"PocID": "pcmgr-77", "Name": "curl leak"}]
    api = Api({SYSTEM: listed, IMAGES: [image(1)]})
    found = found_in(api, text)
    assert ([one.poc_id for one in found.vulnerabilities], found.exit_code) == (["pcmgr-7"], 0)
    assert api.asked == [(SYSTEM, None), (WEB, None), (EMERGENCY, None), (IMAGES, "pcmgr-7"), (CONTAINERS, "pcmgr-7")]
    assert (found_in(api, "pcmgr-8").vulnerabilities, found_in(api, "pcmgr-8").exit_code) == ([], 1)


class Filtering(Api):
    """Honours the filters of the account's lists, which tell capitals from small letters."""

    def call(self, action: str, payload: Mapping[str, Any]) -> Any:
        lists = dict(self.lists)
        for each in payload.get("Filters", ()):
            lists[action] = [row for row in lists.get(action, ()) if each["Values"][0] in row[each["Name"]]]
        return Api(lists, asked=self.asked).call(action, payload)


@pytest.mark.parametrize("text", ["log4j", "LOG4J"])
def test_capitals_in_a_name_do_not_matter(text: str) -> None:
    """Also if they matter to the filter of the API: the famous one of two would be missing without a word."""
    other = {"PocID": "p2", "CVEID": "CVE-2021-2", "Name": "log4j leak", "Level": "LOW", "LocalImageCount": 1}
    found = found_in(Filtering({WEB: [LOG4J | {"LocalImageCount": 1}, other]}), text)
    assert ([one.poc_id for one in found.vulnerabilities], found.exit_code) == (["p1", "p2"], 0)
    found = found_in(Filtering({WEB: [LOG4J], IMAGES: [image(1)]}), text)
    assert ([one.poc_id for one in found.vulnerabilities], found.exit_code) == (["p1"], 0)


@pytest.mark.parametrize("text", ["CNVD-2021-7", "cnvd-2021-7"])
def test_a_number_that_is_no_cve_is_found_as_it_is_shown(text: str) -> None:
    """It is exact: CNVD-2021-77 is another vulnerability."""
    listed = [{"PocID": f"p{number}", "CVEID": f"CNVD-2021-{number}", "Name": "leak"} for number in (7, 77)]
    found = found_in(Filtering({SYSTEM: listed, IMAGES: [image(1)]}), text)
    assert ([one.poc_id for one in found.vulnerabilities], found.exit_code) == (["p7"], 0)
    assert found_in(Filtering({SYSTEM: listed[1:], IMAGES: [image(1)]}), text).exit_code == 1


@pytest.mark.parametrize(
    ("known", "code"),
    [
        ({"LocalImageCount": 0}, 1),
        ({"LocalImageCount": None}, 5),
        ({"LocalImageCount": "n/a", "ContainerCount": 0}, 5),
        ({"LocalImageCount": "n/a", "ContainerCount": 1}, 0),
        ({"Status": "SCANNED_NOT_RISK"}, 1),
        ({"Status": "SCANNED_RISK"}, 0),
        ({"Status": "SOMETHING_NEW"}, 5),
    ],
)
def test_of_several_vulnerabilities_each_has_to_say_that_no_image_has_it(known: dict[str, Any], code: int) -> None:
    """Their images are not asked for: a count that is missing is not 0."""
    one, other = {"PocID": "p1", "Name": "one leak", **known}, {"PocID": "p2", "Name": "leak", "LocalImageCount": 0}
    found = found_in(Api({WEB: [one, {**other, "Name": "other leak"}]}), "leak")
    assert (found.images, found.exit_code) == (None, code)


def test_what_the_api_calls_by_another_name_is_shown_and_not_proven() -> None:
    """The filter may know names of another language: neither "found" nor "not found" would be true."""
    found = found_in(Api({SYSTEM: [LOG4J | {"Name": "远程代码执行"}], IMAGES: [image(1)]}), "remote code")
    assert ([one.poc_id for one in found.vulnerabilities], found.exit_code) == (["p1"], 5)
    assert found.reasons == ["the API found these by another name than it shows"]


NOT_FOUND = from_code("ResourceNotFound", "The vulnerability is not found.", action=IMAGES)
DOUBTS = [
    pytest.param(Api({}), 1, [], id="not-found"),
    pytest.param(
        Api({}, state=4), 5, ["the licence has expired, and then the API lists nothing"], id="not-found-without-licence"
    ),
    pytest.param(
        Api({EMERGENCY: [LOG4J | {"Status": "SCANNED_NOT_RISK"}], IMAGES: NOT_FOUND, CONTAINERS: NOT_FOUND}),
        1,
        [],
        id="known-emergency-that-no-image-has",
    ),
    pytest.param(
        Api({WEB: [LOG4J | {"LocalImageCount": 3}], IMAGES: NOT_FOUND, CONTAINERS: NOT_FOUND}),
        5,
        ["p1: the account's lists say that images have it, and none is listed"],
        id="counted-and-not-listed",
    ),
    pytest.param(
        Api({WEB: [{"CVEID": "CVE-2021-44228", "Name": "x"}]}),
        5,
        ["a vulnerability without PocID is listed, whose images cannot be asked for"],
        id="no-poc",
    ),
    pytest.param(
        Api({WEB: [LOG4J], IMAGES: [image(1), {"ImageID": None}]}),
        5,
        [f"{IMAGES} of p1: items without a usable id are listed"],
        id="image-without-id",
    ),
    pytest.param(Api({WEB: [LOG4J], IMAGES: [{"ImageID": "i", "ComponentList": None}]}), 0, [], id="bare-image"),
]


@pytest.mark.parametrize(("api", "code", "reasons"), DOUBTS)
def test_the_exit_code_claims_no_more_than_the_lists_prove(api: Api, code: int, reasons: list[str]) -> None:
    """1 only where nothing is missing; 5 where something may be, found or not."""
    found = found_in(api, "CVE-2021-44228")
    assert (found.exit_code, found.reasons) == (code, reasons)


def test_lists_of_many_pages_are_read_whole_and_a_wrong_total_is_told() -> None:
    """Every image of 250; and where TotalCount says one more, exit code 5 with the list and the reason."""
    lists = {WEB: [LOG4J], IMAGES: [image(number) for number in range(250)]}
    whole = found_in(Api(lists), "CVE-2021-44228")
    assert ({one.image_id for one in whole.images or []}, whole.exit_code) == (
        {f"sha256:{number}" for number in range(250)},
        0,
    )
    lacking = found_in(Api({**lists, WEB: [LOG4J]}, total=251), "CVE-2021-44228")
    assert lacking.exit_code == 5
    assert any(reason.startswith(f"{IMAGES} of p1: ") for reason in lacking.reasons)


def test_a_full_answer_is_not_the_whole_list_because_its_total_says_so() -> None:
    """The images after the first hundred are found, and that TotalCount is wrong is said."""
    lists = {WEB: [LOG4J], IMAGES: [image(number) for number in range(150)]}
    found = found_in(Api(lists, total=100), "CVE-2021-44228")
    assert (len(found.images or []), found.exit_code) == (150, 5)


@pytest.mark.parametrize(("listed", "what"), [(CONTAINERS, "images"), (IMAGES, "containers")])
def test_a_list_that_is_empty_against_its_count_is_told(listed: str, what: str) -> None:
    """Also where the other list is not empty, and the vulnerability is found."""
    counted = LOG4J | {"LocalImageCount": 1, "ContainerCount": 1}
    found = found_in(Api({WEB: [counted], listed: [{**image(1), "ContainerID": "c"}]}), "CVE-2021-44228")
    reason = f"p1: the account's lists say that {what} have it, and none is listed"
    assert (found.found, found.exit_code, found.reasons) == (True, 5, [reason])


def test_an_action_that_is_refused_leaves_no_answer() -> None:
    """Also the last one: half of an answer looks like a whole one."""
    refused = from_code("UnauthorizedOperation", "no", action=CONTAINERS)
    with pytest.raises(TcssError, match="Grant these keys the permission tcss:DescribeVulContainerList"):
        found_in(Api({WEB: [LOG4J], IMAGES: [image(1)], CONTAINERS: refused}), "CVE-2021-44228")
