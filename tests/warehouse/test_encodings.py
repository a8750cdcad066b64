"""Texts arrive as they were sent, whatever encoding somebody has set; or a check and a sync refuse, with the cause."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import uuid4

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from dlt.destinations.impl.postgres.postgres import PostgresParquetCopyJob

import connector.runs.run
from connector.errors import DestinationError
from connector.images.fields import storable
from connector.sandbox import Fleet
from connector.tables import IMAGES
from connector.warehouse import opening, pipeline, probes, roundtrip
from connector.warehouse.locations import Location, locate
from connector.warehouse.probes import probe
from connector.warehouse.roundtrip import TEXTS, round_trip
from tests.images import odd_images
from tests.warehouses import KINDS, Place, place, user
from tests.world import World, world

pytestmark = pytest.mark.round_trip

NAME = "café 中 🚀 שלום e\u0301 \u00a0x "
CLIENT_ENCODINGS = (
    *("LATIN1", "LATIN9", "WIN1252", "WIN1251", "KOI8R", "ISO_8859_5", "SQL_ASCII"),
    *("EUC_CN", "EUC_JP", "EUC_KR", "EUC_TW", "SJIS", "BIG5", "GBK", "GB18030", "UHC", "JOHAB"),
)


@contextmanager
def one_image(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A fleet with one image, of a difficult name."""
    fleet = Fleet([{"ImageID": "sha256:é", **odd_images.ITEM, "ImageName": NAME, "Reason": "a\0b"}])
    with world(directory, monkeypatch, fleet=fleet) as account:
        yield account


def tcss(account: World, command: str, url: str, place: Place) -> Any:
    return account.tcss(command, "--destination", url, "--dataset", place.dataset)


def assert_arrives(account: World, made: Place, url: str | None = None) -> None:
    """A sync succeeds, and the server itself has the name as it was sent, character by character."""
    result = tcss(account, "sync", url or made.url, made)
    assert result.exit_code == 0, result.output
    (row,) = made.table(IMAGES)
    assert (row["image_id"], row["image_name"], row["reason"]) == ("sha256:é", NAME, "a\ufffdb")
    length = {"duckdb": "length", "sqlite": "length"}.get(made.kind, "char_length")
    assert made.sql(f"SELECT {length}(image_name) FROM {{data}}.images") == [(len(NAME),)]


def assert_refused(made: Place, said: str, url: str | None = None) -> None:
    """By what a check and a sync ask first; and nothing is made."""
    before = made.datasets(), made.catalogue()
    with pytest.raises(DestinationError, match=said):
        probe(locate(url or made.url, made.dataset))
    assert (made.datasets(), made.catalogue()) == before


# ---- PostgreSQL ----


@pytest.mark.parametrize("encoding", CLIENT_ENCODINGS)
def test_postgresqls_client_encoding_is_ours(encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On each connection, whatever PGCLIENTENCODING, PGOPTIONS, the URL's options and the user's settings say, all of
    them at once."""
    with place("postgresql", tmp_path) as made, user(made, [_all_rights(made)]) as plain:
        database = made.quoted(str(sa.make_url(made.url).database))
        name = sa.make_url(plain).username
        for where in ("", f"IN DATABASE {database} "):
            made.sql(f"ALTER ROLE {name} {where}SET client_encoding = '{encoding}'")
        monkeypatch.setenv("PGCLIENTENCODING", encoding)
        monkeypatch.setenv("PGOPTIONS", f"-c client_encoding={encoding}")
        url = sa.make_url(plain).update_query_dict({"options": f"-c client_encoding={encoding}"})
        location = locate(url.render_as_string(hide_password=False), made.dataset)
        assert set(_encodings(location, tmp_path)) == {"UTF8"}


def _encodings(location: Location, directory: Path) -> Iterator[str]:
    """As the server says, on the connections of locks and probes, of dlt, and of ADBC."""
    show = "SELECT current_setting('client_encoding')"
    with probes._engine(location, "postgresql+psycopg2").connect() as connection:
        yield str(connection.exec_driver_sql(show).scalar())
    with pipeline.open_pipeline(location, "1", directory).sql_client() as client:
        yield client.execute_sql(show)[0][0]
    job = PostgresParquetCopyJob(str(directory / "images.1234567890.0.parquet"))
    job._job_client = pipeline.open_pipeline(location, "1", directory).destination_client()  # type: ignore[assignment]
    with job._connect() as connection, connection.cursor() as cursor:
        cursor.execute(show)
        yield cursor.fetchall()[0][0]


def _all_rights(made: Place) -> str:
    return f"GRANT CREATE ON DATABASE {made.quoted(str(sa.make_url(made.url).database))} TO {{user}}"


SPOILT = {
    "PGCLIENTENCODING": ({"PGCLIENTENCODING": "LATIN1"}, {}),
    "PGOPTIONS": ({"PGOPTIONS": "-c client_encoding=LATIN1"}, {}),
    "options": ({}, {"options": "-c client_encoding=LATIN1 -c standard_conforming_strings=off"}),
    "client_encoding": ({}, {"client_encoding": "LATIN1"}),
    "service": ({"PGSERVICEFILE": "service.conf"}, {"service": "spoilt"}),
    "PGSERVICE": ({"PGSERVICEFILE": "service.conf", "PGSERVICE": "spoilt"}, {}),
    "dates": ({"PGDATESTYLE": "SQL, DMY", "PGTZ": "Asia/Kolkata"}, {"options": "-c IntervalStyle=iso_8601"}),
}


@pytest.mark.thorough
@pytest.mark.parametrize("way", SPOILT)
def test_a_whole_sync_into_postgresql(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By each way that spoils a connection: what the server has is what the API sent."""
    environment, query = SPOILT[way]
    with place("postgresql", tmp_path) as made, one_image(tmp_path, monkeypatch) as account:
        (tmp_path / "service.conf").write_text("[spoilt]\nclient_encoding=LATIN1\nport=1\n")
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        url = sa.make_url(made.url).update_query_dict(query).render_as_string(hide_password=False)
        assert_arrives(account, made, url)


@contextmanager
def database(made: Place, definition: str, *settings: str) -> Iterator[Place]:
    """A database of its own, with these settings."""
    name = f"tcss_{uuid4().hex[:8]}"
    engine = made.engine.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE template0 {definition}")
        for setting in settings:
            connection.exec_driver_sql(f"ALTER DATABASE {name} SET {setting}")
        try:
            url = sa.make_url(made.url).set(database=name)
            there = sa.create_engine(
                made.engine.url.set(database=name),
                poolclass=sa.NullPool,
                connect_args={"client_encoding": "utf8"},
            )
            yield replace(made, url=url.render_as_string(hide_password=False), engine=there)
        finally:
            connection.exec_driver_sql(f"DROP DATABASE {name}")


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1", "WIN1252", "EUC_CN", "EUC_JP", "KOI8R"])
def test_a_postgresql_database_that_is_not_utf8_is_refused(encoding: str, tmp_path: Path) -> None:
    """SQL_ASCII would take any bytes, and the others fail at the first image name that they have not."""
    definition = f"ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
    with place("postgresql", tmp_path) as made, database(made, definition) as narrow:
        assert_refused(narrow, f"has the encoding {encoding}, which cannot hold every image name. Use a database")


def test_a_postgresql_database_that_cannot_be_talked_to_is_refused(tmp_path: Path) -> None:
    """The server has no conversion from UTF-8 to that encoding."""
    definition = "ENCODING 'MULE_INTERNAL' LC_COLLATE 'C' LC_CTYPE 'C'"
    with place("postgresql", tmp_path) as made, database(made, definition) as narrow:
        said = r"cannot connect to .*conversion between UTF8 and MULE_INTERNAL is not supported.* Use a database"
        with pytest.raises(DestinationError, match=said):
            probe(narrow.location)


@pytest.mark.thorough
def test_a_postgresql_database_with_settings_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are those of every connection that says nothing else."""
    settings = ("client_encoding = 'LATIN1'", "standard_conforming_strings = off", "DateStyle = 'German'")
    with (
        place("postgresql", tmp_path) as made,
        database(made, "ENCODING 'UTF8'", *settings) as spoilt,
        one_image(tmp_path, monkeypatch) as account,
    ):
        assert_arrives(account, spoilt)


@pytest.mark.thorough
def test_postgresql_without_adbc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are then statements, through psycopg2."""
    monkeypatch.setattr(pipeline, "find_spec", lambda name: None)
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    with place("postgresql", tmp_path) as made, one_image(tmp_path, monkeypatch) as account:
        assert_arrives(account, made, f"{made.url}?options=-cstandard_conforming_strings%3Doff")


# ---- MySQL ----


@pytest.mark.thorough
@pytest.mark.parametrize(
    "query",
    [
        {"charset": "utf8", "sql_mode": ""},
        pytest.param({"charset": "utf8mb3", "sql_mode": "ANSI", "init_command": "SET NAMES latin1"}, id="mixed"),
        {"charset": "latin1", "sql_mode": "NO_BACKSLASH_ESCAPES", "init_command": "SET CHARACTER SET latin1"},
        {"init_command": "SET time_zone = '+08:00'", "ssl-mode": "PREFERRED"},
    ],
    ids=str,
)
def test_a_whole_sync_into_mysql(query: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would narrow the connection is ours, whatever the URL says; the rest is obeyed."""
    with place("mysql", tmp_path) as made, one_image(tmp_path, monkeypatch) as account:
        url = sa.make_url(made.url).update_query_dict(query).render_as_string(hide_password=False)
        assert_arrives(account, made, url)


@pytest.mark.parametrize(
    "command",
    [
        "SET sql_mode = ''",
        "SET SESSION sql_mode = 'NO_ENGINE_SUBSTITUTION'",
    ],
)
def test_a_mysql_session_that_changes_texts_is_refused(command: str, tmp_path: Path) -> None:
    """An init_command has the last word, so nobody can undo what it does."""
    with place("mysql", tmp_path) as made:
        url = sa.make_url(made.url).update_query_dict({"init_command": command}).render_as_string(hide_password=False)
        assert_refused(made, "out of init_command in the destination's URL", url)


@pytest.mark.parametrize("charset", ["latin1", "utf8mb3", "gbk", "ucs2"])
def test_a_narrow_mysql_database_is_refused(charset: str, tmp_path: Path) -> None:
    """Or a table of ours in a wide one, which somebody has made or converted."""
    with place("mysql", tmp_path) as made:
        made.sql(f"CREATE DATABASE {{data}} CHARACTER SET {charset}")
        assert_refused(made, f"has the character set {charset}.*cannot hold every image name. Run ALTER DATABASE")
        made.sql("ALTER DATABASE {data} CHARACTER SET utf8mb4")
        probe(made.location)
        made.sql("CREATE TABLE {data}.theirs (x TEXT CHARACTER SET latin1)")
        probe(made.location)
        made.sql(f"CREATE TABLE {{data}}.images (image_id TEXT CHARACTER SET {charset})")
        assert_refused(made, "the table images of .* has columns that cannot hold .* Run ALTER TABLE")


# ---- all ----


@pytest.mark.thorough
@pytest.mark.parametrize("encoding", ["UTF-16le", "UTF-16be"])  # UTF-8 is that of all other tests
def test_sqlites_encodings(encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite converts on its own."""
    with place("sqlite", tmp_path) as made, one_image(tmp_path, monkeypatch) as account:
        with made.engine.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA encoding = '{encoding}'")
            connection.exec_driver_sql("CREATE TABLE mine (x)")
        assert made.sql("PRAGMA encoding") == [(encoding,)]
        assert_arrives(account, made)


@pytest.mark.thorough
def test_duckdbs_collation_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a merge of `id` would take `ID` away."""
    with place("duckdb", tmp_path) as made, one_image(tmp_path, monkeypatch) as account:
        assert_arrives(account, made, f"{made.url}?default_collation=NOCASE")
    folding = mock.patch.dict(opening.PINNED, {"default_collation": "NOCASE"})
    with place("duckdb", tmp_path / "2") as made, folding, pytest.raises(DestinationError, match="no row came back"):
        round_trip(made.location)


def test_what_becomes_of_a_nul_is_among_the_texts() -> None:
    """No database stores U+0000, so `images` replaces it; what stands in its place makes the round trip."""
    assert storable("\0") in TEXTS


def test_texts_come_back(place: Place) -> None:
    """On every kind of database, and nothing is left; with an account's lock or, as in a check, without."""
    for account_id in (None, "1", "1"):
        round_trip(place.location, account_id)
    assert place.datasets() == set()


CHANGES = {
    "mojibake": lambda text: text.encode().decode("latin-1"),
    "question marks": lambda text: "".join(c if ord(c) < 0x10000 else "????" for c in text),
    "trailing blanks": str.rstrip,
    "case": str.lower,
    "cut": lambda text: text[:65_535],
    "no accents": lambda text: text.replace("é", "e"),
    "composed": lambda text: text.replace("e\u0301", "é"),
    "backslashes": lambda text: text.replace("\\", ""),
    "line breaks": lambda text: text.replace("\r\n", "\n"),
}


@pytest.mark.thorough("trailing blanks", "case", "no accents", "backslashes", "line breaks")
@pytest.mark.parametrize(
    ("place", "change"),
    [*(("sqlite", change) for change in CHANGES), *((kind, "mojibake") for kind in KINDS if kind != "sqlite")],
    indirect=["place"],
)
def test_each_change_of_a_text_is_seen(place: Place, change: str) -> None:
    """As if something on the way made it; so the round trip can fail, and leaves nothing then either."""
    write = pq.write_table

    def changed(table: Any, file: Path) -> None:
        rows = table.to_pylist()
        for row in rows:
            row |= {name: CHANGES[change](row[name]) for name in ("image_name", "solution")}
        write(type(table).from_pylist(rows, schema=table.schema), file)

    said = r"changes what is written to it: .* came back as .*Nothing was loaded"
    with mock.patch.object(roundtrip.pq, "write_table", changed), pytest.raises(DestinationError, match=said):
        round_trip(place.location)
    assert place.datasets() == set()


@pytest.mark.thorough(but=("query3",))
@pytest.mark.parametrize(
    ("kind", "query"),
    [
        ("postgresql", {"client_encoding": "LATIN1"}),
        ("postgresql", {"client_encoding": "WIN1252"}),
        ("mysql", {"charset": "utf8", "sql_mode": ""}),
        ("mysql", {"charset": "latin1"}),
    ],
)
def test_a_connection_that_is_not_ours_is_seen(kind: str, query: dict[str, str], tmp_path: Path) -> None:
    """Were it not for `urls`, the round trip would still refuse it."""
    with place(kind, tmp_path) as made:
        location = made.location
        assert location.url is not None
        spoilt = replace(location, access=replace(location.access, url=location.url.update_query_dict(query)))
        with pytest.raises(DestinationError):
            round_trip(spoilt)
        assert made.datasets() == set()


@pytest.mark.thorough("postgresql")
def test_the_round_trip_is_made_once_in_a_datasets_life(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first load, and by no later one; again for another dataset, and by each check."""
    made: list[str] = []

    def counted(location: Location, *_: object) -> None:
        made.append(location.dataset)

    monkeypatch.setattr(connector.runs.run, "round_trip", counted)
    with one_image(tmp_path, monkeypatch) as account:
        for _ in range(2):
            assert tcss(account, "sync", place.url, place).exit_code == 0
    assert made == [place.dataset]


@pytest.mark.thorough("mysql")
@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_check_and_sync_refuse_alike(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With 6, before an image is asked for; and of one that is as it should be, a check says what it found."""
    with place(kind, tmp_path) as made, one_image(tmp_path, monkeypatch) as account:
        found = tcss(account, "check", made.url, made)
        what = "schema" if kind == "postgresql" else "database"
        assert f"ok      writable: yes; the {what} {made.dataset} will be created" in found.stdout
        assert f"ok      texts: {len(TEXTS)} difficult ones came back as they were written" in found.stdout
        monkeypatch.setattr(probes, "STRICT", ("NEVER",))
        monkeypatch.setattr(
            probes, "_refuse_encoding", mock.Mock(side_effect=DestinationError("no connections change"))
        )
        for command in ("check", "sync"):
            result = tcss(account, command, made.url, made)
            assert (result.exit_code, "connections" in result.output) == (6, True)
        assert made.datasets() == set()
