"""Refuses columns whose types would round values, without an error of the database: somebody has changed them.

A type that is too small for a value is an error of the load. But a REAL takes every integer, and a DATE every instant,
and keeps a part of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dlt.common.destination.client import JobClientBase

from connector.errors import DestinationError
from connector.tables import ALL_TABLES, Column
from connector.tables.model import ColumnType
from connector.warehouse.backends import Kind

_PRECISE: dict[Kind, str] = {"duckdb": "NULL", "postgresql": "datetime_precision", "mysql": "datetime_precision"}
_TYPES = "SELECT table_name, column_name, data_type, {} FROM information_schema.columns WHERE table_schema = %s"
_FLOATS = ("real", "float", "double", "double precision")
# By their first words, in small letters: DECIMAL(18,3) is a decimal.
_ROUNDING: dict[ColumnType, tuple[str, ...]] = {
    "timestamp": ("date", "time", "time without time zone", "time with time zone", "timestamp_s", "timestamp_ms"),
    "bigint": _FLOATS,
    "double": ("real", "float", "decimal", "numeric", "bigint", "integer", "int", "mediumint", "smallint", "tinyint"),
    "text": ("character", "char"),  # without the blanks at the end of a text
    "bool": (),
}
_OURS: dict[Kind, dict[ColumnType, str]] = {
    "duckdb": {"timestamp": "TIMESTAMP WITH TIME ZONE", "bigint": "BIGINT", "double": "DOUBLE", "text": "VARCHAR"},
    "postgresql": {
        "timestamp": "timestamp with time zone",
        "bigint": "bigint",
        "double": "double precision",
        "text": "character varying",
    },
    "mysql": {"timestamp": "datetime(6)", "bigint": "bigint", "double": "double", "text": "longtext"},
}
MICROSECONDS = 6  # digits after the second


def refuse_rounding(client: JobClientBase, kind: Kind) -> None:
    """Raise DestinationError for a column in the client's dataset that would not keep each of our values whole."""
    if kind not in _PRECISE:
        return
    sql: Any = client.sql_client  # type: ignore[attr-defined]
    ours = {(table.name, column.name): column for table in ALL_TABLES for column in table.columns}
    for table, column, found in _rounding(sql.execute_sql(_TYPES.format(_PRECISE[kind]), sql.dataset_name), ours):
        raise DestinationError(
            f"the column {column.name} of {sql.dataset_name}.{table} has the type {found}, which would round values: "
            "somebody has changed the column",
            hint=f"Give the column the type {_type_of(column, kind)} back. A sync does not see what was rounded "
            "meanwhile: docs/guarantees.md says how to let a sync write rows again.",
        )


def _rounding(rows: Any, ours: dict[tuple[str, str], Column]) -> Iterator[tuple[str, Column, str]]:
    for table, name, given, digits in rows:
        column = ours.get((table, name))
        if column is None:
            continue
        found = str(given).lower()
        coarse = column.type == "timestamp" and digits is not None and int(digits) < MICROSECONDS
        if coarse or found.partition("(")[0] in _ROUNDING[column.type]:
            yield table, column, f"{found}({digits})" if coarse and found != "date" else found


def _type_of(column: Column, kind: Kind) -> str:
    if column.precision and kind != "duckdb":
        return f"varchar({column.precision})"
    return _OURS[kind][column.type]
