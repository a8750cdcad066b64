"""docs/airflow.md, as it stands: from no connection to a green run."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from airflow.cli.cli_parser import get_parser
from airflow.models import Connection
from airflow.models.pool import Pool
from airflow.utils.session import create_session

from connector.airflow import accounts
from connector.airflow.provider_info import get_provider_info
from connector.sandbox import Fleet, wall_clock
from connector.sandbox.identity import DEFAULT_ID, DEFAULT_KEY, Account
from tests import manual
from tests.airflow.conftest import DAGS
from tests.airflow.running import airflow_world, parsed, run
from tests.syncing import loaded, truth
from tests.warehouses import place
from tests.world import ACCOUNT_ID

PAGE = "docs/airflow.md"
SECOND = "200000000002"


def call(line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A command of the page: Airflow's in this process, and ours that prints pools; `dags test` is done by `run`."""
    words = shlex.split(os.path.expandvars(line))
    if words[0] == "python":
        module, *arguments = words[2 : words.index(">")]
        assert module == accounts.__name__
        monkeypatch.setattr("sys.argv", [module, *arguments])
        capsys.readouterr()
        accounts.main()
        Path(words[-1]).write_text(capsys.readouterr().out, encoding="utf-8")
        return
    assert words[0] == "airflow"
    given = get_parser().parse_args(words[1:])
    if words[1:3] != ["dags", "test"]:
        given.func(given)


@pytest.fixture
def metadata() -> Iterator[None]:
    """Without the connections and pools of this test, afterwards."""
    yield
    with create_session() as session:
        session.query(Connection).delete()
        session.query(Pool).filter(Pool.pool.startswith("tcss_")).delete()


@pytest.mark.usefixtures("metadata")
def test_its_steps_lead_to_a_green_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Connections and pools by its commands, its DAG run once, and the rows of both accounts read back."""
    second = Account(Fleet.seeded(40, seed=2, clock=wall_clock), "AKIDSECOND", "SECRETSECOND", SECOND)
    with (
        place("postgresql", tmp_path) as server,
        airflow_world(tmp_path, monkeypatch, images=70, accounts=[second]) as made,
    ):
        for name, value in {
            "PRODUCTION_SECRET_ID": DEFAULT_ID,
            "PRODUCTION_SECRET_KEY": DEFAULT_KEY,
            "STAGING_SECRET_ID": "AKIDSECOND",
            "STAGING_SECRET_KEY": "SECRETSECOND",
            "WAREHOUSE_URL": server.url,
            "TCSS_ENDPOINT": made.sandbox.url,
            "SOURCES__TCSS__DATASET": server.dataset,
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("AIRFLOW_CONN_WAREHOUSE")
        for line in manual.commands(PAGE):
            call(line, monkeypatch, capsys)
        (DAGS / "manual.py").write_text(manual.code(PAGE, "python"), encoding="utf-8")
        dag = parsed(DAGS / "manual.py")["tcss"]
        with create_session() as session:
            pools = {pool.pool for pool in session.query(Pool)}
        assert {task.pool for task in dag.tasks} <= pools
        tasks = run(dag)
        assert {name: task.state for name, task in tasks.items()} == dict.fromkeys(
            ("sync_tcss_production", "sync_tcss_staging", "publish"), "success"
        )
        assert loaded(server, ACCOUNT_ID) == truth(made.fleet)
        assert loaded(server, SECOND) == truth(second.fleet)


def test_it_lists_every_field_of_the_connection() -> None:
    """Those of the form, with their labels."""
    (connection,) = get_provider_info()["connection-types"]
    labels = {f"`{name}`": field["label"] for name, field in connection["conn-fields"].items()}
    relabelled = connection["ui-field-behaviour"]["relabeling"]
    assert {field: label for field, label, _ in manual.rows(PAGE, "field")} == labels | relabelled


def test_what_it_names_is_there() -> None:
    """The extra, and the target of the Makefile that kills a worker."""
    assert "\nairflow = [" in (manual.ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert "\ntest-scale:" in (manual.ROOT / "Makefile").read_text(encoding="utf-8")
