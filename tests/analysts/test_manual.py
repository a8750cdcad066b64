"""docs/dashboards.md, as it stands: ibis, pandas and polars."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
import sqlalchemy as sa

from connector.sandbox import Fleet, Sandbox, wall_clock
from tests import manual, syncing
from tests.warehouses import Place

PAGE = "docs/dashboards.md"
RISKIEST = "select image_name from {data}.images_at_risk order by risk_rank, image_id"


@pytest.fixture
def warehouse(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """200 images."""
    monkeypatch.setenv("SOURCES__TCSS__METADATA", "false")
    with Sandbox(Fleet.seeded(200, clock=wall_clock), rate=None) as sandbox:
        syncing.sync(place, sandbox.url)
    return place


@pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")  # ibis 12 on DuckDB 2
@pytest.mark.parametrize("place", ["duckdb"], indirect=True)
def test_ibis_pandas_and_polars_read_the_file(warehouse: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """What they find is what SQL finds, and afterwards the file is free for a sync."""
    monkeypatch.chdir(warehouse.file.parent)
    Path("warehouse.duckdb").symlink_to(warehouse.file)
    names: dict[str, Any] = {}
    exec(compile(manual.code(PAGE, "python"), PAGE, "exec"), names)
    live = "from {data}.images where deleted_at is null"
    by_system = f"select os_family, sum(critical_level_vul_cnt) {live} and container_cnt > 0 group by os_family"
    assert set(names["exposed"].rows()) == set(warehouse.sql(by_system))
    assert names["trend"]["images"].tolist()[-1] == warehouse.sql(f"select count(*) {live}")[0][0]
    assert sorted(names["riskiest"]["image_name"]) == sorted(row[0] for row in warehouse.sql(RISKIEST))
    warehouse.sql("create table tcss.written (x int)")


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
def test_pandas_and_polars_read_a_server(warehouse: Place) -> None:
    """With a SQLAlchemy engine, as it says."""
    engine = sa.create_engine(sa.make_url(warehouse.url).set(drivername="postgresql+psycopg2"))
    query = RISKIEST.format(data=f'"{warehouse.dataset}"')
    expected = [row[0] for row in warehouse.sql(RISKIEST)]
    assert pd.read_sql(query, engine)["image_name"].tolist() == expected
    assert pl.read_database(query, engine)["image_name"].to_list() == expected
    engine.dispose()
