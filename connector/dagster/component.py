"""Defines the component for `dg`: assets, checks and schedules of the accounts, from a `defs.yaml`."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any

import dagster as dg
from dagster.components.utils.translation import TranslationFn, TranslationFnResolver
from pydantic import BaseModel, ConfigDict

from connector.dagster.assets import SyncConfig, tcss_assets
from connector.dagster.checks import build_tcss_asset_checks, build_tcss_key_checks
from connector.dagster.resource import TcssAccount, TcssResource
from connector.dagster.schedules import build_tcss_schedule
from connector.dagster.translator import DagsterTcssTranslator
from connector.tables import Table
from connector.warehouse.locations import may_hold_secret


class FromEnvironment(BaseModel):
    """Names a variable as `{env: NAME}`, which is read when a run starts. `{{ env.NAME }}` is read when the code is
    loaded, and Dagster's UI would show the variable's value in the resource's configuration."""

    model_config = ConfigDict(extra="forbid")
    env: str


def _variable(_: dg.ResolutionContext, given: str | FromEnvironment | None) -> dg.EnvVar | None:
    if isinstance(given, str):  # Dagster takes a text for any field, as the text may be a template
        raise ValueError("Dagster would show a secret that is written here, or as a template: write {env: NAME}")
    return None if given is None else dg.EnvVar(given.env)


def _rendered(context: dg.ResolutionContext, given: str | None) -> str | None:
    """Return the text that a template makes. Raises ValueError if it makes nothing.

    `{{ env.NAME }}` makes None where the variable is not set. None would mean the default: another warehouse, or the
    keys of another account.
    """
    if given is None:
        return None
    found = context.resolve_value(given)
    if found is None or not str(found).strip():
        raise ValueError("the template has given nothing: set its variable, or take the field away")
    return str(found)


def _destination(context: dg.ResolutionContext, given: str | FromEnvironment | None) -> str | None:
    if isinstance(given, FromEnvironment):
        return dg.EnvVar(given.env)
    url = _rendered(context, given)
    if url is not None and may_hold_secret(url):
        raise ValueError("Dagster would show the password in the destination: write {env: NAME}")
    return url


def _options(context: dg.ResolutionContext, given: dict[str, Any]) -> dict[str, Any]:
    found = context.resolve_value(given)
    for name, value in given.items():
        if isinstance(value, str) and found[name] is None:
            raise ValueError(f"the template of {name} has given nothing: set its variable, or take the option away")
    return dict(found)


Secret = Annotated[
    str | None,
    dg.Resolver(
        _variable,
        inject_before_resolve=False,
        model_field_type=FromEnvironment | None,
        description="{env: NAME}, a variable's name",
    ),
]


def _cron(description: str) -> dg.Resolver:
    return dg.Resolver(_rendered, inject_before_resolve=False, model_field_type=str | None, description=description)


Text = Annotated[str | None, dg.Resolver(_rendered, inject_before_resolve=False, model_field_type=str | None)]


@dataclass
class AccountAttributes(dg.Resolvable):
    """Describes an account of the component; an account without attributes has a section of dlt's configuration."""

    secret_id: Secret = None
    secret_key: Secret = None
    token: Secret = None
    role_arn: Text = None
    account_id: Text = None
    site: Text = None


@dataclass
class TcssComponent(dg.Component, dg.Resolvable):
    """Loads container images of Tencent Container Security Service (TCSS) into a SQL warehouse, current and historical.

    Five tables as assets, partitioned by account; checks that syncs are complete, keys unique and data fresh; schedules
    of the syncs and of the checks. With `detail`, the tables of details are assets too. Secrets are given as
    `{env: NAME}`. A subclass may put code around each sync, by its own `execute`.

    Example:

        .. code-block:: yaml

            # defs.yaml

            type: connector.dagster.TcssComponent
            attributes:
              destination: {env: TCSS_DESTINATION}
              accounts:
                production:
                  secret_id: {env: PRODUCTION_SECRET_ID}
                  secret_key: {env: PRODUCTION_SECRET_KEY}
                staging:
                  role_arn: qcs::cam::uin/100000000002:roleName/tcss-reader
              schedule: "0 * * * *"
    """

    destination: Annotated[
        str | None,
        dg.Resolver(
            _destination,
            inject_before_resolve=False,
            model_field_type=str | FromEnvironment | None,
            description="a SQLAlchemy URL, or {env: NAME} if the URL holds a password",
            examples=["duckdb:///warehouse.duckdb", {"env": "TCSS_DESTINATION"}],
        ),
    ] = None
    dataset: Text = None
    accounts: dict[str, AccountAttributes] = field(default_factory=dict)
    secret_id: Secret = None
    secret_key: Secret = None
    token: Secret = None
    site: Text = None
    endpoint: Text = None
    options: Annotated[dict[str, Any], dg.Resolver(_options, model_field_type=dict[str, Any])] = field(
        default_factory=dict
    )
    detail: Annotated[
        list[str],
        dg.Resolver.default(description="the details to read: vulnerabilities, malware, running"),
    ] = field(default_factory=list)
    schedule: Annotated[str | None, _cron("when to sync, as a cron expression")] = None
    checks_schedule: Annotated[str | None, _cron("when to check beside each sync")] = None
    keys_schedule: Annotated[str | None, _cron("when to check that keys are unique, such as once a day")] = None
    execution_timezone: str = "UTC"
    max_age_hours: Annotated[float, dg.Resolver.default(description="most hours since the last complete sync")] = 26.0
    translation: Annotated[TranslationFn[Table], TranslationFnResolver(lambda table: {"table": table})] | None = None

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        """Make the assets, checks, schedules and the resource `tcss`."""
        accounts = dg.StaticPartitionsDefinition(list(self.accounts)) if self.accounts else None
        about: Any = {"detail": self.detail, "partitions_def": accounts, "translator": _ComponentTranslator(self)}

        @tcss_assets(name="tcss_sync", **about)
        def assets(
            context: dg.AssetExecutionContext, config: SyncConfig, tcss: TcssResource
        ) -> Iterator[dg.MaterializeResult[Any]]:
            yield from self.execute(context, config, tcss)

        checks = build_tcss_asset_checks(max_age=timedelta(hours=self.max_age_hours), **about)
        keys = build_tcss_key_checks(**about)
        planned: Any = (
            (assets, self.schedule, [keys]),
            (checks, self.checks_schedule, ()),
            (keys, self.keys_schedule, ()),
        )
        return dg.Definitions(
            assets=[assets],
            asset_checks=[checks, keys],
            schedules=[
                build_tcss_schedule(
                    definition,
                    cron_schedule=cron,
                    partitions_def=accounts,
                    without=without,
                    execution_timezone=self.execution_timezone,
                )
                for definition, cron, without in planned
                if cron
            ],
            resources={"tcss": self.resource()},
        )

    def execute(
        self, context: dg.AssetExecutionContext, config: SyncConfig, tcss: TcssResource
    ) -> Iterator[dg.MaterializeResult[Any]]:
        """Sync the account of the run's partition. Override this method to put code around a sync.

        Example:
            class Announced(TcssComponent):
                def execute(self, context, config, tcss):
                    yield from super().execute(context, config, tcss)
                    context.log.info("synced %s", context.partition_key)
        """
        yield from tcss.materialize(context, mode=config.mode)

    def resource(self) -> TcssResource:
        """Return the resource with these accounts; accounts without attributes are left to dlt's configuration."""
        accounts = {name: TcssAccount(**given) for name, own in self.accounts.items() if (given := _given(own))}
        names = ("destination", "dataset", "secret_id", "secret_key", "token", "site", "endpoint", "options")
        return TcssResource(accounts=accounts, **{name: getattr(self, name) for name in names})

    def get_asset_spec(self, table: Table) -> dg.AssetSpec:
        """Return the asset of a table, before `translation`. Override this method to change more than YAML can."""
        return DagsterTcssTranslator(dataset=self.dataset or "tcss").get_asset_spec(table)


class _ComponentTranslator(DagsterTcssTranslator):
    """Applies the component's method and its `translation` to a table."""

    def __init__(self, component: TcssComponent) -> None:
        super().__init__(dataset=component.dataset or "tcss")
        self._component = component

    def get_asset_spec(self, table: Table) -> dg.AssetSpec:
        spec = self._component.get_asset_spec(table)
        return self._component.translation(spec, table) if self._component.translation else spec


def _given(account: AccountAttributes) -> dict[str, Any]:
    return {name: value for name, value in vars(account).items() if value is not None}
