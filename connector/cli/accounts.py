"""Runs `tcss sync`: chooses the accounts, syncs each of them, and computes the common exit code."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from connector import texts
from connector.cli.report import Outcome, Reporter, log_lines_named
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
_ANOTHER_RUN = "run tcss sync again, which may read what is missing"
_SAME_ACCOUNT = "check that keys and --site are those of the account"
_PERSONS_STEPS = {
    "empty_list": _SAME_ACCOUNT,
    "too_many_gone": f"{_SAME_ACCOUNT}; if the images are gone, run once with --max-delete-share 1",
}
"""What helps where another run would end alike, by reason_code."""

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
        raise ConfigurationError(f"--filter {error}", hint="For example ScanStatus=SCANNED.") from None


def sync_all(names: Names, given: Mapping[str, Any], reporter: Reporter, jobs: int | None = None) -> int:
    """Sync the accounts with the settings `given`, print the next steps, and return the exit code: of several accounts
    the worst. A single account raises its errors. `jobs` is how many accounts are synced at once (`jobs.default`). Of
    several next steps that of the worst account is printed."""
    if len(names) == 1:
        outcomes = [_sync_one(names[0], reporter, given)]
    else:
        outcomes = _sync_each(names, partial(_outcome, given=given), given, reporter, jobs)
    worst_first = sorted(outcomes, key=lambda outcome: WORST_FIRST.index(outcome.code))
    if steps := [step for outcome in worst_first for step in outcome.steps]:
        reporter.line(None, steps[0])
    return worst(outcome.code for outcome in outcomes)


def worst(codes: Iterable[int]) -> int:
    """Return the worst of the exit codes."""
    return min(codes, key=WORST_FIRST.index)


def _sync_each(
    names: Names,
    sync_one: Callable[[str | None, Reporter], Outcome],
    given: Mapping[str, Any],
    reporter: Reporter,
    most: int | None,
) -> list[Outcome]:
    """Sync every account, whatever happens to the others."""
    from connector.cli import jobs

    most = jobs.default(len(names)) if most is None else min(most, len(names))
    if most == 1:
        return [sync_one(name, reporter) for name in names]
    return jobs.Jobs(sync_one, most, reporter).run(names, jobs.locations_of(names, given))


def _outcome(name: str | None, reporter: Reporter, given: Mapping[str, Any]) -> Outcome:
    """Sync one account of several, and print its error."""
    try:
        return _sync_one(name, reporter, given)
    except TcssError as error:
        reporter.failed(error, account=name)
        return Outcome(error.exit_code)
    except Exception as error:
        reporter.crashed(error, account=name)
        return Outcome(1)


def _sync_one(name: str | None, reporter: Reporter, given: Mapping[str, Any]) -> Outcome:
    settings = Settings.load(name, **given)
    with log_lines_named(name):
        with reporter.progress() as progress:
            run = sync(settings=settings, progress=progress)
        from connector.warehouse.locations import locate  # loaded by now, beside the first requests

        location = locate(settings.destination, settings.dataset)
        reporter.finished(run, _written_to(location), account=name)
    return Outcome(run.exit_code(strict=settings.strict), [_next_step(run, settings, location)])


def _written_to(location: Location) -> str:
    """Name the dataset and the warehouse; a file by its absolute path."""
    return f"{location.dataset} in {location.file.absolute() if location.file else location.display}"


def _next_step(run: SyncRun, settings: Settings, location: Location) -> str:
    if not run.complete:
        return f"next: {_PERSONS_STEPS.get(run.reason_code or '', _ANOTHER_RUN)}; tcss status shows the runs"
    # A server's URL is shown without password and options, so that nobody could use the URL as shown.
    values = {"destination": location.display if location.file else "...", "dataset": location.dataset}
    given = (f"--{name} {shlex.quote(v)}" for name, v in values.items() if settings.places().get(name) == GIVEN)
    return f"next: {' '.join(('tcss report', *given))} makes a page of the fleet; tcss tables explains the tables"
