"""`tcss find`: what it prints for people and for scripts, and the exit codes that scripts rely on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from connector.detail.actions import FIND
from connector.detail.found import Component, Container, Found, Image, Vulnerability
from connector.sandbox import Fault, Fleet, Quirks
from tests.world import World, world


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with world(tmp_path, monkeypatch, fleet=Fleet.seeded(40)) as made:
        monkeypatch.setenv("COLUMNS", "80")
        yield made


SHOWN = """\
CVE-2021-44228, Apache Log4j2 remote code execution, CRITICAL, CVSS 9.8, emergency, pcmgr-4100000
1 image; 0 containers on 0 hosts

IMAGE                           PACKAGE              FIXED IN  HOSTS  CONTAINERS
10.0.3.7:5000/data/worker:2.11  log4j-core 2.10.6-3  2.15.0        2           0
.4                              /app/lib/log4j-core
sha256:d3ac07e5e10e
"""
NOT_FOUND = """\
No image is known to have CVE-1999-0001.
This is what scans have found: an image that was not scanned may have it all the same.
"""
VULNERABILITY = {
    "poc_id": "pcmgr-4100000",
    "cve_id": "CVE-2021-44228",
    "name": "Apache Log4j2 remote code execution",
    "severity": "CRITICAL",
    "cvss_v3_score": 9.8,
    "tags": ["POC", "EXP", "NETWORK", "KNOWN_EXPLOITED"],
    "is_emergency": True,
    "local_image_count": 1,
    "container_count": 0,
    "status": "SCANNED_RISK",
}
IMAGE = {
    "image_id": "sha256:d3ac07e5e10e1a45ad36ddee24554c27944be91ae9d95e94130865e427e0b98a",
    "image_name": "10.0.3.7:5000/data/worker:2.11.4",
    "host_count": 2,
    "super_node_count": 0,
    "container_count": 0,
    "components": [
        {"name": "log4j-core", "version": "2.10.6-3", "fixed_version": "2.15.0", "path": "/app/lib/log4j-core"}
    ],
    "poc_ids": ["pcmgr-4100000"],
}


def test_people_get_a_table_of_80_columns(account: World) -> None:
    """The whole output: what it is, how many, and a row for each package."""
    result = account.tcss("find", "cve-2021-44228")
    assert (result.exit_code, result.stdout, result.stderr) == (0, SHOWN, "")


@pytest.mark.parametrize(("text", "lists"), [("CVE-2021-44228", 3), ("Log4j2", 19), ("log4J2 remote", 19)])
def test_scripts_get_one_object(account: World, text: str, lists: int) -> None:
    """With all fields, also by a part of the name; in five requests for a CVE, of which none is for STS or the image
    list. For a name, the account's lists are read whole."""
    result = account.tcss("find", text, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "query": text,
        "found": True,
        "whole": True,
        "vulnerabilities": [VULNERABILITY],
        "images": [IMAGE],
        "containers": [],
        "reasons": [],
        "requests": lists + 2,
    }
    asked = account.sandbox.stats()["actions"]
    assert asked.keys() == set(FIND)
    assert [asked[action] for action in FIND[3:]] == [1, 1]
    assert sum(asked.values()) == lists + 2


def test_containers_are_shown_with_their_hosts(account: World) -> None:
    """Of each container the state, the pod and the host; the API does not say which image a container runs."""
    lines = account.tcss("find", "CVE-2022-0778").stdout.splitlines()
    assert lines[1] == "8 images; 30 containers on 13 hosts"
    assert max(map(len, lines[1:])) <= 80
    place = lines.index("CONTAINER  STATUS      POD              HOST")
    assert lines[place + 1] == "app-13-12  RUNNING     app-13-12-631c9  eklet-subnet-43"
    assert lines[-2:] == [
        "app-49-0   RUNNING     app-49-0-72245   node-7",
        "                                        10.0.0.7",
    ]


def test_several_matches_are_listed(account: World) -> None:
    """A part of many names: the vulnerabilities, the worst first, without their images."""
    result = account.tcss("find", "log")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].endswith(" vulnerabilities match log. Name one to see its images.")
    assert lines[2].split() == ["VULNERABILITY", "NAME", "SEVERITY", "IMAGES"]
    assert len(lines) == 3 + int(lines[0].split()[0])


def test_what_is_not_found_ends_with_1(account: World) -> None:
    """And says what that does not prove."""
    result = account.tcss("find", "CVE-1999-0001")
    assert (result.exit_code, result.stdout) == (1, NOT_FOUND)
    result = account.tcss("find", "CVE-1999-0001", "--json")
    assert (result.exit_code, json.loads(result.stdout)["found"]) == (1, False)


def test_a_list_that_is_not_proven_ends_with_5(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found is printed, with the list that is not proven, and why. Here TotalCount is wrong in every second
    answer, and only the list of containers has more than one."""
    with world(tmp_path, monkeypatch, fleet=Fleet.seeded(300)) as account:
        account.sandbox.backend.quirks = Quirks(total_moves=1)
        result = account.tcss("find", "CVE-2022-0778", "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["found"], found["whole"], len(found["images"])) == (5, True, False, 62)
    (reason,) = found["reasons"]
    assert reason.startswith("DescribeVulContainerList of pcmgr-3000000: ")


ENDS = [
    pytest.param("CVE-2021", Quirks(), 2, "'CVE-2021' is not a CVE", id="no-cve"),
    pytest.param("", Quirks(), 2, "a CVE or a name has between 1 and 300 characters", id="nothing"),
    *(
        pytest.param(
            "CVE-2021-44228", Quirks(refused={action: "UnauthorizedOperation"}), 3, f"tcss:{action}", id=action
        )
        for action in FIND
    ),
    pytest.param("x\x1b[2J", Quirks(refused={FIND[0]: "InvalidParameter"}), 4, "InvalidParameter", id="not-accepted"),
]


@pytest.mark.parametrize(("text", "quirks", "code", "message"), ENDS)
def test_every_other_end_has_its_code(account: World, text: str, quirks: Quirks, code: int, message: str) -> None:
    """Never 1, which means that nothing was found; nothing is on stdout, and one object under --json."""
    account.sandbox.backend.quirks = quirks
    result = account.tcss("find", text)
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in result.stderr
    result = account.tcss("find", text, "--json")
    assert (result.exit_code, json.loads(result.stdout)["verdict"]) == (code, "failed")


def test_what_nobody_expected_ends_with_4(account: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours does not say "not found" either."""
    monkeypatch.setattr("connector.detail.find.Finder.find", lambda *_: 1 // 0)
    result = account.tcss("find", "CVE-2021-44228")
    assert (result.exit_code, result.stdout) == (4, "")


HOSTILE = """\
CVE-2021-44228, \\x1b[2J[red]n
1 image; 1 container on 1 host

IMAGE                    PACKAGE            FIXED IN       HOSTS  CONTAINERS
\\u202egnp\\nforged [red]  \\x1b]0;p\\x07 [b]1  [link=x]2\\x85      1           1
sha256:1                 /tmp/\\ud800

CONTAINER  STATUS  POD     HOST
[bold]c    \\u200b  p\\r\\np  \\x9bh
NOT PROVEN WHOLE: a list: \\x1b[0m
"""


def test_no_text_of_others_reaches_the_terminal_as_a_command(account: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a terminal obeys is shown as an escape, and markup stays text."""
    vulnerability = Vulnerability("", "CVE-2021-44228", "\x1b[2J[red]n", None, None, [], False, 1, 1, None)
    package = Component("\x1b]0;p\x07", "[b]1", "[link=x]2\x85", "/tmp/\ud800")
    image = Image("sha256:1", "\u202egnp\nforged [red]", 1, 0, 1, [package], ["p"])
    texts: dict[str, Any] = dict.fromkeys([each.name for each in fields(Container)])
    texts |= {"container_name": "[bold]c", "container_status": "\u200b", "pod_name": "p\r\np", "host_name": "\x9bh"}
    container = Container(**{**texts, "host_id": "h", "container_id": "c", "poc_ids": ["p"]})
    found = Found("x", [vulnerability], [image], [container], ["a list: \x1b[0m"])
    monkeypatch.setattr("connector.detail.find.Finder.find", lambda *_: found)
    assert account.tcss("find", "CVE-2021-44228").stdout == HOSTILE
    as_json = account.tcss("find", "CVE-2021-44228", "--json").stdout
    assert as_json.isascii()
    assert json.loads(as_json)["images"][0]["image_name"] == image.image_name


def test_what_was_asked_for_is_visible_too(account: World) -> None:
    """It may come from another program."""
    result = account.tcss("find", "x\x1b[2J\u202e")
    assert result.stdout.splitlines()[0] == r"No image is known to have x\x1b[2J\u202e."


def test_faults_on_the_way_are_tried_again(account: World) -> None:
    """As in a sync: a throttled request is sent again."""
    account.sandbox.backend.faults = (Fault("throttle", at=(1,)),)
    assert account.tcss("find", "CVE-2021-44228").stdout == SHOWN
