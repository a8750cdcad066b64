"""Makes Arrow's columns of findings that open, many at once.

Images have findings in common, and each distinct finding is one object (`FindingParser`). So the values of a finding
become Arrow's once, and rows take them from there; values of an image become Arrow's once for each image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from connector.detail.differences import Opened
from connector.detail.findings import Finding
from connector.runs.spool import MOST_BYTES
from connector.tables import Aspect


def tables_of(aspect: Aspect, opened: Sequence[Opened]) -> Iterator[pa.Table]:
    """Yield the rows of `columns_of` in tables of bounded size: a long text of a finding that images have in common is
    in each of their rows, and an Arrow column of texts holds two gigabytes."""
    distinct = {id(finding): finding for each in opened for finding in each.findings}
    sizes = {key: _size(finding) for key, finding in distinct.items()}
    if max(sizes.values(), default=0) * sum(len(each.findings) for each in opened) <= MOST_BYTES:  # as nearly always
        yield columns_of(aspect, opened)
        return
    held: list[Opened] = []
    size = 0
    for each in opened:
        begin = 0
        for end, finding in enumerate(each.findings):
            more = sizes[id(finding)]
            if size and size + more > MOST_BYTES:
                held.append(each._replace(findings=each.findings[begin:end]))
                yield columns_of(aspect, held)
                held, size, begin = [], 0, end
            size += more
        held.append(each._replace(findings=each.findings[begin:]))
    if size:
        yield columns_of(aspect, held)


def _size(finding: Finding) -> int:
    """Return the number of characters of a finding's texts."""
    texts = (finding.finding_id, finding.extra, finding.row_hash, *finding.values)
    return sum(len(text) for text in texts if isinstance(text, str))


def columns_of(aspect: Aspect, opened: Sequence[Opened]) -> pa.Table:
    """Return the rows of the open findings of these images, as the aspect's table has them. Raises ValueError for a
    value that its column does not allow."""
    table, schema = aspect.table, aspect.table.arrow_schema
    distinct = {id(finding): finding for each in opened for finding in each.findings}
    number = {key: place for place, key in enumerate(distinct)}
    of_finding = pa.array([number[id(finding)] for each in opened for finding in each.findings], pa.int32())
    of_image = pa.array([place for place, each in enumerate(opened) for _ in each.findings], pa.int32())
    finding_ids, values, occurrences, extra, hashes = zip(*distinct.values(), strict=True)
    own: dict[str, Sequence[Any]] = {"finding_id": finding_ids, "occurrences": occurrences, "extra": extra}
    own |= zip((column.name for column in aspect.columns), zip(*values, strict=True), strict=True)
    own["row_hash"] = hashes
    images: dict[str, Sequence[Any]] = {
        "account_id": [each.read.account_id for each in opened],
        "image_id": [each.read.image_id for each in opened],
        "opened_read": [each.interval.opened_read for each in opened],
        "first_found_at": [each.interval.first_found_at for each in opened],
        "absent_at": [each.interval.absent_at for each in opened],
        "closed_read": [None] * len(opened),
        "closed_at": [None] * len(opened),
        "sync_id": [each.read.sync_id for each in opened],
    }
    arrays = [
        pa.array(own[field.name], field.type).take(of_finding)
        if field.name in own
        else pa.array(images[field.name], field.type).take(of_image)
        for field in schema
    ]
    return table.of_arrays(arrays)
