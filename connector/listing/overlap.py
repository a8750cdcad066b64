"""Learns, while a list is read, how many rows a page should share with the page before."""

from __future__ import annotations

from collections import Counter, deque
from itertools import product

from connector.listing.page import Page
from connector.listing.query import MAX_LIMIT

OVERLAP = 2  # the smallest overlap that can close a seam where values are distinct
FIRST_OVERLAP = 6  # for pages that are asked for before the first answer
RECENT = 50  # the number of latest pages to learn from


class Overlap:
    """Chooses how many rows a page should share with the page before: the number of least cost at recent seams.

    Each row of overlap costs one row per seam; a seam that does not close costs one request. The need of a seam is
    learnt from the page's tie groups and from how far the list moves between two requests.
    """

    def __init__(self, limit: int = MAX_LIMIT) -> None:
        self._reaches: deque[Counter[int]] = deque(maxlen=RECENT)
        self._reached: Counter[int] = Counter()  # their sum
        self._shifts: deque[int] = deque(maxlen=RECENT)
        self.rows = max(OVERLAP, min(FIRST_OVERLAP, limit // 2))

    def learn(self, page: Page, before: Page | None, cap: int) -> None:
        """Learn from `page`, which was asked for next after `before`; the server sends up to `cap` rows at once."""
        if len(self._reaches) == RECENT:
            self._reached -= self._reaches[0]
        self._reaches.append(Counter(page.reaches()))
        self._reached += self._reaches[-1]
        if before is not None and before.rows and page.rows:
            shift = before.shift_to(page)
            self._shifts.append(self.rows if shift is None else max(0, shift))
        shifts = Counter(self._shifts or [0])
        needs: Counter[int] = Counter()
        for (reach, often), (moved, times) in product(self._reached.items(), shifts.items()):
            needs[reach + moved] += often * times
        # Only the needs themselves are candidates: between two needs, each further row only costs more.
        worthwhile = sorted(need for need in needs if OVERLAP < need <= cap // 2)
        self.rows = min([OVERLAP, *worthwhile], key=lambda rows: self._cost(rows, needs, cap))

    @staticmethod
    def _cost(rows: int, needs: Counter[int], cap: int) -> float:
        """Return the cost of an overlap of `rows`, in requests per page."""
        broken = sum(often for need, often in needs.items() if need > rows)
        return rows / cap + broken / max(1, needs.total())
