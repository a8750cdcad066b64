"""What the end of an attempt means, as a table."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.api.answers import Answer, clock_skew, is_elsewhere, judge
from connector.api.attempts import Attempt, Call, HttpResponse, NoResponse
from connector.errors import (
    ClockError,
    ConfigurationError,
    PermissionDeniedError,
    RequestRejectedError,
    TcssError,
    ThrottledError,
    TransientError,
    UnavailableError,
    from_code,
)
from tests.api.scripted import CANARIES, CANARY

ATTEMPT = Attempt(Call("DescribeX", "tcss", "2020-11-01", b"{}", "https://tcss.example", None), 2, None)


def got(body: str, status: int = 200, **headers: str) -> HttpResponse:
    return HttpResponse(status, headers, body.encode())


def error(code: str) -> str:
    return f'{{"Response": {{"Error": {{"Code": "{code}", "Message": "text"}}, "RequestId": "rid"}}}}'


REFUSED = NoResponse("NewConnectionError: Connection refused", passes=True, connected=False)
BROKEN = NoResponse("ProtocolError: Connection broken", passes=True, connected=True)
NO_BUNDLE = NoResponse("OSError: no CA bundle", passes=False, connected=True)


def test_an_answer_is_what_is_under_response() -> None:
    """With its request id if that is a text; a null `Error` is no error."""
    assert judge(ATTEMPT, got('{"Response": {"A": 1, "RequestId": "rid"}}')) == Answer(
        {"A": 1, "RequestId": "rid"}, "rid"
    )
    assert judge(ATTEMPT, got('{"Response": {"Error": null, "RequestId": 7}}')) == Answer(
        {"Error": None, "RequestId": 7}, None
    )


@pytest.mark.parametrize(("age", "old"), [("6", True), ("7, 0", True), ("9" * 5_000, True), ("5", False), ("", False)])
@pytest.mark.parametrize("body", ['{"Response": {"RequestId": "rid"}}', error("AuthFailure.SignatureExpire")])
def test_what_a_cache_has_stored_is_no_answer(body: str, age: str, old: bool) -> None:
    """Neither an answer nor a refusal. Such a refusal would set the clock back."""
    judged = judge(ATTEMPT, got(body, age=age))
    assert ("a cache has stored the answer" in str(judged)) == old
    if isinstance(judged, TcssError):
        assert (judged.request_id, judged.code is None) == ("rid", old)


@pytest.mark.parametrize("age", ["-9", "9.5", "\u0669", "old", ", 9"])
def test_an_age_that_is_no_number_is_none(age: str) -> None:
    """As HTTP says."""
    assert isinstance(judge(ATTEMPT, got('{"Response": {"RequestId": "rid"}}', age=age)), Answer)


@pytest.mark.parametrize("rows", ['{"0": {}}', "{}", '"[{}]"', "5", "true", "NaN"])
def test_a_list_that_is_no_array_is_no_answer(rows: str) -> None:
    """Its rows would be lost, as if the list were empty; a list that is null or missing is empty."""
    failed = judge(ATTEMPT, got(f'{{"Response": {{"List": {rows}, "TotalCount": 0, "RequestId": "rid"}}}}'))
    assert isinstance(failed, TransientError)
    assert str(failed).startswith(
        "DescribeX: the List in the answer is neither an array nor null (request id rid, attempt 2). Try later"
    )
    assert isinstance(judge(ATTEMPT, got('{"Response": {"List": null, "TotalCount": 0}}')), Answer)


@pytest.mark.parametrize(
    ("response", "kind", "text"),
    [
        (
            got(error("UnauthorizedOperation")),
            PermissionDeniedError,
            "text (code UnauthorizedOperation, request id rid",
        ),
        (got(error("Novel.Code"), 400), RequestRejectedError, "text (code Novel.Code, request id rid, attempt 2)"),
        (got(error("Novel.Code"), 503), TransientError, "HTTP 503 from tcss.example without a usable answer"),
        (got(error("Novel.Code"), 429), ThrottledError, "HTTP 429 from tcss.example without a usable answer"),
        (got(error("InternalError"), 503), TransientError, "text (code InternalError"),
        (got(error("RequestLimitExceeded")), ThrottledError, "text (code RequestLimitExceeded"),
        (got("<html>", 404), TransientError, "HTTP 404 from tcss.example without a usable answer, 6 bytes"),
        (got('{"Response": {}}'), TransientError, "HTTP 200 from tcss.example without a usable answer"),
        (
            got("", 302, location="https://a:b@portal.example/?c"),
            UnavailableError,
            "redirects to portal.example, which",
        ),
        (REFUSED, TransientError, "tcss.example cannot be reached: NewConnectionError: Connection refused (attempt 2)"),
        (got("", 302, location="/login"), UnavailableError, "redirects to another page of its own, which is not"),
        (got("", 304), TransientError, "HTTP 304 from tcss.example without a usable answer, 0 bytes"),
        (
            BROKEN,
            TransientError,
            "tcss.example gave no whole answer: ProtocolError: Connection broken (attempt 2). Check",
        ),
        (NO_BUNDLE, ConfigurationError, "Check --endpoint, HTTPS_PROXY and REQUESTS_CA_BUNDLE."),
    ],
    ids=[
        "fatal",
        "unknown-code",
        "unknown-code-of-a-gateway",
        "unknown-code-throttled",
        "known-code-of-a-gateway",
        "throttled",
        "not-found",
        "empty",
        "redirect",
        "redirect-without-a-host",
        "redirect-to-nowhere",
        "refused",
        "broken",
        "setting",
    ],
)
def test_errors(response: HttpResponse | NoResponse, kind: type[TcssError], text: str) -> None:
    """A code decides by itself where it is known; otherwise the status does."""
    outcome = judge(ATTEMPT, response)
    assert type(outcome) is kind
    assert text in str(outcome)


@pytest.mark.parametrize(
    ("skew", "hint"),
    [
        (-612.4, "The server's clock is -612 s from this machine's. Set this machine's clock"),
        (None, "Set this machine's clock"),
    ],
    ids=["known", "unknown"],
)
def test_an_error_about_the_clock_tells_the_skew(skew: float | None, hint: str) -> None:
    """If it is known."""
    outcome = judge(ATTEMPT, got(error("AuthFailure.SignatureExpire")), skew)
    assert isinstance(outcome, ClockError)
    assert (outcome.hint or "").startswith(hint)


@pytest.mark.parametrize(
    ("response", "outcome", "elsewhere"),
    [
        (REFUSED, TransientError("refused"), True),
        (BROKEN, TransientError("broken"), False),
        (NO_BUNDLE, ConfigurationError("no CA bundle"), False),
        (got("<html>", 404), TransientError("not found"), True),
        (got("<html>", 429), ThrottledError("throttled"), False),
        (got("<html>", 502), TransientError("gateway"), False),
        (got("", 302), UnavailableError("redirect"), False),
        (got(error("InternalError"), 400), from_code("InternalError", "text", action="DescribeX"), False),
    ],
    ids=["refused", "broken", "setting", "not-found", "throttled", "gateway", "redirect", "code"],
)
def test_what_may_be_another_host(response: HttpResponse | NoResponse, outcome: TcssError, elsewhere: bool) -> None:
    """No connection at all, or a page that was not found."""
    assert is_elsewhere(response, outcome) is elsewhere


@pytest.mark.parametrize(
    ("date", "skew"),
    [
        ("Tue, 14 Nov 2023 22:13:20 GMT", 0.0),
        ("Tue, 14 Nov 2023 22:14:02 GMT", 32.0),
        ("Tue, 14 Nov 2023 22:12:38 GMT", -42.0),
        ("Tue, 14 Nov 2023 22:13:25 GMT", 0.0),
        ("yesterday", None),
        (None, None),
    ],
    ids=["right", "ahead", "behind", "made while we waited", "no-date", "missing"],
)
def test_the_skew_is_the_servers_clock_less_ours(date: str | None, skew: float | None) -> None:
    """By the Date header, where it has one that can be read; an answer that takes 10 s says nothing of these 10 s."""
    assert clock_skew(date, 1_700_000_000.0, 1_700_000_010.0) == skew


DATES = {
    "20 digits": "Tue, 14 Nov 99999999999999999999 22:13:20 GMT",
    "5,000 digits": f"Tue, 14 Nov 2023 22:13:{'9' * 5000} GMT",
    "no such day": "Tue, 99 Nov 2023 22:13:20 GMT",
    "no such zone": "Tue, 14 Nov 2023 22:13:20 +99999999",
    "the last year": "Fri, 31 Dec 9999 23:59:59 GMT",
    "the first year": "Mon, 01 Jan 0101 00:00:00 GMT",
    "another century": "Sun, 06 Nov 1994 08:49:37 GMT",
    "brackets": "(" * 5000,
    "blanks": " " * 5000,
}


@pytest.mark.parametrize("date", DATES.values(), ids=DATES)
def test_a_date_that_cannot_be_right_is_none(date: str) -> None:
    """Nobody starts a run in the year 9999 because a proxy says so."""
    assert clock_skew(date, 1_700_000_000.0, 1_700_000_010.0) is None


def test_a_date_without_a_zone_is_utc() -> None:
    """Whatever the zone of this machine."""
    assert clock_skew("Tue, 14 Nov 2023 22:14:02", 1_700_000_000.0, 1_700_000_010.0) == 32.0


@given(
    st.text(st.characters(max_codepoint=255), max_size=60) | st.from_regex(r"\w{3}, \d+ \w{3} \d+ \d+:\d+:\d+ .{0,9}")
)
def test_no_date_is_an_unexpected_error(date: str) -> None:
    """A skew or None."""
    assert isinstance(clock_skew(date, 0.0, 1.0), float | None)


BAD_IDS = {
    "list": (["rid"], None),
    "number": (7, None),
    "empty": ("", None),
    "NUL": ("r\0d", "r\ufffdd"),
    "surrogate": ("r\ud800d", "r\ufffdd"),
    "escape sequence": ("r\x1b[31md", "r\x1b[31md"),
    "long": ("r" * 129, None),
    "10 MB": ("r" * 10_000_000, None),
    "a secret": (f"r{CANARY.token}d", "r***d"),
}


@pytest.mark.parametrize(("received", "kept"), BAD_IDS.values(), ids=BAD_IDS)
def test_a_request_id_can_be_stored_and_shown(received: object, kept: str | None) -> None:
    """In an answer as in an error; so can a code."""
    attempt = replace(ATTEMPT, keys=CANARY)
    answer = judge(attempt, got(json.dumps({"Response": {"RequestId": received}})))
    refused = {"Code": "Novel.Code", "Message": "text"}
    refusal = judge(attempt, got(json.dumps({"Response": {"RequestId": received, "Error": refused}})))
    assert (answer.request_id, refusal.request_id) == (kept, kept)
    coded = judge(attempt, got(json.dumps({"Response": {"Error": {"Code": received, "Message": "text"}}})))
    assert isinstance(coded, TcssError)
    assert coded.code == kept
    assert str(coded).isprintable()


BAD_MESSAGES = {
    "list": (["text"], ""),
    "none": (None, ""),
    "NUL and surrogate": ("a\0b\ud800c", "a\ufffdb\ufffdc"),
    "escape sequence": ("a\x1b]0;title\x07\x9b", "a\\x1b]0;title\\x07\\x9b"),
    "long": ("a" * 2_000_000, "a" * 1900),
    "a secret at the end of what is shown": ("a" * 1950 + CANARIES[1] + "b" * 1000, "a" * 1950 + "***bb"),
}


@pytest.mark.parametrize(("received", "kept"), BAD_MESSAGES.values(), ids=BAD_MESSAGES)
def test_a_message_can_be_stored_and_shown(received: object, kept: str) -> None:
    """Without secrets, and at a length that a person reads."""
    refused = {"Code": "Novel.Code", "Message": received}
    outcome = judge(replace(ATTEMPT, keys=CANARY), got(json.dumps({"Response": {"Error": refused}})))
    assert isinstance(outcome, TcssError)
    assert f"{kept}" in str(outcome)
    assert len(str(outcome)) < 2_200


@pytest.mark.parametrize(
    "response",
    [
        [],
        "text",
        5,
        None,
        {"Error": []},
        {"Error": "text"},
        {"Error": False},
        {"Error": {"Code": ["x"]}},
        {"Error": {}},
    ],
    ids=str,
)
def test_an_envelope_of_other_types_is_no_answer(response: object) -> None:
    """It may be one the next time."""
    outcome = judge(ATTEMPT, got(json.dumps({"Response": response})))
    assert type(outcome) is TransientError


@pytest.mark.parametrize(
    "location", ["http://[::1", "http://a\0b", "//", "http://x:99999999/", "\xe9" * 5000, "http://[v1.x]"]
)
def test_a_redirect_to_anything(location: str) -> None:
    """Is named as far as it can be."""
    outcome = judge(ATTEMPT, got("", 302, location=location))
    assert isinstance(outcome, UnavailableError)
    assert len(str(outcome)) < 2_200


@pytest.mark.parametrize("value", ["0", "-1", "1e400", "9" * 5000, "Fri, 31 Dec 9999 23:59:59 GMT", "soon", "\0", ""])
def test_retry_after_is_not_read(value: str) -> None:
    """The back-off is ours."""
    outcome = judge(ATTEMPT, got("", 503, **{"Retry-After": value}))
    assert (type(outcome), str(outcome).count("HTTP 503")) == (TransientError, 1)


def test_what_went_wrong_on_the_way_can_be_stored_and_shown() -> None:
    """A host that speaks no HTTP is quoted in the reason."""
    outcome = judge(ATTEMPT, NoResponse("BadStatusLine: \0\x1b" + "x" * 60_000, passes=True, connected=True))
    assert isinstance(outcome, TransientError)
    assert "BadStatusLine: \ufffd\\x1bxxx" in str(outcome)
    assert len(str(outcome)) < 2_200
