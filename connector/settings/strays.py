"""Finds keys that are no setting, or that stand where no setting is looked up, and guesses what was meant."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from connector.errors import ConfigurationError
from connector.settings.accounts import IN_ENVIRONMENT, account_names, account_of_variable
from connector.settings.members import ACCOUNTS_FROM, COLUMNS
from connector.settings.places import (
    PREFIX,
    SECTION,
    Path,
    files,
    own_section,
    place_of,
    tree,
    variable,
    written,
)
from connector.settings.table import ELSEWHERE, KEYS, SETTINGS
from connector.settings.values import close_to

COMMAND = ("account", "all_accounts", "jobs", "json", "max_age")  # options of the command that are no settings
SHARED = (ACCOUNTS_FROM,)  # keys of our section that are about all accounts
DLT = ("data_writer", "extract", "normalize", "schema")  # sections of dlt's own, for a user's pipeline with our source
_CONFIGURED = "__".join((*SECTION, "")).upper()
# Where people write a setting by mistake: sections, and variables.
_OUTSIDE: tuple[Path, ...] = ((), ("sources",), ("tcss",), ("source", "tcss"))
_ABOVE = ("SOURCES__", "SOURCE__TCSS__")

_PATHS: Mapping[str, Path] = {
    "__".join(path): path for path in (*((name,) for name in SETTINGS), *(("credentials", key) for key in KEYS))
}
_VARIABLES: Mapping[str, str] = {
    **{name: path[0] for name, path in _PATHS.items()},
    **ELSEWHERE,
    **{name: name for name in (*COMMAND, *SHARED)},
}
# As the file of `accounts_from` calls a setting; without the role, the keys' own account would be read.
_COLUMNS = {column: setting for column, setting in COLUMNS.items() if setting and column != setting}
# How similar to ours a variable must be to be refused: other programs may use a TCSS_DATABASE or a TCSS_IMAGE.
_ALIKE = 0.81


@dataclass(frozen=True)
class Stray:
    """`place` is where the key stands, and its name; `meant` the place where it was probably meant to be; `setting` the
    setting that it would have changed.

    `certain`: the key can only be a mistake, as in our own section, which nobody else uses. Another key is a mistake
    only where `setting` has no value from its own place.
    """

    place: str
    meant: str | None = None
    setting: str | None = None
    certain: bool = True
    likely: bool = False
    """Whether a key that is not refused has all words of a setting, or is a part of a setting: users are warned."""

    def __str__(self) -> str:
        return f"{self.place} is no setting" + (f"; did you mean {self.meant}?" if self.meant else "")


def refuse(found: Iterable[Stray]) -> None:
    """Raise ConfigurationError for the first stray."""
    for stray in found:
        hint = f"Did you mean {stray.meant}?" if stray.meant else "docs/settings.md lists all settings."
        raise ConfigurationError(f"{stray.place} is no setting", hint=hint)


def strays(account: str | None) -> Iterator[Stray]:
    """Find all strays that concern the account, or the only account."""
    yield from _variables()
    yield from _configured_variables(account)
    for provider in files():
        yield from _in_section(provider, tree(provider, SECTION), SECTION)
        if account is not None:
            yield from _in_section(provider, tree(provider, own_section(account)), own_section(account))
        for section in _OUTSIDE:
            yield from _outside(provider, section)
        for section in _alike(tree(provider, SECTION[:1])):
            refused = section[-1].lower() == SECTION[-1]
            yield from (stray if refused else replace(stray, setting=None) for stray in _outside(provider, section))


def _variables() -> Iterator[Stray]:
    """Find variables that begin like ours. Some belong to others: Kubernetes makes such for a service named `tcss`."""
    for name in _beginning_with(PREFIX):
        key = name[len(PREFIX) :].lower()
        if name == variable(key) and key in _VARIABLES:
            continue
        sure = _key_of(key) or _outer(key) or _COLUMNS.get(key)
        close = sure or close_to(key, _VARIABLES)
        alike = close and (sure or close_to(key, [close], _ALIKE))
        likely = not alike and close is not None and _has_its_words(key, close)
        yield Stray(
            name, close and variable(close), alike and close and _VARIABLES[close], certain=False, likely=likely
        )


def _configured_variables(account: str | None) -> Iterator[Stray]:
    """Find variables in dlt's form of our section, and of the section above our section."""
    names = account_names()
    for name in _beginning_with(_CONFIGURED):
        upper = name.upper()
        owner = account_of_variable(upper, names)
        if owner not in (None, account):
            continue
        prefix = f"{IN_ENVIRONMENT}{owner.upper()}__" if owner else _CONFIGURED
        key = upper[len(prefix) :].lower()
        if key not in _PATHS and not (owner is None and key.split("__")[0] in (*DLT, *SHARED)):
            close = _key_of(key) or _outer(key) or close_to(key, (*_PATHS, *SHARED))
            yield Stray(name, close and prefix + close.upper())
        elif name != upper:
            yield Stray(name, upper)
    for prefix, (name, path) in product(_ABOVE, _PATHS.items()):
        if (above := f"{prefix}{name.upper()}") in os.environ:
            yield Stray(above, f"{_CONFIGURED}{name.upper()}", path[0], certain=False)


def _key_of(key: str) -> str | None:
    """Return the variable's key of one of the credentials' keys."""
    return f"credentials__{key}" if key in KEYS else None


def _outer(key: str) -> str | None:
    """Return the setting that a variable's key stands below, if that setting has no keys of its own."""
    outer, below, _ = key.partition("__")
    return outer if below and outer in SETTINGS and outer != "credentials" else None


def _has_its_words(key: str, setting: str) -> bool:
    words, its = set(key.split("_")), set(setting.split("_"))
    return words <= its or its <= words


def _beginning_with(prefix: str) -> Iterable[str]:
    return [name for name in os.environ if name.upper().startswith(prefix)]


def _in_section(provider: Any, found: Any, section: Path) -> Iterator[Stray]:
    """Find entries in one of our sections of a file that are none of our keys."""
    if found is None:
        return
    if not isinstance(found, dict):
        yield Stray(place_of(provider, "", section[-1], section[:-1]), written(section))
        return
    nested = ("accounts", *SHARED, *DLT) if section == SECTION else ()
    for key, value in found.items():
        place = place_of(provider, "", key, section)
        if key == "credentials" and isinstance(value, dict):
            yield from _in_credentials(provider, value, (*section, key))
        elif key not in SETTINGS and key not in nested:
            meant = _account_meant(key, value, section) or _key_meant(key, section)
            yield Stray(place, meant or close_to(key, (*SETTINGS, *nested[:2])))


def _in_credentials(provider: Any, found: Mapping[str, Any], section: Path) -> Iterator[Stray]:
    for key in found:
        if key not in KEYS:
            yield Stray(place_of(provider, "", key, section), close_to(key, KEYS))


def _key_meant(key: str, section: Path) -> str | None:
    """Return the place of a key of the credentials that stands beside them."""
    return f"{key} in {written((*section, 'credentials'))}" if key in KEYS else None


def _account_meant(key: str, value: Any, section: Path) -> str | None:
    """Guess the account's section, if a section of settings stands where `accounts` was left out."""
    if section == SECTION and isinstance(value, dict) and any(name in SETTINGS for name in value):
        return written(own_section(key))
    return None


def _alike(sources: Any) -> Iterator[Path]:
    """Find sections that are named almost like ours, but may belong to another source."""
    for name in sources if isinstance(sources, dict) else ():
        if name != SECTION[-1] and close_to(name.lower(), SECTION[1:], 0.75):
            yield (*SECTION[:1], name)


def _outside(provider: Any, section: Path) -> Iterator[Stray]:
    """Find our keys in a section above ours, where dlt would find them, or in a section with a name like ours."""
    for name in SETTINGS:
        value = tree(provider, (*section, name))
        if value is None or (isinstance(value, dict) and not (name == "credentials" and set(value) & set(KEYS))):
            continue
        meant = f"{name} in {written(SECTION)}"
        yield Stray(place_of(provider, "", name, section), meant, name, certain=False)
