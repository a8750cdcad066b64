"""Runs whose load package was not loaded whole are found by their ids, and by dlt's notes of what was loaded."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import pytest

from connector.listing.remote import RemoteList
from connector.runs.assembly import instants
from connector.runs.identity import Identity, package_of
from connector.runs.observation import Observation
from connector.runs.packages import lost_runs
from connector.runs.policy import HOUR, Mode, Policy, RunReason
from connector.runs.spool import Spool
from connector.sandbox import Fleet, LocalServer
from connector.tables import IMAGE_HISTORY, IMAGE_SCANS, IMAGES, Table
from tests.runs.memory import ACCOUNT, ZONE, Runs, Warehouse, fetching

PACKAGES = [f"17959922{number}.5" for number in range(10, 15)]
NOW = 1_795_992_300_000_000
FULL = Policy(mode=Mode.FULL, confirm_gone_after=0)
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
    rows = [_run(IDS[number], started_at=int(float(PACKAGES[number]) * 1e6)) for number in runs]
    found = lost_runs(rows, [IDS[number] for number in writers], notes.intersection, NOW)
    assert found == {IDS[number] for number in lost}


def test_a_sync_makes_up_for_a_package_and_asks_nothing() -> None:
    """A run of `connector.sync()` names no package, and counts by its start."""
    random = Identity.new("1", 0).sync_id
    assert lost_runs([_run(random)], [random], NotImplemented, NOW) == frozenset()
    for started_at, lost in ((1795992211_000_000, set()), (1795992210_000_000, {IDS[0]})):
        assert lost_runs([_run(random, started_at=started_at)], [IDS[0]], lambda _: (), NOW) == lost


YEAR = 365 * 24 * HOUR
ROW = [_run(IDS[1], started_at=1_795_992_211_500_000)]


@pytest.mark.parametrize("has_row", [True, False], ids=["row", "images"])
@pytest.mark.parametrize(
    "whole",
    [
        _run(Identity.new("1", 0, package=f"{1_795_992_210.5 + YEAR / 1e6}").sync_id, started_at=1_795_992_210_000_000),
        _run(IDS[0], started_at=1_795_992_210_000_000 + YEAR),
        _run(IDS[0], started_at=1_795_992_210_000_000),
    ],
    ids=["machine", "server", "none"],
)
def test_a_clock_that_was_ahead_hides_no_loss(whole: dict[str, Any], has_row: bool) -> None:
    """That of the machine, by which packages are named, or that of the server."""
    runs = sorted([whole, *(ROW if has_row else [])], key=lambda run: -run["started_at"])
    there = {str(package_of(whole["sync_id"]))}
    assert lost_runs(runs, [IDS[1]], there.intersection, NOW) == {IDS[1]}


def test_a_lost_run_whose_clock_was_ahead_is_made_up_for_once() -> None:
    """The runs after it are not full ones because of it."""
    fleet, runs = _world()
    fleet.apply({"rescan": 20})
    fleet.now += HOUR
    runs.ahead = YEAR
    _without_package(runs, IMAGE_HISTORY, IMAGE_SCANS)
    runs.ahead = 0
    reasons = []
    for _ in range(3):
        fleet.now += HOUR
        reasons.append(runs.run(Policy())["mode_reason"])
    assert [reason == str(RunReason.NOT_LOADED.given()) for reason in reasons] == [True, False, False]


# What the next run makes up for.


class _Losing(Warehouse):
    """Knows no package of the runs in `lost`."""

    def __init__(self) -> None:
        super().__init__()
        self.lost: set[str] = set()

    def loaded(self, packages: Sequence[str]) -> set[str]:
        return {*packages} - self.lost


class _Packages(Runs):
    """Makes runs of a pipeline, whose ids name their packages; `ahead` is by how much the clock of the machine is."""

    ahead = 0

    def observation(self, spool: Spool, started_at: int, policy: Policy) -> Observation:
        remote = RemoteList(fetching(self.server), partial(instants, ZONE), in_flight=self.in_flight, limit=self.limit)
        identity = Identity.new(ACCOUNT, started_at, package=f"{(started_at + self.ahead) / 1e6}")
        return Observation(identity, policy, self.warehouse, remote, self.parser.read, spool)


def _without_package(runs: _Packages, *left_out: Table) -> None:
    """Make a run whose package is dropped: all tables but `left_out` are committed."""
    warehouse = cast(_Losing, runs.warehouse)
    before = {table.name: dict(warehouse.tables[table.name]) for table in left_out}
    row = runs.run(FULL)
    warehouse.lost.add(str(package_of(row.sync_id)))
    warehouse.tables |= before


def _world() -> tuple[Fleet, _Packages]:
    fleet = Fleet.seeded(20, 1)
    runs = _Packages(LocalServer(fleet), warehouse=_Losing())
    fleet.now += HOUR
    runs.run(FULL)
    fleet.now += HOUR
    return fleet, runs


@pytest.mark.parametrize("change", ["change_counts", "rescan", "delete", None])
@pytest.mark.parametrize("left_out", [(IMAGE_HISTORY, IMAGE_SCANS), (IMAGE_SCANS,), (IMAGE_HISTORY,)])
@pytest.mark.parametrize("losses", [1, 2, 3])
def test_versions_and_scans_of_a_lost_run_are_written_though_the_images_have_changed_since(
    losses: int, left_out: tuple[Table, ...], change: str | None
) -> None:
    """From the rows of `images`: as far as these are there, all versions are, with no number left out."""
    fleet, runs = _world()
    for _ in range(losses):
        fleet.apply({"rescan": 20})
        fleet.now += HOUR
        _without_package(runs, *left_out)
        fleet.now += HOUR
    last = {row["image_id"]: row for row in runs.warehouse[IMAGES]}
    fleet.apply({change: 3} if change else {})
    fleet.now += HOUR
    row = runs.run(Policy(confirm_gone_after=0))
    assert (row["verdict"], row["reason_code"]) == ("complete", "order")
    history = {(row["image_id"], row["row_hash"], row["observed_at"]) for row in runs.warehouse[IMAGE_HISTORY]}
    scans = {(row["image_id"], row["scan_time"]) for row in runs.warehouse[IMAGE_SCANS]}
    for image_id, lost in last.items():
        versions = runs.warehouse.versions(image_id)
        assert [row["version"] for row in versions] == [*range(1, runs.warehouse.image(image_id)["version"] + 1)]
        assert versions[-1]["row_hash"] == runs.warehouse.image(image_id)["row_hash"]
        assert (image_id, lost["row_hash"], lost["changed_at"]) in history
        assert (image_id, lost["scan_time"]) in scans
    assert row["images_changed"] + row["images_gone"] == (3 if change else 0)
