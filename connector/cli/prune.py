"""Runs `tcss prune`: deletes what is older than a cut, account by account, each under its lock."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from connector.cli.durations import seconds_of
from connector.cli.report import Reporter
from connector.errors import ConfigurationError, DestinationError, LockedError
from connector.runs.identity import now, rfc3339
from connector.runs.policy import AHEAD
from connector.runs.standing import meant
from connector.settings import Settings
from connector.tables import IMAGE_HISTORY, IMAGE_SCANS, SYNC_RUNS
from connector.warehouse.inventory import Inventory
from connector.warehouse.locations import Location, locate
from connector.warehouse.locks import lock
from connector.warehouse.pipeline import open_pipeline
from connector.warehouse.pruning import KINDS, Pruner
from connector.warehouse.workdirs import workdir

_READ = (IMAGE_HISTORY, IMAGE_SCANS, SYNC_RUNS)
_NAME = "prune"  # for the pipeline and the lock, which usually have the name of an account


def prune(settings: Settings, reporter: Reporter, *, older_than: str, dry_run: bool) -> int:
    """Prune the account that the settings name, by its id or its name, or else all, and print a line per account;
    return the exit code.

    An account that a sync is writing to is left for the next time; the code is then that of LockedError. Raises
    ConfigurationError and DestinationError, also for tables of an older release.
    """
    age = int(seconds_of("--older-than", older_than) * 1e6)
    location = locate(settings.destination, settings.dataset)
    _refuse(location)
    with workdir() as directory:
        return _Pruning(location, directory, reporter, age, dry_run=dry_run).of(settings)


def _refuse(location: Location) -> None:
    if location.kind not in KINDS:
        raise ConfigurationError(
            f"{location.display} is of a kind that no test of the connector reaches, so it deletes nothing there",
            hint="Delete old rows with the database's own means; docs/operations.md says which rows have to stay.",
        )
    if location.file is not None and not location.file.exists():
        raise ConfigurationError(f"{location.file} does not exist", hint="Name the warehouse with --destination.")


class _Pruning:
    """One call of the command. `age` is in microseconds, and counts from the newest run of any account: a clock of this
    machine that is ahead deletes nothing that is younger."""

    def __init__(self, location: Location, directory: Path, reporter: Reporter, age: int, *, dry_run: bool) -> None:
        self._location, self._reporter, self._age, self._dry_run = location, reporter, age, dry_run
        pipeline = open_pipeline(location, _NAME, directory, read_only=dry_run)
        self._pipeline = pipeline
        self._inventory = Inventory(location, pipeline)
        self._cut = 0
        self._code = 0

    def of(self, settings: Settings) -> int:
        """Prune the accounts that the settings name, and dlt's list of loads."""
        with self._inventory.session():
            self._inventory.verify()
            accounts = meant(self._inventory, settings, self._location)
            missing = self._inventory.missing(_READ) if accounts else []
            newest = [] if missing else _instants(self._inventory.standings()["last_run"])
        self._cut = min([now(), *newest[-1:]]) - self._age
        if missing:
            hint = "Run `tcss sync` first: it makes tables, and adds the columns of this release."
            raise DestinationError(f"there is no {missing[0]} in {self._location}", hint=hint)
        if not accounts:
            self._reporter.line(None, f"nothing to prune: no account has images or runs in {self._location}")
            return self._code
        pruner = Pruner(self._location, self._pipeline, self._cut, believed=now() + AHEAD)
        for account in accounts:
            self._under_lock(account, account, partial(pruner.account, account))
        self._under_lock(_NAME, None, pruner.loads)
        return self._code

    def _under_lock(self, name: str, account: str | None, prune: Callable[..., dict[str, int]]) -> None:
        """Prune under the lock of that name; a dry run reads only, and takes no lock."""
        try:
            with nullcontext() if self._dry_run else lock(self._location, name):
                self._told(account, prune(dry_run=self._dry_run))
        except LockedError as error:
            error.account_id = account
            self._reporter.failed(error, account)
            self._code = error.exit_code

    def _told(self, account: str | None, rows: Mapping[str, int]) -> None:
        facts = {"account_id": account, "cut": rfc3339(self._cut), "dry_run": self._dry_run, "rows": rows}
        counts = ", ".join(f"{count:,} of {table}" for table, count in rows.items() if count) or "nothing"
        whose = f"account {account}" if account else "loads of all accounts"
        done = "would be deleted" if self._dry_run else "deleted"
        self._reporter.line(json.dumps(facts), f"{whose}: {counts} {done} (cut {rfc3339(self._cut)})")


def _instants(column: pa.ChunkedArray[Any]) -> list[int]:
    """Return instants in microseconds, the newest last."""
    return sorted(value for value in column.cast(pa.int64()).to_pylist() if value is not None)
