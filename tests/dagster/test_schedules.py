"""Schedules: a run for each account, tagged so that an account has one run at a time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.storage.dagster_run import DagsterRun, DagsterRunStatus
from dagster._core.utils import make_new_run_id
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import TagConcurrencyLimitsCounter

from connector import dagster as tcss

NAMES = dg.StaticPartitionsDefinition(["one", "two"])
INSTANCE = Path(tcss.__file__).parent / "example" / "dagster.yaml"


def requests(
    schedule: dg.ScheduleDefinition, instance: dg.DagsterInstance, *definitions: object
) -> list[tuple[str | None, str | None, str | None]]:
    """(key, partition, tag of the account) of the runs that a tick asks for."""
    assets = [d for d in definitions if not isinstance(d, dg.AssetChecksDefinition)]
    checks = [d for d in definitions if isinstance(d, dg.AssetChecksDefinition)]
    all_ = dg.Definitions(
        assets=assets, asset_checks=checks, schedules=[schedule], resources={"tcss": tcss.TcssResource()}
    )
    context = dg.build_schedule_context(
        instance=instance,
        repository_def=all_.get_repository_def(),
        scheduled_execution_time=datetime(2026, 1, 2, tzinfo=UTC),
    )
    found = schedule.evaluate_tick(context).run_requests or []
    assert not any(request.run_config for request in found)
    return [(r.run_key, r.tags.get("dagster/partition"), r.tags.get(tcss.ACCOUNT_TAG)) for r in found]


def test_a_run_for_each_account(instance: dg.DagsterInstance) -> None:
    """Of the syncs, and of the checks."""
    assets, checks = tcss.build_tcss_assets(partitions_def=NAMES), tcss.build_tcss_asset_checks(partitions_def=NAMES)
    for definition, name in ((assets, "tcss_sync_job"), (checks, "tcss_checks_job")):
        schedule = tcss.build_tcss_schedule(definition, cron_schedule="0 * * * *", partitions_def=NAMES)
        assert (schedule.name, schedule.job_name, schedule.cron_schedule) == (f"{name}_schedule", name, "0 * * * *")
        assert requests(schedule, instance, assets, checks) == [("one", "one", "one"), ("two", "two", "two")]


def test_accounts_that_came_since_the_deployment_are_included(instance: dg.DagsterInstance) -> None:
    """Dynamic partitions are read at each tick."""
    names = dg.DynamicPartitionsDefinition(name="accounts")
    assets = tcss.build_tcss_assets(partitions_def=names)
    schedule = tcss.build_tcss_schedule(assets, cron_schedule="@daily", partitions_def=names)
    assert requests(schedule, instance, assets) == []
    instance.add_dynamic_partitions("accounts", ["three"])
    assert requests(schedule, instance, assets) == [("three", "three", "three")]


def test_one_account_has_one_run(instance: dg.DagsterInstance) -> None:
    """Without partitions."""
    assets = tcss.build_tcss_assets()
    assert requests(tcss.build_tcss_schedule(assets, cron_schedule="@daily"), instance, assets) == [(None, None, None)]


def test_the_jobs_tag_what_people_start_too() -> None:
    """A backfill, or a launch from the UI, of the job that the schedule runs."""
    assets = tcss.build_tcss_assets(partitions_def=NAMES)
    schedule = tcss.build_tcss_schedule(assets, cron_schedule="@daily", partitions_def=NAMES)
    definitions = dg.Definitions(assets=[assets], schedules=[schedule], resources={"tcss": tcss.TcssResource()})
    job = definitions.resolve_job_def("tcss_sync_job")
    assert job.get_tags_for_partition_key("one", None)[tcss.ACCOUNT_TAG] == "one"


@pytest.fixture
def limited() -> Iterator[dg.DagsterInstance]:
    """An instance with the example's `dagster.yaml`."""
    with dg.instance_for_test(overrides=yaml.safe_load(INSTANCE.read_text(encoding="utf-8"))) as made:
        yield made


def test_the_example_allows_one_run_of_an_account(limited: dg.DagsterInstance) -> None:
    """While one is under way, that account's next run waits, and another account's does not. Runs from the asset graph
    have no tag but that of their partition."""

    def tagged(account: str, *tags: str) -> DagsterRun:
        given = dict.fromkeys(("dagster/partition", *tags), account)
        return DagsterRun("job", run_id=make_new_run_id(), tags=given, status=DagsterRunStatus.STARTED)

    limits = limited.get_concurrency_config().run_queue_config
    assert limits is not None
    counter = TagConcurrencyLimitsCounter(limits.tag_concurrency_limits, [tagged("one", tcss.ACCOUNT_TAG)])
    for tags in ((tcss.ACCOUNT_TAG,), ()):
        assert [counter.is_blocked(tagged(account, *tags)) for account in ("one", "two")] == [True, False]
