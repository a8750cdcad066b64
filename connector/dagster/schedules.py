"""Makes a schedule that starts a run for each account, with a tag that allows one run per account at a time."""

from collections.abc import Iterator, Sequence

import dagster as dg

ACCOUNT_TAG = "tcss/account"
"""The run tag that names the account, in runs of the jobs of `build_tcss_schedule`. Runs from the asset graph have only
the tag `dagster/partition`. Limit both in `dagster.yaml`:

    concurrency:
      runs:
        tag_concurrency_limits:
          - {key: tcss/account, value: {applyLimitPerUniqueValue: true}, limit: 1}
          - {key: dagster/partition, value: {applyLimitPerUniqueValue: true}, limit: 1}
"""


def build_tcss_schedule(
    definition: dg.AssetsDefinition | dg.AssetChecksDefinition,
    *,
    cron_schedule: str,
    name: str | None = None,
    partitions_def: dg.PartitionsDefinition[str] | None = None,
    without: Sequence[dg.AssetChecksDefinition] = (),
    execution_timezone: str = "UTC",
    default_status: dg.DefaultScheduleStatus = dg.DefaultScheduleStatus.STOPPED,
) -> dg.ScheduleDefinition:
    """Make a schedule for assets or checks of this package: a run for each account at each tick.

    Args:
        definition: the assets, whose checks then run with them, or the checks alone.
        cron_schedule: the times, such as `0 * * * *`.
        name: the job's name, and with `_schedule` the schedule's; by default the op's name and `_job`.
        partitions_def: the partitions of the definition; the keys at the tick are the accounts. None: one run.
        without: checks of the assets that are left out, because they have a schedule of their own.
        execution_timezone: the time zone of the cron schedule.
        default_status: whether the schedule runs as soon as it is deployed.

    Example:
        schedule = build_tcss_schedule(assets, cron_schedule="0 * * * *", partitions_def=accounts)
    """
    name = name or f"{definition.op.name}_job"
    checks = isinstance(definition, dg.AssetChecksDefinition)
    selection = dg.AssetSelection.checks(definition) if checks else dg.AssetSelection.assets(definition)
    job = dg.define_asset_job(
        name,
        selection=selection - dg.AssetSelection.checks(*without) if without else selection,
        config=None if partitions_def is None else _tagged(partitions_def),
        executor_def=dg.in_process_executor,  # one step, with the checks after it: they need no process of their own
    )

    @dg.schedule(
        name=f"{name}_schedule",
        job=job,
        cron_schedule=cron_schedule,
        execution_timezone=execution_timezone,
        default_status=default_status,
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
        if partitions_def is None:
            yield dg.RunRequest()
            return
        for account in partitions_def.get_partition_keys(dynamic_partitions_store=context.instance):
            yield dg.RunRequest(run_key=account, partition_key=account, tags={ACCOUNT_TAG: account})

    return schedule


def _tagged(partitions_def: dg.PartitionsDefinition[str]) -> dg.PartitionedConfig[dg.PartitionsDefinition[str]]:
    """Tag the runs that a user starts, or a backfill of the job, like the schedule's own runs."""
    return dg.PartitionedConfig(
        partitions_def,
        run_config_for_partition_key_fn=lambda _: {},
        tags_for_partition_key_fn=lambda account: {ACCOUNT_TAG: account},
    )
