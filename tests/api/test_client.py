"""The client against a scripted server on loopback, under a clock that moves only when somebody sleeps."""

from __future__ import annotations

import json
import logging
import pickle
import re
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from connector.api.answers import Answer, CallStats
from connector.api.client import Client, Limits
from connector.api.client import Clock as Time
from connector.api.credentials import Credentials
from connector.api.endpoints import Endpoints
from connector.api.pace import HEADROOM
from connector.api.signing import sign
from connector.errors import (
    AccountStateError,
    ConfigurationError,
    CredentialsError,
    PermissionDeniedError,
    RequestRejectedError,
    ResponseTooLargeError,
    TcssError,
    ThrottledError,
    TransientError,
    UnavailableError,
)
from tests.api.scripted import (
    ACTION,
    CANARIES,
    CANARY,
    CUT,
    HTML,
    KEYS,
    OK,
    THROTTLE,
    Asked,
    Clock,
    Reply,
    Server,
    call,
    closed_port,
    refusal,
    response,
)

# What is sent


def test_the_request_on_the_wire(server: Server, client: Client) -> None:
    """Method, path, body and the whole set of headers are those of the documentation, and nothing else is sent."""
    client.call(ACTION, {"Limit": 100, "Filters": [{"Name": "ImageName", "Values": ["未命名"]}]})
    body = '{"Limit":100,"Filters":[{"Name":"ImageName","Values":["未命名"]}]}'.encode()
    signed = sign(
        secret_id="AKIDEXAMPLE",
        secret_key="SECRETEXAMPLE",
        service="tcss",
        host=server.host,
        body=body,
        timestamp=1_700_000_000,
        content_type="application/json",
    )
    headers = {
        "Host": server.host,
        "User-Agent": "tcss-connector",
        "Accept": "application/json",
        "Accept-Encoding": "gzip, deflate",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Authorization": signed,
        "X-TC-Action": ACTION,
        "X-TC-Version": "2020-11-01",
        "X-TC-Timestamp": "1700000000",
        "X-TC-Language": "en-US",
    }
    assert server.asked == [Asked("POST", "/", headers, body)]


def test_a_token_is_sent_with_temporary_keys_only(server: Server, make: Callable[..., Client]) -> None:
    """X-TC-Token must be absent with permanent keys."""
    call(make(Credentials("AKIDEXAMPLE", "SECRETEXAMPLE", "TOKENEXAMPLE")))
    call(make())
    assert [asked.headers.get("X-TC-Token") for asked in server.asked] == ["TOKENEXAMPLE", None]


def test_the_language_is_pinned(server: Server, make: Callable[..., Client]) -> None:
    """Localised texts do not change with a server's default."""
    call(make(language="zh-CN"))
    assert server.asked[0].headers["X-TC-Language"] == "zh-CN"


def test_another_version_of_the_api(server: Server, client: Client) -> None:
    """The caller may name another version; a service without a known host is refused."""
    client.call("DescribeX", {}, version="2021-01-01")
    assert server.asked[0].headers["X-TC-Version"] == "2021-01-01"
    with pytest.raises(ConfigurationError, match="no host is known for service cvm"):
        client.call("DescribeInstances", {}, service="cvm")


def test_every_attempt_is_signed_afresh(server: Server, client: Client) -> None:
    """A retry has its own timestamp and signature, or it would expire."""
    server.plays(refusal("InternalError"), refusal("InternalError"), refusal("InternalError"), OK)
    call(client)
    sent = [(asked.headers["X-TC-Timestamp"], asked.headers["Authorization"]) for asked in server.asked]
    for timestamp, value in sent:
        assert value == sign(
            secret_id="AKIDEXAMPLE",
            secret_key="SECRETEXAMPLE",
            service="tcss",
            host=server.host,
            body=b'{"Limit":100,"Offset":0}',
            timestamp=int(timestamp),
            content_type="application/json",
        )
    assert len(sent) == 4


def test_a_text_that_is_not_utf8_is_bad_usage(server: Server, client: Client) -> None:
    """As a filter or the name of a vulnerability can be: nothing is sent."""
    for send in (client.call, partial(client.sts, region="", keys=None)):
        with pytest.raises(ConfigurationError, match=f"{ACTION}: a text cannot be sent, because it is not UTF-8"):
            send(ACTION, {"Filters": ["a\udce9b"]})
    assert server.asked == []


# What comes back


def test_the_answer_is_the_unwrapped_response(server: Server, client: Client) -> None:
    """Everything under `Response` is handed on as it came, unknown fields included."""
    server.plays(response(TotalCount=339, List=None, Novel={"a": [1]}))
    assert call(client) == Answer({"RequestId": "ok", "TotalCount": 339, "List": None, "Novel": {"a": [1]}}, "ok")


@pytest.mark.parametrize("request_id", [None, 7, ["x"]])
def test_a_missing_request_id_is_no_failure(server: Server, client: Client, request_id: object) -> None:
    """The id is for support, the data counts."""
    server.plays(response(RequestId=request_id))
    assert call(client).request_id is None


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "text/plain", "text/html", ""])
def test_the_content_type_decides_nothing(server: Server, client: Client, kind: str) -> None:
    """The vendor's SDK takes an error for a success where a charset follows; we look at the body."""
    server.plays(Reply(refusal("UnauthorizedOperation").body, headers={"Content-Type": kind}))
    with pytest.raises(PermissionDeniedError):
        call(client)
    server.plays(Reply(headers={"Content-Type": kind}))
    assert call(client).request_id == "ok"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("UnauthorizedOperation.CamNoAuth", PermissionDeniedError),
        ("AuthFailure.SignatureFailure", CredentialsError),
        ("AuthFailure.SecretIdNotFound", CredentialsError),
        ("AuthFailure.TokenFailure", CredentialsError),
        ("InvalidParameter.ParsingError", RequestRejectedError),
        ("ActionOffline", RequestRejectedError),
        ("ResponseSizeLimitExceeded", ResponseTooLargeError),
        ("InternalError.ErrRoleNotExist", AccountStateError),
        ("LimitExceeded.Novel", AccountStateError),
        ("Novel.Code", RequestRejectedError),
    ],
)
@pytest.mark.parametrize("status", [200, 400])
def test_fatal_codes_are_raised_at_once(
    server: Server, client: Client, code: str, kind: type[TcssError], status: int
) -> None:
    """What waiting does not mend, unknown codes included, costs one request, whatever the HTTP status."""
    server.plays(refusal(code, "The text.", status=status))
    with pytest.raises(kind) as caught:
        call(client)
    error = caught.value
    assert type(error) is kind
    assert (error.code, error.action, error.request_id, error.attempt) == (code, ACTION, "rid-" + code, 1)
    assert str(error).startswith(f"{ACTION}: The text (code {code}, request id rid-{code}, attempt 1). ")
    assert len(server.asked) == 1


def test_an_error_that_is_null_is_none(server: Server, client: Client) -> None:
    """`"Error": null` is a success."""
    server.plays(response(Error=None, TotalCount=1))
    assert call(client).response["TotalCount"] == 1


# What is sent again

UNUSABLE = {
    "html": HTML,
    "cut": CUT,
    "dropped": Reply(drop=True),
    "empty": Reply(b""),
    "half": Reply(b'{"Response": {"TotalC'),
    "no-response": Reply(b'{"TotalCount": 1}'),
    "null-response": Reply(b'{"Response": null}'),
    "empty-response": Reply(b'{"Response": {}}'),
    "list": Reply(b"[]"),
    "odd-error": Reply(b'{"Response": {"Error": "no", "RequestId": "x"}}'),
    "error-without-code": Reply(b'{"Response": {"Error": {"Message": "no"}, "RequestId": "x"}}'),
    "bad-gzip": Reply(b"not gzip", headers={"Content-Encoding": "gzip"}),
    "500": Reply(b"", 500),
    "502-html": Reply(HTML.body, 502),
    "503-with-data": Reply(OK.body, 503),
    "503-unknown-code": refusal("GatewayTimeout", status=503),
    "429": Reply(b"slow down", 429),
    "404-html": Reply(HTML.body, 404),
    "InternalError": refusal("InternalError"),
    "InternalError.MainDBFail": refusal("InternalError.MainDBFail", status=500),
    "ServiceUnavailable": refusal("ServiceUnavailable"),
    "RequestTimeout": refusal("InvalidParameter.RequestTimeout"),
    "throttle": refusal("RequestLimitExceeded", THROTTLE),
    "ip-throttle": refusal("RequestLimitExceeded.IPLimitExceeded", THROTTLE),
}


@pytest.mark.parametrize("reply", UNUSABLE.values(), ids=UNUSABLE)
def test_what_passes_is_sent_again(server: Server, client: Client, reply: Reply) -> None:
    """Two unusable answers and then a good one are a success, and three requests."""
    server.plays(reply, reply, OK)
    assert call(client) == Answer({"TotalCount": 0, "List": [], "RequestId": "ok"}, "ok")
    assert len(server.asked) == 3
    assert (client.stats.requests, client.stats.retries) == (3, 2)


@pytest.mark.parametrize(
    ("reply", "kind", "text"),
    [
        (refusal("RequestLimitExceeded", THROTTLE), ThrottledError, "exceeds the frequency limit `20`"),
        (HTML, TransientError, "HTTP 200 from 127.0.0.1:"),
        (Reply(b"", 500), TransientError, "HTTP 500 from 127.0.0.1:"),
        (Reply(b"", 429), ThrottledError, "HTTP 429 from 127.0.0.1:"),
        (refusal("ServiceUnavailable"), TransientError, "text (code ServiceUnavailable"),
        (refusal("InvalidParameter.RequestTimeout"), TransientError, "text (code InvalidParameter.RequestTimeout"),
    ],
    ids=["throttle", "html", "500", "429", "unavailable", "timeout"],
)
def test_patience_ends(
    server: Server, make: Callable[..., Client], clock: Clock, reply: Reply, kind: type[TcssError], text: str
) -> None:
    """What stays is raised within `patience` seconds, all waiting included, and after several attempts."""
    server.plays(reply)
    with pytest.raises(kind) as caught:
        call(make(patience=120.0))
    assert type(caught.value) is kind
    assert text in str(caught.value)
    assert f"Gave up after {clock.seconds:.0f} s. " in str(caught.value)
    assert 60 < clock.seconds <= 120
    assert caught.value.attempt == len(server.asked) > 5


def test_no_patience_is_one_attempt(server: Server, make: Callable[..., Client]) -> None:
    """With patience 0 nothing is sent again."""
    server.plays(HTML)
    with pytest.raises(TransientError):
        call(make(patience=0.0))
    assert len(server.asked) == 1


def test_waiting_for_a_token_counts_as_patience(server: Server, make: Callable[..., Client], clock: Clock) -> None:
    """A call that waited longer than its patience for its turn is not sent again."""
    client = make(requests_per_second=0.01, patience=60.0)
    call(client)
    server.plays(HTML)
    with pytest.raises(TransientError):
        call(client)
    assert clock.seconds > 60
    assert len(server.asked) == 2


def test_closing_ends_calls_that_wait(server: Server) -> None:
    """A sync that has failed on one page does not wait for the patience of those under way beside it."""
    server.plays(refusal("InternalError"))
    client = Client(KEYS, endpoints=Endpoints(endpoint=f"http://{server.host}"), limits=Limits(patience=600.0))
    ended: list[str] = []

    def call() -> None:
        with pytest.raises(UnavailableError) as caught:
            client.call(ACTION, {})
        ended.append(caught.value.message)

    thread = threading.Thread(target=call)
    thread.start()
    while not client.stats.requests:
        pass
    client.close()
    thread.join(timeout=30)
    assert ended == ["the client was closed meanwhile"]


def test_internal_errors_are_capped(server: Server, client: Client, clock: Clock) -> None:
    """Some services answer InternalError for ever: five attempts, other failures between them not counted."""
    server.plays(refusal("InternalError"), HTML, refusal("InternalError.MainDBFail"), HTML, refusal("InternalError"))
    with pytest.raises(TransientError) as caught:
        call(client)
    assert (caught.value.code, caught.value.attempt, len(server.asked)) == ("InternalError", 7, 7)
    assert clock.seconds < 120


# Pace


def test_every_attempt_takes_a_token(server: Server, make: Callable[..., Client], clock: Clock) -> None:
    """Calls of one action come a little more slowly than the limit allows."""
    client = make(requests_per_second=1.0)
    for _ in range(10):
        call(client)
    assert clock.seconds == pytest.approx(9 * (1 + HEADROOM))


def test_actions_do_not_share_a_quota(server: Server, make: Callable[..., Client], clock: Clock) -> None:
    """The quota is per action, so another action need not wait."""
    client = make(requests_per_second=1.0)
    for action in ("A", "B", "C"):
        client.call(action, {})
    assert clock.seconds == 0


def test_a_throttle_slows_the_action_down(server: Server, make: Callable[..., Client], clock: Clock) -> None:
    """The limit that the refusal names holds for the requests after it, until more is tried."""
    client = make(requests_per_second=20.0)
    server.plays(refusal("RequestLimitExceeded", THROTTLE.replace("`20`", "`1`")), OK)
    call(client)
    begin = clock.seconds
    for _ in range(4):
        call(client)
    assert clock.seconds - begin == pytest.approx(4 * (1 + HEADROOM))
    assert client.stats == CallStats(6, 1, 1, "rid-RequestLimitExceeded", "ok-5")


def test_requests_under_way_follow_the_latency(
    server: Server, make: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice what the limit sends in the time of the fastest answer, and no more than connections are kept for."""
    clock, answer, found = Clock(), server.next, []
    client = make(clock=Time(clock, clock.now, clock.sleep), requests_per_second=20.0)
    for latency in (2.0, 1.0, 0.3, 0.05, 5.0):

        def slow(asked: Asked, latency: float = latency) -> Reply:
            clock.seconds += latency
            return answer(asked)

        monkeypatch.setattr(server, "next", slow)
        for _ in range(3):
            call(client)
        found.append(client.in_flight(ACTION))
    assert found == [84, 44, 16, 8, 8]


def test_many_throttled_threads_do_not_spin(server: Server, make: Callable[..., Client]) -> None:
    """Eight threads against a server that refuses everything send few requests, not thousands."""
    server.plays(refusal("RequestLimitExceeded", THROTTLE))
    clock, lock = Clock(), threading.Lock()

    def sleep(seconds: float) -> None:
        with lock:
            clock.sleep(seconds)

    client = make(patience=60.0, clock=Time(clock, clock.now, sleep))

    def work(_: int) -> str:
        with pytest.raises(ThrottledError) as caught:
            call(client)
        return str(caught.value.code)

    assert in_threads(8, work) == ["RequestLimitExceeded"] * 8
    assert len(server.asked) < 8 * 60


def in_threads(count: int, work: Callable[[int], Any]) -> list[Any]:
    results: list[Any] = [None] * count

    def run(index: int) -> None:
        results[index] = work(index)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def test_concurrent_calls_get_their_own_answers(server: Server, make: Callable[..., Client]) -> None:
    """Eight threads of ten calls each, some of them failing on the way: every answer belongs to its call."""
    echo, failed = server.next, set()

    def reply(asked: Asked) -> Reply:
        echo(asked)
        offset = json.loads(asked.body)["Offset"]
        with server.lock:
            if offset % 5 == 0 and offset not in failed:
                failed.add(offset)
                return refusal("ServiceUnavailable")
        return response(Offset=offset, RequestId=f"r{offset}")

    server.next = reply  # type: ignore[method-assign]
    client = make(requests_per_second=1e6)

    def work(index: int) -> list[int]:
        return [client.call(ACTION, {"Offset": index * 10 + n}).response["Offset"] for n in range(10)]

    assert in_threads(8, work) == [[index * 10 + n for n in range(10)] for index in range(8)]
    assert (client.stats.requests, client.stats.retries, client.stats.throttled) == (96, 16, 0)


# Hosts


def test_a_rate_of_nothing_is_refused() -> None:
    """A limit that cannot be used is refused before anything is asked."""
    with pytest.raises(ConfigurationError, match="must be more than 0"):
        Client(KEYS, limits=Limits(requests_per_second=0))


def test_a_host_that_never_answered_is_given_up_soon(make: Callable[..., Client], clock: Clock) -> None:
    """A wrong host is no passing fault: four attempts, and a message that names it and the settings."""
    host = f"127.0.0.1:{closed_port()}"
    client = make(endpoint=f"http://{host}")
    with pytest.raises(TransientError) as caught:
        call(client)
    assert re.sub(r"\[Errno \d+\] ", "", str(caught.value)) == (
        f"{ACTION}: {host} cannot be reached: NewConnectionError: Connection refused (attempt 4). "
        f"Gave up after {clock.seconds:.0f} s. "
        f"{host} has never answered: check the network, --endpoint, --site, HTTPS_PROXY and REQUESTS_CA_BUNDLE."
    )
    assert client.stats == CallStats(requests=4, retries=3)


def test_a_host_that_is_not_the_api_is_given_up_soon(server: Server, client: Client) -> None:
    """A page that was not found, from a host that never answered as the API does, is no passing fault either."""
    server.plays(Reply(HTML.body, 404))
    with pytest.raises(TransientError, match=r"HTTP 404 .* has never answered"):
        call(client)
    assert len(server.asked) == 4


def test_a_host_that_has_answered_is_waited_for(server: Server, make: Callable[..., Client], clock: Clock) -> None:
    """A connection that is refused in the middle of a run is tried until patience ends."""
    client = make(patience=120.0)
    call(client)
    server.shutdown()
    server.server_close()
    client.close()
    with pytest.raises(TransientError, match="Connection refused") as caught:
        call(client)
    assert (caught.value.attempt or 0) > 5
    assert clock.seconds > 60


# Secrets, log, counters


ECHO = f"the id {CANARIES[0]}, the key {CANARIES[1]} and the token {CANARIES[2]} do not fit"


@pytest.mark.parametrize(
    "reply",
    [
        refusal("AuthFailure.SignatureFailure", ECHO),
        refusal("RequestLimitExceeded", ECHO),
        refusal("Novel", ECHO),
        Reply(ECHO.encode(), 502),
        CUT,
        Reply(drop=True),
        Reply(b"", 302, {"Location": f"https://{CANARIES[0].lower()}/{CANARIES[1]}"}),
    ],
    ids=["signature", "throttle", "unknown", "echo", "cut", "drop", "redirect"],
)
def test_no_secret_leaves_the_client(
    server: Server, make: Callable[..., Client], caplog: pytest.LogCaptureFixture, reply: Reply
) -> None:
    """Not in errors, pickled or not, nor in the log at its finest, nor in reprs: even if the server echoes them."""
    caplog.set_level(logging.DEBUG, "connector")
    server.plays(reply)
    client = make(CANARY, patience=20.0)
    with pytest.raises(TcssError) as caught:
        call(client)
    error = caught.value
    shown = [str(error), repr(error), repr(vars(error)), repr(pickle.dumps(error)), caplog.text]
    shown += [repr(CANARY), repr(client), repr(client.stats), client.origin()]
    assert [secret for secret in CANARIES for text in shown if secret in text] == []


def test_the_log_has_a_line_for_each_attempt(server: Server, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """What was sent, how it ended, and the id for support."""
    caplog.set_level(logging.DEBUG, "connector.api.client")
    server.plays(refusal("RequestLimitExceeded", THROTTLE), HTML, OK)
    call(client)
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.DEBUG]
    assert lines == [
        f"{ACTION} attempt 1: RequestLimitExceeded, request id rid-RequestLimitExceeded, 0 ms",
        f"{ACTION} attempt 2: TransientError, request id None, 0 ms",
        f"{ACTION} attempt 3: ok, request id ok, 0 ms",
    ]


def test_warnings_are_few(
    server: Server, make: Callable[..., Client], clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """However often is tried again, there is one warning in five seconds."""
    server.plays(refusal("RequestLimitExceeded", THROTTLE))
    with pytest.raises(ThrottledError):
        call(make(patience=60.0))
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert 2 <= len(warnings) <= 60 / 5 + 1
    assert warnings[0].getMessage().startswith(f"{ACTION}: Your current request times equals to `21`")
    assert "Sending again in" in warnings[0].getMessage()


def test_counters(server: Server, client: Client) -> None:
    """Attempts, throttles, retries, and the first and the last request id; a copy does not change any more."""
    assert client.stats == CallStats()
    server.plays(
        Reply(b"", 500), refusal("RequestLimitExceeded", THROTTLE), response(RequestId="c"), response(RequestId="d")
    )
    call(client)
    before = client.stats
    call(client)
    assert before == CallStats(3, 1, 2, "rid-RequestLimitExceeded", "c")
    assert client.stats == CallStats(4, 1, 2, "rid-RequestLimitExceeded", "d")


def test_a_client_is_closed_by_with(server: Server, make: Callable[..., Client]) -> None:
    """`with` gives the client itself."""
    made = make()
    with made as client:
        assert client is made
        call(client)
