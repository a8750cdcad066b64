"""`connector.duckdb_destination` and `connector.sqlalchemy_destination`, where they differ from dlt's destinations.

That the rows are right is in `test_destinations`.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from connector.sqlalchemy_destination import _MergeByJoin
from connector.tables import IMAGES
from tests.warehouses import Place
from tests.world import open_until_refused


@pytest.mark.parametrize("place", ["duckdb"], indirect=True)
def test_a_duckdb_file_holds_the_dataset_and_nothing_beside_it(place: Place) -> None:
    """No staging schema that an analyst would stumble over, and no log left."""
    place.load(place.prepared(), IMAGES, {"account_id": "1", "image_id": "a"})
    schemas = place.sql("SELECT DISTINCT schema_name FROM duckdb_tables()")
    assert schemas == [("tcss",)]
    assert {name for name in place.datasets() if not name.endswith(".parquet")} == {place.file.name}


@pytest.mark.parametrize("place", ["duckdb"], indirect=True)
def test_a_duckdb_file_that_is_in_use_is_opened_a_moment_later(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """By dlt too, whose clients open it for everything but the first look."""
    pipeline = place.prepared()
    with open_until_refused(place.file, monkeypatch) as refused, place.warehouse.session(pipeline):
        assert refused.is_set()


@pytest.mark.parametrize("place", ["mysql"], indirect=True)
def test_mysql_finds_the_rows_to_replace_by_the_index(place: Place) -> None:
    """A merge of a few rows reads no whole table, neither the dataset's nor that of staging for each row."""
    pipeline = place.prepared()
    rows = [{"account_id": "1", "image_id": str(number)} for number in range(2_000)]
    place.load(pipeline, IMAGES, *rows)
    place.sql("INSERT INTO {staging}.images SELECT * FROM {data}.images LIMIT 20")
    place.sql("ANALYZE TABLE {data}.images, {staging}.images")
    with pipeline.destination_client() as client:
        chain: Any = [client.prepare_load_table(IMAGES.name)]
        client._create_merge_followup_jobs(chain)  # type: ignore[attr-defined]
        delete, insert = _MergeByJoin.gen_merge_sql(chain, client.sql_client)  # type: ignore[attr-defined]
        plan = client.sql_client.execute_sql(f"EXPLAIN {delete}")  # type: ignore[attr-defined]
    assert insert.startswith("INSERT INTO")
    assert plan[1][3] == "ref"  # the table, by its index
    assert [int(row[8]) <= 20 for row in plan] == [True, True]  # rows that the server expects to read


def test_duckdb_loads_no_dialect_of_another_database() -> None:
    """They would take a twentieth of the time that every run needs to start."""
    code = (
        "import sys; from connector.destinations import Warehouse; import connector.run\n"
        "Warehouse.open('duckdb:///x.duckdb')\n"
        "print([name for name in sys.modules if name.startswith('sqlalchemy.dialects.')])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"
