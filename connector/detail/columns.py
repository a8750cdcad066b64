"""Makes Arrow's columns of findings that open, many at once.

Images have findings in common, and each distinct finding is one object (`FindingParser`). So the values of a finding
become Arrow's once, and rows take them from there; values of an image become Arrow's once for each image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, count, repeat
from operator import attrgetter
from typing import Any

import pyarrow as pa

from connector.detail.differences import Opened
from connector.runs.spool import MOST_BYTES
from connector.tables import Aspect


def tables_of(aspect: Aspect, opened: Sequence[Opened]) -> Iterator[pa.Table]:
    """Yield the rows of `columns_of` in tables of bounded size: a long text of a finding that images have in common is
    in each of their rows, and an Arrow column of texts holds two gigabytes."""
    if sum(sum(map(_size, each.findings)) for each in opened) <= MOST_BYTES:  # as nearly always
        yield columns_of(aspect, opened)
        return
    held: list[Opened] = []
    size = 0
    for each in opened:
        begin = 0
        for end, finding in enumerate(each.findings):
            if size and size + finding.size > MOST_BYTES:
                held.append(each._replace(findings=each.findings[begin:end]))
                yield columns_of(aspect, held)
                held, size, begin = [], 0, end
            size += finding.size
        held.append(each._replace(findings=each.findings[begin:]))
    yield columns_of(aspect, held)


_size = attrgetter("size")


def columns_of(aspect: Aspect, opened: Sequence[Opened]) -> pa.Table:
    """Return the rows of the open findings of these images, as the aspect's table has them. Raises ValueError for a
    value that its column does not allow."""
    table, schema = aspect.table, aspect.table.arrow_schema
    findings = [*chain.from_iterable(each.findings for each in opened)]
    keys = [*map(id, findings)]
    distinct = dict(zip(keys, findings, strict=True))
    number = dict(zip(distinct, count(), strict=False))
    of_finding = pa.array([*map(number.__getitem__, keys)], pa.int32())
    places = (repeat(place, len(each.findings)) for place, each in enumerate(opened))
    of_image = pa.array([*chain.from_iterable(places)], pa.int32())
    finding_ids, values, occurrences, extra, hashes, _ = zip(*distinct.values(), strict=True)
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
