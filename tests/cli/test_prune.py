"""`tcss prune`: what it deletes, what it says, and the lock."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import tenacity

from connector.errors import LockedError
from connector.runs.identity import now
from connector.warehouse.counting import DAY
from connector.warehouse.locations import locate
from connector.warehouse.locks import lock
from tests.cli.conftest import BLUE_ID
from tests.warehouse.test_locks import holder
from tests.warehouses import KINDS, place
from tests.world import ACCOUNT_ID, World, world


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with world(tmp_path, monkeypatch, images=60) as made:
        yield made


@pytest.fixture
def synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """After its first sync."""
    with world(tmp_path, monkeypatch, images=50, begun="synced") as made:
        yield made


def aged(account: World, days: int) -> None:
    """All that the warehouse has was made so many days before."""
    with account.writing() as db:
        for table, column in (
            ("image_history", "observed_at"),
            ("image_scans", "scan_time"),
            ("sync_runs", "started_at"),
            ("_dlt_loads", "inserted_at"),
        ):
            db.execute(f"update tcss.{table} set {column} = {column} - to_days({days})")


def test_a_clock_that_is_ahead_deletes_nothing_that_is_younger(synced: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The age counts from the newest run, whose start is by the server's clock."""
    synced.sandbox.change({"rescan": 20})
    aged(synced, 100)
    synced.sync("--mode", "full")
    ahead = now() + int(730 * DAY)
    monkeypatch.setattr("connector.cli.prune.now", lambda: ahead)
    told = synced.tcss("prune", "--older-than", "400d", "--dry-run", "--json")
    assert told.exit_code == 0, told.output
    assert {count for line in told.stdout.splitlines() for count in json.loads(line)["rows"].values()} == {0}
    *_, loads = synced.tcss("prune", "--older-than", "30d", "--json").stdout.splitlines()
    assert json.loads(loads)["rows"]["_dlt_loads"] > 0


def test_a_dry_run_says_what_a_prune_deletes(synced: World) -> None:
    """The same numbers, of each account and of dlt's loads; nothing has gone before the prune."""
    synced.sandbox.change({"rescan": 20})
    synced.sync("--mode", "full")
    synced.sandbox.change({"rescan": 20})
    aged(synced, 500)
    synced.sync("--mode", "full")
    versions = "select count(*) from tcss.image_history"
    before = synced.query(versions)
    young = synced.tcss("prune", "--older-than", "900d", "--dry-run").stdout.splitlines()
    assert young[0].startswith(f"account {ACCOUNT_ID}: nothing would be deleted (cut 20")
    told = synced.tcss("prune", "--older-than", "400d", "--dry-run", "--json")
    assert told.exit_code == 0, told.output
    assert synced.query(versions) == before
    done = synced.tcss("prune", "--older-than", "400d", "--json")
    assert done.exit_code == 0, done.output
    promised, kept = ([json.loads(line) for line in result.stdout.splitlines()] for result in (told, done))
    assert [{**one, "dry_run": False, "cut": ""} for one in promised] == [{**one, "cut": ""} for one in kept]
    first, loads = kept
    assert (first["account_id"], first["rows"]["image_history"] >= 20) == (ACCOUNT_ID, True)
    assert (first["rows"]["sync_runs"], loads["account_id"]) == (1, None)
    assert loads["rows"]["_dlt_loads"] > 3
    assert synced.query("select count(*) from tcss.sync_runs") == [(2,)]
    again = synced.tcss("prune", "--older-than", "400d").stdout.splitlines()
    assert [line.split(" (cut 20")[0] for line in again] == [
        f"account {ACCOUNT_ID}: nothing deleted",
        "loads of all accounts: nothing deleted",
    ]
    one = synced.tcss("prune", "--older-than", "400d", "--account-id", ACCOUNT_ID, "--json").stdout.splitlines()
    assert [json.loads(line)["account_id"] for line in one] == [ACCOUNT_ID, None]
    assert synced.sync("--mode", "full")["verdict"] == "complete"


@pytest.mark.thorough(but=("duckdb",))
@pytest.mark.parametrize("kind", KINDS)
def test_an_account_that_a_sync_writes_to_is_left(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 7; the other accounts of a server are pruned, and a dry run needs no lock."""
    with place(kind, tmp_path / "warehouse") as made, world(tmp_path, monkeypatch, images=5) as account:
        made.directory.mkdir()
        options = ("--destination", made.url, "--dataset", made.dataset)
        for account_id in ("1", "2"):
            assert account.tcss("sync", "--account-id", account_id, *options).exit_code == 0
        with holder(made):
            result = account.tcss("prune", "--older-than", "1d", "--json", *options)
            assert account.tcss("prune", "--older-than", "1d", "--dry-run", *options).exit_code == 0
        assert result.exit_code == 7
        first, second, *_ = [json.loads(line) for line in result.stdout.splitlines()]
        assert (first["error"]["class"], first["account"]) == ("LockedError", "1")
        assert (first["account_id"], first["account_name"]) == ("1", None)
        assert second["account_id"] == "2"
        for attempt in tenacity.Retrying(  # a server notices a moment later that the holder has ended
            retry=tenacity.retry_if_exception_type(LockedError),
            wait=tenacity.wait_fixed(0.05),
            stop=tenacity.stop_after_delay(60),
        ):
            with attempt, lock(locate(made.url, made.dataset), "1"):
                pass
        assert account.tcss("prune", "--older-than", "1d", *options).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--older-than", "soon"), "--older-than 'soon' is not a duration"),
        (("--older-than", "400d"), "does not exist"),
        (("--older-than", "400d", "--destination", "duckdb:///md:warehouse"), "deletes nothing there"),
        ((), "--older-than"),
    ],
)
def test_what_cannot_be_pruned_is_said(account: World, arguments: tuple[str, ...], said: str) -> None:
    """Exit code 2, and no file is made."""
    result = account.tcss("prune", *arguments)
    assert (result.exit_code, said in result.output) == (2, True), result.output
    assert not account.file.exists()


def test_a_dataset_without_an_account_is_named(synced: World) -> None:
    """Else a misspelt dataset would look like one that holds nothing old."""
    said = synced.tcss("prune", "--older-than", "400d", "--dataset", "tcs")
    assert (said.exit_code, said.stderr) == (0, "")
    assert said.stdout.startswith("nothing to prune: no account has images or runs in tcs in duckdb:///")


def test_an_account_is_named_by_its_id_or_its_name(named: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By an option or a variable, as in `tcss status`. The rows of other accounts stay."""

    def pruned(*options: str) -> list[str | None]:
        result = named.tcss("prune", "--older-than", "0s", "--dry-run", "--json", *options)
        assert result.exit_code == 0, result.output
        return [json.loads(line)["account_id"] for line in result.stdout.splitlines()]

    assert pruned() == [ACCOUNT_ID, BLUE_ID, None]
    assert pruned("--account", "blue") == pruned("--account-id", BLUE_ID) == [BLUE_ID, None]
    monkeypatch.setenv("TCSS_ACCOUNT", "blue")
    assert pruned() == [BLUE_ID, None]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--account-id", BLUE_ID[:-1] + "3"), f"Did you mean {BLUE_ID}?"),
        (("--account-id", "x"), "no account 'x' is in tcss in duckdb:"),
        (("--account", "blu"), "Did you mean blue?"),
    ],
)
def test_an_account_that_the_warehouse_does_not_have_is_refused(
    named: World, options: tuple[str, ...], said: str
) -> None:
    """Exit code 2, and nothing is deleted, also of dlt's list of loads."""
    loads = named.query("select count(*) from tcss._dlt_loads")
    result = named.tcss("prune", "--older-than", "0s", *options)
    assert (result.exit_code, said in result.stderr, result.stdout) == (2, True, ""), result.output
    assert named.query("select count(*) from tcss._dlt_loads") == loads


def test_an_account_that_has_only_its_history_is_known(named: World) -> None:
    """Somebody may have deleted its rows of `images` and `sync_runs`."""
    with named.writing() as db:
        for table in ("images", "sync_runs"):
            db.execute(f"delete from tcss.{table} where account_id = '{BLUE_ID}'")
    assert named.tcss("prune", "--older-than", "0s", "--account-id", BLUE_ID).exit_code == 0


@pytest.mark.parametrize("option", ["--dry-run", "--json"])
def test_tables_of_an_older_release_are_named(option: str, synced: World) -> None:
    """With the next step, before anything is deleted."""
    aged(synced, 500)
    with synced.writing() as db:
        db.execute("drop view if exists tcss.data_freshness")
        db.execute("alter table tcss.sync_runs drop column reason_code")
    before = synced.query("select count(*) from tcss.image_scans")
    result = synced.tcss("prune", "--older-than", "400d", option)
    assert result.exit_code == 6
    says = f"there is no column reason_code in sync_runs in tcss in {synced.destination}. Run `tcss sync` first"
    assert says in result.stderr
    assert synced.query("select count(*) from tcss.image_scans") == before
