"""Divides a list into parts, each given by a few beginnings of ids: how many parts, and which."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

DIGITS = "0123456789abcdef"
ALGORITHM = "sha256:"
MOST_VALUES = 24  # beginnings in one filter, beside the two controls
FIRST_FILL = 0.8  # the share of a page to fill where ids are not known, because parts vary in size
LONGEST = len(ALGORITHM) + 12  # characters of a beginning


@dataclass(frozen=True)
class Part:
    """The images whose ids begin with one of `beginnings`."""

    beginnings: tuple[str, ...]

    def holds(self, image_id: str | None) -> bool:
        return image_id is not None and image_id.startswith(self.beginnings)

    def smaller(self) -> list[Part]:
        """Return the parts that make up this part; none where this part cannot be divided."""
        middle = len(self.beginnings) // 2
        if middle:
            return [Part(self.beginnings[:middle]), Part(self.beginnings[middle:])]
        if len(self.beginnings[0]) >= LONGEST:
            return []
        return [Part(tuple(self.beginnings[0] + digit for digit in half)) for half in (DIGITS[:8], DIGITS[8:])]


def plan(known: Collection[str], total: int, room: int) -> list[Part]:
    """Plan parts of at most about `room` images, which together hold every id that begins with `sha256:`."""
    exact = 10 * len(known) >= 9 * total
    size = max(total, len(known))
    room = room if exact else max(1, int(room * FIRST_FILL))
    fewest = next(digits for digits in range(1, LONGEST) if size <= MOST_VALUES * 16**digits)
    tried = [_counts(known if exact else (), size, digits) for digits in (fewest, fewest + 1)]
    return min((list(_plan(counts, room)) for counts in tried), key=len)


def _counts(known: Collection[str], size: int, digits: int) -> list[float]:
    """Count the images per beginning of `digits` digits: from the known ids, or as `size` evenly spread images."""
    if not known:
        return [size / 16**digits] * 16**digits
    counts: list[float] = [0] * 16**digits
    for beginning, images in Counter(image_id[len(ALGORITHM) :][:digits] for image_id in known).items():
        counts[int(beginning, 16)] = images
    return counts


def _plan(counts: Sequence[float], room: int) -> Iterator[Part]:
    sums = [0.0, *accumulate(counts)]
    digits = len(f"{len(counts) - 1:x}")
    start = 0
    while start < len(counts):
        end = max(start + 1, bisect_right(sums, sums[start] + room) - 1)
        for level in range(digits):  # too many beginnings: stop earlier, at a number that needs fewer digits
            shorter = end - end % 16**level
            beginnings = _beginnings(start, shorter, digits)
            if 0 < len(beginnings) <= MOST_VALUES:
                break
        else:
            shorter = start + MOST_VALUES // 2
            beginnings = _beginnings(start, shorter, digits)
        yield Part(tuple(beginnings))
        start = shorter


def _beginnings(start: int, end: int, digits: int) -> list[str]:
    """Return the fewest beginnings that cover all numbers of `digits` hexadecimal digits from `start` up to `end`."""
    found = []
    while start < end:
        free = 0  # digits at the end that may be anything
        while free < digits - 1 and start % 16 ** (free + 1) == 0 and start + 16 ** (free + 1) <= end:
            free += 1
        found.append(f"{ALGORITHM}{start // 16**free:0{digits - free}x}")
        start += 16**free
    return found
