"""What is sent for a call, and that its secrets do not come back in texts."""

from dataclasses import replace

from connector.api.answers import Answer, judge
from connector.api.attempts import Attempt, Call, HttpResponse
from connector.api.credentials import Credentials
from connector.api.signing import sign
from connector.errors import TransientError
from connector.settings.lookup import Lookup

CALL = Call("DescribeX", "tcss", "2020-11-01", b'{"Limit":1}', "https://tcss.example:8443", None)
KEYS = Credentials("AKIDEXAMPLE", "SECRETEXAMPLE")
TIMESTAMP = 1_700_000_000
UNSIGNED = {
    "Host": "tcss.example:8443",
    "Content-Type": "application/json",
    "X-TC-Action": "DescribeX",
    "X-TC-Version": "2020-11-01",
    "X-TC-Timestamp": "1700000000",
    "X-TC-Language": "en-US",
    "Authorization": "SKIP",
}
SIGNATURE = sign(
    secret_id="AKIDEXAMPLE",
    secret_key="SECRETEXAMPLE",
    service="tcss",
    host="tcss.example:8443",
    body=b'{"Limit":1}',
    timestamp=TIMESTAMP,
    content_type="application/json",
)


def headers(attempt: Attempt) -> dict[str, str]:
    return attempt.headers(timestamp=TIMESTAMP, language="en-US")


def test_the_headers_of_an_attempt() -> None:
    """Keys sign the host with its port and the body; a token and a region have headers only where there are any."""
    temporary = replace(KEYS, token="TOKENEXAMPLE")
    regional = replace(CALL, region="ap-guangzhou")
    assert headers(Attempt(CALL, 1, None)) == UNSIGNED
    assert headers(Attempt(CALL, 1, KEYS)) == UNSIGNED | {"Authorization": SIGNATURE}
    assert headers(Attempt(CALL, 2, temporary)) == UNSIGNED | {"Authorization": SIGNATURE, "X-TC-Token": "TOKENEXAMPLE"}
    assert headers(Attempt(regional, 1, None)) == UNSIGNED | {"X-TC-Region": "ap-guangzhou"}


def test_only_a_token_makes_keys_temporary() -> None:
    """Permanent keys do not change, so that looking for them again is no use."""
    keys = [None, KEYS, replace(KEYS, token="TOKENEXAMPLE")]
    assert [Attempt(CALL, 1, each).has_temporary_keys for each in keys] == [False, False, True]


def test_errors_name_the_attempt_and_no_secret() -> None:
    """Action, number and hint; keys, and what the call hides, are replaced."""
    call = replace(CALL, hidden="WEBTOKENEXAMPLE")
    error = Attempt(call, 3, KEYS).failed(TransientError, "SECRETEXAMPLE and WEBTOKENEXAMPLE do not fit", "Try later.")
    assert str(error) == "DescribeX: *** and *** do not fit (attempt 3). Try later."
    assert Attempt(CALL, 1, None).redact("nothing to hide") == "nothing to hide"


def test_no_secret_is_in_a_repr() -> None:
    """The token of a request to STS, and the keys in its answer: reprs get into logs by way of a frame's variables."""
    answer = HttpResponse(200, {}, b'{"Response": {"Credentials": {"TmpSecretKey": "CANARY"}}}')
    call = replace(CALL, body=b'{"WebIdentityToken": "CANARY"}', hidden="CANARY")
    judged = judge(Attempt(call, 1, None), answer)
    assert isinstance(judged, Answer)
    lookup = Lookup({"credentials": {"secret_id": "AKIDEXAMPLE", "secret_key": "CANARY"}})
    assert "CANARY" not in repr([answer, call, Attempt(call, 1, None), judged, lookup])
