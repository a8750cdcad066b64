"""Deletes what is older than a cut, so that the views answer as before for every instant from the cut on.

Each table is pruned by one statement, which the database makes whole or not at all. No statement needs another one, so
a prune that is killed in between has done a part of the work, and the next prune does the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import dlt
from dlt.destinations.exceptions import DatabaseUndefinedRelation

from connector.tables import ALL_TABLES, DETAIL_RUNS, IMAGE_HISTORY, IMAGE_SCANS, POSTURE_CHANGES, SYNC_RUNS
from connector.warehouse.backends import Kind
from connector.warehouse.counting import NEVER, Posture
from connector.warehouse.errors import destination_errors
from connector.warehouse.locations import Location
from connector.warehouse.pipeline import SCHEMA
from connector.warehouse.selects import instant

LOADS = "_dlt_loads"
"""dlt's own table, with a row for each load of any account."""
STATE = "_dlt_pipeline_state"

KINDS: tuple[Kind, ...] = ("duckdb", "sqlite", "postgresql", "mysql")
"""The databases that can be pruned: those that the tests reach."""


@dataclass(frozen=True)
class _Old:
    """The rows `old` of a table that may go: by a condition, and by a join with what is to be `kept`.

    In the SQL, `{cut}` is the instant, `{believed}` the last instant at which a run can have started, `{whole}` a
    complete run `r` without filters, `%s` the account, and any other name in braces a table.
    """

    table: str
    condition: str
    kept: str = ""
    on: str = ""


# The version that was valid at the cut stays. A version above that in `images` was left by a run that was killed, and
# was never valid. An image without a row in `images` keeps its highest version. Where a clock was ahead for a while, a
# version from before the cut has a higher number than one from after: then the version before the latter stays, and all
# above, because what a version has changed is told by the version before.
_HISTORY = _Old(
    IMAGE_HISTORY.name,
    "old.account_id = %s AND old.observed_at < {cut} AND old.version < kept.version",
    "(SELECT p.image_id, CASE WHEN p.later <= p.earlier THEN p.later - 1 ELSE p.earlier END AS version FROM "
    "(SELECT h.image_id, max(CASE WHEN h.observed_at < {cut} THEN h.version END) AS earlier, "
    "min(CASE WHEN h.observed_at >= {cut} THEN h.version END) AS later FROM {image_history} AS h "
    "LEFT JOIN {images} AS i ON i.account_id = h.account_id AND i.image_id = h.image_id "
    "WHERE h.account_id = %s AND (i.version IS NULL OR h.version <= i.version) GROUP BY h.image_id) AS p) AS kept",
    "kept.image_id = old.image_id",
)
# The first scan of an image tells whether its findings may be older than the first set that was read.
_SCANS = _Old(
    IMAGE_SCANS.name,
    "old.account_id = %s AND old.scan_time < {cut} AND old.scan_time > kept.first_scan",
    "(SELECT s.image_id, min(s.scan_time) AS first_scan FROM {image_scans} AS s WHERE s.account_id = %s "
    "GROUP BY s.image_id) AS kept",
    "kept.image_id = old.image_id",
)
# What later runs and views build on stays (`runs.policy.History`): the runs since the newest complete one, the newest
# complete full one, the one whose audit counts, and the first complete full one, by which views know which findings
# were there from the beginning. Without a complete run, nothing goes. Runs in the future do not count.
_RUNS = _Old(
    SYNC_RUNS.name,
    "old.account_id = %s AND old.started_at < {cut} AND old.started_at < kept.last_whole "
    "AND (kept.last_full IS NULL OR old.started_at <> kept.last_full) "
    "AND (kept.audited IS NULL OR old.started_at <> kept.audited) "
    "AND (kept.began IS NULL OR old.finished_at IS NULL OR old.finished_at <> kept.began)",
    "(SELECT r.account_id, max(CASE WHEN {whole} THEN r.started_at END) AS last_whole, "
    "max(CASE WHEN {whole} AND r.mode = 'full' THEN r.started_at END) AS last_full, "
    "min(CASE WHEN {whole} AND r.mode = 'full' THEN r.finished_at END) AS began, "
    "max(CASE WHEN r.missed_by_incremental > 0 OR (r.missed_by_incremental = 0 AND {whole} "
    "AND r.reason_code IS NOT NULL) THEN r.started_at END) AS audited "
    "FROM {sync_runs} AS r WHERE r.account_id = %s AND r.started_at <= {believed} GROUP BY r.account_id) AS kept",
    "kept.account_id = old.account_id",
)
# The newest run of each detail stays, and the newest complete one.
_DETAIL_RUNS = _Old(
    DETAIL_RUNS.name,
    "old.account_id = %s AND old.started_at < {cut} AND old.started_at < kept.newest "
    "AND (kept.newest_whole IS NULL OR old.started_at <> kept.newest_whole)",
    "(SELECT d.aspect, max(d.started_at) AS newest, "
    "max(CASE WHEN d.verdict = 'complete' THEN d.started_at END) AS newest_whole "
    "FROM {detail_runs} AS d WHERE d.account_id = %s AND d.started_at <= {believed} GROUP BY d.aspect) AS kept",
    "kept.aspect = old.aspect",
)
_LOADS = _Old(LOADS, "old.schema_name = %s AND old.inserted_at < {cut}")
# A pipeline of the user's own finds its state by the load that wrote the state.
_STATE_KEPT = " AND old.load_id NOT IN (SELECT s._dlt_load_id FROM {_dlt_pipeline_state} AS s)"
# By the load that the id of a run names (`runs.identity.package_of`), such a pipeline knows that the run was loaded
# whole. It asks for the newest complete run of the account, and all runs since. Without a complete run, all loads stay.
_RUNS_KEPT = (
    " AND old.load_id NOT IN (SELECT replace(replace(substr(n.sync_id, 14), 'e', ''), 'f', '.'){exactly} "
    "FROM {sync_runs} AS n LEFT JOIN (SELECT r.account_id, max(r.started_at) AS last_whole FROM {sync_runs} AS r "
    "WHERE {whole} AND r.started_at <= {believed} GROUP BY r.account_id) AS kept ON kept.account_id = n.account_id "
    "WHERE kept.last_whole IS NULL OR n.started_at >= kept.last_whole)"
)
OF_ACCOUNT = (_HISTORY, _SCANS, _RUNS, _DETAIL_RUNS)

_WHOLE = "r.verdict = 'complete' AND r.filters IS NULL"
_COUNT = "SELECT count(*) FROM {table} AS old{join} WHERE {condition}"
_BY_ROWID = "DELETE FROM {table} WHERE rowid IN (SELECT old.rowid FROM {table} AS old{join} WHERE {condition})"
_DELETE: Mapping[Kind, str] = {
    "duckdb": _BY_ROWID,
    "sqlite": _BY_ROWID,
    "postgresql": "DELETE FROM {table} AS old{using} WHERE {condition}",
    # MySQL reads no table in a subquery that it deletes from, and looks for the alias in the connection's database.
    "mysql": "DELETE {table} FROM {table}{join} WHERE {condition}",
}


class Pruner:
    """Prunes one dataset, through a pipeline of `open_pipeline`. `cut` is in microseconds since the epoch, and so is
    `believed`: a run that started later had a wrong clock."""

    def __init__(self, location: Location, pipeline: dlt.Pipeline, cut: int, *, believed: int = NEVER) -> None:
        self._location = location
        self._pipeline = pipeline
        self._cut, self._believed = instant(location.kind, cut), instant(location.kind, believed)

    def account(self, account_id: str, *, dry_run: bool) -> dict[str, int]:
        """Prune the tables of an account, whose lock is held. Return the number of rows that went, by table, or with
        `dry_run` would go. Raises DestinationError."""
        with destination_errors(self._location, "prune"), self._pipeline.sql_client(SCHEMA) as client:
            there = [old for old in OF_ACCOUNT if _exists(client, old.table)]
            if not dry_run and _exists(client, POSTURE_CHANGES.name):
                # A version that is not counted yet is counted against the version before, which may go.
                Posture(self._location, self._pipeline, account_id).count()
            return {old.table: self._prune(client, old, account_id, dry_run=dry_run) for old in there}

    def loads(self, *, dry_run: bool) -> dict[str, int]:
        """Prune dlt's list of loads, in the same way. Loads of other schemas in the dataset stay."""
        with destination_errors(self._location, "prune"), self._pipeline.sql_client(SCHEMA) as client:
            if not _exists(client, LOADS):
                return {}
            kept = (_STATE_KEPT if _exists(client, STATE) else "") + (
                _RUNS_KEPT if _exists(client, SYNC_RUNS.name) else ""
            )
            old = replace(_LOADS, condition=_LOADS.condition + kept)
            return {LOADS: self._prune(client, old, SCHEMA, dry_run=dry_run)}

    def _prune(self, client: Any, old: _Old, whose: str, *, dry_run: bool) -> int:
        parts = self._parts(client, old)
        ((rows,),) = _execute(client, _COUNT.format(**parts), whose)
        if rows and not dry_run:
            if self._location.kind == "mysql":
                parts |= {name: parts[name].replace("old.", f"{parts['table']}.") for name in ("join", "condition")}
            _execute(client, _DELETE[self._location.kind].format(**parts), whose)
        return int(rows)

    def _parts(self, client: Any, old: _Old) -> dict[str, str]:
        """Return the parts of the statements."""
        tables = (*(table.name for table in ALL_TABLES), LOADS, STATE)
        names = {name: client.make_qualified_table_name(name) for name in tables}
        # MySQL compares no texts of two collations: dlt's tables have that of the database, and ours have another.
        exactly = " COLLATE utf8mb4_bin" if self._location.kind == "mysql" else ""
        parts = {"cut": self._cut, "believed": self._believed, "whole": _WHOLE, "exactly": exactly, **names}
        condition, kept = old.condition.format_map(parts), old.kept.format_map(parts)
        if not kept:
            return {"table": names[old.table], "join": "", "using": "", "condition": condition}
        joined = {"join": f" JOIN {kept} ON {old.on}", "using": f" USING {kept}"}
        return {"table": names[old.table], **joined, "condition": f"{old.on} AND {condition}"}


def _execute(client: Any, statement: str, whose: str) -> Any:
    return client.execute_sql(statement, *[whose] * statement.count("%s"))


def _exists(client: Any, table: str) -> bool:
    try:
        client.execute_sql(f"SELECT 1 FROM {client.make_qualified_table_name(table)} WHERE 1 = 0")  # noqa: S608
    except DatabaseUndefinedRelation:
        return False
    return True
