"""Finds runs whose load package was not loaded whole.

A pipeline of the user's own loads all rows of a run in one package, and dlt commits the tables of a package in any
order. If the package then fails and is dropped, or its directory is gone with its machine, images of the run may be
there without their versions or scans, and the run's row without its images.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from connector.runs.identity import package_of
from connector.runs.policy import AHEAD, is_whole
from connector.tables import Row

MOST = 900  # packages, or images, in one query
_VERSION = ("image_id", "version", "row_hash")


def lost_runs(
    runs: Sequence[Row], writers: Iterable[str], loaded: Callable[[Sequence[str]], Collection[str]], now: int
) -> frozenset[str]:
    """Return the ids of the runs whose packages were not loaded whole, since the newest whole run that is there: that
    run has made up for the runs before.

    `runs` are rows of `sync_runs`, newest first, and `writers` the ids of the runs that have rows in `images`. `loaded`
    says which packages were loaded whole. A run counts by its start, which is by the server's clock, as far as its row
    is there and not in the future, and else by its package, which is by the clock of a machine.
    """
    runs = [run for run in runs if run["started_at"] <= now + AHEAD]
    started = {run["sync_id"]: run["started_at"] / 1e6 for run in runs}
    packages = {sync_id: package for sync_id in {*started, *writers} if (package := package_of(sync_id))}
    newest = sorted(packages, key=lambda sync_id: float(packages[sync_id]), reverse=True)[:MOST]
    if not newest:
        return frozenset()
    there = loaded([packages[sync_id] for sync_id in newest])
    missing = {sync_id for sync_id in newest if packages[sync_id] not in there}
    whole = next((run["sync_id"] for run in runs if is_whole(run) and run["sync_id"] not in missing), None)
    if whole is None:
        return frozenset(missing)
    since = min(started[whole], float(packages.get(whole, "inf")))
    return frozenset(
        sync_id
        for sync_id in missing
        if (started[sync_id] > started[whole] if sync_id in started else float(packages[sync_id]) > since)
    )


def written_by(stored: pa.Table, lost: Collection[str]) -> pa.Table:
    """Return those rows of `images` that lost runs have written."""
    return stored.filter(pc.is_in(stored["sync_id"], pa.array([*lost], pa.string())))


def missing_versions(rows: pa.Table, history: Callable[[Sequence[str]], pa.Table]) -> dict[str, int]:
    """Return, by image, the versions that the history lacks of these rows of `images`. `history` returns the versions
    of some images.

    The number is that of the row, or smaller: the next one in the history, if several lost runs in a row have left out
    their versions.
    """
    found: dict[str, int] = {}
    for start in range(0, len(rows), MOST):
        written = _versions(rows.slice(start, MOST))
        there = _versions(history([image_id for image_id, *_ in written]))
        numbers = defaultdict(list)
        for image_id, version, _ in there:
            numbers[image_id].append(version)
        for image_id, version, _ in written - there:
            found[image_id] = max((each for each in numbers[image_id] if each < version), default=version - 1) + 1
    return found


def _versions(rows: pa.Table) -> set[tuple[str, int, str]]:
    return {*zip(*(rows[name].to_pylist() for name in _VERSION), strict=True)}
