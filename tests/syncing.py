"""Runs whole syncs into a place, in this process or in another; one helper stops a sync in mid-load for another."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any
from unittest import mock

from dlt.common.destination.client import RunnableLoadJob

import connector.sync
from connector.errors import TcssError
from connector.images.records import ItemParser, Record
from connector.runs.progress import Report
from connector.sandbox import Fleet
from connector.sandbox.identity import DEFAULT_ID, DEFAULT_KEY, Account
from connector.settings import Settings
from connector.warehouse.duckdb import MergeFile
from connector.warehouse.locations import Location
from tests import hints
from tests.warehouses import Place

PROCESSES = multiprocessing.get_context("forkserver")

Row = dict[str, Any]


def sync(place: Place, endpoint: str, progress: Report | None = None, **given: Any) -> Row:
    """Sync the sandbox's first account, unless `given` has other keys, and return the run's row."""
    return connector.sync.sync(settings=Settings.load(**settings_of(place, endpoint, given)), progress=progress)


def start(place: Place, endpoint: str, account: Account, *, staging: str | None = None) -> BaseProcess:
    """Start a full sync of an account in a process of its own, which ends with the exit code of `tcss sync`."""
    given = {"mode": "full", "credentials": keys(account)}
    process = PROCESSES.Process(target=_run, args=(settings_of(place, endpoint, given), staging))
    process.start()
    return process


def ended(process: BaseProcess) -> int | None:
    """Return the exit code of a process that has two minutes."""
    process.join(120)
    return process.exitcode


def keys(account: Account) -> dict[str, str]:
    return {"secret_id": account.secret_id, "secret_key": account.secret_key}


def settings_of(place: Place, endpoint: str, given: dict[str, Any]) -> dict[str, Any]:
    default = {"secret_id": DEFAULT_ID, "secret_key": DEFAULT_KEY}
    where = {"destination": place.url, "dataset": place.dataset, "endpoint": endpoint}
    at_once = {"requests_per_second": 1e6, "max_delete_share": 1.0, "confirm_gone_after": 0}
    return {**where, "credentials": default, **at_once, **given}


def _run(settings: dict[str, Any], staging: str | None) -> None:
    hints.remember()
    try:
        with staging_named(staging), mock.patch("connector.runs.run.round_trip"):
            connector.sync.sync(settings=Settings.load(**settings))
    except TcssError as error:
        print(error, file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)


@contextmanager
def staging_named(name: str | None) -> Iterator[None]:
    """Let all accounts share the staging dataset of that name; None: each has its own, as in production."""

    def shared(location: Location, account_id: str, *, run: str | None = None) -> str:
        return location.staging_named(str(name))

    with mock.patch.object(Location, "staging", Location.staging if name is None else shared):
        yield


@contextmanager
def before_the_merge(table: str, act: Callable[[], None]) -> Iterator[None]:
    """Act once: when rows of the table are in staging (with DuckDB, in their file), before they are merged.

    The round trip of texts, which merges rows of its own into another dataset, is left out.
    """
    run, waiting = RunnableLoadJob.run_managed, [act]

    def managed(job: RunnableLoadJob, *args: Any, **options: Any) -> None:
        about = job.job_file_info()
        merges = about.file_format == "sql" or isinstance(job, MergeFile)
        if about.table_name == table and merges and waiting:
            waiting.pop()()
        run(job, *args, **options)

    no_round_trip = mock.patch("connector.runs.run.round_trip")
    with no_round_trip, mock.patch.object(RunnableLoadJob, "run_managed", managed):
        yield
    assert not waiting, f"nothing was merged into {table}"


def truth(fleet: Fleet) -> dict[str, str]:
    """Return ImageID -> row_hash of every image that is listed now."""
    records = ItemParser().parse([*fleet.truth().values()])
    return {record.image_id: record.row_hash for record in records if isinstance(record, Record)}


def loaded(place: Place, account_id: str) -> dict[str, str]:
    """Return ImageID -> row_hash of the account's images in the warehouse that are not gone."""
    where = f"account_id = '{account_id}' AND deleted_at IS NULL"
    rows = place.sql(f"SELECT image_id, row_hash FROM {{data}}.images WHERE {where}")
    found = dict(rows)
    assert len(found) == len(rows), "an image is doubled"
    return found
