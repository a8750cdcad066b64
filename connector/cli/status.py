"""Runs `tcss status`: prints the last runs, their verdicts, and how old the data is."""

from __future__ import annotations

import re
from collections.abc import Mapping

from connector.cli.report import Reporter
from connector.errors import ConfigurationError
from connector.runs.freshness import Freshness, stored
from connector.runs.identity import rfc3339
from connector.settings import Settings
from connector.warehouse.locations import locate

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def show(settings: Settings, reporter: Reporter, *, max_age: str | None, limit: int) -> int:
    """Print the newest runs, and how old the data of each account is; return the exit code."""
    oldest = None if max_age is None else _seconds(max_age)
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


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text.strip())
    if not match:
        raise ConfigurationError(f"--max-age {text!r} is not a duration", hint="For example 26h, 90m or 2d.")
    return float(match[1]) * _UNITS[match[2]]
