"""What a dlt pipeline of one's own has loaded, as `pipeline.dataset()` reads it with pandas and ibis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dlt
import pytest
import sqlalchemy as sa

import connector
from tests.warehouses import Place, place
from tests.world import world


def _destination(made: Place) -> Any:
    if made.kind == "duckdb":
        return dlt.destinations.duckdb(str(made.file))
    url = sa.make_url(made.url)
    return dlt.destinations.postgres(url.set(password=url.password or "none").render_as_string(hide_password=False))


@pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result", "ignore:fetch_arrow_table")  # of dlt
@pytest.mark.filterwarnings("ignore:The inplace keyword")  # dlt on pandas 3
@pytest.mark.filterwarnings("ignore::DeprecationWarning:ibis")
@pytest.mark.parametrize("kind", ["duckdb", "postgresql"])
def test_every_way_of_reading_gives_the_rows(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows, a frame, Arrow whole and in parts, an expression of ibis, and a connection of ibis."""
    with world(tmp_path, monkeypatch, images=400) as account, place(kind, tmp_path) as made:
        pipeline = dlt.pipeline(
            "mine",
            pipelines_dir=str(tmp_path / "pipelines"),
            destination=_destination(made),
            dataset_name=made.dataset,
        )
        pipeline.run(connector.tcss(endpoint=account.sandbox.url))
        dataset = pipeline.dataset()
        assert len(dataset.images.fetchall()) == len(dataset.images.df()) == len(dataset.images.arrow()) == 400
        assert sum(map(len, dataset.images.iter_arrow(chunk_size=100))) == 400
        images = dataset.table("images").to_ibis()
        assert len(images.to_pyarrow()) == 400
        connection = dataset.ibis()
        assert connection.table("images").count().to_pyarrow().as_py() == 400
        for backend in (images.get_backend(), connection):
            backend.disconnect()
