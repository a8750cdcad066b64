"""Runs whose load package was not loaded whole are found by their ids, and by dlt's notes of what was loaded."""

from __future__ import annotations

from typing import Any

import pytest

from connector.runs.identity import Identity, package_of
from connector.runs.packages import lost_runs

PACKAGES = [f"17959922{number}.5" for number in range(10, 15)]
IDS = [Identity.new("1", 0, package=package).sync_id for package in PACKAGES]


@pytest.mark.parametrize("package", ["1795992229.4592383", "1795992229.0", "7.5"])
def test_an_id_names_its_package(package: str) -> None:
    """Two runs of a package have different ids."""
    ids = [Identity.new("1", 0, package=package).sync_id for _ in range(2)]
    assert [*map(package_of, ids)] == [package] * 2
    assert len({*ids}) == 2
    assert {len(sync_id) for sync_id in ids} == {32}


@pytest.mark.parametrize("package", [None, "", "load", "1795992229.45923831234", "1.2.3"])
def test_an_id_without_a_package_names_none(package: str | None) -> None:
    assert package_of(Identity.new("1", 0, package=package).sync_id) is None
    assert package_of(None) is package_of("run-1") is package_of("0" * 12 + "8" + "0" * 19 + "f") is None


def _run(sync_id: str, verdict: str = "complete", started_at: int = 0) -> dict[str, Any]:
    return {"sync_id": sync_id, "verdict": verdict, "filters": None, "started_at": started_at}


@pytest.mark.parametrize(
    ("runs", "writers", "there", "lost"),
    [
        ([], [], [], []),
        ([0], [0], [0], []),
        ([0], [0], [], [0]),
        ([], [1], [], [1]),
        ([2, 1, 0], [], [2, 0], []),
        ([2, 1, 0], [], [1, 0], [2]),
        ([2, 0], [1, 3], [2, 0], [3]),
        ([3, 2, 1], [0], [], [0, 1, 2, 3]),
    ],
)
def test_what_is_lost_since_the_newest_whole_run(
    runs: list[int], writers: list[int], there: list[int], lost: list[int]
) -> None:
    """By the row of a run, or by its images alone; a whole run that is there has made up for the runs before."""
    notes = {PACKAGES[number] for number in there}
    found = lost_runs([_run(IDS[number]) for number in runs], [IDS[number] for number in writers], notes.intersection)
    assert found == {IDS[number] for number in lost}


def test_a_sync_makes_up_for_a_package_and_asks_nothing() -> None:
    """A run of `connector.sync()` names no package, and counts by its start."""
    random = Identity.new("1", 0).sync_id
    assert lost_runs([_run(random)], [random], NotImplemented) == frozenset()
    for started_at, lost in ((1795992211_000_000, set()), (1795992210_000_000, {IDS[0]})):
        assert lost_runs([_run(random, started_at=started_at)], [IDS[0]], lambda _: ()) == lost
