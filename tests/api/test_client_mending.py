"""What the client mends by itself, a wrong clock and refused keys, and where its keys come from."""

from __future__ import annotations

import json
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path

import pytest

from connector.api.client import Client
from connector.api.credentials import AssumeRole, Credentials, CvmRole, Static, TkeOidc
from connector.api.signing import sign
from connector.errors import (
    ClockError,
    CredentialsError,
    PermissionDeniedError,
    RequestRejectedError,
    TransientError,
    UnavailableError,
)
from tests.api.scripted import (
    ACTION,
    CANARIES,
    KEYS,
    OK,
    START,
    Asked,
    Clock,
    Reply,
    Server,
    call,
    refusal,
    response,
)

# Clock


def expired(seconds: float, clock: Clock) -> Reply:
    return refusal("AuthFailure.SignatureExpire", "Expired.", date=clock.now() + seconds)


@pytest.mark.parametrize("seconds", [3600.0, -3600.0], ids=["behind", "ahead"])
def test_a_wrong_clock_is_corrected_once(server: Server, client: Client, clock: Clock, seconds: float) -> None:
    """The Date of the refusal corrects the timestamp of the next attempt, and of the calls after it."""
    server.plays(expired(seconds, clock), OK)
    call(client)
    call(client)
    offsets = [round(int(asked.headers["X-TC-Timestamp"]) - START) for asked in server.asked]
    assert offsets == [0, seconds, seconds]
    assert client.skew == seconds


@pytest.mark.parametrize(
    ("skew", "corrected"), [(4, 0), (-4, 0), (6, 6), (-6, -6), (3600, 3600)], ids=["4 s", "-4 s", "6 s", "-6 s", "1 h"]
)
def test_instants_are_the_servers(server: Server, client: Client, clock: Clock, skew: float, corrected: float) -> None:
    """Where our clock is more than 5 s off; a Date of whole seconds tells no less."""
    server.plays(Reply(headers={"Date": formatdate(START + skew, usegmt=True)}))
    assert client.now() == START * 1e6
    call(client)
    assert client.now() == (START + corrected) * 1e6


@pytest.mark.parametrize("status", [200, 503])
def test_a_proxy_does_not_tell_the_time(server: Server, client: Client, clock: Clock, status: int) -> None:
    """The Date of a page that is not the API's answer; rows would be stamped by it."""
    page = Reply(b"<html>", status, headers={"Date": formatdate(START + 86_400, usegmt=True)})
    server.plays(page, Reply(headers={"Date": ""}))
    call(client)
    assert client.skew is None


def test_a_clock_that_stays_wrong_is_an_error(server: Server, client: Client, clock: Clock) -> None:
    """A second refusal ends the call, and the error names the skew that was measured."""
    server.plays(expired(-612.0, clock))
    with pytest.raises(ClockError) as caught:
        call(client)
    assert str(caught.value) == (
        f"{ACTION}: Expired (code AuthFailure.SignatureExpire, request id rid-AuthFailure.SignatureExpire, attempt 2). "
        "The server's clock is -612 s from this machine's. "
        "Set this machine's clock (NTP): the server allows 5 minutes."
    )
    assert len(server.asked) == 2


@pytest.mark.parametrize("date", [None, "yesterday"])
def test_without_a_date_there_is_no_correction(server: Server, client: Client, date: str | None) -> None:
    """A refusal that does not tell the time is final."""
    reply = refusal("AuthFailure.SignatureExpire")
    reply.headers |= {"Date": date} if date else {}
    server.plays(reply)
    with pytest.raises(ClockError):
        call(client)
    assert (len(server.asked), client.skew) == (1, None)


def test_the_skew_is_known_from_any_answer(server: Server, client: Client, clock: Clock) -> None:
    """`tcss check` tells it although nothing was refused; the timestamps are left alone."""
    server.plays(Reply(headers={"Date": formatdate(clock.now() + 42, usegmt=True)}))
    assert client.skew is None
    call(client)
    assert client.skew == 42
    call(client)
    assert server.asked[1].headers["X-TC-Timestamp"] == "1700000000"


# Keys


class Rotating:
    """Temporary keys that are other ones at each look."""

    origin = "rotation"

    def __init__(self, *names: str) -> None:
        self.names = list(names)

    def find(self, transport: object) -> Credentials:
        name = self.names.pop(0) if len(self.names) > 1 else self.names[0]
        return Credentials(f"AKID{name}", "SECRETEXAMPLE", "TOKENEXAMPLE")


def key_of(asked: Asked) -> str:
    return asked.headers["Authorization"].partition("Credential=")[2].partition("/")[0]


@pytest.mark.parametrize("code", ["AuthFailure.TokenFailure", "AuthFailure.SecretIdNotFound"])
def test_refused_temporary_keys_are_renewed_once(server: Server, make: Callable[..., Client], code: str) -> None:
    """New keys are tried at once; if they are refused as well, that is the error."""
    server.plays(refusal(code), OK)
    call(make(Rotating("OLD", "NEW")))
    assert [key_of(asked) for asked in server.asked] == ["AKIDOLD", "AKIDNEW"]
    server.asked.clear()
    server.plays(refusal(code))
    with pytest.raises(CredentialsError):
        call(make(Rotating("A", "B", "C")))
    assert [key_of(asked) for asked in server.asked] == ["AKIDA", "AKIDB"]


def test_the_same_temporary_keys_are_not_tried_again(server: Server, make: Callable[..., Client]) -> None:
    """Where the source has nothing new, a second request would be refused too."""
    server.plays(refusal("AuthFailure.TokenFailure"))
    with pytest.raises(CredentialsError):
        call(make(Rotating("SAME")))
    assert len(server.asked) == 1


ROLE = "qcs::cam::uin/100000000001:roleName/reader"
TEMPORARY = response(
    Credentials={"TmpSecretId": "AKIDTEMPORARY", "TmpSecretKey": "TEMPORARYEXAMPLE", "Token": "TOKENEXAMPLE"},
    ExpiredTime=int(START) + 7200,
)


def test_a_role_is_assumed_through_the_client(server: Server, make: Callable[..., Client]) -> None:
    """With a loopback endpoint STS is asked there: signed for sts with the base's keys, then the role's are used."""
    server.plays(TEMPORARY, OK)
    client = make(AssumeRole(Static(KEYS), ROLE))
    call(client)
    call(client)
    sts, *tcss = server.asked
    assert [sts.headers[f"X-TC-{name}"] for name in ("Action", "Version", "Region")] == [
        "AssumeRole",
        "2018-08-13",
        "ap-guangzhou",
    ]
    assert sts.headers["Authorization"] == sign(
        secret_id="AKIDEXAMPLE",
        secret_key="SECRETEXAMPLE",
        service="sts",
        host=server.host,
        body=sts.body,
        timestamp=int(START),
        content_type="application/json",
    )
    assert json.loads(sts.body)["RoleArn"] == ROLE
    assert [(key_of(asked), asked.headers["X-TC-Token"]) for asked in tcss] == [("AKIDTEMPORARY", "TOKENEXAMPLE")] * 2
    assert client.origin() == f"role {ROLE}, assumed with keys from given"


def test_a_role_is_assumed_again_before_it_expires(server: Server, make: Callable[..., Client], clock: Clock) -> None:
    """A run that is longer than the keys' life goes on."""
    server.plays(TEMPORARY, OK, TEMPORARY, OK)
    client = make(AssumeRole(Static(KEYS), ROLE))
    call(client)
    clock.seconds = 7200.0 - 300.0
    call(client)
    actions = [asked.headers["X-TC-Action"] for asked in server.asked]
    assert actions == ["AssumeRole", ACTION, "AssumeRole", ACTION]


@pytest.mark.parametrize("ahead", [10_800.0, -10_800.0], ids=["ahead", "behind"])
def test_keys_live_by_the_servers_clock(
    server: Server, make: Callable[..., Client], clock: Clock, ahead: float
) -> None:
    """A role is assumed once, although by our wrong clock its keys are expired from the start, or valid for hours."""
    temporary = Reply(TEMPORARY.body.replace(b"%d" % (START + 7200), b"%d" % (START - ahead + 7200)))
    server.plays(expired(-ahead, clock), temporary, OK, OK, OK, temporary, OK)
    client = make(AssumeRole(Static(KEYS), ROLE))
    for _ in range(3):
        call(client)
    clock.seconds = 7200.0 - 300.0
    call(client)
    actions = [asked.headers["X-TC-Action"] for asked in server.asked]
    assert actions == ["AssumeRole", "AssumeRole", ACTION, ACTION, ACTION, "AssumeRole", ACTION]


def tke_pod(tmp_path: Path) -> TkeOidc:
    (tmp_path / "token").write_text(CANARIES[2])
    return TkeOidc(
        {
            "TKE_ROLE_ARN": ROLE,
            "TKE_PROVIDER_ID": "cls-example",
            "TKE_REGION": "ap-singapore",
            "TKE_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
        }
    )


def test_a_web_identity_is_exchanged_unsigned(server: Server, make: Callable[..., Client], tmp_path: Path) -> None:
    """The request carries its own proof, so its Authorization is the word SKIP, as the vendor's SDK sends it."""
    server.plays(TEMPORARY, OK)
    call(make(tke_pod(tmp_path)))
    sts = server.asked[0].headers
    assert (sts["X-TC-Action"], sts["X-TC-Region"]) == ("AssumeRoleWithWebIdentity", "ap-singapore")
    assert (sts["Authorization"], "X-TC-Token" in sts) == ("SKIP", False)


def test_a_web_identity_token_is_a_secret(server: Server, make: Callable[..., Client], tmp_path: Path) -> None:
    """STS may quote it; the error does not."""
    server.plays(refusal("InvalidParameter", f"token {CANARIES[2]} is wrong"))
    with pytest.raises(RequestRejectedError, match=r"token \*\*\* is wrong"):
        call(make(tke_pod(tmp_path)))


def test_a_failed_search_for_keys_is_not_repeated(server: Server, make: Callable[..., Client]) -> None:
    """STS had its own attempts; the call for which keys were wanted does not multiply them."""
    server.plays(refusal("InternalError"))
    with pytest.raises(TransientError) as caught:
        call(make(AssumeRole(Static(KEYS), ROLE)))
    assert (caught.value.action, len(server.asked)) == ("AssumeRole", 5)
    server.asked.clear()
    server.plays(refusal("UnauthorizedOperation"))
    with pytest.raises(PermissionDeniedError, match="sts:AssumeRole"):
        call(make(AssumeRole(Static(KEYS), ROLE)))
    assert len(server.asked) == 1


def test_the_account_is_that_of_the_keys(server: Server, client: Client) -> None:
    """The root account's UIN comes from STS GetCallerIdentity, with the region that it demands."""
    server.plays(response(AccountId="100000000001", UserId="100000000002"))
    assert client.account_id() == "100000000001"
    asked = server.asked[0]
    assert asked.body == b"{}"
    assert {name: asked.headers[f"X-TC-{name}"] for name in ("Action", "Version", "Region")} == {
        "Action": "GetCallerIdentity",
        "Version": "2018-08-13",
        "Region": "ap-guangzhou",
    }
    assert "/sts/tc3_request" in asked.headers["Authorization"]
    server.plays(response())
    with pytest.raises(UnavailableError, match="no AccountId in the answer"):
        client.account_id()


def test_a_cvm_role_comes_from_the_metadata_service(server: Server, make: Callable[..., Client]) -> None:
    """Plain GETs, without our headers, to the role's list and to the role."""
    keys = {"TmpSecretId": "AKIDTEMPORARY", "TmpSecretKey": "K", "Token": "T", "ExpiredTime": START + 7200}
    server.plays(Reply(b"reader"), Reply(json.dumps(keys | {"Code": "Success"}).encode()), OK)
    call(make(CvmRole(f"http://{server.host}")))
    base = "/latest/meta-data/cam/security-credentials/"
    assert [(asked.method, asked.path) for asked in server.asked] == [
        ("GET", base),
        ("GET", base + "reader"),
        ("POST", "/"),
    ]
    assert "Authorization" not in server.asked[0].headers
    assert key_of(server.asked[2]) == "AKIDTEMPORARY"
