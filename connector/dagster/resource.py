"""Holds the accounts' keys and the warehouse: all that a run needs beside the account's name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Unpack

import dagster as dg
from pydantic import Field

from connector.dagster.errors import RETRIES, retried
from connector.dagster.results import details_of, materialised, tables_of
from connector.errors import ConfigurationError
from connector.runs.assembly import client_of
from connector.runs.progress import Lines, Report
from connector.runs.row import SyncRun
from connector.settings import Given, Settings
from connector.settings.lookup import WHOSE
from connector.settings.table import SECRET
from connector.sync import sync
from connector.texts import visible
from connector.warehouse.inventory import Inventory
from connector.warehouse.locations import locate, may_hold_secret
from connector.warehouse.pipeline import open_pipeline
from connector.warehouse.workdirs import DAGSTER, workdir


class TcssAccount(dg.Config):
    """Holds one account's keys, or the role in it that the resource's keys assume. Give secrets as `dg.EnvVar`.

    Args:
        secret_id, secret_key, token: the account's own keys.
        role_arn: a role of the account. The resource's keys assume this role, else the keys of the usual places.
        account_id: the id in the column `account_id`; without it STS is asked.
        site: `intl` or `cn`; by default that of the resource.
    """

    secret_id: str | None = Field(default=None, repr=False)
    secret_key: str | None = Field(default=None, repr=False)
    token: str | None = Field(default=None, repr=False)
    role_arn: str | None = None
    account_id: str | None = None
    site: str | None = None

    @property
    def credentials(self) -> dict[str, str | None] | None:
        """Return the keys for `Settings`, which refuses an incomplete pair; None if there are no keys."""
        found = {"secret_id": self.secret_id, "secret_key": self.secret_key, "token": self.token}
        return None if all(value is None for value in found.values()) else found


class TcssResource(dg.ConfigurableResource[Any]):
    """Holds the warehouse, and how to reach the API for each account. Definitions refuse secrets but `dg.EnvVar`.

    An account is looked for in `accounts`, else in dlt's configuration, in the section `[sources.tcss.accounts.<name>]`
    (as for `tcss sync --account`). Without partitions the resource's own keys are used, else those in the usual places.

    Args:
        destination: a SQLAlchemy URL or the name of a dlt destination. The URL may hold a password. Settings that the
            resource does not have are looked up as for `tcss sync`.
        dataset: schema of the tables; `tcss` unless given, `main` in SQLite, the URL's database in MySQL.
        accounts: the accounts by the names of their partitions.
        secret_id, secret_key, token: keys of the only account, or keys that assume the accounts' roles.
        site: `intl` or `cn`.
        endpoint: URL of the API, in place of the site's.
        options: other fields of `connector.settings.Settings`, such as `requests_per_second` or `full_every`.

    Example:
        TcssResource(
            destination=dg.EnvVar("TCSS_DESTINATION"),
            accounts={
                "production": TcssAccount(
                    secret_id=dg.EnvVar("PRODUCTION_SECRET_ID"), secret_key=dg.EnvVar("PRODUCTION_SECRET_KEY")
                ),
                "staging": TcssAccount(role_arn="qcs::cam::uin/100000000002:roleName/tcss-reader"),
            },
        )
    """

    destination: str | None = Field(default=None, repr=False)
    dataset: str | None = None
    accounts: dict[str, TcssAccount] = Field(default_factory=dict)
    secret_id: str | None = Field(default=None, repr=False)
    secret_key: str | None = Field(default=None, repr=False)
    token: str | None = Field(default=None, repr=False)
    site: str | None = None
    endpoint: str | None = None
    options: dict[str, Any] = Field(default_factory=dict, repr=False)

    @classmethod
    def configure_at_launch(cls, **given: Any) -> Any:
        """See Dagster's method. Raises ConfigurationError for a secret that is not an `EnvVar`."""
        _refuse_shown(given)
        return super().configure_at_launch(**given)

    def get_resource_definition(self) -> Any:
        """Return what Dagster's pages show. Raises ConfigurationError for a secret that is not an `EnvVar`."""
        _refuse_shown({name: self.__dict__.get(name) for name in type(self).model_fields})
        return super().get_resource_definition()

    def settings(self, account: str | None = None, **given: Unpack[Given]) -> Settings:
        """Return the settings of an account, by the name of its partition; None: of the only account.

        Raises ConfigurationError for an account that is not configured, and for values that cannot be used.
        """
        common = {**self._common(), **{name: value for name, value in given.items() if value is not None}}
        if account is None:
            return Settings.load(**{**common, "credentials": self._credentials})
        own = self.accounts.get(account)
        if own is None:
            return Settings.load(account, **common)
        if not (own.credentials or own.role_arn):
            raise ConfigurationError(f"the account {account!r} of the resource has neither keys nor a role")
        credentials, site = own.credentials or self._credentials, self.site if own.site is None else own.site
        whose = {"credentials": credentials, "role_arn": own.role_arn, "account_id": own.account_id}
        described = f"account {account!r} of the resource"
        return Settings.load(whose=described, name=account, **{**common, "site": site, **whose})

    def _common(self) -> dict[str, Any]:
        """Return what all accounts share. Raises ConfigurationError for an option that is a field of the resource."""
        fields = {name: getattr(self, name) for name in ("destination", "dataset", "site", "endpoint")}
        for name in (*fields, *WHOSE):
            if name in self.options:
                raise ConfigurationError(
                    f"options of the resource may not have {name}", hint="Write it as a field of its own."
                )
        return {**self.options, **fields}

    def sync(self, account: str | None = None, *, progress: Report | None = None, **given: Unpack[Given]) -> SyncRun:
        """Sync an account, and return the run's row in `sync_runs`. See `connector.sync`.

        Raises ConfigurationError too if no account is named, and the resource has accounts and no keys of its own.
        """
        self._refuse_no_name(account)
        return sync(settings=self.settings(account, **given), progress=progress)

    def materialize(
        self, context: dg.AssetExecutionContext, *, retry_policy: dg.RetryPolicy = RETRIES, **given: Unpack[Given]
    ) -> Iterator[dg.MaterializeResult[Any]]:
        """Sync the account of the run's partition, and yield a result for each asset of `tcss_assets`.

        Each result carries the run's verdict, its counts of rows and requests, and the first and last RequestId. A
        partial sync has loaded rows and materialises; then the check `complete` fails. Throttling, outages, held locks
        and errors of the warehouse raise dg.RetryRequested, as `retry_policy` says; refused keys, permissions and
        configurations raise dg.Failure. `given` are settings of this run alone, such as `mode`.
        """
        tables = tables_of(context.assets_def.specs)
        given = {"detail": details_of(context.assets_def.specs) or None, **given}
        with retried(context.retry_number, retry_policy):
            account = account_of(context, context.assets_def.partitions_def)
            run = self.sync(account, progress=Lines(context.log.info), **given)
        context.log.info(run.summary())
        for text in run.warnings():
            context.log.warning(visible(text))
        yield from materialised(run, tables, partitioned=account is not None)

    @contextmanager
    def inventory(
        self, account: str | None = None, *, account_id: str | None = None
    ) -> Iterator[tuple[Inventory, str]]:
        """Yield the account's inventory of the warehouse, and the account's id, for which STS is asked if unknown."""
        if account_id is None:
            self._refuse_no_name(account)
        settings = self.settings(account)
        account_id = account_id or settings.account_id or _account_id(settings)
        location = locate(settings.destination, settings.dataset)
        with workdir(DAGSTER) as directory:
            yield Inventory(location, open_pipeline(location, account_id, directory)), account_id

    def _refuse_no_name(self, account: str | None) -> None:
        if account is None and self.accounts and self._credentials is None:
            raise ConfigurationError(
                "no account is named, and the resource has no keys beside those of its accounts",
                hint="Give partitions_def with the accounts' names to the assets and checks.",
            )

    @property
    def _credentials(self) -> dict[str, str | None] | None:
        return TcssAccount(secret_id=self.secret_id, secret_key=self.secret_key, token=self.token).credentials


def account_of(
    context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext,
    partitions_def: dg.PartitionsDefinition[Any] | None,
) -> str | None:
    """Return the account that the run's partition names; None: assets without partitions have one account.

    Raises ConfigurationError for a run without a partition of assets that have partitions: the keys in the usual places
    may be those of any account.
    """
    if context.has_partition_key:
        return str(context.partition_key)
    if partitions_def is not None:
        raise ConfigurationError("the run has no partition, which would name the account", hint="Choose a partition.")
    return None


def _refuse_shown(given: Mapping[str, Any], owner: str = "the resource") -> None:
    """Refuse written secrets: Dagster's pages show what is written in a resource, but only the name of an `EnvVar`."""
    for name, value in given.items():
        if not isinstance(value, str) or isinstance(value, dg.EnvVar):
            continue
        if name in SECRET or (name == "destination" and may_hold_secret(value)):
            raise ConfigurationError(
                f"Dagster would show {name}, which is written out in {owner}",
                hint=f'Write {name}=dg.EnvVar("NAME"), and put the value into that variable.',
            )
    for name, account in (given.get("accounts") or {}).items():
        _refuse_shown(account if isinstance(account, Mapping) else account.__dict__, f"the account {name!r}")
    for name in WHOSE:
        if name in (given.get("options") or {}):
            raise ConfigurationError(f"options of {owner} may not have {name}", hint="Write it as a field of its own.")


def _account_id(settings: Settings) -> str:
    with client_of(settings) as client:
        return client.account_id()
