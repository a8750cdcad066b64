"""Where keys come from, in which order, when they are renewed, and that they never show."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from connector.api.credentials import (
    AssumeRole,
    Chain,
    Credentials,
    CvmRole,
    Environment,
    Profile,
    Static,
    TkeOidc,
    default_chain,
)
from connector.errors import CredentialsError
from tests.api.sources import GIVEN, NOW, Network, Source

CANARY_KEY = "CANARYKEYEXAMPLE"
CANARY_TOKEN = "CANARYTOKENEXAMPLE"
LATER = (NOW + 7200) * 1_000_000
STS = {
    "Credentials": {"TmpSecretId": "AKIDTEMPORARY", "TmpSecretKey": CANARY_KEY, "Token": CANARY_TOKEN},
    "ExpiredTime": NOW + 7200,
    "Expiration": "2023-11-15T00:13:20Z",
    "RequestId": "rid",
}
TEMPORARY = Credentials("AKIDTEMPORARY", CANARY_KEY, CANARY_TOKEN, LATER)
ROLE = "qcs::cam::uin/100000000001:roleName/reader"


def profile(tmp_path: Path, text: str) -> Profile:
    path = tmp_path / "credentials"
    path.write_text(text, encoding="utf-8")
    return Profile([path])


# Credentials


def test_no_secret_is_shown() -> None:
    """repr and str show four characters of the id, never the key or the token."""
    keys = Credentials("AKIDEXAMPLE", CANARY_KEY, CANARY_TOKEN, LATER, "the test")
    assert repr(keys) == f"Credentials(secret_id=AKID***, expires_at={LATER}, origin='the test')"
    assert str(keys) == repr(keys)
    assert repr(Static(keys)) == f"Static(credentials={keys!r})"


def test_secrets_are_taken_out_of_the_texts_of_others() -> None:
    """What a server says may quote our keys; what we pass on does not."""
    text = f"{TEMPORARY.secret_id} with {CANARY_TOKEN} and {CANARY_KEY}"
    assert TEMPORARY.redact(text) == "*** with *** and ***"


def test_the_origin_is_no_part_of_the_keys() -> None:
    """The same keys from two places are the same keys."""
    assert Credentials("AKIDEXAMPLE", "SECRETEXAMPLE", origin="elsewhere") == GIVEN


@pytest.mark.parametrize("value", ["", "AKID EXAMPLE", "AKID\nEXAMPLE", "ключ", " AKIDEXAMPLE", "AKIDEXAMPLE\t"])
@pytest.mark.parametrize("name", ["secret_id", "secret_key", "token"])
def test_keys_that_no_header_can_carry_are_refused(name: str, value: str) -> None:
    """The error names the part and where it came from, and does not quote it."""
    parts = {"secret_id": "AKIDEXAMPLE", "secret_key": "SECRETEXAMPLE", "token": "TOKENEXAMPLE", name: value}
    with pytest.raises(CredentialsError) as caught:
        Credentials(**parts, origin="the test")
    assert str(caught.value).startswith(f"the {name.replace('_', ' ')} from the test is empty or has forbidden")
    assert not value or value not in str(caught.value)


# Environment


@pytest.mark.parametrize(
    ("environ", "token"),
    [
        ({}, None),
        ({"TENCENTCLOUD_TOKEN": "TOKENEXAMPLE"}, "TOKENEXAMPLE"),
        ({"TENCENTCLOUD_SECURITY_TOKEN": "OTHEREXAMPLE"}, "OTHEREXAMPLE"),
        ({"TENCENTCLOUD_TOKEN": "TOKENEXAMPLE", "TENCENTCLOUD_SECURITY_TOKEN": "OTHEREXAMPLE"}, "TOKENEXAMPLE"),
        ({"TENCENTCLOUD_TOKEN": " "}, None),
    ],
    ids=["permanent", "token", "security-token", "both", "blank"],
)
def test_environment(environ: dict[str, str], token: str | None) -> None:
    """Id, key and, unlike the vendor's SDK, a token under either name; blanks around are dropped."""
    keys = {"TENCENTCLOUD_SECRET_ID": " AKIDEXAMPLE", "TENCENTCLOUD_SECRET_KEY": "SECRETEXAMPLE\n"}
    found = Environment(keys | environ).find(Network())
    assert found == Credentials("AKIDEXAMPLE", "SECRETEXAMPLE", token)
    assert found is not None
    assert found.origin == "environment (TENCENTCLOUD_SECRET_ID, TENCENTCLOUD_SECRET_KEY)"


@pytest.mark.parametrize("quote", ['"', "'"])
def test_quotes_of_a_file_of_variables_are_dropped(quote: str) -> None:
    """`docker run --env-file` keeps them, as it keeps blanks; no key has any."""
    names = ("SECRET_ID", "SECRET_KEY", "TOKEN")
    found = Environment({f"TENCENTCLOUD_{name}": f" {quote}{name}EXAMPLE{quote} " for name in names}).find(Network())
    assert found is not None
    assert [found.secret_id, found.secret_key, found.token] == [f"{name}EXAMPLE" for name in names]


def test_an_environment_without_keys_is_no_source() -> None:
    """Nothing set, empty values or a lonely token mean: look elsewhere."""
    assert Environment({}).find(Network()) is None
    assert Environment({"TENCENTCLOUD_SECRET_ID": "", "TENCENTCLOUD_TOKEN": "TOKENEXAMPLE"}).find(Network()) is None


@pytest.mark.parametrize(
    ("name", "missing"),
    [("TENCENTCLOUD_SECRET_ID", "the secret key missing"), ("TENCENTCLOUD_SECRET_KEY", "the secret id missing")],
)
def test_half_an_environment_is_a_mistake(name: str, missing: str) -> None:
    """An id without its key is not passed over, because other keys may belong to another account."""
    with pytest.raises(CredentialsError, match=missing):
        Environment({name: CANARY_KEY}).find(Network())


def test_environment_is_the_processs_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set after the object was made counts."""
    source = Environment()
    monkeypatch.setenv("TENCENTCLOUD_SECRET_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("TENCENTCLOUD_SECRET_KEY", "SECRETEXAMPLE")
    monkeypatch.delenv("TENCENTCLOUD_TOKEN", raising=False)
    monkeypatch.delenv("TENCENTCLOUD_SECURITY_TOKEN", raising=False)
    assert source.find(Network()) == GIVEN


# Profile file


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("[default]\nsecret_id = AKIDEXAMPLE\nsecret_key=SECRETEXAMPLE\n", GIVEN),
        ("[default]\nsecret_id = \"AKIDEXAMPLE\"\nsecret_key = 'SECRETEXAMPLE'\n", GIVEN),
        ("\ufeff[default]\r\nsecret_id =  AKIDEXAMPLE  \r\nsecret_key = SECRETEXAMPLE\r\n", GIVEN),
        ("[other]\nsecret_id=x\n[default]\nsecret_id=AKIDEXAMPLE\nsecret_key=SECRETEXAMPLE\nrole_arn=r\n", GIVEN),
        ("[default]\nsecret_id=AKIDEXAMPLE\nsecret_key=100%SECRET\n", Credentials("AKIDEXAMPLE", "100%SECRET")),
        ("[default]\nsecret_id=AKIDEXAMPLE\nsecret_key=A=B:C\n", Credentials("AKIDEXAMPLE", "A=B:C")),
        (
            "[default]\nsecret_id=AKIDEXAMPLE\nsecret_key=SECRETEXAMPLE\ntoken=TOKENEXAMPLE\n",
            Credentials("AKIDEXAMPLE", "SECRETEXAMPLE", "TOKENEXAMPLE"),
        ),
    ],
    ids=["plain", "quoted", "bom-crlf", "sections", "percent", "equals", "token"],
)
def test_profile_file(tmp_path: Path, text: str, keys: Credentials) -> None:
    """The default section's id, key and token; quotes and blanks are not part of them."""
    assert profile(tmp_path, text).find(Network()) == keys


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no readable section [default]"),
        ("[other]\nsecret_id = x\nsecret_key = y\n", "no readable section [default]"),
        (f"secret_id = AKIDEXAMPLE\nsecret_key = {CANARY_KEY}\n", "no readable section [default]"),
        (f"[default]\n{CANARY_KEY}\n", "no readable section [default]"),
        (f"[default]\nsecret_key = {CANARY_KEY}\n", "the secret id missing"),
        ("[default]\nsecret_id = AKIDEXAMPLE\nsecret_key = ''\n", "the secret key missing"),
        ("[default]\nregion = ap-guangzhou\n", "secret_id and secret_key missing"),
    ],
    ids=["empty", "other-section", "no-section", "no-value", "no-id", "empty-key", "no-keys"],
)
def test_a_profile_file_without_keys_is_a_mistake(tmp_path: Path, text: str, message: str) -> None:
    """The error names the file and what is missing, and quotes no line of it."""
    with pytest.raises(CredentialsError) as caught:
        profile(tmp_path, text).find(Network())
    assert message in str(caught.value)
    assert str(tmp_path / "credentials") in str(caught.value)
    assert CANARY_KEY not in str(caught.value)


def test_the_first_profile_file_that_exists_counts(tmp_path: Path) -> None:
    """A missing file is passed over, a file that cannot be read is not."""
    profile(tmp_path, "[default]\nsecret_id=AKIDEXAMPLE\nsecret_key=SECRETEXAMPLE\n")
    found = Profile([tmp_path / "missing", tmp_path / "credentials"]).find(Network())
    assert found == GIVEN
    assert found is not None
    assert found.origin == f"profile file {tmp_path / 'credentials'}, section [default]"
    assert Profile([tmp_path / "missing"]).find(Network()) is None
    with pytest.raises(CredentialsError, match="cannot be read: IsADirectoryError"):
        Profile([tmp_path, tmp_path / "credentials"]).find(Network())
    (tmp_path / "credentials").write_bytes(b"\xff\xfe")
    with pytest.raises(CredentialsError, match="cannot be read: UnicodeDecodeError"):
        Profile([tmp_path / "credentials"]).find(Network())


def test_the_profile_file_is_in_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """~/.tencentcloud/credentials comes before the machine's."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".tencentcloud").mkdir()
    (tmp_path / ".tencentcloud" / "credentials").write_text(
        "[default]\nsecret_id=AKIDEXAMPLE\nsecret_key=SECRETEXAMPLE\n"
    )
    assert Profile().find(Network()) == GIVEN


# Roles


def tke(tmp_path: Path, **changes: str) -> TkeOidc:
    (tmp_path / "token").write_text("WEBTOKENEXAMPLE\n")
    environ = {
        "TKE_ROLE_ARN": ROLE,
        "TKE_PROVIDER_ID": "cls-example",
        "TKE_REGION": "ap-singapore",
        "TKE_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
    }
    return TkeOidc(environ | changes)


def test_tke_pods_assume_their_role_with_an_unsigned_call(tmp_path: Path) -> None:
    """The token of the file is exchanged at STS, in the pod's region, without keys."""
    network = Network({"AssumeRoleWithWebIdentity": STS})
    found = tke(tmp_path).find(network)
    payload = {
        "ProviderId": "cls-example",
        "WebIdentityToken": "WEBTOKENEXAMPLE",
        "RoleArn": ROLE,
        "RoleSessionName": "tcss-connector",
        "DurationSeconds": 7200,
    }
    assert network.asked == [("AssumeRoleWithWebIdentity", payload, "ap-singapore", None)]
    assert found == TEMPORARY
    assert found is not None
    assert found.origin == f"TKE OIDC, role {ROLE}"


def test_the_web_identity_token_is_read_each_time(tmp_path: Path) -> None:
    """The kubelet rotates the file."""
    network, source = Network({"AssumeRoleWithWebIdentity": STS}), tke(tmp_path)
    source.find(network)
    (tmp_path / "token").write_text("ROTATEDEXAMPLE")
    source.find(network)
    assert [asked[1]["WebIdentityToken"] for asked in network.asked] == ["WEBTOKENEXAMPLE", "ROTATEDEXAMPLE"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"TKE_PROVIDER_ID": "", "TKE_REGION": ""}, "TKE_PROVIDER_ID, TKE_REGION missing"),
        ({"TKE_WEB_IDENTITY_TOKEN_FILE": "/nonexistent/token"}, "the token file missing"),
    ],
    ids=["half", "no-file"],
)
def test_half_a_tke_setup_is_a_mistake(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    """A pod with a role says what its setup lacks."""
    with pytest.raises(CredentialsError, match=message):
        tke(tmp_path, **changes).find(Network())


def test_without_a_role_it_is_no_tke_pod(tmp_path: Path) -> None:
    """TKE_REGION alone means nothing."""
    assert tke(tmp_path, TKE_ROLE_ARN="").find(Network()) is None


METADATA = "http://metadata.tencentyun.com/latest/meta-data/cam/security-credentials/"
CVM = STS["Credentials"] | {"ExpiredTime": NOW + 7200, "Code": "Success"}  # type: ignore[operator]


def test_cvm_role() -> None:
    """The metadata service names the role and then gives its keys."""
    network = Network({METADATA: "reader\n", METADATA + "reader": orjson.dumps(CVM).decode()})
    found = CvmRole().find(network)
    assert network.asked == [(METADATA,), (METADATA + "reader",)]
    assert found == TEMPORARY
    assert found is not None
    assert found.origin == "CVM role reader"


def test_a_named_cvm_role_is_not_asked_for() -> None:
    """Odd characters of a name are quoted in the URL."""
    network = Network({METADATA + "my%20role%2F": orjson.dumps(CVM).decode()})
    assert CvmRole(role="my role/").find(network) == TEMPORARY


@pytest.mark.parametrize(
    "answers",
    [
        {},
        {METADATA: "reader"},
        {METADATA: "reader", METADATA + "reader": "<html>"},
        {METADATA: "reader", METADATA + "reader": '{"Code": "Failed"}'},
        {METADATA: "reader", METADATA + "reader": "[]"},
    ],
    ids=["no-service", "no-role", "html", "failed", "list"],
)
def test_a_machine_without_a_role_is_no_source(answers: dict[str, str]) -> None:
    """Whatever else answers at that address does not end the search with a riddle."""
    assert CvmRole().find(Network(answers)) is None


def test_assume_role() -> None:
    """A role is assumed with the base's keys, for two hours, in a region that STS always has."""
    network = Network({"AssumeRole": STS})
    found = AssumeRole(Static(GIVEN), ROLE).find(network)
    payload = {"RoleArn": ROLE, "RoleSessionName": "tcss-connector", "DurationSeconds": 7200}
    assert network.asked == [("AssumeRole", payload, "ap-guangzhou", GIVEN)]
    assert found == TEMPORARY
    assert found is not None
    assert found.origin == f"role {ROLE}, assumed with keys from the test"


def test_a_role_needs_keys_to_assume_it_with() -> None:
    """A role that was asked for is not silently left out."""
    with pytest.raises(CredentialsError, match=r"keys to assume .* with missing"):
        AssumeRole(Environment({}), ROLE).find(Network())


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"Credentials": None, "ExpiredTime": 1},
        {"Credentials": STS["Credentials"]},
        {"Credentials": {"TmpSecretId": "AKIDTEMPORARY", "TmpSecretKey": CANARY_KEY}, "ExpiredTime": 1},
        {"Credentials": {"TmpSecretId": None, "TmpSecretKey": CANARY_KEY, "Token": "t"}, "ExpiredTime": 1},
        STS | {"ExpiredTime": "soon"},
    ],
    ids=["empty", "null", "no-expiry", "no-token", "null-id", "odd-expiry"],
)
def test_an_answer_without_keys_is_an_error(answer: dict[str, Any]) -> None:
    """Half an answer is not signed with, nor quoted."""
    with pytest.raises(CredentialsError) as caught:
        AssumeRole(Static(GIVEN), ROLE).find(Network({"AssumeRole": answer}))
    assert CANARY_KEY not in str(caught.value)


# Chain


def test_the_first_source_with_keys_counts() -> None:
    """Those after it are not asked."""
    empty, full, last = Source(None), Source(GIVEN), Source(TEMPORARY)
    assert Chain([empty, full, last]).find(Network()) == GIVEN
    assert (empty.asked, full.asked, last.asked) == (1, 1, 0)


def test_a_chain_stays_with_its_source() -> None:
    """Keys are renewed where they came from: another source may belong to another account."""
    first, second = Source(None, GIVEN), Source(TEMPORARY)
    chain = Chain([first, second])
    assert [chain.find(Network()), chain.find(Network())] == [TEMPORARY, TEMPORARY]
    assert first.asked == 1


def test_a_source_that_is_set_up_wrongly_ends_the_search() -> None:
    """A mistake is reported, not papered over by keys from elsewhere."""
    with pytest.raises(CredentialsError, match="broken"):
        Chain([Source(CredentialsError("broken")), Source(GIVEN)]).find(Network())


def test_nothing_found_says_what_was_tried_and_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """The order is: given, environment, profile file, TKE OIDC, CVM role."""
    for name in ("TENCENTCLOUD_SECRET_ID", "TENCENTCLOUD_SECRET_KEY", "TKE_ROLE_ARN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Profile, "find", lambda *_: None)
    network = Network()
    with pytest.raises(CredentialsError) as caught:
        default_chain(Source(None, origin="configuration")).find(network)
    assert str(caught.value) == (
        "no keys found; tried: configuration; environment (TENCENTCLOUD_SECRET_ID, TENCENTCLOUD_SECRET_KEY); "
        "profile file (~/.tencentcloud/credentials or /etc/tencentcloud/credentials, section [default]); "
        "TKE OIDC (TKE_ROLE_ARN, TKE_PROVIDER_ID, TKE_REGION, TKE_WEB_IDENTITY_TOKEN_FILE); "
        "CVM role (http://metadata.tencentyun.com). "
        "Set TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY, or write a profile file."
    )
    assert network.asked == [(METADATA,)]


def test_the_metadata_service_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """With `metadata=False` nothing is asked of the network."""
    for name in ("TENCENTCLOUD_SECRET_ID", "TENCENTCLOUD_SECRET_KEY", "TKE_ROLE_ARN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Profile, "find", lambda *_: None)
    network = Network()
    with pytest.raises(CredentialsError):
        default_chain(metadata=False).find(network)
    assert network.asked == []
