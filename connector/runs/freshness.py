"""Computes how old an account's data is, from its rows of `sync_runs`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from connector.runs.identity import now, rfc3339
from connector.runs.policy import AHEAD, is_whole
from connector.runs.row import SyncRun
from connector.warehouse.inventory import RUNS, AccountInventory


def newest_run(held: AccountInventory) -> SyncRun | None:
    """Return the newest row of `sync_runs` as a value. A run that starts in the future does not count, as in
    `Freshness`: it would stand for all later runs."""
    latest = now() + AHEAD
    for limit in (1, RUNS):
        if row := next((row for row in held.runs(limit=limit) if row["started_at"] <= latest), None):
            return SyncRun(**row)
    return None


@dataclass(frozen=True)
class Freshness:
    """How old the data of an account is; `str` says so in words.

    `seconds` have passed since `started_at`, the start of the newest complete, unfiltered run; None if there is no such
    run. A run that starts in the future does not count, because a clock was wrong; `ahead` is the start of the newest
    such run.
    """

    seconds: float | None
    ahead: int | None = None
    started_at: int | None = None

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
        return cls(None if started_at is None else max(0.0, (present - started_at) / 1e6), ahead, started_at)

    def within(self, seconds: float) -> bool:
        """Whether the data is no older than `seconds`."""
        return self.seconds is not None and self.seconds <= seconds

    def __str__(self) -> str:
        ahead = f"a complete sync started at {rfc3339(self.ahead)}, which is in the future, and does not count"
        if self.seconds is None:
            return "no complete sync yet" if self.ahead is None else ahead
        told = f"the last complete sync started {self.seconds / 3600:.1f} h ago"
        return told if self.ahead is None else f"{told}; {ahead}"
