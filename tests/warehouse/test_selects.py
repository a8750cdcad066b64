"""`connector.warehouse.selects`: queries that read no more of the past than they answer."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest

from connector.tables import IMAGES, SYNC_RUNS
from connector.warehouse.selects import accounts, newest, select


def client(dialect: str) -> Any:
    """As much of dlt's client as a query needs."""
    return SimpleNamespace(
        capabilities=SimpleNamespace(sqlglot_dialect=dialect),
        make_qualified_table_name=lambda name: f"main.{name}",
        escape_column_name=lambda name: f'"{name}"',
    )


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        ("postgres", 'SELECT "mode" FROM main.sync_runs WHERE a = %s ORDER BY "started_at" DESC LIMIT 5'),
        ("tsql", 'SELECT TOP (5) "mode" FROM main.sync_runs WHERE a = %s ORDER BY "started_at" DESC'),
        ("oracle", 'SELECT "mode" FROM main.sync_runs WHERE a = %s ORDER BY "started_at" DESC FETCH FIRST 5 ROWS ONLY'),
        ("teradata", 'SELECT "mode" FROM main.sync_runs WHERE a = %s ORDER BY "started_at" DESC'),
    ],
)
def test_the_database_stops_at_the_limit(dialect: str, expected: str) -> None:
    """In its own words; where we do not know them, the reader stops."""
    query = select(client(dialect), SYNC_RUNS, ["mode"], "a = %s", newest_by="started_at", limit=5)
    function = "SUBSTR" if dialect == "oracle" else "SUBSTRING"
    assert query == expected.replace('"mode"', f'{function}("mode", 1, 20000) AS "mode"')


@pytest.mark.parametrize(
    "query",
    [
        newest(client("sqlite"), one=False),
        newest(client("sqlite"), one=True).replace("%s", "'1'"),
        accounts(client("sqlite"), IMAGES),
        select(client("sqlite"), SYNC_RUNS, ["sync_id"], "account_id = '1'", newest_by="started_at", limit=9),
    ],
    ids=["newest", "newest of one", "accounts", "runs"],
)
def test_a_row_store_reads_no_table_from_end_to_end(query: str) -> None:
    """And sorts nothing: SQLite's plan searches by the indexes alone."""
    with closing(sqlite3.connect(":memory:")) as db:
        for table, columns in ((SYNC_RUNS, ("account_id", "started_at")), (IMAGES, IMAGES.key)):
            db.execute(f"CREATE TABLE {table.name} ({', '.join(table.column_names)})")
            db.execute(f"CREATE INDEX {table.name}_index ON {table.name} ({', '.join(columns)})")
        plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {query}")]
    assert [line for line in plan if line.startswith("SCAN") and line not in ALLOWED] == []
    assert not [line for line in plan if "TEMP B-TREE" in line]


ALLOWED = ("SCAN a", "SCAN found", "SCAN CONSTANT ROW")
"""The accounts that were found."""


@pytest.mark.parametrize("dialect", ["duckdb", "snowflake", "tsql"])
def test_other_databases_get_one_group_by(dialect: str) -> None:
    """Which they answer from the columns that it names."""
    assert newest(client(dialect), one=True) == (
        "SELECT r.account_id, max(r.started_at) AS last_run, "
        "max(CASE WHEN r.verdict = 'complete' AND r.filters IS NULL THEN r.started_at END) AS last_whole "
        "FROM main.sync_runs r WHERE r.account_id = %s GROUP BY r.account_id"
    )
