"""Defines reasons, which programs can compare, and causes, which add facts to a reason; `str` makes a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Reason(Enum):
    """Base of the reasons; a member's value is a sentence with room for facts, in `str.format`'s form."""

    @property
    def code(self) -> str:
        """The stable name of the reason, for those who group by it."""
        return self.name.lower()

    def given(self, **facts: Any) -> Cause:
        """The reason with the facts that its sentence names."""
        return Cause(self, facts)


@dataclass(frozen=True)
class Cause:
    """A reason and its facts, among which another cause may be."""

    reason: Reason
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return str(self.reason.value).format(**self.facts)


class ListReason(Reason):
    """Why a sweep of a list is not proven, why the list was read in another way, or why a full sweep is needed."""

    # The order is not proven.
    UNSORTED = "the sort values are not in order"
    WIDE_TIE = "a group of equal sort values is as long as a page"  # less the rows around it
    SEAM_OPEN = "a seam between two pages did not close"
    NO_FIRST_PAGE = "the first page is never the first"
    NOT_TURNED = "the server gives the same order in both directions"

    # The order holds, and yet rows may be missing.
    END_HIDDEN = "the list goes on beyond the end that it shows: rows at its other end were not read"
    COUNT_DIFFERS = "TotalCount is {total} in every answer, and {images} images were read"
    COUNT_CAPPED = "TotalCount is {total}, but the scanned images and the others are {apart}"
    TOTAL_JUMPED = "TotalCount went from {before} to {after} at once: a part of the list may have been hidden"
    TOTAL_DIPPED = "TotalCount fell to {low} and came back to {high}: a part of the list may have been hidden"

    # A pass came to no end.
    TOTAL_TOO_SMALL = "the list shows more rows than its TotalCount says ({total})"
    TOTAL_TOO_LARGE = "the list shows {rows} rows, but its TotalCount says {total}"
    REFUSED = "the server refuses to show what follows after {rows} rows ({code})"
    UNREADABLE = "the server fails at every answer that holds row {place} of the list ({code})"
    ENDLESS = "the list did not end within {requests} requests"
    NOTHING_NEW = "the last {answers} answers showed nothing new, before the end of the list"

    # A full sweep, and its parts by ImageID.
    IN_PARTS = "read by parts of the ids, since {cause}"
    GAP = "the list was read from both ends, and TotalCount, {total}, does not say that nothing stands between them"
    OTHER_IDS = "some images have ids that do not begin with sha256: and a digit"
    PARTS_OVERFLOW = "a part of the list cannot be made small enough for one answer"
    PASSES_DIFFER = "{cause}, and no two passes were alike"
    SORT_REJECTED = "the server rejects By={by} ({code}): its own order was read"

    # Only a full sweep can tell what is new.
    BELOW_WATERMARK = "the newest ScanTime is below the watermark: times are written otherwise, or that image is gone"
    CHEAPER = "a full sweep needs fewer requests"
    FAILING = "the server fails at a request of an incremental sweep ({code})"
    FEW_AT_ONCE = "the server gives {rows} rows at once, and a list ended so"
    HEAD_MOVES = "images are scanned faster than the newest of them can be read"
    NOT_BY_SCAN_TIME = "the list begins alike in another order: the server may not sort by ScanTime"
    REJECTED = "the server rejects the requests of an incremental sweep ({code})"
    SCAN_TIME = "ScanTime: {cause}"
    STATUS_IGNORED = "the server does not filter by ScanStatus"
    STATUS_PARTLY_READ = "the server does not read every value of the ScanStatus filter"
    STATUS_UNKNOWN = "the words of the ScanStatus filter name {counted} of {total} images"
    UNSCANNED = "unscanned images: {cause}"

    # A look-up by id.
    ID_FILTER = "the server does not filter by ImageID as documented"
