"""Checks the details: does every image have its present set, and did the last run of each detail end well?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from operator import itemgetter

import dagster as dg

from connector.dagster.shown import facts, plain
from connector.detail.coverage import IMAGE_COLUMNS, READ_COLUMNS, coverage_of
from connector.detail.rows import DetailVerdict
from connector.runs.identity import now
from connector.runs.policy import AHEAD
from connector.tables import DETAIL_RUNS, IMAGE_READS, IMAGES, SYNC_RUNS, Aspect, Row, plain_rows
from connector.warehouse.inventory import Inventory

_ENDED_WELL = (DetailVerdict.COMPLETE, DetailVerdict.BEHIND)


def covers(inventory: Inventory, account_id: str, *, aspect: Aspect) -> dg.AssetCheckResult:
    """Fail if a scanned image lacks its present set, or nothing was synced yet; only warn if all missing sets wait for
    a later run."""
    images = list(plain_rows(inventory.of_account(IMAGES, account_id, IMAGE_COLUMNS)))
    reads = plain_rows(inventory.of_account(IMAGE_READS, account_id, READ_COLUMNS, {"aspect": aspect.name}))
    coverage = coverage_of(aspect, images, {read["image_id"]: read for read in reads})
    scanned = coverage.current + coverage.missing
    synced = bool(images) or account_id in inventory.accounts_in(SYNC_RUNS)
    return dg.AssetCheckResult(
        passed=synced and not coverage.missing,
        severity=dg.AssetCheckSeverity.ERROR if coverage.unproven or not synced else dg.AssetCheckSeverity.WARN,
        description=f"{coverage.current} of {scanned} scanned images have the set of their present scan",
        metadata={"account_id": account_id, **asdict(coverage)},
    )


def ran(inventory: Inventory, account_id: str, *, detail: Sequence[str]) -> dg.AssetCheckResult:
    """Fail if a detail has no run, or its newest run is partial, refused or failed."""
    latest = now() + AHEAD  # a run that starts in the future would stand for all later runs
    runs = [row for row in plain_rows(inventory.of_account(DETAIL_RUNS, account_id)) if row["started_at"] <= latest]
    newest: dict[str, Row] = {row["aspect"]: row for row in sorted(runs, key=itemgetter("started_at"))}
    said = {name: _said(newest.get(name)) for name in detail}
    return dg.AssetCheckResult(
        passed=all(name in newest and newest[name]["verdict"] in _ENDED_WELL for name in said),
        description=plain("; ".join(f"{name}: {verdict}" for name, verdict in said.items())),
        metadata=facts({"account_id": account_id, **said}),
    )


def _said(row: Row | None) -> str:
    if row is None:
        return "no run yet"
    return f"{row['verdict']} ({row['verdict_reason']})" if row["verdict_reason"] else str(row["verdict"])
