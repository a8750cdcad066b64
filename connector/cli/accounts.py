"""`tcss sync`: which accounts are synced, one after the other, and the exit code of all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from connector.cli.report import Reporter
from connector.errors import ConfigurationError, TcssError
from connector.settings import Settings, account_names
from connector.settings.values import pairs
from connector.sync import sync

WORST_FIRST = (1, 6, 3, 4, 7, 5, 2, 0)  # of several accounts, the first of these that one of them ended with

Names = Sequence[str | None]
"""Names of configured accounts; None is the only one."""


def chosen(account: str | None, *, all_accounts: bool, account_id: str | None) -> Names:
    """The accounts that the options mean. Raises ConfigurationError for options that exclude each other."""
    if not all_accounts:
        return [account]
    if account:
        raise ConfigurationError("--account and --all-accounts exclude each other")
    if account_id:
        raise ConfigurationError(
            "--account-id cannot be the id of all accounts",
            hint="Set account_id in each section [sources.tcss.accounts.<name>], or leave it to STS.",
        )
    names = account_names()
    if not names:
        raise ConfigurationError("no account is configured", hint="Name them in [sources.tcss.accounts.<name>].")
    return names


def filters(given: Sequence[str]) -> dict[str, list[str]] | None:
    """NAME=VALUE texts, by name. Raises ConfigurationError."""
    try:
        return pairs(given) or None
    except ValueError as error:
        raise ConfigurationError(f"--filter {error}") from None


def sync_all(names: Names, given: Mapping[str, Any], reporter: Reporter) -> int:
    """Syncs the accounts with the settings `given`; the exit code. One account alone raises its errors."""
    sync_one = partial(_sync_one, given=given, reporter=reporter)
    return sync_one(names[0]) if len(names) == 1 else _worst(names, sync_one, reporter)


def _sync_one(name: str | None, *, given: Mapping[str, Any], reporter: Reporter) -> int:
    settings = Settings.load(name, **given)
    with reporter.progress() as progress:
        run = sync(settings=settings, progress=progress)
    reporter.finished(run, account=name)
    return run.exit_code(strict=settings.strict)


def _worst(names: Names, sync_one: Callable[[str | None], int], reporter: Reporter) -> int:
    """Syncs every account, whatever happens to the others."""
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
