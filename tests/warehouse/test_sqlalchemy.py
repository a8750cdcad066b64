"""The destination `sqlalchemy`, where it differs from dlt's. That the rows are right is in `test_loading`."""

from __future__ import annotations

from typing import Any

import dlt
import pytest
from dlt.destinations.impl.sqlalchemy import sqlalchemy_job_client
from sqlalchemy.engine import make_url

from connector.tables import IMAGES
from connector.warehouse.sqlalchemy import FineTimes, LongTexts, MySql, _MergeByJoin, over_sqlalchemy
from tests.warehouses import Place


@pytest.mark.parametrize(
    ("backend", "kind", "mapper"),
    [
        ("mysql", MySql, LongTexts),
        ("oracle", dlt.destinations.sqlalchemy, FineTimes),
        ("sqlite", dlt.destinations.sqlalchemy, None),
        ("toydb", dlt.destinations.sqlalchemy, None),
    ],
)
def test_what_each_database_gets(backend: str, kind: type, mapper: type | None) -> None:
    """MySQL a merge and long texts, Oracle times that do not end at seconds, the others what dlt has."""
    made = over_sqlalchemy(make_url(f"{backend}+driver://u:p@h/d"))
    assert type(made) is kind
    assert made.caps_params.get("type_mapper") is mapper
    assert made.destination_name == "sqlalchemy"


@pytest.mark.parametrize("place", ["mysql"], indirect=True)
def test_mysql_is_loaded_through_pymysql(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where ADBC has a driver for it, whose connections would not have our character set and SQL mode."""
    monkeypatch.setattr(sqlalchemy_job_client, "adbc_has_driver", lambda name: (True, None))
    pipeline = place.prepared()
    place.load(pipeline, IMAGES, {"account_id": "1", "image_id": "🚀"})
    assert [row["image_id"] for row in place.table(IMAGES)] == ["🚀"]


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
