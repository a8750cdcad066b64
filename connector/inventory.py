"""What the warehouse holds of one account, read as Arrow in the schema of `tables.py`, whatever the database gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from connector.tables import IMAGES, REJECTED_VALUES, SYNC_RUNS, Table

if TYPE_CHECKING:
    import dlt

    from connector.destinations import Warehouse

KNOWN = ("image_id", "row_hash", "version", "first_seen_at", "deleted_at", "scan_time")
CHUNK = 50_000  # rows fetched at once
IDS = 500  # in one IN list
RUNS = 2_000  # the newest runs; more are never looked at

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Inventory:
    """Reads the account's rows. A dataset or table that does not exist yet has none.

    Raises DestinationError where the database fails.
    """

    def __init__(self, warehouse: Warehouse, pipeline: dlt.Pipeline, account_id: str) -> None:
        self._warehouse, self._pipeline, self._account_id = warehouse, pipeline, account_id

    def known(self) -> pa.Table:
        """The account's images: KNOWN columns of `images`."""
        return self._read(IMAGES, KNOWN, "account_id = %s", [self._account_id])

    def rows(self, image_ids: Sequence[str]) -> pa.Table:
        """Whole rows of `images`."""
        parts = [IMAGES.arrow_schema.empty_table()]
        for start in range(0, len(image_ids), IDS):
            chunk = image_ids[start : start + IDS]
            condition = f"account_id = %s and image_id in ({', '.join(['%s'] * len(chunk))})"
            parts.append(self._read(IMAGES, IMAGES.column_names, condition, [self._account_id, *chunk]))
        return pa.concat_tables(parts)

    def runs(self) -> list[dict[str, Any]]:
        """The account's rows of `sync_runs`, newest first, instants as microseconds."""
        condition = f"account_id = %s order by started_at desc limit {RUNS}"
        return plain_rows(self._read(SYNC_RUNS, SYNC_RUNS.column_names, condition, [self._account_id]))

    def rejected_ids(self) -> set[str]:
        table = self._read(REJECTED_VALUES, ("reject_id",), "account_id = %s", [self._account_id])
        return set(table["reject_id"].to_pylist())

    def other_accounts(self) -> list[str]:
        """Accounts that the warehouse holds beside this one."""
        table = self._read(SYNC_RUNS, ("account_id",), "account_id <> %s", [self._account_id])
        return sorted(set(table["account_id"].to_pylist()))

    def _read(self, table: Table, columns: Sequence[str], condition: str, values: Sequence[Any]) -> pa.Table:
        fields = [table.arrow_schema.field(name) for name in columns]
        parts = [
            pa.table([_array(list(cells), field) for cells, field in zip(zip(*rows, strict=True), fields, strict=True)],
                     schema=pa.schema(fields))
            for rows in self._chunks(table, columns, condition, values)
        ]  # fmt: skip
        return pa.concat_tables([pa.schema(fields).empty_table(), *parts])

    def _chunks(self, table: Table, columns: Sequence[str], condition: str, values: Sequence[Any]) -> Iterator[Any]:
        from dlt.destinations.exceptions import DatabaseUndefinedRelation

        with self._warehouse.guarded(), self._client() as client:
            names = ", ".join(client.escape_column_name(name) for name in columns)
            query = f"select {names} from {client.make_qualified_table_name(table.name)} where {condition}"
            try:
                with client.execute_query(query, *values) as cursor:
                    while rows := cursor.fetchmany(CHUNK):
                        yield rows
            except DatabaseUndefinedRelation:
                return

    @contextmanager
    def _client(self) -> Iterator[Any]:
        from connector.destinations import SCHEMA_NAME, schema

        if not self._pipeline.default_schema_name:
            self._pipeline.schemas.save_schema(schema())
            self._pipeline.default_schema_name = SCHEMA_NAME
        with self._pipeline.sql_client(SCHEMA_NAME) as client:
            yield client


def plain_rows(table: pa.Table) -> list[dict[str, Any]]:
    """Rows as dicts, instants as microseconds since the epoch."""
    columns = [c.cast(pa.int64()) if pa.types.is_timestamp(c.type) else c for c in table.columns]
    rows: list[dict[str, Any]] = pa.table(columns, names=table.column_names).to_pylist()
    return rows


def _array(cells: list[Any], field: pa.Field) -> pa.Array:
    """The cells as `field`'s type: naive times are UTC, 0 and 1 are booleans, decimals integers."""
    if pa.types.is_timestamp(field.type):
        return pa.array([_micros(cell) for cell in cells], pa.int64()).cast(field.type)
    if pa.types.is_boolean(field.type):
        return pa.array([None if cell is None else bool(cell) for cell in cells], field.type)
    if pa.types.is_integer(field.type):
        return pa.array([None if cell is None else int(cell) for cell in cells], field.type)
    return pa.array(cells, field.type)


def _micros(cell: Any) -> int | None:
    if cell is None:
        return None
    instant = datetime.fromisoformat(cell) if isinstance(cell, str) else cell
    instant = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant
    delta = instant - _EPOCH
    return delta.days * 86_400_000_000 + delta.seconds * 1_000_000 + delta.microseconds
