"""Gives tests accounts on a sandbox, with keys in the environment, and runs of Dagster in this process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

from connector.dagster import TcssAccount, TcssResource, build_tcss_assets
from connector.sandbox import Fault, Fleet, Sandbox
from connector.sandbox.identity import Account
from tests.warehouses import Place

NOW = dg.RetryPolicy(max_retries=2, delay=0)


@dataclass
class Accounts:
    """Holds accounts by name. Their keys are in the environment, as `<NAME>_SECRET_KEY`."""

    by_name: Mapping[str, Account]
    sandbox: Sandbox

    @property
    def partitions(self) -> dg.PartitionsDefinition[str]:
        return dg.StaticPartitionsDefinition(list(self.by_name))

    def id(self, name: str) -> str:
        return self.by_name[name].account_id

    def resource(self, place: Place, **given: Any) -> TcssResource:
        """Return the resource as users define it: secrets are names of variables."""
        accounts = {
            name: TcssAccount(secret_id=account.secret_id, secret_key=dg.EnvVar(f"{name.upper()}_SECRET_KEY"))
            for name, account in self.by_name.items()
        }
        fast = {"requests_per_second": 1e6, "metadata": False, "max_delete_share": 1.0, "confirm_gone_after": 0}
        where = {"destination": place.url, "dataset": place.dataset, "endpoint": self.sandbox.url}
        return TcssResource(**{**where, "accounts": accounts, "options": fast, **given})

    def materialize(
        self,
        place: Place,
        name: str | None,
        instance: dg.DagsterInstance,
        *,
        resource: TcssResource | None = None,
        mode: str | None = None,
        **given: Any,
    ) -> dg.ExecuteInProcessResult:
        """Sync an account as an asset's partition, in this process, and return the result, even of a failed run."""
        assets = build_tcss_assets(**{"partitions_def": self.partitions, "retry_policy": NOW, **given})
        return dg.materialize(
            [assets],
            partition_key=name,
            resources={"tcss": resource or self.resource(place)},
            instance=instance,
            raise_on_error=False,
            run_config={"ops": {"tcss_sync": {"config": {"mode": mode}}}} if mode else None,
        )


@contextmanager
def accounts_on(
    fleets: Mapping[str, Fleet], directory: Path, monkeypatch: pytest.MonkeyPatch, faults: tuple[Fault, ...] = ()
) -> Iterator[Accounts]:
    """Start a sandbox with these accounts, and configure only their keys."""
    monkeypatch.setenv("HOME", str(directory))
    monkeypatch.chdir(directory)
    Container()[PluggableRunContext].reload_providers()
    by_name = {}
    for number, (name, fleet) in enumerate(fleets.items(), start=1):
        upper = name.upper()
        by_name[name] = Account(fleet, f"AKID{upper}EXAMPLE", f"SECRET{upper}EXAMPLE", f"{number}00000000001")
        monkeypatch.setenv(f"{upper}_SECRET_KEY", f"SECRET{upper}EXAMPLE")
    first, *others = by_name.values()
    with Sandbox(
        first.fleet,
        secret_id=first.secret_id,
        secret_key=first.secret_key,
        account_id=first.account_id,
        accounts=others,
        rate=None,
        faults=faults,
    ) as sandbox:
        yield Accounts(by_name, sandbox)


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    """Return table -> metadata of its materialisation in a run."""
    events = [event.materialization for event in result.get_asset_materialization_events()]
    return {event.asset_key.path[-1]: {k: v.value for k, v in event.metadata.items()} for event in events}


def failure(result: dg.ExecuteInProcessResult) -> Any:
    """Return the error of the only step of a failed run."""
    (event,) = [event for event in result.all_events if event.is_step_failure]
    return event.step_failure_data


def retries(result: dg.ExecuteInProcessResult) -> int:
    return len([event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"])
