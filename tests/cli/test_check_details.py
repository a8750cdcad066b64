"""`tcss check --detail`: the permission of each action, one line per action."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.sandbox import Fleet, Quirks
from tests.world import World, world

ASPECTS = ("--detail", "vulnerabilities", "--detail", "running", "--detail", "malware")
GRANTED = """\
ok      vulnerabilities.DescribeAssetImageVulList: tcss:DescribeAssetImageVulList granted; 4 of 4 rows in one page
ok      vulnerabilities.DescribeSystemVulList: tcss:DescribeSystemVulList granted; 100 of 366 rows in one page
ok      vulnerabilities.DescribeWebVulList: tcss:DescribeWebVulList granted; 100 of 252 rows in one page
ok      vulnerabilities.DescribeEmergencyVulList: tcss:DescribeEmergencyVulList granted; 6 of 6 rows in one page
ok      running.DescribeAssetHostList: tcss:DescribeAssetHostList granted; 64 of 64 rows in one page
ok      running.DescribeAssetContainerList: tcss:DescribeAssetContainerList granted; 83 of 83 rows in one page
ok      malware.DescribeAssetImageVirusList: tcss:DescribeAssetImageVirusList granted; 0 of 0 rows in one page
"""


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with world(tmp_path, monkeypatch, fleet=Fleet.seeded(40)) as made:
        yield made


def of_details(output: str) -> str:
    return "".join(line for line in output.splitlines(keepends=True) if ".Describe" in line)


def test_each_action_has_a_line(account: World) -> None:
    """With the permission, and how many rows one page has; beside the licence and the destination."""
    result = account.tcss("check", *ASPECTS)
    assert (result.exit_code, of_details(result.stdout)) == (0, GRANTED)
    assert "ok      licence: Pro\n" in result.stdout
    assert "ok      writable: " in result.stdout


def test_what_is_configured_is_checked_without_the_option(account: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting `detail` names the aspects; without the setting, no action of theirs is asked."""
    assert of_details(account.tcss("check").stdout) == ""
    monkeypatch.setenv("TCSS_DETAIL", "running")
    assert of_details(account.tcss("check").stdout) == "".join(GRANTED.splitlines(keepends=True)[4:6])


def test_a_refused_action_fails_alone(account: World) -> None:
    """Its line names the permission, the others are tried, and the exit code is that of the first failure."""
    account.sandbox.backend.quirks = Quirks(
        refused={"DescribeWebVulList": "UnauthorizedOperation", "DescribeAssetHostList": "InvalidParameter"}
    )
    result = account.tcss("check", *ASPECTS, "--json")
    checks = json.loads(result.stdout)["checks"]
    assert (result.exit_code, {name: each for name, each in checks.items() if "." in name or not each["ok"]}) == (
        3,
        {
            "vulnerabilities.DescribeAssetImageVulList": {"ok": True},
            "vulnerabilities.DescribeSystemVulList": {"ok": True},
            "vulnerabilities.DescribeWebVulList": {
                "ok": False,
                "class": "PermissionDeniedError",
                "code": "UnauthorizedOperation",
            },
            "vulnerabilities.DescribeEmergencyVulList": {"ok": True},
            "running.DescribeAssetHostList": {
                "ok": False,
                "class": "RequestRejectedError",
                "code": "InvalidParameter",
            },
            "running.DescribeAssetContainerList": {"ok": True},
            "malware.DescribeAssetImageVirusList": {"ok": True},
        },
    )
    failed = next(line for line in result.stderr.splitlines() if "DescribeWebVulList" in line)
    assert failed.startswith("FAILED  vulnerabilities.DescribeWebVulList: ")
    assert failed.endswith("Grant these keys the permission tcss:DescribeWebVulList.")


def test_without_an_image_an_image_s_action_cannot_be_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line says so, and does not say that the permission is granted."""
    with world(tmp_path, monkeypatch, images=0) as empty:
        lines = of_details(empty.tcss("check", "--detail", "malware").stdout)
    name = "DescribeAssetImageVirusList"
    assert lines == f"ok      malware.{name}: tcss:{name} cannot be tried, because the account has no image\n"
