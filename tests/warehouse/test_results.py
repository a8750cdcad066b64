"""`connector.warehouse.results`: what drivers give, in the types of `tables.py`; see `test_inventory` for real ones."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from connector.warehouse.results import collect

MOMENT = datetime(2026, 6, 3, 9, 0, 0, 123456, tzinfo=UTC)
SCHEMA = pa.schema(
    [("name", pa.string()), ("count", pa.int64()), ("true", pa.bool_()), ("at", pa.timestamp("us", "UTC"))]
)
ROW = {"name": "a", "count": 7, "true": True, "at": MOMENT}


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(("a", 7, True, MOMENT), id="postgresql"),
        pytest.param(("a", 7, 1, "2026-06-03 09:00:00.123456"), id="sqlite"),
        pytest.param(("a", Decimal(7), 1, MOMENT.replace(tzinfo=None)), id="mysql"),
    ],
)
def test_each_drivers_values_are_the_same_rows(row: tuple[Any, ...]) -> None:
    """Instants are in UTC, whether they come as texts, with a zone or without; nulls stay nulls."""
    found = collect([[row, (None,) * 4]], SCHEMA.names, SCHEMA)
    assert found.schema.equals(SCHEMA)
    assert found.to_pylist() == [ROW, dict.fromkeys(ROW)]


def test_arrow_is_cast_to_the_tables_types() -> None:
    """As DuckDB gives it, in the zone of its session."""
    there = pa.table(
        {"at": pa.array([MOMENT], pa.timestamp("us", "Asia/Shanghai")), "count": pa.array([7], pa.int32())}
    )
    found = collect([there], ["at", "count"], SCHEMA)
    assert found.schema.equals(SCHEMA)
    assert found.to_pylist() == [{"name": None, "count": 7, "true": None, "at": MOMENT}]


def test_a_limit_ends_the_reading() -> None:
    """In the midst of a batch, and without asking for the next one."""

    def batches() -> Any:
        yield [("a",), ("b",)]
        yield [("c",), ("d",)]
        pytest.fail("nobody needs a third batch")

    assert collect(batches(), ["name"], SCHEMA, 3)["name"].to_pylist() == ["a", "b", "c"]


def test_no_batch_is_an_empty_table() -> None:
    """Of the same schema."""
    assert collect([], SCHEMA.names, SCHEMA).equals(SCHEMA.empty_table())
