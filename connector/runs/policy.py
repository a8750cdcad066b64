"""How a run of one account is made: what its user asks for, what earlier runs say, and the mode that follows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from connector.listing.incremental import Filters
from connector.tables import Row

Mode = Literal["auto", "incremental", "full"]
HOUR = 3_600_000_000  # in microseconds, as every duration here


@dataclass(frozen=True)
class Policy:
    """How a run chooses and judges. Durations and instants are microseconds."""

    mode: Mode = "auto"
    filters: Filters = ()
    lookback: int = HOUR
    full_every: int = 24 * HOUR
    initial_scan_time: int | None = None
    max_delete_share: float = 0.2


@dataclass(frozen=True)
class History:
    """What earlier runs of the account say: rows of `sync_runs`, newest first."""

    complete: Sequence[Row]

    @classmethod
    def of(cls, runs: Iterable[Row]) -> History:
        return cls([run for run in runs if run["verdict"] == "complete" and run["filters"] is None])

    @property
    def watermark(self) -> int | None:
        return self.complete[0]["watermark_after"] if self.complete else None

    @property
    def last_full(self) -> Row | None:
        return next((run for run in self.complete if run["mode"] == "full"), None)

    @property
    def surplus(self) -> int:
        """By how much TotalCount exceeded the images listed, in the last complete full sweep."""
        full = self.last_full
        return full["total_count"] - full["images_listed"] if full and full["total_count"] is not None else 0

    def audited(self, lookback: int) -> tuple[int, int] | None:
        """The ScanTimes that incremental runs since the last full sweep say they have seen: after, up to.

        Without the last `lookback`, which the next incremental run would read again: a scan may be listed late.
        """
        full = self.last_full
        if full is None or self.complete[0]["mode"] != "incremental" or self.watermark is None:
            return None
        return full["watermark_after"] or 0, self.watermark - lookback


def choose(policy: Policy, history: History, now: int) -> tuple[str, str]:
    """The mode of a run, and why."""
    full = history.last_full
    if policy.filters:
        return "full", "a filtered list is read whole"
    if policy.mode == "full":
        return "full", "asked for"
    if history.watermark is None and policy.initial_scan_time is None:
        return "full", "no watermark yet"
    if policy.mode == "incremental":
        return "incremental", "asked for"
    if full is None:
        return "full", "no complete full sweep yet"
    if now - full["started_at"] >= policy.full_every:
        return "full", "the last complete full sweep is too old"
    if full["missed_by_incremental"]:
        return "full", f"incremental runs had missed {full['missed_by_incremental']} images"
    return "incremental", "since the watermark"
