"""The tables as one multi-asset: a sync of an account loads them all."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from pydantic import Field

from connector.dagster.errors import RETRIES, retried
from connector.dagster.resource import TcssResource
from connector.dagster.shown import facts
from connector.dagster.translator import DagsterTcssTranslator
from connector.runs.identity import rfc3339
from connector.runs.progress import Lines
from connector.runs.row import SyncRun
from connector.tables import TABLES
from connector.texts import visible

RUN_FACTS = (
    *("account_id", "sync_id", "mode", "verdict", "verdict_reason"),
    *("total_count", "images_listed", "images_new", "images_changed", "images_gone", "values_rejected"),
    *("requests", "throttled", "retries", "first_request_id", "last_request_id", "endpoint"),
)
"""Columns of `sync_runs` that are metadata of every materialisation."""


class SyncConfig(dg.Config):
    """What may be chosen for one run, in the launchpad or by `run_config`.

    Args:
        mode: `auto`, `incremental` or `full`; else what the resource says.
    """

    mode: str | None = Field(default=None, description="auto, incremental or full; else what the resource says")


def build_tcss_assets(
    *,
    name: str = "tcss_sync",
    partitions_def: dg.PartitionsDefinition[str] | None = None,
    translator: DagsterTcssTranslator | None = None,
    retry_policy: dg.RetryPolicy = RETRIES,
    op_tags: Mapping[str, Any] | None = None,
    pool: str | None = None,
) -> dg.AssetsDefinition:
    """The five tables as a multi-asset that needs the resource `tcss`, a `TcssResource`.

    Each materialisation carries the run's verdict, its counts of rows and requests, and the first and last RequestId. A
    partial sync has loaded rows and materialises; the check `complete` fails then. Throttling and outages are retried;
    keys, permissions and configurations that are refused fail at once.

    Args:
        name: of the op.
        partitions_def: its keys are the names of accounts, static or dynamic; None: there is one account.
        translator: makes the assets' keys, groups and metadata.
        retry_policy: how often and after how many seconds what may pass is tried again.
        op_tags: tags of the op.
        pool: a concurrency pool of Dagster's; it is shared by all accounts.

    Example:
        accounts = dg.StaticPartitionsDefinition(["production", "staging"])
        assets = build_tcss_assets(partitions_def=accounts)
    """
    translator = translator or DagsterTcssTranslator()
    specs = {table.name: translator.get_asset_spec(table) for table in TABLES}

    @dg.multi_asset(
        name=name,
        specs=list(specs.values()),
        partitions_def=partitions_def,
        backfill_policy=None if partitions_def is None else dg.BackfillPolicy.multi_run(1),
        op_tags=op_tags,
        pool=pool,
    )
    def sync(
        context: dg.AssetExecutionContext, config: SyncConfig, tcss: TcssResource
    ) -> Iterator[dg.MaterializeResult[Any]]:
        account = context.partition_key if context.has_partition_key else None
        with retried(context.retry_number, retry_policy):
            run = tcss.sync(account, progress=Lines(context.log.info), mode=config.mode)
            counts = _counts(tcss, account, run)
        context.log.info(run.summary())
        for text in run.warnings():
            context.log.warning(visible(text))
        for table in TABLES:
            yield dg.MaterializeResult(asset_key=specs[table.name].key, metadata={**_facts(run), **counts[table.name]})

    return sync


def _facts(run: SyncRun) -> dict[str, Any]:
    said = facts({name: run[name] for name in RUN_FACTS})
    return said | {name: dg.MetadataValue.text(str(rfc3339(run[name]))) for name in ("started_at", "finished_at")}


def _counts(tcss: TcssResource, account: str | None, run: SyncRun) -> dict[str, dict[str, Any]]:
    """Of each table: the rows that the run wrote, and all that the account has; read where they were committed."""
    name = "dagster/row_count" if account is None else "dagster/partition_row_count"
    with tcss.inventory(account, account_id=run.account_id) as (inventory, account_id):
        return {
            table.name: {
                "rows": inventory.count(table, account_id, run.sync_id),
                name: inventory.count(table, account_id),
            }
            for table in TABLES
        }
