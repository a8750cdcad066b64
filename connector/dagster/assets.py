"""Makes the tables one multi-asset: a sync of an account loads all of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
from pydantic import Field

from connector.dagster.errors import RETRIES, retried
from connector.dagster.resource import TcssResource
from connector.dagster.shown import facts
from connector.dagster.translator import DagsterTcssTranslator
from connector.detail.rows import DetailVerdict
from connector.runs.identity import rfc3339
from connector.runs.progress import Lines
from connector.runs.row import SyncRun
from connector.settings.table import details
from connector.tables import DETAIL_RUNS, TABLES, Table, of_details, written_by
from connector.texts import visible

RUN_FACTS = (
    *("account_id", "sync_id", "mode", "verdict", "verdict_reason"),
    *("total_count", "images_listed", "images_new", "images_changed", "images_gone", "values_rejected"),
    *("requests", "throttled", "retries", "first_request_id", "last_request_id", "endpoint"),
)
"""Columns of `sync_runs` that become metadata of every materialisation."""

DETAIL_FACTS = (
    *("verdict", "verdict_reason", "images_due", "images_read", "images_behind", "images_unproven"),
    *("opened", "closed", "requests", "throttled", "unknown_tags"),
)
"""Columns of `detail_runs` that become metadata of the tables that the detail writes."""


class SyncConfig(dg.Config):
    """Lets a user choose options of one run, in the launchpad or by `run_config`.

    Args:
        mode: `auto`, `incremental` or `full`; by default that of the resource.
    """

    mode: str | None = Field(default=None, description="auto, incremental or full; by default that of the resource")


def build_tcss_assets(
    *,
    name: str = "tcss_sync",
    detail: Sequence[str] = (),
    partitions_def: dg.PartitionsDefinition[str] | None = None,
    translator: DagsterTcssTranslator | None = None,
    retry_policy: dg.RetryPolicy = RETRIES,
    op_tags: Mapping[str, Any] | None = None,
    pool: str | None = None,
) -> dg.AssetsDefinition:
    """Make the five tables, and those of `detail`, a multi-asset that needs the resource `tcss`, a `TcssResource`.

    Each materialisation carries the run's verdict, its counts of rows and requests, and the first and last RequestId. A
    partial sync has loaded rows and materialises; then the check `complete` fails. Throttling and outages are retried;
    refused keys, permissions and configurations fail at once. A table of details does not materialise if all that the
    table holds was refused.

    Args:
        name: the op's name.
        detail: the details to read, such as `["vulnerabilities", "running"]`; each table of details is then an asset,
            with the run's row of the detail as metadata. Without `detail`, the resource's options decide whether
            details are read, and their tables are no assets.
        partitions_def: static or dynamic partitions whose keys are names of accounts; None: there is one account.
        translator: makes the assets' keys, groups and metadata.
        retry_policy: how often and after how many seconds throttling, outages and held locks are retried.
        op_tags: tags of the op.
        pool: a concurrency pool of Dagster's, which all accounts share.

    Example:
        accounts = dg.StaticPartitionsDefinition(["production", "staging"])
        assets = build_tcss_assets(partitions_def=accounts)
    """
    translator = translator or DagsterTcssTranslator()
    specs = {table.name: translator.get_asset_spec(table) for table in TABLES}
    of_detail = of_details(details(detail))
    specs |= {t.name: translator.get_asset_spec(t).replace_attributes(skippable=True) for t in of_detail}

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
            run = tcss.sync(account, progress=Lines(context.log.info), mode=config.mode, detail=detail or None)
            tables = (*TABLES, *(table for table in of_detail if table in _written(run)))
            counts = _counts(tcss, account, run, tables)
        context.log.info(run.summary())
        for text in run.warnings():
            context.log.warning(visible(text))
        for table in tables:
            about = {**_facts(run), **counts[table.name], **_detail_facts(run, table)}
            yield dg.MaterializeResult(asset_key=specs[table.name].key, metadata=about)

    return sync


def _facts(run: SyncRun) -> dict[str, Any]:
    said = facts({name: run[name] for name in RUN_FACTS})
    return said | {name: dg.MetadataValue.text(str(rfc3339(run[name]))) for name in ("started_at", "finished_at")}


def _written(run: SyncRun) -> tuple[Table, ...]:
    """Return the tables of details that the run may have written."""
    refused = [detail.aspect for detail in run.details if detail.verdict == DetailVerdict.REFUSED]
    return (DETAIL_RUNS, *of_details(detail.aspect for detail in run.details if detail.aspect not in refused))


def _detail_facts(run: SyncRun, table: Table) -> dict[str, Any]:
    """Return the run's facts on each detail that writes the table, as `vulnerabilities/opened`."""
    return {
        f"{detail.aspect}/{name}": value
        for detail in run.details
        if table in written_by(detail.aspect)
        for name, value in facts(detail.as_json()).items()
        if name in DETAIL_FACTS
    }


def _counts(
    tcss: TcssResource, account: str | None, run: SyncRun, tables: Iterable[Table]
) -> dict[str, dict[str, Any]]:
    """Return for each table the number of rows that the run wrote, and of all the account's rows, in the warehouse."""
    name = "dagster/row_count" if account is None else "dagster/partition_row_count"
    with tcss.inventory(account, account_id=run.account_id) as (inventory, account_id):
        return {
            table.name: {
                "rows": inventory.count(table, account_id, run.sync_id),
                name: inventory.count(table, account_id),
            }
            for table in tables
        }
