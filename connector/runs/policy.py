"""Chooses the mode of a run from what its user asks for and from what earlier runs say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import takewhile
from typing import Any, ClassVar

from connector import texts
from connector.listing.proof import Proof
from connector.listing.query import Filters
from connector.listing.reasons import Cause, Reason
from connector.runs.audit import Span
from connector.runs.identity import rfc3339
from connector.tables import Row

log = texts.logger(__name__)

HOUR = 3_600_000_000  # in microseconds, as every duration here
AHEAD = HOUR // 12  # tolerance for runs that seem to start in the future, because clocks differ


class Mode(StrEnum):
    """Which sweep a run makes; with `auto` the run chooses."""

    AUTO = "auto"
    INCREMENTAL = "incremental"
    FULL = "full"


class Verdict(StrEnum):
    """What a run says of its own result."""

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
    NOT_LOADED = "the load package of an earlier run was not loaded whole"
    OTHER_ZONE = "naive_time_zone was {zone} in the last complete run"
    INCREMENTAL_MISSED = "incremental runs had missed {missed} images: both sweeps are made and compared"
    ASKED_FOR_STILL = "asked for, although incremental runs had missed {missed} images"
    SINCE_WATERMARK = "since the watermark"
    NOT_ENOUGH = "incremental was not enough: {cause}"
    AHEAD = "earlier runs that start in the future do not count ({runs}, the newest at {started_at})"

    # An incremental sweep that does not know all images.
    UNKNOWN_IMAGES = "TotalCount is {total}, {unknown} more than the images that are known"
    FEWER_IMAGES = "TotalCount is {fewer} less than the images known: left to a full sweep"
    STATUS_INCOMPLETE = "the ScanStatus filter does not give all images that are not scanned"

    # The comparison of an incremental with a full sweep.
    NOT_COMPARED = "no incremental sweep to compare with: {cause}"

    # Images that seem gone.
    EMPTY_LIST = "the list is empty, and the warehouse has {live} images"
    TOO_MANY_GONE = "{gone} of {live} images are not listed any more, more than max_delete_share allows"
    LISTED_AFTER_ALL = "{images} images that the sweep did not show are listed after all"
    NONE_CALLED_GONE = "{cause}, so that none of {images} images is called gone"

    # A pipeline of the user's own does not take all of the run.
    LEFT_OUT = "the pipeline leaves out {tables}"
    LIMITED = "the pipeline limits the rows (add_limit)"

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
    naive_time_zone: str = "+08:00"
    confirm_gone_after: int = HOUR // 6


@dataclass(frozen=True)
class History:
    """Holds what earlier runs of the account say: rows of `sync_runs`, newest first.

    `complete` are the complete runs without filters. Runs that are `ahead` have started in the future, by the clock of
    this run. Such runs count for nothing, because one of the two clocks was wrong. `lost` are ids of runs whose rows
    are not all there (`runs.packages`); then no run counts as complete. A column that an older release did not have is
    null. `COLUMNS` are the columns in use.
    """

    COLUMNS: ClassVar[tuple[str, ...]] = (
        *("sync_id", "started_at", "mode", "verdict", "filters", "watermark_after", "missed_by_incremental"),
        *("reason_code", "naive_time_zone", "listed_twice", "first_request_id", "last_request_id"),
    )
    runs: Sequence[Row]
    complete: Sequence[Row]
    ahead: Sequence[Row] = ()
    lost: frozenset[str] = frozenset()

    @classmethod
    def of(cls, runs: Iterable[Row], now: int, lost: frozenset[str] = frozenset()) -> History:
        runs = list(runs)
        ahead = [run for run in runs if run["started_at"] > now + AHEAD]
        believed = [run for run in runs if run["started_at"] <= now + AHEAD]
        return cls(believed, [run for run in believed if is_whole(run) and not lost], ahead, lost)

    @property
    def watermark(self) -> int | None:
        return self.complete[0]["watermark_after"] if self.complete else None

    @property
    def last_full(self) -> Row | None:
        return next((run for run in self.complete if run["mode"] == Mode.FULL), None)

    @property
    def needed_parts(self) -> bool:
        """Whether the last complete full sweep read the list in parts."""
        return self.last_full is not None and self.last_full["reason_code"] == Proof.PARTS.name.lower()

    @property
    def surplus(self) -> int:
        """By how much TotalCount may exceed the images: the repeated rows in the last complete full sweep."""
        full = self.last_full
        return (full["listed_twice"] or 0) if full else 0

    @property
    def zone(self) -> str | None:
        """The zone of naive times in the last complete run; None where the zone is not known."""
        return self.complete[0]["naive_time_zone"] if self.complete else None

    @property
    def missed(self) -> int:
        """The number of images that incremental runs had missed, by the newest audit with a result.

        A miss counts whatever the verdict of the run that found the miss, because that run has loaded the image. An
        audit without a miss counts only in a complete run. Releases without a reason_code wrote 0 where nothing was
        audited.
        """
        for run in self.runs:
            if run["missed_by_incremental"]:
                return int(run["missed_by_incremental"])
            if run["missed_by_incremental"] == 0 and is_whole(run) and run["reason_code"] is not None:
                break
        return 0

    @property
    def owes_rows(self) -> bool:
        """Whether a pipeline dropped rows of a run since the last complete run, so that scans are written again."""
        return bool(self.lost) or any(map(was_cut, takewhile(lambda run: not is_whole(run), self.runs)))

    @property
    def request_ids(self) -> set[str]:
        """RequestIds of answers that earlier runs received."""
        runs = (*self.runs, *self.ahead)
        return {run[name] for run in runs for name in ("first_request_id", "last_request_id") if run[name]}

    @property
    def doubt(self) -> Cause | None:
        """Why some runs do not count."""
        if not self.ahead:
            return None
        return RunReason.AHEAD.given(runs=len(self.ahead), started_at=rfc3339(self.ahead[0]["started_at"]))

    def warn(self, account_id: str) -> None:
        """Warn a person of runs that do not count."""
        if self.lost:
            log.warning("account %s: %s, so everything is read again", account_id, RunReason.NOT_LOADED.given())
        if self.doubt is not None:
            log.warning("account %s: %s; a clock was wrong, then or now", account_id, self.doubt)

    def audited(self, policy: Policy) -> Span | None:
        """Return the span of ScanTimes that incremental runs since the last full sweep should have shown.

        The span goes from the start of that sweep to the start of the newest incremental run, whatever these runs say
        of themselves. The last `lookback` is left out: a scan may be listed late, and the next incremental run would
        read that time again. None where the time zone has changed, because ScanTimes then do not compare.
        """
        full = self.last_full
        if (
            full is None
            or self.complete[0]["mode"] != Mode.INCREMENTAL
            or self.zone not in (None, policy.naive_time_zone)
        ):
            return None
        return Span(full["started_at"], self.complete[0]["started_at"] - policy.lookback)


def was_cut(run: Mapping[str, Any]) -> bool:
    """Whether a pipeline has dropped rows of a run."""
    return run["reason_code"] in (RunReason.LEFT_OUT.code, RunReason.LIMITED.code)


def is_whole(run: Mapping[str, Any]) -> bool:
    """Whether a run is complete and had no filters."""
    return run["verdict"] == Verdict.COMPLETE and run["filters"] is None


def choose(policy: Policy, history: History, now: int) -> tuple[Mode, Cause]:
    """Choose the mode of a run, and say why. With INCREMENTAL_MISSED, the run makes an incremental sweep first."""
    if cause := _whole_anyway(policy, history):
        return Mode.FULL, cause
    missed = history.missed
    if policy.mode == Mode.INCREMENTAL:
        still = RunReason.ASKED_FOR_STILL.given(missed=missed)
        return Mode.INCREMENTAL, still if missed else RunReason.ASKED_FOR.given()
    full = history.last_full
    if full is None:
        return Mode.FULL, RunReason.NO_FULL_SWEEP.given()
    if missed:
        return Mode.FULL, RunReason.INCREMENTAL_MISSED.given(missed=missed)
    if now - full["started_at"] >= policy.full_every:
        return Mode.FULL, RunReason.FULL_TOO_OLD.given()
    return Mode.INCREMENTAL, RunReason.SINCE_WATERMARK.given()


def _whole_anyway(policy: Policy, history: History) -> Cause | None:
    """Return why only a full sweep is possible or wanted, None if not."""
    if policy.filters:
        return RunReason.FILTERED.given()
    if policy.mode == Mode.FULL:
        return RunReason.ASKED_FOR.given()
    if history.lost:
        return RunReason.NOT_LOADED.given()
    if history.watermark is None and policy.initial_scan_time is None:
        return RunReason.NO_WATERMARK.given()
    if history.zone not in (None, policy.naive_time_zone):
        return RunReason.OTHER_ZONE.given(zone=history.zone)
    return None


def error_code(error: Exception) -> str:
    """Return the `reason_code` of a run that an error has ended: the error's class, `AccessError` as `access_error`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).lower()
