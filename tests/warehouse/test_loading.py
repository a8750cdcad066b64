"""`connector.warehouse.loading`: what is made, and what arrives, on real files and servers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dlt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connector.errors import DestinationError
from connector.tables import IMAGE_HISTORY, IMAGE_SCANS, IMAGES, REJECTED_VALUES, SYNC_RUNS, TABLES
from connector.warehouse import loading
from connector.warehouse import pipeline as destinations
from connector.warehouse.inventory import Inventory
from tests.warehouses import Place, place

IMAGE = {
    "account_id": "1",
    "image_id": "sha256:1",
    "image_name": "仓库/名:标签 '\"%s\\\n",
    "create_time": 1_700_000_000_123_456,
    "size": 2**62,
    "is_trust_image": True,
    "is_latest_image": False,
    "reason": "",
    "version": 1,
    "first_seen_at": -1,
    "changed_at": 0,
    "row_hash": "1:a",
    "sync_id": "s1",
}
COUNTS = " UNION ALL ".join(f"SELECT '{t.name}', count(*) FROM {{0}}.{t.name}" for t in TABLES)


def images(place: Place, pipeline: dlt.Pipeline, account_id: str = "1") -> list[dict[str, Any]]:
    """All of the account's rows in `images`, without nulls, by id."""
    inventory = Inventory(place.location, pipeline)
    ids = inventory.known(account_id)["image_id"].to_pylist()
    found = inventory.rows(account_id, ids).sort_by("image_id")
    instants = [c.cast(pa.int64()) if pa.types.is_timestamp(c.type) else c for c in found.columns]
    rows = pa.table(instants, names=found.column_names).to_pylist()
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def test_preparing_makes_all_tables_and_their_staging_once(place: Place) -> None:
    """Empty at first; a second preparation changes nothing, and keeps one version of the schema."""
    for _ in range(2):
        place.prepared()
    for dataset in place.datasets_made:
        assert place.sql(COUNTS.format(dataset)) == [(table.name, 0) for table in TABLES]
    assert place.sql("SELECT count(*) FROM {data}._dlt_version") == [(1,)]


def test_a_table_that_somebody_dropped_comes_back(place: Place) -> None:
    """dlt remembers that it made it; the preparation looks."""
    place.prepared()
    place.sql("DROP TABLE {data}.image_scans")
    place.prepared()
    assert place.sql("SELECT count(*) FROM {data}.image_scans") == [(0,)]


def test_a_warehouse_of_an_older_release_is_upgraded_in_place(place: Place) -> None:
    """Columns that it lacks are added, in staging too; its rows stay, with null there, and new ones fill them."""
    old, new = ({**IMAGE, "image_id": name, "solution": "s", "vul_cnt": 7} for name in ("old", "new"))
    pipeline = place.prepared()
    place.load(pipeline, IMAGES, old)
    for dataset in place.datasets_made:
        for column in ("solution", "reason"):
            place.sql(f"ALTER TABLE {dataset}.images DROP COLUMN {column}")
    upgraded = place.prepared()
    place.load(upgraded, IMAGES, new)
    rows = place.sql("SELECT image_id, solution, reason, vul_cnt FROM {data}.images ORDER BY image_id")
    assert rows == [("new", "s", "", 7), ("old", None, None, 7)]


def test_values_arrive_as_they_are(place: Place) -> None:
    """Every type on every warehouse: any text, 63 bits, both truths, microseconds before and after the epoch."""
    pipeline = place.prepared()
    place.load(pipeline, IMAGES, IMAGE)
    assert images(place, pipeline) == [IMAGE]


def test_a_row_replaces_the_row_with_its_key_whole(place: Place) -> None:
    """What the new row lacks becomes null; other rows, and other accounts, stay."""
    pipeline = place.prepared()
    other = {**IMAGE, "image_id": "sha256:2"}
    place.load(pipeline, IMAGES, IMAGE, other, {**IMAGE, "account_id": "2"})
    changed = {key: IMAGE[key] for key in ("account_id", "image_id", "first_seen_at", "changed_at", "sync_id")}
    changed |= {"version": 2, "row_hash": "1:b"}
    place.load(pipeline, IMAGES, changed)
    assert images(place, pipeline) == [changed, other]
    assert images(place, pipeline, "2") == [{**IMAGE, "account_id": "2"}]


def test_one_call_loads_several_tables(place: Place) -> None:
    """A package; a table without a file is left alone, and staging is empty afterwards."""
    pipeline = place.prepared()
    one = {"account_id": "1", "image_id": "sha256:1", "version": 1}
    files = {
        "image_history": place.parquet(IMAGE_HISTORY, one, {**one, "version": 2}),
        "image_scans": place.parquet(IMAGE_SCANS, {**one, "scan_time": 5}),
        "rejected_values": place.parquet(REJECTED_VALUES, {"account_id": "1", "reject_id": "r"}),
    }
    place.loader(pipeline).load(files)
    expected = {"images": 0, "image_history": 2, "image_scans": 1, "rejected_values": 1, "sync_runs": 0}
    assert dict(place.sql(COUNTS.format("{data}"))) == expected
    for staging in place.datasets_made[1:]:
        assert set(place.sql(COUNTS.format(staging))) == {(name, 0) for name in expected}


def test_a_load_leaves_one_row_of_dlts_own(place: Place) -> None:
    """In `_dlt_loads`: no version of the schema, and no state, so that an idle account costs next to nothing."""
    pipeline = place.prepared()
    for number in range(3):
        place.load(pipeline, SYNC_RUNS, {"sync_id": str(number)})
    assert place.sql("SELECT count(*) FROM {data}._dlt_version") == [(1,)]
    assert place.sql("SELECT count(*) FROM {data}._dlt_loads") == [(3,)]
    with pytest.raises(Exception, match="_dlt_pipeline_state"):
        place.sql("SELECT * FROM {data}._dlt_pipeline_state")


def test_nothing_to_load_is_no_package(place: Place) -> None:
    """Not even the database is asked."""
    place.loader(place.pipeline()).load({})
    assert place.datasets() == set()


def test_a_load_that_failed_is_never_loaded_later(place: Place) -> None:
    """It raises with the cause; the next load, by the same pipeline, loads its own rows only."""
    pipeline = place.prepared()
    place.sql("DROP TABLE {data}.images")
    with pytest.raises(DestinationError, match="cannot load into") as caught:
        place.load(pipeline, IMAGES, IMAGE)
    place.loader(place.pipeline()).prepare()
    place.load(pipeline, SYNC_RUNS, {"sync_id": "s2"})
    assert "images" in str(caught.value)
    assert dict(place.sql(COUNTS.format("{data}"))) == {t.name: int(t is SYNC_RUNS) for t in TABLES}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (lambda path: pq.write_table(pa.table({"image_id": ["a"]}), path), "has not the schema of images"),
        (lambda path: pq.write_table(IMAGES.arrow([_cells(IMAGE)] * 2), path), "1 rows for images have the key"),
    ],
    ids=["another-schema", "a-key-twice"],
)
@pytest.mark.parametrize("few", [10_000, 0], ids=["few-rows", "many-rows"])
def test_files_that_are_not_the_tables_are_refused(
    few: int, rows: Callable[[Path], None], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of the caller, found before anything is loaded: by Arrow in a short file, by DuckDB in a long one."""
    monkeypatch.setattr(loading, "FEW_ROWS", few)
    with place("duckdb", tmp_path) as made:
        rows(tmp_path / "x.parquet")
        with pytest.raises(ValueError, match=message):
            made.loader(made.pipeline()).load({"images": tmp_path / "x.parquet"})
        assert not made.file.exists()


def test_keys_of_equal_hashes_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two keys may have one hash, and are two keys all the same."""
    monkeypatch.setattr(loading, "FEW_ROWS", 0)
    monkeypatch.setattr(loading, "_HASHED_ALIKE", loading._HASHED_ALIKE.replace("hash({keys})", "1"))
    rows = [{**IMAGE, "image_id": image_id} for image_id in ("a", "b")]
    with place("duckdb", tmp_path) as made:
        made.load(made.prepared(), IMAGES, *rows)
        assert made.sql("SELECT image_id FROM {data}.images ORDER BY image_id") == [("a",), ("b",)]


def _cells(row: dict[str, Any]) -> list[Any]:
    return [row.get(name) for name in IMAGES.column_names]


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_accounts_load_at_the_same_time(kind: str, tmp_path: Path) -> None:
    """First loads that race for the tables, and merges that would share a staging table: no row is lost."""
    accounts = [str(number) for number in range(4)]

    def run(account_id: str) -> None:
        pipeline = made.prepared(account_id)
        for batch in range(3):
            rows = [{**IMAGE, "account_id": account_id, "image_id": f"{batch}-{n}"} for n in range(50)]
            made.load(pipeline, IMAGES, *rows)

    with place(kind, tmp_path) as made:
        with ThreadPoolExecutor(len(accounts)) as pool:
            list(pool.map(run, accounts))
        counts = "SELECT account_id, count(*) FROM {data}.images GROUP BY account_id ORDER BY account_id"
        assert made.sql(counts) == [(account_id, 150) for account_id in accounts]


@pytest.mark.parametrize("kind", ["duckdb", "sqlite", "postgresql", "mysql"])
def test_destinations_that_take_no_parquet_get_the_same_rows(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through Arrow, in the format that dlt prefers there; an empty text stays one."""
    monkeypatch.setattr(destinations, "TAKES_PARQUET", ())
    with place(kind, tmp_path) as made:
        pipeline = made.prepared()
        made.load(pipeline, IMAGES, IMAGE)
        assert images(made, pipeline) == [IMAGE]
        assert made.sql("SELECT count(*) FROM {data}._dlt_version") == [(1,)]


def test_an_interrupt_is_not_a_failed_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """dlt wraps it; the process must still end by Ctrl-C."""

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with place("duckdb", tmp_path) as made:
        pipeline = made.prepared()
        monkeypatch.setattr("dlt.load.load.Load.start_new_jobs", interrupt)
        with pytest.raises(KeyboardInterrupt):
            made.load(pipeline, IMAGES, IMAGE)


def test_a_load_leaves_no_temporary_files(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hourly loads would fill the directory for temporary files."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    pipeline = place.prepared()
    for _ in range(2):
        place.load(pipeline, IMAGES, {"account_id": "1", "image_id": "a"})
    assert list(temporary.iterdir()) == []
