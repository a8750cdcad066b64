"""`tcss status`: the last runs, their verdicts, and how old the data is."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

from connector.cli.report import Reporter, iso, summary, to_json
from connector.errors import ConfigurationError
from connector.settings import Settings
from connector.warehouse.inventory import AccountInventory, Inventory
from connector.warehouse.locations import locate
from connector.warehouse.pipeline import open_pipeline

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def show(settings: Settings, reporter: Reporter, *, max_age: str | None, limit: int) -> int:
    """Prints the newest runs; 1 if there is no complete one, or an account has none that is younger than `max_age`."""
    oldest = None if max_age is None else _seconds(max_age)
    file = locate(settings.destination, settings.dataset).file
    if file is not None and not file.exists():
        raise ConfigurationError(f"{file} does not exist", hint="Name the warehouse with --destination.")
    by_account = _runs(settings)
    runs = sorted(chain(*by_account.values()), key=lambda run: run["started_at"], reverse=True)
    for run in runs[:limit]:
        reporter.line(to_json(run), f"{iso(run['started_at'])}  account {run['account_id']}  {summary(run)}")
    found = {account: age(of_account) for account, of_account in by_account.items()}
    if not found:
        reporter.line(None, "no complete sync yet")
    for account, seconds in sorted(found.items()):
        told = "no complete sync yet"
        if seconds is not None:
            told = f"the last complete sync started {seconds / 3600:.1f} h ago"
        reporter.line(None, f"account {account}: {told}")
    if oldest is None:
        return int(all(seconds is None for seconds in found.values()))
    return int(not found or any(seconds is None or seconds > oldest for seconds in found.values()))


def ages(settings: Settings) -> dict[str, float | None]:
    """By account, `age` in the warehouse; one that does not exist yet has no account.

    Raises ConfigurationError and DestinationError.
    """
    return {account: age(runs) for account, runs in _runs(settings).items()}


def age(runs: Iterable[dict[str, Any]]) -> float | None:
    """Seconds since the start of an account's newest complete, unfiltered run; None if it has none."""
    complete = (run["started_at"] for run in runs if run["verdict"] == "complete" and run["filters"] is None)
    newest = max(complete, default=None)
    return None if newest is None else (time.time_ns() // 1000 - newest) / 1e6


def _runs(settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """The runs of the account that the settings name, or else of each that the warehouse holds."""
    location = locate(settings.destination, settings.dataset)
    with tempfile.TemporaryDirectory(prefix="tcss_status_") as directory:
        pipeline = open_pipeline(location, settings.account_id or "status", Path(directory))
        inventory = Inventory(location, pipeline)
        accounts = [settings.account_id] if settings.account_id else sorted(inventory.account_ids())
        return {account: AccountInventory(inventory, account).runs() for account in accounts}


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text.strip())
    if not match:
        raise ConfigurationError(f"--max-age {text!r} is not a duration", hint="For example 26h, 90m or 2d.")
    return float(match[1]) * _UNITS[match[2]]
