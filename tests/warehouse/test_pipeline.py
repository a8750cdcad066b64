"""`connector.warehouse.pipeline`: dlt as our runs need it, and nobody else."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
from pathlib import Path

import dlt

from connector.tables import SYNC_RUNS, TABLES
from connector.warehouse.locations import locate
from connector.warehouse.pipeline import schema
from tests.warehouses import place


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
from connector.warehouse.loading import Loader
from connector.warehouse.locations import locate
from connector.warehouse.pipeline import open_pipeline
location = locate("duckdb:///w.duckdb")
loader = Loader(location, open_pipeline(location, "1", Path("work")))
loader.prepare()
loader.load({"sync_runs": Path(sys.argv[1])})
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


def test_the_schema_is_the_tables(tmp_path: Path) -> None:
    """All of them from the start, merged by their keys, their types frozen."""
    made = schema(locate("duckdb:///w.duckdb"))
    assert made.data_table_names() == [table.name for table in TABLES]
    for table in TABLES:
        found = made.get_table(table.name)
        assert list(found["columns"]) == list(table.column_names)
        assert {n for n, c in found["columns"].items() if c.get("primary_key")} == set(table.key)
        assert (found["write_disposition"], found["x-merge-strategy"]) == ("merge", "delete-insert")
        assert found["schema_contract"] == {"data_type": "freeze"}
