"""`connector.warehouse.engines`: what a server, a user or a URL sets for sessions of MySQL loses no row and no text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from connector.tables import IMAGES
from connector.warehouse import views
from connector.warehouse.inventory import Inventory
from tests.warehouses import place

HASTY = "init_command=SET%20SESSION%20sql_select_limit%3D1,%20sql_safe_updates%3D1"


def test_results_are_whole_and_tables_are_described(tmp_path: Path) -> None:
    """Where a session would cut its results, delete no whole table, and write names in the quotes of ANSI."""
    with place("mysql", tmp_path) as made:
        mark = "&" if "?" in made.url else "?"
        odd = replace(made, url=f"{made.url}{mark}sql_mode=ANSI_QUOTES&{HASTY}")
        pipeline = odd.prepared()
        rows = [
            {"account_id": "1", "image_id": name, "version": 1, "row_hash": "1:a", "sync_id": "s"} for name in "abc"
        ]
        for _ in range(2):
            odd.load(pipeline, IMAGES, *rows)
        assert sorted(Inventory(odd.location, pipeline).known("1").column("image_id").to_pylist()) == ["a", "b", "c"]
        assert views.publish(odd.location, pipeline) == {}
        described = "SELECT column_name FROM information_schema.columns WHERE column_comment <> '' AND table_schema = "
        found = made.sql(f"{described} '{made.dataset}' AND table_name = 'images'")
        assert {name for (name,) in found} == set(IMAGES.column_names)
