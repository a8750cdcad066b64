"""What `tcss` prints: progress and messages on stderr, results on stdout, JSON Lines where asked for."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from connector.api.answers import CallStats
from connector.errors import TcssError
from connector.runs.progress import Lines, Report

if TYPE_CHECKING:
    from connector.runs.row import SyncRun

log = logging.getLogger("connector")


class Reporter:
    """Prints the course and the end of runs."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    @contextmanager
    def progress(self) -> Iterator[Report]:
        """A bar on a terminal, a line every ten seconds elsewhere."""
        if sys.stderr.isatty():
            with _bar() as update:
                yield update
        else:
            yield Lines(log.info)

    def finished(self, run: SyncRun, account: str | None = None) -> None:
        """`account` is the name of a configured account, here and below."""
        print(run.to_json() if self._as_json else f"{_prefix(account)}{run.summary()}", flush=True)  # noqa: T201
        for text in run.warnings():
            log.warning("%s%s", _prefix(account), text)

    def line(self, as_json: str | None, text: str) -> None:
        """The JSON, or the text; nothing where JSON is asked for and there is none."""
        if not self._as_json:
            print(text, flush=True)  # noqa: T201
        elif as_json is not None:
            print(as_json, flush=True)  # noqa: T201

    def failed(self, error: TcssError, account: str | None = None) -> None:
        if self._as_json:
            print(error.run.to_json() if error.run else _failure(error, account), flush=True)  # noqa: T201
        print(f"error: {_prefix(account)}{error}", file=sys.stderr, flush=True)  # noqa: T201

    def crashed(self, error: Exception, account: str | None = None) -> None:
        if self._as_json:
            print(_failure(error, account), flush=True)  # noqa: T201
        log.debug("unexpected", exc_info=error)
        text = f"{_prefix(account)}unexpected {type(error).__name__}: {error}"
        print(f"error: {text}. Run `tcss --verbose ...` and report it.", file=sys.stderr)  # noqa: T201


def _prefix(account: str | None) -> str:
    return f"account {account}: " if account else ""


def _failure(error: Exception, account: str | None) -> str:
    facts = {
        "class": type(error).__name__,
        "code": getattr(error, "code", None),
        "message": str(error),
        "request_id": getattr(error, "request_id", None),
    }
    named = {"account": account} if account else {}
    return json.dumps({"verdict": "failed", **named, "error": facts})


@contextmanager
def _bar() -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("images"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rates]}"),
        TimeRemainingColumn(),
    )
    started = time.monotonic()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("sweep", total=None, rates="")

        def update(shown: int, total: int | None, stats: CallStats) -> None:
            elapsed = max(time.monotonic() - started, 1e-3)
            rates = f"{shown / elapsed:,.0f} images/s, {stats.requests / elapsed:.1f} requests/s"
            rates += f", {stats.throttled} throttled" if stats.throttled else ""
            bar.update(task, completed=shown, total=total, rates=rates)

        yield update
