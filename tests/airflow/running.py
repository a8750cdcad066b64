"""Runs DAGs in this process as a scheduler would, with a sandbox, for all tests of this wing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any
from uuid import uuid4

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG

from connector.sandbox.identity import DEFAULT_ID, DEFAULT_KEY
from tests.airflow.conftest import DAGS
from tests.world import World, world

KEYS = {"login": DEFAULT_ID, "password": DEFAULT_KEY}


@dataclass(frozen=True)
class Task:
    """Says how a task ended."""

    state: str
    tries: int
    result: Any


def parsed(file: Path) -> dict[str, DAG]:
    """Return the DAGs of a file, which has no import errors."""
    bag = DagBag(file)
    assert bag.import_errors == {}
    return dict(bag.dags)


def written(code: str) -> DAG:
    """Return the DAG that this code makes as `dag`, from a file in Airflow's folder of DAGs."""
    file = DAGS / f"dag_{uuid4().hex}.py"
    header = (
        "from datetime import timedelta\n"
        "from airflow.sdk import DAG, task\n"
        "from connector.airflow import *\n"
        f"dag = DAG({file.stem!r}, schedule=None, default_args={{'retries': 2, 'retry_delay': timedelta(0)}})\n"
    )
    file.write_text(header + dedent(code), encoding="utf-8")
    return parsed(file)[file.stem]


def run(dag: DAG, **conf: Any) -> dict[str, Task]:
    """Run the DAG once, and return how each task ended; a mapped task as `task[index]`."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    done = dag.test(run_conf=conf or None)
    with create_session() as session:
        found = {}
        for ti in done.get_task_instances(session=session):
            stored = session.query(XComModel).filter_by(
                dag_id=ti.dag_id, task_id=ti.task_id, run_id=ti.run_id, map_index=ti.map_index, key="return_value"
            )
            values = [XComModel.deserialize_value(row) for row in stored]
            name = ti.task_id if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]"
            found[name] = Task(str(ti.state), ti.try_number, values[0] if values else None)
    return found


def pushed(dag_id: str, key: str) -> list[Any]:
    """Return the XComs of the DAG's tasks with that key."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with create_session() as session:
        stored = session.query(XComModel).filter_by(dag_id=dag_id, key=key)
        return [XComModel.deserialize_value(row) for row in stored]


def events(dag_id: str) -> list[dict[str, Any]]:
    """Return the extra of every asset event that the DAG has emitted."""
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session

    with create_session() as session:
        return [event.extra for event in session.query(AssetEvent).filter_by(source_dag_id=dag_id)]


def connect(monkeypatch: pytest.MonkeyPatch, conn_id: str, **fields: Any) -> None:
    """Define a connection, as a deployment does in the environment."""
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))


@contextmanager
def airflow_world(directory: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Iterator[World]:
    """Start a sandbox, and define it and a DuckDB file as the connections `tcss_default` and `warehouse`. The
    environment has no keys."""
    from dlt.common.configuration.container import Container
    from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

    with world(directory, monkeypatch, **{"images": 300, **options}) as made:
        for name in ("TENCENTCLOUD_SECRET_ID", "TENCENTCLOUD_SECRET_KEY"):
            monkeypatch.delenv(name)
        # Otherwise each task would have an environment of its own.
        monkeypatch.setenv("PROVIDERS__ENABLE_AIRFLOW_SECRETS", "")
        monkeypatch.delenv("PROVIDERS__ENABLE_AIRFLOW_SECRETS")
        Container()[PluggableRunContext].reload_providers()
        connect(monkeypatch, "tcss_default", conn_type="tcss", **KEYS, extra={"endpoint": made.sandbox.url})
        connect(monkeypatch, "warehouse", conn_type="duckdb", host=str(made.file))
        yield made
