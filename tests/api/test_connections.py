"""How an answer is framed, where it ends, and over what connection it comes."""

from __future__ import annotations

import gc
import gzip
import itertools
import socket
import ssl
import threading
import time
import weakref
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from http.client import RemoteDisconnected
from itertools import count, pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock
from urllib.parse import urlsplit

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from urllib3.exceptions import ProtocolError
from urllib3.util.ssltransport import SSLTransport

from connector.api import bounds
from connector.api.attempts import HttpResponse, NoResponse
from connector.api.bounds import Bounds
from connector.api.client import Client
from connector.api.connections import HttpPool, Outer, Response
from connector.api.transport import Transport
from connector.errors import TcssError, TransientError, UnavailableError
from tests.api.hostile import BODY, chunk, head, serving, whole
from tests.api.scripted import CANARIES, CUT, OK, Server, call

Post = Callable[..., HttpResponse | NoResponse]


@pytest.fixture
def post() -> Iterator[Post]:
    """Return a function that posts over the connections of one transport."""
    transport = Transport(timeouts=(5.0, 5.0), most=1_000, proxies=False)
    yield lambda url, **headers: transport.post(f"{url}/", headers, b"{}")
    transport.close()


@contextmanager
def saying(*answers: bytes) -> Iterator[tuple[str, list[int]]]:
    """Serve these bytes, one after the other, each time to one request, and close the connection after an empty one.

    Gives the URL, and the number of the connection that each request came over.
    """
    left, over, numbers = list(answers), list[int](), count(1)

    def serve(server: socket.socket) -> None:
        while left:
            connection, _ = server.accept()
            number = next(numbers)
            with connection:
                while left and connection.recv(65_536):
                    over.append(number)
                    said = left.pop(0)
                    connection.sendall(said)
                    if left and not left[0]:
                        left.pop(0)
                        break

    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        server.settimeout(60)
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", over
        thread.join()


WHOLE = b"".join(whole())
CHUNKED = head("Transfer-Encoding: chunked") + chunk(BODY)

CUT_OFF = {
    "before the answer": b"",
    "in the status line": WHOLE[:9],
    "in a header": WHOLE[:30],
    "before the headers end": head("Content-Length: 62")[:-2],
    "in the body": WHOLE[:-1],
    "before the last chunk": CHUNKED,
    "in a chunk": CHUNKED[:-9],
    "in the trailers": CHUNKED + b"0\r\nA: b\r\n",
}


@pytest.mark.parametrize("said", CUT_OFF.values(), ids=CUT_OFF)
def test_an_answer_that_is_cut_off_is_none(post: Post, said: bytes) -> None:
    """Wherever the connection ends: nothing of the answer is taken, and it is asked for again."""
    with saying(said, b"", WHOLE) as (url, over):
        cut, again = post(url), post(url)
    assert isinstance(cut, NoResponse)
    assert (cut.passes, cut.connected, cut.too_large) == (True, True, False)
    assert isinstance(again, HttpResponse)
    assert (again.body, over) == (BODY, [1, 2])


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_body_without_a_length_ends_with_its_connection(post: Post, version: str) -> None:
    """As HTTP says; whether it was whole, only its contents show."""
    with saying(b"HTTP/%b 200 OK\r\n\r\n%b" % (version.encode(), BODY), b"", WHOLE) as (url, over):
        got = [post(url) for _ in range(2)]
    assert [each.body for each in got if isinstance(each, HttpResponse)] == [BODY, BODY]
    assert over == [1, 2]


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(WHOLE + b"more", id="bytes behind the answer"),
        pytest.param(WHOLE + WHOLE, id="a second answer"),
        pytest.param(head("Connection: close", "Content-Length: 62") + BODY, id="a server that says so"),
        pytest.param(WHOLE.replace(b"HTTP/1.1", b"HTTP/1.0"), id="an old server"),
        pytest.param(head("Content-Length: 0", status="302 Found") + BODY, id="a redirect with a body"),
    ],
)
def test_a_connection_is_left_where_the_next_answer_might_be_another(post: Post, said: bytes) -> None:
    """What nobody has asked for would be taken for the answer to the next request."""
    with saying(said, b"", WHOLE) as (url, over):
        first, second = post(url), post(url)
    assert isinstance(first, HttpResponse)
    assert isinstance(second, HttpResponse)
    assert (second.body, over) == (BODY, [1, 2])


def test_headers_are_of_the_answer_alone(post: Post) -> None:
    """Neither of a `100 Continue` before it nor of trailers behind it. A header that comes twice has both values."""
    begin = head("Date: early", "Content-Encoding: br", status="100 Continue")
    said = head("Transfer-Encoding: chunked", "X-A: 1", "DATE: now", "x-a: 2") + chunk(BODY)
    with saying(begin + said + b"0\r\nDate: late\r\nContent-Encoding: gzip\r\n\r\n") as (url, _):
        got = post(url)
    assert isinstance(got, HttpResponse)
    assert (got.body, dict(got.headers)) == (BODY, {"transfer-encoding": "chunked", "x-a": "1, 2", "date": "now"})


@pytest.mark.parametrize("status", ["100 Continue", "102 Processing", "103 Early Hints"])
def test_what_comes_before_the_answer_is_none(post: Post, status: str) -> None:
    """Whether the answer comes with it or later; the connection is kept."""
    early = head("Link: </a>", status=status)
    with serving(lambda: [early * 2, *whole()]) as server:
        got = [post(server.url) for _ in range(2)]
    assert [each.body for each in got if isinstance(each, HttpResponse)] == [BODY, BODY]
    assert server.connections == 1


def test_why_an_answer_cannot_be_read_is_said(post: Post) -> None:
    """What the parser found, and that the answer came."""
    with serving(lambda: [b"HTTP/1.1 200 OK\n"]) as server:
        got = post(server.url)
    assert got == NoResponse(
        "ProtocolError: the answer cannot be read: Missing expected CR after response line",
        passes=True,
        connected=True,
    )


class Pieces:
    """Stands for a socket that gives these bytes, in pieces that end at some of these places."""

    def __init__(self, said: bytes, ends: Iterable[int]) -> None:
        places = [0, *sorted({end % (len(said) + 1) for end in ends}), len(said)]
        self._left = [said[begin:end] for begin, end in pairwise(places) if begin < end]

    def gettimeout(self) -> float | None:
        return None

    def settimeout(self, _: float) -> None:
        pass

    def recv(self, _: int) -> bytes:
        return self._left.pop(0) if self._left else b""


def read(said: bytes, ends: Iterable[int]) -> bytes:
    """Read one response; HTTP errors are raised."""
    with Bounds(60.0, 100_000):
        response = Response(Pieces(said, ends))  # type: ignore[arg-type]
        response.read_head()
        return response.body(100_000)


def framed(body: bytes, coding: str, sizes: list[int]) -> bytes:
    """Return a whole response with this body: with a length, or in chunks of these sizes."""
    coded = {"": body, "gzip": gzip.compress(body), "deflate": zlib.compress(body)}[coding]
    headers = [f"Content-Encoding: {coding}"] if coding else []
    if not sizes:
        return head(*headers, f"Content-Length: {len(coded)}") + coded
    ends = [0, *itertools.accumulate(sizes), len(coded)]
    chunks = (chunk(coded[begin:end]) for begin, end in pairwise(ends) if coded[begin:end])
    return head(*headers, "Transfer-Encoding: chunked") + b"".join(chunks) + b"0\r\n\r\n"


@given(
    body=st.binary(max_size=60),
    coding=st.sampled_from(["", "gzip", "deflate"]),
    sizes=st.lists(st.integers(1, 20), max_size=4),
    ends=st.lists(st.integers(0, 300), max_size=9),
    cut=st.integers(0, 300),
)
def test_a_body_is_whole_or_an_error(body: bytes, coding: str, sizes: list[int], ends: list[int], cut: int) -> None:
    """In whatever pieces the bytes come, and wherever they end too early."""
    said = framed(body, coding, sizes)
    assert read(said, ends) == body
    with pytest.raises((ProtocolError, RemoteDisconnected)):
        read(said[: cut % len(said)], ends)


UNREADABLE = {
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "another version": b"HTTP/2 200\r\n\r\n",
    "two framings": head("Transfer-Encoding: chunked", "Content-Length: 62") + BODY,
    "a length that is none": head("Content-Length: 6 2") + BODY,
    "a header without a name": head(": x", "Content-Length: 62") + BODY,
    "a switch of protocols": head("Upgrade: x", "Connection: upgrade", status="101 Switching Protocols") + b"\0" * 9,
}


@pytest.mark.parametrize("said", UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_no_answer_of_http_is_no_answer(post: Post, said: bytes) -> None:
    """And its connection is not used again."""
    with saying(said, b"", WHOLE) as (url, over):
        got, again = post(url), post(url)
    assert not (isinstance(got, HttpResponse) and got.status == 200)
    assert isinstance(again, HttpResponse)
    assert (again.body, over) == (BODY, [1, 2])


@pytest.mark.parametrize("token", [f"{CANARIES[2]}\r\nX-More: 1", f"{CANARIES[2]}\n", f"{CANARIES[2]}\u2028"])
def test_a_header_of_several_lines_is_not_sent(post: Post, token: str) -> None:
    """Nor is a text that headers cannot hold. The error does not repeat it."""
    with serving(lambda: whole()) as server:
        got = post(server.url, **{"X-TC-Token": token})
    assert isinstance(got, NoResponse)
    assert (server.connections, CANARIES[2] in got.reason, got.passes) == (0, False, False)


def test_a_response_is_freed_at_once() -> None:
    """It may be large. A response that waited for the collection of garbage doubled the memory of a sync."""
    gc.collect()
    gc.disable()
    try:
        with serving(lambda: whole(BODY)) as server, HttpPool("127.0.0.1", urlsplit(server.url).port) as pool:
            bound = Bounds(60, 1_000)
            with bound:
                response = pool.urlopen("POST", "/", body=b"{}", headers={}, redirect=False, preload_content=False)
                assert response.body(1_000) == BODY
                response.close()
            bound.give_back(usable=True)
            there = weakref.ref(response)
            del response
            assert there() is None
    finally:
        gc.enable()


# ---- TLS ----


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """Make an authority that this machine trusts for the time of the test."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))
    return authority


def secured(server: Server, certificate: trustme.LeafCert) -> str:
    """Serve over TLS, with this certificate; return the URL."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that refuses is no news
    return f"https://localhost:{server.server_port}"


def test_answers_come_over_tls(authority: trustme.CA, server: Server, make: Callable[..., Client]) -> None:
    """On one connection; one that is cut in the middle is replaced."""
    client = make(endpoint=secured(server, authority.issue_cert("localhost")))
    for _ in range(3):
        call(client)
    assert server.connections == 1
    server.plays(CUT, OK)
    call(client)
    assert server.connections == 2


@pytest.mark.parametrize(("trusted", "name"), [(True, "other.example"), (False, "localhost")])
def test_a_certificate_of_another_is_refused(
    authority: trustme.CA, server: Server, make: Callable[..., Client], trusted: bool, name: str
) -> None:
    """Of another host, or from an authority that nobody trusts: nothing is sent."""
    certificate = (authority if trusted else trustme.CA()).issue_cert(name)
    client = make(endpoint=secured(server, certificate), patience=0)
    with pytest.raises(TcssError, match=r"SSLError: .*certificate verify failed"):
        call(client)
    assert server.asked == []


@contextmanager
def proxy(to: int, certificate: trustme.LeafCert | None = None) -> Iterator[tuple[str, list[bytes]]]:
    """Run a proxy that makes a tunnel to a port here, over TLS if there is a certificate. Gives its URL, and what was
    asked of it."""
    asked: list[bytes] = []

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):  # one of the two has gone
            while data := source.recv(65_536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def serve(listening: socket.socket) -> None:
        client, _ = listening.accept()
        client = context.wrap_socket(client, server_side=True) if certificate else client
        with client, socket.create_connection(("127.0.0.1", to)) as server:
            asked.append(client.recv(65_536))
            client.sendall(head(status="200 Connection established"))
            back = threading.Thread(target=pump, args=(server, client))
            back.start()
            pump(client, server)
            back.join()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if certificate:
        certificate.configure_cert(context)
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        listening.settimeout(60)
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        yield f"{'https' if certificate else 'http'}://localhost:{listening.getsockname()[1]}", asked
        thread.join()


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_a_tunnel_through_a_proxy_is_used_again(
    authority: trustme.CA, server: Server, make: Callable[..., Client], monkeypatch: pytest.MonkeyPatch, secure: bool
) -> None:
    """The certificate is that of the server, and the proxy sees neither requests nor answers."""
    certificate = authority.issue_cert("localhost")
    url = secured(server, certificate)
    with proxy(server.server_port, certificate if secure else None) as (through, asked):
        monkeypatch.setenv("HTTPS_PROXY", through)
        client = make(endpoint=url)
        for _ in range(3):
            call(client)
        client.close()
        server.shutdown()
    assert (len(server.asked), server.connections) == (3, 1)
    (connect,) = asked
    assert connect.startswith(b"CONNECT localhost:%d HTTP/1." % server.server_port)
    assert b"Authorization" not in connect


def test_a_tunnel_does_not_hide_a_certificate_of_another(
    authority: trustme.CA, server: Server, make: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy may lead anywhere: the host's certificate is verified all the same."""
    url = secured(server, authority.issue_cert("other.example"))
    with proxy(server.server_port) as (through, _):
        monkeypatch.setenv("HTTPS_PROXY", through)
        client = make(endpoint=url, patience=0)
        with pytest.raises((UnavailableError, TransientError), match="certificate verify failed"):
            call(client)
        client.close()
    assert server.asked == []


def test_an_answer_that_is_cut_off_within_two_layers_of_tls_is_none(
    authority: trustme.CA, server: Server, make: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked for again: neither a URL nor a setting is wrong."""
    certificate = authority.issue_cert("localhost")
    url = secured(server, certificate)
    server.plays(CUT)
    with proxy(server.server_port, certificate) as (through, _):
        monkeypatch.setenv("HTTPS_PROXY", through)
        client = make(endpoint=url, patience=0)
        with pytest.raises(TransientError, match="ProtocolError: the answer was cut off"):
            call(client)
        client.close()


class Within:
    """Stands for the TLS socket to a proxy. Behind the proxy is a TLS server that says each of these in a record of its
    own; `most` bytes come at once."""

    def __init__(self, certificate: trustme.LeafCert, said: Iterable[bytes], most: int = 65_536) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        self._said, self._most = said, most
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def sendall(self, data: bytes) -> None:
        self._incoming.write(data)
        with suppress(ssl.SSLWantReadError):
            self._tls.do_handshake()
            self._tls.read(65_536)
            for each in self._said:
                self._tls.write(each)

    def recv(self, most: int) -> bytes:
        return self._outgoing.read(min(most, self._most))

    def gettimeout(self) -> float:
        return 60.0

    def settimeout(self, _: float) -> None:
        pass


def asked_within(authority: trustme.CA, outer: Any) -> SSLTransport:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    inner = SSLTransport(outer, context, "localhost")
    inner.sendall(b"GET / HTTP/1.1")
    return inner


@pytest.mark.parametrize(("said", "kept"), [([WHOLE], True), ([WHOLE, WHOLE], False), ([WHOLE[:9], WHOLE[9:]], True)])
def test_what_tls_within_tls_has_read_early_ends_a_connection(
    authority: trustme.CA, said: list[bytes], kept: bool
) -> None:
    """urllib3 looks at the socket alone, where these bytes are no more: they would begin the next answer."""
    inner = asked_within(authority, Within(authority.issue_cert("localhost"), said))
    with Bounds(60.0, 1_000):
        response = Response(inner)  # type: ignore[arg-type]
        response._connection, response._pool = connection, pool = Mock(), Mock()
        response.read_head()
        assert response.body(1_000) == BODY
        response.close()
    assert (connection.close.called, pool._put_conn.called) == (not kept, True)


def test_tls_within_tls_that_comes_byte_by_byte_is_left(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time, and the record does not."""
    within = Within(authority.issue_cert("localhost"), [WHOLE], 1)
    with Bounds(60.0, 1_000):
        response = Response(asked_within(authority, Outer(within)))  # type: ignore[arg-type]
        passing = count(time.monotonic())
        monkeypatch.setattr(bounds, "time", SimpleNamespace(monotonic=lambda: next(passing)))
        with pytest.raises(TimeoutError, match="not whole after 60 s"):
            response.read_head()
