"""Makes asset checks that query the warehouse: is the last sync complete, are keys unique, is the data fresh?"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import partial

import dagster as dg

from connector.dagster.coverage import covers, ran
from connector.dagster.errors import RETRIES, retried
from connector.dagster.resource import TcssResource
from connector.dagster.shown import facts, plain
from connector.dagster.translator import DagsterTcssTranslator
from connector.runs.freshness import Freshness, newest_runs
from connector.settings.table import details
from connector.tables import ASPECTS, DETAIL_RUNS, IMAGES, SYNC_RUNS, TABLES, Table, of_details
from connector.warehouse.inventory import AccountInventory, Inventory

Judge = Callable[[Inventory, str], dg.AssetCheckResult]

MAX_AGE = timedelta(hours=26)


def build_tcss_asset_checks(
    *,
    name: str = "tcss_checks",
    detail: Sequence[str] = (),
    partitions_def: dg.PartitionsDefinition[str] | None = None,
    translator: DagsterTcssTranslator | None = None,
    max_age: timedelta = MAX_AGE,
    blocking: bool = False,
    retry_policy: dg.RetryPolicy = RETRIES,
) -> dg.AssetChecksDefinition:
    """Make checks of an account's data in the warehouse, which run after its sync, or by themselves.

    `complete` on `images`: the account's last sync has the verdict complete. `keys_unique` on every table: no two rows
    have the same key. `fresh` on `sync_runs`: the last complete sync of all images started less than `max_age` ago. A
    sync that fails runs no checks, so schedule the checks on their own as well.

    With `detail`, also `covered` on each table of findings: every scanned image has the set of its present scan, and
    the set is proven whole. `complete` on `detail_runs`: the last run of each detail is complete, or has left images
    to the next run; `covered` counts these images.

    Args:
        name: the op's name.
        detail: the `detail` of the assets.
        partitions_def: the partitions of the assets, so that each account has results of its own.
        translator: the translator of the assets.
        max_age: the greatest age of the last complete sync.
        blocking: whether a failed check stops the assets that depend on the checked asset in the same run.
        retry_policy: as for `build_tcss_assets`.

    Example:
        checks = build_tcss_asset_checks(partitions_def=accounts, max_age=timedelta(hours=3))
        hourly = build_tcss_schedule(checks, cron_schedule="30 * * * *", partitions_def=accounts)
    """
    translator = translator or DagsterTcssTranslator()

    def spec(check: str, table: Table, description: str) -> dg.AssetCheckSpec:
        key = translator.get_asset_spec(table).key
        with warnings.catch_warnings():  # Dagster calls the argument a preview; without it all accounts share a result
            warnings.simplefilter("ignore", dg.PreviewWarning)
            return dg.AssetCheckSpec(
                check, asset=key, description=description, blocking=blocking, partitions_def=partitions_def
            )

    complete = spec("complete", IMAGES, "The last sync saw every image that was listed while it ran.")
    fresh = spec("fresh", SYNC_RUNS, f"The last complete sync of all images started less than {max_age} ago.")
    tables = (*TABLES, *of_details(details(detail)))
    unique = [(spec("keys_unique", t, f"No two rows have the same {', '.join(t.key)}."), t) for t in tables]
    aspects = [ASPECTS[each] for each in details(detail) if each in ASPECTS]
    covered = [(spec("covered", a.table, f"Every scanned image has its present set: {a.name}."), a) for a in aspects]
    detailed = [spec("complete", DETAIL_RUNS, "The last run of each detail has no failure.")] if detail else []
    judges: dict[dg.AssetCheckKey, Judge] = {
        complete.key: _complete,
        fresh.key: partial(_fresh, max_age=max_age),
        **{check.key: partial(_unique, table=table) for check, table in unique},
        **{check.key: partial(covers, aspect=aspect) for check, aspect in covered},
        **{check.key: partial(ran, detail=detail) for check in detailed},
    }
    specs = [complete, fresh, *(check for check, _ in (*unique, *covered)), *detailed]

    @dg.multi_asset_check(name=name, specs=specs, can_subset=True)
    def checks(context: dg.AssetCheckExecutionContext, tcss: TcssResource) -> Iterator[dg.AssetCheckResult]:
        account = context.partition_key if context.has_partition_key else None
        with retried(context.retry_number, retry_policy), tcss.inventory(account) as (inventory, account_id):
            results = [
                judges[key](inventory, account_id)._replace(asset_key=key.asset_key, check_name=key.name)
                for key in context.selected_asset_check_keys
            ]
        yield from results

    return checks


def _complete(inventory: Inventory, account_id: str) -> dg.AssetCheckResult:
    runs = newest_runs(AccountInventory(inventory, account_id), 1)
    if not runs:
        return _never(account_id)
    run = runs[0]
    names = ("account_id", "sync_id", "verdict", "verdict_reason", "first_request_id", "last_request_id")
    return dg.AssetCheckResult(
        passed=run.complete,
        description=plain(f"{run.verdict}: {run.verdict_reason}"),
        metadata=facts({name: run[name] for name in names}),
    )


def _fresh(inventory: Inventory, account_id: str, *, max_age: timedelta) -> dg.AssetCheckResult:
    freshness, limit = Freshness.of_account(AccountInventory(inventory, account_id)), max_age.total_seconds()
    if freshness.seconds is None:
        return dg.AssetCheckResult(passed=False, description=str(freshness), metadata={"account_id": account_id})
    return dg.AssetCheckResult(
        passed=freshness.within(limit),
        description=str(freshness),
        metadata={"account_id": account_id, "age_seconds": freshness.seconds, "max_age_seconds": limit},
    )


def _unique(inventory: Inventory, account_id: str, *, table: Table) -> dg.AssetCheckResult:
    duplicates = inventory.duplicates(table, account_id)
    return dg.AssetCheckResult(
        passed=not duplicates,
        metadata={"account_id": account_id, "keys": ", ".join(table.key), "duplicates": duplicates},
    )


def _never(account_id: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, description="no complete sync yet", metadata={"account_id": account_id})
