"""OpenLineage: what Airflow's provider for it learns of a sync."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.airflow import TcssSyncOperator
from connector.airflow.lineage import _place
from connector.tables import TABLES
from connector.warehouse.locations import locate
from tests.airflow.running import airflow_world
from tests.world import ACCOUNT_ID


def test_a_sync_says_what_it_read_and_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the provider's own extractor: the account as input, five tables with their columns, the rows that changed."""
    from airflow.providers.openlineage.extractors.base import DefaultExtractor

    with airflow_world(tmp_path, monkeypatch, images=40) as account:
        operator = TcssSyncOperator(task_id="sync", destination_conn_id="warehouse")
        operator.execute({})  # type: ignore[typeddict-item]
        found = DefaultExtractor(operator).extract_on_complete(None)
    assert found is not None
    (read,) = found.inputs
    assert (read.namespace, read.name) == (f"tcss://{account.sandbox.host}", f"{ACCOUNT_ID}.images")
    assert [output.name for output in found.outputs] == [f"{account.file}/tcss.{table.name}" for table in TABLES]
    schemas = [[field.name for field in output.facets["schema"].fields] for output in found.outputs]
    assert schemas == [list(table.column_names) for table in TABLES]
    counts = {o.name: facet.rowCount for o in found.outputs for facet in o.outputFacets.values()}
    assert counts == {f"{account.file}/tcss.images": 40}


def test_a_task_that_has_not_synced_says_nothing() -> None:
    """Such as one whose process is not that of the sync."""
    assert TcssSyncOperator(task_id="sync").get_openlineage_facets_on_complete(None) is None


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://me:CANARY@db.example.com/warehouse", ("postgres://db.example.com:5432", "warehouse.tcss")),
        ("mysql://me:CANARY@db.example.com:3307/tcss", ("mysql://db.example.com:3307", "tcss")),
        ("mysql://me@/tcss?unix_socket=/run/mysqld.sock", ("mysql://localhost:3306", "tcss")),
        ("duckdb:////data/w.duckdb", ("file", "/data/w.duckdb/tcss")),
    ],
    ids=["postgresql", "mysql", "mysql-socket", "duckdb"],
)
def test_the_names_are_those_of_openlineage(url: str, place: tuple[str, str]) -> None:
    """So that other tools mean the same table; without user and password."""
    assert _place(locate(url)) == place
    assert "CANARY" not in repr(_place(locate("duckdb:///md:w?motherduck_token=CANARY")))
