"""What a partition loads, read back from the warehouse; on the newest and the oldest SQLAlchemy."""

from __future__ import annotations

from typing import Any

import dagster as dg

from connector.tables import IMAGES, SYNC_RUNS, TABLES, Table
from tests.dagster.accounts import Accounts, metadata
from tests.syncing import loaded, truth
from tests.warehouses import Place


def rows(place: Place, table: Table, account_id: str) -> list[dict[str, Any]]:
    return [row for row in place.table(table) if row["account_id"] == account_id]


def test_each_partition_loads_its_account(accounts: Accounts, warehouse: Place, instance: dg.DagsterInstance) -> None:
    """Two accounts in one dataset; every image of each is there, and a materialisation of every table for each."""
    for name in ("one", "two"):
        result = accounts.materialize(warehouse, name, instance)
        assert result.success
        assert set(metadata(result)) == {table.name for table in TABLES}
    for account in accounts.by_name.values():
        assert loaded(warehouse, account.account_id) == truth(account.fleet) != {}
    for table in TABLES:
        key = dg.AssetKey(["tcss", table.name])
        assert instance.get_materialized_partitions(key) == {"one", "two"}


def test_the_same_again_changes_nothing(accounts: Accounts, warehouse: Place, instance: dg.DagsterInstance) -> None:
    """A second full run of a partition leaves all rows as they are, and adds its own row in `sync_runs`."""
    accounts.materialize(warehouse, "one", instance)
    before = {table.name: warehouse.table(table) for table in TABLES if table is not SYNC_RUNS}
    result = accounts.materialize(warehouse, "one", instance, mode="full")
    assert {table.name: warehouse.table(table) for table in TABLES if table is not SYNC_RUNS} == before
    assert len(warehouse.table(SYNC_RUNS)) == 2
    assert {name: facts["rows"] for name, facts in metadata(result).items()} == {
        "images": 0,
        "image_history": 0,
        "image_scans": 0,
        "rejected_values": 0,
        "sync_runs": 1,
    }


def test_a_materialisation_tells_what_the_run_did(
    accounts: Accounts, warehouse: Place, instance: dg.DagsterInstance
) -> None:
    """Verdict, counts and RequestIds are those of the row in `sync_runs`, and rows are what plain SQL counts. Of
    `images` alone, the run knows how many rows there are."""
    accounts.materialize(warehouse, "two", instance)
    accounts.materialize(warehouse, "one", instance)
    accounts.sandbox.change({"rescan": 7, "insert": 3}, accounts.id("one"))
    found = metadata(accounts.materialize(warehouse, "one", instance, mode="full"))
    (run,) = [r for r in rows(warehouse, SYNC_RUNS, accounts.id("one")) if r["images_new"] == 3]
    for facts in found.values():
        for name in ("account_id", "sync_id", "mode", "verdict", "verdict_reason", "requests", "images_new"):
            assert facts[name] == run[name]
        assert (facts["first_request_id"], facts["last_request_id"]) == (
            run["first_request_id"],
            run["last_request_id"],
        )
    assert (run["verdict"], run["images_changed"]) == ("complete", 7)
    assert found["images"]["rows"] == found["image_history"]["rows"] == 10
    for table in TABLES:
        own = rows(warehouse, table, accounts.id("one"))
        held = len(own) if table is IMAGES else None
        assert found[table.name].get("dagster/partition_row_count") == held
        assert found[table.name]["rows"] == len([row for row in own if row["sync_id"] == run["sync_id"]])
