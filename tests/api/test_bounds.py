"""Whatever a host sends, an attempt ends within its seconds and its bytes."""

from __future__ import annotations

import gzip
import socket
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, count, repeat
from types import SimpleNamespace

import pytest

from connector.api import answers, bounds
from connector.api.attempts import HttpResponse, NoResponse
from connector.api.client import Client, Limits
from connector.api.credentials import AssumeRole, Credentials, CvmRole, Static
from connector.api.endpoints import Endpoints
from connector.api.transport import Transport
from connector.errors import CredentialsError, ResponseTooLargeError, TcssError, TransientError, UnavailableError
from tests.api.hostile import BODY, MEGABYTE, Hostile, Says, bomb, chunk, endless, head, members, serving, whole
from tests.api.scripted import KEYS, call, closed_port

MOST = 200_000
BUFFERED = 16 * MEGABYTE  # what sockets may hold that nobody has read

CHUNKED = "Transfer-Encoding: chunked"
HUGE = "Content-Length: 1000000000000"


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little may stand around a body."""
    monkeypatch.setattr(bounds, "AROUND", 50_000)


def post(server: Hostile, most: int = MOST) -> HttpResponse | NoResponse:
    transport = Transport(timeouts=(5.0, 5.0), most=most, proxies=False)
    try:
        return transport.post(f"{server.url}/", {}, b"{}")
    finally:
        transport.close()


@contextmanager
def in_memory(megabytes: int) -> Iterator[None]:
    """What is allocated in the block stays below so many megabytes."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < megabytes * MEGABYTE
    finally:
        tracemalloc.stop()


ENDLESS: dict[str, Says] = {
    "body": lambda: chain([head(HUGE)], endless(b"x")),
    "body until the connection ends": lambda: chain([head("Connection: close")], endless(b"x")),
    "chunks": lambda: chain([head(CHUNKED)], endless(chunk(b"xxxx"))),
    "one chunk": lambda: chain([head(CHUNKED), b"ffffffffffff\r\n"], endless(b"x")),
    "chunk of less than nothing": lambda: chain([head(CHUNKED), b"-1\r\n"], endless(b"x")),
    "chunk extension": lambda: chain([head(CHUNKED), b"5;"], endless(b"x")),
    "trailers": lambda: chain([head(CHUNKED), chunk(BODY), b"0\r\n"], endless(b"a: b\r\n")),
    "headers": lambda: chain([b"HTTP/1.1 200 OK\r\n"], endless(b"a: b\r\n")),
    "one header": lambda: chain([b"HTTP/1.1 200 OK\r\na: "], endless(b"x")),
    "status line": lambda: chain([b"HTTP/1.1 200 "], endless(b"x")),
    "no HTTP": lambda: endless(b"\0"),
    "continue": lambda: endless(head(status="100 Continue")),
    "early hints": lambda: endless(head("Link: x", status="103 Early Hints")),
    "redirect": lambda: chain([head("Location: /", HUGE, status="302 Found")], endless(b"x")),
    "error page": lambda: chain([head(HUGE, status="500 Internal Server Error")], endless(b"<p>")),
    "refusal": lambda: chain([head(CHUNKED, status="403 Forbidden")], endless(chunk(b"<p>"))),
    "gzip": lambda: chain([head(HUGE, "Content-Encoding: gzip")], endless(members(b""))),
    "gzip of nothing more": lambda: chain([head(HUGE, "Content-Encoding: gzip"), gzip.compress(b"")], endless(b"\0")),
}


@pytest.mark.parametrize("says", ENDLESS.values(), ids=ENDLESS)
def test_an_answer_without_end_is_left(says: Says) -> None:
    """After as many bytes as an answer may have, and little memory."""
    with serving(says) as server, in_memory(8):
        got = post(server)
    assert server.sent < MOST + BUFFERED
    if isinstance(got, HttpResponse):
        assert (got.status != 200, got.body) == (True, b"")


@pytest.mark.parametrize("end", [b"", b"0\r\n\r\n"], ids=["too large", "large"])
def test_small_chunks_take_no_more_memory_than_a_large_one(monkeypatch: pytest.MonkeyPatch, end: bytes) -> None:
    """As an object, a piece of two bytes takes 43 bytes."""
    monkeypatch.setattr(bounds, "AROUND", 3 * MEGABYTE)
    said = [head(CHUNKED), chunk(b"xx") * (MEGABYTE // 2), end or chunk(b"xx")]
    with serving(lambda: said) as server, in_memory(6):
        got = post(server, MEGABYTE)
    assert isinstance(got, HttpResponse) == bool(end)


@pytest.mark.parametrize(
    "header", [lambda _: b"a: b\r\n", lambda number: b"%x:\r\n" % number], ids=["of one name", "of many names"]
)
def test_an_answer_has_not_many_headers(header: Callable[[int], bytes]) -> None:
    """Neither memory nor CPU goes into them, and the reader of a list does not ask for fewer rows."""
    lines = b"".join(map(header, range(5_000)))
    with serving(lambda: [b"HTTP/1.1 200 OK\r\n", lines, b"\r\n"]) as server:
        got = post(server)
    assert isinstance(got, NoResponse)
    assert (got.reason, got.passes, got.too_large) == (
        "ProtocolError: the answer cannot be read: more than 1,000 headers",
        True,
        False,
    )


BOMBS: dict[str, Says] = {
    "gzip": lambda: whole(bomb("gzip", 20), "Content-Encoding: gzip"),
    "x-gzip in chunks": lambda: [
        head(CHUNKED, "Content-Encoding: x-gzip"),
        chunk(bomb("gzip", 20)),
        b"0\r\n\r\n",
    ],
    "deflate": lambda: whole(bomb("deflate", 20), "Content-Encoding: deflate"),
    "deflate without a header": lambda: whole(bomb("raw", 20), "Content-Encoding: deflate"),
    "members": lambda: whole(b"".join([bomb("gzip", 1)] * 20), "Content-Encoding: gzip"),
    "nothing to decompress": lambda: whole(b" " * (MOST + 1), "Content-Encoding: Identity"),
}


@pytest.mark.parametrize("says", BOMBS.values(), ids=BOMBS)
def test_what_is_large_once_decompressed_is_too_large(says: Says) -> None:
    """The bytes that count are those that it becomes."""
    said = [*says()]
    with serving(lambda: said) as server, in_memory(8):
        got = post(server)
    assert got == NoResponse("more than 200,000 bytes came", passes=False, connected=True, too_large=True)


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, gzip", ", ".join(["gzip"] * 1000), "x" * 50_000])
def test_encodings_that_were_not_asked_for_are_refused(coding: str) -> None:
    """Whatever libraries are installed that could decode them."""
    with serving(lambda: whole(bomb("gzip", 20), f"Content-Encoding: {coding}")) as server, in_memory(8):
        got = post(server)
    assert isinstance(got, NoResponse)
    assert (got.passes, got.too_large) == (True, False)


@pytest.mark.parametrize("padding", ["", "x" * 40])
def test_an_encoding_does_not_show_a_secret(client_of: Callable[..., Client], padding: str) -> None:
    """Neither whole nor in part."""
    keys = Credentials("AKIDEXAMPLE", "SECRETEXAMPLE", f"CANARY{padding}")
    with (
        serving(lambda: whole(BODY, f"Content-Encoding: CANARY{padding}")) as server,
        pytest.raises(TransientError, match="which was not asked for") as caught,
    ):
        call(client_of(server, Static(keys)))
    assert "canary" not in str(caught.value).lower()


READABLE: dict[str, Says] = {
    "plain": lambda: whole(BODY),
    "identity": lambda: whole(BODY, "Content-Encoding: identity"),
    "gzip": lambda: whole(gzip.compress(BODY), "Content-Encoding: GZIP"),
    "gzip of several members": lambda: whole(members(BODY[:9], b"", BODY[9:]), "Content-Encoding: gzip"),
    "deflate": lambda: whole(zlib.compress(BODY), "Content-Encoding: deflate"),
    "deflate without a header": lambda: whole(zlib.compress(BODY, wbits=-zlib.MAX_WBITS), "Content-Encoding: deflate"),
    "chunks": lambda: [head(CHUNKED), *(chunk(bytes([byte])) for byte in BODY), b"0\r\na: b\r\n\r\n"],
    "gzip in chunks": lambda: [
        head(CHUNKED, "Content-Encoding: gzip"),
        *(chunk(bytes([byte])) for byte in gzip.compress(BODY)),
        b"0\r\n\r\n",
    ],
    "after continue": lambda: [*repeat(head(status="100 Continue"), 50), *whole(BODY)],
    "another charset named": lambda: whole(BODY, "Content-Type: text/html; charset=utf-7"),
}


@pytest.mark.parametrize("says", READABLE.values(), ids=READABLE)
def test_answers_as_they_may_be_are_read(says: Says) -> None:
    """However they are framed and compressed, on a connection that is kept."""
    with serving(says) as server:
        transport = Transport(timeouts=(5.0, 5.0), most=len(BODY), proxies=False)
        got = [transport.post(f"{server.url}/", {}, b"{}") for _ in range(3)]
        transport.close()
    assert [each.body for each in got if isinstance(each, HttpResponse)] == [BODY] * 3
    assert server.connections == 1


def test_the_largest_answer_that_is_read() -> None:
    """The bound itself is within the bound."""
    for size, fits in ((MOST, True), (MOST + 1, False)):
        with serving(lambda size=size: whole(b" " * size)) as server:  # type: ignore[misc]
            assert isinstance(post(server), HttpResponse) == fits


CUT: dict[str, Says] = {
    "gzip": lambda: whole(gzip.compress(BODY)[:-9], "Content-Encoding: gzip"),
    "not gzip": lambda: whole(BODY, "Content-Encoding: gzip"),
    "gzip and more": lambda: whole(gzip.compress(BODY) + b"more", "Content-Encoding: gzip"),
    "chunk of another size": lambda: [head(CHUNKED), b"-5\r\nabc\r\n0\r\n\r\n"],
    "two lengths": lambda: [head("Content-Length: 5", "Content-Length: 6"), BODY],
}


@pytest.mark.parametrize("says", CUT.values(), ids=CUT)
def test_answers_that_are_not_whole_are_asked_for_again(says: Says) -> None:
    """They count as none."""
    with serving(says) as server:
        got = post(server)
    assert isinstance(got, NoResponse)
    assert (got.passes, got.connected, got.too_large) == (True, True, False)


SLOW: dict[str, bytes] = {
    "status line": b"HTTP/1.1 200 ",
    "header": b"HTTP/1.1 200 OK\r\na: ",
    "body": head(HUGE),
    "body until the connection ends": head("Connection: close"),
    "chunk size": head(CHUNKED) + b"5;",
    "chunk": head(CHUNKED) + b"ffffff\r\n",
    "error page": head(HUGE, status="502 Bad Gateway"),
}


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten seconds go by from each look at the clock to the next one."""
    passing = count(step=10)
    monkeypatch.setattr(bounds, "time", SimpleNamespace(monotonic=lambda: next(passing)))


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize("begin", SLOW.values(), ids=SLOW)
def test_an_answer_that_comes_byte_by_byte_is_left(begin: bytes) -> None:
    """Each byte comes in time, and the answer does not: the attempt has as long as it may take to connect and read."""
    with serving(lambda: chain([begin], repeat(b"x"))) as server:
        got = post(server, most=1_000_000_000)
    assert isinstance(got, NoResponse)
    assert (got.reason.partition(": ")[2], got.passes) == ("the answer was not whole after 10 s", True)


def test_addresses_of_a_host_share_the_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host may have thousands, and each silent one takes as long as a connection may take."""
    passing = count(step=4)
    monkeypatch.setattr(bounds, "time", SimpleNamespace(monotonic=lambda: next(passing)))
    with serving(lambda: whole()) as server:
        ports = [closed_port(), closed_port(), server.server_address[1]]
        found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port)) for port in ports]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
        got = post(server)
    assert got == NoResponse("ConnectTimeoutError: the answer was not whole after 10 s", passes=True, connected=False)
    assert server.connections == 0


@pytest.fixture
def client_of() -> Iterator[Callable[..., Client]]:
    made: list[Client] = []

    def make(server: Hostile, keys: object = KEYS) -> Client:
        limits = Limits(requests_per_second=1e6, patience=0.0, answer_bytes=MOST)
        made.append(Client(keys, endpoints=Endpoints(endpoint=server.url), limits=limits))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.mark.parametrize("name", ["body", "chunks", "trailers"])
def test_too_large_an_answer_is_an_error_of_its_own(client_of: Callable[..., Client], name: str) -> None:
    """It is not sent again: the reader of the list asks for fewer rows."""
    with serving(ENDLESS[name]) as server:
        with pytest.raises(ResponseTooLargeError, match=r"more than 200,000 bytes came.*Raise max_answer_bytes"):
            call(client_of(server))
        assert server.connections == 1


def test_too_many_values_are_too_large_an_answer(
    client_of: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list takes 30 times the memory of its two brackets."""
    body = b'{"Response": {"List": [%b[]]}}' % (b"[]," * 30_000)
    monkeypatch.setattr(answers, "_MOST_MARKS", 50_000)
    with serving(lambda: whole(body)) as server, pytest.raises(ResponseTooLargeError, match="more than 50,000 values"):
        call(client_of(server))


@pytest.mark.parametrize("name", ["redirect", "error page", "refusal", "early hints"])
def test_what_is_no_answer_is_judged_by_its_status(client_of: Callable[..., Client], name: str) -> None:
    """The body does not matter."""
    with serving(ENDLESS[name]) as server, pytest.raises(UnavailableError) as caught:
        call(client_of(server))
    assert not isinstance(caught.value, ResponseTooLargeError)


@pytest.mark.parametrize("name", ENDLESS)
def test_sts_has_the_same_bounds(client_of: Callable[..., Client], name: str) -> None:
    """For the account's id, and for the keys of a role."""
    with serving(ENDLESS[name]) as server:
        with pytest.raises(TcssError):
            client_of(server).account_id()
        with pytest.raises(TcssError):
            client_of(server, AssumeRole(Static(KEYS), "qcs::cam::uin/1:roleName/r")).origin()
        assert server.sent < 2 * (MOST + BUFFERED)


@pytest.mark.parametrize("name", ENDLESS)
def test_the_metadata_service_has_the_same_bounds(client_of: Callable[..., Client], name: str) -> None:
    """It has no keys then."""
    with serving(ENDLESS[name]) as server, in_memory(8):
        with pytest.raises(CredentialsError):
            client_of(server, CvmRole(server.url)).origin()
        assert server.sent < 2 * (MOST + BUFFERED)


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize("begin", SLOW.values(), ids=SLOW)
def test_sts_and_the_metadata_service_have_as_long(client_of: Callable[..., Client], begin: bytes) -> None:
    """A byte now and then holds neither."""
    with serving(lambda: chain([begin], repeat(b"x"))) as server:
        with pytest.raises(TransientError, match=r"not whole after 70 s|HTTP 502"):
            client_of(server).account_id()
        with pytest.raises(CredentialsError):
            client_of(server, CvmRole(server.url)).origin()
