"""Views and descriptions as a sync leaves them, and `tcss views`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.errors import DestinationError
from connector.tables import TABLES
from connector.warehouse import views
from connector.warehouse.counting import Posture
from connector.warehouse.views import MARKER
from tests.world import World, world

NAMES = [view.name for view in views.views_of(TABLES)]
DESCRIBED = (
    "select count(*) from duckdb_columns() where schema_name = 'tcss' and table_name = 'images' and comment > ''"
)


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with world(tmp_path, monkeypatch, images=50) as made:
        yield made


@pytest.fixture
def synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """After its first sync."""
    with world(tmp_path, monkeypatch, images=50, begun="synced") as made:
        yield made


def made(account: World) -> list[str]:
    found = account.query("select view_name from duckdb_views() where schema_name = 'tcss' order by all")
    return [name for (name,) in found]


def test_a_sync_makes_views_and_descriptions_once(account: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next ones find them as they are, and lock nothing."""
    account.sync()
    assert made(account) == sorted([*NAMES, MARKER])
    assert account.query(DESCRIBED) == [(47,)]
    assert account.query("select count(*) from tcss.current_images") == [(50,)]
    monkeypatch.setattr(views, "create", lambda client: pytest.fail("made again"))
    account.sync()


def test_a_sync_whose_views_fail_is_a_sync(
    account: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The rows are what it promises; a warning says what is missing and how to get it."""

    def fail(client: object) -> None:
        raise RuntimeError("permission denied to create a view")

    monkeypatch.setattr(views, "create", fail)
    assert account.sync()["verdict"] == "complete"
    assert "the views are not up to date; `tcss views` makes them" in caplog.text
    assert made(account) == []


def test_the_command_makes_them_again_and_lists_them(synced: World) -> None:
    """Whatever has become of them."""
    with synced.writing() as connection:
        connection.execute("drop view tcss.current_images")
        connection.execute("comment on column tcss.images.vul_cnt is null")
    result = synced.tcss("views")
    assert (result.exit_code, made(synced)) == (0, sorted([*NAMES, MARKER]))
    assert synced.query(DESCRIBED) == [(47,)]
    assert [line.split()[0] for line in result.stdout.splitlines()] == [f"tcss.{name}" for name in NAMES]


def test_without_tables_there_is_nothing_to_see(account: World) -> None:
    """Exit code 6, a next step, and no file."""
    result = account.tcss("views")
    assert (result.exit_code, account.file.exists()) == (6, False)
    assert "Run `tcss sync` first" in result.stderr


def test_a_table_in_the_place_of_a_view_is_named(synced: World, caplog: pytest.LogCaptureFixture) -> None:
    """It stays; a sync warns, and the command ends with 6."""
    with synced.writing() as connection:
        connection.execute("drop view tcss.os_exposure")
        connection.execute("create table tcss.os_exposure (mine int)")
    synced.sync()
    assert "has a table os_exposure that this connector has not made" in caplog.text
    assert synced.tcss("views").exit_code == 6
    assert synced.query("select count(*) from tcss.os_exposure") == [(0,)]


def test_a_sync_counts_its_versions_and_the_command_counts_again(synced: World) -> None:
    """Each account under its lock. The view adds up the rows, so a row that somebody changed shows there."""
    synced.sandbox.change({"delete": 3, "insert": 5, "rescan": 7})
    synced.sync()
    assert synced.query("select max(changed_at) = max(observed_at) from tcss.posture_changes, tcss.image_history") == [
        (True,)
    ]
    posture = "select images, vul_cnt from tcss.posture_by_day order by day desc limit 1"
    ((images, vul_cnt),) = synced.query("select count(*), sum(vul_cnt) from tcss.current_images")
    assert synced.query(posture) == [(images, vul_cnt)]
    with synced.writing() as connection:
        connection.execute("update tcss.posture_changes set images_change = images_change + 1")
    assert synced.query(posture) != [(images, vul_cnt)]
    assert synced.tcss("views").exit_code == 0
    assert synced.query(posture) != [(images, vul_cnt)]
    assert synced.tcss("views", "--recount").exit_code == 0
    assert synced.query(posture) == [(images, vul_cnt)]


def test_a_sync_whose_count_fails_is_a_sync(
    account: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The view counts by itself, and the next sync makes up for it."""

    def fail(*_: object, **__: object) -> None:
        raise DestinationError("no room")

    with monkeypatch.context() as patched:
        patched.setattr(Posture, "_write", fail)
        assert account.sync()["verdict"] == "complete"
    assert "the new versions are not counted yet" in caplog.text
    assert account.query("select count(*) from tcss.posture_changes") == [(0,)]
    assert account.query("select images from tcss.posture_by_day order by day desc limit 1") == [(50,)]
    account.sync()
    assert account.query("select sum(images_change) from tcss.posture_changes") == [(50,)]


def test_nothing_is_counted_again_where_nothing_was_counted(synced: World) -> None:
    """In a warehouse that only an older release has filled. Exit code 6, and the views are made."""
    with synced.writing() as connection:
        connection.execute("drop view tcss.posture_by_day")
        connection.execute("drop table tcss.posture_changes")
    result = synced.tcss("views", "--recount")
    assert (result.exit_code, made(synced)) == (6, sorted([*NAMES, MARKER]))
    assert "has no table posture_changes" in result.stderr
    assert synced.query("select images from tcss.posture_by_day order by day desc limit 1") == [(50,)]
