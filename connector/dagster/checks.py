"""Asset checks, which ask the warehouse: is the last sync complete, are keys unique, is the data fresh?"""

import warnings
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

import dagster as dg

from connector.dagster.errors import RETRIES, retried
from connector.dagster.resource import TcssResource
from connector.dagster.shown import facts, plain
from connector.dagster.translator import DagsterTcssTranslator
from connector.runs.freshness import Freshness, newest_runs
from connector.tables import IMAGES, SYNC_RUNS, TABLES, Table
from connector.warehouse.inventory import AccountInventory, Inventory

Judge = Callable[[Inventory, str], dg.AssetCheckResult]

MAX_AGE = timedelta(hours=26)


def build_tcss_asset_checks(
    *,
    name: str = "tcss_checks",
    partitions_def: dg.PartitionsDefinition[str] | None = None,
    translator: DagsterTcssTranslator | None = None,
    max_age: timedelta = MAX_AGE,
    blocking: bool = False,
    retry_policy: dg.RetryPolicy = RETRIES,
) -> dg.AssetChecksDefinition:
    """Checks of what the warehouse holds of an account, which run after its sync, or by themselves.

    `complete` on `images`: the account's last sync has the verdict complete. `keys_unique` on every table: no two rows
    have one key. `fresh` on `sync_runs`: the last complete sync of all images started less than `max_age` ago; a sync
    that fails runs no checks, so schedule these on their own as well.

    Args:
        name: of the op.
        partitions_def: that of the assets, so that each account has results of its own.
        translator: that of the assets.
        max_age: how old a complete sync may be.
        blocking: whether a failed check stops what depends on the asset in the same run.
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
    unique = [(spec("keys_unique", t, f"No two rows have the same {', '.join(t.key)}."), t) for t in TABLES]
    judges: dict[dg.AssetCheckKey, Judge] = {
        complete.key: _complete,
        fresh.key: partial(_fresh, max_age=max_age),
        **{check.key: partial(_unique, table=table) for check, table in unique},
    }

    @dg.multi_asset_check(name=name, specs=[complete, fresh, *(check for check, _ in unique)], can_subset=True)
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
