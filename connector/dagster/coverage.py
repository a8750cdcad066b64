"""Checks the details: does every image have its present set, and did the last run of each detail end well?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import dagster as dg

from connector.dagster.shown import facts, plain
from connector.detail.coverage import IMAGE_COLUMNS, READ_COLUMNS, coverage_of
from connector.detail.rows import DetailVerdict
from connector.tables import DETAIL_RUNS, IMAGE_READS, IMAGES, Aspect, Row, plain_rows
from connector.warehouse.inventory import Inventory

_ENDED_WELL = (DetailVerdict.COMPLETE, DetailVerdict.BEHIND)


def covers(inventory: Inventory, account_id: str, *, aspect: Aspect) -> dg.AssetCheckResult:
    """Fail if a scanned image lacks its present set; only warn if all missing sets wait for a later run."""
    images = plain_rows(inventory.of_account(IMAGES, account_id, IMAGE_COLUMNS))
    reads = plain_rows(inventory.of_account(IMAGE_READS, account_id, READ_COLUMNS, {"aspect": aspect.name}))
    coverage = coverage_of(aspect, images, {read["image_id"]: read for read in reads})
    scanned = coverage.current + coverage.missing
    return dg.AssetCheckResult(
        passed=not coverage.missing,
        severity=dg.AssetCheckSeverity.ERROR if coverage.unproven else dg.AssetCheckSeverity.WARN,
        description=f"{coverage.current} of {scanned} scanned images have the set of their present scan",
        metadata={"account_id": account_id, **asdict(coverage)},
    )


def ran(inventory: Inventory, account_id: str, *, detail: Sequence[str]) -> dg.AssetCheckResult:
    """Fail if a detail has no run, or its newest run is partial, refused or failed."""
    newest: dict[str, Row] = {}
    for row in plain_rows(inventory.of_account(DETAIL_RUNS, account_id)):
        if row["aspect"] not in newest or newest[row["aspect"]]["started_at"] < row["started_at"]:
            newest[row["aspect"]] = row
    said = {name: _said(newest.get(name)) for name in dict.fromkeys(detail)}
    return dg.AssetCheckResult(
        passed=all(name in newest and newest[name]["verdict"] in _ENDED_WELL for name in said),
        description=plain("; ".join(f"{name}: {verdict}" for name, verdict in said.items())),
        metadata=facts({"account_id": account_id, **said}),
    )


def _said(row: Row | None) -> str:
    if row is None:
        return "no run yet"
    return f"{row['verdict']} ({row['verdict_reason']})" if row["verdict_reason"] else str(row["verdict"])
