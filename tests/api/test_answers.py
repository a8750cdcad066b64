"""What the end of an attempt means, as a table."""

import pytest

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

ATTEMPT = Attempt(Call("DescribeX", "tcss", "2020-11-01", b"{}", "https://tcss.example", None), 2, None)


def got(body: str, status: int = 200, **headers: str) -> HttpResponse:
    return HttpResponse(status, headers, body.encode())


def error(code: str) -> str:
    return f'{{"Response": {{"Error": {{"Code": "{code}", "Message": "text"}}, "RequestId": "rid"}}}}'


REFUSED = NoResponse("ConnectionError: Connection refused", passes=True, connected=False)
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
            got("", 302, Location="https://a:b@portal.example/?c"),
            UnavailableError,
            "redirects to portal.example, which",
        ),
        (REFUSED, TransientError, "tcss.example cannot be reached: ConnectionError: Connection refused (attempt 2)"),
        (BROKEN, TransientError, "Check the network and the proxy."),
        (NO_BUNDLE, ConfigurationError, "Check --endpoint, and the proxy and CA settings."),
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
