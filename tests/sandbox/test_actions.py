"""DescribeAssetImageList and the other actions of the sandbox: parameters, filters, orders, and each quirk."""

from dataclasses import fields
from typing import Any

import pytest

from connector.sandbox.actions import describe_asset_image_list
from connector.sandbox.backend import LocalServer
from connector.sandbox.identity import Account
from connector.sandbox.parameters import ApiError
from connector.sandbox.quirks import Quirks
from connector.sandbox.state import Fleet

ROWS: tuple[dict[str, Any], ...] = (
    {"ImageID": "a", "ImageName": "web:1", "CreateTime": "2024-01-02T00:00:00Z", "ScanTime": "", "HostCnt": 3,
     "ScanStatus": "NOT_SCAN", "VirusCnt": 0, "IsTrustImage": True},
    {"ImageID": "b", "ImageName": "web:2", "CreateTime": "2024-01-01T00:00:00Z", "ScanTime": "2024-02-02T00:00:00Z",
     "HostCnt": 1, "ScanStatus": "SCANNED", "VirusCnt": 2, "IsTrustImage": False, "CriticalLevelVulCnt": 1},
    {"ImageID": "c", "ImageName": "db:1", "CreateTime": "2024-01-03T00:00:00Z", "ScanTime": "2024-02-01T00:00:00Z",
     "HostCnt": 2, "ScanStatus": "SCAN_ERR", "VirusCnt": 0, "IsTrustImage": False, "RiskCnt": 9},
    {"ImageID": "d", "ImageName": "web:1-db", "CreateTime": "2024-01-04T00:00:00Z", "ScanTime": "", "HostCnt": 1,
     "ScanStatus": "SCANNING", "VirusCnt": 1, "IsTrustImage": False},
)  # fmt: skip


def answer(payload: dict[str, Any], **quirks: Any) -> dict[str, Any]:
    return describe_asset_image_list(Fleet(ROWS), payload, Quirks(**quirks))


def ids(payload: dict[str, Any], **quirks: Any) -> str:
    return "".join(row["ImageID"] for row in answer(payload, **quirks)["List"] or [])


def where(name: str, *values: str, **more: Any) -> dict[str, Any]:
    return {"Filters": [{"Name": name, "Values": list(values), **more}]}


def test_an_answer_is_the_page_and_the_total() -> None:
    """Whole rows as the fleet has them, TotalCount of the whole list, nothing else."""
    assert answer({"Limit": 2, "Offset": 1}) == {"List": [ROWS[1], ROWS[2]], "TotalCount": 4}
    assert answer({"Offset": 4}) == {"List": [], "TotalCount": 4}
    assert answer({"Limit": 0}) == {"List": [], "TotalCount": 4}


def test_a_page_has_ten_rows_unless_asked_otherwise() -> None:
    """Limit is 10 by default, 100 at most; a larger one is an error, or cut to 100 by a quirk."""
    fleet = Fleet.seeded(150)
    sizes = {
        name: len(describe_asset_image_list(fleet, payload, quirks)["List"])
        for name, payload, quirks in (
            ("default", {}, Quirks()),
            ("hundred", {"Limit": 100}, Quirks()),
            ("clamped", {"Limit": 101}, Quirks(limit_over_max="clamp")),
            ("capped", {"Limit": 100}, Quirks(page_cap=20)),
        )
    }
    assert sizes == {"default": 10, "hundred": 100, "clamped": 100, "capped": 20}


@pytest.mark.parametrize(
    ("payload", "code", "message"),
    [
        ({"Limit": 101}, "InvalidParameterValue.DataRange", "Limit must be in the range [0, 100]."),
        ({"Limit": "10"}, "InvalidParameter", "The value type of parameter `Limit` is not valid."),
        ({"Limit": True}, "InvalidParameter", "The value type of parameter `Limit` is not valid."),
        ({"Limit": 1.0}, "InvalidParameter", "The value type of parameter `Limit` is not valid."),
        ({"Offset": -1}, "InvalidParameter", "The value type of parameter `Offset` is not valid."),
        ({"By": None}, "InvalidParameter", "The value type of parameter `By` is not valid."),
        ({"Cursor": "x"}, "UnknownParameter", "The parameter `Cursor` is not recognized."),
        (
            {"Order": "up"},
            "InvalidParameterValue",
            "The value `up` specified in the parameter `Order` is not valid.",
        ),
        ({"Filters": {}}, "InvalidParameter", "The value type of parameter `Filters` is not valid."),
        ({"Filters": ["x"]}, "InvalidParameter", "The value type of parameter `Filters.0` is not valid."),
        (
            {"Filters": [{"Name": "ImageID"}]},
            "MissingParameter",
            "The request is missing a required parameter `Filters.0.Values`.",
        ),
        (where("ImageID", 1), "InvalidParameter", "The value type of parameter `Filters.0.Values` is not valid."),
        (where("ImageID", Fuzzy=True), "UnknownParameter", "The parameter `Filters.0.Fuzzy` is not recognized."),
        (
            where("HostIP", "x"),
            "InvalidParameterValue",
            "The value `HostIP` specified in the parameter `Filters.0.Name` is not valid.",
        ),
        (
            where("ScanStatus", "SCANNED"),
            "InvalidParameterValue",
            "The value `SCANNED` specified in the parameter `Filters.0.Values` is not valid.",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_wrong_parameters_are_refused(payload: dict[str, Any], code: str, message: str) -> None:
    """Each kind of mistake has the code and the words of the API gateway."""
    with pytest.raises(ApiError) as caught:
        answer(payload)
    assert (caught.value.code, caught.value.message) == (code, message)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        pytest.param({"By": "CreateTime", "Order": "asc"}, "bacd", id="create-time"),
        pytest.param({"By": "CreateTime", "Order": "DESC"}, "dcab", id="upper-case-word"),
        pytest.param({"By": "ScanTime", "Order": "desc"}, "bcda", id="never-scanned-last"),
        pytest.param({"By": "HostCnt"}, "bdca", id="upwards-by-default"),
        pytest.param({"By": "ImageName"}, "abcd", id="unknown-field-is-ignored"),
        pytest.param({"Order": "desc"}, "abcd", id="order-alone-is-nothing"),
    ],
)
def test_lists_are_sorted(payload: dict[str, Any], expected: str) -> None:
    """By and Order as documented."""
    assert ids(payload) == expected


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        pytest.param(where("ImageName", "web"), "abd", id="name-contains"),
        pytest.param(where("ImageName", "web:1", ExactMatch=True), "a", id="name-exactly"),
        pytest.param(where("ImageID", "d", "b", "zz"), "bd", id="ids-ored"),
        pytest.param(where("ScanStatus", "notScan", "scanning", "scanErr"), "acd", id="not-scanned-well"),
        pytest.param(where("ScanStatus", "scanned"), "b", id="scanned"),
        pytest.param(where("SecurityRisk", "VirusCnt"), "bd", id="virus"),
        pytest.param(where("SecurityRisk", "CriticalLevelVul", "RiskCnt", "IsTrustImage"), "abc", id="risks-ored"),
        pytest.param(where("ImageID"), "", id="no-values"),
        pytest.param({"Filters": []}, "abcd", id="no-filters"),
        pytest.param(
            {"Filters": where("ImageName", "web")["Filters"] + where("SecurityRisk", "VirusCnt")["Filters"]},
            "bd",
            id="filters-anded",
        ),
    ],
)
def test_lists_are_filtered(payload: dict[str, Any], expected: str) -> None:
    """Filters are ANDed, the values of one are ORed, and TotalCount is that of the filtered list."""
    assert ids(payload) == expected
    assert answer({**payload, "Limit": 1})["TotalCount"] == len(expected)


@pytest.mark.parametrize(
    ("payload", "quirks", "expected"),
    [
        pytest.param({"By": "CreateTime"}, {"sortable": frozenset()}, "abcd", id="nothing-sortable"),
        pytest.param({"By": "SensitiveCount", "Order": "desc"}, {"sortable": {"SensitiveCount"}}, "cdba", id="alias"),
        pytest.param({}, {"default_order": "create_time_desc"}, "dcab", id="default-newest-first"),
        pytest.param({"By": "ImageName"}, {"unknown_by": "create_time"}, "bacd", id="unknown-is-create-time"),
        pytest.param(
            {"By": "ImageName", "Order": "desc"}, {"unknown_by": "create_time"}, "dcab", id="unknown-honours-order"
        ),
        pytest.param({"Order": "desc"}, {"unknown_by": "create_time"}, "abcd", id="no-by-is-not-unknown"),
        pytest.param({}, {"default_order": "create_time"}, "bacd", id="default-oldest-first"),
        pytest.param({"Order": "desc"}, {"default_order": "create_time"}, "dcab", id="default-honours-order"),
        pytest.param(
            {"By": "ImageName", "Order": "desc"}, {"default_order": "create_time"}, "dcab", id="ignored-by-and-order"
        ),
        pytest.param(
            {"By": "ScanTime", "Order": "desc"}, {"by_aliases": {"ScanTime": "HostCnt"}}, "acdb", id="by-alias"
        ),
        pytest.param(
            {"By": "Born"}, {"by_aliases": {"Born": "CreateTime"}, "unknown_by": "reject"}, "bacd", id="alias-is-known"
        ),
        pytest.param({"By": "ScanTime"}, {"nulls": "last"}, "cbad", id="nulls-last"),
        pytest.param(where("ImageID", "b"), {"image_id_filter": "ignored"}, "abcd", id="id-filter-ignored"),
        pytest.param(where("ImageID", "b"), {"image_id_filter": "empty"}, "", id="id-filter-empty"),
        pytest.param(where("ScanStatus", "scanned"), {"status_filter": "ignored"}, "abcd", id="status-ignored"),
        pytest.param(where("ScanStatus", "scanned"), {"status_filter": "empty"}, "", id="status-empty"),
        pytest.param(where("ImageName", "web:1", ExactMatch=True), {"exact_match": "fuzzy"}, "ad", id="exact-is-fuzzy"),
        pytest.param(where("ImageName", "web:1", ExactMatch=False), {"exact_match": "fuzzy"}, "a", id="not-fuzzy"),
    ],
)
def test_quirks_change_the_list(payload: dict[str, Any], quirks: dict[str, Any], expected: str) -> None:
    """One quirk at a time, the whole list compared."""
    assert ids(payload, **quirks) == expected


@pytest.mark.parametrize(
    ("payload", "quirks", "code"),
    [
        pytest.param({"By": "ImageName"}, {"unknown_by": "reject"}, "InvalidParameterValue", id="unknown-by"),
        pytest.param({"Order": "ASC"}, {"order_words": "lower"}, "InvalidParameterValue", id="upper-case-word"),
        pytest.param({"Offset": 3}, {"max_offset": 2}, "InvalidParameterValue.DataRange", id="offset"),
        pytest.param({"Limit": 6}, {"max_limit": 5}, "InvalidParameterValue.DataRange", id="limit"),
    ],
)
def test_quirks_refuse(payload: dict[str, Any], quirks: dict[str, Any], code: str) -> None:
    """What one server ignores, another one rejects."""
    with pytest.raises(ApiError) as caught:
        answer(payload, **quirks)
    assert caught.value.code == code


def test_quirks_of_totals_and_rows() -> None:
    """Wrong totals, a null list, older and newer field sets, an image that is listed twice."""
    assert answer({}, total_delta=-1)["TotalCount"] == 3
    assert answer({}, total_fixed=7)["TotalCount"] == 7
    assert answer({"Offset": 9}, empty_list="null") == {"List": None, "TotalCount": 4}
    assert "CriticalLevelVulCnt" not in answer({}, fields=22)["List"][1]
    assert answer({}, extra_fields={"Arch": "arm64"})["List"][0] == {**ROWS[0], "Arch": "arm64"}
    server = LocalServer(Fleet(ROWS), Quirks(listed_twice={"a": {"HostCnt": 8}}))
    twice = server.call("DescribeAssetImageList", {"By": "CreateTime"})
    assert (twice["TotalCount"], twice["List"][1:3]) == (5, [ROWS[0], {**ROWS[0], "HostCnt": 8}])


@pytest.mark.parametrize(
    ("payload", "expected", "total"),
    [
        pytest.param({"By": "CreateTime"}, "bac", 3, id="upwards"),
        pytest.param({"By": "CreateTime", "Order": "desc"}, "dca", 3, id="downwards"),
        pytest.param({"Offset": 2}, "c", 3, id="page-over-the-edge"),
        pytest.param({"Offset": 3}, "", 3, id="page-beyond"),
        pytest.param(where("SecurityRisk", "VirusCnt"), "bd", 2, id="a-short-list-of-its-own"),
    ],
)
def test_a_window_ends_each_list(payload: dict[str, Any], expected: str, total: int) -> None:
    """Three rows of each order and filter are within reach, and TotalCount says that there are no more."""
    assert (ids(payload, window=3), answer(payload, window=3)["TotalCount"]) == (expected, total)
    assert len(ids({"Offset": 1}, window=3, default_order="shuffled")) == 2


def test_shuffled_lists_have_no_order_at_all() -> None:
    """Without By another order comes at every request, no row twice in a page; By still sorts."""
    fleet, quirks = Fleet.seeded(50), Quirks(default_order="shuffled")
    pages = [describe_asset_image_list(fleet, {"Limit": 50}, quirks)["List"] for _ in range(3)]
    assert [len({row["ImageID"] for row in page}) for page in pages] == [50, 50, 50]
    assert len({tuple(row["ImageID"] for row in page) for page in pages}) == 3
    assert len(describe_asset_image_list(fleet, {"Limit": 50, "Offset": 45}, quirks)["List"]) == 5
    assert ids({"By": "CreateTime"}, default_order="shuffled") == "bacd"


def test_permuted_ties_do_not_touch_the_default_order() -> None:
    """Arrival has no ties; equal values of By swap."""
    assert {ids({}, ties="permuted") for _ in range(5)} == {"abcd"}
    fleet = Fleet([{"ImageID": str(n), "HostCnt": 1} for n in range(30)])
    pages = [describe_asset_image_list(fleet, {"Limit": 30, "By": "HostCnt"}, Quirks(ties="permuted")) for _ in "abc"]
    assert len({str(page) for page in pages}) == 3


def test_every_quirk_is_described() -> None:
    """The docstring of Quirks names each field."""
    assert [field.name for field in fields(Quirks) if field.name not in (Quirks.__doc__ or "")] == []


def test_who_am_i() -> None:
    """GetCallerIdentity gives the root account's UIN."""
    server = LocalServer(fleet := Fleet(), account=Account(fleet, account_id="100000000009"))
    assert server.call("GetCallerIdentity", {}) == {
        "Arn": "qcs::cam::uin/100000000009:uin/100000000009",
        "AccountId": "100000000009",
        "UserId": "100000000009",
        "PrincipalId": "100000000009",
        "Type": "CAMUser",
        "RequestId": "local-1",
    }


def test_the_purchase_has_a_state() -> None:
    """DescribePurchaseStateInfo tells an account without TCSS from one without images."""
    server = LocalServer(fleet := Fleet.seeded(9), account=Account(fleet, state=4))
    found = server.call("DescribePurchaseStateInfo", {})
    assert (found["State"], found["ImageCnt"]) == (4, 9)


@pytest.mark.parametrize(
    ("action", "payload", "code"),
    [
        ("AssumeRole", {"RoleArn": "qcs::cam::uin/1:roleName/x"}, "MissingParameter"),
        ("AssumeRole", {"RoleArn": "x", "RoleSessionName": "s"}, "ResourceNotFound.RoleNotFound"),
        (
            "AssumeRole",
            {"RoleArn": "qcs::cam::uin/100000000001:roleName/x", "RoleSessionName": "s", "DurationSeconds": 43_201},
            "InvalidParameter.OverTimeError",
        ),
        (
            "AssumeRoleWithWebIdentity",
            {"RoleArn": "x", "RoleSessionName": "s", "ProviderId": "p", "WebIdentityToken": ""},
            "InvalidParameter.WebIdentityTokenError",
        ),
        ("GetCallerIdentity", {"Limit": 1}, "UnknownParameter"),
        ("DescribeAssetProcessList", {}, "InvalidAction"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_actions_are_strict_too(action: str, payload: dict[str, Any], code: str) -> None:
    """Wrong roles, durations, tokens and actions have their codes."""
    with pytest.raises(ApiError) as caught:
        LocalServer(Fleet()).call(action, payload)
    assert caught.value.code == code
