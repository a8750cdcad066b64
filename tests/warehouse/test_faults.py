"""Warehouses that refuse or fail, under whole runs of `tcss`: what is said, exit code 6, and nothing half-written."""

from __future__ import annotations

import logging
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from connector.sandbox.identity import DEFAULT_ACCOUNT
from connector.sandbox.images import Item
from connector.tables import IMAGES, SYNC_RUNS
from tests import manual
from tests.syncing import loaded, truth
from tests.test_crash import assert_whole
from tests.warehouse.proxy import Proxy
from tests.warehouses import FILES, KINDS, Place, place, user
from tests.world import World, world

SERVERS = ("postgresql", "mysql")
SERVER = pytest.mark.parametrize("place", SERVERS, indirect=True)


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with world(tmp_path, monkeypatch, images=150) as made:
        monkeypatch.setenv("TCSS_MAX_DELETE_SHARE", "1")
        yield made


def tcss(command: str, account: World, place: Place, url: str | None = None, *arguments: str) -> Any:
    return account.tcss(command, "--destination", url or place.url, "--dataset", place.dataset, *arguments)


@pytest.fixture(autouse=True)
def gone_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One run calls images gone, and not two."""
    monkeypatch.setenv("SOURCES__TCSS__CONFIRM_GONE_AFTER", "0")


def sync(account: World, place: Place, url: str | None = None) -> Any:
    return tcss("sync", account, place, url, "--mode", "full", "--json")


def assert_failed(result: Any, said: str, code: int = 6) -> None:
    """It ended with that code and said this, without the password in any form."""
    assert result.exit_code == code, result.output
    assert re.search(said, result.stderr), result.stderr
    assert not re.search("p@ss|p%40ss", result.output)


def pages(account: World) -> int:
    """Requests for a page of the list so far."""
    return account.sandbox.backend.numbers["DescribeAssetImageList"]


# ---- who may not ----


@SERVER
def test_a_wrong_password_is_said_before_the_api_is_asked_for_images(place: Place, account: World) -> None:
    """Or a wrong user, where the server trusts whom it knows, as PostgreSQL does here; without the password."""
    with user(place, []) as url:
        change = {"username": "nobody"} if place.kind == "postgresql" else {"password": "p@ss, but another"}
        wrong = sa.make_url(url).set(**change).render_as_string(hide_password=False)
        for result in (sync(account, place, wrong), tcss("check", account, place, wrong)):
            assert result.exit_code == 6, result.output
            assert "Check user name and password" in result.output
            assert not re.search("p@ss|p%40ss", result.output)
    assert (pages(account), place.datasets()) == (1, set())  # the page is that of `tcss check`


@SERVER
def test_a_user_who_may_create_nothing_is_told_what_to_ask_for(place: Place, account: World) -> None:
    """Before the sweep, and nothing is made."""
    with user(place, []) as url:
        assert_failed(
            sync(account, place, url), "(permission|Access) denied .* Grant this user what docs/warehouses.md lists"
        )
    assert (pages(account), place.datasets()) == (0, set())


GRANTS = {
    "postgresql": ("GRANT CREATE ON DATABASE {database} TO {{user}}",),
    "mysql": (
        "GRANT SELECT, INSERT, DELETE, CREATE, DROP, ALTER, INDEX, CREATE VIEW ON `{dataset}`.* TO {{user}}",
        "GRANT SELECT, INSERT, DELETE, CREATE, DROP, ALTER, INDEX ON `{dataset}\\_staging\\_%`.* TO {{user}}",
    ),
}
"""What docs/warehouses.md says to grant, for the database `warehouse`, the dataset `tcss` and the user `tcss`."""


def grants(place: Place) -> list[str]:
    """In MySQL an underscore in a granted name stands for any character, unless it is escaped."""
    dataset = place.dataset.replace("_", r"\_")
    return [g.format(database=sa.make_url(place.url).database, dataset=dataset) for g in GRANTS[place.kind]]


@pytest.mark.thorough
@SERVER
@pytest.mark.round_trip
def test_what_the_manual_grants_is_enough(place: Place, account: World, caplog: pytest.LogCaptureFixture) -> None:
    """For a check, a first sync, later ones with changes and deletions, and the views and descriptions: no warning."""
    caplog.set_level(logging.WARNING)
    with user(place, grants(place)) as url:
        assert tcss("check", account, place, url).exit_code == 0
        for _ in range(2):
            result = sync(account, place, url)
            assert result.exit_code == 0, result.output
            account.sandbox.change({"rescan": 10, "insert": 5, "delete": 5})
    assert [record.getMessage() for record in caplog.records] == []


READERS = {
    "postgresql": (
        "GRANT USAGE ON SCHEMA {dataset} TO {{user}}",
        "GRANT SELECT ON ALL TABLES IN SCHEMA {dataset} TO {{user}}",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA {dataset} GRANT SELECT ON TABLES TO {{user}}",
    ),
    "mysql": ("GRANT SELECT ON `{dataset}`.* TO {{user}}",),
}
"""What docs/warehouses.md says to grant to people who only read, for the dataset `tcss` and the user `analyst`."""


@pytest.mark.thorough("mysql")
@SERVER
@pytest.mark.round_trip
def test_what_the_manual_grants_to_readers_is_enough(place: Place, account: World, tmp_path: Path) -> None:
    """For the status, the report, and the tables of a later sync with details; and for no sync."""
    assert sync(account, place).exit_code == 0
    given = [g.format(dataset=place.dataset) for g in READERS[place.kind]]
    with user(place, given) as url:
        assert tcss("sync", account, place, None, "--detail", "running").exit_code == 0
        assert tcss("status", account, place, url).exit_code == 0
        result = tcss("report", account, place, url, "--output", str(tmp_path / "report.html"))
        assert result.exit_code == 0, result.output
        assert_failed(sync(account, place, url), "for people who only read, SELECT")


def test_the_manual_shows_these_grants() -> None:
    """As they stand, for the dataset `tcss`."""
    shown = manual.page("docs/warehouses.md")
    for given, who in ((GRANTS, "tcss"), (READERS, "analyst")):
        for statement in (statement for statements in given.values() for statement in statements):
            assert f"{statement.format(database='warehouse', dataset='tcss').format(user=who)};" in shown


@pytest.mark.parametrize("place", ["mysql"], indirect=True)
def test_a_mysql_user_with_one_database_and_no_more_is_told_so_by_check(place: Place, account: World) -> None:
    """A merge needs a staging database of its own: the check names it, and a sync makes nothing."""
    place.sql("CREATE DATABASE {data} CHARACTER SET utf8mb4")
    with user(place, grants(place)[:1]) as url:
        result = tcss("check", account, place, url)
        assert result.exit_code == 6
        assert re.search(
            rf"FAILED  writable: .*Access denied .* to database '{place.dataset}_staging_\w+'\. Grant this user",
            result.stdout,
        )
        assert_failed(sync(account, place, url), "Grant this user what docs/warehouses.md lists")
    assert (place.datasets(), place.catalogue()) == ({place.dataset}, set())


# ---- what takes no writes ----

READ_ONLY = {
    "postgresql": {"options": "-cdefault_transaction_read_only=on"},
    "mysql": {"init_command": "SET SESSION TRANSACTION READ ONLY"},
}


@pytest.mark.thorough
@SERVER
def test_a_server_that_takes_no_writes_is_left_as_it_is(place: Place, account: World) -> None:
    """As a replica: the cause is said, and what was loaded before stays."""
    assert sync(account, place).exit_code == 0
    before = place.table(IMAGES), place.table(SYNC_RUNS)
    account.sandbox.change({"rescan": 10})
    url = sa.make_url(place.url).update_query_dict(READ_ONLY[place.kind]).render_as_string(hide_password=False)
    assert_failed(sync(account, place, url), r"(?i)read.only transaction.* The database accepts no writes")
    assert (place.table(IMAGES), place.table(SYNC_RUNS)) == before


@pytest.mark.parametrize("place", ["duckdb"], indirect=True)
def test_an_option_that_duckdb_does_not_take_is_a_failed_destination(place: Place, account: World) -> None:
    """Also the first time, when there is no file yet."""
    assert_failed(sync(account, place, f"{place.url}?memory_limit=much"), "Memory must have a number")


# ---- no space, and a read-only file system ----


@contextmanager
def disk(directory: Path, megabytes: int) -> Iterator[Path]:
    """A file system of that size, which is there as long as the block lasts."""
    if os.getuid() != 0:
        pytest.skip("only root can mount a file system")
    directory.mkdir()
    options = f"size={megabytes}m,mode=777"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tcss", str(directory)], check=False).returncode:
        pytest.skip("this machine lets nobody mount a file system")
    try:
        yield directory
    finally:
        subprocess.run(["umount", str(directory)], check=True)


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A directory that stays open to the server's user: another start of pytest closes all of pytest's own."""
    with TemporaryDirectory(prefix="tcss_disk_") as made:
        yield Path(made)


def remount(directory: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(directory)], check=True)


@contextmanager
def on_disk(kind: str, directory: Path) -> Iterator[tuple[Place, str]]:
    """A place on that disk, and the URL that leads there: for PostgreSQL a tablespace."""
    with ExitStack() as stack:
        if kind in FILES:
            made = stack.enter_context(place(kind, directory))
            yield made, made.url
            return
        name = stack.enter_context(_tablespace(stack.enter_context(place(kind, directory)), directory))
        made = stack.enter_context(place(kind, directory))
        url = sa.make_url(made.url).update_query_dict({"options": f"-cdefault_tablespace={name}"})
        yield made, url.render_as_string(hide_password=False)


@contextmanager
def _tablespace(server: Place, directory: Path) -> Iterator[str]:
    (data,) = server.sql("SHOW data_directory")[0]
    if not Path(data).is_dir():
        pytest.skip("PostgreSQL runs on another machine")
    for parent in directory.parents:
        if not parent.stat().st_mode & 0o001:  # pytest made it for this user alone
            parent.chmod(0o755)
    location, name = directory / "tablespace", f"tcss_{uuid4().hex[:8]}"
    location.mkdir()
    os.chown(location, Path(data).stat().st_uid, -1)
    with server.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql(f"CREATE TABLESPACE {name} LOCATION '{location}'")
        try:
            yield name
        finally:  # whatever failed: the server stops for good where a tablespace's directory is gone
            connection.exec_driver_sql(f"DROP TABLESPACE {name}")


def swollen(account: World) -> dict[str, Item]:
    """Every image with an error text that no compression makes small: 13 MB in all."""
    return {image_id: {"ScanError": os.urandom(45_000).hex()} for image_id in account.fleet.ids()}


@pytest.mark.thorough
@pytest.mark.parametrize("kind", [*FILES, "postgresql"])
def test_a_full_disk_loses_nothing(kind: str, reachable: Path, account: World) -> None:
    """The sync fails and says why; `images` is as it was, and once there is space, the same sync is whole.

    MariaDB 10.11 is left out: there InnoDB aborts the whole server where a table's file cannot grow (seen on our own).
    """
    with disk(reachable / "disk", 10) as small, on_disk(kind, small) as (made, url):
        assert sync(account, made, url).exit_code == 0
        before = made.table(IMAGES), made.table(SYNC_RUNS)
        account.fleet.replace(swollen(account))
        account.sandbox.change({"delete": 5, "insert": 5})
        assert_failed(sync(account, made, url), "(No space left|disk is full).* Free space where the warehouse is")
        assert (made.table(IMAGES), made.table(SYNC_RUNS)) == before
        remount(small, "size=300m")
        assert sync(account, made, url).exit_code == 0
        assert_whole(made, account.fleet)


@pytest.mark.parametrize("kind", FILES)
def test_a_file_on_a_read_only_file_system_is_left_as_it_is(kind: str, tmp_path: Path, account: World) -> None:
    """Not even root writes there."""
    with disk(tmp_path / "disk", 50) as small, on_disk(kind, small) as (made, url):
        assert sync(account, made, url).exit_code == 0
        before = made.file.read_bytes()
        remount(small, "ro")
        try:
            assert_failed(sync(account, made, url), "Check that the directory exists, and that this user may write")
            assert made.file.read_bytes() == before
        finally:
            remount(small, "rw")


# ---- a server that goes away ----


@dataclass(frozen=True)
class Moment:
    """When a server goes away: at the last of these messages, before it gets that or with the answer to it; and whether
    `images` has the changes by then."""

    messages: tuple[bytes, ...]
    answered: bool
    changed: bool


MERGED, RECORDED = rb"INSERT INTO (?!\S*_staging_)\S*\bimages\b", rb"INSERT INTO (?!\S*_staging_)\S*\bsync_runs\b"
COMMIT = rb"(?i)\bcommit\b"
MOMENTS = {
    "what is known is read": Moment((rb"SELECT .*FROM \S*\bimages\b.*account_id.? = ",), False, False),
    "rows go to staging": Moment((rb"(COPY|INSERT INTO) \S*_staging_\S*( \. )?\S*\bimages\b",), False, False),
    "the merge was never heard of": Moment(
        (rb"DELETE FROM \S*\bimages\b\S* ((AS d |as d )?WHERE EXISTS|USING)",), False, False
    ),
    "the merge is answered": Moment((MERGED,), True, False),
    "the merge's COMMIT was never heard of": Moment((MERGED, COMMIT), False, False),
    "the merge's COMMIT is answered": Moment((MERGED, COMMIT), True, True),
    "the merge of the run's row is answered": Moment((RECORDED,), True, True),
}


SESSIONS = {
    "postgresql": "SELECT client_port FROM pg_stat_activity WHERE client_port > 0",
    "mysql": "SELECT substring_index(host, ':', -1) FROM information_schema.processlist WHERE host LIKE '%:%'",
}


def wait_until_ended(place: Place, ports: set[int]) -> None:
    """Until the server has no session of a client with one of these ports. A server ends a session some time after its
    connection, and until then the session keeps its locks from the next sync."""
    while ports & {int(port) for (port,) in place.sql(SESSIONS[place.kind])}:
        pass


FEW = ("the merge is answered", "the merge's COMMIT is answered")


@pytest.mark.thorough(but=("postgresql-some",))
@pytest.mark.parametrize(
    ("place", "moments"),
    [
        pytest.param("postgresql", tuple(MOMENTS), id="postgresql-all"),
        pytest.param("postgresql", FEW, id="postgresql-some"),
        pytest.param("mysql", tuple(MOMENTS), id="mysql-all"),
        pytest.param("mysql", FEW[1:], id="mysql-one"),
    ],
    indirect=["place"],
)
def test_a_server_that_goes_away_and_comes_back(place: Place, account: World, moments: tuple[str, ...]) -> None:
    """The sync ends with the cause; `images` has all changes or none, and the next sync is whole."""
    server = sa.make_url(place.url)
    with Proxy(str(server.host), server.port or 0) as proxy:
        url = server.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)
        assert sync(account, place, url).exit_code == 0
        for name in moments:
            moment = MOMENTS[name]
            before = truth(account.fleet)
            account.sandbox.change({"rescan": 8, "insert": 4, "change_counts": 4})
            proxy.cut(*moment.messages, passed_on=moment.answered)
            result = sync(account, place, url)
            assert proxy.away, f"the moment was not met: {name}: {result.output}"
            assert_failed(result, "cannot (read|load into) .*([Ll]ost connection|closed the connection).* Run again")
            assert loaded(place, DEFAULT_ACCOUNT) == (truth(account.fleet) if moment.changed else before), name
            wait_until_ended(place, proxy.ports)
            proxy.restore()
            again = sync(account, place, url)
            assert again.exit_code == 0, f"{name}: {again.output}"
            assert_whole(place, account.fleet)


# ---- names ----


@pytest.mark.parametrize(
    ("place", "dataset"),
    [
        ("duckdb", "temp"),
        ("duckdb", "system"),
        ("duckdb", "pg_catalog"),
        ("mysql", "INFORMATION_SCHEMA"),
        ("mysql", "Performance_Schema"),
    ],
    indirect=["place"],
)
def test_a_dataset_that_the_database_keeps_for_itself_is_a_usage_error(
    place: Place, account: World, dataset: str
) -> None:
    """As those in `test_locations`: exit code 2 before anything is asked, and nothing is made."""
    kept = replace(place, dataset=dataset)
    before = kept.datasets()
    result = sync(account, kept)
    made = kept.datasets() - before
    try:
        assert_failed(result, f"'{dataset}'.* Name another", 2)
        assert (pages(account), made) == (0, set())
    finally:
        for name in made if place.kind == "mysql" else ():
            place.sql(f"DROP DATABASE `{name}`")


def test_a_dataset_may_be_a_word_of_sql(place: Place, account: World) -> None:
    """It is quoted everywhere; nothing needs to be reserved."""
    kept = replace(place, dataset="select")
    try:
        assert sync(account, kept).exit_code == 0
        result = sync(account, kept)
        assert '"images_unchanged": 150' in result.stdout, result.output
    finally:
        for name in kept.datasets() if place.kind not in FILES else ():
            place.sql(f"DROP SCHEMA {place.quoted(name)}{' CASCADE' if place.kind == 'postgresql' else ''}")


FOREIGN = {
    "other columns": (
        "CREATE TABLE {data}.images (id int, title text)",
        "INSERT INTO {data}.images VALUES (1, 'mine')",
    ),
    "another table": ("CREATE TABLE {data}.sync_runs (id int)", "INSERT INTO {data}.sync_runs VALUES (1)"),
    "a view": ("CREATE VIEW {data}.images AS SELECT 1 AS id",),
    "more than ours": ("CREATE TABLE {data}.images (account_id text, image_id text, title text)",),
    "less than ours": (
        "CREATE TABLE {data}.images (account_id int, image_id int)",
        "INSERT INTO {data}.images VALUES (1, 2)",
    ),
}


@pytest.mark.thorough("sqlite", "mysql")
@pytest.mark.parametrize("foreign", FOREIGN)
@pytest.mark.parametrize("place", KINDS, indirect=True)
def test_a_table_of_that_name_that_is_not_ours_is_left_alone(place: Place, account: World, foreign: str) -> None:
    """Its columns and rows stay, nothing is made beside it, and the API is not asked for images."""
    if place.kind != "sqlite":
        place.sql("CREATE SCHEMA {data}")
    for statement in FOREIGN[foreign]:
        place.sql(statement)
    table = "sync_runs" if foreign == "another table" else "images"
    before = place.catalogue(), place.sql(f"SELECT * FROM {{data}}.{table}"), place.datasets()
    result = sync(account, place)
    places = place.datasets() - {f"w.{place.kind}.lock"}
    assert (place.catalogue(), place.sql(f"SELECT * FROM {{data}}.{table}"), places) == before
    assert_failed(result, rf"the table {table} of .* (is not a table of this connector|does not know)")
    assert pages(account) == 0
