"""Successive syncs of one account into one warehouse: what an incremental run finds, and what is left to a full one."""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connector.api.client import Client
from connector.errors import ConfigurationError, DestinationError
from connector.sandbox import Fleet, wall_clock
from connector.sandbox.images import instant_of
from connector.sync import sync
from connector.tables import TABLES
from connector.warehouse.loading import Loader
from connector.warehouse.locations import Location
from connector.warehouse.views import views, views_of
from tests.world import ACCOUNT_ID, World, world

COUNTS = ("mode", "verdict", "images_new", "images_changed", "images_gone")


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with world(tmp_path, monkeypatch, 50) as made:
        yield made


@pytest.fixture
def synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The account after its first sync."""
    with world(tmp_path, monkeypatch, 50, begun="synced") as made:
        yield made


def some(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in COUNTS)


def loaded(account: World, column: str) -> dict[str, Any]:
    return dict(account.query(f"select image_id, {column} from tcss.images where deleted_at is null"))


def test_a_second_run_finds_what_its_mode_can_see(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rescans and new images by ScanTime and status filter; changes of counts and deletions by a full sweep."""
    # Scans ten minutes ago, 20 ms apart: made at once, hundreds would share a millisecond.
    ticks = itertools.count(wall_clock() - 600_000_000, 20_000)
    fleet = Fleet.seeded(1_500, clock=lambda: next(ticks))
    monkeypatch.setenv("SOURCES__TCSS__CONFIRM_GONE_AFTER", "0")
    with world(tmp_path, monkeypatch, fleet=fleet) as account:
        assert some(account.sync()) == ("full", "complete", 1_500, 0, 0)
        scanned = account.query("select image_id from tcss.images where scan_status = 'SCANNED' order by scan_time")
        ids = [image_id for (image_id,) in scanned]
        rescanned, counted, deleted = ids[:200], ids[200:300], ids[300:340]
        account.sandbox.change({"rescan": rescanned, "insert": 60, "change_counts": counted, "delete": deleted})
        truth = account.fleet.truth()

        before = len(account.sandbox.backend.payloads())
        assert some(account.sync()) == ("incremental", "complete", 60, 200, 0)
        beside = [payload for payload in account.sandbox.backend.payloads()[before:] if "Filters" not in payload]
        assert len(beside) <= 7  # the others are pages of unscanned images
        times = loaded(account, "epoch_us(scan_time)")
        assert {i: times[i] for i in rescanned} == {i: instant_of(truth[i]["ScanTime"]) for i in rescanned}
        assert set(truth) | set(deleted) == set(times)

        assert some(account.sync("--mode", "full")) == ("full", "complete", 0, 100, 40)
        containers = loaded(account, "container_cnt")
        assert containers == {image_id: item["ContainerCnt"] for image_id, item in truth.items()}
        assert some(account.sync()) == ("incremental", "complete", 0, 0, 0)


def test_two_syncs_call_an_image_gone(synced: World) -> None:
    """The first one marks it, and a later one of any mode finds the mark in the warehouse and looks it up again."""
    (image_id,) = synced.sandbox.change({"delete": 1})["delete"]
    rows = [synced.sync("--mode", "full"), synced.sync("--mode", "full")]
    with synced.writing() as warehouse:
        warehouse.execute("update tcss.images set missing_since = missing_since - interval 10 minute")
    rows.append(synced.sync())
    assert [some(row)[-1] for row in rows] == [0, 0, 1]
    query = "select version, missing_since < deleted_at, deleted_at is null from tcss.images where image_id = "
    assert synced.query(f"{query} '{image_id}'") == [(2, True, False)]
    assert synced.query(
        f"select version, deleted_at is null from tcss.image_history where image_id = '{image_id}'"
    ) == [
        (1, True),
        (2, False),
    ]
    assert synced.query("select count(missing_since), count(*) from tcss.images") == [(1, 50)]


def test_a_warehouse_of_an_older_release_gets_the_column_for_missing_images(synced: World) -> None:
    """In the first sync, at the end of the table; what was known is known."""
    with synced.writing() as warehouse:
        for view in views():
            warehouse.execute(f"drop view if exists tcss.{view.name} cascade")
        warehouse.execute("alter table tcss.images drop column missing_since")
    synced.sandbox.change({"delete": 2})
    assert some(synced.sync("--mode", "full")) == ("full", "complete", 0, 0, 0)
    assert synced.query("select count(missing_since) from tcss.images") == [(2,)]


@pytest.mark.thorough
def test_a_full_sync_asks_ahead_as_far_as_the_warehouse_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of what may be under way where it knows nothing, since the answer says only later that one page was all."""
    monkeypatch.setenv("SOURCES__TCSS__IN_FLIGHT", "8")
    with world(tmp_path, monkeypatch, 50, latency=0.5) as account:
        first, second = (account.sync("--mode", "full") for _ in range(2))
    assert (first["pages"], second["pages"]) == (1, 1)
    assert (first["requests"], second["requests"]) == (
        1 + 5 + 1,
        1 + 1 + 1,
    )  # STS, five pages for 400 rows, and the other end


def test_the_warehouse_is_made_ready_while_pages_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Untouched until the first page is there. Pages are read while the tables are made, however long that takes."""
    there, all_read, prepare = [], threading.Event(), Loader.prepare

    def look(shown: int, total: int | None, _: Any) -> None:
        there.append(account.file.exists())
        if shown == total:
            all_read.set()

    def slow(loader: Loader) -> None:
        assert all_read.wait(60)
        prepare(loader)

    monkeypatch.setattr(Loader, "prepare", slow)
    monkeypatch.setenv("SOURCES__TCSS__IN_FLIGHT", "2")
    with world(tmp_path, monkeypatch, 500) as account:
        row = sync(destination=account.destination, endpoint=account.sandbox.url, progress=look)
        made = account.query("select view_name from duckdb_views() where schema_name = 'tcss'")
    assert not there[0]
    assert (row.verdict, row.images_new) == ("complete", 500)
    assert {view.name for view in views_of(TABLES)} <= {name for (name,) in made}


def test_a_warehouse_that_cannot_be_made_ready_ends_the_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more pages are asked for once it is known that they could not be loaded."""
    pages = []

    def fail(_: Loader) -> None:
        raise DestinationError("no room")

    def look(*_: Any) -> None:
        pages.append(_)
        for thread in threading.enumerate():
            if thread.name.startswith("tcss-beside"):
                thread.join()

    monkeypatch.setattr(Loader, "prepare", fail)
    with world(tmp_path, monkeypatch, 2_000) as account, pytest.raises(DestinationError, match="no room"):
        sync(destination=account.destination, endpoint=account.sandbox.url, progress=look)
    assert len(pages) == 2  # the making begins after the first


@pytest.mark.round_trip
def test_requests_have_their_turn_sooner_while_tables_are_made(account: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that wants to send waits less than usual for the one that computes; afterwards all is as it was."""
    usual, meanwhile, prepare = sys.getswitchinterval(), [], Loader.prepare

    def watched(loader: Loader) -> None:
        meanwhile.append(sys.getswitchinterval())
        prepare(loader)

    monkeypatch.setattr(Loader, "prepare", watched)
    account.sync()
    assert len(meanwhile) == 2  # those of the round trip, and the dataset's
    assert max(meanwhile) < usual == sys.getswitchinterval()


def test_the_warehouse_is_opened_while_sts_is_asked(account: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A destination that cannot be right ends the sync whether STS has answered or not."""
    over, answered = threading.Event(), []

    def account_id(_: Client) -> str:
        answered.append(over.wait(30))
        return "1"

    monkeypatch.setattr(Client, "account_id", account_id)
    with pytest.raises(ConfigurationError):
        sync(destination="duckdb:///tcss.duckdb", endpoint=account.sandbox.url)
    assert answered == []
    over.set()


@pytest.mark.thorough
def test_without_a_lock_the_staging_dataset_is_the_runs_own_and_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the warehouse has no lock that dies with its holder, two runs must not share staging tables."""
    staged: list[str] = []
    name = Location.staging
    monkeypatch.setattr(Location, "has_lock", False)
    monkeypatch.setattr(Location, "staging", lambda *a, **k: staged.append(name(*a, **k)) or staged[-1])
    with world(tmp_path, monkeypatch, images=30) as account:
        account.sync()
        account.sync("--mode", "full")
        schemas = account.query("select schema_name from information_schema.schemata where schema_name like 'tcss%'")
    assert schemas == [("tcss",)]
    assert len({each for each in staged if each != "tcss_staging_p"}) == 2  # but for that of the round trip's file


def test_a_warehouse_that_is_moved_while_the_list_is_read_gets_no_complete_run(synced: World) -> None:
    """The run has compared with rows that are not there any more: nothing is written, and the next sync is a first."""
    backup = synced.directory / "backup.duckdb"

    def move(*_: object) -> None:
        if not backup.exists():
            synced.file.rename(backup)

    with pytest.raises(DestinationError, match=r"images of .* has 0 rows .* not 50: .* Run again"):
        sync(destination=synced.destination, endpoint=synced.sandbox.url, mode="full", progress=move)
    assert synced.query("select count(*) from tcss.image_history") == [(0,)]
    assert some(synced.sync()) == ("full", "complete", 50, 0, 0)


LOST = {
    "delete from tcss.images where version = 1": f"0 rows of account {ACCOUNT_ID}, and not 52",
    "update tcss.images set sync_id = ''": f"0 rows of account {ACCOUNT_ID} and this run, and not 2",
}


@pytest.mark.parametrize("harm", LOST, ids=("deleted", "overwritten"))
def test_rows_that_vanish_while_others_are_loaded_are_not_called_complete(
    synced: World, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    """As where two loads share a staging dataset, or somebody deletes rows."""
    load = Loader.load

    def lose(loader: Loader, files: Any) -> None:
        load(loader, files)
        if "images" in files:
            with loader._pipeline.sql_client() as client:
                client.execute_sql(harm)

    synced.sandbox.change({"insert": 2})
    monkeypatch.setattr(Loader, "load", lose)
    with pytest.raises(DestinationError, match=LOST[harm]):
        sync(destination=synced.destination, endpoint=synced.sandbox.url, mode="full")
    monkeypatch.setattr(Loader, "load", load)
    assert synced.sync("--mode", "full")["verdict"] == "complete"
