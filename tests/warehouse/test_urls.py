"""`connector.warehouse.urls`: options of PostgreSQL's and MySQL's URLs are obeyed, made ours, or refused by name."""

from __future__ import annotations

import getpass
import re
import string
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import parse_dsn
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.engine import URL, make_url

from connector.errors import ConfigurationError, DestinationError
from connector.warehouse.locations import locate, read_url
from connector.warehouse.postgresql import uri
from connector.warehouse.probes import probe
from connector.warehouse.urls import rendered, with_whole_paths
from tests.warehouses import place

HOSTS = {
    "h": ("h", "5432"),
    "h:1": ("h", "1"),
    "[::1]:1": ("::1", "1"),
    "h1,h2": ("h1,h2", "5432,5432"),
    "h1:1,h2:2": ("h1,h2", "1,2"),
    "h1,h2:2": ("h1,h2", "5432,2"),
    "10.0.0.1:1,[::1]:2,h": ("10.0.0.1,::1,h", "1,2,5432"),
    "%2Fvar%2Frun": ("/var/run", "5432"),
    "?host=/var/run": ("/var/run", "5432"),
    "?host=/var/run&port=1": ("/var/run", "1"),
    "?host=h1,h2": ("h1,h2", "5432,5432"),
    "?host=h1,h2&port=1,2": ("h1,h2", "1,2"),
    "?host=h1,h2&port=1": ("h1,h2", "1,1"),
    "?host=h1:1&host=h2:2": ("h1,h2", "1,2"),
    "?host=/a,h": ("/a,h", "5432,5432"),
}
"""What a URL has after the user: hosts and ports as libpq is given them."""


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """libpq's own variables name another server."""
    monkeypatch.setenv("PGPORT", "9")
    monkeypatch.setenv("PGHOST", "nowhere")


@pytest.mark.parametrize("text", HOSTS)
def test_every_connection_reaches_the_hosts_that_a_url_names(text: str) -> None:
    """Those of SQLAlchemy get keywords, those of dlt and ADBC a URI: both have the same hosts and ports."""
    hosts, _, query = text.partition("?")
    url = locate(f"postgresql://u:p%40,x@{hosts}/d?{query}").url
    assert url is not None
    _, keywords = PGDialect_psycopg2().create_connect_args(url)
    for given in (keywords, parse_dsn(uri(url))):
        assert (given["host"], str(given["port"])) == HOSTS[text]
        assert (given["user"], given["password"], given["dbname"]) == ("u", "p@,x", "d")
        assert given["client_encoding"] == "utf8"


@pytest.mark.parametrize("query", ["port=x", "host=h1,h2&port=1,", "host=h1:x,h2"])
def test_a_port_that_is_no_number_is_refused(query: str) -> None:
    """Before anything connects, and not repeated: it may be a password."""
    with pytest.raises(ConfigurationError, match="a port in the PostgreSQL URL is not a number"):
        locate(f"postgresql://u@/d?{query}")


@pytest.mark.parametrize("password", ["a,b", "a,b/c", "a,b/c?d", ",", "a:1,b:2"])
def test_a_comma_in_a_password_makes_no_hosts(password: str) -> None:
    """Even where it should have been escaped."""
    url = locate(f"postgresql://u:{password}@h/d").url
    assert url is not None
    assert (url.password, url.host, dict(url.query).get("host")) == (password, "h", None)


@pytest.mark.parametrize("where", ["%2Fvar%2Frun%2Fpostgresql", "127.0.0.1:1,127.0.0.1:{port}"])
def test_a_real_server_is_reached_by_its_socket_and_as_the_second_host(where: str, tmp_path: Path) -> None:
    """By SQLAlchemy, psycopg2 and ADBC: the rows arrive."""
    with place("postgresql", tmp_path) as made:
        port = made.engine.url.port or 5432
        if "%2F" in where and not Path("/var/run/postgresql").exists():
            pytest.skip("the server has no socket here")
        url = f"postgresql://{made.engine.url.username}@{where.format(port=port)}/{made.engine.url.database}"
        location = locate(url, made.dataset)
        assert location.url is not None
        with closing(psycopg2.connect(uri(location.url))) as connection:
            assert connection.info.dbname == made.engine.url.database
        assert probe(location) == f"the schema {made.dataset}"


def test_a_process_without_a_name_is_told_to_name_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs under a number: Python says KeyError, and from 3.13 on OSError."""
    monkeypatch.delenv("PGUSER", raising=False)
    for error in (KeyError("uid not found: 4242"), OSError("No username set in the environment")):
        monkeypatch.setattr(getpass, "getuser", lambda error=error: (_ for _ in ()).throw(error))
        for server in ("postgresql", "mysql"):
            with pytest.raises(ConfigurationError, match=r"names no user.*Write"):
                locate(f"{server}://h/d")
            assert locate(f"{server}://u@h/d").url is not None
    assert locate("mysql://h/d?read_default_file=/etc/my.cnf").url is not None


MODES = {
    "disabled": {"ssl_disabled": "true"},
    "PREFERRED": {},
    "Required": {"ssl_check_hostname": "false"},
    "VERIFY_CA&ssl-ca=f": {"ssl_check_hostname": "false", "ssl_ca": "f"},
    "VERIFY_IDENTITY&ssl_ca=f": {"ssl_check_hostname": "true", "ssl_ca": "f"},
}


@pytest.mark.parametrize("name", ["ssl-mode", "ssl_mode", "SSL-Mode"])
@pytest.mark.parametrize("mode", MODES)
def test_mysqls_ssl_mode_is_pymysqls(mode: str, name: str) -> None:
    """As providers of databases write it."""
    url = locate(f"mysql://u:p@h/d?{name}={mode}").url
    assert url is not None
    assert {k: v for k, v in url.query.items() if k.startswith("ssl")} == MODES[mode]


def test_a_mode_that_requires_tls_is_not_ignored(tmp_path: Path) -> None:
    """A server without TLS is refused; if this one has it, it is used."""
    with place("mysql", tmp_path) as made:
        (_, has), *_ = made.sql("SHOW VARIABLES LIKE 'have_ssl'")
        location = locate(f"{made.url}?ssl-mode=REQUIRED", made.dataset)
        if has == "YES":
            assert probe(location)
        else:
            with pytest.raises(DestinationError, match="SSL"):
                probe(location)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("ssl-mode=on", "ssl-mode ON is none of DISABLED"),
        ("ssl-mode=VERIFY_CA", "needs the authority's certificate.*ssl-ca"),
        ("connect-timout=1", "no option connect_timout.*Did you mean connect_timeout"),
        ("useSSL=false", "no option usessl"),
        ("ssl_disabled=false", "no option ssl_disabled"),
        ("autocommit=0", "no option autocommit"),
        ("zzz=0", "no option zzz. Options: bind_address"),
    ],
)
def test_a_mysql_option_that_would_be_misread_is_refused_by_its_name(query: str, said: str) -> None:
    """PyMySQL takes the text `false` for true, and says of others what Python says."""
    with pytest.raises(ConfigurationError, match=said):
        locate(f"mysql://u:p@h/d?{query}")


@pytest.mark.parametrize("charset", ["utf8", "utf8mb3", "latin1", "gbk", "ascii", "binary"])
def test_the_encoding_of_a_mysql_url_is_ours(charset: str) -> None:
    """And its SQL mode is strict, whichever others the URL adds."""
    url = locate(f"mysql://u:p@h/d?charset={charset}&sql_mode=ANSI_QUOTES").url
    assert url is not None
    assert (url.query["charset"], url.query["sql_mode"]) == (
        "utf8mb4",
        "ANSI_QUOTES,STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION",
    )


def test_a_uri_escapes_every_character() -> None:
    """libpq refuses blanks, and takes a + for a +."""
    odd = " +%@:/?#[]&='\"\\é中"
    url = URL.create("postgresql", odd, odd, "h", 5432, odd, {"options": odd})
    assert re.fullmatch(r"[\w.~%:@/?=&-]+", uri(url))
    assert parse_dsn(uri(url)) == {
        "user": odd,
        "password": odd,
        "host": "h",
        "port": "5432",
        "dbname": odd,
        "options": odd,
    }


def test_files_that_options_name_are_found_from_any_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only files that are there, and only where an option is about a file."""
    monkeypatch.chdir(tmp_path)
    for name in ("ca.pem", "require"):
        (tmp_path / name).touch()
    options = "sslrootcert=ca.pem&sslkey=none.pem&sslmode=require&sslcert=/etc/passwd&passfile=ca.pem"
    found = with_whole_paths(make_url(f"postgresql://u:p%40@h/d?{options}"))
    whole = str(tmp_path / "ca.pem")
    assert found.query == {
        "sslrootcert": whole,
        "passfile": whole,
        "sslkey": "none.pem",
        "sslmode": "require",
        "sslcert": "/etc/passwd",
    }
    assert found.password == "p@"


@pytest.mark.parametrize("driver", ["postgresql", "mysql", "duckdb"])
def test_a_url_is_the_same_after_it_was_a_text(driver: str) -> None:
    """The dashboard and Airflow hand it on as text. SQLAlchemy 2.0 would cut a database's name at its `?`."""
    for character in (*string.punctuation, " ", "%41", "%2F", "é", "中", "🚀"):
        text = f"a{character}b{character}{character}c"
        server = {} if driver == "duckdb" else {"username": text, "password": text, "host": "h", "port": 1}
        url = URL.create(driver, database=text, query={"application_name": text}, **server)  # type: ignore[arg-type]
        assert read_url(rendered(url)) == url
