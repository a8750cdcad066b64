"""Prints for `tcss`: progress and messages on stderr, results on stdout, JSON Lines where asked for."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from connector import texts
from connector.api.answers import CallStats
from connector.cli.streams import drawing
from connector.errors import TcssError
from connector.runs.progress import IMAGES, Lines, Report
from connector.texts import visible

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from connector.runs.row import SyncRun

log = texts.logger("connector")
LOG_FORMAT = "%(asctime)s %(levelname)s %(message)s"


def say(*lines: str, file: TextIO | None = None) -> None:
    """Print these lines on stdout, or to `file`. No value can forge a line or control a terminal."""
    print(*map(visible, lines), sep="\n", file=file, flush=True)


@contextmanager
def log_lines_named(account: str | None) -> Iterator[None]:
    """Begin each line that the command logs in the block with the account's name."""
    handlers = [handler for handler in logging.getLogger().handlers if type(handler) is logging.StreamHandler]
    usual = [handler.formatter for handler in handlers]
    prefix = _prefix(account).replace("%", "%%")
    for handler in handlers:
        handler.setFormatter(logging.Formatter(LOG_FORMAT.replace("%(message)s", f"{prefix}%(message)s")))
    try:
        yield
    finally:
        for handler, formatter in zip(handlers, usual, strict=True):
            handler.setFormatter(formatter)


@dataclass(frozen=True)
class Outcome:
    """The end of an account's sync: its exit code, and the next steps."""

    code: int
    steps: Sequence[str] = ()


class Reporter:
    """Prints the course and the end of runs."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    @contextmanager
    def progress(self) -> Iterator[Report]:
        """Show progress as a bar on a terminal, elsewhere as a line every ten seconds."""
        if sys.stderr.isatty():
            with _bar() as update:
                yield update
        else:
            yield Lines(log.info)

    def finished(self, run: SyncRun, warehouse: str, account: str | None = None) -> None:
        """Print a finished run. `warehouse` says where the rows are. `account`, also below, is a configured account."""
        first, *others = run.summary().split("\n")
        where = f"  account {run.account_id}, written to {warehouse}"
        self.line(run.to_json(), f"{_prefix(account)}{first}", *others, where)
        for text in run.warnings():
            log.warning("%s", text)

    def line(self, as_json: str | None, *lines: str) -> None:
        """Print the JSON if JSON was asked for and is given, else the lines; no lines where JSON was asked for."""
        if not self.as_json:
            if lines:
                say(*lines)
        elif as_json is not None:
            say(as_json)

    def said(self, error: TcssError, account: str | None = None) -> None:
        """Print the line of a failure if JSON was asked for."""
        if self.as_json:
            say(error.run.to_json() if error.run else _failure(error, account))

    def failed(self, error: TcssError, account: str | None = None) -> None:
        self.said(error, account)
        say(f"error: {_prefix(account)}{error}", file=sys.stderr)

    def crashed(self, error: Exception, account: str | None = None) -> None:
        if self.as_json:
            say(_failure(error, account))
        log.debug("unexpected", exc_info=error)
        text = f"{_prefix(account)}unexpected {type(error).__name__}: {error}"
        say(f"error: {text}. Run `tcss --verbose ...` and report it.", file=sys.stderr)


def _prefix(account: str | None) -> str:
    return f"account {account}: " if account else ""


def _failure(error: Exception, account: str | None) -> str:
    facts = {
        "class": type(error).__name__,
        "code": getattr(error, "code", None),
        "message": getattr(error, "sentence", str(error)),
        "request_id": getattr(error, "request_id", None),
    }
    name = account or getattr(error, "account_name", None)
    named = {"account": name} if name else {}
    account_id = getattr(error, "account_id", None)
    whose = {"account_id": account_id, "account_name": None if name == account_id else name}  # prune calls it by its id
    return json.dumps({"verdict": "failed", **named, "error": facts, **whose})


class _Bar:
    """Draws a line for each phase: its images so far, and their speed. Phases may take turns."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._started: dict[str, float] = {}
        self._tasks: dict[str, TaskID] = {}
        self.begin(IMAGES)

    def begin(self, phase: str) -> None:
        self._phase = phase
        if phase not in self._tasks:
            self._started[phase] = time.monotonic()
            self._tasks[phase] = self._bar.add_task(phase, total=None, rates="")

    def __call__(self, shown: int, total: int | None, stats: CallStats) -> None:
        text = rates(shown, time.monotonic() - self._started[self._phase], stats)
        self._bar.update(self._tasks[self._phase], completed=shown, total=total, rates=text)


def rates(shown: int, seconds: float, stats: CallStats) -> str:
    """Say how quick a sync is."""
    text = f"{shown / max(seconds, 1e-3):,.0f} images/s, {stats.requests:,} requests"
    return f"{text}, {stats.throttled} throttled" if stats.throttled else text


@contextmanager
def _bar() -> Iterator[Report]:
    with drawn_progress() as bar:
        yield _Bar(bar)


def drawn_progress(*, auto_refresh: bool = True) -> Progress:
    """Return rich's display of bars on stderr, each with a text `rates`, which is gone after its block."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rates]}"),
        TimeRemainingColumn(),
    )
    console = Console(file=drawing(sys.stderr))
    return Progress(*columns, console=console, transient=True, auto_refresh=auto_refresh)
