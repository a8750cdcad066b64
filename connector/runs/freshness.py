"""Computes how old the data of a warehouse is, from its rows of `sync_runs`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from connector.runs.identity import now, rfc3339
from connector.runs.policy import AHEAD, is_whole
from connector.runs.row import SyncRun
from connector.settings import Settings
from connector.warehouse.inventory import AccountInventory, Inventory
from connector.warehouse.locations import locate
from connector.warehouse.pipeline import open_pipeline
from connector.warehouse.workdirs import workdir


class Stored(NamedTuple):
    """An account's runs in the warehouse: the newest rows, newest first, and how old the data is."""

    newest: list[SyncRun]
    freshness: Freshness


def stored_by_account(settings: Settings, newest: int = 0) -> dict[str, Stored]:
    """Return what is stored of the account that the settings name, or else of each account in the warehouse.

    `newest` is the number of rows per account. A warehouse that does not exist yet has no account. Raises
    ConfigurationError and DestinationError.
    """
    location = locate(settings.destination, settings.dataset)
    with workdir() as directory:
        pipeline = open_pipeline(location, settings.account_id or "status", directory)
        inventory = Inventory(location, pipeline)
        accounts = [settings.account_id] if settings.account_id else sorted(inventory.account_ids())
        return {account: _stored(AccountInventory(inventory, account), newest) for account in accounts}


def _stored(held: AccountInventory, newest: int) -> Stored:
    return Stored(newest_runs(held, newest) if newest else [], Freshness.of_account(held))


def newest_runs(held: AccountInventory, limit: int) -> list[SyncRun]:
    """The newest rows of `sync_runs` as values."""
    return [SyncRun(**row) for row in held.runs(limit=limit)]


@dataclass(frozen=True)
class Freshness:
    """How old the data of an account is; `str` says so in words.

    `seconds` have passed since the start of the newest complete, unfiltered run; None if there is no such run. A run
    that starts in the future does not count, because a clock was wrong; `ahead` is the start of the newest such run.
    """

    seconds: float | None
    ahead: int | None = None

    @classmethod
    def of_account(cls, held: AccountInventory) -> Freshness:
        """Compute the age of an account's data from its runs in the warehouse."""
        return cls.of(held.runs(("started_at", "verdict", "filters")))

    @classmethod
    def of(cls, runs: Iterable[Mapping[str, Any]]) -> Freshness:
        """Compute the age from `runs`, rows of `sync_runs`."""
        present = now()
        starts = [run["started_at"] for run in runs if is_whole(run)]
        newest = max((start for start in starts if start <= present + AHEAD), default=None)
        seconds = None if newest is None else max(0.0, (present - newest) / 1e6)
        return cls(seconds, max((start for start in starts if start > present + AHEAD), default=None))

    def within(self, seconds: float) -> bool:
        """Whether the data is no older than `seconds`."""
        return self.seconds is not None and self.seconds <= seconds

    def __str__(self) -> str:
        ahead = f"a complete sync started at {rfc3339(self.ahead)}, which is in the future, and does not count"
        if self.seconds is None:
            return "no complete sync yet" if self.ahead is None else ahead
        told = f"the last complete sync started {self.seconds / 3600:.1f} h ago"
        return told if self.ahead is None else f"{told}; {ahead}"


def freshness_by_account(settings: Settings) -> dict[str, Freshness]:
    """Return how old the data of each account in the warehouse is. Raises what `stored_by_account` raises."""
    return {account: stored.freshness for account, stored in stored_by_account(settings).items()}
