"""Runs `tcss check --all-accounts`: tries each warehouse once, and what each account needs of the API, side by side."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from connector import texts
from connector.cli.accounts import WORST_FIRST, Names
from connector.cli.check import Report, check_api, check_destination
from connector.cli.report import say
from connector.errors import TcssError
from connector.settings import Settings

log = texts.logger("connector")
AT_ONCE = 8  # accounts, each of which has a rate limit of its own
_SHOWN = ("signature", "permission", "licence")

Place = tuple[str, str | None]
"""A destination and a dataset."""


def check_all(names: Names, given: Mapping[str, Any], *, as_json: bool) -> int:
    """Check the accounts with the settings `given`, print a line for each, and return the worst exit code.

    A line says what the account has, or is the first thing that failed. A warehouse is checked before the accounts, and
    once for all that share it.
    """
    loaded = {str(name): _loaded(str(name), given) for name in names}
    places = {_place(settings): settings for settings, _ in loaded.values() if settings}
    warehouses = {place: _warehouse(settings, as_json=as_json) for place, settings in places.items()}
    codes = [report.code for report in warehouses.values()]
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="tcss-check") as pool:
        for name, report in zip(loaded, pool.map(_checked, *zip(*loaded.values(), strict=True)), strict=True):
            settings, _ = loaded[name]
            _tell(name, report, warehouses[_place(settings)] if settings else None, as_json=as_json)
            codes.append(report.code)
    return min(codes, key=WORST_FIRST.index)


def _loaded(name: str, given: Mapping[str, Any]) -> tuple[Settings | None, Report]:
    """Return the account's settings and its report, which has failed if there are no settings."""
    report = Report(lambda _: None, str(given.get("site") or "intl"))
    try:
        settings = Settings.load(name, **given)
    except TcssError as error:
        report.failed("settings", error)
        return None, report
    report.site = settings.site
    return settings, report


def _place(settings: Settings) -> Place:
    return settings.destination, settings.dataset


def _warehouse(settings: Settings, *, as_json: bool) -> Report:
    report = Report((lambda _: None) if as_json else say, settings.site)
    check_destination(settings, report)
    if as_json:
        _complain(report.failures)
    return report


def _checked(settings: Settings | None, report: Report) -> Report:
    if settings is not None:
        try:
            check_api(settings, report)
        except TcssError as error:
            report.failed("keys", error)
        except Exception as error:  # the others are checked all the same
            log.debug("unexpected", exc_info=error)
            report.failed("check", TcssError(f"unexpected {type(error).__name__}: {error}"))
    return report


def _tell(name: str, report: Report, warehouse: Report | None, *, as_json: bool) -> None:
    failures = [failure.replace("  ", f"  {name}: ", 1) for failure in report.failures]
    if as_json:
        checks = {**report.checks, **(warehouse.checks if warehouse else {})}
        code = report.code or (warehouse.code if warehouse else 0)
        whose = {"account_id": report.account_id, "account_name": name}
        say(json.dumps({**whose, "exit_code": code, "site": report.site, "checks": checks}))
        _complain(failures)
    else:
        say(*(failures or _fine(name, report)))


def _fine(name: str, report: Report) -> Iterator[str]:
    yield f"ok      {name}: {'; '.join(report.texts[check] for check in _SHOWN)}"


def _complain(failures: Sequence[str]) -> None:
    if failures:
        say(*failures, file=sys.stderr)
