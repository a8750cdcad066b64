"""Makes rows of sets that were read: judges the sets, compares them with the warehouse, and writes their markers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from connector.detail.columns import tables_of
from connector.detail.differences import Differ, Difference, Opened, Read, by_image
from connector.detail.findings import Found
from connector.detail.judging import Figures, Rules
from connector.detail.queue import SCANNED, SETTLING, Due, level_counts
from connector.detail.reading import Batch
from connector.detail.rows import DetailVerdict
from connector.detail.store import Holdings
from connector.images.records import Rejected
from connector.listing.page import count_of, text_of
from connector.runs.identity import Identity
from connector.tables import IMAGE_READS, IMAGES, Aspect, Row
from connector.texts import shortened
from connector.wire import storable

AT_ONCE = 20_000  # findings whose rows are made at once
BELIEVED = "the images list counts 0, as for all images that were asked for and had none"


@dataclass
class Tally:
    """Counts what an aspect of a run has done. `doubts` counts the reasons why sets are not proven. `unlisted` counts
    images that the look-up after the read did not show; `is_filtered` says that look-ups showed no others instead."""

    read: int = 0
    opened: int = 0
    closed: int = 0
    doubts: Counter[str] = field(default_factory=Counter)
    unlisted: int = 0
    is_filtered: bool = True

    @property
    def unproven(self) -> int:
        return self.doubts.total()


class _Whole(NamedTuple):
    """Holds a whole set, and what is known of its read."""

    due: Due
    read_at: int
    found: Found
    figures: Figures
    counted: int | None
    levels: str | None
    reason: str
    requests: int


class _Doubt(NamedTuple):
    """Says why a set is not proven, and what its read has cost."""

    due: Due
    read_at: int
    reason: str
    requests: int


class Settler:
    """Takes batches of sets of one aspect, and adds their rows to the store. `instant` gives the ScanTime of an item of
    the images list, in microseconds."""

    def __init__(
        self,
        aspect: Aspect,
        identity: Identity,
        store: Holdings,
        rules: Rules,
        instant: Callable[[Any], int | None],
        tally: Tally,
    ) -> None:
        self._aspect, self._identity, self._store = aspect, identity, store
        self._rules, self._instant = rules, instant
        self._differ = Differ(aspect)
        self._source = IMAGES.column(aspect.count).source
        self._levels = [IMAGES.column(name).source for name in aspect.levels]
        self._has_rows = not store.is_empty(aspect.table)
        self._doubted: set[str] = set()
        self._undecided: dict[str, _Doubt] = {}  # images that were to be read once more
        self._recounted: set[str] = set()
        self._contradicting: set[str] = set()  # images whose count is 0, and which have rows
        self._subject = [column.name for column in aspect.columns].index(aspect.identity[0])
        self._known = self._known_subjects()
        self._opened: list[Opened] = []  # not written yet
        self.tally = tally

    def take(self, chunk: Sequence[Due], batch: Batch, markers: dict[str, Row]) -> list[Due]:
        """Add the rows of a batch. Returns the images that are read once more: their counts contradict their sets for
        the first time, or are not those of before the read. An image that is not listed any more, was scanned again, or
        is counted otherwise once more, stays in the queue of the next run."""
        stored = self._stored(chunk)
        again: list[Due] = []
        self.tally.is_filtered &= batch.is_filtered
        for due in chunk:
            self._undecided.pop(due.image_id, None)
            read, found = batch.sets[due.image_id], batch.found.get(due.image_id)
            item = batch.items.get(due.image_id, {})
            self.tally.unlisted += not item
            if text_of(item, "ScanStatus") != SCANNED or self._instant(item) != due.scan_time:
                continue
            if found is None:
                self._doubt(due, batch.read_at, read.reason, read.requests, markers)
                continue
            if error := self._failure(item):
                self._doubt(due, batch.read_at, f"the scan failed: {shortened(error)}", read.requests, markers)
                continue
            figures = Figures(read.total or 0, found.subjects, len(found.findings))
            count, levels = self._counts(item)
            seen = replace(due, count=count, levels=levels)
            doubt = self._rules.doubt(count, figures)
            if count is None and read.total is None:
                doubt = "neither the images list nor the answer has a count"
            self._contradicting.discard(due.image_id)
            if doubt is not None and count == 0:
                self._contradicting.add(due.image_id)
            if doubt is not None and due.image_id not in self._doubted:
                self._doubted.add(due.image_id)
                self._undecided[due.image_id] = _Doubt(due, batch.read_at, doubt, read.requests)
                again.append(seen)
                continue
            if doubt is not None:  # it teaches nothing: else the sets that break a rule would soon be the rule's end
                self._doubt(due, batch.read_at, doubt, read.requests, markers)
                continue
            if seen != due:  # the counts may be those of a set that came after the read
                if due.image_id not in self._recounted:
                    self._recounted.add(due.image_id)
                    again.append(seen)
                continue
            if count is not None:
                self._rules.learn(count, figures)
            reason = read.reason if self._rules.checked(count) else f"{read.reason}, not checked by counts"
            whole = _Whole(due, batch.read_at, found, figures, count, levels, reason, read.requests)
            self._settle(whole, stored.get(due.image_id, ()))
        self._write_opened()
        return again

    def _counts(self, item: Any) -> tuple[int | None, str | None]:
        """Return the counts that an item of the images list has of the set."""
        return count_of(item.get(self._source)), level_counts(count_of(item.get(name)) for name in self._levels)

    def _failure(self, item: Any) -> str | None:
        """Return why the aspect's scan of an image failed; None if the scan did not fail."""
        source = IMAGES.column(self._aspect.error).source if self._aspect.error else None
        error = text_of(item, source) if source else None
        return error if error not in ("", "No Error") else None

    def give_up(self, markers: dict[str, Row]) -> None:
        """Mark the sets as not proven that contradict their counts, and for whose second read the time is over. Else
        these sets come first in the next run again, and could take the time of every run."""
        for doubt in self._undecided.values():
            self._doubt(*doubt, markers)
        self._undecided.clear()

    def take_empty(self, chunk: Sequence[Due], now: int) -> None:
        """Add the rows of images that are believed to have no findings. If such an image was seen with findings, none
        is believed, and the next run asks for all of them."""
        if self._contradicting:
            return
        stored = self._stored(chunk)
        for due in chunk:
            whole = _Whole(due, now, Found(), Figures(0, 0, 0), due.count, due.levels, BELIEVED, 0)
            self._settle(whole, stored.get(due.image_id, ()))
        self._write_opened()

    def _stored(self, chunk: Sequence[Due]) -> dict[str, list[Row]]:
        if not self._has_rows:
            return {}
        return by_image(self._store.rows_of(self._aspect.table, [due.image_id for due in chunk]))

    def _settle(self, whole: _Whole, stored: Iterable[Row]) -> None:
        due, run = whole.due, self._identity
        read = Read(run.account_id, due.image_id, due.read_no, due.scan_time, due.read_scan_time, run.sync_id)
        difference = self._differ.compare(read, whole.found.findings, stored)
        if difference.new is not None:
            self._opened.append(difference.new)
            if sum(len(each.findings) for each in self._opened) >= AT_ONCE:
                self._write_opened()
        self._store.add(self._aspect.table, difference.rows)
        self._reject(due.image_id, whole.found)
        marker = {
            "read_no": due.read_no + 1,
            "scan_time": due.scan_time,
            "read_at": whole.read_at,
            "total_count": whole.figures.rows,
            "rows_listed": whole.figures.rows,
            "distinct_vulnerabilities": whole.figures.subjects,
            "vul_cnt": whole.counted,
            "verdict": DetailVerdict.COMPLETE,
            "verdict_reason": whole.reason,
            "requests": whole.requests,
            "settled": whole.read_at >= due.scan_time + SETTLING and self._has_arrived(whole.found, difference),
            "distinct_findings": whole.figures.findings,
            "level_counts": whole.levels,
        }
        self._mark(due, marker)
        self.tally.read += 1
        self.tally.opened += difference.opened
        self.tally.closed += difference.closed

    def _write_opened(self) -> None:
        if self._opened:
            for rows in tables_of(self._aspect, self._opened):
                self._store.append(self._aspect.table, rows)
            self._opened.clear()

    def _has_arrived(self, found: Found, difference: Difference) -> bool:
        """Return whether the marker cannot arrive without its findings and their facts: the warehouse has both."""
        if self._store.in_order:
            return True
        subjects = {finding.values[self._subject] for finding in found.findings.values()}
        return difference.is_empty and (self._aspect.facts is None or subjects <= self._known)

    def _known_subjects(self) -> set[str]:
        """Return the subjects whose facts the warehouse has, if that has to be known."""
        facts = self._aspect.facts
        if facts is None or self._store.in_order:
            return set()
        name = self._aspect.identity[0]
        return {row[name] for row in self._store.rows(facts, (name,))}

    def _doubt(self, due: Due, read_at: int, reason: str, requests: int, markers: dict[str, Row]) -> None:
        """Mark the set of the present scan as not proven. The last whole set stays visible. The reason may have texts
        of the API."""
        reason = storable(shortened(reason))
        self.tally.doubts[reason.partition(":")[0]] += 1
        before = markers.get(due.image_id) or {"read_no": 0}
        verdict = {"read_at": read_at, "verdict": DetailVerdict.PARTIAL, "verdict_reason": reason, "requests": requests}
        self._mark(due, {**before, **verdict})

    def _mark(self, due: Due, marker: Row) -> None:
        keys = {"account_id": self._identity.account_id, "image_id": due.image_id, "aspect": self._aspect.name}
        row = {**marker, **keys, "sync_id": self._identity.sync_id}
        self._store.add(IMAGE_READS, [tuple(row.get(name) for name in IMAGE_READS.column_names)])

    def _reject(self, image_id: str, found: Found) -> None:
        table = self._aspect.table.name
        faults = [Rejected(image_id, f"{table}.{name}", raw, reason) for name, raw, reason in found.rejected]
        if faults:
            self._store.reject(faults)
