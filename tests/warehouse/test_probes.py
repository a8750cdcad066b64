"""`connector.warehouse.probes`: whether a warehouse can be written, as `tcss check` asks, on real files and servers."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from connector.errors import DestinationError
from connector.warehouse.locations import locate
from connector.warehouse.probes import probe, refuse_capitals
from tests.warehouses import FILES, Place, place, user

OPEN_DUCKDB = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""
CHECK_AS_NOBODY = """
import os, sys
from connector.warehouse.locations import locate
from connector.warehouse.probes import probe
from connector.errors import DestinationError
location = locate(sys.argv[1])
probe(location)
if os.getuid() == 0:
    os.setuid(65534)
try:
    probe(location)
except DestinationError as error:
    print(error)
"""


@pytest.mark.parametrize("setting", [1, 2])
def test_a_dataset_with_capitals_is_refused_where_the_server_does_not_tell_them_apart(setting: int) -> None:
    """`TCSS` and `tcss` would be one database with two locks; a server that tells them apart takes both."""
    location = locate("mysql://u:p@h/Tcss")
    with pytest.raises(DestinationError, match=rf"lower_case_table_names={setting}\).* Name the dataset tcss, in"):
        refuse_capitals(location, setting)
    refuse_capitals(location, 0)
    refuse_capitals(locate("mysql://u:p@h/tcss_2"), setting)


def test_a_check_of_an_empty_place_leaves_nothing_behind(place: Place) -> None:
    """No file, schema or database is there afterwards."""
    before = place.datasets()
    probe(place.location)
    assert (before, place.datasets()) == (set(), set())


def test_a_check_of_a_warehouse_leaves_it_as_it_was(place: Place) -> None:
    """No dataset and no table more than before; other tests may use the same server meanwhile."""
    place.prepared()
    tables = (
        "SELECT name FROM sqlite_master"
        if place.kind == "sqlite"
        else "SELECT table_schema, table_name FROM information_schema.tables "
        f"WHERE table_schema IN ('{place.dataset}', '{place.dataset}_staging_1')"
    )
    before = place.datasets(), sorted(place.sql(tables))
    probe(place.location)
    assert (place.datasets(), sorted(place.sql(tables))) == before


@pytest.mark.parametrize("kind", FILES)
def test_a_missing_directory_is_named(kind: str, tmp_path: Path) -> None:
    """And is not made."""
    with pytest.raises(DestinationError, match=f"{tmp_path}/none. Check that the directory exists"):
        probe(locate(f"{kind}:///{tmp_path}/none/w.db"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", FILES)
def test_a_file_of_another_program_is_not_touched(kind: str, tmp_path: Path) -> None:
    """Whatever it is, it is not a warehouse."""
    file = tmp_path / "w.db"
    file.write_bytes(b"something else" * 1000)
    with pytest.raises(DestinationError, match="belongs to another program"):
        probe(locate(f"{kind}:///{file}"))
    assert file.read_bytes() == b"something else" * 1000


def test_a_sqlite_file_in_a_url_of_duckdb_is_told_as_such(tmp_path: Path) -> None:
    """DuckDB knows what it is, and asks for an extension that no sync loads."""
    file = tmp_path / "w.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE t (x)")
    with pytest.raises(DestinationError, match=r"This is a SQLite file: write sqlite:///"):
        probe(locate(f"duckdb:///{file}"))


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_this_user_may_not_write_is_an_error(kind: str, tmp_path: Path) -> None:
    """Checked as another user, since root may do anything."""
    with place(kind, tmp_path) as made:
        made.prepared()
        made.file.chmod(0o444)
        if os.getuid() == 0:
            for directory in tmp_path.parents:
                if not directory.stat().st_mode & 0o001:  # pytest made it for root alone
                    directory.chmod(0o755)
            tmp_path.chmod(0o777)
        command = [sys.executable, "-c", CHECK_AS_NOBODY, made.url]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Check that" in done.stdout or "accepts no writes" in done.stdout


def test_a_duckdb_file_that_another_process_has_open_names_that_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB's own message holds the PID."""
    monkeypatch.setattr("connector.warehouse.opening.PATIENCE", 0.3)
    command = [sys.executable, "-c", OPEN_DUCKDB, str(tmp_path / "w.duckdb")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(DestinationError, match=rf"\(PID {process.pid}\).*one program at a time"):
            probe(locate(f"duckdb:///{tmp_path}/w.duckdb"))
        process.kill()


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_a_server_that_does_not_answer_is_an_error(scheme: str) -> None:
    """At a port where nobody listens. The next step is named though the password is a part of the driver's words."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        host = "{}:{}".format(*taken.getsockname())
        for password in ("p", "e", "onn"):
            with pytest.raises(DestinationError, match="Check host and port") as caught:
                probe(locate(f"{scheme}://u:{password}@{host}/d"))
            assert caught.value.exit_code == 6


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_a_user_that_the_server_does_not_let_in_is_an_error(kind: str, tmp_path: Path) -> None:
    """Whether the user is unknown or the password wrong."""
    with place(kind, tmp_path) as made:
        nobody = make_url(made.url).set(username="tcss_nobody", password="wrong")
        location = locate(nobody.render_as_string(hide_password=False), made.dataset)
        with pytest.raises(DestinationError, match="Check user name and password"):
            probe(location)


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_a_user_without_rights_is_told_what_to_ask_for(kind: str, tmp_path: Path) -> None:
    """Exit code 6, and nothing is left behind."""
    with place(kind, tmp_path) as made, user(made, []) as url:
        with pytest.raises(DestinationError, match="Grant this user") as caught:
            probe(locate(url, made.dataset))
        assert "p@ss" not in str(caught.value)
        assert made.datasets() == set()


def test_a_mysql_user_who_may_not_drop_leaves_one_database_behind_at_most(tmp_path: Path) -> None:
    """However often it checks; and is told its name."""
    with place("mysql", tmp_path) as made, user(made, ["GRANT SELECT, INSERT, CREATE ON *.* TO {user}"]) as url:
        for _ in range(2):
            with pytest.raises(DestinationError, match=f"'{made.dataset}_staging_tcss_probe'.* Grant this user"):
                probe(locate(url, made.dataset))
        assert made.datasets() == {f"{made.dataset}_staging_tcss_probe"}


def test_a_server_that_accepts_no_writes_is_an_error(tmp_path: Path) -> None:
    """A replica, for instance."""
    with place("postgresql", tmp_path) as made:
        url = f"{made.url}?options=-cdefault_transaction_read_only%3Don"
        with pytest.raises(DestinationError, match="The database accepts no writes"):
            probe(locate(url, made.dataset))


def test_a_mysql_database_of_a_narrow_character_set_is_refused(tmp_path: Path) -> None:
    """Chinese names would not fit, and a load would fail half-way."""
    with place("mysql", tmp_path) as made:
        made.sql("CREATE DATABASE {data} CHARACTER SET latin1")
        with pytest.raises(DestinationError, match=r"character set latin1.*ALTER DATABASE"):
            probe(made.location)


@pytest.mark.parametrize("committed", [True, False], ids=["committed before", "committed while the probe waits"])
def test_a_schema_that_another_sync_makes_meanwhile_is_no_error(committed: bool, tmp_path: Path) -> None:
    """The first syncs of several accounts race: each finds no schema, and one creates the schema first."""
    with place("postgresql", tmp_path) as made, ExitStack() as stack:
        server = sa.create_engine(make_url(made.url).set(drivername="postgresql+psycopg2"), poolclass=NullPool)
        made_by: list[sa.Connection] = []
        under_way: list[Future[None]] = []
        wanted = f'CREATE SCHEMA "{made.dataset}"'

        def create(connection: Any, _: Any, statement: str, *__: Any) -> None:
            if statement != wanted or made_by:
                return
            made_by.append(stack.enter_context(server.connect()))
            (other,) = made_by
            other.exec_driver_sql(wanted)
            if committed:
                other.commit()
            else:
                waiting = connection.connection.dbapi_connection.info.backend_pid
                under_way.append(commits.submit(commit_once_waited_for, other, server, waiting))

        with ThreadPoolExecutor(1) as commits:
            sa.event.listen(sa.Engine, "before_cursor_execute", create)
            stack.callback(sa.event.remove, sa.Engine, "before_cursor_execute", create)
            assert probe(made.location) is None
            for commit in under_way:
                commit.result()
        assert made.datasets() == {made.dataset}


def commit_once_waited_for(connection: sa.Connection, server: sa.Engine, pid: int) -> None:
    """Commit when the session `pid` waits for a lock. Raises NoResultFound if the session has ended instead."""
    blocked = sa.text("SELECT cardinality(pg_blocking_pids(pid)) FROM pg_stat_activity WHERE pid = :pid")
    with server.connect().execution_options(isolation_level="AUTOCOMMIT") as looking:
        while not looking.execute(blocked, {"pid": pid}).scalar_one():
            time.sleep(0.01)
    connection.commit()
