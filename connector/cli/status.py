"""Runs `tcss status`: prints the last runs, their verdicts, and how old the data is."""

from __future__ import annotations

from collections.abc import Mapping

from connector.cli.durations import seconds_of
from connector.cli.report import Reporter
from connector.errors import ConfigurationError
from connector.runs.freshness import Freshness, stored
from connector.runs.identity import rfc3339
from connector.settings import Settings
from connector.warehouse.locations import locate


def show(settings: Settings, reporter: Reporter, *, max_age: str | None, limit: int) -> int:
    """Print the newest runs, and how old the data of each account is; return the exit code."""
    oldest = None if max_age is None else seconds_of("--max-age", max_age)
    file = locate(settings.destination, settings.dataset).file
    if file is not None and not file.exists():
        raise ConfigurationError(f"{file} does not exist", hint="Name the warehouse with --destination.")
    newest, found = stored(settings, limit)
    for run in newest:
        first, *others = run.summary().split("\n")
        reporter.line(run.to_json(), f"{rfc3339(run.started_at)}  account {run.account_id}  {first}", *others)
    if not found:
        reporter.line(None, "no complete sync yet")
    for account, freshness in found.items():
        reporter.line(None, f"account {account}: {freshness}")
    return _exit_code(found, oldest)


def _exit_code(found: Mapping[str, Freshness], oldest: float | None) -> int:
    """Return 1 if there is no complete run; with `oldest`, also if an account has no complete run that is younger."""
    if oldest is None:
        return int(all(freshness.seconds is None for freshness in found.values()))
    return int(not found or any(not freshness.within(oldest) for freshness in found.values()))
