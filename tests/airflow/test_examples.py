"""The example DAGs of the package: each is parsed and serialised, and each that needs no cluster is run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.sdk import DAG

import connector.airflow.example_dags
from connector.airflow import accounts, table_asset
from connector.sandbox import Fleet, wall_clock
from connector.sandbox.identity import Account
from tests.airflow.conftest import DAGS
from tests.airflow.running import KEYS, airflow_world, connect, events, parsed, run
from tests.syncing import loaded, truth
from tests.warehouses import Place, place
from tests.world import ACCOUNT_ID, World

FOLDER = Path(connector.airflow.example_dags.__file__).parent
ISOLATED = Path(__file__).parents[2] / ".venv" / "bin" / "python"
SECOND = "200000000002"
needs_isolated = pytest.mark.skipif(
    not ISOLATED.exists() and os.environ.get("CI") != "true", reason="make test makes that environment"
)
TASKS = {
    "example_tcss_one_account": {"sync"},
    "example_tcss_consumer": {"changed"},
    "example_tcss_report": {"fresh"},
    "example_tcss_many_accounts": {"sync_tcss_production", "sync_tcss_staging", "publish"},
    "example_tcss_external_python": {"sync"},
    "example_tcss_kubernetes": {"sync_tcss-production", "sync_tcss-staging"},
}


def example(name: str, *, dag: str | None = None) -> DAG:
    """The DAG of an example, copied into Airflow's folder of DAGs as a user would copy it."""
    file = DAGS / f"{name}.py"
    file.write_text((FOLDER / file.name).read_text(encoding="utf-8"), encoding="utf-8")
    return parsed(file)[dag or name]


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with airflow_world(tmp_path, monkeypatch, images=80) as made:
        yield made


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A PostgreSQL schema, named `tcss` for whom the default dataset is meant."""
    with place("postgresql", tmp_path) as made:
        monkeypatch.setenv("SOURCES__TCSS__DATASET", made.dataset)
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", made.url)
        yield made


def test_every_example_is_parsed_and_serialised() -> None:
    """Without an import error or a connection; their tasks are known, and each is run below but the pods."""
    from airflow.serialization.serialized_objects import DagSerialization

    found = parsed(FOLDER)
    assert {name: set(dag.task_ids) for name, dag in found.items()} == TASKS
    for dag in found.values():
        assert set(DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag)).task_dict) == set(dag.task_ids)


def test_parsing_does_not_import_dlt() -> None:
    """The DAG processor parses each file again and again, and dlt costs it a second and 70 MB."""
    code = (
        "import sys; from airflow.dag_processing.dagbag import DagBag\n"
        f"bag = DagBag({str(FOLDER / 'example_tcss_many_accounts.py')!r}); assert bag.dags and not bag.import_errors\n"
        "assert not {'dlt', 'duckdb', 'pyarrow'} & set(sys.modules), set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_one_account(account: World) -> None:
    """The sync, what it says to its consumer, and the report that waits for it; by default and in another mode."""
    synced = run(example("example_tcss_one_account"))["sync"]
    assert (synced.state, synced.result["images_new"]) == ("success", 80)
    assert len(account.query("select * from tcss.images")) == 80
    again = run(example("example_tcss_one_account"), mode="full")["sync"]
    assert (again.result["mode_reason"], again.result["images_unchanged"]) == ("asked for", 80)
    report = run(example("example_tcss_one_account", dag="example_tcss_report"))["fresh"]
    assert (report.state, list(report.result)) == ("success", [ACCOUNT_ID])
    consumer = example("example_tcss_one_account", dag="example_tcss_consumer")
    assert run(consumer)["changed"].result == 0  # started by hand, not by an event
    told = [SimpleNamespace(extra=extra) for extra in events("example_tcss_one_account")]
    assert consumer.task_dict["changed"].python_callable({table_asset("images"): told}) == 80


def test_many_accounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Place) -> None:
    """Two accounts in one dataset, and the pools that their tasks name."""
    second = Account(Fleet.seeded(60, seed=2, clock=wall_clock), "AKIDSECOND", "SECRETSECOND", SECOND)
    with airflow_world(tmp_path, monkeypatch, images=80, accounts=[second]) as made:
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", server.url)
        extra = {"endpoint": made.sandbox.url}
        connect(monkeypatch, "tcss_production", conn_type="tcss", **KEYS, extra=extra)
        connect(monkeypatch, "tcss_staging", conn_type="tcss", login="AKIDSECOND", password="SECRETSECOND", extra=extra)
        dag = example("example_tcss_many_accounts")
        tasks = run(dag)
        assert {task.state for task in tasks.values()} == {"success"}
        assert loaded(server, ACCOUNT_ID) == truth(made.fleet)
        assert loaded(server, SECOND) == truth(second.fleet)
    assert tasks["publish"].result["rows"] == 140
    assert {task.pool for task in dag.tasks} == {"tcss_production", "tcss_staging", "default_pool"}


@needs_isolated
def test_an_environment_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Place, account: World
) -> None:
    """One without Airflow, that of `make test`."""
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", server.url)
    monkeypatch.setenv("TCSS_PYTHON", str(ISOLATED))
    code = "import importlib.util as u, connector; assert u.find_spec('airflow') is None"
    subprocess.run([ISOLATED, "-c", code], check=True, timeout=60)
    extra = {"endpoint": account.sandbox.url, "naive_time_zone": "UTC"}
    connect(monkeypatch, "tcss_default", conn_type="tcss", **KEYS, extra=extra)
    task = run(example("example_tcss_external_python"))["sync"]
    assert (task.state, task.result["images_new"]) == ("success", 80)
    assert task.result["naive_time_zone"] == "UTC"  # no field of the connection is left out
    assert loaded(server, ACCOUNT_ID) == truth(account.fleet)


CLUSTER = """
apiVersion: v1
kind: Config
current-context: none
contexts: [{name: none, context: {cluster: none, user: none}}]
clusters: [{name: none, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: none, user: {}}]
"""


def test_a_pod_for_each_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Built, for a cluster that is not asked: its arguments are the command's, its exit code 5 is a partial run, and
    its keys come from a Secret."""
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").write_text(CLUSTER, encoding="utf-8")
    monkeypatch.setenv("HOME", str(tmp_path))
    dag = example("example_tcss_kubernetes")
    for task, name in zip(dag.tasks, ("tcss-production", "tcss-staging"), strict=True):
        assert [*task.cmds, *task.arguments] == ["tcss", "sync", "--json"]
        assert (task.skip_on_exit_code, task.pool) == ([5], name.replace("-", "_"))
        assert [secret.secret for secret in task.secrets] == [name]
        pod = task.build_pod_request_obj()
        assert pod.spec.containers[0].env_from[0].secret_ref.name == name


# ---- pools ----


def test_the_pools_are_what_airflow_imports(tmp_path: Path) -> None:
    """As the example's docstring says it; the tasks' share of the requests is that of a slot."""
    file = tmp_path / "pools.json"
    command = [sys.executable, "-m", "connector.airflow.accounts", "tcss_production", "tcss_staging", "--slots", "2"]
    file.write_text(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)
    assert json.loads(file.read_text()) == accounts.pools(["tcss_production", "tcss_staging"], slots=2)
    from airflow.cli.cli_parser import get_parser
    from airflow.models.pool import Pool

    given = get_parser().parse_args(["pools", "import", str(file)])
    given.func(given)
    assert {name: Pool.get_pool(name).slots for name in ("tcss_production", "tcss_staging")} == {
        "tcss_production": 2,
        "tcss_staging": 2,
    }


def test_the_slots_of_a_pool_share_the_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the connection, or 20 a second."""
    connect(monkeypatch, "one", conn_type="tcss", **KEYS, extra={"requests_per_second": 12})
    connect(monkeypatch, "two", conn_type="tcss", **KEYS)
    with DAG("shares"):
        tasks = accounts.sync_accounts(["one", "two"], slots=4, mode="full")
    assert [(task.task_id, task.pool, task.mode) for task in tasks] == [
        ("sync_one", "one", "full"),
        ("sync_two", "two", "full"),
    ]
    assert [task._settings().requests_per_second for task in tasks] == [3.0, 5.0]
