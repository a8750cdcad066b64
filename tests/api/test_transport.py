"""HTTP and the rules that keep it safe, seen through a client."""

from __future__ import annotations

import json
import socket
import socketserver
import ssl
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import requests
import urllib3

from connector.api.attempts import HttpResponse, NoResponse
from connector.api.client import Client
from connector.api.transport import Transport
from connector.errors import (
    ConfigurationError,
    TcssError,
    TransientError,
    UnavailableError,
)
from tests.api.played import Played
from tests.api.scripted import (
    ACTION,
    CANARIES,
    OK,
    Reply,
    Server,
    call,
    closed_port,
    refusal,
)


def test_cookies_are_not_kept(server: Server, client: Client) -> None:
    """What a load balancer sets is not sent back."""
    server.plays(Reply(headers={"Set-Cookie": "lb=1; Path=/"}))
    call(client)
    call(client)
    assert [asked.headers.get("Cookie") for asked in server.asked] == [None, None]


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


def test_only_the_metadata_service_is_asked_for_roles(server: Server, client: Client) -> None:
    """Plain http goes to its host or to loopback, and to no other; a redirect or an error is no answer."""
    for url in ("http://example.com/x", "http://metadata.tencentyun.com.example.com/x", "https://example.com"):
        with pytest.raises(ConfigurationError, match="no metadata service"):
            client.metadata(url)
    for reply in (Reply(b"", 302, {"Location": "http://example.com"}), Reply(b"", 404)):
        server.plays(reply)
        with pytest.raises(UnavailableError, match=f"HTTP {reply.status}"):
            client.metadata(f"http://{server.host}/x")
    with pytest.raises(UnavailableError, match="NewConnectionError"):
        client.metadata(f"http://127.0.0.1:{closed_port()}/x")


@dataclass(frozen=True)
class Sent:
    """A request over https, as urllib3 was to send it: the connections, the target and the options."""

    pool: urllib3.HTTPSConnectionPool
    method: str
    target: str
    options: dict[str, Any]


@pytest.fixture
def abroad(make: Callable[..., Client], monkeypatch: pytest.MonkeyPatch) -> tuple[Client, list[Sent]]:
    """A client of the real site, and what it sends there: nothing leaves this machine."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    sent: list[Sent] = []

    def urlopen(pool: urllib3.HTTPSConnectionPool, method: str, target: str, **options: Any) -> Played:
        sent.append(Sent(pool, method, target, options))
        return Played(200, {}, OK.body)

    monkeypatch.setattr(urllib3.HTTPSConnectionPool, "urlopen", urlopen)
    return make(endpoint=None, timeouts=(1.0, 2.0)), sent


def test_tls_is_verified(abroad: tuple[Client, list[Sent]]) -> None:
    """https with verification, the given timeouts, and the site's host, which is the one that is signed."""
    client, sent = abroad
    call(client)
    pool, options = sent[0].pool, sent[0].options
    assert (pool.scheme, pool.host, pool.port) == ("https", "tcss.intl.tencentcloudapi.com", 443)
    assert (sent[0].method, sent[0].target, options["headers"]["Host"]) == ("POST", "/", client.host)
    assert (pool.cert_reqs, pool.assert_hostname, pool.ca_certs) == ("CERT_REQUIRED", None, requests.certs.where())
    assert (pool.proxy, pool.cert_file) == (None, None)
    assert str(options["timeout"]) == str(urllib3.Timeout(connect=1.0, read=2.0))
    assert (options["redirect"], options["retries"].total) == (False, 0)
    assert client.host == "tcss.intl.tencentcloudapi.com"


def test_netrc_does_not_replace_the_signature(
    abroad: tuple[Client, list[Sent]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """requests would take a password of ~/.netrc for the host instead of our Authorization."""
    (tmp_path / "netrc").write_text("default login someone password elsewhere\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    client, sent = abroad
    call(client)
    assert sent[0].options["headers"]["Authorization"].startswith("TC3-HMAC-SHA256 Credential=AKIDEXAMPLE/")


def test_proxies_and_ca_bundles_of_the_environment_are_used(
    abroad: tuple[Client, list[Sent]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A company's proxy and certificate authority work as everywhere, and the certificate is verified there too."""
    company = tmp_path / "company.pem"
    company.touch()
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(company))
    client, sent = abroad
    call(client)
    pool = sent[0].pool
    assert pool.proxy is not None
    assert pool.proxy.url == "http://proxy.example:3128"
    assert (pool.host, pool.cert_reqs, pool.ca_certs) == (client.host, "CERT_REQUIRED", str(company))


def test_a_ca_bundle_that_is_missing_is_named(
    abroad: tuple[Client, list[Sent]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    client, sent = abroad
    with pytest.raises(ConfigurationError, match=r"none\.pem"):
        call(client)
    assert sent == []


@pytest.mark.parametrize(
    ("status", "kind", "times", "hint"),
    [
        pytest.param(403, TransientError, 4, "has never answered: check", id="a host that it does not know"),
        pytest.param(407, ConfigurationError, 1, "Check .* HTTPS_PROXY", id="a wrong password, which would be locked"),
    ],
)
def test_a_proxy_that_refuses_is_named(
    server: Server,
    make: Callable[..., Client],
    monkeypatch: pytest.MonkeyPatch,
    *,
    status: int,
    kind: type[TcssError],
    times: int,
    hint: str,
) -> None:
    """The tunnel is asked for by CONNECT; its refusal counts as a host that never answered."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://{server.host}")
    server.plays(Reply(b"", status))
    with pytest.raises(kind, match=f"ProxyError: Tunnel connection failed: {status}.*{hint}"):
        call(make(endpoint="https://tcss.example"))
    assert [(asked.method, asked.path) for asked in server.asked] == [("CONNECT", "tcss.example:443")] * times


def test_a_socks_proxy_is_used_where_its_library_is_installed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library makes the connection, and the answer is bounded all the same."""
    asked: list[dict[str, Any]] = []

    def connect(address: tuple[str, int], *_: object, **options: Any) -> socket.socket:
        asked.append({"address": address} | options)
        return socket.create_connection(address)

    library = ModuleType("socks")
    vars(library).update(PROXY_TYPE_SOCKS4=1, PROXY_TYPE_SOCKS5=2, ProxyError=OSError, create_connection=connect)
    user = "urllib3.contrib.socks"
    monkeypatch.setitem(sys.modules, "socks", library)
    monkeypatch.setitem(sys.modules, user, ModuleType(user))  # so that what is imported below is forgotten afterwards
    del sys.modules[user]
    monkeypatch.setattr(requests.adapters, "SOCKSProxyManager", import_module(user).SOCKSProxyManager)
    for name in ("NO_PROXY", "no_proxy", "http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALL_PROXY", "socks5h://user:word@proxy.example:1080")
    server.plays(Reply(b"x" * 50), Reply(b"x" * 2_000_000))
    with closing(Transport(timeouts=(5.0, 5.0), most=100, proxies=True)) as transport:
        got = [transport.post(f"http://{server.host}/", {}, b"{}") for _ in range(2)]
    assert [isinstance(each, HttpResponse) for each in got] == [True, False], got
    assert isinstance(got[1], NoResponse)
    assert got[1].too_large
    assert {(each["proxy_addr"], each["proxy_port"], each["proxy_password"]) for each in asked} == {
        ("proxy.example", 1080, "word")
    }


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


def test_a_request_is_sent_at_once(make: Callable[..., Client]) -> None:
    """Headers and body come in one piece."""

    def answer(server: socket.socket) -> bytes:
        connection, _ = server.accept()
        with connection:
            request = connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(OK.body), OK.body))
        return request

    with closing(socket.create_server(("127.0.0.1", 0))) as server, ThreadPoolExecutor(1) as pool:
        server.settimeout(60)
        answering = pool.submit(answer, server)
        call(make(endpoint=f"http://127.0.0.1:{server.getsockname()[1]}"))
        headers, _, body = answering.result().partition(b"\r\n\r\n")
    assert headers.startswith(b"POST / HTTP/1.1\r\n")
    assert (body[:1], body[-1:]) == (b"{", b"}")


class Late(socketserver.ThreadingTCPServer):
    """Answers twice to the first request, and so once too late to each later request on that connection."""

    daemon_threads = True
    connections = 0


class LateHandler(socketserver.StreamRequestHandler):
    server: Late

    def handle(self) -> None:
        self.server.connections += 1
        name, late = self.server.connections, self.server.connections == 1
        answers: list[bytes] = []
        while line := self.rfile.readline():
            length = 0
            while line not in (b"\r\n", b""):
                header, _, value = line.partition(b":")
                length = int(value) if header.lower() == b"content-length" else length
                line = self.rfile.readline()
            offset = json.loads(self.rfile.read(length))["Offset"]
            inner = {"RequestId": f"{name}-{len(answers)}", "Offset": offset}
            answers.append(json.dumps({"Response": inner}).encode())
            said = answers[max(len(answers) - 2, 0) if late else -1]
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said))


def test_no_page_is_taken_for_another(make: Callable[..., Client]) -> None:
    """An old answer ends its connection: each later answer there would be that to the request before."""
    with Late(("127.0.0.1", 0), LateHandler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        client = make(endpoint=f"http://127.0.0.1:{server.server_address[1]}")
        got = [client.call(ACTION, {"Offset": offset}).response["Offset"] for offset in range(4)]
        client.close()
        server.shutdown()
        thread.join()
    assert (got, server.connections) == ([0, 1, 2, 3], 2)


def test_only_what_the_api_has_not_said_ends_a_connection(server: Server, make: Callable[..., Client]) -> None:
    """A refusal by the API does not: where it throttles, new connections would cost more time."""
    client = make()
    for reply, kept in ((refusal("InternalError"), True), (Reply(b"<html>"), False), (Reply(b"", 502), False)):
        server.plays(OK)
        call(client)
        before = server.connections
        server.plays(reply, OK)
        call(client)
        assert (server.connections == before) == kept, reply


def test_an_error_is_named_by_its_class(make: Callable[..., Client], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also an error whose `reason` is a text, as those of ssl and of encodings have."""
    error = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
    error.reason = "WRONG_VERSION_NUMBER"

    def urlopen(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(urllib3.HTTPConnectionPool, "urlopen", urlopen)
    with pytest.raises(TcssError, match="SSLError: "):
        call(make(endpoint="http://127.0.0.1:9"))
