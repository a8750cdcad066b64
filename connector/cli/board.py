"""Draws the progress of several syncs at once: how many accounts have ended, and a line for each account under way."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from connector.cli.report import drawn_progress, rates
from connector.cli.worker import Printed, Shown

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

EVERY = 0.1  # seconds between two drawings


class Board:
    """Draws on a terminal; elsewhere it only prints. Starts no thread, because processes are forked beside it."""

    def __init__(self, bars: Progress | None, accounts: int) -> None:
        self._bars = bars
        self._lines: dict[str | None, tuple[TaskID, float]] = {}
        self._drawn = 0.0
        self._all = None if bars is None else bars.add_task("accounts", total=accounts, rates="")

    @classmethod
    @contextmanager
    def of(cls, accounts: int) -> Iterator[Board]:
        """Yield a board for so many accounts, which is gone after the block."""
        if not sys.stderr.isatty():
            yield cls(None, accounts)
            return
        with drawn_progress(auto_refresh=False) as bars:
            yield cls(bars, accounts)

    @property
    def is_drawn(self) -> bool:
        return self._bars is not None

    def show(self, account: str | None, progress: Shown) -> None:
        """Draw the progress of an account."""
        if self._bars is None:
            return
        if account not in self._lines:
            self._lines[account] = (self._bars.add_task("", total=None, rates=""), time.monotonic())
        task, started = self._lines[account]
        self._bars.update(
            task,
            description=f"{account}: {progress.phase}" if account else progress.phase,
            completed=progress.shown,
            total=progress.total,
            rates=rates(progress.shown, time.monotonic() - started, progress.stats),
        )
        if time.monotonic() - self._drawn >= EVERY:
            self._drawn = time.monotonic()
            self._bars.refresh()

    def end(self, account: str | None) -> None:
        """Count an account as ended, and take its line away."""
        if self._bars is None or self._all is None:
            return
        if line := self._lines.pop(account, None):
            self._bars.remove_task(line[0])
        self._bars.advance(self._all)
        self._bars.refresh()

    def print(self, printed: Printed) -> None:
        """Print the text of an account above the lines."""
        with self.aside():
            stream = getattr(sys, printed.stream)
            stream.write(printed.text)
            stream.flush()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the lines away for the block, which prints."""
        if self._bars is not None:
            self._bars.stop()
        try:
            yield
        finally:
            if self._bars is not None:
                self._bars.start()
