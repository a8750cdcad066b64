"""Every character in a password, a user and a database's name: each connection sends it as it is, and none shows it."""

from __future__ import annotations

import json
import logging
import string
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from io import StringIO
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import quote, quote_plus

import pytest
import sqlalchemy as sa
from dlt.destinations.impl.postgres.postgres import PostgresParquetCopyJob
from psycopg2.extensions import make_dsn, parse_dsn
from sqlalchemy.engine import URL

from connector.errors import ConfigurationError, DestinationError
from connector.warehouse.errors import destination_errors
from connector.warehouse.locations import Location, locate
from connector.warehouse.locks import lock
from connector.warehouse.pipeline import open_pipeline
from connector.warehouse.probes import probe
from connector.warehouse.roundtrip import round_trip
from connector.warehouse.urls import KEEPS_ESCAPES
from tests.warehouse.asking import Asking
from tests.warehouses import Place, place, user
from tests.world import world

CHARACTERS = (" ", *string.ascii_letters, *string.digits, *string.punctuation, *"éÿßЖ中🚀\u0301\u202e\u00a0\t\x01")
SOME = tuple(" %:@/\\'\"é🚀\x01")
CHOSEN = pytest.mark.parametrize("characters", [CHARACTERS, SOME], ids=["all", "some"])
CLOUDS = {
    "mssql": "mssql://{u}:{p}@h/{d}",
    "redshift": "redshift://{u}:{p}@h:5439/{d}",
    "snowflake": "snowflake://{u}:{p}@account/{d}",
    "clickhouse": "clickhouse://{u}:{p}@h/{d}",
    "oracle": "oracle://{u}:{p}@h/{d}",
    "trino": "trino://{u}:{p}@h/{d}",
}


def odd(character: str) -> str:
    return f"a{character}b{character}{character}c"


def refused(character: str, url: str) -> bool:
    """Whether SQLAlchemy cannot hand on a database's name with this character: 2.0 would take half of the name. Then
    the URL is refused."""
    if character != "?" or not KEEPS_ESCAPES:
        return False
    with pytest.raises(ConfigurationError, match=r"SQLAlchemy 2\.0"):
        locate(url)
    return True


# ---- each connection ----


def _adbc(location: Location, directory: Path) -> None:
    client = open_pipeline(location, "1", directory).destination_client()
    job = PostgresParquetCopyJob(str(directory / "images.1234567890.0.parquet"))
    job._job_client = client  # type: ignore[assignment]
    job._connect().close()


def _dlt(location: Location, directory: Path) -> None:
    with open_pipeline(location, "1", directory).sql_client() as client:
        client.execute_sql("SELECT 1")


def _lock(location: Location, _: Path) -> None:
    with lock(location, "1"):
        pass


def _probe(location: Location, _: Path) -> None:
    probe(location)


CONNECTIONS: dict[str, Callable[[Location, Path], None]] = {
    "lock": _lock,
    "probe": _probe,
    "dlt": _dlt,
    "ADBC": _adbc,
}


@pytest.mark.thorough("all")
@CHOSEN
@pytest.mark.parametrize("way", CONNECTIONS)
def test_postgresql_is_told_each_character_as_it_is(way: str, tmp_path: Path, characters: Sequence[str]) -> None:
    """By every connection of ours, in user, password and database alike, and that our texts are in UTF-8."""
    with Asking() as server:
        for character in characters:
            text = odd(character)
            quoted = quote(text, safe="")
            url = f"postgresql://{quoted}:{quoted}@127.0.0.1:{server.port}/{quoted}?application_name={quoted}"
            if refused(character, url):
                continue
            location = locate(url)
            with pytest.raises(Exception):  # noqa: B017, PT011  (each driver has its own)
                CONNECTIONS[way](location, tmp_path / f"{ord(character)}")
            told = server.told.pop()
            assert not server.told
            assert [told[name] for name in ("user", "password", "database")] == [text] * 3, character
            assert told["client_encoding"].lower() in ("utf8", "utf-8")


@pytest.mark.thorough("all")
@CHOSEN
@pytest.mark.parametrize("way", ["lock", "probe", "dlt"])
def test_mysql_lets_in_each_password_and_user(way: str, tmp_path: Path, characters: Sequence[str]) -> None:
    """A real server compares the password, so one that was changed on its way would not do."""
    with place("mysql", tmp_path) as made, user(made, ["GRANT ALL ON *.* TO {user}"]) as given:
        url = sa.make_url(given)
        for number, character in enumerate(characters):
            values = {"user": url.username, "new": odd(character)}
            with made.engine.connect() as connection:
                connection.execute(sa.text("SET PASSWORD FOR :user@'%' = PASSWORD(:new)"), values)
            text = url.set(password=odd(character)).render_as_string(hide_password=False)
            CONNECTIONS[way](locate(text, made.dataset), tmp_path / f"{number}")


@pytest.mark.thorough("mysql")
@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_rows_arrive_through_users_with_every_character(kind: str, tmp_path: Path) -> None:
    """In a whole round trip, for which drivers copy their credentials."""
    printable = " " + string.punctuation
    for name in (f"a{printable[:20]}z", f"a{printable[20:]}z", "éЖ中🚀"):
        with place(kind, tmp_path) as made, named(made, name) as url:
            location = locate(url, made.dataset)
            probe(location)
            round_trip(location)


@contextmanager
def named(made: Place, name: str) -> Iterator[str]:
    """A user of that name who may do anything, and whose password is the name."""
    url = sa.make_url(made.url).set(username=name, password=name)
    quoted, literal = '"' + name.replace('"', '""') + '"', "'" + name.replace("'", "''") + "'"
    if made.kind == "mysql":
        quoted, literal = f"{_escaped(name)}@'%'", _escaped(name)
    login, rights = {
        "postgresql": (f"SUPERUSER LOGIN PASSWORD {literal}", "SELECT 1"),
        "mysql": (f"IDENTIFIED BY {literal}", f"GRANT ALL ON *.* TO {quoted}"),
    }[made.kind]
    try:
        _run(made, f"CREATE USER {quoted} {login}", rights)
        yield url.render_as_string(hide_password=False)
    finally:
        _run(made, f"DROP USER {quoted}")


def _escaped(name: str) -> str:
    return "'" + name.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _run(made: Place, *statements: str) -> None:
    """As they stand, whatever is in them."""
    with made.engine.connect() as connection, closing(connection.connection.cursor()) as cursor:
        for statement in statements:
            cursor.execute(statement)
        connection.connection.commit()


@pytest.mark.parametrize("kind", CLOUDS)
def test_what_we_cannot_reach_here_is_given_each_character_too(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """To dlt, as credentials whose URL has the same parts."""
    monkeypatch.setattr("connector.warehouse.locations._installed", lambda module: True)
    for character in CHARACTERS:
        text = odd(character)
        quoted = quote(text, safe="")
        url = CLOUDS[kind].format(u=quoted, p=quoted, d=quoted if character not in "/" else "d")
        if refused(character, url):
            continue
        found = locate(url)
        again = sa.make_url(found.credentials)
        assert (again.username, again.password) == (text, text), character
        if kind != "snowflake" and character != "/":
            assert again.database == text


@pytest.mark.parametrize("host", ["h", "h:5440"])
def test_redshifts_driver_can_read_what_it_is_given(host: str, tmp_path: Path) -> None:
    """The driver is PostgreSQL's, and knows no URI that begins with redshift://."""
    for character in SOME:
        text = odd(character)
        url = f"redshift://{quote(text, safe='')}:{quote(text, safe='')}@{host}/d"
        client: Any = open_pipeline(locate(url), "1", tmp_path).sql_client()
        given = parse_dsn(client.credentials.to_native_representation())
        read = [given[name] for name in ("user", "password", "host", "port", "dbname")]
        assert read == [text, text, "h", host.partition(":")[2] or "5439", "d"], character


# ---- redaction ----

CANARY = f"CANARY{string.punctuation} é中🚀CANARY"
FORMS = {
    "plain": CANARY,
    "percent": quote(CANARY),
    "all in percent": quote(CANARY, safe=""),
    "plus": quote_plus(CANARY),
    "libpq": make_dsn(password=CANARY),
    "repr": repr(CANARY),
    "JSON": json.dumps(CANARY),
}


@pytest.mark.parametrize("command", ["sync", "check", "views", "status"])
def test_a_server_that_repeats_the_password_does_not_make_us_show_it(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """On stdout, on stderr and in logs, in any of its forms."""
    caplog.set_level(logging.DEBUG)
    said = " ".join(FORMS.values()).replace("\n", " ")
    with Asking(said) as server, world(tmp_path, monkeypatch, images=5) as account:
        url = URL.create("postgresql", "u", CANARY, "127.0.0.1", server.port, "d").render_as_string(False)
        options = ["--json"] if command in ("sync", "check", "status") else []
        results = [account.tcss(command, "--destination", url, *given) for given in ([], options)]
        assert server.told
    for result in results:
        assert result.exit_code == 6, result.output
        assert "CANARY" not in result.output
    assert "CANARY" not in caplog.text


@pytest.mark.thorough(but=("percent",))
@pytest.mark.parametrize("form", FORMS)
def test_a_driver_that_shows_the_password_does_not_show_it_through_us_or_dlt(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In mid-load: on stdout, stderr, in --json, and in dlt's log."""
    said = f"unexpected spaces found in {FORMS[form]}, use percent-encoded spaces"
    with place("postgresql", tmp_path) as made, world(tmp_path, monkeypatch, images=5) as account:
        url = sa.make_url(made.url).set(password=CANARY).render_as_string(hide_password=False)
        failing = mock.patch.object(PostgresParquetCopyJob, "_connect", side_effect=ValueError(said))
        with failing, logged("dlt") as log:
            result = account.tcss("sync", "--json", "--destination", url, "--dataset", made.dataset)
    assert result.exit_code == 6, result.output
    assert "unexpected spaces found in" in result.stdout
    for text in (result.output, log.getvalue()):
        assert "CANARY" not in text
        assert "***" in text, "nothing was said, so this proves nothing"


@contextmanager
def logged(name: str) -> Iterator[StringIO]:
    """What the logger writes."""
    handler = logging.StreamHandler(StringIO())
    logging.getLogger(name).addHandler(handler)
    try:
        yield handler.stream
    finally:
        logging.getLogger(name).removeHandler(handler)


@pytest.mark.parametrize("form", FORMS)
def test_an_error_keeps_no_password_behind_it(form: str) -> None:
    """Neither its cause nor its context, which those who report errors to a server look at."""
    location = locate(URL.create("postgresql", "u", CANARY, "h", 1, "d").render_as_string(hide_password=False))

    def fail() -> None:
        try:
            raise ValueError(FORMS[form])
        except ValueError as error:
            raise RuntimeError(FORMS[form]) from error

    with pytest.raises(DestinationError) as caught, destination_errors(location, "read"):
        fail()
    seen: list[BaseException | None] = [caught.value]
    while (error := seen.pop()) is not None:
        assert "CANARY" not in f"{error!r} {error}"
        seen += (None, error.__cause__, error.__context__)


def test_pipelines_do_not_show_it(tmp_path: Path) -> None:
    """Their `repr` is what dlt's messages hold."""
    for scheme in ("postgresql", "mysql"):
        url = URL.create(scheme, "u", "CANARY", "h", 1, "d").render_as_string(hide_password=False)
        pipeline: Any = open_pipeline(locate(url), "1", tmp_path / scheme)
        assert "CANARY" not in locate(url).scrub(f"{pipeline!r} {pipeline.destination!r}")
