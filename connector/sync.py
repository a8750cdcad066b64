"""Runs `sync`, from keys to committed tables, for `tcss sync` and the orchestrators."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Unpack

from connector.errors import ConfigurationError, TcssError
from connector.runs.assembly import account_of, client_of
from connector.runs.identity import Identity
from connector.settings import Given, Settings
from connector.tables import LOADED_TABLES, TABLES

if TYPE_CHECKING:
    from connector.api.client import Client
    from connector.runs.progress import Report
    from connector.runs.row import SyncRun
    from connector.runs.run import Run


def sync(
    account: str | None = None,
    *,
    settings: Settings | None = None,
    progress: Report | None = None,
    **given: Unpack[Given],
) -> SyncRun:
    """Bring the warehouse up to date with one account, and return the run's row in `sync_runs`.

    `account` is the name of a configured account. `given` are fields of `Settings`, such as `destination`; other fields
    are looked up (`Settings.load`). `settings` replace both. `progress` gets (images shown so far, TotalCount, the
    client's counters) after each page.

    Raises ConfigurationError, AccessError, UnavailableError, LockedError or DestinationError; the error's `run` is the
    row, if a row was written.
    """
    settings = _settings(settings, account, given)
    with client_of(settings) as client, _asked_meanwhile(settings, client) as account_id:
        from connector.runs.run import Run  # this import takes as long as the request to STS
        from connector.warehouse import workdirs
        from connector.warehouse.locations import locate
        from connector.warehouse.locks import lock
        from connector.warehouse.probes import probed

        location = locate(settings.destination, settings.dataset)
        with lock(location, account_id.result()) as still_held, workdirs.held(workdirs.SYNC) as workdir:
            with probed(location):
                identity = Identity.new(account_id.result(), client.now(), settings.account_name())
                tables = LOADED_TABLES if settings.detail else TABLES
                run = Run(settings, client, identity, location, workdir, still_held, tables)
            try:
                row = run.execute(progress)
                if settings.detail:
                    row = _with_details(row, run, settings, client, workdir, progress)
                return replace(row, rows_written=dict(run.loader.written))
            finally:
                run.clean_up()


def _with_details(
    row: SyncRun, run: Run, settings: Settings, client: Client, workdir: Path, progress: Report | None
) -> SyncRun:
    """Read the details, once the images are committed, and return the run's row with the rows of the details."""
    from connector.detail.run import Details
    from connector.detail.store import Store

    store = Store(run.inventory, run.loader, run.identity, workdir, run.still_held)
    try:
        return replace(row, details=Details(settings, client, run.identity, store).execute(progress))
    except TcssError as error:
        error.run = row
        raise


def _settings(settings: Settings | None, account: str | None, given: Given) -> Settings:
    if settings is None:
        return Settings.load(account, **given)
    if account is not None or given:
        names = ", ".join((*(["account"] if account is not None else []), *given))
        raise ConfigurationError(f"settings are given, and {names} as well", hint="Give them to Settings.load.")
    settings.check()
    return settings


@contextmanager
def _asked_meanwhile(settings: Settings, client: Client) -> Iterator[Future[str]]:
    """Yield the account's id (`account_of`), which is asked for while other work goes on. An error says whose it is.

    If the id is no longer needed, the request under way has a second to end.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix="tcss-account")
    asked = pool.submit(account_of, settings, client)
    try:
        yield asked
    except TcssError as error:
        known = asked.done() and not asked.cancelled() and asked.exception() is None
        error.account_id = settings.account_id or (asked.result() if known else None)
        error.account_name = settings.account_name()
        raise
    finally:
        wait([asked], timeout=1)
        pool.shutdown(wait=False)


class _Function(ModuleType):
    """Lets `connector.sync` be called, because Python binds that name to this module once the module is imported."""

    __call__ = staticmethod(sync)


sys.modules[__name__].__class__ = _Function
