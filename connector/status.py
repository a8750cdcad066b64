"""`tcss status`: the last runs, their verdicts, and how old the data is."""

from __future__ import annotations

import re
import tempfile
import time
from pathlib import Path
from typing import Any

from connector.destinations import Warehouse
from connector.errors import ConfigurationError
from connector.inventory import Inventory
from connector.reporting import Reporter, iso, summary, to_json
from connector.settings import Settings
from connector.source import AccountMemory

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def show(settings: Settings, reporter: Reporter, *, max_age: str | None, limit: int) -> int:
    """Prints the newest runs; 1 if there is no complete one, or the newest of an account is older than `max_age`."""
    oldest = None if max_age is None else _seconds(max_age)
    runs = _runs(settings)
    for run in runs[:limit]:
        reporter.line(to_json(run), f"{iso(run['started_at'])}  account {run['account_id']}  {summary(run)}")
    found = ages(runs, time.time_ns() // 1000)
    if not found:
        reporter.line(None, "no complete sync yet")
        return 1
    for account, age in sorted(found.items()):
        reporter.line(None, f"account {account}: the last complete sync started {age / 3600:.1f} h ago")
    return int(oldest is not None and max(found.values()) > oldest)


def _runs(settings: Settings) -> list[dict[str, Any]]:
    warehouse = Warehouse.open(settings.destination, settings.dataset)
    if warehouse.location.file is not None and not warehouse.location.file.exists():
        raise ConfigurationError(
            f"{warehouse.location.file} does not exist", hint="Name the warehouse with --destination."
        )
    with tempfile.TemporaryDirectory(prefix="tcss_status_") as directory:
        pipeline = warehouse.pipeline(settings.account_id or "status", Path(directory))
        inventory = Inventory(warehouse, pipeline)
        accounts = [settings.account_id] if settings.account_id else inventory.account_ids()
        runs = [run for account in accounts for run in AccountMemory(inventory, account).runs()]
    return sorted(runs, key=lambda run: run["started_at"], reverse=True)


def ages(runs: list[dict[str, Any]], now: int) -> dict[str, float]:
    """Seconds since the start of each account's newest complete, unfiltered run."""
    ages: dict[str, float] = {}
    for run in runs:
        if run["verdict"] == "complete" and run["filters"] is None:
            ages.setdefault(run["account_id"], (now - run["started_at"]) / 1e6)
    return ages


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text.strip())
    if not match:
        raise ConfigurationError(f"--max-age {text!r} is not a duration", hint="For example 26h, 90m or 2d.")
    return float(match[1]) * _UNITS[match[2]]
