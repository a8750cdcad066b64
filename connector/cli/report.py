"""Prints for `tcss`: progress and messages on stderr, results on stdout, JSON Lines where asked for."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
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


def say(*lines: str, file: TextIO | None = None) -> None:
    """Print these lines on stdout, or to `file`. No value can forge a line or control a terminal."""
    print(*map(visible, lines), sep="\n", file=file, flush=True)


class Reporter:
    """Prints the course and the end of runs."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

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
            log.warning("%s%s", _prefix(account), text)

    def line(self, as_json: str | None, *lines: str) -> None:
        """Print the JSON if JSON was asked for and is given, else the lines; no lines where JSON was asked for."""
        if not self._as_json:
            if lines:
                say(*lines)
        elif as_json is not None:
            say(as_json)

    def failed(self, error: TcssError, account: str | None = None) -> None:
        if self._as_json:
            say(error.run.to_json() if error.run else _failure(error, account))
        say(f"error: {_prefix(account)}{error}", file=sys.stderr)

    def crashed(self, error: Exception, account: str | None = None) -> None:
        if self._as_json:
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
    whose = {"account_id": getattr(error, "account_id", None), "account_name": name}
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
        elapsed = max(time.monotonic() - self._started[self._phase], 1e-3)
        rates = f"{shown / elapsed:,.0f} images/s, {stats.requests:,} requests"
        rates += f", {stats.throttled} throttled" if stats.throttled else ""
        self._bar.update(self._tasks[self._phase], completed=shown, total=total, rates=rates)


@contextmanager
def _bar() -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rates]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(file=drawing(sys.stderr)), transient=True) as bar:
        yield _Bar(bar)
