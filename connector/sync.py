"""`sync`, from keys to committed tables: what `tcss sync` and the orchestrators call."""

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
from connector.tables import ALL_TABLES, TABLES

if TYPE_CHECKING:
    from connector.api.client import Client
    from connector.runs.progress import Report
    from connector.runs.row import SyncRun
    from connector.runs.run import Run
_PREFIX = "tcss_sync_"
_STALE = 86_400  # seconds after which a working directory was left by a process that was killed


def sync(
    account: str | None = None,
    *,
    settings: Settings | None = None,
    progress: Report | None = None,
    **given: Unpack[Given],
) -> SyncRun:
    """Brings the warehouse up to date with one account, and returns the run's row in `sync_runs`.

    `account` is the name of a configured account. `given` are fields of `Settings`, such as `destination`; what is not
    given is looked up (`Settings.load`). `settings` take the place of both. `progress` gets (images shown so far,
    TotalCount, the client's counters) after each page.

    Raises ConfigurationError, AccessError, UnavailableError, LockedError or DestinationError; the error's `run` is the
    row, if one was written.
    """
    settings = _settings(settings, account, given)
    with client_of(settings) as client, _asked_meanwhile(settings, client) as account_id:
        from connector.runs.run import Run  # takes as long as STS does
        from connector.warehouse import workdirs
        from connector.warehouse.locations import locate
        from connector.warehouse.locks import lock
        from connector.warehouse.probes import probe

        location = locate(settings.destination, settings.dataset)
        with lock(location, account_id.result()) as still_held, workdirs.held(_PREFIX, _STALE) as workdir:
            probe(location)
            identity = Identity.new(account_id.result(), client.now())
            tables = ALL_TABLES if settings.detail else TABLES
            run = Run(settings, client, identity, location, workdir, still_held, tables)
            try:
                row = run.execute(progress)
                return _with_details(row, run, settings, client, workdir, progress) if settings.detail else row
            finally:
                run.clean_up()


def _with_details(
    row: SyncRun, run: Run, settings: Settings, client: Client, workdir: Path, progress: Report | None
) -> SyncRun:
    """The row with those of the details, which are read once the images are committed."""
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
    """The account's id (`account_of`), for which the server is asked beside what follows.

    Where nobody wants the id any more, the request under way has a second to end.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix="tcss-account")
    asked = pool.submit(account_of, settings, client)
    try:
        yield asked
    finally:
        wait([asked], timeout=1)
        pool.shutdown(wait=False)


class _Function(ModuleType):
    """Once this module is imported, Python binds `connector.sync` to the module: so that is the function, too."""

    __call__ = staticmethod(sync)


sys.modules[__name__].__class__ = _Function
