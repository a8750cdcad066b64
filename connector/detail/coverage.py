"""Of how many images the warehouse has the set of the present scan. Pure: takes rows and returns values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from connector.detail.queue import SCANNED
from connector.detail.rows import DetailVerdict
from connector.tables import Row

IMAGE_COLUMNS = ("image_id", "scan_status", "scan_time", "deleted_at")
READ_COLUMNS = ("image_id", "aspect", "scan_time", "verdict")


@dataclass
class Coverage:
    """Live images. `current`: the set that is shown is that of the present scan. `behind`: the image was scanned again
    since. `unproven`: the last read did not prove the set whole. `unread`: scanned, and no set was read yet.
    `never_scanned`: there is no set that could be read, and the image is not to be called clean."""

    current: int = 0
    behind: int = 0
    unproven: int = 0
    unread: int = 0
    never_scanned: int = 0

    @property
    def missing(self) -> int:
        """Images that were scanned, and whose present set is not shown."""
        return self.behind + self.unproven + self.unread


def coverage_of(images: Iterable[Row], reads: Mapping[str, Row]) -> Coverage:
    """`images` are rows of one account, `reads` the markers of one aspect by image."""
    coverage = Coverage()
    for image in images:
        if image["deleted_at"] is None:
            name = _standing(image, reads.get(image["image_id"]))
            setattr(coverage, name, getattr(coverage, name) + 1)
    return coverage


def _standing(image: Row, read: Row | None) -> str:
    if image["scan_status"] != SCANNED or image["scan_time"] is None:
        return "never_scanned"
    if read is None:
        return "unread"
    if read["verdict"] != DetailVerdict.COMPLETE:
        return "unproven"
    return "current" if read["scan_time"] == image["scan_time"] else "behind"
