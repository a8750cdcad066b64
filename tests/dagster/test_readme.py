"""What the README says about Dagster runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from connector import dagster as tcss
from tests.dagster.accounts import Accounts
from tests.syncing import loaded, truth
from tests.warehouses import Place

ROOT = Path(__file__).parents[2]
SECTION = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## Dagster\n")[2].partition("\n## ")[0]


def test_the_definitions_sync_an_account_as_they_stand(
    accounts: Accounts, duckdb_file: Place, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> None:
    """With keys in dlt's configuration and the destination in the environment: a tick of the schedule, and its runs."""
    monkeypatch.setenv("TCSS_DESTINATION", duckdb_file.url)
    monkeypatch.setenv("TCSS_ENDPOINT", accounts.sandbox.url)
    monkeypatch.setenv("SOURCES__TCSS__METADATA", "false")
    names = dict(zip(("production", "staging"), ("one", "two"), strict=True))
    for section, name in names.items():
        prefix = f"SOURCES__TCSS__ACCOUNTS__{section.upper()}__CREDENTIALS__"
        account = accounts.by_name[name]
        monkeypatch.setenv(f"{prefix}SECRET_ID", account.secret_id)
        monkeypatch.setenv(f"{prefix}SECRET_KEY", account.secret_key)
    (code,) = re.findall(r"^```python\n(.*?)```", SECTION, re.DOTALL | re.MULTILINE)
    made: dict[str, Any] = {}
    exec(compile(code, "README.md", "exec"), made)
    definitions: dg.Definitions = made["defs"]
    context = dg.build_schedule_context(instance=instance, repository_def=definitions.get_repository_def())
    requests = made["hourly"].evaluate_tick(context).run_requests
    job = definitions.resolve_job_def(made["hourly"].job_name)
    for request in requests:
        result = job.execute_in_process(partition_key=request.tags["dagster/partition"], instance=instance)
        assert {e.passed for e in result.get_asset_check_evaluations()} == {True}
    for name in names.values():
        assert loaded(duckdb_file, accounts.id(name)) == truth(accounts.by_name[name].fleet)


def test_what_it_names_exists() -> None:
    """The component, and the files of the example."""
    example = ROOT / "connector" / "dagster" / "example"
    assert "`type: connector.dagster.TcssComponent`" in SECTION
    assert tcss.TcssComponent.__module__ == "connector.dagster.component"
    assert "`connector/dagster/example`" in SECTION
    assert {path.name for path in example.rglob("*.yaml")} == {"defs.yaml", "dagster.yaml"}


def test_the_export_list_is_true() -> None:
    """Every name is there, and has a docstring with an example or arguments where it is code."""
    for name in tcss.__all__:
        value = getattr(tcss, name)
        assert isinstance(value, str) or value.__doc__
