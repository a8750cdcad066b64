"""The sandbox over HTTP, asked with raw requests where the vendor's client (test_sandbox_sdk.py) is too polite."""

import asyncio
import http.client
import json
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from connector.api.signing import sign
from connector.sandbox import Churn, Fault, Fleet, Sandbox

LIST = "DescribeAssetImageList"


def raw(
    sandbox: Sandbox, action: str = LIST, payload: Any = None, *, method: str = "POST", path: str = "/", **more: Any
) -> tuple[int, dict[str, str], bytes]:
    """A signed request as it goes over the wire: status, headers (lower case) and body of the answer."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload or {}).encode()
    sts = action in ("GetCallerIdentity", "AssumeRole")
    timestamp = int(time.time())
    authorization = sign(
        secret_id="AKIDEXAMPLE",
        secret_key="SECRETEXAMPLE",
        service="sts" if sts else "tcss",
        host=sandbox.host,
        body=body,
        timestamp=timestamp,
        content_type="application/json",
    )
    headers = {
        "Content-Type": "application/json",
        "X-TC-Action": action,
        "X-TC-Version": "2018-08-13" if sts else "2020-11-01",
        "X-TC-Timestamp": str(timestamp),
        "Authorization": authorization,
    } | {name.replace("_", "-"): value for name, value in more.items()}
    return send(sandbox, method, path, body, {name: value for name, value in headers.items() if value})


def send(
    sandbox: Sandbox, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(sandbox.host, timeout=10)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def content(answer: tuple[int, dict[str, str], bytes]) -> dict[str, Any]:
    response = json.loads(answer[2])["Response"]
    assert isinstance(response, dict)
    return response


@pytest.mark.parametrize("skew", [-301, 302], ids=["server-behind", "server-ahead"])
def test_a_clock_that_is_wrong_is_refused(skew: int) -> None:
    """More than five minutes between X-TC-Timestamp and the server; the Date header lets a client mend it."""
    with Sandbox(Fleet(), clock=lambda: 1_700_000_000.0) as sandbox:
        _, headers, body = raw(sandbox)
    assert headers["date"] == "Tue, 14 Nov 2023 22:13:20 GMT"
    assert json.loads(body)["Response"]["Error"]["Code"] == "AuthFailure.SignatureExpire"
    with Sandbox(Fleet(), clock=lambda: time.time() + skew) as sandbox:
        assert content(raw(sandbox))["Error"]["Code"] == "AuthFailure.SignatureExpire"


def test_the_21st_request_in_a_second_is_refused() -> None:
    """20 a second by default for one action and secret id, with the clock held still; STS has a window of its own."""
    frozen = float(int(time.time()))
    with Sandbox(Fleet.seeded(3), clock=lambda: frozen) as sandbox:
        answers = [content(raw(sandbox)) for _ in range(22)]
        other = content(raw(sandbox, "GetCallerIdentity"))
        numbers = (sandbox.requests, sandbox.refused, dict(sandbox.backend.numbers))
    assert ["Error" in answer for answer in answers] == [False] * 20 + [True] * 2
    assert answers[20]["Error"] == {
        "Code": "RequestLimitExceeded",
        "Message": "Your current request times equals to `21` in a second, which exceeds the frequency limit `20` for "
        "a second. Please reduce the frequency of calls.",
    }
    assert other["AccountId"] == "100000000001"
    assert numbers == (23, 2, {LIST: 20, "GetCallerIdentity": 1})
    assert len({answer["RequestId"] for answer in answers}) == 22


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        pytest.param({"method": "GET"}, "UnsupportedProtocol", id="get"),
        pytest.param({"Content_Type": "text/plain"}, "UnsupportedProtocol", id="text"),
        pytest.param({"X_TC_Action": ""}, "MissingParameter", id="no-action"),
        pytest.param({"action": "DescribeNothing"}, "InvalidAction", id="unknown-action"),
        pytest.param({"X_TC_Version": "2017-03-12"}, "NoSuchVersion", id="another-version"),
        pytest.param({"payload": b"{"}, "InvalidParameter.ParsingError", id="not-json"),
        pytest.param({"payload": b"[]"}, "InvalidParameter.ParsingError", id="not-an-object"),
        pytest.param({"Authorization": ""}, "AuthFailure.InvalidAuthorization", id="unsigned"),
    ],
)
def test_a_request_must_be_right_in_every_part(request_: dict[str, Any], code: str) -> None:
    """Errors come with HTTP 200, a Code, a Message and a RequestId."""
    with Sandbox(Fleet.seeded(1)) as sandbox:
        status, headers, body = raw(sandbox, **request_)
    response = json.loads(body)["Response"]
    assert (status, headers["content-type"], response["Error"]["Code"]) == (200, "application/json", code)
    assert set(response) == {"Error", "RequestId"}


@pytest.mark.parametrize(
    ("fault", "status", "content_type", "start"),
    [
        ("http_500", 500, "text/plain", b"Internal Server Error"),
        ("http_429", 429, "text/plain", b"Too Many Requests"),
        ("html", 200, "text/html", b"<html>"),
        ("redirect", 302, "application/json", b""),
        ("charset", 200, "application/json; charset=utf-8", b'{"Response":{"List":['),
        ("not_json", 200, "application/json", b'{"Response":{"List":['),
        ("slow", 200, "application/json", b'{"Response":{"List":['),
        ("throttle", 200, "application/json", b'{"Response":{"Error":{"Code":"RequestLimitExceeded"'),
        ("empty_page", 200, "application/json", b'{"Response":{"List":[],"TotalCount":5'),
    ],
)
def test_faults_on_the_wire(fault: str, status: int, content_type: str, start: bytes) -> None:
    """The second of three answers is wrong in the way that the fault's name says, the others are right."""
    faults = [Fault(fault, at=2, value=0.0 if fault == "slow" else None)]
    with Sandbox(Fleet.seeded(5), faults=faults) as sandbox:
        first, second, third = (raw(sandbox) for _ in range(3))
        assert sandbox.stats()["faults"] == {fault: 1}
    assert (second[0], second[1]["content-type"], second[2][: len(start)]) == (status, content_type, start)
    assert [len(content(answer)["List"]) for answer in (first, third)] == [5, 5]
    assert (fault == "redirect") == ("location" in second[1])
    if fault == "not_json":
        with pytest.raises(json.JSONDecodeError):
            json.loads(second[2])


def test_a_cut_body_promises_more_than_it_gives() -> None:
    """The client sees fewer bytes than Content-Length says."""
    with Sandbox(Fleet.seeded(5), faults=[Fault("cut_body", at=1)]) as sandbox:
        with pytest.raises(http.client.IncompleteRead):
            raw(sandbox)
        assert raw(sandbox)[0] == 200


def test_a_disconnect_leaves_no_answer() -> None:
    """The connection ends before any byte of an answer, and the next one works."""
    with Sandbox(Fleet.seeded(5), faults=[Fault("disconnect", at=1)]) as sandbox:
        with pytest.raises(ConnectionError):
            raw(sandbox)
        assert raw(sandbox)[0] == 200


def test_waiting_answers_block_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight requests wait for their latency at the same time: all have arrived before the first answer goes out."""
    all_here, waiting = asyncio.Event(), []

    async def until_all_are_here(seconds: float) -> None:
        waiting.append(seconds)
        if len(waiting) == 8:
            all_here.set()
        await asyncio.wait_for(all_here.wait(), 10)

    with Sandbox(Fleet.seeded(5), latency=0.25, rate=None) as sandbox, ThreadPoolExecutor(8) as pool:
        monkeypatch.setattr("connector.sandbox.server.asyncio.sleep", until_all_are_here)
        answers = list(pool.map(lambda _: raw(sandbox)[0], range(8)))
    assert (answers, waiting) == ([200] * 8, [0.25] * 8)


def test_one_connection_serves_many_requests() -> None:
    """HTTP/1.1 keep-alive: the second request goes over the same socket; `Connection: close` ends it."""
    with Sandbox(Fleet()) as sandbox:
        connection = http.client.HTTPConnection(sandbox.host, timeout=10)
        ports = []
        for headers in ({}, {}, {"Connection": "close"}):
            connection.request("GET", "/-/stats", headers=headers)
            ports.append(connection.sock.getsockname()[1])
            connection.getresponse().read()
        assert len(set(ports)) == 1
        connection.request("GET", "/-/stats")
        assert connection.sock.getsockname()[1] != ports[0]
        connection.getresponse().read()
        connection.close()


@pytest.mark.parametrize(
    "head",
    [
        b"nonsense\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["no-request", "no-length", "chunked"],
)
def test_what_is_no_request_gets_400(head: bytes) -> None:
    """The sandbox answers and closes; it neither hangs nor ends."""
    with Sandbox(Fleet()) as sandbox:
        connection = http.client.HTTPConnection(sandbox.host, timeout=10)
        connection.connect()
        connection.sock.sendall(head)
        answer = http.client.HTTPResponse(connection.sock)
        answer.begin()
        assert answer.status == 400
        answer.close()
        connection.close()
        assert send(sandbox, "GET", "/nowhere")[0] == 404


def test_churn_happens_between_the_answers() -> None:
    """What one answer shows is one state; the next one is after the change."""
    with Sandbox(Fleet.seeded(20), churn=Churn(delete=1), rate=None) as sandbox:
        assert [content(raw(sandbox))["TotalCount"] for _ in range(3)] == [20, 19, 18]


def test_the_payloads_are_remembered() -> None:
    """What the client has really asked for, oldest first; reset forgets it."""
    with Sandbox(Fleet()) as sandbox:
        raw(sandbox, payload={"Limit": 5})
        raw(sandbox, payload={"Limit": 6, "Offset": 1})
        assert sandbox.backend.payloads() == [{"Limit": 5}, {"Limit": 6, "Offset": 1}]
        sandbox.reset()
        assert (sandbox.backend.payloads(), sandbox.requests) == ([], 0)


def test_a_taken_port_is_an_error() -> None:
    """The with block does not begin."""
    with (
        Sandbox(Fleet()) as sandbox,
        pytest.raises(OSError, match="address already in use"),
        Sandbox(Fleet(), port=int(sandbox.url.rpartition(":")[2])),
    ):
        pass


def test_no_thread_is_left_behind() -> None:
    """The block ends at once, even while a client keeps its connection and another waits for an answer."""
    with Sandbox(Fleet.seeded(1), latency=3600) as sandbox:
        idle = http.client.HTTPConnection(sandbox.host, timeout=10)
        idle.request("GET", "/-/stats")
        idle.getresponse().read()
        waiting = http.client.HTTPConnection(sandbox.host, timeout=10)
        waiting.request("POST", "/", b"{}")
        while not sandbox.requests:
            send(sandbox, "GET", "/-/stats")
    idle.close()
    waiting.close()
    assert [thread.name for thread in threading.enumerate() if thread.name == "tcss-sandbox"] == []


def test_serve_can_be_told_while_it_is_being_told() -> None:
    """Python runs a handler wherever the main thread is: in the midst of the wait, or of another signal's handler."""
    code = """
import signal, sys
import connector.sandbox as s

def at_each_call(*_):
    if callable(signal.getsignal(signal.SIGTERM)):
        signal.raise_signal(signal.SIGTERM)

def begin(url):
    sys.setprofile(at_each_call)

s.serve(s.Fleet.seeded(3), announce=begin)
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_runs_as_a_process_until_it_is_told_to_stop(number: signal.Signals) -> None:
    """The URL is announced once it can be called; Ctrl-C and SIGTERM end it with 0."""
    code = "import connector.sandbox as s\ns.serve(s.Fleet.seeded(3), announce=lambda url: print(url, flush=True))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        host = process.stdout.readline().strip().removeprefix("http://")
        connection = http.client.HTTPConnection(host, timeout=10)
        connection.request("GET", "/-/stats")
        assert json.loads(connection.getresponse().read())["images"] == 3
        connection.close()
        process.send_signal(number)
        assert process.wait(20) == 0


def test_the_limit_can_be_changed_meanwhile() -> None:
    """Other jobs may take a part of the quota; the span says from when to when requests were let in."""
    start = float(int(time.time()))
    with Sandbox(Fleet.seeded(6), rate=None, clock=lambda: start) as sandbox:
        send(sandbox, "POST", "/-/limit", b'{"rate": 2}')
        codes = [content(raw(sandbox)).get("Error", {}).get("Code") for _ in range(3)]
        assert codes == [None, None, "RequestLimitExceeded"]
        assert sandbox.stats()["spans"] == {LIST: (start, start)}
        send(sandbox, "POST", "/-/limit", b'{"rate": null}')
        assert "Error" not in content(raw(sandbox))
