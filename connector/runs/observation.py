"""Makes one run of one account up to its rows: chooses the sweep, and compares its images with the warehouse."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import closing
from itertools import islice
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

from connector import texts
from connector.errors import ConfigurationError, RequestRejectedError
from connector.listing.confirm import look_up
from connector.listing.full import FullSweep
from connector.listing.incremental import IncrementalSweep
from connector.listing.page import Page, text_of
from connector.listing.proof import Outcome
from connector.listing.query import Filters
from connector.listing.reasons import Cause
from connector.listing.remote import RemoteList
from connector.runs.audit import Audit, Span, warn_of_misses
from connector.runs.diff import Diff
from connector.runs.gone import Strikes
from connector.runs.identity import Identity
from connector.runs.judgement import Judgement
from connector.runs.known import UNSCANNED_STATUSES, Known, known_of, newest
from connector.runs.packages import lost_runs, missing_versions, written_by
from connector.runs.policy import History, Mode, Policy, RunReason, choose
from connector.runs.recall import Past, recall
from connector.runs.spool import Spool
from connector.runs.twins import Parse
from connector.tables import Row

log = texts.logger(__name__)

IDS_AT_ONCE = 1_000  # whole rows of `images` per query


class Held(Past, Protocol):
    """What the warehouse holds of one account (`warehouse.inventory`)."""

    def known(self) -> pa.Table: ...

    def rows(self, image_ids: Sequence[str]) -> pa.Table: ...

    def runs(self, names: Sequence[str]) -> list[Row]: ...

    def rejected_ids(self, reject_ids: Sequence[str]) -> set[str]: ...

    def loaded(self, packages: Sequence[str]) -> Collection[str]: ...


class Progress(NamedTuple):
    """How far a sweep has come: images shown so far, and the list's newest TotalCount."""

    shown: int
    total: int | None


class Observation:
    """Observes one run of one account. `observe` sweeps, and leaves the rows to write in `spool`.

    The result so far (`judgement`, counters) is right whenever the run ends, also by an error.
    `first_request_id` belongs to the first page of the last sweep, so that a later run recognises a replayed answer.
    """

    def __init__(
        self, identity: Identity, policy: Policy, held: Held, remote: RemoteList, parse: Parse, spool: Spool
    ) -> None:
        self.identity, self.policy, self.spool = identity, policy, spool
        self._held, self._remote = held, remote
        runs, stored = held.runs(History.COLUMNS), held.known()
        lost = lost_runs(runs, _texts(stored["sync_id"]), held.loaded, identity.started_at)
        self.history = History.of(runs, identity.started_at, lost)
        self.mode, self.mode_cause = choose(policy, self.history, identity.started_at)
        known, self._doubled = known_of(stored)
        self.diff = self._compared_with(known, parse)
        written = written_by(newest(stored) if self._doubled else stored, lost)
        self._written_by_lost = [*_texts(written["image_id"])]
        if lost:
            self._restore(written)
        self.pages = self.rows_listed = 0
        self.first_request_id: str | None = None
        self.judgement = Judgement()

    def observe(self) -> Generator[Progress, None, None]:
        """Sweep and write rows, page by page. Raises the errors of the API and the warehouse."""
        self.history.warn(self.identity.account_id)
        outcome: Outcome | None = None
        if self.mode == Mode.INCREMENTAL:
            outcome = yield from self._incremental()
        elif self.mode_cause.reason is RunReason.INCREMENTAL_MISSED:
            yield from self._tried()
        if outcome is None:
            outcome = yield from self._full()
        self.judgement.is_over = True
        if outcome.complete and not self.policy.filters:
            self._close_gone()
        self._set_missing(self.diff.known.found_again(), None)
        for stored in self._stored(self._written_by_lost):
            self.diff.keep(stored)
        self._undouble()
        self.settle()
        if self.mode == Mode.FULL:
            warn_of_misses(self.identity.account_id, self.diff.audit.missed)
        self.diff.forget()  # the load needs the memory

    def settle(self) -> None:
        """Complete the rows by what only the warehouse knows. `observe` does this last; so does its caller, after
        ending a sweep early."""
        recall(self.diff, self._held, self.identity.account_id)
        self.diff.settle()

    @property
    def mode_reason(self) -> str:
        """Why the run has its mode, and which earlier runs were ignored."""
        return "; ".join(str(cause) for cause in (self.mode_cause, self.history.doubt) if cause)

    # Sweeps.

    def _incremental(self) -> Generator[Progress, None, Outcome | None]:
        """Make an incremental sweep; return its outcome, None where a full sweep has to follow."""
        sweep = self._since_watermark()
        yield from self._absorb(sweep.pages(), sweep.outcome)
        fallback = sweep.outcome.fallback or self._unknown_images(sweep.outcome) or self._filtered_out()
        if fallback is None:
            return sweep.outcome
        self.mode, self.mode_cause = Mode.FULL, RunReason.NOT_ENOUGH.given(cause=fallback)
        return None

    def _tried(self) -> Generator[Progress, None, None]:
        """Make an incremental sweep for the full sweep to judge, because earlier incremental sweeps missed images."""
        sweep, audit = self._since_watermark(), self.diff.audit
        audit.watch(Span(self._since - 1, self.identity.started_at))
        yield from self._absorb(sweep.pages(), sweep.outcome)
        audit.compare(trusted=sweep.outcome.complete)
        if sweep.outcome.fallback is not None:
            sweep.outcome.notes.append(RunReason.NOT_COMPARED.given(cause=sweep.outcome.fallback))

    def _since_watermark(self) -> IncrementalSweep:
        watermark, started_at = self.history.watermark, self.identity.started_at
        return IncrementalSweep(self._remote, since=self._since, now=started_at, watermark=watermark)

    @property
    def _since(self) -> int:
        """Return the ScanTime from which on an incremental sweep of this run shows every scan."""
        watermark = self.policy.initial_scan_time if self.history.watermark is None else self.history.watermark
        return (watermark or 0) - self.policy.lookback

    def _unknown_images(self, outcome: Outcome) -> Cause | None:
        """Compare TotalCount with the images known now: more are images that this run did not see, fewer are deletions.

        Missing images are not expected in the list. So a full sweep follows where they are listed again.
        """
        if self.history.watermark is None:
            return None  # the run only asked for scans from `initial_scan_time` on
        expected = self.diff.live_after() - len(self.diff.known.marked()) + self.history.surplus
        total = outcome.total_count
        if total is not None and total > expected:
            return RunReason.UNKNOWN_IMAGES.given(total=total, unknown=total - expected)
        if total is not None and total < expected:
            outcome.notes.append(RunReason.FEWER_IMAGES.given(fewer=expected - total))
        return None

    def _filtered_out(self) -> Cause | None:
        """Check the ScanStatus filter: images without a scan that the filter did not give must be gone, or scanned.

        A scan that takes longer than `lookback` may be listed with the time of its start. Such an image is neither
        among the newest scans nor among the images without a scan, and is loaded here.
        """
        candidates = self.diff.known.missing_unscanned()
        if not candidates:
            return None
        found = look_up(self._remote, candidates, self._controls())
        self.diff.absorb(found.present, None)
        statuses = {text_of(item, "ScanStatus") for item in found.present}
        return found.distrust or (RunReason.STATUS_INCOMPLETE.given() if statuses & UNSCANNED_STATUSES else None)

    def _full(self) -> Generator[Progress, None, Outcome]:
        filters = self.policy.filters
        expected = 0 if filters else self.diff.known.live() or self._remote.first_look()
        known: Callable[[], list[str]] = list if filters else self.diff.known.live_ids
        parts_first = self.history.needed_parts and not filters
        sweep = FullSweep(self._remote, filters, expected=expected, known=known, parts_first=parts_first)
        try:
            yield from self._absorb(sweep.pages(), sweep.outcome)
        except RequestRejectedError as error:
            if filters and not self.pages and (error.code or "").startswith("InvalidParameter"):
                raise _refused(filters, error) from None
            raise
        return sweep.outcome

    def _absorb(self, pages: Generator[Page, None, None], outcome: Outcome) -> Iterator[Progress]:
        self.judgement.outcomes.append(outcome)
        self.first_request_id = None
        before: Sequence[Any] = ()
        with closing(pages):  # send no more requests after an error here
            for page in pages:
                self.diff.absorb(page.items, page.request_id, before)
                before = page.items
                self.pages += 1
                self.first_request_id = self.first_request_id or page.request_id
                self.rows_listed += len(page.items)
                yield Progress(self.diff.listed, page.total)

    # What the warehouse holds.

    def _compared_with(self, known: Known, parse: Parse) -> Diff:
        audit, owes, odd = Audit(self.history.audited(self.policy)), self.history.owes_rows, self._held.rejected_ids
        diff = Diff(self.identity, known, self.spool, parse, rejected_ids=odd, audit=audit, every_scan=owes)
        for stored in self._stored(known.outdated):
            diff.rehash(stored)
        return diff

    def _restore(self, written: pa.Table) -> None:
        """Write what lost runs may have left out of the images that they have `written`."""
        versions = missing_versions(written, self._held.history)
        for stored in self._stored(self._written_by_lost):
            self.diff.restore(stored, versions)

    def _stored(self, image_ids: Sequence[str]) -> Iterator[pa.Table]:
        for start in range(0, len(image_ids), IDS_AT_ONCE):
            stored = self._held.rows(image_ids[start : start + IDS_AT_ONCE])
            yield newest(stored) if self._doubled else stored

    def _undouble(self) -> None:
        """Write one row of each image that has several: a merge replaces them all."""
        if not self._doubled:
            return
        log.warning(
            "account %s: the table images had several rows of %d images, and keeps the newest of each. Somebody has "
            "inserted rows, such as those of a backup",
            *(self.identity.account_id, len(self._doubled)),
        )
        for stored in self._stored(self._doubled):
            self.diff.keep(stored)

    def _controls(self) -> list[str]:
        """Return ids that were just shown; each look-up has to give two of them back."""
        return list(islice(self.diff.seen(), self._remote.limit))

    # Images that are gone.

    def _close_gone(self) -> None:
        """Look up images that seem gone. If one is listed after all, it is loaded, and no image is called gone."""
        strikes = Strikes(self.diff.known, self.policy, self.identity.started_at, full=self.mode == Mode.FULL)
        candidates = strikes.candidates()
        if not candidates:
            return
        self.judgement.doubt = strikes.implausible(len(candidates), self.diff.listed)
        if self.judgement.doubt is not None:
            return
        found = look_up(self._remote, candidates, self._controls())
        self.diff.absorb(found.present, None)
        cause = RunReason.LISTED_AFTER_ALL.given(images=len(found.present)) if found.present else found.distrust
        others = sum(not self.diff.known.seen[self.diff.known.slots[image_id]] for image_id in candidates)
        if cause is None:
            self._strike(strikes, found.gone)
        elif found.present and strikes.full:  # a full sweep has missed listed images
            self.judgement.doubt = cause
        elif others:
            self.judgement.remarks.append(RunReason.NONE_CALLED_GONE.given(cause=cause, images=others))

    def _strike(self, strikes: Strikes, image_ids: Sequence[str]) -> None:
        """Call overdue images gone and mark the others, after a look-up has not found them."""
        overdue = set(strikes.overdue())
        for stored in self._stored([image_id for image_id in image_ids if image_id in overdue]):
            self.diff.close_gone(stored)
        clock = self._remote.clock
        since = clock() if clock is not None else self.identity.started_at
        self._set_missing(strikes.unmarked(image_id for image_id in image_ids if image_id not in overdue), since)

    def _set_missing(self, image_ids: Sequence[str], since: int | None) -> None:
        for stored in self._stored(image_ids):
            self.diff.set_missing(stored, since)


def _texts(column: pa.ChunkedArray[Any]) -> set[str]:
    return {str(value) for value in column.unique().to_pylist()}


def _refused(filters: Filters, error: RequestRejectedError) -> ConfigurationError:
    """Make the error for rejected filters, the only part of the request that a user gave."""
    given = ", ".join(f"{name}={value}" for name, values in filters for value in values)
    return ConfigurationError(
        f"the API does not accept the filter {given}: {error.message}",
        code=error.code,
        action=error.action,
        request_id=error.request_id,
        hint="Correct its name or value, or leave it out.",
    )
