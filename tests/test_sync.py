"""Successive syncs of one account into one warehouse: what an incremental run finds, and what is left to a full one."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from connector.destinations import Warehouse
from connector.sandbox import Fleet, wall_clock
from connector.sandbox.images import instant_of
from tests.world import World, world

COUNTS = ("mode", "verdict", "images_new", "images_changed", "images_gone")


def some(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in COUNTS)


def loaded(account: World, column: str) -> dict[str, Any]:
    return dict(account.query(f"select image_id, {column} from tcss.images where deleted_at is null"))


def test_a_second_run_finds_what_its_mode_can_see(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rescans and new images by ScanTime and status filter; changes of counts and deletions by a full sweep."""
    # Scans ten minutes ago, 20 ms apart: made at once, hundreds would share a millisecond.
    ticks = itertools.count(wall_clock() - 600_000_000, 20_000)
    fleet = Fleet.seeded(20_000, clock=lambda: next(ticks))
    with world(tmp_path, monkeypatch, fleet=fleet) as account:
        assert some(account.sync()) == ("full", "complete", 20_000, 0, 0)
        scanned = account.query("select image_id from tcss.images where scan_status = 'SCANNED' order by scan_time")
        ids = [image_id for (image_id,) in scanned]
        rescanned, counted, deleted = ids[:200], ids[200:300], ids[300:340]
        account.sandbox.change({"rescan": rescanned, "insert": 60, "change_counts": counted, "delete": deleted})
        truth = account.fleet.truth()

        before = len(account.sandbox.backend.payloads())
        assert some(account.sync()) == ("incremental", "complete", 60, 200, 0)
        beside = [payload for payload in account.sandbox.backend.payloads()[before:] if "Filters" not in payload]
        assert len(beside) <= 5  # the others are pages of unscanned images
        times = loaded(account, "epoch_us(scan_time)")
        assert {i: times[i] for i in rescanned} == {i: instant_of(truth[i]["ScanTime"]) for i in rescanned}
        assert set(truth) | set(deleted) == set(times)

        assert some(account.sync("--mode", "full")) == ("full", "complete", 0, 100, 40)
        containers = loaded(account, "container_cnt")
        assert containers == {image_id: item["ContainerCnt"] for image_id, item in truth.items()}
        assert some(account.sync()) == ("incremental", "complete", 0, 0, 0)


def test_without_a_lock_the_staging_dataset_is_the_runs_own_and_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the warehouse has no lock that dies with its holder, two runs must not share staging tables."""
    staged: list[str] = []
    name = Warehouse.staging
    monkeypatch.setattr(Warehouse, "has_lock", False)
    monkeypatch.setattr(Warehouse, "staging", lambda *a, **k: staged.append(name(*a, **k)) or staged[-1])
    with world(tmp_path, monkeypatch, images=30) as account:
        account.sync()
        account.sync("--mode", "full")
        schemas = account.query("select schema_name from information_schema.schemata where schema_name like 'tcss%'")
    assert schemas == [("tcss",)]
    assert len(set(staged)) == 2
