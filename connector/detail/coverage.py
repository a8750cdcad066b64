"""Counts the images whose set in the warehouse is that of the present scan. The rules are those of the view
`detail_coverage`.

Pure: takes rows and returns values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from connector.detail.queue import UNFINISHED, level_counts
from connector.detail.rows import DetailVerdict
from connector.tables import ASPECTS, Aspect, Row

IMAGE_COLUMNS = (
    *("image_id", "scan_status", "scan_time", "deleted_at"),
    *(name for aspect in ASPECTS.values() for name in (aspect.count, *aspect.levels)),
)
READ_COLUMNS = ("image_id", "aspect", "read_no", "scan_time", "vul_cnt", "verdict", "level_counts")


@dataclass
class Coverage:
    """Counts live images. `current`: the set that is shown is that of the present scan. `behind`: the image was scanned
    again since, or counted otherwise. `unproven`: the last read did not prove the set whole. `unread`: no set was read
    yet. `unfinished`: the last scan has not ended, or has failed, and a set will be read after the next scan.
    `never_scanned`: there is no set that could be read, and the image is not to be called clean."""

    current: int = 0
    behind: int = 0
    unproven: int = 0
    unread: int = 0
    unfinished: int = 0
    never_scanned: int = 0

    @property
    def missing(self) -> int:
        """The number of scanned images whose present set is not shown."""
        return self.behind + self.unproven + self.unread


def coverage_of(aspect: Aspect, images: Iterable[Row], reads: Mapping[str, Row]) -> Coverage:
    """Count the images by state. `images` are rows of one account, `reads` the aspect's markers by image."""
    coverage = Coverage()
    for image in images:
        if image["deleted_at"] is None:
            name = _standing(aspect, image, reads.get(image["image_id"]))
            setattr(coverage, name, getattr(coverage, name) + 1)
    return coverage


def _standing(aspect: Aspect, image: Row, read: Row | None) -> str:
    if image["scan_time"] is None and not (read and read["read_no"]):
        return "never_scanned"
    if read is not None and read["verdict"] != DetailVerdict.COMPLETE:
        return "unproven"
    if read is not None and read["read_no"] and _is_present(aspect, image, read):
        return "current"
    if image["scan_status"] in UNFINISHED:
        return "unfinished"
    return "behind" if read and read["read_no"] else "unread"


def _is_present(aspect: Aspect, image: Row, read: Row) -> bool:
    """Whether the set is that of the present scan and counts. A marker of an older release has no counts by level."""
    if (image["scan_time"], image[aspect.count]) != (read["scan_time"], read["vul_cnt"]):
        return False
    levels, before = level_counts(image.get(name) for name in aspect.levels), read.get("level_counts")
    return levels is None or before is None or levels == before
