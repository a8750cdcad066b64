"""Compares a set that was read with the intervals that the warehouse holds of its image, and gives the rows to write.

The image's marker says which read was whole last, `read_no`; the read at hand has the next number. A stored interval is
*visible* if `opened_read <= read_no` and `closed_read` is null or greater than `read_no`. What has the next number
already was left by a run that was killed before its marker: it is settled here, whatever it says. What has a later
number is left from before the image's marker was lost: it becomes an empty interval, so that no later marker shows it.

Pure: takes values and returns values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from connector.detail.findings import Finding
from connector.tables import Aspect, Row


class Read(NamedTuple):
    """Describes a whole read: the image, its set's ScanTime in microseconds, and what the marker said before.
    `absent_at` is the ScanTime of the set before, None where there is none."""

    account_id: str
    image_id: str
    read_no: int
    scan_time: int
    absent_at: int | None
    sync_id: str


class Interval(NamedTuple):
    """Says where an open finding begins."""

    opened_read: int
    first_found_at: int
    absent_at: int | None


class Opened(NamedTuple):
    """Holds findings of an image whose rows are all to be written, and where they begin."""

    read: Read
    interval: Interval
    findings: list[Finding]


@dataclass
class Difference:
    """Holds what is to be written: new findings, and rows of the aspect's table for the others. Counts the findings
    that open and close."""

    new: Opened | None = None
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    opened: int = 0
    closed: int = 0

    @property
    def is_empty(self) -> bool:
        return self.new is None and not self.rows


class Differ:
    """Compares sets of one aspect."""

    def __init__(self, aspect: Aspect) -> None:
        self._names = aspect.table.column_names
        self._finding_id = self._names.index("finding_id")

    def compare(self, read: Read, found: Mapping[str, Finding], stored: Iterable[Row]) -> Difference:
        """Compare a read with the stored rows. `stored` are all rows of the image, as `plain_rows` gives them."""
        difference = Difference()
        visible: dict[str, Row] = {}
        left: dict[str, Row] = {}
        later: list[Row] = []
        for row in stored:
            if row["opened_read"] == read.read_no + 1:
                left[row["finding_id"]] = row
            elif row["opened_read"] > read.read_no:
                later.append(row)
            elif row["closed_read"] is None or row["closed_read"] > read.read_no:
                visible[row["finding_id"]] = row
        new = [finding for finding_id, finding in found.items() if finding_id not in visible]
        self._open(read, new, left, difference)
        for finding_id, row in visible.items():
            finding = found.get(finding_id)
            if finding is not None:
                self._keep(read, finding, row, difference)
            else:
                self._close(read, row, read.read_no + 1, difference)
                difference.closed += 1
        later += [row for finding_id, row in left.items() if finding_id not in found or finding_id in visible]
        for row in later:
            self._close(read, row, row["opened_read"], difference)
        return difference

    def _open(self, read: Read, new: list[Finding], left: Mapping[str, Row], difference: Difference) -> None:
        interval = Interval(read.read_no + 1, read.scan_time, read.absent_at)
        difference.opened += len(new)
        if left:
            difference.rows += [row for row in _rows(read, new, interval) if not self._is_left(row, left)]
        elif new:
            difference.new = Opened(read, interval, new)

    def _is_left(self, row: tuple[Any, ...], left: Mapping[str, Row]) -> bool:
        """Return whether a run that was killed has left the row as it is; the last column is the run's id."""
        found = left.get(row[self._finding_id])
        return found is not None and tuple(found[name] for name in self._names[:-1]) == row[:-1]

    def _keep(self, read: Read, finding: Finding, row: Row, difference: Difference) -> None:
        if row["closed_read"] is not None or row["row_hash"] != finding.row_hash:
            interval = Interval(row["opened_read"], row["first_found_at"], row["absent_at"])
            difference.rows += _rows(read, (finding,), interval)

    def _close(self, read: Read, row: Row, number: int, difference: Difference) -> None:
        if row["closed_read"] != number or row["closed_at"] != read.scan_time:
            closed = {**row, "closed_read": number, "closed_at": read.scan_time, "sync_id": read.sync_id}
            difference.rows.append(tuple(closed[name] for name in self._names))


def _rows(read: Read, findings: Iterable[Finding], interval: Interval) -> list[tuple[Any, ...]]:
    """Return the rows of open findings, in the order of `tables.aspects`."""
    return [
        (
            *(read.account_id, read.image_id, each.finding_id, interval.opened_read),
            *(*each.values, each.occurrences),
            *(interval.first_found_at, interval.absent_at, None, None),
            *(each.extra, each.row_hash, read.sync_id),
        )
        for each in findings
    ]


def by_image(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Group rows by image."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["image_id"], []).append(row)
    return found
