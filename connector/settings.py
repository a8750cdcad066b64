"""What can be set, and where it is looked up: given, else dlt's config (`[sources.tcss]`), else a default."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from dlt.common.configuration import configspec, resolve_configuration
from dlt.common.configuration.specs import BaseConfiguration, CredentialsConfiguration
from dlt.common.typing import TSecretStrValue

from connector.api.credentials import AssumeRole, Credentials, Provider, Static, default_chain
from connector.api.endpoints import Endpoints
from connector.errors import ConfigurationError
from connector.images.records import ItemParser
from connector.images.times import parse_instant, time_zone
from connector.listing.incremental import ACTION, Filters, Reading
from connector.runs.policy import HOUR, Policy

if TYPE_CHECKING:
    from connector.api.client import Client

SECTIONS = ("sources", "tcss")
_ACCOUNT_PREFIX = "SOURCES__TCSS__ACCOUNTS__"
FILTERS = ("ImageName", "ImageID", "ScanStatus", "SecurityRisk")  # documented names
DEFAULT_DESTINATION = "duckdb:///warehouse.duckdb"
POSITIVE = ("in_flight", "requests_per_second", "patience", "connect_timeout", "read_timeout", "full_every")
NUMBERS = (*POSITIVE, "lookback", "max_delete_share")
MODES = ("auto", "incremental", "full")


@configspec
class TcssCredentials(CredentialsConfiguration):
    """Keys in dlt's secrets: `[sources.tcss.credentials]`. Without them the usual places are searched."""

    secret_id: str | None = None
    secret_key: TSecretStrValue | None = None
    token: TSecretStrValue | None = None

    def provider(self) -> Static | None:
        if not (self.secret_id and self.secret_key):
            return None
        origin = "dlt secrets (sources.tcss.credentials)"
        return Static(Credentials(self.secret_id, self.secret_key, self.token, origin=origin))


@configspec
class Settings(BaseConfiguration):
    """Settings of one account's syncs. Durations are in seconds.

    destination, dataset: where the tables are. site: `intl` or `cn`. endpoint: instead of the site's host. language: of
    the texts that the API gives. naive_time_zone: of times that state none. patience: for one call, waiting included.
    in_flight: requests under way at once; None: as many as the latency calls for. metadata: whether a CVM's role is
    looked for. role_arn: a role to assume. strict: rejected values are an error.
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
    account_id: str | None = None

    @classmethod
    def load(cls, account: str | None = None, **given: Any) -> Settings:
        """The settings of a configured account (None: the only one); `given` values win where they are not None.

        An account's section inherits what `[sources.tcss]` says, but for `account_id`: two accounts under one id would
        call each other's images gone. Raises ConfigurationError for values that cannot be used.
        """
        sections: tuple[str, ...] = SECTIONS
        explicit = {name: value for name, value in given.items() if value is not None}
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
        if self.mode not in MODES:
            raise ConfigurationError(f"mode {self.mode!r} is none of {', '.join(MODES)}")
        for name in self.filters or {}:
            if name not in FILTERS:
                raise ConfigurationError(f"there is no filter {name!r}", hint=f"Filters: {', '.join(FILTERS)}.")
        self.policy()
        self.parser()

    def client(self) -> Client:
        """A client with these keys, else with those found in the usual places."""
        # Imported late, because it imports requests: those who only read the warehouse need no requests.
        from connector.api.client import Client, Limits

        given = self.credentials.provider() if self.credentials else None
        provider: Provider = default_chain(*([given] if given else []), metadata=self.metadata)
        if self.role_arn:
            provider = AssumeRole(provider, self.role_arn)
        return Client(
            provider,
            endpoints=Endpoints(self.site, self.endpoint),
            language=self.language,
            limits=Limits(self.requests_per_second, self.patience, (self.connect_timeout, self.read_timeout)),
        )

    def reading(self, client: Client) -> Reading:
        zone = time_zone(self.naive_time_zone)
        in_flight = self.in_flight or client.in_flight
        return Reading(lambda payload: client.call(ACTION, payload), in_flight=in_flight, naive_zone=zone)

    def parser(self) -> ItemParser:
        try:
            return ItemParser(naive_time_zone=self.naive_time_zone)
        except ValueError as error:
            raise ConfigurationError(str(error), hint="For example +08:00 or Asia/Shanghai.") from None

    def policy(self) -> Policy:
        initial = None
        if self.initial_scan_time:
            try:
                initial = parse_instant(self.initial_scan_time, time_zone("+00:00"))
            except ValueError as error:
                raise ConfigurationError(f"initial_scan_time: {error}") from None
        return Policy(
            mode=self.mode,
            filters=_filters(self.filters or {}),
            lookback=int(self.lookback * HOUR / 3600),
            full_every=int(self.full_every * HOUR / 3600),
            initial_scan_time=initial,
            max_delete_share=self.max_delete_share,
        )


def _filters(given: Mapping[str, Any]) -> Filters:
    return tuple(
        (name, (values,) if isinstance(values, str) else tuple(map(str, values)))
        for name, values in sorted(given.items())
    )


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
