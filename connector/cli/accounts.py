"""Runs `tcss sync`: chooses the accounts, syncs one after the other, and computes the common exit code."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from connector import texts
from connector.cli.report import Reporter
from connector.errors import ConfigurationError, TcssError
from connector.settings import Settings, account_names, shared_keys
from connector.settings.places import GIVEN
from connector.settings.values import pairs
from connector.sync import sync
from connector.texts import some_of

if TYPE_CHECKING:
    from connector.runs.row import SyncRun
    from connector.warehouse.locations import Location

log = texts.logger("connector")
_TO_HAVE_THAT = "to have that, write them into a section [sources.tcss.accounts.<name>.credentials]"
WORST_FIRST = (1, 6, 3, 4, 7, 5, 2, 0)  # the first of these codes that any account ended with is the exit code

Names = Sequence[str | None]
"""Names of configured accounts; None stands for the only account."""


def chosen(account: str | None, *, all_accounts: bool, account_id: str | None, api: bool = False) -> Names:
    """Return the accounts that the options mean. Raises ConfigurationError for options that exclude each other."""
    if not all_accounts:
        return [account]
    if account:
        raise ConfigurationError("--account and --all-accounts exclude each other")
    if api:
        raise ConfigurationError("--api and --all-accounts exclude each other", hint="Name an account with --account.")
    if account_id:
        raise ConfigurationError(
            "--account-id cannot be the id of all accounts",
            hint="Set account_id in each section [sources.tcss.accounts.<name>], or leave it to STS.",
        )
    names = account_names()
    if not names:
        hint = "Name them in [sources.tcss.accounts.<name>], or in the file of accounts_from."
        raise ConfigurationError("no account is configured", hint=hint)
    log.info("--all-accounts takes %d accounts: %s", len(names), ", ".join(some_of(names)))
    if place := shared_keys():
        log.info("the keys of %s are no account of their own for --all-accounts; %s", place, _TO_HAVE_THAT)
    return names


def filters(given: Sequence[str]) -> dict[str, list[str]] | None:
    """Group NAME=VALUE texts by name. Raises ConfigurationError."""
    try:
        return pairs(given) or None
    except ValueError as error:
        raise ConfigurationError(f"--filter {error}") from None


def sync_all(names: Names, given: Mapping[str, Any], reporter: Reporter) -> int:
    """Sync the accounts with the settings `given`, print the next steps, and return the exit code. A single account
    raises its errors."""
    steps: list[str] = []
    sync_one = partial(_sync_one, given=given, reporter=reporter, steps=steps)
    code = sync_one(names[0]) if len(names) == 1 else _worst(names, sync_one, reporter)
    if steps:
        reporter.line(None, steps[-1])
    return code


def _sync_one(name: str | None, *, given: Mapping[str, Any], reporter: Reporter, steps: list[str]) -> int:
    """Sync one account, and add the next step to `steps`."""
    settings = Settings.load(name, **given)
    with reporter.progress() as progress:
        run = sync(settings=settings, progress=progress)
    from connector.warehouse.locations import locate  # loaded by now, beside the first requests

    location = locate(settings.destination, settings.dataset)
    reporter.finished(run, _written_to(location), account=name)
    steps.append(_next_step(run, settings, location))
    return run.exit_code(strict=settings.strict)


def _written_to(location: Location) -> str:
    """Name the dataset and the warehouse; a file by its absolute path."""
    return f"{location.dataset} in {location.file.absolute() if location.file else location.display}"


def _next_step(run: SyncRun, settings: Settings, location: Location) -> str:
    if not run.complete:
        return "next: run tcss sync again, which may read what is missing; tcss status shows the runs"
    # A server's URL is shown without password and options, so that nobody could use the URL as shown.
    values = {"destination": location.display if location.file else "...", "dataset": location.dataset}
    given = (f"--{name} {shlex.quote(v)}" for name, v in values.items() if settings.places().get(name) == GIVEN)
    return f"next: {' '.join(('tcss report', *given))} makes a page of the fleet; tcss tables explains the tables"


def _worst(names: Names, sync_one: Callable[[str | None], int], reporter: Reporter) -> int:
    """Sync every account, whatever happens to the others, and return the worst exit code."""
    codes = []
    for name in names:
        try:
            codes.append(sync_one(name))
        except TcssError as error:
            reporter.failed(error, account=name)
            codes.append(error.exit_code)
        except Exception as error:
            reporter.crashed(error, account=name)
            codes.append(1)
    return min(codes, key=WORST_FIRST.index)
