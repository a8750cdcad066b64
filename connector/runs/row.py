"""The row of a run in `sync_runs`, as a value: what `connector.sync()` returns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from connector.runs.identity import rfc3339
from connector.runs.policy import Mode, RunReason, Verdict
from connector.tables import SYNC_RUNS
from connector.texts import shortened, some_of, visible

if TYPE_CHECKING:
    from connector.runs.observation import Observation

FIRST = "first sync: everything is read"
IN_WORDS: Mapping[str, str] = {
    RunReason.NO_WATERMARK.value: "no earlier sync to go on from: everything is read",
    RunReason.NOT_LOADED.value: "a pipeline has loaded an earlier run in part: everything is read",
    RunReason.NO_FULL_SWEEP.value: "no complete full sync yet: everything is read",
    RunReason.FULL_TOO_OLD.value: "the last full sync is older than full_every: everything is read",
    RunReason.SINCE_WATERMARK.value: "what was scanned since the last sync, and what was never scanned",
}
"""The texts for people in place of a stored `mode_reason` that begins with one of our own words."""
_TIMES = tuple(column.name for column in SYNC_RUNS.columns if column.type == "timestamp")


class Detail(Protocol):
    """The result of one aspect of the details (`detail.rows.DetailRun`)."""

    aspect: str
    verdict: str

    def exit_code(self, *, strict: bool) -> int: ...

    def as_json(self) -> dict[str, Any]: ...

    def summary(self) -> str: ...


@dataclass(frozen=True, eq=False)
class SyncRun(Mapping[str, Any]):
    """A row of `sync_runs`: a field for each column, in order. Instants are microseconds since the epoch, UTC.
    `details` are the run's rows of `detail_runs`, one for each aspect that the run was asked for. `rows_written` says
    how many rows `sync` merged into each table, and `images_held` how many rows of `images` the account has then.

    For one more release, the class is also a mapping by column name, as the row was before.
    """

    sync_id: str
    account_id: str
    mode: str
    mode_reason: str | None
    verdict: str
    verdict_reason: str | None
    started_at: int
    finished_at: int | None
    total_count: int | None
    rows_listed: int | None
    images_listed: int | None
    images_new: int | None
    images_changed: int | None
    images_unchanged: int | None
    images_gone: int | None
    images_returned: int | None
    values_rejected: int | None
    unknown_fields: str | None
    pages: int | None
    requests: int | None
    throttled: int | None
    retries: int | None
    seam_repairs: int | None
    passes: int | None
    order_proven: bool | None
    missed_by_incremental: int | None
    watermark_before: int | None
    watermark_after: int | None
    first_request_id: str | None
    last_request_id: str | None
    endpoint: str | None
    filters: str | None
    connector_version: str | None
    reason_code: str | None
    naive_time_zone: str | None
    listed_twice: int | None
    account_name: str | None
    details: tuple[Detail, ...] = ()
    rows_written: Mapping[str, int] = field(default_factory=dict)
    images_held: int | None = None

    def __getitem__(self, name: str) -> Any:
        if name not in SYNC_RUNS.column_names:
            raise KeyError(name)
        return getattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return iter(SYNC_RUNS.column_names)

    def __len__(self) -> int:
        return len(SYNC_RUNS.columns)

    @property
    def complete(self) -> bool:
        return self.verdict == Verdict.COMPLETE

    def exit_code(self, *, strict: bool) -> int:
        """Return 0 for a complete run, and 5 for a partial run or, under `strict`, a run with rejected values; after
        that, the details decide."""
        if not self.complete or (strict and self.values_rejected):
            return 5
        return max((detail.exit_code(strict=strict) for detail in self.details), default=0)

    def shortfalls(self, *, strict: bool) -> Iterator[str]:
        """Yield why the exit code is not 0: the run's own verdict, and each detail."""
        if replace(self, details=()).exit_code(strict=strict):
            yield f"the verdict is {self.verdict}: {self.verdict_reason}"
        for detail in self.details:
            if detail.exit_code(strict=strict):
                yield detail.summary().strip()

    def to_json(self) -> str:
        """Return the row as one line of JSON in ASCII, instants in RFC 3339."""
        row = {name: rfc3339(value) if name in _TIMES else value for name, value in self.items()}
        if self.details:
            row["details"] = [detail.as_json() for detail in self.details]
        return json.dumps(row)

    def summary(self) -> str:
        """Describe the run for people, in two lines, whatever the values, and one line per aspect of the details."""
        seconds = ((self.finished_at or self.started_at) - self.started_at) / 1e6
        counts = ", ".join(
            f"{self[f'images_{name}'] or 0:,} {name}" for name in ("new", "changed", "unchanged", "gone", "returned")
        )
        told = (
            f"{self.verdict} ({self.verdict_reason}): {self.images_listed or 0:,} images listed, {self.mode} sweep "
            f"({self.reason_in_words()})",
            f"  {counts}; {self.requests or 0:,} requests, {self.throttled or 0:,} throttled, {seconds:.1f} s",
        )
        return "\n".join([*map(visible, told), *(detail.summary() for detail in self.details)])

    def reason_in_words(self) -> str:
        """Say why the run had its mode, without words that only the manual explains."""
        reason, *others = (self.mode_reason or "not known").split("; ")
        is_first = self.images_new and self.images_new == self.images_listed
        told = FIRST if is_first and reason == RunReason.NO_WATERMARK.value else IN_WORDS.get(reason, reason)
        return "; ".join((told, *others))

    def warnings(self) -> Iterator[str]:
        """Yield what a person should know of a run that ended well."""
        if self.values_rejected:
            yield f"{self.values_rejected} values could not be read: see the table rejected_values"
        if self.unknown_fields:
            yield (
                f"the API sends fields that this release does not know: {self.unknown_fields}; they are in column extra"
            )
        if self.complete and self.mode == Mode.FULL and not self.images_listed and not self.filters:
            yield "the account has no images: check --site (intl or cn) and that agents are installed"


@dataclass(frozen=True)
class Sent:
    """The requests of a run, by the names of the columns."""

    requests: int = 0
    throttled: int = 0
    retries: int = 0
    first_request_id: str | None = None
    last_request_id: str | None = None
    endpoint: str | None = None


def run_row(observation: Observation, finished_at: int, sent: Sent) -> SyncRun:
    """Make the run's row, with the results so far."""
    from connector import __version__

    diff, run, history = observation.diff, observation.identity, observation.history
    filters = observation.policy.filters
    found = observation.judgement.found
    full = observation.mode == Mode.FULL
    return SyncRun(
        sync_id=run.sync_id,
        account_id=run.account_id,
        mode=str(observation.mode),
        mode_reason=shortened(observation.mode_reason),
        verdict=str(observation.judgement.verdict),
        verdict_reason=shortened("; ".join(observation.judgement.reasons())) or None,
        started_at=run.started_at,
        finished_at=max(finished_at, run.started_at),
        total_count=found.total_count,
        rows_listed=observation.rows_listed,
        images_listed=diff.listed,
        images_new=diff.kinds["new"],
        images_changed=diff.kinds["changed"],
        images_unchanged=diff.kinds["unchanged"],
        images_gone=diff.kinds["gone"],
        images_returned=diff.kinds["returned"],
        values_rejected=len(diff.rejected),
        unknown_fields=json.dumps(some_of(sorted(diff.unknown_fields))) if diff.unknown_fields else None,
        pages=observation.pages,
        seam_repairs=found.seam_repairs,
        passes=found.passes,
        order_proven=found.order_proven,
        missed_by_incremental=diff.audit.missed if full else None,
        watermark_before=history.watermark,
        watermark_after=_watermark_after(observation),
        filters=json.dumps({name: list(values) for name, values in filters}) if filters else None,
        connector_version=__version__,
        reason_code=observation.judgement.reason_code,
        naive_time_zone=observation.policy.naive_time_zone,
        listed_twice=found.listed_twice if full else None,
        account_name=run.account_name,
        requests=sent.requests,
        throttled=sent.throttled,
        retries=sent.retries,
        first_request_id=observation.first_request_id or sent.first_request_id,
        last_request_id=sent.last_request_id,
        endpoint=sent.endpoint,
        images_held=diff.held_after(),
    )


def _watermark_after(observation: Observation) -> int | None:
    """Return the watermark for later runs: the newest ScanTime so far, which this incremental sweep may not show."""
    before, newest = observation.history.watermark, observation.diff.newest_scan
    if observation.judgement.verdict != Verdict.COMPLETE or observation.policy.filters:
        return before
    if observation.mode == Mode.FULL:
        return newest
    return max((value for value in (before, newest) if value is not None), default=None)
