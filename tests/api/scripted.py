"""Gives these tests a scripted server on loopback, and a clock that moves only when somebody sleeps."""

from __future__ import annotations

import json
import socket
import threading
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from connector.api.answers import Answer
from connector.api.client import Client
from connector.api.credentials import Credentials

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
    """Describes one answer; `cut` announces more bytes than are sent, `drop` closes without an answer."""

    body: bytes = b'{"Response": {"TotalCount": 0, "List": [], "RequestId": "ok"}}'
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    cut: bool = False
    drop: bool = False


@dataclass
class Asked:
    """Holds one request as received."""

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
    """Gives the replies of `script` in turn, the last reply for ever, and keeps the requests.

    No two answers have the same RequestId: after the first `ok` come `ok-2`, `ok-3` and so on.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[Reply] = [OK]
        self.asked: list[Asked] = []
        self.answers = self.connections = 0
        self.lock = threading.Lock()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def plays(self, *script: Reply) -> None:
        self.script = list(script)

    def next(self, asked: Asked) -> Reply:
        with self.lock:
            self.asked.append(asked)
            reply = self.script.pop(0) if len(self.script) > 1 else self.script[0]
            if reply.status == 200 and b'"ok"' in reply.body and not (reply.cut or reply.drop):
                self.answers += 1
                name = b'"ok"' if self.answers == 1 else b'"ok-%d"' % self.answers
                reply = replace(reply, body=reply.body.replace(b'"ok"', name))
            return reply


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: Server

    def setup(self) -> None:
        super().setup()
        with self.server.lock:
            self.server.connections += 1

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
    """Counts seconds that pass only by sleeping."""

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


def call(client: Client) -> Answer:
    return client.call(ACTION, {"Limit": 100, "Offset": 0})


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
