"""A sync of details, killed with SIGKILL at some steps: views show whole sets only, and the next run settles them."""

from __future__ import annotations

import itertools
import signal
from pathlib import Path
from typing import Any

import pytest

from connector.sandbox import Fleet, Sandbox, wall_clock
from connector.sandbox.identity import DEFAULT_ID, DEFAULT_KEY
from tests import crashing
from tests.detail.truth import Rows, of_fleet, of_warehouse
from tests.warehouses import KINDS, Place

CHANGES = {"scan_again": 12, "rescan": 6, "add_vulnerabilities": 4, "withdraw_vulnerabilities": 2, "delete": 1}


def sync(place: Place, url: str, temporary: Path, kill_at: int | None = None) -> int:
    """The exit code of a sync with details."""
    keys = {"secret_id": DEFAULT_ID, "secret_key": DEFAULT_KEY}
    settings: dict[str, Any] = {
        "destination": place.url,
        "dataset": place.dataset,
        "endpoint": url,
        "mode": "full",
        "credentials": keys,
        "requests_per_second": 1e6,
        "max_delete_share": 1.0,
        "confirm_gone_after": 0,
        "account_id": "1",
        "detail": ["vulnerabilities"],
        "in_flight": 4,
    }
    return crashing.run(settings, temporary, kill_at)


@pytest.mark.thorough(but=("duckdb-some",))
@pytest.mark.parametrize(
    ("place", "stride"),
    [pytest.param("duckdb", 97, id="duckdb-some"), *(pytest.param(kind, 11, id=f"{kind}-often") for kind in KINDS)],
    indirect=["place"],
)
def test_killed_at_a_step_and_run_again(place: Place, tmp_path: Path, stride: int) -> None:
    """After each kill, every set that is shown is one that its image had; after the next run, all are those of now."""
    fleet = Fleet.seeded(30, clock=wall_clock)
    known: dict[str, list[Rows]] = {}

    def remember() -> None:
        for image_id, found in of_fleet(fleet).items():
            known.setdefault(image_id, []).append(found)

    remember()
    with Sandbox(fleet, rate=None) as sandbox:
        assert sync(place, sandbox.url, tmp_path / "temporary") == 0
        for step in itertools.count(0, stride):
            sandbox.change(CHANGES)
            remember()
            code = sync(place, sandbox.url, tmp_path / "temporary", kill_at=step)
            shown = of_warehouse(place)
            assert all(set(found) in map(set, known[image_id]) for image_id, found in shown.items())
            if code == 0:
                break
            assert code == -signal.SIGKILL
            sandbox.change({"scan_again": 30})
            assert sync(place, sandbox.url, tmp_path / "temporary") == 0, f"stuck after a kill at step {step}"
            shown, truth = of_warehouse(place), of_fleet(fleet)
            assert {image_id: shown.get(image_id) for image_id in truth} == truth
        assert step > 40, "the steps were not met"
    (intervals,) = place.sql("select count(*), count(distinct image_id) from {data}.image_vulnerabilities")
    assert intervals[0] > sum(found.total() for found in truth.values())
