"""A DuckDB file from somebody else: no command lets its views read files, or load and install extensions."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from connector.posture.queries import Queries
from connector.tables import IMAGE_HISTORY, IMAGES, SYNC_RUNS
from connector.warehouse.locations import locate
from connector.warehouse.opening import connect, connect_to, settings_of
from tests.warehouses import Place
from tests.world import World, world

SECRET = "secret_key = the keys of this user"
TEXTS = {"images": "image_name", "image_history": "image_name", "sync_runs": "verdict_reason"}
COMMANDS = ("sync", "status", "views", "check", "report")
HINT = "add ?enable_external_access=true"


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch, world(tmp_path_factory.mktemp("hostile"), patch, images=30) as made:
        made.sync()
        yield made


@pytest.fixture
def account(synced: World, tmp_path: Path) -> World:
    """The warehouse of a sync, to be spoilt, and a file that is none of its business."""
    (tmp_path / "keys").write_text(SECRET)
    copy = World(synced.fleet, synced.sandbox, tmp_path)
    copy.file.write_bytes(synced.file.read_bytes())
    return copy


def reading_files(file: Path) -> str:
    return f"(SELECT max(content) FROM read_text('{file.parent}/k*'))"


def with_an_extension(file: Path) -> str:
    return f"(SELECT max(a)::text FROM read_xlsx('{file.parent}/keys.xlsx'))"


def spoil(account: World, said: Callable[[Path], str]) -> None:
    """Each table becomes a view that says something else in one column, and so does each view."""
    with account.writing() as warehouse:
        # A file has views that nothing here could define: those of a DuckDB that has the extension.
        macro = "CREATE MACRO tcss.read_xlsx(file) AS TABLE SELECT 1 AS a"
        warehouse.execute(macro)
        for table in (IMAGES, IMAGE_HISTORY, SYNC_RUNS):
            warehouse.execute(f"ALTER TABLE tcss.{table.name} RENAME TO {table.name}_")
            column = TEXTS[table.name]
            warehouse.execute(
                f"CREATE VIEW tcss.{table.name} AS SELECT * REPLACE ({said(account.file)} AS {column}) "
                f"FROM tcss.{table.name}_"
            )
        warehouse.execute("DROP MACRO TABLE tcss.read_xlsx")


def run(account: World, command: str) -> tuple[int, str]:
    """Its exit code, and all that it said and wrote, into the warehouse too."""
    page = account.directory / "posture.html"
    result = account.tcss(command, *(["--output", str(page)] if command == "report" else []))
    written = page.read_text(encoding="utf-8") if page.exists() else ""
    return result.exit_code, result.output + written + account.file.read_bytes().decode("latin-1")


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_reads_a_file_for_a_view(command: str, account: World) -> None:
    """The text of the file is nowhere, and the message has a next step."""
    spoil(account, reading_files)
    code, all_of_it = run(account, command)
    assert (code, SECRET in all_of_it) == (6, False), all_of_it[:2000]
    assert HINT in all_of_it


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_installs_an_extension_for_a_view(command: str, account: World) -> None:
    """Nor asks for one. A table that cannot be read without may count as missing."""
    spoil(account, with_an_extension)
    code, all_of_it = run(account, command)
    assert "download" not in all_of_it, all_of_it[:2000]
    assert HINT in all_of_it if command in ("sync", "report") else code in (0, 1, 6)
    assert not (account.directory / ".duckdb").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_loads_an_extension_to_open_a_file(command: str, account: World, tmp_path: Path) -> None:
    """DuckDB would take SQLite's extension for a file that begins as SQLite's do."""
    account.file.write_bytes(b"SQLite format 3\0" + bytes(4096))
    code, all_of_it = run(account, command)
    assert (code, "download" in all_of_it) == (6, False), all_of_it[:2000]


def test_a_notebooks_cells_are_closed_too(account: World) -> None:
    """They get the connection itself."""
    spoil(account, reading_files)
    with closing(Queries.open(account.destination).engine) as warehouse, pytest.raises(duckdb.PermissionException):
        warehouse.sql("FROM tcss.images").fetchall()


FORBIDDEN = {
    "a file": "FROM read_text('{directory}/keys')",
    "a file by its name alone": "FROM '{directory}/keys.csv'",
    "a directory": "FROM glob('{directory}/*')",
    "another warehouse": "ATTACH '{directory}/other.duckdb'",
    "a copy": "COPY (SELECT 1) TO '{directory}/copy.csv'",
    "an export": "EXPORT DATABASE '{directory}/export'",
    "an extension": "LOAD httpfs",
    "an installation": "INSTALL httpfs",
    "secrets": "CREATE PERSISTENT SECRET s (TYPE http, BEARER_TOKEN 't')",
    "access": "SET enable_external_access = true",
    "extensions": "SET autoload_known_extensions = true",
    "directories": "SET allowed_directories = ['/']",
    "the lock": "SET lock_configuration = false",
    "a reset": "RESET lock_configuration",
    "a load's files": "FROM read_parquet('{directory}/spool/../other.parquet')",
}


@pytest.mark.parametrize("what", FORBIDDEN)
@pytest.mark.parametrize("read_only", [False, True], ids=["to write", "to read"])
def test_nothing_opens_it_again(what: str, read_only: bool, account: World) -> None:
    """Whatever SQL somebody gets in."""
    (account.directory / "keys.csv").write_text("a\n1\n")
    with closing(connect(locate(account.destination), read_only=read_only)) as warehouse, pytest.raises(duckdb.Error):
        warehouse.execute(FORBIDDEN[what].format(directory=account.directory)).fetchall()
    assert sorted(path.name for path in account.directory.iterdir()) == ["keys", "keys.csv", account.file.name]


@pytest.mark.parametrize("place", ["duckdb"], indirect=True)
def test_a_load_reads_its_own_directory_alone(place: Place) -> None:
    """The files of a load are taken from where they lie, and nothing beside them is read."""
    pipeline = place.pipeline()
    (place.directory / "keys").write_text(SECRET)
    place.loader(pipeline).prepare()
    place.load(pipeline, IMAGES, {"account_id": "1", "image_id": "a"})
    assert len(place.table(IMAGES)) == 1
    with pipeline.sql_client() as client, pytest.raises(Exception, match="disabled by configuration"):
        client.execute_sql(f"SELECT content FROM read_text('{place.directory}/keys')")


def test_a_user_may_open_a_file_as_duckdb_does(account: World) -> None:
    """By the URL, which is the user's word."""
    spoil(account, reading_files)
    result = account.tcss("status", "--destination", f"{account.destination}?enable_external_access=true")
    assert result.exit_code == 0, result.output
    assert SECRET in Path(account.directory / "keys").read_text()


def test_a_query_runs_in_the_settings_of_the_url(account: World) -> None:
    """Whoever opens the file: memory and threads are those of a sync, unless the URL names others."""
    asked = "SELECT current_setting('memory_limit'), current_setting('threads'), current_setting('TimeZone')"

    def found(query: str) -> Any:
        with closing(connect(locate(f"{account.destination}{query}"), read_only=True)) as warehouse:
            return warehouse.execute(asked).fetchall()[0]

    assert (found("")[0], found("")[2]) == ("286.1 MiB", "UTC")
    assert found("?memory_limit=100MiB&threads=2")[:2] == ("100.0 MiB", 2)


@pytest.mark.parametrize(("query", "threads"), [("", 1), ("?threads=3", 3)])
def test_a_load_has_one_thread_unless_the_url_gives_more(account: World, query: str, threads: int) -> None:
    """More threads cost a load more CPU, and save no time that a sync would notice."""
    settings = settings_of(locate(f"{account.destination}{query}"), account.directory)
    with closing(connect_to(str(account.directory / "new.duckdb"), settings)) as warehouse:
        assert warehouse.execute("SELECT current_setting('threads')").fetchall() == [(threads,)]


def test_sqlites_views_load_nothing_either(account: World) -> None:
    """SQLite itself has no function that reads a file, and Python's lets none load an extension."""
    file = account.directory / "w.sqlite"
    with closing(sqlite3.connect(file)) as warehouse:
        warehouse.execute("CREATE VIEW sync_runs AS SELECT load_extension('./evil') AS account_id, 1 AS started_at")
    result = account.tcss("status", "--destination", f"sqlite:///{file}")
    assert (result.exit_code, "unsafe use of load_extension()" in result.output) == (6, True), result.output


def test_threads_open_a_file_at_once(tmp_path: Path) -> None:
    """As sensors do in Airflow's triggerer: none makes settings that another one has just locked."""
    location = locate(f"duckdb:///{tmp_path}/w.duckdb", "tcss")
    connect(location).close()

    def opened(_: int) -> str:
        with closing(connect(location, read_only=True)) as connection:
            ((external,),) = connection.sql("select current_setting('enable_external_access')").fetchall()
            return str(external)

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(opened, range(160))) == {"False"}
