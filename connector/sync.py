"""`sync`, from keys to committed tables: what `tcss sync` and the orchestrators call."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from connector.api.answers import CallStats
from connector.settings import Settings
from connector.tables import Row

Progress = Callable[[int, int | None, CallStats], None]

_PREFIX = "tcss_sync_"
_STALE = 86_400  # seconds after which a working directory was left by a process that was killed


def sync(*, settings: Settings | None = None, progress: Progress | None = None, **given: Any) -> Row:
    """Brings the warehouse up to date with one account, and returns the run's row in `sync_runs`.

    `given` are fields of `Settings`, such as `destination`; what is not given is taken from `[sources.tcss]`.
    `progress` gets (images shown so far, TotalCount, the client's counters) after each page.

    Raises ConfigurationError, AccessError, UnavailableError, LockedError or DestinationError; the error's `run` is the
    row, if one was written.
    """
    settings = settings or Settings.load(**given)
    with settings.client() as client, _meanwhile(lambda: settings.account_id or client.account_id()) as asked:
        from connector.runs.run import Run  # takes as long as STS does
        from connector.warehouse.locations import locate
        from connector.warehouse.locks import lock
        from connector.warehouse.probes import probe

        location = locate(settings.destination, settings.dataset)
        account_id = asked.result()
        with lock(location, account_id) as still_held, _workdir() as workdir:
            probe(location)
            run = Run(settings, location, client, account_id, workdir, still_held)
            try:
                return run.run(progress)
            finally:
                run.clean_up()


@contextmanager
def _meanwhile(call: Callable[[], str]) -> Iterator[Future[str]]:
    """What the call gives, later; where nobody wants it any more, it is waited for a second at most."""
    future: Future[str] = Future()

    def work() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield future
    finally:
        thread.join(1)


@contextmanager
def _workdir() -> Iterator[Path]:
    """A new directory, removed afterwards; what killed runs left more than a day ago goes too."""
    root = Path(tempfile.gettempdir())
    for left in root.glob(f"{_PREFIX}*"):
        try:
            if time.time() - left.stat().st_mtime > _STALE:
                shutil.rmtree(left, ignore_errors=True)
        except OSError:
            continue
    directory = Path(tempfile.mkdtemp(prefix=_PREFIX))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
