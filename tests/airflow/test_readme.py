"""The README's section on Airflow, as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from connector.sandbox import Fleet, wall_clock
from connector.sandbox.identity import Account
from tests.airflow.conftest import DAGS
from tests.airflow.running import KEYS, airflow_world, connect, parsed, run
from tests.syncing import loaded, truth
from tests.warehouses import place
from tests.world import ACCOUNT_ID

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("\n## Airflow\n")[2].partition("\n## ")[0]
SECOND = "200000000002"


def test_its_dag_loads_two_accounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parsed, run, and the rows read back."""
    (code,) = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
    (DAGS / "readme.py").write_text(code, encoding="utf-8")
    second = Account(Fleet.seeded(40, seed=2, clock=wall_clock), "AKIDSECOND", "SECRETSECOND", SECOND)
    with (
        place("postgresql", tmp_path) as server,
        airflow_world(tmp_path, monkeypatch, images=70, accounts=[second]) as made,
    ):
        monkeypatch.setenv("SOURCES__TCSS__DATASET", server.dataset)
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", server.url)
        extra = {"endpoint": made.sandbox.url}
        keys = {"tcss_production": KEYS, "tcss_staging": {"login": "AKIDSECOND", "password": "SECRETSECOND"}}
        for conn_id, pair in keys.items():
            connect(monkeypatch, conn_id, conn_type="tcss", **pair, extra=extra)
        tasks = run(parsed(DAGS / "readme.py")["tcss"])
        assert {name: task.state for name, task in tasks.items()} == dict.fromkeys(
            ("sync_tcss_production", "sync_tcss_staging", "publish"), "success"
        )
        assert loaded(server, ACCOUNT_ID) == truth(made.fleet)
        assert loaded(server, SECOND) == truth(second.fleet)


def test_what_it_names_is_there() -> None:
    """The module that prints pools, the folder of examples, the extra, the target of the Makefile."""
    root = Path(__file__).parents[2]
    assert "python -m connector.airflow.accounts" in SECTION
    assert (root / "connector" / "airflow" / "accounts.py").exists()
    assert (root / re.findall(r"\]\((.*?)\)", SECTION)[0]).is_dir()
    assert "\nairflow = [" in (root / "pyproject.toml").read_text(encoding="utf-8")
    assert "\ntest-scale:" in (root / "Makefile").read_text(encoding="utf-8")
