"""`tcss check --api`: what it prints for people and for bug reports, and what it never prints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connector import __version__
from connector.sandbox import Fault, Fleet, Quirks
from connector.sandbox.identity import DEFAULT_ACCOUNT, DEFAULT_ID, DEFAULT_KEY
from tests.world import World, world

CHECKS = ("keys", "signature", "clock", "permission", "licence")


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with world(tmp_path, monkeypatch, fleet=Fleet.seeded(500)) as made:
        yield made


def reported(account: World, *arguments: str, code: int = 0) -> dict[str, Any]:
    """The object that `check --json` prints, and nothing else on stdout."""
    result = account.tcss("check", "--json", *arguments)
    assert result.exit_code == code, result.output
    printed: dict[str, Any] = json.loads(result.stdout)
    return printed


EXPECTED: dict[str, Any] = {
    "connector": __version__,
    "site": "intl",
    "checks": {
        "keys": {"ok": True},
        "signature": {"ok": True},
        "clock": {"ok": True},
        "permission": {"ok": True},
        "licence": {"ok": True},
        "survey": {"ok": True},
    },
    "api": {
        "action": "DescribeAssetImageList",
        "requests": 23,
        "images": 364,
        "findings": {
            "default_order": {
                "code": "own_order",
                "says": "always the same, and by no field; Order alone is ignored",
                "order": "ignored",
            },
            "image_id_filter": {"code": "whole_id", "says": "only a whole id finds its image"},
            "exact_match_true": {"code": "part_not_found", "says": "a part of an id does not find its image"},
            "exact_match_false": {"code": "part_found", "says": "a part of an id finds its image"},
            "filter_values": {"code": "all_read", "says": "all 99 values are read", "asked": 99, "read": 99},
            "order_words": {"code": "both_cases", "says": "desc and DESC do the same"},
            "by_create_time_asc": {
                "code": "sorted",
                "says": "the rows are sorted so; rows without a time: none seen",
                "nulls": "none seen",
                "as_without_by": False,
            },
            "by_create_time_desc": {
                "code": "sorted",
                "says": "the rows are sorted so; rows without a time: none seen",
                "nulls": "none seen",
                "as_without_by": False,
            },
            "by_scan_time_asc": {
                "code": "sorted",
                "says": "the rows are sorted so; rows without a time: first",
                "nulls": "first",
                "as_without_by": False,
            },
            "by_scan_time_desc": {
                "code": "sorted",
                "says": "the rows are sorted so; rows without a time: last",
                "nulls": "last",
                "as_without_by": False,
            },
            "unknown_by": {"code": "ignored", "says": "ignored: the same rows come without By"},
            "status_filter": {"code": "all_read", "says": "all 2 values are read", "asked": 2, "read": 2},
            "offset": {
                "code": "no_largest_offset",
                "says": "no offset up to 100000 is refused; beyond the end: no rows",
                "largest": 100000,
                "beyond": "no rows",
            },
            "window": {"code": "not_cut", "says": "the end of the list in one order is its beginning in the other"},
            "rows_at_once": {"code": "page_full", "says": "100 rows come for Limit=100", "asked": 100, "rows": 100},
            "limit": {
                "code": "refused",
                "says": "refused (InvalidParameterValue.DataRange)",
                "error": "InvalidParameterValue.DataRange",
            },
            "total_count": {
                "code": "total_constant",
                "says": "an integer, the same in 15 answers, and the list ends there",
                "total": 500,
                "answers": 15,
            },
            "empty_list": {"code": "empty_array", "says": "[]"},
            "create_time_forms": {
                "code": "seen",
                "says": "YYYY-MM-DDTHH:MM:SS.fffZ (248), YYYY-MM-DDTHH:MM:SSZ (83), "
                "YYYY-MM-DDTHH:MM:SS.ffZ (29), 1970-01-01 YYYY-MM-DDTHH:MM:SSZ (3), YYYY-MM-DDTHH:MM:SS.fZ (1)",
                "seen": {
                    "YYYY-MM-DDTHH:MM:SS.fffZ": 248,
                    "YYYY-MM-DDTHH:MM:SSZ": 83,
                    "YYYY-MM-DDTHH:MM:SS.ffZ": 29,
                    "1970-01-01 YYYY-MM-DDTHH:MM:SSZ": 3,
                    "YYYY-MM-DDTHH:MM:SS.fZ": 1,
                },
            },
            "scan_time_forms": {
                "code": "seen",
                "says": "YYYY-MM-DDTHH:MM:SS.fffZ (234), empty text (97), "
                "YYYY-MM-DDTHH:MM:SS.ffZ (26), YYYY-MM-DDTHH:MM:SSZ (5), YYYY-MM-DDTHH:MM:SS.fZ (2)",
                "seen": {
                    "YYYY-MM-DDTHH:MM:SS.fffZ": 234,
                    "empty text": 97,
                    "YYYY-MM-DDTHH:MM:SS.ffZ": 26,
                    "YYYY-MM-DDTHH:MM:SSZ": 5,
                    "YYYY-MM-DDTHH:MM:SS.fZ": 2,
                },
            },
            "never_scanned": {"code": "seen", "says": "empty text (79)", "seen": {"empty text": 79}},
            "statuses": {
                "code": "seen",
                "says": "SCANNED (240), NOT_SCAN (79), SCAN_ERR (36), SCANNING (9)",
                "seen": {"SCANNED": 240, "NOT_SCAN": 79, "SCAN_ERR": 36, "SCANNING": 9},
            },
            "repeated_images": {"code": "no_repeats", "says": "no image is twice in an answer"},
            "ties": {
                "code": "ties",
                "says": "4 of 364 images have one CreateTime; their order: kept",
                "largest": 4,
                "rows": 364,
                "order": "kept",
            },
            "fields": {"code": "all_known", "says": "none; documented fields that no row has: none", "missing": []},
            "request_ids": {"code": "unique", "says": "each of 22 answers has its own", "answers": 22},
        },
    },
}
WORDS = (
    "order without By",
    "ImageID filter",
    "ImageID filter, ExactMatch true",
    "ImageID filter, ExactMatch false",
    "number of values in a filter",
    "Order in lower and upper case",
    "By=CreateTime, oldest first",
    "By=CreateTime, newest first",
    "By=ScanTime, oldest first",
    "By=ScanTime, newest first",
    "By with a name that no field has",
    "ScanStatus filter",
    "largest Offset",
    "end of the list",
    "rows at once",
    "Limit of twice the documented most",
    "TotalCount",
    "List without rows",
    "forms of CreateTime",
    "forms of ScanTime",
    "ScanTime where never scanned",
    "words of ScanStatus",
    "images listed twice",
    "equal CreateTimes",
    "fields that we do not know",
    "RequestId",
)


def test_the_report_as_a_whole(account: World) -> None:
    """One object, made to be pasted: 500 images behind the plainest reading of the documentation."""
    assert reported(account, "--api") == EXPECTED


def test_for_people_it_says_a_line_for_each_finding(account: World) -> None:
    """After the checks that concern the API; the destination is not looked at."""
    result = account.tcss("check", "--api")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert [line.split(":")[0] for line in lines[:5]] == [f"ok      {name}" for name in CHECKS]
    assert lines[5:-1] == [
        f"found   {words}: {finding['says']}"
        for words, finding in zip(WORDS, EXPECTED["api"]["findings"].values(), strict=True)
    ]
    assert lines[-1] == "ok      survey: 23 requests, 364 different images seen"
    assert not account.file.exists()


@pytest.mark.parametrize("images", [0, 1])
def test_small_accounts_get_a_report_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: int) -> None:
    """Most of it says that it cannot be told, which is no failure."""
    with world(tmp_path, monkeypatch, images=images) as small:
        api = reported(small, "--api")["api"]
    assert (api["images"], len(api["findings"])) == (images, len(EXPECTED["api"]["findings"]))
    assert api["findings"]["by_scan_time_desc"] == {
        "code": "cannot_be_told",
        "says": "cannot be told: the list has too few rows",
        "why": "the list has too few rows",
    }


@pytest.mark.parametrize("quirks", [Quirks(), Quirks(unknown_by="reject", max_offset=300)], ids=["plain", "refusing"])
def test_nothing_in_the_report_names_anything(account: World, quirks: Quirks) -> None:
    """No id or part of it, no name, no time, no account, key, host or RequestId."""
    account.sandbox.backend.quirks = quirks
    given = request_ids_of(account)
    text = account.tcss("check", "--api", "--json").output
    images = account.fleet.truth().values()
    secrets = {item[name] for item in images for name in ("ImageName", "CreateTime", "ScanTime", "OsName")} - {""}
    secrets |= {item["ImageID"][7:15] for item in images} | set(given)
    secrets |= {DEFAULT_ACCOUNT, DEFAULT_ID, DEFAULT_KEY, "127.0.0.1", "localhost"}
    assert len(given) > 20
    assert [secret for secret in secrets if secret in text] == []


def request_ids_of(account: World) -> list[str]:
    """The RequestIds that the sandbox gives from now on."""
    given: list[str] = []
    usual = account.sandbox.backend._request_id

    def remembered() -> str:
        given.append(usual())
        return given[-1]

    account.sandbox.backend._request_id = remembered
    return given


def test_a_check_that_fails_gives_its_code_and_no_survey(account: World) -> None:
    """The exit code is that of the usual checks; the message is on stderr, beside the object."""
    account.sandbox.backend.faults = (Fault("unauthorized"),)
    result = account.tcss("check", "--api", "--json")
    report = json.loads(result.stdout)
    assert (result.exit_code, "api" in report) == (3, False)
    assert report["checks"]["permission"] == {
        "ok": False,
        "class": "PermissionDeniedError",
        "code": "UnauthorizedOperation",
    }
    assert result.stderr.startswith("FAILED  permission: ")


def test_keys_that_are_refused_on_the_way_end_the_survey_with_their_code(account: World) -> None:
    """What was found until then is printed."""
    account.sandbox.backend.faults = (Fault("unauthorized", at=range(8, 99)),)
    report = reported(account, "--api", code=3)
    assert report["checks"]["survey"]["class"] == "PermissionDeniedError"
    assert list(report["api"]["findings"]) == list(EXPECTED["api"]["findings"])[:1]


def test_the_survey_is_less_patient_than_a_sync(account: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question that the API fails at takes 20 s at most, or what is set if that is less."""
    from connector.cli import check

    given: list[float] = []
    client_of = check.client_of
    monkeypatch.setattr(check, "client_of", lambda settings: (given.append(settings.patience), client_of(settings))[1])
    for patience in ("300", "5"):
        monkeypatch.setenv("SOURCES__TCSS__PATIENCE", patience)
        account.tcss("check", "--api")
    assert given == [20, 5]


def test_without_api_the_object_holds_the_usual_checks(account: World) -> None:
    """The destination among them; and where each setting is from."""
    variables = ("requests_per_second", "metadata")
    options = {name: f"option --{name}" for name in ("destination", "endpoint")}
    assert reported(account) == {
        "connector": __version__,
        "site": "intl",
        "checks": {name: {"ok": True} for name in (*CHECKS, "destination", "writable", "texts")},
        "settings": {
            "files": [],
            "read": options | {name: f"SOURCES__TCSS__{name.upper()}" for name in variables},
            "unknown": [],
        },
    }
