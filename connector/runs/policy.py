"""How a run of one account is made: what its user asks for, what earlier runs say, and the mode that follows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from connector.listing.query import Filters
from connector.listing.reasons import Cause, Reason
from connector.tables import Row

HOUR = 3_600_000_000  # in microseconds, as every duration here


class Mode(StrEnum):
    """Which sweep a run makes; `auto` leaves it to the run."""

    AUTO = "auto"
    INCREMENTAL = "incremental"
    FULL = "full"


class Verdict(StrEnum):
    """What a run says of itself."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    FAILED = "failed"


class RunReason(Reason):
    """Why a run has its mode or its verdict, beside what the list shows (`listing.reasons`)."""

    # The mode.
    FILTERED = "a filtered list is read whole"
    ASKED_FOR = "asked for"
    NO_WATERMARK = "no watermark yet"
    NO_FULL_SWEEP = "no complete full sweep yet"
    FULL_TOO_OLD = "the last complete full sweep is too old"
    INCREMENTAL_MISSED = "incremental runs had missed {missed} images"
    SINCE_WATERMARK = "since the watermark"
    NOT_ENOUGH = "incremental was not enough: {cause}"

    # An incremental sweep that does not know all images.
    UNKNOWN_IMAGES = "TotalCount is {total}, {unknown} more than the images that are known"
    FEWER_IMAGES = "TotalCount is {fewer} less than the images known: left to a full sweep"
    STATUS_INCOMPLETE = "the ScanStatus filter does not give all images that are not scanned"

    # Images that seem gone.
    EMPTY_LIST = "the list is empty, and the warehouse has {live} images"
    TOO_MANY_GONE = "{gone} of {live} images are not listed any more, more than max_delete_share allows"
    LISTED_AFTER_ALL = "{images} images that the sweep did not show are listed after all"
    NONE_CALLED_GONE = "{cause}, so that none of {images} images is called gone"

    # The run ended by an error.
    ERROR = "{error}"


@dataclass(frozen=True)
class Policy:
    """How a run chooses and judges. Durations and instants are microseconds."""

    mode: Mode = Mode.AUTO
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
        return cls([run for run in runs if run["verdict"] == Verdict.COMPLETE and run["filters"] is None])

    @property
    def watermark(self) -> int | None:
        return self.complete[0]["watermark_after"] if self.complete else None

    @property
    def last_full(self) -> Row | None:
        return next((run for run in self.complete if run["mode"] == Mode.FULL), None)

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
        if full is None or self.complete[0]["mode"] != Mode.INCREMENTAL or self.watermark is None:
            return None
        return full["watermark_after"] or 0, self.watermark - lookback


def choose(policy: Policy, history: History, now: int) -> tuple[Mode, Cause]:
    """The mode of a run, and why."""
    if reason := _whole_anyway(policy, history):
        return Mode.FULL, reason.given()
    if policy.mode == Mode.INCREMENTAL:
        return Mode.INCREMENTAL, RunReason.ASKED_FOR.given()
    full = history.last_full
    if full is None:
        return Mode.FULL, RunReason.NO_FULL_SWEEP.given()
    if now - full["started_at"] >= policy.full_every:
        return Mode.FULL, RunReason.FULL_TOO_OLD.given()
    if missed := full["missed_by_incremental"]:
        return Mode.FULL, RunReason.INCREMENTAL_MISSED.given(missed=missed)
    return Mode.INCREMENTAL, RunReason.SINCE_WATERMARK.given()


def _whole_anyway(policy: Policy, history: History) -> RunReason | None:
    """Why nothing but a full sweep is possible, or wanted."""
    if policy.filters:
        return RunReason.FILTERED
    if policy.mode == Mode.FULL:
        return RunReason.ASKED_FOR
    if history.watermark is None and policy.initial_scan_time is None:
        return RunReason.NO_WATERMARK
    return None
