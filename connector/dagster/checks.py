"""Makes asset checks that query the warehouse: is the last sync complete, are keys unique, is the data fresh?"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import dagster as dg

from connector.dagster.coverage import covers, ran
from connector.dagster.errors import RETRIES, retried
from connector.dagster.resource import TcssResource, account_of
from connector.dagster.shown import facts, plain
from connector.dagster.translator import DagsterTcssTranslator
from connector.runs.freshness import Freshness, newest_run
from connector.settings.table import details
from connector.tables import ASPECTS, DETAIL_RUNS, IMAGES, SYNC_RUNS, TABLES, Table, of_details
from connector.warehouse.inventory import AccountInventory, Inventory

Judge = Callable[[Inventory, str], dg.AssetCheckResult]
Judged = tuple[dg.AssetCheckSpec, Judge]

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
    """Make checks of an account's last runs, which run after its sync, or by themselves. They cost a few short queries.

    `complete` on `images`: the account's last sync has the verdict complete. `fresh` on `sync_runs`: the last complete
    sync of all images started less than `max_age` ago. A sync that fails runs no checks, so schedule the checks on
    their own as well.

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
    spec = _Specs(translator or DagsterTcssTranslator(), partitions_def, blocking=blocking).make
    complete = spec("complete", IMAGES, "The last sync saw every image that was listed while it ran.")
    fresh = spec("fresh", SYNC_RUNS, f"The last complete sync of all images started less than {max_age} ago.")
    judged: list[Judged] = [(complete, _complete), (fresh, partial(_fresh, max_age=max_age))]
    for aspect in (ASPECTS[each] for each in details(detail) if each in ASPECTS):
        covered = spec("covered", aspect.table, f"Every scanned image has its present set: {aspect.name}.")
        judged.append((covered, partial(covers, aspect=aspect)))
    if names := details(detail):
        ended = spec("complete", DETAIL_RUNS, "The last run of each detail has no failure.")
        judged.append((ended, partial(ran, detail=names)))
    return _checks(name, judged, retry_policy)


def build_tcss_key_checks(
    *,
    name: str = "tcss_key_checks",
    detail: Sequence[str] = (),
    partitions_def: dg.PartitionsDefinition[str] | None = None,
    translator: DagsterTcssTranslator | None = None,
    blocking: bool = False,
    retry_policy: dg.RetryPolicy = RETRIES,
) -> dg.AssetChecksDefinition:
    """Make the check `keys_unique` of every table: no two rows of the account have the same key.

    The check reads the keys of the whole history, so run it once a day, and leave it out of the schedule of the syncs.

    Args: as for `build_tcss_asset_checks`.

    Example:
        keys = build_tcss_key_checks(partitions_def=accounts)
        hourly = build_tcss_schedule(assets, cron_schedule="0 * * * *", partitions_def=accounts, without=[keys])
        daily = build_tcss_schedule(keys, cron_schedule="0 4 * * *", partitions_def=accounts)
    """
    spec = _Specs(translator or DagsterTcssTranslator(), partitions_def, blocking=blocking).make
    judged: list[Judged] = [
        (spec("keys_unique", t, f"No two rows have the same {', '.join(t.key)}."), partial(_unique, table=t))
        for t in (*TABLES, *of_details(details(detail)))
    ]
    return _checks(name, judged, retry_policy)


@dataclass(frozen=True)
class _Specs:
    """Makes specs of checks of the tables' assets."""

    translator: DagsterTcssTranslator
    partitions_def: dg.PartitionsDefinition[str] | None
    blocking: bool

    def make(self, check: str, table: Table, description: str) -> dg.AssetCheckSpec:
        key = self.translator.get_asset_spec(table).key
        with warnings.catch_warnings():  # Dagster calls the argument a preview; without it all accounts share a result
            warnings.simplefilter("ignore", dg.PreviewWarning)
            return dg.AssetCheckSpec(
                check,
                asset=key,
                description=description,
                blocking=self.blocking,
                partitions_def=self.partitions_def,
            )


def _checks(name: str, judged: Sequence[Judged], retry_policy: dg.RetryPolicy) -> dg.AssetChecksDefinition:
    """Make checks of one op, whose judges query over one connection."""
    judges = {spec.key: judge for spec, judge in judged}

    @dg.multi_asset_check(name=name, specs=[spec for spec, _ in judged], can_subset=True)
    def checks(context: dg.AssetCheckExecutionContext, tcss: TcssResource) -> Iterator[dg.AssetCheckResult]:
        with retried(context.retry_number, retry_policy):
            account = account_of(context, judged[0][0].partitions_def)
            with tcss.inventory(account) as (inventory, account_id):
                results = [
                    judges[key](inventory, account_id)._replace(asset_key=key.asset_key, check_name=key.name)
                    for key in context.selected_asset_check_keys
                ]
        yield from results

    return checks


def _complete(inventory: Inventory, account_id: str) -> dg.AssetCheckResult:
    run = newest_run(AccountInventory(inventory, account_id))
    if run is None:
        return _never(account_id)
    names = ("account_id", "sync_id", "verdict", "verdict_reason", "filters", "first_request_id", "last_request_id")
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
