"""What `tcss` prints: progress and messages on stderr, results on stdout, JSON Lines where asked for."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from connector.api.answers import CallStats
from connector.errors import TcssError
from connector.tables import SYNC_RUNS

log = logging.getLogger("connector")

LOG_EVERY = 10.0  # seconds between two lines of progress in a log
Row = Mapping[str, Any]

_TIMES = tuple(column.name for column in SYNC_RUNS.columns if column.type == "timestamp")


def exit_code(row: Row, *, strict: bool) -> int:
    """0 for a complete run, 5 for a partial one, and under `strict` for one with rejected values."""
    return 0 if row["verdict"] == "complete" and not (strict and row["values_rejected"]) else 5


def to_json(row: Row) -> str:
    """A row as one line of JSON, instants in RFC 3339."""
    return json.dumps(
        {name: iso(value) if name in _TIMES else value for name, value in row.items()}, ensure_ascii=False
    )


def iso(instant: int | None) -> str | None:
    """An instant in microseconds as RFC 3339, UTC."""
    return None if instant is None else when(instant).isoformat().replace("+00:00", "Z")


def when(instant: int) -> datetime:
    return datetime.fromtimestamp(instant / 1e6, UTC)


class Reporter:
    """Prints the course and the end of runs."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    @contextmanager
    def progress(self) -> Iterator[Callable[[int, int | None, CallStats], None]]:
        """A bar on a terminal, a line every ten seconds elsewhere."""
        if sys.stderr.isatty():
            with _bar() as update:
                yield update
        else:
            yield Lines(log.info)

    def finished(self, row: Row, account: str | None = None) -> None:
        """`account` is the name of a configured account, here and below."""
        print(to_json(row) if self._as_json else f"{_prefix(account)}{summary(row)}", flush=True)  # noqa: T201
        for text in warnings(row):
            log.warning("%s%s", _prefix(account), text)

    def line(self, as_json: str | None, text: str) -> None:
        """The JSON, or the text; nothing where JSON is asked for and there is none."""
        if not self._as_json:
            print(text, flush=True)  # noqa: T201
        elif as_json is not None:
            print(as_json, flush=True)  # noqa: T201

    def failed(self, error: TcssError, account: str | None = None) -> None:
        if self._as_json:
            print(to_json(error.run) if error.run else _failure(error, account), flush=True)  # noqa: T201
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
    return json.dumps({"verdict": "failed", **named, "error": facts}, ensure_ascii=False)


def summary(row: Row) -> str:
    """A run in two lines."""
    seconds = (row["finished_at"] - row["started_at"]) / 1e6
    counts = ", ".join(
        f"{row[f'images_{name}']:,} {name}" for name in ("new", "changed", "unchanged", "gone", "returned")
    )
    return (
        f"{row['verdict']} ({row['verdict_reason']}): {row['images_listed']:,} images listed, {row['mode']} sweep "
        f"({row['mode_reason']})\n  {counts}; {row['requests']:,} requests, {row['throttled']:,} throttled, "
        f"{seconds:.1f} s"
    )


def warnings(row: Row) -> Iterator[str]:
    """What a person should know of a run that ended well."""
    if row["values_rejected"]:
        yield f"{row['values_rejected']} values could not be read: see the table rejected_values"
    if row["unknown_fields"]:
        yield f"the API sends fields that this release does not know: {row['unknown_fields']}; they are in column extra"
    if row["verdict"] == "complete" and row["mode"] == "full" and not row["images_listed"] and not row["filters"]:
        yield "the account has no images: check --site (intl or cn) and that agents are installed"


class Lines:
    """Progress in a log: calls `say` with a format and its values, as a logger's method, every ten seconds at most."""

    def __init__(self, say: Callable[..., None]) -> None:
        self._say = say
        self._last = time.monotonic()

    def __call__(self, shown: int, total: int | None, stats: CallStats) -> None:
        if time.monotonic() - self._last >= LOG_EVERY:
            self._last = time.monotonic()
            self._say("%s of %s images, %s requests, %s throttled", shown, total, stats.requests, stats.throttled)


@contextmanager
def _bar() -> Iterator[Callable[[int, int | None, CallStats], None]]:
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
