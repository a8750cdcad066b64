"""Computes how old the data of a warehouse is, from its rows of `sync_runs`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from connector.runs.identity import now, rfc3339
from connector.runs.policy import AHEAD, is_whole
from connector.runs.row import SyncRun
from connector.settings import Settings
from connector.tables import IMAGES, plain_rows
from connector.warehouse.inventory import RUNS, AccountInventory, Inventory
from connector.warehouse.locations import locate
from connector.warehouse.pipeline import open_pipeline
from connector.warehouse.workdirs import workdir


class Stored(NamedTuple):
    """The runs of a warehouse: the newest rows of all accounts, newest first, and how old each account's data is."""

    newest: list[SyncRun]
    freshness: dict[str, Freshness]


def stored(settings: Settings, newest: int = 0) -> Stored:
    """Return what is stored of the account that the settings name, or else of each account in the warehouse.

    `newest` is the number of rows. A warehouse that does not exist yet has no account. All is asked over one
    connection. Raises ConfigurationError and DestinationError.
    """
    location = locate(settings.destination, settings.dataset)
    with workdir() as directory:
        inventory = Inventory(location, open_pipeline(location, settings.account_id or "status", directory))
        with inventory.session():
            inventory.verify()
            starts = list(plain_rows(inventory.starts(settings.account_id)))
            others = {settings.account_id} if settings.account_id else inventory.accounts_in(IMAGES)
            ages = dict.fromkeys(sorted(others.union(row["account_id"] for row in starts)), Freshness(None))
            ages |= {row["account_id"]: _freshness(inventory, row["account_id"], row["last_whole"]) for row in starts}
            last = {row["account_id"]: row["last_run"] for row in starts if row["last_run"] is not None}
            return Stored(_newest(inventory, last, newest), ages)


def _freshness(inventory: Inventory, account_id: str, started_at: int | None) -> Freshness:
    """Compute the age from the newest complete run; if that run is in the future, from the runs before it too."""
    present = now()
    if started_at is None or started_at <= present + AHEAD:
        return Freshness.since(started_at, present)
    return Freshness.of(plain_rows(inventory.runs(account_id, ("started_at", "verdict", "filters"), RUNS)))


def _newest(inventory: Inventory, started: Mapping[str, int], limit: int) -> list[SyncRun]:
    """Return the newest rows of all accounts, which are rows of the accounts that have run last."""
    lately = sorted(started, key=lambda account: started[account], reverse=True)[:limit]
    runs = [SyncRun(**row) for account in lately for row in plain_rows(inventory.runs(account, limit=limit))]
    return sorted(runs, key=lambda run: run.started_at, reverse=True)[:limit]


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
        return cls.since(newest, present, max((start for start in starts if start > present + AHEAD), default=None))

    @classmethod
    def since(cls, started_at: int | None, present: int, ahead: int | None = None) -> Freshness:
        """Compute the age at the instant `present` from the start of the newest run that counts."""
        return cls(None if started_at is None else max(0.0, (present - started_at) / 1e6), ahead)

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
    """Return how old the data of each account in the warehouse is. Raises what `stored` raises."""
    return stored(settings).freshness
