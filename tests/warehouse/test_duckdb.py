"""The destination for DuckDB, where it differs from dlt's. That the rows are right is in `test_loading`."""

from __future__ import annotations

import logging
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest

from connector.tables import IMAGES
from connector.warehouse import turns
from connector.warehouse.locations import locate
from connector.warehouse.roundtrip import round_trip
from tests.warehouses import Place
from tests.world import open_until_refused, world


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
    with open_until_refused(place.file, monkeypatch) as refused, place.loader(pipeline).session():
        assert refused.is_set()


@pytest.mark.parametrize("place", ["duckdb"], indirect=True)
def test_a_new_file_that_an_older_duckdb_cannot_read_says_so_once(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the file is made, with what to write for one that can be read."""
    caplog.set_level(logging.INFO, "connector")
    for _ in range(2):
        with place.loader(place.pipeline()).session():
            pass
    (record,) = caplog.records
    assert f"{place.file} is made by DuckDB {duckdb.__version__}, and an older one cannot" in record.getMessage()
    assert "?storage_compatibility_version=v1.0.0" in record.getMessage()


@pytest.mark.parametrize("place", ["duckdb"], indirect=True)
def test_a_url_may_ask_for_a_file_that_older_versions_read(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """The file itself has it, and keeps it through loads: DuckDB's main header names the version of its format."""
    caplog.set_level(logging.INFO, "connector")
    older = replace(place, url=f"{place.url}?storage_compatibility_version=v1.0.0")
    pipeline = older.pipeline()
    with older.loader(pipeline).session():
        older.loader(pipeline).prepare()
        older.load(pipeline, IMAGES, {"account_id": "1", "image_id": "a"})
    assert int.from_bytes(place.file.read_bytes()[12:20], "little") == 64
    assert len(place.table(IMAGES)) == 1
    assert caplog.records == []


def test_duckdb_loads_no_dialect_of_another_database() -> None:
    """They would take a twentieth of the time that every run needs to start."""
    code = (
        "import sys; from connector.warehouse.locations import locate; import connector.runs.run\n"
        "locate('duckdb:///x.duckdb')\n"
        "print([name for name in sys.modules if name.startswith('sqlalchemy.dialects.')])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many are open, after each that is opened or closed. A file is opened with the first, which takes
    16 ms of CPU, and closed with the last."""
    open_now = [0]
    for name, change in (("begin", 1), ("end", -1)):
        monkeypatch.setattr(turns, name, lambda change=change: open_now.append(open_now[-1] + change))
    return open_now


def opened(open_now: list[int]) -> int:
    return sum(pair == (0, 1) for pair in pairwise(open_now))


def test_a_round_trip_opens_its_file_twice(tmp_path: Path, connections: list[int]) -> None:
    """To make the table, and for both merges and the query."""
    round_trip(locate(f"duckdb:///{tmp_path}/w.duckdb"))
    assert (opened(connections), connections[-1]) == (2, 0)


def test_a_later_sync_opens_the_file_three_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connections: list[int]
) -> None:
    """To look at what it holds, to prepare it, and to load; less often where the load meets the preparation."""
    with world(tmp_path, monkeypatch, images=20, begun="synced") as account:
        del connections[1:]
        account.sync()
    assert 2 <= opened(connections) <= 3
    assert connections[-1] == 0
