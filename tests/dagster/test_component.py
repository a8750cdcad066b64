"""The component: what `defs.yaml` gives is what the factories give, and the example project passes `dg`'s checks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import traceback
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster.components.core.component_tree import ComponentTreeException
from dagster.components.testing import create_defs_folder_sandbox

from connector import dagster as tcss
from connector.dagster.component import AccountAttributes, TcssComponent
from connector.tables import TABLES
from tests.dagster.accounts import Accounts, metadata
from tests.syncing import loaded, truth
from tests.warehouses import Place

# Dagster's own ways with a YAML file.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`parse_obj_as` is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::dagster.BetaWarning"),
]

EXAMPLE = Path(tcss.__file__).parent / "example"
KEYS = {"secret_id": {"env": "ONE_SECRET_ID"}, "secret_key": {"env": "ONE_SECRET_KEY"}}


def built(attributes: dict[str, Any]) -> dg.Definitions:
    """The definitions of a `defs.yaml` with these attributes."""
    with create_defs_folder_sandbox() as sandbox:
        path = sandbox.scaffold_component(
            TcssComponent,
            defs_yaml_contents={
                "type": "connector.dagster.TcssComponent",
                "attributes": attributes,
            },
        )
        with sandbox.load_component_and_build_defs(defs_path=path) as (_, definitions):
            return definitions


def test_a_component_syncs_its_accounts(
    accounts: Accounts, warehouse: Place, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> None:
    """As its schedule would, with the checks; keys and URL are read from the environment when the run starts."""
    definitions = built(
        {
            "destination": {"env": "WAREHOUSE"},
            "dataset": warehouse.dataset,
            "endpoint": accounts.sandbox.url,
            "accounts": {"one": KEYS},
            "options": {"metadata": False},
            "schedule": "0 * * * *",
        }
    )
    monkeypatch.setenv("WAREHOUSE", warehouse.url)
    monkeypatch.setenv("ONE_SECRET_ID", accounts.by_name["one"].secret_id)
    job = definitions.resolve_job_def("tcss_sync_job")
    result = job.execute_in_process(partition_key="one", instance=instance)
    assert loaded(warehouse, accounts.id("one")) == truth(accounts.by_name["one"].fleet)
    assert {e.passed for e in result.get_asset_check_evaluations()} == {True}


def test_the_attributes_are_those_of_the_factories() -> None:
    """Partitions, schedules with their time zone, and what `translation` changes."""
    definitions = built(
        {
            "dataset": "bronze",
            "accounts": {"one": KEYS, "two": {}},
            "schedule": "0 * * * *",
            "checks_schedule": "30 * * * *",
            "keys_schedule": "0 4 * * *",
            "execution_timezone": "Europe/Berlin",
            "translation": {"group_name": "security", "key_prefix": "raw", "tags": {"table": "{{ table.name }}"}},
        }
    )
    assets = definitions.resolve_assets_def(dg.AssetKey(["raw", "tcss", "images"]))
    assert assets.partitions_def == dg.StaticPartitionsDefinition(["one", "two"])
    assert [spec.key.path for spec in assets.specs] == [["raw", "tcss", table.name] for table in TABLES]
    spec = assets.get_asset_spec(dg.AssetKey(["raw", "tcss", "images"]))
    assert (spec.group_name, spec.tags["table"], spec.metadata["dagster/table_name"]) == (
        "security",
        "images",
        "bronze.images",
    )
    schedules = {s.name: (s.cron_schedule, s.execution_timezone) for s in definitions.schedules or ()}
    assert schedules == {
        "tcss_sync_job_schedule": ("0 * * * *", "Europe/Berlin"),
        "tcss_checks_job_schedule": ("30 * * * *", "Europe/Berlin"),
        "tcss_key_checks_job_schedule": ("0 4 * * *", "Europe/Berlin"),
    }
    checks = definitions.resolve_asset_graph().asset_check_keys
    assert {(key.name, *key.asset_key.path[:2]) for key in checks} == {
        (name, "raw", "tcss") for name in ("complete", "fresh", "keys_unique")
    }


class Announced(TcssComponent):
    """Puts code around each sync."""

    def execute(self, context: Any, config: Any, tcss: Any) -> Iterator[Any]:
        for result in super().execute(context, config, tcss):
            yield result._replace(metadata={**result.metadata, "announced": context.partition_key})


def test_a_subclass_puts_code_around_each_sync(
    accounts: Accounts, duckdb_file: Place, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> None:
    """By `execute`, which gets the run's configuration and the resource."""
    monkeypatch.setenv("ONE_SECRET_ID", accounts.by_name["one"].secret_id)
    keys = AccountAttributes(secret_id=dg.EnvVar("ONE_SECRET_ID"), secret_key=dg.EnvVar("ONE_SECRET_KEY"))
    where: Any = {"destination": duckdb_file.url, "endpoint": accounts.sandbox.url, "options": {"metadata": False}}
    component = Announced(accounts={"one": keys}, schedule="@daily", **where)
    job = component.build_defs(None).resolve_job_def("tcss_sync_job")  # type: ignore[arg-type]
    mode = {"ops": {"tcss_sync": {"config": {"mode": "full"}}}}
    result = job.execute_in_process(run_config=mode, partition_key="one", instance=instance)
    said = metadata(result)
    assert {(facts["announced"], facts["mode"]) for facts in said.values()} == {("one", "full")}
    assert set(said) == {table.name for table in TABLES}


def test_without_accounts_there_is_one() -> None:
    """And no schedule that nobody asked for."""
    definitions = built({"destination": "duckdb:///warehouse.duckdb"})
    assert definitions.resolve_assets_def(dg.AssetKey(["tcss", "images"])).partitions_def is None
    assert list(definitions.schedules or ()) == []


def test_secrets_are_names_of_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a key nor a URL with a password is taken as it stands: Dagster's UI would show them."""
    monkeypatch.setenv("CANARY", "postgresql://tcss:CANARYEXAMPLE@127.0.0.1/warehouse")
    for attributes in (
        {"secret_id": {"env": "A"}, "secret_key": "CANARYEXAMPLE"},
        {"accounts": {"one": {**KEYS, "secret_key": "{{ env.CANARY }}"}}},
        {"destination": "{{ env.CANARY }}"},
        {"destination": "duckdb:///md:warehouse?motherduck_token=CANARYEXAMPLE"},
    ):
        with pytest.raises(ComponentTreeException) as refused:
            built(attributes)
        text = "".join(traceback.format_exception(refused.value))
        assert "Dagster would show" in text
        assert "CANARYEXAMPLE@" not in text


def test_a_text_of_digits_stays_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dagster's templates make a number of such a text: of an id, and of a key, which would be shown."""
    monkeypatch.setenv("DIGITS", "100000000001")
    definitions = built({"accounts": {"one": {**KEYS, "account_id": "{{ env.DIGITS }}"}}})
    assert definitions.resources is not None
    assert definitions.resources["tcss"].accounts["one"].account_id == "100000000001"
    with pytest.raises(ComponentTreeException) as refused:
        built({"accounts": {"one": {**KEYS, "secret_key": "{{ env.DIGITS }}"}}})
    text = "".join(traceback.format_exception(refused.value))
    assert "Dagster would show" in text
    assert "100000000001" not in text


@pytest.mark.parametrize(
    "attributes",
    [
        {"destination": "{{ env.NOWHERE }}"},
        {"destination": "{{ env.EMPTY }}"},
        {"dataset": "{{ env.NOWHERE }}"},
        {"accounts": {"one": {"role_arn": "{{ env.NOWHERE }}"}}},
        {"options": {"endpoint": "x", "filters": "{{ env.NOWHERE }}"}},
        {"schedule": "{{ env.NOWHERE }}"},
    ],
    ids=str,
)
def test_a_template_that_gives_nothing_is_not_the_default(
    attributes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default would be another warehouse, another account's keys, all images, or no schedule."""
    monkeypatch.delenv("NOWHERE", raising=False)
    monkeypatch.setenv("EMPTY", "")
    with pytest.raises(ComponentTreeException) as refused:
        built(attributes)
    assert "has given nothing" in "".join(traceback.format_exception(refused.value))


# ---- `dg`, as a person would call it ----


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the example project."""
    return Path(shutil.copytree(EXAMPLE, tmp_path / "example", ignore=shutil.ignore_patterns("__pycache__")))


def dg_command(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`dg` in the project, without any of the variables that it names."""
    bin_ = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}", "DAGSTER_HOME": str(project)}
    return subprocess.run(
        [str(bin_ / "dg"), *arguments], cwd=project, env=environment, capture_output=True, text=True, timeout=120
    )


def test_the_example_passes_dg(project: Path) -> None:
    """`dg check defs` checks the YAML too; it finds the component by the distribution's entry point."""
    checked = dg_command(project, "check", "defs")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "All component YAML validated successfully" in checked.stdout
    assert "All definitions loaded successfully" in checked.stdout
    (ours,) = entry_points(group="dagster_dg_cli.registry_modules", name="tcss-connector")
    assert ours.load() is tcss


def test_dg_finds_what_is_wrong_in_a_copy_of_it(project: Path) -> None:
    """A check that cannot fail proves nothing: an attribute that there is not, and a key that is no `{env: NAME}`."""
    (path,) = project.rglob("defs.yaml")
    right = path.read_text(encoding="utf-8")
    path.write_text(right.replace("owners:", "owner:"), encoding="utf-8")
    assert dg_command(project, "check", "yaml").returncode == 1
    path.write_text(right.replace("{env: PRODUCTION_SECRET_KEY}", "SECRETEXAMPLE"), encoding="utf-8")
    checked = dg_command(project, "check", "defs", "--no-check-yaml")
    assert checked.returncode == 1
    assert "write {env: NAME}" in checked.stdout + checked.stderr
