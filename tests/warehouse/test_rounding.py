"""`connector.warehouse.rounding`: a column that would round values is refused before anything is loaded."""

from __future__ import annotations

import re

import pytest

from connector.errors import DestinationError
from connector.tables import ALL_TABLES, IMAGES
from tests.warehouses import Place

CHANGED = [
    pytest.param("duckdb", "images", "scan_time", "DATE", "TIMESTAMP WITH TIME ZONE", id="duckdb-date"),
    pytest.param("duckdb", "images", "scan_time", "TIMESTAMP_S", "TIMESTAMP WITH TIME ZONE", id="duckdb-seconds"),
    pytest.param("duckdb", "images", "size", "FLOAT", "BIGINT", id="duckdb-float"),
    pytest.param("duckdb", "vulnerabilities", "cvss_v3_score", "DECIMAL(18,0)", "DOUBLE", id="duckdb-decimal"),
    pytest.param("postgresql", "images", "size", "real", "bigint", id="postgresql-real"),
    pytest.param(
        "postgresql", "image_scans", "scan_time", "timestamptz(0)", "timestamp with time zone", id="postgresql-seconds"
    ),
    pytest.param("postgresql", "images", "changed_at", "date", "timestamp with time zone", id="postgresql-date"),
    pytest.param("postgresql", "images", "image_id", "char(256)", "varchar(256)", id="postgresql-blanks"),
    pytest.param("postgresql", "vulnerabilities", "cvss_v3_score", "integer", "double precision", id="postgresql-int"),
    pytest.param("mysql", "images", "scan_time", "datetime", "datetime(6)", id="mysql-seconds"),
    pytest.param("mysql", "images", "size", "float", "bigint", id="mysql-float"),
    pytest.param("mysql", "vulnerabilities", "cvss_v3_score", "decimal(4,0)", "double", id="mysql-decimal"),
]


def change(place: Place, table: str, column: str, to: str) -> None:
    how = f"MODIFY COLUMN {column} {to}" if place.kind == "mysql" else f"ALTER COLUMN {column} TYPE {to}"
    place.sql(f"ALTER TABLE {{data}}.{table} {how}")


@pytest.mark.thorough("mysql-decimal", "postgresql-date", "postgresql-int", "postgresql-blanks", "duckdb-decimal")
@pytest.mark.parametrize(("place", "table", "column", "to", "ours"), CHANGED, indirect=["place"])
def test_a_column_that_would_round_values_is_refused(place: Place, table: str, column: str, to: str, ours: str) -> None:
    """With the type that the column should have; with that type, a load goes on."""
    place.prepared(tables=ALL_TABLES)
    change(place, table, column, to)
    said = f"column {column} of .*{table} has the type .*would round values.* the type {re.escape(ours)} back"
    with pytest.raises(DestinationError, match=said):
        place.prepared(tables=ALL_TABLES)
    change(place, table, column, ours)
    place.prepared(tables=ALL_TABLES)


@pytest.mark.parametrize("place", ["duckdb"], indirect=True)
@pytest.mark.parametrize("to", ["VARCHAR", "HUGEINT"])
def test_a_column_that_keeps_values_whole_is_used(place: Place, to: str) -> None:
    """Whoever has changed it."""
    place.ready()
    change(place, "images", "size", to)
    place.load(place.prepared(), IMAGES, {"account_id": "1", "image_id": "a", "size": 2**40 + 1})
    assert place.sql("SELECT CAST(size AS BIGINT) FROM {data}.images") == [(2**40 + 1,)]
