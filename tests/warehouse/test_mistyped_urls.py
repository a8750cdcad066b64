"""A URL that is mistyped in any way is never repeated with its password: not by the command, not by an error."""

from __future__ import annotations

import base64
import re
import socket
import subprocess
import sys
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.api.attempts import NoResponse
from connector.api.endpoints import Endpoints
from connector.api.transport import Transport
from connector.errors import TcssError
from connector.redaction import Redactor, _in_base64, secrets_in
from connector.warehouse.locations import locate, may_hold_secret

WORD = "CANARYWORD"
PASSWORDS = st.text(st.sampled_from("ab1@:/?#%&=+,; \\'\"[]$é"), max_size=4).flatmap(
    lambda odd: st.sampled_from([f"{WORD}{odd}", f"{odd}{WORD}", f"{WORD}{odd}{WORD}", WORD])
)
SERVERS = ["postgresql", "postgres", "mysql", "mariadb", "snowflake", "redshift", "mssql", "oracle", "trino", "nosuch"]
SEPARATORS = ("://", ":", "@")


@st.composite
def mistyped(draw: st.DrawFn) -> str:
    """The URL of a server, of which what stands between two parts is missing, doubled or another sign."""
    password = draw(PASSWORDS)
    scheme = draw(st.sampled_from([*SERVERS, "duckdb", "sqlite"]))
    odd = st.sampled_from(["", "", ":", "/", "@", "//", ":/", ":///", "::", "@@", " ", "\n", "?", "#", "%"])
    if draw(st.booleans()):
        password = quote(password, safe="")
    seams = [*SEPARATORS]
    if "@" not in password:  # which is a mistake of its own
        seams[draw(st.integers(0, 2))] = draw(odd)
    user = draw(st.sampled_from(["user", "us.er", ""]))
    rest = draw(st.sampled_from(["h/db", "h:5432/db", "h1,h2/db", "h", "h/db?connect_timeout=3", "h/db?warehouse=w"]))
    return f"{scheme}{seams[0]}{user}{seams[1]}{password}{seams[2]}{rest}"


def shown(destination: str) -> str:
    """All that is told of a destination."""
    try:
        location = locate(destination, "tcss")
    except TcssError as error:
        return f"{error} {error!r} {error.args} {error.__cause__} {error.__suppress_context__ or error.__context__}"
    return f"{location} {location!r} {location.display}"


def is_server(destination: str) -> bool:
    """A file may be called anything, and so may a user."""
    file = re.match(r"(duckdb|sqlite):/{3}", destination)
    user = re.match(r"[a-z]+://([^:/@]*)[:@]", destination)
    return not file and not (user and (WORD in user[1] or destination[user.end() :].startswith("@")))


@given(mistyped().filter(is_server))
def test_no_mistyped_destination_is_repeated(destination: str) -> None:
    """Where a `@` tells that there is a user, or where the text cannot be read."""
    if "@" in destination:
        assert WORD not in shown(destination)
        assert may_hold_secret(destination)


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql:u:{WORD}@h",
        f"postgresql://u:a@{WORD}@h/d",
        f"postgresql://u/{WORD}@h/d",
        f"postgresql:///u:{WORD}@h/d",
        f"postgresql://u:{WORD},x/d",
        f"postgresql://h/d?port={WORD}",
        f"mysql://u:x@h/{WORD}@k",
        f"mysql://u@h/d?{WORD}1=2",
        f"snowflake://u:p@{WORD}@acc/d",
        f"duckdb:///u:{WORD}@h/x.duckdb",
        f"{WORD}1://h/d",
        WORD,
    ],
)
def test_these_were_once_repeated(text: str) -> None:
    """By a message, or by what is shown of a destination."""
    assert WORD.lower() not in shown(text).lower()


def test_paths_and_names_may_have_signs() -> None:
    """What is no server's URL is read as ever."""
    assert locate("duckdb:////srv/me@home/w.duckdb").display.endswith("w.duckdb")
    assert not may_hold_secret("duckdb:////srv/me@home/w.duckdb")
    assert not may_hold_secret("postgres")
    assert str(locate("postgresql://me%40corp:p%40ss@h/d")) == "tcss in postgresql://me%40corp:***@h/d"


# ---- proxies ----

PROXIES = [
    f"http://u:{WORD}@h:port",
    f"http://u:{WORD}@",
    f"http://u:{WORD}",
    f"http//u:{WORD}@h:1",
    f"http:u:{WORD}@h",
    f"u:{WORD}@h:1",
    f"ftp://u:{WORD}@h:1",
    f"http://u:a@{WORD}@h:1",
    f"http://u:a/{WORD}@h:1",
    f"http://u:a#{WORD}@h:1",
    f"http://[u:{WORD}@h:1",
    f"http://u:{WORD}@h\n:1",
    f"http://u:{WORD}@{'h' * 70}.x:1",
    f"socks5://u:{WORD}@h:1",
    f"{WORD}://h:1",
]


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "all_proxy"])
def test_no_mistyped_proxy_is_repeated(proxy: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And none is a crash: nothing came back, and the reason is said without it."""

    def unknown(host: str, *_: object) -> None:
        raise socket.gaierror(-2, f"{host} is not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setenv(name, proxy)
    transport = Transport(timeouts=(1, 1), most=10_000, proxies=True)
    got = transport.post("https://127.0.0.1:9", {}, b"")
    transport.close()
    assert isinstance(got, NoResponse)
    assert WORD not in got.reason


# ---- one redaction ----


@given(PASSWORDS, st.sampled_from(["", "u:", "user:"]))
def test_a_secret_is_hidden_in_base64_too(password: str, before: str) -> None:
    """As in the header of a proxy, whatever stands before and behind."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        text = encode(f"{before}{password}".encode()).decode()
        hidden = Redactor((password,))(f"Basic {text}.")
        assert hidden.startswith("Basic ")
        assert "***" in hidden
        assert not re.search("|".join(_in_base64(WORD)), hidden)


@given(PASSWORDS)
def test_what_may_be_secret_in_a_url(password: str) -> None:
    """Well formed or not."""
    for url in (f"http://u:{password}@h:1", f"u:{password}@h", f"http://u:{quote(password)}@h:1"):
        assert WORD not in Redactor(secrets_in(url))(f"cannot parse {url} or {password!r}")


@pytest.mark.parametrize("endpoint", [f"u:{WORD}@h", f"https://u:{WORD}@h", f"ftp:{WORD}", f"ftp://{WORD}"])
def test_no_mistyped_endpoint_is_repeated(endpoint: str) -> None:
    """It is refused before anything is sent."""
    with pytest.raises(TcssError) as caught:
        Endpoints(endpoint=endpoint).urls()
    assert WORD.lower() not in str(caught.value).lower()


def test_a_url_in_a_wrong_place_is_shown_without_its_password() -> None:
    """As where `--destination` was forgotten before it. A URL of ours keeps its user."""
    url = f"postgresql://u:{WORD}@h/d"
    command = [sys.executable, "-m", "connector", "status", url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, WORD in done.stderr) == (2, "", False)
    assert "postgresql://***@h/d" in done.stderr
    error = TcssError(f"no {url} or mysql://u:***@h/d", hint=f"Not {url}.")
    assert str(error) == "no postgresql://***@h/d or mysql://u:***@h/d. Not postgresql://***@h/d."
    assert error.message == "no postgresql://***@h/d or mysql://u:***@h/d"
