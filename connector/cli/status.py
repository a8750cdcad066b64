"""Runs `tcss status`: prints the last runs, how each account stands, and which account's data is too old."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from connector.cli.durations import seconds_of
from connector.cli.grids import grid
from connector.cli.report import Reporter, say
from connector.errors import ConfigurationError
from connector.runs.identity import now, rfc3339
from connector.runs.standing import Standing, stored
from connector.settings import Settings
from connector.texts import visible
from connector.warehouse.locations import locate

TOO_OLD = 5
HEADS = ("ACCOUNT", "COMPLETE AS OF", "AGE", "LAST RUN", "VERDICT", "IMAGES", "BEHIND")


def show(settings: Settings, reporter: Reporter, *, max_age: str | None, limit: int) -> int:
    """Print the newest runs, at most `limit`, and how each account stands; return the exit code. With a limit of 0, a
    line of JSON is an account and no run."""
    oldest = None if max_age is None else seconds_of("--max-age", max_age)
    location = locate(settings.destination, settings.dataset)
    file = location.file
    if file is not None and not file.exists():
        raise ConfigurationError(f"{file} does not exist", hint="Name the warehouse with --destination.")
    newest, accounts, unknown = stored(settings, limit)
    for run in newest:
        started_at = rfc3339(run.started_at // 1_000_000 * 1_000_000)
        first, *others = run.summary().split("\n")
        reporter.line(run.to_json(), f"{started_at}  account {run.account_id}  {first}", *others)
    for one in accounts if limit == 0 else ():
        reporter.line(json.dumps(_facts(one, oldest)))
    complete = any(one.freshness.seconds is not None for one in accounts)
    none = f"no complete sync yet in {location}"
    if not accounts:
        none += ": run `tcss sync`, or name another warehouse with --destination and --dataset"
    reporter.line(None, *([""] if newest else []), *([] if complete else [none]), *_table(accounts))
    if unknown is not None:  # not an error, because a monitor may ask before the account's first sync
        say(f"note: {unknown}", file=sys.stderr)
    if oldest is not None:
        return _judged(accounts, oldest, str(max_age))
    if reporter.as_json and not complete:
        say(none, file=sys.stderr)
    return int(not complete)


def _facts(one: Standing, oldest: float | None) -> dict[str, object]:
    too_old = {} if oldest is None else {"too_old": not one.freshness.within(oldest)}
    return {**one.as_json(), **too_old}


def _judged(accounts: Sequence[Standing], oldest: float, max_age: str) -> int:
    """Say on stderr which accounts have no complete run that is younger, and return the exit code."""
    old = [f"{one.title}: {one.freshness}" for one in accounts if not one.freshness.within(oldest)]
    if not accounts:
        old = ["no account has a complete sync yet"]
    if old:
        say(f"older than {max_age}:", *(f"  {line}" for line in old), file=sys.stderr)
    return TOO_OLD if old else 0


def _table(accounts: Sequence[Standing]) -> Iterator[str]:
    """Yield a line for each account, and what the columns cannot say."""
    if accounts:
        names = [one.account_name for one in accounts]
        unique = {name for name in names if name and names.count(name) == 1}
        present = now()
        rows = (_row(one, present, named=one.account_name in unique) for one in accounts)
        yield from grid(HEADS, rows, numbers=2, folded=1)
    for one in accounts:
        if one.freshness.ahead is not None:
            yield f"{one.title}: {one.freshness}"


def _row(one: Standing, present: int, *, named: bool) -> Sequence[str]:
    complete_at, last_run_at = one.freshness.started_at, one.last_run_at
    behind = [count for count in one.behind.values() if count is not None]
    return (
        visible(one.account_name if named and one.account_name else one.title),
        "never" if complete_at is None else f"{datetime.fromtimestamp(complete_at / 1e6, UTC):%Y-%m-%d %H:%MZ}",
        _age(one.freshness.seconds),
        _age(None if last_run_at is None else (present - last_run_at) / 1e6),
        one.verdict or "",
        "" if one.images is None else f"{one.images:,}",
        f"{sum(behind):,}" if behind else "",
    )


def _age(seconds: float | None) -> str:
    """Write an age in hours, or from two days on in days."""
    if seconds is None:
        return ""
    hours = seconds / 3600
    return f"{hours:.1f} h" if abs(hours) < 48 else f"{hours / 24:.0f} d"
