"""What can be set, and where it is looked up: given, else dlt's config (`[sources.tcss]`), else a default.

Values only: what a run is made of is built from them in `runs.assembly`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC
from difflib import get_close_matches
from typing import Any, Literal, TypedDict, Unpack

from dlt.common.configuration import configspec, resolve_configuration
from dlt.common.configuration.specs import BaseConfiguration, CredentialsConfiguration
from dlt.common.typing import TSecretStrValue

from connector.errors import ConfigurationError
from connector.images.times import parse_instant, time_zone

SECTIONS = ("sources", "tcss")
_ACCOUNT_PREFIX = "SOURCES__TCSS__ACCOUNTS__"
FILTERS = ("ImageName", "ImageID", "ScanStatus", "SecurityRisk")  # documented names
DEFAULT_DESTINATION = "duckdb:///warehouse.duckdb"
POSITIVE = ("in_flight", "requests_per_second", "patience", "connect_timeout", "read_timeout", "full_every")
NUMBERS = (*POSITIVE, "lookback", "max_delete_share", "confirm_gone_after")
MODES = ("auto", "incremental", "full")


@configspec
class TcssCredentials(CredentialsConfiguration):
    """Keys in dlt's secrets: `[sources.tcss.credentials]`. Without them the usual places are searched."""

    secret_id: str | None = None
    secret_key: TSecretStrValue | None = None
    token: TSecretStrValue | None = None


@configspec
class Settings(BaseConfiguration):
    """Settings of one account's syncs. Durations are in seconds.

    destination, dataset: where the tables are. site: `intl` or `cn`. endpoint: instead of the site's host. language: of
    the texts that the API gives. naive_time_zone: of times that state none. patience: for one call, waiting included.
    in_flight: requests under way at once; None: as many as the latency calls for. metadata: whether a CVM's role is
    looked for. role_arn: a role to assume. confirm_gone_after: from the first look-up that does not find an image to
    the one that calls it gone; 0: the first one does. strict: rejected values are an error.
    """

    destination: str = DEFAULT_DESTINATION
    dataset: str | None = None
    strict: bool = False
    credentials: TcssCredentials | None = None
    role_arn: str | None = None
    site: Literal["intl", "cn"] = "intl"
    endpoint: str | None = None
    language: str = "en-US"
    requests_per_second: float = 20.0
    in_flight: int | None = None
    patience: float = 300.0
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    metadata: bool = True
    naive_time_zone: str = "+08:00"
    mode: Literal["auto", "incremental", "full"] = "auto"
    filters: dict[str, Any] | None = None
    lookback: int = 3600
    full_every: int = 86400
    initial_scan_time: str | None = None
    max_delete_share: float = 0.2
    confirm_gone_after: int = 600
    account_id: str | None = None

    @classmethod
    def load(cls, account: str | None = None, **given: Unpack[Given]) -> Settings:
        """The settings of a configured account (None: the only one); `given` values win where they are not None.

        An account's section inherits what `[sources.tcss]` says, but for `account_id`: two accounts under one id would
        call each other's images gone. Raises ConfigurationError for values that cannot be used.
        """
        _refuse_unknown(given)
        sections: tuple[str, ...] = SECTIONS
        explicit: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if account is not None:
            _require_account(account)
            sections = (*SECTIONS, "accounts", account)
            explicit.setdefault("account_id", _own(account, "account_id"))
        try:
            settings: Settings = resolve_configuration(cls(), sections=sections, explicit_value=explicit)
        except Exception as error:
            raise ConfigurationError(f"the configuration cannot be read: {error}", hint="See [sources.tcss].") from None
        if account is not None:
            settings.account_id = explicit["account_id"]
        settings.check()
        return settings

    def check(self) -> None:
        for name in NUMBERS:
            value = getattr(self, name)
            if value is None and name == "in_flight":
                continue
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ConfigurationError(f"{name} must be a number, and is {value!r}")
            if name in POSITIVE and not value > 0:  # so that NaN is refused too
                raise ConfigurationError(f"{name} must be more than 0")
        if not 0 <= self.max_delete_share <= 1:
            raise ConfigurationError("max_delete_share must be between 0 and 1")
        if not self.confirm_gone_after >= 0:  # so that NaN is refused too
            raise ConfigurationError("confirm_gone_after must not be less than 0")
        if self.mode not in MODES:
            raise ConfigurationError(f"mode {self.mode!r} is none of {', '.join(MODES)}")
        for name in self.filters or {}:
            if name not in FILTERS:
                raise ConfigurationError(f"there is no filter {name!r}", hint=f"Filters: {', '.join(FILTERS)}.")
        initial_instant(self.initial_scan_time)
        try:
            time_zone(self.naive_time_zone)
        except ValueError as error:
            raise ConfigurationError(str(error), hint="For example +08:00 or Asia/Shanghai.") from None


class Given(TypedDict, total=False):
    """The fields of `Settings` as keywords, in their order. What is None or left out is looked up."""

    destination: str | None
    dataset: str | None
    strict: bool | None
    credentials: TcssCredentials | Mapping[str, str | None] | None
    role_arn: str | None
    site: str | None
    endpoint: str | None
    language: str | None
    requests_per_second: float | None
    in_flight: int | None
    patience: float | None
    connect_timeout: float | None
    read_timeout: float | None
    metadata: bool | None
    naive_time_zone: str | None
    mode: str | None
    filters: Mapping[str, Any] | None
    lookback: int | None
    full_every: int | None
    initial_scan_time: str | None
    max_delete_share: float | None
    confirm_gone_after: int | None
    account_id: str | None


def _refuse_unknown(given: Mapping[str, Any]) -> None:
    for name in given:
        if name not in Given.__annotations__:
            close = get_close_matches(name, Given.__annotations__, 1)
            hint = f"Did you mean {close[0]}?" if close else f"Settings: {', '.join(Given.__annotations__)}."
            raise ConfigurationError(f"there is no setting {name!r}", hint=hint)


def filters_of(given: Mapping[str, Any] | None) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The filters by name, each with its values, which may have been given as one text."""
    return tuple(
        (name, (values,) if isinstance(values, str) else tuple(map(str, values)))
        for name, values in sorted((given or {}).items())
    )


def initial_instant(text: str | None) -> int | None:
    """`initial_scan_time` in microseconds; without an offset it is UTC. Raises ConfigurationError."""
    try:
        return parse_instant(text, UTC) if text else None
    except ValueError as error:
        raise ConfigurationError(f"initial_scan_time: {error}") from None


def account_names() -> list[str]:
    """The configured accounts: sections `[sources.tcss.accounts.<name>]` of dlt's config and secrets, and what
    environment variables `SOURCES__TCSS__ACCOUNTS__<NAME>__...` name, in lower case."""
    import dlt

    found: set[str] = set()
    for provider in dlt.config.config_providers:
        section, _ = provider.get_value("accounts", dict, "", *SECTIONS)
        found |= set(section) if isinstance(section, dict) else set()
    named = (key.removeprefix(_ACCOUNT_PREFIX).partition("__") for key in os.environ if key.startswith(_ACCOUNT_PREFIX))
    return sorted(found | {name.lower() for name, _, setting in named if setting})


def _require_account(name: str) -> None:
    names = account_names()
    if name not in names:
        known = f"Configured: {', '.join(names)}." if names else f"Name it in [sources.tcss.accounts.{name}]."
        raise ConfigurationError(f"no account {name!r} is configured", hint=known)


def _own(account: str, setting: str) -> str | None:
    import dlt

    value: Any = dlt.config.get(".".join((*SECTIONS, "accounts", account, setting)))
    return None if value is None else str(value)
