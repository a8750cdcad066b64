"""How old the data of a warehouse is, from the runs that it holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from connector.runs.identity import now, rfc3339
from connector.runs.policy import AHEAD, is_whole
from connector.runs.row import SyncRun
from connector.settings import Settings
from connector.tables import Row
from connector.warehouse.inventory import AccountInventory, Inventory
from connector.warehouse.locations import locate
from connector.warehouse.pipeline import open_pipeline
from connector.warehouse.workdirs import workdir


def runs_by_account(settings: Settings) -> dict[str, list[SyncRun]]:
    """The runs, newest first, of the account that the settings name, or else of each that the warehouse holds.

    A warehouse that does not exist yet has no account. Raises ConfigurationError and DestinationError.
    """
    location = locate(settings.destination, settings.dataset)
    with workdir() as directory:
        pipeline = open_pipeline(location, settings.account_id or "status", directory)
        inventory = Inventory(location, pipeline)
        accounts = [settings.account_id] if settings.account_id else sorted(inventory.account_ids())
        return {account: sync_runs(AccountInventory(inventory, account).runs()) for account in accounts}


@dataclass(frozen=True)
class Freshness:
    """How old the data of an account is; `str` tells it to people.

    `seconds` have passed since the start of its newest complete, unfiltered run, None if it has none. A run that starts
    in the future does not count, because a clock was wrong; `ahead` is the start of the newest of those.
    """

    seconds: float | None
    ahead: int | None = None

    @classmethod
    def of(cls, runs: Iterable[SyncRun]) -> Freshness:
        present = now()
        starts = [run.started_at for run in runs if is_whole(run)]
        newest = max((start for start in starts if start <= present + AHEAD), default=None)
        seconds = None if newest is None else max(0.0, (present - newest) / 1e6)
        return cls(seconds, max((start for start in starts if start > present + AHEAD), default=None))

    def within(self, seconds: float) -> bool:
        """Whether the data is no older than that."""
        return self.seconds is not None and self.seconds <= seconds

    def __str__(self) -> str:
        ahead = f"a complete sync started at {rfc3339(self.ahead)}, which is in the future, and does not count"
        if self.seconds is None:
            return "no complete sync yet" if self.ahead is None else ahead
        told = f"the last complete sync started {self.seconds / 3600:.1f} h ago"
        return told if self.ahead is None else f"{told}; {ahead}"


def freshness_by_account(settings: Settings) -> dict[str, Freshness]:
    """How old the data of each account of the warehouse is. Raises what `runs_by_account` raises."""
    return {account: Freshness.of(runs) for account, runs in runs_by_account(settings).items()}


def sync_runs(rows: Iterable[Row]) -> list[SyncRun]:
    """Rows of `sync_runs` as values."""
    return [SyncRun(**row) for row in rows]
