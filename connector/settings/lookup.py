"""Looks each setting up: given, else `TCSS_<NAME>`, else dlt's configuration. The settings that say whose images are
read are never taken from a place that may belong to another account."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from connector.errors import ConfigurationError
from connector.settings.members import ACCOUNT, Member, members
from connector.settings.places import (
    GIVEN,
    SECTION,
    Found,
    Path,
    in_dlt,
    in_environment,
    own_section,
    written,
)
from connector.settings.table import ELSEWHERE, KEYS, SECRET, SETTINGS
from connector.settings.values import mapping, meant, text

WHOSE = ("credentials", "role_arn", "account_id")  # these settings say whose images are read
VARIABLES: tuple[Path, ...] = (*((name,) for name in WHOSE), *(("credentials", key) for key in KEYS))
USUAL = "the usual places (environment, profile file, TKE service account, CVM role)"

Level = Callable[..., Found | None]
"""Looks in one level of the order of look-up: takes the names of a setting, and gives the value found there."""


@dataclass
class Lookup:
    """Looks up all settings of an account: a configured account (`account`), an account that the caller has configured
    (`whose` describes that account for people), or the only account.

    `found` has the settings that are not left to their defaults; `notes` are warnings for users of the keys.
    """

    given: Mapping[str, Any] = field(repr=False)  # the keys are among them
    account: str | None = None
    whose: str | None = None
    found: dict[str, Found] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    line: Member | None = field(default=None, init=False)
    """What the file of `accounts_from` says of the account; None: no line has its name."""

    def __post_init__(self) -> None:
        refuse_unknown(self.given)
        self.line = None if self.account is None else members().get(self.account)
        if self.account is not None:
            self.whose = f"account {self.account!r}"
        for name in SETTINGS:
            if name not in WHOSE and (found := self._first(name, self._levels())):
                self.found[name] = found
        self.found |= self._identity()

    def _levels(self) -> list[Level]:
        own = [] if self.account is None else [own_section(self.account)]
        return [self._given, in_environment, partial(_configured, [*own, SECTION])]

    def _own_levels(self) -> list[Level]:
        if self.account is None:
            return [self._given]
        return [self._given, partial(_configured, [own_section(self.account)]), self._in_line]

    def _given(self, *path: str) -> Found | None:
        name, *inside = path
        value = self.given.get(name)
        return None if value is None or inside else Found(value, GIVEN)

    def _in_line(self, *path: str) -> Found | None:
        name, *inside = path
        return None if inside else (self.line or {}).get(name)

    def _identity(self) -> dict[str, Found]:
        """Look up the settings that say whose images are read. A pattern of roles gets the account's id."""
        found = self._whose()
        if {"role_arn", "account_id"} <= found.keys():
            role = found["role_arn"]
            found["role_arn"] = replace(role, value=role.value.replace(ACCOUNT, found["account_id"].value))
        return found

    def _whose(self) -> dict[str, Found]:
        if self.whose is None:
            return self._read(WHOSE, self._levels())
        own = self._read(WHOSE, self._own_levels())
        shared = self._shared(own)
        for path in VARIABLES:
            if path[0] not in shared and (left := in_environment(*path)) and ACCOUNT not in left.value:
                self.notes.append(f"{left.place} is not used for {self.whose}: it would be that of every account")
        return {**shared, **own}

    def _shared(self, own: Mapping[str, Found]) -> dict[str, Found]:
        """Look up keys for an account without keys: keys that assume its role, else keys that all accounts share."""
        if "credentials" in own:
            return {}
        names = ("credentials",) if "role_arn" in own else ("credentials", "role_arn")
        shared = self._read(names, [in_environment, partial(_configured, [SECTION])])
        if "role_arn" not in own and not is_pattern(shared.get("role_arn")):
            if self.line is not None:
                raise ConfigurationError(
                    f"{next(iter(self.line.values())).place}: {self.whose} has no role, and no keys of its own",
                    hint=f"Add a column role, or set role_arn with {ACCOUNT} in {written(SECTION)}.",
                )
            places = " and ".join(found.place for found in shared.values()) or USUAL
            self.notes.append(f"{self.whose} has no keys of its own, and those of {places} are used")
        return shared

    def _read(self, names: tuple[str, ...], levels: list[Level]) -> dict[str, Found]:
        return {name: found for name in names if (found := self._first(name, levels))}

    def _first(self, name: str, levels: list[Level]) -> Found | None:
        for level in levels:
            if found := _keys(level) if name == "credentials" else _plain(name, level):
                return found
        return None


def is_pattern(role: Found | None) -> bool:
    """Whether a role is that of whatever account the id is of."""
    return role is not None and "{" in role.value  # another name in braces is refused later


def refuse_unknown(given: Mapping[str, Any]) -> None:
    """Raises ConfigurationError for a keyword that is no setting."""
    for name in given:
        if name not in SETTINGS:
            hint = meant(name, SETTINGS, f"Settings: {', '.join(SETTINGS)}.")
            raise ConfigurationError(f"there is no setting {name!r}", hint=hint)


def _configured(sections: list[Path], *path: str) -> Found | None:
    return in_dlt(path, sections, secret=path[-1] in SECRET)


def _plain(name: str, level: Level) -> Found | None:
    found = level(name)
    for other in (other for other, setting in ELSEWHERE.items() if setting == name and level is in_environment):
        if (also := level(other)) and found:
            raise ConfigurationError(f"{found.place} and {also.place} are the same setting", hint="Unset one of them.")
        found = found or also
    return found and replace(found, value=_as(name, found, SETTINGS[name].read))


def _keys(level: Level) -> Found | None:
    """Return the keys of one level. They must be complete: a missing half would come from another account."""
    parts = {name: part for name in KEYS if (part := level("credentials", name))}
    whole = level("credentials")
    if whole is None and not parts:
        return None
    if whole and isinstance(whole.value, str):
        parts = _beside(whole, parts)
    place = whole.place if whole else next(iter(parts.values())).place
    keys = _as("credentials", whole, mapping) if whole else {}
    for name in keys:
        if name not in KEYS:
            hint = meant(name, KEYS, f"Keys: {', '.join(KEYS)}.")
            raise ConfigurationError(f"there is no {name!r} in {_among(place)}", hint=hint)
    keys = {name: replace(whole, value=value) for name, value in keys.items() if whole and value is not None} | parts
    for name in ("secret_id", "secret_key"):
        if name not in keys:
            raise ConfigurationError(
                f"{_among(place)}: {name} is missing", hint="Set both secret_id and secret_key, or take away the rest."
            )
    # dlt merges the tables of several files, so that each key may come from another file.
    by_directory = all(found.by_directory for found in keys.values())
    return Found({name: _as(name, found, text) for name, found in keys.items()}, place, by_directory)


def _beside(whole: Found, parts: Mapping[str, Found]) -> dict[str, Found]:
    """Return no single keys beside a text of all keys: a variable goes before the keys of a file. Raises
    ConfigurationError where neither goes before the other, because the keys of two accounts would be mixed."""
    for part in parts.values():
        if part.place in os.environ or whole.place not in os.environ:
            raise ConfigurationError(f"{whole.place} and {part.place} are the same setting", hint="Unset one of them.")
    return {}


def _among(place: str) -> str:
    return "credentials" if place == GIVEN else place


def _as(name: str, found: Found, read: Callable[[Any], Any]) -> Any:
    """Convert the value to its setting's type. Raises ConfigurationError."""
    try:
        return read(found.value)
    except ValueError as error:
        where = "" if found.place == GIVEN else f" ({found.place})"
        raise ConfigurationError(f"{name}{where} {error}", hint="docs/settings.md lists all settings.") from None
