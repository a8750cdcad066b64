"""The asset checks: each passes after a good sync, and fails for what it is there to find."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from connector.dagster import (
    build_tcss_asset_checks,
    build_tcss_assets,
    build_tcss_key_checks,
    build_tcss_schedule,
)
from connector.sandbox import Fault, Fleet, wall_clock
from connector.tables import TABLES
from tests.dagster.accounts import NOW, Accounts, accounts_on, failure, retries
from tests.warehouses import Place

NEEDS_A_SYNC = {("complete", "images"), ("fresh", "sync_runs")}
KEYS = {("keys_unique", table.name) for table in TABLES}
NEVER_WHOLE = Fault("wrong_total", at=range(2, 10_000), value=900)  # the list never has as many rows as it says


def run(
    accounts: Accounts,
    place: Place,
    name: str | None,
    instance: dg.DagsterInstance,
    *,
    sync: bool = False,
    keys: bool = False,
    **given: Any,
) -> dg.ExecuteInProcessResult:
    """The job that a schedule starts for an account: a sync with its checks, the checks alone, or those of `keys`."""
    partitions = accounts.partitions
    assets = build_tcss_assets(partitions_def=partitions, retry_policy=NOW)
    checks = build_tcss_asset_checks(**{"partitions_def": partitions, "retry_policy": NOW, **given})
    daily = build_tcss_key_checks(partitions_def=partitions, retry_policy=NOW)
    what, without = (daily, ()) if keys else (assets, [daily]) if sync else (checks, ())
    schedule = build_tcss_schedule(what, cron_schedule="@daily", partitions_def=partitions, without=without)
    definitions = dg.Definitions(
        assets=[assets],
        asset_checks=[checks, daily],
        schedules=[schedule],
        resources={"tcss": accounts.resource(place)},
    )
    return definitions.resolve_job_def(schedule.job_name).execute_in_process(
        partition_key=name, instance=instance, raise_on_error=False
    )


def found(result: dg.ExecuteInProcessResult, *, passed: bool) -> set[tuple[str, str]]:
    return {(e.check_name, e.asset_key.path[-1]) for e in result.get_asset_check_evaluations() if e.passed is passed}


def evaluation(result: dg.ExecuteInProcessResult, check: str) -> dg.AssetCheckEvaluation:
    (only,) = [e for e in result.get_asset_check_evaluations() if e.check_name == check]
    return only


def test_after_a_good_sync_all_pass(accounts: Accounts, warehouse: Place, instance: dg.DagsterInstance) -> None:
    """In the run of the sync, and by themselves. Keys have a run of their own, since they cost more."""
    for result in (run(accounts, warehouse, "one", instance, sync=True), run(accounts, warehouse, "one", instance)):
        assert (result.success, found(result, passed=True), found(result, passed=False)) == (True, NEEDS_A_SYNC, set())
        assert {e.partition for e in result.get_asset_check_evaluations()} == {"one"}
    assert found(run(accounts, warehouse, "one", instance, keys=True), passed=True) == KEYS


def test_an_account_that_was_never_synced_is_neither_complete_nor_fresh(
    accounts: Accounts, duckdb_file: Place, instance: dg.DagsterInstance
) -> None:
    """Whatever the other account is; and nothing is created."""
    empty = run(accounts, duckdb_file, "two", instance)
    assert (found(empty, passed=False), duckdb_file.file.exists()) == (
        {("complete", "images"), ("fresh", "sync_runs")},
        False,
    )
    run(accounts, duckdb_file, "one", instance, sync=True)
    other = run(accounts, duckdb_file, "two", instance)
    assert found(other, passed=False) == NEEDS_A_SYNC
    assert evaluation(other, "fresh").description == "no complete sync yet"


def test_a_partial_sync_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, duckdb_file: Place, instance: dg.DagsterInstance
) -> None:
    """The assets are materialised, since rows were loaded; the check says why they are not all."""
    fleet = Fleet.seeded(250, clock=wall_clock)
    with accounts_on(
        {"one": fleet}, tmp_path, monkeypatch, (Fault("wrong_total", at=range(2, 99), value=900),)
    ) as accounts:
        result = run(accounts, duckdb_file, "one", instance, sync=True)
    complete = evaluation(result, "complete")
    assert (complete.passed, complete.metadata["verdict"].value) == (False, "partial")
    assert complete.description == f"partial: {complete.metadata['verdict_reason'].value}"
    assert complete.metadata["last_request_id"].value
    assert found(result, passed=True) == set()
    assert instance.get_materialized_partitions(dg.AssetKey(["tcss", "images"])) == {"one"}


def test_a_run_of_the_future_hides_no_partial_sync(
    accounts: Accounts, duckdb_file: Place, instance: dg.DagsterInstance
) -> None:
    """Of a clock that was ahead: the check looks at the newest run that counts."""
    run(accounts, duckdb_file, "one", instance, sync=True)
    duckdb_file.sql("UPDATE {data}.sync_runs SET started_at = started_at + INTERVAL 400 DAY")
    accounts.sandbox.backend.faults = (NEVER_WHOLE,)
    result = run(accounts, duckdb_file, "one", instance, sync=True)
    assert evaluation(result, "complete").metadata["verdict"].value == "partial"
    assert found(result, passed=False) == NEEDS_A_SYNC


def test_a_check_without_a_partition_is_refused(
    accounts: Accounts, duckdb_file: Place, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keys at hand would say which account is checked."""
    monkeypatch.setenv("TENCENTCLOUD_SECRET_ID", accounts.by_name["two"].secret_id)
    monkeypatch.setenv("TENCENTCLOUD_SECRET_KEY", "SECRETTWOEXAMPLE")
    result = run(accounts, duckdb_file, None, instance)
    assert "the run has no partition" in failure(result).user_failure_data.description


def test_keys_that_are_not_unique_are_found(accounts: Accounts, warehouse: Place, instance: dg.DagsterInstance) -> None:
    """In their table, and in their account."""
    run(accounts, warehouse, "one", instance, sync=True)
    run(accounts, warehouse, "two", instance, sync=True)
    for _ in range(2):
        warehouse.sql(
            "INSERT INTO {data}.images SELECT * FROM {data}.images WHERE account_id = '" + accounts.id("one") + "' "
            "ORDER BY image_id LIMIT 1"
        )
    result = run(accounts, warehouse, "one", instance, keys=True)
    assert found(result, passed=False) == {("keys_unique", "images")}
    (doubled,) = [e for e in result.get_asset_check_evaluations() if not e.passed]
    assert {name: value.value for name, value in doubled.metadata.items()} == {
        "account_id": accounts.id("one"),
        "keys": "account_id, image_id",
        "duplicates": 1,
    }
    assert found(run(accounts, warehouse, "two", instance, keys=True), passed=False) == set()


def test_data_that_is_too_old_is_found(accounts: Accounts, warehouse: Place, instance: dg.DagsterInstance) -> None:
    """By the start of the last complete sync."""
    run(accounts, warehouse, "one", instance, sync=True)
    result = run(accounts, warehouse, "one", instance, max_age=timedelta(0))
    assert found(result, passed=False) == {("fresh", "sync_runs")}
    assert evaluation(result, "fresh").metadata["max_age_seconds"].value == 0


def test_a_blocking_check_stops_what_depends_on_the_asset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, duckdb_file: Place, instance: dg.DagsterInstance
) -> None:
    """Where that is asked for."""

    @dg.asset(deps=[dg.AssetKey(["tcss", "images"])])
    def report() -> None: ...

    with accounts_on({"one": Fleet.seeded(250, clock=wall_clock)}, tmp_path, monkeypatch, (NEVER_WHOLE,)) as accounts:
        keys = accounts.by_name["one"]
        resource = accounts.resource(
            duckdb_file, accounts={}, secret_id=keys.secret_id, secret_key=dg.EnvVar("ONE_SECRET_KEY")
        )
        for blocking in (False, True):
            result = dg.materialize(
                [build_tcss_assets(), build_tcss_asset_checks(blocking=blocking), report],
                resources={"tcss": resource},
                instance=instance,
                raise_on_error=False,
            )
            ran = [event.asset_key.path for event in result.get_asset_materialization_events()]
            assert (["report"] in ran) is not blocking


def test_refused_keys_are_not_tried_again(
    accounts: Accounts, duckdb_file: Place, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the sync: a check that cannot be made has not passed."""
    monkeypatch.setenv("ONE_SECRET_KEY", "SECRETWRONGEXAMPLE")
    result = run(accounts, duckdb_file, "one", instance)
    assert (result.success, retries(result), found(result, passed=True)) == (False, 0, set())
    assert failure(result).user_failure_data.metadata["class"].value == "CredentialsError"
