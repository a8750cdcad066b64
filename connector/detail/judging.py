"""Judges a set that was read, by the count that the images list has of the set.

What this count counts is not documented. So each whole set keeps three figures (`Figures`), and a rule is learnt from
the account: once figures of one name equal the count for 99 % of at least 50 images, a set that no such figure fits is
in doubt. Until then a set is not checked by counts, and its verdict says so. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

LEAST = 50  # images, before a rule is one
SHARE = 0.99  # of the images, that a rule fits


class Figures(NamedTuple):
    """Lists what the API's count may count of a set."""

    rows: int
    subjects: int
    findings: int

    def fitting(self, count: int) -> set[str]:
        """Return the names of the figures that equal the count."""
        return {name for name, figure in zip(self._fields, self, strict=True) if figure == count}


@dataclass
class Rules:
    """Learns from whole sets which figures the API's count follows."""

    sets: int = 0
    fits: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, known: Iterable[tuple[int, Figures]]) -> Rules:
        rules = cls()
        for count, figures in known:
            rules.learn(count, figures)
        return rules

    def learn(self, count: int, figures: Figures) -> None:
        """Learn from a whole set; an empty set teaches nothing."""
        if count or figures.rows:
            self.sets += 1
            self.fits.update(figures.fitting(count))

    @property
    def names(self) -> set[str]:
        """The names of the figures that fit; none while no rule is known."""
        if self.sets < LEAST:
            return set()
        return {name for name, sets in self.fits.items() if sets >= SHARE * self.sets}

    def doubt(self, count: int | None, figures: Figures) -> str | None:
        """Return why the count contradicts the figures; None if there is no contradiction, or no rule yet."""
        if count is None:
            return None
        if (count == 0) != (figures.rows == 0):
            return f"the images list counts {count}, and {figures.rows} rows were listed"
        names = self.names
        if names and not names & figures.fitting(count):
            return f"counts disagree: the images list counts {count}, and there are {figures.rows} rows"
        return None

    def checked(self, count: int | None) -> bool:
        """Return whether the count checks its set."""
        return count is not None and (count == 0 or bool(self.names))
