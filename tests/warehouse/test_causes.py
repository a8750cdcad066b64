"""`connector.warehouse.causes`: the next step, by a driver's code in any language, else by its English text."""

from __future__ import annotations

import errno
import re
import socket
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, cast

import adbc_driver_postgresql.dbapi as adbc
import duckdb
import pymysql
import pytest
import sqlalchemy as sa

from connector.errors import DestinationError
from connector.tables import IMAGES
from connector.warehouse.causes import CAUSES, Family, codes_of, hint
from connector.warehouse.errors import destination_errors
from connector.warehouse.locations import locate
from connector.warehouse.probes import probe
from tests.warehouses import place, user

GERMAN = "keine Berechtigung, oder kein Platz"  # no pattern of ours finds anything in it


def coded(family: Family) -> list[Any]:
    """Every cause that has a code of that family, with each of its codes."""
    return [
        pytest.param(name, code, id=f"{name} {code}")
        for name, cause in CAUSES.items()
        for code in cause.codes.get(family, "").split()
    ]


@contextmanager
def raised() -> Iterator[list[Exception]]:
    """What the block raises, without SQLAlchemy around it."""
    found: list[Exception] = []
    try:
        yield found
    except sa.exc.DBAPIError as error:
        found.append(cast(Exception, error.orig))
    except Exception as error:
        found.append(error)


def test_a_code_means_one_cause() -> None:
    """Otherwise the order of the causes would decide, as it does for texts."""
    counts = Counter(
        (family, code) for c in CAUSES.values() for family, codes in c.codes.items() for code in codes.split()
    )
    assert {code for code, count in counts.items() if count > 1} == set()


def test_a_text_in_another_language_alone_says_nothing() -> None:
    """So the tests below prove that the code is enough."""
    assert hint(Exception(GERMAN), GERMAN) is None


@pytest.mark.parametrize(("name", "code"), coded("sqlstate"))
def test_postgresql_in_another_language(name: str, code: str, tmp_path: Path) -> None:
    """Raised by the server, through psycopg2 and through ADBC, with which dlt copies files."""
    statement = f"DO $$BEGIN RAISE EXCEPTION USING ERRCODE = '{code}', MESSAGE = '{GERMAN}'; END$$"
    with place("postgresql", tmp_path) as made:
        with raised() as by_psycopg2:
            made.sql(statement)
        with closing(adbc.connect(made.url)) as connection, closing(connection.cursor()) as cursor, raised() as by_adbc:
            cursor.execute(statement)
    assert [hint(error, GERMAN) for error in (*by_psycopg2, *by_adbc)] == [CAUSES[name].hint] * 2


@pytest.mark.parametrize(("name", "code"), coded("mysql"))
def test_mysql_in_another_language(name: str, code: str, tmp_path: Path) -> None:
    """Raised by the server as its own errors are."""
    with place("mysql", tmp_path) as made, raised() as found:
        made.sql(f"SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = {code}, MESSAGE_TEXT = '{GERMAN}'")
    assert [hint(error, GERMAN) for error in found] == [CAUSES[name].hint]


MARIADB = {
    "no such database": ("USE tcss_nowhere", "Unbekannte Datenbank"),
    "no space": ("INSERT INTO {data}.small SELECT seq FROM seq_1_to_1000", "Tabelle .* ist voll"),
    "narrow character set": ("INSERT INTO {data}.latin VALUES ('仓库')", "Falscher string-Wert"),
}
"""Statements that fail, and what MariaDB says of them in German."""


@pytest.mark.parametrize("name", MARIADB)
def test_mariadb_in_german(name: str, tmp_path: Path) -> None:
    """Its own errors, with its own texts in that language."""
    statement, said = MARIADB[name]
    with place("mysql", tmp_path) as made, made.engine.connect() as connection:

        def run(*statements: str) -> None:
            for each in statements:
                connection.exec_driver_sql(each.format(data=made.quoted(made.dataset)))

        run("CREATE DATABASE {data}", "CREATE TABLE {data}.latin (x TEXT CHARACTER SET latin1)")
        run("SET max_heap_table_size = 16384", "CREATE TABLE {data}.small (x CHAR(255)) ENGINE = MEMORY")
        run("SET lc_messages = 'de_DE'", "SET sql_mode = 'STRICT_ALL_TABLES'")
        with raised() as found:
            run(statement)
    (error,) = found
    assert re.search(said, error.args[1])
    assert hint(error, "") == CAUSES[name].hint


@pytest.mark.parametrize(
    ("number", "text"), [(1173, "This table type requires a primary key"), (3750, "Unable to create or change a table")]
)
def test_a_server_that_requires_primary_keys_is_named(number: int, text: str) -> None:
    """MariaDB's error and MySQL's, which the round trip of a check meets; dlt's own tables have no keys."""
    said = r"The server requires primary keys.*innodb_force_primary_key\) to OFF"
    with pytest.raises(DestinationError, match=said), destination_errors(locate("mysql://u@h/d"), "write to"):
        raise pymysql.err.OperationalError(number, text)


def test_an_option_that_libpq_does_not_know_is_named() -> None:
    """And not that a lock was not had."""
    location = locate("postgresql://root@127.0.0.1/test?optoins=x")
    with pytest.raises(DestinationError, match=r"^cannot connect to .*\"optoins\". Correct or remove that option"):
        probe(location)


def test_a_setting_that_a_pooler_refuses_is_told_with_what_to_do() -> None:
    """As PgBouncer says it at the connection, whatever was to be done."""
    said = r"cannot connect to postgresql://u@h/d: .*parameter: options. A pooler \(PgBouncer\) .* the server itself"
    with pytest.raises(DestinationError, match=said), destination_errors(locate("postgresql://u@h/d"), "lock"):
        raise RuntimeError("FATAL:  unsupported startup parameter: options")


@pytest.mark.parametrize("doing", ["lock", "write to", "read"])
@pytest.mark.parametrize("text", ["Connection refused", "password authentication failed for user", "timeout expired"])
def test_who_cannot_connect_is_told_that_alone(text: str, doing: str) -> None:
    """Whatever was to be done with the connection."""
    said = re.escape(f"cannot connect to postgresql://u:***@h/d: {text}")
    location = locate("postgresql://u:secret@h/d")
    with pytest.raises(DestinationError, match=said), destination_errors(location, doing):
        raise RuntimeError(text)


def test_a_user_without_rights_is_told_so_whatever_the_server_speaks(tmp_path: Path) -> None:
    """By a probe of a server that speaks German."""
    with place("mysql", tmp_path) as made, user(made, []) as url:
        german = sa.make_url(url).update_query_dict({"init_command": "SET lc_messages = 'de_DE'"})
        location = locate(german.render_as_string(hide_password=False), made.dataset)
        with pytest.raises(DestinationError, match=r"hat keine Zugriffsberechtigung .* Grant this user"):
            probe(location)


TRIGGERS = {
    "postgresql": (
        "CREATE FUNCTION {data}.refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$BEGIN RAISE EXCEPTION USING ERRCODE = '53100', MESSAGE = '{GERMAN}'; END$$",
        "CREATE TRIGGER refuse BEFORE INSERT ON {where}.images EXECUTE FUNCTION {data}.refuse()",
    ),
    "mysql": (
        "CREATE TRIGGER {where}.refuse BEFORE INSERT ON {where}.images FOR EACH ROW "
        f"SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 1114, MESSAGE_TEXT = '{GERMAN}'",
    ),
}


@pytest.mark.thorough("mysql", "{staging}")
@pytest.mark.parametrize("where", ["{staging}", "{data}"])
@pytest.mark.parametrize("kind", TRIGGERS)
def test_a_code_is_found_under_what_dlt_wraps_around_it(kind: str, where: str, tmp_path: Path) -> None:
    """Of a load that fails: while rows go to staging, which is ADBC in PostgreSQL, and while they are merged."""
    with place(kind, tmp_path) as made:
        pipeline = made.prepared()
        for statement in TRIGGERS[kind]:
            made.sql(statement.replace("{where}", where))
        with pytest.raises(DestinationError, match=rf"cannot load into .*{GERMAN}.* Free space where the warehouse is"):
            made.load(pipeline, IMAGES, {"account_id": "1", "image_id": "a"})


def _held(file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as one, closing(sqlite3.connect(file, timeout=0)) as two:
        one.execute("BEGIN EXCLUSIVE")
        two.execute("CREATE TABLE t (x)")


def _sqlite(uri: str, *statements: str) -> Callable[[Path], None]:
    def run(file: Path) -> None:
        with closing(sqlite3.connect(uri.format(file=file), uri=True)) as connection:
            for statement in statements:
                connection.execute(statement)

    return run


def _not_a_database(file: Path) -> None:
    file.write_bytes(b"something else" * 1000)
    _sqlite("file:{file}", "SELECT * FROM sqlite_master")(file)


SQLITE = {
    "file locked": _held,
    "database read-only": _sqlite("file:{file}?mode=ro", "CREATE TABLE t (x)"),
    "file not opened": _sqlite("file:{file}/none", "SELECT 1"),
    "another program's file": _not_a_database,
    "no space": _sqlite("file:{file}", "PRAGMA max_page_count = 2", "CREATE TABLE t (x)", "CREATE TABLE u (x)"),
}


@pytest.mark.parametrize("name", SQLITE)
def test_sqlite_by_its_codes(name: str, tmp_path: Path) -> None:
    """As SQLite raises them; its text is not needed."""
    file = tmp_path / "w.sqlite"
    _sqlite("file:{file}", "CREATE TABLE first (x)")(file)
    with raised() as found:
        SQLITE[name](file)
    assert [hint(error, "") for error in found] == [CAUSES[name].hint]


def test_duckdb_by_its_class() -> None:
    """Where the class has one cause."""
    with duckdb.connect(config={"memory_limit": "10MB", "temp_directory": ""}) as connection, raised() as found:
        connection.execute("CREATE TABLE t AS SELECT range, random() FROM range(5000000)")
    assert [hint(error, "") for error in found] == [CAUSES["no memory"].hint]


@pytest.mark.parametrize(("name", "code"), coded("errno"))
def test_the_system_by_its_numbers(name: str, code: str) -> None:
    """Whatever the language of the process. An unknown host is a class of its own."""
    error = socket.gaierror(2, GERMAN) if code == "gaierror" else OSError(getattr(errno, code), GERMAN)
    assert hint(error, GERMAN) == CAUSES[name].hint


def test_a_code_comes_before_a_text() -> None:
    """A text may quote another one."""
    assert hint(OSError(errno.ENOSPC, "..."), "Access denied for user") == CAUSES["no space"].hint


def test_a_number_is_mysqls_only_in_mysqls_exceptions() -> None:
    """Others number their errors too."""
    assert list(codes_of(Exception(1045, "..."))) == []


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ('IO Error: Could not set lock on file "/w": Conflicting lock is held (PID 7)', "one program at a time"),
        ("libodbc.so.2: cannot open shared object file: No such file or directory", "Install unixODBC"),
        ("database is locked", "Another program writes"),
        ('IO Error: Could not read from file "/w": Is a directory', "Name a file in that directory"),
        ("FATAL:  password authentication failed for user", "Check user name and password"),
        ("Access denied for user 'a'@'localhost' (using password: YES)", "Check user name and password"),
        ("Access denied for user 'a'@'localhost' to database 'd'", "Grant this user"),
        ("CREATE command denied to user 'a'@'localhost' for table", "Grant this user"),
        ("permission denied for schema tcss", "Grant this user"),
        ("Can't connect to MySQL server on 'h'", "Check host and port"),
        ("cannot execute CREATE TABLE in a read-only transaction", "accepts no writes"),
        ("attempt to write a readonly database", "accepts no writes"),
        ('database "d" does not exist', "Create the database first"),
        ('Catalog Error: unrecognized configuration parameter "x"', "Correct the options after the ?"),
        ("Parser Error: Memory must have a number (e.g. 1GB)", "Correct the options after the ?"),
        ("No space left on device", "Free space"),
        ("Incorrect string value: '\\xE5' for column", "utf8mb4"),
        ("canceling statement due to statement timeout", "raise the limit for this user"),
        ("canceling statement due to user request", "somebody has cancelled the statement"),
        ("Query execution was interrupted (max_statement_time exceeded)", "raise the limit for this user"),
        ("Connection was killed", "The server went away"),
        ("connection failed: FATAL:  the database system is shutting down", "The server went away"),
        ("connection failed: FATAL:  sorry, too many clients already", "lower --jobs"),
        ('FATAL:  too many connections for role "tcss"', "lower --jobs"),
        ("value too long for type character varying(20)", "Somebody has changed the column's type"),
        ("smallint out of range", "Somebody has changed the column's type"),
        ("Data too long for column 'image_name' at row 1", "Somebody has changed the column's type"),
        ("something new", None),
    ],
)
def test_what_drivers_say_has_a_next_step(text: str, step: str | None) -> None:
    """Where there is no code. The texts are those of real servers."""
    found = hint(Exception(text), text)
    assert found is None if step is None else step in str(found)
