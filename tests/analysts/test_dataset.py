"""What a dlt pipeline of one's own has loaded, as `pipeline.dataset()` reads it with pandas and ibis."""

from __future__ import annotations

from pathlib import Path

import dlt
import pytest

import connector
from tests.world import world


@pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result")  # DuckDB 2 advises against what dlt does
@pytest.mark.filterwarnings("ignore:The inplace keyword")  # dlt on pandas 3
@pytest.mark.filterwarnings("ignore::DeprecationWarning:ibis")
def test_every_way_of_reading_gives_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows, a frame, Arrow whole and in parts, an expression of ibis, and a connection of ibis."""
    with world(tmp_path, monkeypatch, images=400) as account:
        pipeline = dlt.pipeline(
            "mine",
            pipelines_dir=str(tmp_path / "pipelines"),
            destination=dlt.destinations.duckdb(str(account.file)),
            dataset_name="tcss",
        )
        pipeline.run(connector.tcss(endpoint=account.sandbox.url))
        dataset = pipeline.dataset()
        assert len(dataset.images.fetchall()) == len(dataset.images.df()) == len(dataset.images.arrow()) == 400
        assert sum(map(len, dataset.images.iter_arrow(chunk_size=100))) == 400
        assert len(dataset.table("images").to_ibis().to_pyarrow()) == 400
        assert dataset.ibis().table("images").count().to_pyarrow().as_py() == 400
