"""How old the data of a warehouse is, from the runs that it holds."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from connector.runs.identity import now
from connector.runs.policy import Verdict
from connector.runs.row import SyncRun
from connector.settings import Settings
from connector.tables import Row
from connector.warehouse.inventory import AccountInventory, Inventory
from connector.warehouse.locations import locate
from connector.warehouse.pipeline import open_pipeline


def runs_by_account(settings: Settings) -> dict[str, list[SyncRun]]:
    """The runs, newest first, of the account that the settings name, or else of each that the warehouse holds.

    A warehouse that does not exist yet has no account. Raises ConfigurationError and DestinationError.
    """
    location = locate(settings.destination, settings.dataset)
    with tempfile.TemporaryDirectory(prefix="tcss_status_") as directory:
        pipeline = open_pipeline(location, settings.account_id or "status", Path(directory))
        inventory = Inventory(location, pipeline)
        accounts = [settings.account_id] if settings.account_id else sorted(inventory.account_ids())
        return {account: sync_runs(AccountInventory(inventory, account).runs()) for account in accounts}


def ages(settings: Settings) -> dict[str, float | None]:
    """By account, `age` in the warehouse. Raises what `runs_by_account` raises."""
    return {account: age(runs) for account, runs in runs_by_account(settings).items()}


def age(runs: Iterable[SyncRun]) -> float | None:
    """Seconds since the start of an account's newest complete, unfiltered run; None if it has none."""
    complete = (run.started_at for run in runs if run.verdict == Verdict.COMPLETE and run.filters is None)
    newest = max(complete, default=None)
    return None if newest is None else (now() - newest) / 1e6


def sync_runs(rows: Iterable[Row]) -> list[SyncRun]:
    """Rows of `sync_runs` as values."""
    return [SyncRun(**row) for row in rows]
