"""One run of one account up to its rows: which sweep, what it shows against what is known, and the row of the run."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from itertools import islice
from typing import Protocol

import pyarrow as pa

from connector.errors import ConfigurationError, RequestRejectedError
from connector.images.records import ItemParser
from connector.listing.confirm import CONTROLS, look_up
from connector.listing.incremental import Filters, FullSweep, IncrementalSweep, Outcome, Reading
from connector.listing.page import Page
from connector.runs.diff import KINDS, Diff, Known
from connector.runs.policy import History, Policy, choose
from connector.runs.spool import Spool
from connector.tables import SYNC_RUNS, Row

LEFT_OUT = "the ScanStatus filter does not give all images that are not scanned"
UNSCANNED_STATUSES = {"NOT_SCAN", "SCANNING", "SCAN_ERR"}  # those of the filter's words, as answers spell them
IDS_AT_ONCE = 10_000  # whole rows of `images` that are read back at a time


class Memory(Protocol):
    """What the warehouse holds of one account (`inventory.Inventory`)."""

    def known(self) -> pa.Table: ...

    def rows(self, image_ids: Sequence[str]) -> pa.Table: ...

    def runs(self) -> list[Row]: ...

    def rejected_ids(self) -> set[str]: ...


class Observation:
    """One run of one account: `run` sweeps, and leaves the rows to write in `spool` and those of the run in `row()`.

    `progress` is called after each page with (images shown so far, TotalCount). The run's counters are right whenever
    it ends, by an error too. `clock` gives the present, in microseconds.
    """

    def __init__(
        self,
        reading: Reading,
        memory: Memory,
        spool: Spool,
        *,
        account_id: str,
        sync_id: str,
        started_at: int,
        policy: Policy,
        parser: ItemParser,
        progress: Callable[[int, int | None], None] = lambda *_: None,
        clock: Callable[[], int] | None = None,
    ) -> None:
        self._clock = clock
        self._reading, self._memory, self._policy = reading, memory, policy
        self.spool, self._progress = spool, progress
        self.account_id, self.sync_id, self.started_at = account_id, sync_id, started_at
        self._history = History.of(memory.runs())
        self._mode, self._mode_reason = choose(policy, self._history, started_at)
        self._outcomes: list[Outcome] = []
        self._diff = self._new_diff(parser)
        self._verdict, self._reason = "failed", ""
        self._pages = self._rows_listed = 0

    def run(self) -> None:
        """Sweeps and writes rows. Raises what the API or the warehouse raise."""
        outcome = self._incremental() if self._mode == "incremental" else None
        if outcome is None:
            outcome = self._full()
        self._verdict = "complete" if outcome.complete else "partial"
        self._reason = outcome.reason
        if self._mode == "full" and outcome.complete and not self._policy.filters:
            self._gone(self._diff.known.missing())
        self._diff.forget()  # the load wants the memory

    def fail(self, reason: str) -> None:
        """The run ended by an error."""
        self._verdict, self._reason = "failed", reason

    @property
    def pages(self) -> int:
        """Pages absorbed so far."""
        return self._pages

    # Sweeps.

    def _incremental(self) -> Outcome | None:
        """The outcome, or None where a full sweep has to follow."""
        watermark = self._policy.initial_scan_time if self._history.watermark is None else self._history.watermark
        since = (watermark or 0) - self._policy.lookback
        sweep = IncrementalSweep(self._reading, since=since, now=self.started_at, clock=self._clock)
        self._absorb(sweep.pages(), sweep.outcome)
        fallback = sweep.outcome.fallback or self._unknown_images(sweep.outcome) or self._left_out()
        if fallback is None:
            return sweep.outcome
        self._mode, self._mode_reason = "full", f"incremental was not enough: {fallback}"
        return None

    def _unknown_images(self, outcome: Outcome) -> str | None:
        """TotalCount against what is known now: more means images that this run did not see, fewer are deletions."""
        if self._history.watermark is None:
            return None  # only what is newer than `initial_scan_time` was asked for
        expected = self._diff.live_after() + self._history.surplus
        total = outcome.total_count
        if total is not None and total > expected:
            return f"TotalCount is {total}, {total - expected} more than the images that are known"
        if total is not None and total < expected:
            outcome.notes.append(f"TotalCount is {expected - total} less than the images known: left to a full sweep")
        return None

    def _left_out(self) -> str | None:
        """Whether the ScanStatus filter is to be trusted: images without a scan that it did not give must be gone."""
        candidates = self._diff.known.missing_unscanned()[: self._reading.limit - 1]
        if not candidates:
            return None
        found = look_up(self._reading, candidates, self._controls())
        self._diff.absorb(found.present, None)
        statuses = {item.get("ScanStatus") for item in found.present}
        return found.distrust or (LEFT_OUT if statuses & UNSCANNED_STATUSES else None)

    def _controls(self) -> list[str]:
        """Ids just shown, one of which a look-up has to give back."""
        return list(islice(self._diff.seen(), CONTROLS))

    def _full(self) -> Outcome:
        expected = 0 if self._policy.filters else self._diff.known.live() or self._reading.first_look()
        sweep = FullSweep(self._reading, self._policy.filters, expected=expected)
        try:
            self._absorb(sweep.pages(), sweep.outcome)
        except RequestRejectedError as error:
            if self._policy.filters and not self._pages and (error.code or "").startswith("InvalidParameter"):
                raise _refused(self._policy.filters, error) from None
            raise
        return sweep.outcome

    def _absorb(self, pages: Generator[Page, None, None], outcome: Outcome) -> None:
        self._outcomes.append(outcome)
        with closing(pages):  # so that no more requests are sent once something fails here
            for page in pages:
                self._diff.absorb(page.items, page.request_id)
                self._pages += 1
                self._rows_listed += len(page.items)
                self._progress(self._diff.listed, page.total)

    def _new_diff(self, parser: ItemParser) -> Diff:
        known = Known(self._memory.known())
        diff = Diff(
            known,
            self.spool,
            parse=parser.parse,
            account_id=self.account_id,
            sync_id=self.sync_id,
            observed_at=self.started_at,
            rejected_ids=self._memory.rejected_ids,
            audited=self._history.audited(self._policy.lookback),
        )
        for stored in self._stored(known.outdated):
            diff.rehash(stored)
        return diff

    def _stored(self, image_ids: Sequence[str]) -> Iterator[pa.Table]:
        for start in range(0, len(image_ids), IDS_AT_ONCE):
            yield self._memory.rows(image_ids[start : start + IDS_AT_ONCE])

    # Images that are gone.

    def _gone(self, candidates: Sequence[str]) -> None:
        if not candidates:
            return
        implausible = self._implausible(len(candidates))
        if implausible:
            self._doubt(implausible)
            return
        found = look_up(self._reading, candidates, self._controls())
        self._diff.absorb(found.present, None)
        if found.present:  # then the sweep has missed them, and no candidate is called gone
            self._doubt(f"{len(found.present)} images that the sweep did not show are listed after all")
        elif found.distrust:
            self._reason += f"; {found.distrust}, so that none of {len(candidates)} images is called gone"
        else:
            for stored in self._stored(found.gone):
                self._diff.close_gone(stored)

    def _implausible(self, candidates: int) -> str | None:
        """Why so many images cannot have gone, before any is looked up."""
        live = self._diff.known.live()
        if not self._diff.listed:
            return f"the list is empty, and the warehouse has {live} images"
        if candidates > self._policy.max_delete_share * live:
            return f"{candidates} of {live} images are not listed any more, more than max_delete_share allows"
        return None

    def _doubt(self, reason: str) -> None:
        self._verdict, self._reason = "partial", reason

    # The row of the run.

    def row(self, finished_at: int, facts: Row) -> Row:
        """The run's row in `sync_runs`; `facts` are the columns that only the caller knows."""
        diff, full, filters = self._diff, self._mode == "full", self._policy.filters
        moves = self._verdict == "complete" and not filters
        before = self._history.watermark
        newest = max((value for value in (before, diff.newest_scan) if value is not None), default=None)
        last = self._outcomes[-1] if self._outcomes else Outcome()
        notes = [note for outcome in self._outcomes for note in outcome.notes]
        row: Row = {
            "sync_id": self.sync_id,
            "account_id": self.account_id,
            "mode": self._mode,
            "mode_reason": self._mode_reason,
            "verdict": self._verdict,
            "verdict_reason": "; ".join([self._reason, *dict.fromkeys(notes)]) or None,
            "started_at": self.started_at,
            "finished_at": finished_at,
            "total_count": last.total_count,
            "rows_listed": self._rows_listed,
            "images_listed": diff.listed,
            **{f"images_{kind}": diff.kinds[kind] for kind in KINDS},
            "values_rejected": len(diff.rejected),
            "unknown_fields": json.dumps(sorted(diff.unknown_fields)) if diff.unknown_fields else None,
            "pages": self._pages,
            "seam_repairs": sum(outcome.seam_repairs for outcome in self._outcomes),
            "passes": sum(outcome.passes for outcome in self._outcomes),
            "order_proven": last.order_proven,
            "missed_by_incremental": diff.missed if full else None,
            "watermark_before": before,
            "watermark_after": newest if moves else before,
            "filters": json.dumps({name: list(values) for name, values in filters}) if filters else None,
            **facts,
        }
        return {name: row.get(name) for name in SYNC_RUNS.column_names}


def _refused(filters: Filters, error: RequestRejectedError) -> ConfigurationError:
    """The filters are all that a user gave of the request."""
    given = ", ".join(f"{name}={value}" for name, values in filters for value in values)
    return ConfigurationError(
        f"the API does not accept the filter {given}: {error.message}",
        code=error.code,
        action=error.action,
        request_id=error.request_id,
        hint="Correct its name or value, or leave it out.",
    )
