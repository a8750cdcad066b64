"""docs/dagster.md, as it stands: from a copy of the example to a green asset, and the definitions in code."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import dagster as dg
import pytest
import yaml
from dagster_dg_cli.cli import create_dg_cli

from connector import dagster as tcss
from tests import manual
from tests.dagster.accounts import Accounts
from tests.dagster.test_component import built
from tests.syncing import loaded, truth
from tests.warehouses import Place

PAGE = "docs/dagster.md"
ACCOUNTS = {"production": "one", "staging": "two"}


def test_its_steps_lead_to_a_green_asset(
    accounts: Accounts, tmp_path: Path, duckdb_file: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`dg launch` in a copy of the example, in a process of its own. `dg dev` serves until it is stopped, so only its
    name is looked up; `dg check defs` runs in test_component."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("TCSS_ENDPOINT", accounts.sandbox.url)
    monkeypatch.setenv("TCSS_METADATA", "false")
    directory, dg_cli = tmp_path, create_dg_cli()
    for line in manual.commands(PAGE):
        words = shlex.split(line)
        if words[0] == "cp":
            source, target = manual.ROOT / words[2], directory / words[3]
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        elif words[0] == "cd":
            directory = directory / words[1]
        elif words[0] == "export":
            for name, _, value in (word.partition("=") for word in words[1:]):
                account, _, field = name.lower().partition("_")
                given = getattr(accounts.by_name[ACCOUNTS[account]], field) if value == "..." else value
                monkeypatch.setenv(name, given.replace("$PWD", str(directory)))
        elif words[:2] == ["dg", "launch"]:
            done = subprocess.run(words, cwd=directory, capture_output=True, text=True, timeout=300)
            assert done.returncode == 0, done.stdout + done.stderr
        elif words[0] == "dg":
            assert words[1] in dg_cli.list_commands(click.Context(dg_cli))
        else:
            assert words[:2] == ["pip", "install"]
    shutil.copy(directory / "warehouse.duckdb", duckdb_file.file)
    assert loaded(duckdb_file, accounts.id("one")) == truth(accounts.by_name["one"].fleet)


def test_the_definitions_sync_an_account_as_they_stand(
    accounts: Accounts, duckdb_file: Place, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> None:
    """With keys in dlt's configuration and the destination in the environment: a tick of the schedule, and its runs."""
    monkeypatch.setenv("TCSS_DESTINATION", duckdb_file.url)
    monkeypatch.setenv("TCSS_ENDPOINT", accounts.sandbox.url)
    monkeypatch.setenv("SOURCES__TCSS__METADATA", "false")
    for section, name in ACCOUNTS.items():
        prefix = f"SOURCES__TCSS__ACCOUNTS__{section.upper()}__CREDENTIALS__"
        account = accounts.by_name[name]
        monkeypatch.setenv(f"{prefix}SECRET_ID", account.secret_id)
        monkeypatch.setenv(f"{prefix}SECRET_KEY", account.secret_key)
    made: dict[str, Any] = {}
    exec(compile(manual.code(PAGE, "python"), PAGE, "exec", dont_inherit=True), made)
    definitions: dg.Definitions = made["defs"]
    context = dg.build_schedule_context(instance=instance, repository_def=definitions.get_repository_def())
    requests = made["hourly"].evaluate_tick(context).run_requests
    job = definitions.resolve_job_def(made["hourly"].job_name)
    for request in requests:
        result = job.execute_in_process(partition_key=request.tags["dagster/partition"], instance=instance)
        assert {e.passed for e in result.get_asset_check_evaluations()} == {True}
    for name in ACCOUNTS.values():
        assert loaded(duckdb_file, accounts.id(name)) == truth(accounts.by_name[name].fleet)


@pytest.mark.filterwarnings("ignore:`parse_obj_as` is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore::dagster.BetaWarning")
def test_the_component_is_read_as_it_stands() -> None:
    """Its type is ours; its account is a partition, and its schedules are there."""
    component = yaml.safe_load(manual.code(PAGE, "yaml"))
    assert component["type"] == f"{tcss.__name__}.{tcss.TcssComponent.__name__}"
    definitions = built(component["attributes"])
    assets = definitions.resolve_assets_def(dg.AssetKey(["tcss", "images"]))
    assert assets.partitions_def == dg.StaticPartitionsDefinition(["production"])
    assert [schedule.cron_schedule for schedule in definitions.schedules or ()] == ["0 * * * *", "0 4 * * *"]


def test_the_export_list_is_true() -> None:
    """Every name is there, and has a docstring with an example or arguments where it is code."""
    for name in tcss.__all__:
        value = getattr(tcss, name)
        assert isinstance(value, str) or value.__doc__
