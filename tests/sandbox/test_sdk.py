"""The sandbox, proven with the vendor's own client: typed models, its signatures, its error codes."""

import http.client
import json
import time
from typing import Any

import pytest
from tencentcloud.common.common_client import CommonClient
from tencentcloud.common.credential import Credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.tcss.v20201101.models import DescribeAssetImageListRequest, ImagesInfo
from tencentcloud.tcss.v20201101.tcss_client import TcssClient

from connector.sandbox import Account, Fleet, Sandbox
from connector.sandbox.images import FIELDS

LIST = "DescribeAssetImageList"

# The SDK signs with datetime.utcfromtimestamp, which Python 3.12 deprecates.
pytestmark = pytest.mark.filterwarnings(r"ignore:datetime\.datetime\.utcfromtimestamp:DeprecationWarning")


def profile(sandbox: Sandbox) -> ClientProfile:
    return ClientProfile(httpProfile=HttpProfile(protocol="http", endpoint=sandbox.host, reqTimeout=10))


def sdk(
    sandbox: Sandbox, key: str = "SECRETEXAMPLE", secret_id: str = "AKIDEXAMPLE", token: str | None = None
) -> TcssClient:
    return TcssClient(Credential(secret_id, key, token), "", profile(sandbox))


def page(client: TcssClient, payload: dict[str, Any]) -> tuple[list[dict[str, Any]], int]:
    """One page through the typed models: the rows without the fields that are not there, and the total."""
    request = DescribeAssetImageListRequest()
    request.from_json_string(json.dumps(payload))
    answer = client.DescribeAssetImageList(request)
    rows = [{name: value for name in FIELDS if (value := getattr(row, name)) is not None} for row in answer.List]
    return rows, answer.TotalCount


def code_of(client: TcssClient, payload: dict[str, Any]) -> str:
    with pytest.raises(TencentCloudSDKException) as caught:
        page(client, payload)
    return str(caught.value.get_code())


def test_the_vendors_client_reads_the_whole_fleet() -> None:
    """Paging with the SDK equals the fleet, row by row and field by field, through real models and signatures."""
    fleet = Fleet.seeded(230)
    with Sandbox(fleet) as sandbox:
        client = sdk(sandbox)
        pages = [
            page(client, {"Limit": 100, "Offset": start, "By": "CreateTime", "Order": "asc"}) for start in (0, 100, 200)
        ]
    assert [(len(rows), total) for rows, total in pages] == [(100, 230), (100, 230), (30, 230)]
    assert {row["ImageID"]: row for rows, _ in pages for row in rows} == fleet.truth()
    assert {name.removeprefix("_") for name in vars(ImagesInfo())} == set(FIELDS)


def test_the_vendors_client_filters_and_sorts() -> None:
    """What the documentation says of filters and sorting, asked by the SDK."""
    fleet = Fleet.seeded(80)
    with Sandbox(fleet) as sandbox:
        client = sdk(sandbox)
        never, count = page(client, {"Limit": 100, "Filters": [{"Name": "ScanStatus", "Values": ["notScan"]}]})
        newest, _ = page(client, {"Limit": 3, "By": "ScanTime", "Order": "desc"})
        wanted = fleet.ids()[5:7]
        both, _ = page(client, {"Filters": [{"Name": "ImageID", "Values": wanted}]})
    expected = [item for item in fleet.truth().values() if item["ScanStatus"] == "NOT_SCAN"]
    assert (never, count) == (expected, len(expected))
    days = sorted((item["ScanTime"] for item in fleet.truth().values()), reverse=True)
    assert [row["ScanTime"][:19] for row in newest] == [day[:19] for day in days[:3]]
    assert both == [fleet[image_id] for image_id in wanted]


def test_the_vendors_client_is_refused() -> None:
    """A wrong key, a wrong id, a token that does not belong, and a Limit of 101."""
    with Sandbox(Fleet.seeded(3)) as sandbox:
        codes = [
            code_of(sdk(sandbox, key="WRONGEXAMPLE"), {}),
            code_of(sdk(sandbox, secret_id="AKIDNOBODYEXAMPLE"), {}),
            code_of(sdk(sandbox, token="tokenexample"), {}),
            code_of(sdk(sandbox), {"Limit": 101}),
        ]
        stats = sandbox.stats()
    assert set(stats.pop("spans")) == {LIST}
    assert codes == [
        "AuthFailure.SignatureFailure",
        "AuthFailure.SecretIdNotFound",
        "AuthFailure.TokenFailure",
        "InvalidParameterValue.DataRange",
    ]
    assert stats == {
        "requests": 4,
        "refused": 0,
        "actions": {LIST: 1},
        "errors": dict.fromkeys(codes, 1),
        "faults": {},
        "images": 3,
    }


def test_one_sandbox_serves_several_accounts() -> None:
    """The secret id decides which fleet is listed and whose UIN STS gives."""
    other = Account(Fleet.seeded(4, seed=2), "AKIDOTHEREXAMPLE", "OTHEREXAMPLE", "100000000002")
    with Sandbox(Fleet.seeded(7), accounts=[other]) as sandbox:
        assert page(sdk(sandbox), {"Limit": 1})[1] == 7
        assert page(sdk(sandbox, "OTHEREXAMPLE", "AKIDOTHEREXAMPLE"), {"Limit": 1})[1] == 4
        sandbox.change({"insert": 2}, "100000000002")
        assert page(sdk(sandbox, "OTHEREXAMPLE", "AKIDOTHEREXAMPLE"), {"Limit": 1})[1] == 6
        with pytest.raises(ValueError, match="no account 5"):
            sandbox.change({"insert": 1}, "5")


def fetch(sandbox: Sandbox, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> bytes:
    """The body of an unsigned answer with status 200."""
    connection = http.client.HTTPConnection(sandbox.host, timeout=10)
    connection.request("GET" if body is None else "POST", path, body, headers or {})
    answer = connection.getresponse()
    assert answer.status == 200
    text = answer.read()
    connection.close()
    return text


def test_roles_give_keys_that_work() -> None:
    """AssumeRole, AssumeRoleWithWebIdentity (unsigned) and the CVM's metadata give keys for the account's list."""
    role = {"RoleArn": "qcs::cam::uin/100000000001:roleName/reader", "RoleSessionName": "test", "DurationSeconds": 900}
    web = json.dumps({**role, "ProviderId": "tke", "WebIdentityToken": "jwt"}).encode()
    action = {"Content-Type": "application/json", "X-TC-Action": "AssumeRoleWithWebIdentity"}
    base = "/latest/meta-data/cam/security-credentials/"
    with Sandbox(Fleet.seeded(2)) as sandbox:
        sts = CommonClient("sts", "2018-08-13", Credential("AKIDEXAMPLE", "SECRETEXAMPLE"), "", profile(sandbox))
        assumed = sts.call_json("AssumeRole", role)["Response"]
        federated = json.loads(fetch(sandbox, "/", web, action | {"X-TC-Version": "2018-08-13"}))["Response"]
        name = fetch(sandbox, base).decode()
        machine = json.loads(fetch(sandbox, base + name))
        totals = [
            page(sdk(sandbox, keys["TmpSecretKey"], keys["TmpSecretId"], keys["Token"]), {})[1]
            for keys in (assumed["Credentials"], federated["Credentials"], machine)
        ]
    assert totals == [2, 2, 2]
    assert abs(assumed["ExpiredTime"] - time.time() - 900) < 60
    assert (name, machine["Code"]) == ("tcss-sandbox", "Success")
