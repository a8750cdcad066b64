"""`connector.warehouse.pipeline`: what a warehouse does, on real files and servers."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
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
from connector.warehouse import pipeline as destinations
from connector.warehouse.inventory import Inventory
from connector.warehouse.pipeline import Warehouse
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
    inventory = Inventory(place.warehouse, pipeline)
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
    place.warehouse.load(pipeline, files)
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
    place.warehouse.load(place.pipeline(), {})
    assert place.datasets() == set()


def test_a_load_that_failed_is_never_loaded_later(place: Place) -> None:
    """It raises with the cause; the next load, by the same pipeline, loads its own rows only."""
    pipeline = place.prepared()
    place.sql("DROP TABLE {data}.images")
    with pytest.raises(DestinationError, match="cannot load into") as caught:
        place.load(pipeline, IMAGES, IMAGE)
    place.warehouse.prepare(place.pipeline())
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
def test_files_that_are_not_the_tables_are_refused(rows: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    """A fault of the caller, found before anything is loaded."""
    with place("duckdb", tmp_path) as made:
        rows(tmp_path / "x.parquet")
        with pytest.raises(ValueError, match=message):
            made.warehouse.load(made.pipeline(), {"images": tmp_path / "x.parquet"})
        assert not made.file.exists()


def _cells(row: dict[str, Any]) -> list[Any]:
    return [row.get(name) for name in IMAGES.column_names]


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


def test_settings_are_those_of_our_pipelines_alone(tmp_path: Path) -> None:
    """A pipeline of the user's own, in the same process, is as dlt makes it."""
    with place("duckdb", tmp_path) as made:
        made.pipeline()
        mine = dlt.pipeline("mine", pipelines_dir=str(tmp_path / "mine"), destination="duckdb", dataset_name="x")
    assert (mine.config.restore_from_destination, mine.config.enable_runtime_trace) == (True, True)
    assert mine.runtime_config.intercept_signals
    assert dlt.config.get("load.truncate_staging_dataset") is None


LOAD = """
import sys
from pathlib import Path
from connector.warehouse.pipeline import Warehouse
warehouse = Warehouse.open("duckdb:///w.duckdb")
pipeline = warehouse.pipeline("1", Path("work"))
warehouse.prepare(pipeline)
warehouse.load(pipeline, {"sync_runs": Path(sys.argv[1])})
"""


def test_a_load_reports_nothing_to_anybody(tmp_path: Path) -> None:
    """dlt's telemetry is on by default, for a user's own pipelines; for ours it sends nothing. Nor is anything
    printed."""
    reports: list[str] = []

    class Listener(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            reports.append(self.path)
            self.send_response(200)
            self.end_headers()

    with place("duckdb", tmp_path) as made, http.server.HTTPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        file = made.parquet(SYNC_RUNS, {"sync_id": "s1"})
        endpoint = f"http://127.0.0.1:{server.server_port}/"
        env = {**os.environ, "HOME": str(tmp_path), "RUNTIME__DLTHUB_TELEMETRY_ENDPOINT": endpoint}
        env["RUNTIME__DLTHUB_TELEMETRY"] = "true"
        command = [sys.executable, "-c", LOAD, str(file)]
        done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=True)
        server.shutdown()
    assert (reports, done.stdout, done.stderr) == ([], "", "")


def test_runs_without_a_lock_have_their_own_staging() -> None:
    """Two syncs of an account may then run at once; where there is a lock, staging is the account's, and stays."""
    for url, expected in (("motherduck", "tcss_staging_1_s1"), ("duckdb:///w.duckdb", "tcss_staging_1")):
        warehouse = Warehouse.open(url)
        assert warehouse.staging("1", run="s1") == expected


def test_the_schema_is_the_tables(tmp_path: Path) -> None:
    """All of them from the start, merged by their keys, their types frozen."""
    schema = Warehouse.open("duckdb:///w.duckdb").schema()
    assert schema.data_table_names() == [table.name for table in TABLES]
    for table in TABLES:
        found = schema.get_table(table.name)
        assert list(found["columns"]) == list(table.column_names)
        assert {n for n, c in found["columns"].items() if c.get("primary_key")} == set(table.key)
        assert (found["write_disposition"], found["x-merge-strategy"]) == ("merge", "delete-insert")
        assert found["schema_contract"] == {"data_type": "freeze"}
