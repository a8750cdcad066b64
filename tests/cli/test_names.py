"""An account's name: in the rows of its runs, in every line of JSON, and in a warehouse of an older release."""

from __future__ import annotations

import json
from typing import Any

import dlt
import pytest

import connector
from connector.runs.identity import Identity
from connector.sandbox import Fault
from connector.source import make_views
from connector.warehouse.locks import lock
from tests.cli.conftest import BLUE_ID, first_syncs
from tests.settings.conftest import read_again
from tests.warehouses import KINDS, Place
from tests.warehouses import place as place_of
from tests.world import ACCOUNT_ID, World


def test_a_run_has_the_name_of_its_account(named: World) -> None:
    """The only account has none, and needs none."""
    rows = first_syncs().rows
    assert [(row["account_id"], row["account_name"]) for row in rows] == [(ACCOUNT_ID, None), (BLUE_ID, "blue")]
    stored = named.query("select account_id, account_name from tcss.sync_runs order by started_at")
    assert stored == [(ACCOUNT_ID, None), (BLUE_ID, "blue")]


@pytest.mark.parametrize(
    ("name", "stored"),
    [("blue", "blue"), (None, None), ("a\nb", "a\\nb"), ("x" * 300, "x" * 228 + "... and 72 more characters")],
    ids=["plain", "none", "line break", "long"],
)
def test_a_stored_name_is_one_line_of_at_most_255_characters(name: str | None, stored: str | None) -> None:
    """MySQL indexes no longer text, and refuses it."""
    found = Identity.new("1", 0, name).account_name
    assert found == stored
    assert len(found or "") <= 255


def failure(result: Any) -> tuple[Any, ...]:
    row = json.loads(result.stdout)
    return row["account_id"], row["account_name"], row["error"]["class"]


def test_a_line_of_failure_names_the_account_too(fleets: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By id and name, as far as they are known: keys that are refused have no id."""
    where = ("--account", "blue", "--json")
    with lock_of(fleets, BLUE_ID):
        assert failure(fleets.tcss("sync", *where)) == (BLUE_ID, "blue", "LockedError")
        assert failure(fleets.tcss("sync", "--account-id", BLUE_ID, "--json")) == (BLUE_ID, None, "LockedError")
    fleets.sandbox.backend.faults = (Fault("unauthorized"),)
    result = fleets.tcss("sync", "--all-accounts", "--json")
    assert failure(result) == (BLUE_ID, "blue", "PermissionDeniedError")
    assert json.loads(result.stdout)["account"] == "blue"
    monkeypatch.setenv("SOURCES__TCSS__ACCOUNTS__BLUE__CREDENTIALS__SECRET_KEY", "WRONGEXAMPLE")
    assert failure(fleets.tcss("sync", *where)) == (None, "blue", "CredentialsError")


def lock_of(fleets: World, account_id: str) -> Any:
    from connector.warehouse.locations import locate

    return lock(locate(fleets.destination), account_id)


EACH_KIND = pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=pytest.mark.thorough if k != "duckdb" else ()) for k in KINDS]
)


@EACH_KIND
def test_every_view_calls_accounts_by_their_newest_names(named: World, kind: str) -> None:
    """After a sync, after a rename, and once the account has no name any more, which leaves the last one. The name is
    written when it is new, and an account without a name has none."""
    with place_of(kind, named.directory) as place:
        first_sync(named, place)
        assert called(place) == {ACCOUNT_ID: None}
        assert place.sql("select * from {data}.named_accounts") == []
        first_sync(named, place, "blue")
        assert called(place) == {ACCOUNT_ID: None, BLUE_ID: "blue"}
        rename(named, "blue", "azure")
        assert connector.sync("azure", **given(named, place)).rows_written == {"sync_runs": 1, "named_accounts": 1}
        assert called(place) == {ACCOUNT_ID: None, BLUE_ID: "azure"}
        assert connector.sync("azure", **given(named, place)).rows_written == {"sync_runs": 1}
        connector.sync(**given(named, place), account_id=BLUE_ID)
        assert place.sql(f"select count(*) from {{data}}.sync_runs where account_id = '{BLUE_ID}'") == [(4,)]
        assert called(place) == {ACCOUNT_ID: None, BLUE_ID: "azure"}


def first_sync(named: World, place: Place, account: str = "") -> None:
    """Sync the own account, or `blue` after it; DuckDB's file is a copy of one that this has made."""
    if place.kind == "duckdb":
        first = first_syncs()
        place.file.write_bytes(first.warehouse if account else first.own)
        return
    chosen = ("--account", account) if account else ()
    named.sync(*chosen, "--destination", place.url, "--dataset", place.dataset)


def given(fleets: World, place: Place) -> dict[str, Any]:
    return {"endpoint": fleets.sandbox.url, "destination": place.url, "dataset": place.dataset}


def rename(fleets: World, before: str, after: str) -> None:
    secrets = fleets.directory / ".dlt" / "secrets.toml"
    secrets.write_text(secrets.read_text(encoding="utf-8").replace(f".{before}.", f".{after}."), encoding="utf-8")
    read_again()


def called(place: Place) -> dict[str, str | None]:
    """What the views call each account. They agree, and those in `SPARSE` alone may lack an account."""
    with place.opened():
        views = [name for (name,) in place.sql("select name from {data}.tcss_views")]
        found = {
            view: dict(place.sql(f"select distinct account_id, account_name from {{data}}.{view}")) for view in views
        }
    accounts = found["accounts"]
    for view, names in found.items():
        assert names.items() <= accounts.items(), view
        assert names == accounts or view in SPARSE, view
    return accounts


@pytest.mark.thorough
def test_a_pipeline_of_ones_own_names_accounts_too(fleets: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `tcss sync` writes other accounts too, or the same; and a pipeline that leaves the names out loses none."""
    monkeypatch.setenv("DLT_DATA_DIR", str(fleets.directory / "dlt"))
    mine = dlt.pipeline("mine", destination=dlt.destinations.duckdb(str(fleets.file)), dataset_name="tcss")
    where = "select account_id, account_name from tcss.current_images group by all order by all"

    def load(name: str, *tables: str) -> None:
        source = connector.tcss(name, endpoint=fleets.sandbox.url)
        mine.run(source.with_resources(*tables) if tables else source)

    load("blue")
    make_views(mine)
    assert fleets.query(where) == [(BLUE_ID, "blue")]
    fleets.sync()
    rename(fleets, "blue", "azure")
    load("azure")
    assert fleets.query(where) == [(ACCOUNT_ID, None), (BLUE_ID, "azure")]
    load("azure", "images")
    assert fleets.query(where) == [(ACCOUNT_ID, None), (BLUE_ID, "azure")]
    rename(fleets, "azure", "navy")
    fleets.sync("--account", "navy")
    assert fleets.query(where) == [(ACCOUNT_ID, None), (BLUE_ID, "navy")]


SPARSE = {"changes_since_yesterday", "current_scan_errors", "images_at_risk", "scan_failures"}


@pytest.mark.thorough
@EACH_KIND
def test_the_warehouse_of_an_older_release_gets_the_column(fleets: World, kind: str) -> None:
    """Rows of that release have no name; a renamed account has its new name from its next run on."""
    with place_of(kind, fleets.directory) as place:
        where = ("--account", "blue", "--destination", place.url, "--dataset", place.dataset)
        if kind == "duckdb":
            place.file.write_bytes(first_syncs().warehouse)
        else:
            fleets.sync(*where[2:])
            fleets.sync(*where)
        forget_names(place)
        told = fleets.tcss("views", *where[2:])
        assert told.exit_code == 6
        assert "there is no column account_name in sync_runs" in told.stderr
        assert "Run `tcss sync` first" in told.stderr
        assert fleets.sync(*where)["account_name"] == "blue"
        assert place.sql("select account_name from {data}.sync_runs order by started_at") == [
            (None,),
            (None,),
            ("blue",),
        ]
        assert called(place) == {ACCOUNT_ID: None, BLUE_ID: "blue"}
        rename(fleets, "blue", "azure")
        fleets.sync("--account", "azure", *where[2:])
        assert called(place) == {ACCOUNT_ID: None, BLUE_ID: "azure"}


@pytest.mark.thorough
def test_only_an_account_that_may_be_there_under_another_id_is_warned_of(
    fleets: World, caplog: pytest.LogCaptureFixture
) -> None:
    """The same images under two ids would count twice. Several accounts with names of their own are no reason."""
    fleets.sync()
    fleets.sync("--account", "blue")
    assert "count twice" not in caplog.text
    fleets.sync("--account", "blue", "--account-id", "900000000009")
    assert f"holds {BLUE_ID} by the name of blue: the same images under two ids would count twice" in caplog.text
    caplog.clear()
    fleets.sync("--account-id", "900000000008")
    assert f"holds {ACCOUNT_ID}, {BLUE_ID}, 900000000009: the same images" in caplog.text


def forget_names(place: Place) -> None:
    """Make the warehouse as the first release made it, without our views."""
    views = place.sql("select name from {data}.tcss_views")
    statements = [f"drop view {{data}}.{name}" for name in ("tcss_views", *(name for (name,) in views))]
    datasets = ["{data}"]
    if place.kind in ("postgresql", "mysql"):
        datasets += [place.quoted(f"{place.dataset}_staging_{account_id}") for account_id in (ACCOUNT_ID, BLUE_ID)]
    for dataset in datasets:
        statements.append(f"alter table {dataset}.sync_runs drop column account_name")
        statements.append(f"drop table {dataset}.named_accounts")
    place.sql_in_one(statements)
