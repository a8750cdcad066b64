"""Who may call the sandbox, and how often: signature, clock, token, rate."""

from collections.abc import Iterator

import pytest

from connector.api.signing import sign
from connector.sandbox.access import Window, authenticate
from connector.sandbox.identity import Account, Accounts, Caller, get_caller_identity
from connector.sandbox.messages import Request
from connector.sandbox.parameters import ApiError
from connector.sandbox.state import Fleet

NOW = 1_700_000_000
THROTTLED = (
    "RequestLimitExceeded: Your current request times equals to `21` in a second, which exceeds the frequency limit "
    "`20` for a second. Please reduce the frequency of calls."
)
BODY = b'{"Limit": 100, "Offset": 0}'


def signed(
    *,
    body: bytes = BODY,
    secret_id: str = "AKIDEXAMPLE",
    secret_key: str = "SECRETEXAMPLE",
    service: str = "tcss",
    timestamp: int = NOW,
    action: str | None = None,
    **headers: str,
) -> Request:
    """A request that is right, and then has other headers (names with `_` for `-`; an empty value takes one away)."""
    authorization = sign(
        secret_id=secret_id,
        secret_key=secret_key,
        service=service,
        host="127.0.0.1:1",
        body=body,
        timestamp=timestamp,
        content_type="application/json",
        action=action,
    )
    sent = {
        "host": "127.0.0.1:1",
        "content-type": "application/json",
        "authorization": authorization,
        "x-tc-timestamp": str(timestamp),
        "x-tc-action": "DescribeAssetImageList",
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("POST", "/", {name: value for name, value in sent.items() if value}, BODY)


@pytest.fixture
def accounts() -> Accounts:
    return Accounts([Account(Fleet()), Account(Fleet(), "AKIDOTHEREXAMPLE", "OTHEREXAMPLE", "100000000002")])


@pytest.mark.parametrize(
    ("request_", "account_id"),
    [
        pytest.param(signed(), "100000000001", id="plain"),
        pytest.param(signed(action="DescribeAssetImageList"), "100000000001", id="action-signed-too"),
        pytest.param(signed(timestamp=NOW - 300), "100000000001", id="five-minutes-late"),
        pytest.param(signed(timestamp=NOW + 300), "100000000001", id="five-minutes-early"),
        pytest.param(signed(secret_id="AKIDOTHEREXAMPLE", secret_key="OTHEREXAMPLE"), "100000000002", id="other"),
    ],
)
def test_right_requests_belong_to_their_account(accounts: Accounts, request_: Request, account_id: str) -> None:
    """The secret id finds the account; either set of signed headers will do; five minutes of skew are allowed."""
    assert authenticate(request_, accounts, service="tcss", now=NOW).account.account_id == account_id


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        pytest.param(signed(authorization=""), "AuthFailure.InvalidAuthorization", id="unsigned"),
        pytest.param(signed(authorization="Bearer x"), "AuthFailure.InvalidAuthorization", id="another-scheme"),
        pytest.param(signed(service="sts"), "AuthFailure.InvalidAuthorization", id="another-service"),
        pytest.param(signed(x_tc_timestamp=""), "MissingParameter", id="no-timestamp"),
        pytest.param(signed(x_tc_timestamp="now"), "MissingParameter", id="timestamp-is-no-number"),
        pytest.param(signed(timestamp=NOW - 301), "AuthFailure.SignatureExpire", id="too-late"),
        pytest.param(signed(timestamp=NOW + 301), "AuthFailure.SignatureExpire", id="too-early"),
        pytest.param(signed(secret_id="AKIDNOBODYEXAMPLE"), "AuthFailure.SecretIdNotFound", id="unknown-id"),
        pytest.param(signed(secret_key="WRONGEXAMPLE"), "AuthFailure.SignatureFailure", id="wrong-key"),
        pytest.param(signed(body=b"{}"), "AuthFailure.SignatureFailure", id="another-body"),
        pytest.param(signed(host="localhost:1"), "AuthFailure.SignatureFailure", id="another-host"),
        pytest.param(signed(content_type="text/plain"), "AuthFailure.SignatureFailure", id="another-type"),
        pytest.param(signed(host=""), "AuthFailure.SignatureFailure", id="no-host"),
        pytest.param(signed(x_tc_timestamp=str(NOW + 1)), "AuthFailure.SignatureFailure", id="another-time"),
        pytest.param(signed(x_tc_token="t"), "AuthFailure.TokenFailure", id="token-with-a-long-lived-key"),
    ],
)
def test_wrong_requests_are_refused(accounts: Accounts, request_: Request, code: str) -> None:
    """Each mistake has the code of the real API."""
    with pytest.raises(ApiError) as caught:
        authenticate(request_, accounts, service="tcss", now=NOW)
    assert caught.value.code == code


def test_host_and_content_type_must_be_signed(accounts: Accounts) -> None:
    """A signature over less is invalid, whatever its value."""
    right = signed()
    headers = dict(right.headers)
    headers["authorization"] = headers["authorization"].replace("content-type;host", "host")
    with pytest.raises(ApiError, match=r"AuthFailure\.InvalidAuthorization"):
        authenticate(Request("POST", "/", headers, BODY), accounts, service="tcss", now=NOW)


def test_a_temporary_key_needs_its_token_and_ends(accounts: Accounts) -> None:
    """The token must be the key's own; at its expiry the key stops; STS calls it an assumed role."""
    key = accounts.issue(accounts.first, 100, NOW)
    mine = {"secret_id": key.secret_id, "secret_key": key.secret_key}
    good = signed(x_tc_token=key.token or "", **mine)
    assert authenticate(good, accounts, service="tcss", now=NOW + 99) == key
    assert get_caller_identity(Caller(key, accounts, NOW), {})["Type"] == "AssumedRoleUser"
    for request, now in ((signed(**mine), NOW), (signed(x_tc_token="other", **mine), NOW), (good, NOW + 100)):
        with pytest.raises(ApiError, match=r"AuthFailure\.TokenFailure"):
            authenticate(request, accounts, service="tcss", now=now)


def refused(window: Window, key: str) -> str | None:
    try:
        window.admit(key)
    except ApiError as error:
        return str(error)
    return None


def test_the_21st_request_in_a_second_is_refused() -> None:
    """Any second, not each calendar second; the text names both numbers; a refused request does not count."""
    times: Iterator[float] = iter([0.0] * 10 + [0.9] * 10 + [0.99, 0.999, 1.0] + [1.5] * 10)
    window = Window(20, lambda: next(times))
    answers = [refused(window, "a") for _ in range(33)]
    assert answers[:20] == [None] * 20
    assert answers[20] == answers[21] == THROTTLED
    assert [answer is None for answer in answers[22:]] == [True] * 10 + [False]


def test_each_key_has_a_rate_of_its_own_and_none_is_no_limit() -> None:
    """Another action or secret id is not slowed down; rate None never refuses."""
    window = Window(1, lambda: 0.0)
    assert [refused(window, key) is None for key in ("a", "b", "a")] == [True, True, False]
    unlimited = Window(None, lambda: 0.0)
    assert [refused(unlimited, "a") for _ in range(50)] == [None] * 50
