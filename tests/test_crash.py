"""A sync that is killed with SIGKILL at any step, and run again: nothing lost, doubled or stuck."""

from __future__ import annotations

import itertools
import shutil
import signal
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from connector.images.records import ItemParser, Record
from connector.sandbox import Fleet, Sandbox, wall_clock
from connector.sandbox.identity import DEFAULT_ID, DEFAULT_KEY
from tests import crashing
from tests.warehouses import Place

CHANGES = {"rescan": 8, "insert": 4, "delete": 3, "change_counts": 4, "bring_back": 1}


def sync(place: Place, url: str, temporary: Path, kill_at: int | None = None) -> int:
    """The exit code of a full sync."""
    keys = {"secret_id": DEFAULT_ID, "secret_key": DEFAULT_KEY}
    given = {"destination": place.url, "dataset": place.dataset, "endpoint": url, "mode": "full", "credentials": keys}
    settings = {**given, "requests_per_second": 1e6, "max_delete_share": 1.0, "confirm_gone_after": 0}
    return crashing.run(settings, temporary, kill_at)


def rows(place: Place, columns: str, table: str, where: str = "1 = 1") -> list[tuple[Any, ...]]:
    return place.sql(f"select {columns} from {{data}}.{table} where {where}")


def assert_whole(place: Place, fleet: Fleet) -> None:
    """The tables are what an undisturbed run would have left."""
    with place.opened():
        _assert_whole(place, read(fleet))


def _assert_whole(place: Place, listed: dict[str, Record]) -> None:
    gone = "case when deleted_at is null then 0 else 1 end"
    images = {key: rest for key, *rest in rows(place, f"image_id, version, row_hash, {gone}", "images")}
    assert len(images) == rows(place, "count(*)", "images")[0][0], "an image is doubled"
    truth = {id_: record.row_hash for id_, record in listed.items()}
    assert {key: row_hash for key, (_, row_hash, deleted) in images.items() if not deleted} == truth
    versions: dict[str, dict[int, tuple[Any, ...]]] = defaultdict(dict)
    for key, version, *rest in rows(place, f"image_id, version, row_hash, {gone}", "image_history"):
        assert version not in versions[key], "a version is doubled"
        versions[key][version] = tuple(rest)
    for key, (version, *rest) in images.items():
        assert {number for number in versions[key] if number <= version} == set(range(1, version + 1))
        assert versions[key][version] == tuple(rest)
    scans = rows(place, "image_id, scan_time", "image_scans")
    assert len(scans) == len(set(scans)), "a scan is doubled"
    assert {key for key, _ in scans} >= {key for key, record in listed.items() if record.scan_time is not None}


def read(fleet: Fleet) -> dict[str, Record]:
    records = ItemParser().parse([*fleet.truth().values()])
    return {record.image_id: record for record in records if isinstance(record, Record)}


EVEN, ODD, SOME = (0, 2), (1, 2), (0, 20)
"""The first step at which a sync is killed, and the distance to the next one."""


@pytest.mark.thorough(but=("duckdb-some",))
@pytest.mark.parametrize(
    ("place", "steps"),
    [
        pytest.param("duckdb", SOME, id="duckdb-some"),
        pytest.param("duckdb", EVEN, id="duckdb-even"),
        pytest.param("duckdb", ODD, id="duckdb-odd"),
        pytest.param("postgresql", EVEN, id="postgresql-even"),
        pytest.param("postgresql", ODD, id="postgresql-odd"),
        # Both are loaded by dlt's destination for SQLAlchemy, and together they are killed at every step.
        pytest.param("sqlite", EVEN, id="sqlite-even"),
        pytest.param("mysql", ODD, id="mysql-odd"),
    ],
    indirect=["place"],
)
def test_killed_at_a_step_and_run_again(place: Place, tmp_path: Path, steps: tuple[int, int]) -> None:
    """SIGKILL during each page, load step and commit; the working directory is kept and lost in turns."""
    temporary = tmp_path / "temporary"
    fleet = Fleet.seeded(150, clock=wall_clock)
    with Sandbox(fleet, rate=None) as sandbox:
        assert sync(place, sandbox.url, temporary) == 0
        for kills, step in enumerate(itertools.count(*steps)):
            sandbox.change(CHANGES)
            code = sync(place, sandbox.url, temporary, kill_at=step)
            if code == 0:
                break
            assert code == -signal.SIGKILL
            if kills % 2:
                shutil.rmtree(temporary)
            assert sync(place, sandbox.url, temporary) == 0, f"stuck after a kill at step {step}"
            assert_whole(place, fleet)
        assert step > 25, "the steps were not met"
    assert rows(place, "count(*)", "sync_runs", "verdict <> 'complete'") == [(0,)]


@pytest.mark.thorough(but=("postgresql",))
def test_a_package_that_one_worker_left_is_not_loaded_over_what_another_has_loaded(
    place: Place, tmp_path: Path
) -> None:
    """A killed worker's directory holds older rows; when that worker runs again, it starts from what there is now."""
    fleet = Fleet.seeded(150, clock=wall_clock)
    with Sandbox(fleet, rate=None) as sandbox:
        assert sync(place, sandbox.url, tmp_path / "one") == 0
        sandbox.change(CHANGES)
        assert sync(place, sandbox.url, tmp_path / "one", kill_at=9) == -signal.SIGKILL
        sandbox.change(CHANGES)
        assert sync(place, sandbox.url, tmp_path / "two") == 0
        before = sorted(rows(place, "image_id, version, row_hash", "images"))
        assert sync(place, sandbox.url, tmp_path / "one") == 0
        assert sorted(rows(place, "image_id, version, row_hash", "images")) == before
        assert_whole(place, fleet)


@pytest.mark.parametrize("place", ["duckdb"], indirect=True)
def test_the_oracle_finds_what_is_wrong(place: Place, tmp_path: Path) -> None:
    """A check that cannot fail proves nothing: a row that is lost or doubled is found."""
    fleet = Fleet.seeded(20, clock=wall_clock)
    with Sandbox(fleet, rate=None) as sandbox:
        assert sync(place, sandbox.url, tmp_path) == 0
    assert_whole(place, fleet)
    place.sql("insert into {data}.images select * from {data}.images limit 1")
    with pytest.raises(AssertionError, match="doubled"):
        assert_whole(place, fleet)
    place.sql("delete from {data}.images where image_id = (select min(image_id) from {data}.images)")
    with pytest.raises(AssertionError):
        assert_whole(place, fleet)
