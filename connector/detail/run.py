"""Reads the details of one run, each aspect with its row in `detail_runs`. The images are committed before.

The aspects are read beside each other, because the API's limits are for each action: while the batch of one aspect is
settled, the threads of the others read theirs. One thread settles and writes all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from connector import texts
from connector.api.answers import CallStats
from connector.detail.account import AccountLists, PlaceReader, nothing_listed, reject
from connector.detail.facts import Facts, worst_last
from connector.detail.findings import FindingParser
from connector.detail.lists import key_by
from connector.detail.places import PLACES
from connector.detail.queue import Due, image_columns, queue_of, rules_of, without_findings
from connector.detail.reading import BATCH, Batch, BatchReader
from connector.detail.rows import DetailRun, DetailVerdict
from connector.detail.sets import SetReader
from connector.detail.settling import Settler, Tally
from connector.detail.store import Holdings
from connector.detail.verdicts import Outcome, judge
from connector.errors import AccessError, DestinationError, LockedError, TcssError
from connector.images.times import time_zone
from connector.runs.assembly import image_list, instants
from connector.runs.identity import Identity
from connector.runs.progress import begin
from connector.settings import Settings
from connector.tables import (
    ASPECTS,
    DETAIL_RUNS,
    IMAGE_READS,
    REJECTED_VALUES,
    RUNNING_DETAIL,
    VULNERABILITIES,
    Aspect,
    Row,
)

if TYPE_CHECKING:
    from connector.api.client import Client
    from connector.runs.progress import Report

log = texts.logger(__name__)

COMMIT_EVERY = 60.0  # seconds
LISTS = {"DescribeSystemVulList": False, "DescribeWebVulList": False, "DescribeEmergencyVulList": True}
"""The account's lists of vulnerabilities, and whether each is that of emergencies."""


@dataclass(frozen=True)
class Details:
    """Reads the details of one run. `execute` raises DestinationError and LockedError; what the API raises ends an
    aspect."""

    settings: Settings
    client: Client
    identity: Identity
    store: Holdings
    steady: Callable[[], float] = time.monotonic

    def execute(self, report: Report | None = None) -> tuple[DetailRun, ...]:
        """Read every aspect that the settings name. Returns their rows, in the order of the settings."""
        with ExitStack() as stack:
            reading = {
                name: stack.enter_context(closing(_Aspect(self).read(name, report)))
                for name in dict.fromkeys(self.settings.detail or ())
            }
            rows: dict[str, DetailRun | None] = dict.fromkeys(reading)
            while under_way := [name for name, row in rows.items() if row is None]:
                for name in under_way:
                    rows[name] = next(reading[name])
        return tuple(row for row in rows.values() if row is not None)


@contextmanager
def _keeping(commit: Callable[[], None]) -> Iterator[None]:
    """Commit what was read before an error of the API."""
    try:
        yield
    except (DestinationError, LockedError):
        raise
    except TcssError:
        commit()
        raise


class _Aspect:
    """Reads one aspect of a run, with rows of its own to commit, and counters of its own requests."""

    def __init__(self, of: Details) -> None:
        self._settings, self._client, self._identity, self._steady = of.settings, of.client, of.identity, of.steady
        self._store = of.store.branch()
        self._zone = time_zone(of.settings.naive_time_zone)
        self._sent = CallStats()
        self._lists = AccountLists(self._settings, self._client, self._sent)

    def read(self, name: str, report: Report | None) -> Generator[DetailRun | None]:
        """Read the aspect: yields None after each step, and at the end the aspect's row."""
        row = DetailRun(self._identity.sync_id, name, self._identity.account_id, self._client.now())
        tally = Tally()
        begin(report, name)
        try:
            if name == RUNNING_DETAIL:
                outcome = self._places(tally)
            else:
                outcome = yield from self._images(ASPECTS[name], tally, report)
            judge(row, outcome)
        except (DestinationError, LockedError):
            raise
        except TcssError as error:
            row.verdict = DetailVerdict.REFUSED if isinstance(error, AccessError) else DetailVerdict.FAILED
            row.verdict_reason = texts.shortened(error.sentence)
            row.images_read, row.opened, row.closed = tally.read, tally.opened, tally.closed
            log.warning("%s: %s", name, error)
        row.requests, row.throttled = self._sent.requests, self._sent.throttled
        row.finished_at = max(self._client.now(), row.started_at)
        self._store.add(DETAIL_RUNS, [row.values])
        self._store.commit((DETAIL_RUNS,))
        yield row

    # Sets of images.

    def _images(self, aspect: Aspect, tally: Tally, report: Report | None) -> Generator[None, None, Outcome]:
        facts, reasons = self._facts() if aspect.facts else (None, [])
        markers = {row["image_id"]: row for row in self._store.rows(IMAGE_READS, aspect=aspect.name)}
        markers |= self._lost(aspect, markers)
        rules = rules_of(markers.values())
        images = self._store.live_images(image_columns(aspect))
        queue = queue_of(aspect, images, markers, rules, self._identity.started_at)
        log.info("%s: %s of %s images are due", aspect.name, len(queue), len(images))
        del images
        settler = Settler(aspect, self._identity, self._store, rules, self._scan_time, tally)
        commit = partial(self._commit, aspect, facts)
        with _keeping(commit), closing(self._batches(aspect, queue.due, facts, settler, markers)) as batches:
            yield from self._absorb(aspect.name, batches, len(queue.due), commit, report)
        settler.give_up(markers)
        for start in range(0, len(queue.believed_empty), BATCH):
            settler.take_empty(queue.believed_empty[start : start + BATCH], self._client.now())
        commit()
        unknown = sorted(facts.unknown_tags) if facts else ()
        behind = len(queue) - tally.read - tally.unproven
        return Outcome(tally, len(queue), behind, unknown, reasons, queue.waiting)

    def _lost(self, aspect: Aspect, markers: dict[str, Row]) -> dict[str, Row]:
        """If the warehouse has lost a whole table, mark the sets that need its rows as not proven, before the first of
        them is read again: a run that ends early leaves the others due. Returns their markers, as if no read of them
        had been tried."""
        has_findings = not self._store.is_empty(aspect.table)
        if has_findings and not (aspect.facts and self._store.is_empty(aspect.facts)):
            return {}
        lost = without_findings(markers, compared=has_findings)
        if lost:
            names = IMAGE_READS.column_names
            self._store.add(IMAGE_READS, [tuple(row[name] for name in names) for row in lost.values()])
            self._store.commit((IMAGE_READS,))
        return {image_id: {**row, "read_at": 0} for image_id, row in lost.items()}

    def _absorb(
        self, name: str, batches: Iterable[int], due: int, commit: Callable[[], None], report: Report | None
    ) -> Iterator[None]:
        """Take all batches, and commit from time to time, so that a run that is killed keeps most of its work."""
        committed = self._steady()
        for tried in batches:
            if report is not None:
                begin(report, name)
                report(tried, due, self._client.stats)
            if self._steady() - committed >= COMMIT_EVERY:
                commit()
                committed = self._steady()
            yield

    def _batches(
        self, aspect: Aspect, due: Sequence[Due], facts: Facts | None, settler: Settler, markers: dict[str, Row]
    ) -> Generator[int, None, None]:
        """Yield the number of images that were tried, after each batch. While a batch is settled, the next batch is
        read."""
        end = self._steady() + self._settings.detail_patience
        waiting = [due[start : start + BATCH] for start in range(0, len(due), BATCH)][::-1]
        under_way: tuple[Sequence[Due], Future[Batch]] | None = None
        tried = 0
        with (
            closing(self._reader(aspect)) as reader,
            ThreadPoolExecutor(1, thread_name_prefix="tcss-batch") as ahead,
        ):
            while waiting or under_way:
                following = None
                if waiting and self._steady() < end:
                    chunk = waiting.pop()
                    following = chunk, ahead.submit(reader.read, chunk)
                elif waiting:
                    waiting.clear()
                if under_way is not None:
                    batch = under_way[1].result()
                    if facts is not None:
                        facts.of_rows(batch.new)
                    again = settler.take(under_way[0], batch, markers)
                    tried += len(under_way[0]) - len(again)
                    waiting[:0] = [again] if again else []
                    yield tried
                under_way = following

    def _reader(self, aspect: Aspect) -> BatchReader:
        parser = FindingParser(aspect, self._zone)
        return BatchReader(
            SetReader(self._lists.fetch(aspect.action), aspect),
            parser,
            image_list(self._settings, self._client, self._sent),
            in_flight=self._lists.in_flight(aspect.action),
            now=self._client.now,
        )

    def _commit(self, aspect: Aspect, facts: Facts | None) -> None:
        """Commit facts and findings, and then markers: a set becomes visible at once, with its marker."""
        if facts is not None:
            self._store.add(VULNERABILITIES, facts.changed())
            reject(self._store, VULNERABILITIES, facts.rejected)
        self._store.commit((VULNERABILITIES, aspect.table, REJECTED_VALUES), (IMAGE_READS,))

    def _facts(self) -> tuple[Facts, list[str]]:
        """Return the facts, with what the account's lists say; and the reasons why lists are not proven whole."""
        stored = self._store.rows(VULNERABILITIES)
        facts = Facts(self._identity.account_id, self._identity.sync_id, self._identity.started_at, self._zone, stored)
        reasons: list[str] = []
        items: list[tuple[Any, bool]] = []
        shown: str | None = None
        for action, emergency in LISTS.items():
            listed = self._lists.read(action, key_by("PocID", "CVEID", "Name"))
            self._lists.doubt_ended(listed, shown)
            shown = action if listed.items else shown
            items += ((item, emergency) for item in (*listed.items.values(), *listed.repeated))
            if not listed.whole:
                reasons.append(f"{action}: {listed.reason}")
        for item, emergency in sorted(items, key=lambda each: worst_last(each[0])):
            facts.of_list(item, emergency=emergency)
        if not reasons and facts.unlisted and self._settings.max_delete_share < 1:
            reasons.append(f"vulnerabilities of the account: {nothing_listed(facts.unlisted)}")
        if not reasons:
            facts.end_of_lists()
        return facts, reasons

    # Places.

    def _places(self, tally: Tally) -> Outcome:
        commit = partial(self._store.commit, (*(place.table for place in PLACES), REJECTED_VALUES))
        reader = PlaceReader(self._lists, self._store, self._identity, self._settings, self._zone)
        with _keeping(commit):
            reasons = reader.read()
        commit()
        return Outcome(tally, reasons=reasons)

    def _scan_time(self, item: Any) -> int | None:
        try:
            return instants(self._zone, [item], "ScanTime")[0]
        except ValueError:
            return None
