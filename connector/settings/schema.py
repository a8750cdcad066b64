"""Defines the settings: their types and defaults, and which values can be used."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from typing import Any, Literal, TypedDict, Unpack

from dlt.common.configuration import configspec
from dlt.common.configuration.specs import BaseConfiguration, CredentialsConfiguration
from dlt.common.typing import TSecretStrValue

from connector.errors import ConfigurationError
from connector.images.times import parse_instant, time_zone
from connector.settings.accounts import account_names, chosen
from connector.settings.lookup import Lookup, refuse_unknown
from connector.settings.members import ACCOUNT, account_of_role
from connector.settings.places import GIVEN, Searched, in_environment
from connector.settings.strays import refuse, strays
from connector.settings.table import DETAILS
from connector.settings.trust import require_modest_destination

DEFAULT_DESTINATION = "duckdb:///warehouse.duckdb"
FILTERS = ("ImageName", "ImageID", "ScanStatus", "SecurityRisk")  # documented names
WHOLE = ("in_flight", "max_answer_bytes")
POSITIVE = (*WHOLE, "requests_per_second", "patience", "connect_timeout", "read_timeout", "full_every")
NOT_NEGATIVE = ("lookback", "confirm_gone_after", "detail_patience")
NUMBERS = (*POSITIVE, *NOT_NEGATIVE, "max_delete_share")
_DLTS = "Correct dlt's own settings: variables like RUNTIME__LOG_LEVEL, or [runtime] and [providers] in dlt's files."


@configspec
class TcssCredentials(CredentialsConfiguration):
    """Keys: the section `[sources.tcss.credentials]` of dlt's secrets. Without them the usual places are searched."""

    secret_id: str | None = None
    secret_key: TSecretStrValue | None = None
    token: TSecretStrValue | None = None


@configspec
class Settings(BaseConfiguration):
    """Settings of one account's syncs; `docs/settings.md` says what each means. Durations are in seconds."""

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
    max_answer_bytes: int = 16_000_000
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
    detail: list[str] | None = None
    detail_patience: float = 600.0

    __account__: str | None = dataclasses.field(default=None, init=False, repr=False, compare=False)
    __places__: Mapping[str, str] | None = dataclasses.field(default=None, init=False, repr=False, compare=False)
    __by_directory__: frozenset[str] = dataclasses.field(default=frozenset(), init=False, repr=False, compare=False)
    __searched__: Searched | None = dataclasses.field(default=None, init=False, repr=False, compare=False)
    __notes__: tuple[str, ...] = dataclasses.field(default=(), init=False, repr=False, compare=False)

    @classmethod
    def load(
        cls, account: str | None = None, *, whose: str | None = None, name: str | None = None, **given: Unpack[Given]
    ) -> Settings:
        """Load the settings of a configured account (None: the account of TCSS_ACCOUNT, else the only account).

        A setting has the given value unless that is None, else the value of `TCSS_<NAME>`, else that of dlt's
        configuration in the account's own section or in `[sources.tcss]`. `whose` describes for people an account that
        the caller has configured elsewhere, and `name` is the name of that account.

        Keys, role and account id are never those of another account: a named account takes them from the call or its
        own section. Only an account with neither keys nor role uses the keys that all accounts share.

        Raises ConfigurationError for values that cannot be used, and for keys that are no settings.
        """
        refuse_unknown(given)
        try:
            configured = None if whose else chosen(account)
            found = list(strays(configured))
            refuse(stray for stray in found if stray.certain)
            looked_up = Lookup(given, configured, whose)
            set_ = {*looked_up.found, *(["account"] if configured or whose else [])}
            refuse(stray for stray in found if stray.setting and stray.setting not in set_)
            looked_up.notes += [str(stray) for stray in found if stray.likely]
        except ConfigurationError:
            raise
        except Exception as error:
            raise ConfigurationError(f"the configuration cannot be read: {error}", hint=_DLTS) from None
        return cls._of(looked_up, configured or name)

    @classmethod
    def of_warehouse(cls, account: str | None = None, **given: Unpack[Given]) -> Settings:
        """Load the settings to read a warehouse with. The name, or that in TCSS_ACCOUNT, may be one that only the
        warehouse has, and no configuration here. Raises what `load` raises."""
        if account is None and (found := in_environment("account")):
            account = found.value
        if account is None or not account.strip() or account in account_names():
            return cls.load(account, **given)
        return cls.load(whose=f"account {account!r}", name=account.strip(), **given)

    @classmethod
    def _of(cls, looked_up: Lookup, account: str | None) -> Settings:
        settings = cls()
        settings.__account__ = account
        for name, found in looked_up.found.items():
            value = TcssCredentials(**found.value) if name == "credentials" else found.value
            setattr(settings, name, value)
        settings.__places__ = {name: found.place for name, found in looked_up.found.items()}
        settings.__by_directory__ = frozenset(name for name, found in looked_up.found.items() if found.by_directory)
        settings.__notes__ = tuple(looked_up.notes)
        settings.__searched__ = Searched.of(looked_up.account)
        settings.check()
        require_modest_destination(settings)
        return settings

    def account_name(self) -> str | None:
        """The account's name in the configuration; None for the only account, which needs no name."""
        return self.__account__

    def places(self) -> Mapping[str, str]:
        """The place, in words, of each setting that is not left to its default."""
        return self.__places__ or {}

    def notes(self) -> tuple[str, ...]:
        """Warnings for users of the keys: whose keys these are, and which variables were probably meant for us."""
        return self.__notes__

    def searched_for_keys(self) -> Searched | None:
        """Where dlt has looked for keys; None for settings that were not looked up."""
        return self.__searched__

    def by_directory(self, name: str) -> bool:
        """Whether the value of a setting is from a file of the working directory, and not from the user."""
        return name in self.__by_directory__

    def check(self) -> None:
        """Check all values. Raises ConfigurationError for a value that cannot be used."""
        for name in NUMBERS:
            self._check_number(name)
        if not 0 <= self.max_delete_share <= 1:
            self._refuse("max_delete_share", "must be between 0 and 1")
        for name in self.detail or ():
            if name not in DETAILS:
                raise ConfigurationError(f"there is no detail {name!r}", hint=f"Details: {', '.join(DETAILS)}.")
        for name in self.filters or {}:
            if name not in FILTERS:
                raise ConfigurationError(f"there is no filter {name!r}", hint=f"Filters: {', '.join(FILTERS)}.")
        if self.role_arn and {*"{}"} & {*self.role_arn.replace(ACCOUNT, "")}:
            self._refuse("role_arn", "has braces", f"Only {ACCOUNT} may stand in them.")
        self._check_whose()
        self._check_with(initial_instant, "initial_scan_time", "For example 2026-01-31T00:00:00Z.")
        self._check_with(time_zone, "naive_time_zone", "For example +08:00 or Asia/Shanghai.")

    def _check_whose(self) -> None:
        """Refuse an id of another account than that of the role, whose images would be stored under that id."""
        owner, account_id = account_of_role(self.role_arn or ""), self.account_id or ""
        if owner and account_id.isdecimal() and account_id != owner:
            role = self.places().get("role_arn", GIVEN)
            what = f"is {account_id}, but role_arn{'' if role == GIVEN else f' ({role})'} is of account {owner}"
            self._refuse("account_id", what, f"Correct one of them, or write {ACCOUNT} into the role.")

    def _check_number(self, name: str) -> None:
        value = getattr(self, name)
        if value is None and name in WHOLE:
            return
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._refuse(name, f"must be a number, and is {value!r}")
        if name in POSITIVE and not value > 0:  # so that NaN is refused too
            self._refuse(name, "must be more than 0")
        if name in NOT_NEGATIVE and not value >= 0:
            self._refuse(name, "must not be less than 0")
        if name in WHOLE and value != int(value):
            self._refuse(name, "must be a whole number")

    def _check_with(self, parse: Callable[[Any], object], name: str, hint: str) -> None:
        try:
            parse(getattr(self, name))
        except ValueError as error:
            self._refuse(name, f"cannot be used: {error}", hint)

    def _refuse(self, name: str, what: str, hint: str | None = None) -> None:
        place = self.places().get(name, GIVEN)
        raise ConfigurationError(f"{name} {what}" if place == GIVEN else f"{name} ({place}) {what}", hint=hint)


class Given(TypedDict, total=False):
    """The fields of `Settings` as keywords, in their order. A setting that is None or left out is looked up."""

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
    max_answer_bytes: int | None
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
    detail: Sequence[str] | None
    detail_patience: float | None


def filters_of(given: Mapping[str, Any] | None) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the filters by name, each with a tuple of values; several values may be given, or one text."""
    return tuple(
        (name, (values,) if isinstance(values, str) else tuple(map(str, values)))
        for name, values in sorted((given or {}).items())
    )


def initial_instant(text: str | None) -> int | None:
    """Parse `initial_scan_time` to microseconds; a time without an offset is UTC. Raises ValueError."""
    return parse_instant(text, UTC) if text else None
