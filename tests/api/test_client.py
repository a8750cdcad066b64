"""The client against a scripted server on loopback, under a clock that moves only when somebody sleeps."""

from __future__ import annotations

import io
import json
import logging
import pickle
import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
import urllib3
from requests.adapters import BaseAdapter

from connector.api.answers import Answer, CallStats
from connector.api.client import Client
from connector.api.credentials import AssumeRole, Credentials, CvmRole, Static, TkeOidc
from connector.api.endpoints import base_url
from connector.api.pace import HEADROOM
from connector.api.signing import sign
from connector.errors import (
    AccountStateError,
    ClockError,
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

ACTION = "DescribeAssetImageList"
KEYS = Credentials("AKIDEXAMPLE", "SECRETEXAMPLE")
CANARIES = ("AKIDCANARYIDENTITY", "CANARYKEYEXAMPLE", "CANARYTOKENEXAMPLE")
CANARY = Credentials(*CANARIES)
START = 1_700_000_000.0
THROTTLE = (
    "Your current request times equals to `21` in a second, which exceeds the frequency limit `20` for a second. "
    "Please reduce the frequency of calls."
)


@dataclass
class Reply:
    """One answer of the server; `cut` announces more bytes than are sent, `drop` closes without an answer."""

    body: bytes = b'{"Response": {"TotalCount": 0, "List": [], "RequestId": "ok"}}'
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    cut: bool = False
    drop: bool = False


@dataclass
class Asked:
    """One request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


OK = Reply()
HTML = Reply(b"<html><body>502 Bad Gateway</body></html>", headers={"Content-Type": "text/html"})
CUT = Reply(cut=True)


def response(**inner: Any) -> Reply:
    return Reply(json.dumps({"Response": {"RequestId": "ok"} | inner}).encode())


def refusal(code: str, message: str = "text", *, status: int = 200, date: float | None = None) -> Reply:
    body = {"Response": {"Error": {"Code": code, "Message": message}, "RequestId": "rid-" + code}}
    headers = {"Content-Type": "application/json"} | ({} if date is None else {"Date": formatdate(date, usegmt=True)})
    return Reply(json.dumps(body).encode(), status, headers)


class Server(ThreadingHTTPServer):
    """Gives the `script`'s replies in turn, the last one for ever, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[Reply] = [OK]
        self.asked: list[Asked] = []
        self.lock = threading.Lock()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def plays(self, *script: Reply) -> None:
        self.script = list(script)

    def next(self, asked: Asked) -> Reply:
        with self.lock:
            self.asked.append(asked)
            return self.script.pop(0) if len(self.script) > 1 else self.script[0]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: Server

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        reply = self.server.next(Asked(self.command, self.path, dict(self.headers), body))
        if reply.drop:
            self.close_connection = True
            return
        self.send_response_only(reply.status)
        length = len(reply.body) + (100 if reply.cut else 0)
        for name, value in (reply.headers | {"Content-Length": str(length)}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)
        self.close_connection = reply.cut

    do_POST = do_GET = do_CONNECT = answer  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Clock:
    """Seconds that pass by sleeping alone."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds

    def now(self) -> float:
        return START + self.seconds


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(server: Server, clock: Clock) -> Iterator[Callable[..., Client]]:
    """Clients of the server, under the clock, closed at the end."""
    made: list[Client] = []

    def make(credentials: Any = KEYS, **options: Any) -> Client:
        options = {
            "endpoint": f"http://{server.host}",
            "clock": clock,
            "sleep": clock.sleep,
            "now": clock.now,
        } | options
        made.append(Client(credentials, **options))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(make: Callable[..., Client]) -> Client:
    return make()


def call(client: Client) -> Answer:
    return client.call(ACTION, {"Limit": 100, "Offset": 0})


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


def test_cookies_are_not_kept(server: Server, client: Client) -> None:
    """What a load balancer sets is not sent back."""
    server.plays(Reply(headers={"Set-Cookie": "lb=1; Path=/"}))
    call(client)
    call(client)
    assert [asked.headers.get("Cookie") for asked in server.asked] == [None, None]


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
    client = Client(KEYS, endpoint=f"http://{server.host}", patience=600.0)
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


def test_a_redirect_is_not_followed(server: Server, client: Client) -> None:
    """A signed request goes nowhere else; the target's host is named, its query and password are not."""
    server.plays(Reply(b"", 302, {"Location": f"http://user:{CANARIES[1]}@portal.example/login?x={CANARIES[2]}"}))
    with pytest.raises(UnavailableError) as caught:
        call(client)
    assert str(caught.value) == (
        f"{ACTION}: {server.host} redirects to portal.example, which is not followed (attempt 1). "
        "Check --endpoint and the proxy."
    )
    assert len(server.asked) == 1


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
    assert client.stats == CallStats(6, 1, 1, "rid-RequestLimitExceeded", "ok")


def test_requests_under_way_follow_the_latency(
    server: Server, make: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice what the limit sends in the time of the fastest answer, and no more than connections are kept for."""
    clock, answer, found = Clock(), server.next, []
    client = make(clock=clock, sleep=clock.sleep, now=clock.now, requests_per_second=20.0)
    for latency in (2.0, 1.0, 0.3, 0.05, 5.0):

        def slow(asked: Asked, latency: float = latency) -> Reply:
            clock.seconds += latency
            return answer(asked)

        monkeypatch.setattr(server, "next", slow)
        for _ in range(3):
            call(client)
        found.append(client.in_flight())
    assert found == [84, 44, 16, 8, 8]


def test_many_throttled_threads_do_not_spin(server: Server, make: Callable[..., Client]) -> None:
    """Eight threads against a server that refuses everything send few requests, not thousands."""
    server.plays(refusal("RequestLimitExceeded", THROTTLE))
    clock, lock = Clock(), threading.Lock()

    def sleep(seconds: float) -> None:
        with lock:
            clock.sleep(seconds)

    client = make(patience=60.0, clock=clock, sleep=sleep, now=clock.now)

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
        return response(Offset=offset)

    server.next = reply  # type: ignore[method-assign]
    client = make(requests_per_second=1e6)

    def work(index: int) -> list[int]:
        return [client.call(ACTION, {"Offset": index * 10 + n}).response["Offset"] for n in range(10)]

    assert in_threads(8, work) == [[index * 10 + n for n in range(10)] for index in range(8)]
    assert (client.stats.requests, client.stats.retries, client.stats.throttled) == (96, 16, 0)


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


def test_only_the_metadata_service_is_asked_for_roles(server: Server, client: Client) -> None:
    """Plain http goes to its host or to loopback, and to no other; a redirect or an error is no answer."""
    for url in ("http://example.com/x", "http://metadata.tencentyun.com.example.com/x", "https://example.com"):
        with pytest.raises(ConfigurationError, match="no metadata service"):
            client.metadata(url)
    for reply in (Reply(b"", 302, {"Location": "http://example.com"}), Reply(b"", 404)):
        server.plays(reply)
        with pytest.raises(UnavailableError, match=f"HTTP {reply.status}"):
            client.metadata(f"http://{server.host}/x")
    with pytest.raises(UnavailableError, match="ConnectionError"):
        client.metadata(f"http://127.0.0.1:{closed_port()}/x")


# Hosts


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("service", "site", "endpoint", "url"),
    [
        ("tcss", "intl", None, "https://tcss.intl.tencentcloudapi.com"),
        ("tcss", "cn", None, "https://tcss.tencentcloudapi.com"),
        ("sts", "intl", None, "https://sts.intl.tencentcloudapi.com"),
        ("sts", "cn", None, "https://sts.tencentcloudapi.com"),
        ("tcss", "intl", "https://TCSS.ap-beijing.tencentcloudapi.com/", "https://tcss.ap-beijing.tencentcloudapi.com"),
        ("sts", "cn", "https://tcss.ap-beijing.tencentcloudapi.com", "https://sts.tencentcloudapi.com"),
        ("tcss", "intl", "https://proxy.example:8443", "https://proxy.example:8443"),
        ("tcss", "intl", "http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("sts", "intl", "http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("sts", "intl", "http://127.8.9.1:8080", "http://127.8.9.1:8080"),
        ("tcss", "intl", "http://[::1]:8080", "http://[::1]:8080"),
        ("tcss", "intl", "http://localhost:8080/", "http://localhost:8080"),
    ],
)
def test_which_host_is_asked(service: str, site: str, endpoint: str | None, url: str) -> None:
    """The site's host; an https endpoint in place of TCSS's; a loopback endpoint in place of all."""
    assert base_url(service, site=site, endpoint=endpoint) == url


@pytest.mark.parametrize(
    ("endpoint", "message"),
    [
        ("http://tcss.intl.tencentcloudapi.com", "plain http to tcss.intl.tencentcloudapi.com is refused"),
        ("http://metadata.tencentyun.com", "plain http"),
        ("http://127.0.0.1.example.com", "plain http"),
        ("http://localhost.example.com", "plain http"),
        ("http://10.0.0.1", "plain http"),
        ("http://0.0.0.0:80", "plain http"),
        ("tcss.intl.tencentcloudapi.com", "not just"),
        ("ftp://tcss.intl.tencentcloudapi.com", "not an https URL"),
        ("https://", "not just"),
        ("https://host/path", "not just"),
        ("https://host?x=1", "not just"),
        (f"https://user:{CANARIES[1]}@host", "not just"),
        (f"http://127.0.0.1:80@{CANARIES[1]}.example", "not just"),
        ("https://host:port", "not a URL"),
        ("https://[::1", "not a URL"),
        ("https://a..b", "not just"),
        ("https://" + "x" * 70 + ".example", "not just"),
        ("https://bücher.example", "not just"),
        ("https://a b", "not just"),
    ],
)
def test_other_endpoints_are_refused(endpoint: str, message: str) -> None:
    """Plain http leaves the machine under no disguise, and a URL that is more than a host is not quoted."""
    with pytest.raises(ConfigurationError) as caught:
        Client(KEYS, endpoint=endpoint)
    assert message in str(caught.value)
    assert CANARIES[1] not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"site": "us"}, "no site 'us'. Choose one of intl, cn."), ({"requests_per_second": 0}, "must be more than 0")],
    ids=["site", "rate"],
)
def test_other_settings_are_refused(options: dict[str, Any], message: str) -> None:
    """A setting that cannot be used is refused before anything is asked."""
    with pytest.raises(ConfigurationError, match=message):
        Client(KEYS, **options)


def test_a_host_that_never_answered_is_given_up_soon(make: Callable[..., Client], clock: Clock) -> None:
    """A wrong host is no passing fault: four attempts, and a message that names it and the settings."""
    host = f"127.0.0.1:{closed_port()}"
    client = make(endpoint=f"http://{host}")
    with pytest.raises(TransientError) as caught:
        call(client)
    assert re.sub(r"\[Errno \d+\] ", "", str(caught.value)) == (
        f"{ACTION}: {host} cannot be reached: ConnectionError: Connection refused (attempt 4). "
        f"Gave up after {clock.seconds:.0f} s. "
        f"{host} has never answered: check the network, the proxy, --endpoint and --site."
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


class Recorder(BaseAdapter):
    """Stands in for https: keeps each request and how it was to be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[requests.PreparedRequest, dict[str, Any]]] = []

    def send(self, request: requests.PreparedRequest, **how: Any) -> requests.Response:  # type: ignore[override]
        self.sent.append((request, how))
        answer = requests.Response()
        answer.status_code, answer.request = 200, request
        answer.raw = urllib3.HTTPResponse(io.BytesIO(OK.body), preload_content=False)
        return answer

    def close(self) -> None:
        pass


@pytest.fixture
def recorder(make: Callable[..., Client], monkeypatch: pytest.MonkeyPatch) -> tuple[Client, Recorder]:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    client, recorder = make(endpoint=None, timeouts=(1.0, 2.0)), Recorder()
    client._session.mount("https://", recorder)
    return client, recorder


def test_tls_is_verified(recorder: tuple[Client, Recorder]) -> None:
    """https with verification, the given timeouts, and the site's host, which is the one that is signed."""
    client, sent = recorder
    call(client)
    request, how = sent.sent[0]
    assert (request.url, request.headers["Host"]) == (
        "https://tcss.intl.tencentcloudapi.com/",
        "tcss.intl.tencentcloudapi.com",
    )
    assert how == {"timeout": (1.0, 2.0), "verify": True, "proxies": {}, "stream": True, "cert": None}
    assert client.host == "tcss.intl.tencentcloudapi.com"


def test_netrc_does_not_replace_the_signature(
    recorder: tuple[Client, Recorder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """requests would take a password of ~/.netrc for the host instead of our Authorization."""
    (tmp_path / "netrc").write_text("default login someone password elsewhere\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    client, sent = recorder
    call(client)
    assert str(sent.sent[0][0].headers["Authorization"]).startswith("TC3-HMAC-SHA256 Credential=AKIDEXAMPLE/")


def test_proxies_and_ca_bundles_of_the_environment_are_used(
    recorder: tuple[Client, Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A company's proxy and certificate authority work as everywhere."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/company.pem")
    client, sent = recorder
    call(client)
    assert sent.sent[0][1]["proxies"]["https"] == "http://proxy.example:3128"
    assert sent.sent[0][1]["verify"] == "/etc/company.pem"


def test_a_proxy_that_refuses_is_named(
    server: Server, make: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tunnel is asked for by CONNECT; its refusal counts as a host that never answered."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://{server.host}")
    server.plays(Reply(b"", 407))
    with pytest.raises(TransientError, match=r"ProxyError: Tunnel connection failed: 407.*has never answered"):
        call(make(endpoint="https://tcss.example"))
    assert [(asked.method, asked.path) for asked in server.asked] == [("CONNECT", "tcss.example:443")] * 4


def test_plain_http_never_goes_through_a_proxy(
    server: Server, make: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loopback means this machine, whatever the environment says."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://proxy.example:3128")
    assert call(make()).request_id == "ok"
    server.plays(Reply(b"reader"))
    assert make().metadata(f"http://{server.host}/x") == "reader"


def test_a_missing_ca_bundle_is_a_setting(make: Callable[..., Client], monkeypatch: pytest.MonkeyPatch) -> None:
    """What no waiting mends is not tried again."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent/company.pem")
    with pytest.raises(ConfigurationError, match=r"nonexistent/company\.pem"):
        call(make(endpoint=f"https://127.0.0.1:{closed_port()}"))


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


def test_a_web_identity_token_is_a_secret(server: Server, make: Callable[..., Client], tmp_path: Path) -> None:
    """STS may quote it; the error does not."""
    server.plays(refusal("InvalidParameter", f"token {CANARIES[2]} is wrong"))
    with pytest.raises(RequestRejectedError, match=r"token \*\*\* is wrong"):
        call(make(tke_pod(tmp_path)))


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
