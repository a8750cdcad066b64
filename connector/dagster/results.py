"""Turns a run into the materialisations of its tables, all from what the run itself says: nothing is queried."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import dagster as dg

from connector.dagster.shown import facts
from connector.detail.rows import DetailVerdict
from connector.runs.identity import rfc3339
from connector.runs.row import SyncRun
from connector.tables import ALL_TABLES, DETAIL_RUNS, IMAGES, TABLES, Table, of_details, written_by

TABLE, DETAIL = "tcss/table", "tcss/detail"
"""Metadata of the assets of `tcss_assets`: the asset's table, and the details that the assets ask for."""

RUN_FACTS = (
    *("account_id", "sync_id", "mode", "verdict", "verdict_reason"),
    *("total_count", "images_listed", "images_new", "images_changed", "images_gone", "values_rejected"),
    *("requests", "throttled", "retries", "first_request_id", "last_request_id", "endpoint"),
)
"""Columns of `sync_runs` that become metadata of every materialisation."""

DETAIL_FACTS = (
    *("verdict", "verdict_reason", "images_due", "images_read", "images_behind", "images_unproven"),
    *("opened", "closed", "requests", "throttled", "unknown_tags"),
)
"""Columns of `detail_runs` that become metadata of the tables that the detail writes."""


def tables_of(specs: Iterable[dg.AssetSpec]) -> dict[dg.AssetKey, Table]:
    """Return the tables of assets by their keys. Raises ValueError for assets that `tcss_assets` has not made."""
    by_name = {table.name: table for table in ALL_TABLES}
    try:
        return {spec.key: by_name[spec.metadata[TABLE]] for spec in specs}
    except KeyError:
        raise ValueError("the assets are not those of @tcss_assets, and their tables are not known") from None


def details_of(specs: Iterable[dg.AssetSpec]) -> tuple[str, ...]:
    """Return the details that the assets of `tcss_assets` ask for."""
    return tuple(dict.fromkeys(name for spec in specs for name in spec.metadata[DETAIL]))


def materialised(
    run: SyncRun, tables: Mapping[dg.AssetKey, Table], *, partitioned: bool
) -> Iterator[dg.MaterializeResult[Any]]:
    """Yield a result with the run's facts for each table; none for a table of details that the run cannot have
    written, because all that the table holds was refused."""
    written = (*TABLES, *_of_details(run))
    for key, table in tables.items():
        if table in written:
            about = {**_facts(run), **_counts(run, table, partitioned=partitioned), **_detail_facts(run, table)}
            yield dg.MaterializeResult(asset_key=key, metadata=about)


def _facts(run: SyncRun) -> dict[str, Any]:
    said = facts({name: run[name] for name in RUN_FACTS})
    return said | {name: dg.MetadataValue.text(str(rfc3339(run[name]))) for name in ("started_at", "finished_at")}


def _counts(run: SyncRun, table: Table, *, partitioned: bool) -> dict[str, int]:
    """Return how many rows the run has merged into the table, and of `images` also how many there are now."""
    counts = {"rows": run.rows_written.get(table.name, 0)}
    if table is IMAGES and run.images_held is not None:
        counts["dagster/partition_row_count" if partitioned else "dagster/row_count"] = run.images_held
    return counts


def _of_details(run: SyncRun) -> tuple[Table, ...]:
    """Return the tables of details that the run may have written."""
    refused = [detail.aspect for detail in run.details if detail.verdict == DetailVerdict.REFUSED]
    return (DETAIL_RUNS, *of_details(detail.aspect for detail in run.details if detail.aspect not in refused))


def _detail_facts(run: SyncRun, table: Table) -> dict[str, Any]:
    """Return the run's facts on each detail that writes the table, as `vulnerabilities/opened`."""
    return {
        f"{detail.aspect}/{name}": value
        for detail in run.details
        if table in written_by(detail.aspect)
        for name, value in facts(detail.as_json()).items()
        if name in DETAIL_FACTS
    }
