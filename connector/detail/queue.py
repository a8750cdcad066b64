"""Derives from the warehouse which images' sets are due, in the order in which they are read. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from connector.detail.judging import Figures, Rules
from connector.tables import Aspect, Row

SCANNED = "SCANNED"
# Statuses of a scan that has not ended, or not well: a ScanTime beside them is that of an older scan.
UNFINISHED = {"NOT_SCAN", "WAIT_SCAN", "SCANNING", "SCAN_ERR", "FAILED", "CANCELED"}
LOST = "the warehouse has no rows of the findings, or of what is known of them"
TIMELESS = "SCANNED without a ScanTime"
SETTLING = 600_000_000  # microseconds after its ScanTime in which a set may still change
LEAST_EMPTY = 20  # images without findings that are asked for, before others are believed to have none
ASKED_AGAIN = 3  # of these, in each run


@dataclass(frozen=True)
class Due:
    """Describes an image whose set is due. `read_no` and `read_scan_time` are those of its marker, 0 and None without
    one."""

    image_id: str
    scan_time: int
    count: int | None
    levels: str | None
    read_no: int
    read_scan_time: int | None


@dataclass
class Queue:
    """Holds the images that are due, in order: images in use first, then those with the most findings of the two worst
    severities, then the oldest scan. Images whose last read since their scan was not proven come after all others, the
    oldest read first: else these images could take the time of every run. `believed_empty` are images that need no
    request, because their count is 0. `waiting` counts, by ScanStatus, images that have a ScanTime whose set is not
    read because the status is not SCANNED; and as TIMELESS those that are SCANNED and have no ScanTime, or one that is
    no time."""

    due: list[Due] = field(default_factory=list)
    believed_empty: list[Due] = field(default_factory=list)
    waiting: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.due) + len(self.believed_empty)


def image_columns(aspect: Aspect) -> tuple[str, ...]:
    """Return the columns of `images` that `queue_of` needs."""
    return (
        *("image_id", "scan_status", "scan_time", "deleted_at", "container_cnt"),
        *dict.fromkeys(("critical_level_vul_cnt", "high_level_vul_cnt", *aspect.levels, aspect.count)),
        *([aspect.error] if aspect.error else []),
    )


def without_findings(markers: Mapping[str, Row], *, compared: bool) -> dict[str, Row]:
    """Return the markers of sets that have findings, for a warehouse that has lost the findings, or what is known of
    them: these sets are not proven. Unless `compared`, their findings are lost: no read says when one was absent."""
    state = {"verdict": "partial", "verdict_reason": LOST} | ({} if compared else {"scan_time": None})
    return {image_id: {**row, **state} for image_id, row in markers.items() if row["distinct_findings"]}


def level_counts(counts: Iterable[int | None]) -> str | None:
    """Return counts by level in the form of `image_reads.level_counts`."""
    texts = ["" if count is None else str(count) for count in counts]
    return "/".join(texts) if texts and all(texts) else None


def figures_of(read: Row) -> Figures:
    """Return the figures of a marker."""
    return Figures(read["rows_listed"] or 0, read["distinct_vulnerabilities"] or 0, read["distinct_findings"] or 0)


def rules_of(reads: Iterable[Row]) -> Rules:
    """Learn the rules from the markers of whole sets."""
    return Rules.of(
        (read["vul_cnt"], figures_of(read))
        for read in reads
        if read["verdict"] == "complete" and read["vul_cnt"] is not None and read["requests"]
    )


def queue_of(aspect: Aspect, images: Iterable[Row], reads: Mapping[str, Row], rules: Rules, now: int) -> Queue:
    """Return the queue. `images` are rows of the account's live images, `reads` the aspect's markers by image."""
    ranked: list[tuple[tuple[int, bool, int, int], Due]] = []
    waiting: Counter[str] = Counter()
    for image in images:
        if image["scan_time"] is None or image["deleted_at"] is not None:
            waiting[TIMELESS] += image["scan_status"] == SCANNED and image["deleted_at"] is None
            continue
        read = reads.get(image["image_id"])
        if read is not None and _is_current(image, read, aspect, rules, now):
            continue
        if image["scan_status"] != SCANNED:
            waiting[str(image["scan_status"])] += 1
            continue
        worst = (image["critical_level_vul_cnt"] or 0) + (image["high_level_vul_cnt"] or 0)
        rank = (_tried_at(image, read), not image["container_cnt"], -worst, image["scan_time"])
        ranked.append((rank, _due(image, read, aspect)))
    ranked.sort(key=lambda entry: (entry[0], entry[1].image_id))
    queue = _without_empty([due for _, due in ranked], reads)
    queue.waiting = +waiting
    return queue


def _is_current(image: Row, read: Row, aspect: Aspect, rules: Rules, now: int) -> bool:
    """Return whether the set that was read is that of the present scan, and will not change any more."""
    if read["verdict"] != "complete" or read["scan_time"] != image["scan_time"]:
        return False
    levels = level_counts(image[name] for name in aspect.levels)
    if (read["vul_cnt"], read["level_counts"]) != (image[aspect.count], levels):
        return False
    if rules.doubt(read["vul_cnt"], figures_of(read)):
        return False
    return bool(read["settled"]) or now < image["scan_time"] + SETTLING


def _tried_at(image: Row, read: Row | None) -> int:
    """Return when the set of the present scan was read, and not proven; 0 if it was not read."""
    tried = read is not None and read["verdict"] != "complete" and read["read_at"] >= image["scan_time"]
    return int(read["read_at"]) if read is not None and tried else 0


def _due(image: Row, read: Row | None, aspect: Aspect) -> Due:
    return Due(
        image["image_id"],
        image["scan_time"],
        None if aspect.error and image[aspect.error] else image[aspect.count],  # a failed scan has counted nothing
        level_counts(image[name] for name in aspect.levels),
        read["read_no"] if read else 0,
        read["scan_time"] if read else None,
    )


def _without_empty(due: list[Due], reads: Mapping[str, Row]) -> Queue:
    """Images whose count is 0 are believed, but for a few, once enough of them were asked for and all were empty. None
    is believed while one of them is unproven: its rows may contradict its count, and its marker has no such set."""
    asked = [read["total_count"] for read in reads.values() if read["vul_cnt"] == 0 and read["requests"]]
    empty = [each for each in due if each.count == 0]
    unproven = any(reads[each.image_id]["verdict"] != "complete" for each in empty if each.image_id in reads)
    if len(asked) < LEAST_EMPTY or any(asked) or unproven:
        return Queue(due)
    believed = {each.image_id for each in empty[ASKED_AGAIN:]}
    return Queue([each for each in due if each.image_id not in believed], empty[ASKED_AGAIN:])
