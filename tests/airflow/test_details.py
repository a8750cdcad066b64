"""Details in Airflow: the operator's argument, what it returns and what the assets' events say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.airflow import TcssSyncOperator, detail_assets
from connector.errors import ConfigurationError
from connector.sandbox import Fault
from connector.tables import NAMED_ACCOUNTS, POSTURE_CHANGES, TABLES
from tests.airflow.running import airflow_world, events, run, written
from tests.world import World

SYNC = "TcssSyncOperator(dag=dag, task_id='sync', destination_conn_id='warehouse', {})"
REFUSED = Fault("unauthorized", action="DescribeAssetImageVirusList")
VERDICTS = "select aspect, verdict from tcss.detail_runs order by aspect"
TABLES_THERE = "select table_name from information_schema.tables where table_schema = 'tcss' and table_type <> 'VIEW'"


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with airflow_world(tmp_path, monkeypatch, images=30) as made:
        yield made


def test_details_are_in_the_row_and_in_the_events(account: World) -> None:
    """The row has an entry a detail, and the event of each asset says what was read."""
    dag = written(SYNC.format("detail=['malware', 'running'], outlets=detail_assets(['malware', 'running'])"))
    task = run(dag)["sync"]
    assert (task.state, [d["aspect"] for d in task.result["details"]]) == ("success", ["malware", "running"])
    assert account.query(VERDICTS) == [("malware", "complete"), ("running", "complete")]
    told = events(dag.dag_id)
    assert len(told) == 5
    malware = next(d for d in task.result["details"] if d["aspect"] == "malware")
    for extra in told:
        (said,) = extra["accounts"].values()
        assert (extra["verdict"], extra["detail_verdict"]) == ("complete", "complete")
        assert said["details"]["malware"] == {name: malware[name] for name in said["details"]["malware"]}
        assert said["details"]["malware"]["images_read"] > 0


def test_without_details_nothing_is_said_of_them(account: World) -> None:
    """Neither in the row nor in the event, and no table is made."""
    dag = written(SYNC.format("outlets=[table_asset('images')]"))
    assert "details" not in run(dag)["sync"].result
    (extra,) = events(dag.dag_id)
    assert "detail_verdict" not in extra
    assert not any("details" in said for said in extra["accounts"].values())
    names = {name for (name,) in account.query(TABLES_THERE) if not name.startswith("_dlt")}
    assert names == {table.name for table in (*TABLES, POSTURE_CHANGES, NAMED_ACCOUNTS)}


def test_details_may_be_a_template(account: World) -> None:
    """A text with commas between, as Airflow renders it."""
    dag = written(SYNC.format("detail='{{ dag_run.conf.detail }}'"))
    task = run(dag, detail="malware,running")["sync"]
    assert [d["aspect"] for d in task.result["details"]] == ["malware", "running"]


@pytest.mark.parametrize(
    ("more", "state", "tries"), [("", "success", 1), (", fail_on_partial=True", "failed", 1)], ids=["warned", "failing"]
)
def test_a_refused_detail_is_a_warning_unless_it_is_to_fail(
    account: World, capfd: pytest.CaptureFixture[str], more: str, state: str, tries: int
) -> None:
    """The images are loaded either way; another attempt would be refused as well, so that a failure is final."""
    account.sandbox.backend.faults = (REFUSED,)
    task = run(written(SYNC.format(f"detail=['malware']{more}")))["sync"]
    assert (task.state, task.tries) == (state, tries)
    out, err = capfd.readouterr()
    assert "exit code 3: malware: refused" in out + err
    assert account.query("select count(*) from tcss.images") == [(30,)]


def test_a_sync_with_details_says_so_to_openlineage(account: World) -> None:
    """The tables of the details are outputs beside the five."""
    operator = TcssSyncOperator(task_id="sync", destination_conn_id="warehouse", detail=["malware"])
    operator.execute({})  # type: ignore[typeddict-item]
    found = operator.get_openlineage_facets_on_complete(None)
    names = [table.name for table in TABLES] + ["image_malware", "image_reads", "detail_runs"]
    assert [output.name for output in found.outputs] == [f"{account.file}/tcss.{name}" for name in names]


def test_the_assets_are_those_of_the_details_that_are_asked_for() -> None:
    """Another detail is refused where the DAG is parsed."""
    assets = detail_assets("vulnerabilities", uri="postgres://db:5432/w/tcss")
    assert [(asset.name, asset.uri) for asset in assets] == [
        (f"tcss.{name}", f"postgres://db:5432/w/tcss/{name}")
        for name in ("vulnerabilities", "image_vulnerabilities", "image_reads", "detail_runs")
    ]
    with pytest.raises(ConfigurationError, match="detail 'secrets' is none of"):
        detail_assets(["secrets"])
