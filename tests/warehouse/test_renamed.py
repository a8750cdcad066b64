"""`connector.warehouse.renamed`: a table that somebody has renamed, and that the next sync makes again."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.tables import IMAGES, SYNC_RUNS
from connector.warehouse import views
from tests.warehouse.viewed import ask
from tests.warehouses import KINDS, Place, place

OLD = {"account_id": "1", "image_id": "old", "version": 1, "row_hash": "1:a", "sync_id": "s1"}
INDEXES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'images'",
    "postgresql": "SELECT indexname FROM pg_indexes WHERE schemaname = '{name}' AND tablename = 'images'",
    "mysql": "SELECT DISTINCT index_name FROM information_schema.statistics "
    "WHERE table_schema = '{name}' AND table_name = 'images'",
}


def indexes(made: Place) -> int:
    """How many indexes `images` has."""
    query = INDEXES.get(made.kind)
    return len(made.sql(query.format(name=made.dataset))) if query else 1


@pytest.mark.thorough(but=("duckdb", "postgresql"))
@pytest.mark.parametrize("kind", KINDS)
def test_views_read_the_table_that_was_made_again(kind: str, tmp_path: Path) -> None:
    """And no other one, whose rows get old. The table has its index. Views that are right are left alone."""
    with place(kind, tmp_path) as made:
        pipeline = made.prepared()
        assert views.publish(made.location, pipeline) == {}
        made.insert({IMAGES: [OLD]})
        assert [row[1] for row in ask(pipeline, "current_images")[1]] == ["old"]
        for again in ("images_2025", "images_2026"):
            if kind == "duckdb":  # which renames no table that has an index or comment of ours
                made.sql(f"CREATE TABLE {{data}}.{again} AS SELECT * FROM {{data}}.images")
                made.sql("DROP TABLE {data}.images")
            else:
                made.sql(f"ALTER TABLE {{data}}.images RENAME TO {'' if kind != 'mysql' else '{data}.'}{again}")
            made.loader(pipeline).prepare()
            assert views.publish(made.location, pipeline) == {}
            assert ask(pipeline, "current_images")[1] == []
            assert indexes(made) == 1
        made.loader(pipeline).prepare()
        assert indexes(made) == 1
        made.insert({IMAGES: [{**OLD, "image_id": "new"}], SYNC_RUNS: []})
        assert [row[1] for row in ask(pipeline, "current_images")[1]] == ["new"]
        with pipeline.sql_client() as client:
            assert views.current(client)
