"""Finds the configured accounts: sections `[sources.tcss.accounts.<name>]`, variables with upper-case names, and the
lines of the file that `accounts_from` names."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator

from connector.errors import ConfigurationError
from connector.settings.members import members
from connector.settings.places import (
    SECTION,
    files,
    in_dlt,
    in_environment,
    own_section,
    place_of,
    tree,
    unquoted,
    written,
)
from connector.settings.values import meant
from connector.texts import some_of

IN_ENVIRONMENT = "__".join((*SECTION, "accounts", "")).upper()


def account_names() -> list[str]:
    """List the configured accounts: the sections in dlt's config and secrets and the lines of `accounts_from`, by name,
    and in lower case the accounts that only variables `SOURCES__TCSS__ACCOUNTS__<NAME>__...` name. Raises
    ConfigurationError for sections and lines that are no accounts, or whose variables would have the same name."""
    found = sorted({*_sections(), *members()})
    alike = Counter(name.upper() for name in found)
    for name in found:
        if alike[name.upper()] > 1 and _has_variables(name):
            raise ConfigurationError(
                f"several accounts differ from {name!r} only by case, and variables {_prefix(name)}... do not",
                hint="Rename one of them, or write their settings into a file.",
            )
    for variable in os.environ:
        if variable.startswith(IN_ENVIRONMENT) and not account_of_variable(variable, found):
            name, _, setting = variable.removeprefix(IN_ENVIRONMENT).partition("__")
            if name and setting:
                found.append(name.lower())
    return sorted(set(found))


def account_of_variable(variable: str, names: Iterable[str]) -> str | None:
    """Return the account that a variable belongs to: the longest matching name, as a name may hold two underscores."""
    candidates = [name for name in names if variable.startswith(_prefix(name))]
    return max(candidates, key=len, default=None)


def chosen(account: str | None) -> str | None:
    """Return the named account, else the account of TCSS_ACCOUNT, else None. Raises ConfigurationError for an account
    that is not configured, because the keys at hand may belong to another account."""
    if account is None and (found := in_environment("account")):
        account = found.value
    if account is None:
        return None
    if not account.strip():
        raise ConfigurationError("the name of the account is empty", hint="Name one, or unset TCSS_ACCOUNT.")
    names = account_names()
    for name in (account, unquoted(account).strip()):
        if name in names:
            return name
    known = f"Configured: {', '.join(some_of(names))}." if names else f"Name it in {written(own_section(account))}."
    hint = f"{known} {meant(account, names, '')}".rstrip()
    raise ConfigurationError(f"no account {account!r} is configured", hint=hint)


def shared_keys() -> str | None:
    """Return the place of the keys that all accounts share, which may be those of an account without a name."""
    for path in (("credentials", "secret_id"), ("credentials",)):
        if found := in_environment(*path) or in_dlt(path, [SECTION]):
            return found.place
    return None


def _sections() -> Iterator[str]:
    section = (*SECTION, "accounts")
    for provider in files():
        accounts = tree(provider, section)
        if accounts is None:
            continue
        place = place_of(provider, "", "accounts", SECTION)
        if not isinstance(accounts, dict):
            raise ConfigurationError(f"{place} is no section", hint=f"Name accounts in {written(own_section('name'))}.")
        for name, own in accounts.items():
            if not name.strip() or not isinstance(own, dict):
                raise ConfigurationError(
                    f"{place} has {name!r}, which is no section of an account",
                    hint=f"Name accounts in {written(own_section('name'))}.",
                )
            yield name


def _has_variables(name: str) -> bool:
    return any(variable.startswith(_prefix(name)) for variable in os.environ)


def _prefix(name: str) -> str:
    return f"{IN_ENVIRONMENT}{name.upper()}__"
