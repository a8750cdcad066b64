"""HTTP and the rules that keep it safe, seen through a client."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import urllib3
from requests.adapters import BaseAdapter

from connector.api.client import Client
from connector.errors import (
    ConfigurationError,
    TransientError,
    UnavailableError,
)
from tests.api.scripted import (
    ACTION,
    CANARIES,
    OK,
    Reply,
    Server,
    call,
    closed_port,
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
    with pytest.raises(UnavailableError, match="ConnectionError"):
        client.metadata(f"http://127.0.0.1:{closed_port()}/x")


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
    client._transport._session.mount("https://", recorder)
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
