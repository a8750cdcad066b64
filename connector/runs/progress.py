"""Reports the progress of a run while it sweeps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from connector.api.answers import CallStats

Report = Callable[[int, int | None, CallStats], None]
"""Takes images shown so far, TotalCount, and the client's counters, after each page."""

IMAGES = "images"


def begin(report: object, phase: str) -> None:
    """Tell a report that names phases which phase begins: the numbers that follow are those of the phase's images."""
    if isinstance(report, Phases):
        report.begin(phase)


@runtime_checkable
class Phases(Protocol):
    """A report that names phases: the images themselves, then each detail."""

    def begin(self, phase: str) -> None: ...


LOG_EVERY = 10.0  # seconds between two lines of progress in a log


class Lines:
    """Writes progress to a log, at most every ten seconds. Calls `say` as a logger's method, with format and values."""

    def __init__(self, say: Callable[..., None]) -> None:
        self._say = say
        self._last = time.monotonic()
        self._of = IMAGES

    def begin(self, phase: str) -> None:
        self._of = f"{IMAGES} ({phase})"

    def __call__(self, shown: int, total: int | None, stats: CallStats) -> None:
        if time.monotonic() - self._last >= LOG_EVERY:
            self._last = time.monotonic()
            self._say("%s of %s %s, %s requests, %s throttled", shown, total, self._of, stats.requests, stats.throttled)
