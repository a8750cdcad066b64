"""Planted secrets turn up nowhere that Dagster shows or keeps."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap

from connector.dagster import TcssAccount, TcssResource, build_tcss_asset_checks, build_tcss_assets, build_tcss_schedule
from connector.errors import ConfigurationError
from connector.sandbox import Fault, Fleet, wall_clock
from tests.dagster.accounts import NOW, Accounts, accounts_on
from tests.warehouses import place, user

KEY = "SECRETONEEXAMPLE"  # what `accounts_on` gives the account
PASSWORD = "p@ss/w:rd"  # what `user` gives the warehouse's user
SECRETS = (KEY, PASSWORD, "p%40ss", "ss/w:rd")


@pytest.fixture(
    params=[(), (Fault("unauthorized", at=range(2, 99)),)],
    ids=["quiet", "denied"],
)
def accounts(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Accounts]:
    with accounts_on({"one": Fleet.seeded(150, clock=wall_clock)}, tmp_path, monkeypatch, request.param) as made:
        yield made


@pytest.mark.filterwarnings("ignore:Property `ScheduleDefinition.environment_vars`:DeprecationWarning")  # Dagster's own
def test_the_canary_is_nowhere(
    accounts: Accounts,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Not in logs, events, run config, tags, output, the definitions' snapshot, nor in any file of the instance: after
    runs that succeed, and that fail at the API or at the warehouse."""
    caplog.set_level(logging.DEBUG)
    home = tmp_path / "dagster_home"
    home.mkdir()
    with (
        place("postgresql", tmp_path) as warehouse,
        user(warehouse, [f"GRANT CREATE ON DATABASE {warehouse.engine.url.database} TO {{user}}"]) as url,
    ):
        monkeypatch.setenv("WAREHOUSE", url)
        resource = accounts.resource(
            warehouse,
            destination=dg.EnvVar("WAREHOUSE"),
            options={"patience": 0.1, "metadata": False},
        )
        partitions = accounts.partitions
        assets = build_tcss_assets(partitions_def=partitions, retry_policy=NOW)
        checks = build_tcss_asset_checks(partitions_def=partitions, retry_policy=NOW)
        schedule = build_tcss_schedule(assets, cron_schedule="@daily", partitions_def=partitions)
        definitions = dg.Definitions(
            assets=[assets], asset_checks=[checks], schedules=[schedule], resources={"tcss": resource}
        )
        with dg.instance_for_test(temp_dir=str(home)) as instance:
            job = definitions.resolve_job_def("tcss_sync_job")
            for destination in (url, url.replace("127.0.0.1", "127.0.0.2").replace(":5432", ":1")):
                monkeypatch.setenv("WAREHOUSE", destination)
                job.execute_in_process(partition_key="one", instance=instance, raise_on_error=False)
            shown = [dg.serialize_value(run) for run in instance.get_runs()]
            shown += [entry.to_json() for run in instance.get_runs() for entry in instance.all_logs(run.run_id)]
            assert len(shown) > 20
    snapshot = dg.serialize_value(RepositorySnap.from_def(definitions.get_repository_def()))
    assert_nowhere([*shown, snapshot, repr(resource), caplog.text, "".join(capfd.readouterr())], home)


def assert_nowhere(texts: list[str], directory: Path) -> None:
    for secret in SECRETS:
        assert not [text for text in texts if secret in text]
        assert not [path for path in directory.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


def test_the_search_would_find_it(tmp_path: Path) -> None:
    """A check that cannot fail proves nothing."""
    with pytest.raises(AssertionError):
        assert_nowhere([f"key={KEY}"], tmp_path)
    (tmp_path / "log").write_text(PASSWORD)
    with pytest.raises(AssertionError):
        assert_nowhere([], tmp_path)


def test_reprs_show_no_secret() -> None:
    """Nor where somebody gave the value instead of a variable's name."""
    keys = {"secret_id": "AKIDEXAMPLE", "secret_key": KEY, "token": KEY}
    account = TcssAccount(**keys)
    resource = TcssResource(destination=f"postgresql://tcss:{KEY}@127.0.0.1/w", accounts={"one": account}, **keys)
    assert KEY not in repr(resource) + str(resource) + repr(account) + str(account)


WRITTEN_OUT = {
    "secret_key": {"secret_key": KEY},
    "token": {"token": KEY},
    "destination": {"destination": f"postgresql://tcss:{KEY}@127.0.0.1/w"},
    "a mistyped destination": {"destination": f"postgresql:tcss:{KEY}@127.0.0.1"},
    "an account": {"accounts": {"one": TcssAccount(secret_id="AKIDEXAMPLE", secret_key=KEY)}},
    "options": {"options": {"credentials": {"secret_id": "AKIDEXAMPLE", "secret_key": KEY}}},
}


@pytest.mark.parametrize("given", WRITTEN_OUT.values(), ids=WRITTEN_OUT)
def test_a_secret_that_is_written_out_is_refused(given: dict[str, Any]) -> None:
    """Where Dagster would show it, and without being repeated; a variable's name is what is wanted."""
    for define in (
        lambda: dg.Definitions(resources={"tcss": TcssResource(**given)}).get_repository_def(),
        lambda: TcssResource(**given).get_resource_definition(),
        lambda: TcssResource.configure_at_launch(**given),
    ):
        with pytest.raises(ConfigurationError) as caught:
            define()
        assert KEY not in str(caught.value)
    names = {"secret_id": dg.EnvVar("ID"), "secret_key": dg.EnvVar("KEY"), "destination": dg.EnvVar("WAREHOUSE")}
    assert TcssResource(**names, options={"lookback": 60}).get_resource_definition()
    assert TcssResource(destination="duckdb:///w.duckdb").get_resource_definition()


def test_a_mistyped_destination_is_not_in_the_event_log(
    accounts: Accounts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> None:
    """Nor in the causes of the error."""
    with place("duckdb", tmp_path) as made:
        for url in (f"postgresql:u:{KEY}@h", f"postgresql://u:a@{KEY}@h/d", f"nosuch{KEY}://h"):
            monkeypatch.setenv("WAREHOUSE", url)
            resource = accounts.resource(made, destination=dg.EnvVar("WAREHOUSE"))
            result = accounts.materialize(made, "one", instance, resource=resource)
            assert not result.success
            log = "".join(entry.to_json() for entry in instance.all_logs(result.run_id))
            assert "destination" in log
            assert KEY.lower() not in log.lower()
